// Package conditions turns findings into the conditions of a status, by the
// rules of kstatus: a finding is compared with what the status holds, keeps its
// time of transition unless its status changed, and Ready sums the others up.
package conditions

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Progress reports whether a finding passes by itself.
type Progress int

const (
	// Done is the progress of a condition that is as it should be, or that says
	// something no one waits for.
	Done Progress = iota
	// Waiting means that the operator, or somebody else, is still working.
	Waiting
	// Stalled means that nothing moves until somebody acts.
	Stalled
)

// Finding is one condition, as found now.
type Finding struct {
	Type    v1alpha1.ConditionType
	Status  metav1.ConditionStatus
	Reason  v1alpha1.Reason
	Message string
	// Progress is of a finding that Ready depends on.
	Progress Progress
}

// True makes a finding with status True.
func True(condition v1alpha1.ConditionType, reason v1alpha1.Reason, message string) Finding {
	return Finding{Type: condition, Status: metav1.ConditionTrue, Reason: reason, Message: message}
}

// False makes a finding with status False.
func False(condition v1alpha1.ConditionType, reason v1alpha1.Reason, progress Progress, message string) Finding {
	return Finding{Type: condition, Status: metav1.ConditionFalse, Reason: reason, Message: message, Progress: progress}
}

// Unknown makes a finding with status Unknown.
func Unknown(condition v1alpha1.ConditionType, reason v1alpha1.Reason, message string) Finding {
	return Finding{Type: condition, Status: metav1.ConditionUnknown, Reason: reason, Message: message}
}

// Listed names the first of some things in a message, and how many others there are.
func Listed(names []string, most int) string {
	listed := strings.Join(names[:min(most, len(names))], ", ")
	if more := len(names) - most; more > 0 {
		listed += fmt.Sprintf(" and %d more", more)
	}
	return listed
}

// Summary returns Ready and, while it is not True, Reconciling or Stalled. Ready
// is that of the first link that is not True, or done if all are.
func Summary(done Finding, links ...Finding) []Finding {
	for _, link := range links {
		if link.Status == metav1.ConditionTrue {
			continue
		}
		ready := False(v1alpha1.ConditionReady, link.Reason, link.Progress, link.Message)
		progress := v1alpha1.ConditionReconciling
		if link.Progress == Stalled {
			progress = v1alpha1.ConditionStalled
		}
		return []Finding{ready, True(progress, link.Reason, link.Message)}
	}
	return []Finding{done}
}

// maxMessage is how long the schema lets a message be, in bytes.
const maxMessage = 32768

// Merge makes conditions of findings. The time of transition is that of the
// observed condition if its status is the same, else now. The result is sorted
// by type; an observed condition that was not found again is gone.
func Merge(observed []metav1.Condition, findings []Finding, generation int64, now time.Time) []metav1.Condition {
	merged := make([]metav1.Condition, 0, len(findings))
	for _, f := range findings {
		condition := metav1.Condition{
			Type:               string(f.Type),
			Status:             f.Status,
			ObservedGeneration: generation,
			LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
			Reason:             string(f.Reason),
			Message:            strings.ToValidUTF8(f.Message[:min(len(f.Message), maxMessage)], ""),
		}
		if before := meta.FindStatusCondition(observed, condition.Type); before != nil && before.Status == condition.Status {
			condition.LastTransitionTime = before.LastTransitionTime
		}
		merged = append(merged, condition)
	}
	slices.SortFunc(merged, byType)
	return merged
}

// Event tells people that a condition changed its status.
type Event struct {
	// Type is Normal or Warning.
	Type string
	// Condition is the condition's type. Two events of the same type and reason
	// count as one to the API unless they differ in it.
	Condition v1alpha1.ConditionType
	// Reason and Message are the condition's.
	Reason, Message string
}

// Events returns an event for each condition that changed its status. The
// conditions that only repeat others (Ready, Reconciling, Stalled) have none,
// and neither has a condition that was absent and comes as one would wish. What
// two conditions have in common to say is said once.
func Events(before []metav1.Condition, findings []Finding) []Event {
	var events []Event
	for _, f := range findings {
		switch f.Type {
		case v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled:
			continue
		}
		if f.Type == v1alpha1.ConditionCapacityExceeded && slices.ContainsFunc(events, func(e Event) bool { return e.Condition == v1alpha1.ConditionStaffingSufficient }) {
			continue // it is a part of that verdict
		}
		was := Wished(f.Type)
		observed := meta.FindStatusCondition(before, string(f.Type))
		if observed != nil {
			was = observed.Status
		}
		if was == f.Status || observed == nil && f.Reason == v1alpha1.ReasonShiftsNotDeclared {
			continue
		}
		event := Event{Type: corev1.EventTypeWarning, Condition: f.Type, Reason: string(f.Reason), Message: f.Message}
		switch {
		case f.Status == Wished(f.Type), f.Progress == Waiting,
			CaseOf("Partner", metav1.Condition{Type: string(f.Type), Status: f.Status, Reason: string(f.Reason)}).Decided:
			event.Type = corev1.EventTypeNormal
		}
		if !slices.ContainsFunc(events, func(e Event) bool { return e.Message == event.Message }) {
			events = append(events, event)
		}
	}
	return events
}

// Own returns the observed conditions of the given types, sorted by type, as
// Merge makes them.
func Own(observed []metav1.Condition, types []v1alpha1.ConditionType) []metav1.Condition {
	own := make([]metav1.Condition, 0, len(observed))
	for _, condition := range observed {
		if slices.Contains(types, v1alpha1.ConditionType(condition.Type)) {
			own = append(own, condition)
		}
	}
	slices.SortFunc(own, byType)
	return own
}

func byType(a, b metav1.Condition) int {
	return strings.Compare(a.Type, b.Type)
}
