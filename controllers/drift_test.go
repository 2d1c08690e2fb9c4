package controllers_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// mutating is a MutatingAdmissionPolicy, with its binding, for the objects of one partner.
func mutating(ctx SpecContext, name, partner, groups, resources, change string) {
	GinkgoHelper()
	for _, object := range []client.Object{
		cluster.Object(`
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: ` + name + `}
spec:
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules:
    - {apiGroups: [` + groups + `], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [` + resources + `]}
    objectSelector: {matchLabels: {partner.dispel.com/partner: ` + partner + `}}
  mutations:
  - ` + change + `
`),
		cluster.Object(`
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: ` + name + `}
spec: {policyName: ` + name + `}
`),
	} {
		Expect(direct.Create(ctx, object)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, object)).To(Succeed()) })
	}
}

// adds is the mutation by an apply configuration.
func adds(configuration string) string {
	return `{patchType: ApplyConfiguration, applyConfiguration: {expression: '` + configuration + `'}}`
}

var _ = Describe("An admission policy that changes the operator's objects", func() {
	It("makes it write once, and never again, not even after a restart", func(ctx SpecContext) {
		withoutOptionalAPIs(ctx)
		const name = "mutated"
		mutating(ctx, "label-all", name, `"", networking.k8s.io, rbac.authorization.k8s.io`, "namespaces, configmaps, services, resourcequotas, networkpolicies, ingresses, rolebindings",
			adds(`Object{metadata: Object.metadata{labels: {"example.com/team": "platform"}}}`))
		mutating(ctx, "add-field", name, `""`, "services", adds(`Object{spec: Object.spec{publishNotReadyAddresses: true}}`))
		Eventually(func(g Gomega) { // policies take effect a little later
			probe := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "mutated-probe", Labels: map[string]string{"partner.dispel.com/partner": name}},
				Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "example.net"}}
			g.Expect(direct.Create(ctx, probe, client.DryRunAll)).To(Succeed())
			g.Expect(probe.Spec.PublishNotReadyAddresses).To(BeTrue())
			g.Expect(probe.Labels).To(HaveKey("example.com/team"))
		}).Should(Succeed())

		m := startManager()
		applyYAML(ctx, allocationYAML(name, "1", "")+partnerYAML(name, everything))
		eventually(ctx, name, "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
		for _, service := range []string{kinds.EngineServiceName, kinds.WidgetServiceName} {
			var changed corev1.Service
			Expect(direct.Get(ctx, client.ObjectKey{Namespace: "partner-" + name, Name: service}, &changed)).To(Succeed())
			Expect(changed.Spec.PublishNotReadyAddresses).To(BeTrue())
			Expect(changed.Labels).To(HaveKeyWithValue("example.com/team", "platform"))
		}
		for _, object := range []string{"services/dispel-engine", "configmaps/dispel-support", "ingresses/mutated.example.com", "networkpolicies/dispel-isolation"} {
			Expect(m.Writes("partner-"+name+"/"+object)).To(HaveLen(1), object)
		}
		m.stop()

		before := reconciles("Partner")
		again := startManager(func(o *manager.Options) { o.ResyncPeriod = 300 * time.Millisecond })
		Eventually(reconciles).WithArguments("Partner").Should(BeNumerically(">", before+10))
		Expect(again.Writes("partner-" + name)).To(BeEmpty())

		By("putting right what somebody adds beside")
		service := cluster.Object(`{apiVersion: v1, kind: Service, metadata: {namespace: partner-` + name + `, name: dispel-engine}}`)
		Expect(direct.Patch(ctx, service, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"sessionAffinity":"ClientIP","externalIPs":["192.0.2.1"]}}`)), client.FieldOwner("somebody"))).To(Succeed())
		Eventually(func(g Gomega) {
			var mended corev1.Service
			g.Expect(direct.Get(ctx, client.ObjectKeyFromObject(service), &mended)).To(Succeed())
			g.Expect(mended.Spec.SessionAffinity).NotTo(Equal(corev1.ServiceAffinityClientIP))
			g.Expect(mended.Spec.ExternalIPs).To(BeEmpty())
			g.Expect(mended.Spec.PublishNotReadyAddresses).To(BeTrue())
		}).Should(Succeed())

		By("taking over what a backup brings, with all that was filled in written out")
		var restored corev1.Service
		Expect(direct.Get(ctx, client.ObjectKey{Namespace: "partner-" + name, Name: kinds.WidgetServiceName}, &restored)).To(Succeed())
		again.stop()
		Expect(direct.Delete(ctx, &restored)).To(Succeed())
		restored.ObjectMeta = metav1.ObjectMeta{Namespace: restored.Namespace, Name: restored.Name, Labels: restored.Labels, Annotations: restored.Annotations, OwnerReferences: restored.OwnerReferences}
		Expect(direct.Create(ctx, &restored, client.FieldOwner("backup"))).To(Succeed())
		third := startManager(func(o *manager.Options) { o.ResyncPeriod = 300 * time.Millisecond })
		before = reconciles("Partner")
		Eventually(reconciles).WithArguments("Partner").Should(BeNumerically(">", before+10))
		third.stop()

		By("writing none of it again after one more restart")
		before = reconciles("Partner")
		fourth := startManager(func(o *manager.Options) { o.ResyncPeriod = 300 * time.Millisecond })
		Eventually(reconciles).WithArguments("Partner").Should(BeNumerically(">", before+10))
		Expect(fourth.Writes("partner-" + name)).To(BeEmpty())
	})

	It("is left to have its way with a value, or a list, that the operator writes", func(ctx SpecContext) {
		withoutOptionalAPIs(ctx)
		const name = "overruled"
		mutating(ctx, "overrule", name, "networking.k8s.io", "ingresses",
			`{patchType: JSONPatch, jsonPatch: {expression: '[JSONPatch{op: "add", path: "/spec/ingressClassName", value: "overruled"}, JSONPatch{op: "add", path: "/spec/tls", value: [Object.spec.tls{hosts: ["overruled.example.com"], secretName: "added"}]}]'}}`)
		Eventually(func(g Gomega) {
			probe := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "overruled-probe", Labels: map[string]string{"partner.dispel.com/partner": name}},
				Spec: networkingv1.IngressSpec{DefaultBackend: &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "x", Port: networkingv1.ServiceBackendPort{Number: 1}}}}}
			g.Expect(direct.Create(ctx, probe, client.DryRunAll)).To(Succeed())
			g.Expect(probe.Spec.IngressClassName).To(HaveValue(Equal("overruled")))
		}).Should(Succeed())
		m := startManager(func(o *manager.Options) { o.ResyncPeriod = 300 * time.Millisecond })
		applyYAML(ctx, allocationYAML(name, "1", "")+partnerYAML(name, everything))
		eventually(ctx, name, "TenantReady=True/TenantProvisioned", "SupportWidgetEnabled=True/WidgetEnabled")
		route := "ingresses/overruled.example.com"
		Eventually(func() []string { return m.Writes(route) }).ShouldNot(BeEmpty())
		before := reconciles("Partner")
		Eventually(reconciles).WithArguments("Partner").Should(BeNumerically(">", before+10))
		m.reset()
		before = reconciles("Partner")
		Eventually(reconciles).WithArguments("Partner").Should(BeNumerically(">", before+10))
		Expect(m.Writes("partner-" + name)).To(BeEmpty())

		By("putting right what somebody changes in it")
		ingress := cluster.Object(`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {namespace: partner-` + name + `, name: overruled.example.com}}`)
		Expect(direct.Patch(ctx, ingress, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"defaultBackend":{"service":{"name":"elsewhere","port":{"number":80}}}}}`)), client.FieldOwner("somebody"))).To(Succeed())
		Eventually(func(g Gomega) {
			var mended networkingv1.Ingress
			g.Expect(direct.Get(ctx, client.ObjectKeyFromObject(ingress), &mended)).To(Succeed())
			g.Expect(mended.Spec.DefaultBackend).To(BeNil())
		}).Should(Succeed())
	})
})
