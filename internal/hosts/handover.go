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
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/staffing"
)

// A host passes from one Partner, the source, to another, its target, in these steps.
// After each of them the operator can be killed:
//
//  1. The source no longer declares the host. It keeps serving it, and offers its claim.
//  2. The target declares the host, takes the claim, and makes its route beside the
//     source's. The claim is at no time anybody else's.
//  3. Once the target's route is ready and has settled, the source hides its own from
//     external-dns.
//  4. After the overlap, the source deletes it.

// handed is the host that the Partner hands over.
type handed struct {
	// host is its plan, but for what stays of it; the zero value if none is handed over, or that
	// is done.
	host Host
	// pending says what the hand-over waits for; nil if for nothing.
	pending *conditions.Finding
}

// served is the host, if it is served here; empty if not.
func (h *handed) served() string {
	if !h.host.routable {
		return ""
	}
	return h.host.Name
}

// handOver plans the host that the Partner hands over.
func (p *planner) handOver() handed {
	handing := objects.HandOverOf(p.Partner)
	if handing.Host == "" || !p.HandsOver() {
		return handed{}
	}
	host := Host{Name: string(handing.Host)}
	routes := slices.DeleteFunc(p.OwnRoutes(), func(r objects.Route) bool { return r.Host() != host.Name })
	holder := p.HandedHolder()
	offered := holder == p.Partner.Name || holder == "" && len(routes) > 0 // it may have gone with a target
	if !offered && len(routes) == 0 {
		return handed{}
	}
	_, reserved := p.reserved(host.Name)
	facts := Facts{Handed: true, Claimed: offered, InForce: p.judged.InForce(), Refused: reserved}
	var left departure
	switch {
	case offered || !facts.InForce || reserved:
	case p.targetConflicts():
		facts.Succeeded = true // the target's listener can only take the place of this one's
	case p.targetServes():
		left = p.leave(routes)
		facts.Succeeded, facts.Overlap = left.begun || left.over, !left.over
	}
	host.Phase, host.Again = PhaseOf(facts), left.again
	if host.Phase == v1alpha1.HostDraining {
		host.Until, host.WaitsFor = left.until, "visitors with the former DNS record"
	}
	host.routable = facts.InForce && !reserved && host.Phase != v1alpha1.HostReleasing
	if host.routable && !p.targetServes() && len(routes) > 0 { // from then on it is the target's to report
		present := p.present(routes)
		host.Served, host.Widget = p.servedBy(present), objects.HasWidget(&present)
	}
	if claim := p.Child(kinds.SubdomainClaim, host.Name); offered && (claim == nil && p.blocked == nil || claim != nil && claim.GetDeletionTimestamp().IsZero()) {
		offer := p.build.Claim(handing.Host)
		offer.Spec.HandOverTo = &v1alpha1.PartnerReference{Name: handing.PartnerRef.Name}
		host.Write = append(host.Write, offer)
	}
	if p.blocked == nil && host.routable {
		host.Write = append(host.Write, left.hide...)
		for _, route := range routes {
			if !p.targetServes() && route.Hidden() && p.failedToWrite(route.Object) == nil && route.GetName() == p.present(routes).GetName() {
				host.Write = append(host.Write, route.Show()) // the target failed
			}
		}
	}
	h := handed{host: host}
	h.host.WaitsFor, h.pending = p.pending(host)
	return h
}

// handedStay are the objects of that host that stay as they are.
func (p *planner) handedStay(host Host) []kinds.Object {
	var stay []kinds.Object
	switch {
	case host.routable:
		stay = p.serving(host.Name)
	case host.Phase == v1alpha1.HostOffered && p.whiteLabelled() && !p.exposed() && !p.claims(p.declaredHost()) && p.mayServe(host.Name):
		stay = p.dormant(host.Name)
	}
	return append(stay, p.releasing(host.Name)...)
}

// departure is how the source leaves a host that its target serves.
type departure struct {
	// hide are routes to be hidden from external-dns now.
	hide []kinds.Object
	// begun reports that the overlap has begun, and over that it is over.
	begun, over bool
	// until is when it is over, as far as that is known, and again when to look again; zero if
	// never.
	until, again time.Time
}

// leave finds how far the source has left. The target's route has to have an address for the
// DNS record, if the source's has, and to have settled.
func (p *planner) leave(routes []objects.Route) departure {
	since, known := p.servedSince()
	d := departure{over: true}
	for _, route := range routes {
		noted, overlap, failure := route.ReplacedAt(), p.overlap(route), p.failedToWrite(route.Object)
		settled := since.Add(min(settling, overlap/2))
		var next time.Time
		switch {
		case overlap == 0:
			continue
		case route.Hidden() && !noted.After(p.Now):
			next, d.begun = noted.Add(overlap), true
		case len(p.Target.Status.Subdomain.Addresses) == 0 && len(p.AddressesOf(route)) > 0:
			// Its status comes with an event, unless its controller never reports an address.
			next, d.begun = since.Add(2*overlap), true
		case !kinds.Writable(route.Object) || failure != nil && failure.Refused:
			next, d.begun = settled.Add(overlap), true // it cannot be hidden
		case failure != nil:
			d.over = false // it passes
			continue
		case p.Now.Before(settled):
			next = settled
		default:
			d.hide, d.begun = append(d.hide, route.Hide(p.Now)), true
			next = p.Now.Add(overlap)
		}
		if next.After(p.Now) {
			d.again, d.over = staffing.Earlier(d.again, next), false
		}
		if d.begun && (known || route.Hidden()) && d.until.Before(next) {
			d.until = next
		}
	}
	return d
}

// servedSince is when the target's route got ready: a Partner that was ready with another
// host stays ready, so its route can be younger than that. Until a cache shows the route, it is not
// known, and now at the earliest.
func (p *planner) servedSince() (since time.Time, known bool) {
	since = meta.FindStatusCondition(p.Target.Status.Conditions, string(v1alpha1.ConditionSubdomainReady)).LastTransitionTime.Time
	for _, ref := range p.Routes {
		if ref.Partner != p.Target.Name || ref.Host != string(objects.HandOverOf(p.Partner).Host) {
			continue
		}
		known = true
		if ref.Created.After(since) {
			since = ref.Created.Time
		}
	}
	if !known {
		return p.Now, false
	}
	return since, true
}

// pending says what the hand-over of a host waits for, in few words and as a condition; nil if it
// is as good as done.
func (p *planner) pending(host Host) (string, *conditions.Finding) {
	if host.Phase != v1alpha1.HostOffered && host.Phase != v1alpha1.HostHandingOver {
		return host.WaitsFor, nil
	}
	target := fmt.Sprintf("Partner %q", objects.HandOverOf(p.Partner).PartnerRef.Name)
	until := "until then it is served here"
	switch suffix, reserved := p.reserved(host.Name); {
	case reserved:
		until = fmt.Sprintf("it is not served here, since hosts under %s are reserved", suffix)
	case !host.routable:
		until = "it is not served here, since the contract is not in force"
	}
	waits := func(reason v1alpha1.Reason, waitsFor, why, remedy string) (string, *conditions.Finding) {
		finding := conditions.True(v1alpha1.ConditionHandOverPending, reason, fmt.Sprintf("%s is handed over to %s, %s: %s; %s", host.Name, target, why, remedy, until))
		finding.Progress = conditions.Waiting
		return waitsFor, &finding
	}
	switch {
	case p.Target == nil:
		return waits(v1alpha1.ReasonTargetNotFound, target+", which does not exist", "which does not exist", "create it, or correct spec.handOver.partnerRef")
	case objects.HostOf(p.Target) != host.Name:
		return waits(v1alpha1.ReasonTargetNotDeclaring, target+" to declare it", "which does not declare it", "write it in that Partner's spec.subdomain")
	case host.Phase == v1alpha1.HostHandingOver && p.targetServes():
		return waits(v1alpha1.ReasonTargetNotServing, target+" to serve it for a while", "which has just begun to serve it", "wait until its controller has loaded the route")
	}
	if active := meta.FindStatusCondition(p.Target.Status.Conditions, string(v1alpha1.ConditionContractActive)); active != nil && active.Status != metav1.ConditionTrue {
		return waits(v1alpha1.ReasonTargetNotServing, "the contract of "+target+" to be in force", fmt.Sprintf("whose contract is not in force (%s), so that it takes no host yet", active.Reason),
			"correct its spec.validFrom or spec.validUntil")
	}
	why := "its SubdomainReady says why it is not served there yet"
	if ready := meta.FindStatusCondition(p.Target.Status.Conditions, string(v1alpha1.ConditionSubdomainReady)); ready != nil && ready.Status != metav1.ConditionTrue {
		why = "its SubdomainReady is False with " + ready.Reason
	}
	return waits(v1alpha1.ReasonTargetNotServing, target+" to serve it", "which does not serve it yet", why)
}

// targetServes reports whether the target's route of the host is ready.
func (p *planner) targetServes() bool {
	if p.Target == nil || p.Target.Status.Subdomain == nil {
		return false
	}
	_, host, _ := strings.Cut(p.Target.Status.Subdomain.URL, "://")
	ready := meta.FindStatusCondition(p.Target.Status.Conditions, string(v1alpha1.ConditionSubdomainReady))
	return host == string(objects.HandOverOf(p.Partner).Host) && ready != nil &&
		(ready.Status == metav1.ConditionTrue || ready.Reason == string(v1alpha1.ReasonReplacementNotReached)) // with another of its own
}

// targetConflicts reports whether the Gateway refuses the target's listener because of
// the one that serves the host here, and nothing else is in the way.
func (p *planner) targetConflicts() bool {
	if p.Target == nil || objects.HostOf(p.Target) != string(objects.HandOverOf(p.Partner).Host) {
		return false
	}
	ready := meta.FindStatusCondition(p.Target.Status.Conditions, string(v1alpha1.ConditionSubdomainReady))
	return ready != nil && ready.Reason == string(v1alpha1.ReasonListenerConflict) && ready.ObservedGeneration == p.Target.Generation
}
