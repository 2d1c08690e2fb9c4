package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/internal/build"
	"github.com/dispel/partner-operator/internal/isolation"
	"github.com/dispel/partner-operator/internal/probe"
	"github.com/dispel/partner-operator/internal/prober"
)

// probeFlags are the flags of `partner-operator probe` that are not taken over into
// prober.Options as they are.
type probeFlags struct {
	shard, dnsServer, caFile, canary string
	allowed                          []string
	isolation                        time.Duration
}

func newProbeCommand() *cobra.Command {
	var options prober.Options
	var given probeFlags
	var logs logFlags
	var cluster clusterFlags
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Probes the partners' sub-domains",
		Long: "Walks the chain that end customers walk to each partner's sub-domain, from its DNS record to the support widget,\n" +
			"and reports in the condition SubdomainReachable of the Partner whether it holds.\n\n" +
			"Every flag has an environment variable to stand in for it: " + envPrefix + "INTERVAL for --interval.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := given.complete(&options); err != nil {
				return err
			}
			if err := logs.setUp(); err != nil {
				return err
			}
			config, err := cluster.connect("partner-operator-probe")
			if err != nil {
				return err
			}
			if err = await(cmd.Context(), config); err != nil {
				return err
			}
			mgr, err := prober.New(config, options)
			if err != nil {
				return err
			}
			if given.canary != "" {
				check, err := given.check(config)
				if err != nil {
					return err
				}
				if err := mgr.Add(check); err != nil {
					return err
				}
			}
			ctrl.Log.Info("Starting the prober", "version", build.Version())
			return mgr.Start(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false // what belongs together stands together
	flags.DurationVar(&options.Interval, "interval", time.Minute, "how often each sub-domain is probed")
	flags.IntVar(&options.Concurrency, "concurrency", 512, "sub-domains probed at once")
	flags.DurationVar(&options.Prober.Timeout, "timeout", probe.DefaultTimeout, "timeout of each step; the whole probe takes at most twice this time")
	addShard(flags, &given.shard)
	flags.StringSliceVar(&given.allowed, "allowed-targets", nil, "networks to which it may connect beside public addresses, such as 10.20.0.0/16")
	flags.BoolVar(&options.CompareAddresses, "compare-addresses", true, "report a host that resolves to none of its route's addresses; switch it off if hosts are behind a content delivery network")
	flags.StringVar(&given.dnsServer, "dns-server", "", "IP address of the DNS server to ask, with a port if it is not 53; the system's if empty")
	flags.StringVar(&given.caFile, "ca-file", "", "file with PEM certificates of authorities to trust beside the system's")
	flags.Uint16Var(&options.Prober.HTTPPort, "http-port", 80, "port of sub-domains without TLS")
	flags.Uint16Var(&options.Prober.HTTPSPort, "https-port", 443, "port of sub-domains with TLS")
	flags.StringVar(&given.canary, "isolation-canary", "", "Service of a canary, as namespace/name, that shows whether NetworkPolicies are enforced; empty for none")
	flags.DurationVar(&given.isolation, "isolation-interval", 15*time.Second, "how often the canary is looked at")
	flags.StringVar(&options.LeaseNamespace, "lease-namespace", "", "namespace of the Lease that says since when every sub-domain has been probed; empty: the Pod's namespace")
	flags.StringVar(&options.HealthAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 for none")
	flags.StringVar(&options.MetricsAddress, "metrics-bind-address", ":8443", "address of /metrics, over HTTPS, for those whom the API server allows to get the path; 0 for none")
	cluster.add(flags)
	logs.add(flags)
	return cmd
}

// check is what looks at the canary.
func (f probeFlags) check(config *rest.Config) (*isolation.Check, error) {
	canary, err := isolation.ParseCanary(f.canary)
	if err != nil {
		return nil, err
	}
	reader, err := client.New(config, client.Options{})
	if err != nil {
		return nil, err
	}
	return &isolation.Check{Client: reader, Canary: canary, Interval: f.isolation}, nil
}

// newCanaryCommand is what the check looks at.
func newCanaryCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "canary",
		Short: "Listens where the prober looks whether NetworkPolicies are enforced",
		Long:  "Accepts connections at two ports, and does nothing else. In the cluster, NetworkPolicies close one of them to the prober; see --isolation-canary of `partner-operator probe`.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return isolation.Canary(cmd.Context()) },
	}
}

// complete checks the flags and takes them over into options. Its error names each flag
// that is wrong.
func (f probeFlags) complete(options *prober.Options) error {
	var faults []error
	fault := func(flag, value, remedy string) {
		faults = append(faults, fmt.Errorf("--%s %q: %s", flag, value, remedy))
	}
	if options.Interval < time.Second {
		fault("interval", options.Interval.String(), "write at least 1s")
	}
	if options.Concurrency < 1 {
		fault("concurrency", strconv.Itoa(options.Concurrency), "write at least 1")
	}
	if options.Prober.Timeout <= 0 {
		fault("timeout", options.Prober.Timeout.String(), "write a duration above zero, such as 5s")
	}
	if f.shard != "" {
		fault("shard", f.shard, noShards)
	}
	if f.isolation < time.Second {
		fault("isolation-interval", f.isolation.String(), "write at least 1s")
	}
	if _, err := isolation.ParseCanary(f.canary); f.canary != "" && err != nil {
		fault("isolation-canary", f.canary, err.Error())
	}
	for _, text := range f.allowed {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			fault("allowed-targets", text, "write a network as address/bits, such as 10.20.0.0/16")
		}
		options.Prober.Allowed = append(options.Prober.Allowed, network.Masked())
	}
	if f.dnsServer != "" {
		server, err := probe.ParseAddress(f.dnsServer)
		if err != nil {
			faults = append(faults, fmt.Errorf("--dns-server: %w", err))
		}
		options.Prober.Resolver = probe.ResolverAt(server)
	}
	if f.caFile != "" {
		pem, err := os.ReadFile(f.caFile)
		if err == nil {
			options.Prober.Roots, err = probe.Trust(pem)
		}
		if err != nil {
			fault("ca-file", f.caFile, err.Error())
		}
	}
	return errors.Join(faults...)
}
