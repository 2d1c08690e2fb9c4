package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/dispel/partner-operator/internal/build"
)

// listed is a package as `go list` describes it.
type listed struct {
	ImportPath string
	Imports    []string
	Module     *listedModule
}

type listedModule struct {
	Path, Version string
	Main          bool
	Replace       *listedModule
}

// ours reports whether the source of a module is in this repository.
func (m *listedModule) ours() bool {
	return m.Main || m.Replace != nil && m.Replace.Version == ""
}

// source is the version that is compiled.
func (m *listedModule) source() string {
	if m.Replace != nil {
		return m.Replace.Path + "@" + m.Replace.Version
	}
	return m.Path + "@" + m.Version
}

type fingerprint [sha256.Size]byte

// check counts redundant compilations: a package is compiled once for every
// combination of its own version and the versions of all that it depends on.
func check(ctx context.Context, dirs []string) error {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		return err
	}
	if line := "export GOFLAGS := " + build.Flags + "\n"; !strings.Contains(string(makefile), line) {
		return fmt.Errorf("the Makefile compiles with other flags than internal/build has for the control plane and releases: let it have the line\n%s", line)
	}
	compilations := map[string]map[fingerprint]bool{}
	sources := map[string]map[string][]string{}
	for _, dir := range append(dirs, workspace) {
		packages, err := compiled(ctx, dir)
		if err != nil {
			return err
		}
		known := map[string]fingerprint{}
		for path, p := range packages {
			if p.Module == nil || p.Module.ours() {
				continue
			}
			if compilations[path] == nil {
				compilations[path] = map[fingerprint]bool{}
			}
			compilations[path][fingerprintOf(path, packages, known)] = true
			if sources[p.Module.Path] == nil {
				sources[p.Module.Path] = map[string][]string{}
			}
			source := p.Module.source()
			if in := sources[p.Module.Path]; !slices.Contains(in[source], dir) {
				in[source] = append(in[source], dir)
			}
		}
	}
	redundant := 0
	for _, of := range compilations {
		redundant += len(of) - 1
	}
	fmt.Printf("%d packages, %d redundant compilations\n", len(compilations), redundant)
	if redundant == 0 {
		return nil
	}
	for _, path := range slices.Sorted(maps.Keys(sources)) {
		if len(sources[path]) > 1 {
			for _, source := range slices.Sorted(maps.Keys(sources[path])) {
				fmt.Printf("  %s: %s\n", source, strings.Join(sources[path][source], ", "))
			}
		}
	}
	return errors.New("modules have different versions of what they share: run `go run ./hack/versions raise`")
}

// compiled are the packages that are compiled for the commands, tools and tests of a
// module, or of the workspace.
func compiled(ctx context.Context, dir string) (map[string]listed, error) {
	patterns := []string{"./...", "tool"}
	if dir == workspace {
		patterns = []string{"work"}
	}
	out, err := goCommand(ctx, dir, append([]string{"list", "-deps", "-test", "-tags=e2e,faults,node", "-json=ImportPath,Imports,Module"}, patterns...)...)
	if err != nil {
		return nil, err
	}
	packages := map[string]listed{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages[p.ImportPath] = p
	}
}

// fingerprintOf sums up what decides whether a package that is compiled already can be used.
func fingerprintOf(path string, packages map[string]listed, known map[string]fingerprint) fingerprint {
	if sum, ok := known[path]; ok {
		return sum
	}
	p := packages[path]
	sum := sha256.New()
	fmt.Fprintln(sum, path)
	if p.Module != nil {
		fmt.Fprintln(sum, p.Module.source())
	}
	for _, imported := range slices.Sorted(slices.Values(p.Imports)) {
		of := fingerprintOf(imported, packages, known)
		sum.Write(of[:])
	}
	known[path] = fingerprint(sum.Sum(nil))
	return known[path]
}
