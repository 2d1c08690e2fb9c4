//go:build node

// Package node runs the operator's images on real nodes, as Helm installs them: with a kubelet, a
// scheduler, enforced NetworkPolicies, and controllers of other projects in Pods of their own.
//
// The cluster is one that hack/node has made, whose components can be stopped.
package node

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/scheme"
	"github.com/dispel/partner-operator/internal/testing/cluster"
	"github.com/dispel/partner-operator/internal/testing/partners"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter)))
	SetDefaultEventuallyTimeout(2 * time.Minute)
	EnforceDefaultTimeoutsWhenUsingContexts()
	SetDefaultEventuallyPollingInterval(250 * time.Millisecond)
	RunSpecs(t, "node")
}

const (
	release = "partner-operator"
	// system is the namespace of the release.
	system = "partner-operator-system"
	// proxies is that of the ingress controller, and engines that of an engine outside of all tenants.
	proxies, engines = "traefik", "engines"
)

var (
	direct client.Client
	// kubeconfig is of an administrator, and nodes the folder of the cluster.
	kubeconfig, nodes string
)

var _ = BeforeSuite(func(ctx SpecContext) {
	kubeconfig, nodes = os.Getenv("KUBECONFIG"), os.Getenv("NODES")
	Expect(nodes).NotTo(BeEmpty(), "`make test-node` runs this")
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	Expect(err).NotTo(HaveOccurred())
	config.QPS = -1
	direct, err = client.New(config, client.Options{Scheme: scheme.New()})
	Expect(err).NotTo(HaveOccurred())
	for _, name := range []string{system, proxies, engines, "cert-manager"} {
		kubectl(ctx, "create", "namespace", name)
	}
	kubectl(ctx, "label", "namespace", system, "pod-security.kubernetes.io/enforce=restricted")
})

// output runs a command, and returns what it prints.
func output(cmd *exec.Cmd) (string, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, out, stderr.String())
	}
	return string(out), err
}

// try runs kubectl as an administrator.
func try(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(nodes, "bin", "kubectl"), append([]string{"--kubeconfig", kubeconfig}, args...)...)
	cmd.Dir = cluster.Root()
	return output(cmd)
}

func kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	out, err := try(ctx, args...)
	Expect(err).NotTo(HaveOccurred())
	return out
}

// apply applies manifests.
func apply(ctx context.Context, manifests string) {
	GinkgoHelper()
	kubectl(ctx, "apply", "--server-side", "-f", write("manifests.yaml", manifests))
}

// helm runs helm for the release.
func helm(ctx context.Context, args ...string) string {
	GinkgoHelper()
	cmd := cluster.Tool(ctx, "helm", append(args, "--namespace", system)...)
	home := GinkgoT().TempDir()
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	out, err := output(cmd)
	Expect(err).NotTo(HaveOccurred())
	return out
}

// values are those of the release on these nodes, over what the chart has.
func values(tag string) []string {
	return []string{
		"--set=image.repository=local/partner-operator", "--set=image.tag=" + tag, "--set=image.pullPolicy=Never",
		"--set=widget.supportEmail=support@example.org", "--set=proxyNamespaces={" + proxies + "}", "--timeout=4m", "--wait",
	}
}

// rolledOut waits until a Deployment's Pods are those of its template, and ready.
func rolledOut(ctx context.Context, namespace, name string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		var d appsv1.Deployment
		g.Expect(direct.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &d)).To(Succeed())
		g.Expect(d.Status.ObservedGeneration).To(Equal(d.Generation))
		g.Expect(d.Status.UpdatedReplicas).To(Equal(*d.Spec.Replicas))
		g.Expect(d.Status.Replicas).To(Equal(*d.Spec.Replicas))
		g.Expect(d.Status.AvailableReplicas).To(Equal(*d.Spec.Replicas), "%v", d.Status.Conditions)
	}).WithContext(ctx).Should(Succeed())
}

// podsOf are the Pods of a component of the release, without those that are ending.
func podsOf(ctx context.Context, component string) []corev1.Pod {
	GinkgoHelper()
	var pods corev1.PodList
	Expect(direct.List(ctx, &pods, client.InNamespace(system), client.MatchingLabels{"app.kubernetes.io/component": component})).To(Succeed())
	return slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
}

// restarts are how often containers of the release were started again, by Pod.
func restarts(ctx context.Context) map[string]int32 {
	GinkgoHelper()
	var pods corev1.PodList
	Expect(direct.List(ctx, &pods, client.InNamespace(system))).To(Succeed())
	found := map[string]int32{}
	for _, pod := range pods.Items {
		for _, container := range pod.Status.ContainerStatuses {
			if container.RestartCount > 0 {
				found[pod.Name] += container.RestartCount
			}
		}
	}
	return found
}

// condition is the status and reason of a Partner's condition, as True/Provisioned.
func condition(ctx context.Context, partner string, of v1alpha1.ConditionType) func() (string, error) {
	return func() (string, error) {
		var p v1alpha1.Partner
		err := direct.Get(ctx, client.ObjectKey{Name: partner}, &p)
		for _, c := range p.Status.Conditions {
			if c.Type == string(of) {
				return string(c.Status) + "/" + c.Reason, err
			}
		}
		return "", err
	}
}

// pod is the manifest of a Pod that runs hack/node/pod, as the restricted standard wants it.
func pod(namespace, name string, args ...string) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s, labels: {app: %s}}
spec:
  terminationGracePeriodSeconds: 1
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: pod
    image: local/pod:1
    imagePullPolicy: Never
    args: [%s]
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: "1", memory: 256Mi}}
`, name, namespace, name, quoted(args))
}

// quoted are arguments as a list in YAML has them.
func quoted(args []string) string {
	all := make([]string, len(args))
	for i, arg := range args {
		all[i] = strconv.Quote(arg)
	}
	return strings.Join(all, ", ")
}

// declare makes partners with two allocations each, on a class that Traefik serves.
func declare(ctx context.Context, prefix string, n int) (names []string) {
	GinkgoHelper()
	for i := range n {
		name := partners.Name(prefix, i)
		p := partners.New(name, partners.Host(name))
		p.Spec.Subdomain.Route = &v1alpha1.Route{IngressClassName: "traefik"}
		Expect(direct.Create(ctx, p)).To(Succeed())
		for _, allocation := range partners.Allocations(name) {
			Expect(direct.Create(ctx, allocation)).To(Succeed())
		}
		names = append(names, name)
	}
	return names
}

// allReady waits until that many partners with a prefix are ready, by their newest spec.
func allReady(ctx context.Context, prefix string, n int, within time.Duration) {
	GinkgoHelper()
	Eventually(func() (int, error) {
		var all v1alpha1.PartnerList
		err := direct.List(ctx, &all)
		ready := 0
		for _, p := range all.Items {
			if strings.HasPrefix(p.Name, prefix+"-") && meta.IsStatusConditionTrue(p.Status.Conditions, string(v1alpha1.ConditionReady)) && p.Status.ObservedGeneration == p.Generation {
				ready++
			}
		}
		return ready, err
	}).WithContext(ctx).WithTimeout(within).WithPolling(time.Second).Should(Equal(n))
}

// ready waits until a Pod is, and returns its address.
func ready(ctx context.Context, namespace, name string) (ip string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		var p corev1.Pod
		g.Expect(direct.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &p)).To(Succeed())
		g.Expect(p.Status.Conditions).To(ContainElement(And(HaveField("Type", corev1.PodReady), HaveField("Status", corev1.ConditionTrue))))
		ip = p.Status.PodIP
	}).WithContext(ctx).Should(Succeed())
	return ip
}

// took says in the report what was measured.
func took(what string, since time.Time) {
	AddReportEntry(what, ReportEntryVisibilityAlways, time.Since(since).Round(100*time.Millisecond).String())
}

// hold stops a component of a node until the function that it returns is called, or the spec ends.
func hold(node, component string) (release func()) {
	GinkgoHelper()
	file := filepath.Join(nodes, node, "hold", component)
	Expect(os.WriteFile(file, nil, 0o600)).To(Succeed())
	goOn := sync.OnceFunc(func() { Expect(os.Remove(file)).To(Succeed()) })
	DeferCleanup(goOn)
	return goOn
}

var _ = JustAfterEach(func(ctx SpecContext) {
	if !CurrentSpecReport().Failed() {
		return
	}
	for _, args := range [][]string{{"get", "pods", "-A", "-o", "wide"}, {"get", "events", "-A", "--sort-by=.lastTimestamp"}, {"get", "partners", "-o", "wide"}} {
		out, err := try(ctx, args...)
		lines := strings.Split(out, "\n")
		AddReportEntry(strings.Join(args, " "), ReportEntryVisibilityFailureOrVerbose, fmt.Sprintln(strings.Join(lines[max(0, len(lines)-60):], "\n"), err))
	}
})
