//go:build node

package node

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/testing/partners"
)

func staysWithinLimits() {
	It("a thousand partners come about within the chart's memory and a tenth of a processor", func(ctx SpecContext) {
		const many = 1000
		helm(ctx, append([]string{"upgrade", release, "charts/partner-operator", "--reset-then-reuse-values", "--set=probe.enabled=false", "--set=manager.resources.limits.cpu=100m", "--set=manager.resources.requests.cpu=100m"}, values("head")...)...)
		rolledOut(ctx, system, release+"-manager")
		start := time.Now()
		for i := range many {
			name := partners.Name("many", i)
			p := partners.New(name, partners.Host(name))
			p.Spec.Subdomain.Route = &v1alpha1.Route{IngressClassName: "traefik"}
			Expect(direct.Create(ctx, p)).To(Succeed())
			for _, allocation := range partners.Allocations(name) {
				Expect(direct.Create(ctx, allocation)).To(Succeed())
			}
		}
		took("a thousand declared", start)
		Eventually(func() (int, error) {
			var all v1alpha1.PartnerList
			if err := direct.List(ctx, &all); err != nil {
				return 0, err
			}
			ready := 0
			for _, p := range all.Items {
				if strings.HasPrefix(p.Name, "many-") && meta.IsStatusConditionTrue(p.Status.Conditions, string(v1alpha1.ConditionReady)) {
					ready++
				}
			}
			return ready, nil
		}).WithContext(ctx).WithTimeout(10 * time.Minute).WithPolling(2 * time.Second).Should(Equal(many))
		took("a thousand ready", start)
		for _, p := range podsOf(ctx, "manager") {
			Expect(p.Status.ContainerStatuses).To(HaveEach(And(HaveField("RestartCount", BeZero()), HaveField("State.Running", Not(BeNil())))), p.Name)
			limits := p.Spec.Containers[0].Resources.Limits
			Expect(limits.Memory().String()).To(Equal("512Mi"))
			Expect(limits.Cpu().String()).To(Equal("100m"))
			AddReportEntry("limit", ReportEntryVisibilityAlways, fmt.Sprint(p.Spec.Containers[0].Resources.Limits.Memory()))
		}
	})
}
