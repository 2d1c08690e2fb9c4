//go:build e2e

package e2e

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/probe"
	"github.com/dispel/partner-operator/internal/prober"
	"github.com/dispel/partner-operator/internal/testing/site"
	"github.com/dispel/partner-operator/internal/widgetserver"
)

// killed is a manager's connection that is cut right after some write, as by SIGKILL.
type killed struct {
	after  int64
	writes atomic.Int64
	dead   chan struct{}
}

// Wrap sees the manager's requests.
func (k *killed) Wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		write := r.Method != http.MethodGet
		if write && k.writes.Load() >= k.after {
			return nil, context.Canceled
		}
		response, err := next.RoundTrip(r)
		if write && k.writes.Add(1) == k.after {
			close(k.dead)
		}
		return response, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var _ = Describe("A host that one partner hands over to another", func() {
	const host = "passer.example.com"
	names := [2]string{"passer", "taker"}

	// declare has one of the two declare the host, and the other hand it over.
	declare := func(ctx context.Context, from, to string, subdomain *v1alpha1.Subdomain, firstTo bool) {
		GinkgoHelper()
		change := func(name string, set func(*v1alpha1.PartnerSpec)) {
			GinkgoHelper()
			Eventually(func() error {
				var partner v1alpha1.Partner
				if err := direct.Get(ctx, client.ObjectKey{Name: name}, &partner); err != nil {
					return err
				}
				set(&partner.Spec)
				return direct.Update(ctx, &partner)
			}).Should(Succeed())
		}
		give := func() {
			change(from, func(spec *v1alpha1.PartnerSpec) {
				spec.Subdomain, spec.HandOver = nil, &v1alpha1.HandOver{Host: host, PartnerRef: v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(to)}}
			})
		}
		if !firstTo {
			give()
		}
		change(to, func(spec *v1alpha1.PartnerSpec) { spec.Subdomain, spec.HandOver = subdomain.DeepCopy(), nil })
		if firstTo {
			give()
		}
	}

	It("is served all the time, whatever is applied first, and with the operator killed at each write", func(ctx SpecContext) {
		now.SetTime(working)
		stopOperator()
		DeferCleanup(func() { stopOperator = startOperator(10 * time.Second) })
		const overlap = 2 * time.Second
		stop := startOperator(overlap)
		DeferCleanup(func() { stop() })
		address := partner(ctx, names[0], v1alpha1.OneFTE)
		var first v1alpha1.Partner
		Expect(direct.Get(ctx, client.ObjectKey{Name: names[0]}, &first)).To(Succeed())
		subdomain := first.Spec.Subdomain
		another := func(name string, subdomain *v1alpha1.Subdomain) {
			create(ctx, &v1alpha1.Partner{
				ObjectMeta: metav1.ObjectMeta{Name: name},
				Spec:       v1alpha1.PartnerSpec{DisplayName: name, ChannelModel: v1alpha1.OEM, CustomerCount: new(int32(3)), Subdomain: subdomain},
			})
		}
		another(names[1], nil)
		another("thief", subdomain)
		contract(ctx, names[1], v1alpha1.OneFTE)
		Eventually(func() error {
			return direct.Create(ctx, ca.Secret(objects.DefaultNamespace(names[1]), "own", host))
		}).Should(Succeed())
		Eventually(widgetStatus(address)).Should(Equal(http.StatusOK))
		var before v1alpha1.SubdomainClaim
		Expect(direct.Get(ctx, client.ObjectKey{Name: host}, &before)).To(Succeed())
		alarms := alarmsOf(ctx, host, names[:])
		load := steadyRequests(ingress.trusting, address+"/", address+widgetserver.ConfigPath)

		done := func(from, to string) {
			GinkgoHelper()
			Eventually(func(g Gomega) {
				var claim v1alpha1.SubdomainClaim
				g.Expect(direct.Get(ctx, client.ObjectKey{Name: host}, &claim)).To(Succeed())
				g.Expect(claim.UID).To(Equal(before.UID), "it is never released")
				g.Expect(claim.Spec).To(Equal(v1alpha1.SubdomainClaimSpec{PartnerRef: v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(to)}}))
				g.Expect(claim.OwnerReferences).To(ConsistOf(HaveField("Name", to)))
				g.Expect(client.IgnoreNotFound(direct.Get(ctx, client.ObjectKey{Namespace: objects.DefaultNamespace(to), Name: host}, &networkingv1.Ingress{}))).To(Succeed())
				g.Expect(direct.Get(ctx, client.ObjectKey{Namespace: objects.DefaultNamespace(from), Name: host}, &networkingv1.Ingress{})).To(MatchError(apierrors.IsNotFound, "IsNotFound"))
				var taker, source, thief v1alpha1.Partner
				g.Expect(direct.Get(ctx, client.ObjectKey{Name: to}, &taker)).To(Succeed())
				g.Expect(meta.IsStatusConditionTrue(taker.Status.Conditions, string(v1alpha1.ConditionReady))).To(BeTrue())
				g.Expect(taker.Status.ObservedGeneration).To(Equal(taker.Generation))
				g.Expect(taker.Status.Subdomain.URL).To(Equal(address))
				g.Expect(direct.Get(ctx, client.ObjectKey{Name: from}, &source)).To(Succeed())
				g.Expect(source.Status.Subdomain).To(BeNil())
				g.Expect(meta.FindStatusCondition(source.Status.Conditions, string(v1alpha1.ConditionHandOverPending))).To(BeNil())
				g.Expect(direct.Get(ctx, client.ObjectKey{Name: "thief"}, &thief)).To(Succeed())
				g.Expect(meta.FindStatusCondition(thief.Status.Conditions, string(v1alpha1.ConditionSubdomainReady))).To(HaveField("Reason", string(v1alpha1.ReasonHostClaimedByAnotherPartner)))
			}).WithTimeout(time.Minute).Should(Succeed())
		}
		kills := 0
		for after := int64(1); ; after++ {
			stop()
			k := &killed{after: after, dead: make(chan struct{})}
			from, to := names[(after+1)%2], names[after%2]
			declare(ctx, from, to, subdomain, after%4 < 2)
			stop = startOperator(overlap, seenBy(k.Wrap))
			finished := make(chan struct{})
			go func() {
				defer close(finished)
				for {
					var claim v1alpha1.SubdomainClaim
					gone := direct.Get(ctx, client.ObjectKey{Namespace: objects.DefaultNamespace(from), Name: host}, &networkingv1.Ingress{})
					if direct.Get(ctx, client.ObjectKey{Name: host}, &claim) == nil && string(claim.Spec.PartnerRef.Name) == to && apierrors.IsNotFound(gone) {
						return
					}
					select {
					case <-k.dead:
						return
					case <-time.After(50 * time.Millisecond):
					}
				}
			}()
			<-finished
			dead := false
			select {
			case <-k.dead:
				dead = true
				kills++
				stop()
				stop = startOperator(overlap)
			default:
				k.after = 1 << 40
			}
			done(from, to)
			if !dead {
				break
			}
		}
		Expect(load.stop()).To(BeEmpty())
		Expect(alarms()).To(BeEmpty(), "a hand-over raises no alert")
		AddReportEntry("killed after as many writes", kills)
		AddReportEntry("requests served while the host passed to and fro", load.served.Load())
		Expect(kills).To(BeNumerically(">=", 8))
	})
})

// alarmsOf runs a prober of a host until the spec ends, and collects what it finds wrong with
// some partners for longer than an ingress controller takes to follow. It has found the first
// of them reachable when this returns.
func alarmsOf(ctx context.Context, host string, names []string) (collected func() []string) {
	GinkgoHelper()
	at := netip.MustParseAddrPort(ingress.address)
	probing, err := prober.New(controlPlane.Config(), prober.Options{
		CompareAddresses: true,
		Prober: probe.Prober{
			Resolver: site.NewZone(map[string][]string{host: {at.Addr().String()}}).Resolver, Roots: ca.Pool(), Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
			HTTPSPort: at.Port(), Timeout: 2 * time.Second,
		},
		Interval: 100 * time.Millisecond, Concurrency: 2, HealthAddress: "0", MetricsAddress: "0",
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(start(probing))
	verdict := func(name string) *metav1.Condition {
		var partner v1alpha1.Partner
		if err := direct.Get(ctx, client.ObjectKey{Name: name}, &partner); err != nil {
			return nil
		}
		return meta.FindStatusCondition(partner.Status.Conditions, string(v1alpha1.ConditionSubdomainReachable))
	}
	Eventually(func() *metav1.Condition { return verdict(names[0]) }).Should(HaveField("Reason", string(v1alpha1.ReasonReachable)))
	var found []string
	wrong := map[string]time.Time{}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			for _, name := range names {
				condition := verdict(name)
				if condition == nil || condition.Status == metav1.ConditionTrue {
					delete(wrong, name)
					continue
				}
				if _, already := wrong[name]; !already {
					wrong[name] = time.Now()
				}
				if time.Since(wrong[name]) > time.Second {
					found = append(found, name+": "+condition.Reason+": "+condition.Message)
				}
			}
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	stop := sync.OnceFunc(func() { close(done); <-ended })
	DeferCleanup(stop)
	return func() []string { stop(); return found }
}
