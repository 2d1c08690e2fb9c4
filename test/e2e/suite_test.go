//go:build e2e

// Package e2e shows partners in a real browser: the operator and the widget server
// run with their own service accounts' rights, Traefik serves what the operator
// made, and headless Chromium opens it over TLS.
package e2e

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/dashboard"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/testing/authority"
	"github.com/dispel/partner-operator/internal/testing/cluster"
	"github.com/dispel/partner-operator/internal/testing/rights"
	"github.com/dispel/partner-operator/internal/widget"
	"github.com/dispel/partner-operator/internal/widgetserver"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter)))
	RunSpecs(t, "e2e")
}

const (
	// engineName is where the partners' instances are, outside the cluster.
	engineName = "engine.example.net"
	// widgetAddress is the widget server's Service's.
	widgetAddress = "127.96.8.2"
	// sealedAddress is that of the Service of an engine that speaks TLS alone.
	sealedAddress = "127.96.8.5"
	gatewayName   = "public"
)

// inside are names that only Traefik resolves, as in a cluster.
var inside = map[string]string{engineName: "127.0.0.1", "widget.system.svc.cluster.local": widgetAddress, "engine.partner-sealed.svc": sealedAddress}

var (
	controlPlane *controlplane.ControlPlane

	direct   client.Client
	ca       *authority.Authority
	ingress  traefik
	chromium context.Context
	// asManager connects with the manager's rights; stopOperator stops the one that runs.
	asManager    *rest.Config
	stopOperator func()
	// engine is the partners' instances.
	engine     dashboard.Instance
	enginePort int32
	// talks are the queries that the messenger was opened with.
	talks sync.Map
	// now is the widget server's clock.
	now = clocktesting.NewFakePassiveClock(working)
	// working is a Wednesday at 10 in New York, the day before Thanksgiving.
	working = time.Date(2026, 11, 25, 15, 0, 0, 0, time.UTC)
)

// ofManager, ofWidget and ofProber are the rights that each uses.
var ofManager, ofWidget, ofProber rights.Recorder

var _ = ReportAfterSuite("None is refused anything, and the widget server has no right that it does not use", func(report Report) {
	Expect(ofManager.Refused()).To(BeEmpty())
	Expect(ofWidget.Refused()).To(BeEmpty())
	Expect(ofProber.Refused()).To(BeEmpty())
	if report.SuiteSucceeded {
		// Its metrics are not served here.
		Expect(ofWidget.Unused(cluster.Rules("config/widget/role.yaml"))).To(ConsistOf("create subjectaccessreviews.authorization.k8s.io", "create tokenreviews.authentication.k8s.io"))
	}
})

var _ = BeforeSuite(func(ctx SpecContext) {
	controlPlane, direct = cluster.Start(ctx)
	cluster.Install(controlPlane, append(cluster.GatewayCRDs(cluster.GatewayKinds...), cluster.TraefikCRDs())...)
	ca = authority.New()

	messenger := listen("127.0.0.1:0")
	serve(messenger, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		// It may do what the operator allows, and says so to the page around it.
		_, _ = w.Write([]byte(`<!doctype html><html lang=en><title>Chat</title><p>This is the messenger.<script>
			const may = (name) => document.featurePolicy.allowsFeature(name);
			parent.postMessage({microphone: may("microphone"), fullscreen: may("fullscreen"), camera: may("camera")}, "*");
		</script>`))
		talks.Store(r.URL.RawQuery, true)
	}))
	messengerOrigin := "http://" + messenger.Addr().String()
	engine = dashboard.Instance{DisplayName: "Acme Corp", MessengerOrigin: messengerOrigin}
	outside := listen("127.0.0.1:0")
	enginePort = portOf(outside)
	serve(outside, withPages(engine))

	counted := loopback(1, freePort())
	ingress = startTraefik(controlPlane, ca, loopback(1, freePort()), inside,
		append(append(byIngress("traefik", published), byGateway("!"+chainLabel, published)...),
			"--metrics.prometheus=true", "--metrics.prometheus.entrypoint=metrics", "--entrypoints.metrics.address="+counted.String(),
			"--providers.kubernetescrd=true", "--providers.kubernetescrd.allowexternalnameservices=true",
			// It also understands the annotations of ingress-nginx, on Ingresses of that controller's classes.
			"--providers.kubernetesingressnginx=true", "--providers.kubernetesingressnginx.httpsentrypoint=websecure", "--providers.kubernetesingressnginx.publishstatusaddress="+published)...)
	ingress.metrics = "http://" + counted.String() + "/metrics"
	DeferCleanup(ingress.stop)
	asManager = cluster.AsServiceAccount(ctx, controlPlane, direct, "manager", "config/rbac/role.yaml", "config/rbac/role_binding.yaml")
	asWidget := cluster.AsServiceAccount(ctx, controlPlane, direct, "widget", "config/widget/role.yaml", "config/widget/role_binding.yaml")
	asManager.Wrap(ofManager.Wrap)
	asWidget.Wrap(ofWidget.Wrap)
	for _, object := range slices.Concat(cluster.ReadObjects("config/admission/host-guard.yaml"), cluster.ReadObjects("config/admission/status-guard.yaml"), cluster.ReadObjects("config/plans/basic.yaml")) {
		Expect(direct.Create(ctx, object)).To(Succeed())
	}
	for _, object := range []client.Object{
		&networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "traefik"}, Spec: networkingv1.IngressClassSpec{Controller: "traefik.io/ingress-controller"}},
		&networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "nginx"}, Spec: networkingv1.IngressClassSpec{Controller: "k8s.io/ingress-nginx"}},
		service("system", "widget", widgetAddress, 8082),
		&gatewayv1.GatewayClass{ObjectMeta: metav1.ObjectMeta{Name: "traefik"}, Spec: gatewayv1.GatewayClassSpec{ControllerName: "traefik.io/gateway-controller"}},
		ca.Secret("default", "gateway", "gateway.example.com", "moving.example.com", "sealed.example.com", "outside.example.com"),
		&gatewayv1.Gateway{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: gatewayName},
			Spec: gatewayv1.GatewaySpec{GatewayClassName: "traefik", Listeners: []gatewayv1.Listener{{
				Name: "websecure", Port: ingress.port, Protocol: gatewayv1.HTTPSProtocolType,
				TLS: &gatewayv1.ListenerTLSConfig{CertificateRefs: []gatewayv1.SecretObjectReference{{Name: "gateway"}}},
				AllowedRoutes: &gatewayv1.AllowedRoutes{Namespaces: &gatewayv1.RouteNamespaces{
					From: new(gatewayv1.NamespacesFromSelector), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.ManagedByLabel: v1alpha1.FieldManager}},
				}},
			}}},
		},
	} {
		Expect(direct.Create(ctx, object)).To(Succeed())
	}

	stopOperator = startOperator(10 * time.Second)
	DeferCleanup(func() { stopOperator() })
	server, err := widgetserver.New(context.Background(), asWidget, widgetserver.Options{
		MetricsAddress: "0",
		Listener:       listen(widgetAddress + ":8082"), HealthAddress: "0", ShutdownTimeout: 5 * time.Second, Clock: now,
		Contact: widget.Contact{
			MessengerURL: messengerOrigin + "/?inbox={partner}&lang={language}", Display: widget.InPanel, Email: "support@example.net",
			Permissions: []string{"microphone", "fullscreen", "dialogs"},
		},
	})
	Expect(err).NotTo(HaveOccurred())
	run(server)
	chromium = browser(trust(ca), ingress.address)
})

// operatorDNS is the DNS server by which the operator decides when certificates are ordered; empty for at once.
var operatorDNS string

// option changes how the operator runs.
type option func(*rest.Config, *manager.Options)

// seenBy has its requests seen.
func seenBy(wrap transport.WrapperFunc) option {
	return func(config *rest.Config, _ *manager.Options) { config.Wrap(wrap) }
}

// startOperator runs the operator until it is stopped.
func startOperator(overlap time.Duration, change ...option) (stop func()) {
	GinkgoHelper()
	config := rest.CopyConfig(asManager)
	options := manager.Options{
		Settings: objects.Settings{
			IngressClassName: "traefik", ProxyNamespaces: []string{"traefik"}, RouteOverlap: overlap,
			WidgetBackend: v1alpha1.ExternalBackend{Host: "widget.system.svc.cluster.local", Port: 8082},
		},
		OrderChecks: operatorDNS != "", DNSServer: operatorDNS,
		Workers: 4, TotalsInterval: time.Second, ResyncPeriod: time.Hour,
		HealthAddress: "0", MetricsAddress: "0", ShutdownTimeout: 10 * time.Second, Unnamed: true,
	}
	for _, change := range change {
		change(config, &options)
	}
	operator, err := manager.New(context.Background(), config, options)
	Expect(err).NotTo(HaveOccurred())
	return start(operator)
}

// start runs a server until it is stopped.
func start(server ctrl.Manager) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Start(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		Expect(<-ended).To(Succeed())
	})
}

// run runs a server until the suite ends.
func run(server ctrl.Manager) { DeferCleanup(start(server)) }

// partner makes a Partner on the host <name>.example.com with a certificate of
// the authority, and waits until it is served. change is done to its spec before.
func partner(ctx context.Context, name string, fte v1alpha1.FTE, change ...func(*v1alpha1.PartnerSpec)) string {
	GinkgoHelper()
	host := name + ".example.com"
	made := &v1alpha1.Partner{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.PartnerSpec{
			DisplayName: "Acme Corp", ChannelModel: v1alpha1.OEM, CustomerCount: new(int32(3)),
			Subdomain: &v1alpha1.Subdomain{
				Host:    v1alpha1.Host(host),
				Backend: v1alpha1.Backend{External: &v1alpha1.ExternalBackend{Host: engineName, Port: enginePort}},
				TLS:     &v1alpha1.TLS{SecretName: "own"},
			},
		},
	}
	for _, change := range change {
		change(&made.Spec)
	}
	Expect(direct.Create(ctx, made)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, made)).To(Succeed()) })
	if fte > 0 {
		contract(ctx, name, fte)
	}
	Eventually(direct.Get).WithArguments(ctx, client.ObjectKey{Name: objects.DefaultNamespace(name)}, &corev1.Namespace{}).Should(Succeed())
	Expect(direct.Create(ctx, ca.Secret(objects.DefaultNamespace(name), "own", host))).To(Succeed())
	address := "https://" + host
	Eventually(func() (int, error) { return ingress.status(address + "/") }).Should(Equal(http.StatusOK))
	return address
}

// contract gives P-CSMs to a partner.
func contract(ctx context.Context, name string, fte v1alpha1.FTE) *v1alpha1.PCSMAllocation {
	GinkgoHelper()
	allocation := &v1alpha1.PCSMAllocation{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.PCSMAllocationSpec{
			PartnerRef: v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(name)}, FTE: fte,
			Localization: &v1alpha1.Localization{Languages: []v1alpha1.Language{"de", "en"}},
		},
	}
	Expect(direct.Create(ctx, allocation)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(direct.Delete(ctx, allocation))).To(Succeed()) })
	return allocation
}

// widgetStatus is what the widget's script answers on a sub-domain.
func widgetStatus(address string) func() (int, error) {
	return func() (int, error) { return ingress.status(address + widgetserver.ScriptPath) }
}
