package preview_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/dispel/partner-operator/internal/manifests"
	"github.com/dispel/partner-operator/internal/preview"
)

// FuzzPlan plans any manifests: whatever they are, there is an answer, and each
// finding says where it is from.
func FuzzPlan(f *testing.F) {
	files, err := filepath.Glob("../../config/samples/*/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("kind: List\napiVersion: v1\nitems: [{}, null, 1, {apiVersion: partner.dispel.com/v1alpha1, kind: Partner}]\n"))
	f.Add([]byte("--- # two\n\xff\xfe\n---\n{\"apiVersion\": \"partner.dispel.com/v1alpha1\", \"kind\": \"PCSMAllocation\", \"spec\": {\"fte\": 1e400}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		documents, err := manifests.Read(manifests.Input{Paths: []string{"-"}, Stdin: bytes.NewReader(data)})
		if err != nil {
			t.Fatal(err)
		}
		planned, err := preview.New(t.Context(), documents, preview.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, finding := range planned.Findings {
			if finding.Message == "" {
				t.Fatalf("a finding that says nothing: %+v", finding)
			}
		}
		for _, err := range planned.Partners(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}
