package controllers

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/tenant"
)

// childKind is a kind of object that the operator makes for a partner, other
// than the namespace.
type childKind struct {
	object  client.Object
	newList func() client.ObjectList
	// names are the names that the operator gives; none if it names objects of the
	// kind by hosts.
	names []string
}

// childKinds are those that every cluster has.
var childKinds = []childKind{
	{&corev1.ConfigMap{}, func() client.ObjectList { return &corev1.ConfigMapList{} }, []string{tenant.ContractName}},
	{&corev1.ResourceQuota{}, func() client.ObjectList { return &corev1.ResourceQuotaList{} }, []string{tenant.QuotaName}},
	{&corev1.Service{}, func() client.ObjectList { return &corev1.ServiceList{} }, []string{tenant.EngineServiceName, tenant.WidgetServiceName}},
	{&networkingv1.NetworkPolicy{}, func() client.ObjectList { return &networkingv1.NetworkPolicyList{} }, []string{tenant.IsolationName}},
	{&rbacv1.RoleBinding{}, func() client.ObjectList { return &rbacv1.RoleBindingList{} }, []string{tenant.AdministratorsName}},
	ingresses,
	{&v1alpha1.SubdomainClaim{}, func() client.ObjectList { return &v1alpha1.SubdomainClaimList{} }, nil},
}

// Those that are named by hosts, and those of optional APIs.
var (
	ingresses       = childKind{&networkingv1.Ingress{}, func() client.ObjectList { return &networkingv1.IngressList{} }, nil}
	certificates    = childKind{unstructuredOf(tenant.CertificateGVK), func() client.ObjectList { return listOf(tenant.CertificateGVK) }, nil}
	httpRoutes      = childKind{&gatewayv1.HTTPRoute{}, func() client.ObjectList { return &gatewayv1.HTTPRouteList{} }, nil}
	listenerSets    = childKind{&gatewayv1.ListenerSet{}, func() client.ObjectList { return &gatewayv1.ListenerSetList{} }, nil}
	referenceGrants = childKind{&gatewayv1beta1.ReferenceGrant{}, func() client.ObjectList { return &gatewayv1beta1.ReferenceGrantList{} }, nil}
)

// Those that tell of a host, and that the operator does not make.
var (
	grpcRoutes          = childKind{&gatewayv1.GRPCRoute{}, func() client.ObjectList { return &gatewayv1.GRPCRouteList{} }, nil}
	gatewayKind         = childKind{&gatewayv1.Gateway{}, func() client.ObjectList { return &gatewayv1.GatewayList{} }, nil}
	tlsRoutes           = childKind{&gatewayv1.TLSRoute{}, func() client.ObjectList { return &gatewayv1.TLSRouteList{} }, nil}
	certificateRequests = childKind{unstructuredOf(tenant.CertificateRequestGVK), func() client.ObjectList { return listOf(tenant.CertificateRequestGVK) }, nil}
)

func unstructuredOf(gvk schema.GroupVersionKind) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(gvk)
	return object
}

func listOf(gvk schema.GroupVersionKind) *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	return list
}

// childKindsOf are all that there can be while some optional APIs are installed.
func childKindsOf(apis *OptionalAPIs) []childKind {
	kinds := append([]childKind(nil), childKinds...)
	for _, api := range apis.used {
		if api.installed.Load() {
			kinds = append(kinds, api.children...)
		}
	}
	return kinds
}

// routeKindsOf are the kinds that take a host, whoever makes them.
func routeKindsOf(apis *OptionalAPIs) []childKind {
	kinds := []childKind{ingresses}
	for _, api := range apis.used {
		if api.installed.Load() {
			kinds = append(kinds, api.routes...)
		}
	}
	return kinds
}

// Selected are the kinds of which the cache holds only the objects with the one name
// that the operator gives. The API server selects by it, so that nothing that a tenant
// makes, however large or labelled, reaches the manager.
func Selected() map[client.Object]cache.ByObject {
	selected := map[client.Object]cache.ByObject{}
	for _, kind := range childKinds {
		if len(kind.names) == 1 {
			selected[kind.object] = cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", kind.names[0])}
		}
	}
	return selected
}

// NewChildLists are empty lists of the kinds that the operator makes for a
// partner, but for the namespace, while some optional APIs are installed.
func NewChildLists(apis *OptionalAPIs) []client.ObjectList {
	var lists []client.ObjectList
	for _, kind := range childKindsOf(apis) {
		lists = append(lists, kind.newList())
	}
	return lists
}
