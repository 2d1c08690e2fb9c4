package objects

import (
	"strings"
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
)

// Settings are the operator's defaults, given by its flags.
type Settings struct {
	// IngressClassName is for routes that name none; if it is empty too, the
	// cluster's default class serves them.
	IngressClassName string
	// IngressAnnotations are on every Ingress, under the Partner's own.
	IngressAnnotations map[string]string
	// ProxyNamespaces are from where ingress and Gateway controllers reach the
	// tenants' pods.
	ProxyNamespaces []string
	// DefaultIssuer signs for sub-domains that say nothing about TLS; nil for
	// none.
	DefaultIssuer *v1alpha1.IssuerReference
	// ReservedHostSuffixes are domains that no partner may have a host under.
	ReservedHostSuffixes []string
	// BackendHostSuffixes are domains that external backends may be under although
	// they are no public ones.
	BackendHostSuffixes []string
	// Gateway serves sub-domains that say nothing about their route; nil for an
	// Ingress to do so.
	Gateway *v1alpha1.GatewayReference
	// RouteOverlap is how long a route keeps serving once another has taken its
	// place, since resolvers and controllers take that long to follow. A TTL that is
	// known of its DNS record comes on top. If negative, it goes at once.
	RouteOverlap time.Duration
	// AwaitProber keeps a route until the prober has reached its host through the one in its place. The plugin,
	// which tells what becomes of a Partner in the end, does not.
	AwaitProber bool
	// WidgetBackend is where the widget server answers.
	WidgetBackend v1alpha1.ExternalBackend
	// WithoutGatewayAPI and WithoutCertManager leave those APIs alone even where
	// they are installed, so that no right to them is needed.
	WithoutGatewayAPI, WithoutCertManager bool
}

// Uses reports whether the operator is to use an optional API where it is installed.
func (s Settings) Uses(api kinds.API) bool {
	switch api {
	case kinds.CertManager:
		return !s.WithoutCertManager
	case kinds.Traefik:
		return true
	}
	return !s.WithoutGatewayAPI // the others are parts of it
}

// Use returns those of the installed APIs that the operator is to use.
func (s Settings) Use(installed kinds.APIs) kinds.APIs {
	installed.CertManager = installed.CertManager && s.Uses(kinds.CertManager)
	installed.Gateway = installed.Gateway && s.Uses(kinds.GatewayAPI)
	installed.ReferenceGrants = installed.ReferenceGrants && s.Uses(kinds.ReferenceGrants)
	installed.ListenerSets = installed.ListenerSets && s.Uses(kinds.ListenerSets)
	installed.BackendTLSPolicies = installed.BackendTLSPolicies && s.Uses(kinds.BackendTLSPolicies)
	return installed
}

// WidgetService is the Service of the widget server, if its host is that of one in
// this cluster, <name>.<namespace>.svc and what may follow: an HTTPRoute refers to
// it across namespaces.
func WidgetService(settings Settings) (name, namespace string, ok bool) {
	parts := strings.SplitN(string(settings.WidgetBackend.Host), ".", 4)
	if len(parts) < 3 || parts[2] != "svc" {
		return "", "", false
	}
	return parts[0], parts[1], true
}
