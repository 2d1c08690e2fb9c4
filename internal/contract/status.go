package contract

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/coverage"
	"github.com/dispel/partner-operator/internal/staffing"
)

// Findings are the conditions that report the judgement; none of them is part of Ready. Those
// of the staffing are there only with P-CSMs contracted.
func (j *Judgement) Findings(plan *v1alpha1.SupportPlan) []conditions.Finding {
	var found []conditions.Finding
	if j.Window != nil {
		found = append(found, *j.Window)
	}
	found = append(found, j.staffing()...)
	if j.Stale {
		found = append(found, conditions.True(v1alpha1.ConditionCustomerCountStale, v1alpha1.ReasonCountTooOld, staffing.StaleMessage(j.Customers, plan)))
	}
	return found
}

func (j *Judgement) staffing() []conditions.Finding {
	if j.Allocated == 0 {
		return nil
	}
	sufficient, exceeded := v1alpha1.ConditionStaffingSufficient, v1alpha1.ConditionCapacityExceeded
	if j.Verdict == nil {
		return []conditions.Finding{
			conditions.Unknown(sufficient, j.Fault.Reason, j.Fault.Message),
			conditions.Unknown(exceeded, j.Fault.Reason, j.Fault.Message),
			conditions.Unknown(v1alpha1.ConditionHoursCovered, j.Fault.Reason, j.Fault.Message),
		}
	}
	v := j.Verdict
	found := []conditions.Finding{j.shortfallExpected(), j.hoursCovered()}
	if v.Exceeded() || v.BelowMinimum() {
		found = append(found, conditions.False(sufficient, v.Reason(), conditions.Done, v.Message()))
	} else {
		found = append(found, conditions.True(sufficient, v.Reason(), v.Message()))
	}
	switch {
	case v.Exceeded():
		return append(found, conditions.True(exceeded, v1alpha1.ReasonCustomersExceedFTECapacity, v.CapacityMessage()))
	case v.Near():
		return append(found, conditions.False(exceeded, v1alpha1.ReasonNearCapacity, conditions.Done, v.CapacityMessage()))
	}
	return append(found, conditions.False(exceeded, v1alpha1.ReasonWithinCapacity, conditions.Done, v.CapacityMessage()))
}

func (j *Judgement) shortfallExpected() conditions.Finding {
	if j.Forecast.Shortfall == nil {
		return conditions.False(v1alpha1.ConditionShortfallExpected, v1alpha1.ReasonNoneExpected, conditions.Done,
			"no contract end and no signed deal leaves more FTE missing than today")
	}
	return conditions.True(v1alpha1.ConditionShortfallExpected, j.Forecast.Shortfall.Reason, j.Forecast.Shortfall.Message())
}

func (j *Judgement) hoursCovered() conditions.Finding {
	switch c := j.Forecast.Coverage; {
	case c == nil || !c.Declared:
		return conditions.Unknown(v1alpha1.ConditionHoursCovered, v1alpha1.ReasonShiftsNotDeclared, coverage.Verdict{}.Message())
	case c.Uncovered > 0:
		return conditions.False(v1alpha1.ConditionHoursCovered, v1alpha1.ReasonHoursUncovered, conditions.Done, c.Message())
	default:
		return conditions.True(v1alpha1.ConditionHoursCovered, v1alpha1.ReasonEveryHourCovered, c.Message())
	}
}

// Coverage is the judgement's part of a Partner's status about operating hours; nil if no
// shifts are declared.
func (j *Judgement) Coverage() *v1alpha1.CoverageStatus {
	v := j.Forecast.Coverage
	if v == nil || !v.Declared {
		return nil
	}
	status := &v1alpha1.CoverageStatus{
		OperatingMinutesPerWeek: new(int32(v.Operating)), //nolint:gosec // at most a week
		UncoveredMinutesPerWeek: new(int32(v.Uncovered)), //nolint:gosec // at most a week
		Summary:                 v.Summary(),
	}
	if gap := v.NextGap; gap != nil {
		status.NextGap = &v1alpha1.CoverageGap{From: new(metav1.NewTime(gap.From)), Until: new(metav1.NewTime(gap.Until)), Reason: gap.Reason}
	}
	return status
}

// Staffing is the judgement's part of a Partner's status about P-CSMs; nil without a Verdict.
func (j *Judgement) Staffing() *v1alpha1.StaffingStatus {
	v := j.Verdict
	if v == nil {
		return nil
	}
	return &v1alpha1.StaffingStatus{
		NextShortfall:        j.Forecast.Shortfall.Status(),
		AllocatedFTE:         v.Allocated,
		MinimumFTE:           v.Terms.MinimumFTE,
		RequiredFTE:          v.Required,
		RecommendedFTE:       v.Recommended,
		ComfortableCustomers: new(v.Comfortable),
		MaximumCustomers:     new(v.Maximum),
		UtilizationPercent:   new(v.UtilizationPercent()),
		CustomersUntilBreach: new(v.UntilBreach()),
		Capacity:             v.Capacity(),
	}
}
