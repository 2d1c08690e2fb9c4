package prober

import (
	"context"
	"os"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1ac "k8s.io/client-go/applyconfigurations/coordination/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/target"
)

// LeaseName is that of the Lease whose renewTime says since when every sub-domain has been probed. Once
// leaseDurationSeconds have passed after that, the prober is late, or runs no more.
//
// A Partner's status says only what has changed: with a time of its own for each probe, ten thousand Partners
// would be written every minute.
const LeaseName = "partner-operator-probe.partner.dispel.com"

// heartbeatPeriod is the least time between two writes of the Lease.
const heartbeatPeriod = 15 * time.Second

// ownNamespace is that of the Pod; empty outside of a cluster.
func ownNamespace() string {
	namespace, _ := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
	return strings.TrimSpace(string(namespace))
}

// heartbeat keeps the Lease until the context is cancelled.
func (r *reconciler) heartbeat(ctx context.Context) error {
	logger := ctrl.LoggerFrom(ctx).WithName("heartbeat").WithValues("namespace", r.LeaseNamespace, "lease", LeaseName)
	failed := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(r.HeartbeatPeriod):
		}
		since, all, err := r.probedSince(ctx)
		if all {
			err = r.renew(ctx, since)
		}
		if err != nil && !failed && ctx.Err() == nil {
			logger.Error(err, "The Lease of the last probes cannot be written; it is tried again")
		}
		failed = err != nil
	}
}

// probedSince is since when every sub-domain has been probed; false while one has not been yet.
func (r *reconciler) probedSince(ctx context.Context) (since time.Time, all bool, err error) {
	var partners v1alpha1.PartnerList
	if err := r.client.List(ctx, &partners, client.UnsafeDisableDeepCopy); err != nil {
		return time.Time{}, false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	since = r.Clock.Now()
	for _, partner := range partners.Items {
		if _, has := target.Of(&partner); !has || !partner.DeletionTimestamp.IsZero() {
			continue
		}
		s := r.known[partner.Name]
		if s == nil || s.probed.IsZero() {
			return time.Time{}, false, nil
		}
		if s.probed.Before(since) {
			since = s.probed
		}
	}
	return since, true, nil
}

func (r *reconciler) renew(ctx context.Context, since time.Time) error {
	// A probe that waits for every timeout, twice in a row, is not late yet.
	late := 2*(r.Interval+r.Prober.Longest()) + r.HeartbeatPeriod
	lease := coordinationv1ac.Lease(LeaseName, r.LeaseNamespace).WithSpec(coordinationv1ac.LeaseSpec().
		WithHolderIdentity(v1alpha1.ProberFieldManager).
		WithLeaseDurationSeconds(int32(late.Seconds()) + 1).
		WithRenewTime(metav1.NewMicroTime(since)))
	_, err := r.leases.Leases(r.LeaseNamespace).Apply(ctx, lease, metav1.ApplyOptions{FieldManager: v1alpha1.ProberFieldManager, Force: true})
	return err
}
