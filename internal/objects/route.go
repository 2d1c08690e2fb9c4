package objects

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
)

// Route is a route that is there and not going: an Ingress or an HTTPRoute. It is
// named after its host.
type Route struct {
	kinds.Object
	Kind v1alpha1.RouteKind
}

// ttlAnnotations say how long resolvers keep the DNS record that external-dns makes
// of a route, under its present prefix and its former one.
var ttlAnnotations = []string{"external-dns.kubernetes.io/ttl", "external-dns.alpha.kubernetes.io/ttl"}

// TTL is how long resolvers keep the DNS record of a route with some annotations; zero if they do not say.
func TTL[T ~string](annotations map[string]T) time.Duration {
	for _, key := range ttlAnnotations {
		text := string(annotations[key])
		ttl, err := time.ParseDuration(text)
		if seconds, parseErr := strconv.ParseInt(text, 10, 32); parseErr == nil {
			ttl, err = time.Duration(seconds)*time.Second, nil
		}
		if err == nil && ttl > 0 {
			return ttl
		}
	}
	return 0
}

// hidingAnnotations keep external-dns from a route. It keeps the address of the route that
// it made a record of, so that the record would follow only once that route is gone.
var hidingAnnotations = []string{"external-dns.kubernetes.io/controller", "external-dns.alpha.kubernetes.io/controller"}

// LongestOverlap bounds what an annotation can ask for.
const LongestOverlap = 24 * time.Hour

// Host is the host that the route is of.
func (r Route) Host() string { return kinds.HostNamed(r) }

// Hidden reports whether a route is hidden from external-dns.
func (r Route) Hidden() bool {
	return r.GetAnnotations()[hidingAnnotations[0]] == v1alpha1.FieldManager
}

// ReplacedAt is when a route became a former one, or was hidden from external-dns; zero if
// neither is noted on it.
func (r Route) ReplacedAt() time.Time {
	at, err := time.Parse(time.RFC3339, r.GetAnnotations()[v1alpha1.ReplacedAnnotation])
	if err != nil {
		return time.Time{}
	}
	return at
}

// annotated is the route as it is, with other annotations.
func (r Route) annotated(change func(map[string]string)) kinds.Object {
	annotated := r.DeepCopyObject().(kinds.Object)
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

// Retire is the route with a note that it is a former one, from now on.
func (r Route) Retire(now time.Time) kinds.Object {
	return r.annotated(func(annotations map[string]string) {
		annotations[v1alpha1.ReplacedAnnotation] = now.UTC().Format(time.RFC3339)
	})
}

// Hide is the route hidden from external-dns, from now on.
func (r Route) Hide(now time.Time) kinds.Object {
	return r.annotated(func(annotations map[string]string) {
		annotations[v1alpha1.ReplacedAnnotation] = now.UTC().Format(time.RFC3339)
		for _, key := range hidingAnnotations {
			annotations[key] = v1alpha1.FieldManager
		}
	})
}

// Show is the route in sight of external-dns again.
func (r Route) Show() kinds.Object {
	return r.annotated(func(annotations map[string]string) {
		for _, key := range append([]string{v1alpha1.ReplacedAnnotation}, hidingAnnotations...) {
			delete(annotations, key)
		}
	})
}

// HasWidget reports whether a route, nil for none, leads to the widget server.
func HasWidget(route *Route) bool {
	if route == nil {
		return false
	}
	if ingress, ok := route.Object.(*networkingv1.Ingress); ok {
		return slices.ContainsFunc(ingress.Spec.Rules, func(rule networkingv1.IngressRule) bool {
			return rule.HTTP != nil && slices.ContainsFunc(rule.HTTP.Paths, func(path networkingv1.HTTPIngressPath) bool {
				return path.Path == kinds.WidgetPath
			})
		})
	}
	return slices.ContainsFunc(route.Object.(*gatewayv1.HTTPRoute).Spec.Rules, func(rule gatewayv1.HTTPRouteRule) bool {
		return slices.ContainsFunc(rule.Matches, func(match gatewayv1.HTTPRouteMatch) bool {
			return match.Path != nil && ptr.Deref(match.Path.Value, "") == kinds.WidgetPath
		})
	})
}

// AddressesOf are where a route is served, as far as its controller says: IP addresses or
// host names, sorted. gateway is the one that an HTTPRoute is attached to; nil if it is not
// there.
func AddressesOf(route kinds.Object, gateway *gatewayv1.Gateway) []string {
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
	return addresses[:min(len(addresses), MostAddresses)]
}

// MostAddresses is how many the schema lets a status have.
const MostAddresses = 16
