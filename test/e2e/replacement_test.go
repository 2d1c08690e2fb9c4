//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/probe"
	"github.com/dispel/partner-operator/internal/prober"
	"github.com/dispel/partner-operator/internal/testing/site"
)

var _ = Describe("A default ingress class that nobody serves", func() {
	const count = 200
	name := func(i int) string { return fmt.Sprintf("moved-%03d", i) }
	under := func(class string) option {
		return func(_ *rest.Config, o *manager.Options) {
			o.Settings.IngressClassName, o.Settings.AwaitProber = class, true
			o.WaveShare, o.WavePause, o.MaxUnreachable = 0.25, time.Second, 3
		}
	}
	// at are where clients go by the status, as by DNS records that follow it.
	var mu sync.Mutex
	at := map[string]string{}
	look := func(ctx context.Context, after netip.AddrPort) (moved, held int, why string) {
		GinkgoHelper()
		var partners v1alpha1.PartnerList
		Expect(direct.List(ctx, &partners)).To(Succeed())
		mu.Lock()
		defer mu.Unlock()
		for i := range partners.Items {
			partner := &partners.Items[i]
			if !strings.HasPrefix(partner.Name, "moved-") || partner.Status.Subdomain == nil {
				continue
			}
			at[partner.Name+".example.com"] = ingress.address
			if slices.Contains(partner.Status.Subdomain.Addresses, after.Addr().String()) {
				at[partner.Name+".example.com"] = after.String()
				moved++
			}
			if condition := meta.FindStatusCondition(partner.Status.Conditions, string(v1alpha1.ConditionChangeHeld)); condition != nil && condition.Reason == string(v1alpha1.ReasonChangesFailing) {
				held++
				why = condition.Message
			}
		}
		return moved, held, why
	}
	beside := func(ctx context.Context) int {
		GinkgoHelper()
		var ingresses networkingv1.IngressList
		Expect(direct.List(ctx, &ingresses)).To(Succeed())
		found := 0
		for i := range ingresses.Items {
			if ptr.Deref(ingresses.Items[i].Spec.IngressClassName, "") == "later" {
				found++
			}
		}
		return found
	}

	It("takes no route from anybody, stops after the first wave, and goes on once it is served, with the operator killed on the way", func(ctx SpecContext) {
		after := netip.AddrPortFrom(loopback(9, 0).Addr(), uint16(ingress.port))
		create(ctx, &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "later"}, Spec: networkingv1.IngressClassSpec{Controller: "traefik.io/ingress-controller"}})
		stopOperator()
		DeferCleanup(func() { stopOperator = startOperator(10 * time.Second) })
		const overlap = 10 * time.Minute // all that is asked of the former route goes on
		stop := startOperator(overlap, under("traefik"))
		DeferCleanup(func() { stop() })
		zone := map[string][]string{}
		var addresses []string
		for i := range count {
			host := name(i) + ".example.com"
			create(ctx, &v1alpha1.Partner{
				ObjectMeta: metav1.ObjectMeta{Name: name(i)},
				Spec: v1alpha1.PartnerSpec{DisplayName: name(i), ChannelModel: v1alpha1.OEM, CustomerCount: new(int32(3)), Subdomain: &v1alpha1.Subdomain{
					Host: v1alpha1.Host(host), Backend: v1alpha1.Backend{External: &v1alpha1.ExternalBackend{Host: engineName, Port: enginePort}}, TLS: &v1alpha1.TLS{SecretName: "own"},
				}},
			})
			zone[host] = []string{"127.0.0.1"}
			addresses = append(addresses, "https://"+host+"/")
		}
		for i := range count {
			Eventually(func() error {
				return direct.Create(ctx, ca.Secret(objects.DefaultNamespace(name(i)), "own", name(i)+".example.com"))
			}).WithTimeout(time.Minute).Should(Succeed())
		}
		probing, err := prober.New(controlPlane.Config(), prober.Options{
			Prober: probe.Prober{
				Resolver: site.NewZone(zone).Resolver, Roots: ca.Pool(), Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
				HTTPSPort: uint16(ingress.port), Timeout: 2 * time.Second,
			},
			Interval: 5 * time.Second, Concurrency: 8, HealthAddress: "0", MetricsAddress: "0",
		})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(start(probing))
		for i := range count {
			Eventually(func() bool {
				var partner v1alpha1.Partner
				Expect(direct.Get(ctx, client.ObjectKey{Name: name(i)}, &partner)).To(Succeed())
				conditions := partner.Status.Conditions
				return meta.IsStatusConditionTrue(conditions, string(v1alpha1.ConditionSubdomainReachable)) && len(partner.Status.Subdomain.Addresses) > 0
			}).WithTimeout(time.Minute).Should(BeTrue())
		}
		look(ctx, after)
		asking := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12},
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				host, _, _ := net.SplitHostPort(address)
				mu.Lock()
				to := at[host]
				mu.Unlock()
				return (&net.Dialer{}).DialContext(ctx, network, to)
			},
			DisableKeepAlives: true,
		}}
		load := steadyRequests(asking, addresses...)

		By("moving to it, and killing the operator on the way through the first wave")
		stop()
		kills := 0
		for _, writes := range []int64{1, 10, 30} {
			cut := &killed{after: writes, dead: make(chan struct{})}
			stop = startOperator(overlap, under("later"), seenBy(cut.Wrap))
			Eventually(cut.dead).WithTimeout(time.Minute).Should(BeClosed())
			stop()
			kills++
		}
		stop = startOperator(overlap, under("later"))
		var why string
		Eventually(func() (held int) {
			_, held, why = look(ctx, after)
			return held
		}).WithTimeout(5 * time.Minute).Should(BeNumerically(">=", count/2))
		Expect(why).To(ContainSubstring("too many that it reached are not served any more, such as moved-000, moved-001, moved-002; "))
		reached := beside(ctx)
		Expect(reached).To(BeNumerically("~", count/4, 3), "one wave, and what the breaker lets fail")

		By("killing the operator")
		stop()
		kills++
		stop = startOperator(overlap, under("later"))
		Consistently(func() int { return beside(ctx) }).WithTimeout(5 * time.Second).Should(Equal(reached))

		By("serving it, and killing the operator again and again")
		DeferCleanup(startTraefik(controlPlane, ca, after, map[string]string{engineName: inside[engineName]},
			byIngress("later", after.Addr().String())...).stop)
		stop()
		for moved := 0; moved < count; kills++ {
			cut := &killed{after: int64(20 + 30*kills), dead: make(chan struct{})}
			stop = startOperator(overlap, under("later"), seenBy(cut.Wrap))
			Eventually(func() bool {
				moved, _, _ = look(ctx, after)
				select {
				case <-cut.dead:
					return true
				default:
					return moved == count
				}
			}).WithTimeout(3*time.Minute).WithPolling(200*time.Millisecond).Should(BeTrue(), "%d have moved", moved)
			stop()
		}
		AddReportEntry("killed", kills)
		Expect(kills).To(BeNumerically(">", 7))
		Expect(load.stop()).To(BeEmpty())
		AddReportEntry("requests served meanwhile", load.served.Load())
		for _, address := range addresses {
			Expect(statusOf(asking, address)).To(Equal(http.StatusOK))
		}
		stop = startOperator(overlap, under("later"))
	})
})
