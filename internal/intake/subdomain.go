package intake

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
)

// subdomain fills in the sub-domain, from the row and from the routes of its host.
func (r *reading) subdomain() {
	host := r.host()
	if host == "" || r.failed {
		return
	}
	if claim := r.options.Claims[host]; claim != nil && string(claim.Spec.PartnerRef.Name) != r.partner.Name {
		r.fail("%s is held by Partner %q: leave the tenant out, or write another host in a table", host, claim.Spec.PartnerRef.Name)
		return
	}
	subdomain := &v1alpha1.Subdomain{Host: v1alpha1.Host(host)}
	r.partner.Spec.Subdomain = subdomain
	if r.there != nil {
		r.fromRoutes(subdomain)
	}
	r.fromRow(subdomain)
	if !r.failed && subdomain.Backend.Service == nil && subdomain.Backend.External == nil {
		why := ""
		if len(r.paths) > 0 {
			why = fmt.Sprintf(": none of its routes leads all paths to one Service of the namespace, only %s", strings.Join(r.paths, ", "))
		}
		if !r.partner.Spec.ChannelModel.WhiteLabels() {
			r.fail("no backend found for %s%s; a %s has no sub-domain: leave its host out", host, why, r.partner.Spec.ChannelModel)
			return
		}
		r.fail("no backend found for %s%s; write it in column \"service\" or \"external\" of the table", host, why)
	}
}

// host is the row's, or the one that the routes in the namespace have; empty if there is
// none.
func (r *reading) host() string {
	if host := r.row.values["host"]; host != "" || r.there == nil {
		return host
	}
	hosts := map[string]bool{}
	for _, ingress := range r.there.Ingresses {
		for _, rule := range ingress.Spec.Rules {
			if rule.Host == "" {
				r.warn("Ingress %s has a rule without a host, which takes every host: it is not imported, and stays as it is", ingress.Name)
			} else {
				hosts[rule.Host] = true
			}
		}
	}
	for _, route := range r.there.Routes {
		for _, hostname := range route.Spec.Hostnames {
			hosts[string(hostname)] = true
		}
	}
	maps.DeleteFunc(hosts, func(host string, _ bool) bool {
		if strings.Contains(host, "*") {
			r.warn("%s is no single host: it is not imported, and its route stays as it is", host)
		}
		return strings.Contains(host, "*")
	})
	names := slices.Sorted(maps.Keys(hosts))
	switch len(names) {
	case 0:
		r.note("no route in the namespace has a host, so the Partner has no sub-domain")
		return ""
	case 1:
		return names[0]
	}
	r.fail("its routes have several hosts, and a Partner has one: write which in column \"host\" of a table (%s)", strings.Join(names, ", "))
	return ""
}

// fromRoutes fills in what the routes of the host say.
func (r *reading) fromRoutes(subdomain *v1alpha1.Subdomain) {
	host := string(subdomain.Host)
	var ingresses []*networkingv1.Ingress
	for _, ingress := range r.there.Ingresses {
		if slices.ContainsFunc(ingress.Spec.Rules, func(rule networkingv1.IngressRule) bool { return rule.Host == host }) {
			ingresses = append(ingresses, ingress)
		}
	}
	var routes []*gatewayv1.HTTPRoute
	for _, route := range r.there.Routes {
		if slices.Contains(route.Spec.Hostnames, gatewayv1.Hostname(host)) {
			routes = append(routes, route)
		}
	}
	switch {
	case len(ingresses) > 0:
		for _, route := range routes {
			r.warn("%s is routed by Ingress %s and by HTTPRoute %s: the Partner goes by the Ingress", host, ingresses[0].Name, route.Name)
		}
		r.fromIngresses(subdomain, ingresses)
	case len(routes) > 0:
		r.fromHTTPRoutes(subdomain, routes)
	default:
		r.note("no route in the namespace has the host %s yet", host)
	}
}

func (r *reading) fromIngresses(subdomain *v1alpha1.Subdomain, ingresses []*networkingv1.Ingress) {
	host := string(subdomain.Host)
	var main *networkingv1.Ingress
	for _, ingress := range ingresses {
		backend, others := rootOf(ingress, host)
		for _, path := range others {
			r.paths = append(r.paths, fmt.Sprintf("%s of Ingress %s", path, ingress.Name))
		}
		var hosts []string
		for _, rule := range ingress.Spec.Rules {
			hosts = append(hosts, rule.Host)
		}
		for _, tls := range ingress.Spec.TLS {
			hosts = append(hosts, tls.Hosts...) // some tools make DNS records and certificates of them
		}
		if ingress.Name == host && r.losesHosts("Ingress "+ingress.Name, host, hosts) {
			return
		}
		if len(others) > 0 {
			if ingress.Name == host {
				r.fail("Ingress %s has other paths (%s), which are lost, since the operator's own has that name: rename it first", ingress.Name, strings.Join(others, ", "))
				return
			}
			r.warn("the paths %s of Ingress %s are not imported, since a sub-domain has one backend: keep that Ingress for them", strings.Join(others, ", "), ingress.Name)
		}
		if backend == nil {
			continue
		}
		if main != nil {
			r.fail("Ingresses %s and %s both lead the path / of %s somewhere: delete one", main.Name, ingress.Name, host)
			return
		}
		main = ingress
		r.backend(subdomain, backend.Service, "Ingress "+ingress.Name)
	}
	if main == nil {
		return
	}
	route := v1alpha1.Route{IngressClassName: cmp.Or(ptr.Deref(main.Spec.IngressClassName, ""), main.Annotations["kubernetes.io/ingress.class"])}
	route.Annotations = r.annotations(r.withoutExpression(main), "Ingress "+main.Name)
	if route.IngressClassName != "" || len(route.Annotations) > 0 {
		subdomain.Route = &route
	}
	secret, secure := "", false
	_, parent, _ := strings.Cut(host, ".")
	for _, tls := range main.Spec.TLS {
		if len(tls.Hosts) == 0 || slices.Contains(tls.Hosts, host) || secret == "" && slices.Contains(tls.Hosts, "*."+parent) {
			secret, secure = tls.SecretName, true
		}
	}
	switch {
	case secret != "":
		subdomain.TLS = r.certificate(host, secret)
	case secure:
		r.warn("Ingress %s serves %s with its controller's own certificate, which no Partner can: without spec.subdomain.tls, or the operator's --default-issuer, it is served in clear text", main.Name, host)
	default:
		r.note("Ingress %s names no certificate for %s", main.Name, host)
	}
	if main.Name != host {
		r.note("Ingress %s keeps serving %s beside the operator's route: delete it when the Partner is Ready and the controller has loaded the new route", main.Name, host)
	}
}

// losesHosts fails if a route that the operator's own takes the place of, by its name, has
// other hosts, wildcards included; an empty one is every host.
func (r *reading) losesHosts(route, host string, hosts []string) bool {
	others := slices.DeleteFunc(hosts, func(other string) bool { return other == host })
	if len(others) == 0 {
		return false
	}
	for i := range others {
		others[i] = cmp.Or(others[i], "*")
	}
	slices.Sort(others)
	r.fail("%s has other hosts (%s), which are lost, since the operator's own has that name: rename it first", route, strings.Join(slices.Compact(others), ", "))
	return true
}

// rootOf is what an Ingress leads the path / of a host to; nil for nothing. others are
// the other paths.
func rootOf(ingress *networkingv1.Ingress, host string) (backend *networkingv1.IngressBackend, others []string) {
	for _, rule := range ingress.Spec.Rules {
		switch {
		case rule.Host != host:
		case rule.HTTP == nil:
			backend = ingress.Spec.DefaultBackend
		default:
			for _, path := range rule.HTTP.Paths {
				if ptr.Deref(path.PathType, "") != networkingv1.PathTypeExact && isRoot(ingress, path.Path) && (backend == nil || equality.Semantic.DeepEqual(*backend, path.Backend)) {
					backend = &path.Backend
				} else {
					others = append(others, path.Path)
				}
			}
		}
	}
	return backend, others
}

// The annotations by which ingress-nginx takes paths for regular expressions, and refers to what
// they match.
const nginxRegex, nginxTarget = "nginx.ingress.kubernetes.io/use-regex", "nginx.ingress.kubernetes.io/rewrite-target"

// withoutExpression are the annotations of an Ingress but for those that only mean something for a
// regular expression: the operator's route leads the path / on as it is.
func (r *reading) withoutExpression(ingress *networkingv1.Ingress) map[string]string {
	annotations := maps.Clone(ingress.Annotations)
	if strings.Contains(annotations[nginxTarget], "$") {
		r.note("annotation %s of Ingress %s is not imported: the operator's route has no regular expression, and leads paths on as they are", nginxTarget, ingress.Name)
		delete(annotations, nginxTarget)
	}
	delete(annotations, nginxRegex)
	return annotations
}

// isRoot reports whether a path of an Ingress is that of everything: / itself, or as some
// controllers write it, /* or a regular expression.
func isRoot(ingress *networkingv1.Ingress, path string) bool {
	switch path {
	case "", "/", "/*":
		return true
	}
	// ingress-nginx takes paths for regular expressions with this annotation, and with a target
	// that refers to what they match.
	expressions := ingress.Annotations[nginxRegex] == "true" || ingress.Annotations[nginxTarget] != ""
	path, kong := strings.CutPrefix(path, "/~") // Kong's mark of one
	return (expressions || kong || strings.ContainsAny(path, "()")) && matchesAll(path)
}

// matchesAll reports whether a regular expression matches every path.
func matchesAll(expression string) bool {
	pattern, err := regexp.Compile("^(?:" + expression + ")")
	if err != nil {
		return false
	}
	for _, address := range []string{"/", "/a", "/a/b.c"} {
		if pattern.FindString(address) != address {
			return false
		}
	}
	return true
}

// backend fills in the Service that a route leads to, or the host outside the cluster
// that it stands for.
func (r *reading) backend(subdomain *v1alpha1.Subdomain, to *networkingv1.IngressServiceBackend, route string) {
	if to == nil {
		r.warn("%s leads to something other than a Service", route)
		return
	}
	service, port := r.there.service(to.Name), to.Port.Number
	if port == 0 && service != nil {
		if i := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == to.Port.Name }); i >= 0 {
			port = service.Spec.Ports[i].Port
		}
	}
	switch {
	case port == 0 && r.row.values["service"] == "" && r.row.values["external"] == "":
		r.fail("%s leads to port %q of Service %s, which is not there: create the Service, or write the backend in a table", route, to.Port.Name, to.Name)
	case service != nil && service.Spec.Type == corev1.ServiceTypeExternalName:
		subdomain.Backend.External = &v1alpha1.ExternalBackend{Host: v1alpha1.Host(strings.TrimSuffix(service.Spec.ExternalName, ".")), Port: port}
	default:
		subdomain.Backend.Service = &v1alpha1.ServiceBackend{Name: to.Name, Port: port}
		if service == nil {
			r.warn("%s leads to Service %s, which is not there: the sub-domain is not Ready without it", route, to.Name)
		}
	}
}

// toolAnnotations are those that tools leave on a route, of which a Partner needs none.
var toolAnnotations = []string{"kubectl.kubernetes.io/", "meta.helm.sh/", "helm.sh/", "argocd.argoproj.io/", "kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/", "partner.dispel.com/"}

// annotations are those of a route that a Partner can have, too.
func (r *reading) annotations(from map[string]string, route string) map[string]v1alpha1.AnnotationValue {
	carried := map[string]v1alpha1.AnnotationValue{}
	for _, key := range slices.Sorted(maps.Keys(from)) {
		switch refused := objects.AnnotationRefused(key); {
		case slices.ContainsFunc(toolAnnotations, func(prefix string) bool { return strings.HasPrefix(key, prefix) }), key == "kubernetes.io/ingress.class":
		case strings.HasPrefix(key, "cert-manager.io/"):
			r.note("annotation %s of %s is not carried over: the certificate goes on as it is", key, route)
		case refused != "":
			reason, _, _ := strings.Cut(refused, ":")
			r.warn("annotation %s of %s is not carried over: %s", key, route, reason)
		case !objects.AnnotationPlain(key, from[key]):
			r.warn("annotation %s of %s is not carried over, since the admission policies refuse it: controllers can read further hosts or configuration from it, or its value is not plain. "+
				"Check it; if it is harmless, have it allowed (admissionPolicies.allowedAnnotations of the chart), and write it in spec.subdomain.route.annotations", key, route)
		default:
			carried[key] = v1alpha1.AnnotationValue(from[key])
		}
	}
	return carried
}

// certificate is where the certificate of a host comes from. Nothing about it changes on
// the way in: what keeps its Secret goes on doing so.
func (r *reading) certificate(host, secret string) *v1alpha1.TLS {
	certificate := r.there.certificateOf(secret)
	if certificate == nil {
		r.note("nothing in the namespace renews the certificate in Secret %s: see that somebody does", secret)
		return &v1alpha1.TLS{SecretName: secret}
	}
	kind, _, _ := unstructured.NestedString(certificate.Object, "spec", "issuerRef", "kind")
	name, _, _ := unstructured.NestedString(certificate.Object, "spec", "issuerRef", "name")
	group, _, _ := unstructured.NestedString(certificate.Object, "spec", "issuerRef", "group")
	issuer := v1alpha1.IssuerReference{Kind: v1alpha1.IssuerKind(cmp.Or(kind, "Issuer")), Name: v1alpha1.ObjectName(name)}
	ours := group == "" || group == kinds.CertificateGVK.Group
	names, _, _ := unstructured.NestedStringSlice(certificate.Object, "spec", "dnsNames")
	if ours && certificate.GetName() == host && secret == host && slices.Equal(names, []string{host}) {
		return &v1alpha1.TLS{IssuerRef: &issuer} // the operator's own would be the same
	}
	after := "to have the operator order one, write spec.subdomain.tls.issuerRef later"
	if ours {
		after = fmt.Sprintf("to have the operator order one, write spec.subdomain.tls.issuerRef %s/%s later", issuer.Kind, issuer.Name)
	}
	for _, owner := range certificate.GetOwnerReferences() {
		if owner.Kind == "Ingress" {
			r.warn("Certificate %s, which renews Secret %s, goes when Ingress %s is deleted: before that, write spec.subdomain.tls.issuerRef %s/%s and wait for SubdomainReady", certificate.GetName(), secret, owner.Name, issuer.Kind, issuer.Name)
			return &v1alpha1.TLS{SecretName: secret}
		}
	}
	r.note("Certificate %s goes on renewing Secret %s; %s", certificate.GetName(), secret, after)
	return &v1alpha1.TLS{SecretName: secret}
}

// leadsAll reports whether a match takes every path.
func leadsAll(match *gatewayv1.HTTPPathMatch) bool {
	if match == nil {
		return true
	}
	value := ptr.Deref(match.Value, "/")
	switch ptr.Deref(match.Type, gatewayv1.PathMatchPathPrefix) {
	case gatewayv1.PathMatchPathPrefix:
		return value == "/"
	case gatewayv1.PathMatchRegularExpression:
		return matchesAll(value)
	}
	return false
}

func (r *reading) fromHTTPRoutes(subdomain *v1alpha1.Subdomain, routes []*gatewayv1.HTTPRoute) {
	if len(routes) > 1 {
		r.fail("HTTPRoutes %s and %s both route %s: write its backend and its Gateway in a table", routes[0].Name, routes[1].Name, subdomain.Host)
		return
	}
	route := routes[0]
	about, replaced := "HTTPRoute "+route.Name, route.Name == string(subdomain.Host)
	var hosts []string
	for _, hostname := range route.Spec.Hostnames {
		hosts = append(hosts, string(hostname))
	}
	if replaced && r.losesHosts(about, string(subdomain.Host), hosts) {
		return
	}
	if len(route.Spec.ParentRefs) > 1 {
		r.partial(about, replaced, "more than one parent")
	}
	var root *gatewayv1.HTTPBackendRef
	for i := range route.Spec.Rules {
		rule := &route.Spec.Rules[i]
		if len(rule.Filters) > 0 {
			r.partial(about, replaced, "a filter")
		}
		if len(rule.Matches) == 0 || slices.ContainsFunc(rule.Matches, func(match gatewayv1.HTTPRouteMatch) bool {
			return leadsAll(match.Path) && len(match.Headers) == 0 && len(match.QueryParams) == 0 && match.Method == nil
		}) {
			if len(rule.BackendRefs) == 1 {
				root = &rule.BackendRefs[0]
			} else {
				r.paths = append(r.paths, fmt.Sprintf("/ to %d backends of %s", len(rule.BackendRefs), about))
			}
			continue
		}
		for _, match := range rule.Matches {
			with := ""
			if len(match.Headers)+len(match.QueryParams) > 0 || match.Method != nil {
				with = " with headers, queries or a method"
			}
			r.paths = append(r.paths, fmt.Sprintf("%s%s of %s", ptr.Deref(ptr.Deref(match.Path, gatewayv1.HTTPPathMatch{}).Value, "/"), with, about))
		}
		r.partial(about, replaced, "a rule for other paths, headers, queries or methods")
	}
	switch namespace := gatewayv1.Namespace(route.Namespace); {
	case root == nil:
	case ptr.Deref(root.Kind, "Service") != "Service" || ptr.Deref(root.Namespace, namespace) != namespace:
		r.paths = append(r.paths, fmt.Sprintf("/ to %s %s/%s of %s", ptr.Deref(root.Kind, "Service"), ptr.Deref(root.Namespace, namespace), root.Name, about))
	default:
		r.backend(subdomain, &networkingv1.IngressServiceBackend{Name: string(root.Name), Port: networkingv1.ServiceBackendPort{Number: ptr.Deref(root.Port, 0)}}, about)
	}
	if len(route.Spec.ParentRefs) == 0 || ptr.Deref(route.Spec.ParentRefs[0].Kind, "Gateway") != "Gateway" {
		r.warn("%s is attached to no Gateway by itself: write which in column \"gateway\" of a table, or the operator's default serves %s", about, subdomain.Host)
		return
	}
	parent := route.Spec.ParentRefs[0]
	subdomain.Route = &v1alpha1.Route{
		GatewayRef: &v1alpha1.GatewayReference{
			Namespace: string(ptr.Deref(parent.Namespace, gatewayv1.Namespace(route.Namespace))), Name: v1alpha1.ObjectName(parent.Name),
			SectionName: string(ptr.Deref(parent.SectionName, "")),
		},
		Annotations: r.annotations(route.Annotations, about),
	}
	if len(subdomain.Route.Annotations) == 0 {
		subdomain.Route.Annotations = nil
	}
	if !replaced {
		r.note("%s keeps serving %s beside the operator's route: delete it when the Partner is Ready and the controller has loaded the new route", about, subdomain.Host)
	}
}

// partial says what of a route is not imported: if the operator's own takes its place, that
// is lost.
func (r *reading) partial(route string, replaced bool, what string) {
	if replaced {
		r.fail("%s has %s, which is lost, since the operator's own has that name: rename it first", route, what)
		return
	}
	r.warn("%s has %s, which is not imported: keep that route for it", route, what)
}

// fromRow fills in what the row says, over what was found.
func (r *reading) fromRow(subdomain *v1alpha1.Subdomain) {
	values := r.row.values
	if values["service"] != "" && values["external"] != "" {
		r.fail("columns \"service\" and \"external\" both have a value: a sub-domain has one backend")
		return
	}
	if text := values["service"]; text != "" {
		name, port, err := parsePort(text)
		if err != nil {
			r.fail("column \"service\": %s", err)
		}
		subdomain.Backend = v1alpha1.Backend{Service: &v1alpha1.ServiceBackend{Name: name, Port: port}}
	}
	if text := values["external"]; text != "" {
		name, port, err := parsePort(text)
		if err != nil {
			r.fail("column \"external\": %s", err)
		}
		subdomain.Backend = v1alpha1.Backend{External: &v1alpha1.ExternalBackend{Host: v1alpha1.Host(strings.ToLower(name)), Port: port}}
	}
	if values["issuer"] != "" && values["secret"] != "" {
		r.fail("columns \"issuer\" and \"secret\" both have a value: a certificate comes from one place")
		return
	}
	if text := values["issuer"]; text != "" {
		kind, name, named := strings.Cut(text, "/")
		if !named {
			kind, name = string(v1alpha1.ClusterIssuer), text
		}
		subdomain.TLS = &v1alpha1.TLS{IssuerRef: &v1alpha1.IssuerReference{Kind: v1alpha1.IssuerKind(kind), Name: v1alpha1.ObjectName(name)}}
	}
	if text := values["secret"]; text != "" {
		subdomain.TLS = &v1alpha1.TLS{SecretName: text}
	}
	route := ptr.Deref(subdomain.Route, v1alpha1.Route{})
	if class := values["ingressClass"]; class != "" {
		route.IngressClassName, route.GatewayRef = class, nil
		subdomain.Route = &route
	}
	if text := values["gateway"]; text != "" {
		namespace, name, named := strings.Cut(text, "/")
		if !named {
			r.fail("column \"gateway\": %q names no namespace: write namespace/name", text)
		}
		route.GatewayRef = &v1alpha1.GatewayReference{Namespace: namespace, Name: v1alpha1.ObjectName(name)}
		if values["ingressClass"] != "" {
			r.fail("columns \"ingressClass\" and \"gateway\" both have a value: a sub-domain has one route")
		}
		route.IngressClassName = ""
		subdomain.Route = &route
	}
}

func parsePort(text string) (name string, port int32, err error) {
	name, number, err := net.SplitHostPort(text)
	if err == nil {
		var parsed int64
		parsed, err = strconv.ParseInt(number, 10, 32)
		port = int32(parsed)
	}
	if err != nil {
		return "", 0, fmt.Errorf("%q is no name with a port: write it as name:port, such as engine:8080", text)
	}
	return name, port, nil
}

func parseCount(text string) (int32, error) {
	count, err := strconv.ParseInt(text, 10, 32)
	if err != nil || count < 0 {
		return 0, fmt.Errorf("%q is no count: write a whole number without separators, such as 1200", text)
	}
	return int32(count), nil
}
