//go:build node

package node

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func staysWithinLimits() {
	It("a thousand partners come about within the chart's memory and a tenth of a processor", func(ctx SpecContext) {
		const many = 1000
		serve(ctx)
		helm(ctx, append([]string{"install", release, "charts/partner-operator", "--set=manager.resources.limits.cpu=100m", "--set=manager.resources.requests.cpu=100m"}, values("head")...)...)
		rolledOut(ctx, system, release+"-manager")
		start := time.Now()
		declare(ctx, "many", many)
		took("a thousand declared", start)
		allReady(ctx, "many", many, 10*time.Minute)
		took("a thousand ready", start)
		for _, p := range podsOf(ctx, "manager") {
			Expect(p.Status.ContainerStatuses).To(HaveEach(And(HaveField("RestartCount", BeZero()), HaveField("State.Running", Not(BeNil())))), p.Name)
			limits := p.Spec.Containers[0].Resources.Limits
			Expect(limits.Memory().String()).To(Equal("512Mi"))
			Expect(limits.Cpu().String()).To(Equal("100m"))
		}
	})
}
