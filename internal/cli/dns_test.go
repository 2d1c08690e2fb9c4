package cli_test

import (
	"net"
	"strings"

	"github.com/miekg/dns"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("dns", func() {
	// answers is a DNS server that has one address for every name.
	answers := func(address string) string {
		GinkgoHelper()
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) {
			answer := new(dns.Msg).SetReply(question)
			if asked := question.Question[0]; asked.Qtype == dns.TypeA {
				answer.Answer = append(answer.Answer, &dns.A{Hdr: dns.RR_Header{Name: asked.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.ParseIP(address)})
			}
			_ = w.WriteMsg(answer)
		})}
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { _ = server.ActivateAndServe() }()
		<-started
		DeferCleanup(server.Shutdown)
		return conn.LocalAddr().String()
	}

	It("needs a route with an address", func(ctx SpecContext) {
		got := run(ctx, "dns acme")
		Expect(got.status).To(Equal(3))
		Expect(got.err).To(ContainSubstring("the route of remote.acmecorp.com has no address yet, to which a record could lead: see that its controller serves it, and writes addresses into the status of the Ingress"))
		Expect(run(ctx, "dns wayne").err).To(Equal("error: Partner \"wayne\" has no sub-domain to check: it declares none\n"))
	})

	It("says which records to set, and what is wrong with those that are there", func(ctx SpecContext) {
		served := func(ctx SpecContext, status string) {
			kubectl(ctx, "patch", "ingress", "remote.acmecorp.com", "--namespace=partner-acme", "--subresource=status", "--type=merge", "--patch="+status)
		}
		served(ctx, `{"status":{"loadBalancer":{"ingress":[{"ip":"127.0.0.9"}]}}}`)
		DeferCleanup(func(ctx SpecContext) {
			served(ctx, `{"status":{"loadBalancer":null}}`)
			Eventually(func() string { return run(ctx, "dns acme").err }).Should(ContainSubstring("has no address yet"))
		})
		right, wrong := answers("127.0.0.9"), answers("127.0.0.10")
		Eventually(func() string { return run(ctx, "dns acme -o zone --dns-server "+right).out }).Should(Equal("; remote.acmecorp.com, for Partner acme\nremote.acmecorp.com. 300 IN A 127.0.0.9\n"))
		got := run(ctx, "dns acme --dns-server "+right)
		Expect(got.status).To(BeZero(), "whatever the host answers: %s", got.err)
		Expect(got.out).To(And(ContainSubstring("\n! ConnectionFailed: "), Not(ContainSubstring("✗")), Not(ContainSubstring("✓"))))

		got = run(ctx, "dns acme --dns-server "+wrong)
		Expect(got.status).To(Equal(1))
		Expect(got.out).To(Equal(strings.TrimPrefix(`
NAME                  TYPE   VALUE       TTL
remote.acmecorp.com   A      127.0.0.9   300

✗ remote.acmecorp.com resolves to 127.0.0.10, and the route is served at 127.0.0.9: point the DNS record there, or wait until resolvers have forgotten the old one
`, "\n")))
		got = run(ctx, "dns remote.acmecorp.com -o json --dns-server "+wrong)
		Expect(got.out).To(And(ContainSubstring(`"reason": "AddressNotTheRoutes"`), ContainSubstring(`"wrong": [`), ContainSubstring(`"type": "A"`)))
		Expect(run(ctx, "dns acme --dns-server 127.0.0.1:1").out).To(ContainSubstring("✗ "))
		Expect(run(ctx, "dns acme -o zone --dns-server "+wrong).out).To(ContainSubstring("; remote.acmecorp.com resolves to 127.0.0.10"))
	})
})
