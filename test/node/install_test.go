//go:build node

package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// names are the hosts of the tests as the cluster's DNS answers them: the partners' lead to the
// ingress controller, and the engines' to one that is outside of all tenants.
const names = `
apiVersion: v1
kind: ConfigMap
metadata: {name: hosts, namespace: kube-system}
data:
  remote.acmecorp.com: traefik.traefik.svc.cluster.local
  access.globex.com: traefik.traefik.svc.cluster.local
  acme.engine.example.net: engine.engines.svc.cluster.local
  globex.engine.example.net: engine.engines.svc.cluster.local
`

// Each part has a cluster of its own, so that parts can run beside each other.
var (
	_ = Describe("An installation", Ordered, ContinueOnFailure, Label("install"), func() {
		installs()
		servesBesideOthers()
		provesIsolation()
	})
	_ = Describe("An installation under faults", Ordered, ContinueOnFailure, Label("faults"), outlivesFaults)
	_ = Describe("A released version", Ordered, ContinueOnFailure, Label("upgrade"), upgrades)
	_ = Describe("A small manager", Ordered, ContinueOnFailure, Label("limits"), staysWithinLimits)
)

// install installs the release with a prober, and declares the samples.
func install(ctx context.Context) {
	GinkgoHelper()
	apply(ctx, names)
	start := time.Now()
	helm(ctx, append([]string{"install", release, "charts/partner-operator", "--set=probe.enabled=true", "--set=probe.interval=5s", "--set=probe.allowedTargets={10.96.0.0/16}"}, values("head")...)...)
	took("helm install --wait", start)
	kubectl(ctx, "apply", "--server-side", "-k", "config/samples")
}

func installs() {
	It("the chart installs, as README says, where Pods are restricted", func(ctx SpecContext) {
		install(ctx)
		for name, replicas := range map[string]int{"manager": 2, "widget": 2, "probe": 1} {
			pods := podsOf(ctx, name)
			Expect(pods).To(HaveLen(replicas), name)
			Expect(pods).To(HaveEach(HaveField("Status.Phase", corev1.PodRunning)))
			for _, p := range pods {
				Expect(p.Status.Conditions).To(ContainElement(And(HaveField("Type", corev1.PodReady), HaveField("Status", corev1.ConditionTrue))), p.Name)
			}
		}
		start := time.Now()
		for partner, wanted := range map[string]string{
			"acme": "True/Provisioned", "globex": "True/Provisioned", "hooli": "True/Provisioned", "initech": "True/Provisioned",
			"soylent": "True/Provisioned", "stark": "True/Provisioned", "wayne": "True/Provisioned", "wonka": "True/Provisioned",
		} {
			Eventually(condition(ctx, partner, v1alpha1.ConditionReady)).WithContext(ctx).Should(Equal(wanted), partner)
		}
		took("eight samples ready", start)
		helm(ctx, "test", release)
		Expect(restarts(ctx)).To(BeEmpty())
	})

	It("tenants are isolated from each other by packets, and reached by who serves them", func(ctx SpecContext) {
		const serves = "8080"
		sources := []string{"partner-acme", "partner-globex", "partner-stark", proxies, "default", engines}
		var manifests strings.Builder
		for _, namespace := range sources {
			manifests.WriteString(pod(namespace, "client"))
		}
		targets := []string{"partner-acme", "partner-globex", "partner-stark", "default", engines}
		for _, namespace := range targets {
			manifests.WriteString(pod(namespace, "server", "serve", serves, namespace))
		}
		apply(ctx, manifests.String())
		DeferCleanup(func(ctx SpecContext) {
			for _, namespace := range append(targets, proxies) {
				kubectl(ctx, "delete", "pod", "--namespace", namespace, "--wait=false", "--ignore-not-found", "--selector=app in (client,server)")
			}
		})
		addresses := map[string]string{}
		for _, namespace := range targets {
			addresses[namespace] = ready(ctx, namespace, "server") + ":" + serves
		}
		for _, namespace := range sources {
			ready(ctx, namespace, "client")
		}
		service := func(namespace, name string, port int) string {
			var s corev1.Service
			Expect(direct.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &s)).To(Succeed())
			return fmt.Sprintf("%s:%d", s.Spec.ClusterIP, port)
		}
		// port is a port of a Pod of the release, by its name.
		port := func(component, name string) string {
			p := podsOf(ctx, component)[0]
			for _, port := range p.Spec.Containers[0].Ports {
				if port.Name == name {
					return fmt.Sprintf("%s:%d", p.Status.PodIP, port.ContainerPort)
				}
			}
			Fail("the " + component + " has no port " + name)
			return ""
		}
		// theirs are the addresses of the release's Pods, which change when it is upgraded.
		theirs := func() {
			maps.Copy(addresses, map[string]string{
				"the widget server": port("widget", "http"), "the manager's health": port("manager", "health"),
				"the manager's metrics": port("manager", "metrics"), "the prober's metrics": port("probe", "metrics"),
			})
		}
		var node corev1.Node
		Expect(direct.Get(ctx, client.ObjectKey{Name: podsOf(ctx, "manager")[0].Spec.NodeName}, &node)).To(Succeed())
		maps.Copy(addresses, map[string]string{
			"the API server": service("default", "kubernetes", 443), "DNS": service("kube-system", "kube-dns", 53), "a node": node.Status.Addresses[0].Address + ":10250",
		})
		theirs()
		proxiesAre := proxies // as the release has it
		// wanted is whether a packet gets from a namespace to a target.
		wanted := func(from, to string) bool {
			switch to {
			case "the widget server":
				return from == proxiesAre
			case "the manager's health":
				return false
			}
			// Metrics are for whom the API server lets get them, and tenants' own egress is free.
			return !strings.HasPrefix(to, "partner-") || from == to || from == proxiesAre
		}
		targetsOf := slices.Sorted(maps.Keys(addresses))
		matrix := func() (wrong []string, err error) {
			said := make([]string, len(sources))
			errs := make([]error, len(sources))
			var all sync.WaitGroup
			for i, source := range sources {
				all.Go(func() {
					arguments := []string{"exec", "--namespace", source, "client", "--", "/program", "connect"}
					for _, name := range targetsOf {
						arguments = append(arguments, addresses[name])
					}
					said[i], errs[i] = try(ctx, arguments...)
				})
			}
			all.Wait()
			for i, source := range sources {
				lines := strings.Split(strings.TrimSpace(said[i]), "\n")
				for j, name := range targetsOf {
					_, answer, _ := strings.Cut(lines[min(j, len(lines)-1)], " ")
					if reached := answer == "open" || answer == "refused"; reached != wanted(source, name) {
						wrong = append(wrong, fmt.Sprintf("%s -> %s: %s", source, name, answer))
					}
				}
			}
			return wrong, errors.Join(errs...)
		}
		Eventually(matrix).WithContext(ctx).Should(BeEmpty())
		AddReportEntry("pairs tried", ReportEntryVisibilityAlways, len(sources)*len(addresses))

		By("switching it off for one")
		kubectl(ctx, "patch", "partner", "stark", "--type=merge", `--patch={"spec":{"tenant":{"networkIsolation":"Disabled"}}}`)
		Eventually(matrix).WithContext(ctx).Should(ConsistOf(
			"partner-acme -> partner-stark: open", "partner-globex -> partner-stark: open", "default -> partner-stark: open", engines+" -> partner-stark: open"))
		kubectl(ctx, "patch", "partner", "stark", "--type=merge", `--patch={"spec":{"tenant":{"networkIsolation":null}}}`)
		Eventually(matrix).WithContext(ctx).Should(BeEmpty())

		By("letting other proxies in")
		upgrade := func(values_ ...string) {
			helm(ctx, slices.Concat([]string{"upgrade", release, "charts/partner-operator", "--reset-then-reuse-values"}, values("head"), values_)...)
			for _, name := range []string{"manager", "widget", "probe"} {
				rolledOut(ctx, system, release+"-"+name)
			}
			theirs()
		}
		upgrade("--set=proxyNamespaces={default}")
		proxiesAre = "default"
		Eventually(matrix).WithContext(ctx).Should(BeEmpty())

		By("leaving the release's own policies out")
		upgrade("--set=networkPolicy.enabled=false")
		proxiesAre = proxies
		var wrong []any
		for _, source := range sources {
			wrong = append(wrong, source+" -> the manager's health: open")
			if source != proxies {
				wrong = append(wrong, source+" -> the widget server: open")
			}
		}
		Eventually(matrix).WithContext(ctx).Should(ConsistOf(wrong...))
		upgrade("--set=networkPolicy.enabled=true")
		Eventually(matrix).WithContext(ctx).Should(BeEmpty())
	})

	It("the prober gets no further than to proxies, to public addresses and to those that are allowed", func(ctx SpecContext) {
		apply(ctx, strings.Replace(pod(system, "as-prober"), "labels: {app: as-prober}", "labels: {app.kubernetes.io/name: partner-operator, app.kubernetes.io/component: probe}", 1)+
			pod(proxies, "target", "serve", "8080", "proxy")+pod("partner-acme", "target", "serve", "8080", "tenant"))
		DeferCleanup(func(ctx SpecContext) {
			kubectl(ctx, "delete", "pod", "as-prober", "--namespace", system, "--wait=false")
			for _, namespace := range []string{proxies, "partner-acme"} {
				kubectl(ctx, "delete", "pod", "target", "--namespace", namespace, "--wait=false")
			}
		})
		ready(ctx, system, "as-prober")
		proxy, tenant, service := ready(ctx, proxies, "target")+":8080", ready(ctx, "partner-acme", "target")+":8080", "10.96.0.1:443"
		Eventually(func() (string, error) {
			return try(ctx, "exec", "as-prober", "--namespace", system, "--", "/program", "connect", proxy, tenant, service, "10.96.0.10:53", "10.200.0.2:10250")
		}).WithContext(ctx).Should(Equal(proxy + " open\n" + tenant + " dropped\n" + service + " open\n10.96.0.10:53 open\n10.200.0.2:10250 dropped\n"))
	})
}
