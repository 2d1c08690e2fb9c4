package kinds

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Names of the objects in a tenant namespace. A sub-domain's route,
// Certificate and certificate Secret are named after the host, so that those of a
// new host stand beside those of the old one.
const (
	IsolationName      = "dispel-isolation"
	AdministratorsName = "dispel-administrators"
	QuotaName          = "dispel-quota"
	ContractName       = "dispel-support"
	EngineServiceName  = "dispel-engine"
	WidgetServiceName  = "dispel-support-widget"

	// WidgetPath is the path on the sub-domain that the widget server has.
	WidgetPath = "/.dispel/support"
	// ContractKey is the key of the contract in its ConfigMap.
	ContractKey = "support.json"
)

// secondSuffix ends the name of a second route of a host. No host ends so: its last label would be a number.
const secondSuffix = ".2"

// RouteNames are the names that the operator gives a host's routes of one kind, and their listeners: that of the
// host and, if it is not too long, one for a route beside it, which takes its place.
func RouteNames(host string) []string {
	if len(host)+len(secondSuffix) > validation.DNS1123SubdomainMaxLength {
		return []string{host}
	}
	return []string{host, host + secondSuffix}
}

// HostNamed is the host after which an object is named, if it is after one.
func HostNamed(object metav1.Object) string {
	return strings.TrimSuffix(object.GetName(), secondSuffix)
}

// CertificateGVK is cert-manager's Certificate. It is read and written without
// cert-manager's Go types, whose module brings a few hundred others.
var CertificateGVK = schema.GroupVersionKind{Group: "cert-manager.io", Version: "v1", Kind: "Certificate"}

// CertificateRequestGVK is what cert-manager makes of a Certificate to have it
// signed. Only there does it say what is wrong with an issuer.
var CertificateRequestGVK = schema.GroupVersionKind{Group: CertificateGVK.Group, Version: CertificateGVK.Version, Kind: "CertificateRequest"}

// ServersTransportGVK and TraefikServiceGVK are Traefik's, which are written without its Go
// types: its module brings a thousand others.
var (
	ServersTransportGVK = schema.GroupVersionKind{Group: "traefik.io", Version: "v1alpha1", Kind: "ServersTransport"}
	TraefikServiceGVK   = ServersTransportGVK.GroupVersion().WithKind("TraefikService")
)

// CertificateNameAnnotation is cert-manager's, on CertificateRequests and on the
// Secrets that it writes: the name of the Certificate that they are of.
const CertificateNameAnnotation = "cert-manager.io/certificate-name"

// ReservedNames are the names of the objects in a tenant namespace that are the
// operator's by their name alone, whoever made them. The admission policies keep
// others from every name that starts with dispel-.
var ReservedNames = func() (names []string) {
	for _, kind := range All {
		names = append(names, kind.Names...)
	}
	return names
}()
