// Command release builds what a release is made of into a folder:
//
//	go run ./hack/release -version v0.2.0 -out build/release
//
// There are the operator for its platforms, the kubectl plugin for the usual
// desktops with the manifest by which krew installs it, the chart, a bill of
// materials for each binary, the checksums of all, and the provenance of all. With
// a key, the checksums and the provenance are signed.
//
// Two builds of the same commit by the same Go make the same files.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// semantic is a semantic version, without what git adds after it.
var semantic = regexp.MustCompile(`^v\d+\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?$`)

func main() {
	var r release
	flag.StringVar(&r.version, "version", "", "release, such as v0.2.0")
	flag.StringVar(&r.out, "out", "build/release", "folder for the files, which must be empty or not there")
	flag.StringVar(&r.only, "only", "", "one platform to build for, such as linux/amd64; all if empty")
	flag.StringVar(&r.key, "key", os.Getenv("RELEASE_SIGNING_KEY"), "file with the private key to sign with, PKCS #8 in PEM; that of $RELEASE_SIGNING_KEY if not given, and no signature if that is empty")
	flag.Parse()
	if err := r.build(); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release is one that is being built.
type release struct {
	version, out, only, key string
	// commit is what it is built from.
	commit string
	// files are the names of those built, in out.
	files []string
}

func (r *release) build() error {
	if !semantic.MatchString(r.version) {
		return fmt.Errorf("-version %q: write a release, such as v0.2.0", r.version)
	}
	if entries, err := os.ReadDir(r.out); err == nil && len(entries) > 0 {
		return fmt.Errorf("-out %q: it is not empty: remove it, or name another", r.out)
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	commit, err := output("git", "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	r.commit = commit
	if r.key != "" {
		changes, err := output("git", "status", "--porcelain")
		if err != nil {
			return err
		}
		if changes != "" {
			return fmt.Errorf("what is signed is built from a commit: commit, or remove, what git status shows:\n%s", changes)
		}
	}
	if err := errors.Join(r.buildOperator(), r.buildPlugin()); err != nil {
		return err
	}
	if len(r.files) == 0 {
		return fmt.Errorf("-only %q is none of the platforms", r.only)
	}
	if err := r.packChart(); err != nil {
		return err
	}
	return r.attest()
}

// write writes a file of the release.
func (r *release) write(name string, data []byte) error {
	r.files = append(r.files, name)
	return os.WriteFile(filepath.Join(r.out, name), data, 0o644)
}

// output is what a command prints, without the white space around it.
func output(name string, args ...string) (string, error) {
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}
