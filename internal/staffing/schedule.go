package staffing

import (
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/support"
)

// Schedule is when the P-CSMs of an allocation work, by the calendar and the clock of its zone. Make
// it with NewSchedule.
type Schedule struct {
	// Zone is that of the allocation.
	Zone *time.Location
	// Marks are the minutes of the day at which anybody can begin or stop to work, in order.
	Marks []int
	// Rotation is after how many weeks the weekly shifts repeat.
	Rotation int

	fte        v1alpha1.FTE
	weekly     []weekly
	exceptions map[support.Day][]part
	absences   []absence
	holidays   v1alpha1.HolidayCalendar
	works      support.Workdays
}

// part is a time in which some FTE are on duty, in minutes after the midnight of the day on which it
// starts. It can go on past the next midnight.
type part struct {
	start, length int
	fte           v1alpha1.FTE
}

func (p part) at(minute int) bool {
	return minute >= p.start && minute < p.start+p.length
}

// weekly is a shift of some days of the week.
type weekly struct {
	part
	days support.Workdays
	// every is the distance in weeks, and first one of the weeks.
	every, first int
}

func (w *weekly) starts(day support.Day) bool {
	return w.days[day.Weekday()] && (w.every <= 1 || (day.Week()-w.first)%w.every == 0)
}

// absence is a range of days, both included.
type absence struct {
	from, until support.Day
	fte         v1alpha1.FTE
}

// NewSchedule reads the schedule of an allocation that is accepted.
func NewSchedule(allocation *v1alpha1.PCSMAllocation) (*Schedule, error) {
	spec := &allocation.Spec
	localization := ptr.Deref(spec.Localization, v1alpha1.Localization{})
	zone, err := support.LoadZone(localization.TimeZone)
	if err != nil {
		return nil, err
	}
	s := scheduleOf(allocation)
	s.Zone = zone
	return s, nil
}

// scheduleOf is a schedule without its zone. What the schema refuses is left out.
func scheduleOf(allocation *v1alpha1.PCSMAllocation) *Schedule {
	spec := &allocation.Spec
	s := &Schedule{fte: spec.FTE, Rotation: 1}
	if spec.Localization != nil {
		s.holidays = spec.Localization.Holidays
	}
	for _, given := range spec.Shifts {
		w := weekly{days: support.WorkdaysOf(given.Days), every: int(given.EveryNthWeek)}
		w.fte = OnShift(allocation, given)
		w.start, w.length = ShiftMinutes(given)
		if w.every > 1 {
			if anchor, ok := support.ParseDay(given.Anchor); ok {
				w.first = anchor.Week()
			}
			s.Rotation = LeastCommonMultiple(s.Rotation, w.every)
		}
		s.weekly = append(s.weekly, w)
		s.works = s.works.Union(w.days)
		s.mark(w.part)
	}
	for _, given := range spec.Exceptions {
		date, ok := support.ParseDay(given.Date)
		if !ok {
			continue
		}
		if s.exceptions == nil {
			s.exceptions = map[support.Day][]part{}
		}
		found := part{fte: ptr.Deref(given.FTE, spec.FTE)}
		if found.start, found.length = ShiftMinutes(v1alpha1.Shift{Start: given.Start, End: given.End}); found.fte == 0 {
			found.length = 0
		}
		s.exceptions[date] = append(s.exceptions[date], found)
		s.mark(found)
	}
	for _, given := range spec.Absences {
		from, ok := support.ParseDay(given.From)
		until, alsoOK := support.ParseDay(given.Until)
		if ok && alsoOK {
			away := given.FTE
			if away == 0 {
				away = spec.FTE
			}
			s.absences = append(s.absences, absence{from, until, away})
		}
	}
	slices.Sort(s.Marks)
	s.Marks = slices.Compact(s.Marks)
	return s
}

func (s *Schedule) mark(p part) {
	if p.length > 0 {
		s.Marks = append(s.Marks, p.start, (p.start+p.length)%dayMinutes)
	}
}

// LeastCommonMultiple is that of two positive numbers.
func LeastCommonMultiple(a, b int) int {
	product := a * b
	for b != 0 {
		a, b = b, a%b
	}
	return product / a
}

// Regular are the FTE that the weekly shifts have on duty at a minute of a day.
func (s *Schedule) Regular(day support.Day, minute int) v1alpha1.FTE {
	return s.shifts(day, minute) + s.shifts(day-1, minute+dayMinutes)
}

// shifts are the FTE of the weekly shifts that start on a day, at a minute after its midnight.
func (s *Schedule) shifts(day support.Day, minute int) v1alpha1.FTE {
	var fte v1alpha1.FTE
	for i := range s.weekly {
		if w := &s.weekly[i]; w.at(minute) && w.starts(day) {
			fte += w.fte
		}
	}
	return fte
}

// OnDuty are the FTE that are on duty at a minute of a day, with all exceptions, holidays and
// absences.
func (s *Schedule) OnDuty(day support.Day, minute int) v1alpha1.FTE {
	fte := s.real(day, minute) + s.real(day-1, minute+dayMinutes)
	// Those who are away all night are so on both of its days.
	if away := min(s.away(day), s.away(day-1)); away > 0 {
		fte = min(fte, s.fte-away)
	}
	return fte
}

// real are the FTE of what starts on a day, at a minute after its midnight: exceptions replace
// weekly shifts, also on a holiday, and an absence takes away from either.
func (s *Schedule) real(day support.Day, minute int) v1alpha1.FTE {
	fte := s.present(day, minute)
	if fte > 0 {
		fte = min(fte, s.fte-s.away(day))
	}
	return max(0, fte)
}

// present are the FTE of what starts on a day without absences.
func (s *Schedule) present(day support.Day, minute int) v1alpha1.FTE {
	if minute >= dayMinutes+longestShift {
		return 0
	}
	if _, replaced := s.exceptions[day]; !replaced && support.IsHoliday(s.holidays, day, s.works) {
		return 0
	}
	return s.planned(day, minute)
}

// planned are the FTE of what starts on a day without absences and holidays.
func (s *Schedule) planned(day support.Day, minute int) v1alpha1.FTE {
	exceptions, replaced := s.exceptions[day]
	if !replaced {
		return s.shifts(day, minute)
	}
	var fte v1alpha1.FTE
	for _, p := range exceptions {
		if p.at(minute) {
			fte += p.fte
		}
	}
	return fte
}

// away are the FTE that are absent on a day.
func (s *Schedule) away(day support.Day) v1alpha1.FTE {
	for _, a := range s.absences {
		if day >= a.from && day <= a.until {
			return a.fte
		}
	}
	return 0
}

// Taken says what takes the weekly shifts of a minute of a day away, in part or in whole; empty if
// nothing does.
func (s *Schedule) Taken(day support.Day, minute int) v1alpha1.GapReason {
	if s.OnDuty(day, minute) >= s.Regular(day, minute) {
		return ""
	}
	for _, of := range []support.Day{day, day - 1} {
		if s.shifts(of, minute) > s.real(of, minute) {
			_, replaced := s.exceptions[of]
			switch {
			case s.present(of, minute) > 0: // and so an absence takes it
				return v1alpha1.GapAbsence
			case replaced:
				return v1alpha1.GapException
			}
			return v1alpha1.GapHoliday
		}
		minute += dayMinutes
	}
	return ""
}

// Days are some days, both included.
type Days struct {
	From, Until support.Day
}

// Irregular are days on which not the weekly shifts alone decide who is on duty: all absences and
// exceptions that are not over before a day, and the holidays from then until another.
func (s *Schedule) Irregular(from, until support.Day) []Days {
	var found []Days
	add := func(a, b support.Day) {
		if b >= from {
			found = append(found, Days{a, b})
		}
	}
	for _, a := range s.absences {
		add(a.from, a.until)
	}
	for day := range s.exceptions {
		add(day, day)
	}
	for _, day := range support.PublicHolidays(s.holidays, s.works, from, until) {
		add(day, day)
	}
	return found
}

// AfterMidnight visits the times of exceptions at which a weekly shift can be on duty besides them, by the
// weekday, from Monday as 0: after midnight, one of the day before, or of the day that follows.
func (s *Schedule) AfterMidnight(visit func(weekday, from, until int, fte v1alpha1.FTE)) {
	for date, parts := range s.exceptions {
		for _, p := range parts {
			if p.start < longestShift {
				visit(date.Weekday(), p.start, min(longestShift, p.start+p.length), p.fte)
			}
			if end := p.start + p.length; end > dayMinutes {
				visit((date + 1).Weekday(), 0, end-dayMinutes, p.fte)
			}
		}
	}
}

// Weekly reports whether there are weekly shifts.
func (s *Schedule) Weekly() bool {
	return len(s.weekly) > 0
}
