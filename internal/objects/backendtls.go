package objects

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
)

// CAKey is the key under which an object has the certificates of authorities.
const CAKey = "ca.crt"

// ingressController is what the controller of an IngressClass can be told about TLS to a backend.
type ingressController struct {
	// controller is spec.controller of its classes, and name what people call it.
	controller, name string
	// cannot says why it cannot reach an engine over TLS and verify its certificate, authority
	// and name; empty if it can.
	cannot string
	// secretOnly tells that it takes authorities from a Secret alone.
	secretOnly bool
	// onService and onIngress are the annotations that tell it to, on the Service of the engine
	// or on the Ingress. Those of an Ingress hold for all its paths.
	onService, onIngress func(b Builder) map[string]string
	// mark is the one of these that switches TLS on, by the value marked.
	mark, marked string
}

// ingressControllers are those that are known, by the documents and sources that
// docs/exposure.md names.
var ingressControllers = []ingressController{
	{controller: TraefikIngress, name: "Traefik", mark: traefikScheme, marked: "https", onService: func(b Builder) map[string]string {
		return map[string]string{
			traefikScheme: "https",
			"traefik.ingress.kubernetes.io/service.serverstransport": NamespaceOf(b.Partner) + "-" + kinds.EngineServiceName + "@kubernetescrd",
		}
	}},
	{controller: nginxController, name: "ingress-nginx", mark: nginxProtocol, marked: "HTTPS", secretOnly: true, onIngress: func(b Builder) map[string]string {
		return map[string]string{
			nginxProtocol: "HTTPS",
			"nginx.ingress.kubernetes.io/proxy-ssl-secret":      NamespaceOf(b.Partner) + "/" + b.caSecret(),
			"nginx.ingress.kubernetes.io/proxy-ssl-verify":      "on",
			"nginx.ingress.kubernetes.io/proxy-ssl-name":        b.ServerName(),
			"nginx.ingress.kubernetes.io/proxy-ssl-server-name": "on",
		}
	}},
	{controller: "haproxy-ingress.github.io/controller", name: "HAProxy Ingress", mark: haproxySecure, marked: "true", secretOnly: true, onService: func(b Builder) map[string]string {
		return map[string]string{
			haproxySecure: "true",
			"haproxy-ingress.github.io/secure-verify-ca-secret": b.caSecret(),
			"haproxy-ingress.github.io/secure-sni":              b.ServerName(),
			"haproxy-ingress.github.io/secure-verify-hostname":  b.ServerName(),
		}
	}},
	{controller: "haproxy.org/ingress-controller", name: "HAProxy Technologies' controller", cannot: "verifies who signed the certificate of a backend, but not for which name"},
	{controller: "projectcontour.io/ingress-controller", name: "Contour", cannot: "does not verify certificates of the backends of an Ingress"},
	{controller: "ingress-controllers.konghq.com/kong", name: "Kong", cannot: "verifies certificates only for the host that the client asked for"},
}

const (
	nginxController = "k8s.io/ingress-nginx"
	nginxProtocol   = "nginx.ingress.kubernetes.io/backend-protocol"
	haproxySecure   = "haproxy-ingress.github.io/secure-backends"
	traefikScheme   = "traefik.ingress.kubernetes.io/service.serversscheme"

	// TraefikIngress is Traefik as the controller of an IngressClass.
	TraefikIngress = "traefik.io/ingress-controller"
	// TraefikGateway is Traefik as the controller of a GatewayClass.
	TraefikGateway = "traefik.io/gateway-controller"
)

// BackendTLS is how the engine is reached over TLS; nil if it is reached in clear text.
func (b Builder) BackendTLS() *v1alpha1.BackendTLS {
	if b.Partner.Spec.Subdomain == nil {
		return nil
	}
	return b.Partner.Spec.Subdomain.Backend.TLS
}

// ServerName is the name that the engine's certificate has to be for.
func (b Builder) ServerName() string {
	backend := b.Partner.Spec.Subdomain.Backend
	switch {
	case backend.TLS.ServerName != "":
		return string(backend.TLS.ServerName)
	case backend.External != nil:
		return string(backend.External.Host)
	}
	return b.engineHost()
}

// engineHost is the DNS name of the engine's Service in the tenant namespace.
func (b Builder) engineHost() string {
	return b.Partner.Spec.Subdomain.Backend.Service.Name + "." + NamespaceOf(b.Partner) + ".svc"
}

// engineServiceName is the Service that the Partner declares for its engine, or the operator's own.
func (b Builder) engineServiceName() string {
	if in := b.Partner.Spec.Subdomain.Backend.Service; in != nil {
		return in.Name
	}
	return kinds.EngineServiceName
}

// Targets reports whether a policy is for the engine that the Partner declares.
func (b Builder) Targets(policy *gatewayv1.BackendTLSPolicy) bool {
	return b.Partner.Spec.Subdomain != nil && targets(policy, b.engineServiceName())
}

func targets(policy *gatewayv1.BackendTLSPolicy, service string) bool {
	return slices.ContainsFunc(policy.Spec.TargetRefs, func(target gatewayv1.LocalPolicyTargetReferenceWithSectionName) bool {
		return string(target.Name) == service
	})
}

// caSecret is the Secret with the engine's authorities; empty if they come from elsewhere.
func (b Builder) caSecret() string {
	if ref := b.BackendTLS().CACertificates.SecretRef; ref != nil {
		return string(ref.Name)
	}
	return ""
}

// CAObject is the kind and name of the object with the engine's authorities; empty if there is none.
func (b Builder) CAObject() (kind, name string) {
	tls := b.BackendTLS()
	switch {
	case tls == nil:
	case tls.CACertificates.ConfigMapRef != nil:
		return kinds.ConfigMap, string(tls.CACertificates.ConfigMapRef.Name)
	case tls.CACertificates.SecretRef != nil:
		return kinds.Secret, string(tls.CACertificates.SecretRef.Name)
	}
	return "", ""
}

// ingressController is that of the class of the Ingress; nil if it is not known.
func (b Builder) ingressController() *ingressController {
	controller := IngressController(b.Classes, b.IngressClassName())
	if i := slices.IndexFunc(ingressControllers, func(c ingressController) bool { return c.controller == controller }); i >= 0 {
		return &ingressControllers[i]
	}
	return nil
}

// IngressController is the controller of an ingress class; empty if there is no such class.
func IngressController(classes []networkingv1.IngressClass, class string) string {
	for i := range classes {
		if classes[i].Name == class {
			return classes[i].Spec.Controller
		}
	}
	return ""
}

// IngressTLSRefused says why the controller of the Ingress cannot reach the engine over TLS as
// the Partner asks for, and what to do about it; empty if it can.
func (b Builder) IngressTLSRefused(widget bool, apis kinds.APIs) (why, remedy string) {
	class := b.IngressClassName()
	known := b.ingressController()
	switch {
	case known == nil:
		return fmt.Sprintf("it is not known how the controller of IngressClass %s (%s) does that", class, cmp.Or(IngressController(b.Classes, class), "none is named")), TLSSupporting()
	case known.cannot != "":
		return fmt.Sprintf("%s, the controller of IngressClass %s, %s", known.name, class, known.cannot), TLSSupporting()
	case known.controller == TraefikIngress && !apis.Traefik:
		return "Traefik needs a ServersTransport for it, and its CRDs (traefik.io) are not installed", "install them"
	case known.secretOnly && b.caSecret() == "":
		return known.name + " takes authorities only from a Secret", "write the name of one in spec.subdomain.backend.tls.caCertificates.secretRef"
	case known.onIngress != nil && widget:
		return known.name + " reaches either all backends of an Ingress over TLS or none, and this one also leads to the support widget, which has no TLS",
			"name another class or a Gateway in spec.subdomain.route, or keep the widget off by the SupportPlan"
	}
	return "", ""
}

// TLSSupporting says what to do where the controller of a route cannot reach an engine over TLS.
func TLSSupporting() string {
	var names []string
	for _, known := range ingressControllers {
		if known.cannot == "" {
			names = append(names, known.name)
		}
	}
	return "name a class of " + strings.Join(names, ", ") + ", or a Gateway whose class lists the feature BackendTLSPolicy, in spec.subdomain.route"
}

// ingressTLSAnnotations are those of the Ingress.
func (b Builder) ingressTLSAnnotations() map[string]string {
	if known := b.ingressController(); b.BackendTLS() != nil && known != nil && known.onIngress != nil {
		return known.onIngress(b)
	}
	return nil
}

// serviceTLSAnnotations are those of the engine's Service, for all controllers: were it
// for that of the class alone, a move to another class would leave one in clear text.
func (b Builder) serviceTLSAnnotations() map[string]string {
	annotations := map[string]string{}
	for _, known := range ingressControllers {
		if known.onService != nil && (!known.secretOnly || b.caSecret() != "") {
			maps.Copy(annotations, known.onService(b))
		}
	}
	return annotations
}

// ViaEngineService reports whether an Ingress leads to the engine by the operator's own Service: to
// one outside of the cluster, or since that Service has what tells the controller to use TLS. On
// the tenant's Service, the tenant could take it off.
func (b Builder) ViaEngineService() bool {
	if b.Partner.Spec.Subdomain.Backend.External != nil {
		return true
	}
	known := b.ingressController()
	return b.BackendTLS() != nil && known != nil && known.onService != nil
}

// ServersTransport tells Traefik how to verify the engine's certificate.
func (b Builder) ServersTransport() *unstructured.Unstructured {
	spec := map[string]any{"serverName": b.ServerName()}
	if kind, name := b.CAObject(); kind != "" {
		key := map[string]string{kinds.ConfigMap: "configMap", kinds.Secret: "secret"}[kind]
		spec["rootCAs"] = []any{map[string]any{key: name}}
	}
	return b.untyped(kinds.ServersTransportGVK, kinds.EngineServiceName, spec)
}

// TraefikService leads Traefik as a Gateway to an engine outside of the cluster, since it takes no
// ExternalName Service in an HTTPRoute.
func (b Builder) TraefikService() *unstructured.Unstructured {
	service := map[string]any{"kind": kinds.Service, "name": kinds.EngineServiceName, "port": int64(b.Partner.Spec.Subdomain.Backend.External.Port), "scheme": "http"}
	if b.BackendTLS() != nil {
		service["scheme"], service["serversTransport"] = "https", kinds.EngineServiceName
	}
	return b.untyped(kinds.TraefikServiceGVK, kinds.EngineServiceName, map[string]any{"weighted": map[string]any{"services": []any{service}}})
}

// BackendTLSPolicy tells a Gateway's controller to reach the engine over TLS, and how to verify
// its certificate. It is for the Services that the routes which are there lead to, too, so that none is without
// a policy while it changes, or serves beside another.
func (b Builder) BackendTLSPolicy(there ...Route) *gatewayv1.BackendTLSPolicy {
	services := []string{b.engineServiceName()}
	for _, route := range there {
		if kind, name := engineOf(route.Object); route.Kind == v1alpha1.HTTPRoute && kind == kinds.Service && !slices.Contains(services, name) {
			services = append(services, name)
		}
	}
	policy := &gatewayv1.BackendTLSPolicy{
		TypeMeta:   kinds.TypeMeta(kinds.BackendTLSPolicy),
		ObjectMeta: b.ownedMeta(kinds.EngineServiceName),
		Spec: gatewayv1.BackendTLSPolicySpec{
			Validation: gatewayv1.BackendTLSPolicyValidation{Hostname: gatewayv1.PreciseHostname(b.ServerName())},
		},
	}
	for _, service := range services {
		policy.Spec.TargetRefs = append(policy.Spec.TargetRefs, gatewayv1.LocalPolicyTargetReferenceWithSectionName{
			LocalPolicyTargetReference: gatewayv1.LocalPolicyTargetReference{Kind: kinds.Service, Name: gatewayv1.ObjectName(service)},
		})
	}
	if kind, name := b.CAObject(); kind != "" {
		policy.Spec.Validation.CACertificateRefs = []gatewayv1.LocalObjectReference{{Kind: gatewayv1.Kind(kind), Name: gatewayv1.ObjectName(name)}}
	} else {
		policy.Spec.Validation.WellKnownCACertificates = new(gatewayv1.WellKnownCACertificatesSystem)
	}
	return policy
}

// engineOf is the kind and name of what a route leads to for all paths but the widget's; empty
// if it leads nowhere.
func engineOf(route kinds.Object) (kind, name string) {
	if ingress, ok := route.(*networkingv1.Ingress); ok {
		for _, rule := range ingress.Spec.Rules {
			if rule.HTTP == nil {
				continue
			}
			for _, path := range rule.HTTP.Paths {
				if path.Path != kinds.WidgetPath && path.Backend.Service != nil {
					return kinds.Service, path.Backend.Service.Name
				}
			}
		}
		return "", ""
	}
	http, ok := route.(*gatewayv1.HTTPRoute)
	if !ok || len(http.Spec.Rules) == 0 {
		return "", ""
	}
	refs := http.Spec.Rules[len(http.Spec.Rules)-1].BackendRefs // the widget's rule comes before
	if len(refs) == 0 {
		return "", ""
	}
	return string(ptr.Deref(refs[0].Kind, kinds.Service)), string(refs[0].Name)
}

// InClear reports whether a route that is there leads to the engine that the Partner declares in
// clear text, although it is to be reached over TLS. child finds the partner's objects by kind and
// name.
func (b Builder) InClear(route kinds.Object, child func(kind, name string) kinds.Object) bool {
	kind, name := engineOf(route)
	if b.BackendTLS() == nil || kinds.Of(route).Exposure != kinds.ByRoute || kind == "" {
		return false
	}
	if name != b.engineServiceName() && name != kinds.EngineServiceName {
		return false // another engine, of a former host
	}
	if ingress, ok := route.(*networkingv1.Ingress); ok {
		service, _ := child(kinds.Service, name).(*corev1.Service)
		return !b.tellsTLS(ingress, service)
	}
	if kind == kinds.TraefikServiceGVK.Kind {
		by, _ := child(kind, name).(*unstructured.Unstructured)
		return by == nil || !encrypts(by)
	}
	policy, _ := child(kinds.BackendTLSPolicy, kinds.EngineServiceName).(*gatewayv1.BackendTLSPolicy)
	return policy == nil || !targets(policy, name)
}

// ByPolicy reports whether a route leads to the declared engine by its Service, so that a policy has to
// tell of TLS.
func (b Builder) ByPolicy(route kinds.Object) bool {
	kind, name := engineOf(route)
	return kind == kinds.Service && name == b.engineServiceName()
}

// tellsTLS reports whether an Ingress, with the Service that it leads to, tells its controller to use TLS:
// that of its class, or any if the class is gone.
func (b Builder) tellsTLS(ingress *networkingv1.Ingress, service *corev1.Service) bool {
	controller := IngressController(b.Classes, ptr.Deref(ingress.Spec.IngressClassName, ""))
	return slices.ContainsFunc(ingressControllers, func(known ingressController) bool {
		if controller != "" && known.controller != controller {
			return false
		}
		return known.onIngress != nil && ingress.Annotations[known.mark] == known.marked ||
			known.onService != nil && service != nil && service.Annotations[known.mark] == known.marked
	})
}

// encrypts reports whether a TraefikService leads to all its Services over TLS.
func encrypts(by *unstructured.Unstructured) bool {
	services, _, _ := unstructured.NestedSlice(by.Object, "spec", "weighted", "services")
	return len(services) > 0 && !slices.ContainsFunc(services, func(service any) bool {
		fields, _ := service.(map[string]any)
		return fields["scheme"] != "https"
	})
}
