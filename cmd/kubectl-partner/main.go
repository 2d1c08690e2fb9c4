// Command kubectl-partner is a plugin for kubectl: it shows, plans and explains a
// fleet of partners, and writes nothing to a cluster.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/dispel/partner-operator/internal/cli"
)

func main() {
	// A command ends soon, so memory is cheaper than the time to collect it.
	debug.SetGCPercent(400)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	// The libraries of the API server and of its clients log for operators of these.
	klog.SetLogger(logr.Discard())
	ctrl.SetLogger(logr.Discard())
	args := os.Args[1:]
	if strings.HasPrefix(filepath.Base(os.Args[0]), completer) {
		args = append([]string{cobra.ShellCompRequestCmd}, args...)
	}
	os.Exit(cli.Run(ctx, cli.NewTerminal(os.Stdin, os.Stdout, os.Stderr, os.LookupEnv), args))
}

// completer is the name under which kubectl asks a plugin what to propose to the
// shell. A link of that name to this binary answers.
const completer = "kubectl_complete-partner"
