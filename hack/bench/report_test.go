package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "bench")
}

var _ = Describe("docs/performance.md", func() {
	It("shows the report in docs/performance.json", func() {
		data, err := os.ReadFile("../../docs/performance.json")
		Expect(err).NotTo(HaveOccurred())
		var r report
		Expect(json.Unmarshal(data, &r)).To(Succeed())
		page, err := os.ReadFile("../../docs/performance.md")
		Expect(err).NotTo(HaveOccurred())
		_, rest, _ := strings.Cut(string(page), begin)
		part, _, _ := strings.Cut(rest, end)
		Expect(part).To(Equal(r.markdown()))
	})
})
