package widget_test

import (
	"encoding/json"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/testing/cluster"
	"github.com/dispel/partner-operator/internal/testing/golden"
	"github.com/dispel/partner-operator/internal/widget"
)

// A golden case is testdata/<name>.in.yaml, a Case and manifests, and
// testdata/<name>.out.yaml, the config.json that they make. UPDATE_GOLDEN=1
// writes these anew.
var _ = Describe("The config", func() {
	inputs, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(inputs) == 0 {
		panic("no golden cases")
	}
	for _, input := range inputs {
		It("is golden for "+filepath.Base(input), func() {
			var given struct {
				Description string      `json:"description"`
				Now         metav1.Time `json:"now"`
			}
			var partner v1alpha1.Partner
			var plan *v1alpha1.SupportPlan
			var allocations []v1alpha1.PCSMAllocation
			for _, object := range cluster.ReadObjects("internal", "widget", input) {
				into := func(into any) {
					data, err := object.MarshalJSON() // the converter would take FTE for half units
					Expect(err).NotTo(HaveOccurred())
					Expect(json.Unmarshal(data, into)).To(Succeed())
				}
				switch object.GetKind() {
				case "Case":
					into(&given)
				case "Partner":
					into(&partner)
				case "SupportPlan":
					plan = &v1alpha1.SupportPlan{}
					into(plan)
				case "PCSMAllocation":
					var allocation v1alpha1.PCSMAllocation
					into(&allocation)
					allocations = append(allocations, allocation)
				}
			}
			contact := widget.Contact{MessengerURL: "https://chat.example.net/{partner}?host={host}&lang={language}", Display: widget.InWindow, Email: "support@example.net"}
			config := widget.ConfigFor(&partner, plan, allocations, contact.On(partner.Name, "remote.example.com"), given.Now.Time)
			out, err := yaml.Marshal(config)
			Expect(err).NotTo(HaveOccurred())
			golden.ExpectOutcome(input, out)

			By("holding for the whole day")
			evening := given.Now.UTC().Truncate(24 * time.Hour).Add(24*time.Hour - time.Second)
			later, err := json.Marshal(widget.ConfigFor(&partner, plan, allocations, contact.On(partner.Name, "remote.example.com"), evening))
			Expect(err).NotTo(HaveOccurred())
			now, err := json.Marshal(config)
			Expect(err).NotTo(HaveOccurred())
			Expect(later).To(Equal(now))
		})
	}

	It("says nothing of the contract that is not the end customer's business", func() {
		var keys map[string]any
		data, err := json.Marshal(widget.ConfigFor(&v1alpha1.Partner{}, &v1alpha1.SupportPlan{Spec: v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic}}, nil, widget.Contact{Email: "a@b.example"}, time.Now()))
		Expect(err).NotTo(HaveOccurred())
		Expect(json.Unmarshal(data, &keys)).To(Succeed())
		for key := range keys {
			Expect(key).To(BeElementOf("version", "partner", "policyURL", "hours", "openings", "closures", "responseTargets", "languages", "contact"))
		}
	})
})

var _ = Describe("A contact", func() {
	DescribeTable("is refused with a remedy",
		func(contact widget.Contact, refusal string) {
			Expect(contact.Check()).To(MatchError(ContainSubstring(refusal)))
		},
		Entry("without any", widget.Contact{Display: widget.InWindow}, "give --messenger-url, or --support-email"),
		Entry("with an unknown placeholder", widget.Contact{MessengerURL: "https://chat.example/{name}", Display: widget.InWindow}, "{name} stands for nothing: use {partner}, {host} and {language}"),
		Entry("without TLS", widget.Contact{MessengerURL: "http://chat.example/", Display: widget.InWindow}, `--messenger-url "http://chat.example/": write an https address`),
		Entry("as a script", widget.Contact{MessengerURL: "javascript:alert(1)", Display: widget.InWindow}, "write an https address"),
		Entry("with an unknown permission", widget.Contact{MessengerURL: "https://chat.example/", Display: widget.InPanel, Permissions: []string{"geolocation"}},
			`--messenger-permissions "geolocation": write some of autoplay, camera, dialogs,`),
		Entry("with permissions for no frame", widget.Contact{MessengerURL: "https://chat.example/", Display: widget.InWindow, Permissions: []string{"microphone"}},
			"--messenger-permissions: only a messenger in the panel needs any"),
		Entry("with an unknown place", widget.Contact{MessengerURL: "https://chat.example/", Display: "popup"}, `--messenger-display "popup": write window or panel`),
		Entry("with a name before the address", widget.Contact{Email: "Support <a@b.example>"}, "--support-email"),
		Entry("with two addresses", widget.Contact{Email: "a@b.example?cc=c@d.example, x"}, "--support-email"),
	)

	It("knows the partner and the host, and leaves the language to the browser", func() {
		contact := widget.Contact{MessengerURL: "https://{partner}.chat.example/?at={host}&l={language}", Display: widget.InPanel, Email: "a@b.example"}
		Expect(contact.Check()).To(Succeed())
		Expect(contact.On("acme", "remote.acmecorp.com").MessengerURL).To(Equal("https://acme.chat.example/?at=remote.acmecorp.com&l={language}"))
	})
})
