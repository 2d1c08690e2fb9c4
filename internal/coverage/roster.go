package coverage

import (
	"slices"
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/support"
)

// Minutes of a day and of a week. A week begins on Monday at 00:00.
const (
	day  = 24 * 60
	week = 7 * day
)

// Roster is a plan's operating hours, and the shifts of those who are to cover them.
type Roster struct {
	hours  support.Hours
	shifts []shift
	// others are the allocations without shifts.
	others []contract
}

// contract is when how many FTE are active.
type contract struct {
	window staffing.Window
	fte    v1alpha1.FTE
}

// shift is a shift of an allocation.
type shift struct {
	allocation    *v1alpha1.PCSMAllocation
	window        staffing.Window
	zone          *time.Location
	days          [7]bool // from Monday
	start, length int     // minutes after midnight, and minutes
	fte           v1alpha1.FTE
}

// New is the roster of a partner under a plan's effective operating hours. Shifts of
// allocations that are not accepted, not the partner's or being deleted cover nothing.
// The error is a *support.Defect of the hours.
func New(hours v1alpha1.OperatingHours, partner *v1alpha1.Partner, allocations []v1alpha1.PCSMAllocation) (*Roster, error) {
	known, err := support.NewHours(hours)
	if err != nil {
		return nil, err
	}
	r := &Roster{hours: known}
	for i := range allocations {
		allocation := &allocations[i]
		window, err := staffing.WindowOf(allocation)
		if err != nil || !allocation.DeletionTimestamp.IsZero() ||
			string(allocation.Spec.PartnerRef.Name) != partner.Name || staffing.Accept(allocation, partner) != nil {
			continue
		}
		if len(allocation.Spec.Shifts) == 0 {
			r.others = append(r.others, contract{window, allocation.Spec.FTE})
			continue
		}
		zone, err := support.LoadZone(allocation.Spec.Localization.TimeZone)
		if err != nil {
			continue // it is not accepted
		}
		for _, given := range allocation.Spec.Shifts {
			s := shift{allocation: allocation, window: window, zone: zone, fte: staffing.OnShift(allocation, given)}
			s.start, s.length = staffing.ShiftMinutes(given)
			for i, name := range support.Week {
				s.days[i] = slices.Contains(given.Days, name)
			}
			r.shifts = append(r.shifts, s)
		}
	}
	return r, nil
}

// at are the shifts of the allocations that are in their contract window.
func (r *Roster) at(now time.Time) []shift {
	var running []shift
	for _, s := range r.shifts {
		if s.window.Contains(now) {
			running = append(running, s)
		}
	}
	return running
}

// covers reports whether a minute of the week, as the clock in the shift's zone reads
// it, is on the shift.
func (s *shift) covers(minute int) bool {
	clock, of := minute%day, minute/day
	if s.days[of] && clock >= s.start && clock < s.start+s.length {
		return true
	}
	return s.days[(of+6)%7] && clock+day < s.start+s.length
}

// ahead is by how many minutes the clock in one zone is ahead of that in another.
func ahead(zone, of *time.Location, at time.Time) int {
	_, a := at.In(zone).Zone()
	_, b := at.In(of).Zone()
	return (a - b) / 60
}

// stretch is a part of a week in which nothing changes.
type stretch struct {
	from, until int // minutes of the week, as the clock in the plan's zone reads them
	open        bool
	fte         v1alpha1.FTE
}

// pattern is a regular week with the clocks as far apart as they are at an instant.
func (r *Roster) pattern(shifts []shift, at time.Time) []stretch {
	zone := r.hours.Zone()
	marks := make([]int, 0, 32)
	for of := range 7 {
		marks = append(marks, of*day)
		for _, minute := range r.hours.Marks() {
			marks = append(marks, of*day+minute)
		}
	}
	fast := make([]int, len(shifts)) // how far each shift's clock is ahead
	for i := range shifts {
		s := &shifts[i]
		fast[i] = ahead(s.zone, zone, at)
		for of, works := range s.days {
			if works {
				begin := of*day + s.start - fast[i] + week
				marks = append(marks, begin%week, (begin+s.length)%week)
			}
		}
	}
	marks = append(marks, week)
	slices.Sort(marks)
	marks = slices.Compact(marks)
	stretches := make([]stretch, 0, len(marks))
	for i, from := range marks[:len(marks)-1] {
		found := stretch{from: from, until: marks[i+1], open: r.hours.Regular(from)}
		for j := range shifts {
			if shifts[j].covers((from + fast[j] + week) % week) {
				found.fte += shifts[j].fte
			}
		}
		stretches = append(stretches, found)
	}
	return stretches
}

// nextOffset is when a clock that the roster goes by is put forward or back next; zero
// if none ever is.
func nextOffset(zones []*time.Location, at time.Time) time.Time {
	var next time.Time
	for _, zone := range zones {
		next = staffing.Earlier(next, offsetChange(zone, at))
	}
	return next
}

// settled is the end of a series of changes that begins with one: clocks of one country
// change within some hours, zone after zone, and the hours between make no week.
func settled(zones []*time.Location, change time.Time) time.Time {
	for !change.IsZero() {
		next := nextOffset(zones, change)
		if next.IsZero() || next.Sub(change) >= oneDay {
			break
		}
		change = next
	}
	return change
}

const oneDay = 24 * time.Hour

// offsetChange is when the clock in a zone is put forward or back next; zero if it never
// is. Bounds of a zone at which its offset stays, as at the ends of years, do not count.
func offsetChange(zone *time.Location, at time.Time) time.Time {
	_, offset := at.In(zone).Zone()
	for range 10 {
		_, end := at.In(zone).ZoneBounds()
		if end.IsZero() {
			break
		}
		if _, then := end.In(zone).Zone(); then != offset {
			return end
		}
		at = end
	}
	return time.Time{}
}

// zones are those of the hours and of some shifts, each once.
func (r *Roster) zones(shifts []shift) []*time.Location {
	zones := []*time.Location{r.hours.Zone()}
	for i := range shifts {
		if !slices.Contains(zones, shifts[i].zone) {
			zones = append(zones, shifts[i].zone)
		}
	}
	return zones
}
