package objects

import (
	"cmp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
)

// listenerName is the one listener in a partner's ListenerSet.
const listenerName = "https"

// DeclaredRoute is the name of the declared route and of its listener.
func (b Builder) DeclaredRoute() string { return cmp.Or(b.RouteName, HostOf(b.Partner)) }

// GatewayRef is the Gateway that serves the sub-domain; nil if an Ingress does.
func (b Builder) GatewayRef() *v1alpha1.GatewayReference {
	route := b.Partner.Spec.Subdomain.Route
	switch {
	case route != nil && route.GatewayRef != nil:
		return route.GatewayRef
	case route != nil && route.IngressClassName != "":
		return nil
	}
	return b.Settings.Gateway
}

// GatewayLink is how a Gateway serves a sub-domain.
type GatewayLink struct {
	*gatewayv1.Gateway
	// Section is the listener to use; any that matches if empty.
	Section string
	// Grants tells that the API server knows ReferenceGrants, with which the
	// widget server is reached in its own namespace.
	Grants bool
	// Own tells that the sub-domain has a listener of its own, with its own
	// certificate, in a ListenerSet.
	Own bool
	// Traefik tells that an engine outside of the cluster is reached by a TraefikService.
	Traefik bool
}

// HTTPRoute leads the host to the engine, and the widget's path to the widget
// server if the widget is wanted. What the API server would fill in is written
// out: in a list it would count as a difference.
func (b Builder) HTTPRoute(via GatewayLink, widget bool) *gatewayv1.HTTPRoute {
	subdomain := b.Partner.Spec.Subdomain
	host := string(subdomain.Host)
	route := &gatewayv1.HTTPRoute{
		TypeMeta:   kinds.TypeMeta(kinds.HTTPRoute),
		ObjectMeta: b.ownedMeta(b.DeclaredRoute()),
	}
	if subdomain.Route != nil {
		for key, value := range subdomain.Route.Annotations {
			metav1.SetMetaDataAnnotation(&route.ObjectMeta, key, string(value))
		}
	}
	b.note(route)
	rule := func(path string, service gatewayv1.BackendObjectReference) gatewayv1.HTTPRouteRule {
		if service.Kind == nil {
			service.Group, service.Kind = new(gatewayv1.Group("")), new(gatewayv1.Kind(kinds.Service))
		}
		return gatewayv1.HTTPRouteRule{
			Matches: []gatewayv1.HTTPRouteMatch{{Path: &gatewayv1.HTTPPathMatch{Type: new(gatewayv1.PathMatchPathPrefix), Value: &path}}},
			BackendRefs: []gatewayv1.HTTPBackendRef{{BackendRef: gatewayv1.BackendRef{
				BackendObjectReference: service, Weight: new(int32(1)),
			}}},
		}
	}
	route.Spec.ParentRefs = []gatewayv1.ParentReference{b.ParentRef(via)}
	route.Spec.Hostnames = []gatewayv1.Hostname{gatewayv1.Hostname(host)}
	if widget {
		service := gatewayv1.BackendObjectReference{Name: kinds.WidgetServiceName, Port: new(b.Settings.WidgetBackend.Port)}
		if name, namespace, ok := WidgetService(b.Settings); ok && via.Grants {
			service.Name, service.Namespace = gatewayv1.ObjectName(name), new(gatewayv1.Namespace(namespace))
		}
		route.Spec.Rules = append(route.Spec.Rules, rule(kinds.WidgetPath, service))
	}
	engine := gatewayv1.BackendObjectReference{Name: kinds.EngineServiceName}
	switch backend := subdomain.Backend; {
	case via.Traefik:
		engine.Group, engine.Kind = new(gatewayv1.Group(kinds.TraefikServiceGVK.Group)), new(gatewayv1.Kind(kinds.TraefikServiceGVK.Kind))
	case backend.External != nil:
		engine.Port = &backend.External.Port
	default:
		engine.Name, engine.Port = gatewayv1.ObjectName(backend.Service.Name), &backend.Service.Port
	}
	route.Spec.Rules = append(route.Spec.Rules, rule("/", engine))
	return route
}

// ParentRef is where the HTTPRoute is attached.
func (b Builder) ParentRef(via GatewayLink) gatewayv1.ParentReference {
	ref := gatewayv1.ParentReference{Group: new(gatewayv1.Group(gatewayv1.GroupName))}
	if via.Own {
		ref.Kind, ref.Name = new(gatewayv1.Kind(kinds.ListenerSet)), gatewayv1.ObjectName(b.DeclaredRoute())
		return ref
	}
	ref.Kind, ref.Name = new(gatewayv1.Kind("Gateway")), gatewayv1.ObjectName(via.Name)
	ref.Namespace = new(gatewayv1.Namespace(via.Namespace))
	if via.Section != "" {
		ref.SectionName = new(gatewayv1.SectionName(via.Section))
	}
	return ref
}

// ListenerSet adds a listener with the sub-domain's certificate to the Gateway,
// on the port on which the Gateway serves HTTPS itself. secret has the certificate.
func (b Builder) ListenerSet(via GatewayLink, secret string) *gatewayv1.ListenerSet {
	host := string(b.Partner.Spec.Subdomain.Host)
	port := gatewayv1.PortNumber(443)
	if i := slices.IndexFunc(via.Spec.Listeners, IsHTTPS); i >= 0 {
		port = via.Spec.Listeners[i].Port
	}
	return &gatewayv1.ListenerSet{
		TypeMeta:   kinds.TypeMeta(kinds.ListenerSet),
		ObjectMeta: b.ownedMeta(b.DeclaredRoute()),
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

// IsHTTPS reports whether a listener serves HTTPS.
func IsHTTPS(listener gatewayv1.Listener) bool {
	return listener.Protocol == gatewayv1.HTTPSProtocolType
}

// ReferenceGrant lets the partner's HTTPRoute lead to the widget server. It is in
// the widget server's namespace, named as the tenant's.
func (b Builder) ReferenceGrant(service, namespace string) *gatewayv1beta1.ReferenceGrant {
	meta := b.ownedMeta(NamespaceOf(b.Partner))
	meta.Namespace = namespace
	return &gatewayv1beta1.ReferenceGrant{
		TypeMeta:   kinds.TypeMeta(kinds.ReferenceGrant),
		ObjectMeta: meta,
		Spec: gatewayv1beta1.ReferenceGrantSpec{
			From: []gatewayv1beta1.ReferenceGrantFrom{{
				Group: gatewayv1.GroupName, Kind: kinds.HTTPRoute, Namespace: gatewayv1.Namespace(NamespaceOf(b.Partner)),
			}},
			To: []gatewayv1beta1.ReferenceGrantTo{{Kind: kinds.Service, Name: new(gatewayv1.ObjectName(service))}},
		},
	}
}
