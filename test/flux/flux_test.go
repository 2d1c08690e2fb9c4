//go:build e2e

// Package flux_test has the real kustomize-controller of Flux apply the sample repository
// in examples/flux, from an artifact as its source-controller would store it.
package flux_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter)))
	RunSpecs(t, "flux")
}

const namespace = "flux-system"

var (
	controlPlane *controlplane.ControlPlane
	direct       client.Client
	fleet        *repository
)

var (
	kustomization = schema.GroupVersionKind{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"}
	gitRepository = schema.GroupVersionKind{Group: "source.toolkit.fluxcd.io", Version: "v1", Kind: "GitRepository"}
	helmRelease   = schema.GroupVersionKind{Group: "helm.toolkit.fluxcd.io", Version: "v2", Kind: "HelmRelease"}
)

// helmReleaseCRD stands in for helm-controller's, whose module cannot be had.
const helmReleaseCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: helmreleases.helm.toolkit.fluxcd.io}
spec:
  group: helm.toolkit.fluxcd.io
  scope: Namespaced
  names: {kind: HelmRelease, listKind: HelmReleaseList, plural: helmreleases, singular: helmrelease}
  versions:
  - name: v2
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

var _ = BeforeSuite(func(ctx SpecContext) {
	controlPlane, direct = cluster.Start(ctx)
	crd := filepath.Join(GinkgoT().TempDir(), "helmreleases.yaml")
	Expect(os.WriteFile(crd, []byte(helmReleaseCRD), 0o600)).To(Succeed())
	cluster.Install(controlPlane, crd,
		cluster.ModuleFile("hack/flux", "github.com/fluxcd/kustomize-controller", "config", "crd", "bases"),
		cluster.Downloaded("github.com/fluxcd/source-controller", "v1.9.6", "config", "crd", "bases"))
	Expect(direct.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	for _, object := range append(cluster.ReadObjects("config/samples/platform/ingress-class.yaml"),
		cluster.ReadObjects("config/admission/deletion-guard/deletion-guard.yaml")...) {
		Expect(direct.Create(ctx, object)).To(Succeed())
	}
	startManager(ctx)
	fleet = newRepository()
	process, err := controlPlane.Run("env", "KUBECONFIG="+controlPlane.Kubeconfig(), "RUNTIME_NAMESPACE="+namespace,
		filepath.Join(cluster.Root(), "bin", "kustomize-controller"), "--metrics-addr=127.0.0.1:0", "--health-addr=127.0.0.1:0", "--events-addr=",
		"--enable-leader-election=false", "--requeue-dependency=1s")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		AddReportEntry("kustomize-controller's log", ReportEntryVisibilityFailureOrVerbose, process.Log())
		_ = process.Stop()
	})
	for _, file := range []string{"partner-operator.yaml", "platform.yaml", "partners.yaml"} {
		for _, object := range cluster.ReadObjects("examples", "flux", "cluster", file) {
			Expect(direct.Create(ctx, object)).To(Succeed())
		}
	}
	for _, object := range cluster.ReadObjects("examples", "flux", "cluster", "repositories.yaml") {
		Expect(direct.Create(ctx, object)).To(Succeed())
	}
	fleet.push(ctx)
})

// startManager runs the operator, as the release of the example would.
func startManager(ctx context.Context) {
	GinkgoHelper()
	config := cluster.AsServiceAccount(ctx, controlPlane, direct, "manager", "config/rbac/role.yaml", "config/rbac/role_binding.yaml")
	running, stop := context.WithCancel(context.Background())
	mgr, err := manager.New(running, config, manager.Options{
		Settings: objects.Settings{
			ProxyNamespaces: []string{"traefik"}, RouteOverlap: time.Second,
			WidgetBackend: v1alpha1.ExternalBackend{Host: "widget.example.net", Port: 8082},
		},
		Workers: 4, TotalsInterval: time.Second, ResyncPeriod: time.Hour, DefaultPlans: true,
		HealthAddress: "0", MetricsAddress: "0", ShutdownTimeout: 10 * time.Second,
	})
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(running) }()
	DeferCleanup(func() {
		stop()
		Expect(<-ended).To(Succeed())
	})
}

// repository is the sample repository, of which artifacts are made.
type repository struct {
	dir    string
	url    string
	served atomic.Pointer[[]byte]
	commit int
}

// newRepository is a copy of examples/flux, and serves its artifacts until the suite ends.
func newRepository() *repository {
	GinkgoHelper()
	r := &repository{dir: GinkgoT().TempDir()}
	Expect(os.CopyFS(r.dir, os.DirFS(filepath.Join(cluster.Root(), "examples", "flux")))).To(Succeed())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(*r.served.Load()) }))
	DeferCleanup(server.Close)
	r.url = server.URL
	return r
}

// write writes a file of the repository; it removes it if there is no text.
func (r *repository) write(name, text string) {
	GinkgoHelper()
	path := filepath.Join(r.dir, name)
	if text == "" {
		Expect(os.Remove(path)).To(Succeed())
		return
	}
	Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
}

// partners are the files of the folder of partners.
func (r *repository) partners(files ...string) {
	GinkgoHelper()
	text, err := yaml.Marshal(map[string]any{"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": files})
	Expect(err).NotTo(HaveOccurred())
	r.write("partners/kustomization.yaml", string(text))
}

// push makes an artifact of the repository, and tells of it as source-controller does.
func (r *repository) push(ctx context.Context) {
	GinkgoHelper()
	var buffer bytes.Buffer
	compressed := gzip.NewWriter(&buffer)
	archive := tar.NewWriter(compressed)
	Expect(fs.WalkDir(os.DirFS(r.dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(r.dir, path))
		if err != nil {
			return err
		}
		if err = archive.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(data))}); err != nil {
			return err
		}
		_, err = archive.Write(data)
		return err
	})).To(Succeed())
	Expect(archive.Close()).To(Succeed())
	Expect(compressed.Close()).To(Succeed())
	data := buffer.Bytes()
	r.served.Store(&data)
	r.commit++
	sum := sha256.Sum256(data)
	revision := fmt.Sprintf("main@sha1:%040d", r.commit)
	Eventually(func() error {
		source := &unstructured.Unstructured{}
		source.SetGroupVersionKind(gitRepository)
		if err := direct.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "fleet"}, source); err != nil {
			return err
		}
		source.Object["status"] = map[string]any{
			"observedGeneration": source.GetGeneration(),
			"artifact": map[string]any{
				"digest": "sha256:" + hex.EncodeToString(sum[:]), "lastUpdateTime": time.Now().UTC().Format(time.RFC3339), "path": "fleet.tar.gz",
				"revision": revision, "size": int64(len(data)), "url": r.url + "/" + fmt.Sprint(r.commit) + "/fleet.tar.gz",
			},
			"conditions": []any{map[string]any{
				"type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored artifact", "lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
			}},
		}
		return direct.Status().Update(ctx, source)
	}).Should(Succeed())
}

// of reads an object of Flux's.
func of(ctx context.Context, kind schema.GroupVersionKind, inNamespace, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	if err := direct.Get(ctx, client.ObjectKey{Namespace: inNamespace, Name: name}, object); err != nil {
		return nil
	}
	return object
}

// ready is the condition Ready of a Kustomization, for the newest artifact.
func ready(ctx context.Context, name string) func() string {
	return func() string {
		object := of(ctx, kustomization, namespace, name)
		if object == nil {
			return "absent"
		}
		if attempted, _, _ := unstructured.NestedString(object.Object, "status", "lastAttemptedRevision"); !strings.HasSuffix(attempted, fmt.Sprintf("%040d", fleet.commit)) {
			return "at " + attempted
		}
		conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
		for _, condition := range conditions {
			if c := condition.(map[string]any); c["type"] == "Ready" {
				return fmt.Sprint(c["status"], " ", c["reason"], ": ", c["message"])
			}
		}
		return "unknown"
	}
}

// reconcile has a Kustomization reconciled as `flux reconcile` does, and waits until it was.
func reconcile(ctx context.Context, name, token string) {
	GinkgoHelper()
	object := of(ctx, kustomization, namespace, name)
	Expect(direct.Patch(ctx, object, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":%q}}}`, token)))).To(Succeed())
	Eventually(func() string {
		handled, _, _ := unstructured.NestedString(of(ctx, kustomization, namespace, name).Object, "status", "lastHandledReconcileAt")
		return handled
	}).Should(Equal(token))
}

// versions are the resource versions of all that Flux applies, and of all that the
// operator makes of it.
func versions(ctx context.Context) map[string]string {
	GinkgoHelper()
	found := map[string]string{}
	lists := []client.ObjectList{&v1alpha1.PartnerList{}, &v1alpha1.PCSMAllocationList{}, &v1alpha1.SupportPlanList{}, &corev1.NamespaceList{}}
	for _, kind := range kinds.All {
		if kind.Made && kind.API == "" {
			lists = append(lists, kind.NewList())
		}
	}
	for _, list := range lists {
		Expect(direct.List(ctx, list)).To(Succeed())
		Expect(meta.EachListItem(list, func(item runtime.Object) error {
			object := item.(client.Object)
			found[fmt.Sprintf("%T %s/%s", object, object.GetNamespace(), object.GetName())] = object.GetResourceVersion()
			return nil
		})).To(Succeed())
	}
	return found
}

var _ = Describe("The sample repository for Flux", Ordered, func() {
	It("becomes ready, each Kustomization after what it needs", func(ctx SpecContext) {
		By("installing the release, for which helm-controller would stand")
		Eventually(func(g Gomega) {
			release := of(ctx, helmRelease, "partner-operator-system", "partner-operator")
			g.Expect(release).NotTo(BeNil())
			release.Object["status"] = map[string]any{"observedGeneration": release.GetGeneration(), "conditions": []any{map[string]any{
				"type": "Ready", "status": "True", "reason": "InstallSucceeded", "message": "", "lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
			}}}
			g.Expect(direct.Status().Update(ctx, release)).To(Succeed())
		}).Should(Succeed())
		for _, name := range []string{"partner-operator", "platform", "partners"} {
			Eventually(ready(ctx, name)).WithTimeout(2 * time.Minute).Should(HavePrefix("True ReconciliationSucceeded"))
		}
		for _, name := range []string{"acme", "wayne"} {
			var partner v1alpha1.Partner
			Expect(direct.Get(ctx, client.ObjectKey{Name: name}, &partner)).To(Succeed())
			Expect(meta.IsStatusConditionTrue(partner.Status.Conditions, "Ready")).To(BeTrue())
		}
	})

	It("is applied ten times more without a write, by Flux or by the operator", func(ctx SpecContext) {
		By("letting somebody else own the count of customers")
		counted := cluster.Object(`{apiVersion: partner.dispel.com/v1alpha1, kind: Partner, metadata: {name: acme}, spec: {customerCount: 12}}`)
		Expect(direct.Apply(ctx, client.ApplyConfigurationFromUnstructured(counted), client.FieldOwner("crm-sync"))).To(Succeed())
		Eventually(func(g Gomega) {
			var partner v1alpha1.Partner
			g.Expect(direct.Get(ctx, client.ObjectKey{Name: "acme"}, &partner)).To(Succeed())
			g.Expect(partner.Status.ObservedGeneration).To(Equal(partner.Generation))
		}).Should(Succeed())
		var before map[string]string
		Eventually(func() bool { // totals of plans follow within a second
			last := before
			before = versions(ctx)
			return len(last) > 0 && fmt.Sprint(last) == fmt.Sprint(before)
		}).WithPolling(2 * time.Second).Should(BeTrue())
		Expect(len(before)).To(BeNumerically(">", 20))
		for i := range 10 {
			reconcile(ctx, "platform", fmt.Sprint("platform-", i))
			reconcile(ctx, "partners", fmt.Sprint("partners-", i))
		}
		Expect(versions(ctx)).To(Equal(before))
		Expect(ready(ctx, "partners")()).To(HavePrefix("True ReconciliationSucceeded"))
		var partner v1alpha1.Partner
		Expect(direct.Get(ctx, client.ObjectKey{Name: "acme"}, &partner)).To(Succeed())
		Expect(partner.Spec.CustomerCount).To(HaveValue(Equal(int32(12))))
	})

	It("puts back what somebody changed", func(ctx SpecContext) {
		partner := &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}
		Expect(direct.Patch(ctx, partner, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"displayName":"Acme, by hand"}}`)))).To(Succeed())
		reconcile(ctx, "partners", "drift")
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(partner), partner)).To(Succeed())
		Expect(partner.Spec.DisplayName).To(Equal("Acme Corp"))
	})

	It("fails at once when a host is taken, and names the Partner that has the operator's words", func(ctx SpecContext) {
		fleet.write("partners/rival.yaml", `
apiVersion: partner.dispel.com/v1alpha1
kind: Partner
metadata: {name: rival}
spec:
  displayName: Rival
  channelModel: OEM
  subdomain: {host: remote.acmecorp.com, backend: {external: {host: rival.engine.example.net, port: 8080}}}
`)
		fleet.partners("acme.yaml", "wayne.yaml", "rival.yaml")
		fleet.push(ctx)
		Eventually(ready(ctx, "partners")).Should(And(HavePrefix("False HealthCheckFailed"), ContainSubstring("Partner/rival")))
		// Flux names the object, and has no place for its words.
		var rival v1alpha1.Partner
		Expect(direct.Get(ctx, client.ObjectKey{Name: "rival"}, &rival)).To(Succeed())
		Expect(meta.FindStatusCondition(rival.Status.Conditions, "Ready").Message).To(Equal(
			`remote.acmecorp.com is held by Partner "acme": write another host, or remove it from that partner`))
	})

	It("says when a change is refused, with the field and the remedy", func(ctx SpecContext) {
		fleet.write("partners/rival.yaml", `
apiVersion: partner.dispel.com/v1alpha1
kind: Partner
metadata: {name: rival}
spec: {displayName: Rival, channelModel: Reseller, subdomain: {host: rival.example.com, backend: {external: {host: rival.engine.example.net, port: 8080}}}}
`)
		fleet.push(ctx)
		Eventually(ready(ctx, "partners")).Should(And(HavePrefix("False ReconciliationFailed"), ContainSubstring("spec.subdomain")))
	})

	It("prunes what is removed, and what is served only once that is confirmed", func(ctx SpecContext) {
		fleet.write("partners/rival.yaml", "")
		fleet.partners("wayne.yaml")
		fleet.push(ctx)
		Eventually(ready(ctx, "partners")).Should(ContainSubstring("Partner acme is served at http://remote.acmecorp.com, which its deletion would end"))
		acme := &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(acme), acme)).To(Succeed())
		for _, object := range []client.Object{acme, &v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}} {
			err := direct.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"partner.dispel.com/confirm-deletion":"acme"}}}`)))
			Expect(client.IgnoreNotFound(err)).To(Succeed())
		}
		reconcile(ctx, "partners", "confirmed")
		Eventually(ready(ctx, "partners")).Should(HavePrefix("True ReconciliationSucceeded"))
		for _, object := range []client.Object{acme, &v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "rival"}}} {
			Eventually(func() bool {
				return apierrors.IsNotFound(direct.Get(ctx, client.ObjectKeyFromObject(object), object))
			}).Should(BeTrue(), object.GetName())
		}
		Expect(direct.Get(ctx, client.ObjectKey{Name: "wayne"}, &v1alpha1.Partner{})).To(Succeed())
		Expect(direct.Get(ctx, client.ObjectKey{Name: objects.DefaultNamespace("acme")}, &corev1.Namespace{})).To(Succeed())
	})
})
