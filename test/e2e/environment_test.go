//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/testing/authority"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// listen opens a port on a loopback address until the suite ends. There is no
// kube-proxy, and the cluster's Service addresses are loopback ones: what listens
// on such an address stands for what is behind the Service.
func listen(address string) net.Listener {
	GinkgoHelper()
	listener, err := net.Listen("tcp", address)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = listener.Close() })
	return listener
}

func portOf(listener net.Listener) int32 {
	return int32(listener.Addr().(*net.TCPAddr).Port)
}

// serve answers on a listener until the suite ends.
func serve(listener net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(GinkgoWriter, "", 0)}
	go func() { _ = server.Serve(listener) }()
	DeferCleanup(func() { _ = server.Close() })
}

// traefik is the ingress and Gateway controller.
type traefik struct {
	// address is where it serves HTTPS.
	address string
	// port is that address's.
	port int32
	// trusting is a client that trusts the authority and finds every host at that
	// address.
	trusting *http.Client
	// metrics is the address of its metrics; empty if it has none.
	metrics string
	stop    func()
}

// byIngress are the flags of a Traefik that serves the Ingresses of a class, at a
// published address.
func byIngress(class, published string) []string {
	return []string{
		"--providers.kubernetesingress=true", "--providers.kubernetesingress.ingressclass=" + class,
		"--providers.kubernetesingress.allowexternalnameservices=true", "--providers.kubernetesingress.nativelbbydefault=true",
		"--providers.kubernetesingress.ingressendpoint.ip=" + published,
	}
}

// byGateway are the flags of a Traefik that serves the Gateways of the classes that a
// selector selects.
func byGateway(classes, published string) []string {
	return []string{
		"--providers.kubernetesgateway=true", "--providers.kubernetesgateway.labelselector=" + classes,
		"--providers.kubernetesgateway.nativelbbydefault=true", "--providers.kubernetesgateway.statusaddress.ip=" + published,
	}
}

const published = "203.0.113.7"

// freePort is a port of loopback that nobody listens on.
func freePort() uint16 {
	GinkgoHelper()
	ports, err := controlplane.FreePorts(1)
	Expect(err).NotTo(HaveOccurred())
	port, err := strconv.ParseUint(ports[0], 10, 16)
	Expect(err).NotTo(HaveOccurred())
	return uint16(port)
}

// loopback is an address of loopback, by its last byte, with a port.
func loopback(last byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, last}), port)
}

// startTraefik runs Traefik against the control plane, at an address, with flags that say
// what it serves. names are host names that resolve to loopback addresses there, and
// nowhere else. Whoever starts it stops it.
func startTraefik(controlPlane *controlplane.ControlPlane, ca *authority.Authority, address netip.AddrPort, names map[string]string, flags ...string) traefik {
	GinkgoHelper()
	t := traefik{address: address.String(), port: int32(address.Port())}

	hosts := "127.0.0.1 localhost\n"
	for name, address := range names {
		hosts += address + " " + name + "\n"
	}
	file := filepath.Join(GinkgoT().TempDir(), "hosts")
	Expect(os.WriteFile(file, []byte(hosts), 0o600)).To(Succeed())
	// In a mount namespace of its own, Traefik has its own /etc/hosts.
	args := append([]string{
		"--user", "--map-root-user", "--mount", "sh", "-c",
		`mount --bind "$1" /etc/hosts && shift && exec "$@"`, "sh", file,
		"env", "KUBECONFIG=" + controlPlane.Kubeconfig(), "HOME=" + GinkgoT().TempDir(),
		filepath.Join(cluster.Root(), "bin", "traefik"),
		"--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=INFO",
		"--entrypoints.websecure.address=" + t.address, "--entrypoints.websecure.asdefault=true", "--entrypoints.websecure.http.tls=true",
	}, flags...)
	process, err := controlPlane.Run("unshare", args...)
	Expect(err).NotTo(HaveOccurred())
	t.stop = sync.OnceFunc(func() {
		AddReportEntry("Traefik's log", ReportEntryVisibilityFailureOrVerbose, process.Log())
		_ = process.Stop()
	})
	t.trusting = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, t.address)
		},
		MaxIdleConnsPerHost: 16,
	}}
	return t
}

// reloads is how many configurations Traefik has loaded.
func (t traefik) reloads() (count float64) {
	GinkgoHelper()
	response, err := http.Get(t.metrics)
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	for line := range strings.Lines(string(page)) {
		if number, found := strings.CutPrefix(strings.TrimSpace(line), "traefik_config_reloads_total "); found {
			count, err = strconv.ParseFloat(number, 64)
			Expect(err).NotTo(HaveOccurred())
		}
	}
	Expect(count).To(BeNumerically(">", 0), "%s", page)
	return count
}

// status is what a GET of an address answers; 0 with an error if it does not.
func (t traefik) status(address string) (int, error) { return statusOf(t.trusting, address) }

// statusOf is what a client gets at an address.
func statusOf(asking *http.Client, address string) (int, error) {
	response, err := asking.Get(address)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode, err
}

// trust makes a home for Chromium in which a certificate authority is trusted.
func trust(ca *authority.Authority) string {
	GinkgoHelper()
	home := GinkgoT().TempDir()
	file := filepath.Join(home, "ca.pem")
	Expect(os.WriteFile(file, ca.PEM(), 0o600)).To(Succeed())
	db := "sql:" + filepath.Join(home, ".pki", "nssdb")
	Expect(os.MkdirAll(filepath.Join(home, ".pki", "nssdb"), 0o700)).To(Succeed())
	for _, args := range [][]string{
		{"-d", db, "-N", "--empty-password"},
		{"-d", db, "-A", "-t", "C,,", "-n", authority.Name, "-i", file},
	} {
		out, err := exec.Command("certutil", args...).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), "certutil %s\n%s", strings.Join(args, " "), out)
	}
	return home
}

// service is a Service at a given address of the cluster.
func service(namespace, name, address string, port int32) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{ClusterIP: address, Ports: []corev1.ServicePort{{Name: "http", Port: port, AppProtocol: new("http")}}},
	}
}
