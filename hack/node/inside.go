package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// linkName is what the link between the nodes is called on both.
const linkName = "eth0"

// setting is one of the kernel's that kubelet sets, and what it wants. It finds that in a file
// of the node's own, and so changes nothing of the machine's.
type setting struct{ name, wanted string }

var settings = []setting{
	{"vm/overcommit_memory", "1"}, {"vm/panic_on_oom", "0"}, {"kernel/panic", "10"}, {"kernel/panic_on_oops", "1"},
	{"kernel/keys/root_maxkeys", "1000000"}, {"kernel/keys/root_maxbytes", "25000000"},
}

// node is one of a cluster.
type node struct {
	// cluster is the cluster's folder, and dir the node's own in it.
	cluster, dir string
	number       int
}

func newNode(cluster string, number int) *node {
	return &node{cluster, filepath.Join(cluster, fmt.Sprint("node", number)), number}
}

func (n *node) path(elem ...string) string { return filepath.Join(append([]string{n.dir}, elem...)...) }

// cgroup is that of its Pods, in each hierarchy.
func (n *node) cgroup() string { return fmt.Sprint(filepath.Base(n.cluster), "-", n.number) }

// address is that of a node on the link, and pods are the addresses of its Pods.
func address(number int) string { return fmt.Sprint("10.200.0.", number+1) }
func pods(number int) string    { return fmt.Sprintf("10.244.%d.0/24", number-1) }

// up reports whether all components were started, and failed says why not; empty if nothing went wrong.
func (n *node) up() bool {
	_, err := os.Stat(n.path("up"))
	return err == nil
}

func (n *node) failed() string {
	why, _ := os.ReadFile(n.path("failed"))
	return string(why)
}

// logs are the ends of what the node's components wrote.
func (n *node) logs() string {
	var all strings.Builder
	for _, file := range glob(n.path("log", "*.log")) {
		text, _ := os.ReadFile(file)
		fmt.Fprintf(&all, "--- %s\n%s\n", filepath.Base(file), text[max(0, len(text)-1500):])
	}
	return all.String()
}

// first is what the first process of a node does: it makes the place in which the others find
// themselves, starts them, and waits for every process that has lost its parent.
func first(n *node) error {
	if err := n.furnish(); err != nil {
		return errors.Join(err, os.WriteFile(n.path("failed"), []byte(err.Error()), 0o644))
	}
	supervisor, err := os.StartProcess("/proc/self/exe", []string{"node", asSupervisor, n.cluster, fmt.Sprint(n.number)}, &os.ProcAttr{
		Files: []*os.File{nil, os.Stdout, os.Stderr},
	})
	if err != nil {
		return err
	}
	for {
		pid, err := syscall.Wait4(-1, nil, 0, nil)
		if pid == supervisor.Pid || errors.Is(err, syscall.ECHILD) {
			return errors.New("the supervisor has ended")
		}
	}
}

// furnish mounts what is the node's own, and gives it its network.
func (n *node) furnish() error {
	mounts := []struct {
		source, target, kind string
		flags                uintptr
	}{
		{"none", "/", "", unix.MS_REC | unix.MS_PRIVATE}, // before anything, or the machine would see it
		{"proc", "/proc", "proc", 0},
		{"run", "/run", "tmpfs", 0},
		// Paths that are fixed in kubelet, CNI plugins and shims.
		{n.path("lib"), "/var/lib", "", unix.MS_BIND},
		{n.path("log"), "/var/log", "", unix.MS_BIND},
	}
	for _, s := range settings {
		file := n.path("sys", strings.ReplaceAll(s.name, "/", "-"))
		if err := os.WriteFile(file, []byte(s.wanted+"\n"), 0o644); err != nil {
			return err
		}
		mounts = append(mounts, struct {
			source, target, kind string
			flags                uintptr
		}{file, filepath.Join("/proc/sys", s.name), "", unix.MS_BIND})
	}
	for _, m := range mounts {
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mounting %s at %s: %w", m.source, m.target, err)
		}
	}
	err := errors.Join(
		unix.Mount("none", "/", "", unix.MS_REC|unix.MS_SHARED, ""),
		os.MkdirAll("/run/lock", 0o755),
		os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644),
	)
	if err != nil {
		return err
	}
	return n.connect()
}

// connect brings the loopback up, waits for the link to the other node, and routes by it.
func (n *node) connect() error {
	loopback, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(loopback)
	}
	if err != nil {
		return fmt.Errorf("bringing the loopback up: %w", err)
	}
	var link netlink.Link
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err = wait(ctx, func() bool { link, err = netlink.LinkByName(linkName); return err == nil }); err != nil {
		return fmt.Errorf("waiting for the link to the other node: %w", err)
	}
	own, err := netlink.ParseAddr(address(n.number) + "/24")
	if err != nil {
		return err
	}
	other := len(numbers) + 1 - n.number
	_, theirs, err := net.ParseCIDR(pods(other))
	if err != nil {
		return err
	}
	if err := errors.Join(netlink.AddrAdd(link, own), netlink.LinkSetUp(link)); err != nil {
		return fmt.Errorf("giving the link its address: %w", err)
	}
	return n.route(link, net.ParseIP(address(other)), theirs)
}

// route leads to the other node's Pods, and all else there, too: kube-proxy needs a default route.
func (n *node) route(link netlink.Link, gateway net.IP, theirs *net.IPNet) error {
	for _, to := range []*net.IPNet{theirs, nil} {
		if err := netlink.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: to, Gw: gateway}); err != nil {
			return fmt.Errorf("routing to the other node: %w", err)
		}
	}
	return nil
}

// supervise starts the components of a node, one after another, and starts again what ends. It
// stops those for which there is a file in the folder hold.
func supervise(ctx context.Context, n *node) error {
	for _, c := range n.components() {
		if err := c.begin(ctx, n); err != nil {
			return errors.Join(err, os.WriteFile(n.path("failed"), []byte(err.Error()), 0o644))
		}
		go c.keep(ctx, n)
	}
	if err := os.WriteFile(n.path("up"), nil, 0o644); err != nil {
		return err
	}
	n.keepLink(ctx)
	return nil
}

// held reports whether a component is to stand still.
func (n *node) held(name string) bool {
	_, err := os.Stat(n.path("hold", name))
	return !errors.Is(err, fs.ErrNotExist)
}

// keepLink takes the link down while it is held.
func (n *node) keepLink(ctx context.Context) {
	down := false
	for ctx.Err() == nil {
		time.Sleep(100 * time.Millisecond)
		if n.held(linkName) == down {
			continue
		}
		down = !down
		link, err := netlink.LinkByName(linkName)
		switch {
		case err != nil:
		case down:
			err = netlink.LinkSetDown(link)
		default: // its routes went with it
			if err = netlink.LinkSetUp(link); err == nil {
				other := len(numbers) + 1 - n.number
				_, theirs, _ := net.ParseCIDR(pods(other))
				err = n.route(link, net.ParseIP(address(other)), theirs)
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "link:", err)
		}
	}
}

// component is a program that runs on a node for as long as that does.
type component struct {
	name, path string
	args       []string
	// ready reports that the next one can be started; nil if at once.
	ready func() bool
	// before are commands to run at each start, and after those to run when it is held.
	before, after [][]string

	running *exec.Cmd
	exited  chan struct{}
}

// begin starts a component, and waits until it is ready.
func (c *component) begin(ctx context.Context, n *node) error {
	if err := c.start(n); err != nil {
		return err
	}
	if c.ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := wait(ctx, c.ready); err != nil {
		return fmt.Errorf("%s does not become ready: %w", c.name, err)
	}
	return nil
}

func (c *component) start(n *node) error {
	log, err := os.OpenFile(n.path("log", c.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	for _, command := range c.before {
		if err := n.command(log, command...).Run(); err != nil {
			return fmt.Errorf("%v: %w", command, err)
		}
	}
	running, exited := n.command(log, append([]string{c.path}, c.args...)...), make(chan struct{})
	if err := running.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", c.name, err)
	}
	c.running, c.exited = running, exited
	go func() {
		_ = running.Wait() // its log says why
		close(exited)
	}()
	return nil
}

// keep starts the component again when it has ended, and stops it while it is held.
func (c *component) keep(ctx context.Context, n *node) {
	for ctx.Err() == nil {
		select {
		case <-c.exited:
		case <-time.After(100 * time.Millisecond):
		}
		if n.held(c.name) {
			_ = c.running.Process.Kill() // it may have ended
			<-c.exited
			for _, command := range c.after {
				_ = n.command(os.Stderr, command...).Run()
			}
			_ = wait(ctx, func() bool { return !n.held(c.name) })
		}
		select {
		case <-c.exited:
			time.Sleep(time.Second) // what ends at once is not started all the time
			if err := c.start(n); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		default:
		}
	}
}

// command is a command with the programs and libraries of the unpacked packages.
func (n *node) command(log *os.File, command ...string) *exec.Cmd {
	root, libraries := filepath.Join(n.cluster, "debian"), ""
	for _, dir := range glob(filepath.Join(root, "usr", "lib", "*-linux-gnu")) {
		libraries = dir
	}
	path := strings.Join([]string{filepath.Join(n.cluster, "bin"), filepath.Join(root, "usr", "sbin"), filepath.Join(root, "usr", "bin"), os.Getenv("PATH")}, ":")
	cmd := exec.Command("/usr/bin/env", append([]string{"PATH=" + path}, command...)...)
	cmd.Env = append(os.Environ(), "KUBECACHEDIR="+filepath.Join(n.cluster, "kubectl"), "PATH="+path, "LD_LIBRARY_PATH="+libraries, "XTABLES_LIBDIR="+filepath.Join(libraries, "xtables"))
	if log != nil {
		cmd.Stdout, cmd.Stderr = log, log
	}
	return cmd
}
