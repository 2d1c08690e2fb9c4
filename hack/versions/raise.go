package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// raise writes go.mod files until no module has a lower version of anything than
// another has. The go command may raise some more each time.
func raise(ctx context.Context, dirs []string) error {
	for {
		files := map[string]*modfile.File{}
		highest := map[string]string{}
		for _, dir := range dirs {
			file, err := readModule(dir)
			if err != nil {
				return err
			}
			files[dir] = file
			for _, required := range versions(file) {
				if semver.Compare(required.Version, highest[required.Path]) > 0 {
					highest[required.Path] = required.Version
				}
			}
		}
		raised := 0
		for _, dir := range dirs {
			args := []string{"mod", "edit"}
			file := files[dir]
			for _, r := range file.Require {
				if version := highest[r.Mod.Path]; version != r.Mod.Version {
					fmt.Printf("%s: %s %s -> %s\n", dir, r.Mod.Path, r.Mod.Version, version)
					args = append(args, "-require="+r.Mod.Path+"@"+version)
				}
			}
			for _, r := range file.Replace {
				if version := highest[r.New.Path]; pins(file, r) && version != r.New.Version {
					fmt.Printf("%s: %s pinned to %s -> %s\n", dir, r.New.Path, r.New.Version, version)
					args = append(args, "-replace="+r.Old.Path+"="+r.New.Path+"@"+version)
				}
			}
			if len(args) == 2 {
				continue
			}
			raised += len(args) - 2
			for _, args := range [][]string{args, {"mod", "tidy"}} {
				if _, err := goCommand(ctx, dir, args...); err != nil {
					return err
				}
			}
		}
		if raised == 0 {
			return nil
		}
	}
}

// versions are those that a module requires, and those that it pins.
func versions(file *modfile.File) []module.Version {
	var all []module.Version
	for _, r := range file.Require {
		all = append(all, r.Mod)
	}
	for _, r := range file.Replace {
		if pins(file, r) {
			all = append(all, r.New)
		}
	}
	return all
}

// pins tells that a replacement is the same module in a certain version, as
// Kubernetes' staging modules need it, which require one another without versions. One
// that is lower than what the module requires stays: the higher one cannot be used.
func pins(file *modfile.File, r *modfile.Replace) bool {
	if r.New.Path != r.Old.Path || r.Old.Version != "" {
		return false
	}
	return !slices.ContainsFunc(file.Require, func(required *modfile.Require) bool {
		return required.Mod.Path == r.Old.Path && semver.Compare(required.Mod.Version, r.New.Version) > 0
	})
}

func readModule(dir string) (*modfile.File, error) {
	path := filepath.Join(dir, "go.mod")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return modfile.Parse(path, data, nil)
}
