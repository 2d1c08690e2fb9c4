//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	miekgdns "github.com/miekg/dns"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/cli"
	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/probe"
	"github.com/dispel/partner-operator/internal/prober"
	"github.com/dispel/partner-operator/internal/records"
	"github.com/dispel/partner-operator/internal/testing/authority"
	"github.com/dispel/partner-operator/internal/testing/certmanager"
	"github.com/dispel/partner-operator/internal/testing/cluster"
	"github.com/dispel/partner-operator/internal/widgetserver"
)

const (
	// zone is what external-dns keeps, and has certificates from an ACME server.
	zone = "chain.example.com"
	// chainLabel is on GatewayClasses of the chain's own Traefik.
	chainLabel = "chain"
	// ttl is that of the zone's records, in seconds.
	ttl = 3
	// updateKey allows updates of the zone.
	updateKey = "cGFydG5lci1vcGVyYXRvci1lMmUtdGVzdHMtb25seSE="
)

// dns is a real DNS server, and a resolver that asks it and keeps its answers.
type dns struct {
	server, resolver netip.AddrPort
	// configuration is the server's, with which to start it again.
	configuration string
	process       *controlplane.Process
}

// named runs BIND with a configuration. Whoever starts it stops it.
func named(configuration string) *controlplane.Process {
	GinkgoHelper()
	process, err := controlPlane.Run("named", "-g", "-c", configuration)
	Expect(err).NotTo(HaveOccurred())
	return process
}

// startDNS runs both.
func startDNS() *dns {
	GinkgoHelper()
	d := &dns{server: loopback(1, freePort()), resolver: loopback(1, freePort())}
	write := func(dir, name, text string) string {
		path := filepath.Join(dir, name)
		Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
		return path
	}
	options := func(dir string, at netip.AddrPort, further string) string {
		return fmt.Sprintf(`
			controls { };
			options {
				directory %[1]q; pid-file "%[1]s/pid"; session-keyfile "%[1]s/session.key"; managed-keys-directory %[1]q;
				listen-on port %[2]d { %[3]s; }; listen-on-v6 { none; }; dnssec-validation no; %[4]s
			};`, dir, at.Port(), at.Addr(), further)
	}
	dir := GinkgoT().TempDir()
	zoneFile := write(dir, "zone", fmt.Sprintf("$ORIGIN %s.\n$TTL %d\n@ SOA server hostmaster 1 60 60 3600 1\nserver IN A %s\n@ IN NS server\n", zone, ttl, d.server.Addr()))
	d.configuration = write(dir, "named.conf", options(dir, d.server, "recursion no;")+fmt.Sprintf(`
		key "updates" { algorithm hmac-sha256; secret %q; };
		zone %q { type primary; file %q; allow-update { key "updates"; }; allow-transfer { key "updates"; }; };
		zone "broken.%[2]s" { type primary; file "lost"; }; // for which BIND answers SERVFAIL`, updateKey, zone, zoneFile))
	d.process = named(d.configuration)
	dir = GinkgoT().TempDir()
	resolver := named(write(dir, "named.conf", options(dir, d.resolver, fmt.Sprintf(
		"recursion yes; allow-recursion { any; }; forward only; forwarders { %s port %d; }; max-cache-ttl 60; servfail-ttl 0;", d.server.Addr(), d.server.Port()))))
	DeferCleanup(func() {
		AddReportEntry("BIND's log", ReportEntryVisibilityFailureOrVerbose, d.process.Log()+resolver.Log())
		_, _ = d.process.Stop(), resolver.Stop()
	})
	for _, at := range []netip.AddrPort{d.server, d.resolver} {
		Eventually(func() error {
			_, err := probe.ResolverAt(at).LookupNetIP(context.Background(), "ip4", "server."+zone+".")
			return err
		}).Should(Succeed())
	}
	return d
}

// set adds a record to the zone, as its administrator.
func (d *dns) set(ctx context.Context, record string) {
	GinkgoHelper()
	parsed, err := miekgdns.NewRR(record)
	Expect(err).NotTo(HaveOccurred())
	update := new(miekgdns.Msg).SetUpdate(zone + ".")
	update.Insert([]miekgdns.RR{parsed})
	update.SetTsig("updates.", miekgdns.HmacSHA256, 300, time.Now().Unix())
	answer, _, err := (&miekgdns.Client{Net: "tcp", TsigSecret: map[string]string{"updates.": updateKey}}).ExchangeContext(ctx, update, d.server.String())
	Expect(err).NotTo(HaveOccurred())
	Expect(answer.Rcode).To(Equal(miekgdns.RcodeSuccess))
}

// startExternalDNS keeps the zone as the routes of the cluster say.
func (d *dns) startExternalDNS(ctx context.Context) {
	GinkgoHelper()
	process, err := controlPlane.Run(cluster.Tool(ctx, "externaldns").Path, "--kubeconfig="+controlPlane.Kubeconfig(),
		"--source=ingress", "--source=gateway-httproute", "--domain-filter="+zone, "--policy=sync", "--registry=txt", "--txt-owner-id=e2e", "--interval=2s",
		"--provider=rfc2136", "--rfc2136-host="+d.server.Addr().String(), fmt.Sprint("--rfc2136-port=", d.server.Port()), "--rfc2136-zone="+zone,
		"--rfc2136-tsig-keyname=updates", "--rfc2136-tsig-secret-alg=hmac-sha256", "--rfc2136-tsig-secret="+updateKey, "--rfc2136-tsig-axfr")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		AddReportEntry("external-dns's log", ReportEntryVisibilityFailureOrVerbose, process.Log())
		_ = process.Stop()
	})
}

// pebble is an ACME server, which looks for challenges in the zone.
type pebble struct {
	directory string
	// root signs what it issues.
	root *x509.CertPool
}

func (d *dns) startPebble(ctx context.Context) pebble {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	own := ca.Secret("", "", "localhost")
	settings := map[string]any{
		"listenAddress": fmt.Sprint("127.0.0.1:", freePort()), "managementListenAddress": fmt.Sprint("127.0.0.1:", freePort()),
		"certificate": filepath.Join(dir, "tls.crt"), "privateKey": filepath.Join(dir, "tls.key"), "httpPort": 5002, "tlsPort": 5001,
	}
	configuration, err := json.Marshal(map[string]any{"pebble": settings})
	Expect(err).NotTo(HaveOccurred())
	for name, data := range map[string][]byte{"tls.crt": own.Data["tls.crt"], "tls.key": own.Data["tls.key"], "pebble.json": configuration} {
		Expect(os.WriteFile(filepath.Join(dir, name), data, 0o600)).To(Succeed())
	}
	process, err := controlPlane.Run("env", "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", cluster.Tool(ctx, "pebble").Path,
		"-config", filepath.Join(dir, "pebble.json"), "-dnsserver", d.server.String())
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		AddReportEntry("pebble's log", ReportEntryVisibilityFailureOrVerbose, process.Log())
		_ = process.Stop()
	})
	local := func(address any) string {
		return "https://localhost:" + strings.TrimPrefix(address.(string), "127.0.0.1:")
	}
	p := pebble{directory: local(settings["listenAddress"]) + "/dir", root: x509.NewCertPool()}
	trusting := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12}}}
	Eventually(func(g Gomega) {
		response, err := trusting.Get(local(settings["managementListenAddress"]) + "/roots/0")
		g.Expect(err).NotTo(HaveOccurred())
		defer response.Body.Close()
		root, err := io.ReadAll(response.Body)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(p.root.AppendCertsFromPEM(root)).To(BeTrue())
	}).Should(Succeed())
	return p
}

// create makes an object until the container ends.
func create(ctx context.Context, object client.Object) {
	GinkgoHelper()
	Expect(direct.Create(ctx, object)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(direct.Delete(ctx, object))).To(Succeed()) })
}

// chainPartner is the Partner whose sub-domain is in the zone.
const chainPartner = "chain"

// reachable is the verdict on its sub-domain.
func reachable(ctx context.Context) func() string {
	return func() string {
		var partner v1alpha1.Partner
		if err := direct.Get(ctx, client.ObjectKey{Name: chainPartner}, &partner); err != nil {
			return err.Error()
		}
		condition := meta.FindStatusCondition(partner.Status.Conditions, string(v1alpha1.ConditionSubdomainReachable))
		if condition == nil {
			return "none"
		}
		return condition.Reason
	}
}

// visitor asks for addresses as an end customer's browser does: each time by the
// resolver's answer, over a connection of its own.
type visitor struct {
	resolver *net.Resolver
	port     uint16
}

func (v visitor) client() *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			found, err := v.resolver.LookupNetIP(ctx, "ip4", host+".")
			if err != nil {
				return nil, err
			}
			return (&net.Dialer{}).DialContext(ctx, network, netip.AddrPortFrom(found[0], v.port).String())
		},
	}}
}

var _ = Describe("The chain from DNS to the widget", Ordered, func() {
	const name = chainPartner
	host := name + "." + zone
	var port uint16
	var names *dns
	var atIngress, atGateway netip.AddrPort
	var byClass traefik
	startIngress := func() {
		byClass = startTraefik(controlPlane, ca, atIngress, inside, byIngress("chain", atIngress.Addr().String())...)
	}

	change := func(ctx context.Context, do func(*v1alpha1.Subdomain)) {
		GinkgoHelper()
		Eventually(func() error {
			var made v1alpha1.Partner
			if err := direct.Get(ctx, client.ObjectKey{Name: name}, &made); err != nil {
				return err
			}
			do(made.Spec.Subdomain)
			return direct.Update(ctx, &made)
		}).Should(Succeed())
	}

	BeforeAll(func(ctx SpecContext) {
		now.SetTime(working)
		port = freePort()
		atIngress, atGateway = loopback(1, port), loopback(2, port)
		names = startDNS()
		names.startExternalDNS(ctx)
		acme := names.startPebble(ctx)
		certmanager.Start(ctx, controlPlane, direct, "--dns01-recursive-nameserver="+names.server.String())
		startIngress()
		DeferCleanup(func() { byClass.stop() })
		DeferCleanup(startTraefik(controlPlane, ca, atGateway, inside, byGateway(chainLabel, atGateway.Addr().String())...).stop)
		create(ctx, ca.Issuer(certmanager.Namespace, "ca"))
		create(ctx, cluster.Object(`{apiVersion: v1, kind: Secret, metadata: {name: updates, namespace: `+certmanager.Namespace+`}, stringData: {key: `+updateKey+`}}`))
		create(ctx, cluster.Object(`{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, metadata: {name: ca}, spec: {ca: {secretName: ca}}}`))
		issuer := cluster.Object(`{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, metadata: {name: acme}, spec: {acme: {email: hostmaster@chain.example.com, privateKeySecretRef: {name: acme}}}}`)
		Expect(unstructured.SetNestedField(issuer.Object, acme.directory, "spec", "acme", "server")).To(Succeed())
		Expect(unstructured.SetNestedField(issuer.Object, base64.StdEncoding.EncodeToString(ca.PEM()), "spec", "acme", "caBundle")).To(Succeed())
		Expect(unstructured.SetNestedSlice(issuer.Object, []any{map[string]any{"dns01": map[string]any{"rfc2136": map[string]any{
			"nameserver": names.server.String(), "tsigKeyName": "updates", "tsigAlgorithm": "HMACSHA256", "tsigSecretSecretRef": map[string]any{"name": "updates", "key": "key"},
		}}}}, "spec", "acme", "solvers")).To(Succeed())
		create(ctx, issuer)
		create(ctx, &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "chain"}, Spec: networkingv1.IngressClassSpec{Controller: "traefik.io/ingress-controller"}})
		create(ctx, &gatewayv1.GatewayClass{
			ObjectMeta: metav1.ObjectMeta{Name: "chain", Labels: map[string]string{chainLabel: "true"}},
			Spec:       gatewayv1.GatewayClassSpec{ControllerName: "traefik.io/gateway-controller"},
		})
		create(ctx, ca.Secret("default", "chain", host))
		create(ctx, &gatewayv1.Gateway{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "chain"},
			Spec: gatewayv1.GatewaySpec{GatewayClassName: "chain", Listeners: []gatewayv1.Listener{{
				Name: "websecure", Port: int32(port), Protocol: gatewayv1.HTTPSProtocolType,
				TLS:           &gatewayv1.ListenerTLSConfig{CertificateRefs: []gatewayv1.SecretObjectReference{{Name: "chain"}}},
				AllowedRoutes: &gatewayv1.AllowedRoutes{Namespaces: &gatewayv1.RouteNamespaces{From: new(gatewayv1.NamespacesFromAll)}},
			}}},
		})

		roots := acme.root.Clone()
		Expect(roots.AppendCertsFromPEM(ca.PEM())).To(BeTrue())
		asProber := cluster.AsServiceAccount(ctx, controlPlane, direct, "probe", "config/probe/role.yaml", "config/probe/role_binding.yaml")
		asProber.Wrap(ofProber.Wrap)
		probing, err := prober.New(asProber, prober.Options{
			CompareAddresses: true,
			Prober: probe.Prober{
				Resolver: probe.ResolverAt(names.resolver), Roots: roots, Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
				HTTPSPort: port, Timeout: 2 * time.Second,
			},
			Interval: 300 * time.Millisecond, Concurrency: 4, HealthAddress: "0", MetricsAddress: "0",
		})
		Expect(err).NotTo(HaveOccurred())
		run(probing)

		deployEngine(name, "127.96.8.9")
		create(ctx, &v1alpha1.Partner{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: v1alpha1.PartnerSpec{
				DisplayName: "Acme Corp", ChannelModel: v1alpha1.OEM, CustomerCount: new(int32(3)),
				Subdomain: &v1alpha1.Subdomain{
					Host:    v1alpha1.Host(host),
					Backend: v1alpha1.Backend{Service: &v1alpha1.ServiceBackend{Name: "engine", Port: 8080}},
					TLS:     &v1alpha1.TLS{IssuerRef: &v1alpha1.IssuerReference{Name: "ca"}},
					Route: &v1alpha1.Route{IngressClassName: "chain", Annotations: map[string]v1alpha1.AnnotationValue{
						"external-dns.kubernetes.io/ttl": v1alpha1.AnnotationValue(fmt.Sprint(ttl)),
					}},
				},
			},
		})
		contract(ctx, name, v1alpha1.OneFTE)
	})

	It("turns reachable by itself, and shows the widget in a browser", func(ctx SpecContext) {
		Eventually(reachable(ctx)).Should(Equal("Reachable"))
		found, err := probe.ResolverAt(names.resolver).LookupNetIP(ctx, "ip4", host+".")
		Expect(err).NotTo(HaveOccurred())
		Expect(found).To(Equal([]netip.Addr{atIngress.Addr()}))
		p := open(browser(trust(ca), atIngress.String()), view{})
		p.goTo("https://" + host + "/")
		p.openPanel()
		Expect(p.panel()).To(ContainSubstring("You will be talking to Dispel"))
	})

	// Each takes the chain apart at one link, and puts it together again.
	DescribeTable("names the link that breaks",
		func(ctx SpecContext, reason string, breaks, heals func(context.Context)) {
			Eventually(reachable(ctx)).Should(Equal("Reachable"))
			breaks(ctx)
			Eventually(reachable(ctx)).Should(Equal(reason))
			heals(ctx)
			Eventually(reachable(ctx)).Should(Equal("Reachable"))
		},
		Entry("the DNS server is gone", "NameNotResolved",
			func(context.Context) { Expect(names.process.Stop()).To(Succeed()) },
			func(context.Context) { names.process = named(names.configuration) }),
		Entry("the record leads elsewhere", "AddressNotTheRoutes",
			func(ctx context.Context) {
				change(ctx, func(s *v1alpha1.Subdomain) { s.Route.Annotations["external-dns.kubernetes.io/target"] = "127.0.0.9" })
			},
			func(ctx context.Context) {
				change(ctx, func(s *v1alpha1.Subdomain) { delete(s.Route.Annotations, "external-dns.kubernetes.io/target") })
			}),
		Entry("the record leads inside", "TargetNotAllowed",
			func(ctx context.Context) {
				change(ctx, func(s *v1alpha1.Subdomain) { s.Route.Annotations["external-dns.kubernetes.io/target"] = "10.0.0.1" })
			},
			func(ctx context.Context) {
				change(ctx, func(s *v1alpha1.Subdomain) { delete(s.Route.Annotations, "external-dns.kubernetes.io/target") })
			}),
		Entry("the ingress controller is gone", "ConnectionFailed",
			func(context.Context) { byClass.stop() },
			func(context.Context) { startIngress() }),
		Entry("the certificate is of an authority that nobody trusts", "CertificateInvalid",
			func(ctx context.Context) {
				create(ctx, authority.New().Secret(objects.DefaultNamespace(name), "foreign", host))
				change(ctx, func(s *v1alpha1.Subdomain) { s.TLS = &v1alpha1.TLS{SecretName: "foreign"} })
			},
			func(ctx context.Context) {
				change(ctx, func(s *v1alpha1.Subdomain) { s.TLS = &v1alpha1.TLS{IssuerRef: &v1alpha1.IssuerReference{Name: "ca"}} })
			}),
		Entry("the certificate is old", "CertificateExpired",
			func(ctx context.Context) {
				create(ctx, ca.SecretUntil(-time.Hour, objects.DefaultNamespace(name), "old", host))
				change(ctx, func(s *v1alpha1.Subdomain) { s.TLS = &v1alpha1.TLS{SecretName: "old"} })
			},
			func(ctx context.Context) {
				change(ctx, func(s *v1alpha1.Subdomain) { s.TLS = &v1alpha1.TLS{IssuerRef: &v1alpha1.IssuerReference{Name: "ca"}} })
			}),
		Entry("the engine does not answer", "EngineFailed",
			func(ctx context.Context) {
				create(ctx, service(objects.DefaultNamespace(name), "idle", "127.96.8.10", 8080))
				change(ctx, func(s *v1alpha1.Subdomain) { s.Backend.Service.Name = "idle" })
			},
			func(ctx context.Context) {
				change(ctx, func(s *v1alpha1.Subdomain) { s.Backend.Service.Name = "engine" })
			}),
		Entry("something else has the widget's path", "WidgetFailed",
			func(ctx context.Context) { create(ctx, inTheWay(objects.DefaultNamespace(name), host, "engine")) },
			func(ctx context.Context) {
				Expect(direct.Delete(ctx, inTheWay(objects.DefaultNamespace(name), host, "engine"))).To(Succeed())
			}),
		Entry("another partner's widget has it", "WidgetOfAnotherPartner",
			func(ctx context.Context) {
				serve(listen("127.96.8.11:8080"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					_, _ = io.WriteString(w, `{"version": "v1", "partner": "Globex"}`)
				}))
				create(ctx, service(objects.DefaultNamespace(name), "other", "127.96.8.11", 8080))
				create(ctx, inTheWay(objects.DefaultNamespace(name), host, "other"))
			},
			func(ctx context.Context) {
				Expect(direct.Delete(ctx, inTheWay(objects.DefaultNamespace(name), host, "other"))).To(Succeed())
			}),
	)

	It("moves to a Gateway at another address and back under steady requests, and loses none", func(ctx SpecContext) {
		Eventually(reachable(ctx)).Should(Equal("Reachable"))
		v := visitor{probe.ResolverAt(names.resolver), port}
		load := steadyRequests(v.client(), "https://"+host+"/", "https://"+host+widgetserver.ConfigPath)
		move := func(route *v1alpha1.Route, tls *v1alpha1.TLS, to netip.Addr, replaced client.Object) {
			GinkgoHelper()
			route.Annotations = map[string]v1alpha1.AnnotationValue{"external-dns.kubernetes.io/ttl": v1alpha1.AnnotationValue(fmt.Sprint(ttl))}
			change(ctx, func(s *v1alpha1.Subdomain) { s.Route, s.TLS = route, tls })
			key := client.ObjectKey{Namespace: objects.DefaultNamespace(name), Name: host}
			Eventually(func(g Gomega) {
				found, err := v.resolver.LookupNetIP(ctx, "ip4", host+".")
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(found).To(Equal([]netip.Addr{to}))
			}).Should(Succeed())
			Expect(direct.Get(ctx, key, replaced)).To(Succeed(), "the replaced route serves those who know the old address")
			Consistently(reachable(ctx)).WithTimeout(3*time.Second).Should(Equal("Reachable"), "both addresses are right")
			Eventually(func() bool { return apierrors.IsNotFound(direct.Get(ctx, key, replaced)) }).Should(BeTrue())
			before := load.served.Load()
			Eventually(load.served.Load).Should(BeNumerically(">", before+300), "a while after")
			Eventually(reachable(ctx)).Should(Equal("Reachable"))
		}
		move(&v1alpha1.Route{GatewayRef: &v1alpha1.GatewayReference{Namespace: "default", Name: "chain"}}, nil, atGateway.Addr(), &networkingv1.Ingress{})
		move(&v1alpha1.Route{IngressClassName: "chain"}, &v1alpha1.TLS{IssuerRef: &v1alpha1.IssuerReference{Name: "ca"}}, atIngress.Addr(), &gatewayv1.HTTPRoute{})
		Expect(load.stop()).To(BeEmpty())
		AddReportEntry("requests served while moving", load.served.Load())
		Expect(load.served.Load()).To(BeNumerically(">", 1000))
	})

	It("has a certificate from an ACME server, too", func(ctx SpecContext) {
		change(ctx, func(s *v1alpha1.Subdomain) { s.TLS = &v1alpha1.TLS{IssuerRef: &v1alpha1.IssuerReference{Name: "acme"}} })
		found := func() string {
			return (&probe.Prober{ConnectTo: atIngress, Roots: ca.Pool(), Allowed: probe.Anywhere}).Probe(ctx, probe.Target{Host: host, TLS: true}).Message
		}
		Eventually(found).WithTimeout(3 * time.Minute).Should(ContainSubstring("Pebble"))
		Eventually(reachable(ctx)).Should(Equal("Reachable"))

		By("telling the partner which records it has to set, and which is missing")
		file := filepath.Join(GinkgoT().TempDir(), "ca.pem")
		Expect(os.WriteFile(file, ca.PEM(), 0o600)).To(Succeed())
		told := func(name string) (string, int) {
			var out bytes.Buffer
			status := cli.Run(ctx, &cli.Terminal{Out: &out, Err: GinkgoWriter},
				[]string{"dns", name, "-o", "zone", "--dns-server", names.server.String(), "--ca-file", file, "--kubeconfig", controlPlane.Kubeconfig()})
			return out.String(), status
		}
		record := fmt.Sprintf("%s. %d IN A %s\n", host, ttl, atIngress.Addr())
		out, status := told(name)
		Expect(out).To(And(HaveSuffix(record), ContainSubstring("TXT records of _acme-challenge."+host)))
		Expect(status).To(BeZero())
		names.set(ctx, zone+`. 5 IN CAA 0 issue "other.example.net"`)
		out, status = told(name)
		missing := zone + `. 300 IN CAA 0 issue "pebble.letsencrypt.org"`
		Expect(out).To(HaveSuffix(record + missing + "\n"))
		Expect(status).To(Equal(1))

		By("ordering nothing that is forbidden, and within a minute once it is permitted")
		stopOperator()
		operatorDNS = names.server.String()
		DeferCleanup(func() {
			stopOperator()
			operatorDNS = ""
			stopOperator = startOperator(10 * time.Second)
		})
		stopOperator = startOperator(10 * time.Second)
		late := &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "late"}, Spec: v1alpha1.PartnerSpec{
			DisplayName: "Acme Corp", ChannelModel: v1alpha1.OEM,
			Subdomain: &v1alpha1.Subdomain{
				Host: "late." + zone, Backend: v1alpha1.Backend{External: &v1alpha1.ExternalBackend{Host: engineName, Port: enginePort}},
				TLS: &v1alpha1.TLS{IssuerRef: &v1alpha1.IssuerReference{Name: "acme"}}, Route: &v1alpha1.Route{IngressClassName: "chain"},
			},
		}}
		create(ctx, late)
		why := func() string {
			_ = direct.Get(ctx, client.ObjectKeyFromObject(late), late)
			said := meta.FindStatusCondition(late.Status.Conditions, string(v1alpha1.ConditionSubdomainReady))
			if said == nil {
				return ""
			}
			return said.Reason + ": " + said.Message
		}
		Eventually(why).Should(HavePrefix("DNSNotReady: no certificate is ordered for late." + zone + " yet: " + zone + ` has CAA records that do not permit pebble.letsencrypt.org to issue: add CAA 0 issue "pebble.letsencrypt.org". `))
		certificate := cluster.Object(`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: late.` + zone + `, namespace: partner-late}}`)
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(certificate), certificate)).To(Satisfy(apierrors.IsNotFound))
		out, status = told("late")
		Expect(out).To(HaveSuffix(fmt.Sprintf("late.%s. 300 IN A %s\n%s\n", zone, atIngress.Addr(), missing)))
		Expect(status).To(Equal(1))
		names.set(ctx, missing)
		Eventually(why).WithTimeout(time.Minute).ShouldNot(HavePrefix("DNSNotReady"))
		Eventually(why).WithTimeout(2 * time.Minute).Should(HavePrefix("RouteAccepted"))

		out, status = told(name)
		Expect(out).To(HaveSuffix(record))
		Expect(status).To(BeZero())

		By("ordering all the same where DNS fails")
		_, err := records.Resolver{Server: names.server.String()}.CAA(ctx, "late.broken."+zone)
		Expect(err).To(MatchError(HaveSuffix("SERVFAIL")))
		broken := late.DeepCopy()
		broken.ObjectMeta = metav1.ObjectMeta{Name: "broken"}
		broken.Spec.Subdomain.Host = v1alpha1.Host("late.broken." + zone)
		create(ctx, broken)
		certificate = cluster.Object(`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: late.broken.` + zone + `, namespace: partner-broken}}`)
		Eventually(func() error { return direct.Get(ctx, client.ObjectKeyFromObject(certificate), certificate) }).WithTimeout(time.Minute).Should(Succeed())
	})
})

// inTheWay is an Ingress of a cluster administrator's that takes the widget's path on a
// host, as nobody in the tenant may.
func inTheWay(namespace, host, to string) *networkingv1.Ingress {
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "in-the-way"},
		Spec: networkingv1.IngressSpec{IngressClassName: new("chain"), Rules: []networkingv1.IngressRule{{
			Host: host,
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/.dispel/support/config.json", PathType: new(networkingv1.PathTypeExact),
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: to, Port: networkingv1.ServiceBackendPort{Number: 8080}}},
			}}}},
		}}},
	}
}
