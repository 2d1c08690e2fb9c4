//go:build node

package node

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/testing/cluster"
	"github.com/dispel/partner-operator/internal/testing/partners"
)

// released is the version that is upgraded; the Makefile builds its image, and has its chart.
const released = "v0.2.0"

// tenants is how many an upgrade has.
const tenants = 200

// identities are the UIDs of all objects of the tenants: one that is recreated has another.
func identities(ctx context.Context) map[string]types.UID {
	GinkgoHelper()
	found := map[string]types.UID{}
	for _, kind := range kinds.All {
		if !kind.Made || kind.API != "" {
			continue
		}
		list := kind.NewList()
		Expect(direct.List(ctx, list)).To(Succeed())
		Expect(meta.EachListItem(list, func(item runtime.Object) error {
			object := item.(client.Object)
			if strings.HasPrefix(object.GetNamespace()+object.GetName(), "partner-live-") || strings.HasPrefix(object.GetName(), "live-") {
				found[fmt.Sprintf("%T %s/%s", object, object.GetNamespace(), object.GetName())] = object.GetUID()
			}
			return nil
		})).To(Succeed())
	}
	return found
}

func upgrades() {
	It("an upgrade from "+released+", back and again, loses no tenant's object and no request", func(ctx SpecContext) {
		serve(ctx)
		chart := filepath.Join(cluster.Root(), "build", "node", released, "charts", "partner-operator")
		helm(ctx, append([]string{"install", release, chart}, values(released)...)...)
		start := time.Now()
		hosts := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hosts, namespace: kube-system}\ndata:\n  engine.example.net: engine.engines.svc.cluster.local\n"
		for _, name := range declare(ctx, "live", tenants) {
			hosts += "  " + partners.Host(name) + ": traefik.traefik.svc.cluster.local\n"
		}
		kubectl(ctx, "apply", "--server-side", "--force-conflicts", "-f", write("hosts.yaml", hosts))
		allReady(ctx, "live", tenants, 2*time.Minute)
		took("tenants ready with "+released, start)
		before := identities(ctx)
		Expect(len(before)).To(BeNumerically(">", tenants*8))
		AddReportEntry("objects", ReportEntryVisibilityAlways, len(before))

		first, last := partners.Host(partners.Name("live", 0)), partners.Host(partners.Name("live", tenants-1))
		apply(ctx, pod("default", "look"))
		ready(ctx, "default", "look")
		urls := []string{"https://" + first + "/", "https://" + last + "/", "https://" + first + "/.dispel/support/config.json"}
		Eventually(func() string {
			out, _ := try(ctx, "exec", "look", "--namespace", "default", "--", "/program", "connect", first+":443")
			return out
		}).WithContext(ctx).Should(ContainSubstring("open"))
		flow := sending(ctx, "upgrading", "node1", 20, urls...)
		step := func(what string, do func()) {
			GinkgoHelper()
			By(what)
			start, sent := time.Now(), flow.outcomes(ctx)
			do()
			for _, name := range []string{"manager", "widget"} {
				rolledOut(ctx, system, release+"-"+name)
			}
			allReady(ctx, "live", tenants, 2*time.Minute)
			took(what, start)
			Consistently(func() map[string]types.UID { return identities(ctx) }).WithContext(ctx).WithTimeout(5 * time.Second).WithPolling(time.Second).Should(Equal(before))
			lost := flow.lost(ctx, what, sent)
			Expect(lost[urls[0]]).To(BeZero())
			Expect(lost[urls[1]]).To(BeZero())
			// docs/upgrading.md: a few requests to the widget can fail while its server is replaced.
			Expect(lost[urls[2]]).To(BeNumerically("<=", 5))
		}
		upgrade := func() {
			helm(ctx, append([]string{"upgrade", release, "charts/partner-operator", "--reset-then-reuse-values"}, values("head")...)...)
		}
		step("upgrading", upgrade)
		step("rolling back", func() { helm(ctx, "rollback", release, "1", "--wait", "--timeout=4m") })
		step("upgrading again", upgrade)
		Expect(restarts(ctx)).To(BeEmpty())
	})
}
