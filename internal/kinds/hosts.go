package kinds

import (
	"math"
	"regexp"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// Hosts are the hosts that a route, a ListenerSet or a Gateway takes, or that a
// Certificate is for: those that a Partner could declare. Wildcards are left out, over
// which a host's own objects take precedence, and names of Services. Other objects have
// none.
func Hosts(object runtime.Object) []string {
	hosts, _ := FirstHosts(object, math.MaxInt)
	return hosts
}

// FirstHosts are the first of an object's Hosts, up to a number of them, and whether it has
// more.
func FirstHosts(object runtime.Object, most int) (hosts []string, more bool) {
	seen := sets.New[string]()
	kind := OfType(object)
	if kind == nil || kind.hosts == nil {
		return nil, false
	}
	for host := range kind.hosts(object.(Object)) {
		if !declarable(host) || seen.Has(host) {
			continue
		}
		if len(hosts) == most {
			return hosts, true
		}
		seen.Insert(host)
		hosts = append(hosts, host)
	}
	return hosts, false
}

// declarable reports whether a host can be one that a Partner declares, or holds.
func declarable(host string) bool {
	return host != "" && len(host) <= validation.DNS1123SubdomainMaxLength && !strings.Contains(host, "*") &&
		!strings.HasSuffix(host, ".svc") && !strings.Contains(host, ".svc.") && !strings.HasSuffix(host, ".cluster.local")
}

// SolverLabel is cert-manager's, on what answers for it that a host is the partner's.
const SolverLabel = "acme.cert-manager.io/http01-solver"

// solverPath is where an authority asks, for a token of letters, digits, - and _.
var solverPath = regexp.MustCompile(`^/\.well-known/acme-challenge/[-_A-Za-z0-9]+$`)

// Solver reports whether a route is one that cert-manager made to prove by HTTP-01 that a host
// is the partner's: by its label, and because it leads nothing else anywhere.
func Solver(object metav1.Object) bool {
	if object.GetLabels()[SolverLabel] == "" {
		return false
	}
	var paths []string
	switch object := object.(type) {
	case *networkingv1.Ingress:
		if object.Spec.DefaultBackend != nil {
			return false
		}
		for _, rule := range object.Spec.Rules {
			if rule.HTTP == nil {
				return false
			}
			for _, path := range rule.HTTP.Paths {
				if ptr.Deref(path.PathType, "") == networkingv1.PathTypePrefix {
					return false
				}
				paths = append(paths, path.Path)
			}
		}
	case *gatewayv1.HTTPRoute:
		for _, rule := range object.Spec.Rules {
			if len(rule.Matches) == 0 {
				return false
			}
			for _, match := range rule.Matches {
				if match.Path == nil || ptr.Deref(match.Path.Type, gatewayv1.PathMatchPathPrefix) != gatewayv1.PathMatchExact {
					return false
				}
				paths = append(paths, ptr.Deref(match.Path.Value, ""))
			}
		}
	}
	return len(paths) > 0 && !slices.ContainsFunc(paths, func(path string) bool { return !solverPath.MatchString(path) })
}

// NamedAfterHost reports whether an object has one host and is named after it, as those are
// that the operator makes. Of other objects that take hosts, only the hosts matter.
func NamedAfterHost(object Object) bool {
	hosts, more := FirstHosts(object, 1)
	return !more && slices.Equal(hosts, []string{HostNamed(object)})
}

// AttachedTo are the Gateways that an HTTPRoute or a ListenerSet names as its parent,
// as namespace/name. Other objects have none.
func AttachedTo(object runtime.Object) []string {
	if kind := OfType(object); kind != nil && kind.parents != nil {
		return kind.parents(object.(Object))
	}
	return nil
}
