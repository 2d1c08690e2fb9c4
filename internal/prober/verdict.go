package prober

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/probe"
)

// patience is after how many failures in a row a sub-domain counts as unreachable, after
// how many with the same reason that becomes the reason, and after how many with the same
// message that becomes the message.
const patience = 3

// noGeneration leaves the condition without a generation: it is about what the operator
// made of some spec, which status.observedGeneration names, and which outlives others.
const noGeneration = 0

// unjudged is the condition of a sub-domain of which nothing can be said yet, for the prober's own
// trouble. One with a verdict keeps it: ten thousand would tell the same.
func unjudged(result probe.Result, now time.Time) *metav1.Condition {
	finding := conditions.Finding{
		Type: v1alpha1.ConditionSubdomainReachable, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonProberBlind,
		Message: "the prober can judge no sub-domain, since its own surroundings fail: " + result.Message,
	}
	return &conditions.Merge(nil, []conditions.Finding{finding}, noGeneration, now)[0]
}

// record is what the last probes of a sub-domain found.
type record struct {
	// failures are those since the last success, and since is when the first was.
	failures int
	since    time.Time
	// last is the last failure; reasons and messages are how many in a row had its reason,
	// and its message.
	last              probe.Result
	reasons, messages int
}

// note adds a result, and returns the condition that it leads to. The observed condition,
// nil if there is none, is returned as it is if there is nothing to change: a single
// failure, and messages that differ from one probe to the next, change nothing. What may be the prober's own fault is
// held back for some time, in which others show whether it is.
func (r *record) note(result probe.Result, observed *metav1.Condition, now time.Time, hold time.Duration) *metav1.Condition {
	status := metav1.ConditionTrue
	if !result.Broken() {
		*r = record{}
	} else {
		status = metav1.ConditionFalse
		if r.failures++; r.failures == 1 {
			r.since = now
		}
		if result.Reason != r.last.Reason {
			r.reasons = 0
		}
		if result.Reason != r.last.Reason || result.Message != r.last.Message {
			r.messages = 0
		}
		r.reasons++
		r.messages++
		r.last = result
		needed := r.failures
		switch {
		case observed == nil || observed.Status != status:
		case observed.Reason != string(result.Reason):
			needed = r.reasons
		default:
			needed = r.messages
		}
		if needed < patience || result.Own != "" && now.Sub(r.since) < hold {
			return observed
		}
	}
	var before []metav1.Condition
	if observed != nil {
		before = append(before, *observed)
	}
	finding := conditions.Finding{Type: v1alpha1.ConditionSubdomainReachable, Status: status, Reason: v1alpha1.Reason(result.Reason), Message: result.Message}
	condition := conditions.Merge(before, []conditions.Finding{finding}, noGeneration, now)[0]
	if observed != nil && observed.Status == status && observed.Reason == condition.Reason && observed.Message == condition.Message {
		return observed
	}
	return &condition
}
