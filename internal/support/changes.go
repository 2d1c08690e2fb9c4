package support

import (
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// ChangesAt reports whether a plan lets changes reach its partners at an instant, by its change windows, and
// when that changes next; zero if never. The times are in the zone of its operating hours. A plan that is not
// there, or whose zone is unknown, holds nothing back.
func ChangesAt(plan *v1alpha1.SupportPlan, now time.Time) (open bool, change time.Time) {
	if plan == nil || len(plan.Spec.ChangeWindows) == 0 {
		return true, time.Time{}
	}
	windows := v1alpha1.OperatingHours{TimeZone: effectiveHours(plan.Spec).TimeZone}
	if windows.TimeZone == "" {
		windows.TimeZone = "UTC"
	}
	for _, window := range plan.Spec.ChangeWindows {
		windows.Windows = append(windows.Windows, v1alpha1.HoursWindow(window))
	}
	hours, err := NewHours(windows)
	if err != nil {
		return true, time.Time{}
	}
	return hours.At(now)
}
