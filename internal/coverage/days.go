package coverage

import (
	"cmp"
	"slices"
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/support"
)

// Span is a time.
type Span struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

// Duty is a time in which the same P-CSMs are on duty.
type Duty struct {
	Span
	FTE v1alpha1.FTE `json:"fte"`
	// Allocations are the names of those whose shifts these are, in order.
	Allocations []string `json:"allocations"`
	// Languages are what they speak, as sorted BCP 47 tags.
	Languages []v1alpha1.Language `json:"languages"`
}

// Period is how real days are covered, with holidays, closures, special days, absences,
// exceptions, rotations, contract windows and changes of the clocks.
type Period struct {
	Span
	// OperatingMinutes are those of the plan's hours; CoveredMinutes are those of them
	// in which at least 0.5 FTE are on duty.
	OperatingMinutes int `json:"operatingMinutes"`
	CoveredMinutes   int `json:"coveredMinutes"`
	// Operating are the operating hours, in order.
	Operating []Span `json:"-"`
	// Gaps are the operating hours with nobody on duty, in order.
	Gaps []Span `json:"gaps"`
	// OnDuty are the shifts, in order, also those outside of the operating hours.
	OnDuty []Duty `json:"onDuty"`
}

// Zone is the plan's time zone; UTC if it is always on.
func (r *Roster) Zone() *time.Location {
	return r.hours.Zone()
}

// HasShifts reports whether any allocation with shifts is active at some time between
// two instants.
func (r *Roster) HasShifts(from, until time.Time) bool {
	return slices.ContainsFunc(r.staff, func(s staff) bool { return s.Weekly() && s.window.From.Before(until) && !s.window.Ended(from) })
}

// NextGap is the first gap between two instants; nil if there is none.
func (r *Roster) NextGap(from, until time.Time) *Span {
	// Most gaps are near.
	for _, days := range []int{8, 64, 512} {
		end := from.AddDate(0, 0, days)
		if end.After(until) {
			end = until
		}
		gaps := r.Between(from, end).Gaps
		if len(gaps) > 0 && (gaps[0].Until.Before(end) || end.Equal(until)) {
			return &gaps[0]
		}
	}
	return nil
}

// Between judges the time between two instants, which are whole minutes.
func (r *Roster) Between(from, until time.Time) Period {
	p := Period{Span: Span{from.UTC(), until.UTC()}, Gaps: []Span{}, OnDuty: []Duty{}}
	r.walk(from, until, func(span Span, active []staff) bool {
		var fte v1alpha1.FTE
		for i := range active {
			here, _ := active[i].onDuty(span.From)
			fte += here
		}
		p.add(span, r.hours.Open(span.From) && r.window.Contains(span.From), fte, active)
		return true
	})
	return p
}

// walk goes through the time between two instants by stretches in which nothing changes, with those
// whose contract is running, until it is told to end.
func (r *Roster) walk(from, until time.Time, visit func(span Span, active []staff) bool) {
	plan := r.hours.Zone()
	var active []staff
	for at, changed := from, from; at.Before(until); {
		if !at.Before(changed) { // a contract begins or ends
			active, changed = nil, until
			if r.window.Contains(at) {
				active = r.at(at)
			}
			if change := r.window.Next(at); !change.IsZero() && change.Before(changed) {
				changed = change
			}
			for i := range r.staff {
				if change := r.staff[i].window.Next(at); !change.IsZero() && change.Before(changed) {
					changed = change
				}
			}
		}
		next := changed
		for i := range active {
			if mark := support.NextMark(at.In(active[i].Zone), active[i].Marks); mark.Before(next) {
				next = mark
			}
		}
		if mark := support.NextMark(at.In(plan), r.hours.Marks()); mark.Before(next) {
			next = mark
		}
		if !visit(Span{at.UTC(), next.UTC()}, active) {
			return
		}
		at = next
	}
}

// add adds a time in which nothing changes.
func (p *Period) add(span Span, open bool, fte v1alpha1.FTE, active []staff) {
	minutes := int(span.Until.Sub(span.From) / time.Minute)
	covered := fte >= v1alpha1.HalfFTE
	if open {
		p.OperatingMinutes += minutes
		p.Operating = joined(p.Operating, span)
		if covered {
			p.CoveredMinutes += minutes
		} else {
			p.Gaps = joined(p.Gaps, span)
		}
	}
	if !covered {
		return
	}
	duty := dutyOf(span, fte, active)
	if last := len(p.OnDuty) - 1; last >= 0 && p.OnDuty[last].Until.Equal(span.From) && p.OnDuty[last].FTE == duty.FTE &&
		slices.Equal(p.OnDuty[last].Allocations, duty.Allocations) {
		p.OnDuty[last].Until = span.Until
		return
	}
	p.OnDuty = append(p.OnDuty, duty)
}

// Member is what an allocation with shifts has in a roster.
type Member struct {
	Allocation string              `json:"allocation"`
	FTE        v1alpha1.FTE        `json:"fte"`
	Languages  []v1alpha1.Language `json:"languages,omitempty"`
	// Away are times in which the P-CSMs, or some of them, are not on duty although they are by the weekly
	// shifts, in order.
	Away []Away `json:"away,omitempty"`
	// Weekly are the weekly shifts, as the clock in the plan's zone reads them.
	Weekly []Part `json:"-"`
	// OnDuty are the times in which anybody is on duty, in order.
	OnDuty []Span `json:"-"`
}

// Away is a time in which P-CSMs are not on duty.
type Away struct {
	Span
	Reason v1alpha1.GapReason `json:"reason"`
}

// Members are the allocations with shifts that are active at some time between two instants, by name.
// The weekly shifts are those of the week, and by the clocks, of the first one.
func (r *Roster) Members(from, until time.Time) []Member {
	var members []Member
	at := map[*v1alpha1.PCSMAllocation]int{}
	for i := range r.staff {
		s := &r.staff[i]
		if !s.window.From.Before(until) || s.window.Ended(from) {
			continue
		}
		m := Member{Allocation: s.allocation.Name, FTE: s.allocation.Spec.FTE, Languages: s.allocation.Spec.Localization.Languages}
		for _, part := range r.pattern(r.staff[i:i+1], support.DayOf(from.In(r.hours.Zone())).Week(), from) {
			if part.fte > 0 {
				m.Weekly = append(m.Weekly, Part{part.from, part.until})
			}
		}
		m.Weekly = mergeParts(m.Weekly)
		at[s.allocation] = len(members)
		members = append(members, m)
	}
	r.walk(from, until, func(span Span, active []staff) bool {
		for i := range active {
			m := &members[at[active[i].allocation]]
			here, regular := active[i].onDuty(span.From)
			if here > 0 {
				m.OnDuty = joined(m.OnDuty, span)
			}
			if here >= regular {
				continue
			}
			reason := active[i].taken(span.From)
			if last := len(m.Away) - 1; last >= 0 && m.Away[last].Reason == reason && m.Away[last].Until.Equal(span.From) {
				m.Away[last].Until = span.Until
			} else {
				m.Away = append(m.Away, Away{span, reason})
			}
		}
		return true
	})
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.Allocation, b.Allocation) })
	return members
}

// WhileOpen are the parts of OnDuty that are within the operating hours, in order.
func (p Period) WhileOpen() []Duty {
	var open []Duty
	operating := p.Operating
	for _, duty := range p.OnDuty {
		for len(operating) > 0 && !operating[0].Until.After(duty.From) {
			operating = operating[1:]
		}
		for _, span := range operating {
			if !span.From.Before(duty.Until) {
				break
			}
			part := duty
			if span.From.After(part.From) {
				part.From = span.From
			}
			if span.Until.Before(part.Until) {
				part.Until = span.Until
			}
			open = append(open, part)
		}
	}
	return open
}

// joined adds a span to others that are before it.
func joined(spans []Span, span Span) []Span {
	if last := len(spans) - 1; last >= 0 && spans[last].Until.Equal(span.From) {
		spans[last].Until = span.Until
		return spans
	}
	return append(spans, span)
}

func dutyOf(span Span, fte v1alpha1.FTE, active []staff) Duty {
	duty := Duty{Span: span, FTE: fte, Languages: []v1alpha1.Language{}}
	for i := range active {
		s := &active[i]
		if here, _ := s.onDuty(span.From); here == 0 {
			continue
		}
		duty.Allocations = append(duty.Allocations, s.allocation.Name)
		duty.Languages = append(duty.Languages, s.allocation.Spec.Localization.Languages...)
	}
	slices.Sort(duty.Allocations)
	duty.Allocations = slices.Compact(duty.Allocations)
	slices.Sort(duty.Languages)
	duty.Languages = slices.Compact(duty.Languages)
	return duty
}
