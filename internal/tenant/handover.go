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
	"github.com/dispel/partner-operator/internal/staffing"
)

// A host passes from one Partner, the giver, to another, its successor, in these steps.
// After each of them the operator can be killed:
//
//  1. The giver no longer declares the host. It serves it on, and offers its claim.
//  2. The successor declares the host, takes the claim, and makes its route beside the
//     giver's. The claim is at no time anybody else's.
//  3. Once the successor's route is ready, the giver hides its own from external-dns.
//  4. After the overlap, the giver deletes it.

// handOver is the host that the Partner hands over, and to whom; the zero value if it
// hands none over.
func handOver(partner *v1alpha1.Partner) v1alpha1.HandOver {
	if partner == nil || partner.Spec.HandOver == nil || string(partner.Spec.HandOver.PartnerRef.Name) == partner.Name {
		return v1alpha1.HandOver{}
	}
	return *partner.Spec.HandOver
}

// judgeHandOver finds the host that the Partner hands over and still serves.
func (e *evaluation) judgeHandOver() {
	handing := handOver(e.in.Partner)
	if handing.Host == "" || e.in.Handed == nil || !e.inForce() {
		return
	}
	switch holder := string(e.in.Handed.Spec.PartnerRef.Name); holder {
	case e.in.Partner.Name:
		e.giving = string(handing.Host)
	case string(handing.PartnerRef.Name):
		if !e.successorServes() {
			e.giving = string(handing.Host)
			return
		}
		over := e.leaveAt()
		if e.in.Now.Before(over) {
			e.giving, e.leaving = string(handing.Host), true
			e.out.LookAgain = staffing.Earlier(e.out.LookAgain, over)
		}
	}
}

// successorServes reports whether the successor's route of the host is ready.
func (e *evaluation) successorServes() bool {
	if e.in.Successor == nil || e.in.Successor.Status.Subdomain == nil {
		return false
	}
	_, host, _ := strings.Cut(e.in.Successor.Status.Subdomain.URL, "://")
	return host == string(handOver(e.in.Partner).Host) && meta.IsStatusConditionTrue(e.in.Successor.Status.Conditions, string(v1alpha1.ConditionSubdomainReady))
}

// leaveAt is when the giver's routes go: after the overlap, which begins when they are
// hidden.
func (e *evaluation) leaveAt() time.Time {
	var over time.Time
	for _, route := range e.givenRoutes() {
		from := e.in.Now
		if hidden := route.hidden(); !hidden.IsZero() && !hidden.After(from) {
			from = hidden
		}
		if at := from.Add(e.overlap(route)); at.After(over) {
			over = at
		}
	}
	return over
}

// givenRoutes are the Partner's routes of the host that it hands over.
func (e *evaluation) givenRoutes() []route {
	return slices.DeleteFunc(e.in.routes(), func(r route) bool { return r.GetName() != string(handOver(e.in.Partner).Host) })
}

// giveHost wants the claim on the host that is handed over, with who may take it, and its
// routes hidden once the successor serves.
func (e *evaluation) giveHost() {
	if e.giving == "" {
		return
	}
	if claim := e.in.child(claimKind, e.giving); claim != nil && claim.GetDeletionTimestamp().IsZero() {
		offered := e.build.claim(v1alpha1.Host(e.giving))
		offered.Spec.HandOverTo = &v1alpha1.PartnerReference{Name: handOver(e.in.Partner).PartnerRef.Name}
		e.out.Objects = append(e.out.Objects, offered)
	}
	for _, route := range e.givenRoutes() {
		if e.leaving && route.hidden().IsZero() && !e.failedToWrite(route.Object) {
			e.out.Objects = append(e.out.Objects, route.hide(e.in.Now))
		}
	}
}

// given is the route by which the Partner still serves the host that it hands over; nil
// if there is none.
func (e *evaluation) given() *route {
	if e.giving == "" {
		return nil
	}
	if routes := e.givenRoutes(); len(routes) > 0 {
		return &routes[0]
	}
	return nil
}

// handedToUs reports whether a claim may be taken over by the Partner.
func (e *evaluation) handedToUs(claim *v1alpha1.SubdomainClaim) bool {
	return claim != nil && claim.Spec.HandOverTo != nil && string(claim.Spec.HandOverTo.Name) == e.in.Partner.Name
}

// handOverPending says what the hand-over of a host waits for; empty if there is none, or
// it is as good as done.
func (e *evaluation) handOverPending() string {
	successor := string(handOver(e.in.Partner).PartnerRef.Name)
	switch {
	case e.giving == "" || e.leaving:
		return ""
	case e.in.Successor == nil:
		return fmt.Sprintf("%s is handed over to Partner %q, which does not exist: create it, or correct spec.handOver.partnerRef; until then it is served here", e.giving, successor)
	case e.in.Successor.Spec.Subdomain == nil || string(e.in.Successor.Spec.Subdomain.Host) != e.giving:
		return fmt.Sprintf("%s is handed over to Partner %q, which does not declare it: write it in that Partner's spec.subdomain; until then it is served here", e.giving, successor)
	}
	why := "its SubdomainReady says why it is not served there yet"
	if ready := meta.FindStatusCondition(e.in.Successor.Status.Conditions, string(v1alpha1.ConditionSubdomainReady)); ready != nil && ready.Status != metav1.ConditionTrue {
		why = "its SubdomainReady is False with " + ready.Reason
	}
	return fmt.Sprintf("%s is handed over to Partner %q and served here until it is served there: %s", e.giving, successor, why)
}

// handOverFinding tells of a hand-over that waits; nil if none does.
func (e *evaluation) handOverFinding() *conditions.Finding {
	pending := e.handOverPending()
	if pending == "" {
		return nil
	}
	return new(conditions.True(v1alpha1.ConditionHostReleaseBlocked, v1alpha1.ReasonHandOverPending, pending))
}
