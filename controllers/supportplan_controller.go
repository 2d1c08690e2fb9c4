package controllers

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/apply"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/gather"
	"github.com/dispel/partner-operator/internal/index"
	"github.com/dispel/partner-operator/internal/support"
)

// SupportPlanReconciler shows each SupportPlan in full and totals its partners.
type SupportPlanReconciler struct {
	// Client reads from the cache, and sees there what it wrote itself.
	Client client.Client
	// Clock tells the time.
	Clock clock.PassiveClock
	// Recorder emits Events.
	Recorder events.EventRecorder
	// TotalsInterval is how long changed partners wait for each other before
	// they are counted, so that a thousand of them cost a handful of writes.
	TotalsInterval time.Duration
}

// Reconcile judges one plan, totals its partners and reports.
func (r *SupportPlanReconciler) Reconcile(ctx context.Context, request ctrl.Request) (result ctrl.Result, err error) {
	outcome := ""
	defer func() { count("SupportPlan", outcome, err) }()
	plan, err := gather.Found(ctx, r.Client, request.Name, &v1alpha1.SupportPlan{})
	if err != nil || plan == nil || !plan.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, err
	}
	var partners v1alpha1.PartnerList
	if err := r.Client.List(ctx, &partners, index.PartnerByPlan.Is(plan.Name), client.UnsafeDisableDeepCopy); err != nil {
		return ctrl.Result{}, err
	}
	status, findings := support.Status(plan, r.Clock.Now())
	status.Totals = total(partners.Items)
	outcome = outcomeOf(status.Conditions)
	before := plan.Status
	before.Conditions = conditions.Own(before.Conditions, v1alpha1.SupportPlanConditions)
	if equality.Semantic.DeepEqual(before, status) {
		return ctrl.Result{}, nil
	}
	if err := (apply.Applier{Client: r.Client}).Status(ctx, plan, &status, v1alpha1.SupportPlanConditions); err != nil {
		return ctrl.Result{}, apply.UnlessGone(err)
	}
	emit(r.Recorder, plan, conditions.Events(before.Conditions, findings))
	return ctrl.Result{}, nil
}

// total sums up partners, by what their status says of their staffing.
func total(partners []v1alpha1.Partner) *v1alpha1.PlanTotals {
	var customers, overCapacity int64
	var allocated v1alpha1.FTE
	for i := range partners {
		partner := &partners[i]
		customers += int64(ptr.Deref(partner.Spec.CustomerCount, 0))
		if staffing := partner.Status.Staffing; staffing != nil {
			allocated += staffing.AllocatedFTE
		}
		if meta.IsStatusConditionTrue(partner.Status.Conditions, string(v1alpha1.ConditionCapacityExceeded)) {
			overCapacity++
		}
	}
	return &v1alpha1.PlanTotals{
		Partners:     new(int64(len(partners))),
		Customers:    &customers,
		AllocatedFTE: allocated,
		OverCapacity: &overCapacity,
	}
}

// SetupWithManager has a plan's changes trigger it at once, and those of its
// partners, and of its status, after a while.
func (r *SupportPlanReconciler) SetupWithManager(mgr ctrl.Manager, options controller.Options) error {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	later := func(plan string, q queue) {
		q.AddAfter(request(plan)[0], r.TotalsInterval)
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("supportplan").
		WithOptions(options).
		Watches(&v1alpha1.SupportPlan{}, handler.Funcs{
			CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { q.Add(request(e.Object.GetName())[0]) },
			UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
				if e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() {
					q.Add(request(e.ObjectNew.GetName())[0])
				} else {
					later(e.ObjectNew.GetName(), q)
				}
			},
		}).
		Watches(&v1alpha1.Partner{}, handler.Funcs{
			CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) {
				later(contract.PlanName(e.Object.(*v1alpha1.Partner)), q)
			},
			UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
				later(contract.PlanName(e.ObjectOld.(*v1alpha1.Partner)), q)
				later(contract.PlanName(e.ObjectNew.(*v1alpha1.Partner)), q)
			},
			DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
				later(contract.PlanName(e.Object.(*v1alpha1.Partner)), q)
			},
		}).
		Complete(r)
}
