package contract_test

import (
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/contract"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "contract")
}

// The outcomes of internal/tenant hold what a judgement reports; here is what it says besides.
var _ = Describe("The contract with a partner", func() {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	partner := func(change ...func(*v1alpha1.PartnerSpec)) *v1alpha1.Partner {
		p := &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: v1alpha1.PartnerSpec{DisplayName: "Acme", ChannelModel: v1alpha1.OEM, CustomerCount: new(int32(5))}}
		for _, change := range change {
			change(&p.Spec)
		}
		return p
	}
	plan := func(tier v1alpha1.Tier) *v1alpha1.SupportPlan {
		return &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "basic"}, Spec: v1alpha1.SupportPlanSpec{Tier: tier}}
	}
	allocation := func(fte v1alpha1.FTE, until v1alpha1.Date) []v1alpha1.PCSMAllocation {
		return []v1alpha1.PCSMAllocation{{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: v1alpha1.PCSMAllocationSpec{
			PartnerRef: v1alpha1.PartnerReference{Name: "acme"}, FTE: fte, ValidUntil: until,
		}}}
	}
	day := func(month time.Month, d int) time.Time { return time.Date(2026, month, d, 0, 0, 0, 0, time.UTC) }

	DescribeTable("changes when time alone changes it", func(p *v1alpha1.Partner, allocations []v1alpha1.PCSMAllocation, changes time.Time) {
		judged := contract.Judge(p, plan(v1alpha1.Basic), allocations, now)
		Expect(judged.Changes).To(Equal(changes))
		if !changes.IsZero() {
			Expect(contract.Judge(p, plan(v1alpha1.Basic), allocations, changes)).NotTo(Equal(judged))
		}
	},
		Entry("never", partner(), nil, time.Time{}),
		Entry("after the last day of the contract", partner(func(s *v1alpha1.PartnerSpec) { s.ValidUntil = "2026-12-10" }), nil, day(12, 11)),
		Entry("on its first day", partner(func(s *v1alpha1.PartnerSpec) { s.ValidFrom = "2026-12-10" }), nil, day(12, 10)),
		Entry("after the last day of an allocation, if that comes first", partner(func(s *v1alpha1.PartnerSpec) { s.ValidUntil = "2026-12-10" }), allocation(v1alpha1.OneFTE, "2026-12-05"), day(12, 6)),
	)

	DescribeTable("promises no hours that too few P-CSMs keep", func(tier v1alpha1.Tier, allocations []v1alpha1.PCSMAllocation, limited bool) {
		judged := contract.Judge(partner(), plan(tier), allocations, now)
		Expect(judged.HoursLimited()).To(Equal(limited))
	},
		Entry("none, where the partner's own team answers", v1alpha1.Premium, nil, false),
		Entry("fewer than the tier's minimum", v1alpha1.Premium, allocation(v1alpha1.OneFTE, ""), true),
		Entry("the tier's minimum", v1alpha1.Premium, allocation(3*v1alpha1.OneFTE, ""), false),
		Entry("those of a contract that has ended", v1alpha1.Premium, allocation(v1alpha1.OneFTE, "2026-11-01"), false),
	)

	It("is judged as far as that goes without a plan", func() {
		judged := contract.Judge(partner(func(s *v1alpha1.PartnerSpec) { s.ValidUntil = "2026-11-01" }), nil, allocation(v1alpha1.OneFTE, ""), now)
		Expect(judged.Terms).To(BeNil())
		Expect(judged.Fault).To(HaveField("Reason", v1alpha1.ReasonSupportPlanNotFound))
		Expect(judged.Allocated).To(Equal(v1alpha1.OneFTE))
		Expect(judged.Verdict).To(BeNil())
		Expect(judged.HoursLimited()).To(BeFalse())
		Expect(judged.InForce()).To(BeFalse())
		Expect(judged.Customers).To(HaveField("Count", HaveValue(BeEquivalentTo(5))))
	})
})
