package coverage

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/support"
)

// Wish is what a proposal is to achieve.
type Wish struct {
	// Zones are those of the people to add. If there are none, they are those of the active allocations,
	// or the plan's if these have none.
	Zones []*time.Location
	// FTE are all that there may be, for the fewest uncovered hours; 0 for the fewest FTE that leave none.
	FTE v1alpha1.FTE
	// Taken are the names of all PCSMAllocations, which none to add may have.
	Taken sets.Set[string]
}

// Proposal is who is to be on duty when, so that a regular week is covered.
type Proposal struct {
	// Allocations are those to apply: active ones with other shifts, then new ones, each one person of
	// 0.5 FTE. There are none if nothing is to be changed.
	Allocations []v1alpha1.PCSMAllocation
	// Replaced is how many of the shifts that are there are to be replaced or removed.
	Replaced int
	// Before and After are the active FTE.
	Before, After v1alpha1.FTE
	// Week is the weakest regular week of the year.
	Week
	// AtLeast are minutes that stay uncovered in the weakest week whoever works when, with the FTE of
	// After; and FewestFTE are the least that can suffice: where the clocks of several time zones change
	// on different days, less than what was found may be possible. Untried tells that there are more ways to
	// spread people over time zones than were tried; then FewestFTE is 0, since nothing is known of them.
	AtLeast   int
	FewestFTE v1alpha1.FTE
	Untried   bool
}

// What bounds the search.
const (
	// mostPeople are how many are added: six cover any week.
	mostPeople = 12
	// mostMixes is how many ways to spread people over time zones are tried, and mostChoices for how many
	// of those that take the fewest people the burden is compared.
	mostMixes, mostChoices = 64, 4
	// mostRemovals is how many choices of shifts to replace are tried for each of them.
	mostRemovals = 1000
	// mostFailures is how many sweeps with as many people may find nothing, of mostSteps each, and one for
	// each part of the demands: some fifty runs make a week.
	mostFailures, mostSteps = 4, 150
	// mostShifts is how many an allocation can have, by its schema, and fullShifts from how many on it gets
	// no more.
	mostShifts, fullShifts = 28, 20
)

// Propose finds the fewest people, and the shifts, that cover a regular week of the plan, through the
// year's changes of the clocks: nobody for more than 8 hours of a day, by the own calendar, and 40 of
// a week. Among those it replaces the fewest shifts that are there. It is the same for the same input.
// The error says why nothing can be proposed, or is that of the context.
func (r *Roster) Propose(ctx context.Context, partner *v1alpha1.Partner, now time.Time, wish Wish) (Proposal, error) {
	p := &proposer{ctx: ctx, roster: r, partner: partner, now: now, taken: wish.Taken}
	for _, s := range r.at(now) {
		p.existing = append(p.existing, s.allocation)
	}
	for _, other := range r.others {
		if other.window.Contains(now) {
			p.existing = append(p.existing, other.allocation)
		}
	}
	slices.SortFunc(p.existing, func(a, b *v1alpha1.PCSMAllocation) int { return cmp.Compare(a.Name, b.Name) })
	var found Proposal
	for _, a := range p.existing {
		found.Before += a.Spec.FTE
	}
	for _, zone := range wish.Zones {
		if !slices.ContainsFunc(p.zones, func(z *time.Location) bool { return z.String() == zone.String() }) {
			p.zones = append(p.zones, zone)
		}
	}
	if len(p.zones) == 0 {
		p.zones = p.known()
	}
	p.clocks = r.clocks(append(p.known(), p.zones...), now)

	people := 0
	if wish.FTE > 0 {
		if wish.FTE < found.Before {
			return Proposal{}, fmt.Errorf("%s has %s active FTE, more than %s: end or change an allocation first", partner.Name, found.Before, wish.FTE)
		}
		people = int((wish.FTE - found.Before) / v1alpha1.HalfFTE)
		if people > mostPeople {
			return Proposal{}, fmt.Errorf("%s FTE are more than any week takes: write at most %s", wish.FTE, found.Before+mostPeople*v1alpha1.HalfFTE)
		}
		p.fewestHours(people)
		found.Untried = p.untried
	} else {
		for fewest := -1; ; people++ {
			if people > mostPeople {
				return Proposal{}, fmt.Errorf("no shifts of %d people cover all hours through the changes of the clocks: name other time zones", mostPeople)
			}
			possible := p.all(people)
			if ctx.Err() != nil {
				return Proposal{}, ctx.Err()
			}
			if possible && fewest < 0 {
				fewest = people
				found.FewestFTE = found.Before + v1alpha1.FTE(people)*v1alpha1.HalfFTE
			}
			if p.best != nil {
				break
			}
			found.Untried = found.Untried || p.untried
		}
		if found.Untried {
			found.FewestFTE = 0
		}
	}
	if ctx.Err() != nil {
		return Proposal{}, ctx.Err()
	}
	found.After = found.Before + v1alpha1.FTE(people)*v1alpha1.HalfFTE
	found.AtLeast = p.atLeast
	found.Replaced = p.best.replaced
	found.Allocations = p.write()
	return found, p.judge(&found)
}

// proposer looks for a proposal.
type proposer struct {
	ctx      context.Context //nolint:containedctx // of one call
	roster   *Roster
	partner  *v1alpha1.Partner
	now      time.Time
	existing []*v1alpha1.PCSMAllocation
	zones    []*time.Location
	// clocks are instants, one for each distance that clocks have from each other.
	clocks  []time.Time
	taken   sets.Set[string]
	best    *solution
	atLeast int
	// untried tells that not all ways to spread people over time zones were tried.
	untried bool
	// unbounded tells that a sweep may take as many steps as it needs.
	unbounded bool
	// removals is how many choices of shifts to replace are tried for one way to spread people, and tries
	// how many more of them; choices and failures count sweeps with as many people.
	removals, tries, choices, failures int
}

// solution is a way to cover the demands.
type solution struct {
	*task
	kept     [][]bool
	added    []*time.Location
	replaced int
}

// known are the time zones of the active allocations, each once; the plan's if there are none.
func (p *proposer) known() []*time.Location {
	var zones []*time.Location
	for _, a := range p.existing {
		if zone := p.zoneOf(a); !slices.ContainsFunc(zones, func(z *time.Location) bool { return z.String() == zone.String() }) {
			zones = append(zones, zone)
		}
	}
	if len(zones) == 0 {
		zones = append(zones, p.roster.hours.Zone())
	}
	return zones
}

// zoneOf is where the people of an allocation work; in the plan's zone if it does not say.
func (p *proposer) zoneOf(a *v1alpha1.PCSMAllocation) *time.Location {
	if a.Spec.Localization != nil && a.Spec.Localization.TimeZone != "" {
		if zone, err := support.LoadZone(a.Spec.Localization.TimeZone); err == nil {
			return zone
		}
	}
	return p.roster.hours.Zone()
}

// clocks are instants of the next two years, one for each distance that clocks have from the plan's.
func (r *Roster) clocks(zones []*time.Location, now time.Time) []time.Time {
	all := append(slices.Clone(zones), r.hours.Zone())
	var found []time.Time
	known := map[string]bool{}
	for at := now; !at.IsZero() && at.Before(now.AddDate(2, 0, 0)); at = settled(all, nextOffset(all, at)) {
		var key strings.Builder
		for _, zone := range zones {
			fmt.Fprint(&key, ahead(zone, r.hours.Zone(), at), " ")
		}
		if !known[key.String()] {
			known[key.String()] = true
			found = append(found, at)
		}
	}
	return found
}

// task is what is left to cover if some shifts are kept and people are added in some zones.
func (p *proposer) task(kept [][]bool, added []*time.Location) *task {
	t := &task{scratch: &scratch{}}
	var active []staff
	zones := make([]*time.Location, 0, len(p.existing)+len(added))
	for i, a := range p.existing {
		a = p.keeping(a, kept[i])
		schedule, err := staffing.NewSchedule(a)
		if err != nil {
			continue // it was read before
		}
		c := crew{single: a.Spec.FTE <= v1alpha1.OneFTE}
		if c.days, c.week = schedule.Spare(); len(a.Spec.Shifts) >= fullShifts {
			c.week = 0
		}
		if schedule.Weekly() {
			active = append(active, staff{Schedule: schedule, allocation: a})
		}
		c.runs, c.blocked = working(schedule, unit(a.Spec.FTE), a.Spec.FTE)
		t.crews, zones = append(t.crews, c), append(zones, schedule.Zone)
	}
	for _, zone := range added {
		c := crew{single: true, week: 5 * longestRun}
		for i := range c.days {
			c.days[i] = longestRun
		}
		t.crews, zones = append(t.crews, c), append(zones, zone)
	}
	for _, at := range p.clocks {
		var d demand
		for of := range rotation(active) {
			d.parts = append(d.parts, weekOf(p.roster.pattern(active, of, at)).Gaps...)
		}
		d.parts = mergeParts(d.parts)
		for _, zone := range zones {
			d.fast = append(d.fast, ahead(zone, p.roster.hours.Zone(), at))
		}
		t.demands = append(t.demands, d)
	}
	return t
}

// keeping is an allocation with the shifts to keep alone, and in a time zone.
func (p *proposer) keeping(a *v1alpha1.PCSMAllocation, kept []bool) *v1alpha1.PCSMAllocation {
	a = a.DeepCopy()
	if a.Spec.Localization == nil {
		a.Spec.Localization = &v1alpha1.Localization{}
	}
	if a.Spec.Localization.TimeZone == "" {
		a.Spec.Localization.TimeZone = v1alpha1.TimeZone(p.zoneOf(a).String())
	}
	shifts := a.Spec.Shifts
	a.Spec.Shifts = nil
	for i, keep := range kept {
		if keep {
			a.Spec.Shifts = append(a.Spec.Shifts, shifts[i])
		}
	}
	return a
}

// unit is how many FTE a person of an allocation has on duty.
func unit(fte v1alpha1.FTE) v1alpha1.FTE {
	if fte%v1alpha1.OneFTE == 0 {
		return v1alpha1.OneFTE
	}
	return v1alpha1.HalfFTE
}

// working are the times of a week at which people of a schedule work in any week of the rotation, and
// those, exceptions included, at which so many more would be too many.
func working(s *staffing.Schedule, more, all v1alpha1.FTE) (runs, blocked []Part) {
	for of := range s.Rotation {
		for weekday := range 7 {
			for i, from := range s.Marks {
				until := s.Marks[(i+1)%len(s.Marks)]
				if until <= from {
					until += day
				}
				at := Part{weekday*day + from, weekday*day + until}
				on := s.Regular(support.MondayOf(of)+support.Day(weekday), from)
				if until > day { // the stretch ends on the next day
					on = max(on, s.Regular(support.MondayOf(of)+support.Day(weekday+1), 0))
				}
				if on > 0 {
					runs = append(runs, at)
				}
				if on+more > all {
					blocked = append(blocked, at)
				}
			}
		}
	}
	s.AfterMidnight(func(weekday, from, until int, on v1alpha1.FTE) {
		if on+more > all {
			blocked = append(blocked, Part{weekday*day + from, weekday*day + until})
		}
	})
	return mergeParts(runs), mergeParts(blocked)
}

// all looks for the best way to cover everything with so many more people, and reports whether there
// can be any.
func (p *proposer) all(people int) bool {
	possible := false
	p.choices, p.failures, p.removals, p.untried = 0, 0, mostRemovals, false
	p.mixes(people, func(added []*time.Location) {
		free, fixed := p.task(p.keep(false), added), p.task(p.keep(true), added)
		free.unite()
		fixed.unite()
		if !free.possible() && !fixed.possible() {
			return
		}
		possible = true
		p.consider(added, nil)
	})
	return possible
}

// fewestHours looks for the best way to leave few hours uncovered with so many more people.
func (p *proposer) fewestHours(people int) {
	p.removals = mostRemovals
	var best []*time.Location
	var may []int
	p.mixes(people, func(added []*time.Location) {
		for _, keep := range []bool{true, false} {
			t := p.task(p.keep(keep), added)
			var left []int
			for i := range t.demands {
				left = append(left, t.left(&t.demands[i]))
			}
			if may == nil || slices.Max(left) < slices.Max(may) {
				best, may = added, left
			}
		}
	})
	p.atLeast = slices.Max(may)
	const step = 30
	for more := 0; p.best == nil && p.ctx.Err() == nil; more = max(step, 2*more) {
		p.unbounded = more >= week    // where all may be left, no sweep goes back
		if p.failures = 0; more > 0 { // one that finds nothing is enough to ask for less
			p.removals, p.failures = 1, mostFailures-1
		}
		allowed := slices.Clone(may)
		for i := range allowed {
			allowed[i] = min(week, allowed[i]+more)
		}
		p.consider(best, allowed)
	}
}

// keep is a choice of all shifts, or of none.
func (p *proposer) keep(all bool) [][]bool {
	var kept [][]bool
	for _, a := range p.existing {
		of := make([]bool, len(a.Spec.Shifts))
		for i := range of {
			of[i] = all
		}
		kept = append(kept, of)
	}
	return kept
}

// mixes visits the ways to spread people over the zones, each once: all in one zone first, in each.
func (p *proposer) mixes(people int, visit func([]*time.Location)) {
	for _, zone := range p.zones {
		visit(slices.Repeat([]*time.Location{zone}, people))
		if people == 0 {
			return
		}
	}
	visited := 0
	var add func(added []*time.Location, first int)
	add = func(added []*time.Location, first int) {
		switch {
		case p.ctx.Err() != nil:
		case len(added) == people && added[0] == added[people-1]: // visited above
		case len(added) == people && visited == mostMixes:
			p.untried = true
		case len(added) == people:
			visited++
			visit(slices.Clone(added))
		default:
			for i := first; i < len(p.zones) && !p.untried; i++ {
				add(append(added, p.zones[i]), i)
			}
		}
	}
	add(nil, 0)
}

// consider looks for the fewest shifts to replace with people in some zones, and takes the solution if
// it is better than what was found.
func (p *proposer) consider(added []*time.Location, may []int) {
	total := 0
	for _, a := range p.existing {
		total += len(a.Spec.Shifts)
	}
	p.tries = p.removals
	tried := map[string]bool{}
	for most := 0; most <= total && p.tries > 0; most++ {
		if p.best != nil && (most > p.best.replaced || most == p.best.replaced && p.choices >= mostChoices) {
			return
		}
		if p.replace(p.keep(true), added, may, most, 0, tried) {
			return
		}
		clear(tried)
	}
	if p.best != nil || p.failures >= mostFailures {
		return
	}
	p.tries = 1
	p.replace(p.keep(false), added, may, total, total, tried)
}

// replace tries a choice of shifts to keep, and then those with up to some fewer: where a flow is too
// small, one of the shifts that narrow it has to go.
func (p *proposer) replace(kept [][]bool, added []*time.Location, may []int, most, replaced int, tried map[string]bool) bool {
	key := fmt.Sprint(kept)
	if tried[key] || p.tries == 0 || p.failures >= mostFailures || p.ctx.Err() != nil {
		return false
	}
	tried[key] = true
	p.tries--
	t := p.task(kept, added)
	for i := range may {
		t.demands[i].may = may[i]
	}
	if may == nil {
		t.unite()
	}
	if narrow := p.narrow(t, kept); narrow != nil {
		if replaced == most {
			return false
		}
		for _, at := range narrow {
			fewer := make([][]bool, len(kept))
			for i := range kept {
				fewer[i] = slices.Clone(kept[i])
			}
			fewer[at[0]][at[1]] = false
			if p.replace(fewer, added, may, most, replaced+1, tried) {
				return true
			}
		}
		return false
	}
	steps := mostSteps
	for i := range t.demands {
		steps += len(t.demands[i].parts)
	}
	if p.unbounded {
		steps = math.MaxInt
	}
	covered := t.sweep(p.ctx, &steps)
	if covered == nil {
		p.failures++
		return false
	}
	p.choices++
	found := &solution{covered, kept, added, replaced}
	if p.best == nil || cmp.Or(cmp.Compare(replaced, p.best.replaced), cmp.Compare(found.burden(), p.best.burden())) < 0 {
		p.best = found
	}
	return true
}

// narrow are the kept shifts of which one has to go before a demand can be covered, each as the numbers
// of its allocation and of its own; nil if every demand can be.
func (p *proposer) narrow(t *task, kept [][]bool) [][2]int {
	for i := range t.demands {
		d := &t.demands[i]
		covered, n := t.flow(d)
		if sum(d.parts)-covered <= d.may {
			continue
		}
		reached := n.levels(source)
		found := [][2]int{}
		for j, a := range p.existing {
			for k, shift := range a.Spec.Shifts {
				if !kept[j][k] {
					continue
				}
				narrows := reached[crewNode(j)] < 0 || shift.EveryNthWeek > 1
				for _, name := range shift.Days {
					narrows = narrows || reached[crewNode(j)+1+slices.Index(support.Week, name)] < 0
				}
				if narrows {
					found = append(found, [2]int{j, k})
				}
			}
		}
		return found
	}
	return nil
}

// unite makes one demand of all if all clocks that count are one: what is needed at any time of the
// year is needed.
func (t *task) unite() {
	if len(t.crews) == 0 {
		return
	}
	for i := range t.demands {
		d := &t.demands[i]
		for j := range d.fast {
			if d.fast[j]-d.fast[0] != t.demands[0].fast[j]-t.demands[0].fast[0] {
				return
			}
		}
	}
	one := demand{fast: t.demands[0].fast}
	for i := range t.demands {
		moved := t.demands[i].fast[0] - one.fast[0]
		for _, p := range t.demands[i].parts {
			one.parts = append(one.parts, Part{p.From + moved, p.Until + moved})
		}
	}
	one.parts = mergeParts(one.parts)
	t.demands = []demand{one}
}

// burden is how much of the work is at night, in minutes, with two hours for each time that somebody has
// to remember.
func (s *solution) burden() int {
	type time struct{ crew, start, length int }
	times := map[time]bool{}
	minutes := 0
	for i := range s.crews {
		for _, run := range s.crews[i].runs {
			minutes += night(run)
			times[time{i, run.From % day, run.Until - run.From}] = true
		}
	}
	return minutes + 120*len(times)
}

// write makes allocations of the solution.
func (p *proposer) write() []v1alpha1.PCSMAllocation {
	var written []v1alpha1.PCSMAllocation
	for i, a := range p.existing {
		if shifts := p.shifts(i, unit(a.Spec.FTE), a.Spec.FTE); len(shifts) > 0 || slices.Contains(p.best.kept[i], false) {
			changed := p.keeping(a, p.best.kept[i])
			changed.Spec.Shifts = append(changed.Spec.Shifts, shifts...)
			written = append(written, *changed)
		}
	}
	number := 1
	for i, zone := range p.best.added {
		var a v1alpha1.PCSMAllocation
		a.Spec.PartnerRef.Name = v1alpha1.PartnerName(p.partner.Name)
		a.Spec.FTE = v1alpha1.HalfFTE
		a.Spec.Localization = &v1alpha1.Localization{TimeZone: v1alpha1.TimeZone(zone.String())}
		a.Spec.Shifts = p.shifts(len(p.existing)+i, v1alpha1.HalfFTE, v1alpha1.HalfFTE)
		for ; ; number++ {
			a.Name = fmt.Sprintf("%s-pcsm-%d", p.partner.Name, number)
			if !p.taken.Has(a.Name) {
				break
			}
		}
		number++
		written = append(written, a)
	}
	return written
}

// shifts are those that a crew of the solution gets.
func (p *proposer) shifts(of int, on, all v1alpha1.FTE) []v1alpha1.Shift {
	c := &p.best.crews[of]
	before := p.task(p.best.kept, p.best.added).crews[of]
	runs := joinedRuns(c.runs[len(before.runs):])
	runs = withinDays(runs, before.days)
	var shifts []v1alpha1.Shift
	for _, window := range Windows(runs) {
		shift := v1alpha1.Shift{Days: window.Days, Start: window.Opens, End: window.Closes}
		if on != all {
			shift.FTE = on
		}
		shifts = append(shifts, shift)
	}
	return shifts
}

// joinedRuns joins runs without a break in between, as long as nobody works too long, and sorts them.
func joinedRuns(runs []Part) []Part {
	runs = slices.Clone(runs)
	for again := true; again; {
		again = false
		for i := range runs {
			for j := range runs {
				length := runs[i].Until - runs[i].From + runs[j].Until - runs[j].From
				if i != j && inWeek(runs[i].Until) == inWeek(runs[j].From) && length <= longestRun {
					runs[i].Until = runs[i].From + length
					runs = slices.Delete(runs, j, j+1)
					again = true
					break
				}
			}
			if again {
				break
			}
		}
	}
	slices.SortFunc(runs, func(a, b Part) int { return cmp.Compare(a.From, b.From) })
	return runs
}

// withinDays cuts runs at midnight where the day on which they start has not so many minutes: a shift
// counts in whole on that day.
func withinDays(runs []Part, days [7]int) []Part {
	for {
		load := [7]int{}
		for _, run := range runs {
			load[run.From/day] += run.Until - run.From
		}
		at := slices.IndexFunc(runs, func(run Part) bool {
			return run.Until > (run.From/day+1)*day && load[run.From/day] > days[run.From/day]
		})
		if at < 0 {
			slices.SortFunc(runs, func(a, b Part) int { return cmp.Compare(a.From, b.From) })
			return runs
		}
		midnight := (runs[at].From/day + 1) * day
		runs = append(runs, Part{midnight % week, midnight%week + runs[at].Until - midnight})
		runs[at].Until = midnight
	}
}

// judge judges the proposal as the operator will.
func (p *proposer) judge(found *Proposal) error {
	then := &Roster{hours: p.roster.hours}
	written := map[string]bool{}
	for i := range found.Allocations {
		a := &found.Allocations[i]
		if err := staffing.Accept(a, p.partner); err != nil {
			return fmt.Errorf("the proposal for PCSMAllocation %q would not be accepted: %w", a.Name, err)
		}
		if len(a.Spec.Shifts) > mostShifts {
			return fmt.Errorf("PCSMAllocation %q would need %d shifts, and %d can be written: divide it into several allocations", a.Name, len(a.Spec.Shifts), mostShifts)
		}
		written[a.Name] = true
		schedule, err := staffing.NewSchedule(a)
		if err != nil {
			return err
		}
		window, err := staffing.WindowOf(a)
		if err != nil {
			return err
		}
		then.staff = append(then.staff, staff{schedule, a, window})
	}
	for _, s := range p.roster.staff {
		if !written[s.allocation.Name] {
			then.staff = append(then.staff, s)
		}
	}
	v := then.Judge(p.now)
	if found.Week = v.Week; v.Worse != nil {
		found.Week = *v.Worse
	}
	if !v.Declared { // there is nobody
		found.Week = then.regular(nil, p.now)
	}
	return nil
}
