package tenant

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Names of the objects in a tenant namespace. A sub-domain's Ingress,
// Certificate and certificate Secret are named by the host, so that those of a
// new host stand beside those of the old one.
const (
	IsolationName      = "dispel-isolation"
	AdministratorsName = "dispel-administrators"
	QuotaName          = "dispel-quota"
	ContractName       = "dispel-support"
	EngineServiceName  = "dispel-engine"
	WidgetServiceName  = "dispel-support-widget"

	// WidgetPath is the path on the sub-domain that the widget server has.
	WidgetPath = "/.dispel/support"
	// ContractKey is the key of the contract in its ConfigMap.
	ContractKey = "support.json"
)

// CertificateGVK is cert-manager's Certificate. It is read and written without
// cert-manager's Go types, whose module brings a few hundred others.
var CertificateGVK = schema.GroupVersionKind{Group: "cert-manager.io", Version: "v1", Kind: "Certificate"}

// NamespaceOf is the name of the tenant namespace that a Partner declares.
func NamespaceOf(partner *v1alpha1.Partner) string {
	if partner.Spec.Tenant != nil && partner.Spec.Tenant.Namespace != "" {
		return string(partner.Spec.Tenant.Namespace)
	}
	return DefaultNamespace(partner.Name)
}

// HostOf is the host that a Partner declares; empty if it declares none.
func HostOf(partner *v1alpha1.Partner) string {
	if partner.Spec.Subdomain == nil {
		return ""
	}
	return string(partner.Spec.Subdomain.Host)
}

// DefaultNamespace is the name of the tenant namespace of a Partner that names none.
func DefaultNamespace(partner string) string {
	return "partner-" + partner
}

// NotedHosts are the hosts that the operator noted on a tenant namespace, for the
// admission policies.
func NotedHosts(namespace metav1.Object) []string {
	return strings.FieldsFunc(namespace.GetAnnotations()[v1alpha1.HostsAnnotation], func(r rune) bool { return r == ',' })
}

// ReservedBy is the partner for which a namespace keeps the hosts that it notes, if that is
// another than the given one; empty if it keeps them for nobody else.
func ReservedBy(namespace metav1.Object, partner string) string {
	holder := HolderOf(namespace)
	if holder == partner || namespace.GetDeletionTimestamp() != nil {
		return ""
	}
	return holder
}

// AdoptableByAnother reports whether a namespace has an annotation by which another Partner
// than the given one, which has it, could adopt it.
func AdoptableByAnother(namespace metav1.Object, partner string) bool {
	adopter, annotated := namespace.GetAnnotations()[v1alpha1.AdoptAnnotation]
	return annotated && adopter != partner
}

// NoteOf is how hosts are noted on a namespace.
func NoteOf(hosts []string) string { return strings.Join(hosts, ",") }

// HolderOf is the partner whose tenant namespace one is, by its label; empty if it is
// none's. The admission policies keep the label out of the tenants' hands.
func HolderOf(namespace metav1.Object) string {
	return namespace.GetLabels()[v1alpha1.PartnerLabel]
}

// Labels are on all that the operator makes for a partner.
func Labels(partner string) map[string]string {
	return map[string]string{
		v1alpha1.PartnerLabel:   partner,
		v1alpha1.ManagedByLabel: v1alpha1.FieldManager,
	}
}

// PodSecurityLabels are on every tenant namespace.
var PodSecurityLabels = []string{"pod-security.kubernetes.io/enforce", "pod-security.kubernetes.io/warn"}

// builder makes the objects of one partner.
type builder struct {
	partner  *v1alpha1.Partner
	settings Settings
	classes  []networkingv1.IngressClass
}

func (b builder) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: NamespaceOf(b.partner), Name: name, Labels: Labels(b.partner.Name)}
}

// ownedMeta is of what goes with the Partner. It is no controller reference:
// an object has room for only one of these, and that of an earlier Partner of
// the same name may still be there.
func (b builder) ownedMeta(name string) metav1.ObjectMeta {
	meta := b.meta(name)
	meta.OwnerReferences = b.owner()
	return meta
}

func (b builder) owner() []metav1.OwnerReference {
	return []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(),
		Kind:       "Partner",
		Name:       b.partner.Name,
		UID:        b.partner.UID,
	}}
}

// namespace is the tenant's, at the strictest of the pod security standards.
func (b builder) namespace() *corev1.Namespace {
	namespace := &corev1.Namespace{
		TypeMeta: metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: namespaceKind},
		ObjectMeta: metav1.ObjectMeta{
			Name:   NamespaceOf(b.partner),
			Labels: Labels(b.partner.Name),
		},
	}
	for _, label := range PodSecurityLabels {
		namespace.Labels[label] = "restricted"
	}
	if b.partner.Spec.DeletionPolicy == v1alpha1.DeletionPolicyDelete {
		namespace.OwnerReferences = b.owner()
	}
	return namespace
}

// WithOwnerByPolicy is a Partner's namespace as it is, but owned by the Partner if its deletion policy
// says so, and only then; nil if that is so already, or the namespace is another's.
func WithOwnerByPolicy(partner *v1alpha1.Partner, namespace *corev1.Namespace) *corev1.Namespace {
	owned := slices.ContainsFunc(namespace.OwnerReferences, func(owner metav1.OwnerReference) bool { return owner.UID == partner.UID })
	if owned == (partner.Spec.DeletionPolicy == v1alpha1.DeletionPolicyDelete) || HolderOf(namespace) != partner.Name || !namespace.DeletionTimestamp.IsZero() {
		return nil
	}
	wanted := builder{partner: partner}.namespace()
	wanted.Annotations = map[string]string{v1alpha1.HostsAnnotation: namespace.Annotations[v1alpha1.HostsAnnotation]}
	return wanted
}

// guards bound who and what is in the namespace. They have no owner, since a
// namespace that is retained keeps them.
func (b builder) guards() []Object {
	tenant := ptr.Deref(b.partner.Spec.Tenant, v1alpha1.Tenant{})
	var guards []Object
	if tenant.NetworkIsolation != v1alpha1.NetworkIsolationDisabled {
		guards = append(guards, b.isolation())
	}
	if len(tenant.ResourceQuota) > 0 {
		guards = append(guards, &corev1.ResourceQuota{
			TypeMeta:   typeMeta(quotaKind),
			ObjectMeta: b.meta(QuotaName),
			Spec:       corev1.ResourceQuotaSpec{Hard: tenant.ResourceQuota},
		})
	}
	if len(tenant.Administrators) > 0 {
		guards = append(guards, b.administrators(tenant.Administrators))
	}
	return guards
}

// isolation lets only the namespace itself and the controllers' proxies in.
func (b builder) isolation() *networkingv1.NetworkPolicy {
	peers := func(peer networkingv1.NetworkPolicyPeer) networkingv1.NetworkPolicyIngressRule {
		return networkingv1.NetworkPolicyIngressRule{From: []networkingv1.NetworkPolicyPeer{peer}}
	}
	sources := []networkingv1.NetworkPolicyIngressRule{peers(networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{}})}
	for _, namespace := range b.settings.ProxyNamespaces {
		sources = append(sources, peers(networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{
			MatchLabels: map[string]string{corev1.LabelMetadataName: namespace},
		}}))
	}
	return &networkingv1.NetworkPolicy{
		TypeMeta:   typeMeta(isolationKind),
		ObjectMeta: b.meta(IsolationName),
		Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress:     sources,
		},
	}
}

func (b builder) administrators(administrators []v1alpha1.Administrator) *rbacv1.RoleBinding {
	binding := &rbacv1.RoleBinding{
		TypeMeta:   typeMeta(administratorsKind),
		ObjectMeta: b.meta(AdministratorsName),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
	}
	for _, administrator := range administrators {
		subject := rbacv1.Subject{Kind: string(administrator.Kind), Name: administrator.Name, Namespace: administrator.Namespace}
		if administrator.Kind != v1alpha1.ServiceAccountSubject {
			subject.APIGroup = rbacv1.GroupName
		}
		binding.Subjects = append(binding.Subjects, subject)
	}
	return binding
}

func (b builder) supportDocument(data string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   typeMeta(contractKind),
		ObjectMeta: b.ownedMeta(ContractName),
		Data:       map[string]string{ContractKey: data},
	}
}

// claim gives the host to the partner, if it is the first to create it.
func (b builder) claim(host v1alpha1.Host) *v1alpha1.SubdomainClaim {
	return &v1alpha1.SubdomainClaim{
		TypeMeta: typeMeta(claimKind),
		ObjectMeta: metav1.ObjectMeta{
			Name:            string(host),
			Labels:          Labels(b.partner.Name),
			OwnerReferences: b.owner(),
		},
		Spec: v1alpha1.SubdomainClaimSpec{PartnerRef: v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(b.partner.Name)}},
	}
}

// issuer is who signs the sub-domain's certificate; nil if the operator asks
// for none.
func (b builder) issuer() *v1alpha1.IssuerReference {
	if tls := b.partner.Spec.Subdomain.TLS; tls != nil {
		return tls.IssuerRef
	}
	return b.settings.DefaultIssuer
}

// tlsSecret is the Secret with the sub-domain's certificate; empty if TLS is not
// ended here.
func (b builder) tlsSecret() string {
	subdomain := b.partner.Spec.Subdomain
	if subdomain.TLS != nil && subdomain.TLS.SecretName != "" {
		return subdomain.TLS.SecretName
	}
	if b.issuer() != nil {
		return string(subdomain.Host)
	}
	return ""
}

func (b builder) certificate(issuer v1alpha1.IssuerReference) *unstructured.Unstructured {
	host := string(b.partner.Spec.Subdomain.Host)
	kind := issuer.Kind
	if kind == "" {
		kind = v1alpha1.ClusterIssuer
	}
	secretLabels := map[string]any{}
	for key, value := range Labels(b.partner.Name) {
		secretLabels[key] = value
	}
	certificate := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{
			"secretName": host,
			"dnsNames":   []any{host},
			// By these the Secret is known once the Certificate is gone.
			"secretTemplate": map[string]any{"labels": secretLabels},
			"issuerRef":      map[string]any{"group": CertificateGVK.Group, "kind": string(kind), "name": string(issuer.Name)},
		},
	}}
	certificate.SetGroupVersionKind(CertificateGVK)
	meta := b.ownedMeta(host)
	certificate.SetNamespace(meta.Namespace)
	certificate.SetName(meta.Name)
	certificate.SetLabels(meta.Labels)
	certificate.SetOwnerReferences(meta.OwnerReferences)
	return certificate
}

// engineService leads to the engine. Its name has the final dot, with which resolvers do not try
// it below the search domains of a Pod first: engine.dev there can be Service engine in
// namespace dev.
func (b builder) engineService(to v1alpha1.ExternalBackend) *corev1.Service {
	service := b.externalService(EngineServiceName, to)
	service.Spec.ExternalName += "."
	return service
}

// externalService leads to a host outside the namespace.
func (b builder) externalService(name string, to v1alpha1.ExternalBackend) *corev1.Service {
	return &corev1.Service{
		TypeMeta:   typeMeta(serviceKind),
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

// ingressClassName is that of the route, of the operator or of the cluster,
// whichever is given first; empty if none is.
func (b builder) ingressClassName() string {
	if route := b.partner.Spec.Subdomain.Route; route != nil && route.IngressClassName != "" {
		return route.IngressClassName
	}
	if b.settings.IngressClassName != "" {
		return b.settings.IngressClassName
	}
	// The API server fills in the default class at creation only, and so misses
	// one that comes later.
	var defaults []string
	for _, class := range b.classes {
		if class.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true" {
			defaults = append(defaults, class.Name)
		}
	}
	slices.Sort(defaults)
	return strings.Join(defaults[:min(1, len(defaults))], "")
}

// ingress leads the host to the engine, and the widget's path to the widget
// server if the widget is wanted. secret has its certificate; empty if TLS is not ended
// here.
func (b builder) ingress(widget bool, secret string) *networkingv1.Ingress {
	subdomain := b.partner.Spec.Subdomain
	host := string(subdomain.Host)
	ingress := &networkingv1.Ingress{
		TypeMeta:   typeMeta(ingressKind),
		ObjectMeta: b.ownedMeta(host),
	}
	if len(b.settings.IngressAnnotations) > 0 {
		ingress.Annotations = maps.Clone(b.settings.IngressAnnotations)
	}
	if subdomain.Route != nil {
		for key, value := range subdomain.Route.Annotations {
			metav1.SetMetaDataAnnotation(&ingress.ObjectMeta, key, string(value))
		}
	}
	if class := b.ingressClassName(); class != "" {
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
		paths = append(paths, path(WidgetPath, WidgetServiceName, b.settings.WidgetBackend.Port))
	}
	if external := subdomain.Backend.External; external != nil {
		paths = append(paths, path("/", EngineServiceName, external.Port))
	} else {
		paths = append(paths, path("/", subdomain.Backend.Service.Name, subdomain.Backend.Service.Port))
	}
	ingress.Spec.Rules = []networkingv1.IngressRule{{
		Host:             host,
		IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: paths}},
	}}
	return ingress
}
