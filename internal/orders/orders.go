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
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/probe"
	"github.com/dispel/partner-operator/internal/records"
	"github.com/dispel/partner-operator/internal/snapshot"
)

const (
	// DNS is asked again for a host that waits for it after lookAgain, and after lookLater once it has waited
	// for an hour.
	lookAgain, lookLater = 30 * time.Second, 5 * time.Minute
	// forgetLook is when a host is forgotten that nobody asked about any more.
	forgetLook = 25 * time.Minute
	// pollTurn is how often one that waits for its turn asks, and forgetTurn when one that does not is
	// forgotten.
	pollTurn, forgetTurn = 10 * time.Minute, 15 * time.Minute
	// keepMessage is for how long a message stays while only its details change.
	keepMessage = 10 * time.Minute
	// atOnce is for how many hosts DNS is asked at once, maxLook for how long, of one, and maxServer for how
	// long of that the ACME server.
	atOnce, maxLook, maxServer = 16, 15 * time.Second, 5 * time.Second
	// silentRoute is for how long a controller may say nothing of where it serves a new route.
	silentRoute = time.Minute
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

	mu sync.Mutex
	// looks are by the name of the Partner.
	looks  map[string]*look
	swept  time.Time
	queues map[issuer]*queue
	// counting is held while the orders of the last hour are counted, before the first turn; counted
	// reports that they are.
	counting sync.Mutex
	counted  bool
	slots    chan struct{}
	changed  chan event.GenericEvent
}

// New returns a gate that has found out nothing yet.
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

// look is what was found out for a Partner, or is being.
type look struct {
	question
	verdict
	running bool
	// at is when DNS was asked for that; zero if it was not yet answered. since is when it was asked for first,
	// asked when last, and told since when the message is what it is.
	at, since, asked, told time.Time
}

// every is how often DNS is asked.
func (l *look) every(now time.Time) time.Duration {
	if now.Sub(l.since) < time.Hour {
		return lookAgain
	}
	return lookLater
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
	if !asks || !g.Checks || s.OrdersAlways() {
		return nil
	}
	known, found, every := g.found(of)
	order := snapshot.Order{Reason: v1alpha1.ReasonDNSNotReady, Again: s.Now.Add(every)}
	switch {
	case !found:
		if before := s.OrderHeld(); before != nil { // which stays until more is known
			order.Reason, order.Message = before.Reason, before.Message
		} else {
			order.Message = "DNS is being asked whether the order can succeed"
		}
	case known.wrong != "":
		order.Message = fmt.Sprintf("%s%s%s` prints what to set; DNS is asked again every %s, or not at all with spec.subdomain.tls.order: Always",
			known.wrong, snapshot.HeldRemedy, s.Partner.Name, duration.HumanDuration(every))
	case known.led && awaited:
		order.Message, order.AwaitsRoute = "its route has no address yet, to which DNS could lead", true
	default:
		return nil
	}
	return &order
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
		if route.Host() != host {
			continue
		}
		addresses = append(addresses, s.AddressesOf(route)...)
		awaited = awaited && s.Now.Sub(route.GetCreationTimestamp().Time) < silentRoute
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
	if now.Sub(g.swept) > forgetLook {
		maps.DeleteFunc(g.looks, func(_ string, l *look) bool { return !l.running && now.Sub(l.asked) > forgetLook })
		g.swept = now
	}
	l := g.looks[of.partner]
	if l == nil || l.question != of {
		since := now
		if l != nil && l.host == of.host { // and its addresses changed
			since = l.since
		}
		l = &look{question: of, since: since}
		g.looks[of.partner] = l
	}
	l.asked = now
	if !l.running && (l.at.IsZero() || now.Sub(l.at) >= l.every(now)) {
		l.running = true
		go g.look(l, now)
	}
	return l.verdict, !l.at.IsZero(), l.every(now)
}

// look asks DNS, and tells of the Partner if the answer is another one than before.
func (g *Gate) look(l *look, began time.Time) {
	g.slots <- struct{}{}
	ctx, end := context.WithTimeout(context.Background(), maxLook)
	found, err := g.ask(ctx, l.question)
	end()
	<-g.slots
	g.mu.Lock()
	l.running = false
	if err != nil {
		g.mu.Unlock()
		return // the Partner asks again by itself
	}
	first := l.at.IsZero()
	news := first || l.reason != found.reason || l.led != found.led
	if news || l.wrong != found.wrong && began.Sub(l.told) >= keepMessage {
		news, l.verdict, l.told = true, found, began
	}
	l.at = began
	g.mu.Unlock()
	if !news {
		return
	}
	partner := &v1alpha1.Partner{}
	partner.Name = l.partner
	select {
	case g.changed <- event.GenericEvent{Object: partner}:
	default: // it asks again by itself
	}
}

// ask finds why an order would fail. What cannot be found out does not block it; the error is that of an API
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
		// That the manager's DNS server fails says nothing about the host.
		result := g.Prober.Resolve(ctx, probe.Target{Host: of.host, Addresses: strings.Fields(of.addresses)})
		if (result.Reason == probe.NameNotResolved || result.Reason == probe.AddressNotTheRoutes) && result.Own == "" {
			return verdict{reason: string(result.Reason), wrong: result.Message, led: true}, nil
		}
	}
	if of.issuer.kind != v1alpha1.ClusterIssuer {
		return verdict{led: !dns01}, nil // a tenant may have made it, and no tenant is to say where the manager connects to
	}
	limited, end := context.WithTimeout(ctx, maxServer)
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
	// granted are the times of those within the window, in order.
	granted []time.Time
	// waiting are those that have no turn yet, in order.
	waiting []waiter
}

type waiter struct {
	certificate types.NamespacedName
	asked       time.Time
}

// Turn says that it is not the turn of a Certificate that is about to be written yet; nil if it is, which then
// counts unless giveBack is called, or if nothing is ordered: observed, what is there, is of the same issuer.
func (g *Gate) Turn(ctx context.Context, wanted, observed kinds.Object, now time.Time) (order *snapshot.Order, giveBack func()) {
	giveBack = func() {}
	certificate, ok := wanted.(*unstructured.Unstructured)
	if g.PerHour <= 0 || !ok || kinds.Name(wanted) != kinds.CertificateGVK.Kind {
		return nil, giveBack
	}
	of := issuerOf(certificate)
	if before, there := observed.(*unstructured.Unstructured); there && before != nil && issuerOf(before) == of {
		return nil, giveBack
	}
	if err := g.count(ctx, now); err != nil {
		return &snapshot.Order{Reason: v1alpha1.ReasonOrdersPaced, Message: "the orders of the last hour cannot be counted: see the operator's log", Again: now.Add(lookAgain)}, giveBack
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	q := g.queues[of]
	if q == nil {
		q = &queue{}
		g.queues[of] = q
	}
	q.granted = slices.DeleteFunc(q.granted, func(at time.Time) bool { return now.Sub(at) >= window })
	name := client.ObjectKeyFromObject(certificate)
	q.waiting = slices.DeleteFunc(q.waiting, func(w waiter) bool { return w.certificate != name && now.Sub(w.asked) > forgetTurn })
	place := slices.IndexFunc(q.waiting, func(w waiter) bool { return w.certificate == name })
	if place < 0 {
		place = len(q.waiting)
		q.waiting = append(q.waiting, waiter{certificate: name})
	}
	q.waiting[place].asked = now
	if place < g.PerHour-len(q.granted) {
		q.waiting = slices.Delete(q.waiting, place, place+1)
		q.granted = append(q.granted, now)
		slices.SortFunc(q.granted, time.Time.Compare)
		return nil, func() { g.giveBack(q, now) }
	}
	at := q.turnOf(place, g.PerHour, now)
	order = &snapshot.Order{Reason: v1alpha1.ReasonOrdersPaced, Again: now.Add(pollTurn)}
	if at.Before(order.Again) {
		order.Again = at
	}
	when := at.UTC().Format("15:04")
	if at.Sub(now) > 12*time.Hour {
		when = at.UTC().Format("2006-01-02 15:04")
	}
	order.Message = fmt.Sprintf("%s gets %d orders an hour (--orders-per-hour): place %d, about %s UTC", of, g.PerHour, place+1, when)
	return order, giveBack
}

// giveBack takes a turn that was not used from those of an hour.
func (g *Gate) giveBack(q *queue, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.IndexFunc(q.granted, at.Equal); i >= 0 {
		q.granted = slices.Delete(q.granted, i, i+1)
	}
}

// turnOf is when the order in a place can be made: when enough of those before it are an hour old.
func (q *queue) turnOf(place, perHour int, now time.Time) time.Time {
	ahead := place + len(q.granted) - perHour
	if ahead < len(q.granted) {
		return q.granted[ahead].Add(window)
	}
	return now.Add(time.Duration(2+(ahead-len(q.granted))/perHour) * window)
}

// count counts the Certificates that were made within the last hour, once, so that a restart does not begin
// at zero. Those deleted since, and changes of the issuer, are not among them.
func (g *Gate) count(ctx context.Context, now time.Time) error {
	g.counting.Lock()
	defer g.counting.Unlock()
	if g.counted {
		return nil
	}
	made := kinds.Named(kinds.CertificateGVK.Kind).NewList().(*unstructured.UnstructuredList)
	if err := g.Certificates.List(ctx, made, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "The Certificates of the last hour cannot be counted; it is tried again")
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range made.Items {
		certificate := &made.Items[i]
		created := certificate.GetCreationTimestamp().Time
		if !kinds.Marked(certificate) || now.Sub(created) >= window {
			continue
		}
		of := issuerOf(certificate)
		if g.queues[of] == nil {
			g.queues[of] = &queue{}
		}
		g.queues[of].granted = append(g.queues[of].granted, created)
	}
	for _, q := range g.queues {
		slices.SortFunc(q.granted, time.Time.Compare)
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
