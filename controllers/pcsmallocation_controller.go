package controllers

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/apply"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/gather"
	"github.com/dispel/partner-operator/internal/index"
	"github.com/dispel/partner-operator/internal/staffing"
)

// PCSMAllocationReconciler tells of each PCSMAllocation whether it counts. What
// it counts for is the Partner's.
type PCSMAllocationReconciler struct {
	// Client reads from the cache, and sees there what it wrote itself.
	Client client.Client
	// Clock tells the time.
	Clock clock.PassiveClock
	// Recorder emits Events.
	Recorder events.EventRecorder

	// echoes are of its own writes.
	echoes *echoes
}

// Reconcile judges one allocation and reports.
func (r *PCSMAllocationReconciler) Reconcile(ctx context.Context, request ctrl.Request) (result ctrl.Result, err error) {
	outcome := ""
	defer func() { count("PCSMAllocation", outcome, err) }()
	r.echoes.begin(request.Name)
	allocation, err := gather.Found(ctx, r.Client, request.Name, &v1alpha1.PCSMAllocation{})
	if err != nil || allocation == nil || !allocation.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, err
	}
	partner, err := gather.Found(ctx, r.Client, string(allocation.Spec.PartnerRef.Name), &v1alpha1.Partner{})
	if err != nil {
		return ctrl.Result{}, err
	}
	now := r.Clock.Now()
	status, findings, change := staffing.Status(allocation, partner, now)
	outcome = outcomeOf(status.Conditions)
	before := allocation.Status
	before.Conditions = conditions.Own(before.Conditions, v1alpha1.PCSMAllocationConditions)
	if !equality.Semantic.DeepEqual(before, status) {
		err := apply.Applier{Client: writing{r.Client, r.echoes, request.Name}}.Status(ctx, allocation, &status, v1alpha1.PCSMAllocationConditions)
		if err != nil {
			return ctrl.Result{}, apply.UnlessGone(err)
		}
		emit(r.Recorder, allocation, conditions.Events(before.Conditions, findings))
	}
	if change.IsZero() {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{RequeueAfter: max(time.Second, change.Sub(now))}, nil
}

// SetupWithManager has an allocation's partner trigger it.
func (r *PCSMAllocationReconciler) SetupWithManager(mgr ctrl.Manager, options controller.Options) error {
	r.echoes = newEchoes()
	return ctrl.NewControllerManagedBy(mgr).
		Named("pcsmallocation").
		WithOptions(options).
		Watches(&v1alpha1.PCSMAllocation{}, r.echoes.without(&handler.EnqueueRequestForObject{})).
		Watches(&v1alpha1.Partner{}, handler.EnqueueRequestsFromMapFunc(r.byPartner), builder.WithPredicates(respecified, sinceStart)).
		Complete(r)
}

func (r *PCSMAllocationReconciler) byPartner(ctx context.Context, partner client.Object) []reconcile.Request {
	var list v1alpha1.PCSMAllocationList
	if err := r.Client.List(ctx, &list, index.AllocationByPartner.Is(partner.GetName()), client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing the allocations of a partner")
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}
