package support_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/support"
)

var _ = DescribeTable("Changes reach partners",
	func(at string, open bool, next string) {
		plan := &v1alpha1.SupportPlan{Spec: v1alpha1.SupportPlanSpec{
			Tier: v1alpha1.Basic, OperatingHours: &v1alpha1.OperatingHours{TimeZone: "Europe/Berlin"},
			ChangeWindows: []v1alpha1.ChangeWindow{
				{Days: []v1alpha1.DayOfWeek{"Saturday"}, Opens: "22:00", Closes: "06:00"},
				{Days: []v1alpha1.DayOfWeek{"Sunday"}, Opens: "02:00", Closes: "08:00"}, // they overlap
			},
		}}
		now, err := time.Parse(time.RFC3339, at)
		Expect(err).NotTo(HaveOccurred())
		is, change := support.ChangesAt(plan, now)
		Expect(is).To(Equal(open))
		Expect(change.Format(time.RFC3339)).To(Equal(next))
	},
	Entry("not in the week, until the first window opens", "2026-12-01T12:00:00Z", false, "2026-12-05T22:00:00+01:00"),
	Entry("within a window", "2026-12-05T22:30:00Z", true, "2026-12-06T02:00:00+01:00"),
	Entry("within the second, after the first", "2026-12-06T06:00:00Z", true, "2026-12-06T08:00:00+01:00"),
	Entry("not after both", "2026-12-06T07:00:00Z", false, "2026-12-12T22:00:00+01:00"),
)

var _ = It("Changes reach partners of plans without windows, or without a plan, at any time", func() {
	for _, plan := range []*v1alpha1.SupportPlan{nil, {}} {
		open, change := support.ChangesAt(plan, time.Now())
		Expect(open).To(BeTrue())
		Expect(change).To(BeZero())
	}
})
