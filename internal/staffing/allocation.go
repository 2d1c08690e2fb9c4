package staffing

import (
	"errors"
	"fmt"
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/support"
)

// Refusal says why an allocation does not count. Its Error is a sentence with a
// remedy.
type Refusal struct {
	Reason  v1alpha1.Reason
	Message string
}

func (r *Refusal) Error() string {
	return r.Message
}

// Accept reports whether an allocation can count for its partner, which is nil if
// there is none. Only an OEM or MSP can hold P-CSMs, whose support teams they
// augment (read out of "Partner Support Enablement", channel models). The error
// is a *Refusal.
func Accept(allocation *v1alpha1.PCSMAllocation, partner *v1alpha1.Partner) error {
	name := allocation.Spec.PartnerRef.Name
	if partner == nil {
		return &Refusal{v1alpha1.ReasonPartnerNotFound, fmt.Sprintf(
			"there is no Partner %q: create it, or delete this allocation and make one for the right partner", name)}
	}
	if !partner.Spec.ChannelModel.WhiteLabels() {
		return &Refusal{v1alpha1.ReasonChannelModelWithoutPCSM, fmt.Sprintf(
			"Partner %q is a %s, whose customers Dispel serves in any case: delete this allocation, or set the partner's channelModel to OEM or MSP",
			name, partner.Spec.ChannelModel)}
	}
	zone := v1alpha1.TimeZone("")
	if allocation.Spec.Localization != nil {
		zone = allocation.Spec.Localization.TimeZone
	}
	if zone != "" || len(allocation.Spec.Shifts) > 0 {
		if _, err := support.LoadZone(zone); err != nil {
			return &Refusal{v1alpha1.ReasonUnknownTimeZone, "spec.localization.timeZone: " + err.Error()}
		}
	}
	if refusal := acceptShifts(allocation); refusal != nil {
		return refusal
	}
	return nil
}

// Window is a contract window: whole days in UTC, both ends included.
type Window struct {
	// From is the first instant; zero if the contract has begun in any case.
	From time.Time
	// Until is the first instant after the end; zero if there is no end.
	Until time.Time
}

// lastYear is the last year that RFC 3339 can write.
const lastYear = 9999

// WindowOf returns an allocation's contract window. The error is that of dates
// that the schema would have refused.
func WindowOf(allocation *v1alpha1.PCSMAllocation) (Window, error) {
	return window(allocation.Spec.ValidFrom, allocation.Spec.ValidUntil)
}

// PartnerWindow returns the window of the contract with a partner, with the same error.
func PartnerWindow(partner *v1alpha1.Partner) (Window, error) {
	return window(partner.Spec.ValidFrom, partner.Spec.ValidUntil)
}

func window(from, until v1alpha1.Date) (Window, error) {
	var w Window
	var errFrom, errUntil error
	if from != "" {
		w.From, errFrom = from.Time(time.UTC)
	}
	if until != "" {
		w.Until, errUntil = until.Time(time.UTC)
		if w.Until = w.Until.AddDate(0, 0, 1); w.Until.Year() > lastYear {
			w.Until = time.Time{} // nobody will see the end, and no format can write it
		}
	}
	return w, errors.Join(errFrom, errUntil)
}

// Begun reports whether the contract has begun.
func (w Window) Begun(now time.Time) bool {
	return !now.Before(w.From)
}

// Ended reports whether the contract has ended.
func (w Window) Ended(now time.Time) bool {
	return !w.Until.IsZero() && !now.Before(w.Until)
}

// Contains reports whether the contract is running.
func (w Window) Contains(now time.Time) bool {
	return w.Begun(now) && !w.Ended(now)
}

// Next is when Contains changes next; zero if it never does.
func (w Window) Next(now time.Time) time.Time {
	switch {
	case !w.Begun(now):
		return w.From
	case !w.Ended(now):
		return w.Until
	}
	return time.Time{}
}

// Sum adds up the FTE of the partner's allocations that are accepted and in
// their contract window, and says when that changes next; zero if never.
// Allocations of other partners do not count.
func Sum(partner *v1alpha1.Partner, allocations []v1alpha1.PCSMAllocation, now time.Time) (total v1alpha1.FTE, counted []v1alpha1.PCSMAllocation, next time.Time) {
	for _, allocation := range allocations {
		if string(allocation.Spec.PartnerRef.Name) != partner.Name || !allocation.DeletionTimestamp.IsZero() {
			continue
		}
		window, err := WindowOf(&allocation)
		if err != nil || Accept(&allocation, partner) != nil {
			continue
		}
		if window.Contains(now) {
			total += allocation.Spec.FTE
			counted = append(counted, allocation)
		}
		next = Earlier(next, window.Next(now))
	}
	return total, counted, next
}

// End is the end of an allocation's contract.
type End struct {
	// Allocation is its name.
	Allocation string
	// At is the first instant after the contract.
	At time.Time
	// Succeeded tells that the partner has no fewer FTE from then on.
	Succeeded bool
}

// Ends are the ends that are still to come of the partner's allocations, sorted as
// these are.
func Ends(partner *v1alpha1.Partner, allocations []v1alpha1.PCSMAllocation, now time.Time) []End {
	var ends []End
	for i := range allocations {
		allocation := &allocations[i]
		window, err := WindowOf(allocation)
		if err != nil || window.Until.IsZero() || window.Ended(now) || !allocation.DeletionTimestamp.IsZero() || Accept(allocation, partner) != nil {
			continue
		}
		before, _, _ := Sum(partner, allocations, window.Until.Add(-1))
		after, _, _ := Sum(partner, allocations, window.Until)
		ends = append(ends, End{Allocation: allocation.Name, At: window.Until, Succeeded: after >= before})
	}
	return ends
}

// Earlier returns the earlier of two instants, of which zero is never.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
