package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/dispel/partner-operator/internal/build"
	"github.com/dispel/partner-operator/internal/widget"
	"github.com/dispel/partner-operator/internal/widgetserver"
)

func newWidgetCommand() *cobra.Command {
	var options widgetserver.Options
	var display string
	var logs logFlags
	var cluster clusterFlags
	cmd := &cobra.Command{
		Use:   "widget",
		Short: "Serves the support widget",
		Long: "Serves the support widget on the sub-domains that have it.\n\n" +
			"Every flag has an environment variable to stand in for it: " + envPrefix + "SUPPORT_EMAIL for --support-email.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.Contact.Display = widget.Display(display)
			faults := options.Contact.Check()
			if options.ShutdownTimeout <= 0 {
				faults = errors.Join(faults, fmt.Errorf("--shutdown-timeout %q: write a duration above zero, such as 10s", options.ShutdownTimeout))
			}
			if options.ShutdownDelay < 0 {
				faults = errors.Join(faults, fmt.Errorf("--shutdown-delay %q: write 0 or more, such as 5s", options.ShutdownDelay))
			}
			if faults != nil {
				return faults
			}
			if err := logs.setUp(); err != nil {
				return err
			}
			config, err := cluster.connect("partner-operator-widget")
			if err != nil {
				return err
			}
			if err = await(cmd.Context(), config); err != nil {
				return err
			}
			server, err := widgetserver.New(cmd.Context(), config, options)
			if err != nil {
				return err
			}
			ctrl.Log.Info("Starting the widget server", "version", build.Version())
			return server.Start(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false // what belongs together stands together
	flags.StringVar(&options.Contact.MessengerURL, "messenger-url", "", "address of the messenger, with {partner}, {host} and {language} where its vendor wants to know them")
	flags.StringVar(&display, "messenger-display", string(widget.InWindow), "where the messenger opens: window for a tab of its own, panel for a frame in the widget")
	flags.StringSliceVar(&options.Contact.Permissions, "messenger-permissions", nil, "what a messenger in the panel may do, as microphone,fullscreen: "+strings.Join(widget.Permissions, ", "))
	flags.StringVar(&options.Contact.Email, "support-email", "", "e-mail address of the P-CSMs, shown in addition to the messenger or instead of it")
	flags.StringVar(&options.Address, "bind-address", ":8082", "address where the widget is served")
	flags.StringVar(&options.HealthAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 for none")
	flags.StringVar(&options.MetricsAddress, "metrics-bind-address", ":8083", "address of /metrics, which are served over HTTPS to those whom the API server lets get them; 0 for none")
	flags.DurationVar(&options.ShutdownDelay, "shutdown-delay", 5*time.Second, "how long to keep serving after SIGTERM while reporting not ready, until proxies have noticed")
	flags.DurationVar(&options.ShutdownTimeout, "shutdown-timeout", 10*time.Second, "how long to wait for open requests, after --shutdown-delay")
	cluster.add(flags)
	logs.add(flags)
	return cmd
}
