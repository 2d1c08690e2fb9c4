//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/testing/authority"
	"github.com/dispel/partner-operator/internal/widgetserver"
)

// sealed is an engine that speaks TLS alone, and counts who does not.
type sealed struct {
	net.Listener
	certificate atomic.Pointer[tls.Certificate]
	// encrypted and clear are the connections that began with a TLS handshake, and with
	// something else.
	encrypted, clear atomic.Int64
}

// seal runs the engine on an address, with a certificate.
func seal(address string, certificate tls.Certificate) *sealed {
	GinkgoHelper()
	s := &sealed{Listener: listen(address)}
	s.certificate.Store(&certificate)
	serve(tls.NewListener(s, &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.certificate.Load(), nil },
	}), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close") // so that each request verifies the certificate anew
		engine.ServeHTTP(w, r)
	}))
	return s
}

// Accept counts a connection by its first byte.
func (s *sealed) Accept() (net.Conn, error) {
	accepted, err := s.Listener.Accept()
	return &begun{Conn: accepted, by: s}, err
}

type begun struct {
	net.Conn
	by   *sealed
	read bool
}

func (b *begun) Read(into []byte) (int, error) {
	n, err := b.Conn.Read(into)
	if n > 0 && !b.read {
		b.read = true
		if into[0] == 0x16 { // a handshake
			b.by.encrypted.Add(1)
		} else {
			b.by.clear.Add(1)
		}
	}
	return n, err
}

var _ = Describe("An engine with a private authority", func() {
	trusted := func(ctx context.Context, namespace string, authorities ...*authority.Authority) {
		GinkgoHelper()
		data := ""
		for _, a := range authorities {
			data += string(a.PEM())
		}
		configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "engine-ca"}, Data: map[string]string{objects.CAKey: data}}
		if err := direct.Create(ctx, configMap.DeepCopy()); err != nil {
			Expect(direct.Update(ctx, configMap)).To(Succeed())
		}
	}
	change := func(ctx context.Context, name string, to func(*v1alpha1.Subdomain)) {
		GinkgoHelper()
		Eventually(func() error {
			var made v1alpha1.Partner
			if err := direct.Get(ctx, client.ObjectKey{Name: name}, &made); err != nil {
				return err
			}
			to(made.Spec.Subdomain)
			return direct.Update(ctx, &made)
		}).Should(Succeed())
	}
	reason := func(ctx context.Context, name string) func() string {
		return func() string {
			var made v1alpha1.Partner
			_ = direct.Get(ctx, client.ObjectKey{Name: name}, &made)
			i := slices.IndexFunc(made.Status.Conditions, func(c metav1.Condition) bool { return c.Type == string(v1alpha1.ConditionSubdomainReady) })
			if i < 0 {
				return ""
			}
			return made.Status.Conditions[i].Reason + ": " + made.Status.Conditions[i].Message
		}
	}
	// refuses waits until Traefik does not lead to the engine, which a page of its own says.
	refuses := func(address string) {
		GinkgoHelper()
		Eventually(func() (int, error) { return ingress.status(address + "/") }).Should(BeNumerically(">=", http.StatusInternalServerError))
	}
	served := func(address string) {
		GinkgoHelper()
		Eventually(func() (int, error) { return ingress.status(address + "/") }).Should(Equal(http.StatusOK))
	}

	It("is reached over TLS alone, by an Ingress and by a Gateway, while its authority changes", func(ctx SpecContext) {
		now.SetTime(working)
		private, next := authority.New(), authority.New()
		namespace := objects.DefaultNamespace("sealed")
		name := "engine." + namespace + ".svc"
		made := seal(sealedAddress+":8443", private.Sign(time.Hour, name))
		go func() {
			defer GinkgoRecover()
			Eventually(func() error {
				return client.IgnoreAlreadyExists(direct.Create(context.Background(), service(namespace, "engine", sealedAddress, 8443)))
			}).WithTimeout(time.Minute).Should(Succeed())
			trusted(context.Background(), namespace, private)
		}()
		byConfigMap := &v1alpha1.BackendTLS{CACertificates: v1alpha1.CACertificates{ConfigMapRef: &v1alpha1.CAReference{Name: "engine-ca"}}}
		address := partner(ctx, "sealed", v1alpha1.OneFTE, func(spec *v1alpha1.PartnerSpec) {
			spec.Subdomain.Backend = v1alpha1.Backend{Service: &v1alpha1.ServiceBackend{Name: "engine", Port: 8443}, TLS: byConfigMap}
		})
		Eventually(widgetStatus(address)).Should(Equal(http.StatusOK), "the widget server, which has no TLS")

		By("changing the authority: both, then the engine's certificate, then the new one alone")
		load := steadyRequests(ingress.trusting, address+"/", address+widgetserver.ConfigPath)
		more := func() {
			GinkgoHelper()
			before := load.served.Load()
			Eventually(load.served.Load).WithTimeout(time.Minute).Should(BeNumerically(">", before+1000), "a while after")
		}
		loaded := ingress.reloads()
		trusted(ctx, namespace, private, next)
		Eventually(ingress.reloads).WithTimeout(time.Minute).Should(BeNumerically(">", loaded), "Traefik has both")
		more()
		made.certificate.Store(new(next.Sign(time.Hour, name)))
		more()
		trusted(ctx, namespace, next)
		more()

		By("moving to a Gateway, which has it from a BackendTLSPolicy")
		change(ctx, "sealed", func(s *v1alpha1.Subdomain) { s.Route, s.TLS = viaGateway, nil })
		Eventually(reason(ctx, "sealed")).Should(ContainSubstring("is routed by HTTPRoute"))
		more()
		Expect(load.stop()).To(BeEmpty())

		By("a wrong authority, and a wrong name")
		trusted(ctx, namespace, private)
		refuses(address)
		trusted(ctx, namespace, next)
		served(address)
		change(ctx, "sealed", func(s *v1alpha1.Subdomain) { s.Backend.TLS.ServerName = "another.example.net" })
		refuses(address)
		change(ctx, "sealed", func(s *v1alpha1.Subdomain) { s.Route, s.TLS = nil, &v1alpha1.TLS{SecretName: "own"} })
		Eventually(reason(ctx, "sealed")).Should(ContainSubstring("is routed by Ingress"))
		refuses(address)
		change(ctx, "sealed", func(s *v1alpha1.Subdomain) { s.Backend.TLS.ServerName = "" })
		served(address)
		trusted(ctx, namespace, private)
		refuses(address)

		By("an authority that is gone, and back")
		Expect(direct.Delete(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "engine-ca"}})).To(Succeed())
		change(ctx, "sealed", func(s *v1alpha1.Subdomain) { s.Backend.TLS.ServerName = v1alpha1.Host(name) })
		Eventually(reason(ctx, "sealed")).Should(HavePrefix("BackendCAInvalid: there is no ConfigMap " + namespace + "/engine-ca"))
		refuses(address)
		trusted(ctx, namespace, next)
		served(address)
		Eventually(reason(ctx, "sealed")).WithTimeout(time.Minute).Should(ContainSubstring("is routed by Ingress"))

		Expect(made.clear.Load()).To(BeZero(), "connections in clear text")
		Expect(made.encrypted.Load()).To(BeNumerically(">", 1000))
	})

	It("is reached outside of the cluster, too, by an Ingress and by a Gateway of Traefik's", func(ctx SpecContext) {
		private := authority.New()
		made := seal("127.0.0.1:0", private.Sign(time.Hour, engineName))
		namespace := objects.DefaultNamespace("outside")
		go func() {
			defer GinkgoRecover()
			Eventually(direct.Get).WithArguments(context.Background(), client.ObjectKey{Name: namespace}, &corev1.Namespace{}).WithTimeout(time.Minute).Should(Succeed())
			trusted(context.Background(), namespace, private)
		}()
		address := partner(ctx, "outside", 0, func(spec *v1alpha1.PartnerSpec) {
			spec.Subdomain.Backend.External.Port = portOf(made)
			spec.Subdomain.Backend.TLS = &v1alpha1.BackendTLS{CACertificates: v1alpha1.CACertificates{ConfigMapRef: &v1alpha1.CAReference{Name: "engine-ca"}}}
		})
		change(ctx, "outside", func(s *v1alpha1.Subdomain) { s.Route, s.TLS = viaGateway, nil })
		Eventually(reason(ctx, "outside")).Should(ContainSubstring("is routed by HTTPRoute"))
		served(address)
		Eventually(direct.Get).WithArguments(ctx, client.ObjectKey{Namespace: namespace, Name: "outside.example.com"}, &networkingv1.Ingress{}).
			WithTimeout(time.Minute).Should(Satisfy(apierrors.IsNotFound))
		Consistently(func() (int, error) { return ingress.status(address + "/") }).WithTimeout(3 * time.Second).Should(Equal(http.StatusOK))
		change(ctx, "outside", func(s *v1alpha1.Subdomain) { s.Backend.TLS.ServerName = "another.example.net" })
		refuses(address)
		Expect(made.clear.Load()).To(BeZero(), "connections in clear text")

		By("by the annotations of ingress-nginx, which takes the authority from a Secret")
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "engine-ca"}, Data: map[string][]byte{objects.CAKey: private.PEM()}}
		Expect(direct.Create(ctx, secret)).To(Succeed())
		change(ctx, "outside", func(s *v1alpha1.Subdomain) {
			s.Backend.TLS.ServerName, s.Route, s.TLS = "", &v1alpha1.Route{IngressClassName: "nginx"}, &v1alpha1.TLS{SecretName: "own"}
		})
		Eventually(reason(ctx, "outside")).Should(HavePrefix("BackendTLSNotSupported: spec.subdomain.backend.tls cannot be met, and the engine is not served in clear text: ingress-nginx takes authorities only from a Secret"))
		change(ctx, "outside", func(s *v1alpha1.Subdomain) {
			s.Backend.TLS.CACertificates = v1alpha1.CACertificates{SecretRef: &v1alpha1.CAReference{Name: "engine-ca"}}
		})
		Eventually(reason(ctx, "outside")).Should(ContainSubstring("is routed by Ingress"))
		Eventually(direct.Get).WithArguments(ctx, client.ObjectKey{Namespace: namespace, Name: "outside.example.com"}, &gatewayv1.HTTPRoute{}).
			WithTimeout(time.Minute).Should(Satisfy(apierrors.IsNotFound))
		served(address)
		change(ctx, "outside", func(s *v1alpha1.Subdomain) { s.Backend.TLS.ServerName = "another.example.net" })
		refuses(address)
		Expect(made.clear.Load()).To(BeZero(), "connections in clear text")

		By("in clear text, as before, for one that asks for no TLS")
		change(ctx, "outside", func(s *v1alpha1.Subdomain) {
			s.Backend.TLS, s.Backend.External.Port, s.Route, s.TLS = nil, enginePort, viaGateway, nil
		})
		served(address)
	})
})
