package tenant

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/snapshot"
)

// End is what becomes of a Partner that is being deleted and stays until its finalizers are
// gone. Its right to hosts ends at once, whatever else goes on: what exposes it, its claims
// included, is to be deleted, even where garbage collection would do that later, or never
// comes to it. What is left is up to whoever put the finalizers there.
func End(s snapshot.Snapshot) Outcome {
	var outcome Outcome
	for _, child := range s.Children {
		if exposure := kinds.Of(child).Exposure; exposure != kinds.NotExposed && exposure != kinds.ByCertificateKey && child.GetDeletionTimestamp().IsZero() && (exposure == kinds.ByClaim || kinds.Marked(child)) {
			outcome.Prune = append(outcome.Prune, child)
		}
	}
	kinds.SortForDeletion(outcome.Prune)
	message := fmt.Sprintf("the Partner is being deleted and releases its hosts; these finalizers still block the deletion: %s", strings.Join(s.Partner.Finalizers, ", "))
	if slices.Contains(s.Partner.Finalizers, metav1.FinalizerDeleteDependents) {
		message += fmt.Sprintf("; %s waits for objects whose metadata.ownerReferences name the Partner with blockOwnerDeletion: look for them in namespace %s, and remove that reference or their finalizers",
			metav1.FinalizerDeleteDependents, objects.NamespaceOf(s.Partner))
	}
	findings := conditions.Summary(conditions.Finding{}, conditions.False("", v1alpha1.ReasonBeingDeleted, conditions.Waiting, message))
	outcome.Status = v1alpha1.PartnerStatus{
		ObservedGeneration: s.Partner.Generation,
		Namespace:          objects.NamespaceOf(s.Partner),
		Conditions:         conditions.Merge(s.Partner.Status.Conditions, findings, s.Partner.Generation, s.Now),
	}
	return outcome
}

// Stay is what becomes of a Partner that is being deleted while what it owns is to stay until some
// time, for when it comes back: nothing but that its status says so.
func Stay(s snapshot.Snapshot, until time.Time) Outcome {
	message := fmt.Sprintf("the Partner is being deleted without what it owns, which serves on as it is until %s, or for good if the Partner is created again before; these finalizers still block the deletion: %s",
		until.UTC().Format(time.RFC3339), strings.Join(s.Partner.Finalizers, ", "))
	status := *s.Partner.Status.DeepCopy()
	status.ObservedGeneration = s.Partner.Generation
	meta.RemoveStatusCondition(&status.Conditions, string(v1alpha1.ConditionStalled))
	status.Conditions = over(status.Conditions, &s, conditions.Summary(conditions.Finding{}, conditions.False("", v1alpha1.ReasonBeingDeleted, conditions.Waiting, message)))
	return Outcome{Status: status}
}

// over are conditions with those of some findings over them.
func over(under []metav1.Condition, s *snapshot.Snapshot, findings []conditions.Finding) []metav1.Condition {
	for _, condition := range conditions.Merge(under, findings, s.Partner.Generation, s.Now) {
		meta.SetStatusCondition(&under, condition)
	}
	return conditions.Own(under, v1alpha1.PartnerConditions)
}

// Abandoned are the objects to delete, in this order, of a Partner that is gone:
// its claims, and what exposes it and bears the operator's mark, if they have no owner that
// garbage collection would go by. Of the snapshot's Partner only the name matters; its children are those in
// the namespaces that are still the partner's. Certificates' keys stay: the Partner may
// come back, as in a restore.
func Abandoned(s snapshot.Snapshot) []kinds.Object {
	var abandoned []kinds.Object
	for _, child := range s.Children {
		exposure := kinds.Of(child).Exposure
		switch {
		case exposure == kinds.NotExposed, exposure == kinds.ByCertificateKey, exposure != kinds.ByClaim && !kinds.Marked(child), len(child.GetOwnerReferences()) > 0, !child.GetDeletionTimestamp().IsZero(),
			exposure == kinds.ByClaim && len(s.Routing(child.GetName())) > 0:
			continue
		}
		abandoned = append(abandoned, child)
	}
	kinds.SortForDeletion(abandoned)
	return abandoned
}
