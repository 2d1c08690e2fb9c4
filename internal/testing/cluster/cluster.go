// Package cluster runs the embedded control plane for a test suite, with the
// operator's CRDs in it.
package cluster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/controlplane/assets"
	"github.com/dispel/partner-operator/internal/scheme"
)

// Start runs a control plane with the operator's CRDs until the suite ends. Call
// it in BeforeSuite. client talks to it without a cache.
func Start(ctx context.Context) (*controlplane.ControlPlane, client.Client) {
	GinkgoHelper()
	controlPlane := StartBare(ctx)
	Install(controlPlane, CRDs())
	direct, err := client.New(controlPlane.Config(), client.Options{Scheme: scheme.New()})
	Expect(err).NotTo(HaveOccurred())
	return controlPlane, direct
}

// StartBare runs a control plane with nothing in it until the suite, or the
// spec that calls it, ends.
func StartBare(ctx context.Context) *controlplane.ControlPlane {
	GinkgoHelper()
	controlPlane, err := controlplane.Start(ctx)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(controlPlane.Stop)
	// The garbage collector looks for new kinds now and then.
	SetDefaultEventuallyTimeout(60 * time.Second)
	EnforceDefaultTimeoutsWhenUsingContexts()
	SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	return controlPlane
}

// AsServiceAccount makes a service account with the rights in some files of the
// work tree, in the namespace "system" that the files name, and connects as it.
func AsServiceAccount(ctx context.Context, controlPlane *controlplane.ControlPlane, direct client.Client, name string, files ...string) *rest.Config {
	GinkgoHelper()
	const namespace = "system"
	Expect(client.IgnoreAlreadyExists(direct.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))).To(Succeed())
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	Expect(direct.Create(ctx, account)).To(Succeed())
	var rules []rbacv1.PolicyRule
	for _, file := range files {
		for _, object := range ReadObjects(file) {
			Expect(direct.Create(ctx, object)).To(Succeed())
		}
		rules = append(rules, Rules(file)...)
	}
	AwaitRights(ctx, direct, namespace, name, rules)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](24 * 3600)}}
	Expect(direct.SubResource("token").Create(ctx, account, request)).To(Succeed())
	config := controlPlane.Config()
	config.BearerToken = request.Status.Token
	return config
}

// AwaitRights waits until the API server grants a service account what rules say,
// which it does a moment after they were written.
func AwaitRights(ctx context.Context, direct client.Client, namespace, account string, rules []rbacv1.PolicyRule) {
	GinkgoHelper()
	for _, rule := range rules {
		if len(rule.Resources) == 0 {
			continue
		}
		resource, subresource, _ := strings.Cut(rule.Resources[0], "/")
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: serviceaccount.MakeUsername(namespace, account),
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: rule.Verbs[0], Group: rule.APIGroups[0], Resource: resource, Subresource: subresource,
			},
		}}
		if len(rule.ResourceNames) > 0 {
			review.Spec.ResourceAttributes.Name = rule.ResourceNames[0]
		}
		Eventually(ctx, func(g Gomega) {
			asked := review.DeepCopy()
			g.Expect(direct.Create(ctx, asked)).To(Succeed())
			g.Expect(asked.Status.Allowed).To(BeTrue(), "%v", rule)
		}).Should(Succeed())
	}
}

// Rules are those of all roles in a file of the work tree.
func Rules(file string) []rbacv1.PolicyRule {
	GinkgoHelper()
	var rules []rbacv1.PolicyRule
	for _, object := range ReadObjects(file) {
		var role rbacv1.ClusterRole // a Role has the same rules
		Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role)).To(Succeed())
		rules = append(rules, role.Rules...)
	}
	return rules
}

// Install applies CRDs from files and waits until they are served.
func Install(controlPlane *controlplane.ControlPlane, paths ...string) {
	GinkgoHelper()
	_, err := envtest.InstallCRDs(controlPlane.Config(), envtest.CRDInstallOptions{
		Scheme: scheme.New(), Paths: paths, ErrorIfPathMissing: true, MaxTime: 30 * time.Second,
	})
	Expect(err).NotTo(HaveOccurred())
}

// Uninstall removes CRDs and waits until they are gone.
func Uninstall(ctx context.Context, direct client.Client, names ...string) {
	GinkgoHelper()
	for _, name := range names {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		crd.Name = name
		Expect(client.IgnoreNotFound(direct.Delete(ctx, crd))).To(Succeed())
		Eventually(direct.Get).WithArguments(ctx, client.ObjectKeyFromObject(crd), crd).Should(
			Satisfy(func(err error) bool { return client.IgnoreNotFound(err) == nil && err != nil }))
	}
}

// ModuleFile is a file of a module that the module in a folder of the work tree
// depends on.
func ModuleFile(in, module string, elem ...string) string {
	GinkgoHelper()
	command := exec.Command("go", "-C", filepath.Join(Root(), in), "mod", "download", "-json", module)
	command.Env = append(os.Environ(), "GOWORK=off") // which the module may not be part of
	out, err := command.Output()
	Expect(err).NotTo(HaveOccurred(), string(out))
	var downloaded struct{ Dir string }
	Expect(json.Unmarshal(out, &downloaded)).To(Succeed())
	return filepath.Join(append([]string{downloaded.Dir}, elem...)...)
}

// Tool is the command of a tool of hack/tools in the work tree, which is built before
// the tests.
func Tool(ctx context.Context, name string, args ...string) *exec.Cmd {
	GinkgoHelper()
	path := filepath.Join(Root(), "bin", name)
	Expect(path).To(BeARegularFile(), "`make tools` builds what the tests run, and `make test-e2e` what the end-to-end tests do")
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = Root()
	return cmd
}

// GatewayKinds are the Gateway API's kinds that the operator uses, as resources.
var GatewayKinds = []string{"gatewayclasses", "gateways", "httproutes", "grpcroutes", "listenersets", "referencegrants", "backendtlspolicies", "tlsroutes"}

// L4RouteKinds are its routes without hosts, which the operator does not use.
var L4RouteKinds = []string{"tcproutes", "udproutes"}

// GatewayCRDs are the files of kinds of the Gateway API.
func GatewayCRDs(kinds ...string) []string {
	GinkgoHelper()
	var files []string
	for _, kind := range kinds {
		files = append(files, ModuleFile(".", "sigs.k8s.io/gateway-api", "config", "crd", "standard", "gateway.networking.k8s.io_"+kind+".yaml"))
	}
	return files
}

// TraefikCRDs is the file of Traefik's own kinds, from its module.
func TraefikCRDs() string {
	GinkgoHelper()
	return ModuleFile("hack/traefik", "github.com/traefik/traefik/v3", "docs", "content", "reference", "dynamic-configuration", "kubernetes-crd-definition-v1.yml")
}

// CertManagerKinds are the names of cert-manager's CustomResourceDefinitions.
var CertManagerKinds = []string{
	"certificates.cert-manager.io", "certificaterequests.cert-manager.io", "issuers.cert-manager.io", "clusterissuers.cert-manager.io",
	"orders.acme.cert-manager.io", "challenges.acme.cert-manager.io",
}

// CertManagerCRDs are the files of cert-manager's kinds, from its module.
func CertManagerCRDs() []string {
	GinkgoHelper()
	var files []string
	for _, kind := range CertManagerKinds {
		resource, group, _ := strings.Cut(kind, ".")
		files = append(files, ModuleFile("hack/tools", "github.com/cert-manager/cert-manager", "deploy", "crds", group+"_"+resource+".yaml"))
	}
	return files
}

// CRDs is the folder of the operator's CRDs.
func CRDs() string {
	return filepath.Join(Root(), "config", "crd", "bases")
}

// Root is the top of the work tree.
func Root() string {
	GinkgoHelper()
	root, err := assets.Root()
	Expect(err).NotTo(HaveOccurred())
	return root
}

// ReadObjects reads the objects of a YAML file of the work tree.
func ReadObjects(elem ...string) []*unstructured.Unstructured {
	GinkgoHelper()
	data, err := os.ReadFile(filepath.Join(append([]string{Root()}, elem...)...))
	Expect(err).NotTo(HaveOccurred())
	return ParseObjects(data)
}

// Object reads the one object of a YAML document.
func Object(manifest string) *unstructured.Unstructured {
	GinkgoHelper()
	objects := ParseObjects([]byte(manifest))
	Expect(objects).To(HaveLen(1))
	return objects[0]
}

// ParseObjects reads the objects of YAML documents.
func ParseObjects(data []byte) []*unstructured.Unstructured {
	GinkgoHelper()
	var objects []*unstructured.Unstructured
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		Expect(err).NotTo(HaveOccurred())
		data, err := yaml.YAMLToJSON(document)
		Expect(err).NotTo(HaveOccurred())
		if string(data) != "null" { // comments only
			object := &unstructured.Unstructured{}
			Expect(object.UnmarshalJSON(data)).To(Succeed())
			objects = append(objects, object)
		}
	}
}

// Kubeconfig writes a connection to a file, which goes with the spec.
func Kubeconfig(config *rest.Config) string {
	GinkgoHelper()
	Expect(rest.LoadTLSFiles(config)).To(Succeed())
	api := clientcmdapi.NewConfig()
	api.Clusters["it"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	api.AuthInfos["it"] = &clientcmdapi.AuthInfo{Token: config.BearerToken, ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	api.Contexts["it"] = &clientcmdapi.Context{Cluster: "it", AuthInfo: "it"}
	api.CurrentContext = "it"
	file := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(clientcmd.WriteToFile(*api, file)).To(Succeed())
	return file
}
