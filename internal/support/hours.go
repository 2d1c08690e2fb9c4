package support

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Hours are operating hours that can be asked about. Make them with NewHours.
type Hours struct {
	alwaysOn      bool
	zone          *time.Location
	days          workdays
	opens, closes int // minutes after midnight
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
	hours := Hours{zone: zone, days: workdaysOf(effective.Days), holidays: effective.Holidays, closures: map[v1alpha1.Date]bool{}}
	for _, day := range effective.Days {
		if !slices.Contains(weekdays, day) {
			return Hours{}, inconsistent("days: %q is no day of the week: write Monday to Sunday", day)
		}
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
	hours.opens, ok = MinuteOfDay(effective.Opens)
	hours.closes, alsoOK = MinuteOfDay(effective.Closes)
	if !ok || !alsoOK || hours.opens >= hours.closes {
		return Hours{}, inconsistent("opens is %q and closes %q: write both as HH:MM, opens before closes", effective.Opens, effective.Closes)
	}
	return hours, nil
}

func inconsistent(format string, args ...any) *Defect {
	return &Defect{v1alpha1.ReasonPlanInconsistent, "spec.operatingHours." + fmt.Sprintf(format, args...)}
}

var weekdays = []v1alpha1.DayOfWeek{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}

// Week are the days of the week from Monday on.
var Week = append(slices.Clone(weekdays[1:]), weekdays[0])

// workdays are days of the week, by time.Weekday.
type workdays [7]bool

func workdaysOf(days []v1alpha1.DayOfWeek) workdays {
	var works workdays
	for i, day := range weekdays {
		works[i] = slices.Contains(days, day)
	}
	return works
}

// MinuteOfDay reads HH:MM as minutes after midnight; 24:00 is the end of the day. It
// fails only for a time that the schema refuses.
func MinuteOfDay(t v1alpha1.TimeOfDay) (minute int, ok bool) {
	if t == "24:00" {
		return 24 * 60, true
	}
	if len(t) != len("15:04") || t[2] != ':' {
		return 0, false
	}
	hour, ok := twoDigits(string(t[:2]), 24)
	ofHour, alsoOK := twoDigits(string(t[3:]), 60)
	return hour*60 + ofHour, ok && alsoOK
}

// twoDigits reads a number of two digits below a limit.
func twoDigits(s string, limit int) (number int, ok bool) {
	for _, digit := range []byte(s) {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		number = number*10 + int(digit-'0')
	}
	return number, number < limit
}

// Zone is the zone whose clock the hours go by; UTC if they are around the clock.
func (h Hours) Zone() *time.Location {
	if h.alwaysOn {
		return time.UTC
	}
	return h.zone
}

// Open reports whether P-CSMs are at work at an instant.
func (h Hours) Open(at time.Time) bool {
	return h.alwaysOn || h.includes(at.In(h.zone))
}

// Regular reports whether P-CSMs are at work at a minute of a regular week, which has
// no holidays and no closures. The week begins on Monday at 00:00 in the hours' zone.
func (h Hours) Regular(minute int) bool {
	const day = 24 * 60
	clock := minute % day
	return h.alwaysOn || h.days[(minute/day+1)%7] && clock >= h.opens && clock < h.closes
}

// Marks are the minutes of a day at which Regular can change, beside midnight.
func (h Hours) Marks() []int {
	if h.alwaysOn {
		return nil
	}
	return []int{h.opens, h.closes}
}

// Due is when an answer to a request is due by a plan's response target. On the clock of
// the operating hours, which is the one if the target names none, a request outside of
// the hours starts with the next opening.
func Due(hours Hours, target v1alpha1.ResponseTarget, from time.Time) (time.Time, error) {
	within, err := time.ParseDuration(target.Within)
	if err != nil {
		return time.Time{}, fmt.Errorf("spec.responseTargets: %q is no time to answer in: write hours and minutes, such as 4h", target.Within)
	}
	if target.Clock == v1alpha1.ClockAlways {
		return from.Add(within).UTC(), nil
	}
	due := hours.after(from, within)
	if due.IsZero() {
		return time.Time{}, fmt.Errorf("spec.responseTargets: the operating hours of the next year are less than %s, which severity %d has", target.Within, target.Severity)
	}
	return due.UTC(), nil
}

// after is when a time that passes only during the hours, counted from an instant on, is
// over; zero if the hours do not last long enough within a year.
func (h Hours) after(from time.Time, within time.Duration) time.Time {
	for at := from; at.Before(from.AddDate(0, 0, horizon)); {
		open, change := h.At(at)
		switch {
		case change.IsZero() && !open:
			return time.Time{}
		case open && (change.IsZero() || within <= change.Sub(at)):
			return at.Add(within)
		case open:
			within -= change.Sub(at)
		}
		at = change
	}
	return time.Time{}
}

// horizon is how many days ahead At looks for a change. Closures are few enough that
// a plan which opens at all does so within it.
const horizon = 400

// At reports whether P-CSMs are at work at an instant, and when that changes next.
// The change is zero if there is none.
//
// The clock in the hours' zone decides: they are at work while it reads a time from
// opens up to closes. What daylight saving skips does not exist, so that an opening
// within it is when the clock first reads that or later; what it repeats counts
// twice.
func (h Hours) At(now time.Time) (open bool, change time.Time) {
	if h.alwaysOn {
		return true, time.Time{}
	}
	now = now.In(h.zone)
	open = h.includes(now)
	until := now.AddDate(0, 0, horizon)
	for at := h.next(now); at.Before(until); at = h.next(at) {
		if h.includes(at) != open {
			return open, at
		}
	}
	return open, time.Time{}
}

// includes reports whether the clock reads a time within the hours at an instant,
// which is in the hours' zone.
func (h Hours) includes(at time.Time) bool {
	clock := at.Hour()*60 + at.Minute()
	if clock < h.opens || clock >= h.closes || !h.days[at.Weekday()] {
		return false
	}
	date := v1alpha1.Date(at.Format(time.DateOnly))
	return !h.closures[date] && (h.holidays != v1alpha1.USFederal || !isFederalHoliday(date, at.Year(), h.days))
}

// next is the first instant after another at which the clock reads opens, closes or
// midnight, or is put forward or back.
func (h Hours) next(at time.Time) time.Time {
	read := time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute +
		time.Duration(at.Second())*time.Second + time.Duration(at.Nanosecond())
	ahead := 24 * time.Hour
	for _, minutes := range []int{h.opens, h.closes} {
		if mark := time.Duration(minutes) * time.Minute; mark > read {
			ahead = min(ahead, mark)
		}
	}
	next := at.Add(ahead - read)
	if _, end := at.ZoneBounds(); !end.IsZero() && end.Before(next) {
		return end
	}
	return next
}

// Span is a time in which P-CSMs are at work.
type Span struct {
	Opens time.Time `json:"opens"`
	// Closes is zero if they never stop.
	Closes time.Time `json:"closes,omitzero"`
}

// mostOpenings is how many spans Openings returns at most.
const mostOpenings = 64

// Openings are the spans of work from an instant on until another, and as many after it
// as make two, and last as long as atLeast together; at most 64. One that is under way
// begins with the first instant.
func (h Hours) Openings(from, until time.Time, atLeast time.Duration) []Span {
	var spans []Span
	for at := from; len(spans) < mostOpenings && (at.Before(until) || len(spans) < 2 || atLeast > 0); {
		open, change := h.At(at)
		if open {
			spans = append(spans, Span{Opens: at.UTC(), Closes: change.UTC()})
			atLeast -= change.Sub(at)
		}
		if change.IsZero() {
			break
		}
		at = change
	}
	return spans
}

// Describe writes operating hours in a line, such as "Mon-Fri 09:00-17:00
// America/New_York, without U.S. federal holidays".
func Describe(effective v1alpha1.OperatingHours) string {
	if ptr.Deref(effective.AlwaysOn, false) {
		return "24x7"
	}
	text := fmt.Sprintf("%s %s-%s %s", DescribeDays(effective.Days), effective.Opens, effective.Closes, effective.TimeZone)
	if effective.Holidays == v1alpha1.USFederal {
		text += ", without U.S. federal holidays"
	}
	return text
}

// DescribeDays writes days from Monday on, with runs of three or more as a range, such
// as "Mon-Fri,Sun".
func DescribeDays(days []v1alpha1.DayOfWeek) string {
	var parts []string
	for start := 0; start < len(Week); start++ {
		end := start
		for end < len(Week) && slices.Contains(days, Week[end]) {
			end++
		}
		switch length := end - start; {
		case length == 0:
			continue
		case length < 3:
			for _, day := range Week[start:end] {
				parts = append(parts, string(day[:3]))
			}
		default:
			parts = append(parts, string(Week[start][:3])+"-"+string(Week[end-1][:3]))
		}
		start = end
	}
	return strings.Join(parts, ",")
}
