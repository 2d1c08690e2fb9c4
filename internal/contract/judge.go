package contract

import (
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/coverage"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/support"
)

// PlanName is the name of the plan that is in force for a partner. Every partner
// has the basic one at least ("Partner Support Enablement", Supporting our
// Partners).
func PlanName(partner *v1alpha1.Partner) string {
	if ref := partner.Spec.SupportPlanRef; ref != nil {
		return string(ref.Name)
	}
	return "basic"
}

// Terms are those of the plan in force, with what its tier fills in. If there is no plan, or
// none that can be used, they are nil, and the fault says why, as a link of Ready.
func Terms(partner *v1alpha1.Partner, plan *v1alpha1.SupportPlan) (terms *v1alpha1.EffectivePlan, fault *conditions.Finding) {
	if plan == nil {
		return nil, new(PlanNotFound(partner, ""))
	}
	effective, err := support.Effective(plan.Spec)
	if defect, ok := errors.AsType[*support.Defect](err); ok {
		return nil, new(conditions.False("", v1alpha1.ReasonSupportPlanNotReady, conditions.Stalled, fmt.Sprintf(
			"SupportPlan %q cannot be used: %s; what runs is left as it is", PlanName(partner), defect.Message)))
	}
	return &effective, nil
}

// PlanNotFound is the fault of a partner that names a plan which is not there, as a link of
// Ready. near is the plan that may be meant; empty if none is alike.
func PlanNotFound(partner *v1alpha1.Partner, near string) conditions.Finding {
	if near != "" {
		near = fmt.Sprintf(" (did you mean %q?)", near)
	}
	return conditions.False("", v1alpha1.ReasonSupportPlanNotFound, conditions.Stalled, fmt.Sprintf(
		"there is no SupportPlan %q%s: create it, or name another in spec.supportPlanRef; what runs is left as it is", PlanName(partner), near))
}

// InForce reports whether the contract with a partner is in force on a day, by its window.
func InForce(partner *v1alpha1.Partner, day time.Time) bool {
	window, err := staffing.PartnerWindow(partner)
	return err != nil || window.Contains(day) // the schema refuses such dates
}

// Judgement is what is agreed with a partner, and whether the staff keeps it, at a moment.
type Judgement struct {
	// Terms are those of the plan in force; nil, with a Fault, if there is none that can be
	// used.
	Terms *v1alpha1.EffectivePlan
	Fault *conditions.Finding
	// Allocated is the FTE of the Active allocations: those that are accepted and in their
	// contract window.
	Allocated v1alpha1.FTE
	Active    []v1alpha1.PCSMAllocation
	// Verdict is on the staffing; nil without P-CSMs, or without Terms.
	Verdict *staffing.Verdict
	// Customers say where the count of customers comes from; nil without one. Stale reports
	// that the count is older than the plan lets it be.
	Customers *v1alpha1.CustomersStatus
	Stale     bool
	// Window reports whether the contract with the partner is in force, as ContractActive;
	// nil if it has no window.
	Window *conditions.Finding
	// Forecast is what is to come.
	Forecast Forecast
	// Changes is when time alone changes the judgement; zero if it never does.
	Changes time.Time
}

// Forecast is what is to come with the staff of today. Both are nil without a Verdict.
type Forecast struct {
	// Shortfall is the next day on which more P-CSMs are missing than today; nil if there is
	// none.
	Shortfall *staffing.Shortfall
	// Coverage says which operating hours of a week have P-CSMs on duty.
	Coverage *coverage.Verdict
}

// Judge judges the contract with a partner. plan is nil if there is none; the allocations are
// those that name the partner.
func Judge(partner *v1alpha1.Partner, plan *v1alpha1.SupportPlan, allocations []v1alpha1.PCSMAllocation, now time.Time) Judgement {
	var j Judgement
	j.Terms, j.Fault = Terms(partner, plan)
	j.Allocated, j.Active, j.Changes = staffing.Sum(partner, allocations, now)
	if j.Allocated > 0 && j.Terms != nil {
		j.Verdict = new(staffing.Judge(int64(ptr.Deref(partner.Spec.CustomerCount, 0)), j.Allocated, j.Terms.Staffing))
		j.look(partner, allocations, now)
	}
	j.count(partner, plan, now)
	j.window(partner, now)
	return j
}

// look looks ahead.
func (j *Judgement) look(partner *v1alpha1.Partner, allocations []v1alpha1.PCSMAllocation, now time.Time) {
	var changes time.Time
	j.Forecast.Shortfall, changes = staffing.NextShortfall(partner, allocations, j.Terms.Staffing, now)
	j.Changes = staffing.Earlier(j.Changes, changes)
	roster, err := coverage.New(j.Terms.OperatingHours, partner, allocations)
	if err != nil {
		return // a plan whose hours cannot be read is not in force
	}
	j.Forecast.Coverage = new(roster.Judge(now))
	j.Changes = staffing.Earlier(j.Changes, j.Forecast.Coverage.Changes)
}

// count finds where the number of customers comes from, and whether it is stale.
func (j *Judgement) count(partner *v1alpha1.Partner, plan *v1alpha1.SupportPlan, now time.Time) {
	j.Customers = staffing.Customers(partner)
	if plan == nil {
		return
	}
	switch at := staffing.StaleAt(j.Customers, plan.Spec); {
	case at.IsZero():
	case at.After(now):
		j.Changes = staffing.Earlier(j.Changes, at)
	default:
		j.Stale = true
	}
}

// window holds the contract with the partner against today.
func (j *Judgement) window(partner *v1alpha1.Partner, now time.Time) {
	spec := partner.Spec
	if spec.ValidFrom == "" && spec.ValidUntil == "" {
		return
	}
	served := spec.Subdomain != nil && spec.ChannelModel.WhiteLabels()
	window, err := staffing.PartnerWindow(partner)
	inForce := conditions.True(v1alpha1.ConditionContractActive, v1alpha1.ReasonWithinContractWindow, "today is within the contract window")
	switch inactive := v1alpha1.ConditionContractActive; {
	case err != nil: // the schema refuses such dates
	case window.Ended(now):
		message := fmt.Sprintf("the last day of the contract was %s: extend spec.validUntil, or delete the Partner", spec.ValidUntil)
		if served {
			message = fmt.Sprintf("the last day of the contract was %s, so the operator no longer serves the sub-domain; the host and the namespace stay with the partner: "+
				"extend spec.validUntil to serve it again, or delete the Partner", spec.ValidUntil)
		}
		inForce = conditions.False(inactive, v1alpha1.ReasonContractEnded, conditions.Done, message)
	case !window.Begun(now):
		message := fmt.Sprintf("the contract starts on %s: set spec.validFrom to an earlier day if it starts before", spec.ValidFrom)
		if served {
			message = fmt.Sprintf("the contract starts on %s, and the sub-domain is served from then on: set spec.validFrom to an earlier day to serve it before", spec.ValidFrom)
		}
		inForce = conditions.False(inactive, v1alpha1.ReasonContractNotStarted, conditions.Done, message)
	}
	j.Window = &inForce
	j.Changes = staffing.Earlier(j.Changes, window.Next(now))
}

// InForce reports whether the contract with the partner is in force.
func (j *Judgement) InForce() bool {
	return j.Window == nil || j.Window.Status == metav1.ConditionTrue
}

// HoursLimited reports whether there are P-CSMs, and fewer than the plan requires for its
// operating hours, so that nobody can be promised that they are kept.
func (j *Judgement) HoursLimited() bool {
	return j.Allocated > 0 && j.Terms != nil && staffing.Judge(0, j.Allocated, j.Terms.Staffing).BelowMinimum()
}

// KeepsWidgetOff reports whether the plan keeps the support widget off for want of staff.
func (j *Judgement) KeepsWidgetOff() bool {
	return j.Verdict != nil && j.Verdict.KeepsWidgetOff()
}
