package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/testing/commands"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "demo")
}

// binaries is the folder of the operator and the plugin.
var binaries string

var _ = BeforeSuite(func(ctx SpecContext) {
	Expect(os.Chdir("../..")).To(Succeed())
	binaries = filepath.Dir(commands.Built(ctx, "cmd/partner-operator"))
	commands.Built(ctx, "cmd/kubectl-partner")
})

var _ = Describe("The demo", func() {
	It("brings every sample to its state, and its proposals work as printed", func(ctx SpecContext) {
		said := gbytes.NewBuffer()
		demo := Demo{Binaries: binaries, Out: said, Once: true, RunTries: true}
		Expect(demo.Run(ctx)).To(Succeed())
		shown := string(said.Contents())
		for _, try := range tries {
			Expect(shown).To(ContainSubstring("# " + try.look + "\n" + try.command + "\n"))
		}
		Expect(strings.Count(shown, "\n")).To(BeNumerically("<=", 40), "it fits a screen")
		for line := range strings.Lines(shown) {
			if !strings.HasPrefix(line, "export ") { // which have paths of the reader's machine
				Expect(len([]rune(line))-1).To(BeNumerically("<=", 120), line)
			}
		}
	})
})

var _ = Describe("The demo on the current cluster", Ordered, func() {
	var cluster *controlplane.ControlPlane
	BeforeAll(func(ctx SpecContext) {
		var err error
		cluster, err = controlplane.Start(ctx)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(cluster.Stop)
	})
	BeforeEach(func() {
		GinkgoT().Setenv("KUBECONFIG", cluster.Kubeconfig())
		GinkgoT().Setenv("PATH", filepath.Dir(cluster.Kubectl())+":"+os.Getenv("PATH"))
	})
	kubectl := func(args ...string) string {
		GinkgoHelper()
		out, err := exec.Command(cluster.Kubectl(), append([]string{"--kubeconfig=" + cluster.Kubeconfig()}, args...)...).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		return string(out)
	}
	// all is what the demo could leave behind.
	all := func() string {
		return kubectl("get", "namespaces,customresourcedefinitions,ingressclasses,clusterroles,validatingadmissionpolicies", "--output=name")
	}
	run := func(ctx context.Context, answer string) (string, error) {
		said := gbytes.NewBuffer()
		demo := Demo{Binaries: binaries, Out: said, Once: true, Current: true, Confirm: ask(strings.NewReader(answer+"\n"), said, "")}
		err := demo.Run(ctx)
		return string(said.Contents()), err
	}

	It("changes nothing unless the context is typed", func(ctx SpecContext) {
		before := all()
		said, err := run(ctx, "yes")
		Expect(err).To(MatchError(`the answer is "yes", not "partner-operator": nothing was changed`))
		Expect(said).To(ContainSubstring(`the cluster of context "partner-operator"`))
		Expect(all()).To(Equal(before))
	})

	It("removes what it made, and nothing else", func(ctx SpecContext) {
		before := all()
		said, err := run(ctx, "partner-operator")
		Expect(err).NotTo(HaveOccurred())
		Expect(said).To(ContainSubstring("remote.acmecorp.com"))
		Expect(all()).To(Equal(before))

		By("having another IngressClass, and being interrupted")
		kubectl("create", "--filename=config/samples/platform/ingress-class.yaml") // it stays as it is
		before = all()
		interrupted, interrupt := context.WithCancel(ctx)
		defer interrupt()
		ended := make(chan error, 1)
		go func() { _, err := run(interrupted, "partner-operator"); ended <- err }()
		Eventually(func() string { return kubectl("get", "namespaces", "--output=name") }).WithTimeout(patience).Should(ContainSubstring("partner-acme"))
		interrupt()
		Eventually(ended).WithTimeout(2 * patience).Should(Receive(HaveOccurred()))
		Expect(all()).To(Equal(before))
	})

	It("refuses a cluster where the operator is", func(ctx SpecContext) {
		kubectl("apply", "--server-side", "--kustomize=config/crd")
		before := all()
		_, err := run(ctx, "partner-operator")
		Expect(err).To(MatchError(And(ContainSubstring("has partner-operator or namespaces of partners already"), ContainSubstring("Nothing was changed"))))
		Expect(all()).To(Equal(before))
	})

	It("says what is missing without a context", func(ctx SpecContext) {
		GinkgoT().Setenv("KUBECONFIG", filepath.Join(GinkgoT().TempDir(), "none"))
		_, err := run(ctx, "partner-operator")
		Expect(err).To(MatchError(ContainSubstring("choose one with `kubectl config use-context`")))
	})
})
