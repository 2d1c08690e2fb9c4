package controllers_test

import (
	"context"
	"fmt"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

func ingressOf(name, host string) *networkingv1.Ingress {
	return &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: objects.DefaultNamespace(name), Name: host}}
}

func claimOf(host string) *v1alpha1.SubdomainClaim {
	return &v1alpha1.SubdomainClaim{ObjectMeta: metav1.ObjectMeta{Name: host}}
}

var _ = Describe("A host", func() {
	It("that another partner holds is taken over when the holder lets go", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("holder", "").replacing("holder.example.com", "wanted.example.com"))
		eventually(ctx, "holder", "Ready=True/Provisioned")
		applyYAML(ctx, partnerYAML("rival", "").replacing("rival.example.com", "wanted.example.com"))
		eventually(ctx, "rival", "Ready=False/HostClaimedByAnotherPartner", "Stalled=True/HostClaimedByAnotherPartner",
			"SubdomainReady=False/HostClaimedByAnotherPartner", "TenantReady=True/TenantProvisioned", "SupportWidgetEnabled=False/NoPCSMAllocation")
		Expect(message(ctx, "rival", v1alpha1.ConditionSubdomainReady)).To(Equal(
			`wanted.example.com is held by Partner "holder": write another host, or remove it from that partner`))

		By("moving the holder to another host")
		patchPartner(ctx, "holder", `spec: {subdomain: {host: holder.example.com}}`)
		eventually(ctx, "holder", "Ready=True/Provisioned")
		eventually(ctx, "rival", "Ready=True/Provisioned")
		Expect(get(ctx, claimOf(""), "wanted.example.com").Spec.PartnerRef.Name).To(BeEquivalentTo("rival"))

		By("deleting the new holder, with the old one coming back")
		patchPartner(ctx, "holder", `spec: {subdomain: {host: wanted.example.com}}`)
		eventually(ctx, "holder", "SubdomainReady=False/HostClaimedByAnotherPartner")
		Expect(partner(ctx, "holder").Status.Subdomain.URL).To(Equal("http://holder.example.com"), "served as before until then")
		Expect(message(ctx, "holder", v1alpha1.ConditionReady)).To(HaveSuffix("; until then http://holder.example.com is served by the Ingress as before"))
		Expect(direct.Delete(ctx, partner(ctx, "rival"))).To(Succeed())
		eventually(ctx, "holder", "Ready=True/Provisioned")
		eventuallyGone(ctx, ingressOf("holder", "holder.example.com"))
		eventuallyGone(ctx, claimOf("holder.example.com"))
	})

	It("whose claim a finalizer keeps waits for that, and says so", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("returning", ""))
		eventually(ctx, "returning", "Ready=True/Provisioned")
		patch(ctx, claimOf("returning.example.com"), `metadata: {finalizers: [example.com/stuck]}`)
		patchPartner(ctx, "returning", `spec: {subdomain: {host: away.example.com}}`)
		Eventually(func() bool { return get(ctx, claimOf(""), "returning.example.com").DeletionTimestamp.IsZero() }).Should(BeFalse())
		patchPartner(ctx, "returning", `spec: {subdomain: {host: returning.example.com}}`)
		eventually(ctx, "returning", "SubdomainReady=False/HostReleasing")
		Expect(message(ctx, "returning", v1alpha1.ConditionSubdomainReady)).To(HavePrefix("an earlier claim on returning.example.com is being deleted"))
		patch(ctx, claimOf("returning.example.com"), `metadata: {finalizers: null}`)
		eventually(ctx, "returning", "Ready=True/Provisioned")
	})

	It("that somebody waits for is told of as its holder changes", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("leaver", ""))
		eventually(ctx, "leaver", "Ready=True/Provisioned")
		applyYAML(ctx, partnerYAML("waiter", "").replacing("waiter.example.com", "leaver.example.com"))
		eventually(ctx, "waiter", "SubdomainReady=False/HostClaimedByAnotherPartner")
		patchPartner(ctx, "leaver", `spec: {suspend: true, subdomain: null}`)
		Eventually(func() string { return message(ctx, "waiter", v1alpha1.ConditionSubdomainReady) }).Should(Equal(
			`leaver.example.com is still held for Partner "leaver", which no longer declares it and is suspended: set its spec.suspend to false, so that it lets go`))
		patchPartner(ctx, "leaver", `spec: {suspend: null}`)
		eventually(ctx, "waiter", "Ready=True/Provisioned")
	})

	It("that is routed in a namespace which becomes a tenant's is told of, and when that ends", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("invaded", ""))
		eventually(ctx, "invaded", "Ready=True/Provisioned")
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "legacy-prod", Annotations: map[string]string{v1alpha1.AdoptAnnotation: "adopter"}}}
		Expect(direct.Create(ctx, namespace)).To(Succeed())
		Expect(direct.Create(ctx, &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "legacy"}, Spec: networkingv1.IngressSpec{
			DefaultBackend: &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "engine", Port: networkingv1.ServiceBackendPort{Number: 80}}},
			Rules:          []networkingv1.IngressRule{{Host: "invaded.example.com"}},
		}})).To(Succeed())
		applyYAML(ctx, partnerYAML("adopter", inNamespace(namespace.Name)))
		eventually(ctx, "adopter", "Ready=True/Provisioned")
		eventually(ctx, "invaded", "SubdomainReady=False/HostRoutedElsewhere")

		By("taking the label off, with the Partner gone")
		Expect(direct.Delete(ctx, partner(ctx, "adopter"))).To(Succeed())
		eventuallyForgetsHosts(ctx, namespace.Name)
		patch(ctx, namespace, `metadata: {labels: {partner.dispel.com/partner: null}}`)
		eventually(ctx, "invaded", "Ready=True/Provisioned")
	})

	It("that many want at once has one holder, and the others are told who", func(ctx SpecContext) {
		startManager()
		startManager() // two replicas that both believe to lead
		const rivals, rounds = 2, 30
		for round := range rounds {
			host := fmt.Sprintf("race-%d.example.com", round)
			var wait sync.WaitGroup
			for i := range rivals {
				name := fmt.Sprintf("race-%d-%d", round, i)
				manifest := partnerYAML(name, "").replacing(name+".example.com", host)
				wait.Go(func() {
					defer GinkgoRecover()
					applyYAML(ctx, manifest)
				})
			}
			wait.Wait()
			var holder string
			Eventually(func(ctx context.Context) error {
				claim := claimOf("")
				err := direct.Get(ctx, key(host), claim)
				holder = string(claim.Spec.PartnerRef.Name)
				return err
			}).WithContext(ctx).Should(Succeed())
			for i := range rivals {
				name := fmt.Sprintf("race-%d-%d", round, i)
				if name == holder {
					eventually(ctx, name, "Ready=True/Provisioned")
					continue
				}
				eventually(ctx, name, "SubdomainReady=False/HostClaimedByAnotherPartner")
				Expect(message(ctx, name, v1alpha1.ConditionSubdomainReady)).To(ContainSubstring(fmt.Sprintf("held by Partner %q", holder)))
			}
		}
	})

	It("is claimed before the old one is let go, and served in between", func(ctx SpecContext) {
		m := startManager()
		applyYAML(ctx, partnerYAML("relocating", ""))
		eventually(ctx, "relocating", "Ready=True/Provisioned")
		m.reset()
		patchPartner(ctx, "relocating", `spec: {subdomain: {host: new.relocating.example.com}}`)
		eventuallyGone(ctx, claimOf("relocating.example.com"))
		eventually(ctx, "relocating", "Ready=True/Provisioned")
		var order []string
		for _, write := range m.Writes("") {
			switch {
			case strings.HasPrefix(write, "POST") && strings.HasSuffix(write, "subdomainclaims"):
				order = append(order, "claim new")
			case strings.HasSuffix(write, "ingresses/new.relocating.example.com"):
				order = append(order, "route new")
			case write == "DELETE networking.k8s.io/v1/namespaces/partner-relocating/ingresses/relocating.example.com":
				order = append(order, "unroute old")
			case write == "DELETE partner.dispel.com/v1alpha1/subdomainclaims/relocating.example.com":
				order = append(order, "let old go")
			}
		}
		Expect(order).To(Equal([]string{"claim new", "route new", "unroute old", "let old go"}))
	})

	It("under a reserved suffix is refused", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("greedy", "").replacing("greedy.example.com", "greedy.dispel.example"))
		eventually(ctx, "greedy", "Ready=False/HostReserved", "Stalled=True/HostReserved")
		Expect(message(ctx, "greedy", v1alpha1.ConditionReady)).To(Equal(
			"greedy.dispel.example is under the reserved domain dispel.example: use a host under the partner's own domain"))
	})

	It("is lost by an OEM that becomes a reseller", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, allocationYAML("turncoat", "1", "")+partnerYAML("turncoat", ""))
		eventually(ctx, "turncoat", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
		err := direct.Patch(ctx, partner(ctx, "turncoat"), jsonPatch(`{"spec":{"channelModel":"Reseller"}}`))
		Expect(err).To(MatchError(ContainSubstring("remove spec.subdomain, or set spec.channelModel to OEM or MSP")))
		patchPartner(ctx, "turncoat", `spec: {channelModel: Reseller, subdomain: null}`)
		eventuallyGone(ctx, ingressOf("turncoat", "turncoat.example.com"))
		eventuallyGone(ctx, claimOf("turncoat.example.com"))
		eventually(ctx, "turncoat", "Ready=True/Provisioned")
		Expect(message(ctx, "turncoat", v1alpha1.ConditionReady)).To(Equal(
			"namespace partner-turncoat is provisioned; a Reseller has no sub-domain, and Dispel serves its customers"))
		status := partner(ctx, "turncoat").Status
		Expect(status.Subdomain).To(BeNil())
		Expect(status.SupportWidget).To(BeNil())
		Expect(status.Staffing).To(BeNil())
		eventuallyOf(ctx, &v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{Name: "turncoat"}},
			"Accepted=False/ChannelModelWithoutPCSM", "Ready=False/ChannelModelWithoutPCSM", "Stalled=True/ChannelModelWithoutPCSM")
	})
})

var _ = Describe("A route", func() {
	It("follows its settings", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("routed", "").withRoute(`{annotations: {example.com/a: "1", example.com/b: "2"}}`))
		eventually(ctx, "routed", "Ready=True/Provisioned")
		annotations := func() map[string]string {
			return get(ctx, ingressOf("routed", ""), "routed.example.com", objects.DefaultNamespace("routed")).Annotations
		}
		Expect(annotations()).To(And(HaveKeyWithValue("example.com/a", "1"), HaveKeyWithValue("example.com/b", "2")))
		patchPartner(ctx, "routed", `spec: {subdomain: {route: {annotations: {example.com/a: null, example.com/b: "3"}}}}`)
		Eventually(annotations).Should(And(Not(HaveKey("example.com/a")), HaveKeyWithValue("example.com/b", "3")))

		By("naming a class that does not exist, until it does")
		patchPartner(ctx, "routed", `spec: {subdomain: {route: {ingressClassName: later}}}`)
		eventually(ctx, "routed", "Ready=False/RouteNotAccepted", "Stalled=True/RouteNotAccepted")
		Expect(message(ctx, "routed", v1alpha1.ConditionSubdomainReady)).To(ContainSubstring(`there is no IngressClass "later": install its controller`))
		class := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "later"}, Spec: networkingv1.IngressClassSpec{Controller: "example.net/later"}}
		Expect(direct.Create(ctx, class)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, class)).To(Succeed()) })
		eventually(ctx, "routed", "Ready=True/Provisioned")
	})

	It("reports the addresses that its controller found", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("addressed", ""))
		eventually(ctx, "addressed", "Ready=True/Provisioned")
		ingress := get(ctx, ingressOf("addressed", ""), "addressed.example.com", objects.DefaultNamespace("addressed"))
		ingress.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: "203.0.113.9"}, {Hostname: "lb.example.net"}, {IP: "203.0.113.7"}}
		Expect(direct.Status().Update(ctx, ingress)).To(Succeed())
		Eventually(func() []string { return partner(ctx, "addressed").Status.Subdomain.Addresses }).Should(
			Equal([]string{"203.0.113.7", "203.0.113.9", "lb.example.net"}))
	})

	It("waits for the engine's Service", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("inside", "").replacing("external: {host: engine.example.net, port: 8080}", "service: {name: zero-trust-engine, port: 8080}"))
		eventually(ctx, "inside", "Ready=False/BackendNotFound", "Reconciling=True/BackendNotFound")
		Expect(message(ctx, "inside", v1alpha1.ConditionReady)).To(Equal(
			"there is no Service partner-inside/zero-trust-engine: deploy the engine there, or name another in spec.subdomain.backend"))
		service := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: objects.DefaultNamespace("inside"), Name: "zero-trust-engine"},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 8080}}},
		}
		Expect(direct.Create(ctx, service)).To(Succeed())
		eventually(ctx, "inside", "Ready=True/Provisioned")
		Expect(direct.Delete(ctx, service)).To(Succeed())
		eventually(ctx, "inside", "Ready=False/BackendNotFound")
	})

	It("changes its backend before the old one goes", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("rehoused", ""))
		eventually(ctx, "rehoused", "Ready=True/Provisioned")
		patchPartner(ctx, "rehoused", `spec: {subdomain: {backend: {external: null, service: {name: own, port: 80}}}}`)
		eventually(ctx, "rehoused", "Ready=False/BackendNotFound")
		engine := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: objects.DefaultNamespace("rehoused"), Name: kinds.EngineServiceName}}
		Expect(direct.Create(ctx, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: engine.Namespace, Name: "own"},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
		})).To(Succeed())
		eventually(ctx, "rehoused", "Ready=True/Provisioned")
		eventuallyGone(ctx, engine)
	})

	It("waits for the Secret with the certificate", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("secretive", "").withTLS("{secretName: own-tls}"))
		eventually(ctx, "secretive", "Ready=False/SecretNotFound", "Reconciling=True/SecretNotFound")
		Expect(message(ctx, "secretive", v1alpha1.ConditionReady)).To(Equal(
			"there is no Secret partner-secretive/own-tls with the certificate: create it, or name another in spec.subdomain.tls.secretName"))
		Expect(direct.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: objects.DefaultNamespace("secretive"), Name: "own-tls"}})).To(Succeed())
		eventually(ctx, "secretive", "Ready=True/Provisioned")
		Expect(partner(ctx, "secretive").Status.Subdomain.URL).To(Equal("https://secretive.example.com"))
	})
})

var _ = Describe("A certificate", Ordered, func() {
	It("is asked for once cert-manager is installed, without a restart", func(ctx SpecContext) {
		uninstallCertManager(ctx)
		startManager()
		applyYAML(ctx, allocationYAML("certified", "1", "")+partnerYAML("certified", "").withTLS("{issuerRef: {name: letsencrypt}}"))
		eventually(ctx, "certified", "Ready=False/APINotInstalled", "Stalled=True/APINotInstalled", "SupportWidgetEnabled=False/SubdomainNotReady")
		Expect(message(ctx, "certified", v1alpha1.ConditionReady)).To(Equal(
			"a certificate from letsencrypt is asked for, and cert-manager's API is not installed: install cert-manager, or bring a certificate in spec.subdomain.tls.secretName"))

		installCertManager()
		eventually(ctx, "certified", "Ready=False/CertificatePending", "Reconciling=True/CertificatePending")
		Expect(message(ctx, "certified", v1alpha1.ConditionReady)).To(Equal(
			"Certificate partner-certified/certified.example.com is not issued: cert-manager has not said anything about it yet"))

		By("having cert-manager say why it takes so long")
		setReady(ctx, "certified", "False", "Issuing certificate as Secret does not exist")
		Eventually(func() string { return message(ctx, "certified", v1alpha1.ConditionReady) }).Should(Equal(
			"Certificate partner-certified/certified.example.com is not issued: Issuing certificate as Secret does not exist"))

		setReady(ctx, "certified", "True", "Certificate is up to date and has not expired")
		eventually(ctx, "certified", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
		Expect(partner(ctx, "certified").Status.SupportWidget.ScriptURL).To(Equal("https://certified.example.com/.dispel/support/widget.js"))

		By("having cert-manager write the certificate's Secret")
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Namespace: objects.DefaultNamespace("certified"), Name: "certified.example.com", Labels: objects.Labels("certified"),
			Annotations: map[string]string{kinds.CertificateNameAnnotation: "certified.example.com"},
		}}
		Expect(direct.Create(ctx, secret)).To(Succeed())
		own := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: secret.Namespace, Name: "own", Labels: secret.Labels}}
		Expect(direct.Create(ctx, own)).To(Succeed())

		By("moving to another host, with the old one served until the new certificate is there")
		patchPartner(ctx, "certified", `spec: {subdomain: {host: new.certified.example.com}}`)
		eventually(ctx, "certified", "Ready=False/CertificatePending", "SupportWidgetEnabled=True/WidgetEnabled")
		Expect(direct.Get(ctx, key("certified.example.com", objects.DefaultNamespace("certified")), ingressOf("", ""))).To(Succeed())
		setReadyOf(ctx, "certified", "new.certified.example.com", "True", "up to date")
		eventually(ctx, "certified", "Ready=True/Provisioned")
		eventuallyGone(ctx, ingressOf("certified", "certified.example.com"))
		eventuallyGone(ctx, secret)
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(own), own)).To(Succeed(), "no certificate's")

		By("uninstalling cert-manager, and installing it again")
		cluster.Uninstall(ctx, direct, "certificates.cert-manager.io")
		eventually(ctx, "certified", "Ready=False/APINotInstalled")
		cluster.Install(controlPlane, cluster.CertManagerCRDs()...)
		eventually(ctx, "certified", "Ready=False/CertificatePending")
		setReadyOf(ctx, "certified", "new.certified.example.com", "True", "up to date")
		eventually(ctx, "certified", "Ready=True/Provisioned")
	})

	It("is found installed at the start", func(ctx SpecContext) {
		installCertManager()
		startManager()
		applyYAML(ctx, partnerYAML("early", "").withTLS("{issuerRef: {kind: Issuer, name: own}}"))
		eventually(ctx, "early", "Ready=False/CertificatePending")
		setReady(ctx, "early", "True", "up to date")
		eventually(ctx, "early", "Ready=True/Provisioned")
	})
})

// installCertManager serves cert-manager's API from here on, for later specs, too.
func installCertManager() {
	GinkgoHelper()
	cluster.Install(controlPlane, cluster.CertManagerCRDs()...)
}

// uninstallCertManager takes it away, for a spec that begins without it.
func uninstallCertManager(ctx context.Context) {
	GinkgoHelper()
	for _, kind := range cluster.CertManagerKinds {
		cluster.Uninstall(ctx, direct, kind)
	}
}

func setReady(ctx context.Context, name, status, message string) {
	GinkgoHelper()
	setReadyOf(ctx, name, name+".example.com", status, message)
}

// setReadyOf says what cert-manager would say of a Certificate.
func setReadyOf(ctx context.Context, name, host, status, message string) {
	GinkgoHelper()
	certificate := &unstructured.Unstructured{}
	certificate.SetGroupVersionKind(kinds.CertificateGVK)
	Eventually(direct.Get).WithArguments(ctx, key(host, objects.DefaultNamespace(name)), certificate).Should(Succeed())
	Expect(unstructured.SetNestedSlice(certificate.Object, []any{map[string]any{
		"type": "Ready", "status": status, "reason": "Test", "message": message, "observedGeneration": certificate.GetGeneration(),
		"lastTransitionTime": "2026-12-01T00:00:00Z",
	}}, "status", "conditions")).To(Succeed())
	Expect(direct.Status().Update(ctx, certificate)).To(Succeed())
}
