package probe

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// Target is a sub-domain to probe.
type Target struct {
	// Host is its DNS name.
	Host string
	// TLS reports whether it is served over HTTPS.
	TLS bool
	// Addresses are the IP addresses and host names at which the route is served, and
	// those of a replaced route that still serves. If there are none, any address is taken
	// for the route's.
	Addresses []string
	// Former are those of Addresses at which a replaced route serves: perhaps another
	// partner's, which handed the host over, and perhaps without a widget.
	Former []string
	// Partner is the name that the support widget is to show; empty if the sub-domain
	// has no widget.
	Partner string
	// Next is the name that the support widget may show already, since the host is handed
	// over to another partner; empty if it is not.
	Next string
}

// Equal reports whether two targets are the same.
func (t Target) Equal(other Target) bool {
	return t.Host == other.Host && t.TLS == other.TLS && t.Partner == other.Partner && t.Next == other.Next &&
		slices.Equal(t.Addresses, other.Addresses) && slices.Equal(t.Former, other.Former)
}

// Prober probes targets. It is safe for concurrent use.
type Prober struct {
	// Resolver resolves names; the system's if nil.
	Resolver *net.Resolver
	// Roots are the certificate authorities to trust; the system's if nil.
	Roots *x509.CertPool
	// ConnectTo is an address to connect to in place of those that the host resolves to,
	// as before DNS is changed; its port is the scheme's if zero. Names are not resolved
	// then.
	ConnectTo netip.AddrPort
	// Allowed are networks to which it may connect beside public addresses.
	Allowed []netip.Prefix
	// Timeout is how long each step may take; DefaultTimeout if zero.
	Timeout time.Duration
	// Now tells the time; the system's if nil.
	Now func() time.Time
	// HTTPPort and HTTPSPort are 80 and 443 if zero.
	HTTPPort, HTTPSPort uint16
	// Proxy tells through which proxy others would ask, for messages: probes use none. The
	// environment's if nil.
	Proxy func(*http.Request) (*url.URL, error)
}

// Anywhere are all networks, for a Prober whose user may reach them anyway.
var Anywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// DefaultTimeout is how long each step may take.
const DefaultTimeout = 5 * time.Second

const (
	// maxBody is how much of an answer is read, in bytes.
	maxBody = 1 << 20
	// stepsInAll is for how many steps that take their whole time a probe has time.
	stepsInAll = 2
	// maxTried is how many addresses of a host are connected to, half of them at most of
	// one family, and maxAddresses how many are reported.
	maxTried, maxAddresses = 8, 64
	// maxRedirects is how many redirects within the host are followed, as browsers do.
	// After manyRedirects, it is their number for which there is no answer in time.
	maxRedirects, manyRedirects = 20, 5
	widgetPath                  = "/.dispel/support/"
)

// broken is the error of a broken link.
type broken struct {
	reason  Reason
	message string
	own     Own
	sure    bool
}

func (b *broken) Error() string { return b.message }

// maybe adds what of the prober's own it may come of.
func (b *broken) maybe(own Own) *broken {
	b.own = own
	return b
}

// surely adds what of the prober's own it comes of, unless others get further.
func (b *broken) surely(own Own) *broken {
	b.own, b.sure = own, true
	return b
}

// maxMessage is how long a message may be, in bytes: servers have a say in it.
const maxMessage = 1024

func fail(reason Reason, format string, args ...any) *broken {
	return &broken{reason: reason, message: sanitize(fmt.Sprintf(format, args...))}
}

// sanitize makes a text in which servers have a say safe to print: printable characters only,
// and a bounded length.
func sanitize(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + " …"
	}
	return text
}

// walk is one probe.
type walk struct {
	*Prober
	target Target
	result Result
	// addresses are where to connect, checked.
	addresses []netip.Addr
	connected netip.AddrPort
	// first is the connection that was made for looking at it; nil once it is used.
	first net.Conn
	http  *http.Client
	// secure reports whether it speaks TLS: as declared, or since the host redirects to https.
	secure bool
}

// errToHTTPS says that a host without TLS of its own redirects to https.
var errToHTTPS = errors.New("it redirects to https")

// link is a step of a walk.
type link struct {
	step Step
	take func(context.Context) (string, error)
}

// links are the steps once the host is resolved.
func (w *walk) links() []link {
	if w.secure {
		return []link{{Connection, w.connect}, {Certificate, w.verify}, {Engine, w.engine}, {Widget, w.widget}}
	}
	return []link{{Connection, w.connect}, {Engine, w.engine}, {Widget, w.widget}}
}

// Probe walks the chain of a target to its end, or to the first broken link. A host that is
// declared without TLS and redirects to https is judged as it is served there.
func (p *Prober) Probe(ctx context.Context, target Target) Result {
	w := &walk{Prober: p, target: target, secure: target.TLS}
	defer w.close()
	ctx, cancel := context.WithTimeout(ctx, p.Longest())
	defer cancel()
	links := append([]link{{Resolution, w.resolve}}, w.links()...)
	for i := 0; i < len(links); i++ {
		start := time.Now()
		limited, end := context.WithTimeout(ctx, p.timeout())
		seen, err := links[i].take(limited)
		end()
		taken := Taken{Step: links[i].step, Took: Duration{time.Since(start).Round(100 * time.Microsecond)}, Seen: sanitize(seen)}
		switch failed, broke := errors.AsType[*broken](err); {
		case errors.Is(err, errToHTTPS):
			w.close()
			w.first, w.http, w.secure = nil, nil, true
			links = append(links[:i+1:i+1], w.links()...)
		case broke:
			taken.Seen = failed.message
			w.result.Steps = append(w.result.Steps, taken)
			w.result.Reason, w.result.Message = failed.reason, failed.message
			w.result.Own, w.result.Sure = failed.own, failed.sure
			return w.result
		}
		w.result.Steps = append(w.result.Steps, taken)
	}
	w.result.Reason, w.result.Message = Reachable, w.url("")+" answers"
	return w.result
}

// Resolve takes the first step of a probe alone: where the name of a target leads.
func (p *Prober) Resolve(ctx context.Context, target Target) Result {
	w := &walk{Prober: p, target: target}
	limited, end := context.WithTimeout(ctx, p.timeout())
	defer end()
	_, err := w.resolve(limited)
	if failed, broke := errors.AsType[*broken](err); broke {
		return Result{Reason: failed.reason, Message: failed.message, Own: failed.own, Sure: failed.sure}
	}
	return Result{Reason: Reachable}
}

func (w *walk) close() {
	if w.first != nil {
		_ = w.first.Close()
	}
	if w.http != nil {
		w.http.CloseIdleConnections()
	}
}

// Longest is how long a probe may take.
func (p *Prober) Longest() time.Duration { return stepsInAll * p.timeout() }

func (p *Prober) timeout() time.Duration {
	if p.Timeout > 0 {
		return p.Timeout
	}
	return DefaultTimeout
}

func (p *Prober) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

func (p *Prober) resolver() *net.Resolver {
	if p.Resolver != nil {
		return p.Resolver
	}
	return net.DefaultResolver
}

// port is the port of the target.
func (w *walk) port() uint16 { return w.portOf(w.secure) }

// portOf is the port of a scheme.
func (p *Prober) portOf(secure bool) uint16 {
	if secure {
		return cmp.Or(p.HTTPSPort, 443)
	}
	return cmp.Or(p.HTTPPort, 80)
}

// url is the address of a path of the target.
func (w *walk) url(path string) string {
	scheme := "http"
	if w.secure {
		scheme = "https"
	}
	return scheme + "://" + w.target.Host + path
}

// resolve finds the addresses of the host, and compares them with those of the route.
func (w *walk) resolve(ctx context.Context) (string, error) {
	if w.ConnectTo.IsValid() {
		w.addresses = []netip.Addr{w.ConnectTo.Addr()}
		return fmt.Sprintf("not asked, to connect to %s", w.at(w.ConnectTo.Addr())), w.checkAllowed()
	}
	found, err := w.Lookup(ctx, w.target.Host)
	if err != nil {
		return "", w.notResolved(ctx, err)
	}
	w.addresses = found
	w.result.Addresses = found[:min(len(found), maxAddresses)]
	if err := w.checkAllowed(); err != nil {
		return "", err
	}
	w.addresses = firstOfEachFamily(w.addresses)
	if err := w.compare(ctx, found); err != nil {
		return "", err
	}
	return joined(found), nil
}

// firstOfEachFamily are the addresses to try, however many a DNS server answers with: at most
// maxTried, half of them IPv4.
func firstOfEachFamily(addresses []netip.Addr) []netip.Addr {
	var tried []netip.Addr
	var v4, v6 int
	for _, address := range addresses {
		count := &v6
		if address.Is4() {
			count = &v4
		}
		if *count++; *count <= maxTried/2 {
			tried = append(tried, address)
		}
	}
	return tried
}

// at is where to connect to an address. A port in ConnectTo is for the scheme that is declared.
func (w *walk) at(address netip.Addr) netip.AddrPort {
	if given := w.ConnectTo.Port(); given != 0 && w.secure == w.target.TLS {
		return netip.AddrPortFrom(address, given)
	}
	return netip.AddrPortFrom(address, w.port())
}

// Lookup resolves a fully qualified name. Some DNS servers never answer for one family of
// addresses: once the other has some, that has no more than a fifth of the step's time left.
func (p *Prober) Lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	type resolved struct {
		addresses []netip.Addr
		err       error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan resolved, 2)
	for _, family := range []string{"ip4", "ip6"} {
		go func() {
			addresses, err := p.resolver().LookupNetIP(ctx, family, qualified(name))
			answers <- resolved{addresses, err}
		}()
	}
	all := <-answers
	var late <-chan time.Time // never, while there is no address
	if len(all.addresses) > 0 {
		late = time.After(p.timeout() / 5)
	}
	select {
	case other := <-answers:
		all.addresses = append(all.addresses, other.addresses...)
		// That there is no such record says less than that the server failed.
		if missing, ok := errors.AsType[*net.DNSError](all.err); all.err == nil || ok && missing.IsNotFound {
			all.err = cmp.Or(other.err, all.err)
		}
	case <-late:
	}
	found := all.addresses
	for i := range found {
		found[i] = found[i].Unmap()
	}
	slices.SortFunc(found, netip.Addr.Compare)
	if found = slices.Compact(found); len(found) > 0 {
		return found, nil
	}
	return nil, all.err
}

// qualified keeps a resolver from trying a name in the domains of this machine.
func qualified(name string) string { return strings.TrimSuffix(name, ".") + "." }

// maxAliases is how many CNAME records are followed.
const maxAliases = 8

// aliases are the names that a name is an alias of, in order, without the dots at their ends. Of
// a chain that leads back to itself, each is in them once, and circular is true; of one that is longer than
// maxAliases, so many.
func (w *walk) aliases(ctx context.Context, name string) (names []string, circular bool) {
	name = strings.TrimSuffix(name, ".")
	for at := name; len(names) < maxAliases; {
		next, err := w.resolver().LookupCNAME(ctx, qualified(at))
		next = strings.TrimSuffix(next, ".")
		switch {
		case err != nil, strings.EqualFold(next, at):
			return names, false
		case strings.EqualFold(next, name), slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, next) }):
			return names, true
		}
		names, at = append(names, next), next
	}
	return names, false
}

// notResolved says why a host has no address, as far as the DNS server tells.
func (w *walk) notResolved(ctx context.Context, err error) *broken {
	host := w.target.Host
	failure, _ := errors.AsType[*net.DNSError](err)
	switch {
	case failure == nil || failure.IsNotFound:
		aliases, circular := w.aliases(ctx, host)
		switch {
		case circular:
			return fail(NameNotResolved, "%s does not resolve: its CNAME records lead in a circle: have them end at the route's address%s", host, w.routes())
		case len(aliases) == maxAliases:
			return fail(NameNotResolved, "%s does not resolve: it is an alias of %s, after %d CNAME records, more than resolvers follow: have its CNAME record end at the route's address%s", host, aliases[len(aliases)-1], maxAliases, w.routes())
		case len(aliases) > 0:
			return fail(NameNotResolved, "%s does not resolve: it is an alias of %s, which has no address: have its CNAME record end at the route's address%s", host, aliases[len(aliases)-1], w.routes())
		}
		return fail(NameNotResolved, "%s does not resolve: there is no such name: create a DNS record that points to the route's address%s%s", host, w.routes(), w.unusedProxy())
	case failure.IsTimeout:
		return fail(NameNotResolved, "%s does not resolve: the DNS server does not answer in time: see whether it runs, and whether the name servers of the zone do", host).maybe(OwnDNS)
	}
	// Of a socket's error, the last words have no ports, which differ from one try to the next.
	causes := strings.Split(failure.Err, ": ")
	if cause := causes[len(causes)-1]; strings.HasSuffix(cause, "refused") || strings.HasSuffix(cause, "unreachable") || strings.HasSuffix(cause, "not permitted") {
		return fail(NameNotResolved, "%s does not resolve: the DNS server cannot be asked (%s): see whether it runs, and whether it may be reached from here", host, cause).surely(OwnDNS)
	}
	// A resolver also answers SERVFAIL if it cannot reach the one that it asks itself.
	return fail(NameNotResolved, "%s does not resolve: the DNS server fails for this name: see the name servers, the delegation and DNSSEC of its zone, and whether its CNAME records lead in a circle", host).maybe(OwnDNS)
}

// routes names the addresses of the route in messages.
func (w *walk) routes() string {
	if len(w.target.Addresses) == 0 {
		return ""
	}
	return ", " + strings.Join(w.target.Addresses, ", ")
}

// maxCompared is how often the names of a host and of its route are resolved before they count
// as different: the answers for a large pool of addresses have a few of them each.
const maxCompared = 4

// compare holds the addresses of the host against those of the route. If one of the
// route's cannot be resolved, or may not be reached, as that of a load balancer behind
// network address translation, there is nothing to compare.
func (w *walk) compare(ctx context.Context, found []netip.Addr) error {
	of := map[netip.Addr]bool{}
	var names []string
	for _, address := range w.target.Addresses {
		parsed, err := netip.ParseAddr(address)
		if err != nil {
			names = append(names, strings.TrimSuffix(address, "."))
			continue
		}
		if !w.mayReach(parsed) {
			return nil
		}
		of[untranslated(parsed)] = true
	}
	found = slices.Clone(found)
	for try := range maxCompared {
		for _, name := range names {
			resolved, _ := w.Lookup(ctx, name)
			if try == 0 && len(resolved) == 0 || slices.ContainsFunc(resolved, func(a netip.Addr) bool { return !w.mayReach(a) }) {
				return nil
			}
			for _, address := range resolved {
				of[untranslated(address)] = true
			}
		}
		if len(of) == 0 || slices.ContainsFunc(found, func(a netip.Addr) bool { return of[untranslated(a)] }) {
			return nil
		}
		if len(names) == 0 {
			break
		}
		if try == 0 {
			brief, end := context.WithTimeout(ctx, w.timeout()/3)
			aliases, _ := w.aliases(brief, w.target.Host)
			end()
			if slices.ContainsFunc(aliases, func(alias string) bool {
				return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, alias) })
			}) {
				return nil // whatever each answer picks of the addresses
			}
		}
		again, _ := w.Lookup(ctx, w.target.Host)
		found = append(found, again...)
	}
	slices.SortFunc(found, netip.Addr.Compare)
	return fail(AddressNotTheRoutes, "%s resolves to %s, and the route is served at %s: point the DNS record there, or wait until resolvers have forgotten the old one",
		w.target.Host, joined(slices.Compact(found)), strings.Join(w.target.Addresses, ", "))
}

// checkAllowed refuses addresses that reach into the network of whoever probes.
func (w *walk) checkAllowed() error {
	for _, a := range w.addresses {
		if !w.mayReach(a) {
			return fail(TargetNotAllowed, "%s resolves to %s, which is no public address: correct the DNS record, or allow the network with --allowed-targets if it is meant", w.target.Host, a)
		}
	}
	return nil
}

// notPublic are ranges that no end customer reaches, beside those that netip knows. Of
// IPv6, only what is in publicIPv6 can be public.
var (
	publicIPv6 = netip.MustParsePrefix("2000::/3")
	notPublic  = []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
		netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
		netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("168.63.129.16/32"), // a cloud's host, as 169.254.169.254 is
		netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"),
	}
)

// Public reports whether an address is one that end customers can reach: not private,
// shared, loopback, link-local (where clouds have their metadata servers), multicast,
// reserved, for documentation, or a translation of an IPv4 address.
func Public(address netip.Addr) bool {
	address = address.Unmap()
	return address.IsGlobalUnicast() && !address.IsPrivate() && address.Zone() == "" && (address.Is4() || publicIPv6.Contains(address)) &&
		!slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(address) })
}

// translated are the IPv6 addresses that DNS64 makes of IPv4 ones, which are their last four bytes (RFC 6052).
var translated = netip.MustParsePrefix("64:ff9b::/96")

// untranslated is the IPv4 address that an address stands for, if it is a translated one.
func untranslated(address netip.Addr) netip.Addr {
	address = address.Unmap()
	if bytes := address.As16(); translated.Contains(address) {
		return netip.AddrFrom4([4]byte(bytes[12:]))
	}
	return address
}

// mayReach reports whether the prober may connect to an address: of a translated one, to that which it stands for.
func (p *Prober) mayReach(address netip.Addr) bool {
	allowed := func(address netip.Addr) bool {
		return slices.ContainsFunc(p.Allowed, func(p netip.Prefix) bool { return p.Contains(address) })
	}
	address = address.Unmap().WithZone("")
	meant := untranslated(address)
	return Public(meant) || allowed(meant) || allowed(address)
}

func joined(addresses []netip.Addr) string {
	texts := make([]string, 0, maxTried+1)
	for i, address := range addresses {
		if i == maxTried {
			texts = append(texts, fmt.Sprintf("and %d more", len(addresses)-i))
			break
		}
		texts = append(texts, address.String())
	}
	return strings.Join(texts, ", ")
}

// ParseAddress reads an IP address, with or without a port, which is zero without.
func ParseAddress(text string) (netip.AddrPort, error) {
	if address, err := netip.ParseAddrPort(text); err == nil {
		return address, nil
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is no IP address: write one, with a port if need be, such as 192.0.2.10 or 192.0.2.10:8443", text)
	}
	return netip.AddrPortFrom(address, 0), nil
}

// Trust are the system's certificate authorities, and those in PEM format beside them.
func Trust(pem []byte) (*x509.CertPool, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("it has no certificate in PEM format, which begins with -----BEGIN CERTIFICATE-----")
	}
	return roots, nil
}

// ResolverAt asks a DNS server; on port 53 if the port is zero.
func ResolverAt(server netip.AddrPort) *net.Resolver {
	address := netip.AddrPortFrom(server.Addr(), cmp.Or(server.Port(), 53)).String()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
}

// connect connects to the first address that answers.
func (w *walk) connect(ctx context.Context) (string, error) {
	var errs []string
	local, lost := 0, 0
	for i, address := range w.addresses {
		// Each address has its share of the time that is left.
		deadline, _ := ctx.Deadline()
		dialer := net.Dialer{Timeout: time.Until(deadline) / time.Duration(len(w.addresses)-i)}
		to := w.at(address)
		conn, err := dialer.DialContext(ctx, "tcp", to.String())
		if err == nil {
			w.first, w.connected = conn, to
			return "connected to " + to.String(), nil
		}
		errs = append(errs, fmt.Sprintf("%s: %s", to, why(err)))
		timeout, ok := errors.AsType[net.Error](err)
		switch {
		case address.Is4() && (errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)):
			local++
		case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), ok && timeout.Timeout():
			lost++
		}
	}
	failed := fail(ConnectionFailed, "no answer from %s (%s): check that the ingress controller or Gateway runs, and that firewalls let the port through%s",
		w.target.Host, strings.Join(errs, "; "), w.unusedProxy())
	switch len(w.addresses) {
	case local:
		failed = failed.surely(OwnNetwork)
	case local + lost:
		failed = failed.maybe(OwnNetwork)
	}
	return "", failed
}

// unusedProxy says so if the environment names a proxy: a probe goes where end customers go, and
// so directly.
func (w *walk) unusedProxy() string {
	proxyOf := w.Proxy
	if proxyOf == nil {
		proxyOf = http.ProxyFromEnvironment
	}
	request, err := http.NewRequest(http.MethodGet, w.url("/"), http.NoBody)
	if err != nil {
		return ""
	}
	if proxy, err := proxyOf(request); proxy == nil || err != nil {
		return ""
	}
	return "; the proxy that the environment names is not used: a probe connects directly, so run it where that is possible"
}

// why is the innermost reason of a network error, without addresses that differ from one
// try to the next.
func why(err error) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "another connection presents a certificate that is not trusted"
	}
	if op, ok := errors.AsType[net.Error](err); ok && op.Timeout() {
		return "no answer in time"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}

// verify looks at the certificate as a browser does.
func (w *walk) verify(ctx context.Context) (string, error) {
	// What is wrong with a certificate is told best by looking at it, so it is verified
	// after the handshake, and nothing is sent before.
	conn := tls.Client(w.first, &tls.Config{ServerName: w.target.Host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec // verified below
	w.first = nil
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		if _, plain := errors.AsType[tls.RecordHeaderError](err); plain {
			return "", fail(CertificateInvalid, "%s speaks no TLS on port %d: check that the controller serves HTTPS there", w.target.Host, w.connected.Port())
		}
		return "", fail(CertificateInvalid, "the TLS handshake with %s fails: %s", w.target.Host, why(err))
	}
	w.first = conn
	chain := conn.ConnectionState().PeerCertificates
	leaf := chain[0]
	w.result.Expires, w.result.Lifetime = leaf.NotAfter, leaf.NotAfter.Sub(leaf.NotBefore)
	intermediates := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		intermediates.AddCert(certificate)
	}
	if err := leaf.VerifyHostname(w.target.Host); err != nil {
		return "", fail(CertificateInvalid, "the certificate at %s is for %s, not for %s: the controller does not serve the sub-domain's own certificate yet, or serves its default one",
			w.connected, cmp.Or(few(leaf.DNSNames), "no DNS name"), w.target.Host)
	}
	now := w.now()
	const valid = "the certificate of %s is valid from %s until %s, and not "
	remedy := ""
	switch {
	case now.Before(leaf.NotBefore):
		remedy = "yet: see the clock of who issued it, and that of the prober"
	case now.After(leaf.NotAfter):
		remedy = "now: see why it was not renewed, in the conditions of the Certificate"
	}
	if remedy != "" {
		return "", fail(CertificateExpired, valid+remedy, w.target.Host, leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotAfter.UTC().Format(time.RFC3339)).maybe(OwnClock)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{DNSName: w.target.Host, Roots: w.Roots, Intermediates: intermediates, CurrentTime: now})
	if err != nil {
		return "", fail(CertificateInvalid, "the certificate of %s, issued by %s, is not trusted: %s", w.target.Host, leaf.Issuer, untrusted(leaf, err))
	}
	first := lastsLongest(chains)
	w.result.Expires, w.result.Lifetime = first.NotAfter, first.NotAfter.Sub(first.NotBefore)
	seen := fmt.Sprintf("issued by %s, valid until %s", leaf.Issuer, first.NotAfter.UTC().Format(time.DateOnly))
	if first != leaf {
		seen += fmt.Sprintf(", when %s of its chain ends", first.Subject)
	}
	return seen, nil
}

// lastsLongest is the certificate that ends first, of the chain that lasts longest.
func lastsLongest(chains [][]*x509.Certificate) *x509.Certificate {
	byEnd := func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }
	var ends []*x509.Certificate
	for _, chain := range chains {
		ends = append(ends, slices.MinFunc(chain, byEnd))
	}
	return slices.MaxFunc(ends, byEnd)
}

// few are the first of some names.
func few(names []string) string {
	const most = 3
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// untrusted is why a certificate is not, without the time of day that the library's own
// words may have.
func untrusted(leaf *x509.Certificate, err error) string {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case !ok:
		return "no authority that is trusted signed it: have the server send the whole chain, or trust the authority with --ca-file"
	case invalid.Reason == x509.CANotAuthorizedForThisName:
		return "a certificate between it and its authority may not sign for this name: have another authority issue it"
	case invalid.Reason == x509.IncompatibleUsage && !forServers(leaf):
		return "it may not be used by a server: have it issued anew with the key usage \"server auth\""
	case invalid.Reason == x509.Expired && bytes.Equal(invalid.Cert.RawIssuer, invalid.Cert.RawSubject):
		return fmt.Sprintf("its authority, %s, is out of date: trust the renewed one, in place of that in --ca-file or the system's store", invalid.Cert.Subject)
	case invalid.Reason == x509.Expired:
		return "a certificate between it and its authority is out of date: have the server send the renewed one"
	}
	return "a certificate between it and its authority may not be used for this: have the server send the whole chain"
}

// forServers reports whether a certificate may be a server's.
func forServers(leaf *x509.Certificate) bool {
	return len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) == 0 ||
		slices.ContainsFunc(leaf.ExtKeyUsage, func(u x509.ExtKeyUsage) bool { return u == x509.ExtKeyUsageServerAuth || u == x509.ExtKeyUsageAny })
}

// client asks over the connection that was looked at, and over others to the same
// address once that is used.
func (w *walk) client() *http.Client {
	if w.http != nil {
		return w.http
	}
	dial := func(secure bool) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, _, _ string) (net.Conn, error) {
			if conn := w.first; conn != nil && secure == w.secure {
				w.first = nil
				return conn, nil
			}
			to := w.connected
			if secure != w.secure { // where a redirect leads to
				to = netip.AddrPortFrom(to.Addr(), w.portOf(secure))
			}
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", to.String())
			if err != nil || !secure {
				return conn, err
			}
			encrypted := tls.Client(conn, &tls.Config{ServerName: w.target.Host, RootCAs: w.Roots, Time: w.now, MinVersion: tls.VersionTLS12})
			return encrypted, encrypted.HandshakeContext(ctx)
		}
	}
	jar, _ := cookiejar.New(nil) // it never fails
	w.http = &http.Client{
		Jar:           jar, // some engines redirect to where they were asked, with a cookie
		Transport:     &http.Transport{DialContext: dial(false), DialTLSContext: dial(true), DisableCompression: true, MaxResponseHeaderBytes: maxBody, MaxConnsPerHost: 1},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return w.http
}

// answer is what a request got.
type answer struct {
	status int
	// location is where it redirects to, if that was not followed.
	location *url.URL
}

// String is the status, and where a redirect leads.
func (a answer) String() string {
	if a.location != nil {
		to := *a.location
		to.RawQuery, to.Fragment = "", "" // which may differ each time
		return fmt.Sprintf("status %d, a redirect to %s", a.status, to.Redacted())
	}
	return fmt.Sprintf("status %d", a.status)
}

// within reports whether a redirect leads to the same host, and elsewhere whether to another port of it than those of
// http and https.
func (w *walk) within(to *url.URL) (within, elsewhere bool) {
	if to == nil || to.Scheme != "http" && to.Scheme != "https" || !strings.EqualFold(to.Hostname(), w.target.Host) {
		return false, false
	}
	secure := to.Scheme == "https"
	port := to.Port()
	public := map[bool]string{false: "80", true: "443"}[secure]
	within = port == "" || port == public || port == strconv.Itoa(int(w.portOf(secure)))
	return within, !within
}

// toHTTPS reports whether it redirects from http to the same host on https.
func (w *walk) toHTTPS(a answer) bool {
	within, _ := w.within(a.location)
	return !w.secure && within && a.location.Scheme == "https"
}

// get asks for a path, follows redirects within the host, and reads no more of the answer than is needed: none, or a
// config. Whatever else it finds there it leaves alone.
func (w *walk) get(ctx context.Context, path string, into *config) (answer, error) {
	at := w.url(path)
	for hops := range maxRedirects + 1 {
		got, err := w.ask(ctx, at, into)
		if err != nil && hops >= manyRedirects { // time is up
			break
		}
		within, _ := w.within(got.location)
		if err != nil || !within || w.toHTTPS(got) {
			return got, err
		}
		at = got.location.String()
	}
	return answer{}, errors.New("it redirects in circles; if it does so between http and https, have it trust the header X-Forwarded-Proto of the proxy before it")
}

func (w *walk) ask(ctx context.Context, at string, into *config) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("User-Agent", "partner-operator-probe")
	response, err := w.client().Do(request)
	if err != nil {
		if of, ok := errors.AsType[*url.Error](err); ok {
			err = of.Err
		}
		return answer{}, err
	}
	defer response.Body.Close()
	got := answer{status: response.StatusCode}
	switch {
	case got.status >= 300 && got.status < 400:
		got.location, _ = response.Location() // none is no redirect
	case into != nil && got.status == http.StatusOK:
		if err = json.NewDecoder(io.LimitReader(response.Body, maxBody)).Decode(into); err != nil {
			*into = config{}
		}
		if _, broke := errors.AsType[net.Error](err); !broke {
			err = nil
		}
	}
	return got, err
}

// engine asks the engine for its first page. What it says, and to whom, is its own
// affair; a server error is none.
func (w *walk) engine(ctx context.Context) (string, error) {
	got, err := w.get(ctx, "/", nil)
	_, elsewhere := w.within(got.location)
	switch {
	case err != nil:
		return "", fail(EngineFailed, "the engine behind %s does not answer: %s: see the backend of the sub-domain, and the ingress controller's log", w.url("/"), why(err))
	case w.toHTTPS(got):
		return got.String(), errToHTTPS
	case elsewhere:
		return "", fail(EngineFailed, "%s answers with %s, a port that is not the public one: have the controller or the engine redirect to https://%s", w.url("/"), got, w.target.Host)
	case got.status == http.StatusNotFound && w.target.Partner == "": // or the widget will tell
		return "", fail(EngineFailed, "%s answers with %s: see whether the controller serves the route, and whether the engine has a first page", w.url("/"), got)
	case got.status >= http.StatusInternalServerError:
		return "", fail(EngineFailed, "%s answers with %s: see the backend of the sub-domain; 502, 503 and 504 come of a controller that cannot reach it", w.url("/"), got)
	}
	return got.String(), nil
}

// config is what of the widget's config tells whose it is.
type config struct {
	Version string `json:"version"`
	Partner string `json:"partner"`
}

// widget sees that the partner's widget is served, or none. At the address of a replaced
// route, it judges nothing.
func (w *walk) widget(ctx context.Context) (string, error) {
	seen, err := w.servedWidget(ctx)
	if err != nil && w.atFormer(ctx) {
		return "not judged, since a replaced route is still served at this address", nil
	}
	return seen, err
}

// atFormer reports whether the probe is at an address of a replaced route.
func (w *walk) atFormer(ctx context.Context) bool {
	at := w.connected.Addr().Unmap()
	return slices.ContainsFunc(w.target.Former, func(former string) bool {
		if address, err := netip.ParseAddr(former); err == nil {
			return address.Unmap() == at
		}
		addresses, _ := w.Lookup(ctx, former)
		return slices.Contains(addresses, at)
	})
}

func (w *walk) servedWidget(ctx context.Context) (string, error) {
	const remedy = "check that the widget server runs, and that the controller routes " + widgetPath + " to it"
	var found config
	got, err := w.get(ctx, widgetPath+"config.json", &found)
	switch {
	case err == nil && w.toHTTPS(got):
		return got.String(), errToHTTPS // an engine that is open on http, before a widget that is not
	case err != nil && w.target.Partner == "":
		return "none", nil
	case err != nil:
		return "", fail(WidgetFailed, "%s does not answer: %s: %s", w.url(widgetPath+"config.json"), why(err), remedy)
	}
	served := got.status == http.StatusOK && found.Version != ""
	switch {
	case served && w.target.Next != "" && found.Partner == w.target.Next:
		return fmt.Sprintf("that of %s, to whom the host is handed over", found.Partner), nil
	case w.target.Partner == "" && served:
		return "", fail(WidgetFailed, "the widget is not enabled, and %s serves one, of %q: see what routes that path", w.url(widgetPath), found.Partner)
	case w.target.Partner == "":
		return "none, as it should be", nil
	case got.location != nil:
		return "", fail(WidgetFailed, "%s answers with %s: have what redirects leave %s alone", w.url(widgetPath+"config.json"), got, widgetPath)
	case !served:
		return "", fail(WidgetFailed, "%s answers with %s and no config of the widget: %s", w.url(widgetPath+"config.json"), got, remedy)
	case found.Partner != w.target.Partner:
		return "", fail(WidgetOfAnotherPartner, "%s serves the widget of %q, not of %q: see whether the proxy in between passes the host on", w.url(widgetPath), found.Partner, w.target.Partner)
	}
	switch got, err = w.get(ctx, widgetPath+"widget.js", nil); {
	case err != nil:
		return "", fail(WidgetFailed, "%s does not answer: %s: %s", w.url(widgetPath+"widget.js"), why(err), remedy)
	case got.status != http.StatusOK:
		return "", fail(WidgetFailed, "%s answers with %s: %s", w.url(widgetPath+"widget.js"), got, remedy)
	}
	return "that of " + found.Partner, nil
}
