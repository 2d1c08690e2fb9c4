// Command externaldns keeps the records of a DNS server as the Ingresses and HTTPRoutes of
// a cluster say, for the tests, as external-dns's own command does: with its sources, its
// plan, its registry of TXT records, and its provider for dynamic updates (RFC 2136). It
// takes external-dns's own flags. That command itself brings along the SDKs of all
// providers, of which one cannot be had.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"sigs.k8s.io/external-dns/endpoint"
	"sigs.k8s.io/external-dns/pkg/apis/externaldns"
	"sigs.k8s.io/external-dns/plan"
	"sigs.k8s.io/external-dns/provider"
	"sigs.k8s.io/external-dns/provider/rfc2136"
	"sigs.k8s.io/external-dns/registry"
	"sigs.k8s.io/external-dns/registry/txt"
	"sigs.k8s.io/external-dns/source"
	"sigs.k8s.io/external-dns/source/annotations"
	"sigs.k8s.io/external-dns/source/wrappers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "externaldns:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	config := externaldns.NewConfig()
	if err := config.ParseFlags(args); err != nil {
		return err
	}
	annotations.SetAnnotationPrefix(config.AnnotationPrefix)
	of, err := source.NewSourceConfig(config)
	if err != nil {
		return err
	}
	routes, err := wrappers.Build(ctx, of)
	if err != nil {
		return err
	}
	domains := endpoint.NewDomainFilterWithOptions(endpoint.WithDomainFilter(config.DomainFilter))
	server, err := rfc2136.New(ctx, config, domains)
	if err != nil {
		return err
	}
	owned, err := txt.New(config, server)
	if err != nil {
		return err
	}
	tick := time.NewTicker(config.Interval)
	defer tick.Stop()
	for {
		if err := synchronize(ctx, config, routes, owned, domains); err != nil {
			fmt.Fprintln(os.Stderr, "externaldns:", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// synchronize brings the records up to date once.
func synchronize(ctx context.Context, config *externaldns.Config, routes source.Source, owned registry.Registry, domains *endpoint.DomainFilter) error {
	current, err := owned.Records(ctx)
	if err != nil {
		return err
	}
	ctx = context.WithValue(ctx, provider.RecordsContextKey, current)
	wanted, err := routes.Endpoints(ctx)
	if err != nil {
		return err
	}
	if wanted, err = owned.AdjustEndpoints(wanted); err != nil {
		return err
	}
	changes := (&plan.Plan{
		Policies: []plan.Policy{plan.Policies[config.Policy]}, Current: current, Desired: wanted,
		DomainFilter: endpoint.MatchAllDomainFilters{domains, owned.GetDomainFilter()}, ManagedRecords: config.ManagedDNSRecordTypes, OwnerID: owned.OwnerID(),
	}).Calculate().Changes
	if !changes.HasChanges() {
		return nil
	}
	return owned.ApplyChanges(ctx, changes)
}
