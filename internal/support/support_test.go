package support_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/support"
)

func effective(spec v1alpha1.SupportPlanSpec) v1alpha1.EffectivePlan {
	GinkgoHelper()
	plan, err := support.Effective(spec)
	Expect(err).NotTo(HaveOccurred())
	return plan
}

var _ = Describe("A plan", func() {
	DescribeTable("has the terms of its tier",
		func(tier v1alpha1.Tier, minimum, hours string) {
			plan := effective(v1alpha1.SupportPlanSpec{Tier: tier})
			Expect(plan.Staffing.MinimumFTE.String()).To(Equal(minimum))
			Expect(plan.Staffing.RecommendedCustomersPerFTE).To(BeEquivalentTo(10))
			Expect(plan.Staffing.MaximumCustomersPerFTE).To(BeEquivalentTo(15))
			Expect(plan.Staffing.Enforcement).To(Equal(v1alpha1.Advisory))
			Expect(support.Describe(plan.OperatingHours)).To(Equal(hours))
		},
		Entry("Basic", v1alpha1.Basic, "0.5", "Mon-Fri 09:00-17:00 America/New_York, without U.S. federal holidays"),
		Entry("Premium", v1alpha1.Premium, "3", "24x7"),
		Entry("Mission Critical", v1alpha1.MissionCritical, "3", "24x7"),
	)

	DescribeTable("puts its own values in their place, each by itself",
		func(spec v1alpha1.SupportPlanSpec, minimum string, recommended, maximum int, enforcement v1alpha1.Enforcement, hours string) {
			plan := effective(spec)
			Expect(plan.Staffing.MinimumFTE.String()).To(Equal(minimum))
			Expect(plan.Staffing.RecommendedCustomersPerFTE).To(BeEquivalentTo(recommended))
			Expect(plan.Staffing.MaximumCustomersPerFTE).To(BeEquivalentTo(maximum))
			Expect(plan.Staffing.Enforcement).To(Equal(enforcement))
			Expect(support.Describe(plan.OperatingHours)).To(Equal(hours))
		},
		Entry("the minimum alone",
			v1alpha1.SupportPlanSpec{Tier: v1alpha1.Premium, Staffing: &v1alpha1.PlanStaffing{MinimumFTE: ptr.To(v1alpha1.FTE(9))}},
			"4.5", 10, 15, v1alpha1.Advisory, "24x7"),
		Entry("the maximum and the enforcement",
			v1alpha1.SupportPlanSpec{Tier: v1alpha1.Premium, Staffing: &v1alpha1.PlanStaffing{
				CustomersPerFTE: &v1alpha1.CustomersPerFTE{Maximum: ptr.To[int32](20)}, Enforcement: v1alpha1.Required}},
			"3", 10, 20, v1alpha1.Required, "24x7"),
		Entry("another time zone and other holidays",
			v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic, OperatingHours: &v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Holidays: v1alpha1.NoHolidays}},
			"0.5", 10, 15, v1alpha1.Advisory, "Mon-Fri 09:00-17:00 Europe/Berlin"),
		Entry("other days and a later end",
			v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic, OperatingHours: &v1alpha1.OperatingHours{
				Days: []v1alpha1.DayOfWeek{"Sunday", "Monday", "Tuesday", "Thursday"}, Closes: "24:00"}},
			"0.5", 10, 15, v1alpha1.Advisory, "Mon,Tue,Thu,Sun 09:00-24:00 America/New_York, without U.S. federal holidays"),
		Entry("a Basic plan around the clock",
			v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic, OperatingHours: &v1alpha1.OperatingHours{AlwaysOn: new(true)}},
			"0.5", 10, 15, v1alpha1.Advisory, "24x7"),
		Entry("a Premium plan with a window has no holidays of its own",
			v1alpha1.SupportPlanSpec{Tier: v1alpha1.Premium, OperatingHours: &v1alpha1.OperatingHours{
				TimeZone: "Asia/Tokyo", Days: []v1alpha1.DayOfWeek{"Monday"}, Opens: "08:00", Closes: "20:00"}},
			"3", 10, 15, v1alpha1.Advisory, "Mon 08:00-20:00 Asia/Tokyo"),
	)

	DescribeTable("is refused if it makes no sense, although the schema took it",
		func(spec v1alpha1.SupportPlanSpec, reason v1alpha1.Reason, message string) {
			_, err := support.Effective(spec)
			var defect *support.Defect
			Expect(errors.As(err, &defect)).To(BeTrue())
			Expect(defect.Reason).To(Equal(reason))
			Expect(defect.Message).To(ContainSubstring(message))
		},
		Entry("an unknown zone",
			v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic, OperatingHours: &v1alpha1.OperatingHours{TimeZone: "EST5"}},
			v1alpha1.ReasonUnknownTimeZone, `the time zone "EST5" is unknown: write an IANA name`),
		Entry("an end before the start",
			v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic, OperatingHours: &v1alpha1.OperatingHours{Opens: "18:00"}},
			v1alpha1.ReasonPlanInconsistent, `opens is "18:00" and closes "17:00"`),
		Entry("a day that is none",
			v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic, OperatingHours: &v1alpha1.OperatingHours{Days: []v1alpha1.DayOfWeek{"Funday"}}},
			v1alpha1.ReasonPlanInconsistent, `"Funday" is no day of the week`),
		Entry("a closure that is no date",
			v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic, OperatingHours: &v1alpha1.OperatingHours{Closures: []v1alpha1.Date{"tomorrow"}}},
			v1alpha1.ReasonPlanInconsistent, `"tomorrow" is no date`),
		Entry("a window without days",
			v1alpha1.SupportPlanSpec{Tier: v1alpha1.Premium, OperatingHours: &v1alpha1.OperatingHours{TimeZone: "Asia/Tokyo", Opens: "08:00", Closes: "20:00"}},
			v1alpha1.ReasonPlanInconsistent, "days: there are none"),
		Entry("more comfortably than at most",
			v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic, Staffing: &v1alpha1.PlanStaffing{CustomersPerFTE: &v1alpha1.CustomersPerFTE{Recommended: ptr.To[int32](16)}}},
			v1alpha1.ReasonPlanInconsistent, "recommended is 16 and maximum 15"),
	)
})

var _ = Describe("Operating hours", func() {
	hours := func(given v1alpha1.OperatingHours) support.Hours {
		GinkgoHelper()
		h, err := support.NewHours(effective(v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic, OperatingHours: &given}).OperatingHours)
		Expect(err).NotTo(HaveOccurred())
		return h
	}
	eastern := v1alpha1.OperatingHours{TimeZone: "America/New_York"}

	DescribeTable("of the Basic tier",
		func(now string, open bool, change string) {
			t, err := time.Parse(time.RFC3339, now)
			Expect(err).NotTo(HaveOccurred())
			gotOpen, gotChange := hours(eastern).At(t)
			Expect(gotOpen).To(Equal(open))
			Expect(gotChange.Format(time.RFC3339)).To(Equal(change))
		},
		Entry("a minute before work", "2026-11-24T08:59:00-05:00", false, "2026-11-24T09:00:00-05:00"),
		Entry("the first instant", "2026-11-24T09:00:00-05:00", true, "2026-11-24T17:00:00-05:00"),
		Entry("the last instant", "2026-11-24T16:59:59-05:00", true, "2026-11-24T17:00:00-05:00"),
		Entry("the instant after", "2026-11-24T17:00:00-05:00", false, "2026-11-25T09:00:00-05:00"),
		Entry("a Friday evening leads to Monday", "2026-11-20T18:00:00-05:00", false, "2026-11-23T09:00:00-05:00"),
		Entry("a viewer elsewhere sees the same", "2026-11-24T23:30:00+09:00", true, "2026-11-24T17:00:00-05:00"),
		Entry("the eve of Thanksgiving leads past it", "2026-11-25T17:30:00-05:00", false, "2026-11-27T09:00:00-05:00"),
		Entry("Independence Day 2026 is a Saturday, observed on Friday", "2026-07-03T12:00:00-04:00", false, "2026-07-06T09:00:00-04:00"),
		Entry("New Year 2028 is a Saturday, observed in the year before", "2027-12-31T12:00:00-05:00", false, "2028-01-03T09:00:00-05:00"),
		Entry("the weekend on which summer time starts", "2026-03-06T18:00:00-05:00", false, "2026-03-09T09:00:00-04:00"),
		Entry("the weekend on which it ends", "2026-10-30T18:00:00-04:00", false, "2026-11-02T09:00:00-05:00"),
	)

	It("pass over closures", func() {
		h := hours(v1alpha1.OperatingHours{TimeZone: "America/New_York", Closures: []v1alpha1.Date{"2026-11-24", "2026-11-25"}})
		open, change := h.At(time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC))
		Expect(open).To(BeFalse())
		Expect(change.Format(time.RFC3339)).To(Equal("2026-11-27T09:00:00-05:00"))
	})

	It("go on across midnight where one day follows on another", func() {
		h := hours(v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Opens: "00:00", Closes: "24:00", Holidays: v1alpha1.NoHolidays})
		open, change := h.At(time.Date(2026, 10, 22, 12, 0, 0, 0, time.UTC))
		Expect(open).To(BeTrue())
		Expect(change.Format(time.RFC3339)).To(Equal("2026-10-24T00:00:00+02:00"), "Friday's end")
	})

	It("never close around the clock", func() {
		for _, given := range []v1alpha1.OperatingHours{
			{AlwaysOn: new(true)},
			{TimeZone: "Europe/Berlin", Opens: "00:00", Closes: "24:00", Holidays: v1alpha1.NoHolidays,
				Days: []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}},
		} {
			open, change := hours(given).At(time.Now())
			Expect(open).To(BeTrue())
			Expect(change).To(BeZero())
		}
	})

	It("keep the time of the wall clock on the day on which the clocks change", func() {
		h := hours(v1alpha1.OperatingHours{TimeZone: "America/New_York", Days: []v1alpha1.DayOfWeek{"Sunday"}, Holidays: v1alpha1.NoHolidays})
		open, change := h.At(time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC))
		Expect(open).To(BeFalse())
		Expect(change.Format(time.RFC3339)).To(Equal("2026-03-08T09:00:00-04:00"))
	})

	everyDay := []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}

	DescribeTable("go by the clock that people read where daylight saving changes it",
		func(zone v1alpha1.TimeZone, opens, closes v1alpha1.TimeOfDay, day string, changes ...string) {
			h := hours(v1alpha1.OperatingHours{TimeZone: zone, Opens: opens, Closes: closes, Days: everyDay, Holidays: v1alpha1.NoHolidays})
			location, err := support.LoadZone(zone)
			Expect(err).NotTo(HaveOccurred())
			noon, err := time.ParseInLocation(time.DateOnly+" 15:04", day+" 12:00", location)
			Expect(err).NotTo(HaveOccurred())
			var got []string
			for _, at := h.At(noon.Add(-24 * time.Hour)); at.Before(noon); _, at = h.At(at) {
				got = append(got, at.Format("02T15:04Z07:00"))
			}
			Expect(strings.Join(got, " ")).To(Equal(strings.Join(changes, " ")))
		},
		Entry("an opening that is skipped", v1alpha1.TimeZone("America/New_York"), v1alpha1.TimeOfDay("02:30"), v1alpha1.TimeOfDay("10:00"), "2026-03-08", "08T03:00-04:00", "08T10:00-04:00"),
		Entry("the first minute that is skipped", v1alpha1.TimeZone("America/New_York"), v1alpha1.TimeOfDay("02:00"), v1alpha1.TimeOfDay("10:00"), "2026-03-08", "08T03:00-04:00", "08T10:00-04:00"),
		Entry("a closing that is skipped", v1alpha1.TimeZone("America/New_York"), v1alpha1.TimeOfDay("01:00"), v1alpha1.TimeOfDay("02:30"), "2026-03-08", "08T01:00-05:00", "08T03:00-04:00"),
		Entry("hours that are skipped whole", v1alpha1.TimeZone("America/New_York"), v1alpha1.TimeOfDay("02:00"), v1alpha1.TimeOfDay("03:00"), "2026-03-08"),
		Entry("midnight that is skipped", v1alpha1.TimeZone("America/Santiago"), v1alpha1.TimeOfDay("00:00"), v1alpha1.TimeOfDay("09:00"), "2026-09-06", "06T01:00-03:00", "06T09:00-03:00"),
		Entry("a skip of half an hour", v1alpha1.TimeZone("Australia/Lord_Howe"), v1alpha1.TimeOfDay("02:15"), v1alpha1.TimeOfDay("09:00"), "2026-10-04", "04T02:30+11:00", "04T09:00+11:00"),
		Entry("an opening that is repeated: the clock is put back past it", v1alpha1.TimeZone("America/New_York"), v1alpha1.TimeOfDay("01:30"), v1alpha1.TimeOfDay("10:00"), "2026-11-01",
			"01T01:30-04:00", "01T01:00-05:00", "01T01:30-05:00", "01T10:00-05:00"),
		Entry("hours that are repeated whole", v1alpha1.TimeZone("America/New_York"), v1alpha1.TimeOfDay("01:00"), v1alpha1.TimeOfDay("02:00"), "2026-11-01", "01T01:00-04:00", "01T02:00-05:00"),
		Entry("a repetition in the midst of the hours", v1alpha1.TimeZone("Europe/Berlin"), v1alpha1.TimeOfDay("01:00"), v1alpha1.TimeOfDay("04:00"), "2026-10-25", "25T01:00+02:00", "25T04:00+01:00"),
		Entry("a day that is left out whole", v1alpha1.TimeZone("Pacific/Apia"), v1alpha1.TimeOfDay("09:00"), v1alpha1.TimeOfDay("17:00"), "2011-12-31", "29T17:00-10:00", "31T09:00+14:00"),
	)

	windows := func(zone v1alpha1.TimeZone, windows ...v1alpha1.HoursWindow) v1alpha1.OperatingHours {
		return v1alpha1.OperatingHours{TimeZone: zone, Windows: windows}
	}
	window := func(opens, closes v1alpha1.TimeOfDay, days ...v1alpha1.DayOfWeek) v1alpha1.HoursWindow {
		return v1alpha1.HoursWindow{Days: days, Opens: opens, Closes: closes}
	}

	DescribeTable("in windows open and close by the clock, of real days",
		func(given v1alpha1.OperatingHours, from string, spans ...string) {
			h := hours(given)
			zone, err := support.LoadZone(given.TimeZone)
			Expect(err).NotTo(HaveOccurred())
			day, err := time.ParseInLocation(time.DateOnly, from, zone)
			Expect(err).NotTo(HaveOccurred())
			var got []string
			for _, span := range h.Openings(day, day.AddDate(0, 0, 4), 0) {
				if span.Opens.Before(day.AddDate(0, 0, 4)) {
					got = append(got, span.Opens.In(zone).Format("Mon 15:04")+" to "+span.Closes.In(zone).Format("Mon 15:04"))
				}
			}
			Expect(got).To(Equal(spans))
		},
		Entry("with a break at noon", windows("Europe/Berlin", window("08:00", "12:00", "Monday", "Tuesday"), window("13:00", "17:00", "Monday")), "2026-12-07",
			"Mon 08:00 to Mon 12:00", "Mon 13:00 to Mon 17:00", "Tue 08:00 to Tue 12:00"),
		Entry("past midnight", windows("Europe/Berlin", window("22:00", "06:00", "Monday")), "2026-12-07", "Mon 22:00 to Tue 06:00"),
		Entry("past midnight, into Monday", windows("Europe/Berlin", window("22:00", "06:00", "Sunday")), "2026-12-07", "Mon 00:00 to Mon 06:00"),
		Entry("that touch at midnight", windows("Europe/Berlin", window("20:00", "24:00", "Monday"), window("00:00", "04:00", "Tuesday")), "2026-12-07", "Mon 20:00 to Tue 04:00"),
		Entry("until a holiday, which drops what opens on it", v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Holidays: "DE",
			Windows: []v1alpha1.HoursWindow{window("22:00", "06:00", "Thursday", "Friday", "Saturday")}}, "2026-12-24", "Thu 22:00 to Fri 06:00"),
		Entry("on a short day, which replaces them, also on a holiday", v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Holidays: "DE",
			Windows:     []v1alpha1.HoursWindow{window("08:00", "17:00", everyDay[:5]...)},
			SpecialDays: []v1alpha1.SpecialDay{{From: "2026-12-24", Until: "2026-12-25", Opens: "08:00", Closes: "12:00"}}}, "2026-12-24",
			"Thu 08:00 to Thu 12:00", "Fri 08:00 to Fri 12:00"),
		Entry("on a closed range of days", v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Days: everyDay, Opens: "09:00", Closes: "17:00",
			SpecialDays: []v1alpha1.SpecialDay{{From: "2026-12-27", Until: "2026-12-29"}}}, "2026-12-26",
			"Sat 09:00 to Sat 17:00"),
		Entry("on a Sunday that is special, past midnight", v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Days: everyDay[:5], Opens: "09:00", Closes: "17:00",
			SpecialDays: []v1alpha1.SpecialDay{{From: "2026-12-06", Opens: "22:00", Closes: "02:00"}}}, "2026-12-06",
			"Sun 22:00 to Mon 02:00", "Mon 09:00 to Mon 17:00", "Tue 09:00 to Tue 17:00", "Wed 09:00 to Wed 17:00"),
	)

	DescribeTable("are inconsistent",
		func(given v1alpha1.OperatingHours, message string) {
			given.TimeZone = "Europe/Berlin"
			_, err := support.NewHours(given)
			Expect(err).To(MatchError("spec.operatingHours." + message))
		},
		Entry("with windows that overlap on a day", windows("", window("08:00", "12:00", "Monday"), window("11:00", "13:00", "Monday")),
			"windows: the one that opens on Monday at 08:00 overlaps with another: let it close before the next one opens, or write one window"),
		Entry("with a window that overlaps with one of the next day", windows("", window("22:00", "06:00", "Sunday"), window("05:00", "13:00", "Monday")),
			"windows: the one that opens on Sunday at 22:00 overlaps with another: let it close before the next one opens, or write one window"),
		Entry("with a window of no length", windows("", window("08:00", "08:00", "Monday")), `windows[0].opens is "08:00" and closes "08:00": write both as HH:MM, and not the same`),
		Entry("with a date twice", v1alpha1.OperatingHours{Days: everyDay, Opens: "09:00", Closes: "17:00", Closures: []v1alpha1.Date{"2026-12-24"}, SpecialDays: []v1alpha1.SpecialDay{{From: "2026-12-23", Until: "2026-12-24"}}},
			"specialDays[0]: 2026-12-24 is there twice, in closures or another special day: leave it in one of them"),
		Entry("with special days that end before they begin", v1alpha1.OperatingHours{Days: everyDay, Opens: "09:00", Closes: "17:00", SpecialDays: []v1alpha1.SpecialDay{{From: "2026-12-24", Until: "2026-12-23"}}},
			`specialDays[0]: from is "2026-12-24" and until "2026-12-23": write both as YYYY-MM-DD, until no earlier than from`),
	)

	It("say which calendars of holidays there are, as the schema does", func() {
		_, err := support.NewHours(v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Holidays: "XX"})
		Expect(err).To(MatchError(ContainSubstring(`holidays: the calendar "XX" is unknown: write USFederal, None, or the ISO 3166 code of one of these countries: AR, AT, BE,`)))
		schema, readErr := os.ReadFile("../../config/crd/bases/partner.dispel.com_supportplans.yaml")
		Expect(readErr).NotTo(HaveOccurred())
		_, codes, _ := strings.Cut(err.Error(), "countries: ")
		Expect(strings.Join(strings.Fields(string(schema)), " ")).To(ContainSubstring(codes), "the message of the schema")
		for _, calendar := range support.HolidayCalendars() {
			Expect(strings.Join(strings.Fields(string(schema)), " ")).To(MatchRegexp("'"+string(calendar)+"'"), "the rule of the schema")
		}
	})

	It("are written in a line that a status takes, however many windows there are", func() {
		var many []v1alpha1.HoursWindow
		for i, day := range everyDay {
			many = append(many, window(v1alpha1.TimeOfDay(fmt.Sprintf("08:%02d", i)), "12:00", day), window("13:00", v1alpha1.TimeOfDay(fmt.Sprintf("17:%02d", i)), day))
		}
		Expect(support.Describe(v1alpha1.OperatingHours{TimeZone: "America/Argentina/ComodRivadavia", Holidays: "AR", Windows: many})).To(
			Equal("14 windows a week America/Argentina/ComodRivadavia, without public holidays of AR"))
	})

	It("are written with days of equal windows together", func() {
		Expect(support.Describe(v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Holidays: "DE", Windows: []v1alpha1.HoursWindow{
			window("13:00", "17:00", everyDay[:4]...), window("08:00", "12:00", everyDay[:4]...), window("08:00", "14:00", "Friday"),
		}})).To(Equal("Mon-Thu 08:00-12:00,13:00-17:00, Fri 08:00-14:00 Europe/Berlin, without public holidays of DE"))
	})

	DescribeTable("agree with a walk through the year, minute for minute",
		func(given v1alpha1.OperatingHours) {
			h := hours(given)
			zone, err := support.LoadZone(given.TimeZone)
			Expect(err).NotTo(HaveOccurred())
			includes := func(at time.Time) bool {
				clock, day := at.In(zone).Format("15:04"), at.In(zone)
				holiday := given.Holidays != v1alpha1.NoHolidays &&
					slices.ContainsFunc(support.HolidaysOf(v1alpha1.OperatingHours{Holidays: v1alpha1.USFederal, Days: given.Days}, day.Year()), func(h support.Holiday) bool { return string(h.Date) == day.Format(time.DateOnly) })
				return slices.Contains(given.Days, v1alpha1.DayOfWeek(day.Weekday().String())) && !holiday && string(given.Opens) <= clock && clock < string(given.Closes)
			}
			start := time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC) // a leap year
			open, change := h.At(start)
			for at := start; at.Year() == 2028; at = at.Add(time.Minute) {
				if at.Equal(change) {
					open = !open
					var again bool
					again, change = h.At(at)
					Expect(again).To(Equal(open), at.String())
				}
				if includes(at) != open {
					Fail(fmt.Sprintf("%s: open is %t", at.In(zone), open))
				}
			}
		},
		Entry("New York, weekdays", v1alpha1.OperatingHours{TimeZone: "America/New_York", Days: everyDay[:5], Opens: "09:00", Closes: "17:00"}),
		Entry("New York, Monday to Saturday", v1alpha1.OperatingHours{TimeZone: "America/New_York", Days: everyDay[:6], Opens: "01:30", Closes: "02:30"}),
		Entry("Santiago, every day to midnight", v1alpha1.OperatingHours{TimeZone: "America/Santiago", Days: everyDay, Opens: "23:30", Closes: "24:00", Holidays: v1alpha1.NoHolidays}),
		Entry("Lord Howe, Sundays", v1alpha1.OperatingHours{TimeZone: "Australia/Lord_Howe", Days: everyDay[6:], Opens: "00:00", Closes: "02:10", Holidays: v1alpha1.NoHolidays}),
		Entry("Casablanca, around Ramadan", v1alpha1.OperatingHours{TimeZone: "Africa/Casablanca", Days: everyDay, Opens: "02:15", Closes: "03:15", Holidays: v1alpha1.NoHolidays}),
	)
})

var _ = Describe("National holidays", func() {
	DescribeTable("are those of the country",
		func(calendar v1alpha1.HolidayCalendar, year int, dates ...string) {
			var got []string
			for _, holiday := range support.HolidaysOf(v1alpha1.OperatingHours{Holidays: calendar, Days: []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}}, year) {
				got = append(got, string(holiday.Date)+" "+holiday.Name)
			}
			for _, date := range dates {
				Expect(got).To(ContainElement(date))
			}
		},
		Entry("of Germany", v1alpha1.HolidayCalendar("DE"), 2027, "2027-01-01 Neujahrstag", "2027-03-26 Karfreitag", "2027-03-29 Ostermontag", "2027-05-06 Christi Himmelfahrt", "2027-05-17 Pfingstmontag"),
		Entry("of the United Kingdom, with substitute days", v1alpha1.HolidayCalendar("GB"), 2027, "2027-12-27 Christmas Day", "2027-12-28 Boxing Day", "2027-05-03 Early May"),
		Entry("of Japan", v1alpha1.HolidayCalendar("JP"), 2027, "2027-05-03 Constitution Memorial Day", "2027-11-03 Culture Day"),
	)

	It("are some of every country", func() {
		for _, calendar := range support.HolidayCalendars() {
			holidays := support.HolidaysOf(v1alpha1.OperatingHours{Holidays: calendar, Days: support.Week}, 2027)
			Expect(len(holidays)).To(BeNumerically(">", 4), string(calendar))
		}
	})
})

var _ = Describe("U.S. federal holidays", func() {
	DescribeTable("are those of the law, on the days on which they are observed",
		func(year int, dates ...string) {
			weekdays := []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}
			var got []string
			for _, holiday := range support.HolidaysOf(v1alpha1.OperatingHours{Holidays: v1alpha1.USFederal, Days: weekdays}, year) {
				got = append(got, fmt.Sprintf("%s %s", holiday.Date, holiday.Name))
			}
			Expect(got).To(Equal(dates))
		},
		Entry("2026", 2026,
			"2026-01-01 New Year's Day", "2026-01-19 Martin Luther King Jr. Day", "2026-02-16 Presidents' Day", "2026-05-25 Memorial Day",
			"2026-06-19 Juneteenth", "2026-07-03 Independence Day", "2026-09-07 Labor Day", "2026-10-12 Columbus Day",
			"2026-11-11 Veterans Day", "2026-11-26 Thanksgiving Day", "2026-12-25 Christmas Day"),
		Entry("2027, with the New Year's Day of 2028", 2027,
			"2027-01-01 New Year's Day", "2027-01-18 Martin Luther King Jr. Day", "2027-02-15 Presidents' Day", "2027-05-31 Memorial Day",
			"2027-06-18 Juneteenth", "2027-07-05 Independence Day", "2027-09-06 Labor Day", "2027-10-11 Columbus Day",
			"2027-11-11 Veterans Day", "2027-11-25 Thanksgiving Day", "2027-12-24 Christmas Day", "2027-12-31 New Year's Day"),
		Entry("2028, without one of its own", 2028,
			"2028-01-17 Martin Luther King Jr. Day", "2028-02-21 Presidents' Day", "2028-05-29 Memorial Day",
			"2028-06-19 Juneteenth", "2028-07-04 Independence Day", "2028-09-04 Labor Day", "2028-10-09 Columbus Day",
			"2028-11-10 Veterans Day", "2028-11-23 Thanksgiving Day", "2028-12-25 Christmas Day"),
	)

	DescribeTable("are on their own day where the plan works on that day of the week",
		func(year int, name string, days []v1alpha1.DayOfWeek, date string) {
			Expect(support.HolidaysOf(v1alpha1.OperatingHours{Holidays: v1alpha1.USFederal, Days: days}, year)).To(ContainElement(support.Holiday{Date: v1alpha1.Date(date), Name: name}))
			h, err := support.NewHours(v1alpha1.OperatingHours{TimeZone: "America/New_York", Days: days, Opens: "09:00", Closes: "17:00", Holidays: v1alpha1.USFederal})
			Expect(err).NotTo(HaveOccurred())
			noon, err := time.Parse(time.RFC3339, date+"T17:00:00Z")
			Expect(err).NotTo(HaveOccurred())
			for _, day := range []int{-1, 0, 1} {
				at := noon.AddDate(0, 0, day)
				open, _ := h.At(at)
				Expect(open).To(Equal(day != 0 && slices.Contains(days, v1alpha1.DayOfWeek(at.Weekday().String()))), at.String())
			}
		},
		Entry("a Saturday, worked", 2026, "Independence Day", []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}, "2026-07-04"),
		Entry("a Saturday, not worked", 2026, "Independence Day", []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}, "2026-07-03"),
		Entry("a Sunday, worked", 2027, "Independence Day", []v1alpha1.DayOfWeek{"Sunday", "Monday", "Tuesday"}, "2027-07-04"),
		Entry("a Sunday, not worked", 2027, "Independence Day", []v1alpha1.DayOfWeek{"Monday", "Tuesday"}, "2027-07-05"),
		Entry("New Year's Day, worked", 2028, "New Year's Day", []v1alpha1.DayOfWeek{"Friday", "Saturday"}, "2028-01-01"),
		Entry("New Year's Day, not worked", 2027, "New Year's Day", []v1alpha1.DayOfWeek{"Friday"}, "2027-12-31"),
	)
})

var _ = Describe("Time zones", func() {
	DescribeTable("are those of one list on every machine",
		func(name string, known bool) {
			_, err := support.LoadZone(v1alpha1.TimeZone(name))
			if known {
				Expect(err).NotTo(HaveOccurred())
				return
			}
			Expect(err).To(MatchError(HavePrefix(fmt.Sprintf("the time zone %q is unknown: write an IANA name, such as ", name))))
		},
		Entry("a place", "Europe/Berlin", true),
		Entry("a place in a region", "America/Argentina/Buenos_Aires", true),
		Entry("an old name", "US/Eastern", true),
		Entry("UTC", "UTC", true),
		Entry("an offset", "Etc/GMT+5", true),
		Entry("nothing", "", false),
		Entry("what Go calls the machine's", "Local", false),
		Entry("a file that some machines have", "localtime", false),
		Entry("another", "posixrules", false),
		Entry("a folder that some machines have", "right/Europe/Berlin", false),
		Entry("another", "posix/Europe/Berlin", false),
		Entry("what a machine has before somebody names its zone", "Factory", false),
		Entry("a list of zones", "zone.tab", false),
		Entry("a folder", "Europe", false),
		Entry("a folder as one", "Europe/", false),
		Entry("a path", "../Europe/Berlin", false),
		Entry("lower case, which some file systems take", "europe/berlin", false),
	)
})

var _ = Describe("Responsibilities", func() {
	DescribeTable("follow the channel table",
		func(model v1alpha1.ChannelModel, implementation, success, maintenance, technical v1alpha1.Party) {
			for _, pcsm := range []bool{false, true} {
				var got []v1alpha1.Party
				for _, r := range support.Responsibilities(model, pcsm) {
					got = append(got, r.Responsible)
					Expect(r.WithPCSM).To(Equal(pcsm && model.WhiteLabels()))
				}
				Expect(got).To(Equal([]v1alpha1.Party{implementation, success, maintenance, technical}))
			}
		},
		Entry("Reseller", v1alpha1.Reseller, v1alpha1.PartyDispel, v1alpha1.PartyDispel, v1alpha1.PartyDispel, v1alpha1.PartyDispel),
		Entry("Distributor", v1alpha1.Distributor, v1alpha1.PartyDispel, v1alpha1.PartyDispel, v1alpha1.PartyDispel, v1alpha1.PartyDispel),
		Entry("OEM", v1alpha1.OEM, v1alpha1.PartyPartner, v1alpha1.PartyPartner, v1alpha1.PartyPartner, v1alpha1.PartyDispel),
		Entry("MSP", v1alpha1.MSP, v1alpha1.PartyPartner, v1alpha1.PartyPartner, v1alpha1.PartyPartner, v1alpha1.PartyDispel),
	)
})

var _ = Describe("The responsibility matrix", func() {
	const (
		primary   = support.Primary
		secondary = support.Secondary
		materials = support.DocumentationAndTraining
		nobody    = support.Role("")
	)
	type row struct {
		task              string
		service           v1alpha1.ServiceType
		customer, partner support.Role
		dispel            []support.Role
		pcsm              bool
	}
	rows := func(model v1alpha1.ChannelModel, pcsm bool) []row {
		var rows []row
		for _, t := range support.Tasks(model, pcsm) {
			rows = append(rows, row{t.Name, t.ServiceType, t.Customer, t.Partner, t.Dispel, t.WithPCSM})
		}
		return rows
	}
	both, only := []support.Role{secondary, materials}, func(r support.Role) []support.Role { return []support.Role{r} }

	for _, model := range []v1alpha1.ChannelModel{v1alpha1.OEM, v1alpha1.MSP} {
		for _, pcsm := range []bool{false, true} {
			It(fmt.Sprintf("is the partner's own for an %s, with P-CSMs beside it: %t", model, pcsm), func() {
				Expect(rows(model, pcsm)).To(Equal([]row{
					{"User account management", v1alpha1.Implementation, primary, nobody, only(materials), false},
					{"User access management", v1alpha1.Implementation, primary, nobody, only(materials), false},
					{"Communication with partner's customers", v1alpha1.CustomerSuccess, nobody, primary, both, pcsm},
					{"End-user support", v1alpha1.CustomerSuccess, nobody, primary, both, pcsm},
					{"Wicket deployment and installation", v1alpha1.Implementation, nobody, primary, both, pcsm},
					{"Training and onboarding", v1alpha1.CustomerSuccess, nobody, primary, both, pcsm},
					{"Virtual desktop stack management", v1alpha1.CustomerSuccess, nobody, primary, both, pcsm},
					{"Network connectivity", v1alpha1.Implementation, nobody, primary, only(secondary), pcsm},
					{"Applying Wicket ESI patches and updates", v1alpha1.Maintenance, nobody, primary, only(secondary), pcsm},
					{"Zero Trust Engine bugs", v1alpha1.Maintenance, nobody, nobody, only(primary), false},
					{"Zero Trust Engine security patches", v1alpha1.Maintenance, nobody, nobody, only(primary), false},
					{"Critical infrastructure outages", v1alpha1.TechnicalSupport, nobody, nobody, only(primary), false},
				}))
			})
		}
	}

	for _, model := range []v1alpha1.ChannelModel{v1alpha1.Reseller, v1alpha1.Distributor} {
		It("is Dispel's for a "+string(model)+", but for what customers do themselves", func() {
			for _, pcsm := range []bool{false, true} {
				for i, r := range rows(model, pcsm) {
					Expect(r.partner).To(Equal(nobody))
					Expect(r.pcsm).To(BeFalse())
					if i < 2 {
						Expect(r.customer).To(Equal(primary))
						Expect(r.dispel).To(Equal(only(materials)))
					} else {
						Expect(r.customer).To(Equal(nobody))
						Expect(r.dispel).To(Equal(only(primary)))
					}
				}
			}
		})
	}
})

var _ = Describe("Doubts about hours", func() {
	DescribeTable("name the zone that is probably meant", func(zone v1alpha1.TimeZone, says string) {
		doubt := support.ZoneDoubt("spec.localization.timeZone", zone)
		if says == "" {
			Expect(doubt).To(BeNil())
			return
		}
		Expect(doubt.Reason).To(Equal(v1alpha1.ReasonFixedTimeZone))
		Expect(doubt.Message).To(Equal("spec.localization.timeZone: " + says))
	},
		Entry("Eastern Time", v1alpha1.TimeZone("EST"), "EST has no daylight saving time, so that hours are an hour off all summer where clocks change: write America/New_York, if that is meant"),
		Entry("British time", v1alpha1.TimeZone("GMT"), "GMT has no daylight saving time, so that hours are an hour off all summer where clocks change: write Europe/London, if that is meant"),
		Entry("an offset behind", v1alpha1.TimeZone("Etc/GMT+1"), "Etc/GMT+1 is UTC-1, whatever its sign suggests, and has no daylight saving time: write Europe/Berlin, if that is meant"),
		Entry("an offset ahead", v1alpha1.TimeZone("Etc/GMT-8"), "Etc/GMT-8 is UTC+8, whatever its sign suggests, and has no daylight saving time: write Asia/Singapore, or America/Los_Angeles, if that is meant"),
		Entry("an offset of no place that is known", v1alpha1.TimeZone("Etc/GMT-14"), "Etc/GMT-14 is UTC+14, whatever its sign suggests, and has no daylight saving time: write the IANA name of the place whose clocks are meant"),
		Entry("UTC", v1alpha1.TimeZone("UTC"), ""),
		Entry("a place", v1alpha1.TimeZone("Asia/Tokyo"), ""),
	)

	DescribeTable("are of federal holidays where nobody has them", func(zone v1alpha1.TimeZone, doubtful bool) {
		doubts := support.Doubts(v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic, OperatingHours: &v1alpha1.OperatingHours{TimeZone: zone}})
		abroad := slices.ContainsFunc(doubts, func(d support.Doubt) bool { return d.Reason == v1alpha1.ReasonFederalHolidaysAbroad })
		Expect(abroad).To(Equal(doubtful))
	},
		Entry("London", v1alpha1.TimeZone("Europe/London"), true),
		Entry("a country's own name", v1alpha1.TimeZone("Japan"), true),
		Entry("a zone of several countries", v1alpha1.TimeZone("CET"), true),
		Entry("an offset abroad", v1alpha1.TimeZone("Etc/GMT-1"), true),
		Entry("Greenwich", v1alpha1.TimeZone("GMT"), true),
		Entry("an offset of the United States", v1alpha1.TimeZone("Etc/GMT+5"), false),
		Entry("Eastern Time", v1alpha1.TimeZone("EST5EDT"), false),
		Entry("UTC", v1alpha1.TimeZone("Etc/UTC"), false),
	)

	DescribeTable("of a zone that is unknown name one that is near", func(zone v1alpha1.TimeZone, near string) {
		_, err := support.LoadZone(zone)
		Expect(err).To(MatchError(fmt.Sprintf("the time zone %q is unknown: write an IANA name, such as %s", zone, near)))
	},
		Entry("an abbreviation", v1alpha1.TimeZone("PST"), "America/Los_Angeles"),
		Entry("a space", v1alpha1.TimeZone("America/New York"), "America/New_York"),
		Entry("another case", v1alpha1.TimeZone("europe/berlin"), "Europe/Berlin"),
		Entry("anything else", v1alpha1.TimeZone("Moon/Tranquility"), "America/New_York or Europe/Berlin"),
	)
})
