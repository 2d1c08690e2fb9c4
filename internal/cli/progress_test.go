package cli

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
)

var _ = Describe("Progress", func() {
	It("is told of what takes more than a second, and leaves no trace on a terminal", func() {
		said := gbytes.NewBuffer()
		terminal := &Terminal{Err: said, Live: true}
		p := terminal.startProgress("Judging manifests")
		p.update(3, 10)
		Consistently(said.Contents, 500*time.Millisecond).Should(BeEmpty())
		Eventually(said, 5*time.Second).Should(gbytes.Say("Judging manifests: 3 of 10"))
		p.finish()
		Expect(string(said.Contents())).To(HaveSuffix("\r\x1b[K"))
	})

	It("is a line now and then elsewhere", func() {
		said := gbytes.NewBuffer()
		p := (&Terminal{Err: said}).startProgress("Reading partners")
		Eventually(said, 5*time.Second).Should(gbytes.Say("^Reading partners\n"))
		p.finish()
	})

	It("says nothing of what is done at once", func() {
		said := gbytes.NewBuffer()
		(&Terminal{Err: said, Live: true}).startProgress("Reading partners").finish()
		Expect(said.Contents()).To(BeEmpty())
	})
})
