package tenant

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
)

// subdomain wants the claim and, once the host is held, what serves it. It finds
// the first broken link on the way from the host to the route.
func (e *evaluation) subdomain() {
	if e.in.Partner.Spec.Subdomain == nil {
		e.subdomainReady = e.failed(v1alpha1.ConditionSubdomainReady, true) // to remove what there was
		return
	}
	link := firstBroken(
		// The host may be the partner's.
		e.modelWithoutSubdomain, e.hostReserved, e.hostPublic, e.hostTaken, e.claimReleasing, e.hostNoted,
		// It is claimed in a namespace that is there.
		e.tenantUnready, e.claimMissing,
	)
	switch {
	case link != nil:
	case !e.exposed():
		e.orderAhead()
		e.subdomainReady = e.failed(v1alpha1.ConditionSubdomainReady, true) // to close what was open
		return
	default:
		link = firstBroken(
			// What serves it can be made, and is.
			e.backendUnknown, e.backendNotAllowed, e.gatewayUnready, e.routeNotWritten,
			// It works.
			e.certificateNotServed, e.backendMissing, e.routeNotAccepted, e.hostRoutedElsewhere,
		)
	}
	if link == nil {
		e.drain()
		link = new(conditions.True(v1alpha1.ConditionSubdomainReady, v1alpha1.ReasonRouteAccepted,
			fmt.Sprintf("%s is routed by %s", e.in.Partner.Spec.Subdomain.Host, e.routeName())))
	} else if old := e.oldRoute(); old != nil {
		if e.replaced(old.Object) && old.Hidden() && !e.failedToWrite(old.Object) {
			e.out.Objects = append(e.out.Objects, old.Show())
		}
		link.Message += fmt.Sprintf("; until then %s is served by the %s as before", e.url(*old), old.Kind)
	}
	e.subdomainReady = link
}

// orderAhead orders the certificate before the contract starts, so that the sub-domain is
// served from the first moment. That of a Gateway's listener comes with the listener.
func (e *evaluation) orderAhead() {
	issuer := e.build.Issuer()
	if e.judged.Window.Reason == v1alpha1.ReasonContractNotStarted && e.build.GatewayRef() == nil && issuer != nil && e.in.APIs.CertManager {
		e.out.Objects = append(e.out.Objects, e.build.Certificate(*issuer))
	}
}

// firstBroken runs checks in order until one finds something. A check may want objects
// and note what those after it go by, so their order matters.
func firstBroken(checks ...func() *conditions.Finding) *conditions.Finding {
	for _, check := range checks {
		if found := check(); found != nil {
			return found
		}
	}
	return nil
}

func (e *evaluation) modelWithoutSubdomain() *conditions.Finding {
	if e.whiteLabelled() {
		return nil
	}
	return broken(v1alpha1.ReasonChannelModelWithoutSubdomain, conditions.Stalled,
		"a %s does not white-label the engine, so %s is not served: remove spec.subdomain, or set spec.channelModel to OEM or MSP",
		e.in.Partner.Spec.ChannelModel, e.in.Partner.Spec.Subdomain.Host)
}

func (e *evaluation) hostReserved() *conditions.Finding {
	host := e.in.Partner.Spec.Subdomain.Host
	suffix, reserved := e.reserved(string(host))
	if !reserved {
		return nil
	}
	return broken(v1alpha1.ReasonHostReserved, conditions.Stalled,
		"hosts under %s are reserved, and %s is one: write a host under the partner's own domain", suffix, host)
}

func (e *evaluation) hostPublic() *conditions.Finding {
	suffix := publicSuffix(string(e.in.Partner.Spec.Subdomain.Host))
	if suffix != string(e.in.Partner.Spec.Subdomain.Host) {
		return nil
	}
	return broken(v1alpha1.ReasonHostReserved, conditions.Stalled,
		"%s is a domain under which anybody can have names, and no partner's own: write a host below the partner's domain, such as remote.acmecorp.com", suffix)
}

func (e *evaluation) hostTaken() *conditions.Finding {
	if e.in.Claim == nil || string(e.in.Claim.Spec.PartnerRef.Name) == e.in.Partner.Name || e.handedToUs(e.in.Claim) {
		return nil
	}
	// If the holder declares the host, or hands it over, nothing is to be had by letting
	// go of another.
	e.contested = !e.holderDeclares() && objects.HandOverOf(e.in.Holder).Host != e.in.Partner.Spec.Subdomain.Host
	return e.heldByAnother()
}

func (e *evaluation) claimReleasing() *conditions.Finding {
	if e.in.Claim == nil || e.in.Claim.DeletionTimestamp.IsZero() {
		return nil
	}
	return broken(v1alpha1.ReasonHostReleasing, conditions.Waiting,
		"an earlier claim on %s is being deleted; the host is claimed anew once it is gone", e.in.Partner.Spec.Subdomain.Host)
}

// hostNoted finds a host that nobody claims and that is noted as another partner's, whose
// claim or Partner a restore may bring.
func (e *evaluation) hostNoted() *conditions.Finding {
	if e.in.Claim != nil || e.in.Noted == "" {
		return nil
	}
	return broken(v1alpha1.ReasonHostReleasing, conditions.Waiting,
		"%s has no claim, but is reserved for Partner %q, which a restore may bring back: wait, or remove the annotation %s from that Partner's namespace to release it",
		e.in.Partner.Spec.Subdomain.Host, e.in.Noted, v1alpha1.HostsAnnotation)
}

func (e *evaluation) tenantUnready() *conditions.Finding {
	if !e.blocked {
		return nil
	}
	host := e.in.Partner.Spec.Subdomain.Host
	if e.in.Claim != nil && string(e.in.Claim.Spec.PartnerRef.Name) == e.in.Partner.Name {
		e.out.Objects = append(e.out.Objects, e.build.Claim(host)) // still wanted
	}
	return broken(v1alpha1.ReasonTenantNotReady, e.tenantReady.Progress,
		"%s is served from the tenant namespace, which is not ready: %s", host, e.tenantReady.Message)
}

// claimMissing wants the claim.
func (e *evaluation) claimMissing() *conditions.Finding {
	host := e.in.Partner.Spec.Subdomain.Host
	e.out.Objects = append(e.out.Objects, e.build.Claim(host))
	if e.in.Claim != nil && string(e.in.Claim.Spec.PartnerRef.Name) == e.in.Partner.Name {
		return nil
	}
	if failed := e.failed(v1alpha1.ConditionSubdomainReady, true); failed != nil {
		return failed
	}
	return broken(v1alpha1.ReasonHostReleasing, conditions.Waiting, "%s is about to be claimed", host)
}

// backendUnknown finds a backend of a newer schema.
func (e *evaluation) backendUnknown() *conditions.Finding {
	if backend := e.in.Partner.Spec.Subdomain.Backend; backend.Service != nil || backend.External != nil {
		return nil
	}
	return broken(v1alpha1.ReasonBackendNotFound, conditions.Stalled,
		"spec.subdomain.backend is of a sort that this version does not know: write service or external, or upgrade the operator")
}

func (e *evaluation) backendNotAllowed() *conditions.Finding {
	external := e.in.Partner.Spec.Subdomain.Backend.External
	if external == nil {
		return nil
	}
	why := e.backendRefused(string(external.Host))
	if why == "" {
		return nil
	}
	return broken(v1alpha1.ReasonBackendNotAllowed, conditions.Stalled, "spec.subdomain.backend.external.host: %s", why)
}

// routeNotWritten wants the route and what it leads to.
func (e *evaluation) routeNotWritten() *conditions.Finding {
	subdomain, gateway := e.in.Partner.Spec.Subdomain, e.build.GatewayRef()
	want := func(object kinds.Object) { e.out.Objects = append(e.out.Objects, object) }
	if issuer := e.issuer(); issuer != nil && e.in.APIs.CertManager {
		want(e.build.Certificate(*issuer))
	}
	if subdomain.Backend.External != nil {
		want(e.build.EngineService(*subdomain.Backend.External))
	}
	if service, namespace, inCluster := objects.WidgetService(e.in.Settings); e.widget {
		if gateway != nil && inCluster && e.via.Grants {
			want(e.build.ReferenceGrant(service, namespace))
		} else {
			want(e.build.ExternalService(kinds.WidgetServiceName, e.in.Settings.WidgetBackend))
		}
	}
	if gateway == nil {
		want(e.build.Ingress(e.widget, e.servedSecret()))
	} else {
		if e.via.Own {
			want(e.build.ListenerSet(e.via, e.servedSecret()))
		}
		want(e.build.HTTPRoute(e.via, e.widget))
	}
	return e.failed(v1alpha1.ConditionSubdomainReady, true)
}

// servedSecret is the Secret whose certificate the declared route serves: as long as the
// certificate that is declared is not there, the one that it serves already.
func (e *evaluation) servedSecret() string {
	wanted, now, issued := e.build.TLSSecret(), "", e.in.SecretFound
	if e.issuer() != nil {
		issued = e.in.APIs.CertManager && e.certificateUnready() == nil
	}
	if wanted == "" || issued {
		return wanted
	}
	host := string(e.in.Partner.Spec.Subdomain.Host)
	if e.build.GatewayRef() != nil {
		if set, ok := e.in.Child(kinds.ListenerSet, host).(*gatewayv1.ListenerSet); ok && len(set.Spec.Listeners) > 0 {
			if tls := set.Spec.Listeners[0].TLS; tls != nil && len(tls.CertificateRefs) > 0 {
				now = string(tls.CertificateRefs[0].Name)
			}
		}
	} else if ingress, ok := e.in.Child(kinds.Ingress, host).(*networkingv1.Ingress); ok && len(ingress.Spec.TLS) > 0 {
		now = ingress.Spec.TLS[0].SecretName
	}
	return cmp.Or(now, wanted)
}

// ownCertificate reports whether the sub-domain brings its own certificate: that of a
// Gateway's listener is not the partner's.
func (e *evaluation) ownCertificate() bool {
	return e.build.GatewayRef() == nil || e.via.Own
}

// issuer is who signs the sub-domain's certificate; nil if nobody does.
func (e *evaluation) issuer() *v1alpha1.IssuerReference {
	if !e.ownCertificate() {
		return nil
	}
	return e.build.Issuer()
}

func (e *evaluation) certificateNotServed() *conditions.Finding {
	if !e.ownCertificate() {
		return nil
	}
	issuer, secret := e.issuer(), e.build.TLSSecret()
	switch {
	case issuer != nil && e.in.Settings.WithoutCertManager:
		return broken(v1alpha1.ReasonAPINotInstalled, conditions.Stalled,
			"a certificate from %s is asked for, and the operator runs with --cert-manager=false: leave that flag out, or bring a certificate in spec.subdomain.tls.secretName", issuer.Name)
	case issuer != nil && !e.in.APIs.CertManager:
		return broken(v1alpha1.ReasonAPINotInstalled, conditions.Stalled,
			"a certificate from %s is asked for, and cert-manager's API is not installed: install cert-manager, or bring a certificate in spec.subdomain.tls.secretName", issuer.Name)
	case issuer != nil:
		return e.certificateUnready()
	case secret != "" && !e.in.SecretFound:
		return broken(v1alpha1.ReasonSecretNotFound, conditions.Waiting,
			"there is no Secret %s/%s with the certificate: create it, or name another in spec.subdomain.tls.secretName", objects.NamespaceOf(e.in.Partner), secret)
	}
	return nil
}

func (e *evaluation) backendMissing() *conditions.Finding {
	service := e.in.Partner.Spec.Subdomain.Backend.Service
	if service == nil || e.in.BackendFound {
		return nil
	}
	return broken(v1alpha1.ReasonBackendNotFound, conditions.Waiting,
		"there is no Service %s/%s: deploy the engine there, or name another in spec.subdomain.backend", objects.NamespaceOf(e.in.Partner), service.Name)
}

func (e *evaluation) routeNotAccepted() *conditions.Finding {
	if e.build.GatewayRef() == nil {
		return e.ingressUnready()
	}
	return e.gatewayRouteUnready()
}

// routeName names the declared route in messages.
func (e *evaluation) routeName() string {
	name := objects.NamespaceOf(e.in.Partner) + "/" + string(e.in.Partner.Spec.Subdomain.Host)
	if gateway := e.build.GatewayRef(); gateway != nil {
		return fmt.Sprintf("HTTPRoute %s at Gateway %s/%s", name, gateway.Namespace, gateway.Name)
	}
	return "Ingress " + name
}

func (e *evaluation) hostRoutedElsewhere() *conditions.Finding {
	elsewhere, progress := e.routedElsewhere()
	if len(elsewhere) == 0 {
		return nil
	}
	e.serves = true
	return broken(v1alpha1.ReasonHostRoutedElsewhere, progress,
		"%s is routed in another tenant's namespace, too: have %s deleted, or whatever finalizer keeps it", e.in.Partner.Spec.Subdomain.Host, strings.Join(elsewhere, ", "))
}

// heldByAnother says who has the declared host, and what keeps it there.
func (e *evaluation) heldByAnother() *conditions.Finding {
	host, holder := e.in.Partner.Spec.Subdomain.Host, string(e.in.Claim.Spec.PartnerRef.Name)
	if e.holderDeclares() {
		return broken(v1alpha1.ReasonHostClaimedByAnotherPartner, conditions.Stalled,
			"%s is held by Partner %q: write another host, or remove it from that partner", host, holder)
	}
	if handing := objects.HandOverOf(e.in.Holder); handing.Host == host {
		if string(handing.PartnerRef.Name) == e.in.Partner.Name && !e.judged.InForce() {
			return broken(v1alpha1.ReasonHostReleasing, conditions.Waiting,
				"Partner %q hands over %s, which this Partner takes once its contract is in force: %s", holder, host, e.judged.Window.Message)
		}
		if string(handing.PartnerRef.Name) == e.in.Partner.Name {
			return broken(v1alpha1.ReasonHostReleasing, conditions.Waiting,
				"waiting for Partner %q to hand over %s, which it does unless its spec.suspend is true", holder, host)
		}
		return broken(v1alpha1.ReasonHostClaimedByAnotherPartner, conditions.Stalled,
			"%s is held by Partner %q, which hands it over to Partner %q: write another host", host, holder, handing.PartnerRef.Name)
	}
	why := "which no longer declares it"
	switch {
	case e.in.Holder == nil:
		why = "which does not exist"
	case !e.in.Holder.DeletionTimestamp.IsZero():
		why = "which is being deleted"
	case ptr.Deref(e.in.Holder.Spec.Suspend, false):
		return broken(v1alpha1.ReasonHostClaimedByAnotherPartner, conditions.Stalled,
			"%s is still held for Partner %q, %s and is suspended: set its spec.suspend to false, so that it lets go", host, holder, why)
	}
	var refs []string
	reason, progress := v1alpha1.ReasonHostReleasing, conditions.Waiting
	for _, ref := range e.in.Routes {
		if ref.Host != string(host) || ref.Partner != holder {
			continue
		}
		refs = append(refs, ref.String())
		if !ref.Own || ref.Name != string(host) { // the operator deletes its own
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
	return e.in.Holder != nil && e.in.Holder.DeletionTimestamp.IsZero() && objects.HostOf(e.in.Holder) == objects.HostOf(e.in.Partner)
}

// routedElsewhere are the routes to the declared host in the namespaces of other
// tenants, in order. Those named by the host are a former holder's, made by the
// operator and about to go; those of who hands it over, and those that renew its
// certificate meanwhile, are meant to serve beside the declared one for a while.
func (e *evaluation) routedElsewhere() (elsewhere []string, progress conditions.Progress) {
	host := string(e.in.Partner.Spec.Subdomain.Host)
	progress = conditions.Waiting
	for _, ref := range e.in.Routes {
		if ref.Host != host || ref.Namespace == objects.NamespaceOf(e.in.Partner) || slices.Contains(e.in.Sources, ref.Partner) && (ref.Name == host || ref.Solver) {
			continue
		}
		elsewhere = append(elsewhere, ref.String())
		if !ref.Own || ref.Name != host {
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
		return broken(v1alpha1.ReasonRouteNotAccepted, conditions.Stalled, "no ingress controller takes the route: %s", why)
	}
	if e.declaredRoute() == nil {
		return broken(v1alpha1.ReasonRouteNotAccepted, conditions.Waiting, "Ingress %s/%s is about to be created, once one that is being deleted is gone",
			objects.NamespaceOf(e.in.Partner), e.in.Partner.Spec.Subdomain.Host)
	}
	return nil
}

func broken(reason v1alpha1.Reason, progress conditions.Progress, format string, args ...any) *conditions.Finding {
	return new(conditions.False(v1alpha1.ConditionSubdomainReady, reason, progress, fmt.Sprintf(format, args...)))
}

// reserved reports whether a host is under a suffix that no partner may have.
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
	name := e.build.IngressClassName()
	switch {
	case name == "":
		return "no ingress class is named and the cluster has no default one: name one in spec.subdomain.route.ingressClassName or with the operator's --ingress-class"
	case slices.ContainsFunc(e.in.IngressClasses, func(class networkingv1.IngressClass) bool { return class.Name == name }):
		return ""
	}
	return fmt.Sprintf("there is no IngressClass %q: install its controller, or name another in spec.subdomain.route.ingressClassName or with the operator's --ingress-class", name)
}
