package tenant

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

// A check is a link of the chain from the host to the route. Here each is asked alone,
// of a sub-domain with which all is well but for what a case changes.
var _ = ginkgo.Describe("The check", func() {
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
	well := func() *evaluation {
		e := &evaluation{judged: &contract.Judgement{}, in: snapshot.Snapshot{
			Partner: declaring("acme", host), Claim: claim("acme"), BackendFound: true, SecretFound: true,
			IngressClasses: []networkingv1.IngressClass{{ObjectMeta: metav1.ObjectMeta{Name: "traefik"}}},
			Settings:       objects.Settings{IngressClassName: "traefik", ReservedHostSuffixes: []string{"dispel.example"}},
			APIs:           kinds.APIs{CertManager: true, Gateway: true, ReferenceGrants: true, ListenerSets: true},
		}}
		e.build = objects.Builder{Partner: e.in.Partner, Settings: e.in.Settings, Classes: e.in.IngressClasses}
		e.in.Children = []kinds.Object{e.in.Claim, e.build.Ingress(false, "")}
		return e
	}
	type check = func(*evaluation) func() *conditions.Finding
	ginkgo.DescribeTable("finds",
		func(of check, change func(*evaluation), reason v1alpha1.Reason, progress conditions.Progress, message string) {
			gomega.Expect(of(well())()).To(gomega.BeNil(), "all is well without the change")
			e := well()
			change(e)
			e.build = objects.Builder{Partner: e.in.Partner, Settings: e.in.Settings, Classes: e.in.IngressClasses}
			found := of(e)()
			gomega.Expect(found).NotTo(gomega.BeNil())
			gomega.Expect(found.Type).To(gomega.Equal(v1alpha1.ConditionSubdomainReady))
			gomega.Expect(found.Reason).To(gomega.Equal(reason))
			gomega.Expect(found.Progress).To(gomega.Equal(progress))
			gomega.Expect(found.Message).To(gomega.ContainSubstring(message))
		},
		ginkgo.Entry("a model without a sub-domain", func(e *evaluation) func() *conditions.Finding { return e.modelWithoutSubdomain },
			func(e *evaluation) { e.in.Partner.Spec.ChannelModel = v1alpha1.Reseller },
			v1alpha1.ReasonChannelModelWithoutSubdomain, conditions.Stalled, "a Reseller does not white-label the engine"),
		ginkgo.Entry("a reserved host", func(e *evaluation) func() *conditions.Finding { return e.hostReserved },
			func(e *evaluation) { e.in.Partner.Spec.Subdomain.Host = "acme.dispel.example" },
			v1alpha1.ReasonHostReserved, conditions.Stalled, "hosts under dispel.example are reserved"),
		ginkgo.Entry("a public domain", func(e *evaluation) func() *conditions.Finding { return e.hostPublic },
			func(e *evaluation) { e.in.Partner.Spec.Subdomain.Host = "co.uk" },
			v1alpha1.ReasonHostReserved, conditions.Stalled, "co.uk is a domain under which anybody can have names"),
		ginkgo.Entry("a host of another who declares it", func(e *evaluation) func() *conditions.Finding { return e.hostTaken },
			func(e *evaluation) { e.in.Claim, e.in.Holder = claim("globex"), declaring("globex", host) },
			v1alpha1.ReasonHostClaimedByAnotherPartner, conditions.Stalled, `is held by Partner "globex": write another host`),
		ginkgo.Entry("a host of another who lets go of it", func(e *evaluation) func() *conditions.Finding { return e.hostTaken },
			func(e *evaluation) {
				e.in.Claim, e.in.Holder = claim("globex"), declaring("globex", "other.example.com")
			},
			v1alpha1.ReasonHostReleasing, conditions.Waiting, "about to be released"),
		ginkgo.Entry("a host of one who is gone", func(e *evaluation) func() *conditions.Finding { return e.hostTaken },
			func(e *evaluation) { e.in.Claim = claim("globex") },
			v1alpha1.ReasonHostReleasing, conditions.Waiting, "which does not exist"),
		ginkgo.Entry("a host of another who is suspended", func(e *evaluation) func() *conditions.Finding { return e.hostTaken },
			func(e *evaluation) {
				e.in.Claim, e.in.Holder = claim("globex"), declaring("globex", "other.example.com")
				e.in.Holder.Spec.Suspend = new(true)
			},
			v1alpha1.ReasonHostClaimedByAnotherPartner, conditions.Stalled, "is suspended: set its spec.suspend to false"),
		ginkgo.Entry("a claim that is being deleted", func(e *evaluation) func() *conditions.Finding { return e.claimReleasing },
			func(e *evaluation) { e.in.Claim.DeletionTimestamp = new(metav1.Now()) },
			v1alpha1.ReasonHostReleasing, conditions.Waiting, "an earlier claim on remote.acmecorp.com is being deleted"),
		ginkgo.Entry("a namespace that is not ready", func(e *evaluation) func() *conditions.Finding { return e.tenantUnready },
			func(e *evaluation) {
				e.blocked = true
				e.tenantReady = conditions.False(v1alpha1.ConditionTenantReady, v1alpha1.ReasonNamespaceTerminating, conditions.Waiting, "it is being deleted")
			},
			v1alpha1.ReasonTenantNotReady, conditions.Waiting, "the tenant namespace, which is not ready: it is being deleted"),
		ginkgo.Entry("no claim yet", func(e *evaluation) func() *conditions.Finding { return e.claimMissing },
			func(e *evaluation) { e.in.Claim = nil },
			v1alpha1.ReasonHostReleasing, conditions.Waiting, "is about to be claimed"),
		ginkgo.Entry("a claim that is refused", func(e *evaluation) func() *conditions.Finding { return e.claimMissing },
			func(e *evaluation) {
				e.in.Claim, e.in.Failures = nil, []snapshot.Failure{{Object: claim("acme"), Refused: true, Message: "no"}}
			},
			v1alpha1.ReasonObjectRefused, conditions.Stalled, "the API server refuses SubdomainClaim remote.acmecorp.com"),
		ginkgo.Entry("a backend of a newer schema", func(e *evaluation) func() *conditions.Finding { return e.backendUnknown },
			func(e *evaluation) { e.in.Partner.Spec.Subdomain.Backend = v1alpha1.Backend{} },
			v1alpha1.ReasonBackendNotFound, conditions.Stalled, "of a sort that this version does not know"),
		ginkgo.Entry("a backend in no public domain", func(e *evaluation) func() *conditions.Finding { return e.backendNotAllowed },
			func(e *evaluation) {
				e.in.Partner.Spec.Subdomain.Backend = v1alpha1.Backend{External: &v1alpha1.ExternalBackend{Host: "zte.partner-globex", Port: 80}}
			},
			v1alpha1.ReasonBackendNotAllowed, conditions.Stalled, "is in no public domain"),
		ginkgo.Entry("no Gateway API", func(e *evaluation) func() *conditions.Finding { return e.gatewayUnready },
			func(e *evaluation) {
				e.in.Settings.Gateway, e.in.Settings.IngressClassName = &v1alpha1.GatewayReference{Namespace: "infra", Name: "public"}, ""
				e.in.APIs.Gateway = false
			},
			v1alpha1.ReasonAPINotInstalled, conditions.Stalled, "the Gateway API is not installed"),
		ginkgo.Entry("no Gateway", func(e *evaluation) func() *conditions.Finding { return e.gatewayUnready },
			func(e *evaluation) {
				e.in.Settings.Gateway = &v1alpha1.GatewayReference{Namespace: "infra", Name: "public"}
			},
			v1alpha1.ReasonGatewayNotFound, conditions.Waiting, "there is no Gateway infra/public"),
		ginkgo.Entry("a route that is refused", func(e *evaluation) func() *conditions.Finding { return e.routeNotWritten },
			func(e *evaluation) {
				e.in.Failures = []snapshot.Failure{{Object: e.build.Ingress(false, ""), Refused: true, Message: "no"}}
			},
			v1alpha1.ReasonObjectRefused, conditions.Stalled, "the API server refuses Ingress partner-acme/remote.acmecorp.com"),
		ginkgo.Entry("a certificate without cert-manager", func(e *evaluation) func() *conditions.Finding { return e.certificateNotServed },
			func(e *evaluation) {
				e.in.Settings.DefaultIssuer, e.in.APIs.CertManager = &v1alpha1.IssuerReference{Name: "letsencrypt"}, false
			},
			v1alpha1.ReasonAPINotInstalled, conditions.Stalled, "cert-manager's API is not installed"),
		ginkgo.Entry("a certificate that is about to be created", func(e *evaluation) func() *conditions.Finding { return e.certificateNotServed },
			func(e *evaluation) { e.in.Settings.DefaultIssuer = &v1alpha1.IssuerReference{Name: "letsencrypt"} },
			v1alpha1.ReasonCertificatePending, conditions.Waiting, "it is about to be created"),
		ginkgo.Entry("no Secret with the certificate", func(e *evaluation) func() *conditions.Finding { return e.certificateNotServed },
			func(e *evaluation) {
				e.in.Partner.Spec.Subdomain.TLS, e.in.SecretFound = &v1alpha1.TLS{SecretName: "own"}, false
			},
			v1alpha1.ReasonSecretNotFound, conditions.Waiting, "there is no Secret partner-acme/own with the certificate"),
		ginkgo.Entry("no Service of the backend", func(e *evaluation) func() *conditions.Finding { return e.backendMissing },
			func(e *evaluation) { e.in.BackendFound = false },
			v1alpha1.ReasonBackendNotFound, conditions.Waiting, "there is no Service partner-acme/engine"),
		ginkgo.Entry("no ingress class", func(e *evaluation) func() *conditions.Finding { return e.routeNotAccepted },
			func(e *evaluation) { e.in.IngressClasses = nil },
			v1alpha1.ReasonRouteNotAccepted, conditions.Stalled, `there is no IngressClass "traefik"`),
		ginkgo.Entry("no Ingress yet", func(e *evaluation) func() *conditions.Finding { return e.routeNotAccepted },
			func(e *evaluation) { e.in.Children = nil },
			v1alpha1.ReasonRouteNotAccepted, conditions.Waiting, "is about to be created"),
		ginkgo.Entry("a former holder's route, about to go", func(e *evaluation) func() *conditions.Finding { return e.hostRoutedElsewhere },
			func(e *evaluation) {
				e.in.Routes = []snapshot.RouteRef{{Host: host, Kind: "Ingress", Namespace: "partner-globex", Name: host, Partner: "globex", Own: true}}
			},
			v1alpha1.ReasonHostRoutedElsewhere, conditions.Waiting, "have Ingress partner-globex/remote.acmecorp.com deleted"),
		ginkgo.Entry("somebody else's route", func(e *evaluation) func() *conditions.Finding { return e.hostRoutedElsewhere },
			func(e *evaluation) {
				e.in.Routes = []snapshot.RouteRef{{Host: host, Kind: "Ingress", Namespace: "partner-globex", Name: "mine", Partner: "globex"}}
			},
			v1alpha1.ReasonHostRoutedElsewhere, conditions.Stalled, "is routed in another tenant's namespace, too"),
	)
})
