// Command node runs a command beside a real Kubernetes cluster of two nodes, and leaves
// nothing behind:
//
//	node [--image FILE]... -- COMMAND [ARGUMENT]...
//
// The nodes have network, mount and PID namespaces of their own without a link to the
// machine's network; the first one has the control plane, too. The command runs in the first
// one's network, with KUBECONFIG set, and with NODES naming the folder of the cluster: who makes
// a file NODES/node1/hold/kubelet stops that component until the file is gone. So it is with each
// component, and with eth0, the node's link to the other one.
//
// It needs Linux and root, and Debian's packages, which it unpacks and does not install.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
)

func init() {
	// A node dies with the thread that started it (see start), so that has to live as long as
	// the process: this is the main thread.
	runtime.LockOSThread()
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			os.Exit(max(1, exit.ExitCode()))
		}
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(args) == 3 {
		number, err := strconv.Atoi(args[2])
		switch args[0] {
		case asGuard:
			return guard(cluster{dir: args[1]})
		case asFirst:
			return errors.Join(err, first(newNode(args[1], number)))
		case asSupervisor:
			return errors.Join(err, supervise(ctx, newNode(args[1], number)))
		}
	}
	var images []string
	flags := flag.NewFlagSet("node", flag.ContinueOnError)
	flags.Func("image", "archive of an image that Pods can use; can be repeated", func(file string) error {
		images = append(images, file)
		_, err := os.Stat(file)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("no command is given: write node [--image FILE]... -- COMMAND [ARGUMENT]")
	}
	return beside(ctx, images, flags.Args())
}

// The modes in which the command runs itself: who cleans up, the first process of a node, and who
// starts its components.
const asGuard, asFirst, asSupervisor = "guard", "first", "supervise"
