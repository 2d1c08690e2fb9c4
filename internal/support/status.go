package support

import (
	"errors"
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
)

// Status makes the status of a plan, but for its totals, which are not the
// plan's own.
func Status(plan *v1alpha1.SupportPlan, now time.Time) (v1alpha1.SupportPlanStatus, []conditions.Finding) {
	status := v1alpha1.SupportPlanStatus{ObservedGeneration: plan.Generation}
	done := conditions.True(v1alpha1.ConditionReady, v1alpha1.ReasonPlanConsistent, "the plan is consistent; status.effective has it in full")
	link := done
	effective, err := Effective(plan.Spec)
	if defect, ok := errors.AsType[*Defect](err); ok {
		link = conditions.False(v1alpha1.ConditionReady, defect.Reason, conditions.Stalled, defect.Message)
	} else {
		status.Effective = &effective
		status.Hours = Describe(effective.OperatingHours)
	}
	findings := conditions.Summary(done, link)
	if doubtful, any := DoubtFinding(Doubts(plan.Spec)); any {
		findings = append(findings, doubtful)
	}
	status.Conditions = conditions.Merge(plan.Status.Conditions, findings, plan.Generation, now)
	return status, findings
}
