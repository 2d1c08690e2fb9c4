package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// applyAdmission puts the policies of a file in force until the spec ends. The
// API server goes on to judge by a policy for a moment after it is deleted: the
// spec ends when refused, a request that the policies refuse, is let through.
func applyAdmission(ctx context.Context, refused func(context.Context) error, elem ...string) {
	GinkgoHelper()
	DeferCleanup(func(ctx SpecContext) { Eventually(refused).WithContext(ctx).Should(Succeed()) })
	for _, object := range cluster.ReadObjects(append([]string{"config", "admission"}, elem...)...) {
		Expect(direct.Create(ctx, object)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, object)).To(Succeed()) })
	}
}

// administratorOf is an administrator of a partner's namespace, which it returns, too. The
// API server's authorizer learns of the RoleBinding by a watch.
func administratorOf(ctx context.Context, partner string) (eve client.Client, namespace string) {
	GinkgoHelper()
	eve, namespace = as("eve", "admins"), objects.DefaultNamespace(partner)
	Eventually(func() (bool, error) {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "patch", Resource: "configmaps"},
		}}
		err := eve.Create(ctx, review)
		return review.Status.Allowed, err
	}).Should(BeTrue())
	return eve, namespace
}

func routeTo(namespace, name, host string) *networkingv1.Ingress {
	backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "x", Port: networkingv1.ServiceBackendPort{Number: 80}}}
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
			Host: host,
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/", PathType: new(networkingv1.PathTypePrefix), Backend: backend,
			}}}},
		}}},
	}
}

var _ = Describe("The host guard", func() {
	It("keeps the Ingresses of a tenant's administrators to the hosts that the partner holds", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("guarded", everything))
		applyYAML(ctx, partnerYAML("robbed", ""))
		eventually(ctx, "guarded", "Ready=True/Provisioned")
		eventually(ctx, "robbed", "Ready=True/Provisioned")
		eve, namespace := administratorOf(ctx, "guarded")
		theft := func(ctx context.Context) error {
			return eve.Create(ctx, routeTo(namespace, "theft", "robbed.example.com"), client.DryRunAll)
		}
		applyAdmission(ctx, theft, "host-guard.yaml")

		By("taking the host of another, once the policy is in force")
		Eventually(theft).WithContext(ctx).Should(MatchError(ContainSubstring(
			"spec.rules: the host robbed.example.com is not held by the partner of namespace partner-guarded: write one of its own (guarded.example.com), or have it declared in the Partner")))

		By("taking every host")
		Expect(eve.Create(ctx, routeTo(namespace, "theft", ""), client.DryRunAll)).To(MatchError(ContainSubstring("the host * is not held")))
		Expect(eve.Create(ctx, routeTo(namespace, "theft", "*.example.com"), client.DryRunAll)).To(MatchError(ContainSubstring("the host *.example.com is not held")))
		everyHost := routeTo(namespace, "theft", "guarded.example.com")
		everyHost.Spec.DefaultBackend = &everyHost.Spec.Rules[0].HTTP.Paths[0].Backend
		Expect(eve.Create(ctx, everyHost, client.DryRunAll)).To(MatchError(ContainSubstring("the host * is not held")))
		certified := routeTo(namespace, "theft", "guarded.example.com")
		certified.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{"robbed.example.com"}}}
		Expect(eve.Create(ctx, certified, client.DryRunAll)).To(MatchError(ContainSubstring("spec.tls: a host is not held by the partner of namespace partner-guarded: write hosts of its own (guarded.example.com) for each certificate")))

		By("taking it by an annotation that some controllers read")
		for _, key := range []string{"external-dns.kubernetes.io/hostname", "external-dns.alpha.kubernetes.io/hostname"} {
			aliased := routeTo(namespace, "theft", "guarded.example.com")
			aliased.Annotations = map[string]string{key: "guarded.example.com, robbed.example.com"}
			Expect(eve.Create(ctx, aliased, client.DryRunAll)).To(MatchError(ContainSubstring("metadata.annotations: " + key + " is not among the annotations that a tenant may set on a route")))
		}

		By("writing a route of the partner's own, and turning it")
		own := routeTo(namespace, "own", "guarded.example.com")
		Expect(eve.Create(ctx, own)).To(Succeed())
		own.Spec.Rules[0].Host = "robbed.example.com"
		Expect(eve.Update(ctx, own)).To(MatchError(ContainSubstring("the host robbed.example.com is not held")))

		By("writing the note of the hosts, or the claim")
		Expect(eve.Patch(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
			jsonPatch(`{"metadata":{"annotations":{"partner.dispel.com/hosts":"robbed.example.com"}}}`))).To(MatchError(ContainSubstring("forbidden")))
		Expect(eve.Create(ctx, &v1alpha1.SubdomainClaim{ObjectMeta: metav1.ObjectMeta{Name: "new.example.com"}})).To(MatchError(ContainSubstring("forbidden")))

		By("moving to another host, in which the operator is not hindered")
		patchPartner(ctx, "guarded", `spec: {subdomain: {host: moved.guarded.example.com}}`)
		eventually(ctx, "guarded", "Ready=True/Provisioned", "HostReleaseBlocked=True/RouteRemains")
		Expect(message(ctx, "guarded", v1alpha1.ConditionHostReleaseBlocked)).To(Equal(
			"hosts that are no longer declared stay with this partner because they are still routed: guarded.example.com by Ingress partner-guarded/own; " +
				"delete these objects, and remove any finalizer that blocks their deletion"))
		Eventually(func() string {
			return get(ctx, &corev1.Namespace{}, namespace).Annotations[v1alpha1.HostsAnnotation]
		}).Should(Equal("moved.guarded.example.com"))
		Eventually(func() error {
			return eve.Create(ctx, routeTo(namespace, "old", "guarded.example.com"), client.DryRunAll)
		}).Should(
			MatchError(ContainSubstring("write one of its own (moved.guarded.example.com)")))

		By("letting what is there be, so that finalizers can go")
		Expect(eve.Patch(ctx, own, jsonPatch(`{"metadata":{"labels":{"touched":"yes"}}}`))).To(Succeed())

		By("letting go of the host once they stop routing it")
		Expect(eve.Delete(ctx, own)).To(Succeed())
		eventuallyGone(ctx, claimOf("guarded.example.com"))
		eventually(ctx, "guarded", "Ready=True/Provisioned")

		By("leaving other namespaces alone")
		Expect(direct.Create(ctx, routeTo("default", "free", "robbed.example.com"), client.DryRunAll)).To(Succeed())
	})

	It("keeps their HTTPRoutes to these hosts, too", func(ctx SpecContext) {
		installGatewayAPI()
		startManager()
		applyYAML(ctx, partnerYAML("hedged", everything))
		eventually(ctx, "hedged", "Ready=True/Provisioned")
		eve, namespace := administratorOf(ctx, "hedged")
		role := &rbacv1.ClusterRole{
			ObjectMeta: metav1.ObjectMeta{Name: "httproutes", Labels: map[string]string{"rbac.authorization.k8s.io/aggregate-to-admin": "true"}},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"gateway.networking.k8s.io"}, Resources: []string{"httproutes", "listenersets"}, Verbs: []string{"*"}}},
		}
		Expect(direct.Create(ctx, role)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, role)).To(Succeed()) })
		route := func(hostnames ...any) *unstructured.Unstructured {
			object := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
				"metadata": map[string]any{"name": "route", "namespace": namespace},
				"spec":     map[string]any{},
			}}
			if len(hostnames) > 0 {
				object.Object["spec"] = map[string]any{"hostnames": hostnames}
			}
			return object
		}
		theft := func(ctx context.Context) error {
			return eve.Create(ctx, route("hedged.example.com", "robbed.example.com"), client.DryRunAll)
		}
		applyAdmission(ctx, theft, "host-guard.yaml")
		Eventually(theft).WithContext(ctx).Should(MatchError(ContainSubstring(
			"spec.hostnames: the host robbed.example.com is not held by the partner of namespace partner-hedged: write one of its own (hedged.example.com)")))
		Expect(eve.Create(ctx, route(), client.DryRunAll)).To(MatchError(ContainSubstring("no hostnames take every host")))
		Expect(eve.Create(ctx, route("hedged.example.com"), client.DryRunAll)).To(Succeed())

		annotated := route("hedged.example.com")
		annotated.SetAnnotations(map[string]string{"external-dns.alpha.kubernetes.io/hostname": "robbed.example.com"})
		Expect(eve.Create(ctx, annotated, client.DryRunAll)).To(MatchError(ContainSubstring(
			"metadata.annotations: external-dns.alpha.kubernetes.io/hostname is not among the annotations that a tenant may set on a route")))

		By("taking it by a listener")
		listeners := func(hostname *gatewayv1.Hostname) *gatewayv1.ListenerSet {
			return &gatewayv1.ListenerSet{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "listeners"},
				Spec: gatewayv1.ListenerSetSpec{
					ParentRef: gatewayv1.ParentGatewayReference{Name: "public"},
					Listeners: []gatewayv1.ListenerEntry{{Name: "web", Hostname: hostname, Port: 80, Protocol: gatewayv1.HTTPProtocolType}},
				},
			}
		}
		Eventually(func() error {
			return eve.Create(ctx, listeners(new(gatewayv1.Hostname("robbed.example.com"))), client.DryRunAll)
		}).WithContext(ctx).Should(MatchError(ContainSubstring(
			"spec.listeners: the host robbed.example.com is not held by the partner of namespace partner-hedged: write one of its own (hedged.example.com)")))
		Expect(eve.Create(ctx, listeners(nil), client.DryRunAll)).To(MatchError(ContainSubstring("a listener without a hostname takes every host")))
		Expect(eve.Create(ctx, listeners(new(gatewayv1.Hostname("hedged.example.com"))), client.DryRunAll)).To(Succeed())
	})
})

var _ = Describe("The deletion guard", func() {
	It("lets whoever may delete a namespace confirm that, and do it", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("confirmed", everything))
		eventually(ctx, "confirmed", "Ready=True/Provisioned")
		for _, object := range cluster.ParseObjects([]byte(`
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: namespace-janitor}, rules: [{apiGroups: [""], resources: [namespaces], verbs: [get, patch, update, delete]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: namespace-janitor}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: namespace-janitor}, subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: janitor}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: namespace-labeller}, rules: [{apiGroups: [""], resources: [namespaces], verbs: [get, patch, update]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: namespace-labeller}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: namespace-labeller}, subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: labeller}]}
`)) {
			createForNow(ctx, object)
		}
		janitor, labeller := as("janitor"), as("labeller")
		namespace := get(ctx, &corev1.Namespace{}, "partner-confirmed")
		deletion := func(ctx context.Context) error { return janitor.Delete(ctx, namespace, client.DryRunAll) }
		touch := func(ctx context.Context) error {
			return labeller.Patch(ctx, namespace.DeepCopy(), jsonPatch(`{"metadata":{"annotations":{"partner.dispel.com/hosts":"x"}}}`), client.DryRunAll)
		}
		Eventually(deletion).WithContext(ctx).Should(Succeed(), "the rights are known")
		Eventually(touch).WithContext(ctx).Should(Succeed(), "the rights are known")
		applyAdmission(ctx, touch, "tenant-guard.yaml")
		applyAdmission(ctx, func(ctx context.Context) error { return client.IgnoreNotFound(deletion(ctx)) }, "deletion-guard", "deletion-guard.yaml")
		Eventually(touch).WithContext(ctx).Should(MatchError(ContainSubstring("is the partner operator's to write")))
		advice := "annotate it with partner.dispel.com/confirm-deletion=partner-confirmed first"
		Eventually(deletion).WithContext(ctx).Should(MatchError(ContainSubstring(advice)))

		confirmation := jsonPatch(`{"metadata":{"annotations":{"partner.dispel.com/confirm-deletion":"partner-confirmed"}}}`)
		Expect(labeller.Patch(ctx, namespace.DeepCopy(), confirmation)).To(MatchError(ContainSubstring("is the partner operator's to write")), "who may not delete it")
		Expect(janitor.Patch(ctx, namespace.DeepCopy(), confirmation)).To(Succeed())
		Expect(janitor.Patch(ctx, namespace.DeepCopy(), jsonPatch(`{"metadata":{"annotations":{"partner.dispel.com/confirm-deletion":null}}}`))).To(Succeed())
		Expect(janitor.Patch(ctx, namespace.DeepCopy(), confirmation)).To(Succeed())
		Expect(deletion(ctx)).To(Succeed())
	})

	It("wants a live sub-domain's deletion confirmed", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, allocationYAML("lively", "1", "")+partnerYAML("lively", ""))
		eventuallyOf(ctx, allocationNamed("lively"), "Ready=True/Counted")
		applyYAML(ctx, partnerYAML("quiet-one", "").replacing("quiet-one.example.com", "quiet-one.dispel.example"))
		eventually(ctx, "lively", "Ready=True/Provisioned")
		eventually(ctx, "quiet-one", "Ready=False/HostReserved")
		deletion := func(ctx context.Context) error { return direct.Delete(ctx, partner(ctx, "lively"), client.DryRunAll) }
		applyAdmission(ctx, deletion, "deletion-guard", "deletion-guard.yaml")
		Eventually(deletion).WithContext(ctx).Should(MatchError(ContainSubstring(
			"Partner lively is served at http://lively.example.com, which its deletion would end: annotate it with partner.dispel.com/confirm-deletion=lively first, or remove spec.subdomain")))
		Expect(direct.Delete(ctx, partner(ctx, "quiet-one"))).To(Succeed())

		By("deleting what its service depends on")
		Eventually(func() error { return direct.Delete(ctx, allocationNamed("lively"), client.DryRunAll) }).Should(MatchError(ContainSubstring(
			"PCSMAllocation lively is active for Partner lively, whose staffing and support widget depend on it: annotate it with partner.dispel.com/confirm-deletion=lively first, or let it end by spec.validUntil")))
		Eventually(func() error {
			return direct.Delete(ctx, &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "basic"}}, client.DryRunAll)
		}).Should(MatchError(And(ContainSubstring("SupportPlan basic is in force for "), ContainSubstring(
			" Partners: annotate it with partner.dispel.com/confirm-deletion=basic first, or name another plan in their spec.supportPlanRef"))))
		tenantOf := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "partner-lively"}}
		Eventually(func() error { return direct.Delete(ctx, tenantOf, client.DryRunAll) }).Should(MatchError(ContainSubstring(
			"Namespace partner-lively serves lively.example.com, which its deletion would end: annotate it with partner.dispel.com/confirm-deletion=partner-lively first, or delete the Partner")))
		patch(ctx, allocationNamed("lively"), `metadata: {annotations: {partner.dispel.com/confirm-deletion: lively}}`)
		Expect(direct.Delete(ctx, allocationNamed("lively"))).To(Succeed())
		applyYAML(ctx, allocationYAML("lively", "1", "  validUntil: \"2020-01-01\""))
		eventuallyOf(ctx, allocationNamed("lively"), "Active=False/Expired")
		Expect(direct.Delete(ctx, allocationNamed("lively"))).To(Succeed(), "it is not active")

		patchPartner(ctx, "lively", `metadata: {annotations: {partner.dispel.com/confirm-deletion: other}}`)
		Expect(deletion(ctx)).To(MatchError(ContainSubstring("annotate it")))
		patchPartner(ctx, "lively", `metadata: {annotations: {partner.dispel.com/confirm-deletion: lively}}`)
		Expect(deletion(ctx)).To(Succeed())
		patchPartner(ctx, "lively", `metadata: {annotations: {partner.dispel.com/confirm-deletion: null}}`)
	})
})
