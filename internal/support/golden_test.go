package support_test

import (
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/support"
	"github.com/dispel/partner-operator/internal/testing/golden"
	"github.com/dispel/partner-operator/internal/testing/kstatus"
)

// A golden case is testdata/<name>.in.yaml, a SupportPlan, and
// testdata/<name>.out.yaml, its status. UPDATE_GOLDEN=1 writes these anew.
var _ = Describe("The status of a plan", func() {
	inputs, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(inputs) == 0 {
		panic("no golden cases")
	}
	for _, input := range inputs {
		It("is as its golden file says: "+filepath.Base(input), func() {
			data, err := os.ReadFile(input)
			Expect(err).NotTo(HaveOccurred())
			var plan v1alpha1.SupportPlan
			Expect(yaml.UnmarshalStrict(data, &plan)).To(Succeed())
			plan.Status, _ = support.Status(&plan, time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC))
			Expect(kstatus.Check(&plan, plan.Status.Conditions)).To(Succeed())

			got, err := yaml.Marshal(plan.Status)
			Expect(err).NotTo(HaveOccurred())
			golden.ExpectOutcome(input, got)
		})
	}
})
