package report_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/report"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "report")
}

var now = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)

// acme is a fleet of one OEM with two FTE, of which contracts are as given.
func acme(conditions []metav1.Condition, allocations ...v1alpha1.PCSMAllocationSpec) *fleet.Fleet {
	f := fleet.New()
	f.Add(&v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "basic"}, Spec: v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic}})
	f.Add(&v1alpha1.Partner{
		ObjectMeta: metav1.ObjectMeta{Name: "acme"},
		Spec:       v1alpha1.PartnerSpec{DisplayName: "Acme", ChannelModel: v1alpha1.OEM, CustomerCount: new(int32(20))},
		Status:     v1alpha1.PartnerStatus{Conditions: conditions},
	})
	for i, spec := range allocations {
		spec.PartnerRef.Name = "acme"
		f.Add(&v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{Name: string(rune('a' + i))}, Spec: spec})
	}
	return f
}

var _ = Describe("The contract windows", func() {
	It("are those that open or close within a year, the first one first, with what follows", func() {
		r := report.New(acme(nil,
			v1alpha1.PCSMAllocationSpec{FTE: 2},
			v1alpha1.PCSMAllocationSpec{FTE: 2, ValidUntil: "2027-03-31"},
			v1alpha1.PCSMAllocationSpec{FTE: 2, ValidFrom: "2026-12-24"},
			v1alpha1.PCSMAllocationSpec{FTE: 2, ValidFrom: "2025-01-01", ValidUntil: "2026-12-31"},
			v1alpha1.PCSMAllocationSpec{FTE: 2, ValidUntil: "2029-12-31"},
			v1alpha1.PCSMAllocationSpec{FTE: 2, ValidUntil: "2026-01-31"},
		), now, now)
		Expect(r.Windows).To(HaveExactElements(
			HaveField("Allocation", "c"), HaveField("Allocation", "d"), HaveField("Allocation", "b"),
		))
		Expect(r.Summary.OpenEnded).To(Equal(3))
		Expect(r.Windows).To(HaveEach(HaveField("Afterwards", BeEmpty())), "the others suffice")
	})

	It("say that staffing is worse afterwards", func() {
		r := report.New(acme(nil, v1alpha1.PCSMAllocationSpec{FTE: 2}, v1alpha1.PCSMAllocationSpec{FTE: 2, ValidUntil: "2027-03-31"}), now, now)
		Expect(r.Windows).To(ConsistOf(HaveField("Afterwards", v1alpha1.ReasonCapacityExceeded)))
		r = report.New(acme(nil, v1alpha1.PCSMAllocationSpec{FTE: 4, ValidUntil: "2027-03-31"}), now, now)
		Expect(r.Windows).To(ConsistOf(HaveField("Afterwards", v1alpha1.ReasonNoPCSMAllocation)))
		r = report.New(acme(nil, v1alpha1.PCSMAllocationSpec{FTE: 4, ValidUntil: "2027-03-31"}, v1alpha1.PCSMAllocationSpec{FTE: 4, ValidFrom: "2027-04-01"}), now, now)
		Expect(r.Windows).To(HaveEach(HaveField("Afterwards", BeEmpty())), "there is a successor")
	})
})

var _ = Describe("The conditions", func() {
	It("are those that are as they should not be, each said once", func() {
		condition := func(kind v1alpha1.ConditionType, status metav1.ConditionStatus, reason v1alpha1.Reason) metav1.Condition {
			return metav1.Condition{Type: string(kind), Status: status, Reason: string(reason), Message: "why"}
		}
		r := report.New(acme([]metav1.Condition{
			condition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonBackendNotFound),
			condition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonBackendNotFound),
			condition(v1alpha1.ConditionTenantReady, metav1.ConditionTrue, v1alpha1.ReasonTenantProvisioned),
			condition(v1alpha1.ConditionSubdomainReady, metav1.ConditionFalse, v1alpha1.ReasonBackendNotFound),
			condition(v1alpha1.ConditionSupportWidgetEnabled, metav1.ConditionFalse, v1alpha1.ReasonSubdomainNotReady),
			condition(v1alpha1.ConditionStaffingSufficient, metav1.ConditionFalse, v1alpha1.ReasonCapacityExceeded),
			condition(v1alpha1.ConditionCapacityExceeded, metav1.ConditionTrue, v1alpha1.ReasonCustomersExceedFTECapacity),
		}), now, now)
		Expect(r.Conditions).To(HaveLen(1))
		Expect(r.Conditions[0].Conditions).To(HaveExactElements(HaveField("Type", "SubdomainReady"), HaveField("Type", "StaffingSufficient")))
		Expect(r.Summary.NotReady).To(Equal(1))
	})
})

var _ = Describe("What to do", func() {
	It("is who to hire, which hours to cover and what to repair, the most urgent first", func() {
		shifts := []v1alpha1.Shift{{Days: []v1alpha1.DayOfWeek{"Monday"}, Start: "09:00", End: "17:00"}}
		f := acme([]metav1.Condition{
			{Type: "SubdomainReady", Status: "False", Reason: "HostClaimedByAnotherPartner", Message: "held by another"},
			{Type: "StaffingSufficient", Status: "False", Reason: "CapacityExceeded", Message: "too many"},
			{Type: "CustomerCountStale", Status: "True", Reason: "CustomerCountOld", Message: "of last year"},
		},
			v1alpha1.PCSMAllocationSpec{FTE: 2, Shifts: shifts, Localization: &v1alpha1.Localization{TimeZone: "Etc/UTC"}},
		)
		f.Partners["acme"].Spec.ExpectedCustomers = []v1alpha1.ExpectedCustomers{{On: "2027-02-01", Count: new(int32(40))}}
		f.Partners["acme"].Status.Subdomain = &v1alpha1.SubdomainStatus{URL: "http://remote.acmecorp.com"}
		f.Plans["basic"].Spec.OperatingHours = &v1alpha1.OperatingHours{Days: []v1alpha1.DayOfWeek{"Monday", "Tuesday"}, Opens: "09:00", Closes: "17:00", TimeZone: "Etc/UTC"}
		r := report.New(f, now, now)
		var told []string
		for _, task := range r.Tasks {
			told = append(told, fmt.Sprintf("%s: %s %s %s", task.Work, task.DisplayName, task.What, task.By))
		}
		Expect(told).To(HaveExactElements(
			"Hire: Acme add 0.5 FTE ",
			"Cover: Acme 8 hours a week ",
			"Repair: Acme HostClaimedByAnotherPartner ",
			"Secure:  set TLS for 1 sub-domain ",
			"Update: Acme report customers ",
			"Plan: Acme add 1.5 more FTE 2027-02-01",
		))
		Expect(r.Tiles()[0]).To(Equal(report.Tile{Title: "FTE to add now", Figure: "0.5", Partners: []string{"Acme"}, Bad: true}))
		Expect(r.Windows).To(ConsistOf(And(HaveField("Customers", HaveValue(Equal(int32(40)))), HaveField("ValidFrom", v1alpha1.Date("2027-02-01")))))
	})

	tasks := func(f *fleet.Fleet, day time.Time) []string {
		told := []string{}
		for _, task := range report.New(f, now, day).Tasks {
			told = append(told, fmt.Sprintf("%s: %s %s %s", task.Work, task.DisplayName, task.What, task.By))
		}
		return told
	}

	DescribeTable("follows the contract with the partner",
		func(change func(*v1alpha1.Partner), told ...string) {
			f := acme([]metav1.Condition{{Type: "StaffingSufficient", Status: "False", Reason: "CapacityExceeded", Message: "too many"}}, v1alpha1.PCSMAllocationSpec{FTE: 2})
			change(f.Partners["acme"])
			Expect(tasks(f, now)).To(ConsistOf(told))
		},
		Entry("one that is over", func(p *v1alpha1.Partner) { p.Spec.ValidUntil = "2026-11-30" }),
		Entry("one that has not begun", func(p *v1alpha1.Partner) { p.Spec.ValidFrom = "2027-02-01" }, "Plan: Acme add 0.5 FTE 2027-02-01"),
		Entry("one that is suspended", func(p *v1alpha1.Partner) { p.Spec.Suspend = new(true) }),
		Entry("one that ends soon", func(p *v1alpha1.Partner) {
			p.Spec.ValidUntil, p.Spec.CustomerCount, p.Status.Subdomain = "2026-12-05", nil, &v1alpha1.SubdomainStatus{URL: "https://remote.acmecorp.com"}
		}, "Cover:  declare the shifts of 1 partner ", "Plan: Acme extend the contract 2026-12-05"),
	)

	It("is to repair what is broken, whatever says so", func() {
		f := acme([]metav1.Condition{
			{Type: "Ready", Status: "False", Reason: "SupportPlanNotFound", Message: "no plan"}, {Type: "Stalled", Status: "True", Reason: "SupportPlanNotFound", Message: "no plan"},
			{Type: "StaffingSufficient", Status: "Unknown", Reason: "SupportPlanNotFound", Message: "no plan"},
		})
		f.Partners["acme"].Spec.SupportPlanRef = &v1alpha1.SupportPlanReference{Name: "premum"}
		Expect(tasks(f, now)).To(Equal([]string{"Repair: Acme SupportPlanNotFound "}))

		f = acme([]metav1.Condition{{Type: "Ready", Status: "True", Reason: "Provisioned"}}, v1alpha1.PCSMAllocationSpec{FTE: 4, Shifts: []v1alpha1.Shift{
			{Days: []v1alpha1.DayOfWeek{"Monday"}, Start: "00:00", End: "20:00"},
		}, Localization: &v1alpha1.Localization{TimeZone: "Etc/UTC"}})
		orphan := &v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{Name: "orphan"}}
		orphan.Spec.PartnerRef.Name, orphan.Spec.FTE, orphan.Spec.ValidUntil = "nobody", 2, "2027-03-31"
		f.Add(orphan)
		Expect(tasks(f, now)).To(Equal([]string{"Repair: Acme ShiftsExceedFTE ", "Repair:  PartnerNotFound "}))
		Expect(report.New(f, now, now).Windows).To(BeEmpty())
		Expect(f.Overview(now)[0]).To(And(HaveField("State", fleet.Broken), HaveField("Message", HavePrefix(`PCSMAllocation "a": `))))
	})

	It("counts signed deals until the day of the report", func() {
		f := acme(nil, v1alpha1.PCSMAllocationSpec{FTE: 2})
		f.Partners["acme"].Spec.CustomerCount, f.Partners["acme"].Spec.ExpectedCustomers = new(int32(1)), []v1alpha1.ExpectedCustomers{{On: "2027-02-01", Count: new(int32(40))}}
		Expect(tasks(f, now)).To(ContainElement("Plan: Acme add 2 FTE 2027-02-01"))
		Expect(tasks(f, now.AddDate(0, 3, 0))).To(ContainElement("Hire: Acme add 2 FTE "))
	})

	It("says of which partner nothing is known", func() {
		r := report.New(acme(nil, v1alpha1.PCSMAllocationSpec{FTE: 4}), now, now)
		Expect(r.Coverage).To(ConsistOf(And(HaveField("Partner", "acme"), HaveField("Undeclared", true))))
	})
})

var _ = Describe("The page", func() {
	render := func(f *fleet.Fleet) string {
		GinkgoHelper()
		var out bytes.Buffer
		Expect(report.New(f, now, now).HTML(&out)).To(Succeed())
		return out.String()
	}

	It("takes nothing from a fleet for markup", func() {
		page := render(acme([]metav1.Condition{{Type: "SubdomainReady", Status: "False", Reason: "X", Message: `<script>alert("x")</script>`}}))
		Expect(page).NotTo(ContainSubstring("<script"))
		Expect(page).To(ContainSubstring("&lt;script&gt;"))
	})

	It("says so where there is nothing", func() {
		page := render(fleet.New())
		Expect(page).To(And(ContainSubstring("Nothing: every partner has the P-CSMs that it needs"), ContainSubstring("There are no OEMs and no MSPs"), ContainSubstring("There are no P-CSMs."), ContainSubstring("No contract window opens or closes and no signed deal begins")))
		var out bytes.Buffer
		Expect(report.New(fleet.New(), now, now).Markdown(&out)).To(Succeed())
		Expect(out.String()).To(And(ContainSubstring("There are no OEMs and no MSPs."), ContainSubstring("All conditions are as they should be.")))
	})

	It("stands for itself: it names nothing to fetch", func() {
		page := render(acme(nil, v1alpha1.PCSMAllocationSpec{FTE: 2}))
		Expect(page).NotTo(MatchRegexp(`(?i)(src|href)=|url\(|@import|<link`))
	})
})
