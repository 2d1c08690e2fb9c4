package objects

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// NamespaceOf is the name of the tenant namespace that a Partner declares.
func NamespaceOf(partner *v1alpha1.Partner) string {
	if partner.Spec.Tenant != nil && partner.Spec.Tenant.Namespace != "" {
		return string(partner.Spec.Tenant.Namespace)
	}
	return DefaultNamespace(partner.Name)
}

// HostOf is the host that a Partner declares; empty if it declares none.
func HostOf(partner *v1alpha1.Partner) string {
	if partner.Spec.Subdomain == nil {
		return ""
	}
	return string(partner.Spec.Subdomain.Host)
}

// DefaultNamespace is the name of the tenant namespace of a Partner that names none.
func DefaultNamespace(partner string) string {
	return "partner-" + partner
}

// NotedHosts are the hosts that the operator noted on a tenant namespace, for the
// admission policies.
func NotedHosts(namespace metav1.Object) []string {
	return strings.FieldsFunc(namespace.GetAnnotations()[v1alpha1.HostsAnnotation], func(r rune) bool { return r == ',' })
}

// ReservedBy is the partner for which a namespace keeps the hosts that it notes, if that is
// another than the given one; empty if it keeps them for nobody else.
func ReservedBy(namespace metav1.Object, partner string) string {
	holder := HolderOf(namespace)
	if holder == partner || namespace.GetDeletionTimestamp() != nil {
		return ""
	}
	return holder
}

// AdoptableByAnother reports whether a namespace has an annotation by which another Partner
// than the given one, which has it, could adopt it.
func AdoptableByAnother(namespace metav1.Object, partner string) bool {
	adopter, annotated := namespace.GetAnnotations()[v1alpha1.AdoptAnnotation]
	return annotated && adopter != partner
}

// NoteOf is how hosts are noted on a namespace.
func NoteOf(hosts []string) string { return strings.Join(hosts, ",") }

// HolderOf is the partner whose tenant namespace one is, by its label; empty if it is
// none's. The admission policies keep the label out of the tenants' hands.
func HolderOf(namespace metav1.Object) string {
	return namespace.GetLabels()[v1alpha1.PartnerLabel]
}

// Labels are on all that the operator makes for a partner.
func Labels(partner string) map[string]string {
	return map[string]string{
		v1alpha1.PartnerLabel:   partner,
		v1alpha1.ManagedByLabel: v1alpha1.FieldManager,
	}
}

// HandOverOf is the host that the Partner hands over, and to whom; the zero value if it
// hands none over.
func HandOverOf(partner *v1alpha1.Partner) v1alpha1.HandOver {
	if partner == nil || partner.Spec.HandOver == nil || string(partner.Spec.HandOver.PartnerRef.Name) == partner.Name {
		return v1alpha1.HandOver{}
	}
	return *partner.Spec.HandOver
}
