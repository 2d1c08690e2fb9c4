package coverage

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/support"
)

// Foresight is how far ahead the next gap is looked for.
const Foresight = 30 * oneDay

// holidaysAbout is how many days before and after today public holidays are looked at.
const holidaysAbout = 366

// foresee finds the next gap within Foresight that the weekly shifts do not have, and when it comes
// or goes, if that is before another change.
func (r *Roster) foresee(now, changes time.Time) (*Gap, time.Time) {
	gap := r.NextLost(now)
	switch {
	case gap == nil:
		return nil, changes
	case gap.From.After(now.Add(Foresight)):
		return nil, staffing.Earlier(changes, gap.From.Add(-Foresight))
	}
	return gap, staffing.Earlier(changes, gap.Until)
}

// NextLost is the first gap that the weekly shifts do not have which ends after an instant; nil if
// there is none.
func (r *Roster) NextLost(now time.Time) *Gap {
	for gap := range r.Lost(now) {
		return &gap
	}
	return nil
}

// Lost are the gaps that the weekly shifts do not have which end after an instant, in order: those of
// all absences and exceptions, and of the holidays of a year.
func (r *Roster) Lost(now time.Time) iter.Seq[Gap] {
	return func(yield func(Gap) bool) {
		for _, days := range r.irregular(now) {
			if !r.lostWithin(days, now, yield) {
				return
			}
		}
	}
}

// irregular are the times in which not the weekly shifts alone decide who is on duty, in order, those
// that touch as one. They begin before an instant only if they go on then.
func (r *Roster) irregular(now time.Time) []Span {
	var spans []Span
	today := support.DayOf(now.UTC())
	for i := range r.staff {
		s := &r.staff[i]
		for _, days := range s.Irregular(today-holidaysAbout, today+holidaysAbout) {
			// A shift can go on past midnight.
			from, until := days.From.Noon(s.Zone).Add(-oneDay), days.Until.Noon(s.Zone).Add(2*oneDay)
			spans = append(spans, Span{from.Truncate(time.Minute), until.Truncate(time.Minute)})
		}
	}
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Or(a.From.Compare(b.From), a.Until.Compare(b.Until)) })
	var merged []Span
	for _, span := range spans {
		if last := len(merged) - 1; last >= 0 && !span.From.After(merged[last].Until) {
			if span.Until.After(merged[last].Until) {
				merged[last].Until = span.Until
			}
			continue
		}
		merged = append(merged, span)
	}
	return slices.DeleteFunc(merged, func(s Span) bool { return !s.Until.After(now) })
}

// lostWithin yields the gaps in a time that end after an instant, and reports whether to go on.
func (r *Roster) lostWithin(in Span, now time.Time, yield func(Gap) bool) (more bool) {
	var found *Gap
	more = true
	end := func() {
		if found != nil && found.Until.After(now) {
			more = yield(*found)
		}
		found = nil
	}
	r.walk(in.From, in.Until, func(span Span, active []staff) bool {
		var fte, regular v1alpha1.FTE
		for i := range active {
			here, would := active[i].onDuty(span.From)
			fte, regular = fte+here, regular+would
		}
		switch lost := fte == 0 && regular > 0 && r.hours.Open(span.From); {
		case lost && found != nil:
			found.Until = span.Until
		case lost:
			reason, of := reasonOf(active, span.From)
			found = &Gap{Span: span, Reason: reason, Allocation: of}
		default:
			end()
		}
		return more
	})
	if more {
		end()
	}
	return more
}

// reasonOf says what takes those away who would be on duty at an instant, and of which allocation. Of
// several reasons it is the first by name: an absence, then an exception, then a holiday.
func reasonOf(active []staff, at time.Time) (reason v1alpha1.GapReason, of string) {
	for i := range active {
		if found := active[i].taken(at); found != "" && (reason == "" || found < reason) {
			reason, of = found, active[i].allocation.Name
		}
	}
	return reason, of
}
