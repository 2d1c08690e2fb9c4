package api_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/scheme"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// Each file in ../../api/v1alpha1/testdata/invalid is a manifest that the API server must refuse.
// Its first line has the words of the refusal: a rule that refuses for another
// reason than the one meant does not pass.
var _ = Describe("An invalid manifest", func() {
	files, err := filepath.Glob("../../api/v1alpha1/testdata/invalid/*.yaml")
	if err != nil || len(files) == 0 {
		panic("no invalid examples")
	}
	for _, file := range files {
		It("is refused with a remedy: "+strings.TrimSuffix(filepath.Base(file), ".yaml"), func(ctx SpecContext) {
			data, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			refusal, ok := strings.CutPrefix(strings.SplitN(string(data), "\n", 2)[0], "# refusal: ")
			Expect(ok).To(BeTrue(), "the first line says what the refusal says")
			var object unstructured.Unstructured
			Expect(yaml.Unmarshal(data, &object.Object)).To(Succeed())
			err = direct.Create(ctx, &object, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
			Expect(err).To(MatchError(ContainSubstring(refusal)))
		})
	}
})

func create[T client.Object](ctx context.Context, object T) T {
	GinkgoHelper()
	Expect(direct.Create(ctx, object)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(direct.Delete(ctx, object))).To(Succeed()) })
	return object
}

var _ = Describe("What cannot be changed", func() {
	It("is the tier of a SupportPlan", func(ctx SpecContext) {
		plan := create(ctx, &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "fixed"}, Spec: v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic}})
		plan.Spec.Tier = v1alpha1.Premium
		Expect(direct.Update(ctx, plan)).To(MatchError(ContainSubstring(
			"spec.tier: Invalid value: \"Premium\": the tier of a plan cannot change from Basic to Premium, since partners rely on it: make a new SupportPlan and point supportPlanRef of its partners there")))
	})

	It("is the partner of a PCSMAllocation", func(ctx SpecContext) {
		allocation := create(ctx, &v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{Name: "fixed"}, Spec: v1alpha1.PCSMAllocationSpec{
			PartnerRef: v1alpha1.PartnerReference{Name: "acme"}, FTE: v1alpha1.OneFTE}})
		allocation.Spec.PartnerRef.Name = "globex"
		Expect(direct.Update(ctx, allocation)).To(MatchError(ContainSubstring(
			"spec.partnerRef: Invalid value: an allocation stays with its partner acme: delete it and make a new PCSMAllocation for globex")))
	})

	It("is the namespace of a Partner", func(ctx SpecContext) {
		partner := create(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "fixed"}, Spec: v1alpha1.PartnerSpec{
			DisplayName: "Fixed", ChannelModel: v1alpha1.OEM, Tenant: &v1alpha1.Tenant{Namespace: "fixed-prod"}}})
		const remedy = "spec.tenant.namespace can be neither added nor removed after creation: restore it as it was, or create another Partner"
		other := partner.DeepCopy()
		other.Spec.Tenant.Namespace = "other"
		Expect(direct.Update(ctx, other)).To(MatchError(ContainSubstring(
			"spec.tenant.namespace: Invalid value: \"other\": the tenant namespace fixed-prod cannot be changed: write it as it was, or create another Partner for another namespace")))
		other.Spec.Tenant = nil
		Expect(direct.Update(ctx, other)).To(MatchError(ContainSubstring(remedy)))
		unnamed := create(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "unnamed"}, Spec: v1alpha1.PartnerSpec{DisplayName: "Unnamed", ChannelModel: v1alpha1.OEM}})
		unnamed.Spec.Tenant = &v1alpha1.Tenant{Namespace: "unnamed-prod"}
		Expect(direct.Update(ctx, unnamed)).To(MatchError(ContainSubstring(remedy)))
		partner.Spec.Tenant.NetworkIsolation = v1alpha1.NetworkIsolationDisabled
		Expect(direct.Update(ctx, partner)).To(Succeed())
	})

	It("is the holder of a SubdomainClaim", func(ctx SpecContext) {
		claim := create(ctx, &v1alpha1.SubdomainClaim{ObjectMeta: metav1.ObjectMeta{Name: "fixed.example.com"}, Spec: v1alpha1.SubdomainClaimSpec{
			PartnerRef: v1alpha1.PartnerReference{Name: "acme"}}})
		claim.Spec.PartnerRef.Name = "globex"
		Expect(direct.Update(ctx, claim)).To(MatchError(ContainSubstring(
			"the host is held by partner acme: remove it from that partner (spec.subdomain), and the claim goes with it; or have that partner hand it over (spec.handOver)")))

		By("offering it to another, who alone may take it")
		claim.Spec.PartnerRef.Name, claim.Spec.HandOverTo = "acme", &v1alpha1.PartnerReference{Name: "initech"}
		Expect(direct.Update(ctx, claim)).To(Succeed())
		claim.Spec.PartnerRef.Name = "globex"
		Expect(direct.Update(ctx, claim)).To(MatchError(ContainSubstring("the host is held by partner acme")))
		claim.Spec = v1alpha1.SubdomainClaimSpec{PartnerRef: v1alpha1.PartnerReference{Name: "initech"}}
		Expect(direct.Update(ctx, claim)).To(Succeed())
	})
})

var _ = Describe("FTE", func() {
	DescribeTable("is a number on the wire and half units in Go",
		func(ctx SpecContext, written string, halves int, readBack string) {
			var object unstructured.Unstructured
			Expect(yaml.Unmarshal([]byte(`{apiVersion: partner.dispel.com/v1alpha1, kind: PCSMAllocation, metadata: {name: wire},
				spec: {partnerRef: {name: acme}, fte: `+written+`}}`), &object.Object)).To(Succeed())
			create(ctx, &object)
			var allocation v1alpha1.PCSMAllocation
			Expect(direct.Get(ctx, client.ObjectKeyFromObject(&object), &allocation)).To(Succeed())
			Expect(allocation.Spec.FTE).To(BeEquivalentTo(halves))
			Expect(allocation.Spec.FTE.String()).To(Equal(readBack))

			By("writing what was read, which is no change")
			before := allocation.ResourceVersion
			Expect(direct.Update(ctx, &allocation)).To(Succeed())
			Expect(allocation.ResourceVersion).To(Equal(before))
		},
		Entry("an integer", "3", 6, "3"),
		Entry("a half", "0.5", 1, "0.5"),
		Entry("one and a half", "1.5", 3, "1.5"),
		Entry("an integer with a point", "2.0", 4, "2"),
		Entry("the most there can be", "1000", 2000, "1000"),
	)

	DescribeTable("is refused in Go, too, if it is no multiple of a half",
		func(text string) {
			_, err := v1alpha1.ParseFTE(text)
			Expect(err).To(MatchError(ContainSubstring("write a multiple of 0.5, such as 0.5, 1 or 1.5")))
		},
		Entry("a tenth", "0.7"), Entry("text", "two"), Entry("too much", "1e300"), Entry("no number", "NaN"), Entry("without end", "Inf"), Entry("nothing", ""),
	)

	It("is written with its sign", func() {
		Expect(v1alpha1.FTE(-1).String()).To(Equal("-0.5"))
		Expect(v1alpha1.FTE(-3).String()).To(Equal("-1.5"))
	})
})

var _ = Describe("The API", func() {
	kubectl := func(args ...string) string {
		GinkgoHelper()
		out, err := exec.Command(controlPlane.Kubectl(), append([]string{"--kubeconfig", controlPlane.Kubeconfig()}, args...)...).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		return string(out)
	}

	It("takes all samples as they are", func() {
		kubectl("apply", "--dry-run=server", "--kustomize", filepath.Join(cluster.Root(), "config", "samples"))
		kubectl("apply", "--dry-run=server", "--kustomize", filepath.Join(cluster.Root(), "config", "samples", "rival"))
	})

	It("comes into an empty cluster by make deploy, and goes without harm by make undeploy", func(ctx SpecContext) {
		empty := cluster.StartBare(ctx)
		run := func(target string) {
			GinkgoHelper()
			cmd := exec.Command("make", target)
			cmd.Dir = cluster.Root()
			cmd.Env = append(os.Environ(), "KUBECONFIG="+empty.Kubeconfig(), "PATH="+filepath.Dir(empty.Kubectl())+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(out))
		}
		run("deploy")
		there, err := client.New(empty.Config(), client.Options{Scheme: scheme.New()})
		Expect(err).NotTo(HaveOccurred())
		plan := &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "basic"}, Spec: v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic}}
		Expect(there.Create(ctx, plan)).To(Succeed(), "as the manager does")
		deployment := client.ObjectKey{Namespace: "partner-operator-system", Name: "partner-operator-manager"}
		Expect(there.Get(ctx, deployment, &appsv1.Deployment{})).To(Succeed())

		run("undeploy")
		Expect(there.Get(ctx, deployment, &appsv1.Deployment{})).NotTo(Succeed())
		Expect(there.Get(ctx, client.ObjectKeyFromObject(plan), plan)).To(Succeed())
	})

	It("explains every field", func() {
		for _, kind := range []string{"partners", "supportplans", "pcsmallocations", "subdomainclaims"} {
			explained := kubectl("explain", kind, "--recursive", "--output=plaintext-openapiv2")
			Expect(explained).To(ContainSubstring("spec"))
			for _, crd := range crdFields(kind) {
				Expect(crd.description).NotTo(BeEmpty(), crd.path+" of "+kind+" has no description")
			}
		}
	})

	It("bounds every list, map and string", func() {
		for _, kind := range []string{"partners", "supportplans", "pcsmallocations", "subdomainclaims"} {
			for _, field := range crdFields(kind) {
				Expect(field.unbounded).To(BeFalse(), field.path+" of "+kind+" has no bound")
			}
		}
	})
})

type field struct {
	path, description string
	unbounded         bool
}

// crdFields walks the schema of a CRD below spec and status.
func crdFields(plural string) []field {
	GinkgoHelper()
	data, err := os.ReadFile(filepath.Join(cluster.CRDs(), "partner.dispel.com_"+plural+".yaml"))
	Expect(err).NotTo(HaveOccurred())
	var crd map[string]any
	Expect(yaml.Unmarshal(data, &crd)).To(Succeed())
	versions, _, _ := unstructured.NestedSlice(crd, "spec", "versions")
	schema, _, _ := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema", "properties")
	var fields []field
	var walk func(path string, schema map[string]any)
	walk = func(path string, schema map[string]any) {
		_, boundedString := schema["maxLength"]
		_, enum := schema["enum"]
		_, format := schema["format"]
		_, boundedList := schema["maxItems"]
		_, boundedMap := schema["maxProperties"]
		description, _ := schema["description"].(string)
		f := field{path: path, description: description}
		switch schema["type"] {
		case "string":
			f.unbounded = !boundedString && !enum && !format
		case "array":
			f.unbounded = !boundedList
		case "object":
			_, isMap := schema["additionalProperties"]
			f.unbounded = isMap && !boundedMap
		}
		fields = append(fields, f)
		properties, _ := schema["properties"].(map[string]any)
		for name, property := range properties {
			walk(path+"."+name, property.(map[string]any))
		}
		if items, ok := schema["items"].(map[string]any); ok && items["type"] == "object" {
			items["description"] = description
			walk(path+"[]", items)
		}
	}
	for _, name := range []string{"spec", "status"} {
		if property, ok := schema[name].(map[string]any); ok {
			walk(name, property)
		}
	}
	return fields
}
