package prober

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	probes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "partner_operator_probes_total",
		Help: "Probes of sub-domains, by what they found: a reason of SubdomainReachable.",
	}, []string{"reason"})

	duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "partner_operator_probe_step_duration_seconds",
		Help:    "How long each step of a probe took.",
		Buckets: []float64{.005, .025, .1, .25, .5, 1, 2.5, 5},
	}, []string{"step"})

	delay = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "partner_operator_probe_delay_seconds",
		Help:    "Delay between the scheduled and the actual start of a probe. It grows if --concurrency is too low.",
		Buckets: []float64{.1, 1, 5, 15, 30, 60, 120, 300},
	})

	subdomains = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "partner_operator_probe_subdomains",
		Help: "Sub-domains that the prober probes.",
	})

	blind = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "partner_operator_probe_blind",
		Help: "Whether the prober can judge no sub-domain, since its own DNS server does not answer (dns), it has no way out (network) or its clock is wrong (clock): 1 or 0.",
	}, []string{"cause"})

	expiry = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "partner_operator_probe_certificate_expiry_timestamp_seconds",
		Help: "When the certificate expires that end customers of a Partner are served.",
	}, []string{"partner"})

	lifetime = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "partner_operator_probe_certificate_lifetime_seconds",
		Help: "For how long the certificate is valid in all that expires then.",
	}, []string{"partner"})
)

// Metrics are those of the prober. New registers them, so that the manager, which is in
// the same binary, does not expose them.
var Metrics = []prometheus.Collector{probes, duration, delay, subdomains, lifetime, blind, expiry}

var register = sync.OnceFunc(func() { metrics.Registry.MustRegister(Metrics...) })
