// Command demo runs the operator on the embedded control plane, applies the
// samples and shows what becomes of them. It stays up until interrupted, or ends
// by itself with ONCE=1. With CLUSTER=current it runs on the cluster of the current
// kubeconfig, if the reader types the name of its context, or CONFIRM has it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	// Signals stay caught to the end: a second one must not leave half of the demo behind.
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	bin, err := filepath.Abs("bin")
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	demo := Demo{
		Binaries: bin,
		Out:      os.Stdout,
		Once:     os.Getenv("ONCE") != "",
		Current:  os.Getenv("CLUSTER") == "current",
		Confirm:  ask(os.Stdin, os.Stdout, os.Getenv("CONFIRM")),
	}
	if err := demo.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}
