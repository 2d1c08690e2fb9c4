// Package settings has the flags that give the operator's defaults. The manager
// and the command line share them, so that both make the same of a Partner.
package settings

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/objects"
)

// Flags are the settings as they are written on a command line.
type Flags struct {
	// taken are those that are taken over as they are.
	taken                                 objects.Settings
	defaultIssuer, gateway, widgetBackend string
	gatewayAPI, certManager               bool
}

// Add adds the flags to those of a command.
func (f *Flags) Add(flags *pflag.FlagSet) {
	flags.StringVar(&f.taken.IngressClassName, "ingress-class", "", "ingress class of sub-domains that name none; the cluster's default class if empty")
	flags.Var((*annotations)(&f.taken.IngressAnnotations), "ingress-annotations", "annotations of every Ingress, as key=value, or several as a JSON object")
	flags.StringSliceVar(&f.taken.ProxyNamespaces, "proxy-namespaces", []string{"traefik"}, "namespaces of the ingress and Gateway controllers' proxies, which network isolation lets in, as a,b")
	flags.StringVar(&f.gateway, "gateway", "", "Gateway of sub-domains that name neither one nor an ingress class, as namespace/name or namespace/name/listener; an Ingress if empty")
	flags.BoolVar(&f.gatewayAPI, "gateway-api", true, "use the Gateway API if it is installed; false needs no permissions for it")
	flags.StringVar(&f.defaultIssuer, "default-issuer", "", "cert-manager issuer for sub-domains that say nothing about TLS, as ClusterIssuer/name or Issuer/name; none if empty")
	flags.BoolVar(&f.certManager, "cert-manager", true, "use cert-manager if it is installed; false needs no permissions for it")
	flags.StringSliceVar(&f.taken.ReservedHostSuffixes, "reserved-host-suffixes", nil, "domains under which no partner may claim a host, as a.example,b.example")
	flags.StringSliceVar(&f.taken.BackendHostSuffixes, "backend-host-suffixes", nil, "additional domains in which external backends may be, besides public domains, as corp.example,engines.internal")
	flags.DurationVar(&f.taken.RouteOverlap, "route-overlap", 10*time.Minute, "how long a replaced route and the claim on its host stay after another route has taken over; the TTL in an external-dns annotation is added, up to 24h in total")
	flags.StringVar(&f.widgetBackend, "widget-backend", "partner-operator-widget.partner-operator-system.svc.cluster.local:8082", "host:port where the widget server answers")
}

// Defaults are what no flags say.
func Defaults() (objects.Settings, error) {
	var f Flags
	f.Add(pflag.NewFlagSet("", pflag.ContinueOnError))
	return f.Settings()
}

// Settings are what the flags say. The error names each flag that is wrong.
func (f *Flags) Settings() (objects.Settings, error) {
	var faults []error
	fault := func(flag, value, remedy string) {
		faults = append(faults, fmt.Errorf("--%s %q: %s", flag, value, remedy))
	}
	settings := f.taken
	settings.WithoutGatewayAPI, settings.WithoutCertManager = !f.gatewayAPI, !f.certManager
	if f.defaultIssuer != "" {
		kind, name, ok := strings.Cut(f.defaultIssuer, "/")
		issuer := v1alpha1.IssuerReference{Kind: v1alpha1.IssuerKind(kind), Name: v1alpha1.ObjectName(name)}
		if !ok || name == "" || issuer.Kind != v1alpha1.ClusterIssuer && issuer.Kind != v1alpha1.Issuer {
			fault("default-issuer", f.defaultIssuer, "write ClusterIssuer/<name> or Issuer/<name>")
		}
		if !f.certManager {
			fault("default-issuer", f.defaultIssuer, "it needs cert-manager: write no --cert-manager=false")
		}
		settings.DefaultIssuer = &issuer
	}
	if f.gateway != "" {
		if !f.gatewayAPI {
			fault("gateway", f.gateway, "it needs the Gateway API: write no --gateway-api=false")
		}
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
	domains := func(flag string, given []string) []string {
		var domains []string
		for _, domain := range given {
			trimmed := strings.ToLower(strings.Trim(domain, " ."))
			if len(validation.IsDNS1123Subdomain(trimmed)) > 0 {
				fault(flag, domain, "write a domain, such as dispel.example")
			}
			domains = append(domains, trimmed)
		}
		return domains
	}
	settings.ReservedHostSuffixes = domains("reserved-host-suffixes", f.taken.ReservedHostSuffixes)
	settings.BackendHostSuffixes = domains("backend-host-suffixes", f.taken.BackendHostSuffixes)
	if f.taken.RouteOverlap < 0 {
		fault("route-overlap", f.taken.RouteOverlap.String(), "write 0 or more, such as 10m")
	}
	for _, key := range slices.Sorted(maps.Keys(f.taken.IngressAnnotations)) {
		if refusal := objects.AnnotationRefused(key); refusal != "" {
			fault("ingress-annotations", key, refusal)
		}
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
	return settings, errors.Join(faults...)
}
