package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	"github.com/dispel/partner-operator/internal/controlplane/assets"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "prepare")
}

var _ = Describe("A build that fails", func() {
	DescribeTable("says what to do",
		func(said, remedy string) {
			err := explain(context.Background(), "compiling packages", []string{said}, errors.New("exit status 1"))
			Expect(err).To(MatchError(And(ContainSubstring(remedy), ContainSubstring(said))))
		},
		Entry("on a full disk", "link: write /tmp/x: no space left on device", "the disk is full"),
		Entry("on a full disk, of what to move", "mkdir: disk quota exceeded", "point GOCACHE, GOMODCACHE and PARTNER_OPERATOR_CACHE elsewhere"),
		Entry("without a network", `reading https://proxy.example/x.mod: dial tcp: lookup proxy.example: no such host`, "Check the network and GOPROXY"),
		Entry("of which module", `go: example.com/a/b@v1.2.3: reading https://proxy.example/x.zip: 403 Forbidden`, "example.com/a/b@v1.2.3 could not be downloaded"),
		Entry("when the proxy refuses", `reading https://proxy.example/x.zip: 403 Forbidden`, "Check the network and GOPROXY"),
		Entry("for another reason, as it is", "undefined: x", "exit status 1"),
	)

	It("says that nothing is lost when interrupted", func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		Expect(explain(ctx, "compiling packages", nil, errors.New("killed"))).To(MatchError(
			"compiling packages: interrupted; what is compiled so far is kept in Go's build cache"))
	})
})

var _ = Describe("Two runs at once", func() {
	It("build one after the other, and tell which module is refused", func(ctx SpecContext) {
		GinkgoT().Setenv(assets.FolderEnv, "")
		GinkgoT().Setenv(assets.CacheEnv, GinkgoT().TempDir())
		GinkgoT().Setenv("GOPROXY", "http://127.0.0.1:1")
		GinkgoT().Setenv("GOMODCACHE", GinkgoT().TempDir())
		GinkgoT().Setenv("GONOSUMDB", "*")
		wanted, err := assets.Wanted()
		Expect(err).NotTo(HaveOccurred())
		said, ended := gbytes.NewBuffer(), make(chan error, 2)
		for range 2 {
			go func() {
				p := preparation{out: said, wanted: wanted}
				ended <- p.run(ctx, buildTarget{controlPlane: true})
			}()
		}
		for range 2 {
			var err error
			Eventually(ended).WithTimeout(time.Minute).Should(Receive(&err))
			Expect(err).To(MatchError(And(MatchRegexp(`\S+@v\S+ could not be downloaded. Check the network and GOPROXY`), ContainSubstring("connection refused"))))
		}
		Expect(string(said.Contents())).To(ContainSubstring("Another run is building; waiting for it to end"))
		Expect(filepath.Glob(filepath.Join(wanted.Cache, building+"*"))).To(BeEmpty(), "nothing half-done is left behind")
	})
})
