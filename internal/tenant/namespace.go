package tenant

import (
	"cmp"
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

// namespaceBlocked says why the declared namespace cannot be the tenant's, so that nothing can
// be made in it; nil if it can.
func namespaceBlocked(s *snapshot.Snapshot) *conditions.Finding {
	for _, check := range []func(*snapshot.Snapshot) *conditions.Finding{
		namespaceReserved, namespaceOfAnother, namespaceTerminating, namespaceNotOwned, namespaceNotWritten,
	} {
		if found := check(s); found != nil {
			return found
		}
	}
	return nil
}

// namespaceNotWritten finds that the namespace could not be written.
func namespaceNotWritten(s *snapshot.Snapshot) *conditions.Finding {
	for _, failure := range s.Failures {
		if kinds.Name(failure.Object) == kinds.Namespace && failure.Object.GetName() == objects.NamespaceOf(s.Partner) {
			return new(failure.Finding(v1alpha1.ConditionTenantReady))
		}
	}
	return nil
}

// namespaceReserved finds a namespace that is the platform's by the operator's settings,
// of which the API server knows only some.
func namespaceReserved(s *snapshot.Snapshot) *conditions.Finding {
	name := objects.NamespaceOf(s.Partner)
	_, widget, _ := objects.WidgetService(s.Settings)
	if name != widget && !slices.Contains(s.Settings.ProxyNamespaces, name) && !strings.HasPrefix(name, "kube-") {
		return nil
	}
	return unready(v1alpha1.ReasonNamespaceReserved, conditions.Stalled,
		"namespace %s is reserved for the operator, ingress controllers or Kubernetes: spec.tenant.namespace cannot be changed, so delete this Partner and create it again with another one", name)
}

// namespaceOfAnother finds another Partner that declares the same namespace, and has it
// by its label. While there is no such namespace, the oldest of them makes it.
func namespaceOfAnother(s *snapshot.Snapshot) *conditions.Finding {
	holder := ""
	for _, rival := range s.Rivals {
		switch {
		case s.Namespace != nil && objects.HolderOf(s.Namespace) == rival.Name:
			holder = rival.Name
		case s.Namespace == nil && holder == "" && olderThan(&rival, s.Partner):
			holder = rival.Name
		}
	}
	if holder == "" {
		return nil
	}
	return unready(v1alpha1.ReasonNamespaceOfAnotherPartner, conditions.Stalled,
		"namespace %s belongs to Partner %q: spec.tenant.namespace cannot be changed, so delete this Partner and create it again with another one",
		objects.NamespaceOf(s.Partner), holder)
}

// olderThan reports whether one object was created before another; of two created at once,
// the one whose name comes first.
func olderThan(a, b metav1.Object) bool {
	created, before := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	return cmp.Or(created.Compare(before.Time), cmp.Compare(a.GetName(), b.GetName())) < 0
}

func namespaceTerminating(s *snapshot.Snapshot) *conditions.Finding {
	if s.Namespace == nil || s.Namespace.DeletionTimestamp.IsZero() {
		return nil
	}
	return unready(v1alpha1.ReasonNamespaceTerminating, conditions.Waiting,
		"namespace %s is being deleted; it is made anew once it is gone. If that takes long, see its status for what holds it up", s.Namespace.Name)
}

// namespaceNotOwned finds a namespace that was there before and was not handed over.
func namespaceNotOwned(s *snapshot.Snapshot) *conditions.Finding {
	namespace, partner := s.Namespace, s.Partner.Name
	if namespace == nil || namespace.Annotations[v1alpha1.AdoptAnnotation] == partner {
		return nil
	}
	var rivals []string
	for _, rival := range s.Rivals {
		rivals = append(rivals, rival.Name)
	}
	why := "was there before and is not this partner's"
	switch holder := objects.HolderOf(namespace); {
	case holder == partner:
		return nil
	case holder != "":
		why = fmt.Sprintf("was that of Partner %q, which no longer declares it", holder)
	case namespace.Annotations[v1alpha1.AppliedAnnotation] == "":
	case len(rivals) == 0 && namespace.Name == objects.DefaultNamespace(partner):
		return nil // somebody took the label off, but what we applied is still noted
	case len(rivals) == 0:
		why = fmt.Sprintf("has lost its label %s", v1alpha1.PartnerLabel)
	default:
		why = fmt.Sprintf("has lost its label %s, and is declared by other Partners, too (%s)", v1alpha1.PartnerLabel, strings.Join(rivals, ", "))
	}
	return unready(v1alpha1.ReasonNamespaceNotOwned, conditions.Stalled,
		"namespace %s %s: inspect its contents, then annotate it with %s=%s to adopt it, or delete it",
		namespace.Name, why, v1alpha1.AdoptAnnotation, partner)
}

// namespaceFindings tell of what in the namespace is not read, and of other namespaces that
// bear the partner's label.
func namespaceFindings(s *snapshot.Snapshot) []conditions.Finding {
	var findings []conditions.Finding
	if len(s.Ignored) > 0 {
		var ignored []string
		for _, of := range s.Ignored {
			words := of.Kind + " objects"
			if of.Example != "" {
				words += ", such as " + of.Example
			}
			ignored = append(ignored, words)
		}
		findings = append(findings, conditions.True(v1alpha1.ConditionObjectsIgnored, v1alpha1.ReasonLimitExceeded, fmt.Sprintf(
			"namespace %s exceeds the operator's limits, so the operator ignores some objects, and may miss hosts that they route: %s: delete or split them",
			objects.NamespaceOf(s.Partner), strings.Join(ignored, "; "))))
	}
	if len(s.Undeclared) > 0 {
		const most = 5
		findings = append(findings, conditions.True(v1alpha1.ConditionUndeclaredNamespaces, v1alpha1.ReasonNamespaceLabelled, fmt.Sprintf(
			"Partner %s declares namespace %s, but these namespaces have the label %s=%s, too: %s: remove the label, or delete the namespaces",
			s.Partner.Name, objects.NamespaceOf(s.Partner), v1alpha1.PartnerLabel, s.Partner.Name, conditions.Listed(s.Undeclared, most))))
	}
	return findings
}

func unready(reason v1alpha1.Reason, progress conditions.Progress, format string, args ...any) *conditions.Finding {
	return new(conditions.False(v1alpha1.ConditionTenantReady, reason, progress, fmt.Sprintf(format, args...)))
}
