package coverage_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/coverage"
)

var (
	workdays = []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}
	everyDay = []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
	newYork  = v1alpha1.OperatingHours{TimeZone: "America/New_York", Days: workdays, Opens: "09:00", Closes: "17:00", Holidays: v1alpha1.USFederal}
	always   = v1alpha1.OperatingHours{AlwaysOn: new(true)}
)

func at(text string) time.Time {
	GinkgoHelper()
	instant, err := time.Parse(time.RFC3339, text)
	Expect(err).NotTo(HaveOccurred())
	return instant
}

func onShift(zone v1alpha1.TimeZone, days []v1alpha1.DayOfWeek, start, end v1alpha1.TimeOfDay) v1alpha1.PCSMAllocation {
	a := v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{Name: string(zone) + " " + string(start)}}
	a.Spec.PartnerRef.Name, a.Spec.FTE = "acme", 2*v1alpha1.OneFTE
	a.Spec.Localization = &v1alpha1.Localization{TimeZone: zone, Languages: []v1alpha1.Language{"en"}}
	a.Spec.Shifts = []v1alpha1.Shift{{Days: days, Start: start, End: end, FTE: v1alpha1.HalfFTE}}
	return a
}

func roster(hours v1alpha1.OperatingHours, allocations ...v1alpha1.PCSMAllocation) *coverage.Roster {
	GinkgoHelper()
	partner := &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: v1alpha1.PartnerSpec{ChannelModel: v1alpha1.MSP}}
	r, err := coverage.New(hours, partner, allocations)
	Expect(err).NotTo(HaveOccurred())
	return r
}

var _ = Describe("A regular week", func() {
	DescribeTable("is judged by the clocks as they are, and by those of the year to come",
		func(r func() *coverage.Roster, now, summary, which, changes, message string) {
			v := r().Judge(at(now))
			Expect(v.Declared).To(BeTrue())
			Expect(v.Summary()).To(Equal(summary))
			if v.Uncovered > 0 {
				Expect(v.Which(v.Zone)).To(Equal(which))
			} else {
				Expect(which).To(BeEmpty())
			}
			if changes == "" {
				Expect(v.Changes).To(BeZero())
			} else {
				Expect(v.Changes).To(BeTemporally("==", at(changes)))
			}
			Expect(v.Message()).To(ContainSubstring(message))
		},
		Entry("all hours, in one zone, which never changes", func() *coverage.Roster {
			return roster(newYork, onShift("America/New_York", workdays, "09:00", "17:00"))
		},
			"2026-12-01T12:00:00Z", "40/40h", "", "", "all 40 operating hours of a week have a P-CSM on duty"),
		Entry("the last hour is missing", func() *coverage.Roster {
			return roster(newYork, onShift("America/New_York", workdays, "09:00", "16:00"))
		},
			"2026-12-01T12:00:00Z", "35/40h", "Mon-Fri 16:00-17:00 (America/New_York)", "", "5 of 40 operating hours a week have no P-CSM on duty: Mon-Fri 16:00-17:00"),
		Entry("minutes are told as hours", func() *coverage.Roster {
			return roster(newYork, onShift("America/New_York", workdays, "09:20", "17:00"))
		},
			"2026-12-01T12:00:00Z", "38.33/40h", "Mon-Fri 09:00-09:20 (America/New_York)", "", ""),
		Entry("a zone that changes on other days", func() *coverage.Roster { return roster(newYork, onShift("Europe/Berlin", workdays, "15:00", "23:00")) },
			"2026-12-01T12:00:00Z", "40/40h", "", "2027-03-14T07:00:00Z", "but from 2027-03-14 on, when clocks change, 5 have nobody on duty: Mon-Fri 09:00-10:00"),
		Entry("in the weeks in which they differ", func() *coverage.Roster { return roster(newYork, onShift("Europe/Berlin", workdays, "15:00", "23:00")) },
			"2027-03-16T12:00:00Z", "35/40h", "Mon-Fri 09:00-10:00 (America/New_York)", "2027-03-28T01:00:00Z", "5 of 40"),
		Entry("zones of one country, which change within hours", func() *coverage.Roster {
			return roster(newYork, onShift("America/Chicago", workdays, "08:00", "16:00"))
		},
			"2026-12-01T12:00:00Z", "40/40h", "", "", "all 40 operating hours of a week have a P-CSM on duty"),
		Entry("in the hour between these", func() *coverage.Roster {
			return roster(newYork, onShift("America/Chicago", workdays, "08:00", "16:00"))
		},
			"2027-03-14T07:30:00Z", "40/40h", "", "", "all 40 operating hours of a week have a P-CSM on duty"),
		Entry("a zone without daylight saving", func() *coverage.Roster { return roster(newYork, onShift("Asia/Kathmandu", everyDay, "19:45", "03:45")) },
			"2026-12-01T12:00:00Z", "40/40h", "", "2027-03-14T07:00:00Z", "from 2027-03-14 on, when clocks change, 5 have nobody on duty: Mon-Fri 09:00-10:00"),
		Entry("around the clock, at night alone", func() *coverage.Roster { return roster(always, onShift("UTC", everyDay, "20:00", "04:00")) },
			"2026-12-01T12:00:00Z", "56/168h", "Mon-Sun 04:00-20:00 (UTC)", "", ""),
		Entry("around the clock, on Sunday night alone", func() *coverage.Roster {
			return roster(always, onShift("UTC", []v1alpha1.DayOfWeek{"Sunday"}, "20:00", "04:00"))
		},
			"2026-12-01T12:00:00Z", "8/168h", "Mon 04:00-Sun 20:00 (UTC)", "", ""),
		Entry("the weekend is one gap", func() *coverage.Roster {
			return roster(always, onShift("UTC", workdays, "00:00", "08:00"), onShift("UTC", workdays, "08:00", "16:00"), onShift("UTC", workdays, "16:00", "00:00"))
		}, "2026-12-01T12:00:00Z", "120/168h", "Sat 00:00-Mon 00:00 (UTC)", "", "48 of 168"),
		Entry("shifts that overlap count once", func() *coverage.Roster {
			return roster(newYork, onShift("America/New_York", workdays, "09:00", "15:00"), onShift("America/New_York", workdays, "11:00", "17:00"))
		}, "2026-12-01T12:00:00Z", "40/40h", "", "", ""),
	)

	It("counts what is active, accepted and the partner's, and tells of those without shifts", func() {
		late, early, other, greedy, silent := onShift("America/New_York", workdays, "13:00", "17:00"), onShift("America/New_York", workdays, "09:00", "13:00"),
			onShift("America/New_York", workdays, "09:00", "13:00"), onShift("America/New_York", everyDay, "09:00", "13:00"), onShift("America/New_York", workdays, "09:00", "13:00")
		early.Spec.ValidFrom = "2027-01-01"
		other.Spec.PartnerRef.Name = "globex"
		greedy.Spec.Shifts[0].FTE = 3 * v1alpha1.OneFTE
		silent.Name, silent.Spec.Shifts = "nobody-knows", nil
		v := roster(newYork, late, early, other, greedy, silent).Judge(at("2026-12-01T12:00:00Z"))
		Expect(v.Summary()).To(Equal("20/40h"))
		Expect(v.Message()).To(ContainSubstring("; these active allocations declare no shifts, and cover nothing: nobody-knows; add shifts for these hours, or P-CSMs"))
		Expect(roster(newYork, early).Judge(at("2026-12-01T12:00:00Z")).Declared).To(BeFalse())
		Expect(roster(newYork, early).HasShifts(at("2026-12-01T00:00:00Z"), at("2027-01-01T00:00:00Z"))).To(BeFalse())
		Expect(roster(newYork, early).HasShifts(at("2026-12-01T00:00:00Z"), at("2027-01-02T00:00:00Z"))).To(BeTrue())
	})

	It("is the same on the last day of a leap year", func() {
		r := roster(newYork, onShift("Europe/Berlin", workdays, "15:00", "23:00"))
		before := r.Judge(at("2028-12-30T12:00:00Z"))
		Expect(before.Changes).To(BeTemporally("==", at("2029-03-11T07:00:00Z")))
		Expect(r.Judge(at("2028-12-31T12:00:00Z"))).To(Equal(before))
	})

	It("is the weakest week of a rotation", func() {
		odd, even := onShift("America/New_York", workdays, "09:00", "17:00"), onShift("America/New_York", workdays, "09:00", "17:00")
		odd.Spec.Shifts[0].EveryNthWeek, odd.Spec.Shifts[0].Anchor = 2, "2026-11-30"
		v := roster(newYork, odd).Judge(at("2026-12-01T12:00:00Z"))
		Expect(v.Message()).To(Equal("40 of 40 operating hours have no P-CSM on duty in the weakest week of the rotation: Mon-Fri 09:00-17:00 (America/New_York); add shifts for these hours, or P-CSMs"))
		even.Spec.Shifts[0].EveryNthWeek, even.Spec.Shifts[0].Anchor = 2, "2026-12-10"
		v = roster(newYork, odd, even).Judge(at("2026-12-01T12:00:00Z"))
		Expect(v.Summary()).To(Equal("40/40h"))
		Expect(v.Changes).To(BeZero())
	})

	It("loses the hours that were covered before", func() {
		now := at("2026-12-01T12:00:00Z")
		before := roster(newYork, onShift("America/New_York", workdays, "10:00", "17:00")).Judge(now)
		after := roster(newYork, onShift("America/New_York", workdays, "10:00", "15:00")).Judge(now)
		lost := after.Lost(before.Week)
		Expect(lost.Which(after.Zone)).To(Equal("Mon-Fri 15:00-17:00 (America/New_York)"))
		longer := newYork
		longer.Closes = "19:00"
		Expect(roster(longer, onShift("America/New_York", workdays, "10:00", "17:00")).Judge(now).Lost(before.Week).Uncovered).To(BeZero(), "hours that are new were not covered")
	})
})

var _ = Describe("The next gap", func() {
	It("is found however far it is", func() {
		ends := onShift("America/New_York", workdays, "09:00", "17:00")
		ends.Spec.ValidUntil = "2027-10-29"
		r := roster(newYork, ends)
		now := at("2026-12-01T15:00:00Z")
		Expect(*r.NextGap(now, now.AddDate(1, 0, 0))).To(Equal(coverage.Span{From: at("2027-11-01T13:00:00Z"), Until: at("2027-11-01T21:00:00Z")}))
		Expect(r.NextGap(now, now.AddDate(0, 6, 0))).To(BeNil())
		Expect(roster(newYork, onShift("America/New_York", workdays, "09:00", "16:00")).NextGap(now, now.AddDate(1, 0, 0)).From).To(Equal(at("2026-12-01T21:00:00Z")))
	})
})

var _ = Describe("The next gap that weekly shifts do not have", func() {
	german := func(change func(*v1alpha1.PCSMAllocationSpec)) *coverage.Roster {
		a := onShift("Europe/Berlin", workdays, "09:00", "17:00")
		change(&a.Spec)
		return roster(v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Days: workdays, Opens: "09:00", Closes: "17:00"}, a)
	}

	DescribeTable("is seen thirty days ahead, and stays the same until it is over",
		func(change func(*v1alpha1.PCSMAllocationSpec), reason v1alpha1.GapReason, from, until, message string) {
			r := german(change)
			gap := coverage.Gap{Span: coverage.Span{From: at(from), Until: at(until)}, Reason: reason, Allocation: "Europe/Berlin 09:00"}
			seen := gap.From.Add(-coverage.Foresight)
			before := r.Judge(seen.Add(-time.Minute))
			Expect(before.NextGap).To(BeNil())
			Expect(before.Changes).To(Equal(seen))
			for _, now := range []time.Time{seen, gap.From, gap.From.Add(time.Minute), gap.Until.Add(-time.Minute)} {
				v := r.Judge(now)
				Expect(v.NextGap).To(HaveValue(Equal(gap)))
				Expect(v.Changes).To(Equal(gap.Until))
				Expect(v.Message()).To(Equal("all 40 operating hours of a week have a P-CSM on duty; " + message))
			}
			Expect(r.Judge(gap.Until).NextGap).NotTo(Equal(&gap))
		},
		Entry("of an absence", func(s *v1alpha1.PCSMAllocationSpec) {
			s.Absences = []v1alpha1.Absence{{From: "2027-02-02", Until: "2027-02-02"}}
		}, v1alpha1.GapAbsence,
			"2027-02-02T08:00:00Z", "2027-02-02T16:00:00Z", "from 2027-02-02 09:00 to 17:00 (Europe/Berlin) nobody is on duty because of an absence"),
		Entry("of the first day of a longer one", func(s *v1alpha1.PCSMAllocationSpec) {
			s.Absences = []v1alpha1.Absence{{From: "2027-02-02", Until: "2027-02-12"}}
		}, v1alpha1.GapAbsence,
			"2027-02-02T08:00:00Z", "2027-02-02T16:00:00Z", "from 2027-02-02 09:00 to 17:00 (Europe/Berlin) nobody is on duty because of an absence"),
		Entry("of an exception that is shorter", func(s *v1alpha1.PCSMAllocationSpec) {
			s.Exceptions = []v1alpha1.ShiftException{{Date: "2027-02-02", Start: "09:00", End: "12:00"}}
		}, v1alpha1.GapException,
			"2027-02-02T11:00:00Z", "2027-02-02T16:00:00Z", "from 2027-02-02 12:00 to 17:00 (Europe/Berlin) nobody is on duty because of an exception"),
		Entry("of an exception of nobody", func(s *v1alpha1.PCSMAllocationSpec) {
			s.Exceptions = []v1alpha1.ShiftException{{Date: "2027-02-02", FTE: new(v1alpha1.FTE)}}
		}, v1alpha1.GapException,
			"2027-02-02T08:00:00Z", "2027-02-02T16:00:00Z", "from 2027-02-02 09:00 to 17:00 (Europe/Berlin) nobody is on duty because of an exception"),
		Entry("of a public holiday", func(s *v1alpha1.PCSMAllocationSpec) { s.Localization.Holidays = "DE" }, v1alpha1.GapHoliday,
			"2027-03-26T08:00:00Z", "2027-03-26T16:00:00Z", "from 2027-03-26 09:00 to 17:00 (Europe/Berlin) nobody is on duty because of a public holiday of the P-CSMs"),
	)

	It("is of a holiday, if not all are away anyhow", func() {
		Expect(german(func(s *v1alpha1.PCSMAllocationSpec) {
			s.Localization.Holidays, s.Absences = "DE", []v1alpha1.Absence{{From: "2027-03-22", Until: "2027-03-31", FTE: v1alpha1.OneFTE}}
		}).NextLost(at("2027-03-20T00:00:00Z"))).To(HaveValue(HaveField("Reason", v1alpha1.GapHoliday)))
	})

	It("is whole, however far it goes", func() {
		r := german(func(s *v1alpha1.PCSMAllocationSpec) {
			s.Shifts = []v1alpha1.Shift{{Days: everyDay, Start: "00:00", End: "08:00", FTE: v1alpha1.HalfFTE}}
			s.Absences = []v1alpha1.Absence{{From: "2027-01-01", Until: "2027-12-31"}, {From: "2028-01-01", Until: "2028-12-31"}}
		})
		Expect(r.NextLost(at("2026-12-01T00:00:00Z"))).To(BeNil(), "it is not open then")
		n := 0
		for gap := range german(func(s *v1alpha1.PCSMAllocationSpec) {
			s.Absences = []v1alpha1.Absence{{From: "2027-01-01", Until: "2027-12-31"}, {From: "2028-01-01", Until: "2028-12-31"}}
		}).Lost(at("2026-12-01T00:00:00Z")) {
			Expect(gap.Until.Sub(gap.From)).To(Equal(8 * time.Hour))
			n++
		}
		Expect(n).To(Equal(261+260), "the weekdays of both years")
	})

	It("is none where enough are left, or an exception of the holiday is kept", func() {
		Expect(german(func(s *v1alpha1.PCSMAllocationSpec) {
			s.Absences = []v1alpha1.Absence{{From: "2027-02-02", Until: "2027-02-02", FTE: v1alpha1.OneFTE}}
		}).Judge(at("2027-02-01T00:00:00Z")).NextGap).To(BeNil())
		Expect(german(func(s *v1alpha1.PCSMAllocationSpec) {
			s.Localization.Holidays, s.Exceptions = "DE", []v1alpha1.ShiftException{{Date: "2027-03-26", Start: "09:00", End: "17:00"}}
		}).Judge(at("2027-03-20T00:00:00Z")).NextGap).To(HaveValue(HaveField("From", at("2027-03-29T07:00:00Z"))))
	})
})

var _ = Describe("Who is on duty", func() {
	It("is told with allocations and languages, within the operating hours if need be", func() {
		german := onShift("Europe/Berlin", workdays, "13:00", "20:00")
		german.Spec.Localization.Languages = []v1alpha1.Language{"de", "en"}
		period := roster(newYork, german, onShift("America/New_York", workdays, "13:00", "18:00")).Between(at("2026-12-01T00:00:00Z"), at("2026-12-02T00:00:00Z"))
		Expect(period.OnDuty).To(HaveExactElements(
			coverage.Duty{Span: coverage.Span{From: at("2026-12-01T12:00:00Z"), Until: at("2026-12-01T18:00:00Z")}, FTE: v1alpha1.HalfFTE, Allocations: []string{"Europe/Berlin 13:00"}, Languages: []v1alpha1.Language{"de", "en"}},
			coverage.Duty{Span: coverage.Span{From: at("2026-12-01T18:00:00Z"), Until: at("2026-12-01T19:00:00Z")}, FTE: v1alpha1.OneFTE, Allocations: []string{"America/New_York 13:00", "Europe/Berlin 13:00"}, Languages: []v1alpha1.Language{"de", "en"}},
			coverage.Duty{Span: coverage.Span{From: at("2026-12-01T19:00:00Z"), Until: at("2026-12-01T23:00:00Z")}, FTE: v1alpha1.HalfFTE, Allocations: []string{"America/New_York 13:00"}, Languages: []v1alpha1.Language{"en"}},
		))
		open := period.WhileOpen()
		Expect(open).To(HaveLen(3))
		Expect(open[0].From).To(Equal(at("2026-12-01T14:00:00Z")))
		Expect(open[2].Until).To(Equal(at("2026-12-01T22:00:00Z")))
		Expect([]int{period.OperatingMinutes, period.CoveredMinutes}).To(Equal([]int{480, 480}))
	})
})

var _ = Describe("The contract with the partner", func() {
	It("bounds real days, and not the regular week", func() {
		partner := acme.DeepCopy()
		partner.Spec.ValidUntil = "2026-12-05"
		r, err := coverage.New(always, partner, []v1alpha1.PCSMAllocation{person("a", "UTC", shift(everyDay, "09:00", "14:00"))})
		Expect(err).NotTo(HaveOccurred())
		days := r.Between(at("2026-12-05T00:00:00Z"), at("2026-12-08T00:00:00Z"))
		Expect(days.OperatingMinutes).To(Equal(24 * 60))
		Expect(days.OnDuty).To(ConsistOf(HaveField("Span", coverage.Span{From: at("2026-12-05T09:00:00Z"), Until: at("2026-12-05T14:00:00Z")})))
		Expect(days.Gaps).To(HaveLen(2))
		Expect(r.Judge(at("2026-12-07T00:00:00Z")).Declared).To(BeTrue())
	})
})
