package gitops

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/fluxcd/pkg/ssa"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// countedInGit is a Partner as Git has it, which leaves the count to others.
const countedInGit = `
apiVersion: partner.dispel.com/v1alpha1
kind: Partner
metadata: {name: counted}
spec:
  displayName: Counted
  channelModel: OEM
  deletionPolicy: Delete
`

// runJob runs what the example's CronJob runs, as its service account, and returns
// what it says.
func runJob(ctx context.Context, config *rest.Config, counts map[string]string) (string, error) {
	GinkgoHelper()
	var script string
	for _, object := range cluster.ReadObjects("examples/customer-count/cronjob.yaml") {
		if object.GetKind() != "CronJob" {
			continue
		}
		containers, _, err := unstructured.NestedSlice(object.Object, "spec", "jobTemplate", "spec", "template", "spec", "containers")
		Expect(err).NotTo(HaveOccurred())
		args, _, err := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
		Expect(err).NotTo(HaveOccurred())
		script = args[0]
	}
	folder := GinkgoT().TempDir()
	for name, count := range counts {
		Expect(os.WriteFile(filepath.Join(folder, name), []byte(count), 0o600)).To(Succeed())
	}
	Expect(rest.LoadTLSFiles(config)).To(Succeed())
	api := clientcmdapi.NewConfig()
	api.Clusters["it"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	api.AuthInfos["it"] = &clientcmdapi.AuthInfo{Token: config.BearerToken}
	api.Contexts["it"] = &clientcmdapi.Context{Cluster: "it", AuthInfo: "it"}
	api.CurrentContext = "it"
	kubeconfig := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(clientcmd.WriteToFile(*api, kubeconfig)).To(Succeed())

	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", script)
	cmd.Env = append(os.Environ(), "COUNTS="+folder, "KUBECONFIG="+kubeconfig, "PATH="+filepath.Dir(controlPlane.Kubectl())+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var _ = Describe("The job that writes customer counts", func() {
	It("owns the count, and no GitOps tool reverts it", func(ctx SpecContext) {
		const namespace = "partner-operator-system"
		Expect(client.IgnoreAlreadyExists(direct.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))).To(Succeed())
		kubectl(ctx, "apply", "--server-side", "-f", "examples/customer-count")
		DeferCleanup(func(ctx SpecContext) {
			kubectl(ctx, "delete", "-f", "examples/customer-count")
			kubectl(ctx, "delete", "--ignore-not-found", "partner", "counted")
		})
		cluster.AwaitRights(ctx, direct, namespace, "crm-sync", cluster.Rules("examples/customer-count/cronjob.yaml"))
		job := controlPlane.Config()
		job.BearerToken = strings.TrimSpace(kubectl(ctx, "create", "token", "crm-sync", "--namespace="+namespace))
		declared := func() *unstructured.Unstructured { return cluster.ParseObjects([]byte(countedInGit))[0] }
		flux := ssa.NewResourceManager(direct, nil, ssa.Owner{Field: "kustomize-controller", Group: "kustomize.toolkit.fluxcd.io"})
		_, err := flux.Apply(ctx, declared(), ssa.DefaultApplyOptions())
		Expect(err).NotTo(HaveOccurred())

		said, err := runJob(ctx, job, map[string]string{"counted": "28", "nobody": "5"})
		Expect(err).To(HaveOccurred(), "one of the two Partners is not there")
		Expect(said).To(And(ContainSubstring("partner.partner.dispel.com/counted serverside-applied"), ContainSubstring("spec.displayName: Required value")))
		counted := &v1alpha1.Partner{}
		Eventually(ctx, func(g Gomega) {
			g.Expect(direct.Get(ctx, client.ObjectKey{Name: "counted"}, counted)).To(Succeed())
			g.Expect(counted.Status.Customers).NotTo(BeNil())
			g.Expect(*counted.Status.Customers.Count).To(Equal(int32(28)))
			g.Expect(counted.Status.Customers.Manager).To(Equal("crm-sync"))
		}).Should(Succeed())

		By("finding no drift with Flux's own code")
		change, _, _, err := flux.Diff(ctx, declared(), ssa.DefaultDiffOptions())
		Expect(err).NotTo(HaveOccurred())
		Expect(change.Action).To(Equal(ssa.UnchangedAction))
		change, err = flux.Apply(ctx, declared(), ssa.DefaultApplyOptions())
		Expect(err).NotTo(HaveOccurred())
		Expect(change.Action).To(Equal(ssa.UnchangedAction))

		By("finding none in the dry run of a server-side apply, which is Argo CD's server-side diff")
		dry := declared()
		Expect(direct.Apply(ctx, client.ApplyConfigurationFromUnstructured(dry), client.FieldOwner("argocd-controller"), client.DryRunAll)).To(Succeed())
		Expect(dry.Object["spec"]).To(HaveKeyWithValue("customerCount", int64(28)))

		By("telling of a Git that sets the count, too")
		both := declared()
		Expect(unstructured.SetNestedField(both.Object, int64(30), "spec", "customerCount")).To(Succeed())
		Expect(direct.Apply(ctx, client.ApplyConfigurationFromUnstructured(both), client.FieldOwner("kustomize-controller"), client.ForceOwnership)).To(Succeed())
		said, err = runJob(ctx, job, map[string]string{"counted": "29"})
		Expect(err).To(HaveOccurred())
		Expect(said).To(And(ContainSubstring(`conflict with "kustomize-controller"`), ContainSubstring(".spec.customerCount")))
	})
})
