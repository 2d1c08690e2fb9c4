package probe_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/dispel/partner-operator/internal/probe"
	"github.com/dispel/partner-operator/internal/testing/authority"
	"github.com/dispel/partner-operator/internal/testing/site"
)

const host = "remote.acmecorp.com"

var _ = Describe("A probe", func() {
	var ca *authority.Authority
	BeforeEach(func() { ca = authority.New() })

	// at probes a server on loopback to which the host resolves.
	at := func(address netip.AddrPort) *probe.Prober {
		return &probe.Prober{
			Resolver: site.NewZone(map[string][]string{host: {"127.0.0.1"}}).Resolver, Roots: ca.Pool(), Allowed: probe.Anywhere,
			HTTPPort: address.Port(), HTTPSPort: address.Port(), Timeout: time.Second,
		}
	}
	target := probe.Target{Host: host, TLS: true, Partner: "Acme Corp"}
	good := func() *tls.Certificate { return new(ca.Sign(time.Hour, host)) }

	expect := func(result probe.Result, reason probe.Reason, last probe.Step, message string) {
		GinkgoHelper()
		Expect(result.Reason).To(Equal(reason), result.Message)
		Expect(result.Message).To(ContainSubstring(message))
		Expect(result.Steps[len(result.Steps)-1].Step).To(Equal(last))
	}

	It("walks to the end of a chain that holds", func(ctx SpecContext) {
		result := at(site.Serve(site.Engine("Acme Corp"), good())).Probe(ctx, probe.Target{Host: host, TLS: true, Partner: "Acme Corp", Addresses: []string{"127.0.0.1"}})
		expect(result, probe.Reachable, probe.Widget, "https://remote.acmecorp.com answers")
		Expect(result.Broken()).To(BeFalse())
		Expect(result.Steps).To(HaveLen(5))
		Expect(result.Steps[0].Seen).To(Equal("127.0.0.1"))
		Expect(result.Steps[2].Seen).To(ContainSubstring("issued by CN=Test Authority, valid until"))
		Expect(result.Steps[4].Seen).To(Equal("that of Acme Corp"))
		Expect(result.Expires).To(BeTemporally("~", time.Now().Add(time.Hour), time.Minute))
	}, SpecTimeout(time.Minute))

	It("takes the earliest end of the chain for the end", func(ctx SpecContext) {
		intermediate := ca.Intermediate("Test Intermediate", 3*time.Hour)
		result := at(site.Serve(site.Engine("Acme Corp"), new(intermediate.Sign(20*time.Hour, host)))).Probe(ctx, target)
		expect(result, probe.Reachable, probe.Widget, "answers")
		Expect(result.Expires).To(BeTemporally("~", time.Now().Add(3*time.Hour), time.Minute))
		Expect(result.Steps[2].Seen).To(HaveSuffix(", when CN=Test Intermediate of its chain ends"))
	}, SpecTimeout(time.Minute))

	It("follows an engine that sets a cookie and redirects to where it was asked", func(ctx SpecContext) {
		engine := site.Engine("Acme Corp")
		asked := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := r.Cookie("session"); err != nil && r.URL.Path == "/" {
				http.SetCookie(w, &http.Cookie{Name: "session", Value: "x"})
				http.Redirect(w, r, "/", http.StatusFound)
				return
			}
			engine.ServeHTTP(w, r)
		})
		expect(at(site.Serve(asked, good())).Probe(ctx, target), probe.Reachable, probe.Widget, "answers")
	}, SpecTimeout(time.Minute))

	It("does without TLS and without a widget", func(ctx SpecContext) {
		result := at(site.Serve(site.Engine(""), nil)).Probe(ctx, probe.Target{Host: host})
		expect(result, probe.Reachable, probe.Widget, "http://remote.acmecorp.com answers")
		Expect(result.Steps).To(HaveLen(4))
	}, SpecTimeout(time.Minute))

	It("names a host that does not resolve", func(ctx SpecContext) {
		p := at(site.Serve(site.Engine(""), nil))
		p.Resolver = site.NewZone(nil).Resolver
		result := p.Probe(ctx, probe.Target{Host: host, Addresses: []string{"192.0.2.1"}})
		expect(result, probe.NameNotResolved, probe.Resolution, "remote.acmecorp.com does not resolve: there is no such name: create a DNS record that points to the route's address, 192.0.2.1")
	}, SpecTimeout(time.Minute))

	It("goes on with one family of addresses where the DNS server drops the other", func(ctx SpecContext) {
		p := at(site.Serve(site.Engine("Acme Corp"), good()))
		zone := site.NewZone(map[string][]string{host: {"127.0.0.1"}})
		zone.Fail(nil, func(q dnsmessage.Question) bool { return q.Type == dnsmessage.TypeAAAA })
		p.Resolver = zone.Resolver
		expect(p.Probe(ctx, target), probe.Reachable, probe.Widget, "answers")
		zone.Fail(new(dnsmessage.RCodeServerFailure), func(q dnsmessage.Question) bool { return q.Type == dnsmessage.TypeAAAA })
		expect(p.Probe(ctx, target), probe.Reachable, probe.Widget, "answers")
	}, SpecTimeout(time.Minute))

	DescribeTable("says why a host does not resolve",
		func(ctx SpecContext, message string, own probe.Own, names map[string][]string, code *dnsmessage.RCode, fails bool) {
			p := at(site.Serve(site.Engine("Acme Corp"), good()))
			zone := site.NewZone(names)
			zone.Fail(code, func(dnsmessage.Question) bool { return fails })
			p.Resolver = zone.Resolver
			result := p.Probe(ctx, probe.Target{Host: host, TLS: true, Addresses: []string{"192.0.2.1"}})
			expect(result, probe.NameNotResolved, probe.Resolution, host+" does not resolve: "+message)
			Expect(result.Own).To(Equal(own))
		},
		Entry("a failing zone", "the DNS server fails for this name: see the name servers, the delegation and DNSSEC of its zone", probe.OwnDNS, nil, new(dnsmessage.RCodeServerFailure), true, SpecTimeout(time.Minute)),
		Entry("a server that refuses", "the DNS server fails for this name", probe.OwnDNS, nil, new(dnsmessage.RCodeRefused), true, SpecTimeout(time.Minute)),
		Entry("a silent server", "the DNS server does not answer in time: see whether it runs", probe.OwnDNS, nil, nil, true, SpecTimeout(time.Minute)),
		Entry("aliases in a circle", "its CNAME records lead in a circle: have them end at the route's address, 192.0.2.1", probe.Own(""),
			map[string][]string{host: {"a.example.net"}, "a.example.net": {"b.example.net"}, "b.example.net": {"a.example.net"}}, nil, false, SpecTimeout(time.Minute)),
		Entry("an alias of nothing", "it is an alias of gone.example.net, which has no address: have its CNAME record end", probe.Own(""),
			map[string][]string{host: {"gone.example.net"}}, nil, false, SpecTimeout(time.Minute)),
	)

	It("tells a DNS server that is not there from a host that is not", func(ctx SpecContext) {
		p := at(site.Serve(site.Engine("Acme Corp"), good()))
		p.Resolver = probe.ResolverAt(netip.MustParseAddrPort("127.0.0.1:1"))
		result := p.Probe(ctx, target)
		expect(result, probe.NameNotResolved, probe.Resolution, "the DNS server cannot be asked (connection refused): see whether it runs")
		Expect(result.Own).To(Equal(probe.OwnDNS))
		Expect(result.Sure).To(BeTrue())
	}, SpecTimeout(time.Minute))

	It("takes the host for the route's if its aliases end there, or answers overlap", func(ctx SpecContext) {
		p := at(site.Serve(site.Engine("Acme Corp"), good()))
		with := target
		with.Addresses = []string{"lb.example.net"}
		// Each answer has another address of the pool.
		turning := site.NewZone(map[string][]string{host: {"www.example.net"}, "www.example.net": {"lb.example.net"}, "lb.example.net": {"127.0.0.1"}})
		turning.Turn("lb.example.net", "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.7", "127.0.0.8")
		p.Resolver = turning.Resolver
		result := p.Probe(ctx, with)
		Expect(result.Reason).NotTo(Equal(probe.AddressNotTheRoutes), result.Message)

		flat := site.NewZone(map[string][]string{host: {"127.0.0.1"}, "lb.example.net": {"127.0.0.2"}})
		flat.Turn("lb.example.net", "127.0.0.2", "127.0.0.3", "127.0.0.1")
		p.Resolver = flat.Resolver
		Expect(p.Probe(ctx, with).Reason).To(Equal(probe.Reachable))
	}, SpecTimeout(time.Minute))

	It("compares only where it may reach, also behind a name", func(ctx SpecContext) {
		p := at(site.Serve(site.Engine("Acme Corp"), good()))
		p.Allowed = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		p.Resolver = site.NewZone(map[string][]string{host: {"127.0.0.1"}, "lb.internal.example": {"10.0.0.7"}}).Resolver
		with := target
		with.Addresses = []string{"lb.internal.example"}
		Expect(p.Probe(ctx, with).Reason).To(Equal(probe.Reachable))
	}, SpecTimeout(time.Minute))

	It("follows a host without TLS of its own to https, and judges what is there", func(ctx SpecContext) {
		plain, secure := site.Serve(http.RedirectHandler("https://"+host+"/", http.StatusPermanentRedirect), nil), site.Serve(site.Engine("Acme Corp"), good())
		p := at(secure)
		p.HTTPPort = plain.Port()
		without := probe.Target{Host: host, Partner: "Acme Corp"}
		result := p.Probe(ctx, without)
		expect(result, probe.Reachable, probe.Widget, "https://remote.acmecorp.com answers")
		Expect(result.Expires).NotTo(BeZero())
		var steps []probe.Step
		for _, taken := range result.Steps {
			steps = append(steps, taken.Step)
		}
		Expect(steps).To(Equal([]probe.Step{probe.Resolution, probe.Connection, probe.Engine, probe.Connection, probe.Certificate, probe.Engine, probe.Widget}))
		Expect(result.Steps[2].Seen).To(Equal("status 308, a redirect to https://remote.acmecorp.com/"))

		By("judging the certificate there")
		p = at(site.Serve(site.Engine("Acme Corp"), new(ca.Sign(time.Hour, "other.example.com"))))
		p.HTTPPort = plain.Port()
		expect(p.Probe(ctx, without), probe.CertificateInvalid, probe.Certificate, "is for other.example.com, not for remote.acmecorp.com")

		By("asking an engine that has none, too")
		p = at(site.Serve(site.Engine(""), good()))
		p.HTTPPort = plain.Port()
		expect(p.Probe(ctx, probe.Target{Host: host}), probe.Reachable, probe.Widget, "https://remote.acmecorp.com answers")
	}, SpecTimeout(time.Minute))

	DescribeTable("follows redirects as a browser does, within the host",
		func(ctx SpecContext, of func(https bool) string, tls bool, reason probe.Reason, message string) {
			engine := func(https bool) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if to := of(https); to != "" && r.URL.Path != "/login" {
						http.Redirect(w, r, to, http.StatusFound)
					}
				})
			}
			p := at(site.Serve(engine(true), good()))
			p.HTTPPort = site.Serve(engine(false), nil).Port()
			expect(p.Probe(ctx, probe.Target{Host: host, TLS: tls}), reason, map[probe.Reason]probe.Step{probe.Reachable: probe.Widget, probe.EngineFailed: probe.Engine}[reason], message)
		},
		Entry("between http and https, in circles", func(https bool) string {
			if https {
				return "http://" + host + "/"
			}
			return "https://" + host + "/"
		}, false, probe.EngineFailed, "have it trust the header X-Forwarded-Proto", SpecTimeout(time.Minute)),
		Entry("the same, of a host with TLS of its own", func(https bool) string {
			if https {
				return "http://" + host + "/"
			}
			return "https://" + host + "/"
		}, true, probe.EngineFailed, "have it trust the header X-Forwarded-Proto", SpecTimeout(time.Minute)),
		Entry("to http, which serves", func(https bool) string {
			if https {
				return "http://" + host + "/login"
			}
			return ""
		}, true, probe.Reachable, "answers", SpecTimeout(time.Minute)),
		Entry("with the scheme's own port", func(bool) string { return "https://" + host + ":443/login" }, true, probe.Reachable, "answers", SpecTimeout(time.Minute)),
		Entry("but not to a port that leaks", func(bool) string { return "https://" + host + ":8443/" }, false, probe.EngineFailed,
			"answers with status 302, a redirect to https://remote.acmecorp.com:8443/, a port that is not the public one", SpecTimeout(time.Minute)),
		Entry("nor to such a port with TLS", func(bool) string { return "https://" + host + ":8443/" }, true, probe.EngineFailed, "a port that is not the public one", SpecTimeout(time.Minute)),
	)

	It("needs no end of a redirect's body, nor of the config's", func(ctx SpecContext) {
		endless := func(w http.ResponseWriter, r *http.Request, status int, text string) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(text))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
		mux := http.NewServeMux()
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/login")
			endless(w, r, http.StatusFound, "")
		})
		mux.HandleFunc("/login", func(http.ResponseWriter, *http.Request) {})
		mux.HandleFunc("/.dispel/support/config.json", func(w http.ResponseWriter, r *http.Request) {
			endless(w, r, http.StatusOK, `{"version":"v1","partner":"Acme Corp"}`)
		})
		mux.HandleFunc("/.dispel/support/widget.js", func(http.ResponseWriter, *http.Request) {})
		expect(at(site.Serve(mux, good())).Probe(ctx, target), probe.Reachable, probe.Widget, "answers")
	}, SpecTimeout(time.Minute))

	It("goes by the IPv4 address that a translated one stands for", func(ctx SpecContext) {
		p := at(netip.MustParseAddrPort("127.0.0.1:1"))
		p.Allowed = nil
		for address, reason := range map[string]probe.Reason{"64:ff9b::101:101": probe.ConnectionFailed, "64:ff9b::a00:7": probe.TargetNotAllowed} {
			p.Resolver, p.Timeout = site.NewZone(map[string][]string{host: {address}}).Resolver, 100*time.Millisecond
			Expect(p.Probe(ctx, target).Reason).To(Equal(reason), address)
			with := target
			with.Addresses = []string{"1.1.1.1"}
			Expect(p.Probe(ctx, with).Reason).To(Equal(reason), address)
		}
		p.Allowed = []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96")}
		Expect(p.Probe(ctx, target).Reason).NotTo(Equal(probe.TargetNotAllowed))
	}, SpecTimeout(time.Minute))

	It("tells a long chain of aliases from one that leads in a circle", func(ctx SpecContext) {
		names := map[string][]string{host: {"a0.example.net"}}
		for i := range 10 {
			names[fmt.Sprintf("a%d.example.net", i)] = []string{fmt.Sprintf("a%d.example.net", i+1)}
		}
		p := at(netip.MustParseAddrPort("127.0.0.1:1"))
		p.Resolver = site.NewZone(names).Resolver
		expect(p.Probe(ctx, target), probe.NameNotResolved, probe.Resolution, "it is an alias of a7.example.net, after 8 CNAME records, more than resolvers follow")
	}, SpecTimeout(time.Minute))

	It("names what redirects the widget away", func(ctx SpecContext) {
		mux := http.NewServeMux()
		mux.Handle("/.dispel/", http.RedirectHandler("https://login.example.net/", http.StatusFound))
		mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
		expect(at(site.Serve(mux, good())).Probe(ctx, target), probe.WidgetFailed, probe.Widget,
			"answers with status 302, a redirect to https://login.example.net/: have what redirects leave /.dispel/support/ alone")
	}, SpecTimeout(time.Minute))

	It("says that it uses no proxy, where there is one", func(ctx SpecContext) {
		p := at(netip.MustParseAddrPort("127.0.0.1:1"))
		p.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://proxy.example.net:3128") }
		expect(p.Probe(ctx, target), probe.ConnectionFailed, probe.Connection, "; the proxy that the environment names is not used: a probe connects directly")
	}, SpecTimeout(time.Minute))

	It("compares with the route's addresses, also where they are names", func(ctx SpecContext) {
		p := at(site.Serve(site.Engine("Acme Corp"), good()))
		p.Resolver = site.NewZone(map[string][]string{host: {"127.0.0.1"}, "lb.example.net": {"127.0.0.1"}, "old.example.net": {"192.0.2.9"}}).Resolver
		with := target
		with.Addresses = []string{"lb.example.net"}
		Expect(p.Probe(ctx, with).Reason).To(Equal(probe.Reachable))
		with.Addresses = []string{"old.example.net", "192.0.2.8"}
		expect(p.Probe(ctx, with), probe.AddressNotTheRoutes, probe.Resolution, "resolves to 127.0.0.1, and the route is served at old.example.net, 192.0.2.8")
		with.Addresses = []string{"unknown.example.net"}
		Expect(p.Probe(ctx, with).Reason).To(Equal(probe.Reachable), "nothing is known of the route")
	}, SpecTimeout(time.Minute))

	It("does not judge the widget of a route that was replaced", func(ctx SpecContext) {
		with := target
		with.Addresses, with.Former = []string{"192.0.2.1", "127.0.0.1"}, []string{"127.0.0.1"}
		for _, name := range []string{"", "Globex"} {
			result := at(site.Serve(site.Engine(name), good())).Probe(ctx, with)
			expect(result, probe.Reachable, probe.Widget, "answers")
			Expect(result.Steps[4].Seen).To(Equal("not judged, since a replaced route is still served at this address"))
		}
		with.Former = nil
		Expect(at(site.Serve(site.Engine(""), good())).Probe(ctx, with).Reason).To(Equal(probe.WidgetFailed))
	}, SpecTimeout(time.Minute))

	It("takes the widget of whom the host is handed over to, and no other", func(ctx SpecContext) {
		with := target
		with.Next = "Globex"
		for _, own := range []string{target.Partner, ""} {
			with.Partner = own
			result := at(site.Serve(site.Engine("Globex"), good())).Probe(ctx, with)
			expect(result, probe.Reachable, probe.Widget, "answers")
			Expect(result.Steps[4].Seen).To(Equal("that of Globex, to whom the host is handed over"))
		}
		with.Partner = target.Partner
		Expect(at(site.Serve(site.Engine("Initech"), good())).Probe(ctx, with).Reason).To(Equal(probe.WidgetOfAnotherPartner))
		Expect(at(site.Serve(site.Engine(""), good())).Probe(ctx, with).Reason).To(Equal(probe.WidgetFailed))
	}, SpecTimeout(time.Minute))

	It("connects to a few addresses, however many there are", func(ctx SpecContext) {
		var many []string
		for i := range 60 { // as many as fit into one datagram
			many = append(many, fmt.Sprintf("127.0.1.%d", i+1))
		}
		p := at(netip.MustParseAddrPort("127.0.0.1:1"))
		p.Resolver = site.NewZone(map[string][]string{host: many}).Resolver
		result := p.Probe(ctx, target)
		expect(result, probe.ConnectionFailed, probe.Connection, "no answer from remote.acmecorp.com")
		Expect(strings.Count(result.Message, "connection refused")).To(Equal(4), result.Message)
		Expect(result.Steps[0].Seen).To(HaveSuffix("127.0.1.8, and 52 more"))
	}, SpecTimeout(time.Minute))

	It("shows nothing of a server's as it is", func(ctx SpecContext) {
		p := at(site.Serve(site.Engine("Acme\u202eCorp"), good()))
		with := target
		with.Partner = "Acme\u202eCorp"
		result := p.Probe(ctx, with)
		Expect(result.Steps[4].Seen).To(Equal("that of Acme Corp"))
	}, SpecTimeout(time.Minute))

	DescribeTable("does not talk to what no end customer reaches",
		func(ctx SpecContext, address string) {
			p := &probe.Prober{Resolver: site.NewZone(map[string][]string{host: {"1.1.1.1", address}}).Resolver, Timeout: time.Second}
			expect(p.Probe(ctx, target), probe.TargetNotAllowed, probe.Resolution, "which is no public address")
		},
		Entry("loopback", "127.0.0.1", SpecTimeout(time.Minute)),
		Entry("a private network", "10.1.2.3", SpecTimeout(time.Minute)),
		Entry("a cloud's metadata server", "169.254.169.254", SpecTimeout(time.Minute)),
		Entry("a shared network", "100.64.1.1", SpecTimeout(time.Minute)),
		Entry("this network", "0.0.0.1", SpecTimeout(time.Minute)),
		Entry("multicast", "224.0.0.1", SpecTimeout(time.Minute)),
		Entry("a local IPv6 network", "fd00::1", SpecTimeout(time.Minute)),
		Entry("loopback as IPv6", "::1", SpecTimeout(time.Minute)),
		Entry("a private address translated to IPv6", "64:ff9b::a01:203", SpecTimeout(time.Minute)),
		Entry("a private address in a tunnel", "2002:a01:203::1", SpecTimeout(time.Minute)),
	)

	It("says that nobody answers", func(ctx SpecContext) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		Expect(listener.Close()).To(Succeed())
		result := at(netip.MustParseAddrPort(listener.Addr().String())).Probe(ctx, target)
		expect(result, probe.ConnectionFailed, probe.Connection, "no answer from remote.acmecorp.com (127.0.0.1:")
		Expect(result.Message).To(ContainSubstring("connection refused"))
	}, SpecTimeout(time.Minute))

	DescribeTable("looks at the certificate as a browser does",
		func(ctx SpecContext, of func() *tls.Certificate, reason probe.Reason, message string) {
			expect(at(site.Serve(site.Engine("Acme Corp"), of())).Probe(ctx, target), reason, probe.Certificate, message)
		},
		Entry("for another name", func() *tls.Certificate { return new(ca.Sign(time.Hour, "other.example.com")) },
			probe.CertificateInvalid, "is for other.example.com, not for remote.acmecorp.com", SpecTimeout(time.Minute)),
		Entry("expired", func() *tls.Certificate { return new(ca.Sign(-time.Hour, host)) },
			probe.CertificateExpired, "and not now: see why it was not renewed", SpecTimeout(time.Minute)),
		Entry("expired, and for another name", func() *tls.Certificate { return new(ca.Sign(-time.Hour, "other.example.com")) },
			probe.CertificateInvalid, "is for other.example.com, not for remote.acmecorp.com", SpecTimeout(time.Minute)),
		Entry("for no name", func() *tls.Certificate { return new(ca.Sign(time.Hour)) },
			probe.CertificateInvalid, "is for no DNS name, not for remote.acmecorp.com", SpecTimeout(time.Minute)),
		Entry("of an unknown authority", func() *tls.Certificate { return new(authority.New().Sign(time.Hour, host)) },
			probe.CertificateInvalid, "issued by CN=Test Authority, is not trusted", SpecTimeout(time.Minute)),
		Entry("none, on a port without TLS", func() *tls.Certificate { return nil },
			probe.CertificateInvalid, "speaks no TLS on port", SpecTimeout(time.Minute)),
	)

	It("does not wait for a handshake that never ends", func(ctx SpecContext) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(listener.Close)
		p := at(netip.MustParseAddrPort(listener.Addr().String()))
		p.Timeout = 200 * time.Millisecond
		expect(p.Probe(ctx, target), probe.CertificateInvalid, probe.Certificate, "the TLS handshake with remote.acmecorp.com fails: no answer in time")
	}, SpecTimeout(time.Minute))

	DescribeTable("tells what is wrong with the engine",
		func(ctx SpecContext, handler http.HandlerFunc, message string) {
			p := at(site.Serve(handler, good()))
			p.Timeout = 300 * time.Millisecond
			expect(p.Probe(ctx, target), probe.EngineFailed, probe.Engine, message)
		},
		Entry("a server error", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }),
			"https://remote.acmecorp.com/ answers with status 502", SpecTimeout(time.Minute)),
		Entry("redirects in circles", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }),
			"it redirects in circles", SpecTimeout(time.Minute)),
		Entry("redirects in slow circles", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-time.After(40 * time.Millisecond)
			http.Redirect(w, r, "/", http.StatusFound)
		}), "it redirects in circles", SpecTimeout(time.Minute)),
		Entry("no answer", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
			"no answer in time", SpecTimeout(time.Minute)),
	)

	It("goes by the status of the first page, which may never end", func(ctx SpecContext) {
		mux := http.NewServeMux()
		mux.Handle("/.dispel/", site.Engine("Acme Corp"))
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		expect(at(site.Serve(mux, good())).Probe(ctx, target), probe.Reachable, probe.Widget, "answers")
	}, SpecTimeout(time.Minute))

	It("follows no redirect to another host, and reads no gigabyte", func(ctx SpecContext) {
		asked := make(chan string, 10)
		other := site.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Host }), nil)
		mux := http.NewServeMux()
		mux.Handle("/.dispel/", site.Engine("Acme Corp"))
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+other.String()+"/login", http.StatusFound)
		})
		Expect(at(site.Serve(mux, good())).Probe(ctx, target).Reason).To(Equal(probe.Reachable))
		Expect(asked).To(BeEmpty())

		sent := make(chan int, 1)
		mux = http.NewServeMux()
		mux.Handle("/.dispel/", site.Engine("Acme Corp"))
		mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
			total := 0
			for range 1024 {
				n, err := w.Write(make([]byte, 1<<20))
				if total += n; err != nil {
					break
				}
			}
			sent <- total
		})
		Expect(at(site.Serve(mux, good())).Probe(ctx, target).Reason).To(Equal(probe.Reachable))
		Eventually(sent).Should(Receive(BeNumerically("<", 64<<20)))
	}, SpecTimeout(time.Minute))

	DescribeTable("tells what is wrong with the widget",
		func(ctx SpecContext, handler func() http.Handler, wanted string, reason probe.Reason, message string) {
			result := at(site.Serve(handler(), good())).Probe(ctx, probe.Target{Host: host, TLS: true, Partner: wanted})
			expect(result, reason, probe.Widget, message)
		},
		Entry("none where there should be one", func() http.Handler { return site.Engine("") }, "Acme Corp",
			probe.WidgetFailed, "answers with status 404 and no config of the widget", SpecTimeout(time.Minute)),
		Entry("one where there should be none", func() http.Handler { return site.Engine("Acme Corp") }, "",
			probe.WidgetFailed, `the widget is not enabled, and https://remote.acmecorp.com/.dispel/support/ serves one, of "Acme Corp"`, SpecTimeout(time.Minute)),
		Entry("another partner's", func() http.Handler { return site.Engine("Globex") }, "Acme Corp",
			probe.WidgetOfAnotherPartner, `serves the widget of "Globex", not of "Acme Corp"`, SpecTimeout(time.Minute)),
		Entry("the engine's own page in its place", func() http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<!doctype html>") })
		}, "Acme Corp", probe.WidgetFailed, "answers with status 200 and no config of the widget", SpecTimeout(time.Minute)),
		Entry("a config without a script", func() http.Handler {
			mux := http.NewServeMux()
			mux.HandleFunc("/.dispel/support/config.json", func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(w, `{"version": "v1", "partner": "Acme Corp"}`)
			})
			mux.HandleFunc("/.dispel/support/widget.js", http.NotFound)
			mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
			return mux
		}, "Acme Corp", probe.WidgetFailed, "widget.js answers with status 404", SpecTimeout(time.Minute)),
	)

	It("takes an engine's own page for no widget where there should be none", func(ctx SpecContext) {
		page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<!doctype html>") })
		Expect(at(site.Serve(page, good())).Probe(ctx, probe.Target{Host: host, TLS: true}).Reason).To(Equal(probe.Reachable))
	}, SpecTimeout(time.Minute))

	It("connects elsewhere before DNS is changed", func(ctx SpecContext) {
		address := site.Serve(site.Engine("Acme Corp"), good())
		p := &probe.Prober{Roots: ca.Pool(), Allowed: probe.Anywhere, ConnectTo: address, Timeout: time.Second}
		Expect(p.Probe(ctx, target).Reason).To(Equal(probe.Reachable))
		p = &probe.Prober{Roots: ca.Pool(), Allowed: probe.Anywhere, ConnectTo: netip.AddrPortFrom(address.Addr(), 0), HTTPSPort: address.Port(), Timeout: time.Second}
		Expect(p.Probe(ctx, target).Reason).To(Equal(probe.Reachable), "the port is that of HTTPS")
	}, SpecTimeout(time.Minute))

	DescribeTable("reads addresses",
		func(text, address string, message string) {
			parsed, err := probe.ParseAddress(text)
			if message != "" {
				Expect(err).To(MatchError(message))
				return
			}
			Expect(err).NotTo(HaveOccurred())
			Expect(parsed).To(Equal(netip.MustParseAddrPort(address)))
		},
		Entry(nil, "192.0.2.10", "192.0.2.10:0", ""),
		Entry(nil, "192.0.2.10:8443", "192.0.2.10:8443", ""),
		Entry(nil, "2001:db8::1", "[2001:db8::1]:0", ""),
		Entry(nil, "[2001:db8::1]:53", "[2001:db8::1]:53", ""),
		Entry(nil, "somewhere", "", `"somewhere" is no IP address: write one, with a port if need be, such as 192.0.2.10 or 192.0.2.10:8443`),
	)
})
