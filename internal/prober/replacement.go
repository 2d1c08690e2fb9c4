package prober

import (
	"context"
	"net/netip"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/probe"
)

const (
	// retry is how often a route that is to take the place of another is tried within a minute, until the host is
	// reached there; later, it is as often as the host is probed.
	retry = 10 * time.Second
	// mostTried is at how many addresses.
	mostTried = 8
)

// replacementOf is the route that is to take the place of the one that serves; nil if there is none.
func replacementOf(partner *v1alpha1.Partner) *v1alpha1.ReplacementStatus {
	if partner.Status.Subdomain == nil {
		return nil
	}
	return partner.Status.Subdomain.Replacement
}

// replacementReachable is the verdict on that route that is written; nil if none is.
func replacementReachable(partner *v1alpha1.Partner) *metav1.Condition {
	return meta.FindStatusCondition(partner.Status.Conditions, string(v1alpha1.ConditionReplacementReachable))
}

// replacement probes the host at the addresses of the route that is to take the place of the one that serves,
// until it is reached there. It returns when to do so again; zero if not.
func (r *reconciler) replacement(ctx context.Context, partner *v1alpha1.Partner, target probe.Target, s *state) (again time.Duration) {
	replacement := replacementOf(partner)
	if replacement == nil {
		s.replaced = nil
		return 0
	}
	s.replaced = replacementReachable(partner)
	if s.replaced != nil && s.replaced.LastTransitionTime.Before(replacement.Since) {
		s.replaced, s.tried = nil, time.Time{} // of another
	}
	now := r.Clock.Now()
	if s.replaced != nil && s.replaced.Status == metav1.ConditionTrue {
		return 0
	}
	every := retry
	if now.Sub(replacement.Since.Time) > time.Minute {
		every = max(retry, r.Interval)
	}
	if wait := s.tried.Add(every).Sub(now); wait > 0 {
		return wait
	}
	s.tried = now
	result := r.through(ctx, target, replacement.Addresses)
	status := metav1.ConditionTrue
	if result.Broken() {
		status, again = metav1.ConditionFalse, every
	}
	if s.replaced != nil && s.replaced.Status == status && s.replaced.Reason == string(result.Reason) {
		return again // servers have a say in messages
	}
	var before []metav1.Condition
	if s.replaced != nil {
		before = append(before, *s.replaced)
	}
	finding := conditions.Finding{Type: v1alpha1.ConditionReplacementReachable, Status: status, Reason: v1alpha1.Reason(result.Reason), Message: result.Message}
	verdict := conditions.Merge(before, []conditions.Finding{finding}, noGeneration, now)[0]
	if verdict.LastTransitionTime.Before(replacement.Since) {
		verdict.LastTransitionTime = *replacement.Since // by a clock that is ahead
	}
	s.replaced = &verdict
	return again
}

// through probes the host at addresses until it is reached at one. The result is that, or the last.
func (r *reconciler) through(ctx context.Context, target probe.Target, addresses []string) (result probe.Result) {
	result = probe.Result{Reason: probe.NameNotResolved, Message: "the addresses of the new route do not resolve"}
	target.Addresses, target.Former = nil, nil
	limited, end := context.WithTimeout(ctx, 2*r.Prober.Longest())
	defer end()
	var all []netip.Addr
	for _, address := range addresses {
		if ip, err := netip.ParseAddr(address); err == nil {
			all = append(all, ip)
		} else if found, err := r.Prober.Lookup(limited, address); err == nil {
			all = append(all, found...)
		}
	}
	for _, ip := range all[:min(len(all), mostTried)] {
		through := r.Prober
		through.ConnectTo = netip.AddrPortFrom(ip.Unmap(), 0)
		if result = through.Probe(limited, target); !result.Broken() || limited.Err() != nil {
			return result
		}
	}
	return result
}

// earlier is the shorter of two waits, of which the second may be none.
func earlier(wait, other time.Duration) time.Duration {
	if other <= 0 {
		return wait
	}
	return min(wait, other)
}
