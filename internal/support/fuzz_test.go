package support_test

import (
	"testing"
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/support"
)

// FuzzHours asks operating hours of any plan at any time: the next change lies
// ahead, and is one.
func FuzzHours(f *testing.F) {
	f.Add("America/New_York", "09:00", "17:00", uint8(0b0111110), true, "2026-11-27", int64(1795000000))
	f.Add("Europe/Berlin", "00:00", "24:00", uint8(0b1111111), false, "", int64(1774746000)) // the night that the clocks change
	f.Add("Australia/Lord_Howe", "01:45", "02:15", uint8(0b0000001), false, "2026-04-05", int64(1775314800))
	f.Add("Africa/Casablanca", "02:00", "03:00", uint8(0b1111111), true, "2026-02-29", int64(0))
	f.Add("Pacific/Apia", "00:00", "00:01", uint8(0b1000000), false, "2011-12-30", int64(1325224800)) // a day that was none
	f.Add("Mars/Base", "9:00", "25:00", uint8(0), false, "soon", int64(-1))
	f.Fuzz(func(t *testing.T, zone, opens, closes string, days uint8, holidays bool, closure string, seconds int64) {
		if seconds < -1<<33 || seconds > 1<<34 { // from 1697 to 2514
			return
		}
		spec := v1alpha1.OperatingHours{
			TimeZone: v1alpha1.TimeZone(zone), Opens: v1alpha1.TimeOfDay(opens), Closes: v1alpha1.TimeOfDay(closes), Holidays: v1alpha1.NoHolidays,
		}
		if holidays {
			spec.Holidays = v1alpha1.USFederal
		}
		for i, day := range []v1alpha1.DayOfWeek{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"} {
			if days&(1<<i) != 0 {
				spec.Days = append(spec.Days, day)
			}
		}
		if closure != "" {
			spec.Closures = []v1alpha1.Date{v1alpha1.Date(closure)}
		}
		_ = support.Describe(spec)
		hours, err := support.NewHours(spec)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("a refusal that says nothing")
			}
			return
		}
		now := time.Unix(seconds, 0)
		open, change := hours.At(now)
		if change.IsZero() {
			return
		}
		if !change.After(now) {
			t.Fatalf("%+v at %s: open is %t, and changes at %s, which is past", spec, now.UTC(), open, change.UTC())
		}
		if before, _ := hours.At(change.Add(-time.Nanosecond)); before != open {
			t.Fatalf("%+v at %s: open is %t until %s, and %t just before", spec, now.UTC(), open, change.UTC(), before)
		}
		if after, _ := hours.At(change); after == open {
			t.Fatalf("%+v at %s: open is %t, and still at the change at %s", spec, now.UTC(), open, change.UTC())
		}
	})
}
