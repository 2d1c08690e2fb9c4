package tenant

import (
	"fmt"
	"slices"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
)

// subdomain wants the claim and, once the host is held, what serves it. It finds
// the first broken link on the way from the host to the route.
func (e *evaluation) subdomain() {
	if e.Partner.Spec.Subdomain == nil {
		e.subdomainReady = e.failed(v1alpha1.ConditionSubdomainReady, true) // to remove what there was
		return
	}
	link := e.subdomainLink()
	if link.Status != metav1.ConditionTrue {
		if old := e.oldRoute(); old != nil {
			link.Message += fmt.Sprintf("; until then %s is served by the %s as before", e.url(*old), old.kind)
		}
	}
	e.subdomainReady = &link
}

func (e *evaluation) subdomainLink() conditions.Finding {
	subdomain := e.Partner.Spec.Subdomain
	if !e.whiteLabelled() {
		return broken(v1alpha1.ReasonChannelModelWithoutSubdomain, conditions.Stalled,
			"a %s does not white-label the engine, so %s is not served: remove spec.subdomain, or set spec.channelModel to OEM or MSP",
			e.Partner.Spec.ChannelModel, subdomain.Host)
	}
	if suffix, reserved := e.reserved(string(subdomain.Host)); reserved {
		return broken(v1alpha1.ReasonHostReserved, conditions.Stalled,
			"hosts under %s are reserved, and %s is one: write a host under the partner's own domain", suffix, subdomain.Host)
	}
	switch claim := e.Claim; {
	case claim != nil && string(claim.Spec.PartnerRef.Name) != e.Partner.Name:
		return broken(v1alpha1.ReasonHostClaimedByAnotherPartner, conditions.Stalled,
			"%s is held by Partner %q: write another host, or remove it from that partner", subdomain.Host, claim.Spec.PartnerRef.Name)
	case claim != nil && !claim.DeletionTimestamp.IsZero():
		return broken(v1alpha1.ReasonHostReleasing, conditions.Waiting,
			"an earlier claim on %s is being deleted; the host is claimed anew once it is gone", subdomain.Host)
	case e.blocked:
		if claim != nil {
			e.Objects = append(e.Objects, e.build.claim(subdomain.Host)) // still wanted
		}
		return broken(v1alpha1.ReasonTenantNotReady, e.tenantReady.Progress,
			"%s is served from the tenant namespace, which is not ready: %s", subdomain.Host, e.tenantReady.Message)
	}
	e.Objects = append(e.Objects, e.build.claim(subdomain.Host))
	if e.Claim == nil {
		if failed := e.failed(v1alpha1.ConditionSubdomainReady, true); failed != nil {
			return *failed
		}
		return broken(v1alpha1.ReasonHostReleasing, conditions.Waiting, "%s is about to be claimed", subdomain.Host)
	}
	return e.routeLink()
}

// routeLink wants what serves a host that is held.
func (e *evaluation) routeLink() conditions.Finding {
	subdomain := e.Partner.Spec.Subdomain
	if subdomain.Backend.Service == nil && subdomain.Backend.External == nil { // as of a newer schema
		return broken(v1alpha1.ReasonBackendNotFound, conditions.Stalled,
			"spec.subdomain.backend is of a sort that this version does not know: write service or external, or upgrade the operator")
	}
	var via gatewayLink
	ref := e.build.gatewayRef()
	if ref != nil {
		var broken *conditions.Finding
		if via, broken = e.gatewayLink(*ref); broken != nil {
			return *broken
		}
	}
	var issuer *v1alpha1.IssuerReference
	secret := ""
	if ref == nil || via.own {
		issuer, secret = e.build.issuer(), e.build.tlsSecret()
	}
	if issuer != nil && e.APIs.CertManager {
		e.Objects = append(e.Objects, e.build.certificate(*issuer))
	}
	if subdomain.Backend.External != nil {
		e.Objects = append(e.Objects, e.build.externalService(EngineServiceName, *subdomain.Backend.External))
	}
	if service, namespace, inCluster := WidgetService(e.Settings); e.widget {
		if ref != nil && inCluster && via.grants {
			e.Objects = append(e.Objects, e.build.referenceGrant(service, namespace))
		} else {
			e.Objects = append(e.Objects, e.build.externalService(WidgetServiceName, e.Settings.WidgetBackend))
		}
	}
	if ref == nil {
		e.Objects = append(e.Objects, e.build.ingress(e.widget))
	} else {
		if via.own {
			e.Objects = append(e.Objects, e.build.listenerSet(via))
		}
		e.Objects = append(e.Objects, e.build.httpRoute(via, e.widget))
	}

	if failed := e.failed(v1alpha1.ConditionSubdomainReady, true); failed != nil {
		return *failed
	}
	namespace := NamespaceName(e.Partner.Name)
	switch {
	case issuer != nil && e.Settings.WithoutCertManager:
		return broken(v1alpha1.ReasonAPINotInstalled, conditions.Stalled,
			"a certificate from %s is asked for, and the operator runs with --cert-manager=false: leave that flag out, or bring a certificate in spec.subdomain.tls.secretName", issuer.Name)
	case issuer != nil && !e.APIs.CertManager:
		return broken(v1alpha1.ReasonAPINotInstalled, conditions.Stalled,
			"a certificate from %s is asked for, and cert-manager's API is not installed: install cert-manager, or bring a certificate in spec.subdomain.tls.secretName", issuer.Name)
	case issuer != nil:
		if ready, why := e.certificateReady(); !ready {
			return broken(v1alpha1.ReasonCertificatePending, conditions.Waiting,
				"Certificate %s/%s is not issued: %s", namespace, subdomain.Host, why)
		}
	case secret != "" && !e.SecretFound:
		return broken(v1alpha1.ReasonSecretNotFound, conditions.Waiting,
			"there is no Secret %s/%s with the certificate: create it, or name another in spec.subdomain.tls.secretName", namespace, secret)
	}
	if service := subdomain.Backend.Service; service != nil && !e.BackendFound {
		return broken(v1alpha1.ReasonBackendNotFound, conditions.Waiting,
			"there is no Service %s/%s: deploy the engine there, or name another in spec.subdomain.backend", namespace, service.Name)
	}
	var by string
	var since time.Time
	var unready *conditions.Finding
	if ref == nil {
		by = fmt.Sprintf("Ingress %s/%s", namespace, subdomain.Host)
		since, unready = e.ingressReady()
	} else {
		by = fmt.Sprintf("HTTPRoute %s/%s at Gateway %s/%s", namespace, subdomain.Host, ref.Namespace, ref.Name)
		since, unready = e.gatewayRouteReady(via)
	}
	if unready != nil {
		return *unready
	}
	e.handOver(since)
	return conditions.True(v1alpha1.ConditionSubdomainReady, v1alpha1.ReasonRouteAccepted, fmt.Sprintf("%s is routed by %s", subdomain.Host, by))
}

// ingressReady tells whether an ingress controller should serve the sub-domain,
// and since when. If it does not, the finding says why.
func (e *evaluation) ingressReady() (since time.Time, unready *conditions.Finding) {
	if why := e.classMissing(); why != "" {
		return since, new(broken(v1alpha1.ReasonRouteNotAccepted, conditions.Stalled, "no ingress controller takes the route: %s", why))
	}
	route := e.declaredRoute()
	if route == nil {
		return since, new(broken(v1alpha1.ReasonRouteNotAccepted, conditions.Waiting, "Ingress %s/%s is about to be created, once one that is being deleted is gone",
			NamespaceName(e.Partner.Name), e.Partner.Spec.Subdomain.Host))
	}
	return route.GetCreationTimestamp().Time, nil
}

func broken(reason v1alpha1.Reason, progress conditions.Progress, format string, args ...any) conditions.Finding {
	return conditions.False(v1alpha1.ConditionSubdomainReady, reason, progress, fmt.Sprintf(format, args...))
}

// reserved tells whether a host is under a suffix that no partner may have.
func (e *evaluation) reserved(host string) (suffix string, reserved bool) {
	i := slices.IndexFunc(e.Settings.ReservedHostSuffixes, func(suffix string) bool {
		return host == suffix || strings.HasSuffix(host, "."+suffix)
	})
	if i < 0 {
		return "", false
	}
	return e.Settings.ReservedHostSuffixes[i], true
}

// certificateReady tells whether cert-manager issued the certificate as it is
// asked for now, and if not, why.
func (e *evaluation) certificateReady() (ready bool, why string) {
	certificate, ok := e.child(CertificateGVK.Kind, string(e.Partner.Spec.Subdomain.Host)).(*unstructured.Unstructured)
	if !ok {
		return false, "it is about to be created"
	}
	observed, _, _ := unstructured.NestedSlice(certificate.Object, "status", "conditions")
	why = "cert-manager has not said anything about it yet"
	for _, condition := range observed {
		condition, ok := condition.(map[string]any)
		if !ok || condition["type"] != "Ready" {
			continue
		}
		if condition["status"] != string(metav1.ConditionTrue) {
			why = fmt.Sprint(condition["message"])
			continue
		}
		generation, given := condition["observedGeneration"].(int64)
		if !given || generation == certificate.GetGeneration() {
			return true, ""
		}
		why = "cert-manager has not taken up its last change yet"
	}
	return false, why
}

// classMissing says why no ingress controller will take the route; empty if one
// should.
func (e *evaluation) classMissing() string {
	name := e.build.ingressClassName()
	switch {
	case name == "":
		return "no ingress class is named and the cluster has no default one: name one in spec.subdomain.route.ingressClassName or with the operator's --ingress-class"
	case slices.ContainsFunc(e.IngressClasses, func(class networkingv1.IngressClass) bool { return class.Name == name }):
		return ""
	}
	return fmt.Sprintf("there is no IngressClass %q: install its controller, or name another in spec.subdomain.route.ingressClassName or with the operator's --ingress-class", name)
}
