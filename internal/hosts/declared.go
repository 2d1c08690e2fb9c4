package hosts

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/staffing"
)

// way is how far the declared host has come on the way from its claim to its route.
type way struct {
	// broken is the first broken link; nil if none is, or if the host is only to be held.
	broken *conditions.Finding
	// ready reports that the host is to be served, and is.
	ready bool
	// objects are to be written.
	objects []kinds.Object
	// serves reports that a controller serves the route as it was before its last change, at
	// least, whatever is broken.
	serves bool
	// again is when to look again at what no event tells of; zero if there is nothing such.
	again time.Time
	// renewal tells that a certificate which serves could not be renewed; nil if there is
	// nothing to tell.
	renewal *conditions.Finding
}

// walk goes that way: the host may be the partner's; it is claimed in a namespace that is
// there; what serves it can be made, and is; it works.
func (p *planner) walk() way {
	if p.Partner.Spec.Subdomain == nil {
		return way{broken: p.failed()} // to remove what there was
	}
	if broken := firstBroken(p.modelWithoutSubdomain, p.hostReserved, p.hostPublic, p.hostTaken, p.claimReleasing, p.hostNoted); broken != nil {
		return way{broken: broken}
	}
	claim := p.build.Claim(p.Partner.Spec.Subdomain.Host)
	mine := p.Claim != nil && string(p.Claim.Spec.PartnerRef.Name) == p.Partner.Name
	if p.blocked != nil {
		w := way{broken: broken(v1alpha1.ReasonTenantNotReady, p.blocked.Progress,
			"%s is served from the tenant namespace, which is not ready: %s", claim.Name, p.blocked.Message)}
		if mine {
			w.objects = []kinds.Object{claim}
		}
		return w
	}
	w := way{objects: []kinds.Object{claim}}
	switch {
	case !mine:
		if w.broken = p.failed(); w.broken == nil {
			w.broken = broken(v1alpha1.ReasonHostReleasing, conditions.Waiting, "%s is about to be claimed", claim.Name)
		}
		return w
	case !p.exposed():
		var ahead []kinds.Object
		ahead, w.again = p.orderedAhead()
		w.objects = append(w.objects, ahead...)
		w.broken = p.failed() // to close what was open
		return w
	}
	if w.broken = firstBroken(p.backendUnknown, p.backendNotAllowed); w.broken != nil {
		return w
	}
	var via objects.GatewayLink
	if via, w.broken = p.gatewayLink(); w.broken != nil {
		return w
	}
	if w.broken = p.backendTLSRefused(via); w.broken != nil {
		return w
	}
	issued := p.certificate(via)
	w.objects = append(w.objects, p.served(via, issued)...)
	w.renewal = issued.renewal
	if p.Order != nil && issued.issuer != nil { // or it waits for its turn to change its issuer
		w.again = p.Order.Again
	}
	if w.broken = p.failed(); w.broken != nil {
		return w
	}
	if w.broken = issued.broken; w.broken != nil {
		return w
	}
	if w.broken = p.backendMissing(); w.broken != nil {
		return w
	}
	if w.broken = p.authorityInvalid(); w.broken != nil {
		w.again = p.Now.Add(rereading)
		return w
	}
	if w.broken, w.serves = p.routeAccepted(via); w.broken != nil {
		return w
	}
	if w.broken = p.hostRoutedElsewhere(); w.broken != nil {
		w.serves = true
		return w
	}
	if w.broken = p.notReached(); w.broken != nil {
		return w
	}
	w.ready = true
	return w
}

// firstBroken runs checks in order until one finds something.
func firstBroken(checks ...func() *conditions.Finding) *conditions.Finding {
	for _, check := range checks {
		if found := check(); found != nil {
			return found
		}
	}
	return nil
}

func broken(reason v1alpha1.Reason, progress conditions.Progress, format string, args ...any) *conditions.Finding {
	return new(conditions.False(v1alpha1.ConditionSubdomainReady, reason, progress, fmt.Sprintf(format, args...)))
}

// subdomain is what SubdomainReady says. old is what serves while the declared host is not
// ready.
func (p *planner) subdomain(w way, old *objects.Route) *conditions.Finding {
	switch {
	case w.ready:
		message := fmt.Sprintf("%s is routed by %s%s", p.Partner.Spec.Subdomain.Host, p.routeName(), p.ambiguousClass())
		if p.Order != nil && p.Order.Reason == v1alpha1.ReasonOrdersPaced {
			message += "; its certificate's issuer is not changed yet: " + p.Order.Message
		}
		return new(conditions.True(v1alpha1.ConditionSubdomainReady, v1alpha1.ReasonRouteAccepted, message))
	case w.broken != nil && old != nil:
		finding := *w.broken
		finding.Message += fmt.Sprintf("; until then %s is served by the %s as before", p.url(*old), old.Kind)
		return &finding
	}
	return w.broken
}

// declared is the plan of the declared host.
func (p *planner) declared(w way, old *objects.Route) Host {
	host := Host{Name: objects.HostOf(p.Partner), Write: w.objects}
	host.Served, host.Widget = p.declaredServed(w, old)
	facts := Facts{
		Declared: true, Claimed: p.claims(host.Name), Refused: p.declaredRefused(),
		InForce: p.judged.InForce(), Served: host.Served != nil,
	}
	host.Phase = PhaseOf(facts)
	// Before the contract starts, whoever proves to an authority that the host is the
	// partner's may need a route.
	host.routable = !facts.Refused && (p.exposed() || p.judged.Window.Reason == v1alpha1.ReasonContractNotStarted)
	switch {
	case w.ready:
		drained := p.drain(host.Name)
		host.Write, host.Again = append(host.Write, drained.write...), drained.again
		if !drained.until.IsZero() {
			host.Stay = p.serving(host.Name)
		}
		for _, address := range drained.addresses {
			if !slices.Contains(host.Served.Addresses, address) {
				host.Served.FormerAddresses = append(host.Served.FormerAddresses, address)
			}
		}
		host.Served.FormerAddresses = fewest(host.Served.FormerAddresses)
	case p.exposed():
		if p.mayServe(host.Name) {
			host.Stay = p.serving(host.Name) // it may have been ready before
		}
		if old != nil && p.replaced(old.Object) && old.Hidden() && p.failedToWrite(old.Object) == nil {
			host.Write = append(host.Write, old.Show())
		}
	}
	host.Again = staffing.Earlier(host.Again, w.again)
	switch {
	case w.broken != nil:
		host.WaitsFor = fmt.Sprintf("condition %s (%s)", v1alpha1.ConditionSubdomainReady, w.broken.Reason)
	case !w.ready:
		host.WaitsFor = fmt.Sprintf("condition %s (%s)", v1alpha1.ConditionContractActive, p.judged.Window.Reason)
	}
	if p.whiteLabelled() {
		host.Stay = append(host.Stay, p.certificatesInUse()...)
	}
	host.Stay = append(host.Stay, p.releasing(host.Name)...)
	return host
}

// declaredServed is how the declared host is served, if it is, from when it is ready first
// until its route goes, and whether end customers reach the widget on it.
func (p *planner) declaredServed(w way, old *objects.Route) (*v1alpha1.SubdomainStatus, bool) {
	route := p.declaredRoute()
	switch {
	case !p.exposed():
		return nil, false
	case old != nil && old.Host() == p.declaredHost():
		return p.servedBy(*old), objects.HasWidget(old)
	case route == nil || !w.ready && !w.serves && (old != nil || !p.servedBefore(route.Host())):
		return nil, false
	}
	status := p.servedBy(*route)
	for _, ref := range p.Routes { // of who handed the host over, which shows another widget even at the same address
		if ref.Host == route.Host() && slices.Contains(p.Sources, ref.Partner) {
			status.FormerAddresses = append(status.FormerAddresses, ref.Addresses...)
		}
	}
	status.FormerAddresses = fewest(status.FormerAddresses)
	return status, w.ready || w.serves && objects.HasWidget(route)
}

// fewest are addresses, sorted, up to as many as a status can have.
func fewest(addresses []string) []string {
	slices.Sort(addresses)
	addresses = slices.Compact(addresses)
	return addresses[:min(len(addresses), objects.MostAddresses)]
}

// certificatesInUse are what the declared host's certificate is made of, even while the
// host is not served: it serves again if the contract goes on. Others may have asked for a
// certificate under the host's name.
func (p *planner) certificatesInUse() []kinds.Object {
	host := p.declaredHost()
	inUse := append(p.exposing(host, kinds.ByCertificateKey), p.exposing(p.build.TLSSecret(), kinds.ByCertificateKey)...)
	for _, certificate := range p.exposing(host, kinds.ByCertificate) {
		if !p.exposed() || certificate.GetAnnotations()[v1alpha1.AppliedAnnotation] == "" {
			inUse = append(inUse, certificate)
		}
	}
	return inUse
}

// orderedAhead is the certificate before the contract starts, so that the sub-domain is
// served from the first moment. That of a Gateway's listener comes with the listener. If it is not to
// be ordered yet, again is when to look again.
func (p *planner) orderedAhead() (ahead []kinds.Object, again time.Time) {
	issuer := p.build.Issuer()
	switch {
	case p.judged.Window.Reason != v1alpha1.ReasonContractNotStarted || p.build.GatewayRef() != nil || issuer == nil || !p.APIs.CertManager:
		return nil, time.Time{}
	case p.Order != nil && !p.Order.AwaitsRoute && p.Child(kinds.CertificateGVK.Kind, objects.HostOf(p.Partner)) == nil:
		return nil, p.Order.Again
	}
	return []kinds.Object{p.build.Certificate(*issuer)}, time.Time{}
}

// served are the route and what it leads to.
func (p *planner) served(via objects.GatewayLink, issued certificate) (wanted []kinds.Object) {
	gateway := p.build.GatewayRef()
	if issued.issuer != nil && p.APIs.CertManager && !issued.held {
		wanted = append(wanted, p.build.Certificate(*issued.issuer))
	}
	wanted = append(wanted, p.reached(via)...)
	if service, namespace, inCluster := objects.WidgetService(p.Settings); p.widget {
		if gateway != nil && inCluster && via.Grants {
			wanted = append(wanted, p.build.ReferenceGrant(service, namespace))
		} else {
			wanted = append(wanted, p.build.ExternalService(kinds.WidgetServiceName, p.Settings.WidgetBackend))
		}
	}
	if p.anew {
		return wanted
	}
	if gateway == nil {
		return append(wanted, p.build.Ingress(p.widget, issued.secret))
	}
	if via.Own {
		wanted = append(wanted, p.build.ListenerSet(via, issued.secret))
	}
	return append(wanted, p.build.HTTPRoute(via, p.widget))
}

// backendUnknown finds a backend of a newer schema.
func (p *planner) backendUnknown() *conditions.Finding {
	if backend := p.Partner.Spec.Subdomain.Backend; backend.Service != nil || backend.External != nil {
		return nil
	}
	return broken(v1alpha1.ReasonBackendNotFound, conditions.Stalled,
		"spec.subdomain.backend has a type that this version does not know: write service or external, or upgrade the operator")
}

func (p *planner) backendNotAllowed() *conditions.Finding {
	external := p.Partner.Spec.Subdomain.Backend.External
	if external == nil {
		return nil
	}
	why := p.backendRefused(string(external.Host))
	if why == "" {
		return nil
	}
	return broken(v1alpha1.ReasonBackendNotAllowed, conditions.Stalled, "spec.subdomain.backend.external.host: %s", why)
}

// backendRefused says why the route may not lead to a host outside the namespace;
// empty if it may. Proxies look names up with the search domains of a Pod, so that a
// name that is in no public domain, such as zte.partner-globex, can be a Service of
// this cluster, or the cloud's metadata server.
func (p *planner) backendRefused(host string) string {
	if slices.ContainsFunc(p.Settings.BackendHostSuffixes, func(suffix string) bool {
		return host == suffix || strings.HasSuffix(host, "."+suffix)
	}) {
		return ""
	}
	suffix, known := publicsuffix.PublicSuffix(host)
	switch {
	case !known && !strings.Contains(suffix, "."):
		return fmt.Sprintf("%s is in no public domain, and could be a Service of this cluster: write the engine's public name, or have the domain allowed with the operator's --backend-host-suffixes", host)
	case suffix == host:
		return fmt.Sprintf("%s is a public suffix, under which anyone can register names: write the engine's own name", host)
	}
	return ""
}

func (p *planner) backendMissing() *conditions.Finding {
	service := p.Partner.Spec.Subdomain.Backend.Service
	switch {
	case service == nil, p.BackendFound && len(p.BackendPorts) == 0, slices.Contains(p.BackendPorts, service.Port):
		return nil // an ExternalName Service needs no ports
	case p.BackendFound:
		return broken(v1alpha1.ReasonBackendNotFound, conditions.Waiting,
			"Service %s/%s has no port %d, only %s: write one of its ports in spec.subdomain.backend.service.port, or give it that port",
			objects.NamespaceOf(p.Partner), service.Name, service.Port, strings.Join(p.backendPorts(), ", "))
	}
	return broken(v1alpha1.ReasonBackendNotFound, conditions.Waiting,
		"there is no Service %s/%s: deploy the engine there, or name another in spec.subdomain.backend", objects.NamespaceOf(p.Partner), service.Name)
}

// backendPorts are the ports of the engine's Service, as text.
func (p *planner) backendPorts() (ports []string) {
	for _, port := range slices.Compact(slices.Sorted(slices.Values(p.BackendPorts))) {
		ports = append(ports, strconv.Itoa(int(port)))
	}
	return ports
}

// routeAccepted says why no controller serves the route, or nil, and whether one served it
// before its last change.
func (p *planner) routeAccepted(via objects.GatewayLink) (link *conditions.Finding, serves bool) {
	if p.build.GatewayRef() == nil {
		return p.ingressUnready(), false
	}
	return p.gatewayRouteUnready(via)
}

// routeName names the declared route in messages.
func (p *planner) routeName() string {
	name := objects.NamespaceOf(p.Partner) + "/" + p.build.DeclaredRoute()
	if gateway := p.build.GatewayRef(); gateway != nil {
		return fmt.Sprintf("HTTPRoute %s at Gateway %s/%s", name, gateway.Namespace, gateway.Name)
	}
	return "Ingress " + name
}

func (p *planner) hostRoutedElsewhere() *conditions.Finding {
	elsewhere, progress := p.routedElsewhere()
	if len(elsewhere) == 0 {
		return nil
	}
	return broken(v1alpha1.ReasonHostRoutedElsewhere, progress,
		"%s is also routed in another tenant's namespace: delete %s, and remove any finalizer that blocks its deletion", p.Partner.Spec.Subdomain.Host, strings.Join(elsewhere, ", "))
}

// routedElsewhere are the routes to the declared host in the namespaces of other
// tenants, in order. Those named by the host are a former holder's, made by the
// operator and about to go; those of who hands it over, and those that renew its
// certificate meanwhile, are meant to serve beside the declared one for a while.
func (p *planner) routedElsewhere() (elsewhere []string, progress conditions.Progress) {
	host := objects.HostOf(p.Partner)
	progress = conditions.Waiting
	for _, ref := range p.Routes {
		if ref.Host != host || ref.Namespace == objects.NamespaceOf(p.Partner) || slices.Contains(p.Sources, ref.Partner) && (ref.Named() == host || ref.Solver) {
			continue
		}
		elsewhere = append(elsewhere, ref.String())
		if !ref.Own || ref.Named() != host {
			progress = conditions.Stalled
		}
	}
	slices.Sort(elsewhere)
	return elsewhere, progress
}

// ingressUnready says why no ingress controller serves the sub-domain; nil if one
// should.
func (p *planner) ingressUnready() *conditions.Finding {
	if why := p.classMissing(); why != "" {
		return broken(v1alpha1.ReasonRouteNotAccepted, conditions.Stalled, "no ingress controller takes the route: %s", why)
	}
	if p.declaredRoute() == nil {
		return broken(v1alpha1.ReasonRouteNotAccepted, conditions.Waiting, "Ingress %s/%s is about to be created, once one that is being deleted is gone",
			objects.NamespaceOf(p.Partner), p.build.DeclaredRoute())
	}
	return nil
}

// ambiguousClass says so if the class of the Ingress is one of several defaults; empty if not.
func (p *planner) ambiguousClass() string {
	defaults := p.build.DefaultClasses()
	if p.build.NamedClass() != "" || len(defaults) < 2 || p.build.GatewayRef() != nil || !slices.Contains(defaults, p.build.IngressClassName()) {
		return ""
	}
	return fmt.Sprintf(", of the class %s; the cluster has several default ones (%s): mark one alone, or name a class", p.build.IngressClassName(), strings.Join(defaults, ", "))
}

// classMissing says why no ingress controller will take the route; empty if one
// should.
func (p *planner) classMissing() string {
	name := p.build.IngressClassName()
	switch {
	case name == "":
		return "no ingress class is named and the cluster has no default one: name one in spec.subdomain.route.ingressClassName or with the operator's --ingress-class"
	case slices.ContainsFunc(p.IngressClasses, func(class networkingv1.IngressClass) bool { return class.Name == name }):
		return ""
	}
	return fmt.Sprintf("there is no IngressClass %q: install its controller, or name another in spec.subdomain.route.ingressClassName or with the operator's --ingress-class", name)
}
