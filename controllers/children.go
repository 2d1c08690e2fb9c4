package controllers

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
}

// childKinds are those that every cluster has.
var childKinds = []childKind{
	{&corev1.ConfigMap{}, func() client.ObjectList { return &corev1.ConfigMapList{} }},
	{&corev1.ResourceQuota{}, func() client.ObjectList { return &corev1.ResourceQuotaList{} }},
	{&corev1.Service{}, func() client.ObjectList { return &corev1.ServiceList{} }},
	{&networkingv1.Ingress{}, func() client.ObjectList { return &networkingv1.IngressList{} }},
	{&networkingv1.NetworkPolicy{}, func() client.ObjectList { return &networkingv1.NetworkPolicyList{} }},
	{&rbacv1.RoleBinding{}, func() client.ObjectList { return &rbacv1.RoleBindingList{} }},
	{&v1alpha1.SubdomainClaim{}, func() client.ObjectList { return &v1alpha1.SubdomainClaimList{} }},
}

// Those of optional APIs.
var (
	certificates = childKind{certificate(), func() client.ObjectList {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(tenant.CertificateGVK.GroupVersion().WithKind(tenant.CertificateGVK.Kind + "List"))
		return list
	}}
	httpRoutes      = childKind{&gatewayv1.HTTPRoute{}, func() client.ObjectList { return &gatewayv1.HTTPRouteList{} }}
	listenerSets    = childKind{&gatewayv1.ListenerSet{}, func() client.ObjectList { return &gatewayv1.ListenerSetList{} }}
	referenceGrants = childKind{&gatewayv1beta1.ReferenceGrant{}, func() client.ObjectList { return &gatewayv1beta1.ReferenceGrantList{} }}
)

func certificate() *unstructured.Unstructured {
	certificate := &unstructured.Unstructured{}
	certificate.SetGroupVersionKind(tenant.CertificateGVK)
	return certificate
}

// childKindsOf are all that there can be while some optional APIs are installed.
func childKindsOf(apis *OptionalAPIs) []childKind {
	kinds := childKinds
	for _, api := range apis.used {
		if api.installed.Load() {
			kinds = append(slices.Clip(kinds), api.children...)
		}
	}
	return kinds
}

// ManagedKinds are the kinds of which the manager need only see what it made
// itself; those of optional APIs are more.
func ManagedKinds() []client.Object {
	var kinds []client.Object
	for _, kind := range childKinds {
		if _, claim := kind.object.(*v1alpha1.SubdomainClaim); !claim {
			kinds = append(kinds, kind.object)
		}
	}
	return kinds
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
