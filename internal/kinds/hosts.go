package kinds

import (
	"iter"
	"math"
	"regexp"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
	for host := range hostsOf(object) {
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

// hostsOf yields what an object has for hosts, some of them several times.
func hostsOf(object runtime.Object) iter.Seq[string] {
	return func(yield func(string) bool) {
		named := func(hostnames []gatewayv1.Hostname) {
			for _, hostname := range hostnames {
				if !yield(string(hostname)) {
					return
				}
			}
		}
		switch object := object.(type) {
		case *networkingv1.Ingress:
			for _, rule := range object.Spec.Rules {
				if !yield(rule.Host) {
					return
				}
			}
			for _, tls := range object.Spec.TLS {
				for _, host := range tls.Hosts { // some tools make DNS records and certificates of it
					if !yield(host) {
						return
					}
				}
			}
		case *gatewayv1.HTTPRoute:
			named(object.Spec.Hostnames)
		case *gatewayv1.GRPCRoute:
			named(object.Spec.Hostnames)
		case *gatewayv1.TLSRoute:
			named(object.Spec.Hostnames)
		case *gatewayv1.ListenerSet:
			for _, listener := range object.Spec.Listeners {
				if !yield(string(ptr.Deref(listener.Hostname, ""))) {
					return
				}
			}
		case *gatewayv1.Gateway:
			for _, listener := range object.Spec.Listeners {
				if !yield(string(ptr.Deref(listener.Hostname, ""))) {
					return
				}
			}
		case *unstructured.Unstructured:
			if object.GroupVersionKind() != CertificateGVK {
				return
			}
			if common, _, _ := unstructured.NestedString(object.Object, "spec", "commonName"); !yield(common) {
				return
			}
			names, _, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "dnsNames")
			for _, name := range asList(names) {
				if host, ok := name.(string); ok && !yield(host) {
					return
				}
			}
		}
	}
}

func asList(value any) []any {
	list, _ := value.([]any)
	return list
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
	return !more && slices.Equal(hosts, []string{object.GetName()})
}

// AttachedTo are the Gateways that an HTTPRoute or a ListenerSet names as its parent,
// as namespace/name. Other objects have none.
func AttachedTo(object runtime.Object) []string {
	var gateways []string
	add := func(kind *gatewayv1.Kind, namespace *gatewayv1.Namespace, own string, name gatewayv1.ObjectName) {
		if ptr.Deref(kind, "Gateway") == "Gateway" {
			gateways = append(gateways, string(ptr.Deref(namespace, gatewayv1.Namespace(own)))+"/"+string(name))
		}
	}
	switch object := object.(type) {
	case *gatewayv1.HTTPRoute:
		for _, parent := range object.Spec.ParentRefs {
			add(parent.Kind, parent.Namespace, object.Namespace, parent.Name)
		}
	case *gatewayv1.ListenerSet:
		parent := object.Spec.ParentRef
		add(parent.Kind, parent.Namespace, object.Namespace, parent.Name)
	}
	return gateways
}
