//go:build faults

package faults

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/testing/partners"
)

// concerned are all kinds that have to do with partners.
var concerned = func() []schema.GroupVersionKind {
	all := []schema.GroupVersionKind{
		v1alpha1.GroupVersion.WithKind("Partner"), v1alpha1.GroupVersion.WithKind("PCSMAllocation"), v1alpha1.GroupVersion.WithKind("SupportPlan"),
		{Version: "v1", Kind: "Namespace"},
	}
	for _, kind := range kinds.All {
		if kind.Made && kind.API == "" {
			all = append(all, kind.GroupVersionKind)
		}
	}
	return all
}()

// state is all that there is of partners, object by object, without what differs
// from one run to the next: identities and times.
type state map[string]any

func (w *world) state(ctx context.Context) (state, error) {
	uids := map[string]string{}
	var listed []unstructured.Unstructured
	for _, kind := range concerned {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		if err := w.direct.List(ctx, list); err != nil {
			return nil, err
		}
		for _, object := range list.Items {
			if kind.Kind == "Partner" {
				uids[string(object.GetUID())] = "the UID of " + object.GetName()
			}
			isTenant := func(namespace string) bool { return strings.HasPrefix(namespace, objects.DefaultNamespace("")) }
			if object.GetNamespace() != "" && !isTenant(object.GetNamespace()) || kind.Kind == "Namespace" && !isTenant(object.GetName()) {
				continue
			}
			if object.GetName() == "kube-root-ca.crt" {
				continue // Kubernetes makes it
			}
			listed = append(listed, object)
		}
	}
	found := state{}
	for i := range listed {
		object := &listed[i]
		key := fmt.Sprintf("%s %s/%s", object.GetKind(), object.GetNamespace(), object.GetName())
		owned := ownedFields(object)
		for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"} {
			unstructured.RemoveNestedField(object.Object, "metadata", field)
		}
		if object.GetKind() == "ResourceQuota" || object.GetKind() == "Service" {
			// A cluster IP is given by chance, a status by Kubernetes.
			unstructured.RemoveNestedField(object.Object, "status")
		}
		if annotations := object.GetAnnotations(); annotations[v1alpha1.AppliedAnnotation] != "" {
			annotations[v1alpha1.AppliedAnnotation] = "a digest, of identities among others"
			object.SetAnnotations(annotations)
		}
		withoutTimes(object.Object)
		object.Object["owned"] = owned
		found[key] = withNames(object.Object, uids)
	}
	return found, nil
}

// withNames exchanges the UIDs of partners for their names, wherever they are.
func withNames(value any, uids map[string]string) any {
	switch value := value.(type) {
	case map[string]any:
		for key := range value {
			value[key] = withNames(value[key], uids)
		}
	case []any:
		for i := range value {
			value[i] = withNames(value[i], uids)
		}
	case string:
		if found := uid.FindString(value); found != "" && uids[found] != "" {
			return strings.ReplaceAll(value, found, uids[found])
		}
	}
	return value
}

var uid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// ownedFields are those that the operator applied.
func ownedFields(object *unstructured.Unstructured) []any {
	owned := []any{}
	for _, entry := range object.GetManagedFields() {
		if entry.Manager == v1alpha1.FieldManager {
			owned = append(owned, fmt.Sprintf("%s %s %s", entry.Operation, entry.Subresource, entry.FieldsV1))
		}
	}
	slices.SortFunc(owned, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	return owned
}

// withoutTimes drops when conditions changed, of which generation they are, and since when
// a count of customers stands.
func withoutTimes(value any) {
	switch value := value.(type) {
	case map[string]any:
		delete(value, "lastTransitionTime")
		delete(value, "since") // of a host
		delete(value, "observedGeneration")
		if customers, ok := value["customers"].(map[string]any); ok {
			delete(customers, "since")
		}
		for _, inner := range value {
			withoutTimes(inner)
		}
	case []any:
		for _, inner := range value {
			withoutTimes(inner)
		}
	}
}

// differences between two states, in a few lines.
func differences(got, want state) []string {
	var found []string
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if have, ok := got[key]; !ok {
			found = append(found, "missing: "+key)
		} else if difference := cmp.Diff(want[key], have); difference != "" {
			found = append(found, "differs: "+key+"\n"+difference)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[key]; !ok {
			found = append(found, "too much: "+key)
		}
	}
	if len(found) > 5 {
		found = append(found[:5], fmt.Sprintf("and %d more", len(found)-5))
	}
	return found
}

// undisturbed is the state of a number of partners in a run without faults.
var undisturbed = map[int]state{}

// withoutFaults returns it, from a run of its own the first time.
func withoutFaults(ctx context.Context, n int) state {
	GinkgoHelper()
	if undisturbed[n] == nil {
		w := newWorld(ctx, controlplane.Arguments{})
		m := w.runManager()
		Eventually(w.declare(ctx, n)).WithContext(ctx).Should(BeClosed())
		w.awaitReady(ctx, n)
		var last state
		Eventually(func(g Gomega) {
			// The totals of plans come last.
			now, err := w.state(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			plan := now["SupportPlan /premium"].(map[string]any)
			totals, _, err := unstructured.NestedMap(plan, "status", "totals")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(totals).To(Equal(map[string]any{
				"partners": int64(n), "customers": int64(partners.CustomerCount * n), "allocatedFTE": int64(3 * n), "overCapacity": int64(0),
			}))
			last = now
		}).WithContext(ctx).Should(Succeed())
		w.quiet(ctx, m)
		w.foreign.untouched(ctx, w.direct)
		Expect(last).To(HaveLen(perPartner*n + 3 + foreignObjects))
		undisturbed[n] = last
		m.stop()
	}
	return undisturbed[n]
}

// perPartner is how many objects there are of one partner, the declared ones and
// what the operator makes of them; foreignObjects those that addForeign adds.
const (
	perPartner     = 12
	foreignObjects = 4
)

// awaitReady waits until the partners are Ready, all widgets enabled.
func (w *world) awaitReady(ctx context.Context, n int) {
	GinkgoHelper()
	Eventually(w.countReady).WithContext(ctx).WithTimeout(10 * time.Minute).WithPolling(time.Second).Should(Equal(n))
}

// countReady tells how many are.
func (w *world) countReady(ctx context.Context) (int, error) {
	var list v1alpha1.PartnerList
	err := w.direct.List(ctx, &list)
	ready := 0
	for i := range list.Items {
		widget := list.Items[i].Status.SupportWidget
		if widget != nil && ptr.Deref(widget.Enabled, false) {
			ready++
		}
	}
	return ready, err
}

// converged waits until the state is that of a run without faults, and sees that
// nothing is written from then on, not even by a manager that starts anew, and
// nothing foreign at any time.
func (w *world) converged(ctx context.Context, n int, managers ...*managerProcess) {
	GinkgoHelper()
	want := withoutFaults(ctx, n)
	var got state
	defer func() {
		if CurrentSpecReport().Failed() {
			AddReportEntry("differences", differences(got, want))
		}
	}()
	Eventually(func() ([]string, error) {
		var err error
		if got, err = w.state(ctx); err != nil {
			return nil, err
		}
		return differences(got, want), nil
	}).WithContext(ctx).WithTimeout(2 * time.Minute).WithPolling(time.Second).Should(BeEmpty())
	w.quiet(ctx, managers...)
	w.foreign.untouched(ctx, w.direct)
}

// quiet sees that managers write nothing, and nothing after a restart.
func (w *world) quiet(ctx context.Context, managers ...*managerProcess) {
	GinkgoHelper()
	before := len(w.proxy.written())
	written := func() []string { return w.proxy.written()[before:] }
	Consistently(written).WithContext(ctx).WithTimeout(3 * time.Second).Should(BeEmpty())
	for _, m := range managers {
		w.restart(ctx, m)
	}
	Consistently(written).WithContext(ctx).WithTimeout(5 * time.Second).Should(BeEmpty())
}

// settled waits until managers have written nothing for a while.
func (w *world) settled(ctx context.Context) {
	GinkgoHelper()
	var since time.Time
	last := -1
	Eventually(func() time.Duration {
		if now := len(w.proxy.written()); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since)
	}).WithContext(ctx).Should(BeNumerically(">", 5*time.Second))
}

// foreign are objects that are none of the operator's business, though some look so.
type foreign []client.Object

// addForeign makes a namespace that looks like a tenant's, with objects that look
// like a partner's, and one elsewhere.
func addForeign(ctx context.Context, direct client.Client) foreign {
	GinkgoHelper()
	namespace := objects.DefaultNamespace("nobody")
	f := foreign{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: kinds.ContractName}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "labelled", Labels: objects.Labels("nobody")}},
		&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: kinds.WidgetServiceName, Labels: map[string]string{v1alpha1.ManagedByLabel: v1alpha1.FieldManager}},
			Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "example.org"},
		},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "labelled", Labels: objects.Labels(partners.Name("p", 0))}},
	}
	for _, object := range f {
		Expect(direct.Create(ctx, object)).To(Succeed())
	}
	return f
}

// untouched sees that they are as they were made.
func (f foreign) untouched(ctx context.Context, direct client.Client) {
	GinkgoHelper()
	for _, object := range f {
		now := object.DeepCopyObject().(client.Object)
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(object), now)).To(Succeed())
		Expect(now.GetResourceVersion()).To(Equal(object.GetResourceVersion()), "%T %s", object, object.GetName())
		Expect(now.GetUID()).To(Equal(object.GetUID()))
	}
}
