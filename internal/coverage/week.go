package coverage

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/support"
)

// Week is how much of a regular week's operating hours have P-CSMs on duty. A regular
// week has no holidays and no closures.
type Week struct {
	// Operating and Uncovered are minutes.
	Operating, Uncovered int
	// Gaps are the operating hours with nobody on duty, from Monday 00:00 on.
	Gaps []Gap
}

// Gap is a part of a regular week, in minutes from Monday 00:00 as the clock in the
// plan's zone reads them. One that passes the end of the week ends after it.
type Gap struct {
	From, Until int
}

func weekOf(pattern []stretch) Week {
	var w Week
	for _, part := range pattern {
		if !part.open {
			continue
		}
		w.Operating += part.until - part.from
		if part.fte >= v1alpha1.HalfFTE {
			continue
		}
		w.Uncovered += part.until - part.from
		if last := len(w.Gaps) - 1; last >= 0 && w.Gaps[last].Until == part.from {
			w.Gaps[last].Until = part.until
		} else {
			w.Gaps = append(w.Gaps, Gap{part.from, part.until})
		}
	}
	// A gap from Sunday night to Monday morning is one.
	if last := len(w.Gaps) - 1; last > 0 && w.Gaps[0].From == 0 && w.Gaps[last].Until == week {
		w.Gaps[last].Until += w.Gaps[0].Until
		w.Gaps = w.Gaps[1:]
	}
	return w
}

// Beyond is the week without the gaps that another has, too.
func (w Week) Beyond(other Week) Week {
	var known [week]bool
	for _, gap := range other.Gaps {
		for minute := gap.From; minute < gap.Until; minute++ {
			known[minute%week] = true
		}
	}
	var pattern []stretch
	for _, gap := range w.Gaps {
		for minute := gap.From; minute < gap.Until; minute++ {
			if !known[minute%week] {
				pattern = append(pattern, stretch{from: minute % week, until: minute%week + 1, open: true})
			}
		}
	}
	slices.SortFunc(pattern, func(a, b stretch) int { return a.from - b.from })
	return weekOf(pattern)
}

// Verdict is what a roster is worth.
type Verdict struct {
	// Declared tells that an allocation at work has shifts. Without any, nothing is
	// known, and the rest is empty.
	Declared bool
	// Week is the regular week, with the clocks as far apart as they are now.
	Week
	// Zone is the plan's, in which weeks are told.
	Zone *time.Location
	// Worse is the week of the next 365 days in which the most hours are uncovered,
	// if these are more than now; nil if none are. It comes at WorseFrom.
	Worse     *Week
	WorseFrom time.Time
	// Changes is when a clock is put forward or back next; zero if none ever is.
	Changes time.Time
}

// Judge judges the roster with the allocations that are in their contract window now,
// as DESIGN's "Coverage, exactly" has it: each distance that the clocks will have from
// each other is judged, and the verdict changes only when they change.
func (r *Roster) Judge(now time.Time) Verdict {
	shifts := r.at(now)
	v := Verdict{Declared: len(shifts) > 0, Zone: r.hours.Zone()}
	if !v.Declared {
		return v
	}
	v.Week = weekOf(r.pattern(shifts, now))
	zones := r.zones(shifts)
	v.Changes = nextOffset(zones, now)
	if v.Changes.IsZero() {
		return v
	}
	judged := map[string]bool{r.distances(shifts, now): true}
	// Until a year after the next change, so that what is found depends on it alone.
	for at, until := v.Changes, v.Changes.AddDate(1, 0, 0); !at.IsZero() && at.Before(until); at = nextOffset(zones, at) {
		key := r.distances(shifts, at)
		if judged[key] {
			continue
		}
		judged[key] = true
		found := weekOf(r.pattern(shifts, at))
		if found.Uncovered > v.Uncovered && (v.Worse == nil || found.Uncovered > v.Worse.Uncovered) {
			v.Worse, v.WorseFrom = &found, at
		}
	}
	return v
}

// distances are how far the shifts' clocks are from the plan's at an instant.
func (r *Roster) distances(shifts []shift, at time.Time) string {
	key := make([]byte, 0, 6*len(shifts))
	for i := range shifts {
		key = append(strconv.AppendInt(key, int64(ahead(shifts[i].zone, r.hours.Zone(), at)), 10), ' ')
	}
	return string(key)
}

// Summary is "<covered>/<operating>h", such as 120/168h.
func (w Week) Summary() string {
	return hours(w.Operating-w.Uncovered) + "/" + hours(w.Operating) + "h"
}

// hours writes minutes as hours, with at most two decimals.
func hours(minutes int) string {
	return strconv.FormatFloat(float64(minutes*100/60)/100, 'f', -1, 64)
}

// Message is the verdict in a sentence: how many hours, which, and what to do.
func (v Verdict) Message() string {
	switch {
	case !v.Declared:
		return "no allocation at work declares shifts, so nobody knows who is on duty when: write them in spec.shifts of the PCSMAllocations"
	case v.Uncovered == 0 && v.Worse == nil:
		return fmt.Sprintf("all %s operating hours of a week have P-CSMs on duty", hours(v.Operating))
	case v.Uncovered == 0:
		return fmt.Sprintf("all %s operating hours of a week have P-CSMs on duty, but from %s on, when clocks change, %s have not: %s",
			hours(v.Operating), v.WorseFrom.In(v.Zone).Format(time.DateOnly), hours(v.Worse.Uncovered), v.Worse.Which(v.Zone))
	}
	message := fmt.Sprintf("%s of %s operating hours a week have no P-CSM on duty: %s", hours(v.Uncovered), hours(v.Operating), v.Which(v.Zone))
	if v.Worse != nil {
		message += fmt.Sprintf("; from %s on, when clocks change, it is %s hours: %s", v.WorseFrom.In(v.Zone).Format(time.DateOnly), hours(v.Worse.Uncovered), v.Worse.Which(v.Zone))
	}
	return message + "; add shifts for them, or P-CSMs"
}

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
