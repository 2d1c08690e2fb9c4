package controllers

import (
	"context"

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

var _ = Describe("What many partners share", func() {
	It("is looked at after a Partner that somebody changes meanwhile", func(ctx SpecContext) {
		queue := priorityqueue.New[reconcile.Request]("test")
		defer queue.ShutDown()
		shared := inBulk(func(context.Context, client.Object) []reconcile.Request {
			return append(request("p1"), append(request("p2"), request("p3")...)...)
		})
		plan := &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "premium"}}
		shared.Update(ctx, event.UpdateEvent{ObjectOld: plan, ObjectNew: plan.DeepCopy()}, queue)
		changed := &handler.EnqueueRequestForObject{}
		changed.Create(ctx, event.CreateEvent{Object: &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "p3"}}}, queue)

		var order []string
		for range 3 {
			next, _ := queue.Get()
			order = append(order, next.Name)
		}
		Expect(order[0]).To(Equal("p3"))
		Expect(order).To(ConsistOf("p1", "p2", "p3"))
	})
})
