package controllers_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

var _ = Describe("The end of a Partner", func() {
	namespaceNamed := func(name string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}

	It("ends its right to a host, although a tenant keeps it from going", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("blocked", ""))
		eventually(ctx, "blocked", "Ready=True/Provisioned")
		applyYAML(ctx, partnerYAML("waits-for-blocked", "").replacing("host: waits-for-blocked.example.com", "host: blocked.example.com"))
		eventually(ctx, "waits-for-blocked", "Ready=False/HostClaimedByAnotherPartner")
		applyYAML(ctx, `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: copy, namespace: partner-blocked}, spec: {rules: [{host: blocked.example.com}]}}`)
		hook := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "partner-blocked", Name: "hook", Finalizers: []string{"example.com/never"}, OwnerReferences: []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "Partner", Name: "blocked", UID: partner(ctx, "blocked").UID, BlockOwnerDeletion: new(true),
		}}}}
		Expect(direct.Create(ctx, hook)).To(Succeed())

		Expect(direct.Delete(ctx, partner(ctx, "blocked"), client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
		eventuallyForgetsHosts(ctx, "partner-blocked")
		eventuallyGone(ctx, ingressOf("blocked", "blocked.example.com"))
		By("telling the one that waits what is in its way, and the one that is deleted what keeps it")
		eventually(ctx, "waits-for-blocked", "Ready=False/HostRoutedElsewhere")
		Expect(message(ctx, "waits-for-blocked", v1alpha1.ConditionReady)).To(ContainSubstring("Ingress partner-blocked/copy"))
		eventually(ctx, "blocked", "Ready=False/BeingDeleted")
		Expect(message(ctx, "blocked", v1alpha1.ConditionReady)).To(Equal("the Partner is being deleted and releases its hosts; these finalizers still block the deletion: foregroundDeletion; " +
			"foregroundDeletion waits for objects whose metadata.ownerReferences name the Partner with blockOwnerDeletion: look for them in namespace partner-blocked, and remove that reference or their finalizers"))
		Expect(partner(ctx, "blocked").Status.Subdomain).To(BeNil())

		By("following both pieces of advice")
		Expect(direct.Delete(ctx, ingressOf("blocked", "copy"))).To(Succeed())
		eventually(ctx, "waits-for-blocked", "Ready=True/Provisioned")
		patch(ctx, hook, `metadata: {finalizers: null}`)
		eventuallyGone(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "blocked"}})
	}, SpecTimeout(3*time.Minute))

	It("keeps a namespace by the last deletion policy, although the Partner was suspended", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("kept", "  deletionPolicy: Delete"))
		eventually(ctx, "kept", "Ready=True/Provisioned")
		Expect(get(ctx, &corev1.Namespace{}, "partner-kept").OwnerReferences).To(HaveLen(1))
		patchPartner(ctx, "kept", `spec: {suspend: true}`)
		eventuallySuspended(ctx, "kept")
		patchPartner(ctx, "kept", `spec: {deletionPolicy: Retain}`)
		Eventually(func() []metav1.OwnerReference { return get(ctx, &corev1.Namespace{}, "partner-kept").OwnerReferences }).Should(BeEmpty())
		patchPartner(ctx, "kept", `spec: {deletionPolicy: Delete}`)
		Eventually(func() []metav1.OwnerReference { return get(ctx, &corev1.Namespace{}, "partner-kept").OwnerReferences }).Should(HaveLen(1))
		patchPartner(ctx, "kept", `spec: {deletionPolicy: Retain}`)
		Eventually(func() []metav1.OwnerReference { return get(ctx, &corev1.Namespace{}, "partner-kept").OwnerReferences }).Should(BeEmpty())
		Expect(direct.Delete(ctx, partner(ctx, "kept"))).To(Succeed())
		eventuallyGone(ctx, &v1alpha1.SubdomainClaim{ObjectMeta: metav1.ObjectMeta{Name: "kept.example.com"}})
		Expect(get(ctx, &corev1.Namespace{}, "partner-kept").DeletionTimestamp).To(BeNil())
	})

	It("hands a namespace over to nobody who was promised it before", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("promising", ""))
		eventually(ctx, "promising", "Ready=True/Provisioned")
		applyYAML(ctx, partnerYAML("promised", "  tenant: {namespace: partner-promising}"))
		eventually(ctx, "promised", "TenantReady=False/NamespaceOfAnotherPartner")
		adopter := func() string {
			return get(ctx, &corev1.Namespace{}, "partner-promising").Annotations[v1alpha1.AdoptAnnotation]
		}
		for _, suspend := range []string{"false", "true"} {
			patchPartner(ctx, "promising", `spec: {suspend: `+suspend+`}`)
			patch(ctx, namespaceNamed("partner-promising"), `metadata: {annotations: {partner.dispel.com/adopt: promised}}`)
			Eventually(adopter).Should(BeEmpty())
		}
		Expect(direct.Delete(ctx, partner(ctx, "promising"))).To(Succeed())
		eventually(ctx, "promised", "TenantReady=False/NamespaceNotOwned")
		By("adopting it afterwards")
		patch(ctx, namespaceNamed("partner-promising"), `metadata: {annotations: {partner.dispel.com/adopt: promised}}`)
		eventually(ctx, "promised", "TenantReady=True/TenantProvisioned")
	})

	It("takes nothing that the operator did not write from a namespace that only bears the label", func(ctx SpecContext) {
		startManager(func(o *manager.Options) { o.RestoreGrace = 0 })
		applyYAML(ctx, partnerYAML("original", ""))
		eventually(ctx, "original", "Ready=True/Provisioned")
		copied := namespaceNamed("original-copy")
		copied.Labels = map[string]string{v1alpha1.PartnerLabel: "original"}
		createForNow(ctx, copied)
		ingress := func(name string, marks yamlText) yamlText {
			return `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: ` + yamlText(name) + `, namespace: original-copy, ` + marks + `}, spec: {rules: [{host: ` + yamlText(name) + `}]}}`
		}
		// That of a backup has the operator's marks; it goes last, so that the other was looked at.
		applyYAML(ctx, ingress("original.example.com", "labels: {partner.dispel.com/partner: original}"))
		applyYAML(ctx, ingress("other.example.com", "labels: {partner.dispel.com/partner: original, app.kubernetes.io/managed-by: partner-operator}, annotations: {partner.dispel.com/applied: x}"))
		in := func(name string) *networkingv1.Ingress {
			return &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "original-copy", Name: name}}
		}
		eventuallyGone(ctx, in("other.example.com"))
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(in("original.example.com")), in(""))).To(Succeed())
		eventually(ctx, "original", "UndeclaredNamespaces=True/NamespaceLabelled")
		Expect(message(ctx, "original", v1alpha1.ConditionUndeclaredNamespaces)).To(Equal(
			"Partner original declares namespace partner-original, but these namespaces have the label partner.dispel.com/partner=original, too: original-copy: remove the label, or delete the namespaces"))
		patch(ctx, copied, `metadata: {labels: {partner.dispel.com/partner: null}}`)
		Eventually(state(&v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "original"}})).WithContext(ctx).ShouldNot(ContainElement(HavePrefix("UndeclaredNamespaces")))
	})
})

var _ = Describe("A status", func() {
	It("is what the operator means, whoever else applied the same before", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, allocationYAML("shared", "1", "")+partnerYAML("shared", ""))
		eventually(ctx, "shared", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
		status, err := json.Marshal(map[string]any{
			"apiVersion": v1alpha1.GroupVersion.String(), "kind": "Partner", "metadata": map[string]any{"name": "shared"}, "status": partner(ctx, "shared").Status,
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(direct.Status().Patch(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "shared"}},
			client.RawPatch("application/apply-patch+yaml", status), client.FieldOwner("stranger"))).To(Succeed())

		patchPartner(ctx, "shared", `spec: {channelModel: Reseller, subdomain: null}`)
		eventually(ctx, "shared", "Ready=True/Provisioned")
		Eventually(func() v1alpha1.PartnerStatus { return partner(ctx, "shared").Status }).Should(And(
			HaveField("Subdomain", BeNil()), HaveField("SupportWidget", BeNil()), HaveField("Staffing", BeNil()),
			HaveField("Conditions", Not(ContainElement(HaveField("Type", BeElementOf("SubdomainReady", "SupportWidgetEnabled", "StaffingSufficient", "CapacityExceeded")))))))
		Expect(partner(ctx, "shared").Status.Responsibilities).To(HaveEach(HaveField("Responsible", BeEquivalentTo("Dispel"))))
	})

	It("gets a count of customers that is not stale from the command in the runbook", func(ctx SpecContext) {
		page, err := os.ReadFile(filepath.Join(cluster.Root(), "docs", "runbooks", "staffing.md"))
		Expect(err).NotTo(HaveOccurred())
		_, rest, found := strings.Cut(string(page), "```sh\n")
		Expect(found).To(BeTrue())
		script, _, _ := strings.Cut(rest, "```")
		script = strings.ReplaceAll(strings.ReplaceAll(script, "name: acme", "name: counted"), "\n   ", "\n")

		createForNow(ctx, &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "counted"}, Spec: v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic, CustomerCountMaxAge: "24h"}})
		deleteAtEnd()
		applyYAML(ctx, partnerYAML("counted", "  supportPlanRef: {name: counted}").replacing("customerCount: 5", "customerCount: 28"))
		// A day and some seconds later.
		startManager(func(o *manager.Options) { o.Clock = clockAt(time.Now().Add(24*time.Hour + 3*time.Second)) })
		eventually(ctx, "counted", "CustomerCountStale=True/CountTooOld")
		Expect(message(ctx, "counted", v1alpha1.ConditionCustomerCountStale)).To(HaveSuffix("see why that stopped; if the count is right, apply it together with a changed annotation: Kubernetes does not record an apply that changes nothing"))
		for range 2 {
			before := partner(ctx, "counted").Status.Customers.Since
			Eventually(time.Now).Should(BeTemporally(">", before.Add(5*time.Second)), "the count is some seconds old, in whole seconds")
			shell := exec.CommandContext(ctx, "bash", "-e", "-c", script)
			shell.Env = append(os.Environ(), "KUBECONFIG="+controlPlane.Kubeconfig(), "PATH="+filepath.Dir(controlPlane.Kubectl())+":"+os.Getenv("PATH"))
			out, err := shell.CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(out))
			Eventually(func() *metav1.Time { return partner(ctx, "counted").Status.Customers.Since }).Should(HaveField("Time", BeTemporally(">", before.Time)))
			Expect(partner(ctx, "counted").Status.Customers.Manager).To(Equal("customer-count"))
		}
	}, SpecTimeout(2*time.Minute))
})

var _ = Describe("What exceeds the limits of the caches", func() {
	It("is reported by name, and does not keep others waiting", func(ctx SpecContext) {
		installCertManager()
		startManager()
		applyYAML(ctx, partnerYAML("flooded", ""))
		eventually(ctx, "flooded", "Ready=True/Provisioned")
		var names []string
		for i := range 18000 {
			names = append(names, "n"+strings.Repeat("x", i%40)+".example.net")
		}
		for i := range 18000 {
			names[i] = strings.ReplaceAll(names[i], "n", "n"+string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676%26)))
		}
		large := cluster.Object(`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: large, namespace: partner-flooded}, spec: {secretName: x, issuerRef: {name: x}}}`)
		var list []any
		for _, name := range names {
			list = append(list, name)
		}
		large.Object["spec"].(map[string]any)["dnsNames"] = list
		data, err := yaml.Marshal(large)
		Expect(err).NotTo(HaveOccurred())
		Expect(len(data)).To(BeNumerically("<", 1<<20))
		createForNow(ctx, large)
		eventually(ctx, "flooded", "ObjectsIgnored=True/LimitExceeded", "Ready=True/Provisioned")
		Expect(message(ctx, "flooded", v1alpha1.ConditionObjectsIgnored)).To(Equal(
			"namespace partner-flooded exceeds the operator's limits, so the operator ignores some objects, and may miss hosts that they route: Certificate objects, such as large: delete or split them"))
		Expect(direct.Delete(ctx, large)).To(Succeed())
		Eventually(state(&v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "flooded"}})).WithContext(ctx).ShouldNot(ContainElement(HavePrefix("ObjectsIgnored")))

		By("naming the Services of a tenant that has too many")
		for i := range 1100 {
			service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "partner-flooded", GenerateName: "s-"}, Spec: corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone}}
			Expect(direct.Create(ctx, service)).To(Succeed(), "%d", i)
		}
		eventually(ctx, "flooded", "ObjectsIgnored=True/LimitExceeded", "Ready=True/Provisioned")
		Eventually(func() string { return message(ctx, "flooded", v1alpha1.ConditionObjectsIgnored) }).Should(ContainSubstring(": Service objects, such as s-"))
		Expect(direct.DeleteAllOf(ctx, &corev1.Service{}, client.InNamespace("partner-flooded"))).To(Succeed())
		Eventually(state(&v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "flooded"}})).WithContext(ctx).ShouldNot(ContainElement(HavePrefix("ObjectsIgnored")))
	}, SpecTimeout(3*time.Minute))
})
