package objects

import (
	"cmp"
	"encoding/json"
	"maps"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
)

// Defaults are what a Partner is served by, and of what the operator's and the cluster's defaults decide.
type Defaults struct {
	// IngressClass or Gateway is by what: the name of the class, or the Gateway as namespace/name or
	// namespace/name/listener. Own tells that the Partner names it itself.
	IngressClass string `json:"ingressClass,omitempty"`
	Gateway      string `json:"gateway,omitempty"`
	Own          bool   `json:"own,omitempty"`
	// Issuer signs the certificate, as kind/name; none if nobody does, and empty if the Partner says itself where
	// the certificate comes from.
	Issuer string `json:"issuer,omitempty"`
	// Annotations are on an Ingress; an HTTPRoute has none.
	Annotations map[string]string `json:"annotations,omitempty"`
	// Changed is when a change of them reached the Partner last; nil if none did.
	Changed *metav1.Time `json:"changed,omitempty"`
}

// noIssuer is what Defaults have where nobody signs.
const noIssuer = "none"

// Defaults are those by which the Partner is to be served.
func (b Builder) Defaults() Defaults {
	var d Defaults
	subdomain := b.Partner.Spec.Subdomain
	d.Own = subdomain.Route != nil && (subdomain.Route.GatewayRef != nil || subdomain.Route.IngressClassName != "")
	if gateway := b.GatewayRef(); gateway == nil {
		d.IngressClass, d.Annotations = b.IngressClassName(), b.Settings.IngressAnnotations
	} else {
		d.Gateway = strings.TrimSuffix(gateway.Namespace+"/"+string(gateway.Name)+"/"+gateway.SectionName, "/")
	}
	if !b.OwnTLS() {
		d.Issuer = noIssuer
		if issuer := b.Settings.DefaultIssuer; issuer != nil {
			d.Issuer = string(issuer.Kind) + "/" + string(issuer.Name)
		}
	}
	return d
}

// over are settings with what these defaults are about as they have it.
func (d Defaults) over(settings Settings) Settings {
	if d.IngressClass != "" && !d.Own {
		settings.IngressClassName, settings.Gateway = d.IngressClass, nil
	}
	if namespace, rest, ok := strings.Cut(d.Gateway, "/"); ok && !d.Own {
		name, section, _ := strings.Cut(rest, "/")
		settings.Gateway = &v1alpha1.GatewayReference{Namespace: namespace, Name: v1alpha1.ObjectName(name), SectionName: section}
	}
	if kind, name, ok := strings.Cut(d.Issuer, "/"); ok {
		settings.DefaultIssuer = &v1alpha1.IssuerReference{Kind: v1alpha1.IssuerKind(kind), Name: v1alpha1.ObjectName(name)}
	} else if d.Issuer == noIssuer {
		settings.DefaultIssuer = nil
	}
	settings.IngressAnnotations = d.Annotations
	return settings
}

// note has the defaults noted on a route.
func (b Builder) note(route metav1.Object) {
	d := b.Defaults()
	if !b.Reached.IsZero() {
		d.Changed = &metav1.Time{Time: b.Reached}
	}
	text, err := json.Marshal(d)
	if err != nil {
		return // texts and a time are always JSON
	}
	annotations := maps.Clone(route.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.DefaultsAnnotation] = string(text)
	route.SetAnnotations(annotations)
}

// madeWith are the defaults that a route was made with: those noted on it, else what it shows of them. to are those
// of now.
func (b Builder) madeWith(route kinds.Object, live []kinds.Object, to Defaults) Defaults {
	var noted Defaults
	if text := route.GetAnnotations()[v1alpha1.DefaultsAnnotation]; text != "" && json.Unmarshal([]byte(text), &noted) == nil {
		return noted
	}
	return b.shown(route, live, to)
}

// ChangesAtOnce reports whether somebody has changes of the defaults reach a Partner without waiting for anything.
func ChangesAtOnce(partner *v1alpha1.Partner) bool {
	return partner.Annotations[v1alpha1.ChangesAnnotation] == v1alpha1.ChangesAtOnce
}

// Change is one of the defaults that a Partner is served by.
type Change struct {
	// From are those by which it is served, and To those by which it is to be.
	From, To Defaults
}

// What says what changes, as a part of a sentence.
func (c Change) What() string {
	var parts []string
	say := func(what, from, to string) {
		if from != to {
			parts = append(parts, what+" from "+from+" to "+to)
		}
	}
	route := func(d Defaults) string {
		switch {
		case d.Gateway != "":
			return "Gateway " + d.Gateway
		case d.IngressClass == "":
			return "no ingress class"
		}
		return "ingress class " + d.IngressClass
	}
	if c.routes() {
		say("the route", route(c.From), route(c.To))
	}
	if c.signs() {
		say("the issuer", c.From.Issuer, c.To.Issuer)
	}
	if c.annotates() {
		parts = append(parts, "the annotations of the Ingress")
	}
	return strings.Join(parts, ", ")
}

// any reports whether anything changes.
func (c Change) any() bool { return c.routes() || c.signs() || c.annotates() }

// routes reports whether what routes the host changes, signs whether the issuer does, and annotates whether
// the annotations of an Ingress do that stays one.
func (c Change) routes() bool {
	return !c.From.Own && !c.To.Own && (c.From.IngressClass != c.To.IngressClass || c.From.Gateway != c.To.Gateway)
}

func (c Change) signs() bool {
	return c.From.Issuer != "" && c.To.Issuer != "" && c.From.Issuer != c.To.Issuer
}

func (c Change) annotates() bool {
	return c.From.Gateway == "" && c.To.Gateway == "" && !maps.Equal(c.From.Annotations, c.To.Annotations)
}

// Kept are settings with what the change is about as the Partner is served.
func (c Change) Kept(settings Settings) Settings { return c.From.over(settings) }

// ChangeOf is the change of defaults between how a Partner is served, by its objects, and how it is to be; nil
// if there is none, or nothing serves its host. reached is when the last one did; zero if none did.
func (b Builder) ChangeOf(live []kinds.Object) (change *Change, reached time.Time) {
	b.Kept = KeptClass(b.Partner, live)
	to, host := b.Defaults(), HostOf(b.Partner)
	var served *Defaults
	same := false
	for _, object := range live {
		kind := kinds.OfType(object)
		if kind == nil || kind.Exposure != kinds.ByRoute || kinds.HostNamed(object) != host || object.GetDeletionTimestamp() != nil {
			continue
		}
		from := b.madeWith(object, live, to)
		if from.Changed != nil && from.Changed.After(reached) {
			reached = from.Changed.Time
		}
		// One that is on its way out says nothing of what the Partner is served by.
		if c := (Change{From: from, To: to}); !c.any() && object.GetAnnotations()[v1alpha1.ReplacedAnnotation] == "" {
			same = true
		}
		if status := b.Partner.Status.Subdomain; served == nil || status != nil && string(status.Route) == kind.Kind && cmp.Or(status.RouteName, host) == object.GetName() {
			served = &from
		}
	}
	if served == nil || same {
		return nil, reached
	}
	return &Change{From: *served, To: to}, reached
}

// Leads reports whether a route, one of the objects that are there, leads its host the declared way: by the
// class or the Gateway that is declared, whatever somebody made of it, or by none that is known.
func (b Builder) Leads(route kinds.Object, live []kinds.Object) bool {
	to := b.Defaults()
	from := b.madeWith(route, live, to)
	return from.IngressClass == "" && from.Gateway == "" || from.IngressClass == to.IngressClass && from.gateway() == to.gateway()
}

// gateway is the Gateway without the listener.
func (d Defaults) gateway() string {
	namespace, rest, _ := strings.Cut(d.Gateway, "/")
	name, _, _ := strings.Cut(rest, "/")
	return namespace + "/" + name
}

// shown are the defaults of a route that has no note of them, by what it is made of. Its annotations are taken for
// those of now.
func (b Builder) shown(route kinds.Object, live []kinds.Object, to Defaults) Defaults {
	var from Defaults
	if ingress, ok := route.(*networkingv1.Ingress); ok {
		from.Annotations = to.Annotations
		if len(ingress.Spec.TLS) == 0 {
			from.Issuer = noIssuer
		}
		from.IngressClass = ptr.Deref(ingress.Spec.IngressClassName, "")
		if status := b.Partner.Status.Subdomain; status != nil && status.IngressClass != "" && cmp.Or(status.RouteName, kinds.HostNamed(route)) == route.GetName() {
			from.IngressClass = string(status.IngressClass)
		}
	} else if parents := b.parents(route, live); len(parents) > 0 {
		from.Gateway = parents[0]
		if strings.HasPrefix(to.Gateway, parents[0]+"/") {
			from.Gateway = to.Gateway // the listener is not told
		}
	}
	if to.Issuer != "" {
		for _, object := range live {
			if certificate, ok := object.(*unstructured.Unstructured); ok && certificate.GetKind() == kinds.CertificateGVK.Kind && certificate.GetName() == kinds.HostNamed(route) {
				ref, _, _ := unstructured.NestedStringMap(certificate.Object, "spec", "issuerRef")
				from.Issuer = ref["kind"] + "/" + ref["name"]
			}
		}
	}
	return from
}

// parents are the Gateways that a route is attached to, by itself or by its ListenerSet.
func (b Builder) parents(route kinds.Object, live []kinds.Object) []string {
	if attached := kinds.AttachedTo(route); len(attached) > 0 {
		return attached
	}
	for _, object := range live {
		if kind := kinds.OfType(object); kind != nil && kind.Exposure == kinds.ByListener && object.GetName() == route.GetName() {
			return kinds.AttachedTo(object)
		}
	}
	return nil
}

// KeptClass is the class of the Ingress that serves a Partner, of its objects, as the status has it: what somebody
// wrote into the Ingress is put right. A status from before, or one that a restore lost, has none, and then
// the Ingress tells. Empty if there is none.
func KeptClass(partner *v1alpha1.Partner, live []kinds.Object) string {
	if served := partner.Status.Subdomain; served != nil && served.IngressClass != "" {
		return string(served.IngressClass)
	}
	for _, object := range live {
		if ingress, ok := object.(*networkingv1.Ingress); ok && ingress.DeletionTimestamp.IsZero() && kinds.HostNamed(ingress) == HostOf(partner) {
			return ptr.Deref(ingress.Spec.IngressClassName, "")
		}
	}
	return ""
}
