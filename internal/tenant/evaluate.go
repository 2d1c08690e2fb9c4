package tenant

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/snapshot"
	"github.com/dispel/partner-operator/internal/support"
)

// Evaluate decides what the Partner of a snapshot becomes, by what its contract says. Each step
// goes by what those before it found:
//
//  1. which host it hands over;
//  2. whether the route gets the widget's path, by the staffing and the plan;
//  3. the namespace and its guards, without which nothing else can be made;
//  4. the sub-domain: claim, certificate, backend, route; and the host that is handed over;
//  5. the hosts that the namespace notes for the admission policies, by the sub-domain;
//  6. what is no longer wanted, by all that is;
//  7. the status and the events, by all of these;
//  8. what to write on this pass.
func Evaluate(snapshot snapshot.Snapshot) Outcome {
	return evaluate(snapshot, judge(&snapshot))
}

// judge judges the contract with the Partner, which no write of the operator's changes.
func judge(s *snapshot.Snapshot) *contract.Judgement {
	return new(contract.Judge(s.Partner, s.Plan, s.Allocations, s.Now))
}

// evaluate is Evaluate with what the contract says.
func evaluate(snapshot snapshot.Snapshot, judged *contract.Judgement) Outcome {
	if ptr.Deref(snapshot.Partner.Spec.Suspend, false) {
		return suspended(snapshot)
	}
	snapshot.APIs = snapshot.Settings.Use(snapshot.APIs)
	e := &evaluation{
		in:     snapshot,
		judged: judged,
		build:  objects.Builder{Partner: snapshot.Partner, Settings: snapshot.Settings, Classes: snapshot.IngressClasses},
	}
	e.out.RequeueAt = judged.Changes
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
func suspended(s snapshot.Snapshot) Outcome {
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
	in snapshot.Snapshot
	// judged is what the contract says. While it is not in force, the sub-domain is not
	// served.
	judged *contract.Judgement
	out    Outcome
	build  objects.Builder

	// By judgeHandOver: whether the claim on the host that is handed over is offered.
	offering bool
	// By judgeHandOver: the host that is handed over, while it is served here.
	giving string
	// By judgeHandOver: its routes that are to be hidden now, since the target serves.
	leaving []objects.Route
	// By judgeHandOver: whether the overlap of one of its routes has begun.
	left bool

	// By decideWidget: whether the widget is to have its path on the route.
	widget bool

	// By tenant. While the namespace is blocked, nothing is made in it.
	tenantReady conditions.Finding
	blocked     bool

	// By subdomain; nil for a Partner without one.
	subdomainReady *conditions.Finding
	// By subdomain: how the Gateway serves it, if one is to.
	via objects.GatewayLink
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
	draining []string
	// By subdomain: where those of the declared host are served.
	formerAddresses []string
}

// decideWidget wants the widget once P-CSMs are contracted ("Customer Success
// Manager (P-CSM)", How customers interact with P-CSMs), unless the plan keeps
// it off. Without a plan it stays as it is.
func (e *evaluation) decideWidget() {
	if !e.exposed() && e.giving == "" || e.judged.Allocated == 0 {
		return
	}
	if e.judged.Terms == nil {
		e.widget = e.in.Child(kinds.Service, kinds.WidgetServiceName) != nil || slices.ContainsFunc(e.in.OwnRoutes(), func(r objects.Route) bool { return objects.HasWidget(&r) })
		return
	}
	e.widget = !e.judged.KeepsWidgetOff()
}

// whiteLabelled reports whether the Partner has a sub-domain and may have one.
func (e *evaluation) whiteLabelled() bool {
	return e.in.Partner.Spec.Subdomain != nil && e.in.Partner.Spec.ChannelModel.WhiteLabels()
}

// exposed reports whether the sub-domain is to be served: there is one, and the contract is
// in force.
func (e *evaluation) exposed() bool {
	return e.whiteLabelled() && e.judged.InForce()
}

// tenant wants the namespace, its guards and the contract.
func (e *evaluation) tenant() {
	name := objects.NamespaceOf(e.in.Partner)
	if unusable := firstBroken(e.namespaceReserved, e.namespaceOfAnother, e.namespaceTerminating, e.namespaceNotOwned); unusable != nil {
		e.blocked, e.tenantReady = true, *unusable
		return
	}
	if i := slices.IndexFunc(e.in.Failures, func(f snapshot.Failure) bool {
		return kinds.Name(f.Object) == kinds.Namespace && f.Object.GetName() == name
	}); i >= 0 {
		// Without its namespace, nothing of the tenant can be made.
		e.blocked = true
		e.tenantReady = *e.failed(v1alpha1.ConditionTenantReady, false)
		return
	}
	e.out.Objects = append(e.out.Objects, e.build.Namespace())
	e.out.Objects = append(e.out.Objects, e.build.Guards()...)
	if e.judged.Terms != nil {
		path := ""
		if e.widget {
			path = kinds.WidgetPath
		}
		data, err := json.Marshal(contract.NewDocument(e.in.Partner, e.in.Plan, e.judged, path, e.in.Now))
		if err != nil { // a contract holds nothing that JSON cannot
			e.in.Failures = append(e.in.Failures, snapshot.Failure{Object: e.build.SupportDocument(""), Refused: true, Message: err.Error()})
		} else {
			e.out.Objects = append(e.out.Objects, e.build.SupportDocument(string(data)))
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
	i := slices.IndexFunc(e.out.Objects, func(o kinds.Object) bool { _, namespace := o.(*corev1.Namespace); return namespace })
	if i < 0 {
		return
	}
	served := e.keptHosts()
	// Before the contract starts, whoever proves to an authority that the host is the
	// partner's may need a route.
	if e.exposed() || e.whiteLabelled() && e.judged.Window.Reason == v1alpha1.ReasonContractNotStarted {
		served = append(served, string(e.in.Partner.Spec.Subdomain.Host))
	}
	noted := slices.DeleteFunc(e.in.Held(), func(host string) bool { return !slices.Contains(served, host) })
	slices.Sort(noted)
	// Without a host, too: another's note may be there from before.
	annotations := map[string]string{v1alpha1.HostsAnnotation: objects.NoteOf(noted)}
	if e.in.Namespace != nil && objects.AdoptableByAnother(e.in.Namespace, e.in.Partner.Name) {
		annotations[v1alpha1.AdoptAnnotation] = "" // or it would count once this Partner is gone
	}
	e.out.Objects[i].SetAnnotations(annotations)
}

// writeNow are the objects to write on this pass: while the host is about to be held,
// its claim alone. The namespace notes the hosts that are held, and so is written once.
func (e *evaluation) writeNow() []kinds.Object {
	if e.in.Claim != nil && !e.handedToUs(e.in.Claim) || e.failed(v1alpha1.ConditionSubdomainReady, true) != nil {
		return e.out.Objects
	}
	if i := slices.IndexFunc(e.out.Objects, func(o kinds.Object) bool { return kinds.Name(o) == kinds.SubdomainClaim && e.declaresHost(o.GetName()) }); i >= 0 {
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
		if exposes := kinds.Of(failure.Object).Exposure != kinds.NotExposed; exposes != subdomain {
			continue
		}
		what := kinds.Describe(failure.Object)
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
func (e *evaluation) routedBeside(object kinds.Object) []string {
	if kinds.Of(object).Exposure != kinds.ByRoute || !e.declaresHost(object.GetName()) {
		return nil
	}
	var others []string
	for _, ref := range e.in.Routes {
		if ref.Host != object.GetName() || ref.Namespace == object.GetNamespace() && ref.Name == object.GetName() || kinds.Named(ref.Kind).Exposure != kinds.ByRoute || ref.Solver {
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
		switch exposure := kinds.Of(child).Exposure; {
		case !child.GetDeletionTimestamp().IsZero(),
			e.wants(child),
			kinds.Name(child) == kinds.ConfigMap && e.judged.Terms == nil,
			exposure == kinds.ByClaim && len(e.in.Routing(name)) > 0,
			exposure == kinds.ByCertificateKey && e.in.Child(kinds.CertificateGVK.Kind, name) != nil,
			// A certificate that others ask for under the host's name can be in use.
			exposure == kinds.ByCertificate && child.GetAnnotations()[v1alpha1.AppliedAnnotation] == "" && e.declaresHost(name),
			exposure != kinds.ByClaim && e.blocked,
			slices.ContainsFunc(kept, func(host string) bool { return e.keeps(host, child) }),
			e.whiteLabelled() && exposure == kinds.ByCertificateKey && e.usesSecret(name),
			// It serves again if the contract goes on.
			!e.exposed() && exposure == kinds.ByCertificate && e.declaresHost(name),
			// A host is not given up for one that cannot be had.
			e.whiteLabelled() && !e.exposed() && !e.holdsDeclared() && e.mayServe(name) && (exposure == kinds.ByClaim || exposure == kinds.ByCertificate || exposure == kinds.ByCertificateKey):
			continue
		}
		e.out.Prune = append(e.out.Prune, child)
	}
	kinds.SortForDeletion(e.out.Prune)
}

// Abandoned are the objects to delete, in this order, of a Partner that is gone:
// its claims, and what exposes it and bears the operator's mark, if they have no owner that
// garbage collection would go by. Of the snapshot's Partner only the name matters; its children are those in
// the namespaces that are still the partner's. Certificates' keys stay: the Partner may
// come back, as in a restore.
func Abandoned(s snapshot.Snapshot) []kinds.Object {
	var abandoned []kinds.Object
	for _, child := range s.Children {
		exposure := kinds.Of(child).Exposure
		switch {
		case exposure == kinds.NotExposed, exposure == kinds.ByCertificateKey, exposure != kinds.ByClaim && !kinds.Marked(child), len(child.GetOwnerReferences()) > 0, !child.GetDeletionTimestamp().IsZero(),
			exposure == kinds.ByClaim && len(s.Routing(child.GetName())) > 0:
			continue
		}
		abandoned = append(abandoned, child)
	}
	kinds.SortForDeletion(abandoned)
	return abandoned
}

// declaresHost reports whether a host is the declared one.
func (e *evaluation) declaresHost(host string) bool {
	return e.whiteLabelled() && string(e.in.Partner.Spec.Subdomain.Host) == host
}

// holdsDeclared reports whether the partner holds the declared host.
func (e *evaluation) holdsDeclared() bool {
	claim := e.in.Child(kinds.SubdomainClaim, string(e.in.Partner.Spec.Subdomain.Host))
	return claim != nil && claim.GetDeletionTimestamp().IsZero()
}

// usesSecret reports whether a Secret has the certificate of the declared host.
func (e *evaluation) usesSecret(name string) bool {
	return name == string(e.in.Partner.Spec.Subdomain.Host) || name == e.build.TLSSecret()
}

// keptHosts are the hosts whose routes stay although nothing wants them at present:
// one that is handed over; once the declared host is ready, those that drain; until then
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
		return append(kept, e.draining...)
	}
	kept = append(kept, string(e.in.Partner.Spec.Subdomain.Host))
	if old := e.oldRoute(); old != nil && !slices.Contains(kept, old.GetName()) {
		kept = append(kept, old.GetName())
	}
	return kept
}

// keeps reports whether an object serves a host that is kept and may be.
func (e *evaluation) keeps(host string, child kinds.Object) bool {
	if !e.mayServe(host) {
		return false
	}
	switch kind := kinds.Of(child); {
	case kind.Kind == kinds.Service:
		return e.widget || child.GetName() != kinds.WidgetServiceName
	case kind.Kind == kinds.ReferenceGrant:
		return e.widget
	case kind.Exposure != kinds.NotExposed:
		return child.GetName() == host
	}
	return false
}

// mayServe reports whether the partner holds a host, it is not reserved, and it is
// not to be let go at once: two partners that swap hosts would wait for each other. It
// serves a host that it hands over in any case.
func (e *evaluation) mayServe(host string) bool {
	_, reserved := e.reserved(host)
	if host == e.giving {
		return !reserved
	}
	claim := e.in.Child(kinds.SubdomainClaim, host)
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
	links := []conditions.Finding{e.tenantReady}
	if e.judged.Fault != nil {
		links = append(links, *e.judged.Fault)
	}
	findings = append(findings, e.tenantReady)
	if e.subdomainReady != nil {
		links = append(links, *e.subdomainReady)
		findings = append(findings, *e.subdomainReady)
	}
	if e.exposed() || e.given() != nil {
		findings = append(findings, e.widgetEnabled())
	}
	findings = append(findings, e.judged.Findings(e.in.Plan)...)
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
		Namespace:          objects.NamespaceOf(e.in.Partner),
		SupportPlan:        &v1alpha1.SupportPlanSummary{Name: v1alpha1.ObjectName(contract.PlanName(e.in.Partner))},
		Subdomain:          e.served(),
		Staffing:           e.judged.Staffing(),
		Coverage:           e.judged.Coverage(),
		Customers:          e.judged.Customers,
		Responsibilities:   support.Responsibilities(e.in.Partner.Spec.ChannelModel, e.judged.Allocated > 0),
		Conditions:         conditions.Merge(before, findings, e.in.Partner.Generation, e.in.Now),
	}
	if e.in.Plan != nil {
		e.out.Status.SupportPlan.Tier = e.in.Plan.Spec.Tier
	}
	if e.exposed() || e.given() != nil {
		enabled := e.widgetEnabled().Status == metav1.ConditionTrue
		e.out.Status.SupportWidget = &v1alpha1.SupportWidgetStatus{Enabled: &enabled}
		if enabled {
			e.out.Status.SupportWidget.ScriptURL = e.out.Status.Subdomain.URL + kinds.WidgetPath + "/widget.js"
		}
	}
}

// releaseFindings tell of hosts that are not wanted any more and cannot be let go,
// and of what is in the way.
func (e *evaluation) releaseFindings() []conditions.Finding {
	kept := e.keptHosts()
	var held []string
	for _, claim := range e.in.Claims() {
		host := claim.GetName()
		if !claim.GetDeletionTimestamp().IsZero() || slices.Contains(kept, host) || e.wants(claim) {
			continue
		}
		var refs []string
		for _, ref := range e.in.Routing(host) {
			if !slices.ContainsFunc(e.out.Prune, func(o kinds.Object) bool {
				return kinds.Name(o) == ref.Kind && o.GetName() == ref.Name
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
func (e *evaluation) wants(object kinds.Object) bool {
	return slices.ContainsFunc(e.out.Objects, func(wanted kinds.Object) bool { return kinds.Same(wanted, object) })
}

func (e *evaluation) readyMessage() string {
	switch {
	case e.exposed():
		return e.subdomainReady.Message
	case e.whiteLabelled():
		return fmt.Sprintf("namespace %s is provisioned, and %s is held, and not served by the operator: %s",
			objects.NamespaceOf(e.in.Partner), e.in.Partner.Spec.Subdomain.Host, e.judged.Window.Message)
	case e.in.Partner.Spec.ChannelModel.WhiteLabels():
		return fmt.Sprintf("namespace %s is provisioned; no sub-domain is declared", objects.NamespaceOf(e.in.Partner))
	}
	return fmt.Sprintf("namespace %s is provisioned; a %s has no sub-domain, and Dispel serves its customers",
		objects.NamespaceOf(e.in.Partner), e.in.Partner.Spec.ChannelModel)
}

func (e *evaluation) widgetEnabled() conditions.Finding {
	off := func(reason v1alpha1.Reason, format string, args ...any) conditions.Finding {
		return conditions.False(v1alpha1.ConditionSupportWidgetEnabled, reason, conditions.Done, fmt.Sprintf(format, args...))
	}
	switch {
	case e.judged.Allocated == 0:
		return off(v1alpha1.ReasonNoPCSMAllocation,
			"no P-CSM is active for this partner, so its own team answers: create a PCSMAllocation to enable the widget")
	case e.judged.KeepsWidgetOff():
		return off(v1alpha1.ReasonStaffingBelowMinimum,
			"SupportPlan %q keeps the widget off below its minimum staffing: %s", e.in.Plan.Name, e.judged.Verdict.Message())
	case !e.widget && e.judged.Fault != nil:
		return off(e.judged.Fault.Reason, "%s", e.judged.Fault.Message)
	case !e.leadsToWidget() && !e.exposed():
		return off(v1alpha1.ReasonSubdomainNotReady, "the widget opens on the sub-domain, and none is declared")
	case !e.leadsToWidget():
		return off(v1alpha1.ReasonSubdomainNotReady, "the widget opens on the sub-domain, which is not ready: %s", e.subdomainReady.Message)
	}
	return conditions.True(v1alpha1.ConditionSupportWidgetEnabled, v1alpha1.ReasonWidgetEnabled,
		fmt.Sprintf("%s FTE of P-CSMs answer on %s", e.judged.Allocated, e.served().URL))
}

// leadsToWidget reports whether end customers reach the widget: by the declared
// route, or by what serves in its place or as it was before its last change.
func (e *evaluation) leadsToWidget() bool {
	if !e.exposed() {
		return objects.HasWidget(e.given())
	}
	return e.subdomainReady.Status == metav1.ConditionTrue || objects.HasWidget(e.oldRoute()) || e.serves && objects.HasWidget(e.declaredRoute())
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
	status := &v1alpha1.SubdomainStatus{URL: e.url(*route), Route: route.Kind, Addresses: e.addresses(*route)}
	for _, address := range e.formerAddresses {
		if !slices.Contains(status.Addresses, address) {
			status.FormerAddresses = append(status.FormerAddresses, address)
		}
	}
	if e.exposed() && e.declared(*route) {
		for _, ref := range e.in.Routes { // of who handed the host over, which shows another widget even at the same address
			if ref.Host == route.GetName() && slices.Contains(e.in.Sources, ref.Partner) {
				status.FormerAddresses = append(status.FormerAddresses, ref.Addresses...)
			}
		}
	}
	slices.Sort(status.FormerAddresses)
	status.FormerAddresses = slices.Compact(status.FormerAddresses)
	status.FormerAddresses = status.FormerAddresses[:min(len(status.FormerAddresses), objects.MostAddresses)]
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
