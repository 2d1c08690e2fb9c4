package widgetserver

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
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter)))
	RunSpecs(t, "widgetserver")
}

var (
	controlPlane *controlplane.ControlPlane
	direct       client.Client
	// asWidget is the connection of the widget server's own service account.
	asWidget *rest.Config
)

var _ = BeforeSuite(func(ctx SpecContext) {
	controlPlane, direct = cluster.Start(ctx)
	asWidget = cluster.AsServiceAccount(ctx, controlPlane, direct, "widget", "config/widget/role.yaml", "config/widget/role_binding.yaml")
})
