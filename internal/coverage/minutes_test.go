package coverage_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/coverage"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/support"
)

// awkward are zones with half and quarter hours, with daylight saving of half an hour,
// on the other side of the date line, by the moon, and at midnight.
var awkward = []v1alpha1.TimeZone{
	"Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca", "America/St_Johns",
	"America/New_York", "Europe/Berlin", "Pacific/Chatham", "Asia/Beirut", "America/Havana", "UTC",
}

var daysOfWeek = []v1alpha1.DayOfWeek{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

func someDays(random *rand.Rand, most int) []v1alpha1.DayOfWeek {
	days := slices.Clone(daysOfWeek)
	random.Shuffle(len(days), func(i, j int) { days[i], days[j] = days[j], days[i] })
	return days[:1+random.IntN(most)]
}

// clocks are what a clock reads at each minute of the day.
var clocks = func() (all [24*60 + 1]v1alpha1.TimeOfDay) {
	for minute := range all {
		all[minute] = v1alpha1.TimeOfDay(fmt.Sprintf("%02d:%02d", minute/60, minute%60))
	}
	return all
}()

func clock(minute int) v1alpha1.TimeOfDay { return clocks[minute] }

func someHours(random *rand.Rand) v1alpha1.OperatingHours {
	if random.IntN(4) == 0 {
		return v1alpha1.OperatingHours{AlwaysOn: new(true)}
	}
	hours := v1alpha1.OperatingHours{TimeZone: pick(random, awkward), Holidays: pick(random, []v1alpha1.HolidayCalendar{v1alpha1.USFederal, v1alpha1.NoHolidays, "DE", "JP"})}
	if opens := random.IntN(24 * 60); random.IntN(2) == 0 {
		hours.Days, hours.Opens, hours.Closes = someDays(random, 7), clock(opens), clock(opens+1+random.IntN(24*60-opens))
	} else {
		for _, day := range someDays(random, 7) { // before and after noon, the latter past midnight if need be
			hours.Windows = append(hours.Windows, v1alpha1.HoursWindow{Days: []v1alpha1.DayOfWeek{day}, Opens: clock(360 + random.IntN(300)), Closes: clock(661 + random.IntN(59))})
			if random.IntN(2) == 0 {
				hours.Windows = append(hours.Windows, v1alpha1.HoursWindow{Days: []v1alpha1.DayOfWeek{day}, Opens: clock(720 + random.IntN(700)), Closes: clock(random.IntN(300))})
			}
		}
	}
	dates := someDates(random, 6)
	for range random.IntN(4) {
		hours.Closures, dates = append(hours.Closures, date(dates[0])), dates[1:]
	}
	for range random.IntN(3) {
		special := v1alpha1.SpecialDay{From: date(dates[0]), Until: date(dates[0] + random.IntN(5))}
		if opens := random.IntN(24 * 60); random.IntN(2) == 0 {
			special.Until, special.Opens, special.Closes = "", clock(opens), clock((opens+1+random.IntN(24*60-1))%(24*60))
		}
		hours.SpecialDays, dates = append(hours.SpecialDays, special), dates[1:]
	}
	return hours
}

// date is a day of the year that is walked, counted from its first one.
func date(day int) v1alpha1.Date {
	return v1alpha1.Date(time.Date(2026, 10, 3+day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
}

// someDates are days of the year at least ten days from each other, as many as asked for.
func someDates(random *rand.Rand, n int) []int {
	slots := random.Perm(35)[:n]
	for i := range slots {
		slots[i] *= 10
	}
	return slots
}

// someAllocation has so many FTE that its shifts are accepted.
func someAllocation(random *rand.Rand, i int) v1alpha1.PCSMAllocation {
	a := v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("allocation-", i)}}
	a.Spec.PartnerRef.Name = "acme"
	a.Spec.Localization = &v1alpha1.Localization{TimeZone: pick(random, awkward), Languages: []v1alpha1.Language{pick(random, []v1alpha1.Language{"de", "en", "ne"})}}
	for range 1 + random.IntN(3) {
		fte := v1alpha1.FTE(1 + random.IntN(3))
		start := random.IntN(24 * 60)
		a.Spec.Shifts = append(a.Spec.Shifts, v1alpha1.Shift{
			Days: someDays(random, 5), Start: clock(start), End: clock((start + 1 + random.IntN(8*60)) % (24 * 60)), FTE: fte,
		})
		if i := len(a.Spec.Shifts) - 1; random.IntN(3) == 0 {
			a.Spec.Shifts[i].EveryNthWeek, a.Spec.Shifts[i].Anchor = int32(1+random.IntN(4)), date(random.IntN(300))
		}
		a.Spec.FTE += (fte + 1) / v1alpha1.OneFTE * v1alpha1.OneFTE
	}
	a.Spec.Localization.Holidays = pick(random, []v1alpha1.HolidayCalendar{"", v1alpha1.NoHolidays, "FR", "GB"})
	dates := someDates(random, 12)
	for range random.IntN(6) {
		away := v1alpha1.Absence{From: date(dates[0]), Until: date(dates[0] + random.IntN(9)), FTE: v1alpha1.FTE(random.IntN(int(a.Spec.FTE) + 1))}
		a.Spec.Absences, dates = append(a.Spec.Absences, away), dates[1:]
	}
	for range random.IntN(6) {
		start, day := random.IntN(24*60), dates[0]+random.IntN(9)
		if random.IntN(3) == 0 && len(a.Spec.Absences) > 0 {
			from, err := a.Spec.Absences[0].From.Time(time.UTC)
			Expect(err).NotTo(HaveOccurred())
			day = int(from.Sub(time.Date(2026, 10, 3, 0, 0, 0, 0, time.UTC)).Hours() / 24) // on a day of absence
		}
		fte := v1alpha1.FTE(random.IntN(int(a.Spec.FTE) + 1))
		a.Spec.Exceptions, dates = append(a.Spec.Exceptions, v1alpha1.ShiftException{
			Date: date(day), Start: clock(start), End: clock((start + 1 + random.IntN(8*60)) % (24 * 60)), FTE: &fte,
		}), dates[1:]
		if random.IntN(3) == 0 && staffing.Accept(&a, acme) != nil { // two of one day are too much
			a.Spec.Exceptions = a.Spec.Exceptions[:len(a.Spec.Exceptions)-1]
		}
	}
	for staffing.Accept(&a, acme) != nil {
		a.Spec.Exceptions = a.Spec.Exceptions[:len(a.Spec.Exceptions)-1]
	}
	if random.IntN(3) == 0 {
		a.Spec.ValidFrom = v1alpha1.Date(time.Date(2026, 11, 1+random.IntN(200), 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
	}
	if random.IntN(3) == 0 {
		a.Spec.ValidUntil = v1alpha1.Date(time.Date(2027, 6, 1+random.IntN(200), 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
	}
	return a
}

var acme = &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: v1alpha1.PartnerSpec{ChannelModel: v1alpha1.OEM}}

// wall is a clock on a wall, which is looked at every minute.
type wall struct {
	zone   *time.Location
	offset time.Duration
	read   time.Time // as if it were UTC
}

func (w *wall) tick(at time.Time) {
	if at.Minute()%15 == 0 || w.read.IsZero() { // clocks change at these
		_, seconds := at.In(w.zone).Zone()
		w.offset = time.Duration(seconds) * time.Second
	}
	w.read = at.Add(w.offset)
}

// minuteByMinute is another implementation of the rules. It has no notion of weeks,
// patterns or spans.
type minuteByMinute struct {
	hours       v1alpha1.OperatingHours
	plan        wall
	holidays    map[string]bool
	allocations []v1alpha1.PCSMAllocation
	walls       []wall
	away        []map[string]bool // holidays of the allocations
	today       v1alpha1.Date     // in UTC
	// open and known are what was worked out before, of each day; known of each allocation with and
	// without exceptions, holidays and absences.
	open  [days]*[][2]v1alpha1.TimeOfDay
	known [2][3][days]*day
}

// days are more than a year has.
const days = 400

// day is what starts on a day, and the most FTE that are there.
type day struct {
	shifts []v1alpha1.Shift
	most   v1alpha1.FTE
}

// number counts days, again and again up to a number that a walk does not reach.
func number(day time.Time) int { return int(day.Unix()/(24*60*60)) % days }

func newMinuteByMinute(hours v1alpha1.OperatingHours, allocations []v1alpha1.PCSMAllocation) *minuteByMinute {
	m := &minuteByMinute{hours: hours, allocations: allocations, holidays: map[string]bool{}, plan: wall{zone: time.UTC}}
	zone := func(name v1alpha1.TimeZone) *time.Location {
		loaded, err := support.LoadZone(name)
		Expect(err).NotTo(HaveOccurred())
		return loaded
	}
	holidaysOf := func(hours v1alpha1.OperatingHours) map[string]bool {
		found := map[string]bool{}
		for year := 2025; year < 2029; year++ {
			for _, holiday := range support.HolidaysOf(hours, year) {
				found[string(holiday.Date)] = true
			}
		}
		return found
	}
	if hours.AlwaysOn == nil {
		m.plan.zone, m.holidays = zone(hours.TimeZone), holidaysOf(hours)
	}
	for _, a := range allocations {
		m.walls = append(m.walls, wall{zone: zone(a.Spec.Localization.TimeZone)})
		var days []v1alpha1.DayOfWeek
		for _, s := range a.Spec.Shifts {
			days = append(days, s.Days...)
		}
		m.away = append(m.away, holidaysOf(v1alpha1.OperatingHours{Holidays: a.Spec.Localization.Holidays, Days: days}))
	}
	return m
}

// duty is who is on duty: how many FTE, and which of the allocations.
type duty struct {
	fte         v1alpha1.FTE
	allocations [3]bool
}

// opensOn are the windows that open on a day, each as the times at which it opens and closes.
func (m *minuteByMinute) opensOn(day time.Time) [][2]v1alpha1.TimeOfDay {
	today := v1alpha1.Date(day.Format(time.DateOnly))
	for _, special := range m.hours.SpecialDays {
		if today >= special.From && today <= max(special.From, special.Until) {
			if special.Opens == "" {
				return nil
			}
			return [][2]v1alpha1.TimeOfDay{{special.Opens, special.Closes}}
		}
	}
	if m.holidays[string(today)] || slices.Contains(m.hours.Closures, today) {
		return nil
	}
	var opening [][2]v1alpha1.TimeOfDay
	for _, w := range append([]v1alpha1.HoursWindow{{Days: m.hours.Days, Opens: m.hours.Opens, Closes: m.hours.Closes}}, m.hours.Windows...) {
		if slices.Contains(w.Days, daysOfWeek[day.Weekday()]) {
			opening = append(opening, [2]v1alpha1.TimeOfDay{w.Opens, w.Closes})
		}
	}
	return opening
}

// isOpen goes by what the plan's clock reads.
func (m *minuteByMinute) isOpen() bool {
	read := m.plan.read
	now := clock(read.Hour()*60 + read.Minute())
	opens := func(day time.Time) [][2]v1alpha1.TimeOfDay {
		known := &m.open[number(day)]
		if *known == nil {
			*known = new(m.opensOn(day))
		}
		return **known
	}
	for _, w := range opens(read) {
		if now >= w[0] && (now < w[1] || w[1] <= w[0]) {
			return true
		}
	}
	for _, w := range opens(read.Add(-24 * time.Hour)) {
		if w[1] <= w[0] && now < w[1] {
			return true
		}
	}
	return false
}

// startsOn is what starts on a day.
func (m *minuteByMinute) startsOn(i int, of time.Time, regular bool) *day {
	a := &m.allocations[i]
	today := v1alpha1.Date(of.Format(time.DateOnly))
	found := &day{most: a.Spec.FTE}
	replaced := false
	for _, e := range a.Spec.Exceptions {
		if e.Date == today && !regular {
			replaced = true
			found.shifts = append(found.shifts, v1alpha1.Shift{Start: e.Start, End: e.End, FTE: *e.FTE})
		}
	}
	monday := func(t time.Time) time.Time {
		t = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
		for t.Weekday() != time.Monday {
			t = t.AddDate(0, 0, -1)
		}
		return t
	}
	for _, s := range a.Spec.Shifts {
		if replaced || !regular && m.away[i][string(today)] || !slices.Contains(s.Days, daysOfWeek[of.Weekday()]) {
			continue
		}
		if s.EveryNthWeek > 1 {
			anchor, err := s.Anchor.Time(time.UTC)
			Expect(err).NotTo(HaveOccurred())
			if int(monday(of).Sub(monday(anchor)).Hours()/24/7)%int(s.EveryNthWeek) != 0 {
				continue
			}
		}
		found.shifts = append(found.shifts, s)
	}
	for _, absence := range a.Spec.Absences {
		if !regular && today >= absence.From && today <= absence.Until {
			found.most -= absence.FTE
			if absence.FTE == 0 {
				found.most = 0
			}
		}
	}
	return found
}

// onShift are the FTE of what starts on a day, of an allocation whose clock reads a time of that day, or of
// the next day.
func (m *minuteByMinute) onShift(i int, of time.Time, now v1alpha1.TimeOfDay, next, regular bool) v1alpha1.FTE {
	known := &m.known[0][i][number(of)]
	if regular {
		known = &m.known[1][i][number(of)]
	}
	if *known == nil {
		*known = m.startsOn(i, of, regular)
	}
	var fte v1alpha1.FTE
	for j := range (*known).shifts {
		s := &(*known).shifts[j]
		if next && s.End <= s.Start && now < s.End || !next && now >= s.Start && (now < s.End || s.End <= s.Start) {
			fte += s.FTE
		}
	}
	return min(fte, (*known).most)
}

// look says what a minute is like, and whether the weekly shifts alone would have anybody on duty.
func (m *minuteByMinute) look(at time.Time) (open bool, on duty, regular bool) {
	m.plan.tick(at)
	open = m.hours.AlwaysOn != nil || m.isOpen()
	if m.today == "" || at.Hour()+at.Minute() == 0 {
		m.today = v1alpha1.Date(at.Format(time.DateOnly))
	}
	for i := range m.allocations {
		a := &m.allocations[i]
		m.walls[i].tick(at)
		if m.today < a.Spec.ValidFrom || a.Spec.ValidUntil != "" && m.today > a.Spec.ValidUntil {
			continue
		}
		read := m.walls[i].read
		now, yesterday := clock(read.Hour()*60+read.Minute()), read.Add(-24*time.Hour)
		fte := m.onShift(i, read, now, false, false) + m.onShift(i, yesterday, now, true, false)
		fte = min(fte, max(m.known[0][i][number(read)].most, m.known[0][i][number(yesterday)].most))
		on.fte += fte
		on.allocations[i] = fte > 0
		regular = regular || open && m.onShift(i, read, now, false, true)+m.onShift(i, yesterday, now, true, true) > 0
	}
	return open, on, regular
}

var _ = Describe("A year of real days", func() {
	const rosters = 200
	It("is judged as minute by minute", func() {
		random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 17))
		from := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
		for n := range rosters {
			hours := someHours(random)
			var allocations []v1alpha1.PCSMAllocation
			for i := range 1 + random.IntN(3) {
				allocations = append(allocations, someAllocation(random, i))
			}
			roster, err := coverage.New(hours, acme, allocations)
			Expect(err).NotTo(HaveOccurred())
			start := from.Add(time.Duration(random.IntN(1440)) * time.Minute)
			until := start.AddDate(1, 0, 0)

			walked := newMinuteByMinute(hours, allocations)
			var operating, covered int
			var gaps, lost []coverage.Span
			var onDuty []string
			var isOpen []bool
			before := duty{fte: -1}
			for at := start; at.Before(until); at = at.Add(time.Minute) {
				open, on, regular := walked.look(at)
				isOpen = append(isOpen, open)
				if open && regular && on.fte == 0 {
					if last := len(lost) - 1; last >= 0 && lost[last].Until.Equal(at) {
						lost[last].Until = at.Add(time.Minute)
					} else {
						lost = append(lost, coverage.Span{From: at, Until: at.Add(time.Minute)})
					}
				}
				if open {
					operating++
					if on.fte > 0 {
						covered++
					} else if last := len(gaps) - 1; last >= 0 && gaps[last].Until.Equal(at) {
						gaps[last].Until = at.Add(time.Minute)
					} else {
						gaps = append(gaps, coverage.Span{From: at, Until: at.Add(time.Minute)})
					}
				}
				if on != before {
					onDuty = append(onDuty, line(at, on.fte, named(allocations, on)))
					before = on
				}
			}

			about := fmt.Sprintf("roster %d: %+v %+v", n, hours, allocations)
			judged := roster.Between(start, until)
			Expect(judged.OperatingMinutes).To(Equal(operating), about)
			Expect(judged.CoveredMinutes).To(Equal(covered), about)
			Expect(fmt.Sprint(judged.Gaps)).To(Equal(fmt.Sprint(gaps)), about)
			Expect(told(judged, start)).To(Equal(onDuty), about)
			members := roster.Members(start, until)
			for _, m := range members {
				var spans []coverage.Span
				for _, on := range judged.OnDuty {
					if !slices.Contains(on.Allocations, m.Allocation) {
						continue
					}
					if last := len(spans) - 1; last >= 0 && spans[last].Until.Equal(on.From) {
						spans[last].Until = on.Until
					} else {
						spans = append(spans, on.Span)
					}
				}
				Expect(m.OnDuty).To(Equal(spans), "%s of %s", m.Allocation, about)
			}
			for _, gap := range lost { // somebody is away in each
				Expect(slices.ContainsFunc(members, func(m coverage.Member) bool {
					return slices.ContainsFunc(m.Away, func(a coverage.Away) bool { return !a.From.After(gap.From) && a.Until.After(gap.From) })
				})).To(BeTrue(), "%s: %s", gap, about)
			}

			for range 5 {
				now := start.Add(time.Duration(20*1440+random.IntN(300*1440)) * time.Minute)
				var next *coverage.Span
				for i := range lost {
					if lost[i].Until.After(now) && !lost[i].From.After(now.Add(coverage.Foresight)) {
						next = &lost[i]
						break
					}
				}
				verdict := roster.Judge(now)
				switch {
				case !verdict.Declared:
				case next == nil:
					Expect(verdict.NextGap).To(BeNil(), about)
				default:
					Expect(verdict.NextGap).To(HaveValue(HaveField("Span", Equal(coverage.Span{From: next.From, Until: next.Until}))), "at %s: %s", now, about)
				}

				known, err := support.NewHours(hours)
				Expect(err).NotTo(HaveOccurred())
				minute := random.IntN(len(isOpen) - 60*1440)
				left, asked := 1+random.IntN(16*60), start.Add(time.Duration(minute)*time.Minute)
				due, err := support.Due(known, v1alpha1.ResponseTarget{Within: fmt.Sprintf("%dm", left)}, asked)
				for minute < len(isOpen) && left > 0 {
					if isOpen[minute] {
						left--
					}
					minute++
				}
				if left == 0 {
					Expect(err).NotTo(HaveOccurred(), about)
					Expect(due).To(Equal(start.Add(time.Duration(minute)*time.Minute)), "asked at %s: %s", asked, about)
				}
			}
		}
	})
})

func line(at time.Time, fte v1alpha1.FTE, names []string) string {
	return fmt.Sprintf("%s %s FTE %v", at.Format(time.RFC3339), fte, names)
}

func named(allocations []v1alpha1.PCSMAllocation, on duty) []string {
	var names []string
	for i := range allocations {
		if on.allocations[i] {
			names = append(names, allocations[i].Name)
		}
	}
	return names
}

// told writes who is on duty as the walk does.
func told(period coverage.Period, start time.Time) []string {
	var lines []string
	end := start
	for _, duty := range period.OnDuty {
		if !duty.From.Equal(end) {
			lines = append(lines, line(end, 0, nil))
		}
		lines = append(lines, line(duty.From, duty.FTE, duty.Allocations))
		end = duty.Until
	}
	if end.Before(period.Until) {
		lines = append(lines, line(end, 0, nil))
	}
	return lines
}
