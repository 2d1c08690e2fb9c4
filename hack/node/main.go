// Command node runs a command beside a real Kubernetes cluster of two nodes, and leaves
// nothing behind:
//
//	node [--image FILE]... -- COMMAND [ARGUMENT]...
//
// The nodes have network, mount and PID namespaces of their own without a link to the
// machine's network; the first one has the control plane, too. The command runs in the first
// one's network, with KUBECONFIG set, with kubectl on its PATH, and with NODES naming the folder of
// the cluster. To stop a component of a node, such as kubelet, make a file NODES/node1/hold/kubelet, and
// to start it again, remove that. The same works for every component, and for eth0, the link to the
// other node.
//
// It needs Linux and root, and Debian's packages, which it unpacks and does not install.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
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
	err := run(os.Args[1:])
	if ended, alone := err.(exitStatus); alone { //nolint:errorlint // nothing else is wrong
		os.Exit(int(ended))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

// exitStatus is that of the command, which has said why.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("the command ended with status %d", int(e)) }

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
