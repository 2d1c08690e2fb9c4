package controllers_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/shard"
)

var _ = Describe("Three managers that share all partners", func() {
	It("leave each other's partners alone, agree on who holds a host, and total all", func(ctx SpecContext) {
		const count = 3
		var managers []*running
		for number := 1; number <= count; number++ {
			managers = append(managers, startManager(func(o *manager.Options) { o.Shard = shard.Shard{Number: number, Count: count} }))
		}
		var names []string
		owner := map[string]int{}
		for i := range 12 {
			name := fmt.Sprintf("shard-%c", 'a'+i)
			names = append(names, name)
			for number := 1; number <= count; number++ {
				if (shard.Shard{Number: number, Count: count}).Has(name) {
					owner[name] = number - 1
				}
			}
			// Two by two, they want the same host.
			host := fmt.Sprintf("shared-%d.example.com", i/2)
			applyYAML(ctx, allocationYAML(name, "2", "")+
				partnerYAML(name, "  supportPlanRef: {name: premium}\n").replacing(name+".example.com", host))
		}

		By("giving each host to one")
		for i := 0; i < len(names); i += 2 {
			Eventually(func(g Gomega) {
				claim := get(ctx, &v1alpha1.SubdomainClaim{}, fmt.Sprintf("shared-%d.example.com", i/2))
				holder, other := names[i], names[i+1]
				if string(claim.Spec.PartnerRef.Name) == other {
					holder, other = other, holder
				}
				g.Expect(string(claim.Spec.PartnerRef.Name)).To(Equal(holder))
				g.Expect(state(partner(ctx, holder))(ctx)).To(ContainElement("Ready=True/Provisioned"))
				g.Expect(state(partner(ctx, other))(ctx)).To(ContainElement("SubdomainReady=False/HostClaimedByAnotherPartner"))
			}).Should(Succeed())
		}
		Eventually(func(g Gomega) { g.Expect(totalsOf(ctx, "premium")).To(Equal(totalsNow(ctx, "premium"))) }).Should(Succeed())

		By("writing for one's own alone")
		for number, m := range managers {
			for _, name := range names {
				if owner[name] == number {
					Expect(m.Writes(name)).NotTo(BeEmpty(), "%s by manager %d", name, number+1)
				} else {
					Expect(m.Writes(name)).To(BeEmpty(), "%s by manager %d", name, number+1)
				}
			}
			if number > 0 {
				Expect(m.Writes("supportplans")).To(BeEmpty())
			}
		}

		By("handing a host over from one shard's partner to another's")
		moved := get(ctx, &v1alpha1.SubdomainClaim{}, "shared-0.example.com")
		from, to := names[0], names[1]
		if string(moved.Spec.PartnerRef.Name) == to {
			from, to = to, from
		}
		Expect(direct.Delete(ctx, partner(ctx, from))).To(Succeed())
		eventually(ctx, to, "Ready=True/Provisioned")

		By("waiting while nobody has a shard, and going on when somebody has")
		stopped := names[2]
		managers[owner[stopped]].stop()
		patchPartner(ctx, stopped, `spec: {customerCount: 9}`)
		for _, name := range names {
			if owner[name] != owner[stopped] && name != from {
				patchPartner(ctx, name, `spec: {customerCount: 9}`)
				Eventually(func() int64 { return partner(ctx, name).Status.ObservedGeneration }).Should(Equal(partner(ctx, name).Generation))
			}
		}
		Expect(partner(ctx, stopped).Status.ObservedGeneration).To(BeNumerically("<", partner(ctx, stopped).Generation))
		startManager(func(o *manager.Options) { o.Shard = shard.Shard{Number: owner[stopped] + 1, Count: count} })
		Eventually(func() int64 { return partner(ctx, stopped).Status.ObservedGeneration }).Should(Equal(partner(ctx, stopped).Generation))
	})
})
