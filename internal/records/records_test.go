package records_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/miekg/dns"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/internal/records"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "records")
}

var _ = Describe("The records of a host", func() {
	DescribeTable("lead to its route", func(host string, addresses []string, note string, lines ...string) {
		found, notes := records.Of(host, addresses, 300)
		var written []string
		for _, r := range found {
			written = append(written, r.Line())
		}
		Expect(written).To(HaveExactElements(lines))
		if note == "" {
			Expect(notes).To(BeEmpty())
		} else {
			Expect(notes).To(ConsistOf(ContainSubstring(note)))
		}
	},
		Entry("by its addresses", "remote.acmecorp.com", []string{"2001:db8::1", "192.0.2.10", "::ffff:192.0.2.11"}, "",
			"remote.acmecorp.com. 300 IN A 192.0.2.10", "remote.acmecorp.com. 300 IN A 192.0.2.11", "remote.acmecorp.com. 300 IN AAAA 2001:db8::1"),
		Entry("each once", "remote.acmecorp.com", []string{"192.0.2.1", "::ffff:192.0.2.1"}, "", "remote.acmecorp.com. 300 IN A 192.0.2.1"),
		Entry("below a hosting service's name", "acme.github.io", []string{"lb.example.net"}, "", "acme.github.io. 300 IN CNAME lb.example.net."),
		Entry("by its name", "remote.acmecorp.com", []string{"lb.example.net"}, "", "remote.acmecorp.com. 300 IN CNAME lb.example.net."),
		Entry("by one of its names", "remote.acmecorp.com", []string{"b.example.net", "a.example.net."}, "served at b.example.net, too: a host has one CNAME", "remote.acmecorp.com. 300 IN CNAME a.example.net."),
		Entry("by addresses rather than names", "remote.acmecorp.com", []string{"lb.example.net", "192.0.2.10"}, "served at lb.example.net, too", "remote.acmecorp.com. 300 IN A 192.0.2.10"),
		Entry("at the top of a zone", "acmecorp.co.uk", []string{"lb.example.net"}, "where DNS has no CNAME", "; acmecorp.co.uk. 300 IN ALIAS lb.example.net."),
		Entry("of a route without addresses, there are none", "remote.acmecorp.com", nil, ""),
	)
})

// serve answers questions from a zone, over UDP and TCP, or with a code of failure.
func serve(zone string, rcode int) records.Resolver {
	GinkgoHelper()
	var all []dns.RR
	for parser := dns.NewZoneParser(strings.NewReader(zone), "", ""); ; {
		record, ok := parser.Next()
		if !ok {
			Expect(parser.Err()).NotTo(HaveOccurred())
			break
		}
		all = append(all, record)
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
		answer := new(dns.Msg).SetReply(question)
		answer.Rcode = rcode
		for _, record := range all {
			if alias, ok := record.(*dns.CNAME); ok && alias.Hdr.Name == question.Question[0].Name {
				answer.Answer = append(answer.Answer, record)
				question.Question[0].Name = alias.Target
			}
		}
		for _, record := range all {
			if strings.EqualFold(record.Header().Name, question.Question[0].Name) && record.Header().Rrtype == question.Question[0].Qtype {
				answer.Answer = append(answer.Answer, record)
			}
		}
		if w.LocalAddr().Network() == "udp" {
			answer.Truncate(dns.DefaultMsgSize)
		}
		_ = w.WriteMsg(answer)
	})
	var udp net.PacketConn
	var tcp net.Listener
	Eventually(func() (err error) { // until a port is free for both
		if udp, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			return err
		}
		if tcp, err = net.Listen("tcp", udp.LocalAddr().String()); err != nil {
			_ = udp.Close()
		}
		return err
	}).Should(Succeed())
	for _, server := range []*dns.Server{{PacketConn: udp, Handler: handler}, {Listener: tcp, Handler: handler}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { _ = server.ActivateAndServe() }()
		<-started
		DeferCleanup(server.Shutdown)
	}
	return records.Resolver{Server: udp.LocalAddr().String()}
}

var _ = Describe("CAA records", func() {
	DescribeTable("permit an authority, or do not", func(ctx SpecContext, zone string, permits bool, at string) {
		policy, err := serve(zone, dns.RcodeSuccess).CAA(ctx, "remote.acmecorp.com")
		Expect(err).NotTo(HaveOccurred())
		Expect(policy.At).To(Equal(at))
		Expect(policy.Permits([]string{"letsencrypt.org"})).To(Equal(permits))
	},
		Entry("everybody, where there are none", "", true, ""),
		Entry("those that the host names", `remote.acmecorp.com. 60 IN CAA 0 issue "letsencrypt.org"`, true, "remote.acmecorp.com"),
		Entry("those that the zone names, with parameters", `acmecorp.com. 60 IN CAA 0 issue "LetsEncrypt.org; validationmethods=dns-01"`, true, "acmecorp.com"),
		Entry("not others", `acmecorp.com. 60 IN CAA 0 issue "digicert.com"`, false, "acmecorp.com"),
		Entry("the host's before the zone's", "remote.acmecorp.com. 60 IN CAA 0 issue \"digicert.com\"\nacmecorp.com. 60 IN CAA 0 issue \"letsencrypt.org\"", false, "remote.acmecorp.com"),
		Entry("nobody", `acmecorp.com. 60 IN CAA 0 issue ";"`, false, "acmecorp.com"),
		Entry("whatever the case of letters", `acmecorp.com. 60 IN CAA 0 ISSUE "digicert.com"`, false, "acmecorp.com"),
		Entry("with a critical property that is known", "acmecorp.com. 60 IN CAA 0 issue \"letsencrypt.org\"\nacmecorp.com. 60 IN CAA 128 issuemail \"digicert.com\"", true, "acmecorp.com"),
		Entry("everybody, where they are about wildcards alone", `acmecorp.com. 60 IN CAA 0 issuewild "digicert.com"`, true, ""),
		Entry("nobody, by a critical property that is not known", "acmecorp.com. 60 IN CAA 0 issue \"letsencrypt.org\"\nacmecorp.com. 60 IN CAA 128 tbs \"unknown\"", false, "acmecorp.com"),
		Entry("one of many, that fit no datagram", func() (zone string) {
			for range 200 {
				zone += "acmecorp.com. 60 IN CAA 0 issue \"authority.example.net\"\n"
			}
			return zone + `acmecorp.com. 60 IN CAA 0 issue "letsencrypt.org"`
		}(), true, "acmecorp.com"),
	)

	It("are those of the name that an alias leads to, and tell whom they restrict", func(ctx SpecContext) {
		zone := "remote.acmecorp.com. 60 IN CNAME lb.example.net.\n" + `LB.example.net. 60 IN CAA 0 issue "letsencrypt.org; validationmethods=dns-01"`
		policy, err := serve(zone, dns.RcodeSuccess).CAA(ctx, "remote.acmecorp.com")
		Expect(err).NotTo(HaveOccurred())
		Expect(policy).To(Equal(records.Policy{At: "lb.example.net", Issuers: []string{"letsencrypt.org"}, Restricted: []string{"letsencrypt.org"}}))
	})

	It("restrict nobody whom another record permits without a condition", func(ctx SpecContext) {
		zone := `acmecorp.com. 60 IN CAA 0 issue "letsencrypt.org"` + "\n" + `acmecorp.com. 60 IN CAA 0 issue "letsencrypt.org; accounturi=https://example.net/1"`
		policy, err := serve(zone, dns.RcodeSuccess).CAA(ctx, "remote.acmecorp.com")
		Expect(err).NotTo(HaveOccurred())
		Expect(policy.Restricted).To(BeEmpty())
	})

	It("are not known where the server fails", func(ctx SpecContext) {
		_, err := serve("", dns.RcodeServerFailure).CAA(ctx, "remote.acmecorp.com")
		Expect(err).To(MatchError(HaveSuffix("for the CAA records of remote.acmecorp.com: SERVFAIL")))
	})
})

var _ = Describe("The names of an authority", func() {
	It("are those of its directory", func(ctx SpecContext) {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"newOrder": "https://example.net/order", "meta": {"caaIdentities": ["letsencrypt.org"]}}`))
		}))
		DeferCleanup(server.Close)
		Expect(records.Identities(ctx, server.Client(), server.URL)).To(Equal([]string{"letsencrypt.org"}))
		_, err := records.Identities(ctx, server.Client(), "http://example.net/directory")
		Expect(err).To(MatchError(ContainSubstring("begins with https://")))
	})

	It("are of no other address that it leads to", func(ctx SpecContext) {
		server := httptest.NewTLSServer(http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound))
		DeferCleanup(server.Close)
		_, err := records.Identities(ctx, server.Client(), server.URL)
		Expect(err).To(MatchError(HaveSuffix(": status 302")))
	})

	It("are read as far as a directory may be long", func(ctx SpecContext) {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`{"meta": "`))
			for context.Cause(r.Context()) == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}))
		DeferCleanup(server.Close)
		_, err := records.Identities(ctx, server.Client(), server.URL)
		Expect(err).To(MatchError(ContainSubstring("reading the directory of " + server.URL)))
	})
})

var _ = DescribeTable("A host is proven by DNS", func(solvers string, proven bool) {
	var list []any
	Expect(yaml.Unmarshal([]byte(solvers), &list)).To(Succeed())
	issuer := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"acme": map[string]any{"server": "https://example.net/directory", "solvers": list}}}}
	server, byDNS := records.ACME(issuer, "remote.acmecorp.com", map[string]string{"use": "http"})
	Expect(server).To(Equal("https://example.net/directory"))
	Expect(byDNS).To(Equal(proven))
},
	Entry("by the only solver", `[{dns01: {}}]`, true),
	Entry("not by another", `[{http01: {}}]`, false),
	Entry("by the one that names it", `[{http01: {}}, {selector: {dnsNames: [remote.acmecorp.com]}, dns01: {}}]`, true),
	Entry("by the one of the longest zone", `[{selector: {dnsZones: [com]}, http01: {}}, {selector: {dnsZones: [acmecorp.com]}, dns01: {}}]`, true),
	Entry("not by one for other labels", `[{selector: {matchLabels: {use: dns}}, dns01: {}}, {http01: {}}]`, false),
	Entry("not by one of which a part does not match", `[{selector: {dnsNames: [other.acmecorp.com], dnsZones: [acmecorp.com]}, dns01: {}}, {http01: {}}]`, false),
	Entry("not by one of another zone", `[{selector: {dnsZones: [example.net]}, dns01: {}}]`, false),
)
