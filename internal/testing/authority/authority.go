// Package authority is a certificate authority for tests.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Name is the common name of every authority.
const Name = "Test Authority"

// Authority signs certificates.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	// chain leads from it to the one that signed first; empty for that one.
	chain [][]byte
}

// New makes an authority that is valid for a day.
func New() *Authority {
	GinkgoHelper()
	return authority(Name, 24*time.Hour, nil)
}

// Intermediate is an authority that this one signs, which is valid until some time from now.
// Servers send its certificate with those that it signs.
func (a *Authority) Intermediate(name string, until time.Duration) *Authority {
	GinkgoHelper()
	return authority(name, until, a)
}

// authority makes one, signed by another; by itself if that is nil.
func authority(name string, until time.Duration, by *Authority) *Authority {
	GinkgoHelper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(until), KeyUsage: x509.KeyUsageCertSign,
	}
	made := &Authority{key: key}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	Expect(err).NotTo(HaveOccurred())
	made.certificate, err = x509.ParseCertificate(der)
	Expect(err).NotTo(HaveOccurred())
	if by != nil {
		made.chain = append([][]byte{der}, by.chain...)
	}
	return made
}

// Pool has the authority's own certificate, to trust it.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// Sign makes a certificate for hosts, which is valid until some time from now.
func (a *Authority) Sign(until time.Duration, hosts ...string) tls.Certificate {
	GinkgoHelper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: append(slices.Clone(hosts), "without a name")[0]}, DNSNames: hosts,
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(until),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	Expect(err).NotTo(HaveOccurred())
	return tls.Certificate{Certificate: append([][]byte{der}, a.chain...), PrivateKey: key}
}

// PEM is the authority's own certificate as a file has it.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// Issuer is a Secret with the authority's own certificate and key, for cert-manager to
// sign with.
func (a *Authority) Issuer(namespace, name string) *corev1.Secret {
	return secret(namespace, name, tls.Certificate{Certificate: [][]byte{a.certificate.Raw}, PrivateKey: a.key})
}

// SecretUntil is a Secret with a certificate for a host, which is valid until some time
// from now.
func (a *Authority) SecretUntil(until time.Duration, namespace, name, host string) *corev1.Secret {
	GinkgoHelper()
	return secret(namespace, name, a.Sign(until, host))
}

// Secret is a Secret with a certificate for hosts.
func (a *Authority) Secret(namespace, name string, hosts ...string) *corev1.Secret {
	GinkgoHelper()
	return secret(namespace, name, a.Sign(24*time.Hour, hosts...))
}

func secret(namespace, name string, certificate tls.Certificate) *corev1.Secret {
	GinkgoHelper()
	private, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	Expect(err).NotTo(HaveOccurred())
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{
			corev1.TLSCertKey:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}),
			corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		},
	}
}
