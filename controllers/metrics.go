package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

var reconciles = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "partner_operator_reconciles_total",
	Help: "Reconciles, by kind and by what they found: Ready, Reconciling, Stalled, Suspended, Gone, Conflict with another change, or Failed.",
}, []string{"kind", "outcome"})

func init() {
	metrics.Registry.MustRegister(reconciles)
}

// Outcomes that no condition tells.
const (
	gone     = "Gone"
	conflict = "Conflict"
	failed   = "Failed"
)

// count counts a reconcile. No outcome is that of an object that is gone.
func count(kind, outcome string, err error) {
	switch {
	case err != nil:
		outcome = failed
	case outcome == "":
		outcome = gone
	}
	reconciles.WithLabelValues(kind, outcome).Inc()
}

// outcomeOf is what conditions sum up to.
func outcomeOf(conditions []metav1.Condition) string {
	for _, condition := range []v1alpha1.ConditionType{v1alpha1.ConditionSuspended, v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling} {
		if meta.IsStatusConditionTrue(conditions, string(condition)) {
			return string(condition)
		}
	}
	return string(v1alpha1.ConditionReady)
}
