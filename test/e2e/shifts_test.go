//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// inShifts is a partner on a Basic plan with response targets, for whom German is
// spoken in the morning of New York, and English until it closes.
func inShifts(ctx context.Context, name string) string {
	GinkgoHelper()
	plan := &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "targets"}, Spec: v1alpha1.SupportPlanSpec{
		Tier: v1alpha1.Basic, ResponseTargets: []v1alpha1.ResponseTarget{
			{Severity: 1, Within: "1h", Clock: v1alpha1.ClockAlways}, {Severity: 2, Within: "4h"}, {Severity: 3, Within: "24h"},
		},
	}}
	Expect(client.IgnoreAlreadyExists(direct.Create(ctx, plan))).To(Succeed())
	address := partner(ctx, name, 0, func(spec *v1alpha1.PartnerSpec) {
		spec.SupportPlanRef = &v1alpha1.SupportPlanReference{Name: "targets"}
	})
	week := []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}
	for zone, shift := range map[v1alpha1.TimeZone]v1alpha1.Shift{
		"Europe/Berlin":    {Days: week, Start: "15:00", End: "19:00"},
		"America/New_York": {Days: week, Start: "13:00", End: "17:00"},
	} {
		languages := []v1alpha1.Language{"en"}
		if zone == "Europe/Berlin" {
			languages = []v1alpha1.Language{"de", "en"}
		}
		allocation := &v1alpha1.PCSMAllocation{
			ObjectMeta: metav1.ObjectMeta{Name: name + "-" + strings.ToLower(string(zone[:2]))},
			Spec: v1alpha1.PCSMAllocationSpec{
				PartnerRef: v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(name)}, FTE: v1alpha1.OneFTE,
				Localization: &v1alpha1.Localization{TimeZone: zone, Languages: languages}, Shifts: []v1alpha1.Shift{shift},
			},
		}
		Expect(direct.Create(ctx, allocation)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(direct.Delete(ctx, allocation))).To(Succeed()) })
	}
	Eventually(widgetStatus(address)).Should(Equal(http.StatusOK))
	return address
}

var _ = Describe("P-CSMs in shifts", func() {
	DescribeTable("are shown with the languages of those on duty, and with when an answer is due",
		func(ctx SpecContext, at, timeZone string, texts, not []string) {
			instant, err := time.Parse(time.RFC3339, at)
			Expect(err).NotTo(HaveOccurred())
			now.SetTime(instant)
			name := strings.NewReplacer(":", "-", "/", "-", "_", "-").Replace(strings.ToLower("shift-" + at[5:] + "-" + timeZone))
			address := inShifts(ctx, name)
			p := open(chromium, view{timeZone: timeZone})
			// Until the server knows both allocations.
			Eventually(func() string {
				p.goTo(address + "/")
				p.openPanel()
				return p.panel()
			}).Should(ContainSubstring("German and English"))
			for _, text := range texts {
				Expect(p.panel()).To(ContainSubstring(text))
			}
			for _, text := range not {
				Expect(p.panel()).NotTo(ContainSubstring(text))
			}
			p.screenshot(name)
			Expect(p.violations()).To(BeEmpty())
			Expect(errors(p.console())).To(BeEmpty())
		},
		Entry("in the morning, seen from New York", "2026-12-01T15:00:00Z", "America/New_York",
			[]string{"Open now", "until 5:00 PM", "On duty now: German and English", "by 11:00 AM", "by 2:00 PM", "by Friday 10:00 AM"}, nil),
		Entry("in the afternoon, seen from Berlin", "2026-12-01T20:00:00Z", "Europe/Berlin",
			[]string{"Open now", "On duty now: English", "by 10:00 PM GMT+1", "by Wednesday, 5:00 PM GMT+1"}, []string{"On duty now: German"}),
		Entry("at night, seen from Tokyo", "2026-12-01T23:00:00Z", "Asia/Tokyo",
			// Nobody is on duty an hour later.
			[]string{"Closed now", "Opens 11:00 PM GMT+9", "within 1 hour", "by 9:00 AM GMT+9, outside of staffed hours", "by Thursday, 3:00 AM GMT+9"}, []string{"On duty now", "Staffed"}),
		Entry("before Thanksgiving, seen from New York", "2026-11-25T20:00:00Z", "America/New_York",
			[]string{"On duty now: English", "by 4:00 PM", "by Friday 11:00 AM"}, nil),
		Entry("before Thanksgiving, seen from Berlin", "2026-11-25T20:00:00Z", "Europe/Berlin", []string{"by Friday, 5:00 PM GMT+1"}, nil),
		Entry("before a weekend, seen from Kolkata", "2026-12-04T21:00:00Z", "Asia/Kolkata",
			[]string{"by 3:30 AM GMT+5:30", "by Monday, 10:30 PM GMT+5:30"}, nil),
	)
})

// byDay is a partner whose plan is closed at lunch and open on some Saturdays, for whom one P-CSM in
// Berlin works who is away before Christmas, and comes on a Saturday once.
func byDay(ctx context.Context, name string) string {
	GinkgoHelper()
	week := []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}
	plan := &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "by-day"}, Spec: v1alpha1.SupportPlanSpec{
		Tier: v1alpha1.Basic, OperatingHours: &v1alpha1.OperatingHours{
			TimeZone: "Europe/Berlin", Holidays: "DE",
			Windows: []v1alpha1.HoursWindow{
				{Days: week, Opens: "08:00", Closes: "12:00"}, {Days: week[:4], Opens: "13:00", Closes: "17:00"}, {Days: []v1alpha1.DayOfWeek{"Saturday"}, Opens: "09:00", Closes: "13:00"},
			},
			SpecialDays: []v1alpha1.SpecialDay{{From: "2026-12-24", Opens: "08:00", Closes: "10:00"}},
		},
	}}
	Expect(client.IgnoreAlreadyExists(direct.Create(ctx, plan))).To(Succeed())
	address := partner(ctx, name, 0, func(spec *v1alpha1.PartnerSpec) {
		spec.SupportPlanRef = &v1alpha1.SupportPlanReference{Name: "by-day"}
	})
	allocation := &v1alpha1.PCSMAllocation{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.PCSMAllocationSpec{
			PartnerRef: v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(name)}, FTE: v1alpha1.OneFTE,
			Localization: &v1alpha1.Localization{TimeZone: "Europe/Berlin", Languages: []v1alpha1.Language{"de"}},
			Shifts:       []v1alpha1.Shift{{Days: week, Start: "08:00", End: "12:00"}, {Days: week[:4], Start: "13:00", End: "17:00"}},
			Absences:     []v1alpha1.Absence{{From: "2026-12-14", Until: "2026-12-15"}},
			Exceptions:   []v1alpha1.ShiftException{{Date: "2026-12-05", Start: "09:00", End: "13:00"}},
		},
	}
	Expect(direct.Create(ctx, allocation)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(direct.Delete(ctx, allocation))).To(Succeed()) })
	Eventually(widgetStatus(address)).Should(Equal(http.StatusOK))
	return address
}

var _ = Describe("Hours by day, absences and exceptions", func() {
	DescribeTable("open and close the widget, with the next opening, for a viewer of another continent",
		func(ctx SpecContext, at string, texts ...string) {
			instant, err := time.Parse(time.RFC3339, at)
			Expect(err).NotTo(HaveOccurred())
			now.SetTime(instant)
			name := strings.ToLower("day-" + strings.ReplaceAll(at[5:16], ":", "-"))
			address := byDay(ctx, name)
			p := open(chromium, view{timeZone: "America/New_York"})
			Eventually(func() string {
				p.goTo(address + "/")
				p.openPanel()
				return p.panel()
			}).Should(ContainSubstring("German"))
			for _, text := range texts {
				Expect(p.panel()).To(ContainSubstring(text))
			}
			Expect(strings.Count(p.panel(), "Central European Time")).To(Equal(1))
			p.screenshot(name)
			Expect(p.violations()).To(BeEmpty())
			Expect(errors(p.console())).To(BeEmpty())
		},
		Entry("closed at lunch", "2026-12-07T11:30:00Z", "Closed now", "Opens 7:00 AM EST", "8:00 AM – 12:00 PM, 1:00 PM – 5:00 PM"),
		Entry("open after lunch", "2026-12-07T12:30:00Z", "Open now", "until 11:00 AM EST", "Mon – Thu"),
		Entry("closed while all are away", "2026-12-14T10:00:00Z", "Closed now", "Opens Wednesday, 2:00 AM EST", "Staffed", "Mon – Thu", "8:00 AM – 12:00 PM, 1:00 PM – 5:00 PM", "Fri", "Sat\n9:00 AM – 1:00 PM"),
		Entry("open by an exception on a Saturday", "2026-12-05T09:00:00Z", "Open now", "until 7:00 AM EST"),
		Entry("closed on the next Saturday", "2026-12-12T09:00:00Z", "Closed now", "Opens Wednesday, 2:00 AM EST"),
		Entry("open on a short day", "2026-12-24T08:30:00Z", "Open now", "until 4:00 AM EST"),
	)
})
