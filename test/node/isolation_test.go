//go:build node

package node

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
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
		for range 100 {
			kubectl(ctx, "delete", "pod", "--namespace", canaries, "--selector=app.kubernetes.io/component=canary", "--grace-period=0", "--force")
			Expect(isolated(ctx)()).To(BeElementOf("True/PathBlocked", "Unknown/CanaryUnreachable"))
		}
		rolledOut(ctx, canaries, "canary")
		Eventually(isolated(ctx)).WithContext(ctx).Should(Equal("True/PathBlocked"))
	})

	It("the canary shows that nobody enforces policies, and names the path", func(ctx SpecContext) {
		needsNodes()
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
