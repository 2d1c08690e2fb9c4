package main

import (
	"os"
	"os/exec"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "demo")
}

var _ = Describe("The demo", func() {
	It("brings every sample to its state, and its proposals work as printed", func(ctx SpecContext) {
		Expect(os.Chdir("../..")).To(Succeed())
		binaries := GinkgoT().TempDir()
		out, err := exec.Command("go", "build", "-o", binaries, "./cmd/...").CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		said := gbytes.NewBuffer()
		demo := Demo{Binaries: binaries, Out: said, Once: true, RunTries: true}
		Expect(demo.Run(ctx)).To(Succeed())
		for _, try := range tries {
			for _, command := range try.commands {
				Expect(string(said.Contents())).To(ContainSubstring(command))
			}
		}
	})
})
