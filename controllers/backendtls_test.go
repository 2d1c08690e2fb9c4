package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/testing/authority"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// installTraefik serves Traefik's own kinds from here on, for later specs, too.
func installTraefik() {
	GinkgoHelper()
	cluster.Install(controlPlane, cluster.TraefikCRDs())
}

// uninstallTraefik takes those away that the operator uses, for a spec that begins without them.
func uninstallTraefik(ctx context.Context) {
	GinkgoHelper()
	cluster.Uninstall(ctx, direct, "serverstransports.traefik.io", "traefikservices.traefik.io")
}

var _ = Describe("TLS to an engine", func() {
	It("is served once the controller can do it, and there is an authority", func(ctx SpecContext) {
		uninstallTraefik(ctx)
		class := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "real-traefik"}, Spec: networkingv1.IngressClassSpec{Controller: objects.TraefikIngress}}
		Expect(direct.Create(ctx, class)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, class)).To(Succeed()) })
		m := startManager()
		applyYAML(ctx, partnerYAML("encrypted", "").withRoute("{ingressClassName: real-traefik}"))
		eventually(ctx, "encrypted", "SubdomainReady=True/RouteAccepted")
		routed := func() error {
			return direct.Get(ctx, key("encrypted.example.com", "partner-encrypted"), &networkingv1.Ingress{})
		}

		By("asking for it while Traefik's CRDs are not installed, so that the route in clear text goes")
		patchPartner(ctx, "encrypted", `spec: {subdomain: {backend: {tls: {caCertificates: {secretRef: {name: engine-ca}}}}}}`)
		eventually(ctx, "encrypted", "SubdomainReady=False/BackendTLSNotSupported")
		Eventually(routed).Should(MatchError(ContainSubstring("not found")))

		By("installing them")
		installTraefik()
		eventually(ctx, "encrypted", "SubdomainReady=False/BackendCAInvalid")
		Eventually(routed).Should(Succeed(), "which leads nowhere without the authority, and not in clear text")

		By("making the authority's Secret, at first without a certificate")
		m.reset()
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "partner-encrypted", Name: "engine-ca"}, Data: map[string][]byte{"tls.crt": []byte("x")}}
		Expect(direct.Create(ctx, secret)).To(Succeed())
		Eventually(func() string {
			said := meta.FindStatusCondition(partner(ctx, "encrypted").Status.Conditions, string(v1alpha1.ConditionSubdomainReady))
			return said.Message
		}).Should(
			Equal("Secret partner-encrypted/engine-ca has nothing under the key ca.crt: write the PEM-encoded certificates of the authorities there that sign the engine's certificate"))
		secret.Data[objects.CAKey] = authority.New().PEM()
		Expect(direct.Update(ctx, secret)).To(Succeed())
		eventually(ctx, "encrypted", "SubdomainReady=True/RouteAccepted", "Ready=True/Provisioned")
		Expect(m.Reads()).To(HaveEach(HaveSuffix("/namespaces/partner-encrypted/secrets/engine-ca")))

		By("putting right what somebody changes")
		transport := &unstructured.Unstructured{}
		transport.SetGroupVersionKind(kinds.ServersTransportGVK)
		at := client.ObjectKey{Namespace: "partner-encrypted", Name: kinds.EngineServiceName}
		Expect(direct.Get(ctx, at, transport)).To(Succeed())
		Expect(unstructured.SetNestedField(transport.Object, true, "spec", "insecureSkipVerify")).To(Succeed())
		Expect(direct.Update(ctx, transport, client.FieldOwner("kubectl"))).To(Succeed())
		Eventually(func() (map[string]any, error) {
			err := direct.Get(ctx, at, transport)
			spec, _, _ := unstructured.NestedMap(transport.Object, "spec")
			return spec, err
		}).Should(Equal(map[string]any{"serverName": "engine.example.net", "rootCAs": []any{map[string]any{"secret": "engine-ca"}}}))

		By("asking for it no longer")
		patchPartner(ctx, "encrypted", `spec: {subdomain: {backend: {tls: null}}}`)
		Eventually(func() map[string]string {
			return get(ctx, &corev1.Service{}, kinds.EngineServiceName, "partner-encrypted").Annotations
		}).
			Should(And(HaveLen(1), HaveKey(v1alpha1.AppliedAnnotation)))
		Eventually(func() error { return direct.Get(ctx, at, transport) }).Should(MatchError(ContainSubstring("not found")))
		m.reset()
		patchPartner(ctx, "encrypted", `metadata: {annotations: {example.com/touched: "true"}}`)
		Consistently(m.Reads).WithTimeout(time.Second).Should(BeEmpty(), "as before")
	})

	It("is told to a Gateway that knows it", func(ctx SpecContext) {
		installGatewayAPI()
		installTraefik()
		programmedGateway(ctx)
		class := &gatewayv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: "test"}, Spec: gatewayv1.GatewayClassSpec{ControllerName: "example.net/test"}}
		Expect(direct.Create(ctx, class)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(direct.Delete(ctx, class))).To(Succeed()) })
		startManager(throughGateway)
		applyYAML(ctx, partnerYAML("encrypted-gateway", "").replacing("external: {host: engine.example.net, port: 8080}",
			"service: {name: engine, port: 8443}\n      tls: {caCertificates: {configMapRef: {name: engine-ca}}}"))
		eventually(ctx, "encrypted-gateway", "SubdomainReady=False/BackendTLSNotSupported")

		By("learning what the Gateway's controller can do")
		class.Status.SupportedFeatures = []gatewayv1.SupportedFeature{{Name: kinds.BackendTLSPolicy}}
		Expect(direct.Status().Update(ctx, class)).To(Succeed())
		eventually(ctx, "encrypted-gateway", "SubdomainReady=False/BackendNotFound")
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "partner-encrypted-gateway", Name: "engine"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 8080}}}}
		Expect(direct.Create(ctx, service)).To(Succeed())
		Eventually(func() string {
			return meta.FindStatusCondition(partner(ctx, "encrypted-gateway").Status.Conditions, string(v1alpha1.ConditionSubdomainReady)).Message
		}).Should(HavePrefix("Service partner-encrypted-gateway/engine has no port 8443, only 8080: "))
		service.Spec.Ports[0].Port = 8443
		Expect(direct.Update(ctx, service)).To(Succeed())
		eventually(ctx, "encrypted-gateway", "SubdomainReady=False/BackendCAInvalid")
		Expect(direct.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: "partner-encrypted-gateway", Name: "engine-ca"}, Data: map[string]string{objects.CAKey: string(authority.New().PEM())},
		})).To(Succeed())
		patchPartner(ctx, "encrypted-gateway", `metadata: {annotations: {example.com/touched: "true"}}`) // or within 30 seconds
		eventually(ctx, "encrypted-gateway", "SubdomainReady=False/RouteNotAccepted")
		acceptRoute(ctx, "encrypted-gateway", metav1.ConditionTrue, "")
		eventually(ctx, "encrypted-gateway", "SubdomainReady=False/RefsNotResolved")
		policy := get(ctx, &gatewayv1.BackendTLSPolicy{}, kinds.EngineServiceName, "partner-encrypted-gateway")
		policy.Status.Ancestors = []gatewayv1.PolicyAncestorStatus{{
			AncestorRef: gatewayv1.ParentReference{Namespace: new(gatewayv1.Namespace("default")), Name: "public"}, ControllerName: "example.net/test",
			Conditions: []metav1.Condition{said(policy, "Accepted", metav1.ConditionTrue, "Accepted", ""), said(policy, "ResolvedRefs", metav1.ConditionTrue, "ResolvedRefs", "")},
		}}
		Expect(direct.Status().Update(ctx, policy)).To(Succeed())
		eventually(ctx, "encrypted-gateway", "SubdomainReady=True/RouteAccepted")

		By("another name, and then an engine outside of the cluster, behind Traefik")
		patchPartner(ctx, "encrypted-gateway", `spec: {subdomain: {backend: {tls: {serverName: zte.example.net}}}}`)
		Eventually(func() gatewayv1.PreciseHostname {
			return get(ctx, policy, kinds.EngineServiceName, "partner-encrypted-gateway").Spec.Validation.Hostname
		}).Should(BeEquivalentTo("zte.example.net"))
		Expect(direct.Delete(ctx, class)).To(Succeed())
		class = &gatewayv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: "test"}, Spec: gatewayv1.GatewayClassSpec{ControllerName: objects.TraefikGateway}}
		Expect(direct.Create(ctx, class)).To(Succeed())
		patchPartner(ctx, "encrypted-gateway", `spec: {subdomain: {backend: {service: null, external: {host: engine.example.net, port: 8443}}}}`)
		scheme := func() any {
			by := &unstructured.Unstructured{}
			by.SetGroupVersionKind(kinds.TraefikServiceGVK)
			_ = direct.Get(ctx, client.ObjectKey{Namespace: "partner-encrypted-gateway", Name: kinds.EngineServiceName}, by)
			services, _, _ := unstructured.NestedSlice(by.Object, "spec", "weighted", "services")
			if len(services) != 1 {
				return ""
			}
			return services[0].(map[string]any)["scheme"]
		}
		Eventually(scheme).Should(Equal("https"))
		By("going once Traefik has the route")
		route := &gatewayv1.HTTPRoute{}
		Eventually(func(g Gomega) { // the route is written after what it leads to
			g.Expect(direct.Get(ctx, key("encrypted-gateway.example.com", "partner-encrypted-gateway"), route)).To(Succeed())
			g.Expect(route.Spec.Rules[0].BackendRefs[0].Kind).To(HaveValue(BeEquivalentTo("TraefikService")))
			route.Status.Parents = []gatewayv1.RouteParentStatus{{ParentRef: route.Spec.ParentRefs[0], ControllerName: objects.TraefikGateway, Conditions: []metav1.Condition{
				said(route, "Accepted", metav1.ConditionTrue, "Accepted", ""), said(route, "ResolvedRefs", metav1.ConditionTrue, "ResolvedRefs", ""),
			}}}
			g.Expect(direct.Status().Update(ctx, route)).To(Succeed())
		}).Should(Succeed())
		gone := func() error { return direct.Get(ctx, client.ObjectKeyFromObject(policy), policy) }
		Eventually(gone).Should(MatchError(ContainSubstring("not found")))
		patchPartner(ctx, "encrypted-gateway", `spec: {subdomain: {backend: {tls: null}}}`)
		Eventually(scheme).Should(Equal("http"))
		patchPartner(ctx, "encrypted-gateway", `spec: {subdomain: {backend: {external: null, service: {name: engine, port: 8443}}}}`)
		Eventually(func() gatewayv1.ObjectName {
			return get(ctx, route, route.Name, route.Namespace).Spec.Rules[0].BackendRefs[0].Name
		}).Should(BeEquivalentTo("engine"))
		route.Status.Parents[0].Conditions = []metav1.Condition{
			said(route, "Accepted", metav1.ConditionTrue, "Accepted", ""), said(route, "ResolvedRefs", metav1.ConditionTrue, "ResolvedRefs", ""),
		}
		Expect(direct.Status().Update(ctx, route)).To(Succeed())
		Eventually(scheme).Should(BeEmpty())
	})
})
