// Command partner-operator runs the operator's servers.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	_ "golang.org/x/crypto/x509roots/fallback" // the image has no certificate authorities of its own

	"github.com/dispel/partner-operator/internal/build"
)

func main() {
	// The first signal stops in order, the second at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := newCommand().ExecuteContext(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return // it was told to end while it waited for the API server
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "partner-operator:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "partner-operator",
		Short:         "Turns partner contracts into tenants",
		Version:       build.Version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return fromEnvironment(cmd.Flags(), os.LookupEnv)
		},
	}
	root.AddCommand(newManagerCommand(), newWidgetCommand(), newProbeCommand(), newCanaryCommand(), newCheckCommand())
	return root
}

// envPrefix starts the name of every environment variable that stands in for a
// flag: PARTNER_OPERATOR_INGRESS_CLASS for --ingress-class.
const envPrefix = "PARTNER_OPERATOR_"

// fromEnvironment sets the flags that are not on the command line from the
// environment.
func fromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	var first error
	flags.VisitAll(func(flag *pflag.Flag) {
		name := envPrefix + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		value, ok := lookup(name)
		if !ok || flag.Changed || first != nil {
			return
		}
		if err := flags.Set(flag.Name, value); err != nil {
			first = fmt.Errorf("environment variable %s: %w", name, err)
		}
	})
	return first
}
