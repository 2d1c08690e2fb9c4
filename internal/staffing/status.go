package staffing

import (
	"errors"
	"fmt"
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/support"
)

// Status makes the status of an allocation for its partner, which is
// nil if there is none, and says when time changes it.
func Status(allocation *v1alpha1.PCSMAllocation, partner *v1alpha1.Partner, now time.Time) (v1alpha1.PCSMAllocationStatus, []conditions.Finding, time.Time) {
	accepted := conditions.True(v1alpha1.ConditionAccepted, v1alpha1.ReasonAccepted,
		fmt.Sprintf("Partner %q can hold P-CSMs", allocation.Spec.PartnerRef.Name))
	if refusal, ok := errors.AsType[*Refusal](Accept(allocation, partner)); ok {
		accepted = conditions.False(v1alpha1.ConditionAccepted, refusal.Reason, conditions.Stalled, refusal.Message)
	}

	window, err := WindowOf(allocation)
	active := conditions.True(v1alpha1.ConditionActive, v1alpha1.ReasonWithinContractWindow, "today is within the contract window")
	done := conditions.True(v1alpha1.ConditionReady, v1alpha1.ReasonCounted,
		fmt.Sprintf("%s FTE count for Partner %q", allocation.Spec.FTE, allocation.Spec.PartnerRef.Name))
	outside := func(reason v1alpha1.Reason, message string) {
		active = conditions.False(v1alpha1.ConditionActive, reason, conditions.Waiting, message)
		done.Reason, done.Message = v1alpha1.ReasonOutsideContractWindow, "accepted, and not counted: "+message
	}
	switch {
	case err != nil: // the schema refuses what is no date
		outside(v1alpha1.ReasonExpired, "the contract window cannot be read: "+err.Error())
	case !window.Begun(now):
		outside(v1alpha1.ReasonNotYetValid, fmt.Sprintf("the contract starts on %s", allocation.Spec.ValidFrom))
	case window.Ended(now):
		outside(v1alpha1.ReasonExpired, fmt.Sprintf("the contract ended on %s: extend validUntil, or delete the allocation", allocation.Spec.ValidUntil))
	}

	findings := append([]conditions.Finding{accepted, active}, conditions.Summary(done, accepted)...)
	if doubtful, any := support.DoubtFinding(Doubts(allocation)); any {
		findings = append(findings, doubtful)
	}
	return v1alpha1.PCSMAllocationStatus{
		ObservedGeneration: allocation.Generation,
		Conditions:         conditions.Merge(allocation.Status.Conditions, findings, allocation.Generation, now),
	}, findings, window.Next(now)
}

// Doubts are those about the time zone of an allocation.
func Doubts(allocation *v1alpha1.PCSMAllocation) []support.Doubt {
	if allocation.Spec.Localization == nil {
		return nil
	}
	if doubt := support.ZoneDoubt("spec.localization.timeZone", allocation.Spec.Localization.TimeZone); doubt != nil {
		return []support.Doubt{*doubt}
	}
	return nil
}
