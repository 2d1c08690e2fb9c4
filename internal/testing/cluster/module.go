package cluster

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// Downloaded is a file of a module that no module of the work tree depends on: CRDs
// of others, whose code is not needed.
func Downloaded(module, version string, elem ...string) string {
	GinkgoHelper()
	cmd := exec.Command("go", "mod", "download", "-json", module+"@"+version)
	cmd.Dir = os.TempDir()
	out, err := cmd.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	var found struct{ Dir string }
	Expect(json.Unmarshal(out, &found)).To(Succeed())
	return filepath.Join(append([]string{found.Dir}, elem...)...)
}
