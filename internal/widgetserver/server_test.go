package widgetserver

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/widget"
)

// start serves as the widget server's service account until the spec ends, and
// returns its address.
func start(clock clock.PassiveClock) string {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	server, err := New(ctx, asWidget, Options{
		Listener: listener, HealthAddress: "0", MetricsAddress: "0", ShutdownTimeout: 5 * time.Second, Clock: clock,
		Contact: widget.Contact{MessengerURL: "https://chat.example.net/{partner}?lang={language}", Display: widget.InWindow},
	})
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan error, 1)
	go func() { ended <- server.Start(ctx) }()
	DeferCleanup(func() {
		cancel()
		Expect(<-ended).To(Succeed())
	})
	Expect(server.GetCache().WaitForCacheSync(ctx)).To(BeTrue())
	address := "http://" + listener.Addr().String()
	Eventually(func() int { return get(address, "nobody.example.com", ConfigPath).status }).Should(Equal(http.StatusNotFound))
	return address
}

// response is what came back.
type response struct {
	status int
	header http.Header
	body   string
}

// get asks for a path on a host; change is done to the request before.
func get(address, host, path string, change ...func(*http.Request)) response {
	GinkgoHelper()
	request, err := http.NewRequest(http.MethodGet, address, nil)
	Expect(err).NotTo(HaveOccurred())
	request.URL.Opaque = path // as it is, without cleaning
	request.Host = host
	for _, change := range change {
		change(request)
	}
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	got, err := transport.RoundTrip(request)
	Expect(err).NotTo(HaveOccurred())
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	Expect(err).NotTo(HaveOccurred())
	return response{got.StatusCode, got.Header, string(body)}
}

// served makes a Partner that holds a host and has the widget on it, as the
// manager would.
func served(ctx context.Context, name, host string) *v1alpha1.Partner {
	GinkgoHelper()
	partner := &v1alpha1.Partner{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.PartnerSpec{DisplayName: name, ChannelModel: v1alpha1.OEM, Subdomain: &v1alpha1.Subdomain{
			Host: v1alpha1.Host(host), Backend: v1alpha1.Backend{External: &v1alpha1.ExternalBackend{Host: "engine.example.net", Port: 80}},
		}},
	}
	Expect(direct.Create(ctx, partner)).To(Succeed())
	claim := &v1alpha1.SubdomainClaim{
		ObjectMeta: metav1.ObjectMeta{Name: host, OwnerReferences: []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "Partner", Name: name, UID: partner.UID,
		}}},
		Spec: v1alpha1.SubdomainClaimSpec{PartnerRef: v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(name)}},
	}
	Expect(direct.Create(ctx, claim)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		Expect(client.IgnoreNotFound(direct.Delete(ctx, partner))).To(Succeed())
		Expect(client.IgnoreNotFound(direct.Delete(ctx, claim))).To(Succeed()) // sooner than garbage collection
	})
	enable(ctx, partner, host, true)
	return partner
}

// enable writes the status that the manager would.
func enable(ctx context.Context, partner *v1alpha1.Partner, host string, enabled bool) {
	GinkgoHelper()
	before := partner.DeepCopy()
	partner.Status = v1alpha1.PartnerStatus{
		SupportPlan:   &v1alpha1.SupportPlanSummary{Name: "hours"},
		Subdomain:     &v1alpha1.SubdomainStatus{URL: "https://" + host},
		SupportWidget: &v1alpha1.SupportWidgetStatus{Enabled: &enabled},
	}
	Expect(direct.Status().Patch(ctx, partner, client.MergeFrom(before))).To(Succeed())
}

var _ = Describe("The widget server", func() {
	var address string
	now := clocktesting.NewFakePassiveClock(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))

	BeforeEach(func(ctx SpecContext) {
		now.SetTime(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
		plan := &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "hours"}, Spec: v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic}}
		Expect(direct.Create(ctx, plan)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, plan)).To(Succeed()) })
		address = start(now)
	})

	status := func(host, path string) func() int {
		return func() int { return get(address, host, path).status }
	}

	It("answers on a host with the widget, from the moment that it is enabled until it is not", func(ctx SpecContext) {
		partner := served(ctx, "acme", "remote.acmecorp.com")
		Eventually(status("remote.acmecorp.com", ConfigPath)).Should(Equal(http.StatusOK))
		var config widget.Config
		Expect(json.Unmarshal([]byte(get(address, "remote.acmecorp.com", ConfigPath).body), &config)).To(Succeed())
		Expect(config.Partner).To(Equal("acme"))
		Expect(config.Contact.MessengerURL).To(Equal("https://chat.example.net/acme?lang={language}"))
		Expect(config.Openings).NotTo(BeEmpty())
		script := get(address, "remote.acmecorp.com", ScriptPath)
		Expect(script.status).To(Equal(http.StatusOK))
		Expect(script.header.Get("Content-Type")).To(Equal("text/javascript; charset=utf-8"))
		Expect(script.body).To(ContainSubstring("customElements.define"))

		enable(ctx, partner, "remote.acmecorp.com", false)
		for _, path := range []string{ConfigPath, ScriptPath} {
			Eventually(status("remote.acmecorp.com", path)).Should(Equal(http.StatusNotFound))
			Expect(get(address, "remote.acmecorp.com", path).header.Get("Cache-Control")).To(Equal("no-store"))
		}
		enable(ctx, partner, "remote.acmecorp.com", true)
		Eventually(status("remote.acmecorp.com", ConfigPath)).Should(Equal(http.StatusOK))
		Expect(direct.Delete(ctx, partner)).To(Succeed())
		Eventually(status("remote.acmecorp.com", ConfigPath)).Should(Equal(http.StatusNotFound))
	})

	It("serves the widget of who hands a host over, as long as that one serves it", func(ctx SpecContext) {
		const host = "remote.acmecorp.com"
		source := served(ctx, "acme", "access.acmecorp.com")
		target := served(ctx, "globex", host) // which has taken the claim, and does not serve yet
		enable(ctx, target, host, false)
		Eventually(status(host, ConfigPath)).Should(Equal(http.StatusNotFound))

		handing := source.DeepCopy()
		handing.Spec.HandOver = &v1alpha1.HandOver{Host: host, PartnerRef: v1alpha1.PartnerReference{Name: "globex"}}
		Expect(direct.Patch(ctx, handing, client.MergeFrom(source))).To(Succeed())
		Consistently(status(host, ConfigPath), "300ms").Should(Equal(http.StatusNotFound), "what it says of a host does not make it serve that")
		pending := handing.DeepCopy()
		pending.Status.Hosts = append(pending.Status.Hosts, v1alpha1.HostStatus{
			Host: host, Phase: v1alpha1.HostHandingOver, SupportWidget: true,
		})
		Expect(direct.Status().Patch(ctx, pending, client.MergeFrom(handing))).To(Succeed())
		Eventually(func() string { return get(address, host, ConfigPath).body }).Should(ContainSubstring(`"partner":"acme"`))

		By("serving it on, too, before the target takes the claim")
		claim := &v1alpha1.SubdomainClaim{ObjectMeta: metav1.ObjectMeta{Name: host}}
		Expect(direct.Patch(ctx, claim, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"partnerRef":{"name":"acme"}}}`)))).NotTo(Succeed(), "a claim changes hands by an offer alone")
		Expect(direct.Delete(ctx, claim)).To(Succeed())
		Eventually(status(host, ConfigPath)).Should(Equal(http.StatusNotFound))
		claim = &v1alpha1.SubdomainClaim{ObjectMeta: metav1.ObjectMeta{Name: host}, Spec: v1alpha1.SubdomainClaimSpec{PartnerRef: v1alpha1.PartnerReference{Name: "acme"}, HandOverTo: &v1alpha1.PartnerReference{Name: "globex"}}}
		Expect(direct.Create(ctx, claim)).To(Succeed())
		Eventually(func() string { return get(address, host, ConfigPath).body }).Should(ContainSubstring(`"partner":"acme"`))
		Expect(direct.Patch(ctx, claim, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"partnerRef":{"name":"globex"},"handOverTo":null}}`)))).To(Succeed())

		By("going on to the target once that serves, and ending with the hand-over")
		enable(ctx, target, host, true)
		Eventually(func() string { return get(address, host, ConfigPath).body }).Should(ContainSubstring(`"partner":"globex"`))
		enable(ctx, target, host, false)
		Eventually(func() string { return get(address, host, ConfigPath).body }).Should(ContainSubstring(`"partner":"acme"`))
		done := pending.DeepCopy()
		done.Spec.HandOver = nil
		Expect(direct.Patch(ctx, done, client.MergeFrom(pending))).To(Succeed())
		Eventually(status(host, ConfigPath)).Should(Equal(http.StatusNotFound))
	})

	It("shows a change of the plan, of the allocations and of the date", func(ctx SpecContext) {
		served(ctx, "acme", "remote.acmecorp.com")
		shown := func() (config widget.Config) {
			_ = json.Unmarshal([]byte(get(address, "remote.acmecorp.com", ConfigPath).body), &config)
			return config
		}
		Eventually(shown).Should(HaveField("Hours.Opens", v1alpha1.TimeOfDay("09:00")))
		Expect(shown().Openings[0].Opens).To(BeTemporally("==", time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)))

		By("letting midnight pass")
		now.SetTime(time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC))
		Expect(shown().Openings[0].Opens).To(BeTemporally("==", time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)))
		Expect(get(address, "remote.acmecorp.com", ConfigPath).header.Get("Date")).To(Equal("Tue, 24 Nov 2026 00:00:00 GMT"))

		By("contracting a P-CSM who speaks Japanese")
		allocation := &v1alpha1.PCSMAllocation{
			ObjectMeta: metav1.ObjectMeta{Name: "acme"},
			Spec: v1alpha1.PCSMAllocationSpec{
				PartnerRef: v1alpha1.PartnerReference{Name: "acme"}, FTE: v1alpha1.OneFTE,
				Localization: &v1alpha1.Localization{Languages: []v1alpha1.Language{"ja"}},
			},
		}
		Expect(direct.Create(ctx, allocation)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, allocation)).To(Succeed()) })
		Eventually(shown).Should(HaveField("Languages", []v1alpha1.Language{"ja"}))

		By("changing the plan")
		plan := &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "hours"}}
		Expect(direct.Patch(ctx, plan, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"operatingHours":{"opens":"08:00"}}}`)))).To(Succeed())
		Eventually(shown).Should(HaveField("Hours.Opens", v1alpha1.TimeOfDay("08:00")))
	})

	It("never shows one partner's widget on another's host, whatever a status says", func(ctx SpecContext) {
		served(ctx, "acme", "remote.acmecorp.com")
		impostor := served(ctx, "eve", "eve.example.com")
		Eventually(status("eve.example.com", ConfigPath)).Should(Equal(http.StatusOK))
		enable(ctx, impostor, "remote.acmecorp.com", true)
		Eventually(status("eve.example.com", ConfigPath)).Should(Equal(http.StatusNotFound))
		Expect(get(address, "remote.acmecorp.com", ConfigPath).body).To(ContainSubstring(`"partner":"acme"`))
	})

	It("goes by the host that is asked for and by nothing else", func(ctx SpecContext) {
		served(ctx, "acme", "remote.acmecorp.com")
		Eventually(status("remote.acmecorp.com", ConfigPath)).Should(Equal(http.StatusOK))
		for _, host := range []string{"remote.acmecorp.com:8443", "REMOTE.AcmeCorp.com", "remote.acmecorp.com."} {
			Expect(get(address, host, ConfigPath).status).To(Equal(http.StatusOK), host)
		}
		for _, host := range []string{"", "other.example.com", "acmecorp.com", "x.remote.acmecorp.com", "127.0.0.1", "[::1]:80", "..", "a:b:c"} {
			Expect(get(address, host, ConfigPath).status).To(Equal(http.StatusNotFound), host)
		}
		forged := get(address, "other.example.com", ConfigPath, func(r *http.Request) {
			r.Header.Set("X-Forwarded-Host", "remote.acmecorp.com")
			r.Header.Set("Forwarded", "host=remote.acmecorp.com")
			r.Header.Set("X-Original-Host", "remote.acmecorp.com")
		})
		Expect(forged.status).To(Equal(http.StatusNotFound))
	})

	DescribeTable("has no other path, however it is written",
		func(ctx SpecContext, path string) {
			served(ctx, "acme", "remote.acmecorp.com")
			Eventually(status("remote.acmecorp.com", ConfigPath)).Should(Equal(http.StatusOK))
			Expect(get(address, "remote.acmecorp.com", path).status).To(Equal(http.StatusNotFound))
		},
		Entry("the top", "/"),
		Entry("the folder", "/.dispel/support/"),
		Entry("a parent", "/.dispel/support/../support/config.json"),
		Entry("an encoded slash", "/.dispel/support%2Fconfig.json"),
		Entry("an encoded dot", "/%2edispel/support/config.json"),
		Entry("two slashes", "/.dispel/support//config.json"),
		Entry("more after it", "/.dispel/support/config.json/"),
		Entry("other case", "/.dispel/support/CONFIG.JSON"),
		Entry("a null", "/.dispel/support/config.json%00"),
		Entry("profiles", "/debug/pprof/"),
		Entry("metrics", "/metrics"),
	)

	It("lets a page be read, and nothing else be done", func(ctx SpecContext) {
		served(ctx, "acme", "remote.acmecorp.com")
		Eventually(status("remote.acmecorp.com", ConfigPath)).Should(Equal(http.StatusOK))
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodTrace, "PROPFIND"} {
			got := get(address, "remote.acmecorp.com", ConfigPath, func(r *http.Request) { r.Method = method })
			Expect(got.status).To(Equal(http.StatusMethodNotAllowed), method)
			Expect(got.header.Get("Allow")).To(Equal("GET, HEAD"))
		}
		head := get(address, "remote.acmecorp.com", ConfigPath, func(r *http.Request) { r.Method = http.MethodHead })
		Expect(head.status).To(Equal(http.StatusOK))
		Expect(head.body).To(BeEmpty())
		for header, value := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
			"Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache", "Vary": "Accept-Encoding",
		} {
			Expect(head.header.Get(header)).To(Equal(value))
		}
	})

	It("compresses, and says when nothing changed", func(ctx SpecContext) {
		served(ctx, "acme", "remote.acmecorp.com")
		Eventually(status("remote.acmecorp.com", ConfigPath)).Should(Equal(http.StatusOK))
		encoded := func(accept string) func(*http.Request) {
			return func(r *http.Request) { r.Header.Set("Accept-Encoding", accept) }
		}
		plain := get(address, "remote.acmecorp.com", ScriptPath)
		small := get(address, "remote.acmecorp.com", ScriptPath, encoded("br, gzip;q=0.5"))
		Expect(small.header.Get("Content-Encoding")).To(Equal("gzip"))
		Expect(small.header.Get("ETag")).To(Equal(plain.header.Get("ETag")))
		reader, err := gzip.NewReader(strings.NewReader(small.body))
		Expect(err).NotTo(HaveOccurred())
		unpacked, err := io.ReadAll(reader)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(unpacked)).To(Equal(plain.body))
		for _, refused := range []string{"gzip;q=0", "*;q=0", "br", "identity", "gzip;q=x"} {
			Expect(get(address, "remote.acmecorp.com", ScriptPath, encoded(refused)).header.Get("Content-Encoding")).To(BeEmpty(), refused)
		}
		for _, path := range []string{ConfigPath, ScriptPath} {
			tag := get(address, "remote.acmecorp.com", path).header.Get("ETag")
			Expect(tag).To(MatchRegexp(`^W/"[\w-]+"$`), "weak, as it stands for both")
			for _, accepted := range []string{"identity", "gzip"} {
				again := func(tags string) response {
					return get(address, "remote.acmecorp.com", path, encoded(accepted), func(r *http.Request) { r.Header.Set("If-None-Match", tags) })
				}
				Expect(again(tag).status).To(Equal(http.StatusNotModified))
				Expect(again(tag).body).To(BeEmpty())
				Expect(again(`"old", ` + tag).status).To(Equal(http.StatusNotModified))
				Expect(again(`"old"`).status).To(Equal(http.StatusOK))
			}
		}
	})

	DescribeTable("answers what no browser sends with an exact status",
		func(request, answer string) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(conn.Close)
			Expect(conn.SetDeadline(time.Now().Add(20 * time.Second))).To(Succeed())
			_, err = io.WriteString(conn, request)
			Expect(err).NotTo(HaveOccurred())
			line, err := bufio.NewReader(conn).ReadString('\n')
			Expect(err).NotTo(HaveOccurred())
			Expect(line).To(HavePrefix(answer))
		},
		Entry("huge headers", "GET /.dispel/support/config.json HTTP/1.1\r\nHost: a.example\r\nX: "+strings.Repeat("x", 32<<10)+"\r\n\r\n", "HTTP/1.1 431"),
		Entry("no host", "GET /.dispel/support/config.json HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
		Entry("two hosts", "GET /.dispel/support/config.json HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n", "HTTP/1.1 400"),
		Entry("a host that is none", "GET /.dispel/support/config.json HTTP/1.1\r\nHost: a/b\r\n\r\n", "HTTP/1.1 400"),
		Entry("a malformed header", "GET / HTTP/1.1\r\nHost: a.example\r\nno colon\r\n\r\n", "HTTP/1.1 400"),
		Entry("another protocol", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 400"),
		Entry("a path that is none", "GET config.json HTTP/1.1\r\nHost: a.example\r\n\r\n", "HTTP/1.1 400"),
		Entry("a bad encoding", "GET /%zz HTTP/1.1\r\nHost: a.example\r\n\r\n", "HTTP/1.1 400"),
	)

	It("hangs up on a client that never ends its headers", func() {
		conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(conn.Close)
		Expect(conn.SetDeadline(time.Now().Add(20 * time.Second))).To(Succeed())
		_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a.example\r\n")
		Expect(err).NotTo(HaveOccurred())
		Expect(io.ReadAll(conn)).To(BeEmpty())
	})

	It("answers beside a thousand idle connections, and many at once", func(ctx SpecContext) {
		served(ctx, "acme", "remote.acmecorp.com")
		Eventually(status("remote.acmecorp.com", ConfigPath)).Should(Equal(http.StatusOK))
		for range 1000 {
			conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(conn.Close)
		}
		var group sync.WaitGroup
		for i := range 64 {
			group.Go(func() {
				defer GinkgoRecover()
				Expect(get(address, "remote.acmecorp.com", ConfigPath).status).To(Equal(http.StatusOK))
				Expect(get(address, fmt.Sprintf("h%d.example.com", i), ConfigPath).status).To(Equal(http.StatusNotFound))
			})
		}
		group.Wait()
	})

	It("goes on while the API server is away, and catches up after", Serial, func(ctx SpecContext) {
		partner := served(ctx, "acme", "remote.acmecorp.com")
		served(ctx, "globex", "access.globex.com")
		Eventually(status("remote.acmecorp.com", ConfigPath)).Should(Equal(http.StatusOK))
		Eventually(status("access.globex.com", ScriptPath)).Should(Equal(http.StatusOK))
		Expect(controlPlane.StopAPIServer()).To(Succeed())
		Expect(get(address, "remote.acmecorp.com", ConfigPath).status).To(Equal(http.StatusOK))
		Expect(get(address, "access.globex.com", ConfigPath).status).To(Equal(http.StatusOK), "a host that was not asked for before")
		Expect(get(address, "nobody.example.com", ConfigPath).status).To(Equal(http.StatusNotFound))
		Expect(controlPlane.StartAPIServer(ctx)).To(Succeed())
		enable(ctx, partner, "remote.acmecorp.com", false)
		Eventually(status("remote.acmecorp.com", ConfigPath)).Should(Equal(http.StatusNotFound))
	})
})

// withoutPartners fails requests for Partners, as a bad line does.
type withoutPartners struct{ next http.RoundTripper }

func (w withoutPartners) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/partners") {
		return nil, io.ErrUnexpectedEOF
	}
	return w.next.RoundTrip(r)
}

var _ = Describe("Before its caches are full", func() {
	It("the widget server asks to come back", func(ctx SpecContext) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		health, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		Expect(health.Close()).To(Succeed())
		starved := rest.CopyConfig(asWidget)
		starved.Wrap(func(next http.RoundTripper) http.RoundTripper { return withoutPartners{next} })
		running, cancel := context.WithCancel(ctx)
		defer cancel()
		server, err := New(running, starved, Options{
			Listener: listener, HealthAddress: health.Addr().String(), MetricsAddress: "0", ShutdownTimeout: time.Second, Contact: widget.Contact{Email: "a@b.example"},
		})
		Expect(err).NotTo(HaveOccurred())
		go func() { _ = server.Start(running) }()
		address := "http://" + listener.Addr().String()
		got := get(address, "a.example.com", ConfigPath)
		Expect(got.status).To(Equal(http.StatusServiceUnavailable))
		Expect(got.header.Get("Retry-After")).To(Equal("5"))
		Eventually(func() (int, error) {
			got, err := http.Get("http://" + health.Addr().String() + "/readyz")
			if err != nil {
				return 0, err
			}
			return got.StatusCode, got.Body.Close()
		}).Should(Equal(http.StatusInternalServerError))
	})
})

var _ = Describe("The widget server", func() {
	It("serves on for a while once it is told to stop and reports not ready", func() {
		const delay = 4 * time.Second
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		health, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		Expect(health.Close()).To(Succeed())
		running, stop := context.WithCancel(context.Background())
		DeferCleanup(stop)
		server, err := New(running, asWidget, Options{
			Listener: listener, HealthAddress: health.Addr().String(), MetricsAddress: "0",
			ShutdownDelay: delay, ShutdownTimeout: 5 * time.Second, Contact: widget.Contact{Email: "a@b.example"},
		})
		Expect(err).NotTo(HaveOccurred())
		ended := make(chan error, 1)
		go func() { ended <- server.Start(running) }()
		ask := func(address string) func() int {
			return func() int {
				response, failure := http.Get(address)
				if failure != nil {
					return 0
				}
				defer response.Body.Close()
				return response.StatusCode
			}
		}
		readiness, service := "http://"+health.Addr().String()+"/readyz", "http://"+listener.Addr().String()+ConfigPath
		Eventually(ask(readiness)).Should(Equal(http.StatusOK))

		stop()
		told := time.Now()
		Eventually(ask(readiness)).Should(Equal(http.StatusInternalServerError))
		answer, err := http.Get(service)
		Expect(err).NotTo(HaveOccurred(), "served on")
		Expect(answer.Body.Close()).To(Succeed())
		Expect(answer.Close).To(BeTrue(), "so that the next request goes to another replica")
		Eventually(ask(service)).WithTimeout(time.Minute).Should(BeZero())
		Expect(time.Since(told)).To(BeNumerically(">=", delay))
		Eventually(ended).Should(Receive(Succeed()))
	})

	It("answers while somebody holds more connections than it keeps, and bounds them", func() {
		address := start(clock.RealClock{})
		var held []net.Conn
		DeferCleanup(func() {
			for _, connection := range held {
				_ = connection.Close()
			}
		})
		for range manyConnections + 200 {
			connection, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
			Expect(err).NotTo(HaveOccurred())
			held = append(held, connection)
			_, err = connection.Write([]byte("GET " + ConfigPath + " HTTP/1.1\r\nHost: nobody.example.com\r\n\r\n"))
			Expect(err).NotTo(HaveOccurred())
			_, err = connection.Read(make([]byte, 512))
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(get(address, "nobody.example.com", ConfigPath).status).To(Equal(http.StatusNotFound))
		open := func() int {
			open := 0
			for _, connection := range held {
				Expect(connection.SetReadDeadline(time.Now().Add(time.Millisecond))).To(Succeed())
				if _, err := connection.Read(make([]byte, 512)); errors.Is(err, os.ErrDeadlineExceeded) {
					open++
				}
			}
			return open
		}
		Eventually(open).Should(BeNumerically("<=", manyConnections))
	})
})
