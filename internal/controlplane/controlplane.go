package controlplane

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/dispel/partner-operator/internal/controlplane/assets"
)

// ControlPlane is a running control plane. Its data lives in a folder of its
// own, which goes when it stops, or when this process ends in any other way.
type ControlPlane struct {
	kubectl, dir string
	binaries     string
	arguments    Arguments
	urls         urls
	// tokens are an administrator's and kube-controller-manager's.
	token, controllerManagerToken string

	guard                              *guard
	etcd, apiServer, controllerManager *Process
}

// Arguments are what components get on their command lines beside what they need.
type Arguments struct {
	Etcd, APIServer, ControllerManager []string
}

type urls struct {
	etcd, etcdPeer, apiServer string
}

// startTimeout bounds the start of one component. A busy machine with two
// cores takes some ten seconds for the API server.
const startTimeout = 2 * time.Minute

// Start runs a control plane on free ports of the loopback interface and
// returns once it answers. The caller stops it with Stop.
func Start(ctx context.Context) (*ControlPlane, error) {
	return StartWith(ctx, Arguments{})
}

// StartWith runs a control plane as Start does, with arguments of the caller's.
func StartWith(ctx context.Context, arguments Arguments) (*ControlPlane, error) {
	binaries, err := assets.Dir()
	if err != nil {
		return nil, err
	}
	// A free port may be taken between choosing it and listening on it.
	for attempt := 1; ; attempt++ {
		c, err := start(ctx, binaries, arguments)
		if err == nil || attempt == 3 || ctx.Err() != nil {
			return c, err
		}
	}
}

func start(ctx context.Context, binaries string, arguments Arguments) (_ *ControlPlane, err error) {
	dir, err := os.MkdirTemp("", "controlplane-*")
	if err != nil {
		return nil, err
	}
	c := &ControlPlane{binaries: binaries, kubectl: filepath.Join(binaries, "kubectl"), dir: dir, arguments: arguments}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	if c.guard, err = startGuard(dir); err != nil {
		return nil, err
	}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	if err := c.StartEtcd(ctx); err != nil {
		return nil, err
	}
	if err := c.StartAPIServer(ctx); err != nil {
		return nil, err
	}
	if err := errors.Join(c.writeKubeconfig(c.Kubeconfig(), c.token), c.writeKubeconfig(c.path(controllerManagerKubeconfig), c.controllerManagerToken)); err != nil {
		return nil, err
	}
	return c, c.startControllerManager(ctx)
}

// Beside stands for somebody's cluster: nothing of it is started or stopped, and what
// Run starts talks to it by a copy of the kubeconfig. It has no Config.
func Beside(kubeconfig []byte, kubectl string) (*ControlPlane, error) {
	dir, err := os.MkdirTemp("", "controlplane-*")
	if err != nil {
		return nil, err
	}
	c := &ControlPlane{kubectl: kubectl, dir: dir}
	if c.guard, err = startGuard(dir); err == nil {
		err = os.WriteFile(c.Kubeconfig(), kubeconfig, 0o600)
	}
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// prepare chooses ports and writes the credentials that the components share.
func (c *ControlPlane) prepare() error {
	ports, err := FreePorts(3)
	if err != nil {
		return err
	}
	c.urls = urls{
		etcd:      "http://127.0.0.1:" + ports[0],
		etcdPeer:  "http://127.0.0.1:" + ports[1],
		apiServer: "https://127.0.0.1:" + ports[2],
	}
	c.token, c.controllerManagerToken = rand.Text(), rand.Text()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	tokens := c.token + ",admin,admin,system:masters\n" +
		c.controllerManagerToken + ",system:kube-controller-manager,kube-controller-manager,system:masters\n"
	return errors.Join(
		os.WriteFile(c.path("tokens.csv"), []byte(tokens), 0o600),
		os.WriteFile(c.path("service-account.key"), pem.EncodeToMemory(block), 0o600),
	)
}

// StartEtcd starts etcd, on the same ports and with the same data each time.
func (c *ControlPlane) StartEtcd(ctx context.Context) error {
	var err error
	c.etcd, err = c.guard.run(c.path("etcd.log"), filepath.Join(c.binaries, "etcd"), append([]string{
		"--data-dir=" + c.path("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls=" + c.urls.etcd, "--advertise-client-urls=" + c.urls.etcd,
		"--listen-peer-urls=" + c.urls.etcdPeer,
	}, c.arguments.Etcd...)...)
	if err != nil {
		return err
	}
	return c.etcd.waitFor(ctx, http.DefaultClient, c.urls.etcd+"/health")
}

// StartAPIServer starts the API server, on the same port each time.
func (c *ControlPlane) StartAPIServer(ctx context.Context) error {
	_, port, err := net.SplitHostPort(c.urls.apiServer[len("https://"):])
	if err != nil {
		return err
	}
	c.apiServer, err = c.guard.run(c.path("kube-apiserver.log"), filepath.Join(c.binaries, "kube-apiserver"), append([]string{
		"--etcd-servers=" + c.urls.etcd,
		"--bind-address=127.0.0.1", "--secure-port=" + port, "--cert-dir=" + c.path("kube-apiserver"),
		"--authorization-mode=RBAC", "--token-auth-file=" + c.path("tokens.csv"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.path("service-account.key"),
		"--service-account-signing-key-file=" + c.path("service-account.key"),
		"--service-cluster-ip-range=127.96.0.0/16",
		// An Endpoints object may not hold the loopback address that it listens on.
		"--endpoint-reconciler-type=none",
	}, c.arguments.APIServer...)...)
	if err != nil {
		return err
	}
	return c.apiServer.waitFor(ctx, insecure, c.urls.apiServer+"/readyz")
}

// EtcdURL is where etcd serves its clients.
func (c *ControlPlane) EtcdURL() string {
	return c.urls.etcd
}

// StopAPIServer stops the API server alone, as in an outage.
func (c *ControlPlane) StopAPIServer() error {
	return c.apiServer.Stop()
}

func (c *ControlPlane) startControllerManager(ctx context.Context) error {
	var err error
	c.controllerManager, err = c.guard.run(c.path("kube-controller-manager.log"), filepath.Join(c.binaries, "kube-controller-manager"), append([]string{
		"--kubeconfig=" + c.path(controllerManagerKubeconfig), "--leader-elect=false",
		"--secure-port=0",
		"--service-account-private-key-file=" + c.path("service-account.key"),
		"--root-ca-file=" + c.path("kube-apiserver", "apiserver.crt"),
		"--kube-api-qps=500", "--kube-api-burst=1000",
	}, c.arguments.ControllerManager...)...)
	if err != nil {
		return err
	}
	// What one of its controllers makes first shows that they run.
	set, err := kubernetes.NewForConfig(c.Config())
	if err != nil {
		return err
	}
	return c.controllerManager.waitUntil(ctx, "work", func(ctx context.Context) bool {
		_, err := set.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
}

// Components are the processes of the control plane by their names.
func (c *ControlPlane) Components() map[string]*Process {
	return map[string]*Process{"etcd": c.etcd, "kube-apiserver": c.apiServer, "kube-controller-manager": c.controllerManager}
}

// Run starts a program beside the control plane.
func (c *ControlPlane) Run(path string, args ...string) (*Process, error) {
	return c.guard.run(c.path(filepath.Base(path)+".log"), path, args...)
}

// Stop ends all components, in the reverse order of their start, and removes
// their data.
func (c *ControlPlane) Stop() error {
	err := errors.Join(c.controllerManager.Stop(), c.apiServer.Stop(), c.etcd.Stop(), c.guard.stop())
	return errors.Join(err, os.RemoveAll(c.dir))
}

// Kubeconfig is the path of a kubeconfig for a cluster administrator.
func (c *ControlPlane) Kubeconfig() string {
	return c.path("kubeconfig")
}

// Kubectl is the path of the kubectl of the control plane's own version.
func (c *ControlPlane) Kubectl() string {
	return c.kubectl
}

// Config returns the connection of a cluster administrator, without a limit on
// the rate of requests.
func (c *ControlPlane) Config() *rest.Config {
	return &rest.Config{
		Host:            c.urls.apiServer,
		BearerToken:     c.token,
		TLSClientConfig: rest.TLSClientConfig{CAFile: c.path("kube-apiserver", "apiserver.crt")},
		QPS:             -1,
	}
}

const controllerManagerKubeconfig = "kube-controller-manager.kubeconfig"

func (c *ControlPlane) writeKubeconfig(path, token string) error {
	ca, err := os.ReadFile(c.path("kube-apiserver", "apiserver.crt"))
	if err != nil {
		return err
	}
	const name = "partner-operator"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: c.urls.apiServer, CertificateAuthorityData: ca}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	return clientcmd.WriteToFile(*config, path)
}

func (c *ControlPlane) path(elem ...string) string {
	return filepath.Join(append([]string{c.dir}, elem...)...)
}

// insecure asks for health only, before the serving certificate is known.
var insecure = &http.Client{
	Timeout:   5 * time.Second,
	Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
}

// FreePorts finds ports on loopback that nobody listens on.
func FreePorts(n int) ([]string, error) {
	var ports []string
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		// Held until all are chosen, so that no two are the same.
		defer listener.Close()
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}
