package coverage

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/support"
)

// Week is how much of a regular week's operating hours have P-CSMs on duty. A regular
// week has no holidays and no closures.
type Week struct {
	// Operating and Uncovered are minutes.
	Operating, Uncovered int
	// Open are the operating hours, each of one day.
	Open []Part
	// Gaps are the operating hours with nobody on duty, from Monday 00:00 on. One that
	// passes the end of the week ends after it.
	Gaps []Part
}

// Part is a part of a regular week, in minutes from Monday 00:00 as the clock in the
// plan's zone reads them.
type Part struct {
	From, Until int
}

// On is what a part has of a day, which counts from Monday as 0, in minutes of that day;
// ok is false if it has nothing of it.
func (p Part) On(of int) (from, until int, ok bool) {
	for _, at := range []int{of * day, of*day + week} { // a gap may pass the end of the week
		if from, until = max(p.From, at)-at, min(p.Until, at+day)-at; from < until {
			return from, until, true
		}
	}
	return 0, 0, false
}

func weekOf(pattern []stretch) Week {
	var w Week
	for _, part := range pattern {
		if !part.open {
			continue
		}
		w.Operating += part.until - part.from
		if last := len(w.Open) - 1; last >= 0 && w.Open[last].Until == part.from && part.from%day != 0 {
			w.Open[last].Until = part.until
		} else {
			w.Open = append(w.Open, Part{part.from, part.until})
		}
		if part.fte >= v1alpha1.HalfFTE {
			continue
		}
		w.Uncovered += part.until - part.from
		if last := len(w.Gaps) - 1; last >= 0 && w.Gaps[last].Until == part.from {
			w.Gaps[last].Until = part.until
		} else {
			w.Gaps = append(w.Gaps, Part{part.from, part.until})
		}
	}
	// A gap from Sunday night to Monday morning is one.
	if last := len(w.Gaps) - 1; last > 0 && w.Gaps[0].From == 0 && w.Gaps[last].Until == week {
		w.Gaps[last].Until += w.Gaps[0].Until
		w.Gaps = w.Gaps[1:]
	}
	return w
}

// Covered are the operating hours with somebody on duty in every week of the rotation, each of one day,
// with the clocks as far apart as they are at an instant. They tell nothing if these are all, or if there
// are none although each week has some.
func (r *Roster) Covered(at time.Time) (covered []Part, tell bool) {
	active := r.at(at)
	var open, gaps []Part
	some := false
	for of := range rotation(active) {
		week := weekOf(r.pattern(active, of, at))
		open, gaps = week.Open, append(gaps, week.Gaps...)
		some = some || week.Uncovered < week.Operating
	}
	gaps = mergeParts(gaps)
	for _, part := range open {
		covered = append(covered, without([]Part{part}, gaps)...)
	}
	return covered, len(gaps) > 0 && (len(covered) > 0 || !some)
}

// Windows are parts of a week, each of less than a day, as operating hours are written: those at the same
// time of several days as one.
func Windows(parts []Part) []v1alpha1.HoursWindow {
	windows := []v1alpha1.HoursWindow{}
	for _, p := range parts {
		of := p.From / day
		window := v1alpha1.HoursWindow{Opens: v1alpha1.TimeOfDay(clockOf(p.From - of*day)), Closes: v1alpha1.TimeOfDay(clockOf(p.Until - of*day))}
		if p.Until > (of+1)*day { // on the next day
			window.Closes = v1alpha1.TimeOfDay(clockOf(p.Until - (of+1)*day))
		}
		at := slices.IndexFunc(windows, func(w v1alpha1.HoursWindow) bool { return w.Opens == window.Opens && w.Closes == window.Closes })
		if at < 0 {
			at, windows = len(windows), append(windows, window)
		}
		windows[at].Days = append(windows[at].Days, support.Week[of])
	}
	return windows
}

// Lost is the part of a week that was covered before, and is not now.
func (w Week) Lost(before Week) Week {
	var was, is [week]bool // covered, and a gap
	mark := func(minutes *[week]bool, parts []Part, value bool) {
		for _, part := range parts {
			for minute := part.From; minute < part.Until; minute++ {
				minutes[minute%week] = value
			}
		}
	}
	mark(&was, before.Open, true)
	mark(&was, before.Gaps, false)
	mark(&is, w.Gaps, true)
	var lost []stretch
	for minute := range week {
		lost = append(lost, stretch{from: minute, until: minute + 1, open: was[minute] && is[minute]})
	}
	return weekOf(lost)
}

// Verdict is what a roster is worth.
type Verdict struct {
	// Declared tells that an active allocation has shifts. Without any, nothing is
	// known, and the rest is empty.
	Declared bool
	// Week is the regular week, with the clocks as far apart as they are now.
	Week
	// Zone is the plan's, in which weeks are told.
	Zone *time.Location
	// Undeclared are the names of active allocations without shifts, which cover nothing, in
	// order.
	Undeclared []string
	// Rotating reports that the shifts are a rotation, of which Week is the weakest week.
	Rotating bool
	// Worse is the week of the next 365 days in which the most hours are uncovered,
	// if these are more than now; nil if none are. It comes at WorseFrom.
	Worse     *Week
	WorseFrom time.Time
	// NextGap is the first time, from now or within Foresight, in which nobody is on duty although
	// the weekly shifts cover it; nil if there is none.
	NextGap *Gap
	// Changes is when the verdict can change by time alone: when the clocks' distances from each
	// other change next, or another gap is the next one; zero if neither comes within two years.
	Changes time.Time
}

// Gap is a time in which nobody is on duty, because of something that takes the weekly shifts away.
type Gap struct {
	Span
	Reason v1alpha1.GapReason
	// Allocation is the name of one whose weekly shifts are taken away when it begins.
	Allocation string
}

// Judge judges the roster with the allocations that are in their contract window now:
// each distance that the clocks will have from each other is judged, and the verdict
// changes only when they change; see docs/decisions/0014-weeks-of-settled-clocks.md.
func (r *Roster) Judge(now time.Time) Verdict {
	active := r.at(now)
	v := Verdict{Declared: slices.ContainsFunc(active, func(s staff) bool { return s.Weekly() }), Zone: r.hours.Zone()}
	for _, other := range r.others {
		if other.window.Contains(now) {
			v.Undeclared = append(v.Undeclared, other.allocation.Name)
		}
	}
	slices.Sort(v.Undeclared)
	if !v.Declared {
		return v
	}
	zones := r.zones(active)
	at := now
	if first := nextOffset(zones, now.Add(-oneDay)); len(zones) > 1 && !first.IsZero() && !first.After(now) && settled(zones, first).After(now) {
		at = first.Add(-time.Minute) // the clocks are about to settle
	}
	v.Week, v.Rotating = r.regular(active, at), rotation(active) > 1
	if len(zones) > 1 {
		r.lookAhead(&v, active, zones, now, at)
	}
	v.NextGap, v.Changes = r.foresee(now, v.Changes)
	return v
}

// lookAhead finds the worst distances that the clocks will have from each other.
func (r *Roster) lookAhead(v *Verdict, active []staff, zones []*time.Location, now, at time.Time) {
	key := r.distances(active, at)
	judged := map[string]bool{key: true}
	// Until a year after the next change, so that what is found depends on it alone.
	until := now.AddDate(2, 0, 0)
	for at = settled(zones, nextOffset(zones, at)); !at.IsZero() && at.Before(until); at = settled(zones, nextOffset(zones, at)) {
		then := r.distances(active, at)
		if v.Changes.IsZero() && then != key {
			v.Changes, until = at, at.AddDate(1, 0, 0)
		}
		if judged[then] {
			continue
		}
		judged[then] = true
		found := r.regular(active, at)
		if found.Uncovered > v.Uncovered && (v.Worse == nil || found.Uncovered > v.Worse.Uncovered) {
			v.Worse, v.WorseFrom = &found, at
		}
	}
}

// distances are how far the staff's clocks are from the plan's at an instant.
func (r *Roster) distances(active []staff, at time.Time) string {
	key := make([]byte, 0, 6*len(active))
	for i := range active {
		key = append(strconv.AppendInt(key, int64(ahead(active[i].Zone, r.hours.Zone(), at)), 10), ' ')
	}
	return string(key)
}

// Summary is "<covered>/<operating>h", such as 120/168h.
func (w Week) Summary() string {
	return support.InHours(w.Operating-w.Uncovered) + "/" + support.InHours(w.Operating) + "h"
}

// Message is the verdict in a sentence: how many hours, which, and what to do.
func (v Verdict) Message() string {
	if !v.Declared {
		return "no active allocation declares shifts, so the coverage is unknown: write them in spec.shifts of the PCSMAllocations"
	}
	covered := v.Uncovered == 0
	message := fmt.Sprintf("all %s operating hours of a week have a P-CSM on duty", support.InHours(v.Operating))
	switch {
	case !covered && v.Rotating:
		message = fmt.Sprintf("%s of %s operating hours have no P-CSM on duty in the weakest week of the rotation: %s", support.InHours(v.Uncovered), support.InHours(v.Operating), v.Which(v.Zone))
	case !covered:
		message = fmt.Sprintf("%s of %s operating hours a week have no P-CSM on duty: %s", support.InHours(v.Uncovered), support.InHours(v.Operating), v.Which(v.Zone))
	}
	switch {
	case v.Worse != nil && covered:
		message += fmt.Sprintf(", but from %s on, when clocks change, %s have nobody on duty: %s", v.WorseFrom.In(v.Zone).Format(time.DateOnly), support.InHours(v.Worse.Uncovered), v.Worse.Which(v.Zone))
	case v.Worse != nil:
		message += fmt.Sprintf("; from %s on, when clocks change, it is %s hours: %s", v.WorseFrom.In(v.Zone).Format(time.DateOnly), support.InHours(v.Worse.Uncovered), v.Worse.Which(v.Zone))
	}
	if v.NextGap != nil {
		message += "; " + v.NextGap.Describe(v.Zone)
	}
	if len(v.Undeclared) > 0 {
		message += "; these active allocations declare no shifts, and cover nothing: " + conditions.Listed(v.Undeclared, mostNames)
	}
	if covered {
		return message
	}
	return message + "; add shifts for these hours, or P-CSMs"
}

// Describe says from when to when nobody is on duty, and why.
func (g Gap) Describe(zone *time.Location) string {
	from, until := g.From.In(zone), g.Until.In(zone)
	layout := "2006-01-02 15:04"
	if from.YearDay() == until.YearDay() && until.Sub(from) < oneDay {
		layout = "15:04"
	}
	because := map[v1alpha1.GapReason]string{
		v1alpha1.GapAbsence: "because of an absence", v1alpha1.GapException: "because of an exception", v1alpha1.GapHoliday: "because of a public holiday of the P-CSMs",
	}
	return fmt.Sprintf("from %s to %s (%s) nobody is on duty %s", from.Format("2006-01-02 15:04"), until.Format(layout), zone, because[g.Reason])
}

// mostNames is how many allocations a message lists.
const mostNames = 6

// mostGaps is how many gaps a message lists.
const mostGaps = 6

// Which lists the gaps, those at the same time of several days in one, such as
// "Mon-Fri 17:00-22:00, Sat 00:00-Mon 00:00 (Europe/Berlin)".
func (w Week) Which(zone *time.Location) string {
	type times struct{ clock, length int }
	var order []times
	days := map[times][]v1alpha1.DayOfWeek{}
	for _, gap := range w.Gaps {
		at := times{gap.From % day, gap.Until - gap.From}
		if days[at] == nil {
			order = append(order, at)
		}
		days[at] = append(days[at], support.Week[gap.From/day])
	}
	var parts []string
	for i, at := range order {
		if i == mostGaps {
			parts = append(parts, fmt.Sprintf("and %d more", len(order)-mostGaps))
			break
		}
		until := at.clock + at.length
		switch {
		case at.length == week:
			parts = append(parts, "all week")
		case until <= day:
			parts = append(parts, fmt.Sprintf("%s %s-%s", support.DescribeDays(days[at]), clockOf(at.clock), clockOf(until)))
		case at.length < day:
			parts = append(parts, fmt.Sprintf("%s %s-%s", support.DescribeDays(days[at]), clockOf(at.clock), clockOf(until%day)))
		default:
			for _, name := range days[at] {
				from := slices.Index(support.Week, name)
				parts = append(parts, fmt.Sprintf("%s %s-%s %s", name[:3], clockOf(at.clock), support.Week[(from+until/day)%7][:3], clockOf(until%day)))
			}
		}
	}
	return strings.Join(parts, ", ") + " (" + zone.String() + ")"
}

// clockOf writes a minute of the day as HH:MM.
func clockOf(minute int) string {
	return fmt.Sprintf("%02d:%02d", minute/60, minute%60)
}
