package support

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the same zones in a container without any as elsewhere

	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// zones are the time zones that were read before: each takes a while to read, and
// there are only so many.
var zones sync.Map

// LoadZone finds a time zone by its IANA name. The error says what to write.
func LoadZone(name v1alpha1.TimeZone) (*time.Location, error) {
	// "Local" would be the zone of whatever machine the operator runs on.
	if name != "" && name != "Local" {
		if zone, read := zones.Load(name); read {
			return zone.(*time.Location), nil
		}
		if zone, err := time.LoadLocation(string(name)); err == nil {
			zones.Store(name, zone)
			return zone, nil
		}
	}
	return nil, fmt.Errorf("the time zone %q is unknown: write an IANA name, such as America/New_York or Europe/Berlin", name)
}

// Hours are operating hours that can be asked about. Make them with NewHours.
type Hours struct {
	alwaysOn      bool
	zone          *time.Location
	days          [7]bool // by time.Weekday
	opens, closes int     // minutes after midnight
	holidays      v1alpha1.HolidayCalendar
	closures      map[v1alpha1.Date]bool
}

// NewHours reads effective operating hours. The error is a *Defect.
func NewHours(effective v1alpha1.OperatingHours) (Hours, error) {
	if ptr.Deref(effective.AlwaysOn, false) {
		return Hours{alwaysOn: true}, nil
	}
	zone, err := LoadZone(effective.TimeZone)
	if err != nil {
		return Hours{}, &Defect{v1alpha1.ReasonUnknownTimeZone, "spec.operatingHours.timeZone: " + err.Error()}
	}
	hours := Hours{zone: zone, holidays: effective.Holidays, closures: map[v1alpha1.Date]bool{}}
	for _, day := range effective.Days {
		weekday := slices.IndexFunc(weekdays, func(d v1alpha1.DayOfWeek) bool { return d == day })
		if weekday < 0 {
			return Hours{}, inconsistent("days: %q is no day of the week: write Monday to Sunday", day)
		}
		hours.days[weekday] = true
	}
	if len(effective.Days) == 0 {
		return Hours{}, inconsistent("days: there are none: write at least one, such as Monday")
	}
	for _, date := range effective.Closures {
		if _, err := date.Time(zone); err != nil {
			return Hours{}, inconsistent("closures: %q is no date: write it as YYYY-MM-DD", date)
		}
		hours.closures[date] = true
	}
	var ok, alsoOK bool
	hours.opens, ok = minutes(effective.Opens)
	hours.closes, alsoOK = minutes(effective.Closes)
	if !ok || !alsoOK || hours.opens >= hours.closes {
		return Hours{}, inconsistent("opens is %q and closes %q: write both as HH:MM, opens before closes", effective.Opens, effective.Closes)
	}
	return hours, nil
}

func inconsistent(format string, args ...any) *Defect {
	return &Defect{v1alpha1.ReasonPlanInconsistent, "spec.operatingHours." + fmt.Sprintf(format, args...)}
}

var weekdays = []v1alpha1.DayOfWeek{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}

// minutes reads HH:MM, of which 24:00 is the end of the day.
func minutes(t v1alpha1.TimeOfDay) (int, bool) {
	if t == "24:00" {
		return 24 * 60, true
	}
	parsed, err := time.Parse("15:04", string(t))
	if err != nil {
		return 0, false
	}
	return parsed.Hour()*60 + parsed.Minute(), true
}

// horizon is how many days ahead At looks for an opening. Closures are few
// enough that a plan which opens at all does so within it.
const horizon = 400

// At tells whether P-CSMs are at work at an instant and when that changes next:
// when they close, or when they open. The change is zero if there is none.
func (h Hours) At(now time.Time) (open bool, change time.Time) {
	if h.alwaysOn {
		return true, time.Time{}
	}
	year, month, day := now.In(h.zone).Date()
	for i := range horizon {
		opens, closes, works := h.window(time.Date(year, month, day+i, 12, 0, 0, 0, h.zone))
		switch {
		case open && (!works || !opens.Equal(change)):
			return true, change // the next day does not go on where this one ends
		case !works || !now.Before(closes):
			continue
		case !open && now.Before(opens):
			return false, opens
		}
		open, change = true, closes
	}
	if open {
		return true, time.Time{} // every day, around the clock
	}
	return false, change
}

// Span is a time in which P-CSMs are at work.
type Span struct {
	Opens time.Time `json:"opens"`
	// Closes is zero if they never stop.
	Closes time.Time `json:"closes,omitzero"`
}

// Openings are the spans of work from an instant on until another, and as many
// after it as make two. One that is under way begins with the first instant.
func (h Hours) Openings(from, until time.Time) []Span {
	var spans []Span
	for at := from; at.Before(until) || len(spans) < 2; {
		open, change := h.At(at)
		if open {
			spans = append(spans, Span{Opens: at.UTC(), Closes: change.UTC()})
		}
		if change.IsZero() {
			break
		}
		at = change
	}
	return spans
}

// window is the working time of the day that noon is in.
func (h Hours) window(noon time.Time) (opens, closes time.Time, works bool) {
	if !h.days[noon.Weekday()] || h.closures[v1alpha1.Date(noon.Format(time.DateOnly))] {
		return opens, closes, false
	}
	if h.holidays == v1alpha1.USFederal && isFederalHoliday(noon) {
		return opens, closes, false
	}
	year, month, day := noon.Date()
	return time.Date(year, month, day, 0, h.opens, 0, 0, h.zone), time.Date(year, month, day, 0, h.closes, 0, 0, h.zone), true
}

// Describe writes operating hours in a line, such as "Mon-Fri 09:00-17:00
// America/New_York, without U.S. federal holidays".
func Describe(effective v1alpha1.OperatingHours) string {
	if ptr.Deref(effective.AlwaysOn, false) {
		return "24x7"
	}
	text := fmt.Sprintf("%s %s-%s %s", describeDays(effective.Days), effective.Opens, effective.Closes, effective.TimeZone)
	if effective.Holidays == v1alpha1.USFederal {
		text += ", without U.S. federal holidays"
	}
	return text
}

// describeDays writes days from Monday on, with runs of three or more as a
// range.
func describeDays(days []v1alpha1.DayOfWeek) string {
	week := append(slices.Clone(weekdays[1:]), weekdays[0])
	var parts []string
	for start := 0; start < len(week); start++ {
		end := start
		for end < len(week) && slices.Contains(days, week[end]) {
			end++
		}
		switch length := end - start; {
		case length == 0:
			continue
		case length < 3:
			for _, day := range week[start:end] {
				parts = append(parts, string(day[:3]))
			}
		default:
			parts = append(parts, string(week[start][:3])+"-"+string(week[end-1][:3]))
		}
		start = end
	}
	return strings.Join(parts, ",")
}
