package cli_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/apply"
	"github.com/dispel/partner-operator/test/cluster"
)

// planned is what a program reads of a plan.
type planned struct {
	Partners []struct {
		Name    string
		Objects []struct {
			Action   string
			Manifest map[string]any
		}
	}
	Findings []struct {
		Severity, Reason, Message, Kind, Name, File string
		Line                                        int
	}
	Summary struct{ Partners, Objects, Errors, Warnings, Notices int }
}

func parse(out string) planned {
	GinkgoHelper()
	var p planned
	Expect(json.Unmarshal([]byte(out), &p)).To(Succeed())
	return p
}

var _ = Describe("plan", func() {
	// The rival is read from another folder after the samples, as the suite applied
	// it.
	const everything = "plan -f config/plans -f config/samples/platform -f config/samples/partners -f config/samples/rival -o json"

	It("prints the objects that the operator makes of every sample, field for field", func(ctx SpecContext) {
		p := parse(run(ctx, everything).out)
		Expect(p.Partners).To(HaveLen(9))
		wanted := map[string]bool{}
		for _, partner := range p.Partners {
			var live v1alpha1.Partner
			Expect(direct.Get(ctx, client.ObjectKey{Name: partner.Name}, &live)).To(Succeed())
			for _, object := range partner.Objects {
				manifest := &unstructured.Unstructured{Object: object.Manifest}
				wanted[identity(manifest)] = true
				owners := manifest.GetOwnerReferences()
				for i := range owners {
					owners[i].UID = live.UID
				}
				if len(owners) > 0 {
					manifest.SetOwnerReferences(owners)
				}
				expectNoChange(ctx, manifest)
			}
		}
		By("and no others")
		for _, kind := range []string{"v1/Namespace", "v1/ConfigMap", "v1/ResourceQuota", "v1/Service", "networking.k8s.io/v1/Ingress",
			"networking.k8s.io/v1/NetworkPolicy", "rbac.authorization.k8s.io/v1/RoleBinding", "partner.dispel.com/v1alpha1/SubdomainClaim"} {
			list := &unstructured.UnstructuredList{}
			list.SetAPIVersion(kind[:strings.LastIndex(kind, "/")])
			list.SetKind(kind[strings.LastIndex(kind, "/")+1:] + "List")
			Expect(direct.List(ctx, list, client.MatchingLabels{v1alpha1.ManagedByLabel: v1alpha1.FieldManager})).To(Succeed())
			for i := range list.Items {
				Expect(wanted).To(HaveKey(identity(&list.Items[i])))
				delete(wanted, identity(&list.Items[i]))
			}
		}
		Expect(wanted).To(BeEmpty())
	})

	It("finds nothing to change once the operator is done", func(ctx SpecContext) {
		p := parse(run(ctx, everything+" --against-cluster").out)
		Expect(p.Partners).To(HaveLen(9))
		for _, partner := range p.Partners {
			Expect(partner.Objects).NotTo(BeEmpty())
			Expect(partner.Objects).To(HaveEach(HaveField("Action", "keep")), partner.Name)
		}
	})

	It("refuses every invalid example in the API server's words", func(ctx SpecContext) {
		files, err := filepath.Glob("api/v1alpha1/testdata/invalid/*.yaml")
		Expect(err).NotTo(HaveOccurred())
		Expect(files).NotTo(BeEmpty())
		for _, file := range files {
			for _, object := range cluster.ReadObjects(file) {
				refusal := direct.Create(ctx, object, client.DryRunAll, client.FieldValidation("Strict"))
				Expect(refusal).To(HaveOccurred(), file)
				got := run(ctx, "plan -o json -f "+file)
				Expect(got.status).To(Equal(1), file)
				for _, finding := range parse(got.out).Findings {
					Expect(refusal.Error()).To(ContainSubstring(finding.Message), file)
					Expect(finding.File).To(Equal(file))
					Expect(finding.Line).To(BeNumerically(">", 1))
				}
				Expect(parse(got.out).Findings).To(HaveLen(causes(refusal)), file)
			}
		}
	})

	It("reads standard input", func(ctx SpecContext) {
		terminal := newTerminal()
		terminal.In = strings.NewReader("apiVersion: partner.dispel.com/v1alpha1\nkind: Partner\nmetadata: {name: acme}\nspec: {channelModel: OEM}\n")
		got := runOn(ctx, terminal, "plan -f -")
		Expect(got.status).To(Equal(1))
		Expect(got.out).To(ContainSubstring("standard input:4: Partner acme: spec.displayName: Required value"))
	})

	It("makes what the settings of the operator say", func(ctx SpecContext) {
		got := run(ctx, "plan -f config/samples/partners/acme.yaml -o yaml --default-issuer ClusterIssuer/letsencrypt --ingress-class haproxy")
		Expect(got.out).To(And(ContainSubstring("kind: Certificate"), ContainSubstring("ingressClassName: haproxy"), ContainSubstring("name: letsencrypt")))
	})
})

// causes is how many faults an error of the API server has.
func causes(err error) int {
	GinkgoHelper()
	var status apierrors.APIStatus
	Expect(errors.As(err, &status)).To(BeTrue())
	details := status.Status().Details
	if details == nil || len(details.Causes) == 0 {
		return 1
	}
	// That further rules were not looked at is no fault of its own.
	return len(slices.DeleteFunc(details.Causes, func(cause metav1.StatusCause) bool { return strings.Contains(cause.Message, "were not checked") }))
}

func identity(object *unstructured.Unstructured) string {
	return object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
}

// expectNoChange applies a manifest as the operator, without effect: it must own
// just these fields, and have just these values.
func expectNoChange(ctx SpecContext, manifest *unstructured.Unstructured) {
	GinkgoHelper()
	fields, err := apply.Fields(manifest)
	Expect(err).NotTo(HaveOccurred())
	before := &unstructured.Unstructured{}
	before.SetGroupVersionKind(manifest.GroupVersionKind())
	Expect(direct.Get(ctx, client.ObjectKeyFromObject(manifest), before)).To(Succeed(), identity(manifest))
	after := &unstructured.Unstructured{Object: fields}
	options := []client.ApplyOption{client.ForceOwnership, client.FieldOwner(v1alpha1.FieldManager), client.DryRunAll}
	Expect(direct.Apply(ctx, client.ApplyConfigurationFromUnstructured(after), options...)).To(Succeed(), identity(manifest))
	if manifest.GetKind() != "SubdomainClaim" { // which is created, and not applied
		Expect(ownedFields(after)).To(Equal(ownedFields(before)), identity(manifest))
	}
	before.SetManagedFields(nil)
	after.SetManagedFields(nil)
	Expect(after.Object).To(Equal(before.Object), identity(manifest))
}

// ownedFields are the fields that the operator owns by having applied them.
func ownedFields(object *unstructured.Unstructured) string {
	for _, entry := range object.GetManagedFields() {
		if entry.Manager == v1alpha1.FieldManager && entry.Operation == "Apply" && entry.Subresource == "" {
			return entry.FieldsV1.GetRawString()
		}
	}
	return ""
}
