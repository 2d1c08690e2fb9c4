package tenant_test

import (
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/snapshot"
	"github.com/dispel/partner-operator/internal/tenant"
	"github.com/dispel/partner-operator/internal/testing/partners"
)

// BenchmarkEvaluate evaluates a partner with everything that it can have on a cluster
// without cert-manager and the Gateway API, with and without shifts.
func BenchmarkEvaluate(b *testing.B) {
	week := []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}
	for name, shifts := range map[string]bool{"without shifts": false, "with shifts in three zones": true} {
		b.Run(name, func(b *testing.B) {
			s := snapshot.Snapshot{
				Partner: partners.New("acme", "remote.acmecorp.com"), Settings: goldenSettings(), Now: time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC),
				Agreed:   snapshot.Agreed{Plan: &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "premium"}, Spec: v1alpha1.SupportPlanSpec{Tier: v1alpha1.Premium}}},
				Platform: snapshot.Platform{IngressClasses: []networkingv1.IngressClass{*partners.IngressClass()}},
			}
			for _, zone := range []v1alpha1.TimeZone{"Europe/Berlin", "America/New_York", "Asia/Tokyo"} {
				allocation := v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{Name: string(zone)}, Spec: v1alpha1.PCSMAllocationSpec{
					PartnerRef: v1alpha1.PartnerReference{Name: "acme"}, FTE: v1alpha1.OneFTE,
					Localization: &v1alpha1.Localization{TimeZone: zone, Languages: []v1alpha1.Language{"en"}},
				}}
				if shifts {
					allocation.Spec.Shifts = []v1alpha1.Shift{{Days: week, Start: "08:00", End: "16:00"}}
				}
				s.Allocations = append(s.Allocations, allocation)
			}
			// As it is reconciled time and again: everything is there already.
			outcome := tenant.Settle(s)
			s.Partner.Status = outcome.Status
			for _, object := range outcome.Objects {
				s.Observe(object)
			}
			b.ReportAllocs()
			for b.Loop() {
				tenant.Evaluate(s)
			}
		})
	}
}
