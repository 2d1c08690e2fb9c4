//go:build faults

// Package faults breaks what the operator runs on while partners come about, and
// holds what there is in the end against a run in which nothing broke.
package faults

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/config/plans"
	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/scheme"
	"github.com/dispel/partner-operator/internal/testing/cluster"
	"github.com/dispel/partner-operator/internal/testing/commands"
	"github.com/dispel/partner-operator/internal/testing/partners"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter), zap.UseDevMode(true)))
	RunSpecs(t, "faults")
}

// binary is the operator's.
var binary string

var _ = BeforeSuite(func(ctx SpecContext) {
	binary = commands.Built(ctx, "cmd/partner-operator")
})

// world is a control plane of a spec's own, and the operator beside it.
type world struct {
	*controlplane.ControlPlane
	// direct talks to the API server by no proxy.
	direct client.Client
	proxy  *proxy
	// kubeconfig is by way of the proxy.
	kubeconfig string
	foreign    foreign
}

func newWorld(ctx context.Context, arguments controlplane.Arguments) *world {
	GinkgoHelper()
	w := &world{}
	var err error
	w.ControlPlane, err = controlplane.StartWith(ctx, arguments)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(w.Stop)
	cluster.Install(w.ControlPlane, cluster.CRDs())
	w.direct, err = client.New(w.Config(), client.Options{Scheme: scheme.New()})
	Expect(err).NotTo(HaveOccurred())
	shipped, err := plans.Shipped()
	Expect(err).NotTo(HaveOccurred())
	for _, plan := range shipped {
		Expect(w.direct.Create(ctx, plan)).To(Succeed())
	}
	Expect(w.direct.Create(ctx, partners.IngressClass())).To(Succeed())
	w.proxy = newProxy(w.Config())
	w.kubeconfig = w.proxy.kubeconfig()
	w.foreign = addForeign(ctx, w.direct)
	SetDefaultEventuallyTimeout(3 * time.Minute)
	SetDefaultEventuallyPollingInterval(200 * time.Millisecond)
	EnforceDefaultTimeoutsWhenUsingContexts()
	return w
}

// managerProcess is a manager that is started again whenever it ends, as a kubelet
// does it.
type managerProcess struct {
	// health is where its probes are, and lease the one it needs to lead; empty if none.
	health, lease string

	mu      sync.Mutex
	process *controlplane.Process
	starts  int
	// stop ends it in order, and end as a crash does; it is not started again.
	stop, end func()
}

// runManager runs a manager until the spec ends, or until it is stopped.
func (w *world) runManager(arguments ...string) *managerProcess {
	GinkgoHelper()
	ports, err := controlplane.FreePorts(1)
	Expect(err).NotTo(HaveOccurred())
	m := &managerProcess{health: "127.0.0.1:" + ports[0]}
	ctx, cancel := context.WithCancelCause(context.Background())
	crash := errors.New("a crash")
	done := make(chan struct{})
	go func() {
		defer GinkgoRecover()
		defer close(done)
		wait.UntilWithContext(ctx, func(ctx context.Context) {
			process, err := w.Run(binary, append([]string{
				"manager", "--kubeconfig=" + w.kubeconfig, "--health-probe-bind-address=" + m.health, "--metrics-bind-address=0",
				"--plan-totals-interval=1s", "--workers=16", "--shutdown-delay=0",
			}, arguments...)...)
			Expect(err).NotTo(HaveOccurred())
			m.mu.Lock()
			m.process = process
			m.starts++
			m.mu.Unlock()
			select {
			case <-process.Exited():
			case <-ctx.Done():
				if errors.Is(context.Cause(ctx), crash) {
					Expect(process.Kill()).To(Succeed())
				} else {
					Expect(process.Stop()).To(Succeed())
				}
			}
		}, 50*time.Millisecond)
	}()
	m.stop = func() {
		cancel(nil)
		<-done
	}
	m.end = func() {
		cancel(crash)
		<-done
	}
	DeferCleanup(m.stop)
	Eventually(m.running).ShouldNot(BeNil())
	return m
}

// runElected runs one that leads while it has a lease.
func (w *world) runElected(lease string, arguments ...string) *managerProcess {
	GinkgoHelper()
	m := w.runManager(append(arguments, "--leader-elect", "--leader-election-namespace="+metav1.NamespaceDefault)...)
	m.lease = lease
	return m
}

// restart has a manager end in order and start anew, and waits until one leads that
// knows all there is.
func (w *world) restart(ctx context.Context, m *managerProcess) {
	GinkgoHelper()
	starts := m.started()
	Expect(m.running().Stop()).To(Succeed())
	stopped := time.Now()
	Eventually(m.started).WithContext(ctx).Should(BeNumerically(">", starts))
	Eventually(m.ready).WithContext(ctx).Should(Equal(http.StatusOK))
	if m.lease != "" {
		Eventually(w.renewed).WithArguments(ctx, m.lease).Should(BeTemporally(">", stopped))
	}
}

// ready is what its probe answers.
func (m *managerProcess) ready() (int, error) {
	response, err := http.Get("http://" + m.health + "/readyz")
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// running is the process that runs now; nil before the first.
func (m *managerProcess) running() *controlplane.Process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.process
}

// started tells how often it was started.
func (m *managerProcess) started() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.starts
}

// The first allocation of each partner is valid for some days only, so that a clock
// that jumps finds it over, or not begun. They are the same in all runs.
var (
	yesterday = v1alpha1.Date(time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly))
	tomorrow  = v1alpha1.Date(time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly))
)

// declare creates partners and their allocations, each tried until the API server
// has taken it, and tells when it is done.
func (w *world) declare(ctx context.Context, n int) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer GinkgoRecover()
		defer close(done)
		var group sync.WaitGroup
		const writers = 8
		for writer := range writers {
			group.Go(func() {
				defer GinkgoRecover()
				for i := writer; i < n; i += writers {
					name := partners.Name("p", i)
					w.create(ctx, partners.New(name, partners.Host(name)))
					allocations := partners.Allocations(name)
					allocations[0].Spec.ValidFrom, allocations[0].Spec.ValidUntil = yesterday, tomorrow
					for _, allocation := range allocations {
						w.create(ctx, allocation)
					}
				}
			})
		}
		group.Wait()
	}()
	return done
}

func (w *world) create(ctx context.Context, object client.Object) {
	GinkgoHelper()
	Eventually(func() error {
		err := w.direct.Create(ctx, object.DeepCopyObject().(client.Object))
		if apierrors.IsAlreadyExists(err) {
			return nil // an answer was lost
		}
		return err
	}).WithContext(ctx).Should(Succeed())
}
