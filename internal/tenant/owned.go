package tenant

import (
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// ReservedNames are the names of the objects in a tenant namespace that are the
// operator's by their name alone, whoever made them. The admission policies keep
// others from every name that starts with dispel-.
var ReservedNames = func() (names []string) {
	for _, kind := range Kinds {
		names = append(names, kind.Names...)
	}
	return names
}()

// Owned reports whether an object in a partner's namespace, of a kind that the
// operator makes there, is the operator's: by a reserved name, by the name of a host
// that the partner declares or holds, or because it carries what the operator puts on
// everything that it applies. Names come first, since a tenant's administrator may
// be able to change labels. Of Secrets, those with the certificate of an own Certificate are:
// cert-manager writes them, and leaves them when the Certificate goes.
func Owned(object Object, partner string, hosts []string) bool {
	if KindOf(object).Exposure == ByCertificateKey {
		return object.GetLabels()[v1alpha1.PartnerLabel] == partner && object.GetLabels()[v1alpha1.ManagedByLabel] == v1alpha1.FieldManager &&
			object.GetAnnotations()[CertificateNameAnnotation] == object.GetName()
	}
	if slices.Contains(ReservedNames, object.GetName()) || slices.Contains(hosts, object.GetName()) {
		return true
	}
	labels := object.GetLabels()
	return labels[v1alpha1.PartnerLabel] == partner && labels[v1alpha1.ManagedByLabel] == v1alpha1.FieldManager &&
		object.GetAnnotations()[v1alpha1.AppliedAnnotation] != ""
}

// Hosts are the hosts that a route, a ListenerSet or a Gateway takes, or that a
// Certificate is for, without wildcards, over which a host's own objects take
// precedence. Other objects have none.
func Hosts(object runtime.Object) []string {
	var hosts []string
	add := func(host string) {
		if host != "" && !strings.Contains(host, "*") && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	named := func(hostnames []gatewayv1.Hostname) {
		for _, hostname := range hostnames {
			add(string(hostname))
		}
	}
	switch object := object.(type) {
	case *networkingv1.Ingress:
		for _, rule := range object.Spec.Rules {
			add(rule.Host)
		}
		for _, tls := range object.Spec.TLS {
			for _, host := range tls.Hosts {
				add(host) // some tools make DNS records and certificates of it
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
			add(string(ptr.Deref(listener.Hostname, "")))
		}
	case *gatewayv1.Gateway:
		for _, listener := range object.Spec.Listeners {
			add(string(ptr.Deref(listener.Hostname, "")))
		}
	case *unstructured.Unstructured:
		if object.GroupVersionKind() == CertificateGVK {
			names, _, _ := unstructured.NestedStringSlice(object.Object, "spec", "dnsNames")
			common, _, _ := unstructured.NestedString(object.Object, "spec", "commonName")
			for _, name := range append(names, common) {
				add(name)
			}
		}
	}
	return hosts
}

// NamedAfterHost reports whether an object has one host and is named after it, as those are
// that the operator makes. Of other objects that take hosts, only the hosts matter.
func NamedAfterHost(object Object) bool {
	return slices.Equal(Hosts(object), []string{object.GetName()})
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
