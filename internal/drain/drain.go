// Package drain keeps a server serving for a while after SIGTERM. Endpoints and proxies
// notice some seconds late that a Pod is ending; until then they send requests to it,
// which must not be refused.
package drain

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/dispel/partner-operator/internal/readiness"
)

// Manager is a manager that reports not ready as soon as it is told to stop, and stops
// after a delay. Make it with New.
type Manager struct {
	ctrl.Manager
	delay    time.Duration
	draining atomic.Bool
}

// New gives a manager a delay.
func New(of ctrl.Manager, delay time.Duration) *Manager {
	return &Manager{Manager: of, delay: delay}
}

// Check is by which it is not ready once it was told to stop.
func (m *Manager) Check() readiness.Check {
	return readiness.Check{Name: "draining", Err: func() error {
		if m.Draining() {
			return errors.New("the process was told to stop")
		}
		return nil
	}}
}

// Draining reports whether the manager was told to stop.
func (m *Manager) Draining() bool { return m.draining.Load() }

// Start implements manager.Manager: it runs until the delay after the context ends.
func (m *Manager) Start(ctx context.Context) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	forget := context.AfterFunc(ctx, func() {
		m.draining.Store(true)
		if m.delay > 0 {
			m.GetLogger().Info("Told to stop: reporting not ready, and still serving", "for", m.delay.String())
		}
		select {
		case <-time.After(m.delay):
		case <-serving.Done():
		}
		stop()
	})
	defer forget()
	return m.Manager.Start(serving)
}
