package coverage

import (
	"context"
	"fmt"
	"slices"
)

// A cover is looked for by a sweep through the week: whoever takes the earliest minute that is left
// takes as many as the maximum flow from people through their days to the minutes leaves possible for
// the rest. While the clocks keep their distance, such a sweep never has to go back. What makes a
// roster that people like decides between those who can.
const (
	longestRun = 8 * 60
	// shortRun is what nobody comes for if it can be helped, and rest what they have in between.
	shortRun = 4 * 60
	rest     = 11 * 60
	// nightEnds and nightBegins bound the day, by each one's clock.
	nightEnds, nightBegins = 6 * 60, 22 * 60
	// nearby is how far apart the same moment is at most by clocks that were changed.
	nearby = 3 * 60
)

// crew are people who work by one clock. Minutes of a week count from Monday 00:00 by it.
type crew struct {
	// single tells that it is one person.
	single bool
	// days and week are the minutes that they can still work.
	days [7]int
	week int
	// blocked are times at which none of them can be added.
	blocked []Part
	// runs are the times that they work.
	runs []Part
}

// demand are parts of a week that need somebody, while the clocks keep their distance, sorted and
// without common minutes.
type demand struct {
	parts []Part
	// fast is by how many minutes each crew's clock is ahead.
	fast []int
	// may is how many minutes may be left without anybody.
	may int
	// cells are nil until they are needed.
	cells *cells
}

// task is to find who covers some demands, all by the same runs.
type task struct {
	crews   []crew
	demands []demand
	*scratch
}

// scratch is what a task and those that are made of it have in common.
type scratch struct {
	network network
	minutes []int
	// tightest is the number of the demand that forbade something last.
	tightest int
}

func (t *task) clone() *task {
	c := &task{slices.Clone(t.crews), slices.Clone(t.demands), t.scratch}
	for i := range c.crews {
		c.crews[i].runs = slices.Clone(c.crews[i].runs)
	}
	for i := range c.demands {
		c.demands[i].parts = slices.Clone(c.demands[i].parts)
	}
	return c
}

// inWeek is a minute as one of the week.
func inWeek(minute int) int {
	return (minute%week + week) % week
}

func sum(parts []Part) int {
	minutes := 0
	for _, p := range parts {
		minutes += p.Until - p.From
	}
	return minutes
}

// mergeParts are the minutes of some parts of a week, sorted and each once.
func mergeParts(parts []Part) []Part {
	var split []Part
	for _, p := range parts {
		length := min(week, p.Until-p.From)
		from := inWeek(p.From)
		split = append(split, Part{from, min(week, from+length)})
		if from+length > week {
			split = append(split, Part{0, from + length - week})
		}
	}
	slices.SortFunc(split, func(a, b Part) int { return a.From - b.From })
	var merged []Part
	for _, p := range split {
		if last := len(merged) - 1; last >= 0 && merged[last].Until >= p.From {
			merged[last].Until = max(merged[last].Until, p.Until)
		} else {
			merged = append(merged, p)
		}
	}
	return merged
}

// without are some parts of a week less others, both as mergeParts makes them.
func without(parts, less []Part) []Part {
	var left []Part
	for _, p := range parts {
		for _, l := range less {
			if l.Until <= p.From || l.From >= p.Until {
				continue
			}
			if l.From > p.From {
				left = append(left, Part{p.From, l.From})
			}
			p.From = l.Until
			if p.From >= p.Until {
				break
			}
		}
		if p.From < p.Until {
			left = append(left, p)
		}
	}
	return left
}

// Nodes of the network of a demand: two ends, each crew and its days, and then groups of cells.
const (
	source = iota
	sink
	crews
	nodesPerCrew = 1 + 7
)

func crewNode(i int) int { return crews + i*nodesPerCrew }

// cells are stretches of a week at which the same people can work by the same days, and groups of them the
// nodes of those.
type cells struct {
	// until are the ends of the stretches, sorted, and group the group of each.
	until, group []int
	nodes        [][]int
}

// cells are those by the clocks of a demand, which stay as they are while people are given work.
func (t *task) cells(d *demand) *cells {
	cuts := []int{week}
	for i, c := range t.crews {
		for weekday := range 7 {
			cuts = append(cuts, inWeek(weekday*day-d.fast[i]))
		}
		for _, b := range c.blocked {
			cuts = append(cuts, inWeek(b.From-d.fast[i]), inWeek(b.Until-d.fast[i]))
		}
	}
	slices.Sort(cuts)
	found := &cells{}
	groups := map[string]int{}
	from := 0
	for _, cut := range slices.Compact(cuts) {
		if cut == from {
			continue
		}
		var nodes []int
		for i, c := range t.crews {
			local := inWeek(from + d.fast[i])
			if !slices.ContainsFunc(c.blocked, func(b Part) bool { return local >= b.From && local < b.Until }) {
				nodes = append(nodes, crewNode(i)+1+local/day)
			}
		}
		key := fmt.Sprint(nodes)
		group, known := groups[key]
		if !known {
			group = len(found.nodes)
			groups[key], found.nodes = group, append(found.nodes, nodes)
		}
		found.until, found.group = append(found.until, cut), append(found.group, group)
		from = cut
	}
	return found
}

// flow is the maximum flow for a demand: how many of its minutes the crews can cover. The network is that of
// the next call, too.
func (t *task) flow(d *demand) (int, *network) {
	if d.cells == nil {
		d.cells = t.cells(d)
	}
	t.minutes = slices.Grow(t.minutes[:0], len(d.cells.nodes))[:len(d.cells.nodes)]
	clear(t.minutes)
	cell := 0
	for _, p := range d.parts {
		for from := p.From; from < p.Until; {
			for d.cells.until[cell] <= from {
				cell++
			}
			until := min(p.Until, d.cells.until[cell])
			t.minutes[d.cells.group[cell]] += until - from
			from = until
		}
	}
	first := crewNode(len(t.crews))
	n := &t.network
	n.clear(first + len(t.minutes))
	for i := range t.crews {
		c := &t.crews[i]
		n.connect(source, crewNode(i), c.week)
		for weekday := range 7 {
			n.connect(crewNode(i), crewNode(i)+1+weekday, c.days[weekday])
		}
	}
	for group, length := range t.minutes {
		if length == 0 {
			continue
		}
		for _, node := range d.cells.nodes[group] {
			n.connect(node, first+group, length)
		}
		n.connect(first+group, sink, length)
	}
	return n.most(source, sink), n
}

// left is how many minutes of a demand stay without anybody, whoever works when.
func (t *task) left(d *demand) int {
	covered, _ := t.flow(d)
	return sum(d.parts) - covered
}

// possible reports whether no flow forbids that the demands are covered.
func (t *task) possible() bool {
	for i := range t.demands {
		i = (t.tightest + i) % len(t.demands)
		if t.left(&t.demands[i]) > t.demands[i].may {
			t.tightest = i
			return false
		}
	}
	return true
}

// room is how long a crew can work from a minute of its week on, at most so long.
func (c *crew) room(from, most int) int {
	for _, b := range c.blocked {
		if from >= b.From && from < b.Until {
			return 0
		}
		most = min(most, inWeek(b.From-from))
	}
	today, tomorrow := from/day, (from/day+1)%7
	untilMidnight := day - from%day
	able := min(most, c.days[today])
	if able >= untilMidnight {
		able = min(most, untilMidnight+c.days[tomorrow])
	}
	return min(able, c.week)
}

// work takes a run of a crew out of what is left.
func (t *task) work(i int, run Part) *task {
	next := t.clone()
	c := &next.crews[i]
	c.runs = append(c.runs, run)
	today, length := run.From/day, run.Until-run.From
	untilMidnight := min(length, day-run.From%day)
	c.days[today] -= untilMidnight
	c.days[(today+1)%7] -= length - untilMidnight
	c.week -= length
	for j := range next.demands {
		d := &next.demands[j]
		d.parts = without(d.parts, mergeParts([]Part{{run.From - d.fast[i], run.Until - d.fast[i]}}))
	}
	return next
}

// begin is when a crew has to begin, by its clock, to take the earliest minutes that are left of all
// demands, and for how long there is something to do without a break.
func (t *task) begin(i, earliest int) (from, length int) {
	from = t.demands[earliest].parts[0].From + t.demands[earliest].fast[i]
	var here []Part
	for j := range t.demands {
		d := &t.demands[j]
		for _, p := range d.parts {
			here = append(here, Part{p.From + d.fast[i], p.Until + d.fast[i]})
		}
	}
	slices.SortFunc(here, func(a, b Part) int { return a.From - b.From })
	begin := from
	for _, p := range here { // those that lead to it without a break
		if p.From < begin && p.Until >= begin && begin-p.From <= nearby {
			begin = p.From
		}
	}
	until := begin
	for _, p := range here {
		if p.From <= until {
			until = max(until, p.Until)
		}
	}
	return inWeek(begin), until - begin
}

// offer is a run that a crew could take.
type offer struct {
	crew int
	run  Part
	// rank says how good it is, the lowest first.
	rank [5]int
}

// offers are the runs with which the earliest minute that is left can be taken, the best first.
// With backToBack, also those that follow another without any rest.
func (t *task) offers(earliest int, backToBack bool) []offer {
	var found []offer
	for i := range t.crews {
		c := &t.crews[i]
		from, length := t.begin(i, earliest)
		most := min(longestRun, length)
		if !backToBack && c.single {
			for _, r := range c.runs {
				if inWeek(r.Until) == from {
					most = min(most, longestRun-(r.Until-r.From))
				}
			}
		}
		most = c.room(from, most)
		if most <= 0 {
			continue
		}
		o := offer{crew: i, run: Part{from, from + most}}
		flag := func(at int, bad bool) {
			if bad {
				o.rank[at] = 1
			}
		}
		flag(0, most < min(shortRun, length))
		flag(1, c.single && !c.rested(o.run))
		flag(2, 2*night(o.run) > most)
		flag(3, !slices.ContainsFunc(c.runs, func(r Part) bool { return r.From%day == from%day && r.Until-r.From == most }))
		o.rank[4] = -most
		found = append(found, o)
	}
	slices.SortStableFunc(found, func(a, b offer) int { return slices.Compare(a.rank[:], b.rank[:]) })
	return found
}

// rested reports whether there is rest before and after a run, or it goes on with another.
func (c *crew) rested(run Part) bool {
	for _, r := range c.runs {
		before, after := inWeek(run.From-r.Until), inWeek(r.From-run.Until)
		if before > 0 && before < rest || after > 0 && after < rest {
			return false
		}
	}
	return true
}

// night is how much of a run is in the night.
func night(run Part) int {
	minutes := 0
	for weekday := -1; weekday <= 7; weekday++ {
		begins, ends := weekday*day+nightBegins, (weekday+1)*day+nightEnds
		minutes += max(0, min(run.Until, ends)-max(run.From, begins))
	}
	return minutes
}

// sweep finds who covers what is left; nil if it finds nobody. Steps is how many more it may take.
func (t *task) sweep(ctx context.Context, steps *int) *task {
	earliest := -1
	for j := range t.demands {
		if d := t.demands[j]; len(d.parts) > 0 && (earliest < 0 || d.parts[0].From < t.demands[earliest].parts[0].From) {
			earliest = j
		}
	}
	if earliest < 0 {
		return t
	}
	if *steps--; *steps < 0 || ctx.Err() != nil {
		return nil
	}
	for _, backToBack := range []bool{false, true} {
		offers := t.offers(earliest, backToBack)
		for _, o := range offers {
			if next := t.work(o.crew, o.run); next.possible() {
				if found := next.sweep(ctx, steps); found != nil || *steps < 0 {
					return found
				}
			}
		}
		for _, o := range offers { // a part of it
			length := longest(o.run.Until-o.run.From-1, func(length int) bool {
				return t.work(o.crew, Part{o.run.From, o.run.From + length}).possible()
			})
			if length > 0 {
				if found := t.work(o.crew, Part{o.run.From, o.run.From + length}).sweep(ctx, steps); found != nil || *steps < 0 {
					return found
				}
			}
		}
	}
	skip := longest(t.demands[earliest].parts[0].Until-t.demands[earliest].parts[0].From, func(length int) bool { return t.skip(earliest, length).possible() })
	if skip == 0 {
		return nil
	}
	return t.skip(earliest, skip).sweep(ctx, steps)
}

// skip leaves the earliest minutes of a demand without anybody.
func (t *task) skip(earliest, length int) *task {
	next := t.clone()
	d := &next.demands[earliest]
	d.may -= length
	from := d.parts[0].From
	d.parts = without(d.parts, []Part{{from, from + length}})
	return next
}

// longest is a number from 0 to most for which something is true, which is true for all below one, and 0
// only if it is true for none: the most, or else the greatest number of quarters of an hour, or else of
// minutes.
func longest(most int, holds func(int) bool) int {
	const quarter = 15
	if most > 0 && holds(most) {
		return most
	}
	search := func(most, unit int) int {
		low := 0
		for high := most / unit; low < high; {
			if middle := (low + high + 1) / 2; holds(middle * unit) {
				low = middle
			} else {
				high = middle - 1
			}
		}
		return low * unit
	}
	if found := search(most, quarter); found > 0 {
		return found
	}
	return search(min(most, quarter-1), 1)
}
