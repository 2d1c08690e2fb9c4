// Package orders decides when a certificate may be ordered from an ACME issuer: when the order can
// succeed, and in its turn. An order that fails counts against what the authority allows an account.
package orders

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
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
	// again is when DNS is asked again for a host that waits for it.
	again = 30 * time.Second
	// forgotten is when a host that nobody asked about any more is forgotten, and turn how often
	// one that waits for its turn asks.
	forgotten, turn = 25 * time.Minute, 10 * time.Minute
	// atOnce is for how many hosts DNS is asked at once, and longest for how long, of one.
	atOnce, longest = 16, 20 * time.Second
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

	mu      sync.Mutex
	looks   map[string]*look
	swept   time.Time
	queues  map[issuer]*queue
	slots   chan struct{}
	changed chan event.GenericEvent
}

// New returns a gate that orders nothing until it is asked.
func New(options Options) *Gate {
	return &Gate{
		Options: options, looks: map[string]*look{}, queues: map[issuer]*queue{},
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

// look is what was found out about a host, or is being.
type look struct {
	question
	running bool
	verdict
	// at is when that was found out; zero if it was not yet. asked is when it was asked for last.
	at, asked time.Time
}

// verdict is what was found out.
type verdict struct {
	// wrong says why an order would fail; empty if it would not.
	wrong string
	// led tells that DNS has to lead to the route, for HTTP-01.
	led bool
}

// question is what an answer depends on.
type question struct {
	host      string
	issuer    issuer
	addresses string
}

// Order says why the certificate of a snapshot is not to be ordered yet; nil if it may be, or is not up
// to the operator.
func (g *Gate) Order(ctx context.Context, s *snapshot.Snapshot) *snapshot.Order {
	of, asks := questionOf(s)
	if !asks {
		return nil
	}
	if tls := s.Partner.Spec.Subdomain.TLS; g.Checks && (tls == nil || tls.Order != v1alpha1.OrderAlways) {
		addresses, awaited := addressesOf(s)
		known, found := g.found(of, s.Partner.Name, addresses)
		switch {
		case !found:
			return &snapshot.Order{Reason: v1alpha1.ReasonDNSNotReady, Message: "DNS is being asked whether the order can succeed", Again: s.Now.Add(longest)}
		case known.wrong != "":
			return &snapshot.Order{Reason: v1alpha1.ReasonDNSNotReady, Again: s.Now.Add(again), Message: fmt.Sprintf(
				"%s. `kubectl partner dns %s` prints what to set; DNS is asked again every %d seconds, or not at all with spec.subdomain.tls.order: Always", known.wrong, s.Partner.Name, int(again.Seconds()))}
		case known.led && awaited:
			return &snapshot.Order{Reason: v1alpha1.ReasonDNSNotReady, Message: "its route has no address yet, to which DNS could lead", AwaitsRoute: true, Again: s.Now.Add(again)}
		}
	}
	return g.inTurn(ctx, of, s.Now)
}

// questionOf is what to ask for a snapshot: nothing if there is no certificate to order, or it
// was ordered before.
func questionOf(s *snapshot.Snapshot) (of question, asks bool) {
	subdomain := s.Partner.Spec.Subdomain
	if subdomain == nil || !s.Partner.Spec.ChannelModel.WhiteLabels() || !s.APIs.CertManager || len(s.Sources) > 0 ||
		s.Claim != nil && string(s.Claim.Spec.PartnerRef.Name) != s.Partner.Name {
		return of, false
	}
	host := string(subdomain.Host)
	build := objects.Builder{Partner: s.Partner, Settings: s.Settings}
	ref := build.Issuer()
	if ref == nil || build.GatewayRef() != nil && !s.APIs.ListenerSets ||
		s.Child(kinds.CertificateGVK.Kind, host) != nil || s.Child(kinds.Secret, host) != nil {
		return of, false
	}
	by := issuer{kind: ref.Kind, name: string(ref.Name)}
	if by.kind == "" {
		by.kind = v1alpha1.ClusterIssuer
	}
	if by.kind == v1alpha1.Issuer {
		by.namespace = objects.NamespaceOf(s.Partner)
	}
	addresses, _ := addressesOf(s)
	return question{host, by, fmt.Sprint(addresses)}, true
}

// addressesOf are where the declared host is served. awaited tells that there may be some soon: not every
// controller says where it serves.
func addressesOf(s *snapshot.Snapshot) (addresses []string, awaited bool) {
	for _, route := range s.OwnRoutes() {
		if route.GetName() != string(s.Partner.Spec.Subdomain.Host) {
			continue
		}
		var gateway *gatewayv1.Gateway
		if key, attached := s.GatewayOf(route); attached {
			gateway = s.Gateway(key)
		}
		addresses = objects.AddressesOf(route.Object, gateway)
		return addresses, len(addresses) == 0 && s.Now.Sub(route.GetCreationTimestamp().Time) < silent
	}
	return nil, true
}

// found is what is known of a host, and whether anything is; if nothing is, or it was found out some
// time ago, DNS is asked.
func (g *Gate) found(of question, partner string, addresses []string) (known verdict, found bool) {
	now := g.Clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Sub(g.swept) > forgotten {
		maps.DeleteFunc(g.looks, func(_ string, l *look) bool { return !l.running && now.Sub(l.asked) > forgotten })
		g.swept = now
	}
	l := g.looks[of.host]
	if l == nil || l.question != of {
		l = &look{question: of}
		g.looks[of.host] = l
	}
	l.asked = now
	if !l.running && (l.at.IsZero() || now.Sub(l.at) >= again) {
		l.running = true
		go g.look(l, partner, addresses)
	}
	return l.verdict, !l.at.IsZero()
}

// look asks DNS, and tells of the Partner if the answer is another one than before.
func (g *Gate) look(l *look, partner string, addresses []string) {
	g.slots <- struct{}{}
	ctx, end := context.WithTimeout(context.Background(), longest)
	found := g.ask(ctx, l.question, addresses, objects.Labels(partner))
	end()
	<-g.slots
	g.mu.Lock()
	news := l.at.IsZero() || l.verdict != found
	l.verdict, l.at, l.running = found, g.Clock.Now(), false
	g.mu.Unlock()
	if !news {
		return
	}
	of := &v1alpha1.Partner{}
	of.Name = partner
	select {
	case g.changed <- event.GenericEvent{Object: of}:
	default: // it asks again by itself
	}
}

// ask finds why an order would fail. What nobody knows is in no order's way.
func (g *Gate) ask(ctx context.Context, of question, addresses []string, labels map[string]string) verdict {
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(schema.GroupVersionKind{Group: kinds.CertificateGVK.Group, Version: kinds.CertificateGVK.Version, Kind: string(of.issuer.kind)})
	if g.Issuers.Get(ctx, client.ObjectKey{Namespace: of.issuer.namespace, Name: of.issuer.name}, found) != nil {
		return verdict{} // cert-manager says more about it
	}
	acme, dns01 := records.ACME(found, of.host, labels)
	if acme == "" {
		return verdict{}
	}
	if !dns01 {
		// A server that fails may serve others.
		result := g.Prober.Resolve(ctx, probe.Target{Host: of.host, Addresses: addresses})
		if (result.Reason == probe.NameNotResolved || result.Reason == probe.AddressNotTheRoutes) && result.Own == "" {
			return verdict{wrong: result.Message, led: true}
		}
	}
	if of.issuer.kind != v1alpha1.ClusterIssuer {
		return verdict{led: !dns01} // a tenant may have made it, and no tenant is to say where the manager connects to
	}
	return verdict{wrong: g.Server.Permission(ctx, of.host, records.Client(rootsOf(found)), acme).Wrong, led: !dns01}
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
	// granted are the times of those within the window, in order, by the host.
	granted map[string]time.Time
	// waiting are those that have no turn yet, in order.
	waiting []waiter
}

type waiter struct {
	host  string
	asked time.Time
}

// inTurn says that it is not a host's turn yet; nil if it is, which then counts.
func (g *Gate) inTurn(ctx context.Context, of question, now time.Time) *snapshot.Order {
	if g.PerHour <= 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	q, err := g.queueOf(ctx, of.issuer, now)
	if err != nil {
		return &snapshot.Order{Reason: v1alpha1.ReasonOrdersPaced, Message: "the orders of the last hour cannot be counted: " + err.Error(), Again: now.Add(again)}
	}
	maps.DeleteFunc(q.granted, func(_ string, at time.Time) bool { return now.Sub(at) >= window })
	if _, granted := q.granted[of.host]; granted {
		return nil
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(w waiter) bool { return w.host != of.host && now.Sub(w.asked) > forgotten })
	place := slices.IndexFunc(q.waiting, func(w waiter) bool { return w.host == of.host })
	if place < 0 {
		place = len(q.waiting)
		q.waiting = append(q.waiting, waiter{host: of.host})
	}
	q.waiting[place].asked = now
	if place < g.PerHour-len(q.granted) {
		q.waiting = slices.Delete(q.waiting, place, place+1)
		q.granted[of.host] = now
		return nil
	}
	at := q.turnOf(place, g.PerHour, now)
	order := &snapshot.Order{Reason: v1alpha1.ReasonOrdersPaced, Again: now.Add(turn), Message: fmt.Sprintf(
		"%s gets %d orders an hour (--orders-per-hour): place %d, about %s UTC", of.issuer, g.PerHour, place+1, at.UTC().Format("15:04"))}
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

// queueOf is the queue of an issuer. At first, it counts the Certificates that were made within the
// last hour, so that a restart forgets none.
func (g *Gate) queueOf(ctx context.Context, of issuer, now time.Time) (*queue, error) {
	if q := g.queues[of]; q != nil {
		return q, nil
	}
	q := &queue{granted: map[string]time.Time{}}
	made := kinds.Named(kinds.CertificateGVK.Kind).NewList().(*unstructured.UnstructuredList)
	if err := g.Certificates.List(ctx, made, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	for i := range made.Items {
		certificate := &made.Items[i]
		ref, _, _ := unstructured.NestedStringMap(certificate.Object, "spec", "issuerRef")
		by := issuer{kind: v1alpha1.IssuerKind(ref["kind"]), name: ref["name"]}
		if by.kind == v1alpha1.Issuer {
			by.namespace = certificate.GetNamespace()
		}
		if created := certificate.GetCreationTimestamp().Time; by == of && kinds.Marked(certificate) && now.Sub(created) < window {
			q.granted[certificate.GetName()] = created
		}
	}
	g.queues[of] = q
	return q, nil
}
