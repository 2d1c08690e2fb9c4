package cachelimit_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/internal/cachelimit"
	"github.com/dispel/partner-operator/internal/kinds"
)

// service has as many entries as its data says.
func service(namespace string, i, entries int) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: fmt.Sprintf("s%04d", i), ResourceVersion: fmt.Sprint(i + 1), Generation: int64(entries),
	}}
}

var _ = Describe("Limits", func() {
	var limits *cachelimit.Limits
	var clock *clocktesting.FakeClock
	var watched watch.Interface
	var events *watch.FakeWatcher
	var limited toolscache.ListerWatcherWithContext
	listed := &corev1.ServiceList{}
	// tell sends an event, and returns what becomes of it.
	tell := func(kind watch.EventType, object client.Object) watch.Event {
		go events.Action(kind, object)
		return <-watched.ResultChan()
	}
	BeforeEach(func(ctx SpecContext) {
		clock = clocktesting.NewFakeClock(time.Unix(0, 0))
		limits = cachelimit.New(func(object client.Object) cachelimit.Kept {
			return cachelimit.Kept{Object: object, Entries: int(object.GetGeneration()), Cut: object.GetLabels()["cut"] != "", Own: object.GetLabels()["own"] != ""}
		}, clock)
		events = watch.NewFake()
		limited = toolscache.ToListerWatcherWithContext(limits.Wrap("Service", &toolscache.ListWatch{
			ListWithContextFunc:  func(context.Context, metav1.ListOptions) (runtime.Object, error) { return listed.DeepCopy(), nil },
			WatchFuncWithContext: func(context.Context, metav1.ListOptions) (watch.Interface, error) { return events, nil },
		}))
		var err error
		watched, err = limited.WatchWithContext(ctx, metav1.ListOptions{SendInitialEvents: new(true)})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(watched.Stop)
		tell(watch.Bookmark, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"}}})
	})
	fill := func(namespace string) {
		GinkgoHelper()
		for i := range cachelimit.Entries {
			Expect(tell(watch.Added, service(namespace, i, 1)).Type).To(Equal(watch.Added))
		}
	}

	It("keep as many objects of a namespace as there are entries, and tell of the others", func() {
		fill("tenant")
		Expect(limits.Ignored("tenant")).To(BeEmpty())
		dropped := tell(watch.Added, service("tenant", 5000, 1))
		Expect(dropped.Type).To(Equal(watch.Bookmark), "the watch goes on")
		Expect(dropped.Object.(client.Object).GetResourceVersion()).To(Equal("5001"))
		Expect(dropped.Object.(client.Object).GetName()).To(BeEmpty())
		Expect(tell(watch.Added, service("tenant", 5001, 1)).Type).To(Equal(watch.Bookmark))
		Expect(limits.Ignored("tenant")).To(Equal([]kinds.Ignored{{Kind: "Service", Example: "s5000"}}))
		Expect(limits.Changed()).To(Receive(HaveField("Object.GetName()", "tenant")))
		Expect(limits.Changed()).NotTo(Receive(), "once for all of them")
		Expect(tell(watch.Added, service("another", 0, 1)).Type).To(Equal(watch.Added))

		By("taking one in that changes while there is room")
		Expect(tell(watch.Modified, service("tenant", 5000, 1)).Type).To(Equal(watch.Bookmark))
		Expect(tell(watch.Deleted, service("tenant", 0, 1)).Type).To(Equal(watch.Deleted))
		Expect(tell(watch.Modified, service("tenant", 5000, 1)).Type).To(Equal(watch.Modified))
		Expect(limits.Ignored("tenant")).To(Equal([]kinds.Ignored{{Kind: "Service"}}), "which is no longer the example")

		By("forgetting one that is deleted")
		Expect(tell(watch.Deleted, service("tenant", 5001, 1)).Type).To(Equal(watch.Bookmark))
		Expect(limits.Ignored("tenant")).To(BeEmpty())
		for range 2 { // without its example, and without any
			Expect(limits.Changed()).To(Receive(HaveField("Object.GetName()", "tenant")))
		}
	})

	It("count an object by what is kept of it, and let go of one that grows too large", func() {
		Expect(tell(watch.Added, service("tenant", 1, cachelimit.Entries-10)).Type).To(Equal(watch.Added))
		Expect(tell(watch.Added, service("tenant", 2, 11)).Type).To(Equal(watch.Bookmark))
		Expect(tell(watch.Added, service("tenant", 3, 5)).Type).To(Equal(watch.Added))
		Expect(tell(watch.Modified, service("tenant", 3, 10)).Type).To(Equal(watch.Modified))
		Expect(tell(watch.Modified, service("tenant", 3, 11)).Type).To(Equal(watch.Deleted), "what the cache has is out of date")
		Expect(tell(watch.Deleted, service("tenant", 3, 11)).Type).To(Equal(watch.Bookmark))
		Expect(limits.Ignored("tenant")).To(Equal([]kinds.Ignored{{Kind: "Service", Example: "s0002"}}))
	})

	It("have the kind listed anew once there is room, not too often", func() {
		fill("tenant")
		for i := range 30 {
			Expect(tell(watch.Added, service("tenant", 5000+i, 1)).Type).To(Equal(watch.Bookmark))
		}
		for i := range 29 {
			Expect(tell(watch.Deleted, service("tenant", i, 1)).Type).To(Equal(watch.Deleted))
		}
		Eventually(clock.HasWaiters).Should(BeTrue())
		clock.Step(10 * time.Minute)
		Consistently(watched.ResultChan(), "100ms").ShouldNot(Receive(), "there is not room for all")
		Expect(tell(watch.Deleted, service("tenant", 29, 1)).Type).To(Equal(watch.Deleted))
		clock.Step(10 * time.Minute)
		expired := <-watched.ResultChan()
		Expect(expired.Type).To(Equal(watch.Error))
		Expect(apierrors.IsResourceExpired(apierrors.FromObject(expired.Object))).To(BeTrue())
	})

	It("keep the operator's own objects, however many others there are, and what is not counted", func() {
		fill("tenant")
		own := service("tenant", 5000, 1)
		own.Labels = map[string]string{"own": "yes"}
		Expect(tell(watch.Added, own).Type).To(Equal(watch.Added))
		for i := range 2 * cachelimit.Entries {
			Expect(tell(watch.Added, service("", i, 0)).Type).To(Equal(watch.Added))
		}
		Expect(limits.Ignored("tenant")).To(BeEmpty())
		Expect(tell(watch.Deleted, own).Type).To(Equal(watch.Deleted))
		Expect(tell(watch.Added, service("tenant", 6000, 1)).Type).To(Equal(watch.Bookmark), "which makes no room for others")
	})

	It("let nobody notice a list that comes to the same", func(ctx SpecContext) {
		fill("tenant")
		Expect(tell(watch.Added, service("tenant", cachelimit.Entries, 1)).Type).To(Equal(watch.Bookmark))
		Expect(limits.Changed()).To(Receive())
		listed.Items = nil
		for i := range cachelimit.Entries + 1 {
			listed.Items = append(listed.Items, *service("tenant", i, 1))
		}
		_, err := limited.ListWithContext(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(limits.Changed()).NotTo(Receive())
		listed.Items = listed.Items[:1]
		_, err = limited.ListWithContext(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(limits.Changed()).To(Receive())
		Expect(limits.Ignored("tenant")).To(BeEmpty())
	})

	It("end with whoever reads them", func() {
		watched.Stop()
		Eventually(watched.ResultChan()).Should(BeClosed())
		Expect(events.IsStopped()).To(BeTrue())
	})

	It("tell of objects that are not kept whole", func() {
		large := service("tenant", 1, 1)
		large.Labels = map[string]string{"cut": "yes"}
		Expect(tell(watch.Added, large).Type).To(Equal(watch.Added))
		Expect(limits.Ignored("tenant")).To(Equal([]kinds.Ignored{{Kind: "Service", Example: "s0001"}}))
		Expect(tell(watch.Modified, service("tenant", 1, 1)).Type).To(Equal(watch.Modified))
		Expect(limits.Ignored("tenant")).To(BeEmpty())
	})

	It("hold for a list, too, which begins anew", func(ctx SpecContext) {
		fill("tenant")
		listed.Items = nil
		for i := range cachelimit.Entries + 3 {
			listed.Items = append(listed.Items, *service("tenant", i, 1))
		}
		list, err := limited.ListWithContext(ctx, metav1.ListOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(list.(*corev1.ServiceList).Items).To(HaveLen(cachelimit.Entries))
		Expect(limits.Ignored("tenant")).To(HaveLen(1))
	})
})
