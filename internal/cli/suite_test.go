package cli_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/cli"
	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/settings"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "cli")
}

var (
	controlPlane *controlplane.ControlPlane
	direct       client.Client
	// reader is a kubeconfig that may only read, so that whatever passes with it
	// writes nothing.
	reader string
)

// The samples are applied, and the operator made of them what it does.
var _ = BeforeSuite(func(ctx SpecContext) {
	ctrl.SetLogger(logr.Discard())
	controlPlane, direct = cluster.Start(ctx)
	root := cluster.Root()
	Expect(os.Chdir(root)).To(Succeed())
	startManager(controlPlane.Config())
	kubectl(ctx, "apply", "--server-side", "--kustomize", "config/samples")
	Eventually(direct.Get).WithContext(ctx).WithArguments(client.ObjectKey{Name: "portal.stark.com"}, &v1alpha1.SubdomainClaim{}).Should(Succeed())
	kubectl(ctx, "apply", "--server-side", "--kustomize", "config/samples/rival")
	kubectl(ctx, "wait", "partners", "--all", "--for=jsonpath={.status.observedGeneration}=1", "--timeout=60s")
	mayListChildren(ctx, "reader")
	reader = cluster.Kubeconfig(cluster.AsServiceAccount(ctx, controlPlane, direct, "reader", "internal/cli/testdata/reader.yaml"))
})

// mayListChildren lets a service account list the kinds of the operator's table, for plan --against-cluster
// and import.
func mayListChildren(ctx context.Context, account string) {
	GinkgoHelper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: account + "-children"}}
	for _, kind := range kinds.All {
		resource, _ := meta.UnsafeGuessKindToResource(kind.GroupVersionKind)
		role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{resource.Group}, Resources: []string{resource.Resource}, Verbs: []string{"list"}})
	}
	Expect(direct.Create(ctx, role)).To(Succeed())
	Expect(direct.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "system", Name: account}},
	})).To(Succeed())
}

// today is the time in these tests, for the operator and for the plugin: what both say
// depends on the clocks of the world.
var today = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// startManager runs the operator with its default settings.
func startManager(config *rest.Config) {
	GinkgoHelper()
	operatorSettings, err := settings.Defaults()
	Expect(err).NotTo(HaveOccurred())
	ctx, stop := context.WithCancel(context.Background())
	mgr, err := manager.New(ctx, config, manager.Options{
		Settings: operatorSettings, Workers: 4, TotalsInterval: time.Second, ResyncPeriod: time.Hour, ShutdownTimeout: 10 * time.Second,
		Clock: clocktesting.NewFakePassiveClock(today), HealthAddress: "0", MetricsAddress: "0", Unnamed: true,
	})
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan error)
	go func() { ended <- mgr.Start(ctx) }()
	DeferCleanup(func() {
		stop()
		Expect(<-ended).To(Succeed())
	})
}

func kubectl(ctx context.Context, args ...string) {
	GinkgoHelper()
	args = append([]string{"--kubeconfig", controlPlane.Kubeconfig()}, args...)
	out, err := exec.CommandContext(ctx, controlPlane.Kubectl(), args...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
}

// result is what a command did.
type result struct {
	out, err string
	status   int
}

// run runs the plugin as somebody who may only read. Words in quotes stay together.
func run(ctx context.Context, line string) result {
	return runOn(ctx, &cli.Terminal{}, line+" --kubeconfig "+reader)
}

func runOn(ctx context.Context, terminal *cli.Terminal, line string) result {
	GinkgoHelper()
	var args []string
	for _, match := range regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
		args = append(args, match[1]+match[2])
	}
	var out, err bytes.Buffer
	terminal.Out, terminal.Err = &out, &err
	terminal.Now = func() time.Time { return today }
	// What is printed must not depend on how busy the machine is.
	terminal.Patience = time.Hour
	if terminal.In == nil {
		terminal.In = strings.NewReader("")
	}
	status := cli.Run(ctx, terminal, args)
	return result{out.String(), strings.ReplaceAll(err.String(), controlPlane.Config().Host, "https://cluster.example"), status}
}
