package tenant

import (
	"cmp"
	"slices"
	"strconv"
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
func (e *evaluation) wantedKind() v1alpha1.RouteKind {
	if e.build.GatewayRef() != nil {
		return v1alpha1.HTTPRoute
	}
	return v1alpha1.IngressRoute
}

// declared reports whether a route is the one that is declared.
func (e *evaluation) declared(route objects.Route) bool {
	return route.GetName() == string(e.in.Partner.Spec.Subdomain.Host) && route.Kind == e.wantedKind()
}

// declaredRoute is the route that is declared; nil if it is not there.
func (e *evaluation) declaredRoute() *objects.Route {
	routes := e.in.OwnRoutes()
	if i := slices.IndexFunc(routes, e.declared); i >= 0 {
		return &routes[i]
	}
	return nil
}

// settling is how long a controller has to load a new route and its certificate before
// the DNS record leads to it, or half of the overlap if that is shorter.
const settling = 10 * time.Second

// overlap is how long a replaced route keeps serving: as the settings say, and then as
// long as resolvers keep its DNS record, if an annotation says how long that is.
func (e *evaluation) overlap(replaced objects.Route) time.Duration {
	overlap := e.in.Settings.RouteOverlap
	if overlap < 0 {
		return 0
	}
	for _, key := range objects.TTLAnnotations {
		text := replaced.GetAnnotations()[key]
		ttl, err := time.ParseDuration(text)
		if seconds, parseErr := strconv.ParseInt(text, 10, 32); parseErr == nil {
			ttl, err = time.Duration(seconds)*time.Second, nil
		}
		if err == nil && ttl > 0 {
			return max(overlap, min(overlap+ttl, objects.LongestOverlap))
		}
	}
	return overlap
}

// replaced reports whether an object is a route of the declared host that another has
// taken the place of, or is to.
func (e *evaluation) replaced(object kinds.Object) bool {
	return e.whiteLabelled() && kinds.Of(object).Exposure == kinds.ByRoute && e.declaresHost(object.GetName()) &&
		v1alpha1.RouteKind(kinds.Name(object)) != e.wantedKind()
}

// former reports whether an object is a route other than the declared one.
func (e *evaluation) former(object kinds.Object) bool {
	return kinds.Of(object).Exposure == kinds.ByRoute && (!e.declaresHost(object.GetName()) || e.replaced(object))
}

// drain keeps the routes that the declared one has taken the place of until
// resolvers and controllers have followed. A host that another partner declares goes at
// once.
func (e *evaluation) drain() {
	declared, since := e.declaredRoute(), e.in.Now
	if ready := meta.FindStatusCondition(e.in.Partner.Status.Conditions, string(v1alpha1.ConditionSubdomainReady)); ready != nil && ready.Status == metav1.ConditionTrue {
		since = ready.LastTransitionTime.Time
	}
	if created := declared.GetCreationTimestamp().Time; created.After(since) {
		since = created
	}
	for _, route := range e.in.OwnRoutes() {
		if e.declared(route) || route.GetName() == e.giving || e.in.Wanted.Has(route.GetName()) || !e.mayServe(route.GetName()) {
			continue
		}
		from := e.retiredSince(route, *declared, since)
		over := from.Add(e.overlap(route))
		if !e.in.Now.Before(over) {
			continue
		}
		e.draining = append(e.draining, route.GetName())
		if e.replaced(route.Object) {
			e.formerAddresses = e.addresses(route)
		}
		e.out.RequeueAt = staffing.Earlier(e.out.RequeueAt, over)
	}
}

// retiredSince is when the overlap of a former route begins: when it became one, which is
// noted on it, and not before the declared route was ready, since which some time has passed.
// One of the declared host is hidden from external-dns, from which on the overlap counts, once
// the route in its place has settled and has an address for the record. One that has other
// hosts, too, has no note: the caches hold too little to write it.
func (e *evaluation) retiredSince(former, declared objects.Route, since time.Time) time.Time {
	noted, overlap := former.ReplacedAt(), e.overlap(former)
	writable := overlap > 0 && kinds.Writable(former.Object) && !e.failedToWrite(former.Object)
	settled := since.Add(min(settling, overlap/2))
	switch leaves := e.replaced(former.Object) && len(e.addresses(declared)) > 0; {
	case leaves && writable && !former.Hidden() && e.in.Now.Before(settled):
		e.out.RequeueAt = staffing.Earlier(e.out.RequeueAt, settled)
		return since
	case leaves && writable && !former.Hidden():
		e.out.Objects = append(e.out.Objects, former.Hide(e.in.Now))
		return e.in.Now
	case noted.After(since) && !noted.After(e.in.Now):
		return noted
	case !noted.IsZero() || !writable:
		return since
	}
	e.out.Objects = append(e.out.Objects, former.Retire(e.in.Now))
	return e.in.Now
}

// failedToWrite reports whether an object could not be written in this reconcile.
func (e *evaluation) failedToWrite(object kinds.Object) bool {
	return e.writeFailure(object) != nil
}

// writeFailure is why an object could not be written in this reconcile; nil if it could, or was
// not to be.
func (e *evaluation) writeFailure(object kinds.Object) *snapshot.Failure {
	i := slices.IndexFunc(e.in.Failures, func(f snapshot.Failure) bool { return !f.Delete && kinds.Describe(f.Object) == kinds.Describe(object) })
	if i < 0 {
		return nil
	}
	return &e.in.Failures[i]
}

// oldRoute is a route other than the declared one, which is served while that is
// not ready; nil if there is none. Of several it is the oldest: a host that was
// never ready came after the one that was.
func (e *evaluation) oldRoute() *objects.Route {
	if !e.exposed() || e.subdomainReady != nil && e.subdomainReady.Status == metav1.ConditionTrue {
		return nil
	}
	var oldest *objects.Route
	for _, route := range e.in.OwnRoutes() {
		if e.declared(route) || !e.mayServe(route.GetName()) {
			continue
		}
		if oldest == nil || cmp.Or(route.GetCreationTimestamp().Compare(oldest.GetCreationTimestamp().Time), cmp.Compare(route.GetName(), oldest.GetName())) < 0 {
			oldest = &route
		}
	}
	return oldest
}

// url is the address at which a route is served.
func (e *evaluation) url(route objects.Route) string {
	if e.endsTLS(route) {
		return "https://" + route.GetName()
	}
	return "http://" + route.GetName()
}

// endsTLS reports whether a route is served over TLS.
func (e *evaluation) endsTLS(route objects.Route) bool {
	if ingress, ok := route.Object.(*networkingv1.Ingress); ok {
		return len(ingress.Spec.TLS) > 0
	}
	key, attached := e.in.GatewayOf(route)
	if !attached {
		return false // somebody took its Gateway away, which is put right
	}
	parent := route.Object.(*gatewayv1.HTTPRoute).Spec.ParentRefs[0]
	gateway := e.in.Gateway(key)
	if gateway == nil || ptr.Deref(parent.Kind, "") == kinds.ListenerSet {
		return true // a listener of its own; or there is no telling
	}
	return slices.ContainsFunc(gateway.Spec.Listeners, func(listener gatewayv1.Listener) bool {
		hostname := string(ptr.Deref(listener.Hostname, "*"))
		suffix, wildcard := strings.CutPrefix(hostname, "*")
		section := ptr.Deref(parent.SectionName, "")
		return objects.IsHTTPS(listener) && (section == "" || section == listener.Name) &&
			(hostname == route.GetName() || wildcard && strings.HasSuffix(route.GetName(), suffix))
	})
}

// addresses are where a route is served, as far as its controller says: IP
// addresses or host names, sorted.
func (e *evaluation) addresses(route objects.Route) []string {
	var gateway *gatewayv1.Gateway
	if key, ok := e.in.GatewayOf(route); ok {
		gateway = e.in.Gateway(key)
	}
	return objects.AddressesOf(route.Object, gateway)
}
