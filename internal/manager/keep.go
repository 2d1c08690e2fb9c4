package manager

import (
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/shard"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/tenant"
)

// keep makes the function that decides how much of an object the cache keeps:
// nothing that nobody asks for, and of what is not this shard's, or not the
// operator's, only by what it is found. Words that many objects have are shared.
func keep(own shard.Shard, shared words) toolscache.TransformFunc {
	return func(in any) (any, error) {
		object, ok := in.(client.Object)
		if !ok {
			return in, nil
		}
		if wanted(own, object) {
			var counted []metav1.ManagedFieldsEntry
			if partner, ok := object.(*v1alpha1.Partner); ok {
				counted = staffing.CountManagers(partner.ManagedFields) // which the status names
			}
			object.SetManagedFields(counted)
			delete(object.GetAnnotations(), corev1.LastAppliedConfigAnnotation)
			if quota, ok := object.(*corev1.ResourceQuota); ok {
				quota.Status = corev1.ResourceQuotaStatus{} // kube-controller-manager's count
			}
		} else {
			object = foundBy(object)
		}
		shared.use(object)
		return object, nil
	}
}

// wanted reports whether a shard looks at more of an object than what it is found by.
func wanted(own shard.Shard, object client.Object) bool {
	switch object := object.(type) {
	case *v1alpha1.Partner:
		// The first shard totals the partners of every plan.
		return own.First() || own.Has(object.Name)
	case *v1alpha1.PCSMAllocation:
		return own.Has(string(object.Spec.PartnerRef.Name))
	case *v1alpha1.SubdomainClaim, *v1alpha1.SupportPlan, *networkingv1.IngressClass, *gatewayv1.Gateway, *gatewayv1.GatewayClass:
		return true // of partners of all shards, a host's one holder among them
	case *metav1.PartialObjectMetadata:
		return false
	}
	// What is there before a partner has its namespace bears no label.
	partner := object.GetLabels()[v1alpha1.PartnerLabel]
	if partner != "" && !own.Has(partner) {
		return false
	}
	switch object := object.(type) {
	case *corev1.Namespace:
		return partner != "" || object.Annotations[v1alpha1.AdoptAnnotation] != "" || object.Annotations[v1alpha1.AppliedAnnotation] != ""
	case *gatewayv1beta1.ReferenceGrant:
		return partner != "" && tenant.Owned(object, partner, nil)
	case *corev1.Service:
		return slices.Contains(tenant.ReservedNames, object.Name)
	case *networkingv1.Ingress, *gatewayv1.HTTPRoute, *gatewayv1.ListenerSet:
		return tenant.NamedAfterHost(object) // which the operator may take over, or hide
	case *gatewayv1.GRPCRoute, *gatewayv1.TLSRoute:
		return false
	case *unstructured.Unstructured: // cert-manager's
		if object.GetKind() == tenant.CertificateGVK.Kind {
			return partner != "" && tenant.NamedAfterHost(object)
		}
		if object.GetAnnotations()[tenant.CertificateNameAnnotation] == "" {
			return false
		}
		// What it asks to have signed is large, and nobody reads it.
		unstructured.RemoveNestedField(object.Object, "spec")
		unstructured.RemoveNestedField(object.Object, "status", "certificate")
		unstructured.RemoveNestedField(object.Object, "status", "ca")
		return true
	}
	return true
}

// foundBy is what of an object it is found by: its names, the partner of an allocation
// or a namespace, the hosts of a route; of a Partner its host, whether it lets go of one
// or hands one over, whether it serves, its namespace, and its age.
func foundBy(object client.Object) client.Object {
	little := reflect.New(reflect.TypeOf(object).Elem()).Interface().(client.Object)
	if _, ok := little.(*unstructured.Unstructured); ok {
		little.(*unstructured.Unstructured).Object = map[string]any{}
	}
	little.GetObjectKind().SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
	little.SetNamespace(object.GetNamespace())
	little.SetName(object.GetName())
	little.SetUID(object.GetUID())
	little.SetResourceVersion(object.GetResourceVersion())
	partner, labelled := object.GetLabels()[v1alpha1.PartnerLabel]
	switch object := object.(type) {
	case *v1alpha1.Partner:
		little.SetCreationTimestamp(object.CreationTimestamp) // by which the first of rivals is known
		little.SetGeneration(object.GetGeneration())          // by which a change of the spec is known
		little.(*v1alpha1.Partner).Spec.Suspend = object.Spec.Suspend
		little.(*v1alpha1.Partner).Spec.HandOver = object.Spec.HandOver
		if ready := meta.FindStatusCondition(object.Status.Conditions, string(v1alpha1.ConditionSubdomainReady)); ready != nil {
			// By which a Partner of this shard knows that a host which it hands over is served.
			little.(*v1alpha1.Partner).Status.Subdomain = object.Status.Subdomain
			little.(*v1alpha1.Partner).Status.Conditions = []metav1.Condition{*ready}
		}
		if object.Spec.Subdomain != nil {
			little.(*v1alpha1.Partner).Spec.Subdomain = &v1alpha1.Subdomain{Host: object.Spec.Subdomain.Host}
		}
		if object.Spec.Tenant != nil && object.Spec.Tenant.Namespace != "" {
			little.(*v1alpha1.Partner).Spec.Tenant = &v1alpha1.Tenant{Namespace: object.Spec.Tenant.Namespace}
		}
		return little
	case *corev1.Namespace:
		if labelled {
			little.SetLabels(map[string]string{v1alpha1.PartnerLabel: partner})
		}
		for _, key := range []string{v1alpha1.HostsAnnotation, v1alpha1.AdoptAnnotation} {
			if value := object.Annotations[key]; labelled && value != "" {
				metav1.SetMetaDataAnnotation(&little.(*corev1.Namespace).ObjectMeta, key, value)
			}
		}
		little.SetDeletionTimestamp(object.DeletionTimestamp)
		return little
	case *v1alpha1.PCSMAllocation:
		little.(*v1alpha1.PCSMAllocation).Spec.PartnerRef = object.Spec.PartnerRef
		return little
	case *metav1.PartialObjectMetadata: // Secrets and CRDs
		if certificate, ok := object.Annotations[tenant.CertificateNameAnnotation]; ok && labelled {
			little.SetAnnotations(map[string]string{tenant.CertificateNameAnnotation: certificate})
			little.SetLabels(map[string]string{
				v1alpha1.PartnerLabel: partner, v1alpha1.ManagedByLabel: object.Labels[v1alpha1.ManagedByLabel],
			})
			little.SetOwnerReferences(object.OwnerReferences)
		}
		return little
	}
	little.SetCreationTimestamp(object.GetCreationTimestamp())
	little.SetDeletionTimestamp(object.GetDeletionTimestamp())
	little.SetFinalizers(object.GetFinalizers())
	little.SetOwnerReferences(object.GetOwnerReferences()) // without any, it may be left of a Partner that is gone
	var hostnames []gatewayv1.Hostname
	for _, host := range tenant.Hosts(object) {
		hostnames = append(hostnames, gatewayv1.Hostname(host))
	}
	switch little := little.(type) {
	case *networkingv1.Ingress:
		for _, host := range hostnames {
			little.Spec.Rules = append(little.Spec.Rules, networkingv1.IngressRule{Host: string(host)})
		}
	case *gatewayv1.HTTPRoute:
		little.Spec.Hostnames = hostnames
	case *gatewayv1.GRPCRoute:
		little.Spec.Hostnames = hostnames
	case *gatewayv1.TLSRoute:
		little.Spec.Hostnames = hostnames
	case *unstructured.Unstructured:
		if len(hostnames) == 0 {
			return little
		}
		var names []any
		for _, host := range hostnames {
			names = append(names, string(host))
		}
		_ = unstructured.SetNestedSlice(little.Object, names, "spec", "dnsNames") // an empty object takes it
	case *gatewayv1.ListenerSet:
		for i := range hostnames {
			little.Spec.Listeners = append(little.Spec.Listeners, gatewayv1.ListenerEntry{Hostname: &hostnames[i]})
		}
	}
	return little
}
