//go:build node

package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// stream is a Pod that sends requests all the while.
type stream struct{ name string }

// outcome is how the requests of a URL have gone so far.
type outcome struct {
	sent, failed int
	// slowest is how many milliseconds the slowest answer took.
	slowest int
	last    string
}

// sending starts one on a node; the URLs get so many requests a second each.
func sending(ctx context.Context, name, node string, rate int, urls ...string) stream {
	GinkgoHelper()
	manifest := pod("default", name, append([]string{"load", fmt.Sprint(rate)}, urls...)...)
	apply(ctx, strings.Replace(manifest, "spec:\n", "spec:\n  nodeName: "+node+"\n", 1))
	ready(ctx, "default", name)
	DeferCleanup(func(ctx SpecContext) {
		kubectl(ctx, "delete", "pod", name, "--namespace", "default", "--wait=false", "--ignore-not-found")
	})
	s := stream{name}
	Eventually(func() int { return s.outcomes(ctx)[urls[0]].sent }).WithContext(ctx).Should(BeNumerically(">", rate))
	return s
}

// outcomes are by URL, as the Pod has logged them.
func (s stream) outcomes(ctx context.Context) map[string]outcome {
	GinkgoHelper()
	found := map[string]outcome{}
	var log string
	Eventually(func() (err error) { // kubelet may just have been started
		log, err = try(ctx, "logs", s.name, "--namespace", "default", "--tail=20")
		return err
	}).WithContext(ctx).Should(Succeed())
	for line := range strings.Lines(log) {
		var o outcome
		var url string
		if _, err := fmt.Sscanf(line, "%s sent=%d failed=%d slowest=%d last=%q", &url, &o.sent, &o.failed, &o.slowest, &o.last); err == nil {
			found[url] = o
		}
	}
	return found
}

// lost is how many requests failed since an earlier look, by URL, and says so in the report.
func (s stream) lost(ctx context.Context, what string, since map[string]outcome) map[string]int {
	GinkgoHelper()
	now, lost := s.outcomes(ctx), map[string]int{}
	for url, o := range since {
		Expect(now[url].sent).To(BeNumerically(">", o.sent), "no request of %s has ended since", url)
	}
	for url, o := range now {
		lost[url] = o.failed - since[url].failed
		AddReportEntry(what, ReportEntryVisibilityAlways, fmt.Sprintf("%s: %d of %d requests failed, the slowest since the start took %d ms %s", url, lost[url], o.sent-since[url].sent, o.slowest, o.last))
	}
	return lost
}

// leader is the Pod of the manager that leads.
func leader(ctx context.Context) string {
	GinkgoHelper()
	var lease coordinationv1.Lease
	Expect(direct.Get(ctx, client.ObjectKey{Namespace: system, Name: "partner-operator.partner.dispel.com"}, &lease)).To(Succeed())
	name, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
	return name
}

// asked is a new Partner without a sub-domain; it says how long it took to be ready.
func asked(ctx context.Context, name string, within time.Duration) {
	GinkgoHelper()
	start := time.Now()
	Eventually(func() error {
		_, err := try(ctx, "apply", "--server-side", "-f", write(name+".yaml", fmt.Sprintf(
			"{apiVersion: partner.dispel.com/v1alpha1, kind: Partner, metadata: {name: %s}, spec: {displayName: %[1]s, channelModel: Reseller}}", name)))
		return err
	}).WithContext(ctx).WithTimeout(within).Should(Succeed())
	Eventually(condition(ctx, name, v1alpha1.ConditionReady)).WithContext(ctx).WithTimeout(within).Should(Equal("True/Provisioned"))
	took("a Partner ready: "+name, start)
}

const (
	engineURL = "https://remote.acmecorp.com/"
	widgetURL = "https://remote.acmecorp.com/.dispel/support/config.json"
)

func outlivesFaults() {
	var running stream
	BeforeAll(func(ctx SpecContext) {
		serve(ctx)
		install(ctx)
	})

	It("tenants are served while requests are counted", func(ctx SpecContext) {
		running = stream{"stream"}
		manifest := pod("default", running.name, "load", "20", engineURL, widgetURL)
		apply(ctx, strings.Replace(manifest, "spec:\n", "spec:\n  nodeName: node1\n", 1))
		ready(ctx, "default", running.name)
		// The ingress controller may not have read the route yet.
		Eventually(func() map[string]int {
			before := running.outcomes(ctx)
			Eventually(func() int { return running.outcomes(ctx)[widgetURL].sent }).WithContext(ctx).Should(BeNumerically(">", before[widgetURL].sent+40))
			return running.lost(ctx, "requests", before)
		}).WithContext(ctx).Should(And(HaveLen(2), HaveEach(0)))
	})

	It("the leader's Pod is deleted by force", func(ctx SpecContext) {
		before, first := running.outcomes(ctx), leader(ctx)
		start := time.Now()
		kubectl(ctx, "delete", "pod", first, "--namespace", system, "--grace-period=0", "--force")
		Eventually(func() string { return leader(ctx) }).WithContext(ctx).WithTimeout(45 * time.Second).ShouldNot(Equal(first))
		took("another leads", start)
		asked(ctx, "after-leader", 30*time.Second)
		Expect(running.lost(ctx, "requests", before)).To(HaveEach(0))
		rolledOut(ctx, system, release+"-manager")
	})

	It("a node is drained", func(ctx SpecContext) {
		before := running.outcomes(ctx)
		start := time.Now()
		kubectl(ctx, "drain", "node2", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=3m")
		took("kubectl drain", start)
		asked(ctx, "after-drain", 45*time.Second)
		kubectl(ctx, "uncordon", "node2")
		for _, name := range []string{"manager", "widget", "probe"} {
			rolledOut(ctx, system, release+"-"+name)
		}
		// A look-up can fall into the moment in which DNS moves.
		Expect(running.lost(ctx, "requests", before)).To(HaveEach(BeNumerically("<=", 2)))
	})

	It("kubelet is started again", func(ctx SpecContext) {
		before := running.outcomes(ctx)
		started := restarts(ctx)
		goOn := hold("node1", "kubelet")
		healthz := func() string {
			out, _ := try(ctx, "get", "--raw", "/api/v1/nodes/node1/proxy/healthz") // an error is no "ok"
			return out
		}
		Eventually(healthz).WithContext(ctx).ShouldNot(Equal("ok"))
		asked(ctx, "without-kubelet", 30*time.Second)
		goOn()
		Eventually(func() int { return running.outcomes(ctx)[widgetURL].sent }).WithContext(ctx).Should(BeNumerically(">", before[widgetURL].sent+100))
		Eventually(healthz).WithContext(ctx).Should(Equal("ok"))
		Expect(restarts(ctx)).To(Equal(started))
		Expect(running.lost(ctx, "requests", before)).To(HaveEach(0))
	})

	It("a node is lost for two minutes", func(ctx SpecContext) {
		// Each node has a Pod of everything that serves.
		for _, name := range []string{"manager", "widget"} {
			kubectl(ctx, "rollout", "restart", "deployment", release+"-"+name, "--namespace", system)
			rolledOut(ctx, system, release+"-"+name)
		}
		for namespace, name := range map[string]string{proxies: "traefik", engines: "engine"} {
			kubectl(ctx, "rollout", "restart", "deployment", name, "--namespace", namespace)
			rolledOut(ctx, namespace, name)
		}
		rolledOut(ctx, "kube-system", "dns")
		for _, component := range []string{"manager", "widget"} {
			pods := podsOf(ctx, component)
			Expect(pods).To(HaveLen(2))
			Expect(pods[0].Spec.NodeName).NotTo(Equal(pods[1].Spec.NodeName), "a lost node takes all of the %s with it", component)
		}
		before, start := running.outcomes(ctx), time.Now()
		goOn := hold("node2", "eth0")
		asked(ctx, "without-node", 60*time.Second)
		Eventually(func(g Gomega) {
			var node corev1.Node
			g.Expect(direct.Get(ctx, client.ObjectKey{Name: "node2"}, &node)).To(Succeed())
			g.Expect(node.Status.Conditions).To(ContainElement(And(HaveField("Type", corev1.NodeReady), HaveField("Status", corev1.ConditionUnknown))))
		}).WithContext(ctx).Should(Succeed())
		took("the node counts as lost", start)
		running.lost(ctx, "requests until then", before)
		// Endpoints of the lost node go at once after that; proxies have to follow.
		Eventually(func() map[string]int {
			earlier := running.outcomes(ctx)
			time.Sleep(3 * time.Second)
			lost := map[string]int{}
			for url, o := range running.outcomes(ctx) {
				lost[url] = o.failed - earlier[url].failed
			}
			return lost
		}).WithContext(ctx).WithTimeout(30 * time.Second).Should(HaveEach(0))
		after := running.outcomes(ctx)
		Eventually(func() time.Duration { return time.Since(start) }).WithContext(ctx).WithTimeout(3 * time.Minute).Should(BeNumerically(">", 2*time.Minute))
		sent := running.outcomes(ctx)[engineURL].sent - after[engineURL].sent
		Expect(running.lost(ctx, "requests after that", after)).To(HaveEach(BeNumerically("<=", sent/50)))
		goOn()
		back := time.Now()
		for _, name := range []string{"manager", "widget", "probe"} {
			rolledOut(ctx, system, release+"-"+name)
		}
		took("the release is whole again", back)
		asked(ctx, "with-node", 60*time.Second)
	})

	It("the control plane is gone for two minutes", func(ctx SpecContext) {
		before, start := running.outcomes(ctx), time.Now()
		goOn := hold("node1", "kube-apiserver")
		Eventually(func() error { _, err := try(ctx, "get", "--raw", "/readyz"); return err }).WithContext(ctx).Should(HaveOccurred())
		Eventually(func() time.Duration { return time.Since(start) }).WithContext(ctx).WithTimeout(3 * time.Minute).Should(BeNumerically(">", 2*time.Minute))
		goOn()
		Eventually(func() error { _, err := try(ctx, "get", "--raw", "/readyz"); return err }).WithContext(ctx).Should(Succeed())
		asked(ctx, "after-outage", 60*time.Second)
		Expect(running.lost(ctx, "requests", before)).To(HaveEach(0))
		for _, name := range []string{"manager", "widget", "probe"} {
			rolledOut(ctx, system, release+"-"+name)
		}
		kubectl(ctx, "delete", "pod", running.name, "--namespace", "default")
	})
}
