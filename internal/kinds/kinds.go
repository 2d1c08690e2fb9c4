package kinds

import (
	"cmp"
	"iter"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Object is an object of the API, with its kind set.
type Object interface {
	metav1.Object
	runtime.Object
}

// Kind is a kind of object that a Partner becomes, or that the operator reads to
// judge what became of it.
type Kind struct {
	// object and list are empty ones.
	object Object
	list   List
	schema.GroupVersionKind
	// API is the optional API that the kind belongs to; empty if every cluster has it.
	API API
	// Made reports whether the operator makes objects of the kind.
	Made bool
	// Names are the names that it gives them; none if they are named after the host,
	// or after the namespace that they serve.
	Names []string
	// Exposure is how objects of the kind expose a host.
	Exposure Exposure
	// Relation is how an object of the kind leads to the partners that it concerns.
	Relation Relation
	// Exact are fields that have to be as the operator writes them, or absent, even if it is not
	// known who added them; nil if there are none, and empty if that is all fields. Others that
	// are nobody's are left to the API server and to admission policies.
	Exact []string
	// What can be asked of an object of the kind; each is nil if there is nothing to it.
	//
	// hosts yields the hosts in it, some of them several times, and setHosts gives hosts to an
	// empty one; parents are the Gateways that it names, as namespace/name; keepStatus carries
	// over what controllers say of it; strip takes out what no part of the operator looks at.
	hosts      func(Object) iter.Seq[string]
	setHosts   func(Object, []string)
	parents    func(Object) []string
	keepStatus func(to, from Object)
	strip      func(Object)
}

// List is a list of objects of the API.
type List interface {
	metav1.ListInterface
	runtime.Object
}

// New returns an empty object of the kind.
func (k Kind) New() Object { return k.object.DeepCopyObject().(Object) }

// NewList returns an empty list of the kind.
func (k Kind) NewList() List { return k.list.DeepCopyObject().(List) }

// Selected reports whether objects of the kind are read under one name alone, by which the API
// server selects them. It cannot for an API that it does not have yet.
func (k Kind) Selected() bool { return len(k.Names) == 1 && k.API == "" }

// Attaches reports whether objects of the kind are attached to a Gateway.
func (k Kind) Attaches() bool { return k.parents != nil }

// KeepStatus carries over to a written object what controllers say of the one before.
func (k Kind) KeepStatus(to, from Object) {
	if k.keepStatus != nil {
		k.keepStatus(to, from)
	}
}

// Strip takes out of an object what no part of the operator looks at.
func (k Kind) Strip(object Object) {
	if k.strip != nil {
		k.strip(object)
	}
}

// SetHosts gives hosts to an object that has none, so that FirstHosts finds them.
func (k Kind) SetHosts(object Object, hosts []string) {
	if k.setHosts != nil && len(hosts) > 0 {
		k.setHosts(object, hosts)
	}
}

// TakesHosts reports whether objects of the kind have hosts, as Hosts returns them.
func (k Kind) TakesHosts() bool { return k.Relation == ByHost || k.Relation == ByGateway }

// API is an API that a cluster may lack. Older releases of the Gateway API lack some
// of its kinds, so each of those counts by itself.
type API string

// The optional APIs.
const (
	CertManager     API = "cert-manager"
	GatewayAPI      API = "Gateway API"
	ReferenceGrants API = "ReferenceGrants"
	ListenerSets    API = "ListenerSets"
	GRPCRoutes      API = "GRPCRoutes"
	TLSRoutes       API = "TLSRoutes"
	// BackendTLSPolicies are the Gateway API's, from 1.4 on.
	BackendTLSPolicies API = "BackendTLSPolicies"
	// Traefik is what Traefik's own kinds are.
	Traefik API = "Traefik"
)

// Exposure is how an object exposes a host. Objects are deleted in this order: what
// is reached from outside first; the claim, which frees the host for others, last.
type Exposure int

// The exposures.
const (
	ByRoute          Exposure = -5
	ByListener       Exposure = -4
	ByBackend        Exposure = -3
	ByCertificate    Exposure = -2
	ByCertificateKey Exposure = -1
	NotExposed       Exposure = 0
	ByClaim          Exposure = 1
)

// Relation is how an object leads to the partners that it concerns.
type Relation int

// The relations.
const (
	// ByNamespace leads to the partner in whose namespace the object is.
	ByNamespace Relation = iota
	// ByHost leads there, and to all partners that declare one of its hosts.
	ByHost
	// ByReference leads to the partner that names it, or to that of the namespace if
	// its name is reserved.
	ByReference
	// ByHolder leads to the partner that holds the host, and to all that want it.
	ByHolder
	// ByGateway leads to the partners that the Gateway serves, or that want its hosts.
	ByGateway
	// ByGatewayClass leads to those of all Gateways of the class.
	ByGatewayClass
	// ByName leads to the partner whose namespace has the object's name.
	ByName
)

// Names of kinds.
const (
	Namespace      = "Namespace"
	ConfigMap      = "ConfigMap"
	ResourceQuota  = "ResourceQuota"
	Service        = "Service"
	NetworkPolicy  = "NetworkPolicy"
	RoleBinding    = "RoleBinding"
	Secret         = "Secret"
	SubdomainClaim = "SubdomainClaim"
	Ingress        = "Ingress"
	HTTPRoute      = "HTTPRoute"
	ListenerSet    = "ListenerSet"
	ReferenceGrant = "ReferenceGrant"

	BackendTLSPolicy = "BackendTLSPolicy"
)

var (
	gatewayVersion = schema.GroupVersion(gatewayv1.GroupVersion)
	// ReferenceGrants are read and written as v1beta1, which every release serves.
	grantVersion = schema.GroupVersion(gatewayv1beta1.GroupVersion)
)

// All are all kinds but the namespace, and IngressClasses, which concern all
// partners alike. Controllers watch them, caches hold them, the plugin reads them, and
// the operator deletes objects by this table.
var All = []Kind{
	{
		GroupVersionKind: corev1.SchemeGroupVersion.WithKind(ConfigMap), object: &corev1.ConfigMap{}, list: &corev1.ConfigMapList{},
		Made: true, Names: []string{ContractName}, Exact: []string{},
	},
	{
		GroupVersionKind: corev1.SchemeGroupVersion.WithKind(ResourceQuota), object: &corev1.ResourceQuota{}, list: &corev1.ResourceQuotaList{},
		Made: true, Names: []string{QuotaName}, strip: on(stripQuota),
	},
	{
		GroupVersionKind: corev1.SchemeGroupVersion.WithKind(Service), object: &corev1.Service{}, list: &corev1.ServiceList{},
		Made: true, Names: []string{EngineServiceName, WidgetServiceName}, Exposure: ByBackend, Relation: ByReference,
		Exact: []string{"spec.externalIPs", "spec.selector"},
	},
	{
		GroupVersionKind: networkingv1.SchemeGroupVersion.WithKind(NetworkPolicy), object: &networkingv1.NetworkPolicy{}, list: &networkingv1.NetworkPolicyList{},
		Made: true, Names: []string{IsolationName},
	},
	{
		GroupVersionKind: rbacv1.SchemeGroupVersion.WithKind(RoleBinding), object: &rbacv1.RoleBinding{}, list: &rbacv1.RoleBindingList{},
		Made: true, Names: []string{AdministratorsName}, Exact: []string{},
	},
	{
		GroupVersionKind: networkingv1.SchemeGroupVersion.WithKind(Ingress), object: &networkingv1.Ingress{}, list: &networkingv1.IngressList{},
		Made: true, Exposure: ByRoute, Relation: ByHost, Exact: []string{"spec.defaultBackend", "spec.tls", "spec.rules"},
		hosts: in(ingressHosts), setHosts: set(setIngressHosts), keepStatus: carry(func(to, from *networkingv1.Ingress) { to.Status = from.Status }),
	},
	{
		GroupVersionKind: v1alpha1.GroupVersion.WithKind(SubdomainClaim), object: &v1alpha1.SubdomainClaim{}, list: &v1alpha1.SubdomainClaimList{},
		Made: true, Exposure: ByClaim, Relation: ByHolder, Exact: []string{},
	},
	{ // cert-manager writes it for a Certificate, and leaves it when the Certificate goes
		GroupVersionKind: corev1.SchemeGroupVersion.WithKind(Secret), object: ofKind(&metav1.PartialObjectMetadata{}, corev1.SchemeGroupVersion.WithKind(Secret)),
		list: ofKind(&metav1.PartialObjectMetadataList{}, listOf(corev1.SchemeGroupVersion.WithKind(Secret))), Exposure: ByCertificateKey, Relation: ByReference,
	},

	{
		GroupVersionKind: CertificateGVK, object: ofKind(&unstructured.Unstructured{}, CertificateGVK), list: ofKind(&unstructured.UnstructuredList{}, listOf(CertificateGVK)),
		API: CertManager, Made: true, Exposure: ByCertificate, Relation: ByHost, Exact: []string{},
		hosts: in(certificateHosts), setHosts: set(setCertificateHosts), keepStatus: carry(keepUntypedStatus),
	},
	{
		GroupVersionKind: CertificateRequestGVK, object: ofKind(&unstructured.Unstructured{}, CertificateRequestGVK), list: ofKind(&unstructured.UnstructuredList{}, listOf(CertificateRequestGVK)),
		API: CertManager, strip: on(stripCertificateRequest),
	},

	{
		GroupVersionKind: gatewayVersion.WithKind(HTTPRoute), object: &gatewayv1.HTTPRoute{}, list: &gatewayv1.HTTPRouteList{},
		API: GatewayAPI, Made: true, Exposure: ByRoute, Relation: ByHost,
		hosts: in(func(o *gatewayv1.HTTPRoute) iter.Seq[string] { return names(o.Spec.Hostnames) }), setHosts: set(func(o *gatewayv1.HTTPRoute, hosts []string) { o.Spec.Hostnames = hostnames(hosts) }),
		parents: by(routeParents), keepStatus: carry(func(to, from *gatewayv1.HTTPRoute) { to.Status = from.Status }),
	},
	{
		GroupVersionKind: gatewayVersion.WithKind("Gateway"), object: &gatewayv1.Gateway{}, list: &gatewayv1.GatewayList{},
		API: GatewayAPI, Relation: ByGateway, strip: on(stripGateway),
		hosts: in(gatewayHosts), setHosts: set(setGatewayHosts),
	},
	{
		GroupVersionKind: gatewayVersion.WithKind("GatewayClass"), object: &gatewayv1.GatewayClass{}, list: &gatewayv1.GatewayClassList{},
		API: GatewayAPI, Relation: ByGatewayClass, strip: on(func(o *gatewayv1.GatewayClass) { o.Labels, o.Annotations = nil, nil }),
	},
	{
		GroupVersionKind: gatewayVersion.WithKind(BackendTLSPolicy), object: &gatewayv1.BackendTLSPolicy{}, list: &gatewayv1.BackendTLSPolicyList{},
		API: BackendTLSPolicies, Made: true, Names: []string{EngineServiceName}, Exposure: ByBackend, Exact: []string{},
		keepStatus: carry(func(to, from *gatewayv1.BackendTLSPolicy) { to.Status = from.Status }),
	},
	{
		GroupVersionKind: ServersTransportGVK, object: ofKind(&unstructured.Unstructured{}, ServersTransportGVK), list: ofKind(&unstructured.UnstructuredList{}, listOf(ServersTransportGVK)),
		API: Traefik, Made: true, Names: []string{EngineServiceName}, Exposure: ByBackend, Exact: []string{},
	},
	{
		GroupVersionKind: TraefikServiceGVK, object: ofKind(&unstructured.Unstructured{}, TraefikServiceGVK), list: ofKind(&unstructured.UnstructuredList{}, listOf(TraefikServiceGVK)),
		API: Traefik, Made: true, Names: []string{EngineServiceName}, Exposure: ByBackend, Exact: []string{},
	},
	{
		GroupVersionKind: grantVersion.WithKind(ReferenceGrant), object: &gatewayv1beta1.ReferenceGrant{}, list: &gatewayv1beta1.ReferenceGrantList{},
		API: ReferenceGrants, Made: true, Exposure: ByBackend, Relation: ByName,
	},
	{
		GroupVersionKind: gatewayVersion.WithKind(ListenerSet), object: &gatewayv1.ListenerSet{}, list: &gatewayv1.ListenerSetList{},
		API: ListenerSets, Made: true, Exposure: ByListener, Relation: ByHost,
		hosts: in(listenerSetHosts), setHosts: set(setListenerSetHosts),
		parents: by(listenerSetParents), keepStatus: carry(func(to, from *gatewayv1.ListenerSet) { to.Status = from.Status }),
	},
	{
		GroupVersionKind: gatewayVersion.WithKind("GRPCRoute"), object: &gatewayv1.GRPCRoute{}, list: &gatewayv1.GRPCRouteList{},
		API: GRPCRoutes, Relation: ByHost,
		hosts: in(func(o *gatewayv1.GRPCRoute) iter.Seq[string] { return names(o.Spec.Hostnames) }), setHosts: set(func(o *gatewayv1.GRPCRoute, hosts []string) { o.Spec.Hostnames = hostnames(hosts) }),
	},
	{
		GroupVersionKind: gatewayVersion.WithKind("TLSRoute"), object: &gatewayv1.TLSRoute{}, list: &gatewayv1.TLSRouteList{},
		API: TLSRoutes, Relation: ByHost,
		hosts: in(func(o *gatewayv1.TLSRoute) iter.Seq[string] { return names(o.Spec.Hostnames) }), setHosts: set(func(o *gatewayv1.TLSRoute, hosts []string) { o.Spec.Hostnames = hostnames(hosts) }),
	},
}

// Of is the kind of an object whose kind is set; the zero Kind, which exposes
// nothing, for the namespace.
func Of(object Object) *Kind {
	if kind := Named(Name(object)); kind != nil {
		return kind
	}
	return none
}

// none exposes nothing.
var none = &Kind{}

// OfType is the kind of an object, even if its kind is not set, as a typed one's in a cache may
// not be; nil if the table has none.
func OfType(object runtime.Object) *Kind {
	switch object.(type) {
	case *unstructured.Unstructured, *metav1.PartialObjectMetadata:
		said := object.GetObjectKind().GroupVersionKind()
		if kind := Named(said.Kind); kind != nil && kind.GroupVersionKind == said && reflect.TypeOf(kind.object) == reflect.TypeOf(object) {
			return kind
		}
		return nil
	}
	return byType[reflect.TypeOf(object)]
}

// Named is the kind of a name, such as Ingress; nil if the table has none.
func Named(name string) *Kind {
	return byName[name]
}

// Name is the name of the kind of an object whose kind is set, such as Ingress.
func Name(object runtime.Object) string {
	return object.GetObjectKind().GroupVersionKind().Kind
}

// TypeMeta is the TypeMeta of a kind in the table, by its name.
func TypeMeta(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: Named(kind).GroupVersion().String(), Kind: kind}
}

// ofKind sets the kind of an object without a Go type of its own.
func ofKind[T interface {
	SetGroupVersionKind(kind schema.GroupVersionKind)
}](object T, gvk schema.GroupVersionKind) T {
	object.SetGroupVersionKind(gvk)
	return object
}

// listOf is the kind of lists of a kind.
func listOf(gvk schema.GroupVersionKind) schema.GroupVersionKind {
	return gvk.GroupVersion().WithKind(gvk.Kind + "List")
}

// Describe names an object, in messages, too: it tells the objects of a partner apart.
func Describe(object Object) string {
	return Name(object) + " " + strings.TrimPrefix(object.GetNamespace()+"/"+object.GetName(), "/")
}

// Same reports whether two objects have the same kind, namespace and name.
func Same(a, b Object) bool {
	return a.GetName() == b.GetName() && a.GetNamespace() == b.GetNamespace() &&
		Name(a) == Name(b)
}

// SortForDeletion sorts objects into the order in which to delete them.
func SortForDeletion(objects []Object) {
	slices.SortStableFunc(objects, func(a, b Object) int {
		return cmp.Or(cmp.Compare(Of(a).Exposure, Of(b).Exposure), cmp.Compare(a.GetName(), b.GetName()))
	})
}

// APIs tells which APIs that a cluster may lack are installed.
type APIs struct {
	// CertManager is cert-manager's.
	CertManager bool `json:"certManager"`
	// Gateway is the Gateway API: Gateways and HTTPRoutes.
	Gateway bool `json:"gateway"`
	// ReferenceGrants are the Gateway API's, in the version that is used here.
	ReferenceGrants bool `json:"referenceGrants"`
	// ListenerSets and BackendTLSPolicies are the Gateway API's, which older releases lack.
	ListenerSets       bool `json:"listenerSets"`
	BackendTLSPolicies bool `json:"backendTLSPolicies"`
	// Traefik is what Traefik's own kinds are: ServersTransports and TraefikServices.
	Traefik bool `json:"traefik"`
}
