package preview_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/manifests"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/preview"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "preview")
}

var options = preview.Options{
	Settings: objects.Settings{ReservedHostSuffixes: []string{"dispel.example"}},
	Now:      time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
}

// planOf plans manifests, and returns what becomes of each Partner and all
// findings, each as "<severity> <line>: <object>: <reason>: <message>".
func planOf(ctx context.Context, text string, options preview.Options) (map[string]*preview.Partner, []string) {
	GinkgoHelper()
	documents, err := manifests.Read(manifests.Input{Paths: []string{"-"}, Stdin: strings.NewReader(text)})
	Expect(err).NotTo(HaveOccurred())
	p, err := preview.New(ctx, documents, options)
	Expect(err).NotTo(HaveOccurred())
	partners := map[string]*preview.Partner{}
	all := p.Findings
	for partner, err := range p.Partners(ctx) {
		Expect(err).NotTo(HaveOccurred())
		partners[partner.Name] = partner
		all = append(all, partner.Findings...)
	}
	preview.Sort(all)
	var findings []string
	for _, f := range all {
		where := strings.TrimPrefix(f.String(), "standard input:")
		findings = append(findings, strings.Join([]string{string(f.Severity) + " " + where, f.About(), f.Reason, f.Message}, ": "))
	}
	return partners, findings
}

const header = "apiVersion: partner.dispel.com/v1alpha1\n"

// partner is the manifest of an OEM.
func partner(name, spec string) string {
	return header + "kind: Partner\nmetadata: {name: " + name + "}\nspec:\n  displayName: " + name + "\n  channelModel: OEM\n" + spec
}

func allocation(name, spec string) string {
	return "---\n" + header + "kind: PCSMAllocation\nmetadata: {name: " + name + "}\nspec:\n" + spec
}

const subdomain = `  subdomain:
    host: remote.acmecorp.com
    backend: {external: {host: x.example.net, port: 80}}
    route: {ingressClassName: traefik}
`

// plain is what is told of a host that is served without TLS.
func plain(line int, partner string) string {
	return fmt.Sprintf("notice %d: Partner %s: PlainHTTP: http://remote.acmecorp.com is served without TLS, in clear text to end customers: write spec.subdomain.tls, or set the operator's --default-issuer", line, partner)
}

const class = "---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: traefik}\n"

var _ = Describe("A plan", func() {
	DescribeTable("finds what is wrong",
		func(ctx SpecContext, text string, wanted ...string) {
			_, findings := planOf(ctx, text, options)
			Expect(findings).To(HaveExactElements(wanted))
		},
		Entry("an object that the API server refuses, at its field", partner("acme", "  customerCount: -1\n"),
			"error 7: Partner acme: Invalid: spec.customerCount: Invalid value: -1: spec.customerCount in body should be greater than or equal to 0",
		),
		Entry("text that YAML takes for something else", strings.Replace(partner("acme", ""), "displayName: acme", "displayName: N", 1),
			`error 5: Partner acme: Invalid: spec.displayName: Invalid value: "boolean": spec.displayName in body must be of type string: "boolean": N without quotes is a boolean, so write "N"`),
		Entry("a language that YAML takes for something else", partner("acme", "")+allocation("one", "  partnerRef: {name: acme}\n  fte: 1\n  localization:\n    languages: [en,\n      no]\n"),
			`error 16: PCSMAllocation one: Invalid: spec.localization.languages[1]: Invalid value: "boolean": spec.localization.languages[1] in body must be of type string: "boolean": no without quotes is a boolean, so write "no"`),
		Entry("nothing in a list of texts", partner("acme", "")+allocation("one", "  partnerRef: {name: acme}\n  fte: 1\n  localization:\n    languages: [en, ~]\n"),
			`error 15: PCSMAllocation one: Invalid: spec.localization.languages[1]: Invalid value: "null": spec.localization.languages[1] in body must be of type string: "null"`),
		Entry("a key that is there twice", partner("acme", "  customerCount: 5\n  customerCount: 6\n"),
			`warning 8: : Ambiguous: the key "customerCount" is there twice: kubectl takes the last one, and Flux and kustomize refuse the file: remove one`),
		Entry("a field that is unknown", partner("acme", "  customers: 5\n"),
			`error 7: Partner acme: Invalid: Partner in version "v1alpha1" cannot be handled as a Partner: strict decoding error: unknown field "spec.customers"`),
		Entry("a kind that is unknown", header+"kind: Partnr\nmetadata: {name: acme}\n",
			"error 2: Partnr acme: UnknownKind: the operator has no such kind in this version: write apiVersion: partner.dispel.com/v1alpha1 and kind: Partner, SupportPlan or PCSMAllocation"),
		Entry("an object that is there twice", partner("acme", "")+"---\n"+partner("acme", ""),
			`error 10: Partner acme: Duplicate: Partner "acme" is declared in standard input:1, too, and one would overwrite the other: remove one of them, or give it another name`),
		Entry("a plan that is nowhere", partner("acme", "  supportPlanRef:\n    name: gold\n"),
			`error 7: Partner acme: SupportPlanNotFound: there is no SupportPlan "gold": create it, or name another in spec.supportPlanRef; what runs is left as it is (if other manifests declare it, read all of them with -f; to judge with the plans of the cluster, write --against-cluster)`),
		Entry("shifts that one person cannot work, at their line", partner("acme", "  supportPlanRef: {name: premium}\n")+allocation("one",
			"  partnerRef: {name: acme}\n  fte: 1\n  localization: {timeZone: Europe/Berlin}\n  shifts:\n  - {days: [Monday], start: \"08:00\", end: \"16:00\"}\n  exceptions:\n  - {date: \"2027-02-02\", start: \"08:00\", end: \"16:00\", fte: 2}\n"),
			"error 19: PCSMAllocation one: ShiftsExceedFTE: spec.exceptions[0].fte: the allocation has 1 FTE, and 2 are to be on duty: write at most 1, or raise spec.fte"),
		Entry("a plan's name with a slip in it", partner("acme", "  supportPlanRef: {name: premlum}\n"),
			`error 7: Partner acme: SupportPlanNotFound: there is no SupportPlan "premlum" (did you mean "premium"?): create it, or name another in spec.supportPlanRef; what runs is left as it is (if other manifests declare it, read all of them with -f; to judge with the plans of the cluster, write --against-cluster)`),
		Entry("a plan that cannot be used", header+"kind: SupportPlan\nmetadata: {name: odd}\nspec:\n  tier: Basic\n  operatingHours:\n    timeZone: Mars/Base\n",
			`error 7: SupportPlan odd: UnknownTimeZone: spec.operatingHours.timeZone: the time zone "Mars/Base" is unknown: write an IANA name, such as America/New_York or Europe/Berlin`),
		Entry("an allocation to nobody", allocation("lost", "  partnerRef: {name: nobody}\n  fte: 1\n"),
			`error 6: PCSMAllocation lost: PartnerNotFound: there is no Partner "nobody": create it, or delete this allocation and make one for the right partner`),
		Entry("only the Partner, if it is refused and has an allocation", partner("acme", "  colour: red\n")+allocation("one", "  partnerRef: {name: acme}\n  fte: 1\n"),
			`error 7: Partner acme: Invalid: Partner in version "v1alpha1" cannot be handled as a Partner: strict decoding error: unknown field "spec.colour"`),
		Entry("an allocation to a reseller", strings.Replace(partner("shop", ""), "OEM", "Reseller", 1)+allocation("one", "  partnerRef: {name: shop}\n  fte: 1\n"),
			`error 12: PCSMAllocation one: ChannelModelWithoutPCSM: Partner "shop" is a Reseller, whose customers Dispel serves in any case: delete this allocation, or set the partner's channelModel to OEM or MSP`),
		Entry("a contract with a partner that has ended", partner("acme", "  validUntil: \"2026-11-30\"\n"),
			"warning 7: Partner acme: ContractEnded: the last day of the contract was 2026-11-30: extend spec.validUntil, or delete the Partner"),
		Entry("a contract with a partner that has not begun", partner("acme", "  validFrom: \"2027-02-01\"\n"),
			"notice 7: Partner acme: ContractNotStarted: the contract starts on 2027-02-01: set spec.validFrom to an earlier day if it starts before"),
		Entry("a contract that has ended", partner("acme", "")+allocation("one", "  partnerRef: {name: acme}\n  fte: 1\n  validUntil: \"2026-11-30\"\n"),
			"warning 14: PCSMAllocation one: Expired: the contract ended on 2026-11-30: extend validUntil, or delete the allocation"),
		Entry("more customers than the P-CSMs support", partner("acme", "  customerCount: 16\n")+allocation("one", "  partnerRef: {name: acme}\n  fte: 1\n"),
			"error 7: Partner acme: CapacityExceeded: 16 customers, and 1 FTE of P-CSMs support at most 15 (15 per FTE): add 0.5 FTE"),
		Entry("nearly as many", partner("acme", "  customerCount: 15\n")+allocation("one", "  partnerRef: {name: acme}\n  fte: 1\n"),
			"warning 7: Partner acme: NearCapacity: 15 customers, and 1 FTE of P-CSMs support at most 15 (15 per FTE), comfortably 10: 0 more can come; 1.5 FTE are recommended"),
		Entry("a host that is reserved", partner("acme", strings.Replace(subdomain, "acmecorp.com", "dispel.example", 1))+class,
			"error 8: Partner acme: HostReserved: remote.dispel.example is under the reserved domain dispel.example: use a host under the partner's own domain"),
		Entry("a host that two want", partner("acme", subdomain)+class+"---\n"+partner("rival", subdomain),
			plain(7, "acme"), `error 23: Partner rival: HostClaimedByAnotherPartner: remote.acmecorp.com is held by Partner "acme": write another host, or remove it from that partner`),
		Entry("a host that a suspended one wants, which claims nothing", partner("asleep", subdomain+"  suspend: true\n")+class+"---\n"+partner("awake", subdomain),
			"notice 11: Partner asleep: SuspendedBySpec: spec.suspend is true since before anything was provisioned: set it to false to begin", plain(23, "awake")),
		Entry("a group that is another", "apiVersion: partner.dispel.io/v1alpha1\nkind: Partner\nmetadata: {name: acme}\n",
			"error : : NothingDeclared: nothing is declared for the operator: there is no Partner, SupportPlan or PCSMAllocation in these manifests (documents read: 1): name the folder that has them, or write --allow-empty if there are to be none",
			"warning 1: Partner acme: UnknownKind: this is no kind of the operator, and ignored: if it is meant to be, write apiVersion: partner.dispel.com/v1alpha1"),
		Entry("no name", header+"kind: SupportPlan\nmetadata: {generateName: gold-}\nspec: {tier: Basic}\n",
			"error 3: SupportPlan: Invalid: metadata.name: Required value: what is applied again and again needs a name: write metadata.name"),
		Entry("what the manifests alone cannot tell", partner("acme", subdomain),
			`notice 7: Partner acme: RouteNotAccepted: with nothing but these manifests: no ingress controller takes the route: there is no IngressClass "traefik": install its controller, or name another in spec.subdomain.route.ingressClassName or with the operator's --ingress-class`),
		Entry("a controller that cannot reach the engine over TLS", partner("acme", strings.Replace(subdomain, "port: 80}", "port: 443}, tls: {caCertificates: {wellKnown: System}}", 1))+class+"spec: {controller: projectcontour.io/ingress-controller}\n",
			"error 9: Partner acme: BackendTLSNotSupported: spec.subdomain.backend.tls cannot be met, and the engine is not served in clear text: Contour, the controller of IngressClass traefik, does not verify certificates of the backends of an Ingress: name a class of Traefik, ingress-nginx, HAProxy Ingress, or a Gateway whose class lists the feature BackendTLSPolicy, in spec.subdomain.route, or remove spec.subdomain.backend.tls"),
		Entry("nothing of what a Gateway's class says only in a cluster", partner("acme", strings.NewReplacer("port: 80}", "port: 443}, tls: {caCertificates: {wellKnown: System}}", "ingressClassName: traefik", "gatewayRef: {namespace: infra, name: public}").Replace(subdomain))+
			"---\napiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: public}\nspec: {controllerName: example.net/test}\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {namespace: infra, name: public}\nspec: {gatewayClassName: public, listeners: [{name: websecure, port: 443, protocol: HTTPS}]}\n",
			"notice 7: Partner acme: ListenerNotProgrammed: with nothing but these manifests: Gateway infra/public lacks the condition Programmed: no controller has said anything about it yet"),
		Entry("nothing but that there is no TLS, where all is well", partner("acme", subdomain)+class, plain(7, "acme")),
		Entry("that nothing is declared", class,
			"error : : NothingDeclared: nothing is declared for the operator: there is no Partner, SupportPlan or PCSMAllocation in these manifests (documents read: 1): name the folder that has them, or write --allow-empty if there are to be none"),
	)

	invalid, err := filepath.Glob("../../api/v1alpha1/testdata/invalid/*.yaml")
	if err != nil || len(invalid) == 0 {
		panic("no invalid examples")
	}
	for _, file := range invalid {
		It("refuses "+strings.TrimSuffix(filepath.Base(file), ".yaml")+" with the remedy", func(ctx SpecContext) {
			data, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			refusal, _ := strings.CutPrefix(strings.SplitN(string(data), "\n", 2)[0], "# refusal: ")
			partners, findings := planOf(ctx, string(data), options)
			Expect(partners).To(BeEmpty(), "nothing becomes of what is refused")
			Expect(findings).To(ContainElement(And(HavePrefix("error "), ContainSubstring(refusal))))
		})
	}

	It("ignores other kinds, with a count, and looks at those that partners hang on", func(ctx SpecContext) {
		documents, err := manifests.Read(manifests.Input{Paths: []string{"-"}, Stdin: strings.NewReader(
			partner("acme", strings.Replace(subdomain, "external: {host: x.example.net, port: 80}", "service: {name: engine, port: 80}", 1)) + class + `---
apiVersion: v1
kind: Service
metadata: {name: engine, namespace: partner-acme}
spec: {clusterIP: None}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: engine, namespace: partner-acme}
---
replicas: 2
`)})
		Expect(err).NotTo(HaveOccurred())
		p, err := preview.New(ctx, documents, options)
		Expect(err).NotTo(HaveOccurred())
		Expect(p.Ignored).To(Equal(map[string]int{"Deployment": 1}))
		Expect(p.Others).To(Equal(1))
		for partner, err := range p.Partners(ctx) {
			Expect(err).NotTo(HaveOccurred())
			Expect(partner.Findings).To(HaveEach(HaveField("Reason", preview.ReasonPlainHTTP)))
		}
	})

	It("judges contract windows on the day that it is told", func(ctx SpecContext) {
		text := partner("acme", "  customerCount: 5\n") + allocation("one", "  partnerRef: {name: acme}\n  fte: 1\n  validFrom: \"2027-01-01\"\n")
		partners, _ := planOf(ctx, text, options)
		Expect(partners["acme"].Verdict).To(BeNil())
		later := options
		later.Now = options.Now.AddDate(0, 1, 0)
		partners, _ = planOf(ctx, text, later)
		Expect(partners["acme"].Verdict.Reason).To(Equal("WithinCapacity"))
	})
})

var _ = Describe("A plan against a cluster", func() {
	// there is a cluster in which the operator has done its work for acme.
	there := func() *fleet.Fleet {
		f := fleet.New()
		f.Add(&v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "basic", UID: "2", Generation: 1, ResourceVersion: "1"}, Spec: v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic}})
		f.Add(&v1alpha1.Partner{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Partner"},
			ObjectMeta: metav1.ObjectMeta{Name: "acme", UID: "1", Generation: 1, ResourceVersion: "1"},
			Spec:       v1alpha1.PartnerSpec{DisplayName: "acme", ChannelModel: v1alpha1.OEM, CustomerCount: new(int32(28))},
		})
		return f
	}
	against := func(f *fleet.Fleet) preview.Options {
		with := options
		with.Cluster = f
		return with
	}

	claimOf := func(host, partner string) *v1alpha1.SubdomainClaim {
		return &v1alpha1.SubdomainClaim{
			TypeMeta:   metav1.TypeMeta{Kind: "SubdomainClaim"},
			ObjectMeta: metav1.ObjectMeta{Name: host}, Spec: v1alpha1.SubdomainClaimSpec{PartnerRef: v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(partner)}},
		}
	}

	It("finds what is there, and leaves what others own", func(ctx SpecContext) {
		partners, findings := planOf(ctx, partner("acme", ""), against(there()))
		Expect(findings).To(BeEmpty())
		Expect(partners["acme"].Objects).To(HaveEach(HaveField("Action", preview.Create)))

		By("a customer count that the manifest says nothing of")
		partners, _ = planOf(ctx, partner("acme", "")+allocation("one", "  partnerRef: {name: acme}\n  fte: 1\n"), against(there()))
		Expect(partners["acme"].Verdict.Reason).To(Equal("CapacityExceeded"))
	})

	It("refuses a change as the API server does", func(ctx SpecContext) {
		_, findings := planOf(ctx, header+"kind: SupportPlan\nmetadata: {name: basic}\nspec: {tier: Premium}\n", against(there()))
		Expect(findings).To(ConsistOf(ContainSubstring("the tier of a plan cannot change from Basic to Premium")))
	})

	It("plans the partners whose plan or allocation changes, too", func(ctx SpecContext) {
		partners, _ := planOf(ctx, "---\n"+allocation("one", "  partnerRef: {name: acme}\n  fte: 1\n"), against(there()))
		Expect(partners).To(HaveKey("acme"))
		partners, _ = planOf(ctx, header+"kind: SupportPlan\nmetadata: {name: basic}\nspec: {tier: Basic, staffing: {minimumFTE: 2}}\n", against(there()))
		Expect(partners).To(HaveKey("acme"))
		partners, _ = planOf(ctx, header+"kind: SupportPlan\nmetadata: {name: other}\nspec: {tier: Basic}\n", against(there()))
		Expect(partners).To(BeEmpty())
	})

	It("does not count optional APIs as installed", func(ctx SpecContext) {
		withIssuer := strings.Replace(subdomain, "    route:", "    tls: {issuerRef: {name: le}}\n    route:", 1)
		_, findings := planOf(ctx, partner("acme", withIssuer), against(there()))
		Expect(findings).To(ConsistOf(And(HavePrefix("error"), ContainSubstring("APINotInstalled"))))
		_, findings = planOf(ctx, partner("acme", withIssuer), options)
		Expect(findings).To(ConsistOf(And(HavePrefix("notice"), ContainSubstring("CertificatePending"))))
	})

	It("warns of an Ingress that serves and moves to another class", func(ctx SpecContext) {
		f := there()
		f.Add(claimOf("remote.acmecorp.com", "acme"))
		acme := f.Partners["acme"].DeepCopy()
		acme.Status.Subdomain = &v1alpha1.SubdomainStatus{URL: "http://remote.acmecorp.com", Route: v1alpha1.IngressRoute, IngressClass: "nginx"}
		f.Add(acme)
		_, findings := planOf(ctx, partner("acme", subdomain)+class, against(f))
		Expect(findings).To(ConsistOf(plain(7, "acme"), "warning 10: Partner acme: IngressClassChanged: Ingress partner-acme/remote.acmecorp.com moves from class nginx to class traefik in place: "+
			"visitors who still have the DNS record of the former class are not served until it expires"))
	})

	It("knows that a holder lets go of a host", func(ctx SpecContext) {
		f := there()
		f.Add(claimOf("remote.acmecorp.com", "acme"))
		_, findings := planOf(ctx, partner("heir", subdomain)+class, against(f))
		Expect(findings).To(ConsistOf(And(HavePrefix("notice"), ContainSubstring("until the holder lets go, which these manifests ask for"))))
	})

	It("knows that of two heirs one gets the host", func(ctx SpecContext) {
		f := there()
		f.Add(claimOf("remote.acmecorp.com", "acme"))
		_, findings := planOf(ctx, partner("heir", subdomain)+class+"---\n"+partner("late", subdomain), against(f))
		Expect(findings).To(ConsistOf(
			And(HavePrefix("notice"), ContainSubstring("Partner heir: HostReleasing: until the holder lets go")),
			And(HavePrefix("error"), ContainSubstring("Partner late: HostClaimedByAnotherPartner"), ContainSubstring(`held by Partner "heir"`)),
		))
	})

	It("knows that a namespace is that of the Partner which is there, not of one that comes", func(ctx SpecContext) {
		f := there()
		f.Add(&v1alpha1.Partner{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Partner"},
			ObjectMeta: metav1.ObjectMeta{Name: "there", UID: "3", Generation: 1, ResourceVersion: "1", CreationTimestamp: metav1.NewTime(options.Now.AddDate(0, -1, 0))},
			Spec:       v1alpha1.PartnerSpec{DisplayName: "there", ChannelModel: v1alpha1.OEM, Tenant: &v1alpha1.Tenant{Namespace: "prod"}},
		})
		const inProd = "  tenant: {namespace: prod}\n"
		partners, findings := planOf(ctx, partner("new", inProd)+"---\n"+partner("there", inProd), against(f))
		Expect(findings).To(ConsistOf(And(HavePrefix("error"), ContainSubstring(`Partner new: NamespaceOfAnotherPartner: namespace prod belongs to Partner "there"`))))
		Expect(partners["there"].Objects).NotTo(BeEmpty())
	})

	It("knows that hosts can be swapped", func(ctx SpecContext) {
		f := there()
		f.Add(claimOf("remote.acmecorp.com", "one"))
		f.Add(claimOf("access.acmecorp.com", "two"))
		_, findings := planOf(ctx, partner("two", subdomain)+class+"---\n"+partner("one", strings.Replace(subdomain, "remote.", "access.", 1)), against(f))
		Expect(findings).To(ConsistOf(
			And(HavePrefix("notice"), ContainSubstring("Partner two: HostReleasing: until the holder lets go, which these manifests ask for")),
			And(HavePrefix("notice"), ContainSubstring("Partner one: HostReleasing: until the holder lets go, which these manifests ask for")),
		))
	})

	It("makes nothing of a Partner that somebody suspended or deleted in the cluster", func(ctx SpecContext) {
		f := there()
		f.Partners["acme"].Spec.Suspend = new(true)
		partners, _ := planOf(ctx, partner("acme", ""), against(f))
		Expect(partners["acme"].Objects).To(BeEmpty())

		f = there()
		f.Partners["acme"].DeletionTimestamp = &metav1.Time{Time: options.Now}
		f.Partners["acme"].Finalizers = []string{"example.com/hold"}
		partners, findings := planOf(ctx, partner("acme", ""), against(f))
		Expect(partners["acme"].Objects).To(BeEmpty())
		Expect(findings).To(ConsistOf(ContainSubstring("it is being deleted in the cluster")))
	})

	It("does not fail at what a newer schema has", func(ctx SpecContext) {
		f := there()
		f.Partners["acme"].Spec.Subdomain = &v1alpha1.Subdomain{Host: "remote.acmecorp.com", TLS: &v1alpha1.TLS{}}
		_, findings := planOf(ctx, header+"kind: SupportPlan\nmetadata: {name: basic}\nspec: {tier: Basic, staffing: {minimumFTE: 2}}\n", against(f))
		Expect(findings).To(ConsistOf(ContainSubstring("spec.subdomain.backend has a type that this version does not know"), HavePrefix("notice 4: SupportPlan basic: NoTrainingMaterials:")))
	})

	It("counts the labels that others put on a namespace, by which a Gateway may select", func(ctx SpecContext) {
		f := there()
		f.APIs = kinds.APIs{Gateway: true, ReferenceGrants: true, ListenerSets: true}
		f.Add(&corev1.Namespace{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
			ObjectMeta: metav1.ObjectMeta{Name: "partner-acme", Labels: map[string]string{
				"partner.dispel.com/partner": "acme", "example.com/exposed": "yes", "kubernetes.io/metadata.name": "partner-acme",
			}},
		})
		manifests := partner("acme", strings.Replace(subdomain, "route: {ingressClassName: traefik}", "tls: {secretName: own}\n    route: {gatewayRef: {namespace: infra, name: public}}", 1))
		for _, selector := range []string{"example.com/exposed: \"yes\"", "kubernetes.io/metadata.name: partner-acme"} {
			partners, _ := planOf(ctx, manifests+`---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {namespace: infra, name: public}
spec:
  gatewayClassName: any
  listeners: [{name: https, port: 443, protocol: HTTPS}]
  allowedListeners: {namespaces: {from: Selector, selector: {matchLabels: {`+selector+`}}}}
`, against(f))
			Expect(partners["acme"].Objects).To(ContainElement(HaveField("Kind", "ListenerSet")), selector)
		}
	})

	It("finds that the issuer of a certificate is broken, as the operator does", func(ctx SpecContext) {
		f := there()
		f.APIs = kinds.APIs{CertManager: true}
		f.Add(claimOf("remote.acmecorp.com", "acme"))
		for _, object := range []map[string]any{{
			"kind": "Certificate", "metadata": map[string]any{"namespace": "partner-acme", "name": "remote.acmecorp.com", "labels": map[string]any{"partner.dispel.com/partner": "acme"}},
		}, {
			"kind": "CertificateRequest", "metadata": map[string]any{
				"namespace": "partner-acme", "name": "remote.acmecorp.com-1", "annotations": map[string]any{kinds.CertificateNameAnnotation: "remote.acmecorp.com"},
			},
			"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "False", "reason": "Pending", "message": `Referenced "ClusterIssuer" not found`}}},
		}} {
			object["apiVersion"] = "cert-manager.io/v1"
			f.Add(&unstructured.Unstructured{Object: object})
		}
		_, findings := planOf(ctx, partner("acme", subdomain+"    tls: {issuerRef: {name: missing}}\n")+class, against(f))
		Expect(findings).To(ContainElement(ContainSubstring("IssuerNotReady")))
	})

	It("finds a Service by its name, whatever its labels", func(ctx SpecContext) {
		withService := strings.Replace(subdomain, "external: {host: x.example.net, port: 80}", "service: {name: engine, port: 80}", 1)
		_, findings := planOf(ctx, partner("acme", withService)+class+`---
apiVersion: v1
kind: Service
metadata: {name: engine, namespace: partner-acme, labels: {partner.dispel.com/partner: acme}}
`, options)
		Expect(findings).To(HaveExactElements(plain(7, "acme")))
	})

	It("foretells the hours that an absence leaves without anybody, at its line", func(ctx SpecContext) {
		office := "---\n" + header + "kind: SupportPlan\nmetadata: {name: basic}\nspec: {tier: Basic, operatingHours: {timeZone: Europe/Berlin, holidays: None}}\n"
		shifts := "  partnerRef: {name: acme}\n  fte: 2\n  localization: {timeZone: Europe/Berlin}\n  shifts: [{days: [Monday, Tuesday, Wednesday, Thursday, Friday], start: \"09:00\", end: \"17:00\"}]\n"
		_, findings := planOf(ctx, partner("acme", "")+office+allocation("one", shifts+"  absences:\n  - {from: \"2027-02-01\", until: \"2027-02-02\"}\n"), options)
		Expect(findings).To(ContainElement("warning 21: PCSMAllocation one: NobodyOnDuty: from 2027-02-01 09:00 to 17:00 (Europe/Berlin) nobody is on duty because of an absence (times until 2027-02-02: 2): add an exception for somebody, or shifts of others"))
		_, findings = planOf(ctx, partner("acme", "")+office+allocation("one", shifts), options)
		Expect(findings).NotTo(ContainElement(ContainSubstring("NobodyOnDuty")))
	})

	It("tells the gaps that the cluster does not have, together by what brings them about", func(ctx SpecContext) {
		two := func() *fleet.Fleet {
			f := there()
			f.Plans["basic"].Spec.OperatingHours = &v1alpha1.OperatingHours{TimeZone: "Europe/Berlin", Holidays: v1alpha1.NoHolidays}
			for _, name := range []string{"aaa", "bbb"} {
				a := &v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "4", Generation: 1, ResourceVersion: "1"}, Spec: v1alpha1.PCSMAllocationSpec{
					PartnerRef: v1alpha1.PartnerReference{Name: "acme"}, FTE: 2 * v1alpha1.OneFTE, Localization: &v1alpha1.Localization{TimeZone: "Europe/Berlin"},
					Shifts:   []v1alpha1.Shift{{Days: []v1alpha1.DayOfWeek{"Saturday"}, Start: "09:00", End: "17:00", FTE: v1alpha1.OneFTE}},
					Absences: []v1alpha1.Absence{{From: "2027-01-04", Until: "2027-01-05"}},
				}}
				f.Add(a)
			}
			f.Allocations["bbb"].Spec.Shifts[0].Days = []v1alpha1.DayOfWeek{"Monday", "Tuesday"}
			return f
		}
		bbb := "  partnerRef: {name: acme}\n  fte: 2\n  localization: {timeZone: Europe/Berlin}\n  shifts: [{days: [Monday, Tuesday], start: \"09:00\", end: \"17:00\"}]\n" +
			"  absences: [{from: \"2027-01-04\", until: \"2027-01-05\"}, {from: \"2027-08-02\", until: \"2027-08-20\"}]\n"
		partners, findings := planOf(ctx, partner("acme", "  customerCount: 28\n")+allocation("bbb", bbb), against(two()))
		Expect(findings).To(ContainElement("warning 17: PCSMAllocation bbb: NobodyOnDuty: from 2027-08-02 09:00 to 17:00 (Europe/Berlin) nobody is on duty because of an absence (times until 2027-08-17: 6): add an exception for somebody, or shifts of others"))
		Expect(findings).NotTo(ContainElement(ContainSubstring("aaa")))
		Expect(partners["acme"].Declared).To(ContainElement(HaveField("Differences", ContainElement("shifts[0].fte: 1 -> nothing"))))
	})

	It("tells what changes in what is declared, and to what effect", func(ctx SpecContext) {
		withOne := func() *fleet.Fleet {
			f := there()
			f.Add(&v1alpha1.PCSMAllocation{
				ObjectMeta: metav1.ObjectMeta{Name: "one", UID: "3", Generation: 1, ResourceVersion: "1"},
				Spec:       v1alpha1.PCSMAllocationSpec{PartnerRef: v1alpha1.PartnerReference{Name: "acme"}, FTE: 3 * v1alpha1.OneFTE},
			})
			f.Partners["acme"].Status.Conditions = []metav1.Condition{{Type: "StaffingSufficient", Status: metav1.ConditionTrue, Reason: "WithinCapacity"}}
			return f
		}
		partners, _ := planOf(ctx, partner("acme", "  customerCount: 28\n")+allocation("one", "  partnerRef: {name: acme}\n  fte: 2.5\n")+
			allocation("two", "  partnerRef: {name: acme}\n  fte: 0.5\n  localization: {languages: [de]}\n"), against(withOne()))
		Expect(partners["acme"].Declared).To(HaveExactElements(
			preview.Declaration{Action: preview.Keep, Kind: "Partner", Name: "acme"},
			preview.Declaration{Action: preview.Change, Kind: "PCSMAllocation", Name: "one", Differences: []string{"fte: 3 -> 2.5"}},
			preview.Declaration{Action: preview.Create, Kind: "PCSMAllocation", Name: "two"},
		))
		Expect(partners["acme"].Effects).To(BeEmpty())
		partners, _ = planOf(ctx, partner("acme", "  customerCount: 46\n"), against(withOne()))
		Expect(partners["acme"].Declared).To(HaveExactElements(HaveField("String()", "Partner acme: customerCount 28 -> 46")))
		Expect(partners["acme"].Effects).To(HaveExactElements("WithinCapacity -> CapacityExceeded"))

		By("nothing, of what stays")
		partners, _ = planOf(ctx, partner("acme", "  customerCount: 28\n"), against(withOne()))
		Expect(partners["acme"].Declared).To(HaveExactElements(HaveField("Action", preview.Keep)))
		Expect(partners["acme"].Effects).To(BeEmpty())

		By("a plan by itself")
		documents, err := manifests.Read(manifests.Input{Paths: []string{"-"}, Stdin: strings.NewReader(header + "kind: SupportPlan\nmetadata: {name: basic}\nspec: {tier: Basic, operatingHours: {days: [Monday]}}\n")})
		Expect(err).NotTo(HaveOccurred())
		p, err := preview.New(ctx, documents, against(there()))
		Expect(err).NotTo(HaveOccurred())
		Expect(p.SupportPlans).To(HaveExactElements(HaveField("String()", `SupportPlan basic: operatingHours nothing -> {"days":["Monday"]}`)))
	})

	It("tells what changes in an object", func(ctx SpecContext) {
		f := there()
		f.Add(&corev1.Namespace{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
			ObjectMeta: metav1.ObjectMeta{Name: "partner-acme", Labels: map[string]string{
				"partner.dispel.com/partner": "acme", "app.kubernetes.io/managed-by": "somebody",
			}},
		})
		partners, _ := planOf(ctx, partner("acme", ""), against(f))
		namespace := partners["acme"].Objects[0]
		Expect(namespace.Action).To(Equal(preview.Change))
		Expect(namespace.Differences()).To(ContainElement("metadata.labels[app.kubernetes.io/managed-by]: somebody -> partner-operator"))
	})
})
