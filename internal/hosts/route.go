package hosts

import (
	"cmp"
	"slices"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/snapshot"
	"github.com/dispel/partner-operator/internal/staffing"
)

// wantedKind is the kind of the route that is declared.
func (p *planner) wantedKind() v1alpha1.RouteKind {
	if p.build.GatewayRef() != nil {
		return v1alpha1.HTTPRoute
	}
	return v1alpha1.IngressRoute
}

// isDeclared reports whether a route is the one that is declared.
func (p *planner) isDeclared(route objects.Route) bool {
	return !p.anew && route.GetName() == p.build.DeclaredRoute() && route.Kind == p.wantedKind()
}

// routeSlot is the name of the declared route: that of one that leads the host there already; else a free one
// beside a route that serves, whose place it takes. A route is changed in place if it serves nobody, if there cannot be
// two, or if the Service that both lead to tells the controller of one alone how to reach the engine over TLS. If both
// names are taken, the route that does not serve goes first, and anew is true: changed in place, it would have the
// addresses of its former controller for a while.
func (p *planner) routeSlot() (name string, anew bool) {
	host := p.declaredHost()
	if host == "" {
		return "", false
	}
	var serving, leading []objects.Route
	for _, route := range p.Snapshot.OwnRoutes() { // those in clear text, too, which are put right in place
		switch {
		case route.Host() != host || route.Kind != p.wantedKind():
		case p.build.Leads(route.Object, p.Children):
			leading = append(leading, route)
		default:
			serving = append(serving, route)
		}
	}
	if len(leading) > 0 {
		return p.present(leading).GetName(), false
	}
	names := slices.DeleteFunc(kinds.RouteNames(host), func(name string) bool {
		there := p.Child(string(p.wantedKind()), name)
		return there != nil && (len(serving) > 0 || there.GetDeletionTimestamp().IsZero())
	})
	if len(serving) == 0 {
		return append(names, host)[0], false
	}
	present := p.present(serving)
	switch {
	case p.Partner.Status.Subdomain == nil, p.Settings.RouteOverlap < 0, p.wantedKind() == v1alpha1.IngressRoute && p.build.BackendTLS() != nil,
		len(names) > 0 && p.refusedBeside(names[0], present):
		return present.GetName(), false
	case len(names) > 0:
		return names[0], false
	case len(serving) == 1:
		return present.GetName(), false
	}
	i := slices.IndexFunc(serving, func(route objects.Route) bool { return route.GetName() != present.GetName() })
	return serving[i].GetName(), true
}

// present is that of some routes which serves, by the status; else the oldest: one that was never ready came later.
func (p *planner) present(routes []objects.Route) objects.Route {
	if i := slices.IndexFunc(routes, p.servedByRoute); i >= 0 {
		return routes[i]
	}
	return slices.MinFunc(routes, olderRoute)
}

// refusedBeside reports whether the API server refused a second Ingress beside the present one of another class with the
// same controller: some accept one Ingress of a host alone.
func (p *planner) refusedBeside(name string, present objects.Route) bool {
	ingress, ok := present.Object.(*networkingv1.Ingress)
	if !ok || !slices.ContainsFunc(p.Failures, func(f snapshot.Failure) bool {
		return f.Refused && !f.Delete && f.Object.GetName() == name && kinds.Name(f.Object) == kinds.Ingress
	}) {
		return false
	}
	by := objects.IngressController(p.IngressClasses, ptr.Deref(ingress.Spec.IngressClassName, ""))
	return by != "" && by == objects.IngressController(p.IngressClasses, p.build.IngressClassName())
}

// servedByRoute reports whether the status says that a route serves its host.
func (p *planner) servedByRoute(route objects.Route) bool {
	before := p.Partner.Status.Subdomain
	return p.servedBefore(route.Host()) && before.Route == route.Kind && cmp.Or(before.RouteName, route.Host()) == route.GetName()
}

// declaredRoute is the route that is declared; nil if it is not there.
func (p *planner) declaredRoute() *objects.Route {
	routes := p.OwnRoutes()
	if i := slices.IndexFunc(routes, p.isDeclared); i >= 0 {
		return &routes[i]
	}
	return nil
}

// settling is how long a controller has to load a new route and its certificate before
// the DNS record leads to it, or half of the overlap if that is shorter.
const settling = 10 * time.Second

// overlap is how long a replaced route keeps serving: as the settings say, and then as
// long as resolvers keep its DNS record, if an annotation says how long that is.
func (p *planner) overlap(replaced objects.Route) time.Duration {
	overlap := p.Settings.RouteOverlap
	if overlap < 0 {
		return 0
	}
	if ttl := objects.TTL(replaced.GetAnnotations()); ttl > 0 {
		return max(overlap, min(overlap+ttl, objects.LongestOverlap))
	}
	return overlap
}

// replaced reports whether an object is a route of the declared host that another has
// taken the place of, or is to.
func (p *planner) replaced(object kinds.Object) bool {
	return p.whiteLabelled() && kinds.Of(object).Exposure == kinds.ByRoute && kinds.HostNamed(object) == p.declaredHost() &&
		(v1alpha1.RouteKind(kinds.Name(object)) != p.wantedKind() || object.GetName() != p.build.DeclaredRoute())
}

// formerRoute reports whether an object is a route other than the declared one.
func (p *planner) formerRoute(object kinds.Object) bool {
	return kinds.Of(object).Exposure == kinds.ByRoute && (kinds.HostNamed(object) != p.declaredHost() || p.replaced(object))
}

// drained is what becomes of the routes of one host that the declared one has taken the place
// of.
type drained struct {
	// write are the routes with a note.
	write []kinds.Object
	// until is when the last of them goes; zero if none is to stay.
	until time.Time
	// again is when to look again; zero if never.
	again time.Time
	// addresses are where those of the declared host are served.
	addresses []string
}

// drain keeps the routes of a host that the declared one, which is ready, has taken the place of
// until resolvers and controllers have followed. A host that another partner declares goes at
// once.
func (p *planner) drain(host string) (d drained) {
	declared, since := p.declaredRoute(), p.Now
	if ready := meta.FindStatusCondition(p.Partner.Status.Conditions, string(v1alpha1.ConditionSubdomainReady)); ready != nil && ready.Status == metav1.ConditionTrue {
		since = ready.LastTransitionTime.Time
	}
	if created := declared.GetCreationTimestamp().Time; created.After(since) {
		since = created
	}
	for _, route := range p.OwnRoutes() {
		if route.Host() != host || p.isDeclared(route) || p.Wanted.Has(host) || !p.mayServe(host) {
			continue
		}
		from, write, settled := p.retiredSince(route, *declared, since)
		if write != nil {
			d.write = append(d.write, write)
		}
		over := from.Add(p.overlap(route))
		if !p.Now.Before(over) {
			continue
		}
		if d.until.Before(over) {
			d.until = over
		}
		d.again = staffing.Earlier(d.again, staffing.Earlier(settled, over))
		if p.replaced(route.Object) {
			d.addresses = append(d.addresses, p.AddressesOf(route)...)
		}
	}
	return d
}

// retiredSince is when the overlap of a former route begins: when it became one, which is
// noted on it, and not before the declared route was ready, since which some time has passed.
// One of the declared host is hidden from external-dns, from which on the overlap counts, once
// the route in its place has settled and has an address for the record. One that has other
// hosts, too, has no note: the caches hold too little to write it. write is the route with a
// new note, and settled when to look again for that; nil and zero if there is none.
func (p *planner) retiredSince(former, declared objects.Route, since time.Time) (from time.Time, write kinds.Object, settled time.Time) {
	noted, overlap := former.ReplacedAt(), p.overlap(former)
	writable := overlap > 0 && kinds.Writable(former.Object) && p.failedToWrite(former.Object) == nil
	settles := since.Add(min(settling, overlap/2))
	switch leaves := p.replaced(former.Object) && len(p.AddressesOf(declared)) > 0; {
	case leaves && writable && !former.Hidden() && p.Now.Before(settles):
		return since, nil, settles
	case leaves && writable && !former.Hidden():
		return p.Now, former.Hide(p.Now), time.Time{}
	case noted.After(since) && !noted.After(p.Now):
		return noted, nil, time.Time{}
	case !noted.IsZero() || !writable:
		return since, nil, time.Time{}
	}
	return p.Now, former.Retire(p.Now), time.Time{}
}

// oldRoute is a route other than the declared one, which is served while that is
// not ready; nil if there is none.
func (p *planner) oldRoute(ready bool) *objects.Route {
	if !p.exposed() || ready {
		return nil
	}
	old := slices.DeleteFunc(p.OwnRoutes(), func(route objects.Route) bool { return p.isDeclared(route) || !p.mayServe(route.Host()) })
	if len(old) == 0 {
		return nil
	}
	return new(p.present(old))
}

// url is the address at which a route is served.
func (p *planner) url(route objects.Route) string {
	if p.endsTLS(route) {
		return "https://" + route.Host()
	}
	return "http://" + route.Host()
}

// endsTLS reports whether a route is served over TLS.
func (p *planner) endsTLS(route objects.Route) bool {
	if ingress, ok := route.Object.(*networkingv1.Ingress); ok {
		return len(ingress.Spec.TLS) > 0
	}
	key, attached := p.GatewayOf(route)
	if !attached {
		return false // somebody took its Gateway away, which is put right
	}
	parent := route.Object.(*gatewayv1.HTTPRoute).Spec.ParentRefs[0]
	gateway := p.Gateway(key)
	if gateway == nil || ptr.Deref(parent.Kind, "") == kinds.ListenerSet {
		return true // a listener of its own; or there is no telling
	}
	return slices.ContainsFunc(gateway.Spec.Listeners, func(listener gatewayv1.Listener) bool {
		hostname := string(ptr.Deref(listener.Hostname, "*"))
		suffix, wildcard := strings.CutPrefix(hostname, "*")
		section := ptr.Deref(parent.SectionName, "")
		return objects.IsHTTPS(listener) && (section == "" || section == listener.Name) &&
			(hostname == route.Host() || wildcard && strings.HasSuffix(route.Host(), suffix))
	})
}

// servedBy is the sub-domain as a route serves it.
func (p *planner) servedBy(route objects.Route) *v1alpha1.SubdomainStatus {
	status := &v1alpha1.SubdomainStatus{URL: p.url(route), Route: route.Kind, Addresses: p.AddressesOf(route)}
	if route.GetName() != route.Host() {
		status.RouteName = route.GetName()
	}
	if ingress, ok := route.Object.(*networkingv1.Ingress); ok {
		status.IngressClass = v1alpha1.ObjectName(ptr.Deref(ingress.Spec.IngressClassName, ""))
	}
	return status
}

// servedBefore reports whether the status says that a host is served.
func (p *planner) servedBefore(host string) bool {
	before := p.Partner.Status.Subdomain
	if before == nil {
		return false
	}
	_, served, _ := strings.Cut(before.URL, "://")
	return served == host
}
