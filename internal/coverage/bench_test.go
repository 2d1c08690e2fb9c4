package coverage_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/coverage"
)

// BenchmarkJudge judges a partner with all that a calendar can have: windows by day, and four shifts, two
// absences and an exception for each of two allocations.
func BenchmarkJudge(b *testing.B) {
	hours := v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Holidays: "DE", Windows: []v1alpha1.HoursWindow{
		{Days: workdays[:4], Opens: "08:00", Closes: "12:00"}, {Days: workdays[:4], Opens: "13:00", Closes: "17:00"}, {Days: workdays[4:], Opens: "08:00", Closes: "14:00"},
	}}
	var allocations []v1alpha1.PCSMAllocation
	for _, zone := range []v1alpha1.TimeZone{"Europe/Berlin", "America/New_York"} {
		a := v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{Name: string(zone)}}
		a.Spec.PartnerRef.Name, a.Spec.FTE, a.Spec.Localization = "acme", 2*v1alpha1.OneFTE, &v1alpha1.Localization{TimeZone: zone}
		for start, end := range map[v1alpha1.TimeOfDay]v1alpha1.TimeOfDay{"06:00": "08:00", "09:00": "11:00", "12:00": "13:00", "14:00": "17:00"} {
			a.Spec.Shifts = append(a.Spec.Shifts, v1alpha1.Shift{Days: workdays, Start: start, End: end, FTE: v1alpha1.HalfFTE})
		}
		a.Spec.Absences = []v1alpha1.Absence{{From: "2026-12-21", Until: "2026-12-31"}, {From: "2027-07-01", Until: "2027-07-21"}}
		a.Spec.Exceptions = []v1alpha1.ShiftException{{Date: "2026-12-12", Start: "08:00", End: "12:00"}}
		allocations = append(allocations, a)
	}
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		roster, err := coverage.New(hours, acme, allocations)
		if err != nil {
			b.Fatal(err)
		}
		if !roster.Judge(now).Declared {
			b.Fatal("nothing is declared")
		}
	}
}

// BenchmarkPropose looks for shifts where the clocks of four zones change on different days: for the
// fewest FTE, and for the fewest hours left with what is there.
func BenchmarkPropose(b *testing.B) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	var allocations []v1alpha1.PCSMAllocation
	for _, zone := range []v1alpha1.TimeZone{"America/New_York", "Europe/Berlin", "Australia/Sydney", "America/Santiago"} {
		allocations = append(allocations, person(string(zone), zone, shift(workdays, "09:00", "13:00"), shift(workdays, "14:00", "18:00")))
	}
	short := v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Holidays: v1alpha1.NoHolidays}
	for _, opens := range []int{6, 11, 16} {
		short.Windows = append(short.Windows, v1alpha1.HoursWindow{Days: everyDay, Opens: clock(opens * 60), Closes: clock((opens + 4) * 60)})
	}
	for name, hours := range map[string]v1alpha1.OperatingHours{"windows": short, "always": always} {
		roster, err := coverage.New(hours, acme, allocations)
		if err != nil {
			b.Fatal(err)
		}
		for of, fte := range map[string]v1alpha1.FTE{"fewest": 0, "with": 4} {
			b.Run(name+"/"+of, func(b *testing.B) {
				for b.Loop() {
					if _, err := roster.Propose(b.Context(), acme, now, coverage.Wish{FTE: fte}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
