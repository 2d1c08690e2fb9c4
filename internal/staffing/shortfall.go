package staffing

import (
	"fmt"
	"slices"
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Shortfall is a day on which contract windows and expected customers no longer fit.
type Shortfall struct {
	// On is the start of the day, in UTC.
	On time.Time
	// Reason is ContractEnds or CustomersExpected.
	Reason v1alpha1.Reason
	// Verdict is that of the day.
	Verdict Verdict
}

// CustomersOn is how many customers a partner has on a day: those that it has now, or
// those that the latest signed deal until then brings. Deals of the past are ignored:
// what became of them is in the count.
func CustomersOn(partner *v1alpha1.Partner, now, day time.Time) int64 {
	customers := int64(0)
	if partner.Spec.CustomerCount != nil {
		customers = int64(*partner.Spec.CustomerCount)
	}
	for _, expected := range partner.Spec.ExpectedCustomers {
		on, err := expected.On.Time(time.UTC)
		if err == nil && on.After(now) && !on.After(day) {
			customers = int64(*expected.Count)
		}
	}
	return customers
}

// NextShortfall is the first day to come on which more FTE are missing than today; nil
// if there is none. changes is the first of the days to come, when the result must be
// worked out again; zero if there is none.
func NextShortfall(partner *v1alpha1.Partner, allocations []v1alpha1.PCSMAllocation, terms v1alpha1.EffectiveStaffing, now time.Time) (next *Shortfall, changes time.Time) {
	if days := daysToCome(partner, allocations, now); len(days) > 0 {
		changes = days[0]
	}
	return ShortfallAfter(partner, allocations, terms, now, now), changes
}

// ShortfallAfter is the first day after another, which is now or to come, on which more
// FTE are missing than on that one; nil if there is none.
//
// P-CSMs that all leave are a shortfall, too: the customers lose the support widget.
func ShortfallAfter(partner *v1alpha1.Partner, allocations []v1alpha1.PCSMAllocation, terms v1alpha1.EffectiveStaffing, now, after time.Time) *Shortfall {
	judge := func(at, day time.Time) Verdict {
		allocated, _, _ := Sum(partner, allocations, day)
		return Judge(CustomersOn(partner, now, at), allocated, terms)
	}
	missing := judge(after, after).Missing()
	for _, day := range daysToCome(partner, allocations, after) {
		verdict := judge(day, day)
		if verdict.Missing() <= missing {
			continue
		}
		reason := v1alpha1.ReasonCustomersExpected
		if judge(day.Add(-1), day).Missing() > missing {
			reason = v1alpha1.ReasonContractEnds
		}
		return &Shortfall{On: day, Reason: reason, Verdict: verdict}
	}
	return nil
}

// Status is the shortfall as the status of a Partner has it; nil for nil.
func (s *Shortfall) Status() *v1alpha1.NextShortfall {
	if s == nil {
		return nil
	}
	return &v1alpha1.NextShortfall{
		On: v1alpha1.Date(s.On.Format(time.DateOnly)), Reason: s.Reason, Customers: new(s.Verdict.Customers),
		AllocatedFTE: s.Verdict.Allocated, MissingFTE: s.Verdict.Missing(),
	}
}

// daysToCome are the days on which contract windows open or close, or customers are
// expected, in order.
func daysToCome(partner *v1alpha1.Partner, allocations []v1alpha1.PCSMAllocation, now time.Time) []time.Time {
	var days []time.Time
	for i := range allocations {
		window, err := WindowOf(&allocations[i])
		if err != nil || string(allocations[i].Spec.PartnerRef.Name) != partner.Name || !allocations[i].DeletionTimestamp.IsZero() {
			continue
		}
		days = append(days, window.From, window.Until)
	}
	for _, expected := range partner.Spec.ExpectedCustomers {
		if on, err := expected.On.Time(time.UTC); err == nil {
			days = append(days, on)
		}
	}
	days = slices.DeleteFunc(days, func(day time.Time) bool { return !day.After(now) })
	slices.SortFunc(days, time.Time.Compare)
	return slices.CompactFunc(days, time.Time.Equal)
}

// ShortfallNotice is how long before a shortfall people should act on it.
const ShortfallNotice = 30 * 24 * time.Hour

// ShortfallIsNear reports whether people should act on a shortfall of a status now.
func ShortfallIsNear(next *v1alpha1.NextShortfall, now time.Time) bool {
	if next == nil {
		return false
	}
	on, err := next.On.Time(time.UTC)
	return err == nil && on.Sub(now) < ShortfallNotice
}

// Message says what will be missing, why, and what to do until then.
func (s *Shortfall) Message() string {
	day := s.On.Format(time.DateOnly)
	remedy := fmt.Sprintf("add %s FTE by then", s.Verdict.Missing())
	v := s.Verdict
	switch {
	case !v.Contracted():
		return fmt.Sprintf("from %s on no P-CSM is active, since the contracts end: extend validUntil of a PCSMAllocation, or create one of at least %s FTE; otherwise the support widget closes", day, v.Required)
	case v.BelowMinimum() && v.Exceeded():
		return fmt.Sprintf("from %s on %s FTE of P-CSMs are allocated, the plan requires at least %s for any number of customers, and %d customers exceed the %d that they support: %s",
			day, v.Allocated, v.Terms.MinimumFTE, v.Customers, v.Maximum, remedy)
	case v.BelowMinimum():
		return fmt.Sprintf("from %s on %s FTE of P-CSMs are allocated, and the plan requires at least %s for any number of customers (%d then): %s", day, v.Allocated, v.Terms.MinimumFTE, v.Customers, remedy)
	case s.Reason == v1alpha1.ReasonCustomersExpected:
		return fmt.Sprintf("from %s on %d customers are expected, and %s FTE of P-CSMs support at most %d: %s", day, v.Customers, v.Allocated, v.Maximum, remedy)
	}
	return fmt.Sprintf("from %s on %s FTE of P-CSMs are left, since a contract ends, and support at most %d of %d customers: %s", day, v.Allocated, v.Maximum, v.Customers, remedy)
}
