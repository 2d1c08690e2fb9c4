package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/internal/testing/golden"
)

// instants are the moments at which the operator changed something.
var instants = regexp.MustCompile(`("lastTransitionTime": ")[^"]+`)

// Each file in testdata/golden is a command, after a dollar sign, and what it
// prints for the samples; its exit status follows if it is not 0. The
// documentation shows them. A new case is a file with the command in it; `make
// generate` writes the rest.
var _ = Describe("A command's output for the samples", func() {
	const folder = "testdata/golden"
	files, err := filepath.Glob(folder + "/*")
	if err != nil || len(files) == 0 {
		panic("no golden files")
	}
	for _, file := range files {
		It("is that of "+filepath.Base(file), func(ctx SpecContext) {
			path := filepath.Join("internal/cli", file) // from the root of the tree
			data, err := os.ReadFile(path)
			Expect(err).NotTo(HaveOccurred())
			command, _, _ := strings.Cut(string(data), "\n")
			line, ok := strings.CutPrefix(command, "$ kubectl partner ")
			Expect(ok).To(BeTrue(), "the first line is the command")
			got := run(ctx, line)
			if got.status == 3 {
				Expect(string(data)).To(Or(ContainSubstring("(exit status 3)"), Equal(command+"\n")), "an error is not what this case shows, and not written: %s", got.err)
			}
			text := command + "\n" + got.out + got.err
			if got.status != 0 {
				text += fmt.Sprintf("(exit status %d)\n", got.status)
			}
			text = instants.ReplaceAllString(text, "${1}2026-12-01T00:00:00Z")
			golden.ExpectFile(path, []byte(text))
		})
	}
})
