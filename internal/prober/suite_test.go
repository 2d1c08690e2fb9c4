package prober_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/testing/cluster"
	"github.com/dispel/partner-operator/internal/testing/rights"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter)))
	RunSpecs(t, "prober")
}

var (
	controlPlane *controlplane.ControlPlane
	direct       client.Client
	// asProber is the connection of the prober's own service account.
	asProber *rest.Config
	// used are the rights that probers use.
	used rights.Recorder
)

var _ = BeforeSuite(func(ctx SpecContext) {
	controlPlane, direct = cluster.Start(ctx)
	for _, object := range cluster.ReadObjects("config", "admission", "status-guard.yaml") {
		Expect(direct.Create(ctx, object)).To(Succeed())
	}
	asProber = cluster.AsServiceAccount(ctx, controlPlane, direct, "probe", "config/probe/role.yaml", "config/probe/role_binding.yaml")
})

var _ = ReportAfterSuite("The prober's rights are those that it uses", func(report Report) {
	Expect(used.Refused()).To(BeEmpty())
	if report.SuiteSucceeded && report.PreRunStats.SpecsThatWillRun == report.PreRunStats.TotalSpecs {
		// test/chart has the others used.
		Expect(used.Unused(cluster.Rules("config/probe/role.yaml"))).To(ConsistOf("create subjectaccessreviews.authorization.k8s.io", "create tokenreviews.authentication.k8s.io"))
	}
})
