//go:build node

package node

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/internal/isolation"
)

const canaries = "partner-operator-canary"

// isolated is what the canary's Service says, as True/PathBlocked.
func isolated(ctx context.Context) func() (string, error) {
	return func() (string, error) {
		var s corev1.Service
		err := direct.Get(ctx, client.ObjectKey{Namespace: canaries, Name: "canary"}, &s)
		if found := meta.FindStatusCondition(s.Status.Conditions, isolation.Enforced); found != nil {
			return string(found.Status) + "/" + found.Reason, err
		}
		return "", err
	}
}

func provesIsolation() {
	It("the canary shows that policies are enforced, through a hundred restarts of it", func(ctx SpecContext) {
		start := time.Now()
		helm(ctx, append([]string{"upgrade", release, "charts/partner-operator", "--reset-then-reuse-values", "--set=probe.isolation.enabled=true", "--set=probe.extraArgs={--isolation-interval=1s}"}, values("head")...)...)
		Eventually(isolated(ctx)).WithContext(ctx).Should(Equal("True/PathBlocked"))
		took("the canary's first verdict", start)
		said, stop := map[string]bool{}, make(chan struct{})
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			for {
				select {
				case <-stop:
					return
				case <-time.After(200 * time.Millisecond):
					verdict, _ := isolated(ctx)()
					said[verdict] = true
				}
			}
		}()
		seen := map[types.UID]bool{}
		for len(seen) < 100 {
			var pods corev1.PodList
			Expect(direct.List(ctx, &pods, client.InNamespace(canaries))).To(Succeed())
			for _, p := range pods.Items {
				if running := p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil; running && !seen[p.UID] {
					seen[p.UID] = true
					Expect(client.IgnoreNotFound(direct.Delete(ctx, &p, client.GracePeriodSeconds(0)))).To(Succeed())
				}
			}
		}
		close(stop)
		<-watched
		Expect(said).NotTo(HaveKey("False/PathOpen"))
		rolledOut(ctx, canaries, "canary")
		Eventually(isolated(ctx)).WithContext(ctx).Should(Equal("True/PathBlocked"))
	})

	It("the canary shows that nobody enforces policies, and names the path", func(ctx SpecContext) {
		start := time.Now()
		goOn := []func(){hold("node1", "policies"), hold("node2", "policies")}
		Eventually(isolated(ctx)).WithContext(ctx).Should(Equal("False/PathOpen"))
		took("from the agents' end to the verdict", start)
		var s corev1.Service
		Expect(direct.Get(ctx, client.ObjectKey{Namespace: canaries, Name: "canary"}, &s)).To(Succeed())
		Expect(meta.FindStatusCondition(s.Status.Conditions, isolation.Enforced).Message).To(ContainSubstring("the prober reaches canary." + canaries + ".svc:8080, which the tenants' NetworkPolicy closes"))
		for _, start := range goOn {
			start()
		}
		Eventually(isolated(ctx)).WithContext(ctx).Should(Equal("True/PathBlocked"))
	})
}
