package controlplane

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// diskNeeded is what a cold build writes: modules, Go's build cache and the
// binary, in bytes. Measured: 4.4 GiB.
const diskNeeded = 5 << 30

// Build makes sure that the binaries are there and returns their folder. It
// reports progress to out every few seconds, since a cold build takes minutes.
// Of two builds at once, one works and the other waits for it.
func Build(ctx context.Context, out io.Writer) (string, error) {
	dir, err := Assets()
	if _, missing := errors.AsType[*NotBuiltError](err); !missing {
		return dir, err
	}
	b, err := pinned()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(b.dir), 0o755); err != nil {
		return "", fmt.Errorf("making the cache folder (set %s to another): %w", CacheEnv, err)
	}
	unlock, err := lock(ctx, b.dir+".lock", out)
	if err != nil {
		return "", err
	}
	defer unlock()
	if complete(b.dir) {
		return b.dir, nil
	}
	if err := enoughDisk(filepath.Dir(b.dir)); err != nil {
		return "", err
	}
	fmt.Fprintf(out, "Building the control plane once: Kubernetes %s with etcd %s, into %s\n", b.kubernetes, b.etcd, b.dir)
	start := time.Now()
	if err := b.compile(ctx, out); err != nil {
		return "", err
	}
	fmt.Fprintf(out, "Built the control plane in %s\n", time.Since(start).Round(time.Second))
	return b.dir, nil
}

func (b pinnedBuild) compile(ctx context.Context, out io.Writer) error {
	tmp, err := os.MkdirTemp(filepath.Dir(b.dir), ".building-*")
	if err != nil {
		return fmt.Errorf("making a folder to build in: %w", err)
	}
	defer os.RemoveAll(tmp)

	list := &step{name: "downloading modules", line: regexp.MustCompile(`^go: downloading `)}
	packages, err := list.run(ctx, out, b.module, "list", "-modfile="+b.modfile, "-deps", ".")
	if err != nil {
		return err
	}
	major, minor, _ := strings.Cut(strings.TrimPrefix(b.kubernetes, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	version := "-X k8s.io/component-base/version."
	build := &step{name: "compiling packages", line: regexp.MustCompile(`^[^ ]+$`), total: bytes.Count(packages, []byte("\n"))}
	if _, err := build.run(ctx, out, b.module, "build", "-modfile="+b.modfile, "-v", "-trimpath",
		"-gcflags=all=-dwarf=false", "-ldflags", strings.Join([]string{
			"-s -w", version + "gitVersion=" + b.kubernetes, version + "gitMajor=" + major, version + "gitMinor=" + minor,
		}, " "),
		"-o", filepath.Join(tmp, "controlplane"), "."); err != nil {
		return err
	}
	for _, name := range binaries {
		if err := os.Symlink("controlplane", filepath.Join(tmp, name)); err != nil {
			return err
		}
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	// What is in the way is incomplete, or it would have been used.
	if err := os.RemoveAll(b.dir); err != nil {
		return err
	}
	return os.Rename(tmp, b.dir)
}

// step is one run of the go command whose lines of progress are counted.
type step struct {
	name  string
	line  *regexp.Regexp
	total int
	seen  atomic.Int64
}

func (s *step) run(ctx context.Context, out io.Writer, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false -mod=readonly")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("running the go command: %w", err)
	}
	done := make(chan struct{})
	go s.report(out, done)
	var rest []string
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if s.line.MatchString(lines.Text()) {
			s.seen.Add(1)
		} else {
			rest = append(rest, lines.Text())
		}
	}
	err = cmd.Wait()
	close(done)
	if err != nil {
		return nil, explain(ctx, s.name, rest, err)
	}
	return stdout.Bytes(), nil
}

func (s *step) report(out io.Writer, done <-chan struct{}) {
	start := time.Now()
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case now := <-tick.C:
			of := ""
			if s.total > 0 {
				of = fmt.Sprintf(" of at most %d", s.total)
			}
			fmt.Fprintf(out, "  %s: %d%s, after %s\n", s.name, s.seen.Load(), of, now.Sub(start).Round(time.Second))
		}
	}
}

// refused matches what the go command says when a module cannot be had.
var refused = regexp.MustCompile(`(?i)dial tcp|no such host|connection refused|i/o timeout|proxyconnect|: \d{3} [A-Z]|reading https?://|checksum mismatch|module lookup disabled|SECURITY ERROR`)

// explain turns the go command's complaint into what its reader can act on.
func explain(ctx context.Context, what string, lines []string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: interrupted; what is compiled so far is kept in Go's build cache", what)
	}
	said := strings.Join(lines, "\n")
	switch {
	case strings.Contains(said, "no space left on device") || strings.Contains(said, "disk quota exceeded"):
		return fmt.Errorf("%s: the disk is full. A cold build takes up to %d GiB in Go's caches and in the control plane's own; "+
			"free some, or point GOCACHE, GOMODCACHE and %s elsewhere, then run this again:\n%s", what, diskNeeded>>30, CacheEnv, said)
	case refused.MatchString(said):
		return fmt.Errorf("%s: a module could not be downloaded. Check the network and GOPROXY (see `go env GOPROXY`), then run this again:\n%s", what, said)
	}
	return fmt.Errorf("%s: %w:\n%s", what, err, said)
}

func enoughDisk(dir string) error {
	// A file system that cannot say is no reason to refuse: the build will say
	// what it lacks.
	var fs syscall.Statfs_t
	known := syscall.Statfs(dir, &fs) == nil
	if free := fs.Bavail * uint64(fs.Bsize); known && free < diskNeeded {
		return fmt.Errorf("%s has %d MiB free, and building the control plane takes up to %d MiB: free some, or set %s to a folder elsewhere",
			dir, free>>20, diskNeeded>>20, CacheEnv)
	}
	return nil
}

// lock takes an exclusive lock on path, which ends with the process that holds
// it, however that ends.
func lock(ctx context.Context, path string, out io.Writer) (func(), error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the build's lock: %w", err)
	}
	told := false
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = file.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if !told {
			fmt.Fprintln(out, "Another build of the control plane is under way; waiting for it")
			told = true
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}
