// Package golden compares outcomes with files. UPDATE_GOLDEN=1 writes the files
// anew, once all specs of the suite have passed: a failing suite must not change golden
// files.
package golden

import (
	"os"
	"path/filepath"
	"strings"
	"sync"

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
		path, err := filepath.Abs(output)
		Expect(err).NotTo(HaveOccurred())
		outcomes.Store(path, got)
		return
	}
	want, err := os.ReadFile(output)
	Expect(err).NotTo(HaveOccurred())
	Expect(string(got)).To(Equal(string(want)), "run `make generate` if this is meant, and read the difference")
}

// outcomes are what to write when the suite is over, by the path of the file.
var outcomes sync.Map

var _ = ReportAfterSuite("Golden files are written", func(report Report) {
	if !report.SuiteSucceeded {
		return
	}
	outcomes.Range(func(output, got any) bool {
		Expect(os.WriteFile(output.(string), got.([]byte), 0o644)).To(Succeed())
		return true
	})
})
