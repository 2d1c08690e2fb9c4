package prober

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/apply"
	"github.com/dispel/partner-operator/internal/authenticated"
	"github.com/dispel/partner-operator/internal/probe"
	"github.com/dispel/partner-operator/internal/readiness"
	"github.com/dispel/partner-operator/internal/target"
)

// +kubebuilder:rbac:groups=partner.dispel.com,resources=partners,verbs=list;watch
// +kubebuilder:rbac:groups=partner.dispel.com,resources=partners/status,verbs=patch
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create
// +kubebuilder:rbac:namespace=system,groups=coordination.k8s.io,resources=leases,verbs=create;patch

// Options are what the prober can be told.
type Options struct {
	// Prober probes one sub-domain.
	Prober probe.Prober
	// CompareAddresses holds the addresses of a host against those of its route.
	CompareAddresses bool
	// Interval is how often each sub-domain is probed.
	Interval time.Duration
	// Concurrency is how many are probed at once.
	Concurrency int
	// HealthAddress is where /healthz and /readyz are served; "0" for nowhere.
	HealthAddress string
	// MetricsAddress is where /metrics are served, over HTTPS, to those whom the API server
	// lets get them; "0" for nowhere.
	MetricsAddress string
	// LeaseNamespace is where the Lease of the last probes is; the Pod's namespace if empty, and outside of
	// a cluster there is none then.
	LeaseNamespace string
	// HeartbeatPeriod is how often that is written; the interval, but at most every 15 seconds, if zero.
	HeartbeatPeriod time.Duration
	// Clock tells the time; the system's if nil.
	Clock clock.PassiveClock
}

// New returns a prober that is ready to start. The error is that of an address that is
// taken, or of a cluster that does not answer.
func New(config *rest.Config, options Options) (ctrl.Manager, error) {
	register()
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	options.LeaseNamespace = cmp.Or(options.LeaseNamespace, ownNamespace())
	options.HeartbeatPeriod = cmp.Or(options.HeartbeatPeriod, max(options.Interval, heartbeatPeriod))
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server has its own limits
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                 scheme,
		Cache:                  cache.Options{DefaultTransform: keep},
		HealthProbeBindAddress: "0", // see package readiness
		Metrics:                metricsserver.Options{BindAddress: options.MetricsAddress, SecureServing: true, FilterProvider: authenticated.Filter},
		Client:                 client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}},
		// Probes under way end with the process: they leave nothing behind.
		GracefulShutdownTimeout: ptr.To(time.Second),
	})
	if err != nil {
		return nil, err
	}
	r := &reconciler{Options: options, client: mgr.GetClient(), known: map[string]*state{}, sight: newSight()}
	if _, err = readiness.Serve(mgr, options.HealthAddress, nil); err != nil {
		return nil, err
	}
	if options.LeaseNamespace != "" {
		if r.leases, err = coordinationv1client.NewForConfigAndClient(config, mgr.GetHTTPClient()); err != nil {
			return nil, err
		}
		if err = mgr.Add(manager.RunnableFunc(r.heartbeat)); err != nil {
			return nil, err
		}
	}
	return mgr, ctrl.NewControllerManagedBy(mgr).
		Named("probe").
		For(&v1alpha1.Partner{}, builder.WithPredicates(targetChanged)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: options.Concurrency, NeedLeaderElection: new(false),
			SkipNameValidation: new(true), // tests start several
		}).
		Complete(r)
}

// targetChanged leaves out updates after which there is the same to probe, those by the
// prober's own writes among them.
var targetChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, had := target.Of(e.ObjectOld.(*v1alpha1.Partner))
	now, has := target.Of(e.ObjectNew.(*v1alpha1.Partner))
	return had != has || !before.Equal(now) || !equality.Semantic.DeepEqual(replacementOf(e.ObjectOld.(*v1alpha1.Partner)), replacementOf(e.ObjectNew.(*v1alpha1.Partner))) || e.ObjectOld.GetUID() != e.ObjectNew.GetUID()
}}

// keep reduces cached Partners to what a probe needs.
func keep(in any) (any, error) {
	partner, ok := in.(*v1alpha1.Partner)
	if !ok {
		return in, nil
	}
	kept := &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{
		Name: partner.Name, UID: partner.UID, ResourceVersion: partner.ResourceVersion,
		Generation: partner.Generation, DeletionTimestamp: partner.DeletionTimestamp,
	}}
	kept.Spec.DisplayName = partner.Spec.DisplayName // others may hand a host over to it
	kept.Spec.HandOver = partner.Spec.HandOver
	kept.Status.Subdomain = partner.Status.Subdomain
	kept.Status.SupportWidget = partner.Status.SupportWidget
	for _, condition := range partner.Status.Conditions {
		if slices.Contains(v1alpha1.ProberConditions, v1alpha1.ConditionType(condition.Type)) {
			kept.Status.Conditions = append(kept.Status.Conditions, condition)
		}
	}
	return kept, nil
}

// reachable is the condition that the prober wrote; nil if it wrote none.
func reachable(partner *v1alpha1.Partner) *metav1.Condition {
	return meta.FindStatusCondition(partner.Status.Conditions, string(v1alpha1.ConditionSubdomainReachable))
}

// reconciler probes the sub-domain of a Partner when its turn comes.
type reconciler struct {
	Options
	client client.Client
	leases coordinationv1client.LeasesGetter

	mu sync.Mutex
	// known are the sub-domains that were probed, by partner. Each is used by one
	// worker at a time.
	known map[string]*state
	sight *sight
}

// state is what is known of a sub-domain between two probes.
type state struct {
	uid    types.UID
	target probe.Target
	record record
	// due is when it is probed next, and hurried when that was last brought forward for other addresses.
	due, hurried time.Time
	// probed is when it was last probed; guarded by the reconciler's mu.
	probed time.Time
	// unwritten is a verdict that could not be written yet; nil if there is none.
	unwritten *metav1.Condition
	// replaced is the verdict on the route that is to take the place of the one that serves; nil if there is no such
	// route, or it was not tried. tried is when it was last.
	replaced *metav1.Condition
	tried    time.Time
}

// Reconcile implements reconcile.Reconciler.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var partner v1alpha1.Partner
	if err := r.client.Get(ctx, request.NamespacedName, &partner); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(ctx, request.Name)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	observed := reachable(&partner)
	probed, found, err := target.With(ctx, &partner, r.partner)
	if err != nil {
		return ctrl.Result{}, err
	}
	if !found || !partner.DeletionTimestamp.IsZero() {
		r.forget(ctx, partner.Name)
		if found || len(partner.Status.Conditions) == 0 {
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, r.write(ctx, &partner)
	}
	now := r.Clock.Now()
	s := r.stateOf(&partner, probed, observed, now)
	again := r.replacement(ctx, &partner, probed, s)
	if err := ctx.Err(); err != nil {
		return ctrl.Result{}, err
	}
	if wait := s.due.Sub(now); wait > 0 {
		return ctrl.Result{RequeueAfter: earlier(wait, again)}, r.tell(ctx, &partner, s)
	}
	delay.Observe(now.Sub(s.due).Seconds())
	if !r.CompareAddresses {
		probed.Addresses = nil
	}
	result := r.Prober.Probe(ctx, probed)
	if err := ctx.Err(); err != nil {
		return ctrl.Result{}, err // the prober ends, which says nothing of the sub-domain
	}
	show(partner.Name, result)
	now = r.Clock.Now()
	r.mu.Lock()
	s.probed = now
	r.mu.Unlock()
	s.due = next(partner.Name, now, r.Interval) // whatever becomes of the write
	was := observed != nil && observed.Status == metav1.ConditionTrue
	longest := r.Interval + r.Prober.Longest()
	switch blind := r.sight.judge(ctx, probed, was, result, now, longest); {
	case blind && observed == nil && s.unwritten == nil:
		s.unwritten = unjudged(result, now)
	case !blind:
		s.unwritten = nil
		if condition := s.record.note(result, observed, now, longest); condition != observed {
			s.unwritten = condition
		}
	}
	return ctrl.Result{RequeueAfter: earlier(s.due.Sub(now), again)}, r.tell(ctx, &partner, s)
}

// tell writes verdicts that are not written yet.
func (r *reconciler) tell(ctx context.Context, partner *v1alpha1.Partner, s *state) error {
	written := replacementReachable(partner)
	if s.unwritten == nil && equality.Semantic.DeepEqual(s.replaced, written) {
		return nil
	}
	verdict := s.unwritten
	if verdict == nil {
		verdict = reachable(partner)
	}
	if err := r.write(ctx, partner, verdict, s.replaced); err != nil {
		return err
	}
	if s.unwritten != nil {
		ctrl.LoggerFrom(ctx).V(1).Info("Wrote a verdict", "host", s.target.Host, "reason", s.unwritten.Reason)
	}
	s.unwritten = nil
	return nil
}

// partner is a Partner by its name; nil if there is none.
func (r *reconciler) partner(ctx context.Context, name string) (*v1alpha1.Partner, error) {
	var partner v1alpha1.Partner
	if err := r.client.Get(ctx, client.ObjectKey{Name: name}, &partner); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return &partner, nil
}

// stateOf is what is known of a sub-domain. One that is new, or has changed, is probed at
// once; one with a verdict from before a restart when its turn comes.
func (r *reconciler) stateOf(partner *v1alpha1.Partner, target probe.Target, observed *metav1.Condition, now time.Time) *state {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.known[partner.Name]
	switch {
	case s == nil && observed != nil:
		s = &state{uid: partner.UID, target: target, due: next(partner.Name, now, r.Interval)}
	case s != nil && s.uid == partner.UID && s.target.Host == target.Host && s.target.TLS == target.TLS:
		// Two controllers that report addresses in turn change them all the time.
		if !s.target.Equal(target) && now.Sub(s.hurried) >= r.Interval {
			s.due, s.hurried = now, now
		}
		s.target = target
		return s
	default:
		forgetCertificate(partner.Name) // of what was served before
		s = &state{uid: partner.UID, target: target, due: now}
	}
	r.known[partner.Name] = s
	subdomains.Set(float64(len(r.known)))
	return s
}

func (r *reconciler) forget(ctx context.Context, partner string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, partner)
	subdomains.Set(float64(len(r.known)))
	forgetCertificate(partner)
	if len(r.known) == 0 {
		r.sight.forget(ctx)
	}
}

// write applies the conditions, but for nil; others of its own it removes. A Partner that is gone, or in whose
// place there is another of its name, needs neither.
func (r *reconciler) write(ctx context.Context, partner *v1alpha1.Partner, conditions ...*metav1.Condition) error {
	var status v1alpha1.PartnerStatus
	for _, condition := range conditions {
		if condition != nil {
			status.Conditions = append(status.Conditions, *condition)
		}
	}
	err := apply.Applier{Client: r.client, StatusManager: v1alpha1.ProberFieldManager}.Status(ctx, partner, status, v1alpha1.ProberConditions)
	return apply.UnlessGone(err)
}

// show counts a probe.
func show(partner string, result probe.Result) {
	probes.WithLabelValues(string(result.Reason)).Inc()
	for _, step := range result.Steps {
		duration.WithLabelValues(string(step.Step)).Observe(step.Took.Seconds())
	}
	if result.Expires.IsZero() {
		if !result.Broken() {
			forgetCertificate(partner)
		}
	} else {
		expiry.WithLabelValues(partner).Set(float64(result.Expires.Unix()))
		lifetime.WithLabelValues(partner).Set(result.Lifetime.Seconds())
	}
}

// forgetCertificate takes the certificate of a partner off the metrics.
func forgetCertificate(partner string) {
	expiry.DeleteLabelValues(partner)
	lifetime.DeleteLabelValues(partner)
}
