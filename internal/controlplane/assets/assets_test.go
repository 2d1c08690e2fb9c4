package assets

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "assets")
}

var _ = Describe("The binaries", func() {
	var folder string
	BeforeEach(func() {
		folder = GinkgoT().TempDir()
		GinkgoT().Setenv(CacheEnv, GinkgoT().TempDir())
		GinkgoT().Setenv(KubernetesEnv, "")
		GinkgoT().Setenv(FolderEnv, "")
	})
	binaries := func(names ...string) {
		for _, name := range names {
			Expect(os.WriteFile(filepath.Join(folder, name), nil, 0o755)).To(Succeed())
		}
	}

	It("are taken as they are from a complete KUBEBUILDER_ASSETS", func() {
		GinkgoT().Setenv(FolderEnv, folder)
		binaries(Binaries...)
		Expect(Dir()).To(Equal(folder))
	})

	It("are those of an incomplete KUBEBUILDER_ASSETS, and only what is missing is built", func() {
		whole, err := Wanted()
		Expect(err).NotTo(HaveOccurred())
		GinkgoT().Setenv(FolderEnv, folder)
		binaries("etcd", "kube-apiserver", "kubectl")
		wanted, err := Wanted()
		Expect(err).NotTo(HaveOccurred())
		Expect(wanted.Components).To(ConsistOf("kube-controller-manager"))
		Expect(wanted.Tags).To(ConsistOf("only", "kube_controller_manager"))
		Expect(wanted.Given).To(Equal(folder))
		Expect(wanted.Dir).NotTo(Equal(whole.Dir))
		Expect(wanted.Built()).To(BeFalse())
	})

	It("are missing from a KUBEBUILDER_ASSETS that has none, which is said", func() {
		GinkgoT().Setenv(FolderEnv, folder)
		_, err := Dir()
		Expect(err).To(MatchError(And(ContainSubstring("KUBEBUILDER_ASSETS is "+"\""+folder), ContainSubstring("or unset it"))))
	})

	It("are those of a version that is asked for, whatever KUBEBUILDER_ASSETS says", func() {
		GinkgoT().Setenv(FolderEnv, folder)
		binaries(Binaries...)
		GinkgoT().Setenv(KubernetesEnv, "1.35")
		_, err := Dir()
		Expect(err).To(MatchError(ContainSubstring("kubernetes-v1.35.")))
		GinkgoT().Setenv(KubernetesEnv, "1.3")
		_, err = Dir()
		Expect(err).To(MatchError(ContainSubstring(`PARTNER_OPERATOR_KUBERNETES is "1.3", and no file pins that version`)))
	})

	It("are said to be missing with the remedy", func() {
		_, err := Dir()
		Expect(err).To(MatchError(ContainSubstring("run `make controlplane`")))
	})
})
