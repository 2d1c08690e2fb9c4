package controllers_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/coverage"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/objects"
)

func allocationNamed(name string) *v1alpha1.PCSMAllocation {
	return &v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func planNamed(name string) *v1alpha1.SupportPlan {
	return &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// planYAML is a SupportPlan that goes when the spec is over.
func planYAML(name, spec string) yamlText {
	DeferCleanup(func(ctx SpecContext) {
		Expect(client.IgnoreNotFound(direct.Delete(ctx, planNamed(name)))).To(Succeed())
	})
	return yamlText(fmt.Sprintf("\napiVersion: partner.dispel.com/v1alpha1\nkind: SupportPlan\nmetadata: {name: %s}\nspec: %s\n---\n", name, spec))
}

var _ = Describe("Staffing", func() {
	It("follows customers and allocations, and is no part of Ready", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("growing", "  supportPlanRef: {name: premium}\n"))
		eventually(ctx, "growing", "Ready=True/Provisioned", "SupportWidgetEnabled=False/NoPCSMAllocation")
		Expect(partner(ctx, "growing").Status.Staffing).To(BeNil())

		applyYAML(ctx, allocationYAML("growing", "2.5", ""))
		eventually(ctx, "growing", "StaffingSufficient=False/BelowTierMinimum", "CapacityExceeded=False/WithinCapacity", "SupportWidgetEnabled=True/WidgetEnabled", "Ready=True/Provisioned")
		patchPartner(ctx, "growing", `spec: {customerCount: 38}`)
		eventually(ctx, "growing", "StaffingSufficient=False/BelowTierMinimumAndCapacityExceeded", "CapacityExceeded=True/CustomersExceedFTECapacity", "Ready=True/Provisioned")
		patch(ctx, allocationNamed("growing"), `spec: {fte: 3}`)
		eventually(ctx, "growing", "StaffingSufficient=True/NearCapacity", "CapacityExceeded=False/NearCapacity")
		patchPartner(ctx, "growing", `spec: {customerCount: 28}`)
		eventually(ctx, "growing", "StaffingSufficient=True/WithinCapacity", "CapacityExceeded=False/WithinCapacity")
		Expect(partner(ctx, "growing").Status.Staffing.Capacity).To(Equal("28/45"))
		patchPartner(ctx, "growing", `spec: {customerCount: 46}`)
		eventually(ctx, "growing", "StaffingSufficient=False/CapacityExceeded", "CapacityExceeded=True/CustomersExceedFTECapacity")
		Expect(message(ctx, "growing", v1alpha1.ConditionCapacityExceeded)).To(Equal(
			"46 customers exceed the 45 that 3 FTE support (15 per FTE) by 1: add 0.5 FTE"))

		Expect(direct.Delete(ctx, allocationNamed("growing"))).To(Succeed())
		eventually(ctx, "growing", "SupportWidgetEnabled=False/NoPCSMAllocation", "Ready=True/Provisioned")
		eventuallyGone(ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: objects.DefaultNamespace("growing"), Name: kinds.WidgetServiceName}})
		Expect(partner(ctx, "growing").Status.Conditions).NotTo(ContainElement(HaveField("Type", "StaffingSufficient")))
	})

	It("keeps the widget off below a minimum that the plan requires", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, planYAML("strict", "{tier: Premium, staffing: {enforcement: Required}}"))
		applyYAML(ctx, allocationYAML("short", "1", "")+partnerYAML("short", "  supportPlanRef: {name: strict}\n"))
		eventually(ctx, "short", "SupportWidgetEnabled=False/StaffingBelowMinimum", "StaffingSufficient=False/BelowTierMinimum", "Ready=True/Provisioned")
		patch(ctx, planNamed("strict"), `spec: {staffing: {enforcement: Advisory}}`)
		eventually(ctx, "short", "SupportWidgetEnabled=True/WidgetEnabled", "StaffingSufficient=False/BelowTierMinimum")
	})
})

var _ = Describe("A contract window", func() {
	It("opens and closes by itself", func(ctx SpecContext) {
		applyYAML(ctx, partnerYAML("windowed", ""))
		applyYAML(ctx, allocationYAML("windowed", "1", `  validFrom: "2026-12-01"`+"\n"+`  validUntil: "2026-12-31"`))
		almost := func(date string) func(*manager.Options) {
			return func(o *manager.Options) {
				midnight, err := time.Parse(time.DateOnly, date)
				Expect(err).NotTo(HaveOccurred())
				o.Clock = clockAt(midnight.Add(-4 * time.Second))
			}
		}
		m := startManager(almost("2026-12-01"))
		eventually(ctx, "windowed", "Ready=True/Provisioned", "SupportWidgetEnabled=False/NoPCSMAllocation")
		eventuallyOf(ctx, allocationNamed("windowed"), "Accepted=True/Accepted", "Active=False/NotYetValid", "Ready=True/OutsideContractWindow")
		By("letting midnight pass")
		eventually(ctx, "windowed", "SupportWidgetEnabled=True/WidgetEnabled", "StaffingSufficient=True/WithinCapacity")
		eventuallyOf(ctx, allocationNamed("windowed"), "Active=True/WithinContractWindow", "Ready=True/Counted")
		m.stop()

		startManager(almost("2027-01-01"))
		By("letting the last day pass")
		eventually(ctx, "windowed", "SupportWidgetEnabled=False/NoPCSMAllocation")
		eventuallyOf(ctx, allocationNamed("windowed"), "Active=False/Expired", "Ready=True/OutsideContractWindow")
	})
})

var _ = Describe("An absence", func() {
	const shifts = `  localization: {timeZone: America/New_York}
  shifts: [{days: [Monday, Tuesday, Wednesday, Thursday, Friday], start: "09:00", end: "17:00"}]
  absences: [{from: "2027-02-02", until: "2027-02-02"}]`

	It("is told thirty days before, and no longer once it is over, by itself", func(ctx SpecContext) {
		applyYAML(ctx, partnerYAML("leave", "")+"---\n"+allocationYAML("leave", "1", shifts))
		from, until := time.Date(2027, 2, 2, 14, 0, 0, 0, time.UTC), time.Date(2027, 2, 2, 22, 0, 0, 0, time.UTC)
		gap := func() *v1alpha1.CoverageGap {
			status := partner(ctx, "leave").Status.Coverage
			if status == nil {
				return nil
			}
			return status.NextGap
		}
		m := startManager(func(o *manager.Options) { o.Clock = clockAt(from.Add(-coverage.Foresight - 4*time.Second)) })
		eventually(ctx, "leave", "HoursCovered=True/EveryHourCovered", "Ready=True/Provisioned")
		Expect(gap()).To(BeNil())
		By("letting the moment pass")
		Eventually(gap).Should(HaveValue(And(HaveField("Reason", v1alpha1.GapAbsence), HaveField("From.UTC()", from), HaveField("Until.UTC()", until))))
		Expect(meta.FindStatusCondition(partner(ctx, "leave").Status.Conditions, "HoursCovered").Message).To(Equal(
			"all 40 operating hours of a week have a P-CSM on duty; from 2027-02-02 09:00 to 17:00 (America/New_York) nobody is on duty because of an absence"))
		m.stop()

		startManager(func(o *manager.Options) { o.Clock = clockAt(until.Add(-4 * time.Second)) })
		Consistently(gap).WithTimeout(time.Second).ShouldNot(BeNil())
		By("letting it end")
		Eventually(gap).Should(BeNil())
	})
})

var _ = Describe("The contract with a partner", func() {
	It("opens and closes the sub-domain by itself, and keeps the host", func(ctx SpecContext) {
		at := func(date string, before time.Duration) func(*manager.Options) {
			return func(o *manager.Options) {
				midnight, err := time.Parse(time.DateOnly, date)
				Expect(err).NotTo(HaveOccurred())
				o.Clock = clockAt(midnight.Add(-before))
			}
		}
		m := startManager(at("2026-12-01", 4*time.Second))
		applyYAML(ctx, partnerYAML("agreed", everything+`  validFrom: "2026-12-01"`+"\n"+`  validUntil: "2026-12-31"`+"\n"))
		eventually(ctx, "agreed", "Ready=True/Provisioned", "ContractActive=False/ContractNotStarted")
		claim := get(ctx, &v1alpha1.SubdomainClaim{}, "agreed.example.com", "")
		ingress := client.ObjectKey{Namespace: "partner-agreed", Name: "agreed.example.com"}
		Expect(apierrors.IsNotFound(direct.Get(ctx, ingress, &networkingv1.Ingress{}))).To(BeTrue())
		Expect(partner(ctx, "agreed").Status.Subdomain).To(BeNil())
		By("letting midnight pass")
		eventually(ctx, "agreed", "Ready=True/Provisioned", "ContractActive=True/WithinContractWindow", "SubdomainReady=True/RouteAccepted")
		Expect(partner(ctx, "agreed").Status.Subdomain.URL).To(Equal("http://agreed.example.com"))
		m.stop()

		startManager(at("2027-01-01", 4*time.Second))
		By("letting the last day pass")
		eventually(ctx, "agreed", "Ready=True/Provisioned", "ContractActive=False/ContractEnded")
		Eventually(func() bool { return apierrors.IsNotFound(direct.Get(ctx, ingress, &networkingv1.Ingress{})) }).Should(BeTrue())
		Expect(partner(ctx, "agreed").Status.Subdomain).To(BeNil())
		Expect(get(ctx, &v1alpha1.SubdomainClaim{}, "agreed.example.com", "").UID).To(Equal(claim.UID))

		By("refusing the host to another partner")
		applyYAML(ctx, yamlText(strings.Replace(string(partnerYAML("after", everything)), "after.example.com", "agreed.example.com", 1)))
		eventually(ctx, "after", "SubdomainReady=False/HostClaimedByAnotherPartner")

		By("going on with another last day")
		patchPartner(ctx, "agreed", `spec: {validUntil: "2027-12-31"}`)
		eventually(ctx, "agreed", "Ready=True/Provisioned", "ContractActive=True/WithinContractWindow", "SubdomainReady=True/RouteAccepted")
		Expect(get(ctx, &v1alpha1.SubdomainClaim{}, "agreed.example.com", "").UID).To(Equal(claim.UID))
	})
})

var _ = Describe("A PCSMAllocation", func() {
	It("for an unknown partner heals when the partner appears", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, allocationYAML("orphan", "1", ""))
		eventuallyOf(ctx, allocationNamed("orphan"), "Accepted=False/PartnerNotFound", "Ready=False/PartnerNotFound", "Stalled=True/PartnerNotFound")
		applyYAML(ctx, partnerYAML("orphan", ""))
		eventuallyOf(ctx, allocationNamed("orphan"), "Accepted=True/Accepted", "Ready=True/Counted")
		eventually(ctx, "orphan", "StaffingSufficient=True/WithinCapacity")
		Expect(direct.Delete(ctx, partner(ctx, "orphan"))).To(Succeed())
		eventuallyOf(ctx, allocationNamed("orphan"), "Accepted=False/PartnerNotFound")
	})

	It("for a reseller heals when the partner becomes an MSP", func(ctx SpecContext) {
		startManager()
		reseller, _, _ := strings.Cut(string(partnerYAML("sales", "").replacing("channelModel: OEM", "channelModel: Reseller")), "  subdomain:")
		applyYAML(ctx, yamlText(reseller))
		applyYAML(ctx, allocationYAML("sales", "1", ""))
		eventuallyOf(ctx, allocationNamed("sales"), "Accepted=False/ChannelModelWithoutPCSM")
		eventually(ctx, "sales", "Ready=True/Provisioned")
		patchPartner(ctx, "sales", `spec: {channelModel: MSP}`)
		eventuallyOf(ctx, allocationNamed("sales"), "Accepted=True/Accepted", "Ready=True/Counted")
		eventually(ctx, "sales", "StaffingSufficient=True/WithinCapacity")
	})

	It("in an unknown time zone does not count until it is corrected", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("lunar", ""))
		applyYAML(ctx, allocationYAML("lunar", "1", "  localization: {timeZone: Moon/Tranquility}"))
		eventuallyOf(ctx, allocationNamed("lunar"), "Accepted=False/UnknownTimeZone", "Stalled=True/UnknownTimeZone")
		eventually(ctx, "lunar", "SupportWidgetEnabled=False/NoPCSMAllocation")
		patch(ctx, allocationNamed("lunar"), `spec: {localization: {timeZone: Europe/Berlin}}`)
		eventuallyOf(ctx, allocationNamed("lunar"), "Ready=True/Counted")
		eventually(ctx, "lunar", "SupportWidgetEnabled=True/WidgetEnabled")
	})

	It("whose shifts need more than its FTE work covers nothing until they are shortened", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("nightly", ""))
		applyYAML(ctx, allocationYAML("nightly", "0.5", `  localization: {timeZone: America/New_York}
  shifts: [{days: [Monday, Tuesday, Wednesday, Thursday, Friday, Saturday], start: "09:00", end: "17:00"}]`))
		eventuallyOf(ctx, allocationNamed("nightly"), "Accepted=False/ShiftsExceedFTE", "Stalled=True/ShiftsExceedFTE")
		eventually(ctx, "nightly", "SupportWidgetEnabled=False/NoPCSMAllocation")
		patch(ctx, allocationNamed("nightly"), `spec: {shifts: [{days: [Monday, Tuesday, Wednesday, Thursday], start: "09:00", end: "17:00"}]}`)
		eventuallyOf(ctx, allocationNamed("nightly"), "Ready=True/Counted")
		eventually(ctx, "nightly", "HoursCovered=False/HoursUncovered", "Ready=True/Provisioned")
		Expect(partner(ctx, "nightly").Status.Coverage.Summary).To(Equal("32/40h"))
		patch(ctx, allocationNamed("nightly"), `spec: {shifts: [{days: [Monday, Tuesday, Wednesday, Thursday, Friday], start: "09:00", end: "17:00"}]}`)
		eventually(ctx, "nightly", "HoursCovered=True/EveryHourCovered")
		patch(ctx, allocationNamed("nightly"), `spec: {shifts: null}`)
		eventually(ctx, "nightly", "HoursCovered=Unknown/ShiftsNotDeclared")
		Expect(partner(ctx, "nightly").Status.Coverage).To(BeNil())
	})
})

var _ = Describe("A SupportPlan", func() {
	It("that is missing takes nothing down, and heals what waits for it", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, planYAML("golden", "{tier: Basic}"))
		applyYAML(ctx, allocationYAML("planless", "1", "")+partnerYAML("planless", "  supportPlanRef: {name: golden}\n"))
		eventually(ctx, "planless", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")

		there := made(ctx, "planless")
		Expect(direct.Delete(ctx, planNamed("golden"))).To(Succeed())
		eventually(ctx, "planless", "Ready=False/SupportPlanNotFound", "Stalled=True/SupportPlanNotFound",
			"StaffingSufficient=Unknown/SupportPlanNotFound", "CapacityExceeded=Unknown/SupportPlanNotFound",
			"SupportWidgetEnabled=True/WidgetEnabled", "SubdomainReady=True/RouteAccepted", "TenantReady=True/TenantProvisioned")
		for _, child := range there {
			Expect(direct.Get(ctx, client.ObjectKeyFromObject(child), child)).To(Succeed())
		}

		applyYAML(ctx, planYAML("golden", "{tier: Basic, operatingHours: {timeZone: Moon/Tranquility}}"))
		eventually(ctx, "planless", "Ready=False/SupportPlanNotReady", "StaffingSufficient=Unknown/SupportPlanNotReady", "SupportWidgetEnabled=True/WidgetEnabled")
		eventuallyOf(ctx, planNamed("golden"), "Ready=False/UnknownTimeZone", "Stalled=True/UnknownTimeZone")
		patch(ctx, planNamed("golden"), `spec: {operatingHours: {timeZone: Asia/Tokyo}}`)
		eventually(ctx, "planless", "Ready=True/Provisioned", "StaffingSufficient=True/WithinCapacity")
		eventuallyOf(ctx, planNamed("golden"), "Ready=True/PlanConsistent")
		plan := get(ctx, &v1alpha1.SupportPlan{}, "golden")
		Expect(plan.Status.Hours).To(Equal("Mon-Fri 09:00-17:00 Asia/Tokyo, without U.S. federal holidays"))
		Expect(plan.Status.Effective.Staffing.MinimumFTE.String()).To(Equal("0.5"))
	})

	It("totals its partners in a handful of writes", func(ctx SpecContext) {
		const partners = 40
		m := startManager(func(o *manager.Options) { o.TotalsInterval = time.Second })
		applyYAML(ctx, planYAML("crowded", "{tier: Basic}"))
		for i := range partners {
			name := fmt.Sprintf("crowd-%d", i)
			applyYAML(ctx, partnerYAML(name, "  supportPlanRef: {name: crowded}\n"))
			applyYAML(ctx, allocationYAML(name, "0.5", ""))
		}
		Eventually(func() totals { return totalsOf(ctx, "crowded") }).Should(Equal(totals{partners: partners, customers: 5 * partners, fte: "20"}))
		m.reset()
		start := time.Now()
		for i := range partners {
			patchPartner(ctx, fmt.Sprintf("crowd-%d", i), `spec: {customerCount: 8}`)
		}
		Eventually(func() totals { return totalsOf(ctx, "crowded") }).Should(Equal(totals{partners: partners, customers: 8 * partners, over: partners, fte: "20"}))
		// One for each interval that it took.
		Expect(len(m.Writes("supportplans/crowded/status"))).To(BeNumerically("<=", 2+time.Since(start)/time.Second))

		By("letting partners go")
		for i := range partners / 2 {
			Expect(direct.Delete(ctx, partner(ctx, fmt.Sprintf("crowd-%d", i)))).To(Succeed())
		}
		Eventually(func() int64 { return totalsOf(ctx, "crowded").partners }).Should(BeEquivalentTo(partners / 2))
	})
})
