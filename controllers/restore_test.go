package controllers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// backedUp are the kinds of a backup in the groups in which it is restored.
var backedUp = map[string][]schema.GroupVersionKind{
	"partners":   {v1alpha1.GroupVersion.WithKind("Partner")},
	"claims":     {v1alpha1.GroupVersion.WithKind("SubdomainClaim")},
	"contract":   {v1alpha1.GroupVersion.WithKind("SupportPlan"), v1alpha1.GroupVersion.WithKind("PCSMAllocation")},
	"namespaces": {{Version: "v1", Kind: "Namespace"}},
}

// namespacedKinds are the kinds in a tenant namespace, which are restored right after it.
var namespacedKinds = []schema.GroupVersionKind{
	{Version: "v1", Kind: "ConfigMap"}, {Version: "v1", Kind: "Service"}, {Version: "v1", Kind: "ResourceQuota"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}, {Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"},
}

// there are the objects of a group that have a token in their name, or in that of their
// namespace. Namespaced kinds are listed one namespace at a time: a list of all would have
// what the other specs left.
func there(ctx context.Context, group, token string) []unstructured.Unstructured {
	GinkgoHelper()
	list := func(kind schema.GroupVersionKind, options ...client.ListOption) []unstructured.Unstructured {
		objects := &unstructured.UnstructuredList{}
		objects.SetGroupVersionKind(kind)
		Expect(direct.List(ctx, objects, options...)).To(Succeed())
		return objects.Items
	}
	var found []unstructured.Unstructured
	for _, kind := range backedUp[group] {
		for _, object := range list(kind) {
			if strings.Contains(object.GetName(), token) {
				found = append(found, object)
			}
		}
	}
	for _, owner := range slices.Clone(found) {
		if owner.GetKind() != "Namespace" {
			continue
		}
		for _, kind := range namespacedKinds {
			for _, object := range list(kind, client.InNamespace(owner.GetName())) {
				if object.GetName() != "kube-root-ca.crt" {
					found = append(found, object)
				}
			}
		}
	}
	return found
}

// backup are the objects of a group as a backup has them, without identity and status,
// and mostly without owners. The rival's come first.
func backup(ctx context.Context, group, token string, withOwners bool) []unstructured.Unstructured {
	GinkgoHelper()
	objects := there(ctx, group, token)
	for i := range objects {
		delete(objects[i].Object, "status")
		for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "ownerReferences"} {
			if field != "ownerReferences" || !withOwners {
				unstructured.RemoveNestedField(objects[i].Object, "metadata", field)
			}
		}
	}
	slices.SortStableFunc(objects, func(a, b unstructured.Unstructured) int {
		rival := func(o unstructured.Unstructured) int { return strings.Index(o.GetName(), "a-rival") }
		return rival(b) - rival(a)
	})
	return objects
}

// ends is all that there is of a token, without identities and times, in terms of another.
func ends(ctx context.Context, token string) map[string]any {
	GinkgoHelper()
	all := map[string]any{}
	for group := range backedUp {
		for _, object := range there(ctx, group, token) {
			owners := object.GetOwnerReferences()
			for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "ownerReferences"} {
				unstructured.RemoveNestedField(object.Object, "metadata", field)
			}
			var names []any
			for _, owner := range owners {
				names = append(names, owner.Kind+" "+owner.Name)
			}
			object.Object["owners"] = names
			if annotations := object.GetAnnotations(); annotations[v1alpha1.AppliedAnnotation] != "" {
				annotations[v1alpha1.AppliedAnnotation] = "a digest, of the owner's identity among others"
				object.SetAnnotations(annotations)
			}
			unstructured.RemoveNestedField(object.Object, "status", "customers") // who wrote the count, and when
			if object.GetKind() == "ResourceQuota" || object.GetKind() == "SupportPlan" {
				delete(object.Object, "status") // counts, which trail
			}
			hosts, _, _ := unstructured.NestedSlice(object.Object, "status", "hosts")
			for _, host := range hosts {
				delete(host.(map[string]any), "since")
			}
			if len(hosts) > 0 {
				Expect(unstructured.SetNestedSlice(object.Object, hosts, "status", "hosts")).To(Succeed())
			}
			conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
			for _, condition := range conditions {
				delete(condition.(map[string]any), "lastTransitionTime")
			}
			if conditions != nil {
				Expect(unstructured.SetNestedSlice(object.Object, conditions, "status", "conditions")).To(Succeed())
			}
			data, err := json.Marshal(object.Object)
			Expect(err).NotTo(HaveOccurred())
			name := strings.ReplaceAll(object.GetKind()+" "+object.GetNamespace()+"/"+object.GetName(), token, "TOKEN")
			all[name] = strings.ReplaceAll(string(data), token, "TOKEN")
		}
	}
	return all
}

// forget deletes all that there is of a token, so that later specs have less to look at.
func forget(ctx context.Context, token string) {
	GinkgoHelper()
	for _, group := range []string{"partners", "contract", "claims", "namespaces"} {
		for _, object := range there(ctx, group, token) {
			if object.GetNamespace() == "" {
				Expect(client.IgnoreNotFound(direct.Delete(ctx, &object))).To(Succeed())
			}
		}
	}
}

// orders are all orders of some names.
func orders(names []string) [][]string {
	if len(names) < 2 {
		return [][]string{names}
	}
	var all [][]string
	for i, first := range names {
		rest := append(slices.Clone(names[:i]), names[i+1:]...)
		for _, order := range orders(rest) {
			all = append(all, append([]string{first}, order...))
		}
	}
	return all
}

var _ = Describe("A backup", func() {
	groups := []string{"claims", "contract", "namespaces", "partners"}

	// restore replays a backup in an order, in terms of another token, and returns the
	// objects that it created.
	restore := func(ctx context.Context, saved map[string][]unstructured.Unstructured, order []string, token, to string, withRival bool) map[string]client.Object {
		GinkgoHelper()
		created := map[string]client.Object{}
		for _, group := range order {
			for _, object := range saved[group] {
				if !withRival && strings.Contains(object.GetNamespace()+object.GetName(), "a-rival") {
					continue
				}
				data, err := object.MarshalJSON()
				Expect(err).NotTo(HaveOccurred())
				var copied unstructured.Unstructured
				Expect(copied.UnmarshalJSON([]byte(strings.ReplaceAll(string(data), token, to)))).To(Succeed())
				err = direct.Create(ctx, &copied)
				Expect(client.IgnoreAlreadyExists(err)).To(Succeed(), copied.GetKind()+" "+copied.GetName())
				if err == nil {
					created[copied.GetKind()+" "+copied.GetNamespace()+"/"+copied.GetName()] = &copied
				}
			}
		}
		return created
	}

	// inEveryOrder does something for every order of the groups at once, each in terms of a
	// token of its own.
	inEveryOrder := func(prefix string, do func(i int, order []string, token string)) {
		GinkgoHelper()
		var all sync.WaitGroup
		var done atomic.Int32
		for i, order := range orders(groups) {
			all.Go(func() {
				defer GinkgoRecover()
				do(i, order, fmt.Sprintf("%s%02d", prefix, i))
				done.Add(1)
			})
		}
		all.Wait()
		Expect(done.Load()).To(BeEquivalentTo(len(orders(groups))), "an order failed")
	}

	patient := func(o *manager.Options) { o.RestoreGrace = time.Hour }

	// setUp makes partners of all sorts, one of them a rival for another's host. It returns
	// what there is of them, and a backup of it.
	setUp := func(ctx SpecContext, token string, withOwners bool) (m *running, want map[string]any, saved map[string][]unstructured.Unstructured) {
		GinkgoHelper()
		deleteAtEnd()
		m = startManager(patient)
		applyYAML(ctx, yamlText(`{apiVersion: partner.dispel.com/v1alpha1, kind: SupportPlan, metadata: {name: plan-`+token+`}, spec: {tier: Basic}}`)+"\n---\n"+
			allocationYAML("holder-"+token, "1", "")+partnerYAML("holder-"+token, "  supportPlanRef: {name: plan-"+token+"}\n"+everything)+
			partnerYAML("named-"+token, inNamespace("prod-"+token)))
		eventually(ctx, "holder-"+token, "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
		eventually(ctx, "named-"+token, "Ready=True/Provisioned")
		applyYAML(ctx, partnerYAML("a-rival-"+token, "").replacing("host: a-rival-"+token+".example.com", "host: holder-"+token+".example.com"))
		eventually(ctx, "a-rival-"+token, "Ready=False/HostClaimedByAnotherPartner", "TenantReady=True/TenantProvisioned")
		Expect(direct.Create(ctx, cluster.Object(`{apiVersion: v1, kind: ConfigMap, metadata: {name: own, namespace: prod-`+token+`}, data: {precious: "yes"}}`))).To(Succeed())

		want, saved = ends(ctx, token), map[string][]unstructured.Unstructured{}
		for _, group := range groups {
			saved[group] = backup(ctx, group, token, withOwners)
			Expect(saved[group]).NotTo(BeEmpty(), group)
		}
		Expect(saved["partners"][0].GetName()).To(HavePrefix("a-rival"))
		return m, want, saved
	}

	It("comes back in every order of kinds, with the operator running or not, and with a rival for a host", func(ctx SpecContext) {
		const token = "restore000"
		m, want, saved := setUp(ctx, token, false)
		// comesBack expects what a restore made to be there still, and all to be as before.
		comesBack := func(to string, order []string, created map[string]client.Object) {
			GinkgoHelper()
			Eventually(func() map[string]any { return ends(ctx, to) }).WithTimeout(3*time.Minute).WithPolling(time.Second/2).Should(Equal(want), "%s: %v", to, order)
			for name, object := range created {
				if object.GetName() == kinds.WidgetServiceName {
					continue // there is no widget until the P-CSMs are there
				}
				now := object.DeepCopyObject().(client.Object)
				Expect(direct.Get(ctx, client.ObjectKeyFromObject(object), now)).To(Succeed())
				Expect(now.GetUID()).To(Equal(object.GetUID()), "%v: %s was deleted", order, name)
			}
			forget(ctx, to)
		}

		By("restoring while the operator runs")
		inEveryOrder("restore1", func(_ int, order []string, to string) {
			// Without a claim and a note, nothing says who had the host: the rival comes last.
			position := func(group string) int { return slices.Index(order, group) }
			known := position("partners") > min(position("claims"), position("namespaces"))
			created := restore(ctx, saved, order, token, to, known)
			if !known {
				eventually(ctx, "holder-"+to, "Ready=True/Provisioned")
				restore(ctx, saved, order, token, to, true)
			}
			comesBack(to, order, created)
		})

		By("restoring while it does not")
		m.stop()
		created := make([]map[string]client.Object, len(orders(groups)))
		inEveryOrder("restore2", func(i int, order []string, to string) {
			created[i] = restore(ctx, saved, order, token, to, true)
		})
		startManager(patient)
		inEveryOrder("restore2", func(i int, order []string, to string) { comesBack(to, order, created[i]) })
	})

	It("comes back with owners that are gone, too, if the namespaces come before the Partners", func(ctx SpecContext) {
		const token = "orphan000"
		_, want, saved := setUp(ctx, token, true)
		inEveryOrder("orphan1", func(_ int, order []string, to string) {
			if slices.Index(order, "namespaces") > slices.Index(order, "partners") {
				return
			}
			restore(ctx, saved, order, token, to, true)
			Eventually(func() map[string]any { return ends(ctx, to) }).WithTimeout(3*time.Minute).WithPolling(time.Second/2).Should(Equal(want), "%s: %v", to, order)
			forget(ctx, to)
		})
	})

	It("comes back after a deletion that the operator saw", func(ctx SpecContext) {
		startManager(patient)
		applyYAML(ctx, partnerYAML("deleted-by-mistake", ""))
		eventually(ctx, "deleted-by-mistake", "Ready=True/Provisioned")
		const host = "deleted-by-mistake.example.com"
		Expect(direct.Delete(ctx, &v1alpha1.Partner{ObjectMeta: partner(ctx, "deleted-by-mistake").ObjectMeta})).To(Succeed())
		eventuallyGone(ctx, &v1alpha1.SubdomainClaim{ObjectMeta: metav1.ObjectMeta{Name: host}})
		eventuallyForgetsHosts(ctx, "partner-deleted-by-mistake")
		gone := time.Now()
		Eventually(func() bool { return time.Since(gone) > 2*time.Second }).Should(BeTrue(), "creation is noted in whole seconds")

		claim := cluster.Object(`{apiVersion: partner.dispel.com/v1alpha1, kind: SubdomainClaim, metadata: {name: ` + host + `}, spec: {partnerRef: {name: deleted-by-mistake}}}`)
		Expect(direct.Create(ctx, claim)).To(Succeed())
		applyYAML(ctx, partnerYAML("a-rival-by-mistake", "").replacing("host: a-rival-by-mistake.example.com", "host: "+host))
		eventually(ctx, "a-rival-by-mistake", "Ready=False/HostReleasing")
		applyYAML(ctx, partnerYAML("deleted-by-mistake", ""))
		eventually(ctx, "deleted-by-mistake", "Ready=True/Provisioned")
		eventually(ctx, "a-rival-by-mistake", "Ready=False/HostClaimedByAnotherPartner")
		Expect(get(ctx, &v1alpha1.SubdomainClaim{}, host).UID).To(Equal(claim.GetUID()))
	})

	It("does not keep what belongs to a Partner that does not come back", func(ctx SpecContext) {
		startManager(func(o *manager.Options) { o.RestoreGrace = 2 * time.Second })
		claim := cluster.Object(`{apiVersion: partner.dispel.com/v1alpha1, kind: SubdomainClaim, metadata: {name: lost.example.com}, spec: {partnerRef: {name: lost}}}`)
		Expect(direct.Create(ctx, claim)).To(Succeed())
		namespace := cluster.Object(`{apiVersion: v1, kind: Namespace, metadata: {name: partner-lost, labels: {partner.dispel.com/partner: lost}, annotations: {partner.dispel.com/hosts: "lost.example.com,noted.example.com"}}}`)
		Expect(direct.Create(ctx, namespace)).To(Succeed())
		applyYAML(ctx, partnerYAML("finder", "").replacing("host: finder.example.com", "host: noted.example.com"))
		eventually(ctx, "finder", "Ready=False/HostReleasing")
		Expect(message(ctx, "finder", v1alpha1.ConditionReady)).To(Equal(
			`noted.example.com has no claim, but is reserved for Partner "lost", which a restore may bring back: wait, or remove the annotation partner.dispel.com/hosts from that Partner's namespace to release it`))
		eventuallyGone(ctx, claim)
		eventuallyForgetsHosts(ctx, "partner-lost")
		eventually(ctx, "finder", "Ready=True/Provisioned")
	})
})

var _ = Describe("What a deletion leaves behind on purpose", func() {
	orphan := func(ctx SpecContext, name string) {
		GinkgoHelper()
		Expect(direct.Delete(ctx, partner(ctx, name), client.PropagationPolicy(metav1.DeletePropagationOrphan))).To(Succeed())
		Eventually(func() error { return direct.Get(ctx, key(name), &v1alpha1.Partner{}) }).ShouldNot(Succeed())
	}
	exposed := func(name string) []client.Object {
		return []client.Object{ingressOf(name, name+".example.com"), &v1alpha1.SubdomainClaim{ObjectMeta: metav1.ObjectMeta{Name: name + ".example.com"}}}
	}

	It("serves until the Partner comes back, and is the Partner's then", func(ctx SpecContext) {
		startManager(func(o *manager.Options) { o.RestoreGrace = time.Hour })
		applyYAML(ctx, partnerYAML("bereft", ""))
		eventually(ctx, "bereft", "Ready=True/Provisioned")
		uids := map[client.Object]types.UID{}
		for _, object := range exposed("bereft") {
			Expect(direct.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
			uids[object] = object.GetUID()
		}
		By("saying so while something else keeps the Partner")
		patchPartner(ctx, "bereft", `metadata: {finalizers: [example.com/wait]}`)
		Expect(direct.Delete(ctx, partner(ctx, "bereft"), client.PropagationPolicy(metav1.DeletePropagationOrphan))).To(Succeed())
		eventually(ctx, "bereft", "Ready=False/BeingDeleted")
		Expect(message(ctx, "bereft", v1alpha1.ConditionReady)).To(MatchRegexp(
			`^the Partner is being deleted without what it owns, which serves on as it is until \S+Z, or for good if the Partner is created again before; these finalizers still block the deletion: .*example.com/wait`))
		Expect(partner(ctx, "bereft").Status.Subdomain).NotTo(BeNil())
		Eventually(func() []string { return partner(ctx, "bereft").Finalizers }).Should(HaveExactElements("example.com/wait"))
		patchPartner(ctx, "bereft", `metadata: {finalizers: null}`)
		eventuallyGone(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "bereft"}})
		Consistently(func(g Gomega) {
			for object := range uids {
				g.Expect(direct.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
				g.Expect(object.GetDeletionTimestamp()).To(BeNil())
			}
		}).WithTimeout(4 * time.Second).Should(Succeed())

		applyYAML(ctx, partnerYAML("bereft", ""))
		eventually(ctx, "bereft", "Ready=True/Provisioned")
		owner := partner(ctx, "bereft").UID
		for object, uid := range uids {
			Eventually(func(g Gomega) {
				g.Expect(direct.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
				g.Expect(object.GetUID()).To(Equal(uid))
				g.Expect(object.GetOwnerReferences()).To(ContainElement(HaveField("UID", owner)))
			}).Should(Succeed())
		}
	})

	It("goes after --restore-grace", func(ctx SpecContext) {
		startManager(func(o *manager.Options) { o.RestoreGrace = 3 * time.Second })
		applyYAML(ctx, partnerYAML("bereaved", ""))
		eventually(ctx, "bereaved", "Ready=True/Provisioned")
		orphan(ctx, "bereaved")
		for _, object := range exposed("bereaved") {
			Expect(direct.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
		}
		for _, object := range exposed("bereaved") {
			eventuallyGone(ctx, object)
		}
	})
})
