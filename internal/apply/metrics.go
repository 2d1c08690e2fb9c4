package apply

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	writes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "partner_operator_api_writes_total",
		Help: "Writes to the API server, by the kind written, the operation (apply, annotate, create, delete or status) and the result (success or error).",
	}, []string{"kind", "operation", "result"})
	skippedWrites = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "partner_operator_skipped_writes_total",
		Help: "Writes that were not needed, since the object is as wanted.",
	}, []string{"kind"})
)

func init() {
	metrics.Registry.MustRegister(writes, skippedWrites)
}

func count(operation, kind string, err error) {
	result := "success"
	if err != nil {
		result = "error"
	}
	writes.WithLabelValues(kind, operation, result).Inc()
}

func kindOf(object client.Object) string {
	return object.GetObjectKind().GroupVersionKind().Kind
}
