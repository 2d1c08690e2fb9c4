//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/cli"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// handmade are tenants as people set them up, before there was an operator.
const handmade = "internal/intake/testdata/handmade"

// plugin runs a command of the kubectl plugin, and returns what it prints.
func plugin(ctx context.Context, args ...string) (out, said string, status int) {
	var stdout, stderr bytes.Buffer
	status = cli.Run(ctx, &cli.Terminal{Out: &stdout, Err: &stderr, In: strings.NewReader(""), Width: 1000}, append([]string{"--kubeconfig", controlPlane.Kubeconfig()}, args...))
	return stdout.String(), stderr.String(), status
}

var _ = Describe("Tenants that were set up by hand", func() {
	// legacy are the routes that serve before the operator does.
	var legacy []client.Object
	var hosts []string

	BeforeEach(func(ctx SpecContext) {
		legacy, hosts = nil, nil
		create(ctx, ca.Secret("default", "handmade", "remote.wayne.example"))
		create(ctx, &gatewayv1.Gateway{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "handmade"},
			Spec: gatewayv1.GatewaySpec{GatewayClassName: "traefik", Listeners: []gatewayv1.Listener{{
				Name: "websecure", Port: ingress.port, Protocol: gatewayv1.HTTPSProtocolType,
				TLS:           &gatewayv1.ListenerTLSConfig{CertificateRefs: []gatewayv1.SecretObjectReference{{Name: "handmade"}}},
				AllowedRoutes: &gatewayv1.AllowedRoutes{Namespaces: &gatewayv1.RouteNamespaces{From: new(gatewayv1.NamespacesFromAll)}},
			}}},
		})
		files, err := filepath.Glob(filepath.Join(cluster.Root(), handmade, "*.yaml"))
		Expect(err).NotTo(HaveOccurred())
		Expect(files).To(HaveLen(20))
		for _, file := range files {
			data, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			for _, object := range cluster.ParseObjects(data) {
				switch object.GetKind() {
				case "Service":
					if address, found, _ := unstructured.NestedString(object.Object, "spec", "clusterIP"); found {
						serve(listen(address+":8080"), engine)
						break
					}
					ports, _, _ := unstructured.NestedSlice(object.Object, "spec", "ports")
					ports[0].(map[string]any)["port"] = int64(enginePort)
					Expect(unstructured.SetNestedSlice(object.Object, ports, "spec", "ports")).To(Succeed())
				case "Ingress", "HTTPRoute":
					legacy = append(legacy, object)
				}
				Expect(direct.Create(ctx, object)).To(Succeed())
			}
		}
		for _, route := range legacy {
			var ingress networkingv1.Ingress
			if direct.Get(ctx, client.ObjectKeyFromObject(route), &ingress) != nil {
				hosts = append(hosts, "remote.wayne.example")
				continue
			}
			for _, tls := range ingress.Spec.TLS {
				Expect(client.IgnoreAlreadyExists(direct.Create(ctx, ca.Secret(ingress.Namespace, tls.SecretName, tls.Hosts...)))).To(Succeed())
				hosts = append(hosts, tls.Hosts...)
			}
		}
		slices.Sort(hosts)
		hosts = slices.Compact(hosts)
		for _, host := range hosts {
			Eventually(func() (int, error) { return ingress.status("https://" + host + "/") }).WithTimeout(time.Minute).Should(Equal(http.StatusOK), host)
		}
	})

	It("are imported and adopted under steady requests, and lose none", func(ctx SpecContext) {
		var addresses []string
		for _, host := range hosts {
			addresses = append(addresses, "https://"+host+"/")
		}
		load := steadyRequests(ingress.trusting, addresses...)
		folder := GinkgoT().TempDir()
		imports := []string{"import", "--table", filepath.Join(cluster.Root(), handmade, "table.csv"), "--selector", "team=remote-access", "--channel-model", "MSP", "--into", folder}
		_, said, status := plugin(ctx, imports...)
		Expect(status).To(Equal(0), said)
		Expect(said).To(ContainSubstring("20 Partners written, 0 tenants skipped because they are already imported. 0 errors"))

		By("planning them, which holds no surprise")
		out, said, status := plugin(ctx, "plan", "-f", folder, "--against-cluster", "--ingress-class", "traefik", "-o", "json")
		Expect(status).To(Equal(0), out+said)
		var plan struct {
			Partners []struct {
				Objects []struct {
					Action   string
					Manifest unstructured.Unstructured
				}
			}
		}
		Expect(json.Unmarshal([]byte(out), &plan)).To(Succeed())
		var removed, changed []string
		for _, partner := range plan.Partners {
			for _, object := range partner.Objects {
				name := kinds.Describe(&object.Manifest)
				switch object.Action {
				case "remove":
					removed = append(removed, name)
				case "change":
					changed = append(changed, name)
				}
			}
		}
		Expect(plan.Partners).To(HaveLen(20))
		Expect(removed).To(Equal([]string{"RoleBinding vandelay/dispel-administrators"}), "which the import warned of")
		Expect(changed).To(ContainElements("Namespace acme-prod", "Ingress hooli/remote.hooli.example", "ResourceQuota cyberdyne/dispel-quota", "NetworkPolicy monsters/dispel-isolation"))
		Expect(changed).To(HaveLen(23), "the namespaces, and what has the operator's names")

		By("applying them")
		kubectl := func(args ...string) {
			GinkgoHelper()
			said, err := exec.CommandContext(ctx, controlPlane.Kubectl(), append([]string{"--kubeconfig", controlPlane.Kubeconfig()}, args...)...).CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(said))
		}
		kubectl("apply", "--server-side", "-f", folder)
		DeferCleanup(func(ctx SpecContext) {
			Expect(direct.DeleteAllOf(ctx, &v1alpha1.PCSMAllocation{})).To(Succeed())
			Expect(direct.DeleteAllOf(ctx, &v1alpha1.Partner{})).To(Succeed())
		})
		kubectl("wait", "partners", "--all", "--for=condition=Ready", "--timeout=120s")
		a := func(steps int64) {
			GinkgoHelper()
			before := load.served.Load()
			Eventually(load.served.Load).WithTimeout(time.Minute).Should(BeNumerically(">", before+steps))
		}
		a(1000)

		By("deleting the routes that the import said can go")
		for _, route := range legacy {
			switch route.GetNamespace() + "/" + route.GetName() {
			case "hooli/remote.hooli.example", "umbrella/api", "aperture/engine": // the operator's now, and what has other paths and hosts
				continue
			}
			Expect(direct.Delete(ctx, route)).To(Succeed())
		}
		a(1000)
		Expect(load.stop()).To(BeEmpty())
		AddReportEntry("requests served while tenants moved in", load.served.Load())

		By("leaving what is in the namespaces as it was")
		var binding corev1.Namespace
		Expect(direct.Get(ctx, client.ObjectKey{Name: "virtucon"}, &binding)).To(Succeed())
		Expect(binding.Labels).To(And(HaveKeyWithValue("team", "remote-access"), HaveKeyWithValue(v1alpha1.PartnerLabel, "virtucon")))
		for _, kept := range []client.Object{
			&corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "tyrell", Name: "compute"}},
			&corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "tyrell", Name: kinds.QuotaName}},
			&networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "umbrella", Name: "api"}},
		} {
			Expect(direct.Get(ctx, client.ObjectKeyFromObject(kept), kept)).To(Succeed())
		}

		By("importing and applying them again, which changes nothing")
		before := written(ctx)
		_, said, status = plugin(ctx, imports...)
		Expect(status).To(Equal(0), said)
		Expect(said).To(ContainSubstring("0 Partners written, 20 tenants skipped because they are already imported. 0 errors, 0 warnings"))
		kubectl("apply", "--server-side", "-f", folder)
		Expect(written(ctx)).To(Equal(before))
	})
})

// written are the resource versions of all Partners and of their namespaces.
func written(ctx context.Context) map[string]string {
	GinkgoHelper()
	versions := map[string]string{}
	var partners v1alpha1.PartnerList
	Expect(direct.List(ctx, &partners)).To(Succeed())
	for _, partner := range partners.Items {
		versions["Partner "+partner.Name] = partner.ResourceVersion
	}
	var namespaces corev1.NamespaceList
	Expect(direct.List(ctx, &namespaces)).To(Succeed())
	for _, namespace := range namespaces.Items {
		versions["Namespace "+namespace.Name] = namespace.ResourceVersion
	}
	return versions
}
