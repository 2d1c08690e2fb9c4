// Command policies enforces NetworkPolicies on a node:
//
//	policies KUBECONFIG NODE QUEUE
//
// It judges the packets that rules of iptables lead to a queue of NFQUEUE.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "policies:", err)
		os.Exit(1)
	}
}

// refused is a name for the agent's own table that no kernel accepts. Its rules need a part of nftables
// that not every kernel has; trying them in vain drops all packets that wait in the queue.
var refused = strings.Repeat("x", 300)

func run(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("want KUBECONFIG NODE QUEUE, not %q", args)
	}
	queue, err := strconv.Atoi(args[2])
	if err != nil {
		return fmt.Errorf("reading the queue's number: %w", err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", args[0])
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	controller, err := networkpolicy.NewController(client, factory.Networking().V1().NetworkPolicies(), factory.Core().V1().Namespaces(), factory.Core().V1().Pods(),
		nil, nil, nil, nil, networkpolicy.Config{NodeName: args[1], QueueID: queue, NFTableName: refused})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	return controller.Run(ctx)
}
