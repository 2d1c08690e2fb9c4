package coverage_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/yaml"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/coverage"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/support"
)

// person is an allocation of one person at half of the attention.
func person(name string, zone v1alpha1.TimeZone, shifts ...v1alpha1.Shift) v1alpha1.PCSMAllocation {
	a := v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{Name: name}}
	a.Spec.PartnerRef.Name, a.Spec.FTE, a.Spec.Shifts = "acme", v1alpha1.HalfFTE, shifts
	a.Spec.Localization = &v1alpha1.Localization{TimeZone: zone}
	return a
}

func shift(days []v1alpha1.DayOfWeek, start, end v1alpha1.TimeOfDay) v1alpha1.Shift {
	return v1alpha1.Shift{Days: days, Start: start, End: end}
}

func inZones(names ...v1alpha1.TimeZone) []*time.Location {
	GinkgoHelper()
	var zones []*time.Location
	for _, name := range names {
		zone, err := support.LoadZone(name)
		Expect(err).NotTo(HaveOccurred())
		zones = append(zones, zone)
	}
	return zones
}

// proposed applies a proposal, which has to be accepted, and judges it again.
func proposed(hours v1alpha1.OperatingHours, now time.Time, wish coverage.Wish, allocations ...v1alpha1.PCSMAllocation) (coverage.Proposal, coverage.Verdict) {
	GinkgoHelper()
	p, err := roster(hours, allocations...).Propose(context.Background(), acme, now, wish)
	Expect(err).NotTo(HaveOccurred())
	after := slices.Clone(allocations)
	for _, a := range p.Allocations {
		Expect(staffing.Accept(&a, acme)).To(Succeed(), "%+v", a.Spec)
		days, were := calendarDays(&a), [7]int{}
		if i := slices.IndexFunc(after, func(is v1alpha1.PCSMAllocation) bool { return is.Name == a.Name }); i >= 0 {
			Expect(a.Spec.FTE).To(Equal(after[i].Spec.FTE))
			were = calendarDays(&after[i])
			after[i] = a
		} else {
			after = append(after, a)
		}
		for of := range days {
			if a.Spec.FTE <= v1alpha1.OneFTE {
				Expect(days[of]).To(BeNumerically("<=", max(8*60, were[of])), "%+v", a.Spec.Shifts)
			}
		}
	}
	return p, roster(hours, after...).Judge(now)
}

// calendarDays are the minutes of shifts from one midnight to the next.
func calendarDays(a *v1alpha1.PCSMAllocation) (minutes [7]int) {
	for _, s := range a.Spec.Shifts {
		start, length := staffing.ShiftMinutes(s)
		for _, name := range s.Days {
			of := slices.Index(support.Week, name)
			today := min(length, 24*60-start)
			minutes[of] += today
			minutes[(of+1)%7] += length - today
		}
	}
	return minutes
}

var _ = Describe("A proposal", func() {
	now := at("2026-12-01T12:00:00Z")

	DescribeTable("takes the fewest FTE, and replaces the fewest shifts",
		func(hours v1alpha1.OperatingHours, wish coverage.Wish, fte v1alpha1.FTE, replaced int, allocations ...v1alpha1.PCSMAllocation) {
			p, v := proposed(hours, now, wish, allocations...)
			text, _ := yaml.Marshal(p.Allocations)
			GinkgoWriter.Println(string(text))
			Expect(p.After).To(Equal(fte))
			Expect(p.FewestFTE).To(Equal(fte))
			Expect(p.Replaced).To(Equal(replaced))
			Expect(v.Uncovered).To(BeZero(), v.Message())
			Expect(v.Worse).To(BeNil(), v.Message())
		},
		Entry("five people, from nothing, around the clock", always, coverage.Wish{}, v1alpha1.FTE(5), 0),
		Entry("one person, five days of eight hours", newYork, coverage.Wish{}, v1alpha1.FTE(1), 0),
		Entry("nobody, if all is covered", newYork, coverage.Wish{}, v1alpha1.FTE(1), 0, person("a", "America/New_York", shift(workdays, "09:00", "17:00"))),
		Entry("those who are there and declare no shifts", newYork, coverage.Wish{}, v1alpha1.FTE(1), 0, person("a", "America/New_York")),
		Entry("around the clock by the contract's three, and two more", always, coverage.Wish{}, v1alpha1.FTE(8), 1,
			full("a", "UTC", shift(workdays, "00:00", "08:00")), full("b", "UTC", shift(workdays, "08:00", "16:00")), full("c", "UTC", shift(workdays, "16:00", "00:00"))),
		Entry("a shift that is there twice moves", v1alpha1.OperatingHours{TimeZone: "UTC", Days: workdays, Opens: "06:00", Closes: "22:00"}, coverage.Wish{}, v1alpha1.FTE(2), 1,
			person("a", "UTC", shift(workdays, "06:00", "14:00")), person("b", "UTC", shift(workdays, "06:00", "14:00"))),
		Entry("in a zone whose clocks change on other days, an hour more", v1alpha1.OperatingHours{TimeZone: "America/New_York", Days: workdays, Opens: "08:00", Closes: "15:00"}, coverage.Wish{Zones: inZones("Europe/Berlin")}, v1alpha1.FTE(1), 0),
		Entry("and so two people for eight", newYork, coverage.Wish{Zones: inZones("Europe/Berlin")}, v1alpha1.FTE(2), 0),
		Entry("around the clock, with the sun, though clocks change", always, coverage.Wish{Zones: inZones("Europe/Berlin", "America/Los_Angeles", "Asia/Singapore")}, v1alpha1.FTE(5), 0),
		Entry("with minutes", v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Days: everyDay, Opens: "07:13", Closes: "18:41"}, coverage.Wish{}, v1alpha1.FTE(3), 0),
	)
})

func full(name string, zone v1alpha1.TimeZone, shifts ...v1alpha1.Shift) v1alpha1.PCSMAllocation {
	a := person(name, zone, shifts...)
	a.Spec.FTE = v1alpha1.OneFTE
	return a
}

// fixedZones are multiples of four hours away from each other, and their clocks never change.
var fixedZones = []v1alpha1.TimeZone{"UTC", "Asia/Dubai", "Asia/Shanghai", "America/Puerto_Rico", "Pacific/Pitcairn"}

// block is what somebody works at once in the search by trial, in hours.
const block = 4

// someBlocks are operating hours of one to four days, in blocks of the week.
func someBlocks(random *rand.Rand, zone v1alpha1.TimeZone) (hours v1alpha1.OperatingHours, open []int) {
	hours = v1alpha1.OperatingHours{TimeZone: zone, Holidays: v1alpha1.NoHolidays}
	for _, name := range someDays(random, 4) {
		from := random.IntN(6)
		until := from + 1 + random.IntN(6-from)
		hours.Windows = append(hours.Windows, v1alpha1.HoursWindow{Days: []v1alpha1.DayOfWeek{name}, Opens: clock(from * block * 60), Closes: clock(until * block * 60)})
		for b := from; b < until; b++ {
			open = append(open, slices.Index(support.Week, name)*6+b)
		}
	}
	return hours, open
}

// blocksAhead is by how many blocks a clock is ahead of another.
func blocksAhead(zone, of v1alpha1.TimeZone) int {
	GinkgoHelper()
	zones := inZones(zone, of)
	noon := at("2026-12-01T12:00:00Z")
	_, a := noon.In(zones[0]).Zone()
	_, b := noon.In(zones[1]).Zone()
	return (a - b) / 3600 / block
}

// byTrial reports whether people whose clocks are so far ahead can work all blocks, by trying who works
// which.
func byTrial(open, fast []int) bool {
	worked := make([][8]int, len(fast)) // blocks of each one, by day, and of the week
	var try func(i int) bool
	try = func(i int) bool {
		if i == len(open) {
			return true
		}
		for who, ahead := range fast {
			if who > 0 && ahead == fast[who-1] && worked[who] == worked[who-1] {
				continue // they are alike
			}
			of := (open[i] + ahead + 84) % 42 / 6
			if worked[who][of] == 8/block || worked[who][7] == 40/block {
				continue
			}
			worked[who][of]++
			worked[who][7]++
			if try(i + 1) {
				return true
			}
			worked[who][of]--
			worked[who][7]--
		}
		return false
	}
	return try(0)
}

var _ = Describe("Proposals for two hundred small partners", func() {
	now := at("2026-12-01T12:00:00Z")

	It("need no more FTE than a search by trial finds, and cover all", func() {
		random := rand.New(rand.NewPCG(7, 35))
		added := map[int]int{}
		for range 200 {
			plan := pick(random, fixedZones)
			hours, open := someBlocks(random, plan)
			zones := []v1alpha1.TimeZone{pick(random, fixedZones), pick(random, fixedZones)}
			var allocations []v1alpha1.PCSMAllocation
			var fast []int
			for i := range random.IntN(3) {
				zone := pick(random, fixedZones)
				a := person(fmt.Sprint("there-", i), zone)
				for _, name := range someDays(random, 5) {
					start := random.IntN(24)
					a.Spec.Shifts = append(a.Spec.Shifts, shift([]v1alpha1.DayOfWeek{name}, clock(start*60), clock((start+1+random.IntN(8))*60%(24*60))))
				}
				if staffing.Accept(&a, acme) == nil { // no shifts of it overlap
					allocations, fast = append(allocations, a), append(fast, blocksAhead(zone, plan))
				}
			}
			fewest := -1
			for people := 0; fewest < 0; people++ {
				for in := range people + 1 { // so many of them in the first zone
					all := slices.Clone(fast)
					for i := range people {
						all = append(all, blocksAhead(zones[min(1, (i+people-in)/people)], plan))
					}
					if byTrial(open, all) {
						fewest = people
					}
				}
			}
			added[fewest]++
			p, v := proposed(hours, now, coverage.Wish{Zones: inZones(zones...)}, allocations...)
			text, _ := yaml.Marshal(map[string]any{"hours": hours, "allocations": allocations, "zones": zones, "proposed": p.Allocations})
			Expect(p.After).To(BeNumerically("<=", p.Before+v1alpha1.FTE(fewest)), "%d, %d of %d: %s", p.After, fewest, p.Before, text)
			Expect(p.FewestFTE).To(Equal(p.After), "%s", text)
			Expect(v.Uncovered).To(BeZero(), "%s", text)
			Expect(v.Worse).To(BeNil(), "%s", text)
		}
		GinkgoWriter.Println("people added:", added)
		Expect(len(added)).To(BeNumerically(">=", 3))
	})

	It("leave no more hours uncovered with the FTE that there are", func() {
		random := rand.New(rand.NewPCG(8, 35))
		for range 200 {
			plan, zone := pick(random, fixedZones), pick(random, fixedZones)
			hours, open := someBlocks(random, plan)
			if len(open) > 12 {
				continue // too many to try
			}
			people := 1 + random.IntN(2)
			fast := slices.Repeat([]int{blocksAhead(zone, plan)}, people)
			most := 0
			for chosen := range 1 << len(open) {
				var worked []int
				for i, b := range open {
					if chosen>>i&1 == 1 {
						worked = append(worked, b)
					}
				}
				if len(worked) > most && byTrial(worked, fast) {
					most = len(worked)
				}
			}
			p, v := proposed(hours, now, coverage.Wish{Zones: inZones(zone), FTE: v1alpha1.FTE(people)})
			text, _ := yaml.Marshal(map[string]any{"hours": hours, "proposed": p.Allocations})
			Expect(v.Uncovered).To(BeNumerically("<=", (len(open)-most)*block*60), "%s", text)
			Expect(v.Uncovered).To(Equal(p.AtLeast), "%s", text)
		}
	})

	It("end with few hours left where many clocks change on different days", func() {
		hours := v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Holidays: v1alpha1.NoHolidays}
		for _, opens := range []int{6, 11, 16} {
			hours.Windows = append(hours.Windows, v1alpha1.HoursWindow{Days: everyDay, Opens: clock(opens * 60), Closes: clock((opens + 4) * 60)})
		}
		for _, hours := range []v1alpha1.OperatingHours{hours, always} {
			var allocations []v1alpha1.PCSMAllocation
			for _, zone := range []v1alpha1.TimeZone{"America/New_York", "Europe/Berlin", "Australia/Sydney", "America/Santiago"} {
				allocations = append(allocations, person(string(zone), zone, shift(workdays, "09:00", "13:00"), shift(workdays, "14:00", "18:00")))
			}
			p, v := proposed(hours, now, coverage.Wish{FTE: 4}, allocations...)
			Expect(p.Uncovered).To(BeNumerically(">=", p.AtLeast))
			Expect(p.Uncovered).To(BeNumerically("<=", roster(hours, allocations...).Judge(now).Uncovered))
			Expect(v.Uncovered).To(BeNumerically("<=", p.Uncovered))
		}
	})

	It("end where a day has many short windows", func() {
		hours := v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Holidays: v1alpha1.NoHolidays}
		for i := range 14 {
			hours.Windows = append(hours.Windows, v1alpha1.HoursWindow{Days: everyDay, Opens: clock(i * 102), Closes: clock(i*102 + 95)})
		}
		p, _ := proposed(hours, now, coverage.Wish{FTE: v1alpha1.HalfFTE, Zones: inZones("America/New_York", "Australia/Sydney")})
		Expect(p.Uncovered).To(BeNumerically("<=", 7*14*95-30*60))
	})

	It("try all people in one zone, however many are named", func() {
		zones := inZones("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Phoenix", "America/Anchorage", "Europe/Berlin", "Europe/Berlin")
		hours := v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Days: workdays, Opens: "00:00", Closes: "24:00"}
		p, _ := proposed(hours, now, coverage.Wish{Zones: zones})
		Expect(p.After).To(Equal(v1alpha1.FTE(3)))
	})

	It("take no name that is taken, and end with who asked", func(ctx SpecContext) {
		p, _ := proposed(newYork, now, coverage.Wish{Taken: sets.New("acme-pcsm-1", "acme-pcsm-3")})
		Expect(p.Allocations).To(ConsistOf(HaveField("Name", "acme-pcsm-2")))
		ended, end := context.WithCancel(ctx)
		end()
		_, err := roster(always).Propose(ended, acme, now, coverage.Wish{})
		Expect(err).To(MatchError(context.Canceled))
	})

	It("give an allocation with many shifts no more", func() {
		full := person("full", "UTC")
		for i := range 24 {
			full.Spec.Shifts = append(full.Spec.Shifts, shift(everyDay[i%7:i%7+1], clock(i*7), clock(i*7+5)))
		}
		hours := v1alpha1.OperatingHours{TimeZone: "UTC", Holidays: v1alpha1.NoHolidays}
		for i, name := range workdays { // which take five shifts
			hours.Windows = append(hours.Windows, v1alpha1.HoursWindow{Days: []v1alpha1.DayOfWeek{name}, Opens: clock((9 + i) * 60), Closes: clock((10 + i) * 60)})
		}
		p, v := proposed(hours, now, coverage.Wish{}, full)
		Expect(v.Uncovered).To(BeZero())
		Expect(p.After).To(Equal(v1alpha1.HalfFTE))
		Expect(p.Replaced).To(BeNumerically(">=", 5), "or it would have more than 28")
		Expect(p.Allocations).To(ConsistOf(HaveField("Spec.Shifts", HaveLen(24-p.Replaced+5))))
	})

	It("cover every week of the year for random rosters, and are the same each time", func() {
		random := rand.New(rand.NewPCG(9, 35))
		proven := 0
		for i := range 200 {
			hours := someHours(random)
			var allocations []v1alpha1.PCSMAllocation
			for j := range random.IntN(4) {
				a := someAllocation(random, j)
				a.Spec.ValidFrom, a.Spec.ValidUntil = "", ""
				if staffing.Accept(&a, acme) == nil {
					allocations = append(allocations, a)
				}
			}
			var wish coverage.Wish
			for range random.IntN(4) {
				wish.Zones = append(wish.Zones, inZones(pick(random, awkward))...)
			}
			p, v := proposed(hours, now, wish, allocations...)
			text, _ := yaml.Marshal(map[string]any{"number": i, "hours": hours, "allocations": allocations, "proposed": p.Allocations})
			Expect(v.Uncovered).To(BeZero(), "%s", text)
			Expect(v.Worse).To(BeNil(), "%s", text)
			Expect(p.After-p.FewestFTE).To(BeNumerically("<=", v1alpha1.OneFTE), "%s", text)
			if p.FewestFTE == p.After {
				proven++
			}
			again, _ := proposed(hours, now, wish, allocations...)
			Expect(again).To(Equal(p))
		}
		// For the others, clocks that change on different days leave open whether fewer would do.
		Expect(proven).To(BeNumerically(">=", 195))
	})
})
