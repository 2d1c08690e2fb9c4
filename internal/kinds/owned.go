package kinds

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Owned reports whether an object in a partner's namespace, of a kind that the
// operator makes there, is the operator's: by a reserved name, by the name of a host
// that the partner declares or holds, or because it carries what the operator puts on
// everything that it applies. Names come first, since a tenant's administrator may
// be able to change labels. Of Secrets, those with the certificate of an own Certificate are:
// cert-manager writes them, and leaves them when the Certificate goes.
func Owned(object Object, partner string, hosts []string) bool {
	if Of(object).Exposure == ByCertificateKey {
		return object.GetLabels()[v1alpha1.PartnerLabel] == partner && object.GetLabels()[v1alpha1.ManagedByLabel] == v1alpha1.FieldManager &&
			object.GetAnnotations()[CertificateNameAnnotation] == object.GetName()
	}
	name := object.GetName()
	if exposure := Of(object).Exposure; exposure == ByRoute || exposure == ByListener {
		name = HostNamed(object)
	}
	if slices.Contains(ReservedNames, name) || slices.Contains(hosts, name) {
		return true
	}
	return object.GetLabels()[v1alpha1.PartnerLabel] == partner && Marked(object)
}

// stubAnnotation marks what a cache holds of an object that is too large to be kept whole.
const stubAnnotation = "partner.dispel.com/stub"

// MarkStub marks an object of which only the names and hosts are known, so that it is not
// written as it is.
func MarkStub(object metav1.Object) {
	object.SetAnnotations(map[string]string{stubAnnotation: "true"})
}

// Writable reports whether enough is known of a route to write it as it is, with other
// annotations: it is whole, and has one host, after which it is named.
func Writable(object Object) bool {
	return object.GetAnnotations()[stubAnnotation] == "" && NamedAfterHost(object)
}

// Marked reports whether an object bears what the operator puts on everything that it
// applies, and what the admission policies keep out of the tenants' hands.
func Marked(object metav1.Object) bool {
	return object.GetLabels()[v1alpha1.ManagedByLabel] == v1alpha1.FieldManager && object.GetAnnotations()[v1alpha1.AppliedAnnotation] != ""
}

// Ignored are objects of one kind that were not read, or not whole, since they exceed what
// is read of a namespace.
type Ignored struct {
	// Kind is theirs.
	Kind string `json:"kind"`
	// Example is the name of one of them; it may be empty.
	Example string `json:"example,omitempty"`
}
