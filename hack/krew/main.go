// Command krew builds the kubectl plugin for the usual desktops, one archive a
// platform, and the manifest by which krew installs it:
//
//	go run ./hack/krew -version v0.1.0 -out build/krew
//
// Two builds of the same commit by the same Go make the same archives.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"text/template"
)

//go:embed partner.yaml.tmpl
var manifest string

// platform is one for which the plugin is built.
type platform struct {
	OS, Arch string
	// Archive and SHA256 are those of what krew downloads.
	Archive, SHA256 string
	// Binary is the name of the plugin in it.
	Binary string
}

// platforms are the usual desktops.
var platforms = []platform{
	{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64"},
	{OS: "darwin", Arch: "amd64"}, {OS: "darwin", Arch: "arm64"},
	{OS: "windows", Arch: "amd64"},
}

// release is a semantic version, without what git adds after it.
var release = regexp.MustCompile(`^v\d+\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?$`)

func main() {
	version := flag.String("version", "", "release, such as v0.1.0")
	out := flag.String("out", "build/krew", "folder for the archives and the manifest")
	only := flag.String("only", "", "one platform to build for, such as linux/amd64; all if empty")
	flag.Parse()
	if err := run(*version, *out, *only); err != nil {
		fmt.Fprintln(os.Stderr, "krew:", err)
		os.Exit(1)
	}
}

func run(version, out, only string) error {
	if !release.MatchString(version) {
		return fmt.Errorf("-version %q: write a release, such as v0.1.0", version)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var built []platform
	for _, p := range platforms {
		if only != "" && only != p.OS+"/"+p.Arch {
			continue
		}
		fmt.Printf("Building kubectl-partner for %s/%s\n", p.OS, p.Arch)
		if err := p.build(version, out); err != nil {
			return err
		}
		built = append(built, p)
	}
	if len(built) == 0 {
		return fmt.Errorf("-only %q is none of the platforms", only)
	}
	var text bytes.Buffer
	err := template.Must(template.New("manifest").Parse(manifest)).Execute(&text, struct {
		Version   string
		Platforms []platform
	}{version, built})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "partner.yaml"), text.Bytes(), 0o644)
}

// build makes the archive of a platform, and takes its name and digest down.
func (p *platform) build(version, out string) error {
	p.Binary = "kubectl-partner"
	suffix := ".tar.gz"
	pack := tarball
	if p.OS == "windows" {
		p.Binary += ".exe"
		suffix, pack = ".zip", zipped
	}
	p.Archive = fmt.Sprintf("kubectl-partner_%s_%s_%s%s", version, p.OS, p.Arch, suffix)
	temporary, err := os.MkdirTemp("", "krew")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	binary := filepath.Join(temporary, p.Binary)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+version, "-o", binary, "./cmd/kubectl-partner")
	cmd.Env = append(os.Environ(), "GOOS="+p.OS, "GOARCH="+p.Arch, "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	data, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	license, err := os.ReadFile("LICENSE")
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := pack(&archive, file{p.Binary, data, 0o755}, file{"LICENSE", license, 0o644}); err != nil {
		return err
	}
	sum := sha256.Sum256(archive.Bytes())
	p.SHA256 = hex.EncodeToString(sum[:])
	return os.WriteFile(filepath.Join(out, p.Archive), archive.Bytes(), 0o644)
}

// file is a file of an archive.
type file struct {
	name string
	data []byte
	mode int64
}

// tarball and zipped pack files, without any time, so that the same files make the
// same archive.
func tarball(to io.Writer, files ...file) error {
	compressed := gzip.NewWriter(to)
	archive := tar.NewWriter(compressed)
	for _, f := range files {
		if err := archive.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data))}); err != nil {
			return err
		}
		if _, err := archive.Write(f.data); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return compressed.Close()
}

func zipped(to io.Writer, files ...file) error {
	archive := zip.NewWriter(to)
	for _, f := range files {
		w, err := archive.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate})
		if err != nil {
			return err
		}
		if _, err := w.Write(f.data); err != nil {
			return err
		}
	}
	return archive.Close()
}
