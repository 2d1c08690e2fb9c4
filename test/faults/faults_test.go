//go:build faults

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/settings"
	"github.com/dispel/partner-operator/internal/testing/partners"
)

// How many partners come about: many where faults come all the while, some where
// there is to be load, and few where their number does not matter.
const many, some, few = 500, 200, 60

// until does something again and again, at random intervals of up to most, until a
// channel is closed, and tells how often.
func until(ctx context.Context, done <-chan struct{}, least, most time.Duration, do func()) int {
	for times := 0; ; times++ {
		select {
		case <-done:
			return times
		case <-ctx.Done():
			return times
		case <-time.After(least + rand.N(most-least)):
			do()
		}
	}
}

// progressed waits until managers have written so often, and reports whether that was before
// a channel is closed. However slow the machine, they get on between two calls.
func (w *world) progressed(ctx context.Context, done <-chan struct{}, writes int) bool {
	for from := len(w.proxy.written()); len(w.proxy.written()) < from+writes; {
		select {
		case <-done:
			return false
		case <-ctx.Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return true
}

// ready is closed once all partners are.
func (w *world) ready(ctx context.Context, n int) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer GinkgoRecover()
		defer close(done)
		w.awaitReady(ctx, n)
	}()
	return done
}

var _ = Describe("Partners come about as if nothing had happened", func() {
	It("when the manager is killed again and again", func(ctx SpecContext) {
		w := newWorld(ctx, controlplane.Arguments{})
		m := w.runManager()
		w.declare(ctx, many)
		seed := uint64(GinkgoRandomSeed())
		chance := rand.New(rand.NewPCG(seed, seed))
		GinkgoWriter.Println("kills after numbers of writes by the seed", seed)
		kills, done := 0, w.ready(ctx, many)
		for w.progressed(ctx, done, 50+chance.IntN(500)) {
			_ = m.running().Kill()
			kills++
		}
		Expect(kills).To(BeNumerically(">", 5))
		w.converged(ctx, many, m)
	})

	It("when the API server and etcd crash under load", func(ctx SpecContext) {
		w := newWorld(ctx, controlplane.Arguments{})
		m := w.runManager()
		declared := w.declare(ctx, many)
		for _, component := range []string{"kube-apiserver", "etcd", "kube-apiserver", "etcd"} {
			<-time.After(300*time.Millisecond + rand.N(600*time.Millisecond))
			var ready int
			Eventually(func() (err error) { ready, err = w.countReady(ctx); return err }).WithContext(ctx).Should(Succeed())
			Expect(ready).To(BeNumerically("<", many), "there is no load any more")
			Expect(w.Components()[component].Kill()).To(Succeed())
			if component == "etcd" {
				Expect(w.StartEtcd(ctx)).To(Succeed())
			} else {
				Expect(w.StartAPIServer(ctx)).To(Succeed())
			}
		}
		Eventually(declared).WithContext(ctx).Should(BeClosed())
		w.awaitReady(ctx, many)
		w.converged(ctx, many, m)
	})

	It("when requests fail, come late, and are cut off", func(ctx SpecContext) {
		w := newWorld(ctx, controlplane.Arguments{})
		w.proxy.bad.Store(true)
		m := w.runManager()
		Eventually(w.declare(ctx, few)).WithContext(ctx).Should(BeClosed())
		w.awaitReady(ctx, few)
		w.proxy.bad.Store(false)
		w.converged(ctx, few, m)
	})

	It("when the clock jumps", func(ctx SpecContext) {
		w := newWorld(ctx, controlplane.Arguments{})
		clock := &jumpingClock{}
		stop := w.runInProcess(clock)
		w.declare(ctx, few)
		jumps := until(ctx, w.ready(ctx, few), 50*time.Millisecond, 200*time.Millisecond, func() {
			clock.offset.Store(int64(rand.N(96*time.Hour) - 48*time.Hour))
		})
		Expect(jumps).To(BeNumerically(">", 5))
		clock.offset.Store(0)
		w.converged(ctx, few)
		stop()
		w.converged(ctx, few, w.runManager())
	})

	It("when a leader freezes in the middle, and wakes when another leads", func(ctx SpecContext) {
		w := newWorld(ctx, controlplane.Arguments{})
		first := w.runElected(manager.LeaseName)
		Eventually(w.holder).WithArguments(ctx, manager.LeaseName).Should(Not(BeEmpty()))
		leader := w.holder(ctx, manager.LeaseName)
		second := w.runElected(manager.LeaseName)
		w.declare(ctx, some)
		w.awaitBeginning(ctx)
		frozen := first.running()
		Expect(syscall.Kill(frozen.PID(), syscall.SIGSTOP)).To(Succeed())
		Eventually(w.holder).WithArguments(ctx, manager.LeaseName).Should(And(Not(BeEmpty()), Not(Equal(leader))))
		Expect(syscall.Kill(frozen.PID(), syscall.SIGCONT)).To(Succeed())
		By("having the one that lost the lease end")
		Eventually(frozen.Exited()).WithContext(ctx).Should(BeClosed())
		w.awaitReady(ctx, some)
		w.converged(ctx, some, second)
	})

	It("when a tenant's objects are deleted at random for a minute", func(ctx SpecContext) {
		w := newWorld(ctx, controlplane.Arguments{})
		m := w.runManager()
		Eventually(w.declare(ctx, few)).WithContext(ctx).Should(BeClosed())
		// Watches end every few seconds, and do not always come back at once. What the
		// manager misses, its next list has to tell.
		w.proxy.bad.Store(true)
		minute, end := context.WithTimeout(ctx, time.Minute)
		defer end()
		deletions := until(ctx, minute.Done(), time.Millisecond, 20*time.Millisecond, func() {
			name := partners.Name("p", rand.IntN(few))
			children := partners.Children(name)
			Expect(client.IgnoreNotFound(w.direct.Delete(ctx, children[rand.IntN(len(children))]))).To(Succeed())
			if rand.IntN(200) == 0 {
				w.proxy.server.CloseClientConnections()
			}
		})
		w.proxy.bad.Store(false)
		Expect(deletions).To(BeNumerically(">", 500))
		w.converged(ctx, few, m)
	})

	It("when a tenant's namespace is stuck in its deletion", func(ctx SpecContext) {
		w := newWorld(ctx, controlplane.Arguments{})
		m := w.runManager()
		Eventually(w.declare(ctx, few)).WithContext(ctx).Should(BeClosed())
		w.awaitReady(ctx, few)
		name := partners.Name("p", 0)
		stuck := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace: objects.DefaultNamespace(name), Name: "stuck", Finalizers: []string{"example.com/stuck"},
		}}
		Expect(w.direct.Create(ctx, stuck)).To(Succeed())
		Expect(w.direct.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: objects.DefaultNamespace(name)}})).To(Succeed())
		condition := func() (string, error) {
			var partner v1alpha1.Partner
			err := w.direct.Get(ctx, client.ObjectKey{Name: name}, &partner)
			found := meta.FindStatusCondition(partner.Status.Conditions, string(v1alpha1.ConditionTenantReady))
			if err != nil || found == nil {
				return "", err
			}
			return found.Reason, nil
		}
		Eventually(condition).WithContext(ctx).Should(Equal(string(v1alpha1.ReasonNamespaceTerminating)))
		By("waiting quietly once all else in it is gone, restarts included")
		for _, child := range partners.Children(name) {
			if child.GetNamespace() != "" {
				Eventually(func() error { return w.direct.Get(ctx, client.ObjectKeyFromObject(child), child) }).WithContext(ctx).Should(MatchError(apierrors.IsNotFound, "IsNotFound"))
			}
		}
		w.settled(ctx)
		w.quiet(ctx, m)
		Expect(condition()).To(Equal(string(v1alpha1.ReasonNamespaceTerminating)))
		By("going on once it is gone")
		Expect(w.direct.Patch(ctx, stuck, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
		w.converged(ctx, few, m)
	})

	It("when etcd runs out of space, and gets some", func(ctx SpecContext) {
		w := newWorld(ctx, controlplane.Arguments{Etcd: []string{"--quota-backend-bytes=" + strconv.Itoa(24<<20)}})
		m := w.runManager()
		w.declare(ctx, few/2)
		filler := func(i int) *corev1.ConfigMap {
			return &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: fmt.Sprint("filler-", i)},
				Data:       map[string]string{"filler": strings.Repeat("x", 900<<10)},
			}
		}
		fillers := 0
		Eventually(func() error {
			err := w.direct.Create(ctx, filler(fillers))
			if err == nil {
				fillers++
			}
			return err
		}).WithContext(ctx).WithPolling(time.Millisecond).Should(MatchError(ContainSubstring("database space exceeded")))
		declared := w.declare(ctx, few) // in vain, for now
		Consistently(declared).WithContext(ctx).WithTimeout(5 * time.Second).ShouldNot(BeClosed())

		By("making room")
		for i := range fillers {
			Expect(w.direct.Delete(ctx, filler(i))).To(Succeed())
		}
		revision := w.etcd("kv/range", map[string]any{"key": "Lw=="})["header"].(map[string]any)["revision"]
		w.etcd("kv/compaction", map[string]any{"revision": revision, "physical": true})
		w.etcd("maintenance/defragment", map[string]any{})
		alarms := w.etcd("maintenance/alarm", map[string]any{"action": "GET"})["alarms"].([]any)
		Expect(alarms).To(HaveLen(1))
		w.etcd("maintenance/alarm", map[string]any{"action": "DEACTIVATE", "alarm": "NOSPACE", "memberID": alarms[0].(map[string]any)["memberID"]})
		Eventually(declared).WithContext(ctx).Should(BeClosed())
		w.converged(ctx, few, m)
	})
})

// awaitBeginning waits until managers are in the middle of their work.
func (w *world) awaitBeginning(ctx context.Context) {
	GinkgoHelper()
	Eventually(func() (int, error) {
		var claims v1alpha1.SubdomainClaimList
		err := w.direct.List(ctx, &claims)
		return len(claims.Items), err
	}).WithContext(ctx).Should(BeNumerically(">", 10))
}

// holder is who holds a lease; empty if there is none.
func (w *world) holder(ctx context.Context, lease string) string {
	return ptr.Deref(w.lease(ctx, lease).HolderIdentity, "")
}

// renewed is when the holder of a lease last said that it leads; zero if nobody
// holds it.
func (w *world) renewed(ctx context.Context, lease string) time.Time {
	found := w.lease(ctx, lease)
	if ptr.Deref(found.HolderIdentity, "") == "" || found.RenewTime == nil {
		return time.Time{}
	}
	return found.RenewTime.Time
}

// lease is a lease; empty if there is none.
func (w *world) lease(ctx context.Context, name string) coordinationv1.LeaseSpec {
	var lease coordinationv1.Lease
	if err := w.direct.Get(ctx, client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: name}, &lease); err != nil {
		return coordinationv1.LeaseSpec{}
	}
	return lease.Spec
}

// etcd calls etcd's JSON gateway.
func (w *world) etcd(method string, arguments map[string]any) map[string]any {
	GinkgoHelper()
	body, err := json.Marshal(arguments)
	Expect(err).NotTo(HaveOccurred())
	response, err := http.Post(w.EtcdURL()+"/v3/"+method, "application/json", bytes.NewReader(body))
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	Expect(response.StatusCode).To(Equal(http.StatusOK), method)
	var answer map[string]any
	Expect(json.NewDecoder(response.Body).Decode(&answer)).To(Succeed())
	return answer
}

// jumpingClock shows another time whenever its offset is changed.
type jumpingClock struct{ offset atomic.Int64 }

// Now implements clock.PassiveClock.
func (c *jumpingClock) Now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// Since implements clock.PassiveClock.
func (c *jumpingClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// runInProcess runs a manager by a clock in this process, by way of the proxy, and
// returns what stops it.
func (w *world) runInProcess(clock clock.PassiveClock) (stop func()) {
	GinkgoHelper()
	defaults, err := settings.Defaults()
	Expect(err).NotTo(HaveOccurred())
	options := manager.Options{
		Settings: defaults, Workers: 16, TotalsInterval: time.Second,
		// That a clock went back is noticed with the next resync.
		ResyncPeriod:  5 * time.Second,
		HealthAddress: "0", MetricsAddress: "0", ShutdownTimeout: 10 * time.Second, Unnamed: true, Clock: clock,
	}
	ctx, cancel := context.WithCancel(context.Background())
	mgr, err := manager.New(ctx, w.proxy.config(), options)
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	DeferCleanup(cancel)
	return func() {
		cancel()
		Expect(<-ended).To(Succeed())
	}
}
