package support

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Hours are operating hours that can be asked about. Make them with NewHours.
type Hours struct {
	alwaysOn bool
	zone     *time.Location
	// windows are those that open on a day of the week, from Monday on.
	windows [7][]window
	// special are the windows of days that go by no other rule; none of a closed day.
	special  map[Day][]window
	holidays v1alpha1.HolidayCalendar
	works    Workdays
	// marks are the minutes of the day at which a window opens or closes, in order.
	marks []int
}

// window is a time of a day, in minutes after its midnight. It closes after it opens, at most a day
// later, and so perhaps on the next day.
type window struct {
	opens, closes int
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
	hours := Hours{zone: zone, special: map[Day][]window{}, holidays: effective.Holidays}
	if calendar := effective.Holidays; calendar != "" && calendar != v1alpha1.NoHolidays && calendars[calendar] == nil {
		return Hours{}, inconsistent("holidays: the calendar %q is unknown: write USFederal, None, or the ISO 3166 code of one of these countries: %s", calendar, countries())
	}
	if err := hours.addWindows(effective); err != nil {
		return Hours{}, err
	}
	if err := hours.addSpecial(effective); err != nil {
		return Hours{}, err
	}
	slices.Sort(hours.marks)
	hours.marks = slices.Compact(hours.marks)
	return hours, nil
}

// Windows are the weekly windows of effective operating hours, in order; none of hours around the clock.
func Windows(effective v1alpha1.OperatingHours) []v1alpha1.HoursWindow {
	if len(effective.Windows) > 0 || ptr.Deref(effective.AlwaysOn, false) {
		return effective.Windows
	}
	return []v1alpha1.HoursWindow{{Days: effective.Days, Opens: effective.Opens, Closes: effective.Closes}}
}

func (h *Hours) addWindows(effective v1alpha1.OperatingHours) error {
	for i, given := range Windows(effective) {
		field := fmt.Sprintf("windows[%d].", i)
		if len(effective.Windows) == 0 {
			field = ""
		}
		if len(given.Days) == 0 {
			return inconsistent("%sdays: there are none: write at least one, such as Monday", field)
		}
		w, ok := windowOf(given.Opens, given.Closes)
		if len(effective.Windows) == 0 && (!ok || given.Opens >= given.Closes) {
			return inconsistent("opens is %q and closes %q: write both as HH:MM, opens before closes", given.Opens, given.Closes)
		}
		if !ok {
			return inconsistent("%sopens is %q and closes %q: write both as HH:MM, and not the same", field, given.Opens, given.Closes)
		}
		h.mark(w)
		for _, name := range given.Days {
			day := slices.Index(Week, name)
			if day < 0 {
				return inconsistent("%sdays: %q is no day of the week: write Monday to Sunday", field, name)
			}
			h.works[day] = true
			h.windows[day] = append(h.windows[day], w)
		}
	}
	for day := range h.windows {
		slices.SortFunc(h.windows[day], func(a, b window) int { return a.opens - b.opens })
	}
	for day, of := range h.windows {
		next := h.windows[(day+1)%7]
		for i, w := range of {
			overlapped := slices.ContainsFunc(next, func(other window) bool { return w.closes > other.opens+minutesPerDay })
			if i+1 < len(of) {
				overlapped = overlapped || w.closes > of[i+1].opens
			}
			if overlapped {
				return inconsistent("windows: the one that opens on %s at %02d:%02d overlaps with another: let it close before the next one opens, or write one window", Week[day], w.opens/60, w.opens%60)
			}
		}
	}
	return nil
}

func (h *Hours) addSpecial(effective v1alpha1.OperatingHours) error {
	for _, date := range effective.Closures {
		day, ok := ParseDay(date)
		if !ok {
			return inconsistent("closures: %q is no date: write it as YYYY-MM-DD", date)
		}
		h.special[day] = nil
	}
	for i, given := range effective.SpecialDays {
		first, ok := ParseDay(given.From)
		last, alsoOK := ParseDay(cmp.Or(given.Until, given.From))
		if !ok || !alsoOK || last < first {
			return inconsistent("specialDays[%d]: from is %q and until %q: write both as YYYY-MM-DD, until no earlier than from", i, given.From, given.Until)
		}
		if last-first >= longestSpecial {
			return inconsistent("specialDays[%d]: from %s to %s are more than %d days: write at most as many", i, given.From, given.Until, longestSpecial)
		}
		var windows []window
		if given.Opens != "" || given.Closes != "" {
			w, ok := windowOf(given.Opens, given.Closes)
			if !ok {
				return inconsistent("specialDays[%d]: opens is %q and closes %q: write both as HH:MM, and not the same, or neither for a closed day", i, given.Opens, given.Closes)
			}
			windows = []window{w}
			h.mark(w)
		}
		for day := first; day <= last; day++ {
			if _, twice := h.special[day]; twice {
				return inconsistent("specialDays[%d]: %s is there twice, in closures or another special day: leave it in one of them", i, day.Date())
			}
			h.special[day] = windows
		}
	}
	return nil
}

// longestSpecial is how many days a special day may last.
const longestSpecial = 366

func (h *Hours) mark(w window) {
	h.marks = append(h.marks, w.opens%minutesPerDay, w.closes%minutesPerDay)
}

// windowOf reads a window; ok is false if it has no length or is not written as a time.
func windowOf(opens, closes v1alpha1.TimeOfDay) (w window, ok bool) {
	w.opens, ok = MinuteOfDay(opens)
	var alsoOK bool
	w.closes, alsoOK = MinuteOfDay(closes)
	if w.closes <= w.opens {
		w.closes += minutesPerDay
	}
	return w, ok && alsoOK && opens != closes && w.opens < minutesPerDay
}

// countries lists the codes of the national calendars.
func countries() string {
	var codes []string
	for _, calendar := range HolidayCalendars() {
		if calendar != v1alpha1.USFederal {
			codes = append(codes, string(calendar))
		}
	}
	return strings.Join(codes, ", ")
}

func inconsistent(format string, args ...any) *Defect {
	return &Defect{v1alpha1.ReasonPlanInconsistent, "spec.operatingHours." + fmt.Sprintf(format, args...)}
}

// Week are the days of the week from Monday on.
var Week = []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}

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
// no holidays, no closures and no special days. The week begins on Monday at 00:00 in the hours' zone.
func (h Hours) Regular(minute int) bool {
	if h.alwaysOn {
		return true
	}
	day, clock := minute/minutesPerDay, minute%minutesPerDay
	return within(h.windows[day], clock) || within(h.windows[(day+6)%7], clock+minutesPerDay)
}

// within reports whether a minute is in one of some windows.
func within(windows []window, minute int) bool {
	for _, w := range windows {
		if minute >= w.opens && minute < w.closes {
			return true
		}
	}
	return false
}

// Marks are the minutes of a day at which P-CSMs can begin or stop to be at work, beside midnight,
// in order.
func (h Hours) Marks() []int {
	return h.marks
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

// horizon is how many days ahead At looks for a change.
const horizon = 400

// At reports whether P-CSMs are at work at an instant, and when that changes next.
// The change is zero if there is none.
//
// The clock in the hours' zone decides: they are at work while it reads a time from
// opens up to closes, of a window of that day or one that is open past midnight. What
// daylight saving skips does not exist, so that an opening within it is when the clock
// first reads that or later; what it repeats counts twice.
func (h Hours) At(now time.Time) (open bool, change time.Time) {
	if h.alwaysOn {
		return true, time.Time{}
	}
	now = now.In(h.zone)
	open = h.includes(now)
	until := now.AddDate(0, 0, horizon)
	for at := NextMark(now, h.marks); at.Before(until); at = NextMark(at, h.marks) {
		if h.includes(at) != open {
			return open, at
		}
	}
	return open, time.Time{}
}

// includes reports whether the clock reads a time within the hours at an instant,
// which is in the hours' zone.
func (h Hours) includes(at time.Time) bool {
	today, clock := DayOf(at), MinuteOf(at)
	return within(h.on(today), clock) || within(h.on(today-1), clock+minutesPerDay)
}

// on are the windows that open on a day: a special day has its own, a holiday none.
func (h Hours) on(day Day) []window {
	if windows, special := h.special[day]; special {
		return windows
	}
	windows := h.windows[day.Weekday()]
	if len(windows) == 0 || IsHoliday(h.holidays, day, h.works) {
		return nil
	}
	return windows
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

// longestDescription is how many characters of windows a description has: with the rest it fits into
// status.hours of a SupportPlan.
const longestDescription = 128

// Describe writes operating hours in a line, such as "Mon-Fri 09:00-17:00
// America/New_York, without U.S. federal holidays".
func Describe(effective v1alpha1.OperatingHours) string {
	if ptr.Deref(effective.AlwaysOn, false) {
		return "24x7"
	}
	windows := Windows(effective)
	of := func(day v1alpha1.DayOfWeek) string { // all its windows
		var spans []string
		for _, w := range windows {
			if slices.Contains(w.Days, day) {
				spans = append(spans, string(w.Opens)+"-"+string(w.Closes))
			}
		}
		slices.Sort(spans)
		return strings.Join(spans, ",")
	}
	var order []string
	days := map[string][]v1alpha1.DayOfWeek{}
	for _, day := range Week {
		spans := of(day)
		if spans == "" {
			continue
		}
		if days[spans] == nil {
			order = append(order, spans)
		}
		days[spans] = append(days[spans], day)
	}
	var parts []string
	for _, spans := range order {
		parts = append(parts, DescribeDays(days[spans])+" "+spans)
	}
	text := strings.Join(parts, ", ")
	if len(text) > longestDescription {
		text = fmt.Sprintf("%d windows a week", len(windows))
	}
	text += " " + string(effective.TimeZone)
	switch effective.Holidays {
	case "", v1alpha1.NoHolidays:
	case v1alpha1.USFederal:
		text += ", without U.S. federal holidays"
	default:
		text += ", without public holidays of " + string(effective.Holidays)
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
