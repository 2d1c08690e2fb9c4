package hosts

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/snapshot"
)

// gatewayLink finds the Gateway that is to serve the sub-domain, and how it does. The link is
// empty if an Ingress serves it.
func (p *planner) gatewayLink() (objects.GatewayLink, *conditions.Finding) {
	ref := p.build.GatewayRef()
	if ref == nil {
		return objects.GatewayLink{}, nil
	}
	if p.Settings.WithoutGatewayAPI {
		return objects.GatewayLink{}, broken(v1alpha1.ReasonAPINotInstalled, conditions.Stalled,
			"Gateway %s/%s is to serve %s, and the operator runs with --gateway-api=false: leave that flag out, or name an ingress class in spec.subdomain.route.ingressClassName",
			ref.Namespace, ref.Name, p.Partner.Spec.Subdomain.Host)
	}
	if !p.APIs.Gateway {
		return objects.GatewayLink{}, broken(v1alpha1.ReasonAPINotInstalled, conditions.Stalled,
			"Gateway %s/%s is to serve %s, and the Gateway API is not installed: install it with a controller, or name an ingress class in spec.subdomain.route.ingressClassName",
			ref.Namespace, ref.Name, p.Partner.Spec.Subdomain.Host)
	}
	gateway := p.Gateway(types.NamespacedName{Namespace: ref.Namespace, Name: string(ref.Name)})
	if gateway == nil {
		return objects.GatewayLink{}, broken(v1alpha1.ReasonGatewayNotFound, conditions.Waiting,
			"there is no Gateway %s/%s: create it, or name another in spec.subdomain.route.gatewayRef or with the operator's --gateway", ref.Namespace, ref.Name)
	}
	refusal := p.listenersRefused(gateway)
	switch explicit := p.build.OwnTLS(); {
	case explicit && !p.APIs.ListenerSets:
		return objects.GatewayLink{}, broken(v1alpha1.ReasonAPINotInstalled, conditions.Stalled,
			"Gateway %s/%s cannot serve the certificate of spec.subdomain.tls: %s; install Gateway API 1.5 or later, or remove spec.subdomain.tls to use the Gateway's own listener",
			ref.Namespace, ref.Name, refusal)
	case explicit && refusal != "":
		return objects.GatewayLink{}, broken(v1alpha1.ReasonRouteNotAccepted, conditions.Stalled,
			"Gateway %s/%s cannot serve the certificate of spec.subdomain.tls: %s; allow it in the Gateway's spec.allowedListeners, or remove spec.subdomain.tls to use the Gateway's own listener",
			ref.Namespace, ref.Name, refusal)
	}
	return objects.GatewayLink{
		Gateway: gateway, Section: ref.SectionName, Grants: p.APIs.ReferenceGrants, Own: refusal == "" && p.build.TLSSecret() != "",
		Traefik: p.APIs.Traefik && p.Partner.Spec.Subdomain.Backend.External != nil && p.controllerOf(gateway) == objects.TraefikGateway,
	}, nil
}

// listenersRefused says why the Gateway takes no ListenerSet from the tenant
// namespace; empty if it does.
func (p *planner) listenersRefused(gateway *gatewayv1.Gateway) string {
	namespace := objects.NamespaceOf(p.Partner)
	if !p.APIs.ListenerSets {
		return "the cluster's Gateway API has no ListenerSets"
	}
	from := gatewayv1.NamespacesFromNone
	var selector *metav1.LabelSelector
	if allowed := gateway.Spec.AllowedListeners; allowed != nil && allowed.Namespaces != nil {
		from, selector = ptr.Deref(allowed.Namespaces.From, from), allowed.Namespaces.Selector
	}
	switch from {
	case gatewayv1.NamespacesFromAll:
		return ""
	case gatewayv1.NamespacesFromSelector:
		set := p.build.Namespace().Labels
		if p.Namespace != nil {
			set = p.Namespace.Labels
		}
		if matches, err := metav1.LabelSelectorAsSelector(selector); err == nil && matches.Matches(labels.Set(set)) {
			return ""
		}
		return fmt.Sprintf("the namespaces whose ListenerSets it takes do not include %s", namespace)
	}
	return fmt.Sprintf("it takes no ListenerSets from namespace %s", namespace)
}

// gatewayRouteUnready says why the Gateway does not serve the sub-domain, by the
// first link that says so; nil if it does. serves reports that the Gateway served the route
// before its last change, at least.
func (p *planner) gatewayRouteUnready(via objects.GatewayLink) (link *conditions.Finding, serves bool) {
	namespace := objects.NamespaceOf(p.Partner)
	declared := p.declaredRoute()
	if declared == nil {
		return broken(v1alpha1.ReasonRouteNotAccepted, conditions.Waiting,
			"HTTPRoute %s/%s is about to be created, once one that is being deleted is gone", namespace, p.build.DeclaredRoute()), false
	}
	route := declared.Object.(*gatewayv1.HTTPRoute)
	links := []statusLink{{
		v1alpha1.ReasonListenerNotProgrammed, fmt.Sprintf("Gateway %s/%s", via.Namespace, via.Name),
		// Others share it: what somebody changes on it does not unsettle all.
		via.Status.Conditions, 0, string(gatewayv1.GatewayConditionProgrammed),
	}}
	if via.Own {
		set, _ := p.Child(kinds.ListenerSet, p.build.DeclaredRoute()).(*gatewayv1.ListenerSet)
		if set == nil {
			set = &gatewayv1.ListenerSet{} // about to be created
		}
		name := fmt.Sprintf("ListenerSet %s/%s", namespace, p.build.DeclaredRoute())
		if source := p.conflicting(set, via); source != "" && links[0].unmet() == "" && !refusesRefs(p.saidAt(route, p.build.ParentRef(via), via.Gateway)) {
			return broken(v1alpha1.ReasonListenerConflict, conditions.Waiting,
				"%s conflicts with that of Partner %q at the same Gateway, which is handing the host over and is removing its listener", name, source), false
		}
		links = append(links,
			statusLink{v1alpha1.ReasonRouteNotAccepted, name, set.Status.Conditions, set.Generation, string(gatewayv1.ListenerSetConditionAccepted)},
			statusLink{v1alpha1.ReasonListenerNotProgrammed, name, set.Status.Conditions, set.Generation, string(gatewayv1.ListenerSetConditionProgrammed)})
	}
	said := p.saidAt(route, p.build.ParentRef(via), via.Gateway)
	name := fmt.Sprintf("HTTPRoute %s/%s", namespace, p.build.DeclaredRoute())
	links = append(links,
		statusLink{v1alpha1.ReasonRouteNotAccepted, name, said, route.Generation, string(gatewayv1.RouteConditionAccepted)},
		statusLink{v1alpha1.ReasonRefsNotResolved, name, said, route.Generation, string(gatewayv1.RouteConditionResolvedRefs)})
	links = append(links, p.policyLinks(via)...)
	serves = !slices.ContainsFunc(links, func(link statusLink) bool { return !meta.IsStatusConditionTrue(link.conditions, link.condition) })
	for _, link := range links {
		if why := link.unmet(); why != "" {
			return broken(link.reason, conditions.Waiting, "%s lacks the condition %s: %s%s", link.name, link.condition, why, p.withoutExternalNames(link, via)), serves
		}
	}
	return nil, serves
}

// withoutExternalNames says what to do if a Gateway's controller does not take the Service of an
// engine outside of the cluster; empty if that is not what a link lacks.
func (p *planner) withoutExternalNames(link statusLink, via objects.GatewayLink) string {
	if link.condition != string(gatewayv1.RouteConditionResolvedRefs) || !strings.HasPrefix(link.name, kinds.HTTPRoute) || p.Partner.Spec.Subdomain.Backend.External == nil || via.Traefik ||
		!meta.IsStatusConditionFalse(link.conditions, link.condition) {
		return ""
	}
	remedy := "; the engine is outside of the cluster, which not every Gateway takes: name an ingress class in spec.subdomain.route, or a Gateway of Traefik's with its CRDs or of Contour's with enableExternalNameService"
	if p.controllerOf(via.Gateway) == objects.TraefikGateway {
		remedy = "; Traefik takes no ExternalName Service here: install its CRDs (traefik.io), and have it run with --providers.kubernetescrd and --providers.kubernetescrd.allowexternalnameservices"
	}
	return remedy
}

// refusesRefs reports whether a controller says that a route's backends cannot be had.
func refusesRefs(said []metav1.Condition) bool {
	return meta.IsStatusConditionFalse(said, string(gatewayv1.RouteConditionResolvedRefs))
}

// conflicting is the Partner that hands the declared host over and whose ListenerSet is what a
// new one conflicts with: of two, a Gateway takes the older. It is empty if there is none.
func (p *planner) conflicting(set *gatewayv1.ListenerSet, via objects.GatewayLink) string {
	if !slices.ContainsFunc(set.Status.Listeners, func(listener gatewayv1.ListenerEntryStatus) bool {
		conflicted := meta.FindStatusCondition(listener.Conditions, string(gatewayv1.ListenerEntryConditionConflicted))
		return conflicted != nil && conflicted.Status == metav1.ConditionTrue && conflicted.ObservedGeneration >= set.Generation &&
			(conflicted.Reason == string(gatewayv1.ListenerEntryReasonHostnameConflict) || conflicted.Reason == string(gatewayv1.ListenerEntryReasonListenerConflict))
	}) {
		return ""
	}
	gateway := via.Namespace + "/" + via.Name
	host := string(p.Partner.Spec.Subdomain.Host)
	i := slices.IndexFunc(p.Routes, func(ref snapshot.RouteRef) bool {
		return ref.Kind == kinds.ListenerSet && ref.Host == host && ref.Named() == host && ref.Gateway == gateway && slices.Contains(p.Sources, ref.Partner)
	})
	if i < 0 {
		return ""
	}
	return p.Routes[i].Partner
}

// saidAt is what the controller of a Gateway's class says of a route at a parent. A
// controller that served the route before leaves its entry behind. Where the class is
// not known, the entry about the newest version of the route counts.
func (p *planner) saidAt(route *gatewayv1.HTTPRoute, parent gatewayv1.ParentReference, gateway *gatewayv1.Gateway) []metav1.Condition {
	controller := p.controllerOf(gateway)
	var said []metav1.Condition
	for _, entry := range route.Status.Parents {
		if !samePart(entry.ParentRef, parent, route.Namespace) || controller != "" && entry.ControllerName != controller {
			continue
		}
		if said == nil || observed(entry.Conditions) > observed(said) {
			said = entry.Conditions
		}
	}
	return said
}

// controllerOf is the controller of a Gateway's class; empty if the class is not
// known.
func (p *planner) controllerOf(gateway *gatewayv1.Gateway) gatewayv1.GatewayController {
	for _, class := range p.GatewayClasses {
		if class.Name == string(gateway.Spec.GatewayClassName) {
			return class.Spec.ControllerName
		}
	}
	return ""
}

// observed is the newest generation that conditions are about.
func observed(conditions []metav1.Condition) int64 {
	var newest int64
	for _, condition := range conditions {
		newest = max(newest, condition.ObservedGeneration)
	}
	return newest
}

// statusLink is a condition that others write and that has to be True.
type statusLink struct {
	reason     v1alpha1.Reason
	name       string
	conditions []metav1.Condition
	generation int64
	condition  string
}

// unmet says why the condition is not True for the object as it is now; empty if
// it is.
func (l statusLink) unmet() string {
	switch said := meta.FindStatusCondition(l.conditions, l.condition); {
	case said == nil:
		return "no controller has said anything about it yet"
	case said.ObservedGeneration != 0 && said.ObservedGeneration < l.generation:
		return "its controller has not taken up its last change yet"
	case said.Status != metav1.ConditionTrue:
		return strings.TrimPrefix(fmt.Sprintf("%s (%s)", strings.TrimSuffix(said.Message, "."), said.Reason), " ")
	}
	return ""
}

// samePart reports whether a controller's status is about a parent as declared in a
// namespace.
func samePart(a, b gatewayv1.ParentReference, namespace string) bool {
	in := func(ref gatewayv1.ParentReference) string {
		return string(ptr.Deref(ref.Namespace, gatewayv1.Namespace(namespace)))
	}
	return a.Name == b.Name && in(a) == in(b) && ptr.Deref(a.Kind, "Gateway") == ptr.Deref(b.Kind, "Gateway") &&
		ptr.Deref(a.SectionName, "") == ptr.Deref(b.SectionName, "")
}
