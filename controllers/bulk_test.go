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
	// next are the partners in the order in which they are reconciled, if the last is
	// changed by somebody after an event that concerns all.
	next := func(ctx context.Context, count int) []string {
		queue := priorityqueue.New[reconcile.Request]("test")
		defer queue.ShutDown()
		var all []reconcile.Request
		for i := range count {
			all = append(all, request(fmt.Sprint("p", i))...)
		}
		plan := &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "premium"}}
		inBulk(func(context.Context, client.Object) []reconcile.Request { return all }).
			Update(ctx, event.UpdateEvent{ObjectOld: plan, ObjectNew: plan.DeepCopy()}, queue)
		(&handler.EnqueueRequestForObject{}).Create(ctx, event.CreateEvent{
			Object: &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "changed"}},
		}, queue)
		var order []string
		for range count + 1 {
			request, _ := queue.Get()
			order = append(order, request.Name)
		}
		return order
	}

	It("has them wait for a Partner that somebody changes meanwhile", func(ctx SpecContext) {
		order := next(ctx, few+1)
		Expect(order[0]).To(Equal("changed"))
		Expect(order).To(HaveLen(few + 2))
	})

	It("has a few go first, as if each had been changed", func(ctx SpecContext) {
		Expect(next(ctx, few)[few]).To(Equal("changed"))
	})
})
