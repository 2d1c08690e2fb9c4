package controlplane

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
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
)

// ControlPlane is a running control plane. Its data lives in a folder of its
// own, which goes when it stops, or when this process ends in any other way.
type ControlPlane struct {
	assets, dir string
	token       string
	urls        urls

	guard                              *guard
	etcd, apiServer, controllerManager *Process
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
	assets, err := Assets()
	if err != nil {
		return nil, err
	}
	// A free port may be taken between choosing it and listening on it.
	for attempt := 1; ; attempt++ {
		c, err := start(ctx, assets)
		if err == nil || attempt == 3 || ctx.Err() != nil {
			return c, err
		}
	}
}

func start(ctx context.Context, assets string) (_ *ControlPlane, err error) {
	dir, err := os.MkdirTemp("", "controlplane-*")
	if err != nil {
		return nil, err
	}
	c := &ControlPlane{assets: assets, dir: dir}
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
	if err := c.startEtcd(ctx); err != nil {
		return nil, err
	}
	if err := c.StartAPIServer(ctx); err != nil {
		return nil, err
	}
	if err := c.writeKubeconfig(); err != nil {
		return nil, err
	}
	return c, c.startControllerManager(ctx)
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
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	c.token = hex.EncodeToString(secret)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return errors.Join(
		os.WriteFile(c.path("tokens.csv"), []byte(c.token+",admin,admin,system:masters\n"), 0o600),
		os.WriteFile(c.path("service-account.key"), pem.EncodeToMemory(block), 0o600),
	)
}

func (c *ControlPlane) startEtcd(ctx context.Context) error {
	var err error
	c.etcd, err = c.guard.run(c.path("etcd.log"), filepath.Join(c.assets, "etcd"),
		"--data-dir="+c.path("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls="+c.urls.etcd, "--advertise-client-urls="+c.urls.etcd,
		"--listen-peer-urls="+c.urls.etcdPeer)
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
	c.apiServer, err = c.guard.run(c.path("kube-apiserver.log"), filepath.Join(c.assets, "kube-apiserver"),
		"--etcd-servers="+c.urls.etcd,
		"--bind-address=127.0.0.1", "--secure-port="+port, "--cert-dir="+c.path("kube-apiserver"),
		"--authorization-mode=RBAC", "--token-auth-file="+c.path("tokens.csv"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.path("service-account.key"),
		"--service-account-signing-key-file="+c.path("service-account.key"),
		"--service-cluster-ip-range=127.96.0.0/16",
		// An Endpoints object may not hold the loopback address that it listens on.
		"--endpoint-reconciler-type=none")
	if err != nil {
		return err
	}
	return c.apiServer.waitFor(ctx, insecure, c.urls.apiServer+"/readyz")
}

// StopAPIServer stops the API server alone, as in an outage.
func (c *ControlPlane) StopAPIServer() error {
	return c.apiServer.Stop()
}

func (c *ControlPlane) startControllerManager(ctx context.Context) error {
	var err error
	c.controllerManager, err = c.guard.run(c.path("kube-controller-manager.log"), filepath.Join(c.assets, "kube-controller-manager"),
		"--kubeconfig="+c.Kubeconfig(), "--leader-elect=false",
		"--secure-port=0",
		"--service-account-private-key-file="+c.path("service-account.key"),
		"--root-ca-file="+c.path("kube-apiserver", "apiserver.crt"),
		"--kube-api-qps=500", "--kube-api-burst=1000")
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
	return filepath.Join(c.assets, "kubectl")
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

func (c *ControlPlane) writeKubeconfig() error {
	ca, err := os.ReadFile(c.path("kube-apiserver", "apiserver.crt"))
	if err != nil {
		return err
	}
	const name = "partner-operator"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: c.urls.apiServer, CertificateAuthorityData: ca}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: c.token}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	return clientcmd.WriteToFile(*config, c.Kubeconfig())
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
