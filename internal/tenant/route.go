package tenant

import (
	"cmp"
	"maps"
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
	"github.com/dispel/partner-operator/internal/staffing"
)

// route is a route that is there and not going: an Ingress or an HTTPRoute. It is
// named by its host.
type route struct {
	Object
	kind v1alpha1.RouteKind
}

// routes are those of the partner.
func (s *Snapshot) routes() []route {
	var routes []route
	for _, child := range s.Children {
		if KindOf(child).Exposure == ByRoute && child.GetDeletionTimestamp().IsZero() {
			routes = append(routes, route{child, v1alpha1.RouteKind(nameOfKind(child))})
		}
	}
	return routes
}

// wantedKind is the kind of the route that is declared.
func (e *evaluation) wantedKind() v1alpha1.RouteKind {
	if e.build.gatewayRef() != nil {
		return v1alpha1.HTTPRoute
	}
	return v1alpha1.IngressRoute
}

// declared reports whether a route is the one that is declared.
func (e *evaluation) declared(route route) bool {
	return route.GetName() == string(e.in.Partner.Spec.Subdomain.Host) && route.kind == e.wantedKind()
}

// declaredRoute is the route that is declared; nil if it is not there.
func (e *evaluation) declaredRoute() *route {
	routes := e.in.routes()
	if i := slices.IndexFunc(routes, e.declared); i >= 0 {
		return &routes[i]
	}
	return nil
}

// ttlAnnotations say how long resolvers keep the DNS record that external-dns makes
// of a route, under its present prefix and its former one.
var ttlAnnotations = []string{"external-dns.kubernetes.io/ttl", "external-dns.alpha.kubernetes.io/ttl"}

// settling is how long a controller has to load a new route and its certificate before
// the DNS record leads to it, or half of the overlap if that is shorter.
const settling = 10 * time.Second

// longestOverlap bounds what an annotation can ask for.
const longestOverlap = 24 * time.Hour

// overlap is how long a replaced route keeps serving: as the settings say, and then as
// long as resolvers keep its DNS record, if an annotation says how long that is.
func (e *evaluation) overlap(replaced route) time.Duration {
	overlap := e.in.Settings.RouteOverlap
	if overlap < 0 {
		return 0
	}
	for _, key := range ttlAnnotations {
		text := replaced.GetAnnotations()[key]
		ttl, err := time.ParseDuration(text)
		if seconds, parseErr := strconv.ParseInt(text, 10, 32); parseErr == nil {
			ttl, err = time.Duration(seconds)*time.Second, nil
		}
		if err == nil && ttl > 0 {
			return max(overlap, min(overlap+ttl, longestOverlap))
		}
	}
	return overlap
}

// hidingAnnotations keep external-dns from a route. It keeps the address of the route that
// it made a record of, so that the record would follow only once that route is gone.
var hidingAnnotations = []string{"external-dns.kubernetes.io/controller", "external-dns.alpha.kubernetes.io/controller"}

// hidden reports whether a route is hidden from external-dns.
func (r route) hidden() bool {
	return r.GetAnnotations()[hidingAnnotations[0]] == v1alpha1.FieldManager
}

// replacedAt is when a route became a former one, or was hidden from external-dns; zero if
// neither is noted on it.
func (r route) replacedAt() time.Time {
	at, err := time.Parse(time.RFC3339, r.GetAnnotations()[v1alpha1.ReplacedAnnotation])
	if err != nil {
		return time.Time{}
	}
	return at
}

// annotated is the route as it is, with other annotations.
func (r route) annotated(change func(map[string]string)) Object {
	annotated := r.DeepCopyObject().(Object)
	annotated.SetUID("")
	annotated.SetResourceVersion("")
	annotated.SetGeneration(0)
	annotated.SetCreationTimestamp(metav1.Time{})
	annotations := map[string]string{}
	maps.Copy(annotations, r.GetAnnotations())
	delete(annotations, v1alpha1.AppliedAnnotation)
	change(annotations)
	annotated.SetAnnotations(annotations)
	return annotated
}

// retire is the route with a note that it is a former one, from now on.
func (r route) retire(now time.Time) Object {
	return r.annotated(func(annotations map[string]string) {
		annotations[v1alpha1.ReplacedAnnotation] = now.UTC().Format(time.RFC3339)
	})
}

// hide is the route hidden from external-dns, from now on.
func (r route) hide(now time.Time) Object {
	return r.annotated(func(annotations map[string]string) {
		annotations[v1alpha1.ReplacedAnnotation] = now.UTC().Format(time.RFC3339)
		for _, key := range hidingAnnotations {
			annotations[key] = v1alpha1.FieldManager
		}
	})
}

// show is the route in sight of external-dns again.
func (r route) show() Object {
	return r.annotated(func(annotations map[string]string) {
		for _, key := range append([]string{v1alpha1.ReplacedAnnotation}, hidingAnnotations...) {
			delete(annotations, key)
		}
	})
}

// replaced reports whether an object is a route of the declared host that another has
// taken the place of, or is to.
func (e *evaluation) replaced(object Object) bool {
	return e.whiteLabelled() && KindOf(object).Exposure == ByRoute && e.declaresHost(object.GetName()) &&
		v1alpha1.RouteKind(nameOfKind(object)) != e.wantedKind()
}

// former reports whether an object is a route other than the declared one.
func (e *evaluation) former(object Object) bool {
	return KindOf(object).Exposure == ByRoute && (!e.declaresHost(object.GetName()) || e.replaced(object))
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
	for _, route := range e.in.routes() {
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
func (e *evaluation) retiredSince(former, declared route, since time.Time) time.Time {
	noted, overlap := former.replacedAt(), e.overlap(former)
	writable := overlap > 0 && Writable(former.Object) && !e.failedToWrite(former.Object)
	settled := since.Add(min(settling, overlap/2))
	switch leaves := e.replaced(former.Object) && len(e.addresses(declared)) > 0; {
	case leaves && writable && !former.hidden() && e.in.Now.Before(settled):
		e.out.RequeueAt = staffing.Earlier(e.out.RequeueAt, settled)
		return since
	case leaves && writable && !former.hidden():
		e.out.Objects = append(e.out.Objects, former.hide(e.in.Now))
		return e.in.Now
	case noted.After(since) && !noted.After(e.in.Now):
		return noted
	case !noted.IsZero() || !writable:
		return since
	}
	e.out.Objects = append(e.out.Objects, former.retire(e.in.Now))
	return e.in.Now
}

// failedToWrite reports whether an object could not be written in this reconcile.
func (e *evaluation) failedToWrite(object Object) bool {
	return e.writeFailure(object) != nil
}

// writeFailure is why an object could not be written in this reconcile; nil if it could, or was
// not to be.
func (e *evaluation) writeFailure(object Object) *Failure {
	i := slices.IndexFunc(e.in.Failures, func(f Failure) bool { return !f.Delete && NameOf(f.Object) == NameOf(object) })
	if i < 0 {
		return nil
	}
	return &e.in.Failures[i]
}

// oldRoute is a route other than the declared one, which is served while that is
// not ready; nil if there is none. Of several it is the oldest: a host that was
// never ready came after the one that was.
func (e *evaluation) oldRoute() *route {
	if !e.exposed() || e.subdomainReady != nil && e.subdomainReady.Status == metav1.ConditionTrue {
		return nil
	}
	var oldest *route
	for _, route := range e.in.routes() {
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
func (e *evaluation) url(route route) string {
	if e.endsTLS(route) {
		return "https://" + route.GetName()
	}
	return "http://" + route.GetName()
}

// endsTLS reports whether a route is served over TLS.
func (e *evaluation) endsTLS(route route) bool {
	if ingress, ok := route.Object.(*networkingv1.Ingress); ok {
		return len(ingress.Spec.TLS) > 0
	}
	key, attached := e.in.gatewayOf(route)
	if !attached {
		return false // somebody took its Gateway away, which is put right
	}
	parent := route.Object.(*gatewayv1.HTTPRoute).Spec.ParentRefs[0]
	gateway := e.in.gateway(key)
	if gateway == nil || ptr.Deref(parent.Kind, "") == listenerSetKind {
		return true // a listener of its own; or there is no telling
	}
	return slices.ContainsFunc(gateway.Spec.Listeners, func(listener gatewayv1.Listener) bool {
		hostname := string(ptr.Deref(listener.Hostname, "*"))
		suffix, wildcard := strings.CutPrefix(hostname, "*")
		section := ptr.Deref(parent.SectionName, "")
		return isHTTPS(listener) && (section == "" || section == listener.Name) &&
			(hostname == route.GetName() || wildcard && strings.HasSuffix(route.GetName(), suffix))
	})
}

// addresses are where a route is served, as far as its controller says: IP
// addresses or host names, sorted.
func (e *evaluation) addresses(route route) []string {
	var gateway *gatewayv1.Gateway
	if key, ok := e.in.gatewayOf(route); ok {
		gateway = e.in.gateway(key)
	}
	return AddressesOf(route.Object, gateway)
}

// AddressesOf are where a route is served, as far as its controller says: IP addresses or
// host names, sorted. gateway is the one that an HTTPRoute is attached to; nil if it is not
// there.
func AddressesOf(route Object, gateway *gatewayv1.Gateway) []string {
	var addresses []string
	if ingress, ok := route.(*networkingv1.Ingress); ok {
		for _, address := range ingress.Status.LoadBalancer.Ingress {
			addresses = append(addresses, cmp.Or(address.IP, address.Hostname))
		}
	} else if gateway != nil {
		for _, address := range gateway.Status.Addresses {
			addresses = append(addresses, address.Value)
		}
	}
	slices.Sort(addresses)
	addresses = slices.Compact(addresses)
	return addresses[:min(len(addresses), mostAddresses)]
}

// mostAddresses is how many the schema lets a status have.
const mostAddresses = 16

// hasWidget reports whether a route, nil for none, leads to the widget server.
func hasWidget(route *route) bool {
	if route == nil {
		return false
	}
	if ingress, ok := route.Object.(*networkingv1.Ingress); ok {
		return slices.ContainsFunc(ingress.Spec.Rules, func(rule networkingv1.IngressRule) bool {
			return rule.HTTP != nil && slices.ContainsFunc(rule.HTTP.Paths, func(path networkingv1.HTTPIngressPath) bool {
				return path.Path == WidgetPath
			})
		})
	}
	return slices.ContainsFunc(route.Object.(*gatewayv1.HTTPRoute).Spec.Rules, func(rule gatewayv1.HTTPRouteRule) bool {
		return slices.ContainsFunc(rule.Matches, func(match gatewayv1.HTTPRouteMatch) bool {
			return match.Path != nil && ptr.Deref(match.Path.Value, "") == WidgetPath
		})
	})
}
