// Package golden compares outcomes with files. UPDATE_GOLDEN=1 writes the files
// anew.
package golden

import (
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// ExpectOutcome holds got against <case>.out.yaml, beside the input <case>.in.yaml.
func ExpectOutcome(input string, got []byte) {
	GinkgoHelper()
	ExpectFile(strings.Replace(input, ".in.", ".out.", 1), got)
}

// ExpectFile holds got against a file.
func ExpectFile(output string, got []byte) {
	GinkgoHelper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		Expect(os.WriteFile(output, got, 0o644)).To(Succeed())
	}
	want, err := os.ReadFile(output)
	Expect(err).NotTo(HaveOccurred())
	Expect(string(got)).To(Equal(string(want)), "run `make generate` if this is meant, and read the difference")
}
