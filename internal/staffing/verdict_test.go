package staffing_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/staffing"
)

// fte reads what people write, so that the tables below read like the rules.
func fte(s string) v1alpha1.FTE {
	GinkgoHelper()
	parsed, err := v1alpha1.ParseFTE(s)
	Expect(err).NotTo(HaveOccurred())
	return parsed
}

// terms are a tier's, with 10 to 15 customers for one FTE.
func terms(minimum string) v1alpha1.EffectiveStaffing {
	return v1alpha1.EffectiveStaffing{
		MinimumFTE: fte(minimum), RecommendedCustomersPerFTE: 10, MaximumCustomersPerFTE: 15, Enforcement: v1alpha1.Advisory,
	}
}

var _ = Describe("Judge", func() {
	DescribeTable("works out the figures",
		func(customers int, allocated, minimum string, comfortable, maximum int, required, recommended string, utilization, untilBreach int) {
			v := staffing.Judge(int64(customers), fte(allocated), terms(minimum))
			Expect(v.Comfortable).To(BeEquivalentTo(comfortable), "customers comfortably supported")
			Expect(v.Maximum).To(BeEquivalentTo(maximum), "customers supported at most")
			Expect(v.Required.String()).To(Equal(required), "required FTE")
			Expect(v.Recommended.String()).To(Equal(recommended), "recommended FTE")
			Expect(v.UtilizationPercent()).To(BeEquivalentTo(utilization), "utilisation")
			Expect(v.UntilBreach()).To(BeEquivalentTo(untilBreach), "customers until breach")
		},
		//                                   C     A      M      comf  max  req   rec   util  until
		Entry("nobody on one FTE", 0, "1", "0.5", 10, 15, "0.5", "0.5", 0, 15),
		Entry("the example of the design", 28, "3", "3", 30, 45, "3", "3", 62, 17),
		Entry("half an FTE: 7.5 rounds down", 5, "0.5", "0.5", 5, 7, "0.5", "0.5", 66, 2),
		Entry("exactly comfortable", 10, "1", "0.5", 10, 15, "1", "1", 66, 5),
		Entry("one more than comfortable: recommended rounds up to the next half", 11, "1", "0.5", 10, 15, "1", "1.5", 73, 4),
		Entry("exactly at the limit", 15, "1", "0.5", 10, 15, "1", "1.5", 100, 0),
		Entry("one over the limit: required rounds up to the next half", 16, "1", "0.5", 10, 15, "1.5", "2", 106, -1),
		Entry("seven and a half customers are seven", 7, "0.5", "0.5", 5, 7, "0.5", "1", 93, 0),
		Entry("eight are more than seven and a half", 8, "0.5", "0.5", 5, 7, "1", "1", 106, -1),
		Entry("sixty customers on one FTE", 60, "1", "0.5", 10, 15, "4", "6", 400, -45),
		Entry("the tier's minimum is required of few customers", 4, "3", "3", 30, 45, "3", "3", 8, 41),
		Entry("many customers require more than the minimum", 46, "3", "3", 30, 45, "3.5", "5", 102, -1),
		Entry("nobody contracted", 20, "0", "0.5", 0, 0, "1.5", "2", 0, -20),
		Entry("a million customers stay exact", 1_000_000, "1000", "3", 10_000, 15_000, "66667", "100000", 6666, -985_000),
	)

	DescribeTable("reaches the verdict",
		func(customers int, allocated, minimum string, reason v1alpha1.Reason, message string) {
			v := staffing.Judge(int64(customers), fte(allocated), terms(minimum))
			Expect(v.Reason()).To(Equal(reason))
			Expect(v.Message()).To(Equal(message))
		},
		Entry("not contracted", 20, "0", "3", v1alpha1.ReasonNoPCSMAllocation,
			"no P-CSM is allocated: the partner staffs its own support"),
		Entry("capacity exceeded", 46, "3", "3", v1alpha1.ReasonCapacityExceeded,
			"46 customers, and 3 FTE of P-CSMs support at most 45 (15 per FTE): add 0.5 FTE"),
		Entry("below the tier's minimum", 9, "1", "3", v1alpha1.ReasonBelowTierMinimum,
			"1 FTE of P-CSMs are allocated, and the plan asks for at least 3: add 2 FTE"),
		Entry("both at once, with what fixes both", 46, "2.5", "3", v1alpha1.ReasonBelowTierMinimumAndCapacityExceeded,
			"2.5 FTE of P-CSMs are allocated, and the plan asks for at least 3; 46 customers, and 2.5 FTE of P-CSMs support at most 37 (15 per FTE): add 1 FTE"),
		Entry("near capacity", 31, "3", "3", v1alpha1.ReasonNearCapacity,
			"31 customers, and 3 FTE of P-CSMs support at most 45 (15 per FTE), comfortably 30: 14 more can come; 3.5 FTE are recommended"),
		Entry("near, and below the minimum, is below the minimum", 14, "1", "3", v1alpha1.ReasonBelowTierMinimum,
			"1 FTE of P-CSMs are allocated, and the plan asks for at least 3: add 2 FTE"),
		Entry("within capacity", 30, "3", "3", v1alpha1.ReasonWithinCapacity,
			"30 customers, and 3 FTE of P-CSMs support at most 45 (15 per FTE): 15 more can come"),
	)

	It("fixes the fault by the FTE that it says are missing, and by no less", func() {
		for customers := range int64(200) {
			for allocated := fte("0.5"); allocated <= fte("8"); allocated++ {
				v := staffing.Judge(customers, allocated, terms("3"))
				fixed := staffing.Judge(customers, allocated+v.Missing(), terms("3"))
				Expect(fixed.Exceeded() || fixed.BelowMinimum()).To(BeFalse())
				if v.Missing() > 0 {
					short := staffing.Judge(customers, allocated+v.Missing()-v1alpha1.HalfFTE, terms("3"))
					Expect(short.Exceeded() || short.BelowMinimum()).To(BeTrue())
				}
				Expect(v.Exceeded()).To(Equal(2*customers > int64(allocated)*15), "C > A x m, by integers")
				if v.Exceeded() {
					Expect(v.UntilBreach()).To(BeNumerically("<", 0))
				} else {
					Expect(v.UntilBreach()).To(BeNumerically(">=", 0))
				}
			}
		}
	})

	It("says of a breach by how much, and what to add", func() {
		Expect(staffing.Judge(60, fte("3"), terms("3")).CapacityMessage()).To(Equal(
			"60 customers exceed the 45 that 3 FTE support (15 per FTE) by 15: add 1 FTE"))
	})
})
