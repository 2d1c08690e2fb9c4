package staffing

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/support"
)

// How long a P-CSM works ("Customer Success Manager (P-CSM)", Minimum Staffing
// Requirements: 8 hours a day; five days a week is read), in minutes.
const (
	longestShift = 8 * 60
	workingWeek  = 5 * longestShift
	dayMinutes   = 24 * 60
	weekMinutes  = 7 * dayMinutes
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

// acceptShifts reports what makes an allocation's shifts impossible for its FTE; nil if
// nothing does.
func acceptShifts(allocation *v1alpha1.PCSMAllocation) *Refusal {
	refuse := func(format string, args ...any) *Refusal {
		return &Refusal{v1alpha1.ReasonShiftsExceedFTE, fmt.Sprintf(format, args...)}
	}
	has := allocation.Spec.FTE
	var worked int // half FTE times minutes
	var together v1alpha1.FTE
	for i, shift := range allocation.Spec.Shifts {
		_, length := ShiftMinutes(shift)
		if length == 0 {
			return refuse("spec.shifts[%d]: from %s to %s is no shift: write an end that is up to 8 hours after start", i, shift.Start, shift.End)
		}
		fte := OnShift(allocation, shift)
		if fte > has {
			return refuse("spec.shifts[%d].fte: the allocation has %s FTE, and %s are to be on duty: write at most %s, or raise spec.fte", i, has, fte, has)
		}
		worked += len(shift.Days) * length * int(fte)
		together += fte
	}
	// As long as all shifts at once need no more, none of their minutes does.
	if together > has {
		if most, at := mostAtOnce(allocation); most > has {
			return refuse("spec.shifts: %s FTE are to be on duty at once, on %s at %02d:%02d, and the allocation has %s: "+
				"let the shifts overlap less, or raise spec.fte", most, support.Week[at/dayMinutes], at%dayMinutes/60, at%60, has)
		}
	}
	if able := int(has) * workingWeek; worked > able {
		return refuse("spec.shifts: they need %s hours of work a week, and %s FTE cover %s (40 per FTE): shorten them, or raise spec.fte",
			hoursOfHalves(worked), has, hoursOfHalves(able))
	}
	return nil
}

// change is by how much the FTE on duty change at a minute of the week.
type change struct {
	at int
	by v1alpha1.FTE
}

// mostAtOnce is the most FTE of an allocation that are on duty together, and the first
// minute of the week at which they are.
func mostAtOnce(allocation *v1alpha1.PCSMAllocation) (most v1alpha1.FTE, at int) {
	var changes []change
	for _, shift := range allocation.Spec.Shifts {
		start, length := ShiftMinutes(shift)
		fte := OnShift(allocation, shift)
		for at, name := range support.Week {
			if !slices.Contains(shift.Days, name) {
				continue
			}
			begin := at*dayMinutes + start
			changes = append(changes, change{begin, fte}, change{begin + length, -fte})
			if begin+length > weekMinutes { // into Monday
				changes = append(changes, change{begin - weekMinutes, fte}, change{begin + length - weekMinutes, -fte})
			}
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.by, b.by)) })
	var now v1alpha1.FTE
	for _, c := range changes {
		if now += c.by; now > most && c.at >= 0 {
			most, at = now, c.at
		}
	}
	return most, at % weekMinutes
}

// hoursOfHalves writes minutes of half an FTE as hours of work.
func hoursOfHalves(minutes int) string {
	return strconv.FormatFloat(float64(minutes)/float64(v1alpha1.OneFTE)/60, 'f', -1, 64)
}
