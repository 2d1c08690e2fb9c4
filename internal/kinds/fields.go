package kinds

import (
	"iter"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// What the table of kinds knows of the fields of each.

// byName has all kinds, and byType those with a Go type of their own.
var (
	byName = map[string]*Kind{}
	byType = map[reflect.Type]*Kind{}
)

func init() {
	for i := range All {
		byName[All[i].Kind] = &All[i]
		switch All[i].object.(type) {
		case *unstructured.Unstructured:
		default:
			byType[reflect.TypeOf(All[i].object)] = &All[i]
		}
	}
}

// on, in, set, by and carry make functions of one Go type ones of any object.
func on[T Object](f func(T)) func(Object) { return func(o Object) { f(o.(T)) } }

func in[T Object](f func(T) iter.Seq[string]) func(Object) iter.Seq[string] {
	return func(o Object) iter.Seq[string] { return f(o.(T)) }
}

func set[T Object](f func(T, []string)) func(Object, []string) {
	return func(o Object, hosts []string) { f(o.(T), hosts) }
}

func by[T Object](f func(T) []string) func(Object) []string {
	return func(o Object) []string { return f(o.(T)) }
}

func carry[T Object](f func(to, from T)) func(to, from Object) {
	return func(to, from Object) { f(to.(T), from.(T)) }
}

func names(hostnames []gatewayv1.Hostname) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, hostname := range hostnames {
			if !yield(string(hostname)) {
				return
			}
		}
	}
}

func hostnames(hosts []string) []gatewayv1.Hostname {
	var hostnames []gatewayv1.Hostname
	for _, host := range hosts {
		hostnames = append(hostnames, gatewayv1.Hostname(host))
	}
	return hostnames
}

// ingressHosts are those of the rules, and those of TLS, of which some tools make DNS records
// and certificates.
func ingressHosts(ingress *networkingv1.Ingress) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, rule := range ingress.Spec.Rules {
			if !yield(rule.Host) {
				return
			}
		}
		for _, tls := range ingress.Spec.TLS {
			for _, host := range tls.Hosts {
				if !yield(host) {
					return
				}
			}
		}
	}
}

func setIngressHosts(ingress *networkingv1.Ingress, hosts []string) {
	for _, host := range hosts {
		ingress.Spec.Rules = append(ingress.Spec.Rules, networkingv1.IngressRule{Host: host})
	}
}

func gatewayHosts(gateway *gatewayv1.Gateway) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, listener := range gateway.Spec.Listeners {
			if !yield(string(ptr.Deref(listener.Hostname, ""))) {
				return
			}
		}
	}
}

func setGatewayHosts(gateway *gatewayv1.Gateway, hosts []string) {
	for _, hostname := range hostnames(hosts) {
		gateway.Spec.Listeners = append(gateway.Spec.Listeners, gatewayv1.Listener{Hostname: &hostname})
	}
}

func listenerSetHosts(set *gatewayv1.ListenerSet) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, listener := range set.Spec.Listeners {
			if !yield(string(ptr.Deref(listener.Hostname, ""))) {
				return
			}
		}
	}
}

func setListenerSetHosts(set *gatewayv1.ListenerSet, hosts []string) {
	for _, hostname := range hostnames(hosts) {
		set.Spec.Listeners = append(set.Spec.Listeners, gatewayv1.ListenerEntry{Hostname: &hostname})
	}
}

func certificateHosts(certificate *unstructured.Unstructured) iter.Seq[string] {
	return func(yield func(string) bool) {
		if common, _, _ := unstructured.NestedString(certificate.Object, "spec", "commonName"); !yield(common) {
			return
		}
		names, _, _ := unstructured.NestedFieldNoCopy(certificate.Object, "spec", "dnsNames")
		list, _ := names.([]any)
		for _, name := range list {
			if host, ok := name.(string); ok && !yield(host) {
				return
			}
		}
	}
}

func setCertificateHosts(certificate *unstructured.Unstructured, hosts []string) {
	_ = unstructured.SetNestedStringSlice(certificate.Object, hosts, "spec", "dnsNames") // an empty object takes it
}

func routeParents(route *gatewayv1.HTTPRoute) []string {
	var gateways []string
	for _, parent := range route.Spec.ParentRefs {
		gateways = append(gateways, parentGateway(parent.Kind, parent.Namespace, route.Namespace, parent.Name)...)
	}
	return gateways
}

func listenerSetParents(set *gatewayv1.ListenerSet) []string {
	parent := set.Spec.ParentRef
	return parentGateway(parent.Kind, parent.Namespace, set.Namespace, parent.Name)
}

// parentGateway is a parent as namespace/name; none if it is no Gateway.
func parentGateway(kind *gatewayv1.Kind, namespace *gatewayv1.Namespace, own string, name gatewayv1.ObjectName) []string {
	if ptr.Deref(kind, "Gateway") != "Gateway" {
		return nil
	}
	return []string{string(ptr.Deref(namespace, gatewayv1.Namespace(own))) + "/" + string(name)}
}

func keepUntypedStatus(to, from *unstructured.Unstructured) {
	if status, ok := from.Object["status"]; ok {
		to.Object["status"] = status
	}
}

// stripQuota forgets what kube-controller-manager counts.
func stripQuota(quota *corev1.ResourceQuota) { quota.Status = corev1.ResourceQuotaStatus{} }

// stripGateway leaves of a Gateway its class, whom it lets attach ListenerSets, where its
// listeners are, and what its controller says of all of it.
func stripGateway(gateway *gatewayv1.Gateway) {
	gateway.Labels, gateway.Annotations = nil, nil
	listeners := make([]gatewayv1.Listener, 0, len(gateway.Spec.Listeners))
	for _, l := range gateway.Spec.Listeners {
		listeners = append(listeners, gatewayv1.Listener{Name: l.Name, Hostname: l.Hostname, Port: l.Port, Protocol: l.Protocol})
	}
	gateway.Spec = gatewayv1.GatewaySpec{GatewayClassName: gateway.Spec.GatewayClassName, Listeners: listeners, AllowedListeners: gateway.Spec.AllowedListeners}
	gateway.Status.Listeners = nil // which count routes
}

const (
	// maxSaid is how many conditions of a CertificateRequest are kept, and maxWords how long a
	// message of cert-manager's is, in bytes.
	maxSaid, maxWords = 6, 1 << 10
)

// stripCertificateRequest leaves of a CertificateRequest which Certificate it is of, and what
// cert-manager says of it. What it asks to have signed is large, and nobody reads it.
func stripCertificateRequest(request *unstructured.Unstructured) {
	var said []any
	all, _, _ := unstructured.NestedSlice(request.Object, "status", "conditions")
	for _, condition := range all {
		fields, ok := condition.(map[string]any)
		if !ok || len(said) == maxSaid {
			continue
		}
		words := map[string]any{}
		for _, key := range []string{"type", "status", "reason", "message"} {
			if word, ok := fields[key].(string); ok {
				words[key] = strings.Clone(strings.ToValidUTF8(word[:min(len(word), maxWords)], ""))
			}
		}
		said = append(said, words)
	}
	certificate := request.GetAnnotations()[CertificateNameAnnotation]
	request.SetAnnotations(nil) // of others, there can be many
	if certificate != "" && len(certificate) <= maxName {
		request.SetAnnotations(map[string]string{CertificateNameAnnotation: certificate})
	}
	request.SetLabels(nil)
	unstructured.RemoveNestedField(request.Object, "spec")
	delete(request.Object, "status")
	if said != nil {
		request.Object["status"] = map[string]any{"conditions": slices.Clip(said)}
	}
}

// maxName is how long a name can be.
const maxName = 253
