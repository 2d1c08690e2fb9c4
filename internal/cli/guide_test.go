package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// step is a manifest to apply or commands to run, in a page of the documentation.
var step = regexp.MustCompile("(?s)```(yaml|sh)\n(.*?)```")

var _ = Describe("Following docs/operations.md", func() {
	It("leads where it says", func(ctx SpecContext) {
		page, err := os.ReadFile("docs/operations.md")
		Expect(err).NotTo(HaveOccurred())
		steps := step.FindAllStringSubmatch(string(page), -1)
		Expect(len(steps)).To(BeNumerically(">", 6))
		for _, step := range steps {
			command := step[2]
			if step[1] == "yaml" {
				command = "kubectl apply --server-side --force-conflicts -f - <<'EOF'\n" + step[2] + "EOF\n"
			}
			By(strings.SplitN(step[2], "\n", 2)[0])
			cmd := exec.CommandContext(ctx, "bash", "-euc", command)
			cmd.Env = append(os.Environ(), "KUBECONFIG="+controlPlane.Kubeconfig(), "PATH="+filepath.Dir(controlPlane.Kubectl())+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), command+string(out))
		}
		for _, object := range []client.Object{&v1alpha1.Partner{}, &v1alpha1.PCSMAllocation{}} {
			for _, name := range []string{"wallace", "wallace-1", "wallace-2"} {
				object.SetName(name)
				Expect(client.IgnoreNotFound(direct.Delete(ctx, object))).To(Succeed())
			}
		}
		for _, name := range []string{"partner-umbrella", "partner-tyrell", "partner-wallace"} {
			Expect(direct.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
			Eventually(func() error { return direct.Get(ctx, client.ObjectKey{Name: name}, &corev1.Namespace{}) }).WithTimeout(time.Minute).ShouldNot(Succeed())
		}
	})
})
