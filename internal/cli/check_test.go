package cli_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/internal/cli"
	"github.com/dispel/partner-operator/internal/probe"
	"github.com/dispel/partner-operator/internal/testing/authority"
)

var _ = Describe("A check", func() {
	handler := func(partner string) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("/{$}", func(http.ResponseWriter, *http.Request) {})
		mux.HandleFunc("/.dispel/support/config.json", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"version": "v1", "partner": %q}`, partner)
		})
		mux.HandleFunc("/.dispel/support/widget.js", func(http.ResponseWriter, *http.Request) {})
		return mux
	}
	// serve serves a partner's engine and widget, and returns where.
	serve := func(partner string) string {
		server := httptest.NewServer(handler(partner))
		DeferCleanup(server.Close)
		return server.Listener.Addr().String()
	}
	// without strips what differs from run to run.
	without := func(out, address string) string {
		out = regexp.MustCompile(regexp.QuoteMeta(address)).ReplaceAllString(out, "192.0.2.10:443")
		out = regexp.MustCompile(`\b[\d.]+(ms|µs|s)\s+`).ReplaceAllString(out, "TOOK ")
		return regexp.MustCompile(`  +`).ReplaceAllString(out, "  ")
	}

	It("walks to the widget", func(ctx SpecContext) {
		address := serve("Acme Corp")
		got := run(ctx, "check acme --connect-to "+address)
		Expect(without(got.out, address)).To(Equal(`  STEP  TOOK  SEEN
✓  name resolution  TOOK not asked, to connect to 192.0.2.10:443
✓  connection  TOOK connected to 192.0.2.10:443
✓  engine  TOOK status 200
✓  support widget  TOOK that of Acme Corp

http://remote.acmecorp.com answers
`), got.err)
		Expect(got.status).To(BeZero())
		Expect(got.err).To(BeEmpty())
	}, SpecTimeout(time.Minute))

	It("ends at the first broken link, with status 1", func(ctx SpecContext) {
		address := serve("Globex")
		got := run(ctx, "check acme --connect-to "+address)
		Expect(without(got.out, address)).To(HaveSuffix(`
✗  support widget  TOOK WidgetOfAnotherPartner

http://remote.acmecorp.com/.dispel/support/ serves the widget of "Globex", not of "Acme Corp": see whether the proxy in between passes the host on
`), got.err)
		Expect(got.status).To(Equal(1))
		Expect(got.err).To(BeEmpty())
	}, SpecTimeout(time.Minute))

	It("is for programs, too", func(ctx SpecContext) {
		got := run(ctx, "check acme -o json --connect-to "+serve("Globex"))
		Expect(got.status).To(Equal(1))
		Expect(got.out).To(And(ContainSubstring(`"partner": "acme"`), ContainSubstring(`"host": "remote.acmecorp.com"`),
			ContainSubstring(`"reason": "WidgetOfAnotherPartner"`), MatchRegexp(`"step": "connection",\s+"took": "[\d.]+[mµ]?s"`)), got.err)
	}, SpecTimeout(time.Minute))

	It("asks the DNS server that it is told to", func(ctx SpecContext) {
		got := run(ctx, "check acme --dns-server 127.0.0.1:1")
		Expect(got.status).To(Equal(1))
		Expect(got.out).To(ContainSubstring("remote.acmecorp.com does not resolve: "), got.err)
	}, SpecTimeout(time.Minute))

	It("trusts the authorities of a file", func(ctx SpecContext) {
		ca := authority.New()
		file := filepath.Join(GinkgoT().TempDir(), "ca.pem")
		Expect(os.WriteFile(file, ca.PEM(), 0o600)).To(Succeed())
		server := httptest.NewUnstartedServer(handler("Acme Corp"))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Sign(time.Hour, "remote.acmecorp.com")}, MinVersion: tls.VersionTLS12}
		server.StartTLS()
		DeferCleanup(server.Close)
		target := probe.Target{Host: "remote.acmecorp.com", TLS: true, Partner: "Acme Corp"}

		prober, err := cli.Prober(server.Listener.Addr().String(), "")
		Expect(err).NotTo(HaveOccurred())
		Expect(prober.Probe(ctx, target).Reason).To(Equal(probe.CertificateInvalid))
		prober, err = cli.Prober(server.Listener.Addr().String(), file)
		Expect(err).NotTo(HaveOccurred())
		Expect(prober.Probe(ctx, target).Reason).To(Equal(probe.Reachable))
	}, SpecTimeout(time.Minute))

	DescribeTable("refuses what it cannot use",
		func(ctx SpecContext, line string, status int, message string) {
			got := run(ctx, line)
			Expect(got.status).To(Equal(status))
			Expect(got.err).To(ContainSubstring(message))
			Expect(got.out).To(BeEmpty())
		},
		Entry("no IP address", "check acme --connect-to lb.example.net", 2, `error: --connect-to: "lb.example.net" is no IP address: write one, with a port if need be`, SpecTimeout(time.Minute)),
		Entry("no DNS server", "check acme --dns-server dns", 2, `error: --dns-server: "dns" is no IP address`, SpecTimeout(time.Minute)),
		Entry("both of them", "check acme --dns-server 192.0.2.53 --connect-to 192.0.2.10", 2, "error: --dns-server and --connect-to: give one of them; no name is resolved with --connect-to", SpecTimeout(time.Minute)),
		Entry("no such file", "check acme --ca-file nowhere.pem", 2, "error: --ca-file: open nowhere.pem: no such file or directory", SpecTimeout(time.Minute)),
		Entry("a file without certificates", "check acme --ca-file go.mod", 2, "error: --ca-file \"go.mod\": it has no certificate in PEM format, which begins with -----BEGIN CERTIFICATE-----", SpecTimeout(time.Minute)),
		Entry("no such partner", "check nobody", 3, `error: there is no Partner "nobody" at `, SpecTimeout(time.Minute)),
		Entry("a partner without a sub-domain", "check wayne", 3, "error: Partner \"wayne\" has no sub-domain to check: it declares none\n", SpecTimeout(time.Minute)),
	)
})
