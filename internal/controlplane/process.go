package controlplane

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// guard is a shell that outlives this process by a moment. It holds the read
// end of a pipe whose write end only this process has, so it notices however
// this process ends, SIGKILL included; then it ends its process group, to
// which all components belong, and removes their data.
type guard struct {
	cmd  *exec.Cmd
	hold io.Closer
}

const guardScript = `trap '' INT TERM HUP
cat >/dev/null
kill -TERM 0
sleep 1
rm -rf "$1"
kill -KILL 0`

func startGuard(dir string) (*guard, error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, "controlplane-guard", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	hold, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the control plane's guard: %w", err)
	}
	return &guard{cmd: cmd, hold: hold}, nil
}

// stop ends the guard and whatever is left of its group.
func (g *guard) stop() error {
	if g == nil {
		return nil
	}
	// The group goes at once: each component had its time to stop before.
	err := syscall.Kill(-g.cmd.Process.Pid, syscall.SIGKILL)
	_ = g.hold.Close()
	_ = g.cmd.Wait() // it was killed
	return err
}

// run starts a component in the guard's process group. Its own group keeps it
// from an interrupt typed at the terminal, so that it is stopped in order.
func (g *guard) run(logPath, path string, args ...string) (*Process, error) {
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: g.cmd.Process.Pid}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", filepath.Base(path), err)
	}
	p := &Process{name: filepath.Base(path), log: logPath, cmd: cmd, exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// Process is a component of the control plane, or a program that runs beside it
// and ends with it at the latest.
type Process struct {
	name, log string
	cmd       *exec.Cmd
	exited    chan struct{}
	err       error // how it ended; valid once exited is closed
}

// waitFor returns once url answers with success.
func (p *Process) waitFor(ctx context.Context, client *http.Client, url string) error {
	return p.waitUntil(ctx, "answer at "+url, func(ctx context.Context) bool { return healthy(ctx, client, url) })
}

// waitUntil returns once the process does what is asked of it.
func (p *Process) waitUntil(ctx context.Context, what string, does func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for !does(ctx) {
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended at its start: %w\n%s", p.name, p.err, tail(p.log))
		case <-ctx.Done():
			return fmt.Errorf("%s does not %s: %w\n%s", p.name, what, ctx.Err(), tail(p.log))
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func healthy(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// Stop ends the process: politely, and after a while by force.
func (p *Process) Stop() error {
	if p == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-p.exited:
		return nil
	case <-time.After(10 * time.Second):
	}
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("stopping %s: %w", p.name, err)
	}
	<-p.exited
	return nil
}

// Kill ends the process at once, as a crash does.
func (p *Process) Kill() error {
	err := p.cmd.Process.Kill()
	<-p.exited
	return err
}

// PID is the number of the process.
func (p *Process) PID() int {
	return p.cmd.Process.Pid
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} {
	return p.exited
}

// Log returns the end of what the process wrote.
func (p *Process) Log() string {
	return tail(p.log)
}

// tail returns the end of a log file.
func tail(path string) string {
	const size = 4 << 10
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > size {
		_, _ = file.Seek(-size, io.SeekEnd)
	}
	data, _ := io.ReadAll(file)
	return string(data)
}
