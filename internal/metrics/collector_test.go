package metrics_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/internal/metrics"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "metrics")
}

// snapshot reads lists as YAML.
func snapshot(partners, allocations, plans string) *metrics.Snapshot {
	GinkgoHelper()
	s := &metrics.Snapshot{Now: time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)}
	Expect(yaml.UnmarshalStrict([]byte(partners), &s.Partners.Items)).To(Succeed())
	Expect(yaml.UnmarshalStrict([]byte(allocations), &s.Allocations.Items)).To(Succeed())
	Expect(yaml.UnmarshalStrict([]byte(plans), &s.Plans.Items)).To(Succeed())
	return s
}

// expect holds the samples of a metric against lines of the exposition format.
func expect(s *metrics.Snapshot, name string, samples ...string) {
	GinkgoHelper()
	got, err := testutil.CollectAndFormat(s, expfmt.TypeTextPlain, name)
	Expect(err).NotTo(HaveOccurred())
	var lines []string
	for line := range strings.Lines(string(got)) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	Expect(lines).To(ConsistOf(samples))
}

const partners = `
- metadata: {name: acme}
  spec: {displayName: Acme, channelModel: OEM, customerCount: 28, subdomain: {host: remote.acmecorp.com}}
  status:
    namespace: partner-acme
    supportPlan: {name: premium, tier: Premium}
    supportWidget: {enabled: true}
    staffing: {allocatedFTE: 3.5, minimumFTE: 3, requiredFTE: 3, recommendedFTE: 3, comfortableCustomers: 35, maximumCustomers: 56, customersUntilBreach: 28, utilizationPercent: 50}
    conditions:
    - {type: Ready, status: "True", reason: Provisioned, message: x, lastTransitionTime: null}
    - {type: CapacityExceeded, status: "False", reason: WithinCapacity, message: x, lastTransitionTime: null}
- metadata: {name: wayne}
  spec: {displayName: Wayne, channelModel: Reseller}
`

var _ = Describe("The metrics", func() {
	It("show a partner by its status, and leave out what it has not", func() {
		s := snapshot(partners, "[]", "[]")
		expect(s, "partner_operator_partners", "partner_operator_partners 2")
		expect(s, "partner_operator_partner_info",
			`partner_operator_partner_info{channel_model="OEM",host="remote.acmecorp.com",partner="acme",support_plan="premium",tenant_namespace="partner-acme",tier="Premium"} 1`,
			`partner_operator_partner_info{channel_model="Reseller",host="",partner="wayne",support_plan="",tenant_namespace="",tier=""} 1`)
		expect(s, "partner_operator_partner_customers", `partner_operator_partner_customers{partner="acme"} 28`, `partner_operator_partner_customers{partner="wayne"} 0`)
		expect(s, "partner_operator_partner_allocated_fte", `partner_operator_partner_allocated_fte{partner="acme"} 0`)
		expect(s, "partner_operator_partner_minimum_fte", `partner_operator_partner_minimum_fte{partner="acme"} 3`)
		expect(s, "partner_operator_partner_utilization_ratio", `partner_operator_partner_utilization_ratio{partner="acme"} 0.5`)
		expect(s, "partner_operator_partner_customers_until_breach", `partner_operator_partner_customers_until_breach{partner="acme"} 28`)
		expect(s, "partner_operator_partner_support_widget_enabled", `partner_operator_partner_support_widget_enabled{partner="acme"} 1`)
		expect(s, "partner_operator_condition",
			`partner_operator_condition{condition="Ready",kind="Partner",name="acme",reason="Provisioned",status="True"} 1`,
			`partner_operator_condition{condition="CapacityExceeded",kind="Partner",name="acme",reason="WithinCapacity",status="False"} 1`)
	})

	It("show which contracts end, and whether one follows", func() {
		s := snapshot(partners, `
- {metadata: {name: ending}, spec: {partnerRef: {name: acme}, fte: 1.5, validUntil: "2026-12-20"}}
- {metadata: {name: smaller}, spec: {partnerRef: {name: acme}, fte: 1, validFrom: "2026-12-21"}}
- {metadata: {name: succeeded}, spec: {partnerRef: {name: acme}, fte: 0.5, validUntil: "2027-01-31"}}
- {metadata: {name: successor}, spec: {partnerRef: {name: acme}, fte: 0.5, validFrom: "2027-02-01"}}
- {metadata: {name: over}, spec: {partnerRef: {name: acme}, fte: 1, validUntil: "2026-11-30"}}
- {metadata: {name: refused}, spec: {partnerRef: {name: wayne}, fte: 1, validUntil: "2026-12-20"}}
- {metadata: {name: orphan}, spec: {partnerRef: {name: nobody}, fte: 1, validUntil: "2026-12-20"}}
`, "[]")
		expect(s, "partner_operator_pcsmallocation_fte",
			`partner_operator_pcsmallocation_fte{partner="acme",pcsmallocation="ending"} 1.5`,
			`partner_operator_pcsmallocation_fte{partner="acme",pcsmallocation="succeeded"} 0.5`)
		expect(s, "partner_operator_partner_allocated_fte", `partner_operator_partner_allocated_fte{partner="acme"} 2`)
		expect(s, "partner_operator_pcsmallocation_end_timestamp_seconds",
			`partner_operator_pcsmallocation_end_timestamp_seconds{partner="acme",pcsmallocation="ending",successor="false"} 1.7978112e+09`,
			`partner_operator_pcsmallocation_end_timestamp_seconds{partner="acme",pcsmallocation="succeeded",successor="true"} 1.80144e+09`)
	})

	It("show when the contract with a partner ends", func() {
		s := snapshot(`
- {metadata: {name: ending}, spec: {channelModel: OEM, validUntil: "2026-12-20", subdomain: {host: remote.example.com}}}
- {metadata: {name: hostless}, spec: {channelModel: OEM, validUntil: "2026-12-20"}}
- {metadata: {name: endless}, spec: {channelModel: OEM, validFrom: "2026-12-20", subdomain: {host: remote.example.org}}}
`, "[]", "[]")
		expect(s, "partner_operator_partner_contract_end_timestamp_seconds", `partner_operator_partner_contract_end_timestamp_seconds{partner="ending"} 1.7978112e+09`)
	})

	It("total a plan by its status", func() {
		s := snapshot("[]", "[]", `
- metadata: {name: premium}
  spec: {tier: Premium}
  status: {totals: {partners: 3, customers: 149, allocatedFTE: 4.5, overCapacity: 1}}
- metadata: {name: new}
  spec: {tier: Basic}
`)
		expect(s, "partner_operator_partners", "partner_operator_partners 0")
		expect(s, "partner_operator_supportplan_partners", `partner_operator_supportplan_partners{support_plan="premium"} 3`)
		expect(s, "partner_operator_supportplan_customers", `partner_operator_supportplan_customers{support_plan="premium"} 149`)
		expect(s, "partner_operator_supportplan_allocated_fte", `partner_operator_supportplan_allocated_fte{support_plan="premium"} 4.5`)
		expect(s, "partner_operator_supportplan_partners_over_capacity", `partner_operator_supportplan_partners_over_capacity{support_plan="premium"} 1`)
	})
})
