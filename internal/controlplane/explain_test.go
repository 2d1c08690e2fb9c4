package controlplane

import (
	"context"
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("A build that fails", func() {
	DescribeTable("says what to do",
		func(said, remedy string) {
			err := explain(context.Background(), "compiling packages", []string{said}, errors.New("exit status 1"))
			Expect(err).To(MatchError(And(ContainSubstring(remedy), ContainSubstring(said))))
		},
		Entry("on a full disk", "link: write /tmp/x: no space left on device", "the disk is full"),
		Entry("on a full disk, of what to move", "mkdir: disk quota exceeded", "point GOCACHE, GOMODCACHE and PARTNER_OPERATOR_CACHE elsewhere"),
		Entry("without a network", `reading https://proxy.example/x.mod: dial tcp: lookup proxy.example: no such host`, "Check the network and GOPROXY"),
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
