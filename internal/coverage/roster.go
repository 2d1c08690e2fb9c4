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

// Roster is a plan's operating hours, and the schedules of those who are to cover them.
type Roster struct {
	hours support.Hours
	// window is when the contract with the partner is in force.
	window staffing.Window
	staff  []staff
	// others are the allocations without shifts.
	others []contract
}

// contract is when an allocation is active.
type contract struct {
	allocation *v1alpha1.PCSMAllocation
	window     staffing.Window
}

// staff are the P-CSMs of an allocation with shifts.
type staff struct {
	*staffing.Schedule
	allocation *v1alpha1.PCSMAllocation
	window     staffing.Window
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
	r.window, _ = staffing.PartnerWindow(partner) // the schema refuses what is none
	for i := range allocations {
		allocation := &allocations[i]
		window, err := staffing.WindowOf(allocation)
		if err != nil || !allocation.DeletionTimestamp.IsZero() ||
			string(allocation.Spec.PartnerRef.Name) != partner.Name || staffing.Accept(allocation, partner) != nil {
			continue
		}
		if len(allocation.Spec.Shifts)+len(allocation.Spec.Exceptions) == 0 {
			r.others = append(r.others, contract{allocation, window})
			continue
		}
		schedule, err := staffing.NewSchedule(allocation)
		if err != nil {
			continue // it is not accepted
		}
		r.staff = append(r.staff, staff{schedule, allocation, window})
	}
	return r, nil
}

// at are those who are in their contract window.
func (r *Roster) at(now time.Time) []staff {
	var active []staff
	for _, s := range r.staff {
		if s.window.Contains(now) {
			active = append(active, s)
		}
	}
	return active
}

// onDuty are the FTE on duty at an instant, in fact and by the weekly shifts alone.
func (s *staff) onDuty(at time.Time) (fte, regular v1alpha1.FTE) {
	local := at.In(s.Zone)
	day, minute := support.DayOf(local), support.MinuteOf(local)
	return s.OnDuty(day, minute), s.Regular(day, minute)
}

// taken says what takes those away who would be on duty at an instant by the weekly shifts; empty if
// nothing does.
func (s *staff) taken(at time.Time) v1alpha1.GapReason {
	local := at.In(s.Zone)
	return s.Taken(support.DayOf(local), support.MinuteOf(local))
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

// pattern is a regular week of a rotation, with the clocks as far apart as they are at an instant.
func (r *Roster) pattern(active []staff, of int, at time.Time) []stretch {
	zone := r.hours.Zone()
	marks := make([]int, 0, 64)
	fast := make([]int, len(active)) // how far each one's clock is ahead
	for i := range active {
		fast[i] = ahead(active[i].Zone, zone, at)
	}
	for weekday := range 7 {
		begin := weekday * day
		marks = append(marks, begin)
		for _, minute := range r.hours.Marks() {
			marks = append(marks, begin+minute)
		}
		for i := range active {
			for _, minute := range active[i].Marks {
				marks = append(marks, (begin+minute-fast[i]+2*week)%week)
			}
			marks = append(marks, (begin-fast[i]+2*week)%week) // midnight there
		}
	}
	marks = append(marks, week)
	slices.Sort(marks)
	marks = slices.Compact(marks)
	monday := support.MondayOf(of)
	stretches := make([]stretch, 0, len(marks))
	for i, from := range marks[:len(marks)-1] {
		found := stretch{from: from, until: marks[i+1], open: r.hours.Regular(from)}
		for j := range active {
			minute := from + fast[j] + 2*week // which keeps it positive
			found.fte += active[j].Regular(monday-14+support.Day(minute/day), minute%day)
		}
		stretches = append(stretches, found)
	}
	return stretches
}

// rotation is after how many weeks the shifts of some repeat.
func rotation(active []staff) int {
	weeks := 1
	for i := range active {
		weeks = staffing.LeastCommonMultiple(weeks, active[i].Rotation)
	}
	return weeks
}

// regular is the week of the rotation with the most uncovered hours, with the clocks as far apart as
// they are at an instant.
func (r *Roster) regular(active []staff, at time.Time) Week {
	weakest := weekOf(r.pattern(active, 0, at))
	for of := 1; of < rotation(active); of++ {
		if found := weekOf(r.pattern(active, of, at)); found.Uncovered > weakest.Uncovered {
			weakest = found
		}
	}
	return weakest
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
		end := support.OffsetEnds(at.In(zone))
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

// zones are those of the hours and of some schedules, each once.
func (r *Roster) zones(active []staff) []*time.Location {
	zones := []*time.Location{r.hours.Zone()}
	for i := range active {
		if !slices.Contains(zones, active[i].Zone) {
			zones = append(zones, active[i].Zone)
		}
	}
	return zones
}
