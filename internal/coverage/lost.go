package coverage

import (
	"cmp"
	"slices"
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/support"
)

// Foresight is how far ahead the next gap is looked for.
const Foresight = 30 * oneDay

// farthest is how far ahead it is known when the next gap comes into sight.
const farthest = 366

// nextLost finds the next gap that the weekly shifts do not have, and when it comes or goes, if that
// is before another change.
func (r *Roster) nextLost(now, changes time.Time) (*Gap, time.Time) {
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
// there is none within a year.
func (r *Roster) NextLost(now time.Time) *Gap {
	for _, days := range r.irregular(now) {
		if gap := r.lostWithin(days, now); gap != nil {
			return gap
		}
	}
	return nil
}

// irregular are the times in which not the weekly shifts alone decide who is on duty, in order, those
// that touch as one. They begin before an instant only if they go on then.
func (r *Roster) irregular(now time.Time) []Span {
	var spans []Span
	today := support.DayOf(now.UTC())
	for i := range r.staff {
		s := &r.staff[i]
		for _, days := range s.Irregular(today-farthest, today+farthest) {
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

// lostWithin is the first gap in a time that ends after an instant; nil if there is none.
func (r *Roster) lostWithin(in Span, now time.Time) *Gap {
	var found *Gap
	r.walk(in.From, in.Until, func(span Span, active []staff) bool {
		var fte, regular v1alpha1.FTE
		for i := range active {
			here, would := active[i].onDuty(span.From)
			fte, regular = fte+here, regular+would
		}
		lost := fte == 0 && regular > 0 && r.hours.Open(span.From)
		switch {
		case lost && found != nil && found.Until.Equal(span.From):
			found.Until = span.Until
		case lost:
			if found != nil && found.Until.After(now) {
				return false
			}
			found = &Gap{Span: span, Reason: reasonOf(active, span.From)}
		case found != nil && found.Until.After(now):
			return false
		}
		return true
	})
	if found == nil || !found.Until.After(now) {
		return nil
	}
	return found
}

// reasonOf says what takes those away who would be on duty at an instant.
func reasonOf(active []staff, at time.Time) v1alpha1.GapReason {
	var reasons []v1alpha1.GapReason
	for i := range active {
		if reason := active[i].taken(at); reason != "" {
			reasons = append(reasons, reason)
		}
	}
	return slices.Min(reasons) // an absence before an exception before a holiday
}
