package controllers_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/testing/partners"
)

var _ = Describe("A new Partner", func() {
	It("costs one write an object and one of its status, and no reads", func(ctx SpecContext) {
		withoutOptionalAPIs(ctx)
		m := startManager()
		applyYAML(ctx, allocationYAML("cost", "0.5", ""))
		eventuallyOf(ctx, allocationNamed("cost"), "Accepted=False/PartnerNotFound") // the manager has seen it
		applyYAML(ctx, partnerYAML("cost", everything))
		eventually(ctx, "cost", "Ready=True/Provisioned", "TenantReady=True/TenantProvisioned", "SubdomainReady=True/RouteAccepted",
			"SupportWidgetEnabled=True/WidgetEnabled", "StaffingSufficient=True/WithinCapacity", "CapacityExceeded=False/WithinCapacity")

		want := []string{"PATCH /api/v1/namespaces/partner-cost", "PATCH partner.dispel.com/v1alpha1/partners/cost/status"}
		for _, child := range partners.Children("cost") {
			kind := kinds.OfType(child)
			resource, _ := meta.UnsafeGuessKindToResource(kind.GroupVersionKind)
			in, at := "/namespaces/"+child.GetNamespace()+"/", resource.GroupVersion().String()
			if resource.Group == "" {
				at = "/api/" + resource.Version
			}
			if kind.Relation == kinds.ByHolder {
				want = append(want, "POST "+at+"/"+resource.Resource)
				continue
			}
			want = append(want, "PATCH "+at+in+resource.Resource+"/"+child.GetName())
		}
		ofPartner := func() []string {
			var writes []string
			for _, write := range m.Writes("") {
				if another := strings.Contains(write, "/namespaces/partner-") && !strings.Contains(write, "/namespaces/partner-cost"); another {
					continue // what the end of an earlier spec left to do
				}
				if !strings.Contains(write, "/pcsmallocations/") && !strings.Contains(write, "/supportplans/") && !strings.Contains(write, "/events") {
					writes = append(writes, write)
				}
			}
			return writes
		}
		Expect(ofPartner()).To(ConsistOf(want))
		reconciled := reconciles("Partner")
		By("looking at it again")
		patchPartner(ctx, "cost", `metadata: {annotations: {example.com/touched: "true"}}`)
		Eventually(reconciles).WithArguments("Partner").Should(BeNumerically(">", reconciled))
		Expect(ofPartner()).To(ConsistOf(want))
		Expect(m.Reads()).To(BeEmpty())
	})

	It("has all its objects labelled, and no finalizer anywhere", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, allocationYAML("labelled", "1", "")+partnerYAML("labelled", everything))
		eventually(ctx, "labelled", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
		for _, child := range children("labelled") {
			Expect(direct.Get(ctx, client.ObjectKeyFromObject(child), child)).To(Succeed())
			Expect(child.GetLabels()).To(HaveKeyWithValue(v1alpha1.PartnerLabel, "labelled"))
			Expect(child.GetLabels()).To(HaveKeyWithValue(v1alpha1.ManagedByLabel, "partner-operator"))
			Expect(child.GetFinalizers()).To(BeEmpty())
		}
		Expect(partner(ctx, "labelled").Finalizers).To(BeEmpty())

		By("passing no label or annotation of the Partner on")
		patchPartner(ctx, "labelled", `metadata: {labels: {argocd.argoproj.io/instance: fleet}, annotations: {example.com/note: x}}`)
		eventually(ctx, "labelled", "Ready=True/Provisioned")
		for _, child := range children("labelled") {
			Expect(direct.Get(ctx, client.ObjectKeyFromObject(child), child)).To(Succeed())
			Expect(child.GetLabels()).NotTo(HaveKey("argocd.argoproj.io/instance"))
			Expect(child.GetAnnotations()).NotTo(HaveKey("example.com/note"))
		}
	})
})

// reconciles is how many reconciles this process has done of objects of a kind that are there.
func reconciles(kind string) int {
	GinkgoHelper()
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	total := 0
	for _, family := range families {
		if family.GetName() != "partner_operator_reconciles_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if labels["kind"] == kind && labels["outcome"] != "Gone" {
				total += int(metric.GetCounter().GetValue())
			}
		}
	}
	return total
}

// withoutOptionalAPIs is for a spec that counts reads: a manager reads the
// CustomResourceDefinitions of each optional API that is there when it starts.
func withoutOptionalAPIs(ctx context.Context) {
	GinkgoHelper()
	uninstallGatewayAPI(ctx)
	uninstallCertManager(ctx)
	uninstallTraefik(ctx)
}

var _ = Describe("In a quiet hour", func() {
	It("restarts and resyncs write nothing", func(ctx SpecContext) {
		withoutOptionalAPIs(ctx)
		first := startManager()
		applyYAML(ctx, allocationYAML("quiet", "1", "")+partnerYAML("quiet", everything))
		eventually(ctx, "quiet", "Ready=True/Provisioned", "StaffingSufficient=True/WithinCapacity", "SupportWidgetEnabled=True/WidgetEnabled")
		eventuallyOf(ctx, allocationNamed("quiet"), "Ready=True/Counted")
		applyYAML(ctx, partnerYAML("quiet-broken", "").replacing("quiet-broken.example.com", "quiet.example.com"))
		eventually(ctx, "quiet-broken", "Ready=False/HostClaimedByAnotherPartner")
		By("waiting for the totals, which trail the partners of this spec and of those before")
		for _, plan := range []string{"basic", "premium"} {
			Eventually(func(g Gomega) { g.Expect(totalsOf(ctx, plan)).To(Equal(totalsNow(ctx, plan))) }).Should(Succeed())
		}
		first.stop()

		before := reconciles("Partner")
		second := startManager(func(o *manager.Options) { o.ResyncPeriod = 300 * time.Millisecond })
		Eventually(reconciles).WithArguments("Partner").Should(BeNumerically(">", before+10))
		Expect(second.Writes("")).To(BeEmpty())
		Expect(second.Reads()).To(BeEmpty())
	})

	It("a week goes by without a write where no verdict changes", func(ctx SpecContext) {
		withoutOptionalAPIs(ctx)
		now := &steppedClock{}
		now.step(time.Until(time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)))
		m := startManager(func(o *manager.Options) { o.ResyncPeriod, o.Clock = 300*time.Millisecond, now })
		applyYAML(ctx, allocationYAML("weekly", "1", `  localization: {timeZone: Europe/Berlin}
  shifts: [{days: [Monday, Tuesday, Wednesday, Thursday, Friday], start: "15:00", end: "22:00"}]
  absences: [{from: "2026-11-23", until: "2026-11-27"}, {from: "2026-12-21", until: "2026-12-31"}]`)+
			partnerYAML("weekly", `  expectedCustomers: [{"on": "2030-03-01", count: 60}]`+"\n"))
		eventually(ctx, "weekly", "HoursCovered=False/HoursUncovered", "ShortfallExpected=True/CustomersExpected", "Ready=True/Provisioned")
		Expect(partner(ctx, "weekly").Status.Coverage.Summary).To(Equal("35/40h"))
		Eventually(func(g Gomega) { g.Expect(totalsOf(ctx, "basic")).To(Equal(totalsNow(ctx, "basic"))) }).Should(Succeed())
		m.reset()
		for range 7 {
			now.step(24 * time.Hour)
			before := reconciles("Partner")
			// There is one Partner. Its first reconcile may have begun before the step.
			Eventually(reconciles).WithArguments("Partner").Should(BeNumerically(">", before+1))
		}
		By("waiting for what trails: allocations, and the totals of plans")
		Consistently(func() []string { return m.Writes("") }).WithTimeout(2 * time.Second).Should(BeEmpty())
	})
})

// steppedClock runs like the system's, and can be put forward.
type steppedClock struct {
	clock.RealClock
	ahead atomic.Int64
}

func (c *steppedClock) step(by time.Duration)           { c.ahead.Add(int64(by)) }
func (c *steppedClock) Now() time.Time                  { return c.RealClock.Now().Add(time.Duration(c.ahead.Load())) }
func (c *steppedClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

type totals struct {
	partners, customers, over int64
	fte                       string
}

func totalsOf(ctx context.Context, plan string) totals {
	GinkgoHelper()
	found := get(ctx, &v1alpha1.SupportPlan{}, plan).Status.Totals
	if found == nil {
		return totals{}
	}
	return totals{*found.Partners, *found.Customers, *found.OverCapacity, found.AllocatedFTE.String()}
}

// totalsNow are what the totals of a plan come to, by the partners as they are.
func totalsNow(ctx context.Context, plan string) totals {
	GinkgoHelper()
	var partners v1alpha1.PartnerList
	Expect(direct.List(ctx, &partners)).To(Succeed())
	var sum totals
	var allocated v1alpha1.FTE
	for i := range partners.Items {
		if partner := &partners.Items[i]; contract.PlanName(partner) == plan {
			sum.partners++
			sum.customers += int64(ptr.Deref(partner.Spec.CustomerCount, 0))
			if partner.Status.Staffing != nil {
				allocated += partner.Status.Staffing.AllocatedFTE
			}
			if meta.IsStatusConditionTrue(partner.Status.Conditions, "CapacityExceeded") {
				sum.over++
			}
		}
	}
	sum.fte = allocated.String()
	return sum
}

var _ = Describe("Drift", func() {
	It("is undone, whichever child is edited or deleted by hand", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, allocationYAML("drift", "1", "")+partnerYAML("drift", everything))
		eventually(ctx, "drift", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")

		for i, child := range children("drift") {
			By(fmt.Sprintf("taking the label off %T %s", child, child.GetName()))
			for _, labels := range []string{`{partner.dispel.com/partner: null}`, `{app.kubernetes.io/managed-by: eve}`} {
				patch(ctx, child, `metadata: {labels: `+labels+`}`)
				Eventually(func() map[string]string {
					Expect(direct.Get(ctx, client.ObjectKeyFromObject(child), child)).To(Succeed())
					return child.GetLabels()
				}).Should(And(HaveKeyWithValue(v1alpha1.PartnerLabel, "drift"), HaveKeyWithValue(v1alpha1.ManagedByLabel, "partner-operator")))
			}
			if i == 0 {
				continue // the namespace's deletion has a spec of its own
			}
			By(fmt.Sprintf("deleting %T %s", child, child.GetName()))
			uid := string(child.GetUID())
			Expect(direct.Delete(ctx, child)).To(Succeed())
			eventuallyThere(ctx, child, uid)
		}
		eventually(ctx, "drift", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
	})

	It("of what is no longer declared is undone, too", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, allocationYAML("shrunk", "1", "")+partnerYAML("shrunk", everything))
		eventually(ctx, "shrunk", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
		By("having a route under a name that the operator gave once, and gives no more")
		ingress := get(ctx, &networkingv1.Ingress{}, "shrunk.example.com", "partner-shrunk")
		renamed := routeTo("partner-shrunk", "once.shrunk.example.com", "once.shrunk.example.com")
		renamed.Labels, renamed.Annotations = ingress.Labels, ingress.Annotations
		Expect(direct.Create(ctx, renamed)).To(Succeed())
		eventuallyGone(ctx, renamed)

		applyYAML(ctx, partnerYAML("shrunk", "  tenant: {networkIsolation: Disabled}"))
		for _, child := range children("shrunk") {
			switch child.(type) {
			case *networkingv1.NetworkPolicy, *corev1.ResourceQuota, *rbacv1.RoleBinding:
				eventuallyGone(ctx, child)
			}
		}
		eventually(ctx, "shrunk", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
	})

	It("is undone in the fields, and leaves others' fields alone", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("fields", everything))
		eventually(ctx, "fields", "Ready=True/Provisioned")
		namespace := objects.DefaultNamespace("fields")

		ingress := get(ctx, &networkingv1.Ingress{}, "fields.example.com", namespace)
		patch(ctx, ingress, `{metadata: {annotations: {example.com/theirs: kept}}, spec: {rules: [{host: evil.example.org}]}}`)
		Eventually(func() string {
			return get(ctx, ingress, "fields.example.com", namespace).Spec.Rules[0].Host
		}).Should(Equal("fields.example.com"))
		Expect(ingress.Annotations).To(HaveKeyWithValue("example.com/theirs", "kept"))

		policy := get(ctx, &networkingv1.NetworkPolicy{}, kinds.IsolationName, namespace)
		declared := policy.Spec
		for _, opened := range []string{
			`spec: {ingress: [{}]}`,
			`spec: {podSelector: {matchLabels: {only: this}}}`,
			`spec: {ingress: [{from: [{podSelector: {}, namespaceSelector: {}}]}, {from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: traefik}}}]}]}`,
		} {
			patch(ctx, policy, opened)
			Eventually(func() networkingv1.NetworkPolicySpec { return get(ctx, policy, kinds.IsolationName, namespace).Spec }).Should(Equal(declared), opened)
		}

		quota := get(ctx, &corev1.ResourceQuota{}, kinds.QuotaName, namespace)
		patch(ctx, quota, `spec: {hard: {pods: "500"}}`)
		Eventually(func() string { return get(ctx, quota, kinds.QuotaName, namespace).Spec.Hard.Pods().String() }).Should(Equal("5"))

		binding := get(ctx, &rbacv1.RoleBinding{}, kinds.AdministratorsName, namespace)
		patch(ctx, binding, `subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: intruder}]`)
		Eventually(func() string { return get(ctx, binding, kinds.AdministratorsName, namespace).Subjects[0].Name }).Should(Equal("admins"))

		contract := get(ctx, &corev1.ConfigMap{}, kinds.ContractName, namespace)
		patch(ctx, contract, `data: {support.json: "{}"}`)
		Eventually(func() string { return get(ctx, contract, kinds.ContractName, namespace).Data[kinds.ContractKey] }).Should(HavePrefix(`{"version":"v1"`))
	})

	It("is undone in the status", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("status", ""))
		eventually(ctx, "status", "Ready=True/Provisioned")
		lost := partner(ctx, "status")
		lost.Status = v1alpha1.PartnerStatus{}
		Expect(direct.Status().Update(ctx, lost)).To(Succeed())
		eventually(ctx, "status", "Ready=True/Provisioned")
	})

	It("is no reason to touch the conditions of others", func(ctx SpecContext) {
		m := startManager()
		applyYAML(ctx, partnerYAML("others", ""))
		eventually(ctx, "others", "Ready=True/Provisioned")
		patched := partner(ctx, "others")
		patched.Status.Conditions = append(patched.Status.Conditions, metav1.Condition{
			Type: "BillingReady", Status: metav1.ConditionTrue, Reason: "Paid", Message: "paid", LastTransitionTime: metav1.Now()})
		Expect(direct.Status().Update(ctx, patched)).To(Succeed())
		m.reset()
		patchPartner(ctx, "others", `spec: {customerCount: 6}`)
		eventually(ctx, "others", "Ready=True/Provisioned", "BillingReady=True/Paid")
		Eventually(func() []string { return m.Writes("partners/others/status") }).Should(HaveLen(1))
	})
})

var _ = Describe("A suspended Partner", func() {
	It("is left alone until it goes on", func(ctx SpecContext) {
		m := startManager()
		applyYAML(ctx, partnerYAML("suspended", ""))
		eventually(ctx, "suspended", "Ready=True/Provisioned")
		patchPartner(ctx, "suspended", `spec: {suspend: true, subdomain: {host: other.suspended.example.com}}`)
		Eventually(func() []metav1.Condition { return partner(ctx, "suspended").Status.Conditions }).Should(ContainElement(And(
			HaveField("Type", "Suspended"), HaveField("Status", metav1.ConditionTrue), HaveField("Reason", "SuspendedBySpec"))))
		Expect(partner(ctx, "suspended").Status.ObservedGeneration).To(BeEquivalentTo(1), "the rest of the status stays")

		m.reset()
		ingress := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: objects.DefaultNamespace("suspended"), Name: "suspended.example.com"}}
		before := reconciles("Partner")
		Expect(direct.Delete(ctx, ingress)).To(Succeed())
		Eventually(reconciles).WithArguments("Partner").Should(BeNumerically(">", before))
		Expect(m.Writes("suspended")).To(BeEmpty())

		patchPartner(ctx, "suspended", `spec: {suspend: null}`)
		eventually(ctx, "suspended", "Ready=True/Provisioned")
		Expect(partner(ctx, "suspended").Status.Subdomain.URL).To(Equal("http://other.suspended.example.com"))
		Expect(partner(ctx, "suspended").Status.Conditions).NotTo(ContainElement(HaveField("Type", "Suspended")))
	})
})

var _ = Describe("Deletion", func() {
	// divided are the children of a partner that is Ready: those that stay with the namespace, and those
	// that go with the Partner, which owns them, whatever becomes of the namespace.
	divided := func(ctx context.Context, name string) (guards, owned []client.Object) {
		GinkgoHelper()
		for _, child := range made(ctx, name) {
			if len(child.GetOwnerReferences()) > 0 {
				owned = append(owned, child)
			} else {
				guards = append(guards, child)
			}
		}
		Expect(guards).To(ContainElements(BeAssignableToTypeOf(&corev1.Namespace{}), BeAssignableToTypeOf(&networkingv1.NetworkPolicy{}), BeAssignableToTypeOf(&rbacv1.RoleBinding{})))
		Expect(owned).To(ContainElements(BeAssignableToTypeOf(&networkingv1.Ingress{}), BeAssignableToTypeOf(&corev1.ConfigMap{}), BeAssignableToTypeOf(&v1alpha1.SubdomainClaim{})))
		return guards, owned
	}

	It("under Retain closes the exposure, keeps the namespace with its guards, and is taken back", func(ctx SpecContext) {
		startManager()
		manifests := allocationYAML("retained", "1", "") + partnerYAML("retained", everything)
		applyYAML(ctx, manifests)
		eventually(ctx, "retained", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: objects.DefaultNamespace("retained"), Name: "precious"}}
		Expect(direct.Create(ctx, secret)).To(Succeed())

		guards, owned := divided(ctx, "retained")
		Expect(direct.Delete(ctx, partner(ctx, "retained"))).To(Succeed())
		for _, child := range owned {
			eventuallyGone(ctx, child)
		}
		for _, child := range guards {
			Expect(direct.Get(ctx, client.ObjectKeyFromObject(child), child)).To(Succeed())
			Expect(child.GetOwnerReferences()).To(BeEmpty())
		}
		namespace := guards[0]
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(namespace), namespace)).To(Succeed())
		eventuallyForgetsHosts(ctx, namespace.GetName())

		applyYAML(ctx, manifests)
		eventually(ctx, "retained", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
		again := get(ctx, &corev1.Namespace{}, namespace.GetName())
		Expect(again.UID).To(Equal(namespace.GetUID()))
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(secret), secret)).To(Succeed())
	})

	It("under Delete takes the namespace and all in it", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, allocationYAML("deleted", "1", "")+partnerYAML("deleted", everything+"  deletionPolicy: Delete\n"))
		eventually(ctx, "deleted", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
		Expect(direct.Delete(ctx, partner(ctx, "deleted"))).To(Succeed())
		for _, child := range children("deleted") {
			eventuallyGone(ctx, child)
		}
	})

	It("happens while the operator is down", func(ctx SpecContext) {
		m := startManager()
		applyYAML(ctx, allocationYAML("down-retain", "1", "")+partnerYAML("down-retain", everything))
		applyYAML(ctx, partnerYAML("down-delete", everything+"  deletionPolicy: Delete\n"))
		eventually(ctx, "down-retain", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
		eventually(ctx, "down-delete", "Ready=True/Provisioned")
		guards, owned := divided(ctx, "down-retain")
		m.stop()

		Expect(direct.Delete(ctx, partner(ctx, "down-retain"))).To(Succeed())
		Expect(direct.Delete(ctx, partner(ctx, "down-delete"))).To(Succeed())
		for _, child := range owned {
			eventuallyGone(ctx, child)
		}
		for _, child := range guards {
			Expect(direct.Get(ctx, client.ObjectKeyFromObject(child), child)).To(Succeed())
		}
		for _, child := range children("down-delete") {
			eventuallyGone(ctx, child)
		}

		startManager()
		eventuallyForgetsHosts(ctx, objects.DefaultNamespace("down-retain"))
		By("recreating a Partner, which takes the retained namespace back")
		applyYAML(ctx, partnerYAML("down-retain", everything))
		eventually(ctx, "down-retain", "Ready=True/Provisioned")
	})

	It("follows a change of the policy", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("changed-mind", "  deletionPolicy: Delete\n"))
		eventually(ctx, "changed-mind", "Ready=True/Provisioned")
		namespace := objects.DefaultNamespace("changed-mind")
		Expect(get(ctx, &corev1.Namespace{}, namespace).OwnerReferences).To(HaveLen(1))
		patchPartner(ctx, "changed-mind", `spec: {deletionPolicy: Retain}`)
		Eventually(func() []metav1.OwnerReference { return get(ctx, &corev1.Namespace{}, namespace).OwnerReferences }).Should(BeEmpty())
	})

	It("survives a Partner that is recreated at once, with another UID", func(ctx SpecContext) {
		startManager()
		manifest := partnerYAML("reborn", everything)
		applyYAML(ctx, manifest)
		eventually(ctx, "reborn", "Ready=True/Provisioned")
		_, owned := divided(ctx, "reborn")
		Expect(direct.Delete(ctx, partner(ctx, "reborn"))).To(Succeed())
		applyYAML(ctx, manifest)
		uid := partner(ctx, "reborn").UID
		for _, child := range owned {
			Eventually(func(ctx context.Context) ([]metav1.OwnerReference, error) {
				err := direct.Get(ctx, client.ObjectKeyFromObject(child), child)
				return child.GetOwnerReferences(), err
			}).WithContext(ctx).Should(ConsistOf(HaveField("UID", uid)))
		}
		eventually(ctx, "reborn", "Ready=True/Provisioned")
	})
})

// inNamespace has a partner declare everything, and a namespace.
func inNamespace(name string) string {
	return strings.Replace(everything, "  tenant:\n", "  tenant:\n    namespace: "+name+"\n", 1)
}

var _ = Describe("The tenant namespace", func() {
	It("is never taken over unless it says so", func(ctx SpecContext) {
		startManager()
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: objects.DefaultNamespace("squatted")}}
		Expect(direct.Create(ctx, namespace)).To(Succeed())
		applyYAML(ctx, partnerYAML("squatted", ""))
		eventually(ctx, "squatted", "Ready=False/NamespaceNotOwned", "Stalled=True/NamespaceNotOwned", "TenantReady=False/NamespaceNotOwned", "SubdomainReady=False/TenantNotReady")
		Expect(message(ctx, "squatted", v1alpha1.ConditionReady)).To(Equal(
			"namespace partner-squatted was there before and is not this partner's: inspect its contents, then annotate it with partner.dispel.com/adopt=squatted to adopt it, or delete it"))
		Expect(get(ctx, &corev1.Namespace{}, namespace.Name).Labels).NotTo(HaveKey(v1alpha1.PartnerLabel))

		patch(ctx, namespace, `metadata: {annotations: {partner.dispel.com/adopt: squatted}}`)
		eventually(ctx, "squatted", "Ready=True/Provisioned")
	})

	It("is the declared one, whatever its name, and is looked after as any other", func(ctx SpecContext) {
		startManager()
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "moved-in-prod", Labels: map[string]string{"team": "remote-access"}}}
		Expect(direct.Create(ctx, namespace)).To(Succeed())
		Expect(direct.Create(ctx, routeTo(namespace.Name, "legacy", "moved-in.example.com"))).To(Succeed())
		applyYAML(ctx, partnerYAML("moved-in", inNamespace("moved-in-prod")))
		eventually(ctx, "moved-in", "Ready=False/NamespaceNotOwned")
		patch(ctx, namespace, `metadata: {annotations: {partner.dispel.com/adopt: moved-in}}`)
		eventually(ctx, "moved-in", "Ready=True/Provisioned")
		Expect(get(ctx, namespace, namespace.Name).Labels).To(And(HaveKeyWithValue("team", "remote-access"), HaveKeyWithValue(v1alpha1.PartnerLabel, "moved-in")))
		Expect(namespace.Annotations).To(HaveKeyWithValue(v1alpha1.HostsAnnotation, "moved-in.example.com"))
		eventuallyGone(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: objects.DefaultNamespace("moved-in")}})
		Expect(get(ctx, &v1alpha1.Partner{}, "moved-in").Status.Namespace).To(Equal(namespace.Name))

		By("putting back what somebody deletes or changes in it")
		quota := get(ctx, &corev1.ResourceQuota{}, kinds.QuotaName, namespace.Name)
		Expect(direct.Delete(ctx, quota)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(direct.Get(ctx, key(kinds.QuotaName, namespace.Name), &corev1.ResourceQuota{})).To(Succeed())
		}).Should(Succeed())
		patch(ctx, namespace, `metadata: {labels: {partner.dispel.com/partner: null}}`)
		Eventually(func() map[string]string { return get(ctx, &corev1.Namespace{}, namespace.Name).Labels }).Should(HaveKeyWithValue(v1alpha1.PartnerLabel, "moved-in"))

		By("leaving it with its objects, and the host with nobody's route but the tenant's own")
		Expect(direct.Delete(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "moved-in"}})).To(Succeed())
		eventuallyGone(ctx, &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "moved-in.example.com"}})
		eventuallyGone(ctx, &v1alpha1.SubdomainClaim{ObjectMeta: metav1.ObjectMeta{Name: "moved-in.example.com"}})
		eventuallyForgetsHosts(ctx, namespace.Name)
		Expect(direct.Get(ctx, key(kinds.QuotaName, namespace.Name), &corev1.ResourceQuota{})).To(Succeed())
	})

	It("is that of one Partner only, and the other is told whose", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("first", "  tenant: {namespace: shared-prod}"))
		eventually(ctx, "first", "Ready=True/Provisioned")
		applyYAML(ctx, partnerYAML("second", "  tenant: {namespace: shared-prod}"))
		eventually(ctx, "second", "Ready=False/NamespaceOfAnotherPartner", "Stalled=True/NamespaceOfAnotherPartner")
		Expect(message(ctx, "second", v1alpha1.ConditionReady)).To(Equal(
			`namespace shared-prod belongs to Partner "first": spec.tenant.namespace cannot be changed, so delete this Partner and create it again with another one`))
		patch(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shared-prod"}}, `metadata: {annotations: {partner.dispel.com/adopt: second}}`)
		Consistently(func() string { return objects.HolderOf(get(ctx, &corev1.Namespace{}, "shared-prod")) }, "500ms").Should(Equal("first"))
		eventually(ctx, "first", "Ready=True/Provisioned")

		By("handing it over by that annotation once the first is gone, if it is set then")
		Expect(direct.Delete(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "first"}})).To(Succeed())
		eventually(ctx, "second", "Ready=False/NamespaceNotOwned")
		patch(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shared-prod"}}, `metadata: {annotations: {partner.dispel.com/adopt: second}}`)
		eventually(ctx, "second", "Ready=True/Provisioned")
		Expect(objects.HolderOf(get(ctx, &corev1.Namespace{}, "shared-prod"))).To(Equal("second"))
	})

	It("is made by the older of two Partners that declare it at once", func(ctx SpecContext) {
		for _, name := range []string{"older", "younger"} {
			applyYAML(ctx, partnerYAML(name, "  tenant: {namespace: contested-prod}"))
			if name == "older" { // creation is noted in whole seconds
				Eventually(func() bool {
					return time.Now().After(get(ctx, &v1alpha1.Partner{}, name).CreationTimestamp.Add(time.Second))
				}).Should(BeTrue())
			}
		}
		startManager()
		eventually(ctx, "older", "Ready=True/Provisioned")
		eventually(ctx, "younger", "Ready=False/NamespaceOfAnotherPartner")
		Expect(objects.HolderOf(get(ctx, &corev1.Namespace{}, "contested-prod"))).To(Equal("older"))
	})

	It("loses the note of its hosts once a Partner of the name has another", func(ctx SpecContext) {
		m := startManager()
		applyYAML(ctx, partnerYAML("resettled", everything))
		eventually(ctx, "resettled", "Ready=True/Provisioned")
		m.stop()
		Expect(direct.Delete(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "resettled"}})).To(Succeed())
		eventuallyGone(ctx, &v1alpha1.SubdomainClaim{ObjectMeta: metav1.ObjectMeta{Name: "resettled.example.com"}})
		applyYAML(ctx, partnerYAML("resettled", inNamespace("resettled-prod")))
		startManager()
		eventually(ctx, "resettled", "Ready=True/Provisioned")
		eventuallyForgetsHosts(ctx, objects.DefaultNamespace("resettled"))
		Expect(get(ctx, &corev1.Namespace{}, "resettled-prod").Annotations).To(HaveKeyWithValue(v1alpha1.HostsAnnotation, "resettled.example.com"))
	})

	It("of an earlier Partner of the name loses the routes that were left in it without an owner", func(ctx SpecContext) {
		m := startManager()
		applyYAML(ctx, partnerYAML("relocated", ""))
		eventually(ctx, "relocated", "Ready=True/Provisioned")
		m.stop()
		Expect(direct.Delete(ctx, partner(ctx, "relocated"), client.PropagationPolicy(metav1.DeletePropagationOrphan))).To(Succeed())
		left := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: objects.DefaultNamespace("relocated"), Name: "relocated.example.com"}}
		Eventually(func(g Gomega) {
			g.Expect(direct.Get(ctx, client.ObjectKeyFromObject(left), left)).To(Succeed())
			g.Expect(left.OwnerReferences).To(BeEmpty())
		}).Should(Succeed())
		eventuallyGone(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "relocated"}})
		applyYAML(ctx, partnerYAML("relocated", inNamespace("relocated-prod")))
		startManager()
		eventuallyGone(ctx, left)
		eventually(ctx, "relocated", "Ready=True/Provisioned")
		eventuallyForgetsHosts(ctx, left.Namespace)
	})

	It("is none of the platform's", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("squatting", "  tenant: {namespace: traefik}"))
		eventually(ctx, "squatting", "Ready=False/NamespaceReserved", "Stalled=True/NamespaceReserved", "TenantReady=False/NamespaceReserved")
	})

	It("is made anew after its deletion, and nothing is made in it before", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("terminated", ""))
		eventually(ctx, "terminated", "Ready=True/Provisioned")
		namespace := get(ctx, &corev1.Namespace{}, objects.DefaultNamespace("terminated"))
		stuck := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "stuck", Finalizers: []string{"example.com/stuck"}}}
		Expect(direct.Create(ctx, stuck)).To(Succeed())
		Expect(direct.Delete(ctx, namespace)).To(Succeed())
		eventually(ctx, "terminated", "Ready=False/NamespaceTerminating", "Reconciling=True/NamespaceTerminating", "SubdomainReady=False/TenantNotReady")
		eventuallyGone(ctx, &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "terminated.example.com"}})

		patch(ctx, stuck, `metadata: {finalizers: null}`)
		eventually(ctx, "terminated", "Ready=True/Provisioned")
		Expect(get(ctx, &corev1.Namespace{}, namespace.Name).UID).NotTo(Equal(namespace.UID))
	})
})

var _ = Describe("A fault", func() {
	It("of the API server's for a while loses nothing", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("outage", everything))
		eventually(ctx, "outage", "Ready=True/Provisioned")
		By("changing the Partner and taking the API server away at once")
		applyYAML(ctx, allocationYAML("outage", "0.5", ""))
		patchPartner(ctx, "outage", `spec: {customerCount: 8}`)
		Expect(controlPlane.StopAPIServer()).To(Succeed())
		Expect(controlPlane.StartAPIServer(ctx)).To(Succeed())
		eventually(ctx, "outage", "Ready=True/Provisioned", "CapacityExceeded=True/CustomersExceedFTECapacity",
			"StaffingSufficient=False/CapacityExceeded", "SupportWidgetEnabled=True/WidgetEnabled")
	})

	It("of the manager's at any write converges to the same state", func(ctx SpecContext) {
		const writes = 10 // as the first spec counts them
		for survived := range writes {
			By(fmt.Sprintf("cutting the manager off after %d writes", survived))
			name := fmt.Sprintf("killed-%d", survived)
			var left atomic.Int64
			left.Store(int64(survived))
			m := startManager()
			m.mu.Lock()
			m.refuse = func(write string) error {
				if strings.Contains(write, name) || strings.Contains(write, "subdomainclaims") {
					if left.Add(-1) < 0 {
						return http.ErrServerClosed
					}
				}
				return nil
			}
			m.mu.Unlock()
			applyYAML(ctx, allocationYAML(name, "1", "")+partnerYAML(name, everything))
			Eventually(left.Load).Should(BeNumerically("<", 0))
			m.stop()

			m = startManager()
			eventually(ctx, name, "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled", "StaffingSufficient=True/WithinCapacity")
			for _, child := range children(name) {
				Expect(direct.Get(ctx, client.ObjectKeyFromObject(child), child)).To(Succeed())
				Expect(child.GetOwnerReferences()).To(Or(BeEmpty(), HaveLen(1)))
			}
			m.stop()
		}
	})

	It("of two managers at work at once duplicates nothing", func(ctx SpecContext) {
		startManager()
		startManager()
		for i := range 10 {
			applyYAML(ctx, partnerYAML(fmt.Sprintf("twice-%d", i), everything))
		}
		for i := range 10 {
			eventually(ctx, fmt.Sprintf("twice-%d", i), "Ready=True/Provisioned")
		}
		var claims v1alpha1.SubdomainClaimList
		Expect(direct.List(ctx, &claims)).To(Succeed())
		holders := map[string]int{}
		for _, claim := range claims.Items {
			holders[string(claim.Spec.PartnerRef.Name)]++
		}
		for i := range 10 {
			Expect(holders[fmt.Sprintf("twice-%d", i)]).To(Equal(1))
		}
	})

	It("that the API server finds in an object stalls, and is told", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("refused", "").withRoute(`{annotations: {"no such key": x}}`))
		eventually(ctx, "refused", "Ready=False/ObjectRefused", "Stalled=True/ObjectRefused", "SubdomainReady=False/ObjectRefused", "TenantReady=True/TenantProvisioned")
		Expect(message(ctx, "refused", v1alpha1.ConditionReady)).To(HavePrefix(
			"the API server refuses Ingress partner-refused/refused.example.com; the operator retries within two minutes. Change what the Partner declares for it, or what refuses it: "))
		patchPartner(ctx, "refused", `spec: {subdomain: {route: null}}`)
		eventually(ctx, "refused", "Ready=True/Provisioned")
	})

	It("does not come of objects under the operator's names: they are its own once the namespace is", func(ctx SpecContext) {
		namespace := objects.DefaultNamespace("occupied")
		Expect(direct.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: namespace, Annotations: map[string]string{v1alpha1.AdoptAnnotation: "occupied"},
		}})).To(Succeed())
		in := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace, Name: name} }
		theirs := &corev1.Service{
			ObjectMeta: in(kinds.EngineServiceName),
			Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "theirs.example.net"},
		}
		binding := &rbacv1.RoleBinding{
			ObjectMeta: in(kinds.AdministratorsName),
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "intruder"}},
		}
		contract := &corev1.ConfigMap{ObjectMeta: in(kinds.ContractName), Data: map[string]string{"support.json": "{}", "more": "x"}, Immutable: new(true)}
		route := routeTo(namespace, "occupied.example.com", "occupied.example.com")
		for _, object := range []client.Object{theirs, binding, contract, route} {
			Expect(direct.Create(ctx, object)).To(Succeed())
		}
		startManager()
		applyYAML(ctx, partnerYAML("occupied", everything))
		eventually(ctx, "occupied", "Ready=True/Provisioned", "SubdomainReady=True/RouteAccepted", "TenantReady=True/TenantProvisioned")
		Expect(get(ctx, theirs, theirs.Name, namespace).Spec.ExternalName).To(Equal("engine.example.net."))
		Expect(get(ctx, binding, binding.Name, namespace).RoleRef.Name).To(Equal("admin"))
		Expect(binding.Subjects).To(ConsistOf(HaveField("Name", "admins")))
		Expect(get(ctx, contract, contract.Name, namespace).Data).To(And(HaveLen(1), HaveKeyWithValue(kinds.ContractKey, HavePrefix(`{"version":"v1"`))))
		Expect(get(ctx, route, route.Name, namespace).UID).To(Equal(route.UID), "taken over without an outage")
		Expect(route.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name).To(Equal(kinds.EngineServiceName))
	})

	It("that passes is tried again, and told in the meantime", func(ctx SpecContext) {
		m := startManager()
		var down atomic.Bool
		down.Store(true)
		m.mu.Lock()
		m.refuse = func(write string) error {
			if down.Load() && strings.Contains(write, "partner-flaky/resourcequotas") {
				return http.ErrHandlerTimeout
			}
			return nil
		}
		m.mu.Unlock()
		applyYAML(ctx, partnerYAML("flaky", everything))
		eventually(ctx, "flaky", "Ready=False/ApplyFailed", "Reconciling=True/ApplyFailed", "TenantReady=False/ApplyFailed", "SubdomainReady=True/RouteAccepted")
		down.Store(false)
		eventually(ctx, "flaky", "Ready=True/Provisioned")
	})
})

var _ = Describe("Events", func() {
	It("tell as much as they can hold of a long message, and where the rest is", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("verbose", ""))
		eventually(ctx, "verbose", "Ready=True/Provisioned")
		for i := range 30 {
			Expect(direct.Create(ctx, routeTo(objects.DefaultNamespace("verbose"), fmt.Sprintf("a-route-of-the-tenants-own-%d", i), "verbose.example.com"))).To(Succeed())
		}
		patchPartner(ctx, "verbose", `spec: {subdomain: null}`)
		set, err := kubernetes.NewForConfig(controlPlane.Config())
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() []string {
			list, err := set.EventsV1().Events("").List(ctx, metav1.ListOptions{})
			Expect(err).NotTo(HaveOccurred())
			var notes []string
			for _, event := range list.Items {
				if event.Regarding.Name == "verbose" && event.Reason == "RouteRemains" {
					notes = append(notes, event.Note)
				}
			}
			return notes
		}).Should(ContainElement(And(HaveLen(1024), HavePrefix("hosts that are no longer declared"), HaveSuffix("… (the condition HostReleaseBlocked has the rest)"))))
		Expect(len(message(ctx, "verbose", v1alpha1.ConditionHostReleaseBlocked))).To(BeNumerically(">", 1024))
	})

	It("tell when a condition changes its status, and only then", func(ctx SpecContext) {
		startManager()
		set, err := kubernetes.NewForConfig(controlPlane.Config())
		Expect(err).NotTo(HaveOccurred())
		of := func() []string {
			list, err := set.EventsV1().Events("").List(ctx, metav1.ListOptions{})
			Expect(err).NotTo(HaveOccurred())
			var told []string
			for _, event := range list.Items {
				if event.Regarding.Name == "eventful" && event.Regarding.Kind == "Partner" {
					told = append(told, event.Type+" "+event.Reason)
				}
			}
			return told
		}
		applyYAML(ctx, allocationYAML("eventful", "0.5", ""))
		eventuallyOf(ctx, allocationNamed("eventful"), "Accepted=False/PartnerNotFound") // the manager has seen it
		applyYAML(ctx, partnerYAML("eventful", ""))
		eventually(ctx, "eventful", "Ready=True/Provisioned")
		Expect(of()).To(BeEmpty())
		patchPartner(ctx, "eventful", `spec: {customerCount: 8}`)
		eventually(ctx, "eventful", "CapacityExceeded=True/CustomersExceedFTECapacity")
		Eventually(of).Should(ConsistOf("Warning CapacityExceeded"))
		patchPartner(ctx, "eventful", `spec: {customerCount: 9}`)
		eventually(ctx, "eventful", "CapacityExceeded=True/CustomersExceedFTECapacity")
		patchPartner(ctx, "eventful", `spec: {customerCount: 1}`)
		eventually(ctx, "eventful", "CapacityExceeded=False/WithinCapacity")
		Eventually(of).Should(ConsistOf("Warning CapacityExceeded", "Normal WithinCapacity"))
	})
})
