package support_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/support"
)

var _ = Describe("An answer", func() {
	basic := v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic} // 09:00-17:00 in New York, without federal holidays
	berlin := v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic, OperatingHours: &v1alpha1.OperatingHours{
		TimeZone: "Europe/Berlin", Opens: "00:00", Closes: "24:00", Holidays: v1alpha1.NoHolidays, Closures: []v1alpha1.Date{"2026-12-24"},
		Days: []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"},
	}}
	premium := v1alpha1.SupportPlanSpec{Tier: v1alpha1.Premium}
	DescribeTable("is due",
		func(plan v1alpha1.SupportPlanSpec, clock v1alpha1.ResponseClock, within, at, due string) {
			effective, err := support.Effective(plan)
			Expect(err).NotTo(HaveOccurred())
			hours, err := support.NewHours(effective.OperatingHours)
			Expect(err).NotTo(HaveOccurred())
			asked, err := time.Parse(time.RFC3339, at)
			Expect(err).NotTo(HaveOccurred())
			found, err := support.Due(hours, v1alpha1.ResponseTarget{Severity: 2, Within: within, Clock: clock}, asked)
			Expect(err).NotTo(HaveOccurred())
			Expect(found.Format(time.RFC3339)).To(Equal(due))
		},
		Entry("within the same day", basic, v1alpha1.ClockOperatingHours, "4h", "2026-12-01T10:00:00-05:00", "2026-12-01T19:00:00Z"),
		Entry("with the clock left out", basic, v1alpha1.ResponseClock(""), "4h", "2026-12-01T10:00:00-05:00", "2026-12-01T19:00:00Z"),
		Entry("when the day closes", basic, v1alpha1.ClockOperatingHours, "4h", "2026-12-01T13:00:00-05:00", "2026-12-01T22:00:00Z"),
		Entry("on the next day", basic, v1alpha1.ClockOperatingHours, "4h", "2026-12-01T16:00:00-05:00", "2026-12-02T17:00:00Z"),
		Entry("over a weekend", basic, v1alpha1.ClockOperatingHours, "4h", "2026-12-04T16:00:00-05:00", "2026-12-07T17:00:00Z"),
		Entry("from the next opening", basic, v1alpha1.ClockOperatingHours, "30m", "2026-12-05T03:00:00-05:00", "2026-12-07T14:30:00Z"),
		Entry("over Thanksgiving", basic, v1alpha1.ClockOperatingHours, "2h", "2026-11-25T16:00:00-05:00", "2026-11-27T15:00:00Z"),
		Entry("over several days", basic, v1alpha1.ClockOperatingHours, "40h", "2026-12-01T09:00:00-05:00", "2026-12-07T22:00:00Z"),
		Entry("around the clock by the plan's hours", premium, v1alpha1.ClockOperatingHours, "4h", "2026-12-05T23:00:00Z", "2026-12-06T03:00:00Z"),
		Entry("around the clock by the target", basic, v1alpha1.ClockAlways, "1h", "2026-12-05T03:00:00-05:00", "2026-12-05T09:00:00Z"),
		Entry("over a closure", berlin, v1alpha1.ClockOperatingHours, "2h", "2026-12-23T23:00:00+01:00", "2026-12-25T00:00:00Z"),
		Entry("over an hour that is skipped", berlin, v1alpha1.ClockOperatingHours, "2h", "2027-03-28T01:30:00+01:00", "2027-03-28T02:30:00Z"),
		Entry("over an hour that is repeated", berlin, v1alpha1.ClockOperatingHours, "2h", "2026-10-25T01:30:00+02:00", "2026-10-25T01:30:00Z"),
		Entry("with the seconds of the request", basic, v1alpha1.ClockOperatingHours, "1h", "2026-12-01T10:00:30-05:00", "2026-12-01T16:00:30Z"),
	)

	It("is never due by hours that are too few", func() {
		hours, err := support.NewHours(v1alpha1.OperatingHours{
			TimeZone: "UTC", Opens: "09:00", Closes: "09:01", Holidays: v1alpha1.NoHolidays, Days: []v1alpha1.DayOfWeek{"Monday"},
		})
		Expect(err).NotTo(HaveOccurred())
		_, err = support.Due(hours, v1alpha1.ResponseTarget{Severity: 2, Within: "4h"}, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))
		Expect(err).To(MatchError(ContainSubstring("spec.responseTargets: the operating hours of the next year are less than 4h, which severity 2 has")))
	})
})

var _ = Describe("Training materials", func() {
	It("are owed for the tasks in which Dispel documents and trains", func() {
		plan := &v1alpha1.SupportPlan{}
		Expect(support.WithoutMaterials(plan)).To(Equal([]v1alpha1.TaskName{
			v1alpha1.UserAccountManagement, v1alpha1.UserAccessManagement, v1alpha1.CustomerCommunication, v1alpha1.EndUserSupport,
			v1alpha1.WicketDeployment, v1alpha1.TrainingAndOnboarding, v1alpha1.VirtualDesktopStackManagement,
		}))
		wicket := v1alpha1.TrainingMaterial{Title: "Wickets", URL: "https://www.example.com/wickets", Tasks: []v1alpha1.TaskName{v1alpha1.WicketDeployment}}
		plan.Spec.TrainingMaterials = []v1alpha1.TrainingMaterial{wicket}
		Expect(support.Materials(plan, v1alpha1.WicketDeployment)).To(ConsistOf(wicket))
		Expect(support.Materials(plan, v1alpha1.EndUserSupport)).To(BeEmpty())
		Expect(support.WithoutMaterials(plan)).NotTo(ContainElement(v1alpha1.WicketDeployment))
	})

	It("are for tasks that are explained", func() {
		seen := map[v1alpha1.TaskName]bool{}
		for _, task := range support.Tasks(v1alpha1.OEM, true) {
			Expect(task.About).NotTo(BeEmpty())
			Expect(support.AboutService(task.ServiceType)).NotTo(BeEmpty())
			Expect(seen).NotTo(HaveKey(task.ID))
			seen[task.ID] = true
		}
		Expect(seen).To(HaveLen(12))
	})
})
