package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/scheme"
	"github.com/dispel/partner-operator/internal/widgetserver"
)

// checkOptions are the flags of `partner-operator check`.
type checkOptions struct {
	namespace, widget string
	shards            string
	timeout           time.Duration
}

func newCheckCommand() *cobra.Command {
	var options checkOptions
	var cluster clusterFlags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Checks that an installation works",
		Long: "Checks that the CustomResourceDefinitions are as this version needs them, that a manager leads, and that the\n" +
			"widget server answers. It waits for what is not there yet, and writes nothing.\n\n" +
			"It is what `helm test` runs.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.timeout <= 0 {
				return fmt.Errorf("--timeout %q: write a duration above zero, such as 1m", options.timeout)
			}
			if options.shards != "" {
				return fmt.Errorf("--shards %q: %s", options.shards, noShards)
			}
			config, err := cluster.connect("partner-operator-check")
			if err != nil {
				return err
			}
			return options.check(cmd.Context(), config, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.namespace, "namespace", "partner-operator-system", "namespace of the manager and its lease")
	flags.StringVar(&options.widget, "widget", "", "host:port of the widget server; it is not asked if empty")
	flags.DurationVar(&options.timeout, "timeout", time.Minute, "how long to wait for each thing that is not there yet")
	flags.StringVar(&options.shards, "shards", "", "")
	hide(flags, "shards")
	cluster.add(flags)
	return cmd
}

func (o checkOptions) check(ctx context.Context, config *rest.Config, out io.Writer) error {
	reader, err := client.New(config, client.Options{Scheme: scheme.New()})
	if err != nil {
		return err
	}
	type step struct {
		done string
		try  func(context.Context) error
	}
	steps := []step{
		{"The CustomResourceDefinitions are as this version needs them", func(ctx context.Context) error { return manager.CheckCRDs(ctx, config) }},
		{"A manager leads", func(ctx context.Context) error { return o.managerLeads(ctx, reader) }},
	}
	if o.widget != "" {
		steps = append(steps, step{"The widget server answers", o.widgetAnswers})
	}
	for _, step := range steps {
		if err := o.until(ctx, out, step.done, step.try); err != nil {
			return err
		}
	}
	return nil
}

// until tries until there is no error, or time is up.
func (o checkOptions) until(ctx context.Context, out io.Writer, done string, try func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, time.Second, o.timeout, true, func(context.Context) (bool, error) {
		// Not the context that ends with the wait: its error would hide the reason.
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		last = try(attempt)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("after %s: %w", o.timeout, last)
	}
	fmt.Fprintln(out, done)
	return nil
}

// managerLeads reports whether a manager holds the lease, and has renewed it of late.
func (o checkOptions) managerLeads(ctx context.Context, reader client.Reader) error {
	const name = manager.LeaseName
	var lease coordinationv1.Lease
	if err := reader.Get(ctx, client.ObjectKey{Namespace: o.namespace, Name: name}, &lease); err != nil {
		return fmt.Errorf("looking for the manager's lease: %w", err)
	}
	duration := time.Duration(ptr.Deref(lease.Spec.LeaseDurationSeconds, 0)) * time.Second
	if ptr.Deref(lease.Spec.HolderIdentity, "") == "" || lease.Spec.RenewTime == nil || time.Since(lease.Spec.RenewTime.Time) > duration {
		return fmt.Errorf("no manager has held the lease %s/%s of late: none runs, or none could start; see their logs", o.namespace, name)
	}
	return nil
}

// widgetAnswers asks for the script under a host that is nobody's, for which the
// widget server has nothing.
func (o checkOptions) widgetAnswers(ctx context.Context) error {
	address := url.URL{Scheme: "http", Host: o.widget, Path: widgetserver.ScriptPath}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("--widget %q: write host:port: %w", o.widget, err)
	}
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		return fmt.Errorf("%s answered %s, and a widget server that is ready answers 404 there", address.String(), response.Status)
	}
	return nil
}
