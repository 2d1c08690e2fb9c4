package controllers

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/tenant"
)

// childKind is a kind of object that the operator makes for a partner, other
// than the namespace.
type childKind struct {
	object  client.Object
	newList func() client.ObjectList
}

// childKinds are all of them; cert-manager's only where it is installed.
func childKinds(certManager bool) []childKind {
	kinds := []childKind{
		{&corev1.ConfigMap{}, func() client.ObjectList { return &corev1.ConfigMapList{} }},
		{&corev1.ResourceQuota{}, func() client.ObjectList { return &corev1.ResourceQuotaList{} }},
		{&corev1.Service{}, func() client.ObjectList { return &corev1.ServiceList{} }},
		{&networkingv1.Ingress{}, func() client.ObjectList { return &networkingv1.IngressList{} }},
		{&networkingv1.NetworkPolicy{}, func() client.ObjectList { return &networkingv1.NetworkPolicyList{} }},
		{&rbacv1.RoleBinding{}, func() client.ObjectList { return &rbacv1.RoleBindingList{} }},
		{&v1alpha1.SubdomainClaim{}, func() client.ObjectList { return &v1alpha1.SubdomainClaimList{} }},
	}
	if certManager {
		kinds = append(kinds, childKind{certificate(), func() client.ObjectList {
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(tenant.CertificateGVK.GroupVersion().WithKind(tenant.CertificateGVK.Kind + "List"))
			return list
		}})
	}
	return kinds
}

func certificate() *unstructured.Unstructured {
	certificate := &unstructured.Unstructured{}
	certificate.SetGroupVersionKind(tenant.CertificateGVK)
	return certificate
}

// ManagedKinds are the kinds of which the manager need only see what it made
// itself; cert-manager's, which may be absent, is one more.
func ManagedKinds() []client.Object {
	var kinds []client.Object
	for _, kind := range childKinds(false) {
		if _, claim := kind.object.(*v1alpha1.SubdomainClaim); !claim {
			kinds = append(kinds, kind.object)
		}
	}
	return kinds
}
