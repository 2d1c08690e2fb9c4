package hosts

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
)

// rereading is when to look again at an object with authorities that cannot be used: what others
// write into ConfigMaps is not watched.
const rereading = 30 * time.Second

// backendTLSRefused says why the engine cannot be reached over TLS as the Partner asks for, so
// that nothing is to be served; nil if it can, or is not to be.
func (p *planner) backendTLSRefused(via objects.GatewayLink) *conditions.Finding {
	if p.build.BackendTLS() == nil {
		return nil
	}
	if p.build.GatewayRef() != nil {
		return p.policiesRefused(via)
	}
	if why := p.classMissing(); why != "" {
		return broken(v1alpha1.ReasonRouteNotAccepted, conditions.Stalled, "no ingress controller takes the route: %s", why)
	}
	if why, remedy := p.build.IngressTLSRefused(p.widget, p.APIs); why != "" {
		return tlsNotSupported(why, remedy)
	}
	return nil
}

func tlsNotSupported(why, remedy string) *conditions.Finding {
	return broken(v1alpha1.ReasonBackendTLSNotSupported, conditions.Stalled,
		"spec.subdomain.backend.tls cannot be met, and the engine is not served in clear text: %s: %s, or remove spec.subdomain.backend.tls", why, remedy)
}

// policiesRefused says why a Gateway's controller cannot reach the engine over TLS; nil if it can. One
// that does not know BackendTLSPolicies would ignore one, and serve the engine in clear text.
func (p *planner) policiesRefused(via objects.GatewayLink) *conditions.Finding {
	name := string(via.Spec.GatewayClassName)
	class := p.gatewayClass(name)
	switch {
	case via.Traefik:
		return nil
	case !p.APIs.BackendTLSPolicies:
		return tlsNotSupported("the cluster's Gateway API has no BackendTLSPolicies", "install Gateway API 1.4 or later")
	case class == nil:
		return broken(v1alpha1.ReasonRouteNotAccepted, conditions.Waiting,
			"there is no GatewayClass %s, whose controller is to reach the engine over TLS: install it, or name another Gateway in spec.subdomain.route.gatewayRef", name)
	case !verifiesBackends(class):
		return tlsNotSupported(fmt.Sprintf("GatewayClass %s does not list the feature BackendTLSPolicy in status.supportedFeatures", name), objects.TLSSupporting())
	}
	return nil
}

// gatewayClass is the class of a name; nil if there is none.
func (p *planner) gatewayClass(name string) *gatewayv1.GatewayClass {
	i := slices.IndexFunc(p.GatewayClasses, func(class gatewayv1.GatewayClass) bool { return class.Name == name })
	if i < 0 {
		return nil
	}
	return &p.GatewayClasses[i]
}

// verifiesBackends reports whether the controller of a class says that it knows BackendTLSPolicies.
func verifiesBackends(class *gatewayv1.GatewayClass) bool {
	return slices.ContainsFunc(class.Status.SupportedFeatures, func(feature gatewayv1.SupportedFeature) bool { return string(feature.Name) == kinds.BackendTLSPolicy })
}

// inClear reports whether an object that is there is a route which leads to the declared engine in clear
// text, although that is to be reached over TLS: its class may have another controller by now.
func (p *planner) inClear(there kinds.Object) bool {
	if p.build.BackendTLS() == nil || kinds.Of(there).Exposure != kinds.ByRoute {
		return false
	}
	if p.build.InClear(there, p.Child) {
		return true
	}
	key, attached := p.GatewayOf(objects.Route{Object: there, Kind: v1alpha1.RouteKind(kinds.Name(there))})
	if gateway := p.Gateway(key); attached && gateway != nil && p.build.ByPolicy(there) {
		class := p.gatewayClass(string(gateway.Spec.GatewayClassName))
		return class != nil && !verifiesBackends(class)
	}
	return false
}

// authorityInvalid finds an object for the engine's authorities that is missing, or has none.
func (p *planner) authorityInvalid() *conditions.Finding {
	kind, name := p.build.CAObject()
	if kind == "" || p.BackendCA == nil {
		return nil
	}
	what := fmt.Sprintf("%s %s/%s", kind, objects.NamespaceOf(p.Partner), name)
	switch {
	case !p.BackendCA.Found:
		return broken(v1alpha1.ReasonBackendCAInvalid, conditions.Waiting,
			"there is no %s with the authorities of the engine's certificate: create it with their PEM-encoded certificates under the key %s, or name another in spec.subdomain.backend.tls.caCertificates", what, objects.CAKey)
	case len(p.BackendCA.PEM) == 0:
		return broken(v1alpha1.ReasonBackendCAInvalid, conditions.Stalled,
			"%s has nothing under the key %s: write the PEM-encoded certificates of the authorities there that sign the engine's certificate", what, objects.CAKey)
	case !x509.NewCertPool().AppendCertsFromPEM(p.BackendCA.PEM):
		return broken(v1alpha1.ReasonBackendCAInvalid, conditions.Stalled,
			"the key %s of %s has no PEM-encoded certificate: write the authorities' certificates there, each from -----BEGIN CERTIFICATE----- on", objects.CAKey, what)
	}
	return nil
}

// reached are the objects by which the engine is reached, if it is not a Service of the tenant's
// in clear text.
func (p *planner) reached(via objects.GatewayLink) (wanted []kinds.Object) {
	external, tls, gateway := p.Partner.Spec.Subdomain.Backend.External != nil, p.build.BackendTLS() != nil, p.build.GatewayRef() != nil
	if tls && p.APIs.Traefik && (!gateway || via.Traefik) {
		wanted = append(wanted, p.build.ServersTransport())
	}
	if external || !gateway && p.build.ViaEngineService() {
		wanted = append(wanted, p.build.EngineService())
	}
	switch {
	case via.Traefik:
		wanted = append(wanted, p.build.TraefikService())
	case gateway && tls:
		wanted = append(wanted, p.build.BackendTLSPolicy(p.Snapshot.OwnRoutes()...))
	}
	return wanted
}

// policyLinks are what the Gateway's controller has to say of the engine's BackendTLSPolicy.
func (p *planner) policyLinks(via objects.GatewayLink) []statusLink {
	if p.build.BackendTLS() == nil || via.Traefik {
		return nil
	}
	policy, _ := p.Child(kinds.BackendTLSPolicy, kinds.EngineServiceName).(*gatewayv1.BackendTLSPolicy)
	if policy == nil {
		policy = &gatewayv1.BackendTLSPolicy{} // about to be created
	}
	link := statusLink{reason: v1alpha1.ReasonRefsNotResolved, name: fmt.Sprintf("BackendTLSPolicy %s/%s", objects.NamespaceOf(p.Partner), kinds.EngineServiceName), generation: policy.Generation}
	controller := p.controllerOf(via.Gateway)
	for _, ancestor := range policy.Status.Ancestors {
		// Traefik 3.7 writes the namespace of the route in place of the Gateway's.
		at := string(ptr.Deref(ancestor.AncestorRef.Namespace, gatewayv1.Namespace(policy.Namespace)))
		gateway := string(ancestor.AncestorRef.Name) == via.Name && (at == via.Namespace || at == policy.Namespace)
		listener := ptr.Deref(ancestor.AncestorRef.Kind, "") == kinds.ListenerSet && string(ancestor.AncestorRef.Name) == p.build.DeclaredRoute()
		if (gateway || listener) && (controller == "" || ancestor.ControllerName == controller) && (link.conditions == nil || observed(ancestor.Conditions) > observed(link.conditions)) {
			link.conditions = ancestor.Conditions
		}
	}
	resolved, accepted := link, link
	resolved.condition, accepted.condition = string(gatewayv1.BackendTLSPolicyConditionResolvedRefs), string(gatewayv1.PolicyConditionAccepted)
	return []statusLink{resolved, accepted}
}
