// Package manager puts the controllers, their caches and the endpoints for
// health and metrics together.
package manager

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/config/plans"
	"github.com/dispel/partner-operator/controllers"
	"github.com/dispel/partner-operator/internal/apply"
	"github.com/dispel/partner-operator/internal/authenticated"
	"github.com/dispel/partner-operator/internal/cachelimit"
	"github.com/dispel/partner-operator/internal/changes"
	"github.com/dispel/partner-operator/internal/drain"
	"github.com/dispel/partner-operator/internal/index"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/metrics"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/orders"
	"github.com/dispel/partner-operator/internal/probe"
	"github.com/dispel/partner-operator/internal/readiness"
	"github.com/dispel/partner-operator/internal/records"
	"github.com/dispel/partner-operator/internal/scheme"
)

// LeaseName is the name of the lease that a leading manager holds, if it has all
// partners.
const LeaseName = "partner-operator.partner.dispel.com"

// Options are what the manager can be told.
type Options struct {
	// Settings are the operator's defaults for partners.
	Settings objects.Settings
	// Workers is how many Partners are reconciled at once.
	Workers int
	// TotalsInterval is how long the totals of a plan may trail its partners.
	TotalsInterval time.Duration
	// RestoreGrace is how long what belongs to a Partner that is not there is left alone
	// after its creation.
	RestoreGrace time.Duration
	// ResyncPeriod is how often all objects are reconciled even if nothing changed.
	ResyncPeriod time.Duration
	// OrderChecks has certificates ordered from ACME issuers only when DNS and CAA records let the
	// order succeed, and OrdersPerHour is how many an issuer gets within an hour; 0 for any.
	OrderChecks   bool
	OrdersPerHour int
	// DNSServer is asked for that, by its address; the system's if empty.
	DNSServer string
	// WaveShare is which part of the Partners that are served a change of the Settings reaches at once, up to 1;
	// 0 for all, without looking what becomes of them. WavePause is what passes between two such waves, and
	// MaxUnreachable how many that it reached may not be served before it goes no further.
	WaveShare      float64
	WavePause      time.Duration
	MaxUnreachable int
	// DefaultPlans creates those of the SupportPlans that come with the operator
	// that are not there when it starts to lead.
	DefaultPlans bool
	// LeaderElection lets several replicas stand by for each other.
	LeaderElection bool
	// LeaderElectionNamespace is where its lease is; that of the Pod if empty.
	LeaderElectionNamespace string
	// HealthAddress is where /healthz and /readyz are served; "0" for nowhere.
	HealthAddress string
	// MetricsAddress is where /metrics are served; "0" for nowhere.
	MetricsAddress string
	// MetricsInsecure serves them over plain HTTP to anybody.
	MetricsInsecure bool
	// MetricsCertDir has the certificate for /metrics, as tls.crt and tls.key; a
	// self-signed one is made if empty.
	MetricsCertDir string
	// Calendars are served at CalendarPath of MetricsAddress, over HTTPS.
	Calendars bool
	// ProfilesAddress is where Go's profiles are served, to anybody, under
	// /debug/pprof; "0" or empty for nowhere.
	ProfilesAddress string
	// ShutdownDelay is how long to go on once told to stop.
	ShutdownDelay time.Duration
	// ShutdownTimeout is how long to wait for running reconciles to finish, after ShutdownDelay.
	ShutdownTimeout time.Duration
	// Clock tells the time; the system's if nil.
	Clock clock.PassiveClock
	// Unnamed lets one process run several managers, as tests do.
	Unnamed bool
}

// New returns a manager that is ready to start. The error is a *CRDError if a
// CRD is missing or too old.
func New(ctx context.Context, config *rest.Config, options Options) (ctrl.Manager, error) {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	config = rest.CopyConfig(config)
	// The API server's own fairness limits the rate; two limits would only hide
	// which of them holds.
	config.QPS = -1
	if err := CheckCRDs(ctx, config); err != nil {
		return nil, err
	}
	limits := cachelimit.New(keep, clock.RealClock{})
	base, err := ctrl.NewManager(config, managerOptions(options, limits))
	if err != nil {
		return nil, err
	}
	mgr := drain.New(base, options.ShutdownDelay)
	if err = index.Add(ctx, mgr.GetFieldIndexer(), index.Own()...); err != nil {
		return nil, err
	}
	if err = addControllers(ctx, mgr, options, limits); err != nil {
		return nil, err
	}
	if options.DefaultPlans {
		if err = addDefaultPlans(mgr); err != nil {
			return nil, err
		}
	}
	if options.MetricsAddress != "0" {
		if err = addCollector(mgr, options); err != nil {
			return nil, err
		}
	}
	if options.Calendars {
		if err = addCalendars(mgr, options); err != nil {
			return nil, err
		}
	}
	if err = controllers.HoldFromStart(ctx, mgr.GetCache(), givenKinds()...); err != nil {
		return nil, err
	}
	_, err = readiness.Serve(mgr, options.HealthAddress, nil, mgr.Check())
	return mgr, err
}

func managerOptions(options Options, limits *cachelimit.Limits) ctrl.Options {
	serve := metricsserver.Options{BindAddress: options.MetricsAddress}
	if !options.MetricsInsecure {
		serve.SecureServing = true
		serve.FilterProvider = authenticated.Filter
		serve.CertDir = options.MetricsCertDir
	}
	return ctrl.Options{
		Scheme: scheme.New(),
		Cache: cache.Options{
			ByObject:    controllers.Selected(),
			SyncPeriod:  &options.ResyncPeriod,
			NewInformer: newInformer(limits),
		},
		Client: client.Options{Cache: &client.CacheOptions{
			Unstructured:                    true,
			EnableReadYourWritesConsistency: new(true),
		}},
		LeaderElection:                options.LeaderElection,
		LeaderElectionID:              LeaseName,
		LeaderElectionNamespace:       options.LeaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		HealthProbeBindAddress:        "0", // see package readiness
		Metrics:                       serve,
		PprofBindAddress:              options.ProfilesAddress,
		GracefulShutdownTimeout:       &options.ShutdownTimeout,
	}
}

// newInformer makes informers that keep of objects what the limits allow. For kinds that are
// read by name alone, one has no index by namespace: with one object in each namespace, the
// index takes about half as much memory as the objects do.
func newInformer(limits *cachelimit.Limits) func(toolscache.ListerWatcher, runtime.Object, time.Duration, toolscache.Indexers) toolscache.SharedIndexInformer {
	return func(lw toolscache.ListerWatcher, object runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
		name := reflect.TypeOf(object).Elem().Name()
		if kind := kinds.OfType(object); kind != nil {
			name = kind.Kind
			if len(kind.Names) > 0 {
				delete(indexers, toolscache.NamespaceIndex)
			}
		}
		return toolscache.NewSharedIndexInformer(limits.Wrap(name, lw), object, resync, indexers)
	}
}

// givenKinds are the kinds that others make, or that matter whoever made them.
func givenKinds() []client.Object {
	return []client.Object{
		&v1alpha1.Partner{}, &v1alpha1.SupportPlan{}, &v1alpha1.PCSMAllocation{},
		&networkingv1.IngressClass{},
	}
}

func addControllers(ctx context.Context, mgr ctrl.Manager, options Options, limits *cachelimit.Limits) error {
	each := func() controller.Options {
		return controller.Options{
			MaxConcurrentReconciles: options.Workers,
			ReconciliationTimeout:   2 * time.Minute,
			EnableWarmup:            new(true),
			SkipNameValidation:      &options.Unnamed,
			// It counts failures by name, so no two kinds may share it.
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, time.Minute),
		}
	}
	apis, err := controllers.DetectOptionalAPIs(mgr.GetRESTMapper(), options.Settings)
	if err != nil {
		return fmt.Errorf("looking for optional APIs: %w", err)
	}
	recorder := mgr.GetEventRecorder("partner-operator")
	gate, err := gateOf(mgr, options)
	if err != nil {
		return err
	}
	var waves *changes.Gate
	if options.WaveShare > 0 {
		waves = changes.New(changes.Options{
			Reader: mgr.GetCache(), Kinds: apis.Kinds, Settings: options.Settings,
			Share: options.WaveShare, Pause: options.WavePause, MaxUnreachable: options.MaxUnreachable, Clock: options.Clock,
		})
		if err = mgr.Add(waves); err != nil {
			return err
		}
	}
	return errors.Join(
		(&controllers.PartnerReconciler{
			Answers: apply.NewAnswers(),
			Client:  patient{mgr.GetClient()}, Live: mgr.GetAPIReader(), Orders: gate, Changes: waves, APIs: apis,
			Settings: options.Settings, Clock: options.Clock, Recorder: recorder, RestoreGrace: options.RestoreGrace, Limits: limits,
		}).SetupWithManager(ctx, mgr, each()),
		(&controllers.PCSMAllocationReconciler{
			Client: patient{mgr.GetClient()}, Clock: options.Clock, Recorder: recorder,
		}).SetupWithManager(mgr, each()),
		(&controllers.SupportPlanReconciler{
			Client: patient{mgr.GetClient()}, Clock: options.Clock, Recorder: recorder, TotalsInterval: options.TotalsInterval,
		}).SetupWithManager(mgr, each()),
	)
}

// gateOf decides when certificates are ordered; nil if all are at once.
func gateOf(mgr ctrl.Manager, options Options) (*orders.Gate, error) {
	if !options.OrderChecks && options.OrdersPerHour <= 0 {
		return nil, nil
	}
	of := orders.Options{
		Issuers: mgr.GetAPIReader(), Certificates: patient{mgr.GetClient()}, Checks: options.OrderChecks, PerHour: options.OrdersPerHour, Clock: options.Clock,
		Prober: &probe.Prober{},
	}
	if options.OrderChecks {
		server, err := records.Server(options.DNSServer)
		if err != nil {
			return nil, err
		}
		of.Server.Server = server
		if options.DNSServer != "" {
			of.Prober.Resolver = probe.ResolverAt(netip.MustParseAddrPort(server))
		}
	}
	return orders.New(of), nil
}

// addDefaultPlans creates the plans that come with the operator once it leads. A
// chart cannot hold them beside the CRD of their kind, and one that is there is
// somebody's: it is left as it is. See docs/decisions/0009.
func addDefaultPlans(mgr ctrl.Manager) error {
	shipped, err := plans.Shipped()
	if err != nil {
		return err
	}
	create := func(ctx context.Context, plan *v1alpha1.SupportPlan) error {
		err := mgr.GetClient().Get(ctx, client.ObjectKeyFromObject(plan), &v1alpha1.SupportPlan{})
		if apierrors.IsNotFound(err) {
			err = client.IgnoreAlreadyExists(mgr.GetClient().Create(ctx, plan.DeepCopy(), client.FieldOwner(v1alpha1.FieldManager)))
		}
		return err
	}
	return mgr.Add(ctrlmanager.RunnableFunc(func(ctx context.Context) error {
		err := wait.PollUntilContextCancel(ctx, 10*time.Second, true, func(ctx context.Context) (bool, error) {
			shipped = slices.DeleteFunc(shipped, func(plan *v1alpha1.SupportPlan) bool {
				err := create(ctx, plan)
				if err != nil && ctx.Err() == nil {
					mgr.GetLogger().Error(err, "Creating a default SupportPlan, which is tried again", "supportPlan", plan.Name)
				}
				return err == nil
			})
			return len(shipped) == 0, nil
		})
		if errors.Is(err, context.Canceled) {
			return nil // it stops
		}
		return err
	}))
}

// addCollector shows partners among the metrics while the manager leads.
func addCollector(mgr ctrl.Manager, options Options) error {
	collector := &metrics.Collector{Reader: mgr.GetCache(), Clock: options.Clock, Logger: mgr.GetLogger().WithName("metrics")}
	return mgr.Add(ctrlmanager.RunnableFunc(func(ctx context.Context) error {
		if err := ctrlmetrics.Registry.Register(collector); err != nil {
			return err
		}
		<-ctx.Done()
		ctrlmetrics.Registry.Unregister(collector)
		return nil
	}))
}
