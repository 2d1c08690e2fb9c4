// Command kubectl-partner is a plugin for kubectl: it shows, plans and explains a
// fleet of partners, and writes nothing to a cluster.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/dispel/partner-operator/internal/cli"
)

// version is set at link time for a release.
var version string

func main() {
	// A command ends soon, so memory is cheaper than the time to collect it.
	debug.SetGCPercent(400)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Run(ctx, cli.NewTerminal(os.Stdin, os.Stdout, os.Stderr, os.LookupEnv), version, os.Args[1:]))
}
