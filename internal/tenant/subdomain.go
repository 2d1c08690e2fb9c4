package tenant

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
)

// subdomain wants the claim and, once the host is held, what serves it. It finds
// the first broken link on the way from the host to the route.
func (e *evaluation) subdomain() {
	if e.in.Partner.Spec.Subdomain == nil {
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
	subdomain := e.in.Partner.Spec.Subdomain
	if !e.whiteLabelled() {
		return broken(v1alpha1.ReasonChannelModelWithoutSubdomain, conditions.Stalled,
			"a %s does not white-label the engine, so %s is not served: remove spec.subdomain, or set spec.channelModel to OEM or MSP",
			e.in.Partner.Spec.ChannelModel, subdomain.Host)
	}
	if suffix, reserved := e.reserved(string(subdomain.Host)); reserved {
		return broken(v1alpha1.ReasonHostReserved, conditions.Stalled,
			"hosts under %s are reserved, and %s is one: write a host under the partner's own domain", suffix, subdomain.Host)
	}
	if suffix := publicSuffix(string(subdomain.Host)); suffix == string(subdomain.Host) {
		return broken(v1alpha1.ReasonHostReserved, conditions.Stalled,
			"%s is a domain under which anybody can have names, and no partner's own: write a host below the partner's domain, such as remote.acmecorp.com", suffix)
	}
	switch claim := e.in.Claim; {
	case claim != nil && string(claim.Spec.PartnerRef.Name) != e.in.Partner.Name:
		// If the holder declares the host, nothing is to be had by letting go of another.
		e.contested = !e.holderDeclares()
		return e.heldByAnother()
	case claim != nil && !claim.DeletionTimestamp.IsZero():
		return broken(v1alpha1.ReasonHostReleasing, conditions.Waiting,
			"an earlier claim on %s is being deleted; the host is claimed anew once it is gone", subdomain.Host)
	case e.blocked:
		if claim != nil {
			e.out.Objects = append(e.out.Objects, e.build.claim(subdomain.Host)) // still wanted
		}
		return broken(v1alpha1.ReasonTenantNotReady, e.tenantReady.Progress,
			"%s is served from the tenant namespace, which is not ready: %s", subdomain.Host, e.tenantReady.Message)
	}
	e.out.Objects = append(e.out.Objects, e.build.claim(subdomain.Host))
	if e.in.Claim == nil {
		if failed := e.failed(v1alpha1.ConditionSubdomainReady, true); failed != nil {
			return *failed
		}
		return broken(v1alpha1.ReasonHostReleasing, conditions.Waiting, "%s is about to be claimed", subdomain.Host)
	}
	return e.routeLink()
}

// routeLink wants what serves a host that is held.
func (e *evaluation) routeLink() conditions.Finding {
	subdomain := e.in.Partner.Spec.Subdomain
	if subdomain.Backend.Service == nil && subdomain.Backend.External == nil { // as of a newer schema
		return broken(v1alpha1.ReasonBackendNotFound, conditions.Stalled,
			"spec.subdomain.backend is of a sort that this version does not know: write service or external, or upgrade the operator")
	}
	if external := subdomain.Backend.External; external != nil {
		if why := e.backendRefused(string(external.Host)); why != "" {
			return broken(v1alpha1.ReasonBackendNotAllowed, conditions.Stalled, "spec.subdomain.backend.external.host: %s", why)
		}
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
	if issuer != nil && e.in.APIs.CertManager {
		e.out.Objects = append(e.out.Objects, e.build.certificate(*issuer))
	}
	if subdomain.Backend.External != nil {
		e.out.Objects = append(e.out.Objects, e.build.externalService(EngineServiceName, *subdomain.Backend.External))
	}
	if service, namespace, inCluster := WidgetService(e.in.Settings); e.widget {
		if ref != nil && inCluster && via.grants {
			e.out.Objects = append(e.out.Objects, e.build.referenceGrant(service, namespace))
		} else {
			e.out.Objects = append(e.out.Objects, e.build.externalService(WidgetServiceName, e.in.Settings.WidgetBackend))
		}
	}
	if ref == nil {
		e.out.Objects = append(e.out.Objects, e.build.ingress(e.widget))
	} else {
		if via.own {
			e.out.Objects = append(e.out.Objects, e.build.listenerSet(via))
		}
		e.out.Objects = append(e.out.Objects, e.build.httpRoute(via, e.widget))
	}

	if failed := e.failed(v1alpha1.ConditionSubdomainReady, true); failed != nil {
		return *failed
	}
	namespace := NamespaceName(e.in.Partner.Name)
	switch {
	case issuer != nil && e.in.Settings.WithoutCertManager:
		return broken(v1alpha1.ReasonAPINotInstalled, conditions.Stalled,
			"a certificate from %s is asked for, and the operator runs with --cert-manager=false: leave that flag out, or bring a certificate in spec.subdomain.tls.secretName", issuer.Name)
	case issuer != nil && !e.in.APIs.CertManager:
		return broken(v1alpha1.ReasonAPINotInstalled, conditions.Stalled,
			"a certificate from %s is asked for, and cert-manager's API is not installed: install cert-manager, or bring a certificate in spec.subdomain.tls.secretName", issuer.Name)
	case issuer != nil:
		if unready := e.certificateUnready(); unready != nil {
			return *unready
		}
	case secret != "" && !e.in.SecretFound:
		return broken(v1alpha1.ReasonSecretNotFound, conditions.Waiting,
			"there is no Secret %s/%s with the certificate: create it, or name another in spec.subdomain.tls.secretName", namespace, secret)
	}
	if service := subdomain.Backend.Service; service != nil && !e.in.BackendFound {
		return broken(v1alpha1.ReasonBackendNotFound, conditions.Waiting,
			"there is no Service %s/%s: deploy the engine there, or name another in spec.subdomain.backend", namespace, service.Name)
	}
	var by string
	var unready *conditions.Finding
	if ref == nil {
		by = fmt.Sprintf("Ingress %s/%s", namespace, subdomain.Host)
		unready = e.ingressUnready()
	} else {
		by = fmt.Sprintf("HTTPRoute %s/%s at Gateway %s/%s", namespace, subdomain.Host, ref.Namespace, ref.Name)
		unready = e.gatewayRouteUnready(via)
	}
	if unready != nil {
		return *unready
	}
	if elsewhere, progress := e.routedElsewhere(); len(elsewhere) > 0 {
		e.serves = true
		return broken(v1alpha1.ReasonHostRoutedElsewhere, progress,
			"%s is routed in another tenant's namespace, too: have %s deleted, or whatever finalizer keeps it", subdomain.Host, strings.Join(elsewhere, ", "))
	}
	e.handOver()
	return conditions.True(v1alpha1.ConditionSubdomainReady, v1alpha1.ReasonRouteAccepted, fmt.Sprintf("%s is routed by %s", subdomain.Host, by))
}

// heldByAnother says who has the declared host, and what keeps it there.
func (e *evaluation) heldByAnother() conditions.Finding {
	host, holder := e.in.Partner.Spec.Subdomain.Host, string(e.in.Claim.Spec.PartnerRef.Name)
	if e.holderDeclares() {
		return broken(v1alpha1.ReasonHostClaimedByAnotherPartner, conditions.Stalled,
			"%s is held by Partner %q: write another host, or remove it from that partner", host, holder)
	}
	why := "which no longer declares it"
	switch {
	case e.in.Holder == nil:
		why = "which does not exist"
	case ptr.Deref(e.in.Holder.Spec.Suspend, false):
		return broken(v1alpha1.ReasonHostClaimedByAnotherPartner, conditions.Stalled,
			"%s is still held for Partner %q, %s and is suspended: set its spec.suspend to false, so that it lets go", host, holder, why)
	}
	var refs []string
	reason, progress := v1alpha1.ReasonHostReleasing, conditions.Waiting
	for _, ref := range e.in.Routes {
		if ref.Host != string(host) || ref.Namespace != NamespaceName(holder) {
			continue
		}
		refs = append(refs, ref.String())
		if ref.Name != string(host) { // not made by the operator, which deletes its own
			reason, progress = v1alpha1.ReasonHostClaimedByAnotherPartner, conditions.Stalled
		}
	}
	if len(refs) == 0 {
		return broken(reason, progress, "%s is still held for Partner %q, %s, and about to be released", host, holder, why)
	}
	slices.Sort(refs)
	return broken(reason, progress,
		"%s is still held for Partner %q, %s, because it is routed by %s: have that deleted, or whatever finalizer keeps it", host, holder, why, strings.Join(refs, ", "))
}

// holderDeclares reports whether the Partner that holds the declared host, another
// one, declares it, too.
func (e *evaluation) holderDeclares() bool {
	return e.in.Holder != nil && e.in.Holder.Spec.Subdomain != nil && e.in.Holder.Spec.Subdomain.Host == e.in.Partner.Spec.Subdomain.Host
}

// routedElsewhere are the routes to the declared host in the namespaces of other
// tenants, in order. Those named by the host are a former holder's, made by the
// operator and about to go.
func (e *evaluation) routedElsewhere() (elsewhere []string, progress conditions.Progress) {
	host := string(e.in.Partner.Spec.Subdomain.Host)
	progress = conditions.Waiting
	for _, ref := range e.in.Routes {
		if ref.Host != host || ref.Namespace == NamespaceName(e.in.Partner.Name) {
			continue
		}
		elsewhere = append(elsewhere, ref.String())
		if ref.Name != host {
			progress = conditions.Stalled
		}
	}
	slices.Sort(elsewhere)
	return elsewhere, progress
}

// ingressUnready says why no ingress controller serves the sub-domain; nil if one
// should.
func (e *evaluation) ingressUnready() *conditions.Finding {
	if why := e.classMissing(); why != "" {
		return new(broken(v1alpha1.ReasonRouteNotAccepted, conditions.Stalled, "no ingress controller takes the route: %s", why))
	}
	if e.declaredRoute() == nil {
		return new(broken(v1alpha1.ReasonRouteNotAccepted, conditions.Waiting, "Ingress %s/%s is about to be created, once one that is being deleted is gone",
			NamespaceName(e.in.Partner.Name), e.in.Partner.Spec.Subdomain.Host))
	}
	return nil
}

func broken(reason v1alpha1.Reason, progress conditions.Progress, format string, args ...any) conditions.Finding {
	return conditions.False(v1alpha1.ConditionSubdomainReady, reason, progress, fmt.Sprintf(format, args...))
}

// reserved tells whether a host is under a suffix that no partner may have.
func (e *evaluation) reserved(host string) (suffix string, reserved bool) {
	i := slices.IndexFunc(e.in.Settings.ReservedHostSuffixes, func(suffix string) bool {
		return host == suffix || strings.HasSuffix(host, "."+suffix)
	})
	if i < 0 {
		return "", false
	}
	return e.in.Settings.ReservedHostSuffixes[i], true
}

// publicSuffix is the part of a host under which anybody can have names, such as com
// or co.uk; the last label of a host that is in no public domain.
func publicSuffix(host string) string {
	suffix, _ := publicsuffix.PublicSuffix(host)
	return suffix
}

// backendRefused says why the route may not lead to a host outside the namespace;
// empty if it may. Proxies look names up with the search domains of a Pod, so that a
// name that is in no public domain, such as zte.partner-globex, can be a Service of
// this cluster, or the cloud's metadata server.
func (e *evaluation) backendRefused(host string) string {
	if slices.ContainsFunc(e.in.Settings.BackendHostSuffixes, func(suffix string) bool {
		return host == suffix || strings.HasSuffix(host, "."+suffix)
	}) {
		return ""
	}
	suffix, known := publicsuffix.PublicSuffix(host)
	switch {
	case !known && !strings.Contains(suffix, "."):
		return fmt.Sprintf("%s is in no public domain, and could be a Service of this cluster: write the engine's public name, or have the domain allowed with the operator's --backend-host-suffixes", host)
	case suffix == host:
		return fmt.Sprintf("%s is a domain under which anybody can have names: write the engine's own", host)
	}
	return ""
}

// classMissing says why no ingress controller will take the route; empty if one
// should.
func (e *evaluation) classMissing() string {
	name := e.build.ingressClassName()
	switch {
	case name == "":
		return "no ingress class is named and the cluster has no default one: name one in spec.subdomain.route.ingressClassName or with the operator's --ingress-class"
	case slices.ContainsFunc(e.in.IngressClasses, func(class networkingv1.IngressClass) bool { return class.Name == name }):
		return ""
	}
	return fmt.Sprintf("there is no IngressClass %q: install its controller, or name another in spec.subdomain.route.ingressClassName or with the operator's --ingress-class", name)
}
