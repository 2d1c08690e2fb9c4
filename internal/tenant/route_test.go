package tenant_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/snapshot"
	"github.com/dispel/partner-operator/internal/tenant"
)

var _ = Describe("A route that another has taken the place of", func() {
	// ingressOf is the Ingress that an outcome writes; nil if it writes none.
	ingressOf := func(outcome tenant.Outcome) *networkingv1.Ingress {
		for _, object := range outcome.Objects {
			if ingress, ok := object.(*networkingv1.Ingress); ok {
				return ingress
			}
		}
		return nil
	}

	It("is hidden from external-dns as it is, once, when the other has an address", func() {
		s := readSnapshot("testdata/gateway-from-ingress.in.yaml")
		var observed *networkingv1.Ingress
		for i, child := range s.Children {
			if ingress, ok := child.(*networkingv1.Ingress); ok {
				ingress.UID, ingress.ResourceVersion, ingress.Generation = "x", "7", 3
				ingress.Annotations["external-dns.kubernetes.io/ttl"] = "60"
				observed = ingress
				s.Children[i] = ingress.DeepCopy()
			}
		}
		written := ingressOf(tenant.Evaluate(s))
		Expect(written).NotTo(BeNil())
		Expect(written.Annotations).To(Equal(map[string]string{
			"external-dns.kubernetes.io/ttl": "60", "external-dns.kubernetes.io/controller": "partner-operator",
			"external-dns.alpha.kubernetes.io/controller": "partner-operator", "partner.dispel.com/replaced-at": "2026-12-01T12:00:00Z",
		}))
		Expect(written.Spec).To(Equal(observed.Spec))
		Expect(written.Labels).To(Equal(observed.Labels))
		Expect([]string{string(written.UID), written.ResourceVersion}).To(Equal([]string{"", ""}))
		Expect(written.Generation).To(BeZero())

		By("staying for the overlap and the TTL from then on")
		outcome := tenant.Settle(s)
		Expect(ingressOf(outcome)).To(BeNil())
		Expect(outcome.Prune).To(BeEmpty())
		Expect(outcome.RequeueAt).To(Equal(goldenNow.Add(70 * time.Second)))

		By("not being hidden while the record would have nowhere to lead")
		s.Gateways = append([]gatewayv1.Gateway{}, s.Gateways...)
		s.Gateways[0].Status.Addresses = nil
		Expect(ingressOf(tenant.Evaluate(s)).Annotations).To(Equal(map[string]string{
			"external-dns.kubernetes.io/ttl": "60", "partner.dispel.com/replaced-at": "2026-12-01T12:00:00Z",
		}))
	})

	It("is the declared one again as it is declared, in sight of external-dns", func() {
		s := readSnapshot("testdata/gateway-from-ingress-done.in.yaml")
		s.Partner.Spec.Subdomain.Route = &v1alpha1.Route{IngressClassName: "traefik"}
		written := ingressOf(tenant.Evaluate(s))
		Expect(written).NotTo(BeNil())
		Expect(written.Annotations).NotTo(HaveKey("external-dns.kubernetes.io/controller"))
		Expect(written.Annotations).NotTo(HaveKey("partner.dispel.com/replaced-at"))
	})

	It("goes in time although it cannot be hidden, and does not make the sub-domain unready", func() {
		s := readSnapshot("testdata/gateway-from-ingress.in.yaml")
		s.Failures = []snapshot.Failure{{Object: ingressOf(tenant.Evaluate(s)), Refused: true, Message: "no"}}
		outcome := tenant.Evaluate(s)
		Expect(ingressOf(outcome)).To(BeNil())
		Expect(outcome.Status.Conditions).To(ContainElement(And(HaveField("Type", "Ready"), HaveField("Reason", "Provisioned"))))
		Expect(outcome.Prune).To(ContainElement(HaveField("Name", "remote.acmecorp.com")))
	})

	It("is hidden only when the controller has had time to load the other", func() {
		s := readSnapshot("testdata/gateway-from-ingress.in.yaml")
		for i := range s.Partner.Status.Conditions {
			s.Partner.Status.Conditions[i].LastTransitionTime.Time = goldenNow.Add(-4 * time.Second)
		}
		outcome := tenant.Evaluate(s)
		Expect(ingressOf(outcome)).To(BeNil())
		Expect(outcome.RequeueAt).To(Equal(goldenNow.Add(time.Second)), "half of the overlap")
		s.Now = goldenNow.Add(time.Second)
		Expect(ingressOf(tenant.Evaluate(s))).NotTo(BeNil())
	})

	It("is in sight of external-dns again once the other fails", func() {
		s := readSnapshot("testdata/gateway-from-ingress-done.in.yaml")
		s.Gateways[0].Status.Conditions[0].Status = "False"
		for _, child := range s.Children {
			if route, ok := child.(*gatewayv1.HTTPRoute); ok {
				route.Status.Parents[0].Conditions[0].Status = "False"
			}
		}
		written := ingressOf(tenant.Evaluate(s))
		Expect(written).NotTo(BeNil())
		Expect(written.Annotations).To(BeEmpty())
		Expect(ingressOf(tenant.Settle(s))).To(BeNil(), "once")
	})

	DescribeTable("stays for the overlap and a TTL that makes sense",
		func(ttl string, overlap, stays time.Duration) {
			s := readSnapshot("testdata/gateway-from-ingress.in.yaml")
			s.Settings.RouteOverlap = overlap
			for _, child := range s.Children {
				if ingress, ok := child.(*networkingv1.Ingress); ok {
					ingress.Annotations["external-dns.alpha.kubernetes.io/ttl"] = ttl
				}
			}
			Expect(tenant.Settle(s).RequeueAt).To(Equal(goldenNow.Add(stays)))
		},
		Entry("seconds", "60", time.Minute, 2*time.Minute),
		Entry("a duration", "5m", time.Minute, 6*time.Minute),
		Entry("no more than a day", "100h", time.Minute, 24*time.Hour),
		Entry("but for a longer overlap", "60", 48*time.Hour, 48*time.Hour),
		Entry("a negative one", "-600", time.Minute, time.Minute),
		Entry("anything else", "soon", time.Minute, time.Minute),
	)
})
