package hosts

import (
	"cmp"
	"fmt"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

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

// certificate is that of the declared host.
type certificate struct {
	// issuer is who signs it; nil if nobody does.
	issuer *v1alpha1.IssuerReference
	// secret is the Secret whose certificate the route serves: as long as the certificate that is
	// declared is not there, the one that it serves already. It is empty if TLS is not ended here.
	secret string
	// held tells that it is not to be ordered yet.
	held bool
	// broken says why it is not there; nil if it is, or is not the partner's.
	broken *conditions.Finding
	// renewal tells that it serves, and could not be renewed; nil if there is nothing to tell.
	renewal *conditions.Finding
}

// certificate finds the certificate with which a route is served. That of a Gateway's own
// listener is not the partner's.
func (p *planner) certificate(via objects.GatewayLink) certificate {
	own := p.build.GatewayRef() == nil || via.Own
	c := certificate{secret: p.build.TLSSecret()}
	if own {
		c.issuer = p.build.Issuer()
	}
	var unready *conditions.Finding
	there := p.SecretFound
	c.held = p.Order != nil && c.issuer != nil && p.Child(kinds.CertificateGVK.Kind, objects.HostOf(p.Partner)) == nil
	if c.issuer != nil {
		if p.APIs.CertManager {
			unready, c.renewal = p.certificateUnready()
		}
		there = p.APIs.CertManager && unready == nil
	}
	switch {
	case !own:
	case c.issuer != nil && p.Settings.WithoutCertManager:
		c.broken = broken(v1alpha1.ReasonAPINotInstalled, conditions.Stalled,
			"a certificate from %s is asked for, and the operator runs with --cert-manager=false: leave that flag out, or bring a certificate in spec.subdomain.tls.secretName", c.issuer.Name)
	case c.issuer != nil && !p.APIs.CertManager:
		c.broken = broken(v1alpha1.ReasonAPINotInstalled, conditions.Stalled,
			"a certificate from %s is asked for, and cert-manager's API is not installed: install cert-manager, or bring a certificate in spec.subdomain.tls.secretName", c.issuer.Name)
	case c.issuer == nil && c.secret != "" && !there:
		c.broken = broken(v1alpha1.ReasonSecretNotFound, conditions.Waiting,
			"there is no Secret %s/%s with the certificate: create it, or name another in spec.subdomain.tls.secretName", objects.NamespaceOf(p.Partner), c.secret)
	case c.held:
		c.broken = new(p.Order.Held(objects.HostOf(p.Partner)))
	default:
		c.broken = unready
	}
	if c.secret != "" && !there {
		c.secret = cmp.Or(p.servedSecret(), c.secret)
	}
	return c
}

// servedSecret is the Secret that a route of the declared kind names at present; empty if it names none.
func (p *planner) servedSecret() string {
	host := objects.HostOf(p.Partner)
	names := []string{p.build.DeclaredRoute()}
	if before := p.Partner.Status.Subdomain; before != nil && before.RouteName != "" {
		names = append(names, before.RouteName)
	}
	for _, name := range append(names, kinds.RouteNames(host)...) {
		if p.build.GatewayRef() == nil {
			if ingress, ok := p.Child(kinds.Ingress, name).(*networkingv1.Ingress); ok && len(ingress.Spec.TLS) > 0 {
				return ingress.Spec.TLS[0].SecretName
			}
		} else if set, ok := p.Child(kinds.ListenerSet, name).(*gatewayv1.ListenerSet); ok && len(set.Spec.Listeners) > 0 {
			if tls := set.Spec.Listeners[0].TLS; tls != nil && len(tls.CertificateRefs) > 0 {
				return string(tls.CertificateRefs[0].Name)
			}
		}
	}
	return ""
}

// certificateUnready says why the certificate is not issued as it is asked for now,
// by the link that is broken; nil if it is, with what is to be told of its renewal.
func (p *planner) certificateUnready() (link, renewal *conditions.Finding) {
	host := string(p.Partner.Spec.Subdomain.Host)
	name := fmt.Sprintf("Certificate %s/%s", objects.NamespaceOf(p.Partner), host)
	unready := func(reason v1alpha1.Reason, progress conditions.Progress, why string) *conditions.Finding {
		return broken(reason, progress, "%s is not issued: %s", name, strings.TrimSuffix(why, "."))
	}
	certificate, _ := p.Child(kinds.CertificateGVK.Kind, host).(*unstructured.Unstructured)
	if certificate == nil {
		return unready(v1alpha1.ReasonCertificatePending, conditions.Waiting, "it is about to be created"), nil
	}
	ready := saidOf(certificate, "Ready")
	// One that served before its last change goes on until cert-manager has taken that up.
	if ready.status == "True" && (!ready.outdated || p.servedBefore(host)) {
		return nil, p.renewalFailed(certificate)
	}
	if issuing := saidOf(certificate, "Issuing"); issuing.status == "False" && issuing.reason == "Failed" {
		return unready(v1alpha1.ReasonCertificateFailed, conditions.Stalled, issuing.message), nil
	}
	switch request := saidOf(p.CertificateRequest, "Ready"); {
	case request.status == "False" && request.reason == "Failed":
		return unready(v1alpha1.ReasonCertificateFailed, conditions.Stalled, request.message), nil
	case saidOf(p.CertificateRequest, "Denied").status == "True":
		return unready(v1alpha1.ReasonCertificateFailed, conditions.Stalled, "it was denied: "+saidOf(p.CertificateRequest, "Denied").message), nil
	case request.status == "False" && issuerTrouble(request.message):
		return unready(v1alpha1.ReasonIssuerNotReady, conditions.Stalled, request.message), nil
	case request.status == "False" && request.message != "":
		return unready(v1alpha1.ReasonCertificatePending, conditions.Waiting, request.message), nil
	}
	if ready.status == "True" {
		return unready(v1alpha1.ReasonCertificatePending, conditions.Waiting, "cert-manager has not taken up its last change yet"), nil
	}
	return unready(v1alpha1.ReasonCertificatePending, conditions.Waiting, cmp.Or(ready.message, "cert-manager has not said anything about it yet")), nil
}

// issuerTrouble reports whether a pending CertificateRequest waits for somebody to
// create or fix its issuer. cert-manager has no reason of its own for it.
func issuerTrouble(message string) bool {
	return strings.HasPrefix(message, "Referenced ") && (strings.Contains(message, " not found") || strings.Contains(message, "does not have a Ready status condition")) ||
		strings.HasPrefix(message, "Error getting keypair for CA issuer") || strings.HasPrefix(message, "Referenced secret")
}

// renewalFailed tells that a certificate that serves could not be renewed; nil if
// there is nothing to tell.
func (p *planner) renewalFailed(certificate *unstructured.Unstructured) *conditions.Finding {
	why := ""
	switch issuing, request := saidOf(certificate, "Issuing"), saidOf(p.CertificateRequest, "Ready"); {
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
