package prober

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/probe"
)

// patience is after how many failures in a row a sub-domain counts as unreachable, and
// after how many that agree another link counts as the broken one.
const patience = 3

// record is what the last probes of a sub-domain found.
type record struct {
	// failures are those since the last success.
	failures int
	// last is the last failure, and agreeing how many in a row were like it.
	last     probe.Result
	agreeing int
}

// note adds a result, and returns the condition that it leads to. The observed condition,
// nil if there is none, is returned as it is if there is nothing to change: a single
// failure, and messages that differ from one probe to the next, change nothing.
func (r *record) note(result probe.Result, observed *metav1.Condition, generation int64, now time.Time) *metav1.Condition {
	status := metav1.ConditionTrue
	if !result.Broken() {
		*r = record{}
	} else {
		status = metav1.ConditionFalse
		r.failures++
		if result.Reason != r.last.Reason || result.Message != r.last.Message {
			r.agreeing = 0
		}
		r.agreeing++
		r.last = result
		needed := r.failures
		if observed != nil && observed.Status == status {
			needed = r.agreeing
		}
		if needed < patience {
			return observed
		}
	}
	var before []metav1.Condition
	if observed != nil {
		before = append(before, *observed)
	}
	finding := conditions.Finding{Type: v1alpha1.ConditionSubdomainReachable, Status: status, Reason: result.Reason, Message: result.Message}
	condition := conditions.Merge(before, []conditions.Finding{finding}, generation, now)[0]
	if observed != nil && observed.Status == status && observed.Reason == condition.Reason && observed.Message == condition.Message {
		return observed
	}
	return &condition
}
