package kinds

import (
	"cmp"
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
	// Attaches reports whether objects of the kind are attached to a Gateway.
	Attaches bool
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
)

var (
	gatewayVersion = schema.GroupVersion(gatewayv1.GroupVersion)
	// ReferenceGrants are read and written as v1beta1, which every release serves.
	grantVersion = schema.GroupVersion(gatewayv1beta1.GroupVersion)
)

// Kinds are all of them but the namespace, and IngressClasses, which concern all
// partners alike. Controllers watch them, caches hold them, the plugin reads them, and
// the operator deletes objects by this table. Hosts and AttachedTo know the fields of
// those that take hosts and of those that are attached to a Gateway.
var All = []Kind{
	{
		GroupVersionKind: corev1.SchemeGroupVersion.WithKind(ConfigMap), object: &corev1.ConfigMap{}, list: &corev1.ConfigMapList{},
		Made: true, Names: []string{ContractName},
	},
	{
		GroupVersionKind: corev1.SchemeGroupVersion.WithKind(ResourceQuota), object: &corev1.ResourceQuota{}, list: &corev1.ResourceQuotaList{},
		Made: true, Names: []string{QuotaName},
	},
	{
		GroupVersionKind: corev1.SchemeGroupVersion.WithKind(Service), object: &corev1.Service{}, list: &corev1.ServiceList{},
		Made: true, Names: []string{EngineServiceName, WidgetServiceName}, Exposure: ByBackend, Relation: ByReference,
	},
	{
		GroupVersionKind: networkingv1.SchemeGroupVersion.WithKind(NetworkPolicy), object: &networkingv1.NetworkPolicy{}, list: &networkingv1.NetworkPolicyList{},
		Made: true, Names: []string{IsolationName},
	},
	{
		GroupVersionKind: rbacv1.SchemeGroupVersion.WithKind(RoleBinding), object: &rbacv1.RoleBinding{}, list: &rbacv1.RoleBindingList{},
		Made: true, Names: []string{AdministratorsName},
	},
	{
		GroupVersionKind: networkingv1.SchemeGroupVersion.WithKind(Ingress), object: &networkingv1.Ingress{}, list: &networkingv1.IngressList{},
		Made: true, Exposure: ByRoute, Relation: ByHost,
	},
	{
		GroupVersionKind: v1alpha1.GroupVersion.WithKind(SubdomainClaim), object: &v1alpha1.SubdomainClaim{}, list: &v1alpha1.SubdomainClaimList{},
		Made: true, Exposure: ByClaim, Relation: ByHolder,
	},
	{ // cert-manager writes it for a Certificate, and leaves it when the Certificate goes
		GroupVersionKind: corev1.SchemeGroupVersion.WithKind(Secret), object: ofKind(&metav1.PartialObjectMetadata{}, corev1.SchemeGroupVersion.WithKind(Secret)),
		list: ofKind(&metav1.PartialObjectMetadataList{}, listOf(corev1.SchemeGroupVersion.WithKind(Secret))), Exposure: ByCertificateKey, Relation: ByReference,
	},

	{
		GroupVersionKind: CertificateGVK, object: ofKind(&unstructured.Unstructured{}, CertificateGVK), list: ofKind(&unstructured.UnstructuredList{}, listOf(CertificateGVK)),
		API: CertManager, Made: true, Exposure: ByCertificate, Relation: ByHost,
	},
	{
		GroupVersionKind: CertificateRequestGVK, object: ofKind(&unstructured.Unstructured{}, CertificateRequestGVK), list: ofKind(&unstructured.UnstructuredList{}, listOf(CertificateRequestGVK)),
		API: CertManager,
	},

	{
		GroupVersionKind: gatewayVersion.WithKind(HTTPRoute), object: &gatewayv1.HTTPRoute{}, list: &gatewayv1.HTTPRouteList{},
		API: GatewayAPI, Made: true, Exposure: ByRoute, Relation: ByHost, Attaches: true,
	},
	{
		GroupVersionKind: gatewayVersion.WithKind("Gateway"), object: &gatewayv1.Gateway{}, list: &gatewayv1.GatewayList{},
		API: GatewayAPI, Relation: ByGateway,
	},
	{
		GroupVersionKind: gatewayVersion.WithKind("GatewayClass"), object: &gatewayv1.GatewayClass{}, list: &gatewayv1.GatewayClassList{},
		API: GatewayAPI, Relation: ByGatewayClass,
	},
	{
		GroupVersionKind: grantVersion.WithKind(ReferenceGrant), object: &gatewayv1beta1.ReferenceGrant{}, list: &gatewayv1beta1.ReferenceGrantList{},
		API: ReferenceGrants, Made: true, Exposure: ByBackend, Relation: ByName,
	},
	{
		GroupVersionKind: gatewayVersion.WithKind(ListenerSet), object: &gatewayv1.ListenerSet{}, list: &gatewayv1.ListenerSetList{},
		API: ListenerSets, Made: true, Exposure: ByListener, Relation: ByHost, Attaches: true,
	},
	{
		GroupVersionKind: gatewayVersion.WithKind("GRPCRoute"), object: &gatewayv1.GRPCRoute{}, list: &gatewayv1.GRPCRouteList{},
		API: GRPCRoutes, Relation: ByHost,
	},
	{
		GroupVersionKind: gatewayVersion.WithKind("TLSRoute"), object: &gatewayv1.TLSRoute{}, list: &gatewayv1.TLSRouteList{},
		API: TLSRoutes, Relation: ByHost,
	},
}

// KindOf is the kind of an object whose kind is set; the zero Kind, which exposes
// nothing, for the namespace.
func Of(object Object) *Kind {
	if kind := Named(Name(object)); kind != nil {
		return kind
	}
	return &Kind{}
}

// Named is the kind of a name, such as Ingress; nil if the table has none.
func Named(name string) *Kind {
	if i := slices.IndexFunc(All, func(k Kind) bool { return k.Kind == name }); i >= 0 {
		return &All[i]
	}
	return nil
}

func Name(object Object) string {
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
	// ListenerSets are the Gateway API's, which older releases lack.
	ListenerSets bool `json:"listenerSets"`
}
