package isolation_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/internal/isolation"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

var _ = Describe("The check", func() {
	It("writes each verdict once into the canary's Service, and shows it to Prometheus", func(ctx SpecContext) {
		_, direct := cluster.Start(ctx)
		Expect(direct.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "canaries"}})).To(Succeed())
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "canaries", Name: "canary"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 8080}}}}
		Expect(direct.Create(ctx, service)).To(Succeed())

		var open, closed atomic.Bool
		check := &isolation.Check{Client: direct, Canary: client.ObjectKeyFromObject(service), Interval: 50 * time.Millisecond, Connect: func(_ context.Context, port int) error {
			if port == isolation.OpenPort && open.Load() || port == isolation.ClosedPort && closed.Load() {
				return nil
			}
			return errors.New("refused")
		}}
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- check.Start(running) }()
		verdict := func() (string, error) {
			err := direct.Get(ctx, client.ObjectKeyFromObject(service), service)
			if found := meta.FindStatusCondition(service.Status.Conditions, isolation.Enforced); found != nil {
				return string(found.Status) + "/" + found.Reason, err
			}
			return "", err
		}
		series := func() int { return testutil.CollectAndCount(isolation.Metrics[0]) }
		Eventually(verdict).Should(Equal("Unknown/CanaryUnreachable"))
		Expect(series()).To(BeZero())
		Expect(testutil.ToFloat64(isolation.Metrics[1])).To(BeZero(), "nobody knows")
		open.Store(true)
		Eventually(verdict).Should(Equal("True/PathBlocked"))
		Expect(testutil.ToFloat64(isolation.Metrics[0])).To(Equal(1.0))
		Expect(testutil.ToFloat64(isolation.Metrics[1])).To(Equal(1.0))
		written := service.ResourceVersion
		Consistently(func() (string, error) {
			err := direct.Get(ctx, client.ObjectKeyFromObject(service), service)
			return service.ResourceVersion, err
		}, "1s").Should(Equal(written), "what is said is not written again")
		closed.Store(true)
		Eventually(verdict).Should(Equal("False/PathOpen"))
		Expect(testutil.ToFloat64(isolation.Metrics[0])).To(BeZero())
		Expect(testutil.ToFloat64(isolation.Metrics[1])).To(Equal(1.0))
		Expect(meta.FindStatusCondition(service.Status.Conditions, isolation.Enforced).Message).To(ContainSubstring("canary.canaries.svc:8080"))
		stop()
		Eventually(ended).Should(Receive(BeNil()))
		Expect(testutil.CollectAndCount(isolation.Metrics[1])).To(BeZero(), "nobody looks")
	}, SpecTimeout(2*time.Minute))
})
