package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// cluster is two nodes, and the folder with all that they write.
type cluster struct {
	dir string
	// running are the first processes of the nodes.
	running []*exec.Cmd
}

// numbers are those of the nodes.
var numbers = []int{1, 2}

// startTimeout is for how long the cluster may take to be ready.
const startTimeout = 5 * time.Minute

// beside runs a command beside a cluster, and ends that.
func beside(ctx context.Context, images, command []string) (err error) {
	if err := checkMachine(); err != nil {
		return err
	}
	assets, err := prepare(ctx)
	if err != nil {
		return err
	}
	before := residueOf("")
	dir, err := os.MkdirTemp("", "partner-operator-node-*")
	if err != nil {
		return err
	}
	c := &cluster{dir: dir}
	end, err := c.startGuard()
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	defer func() {
		if err != nil {
			c.keepLogs(filepath.Join(assets.programs, "logs"))
		}
		for _, node := range c.running {
			_ = node.Process.Kill()
			_ = node.Wait() // it was killed
		}
		if left := errors.Join(end(), residueOf(dir).beyond(before)); left != nil {
			err = errors.Join(err, left)
		}
	}()
	if err := c.prepare(assets, images); err != nil {
		return err
	}
	started := time.Now()
	if err := c.start(ctx); ctx.Err() != nil {
		return errors.New("interrupted")
	} else if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "Two nodes are ready after %s\n", time.Since(started).Round(time.Second))
	err = c.run(ctx, nil, command...)
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return exitStatus(max(1, ended.ExitCode()))
	}
	return err
}

// keepLogs copies what the components wrote to a folder.
func (c *cluster) keepLogs(to string) {
	_ = os.RemoveAll(to)
	for _, number := range numbers {
		n := newNode(c.dir, number)
		if os.CopyFS(filepath.Join(to, fmt.Sprint("node", number)), os.DirFS(n.path("log"))) == nil {
			fmt.Fprintf(os.Stderr, "Logs of node %d are in %s\n", number, to)
		}
	}
}

// checkMachine says what the machine lacks; nil if nothing is known to be missing.
func checkMachine() error {
	if os.Geteuid() != 0 {
		return errors.New("nodes need root, to make namespaces and cgroups: run this with sudo")
	}
	systems, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err
	}
	if !strings.Contains(string(systems), "\toverlay\n") {
		return errors.New("the kernel has no overlay file system, which containerd needs: load its module (modprobe overlay)")
	}
	if len(hierarchies()) == 0 {
		return errors.New("no cgroups are mounted at /sys/fs/cgroup, which kubelet needs")
	}
	return nil
}

// startGuard starts a process that outlives this one by a moment, however it ends, and removes
// what the nodes leave. The function that it returns has it do so.
func (c *cluster) startGuard() (end func() error, err error) {
	cmd := exec.Command("/proc/self/exe", asGuard, c.dir, "0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stderr = os.Stderr
	hold, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() error { return errors.Join(hold.Close(), cmd.Wait()) }, nil
}

// guard waits until the process that started it has ended, or is about to, and cleans up.
func guard(c cluster) error {
	_, _ = io.Copy(io.Discard, os.Stdin)
	err := removeCgroups(c.name())
	for range 100 { // who still writes is about to end
		if os.RemoveAll(c.dir) == nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

// name is that of the cluster's cgroups.
func (c *cluster) name() string { return filepath.Base(c.dir) }

// start starts the nodes and waits until both are ready.
func (c *cluster) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, number := range numbers {
		n := newNode(c.dir, number)
		if err := makeCgroups(n.cgroup()); err != nil {
			return err
		}
		log, err := os.Create(n.path("log", "node.log"))
		if err != nil {
			return err
		}
		defer log.Close()
		cmd := exec.Command("/proc/self/exe", asFirst, c.dir, fmt.Sprint(number))
		cmd.Stdout, cmd.Stderr = log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
			// With its first process, all of a node goes, and with its last one, its namespaces.
			Pdeathsig: syscall.SIGKILL,
			Setsid:    true, // an interrupt at the terminal is for the launcher
		}
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("making a node's namespaces: %w", err)
		}
		c.running = append(c.running, cmd)
	}
	link := netlink.NewLinkAttrs()
	link.Name, link.Namespace = linkName, netlink.NsPid(c.running[0].Process.Pid)
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: link, PeerName: linkName, PeerNamespace: netlink.NsPid(c.running[1].Process.Pid)}); err != nil {
		return fmt.Errorf("linking the nodes: %w %s", err, newNode(c.dir, 1).failed()+newNode(c.dir, 2).failed())
	}
	for _, number := range numbers {
		n := newNode(c.dir, number)
		if err := wait(ctx, func() bool { return n.up() || n.failed() != "" || c.ended(number) }); err != nil || !n.up() {
			return fmt.Errorf("node %d did not start: %w\n%s", number, errors.Join(err, errors.New(n.failed())), n.logs())
		}
	}
	ready := func() bool {
		var out bytes.Buffer
		err := c.run(ctx, &out, c.kubectl(), "wait", "node", "--all", "--for=condition=Ready", "--timeout=1s")
		return err == nil && strings.Count(out.String(), "condition met") == len(numbers)
	}
	if err := wait(ctx, ready); err != nil {
		return fmt.Errorf("the nodes do not become ready: %w\n%s", err, newNode(c.dir, 1).logs())
	}
	var out bytes.Buffer
	if err := c.run(ctx, &out, c.kubectl(), "apply", "-f", filepath.Join(c.dir, "dns.yaml")); err != nil {
		return fmt.Errorf("starting DNS: %w\n%s", err, out.String())
	}
	return nil
}

// ended reports whether the first process of a node has ended.
func (c *cluster) ended(number int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.running[number-1].Process.Pid))
	return err != nil || strings.Contains(string(status), ") Z ")
}

// kubectl is the path of the control plane's own.
func (c *cluster) kubectl() string { return filepath.Join(c.dir, "bin", "kubectl") }

// run runs a command in the first node's network, and kills it if this process is. Its output goes to out,
// or to where this process writes if that is nil.
func (c *cluster) run(ctx context.Context, out *bytes.Buffer, command ...string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(c.dir, "admin.kubeconfig"), "NODES="+c.dir,
		"KUBECACHEDIR="+filepath.Join(c.dir, "kubectl"), "PATH="+filepath.Join(c.dir, "bin")+":"+os.Getenv("PATH"))
	if out != nil {
		cmd.Stdout, cmd.Stderr = out, out
	} else {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	result := make(chan error, 1)
	go func() {
		// The thread is never unlocked, so that it ends with the goroutine; it has to outlive the command.
		runtime.LockOSThread()
		network, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", c.running[0].Process.Pid))
		if err == nil {
			err = unix.Setns(int(network.Fd()), unix.CLONE_NEWNET)
			_ = network.Close()
		}
		if err == nil {
			err = cmd.Run()
		}
		result <- err
	}()
	return <-result
}

// wait waits until something is so.
func wait(ctx context.Context, is func() bool) error {
	for !is() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// residue is what a cluster could leave on the machine.
type residue struct{ cgroups, mounts, processes, settings []string }

// residueOf looks for what is there: settings of the kernel, and the cgroups, mounts and processes of
// the cluster of a folder.
func residueOf(dir string) residue {
	var r residue
	for _, setting := range settings {
		value, _ := os.ReadFile(filepath.Join("/proc/sys", setting.name))
		r.settings = append(r.settings, "setting "+setting.name+" = "+strings.TrimSpace(string(value)))
	}
	// What components make where nobody tells them otherwise.
	for _, folder := range []string{"/opt/containerd", "/usr/libexec/kubernetes"} {
		if _, err := os.Stat(folder); err == nil {
			r.settings = append(r.settings, "folder "+folder)
		}
	}
	if dir == "" {
		return r
	}
	for _, h := range hierarchies() {
		if found := filepath.Join(h.path, filepath.Base(dir)+"-*"); len(glob(found)) > 0 {
			r.cgroups = append(r.cgroups, "cgroup "+found)
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, dir) {
			r.mounts = append(r.mounts, "mount "+line)
		}
	}
	for _, file := range glob("/proc/[0-9]*/cmdline") {
		if line, _ := os.ReadFile(file); strings.Contains(string(line), dir) {
			r.processes = append(r.processes, "process "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	if _, err := os.Stat(dir); err == nil {
		r.mounts = append(r.mounts, "folder "+dir)
	}
	return r
}

// beyond is an error that names what there is now and was not before; nil if nothing.
func (r residue) beyond(before residue) error {
	var more []string
	for _, found := range slices.Concat(r.cgroups, r.mounts, r.processes, r.settings) {
		if !slices.Contains(before.settings, found) {
			more = append(more, found)
		}
	}
	if len(more) == 0 {
		return nil
	}
	return fmt.Errorf("the nodes left something behind: %s", strings.Join(more, "; "))
}

func glob(pattern string) []string {
	found, _ := filepath.Glob(pattern) // the patterns are well formed
	return found
}
