package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

var _ = Describe("What a reconcile writes", func() {
	It("does not bring about another one", func(ctx SpecContext) {
		startManager()
		// causes does something, and expects it to bring about so many reconciles, and no more.
		causes := func(partners, allocations int, what string, do, done func()) {
			GinkgoHelper()
			By(what)
			ofPartners, ofAllocations := reconciles("Partner"), reconciles("PCSMAllocation")
			do()
			done()
			Eventually(func() []int {
				return []int{reconciles("Partner") - ofPartners, reconciles("PCSMAllocation") - ofAllocations}
			}).Should(Equal([]int{partners, allocations}))
			Consistently(func(g Gomega) {
				g.Expect(reconciles("Partner")-ofPartners).To(Equal(partners), "of Partners")
				g.Expect(reconciles("PCSMAllocation")-ofAllocations).To(Equal(allocations), "of PCSMAllocations")
			}).Should(Succeed())
		}
		const name = "echoed"
		reported := func() { Eventually(state(partner(ctx, name))).WithContext(ctx).ShouldNot(BeEmpty()) }
		causes(0, 1, "declaring an allocation whose Partner is not there",
			func() { applyYAML(ctx, allocationYAML(name, "0.5", "")) },
			func() {
				Eventually(func() *v1alpha1.PCSMAllocation { return get(ctx, &v1alpha1.PCSMAllocation{}, name) }).Should(HaveField("Status.ObservedGeneration", int64(1)))
			})
		causes(1, 1, "declaring the Partner", func() { applyYAML(ctx, partnerYAML(name, everything)) }, reported)
		causes(1, 1, "changing a child by way of the Partner", func() { patchPartner(ctx, name, "spec: {displayName: Other}") }, reported)
	})
})
