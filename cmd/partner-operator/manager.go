package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/dispel/partner-operator/internal/build"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/records"
	"github.com/dispel/partner-operator/internal/settings"
)

// managerFlags are the flags of `partner-operator manager` that are not taken
// over into manager.Options as they are.
type managerFlags struct {
	settings      settings.Flags
	shard         string
	wave          string
	awaitProber   bool
	metricsSecure bool
}

func newManagerCommand() *cobra.Command {
	var options manager.Options
	var given managerFlags
	var logs logFlags
	var cluster clusterFlags
	cmd := &cobra.Command{
		Use:   "manager",
		Short: "Runs the controllers",
		Long: "Runs the controllers that turn Partners, SupportPlans and PCSMAllocations into tenants.\n\n" +
			"Every flag has an environment variable to stand in for it: " + envPrefix + "INGRESS_CLASS for --ingress-class.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := given.complete(&options); err != nil {
				return err
			}
			if err := logs.setUp(); err != nil {
				return err
			}
			config, err := cluster.connect("partner-operator-manager")
			if err != nil {
				return err
			}
			if err = await(cmd.Context(), config); err != nil {
				return err
			}
			mgr, err := manager.New(cmd.Context(), config, options)
			if err != nil {
				return err
			}
			if os.Getenv("GOGC") == "" {
				go manager.PaceGarbageCollection(cmd.Context())
			}
			ctrl.Log.Info("Starting the manager", "version", build.Version())
			return mgr.Start(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false // what belongs together stands together
	given.settings.Add(flags)

	addShard(flags, &given.shard)
	flags.IntVar(&options.Workers, "workers", 8, "Partners reconciled at once")
	flags.DurationVar(&options.TotalsInterval, "plan-totals-interval", 10*time.Second, "shortest time between two updates of the totals of a SupportPlan")
	flags.DurationVar(&options.ResyncPeriod, "resync-period", 10*time.Hour, "how often all objects are reconciled even if nothing changed")
	flags.DurationVar(&options.RestoreGrace, "restore-grace", 10*time.Minute, "how long the claims and routes of a Partner that does not exist are kept after their creation, in case a restore brings the Partner back; 0 deletes them at once")
	flags.BoolVar(&options.OrderChecks, "order-checks", true, "order a certificate from an ACME issuer only when DNS leads to the route (HTTP-01) and CAA records permit the authority; a lookup that fails does not count")
	flags.IntVar(&options.OrdersPerHour, "orders-per-hour", 0, "certificates ordered from each issuer within an hour, the others in turn; 0 for no limit")
	flags.StringVar(&options.DNSServer, "dns-server", "", "DNS server for --order-checks, such as 192.0.2.53 or 192.0.2.53:53; empty: the system's")
	flags.BoolVar(&given.awaitProber, "await-prober", false, "replace a route only after the prober has reached the host through the new one")
	flags.StringVar(&given.wave, "wave", "10%/1m", "share of the partners that are served which a change of a default, such as --ingress-class, reaches at once, and the pause before the next, as share/pause; 100%/0s for all")
	flags.IntVar(&options.MaxUnreachable, "max-unreachable", 3, "stop rolling out a changed default once more than this many of the partners that it reached are not served")
	flags.DurationVar(&options.ShutdownDelay, "shutdown-delay", 5*time.Second, "how long to keep serving after SIGTERM while reporting not ready, until proxies have noticed")
	flags.DurationVar(&options.ShutdownTimeout, "shutdown-timeout", 20*time.Second, "how long to wait for running reconciles to finish, after --shutdown-delay")

	flags.BoolVar(&options.DefaultPlans, "create-default-plans", false, "create the SupportPlans basic, premium and mission-critical where they are missing, when the manager becomes leader")
	flags.BoolVar(&options.LeaderElection, "leader-elect", false, "use leader election, so that only one of several replicas is active")
	flags.StringVar(&options.LeaderElectionNamespace, "leader-election-namespace", "", "namespace of the leader election Lease; empty: the Pod's namespace")
	flags.StringVar(&options.HealthAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz, which is not ready before the caches are full; 0 for none")
	flags.StringVar(&options.MetricsAddress, "metrics-bind-address", ":8443", "address of /metrics; 0 for none")
	flags.BoolVar(&given.metricsSecure, "metrics-secure", true, "serve /metrics over HTTPS, to those whom the API server allows to get the path")
	flags.StringVar(&options.MetricsCertDir, "metrics-cert-dir", "", "folder with tls.crt and tls.key for /metrics; a self-signed certificate if empty")
	flags.BoolVar(&options.Calendars, "calendars", false, "serve /calendar/<partner>.ics beside /metrics, to those whom the API server allows to get the Partner")
	flags.StringVar(&options.ProfilesAddress, "profiles-bind-address", "0", "address of Go's pprof endpoint /debug/pprof, without authentication, such as 127.0.0.1:6060; 0 for none")

	cluster.add(flags)
	logs.add(flags)
	return cmd
}

// complete checks the flags and takes them over into options. Its error names
// each flag that is wrong.
func (f managerFlags) complete(options *manager.Options) error {
	var err error
	options.Settings, err = f.settings.Settings()
	options.Settings.AwaitProber = f.awaitProber
	faults := []error{err}
	fault := func(flag, value, remedy string) {
		faults = append(faults, fmt.Errorf("--%s %q: %s", flag, value, remedy))
	}
	if f.shard != "" {
		fault("shard", f.shard, noShards)
	}
	if options.Workers < 1 {
		fault("workers", strconv.Itoa(options.Workers), "write at least 1")
	}
	for flag, value := range map[string]time.Duration{
		"plan-totals-interval": options.TotalsInterval, "resync-period": options.ResyncPeriod, "shutdown-timeout": options.ShutdownTimeout,
	} {
		if value <= 0 {
			fault(flag, value.String(), "write a duration above zero, such as 10s")
		}
	}
	if options.OrdersPerHour < 0 {
		fault("orders-per-hour", strconv.Itoa(options.OrdersPerHour), "write 0 for no limit, or a number such as 100")
	}
	if options.DNSServer != "" {
		if _, err := records.Server(options.DNSServer); err != nil {
			fault("dns-server", options.DNSServer, "write an IP address, with or without a port, such as 192.0.2.53")
		}
	}
	var ok bool
	if options.WaveShare, options.WavePause, ok = parseWave(f.wave); !ok {
		fault("wave", f.wave, "write a share above 0% and up to 100% and a pause of 0s or more, such as 10%/1m")
	}
	if options.MaxUnreachable < 0 {
		fault("max-unreachable", strconv.Itoa(options.MaxUnreachable), "write 0 or more, such as 3")
	}
	if options.RestoreGrace < 0 {
		fault("restore-grace", options.RestoreGrace.String(), "write 0 or more, such as 10m")
	}
	if options.ShutdownDelay < 0 {
		fault("shutdown-delay", options.ShutdownDelay.String(), "write 0 or more, such as 5s")
	}
	options.MetricsInsecure = !f.metricsSecure
	if options.Calendars && (options.MetricsInsecure || options.MetricsAddress == "0") {
		fault("calendars", "true", "calendars are served beside /metrics over HTTPS: set --metrics-bind-address, and remove --metrics-secure=false")
	}
	return errors.Join(faults...)
}

// parseWave reads a share of the partners and a pause, such as 10%/1m.
func parseWave(text string) (share float64, pause time.Duration, ok bool) {
	part, between, _ := strings.Cut(text, "/")
	number, percent := strings.CutSuffix(part, "%")
	share, err := strconv.ParseFloat(number, 64)
	pause, pauseErr := time.ParseDuration(between)
	return share / 100, pause, percent && err == nil && pauseErr == nil && share > 0 && share <= 100 && pause >= 0
}
