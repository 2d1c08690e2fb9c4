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

// itsRights are those of cert-manager's controllers that run here, as its chart binds
// them to its service account.
const itsRights = `
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

const itsBinding = `
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
	config := cluster.AsServiceAccount(ctx, controlPlane, direct, "cert-manager", written("role.yaml", itsRights), written("binding.yaml", itsBinding))
	kubeconfig := filepath.Join(dir, "kubeconfig")
	Expect(clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"it": {Server: config.Host, CertificateAuthorityData: config.CAData, CertificateAuthority: config.CAFile}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"it": {Token: config.BearerToken}},
		Contexts:       map[string]*clientcmdapi.Context{"it": {Cluster: "it", AuthInfo: "it"}},
		CurrentContext: "it",
	}, kubeconfig)).To(Succeed())
	process, err := controlPlane.Run(cluster.Tool(ctx, "certmanager").Path, append([]string{"--kubeconfig=" + kubeconfig, "--cluster-resource-namespace=" + Namespace}, args...)...)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		AddReportEntry("cert-manager's log", ReportEntryVisibilityFailureOrVerbose, process.Log())
		_ = process.Stop()
	})
}
