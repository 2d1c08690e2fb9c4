package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/resource"
	"sigs.k8s.io/yaml"
)

// benchPartners is how many Partners are planned, each with two allocations.
const benchPartners = 10_000

// BenchmarkPlan sets `kubectl partner plan` on 10,000 partners beside what reads
// the same files and does nothing else: kubectl's own reader, and the YAML library
// alone. The memory is the largest that the command had.
func BenchmarkPlan(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "kubectl-partner")
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatal(err, string(out))
	}
	folder, documents := benchTree(b)
	for _, format := range []string{"text", "json"} {
		b.Run(format, func(b *testing.B) {
			var kubectl, library, plan time.Duration
			var memory int64
			for b.Loop() {
				kubectl += timed(func() { readAsKubectl(b, folder) })
				library += timed(func() { unmarshal(b, documents) })
				plan += timed(func() { memory = max(memory, runPlan(b, binary, folder, format)) })
			}
			seconds := func(d time.Duration) float64 { return d.Seconds() / float64(b.N) }
			b.ReportMetric(seconds(plan), "plan-s")
			b.ReportMetric(seconds(kubectl), "kubectl-reads-s")
			b.ReportMetric(seconds(library), "yaml-s")
			b.ReportMetric(float64(plan)/float64(kubectl), "plan/kubectl-reads")
			b.ReportMetric(float64(plan)/float64(library), "plan/yaml")
			b.ReportMetric(float64(memory)/1024, "MiB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func timed(do func()) time.Duration {
	start := time.Now()
	do()
	return time.Since(start)
}

// benchTree writes partners like the sample acme, one a file.
func benchTree(b *testing.B) (folder string, documents [][]byte) {
	sample, err := os.ReadFile("../../config/samples/partners/acme.yaml")
	if err != nil {
		b.Fatal(err)
	}
	class, err := os.ReadFile("../../config/samples/platform/ingress-class.yaml")
	if err != nil {
		b.Fatal(err)
	}
	folder = b.TempDir()
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			b.Fatal(err)
		}
		documents = append(documents, bytes.Split(data, []byte("\n---\n"))...)
	}
	write("class.yaml", class)
	for i := range benchPartners {
		name := fmt.Sprintf("p%05d", i)
		write(name+".yaml", bytes.ReplaceAll(sample, []byte("acme"), []byte(name)))
	}
	return folder, documents
}

func readAsKubectl(b *testing.B, folder string) {
	infos, err := resource.NewLocalBuilder().Unstructured().Flatten().
		FilenameParam(false, &resource.FilenameOptions{Filenames: []string{folder}, Recursive: true}).Do().Infos()
	if err != nil || len(infos) != 3*benchPartners+1 {
		b.Fatal(len(infos), err)
	}
}

func unmarshal(b *testing.B, documents [][]byte) {
	for _, document := range documents {
		var object map[string]any
		if err := yaml.Unmarshal(document, &object); err != nil {
			b.Fatal(err)
		}
	}
}

// runPlan returns the largest memory that the command had, in KiB.
func runPlan(b *testing.B, binary, folder, format string) int64 {
	cmd := exec.Command(binary, "plan", "--filename", folder, "--output", format)
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		b.Fatal(err)
	}
	if cmd.ProcessState.ExitCode() > 1 {
		b.Fatal(cmd.ProcessState)
	}
	return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
}
