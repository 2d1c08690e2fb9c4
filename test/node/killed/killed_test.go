//go:build node

// Package killed ends nodes in the middle, in every way, and looks for what is left of them.
package killed

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"

	"github.com/dispel/partner-operator/internal/testing/cluster"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "nodes that are killed")
}

// kills is how often; KILLS says another number.
func kills() int {
	n, err := strconv.Atoi(os.Getenv("KILLS"))
	if err != nil {
		return 3
	}
	return n
}

// start runs a command beside nodes whose folder is in another.
func start(folder string, command ...string) *gexec.Session {
	GinkgoHelper()
	built := filepath.Join(cluster.Root(), "build", "node")
	cmd := exec.Command(filepath.Join(built, "node"), append([]string{"-image", filepath.Join(built, "pod.tar"), "-image", filepath.Join(built, "dns.tar"), "--"}, command...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+folder)
	session, err := gexec.Start(cmd, GinkgoWriter, GinkgoWriter)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { session.Kill() })
	return session
}

// settings are the kernel's that kubelet would change.
func settings() (values []string) {
	for _, name := range []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes", "net/ipv4/ip_forward"} {
		value, _ := os.ReadFile("/proc/sys/" + name)
		values = append(values, name+" "+string(value))
	}
	return values
}

func links() (names []string) {
	GinkgoHelper()
	all, err := net.Interfaces()
	Expect(err).NotTo(HaveOccurred())
	for _, link := range all {
		names = append(names, link.Name)
	}
	return names
}

// left is what is there of the nodes whose folders are, or were, in another: folders, mounts,
// processes and cgroups.
func left(folder string, clusters []string) (found []string) {
	GinkgoHelper()
	entries, err := os.ReadDir(folder)
	Expect(err).NotTo(HaveOccurred())
	for _, entry := range entries {
		found = append(found, "folder "+entry.Name())
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	Expect(err).NotTo(HaveOccurred())
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, folder) {
			found = append(found, "mount "+line)
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	Expect(err).NotTo(HaveOccurred())
	for _, file := range processes {
		if line, _ := os.ReadFile(file); strings.Contains(string(line), folder) {
			found = append(found, "process "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	for _, name := range clusters {
		for _, pattern := range []string{"/sys/fs/cgroup/" + name + "-*", "/sys/fs/cgroup/*/" + name + "-*"} {
			cgroups, err := filepath.Glob(pattern)
			Expect(err).NotTo(HaveOccurred())
			found = append(found, cgroups...)
		}
	}
	return found
}

// clusters are the names of those whose folders are in another.
func clusters(folder string) (names []string) {
	GinkgoHelper()
	entries, err := os.ReadDir(folder)
	Expect(err).NotTo(HaveOccurred())
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

var _ = Describe("Nodes", func() {
	var folder string
	var linksBefore, settingsBefore []string
	BeforeEach(func() {
		folder = GinkgoT().TempDir()
		linksBefore, settingsBefore = links(), settings()
	})
	expectNothing := func(names []string) {
		GinkgoHelper()
		Eventually(func() []string { return left(folder, names) }).WithTimeout(90 * time.Second).Should(BeEmpty())
		Expect(links()).To(ConsistOf(linksBefore))
		Expect(settings()).To(Equal(settingsBefore))
	}

	It("leave nothing when they are killed in the middle", func() {
		for range kills() {
			session := start(folder, "sh", "-c", "sleep 60; : "+folder)
			after := time.Duration(rand.Int64N(int64(15 * time.Second)))
			Consistently(session).WithTimeout(after).ShouldNot(gexec.Exit())
			names := clusters(folder)
			Expect(session.Command.Process.Signal(syscall.SIGKILL)).To(Succeed())
			Eventually(session).WithTimeout(time.Minute).Should(gexec.Exit())
			expectNothing(names)
			fmt.Fprintln(GinkgoWriter, "killed after", after, names)
		}
	})

	It("leave nothing when they are interrupted, and end with the command's status", func() {
		session := start(folder, "sh", "-c", "sleep 60")
		Eventually(session.Err).WithTimeout(time.Minute).Should(gbytes.Say("Two nodes are ready"))
		names := clusters(folder)
		session.Interrupt()
		Eventually(session).WithTimeout(90 * time.Second).Should(gexec.Exit())
		Expect(session.ExitCode()).NotTo(BeZero())
		expectNothing(names)

		session = start(folder, "sh", "-c", "exit 7")
		Eventually(session).WithTimeout(90 * time.Second).Should(gexec.Exit(7))
		expectNothing(nil)
	})

	It("run beside others", func() {
		first, second := start(folder, "sh", "-c", "sleep 5"), start(folder, "sh", "-c", "sleep 5")
		Eventually(first).WithTimeout(2 * time.Minute).Should(gexec.Exit(0))
		Eventually(second).WithTimeout(2 * time.Minute).Should(gexec.Exit(0))
		expectNothing(nil)
	})
})
