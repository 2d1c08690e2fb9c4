package hosts

import (
	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/snapshot"
)

// An engine that asks for TLS while its route is about to change.
var _ = ginkgo.Describe("A route to an engine over TLS", func() {
	const host = "remote.acmecorp.com"
	var s *snapshot.Snapshot
	var build objects.Builder
	ginkgo.BeforeEach(func() {
		s = &snapshot.Snapshot{
			Partner: &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: v1alpha1.PartnerSpec{ChannelModel: v1alpha1.OEM, Subdomain: &v1alpha1.Subdomain{
				Host: host, Backend: v1alpha1.Backend{Service: &v1alpha1.ServiceBackend{Name: "engine", Port: 443}},
			}}},
			Settings: objects.Settings{IngressClassName: "traefik"},
			Platform: snapshot.Platform{
				BackendFound: true, APIs: kinds.APIs{Gateway: true, BackendTLSPolicies: true, Traefik: true},
				IngressClasses: []networkingv1.IngressClass{{ObjectMeta: metav1.ObjectMeta{Name: "traefik"}, Spec: networkingv1.IngressClassSpec{Controller: objects.TraefikIngress}}},
			},
		}
		build = objects.Builder{Partner: s.Partner, Settings: s.Settings, Classes: s.IngressClasses}
		claim := build.Claim(host)
		s.Claim = claim
		s.Children = []kinds.Object{claim}
	})
	demand := func() {
		s.Partner.Spec.Subdomain.Backend.TLS = &v1alpha1.BackendTLS{CACertificates: v1alpha1.CACertificates{WellKnown: v1alpha1.SystemCAs}}
	}
	plan := func() Plan { return New(s, &contract.Judgement{}, nil) }

	ginkgo.It("is kept where it cannot be written, but not in clear text", func() {
		ingress := build.Ingress(false, "")
		s.Children = append(s.Children, ingress)
		s.Failures = []snapshot.Failure{{Object: ingress, Refused: true, Message: "a policy forbids it"}}
		p := plan()
		gomega.Expect(p.Keeps(ingress)).To(gomega.BeTrue())
		demand()
		p = plan()
		gomega.Expect(p.Keeps(ingress)).To(gomega.BeFalse())
		ginkgo.By("having been written with TLS before")
		s.Children = append(s.Children[:1], build.Ingress(false, ""), build.EngineService())
		p = plan()
		gomega.Expect(p.Keeps(ingress)).To(gomega.BeTrue())
	})

	ginkgo.It("has a policy for the Service that it leads to, and for the one that it is to lead to", func() {
		s.Settings.Gateway = &v1alpha1.GatewayReference{Namespace: "infra", Name: "public"}
		s.Gateways = []gatewayv1.Gateway{{ObjectMeta: metav1.ObjectMeta{Namespace: "infra", Name: "public"}, Spec: gatewayv1.GatewaySpec{GatewayClassName: "public"}}}
		s.GatewayClasses = []gatewayv1.GatewayClass{{
			ObjectMeta: metav1.ObjectMeta{Name: "public"}, Status: gatewayv1.GatewayClassStatus{SupportedFeatures: []gatewayv1.SupportedFeature{{Name: kinds.BackendTLSPolicy}}},
		}}
		demand()
		build.Settings = s.Settings
		s.Children = append(s.Children, build.HTTPRoute(objects.GatewayLink{Gateway: &s.Gateways[0]}, false), build.BackendTLSPolicy())
		s.Partner.Spec.Subdomain.Backend.Service.Name = "engine-b"
		targets := func() (names []string) {
			for _, object := range plan().Hosts[0].Write {
				if policy, ok := object.(*gatewayv1.BackendTLSPolicy); ok {
					for _, target := range policy.Spec.TargetRefs {
						names = append(names, string(target.Name))
					}
				}
			}
			return names
		}
		gomega.Expect(targets()).To(gomega.Equal([]string{"engine-b", "engine"}))
		ginkgo.By("once the route leads there")
		s.Children[1] = build.HTTPRoute(objects.GatewayLink{Gateway: &s.Gateways[0]}, false)
		gomega.Expect(targets()).To(gomega.Equal([]string{"engine-b"}))
	})

	ginkgo.It("to another engine, of a former host, goes on", func() {
		former := build.Ingress(false, "")
		former.Name = "old.acmecorp.com"
		former.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name = "engine-of-old"
		demand()
		gomega.Expect(build.InClear(former, s.Child)).To(gomega.BeFalse())
		former.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name = "engine"
		gomega.Expect(build.InClear(former, s.Child)).To(gomega.BeTrue())
	})
})
