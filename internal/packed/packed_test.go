package packed_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/packed"
	"github.com/dispel/partner-operator/internal/scheme"
	"github.com/dispel/partner-operator/test/cluster"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter)))
	RunSpecs(t, "packed")
}

var (
	controlPlane *controlplane.ControlPlane
	direct       client.WithWatch
)

var _ = BeforeSuite(func(ctx SpecContext) {
	controlPlane = cluster.StartBare(ctx)
	var err error
	direct, err = client.NewWithWatch(controlPlane.Config(), client.Options{Scheme: scheme.New()})
	Expect(err).NotTo(HaveOccurred())
})

// ours are the labels that select.
var ours = map[string]string{"made-by": "test"}

// in is the metadata of an object in a namespace of the spec's own.
func in(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: ours}
}

func newNamespace(ctx context.Context) string {
	GinkgoHelper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "packed-"}}
	Expect(direct.Create(ctx, namespace)).To(Succeed())
	return namespace.Name
}

// objects are one of each kind.
func objects(namespace string) []client.Object {
	prefix := networkingv1.PathTypePrefix
	return []client.Object{
		&corev1.ConfigMap{ObjectMeta: in(namespace, "x"), Data: map[string]string{"key": "value"}},
		&corev1.ResourceQuota{ObjectMeta: in(namespace, "x"), Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"pods": resource.MustParse("5")}}},
		&corev1.Service{ObjectMeta: in(namespace, "x"), Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "example.net"}},
		&networkingv1.Ingress{ObjectMeta: in(namespace, "x"), Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
			Host: "a.example.com", IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/", PathType: &prefix, Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "x", Port: networkingv1.ServiceBackendPort{Number: 80}}},
			}}}},
		}}}},
		&networkingv1.NetworkPolicy{ObjectMeta: in(namespace, "x")},
		&rbacv1.RoleBinding{
			ObjectMeta: in(namespace, "x"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "people"}},
		},
	}
}

func kinds() []client.Object {
	return []client.Object{
		&corev1.ConfigMap{}, &corev1.ResourceQuota{}, &corev1.Service{}, &networkingv1.Ingress{}, &networkingv1.NetworkPolicy{}, &rbacv1.RoleBinding{},
	}
}

func lists() []client.ObjectList {
	return []client.ObjectList{
		&corev1.ConfigMapList{}, &corev1.ResourceQuotaList{}, &corev1.ServiceList{}, &networkingv1.IngressList{}, &networkingv1.NetworkPolicyList{}, &rbacv1.RoleBindingList{},
	}
}

// running is a cache that runs until the spec ends.
type running struct {
	client.Client
	mu sync.Mutex
	// first are the namespaces that there were at first.
	first, told map[string]int
}

func run(keep func(string) bool) *running {
	GinkgoHelper()
	cache, err := packed.New(packed.Options{
		Client: direct, Kinds: append(kinds(), &corev1.Namespace{}), Selector: labels.SelectorFromSet(ours), Keep: keep, Samples: objects("sample"),
	})
	Expect(err).NotTo(HaveOccurred())
	r := &running{Client: cache.Over(direct), told: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- cache.Start(ctx) }()
	DeferCleanup(func() {
		cancel()
		Expect(<-ended).To(Succeed())
	})
	source := cache.Source(func(namespace string) []reconcile.Request {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.told[namespace]++
		return nil
	})
	var queue workqueue.TypedRateLimitingInterface[reconcile.Request]
	Expect(source.Start(ctx, queue)).To(Succeed())
	Expect(source.WaitForSync(ctx)).To(Succeed())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.first, r.told = r.told, map[string]int{}
	return r
}

// changes is how often others changed something in a namespace.
func (r *running) changes(namespace string) func() int {
	return func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.told[namespace]
	}
}

func (r *running) configMaps(ctx context.Context, namespace string) map[string]string {
	GinkgoHelper()
	var list corev1.ConfigMapList
	Expect(r.List(ctx, &list, client.InNamespace(namespace))).To(Succeed())
	found := map[string]string{}
	for _, item := range list.Items {
		found[item.Name] = item.Data["key"]
	}
	return found
}

func configMap(namespace, name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: in(namespace, name), Data: map[string]string{"key": value},
	}
}

func apply(ctx context.Context, to client.Client, object client.Object) {
	GinkgoHelper()
	Expect(to.Patch(ctx, object, client.Apply, client.FieldOwner("test"), client.ForceOwnership)).To(Succeed()) //nolint:staticcheck // there are no generated configurations here
}

var _ = Describe("A packed cache", func() {
	It("shows objects as the API server does", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		for _, object := range objects(namespace) {
			Expect(direct.Create(ctx, object)).To(Succeed())
		}
		Expect(direct.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "foreign"}})).To(Succeed())
		r := run(nil)
		for i, list := range lists() {
			Expect(r.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels(ours))).To(Succeed())
			want := lists()[i]
			Expect(direct.List(ctx, want, client.InNamespace(namespace), client.MatchingLabels(ours))).To(Succeed())
			Expect(items(list)).To(HaveLen(1))
			Expect(items(list)).To(Equal(items(want)))
			Expect(r.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{"made-by": "nobody"})).To(Succeed())
			Expect(items(list)).To(BeEmpty())
		}
		Expect(r.List(ctx, &corev1.ConfigMapList{})).To(MatchError(ContainSubstring("lists one namespace")))
		Expect(r.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "foreign"}, &corev1.ConfigMap{})).To(MatchError(apierrors.IsNotFound, "IsNotFound"))
		By("leaving other kinds to the client below")
		var accounts corev1.ServiceAccountList
		Expect(r.List(ctx, &accounts)).To(Succeed())
	})

	It("has namespaces, whoever made them", func(ctx SpecContext) {
		before := newNamespace(ctx)
		r := run(func(namespace string) bool { return namespace != "kube-system" })
		Expect(r.first).To(HaveKeyWithValue(before, 1))
		Expect(r.first).NotTo(HaveKey("kube-system"))
		Expect(r.Get(ctx, client.ObjectKey{Name: "kube-system"}, &corev1.Namespace{})).To(MatchError(apierrors.IsNotFound, "IsNotFound"))
		namespace := newNamespace(ctx)
		Eventually(r.changes(namespace)).Should(Equal(1))
		var found, want corev1.Namespace
		Expect(r.Get(ctx, client.ObjectKey{Name: namespace}, &found)).To(Succeed())
		Expect(direct.Get(ctx, client.ObjectKey{Name: namespace}, &want)).To(Succeed())
		want.ManagedFields, want.ResourceVersion, want.Status = nil, "", corev1.NamespaceStatus{}
		want.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
		Expect(found).To(Equal(want))
		By("reading it over what was read before")
		found.Annotations = map[string]string{"stale": "x"}
		Expect(r.Get(ctx, client.ObjectKey{Name: namespace}, &found)).To(Succeed())
		Expect(found).To(Equal(want))
		By("its own write")
		note := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"note":"x"}}}`))
		Expect(r.Patch(ctx, found.DeepCopy(), note)).To(Succeed())
		Expect(r.Get(ctx, client.ObjectKey{Name: namespace}, &found)).To(Succeed())
		Expect(found.Annotations).To(HaveKeyWithValue("note", "x"))
		apply(ctx, direct, configMap(namespace, "y", "1"))
		Eventually(r.changes(namespace)).Should(Equal(2))
		By("one that goes")
		apply(ctx, r, configMap(namespace, "x", "1"))
		Expect(r.Delete(ctx, &found)).To(Succeed())
		Eventually(func() error { return r.Get(ctx, client.ObjectKey{Name: namespace}, &corev1.Namespace{}) }).Should(MatchError(apierrors.IsNotFound, "IsNotFound"))
		Expect(r.configMaps(ctx, namespace)).To(BeEmpty())
		Expect(r.changes(namespace)()).To(BeNumerically(">=", 3))
	})

	It("has what it found at first looked at after what others change", func(ctx SpecContext) {
		before := newNamespace(ctx)
		cache, err := packed.New(packed.Options{Client: direct, Kinds: []client.Object{&corev1.Namespace{}}})
		Expect(err).NotTo(HaveOccurred())
		running, cancel := context.WithCancel(ctx)
		ended := make(chan error)
		go func() { ended <- cache.Start(running) }()
		DeferCleanup(func() {
			cancel()
			Expect(<-ended).To(Succeed())
		})
		queue := priorityqueue.New[reconcile.Request]("packed")
		DeferCleanup(queue.ShutDown)
		source := cache.Source(func(namespace string) []reconcile.Request {
			return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: namespace}}}
		})
		Expect(source.Start(running, queue)).To(Succeed())
		Expect(source.WaitForSync(ctx)).To(Succeed())
		waiting := queue.Len()
		after := newNamespace(ctx)
		Eventually(queue.Len).Should(Equal(waiting + 1))
		first, priority, _ := queue.GetWithPriority()
		Expect(first.Name).To(Equal(after))
		Expect(priority).To(BeZero())
		var rest []string
		for queue.Len() > 0 {
			request, priority, _ := queue.GetWithPriority()
			Expect(priority).To(Equal(handler.LowPriority))
			rest = append(rest, request.Name)
		}
		Expect(rest).To(ContainElement(before))
	})

	It("sees its own writes at once, and tells nobody of them", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		r := run(nil)
		for i := range 100 {
			value := fmt.Sprint(i)
			apply(ctx, r, configMap(namespace, "mine", value))
			Expect(r.configMaps(ctx, namespace)).To(Equal(map[string]string{"mine": value}))
		}
		mine := configMap(namespace, "mine", "")
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(mine), mine)).To(Succeed())
		for range 20 {
			Expect(r.Delete(ctx, mine)).To(Succeed())
			Expect(r.configMaps(ctx, namespace)).To(BeEmpty())
			mine = configMap(namespace, "mine", "again")
			apply(ctx, r, mine)
			Expect(r.configMaps(ctx, namespace)).To(Equal(map[string]string{"mine": "again"}))
		}
		By("seeing another's change after them")
		apply(ctx, direct, configMap(namespace, "other", "x"))
		Eventually(func() map[string]string { return r.configMaps(ctx, namespace) }).Should(Equal(map[string]string{"mine": "again", "other": "x"}))
		Expect(r.changes(namespace)()).To(Equal(1))
	})

	It("tells of what others change, and of nothing that nobody reads", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		r := run(nil)
		apply(ctx, direct, configMap(namespace, "x", "1"))
		Eventually(r.changes(namespace)).Should(Equal(1))
		apply(ctx, direct, configMap(namespace, "x", "2"))
		Eventually(r.changes(namespace)).Should(Equal(2))
		Expect(r.configMaps(ctx, namespace)).To(Equal(map[string]string{"x": "2"}))
		By("losing the label")
		Expect(direct.Patch(ctx, configMap(namespace, "x", ""), client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":null}}`)))).To(Succeed())
		Eventually(r.changes(namespace)).Should(Equal(3))
		Expect(r.configMaps(ctx, namespace)).To(BeEmpty())
		By("a quota's use, which kube-controller-manager writes")
		quota := &corev1.ResourceQuota{ObjectMeta: in(namespace, "x"), Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"configmaps": resource.MustParse("50")}}}
		Expect(direct.Create(ctx, quota)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(direct.Get(ctx, client.ObjectKeyFromObject(quota), quota)).To(Succeed())
			g.Expect(quota.Status.Used).NotTo(BeEmpty())
		}).Should(Succeed())
		apply(ctx, direct, configMap(namespace, "y", "1"))
		Eventually(r.changes(namespace)).Should(Equal(5))
		By("a deletion")
		Expect(direct.Delete(ctx, configMap(namespace, "y", ""))).To(Succeed())
		Eventually(r.changes(namespace)).Should(Equal(6))
	})

	It("keeps only the namespaces that it is told to", func(ctx SpecContext) {
		kept, left := newNamespace(ctx), newNamespace(ctx)
		for _, namespace := range []string{kept, left} {
			apply(ctx, direct, configMap(namespace, "before", "1"))
		}
		r := run(func(namespace string) bool { return namespace == kept })
		for _, namespace := range []string{kept, left} {
			apply(ctx, direct, configMap(namespace, "after", "1"))
		}
		Eventually(func() map[string]string { return r.configMaps(ctx, kept) }).Should(HaveLen(2))
		Expect(r.configMaps(ctx, left)).To(BeEmpty())
		Expect(r.changes(left)()).To(BeZero())
	})

	It("catches up with what happened while it could not watch", Serial, func(ctx SpecContext) {
		namespace, going := newNamespace(ctx), newNamespace(ctx)
		r := run(nil)
		for _, name := range []string{"deleted", "changed", "same"} {
			apply(ctx, direct, configMap(namespace, name, "1"))
		}
		Eventually(r.changes(namespace)).Should(Equal(3))
		Expect(controlPlane.StopAPIServer()).To(Succeed())
		Expect(controlPlane.StartAPIServer(ctx)).To(Succeed())
		Eventually(func() error { return direct.Delete(ctx, configMap(namespace, "deleted", "")) }).Should(Succeed())
		Expect(direct.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: going}})).To(Succeed())
		apply(ctx, direct, configMap(namespace, "changed", "2"))
		Eventually(func() map[string]string { return r.configMaps(ctx, namespace) }).Should(Equal(map[string]string{"changed": "2", "same": "1"}))
		Eventually(func() error { return r.Get(ctx, client.ObjectKey{Name: going}, &corev1.Namespace{}) }).Should(MatchError(apierrors.IsNotFound, "IsNotFound"))
	})
})

// items are those of a list, without what changes with every write or is no part
// of what is read.
func items(list client.ObjectList) []any {
	GinkgoHelper()
	var found []any
	add := func(object client.Object) {
		object.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
		object.SetManagedFields(nil)
		object.SetResourceVersion("")
		object.SetGeneration(0)
		if quota, ok := object.(*corev1.ResourceQuota); ok {
			quota.Status = corev1.ResourceQuotaStatus{}
		}
		found = append(found, object)
	}
	Expect(meta.EachListItem(list, func(item runtime.Object) error {
		add(item.(client.Object))
		return nil
	})).To(Succeed())
	return found
}
