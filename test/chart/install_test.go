package chart

import (
	"context"
	"encoding/pem"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/scheme"
	"github.com/dispel/partner-operator/internal/testing/cluster"
	"github.com/dispel/partner-operator/internal/testing/commands"
	"github.com/dispel/partner-operator/internal/testing/rights"
	"github.com/dispel/partner-operator/internal/testing/site"
)

// previous is the chart of the release before this one.
const previous = "test/chart/testdata/partner-operator-0.1.0.tgz"

// installation is a cluster with the chart in it. There is no kubelet: the
// Deployments' command lines run here, as their service accounts.
type installation struct {
	*controlplane.ControlPlane
	direct  client.Client
	binary  string
	running []*controlplane.Process
}

func newInstallation(ctx context.Context) *installation {
	GinkgoHelper()
	i := &installation{ControlPlane: cluster.StartBare(ctx)}
	var err error
	i.direct, err = client.New(i.Config(), client.Options{Scheme: scheme.New()})
	Expect(err).NotTo(HaveOccurred())
	i.binary = commands.Built(ctx, "cmd/partner-operator")
	DeferCleanup(i.stop)
	return i
}

// helm runs helm as an administrator.
func (i *installation) helm(ctx context.Context, args ...string) string {
	GinkgoHelper()
	home := GinkgoT().TempDir()
	out, err := helm(ctx, []string{"KUBECONFIG=" + i.Kubeconfig(), "HELM_CACHE_HOME=" + home, "HELM_CONFIG_HOME=" + home, "HELM_DATA_HOME=" + home},
		append(args, "--namespace", namespace)...)
	Expect(err).NotTo(HaveOccurred(), "helm %s\n%s", strings.Join(args, " "), out)
	return out
}

// kubectl runs kubectl as an administrator.
func (i *installation) kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	cmd := exec.CommandContext(ctx, i.Kubectl(), append([]string{"--kubeconfig", i.Kubeconfig()}, args...)...)
	cmd.Dir = cluster.Root()
	out, err := cmd.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	return string(out)
}

// kubeconfig is for a service account, by way of a proxy that notes the requests.
func (i *installation) kubeconfig(ctx context.Context, account string, used *rights.Recorder) string {
	GinkgoHelper()
	request := &authenticationv1.TokenRequest{}
	Expect(i.direct.SubResource("token").Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account}}, request)).To(Succeed())
	anonymous := rest.AnonymousClientConfig(i.Config())
	transport, err := rest.TransportFor(anonymous)
	Expect(err).NotTo(HaveOccurred())
	target, err := url.Parse(anonymous.Host)
	Expect(err).NotTo(HaveOccurred())
	proxy := httptest.NewTLSServer(&httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     used.Wrap(transport),
		FlushInterval: -1, // watches
		ErrorLog:      log.New(GinkgoWriter, "proxy: ", 0),
	})
	DeferCleanup(func() {
		proxy.CloseClientConnections()
		proxy.Close()
	})

	config := clientcmdapi.NewConfig()
	config.Clusters["proxy"] = &clientcmdapi.Cluster{
		Server:                   proxy.URL,
		CertificateAuthorityData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw}),
	}
	config.AuthInfos["account"] = &clientcmdapi.AuthInfo{Token: request.Status.Token}
	config.Contexts["only"] = &clientcmdapi.Context{Cluster: "proxy", AuthInfo: "account"}
	config.CurrentContext = "only"
	file := filepath.Join(GinkgoT().TempDir(), account)
	Expect(clientcmd.WriteToFile(*config, file)).To(Succeed())
	return file
}

// addresses are where a started component listens.
type addresses struct{ health, metrics, widget string }

// start runs the command line of a Deployment, as it is, as its service account.
// What differs from a Pod comes by way of the environment: the cluster, and the
// addresses, since all share one network here; and what is further given.
func (i *installation) start(ctx context.Context, component string, used *rights.Recorder, further ...string) addresses {
	GinkgoHelper()
	var deployment appsv1.Deployment
	Expect(i.direct.Get(ctx, client.ObjectKey{Namespace: namespace, Name: release + "-" + component}, &deployment)).To(Succeed())
	pod := deployment.Spec.Template.Spec
	var role rbacv1.ClusterRole
	Expect(i.direct.Get(ctx, client.ObjectKey{Name: release + "-" + component}, &role)).To(Succeed())
	cluster.AwaitRights(ctx, i.direct, namespace, pod.ServiceAccountName, role.Rules)
	ports, err := controlplane.FreePorts(3)
	Expect(err).NotTo(HaveOccurred())
	at := addresses{"127.0.0.1:" + ports[0], "127.0.0.1:" + ports[1], "127.0.0.1:" + ports[2]}
	environment := append(slices.Clone(further),
		"KUBECONFIG="+i.kubeconfig(ctx, pod.ServiceAccountName, used),
		"PARTNER_OPERATOR_HEALTH_PROBE_BIND_ADDRESS="+at.health,
		"PARTNER_OPERATOR_METRICS_BIND_ADDRESS="+at.metrics,
		"PARTNER_OPERATOR_BIND_ADDRESS="+at.widget,
		"PARTNER_OPERATOR_LEADER_ELECTION_NAMESPACE="+namespace,
		"PARTNER_OPERATOR_PLAN_TOTALS_INTERVAL=1s",
	)
	process, err := i.Run("env", append(append(environment, i.binary), pod.Containers[0].Args...)...)
	Expect(err).NotTo(HaveOccurred())
	i.running = append(i.running, process)
	probe := pod.Containers[0].ReadinessProbe.HTTPGet
	Eventually(func(g Gomega) {
		select {
		case <-process.Exited():
			StopTrying(component + " ended:\n" + process.Log()).Now()
		default:
		}
		response, err := http.Get("http://" + at.health + probe.Path)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(response.Body.Close()).To(Succeed())
		g.Expect(response.StatusCode).To(Equal(http.StatusOK))
	}).Should(Succeed(), func() string { return process.Log() })
	return at
}

func (i *installation) stop() {
	for _, process := range i.running {
		_ = process.Stop()
	}
	i.running = nil
}

// applySamples declares the sample partners, as the demo does.
func (i *installation) applySamples(ctx context.Context) {
	GinkgoHelper()
	i.kubectl(ctx, "apply", "--server-side", "-k", "config/samples")
	i.kubectl(ctx, "wait", "--for=condition=Ready", "partner/stark", "--timeout=60s")
	i.kubectl(ctx, "apply", "--server-side", "-k", "config/samples/rival")
}

// reachSamples waits for the states that the demo shows.
func (i *installation) reachSamples(ctx context.Context) {
	GinkgoHelper()
	want, err := os.ReadFile(filepath.Join(cluster.Root(), "hack", "demo", "expected.txt"))
	Expect(err).NotTo(HaveOccurred())
	Eventually(ctx, func() string {
		var table strings.Builder
		for _, kind := range []string{"partners", "supportplans"} {
			for line := range strings.Lines(i.kubectl(ctx, "get", kind, "--no-headers")) {
				fields := strings.Fields(line)
				table.WriteString(strings.Join(fields[:len(fields)-1], " ") + "\n") // without the age
			}
		}
		return table.String()
	}).Should(Equal(string(want)))
}

// identities are the UIDs of all that partners have, and of the kinds.
func (i *installation) identities(ctx context.Context) map[string]string {
	GinkgoHelper()
	found := map[string]string{}
	note := func(list client.ObjectList, options ...client.ListOption) {
		GinkgoHelper()
		Expect(i.direct.List(ctx, list, options...)).To(Succeed())
		Expect(meta.EachListItem(list, func(item runtime.Object) error {
			object := item.(client.Object)
			gvk, err := i.direct.GroupVersionKindFor(object)
			found[strings.Join([]string{gvk.Kind, object.GetNamespace(), object.GetName()}, " ")] = string(object.GetUID())
			return err
		})).To(Succeed())
	}
	note(&apiextensionsv1.CustomResourceDefinitionList{})
	for _, list := range []client.ObjectList{&v1alpha1.PartnerList{}, &v1alpha1.SupportPlanList{}, &v1alpha1.PCSMAllocationList{}} {
		note(list)
	}
	managed := client.MatchingLabels{v1alpha1.ManagedByLabel: v1alpha1.FieldManager}
	note(&corev1.NamespaceList{}, managed)
	for _, kind := range kinds.All {
		if kind.Made && kind.API == "" {
			note(kind.NewList(), managed)
		}
	}
	Expect(len(found)).To(BeNumerically(">", 50))
	return found
}

var _ = Describe("An installation of the chart", func() {
	It("works with default values and a prober, and leaves the partners when it goes", func(ctx SpecContext) {
		i := newInstallation(ctx)
		By("installing")
		notes := i.helm(ctx, "install", release, chart(), "--create-namespace", "--set=probe.enabled=true", "--set=image.tag=v9.9.9")
		Expect(notes).To(And(ContainSubstring("partner-operator v9.9.9 is installed in namespace "+namespace), ContainSubstring("helm test partner-operator"), ContainSubstring("Set widget.supportEmail")))

		By("running its Pods under the restricted pod security standard")
		i.kubectl(ctx, "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
		var deployments appsv1.DeploymentList
		Expect(i.direct.List(ctx, &deployments, client.InNamespace(namespace))).To(Succeed())
		Expect(deployments.Items).To(HaveLen(3))
		for _, deployment := range deployments.Items {
			pod := &corev1.Pod{ObjectMeta: deployment.Spec.Template.ObjectMeta, Spec: deployment.Spec.Template.Spec}
			pod.Namespace, pod.Name = namespace, "restricted"
			Expect(i.direct.Create(ctx, pod, client.DryRunAll)).To(Succeed())
			privileged := pod.DeepCopy()
			privileged.ResourceVersion, privileged.UID = "", ""
			privileged.Spec.Containers[0].SecurityContext = nil
			Expect(apierrors.IsForbidden(i.direct.Create(ctx, privileged, client.DryRunAll))).To(BeTrue())
		}

		By("running its own command lines, two managers of which one leads")
		var ofManager, ofWidget, ofCheck rights.Recorder
		leader := i.start(ctx, "manager", &ofManager)
		i.start(ctx, "manager", &ofManager)
		widget := i.start(ctx, "widget", &ofWidget)
		i.applySamples(ctx)
		i.reachSamples(ctx)

		By("serving the widget")
		Eventually(func(g Gomega) {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+widget.widget+"/.dispel/support/config.json", http.NoBody)
			g.Expect(err).NotTo(HaveOccurred())
			request.Host = "remote.acmecorp.com"
			response, err := http.DefaultClient.Do(request)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(response.Body.Close()).To(Succeed())
			g.Expect(response.StatusCode).To(Equal(http.StatusOK))
		}).Should(Succeed())

		By("serving metrics to whoever is bound to the role for it")
		i.kubectl(ctx, "create", "serviceaccount", "prometheus")
		i.kubectl(ctx, "create", "clusterrolebinding", "prometheus", "--clusterrole=partner-operator-metrics-reader", "--serviceaccount=default:prometheus")
		token := strings.TrimSpace(i.kubectl(ctx, "create", "token", "prometheus"))
		ofPartners := func() string { return scrape(ctx, "https://"+leader.metrics+"/metrics", token) }
		Eventually(ofPartners).Should(And(
			ContainSubstring("\npartner_operator_partners 9\n"),
			ContainSubstring(`partner_operator_partner_customers_until_breach{partner="globex"} -15`),
			ContainSubstring(`partner_operator_condition{condition="SubdomainReady",kind="Partner",name="vandelay",reason="HostClaimedByAnotherPartner",status="False"} 1`),
			ContainSubstring(`partner_operator_supportplan_customers{support_plan="premium"} 149`),
			ContainSubstring(`partner_operator_pcsmallocation_fte{partner="acme",pcsmallocation="acme-emea"} 1.5`),
			ContainSubstring(`partner_operator_reconciles_total{kind="Partner",outcome="Ready"}`),
			ContainSubstring(`partner_operator_reconciles_total{kind="Partner",outcome="Stalled"}`),
			MatchRegexp(`partner_operator_api_writes_total\{kind="Ingress",operation="apply",result="success"\} ([5-9]|\d\d)`),
			MatchRegexp(`partner_operator_skipped_writes_total\{kind="Namespace"\} [1-9]`),
		))
		i.kubectl(ctx, "delete", "partner", "vandelay")
		Eventually(ofPartners).ShouldNot(ContainSubstring(`"vandelay"`))
		i.kubectl(ctx, "apply", "--server-side", "-k", "config/samples/rival")
		Expect(scrape(ctx, "https://"+widget.metrics+"/metrics", token)).To(ContainSubstring(`partner_operator_widget_requests_total{code="200"}`))

		By("probing the sub-domains, which lead nowhere here")
		var ofProber rights.Recorder
		prober := i.start(ctx, "probe", &ofProber, "PARTNER_OPERATOR_INTERVAL=1s", "PARTNER_OPERATOR_DNS_SERVER="+site.NewZone(nil).Address, "PARTNER_OPERATOR_LEASE_NAMESPACE="+namespace)
		i.kubectl(ctx, "wait", "partner", "acme", "--for=jsonpath={.status.conditions[?(@.type=='SubdomainReachable')].reason}=NameNotResolved", "--timeout=60s")
		i.kubectl(ctx, "wait", "partner", "acme", "--for=condition=Ready", "--timeout=60s")
		Expect(scrape(ctx, "https://"+prober.metrics+"/metrics", token)).To(And(ContainSubstring(`partner_operator_probes_total{reason="NameNotResolved"}`),
			ContainSubstring(`partner_operator_api_writes_total{kind="Partner",operation="status",result="success"}`)))
		Eventually(ofPartners).Should(ContainSubstring(`partner_operator_condition{condition="SubdomainReachable",kind="Partner",name="acme",reason="NameNotResolved",status="False"} 1`))

		i.kubectl(ctx, "wait", "lease", "partner-operator-probe.partner.dispel.com", "--namespace="+namespace, "--for=create", "--timeout=60s")

		By("passing its own test")
		i.check(ctx, widget.widget, &ofCheck)

		By("never being refused anything, with no right that the widget server and the test do not use")
		Expect(ofManager.Refused()).To(BeEmpty())
		Expect(ofWidget.Refused()).To(BeEmpty())
		Expect(ofCheck.Refused()).To(BeEmpty())
		Expect(ofProber.Refused()).To(BeEmpty())
		Expect(ofProber.Unused(rulesOf(rendered(ctx, "--set=probe.enabled=true"), "partner-operator-probe"))).To(BeEmpty())
		Expect(ofWidget.Unused(rulesOf(rendered(ctx), "partner-operator-widget"))).To(BeEmpty())
		Expect(ofCheck.Unused(rulesOf(rendered(ctx), "partner-operator-check"))).To(BeEmpty())
		for _, right := range rights.OfInstallation {
			Expect(ofManager.Unused(rulesOf(rendered(ctx), "partner-operator-manager"))).NotTo(ContainElement(right))
		}

		before := i.identities(ctx)
		i.stop()
		By("failing its own test when no manager runs")
		failing := exec.CommandContext(ctx, i.binary, "check", "--namespace="+namespace, "--timeout=1s")
		failing.Env = append(os.Environ(), "KUBECONFIG="+i.Kubeconfig())
		out, err := failing.CombinedOutput()
		Expect(err).To(HaveOccurred())
		Expect(string(out)).To(ContainSubstring("no manager has held the lease"))

		By("uninstalling")
		i.helm(ctx, "uninstall", release)
		Expect(i.direct.List(ctx, &deployments, client.InNamespace(namespace))).To(Succeed())
		Expect(deployments.Items).To(BeEmpty())
		Expect(i.identities(ctx)).To(Equal(before))

		By("installing again, over what stayed")
		i.helm(ctx, "install", release, chart())
		i.start(ctx, "manager", &ofManager)
		i.reachSamples(ctx)
		Expect(i.identities(ctx)).To(Equal(before))
		Expect(ofManager.Refused()).To(BeEmpty())
	})

	It("keeps every object when the chart of the previous version is upgraded", func(ctx SpecContext) {
		i := newInstallation(ctx)
		i.helm(ctx, "install", release, previous, "--create-namespace")
		// The manager of the previous version is not at hand, and that of this one
		// needs CRDs of its own.
		i.kubectl(ctx, "apply", "--server-side", "--force-conflicts", "--field-manager=helm", "-k", "config/crd")
		var used rights.Recorder
		i.start(ctx, "manager", &used)
		i.applySamples(ctx)
		i.reachSamples(ctx)
		before := i.identities(ctx)

		i.helm(ctx, "upgrade", release, chart())
		Expect(i.identities(ctx)).To(Equal(before))
		i.stop()
		i.start(ctx, "manager", &used)
		i.reachSamples(ctx)
		Expect(i.identities(ctx)).To(Equal(before))
		Expect(used.Refused()).To(BeEmpty())

		i.helm(ctx, "rollback", release, "1")
		Expect(i.identities(ctx)).To(Equal(before))
	})

	It("needs no right to what is switched off", func(ctx SpecContext) {
		i := newInstallation(ctx)
		i.helm(ctx, "install", release, chart(), "--create-namespace",
			"--set=gatewayAPI.enabled=false", "--set=certManager.enabled=false", "--set=supportPlans.create=false")
		cluster.Install(i.ControlPlane, cluster.GatewayCRDs(cluster.GatewayKinds...)...)
		i.kubectl(ctx, "apply", "-k", "config/plans")
		var used rights.Recorder
		i.start(ctx, "manager", &used)
		i.applySamples(ctx)
		i.reachSamples(ctx)
		Expect(used.Refused()).To(BeEmpty())
	})
})

// check runs the command line of the Pod of `helm test`.
func (i *installation) check(ctx context.Context, widget string, used *rights.Recorder) {
	GinkgoHelper()
	checked := false
	for _, object := range cluster.ParseObjects([]byte(rendered(ctx))) {
		if _, hook := object.GetAnnotations()["helm.sh/hook"]; !hook {
			continue
		}
		Expect(i.direct.Create(ctx, object)).To(Succeed())
		if object.GetKind() != "Pod" {
			continue
		}
		var pod corev1.Pod
		Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &pod)).To(Succeed())
		cmd := exec.CommandContext(ctx, i.binary, pod.Spec.Containers[0].Args...)
		// The widget server's name is resolved by a cluster's DNS; here the server
		// itself stands in as a proxy, which is asked for the same.
		cmd.Env = append(os.Environ(), "KUBECONFIG="+i.kubeconfig(ctx, pod.Spec.ServiceAccountName, used), "HTTP_PROXY=http://"+widget, "NO_PROXY=127.0.0.1")
		out, err := cmd.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		Expect(string(out)).To(And(ContainSubstring("A manager leads"), ContainSubstring("The widget server answers")))
		checked = true
	}
	Expect(checked).To(BeTrue())
}
