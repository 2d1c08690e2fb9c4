// Command cluster builds and runs the embedded control plane by itself:
//
//	go run ./hack/cluster build    prints the folder of its binaries
//	go run ./hack/cluster start    runs it until interrupted
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/dispel/partner-operator/internal/controlplane"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 || args[0] != "build" && args[0] != "start" {
		return fmt.Errorf("say `build` or `start`, not %q", args)
	}
	assets, err := controlplane.Build(ctx, os.Stderr)
	if err != nil {
		return err
	}
	if args[0] == "build" {
		fmt.Println(assets)
		return nil
	}
	cluster, err := controlplane.Start(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("export KUBECONFIG=%s\nexport PATH=%s:$PATH\n", cluster.Kubeconfig(), assets)
	<-ctx.Done()
	return cluster.Stop()
}
