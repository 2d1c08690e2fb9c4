package widgetserver

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

var _ = Describe("What the server keeps of an object", func() {
	DescribeTable("is small, however large the rest of it is", func(object client.Object) {
		object.SetName("acme")
		object.SetLabels(map[string]string{"example.com/x": "y"})
		object.SetAnnotations(map[string]string{"example.com/x": strings.Repeat("x", 250<<10)})
		object.SetFinalizers([]string{"example.com/" + strings.Repeat("x", 60)})
		object.SetOwnerReferences([]metav1.OwnerReference{{Name: strings.Repeat("x", 250)}})
		object.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "x"}})
		kept, err := strip(object)
		Expect(err).NotTo(HaveOccurred())
		data, err := yaml.Marshal(kept)
		Expect(err).NotTo(HaveOccurred())
		Expect(len(data)).To(BeNumerically("<", 400), string(data))
		Expect(kept.(client.Object).GetName()).To(Equal("acme"))
	},
		Entry("a Partner", &v1alpha1.Partner{
			Spec: v1alpha1.PartnerSpec{
				DisplayName: "Acme", Tenant: &v1alpha1.Tenant{Administrators: make([]v1alpha1.Administrator, 64)},
				Subdomain: &v1alpha1.Subdomain{Host: "a.example.com", Route: &v1alpha1.Route{Annotations: map[string]v1alpha1.AnnotationValue{"x": v1alpha1.AnnotationValue(strings.Repeat("x", 4096))}}},
			},
			Status: v1alpha1.PartnerStatus{Conditions: []metav1.Condition{{Type: "Foreign", Message: strings.Repeat("x", 32<<10)}}},
		}),
		Entry("a SupportPlan", &v1alpha1.SupportPlan{}),
		Entry("a PCSMAllocation", &v1alpha1.PCSMAllocation{}),
		Entry("a SubdomainClaim", &v1alpha1.SubdomainClaim{}),
	)
})
