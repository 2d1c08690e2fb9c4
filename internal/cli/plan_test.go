package cli_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/apply"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/testing/cluster"
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
	// A Partner of which nothing is made.
	const leaver, count = "displayName: Leaver, channelModel: OEM, suspend: true", ", customerCount: 14, deletionPolicy: Delete"

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
		all := []schema.GroupVersionKind{corev1.SchemeGroupVersion.WithKind(kinds.Namespace)}
		for _, kind := range kinds.All {
			if kind.Made && kind.API == "" {
				all = append(all, kind.GroupVersionKind)
			}
		}
		for _, kind := range all {
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
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

	DescribeTable("foretells which fields applying a manifest removes",
		func(ctx SpecContext, last string, before ...string) {
			DeferCleanup(func(ctx SpecContext) { kubectl(ctx, "delete", "partner", "leaver") })
			do := func(line string) []byte {
				file := filepath.Join(GinkgoT().TempDir(), "leaver.yaml")
				args := []string{"--kubeconfig", controlPlane.Kubeconfig()}
				command, spec, _ := strings.Cut(line, " | ")
				args = append(args, strings.Fields(command)...)
				if spec != "" {
					Expect(os.WriteFile(file, []byte("apiVersion: partner.dispel.com/v1alpha1\nkind: Partner\nmetadata: {name: leaver}\nspec: {"+spec+"}\n"), 0o600)).To(Succeed())
					args = append(args, "-f", file)
				}
				out, err := exec.CommandContext(ctx, controlPlane.Kubectl(), args...).Output()
				Expect(err).NotTo(HaveOccurred(), line)
				return out
			}
			for _, line := range before {
				do(line)
			}
			spec := func(data []byte) map[string]any {
				var object unstructured.Unstructured
				Expect(json.Unmarshal(data, &object.Object)).To(Succeed())
				fields, _, err := unstructured.NestedMap(object.Object, "spec")
				Expect(err).NotTo(HaveOccurred())
				return fields
			}
			file := filepath.Join(GinkgoT().TempDir(), "next.yaml")
			Expect(os.WriteFile(file, []byte("apiVersion: partner.dispel.com/v1alpha1\nkind: Partner\nmetadata: {name: leaver}\nspec: {"+leaver+"}\n"), 0o600)).To(Succeed())
			foretold := []string{}
			for _, finding := range parse(run(ctx, "plan --against-cluster -o json -f "+file).out).Findings {
				if finding.Reason == "FieldRemoved" {
					field, _, _ := strings.Cut(finding.Message, ":")
					foretold = append(foretold, field)
				}
			}
			was := spec(do("get partner leaver -o json"))
			Expect(foretold).To(ConsistOf(lost("spec", was, spec(do(last+" -o json | "+leaver)))))
		},
		Entry("on the client's side", "apply", "apply | "+leaver+count),
		Entry("on the server's side", "apply --server-side", "apply --server-side | "+leaver+count),
		Entry("as a GitOps tool does", "apply --server-side --field-manager=kustomize-controller", "apply --server-side --field-manager=kustomize-controller | "+leaver+count),
		Entry("on the server's side, after the client's", "apply --server-side", "apply | "+leaver+count),
		Entry("with a count that another field manager owns", "apply --server-side", "apply --server-side | "+leaver, "apply --server-side --field-manager=billing | customerCount: 14"),
		Entry("with a count that another field manager owns, too", "apply --server-side", "apply --server-side | "+leaver+count, "apply --server-side --field-manager=billing | customerCount: 14"),
		Entry("with a count that another field manager took over", "apply --server-side", "apply --server-side | "+leaver+count, "apply --server-side --force-conflicts --field-manager=billing | customerCount: 15"),
		Entry("with a count that another took over, on the client's side", "apply", "apply | "+leaver+count, "apply --server-side --force-conflicts --field-manager=billing | customerCount: 15"),
		Entry("with a field that somebody patched", "apply", "apply | "+leaver, `patch partner leaver --type=merge -p {"spec":{"customerCount":14}}`),
		Entry("with a field that somebody patched, on the server's side", "apply --server-side", "apply --server-side | "+leaver, `patch partner leaver --type=merge -p {"spec":{"customerCount":14}}`),
		Entry("with two who apply it", "apply --server-side", "apply --server-side | "+leaver+count, "apply --server-side --field-manager=kustomize-controller | "+leaver+count),
		Entry("to what was created", "apply", "create | "+leaver+count),
		Entry("to what was created, on the server's side", "apply --server-side", "create | "+leaver+count),
		Entry("with fields of fields", "apply --server-side", "apply --server-side | "+leaver+`, tenant: {networkIsolation: Disabled, resourceQuota: {pods: "5"}}`, `apply --server-side --field-manager=costs | tenant: {resourceQuota: {services: "3"}}`),
	)

	It("says what becomes of customers and of a suspension that a manifest leaves out", func(ctx SpecContext) {
		DeferCleanup(func(ctx SpecContext) { kubectl(ctx, "delete", "partner", "leaver") })
		file := func(spec string) string {
			name := filepath.Join(GinkgoT().TempDir(), "leaver.yaml")
			Expect(os.WriteFile(name, []byte("apiVersion: partner.dispel.com/v1alpha1\nkind: Partner\nmetadata: {name: leaver}\nspec: {"+spec+"}\n"), 0o600)).To(Succeed())
			return name
		}
		kubectl(ctx, "apply", "-f", file(leaver+count))
		got := run(ctx, "plan --against-cluster -f "+file("displayName: Leaver, channelModel: OEM"))
		const why = " -> nothing: the manifest that was applied last sets this field and this one does not"
		Expect(got.out).To(And(
			MatchRegexp(`warning \S+:4: Partner leaver: spec\.customerCount: 14`+why), MatchRegexp(`notice  \S+:4: Partner leaver: spec\.suspend: true`+why),
			ContainSubstring("+ Namespace partner-leaver"),
		))

		By("handing its host over, with which the sub-domain goes")
		kubectl(ctx, "apply", "-f", file(leaver+", subdomain: {host: remote.leaver.example, backend: {external: {host: engine.example.net, port: 80}}}"))
		got = run(ctx, "plan --against-cluster -f "+file(leaver+", handOver: {host: remote.leaver.example, partnerRef: {name: acme}}"))
		Expect(got.out).To(And(ContainSubstring("handOver"), Not(ContainSubstring("spec.subdomain: "))))
	})

	It("lists the routes that go with a host that is handed over", func(ctx SpecContext) {
		const subdomain = "  subdomain:\n    host: remote.acmecorp.com\n    backend:\n      external: {host: acme.engine.example.net, port: 8080}\n"
		sample, err := os.ReadFile(filepath.Join(cluster.Root(), "config", "samples", "partners", "acme.yaml"))
		Expect(err).NotTo(HaveOccurred())
		source := strings.Replace(string(sample), subdomain, "  handOver: {host: remote.acmecorp.com, partnerRef: {name: taker}}\n", 1)
		target := "apiVersion: partner.dispel.com/v1alpha1\nkind: Partner\nmetadata: {name: taker}\nspec:\n  displayName: Taker\n  channelModel: OEM\n  supportPlanRef: {name: premium}\n" + subdomain
		plan := func(manifests string) string {
			file := filepath.Join(GinkgoT().TempDir(), "handing.yaml")
			Expect(os.WriteFile(file, []byte(manifests), 0o600)).To(Succeed())
			return run(ctx, "plan --against-cluster -f "+file).out
		}
		Expect(plan(source + "---\n" + target)).To(And(
			ContainSubstring("- Ingress remote.acmecorp.com"), ContainSubstring("- Service dispel-engine"),
			ContainSubstring("+ Ingress remote.acmecorp.com"), Not(ContainSubstring("- SubdomainClaim")),
		))

		By("keeping them where nobody takes it over")
		Expect(plan(source)).To(And(ContainSubstring("handOver"), Not(ContainSubstring("- Ingress"))))
	})

	It("finds what routes a host elsewhere, as the operator does", func(ctx SpecContext) {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "partner-squatter", Labels: map[string]string{v1alpha1.PartnerLabel: "squatter"}}}
		Expect(direct.Create(ctx, namespace)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, namespace)).To(Succeed()) })
		Expect(direct.Create(ctx, &networkingv1.Ingress{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "theirs"},
			Spec: networkingv1.IngressSpec{
				DefaultBackend: &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "engine", Port: networkingv1.ServiceBackendPort{Number: 80}}},
				Rules:          []networkingv1.IngressRule{{Host: "remote.newcomer.example"}},
			},
		})).To(Succeed())
		file := filepath.Join(GinkgoT().TempDir(), "newcomer.yaml")
		Expect(os.WriteFile(file, []byte("apiVersion: partner.dispel.com/v1alpha1\nkind: Partner\nmetadata: {name: newcomer}\nspec: {displayName: Newcomer, channelModel: OEM, "+
			"subdomain: {host: remote.newcomer.example, backend: {external: {host: engine.example.net, port: 8080}}, route: {ingressClassName: traefik}}}\n"), 0o600)).To(Succeed())
		Expect(run(ctx, "plan --against-cluster -f "+file).out).To(ContainSubstring(
			"remote.newcomer.example is also routed in another tenant's namespace: delete Ingress partner-squatter/theirs"))
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

// lost are the fields of a mapping that a later one has not; what went as a whole is
// one field.
func lost(path string, was, is map[string]any) []string {
	fields := []string{}
	for key, value := range was {
		before, isMap := value.(map[string]any)
		after, still := is[key].(map[string]any)
		switch _, there := is[key]; {
		case !there:
			fields = append(fields, path+"."+key)
		case isMap && still:
			fields = append(fields, lost(path+"."+key, before, after)...)
		}
	}
	return fields
}

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
