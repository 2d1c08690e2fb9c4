package staffing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/support"
)

// How long a P-CSM works ("Customer Success Manager (P-CSM)", Minimum Staffing
// Requirements: 8 hours a day; five days a week is read), in minutes.
const (
	longestShift = 8 * 60
	workingWeek  = 5 * longestShift
	dayMinutes   = 24 * 60

	// longestAbsence is how many days an absence lasts at most.
	longestAbsence = 366
)

// ShiftMinutes are the minutes after midnight at which a shift starts, and how many it
// lasts. The length is 0 for a shift that the schema would have refused.
func ShiftMinutes(shift v1alpha1.Shift) (start, length int) {
	start, ok := support.MinuteOfDay(shift.Start)
	end, alsoOK := support.MinuteOfDay(shift.End)
	if !ok || !alsoOK || start == dayMinutes {
		return 0, 0
	}
	if end <= start {
		end += dayMinutes
	}
	if length = end - start; length > longestShift {
		return start, 0
	}
	return start, length
}

// OnShift are the FTE of an allocation that are on duty on one of its shifts.
func OnShift(allocation *v1alpha1.PCSMAllocation, shift v1alpha1.Shift) v1alpha1.FTE {
	return cmp.Or(shift.FTE, allocation.Spec.FTE)
}

// acceptShifts reports what makes an allocation's schedule impossible for its people; nil if nothing
// does. An allocation of F FTE is F people, rounded up. Nobody works more than 8 hours a day and 40
// hours a week, whatever the fte of a shift says of their attention.
func acceptShifts(allocation *v1alpha1.PCSMAllocation) *Refusal {
	has := allocation.Spec.FTE
	for i, shift := range allocation.Spec.Shifts {
		if _, length := ShiftMinutes(shift); length == 0 {
			return refuse("spec.shifts[%d]: from %s to %s is no shift: write an end that is up to 8 hours after start", i, shift.Start, shift.End)
		}
		if fte := OnShift(allocation, shift); fte > has {
			return refuse("spec.shifts[%d].fte: the allocation has %s FTE, and %s are to be on duty: write at most %s, or raise spec.fte", i, has, fte, has)
		}
	}
	for i, exception := range allocation.Spec.Exceptions {
		fte := ptr.Deref(exception.FTE, has)
		if fte > has {
			return refuse("spec.exceptions[%d].fte: the allocation has %s FTE, and %s are to be on duty: write at most %s, or raise spec.fte", i, has, fte, has)
		}
		if _, length := ShiftMinutes(v1alpha1.Shift{Start: exception.Start, End: exception.End}); length == 0 && fte > 0 {
			return refuse("spec.exceptions[%d]: from %s to %s is no shift: write an end that is up to 8 hours after start", i, exception.Start, exception.End)
		}
	}
	for i, absence := range allocation.Spec.Absences {
		from, ok := support.ParseDay(absence.From)
		if until, alsoOK := support.ParseDay(absence.Until); !ok || !alsoOK || until < from || until-from >= longestAbsence {
			return refuse("spec.absences[%d]: from %s to %s is no absence: write an until that is from or later, at most %d days in all", i, absence.From, absence.Until, longestAbsence)
		}
		if absence.FTE > has {
			return refuse("spec.absences[%d].fte: the allocation has %s FTE, and %s are to be away: write at most %s, or remove fte for all", i, has, absence.FTE, has)
		}
	}
	s := scheduleOf(allocation)
	if refusal := s.acceptWeeks(); refusal != nil {
		return refusal
	}
	for _, day := range slices.Sorted(maps.Keys(s.exceptions)) {
		if refusal := s.acceptDate(day); refusal != nil {
			return refusal
		}
	}
	return nil
}

// peopleOf is how many people some FTE are.
func peopleOf(fte v1alpha1.FTE) int {
	return int((fte + v1alpha1.OneFTE - 1) / v1alpha1.OneFTE)
}

func refuse(format string, args ...any) *Refusal {
	return &Refusal{v1alpha1.ReasonShiftsExceedFTE, fmt.Sprintf(format, args...)}
}

// people are how many an allocation is.
func (s *Schedule) people() int {
	return peopleOf(s.fte)
}

// acceptWeeks judges each week of the rotation.
func (s *Schedule) acceptWeeks() *Refusal {
	var together v1alpha1.FTE
	for i := range s.weekly {
		together += s.weekly[i].fte
	}
	for week := range s.Rotation {
		worked, halves := s.load(week)
		total := 0
		for of, minutes := range worked {
			if able := s.people() * longestShift; minutes > able {
				return refuse("spec.shifts: on %s they take %s hours of work, and %s: shorten them, or raise spec.fte", support.Week[of], support.InHours(minutes), s.able(able, "day"))
			}
			total += minutes
			// As long as all shifts at once need no more, none of their minutes does.
			if together <= s.fte {
				continue
			}
			for _, minute := range s.Marks {
				if most := s.Regular(support.MondayOf(week)+support.Day(of), minute); most > s.fte {
					return refuse("spec.shifts: %s FTE are to be on duty at once, on %s at %02d:%02d, and the allocation has %s: "+
						"let the shifts overlap less, or raise spec.fte", most, support.Week[of], minute/60, minute%60, s.fte)
				}
			}
		}
		if able := int(s.fte) * workingWeek; halves > able {
			return refuse("spec.shifts: they need %s hours of work a week, and %s FTE cover %s (40 per FTE): shorten them, or raise spec.fte",
				support.InHours(halves/int(v1alpha1.OneFTE)), s.fte, support.InHours(able/int(v1alpha1.OneFTE)))
		}
		if able := s.people() * workingWeek; total > able {
			return refuse("spec.shifts: they take %s hours of work a week, and %s: shorten them, or raise spec.fte", support.InHours(total), s.able(able, "week"))
		}
	}
	return nil
}

// load is what the shifts of a week of the rotation take: minutes of people on each day, and minutes of
// half FTE.
func (s *Schedule) load(week int) (worked [7]int, halves int) {
	for of := range worked {
		day := support.MondayOf(week) + support.Day(of)
		var starting []part
		for i := range s.weekly {
			if w := &s.weekly[i]; w.starts(day) {
				starting = append(starting, w.part)
				halves += w.length * int(w.fte)
			}
		}
		worked[of] = workOf(starting)
	}
	return worked, halves
}

// Spare is how much more the people of an allocation can work besides its weekly shifts, in minutes: on
// each day of the week, and in a week, at half of their attention if the FTE are not whole. What goes on
// past midnight counts on the day on which it starts and, in part, on the next one, too.
func (s *Schedule) Spare() (days [7]int, week int) {
	for i := range days {
		days[i] = s.people() * longestShift
	}
	week = s.people() * workingWeek
	for of := range s.Rotation {
		worked, halves := s.load(of)
		left := s.people() * workingWeek
		for i, minutes := range worked {
			here := s.onDay(support.MondayOf(of) + support.Day(i))
			days[i] = max(0, min(days[i], s.people()*longestShift-max(minutes, here)))
			left -= minutes
		}
		if s.fte%v1alpha1.OneFTE != 0 {
			left = min(left, int(s.fte)*workingWeek-halves)
		}
		week = min(week, left)
	}
	return days, week
}

// onDay are the minutes that people work from one midnight to the next.
func (s *Schedule) onDay(day support.Day) int {
	var parts []part
	for i := range s.weekly {
		w := &s.weekly[i]
		if w.starts(day) {
			parts = append(parts, part{w.start, min(w.length, dayMinutes-w.start), w.fte})
		}
		if over := w.start + w.length - dayMinutes; over > 0 && w.starts(day-1) {
			parts = append(parts, part{0, over, w.fte})
		}
	}
	return workOf(parts)
}

// acceptDate judges the exceptions of a date.
func (s *Schedule) acceptDate(day support.Day) *Refusal {
	exceptions := s.exceptions[day]
	// They can meet what goes on past midnight, before and after them.
	for _, of := range []support.Day{day, day + 1} {
		for _, minute := range append([]int{0}, s.Marks...) {
			if most := s.planned(of, minute) + s.planned(of-1, minute+dayMinutes); most > s.fte {
				return refuse("spec.exceptions: %s FTE are to be on duty at once, on %s at %02d:%02d, and the allocation has %s: let them overlap less, or raise spec.fte",
					most, of.Date(), minute/60, minute%60, s.fte)
			}
		}
	}
	if minutes, able := workOf(exceptions), s.people()*longestShift; minutes > able {
		return refuse("spec.exceptions: on %s they take %s hours of work, and %s: shorten them, or raise spec.fte", day.Date(), support.InHours(minutes), s.able(able, "day"))
	}
	return nil
}

// able says how much work the people can do.
func (s *Schedule) able(minutes int, in string) string {
	who := "1 person, who does"
	if s.people() != 1 {
		who = fmt.Sprintf("%d people, who do", s.people())
	}
	return fmt.Sprintf("%s FTE are %s at most %s a %s", s.fte, who, support.InHours(minutes), in)
}

// workOf are the minutes that people work in some parts of a day: two halves at once are one person.
func workOf(parts []part) int {
	var changes []int
	for _, p := range parts {
		changes = append(changes, p.start, p.start+p.length)
	}
	slices.Sort(changes)
	minutes := 0
	for i := 0; i+1 < len(changes); i++ {
		var fte v1alpha1.FTE
		for _, p := range parts {
			if p.at(changes[i]) {
				fte += p.fte
			}
		}
		minutes += peopleOf(fte) * (changes[i+1] - changes[i])
	}
	return minutes
}
