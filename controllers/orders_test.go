package controllers_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/net/dns/dnsmessage"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/objects"
	ordering "github.com/dispel/partner-operator/internal/orders"
	"github.com/dispel/partner-operator/internal/snapshot"
	"github.com/dispel/partner-operator/internal/testing/cluster"
	"github.com/dispel/partner-operator/internal/testing/site"
)

var _ = Describe("Orders of certificates", func() {
	// issuers makes issuers, the one by HTTP-01 under a name of the spec's own: what earlier specs ordered counts.
	issuers := func(ctx SpecContext, acme string) {
		GinkgoHelper()
		installCertManager()
		for name, spec := range map[string]string{
			acme:          `acme: {server: "https://127.0.0.1:1/directory", privateKeySecretRef: {name: x}, solvers: [{http01: {ingress: {}}}]}`,
			"acme-dns":    `acme: {server: "https://127.0.0.1:1/directory", privateKeySecretRef: {name: x}, solvers: [{dns01: {webhook: {groupName: x, solverName: x}}}]}`,
			"own-" + acme: `ca: {secretName: x}`,
		} {
			issuer := cluster.Object(fmt.Sprintf(`{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, metadata: {name: %s}, spec: {%s}}`, name, spec))
			Expect(direct.Create(ctx, issuer)).To(Succeed())
			DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(direct.Delete(ctx, issuer))).To(Succeed()) })
		}
	}
	by := func(name, issuer string) yamlText {
		return partnerYAML(name, "").withTLS("{" + issuer + "}")
	}
	ordered := func(ctx SpecContext, name string) func() bool {
		return func() bool {
			made := &unstructured.Unstructured{}
			made.SetGroupVersionKind(kinds.CertificateGVK)
			return direct.Get(ctx, key(name+".example.com", "partner-"+name), made) == nil
		}
	}
	message := func(ctx SpecContext, name string) func() string {
		return func() string {
			said := meta.FindStatusCondition(partner(ctx, name).Status.Conditions, string(v1alpha1.ConditionSubdomainReady))
			if said == nil {
				return ""
			}
			return said.Reason + ": " + said.Message
		}
	}

	It("are made once DNS leads to the route", func(ctx SpecContext) {
		issuers(ctx, "acme")
		zone := site.NewZone(map[string][]string{"ordered-failing.example.com": {"8.8.8.8"}})
		zone.Fail(new(dnsmessage.RCodeServerFailure), func(q dnsmessage.Question) bool { return strings.HasPrefix(q.Name.String(), "ordered-failing.") })
		now := &steppedClock{}
		startManager(func(o *manager.Options) { o.OrderChecks, o.DNSServer, o.Clock = true, zone.Address, now })
		serveAt := func(name, address string) {
			GinkgoHelper()
			ingress := get(ctx, &networkingv1.Ingress{}, name+".example.com", "partner-"+name)
			ingress.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: address}}
			Expect(direct.Status().Update(ctx, ingress)).To(Succeed())
		}
		serve := func(name string) { serveAt(name, "8.8.8.8") }
		again := func(name string) {
			GinkgoHelper()
			now.step(time.Minute)
			patchPartner(ctx, name, fmt.Sprintf(`metadata: {annotations: {example.com/touched: %q}}`, now.Now().String()))
		}
		By("waiting for the route of one whose lookups fail, and then for nothing")
		applyYAML(ctx, by("ordered-failing", "issuerRef: {name: acme}"))
		Eventually(message(ctx, "ordered-failing")).Should(HaveSuffix("yet: its route has no address yet, to which DNS could lead"))
		serve("ordered-failing")
		Eventually(ordered(ctx, "ordered-failing")).Should(BeTrue())
		By("waiting for a name that is not there")
		applyYAML(ctx, by("ordered", "issuerRef: {name: acme}"))
		Eventually(message(ctx, "ordered")).Should(Equal("DNSNotReady: no certificate is ordered for ordered.example.com yet: ordered.example.com does not resolve: there is no such name: create a DNS record that points to the route's address. " +
			"`kubectl partner dns ordered` prints what to set; DNS is asked again every 30s, or not at all with spec.subdomain.tls.order: Always"))
		Expect(ordered(ctx, "ordered")()).To(BeFalse())
		eventually(ctx, "ordered", "SubdomainReady=False/DNSNotReady")
		Expect(partner(ctx, "ordered").Status.Hosts).To(ConsistOf(HaveField("Phase", v1alpha1.HostPreparing)))

		By("knowing where it has to lead")
		zone.Set("ordered.example.com", "9.9.9.9")
		serve("ordered")
		Eventually(message(ctx, "ordered")).Should(ContainSubstring("ordered.example.com resolves to 9.9.9.9, and the route is served at 8.8.8.8: point the DNS record there"))
		Expect(ordered(ctx, "ordered")()).To(BeFalse())

		By("setting the record")
		zone.Set("ordered.example.com", "8.8.8.8")
		again("ordered")
		Eventually(ordered(ctx, "ordered")).Should(BeTrue())
		eventually(ctx, "ordered", "SubdomainReady=False/CertificatePending")

		By("and never holding back what is there")
		zone.Set("ordered.example.com")
		again("ordered")
		Consistently(message(ctx, "ordered")).WithTimeout(2 * time.Second).Should(HavePrefix("CertificatePending: "))
		Expect(ordered(ctx, "ordered")()).To(BeTrue())

		By("ordering at once what need not wait")
		By("and where the route has an address behind NAT, to which DNS cannot lead")
		zone.Set("ordered-nat.example.com", "9.9.9.9")
		applyYAML(ctx, by("ordered-nat", "issuerRef: {name: acme}"))
		Eventually(func() error {
			return direct.Get(ctx, key("ordered-nat.example.com", "partner-ordered-nat"), &networkingv1.Ingress{})
		}).Should(Succeed())
		serveAt("ordered-nat", "10.0.0.5")
		Eventually(ordered(ctx, "ordered-nat")).Should(BeTrue())
		applyYAML(ctx, by("ordered-always", "issuerRef: {name: acme}, order: Always")+by("ordered-own", "issuerRef: {name: own-acme}")+by("ordered-dns", "issuerRef: {name: acme-dns}"))
		applyYAML(ctx, by("ordered-issuer", "issuerRef: {kind: Issuer, name: missing}"))
		for _, name := range []string{"ordered-always", "ordered-own", "ordered-dns", "ordered-issuer"} {
			Eventually(ordered(ctx, name)).Should(BeTrue())
		}
	})

	It("are paced, also by a manager that begins anew", func(ctx SpecContext) {
		issuers(ctx, "acme-paced")
		names := []string{"paced-a", "paced-b", "paced-c", "paced-d", "paced-e"}
		now := &steppedClock{}
		paced := func(o *manager.Options) { o.OrdersPerHour, o.Clock = 2, now }
		first := startManager(paced)
		var all yamlText
		for _, name := range names {
			all += by(name, "issuerRef: {name: acme-paced}")
		}
		applyYAML(ctx, all)
		made := func() (count int) {
			for _, name := range names {
				if ordered(ctx, name)() {
					count++
				}
			}
			return count
		}
		waiting := func() (places []string) {
			for _, name := range names {
				said := meta.FindStatusCondition(partner(ctx, name).Status.Conditions, string(v1alpha1.ConditionSubdomainReady))
				if said != nil && said.Reason == string(v1alpha1.ReasonOrdersPaced) {
					_, place, _ := strings.Cut(said.Message, "yet: ClusterIssuer acme-paced gets 2 orders an hour (--orders-per-hour): ")
					places = append(places, place)
				}
			}
			return places
		}
		Eventually(made).Should(Equal(2))
		Eventually(waiting).Should(ConsistOf(HavePrefix("place 1, about "), HavePrefix("place 2, about "), HavePrefix("place 3, about ")))
		Expect(waiting()).To(HaveLen(3)) // SubdomainReady=False/OrdersPaced
		first.stop()

		By("beginning anew, which forgets none")
		second := startManager(paced)
		Eventually(waiting).Should(HaveLen(3))
		Consistently(made).WithTimeout(2 * time.Second).Should(Equal(2))

		By("letting an hour pass, and another")
		for _, want := range []int{4, 5} {
			now.step(61 * time.Minute)
			for _, name := range names {
				patchPartner(ctx, name, fmt.Sprintf(`metadata: {annotations: {example.com/touched: %q}}`, now.Now().String()))
			}
			Eventually(made).Should(Equal(want))
		}
		second.stop()
	})

	It("are paced only where one is made, and where the issuer changes", func(ctx SpecContext) {
		issuers(ctx, "acme-turns")
		now := &steppedClock{}
		startManager(func(o *manager.Options) { o.OrdersPerHour, o.Clock = 1, now })
		By("giving no turn to a contract that has ended, and one to a contract that is to begin")
		applyYAML(ctx, by("turn-ended", "issuerRef: {name: acme-turns}").replacing("channelModel: OEM", "channelModel: OEM\n  validUntil: \"2026-01-01\""))
		Eventually(func() []v1alpha1.HostStatus { return partner(ctx, "turn-ended").Status.Hosts }).ShouldNot(BeEmpty())
		applyYAML(ctx, by("turn-ahead", "issuerRef: {name: acme-turns}").replacing("channelModel: OEM", "channelModel: OEM\n  validFrom: \"2099-01-01\""))
		Eventually(ordered(ctx, "turn-ahead")).Should(BeTrue())
		applyYAML(ctx, by("turn-second", "issuerRef: {name: acme-turns}"))
		Eventually(message(ctx, "turn-second")).Should(ContainSubstring("place 1, about"))

		By("having a change of the issuer wait, too, while the certificate serves")
		applyYAML(ctx, by("turn-changing", "issuerRef: {name: own-acme-turns}"))
		Eventually(ordered(ctx, "turn-changing")).Should(BeTrue())
		issuer := func() string {
			made := &unstructured.Unstructured{}
			made.SetGroupVersionKind(kinds.CertificateGVK)
			Expect(direct.Get(ctx, key("turn-changing.example.com", "partner-turn-changing"), made)).To(Succeed())
			name, _, _ := unstructured.NestedString(made.Object, "spec", "issuerRef", "name")
			return name
		}
		generation := partner(ctx, "turn-changing").Generation
		patchPartner(ctx, "turn-changing", `spec: {subdomain: {tls: {issuerRef: {name: acme-turns}}}}`)
		Eventually(func() int64 { return partner(ctx, "turn-changing").Status.ObservedGeneration }).Should(BeNumerically(">", generation))
		Expect(issuer()).To(Equal("own-acme-turns"))
		Expect(message(ctx, "turn-changing")()).To(ContainSubstring("CertificatePending")) // which nobody issues here
		By("an hour later, and another")
		for range 2 {
			now.step(61 * time.Minute)
			for _, name := range []string{"turn-second", "turn-changing"} {
				patchPartner(ctx, name, fmt.Sprintf(`metadata: {annotations: {example.com/touched: %q}}`, now.Now().String()))
			}
			Eventually(func() bool { return ordered(ctx, "turn-second")() || issuer() == "acme-turns" }).Should(BeTrue())
		}
		Eventually(issuer).Should(Equal("acme-turns"))
		Expect(ordered(ctx, "turn-second")()).To(BeTrue())
	})

	It("of a thousand partners are a hundred an hour, across restarts", func(ctx SpecContext) {
		issuers(ctx, "acme-many")
		const hosts, perHour = 1000, 100
		now := &steppedClock{}
		begin := func() *ordering.Gate {
			return ordering.New(ordering.Options{Issuers: direct, Certificates: direct, PerHour: perHour, Clock: now})
		}
		certificateOf := func(i int) *unstructured.Unstructured {
			of := &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("many-%d", i)}, Spec: v1alpha1.PartnerSpec{
				Subdomain: &v1alpha1.Subdomain{Host: v1alpha1.Host(fmt.Sprintf("many-%d.example.com", i))},
			}}
			certificate := objects.Builder{Partner: of}.Certificate(v1alpha1.IssuerReference{Name: "acme-many"})
			certificate.SetNamespace("default")
			return certificate
		}
		ordered := map[int]bool{}
		ask := func(gate *ordering.Gate) (granted int, last *snapshot.Order) {
			GinkgoHelper()
			for i := range hosts {
				if ordered[i] {
					continue
				}
				certificate := certificateOf(i)
				if order, _ := gate.Turn(ctx, certificate, nil, now.Now()); order != nil {
					last = order
					continue
				}
				ordered[i] = true
				granted++
				certificate.SetOwnerReferences(nil)
				certificate.SetAnnotations(map[string]string{v1alpha1.AppliedAnnotation: "x"})
				Expect(direct.Create(ctx, certificate)).To(Succeed())
				DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(direct.Delete(ctx, certificate))).To(Succeed()) })
			}
			return granted, last
		}
		first := begin()
		granted, last := ask(first)
		Expect(granted).To(Equal(perHour))
		Expect(last.Message).To(HavePrefix("ClusterIssuer acme-many gets 100 orders an hour (--orders-per-hour): place 900, about "))
		Expect(last.Again.Sub(now.Now())).To(BeNumerically("~", 10*time.Minute, time.Minute))
		By("beginning anew in the same hour")
		second := begin()
		granted, _ = ask(second)
		Expect(granted).To(BeZero())
		By("giving a turn back that was not used, and no second one to the same Certificate")
		alone := ordering.New(ordering.Options{Issuers: direct, Certificates: direct, PerHour: perHour + 1, Clock: now})
		takes := func() (taken bool, giveBack func()) {
			order, giveBack := alone.Turn(ctx, certificateOf(hosts), nil, now.Now())
			return order == nil, giveBack
		}
		taken, giveBack := takes()
		Expect(taken).To(BeTrue())
		giveBack()
		taken, _ = takes()
		Expect(taken).To(BeTrue())
		taken, _ = takes()
		Expect(taken).To(BeFalse())
		By("an hour later, and anew again")
		now.step(61 * time.Minute)
		granted, _ = ask(second)
		Expect(granted).To(Equal(perHour))
		Expect(ordered).To(HaveLen(2 * perHour))
	})
})
