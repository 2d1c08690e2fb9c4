package manager

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/apply"
	"github.com/dispel/partner-operator/internal/cachelimit"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/staffing"
)

const (
	// maxHosts is how many hosts of an object are kept: as many as a Gateway can have.
	maxHosts = 64
	// maxWhole is up to how many bytes an object is kept whole: the annotations that a
	// Partner can give its route take most of them.
	maxWhole = 160 << 10
	// maxUnmarked is the same for an object of which each namespace has one, and which does
	// not bear the operator's mark.
	maxUnmarked = cachelimit.EntrySize
	// maxLabels is how many bytes of a namespace's labels are kept, by which a Gateway
	// may select it.
	maxLabels = 4 << 10
	// maxFinalizers and maxOwners are how many are kept: it matters whether there are some,
	// and whether the Partner is an owner. A Partner reports its finalizers, of which more
	// are kept.
	maxFinalizers, maxPartnerFinalizers, maxOwners = 2, 16, 4
	// maxName and maxNote are how long values of labels and annotations are kept: of those
	// that are names, and of that which lists hosts.
	maxName, maxNote = 253, 4 << 10
	// maxPorts is how many ports a Service can have of which the numbers are kept.
	maxPorts = 64
)

// keep decides how much of an object the cache keeps: nothing that nobody asks for, of what is
// not the operator's only by what it is found, and of what others write no more than the
// constants above.
func keep(object client.Object) cachelimit.Kept {
	kept := cachelimit.Kept{Object: object, Own: kinds.Marked(object) || slices.Contains(kinds.ReservedNames, object.GetName())}
	counted := counts(object)
	hosts, more := kinds.FirstHosts(object, maxHosts)
	prune(object)
	size := 0
	switch whole := wanted(object); {
	case !whole:
		kept.Object = stub(object)
	case object.GetNamespace() == "":
		kept.Cut = limitLabels(object)
	default:
		if size = sizeOf(object); size > maxWhole || !counted && !kept.Own && size > maxUnmarked {
			kept.Object, size = stub(object), 0
			kinds.MarkStub(kept.Object)
			kept.Cut = true
		}
	}
	if counted {
		kept.Entries, kept.Cut = max(1, size/cachelimit.EntrySize, len(hosts)), kept.Cut || more
	}
	return kept
}

// counts reports whether an object counts against the limit of its namespace: not if it is of
// the cluster, if the API server selects the one object of its kind in each namespace, or if it is a ReferenceGrant of the
// operator's, which are all in the widget server's namespace.
func counts(object client.Object) bool {
	kind := kinds.OfType(object)
	_, grant := object.(*gatewayv1beta1.ReferenceGrant)
	return kind != nil && object.GetNamespace() != "" && !kind.Selected() && (!grant || !kinds.Marked(object))
}

// sizeOf is how many bytes an object has, about.
func sizeOf(object client.Object) int {
	if sized, ok := object.(interface{ Size() int }); ok {
		return sized.Size()
	}
	data, err := json.Marshal(object)
	if err != nil {
		return math.MaxInt // it was decoded, so it can be encoded
	}
	return len(data)
}

// prune takes out of an object what no controller looks at.
func prune(object client.Object) {
	most := maxFinalizers
	if partner, ok := object.(*v1alpha1.Partner); ok {
		most = maxPartnerFinalizers
		object.SetManagedFields(staffing.CountManagers(partner.ManagedFields)) // which the status names
	} else if !kinds.Marked(object) || apply.Reduce(object) != nil {
		object.SetManagedFields(nil)
	}
	if finalizers := object.GetFinalizers(); len(finalizers) > most {
		object.SetFinalizers(slices.Clone(finalizers[:most]))
	}
	if owners := object.GetOwnerReferences(); len(owners) > maxOwners {
		isPartner := func(owner metav1.OwnerReference) int {
			if owner.Kind == "Partner" && strings.HasPrefix(owner.APIVersion, v1alpha1.GroupVersion.Group+"/") {
				return 0
			}
			return 1
		}
		slices.SortStableFunc(owners, func(a, b metav1.OwnerReference) int { return isPartner(a) - isPartner(b) })
		object.SetOwnerReferences(slices.Clone(owners[:maxOwners]))
	}
	switch object := object.(type) {
	case *v1alpha1.Partner:
		object.Labels, object.Annotations = nil, picked(object.Annotations, maxName, v1alpha1.ChangesAnnotation)
		object.Status.Conditions = own(object.Status.Conditions, v1alpha1.PartnerConditions, v1alpha1.ProberConditions...)
	case *v1alpha1.SupportPlan:
		object.Labels, object.Annotations = nil, nil
		object.Status.Conditions = own(object.Status.Conditions, v1alpha1.SupportPlanConditions)
	case *v1alpha1.PCSMAllocation:
		object.Labels, object.Annotations = nil, nil
		object.Status.Conditions = own(object.Status.Conditions, v1alpha1.PCSMAllocationConditions)
	case *corev1.Namespace:
		object.Annotations = picked(object.Annotations, maxNote, v1alpha1.HostsAnnotation, v1alpha1.AdoptAnnotation, v1alpha1.AppliedAnnotation)
		object.Status.Conditions = nil
		object.Spec.Finalizers = slices.Clone(object.Spec.Finalizers[:min(len(object.Spec.Finalizers), maxFinalizers)])
	case *v1alpha1.SubdomainClaim:
		object.Labels = picked(object.Labels, maxName, v1alpha1.PartnerLabel, v1alpha1.ManagedByLabel)
		object.Annotations = picked(object.Annotations, maxName, v1alpha1.AppliedAnnotation)
	case *networkingv1.IngressClass:
		object.Labels = nil
		object.Annotations = picked(object.Annotations, maxName, networkingv1.AnnotationIsDefaultIngressClass)
	default:
		if kind := kinds.OfType(object); kind != nil {
			kind.Strip(object)
		}
	}
	if annotations := object.GetAnnotations(); annotations[corev1.LastAppliedConfigAnnotation] != "" {
		delete(annotations, corev1.LastAppliedConfigAnnotation)
		object.SetAnnotations(annotations)
	}
}

// own are the observed conditions of some types.
func own(observed []metav1.Condition, types []v1alpha1.ConditionType, also ...v1alpha1.ConditionType) []metav1.Condition {
	return slices.DeleteFunc(observed, func(condition metav1.Condition) bool {
		return !slices.Contains(types, v1alpha1.ConditionType(condition.Type)) && !slices.Contains(also, v1alpha1.ConditionType(condition.Type))
	})
}

// picked has only some entries, and of these only values of up to some bytes. It is a map of
// its own, since one from which entries are deleted stays as large as it was.
func picked(in map[string]string, most int, keys ...string) map[string]string {
	var out map[string]string
	for _, key := range keys {
		if value, there := in[key]; there && len(value) <= most {
			if out == nil {
				out = map[string]string{}
			}
			out[key] = value
		}
	}
	return out
}

// limitLabels drops the labels of a namespace that are too large, but for the operator's.
// It reports whether there are such.
func limitLabels(object client.Object) bool {
	size := 0
	for key, value := range object.GetLabels() {
		size += len(key) + len(value)
	}
	if size <= maxLabels {
		return false
	}
	object.SetLabels(picked(object.GetLabels(), maxName, slices.Concat([]string{v1alpha1.PartnerLabel, v1alpha1.ManagedByLabel, corev1.LabelMetadataName}, objects.PodSecurityLabels)...))
	return true
}

// wanted reports whether more of an object is looked at than what it is found by.
func wanted(object client.Object) bool {
	// What is there before a partner has its namespace bears no label.
	partner := object.GetLabels()[v1alpha1.PartnerLabel]
	switch object := object.(type) {
	case *metav1.PartialObjectMetadata:
		return false
	case *corev1.Namespace:
		return partner != "" || object.Annotations[v1alpha1.AdoptAnnotation] != "" || object.Annotations[v1alpha1.AppliedAnnotation] != ""
	case *gatewayv1beta1.ReferenceGrant:
		return partner != "" && kinds.Owned(object, partner, nil)
	case *corev1.Service, *gatewayv1.BackendTLSPolicy:
		return slices.Contains(kinds.ReservedNames, object.GetName())
	case *networkingv1.Ingress, *gatewayv1.HTTPRoute, *gatewayv1.ListenerSet:
		return kinds.NamedAfterHost(object) || // which the operator may take over, or hide
			kinds.Solver(object)
	case *gatewayv1.GRPCRoute, *gatewayv1.TLSRoute:
		return false
	case *unstructured.Unstructured:
		switch object.GetKind() {
		case kinds.CertificateGVK.Kind:
			return partner != "" && kinds.NamedAfterHost(object)
		case kinds.CertificateRequestGVK.Kind:
			return object.GetAnnotations()[kinds.CertificateNameAnnotation] != ""
		}
		return slices.Contains(kinds.ReservedNames, object.GetName())
	}
	return true
}

// stub is what of an object it is found by: its names, the hosts of a route.
func stub(object client.Object) client.Object {
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
	case *corev1.Namespace:
		little.SetDeletionTimestamp(object.DeletionTimestamp)
		return little
	case *metav1.PartialObjectMetadata: // Secrets and CRDs
		if certificate := object.Annotations[kinds.CertificateNameAnnotation]; certificate == object.Name && labelled {
			little.SetAnnotations(map[string]string{kinds.CertificateNameAnnotation: certificate})
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
	switch little := little.(type) {
	case *gatewayv1.Gateway:
		little.Spec.GatewayClassName = object.(*gatewayv1.Gateway).Spec.GatewayClassName
	case *corev1.Service: // which a Partner can name with a port
		if ports := object.(*corev1.Service).Spec.Ports; len(ports) <= maxPorts {
			for _, port := range ports {
				little.Spec.Ports = append(little.Spec.Ports, corev1.ServicePort{Port: port.Port})
			}
		}
	}
	if kind := kinds.OfType(object); kind != nil {
		hosts, _ := kinds.FirstHosts(object, maxHosts)
		kind.SetHosts(little, hosts)
	}
	return little
}
