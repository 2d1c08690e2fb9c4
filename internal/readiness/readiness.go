// Package readiness serves /healthz and /readyz for a process that is ready once its
// caches are full.
package readiness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	ctrlmanager "sigs.k8s.io/controller-runtime/pkg/manager"
)

// Check is what has to hold for a process to be ready.
type Check struct {
	// Name is what answers and logs call it.
	Name string
	// Err says why it does not hold; nil if it does.
	Err func() error
}

// Serve adds an endpoint for health to a manager: /healthz answers as long as the process
// does, /readyz while its caches are full and all checks hold. Whoever asks learns which
// check fails. The endpoint is at an address; there is none if that is "0". What it returns
// reports whether the caches are full; then is called as soon as they are. The error is that
// of an address that is taken.
func Serve(mgr ctrl.Manager, address string, then func(), checks ...Check) (full func() bool, err error) {
	var synced atomic.Bool
	// Runnables other than caches start after these are full.
	wait := ctrlmanager.RunnableFunc(func(ctx context.Context) error {
		if mgr.GetCache().WaitForCacheSync(ctx) {
			synced.Store(true)
			if then != nil {
				then()
			}
		}
		<-ctx.Done()
		return nil
	})
	if err = mgr.Add(everyReplica{wait}); err != nil || address == "" || address == "0" {
		return synced.Load, err
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serving health checks: %w", err)
	}
	checks = append([]Check{{"caches", func() error {
		if !synced.Load() {
			return errors.New("not synced yet")
		}
		return nil
	}}}, checks...)
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	logger := mgr.GetLogger().WithName("readiness")
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		var failing []string
		for _, check := range checks {
			if err := check.Err(); err != nil {
				failing = append(failing, check.Name+": "+err.Error())
			}
		}
		if len(failing) == 0 {
			fmt.Fprint(w, "ok")
			return
		}
		logger.V(1).Info("Not ready", "failing", failing)
		http.Error(w, "not ready: "+strings.Join(failing, "; "), http.StatusInternalServerError)
	})
	return synced.Load, mgr.Add(&ctrlmanager.Server{
		Name:     "health",
		Server:   &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10},
		Listener: listener,
	})
}

// everyReplica runs on replicas that do not lead, too.
type everyReplica struct{ ctrlmanager.Runnable }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (everyReplica) NeedLeaderElection() bool { return false }
