package hosts

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/objects"
)

// notReached says that the declared route does not take the place of the one that serves the host yet, since the
// prober has not reached the host at its address; nil if it has, if it does not reach it through the present one,
// either, or if the controller of that reports no address. Once the declared route serves, it stays so.
func (p *planner) notReached() *conditions.Finding {
	declared := p.declaredRoute()
	if !p.Settings.AwaitProber || declared == nil || p.servedByRoute(*declared) || !p.servedBefore(declared.Host()) || objects.ChangesAtOnce(p.Partner) {
		return nil
	}
	if meta.IsStatusConditionFalse(p.Partner.Status.Conditions, string(v1alpha1.ConditionSubdomainReachable)) {
		return nil // there is nothing to lose
	}
	ready := meta.FindStatusCondition(p.Partner.Status.Conditions, string(v1alpha1.ConditionSubdomainReady))
	waits := ready != nil && ready.Reason == string(v1alpha1.ReasonReplacementNotReached)
	replaced := slices.DeleteFunc(p.OwnRoutes(), func(route objects.Route) bool { return !p.servedByRoute(route) })
	// A controller that restarts may take its addresses back for a moment.
	if len(replaced) == 0 || len(p.AddressesOf(replaced[0])) == 0 && len(p.Partner.Status.Subdomain.Addresses) == 0 && !waits {
		return nil
	}
	addresses := p.AddressesOf(*declared)
	why := "its controller has not reported an address yet"
	if len(addresses) > 0 {
		said := meta.FindStatusCondition(p.Partner.Status.Conditions, string(v1alpha1.ConditionReplacementReachable))
		switch {
		case said == nil || said.LastTransitionTime.Before(p.replacedAt(addresses).Since):
			why = "it has not tried yet"
		case said.Status == metav1.ConditionTrue:
			return nil
		default:
			why = said.Message
		}
		why = fmt.Sprintf("the prober has not reached %s at %s: %s", declared.Host(), strings.Join(addresses, ", "), why)
	}
	return broken(v1alpha1.ReasonReplacementNotReached, conditions.Waiting, "%s waits to replace the present route: %s", p.routeName(), why)
}

// replacement is what the status says of the declared route while it does not serve the host for that alone.
func (p *planner) replacement(w way) *v1alpha1.ReplacementStatus {
	declared := p.declaredRoute()
	if declared == nil || w.broken == nil || w.broken.Reason != v1alpha1.ReasonReplacementNotReached {
		return nil
	}
	addresses := p.AddressesOf(*declared)
	if len(addresses) == 0 {
		return nil
	}
	return p.replacedAt(addresses)
}

// replacedAt are the addresses of the declared route, since when it has had them by the status.
func (p *planner) replacedAt(addresses []string) *v1alpha1.ReplacementStatus {
	if before := p.Partner.Status.Subdomain; before != nil && before.Replacement != nil && slices.Equal(before.Replacement.Addresses, addresses) {
		return before.Replacement
	}
	return &v1alpha1.ReplacementStatus{Addresses: addresses, Since: &metav1.Time{Time: p.Now.Truncate(time.Second)}}
}
