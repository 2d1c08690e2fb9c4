package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/scheme"
	"github.com/dispel/partner-operator/internal/widgetserver"
)

// checkOptions are the flags of `partner-operator check`.
type checkOptions struct {
	widget  string
	timeout time.Duration
}

func newCheckCommand() *cobra.Command {
	var options checkOptions
	var cluster clusterFlags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Checks that an installation works",
		Long: "Checks that the CustomResourceDefinitions are as this version needs them, that the manager has judged every\n" +
			"SupportPlan, and that the widget server answers. It waits for what is not there yet, and writes nothing.\n\n" +
			"It is what `helm test` runs.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.timeout <= 0 {
				return fmt.Errorf("--timeout %q: write a duration above zero, such as 1m", options.timeout)
			}
			config, err := cluster.connect("partner-operator-check")
			if err != nil {
				return err
			}
			if err := manager.CheckCRDs(cmd.Context(), config); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "The CustomResourceDefinitions are as this version needs them")
			reader, err := client.New(config, client.Options{Scheme: scheme.New()})
			if err != nil {
				return err
			}
			return options.check(cmd.Context(), reader, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.widget, "widget", "", "host:port of the widget server; it is not asked if empty")
	flags.DurationVar(&options.timeout, "timeout", time.Minute, "how long to wait for what is not there yet")
	cluster.add(flags)
	return cmd
}

func (o checkOptions) check(ctx context.Context, reader client.Reader, out io.Writer) error {
	if err := o.until(ctx, out, "The manager is at work", func(ctx context.Context) error { return plansJudged(ctx, reader) }); err != nil {
		return err
	}
	if o.widget == "" {
		return nil
	}
	return o.until(ctx, out, "The widget server answers", o.widgetAnswers)
}

// until tries until there is no error, or time is up.
func (o checkOptions) until(ctx context.Context, out io.Writer, done string, try func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, time.Second, o.timeout, true, func(ctx context.Context) (bool, error) {
		last = try(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("after %s: %w", o.timeout, last)
	}
	fmt.Fprintln(out, done)
	return nil
}

// plansJudged tells whether the manager has seen the newest of every plan. None at
// all tell nothing of the manager.
func plansJudged(ctx context.Context, reader client.Reader) error {
	var plans v1alpha1.SupportPlanList
	if err := reader.List(ctx, &plans); err != nil {
		return err
	}
	if len(plans.Items) == 0 {
		return errors.New("there is no SupportPlan yet, by which to see whether the manager is at work: see the manager's log, or create one")
	}
	for i := range plans.Items {
		plan := &plans.Items[i]
		ready := meta.FindStatusCondition(plan.Status.Conditions, string(v1alpha1.ConditionReady))
		if ready == nil || ready.ObservedGeneration != plan.Generation {
			return fmt.Errorf("SupportPlan %s has no Ready condition for its newest spec: the manager does not run, or does not lead; see its log", plan.Name)
		}
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
