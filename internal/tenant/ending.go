package tenant

import (
	"fmt"
	"slices"
	"strings"

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
