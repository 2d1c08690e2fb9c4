package tenant

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
	"github.com/dispel/partner-operator/internal/snapshot"
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

// judgeHandOver finds the host that the Partner hands over and still serves.
func (e *evaluation) judgeHandOver() {
	handing := objects.HandOverOf(e.in.Partner)
	if handing.Host == "" || !HandsOver(&e.in) {
		return
	}
	routes := e.givenRoutes()
	switch holder := e.in.HandedHolder(); {
	case holder == e.in.Partner.Name, holder == "" && len(routes) > 0: // it may have gone with a target
		e.offering = true
	case len(routes) == 0:
		return // it is done
	}
	if !e.judged.InForce() {
		return
	}
	e.giving = string(handing.Host)
	switch {
	case e.offering:
		return
	case e.targetConflicts():
		e.giving = "" // the target's listener can only take the place of this one's
		return
	case !e.targetServes():
		return
	}
	since, over := e.servedSince(), true
	for _, route := range routes {
		over = e.leave(route, since) && over
	}
	if over {
		e.giving = ""
	}
}

// servedSince is when the target's route got ready: a Partner that was ready with another
// host stays ready, so its route can be younger than that.
func (e *evaluation) servedSince() time.Time {
	since, seen := meta.FindStatusCondition(e.in.Target.Status.Conditions, string(v1alpha1.ConditionSubdomainReady)).LastTransitionTime.Time, false
	for _, ref := range e.in.Routes {
		if ref.Partner != e.in.Target.Name || ref.Host != e.giving {
			continue
		}
		seen = true
		if ref.Created.After(since) {
			since = ref.Created.Time
		}
	}
	if !seen {
		return e.in.Now // the cache does not show it yet
	}
	return since
}

// leave reports whether the time of a route of the host that is handed over is over, and
// finds whether it is to be hidden from external-dns. since is when the target's got ready:
// that has to have an address for the record, if the source's has, and to have settled.
func (e *evaluation) leave(route objects.Route, since time.Time) (over bool) {
	noted, overlap, failure := route.ReplacedAt(), e.overlap(route), e.writeFailure(route.Object)
	settled := since.Add(min(settling, overlap/2))
	var next time.Time
	switch {
	case overlap == 0:
		return true
	case route.Hidden() && !noted.After(e.in.Now):
		next = noted.Add(overlap)
		e.left = true
	case len(e.in.Target.Status.Subdomain.Addresses) == 0 && len(e.addresses(route)) > 0:
		// Its status comes with an event, unless its controller never reports an address.
		next = since.Add(2 * overlap)
		e.left = true
	case !kinds.Writable(route.Object) || failure != nil && failure.Refused:
		next = settled.Add(overlap) // it cannot be hidden
		e.left = true
	case failure != nil:
		return false // it passes
	case e.in.Now.Before(settled):
		next = settled
	default:
		e.leaving = append(e.leaving, route)
		next = e.in.Now.Add(overlap)
	}
	if next.After(e.in.Now) {
		e.out.RequeueAt = staffing.Earlier(e.out.RequeueAt, next)
		return false
	}
	return true
}

// targetServes reports whether the target's route of the host is ready.
func (e *evaluation) targetServes() bool {
	if e.in.Target == nil || e.in.Target.Status.Subdomain == nil {
		return false
	}
	_, host, _ := strings.Cut(e.in.Target.Status.Subdomain.URL, "://")
	return host == string(objects.HandOverOf(e.in.Partner).Host) && meta.IsStatusConditionTrue(e.in.Target.Status.Conditions, string(v1alpha1.ConditionSubdomainReady))
}

// targetConflicts reports whether the Gateway refuses the target's listener because of
// the one that serves the host here, and nothing else is in the way.
func (e *evaluation) targetConflicts() bool {
	if e.in.Target == nil || objects.HostOf(e.in.Target) != string(objects.HandOverOf(e.in.Partner).Host) {
		return false
	}
	ready := meta.FindStatusCondition(e.in.Target.Status.Conditions, string(v1alpha1.ConditionSubdomainReady))
	return ready != nil && ready.Reason == string(v1alpha1.ReasonListenerConflict) && ready.ObservedGeneration == e.in.Target.Generation
}

// givenRoutes are the Partner's routes of the host that it hands over.
func (e *evaluation) givenRoutes() []objects.Route {
	return slices.DeleteFunc(e.in.OwnRoutes(), func(r objects.Route) bool { return r.GetName() != string(objects.HandOverOf(e.in.Partner).Host) })
}

// giveHost wants the claim on the host that is handed over, with who may take it. Once the
// target serves, it wants its routes hidden; if that one fails, it shows them again.
func (e *evaluation) giveHost() {
	handing := objects.HandOverOf(e.in.Partner)
	claim := e.in.Child(kinds.SubdomainClaim, string(handing.Host))
	offers := claim == nil && !e.blocked || claim != nil && claim.GetDeletionTimestamp().IsZero()
	if e.offering && offers {
		offered := e.build.Claim(handing.Host)
		offered.Spec.HandOverTo = &v1alpha1.PartnerReference{Name: handing.PartnerRef.Name}
		e.out.Objects = append(e.out.Objects, offered)
	}
	if e.blocked || e.giving == "" {
		return
	}
	for _, route := range e.leaving {
		if !e.failedToWrite(route.Object) {
			e.out.Objects = append(e.out.Objects, route.Hide(e.in.Now))
		}
	}
	for _, route := range e.givenRoutes() {
		if !e.targetServes() && route.Hidden() && !e.failedToWrite(route.Object) {
			e.out.Objects = append(e.out.Objects, route.Show())
		}
	}
}

// given is the route by which the Partner serves the host that it hands over; nil if there
// is none, or the target serves the host, too: from then on it is the target's to
// report.
func (e *evaluation) given() *objects.Route {
	if e.giving == "" || e.targetServes() {
		return nil
	}
	if routes := e.givenRoutes(); len(routes) > 0 {
		return &routes[0]
	}
	return nil
}

// handedToUs reports whether a claim may be taken over by the Partner, which is to serve it
// then.
func (e *evaluation) handedToUs(claim *v1alpha1.SubdomainClaim) bool {
	return e.judged.InForce() && claim != nil && claim.Spec.HandOverTo != nil && string(claim.Spec.HandOverTo.Name) == e.in.Partner.Name
}

// handOverPending says what the hand-over of a host waits for; empty if there is none, or
// it is as good as done.
func (e *evaluation) handOverPending() string {
	host, target := objects.HandOverOf(e.in.Partner).Host, string(objects.HandOverOf(e.in.Partner).PartnerRef.Name)
	until := "until then it is served here"
	if e.giving == "" {
		until = "it is not served here, since the contract is not in force"
	}
	switch {
	case e.giving == "" && !e.offering || len(e.leaving) > 0 || e.left:
		return ""
	case e.in.Target == nil:
		return fmt.Sprintf("%s is handed over to Partner %q, which does not exist: create it, or correct spec.handOver.partnerRef; %s", host, target, until)
	case objects.HostOf(e.in.Target) != string(host):
		return fmt.Sprintf("%s is handed over to Partner %q, which does not declare it: write it in that Partner's spec.subdomain; %s", host, target, until)
	}
	why := "its SubdomainReady says why it is not served there yet"
	active := meta.FindStatusCondition(e.in.Target.Status.Conditions, string(v1alpha1.ConditionContractActive))
	if active != nil && active.Status != metav1.ConditionTrue {
		return fmt.Sprintf("%s is handed over to Partner %q, whose contract is not in force (%s), so that it takes no host yet, and %s: correct its spec.validFrom or spec.validUntil",
			host, target, active.Reason, until)
	}
	if ready := meta.FindStatusCondition(e.in.Target.Status.Conditions, string(v1alpha1.ConditionSubdomainReady)); ready != nil && ready.Status != metav1.ConditionTrue {
		why = "its SubdomainReady is False with " + ready.Reason
	}
	return fmt.Sprintf("%s is handed over to Partner %q, which does not serve it yet, and %s: %s", host, target, until, why)
}

// handOverFinding tells of a hand-over that waits; nil if none does.
func (e *evaluation) handOverFinding() *conditions.Finding {
	pending := e.handOverPending()
	if pending == "" {
		return nil
	}
	finding := conditions.True(v1alpha1.ConditionHostReleaseBlocked, v1alpha1.ReasonHandOverPending, pending)
	finding.Progress = conditions.Waiting
	return &finding
}

// HandsOver reports whether the Partner of a snapshot may hand its host over, if it declares
// so: nobody holds that but itself or the target, and its namespace is not another's.
func HandsOver(s *snapshot.Snapshot) bool {
	if s.Namespace != nil && !slices.Contains([]string{"", s.Partner.Name}, objects.HolderOf(s.Namespace)) {
		return false
	}
	return slices.Contains([]string{"", s.Partner.Name, string(objects.HandOverOf(s.Partner).PartnerRef.Name)}, s.HandedHolder())
}
