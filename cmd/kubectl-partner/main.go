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

	"github.com/spf13/cobra"

	"github.com/dispel/partner-operator/internal/cli"
)

// version is set at link time for a release.
var version string

func main() {
	// A command ends soon, so memory is cheaper than the time to collect it.
	debug.SetGCPercent(400)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	args := os.Args[1:]
	if strings.HasPrefix(filepath.Base(os.Args[0]), completer) {
		args = append([]string{cobra.ShellCompRequestCmd}, args...)
	}
	os.Exit(cli.Run(ctx, cli.NewTerminal(os.Stdin, os.Stdout, os.Stderr, os.LookupEnv), version, args))
}

// completer is the name under which kubectl asks a plugin what to propose to the
// shell. A link of that name to this binary answers.
const completer = "kubectl_complete-partner"
