// Package readiness answers /healthz and /readyz for a process that is ready once its
// caches are full.
package readiness

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	ctrl "sigs.k8s.io/controller-runtime"
	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"
)

// AfterCaches adds both checks to a manager. What it returns reports whether the caches
// are full; then is called as soon as they are.
func AfterCaches(mgr ctrl.Manager, then ...func()) (full func() bool, err error) {
	var synced atomic.Bool
	// Runnables other than caches start after these are full.
	wait := ctrlmanager.RunnableFunc(func(ctx context.Context) error {
		if mgr.GetCache().WaitForCacheSync(ctx) {
			synced.Store(true)
			for _, do := range then {
				do()
			}
		}
		<-ctx.Done()
		return nil
	})
	return synced.Load, errors.Join(
		mgr.Add(everyReplica{wait}),
		mgr.AddHealthzCheck("ping", func(*http.Request) error { return nil }),
		mgr.AddReadyzCheck("caches", func(*http.Request) error {
			if !synced.Load() {
				return errors.New("the caches are not full yet")
			}
			return nil
		}),
	)
}

// everyReplica runs on replicas that do not lead, too.
type everyReplica struct{ ctrlmanager.Runnable }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (everyReplica) NeedLeaderElection() bool { return false }
