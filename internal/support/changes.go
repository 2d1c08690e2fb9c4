package support

import (
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// ChangesAt reports whether a plan lets changes reach its partners at an instant, by its change windows, which may
// overlap, and when that may change next; zero if never. The times are in the zone of its operating hours. A plan that
// is not there, or whose zone is unknown, holds nothing back.
func ChangesAt(plan *v1alpha1.SupportPlan, now time.Time) (open bool, change time.Time) {
	if plan == nil || len(plan.Spec.ChangeWindows) == 0 {
		return true, time.Time{}
	}
	zone := effectiveHours(plan.Spec).TimeZone
	if zone == "" {
		zone = "UTC"
	}
	for _, window := range plan.Spec.ChangeWindows {
		hours, err := NewHours(v1alpha1.OperatingHours{TimeZone: zone, Windows: []v1alpha1.HoursWindow{v1alpha1.HoursWindow(window)}})
		if err != nil {
			return true, time.Time{}
		}
		within, next := hours.At(now)
		open = open || within
		if change.IsZero() || !next.IsZero() && next.Before(change) {
			change = next
		}
	}
	return open, change
}
