package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dispel/partner-operator/internal/build"
	"github.com/dispel/partner-operator/internal/controlplane/assets"
)

// Lines of progress of the go command.
var (
	downloadLine = regexp.MustCompile(`^go: downloading `)
	compiledLine = regexp.MustCompile(`^[^ ]+( \[[^ ]+\])?$`)
)

// preparation is what the steps have in common.
type preparation struct {
	wanted assets.Build
	// temporary is a folder that goes at the end.
	temporary string

	mu  sync.Mutex
	out io.Writer
}

func (p *preparation) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, format+"\n", args...)
}

// step is one run of the go command whose lines of progress are counted.
type step struct {
	name string
	// dir is where it runs, from the top of the work tree.
	dir  string
	args []string
	// progress matches its lines of progress.
	progress *regexp.Regexp
	// total is how many lines there are at most; 0 is unknown.
	total int
	// onProgress is told each of them.
	onProgress func(string)

	seen atomic.Int64
}

// do runs a step, and returns what it prints. It reports progress every few seconds.
func (p *preparation) do(ctx context.Context, s *step) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", s.args...)
	cmd.Dir = filepath.Join(p.wanted.Root, s.dir)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS="+build.Flags, "GOTMPDIR="+p.temporary)
	if s.dir == workspace {
		cmd.Env = append(cmd.Env, "GOWORK=auto")
	}
	// The compilers that it started end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = reportEvery
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	start := time.Now()
	if err = cmd.Start(); err != nil {
		return nil, fmt.Errorf("running the go command: %w", err)
	}
	done := make(chan struct{})
	go p.report(s, start, done)
	var rest []string
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if !s.progress.MatchString(lines.Text()) {
			rest = append(rest, lines.Text())
			continue
		}
		s.seen.Add(1)
		if s.onProgress != nil {
			s.onProgress(lines.Text())
		}
	}
	err = cmp.Or(lines.Err(), cmd.Wait())
	close(done)
	if err != nil {
		return nil, explain(ctx, s.name, rest, err)
	}
	if took := time.Since(start); took > reportEvery {
		p.say("  %s: done, %d in %s", s.name, s.seen.Load(), took.Round(time.Second))
	}
	return stdout.Bytes(), nil
}

// reportEvery is how often progress is shown.
const reportEvery = 10 * time.Second

func (p *preparation) report(s *step, start time.Time, done <-chan struct{}) {
	tick := time.NewTicker(reportEvery)
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
			p.say("  %s: %d%s, after %s", s.name, s.seen.Load(), of, now.Sub(start).Round(time.Second))
		}
	}
}

// refused matches what the go command says when a module cannot be had.
var refused = regexp.MustCompile(`(?i)dial tcp|no such host|connection refused|i/o timeout|proxyconnect|: \d{3} [A-Z]|reading https?://|checksum mismatch|module lookup disabled|SECURITY ERROR`)

// moduleVersion matches a module in what the go command says.
var moduleVersion = regexp.MustCompile(`[\w.-]+\.[a-z]+(/[\w.~-]+)+@v[\w.+-]+`)

// explain turns the go command's complaint into what its reader can act on.
func explain(ctx context.Context, what string, lines []string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: interrupted; what is compiled so far is kept in Go's build cache", what)
	}
	said := strings.Join(lines, "\n")
	switch {
	case strings.Contains(said, "no space left on device") || strings.Contains(said, "disk quota exceeded"):
		return fmt.Errorf("%s: the disk is full. A cold build takes up to %d GiB in Go's caches and in the control plane's own; "+
			"free some, or point GOCACHE, GOMODCACHE and %s elsewhere, then run this again:\n%s", what, diskNeeded>>30, assets.CacheEnv, said)
	case refused.MatchString(said):
		which := "a module"
		if module := moduleVersion.FindString(said); module != "" {
			which = module
		}
		return fmt.Errorf("%s: %s could not be downloaded. Check the network and GOPROXY (see `go env GOPROXY`), then run this again, which goes on where this ended:\n%s", what, which, said)
	}
	if strings.Contains(said, "signal: killed") {
		return fmt.Errorf("%s: a compiler was killed, which the system does when memory runs out: close other programs and run this again:\n%s", what, said)
	}
	return fmt.Errorf("%s: %w:\n%s", what, err, said)
}

// lock takes an exclusive lock on path, which ends with the process that holds
// it, however that ends.
func lock(ctx context.Context, path string, out io.Writer) (func(), error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
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
			fmt.Fprintln(out, "Another run is building; waiting for it to end")
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
