package hosts

import (
	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/snapshot"
)

// Here each link of the way from the host to the route is broken alone, of a sub-domain with
// which all is well but for what a case changes.
var _ = ginkgo.Describe("The way from a host to its route", func() {
	const host = "remote.acmecorp.com"
	claim := func(holder string) *v1alpha1.SubdomainClaim {
		return &v1alpha1.SubdomainClaim{
			TypeMeta: kinds.TypeMeta(kinds.SubdomainClaim), ObjectMeta: metav1.ObjectMeta{Name: host},
			Spec: v1alpha1.SubdomainClaimSpec{PartnerRef: v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(holder)}},
		}
	}
	declaring := func(name, host string) *v1alpha1.Partner {
		return &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.PartnerSpec{
			ChannelModel: v1alpha1.OEM, Subdomain: &v1alpha1.Subdomain{
				Host: v1alpha1.Host(host), Backend: v1alpha1.Backend{Service: &v1alpha1.ServiceBackend{Name: "engine", Port: 80}},
			},
		}}
	}
	builds := func(p *planner) objects.Builder {
		return objects.Builder{Partner: p.Partner, Settings: p.Settings, Classes: p.IngressClasses}
	}
	well := func() *planner {
		p := &planner{judged: &contract.Judgement{}, Snapshot: &snapshot.Snapshot{
			Partner: declaring("acme", host), Rights: snapshot.Rights{Claim: claim("acme")},
			Settings: objects.Settings{IngressClassName: "traefik", ReservedHostSuffixes: []string{"dispel.example"}},
			Platform: snapshot.Platform{
				BackendFound: true, SecretFound: true,
				IngressClasses: []networkingv1.IngressClass{{ObjectMeta: metav1.ObjectMeta{Name: "traefik"}}},
				APIs:           kinds.APIs{CertManager: true, Gateway: true, ReferenceGrants: true, ListenerSets: true},
			},
		}}
		p.build = builds(p)
		p.Children = []kinds.Object{p.Claim, p.build.Ingress(false, "")}
		return p
	}
	ginkgo.It("finds nothing if all is well", func() {
		w := well().walk()
		gomega.Expect(w.broken).To(gomega.BeNil())
		gomega.Expect(w.ready).To(gomega.BeTrue())
	})
	ginkgo.DescribeTable("finds",
		func(change func(*planner), reason v1alpha1.Reason, progress conditions.Progress, message string) {
			p := well()
			change(p)
			p.build = builds(p)
			w := p.walk()
			gomega.Expect(w.ready).To(gomega.BeFalse())
			gomega.Expect(w.broken).NotTo(gomega.BeNil())
			gomega.Expect(w.broken.Type).To(gomega.Equal(v1alpha1.ConditionSubdomainReady))
			gomega.Expect(w.broken.Reason).To(gomega.Equal(reason))
			gomega.Expect(w.broken.Progress).To(gomega.Equal(progress))
			gomega.Expect(w.broken.Message).To(gomega.ContainSubstring(message))
		},
		ginkgo.Entry("a model without a sub-domain", func(p *planner) { p.Partner.Spec.ChannelModel = v1alpha1.Reseller },
			v1alpha1.ReasonChannelModelWithoutSubdomain, conditions.Stalled, "a Reseller does not white-label the engine"),
		ginkgo.Entry("a reserved host", func(p *planner) { p.Partner.Spec.Subdomain.Host = "acme.dispel.example" },
			v1alpha1.ReasonHostReserved, conditions.Stalled, "is under the reserved domain dispel.example"),
		ginkgo.Entry("a public domain", func(p *planner) { p.Partner.Spec.Subdomain.Host = "co.uk" },
			v1alpha1.ReasonHostReserved, conditions.Stalled, "co.uk is a public suffix"),
		ginkgo.Entry("a host of another who declares it", func(p *planner) { p.Claim, p.Holder = claim("globex"), declaring("globex", host) },
			v1alpha1.ReasonHostClaimedByAnotherPartner, conditions.Stalled, `is held by Partner "globex": write another host`),
		ginkgo.Entry("a host of another who lets go of it", func(p *planner) {
			p.Claim, p.Holder = claim("globex"), declaring("globex", "other.example.com")
		},
			v1alpha1.ReasonHostReleasing, conditions.Waiting, "about to be released"),
		ginkgo.Entry("a host of one who is gone", func(p *planner) { p.Claim = claim("globex") },
			v1alpha1.ReasonHostReleasing, conditions.Waiting, "which does not exist"),
		ginkgo.Entry("a host of another who is suspended", func(p *planner) {
			p.Claim, p.Holder = claim("globex"), declaring("globex", "other.example.com")
			p.Holder.Spec.Suspend = new(true)
		},
			v1alpha1.ReasonHostClaimedByAnotherPartner, conditions.Stalled, "is suspended: set its spec.suspend to false"),
		ginkgo.Entry("a claim that is being deleted", func(p *planner) { p.Claim.DeletionTimestamp = new(metav1.Now()) },
			v1alpha1.ReasonHostReleasing, conditions.Waiting, "an earlier claim on remote.acmecorp.com is being deleted"),
		ginkgo.Entry("a namespace that is not ready", func(p *planner) {
			p.blocked = new(conditions.False(v1alpha1.ConditionTenantReady, v1alpha1.ReasonNamespaceTerminating, conditions.Waiting, "it is being deleted"))
		},
			v1alpha1.ReasonTenantNotReady, conditions.Waiting, "the tenant namespace, which is not ready: it is being deleted"),
		ginkgo.Entry("no claim yet", func(p *planner) { p.Claim = nil },
			v1alpha1.ReasonHostReleasing, conditions.Waiting, "is about to be claimed"),
		ginkgo.Entry("a claim that is refused", func(p *planner) {
			p.Claim, p.Failures = nil, []snapshot.Failure{{Object: claim("acme"), Refused: true, Message: "no"}}
		},
			v1alpha1.ReasonObjectRefused, conditions.Stalled, "the API server refuses SubdomainClaim remote.acmecorp.com"),
		ginkgo.Entry("a backend of a newer schema", func(p *planner) { p.Partner.Spec.Subdomain.Backend = v1alpha1.Backend{} },
			v1alpha1.ReasonBackendNotFound, conditions.Stalled, "has a type that this version does not know"),
		ginkgo.Entry("a backend in no public domain", func(p *planner) {
			p.Partner.Spec.Subdomain.Backend = v1alpha1.Backend{External: &v1alpha1.ExternalBackend{Host: "zte.partner-globex", Port: 80}}
		},
			v1alpha1.ReasonBackendNotAllowed, conditions.Stalled, "is in no public domain"),
		ginkgo.Entry("no Gateway API", func(p *planner) {
			p.Settings.Gateway, p.Settings.IngressClassName = &v1alpha1.GatewayReference{Namespace: "infra", Name: "public"}, ""
			p.APIs.Gateway = false
		},
			v1alpha1.ReasonAPINotInstalled, conditions.Stalled, "the Gateway API is not installed"),
		ginkgo.Entry("no Gateway", func(p *planner) {
			p.Settings.Gateway = &v1alpha1.GatewayReference{Namespace: "infra", Name: "public"}
		},
			v1alpha1.ReasonGatewayNotFound, conditions.Waiting, "there is no Gateway infra/public"),
		ginkgo.Entry("a route that is refused", func(p *planner) {
			p.Failures = []snapshot.Failure{{Object: p.build.Ingress(false, ""), Refused: true, Message: "no"}}
		},
			v1alpha1.ReasonObjectRefused, conditions.Stalled, "the API server refuses Ingress partner-acme/remote.acmecorp.com"),
		ginkgo.Entry("a certificate without cert-manager", func(p *planner) {
			p.Settings.DefaultIssuer, p.APIs.CertManager = &v1alpha1.IssuerReference{Name: "letsencrypt"}, false
		},
			v1alpha1.ReasonAPINotInstalled, conditions.Stalled, "cert-manager's API is not installed"),
		ginkgo.Entry("a certificate that is about to be created", func(p *planner) { p.Settings.DefaultIssuer = &v1alpha1.IssuerReference{Name: "letsencrypt"} },
			v1alpha1.ReasonCertificatePending, conditions.Waiting, "it is about to be created"),
		ginkgo.Entry("no Secret with the certificate", func(p *planner) {
			p.Partner.Spec.Subdomain.TLS, p.SecretFound = &v1alpha1.TLS{SecretName: "own"}, false
		},
			v1alpha1.ReasonSecretNotFound, conditions.Waiting, "there is no Secret partner-acme/own with the certificate"),
		ginkgo.Entry("no Service of the backend", func(p *planner) { p.BackendFound = false },
			v1alpha1.ReasonBackendNotFound, conditions.Waiting, "there is no Service partner-acme/engine"),
		ginkgo.Entry("no ingress class", func(p *planner) { p.IngressClasses = nil },
			v1alpha1.ReasonRouteNotAccepted, conditions.Stalled, `there is no IngressClass "traefik"`),
		ginkgo.Entry("no Ingress yet", func(p *planner) { p.Children = nil },
			v1alpha1.ReasonRouteNotAccepted, conditions.Waiting, "is about to be created"),
		ginkgo.Entry("a former holder's route, about to go", func(p *planner) {
			p.Routes = []snapshot.RouteRef{{Host: host, Kind: "Ingress", Namespace: "partner-globex", Name: host, Partner: "globex", Own: true}}
		},
			v1alpha1.ReasonHostRoutedElsewhere, conditions.Waiting, "delete Ingress partner-globex/remote.acmecorp.com"),
		ginkgo.Entry("somebody else's route", func(p *planner) {
			p.Routes = []snapshot.RouteRef{{Host: host, Kind: "Ingress", Namespace: "partner-globex", Name: "mine", Partner: "globex"}}
		},
			v1alpha1.ReasonHostRoutedElsewhere, conditions.Stalled, "is also routed in another tenant's namespace"),
	)
})
