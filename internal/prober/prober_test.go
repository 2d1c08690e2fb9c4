package prober_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/net/dns/dnsmessage"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/probe"
	"github.com/dispel/partner-operator/internal/prober"
	"github.com/dispel/partner-operator/internal/testing/authority"
	"github.com/dispel/partner-operator/internal/testing/cluster"
	"github.com/dispel/partner-operator/internal/testing/site"
)

const interval = 50 * time.Millisecond

// running is a prober that runs, and what it writes.
type running struct {
	stop   context.CancelFunc
	writes atomic.Int64
	// refused has every write fail.
	refused atomic.Bool
}

// start runs a prober until the spec ends.
func start(options prober.Options) *running {
	GinkgoHelper()
	r := &running{}
	config := rest.CopyConfig(asProber)
	config.Wrap(used.Wrap)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			if request.Method != http.MethodGet {
				r.writes.Add(1)
				if r.refused.Load() {
					return nil, errors.New("no connection")
				}
			}
			return next.RoundTrip(request)
		})
	})
	options.Interval, options.Concurrency = cmp.Or(options.Interval, interval), 8
	options.HealthAddress, options.MetricsAddress = "0", "0"
	mgr, err := prober.New(config, options)
	Expect(err).NotTo(HaveOccurred())
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer GinkgoRecover()
		defer close(ended)
		Expect(mgr.Start(ctx)).To(Succeed())
	}()
	stop := r.stop
	r.stop = func() {
		stop()
		Eventually(ended).Should(BeClosed())
	}
	DeferCleanup(r.stop)
	return r
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// declare makes a Partner with a sub-domain that the operator has brought up.
func declare(ctx context.Context, name string, addresses ...string) *v1alpha1.Partner {
	GinkgoHelper()
	partner := &v1alpha1.Partner{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.PartnerSpec{
			DisplayName: "Acme Corp", ChannelModel: v1alpha1.OEM, SupportPlanRef: &v1alpha1.SupportPlanReference{Name: "premium"},
			Subdomain: &v1alpha1.Subdomain{
				Host: v1alpha1.Host(hostOf(name)), Backend: v1alpha1.Backend{External: &v1alpha1.ExternalBackend{Host: "engine.example.net", Port: 8080}},
			},
		},
	}
	Expect(direct.Create(ctx, partner)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(direct.Delete(ctx, partner))).To(Succeed()) })
	partner.Status.Subdomain = &v1alpha1.SubdomainStatus{URL: "https://" + hostOf(name), Addresses: addresses}
	partner.Status.SupportWidget = &v1alpha1.SupportWidgetStatus{Enabled: new(true)}
	Expect(direct.Status().Update(ctx, partner)).To(Succeed())
	return partner
}

// expiryOf is the metric of certificates' expiry.
func expiryOf() prometheus.Collector { return prober.Metrics[len(prober.Metrics)-1] }

// blindness is the metric of the prober's own troubles.
func blindness() *prometheus.GaugeVec {
	return prober.Metrics[len(prober.Metrics)-2].(*prometheus.GaugeVec)
}

func hostOf(partner string) string { return partner + ".example.com" }

// verdict is the condition of a Partner, as status/reason; empty if there is none.
func verdict(ctx context.Context, name string) func() string {
	return condition(ctx, name, v1alpha1.ConditionSubdomainReachable)
}

// condition is one of a Partner's, in the same way.
func condition(ctx context.Context, name string, of v1alpha1.ConditionType) func() string {
	return func() string {
		var partner v1alpha1.Partner
		if err := direct.Get(ctx, client.ObjectKey{Name: name}, &partner); err != nil {
			return err.Error()
		}
		condition := meta.FindStatusCondition(partner.Status.Conditions, string(of))
		if condition == nil {
			return ""
		}
		return string(condition.Status) + "/" + condition.Reason
	}
}

var _ = Describe("The prober", func() {
	var ca *authority.Authority
	var zone *site.Zone
	valid := func(host string) *tls.Certificate { return new(ca.Sign(time.Hour, host)) }
	BeforeEach(func() {
		ca = authority.New()
		zone = site.NewZone(nil)
	})

	// to probes what answers at an address of loopback.
	to := func(address netip.AddrPort) prober.Options {
		return prober.Options{CompareAddresses: true, Prober: probe.Prober{
			Resolver: zone.Resolver, Roots: ca.Pool(), Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
			HTTPPort: address.Port(), HTTPSPort: address.Port(), Timeout: 2 * time.Second,
		}}
	}
	It("follows the chain as it breaks and heals, and writes when its verdict changes", func(ctx SpecContext) {
		var broken atomic.Bool
		var requests atomic.Int64
		engine := site.Engine("Acme Corp")
		address := site.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			if broken.Load() {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			engine.ServeHTTP(w, r)
		}), valid("chain.example.com"))
		zone.Set("chain.example.com", "127.0.0.1")
		partner := declare(ctx, "chain", "127.0.0.1")
		p := start(to(address))
		Eventually(verdict(ctx, "chain")).Should(Equal("True/Reachable"))
		Expect(p.writes.Load()).To(Equal(int64(1)))

		broken.Store(true)
		Eventually(verdict(ctx, "chain")).Should(Equal("False/EngineFailed"))
		broken.Store(false)
		Eventually(verdict(ctx, "chain")).Should(Equal("True/Reachable"))
		Expect(p.writes.Load()).To(Equal(int64(3)))

		By("owning its one condition, and nothing else")
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(partner), partner)).To(Succeed())
		entries := 0
		for _, entry := range partner.ManagedFields {
			if entry.Manager == v1alpha1.ProberFieldManager {
				entries++
				Expect(entry.FieldsV1.GetRawString()).To(HavePrefix(`{"f:status":{"f:conditions":{"k:{\"type\":\"SubdomainReachable\"}"`))
				Expect(strings.Count(entry.FieldsV1.GetRawString(), `"k:{`)).To(Equal(1))
			}
		}
		Expect(entries).To(Equal(1))

		By("starting again without a write, and taking the verdict back with the sub-domain")
		p.stop()
		requests.Store(0)
		p = start(to(address))
		Eventually(requests.Load).Should(BeNumerically(">", 10))
		Expect(p.writes.Load()).To(BeZero())
		partner.Status.Subdomain = nil
		Expect(direct.Status().Update(ctx, partner)).To(Succeed())
		Eventually(verdict(ctx, "chain")).Should(BeEmpty())
		Expect(p.writes.Load()).To(Equal(int64(1)))

		By("forgetting the sub-domain, and when its certificate expires")
		Expect(testutil.CollectAndCount(expiryOf())).To(BeZero())
	}, SpecTimeout(time.Minute))

	It("takes the widget of whom a host is handed over to", func(ctx SpecContext) {
		address := site.Serve(site.Engine("Globex"), valid("passing.example.com"))
		zone.Set("passing.example.com", "127.0.0.1")
		heir := declare(ctx, "heir")
		heir.Spec.DisplayName = "Globex"
		Expect(direct.Update(ctx, heir)).To(Succeed())
		partner := declare(ctx, "passing", "127.0.0.1")
		partner.Spec.Subdomain = nil
		partner.Spec.HandOver = &v1alpha1.HandOver{Host: "passing.example.com", PartnerRef: v1alpha1.PartnerReference{Name: "heir"}}
		Expect(direct.Update(ctx, partner)).To(Succeed())
		start(to(address))
		Eventually(verdict(ctx, "passing")).Should(Equal("True/Reachable"))
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(partner), partner)).To(Succeed())
		partner.Spec.HandOver.PartnerRef.Name = "nobody"
		Expect(direct.Update(ctx, partner)).To(Succeed())
		Eventually(verdict(ctx, "passing")).Should(Equal("False/WidgetOfAnotherPartner"))
		Expect(direct.Delete(ctx, partner)).To(Succeed())
		Expect(direct.Delete(ctx, heir)).To(Succeed())
		Eventually(func() int { return testutil.CollectAndCount(expiryOf()) }).Should(BeZero())
	}, SpecTimeout(time.Minute))

	It("shows when the certificate expires that is served", func(ctx SpecContext) {
		address := site.Serve(site.Engine("Acme Corp"), valid("expiring.example.com"))
		zone.Set("expiring.example.com", "127.0.0.1")
		partner := declare(ctx, "expiring")
		start(to(address))
		Eventually(verdict(ctx, "expiring")).Should(Equal("True/Reachable"))
		Expect(testutil.ToFloat64(expiryOf())).To(BeNumerically("~", time.Now().Add(time.Hour).Unix(), 60))
		Expect(direct.Delete(ctx, partner)).To(Succeed())
		Eventually(func() int { return testutil.CollectAndCount(expiryOf()) }).Should(BeZero())
	}, SpecTimeout(time.Minute))

	It("is withdrawn by whoever applies nothing in its name", func(ctx SpecContext) {
		zone.Set("withdrawn.example.com", "127.0.0.1")
		declare(ctx, "withdrawn")
		p := start(to(site.Serve(site.Engine("Acme Corp"), valid("withdrawn.example.com"))))
		Eventually(verdict(ctx, "withdrawn")).Should(Equal("True/Reachable"))
		p.stop()
		page, err := os.ReadFile(filepath.Join(cluster.Root(), "docs", "probe.md"))
		Expect(err).NotTo(HaveOccurred())
		_, rest, _ := strings.Cut(string(page), "```shell\n")
		script, _, _ := strings.Cut(rest, "```")
		shell := exec.CommandContext(ctx, "bash", "-e", "-c", script)
		shell.Env = append(os.Environ(), "KUBECONFIG="+controlPlane.Kubeconfig(), "PATH="+filepath.Dir(controlPlane.Kubectl())+":"+os.Getenv("PATH"))
		out, err := shell.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		Expect(verdict(ctx, "withdrawn")()).To(BeEmpty())
	}, SpecTimeout(time.Minute))

	It("does not compare addresses where it is not to", func(ctx SpecContext) {
		zone.Set("cdn.example.com", "127.0.0.1")
		declare(ctx, "cdn", "127.0.0.9")
		options := to(site.Serve(site.Engine("Acme Corp"), valid("cdn.example.com")))
		options.CompareAddresses = false
		start(options)
		Eventually(verdict(ctx, "cdn")).Should(Equal("True/Reachable"))
	}, SpecTimeout(time.Minute))

	It("goes by what the name resolves to each time", func(ctx SpecContext) {
		address := site.Serve(site.Engine("Acme Corp"), valid("rebound.example.com"))
		zone.Set("rebound.example.com", "127.0.0.1")
		declare(ctx, "rebound")
		start(to(address))
		Eventually(verdict(ctx, "rebound")).Should(Equal("True/Reachable"))
		zone.Set("rebound.example.com", "127.0.0.1", "10.0.0.1")
		Eventually(verdict(ctx, "rebound")).Should(Equal("False/TargetNotAllowed"))
	}, SpecTimeout(time.Minute))

	It("probes at once what changed", func(ctx SpecContext) {
		address := site.Serve(site.Engine("Globex"), valid("renamed.example.com"))
		zone.Set("renamed.example.com", "127.0.0.1")
		partner := declare(ctx, "renamed")
		start(to(address))
		Eventually(verdict(ctx, "renamed")).Should(Equal("False/WidgetOfAnotherPartner"))
		Expect(direct.Patch(ctx, partner, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"displayName":"Globex"}}`)))).To(Succeed())
		Eventually(verdict(ctx, "renamed")).Should(Equal("True/Reachable"))
	}, SpecTimeout(time.Minute))

	It("says whether the host is reached through the route that is to take the place of another", func(ctx SpecContext) {
		address := site.Serve(site.Engine("Acme Corp"), valid("replaced.example.com"))
		zone.Set("replaced.example.com", "127.0.0.1")
		zone.Set("lb.example.net", "127.0.0.1")
		partner := declare(ctx, "replaced", "127.0.0.1")
		p := start(to(address))
		Eventually(verdict(ctx, "replaced")).Should(Equal("True/Reachable"))
		through := condition(ctx, "replaced", v1alpha1.ConditionReplacementReachable)
		since := time.Now().Truncate(time.Second)
		replace := func(addresses ...string) {
			GinkgoHelper()
			Expect(direct.Get(ctx, client.ObjectKeyFromObject(partner), partner)).To(Succeed())
			partner.Status.Subdomain.Replacement = nil
			if since = since.Add(time.Second); len(addresses) > 0 {
				partner.Status.Subdomain.Replacement = &v1alpha1.ReplacementStatus{Addresses: addresses, Since: &metav1.Time{Time: since}}
			}
			Expect(direct.Status().Update(ctx, partner)).To(Succeed())
		}
		at := func() time.Time {
			GinkgoHelper()
			Expect(direct.Get(ctx, client.ObjectKeyFromObject(partner), partner)).To(Succeed())
			return meta.FindStatusCondition(partner.Status.Conditions, string(v1alpha1.ConditionReplacementReachable)).LastTransitionTime.Time
		}
		replace("127.0.0.9")
		Eventually(through).Should(Equal("False/ConnectionFailed"))
		Expect(at()).To(BeTemporally(">=", since))
		replace("10.0.0.1")
		Eventually(through).Should(Equal("False/TargetNotAllowed"))
		replace("127.0.0.9", "lb.example.net")
		Eventually(through).Should(Equal("True/Reachable"))

		By("judging another anew, also after a restart")
		p.stop()
		replace("127.0.0.1")
		p = start(to(address))
		Eventually(at).Should(BeTemporally(">=", since))
		Expect(through()).To(Equal("True/Reachable"))
		replace()
		Eventually(through).Should(BeEmpty())
		Expect(verdict(ctx, "replaced")()).To(Equal("True/Reachable"))
		Expect(p.writes.Load()).To(Equal(int64(2)))
	}, SpecTimeout(time.Minute))

	It("keeps its verdicts while its own DNS server does not answer, and says so once", func(ctx SpecContext) {
		hosts := []string{hostOf("blind-a"), hostOf("blind-b"), hostOf("blind-c")}
		address := site.Serve(site.Engine("Acme Corp"), new(ca.Sign(time.Hour, hosts...)))
		for _, host := range hosts {
			zone.Set(host, "127.0.0.1")
		}
		declare(ctx, "blind-a", "127.0.0.1")
		declare(ctx, "blind-b", "127.0.0.1")
		options := to(address)
		options.Prober.Timeout = 500 * time.Millisecond
		start(options)
		blind := func() float64 { return testutil.ToFloat64(blindness().WithLabelValues("dns")) }
		for _, name := range []string{"blind-a", "blind-b"} {
			Eventually(verdict(ctx, name)).Should(Equal("True/Reachable"))
		}
		zone.Fail(nil, func(dnsmessage.Question) bool { return true })
		Eventually(blind).Should(Equal(1.0))
		for _, name := range []string{"blind-a", "blind-b"} {
			Consistently(verdict(ctx, name)).WithTimeout(2 * time.Second).Should(Equal("True/Reachable"))
		}
		By("saying so of one that has no verdict yet")
		declare(ctx, "blind-c", "127.0.0.1")
		Eventually(verdict(ctx, "blind-c")).Should(Equal("Unknown/ProberBlind"))

		By("seeing again")
		zone.Fail(nil, func(dnsmessage.Question) bool { return false })
		Eventually(blind).Should(BeZero())
		zone.Set(hosts[0])
		Eventually(verdict(ctx, "blind-a")).Should(Equal("False/NameNotResolved"))
		Expect(verdict(ctx, "blind-b")()).To(Equal("True/Reachable"))
		Eventually(verdict(ctx, "blind-c")).Should(Equal("True/Reachable"))
	}, SpecTimeout(time.Minute))

	It("probes once an interval, whatever the API server makes of its verdict", func(ctx SpecContext) {
		var probed atomic.Int64
		engine := site.Engine("Acme Corp")
		address := site.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				probed.Add(1)
			}
			engine.ServeHTTP(w, r)
		}), valid(hostOf("unwritten")))
		zone.Set(hostOf("unwritten"), "127.0.0.1")
		options := to(address)
		options.Interval = time.Hour
		p := start(options)
		p.refused.Store(true)
		declare(ctx, "unwritten", "127.0.0.1")
		Eventually(p.writes.Load).Should(BeNumerically(">", 6))
		Expect(verdict(ctx, "unwritten")()).To(BeEmpty())
		p.refused.Store(false)
		Eventually(verdict(ctx, "unwritten")).Should(Equal("True/Reachable"))
		Expect(probed.Load()).To(Equal(int64(1)))
	}, SpecTimeout(time.Minute))

	It("says since when every sub-domain has been probed, and no later while one waits", func(ctx SpecContext) {
		var slow atomic.Bool
		engine := site.Engine("Acme Corp")
		address := site.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if slow.Load() && strings.HasPrefix(r.Host, "heart2.") {
				<-r.Context().Done()
			}
			engine.ServeHTTP(w, r)
		}), new(ca.Sign(time.Hour, "heart1.example.com", "heart2.example.com")))
		for _, name := range []string{"heart1", "heart2"} {
			zone.Set(name+".example.com", "127.0.0.1")
			declare(ctx, name, "127.0.0.1")
		}
		options := to(address)
		options.LeaseNamespace, options.HeartbeatPeriod, options.Prober.Timeout = "system", 20*time.Millisecond, 5*time.Second
		p := start(options)
		var lease coordinationv1.Lease
		renewed := func(g Gomega) time.Time {
			g.Expect(direct.Get(ctx, client.ObjectKey{Namespace: "system", Name: prober.LeaseName}, &lease)).To(Succeed())
			return lease.Spec.RenewTime.Time
		}
		began := time.Now()
		Eventually(renewed).Should(BeTemporally(">", began))
		Expect(*lease.Spec.LeaseDurationSeconds).To(Equal(int32(21)), "two probes of two timeouts each, and what passes between them")

		slow.Store(true)
		since := time.Now()
		Consistently(renewed, "500ms").Should(BeTemporally("<", since.Add(interval)))
		slow.Store(false)
		Eventually(renewed).WithTimeout(15 * time.Second).Should(BeTemporally(">", since.Add(time.Second)))
		p.stop()
		Expect(p.writes.Load()).To(BeNumerically(">", 3))
	}, SpecTimeout(time.Minute))

	It("may write nothing else of a Partner", func(ctx SpecContext) {
		partner := declare(ctx, "guarded", "192.0.2.1")
		meta.SetStatusCondition(&partner.Status.Conditions, metav1.Condition{Type: "Ready", Status: metav1.ConditionFalse, Reason: "y"})
		Expect(direct.Status().Update(ctx, partner)).To(Succeed())
		own, err := client.New(asProber, client.Options{Scheme: direct.Scheme()})
		Expect(err).NotTo(HaveOccurred())
		write := func(patch string) error {
			return own.Status().Patch(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "guarded"}}, client.RawPatch(types.MergePatchType, []byte(patch)))
		}
		refused := "only the partner operator writes it: add a condition of a type of your own, and leave the rest as it is"
		condition := func(of string) string {
			return `{"status":{"conditions":[{"type":"` + of + `","status":"True","reason":"x","message":"","lastTransitionTime":"2026-12-01T12:00:00Z"}]}}`
		}
		Eventually(func() error { return write(`{"status":{"namespace":"kube-system"}}`) }).Should(MatchError(ContainSubstring("status.namespace: " + refused)))
		Expect(write(`{"status":{"subdomain":{"url":"https://evil.example.net"}}}`)).To(MatchError(ContainSubstring("status.subdomain: " + refused)))
		Expect(write(`{"status":{"subdomain":null}}`)).To(MatchError(ContainSubstring("status.subdomain: " + refused)))
		for _, of := range v1alpha1.PartnerConditions {
			Expect(write(condition(string(of)))).To(MatchError(ContainSubstring("status.conditions: "+refused)), string(of))
		}
		applied := []byte(`{"apiVersion":"partner.dispel.com/v1alpha1","kind":"Partner","metadata":{"name":"guarded"},"status":{"namespace":"partner-guarded"}}`)
		Expect(direct.Status().Patch(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "guarded"}},
			client.RawPatch(types.ApplyPatchType, applied), client.FieldOwner(v1alpha1.FieldManager))).To(Succeed())
		Expect(write(`{"metadata":{"managedFields":[{}]}}`)).To(Succeed())
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(partner), partner)).To(Succeed())
		Expect(partner.ManagedFields).To(ContainElement(HaveField("Manager", v1alpha1.FieldManager)), "by which the operator takes back what it wrote")
		Expect(write(`{"status":{"conditions":null}}`)).To(MatchError(ContainSubstring("status.conditions: " + refused)))
		Expect(write(`{"status":null}`)).To(MatchError(ContainSubstring(refused)))
		add := func(of string) error {
			return own.Status().Patch(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "guarded"}},
				client.RawPatch(types.JSONPatchType, []byte(`[{"op":"add","path":"/status/conditions/-","value":{"type":"`+of+`","status":"True","reason":"x","message":"","lastTransitionTime":"2026-12-01T12:00:00Z"}}]`)))
		}
		Expect(add("SubdomainReachable")).To(Succeed())
		for i := range 11 {
			Expect(add(fmt.Sprint("example.com/Audited", i))).To(Succeed())
		}
		Expect(add("example.com/OneMore")).To(MatchError(ContainSubstring("status.conditions: there are more than 12 conditions of types that are not the partner operator's: remove some")))
		Expect(own.Patch(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "guarded"}}, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"customerCount":1}}`)))).
			To(MatchError(ContainSubstring("is forbidden")))
	}, SpecTimeout(time.Minute))

	DescribeTable("names the first broken link",
		func(ctx SpecContext, name string, wanted string, handler http.Handler, sign func(string) *tls.Certificate, resolved, routed []string) {
			host := hostOf(name)
			zone.Set(host, resolved...)
			var address netip.AddrPort
			if handler == nil {
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				Expect(err).NotTo(HaveOccurred())
				Expect(listener.Close()).To(Succeed())
				address = netip.MustParseAddrPort(listener.Addr().String())
			} else {
				address = site.Serve(handler, sign(host))
			}
			declare(ctx, name, routed...)
			p := start(to(address))
			Eventually(verdict(ctx, name)).Should(Equal(wanted))
			Expect(p.writes.Load()).To(Equal(int64(1)))
		},
		Entry("nothing", "held", "True/Reachable", site.Engine("Acme Corp"), valid, []string{"127.0.0.1"}, nil, SpecTimeout(time.Minute)),
		Entry("no DNS record", "nameless", "False/NameNotResolved", site.Engine("Acme Corp"), valid, nil, []string{"192.0.2.1"}, SpecTimeout(time.Minute)),
		Entry("a record of another address", "misled", "False/AddressNotTheRoutes", site.Engine("Acme Corp"), valid, []string{"127.0.0.1"}, []string{"127.0.0.9"}, SpecTimeout(time.Minute)),
		Entry("a private address", "inward", "False/TargetNotAllowed", site.Engine("Acme Corp"), valid, []string{"169.254.169.254"}, nil, SpecTimeout(time.Minute)),
		Entry("nobody there", "silent", "False/ConnectionFailed", nil, nil, []string{"127.0.0.1"}, nil, SpecTimeout(time.Minute)),
		Entry("a certificate of another name", "misnamed", "False/CertificateInvalid", site.Engine("Acme Corp"), func(string) *tls.Certificate { return new(ca.Sign(time.Hour, "other.example.com")) }, []string{"127.0.0.1"}, nil, SpecTimeout(time.Minute)),
		Entry("an old certificate", "expired", "False/CertificateExpired", site.Engine("Acme Corp"), func(host string) *tls.Certificate { return new(ca.Sign(-time.Hour, host)) }, []string{"127.0.0.1"}, nil, SpecTimeout(time.Minute)),
		Entry("an engine in trouble", "troubled", "False/EngineFailed", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }), valid, []string{"127.0.0.1"}, nil, SpecTimeout(time.Minute)),
		Entry("no widget", "bare", "False/WidgetFailed", site.Engine(""), valid, []string{"127.0.0.1"}, nil, SpecTimeout(time.Minute)),
		Entry("the widget of another partner", "swapped", "False/WidgetOfAnotherPartner", site.Engine("Globex"), valid, []string{"127.0.0.1"}, nil, SpecTimeout(time.Minute)),
	)
})
