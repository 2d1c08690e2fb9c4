package widgetserver

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/authenticated"
	"github.com/dispel/partner-operator/internal/drain"
	"github.com/dispel/partner-operator/internal/readiness"
	"github.com/dispel/partner-operator/internal/widget"
)

// +kubebuilder:rbac:groups=partner.dispel.com,resources=partners;supportplans;pcsmallocations;subdomainclaims,verbs=list;watch
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// Options are what the widget server can be told.
type Options struct {
	// Address is where the widget is served.
	Address string
	// Listener serves it in place of Address, if given.
	Listener net.Listener
	// HealthAddress is where /healthz and /readyz are served; "0" for nowhere.
	HealthAddress string
	// MetricsAddress is where /metrics are served, over HTTPS, to those whom the API server
	// lets get them; "0" for nowhere.
	MetricsAddress string
	// ShutdownDelay is how long to keep serving once told to stop.
	ShutdownDelay time.Duration
	// ShutdownTimeout is how long to wait for open requests, after ShutdownDelay.
	ShutdownTimeout time.Duration
	// Contact is how end customers reach the P-CSMs.
	Contact widget.Contact
	// Clock tells the time; the system's if nil.
	Clock clock.PassiveClock
}

// New returns a server that is ready to start. Until its caches are full it
// answers 503. The error is that of a contact that does not work, or of an
// address that is taken.
func New(ctx context.Context, config *rest.Config, options Options) (ctrl.Manager, error) {
	if err := options.Contact.Check(); err != nil {
		return nil, err
	}
	register()
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	base, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                  scheme,
		Cache:                   cache.Options{DefaultTransform: strip},
		HealthProbeBindAddress:  "0", // see package readiness
		Metrics:                 metricsserver.Options{BindAddress: options.MetricsAddress, SecureServing: true, FilterProvider: authenticated.Filter},
		GracefulShutdownTimeout: &options.ShutdownTimeout,
	})
	if err != nil {
		return nil, err
	}
	mgr := drain.New(base, options.ShutdownDelay)
	directory, err := NewDirectory(ctx, mgr.GetCache(), options.Contact, options.Clock)
	if err != nil {
		return nil, err
	}
	listener := options.Listener
	if listener == nil {
		if listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", options.Address); err != nil {
			return nil, fmt.Errorf("serving the widget: %w", err)
		}
	}
	full, err := readiness.Serve(mgr, options.HealthAddress, func() { ready.Set(1) }, mgr.Check())
	if err != nil {
		return nil, err
	}
	handler := &Handler{Directory: directory, Ready: full, Clock: options.Clock, Logger: mgr.GetLogger().WithName("widget")}
	return mgr, mgr.Add(&ctrlmanager.Server{
		Name:            "widget",
		Server:          newServer(closing(compressed(handler), mgr.Draining), handler.Logger),
		Listener:        netutil.LimitListener(listener, maxConnections),
		ShutdownTimeout: &options.ShutdownTimeout,
	})
}

// requests counts what was asked for. No label names a partner: its end customers
// are its own affair. The handler counts by itself: promhttp's wrapper would cost as
// much as all else that it does.
var requests = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "partner_operator_widget_requests_total",
	Help: "Requests to the widget server, by the status code of the answer.",
}, []string{"code"})

var ready = prometheus.NewGauge(prometheus.GaugeOpts{
	Name: "partner_operator_widget_ready",
	Help: "Whether the widget server knows the partners, and so can serve them: 1 or 0.",
})

// Metrics are those of the widget server. It registers them when it is made: the
// manager, which is in the same binary, has none of them to show.
var Metrics = []prometheus.Collector{requests, ready}

var register = sync.OnceFunc(func() { metrics.Registry.MustRegister(Metrics...) })

// compressed answers in gzip those who take it.
func compressed(handler http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.EnableZstd(false))
	if err != nil {
		panic(err) // the options are valid
	}
	return wrap(handler)
}

// closing has clients take another connection for their next request while the server
// drains.
func closing(handler http.Handler, draining func() bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if draining() {
			w.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(w, r)
	})
}

// newServer bounds what a client can ask for: how long it may take, and how much
// it may send.
func newServer(handler http.Handler, logger logr.Logger) *http.Server {
	var open atomic.Int64
	var server *http.Server
	server = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       90 * time.Second,
		MaxHeaderBytes:    16 << 10,
		// What clients do wrong is no fault of ours.
		ErrorLog: slog.NewLogLogger(logr.ToSlogHandler(logger.V(1)), slog.LevelDebug),
		// While there are many connections, none stays open without a request.
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				if open.Add(1) == manyConnections+1 {
					server.SetKeepAlivesEnabled(false)
				}
			case http.StateClosed, http.StateHijacked:
				if open.Add(-1) == manyConnections/2 {
					server.SetKeepAlivesEnabled(true)
				}
			}
		},
	}
	return server
}

// A connection costs some 25 KiB, so that all of them are well below what the chart
// lets the server take.
const (
	maxConnections  = 2000
	manyConnections = 1000
)

// strip forgets what is not served, and what others can write without a bound.
func strip(in any) (any, error) {
	if object, ok := in.(metav1.Object); ok {
		object.SetLabels(nil)
		object.SetAnnotations(nil)
		object.SetFinalizers(nil)
		object.SetOwnerReferences(nil)
	}
	if partner, ok := in.(*v1alpha1.Partner); ok {
		partner.Spec.Tenant = nil
		if partner.Spec.Subdomain != nil {
			partner.Spec.Subdomain.Route = nil
		}
		partner.Status.Conditions = nil
		for i := range partner.Status.Hosts {
			partner.Status.Hosts[i].WaitsFor = ""
		}
	}
	return cache.TransformStripManagedFields()(in)
}
