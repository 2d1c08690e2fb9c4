package controllers

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

var _ = Describe("The event of what many partners share", func() {
	// priorities are those of the partners that an event concerns, and of one that is
	// changed meanwhile, in the order in which they are reconciled.
	priorities := func(ctx context.Context, count int) []int {
		queue := priorityqueue.New[reconcile.Request]("test")
		defer queue.ShutDown()
		var all []reconcile.Request
		for i := range count {
			all = append(all, request(fmt.Sprint("p", i))...)
		}
		plan := &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "premium", ResourceVersion: "1"}}
		edited := plan.DeepCopy()
		edited.ResourceVersion = "2"
		inBulk(func(context.Context, client.Object) []reconcile.Request { return all }).
			Update(ctx, event.UpdateEvent{ObjectOld: plan, ObjectNew: edited}, queue)
		(&handler.EnqueueRequestForObject{}).Create(ctx, event.CreateEvent{
			Object: &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "changed"}},
		}, queue)
		var found []int
		for range count + 1 {
			_, priority, _ := queue.GetWithPriority()
			found = append(found, priority)
		}
		return found
	}

	It("has them wait for a Partner that somebody changes meanwhile", func(ctx SpecContext) {
		found := priorities(ctx, few+1)
		Expect(found[0]).To(BeZero())
		Expect(found[1:]).To(HaveEach(handler.LowPriority))
	})

	It("has a few go as if each had been changed", func(ctx SpecContext) {
		Expect(priorities(ctx, few)).To(HaveEach(0))
	})
})
