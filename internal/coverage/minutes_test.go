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
	opens := random.IntN(24 * 60)
	hours := v1alpha1.OperatingHours{
		TimeZone: pick(random, awkward), Days: someDays(random, 7), Holidays: pick(random, []v1alpha1.HolidayCalendar{v1alpha1.USFederal, v1alpha1.NoHolidays}),
		Opens: clock(opens), Closes: clock(opens + 1 + random.IntN(24*60-opens)),
	}
	for range random.IntN(4) {
		hours.Closures = append(hours.Closures, v1alpha1.Date(time.Date(2026, 11, 1+random.IntN(300), 0, 0, 0, 0, time.UTC).Format(time.DateOnly)))
	}
	return hours
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
		a.Spec.FTE += fte
	}
	if random.IntN(3) == 0 {
		a.Spec.ValidFrom = v1alpha1.Date(time.Date(2026, 11, 1+random.IntN(200), 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
	}
	if random.IntN(3) == 0 {
		a.Spec.ValidUntil = v1alpha1.Date(time.Date(2027, 6, 1+random.IntN(200), 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
	}
	return a
}

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
	today       v1alpha1.Date // in UTC
}

func newMinuteByMinute(hours v1alpha1.OperatingHours, allocations []v1alpha1.PCSMAllocation) *minuteByMinute {
	m := &minuteByMinute{hours: hours, allocations: allocations, holidays: map[string]bool{}, plan: wall{zone: time.UTC}}
	zone := func(name v1alpha1.TimeZone) *time.Location {
		loaded, err := support.LoadZone(name)
		Expect(err).NotTo(HaveOccurred())
		return loaded
	}
	if hours.AlwaysOn == nil {
		m.plan.zone = zone(hours.TimeZone)
		for _, date := range hours.Closures {
			m.holidays[string(date)] = true
		}
		for year := 2025; year < 2029 && hours.Holidays == v1alpha1.USFederal; year++ {
			for _, holiday := range support.HolidaysOf(v1alpha1.OperatingHours{Holidays: v1alpha1.USFederal, Days: hours.Days}, year) {
				m.holidays[string(holiday.Date)] = true
			}
		}
	}
	for _, a := range allocations {
		m.walls = append(m.walls, wall{zone: zone(a.Spec.Localization.TimeZone)})
	}
	return m
}

// duty is who is on duty: how many FTE, and which of the allocations.
type duty struct {
	fte         v1alpha1.FTE
	allocations [3]bool
}

// look says what a minute is like.
func (m *minuteByMinute) look(at time.Time) (open bool, on duty) {
	m.plan.tick(at)
	open = m.hours.AlwaysOn != nil
	if read := m.plan.read; !open {
		now := clock(read.Hour()*60 + read.Minute())
		open = slices.Contains(m.hours.Days, daysOfWeek[read.Weekday()]) && now >= m.hours.Opens && now < m.hours.Closes && !m.holidays[read.Format(time.DateOnly)]
	}
	if m.today == "" || at.Hour()+at.Minute() == 0 {
		m.today = v1alpha1.Date(at.Format(time.DateOnly))
	}
	today := m.today
	for i := range m.allocations {
		a := &m.allocations[i]
		m.walls[i].tick(at)
		if today < a.Spec.ValidFrom || a.Spec.ValidUntil != "" && today > a.Spec.ValidUntil {
			continue
		}
		read := m.walls[i].read
		now := clock(read.Hour()*60 + read.Minute())
		works := func(s *v1alpha1.Shift, of int) bool { return slices.Contains(s.Days, daysOfWeek[(of+7)%7]) }
		for j := range a.Spec.Shifts {
			s := &a.Spec.Shifts[j]
			here := works(s, int(read.Weekday())) && now >= s.Start && now < s.End
			if s.End <= s.Start {
				here = works(s, int(read.Weekday())) && now >= s.Start || works(s, int(read.Weekday())-1) && now < s.End
			}
			if here {
				on.fte += s.FTE
				on.allocations[i] = true
			}
		}
	}
	return open, on
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
			partner := &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: v1alpha1.PartnerSpec{ChannelModel: v1alpha1.OEM}}
			roster, err := coverage.New(hours, partner, allocations)
			Expect(err).NotTo(HaveOccurred())
			start := from.Add(time.Duration(random.IntN(1440)) * time.Minute)
			until := start.AddDate(1, 0, 0)

			walked := newMinuteByMinute(hours, allocations)
			var operating, covered int
			var gaps []coverage.Span
			var onDuty []string
			before := duty{fte: -1}
			for at := start; at.Before(until); at = at.Add(time.Minute) {
				open, on := walked.look(at)
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
