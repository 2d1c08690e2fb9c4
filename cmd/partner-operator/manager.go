package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/manager"
)

// managerFlags are the flags of `partner-operator manager` that are not taken
// over into manager.Options as they are.
type managerFlags struct {
	defaultIssuer, gateway, widgetBackend string
	metricsSecure                         bool
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
			mgr, err := manager.New(cmd.Context(), config, options)
			if err != nil {
				return err
			}
			ctrl.Log.Info("Starting the manager", "version", versionString())
			return mgr.Start(cmd.Context())
		},
	}
	flags := cmd.Flags()
	settings := &options.Settings

	flags.StringVar(&settings.IngressClassName, "ingress-class", "", "ingress class of sub-domains that name none; the cluster's default class if empty")
	flags.StringToStringVar(&settings.IngressAnnotations, "ingress-annotations", nil, "annotations of every Ingress, as key=value,...")
	flags.StringSliceVar(&settings.ProxyNamespaces, "proxy-namespaces", []string{"traefik"}, "namespaces of the ingress and Gateway controllers' proxies, which network isolation lets in, as a,b")
	flags.StringVar(&given.gateway, "gateway", "", "Gateway of sub-domains that name neither one nor an ingress class, as namespace/name or namespace/name/listener; an Ingress if empty")
	flags.StringVar(&given.defaultIssuer, "default-issuer", "", "cert-manager issuer for sub-domains that say nothing about TLS, as ClusterIssuer/name or Issuer/name; none if empty")
	flags.StringSliceVar(&settings.ReservedHostSuffixes, "reserved-host-suffixes", nil, "domains under which no partner may claim a host, as a.example,b.example")
	flags.StringVar(&given.widgetBackend, "widget-backend", "partner-operator-widget.partner-operator-system.svc.cluster.local:8082", "host:port where the widget server answers")

	flags.IntVar(&options.Workers, "workers", 8, "Partners reconciled at once")
	flags.DurationVar(&options.TotalsInterval, "plan-totals-interval", 10*time.Second, "how long the totals of a SupportPlan may trail its partners")
	flags.DurationVar(&options.ResyncPeriod, "resync-period", 10*time.Hour, "how often everything is looked at again without cause")
	flags.DurationVar(&options.ShutdownTimeout, "shutdown-timeout", 20*time.Second, "how long reconciles under way may take to end")

	flags.BoolVar(&options.LeaderElection, "leader-elect", false, "let several replicas stand by for each other")
	flags.StringVar(&options.LeaderElectionNamespace, "leader-election-namespace", "", "namespace of the lease; that of the Pod if empty")
	flags.StringVar(&options.HealthAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 for none")
	flags.StringVar(&options.MetricsAddress, "metrics-bind-address", ":8443", "address of /metrics; 0 for none")
	flags.BoolVar(&given.metricsSecure, "metrics-secure", true, "serve /metrics over HTTPS, to those whom the API server allows to get the path")
	flags.StringVar(&options.MetricsCertDir, "metrics-cert-dir", "", "folder with tls.crt and tls.key for /metrics; a self-signed certificate if empty")

	cluster.add(flags)
	logs.add(flags)
	return cmd
}

// complete checks the flags and takes them over into options. Its error names
// each flag that is wrong.
func (f managerFlags) complete(options *manager.Options) error {
	var faults []error
	fault := func(flag, value, remedy string) {
		faults = append(faults, fmt.Errorf("--%s %q: %s", flag, value, remedy))
	}
	settings := &options.Settings
	if f.defaultIssuer != "" {
		kind, name, ok := strings.Cut(f.defaultIssuer, "/")
		issuer := v1alpha1.IssuerReference{Kind: v1alpha1.IssuerKind(kind), Name: v1alpha1.ObjectName(name)}
		if !ok || name == "" || issuer.Kind != v1alpha1.ClusterIssuer && issuer.Kind != v1alpha1.Issuer {
			fault("default-issuer", f.defaultIssuer, "write ClusterIssuer/<name> or Issuer/<name>")
		}
		settings.DefaultIssuer = &issuer
	}
	if f.gateway != "" {
		parts := strings.Split(f.gateway, "/")
		bad := len(parts) < 2 || len(parts) > 3 || len(validation.IsDNS1123Label(parts[0])) > 0
		for _, name := range parts[1:] {
			bad = bad || len(validation.IsDNS1123Subdomain(name)) > 0
		}
		if bad {
			fault("gateway", f.gateway, "write namespace/name, or namespace/name/listener")
		} else {
			settings.Gateway = &v1alpha1.GatewayReference{Namespace: parts[0], Name: v1alpha1.ObjectName(parts[1]), SectionName: strings.Join(parts[2:], "")}
		}
	}
	for i, suffix := range settings.ReservedHostSuffixes {
		trimmed := strings.ToLower(strings.Trim(suffix, " ."))
		if len(validation.IsDNS1123Subdomain(trimmed)) > 0 {
			fault("reserved-host-suffixes", suffix, "write a domain, such as dispel.example")
		}
		settings.ReservedHostSuffixes[i] = trimmed
	}
	host, port, err := net.SplitHostPort(f.widgetBackend)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || number == 0 || len(validation.IsDNS1123Subdomain(host)) > 0 {
		fault("widget-backend", f.widgetBackend, "write host:port, such as widget.partner-operator-system.svc.cluster.local:8082")
	}
	settings.WidgetBackend = v1alpha1.ExternalBackend{Host: v1alpha1.Host(host), Port: int32(number)}
	for _, namespace := range settings.ProxyNamespaces {
		if len(validation.IsDNS1123Label(namespace)) > 0 {
			fault("proxy-namespaces", namespace, "write the names of namespaces, as traefik,envoy-gateway-system")
		}
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
	options.MetricsInsecure = !f.metricsSecure
	return errors.Join(faults...)
}
