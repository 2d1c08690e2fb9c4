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
	ForTest    string
	Imports    []string
	Standard   bool
	Module     *struct {
		Path, Version string
		Main          bool
	}
}

// check counts how many times too often packages are compiled: a package is
// compiled once for every combination of its own version, the versions of all
// that it depends on, and the flags.
func check(ctx context.Context, dirs []string) error {
	if flags := os.Getenv("GOFLAGS"); flags != build.Flags {
		return fmt.Errorf("GOFLAGS is %q, but the control plane and releases are compiled with %q: let the Makefile and internal/build have the same", flags, build.Flags)
	}
	kinds := map[string]map[[sha256.Size]byte]bool{}
	versions := map[string]map[string][]string{}
	for _, dir := range dirs {
		packages, err := compiled(ctx, dir)
		if err != nil {
			return err
		}
		memory := map[string][sha256.Size]byte{}
		for path, p := range packages {
			if p.Module == nil || p.Module.Main {
				continue
			}
			if kinds[path] == nil {
				kinds[path] = map[[sha256.Size]byte]bool{}
			}
			kinds[path][kind(path, packages, memory)] = true
			if versions[p.Module.Path] == nil {
				versions[p.Module.Path] = map[string][]string{}
			}
			if in := versions[p.Module.Path]; !slices.Contains(in[p.Module.Version], dir) {
				in[p.Module.Version] = append(in[p.Module.Version], dir)
			}
		}
	}
	again := 0
	for _, of := range kinds {
		again += len(of) - 1
	}
	fmt.Printf("%d packages are compiled, %d of them more than once\n", len(kinds), again)
	if again <= tolerated {
		return nil
	}
	for _, path := range slices.Sorted(maps.Keys(versions)) {
		if len(versions[path]) > 1 {
			for version, in := range versions[path] {
				fmt.Printf("  %s %s: %s\n", path, version, strings.Join(in, ", "))
			}
		}
	}
	return fmt.Errorf("more than %d packages are compiled more than once: run `go run ./hack/versions raise`", tolerated)
}

// compiled are the packages that are compiled for the commands and tools of a
// module, and for its tests.
func compiled(ctx context.Context, dir string) (map[string]listed, error) {
	out, err := goCommand(ctx, dir, "list", "-deps", "-test", "-tags=e2e,faults", "-json=ImportPath,ForTest,Imports,Standard,Module", "./...", "tool")
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

// kind sums up what decides whether a package that is compiled already can be used.
func kind(path string, packages map[string]listed, memory map[string][sha256.Size]byte) [sha256.Size]byte {
	if known, ok := memory[path]; ok {
		return known
	}
	p := packages[path]
	sum := sha256.New()
	fmt.Fprintln(sum, path)
	if p.Module != nil {
		fmt.Fprintln(sum, p.Module.Path, p.Module.Version)
	}
	for _, imported := range slices.Sorted(slices.Values(p.Imports)) {
		of := kind(imported, packages, memory)
		sum.Write(of[:])
	}
	memory[path] = [sha256.Size]byte(sum.Sum(nil))
	return memory[path]
}
