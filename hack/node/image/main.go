// Command image writes the archive of an image with one program in it, as the last stage of a
// Dockerfile describes it:
//
//	image -dockerfile FILE -tag NAME:TAG -o ARCHIVE PROGRAM
//
// It reads no more of a Dockerfile than COPY of one file, USER, ENTRYPOINT and CMD, after FROM scratch, and
// refuses any other, so that the image is what the Dockerfile makes.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run() error {
	dockerfile := flag.String("dockerfile", "Dockerfile", "Dockerfile that describes the image")
	tag := flag.String("tag", "", "name of the image")
	out := flag.String("o", "", "file to write")
	flag.Parse()
	if flag.NArg() != 1 || *tag == "" || *out == "" {
		return fmt.Errorf("want image -dockerfile FILE -tag NAME:TAG -o ARCHIVE PROGRAM, not %q", os.Args[1:])
	}
	text, err := os.ReadFile(*dockerfile)
	if err != nil {
		return err
	}
	d, err := lastStage(text)
	if err != nil {
		return fmt.Errorf("%s: %w", *dockerfile, err)
	}
	program, err := os.ReadFile(flag.Arg(0))
	if err != nil {
		return err
	}
	image, err := d.image(program)
	if err != nil {
		return err
	}
	reference, err := name.NewTag(*tag)
	if err != nil {
		return err
	}
	if err := tarball.WriteToFile(*out+".part", reference, image); err != nil {
		return err
	}
	return os.Rename(*out+".part", *out)
}

// description is the last stage of a Dockerfile.
type description struct {
	// program is where the one file is.
	program         string
	user            string
	entrypoint, cmd []string
}

// lastStage reads the last stage of a Dockerfile. The error names the line of an instruction that is not supported.
func lastStage(dockerfile []byte) (d description, err error) {
	scratch, number := false, 0
	for lines := bufio.NewScanner(bytes.NewReader(dockerfile)); lines.Scan(); {
		number++
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		last := words[len(words)-1]
		switch {
		case words[0] == "FROM":
			d, scratch = description{}, last == "scratch"
		case !scratch: // of a stage before
		case words[0] == "COPY" && len(words) == 4 && strings.HasPrefix(words[1], "--from=") && d.program == "":
			d.program = last
		case words[0] == "USER" && len(words) == 2:
			d.user = last
		case words[0] == "ENTRYPOINT":
			err = json.Unmarshal([]byte(strings.TrimPrefix(lines.Text(), words[0])), &d.entrypoint)
		case words[0] == "CMD":
			err = json.Unmarshal([]byte(strings.TrimPrefix(lines.Text(), words[0])), &d.cmd)
		default:
			err = fmt.Errorf("%q is not supported", lines.Text())
		}
		if err != nil {
			return d, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if !scratch || d.program == "" {
		return d, fmt.Errorf("the last stage does not copy one file into an empty image")
	}
	return d, nil
}

// image is the image with a program.
func (d description) image(program []byte) (v1.Image, error) {
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	header := &tar.Header{Name: strings.TrimPrefix(path.Clean(d.program), "/"), Mode: 0o755, Size: int64(len(program)), Typeflag: tar.TypeReg}
	if err := archive.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := archive.Write(program); err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	of, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, of)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{User: d.user, Entrypoint: d.entrypoint, Cmd: d.cmd}
	return mutate.ConfigFile(image, config)
}
