package objects

import (
	"cmp"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
)

// Builder makes the objects of one partner.
type Builder struct {
	Partner  *v1alpha1.Partner
	Settings Settings
	Classes  []networkingv1.IngressClass
	// Kept is the class of the Ingress that serves the partner; empty if none does.
	Kept string
	// RouteName is the name of the declared route and its listener; the host if empty.
	RouteName string
	// Reached is when a change of the defaults reached the Partner last; zero if none did.
	Reached time.Time
}

func (b Builder) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: NamespaceOf(b.Partner), Name: name, Labels: Labels(b.Partner.Name)}
}

// ownedMeta is of what goes with the Partner. It is no controller reference:
// an object has room for only one of these, and that of an earlier Partner of
// the same name may still be there.
func (b Builder) ownedMeta(name string) metav1.ObjectMeta {
	meta := b.meta(name)
	meta.OwnerReferences = b.owner()
	return meta
}

func (b Builder) owner() []metav1.OwnerReference {
	return []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(),
		Kind:       "Partner",
		Name:       b.Partner.Name,
		UID:        b.Partner.UID,
	}}
}

// SupportDocument is the ConfigMap with what is agreed with the partner.
func (b Builder) SupportDocument(data string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   kinds.TypeMeta(kinds.ConfigMap),
		ObjectMeta: b.ownedMeta(kinds.ContractName),
		Data:       map[string]string{kinds.ContractKey: data},
	}
}

// Claim gives the host to the partner, if it is the first to create it.
func (b Builder) Claim(host v1alpha1.Host) *v1alpha1.SubdomainClaim {
	return &v1alpha1.SubdomainClaim{
		TypeMeta: kinds.TypeMeta(kinds.SubdomainClaim),
		ObjectMeta: metav1.ObjectMeta{
			Name:            string(host),
			Labels:          Labels(b.Partner.Name),
			OwnerReferences: b.owner(),
		},
		Spec: v1alpha1.SubdomainClaimSpec{PartnerRef: v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(b.Partner.Name)}},
	}
}

// OwnTLS reports whether the Partner itself says where the certificate comes from, if only in a way
// that a newer version knows.
func (b Builder) OwnTLS() bool {
	tls := b.Partner.Spec.Subdomain.TLS
	return tls != nil && (tls.IssuerRef != nil || tls.SecretName != "" || tls.Order == "")
}

// Issuer is who signs the sub-domain's certificate; nil if the operator asks
// for none.
func (b Builder) Issuer() *v1alpha1.IssuerReference {
	if b.OwnTLS() {
		return b.Partner.Spec.Subdomain.TLS.IssuerRef
	}
	return b.Settings.DefaultIssuer
}

// TLSSecret is the Secret with the sub-domain's certificate; empty if TLS is not
// ended here.
func (b Builder) TLSSecret() string {
	subdomain := b.Partner.Spec.Subdomain
	if subdomain.TLS != nil && subdomain.TLS.SecretName != "" {
		return subdomain.TLS.SecretName
	}
	if b.Issuer() != nil {
		return string(subdomain.Host)
	}
	return ""
}

// Certificate has cert-manager keep the declared host's certificate in a Secret named after it.
func (b Builder) Certificate(issuer v1alpha1.IssuerReference) *unstructured.Unstructured {
	host := string(b.Partner.Spec.Subdomain.Host)
	kind := issuer.Kind
	if kind == "" {
		kind = v1alpha1.ClusterIssuer
	}
	secretLabels := map[string]any{}
	for key, value := range Labels(b.Partner.Name) {
		secretLabels[key] = value
	}
	return b.untyped(kinds.CertificateGVK, host, map[string]any{
		"secretName": host,
		"dnsNames":   []any{host},
		// By these the Secret is known once the Certificate is gone.
		"secretTemplate": map[string]any{"labels": secretLabels},
		"issuerRef":      map[string]any{"group": kinds.CertificateGVK.Group, "kind": string(kind), "name": string(issuer.Name)},
	})
}

// untyped is an object without a Go type of its own, owned by the Partner.
func (b Builder) untyped(kind schema.GroupVersionKind, name string, spec map[string]any) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	object.SetGroupVersionKind(kind)
	meta := b.ownedMeta(name)
	object.SetNamespace(meta.Namespace)
	object.SetName(meta.Name)
	object.SetLabels(meta.Labels)
	object.SetOwnerReferences(meta.OwnerReferences)
	return object
}

// EngineService leads to the engine. The name of one outside of the cluster has the final dot, with
// which resolvers do not try it below the search domains of a Pod first: engine.dev there can be
// Service engine in namespace dev.
func (b Builder) EngineService() *corev1.Service {
	backend := b.Partner.Spec.Subdomain.Backend
	var service *corev1.Service
	if backend.External != nil {
		service = b.ExternalService(kinds.EngineServiceName, *backend.External)
		service.Spec.ExternalName += "."
	} else {
		service = b.ExternalService(kinds.EngineServiceName, v1alpha1.ExternalBackend{Host: v1alpha1.Host(b.engineHost()), Port: backend.Service.Port})
	}
	if backend.TLS != nil {
		service.Annotations = b.serviceTLSAnnotations()
	}
	return service
}

// ExternalService leads to a host outside the namespace.
func (b Builder) ExternalService(name string, to v1alpha1.ExternalBackend) *corev1.Service {
	return &corev1.Service{
		TypeMeta:   kinds.TypeMeta(kinds.Service),
		ObjectMeta: b.ownedMeta(name),
		Spec: corev1.ServiceSpec{
			Type:         corev1.ServiceTypeExternalName,
			ExternalName: string(to.Host),
			// The target port is what the API server would fill in; a Service has
			// no way to leave it out.
			Ports: []corev1.ServicePort{{Name: "http", Port: to.Port, TargetPort: intstr.FromInt32(to.Port), Protocol: corev1.ProtocolTCP}},
		},
	}
}

// IngressClassName is that of the route, of the operator or of the cluster, whichever is given
// first; empty if none is. While none is named, an Ingress keeps the class that it has when another
// one becomes the default, as long as that class exists, and when there is no default for a moment.
func (b Builder) IngressClassName() string {
	return cmp.Or(b.NamedClass(), b.defaultClass())
}

// NamedClass is the class that the route or the operator names; empty if neither does.
func (b Builder) NamedClass() string {
	if subdomain := b.Partner.Spec.Subdomain; subdomain != nil && subdomain.Route != nil && subdomain.Route.IngressClassName != "" {
		return subdomain.Route.IngressClassName
	}
	return b.Settings.IngressClassName
}

// defaultClass is the cluster's. The API server fills it in at creation only, and so misses one that
// comes later.
func (b Builder) defaultClass() string {
	defaults := b.DefaultClasses()
	exists := slices.ContainsFunc(b.Classes, func(class networkingv1.IngressClass) bool { return class.Name == b.Kept })
	switch {
	case b.Kept != "" && (exists || len(defaults) == 0):
		return b.Kept
	case len(defaults) > 0:
		return defaults[0]
	}
	return ""
}

// DefaultClasses are the cluster's default ingress classes, of which there should be one: that
// which the API server would take first.
func (b Builder) DefaultClasses() []string {
	var defaults []networkingv1.IngressClass
	for _, class := range b.Classes {
		if class.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true" {
			defaults = append(defaults, class)
		}
	}
	slices.SortFunc(defaults, func(a, b networkingv1.IngressClass) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	var names []string
	for _, class := range defaults {
		names = append(names, class.Name)
	}
	return names
}

// Ingress leads the host to the engine, and the widget's path to the widget
// server if the widget is wanted. secret has its certificate; empty if TLS is not ended
// here.
func (b Builder) Ingress(widget bool, secret string) *networkingv1.Ingress {
	subdomain := b.Partner.Spec.Subdomain
	host := string(subdomain.Host)
	ingress := &networkingv1.Ingress{
		TypeMeta:   kinds.TypeMeta(kinds.Ingress),
		ObjectMeta: b.ownedMeta(b.DeclaredRoute()),
	}
	if len(b.Settings.IngressAnnotations) > 0 {
		ingress.Annotations = maps.Clone(b.Settings.IngressAnnotations)
	}
	if subdomain.Route != nil {
		for key, value := range subdomain.Route.Annotations {
			metav1.SetMetaDataAnnotation(&ingress.ObjectMeta, key, string(value))
		}
	}
	for key, value := range b.ingressTLSAnnotations() {
		metav1.SetMetaDataAnnotation(&ingress.ObjectMeta, key, value)
	}
	b.note(ingress)
	if class := b.IngressClassName(); class != "" {
		ingress.Spec.IngressClassName = &class
	}
	if secret != "" {
		ingress.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{host}, SecretName: secret}}
	}
	path := func(path, service string, port int32) networkingv1.HTTPIngressPath {
		return networkingv1.HTTPIngressPath{
			Path:     path,
			PathType: ptr.To(networkingv1.PathTypePrefix),
			Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
				Name: service, Port: networkingv1.ServiceBackendPort{Number: port},
			}},
		}
	}
	var paths []networkingv1.HTTPIngressPath
	if widget {
		paths = append(paths, path(kinds.WidgetPath, kinds.WidgetServiceName, b.Settings.WidgetBackend.Port))
	}
	switch backend := subdomain.Backend; {
	case backend.External != nil:
		paths = append(paths, path("/", kinds.EngineServiceName, backend.External.Port))
	case b.ViaEngineService():
		paths = append(paths, path("/", kinds.EngineServiceName, backend.Service.Port))
	default:
		paths = append(paths, path("/", backend.Service.Name, backend.Service.Port))
	}
	ingress.Spec.Rules = []networkingv1.IngressRule{{
		Host:             host,
		IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: paths}},
	}}
	return ingress
}
