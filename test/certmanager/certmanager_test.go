//go:build e2e

// Package certmanager_test shows that the operator and the real cert-manager, with a CA
// as its issuer, do together what the Partner's status says, under the admission
// policies.
package certmanager_test

import (
	"bytes"
	"context"
	"regexp"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/cli"
	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/testing/certmanager"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter)))
	RunSpecs(t, "certmanager")
}

var (
	controlPlane *controlplane.ControlPlane
	direct       client.Client
)

var _ = BeforeSuite(func(ctx SpecContext) {
	controlPlane, direct = cluster.Start(ctx)
	for _, file := range []string{"host-guard.yaml", "tenant-guard.yaml", "service-guard.yaml", "certificate-guard.yaml", "status-guard.yaml"} {
		for _, policy := range cluster.ReadObjects("config", "admission", file) {
			Expect(direct.Create(ctx, policy)).To(Succeed())
		}
	}
	certmanager.Start(ctx, controlPlane, direct)
	startManager(ctx)
})

// startManager runs the operator as its own service account.
func startManager(ctx context.Context) {
	GinkgoHelper()
	config := cluster.AsServiceAccount(ctx, controlPlane, direct, "manager", "config/rbac/role.yaml", "config/rbac/role_binding.yaml")
	Expect(direct.Create(ctx, cluster.Object(`{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: traefik}, spec: {controller: example.net/test}}`))).To(Succeed())
	Expect(direct.Create(ctx, cluster.Object(`{apiVersion: partner.dispel.com/v1alpha1, kind: SupportPlan, metadata: {name: basic}, spec: {tier: Basic}}`))).To(Succeed())
	running, stop := context.WithCancel(context.Background())
	mgr, err := manager.New(running, config, manager.Options{
		Settings: objects.Settings{
			IngressClassName: "traefik", ProxyNamespaces: []string{"traefik"}, RouteOverlap: time.Second,
			WidgetBackend: v1alpha1.ExternalBackend{Host: "widget.system.svc.cluster.local", Port: 8082},
		},
		Workers: 4, TotalsInterval: time.Second, ResyncPeriod: time.Hour,
		HealthAddress: "0", MetricsAddress: "0", ShutdownTimeout: 10 * time.Second, Unnamed: true,
	})
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(running) }()
	DeferCleanup(func() {
		stop()
		Expect(<-ended).To(Succeed())
	})
}

// condition is one of the Partner acme's, without what differs from run to run.
func condition(ctx context.Context, condition v1alpha1.ConditionType) func() string {
	day := regexp.MustCompile(`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z`)
	return func() string {
		var partner v1alpha1.Partner
		if err := direct.Get(ctx, client.ObjectKey{Name: "acme"}, &partner); err != nil {
			return err.Error()
		}
		found := meta.FindStatusCondition(partner.Status.Conditions, string(condition))
		if found == nil || found.ObservedGeneration != partner.Generation {
			return "absent"
		}
		return string(found.Status) + " " + found.Reason + ": " + day.ReplaceAllString(found.Message, "<expiry>")
	}
}

// issuer makes the ClusterIssuer ca, whose Secret has the CA.
func issuer(ctx context.Context) {
	GinkgoHelper()
	for _, manifest := range []string{
		`{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, metadata: {name: self}, spec: {selfSigned: {}}}`,
		`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: ca, namespace: system}, spec: {isCA: true, commonName: test-ca, secretName: ca, issuerRef: {kind: ClusterIssuer, name: self}}}`,
		`{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, metadata: {name: ca}, spec: {ca: {secretName: ca}}}`,
	} {
		Expect(client.IgnoreAlreadyExists(direct.Create(ctx, cluster.Object(manifest)))).To(Succeed())
	}
}

// settled is a Certificate for which cert-manager has no issuance under way, and its
// conditions.
func settled(ctx context.Context, g Gomega, namespace, name string) (*unstructured.Unstructured, []any) {
	certificate := &unstructured.Unstructured{}
	certificate.SetGroupVersionKind(kinds.CertificateGVK)
	g.Expect(direct.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, certificate)).To(Succeed())
	conditions, _, err := unstructured.NestedSlice(certificate.Object, "status", "conditions")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(conditions).NotTo(ContainElement(And(HaveKeyWithValue("type", "Issuing"), HaveKeyWithValue("status", "True"))))
	g.Expect(certificate.Object["status"]).NotTo(HaveKey("nextPrivateKeySecretName"))
	return certificate, conditions
}

// renew has cert-manager renew a Certificate, as its command line does. What ends an
// issuance that is under way would end the new one, too, hence it waits for that first.
func renew(ctx context.Context, namespace, name string) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		certificate, conditions := settled(ctx, g, namespace, name)
		conditions = slices.DeleteFunc(conditions, func(condition any) bool { return condition.(map[string]any)["type"] == "Issuing" })
		conditions = append(conditions, map[string]any{
			"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "x", "lastTransitionTime": metav1.Now().UTC().Format(time.RFC3339),
		})
		g.Expect(unstructured.SetNestedSlice(certificate.Object, conditions, "status", "conditions")).To(Succeed())
		g.Expect(direct.Status().Update(ctx, certificate)).To(Succeed())
	}).Should(Succeed())
}

// removeIssuer deletes the ClusterIssuer ca once no issuance of the Certificate needs it:
// one that had begun would never end.
func removeIssuer(ctx context.Context, namespace, name string) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) { settled(ctx, g, namespace, name) }).Should(Succeed())
	Expect(direct.Delete(ctx, cluster.Object(`{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, metadata: {name: ca}}`))).To(Succeed())
}

var _ = Describe("With cert-manager", Ordered, func() {
	const host = "remote.acmecorp.com"
	ready := "True Provisioned: " + host + " is routed by Ingress partner-acme/" + host
	secret := func() *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "partner-acme", Name: host}}
	}

	It("a missing issuer is named, and the certificate comes with it", func(ctx SpecContext) {
		Expect(direct.Create(ctx, cluster.Object(`
apiVersion: partner.dispel.com/v1alpha1
kind: Partner
metadata: {name: acme}
spec:
  displayName: Acme Corp
  channelModel: OEM
  subdomain:
    host: remote.acmecorp.com
    backend: {external: {host: acme.engine.example.net, port: 8080}}
    tls: {issuerRef: {name: ca}}
`))).To(Succeed())
		Eventually(condition(ctx, v1alpha1.ConditionStalled)).Should(Equal(
			`True IssuerNotReady: Certificate partner-acme/remote.acmecorp.com is not issued: Referenced "ClusterIssuer" not found: clusterissuer.cert-manager.io "ca" not found`))
		issuer(ctx)
		Eventually(condition(ctx, v1alpha1.ConditionReady)).Should(Equal(ready))
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(secret()), secret())).To(Succeed())

		By("telling when the certificate ends to who may see partners")
		Expect(direct.Create(ctx, cluster.Object(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: viewer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: viewer}
subjects: [{kind: ServiceAccount, namespace: system, name: viewer}]
`))).To(Succeed())
		viewer := cluster.Kubeconfig(cluster.AsServiceAccount(ctx, controlPlane, direct, "viewer", "config/rbac/viewer.yaml"))
		var out bytes.Buffer
		Expect(cli.Run(ctx, &cli.Terminal{Out: &out, Err: GinkgoWriter}, []string{"status", "acme", "--kubeconfig", viewer})).To(BeZero())
		Expect(out.String()).To(MatchRegexp(`Certificate of remote.acmecorp.com   from ClusterIssuer ca, until \d{4}-\d{2}-\d{2} \(89d from now\)`))
	})

	It("a renewal does not disturb Ready", func(ctx SpecContext) {
		var disturbed atomic.Int32
		watching, stop := context.WithCancel(ctx)
		defer stop()
		go func() {
			for watching.Err() == nil {
				if got := condition(watching, v1alpha1.ConditionReady)(); got != ready && watching.Err() == nil {
					disturbed.Add(1)
				}
			}
		}()
		before := secret()
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(before), before)).To(Succeed())
		renew(ctx, "partner-acme", host)
		Eventually(func() string {
			now := secret()
			Expect(direct.Get(ctx, client.ObjectKeyFromObject(now), now)).To(Succeed())
			return string(now.Data["tls.crt"])
		}).ShouldNot(Equal(string(before.Data["tls.crt"])))
		stop()
		Expect(disturbed.Load()).To(BeZero())
		Expect(condition(ctx, v1alpha1.ConditionCertificateRenewalFailed)()).To(Equal("absent"))
	})

	It("a deleted Secret comes back", func(ctx SpecContext) {
		Expect(direct.Delete(ctx, secret())).To(Succeed())
		Eventually(func() error { return direct.Get(ctx, client.ObjectKeyFromObject(secret()), secret()) }).Should(Succeed())
		Eventually(condition(ctx, v1alpha1.ConditionReady)).Should(Equal(ready))
	})

	It("a renewal that fails is told while the old certificate serves, with its expiry", func(ctx SpecContext) {
		removeIssuer(ctx, "partner-acme", host)
		renew(ctx, "partner-acme", host)
		Eventually(condition(ctx, v1alpha1.ConditionCertificateRenewalFailed)).Should(Equal(
			`True RenewalFailed: Certificate partner-acme/remote.acmecorp.com could not be renewed and expires at <expiry>: ` +
				`Referenced "ClusterIssuer" not found: clusterissuer.cert-manager.io "ca" not found`))
		Expect(condition(ctx, v1alpha1.ConditionReady)()).To(Equal(ready))
		issuer(ctx)
		Eventually(condition(ctx, v1alpha1.ConditionCertificateRenewalFailed)).Should(Equal("absent"))
	})

	It("a request that is denied is told", func(ctx SpecContext) {
		By("having the issuer's Secret disappear, so that the request stays")
		removeIssuer(ctx, "partner-acme", host)
		Expect(direct.Patch(ctx, cluster.Object(`{apiVersion: partner.dispel.com/v1alpha1, kind: Partner, metadata: {name: acme}}`),
			client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"subdomain":{"host":"access.acmecorp.com"}}}`)))).To(Succeed())
		Eventually(condition(ctx, v1alpha1.ConditionStalled)).Should(HavePrefix("True IssuerNotReady: Certificate partner-acme/access.acmecorp.com is not issued: Referenced"))
		requests := &unstructured.UnstructuredList{}
		requests.SetGroupVersionKind(kinds.CertificateRequestGVK.GroupVersion().WithKind("CertificateRequestList"))
		Expect(direct.List(ctx, requests, client.InNamespace("partner-acme"))).To(Succeed())
		for i := range requests.Items {
			if requests.Items[i].GetAnnotations()[kinds.CertificateNameAnnotation] != "access.acmecorp.com" {
				continue
			}
			Expect(unstructured.SetNestedSlice(requests.Items[i].Object, []any{map[string]any{
				"type": "Ready", "status": "False", "reason": "Failed", "message": "the CA refuses the name", "lastTransitionTime": metav1.Now().UTC().Format(time.RFC3339),
			}}, "status", "conditions")).To(Succeed())
			Expect(unstructured.SetNestedField(requests.Items[i].Object, metav1.Now().UTC().Format(time.RFC3339), "status", "failureTime")).To(Succeed())
			Expect(direct.Status().Update(ctx, &requests.Items[i])).To(Succeed())
		}
		Eventually(condition(ctx, v1alpha1.ConditionStalled)).Should(Equal(
			"True CertificateFailed: Certificate partner-acme/access.acmecorp.com is not issued: The certificate request has failed to complete and will be retried: the CA refuses the name; " +
				"until then https://remote.acmecorp.com is served by the Ingress as before"))
	})

	It("the key of a host goes with the host", func(ctx SpecContext) {
		issuer(ctx)
		Expect(direct.Patch(ctx, cluster.Object(`{apiVersion: partner.dispel.com/v1alpha1, kind: Partner, metadata: {name: acme}}`),
			client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"subdomain":{"host":"third.acmecorp.com"}}}`)))).To(Succeed())
		Eventually(condition(ctx, v1alpha1.ConditionReady)).Should(HavePrefix("True Provisioned"))
		gone := func(name string) func() bool {
			return func() bool {
				err := direct.Get(ctx, client.ObjectKey{Namespace: "partner-acme", Name: name}, &corev1.Secret{})
				return client.IgnoreNotFound(err) == nil && err != nil
			}
		}
		Eventually(gone(host)).Should(BeTrue())
		Expect(gone("third.acmecorp.com")()).To(BeFalse())

		By("deleting the Partner, whose namespace stays with the key, in case it comes back")
		Expect(direct.Delete(ctx, cluster.Object(`{apiVersion: partner.dispel.com/v1alpha1, kind: Partner, metadata: {name: acme}}`))).To(Succeed())
		Eventually(func() map[string]string {
			var namespace corev1.Namespace
			Expect(direct.Get(ctx, client.ObjectKey{Name: "partner-acme"}, &namespace)).To(Succeed())
			return namespace.Annotations
		}).Should(HaveKeyWithValue(v1alpha1.HostsAnnotation, ""))
		Expect(gone("third.acmecorp.com")()).To(BeFalse())
	})
})
