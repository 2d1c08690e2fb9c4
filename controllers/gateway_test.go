package controllers_test

import (
	"context"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// installGatewayAPI serves the Gateway API from here on, for later specs, too.
func installGatewayAPI() {
	GinkgoHelper()
	cluster.Install(controlPlane, cluster.GatewayCRDs(cluster.GatewayKinds...)...)
}

// uninstallGatewayAPI takes it away, for a spec that begins without it.
func uninstallGatewayAPI(ctx context.Context) {
	GinkgoHelper()
	for _, kind := range slices.Concat(cluster.GatewayKinds, cluster.L4RouteKinds) {
		cluster.Uninstall(ctx, direct, kind+".gateway.networking.k8s.io")
	}
}

// throughGateway has sub-domains served by the Gateway default/public unless they
// say otherwise.
func throughGateway(o *manager.Options) {
	o.Settings.Gateway = &v1alpha1.GatewayReference{Namespace: "default", Name: "public"}
}

// programmedGateway makes that Gateway, which takes no ListenerSets, and says what its controller would say.
func programmedGateway(ctx context.Context) *gatewayv1.Gateway {
	GinkgoHelper()
	gateway := &gatewayv1.Gateway{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "public"},
		Spec: gatewayv1.GatewaySpec{
			GatewayClassName: "test",
			Listeners: []gatewayv1.Listener{
				{Name: "web", Port: 8000, Protocol: gatewayv1.HTTPProtocolType},
				{Name: "websecure", Port: 8443, Protocol: gatewayv1.HTTPSProtocolType, TLS: &gatewayv1.ListenerTLSConfig{
					CertificateRefs: []gatewayv1.SecretObjectReference{{Name: "wildcard"}},
				}},
			},
			AllowedListeners: &gatewayv1.AllowedListeners{Namespaces: &gatewayv1.ListenerNamespaces{From: new(gatewayv1.NamespacesFromNone)}},
		},
	}
	Expect(direct.Create(ctx, gateway)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(direct.Delete(ctx, gateway))).To(Succeed()) })
	gateway.Status.Conditions = []metav1.Condition{said(gateway, string(gatewayv1.GatewayConditionProgrammed), metav1.ConditionTrue, "Programmed", "")}
	gateway.Status.Addresses = []gatewayv1.GatewayStatusAddress{{Type: new(gatewayv1.IPAddressType), Value: "203.0.113.7"}}
	Expect(direct.Status().Update(ctx, gateway)).To(Succeed())
	return gateway
}

func said(about client.Object, condition string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{
		Type: condition, Status: status, Reason: reason, Message: message,
		ObservedGeneration: about.GetGeneration(), LastTransitionTime: metav1.Now(),
	}
}

// acceptRoute says what a Gateway's controller would say of a partner's HTTPRoute.
func acceptRoute(ctx context.Context, name string, resolved metav1.ConditionStatus, message string) {
	GinkgoHelper()
	acceptRouteOf(ctx, name, name+".example.com", resolved, message)
}

// acceptRouteOf does the same for a host that is not named after the partner.
func acceptRouteOf(ctx context.Context, name, host string, resolved metav1.ConditionStatus, message string) {
	GinkgoHelper()
	route := &gatewayv1.HTTPRoute{}
	Eventually(direct.Get).WithArguments(ctx, key(host, objects.DefaultNamespace(name)), route).Should(Succeed())
	route.Status.Parents = []gatewayv1.RouteParentStatus{{
		ParentRef: route.Spec.ParentRefs[0], ControllerName: "example.net/test",
		Conditions: []metav1.Condition{
			said(route, string(gatewayv1.RouteConditionAccepted), metav1.ConditionTrue, "Accepted", ""),
			said(route, string(gatewayv1.RouteConditionResolvedRefs), resolved, "Test", message),
		},
	}}
	Expect(direct.Status().Update(ctx, route)).To(Succeed())
}

var _ = Describe("A Gateway", func() {
	routeOf := func(name string) *gatewayv1.HTTPRoute {
		return &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Namespace: objects.DefaultNamespace(name), Name: name + ".example.com"}}
	}

	It("serves a sub-domain once its API and it are there, and its controller says so", func(ctx SpecContext) {
		uninstallGatewayAPI(ctx)
		m := startManager(throughGateway)
		applyYAML(ctx, allocationYAML("gated", "1", "")+partnerYAML("gated", ""))
		eventually(ctx, "gated", "SubdomainReady=False/APINotInstalled", "SupportWidgetEnabled=False/SubdomainNotReady")
		By("installing the API while the manager runs")
		installGatewayAPI()
		eventually(ctx, "gated", "SubdomainReady=False/GatewayNotFound")
		gateway := programmedGateway(ctx)
		eventually(ctx, "gated", "SubdomainReady=False/RouteNotAccepted")
		By("having seen all of the API, of which the ReferenceGrants may come last")
		Eventually(func() *gatewayv1.Namespace {
			return get(ctx, routeOf("gated"), "gated.example.com", "partner-gated").Spec.Rules[0].BackendRefs[0].Namespace
		}).Should(HaveValue(BeEquivalentTo("system")))
		acceptRoute(ctx, "gated", metav1.ConditionFalse, "type ExternalName is not supported")
		eventually(ctx, "gated", "SubdomainReady=False/RefsNotResolved")
		acceptRoute(ctx, "gated", metav1.ConditionTrue, "")
		eventually(ctx, "gated", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")

		status := partner(ctx, "gated").Status
		Expect(status.Subdomain).To(Equal(&v1alpha1.SubdomainStatus{URL: "https://gated.example.com", Route: v1alpha1.HTTPRoute, Addresses: []string{"203.0.113.7"}}))
		grant := get(ctx, &gatewayv1beta1.ReferenceGrant{}, "partner-gated", "system")
		Expect(grant.Spec.From[0].Namespace).To(BeEquivalentTo("partner-gated"))
		Expect(grant.Spec.To[0].Name).To(HaveValue(BeEquivalentTo("widget")))
		Expect(get(ctx, routeOf("gated"), "gated.example.com", "partner-gated").Spec.Rules[0].BackendRefs[0].Namespace).To(HaveValue(BeEquivalentTo("system")))

		By("writing nothing while the Gateway counts its routes")
		m.reset()
		gateway = get(ctx, gateway, "public", "default")
		gateway.Status.Listeners = []gatewayv1.ListenerStatus{{Name: "web", AttachedRoutes: 1, SupportedKinds: []gatewayv1.RouteGroupKind{}, Conditions: []metav1.Condition{}}}
		Expect(direct.Status().Update(ctx, gateway)).To(Succeed())
		Consistently(func() []string { return m.Writes("gated") }, time.Second).Should(BeEmpty())

		By("noticing that the Gateway is no longer programmed")
		gateway.Status.Conditions = []metav1.Condition{said(gateway, string(gatewayv1.GatewayConditionProgrammed), metav1.ConditionFalse, "Gone", "no address is left")}
		Expect(direct.Status().Update(ctx, gateway)).To(Succeed())
		eventually(ctx, "gated", "SubdomainReady=False/ListenerNotProgrammed")

		By("going by the controller of the Gateway's class, once that is known")
		gateway.Status.Conditions = []metav1.Condition{said(gateway, string(gatewayv1.GatewayConditionProgrammed), metav1.ConditionTrue, "Programmed", "")}
		Expect(direct.Status().Update(ctx, gateway)).To(Succeed())
		eventually(ctx, "gated", "SubdomainReady=True/RouteAccepted")
		class := &gatewayv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: "test"}, Spec: gatewayv1.GatewayClassSpec{ControllerName: "example.net/another"}}
		Expect(direct.Create(ctx, class)).To(Succeed())
		eventually(ctx, "gated", "SubdomainReady=False/RouteNotAccepted")
		Expect(direct.Delete(ctx, class)).To(Succeed())
		eventually(ctx, "gated", "SubdomainReady=True/RouteAccepted")

		By("putting right what somebody changed")
		route := get(ctx, routeOf("gated"), "gated.example.com", "partner-gated")
		patch(ctx, route, `spec: {hostnames: [other.example.com]}`)
		Eventually(func() []gatewayv1.Hostname {
			return get(ctx, routeOf("gated"), "gated.example.com", "partner-gated").Spec.Hostnames
		}).Should(ConsistOf(gatewayv1.Hostname("gated.example.com")))
		Expect(direct.Delete(ctx, grant)).To(Succeed())
		Eventually(direct.Get).WithArguments(ctx, key("partner-gated", "system"), grant).Should(Succeed())

		By("taking back the leave to reach the widget server once no widget is left to serve")
		Expect(direct.Delete(ctx, &v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{Name: "gated"}})).To(Succeed())
		eventuallyGone(ctx, grant)
		applyYAML(ctx, allocationYAML("gated", "1", ""))
		eventuallyThere(ctx, grant)

		By("closing with the Partner")
		Expect(direct.Delete(ctx, partner(ctx, "gated"))).To(Succeed())
		eventuallyGone(ctx, routeOf("gated"))
		eventuallyGone(ctx, grant)
	})

	It("takes a listener with the sub-domain's own certificate, where it allows that", func(ctx SpecContext) {
		installGatewayAPI()
		gateway := programmedGateway(ctx)
		startManager(throughGateway)
		applyYAML(ctx, partnerYAML("listened", "").withTLS("{secretName: own}"))
		eventually(ctx, "listened", "SubdomainReady=False/RouteNotAccepted", "Stalled=True/RouteNotAccepted")
		gateway.Spec.AllowedListeners.Namespaces.From = new(gatewayv1.NamespacesFromAll)
		patch(ctx, gateway, `spec: {allowedListeners: {namespaces: {from: All}}}`)
		gateway.Status.Conditions[0].ObservedGeneration = gateway.Generation
		Expect(direct.Status().Update(ctx, gateway)).To(Succeed())
		eventually(ctx, "listened", "SubdomainReady=False/SecretNotFound")
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "partner-listened", Name: "own"}, Type: corev1.SecretTypeTLS,
			Data: map[string][]byte{"tls.crt": {}, "tls.key": {}},
		}
		Expect(direct.Create(ctx, secret)).To(Succeed())
		eventually(ctx, "listened", "SubdomainReady=False/RouteNotAccepted")
		set := get(ctx, &gatewayv1.ListenerSet{}, "listened.example.com", "partner-listened")
		Expect(set.Spec.Listeners[0].Port).To(BeEquivalentTo(8443), "that of the Gateway's own HTTPS")
		set.Status.Conditions = []metav1.Condition{
			said(set, string(gatewayv1.ListenerSetConditionAccepted), metav1.ConditionTrue, "Accepted", ""),
			said(set, string(gatewayv1.ListenerSetConditionProgrammed), metav1.ConditionFalse, "Pending", "wait"),
		}
		Expect(direct.Status().Update(ctx, set)).To(Succeed())
		eventually(ctx, "listened", "SubdomainReady=False/ListenerNotProgrammed")
		set.Status.Conditions[1].Status = metav1.ConditionTrue
		Expect(direct.Status().Update(ctx, set)).To(Succeed())
		acceptRoute(ctx, "listened", metav1.ConditionTrue, "")
		eventually(ctx, "listened", "Ready=True/Provisioned")
		Expect(partner(ctx, "listened").Status.Subdomain.URL).To(Equal("https://listened.example.com"))

		By("going back to the Gateway's own listener")
		patchPartner(ctx, "listened", `spec: {subdomain: {tls: null}}`)
		eventually(ctx, "listened", "SubdomainReady=False/RouteNotAccepted")
		acceptRoute(ctx, "listened", metav1.ConditionTrue, "")
		eventually(ctx, "listened", "Ready=True/Provisioned")
		eventuallyGone(ctx, set)
	})

	It("serves a host that is handed over between two listeners of it, of which it takes only one", func(ctx SpecContext) {
		installGatewayAPI()
		gateway := programmedGateway(ctx)
		patch(ctx, gateway, `spec: {allowedListeners: {namespaces: {from: All}}}`)
		gateway.Status.Conditions[0].ObservedGeneration = gateway.Generation
		Expect(direct.Status().Update(ctx, gateway)).To(Succeed())
		startManager(throughGateway, func(o *manager.Options) { o.Settings.RouteOverlap = 10 * time.Minute })
		const host = "listener-source.example.com"
		certificate := func(name string) {
			Expect(direct.Create(ctx, &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: objects.DefaultNamespace(name), Name: "own"}, Type: corev1.SecretTypeTLS, Data: map[string][]byte{"tls.crt": {}, "tls.key": {}},
			})).To(Succeed())
		}
		// say what a Gateway's controller says of a set, which conflicts with an older one or not.
		say := func(name string, conflicts bool) {
			GinkgoHelper()
			set := &gatewayv1.ListenerSet{}
			Eventually(direct.Get).WithArguments(ctx, key(host, objects.DefaultNamespace(name)), set).Should(Succeed())
			good, bad, reason := metav1.ConditionTrue, metav1.ConditionFalse, "NoConflicts"
			if conflicts {
				good, bad, reason = bad, good, "HostnameConflict"
			}
			set.Status.Conditions = []metav1.Condition{said(set, "Accepted", good, "ListenersNotValid", ""), said(set, "Programmed", good, "ListenersNotValid", "")}
			set.Status.Listeners = []gatewayv1.ListenerEntryStatus{{Name: "https", SupportedKinds: []gatewayv1.RouteGroupKind{}, Conditions: []metav1.Condition{
				said(set, "Conflicted", bad, reason, ""), said(set, "Accepted", good, reason, ""), said(set, "Programmed", good, reason, ""),
			}}}
			Expect(direct.Status().Update(ctx, set)).To(Succeed())
		}
		applyYAML(ctx, partnerYAML("listener-source", "").withTLS("{secretName: own}"))
		eventually(ctx, "listener-source", "SubdomainReady=False/SecretNotFound")
		certificate("listener-source")
		say("listener-source", false)
		acceptRouteOf(ctx, "listener-source", host, metav1.ConditionTrue, "")
		eventually(ctx, "listener-source", "Ready=True/Provisioned")

		patchPartner(ctx, "listener-source", `spec: {subdomain: null, handOver: {host: `+host+`, partnerRef: {name: listener-taker}}}`)
		applyYAML(ctx, partnerYAML("listener-taker", "").withTLS("{secretName: own}").replacing("host: listener-taker.example.com", "host: "+host))
		eventually(ctx, "listener-taker", "SubdomainReady=False/SecretNotFound")
		Expect(get(ctx, &gatewayv1.ListenerSet{}, host, "partner-listener-source").DeletionTimestamp).To(BeNil(), "it is served there until only the conflict is in the way")
		patchPartner(ctx, "listener-source", `spec: {suspend: true}`)
		eventuallySuspended(ctx, "listener-source")
		certificate("listener-taker")
		say("listener-taker", true)
		eventually(ctx, "listener-taker", "SubdomainReady=False/ListenerConflict", "Reconciling=True/ListenerConflict")
		patchPartner(ctx, "listener-source", `spec: {suspend: false}`)
		By("having the older one go, which is the sign to switch")
		eventuallyGone(ctx, &gatewayv1.ListenerSet{ObjectMeta: metav1.ObjectMeta{Namespace: "partner-listener-source", Name: host}})
		say("listener-taker", false)
		acceptRouteOf(ctx, "listener-taker", host, metav1.ConditionTrue, "")
		eventually(ctx, "listener-taker", "Ready=True/Provisioned", "SubdomainReady=True/RouteAccepted")
		eventually(ctx, "listener-source", "Ready=True/Provisioned")
	})

	It("takes its leave to reach the widget server along when that moves to another namespace", func(ctx SpecContext) {
		elsewhere := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "elsewhere"}}
		Expect(direct.Create(ctx, elsewhere)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, elsewhere)).To(Succeed()) })
		installGatewayAPI()
		programmedGateway(ctx)
		before := startManager(throughGateway)
		applyYAML(ctx, allocationYAML("following", "1", "")+partnerYAML("following", ""))
		acceptRoute(ctx, "following", metav1.ConditionTrue, "")
		eventually(ctx, "following", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
		old := get(ctx, &gatewayv1beta1.ReferenceGrant{}, "partner-following", "system")
		foreign := &gatewayv1beta1.ReferenceGrant{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "partner-following"}, Spec: old.Spec}
		Expect(direct.Create(ctx, foreign)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, foreign)).To(Succeed()) })
		before.stop()

		m := startManager(throughGateway, func(o *manager.Options) { o.Settings.WidgetBackend.Host = "widget.elsewhere.svc.cluster.local" })
		eventuallyThere(ctx, &gatewayv1beta1.ReferenceGrant{ObjectMeta: metav1.ObjectMeta{Namespace: "elsewhere", Name: "partner-following"}})
		Eventually(func() *gatewayv1.Namespace {
			return get(ctx, routeOf("following"), "following.example.com", "partner-following").Spec.Rules[0].BackendRefs[0].Namespace
		}).Should(HaveValue(BeEquivalentTo("elsewhere")))
		acceptRoute(ctx, "following", metav1.ConditionTrue, "")
		eventually(ctx, "following", "Ready=True/Provisioned")
		eventuallyGone(ctx, old)
		m.reset()
		reconciled := reconciles("Partner")
		patchPartner(ctx, "following", `metadata: {annotations: {example.com/touched: "true"}}`)
		Eventually(reconciles).WithArguments("Partner").Should(BeNumerically(">", reconciled))
		Expect(m.Writes("referencegrants")).To(BeEmpty())
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(foreign), foreign)).To(Succeed(), "somebody else's of that name")
	})

	It("is looked at while it serves a route that is to be replaced", func(ctx SpecContext) {
		installGatewayAPI()
		gateway := programmedGateway(ctx)
		startManager()
		applyYAML(ctx, partnerYAML("draining", "").withRoute("{gatewayRef: {namespace: default, name: public}}"))
		acceptRoute(ctx, "draining", metav1.ConditionTrue, "")
		eventually(ctx, "draining", "Ready=True/Provisioned")
		patchPartner(ctx, "draining", `spec: {subdomain: {route: {gatewayRef: null, ingressClassName: missing}}}`)
		eventually(ctx, "draining", "SubdomainReady=False/RouteNotAccepted")
		Expect(partner(ctx, "draining").Status.Subdomain.Route).To(Equal(v1alpha1.HTTPRoute), "which serves until then")
		gateway = get(ctx, gateway, "public", "default")
		gateway.Status.Addresses = []gatewayv1.GatewayStatusAddress{{Type: new(gatewayv1.IPAddressType), Value: "203.0.113.8"}}
		Expect(direct.Status().Update(ctx, gateway)).To(Succeed())
		Eventually(func() []string { return partner(ctx, "draining").Status.Subdomain.Addresses }).Should(ConsistOf("203.0.113.8"))
	})

	It("serves the sub-domain although the widget server's namespace is missing, and says so", func(ctx SpecContext) {
		installGatewayAPI()
		programmedGateway(ctx)
		startManager(throughGateway, func(o *manager.Options) { o.Settings.WidgetBackend.Host = "widget.nowhere.svc.cluster.local" })
		applyYAML(ctx, allocationYAML("grantless", "1", "")+partnerYAML("grantless", ""))
		acceptRoute(ctx, "grantless", metav1.ConditionTrue, "")
		eventually(ctx, "grantless", "SubdomainReady=False/ApplyFailed")
		Expect(message(ctx, "grantless", v1alpha1.ConditionSubdomainReady)).To(ContainSubstring("there is no namespace nowhere, in which --widget-backend says that the widget server is"))
		nowhere := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "nowhere"}}
		Expect(direct.Create(ctx, nowhere)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, nowhere)).To(Succeed()) })
		eventually(ctx, "grantless", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
	})

	It("takes over from an Ingress that goes once the new route surely serves, and back", func(ctx SpecContext) {
		installGatewayAPI()
		programmedGateway(ctx)
		startManager(func(o *manager.Options) { o.Settings.RouteOverlap = 5 * time.Second })
		applyYAML(ctx, partnerYAML("moving", ""))
		eventually(ctx, "moving", "Ready=True/Provisioned")
		ingress := get(ctx, &networkingv1.Ingress{}, "moving.example.com", "partner-moving")
		patchPartner(ctx, "moving", `spec: {subdomain: {route: {gatewayRef: {namespace: default, name: public}}}}`)
		eventually(ctx, "moving", "SubdomainReady=False/RouteNotAccepted")
		Expect(partner(ctx, "moving").Status.Subdomain.Route).To(Equal(v1alpha1.IngressRoute), "which serves until then")
		acceptRoute(ctx, "moving", metav1.ConditionTrue, "")
		accepted := time.Now()
		eventually(ctx, "moving", "Ready=True/Provisioned")
		Expect(partner(ctx, "moving").Status.Subdomain.Route).To(Equal(v1alpha1.HTTPRoute))
		eventuallyGone(ctx, ingress)
		Expect(time.Since(accepted)).To(BeNumerically(">", 3*time.Second), "both served for a while")

		patchPartner(ctx, "moving", `spec: {subdomain: {route: null}}`)
		eventually(ctx, "moving", "Ready=True/Provisioned")
		back := get(ctx, &networkingv1.Ingress{}, "moving.example.com", "partner-moving")
		eventuallyGone(ctx, routeOf("moving"))
		Expect(time.Since(back.CreationTimestamp.Time)).To(BeNumerically(">", 4*time.Second), "both served for a while")
	})
})
