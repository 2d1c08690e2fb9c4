package tenant

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// Converge carries a snapshot to the outcome that it has once every write and
// every deletion succeeded: what the operator does, without a cluster. Nobody
// else acts meanwhile, so a certificate that was never issued stays so. The
// outcome's Prune is all that was deleted on the way.
func Converge(snapshot Snapshot) Outcome {
	snapshot.Children = slices.Clone(snapshot.Children)
	var written, pruned []Object
	for {
		outcome := Evaluate(snapshot)
		done := true
		for _, object := range outcome.Objects {
			if !slices.ContainsFunc(written, func(o Object) bool { return sameObject(o, object) }) {
				written = append(written, object)
				snapshot.store(object)
				done = false
			}
		}
		if !done {
			continue
		}
		if len(outcome.Prune) == 0 {
			outcome.Prune = pruned
			return outcome
		}
		for _, object := range outcome.Prune {
			pruned = append(pruned, object)
			snapshot.Remove(object.DeepCopyObject().(Object))
		}
	}
}

// store observes a wanted object as the API server would return it: what is the
// server's and the controllers' stays as it was.
func (s *Snapshot) store(object Object) {
	if namespace, ok := object.(*corev1.Namespace); ok {
		namespace.Labels = merged(namespace.Labels, map[string]string{corev1.LabelMetadataName: namespace.Name})
	}
	before := s.Observed(object)
	if before == nil {
		object.SetCreationTimestamp(metav1.NewTime(s.Now))
		s.Observe(object)
		return
	}
	if namespace, ok := object.(*corev1.Namespace); ok {
		// Server-side apply leaves what others put there, by which a Gateway may select.
		namespace.Labels = merged(before.GetLabels(), namespace.Labels)
		namespace.Annotations = merged(before.GetAnnotations(), namespace.Annotations)
	}
	object.SetCreationTimestamp(before.GetCreationTimestamp())
	object.SetGeneration(before.GetGeneration())
	switch object := object.(type) {
	case *networkingv1.Ingress:
		object.Status = before.(*networkingv1.Ingress).Status
	case *gatewayv1.HTTPRoute:
		object.Status = before.(*gatewayv1.HTTPRoute).Status
	case *gatewayv1.ListenerSet:
		object.Status = before.(*gatewayv1.ListenerSet).Status
	case *unstructured.Unstructured:
		if status, ok := before.(*unstructured.Unstructured).Object["status"]; ok {
			object.Object["status"] = status
		}
	}
	s.Observe(object)
}

// merged has the entries of both, those over the others.
func merged(under, over map[string]string) map[string]string {
	all := make(map[string]string, len(under)+len(over))
	maps.Copy(all, under)
	maps.Copy(all, over)
	return all
}
