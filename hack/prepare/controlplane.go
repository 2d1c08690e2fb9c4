package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/dispel/partner-operator/internal/controlplane/assets"
)

// diskNeeded is what a cold build writes: modules, Go's build cache and the
// binary, in bytes.
const diskNeeded = 5 << 30

// buildControlPlane builds what is missing of the control plane, and calls compiled
// when nothing but the link is left.
func (p *preparation) buildControlPlane(ctx context.Context, compiled func()) error {
	b := p.wanted
	if err := p.enoughDisk(ctx); err != nil {
		return err
	}
	p.say("Building %s once: Kubernetes %s with etcd %s, into %s", strings.Join(b.Components, ", "), b.Kubernetes, b.Etcd, b.Dir)
	if b.Given != "" {
		p.say("The others are those of %s, where these are missing", b.Given)
	}
	tmp := filepath.Join(p.temporary, "controlplane")
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return err
	}
	flags := []string{"-modfile=" + b.Modfile, "-tags=" + strings.Join(b.Tags, ",")}
	list := step{name: "downloading modules for the control plane", dir: "hack/controlplane", args: slices.Concat([]string{"list"}, flags, []string{"-deps", "."}), progress: downloadLine}
	packages, err := p.do(ctx, &list)
	if err != nil {
		return err
	}
	const main = "github.com/dispel/partner-operator/hack/controlplane"
	compile := step{
		name: "compiling the control plane", dir: "hack/controlplane", progress: compiledLine, total: strings.Count(string(packages), "\n"),
		args: slices.Concat([]string{"build", "-v"}, flags, []string{"-ldflags", linkerFlags(b.Kubernetes), "-o", filepath.Join(tmp, "controlplane"), "."}),
		onProgress: func(line string) {
			// The main package depends on all others.
			if line == main {
				compiled()
			}
		},
	}
	if _, err := p.do(ctx, &compile); err != nil {
		return err
	}
	for _, name := range assets.Binaries {
		target := "controlplane"
		if !slices.Contains(b.Components, name) {
			target = filepath.Join(b.Given, name)
		}
		if err := os.Symlink(target, filepath.Join(tmp, name)); err != nil {
			return err
		}
	}
	// What is in the way is incomplete, or it would have been used.
	if err := os.RemoveAll(b.Dir); err != nil {
		return err
	}
	return os.Rename(tmp, b.Dir)
}

// linkerFlags have the components say which version of Kubernetes they are of.
func linkerFlags(kubernetes string) string {
	major, minor, _ := strings.Cut(strings.TrimPrefix(kubernetes, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	version := "-X k8s.io/component-base/version."
	return strings.Join([]string{"-s -w", version + "gitVersion=" + kubernetes, version + "gitMajor=" + major, version + "gitMinor=" + minor}, " ")
}

// building is how folders begin whose build has not ended.
const building = ".building-"

// removeStale removes what builds left behind that were killed.
func (p *preparation) removeStale() error {
	left, err := filepath.Glob(filepath.Join(p.wanted.Cache, building+"*"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// enoughDisk looks at the file system of Go's build cache, which takes most of it.
func (p *preparation) enoughDisk(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "go", "env", "GOCACHE").Output()
	if err != nil {
		return fmt.Errorf("running the go command: %w", err)
	}
	dir := strings.TrimSpace(string(out))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// A file system that cannot say is no reason to refuse: the build will say
	// what it lacks.
	var fs syscall.Statfs_t
	known := syscall.Statfs(dir, &fs) == nil
	if free := fs.Bavail * uint64(fs.Bsize); known && free < diskNeeded {
		return fmt.Errorf("%s has %d MiB free, and building the control plane takes up to %d MiB: free some, or point GOCACHE to a folder elsewhere",
			dir, free>>20, diskNeeded>>20)
	}
	return nil
}
