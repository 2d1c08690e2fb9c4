//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/widgetserver"
)

// inCluster has the engine answer in the tenant namespace, since Traefik serves no
// ExternalName Services for HTTPRoutes.
func inCluster(spec *v1alpha1.PartnerSpec) {
	spec.Subdomain.Backend = v1alpha1.Backend{Service: &v1alpha1.ServiceBackend{Name: "engine", Port: 8080}}
}

var viaGateway = &v1alpha1.Route{GatewayRef: &v1alpha1.GatewayReference{Namespace: "default", Name: gatewayName}}

var _ = Describe("A partner behind a Gateway", func() {
	It("has the widget on its sub-domain, too", func(ctx SpecContext) {
		now.SetTime(working)
		deployEngine("gateway", "127.96.8.3")
		address := partner(ctx, "gateway", v1alpha1.OneFTE, inCluster, func(spec *v1alpha1.PartnerSpec) {
			spec.Subdomain.Route, spec.Subdomain.TLS = viaGateway, nil
		})
		Eventually(widgetStatus(address)).Should(Equal(http.StatusOK))
		p := open(chromium, view{})
		p.goTo(address + "/")
		p.openPanel()
		Expect(p.panel()).To(SatisfyAll(ContainSubstring("You will be talking to Dispel"), ContainSubstring("Open now")))
		p.screenshot("gateway")
		Expect(errors(p.console())).To(BeEmpty())
		var made v1alpha1.Partner
		Expect(direct.Get(ctx, client.ObjectKey{Name: "gateway"}, &made)).To(Succeed())
		Expect(made.Status.Subdomain).To(Equal(&v1alpha1.SubdomainStatus{URL: address, Route: v1alpha1.HTTPRoute, Addresses: []string{published}}))
		Expect(direct.Get(ctx, client.ObjectKey{Namespace: objects.DefaultNamespace("gateway"), Name: "gateway.example.com"}, &networkingv1.Ingress{})).
			To(Satisfy(apierrors.IsNotFound))
	})

	It("is moved there from an Ingress and back under steady requests, and loses none", func(ctx SpecContext) {
		now.SetTime(working)
		deployEngine("moving", "127.96.8.4")
		address := partner(ctx, "moving", v1alpha1.OneFTE, inCluster)
		Eventually(widgetStatus(address)).Should(Equal(http.StatusOK))
		load := steadyRequests(ingress.trusting, address+"/", address+widgetserver.ConfigPath)
		move := func(route *v1alpha1.Route, tls *v1alpha1.TLS, gone client.Object) {
			GinkgoHelper()
			Eventually(func() error {
				var made v1alpha1.Partner
				if err := direct.Get(ctx, client.ObjectKey{Name: "moving"}, &made); err != nil {
					return err
				}
				made.Spec.Subdomain.Route, made.Spec.Subdomain.TLS = route, tls
				return direct.Update(ctx, &made)
			}).Should(Succeed())
			key := client.ObjectKey{Namespace: objects.DefaultNamespace("moving"), Name: "moving.example.com"}
			Eventually(func() bool { return apierrors.IsNotFound(direct.Get(ctx, key, gone)) }).Should(BeTrue())
			before := load.served.Load()
			Eventually(load.served.Load).WithTimeout(time.Minute).Should(BeNumerically(">", before+500), "a while after")
		}
		// The certificate is the Gateway's there, and the partner's own here.
		move(viaGateway, nil, &networkingv1.Ingress{})
		move(nil, &v1alpha1.TLS{SecretName: "own"}, &gatewayv1.HTTPRoute{})
		Expect(load.stop()).To(BeEmpty())
		AddReportEntry("requests served while moving", load.served.Load())
		Expect(load.served.Load()).To(BeNumerically(">", 2000))
	})
})

// deployEngine runs the engine in the tenant namespace, as a Service with an
// address, which is made as soon as the namespace is there.
func deployEngine(name, address string) {
	serve(listen(address+":8080"), engine)
	done := make(chan struct{})
	go func() {
		defer GinkgoRecover()
		defer close(done)
		Eventually(func() error {
			return client.IgnoreAlreadyExists(direct.Create(context.Background(), service(objects.DefaultNamespace(name), "engine", address, 8080)))
		}).WithTimeout(time.Minute).Should(Succeed())
	}()
	DeferCleanup(func() { <-done })
}

// load sends requests all the time.
type load struct {
	served atomic.Int64
	mu     sync.Mutex
	lost   []string
	end    chan struct{}
	group  sync.WaitGroup
}

// steadyRequests has a client ask for addresses in turn, from several connections, some of
// them new each time.
func steadyRequests(asking *http.Client, addresses ...string) *load {
	l := &load{end: make(chan struct{})}
	for worker := range 4 {
		l.group.Go(func() {
			for i := worker; ; i++ {
				select {
				case <-l.end:
					return
				case <-time.After(5 * time.Millisecond):
				}
				if i%50 == 0 {
					asking.CloseIdleConnections()
				}
				address := addresses[i%len(addresses)]
				status, err := statusOf(asking, address)
				if err != nil || status != http.StatusOK {
					l.mu.Lock()
					l.lost = append(l.lost, fmt.Sprintf("%s %s: %d %v", time.Now().Format(time.StampMilli), address, status, err))
					l.mu.Unlock()
					continue
				}
				l.served.Add(1)
			}
		})
	}
	DeferCleanup(func() { _ = l.stop() })
	return l
}

// stop ends the requests and returns those that were not served.
func (l *load) stop() []string {
	select {
	case <-l.end:
	default:
		close(l.end)
	}
	l.group.Wait()
	return l.lost
}
