package manager

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/shard"
)

// keep makes the function that decides how much of an object the cache keeps:
// nothing that nobody asks for, and of what is not this shard's only by what it is
// found. Words that many objects have are shared.
func keep(own shard.Shard, shared words) toolscache.TransformFunc {
	return func(in any) (any, error) {
		object, ok := in.(client.Object)
		if !ok {
			return in, nil
		}
		if wanted(own, object) {
			object.SetManagedFields(nil)
			delete(object.GetAnnotations(), corev1.LastAppliedConfigAnnotation)
		} else {
			object = foundBy(object)
		}
		shared.use(object)
		return object, nil
	}
}

// wanted tells whether a shard looks at more of an object than what it is found by.
func wanted(own shard.Shard, object client.Object) bool {
	switch object := object.(type) {
	case *v1alpha1.Partner:
		// The first shard totals the partners of every plan.
		return own.First() || own.Has(object.Name)
	case *v1alpha1.PCSMAllocation:
		return own.Has(string(object.Spec.PartnerRef.Name))
	case *v1alpha1.SubdomainClaim, *v1alpha1.SupportPlan, *networkingv1.IngressClass:
		return true // of partners of all shards, a host's one holder among them
	}
	partner, ok := object.GetLabels()[v1alpha1.PartnerLabel]
	return !ok || own.Has(partner)
}

// foundBy is what of an object it is found by: its names, its labels, and the partner of
// an allocation.
func foundBy(object client.Object) client.Object {
	little := reflect.New(reflect.TypeOf(object).Elem()).Interface().(client.Object)
	little.GetObjectKind().SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
	little.SetNamespace(object.GetNamespace())
	little.SetName(object.GetName())
	little.SetResourceVersion(object.GetResourceVersion())
	little.SetLabels(object.GetLabels())
	if allocation, ok := object.(*v1alpha1.PCSMAllocation); ok {
		little.(*v1alpha1.PCSMAllocation).Spec.PartnerRef = allocation.Spec.PartnerRef
	}
	return little
}
