package tenant

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/coverage"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/support"
)

// Evaluate decides what the Partner of a snapshot becomes. Each step goes by what
// those before it found:
//
//  1. the plan in force;
//  2. the staffing, by the plan's terms: today, in the days to come, by the hour, and
//     by a count of customers that may be stale; whether the contract with the
//     partner is in force; and which host it hands over;
//  3. whether the route gets the widget's path, by the staffing and the plan;
//  4. the namespace and its guards, without which nothing else can be made;
//  5. the sub-domain: claim, certificate, backend, route; and the host that is handed over;
//  6. the hosts that the namespace notes for the admission policies, by the sub-domain;
//  7. what is no longer wanted, by all that is;
//  8. the status and the events, by all of these;
//  9. what to write on this pass.
func Evaluate(snapshot Snapshot) Outcome {
	if ptr.Deref(snapshot.Partner.Spec.Suspend, false) {
		return suspended(snapshot)
	}
	snapshot.APIs = snapshot.Settings.Use(snapshot.APIs)
	e := &evaluation{
		in:    snapshot,
		build: builder{partner: snapshot.Partner, settings: snapshot.Settings, classes: snapshot.IngressClasses},
	}
	e.judgePlan()
	e.judgeStaffing()
	e.lookAhead()
	e.judgeCoverage()
	e.judgeCount()
	e.judgeContract()
	e.judgeHandOver()
	e.decideWidget()
	e.tenant()
	e.subdomain()
	e.giveHost()
	e.noteHosts()
	e.prune()
	e.report()
	e.out.Objects = e.writeNow()
	return e.out
}

// suspended changes nothing but to say so.
func suspended(s Snapshot) Outcome {
	finding := conditions.True(v1alpha1.ConditionSuspended, v1alpha1.ReasonSuspendedBySpec,
		"spec.suspend is true: nothing is changed and the rest of the status stays as it was; set it to false to go on")
	status := *s.Partner.Status.DeepCopy()
	findings := []conditions.Finding{finding}
	if meta.FindStatusCondition(status.Conditions, string(v1alpha1.ConditionReady)) == nil {
		// Nothing was ever provisioned, which must not pass for health.
		link := conditions.False("", finding.Reason, conditions.Stalled, "spec.suspend is true since before anything was provisioned: set it to false to begin")
		findings = append(findings, conditions.Summary(conditions.Finding{}, link)...)
	}
	for _, condition := range conditions.Merge(status.Conditions, findings, s.Partner.Generation, s.Now) {
		meta.SetStatusCondition(&status.Conditions, condition)
	}
	status.Conditions = conditions.Own(status.Conditions, v1alpha1.PartnerConditions)
	return Outcome{Status: status, Events: conditions.Events(s.Partner.Status.Conditions, []conditions.Finding{finding})}
}

// evaluation is what the steps of one Evaluate share.
type evaluation struct {
	in    Snapshot
	out   Outcome
	build builder

	// By judgePlan. Without a plan that can be used, effective is nil.
	effective *v1alpha1.EffectivePlan
	planReady conditions.Finding

	// By judgeContract; nil if the contract has no window. While it is False, the
	// sub-domain is not served.
	contractActive *conditions.Finding

	// By judgeHandOver: whether the claim on the host that is handed over is offered.
	offering bool
	// By judgeHandOver: the host that is handed over, while it is served here.
	giving string
	// By judgeHandOver: its routes that are to be hidden now, since the successor serves.
	leaving []route
	// By judgeHandOver: whether the overlap of one of its routes has begun.
	left bool

	// By judgeStaffing.
	allocated v1alpha1.FTE
	counted   []v1alpha1.PCSMAllocation
	verdict   *staffing.Verdict // nil without P-CSMs or without a plan

	// By lookAhead; nil if there is none.
	shortfall *staffing.Shortfall
	// By judgeCoverage; nil without P-CSMs or without a plan.
	coverage *coverage.Verdict
	// By judgeCount; nil without a count.
	customers *v1alpha1.CustomersStatus
	stale     bool

	// By decideWidget: whether the widget is to have its path on the route.
	widget bool

	// By tenant. While the namespace is blocked, nothing is made in it.
	tenantReady conditions.Finding
	blocked     bool

	// By subdomain; nil for a Partner without one.
	subdomainReady *conditions.Finding
	// By subdomain: how the Gateway serves it, if one is to.
	via gatewayLink
	// By subdomain: whether a Gateway serves the declared route as it was before
	// its last change, at least.
	serves bool
	// By subdomain: that the certificate, which serves, could not be renewed; nil if
	// there is nothing to tell.
	renewal *conditions.Finding
	// By subdomain: whether another partner holds the declared host.
	contested bool
	// By subdomain: the hosts of replaced routes that keep serving for now beside
	// the declared one, which is ready.
	lingering []string
	// By subdomain: where those of the declared host are served.
	formerAddresses []string
}

func (e *evaluation) judgePlan() {
	effective, fault := UsablePlan(e.in)
	if fault != nil {
		e.planReady = *fault
		return
	}
	e.effective = effective
	e.planReady = conditions.True("", v1alpha1.ReasonPlanConsistent, "")
}

// UsablePlan is the plan in force, with what its tier fills in. If there is none,
// or none that can be used, the finding says why.
func UsablePlan(s Snapshot) (*v1alpha1.EffectivePlan, *conditions.Finding) {
	name := PlanName(s.Partner)
	if s.Plan == nil {
		return nil, new(conditions.False("", v1alpha1.ReasonSupportPlanNotFound, conditions.Stalled, fmt.Sprintf(
			"there is no SupportPlan %q: create it, or name another in spec.supportPlanRef; what runs is left as it is", name)))
	}
	effective, err := support.Effective(s.Plan.Spec)
	if defect, ok := errors.AsType[*support.Defect](err); ok {
		return nil, new(conditions.False("", v1alpha1.ReasonSupportPlanNotReady, conditions.Stalled, fmt.Sprintf(
			"SupportPlan %q cannot be used: %s; what runs is left as it is", name, defect.Message)))
	}
	return &effective, nil
}

func (e *evaluation) judgeStaffing() {
	e.allocated, e.counted, e.out.LookAgain = staffing.Sum(e.in.Partner, e.in.Allocations, e.in.Now)
	if e.allocated > 0 && e.effective != nil {
		verdict := staffing.Judge(int64(ptr.Deref(e.in.Partner.Spec.CustomerCount, 0)), e.allocated, e.effective.Staffing)
		e.verdict = &verdict
	}
}

// lookAhead finds the next day on which more P-CSMs are missing than today.
func (e *evaluation) lookAhead() {
	if e.verdict == nil {
		return
	}
	var changes time.Time
	e.shortfall, changes = staffing.NextShortfall(e.in.Partner, e.in.Allocations, e.effective.Staffing, e.in.Now)
	e.out.LookAgain = staffing.Earlier(e.out.LookAgain, changes)
}

// judgeCoverage judges which operating hours have P-CSMs on duty.
func (e *evaluation) judgeCoverage() {
	if e.verdict == nil {
		return
	}
	roster, err := coverage.New(e.effective.OperatingHours, e.in.Partner, e.counted)
	if err != nil {
		return // a plan whose hours cannot be read is not in force
	}
	e.coverage = new(roster.Judge(e.in.Now))
	e.out.LookAgain = staffing.Earlier(e.out.LookAgain, e.coverage.Changes)
}

// judgeCount finds where the number of customers comes from, and whether it is stale.
func (e *evaluation) judgeCount() {
	e.customers = staffing.Customers(e.in.Partner)
	if e.in.Plan == nil {
		return
	}
	switch at := staffing.StaleAt(e.customers, e.in.Plan.Spec); {
	case at.IsZero():
	case at.After(e.in.Now):
		e.out.LookAgain = staffing.Earlier(e.out.LookAgain, at)
	default:
		e.stale = true
	}
}

// keptOff tells whether the plan keeps the widget off for want of staff.
func (e *evaluation) keptOff() bool {
	return e.verdict != nil && e.verdict.KeepsWidgetOff()
}

// decideWidget wants the widget once P-CSMs are contracted ("Customer Success
// Manager (P-CSM)", How customers interact with P-CSMs), unless the plan keeps
// it off. Without a plan it stays as it is.
func (e *evaluation) decideWidget() {
	if !e.exposed() && e.giving == "" || e.allocated == 0 {
		return
	}
	if e.effective == nil {
		e.widget = e.in.child(serviceKind, WidgetServiceName) != nil || slices.ContainsFunc(e.in.routes(), func(r route) bool { return hasWidget(&r) })
		return
	}
	e.widget = !e.keptOff()
}

// whiteLabelled tells whether the Partner has a sub-domain and may have one.
func (e *evaluation) whiteLabelled() bool {
	return e.in.Partner.Spec.Subdomain != nil && e.in.Partner.Spec.ChannelModel.WhiteLabels()
}

// exposed tells whether the sub-domain is to be served: there is one, and the contract is
// in force.
func (e *evaluation) exposed() bool {
	return e.whiteLabelled() && e.inForce()
}

// inForce reports whether the contract with the partner is in force.
func (e *evaluation) inForce() bool {
	return e.contractActive == nil || e.contractActive.Status == metav1.ConditionTrue
}

// judgeContract holds the contract with the partner against today.
func (e *evaluation) judgeContract() {
	spec := e.in.Partner.Spec
	if spec.ValidFrom == "" && spec.ValidUntil == "" {
		return
	}
	window, err := staffing.PartnerWindow(e.in.Partner)
	inForce := conditions.True(v1alpha1.ConditionContractActive, v1alpha1.ReasonWithinContractWindow, "today is within the contract window")
	switch inactive := v1alpha1.ConditionContractActive; {
	case err != nil: // the schema refuses such dates
	case window.Ended(e.in.Now):
		message := fmt.Sprintf("the last day of the contract was %s: extend spec.validUntil, or delete the Partner", spec.ValidUntil)
		if e.whiteLabelled() {
			message = fmt.Sprintf("the last day of the contract was %s, so the operator no longer serves the sub-domain; the host and the namespace stay with the partner: "+
				"extend spec.validUntil to serve it again, or delete the Partner", spec.ValidUntil)
		}
		inForce = conditions.False(inactive, v1alpha1.ReasonContractEnded, conditions.Done, message)
	case !window.Begun(e.in.Now):
		message := fmt.Sprintf("the contract starts on %s: set spec.validFrom to an earlier day if it starts before", spec.ValidFrom)
		if e.whiteLabelled() {
			message = fmt.Sprintf("the contract starts on %s, and the sub-domain is served from then on: set spec.validFrom to an earlier day to serve it before", spec.ValidFrom)
		}
		inForce = conditions.False(inactive, v1alpha1.ReasonContractNotStarted, conditions.Done, message)
	}
	e.contractActive = &inForce
	e.out.LookAgain = staffing.Earlier(e.out.LookAgain, window.Next(e.in.Now))
}

// tenant wants the namespace, its guards and the contract.
func (e *evaluation) tenant() {
	name := NamespaceOf(e.in.Partner)
	if unusable := firstBroken(e.namespaceReserved, e.namespaceOfAnother, e.namespaceTerminating, e.namespaceNotOwned); unusable != nil {
		e.blocked, e.tenantReady = true, *unusable
		return
	}
	if i := slices.IndexFunc(e.in.Failures, func(f Failure) bool {
		return nameOfKind(f.Object) == namespaceKind && f.Object.GetName() == name
	}); i >= 0 {
		// Without its namespace, nothing of the tenant can be made.
		e.blocked = true
		e.tenantReady = *e.failed(v1alpha1.ConditionTenantReady, false)
		return
	}
	e.out.Objects = append(e.out.Objects, e.build.namespace())
	e.out.Objects = append(e.out.Objects, e.build.guards()...)
	if e.effective != nil {
		data, err := json.Marshal(NewContract(e.in.Partner, e.in.Plan, *e.effective, e.counted, e.widget, e.in.Now))
		if err != nil { // a contract holds nothing that JSON cannot
			e.in.Failures = append(e.in.Failures, Failure{Object: e.build.contract(""), Refused: true, Message: err.Error()})
		} else {
			e.out.Objects = append(e.out.Objects, e.build.contract(string(data)))
		}
	}
	if failed := e.failed(v1alpha1.ConditionTenantReady, false); failed != nil {
		e.tenantReady = *failed
		return
	}
	e.tenantReady = conditions.True(v1alpha1.ConditionTenantReady, v1alpha1.ReasonTenantProvisioned,
		fmt.Sprintf("namespace %s and its policies are as declared", name))
}

// noteHosts notes on the namespace the hosts that may be routed in it: those that
// the partner holds and that are declared or still served. A host that is only held
// until something stops routing it gets no new routes.
func (e *evaluation) noteHosts() {
	i := slices.IndexFunc(e.out.Objects, func(o Object) bool { _, namespace := o.(*corev1.Namespace); return namespace })
	if i < 0 {
		return
	}
	served := e.keptHosts()
	// Before the contract starts, whoever proves to an authority that the host is the
	// partner's may need a route.
	if e.exposed() || e.whiteLabelled() && e.contractActive.Reason == v1alpha1.ReasonContractNotStarted {
		served = append(served, string(e.in.Partner.Spec.Subdomain.Host))
	}
	noted := slices.DeleteFunc(e.in.Held(), func(host string) bool { return !slices.Contains(served, host) })
	slices.Sort(noted)
	// Without a host, too: another's note may be there from before.
	annotations := map[string]string{v1alpha1.HostsAnnotation: NoteOf(noted)}
	if e.in.Namespace != nil && AdoptableByAnother(e.in.Namespace, e.in.Partner.Name) {
		annotations[v1alpha1.AdoptAnnotation] = "" // or it would count once this Partner is gone
	}
	e.out.Objects[i].SetAnnotations(annotations)
}

// Claimed are the hosts of the partner's claims, those that are being deleted included.
func (s *Snapshot) Claimed() []string {
	var hosts []string
	for _, claim := range s.claims() {
		hosts = append(hosts, claim.GetName())
	}
	return hosts
}

// Held are the hosts of the partner's claims that are not being deleted.
func (s *Snapshot) Held() []string {
	var hosts []string
	for _, claim := range s.claims() {
		if claim.GetDeletionTimestamp().IsZero() {
			hosts = append(hosts, claim.GetName())
		}
	}
	return hosts
}

// claims are those of the partner.
func (s *Snapshot) claims() []Object {
	var claims []Object
	for _, child := range s.Children {
		if nameOfKind(child) == claimKind {
			claims = append(claims, child)
		}
	}
	return claims
}

// writeNow are the objects to write on this pass: while the host is about to be held,
// its claim alone. The namespace notes the hosts that are held, and so is written once.
func (e *evaluation) writeNow() []Object {
	if e.in.Claim != nil && !e.handedToUs(e.in.Claim) || e.failed(v1alpha1.ConditionSubdomainReady, true) != nil {
		return e.out.Objects
	}
	if i := slices.IndexFunc(e.out.Objects, func(o Object) bool { return nameOfKind(o) == claimKind && e.declaresHost(o.GetName()) }); i >= 0 {
		return e.out.Objects[i : i+1]
	}
	return e.out.Objects
}

// failed finds the first failed write of the sub-domain's objects or of the
// others.
func (e *evaluation) failed(condition v1alpha1.ConditionType, subdomain bool) *conditions.Finding {
	for _, failure := range e.in.Failures {
		if e.former(failure.Object) && !failure.Delete {
			continue // it serves, whatever its annotations
		}
		if exposes := KindOf(failure.Object).Exposure != NotExposed; exposes != subdomain {
			continue
		}
		what := NameOf(failure.Object)
		if failure.Delete {
			what = "the deletion of " + what
		}
		finding := conditions.False(condition, v1alpha1.ReasonApplyFailed, conditions.Waiting,
			fmt.Sprintf("%s failed for now (%s) and is tried again; the operator's log has the whole error", what, failure.Message))
		if failure.Refused {
			finding = conditions.False(condition, v1alpha1.ReasonObjectRefused, conditions.Stalled,
				fmt.Sprintf("the API server refuses %s, which is tried again within two minutes; change what the Partner declares for it, or what refuses it: %s", what, failure.Message))
			if others := e.routedBeside(failure.Object); !failure.Delete && len(others) > 0 {
				finding.Message += fmt.Sprintf("; the host is also routed by %s: if the ingress controller lets only one route have a host, delete that one first", strings.Join(others, ", "))
			}
		}
		return &finding
	}
	return nil
}

// routedBeside are the other routes that have the declared host while a route of it cannot be
// written, in order: a former tenant's in the namespace, or those of who hands it over.
func (e *evaluation) routedBeside(object Object) []string {
	if KindOf(object).Exposure != ByRoute || !e.declaresHost(object.GetName()) {
		return nil
	}
	var others []string
	for _, ref := range e.in.Routes {
		if ref.Host != object.GetName() || ref.Namespace == object.GetNamespace() && ref.Name == object.GetName() || KindNamed(ref.Kind).Exposure != ByRoute || ref.Solver {
			continue
		}
		others = append(others, ref.String())
	}
	slices.Sort(others)
	return others
}

// prune removes what the Partner has and no longer wants. What an old host is
// served with stays until the new one is.
func (e *evaluation) prune() {
	kept := e.keptHosts()
	for _, child := range e.in.Children {
		name := child.GetName()
		switch exposure := KindOf(child).Exposure; {
		case !child.GetDeletionTimestamp().IsZero(),
			e.wants(child),
			nameOfKind(child) == contractKind && e.effective == nil,
			exposure == ByClaim && len(e.in.routing(name)) > 0,
			exposure == ByCertificateKey && e.in.child(CertificateGVK.Kind, name) != nil,
			// A certificate that others ask for under the host's name can be in use.
			exposure == ByCertificate && child.GetAnnotations()[v1alpha1.AppliedAnnotation] == "" && e.declaresHost(name),
			exposure != ByClaim && e.blocked,
			slices.ContainsFunc(kept, func(host string) bool { return e.keeps(host, child) }),
			e.whiteLabelled() && exposure == ByCertificateKey && e.usesSecret(name),
			// It serves again if the contract goes on.
			!e.exposed() && exposure == ByCertificate && e.declaresHost(name),
			// A host is not given up for one that cannot be had.
			e.whiteLabelled() && !e.exposed() && !e.holdsDeclared() && e.mayServe(name) && (exposure == ByClaim || exposure == ByCertificate || exposure == ByCertificateKey):
			continue
		}
		e.out.Prune = append(e.out.Prune, child)
	}
	inOrder(e.out.Prune)
}

// inOrder sorts objects into the order in which to delete them.
func inOrder(objects []Object) {
	slices.SortStableFunc(objects, func(a, b Object) int {
		return cmp.Or(cmp.Compare(KindOf(a).Exposure, KindOf(b).Exposure), cmp.Compare(a.GetName(), b.GetName()))
	})
}

// Abandoned are the objects to delete, in this order, of a Partner that is gone:
// its claims, and what exposes it and bears the operator's mark, if they have no owner that
// garbage collection would go by. Of the snapshot's Partner only the name matters; its children are those in
// the namespaces that are still the partner's. Certificates' keys stay: the Partner may
// come back, as in a restore.
func Abandoned(s Snapshot) []Object {
	var abandoned []Object
	for _, child := range s.Children {
		exposure := KindOf(child).Exposure
		switch {
		case exposure == NotExposed, exposure == ByCertificateKey, exposure != ByClaim && !Marked(child), len(child.GetOwnerReferences()) > 0, !child.GetDeletionTimestamp().IsZero(),
			exposure == ByClaim && len(s.routing(child.GetName())) > 0:
			continue
		}
		abandoned = append(abandoned, child)
	}
	inOrder(abandoned)
	return abandoned
}

// declaresHost reports whether a host is the declared one.
func (e *evaluation) declaresHost(host string) bool {
	return e.whiteLabelled() && string(e.in.Partner.Spec.Subdomain.Host) == host
}

// holdsDeclared reports whether the partner holds the declared host.
func (e *evaluation) holdsDeclared() bool {
	claim := e.in.child(claimKind, string(e.in.Partner.Spec.Subdomain.Host))
	return claim != nil && claim.GetDeletionTimestamp().IsZero()
}

// usesSecret reports whether a Secret has the certificate of the declared host.
func (e *evaluation) usesSecret(name string) bool {
	return name == string(e.in.Partner.Spec.Subdomain.Host) || name == e.build.tlsSecret()
}

// routing are the objects in the partner's namespaces that lead a host somewhere,
// those that are being deleted included, in order.
func (s *Snapshot) routing(host string) []RouteRef {
	var refs []RouteRef
	for _, child := range s.Children {
		kind := KindOf(child)
		if kind.Exposure <= ByListener && (child.GetName() == host || slices.Contains(Hosts(child), host)) {
			refs = append(refs, RouteRef{
				Host: host, Kind: kind.Kind, Namespace: child.GetNamespace(), Name: child.GetName(), Partner: s.Partner.Name, Created: child.GetCreationTimestamp(),
			})
		}
	}
	for _, ref := range s.Routes {
		if ref.Host == host && ref.Partner == s.Partner.Name && !slices.ContainsFunc(refs, func(r RouteRef) bool { return r.String() == ref.String() }) {
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, func(a, b RouteRef) int { return cmp.Compare(a.String(), b.String()) })
	return refs
}

// keptHosts are the hosts whose routes stay although nothing wants them at present:
// one that is handed over; once the declared host is ready, those that linger; until then
// the declared host, which may have been ready before, and the old one that is served.
func (e *evaluation) keptHosts() []string {
	var kept []string
	if e.giving != "" {
		kept = append(kept, e.giving)
	}
	switch {
	case !e.exposed():
		return kept
	case e.subdomainReady.Status == metav1.ConditionTrue:
		return append(kept, e.lingering...)
	}
	kept = append(kept, string(e.in.Partner.Spec.Subdomain.Host))
	if old := e.oldRoute(); old != nil && !slices.Contains(kept, old.GetName()) {
		kept = append(kept, old.GetName())
	}
	return kept
}

// keeps tells whether an object serves a host that is kept and may be.
func (e *evaluation) keeps(host string, child Object) bool {
	if !e.mayServe(host) {
		return false
	}
	switch kind := KindOf(child); {
	case kind.Kind == serviceKind:
		return e.widget || child.GetName() != WidgetServiceName
	case kind.Kind == referenceGrantKind:
		return e.widget
	case kind.Exposure != NotExposed:
		return child.GetName() == host
	}
	return false
}

// mayServe tells whether the partner holds a host, it is not reserved, and it is
// not to be let go at once: two partners that swap hosts would wait for each other. It
// serves a host that it hands over in any case.
func (e *evaluation) mayServe(host string) bool {
	_, reserved := e.reserved(host)
	if host == e.giving {
		return !reserved
	}
	claim := e.in.child(claimKind, host)
	return !reserved && claim != nil && claim.GetDeletionTimestamp().IsZero() && (!e.contested || !e.in.Wanted.Has(host))
}

// report writes the status and the events.
//
//	Ready
//	|- TenantReady            the namespace, its guards, the contract
//	|- the support plan       by its own reasons
//	`- SubdomainReady         claim, certificate, backend, route
//	   |- CertificateRenewalFailed no part of Ready
//	   |- HostReleaseBlocked       no part of Ready
//	   `- SupportWidgetEnabled     no part of Ready
//	StaffingSufficient, CapacityExceeded, HoursCovered,
//	ShortfallExpected, CustomerCountStale,
//	ContractActive,
//	ObjectsIgnored, UndeclaredNamespaces    no part of Ready
func (e *evaluation) report() {
	var findings []conditions.Finding
	links := []conditions.Finding{e.tenantReady, e.planReady}
	findings = append(findings, e.tenantReady)
	if e.subdomainReady != nil {
		links = append(links, *e.subdomainReady)
		findings = append(findings, *e.subdomainReady)
	}
	if e.exposed() || e.given() != nil {
		findings = append(findings, e.widgetEnabled())
	}
	if e.contractActive != nil {
		findings = append(findings, *e.contractActive)
	}
	findings = append(findings, e.staffingFindings()...)
	if e.stale {
		findings = append(findings, conditions.True(v1alpha1.ConditionCustomerCountStale, v1alpha1.ReasonCountTooOld, staffing.StaleMessage(e.customers, e.in.Plan)))
	}
	if e.renewal != nil {
		findings = append(findings, *e.renewal)
	}
	findings = append(findings, e.releaseFindings()...)
	findings = append(findings, e.namespaceFindings()...)
	findings = append(findings, conditions.Summary(
		conditions.True(v1alpha1.ConditionReady, v1alpha1.ReasonProvisioned, e.readyMessage()), links...)...)

	before := e.in.Partner.Status.Conditions
	e.out.Events = conditions.Events(before, findings)
	e.out.Status = v1alpha1.PartnerStatus{
		ObservedGeneration: e.in.Partner.Generation,
		Namespace:          NamespaceOf(e.in.Partner),
		SupportPlan:        &v1alpha1.SupportPlanSummary{Name: v1alpha1.ObjectName(PlanName(e.in.Partner))},
		Subdomain:          e.served(),
		Staffing:           staffingStatus(e.verdict, e.shortfall),
		Coverage:           coverageStatus(e.coverage),
		Customers:          e.customers,
		Responsibilities:   support.Responsibilities(e.in.Partner.Spec.ChannelModel, e.allocated > 0),
		Conditions:         conditions.Merge(before, findings, e.in.Partner.Generation, e.in.Now),
	}
	if e.in.Plan != nil {
		e.out.Status.SupportPlan.Tier = e.in.Plan.Spec.Tier
	}
	if e.exposed() || e.given() != nil {
		enabled := e.widgetEnabled().Status == metav1.ConditionTrue
		e.out.Status.SupportWidget = &v1alpha1.SupportWidgetStatus{Enabled: &enabled}
		if enabled {
			e.out.Status.SupportWidget.ScriptURL = e.out.Status.Subdomain.URL + WidgetPath + "/widget.js"
		}
	}
}

// releaseFindings tell of hosts that are not wanted any more and cannot be let go,
// and of what is in the way.
func (e *evaluation) releaseFindings() []conditions.Finding {
	kept := e.keptHosts()
	var held []string
	for _, claim := range e.in.claims() {
		host := claim.GetName()
		if !claim.GetDeletionTimestamp().IsZero() || slices.Contains(kept, host) || e.wants(claim) {
			continue
		}
		var refs []string
		for _, ref := range e.in.routing(host) {
			if !slices.ContainsFunc(e.out.Prune, func(o Object) bool {
				return nameOfKind(o) == ref.Kind && o.GetName() == ref.Name
			}) {
				refs = append(refs, ref.String())
			}
		}
		if len(refs) > 0 {
			held = append(held, fmt.Sprintf("%s by %s", host, strings.Join(refs, ", ")))
		}
	}
	pending := e.handOverFinding()
	if len(held) == 0 {
		if pending == nil {
			return nil
		}
		return []conditions.Finding{*pending}
	}
	slices.Sort(held)
	remaining := "hosts that are no longer declared stay with this partner because they are still routed: " +
		strings.Join(held, "; ") + "; delete these objects, or whatever finalizer keeps them"
	if pending != nil { // by whose reason the widget server knows that the host is served here
		pending.Message += ". Besides, " + remaining
		return []conditions.Finding{*pending}
	}
	return []conditions.Finding{conditions.True(v1alpha1.ConditionHostReleaseBlocked, v1alpha1.ReasonRouteRemains, remaining)}
}

// wants reports whether an object is one of those to have.
func (e *evaluation) wants(object Object) bool {
	return slices.ContainsFunc(e.out.Objects, func(wanted Object) bool { return sameObject(wanted, object) })
}

func (e *evaluation) readyMessage() string {
	switch {
	case e.exposed():
		return e.subdomainReady.Message
	case e.whiteLabelled():
		return fmt.Sprintf("namespace %s is provisioned, and %s is held, and not served by the operator: %s",
			NamespaceOf(e.in.Partner), e.in.Partner.Spec.Subdomain.Host, e.contractActive.Message)
	case e.in.Partner.Spec.ChannelModel.WhiteLabels():
		return fmt.Sprintf("namespace %s is provisioned; no sub-domain is declared", NamespaceOf(e.in.Partner))
	}
	return fmt.Sprintf("namespace %s is provisioned; a %s has no sub-domain, and Dispel serves its customers",
		NamespaceOf(e.in.Partner), e.in.Partner.Spec.ChannelModel)
}

func (e *evaluation) widgetEnabled() conditions.Finding {
	off := func(reason v1alpha1.Reason, format string, args ...any) conditions.Finding {
		return conditions.False(v1alpha1.ConditionSupportWidgetEnabled, reason, conditions.Done, fmt.Sprintf(format, args...))
	}
	switch {
	case e.allocated == 0:
		return off(v1alpha1.ReasonNoPCSMAllocation,
			"no P-CSM is active for this partner, so its own team answers: create a PCSMAllocation to enable the widget")
	case e.keptOff():
		return off(v1alpha1.ReasonStaffingBelowMinimum,
			"SupportPlan %q keeps the widget off below its minimum staffing: %s", e.in.Plan.Name, e.verdict.Message())
	case !e.widget:
		return off(e.planReady.Reason, "%s", e.planReady.Message)
	case !e.leadsToWidget() && !e.exposed():
		return off(v1alpha1.ReasonSubdomainNotReady, "the widget opens on the sub-domain, and none is declared")
	case !e.leadsToWidget():
		return off(v1alpha1.ReasonSubdomainNotReady, "the widget opens on the sub-domain, which is not ready: %s", e.subdomainReady.Message)
	}
	return conditions.True(v1alpha1.ConditionSupportWidgetEnabled, v1alpha1.ReasonWidgetEnabled,
		fmt.Sprintf("%s FTE of P-CSMs answer on %s", e.allocated, e.served().URL))
}

// leadsToWidget tells whether end customers reach the widget: by the declared
// route, or by what serves in its place or as it was before its last change.
func (e *evaluation) leadsToWidget() bool {
	if !e.exposed() {
		return hasWidget(e.given())
	}
	return e.subdomainReady.Status == metav1.ConditionTrue || hasWidget(e.oldRoute()) || e.serves && hasWidget(e.declaredRoute())
}

// staffingFindings are there only with P-CSMs contracted, and are no part of
// Ready.
func (e *evaluation) staffingFindings() []conditions.Finding {
	if e.allocated == 0 {
		return nil
	}
	sufficient, exceeded := v1alpha1.ConditionStaffingSufficient, v1alpha1.ConditionCapacityExceeded
	if e.verdict == nil {
		return []conditions.Finding{
			conditions.Unknown(sufficient, e.planReady.Reason, e.planReady.Message),
			conditions.Unknown(exceeded, e.planReady.Reason, e.planReady.Message),
			conditions.Unknown(v1alpha1.ConditionHoursCovered, e.planReady.Reason, e.planReady.Message),
		}
	}
	v := e.verdict
	found := []conditions.Finding{e.shortfallExpected(), e.hoursCovered()}
	if v.Exceeded() || v.BelowMinimum() {
		found = append(found, conditions.False(sufficient, v.Reason(), conditions.Done, v.Message()))
	} else {
		found = append(found, conditions.True(sufficient, v.Reason(), v.Message()))
	}
	switch {
	case v.Exceeded():
		return append(found, conditions.True(exceeded, v1alpha1.ReasonCustomersExceedFTECapacity, v.CapacityMessage()))
	case v.Near():
		return append(found, conditions.False(exceeded, v1alpha1.ReasonNearCapacity, conditions.Done, v.CapacityMessage()))
	}
	return append(found, conditions.False(exceeded, v1alpha1.ReasonWithinCapacity, conditions.Done, v.CapacityMessage()))
}

func (e *evaluation) shortfallExpected() conditions.Finding {
	if e.shortfall == nil {
		return conditions.False(v1alpha1.ConditionShortfallExpected, v1alpha1.ReasonNoneExpected, conditions.Done,
			"no contract end and no signed deal leaves more FTE missing than today")
	}
	return conditions.True(v1alpha1.ConditionShortfallExpected, e.shortfall.Reason, e.shortfall.Message())
}

func (e *evaluation) hoursCovered() conditions.Finding {
	switch c := e.coverage; {
	case c == nil || !c.Declared:
		return conditions.Unknown(v1alpha1.ConditionHoursCovered, v1alpha1.ReasonShiftsNotDeclared, coverage.Verdict{}.Message())
	case c.Uncovered > 0:
		return conditions.False(v1alpha1.ConditionHoursCovered, v1alpha1.ReasonHoursUncovered, conditions.Done, c.Message())
	default:
		return conditions.True(v1alpha1.ConditionHoursCovered, v1alpha1.ReasonEveryHourCovered, c.Message())
	}
}

func coverageStatus(v *coverage.Verdict) *v1alpha1.CoverageStatus {
	if v == nil || !v.Declared {
		return nil
	}
	return &v1alpha1.CoverageStatus{
		OperatingMinutesPerWeek: new(int32(v.Operating)), //nolint:gosec // at most a week
		UncoveredMinutesPerWeek: new(int32(v.Uncovered)), //nolint:gosec // at most a week
		Summary:                 v.Summary(),
	}
}

func staffingStatus(v *staffing.Verdict, s *staffing.Shortfall) *v1alpha1.StaffingStatus {
	if v == nil {
		return nil
	}
	return &v1alpha1.StaffingStatus{
		NextShortfall:        s.Status(),
		AllocatedFTE:         v.Allocated,
		MinimumFTE:           v.Terms.MinimumFTE,
		RequiredFTE:          v.Required,
		RecommendedFTE:       v.Recommended,
		ComfortableCustomers: new(v.Comfortable),
		MaximumCustomers:     new(v.Maximum),
		UtilizationPercent:   new(v.UtilizationPercent()),
		CustomersUntilBreach: new(v.UntilBreach()),
		Capacity:             v.Capacity(),
	}
}

// served is the sub-domain that end customers reach: an old one's as long as it is
// kept, else the declared one's, from when it is ready first until its route goes.
func (e *evaluation) served() *v1alpha1.SubdomainStatus {
	route := e.oldRoute()
	if route == nil && e.exposed() {
		if route = e.declaredRoute(); route != nil && !e.serves && e.subdomainReady.Status != metav1.ConditionTrue && !e.servedBefore(route.GetName()) {
			return nil
		}
	}
	if route == nil && !e.exposed() {
		route = e.given()
	}
	if route == nil {
		return nil
	}
	status := &v1alpha1.SubdomainStatus{URL: e.url(*route), Route: route.kind, Addresses: e.addresses(*route)}
	former := e.formerAddresses
	if e.declared(*route) {
		for _, ref := range e.in.Routes { // of who handed the host over
			if ref.Host == route.GetName() && slices.Contains(e.in.Givers, ref.Partner) {
				former = append(former, ref.Addresses...)
			}
		}
	}
	for _, address := range former {
		if !slices.Contains(status.Addresses, address) {
			status.FormerAddresses = append(status.FormerAddresses, address)
		}
	}
	slices.Sort(status.FormerAddresses)
	status.FormerAddresses = slices.Compact(status.FormerAddresses)
	status.FormerAddresses = status.FormerAddresses[:min(len(status.FormerAddresses), mostAddresses)]
	return status
}

// servedBefore reports whether the status says that a host is served.
func (e *evaluation) servedBefore(host string) bool {
	before := e.in.Partner.Status.Subdomain
	if before == nil {
		return false
	}
	_, served, _ := strings.Cut(before.URL, "://")
	return served == host
}
