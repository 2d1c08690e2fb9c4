package prober

import (
	"context"
	"strings"
	"sync"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/dispel/partner-operator/internal/probe"
)

// witnesses is how many sub-domains that were reachable have to fail alike, and none to get further
// for an interval, before what they fail at counts as the prober's own. Until one has got further at all,
// those that were not reachable count, too.
const witnesses = 2

// sight tells the prober's own faults from those of sub-domains: that its DNS server does not
// answer, that it has no way out, or that its clock is wrong. While it is blind, what it sees says
// nothing of any sub-domain. It is safe for concurrent use.
type sight struct {
	mu sync.Mutex
	// passed is when a probe last found something in order.
	passed map[probe.Own]time.Time
	// failed are who has failed at it since, and when last.
	failed map[probe.Own]map[string]time.Time
	blind  map[probe.Own]bool
}

func newSight() *sight {
	return &sight{passed: map[probe.Own]time.Time{}, failed: map[probe.Own]map[string]time.Time{}, blind: map[probe.Own]bool{}}
}

// judge reports whether a result says nothing of the sub-domain, since the fault is the prober's
// own. was reports that it was reachable before, and interval is the most that passes between two
// results of one.
func (s *sight) judge(ctx context.Context, target probe.Target, was bool, result probe.Result, now time.Time, interval time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, own := range result.Found() {
		s.passed[own] = now
		delete(s.failed, own)
		s.set(ctx, own, false, "")
	}
	own := result.Own
	if own == "" {
		return false
	}
	failed := s.failed[own]
	if failed == nil {
		failed = map[string]time.Time{}
		s.failed[own] = failed
	}
	if was || s.passed[own].IsZero() {
		failed[witness(target, result)] = now
	}
	for who, at := range failed {
		if now.Sub(at) > 2*interval {
			delete(failed, who)
		}
	}
	s.set(ctx, own, now.Sub(s.passed[own]) >= interval && (result.Sure || len(failed) >= witnesses), result.Message)
	return s.blind[own]
}

// witness is by what a failure is told from others of the same cause: a load balancer or a
// certificate that many share is one.
func witness(target probe.Target, result probe.Result) string {
	switch result.Own {
	case probe.OwnNetwork:
		if len(target.Addresses) > 0 {
			return strings.Join(target.Addresses, " ")
		}
		return result.Addresses[0].String()
	case probe.OwnClock:
		return result.Expires.String()
	}
	return target.Host
}

// forget lets go of what nobody is left to see.
func (s *sight) forget(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for own := range s.blind {
		delete(s.failed, own)
		s.set(ctx, own, false, "")
	}
}

// set notes and tells that the prober has become blind, or sees again.
func (s *sight) set(ctx context.Context, own probe.Own, is bool, message string) {
	if s.blind[own] == is {
		return
	}
	s.blind[own] = is
	logger := ctrl.LoggerFrom(ctx).WithValues("cause", own)
	if is {
		blind.WithLabelValues(string(own)).Set(1)
		logger.Error(nil, "No sub-domain can be judged, since the prober's own surroundings fail: verdicts stay as they are", "example", message)
	} else {
		blind.WithLabelValues(string(own)).Set(0)
		logger.Info("Sub-domains can be judged again")
	}
}
