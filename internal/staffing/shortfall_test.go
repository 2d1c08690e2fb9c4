package staffing_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/staffing"
)

func expecting(customers int32, deals ...v1alpha1.ExpectedCustomers) *v1alpha1.Partner {
	partner := partnerOf(v1alpha1.OEM)
	partner.Spec.CustomerCount = &customers
	partner.Spec.ExpectedCustomers = deals
	return partner
}

func deal(on string, count int32) v1alpha1.ExpectedCustomers {
	return v1alpha1.ExpectedCustomers{On: v1alpha1.Date(on), Count: &count}
}

var _ = Describe("The next shortfall", func() {
	premium := v1alpha1.EffectiveStaffing{MinimumFTE: fte("3"), RecommendedCustomersPerFTE: 10, MaximumCustomersPerFTE: 15}
	basic := v1alpha1.EffectiveStaffing{MinimumFTE: fte("0.5"), RecommendedCustomersPerFTE: 10, MaximumCustomersPerFTE: 15}
	const today = "2026-12-01T12:00:00Z"
	DescribeTable("is the first day on which more FTE are missing than today",
		func(terms v1alpha1.EffectiveStaffing, partner *v1alpha1.Partner, allocations []v1alpha1.PCSMAllocation, on, reason, missing, changes string) {
			next, change := staffing.NextShortfall(partner, allocations, terms, at(today))
			if changes == "" {
				Expect(change).To(BeZero())
			} else {
				Expect(change).To(BeTemporally("==", at(changes+"T00:00:00Z")))
			}
			if on == "" {
				Expect(next).To(BeNil())
				Expect(next.Status()).To(BeNil())
				return
			}
			status := next.Status()
			Expect([]string{string(status.On), string(status.Reason), status.MissingFTE.String()}).To(Equal([]string{on, reason, missing}))
		},
		Entry("nothing is known to change", premium, expecting(28), []v1alpha1.PCSMAllocation{allocation("3", "", "")}, "", "", "", ""),
		Entry("customers are expected", premium, expecting(28, deal("2027-03-01", 60)), []v1alpha1.PCSMAllocation{allocation("3", "", "")},
			"2027-03-01", "CustomersExpected", "1", "2027-03-01"),
		Entry("they still fit at first", premium, expecting(28, deal("2027-01-01", 45), deal("2027-03-01", 46)), []v1alpha1.PCSMAllocation{allocation("3", "", "")},
			"2027-03-01", "CustomersExpected", "0.5", "2027-01-01"),
		Entry("a contract ends", premium, expecting(28), []v1alpha1.PCSMAllocation{allocation("2", "", ""), allocation("1", "", "2027-01-31")},
			"2027-02-01", "ContractEnds", "1", "2027-02-01"),
		Entry("it is replaced on the next day", premium, expecting(28),
			[]v1alpha1.PCSMAllocation{allocation("2", "", ""), allocation("1", "", "2027-01-31"), allocation("1", "2027-02-01", "")}, "", "", "", "2027-02-01"),
		Entry("it is replaced a day late", premium, expecting(28),
			[]v1alpha1.PCSMAllocation{allocation("2", "", ""), allocation("1", "", "2027-01-31"), allocation("1", "2027-02-02", "")}, "2027-02-01", "ContractEnds", "1", "2027-02-01"),
		Entry("all contracts end", basic, expecting(5), []v1alpha1.PCSMAllocation{allocation("0.5", "", "2026-12-31")}, "2027-01-01", "ContractEnds", "0.5", "2027-01-01"),
		Entry("customers come on the day on which a contract ends", basic, expecting(5, deal("2027-01-01", 20)), []v1alpha1.PCSMAllocation{allocation("1", "", ""), allocation("0.5", "", "2026-12-31")},
			"2027-01-01", "CustomersExpected", "0.5", "2027-01-01"),
		Entry("what is left would not have done for today's customers either", basic, expecting(20, deal("2027-01-01", 21)), []v1alpha1.PCSMAllocation{allocation("1", "", ""), allocation("0.5", "", "2026-12-31")},
			"2027-01-01", "ContractEnds", "0.5", "2027-01-01"),
		Entry("customers of the past", premium, expecting(28, deal("2026-12-01", 60), deal("2020-01-01", 90)), []v1alpha1.PCSMAllocation{allocation("3", "", "")}, "", "", "", ""),
		Entry("as many are missing today", premium, expecting(60, deal("2027-03-01", 59)), []v1alpha1.PCSMAllocation{allocation("3", "", "")}, "", "", "", "2027-03-01"),
		Entry("more are missing than today", premium, expecting(60, deal("2027-03-01", 61)), []v1alpha1.PCSMAllocation{allocation("3", "", "")}, "2027-03-01", "CustomersExpected", "1.5", "2027-03-01"),
		Entry("fewer customers are expected", premium, expecting(45, deal("2027-03-01", 10)), []v1alpha1.PCSMAllocation{allocation("3", "", "")}, "", "", "", "2027-03-01"),
	)

	It("says what to do", func() {
		next, _ := staffing.NextShortfall(expecting(28, deal("2027-03-01", 60)), []v1alpha1.PCSMAllocation{allocation("3", "", "")}, premium, at(today))
		Expect(next.Message()).To(Equal("from 2027-03-01 on 60 customers are expected, and 3 FTE of P-CSMs support at most 45: add 1 FTE by then"))
	})
})

var _ = Describe("The number of customers", func() {
	entry := func(manager, at, fields, subresource string) metav1.ManagedFieldsEntry {
		GinkgoHelper()
		written, err := time.Parse(time.RFC3339, at)
		Expect(err).NotTo(HaveOccurred())
		return metav1.ManagedFieldsEntry{Manager: manager, Time: &metav1.Time{Time: written}, FieldsV1: metav1.NewFieldsV1(fields), Subresource: subresource}
	}
	It("comes from the field manager that wrote it last", func() {
		partner := expecting(28)
		partner.ManagedFields = []metav1.ManagedFieldsEntry{
			entry("kubectl", "2026-11-01T08:00:00Z", `{"f:spec":{"f:customerCount":{},"f:displayName":{}}}`, ""),
			entry("crm-sync", "2026-11-20T08:00:00Z", `{"f:spec":{"f:customerCount":{}}}`, ""),
			entry("flux", "2026-11-30T08:00:00Z", `{"f:spec":{"f:displayName":{}}}`, ""),
			entry("partner-operator", "2026-11-30T09:00:00Z", `{"f:status":{"f:customers":{"f:count":{}}}}`, "status"),
			entry("odd", "2026-11-30T09:00:00Z", `{"f:metadata":{"f:annotations":{"f:f:customerCount":{}}}}`, ""),
		}
		status := staffing.Customers(partner)
		Expect(*status.Count).To(Equal(int32(28)))
		Expect(status.Manager).To(Equal("crm-sync"))
		Expect(status.Since.UTC()).To(Equal(at("2026-11-20T08:00:00Z")))

		By("saying the same of what a cache keeps")
		partner.ManagedFields = staffing.CountManagers(partner.ManagedFields)
		Expect(partner.ManagedFields).To(HaveLen(2))
		Expect(staffing.Customers(partner)).To(Equal(status))
	})

	It("is nobody's without one, and nobody knows whose in a manifest", func() {
		Expect(staffing.Customers(partnerOf(v1alpha1.OEM))).To(BeNil())
		Expect(staffing.Customers(expecting(3)).Manager).To(BeEmpty())
		Expect(staffing.StaleAt(staffing.Customers(expecting(3)), v1alpha1.SupportPlanSpec{CustomerCountMaxAge: "1h"})).To(BeZero())
	})
})
