// Package gitops holds the health checks for GitOps tools, and the examples for
// them, against the operator on a real API server.
package gitops

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	lua "github.com/yuin/gopher-lua"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/testing/cluster"
	"github.com/dispel/partner-operator/internal/testing/states"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter)))
	RunSpecs(t, "gitops")
}

var (
	controlPlane *controlplane.ControlPlane
	direct       client.Client
)

var _ = BeforeSuite(func(ctx SpecContext) {
	controlPlane, direct = cluster.Start(ctx)
	running, stop := context.WithCancel(context.Background())
	mgr, err := manager.New(running, controlPlane.Config(), manager.Options{
		Settings: objects.Settings{
			ProxyNamespaces: []string{"traefik"}, WidgetBackend: v1alpha1.ExternalBackend{Host: "widget.example.net", Port: 8082},
		},
		Workers: 4, TotalsInterval: 1e8, ResyncPeriod: 1e12, HealthAddress: "0", MetricsAddress: "0", ShutdownTimeout: 1e10, DefaultPlans: true,
	})
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(running) }()
	DeferCleanup(func() {
		stop()
		Expect(<-ended).To(Succeed())
	})
	By("waiting for the default plans, which specs apply and delete")
	Eventually(ctx, func(g Gomega) {
		var plans v1alpha1.SupportPlanList
		g.Expect(direct.List(ctx, &plans)).To(Succeed())
		g.Expect(plans.Items).To(HaveLen(3))
	}).Should(Succeed())
})

func kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	cmd := exec.CommandContext(ctx, controlPlane.Kubectl(), append([]string{"--kubeconfig", controlPlane.Kubeconfig()}, args...)...)
	cmd.Dir = cluster.Root()
	out, err := cmd.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "kubectl %s\n%s", strings.Join(args, " "), out)
	return string(out)
}

// expected is what a tool is to make of a state: what kstatus says, but for one
// that nobody has looked at yet, which kstatus calls current for want of a status.
func expected(object *unstructured.Unstructured) status.Status {
	GinkgoHelper()
	if object.GetKind() != "SubdomainClaim" && object.Object["status"] == nil && object.GetDeletionTimestamp() == nil {
		return status.InProgressStatus
	}
	result, err := status.Compute(object)
	Expect(err).NotTo(HaveOccurred())
	return result.Status
}

// toLua makes a value of Lua of one of JSON.
func toLua(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case string:
		return lua.LString(value)
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case []any:
		table := state.NewTable()
		for _, item := range value {
			table.Append(toLua(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, item := range value {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	case nil:
		return lua.LNil
	}
	panic(fmt.Sprintf("no value of Lua for %T", value))
}

var _ = Describe("The health checks for Argo CD", func() {
	It("say of every state what kstatus says", func() {
		config := cluster.ReadObjects("config/argocd/argocd-cm.yaml")[0]
		scripts, _, err := unstructured.NestedStringMap(config.Object, "data")
		Expect(err).NotTo(HaveOccurred())
		judged := map[string]int{}
		for _, state := range states.All() {
			script, ok := scripts["resource.customizations.health.partner.dispel.com_"+state.Object.GetKind()]
			Expect(ok).To(BeTrue(), state.Object.GetKind())
			interpreter := lua.NewState()
			if state.Object.GetKind() == "SubdomainClaim" {
				Expect(unstructured.SetNestedField(state.Object.Object, "acme", "spec", "partnerRef", "name")).To(Succeed())
			}
			interpreter.SetGlobal("obj", toLua(interpreter, state.Object.Object))
			Expect(interpreter.DoString(script)).To(Succeed(), state.Name)
			health := interpreter.Get(-1).(*lua.LTable)
			got, message := health.RawGetString("status").String(), health.RawGetString("message").String()
			interpreter.Close()
			want := map[status.Status]string{
				status.CurrentStatus: "Healthy", status.FailedStatus: "Degraded", status.InProgressStatus: "Progressing", status.TerminatingStatus: "Progressing",
			}[expected(state.Object)]
			if isSuspended(state.Object) {
				want = "Suspended" // which kstatus does not know
			}
			Expect(got).To(Equal(want), "%s: %s", state.Name, message)
			Expect(message).NotTo(Or(BeEmpty(), Equal("nil")), state.Name)
			judged[got]++
		}
		Expect(judged).To(And(HaveKey("Healthy"), HaveKey("Degraded"), HaveKey("Progressing"), HaveKey("Suspended")))
	})
})

func isSuspended(object *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, condition := range conditions {
		if fields := condition.(map[string]any); fields["type"] == "Suspended" && fields["status"] == "True" {
			return object.GetDeletionTimestamp() == nil
		}
	}
	return false
}

var _ = Describe("The health checks for Flux", func() {
	It("say of every state what kstatus says", func(ctx SpecContext) {
		var checks []kustomize.CustomHealthCheck
		for _, file := range []string{"platform.yaml", "partners.yaml"} {
			var kustomization struct {
				Spec struct {
					Checks []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
				} `json:"spec"`
			}
			data, err := os.ReadFile(filepath.Join(cluster.Root(), "examples", "flux", "cluster", file))
			Expect(err).NotTo(HaveOccurred())
			Expect(yaml.Unmarshal(data, &kustomization)).To(Succeed())
			checks = append(checks, kustomization.Spec.Checks...)
		}
		newReader, err := cel.NewStatusReader(checks)
		Expect(err).NotTo(HaveOccurred())
		reader := newReader(direct.RESTMapper())
		judged := map[status.Status]int{}
		for _, state := range states.All() {
			if state.Object.GetDeletionTimestamp() != nil || state.Object.GetKind() == "SubdomainClaim" {
				continue // Flux tells deletion by itself, and a claim is the operator's
			}
			want := expected(state.Object)
			if state.Object.Object["status"] == nil {
				want = status.UnknownStatus // and Flux waits
			}
			result, err := reader.ReadStatusForObject(ctx, nil, state.Object)
			Expect(err).NotTo(HaveOccurred(), state.Name)
			Expect(result.Status).To(Equal(want), "%s: %v", state.Name, result.Error)
			judged[result.Status]++
		}
		Expect(judged).To(HaveLen(4))
	})
})

var _ = Describe("The examples", func() {
	manifests := func(pattern string) map[string][]*unstructured.Unstructured {
		GinkgoHelper()
		found := map[string][]*unstructured.Unstructured{}
		Expect(filepath.WalkDir(filepath.Join(cluster.Root(), "examples"), func(path string, entry os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".yaml") || entry.Name() == "kustomization.yaml" {
				return err
			}
			name, err := filepath.Rel(cluster.Root(), path)
			if regexp.MustCompile(pattern).MatchString(name) {
				found[name] = cluster.ReadObjects(name)
			}
			return err
		})).To(Succeed())
		Expect(found).NotTo(BeEmpty())
		return found
	}

	It("are accepted by the kinds of Flux and Argo CD", func(ctx SpecContext) {
		cluster.Install(controlPlane,
			cluster.Downloaded("github.com/fluxcd/kustomize-controller", "v1.9.6", "config", "crd", "bases"),
			cluster.Downloaded("github.com/fluxcd/source-controller", "v1.9.6", "config", "crd", "bases"),
			cluster.Downloaded("github.com/argoproj/argo-cd/v3", "v3.5.7", "manifests", "crds", "application-crd.yaml"))
		kubectl(ctx, "create", "namespace", "flux-system")
		kubectl(ctx, "create", "namespace", "argocd")
		releases := 0
		for name, objects := range manifests(`examples/(flux|argocd)/`) {
			for _, object := range objects {
				if object.GetKind() == "HelmRelease" {
					// The module with its CRD is not to be had; its types are as strict.
					data, err := yaml.Marshal(object.Object)
					Expect(err).NotTo(HaveOccurred())
					Expect(yaml.UnmarshalStrict(data, &helmv2.HelmRelease{})).To(Succeed(), name)
					releases++
					continue
				}
				Expect(client.IgnoreAlreadyExists(direct.Create(ctx, object, client.DryRunAll, client.FieldValidation("Strict")))).To(Succeed(), name)
			}
		}
		Expect(releases).To(Equal(1))
	})

	It("give the chart values that it knows", func(ctx SpecContext) {
		given := 0
		for name, objects := range manifests(`/(release|apps/partner-operator)\.yaml$`) {
			for _, object := range objects {
				values, found, err := unstructured.NestedMap(object.Object, "spec", "values")
				Expect(err).NotTo(HaveOccurred())
				if !found {
					if values, found, err = unstructured.NestedMap(object.Object, "spec", "source", "helm", "valuesObject"); !found {
						continue
					}
					Expect(err).NotTo(HaveOccurred())
				}
				data, err := yaml.Marshal(values)
				Expect(err).NotTo(HaveOccurred())
				cmd := cluster.Tool(ctx, "helm", "template", "partner-operator", "charts/partner-operator", "--values", "-")
				cmd.Stdin = bytes.NewReader(data)
				out, err := cmd.CombinedOutput()
				Expect(err).NotTo(HaveOccurred(), "%s: %s", name, out)
				Expect(string(out)).To(ContainSubstring("--default-issuer=ClusterIssuer/letsencrypt"))
				given++
			}
		}
		Expect(given).To(Equal(2))
	})

	It("wait for each other: no Kustomization or wave comes before what it needs", func() {
		after := map[string]string{}
		for _, objects := range manifests(`^examples/flux/cluster/`) {
			for _, object := range objects {
				needs, _, err := unstructured.NestedSlice(object.Object, "spec", "dependsOn")
				Expect(err).NotTo(HaveOccurred())
				for _, need := range needs {
					after[object.GetName()] = need.(map[string]any)["name"].(string)
				}
			}
		}
		Expect(after).To(Equal(map[string]string{"platform": "partner-operator", "partners": "platform"}))
		waves := map[string]string{}
		for _, objects := range manifests(`^examples/argocd/apps/`) {
			waves[objects[0].GetName()] = objects[0].GetAnnotations()["argocd.argoproj.io/sync-wave"]
		}
		Expect(waves).To(Equal(map[string]string{"partner-operator": "0", "platform": "1", "partners": "2"}))
	})

	It("become partners that are ready", func(ctx SpecContext) {
		kubectl(ctx, "apply", "--server-side", "-f", "config/samples/platform/ingress-class.yaml")
		kubectl(ctx, "apply", "--server-side", "-k", "config/plans")
		for _, tool := range []string{"flux", "argocd"} {
			kubectl(ctx, "apply", "--server-side", "-k", "examples/"+tool+"/platform")
			kubectl(ctx, "apply", "--server-side", "-k", "examples/"+tool+"/partners")
			kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=60s", "supportplan/basic-emea", "partner/acme", "partner/wayne", "pcsmallocation/acme")
		}
		kubectl(ctx, "delete", "-k", "examples/flux/partners")
		kubectl(ctx, "delete", "-k", "examples/flux/platform")
	})
})

var _ = Describe("What is applied again", Ordered, func() {
	names := func(ctx context.Context) []client.Object {
		GinkgoHelper()
		var all []client.Object
		for _, list := range []client.ObjectList{&v1alpha1.PartnerList{}, &v1alpha1.SupportPlanList{}, &v1alpha1.PCSMAllocationList{}} {
			Expect(direct.List(ctx, list)).To(Succeed())
			Expect(meta.EachListItem(list, func(item runtime.Object) error {
				all = append(all, item.(client.Object))
				return nil
			})).To(Succeed())
		}
		return all
	}
	versions := func(ctx context.Context) map[string]string {
		GinkgoHelper()
		found := map[string]string{}
		for _, object := range names(ctx) {
			found[fmt.Sprintf("%T %s", object, object.GetName())] = object.GetResourceVersion()
		}
		Expect(len(found)).To(BeNumerically(">", 15))
		return found
	}
	// settled are the versions once nothing changes them any more.
	settled := func(ctx context.Context) map[string]string {
		GinkgoHelper()
		kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=60s", "partner", "--all")
		last := versions(ctx)
		Eventually(ctx, func() bool {
			now := versions(ctx)
			same := fmt.Sprint(now) == fmt.Sprint(last)
			last = now
			return same
		}).WithPolling(1e9).Should(BeTrue())
		return last
	}

	for mode, flags := range map[string][]string{"server-side": {"--server-side"}, "client-side": nil} {
		It("is no change, "+mode, func(ctx SpecContext) {
			apply := append([]string{"apply"}, flags...)
			kubectl(ctx, append(apply, "-k", "config/samples")...)
			before := settled(ctx)

			By("applying the manifests again")
			kubectl(ctx, append(apply, "-k", "config/samples")...)
			Expect(versions(ctx)).To(Equal(before))
			kubectl(ctx, append([]string{"diff"}, append(flags, "-k", "config/samples")...)...)

			By("applying the objects as they are read back")
			var live bytes.Buffer
			for _, object := range cluster.ParseObjects([]byte(kubectl(ctx, "kustomize", "config/samples"))) {
				declared := object.DeepCopy()
				Expect(direct.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
				Expect(object.Object["spec"]).To(Equal(declared.Object["spec"]), "%s %s: nothing writes into a spec, and nothing is defaulted", object.GetKind(), object.GetName())
				if mode == "client-side" {
					// What kubectl notes of the last apply is Git's words, without these.
					for _, field := range []string{"creationTimestamp", "generation", "resourceVersion", "uid", "managedFields", "annotations"} {
						unstructured.RemoveNestedField(object.Object, "metadata", field)
					}
					if declared.GetAnnotations() != nil {
						object.SetAnnotations(declared.GetAnnotations())
					}
					delete(object.Object, "status")
				}
				object.SetManagedFields(nil)
				data, err := yaml.Marshal(object.Object)
				Expect(err).NotTo(HaveOccurred())
				live.WriteString("---\n" + string(data))
			}
			file := filepath.Join(GinkgoT().TempDir(), "live.yaml")
			Expect(os.WriteFile(file, live.Bytes(), 0o600)).To(Succeed())
			kubectl(ctx, append(apply, "-f", file)...)
			Expect(versions(ctx)).To(Equal(before))
			kubectl(ctx, "delete", "-k", "config/samples")
		})
	}
})

var _ = Describe("What the Prometheus Operator reads", func() {
	It("is accepted by its kinds", func(ctx SpecContext) {
		crds := []string{}
		for _, kind := range []string{"servicemonitors", "prometheusrules"} {
			crds = append(crds, cluster.Downloaded("github.com/prometheus-operator/prometheus-operator", "v0.85.0",
				"example", "prometheus-operator-crd", "monitoring.coreos.com_"+kind+".yaml"))
		}
		cluster.Install(controlPlane, crds...)
		Expect(client.IgnoreAlreadyExists(direct.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "partner-operator-system"}}))).To(Succeed())
		out := kubectl(ctx, "apply", "--dry-run=server", "--validate=strict", "-k", "config/monitoring")
		Expect(strings.Count(out, "created")).To(Equal(5), out)
	})
})
