package hosts_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/hosts"
)

// with is facts after a change.
func with(facts hosts.Facts, change func(*hosts.Facts)) hosts.Facts {
	change(&facts)
	return facts
}

var _ = Describe("The phase of a host", func() {
	claiming := hosts.Facts{Declared: true, InForce: true}
	preparing := with(claiming, func(f *hosts.Facts) { f.Claimed = true })
	serving := with(preparing, func(f *hosts.Facts) { f.Served = true })
	dormant := with(preparing, func(f *hosts.Facts) { f.InForce = false })
	instead := hosts.Facts{Claimed: true, InForce: true, Served: true} // serves in place of the declared one
	draining := with(instead, func(f *hosts.Facts) { f.Succeeded, f.Overlap = true, true })
	releasing := with(draining, func(f *hosts.Facts) { f.Overlap = false })
	offered := hosts.Facts{Handed: true, Claimed: true, InForce: true}
	handing := with(offered, func(f *hosts.Facts) { f.Claimed = false })
	leaving := with(handing, func(f *hosts.Facts) { f.Succeeded, f.Overlap = true, true })

	DescribeTable("moves on", func(from hosts.Facts, before v1alpha1.HostPhase, to hosts.Facts, after v1alpha1.HostPhase) {
		Expect(hosts.PhaseOf(from)).To(Equal(before))
		Expect(hosts.PhaseOf(to)).To(Equal(after))
	},
		Entry("once it is held", claiming, v1alpha1.HostClaiming, preparing, v1alpha1.HostPreparing),
		Entry("once it is held, before the contract starts", with(claiming, func(f *hosts.Facts) { f.InForce = false }), v1alpha1.HostClaiming, dormant, v1alpha1.HostDormant),
		Entry("once it is served", preparing, v1alpha1.HostPreparing, serving, v1alpha1.HostServing),
		Entry("with its claim, which somebody deletes", serving, v1alpha1.HostServing, claiming, v1alpha1.HostClaiming),
		Entry("with its route, which somebody deletes", serving, v1alpha1.HostServing, preparing, v1alpha1.HostPreparing),
		Entry("with the end of the contract", serving, v1alpha1.HostServing, dormant, v1alpha1.HostDormant),
		Entry("with a new contract", dormant, v1alpha1.HostDormant, serving, v1alpha1.HostServing),
		Entry("with its first contract", dormant, v1alpha1.HostDormant, preparing, v1alpha1.HostPreparing),
		Entry("once it may not be had any more", serving, v1alpha1.HostServing, with(serving, func(f *hosts.Facts) { f.Refused = true }), v1alpha1.HostReleasing),
		Entry("to one that serves until the declared one does", serving, v1alpha1.HostServing, instead, v1alpha1.HostServing),
		Entry("once the declared one serves", instead, v1alpha1.HostServing, draining, v1alpha1.HostDraining),
		Entry("once the declared one does not serve any more", draining, v1alpha1.HostDraining, instead, v1alpha1.HostServing),
		Entry("as it is declared anew", draining, v1alpha1.HostDraining, serving, v1alpha1.HostServing),
		Entry("after the overlap", draining, v1alpha1.HostDraining, releasing, v1alpha1.HostReleasing),
		Entry("as another partner gets it in exchange", instead, v1alpha1.HostServing, with(instead, func(f *hosts.Facts) { f.Refused = true }), v1alpha1.HostReleasing),
		Entry("as it is declared anew, while it is still held", releasing, v1alpha1.HostReleasing, preparing, v1alpha1.HostPreparing),
		Entry("to one that is kept while another cannot be had, without a contract", with(instead, func(f *hosts.Facts) { f.InForce = false }), v1alpha1.HostDormant,
			with(instead, func(f *hosts.Facts) { f.InForce, f.Succeeded = false, true }), v1alpha1.HostReleasing),
		Entry("as it is to be handed over", serving, v1alpha1.HostServing, offered, v1alpha1.HostOffered),
		Entry("as it is to be handed over without a contract", dormant, v1alpha1.HostDormant, with(offered, func(f *hosts.Facts) { f.InForce = false }), v1alpha1.HostOffered),
		Entry("as it is declared anew before it is handed over", offered, v1alpha1.HostOffered, serving, v1alpha1.HostServing),
		Entry("once the target has the claim", offered, v1alpha1.HostOffered, handing, v1alpha1.HostHandingOver),
		Entry("once the target has the claim, without a contract here", offered, v1alpha1.HostOffered, with(handing, func(f *hosts.Facts) { f.InForce = false }), v1alpha1.HostReleasing),
		Entry("once the target serves", handing, v1alpha1.HostHandingOver, leaving, v1alpha1.HostDraining),
		Entry("once the target can only serve without it", handing, v1alpha1.HostHandingOver, with(handing, func(f *hosts.Facts) { f.Succeeded = true }), v1alpha1.HostReleasing),
		Entry("as the target fails", leaving, v1alpha1.HostDraining, handing, v1alpha1.HostHandingOver),
		Entry("as it is to be handed back", handing, v1alpha1.HostHandingOver, claiming, v1alpha1.HostClaiming),
		Entry("after the overlap with the target", leaving, v1alpha1.HostDraining, with(leaving, func(f *hosts.Facts) { f.Overlap = false }), v1alpha1.HostReleasing),
	)
})
