package hosts

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/snapshot"
	"github.com/dispel/partner-operator/internal/staffing"
)

// Host is the plan of one host.
type Host struct {
	// Name is the host's.
	Name string
	// Phase is what happens to it.
	Phase v1alpha1.HostPhase
	// Write are the objects to have, in the order in which to write them.
	Write []kinds.Object
	// Stay are objects that are there and stay as they are.
	Stay []kinds.Object
	// Served is how end customers reach it; nil if they do not, or if another partner reports it.
	Served *v1alpha1.SubdomainStatus
	// WaitsFor says what the host waits for; empty if for nothing but time.
	WaitsFor string
	// Until is when the phase ends by itself, and Again when to look again; zero if never.
	Until, Again time.Time

	// Widget reports that end customers reach the widget on it.
	Widget bool

	// routable reports that routes of the host may be made in the tenant's namespace.
	routable bool
}

// Plan is what happens to all hosts of a Partner.
type Plan struct {
	// Hosts are the declared one, the one that is handed over, and former ones by their names.
	Hosts []Host
	// Subdomain is what SubdomainReady says; nil if no sub-domain is to be served, and nothing
	// is in the way of that.
	Subdomain *conditions.Finding
	// Findings are those of the other conditions about hosts.
	Findings []conditions.Finding
	// Served is how end customers reach the sub-domain; nil if they do not.
	Served *v1alpha1.SubdomainStatus
	// Exposed reports that a sub-domain is to be served, or is served until it is handed over.
	Exposed bool
	// Widget reports that routes are to lead to the widget, and WidgetServed that one does.
	Widget, WidgetServed bool
	// Noted are the hosts that may be routed in the tenant's namespace, sorted.
	Noted []string
	// Again is when to look again; zero if nothing but an event changes the plan.
	Again time.Time

	// kept are the objects that are part of a plan.
	kept map[string]bool
}

// New makes the plan. blocked says why nothing can be made in the tenant's namespace; nil if
// it can.
func New(s *snapshot.Snapshot, judged *contract.Judgement, blocked *conditions.Finding) Plan {
	p := newPlanner(s, judged, blocked)
	handed := p.handOver()
	p.handing = handed.served()
	p.widget = p.wantsWidget()
	walked := p.walk()
	old := p.oldRoute(walked.ready)
	plan := Plan{Subdomain: p.subdomain(walked, old), Exposed: p.exposed() || handed.host.Served != nil, Widget: p.widget}
	if p.Partner.Spec.Subdomain != nil {
		plan.Hosts = append(plan.Hosts, p.declared(walked, old))
	}
	if handed.host.Name != "" {
		handed.host.Stay = p.handedStay(handed.host)
		plan.Hosts = append(plan.Hosts, handed.host)
	}
	for _, name := range p.former(handed.host.Name) {
		plan.Hosts = append(plan.Hosts, p.formerHost(name, walked.ready, old))
	}
	switch {
	case old != nil:
		plan.Served = p.servedBy(*old)
		plan.Served.Replacement = p.replacement(walked)
		plan.WidgetServed = objects.HasWidget(old) || walked.serves && objects.HasWidget(p.declaredRoute())
	case p.exposed():
		plan.Served, plan.WidgetServed = plan.Hosts[0].Served, plan.Hosts[0].Widget
	default:
		plan.Served, plan.WidgetServed = handed.host.Served, handed.host.Widget
	}
	plan.kept = map[string]bool{}
	for _, host := range plan.Hosts {
		plan.Again = staffing.Earlier(plan.Again, host.Again)
		if host.routable && p.claims(host.Name) {
			plan.Noted = append(plan.Noted, host.Name)
		}
		for _, object := range slices.Concat(host.Write, host.Stay) {
			if there := p.Child(kinds.Name(object), object.GetName()); there != nil && p.failed() != nil && p.inClear(there) {
				continue // it cannot be made to use TLS, and must not go on without
			}
			if exposure := kinds.Of(object).Exposure; p.anew && object.GetName() == p.build.DeclaredRoute() &&
				(exposure == kinds.ByListener || kinds.Name(object) == string(p.wantedKind())) {
				continue
			}
			plan.kept[kinds.Describe(object)] = true
		}
	}
	slices.Sort(plan.Noted)
	if walked.renewal != nil {
		plan.Findings = append(plan.Findings, *walked.renewal)
	}
	if handed.pending != nil {
		plan.Findings = append(plan.Findings, *handed.pending)
	}
	if s.HeldChange != nil && p.exposed() {
		plan.Findings = append(plan.Findings, s.HeldChange.Finding())
		plan.Again = staffing.Earlier(plan.Again, s.HeldChange.Again)
	}
	if remains := plan.releaseBlocked(p); remains != nil {
		plan.Findings = append(plan.Findings, *remains)
	}
	return plan
}

// Keeps reports whether an object is part of a plan.
func (p *Plan) Keeps(object kinds.Object) bool {
	return p.kept[kinds.Describe(object)]
}

// releaseBlocked finds what is in the way of hosts that are to be released, notes that these
// wait for it, and says so; nil if nothing is.
func (p *Plan) releaseBlocked(of *planner) *conditions.Finding {
	var held []string
	for i := range p.Hosts {
		host := &p.Hosts[i]
		if host.routable || !of.claims(host.Name) || slices.ContainsFunc(host.Write, func(o kinds.Object) bool { return kinds.Name(o) == kinds.SubdomainClaim }) {
			continue
		}
		var refs []string
		for _, ref := range of.Routing(host.Name) {
			if child := of.Child(ref.Kind, ref.Name); child == nil || !child.GetDeletionTimestamp().IsZero() || p.Keeps(child) || of.blocked != nil {
				refs = append(refs, ref.String())
			}
		}
		if len(refs) > 0 {
			host.WaitsFor = "the deletion of " + strings.Join(refs, ", ")
			held = append(held, fmt.Sprintf("%s by %s", host.Name, strings.Join(refs, ", ")))
		}
	}
	if len(held) == 0 {
		return nil
	}
	slices.Sort(held)
	return new(conditions.True(v1alpha1.ConditionHostReleaseBlocked, v1alpha1.ReasonRouteRemains,
		"hosts that are no longer declared stay with this partner because they are still routed: "+
			strings.Join(held, "; ")+"; delete these objects, and remove any finalizer that blocks their deletion"))
}

// planner is what the plans of a Partner's hosts are made from. New fills it in the order of its
// fields; no method changes it.
type planner struct {
	*snapshot.Snapshot
	// judged is what the contract says. While it is not in force, no sub-domain is served.
	judged *contract.Judgement
	// blocked says why nothing can be made in the tenant's namespace; nil if it can.
	blocked *conditions.Finding
	build   objects.Builder
	// byName are the children by the hosts after which they are named, and backends those that serve all hosts.
	byName   map[string][]kinds.Object
	backends []kinds.Object
	// handing is the host that is handed over, while it is served here; empty if none is.
	handing string
	// anew reports that what has the name of the declared route has to go before that can be made.
	anew bool
	// widget reports that routes are to lead to the widget server.
	widget bool
}

func newPlanner(s *snapshot.Snapshot, judged *contract.Judgement, blocked *conditions.Finding) *planner {
	p := &planner{
		Snapshot: s, judged: judged, blocked: blocked, byName: map[string][]kinds.Object{},
		build: objects.Builder{Partner: s.Partner, Settings: s.Settings, Classes: s.IngressClasses, Kept: objects.KeptClass(s.Partner, s.Children), Reached: s.Reached},
	}
	for _, child := range s.Children {
		if p.inClear(child) {
			continue
		}
		switch kinds.Of(child).Exposure {
		case kinds.NotExposed:
		case kinds.ByBackend:
			p.backends = append(p.backends, child)
		default:
			p.byName[kinds.HostNamed(child)] = append(p.byName[kinds.HostNamed(child)], child)
		}
	}
	p.build.RouteName, p.anew = p.routeSlot()
	return p
}

// OwnRoutes are the routes of the partner that are not being deleted, and may go on serving.
func (p *planner) OwnRoutes() []objects.Route {
	return slices.DeleteFunc(p.Snapshot.OwnRoutes(), func(route objects.Route) bool { return p.inClear(route.Object) })
}

// whiteLabelled reports whether the Partner has a sub-domain and may have one.
func (p *planner) whiteLabelled() bool {
	return p.Partner.Spec.Subdomain != nil && p.Partner.Spec.ChannelModel.WhiteLabels()
}

// exposed reports whether the sub-domain is to be served: there is one, and the contract is
// in force.
func (p *planner) exposed() bool {
	return p.whiteLabelled() && p.judged.InForce()
}

// declaredHost is the declared host; empty if there is none, or the Partner may have none.
func (p *planner) declaredHost() string {
	if !p.whiteLabelled() {
		return ""
	}
	return objects.HostOf(p.Partner)
}

// claims reports whether the partner holds a host.
func (p *planner) claims(host string) bool {
	claim := p.Child(kinds.SubdomainClaim, host)
	return claim != nil && claim.GetDeletionTimestamp().IsZero()
}

// mayServe reports whether the partner holds a host, it is not reserved, and it is
// not to be let go at once: two partners that swap hosts would wait for each other.
func (p *planner) mayServe(host string) bool {
	_, reserved := p.reserved(host)
	return !reserved && (host == p.handing || p.claims(host) && (!p.contested() || !p.Wanted.Has(host)))
}

// wantsWidget reports whether the widget is to have its path on the route: once P-CSMs are
// contracted ("Customer Success Manager (P-CSM)", How customers interact with P-CSMs), unless
// the plan keeps it off. Without a plan it stays as it is.
func (p *planner) wantsWidget() bool {
	switch {
	case !p.exposed() && p.handing == "" || p.judged.Allocated == 0:
		return false
	case p.judged.Terms == nil:
		return p.Child(kinds.Service, kinds.WidgetServiceName) != nil || slices.ContainsFunc(p.OwnRoutes(), func(r objects.Route) bool { return objects.HasWidget(&r) })
	}
	return !p.judged.KeepsWidgetOff()
}

// former are the names of the hosts that have a claim, a route, a listener or a Certificate here,
// other than the declared one and the one that is handed over. A certificate's key alone is none.
func (p *planner) former(handed string) []string {
	var names []string
	for name, children := range p.byName {
		if name != objects.HostOf(p.Partner) && name != handed && slices.ContainsFunc(children, func(child kinds.Object) bool { return kinds.Of(child).Exposure != kinds.ByCertificateKey }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// formerHost is the plan of a host that is no longer declared. ready reports that the declared
// one is.
func (p *planner) formerHost(name string, ready bool, old *objects.Route) Host {
	host := Host{Name: name}
	facts := Facts{
		Claimed: p.claims(name), Refused: !p.whiteLabelled() || !p.mayServe(name), InForce: p.judged.InForce(),
		Served: old != nil && old.Host() == name, Succeeded: ready,
	}
	switch {
	case !p.exposed():
		facts.Succeeded = p.claims(p.declaredHost())
	case ready:
		drained := p.drain(name)
		host.Write, host.Until, host.Again, facts.Overlap = drained.write, drained.until, drained.again, !drained.until.IsZero()
	}
	host.Phase = PhaseOf(facts)
	switch host.Phase {
	case v1alpha1.HostServing:
		host.routable, host.Served, host.Widget = true, p.servedBy(*old), objects.HasWidget(old)
		host.Stay = p.serving(name)
		host.WaitsFor = "the declared host to be ready"
	case v1alpha1.HostDraining:
		host.routable, host.Stay = true, p.serving(name)
		host.WaitsFor = "visitors with the former DNS record"
	case v1alpha1.HostDormant:
		host.Stay = p.dormant(name)
	}
	host.Stay = append(host.Stay, p.releasing(name)...)
	return host
}

// serving are the objects by which a host is served as it is.
func (p *planner) serving(host string) []kinds.Object {
	serving := slices.Clone(p.byName[host])
	for _, child := range p.backends {
		if policy, ok := child.(*gatewayv1.BackendTLSPolicy); ok && p.build.BackendTLS() == nil && p.build.Targets(policy) {
			continue // it would hold for the route in its place, too
		}
		if p.widget || kinds.Name(child) != kinds.ReferenceGrant && child.GetName() != kinds.WidgetServiceName {
			serving = append(serving, child)
		}
	}
	return serving
}

// dormant are the objects of a host that is not served, and may be again.
func (p *planner) dormant(host string) []kinds.Object {
	return p.exposing(host, kinds.ByClaim, kinds.ByCertificate, kinds.ByCertificateKey)
}

// releasing are the objects of a host that stay until others are gone: its claim until nothing
// routes it, its key until there is no Certificate.
func (p *planner) releasing(host string) []kinds.Object {
	var stay []kinds.Object
	if claim := p.exposing(host, kinds.ByClaim); len(claim) > 0 && len(p.Routing(host)) > 0 {
		stay = claim
	}
	if len(p.exposing(host, kinds.ByCertificate)) > 0 {
		stay = append(stay, p.exposing(host, kinds.ByCertificateKey)...)
	}
	return stay
}

// exposing are the objects named after a host that expose it in some ways.
func (p *planner) exposing(host string, ways ...kinds.Exposure) []kinds.Object {
	return slices.DeleteFunc(slices.Clone(p.byName[host]), func(child kinds.Object) bool { return !slices.Contains(ways, kinds.Of(child).Exposure) })
}

// failed finds the first failed write of an object that exposes a host.
func (p *planner) failed() *conditions.Finding {
	for _, failure := range p.Failures {
		if kinds.Of(failure.Object).Exposure == kinds.NotExposed || p.formerRoute(failure.Object) && !failure.Delete {
			continue // a former route serves, whatever its annotations
		}
		finding := failure.Finding(v1alpha1.ConditionSubdomainReady)
		if others := p.routedBeside(failure.Object); failure.Refused && !failure.Delete && len(others) > 0 {
			finding.Message += fmt.Sprintf("; the host is also routed by %s: if the ingress controller lets only one route have a host, delete that one first", strings.Join(others, ", "))
		}
		return &finding
	}
	return nil
}

// routedBeside are the other routes that have the declared host while a route of it cannot be
// written, in order: a former tenant's in the namespace, or those of who hands it over.
func (p *planner) routedBeside(object kinds.Object) []string {
	if kinds.Of(object).Exposure != kinds.ByRoute || kinds.HostNamed(object) != p.declaredHost() {
		return nil
	}
	var others []string
	for _, ref := range p.Routes {
		if ref.Host != p.declaredHost() || ref.Namespace == object.GetNamespace() && ref.Name == object.GetName() || kinds.Named(ref.Kind).Exposure != kinds.ByRoute || ref.Solver {
			continue
		}
		others = append(others, ref.String())
	}
	slices.Sort(others)
	return others
}

// failedToWrite is why an object could not be written in this reconcile; nil if it could, or
// was not to be.
func (p *planner) failedToWrite(object kinds.Object) *snapshot.Failure {
	i := slices.IndexFunc(p.Failures, func(f snapshot.Failure) bool {
		return !f.Delete && kinds.Same(f.Object, object)
	})
	if i < 0 {
		return nil
	}
	return &p.Failures[i]
}

// olderRoute orders routes by their age, then by their names.
func olderRoute(a, b objects.Route) int {
	return cmp.Or(a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time), cmp.Compare(a.GetName(), b.GetName()))
}
