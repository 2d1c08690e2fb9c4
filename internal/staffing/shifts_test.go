package staffing_test

import (
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/staffing"
)

var fiveDays = []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}

func shift(start, end v1alpha1.TimeOfDay, amount string, days ...v1alpha1.DayOfWeek) v1alpha1.Shift {
	s := v1alpha1.Shift{Days: days, Start: start, End: end}
	if amount != "" {
		s.FTE = fte(amount)
	}
	return s
}

var _ = Describe("Shifts", func() {
	DescribeTable("are held against the FTE of their allocation",
		func(amount string, refusal string, shifts ...v1alpha1.Shift) {
			a := allocation(amount, "", "")
			a.Spec.Localization = &v1alpha1.Localization{TimeZone: "Europe/Berlin"}
			a.Spec.Shifts = shifts
			err := staffing.Accept(&a, partnerOf(v1alpha1.OEM))
			if refusal == "" {
				Expect(err).NotTo(HaveOccurred())
				return
			}
			refused, ok := errors.AsType[*staffing.Refusal](err)
			Expect(ok).To(BeTrue())
			Expect(refused.Reason).To(Equal(v1alpha1.ReasonShiftsExceedFTE))
			Expect(refused.Message).To(ContainSubstring(refusal))
		},
		Entry("five days of eight hours", "1", "", shift("09:00", "17:00", "", fiveDays...)),
		Entry("half an FTE, all of it", "0.5", "", shift("09:00", "17:00", "", fiveDays...)),
		Entry("two people in turn", "2", "", shift("00:00", "08:00", "0.5", fiveDays...), shift("08:00", "16:00", "0.5", fiveDays...)),
		Entry("one after the other on the same days", "1", "", shift("08:00", "12:00", "1", fiveDays...), shift("12:00", "16:00", "1", fiveDays...)),
		Entry("six days", "1", "they need 48 hours of work a week, and 1 FTE cover 40 (40 per FTE): shorten them, or raise spec.fte",
			shift("09:00", "17:00", "", append(fiveDays, "Saturday")...)),
		Entry("half an FTE on six days", "0.5", "they need 24 hours of work a week, and 0.5 FTE cover 20", shift("09:00", "17:00", "", append(fiveDays, "Saturday")...)),
		Entry("a minute too long", "1", "on Monday they take 8.01 hours of work, and 1 FTE are 1 person, who does at most 8 a day: shorten them, or raise spec.fte",
			shift("09:00", "17:00", "", fiveDays...), shift("17:00", "17:01", "", "Monday")),
		Entry("one person in turn with herself", "1", "on Monday they take 16 hours of work, and 1 FTE are 1 person, who does at most 8 a day", shift("00:00", "08:00", "0.5", fiveDays...), shift("08:00", "16:00", "0.5", fiveDays...)),
		Entry("seven days of half the attention of one person", "1", "they take 56 hours of work a week, and 1 FTE are 1 person, who does at most 40 a week: shorten them, or raise spec.fte",
			shift("09:00", "17:00", "0.5", append(fiveDays, "Saturday", "Sunday")...)),
		Entry("seven days of half the attention of two people", "1.5", "", shift("09:00", "17:00", "0.5", append(fiveDays, "Saturday", "Sunday")...)),
		Entry("two halves of one person at once", "1", "", shift("09:00", "17:00", "0.5", fiveDays...), shift("10:00", "16:00", "0.5", fiveDays...)),
		Entry("FTE that the allocation has not", "1", "spec.shifts[1].fte: the allocation has 1 FTE, and 1.5 are to be on duty: write at most 1, or raise spec.fte",
			shift("09:00", "10:00", "1", "Monday"), shift("11:00", "12:00", "1.5", "Monday")),
		Entry("too many at once", "1", "1.5 FTE are to be on duty at once, on Tuesday at 11:00, and the allocation has 1: let the shifts overlap less, or raise spec.fte",
			shift("09:00", "12:00", "1", "Tuesday"), shift("11:00", "13:00", "0.5", "Tuesday")),
		Entry("too many at once after midnight", "1", "2 FTE are to be on duty at once, on Wednesday at 01:00",
			shift("22:00", "02:00", "1", "Tuesday"), shift("01:00", "03:00", "1", "Wednesday")),
		Entry("too many at once after the end of the week", "1", "2 FTE are to be on duty at once, on Monday at 01:00",
			shift("22:00", "02:00", "1", "Sunday"), shift("01:00", "03:00", "1", "Monday")),
		Entry("both sides of midnight", "1", "", shift("22:00", "00:00", "1", "Sunday"), shift("00:00", "06:00", "1", "Monday")),
		Entry("a time that the schema refuses", "1", "spec.shifts[0]: from 9 to 17:00 is no shift", shift("9", "17:00", "", "Monday")),
		Entry("a length that the schema refuses", "1", "from 08:00 to 17:00 is no shift: write an end that is up to 8 hours after start", shift("08:00", "17:00", "", "Monday")),
	)

	DescribeTable("and exceptions are held against it together",
		func(amount, refusal string, exceptions ...v1alpha1.ShiftException) {
			a := allocation(amount, "", "")
			a.Spec.Localization = &v1alpha1.Localization{TimeZone: "Europe/Berlin"}
			a.Spec.Shifts = []v1alpha1.Shift{shift("22:00", "06:00", "1", fiveDays...)}
			a.Spec.Exceptions = exceptions
			err := staffing.Accept(&a, partnerOf(v1alpha1.OEM))
			if refusal == "" {
				Expect(err).NotTo(HaveOccurred())
				return
			}
			Expect(err).To(MatchError(ContainSubstring(refusal)))
		},
		Entry("one instead of the shift", "1", "", v1alpha1.ShiftException{Date: "2026-12-08", Start: "21:00", End: "05:00"}),
		Entry("nobody", "1", "", v1alpha1.ShiftException{Date: "2026-12-08", FTE: new(v1alpha1.FTE)}),
		Entry("one beside what the day before has past midnight", "1", "spec.exceptions: 2 FTE are to be on duty at once, on 2026-12-08 at 00:00, and the allocation has 1",
			v1alpha1.ShiftException{Date: "2026-12-08", Start: "00:00", End: "08:00"}),
		Entry("one that goes on into another of the next day", "1", "2 FTE are to be on duty at once, on 2026-12-13 at 01:00",
			v1alpha1.ShiftException{Date: "2026-12-12", Start: "20:00", End: "02:00"}, v1alpha1.ShiftException{Date: "2026-12-13", Start: "01:00", End: "02:00"}),
		Entry("more than the allocation has", "1", "spec.exceptions[0].fte: the allocation has 1 FTE, and 1.5 are to be on duty", v1alpha1.ShiftException{Date: "2026-12-12", Start: "20:00", End: "22:00", FTE: new(fte("1.5"))}),
		Entry("more than eight hours", "1", "spec.exceptions: on 2026-12-12 they take 9 hours of work, and 1 FTE are 1 person, who does at most 8 a day: shorten them, or raise spec.fte",
			v1alpha1.ShiftException{Date: "2026-12-12", Start: "08:00", End: "12:00"}, v1alpha1.ShiftException{Date: "2026-12-12", Start: "13:00", End: "18:00"}),
	)

	DescribeTable("and absences need days, and people who can be away",
		func(absence v1alpha1.Absence, refusal string) {
			a := allocation("1", "", "")
			a.Spec.Absences = []v1alpha1.Absence{absence}
			Expect(staffing.Accept(&a, partnerOf(v1alpha1.OEM))).To(MatchError(ContainSubstring(refusal)))
		},
		Entry("more than there are", v1alpha1.Absence{From: "2026-12-12", Until: "2026-12-12", FTE: fte("1.5")}, "spec.absences[0].fte: the allocation has 1 FTE, and 1.5 are to be away: write at most 1, or remove fte for all"),
		Entry("endless", v1alpha1.Absence{From: "2026-12-12", Until: "2027-12-13"}, "spec.absences[0]: from 2026-12-12 to 2027-12-13 is no absence: write an until that is from or later, at most 366 days in all"),
	)

	It("need a time zone", func() {
		a := allocation("1", "", "")
		a.Spec.Shifts = []v1alpha1.Shift{shift("09:00", "17:00", "", fiveDays...)}
		Expect(staffing.Accept(&a, partnerOf(v1alpha1.OEM))).To(MatchError(ContainSubstring("spec.localization.timeZone")))
	})

	DescribeTable("last until the end, on the next day if need be",
		func(start, end v1alpha1.TimeOfDay, from, length int) {
			s, l := staffing.ShiftMinutes(shift(start, end, ""))
			Expect([]int{s, l}).To(Equal([]int{from, length}))
		},
		Entry("by day", v1alpha1.TimeOfDay("09:00"), v1alpha1.TimeOfDay("17:00"), 540, 480),
		Entry("across midnight", v1alpha1.TimeOfDay("22:00"), v1alpha1.TimeOfDay("06:00"), 1320, 480),
		Entry("until midnight", v1alpha1.TimeOfDay("16:00"), v1alpha1.TimeOfDay("24:00"), 960, 480),
		Entry("until midnight, otherwise", v1alpha1.TimeOfDay("16:00"), v1alpha1.TimeOfDay("00:00"), 960, 480),
		Entry("a minute", v1alpha1.TimeOfDay("23:59"), v1alpha1.TimeOfDay("00:00"), 1439, 1),
		Entry("too long", v1alpha1.TimeOfDay("22:00"), v1alpha1.TimeOfDay("06:01"), 1320, 0),
	)
})
