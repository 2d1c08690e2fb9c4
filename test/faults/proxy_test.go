//go:build faults

package faults

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// proxy stands between managers and the API server. It notes what they write,
// and while it is bad, it does to requests what networks and busy servers do.
type proxy struct {
	server *httptest.Server
	bad    atomic.Bool

	mu sync.Mutex
	// writes are methods and paths.
	writes []string
}

// newProxy forwards to the API server until the spec ends.
func newProxy(to *rest.Config) *proxy {
	GinkgoHelper()
	transport, err := rest.TransportFor(to)
	Expect(err).NotTo(HaveOccurred())
	target, err := url.Parse(to.Host)
	Expect(err).NotTo(HaveOccurred())
	forward := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1, // watches are read as they come
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			panic(http.ErrAbortHandler) // the API server is gone, and so is the connection
		},
	}
	p := &proxy{}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isWrite(r) {
			p.mu.Lock()
			p.writes = append(p.writes, r.Method+" "+r.URL.Path)
			p.mu.Unlock()
		}
		if p.bad.Load() {
			p.worsen(forward, w, r)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	DeferCleanup(func() {
		p.server.CloseClientConnections() // watches do not end by themselves
		p.server.Close()
	})
	return p
}

// isWrite reports whether a request changes anything but a lease, and what is told
// as an Event.
func isWrite(r *http.Request) bool {
	return r.Method != http.MethodGet && !strings.Contains(r.URL.Path, "/leases") && !strings.HasSuffix(r.URL.Path, "/events")
}

// worsen does something bad to one request in three.
func (p *proxy) worsen(forward http.Handler, w http.ResponseWriter, r *http.Request) {
	const kinds = 5
	switch rand.IntN(3 * kinds) {
	case 0: // refused by a server in trouble
		codes := []int{http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusGatewayTimeout}
		http.Error(w, "the proxy says no", codes[rand.IntN(len(codes))])
	case 1: // never arrives
		panic(http.ErrAbortHandler)
	case 2: // done, but the answer is lost
		if r.URL.Query().Has("watch") {
			panic(http.ErrAbortHandler)
		}
		forward.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case 3: // late
		<-time.After(time.Duration(rand.IntN(1000)) * time.Millisecond)
		forward.ServeHTTP(w, r)
	case 4: // cut off in the middle
		cut := &cutWriter{ResponseWriter: w, left: rand.IntN(4096)}
		forward.ServeHTTP(cut, r)
	default:
		forward.ServeHTTP(w, r)
	}
}

// cutWriter breaks the connection after some bytes of an answer.
type cutWriter struct {
	http.ResponseWriter
	left int
}

// Write implements http.ResponseWriter.
func (c *cutWriter) Write(data []byte) (int, error) {
	if len(data) > c.left {
		_, _ = c.ResponseWriter.Write(data[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(data)
	return c.ResponseWriter.Write(data)
}

// Unwrap lets http.ResponseController find Flush.
func (c *cutWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// written are all writes so far.
func (p *proxy) written() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clip(p.writes)
}

// config is the connection by way of the proxy.
func (p *proxy) config() *rest.Config {
	return &rest.Config{Host: p.server.URL, QPS: -1}
}

// kubeconfig is the path of a kubeconfig by way of the proxy.
func (p *proxy) kubeconfig() string {
	GinkgoHelper()
	const name = "proxy"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: p.server.URL}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	path := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(clientcmd.WriteToFile(*config, path)).To(Succeed())
	return path
}
