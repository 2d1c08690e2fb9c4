package admission_test

import (
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/internal/admission"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "admission")
}

var (
	direct    client.Client
	validator *admission.Validator
)

var _ = BeforeSuite(func(ctx SpecContext) {
	_, direct = cluster.Start(ctx)
	var err error
	validator, err = admission.New()
	Expect(err).NotTo(HaveOccurred())
})

func parse(text string) *unstructured.Unstructured {
	GinkgoHelper()
	return cluster.ParseObjects([]byte(text))[0]
}

// expectSameVerdict has the API server and the validator judge an object that is
// to be created, and returns their error.
func expectSameVerdict(ctx SpecContext, object *unstructured.Unstructured) error {
	GinkgoHelper()
	there, here := object.DeepCopy(), object.DeepCopy()
	wanted := direct.Create(ctx, there, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
	err := validator.Create(ctx, here)
	if wanted != nil {
		Expect(err).To(MatchError(wanted.Error()))
		return err
	}
	Expect(err).NotTo(HaveOccurred())
	for _, field := range []string{"uid", "creationTimestamp", "managedFields"} {
		unstructured.RemoveNestedField(there.Object, "metadata", field)
	}
	Expect(here.Object).To(Equal(there.Object), "what would be stored")
	return nil
}

var _ = Describe("Create", func() {
	invalid, err := filepath.Glob("../../api/v1alpha1/testdata/invalid/*.yaml")
	if err != nil || len(invalid) == 0 {
		panic("no invalid examples")
	}
	for _, file := range invalid {
		It("refuses as the API server does: "+strings.TrimSuffix(filepath.Base(file), ".yaml"), func(ctx SpecContext) {
			for _, object := range cluster.ReadObjects("api/v1alpha1/testdata/invalid", filepath.Base(file)) {
				Expect(expectSameVerdict(ctx, object)).NotTo(Succeed())
			}
		})
	}

	DescribeTable("refuses the annotations of a route that no route of the operator may have",
		func(ctx SpecContext, key string, refused bool) {
			forAll := objects.AnnotationRefused(key)
			refusal := expectSameVerdict(ctx, parse(`{apiVersion: partner.dispel.com/v1alpha1, kind: Partner, metadata: {name: acme}, spec: {displayName: Acme, channelModel: OEM, subdomain: {
				host: remote.acmecorp.com, backend: {external: {host: a.example.com, port: 443}}, route: {annotations: {`+key+`: "x"}}}}}`))
			if refused {
				Expect(refusal).To(MatchError(ContainSubstring("spec.subdomain.route.annotations: Invalid value")))
				Expect(forAll).NotTo(BeEmpty())
			} else {
				Expect(refusal).NotTo(HaveOccurred())
				Expect(forAll).To(BeEmpty())
			}
		},
		Entry("of the operator", "partner.dispel.com/hosts", true),
		Entry("a class", "kubernetes.io/ingress.class", true),
		Entry("a class of other names", "example.com/ingress.class", false),
		Entry("an issuer", "cert-manager.io/issuer", true),
		Entry("a solver", "acme.cert-manager.io/http01-edit-in-place", true),
		Entry("a certificate", "kubernetes.io/tls-acme", true),
		Entry("a certificate of Traefik", "traefik.ingress.kubernetes.io/router.tls.certresolver", true),
		Entry("a certificate's domains", "traefik.ingress.kubernetes.io/router.tls.domains.0.main", true),
		Entry("TLS of Traefik", "traefik.ingress.kubernetes.io/router.tls", false),
		Entry("TLS at the backend", "haproxy.org/ssl-passthrough", true),
		Entry("a redirect to TLS", "nginx.ingress.kubernetes.io/ssl-redirect", false),
		Entry("a DNS name", "external-dns.kubernetes.io/hostname", true),
		Entry("an internal DNS name", "external-dns.alpha.kubernetes.io/internal-hostname", true),
		Entry("a source of DNS names", "external-dns.kubernetes.io/gateway-hostname-source", true),
		Entry("a DNS record's life", "external-dns.kubernetes.io/ttl", false),
		Entry("a DNS record's target", "external-dns.kubernetes.io/target", false),
		Entry("another host", "nginx.ingress.kubernetes.io/server-alias", true),
		Entry("other hosts", "konghq.com/host-aliases", true),
		Entry("www", "nginx.ingress.kubernetes.io/from-to-www-redirect", true),
		Entry("a redirect", "nginx.ingress.kubernetes.io/temporal-redirect", true),
		Entry("a canary", "nginx.ingress.kubernetes.io/canary", true),
		Entry("a canary's weight", "nginx.ingress.kubernetes.io/canary-weight", true),
		Entry("a redirect from another host", "haproxy-ingress.github.io/redirect-from", true),
		Entry("a redirect of HAProxy's", "haproxy.org/request-redirect", true),
		Entry("a note about a canary", "deploy.example.com/canary-owner", false),
		Entry("a size", "nginx.ingress.kubernetes.io/proxy-body-size", false),
	)

	samples, err := filepath.Glob("../../config/samples/*/*.yaml")
	if err != nil || len(samples) == 0 {
		panic("no samples")
	}
	It("takes all samples, and makes of them what the API server stores", func(ctx SpecContext) {
		judged := 0
		for _, file := range samples {
			for _, object := range cluster.ReadObjects("config/samples", filepath.Base(filepath.Dir(file)), filepath.Base(file)) {
				if validator.Knows(object.GroupVersionKind()) {
					Expect(expectSameVerdict(ctx, object)).To(Succeed())
					judged++
				}
			}
		}
		Expect(judged).To(BeNumerically(">", 10))
	})

	DescribeTable("judges what is not in a schema as the API server does",
		func(ctx SpecContext, text, refusal string) {
			err := expectSameVerdict(ctx, parse(text))
			if refusal == "" {
				Expect(err).NotTo(HaveOccurred())
			} else {
				Expect(err).To(MatchError(ContainSubstring(refusal)))
			}
		},
		Entry("a name that none can have", `{apiVersion: partner.dispel.com/v1alpha1, kind: SupportPlan, metadata: {name: Gold}, spec: {tier: Basic}}`,
			`metadata.name: Invalid value: "Gold"`),
		Entry("no name", `{apiVersion: partner.dispel.com/v1alpha1, kind: SupportPlan, metadata: {}, spec: {tier: Basic}}`,
			"name or generateName is required"),
		Entry("an unknown field in the metadata", `{apiVersion: partner.dispel.com/v1alpha1, kind: SupportPlan, metadata: {name: gold, title: x}, spec: {tier: Basic}}`,
			`unknown field "metadata.title"`),
		Entry("a label that is a number", `{apiVersion: partner.dispel.com/v1alpha1, kind: SupportPlan, metadata: {name: gold, labels: {rank: 1}}, spec: {tier: Basic}}`,
			"cannot unmarshal number into Go struct field ObjectMeta.labels of type string"),
		Entry("a label that none can have", `{apiVersion: partner.dispel.com/v1alpha1, kind: SupportPlan, metadata: {name: gold, labels: {rank: "a b"}}, spec: {tier: Basic}}`,
			"metadata.labels"),
		Entry("a namespace", `{apiVersion: partner.dispel.com/v1alpha1, kind: SupportPlan, metadata: {name: gold, namespace: here}, spec: {tier: Basic}}`,
			""),
		Entry("null, which counts as left out", `{apiVersion: partner.dispel.com/v1alpha1, kind: SupportPlan, metadata: {name: gold}, spec: {tier: Basic, staffing: null}}`,
			""),
		Entry("a status, which is not the user's", `{apiVersion: partner.dispel.com/v1alpha1, kind: SupportPlan, metadata: {name: gold}, spec: {tier: Basic}, status: {hours: never}}`,
			""),
		Entry("no spec", `{apiVersion: partner.dispel.com/v1alpha1, kind: Partner, metadata: {name: gold}}`,
			"spec: Required value"),
		Entry("several faults at once", `{apiVersion: partner.dispel.com/v1alpha1, kind: Partner, metadata: {name: a.b}, spec: {channelModel: Reseller, customerCount: -1, subdomain: {host: x, backend: {}}}}`,
			"spec.displayName: Required value"),
	)
})

var _ = Describe("Update", func() {
	DescribeTable("judges a change as the API server does",
		func(ctx SpecContext, before string, change func(*unstructured.Unstructured), refusal string) {
			old := parse(before)
			Expect(direct.Create(ctx, old)).To(Succeed())
			DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, old)).To(Succeed()) })
			changed := old.DeepCopy()
			change(changed)
			err := validator.Update(ctx, changed.DeepCopy(), old.DeepCopy())
			wanted := direct.Update(ctx, changed, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
			if refusal == "" {
				Expect(wanted).To(Succeed())
				Expect(err).NotTo(HaveOccurred())
				return
			}
			Expect(err).To(MatchError(ContainSubstring(refusal)))
			Expect(err).To(MatchError(wanted.Error()))
		},
		Entry("of a tier", `{apiVersion: partner.dispel.com/v1alpha1, kind: SupportPlan, metadata: {name: changed}, spec: {tier: Basic}}`,
			func(o *unstructured.Unstructured) { o.Object["spec"] = map[string]any{"tier": "Premium"} }, "make a new SupportPlan"),
		Entry("of an allocation's partner", `{apiVersion: partner.dispel.com/v1alpha1, kind: PCSMAllocation, metadata: {name: changed}, spec: {partnerRef: {name: acme}, fte: 1}}`,
			func(o *unstructured.Unstructured) {
				o.Object["spec"] = map[string]any{"partnerRef": map[string]any{"name": "globex"}, "fte": int64(1)}
			}, "delete it and make a new PCSMAllocation for globex"),
		Entry("of an amount", `{apiVersion: partner.dispel.com/v1alpha1, kind: PCSMAllocation, metadata: {name: changed}, spec: {partnerRef: {name: acme}, fte: 1}}`,
			func(o *unstructured.Unstructured) {
				o.Object["spec"] = map[string]any{"partnerRef": map[string]any{"name": "acme"}, "fte": 1.5}
			}, ""),
	)
})
