package controlplane_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/dispel/partner-operator/internal/controlplane"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(60 * time.Second)
	RunSpecs(t, "controlplane")
}

var _ = Describe("A control plane", func() {
	It("answers, survives a restart of its API server, and leaves nothing behind", func(ctx SpecContext) {
		controlPlane, err := controlplane.Start(ctx)
		Expect(err).NotTo(HaveOccurred())
		dir := filepath.Dir(controlPlane.Kubeconfig())
		set, err := kubernetes.NewForConfig(controlPlane.Config())
		Expect(err).NotTo(HaveOccurred())
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
		_, err = set.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())

		Expect(controlPlane.StopAPIServer()).To(Succeed())
		_, err = set.CoreV1().Namespaces().Get(ctx, "kept", metav1.GetOptions{})
		Expect(err).To(HaveOccurred())
		Expect(controlPlane.StartAPIServer(ctx)).To(Succeed())
		_, err = set.CoreV1().Namespaces().Get(ctx, "kept", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())

		By("having kube-controller-manager at work")
		Eventually(func() error {
			_, err := set.CoreV1().ServiceAccounts("kept").Get(ctx, "default", metav1.GetOptions{})
			return err
		}).Should(Succeed())

		out, err := exec.Command(controlPlane.Kubectl(), "--kubeconfig", controlPlane.Kubeconfig(), "get", "namespaces").CombinedOutput()
		Expect(err).NotTo(HaveOccurred())
		Expect(string(out)).To(ContainSubstring("kept"))

		Expect(controlPlane.Stop()).To(Succeed())
		Expect(dir).NotTo(BeADirectory())
	})

	DescribeTable("leaves nothing behind",
		func(signal syscall.Signal) {
			binary := filepath.Join(GinkgoT().TempDir(), "cluster")
			out, err := exec.Command("go", "build", "-o", binary, "../../hack/cluster").CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(out))
			said := gbytes.NewBuffer()
			cmd := exec.Command(binary, "start")
			cmd.Stdout, cmd.Stderr = said, GinkgoWriter
			Expect(cmd.Start()).To(Succeed())
			Eventually(said).Should(gbytes.Say(`export KUBECONFIG=\S+\n`))
			kubeconfig := regexp.MustCompile(`KUBECONFIG=(\S+)`).FindSubmatch(said.Contents())[1]
			dir := filepath.Dir(string(kubeconfig))
			Expect(dir).To(BeADirectory())
			Expect(cmd.Process.Signal(signal)).To(Succeed())
			_ = cmd.Wait()
			Eventually(func() bool { _, err := os.Stat(dir); return os.IsNotExist(err) }).Should(BeTrue())
			Eventually(func() string {
				// Every component has the folder on its command line.
				found, _ := exec.Command("pgrep", "-f", dir).Output()
				return string(found)
			}).Should(BeEmpty())
		},
		Entry("when interrupted", syscall.SIGINT),
		Entry("when told to end", syscall.SIGTERM),
		Entry("when killed", syscall.SIGKILL),
	)
})

var _ = Describe("The binaries", func() {
	It("are taken as they are from a complete KUBEBUILDER_ASSETS, and only then", func() {
		built, err := controlplane.Assets()
		Expect(err).NotTo(HaveOccurred())
		folder := GinkgoT().TempDir()
		GinkgoT().Setenv(controlplane.AssetsEnv, folder)
		for _, name := range []string{"etcd", "kube-apiserver", "kubectl"} {
			Expect(os.WriteFile(filepath.Join(folder, name), nil, 0o755)).To(Succeed())
		}
		Expect(controlplane.Assets()).To(Equal(built), "kube-controller-manager is missing")
		Expect(os.WriteFile(filepath.Join(folder, "kube-controller-manager"), nil, 0o755)).To(Succeed())
		GinkgoT().Setenv(controlplane.KubernetesEnv, "")
		Expect(controlplane.Assets()).To(Equal(folder))
	})

	It("are those of a version that is asked for, whatever KUBEBUILDER_ASSETS says", func() {
		GinkgoT().Setenv(controlplane.CacheEnv, GinkgoT().TempDir())
		GinkgoT().Setenv(controlplane.KubernetesEnv, "1.35")
		_, err := controlplane.Assets()
		Expect(err).To(MatchError(ContainSubstring("kubernetes-v1.35.")))
		GinkgoT().Setenv(controlplane.KubernetesEnv, "1.3")
		_, err = controlplane.Assets()
		Expect(err).To(MatchError(ContainSubstring(`PARTNER_OPERATOR_KUBERNETES is "1.3", and no file pins that version`)))
	})

	It("are said to be missing with the remedy", func() {
		GinkgoT().Setenv(controlplane.AssetsEnv, "")
		GinkgoT().Setenv(controlplane.CacheEnv, GinkgoT().TempDir())
		_, err := controlplane.Assets()
		Expect(err).To(MatchError(ContainSubstring("run `make controlplane`")))
	})

	It("are built by one of two at once, and a download that is refused is told", func(ctx SpecContext) {
		GinkgoT().Setenv(controlplane.AssetsEnv, "")
		GinkgoT().Setenv(controlplane.CacheEnv, GinkgoT().TempDir())
		GinkgoT().Setenv("GOPROXY", "http://127.0.0.1:1")
		GinkgoT().Setenv("GOMODCACHE", GinkgoT().TempDir())
		GinkgoT().Setenv("GONOSUMDB", "*")
		first, second := gbytes.NewBuffer(), gbytes.NewBuffer()
		ended := make(chan error, 2)
		go func() { _, err := controlplane.Build(ctx, first); ended <- err }()
		go func() { _, err := controlplane.Build(ctx, second); ended <- err }()
		for range 2 {
			var err error
			Eventually(ended).Should(Receive(&err))
			Expect(err).To(MatchError(And(
				ContainSubstring("a module could not be downloaded. Check the network and GOPROXY"), ContainSubstring("connection refused"))))
		}
		Expect(string(first.Contents()) + string(second.Contents())).To(ContainSubstring("Another build of the control plane is under way; waiting for it"))
	})
})
