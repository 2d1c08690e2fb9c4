// Package certmanager runs the real cert-manager beside a control plane, as its own
// service account.
package certmanager

import (
	"context"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// role has what the controllers that run here need; cert-manager's chart names the verbs
// on its own kinds one by one.
const role = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: cert-manager}
rules:
- {apiGroups: [cert-manager.io, acme.cert-manager.io], resources: ["*"], verbs: ["*"]}
- {apiGroups: [""], resources: [secrets], verbs: [get, list, watch, create, update, delete, patch]}
- {apiGroups: [""], resources: [events], verbs: [get, list, watch, create, patch, update]}
- {apiGroups: [""], resources: [pods, services], verbs: [get, list, watch, create, delete]}
- {apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [get, list, watch, create, delete, update]}
`

const binding = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: cert-manager}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cert-manager}
subjects: [{kind: ServiceAccount, name: cert-manager, namespace: system}]
`

// Namespace has the Secrets of ClusterIssuers.
const Namespace = "system"

// Start installs its kinds and runs it until the suite, or the container, ends.
func Start(ctx context.Context, controlPlane *controlplane.ControlPlane, direct client.Client, args ...string) {
	GinkgoHelper()
	cluster.Install(controlPlane, cluster.CertManagerCRDs()...)
	dir := GinkgoT().TempDir()
	written := func(name, manifest string) string {
		path := filepath.Join(dir, name)
		Expect(os.WriteFile(path, []byte(manifest), 0o600)).To(Succeed())
		// A path from the top of the work tree is what AsServiceAccount takes.
		relative, err := filepath.Rel(cluster.Root(), path)
		Expect(err).NotTo(HaveOccurred())
		return relative
	}
	config := cluster.AsServiceAccount(ctx, controlPlane, direct, "cert-manager", written("role.yaml", role), written("binding.yaml", binding))
	kubeconfig := filepath.Join(dir, "kubeconfig")
	Expect(clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"cert-manager": {Server: config.Host, CertificateAuthorityData: config.CAData, CertificateAuthority: config.CAFile}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"cert-manager": {Token: config.BearerToken}},
		Contexts:       map[string]*clientcmdapi.Context{"cert-manager": {Cluster: "cert-manager", AuthInfo: "cert-manager"}},
		CurrentContext: "cert-manager",
	}, kubeconfig)).To(Succeed())
	process, err := controlPlane.Run(cluster.Tool(ctx, "certmanager").Path, append([]string{"--kubeconfig=" + kubeconfig, "--cluster-resource-namespace=" + Namespace}, args...)...)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		AddReportEntry("cert-manager's log", ReportEntryVisibilityFailureOrVerbose, process.Log())
		_ = process.Stop()
	})
}
