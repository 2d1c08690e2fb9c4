package fleet_test

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/fleet"
)

// fleetOf reads a fleet from YAML.
func fleetOf(text string) *fleet.Fleet {
	GinkgoHelper()
	f := fleet.New()
	for document := range strings.SplitSeq(text, "\n---\n") {
		var kind metav1.TypeMeta
		Expect(yaml.Unmarshal([]byte(document), &kind)).To(Succeed())
		switch kind.Kind {
		case "Partner":
			f.Add(read([]byte(document), &v1alpha1.Partner{}))
		case "SupportPlan":
			f.Add(read([]byte(document), &v1alpha1.SupportPlan{}))
		case "PCSMAllocation":
			f.Add(read([]byte(document), &v1alpha1.PCSMAllocation{}))
		}
	}
	return f
}

var _ = Describe("Capacity", func() {
	It("agrees with the operator's own verdict, in every golden case", func() {
		inputs, err := filepath.Glob("../tenant/testdata/*.in.yaml")
		Expect(err).NotTo(HaveOccurred())
		compared := 0
		for _, input := range inputs {
			f, partner := outcome(input)
			reported := partner.Status.Staffing
			data, err := os.ReadFile(input)
			Expect(err).NotTo(HaveOccurred())
			if reported == nil || strings.Contains(string(data), "\nnow:") || partner.Spec.Suspend != nil {
				continue
			}
			s := f.StaffingOf(partner, f.AllocationsOf(partner.Name), now, now)
			Expect(s.AllocatedFTE).To(Equal(reported.AllocatedFTE), input)
			Expect(*s.Verdict).To(MatchFields(reported), input)
			compared++
		}
		Expect(compared).To(BeNumerically(">=", 5))
	})

	const plans = `
kind: SupportPlan
metadata: {name: basic}
spec: {tier: Basic}
---
kind: SupportPlan
metadata: {name: premium}
spec: {tier: Premium}
---
`
	It("is sorted by fullness, and knows contract windows", func() {
		f := fleetOf(plans + `
kind: Partner
metadata: {name: half}
spec: {channelModel: OEM, customerCount: 7}
---
kind: PCSMAllocation
metadata: {name: half}
spec: {partnerRef: {name: half}, fte: 1, validUntil: "2026-12-31"}
---
kind: Partner
metadata: {name: full}
spec: {channelModel: MSP, customerCount: 50, supportPlanRef: {name: premium}}
---
kind: PCSMAllocation
metadata: {name: full}
spec: {partnerRef: {name: full}, fte: 3}
---
kind: Partner
metadata: {name: alone}
spec: {channelModel: MSP, customerCount: 20}
---
kind: Partner
metadata: {name: lost}
spec: {channelModel: MSP, customerCount: 2, supportPlanRef: {name: gone}}
---
kind: Partner
metadata: {name: sold}
spec: {channelModel: Reseller, customerCount: 2}`)
		all := f.Capacity(now, now)
		var names []string
		for _, s := range all {
			names = append(names, s.Partner+" "+string(s.Reason))
		}
		Expect(names).To(Equal([]string{"full CapacityExceeded", "half WithinCapacity", "alone NoPCSMAllocation", "lost SupportPlanNotFound"}))
		Expect(all[1].Changes.Format("2006-01-02")).To(Equal("2027-01-01"))

		later := f.Capacity(now, now.AddDate(0, 2, 0))
		Expect(later[1]).To(And(HaveField("Partner", "alone"), HaveField("Verdict.MissingFTE", v1alpha1.FTE(3))))
		Expect(later[2]).To(And(HaveField("Partner", "half"), HaveField("Reason", v1alpha1.ReasonNoPCSMAllocation)))

		Expect(fleet.Totals(all)).To(Equal([]fleet.Total{
			{Tier: v1alpha1.Basic, Partners: 1, Without: 1, Customers: 7, AllocatedFTE: 2, ComfortableCustomers: 10, MaximumCustomers: 15, Headroom: 8, Capacity: 30},
			{Tier: v1alpha1.Premium, Partners: 1, Customers: 50, AllocatedFTE: 6, ComfortableCustomers: 30, MaximumCustomers: 45, MissingFTE: 1, Insufficient: 1, Capacity: 90},
		}))
	})

	It("counts an allocation for the partner that it names last", func() {
		f := fleetOf(plans + `
kind: PCSMAllocation
metadata: {name: moved}
spec: {partnerRef: {name: acme}, fte: 1}
---
kind: PCSMAllocation
metadata: {name: moved}
spec: {partnerRef: {name: globex}, fte: 2}`)
		Expect(f.AllocationsOf("acme")).To(BeEmpty())
		Expect(f.AllocationsOf("globex")).To(HaveLen(1))
	})
})

// MatchFields holds a verdict against the figures in a status.
func MatchFields(reported *v1alpha1.StaffingStatus) types.GomegaMatcher {
	return And(
		HaveField("MinimumFTE", reported.MinimumFTE), HaveField("RequiredFTE", reported.RequiredFTE),
		HaveField("RecommendedFTE", reported.RecommendedFTE),
		HaveField("ComfortableCustomers", *reported.ComfortableCustomers), HaveField("MaximumCustomers", *reported.MaximumCustomers),
		HaveField("UtilizationPercent", *reported.UtilizationPercent), HaveField("CustomersUntilBreach", *reported.CustomersUntilBreach),
	)
}
