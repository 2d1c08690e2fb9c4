// Package commands has the work tree's own commands for the suites that run them.
package commands

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/internal/build"
	"github.com/dispel/partner-operator/internal/controlplane/assets"
)

// Built is the path of a command, such as "cmd/partner-operator", as it is in the work
// tree now. All suites have it from one folder, so that it is linked once.
func Built(ctx context.Context, command string) string {
	GinkgoHelper()
	root, err := assets.Root()
	Expect(err).NotTo(HaveOccurred())
	folder := filepath.Join(root, "build", "commands")
	Expect(os.MkdirAll(folder, 0o755)).To(Succeed())
	lock, err := os.Create(filepath.Join(folder, ".lock"))
	Expect(err).NotTo(HaveOccurred())
	defer lock.Close()
	Expect(syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)).To(Succeed())
	link := exec.CommandContext(ctx, "go", "build", "-o", folder, "./"+command)
	link.Dir = root
	// However the tests are run, or runs would replace each other's.
	link.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="+build.Flags, "GOWORK=auto")
	out, err := link.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	return filepath.Join(folder, filepath.Base(command))
}
