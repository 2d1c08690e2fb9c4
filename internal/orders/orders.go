// Package orders decides when a certificate may be ordered from an ACME issuer: when the order can
// succeed, and in its turn. An order that fails counts against what the authority allows an account.
package orders

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/probe"
	"github.com/dispel/partner-operator/internal/records"
	"github.com/dispel/partner-operator/internal/snapshot"
)

const (
	// again is when DNS is asked again for a host that waits for it, and later when, once it has waited
	// for an hour.
	again, later = 30 * time.Second, 5 * time.Minute
	// forgotten is when a host that nobody asked about any more is forgotten, and turn how often
	// one that waits for its turn asks.
	forgotten, turn = 25 * time.Minute, 10 * time.Minute
	// settled is for how long a message stays while only its details change.
	settled = 10 * time.Minute
	// atOnce is for how many hosts DNS is asked at once, longest for how long, of one, and server for how
	// long of that the ACME server.
	atOnce, longest, server = 16, 15 * time.Second, 5 * time.Second
	// silent is for how long a controller may say nothing of where it serves a new route.
	silent = time.Minute
	// window is the time within which orders are counted.
	window = time.Hour
)

// Options are what a Gate decides by.
type Options struct {
	// Issuers are read from it, at one request each time DNS is asked for a host.
	Issuers client.Reader
	// Certificates has those that the operator made.
	Certificates client.Reader
	// Prober resolves names, and Server is the DNS server that is asked for CAA records.
	Prober *probe.Prober
	Server records.Resolver
	// Checks has DNS asked; without, all orders can succeed.
	Checks bool
	// PerHour is how many orders an issuer gets within an hour; 0 for as many as there are.
	PerHour int
	Clock   clock.PassiveClock
}

// Gate decides when certificates may be ordered. It is safe for concurrent use.
type Gate struct {
	Options

	mu     sync.Mutex
	looks  map[question]*look
	swept  time.Time
	queues map[issuer]*queue
	// counted reports that the orders of before are in the queues.
	counted bool
	slots   chan struct{}
	changed chan event.GenericEvent
}

// New returns a gate that orders nothing until it is asked.
func New(options Options) *Gate {
	return &Gate{
		Options: options, looks: map[question]*look{}, queues: map[issuer]*queue{},
		slots: make(chan struct{}, atOnce), changed: make(chan event.GenericEvent, 1024),
	}
}

// Changed tells of Partners, by their names, for which an answer came.
func (g *Gate) Changed() <-chan event.GenericEvent { return g.changed }

// issuer names one of cert-manager's.
type issuer struct {
	kind            v1alpha1.IssuerKind
	namespace, name string
}

func (i issuer) String() string { return string(i.kind) + " " + i.name }

// look is what was found out, or is being.
type look struct {
	verdict
	running bool
	// at is when that was found out; zero if it was not yet. since is when it was asked for first, asked
	// when last, and told since when the message is what it is.
	at, since, asked, told time.Time
}

// every is how often DNS is asked.
func (l *look) every(now time.Time) time.Duration {
	if now.Sub(l.since) < time.Hour {
		return again
	}
	return later
}

// verdict is what was found out.
type verdict struct {
	// reason and wrong say why an order would fail; empty if it would not.
	reason, wrong string
	// led tells that DNS has to lead to the route, for HTTP-01.
	led bool
}

// question is what an answer depends on.
type question struct {
	partner, host string
	issuer        issuer
	// addresses are separated by spaces.
	addresses string
}

// Order says why the certificate of a snapshot is not to be ordered yet; nil if it may be, or is not up
// to the operator.
func (g *Gate) Order(s *snapshot.Snapshot) *snapshot.Order {
	of, awaited, asks := questionOf(s)
	if tls := ptr.Deref(s.Partner.Spec.Subdomain, v1alpha1.Subdomain{}).TLS; !asks || !g.Checks || tls != nil && tls.Order == v1alpha1.OrderAlways {
		return nil
	}
	held := func(message string, again time.Duration) *snapshot.Order {
		return &snapshot.Order{Reason: v1alpha1.ReasonDNSNotReady, Message: message, Again: s.Now.Add(again)}
	}
	known, found, every := g.found(of)
	switch {
	case !found:
		// What a manager before this one found out stays until this one knows more.
		return held(cmp.Or(s.OrderHeld(), "DNS is being asked whether the order can succeed"), longest)
	case known.wrong != "":
		return held(fmt.Sprintf("%s. `kubectl partner dns %s` prints what to set; DNS is asked again every %s, or not at all with spec.subdomain.tls.order: Always",
			known.wrong, s.Partner.Name, duration.HumanDuration(every)), every)
	case known.led && awaited:
		order := held("its route has no address yet, to which DNS could lead", again)
		order.AwaitsRoute = true
		return order
	}
	return nil
}

// questionOf is what to ask for a snapshot: nothing if there is no certificate to order, or it
// was ordered before. awaited tells that the route may have an address soon: not every controller says
// where it serves.
func questionOf(s *snapshot.Snapshot) (of question, awaited, asks bool) {
	subdomain := s.Partner.Spec.Subdomain
	if subdomain == nil || !s.Partner.Spec.ChannelModel.WhiteLabels() || !s.APIs.CertManager || len(s.Sources) > 0 ||
		s.Claim != nil && string(s.Claim.Spec.PartnerRef.Name) != s.Partner.Name {
		return of, false, false
	}
	host := string(subdomain.Host)
	build := objects.Builder{Partner: s.Partner, Settings: s.Settings}
	ref := build.Issuer()
	if ref == nil || build.GatewayRef() != nil && !s.APIs.ListenerSets || s.Child(kinds.CertificateGVK.Kind, host) != nil || s.Child(kinds.Secret, host) != nil {
		return of, false, false
	}
	by := issuer{kind: cmp.Or(ref.Kind, v1alpha1.ClusterIssuer), name: string(ref.Name)}
	if by.kind == v1alpha1.Issuer {
		by.namespace = objects.NamespaceOf(s.Partner)
	}
	// While a route takes the place of another, DNS may lead to either.
	var addresses []string
	awaited = true
	for _, route := range s.OwnRoutes() {
		if route.GetName() != host {
			continue
		}
		var gateway *gatewayv1.Gateway
		if key, attached := s.GatewayOf(route); attached {
			gateway = s.Gateway(key)
		}
		addresses = append(addresses, objects.AddressesOf(route.Object, gateway)...)
		awaited = awaited && s.Now.Sub(route.GetCreationTimestamp().Time) < silent
	}
	slices.Sort(addresses)
	addresses = slices.Compact(addresses)
	return question{s.Partner.Name, host, by, strings.Join(addresses, " ")}, awaited && len(addresses) == 0, true
}

// found is what is known, and whether anything is; if nothing is, or it was found out some time ago, DNS
// is asked. every is how often it is.
func (g *Gate) found(of question) (known verdict, found bool, every time.Duration) {
	now := g.Clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.swept) > forgotten {
		maps.DeleteFunc(g.looks, func(_ question, l *look) bool { return !l.running && now.Sub(l.asked) > forgotten })
		g.swept = now
	}
	l := g.looks[of]
	if l == nil {
		l = &look{since: now}
		for earlier, other := range g.looks { // before its addresses changed
			if earlier.partner == of.partner && earlier.host == of.host && other.since.Before(l.since) {
				l.since = other.since
			}
		}
		g.looks[of] = l
	}
	l.asked = now
	if !l.running && (l.at.IsZero() || now.Sub(l.at) >= l.every(now)) {
		l.running = true
		go g.look(of, l)
	}
	return l.verdict, !l.at.IsZero(), l.every(now)
}

// look asks DNS, and tells of the Partner if the answer is another one than before.
func (g *Gate) look(of question, l *look) {
	g.slots <- struct{}{}
	ctx, end := context.WithTimeout(context.Background(), longest)
	found, err := g.ask(ctx, of)
	end()
	<-g.slots
	now := g.Clock.Now()
	g.mu.Lock()
	l.running = false
	if err != nil {
		g.mu.Unlock()
		return // it asks again by itself
	}
	news := l.at.IsZero() || l.reason != found.reason || l.wrong != found.wrong && now.Sub(l.told) >= settled
	if l.at = now; news {
		l.verdict, l.told = found, now
	}
	g.mu.Unlock()
	if !news {
		return
	}
	partner := &v1alpha1.Partner{}
	partner.Name = of.partner
	select {
	case g.changed <- event.GenericEvent{Object: partner}:
	default: // it asks again by itself
	}
}

// ask finds why an order would fail. What nobody knows is in no order's way; the error is that of an API
// server which does not say what the issuer is.
func (g *Gate) ask(ctx context.Context, of question) (verdict, error) {
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(schema.GroupVersionKind{Group: kinds.CertificateGVK.Group, Version: kinds.CertificateGVK.Version, Kind: string(of.issuer.kind)})
	switch err := g.Issuers.Get(ctx, client.ObjectKey{Namespace: of.issuer.namespace, Name: of.issuer.name}, found); {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err), meta.IsNoMatchError(err):
		return verdict{}, nil // cert-manager says more about it
	case err != nil:
		return verdict{}, err
	}
	acme, dns01 := records.ACME(found, of.host, objects.Labels(of.partner))
	if acme == "" {
		return verdict{}, nil
	}
	if !dns01 {
		// A server that fails may serve others.
		result := g.Prober.Resolve(ctx, probe.Target{Host: of.host, Addresses: strings.Fields(of.addresses)})
		if (result.Reason == probe.NameNotResolved || result.Reason == probe.AddressNotTheRoutes) && result.Own == "" {
			return verdict{reason: string(result.Reason), wrong: result.Message, led: true}, nil
		}
	}
	if of.issuer.kind != v1alpha1.ClusterIssuer {
		return verdict{led: !dns01}, nil // a tenant may have made it, and no tenant is to say where the manager connects to
	}
	limited, end := context.WithTimeout(ctx, server)
	defer end()
	if wrong := g.Server.Permission(limited, of.host, records.Client(rootsOf(found)), acme).Wrong; wrong != "" {
		return verdict{reason: "CAA", wrong: wrong, led: !dns01}, nil
	}
	return verdict{led: !dns01}, nil
}

// rootsOf are the authorities that an issuer trusts its ACME server by; nil for the system's.
func rootsOf(found *unstructured.Unstructured) *x509.CertPool {
	bundle, _, _ := unstructured.NestedString(found.Object, "spec", "acme", "caBundle")
	pem, err := base64.StdEncoding.DecodeString(bundle)
	if roots := x509.NewCertPool(); err == nil && roots.AppendCertsFromPEM(pem) {
		return roots
	}
	return nil
}

// queue is of the orders of one issuer.
type queue struct {
	// granted are the times of those within the window, by the Certificate.
	granted map[types.NamespacedName]time.Time
	// waiting are those that have no turn yet, in order.
	waiting []waiter
}

type waiter struct {
	certificate types.NamespacedName
	asked       time.Time
}

// Turn says that it is not the turn of a Certificate that is about to be written yet; nil if it is,
// which then counts, or if nothing is ordered: observed, what is there, is of the same issuer.
func (g *Gate) Turn(ctx context.Context, wanted, observed kinds.Object, now time.Time) *snapshot.Order {
	certificate, ok := wanted.(*unstructured.Unstructured)
	if g.PerHour <= 0 || !ok || kinds.Name(wanted) != kinds.CertificateGVK.Kind {
		return nil
	}
	of := issuerOf(certificate)
	if before, there := observed.(*unstructured.Unstructured); there && before != nil && issuerOf(before) == of {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.count(ctx, now); err != nil {
		return &snapshot.Order{Reason: v1alpha1.ReasonOrdersPaced, Message: "the orders of the last hour cannot be counted: see the operator's log", Again: now.Add(again)}
	}
	q := g.queues[of]
	if q == nil {
		q = &queue{granted: map[types.NamespacedName]time.Time{}}
		g.queues[of] = q
	}
	name := client.ObjectKeyFromObject(certificate)
	maps.DeleteFunc(q.granted, func(_ types.NamespacedName, at time.Time) bool { return now.Sub(at) >= window })
	if _, granted := q.granted[name]; granted {
		q.granted[name] = now // it was not written then
		return nil
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(w waiter) bool { return w.certificate != name && now.Sub(w.asked) > forgotten })
	place := slices.IndexFunc(q.waiting, func(w waiter) bool { return w.certificate == name })
	if place < 0 {
		place = len(q.waiting)
		q.waiting = append(q.waiting, waiter{certificate: name})
	}
	q.waiting[place].asked = now
	if place < g.PerHour-len(q.granted) {
		q.waiting = slices.Delete(q.waiting, place, place+1)
		q.granted[name] = now
		return nil
	}
	at := q.turnOf(place, g.PerHour, now)
	order := &snapshot.Order{Reason: v1alpha1.ReasonOrdersPaced, Again: now.Add(turn), Message: fmt.Sprintf(
		"%s gets %d orders an hour (--orders-per-hour): place %d, about %s UTC", of, g.PerHour, place+1, at.UTC().Format("15:04"))}
	if at.Before(order.Again) {
		order.Again = at
	}
	return order
}

// turnOf is when the order in a place can be made: when enough of those before it are an hour old.
func (q *queue) turnOf(place, perHour int, now time.Time) time.Time {
	times := slices.SortedFunc(maps.Values(q.granted), time.Time.Compare)
	ahead := place - (perHour - len(times))
	at := now
	if n := ahead % perHour; n < len(times) {
		at = times[n]
	}
	return at.Add(time.Duration(1+ahead/perHour) * window)
}

// count counts the Certificates that were made within the last hour, once, so that a restart forgets none.
func (g *Gate) count(ctx context.Context, now time.Time) error {
	if g.counted {
		return nil
	}
	made := kinds.Named(kinds.CertificateGVK.Kind).NewList().(*unstructured.UnstructuredList)
	if err := g.Certificates.List(ctx, made, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "The Certificates of the last hour cannot be counted; it is tried again")
		return err
	}
	for i := range made.Items {
		certificate := &made.Items[i]
		created := certificate.GetCreationTimestamp().Time
		if !kinds.Marked(certificate) || now.Sub(created) >= window {
			continue
		}
		of := issuerOf(certificate)
		if g.queues[of] == nil {
			g.queues[of] = &queue{granted: map[types.NamespacedName]time.Time{}}
		}
		g.queues[of].granted[client.ObjectKeyFromObject(certificate)] = created
	}
	g.counted = true
	return nil
}

// issuerOf is the issuer of a Certificate.
func issuerOf(certificate *unstructured.Unstructured) issuer {
	ref, _, _ := unstructured.NestedStringMap(certificate.Object, "spec", "issuerRef")
	of := issuer{kind: v1alpha1.IssuerKind(ref["kind"]), name: ref["name"]}
	if of.kind == v1alpha1.Issuer {
		of.namespace = certificate.GetNamespace()
	}
	return of
}
