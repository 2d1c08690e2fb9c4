package tenant

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
)

// said is a condition of an object of cert-manager's.
type said struct {
	status, reason, message string
	// outdated tells that it is about an earlier generation of the object.
	outdated bool
}

// saidOf finds a condition; its zero value if there is none.
func saidOf(object *unstructured.Unstructured, condition string) said {
	if object == nil {
		return said{}
	}
	observed, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, entry := range observed {
		fields, ok := entry.(map[string]any)
		if !ok || fields["type"] != condition {
			continue
		}
		text := func(key string) string { value, _ := fields[key].(string); return value }
		generation, given := fields["observedGeneration"].(int64)
		return said{text("status"), text("reason"), text("message"), given && generation != object.GetGeneration()}
	}
	return said{}
}

// certificateUnready says why the certificate is not issued as it is asked for now,
// by the link that is broken; nil if it is.
func (e *evaluation) certificateUnready() *conditions.Finding {
	host := string(e.in.Partner.Spec.Subdomain.Host)
	name := fmt.Sprintf("Certificate %s/%s", objects.NamespaceOf(e.in.Partner), host)
	unready := func(reason v1alpha1.Reason, progress conditions.Progress, why string) *conditions.Finding {
		return broken(reason, progress, "%s is not issued: %s", name, strings.TrimSuffix(why, "."))
	}
	certificate, _ := e.in.Child(kinds.CertificateGVK.Kind, host).(*unstructured.Unstructured)
	if certificate == nil {
		return unready(v1alpha1.ReasonCertificatePending, conditions.Waiting, "it is about to be created")
	}
	ready := saidOf(certificate, "Ready")
	// One that served before its last change goes on until cert-manager has taken that up.
	if ready.status == "True" && (!ready.outdated || e.servedBefore(host)) {
		e.renewal = e.renewalFailed(certificate)
		return nil
	}
	if issuing := saidOf(certificate, "Issuing"); issuing.status == "False" && issuing.reason == "Failed" {
		return unready(v1alpha1.ReasonCertificateFailed, conditions.Stalled, issuing.message)
	}
	switch request := saidOf(e.in.CertificateRequest, "Ready"); {
	case request.status == "False" && request.reason == "Failed":
		return unready(v1alpha1.ReasonCertificateFailed, conditions.Stalled, request.message)
	case saidOf(e.in.CertificateRequest, "Denied").status == "True":
		return unready(v1alpha1.ReasonCertificateFailed, conditions.Stalled, "it was denied: "+saidOf(e.in.CertificateRequest, "Denied").message)
	case request.status == "False" && issuerTrouble(request.message):
		return unready(v1alpha1.ReasonIssuerNotReady, conditions.Stalled, request.message)
	case request.status == "False" && request.message != "":
		return unready(v1alpha1.ReasonCertificatePending, conditions.Waiting, request.message)
	}
	if ready.status == "True" {
		return unready(v1alpha1.ReasonCertificatePending, conditions.Waiting, "cert-manager has not taken up its last change yet")
	}
	return unready(v1alpha1.ReasonCertificatePending, conditions.Waiting, cmp.Or(ready.message, "cert-manager has not said anything about it yet"))
}

// issuerTrouble reports whether a pending CertificateRequest waits for somebody to
// create or fix its issuer. cert-manager has no reason of its own for it.
func issuerTrouble(message string) bool {
	return strings.HasPrefix(message, "Referenced ") && (strings.Contains(message, " not found") || strings.Contains(message, "does not have a Ready status condition")) ||
		strings.HasPrefix(message, "Error getting keypair for CA issuer") || strings.HasPrefix(message, "Referenced secret")
}

// renewalFailed tells that a certificate that serves could not be renewed; nil if
// there is nothing to tell.
func (e *evaluation) renewalFailed(certificate *unstructured.Unstructured) *conditions.Finding {
	why := ""
	switch issuing, request := saidOf(certificate, "Issuing"), saidOf(e.in.CertificateRequest, "Ready"); {
	case issuing.status == "False" && issuing.reason == "Failed":
		why = issuing.message
	case issuing.status == "True" && request.status == "False" && (request.reason == "Failed" || issuerTrouble(request.message)):
		why = request.message
	default:
		return nil
	}
	expiry, _, _ := unstructured.NestedString(certificate.Object, "status", "notAfter")
	return new(conditions.True(v1alpha1.ConditionCertificateRenewalFailed, v1alpha1.ReasonRenewalFailed, fmt.Sprintf(
		"Certificate %s/%s could not be renewed and expires at %s: %s",
		certificate.GetNamespace(), certificate.GetName(), cmp.Or(expiry, "a time that cert-manager does not say"), strings.TrimSuffix(why, "."))))
}
