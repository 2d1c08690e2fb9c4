package tenant

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
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
)

// listenerName is the one listener in a partner's ListenerSet.
const listenerName = "https"

// gatewayRef is the Gateway that serves the sub-domain; nil if an Ingress does.
func (b builder) gatewayRef() *v1alpha1.GatewayReference {
	route := b.partner.Spec.Subdomain.Route
	switch {
	case route != nil && route.GatewayRef != nil:
		return route.GatewayRef
	case route != nil && route.IngressClassName != "":
		return nil
	}
	return b.settings.Gateway
}

// gatewayLink is how a Gateway serves a sub-domain.
type gatewayLink struct {
	*gatewayv1.Gateway
	// section is the listener to use; any that matches if empty.
	section string
	// grants tells that the API server knows ReferenceGrants, with which the
	// widget server is reached in its own namespace.
	grants bool
	// own tells that the sub-domain has a listener of its own, with its own
	// certificate, in a ListenerSet.
	own bool
}

// httpRoute leads the host to the engine, and the widget's path to the widget
// server if the widget is wanted. What the API server would fill in is written
// out: in a list it would count as a difference.
func (b builder) httpRoute(via gatewayLink, widget bool) *gatewayv1.HTTPRoute {
	subdomain := b.partner.Spec.Subdomain
	host := string(subdomain.Host)
	route := &gatewayv1.HTTPRoute{
		TypeMeta:   typeMeta(httpRouteKind),
		ObjectMeta: b.ownedMeta(host),
	}
	if subdomain.Route != nil {
		for key, value := range subdomain.Route.Annotations {
			metav1.SetMetaDataAnnotation(&route.ObjectMeta, key, string(value))
		}
	}
	rule := func(path string, service gatewayv1.BackendObjectReference) gatewayv1.HTTPRouteRule {
		service.Group, service.Kind = new(gatewayv1.Group("")), new(gatewayv1.Kind(serviceKind))
		return gatewayv1.HTTPRouteRule{
			Matches: []gatewayv1.HTTPRouteMatch{{Path: &gatewayv1.HTTPPathMatch{Type: new(gatewayv1.PathMatchPathPrefix), Value: &path}}},
			BackendRefs: []gatewayv1.HTTPBackendRef{{BackendRef: gatewayv1.BackendRef{
				BackendObjectReference: service, Weight: new(int32(1)),
			}}},
		}
	}
	route.Spec.ParentRefs = []gatewayv1.ParentReference{b.parentRef(via)}
	route.Spec.Hostnames = []gatewayv1.Hostname{gatewayv1.Hostname(host)}
	if widget {
		service := gatewayv1.BackendObjectReference{Name: WidgetServiceName, Port: new(b.settings.WidgetBackend.Port)}
		if name, namespace, ok := WidgetService(b.settings); ok && via.grants {
			service.Name, service.Namespace = gatewayv1.ObjectName(name), new(gatewayv1.Namespace(namespace))
		}
		route.Spec.Rules = append(route.Spec.Rules, rule(WidgetPath, service))
	}
	engine := gatewayv1.BackendObjectReference{Name: EngineServiceName}
	if external := subdomain.Backend.External; external != nil {
		engine.Port = &external.Port
	} else {
		engine.Name, engine.Port = gatewayv1.ObjectName(subdomain.Backend.Service.Name), &subdomain.Backend.Service.Port
	}
	route.Spec.Rules = append(route.Spec.Rules, rule("/", engine))
	return route
}

// parentRef is where the HTTPRoute is attached.
func (b builder) parentRef(via gatewayLink) gatewayv1.ParentReference {
	ref := gatewayv1.ParentReference{Group: new(gatewayv1.Group(gatewayv1.GroupName))}
	if via.own {
		ref.Kind, ref.Name = new(gatewayv1.Kind(listenerSetKind)), gatewayv1.ObjectName(b.partner.Spec.Subdomain.Host)
		return ref
	}
	ref.Kind, ref.Name = new(gatewayv1.Kind("Gateway")), gatewayv1.ObjectName(via.Name)
	ref.Namespace = new(gatewayv1.Namespace(via.Namespace))
	if via.section != "" {
		ref.SectionName = new(gatewayv1.SectionName(via.section))
	}
	return ref
}

// listenerSet adds a listener with the sub-domain's certificate to the Gateway,
// on the port on which the Gateway serves HTTPS itself. secret has the certificate.
func (b builder) listenerSet(via gatewayLink, secret string) *gatewayv1.ListenerSet {
	host := string(b.partner.Spec.Subdomain.Host)
	port := gatewayv1.PortNumber(443)
	if i := slices.IndexFunc(via.Spec.Listeners, isHTTPS); i >= 0 {
		port = via.Spec.Listeners[i].Port
	}
	return &gatewayv1.ListenerSet{
		TypeMeta:   typeMeta(listenerSetKind),
		ObjectMeta: b.ownedMeta(host),
		Spec: gatewayv1.ListenerSetSpec{
			ParentRef: gatewayv1.ParentGatewayReference{
				Group: new(gatewayv1.Group(gatewayv1.GroupName)), Kind: new(gatewayv1.Kind("Gateway")),
				Namespace: new(gatewayv1.Namespace(via.Namespace)), Name: gatewayv1.ObjectName(via.Name),
			},
			Listeners: []gatewayv1.ListenerEntry{{
				Name: listenerName, Hostname: new(gatewayv1.Hostname(host)), Port: port, Protocol: gatewayv1.HTTPSProtocolType,
				TLS: &gatewayv1.ListenerTLSConfig{Mode: new(gatewayv1.TLSModeTerminate), CertificateRefs: []gatewayv1.SecretObjectReference{{
					Group: new(gatewayv1.Group("")), Kind: new(gatewayv1.Kind("Secret")), Name: gatewayv1.ObjectName(secret),
				}}},
				AllowedRoutes: &gatewayv1.AllowedRoutes{Namespaces: &gatewayv1.RouteNamespaces{From: new(gatewayv1.NamespacesFromSame)}},
			}},
		},
	}
}

func isHTTPS(listener gatewayv1.Listener) bool {
	return listener.Protocol == gatewayv1.HTTPSProtocolType
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

// referenceGrant lets the partner's HTTPRoute lead to the widget server. It is in
// the widget server's namespace, named as the tenant's.
func (b builder) referenceGrant(service, namespace string) *gatewayv1beta1.ReferenceGrant {
	meta := b.ownedMeta(NamespaceOf(b.partner))
	meta.Namespace = namespace
	return &gatewayv1beta1.ReferenceGrant{
		TypeMeta:   typeMeta(referenceGrantKind),
		ObjectMeta: meta,
		Spec: gatewayv1beta1.ReferenceGrantSpec{
			From: []gatewayv1beta1.ReferenceGrantFrom{{
				Group: gatewayv1.GroupName, Kind: httpRouteKind, Namespace: gatewayv1.Namespace(NamespaceOf(b.partner)),
			}},
			To: []gatewayv1beta1.ReferenceGrantTo{{Kind: serviceKind, Name: new(gatewayv1.ObjectName(service))}},
		},
	}
}

// gatewayUnready finds the Gateway that is to serve the sub-domain, and how it does.
func (e *evaluation) gatewayUnready() *conditions.Finding {
	ref := e.build.gatewayRef()
	if ref == nil {
		return nil // an Ingress serves it
	}
	if e.in.Settings.WithoutGatewayAPI {
		return broken(v1alpha1.ReasonAPINotInstalled, conditions.Stalled,
			"Gateway %s/%s is to serve %s, and the operator runs with --gateway-api=false: leave that flag out, or name an ingress class in spec.subdomain.route.ingressClassName",
			ref.Namespace, ref.Name, e.in.Partner.Spec.Subdomain.Host)
	}
	if !e.in.APIs.Gateway {
		return broken(v1alpha1.ReasonAPINotInstalled, conditions.Stalled,
			"Gateway %s/%s is to serve %s, and the Gateway API is not installed: install it with a controller, or name an ingress class in spec.subdomain.route.ingressClassName",
			ref.Namespace, ref.Name, e.in.Partner.Spec.Subdomain.Host)
	}
	gateway := e.in.gateway(types.NamespacedName{Namespace: ref.Namespace, Name: string(ref.Name)})
	if gateway == nil {
		return broken(v1alpha1.ReasonGatewayNotFound, conditions.Waiting,
			"there is no Gateway %s/%s: create it, or name another in spec.subdomain.route.gatewayRef or with the operator's --gateway", ref.Namespace, ref.Name)
	}
	refusal := e.listenersRefused(gateway)
	switch explicit := e.in.Partner.Spec.Subdomain.TLS != nil; {
	case explicit && !e.in.APIs.ListenerSets:
		return broken(v1alpha1.ReasonAPINotInstalled, conditions.Stalled,
			"Gateway %s/%s cannot serve the certificate of spec.subdomain.tls: %s; install Gateway API 1.5 or later, or remove spec.subdomain.tls to use the Gateway's own listener",
			ref.Namespace, ref.Name, refusal)
	case explicit && refusal != "":
		return broken(v1alpha1.ReasonRouteNotAccepted, conditions.Stalled,
			"Gateway %s/%s cannot serve the certificate of spec.subdomain.tls: %s; allow it in the Gateway's spec.allowedListeners, or remove spec.subdomain.tls to use the Gateway's own listener",
			ref.Namespace, ref.Name, refusal)
	}
	e.via = gatewayLink{Gateway: gateway, section: ref.SectionName, grants: e.in.APIs.ReferenceGrants, own: refusal == "" && e.build.tlsSecret() != ""}
	return nil
}

// listenersRefused says why the Gateway takes no ListenerSet from the tenant
// namespace; empty if it does.
func (e *evaluation) listenersRefused(gateway *gatewayv1.Gateway) string {
	namespace := NamespaceOf(e.in.Partner)
	if !e.in.APIs.ListenerSets {
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
		set := e.build.namespace().Labels
		if e.in.Namespace != nil {
			set = e.in.Namespace.Labels
		}
		if matches, err := metav1.LabelSelectorAsSelector(selector); err == nil && matches.Matches(labels.Set(set)) {
			return ""
		}
		return fmt.Sprintf("the namespaces whose ListenerSets it takes do not include %s", namespace)
	}
	return fmt.Sprintf("it takes no ListenerSets from namespace %s", namespace)
}

// gatewayRouteUnready says why the Gateway does not serve the sub-domain, by the
// first link that says so; nil if it does.
func (e *evaluation) gatewayRouteUnready() *conditions.Finding {
	host := string(e.in.Partner.Spec.Subdomain.Host)
	namespace := NamespaceOf(e.in.Partner)
	route, _ := e.in.child(httpRouteKind, host).(*gatewayv1.HTTPRoute)
	if route == nil || !route.DeletionTimestamp.IsZero() {
		return broken(v1alpha1.ReasonRouteNotAccepted, conditions.Waiting,
			"HTTPRoute %s/%s is about to be created, once one that is being deleted is gone", namespace, host)
	}
	links := []statusLink{{
		v1alpha1.ReasonListenerNotProgrammed, fmt.Sprintf("Gateway %s/%s", e.via.Namespace, e.via.Name),
		// Others share it: what somebody changes on it does not unsettle all.
		e.via.Status.Conditions, 0, string(gatewayv1.GatewayConditionProgrammed),
	}}
	if e.via.own {
		set, _ := e.in.child(listenerSetKind, host).(*gatewayv1.ListenerSet)
		if set == nil {
			set = &gatewayv1.ListenerSet{} // about to be created
		}
		name := fmt.Sprintf("ListenerSet %s/%s", namespace, host)
		if source := e.conflicting(set); source != "" && links[0].unmet() == "" && !refusesRefs(e.in.saidOf(route, e.build.parentRef(e.via), e.via.Gateway)) {
			return broken(v1alpha1.ReasonListenerConflict, conditions.Waiting,
				"%s conflicts with that of Partner %q at the same Gateway, which is handing the host over and is removing its listener", name, source)
		}
		links = append(links,
			statusLink{v1alpha1.ReasonRouteNotAccepted, name, set.Status.Conditions, set.Generation, string(gatewayv1.ListenerSetConditionAccepted)},
			statusLink{v1alpha1.ReasonListenerNotProgrammed, name, set.Status.Conditions, set.Generation, string(gatewayv1.ListenerSetConditionProgrammed)})
	}
	said := e.in.saidOf(route, e.build.parentRef(e.via), e.via.Gateway)
	name := fmt.Sprintf("HTTPRoute %s/%s", namespace, host)
	links = append(links,
		statusLink{v1alpha1.ReasonRouteNotAccepted, name, said, route.Generation, string(gatewayv1.RouteConditionAccepted)},
		statusLink{v1alpha1.ReasonRefsNotResolved, name, said, route.Generation, string(gatewayv1.RouteConditionResolvedRefs)})
	e.serves = !slices.ContainsFunc(links, func(link statusLink) bool { return !meta.IsStatusConditionTrue(link.conditions, link.condition) })
	for _, link := range links {
		if why := link.unmet(); why != "" {
			return broken(link.reason, conditions.Waiting, "%s lacks the condition %s: %s", link.name, link.condition, why)
		}
	}
	return nil
}

// refusesRefs reports whether a controller says that a route's backends cannot be had.
func refusesRefs(said []metav1.Condition) bool {
	return meta.IsStatusConditionFalse(said, string(gatewayv1.RouteConditionResolvedRefs))
}

// conflicting is the Partner that hands the declared host over and whose ListenerSet is what a
// new one conflicts with: of two, a Gateway takes the older. It is empty if there is none.
func (e *evaluation) conflicting(set *gatewayv1.ListenerSet) string {
	if !slices.ContainsFunc(set.Status.Listeners, func(listener gatewayv1.ListenerEntryStatus) bool {
		conflicted := meta.FindStatusCondition(listener.Conditions, string(gatewayv1.ListenerEntryConditionConflicted))
		return conflicted != nil && conflicted.Status == metav1.ConditionTrue && conflicted.ObservedGeneration >= set.Generation &&
			(conflicted.Reason == string(gatewayv1.ListenerEntryReasonHostnameConflict) || conflicted.Reason == string(gatewayv1.ListenerEntryReasonListenerConflict))
	}) {
		return ""
	}
	gateway := e.via.Namespace + "/" + e.via.Name
	host := string(e.in.Partner.Spec.Subdomain.Host)
	i := slices.IndexFunc(e.in.Routes, func(ref RouteRef) bool {
		return ref.Kind == listenerSetKind && ref.Host == host && ref.Name == host && ref.Gateway == gateway && slices.Contains(e.in.Sources, ref.Partner)
	})
	if i < 0 {
		return ""
	}
	return e.in.Routes[i].Partner
}

// saidOf is what the controller of a Gateway's class says of a route at a parent. A
// controller that served the route before leaves its entry behind. Where the class is
// not known, the entry about the newest version of the route counts.
func (s *Snapshot) saidOf(route *gatewayv1.HTTPRoute, parent gatewayv1.ParentReference, gateway *gatewayv1.Gateway) []metav1.Condition {
	controller := s.controllerOf(gateway)
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
func (s *Snapshot) controllerOf(gateway *gatewayv1.Gateway) gatewayv1.GatewayController {
	for _, class := range s.GatewayClasses {
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
		return fmt.Sprintf("%s (%s)", strings.TrimSuffix(said.Message, "."), said.Reason)
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

func (s *Snapshot) gateway(key types.NamespacedName) *gatewayv1.Gateway {
	for i := range s.Gateways {
		if s.Gateways[i].Namespace == key.Namespace && s.Gateways[i].Name == key.Name {
			return &s.Gateways[i]
		}
	}
	return nil
}

// GatewayKeys are the Gateways to have in the snapshot: the one that is to serve
// the sub-domain, and those that do.
func (s *Snapshot) GatewayKeys() []types.NamespacedName {
	var keys []types.NamespacedName
	if s.Partner.Spec.Subdomain != nil {
		if ref := (builder{partner: s.Partner, settings: s.Settings}).gatewayRef(); ref != nil {
			keys = append(keys, types.NamespacedName{Namespace: ref.Namespace, Name: string(ref.Name)})
		}
	}
	for _, route := range s.routes() {
		if key, ok := s.gatewayOf(route); ok && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// gatewayOf is the Gateway that a route is attached to, by a ListenerSet or at
// once; false if it is to none.
func (s *Snapshot) gatewayOf(route route) (types.NamespacedName, bool) {
	attached, ok := route.Object.(*gatewayv1.HTTPRoute)
	if !ok || len(attached.Spec.ParentRefs) == 0 {
		return types.NamespacedName{}, false
	}
	parent := attached.Spec.ParentRefs[0]
	if set, ok := s.child(listenerSetKind, string(parent.Name)).(*gatewayv1.ListenerSet); ok && ptr.Deref(parent.Kind, "") == listenerSetKind {
		ref := set.Spec.ParentRef
		return types.NamespacedName{Namespace: string(ptr.Deref(ref.Namespace, gatewayv1.Namespace(set.Namespace))), Name: string(ref.Name)}, true
	}
	return types.NamespacedName{Namespace: string(ptr.Deref(parent.Namespace, gatewayv1.Namespace(attached.Namespace))), Name: string(parent.Name)}, true
}
