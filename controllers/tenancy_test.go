package controllers_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/scheme"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// aggregatedRights are what the charts of cert-manager and the Gateway API's
// controllers add to the ClusterRole admin, and a platform that lets tenants have
// more of the Gateway API.
const aggregatedRights = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: tenancy-test, labels: {rbac.authorization.k8s.io/aggregate-to-admin: "true"}}
rules:
- {apiGroups: [cert-manager.io], resources: [certificates, certificaterequests, issuers], verbs: [create, delete, deletecollection, patch, update, get, list, watch]}
- {apiGroups: [cert-manager.io], resources: [certificates/status], verbs: [update]}
- {apiGroups: [acme.cert-manager.io], resources: [challenges, orders], verbs: [create, delete, deletecollection, patch, update, get, list, watch]}
- {apiGroups: [gateway.networking.k8s.io, gateway.networking.x-k8s.io], resources: ["*"], verbs: ["*"]}
`

// solverRights are those of cert-manager's own service account that matter here.
const solverRights = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: cert-manager-test}
rules:
- {apiGroups: [""], resources: [pods, services, secrets], verbs: ["*"]}
- {apiGroups: [networking.k8s.io], resources: [ingresses], verbs: ["*"]}
- {apiGroups: [cert-manager.io, acme.cert-manager.io], resources: ["*"], verbs: ["*"]}
`

// as is a client of somebody.
func as(user string, groups ...string) client.Client {
	GinkgoHelper()
	config := controlPlane.Config()
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:authenticated")}
	somebody, err := client.New(config, client.Options{Scheme: scheme.New()})
	Expect(err).NotTo(HaveOccurred())
	return somebody
}

// createForNow creates an object until the spec, or the container, ends.
func createForNow(ctx context.Context, o client.Object) {
	GinkgoHelper()
	Expect(direct.Create(ctx, o)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(direct.Delete(ctx, o))).To(Succeed()) })
}

// guardFiles are the policies that a default installation has.
var guardFiles = []string{"host-guard.yaml", "tenant-guard.yaml", "service-guard.yaml", "certificate-guard.yaml", "status-guard.yaml"}

// enforce puts all policies in force until the container ends. probes are requests
// that they refuse, one of each policy: the API server takes a moment to heed a new
// policy, and to forget a deleted one.
func enforce(ctx context.Context, probes ...func(context.Context) error) {
	GinkgoHelper()
	DeferCleanup(func(ctx SpecContext) {
		for _, probe := range probes {
			Eventually(probe).WithContext(ctx).Should(Succeed())
		}
	})
	for _, file := range guardFiles {
		for _, policy := range cluster.ReadObjects("config", "admission", file) {
			createForNow(ctx, policy)
		}
	}
	for _, probe := range probes {
		Eventually(probe).WithContext(ctx).Should(MatchError(ContainSubstring("ValidatingAdmissionPolicy")))
	}
}

var _ = Describe("The tenant guard", func() {
	It("guards every kind that the operator makes in a tenant namespace", func() {
		policy := cluster.ReadObjects("config", "admission", "tenant-guard.yaml")[0]
		rules, _, err := unstructured.NestedSlice(policy.Object, "spec", "matchConstraints", "resourceRules")
		Expect(err).NotTo(HaveOccurred())
		guarded := map[string]bool{}
		for _, rule := range rules {
			groups, _, _ := unstructured.NestedStringSlice(rule.(map[string]any), "apiGroups")
			resources, _, _ := unstructured.NestedStringSlice(rule.(map[string]any), "resources")
			for _, resource := range resources {
				guarded[groups[0]+"/"+resource] = true
			}
		}
		for _, kind := range kinds.All {
			if !kind.Made || kind.Relation == kinds.ByHolder || kind.Relation == kinds.ByName {
				continue // claims are in no namespace, and ReferenceGrants in the widget server's
			}
			resource, _ := meta.UnsafeGuessKindToResource(kind.GroupVersionKind)
			Expect(guarded).To(HaveKey(resource.Group+"/"+resource.Resource), "add it to the resourceRules of config/admission/tenant-guard.yaml")
		}
	})
})

var _ = Describe("A tenant's administrator", Ordered, ContinueOnFailure, func() {
	const namespace = "partner-fenced"
	var eve client.Client
	var m *running

	BeforeAll(func(ctx SpecContext) {
		installGatewayAPI()
		cluster.Install(controlPlane, cluster.GatewayCRDs(cluster.L4RouteKinds...)...)
		installCertManager()
		createForNow(ctx, cluster.Object(aggregatedRights))
		programmedGateway(ctx)
		m = startManager()
		applyYAML(ctx, partnerYAML("fenced", everything))
		applyYAML(ctx, partnerYAML("victim", everything))
		eventually(ctx, "fenced", "Ready=True/Provisioned")
		eventually(ctx, "victim", "Ready=True/Provisioned")
		eve = as("eve", "admins")
		dry := func(manifest string) func(context.Context) error {
			return func(ctx context.Context) error { return eve.Create(ctx, cluster.Object(manifest), client.DryRunAll) }
		}
		enforce(ctx,
			dry(`{apiVersion: v1, kind: ConfigMap, metadata: {name: dispel-probe, namespace: partner-fenced}}`),
			dry(`{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: probe, namespace: partner-fenced}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}, subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: mallory}]}`),
			dry(`{apiVersion: v1, kind: Service, metadata: {name: probe, namespace: partner-fenced}, spec: {type: ExternalName, externalName: x.example.net}}`),
			dry(`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: probe, namespace: partner-fenced}, spec: {rules: [{host: victim.example.com}]}}`),
			dry(`{apiVersion: gateway.networking.k8s.io/v1, kind: GRPCRoute, metadata: {name: probe, namespace: partner-fenced}, spec: {hostnames: [victim.example.com]}}`),
			dry(`{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: probe, namespace: partner-fenced}, spec: {gatewayClassName: x, listeners: [{name: a, port: 80, protocol: HTTP}]}}`),
			dry(`{apiVersion: gateway.networking.k8s.io/v1, kind: TCPRoute, metadata: {name: probe, namespace: partner-fenced}, spec: {parentRefs: [{namespace: default, name: public}], rules: [{backendRefs: [{name: x, port: 80}]}]}}`),
			dry(`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: probe, namespace: partner-fenced}, spec: {secretName: x, dnsNames: [victim.example.com], issuerRef: {name: x}}}`),
			dry(`{apiVersion: batch/v1, kind: Job, metadata: {name: probe, namespace: partner-fenced, ownerReferences: [{apiVersion: partner.dispel.com/v1alpha1, kind: Partner, name: fenced, uid: x}]}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: x, image: x}]}}}}`),
			dry(`{apiVersion: cert-manager.io/v1, kind: CertificateRequest, metadata: {name: probe, namespace: partner-fenced}, spec: {request: eA==, issuerRef: {name: x}}}`),
		)
	})

	It("fills no memory with names that nobody can declare", func(ctx SpecContext) {
		certificate := cluster.Object(`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: flood, namespace: partner-fenced}, spec: {secretName: x, issuerRef: {name: x}}}`)
		var names []any
		for i := range 18000 {
			names = append(names, fmt.Sprintf("s%05d-%s.partner-fenced.svc", i, strings.Repeat("x", 24)))
		}
		certificate.Object["spec"].(map[string]any)["dnsNames"] = names
		Expect(eve.Create(ctx, certificate)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(eve.Delete(ctx, certificate)).To(Succeed()) })
		kept := certificate.DeepCopy()
		Eventually(func() error { return m.cache.Get(ctx, client.ObjectKeyFromObject(certificate), kept) }).Should(Succeed())
		Expect(kept.Object).NotTo(HaveKey("spec"))
		eventually(ctx, "fenced", "Ready=True/Provisioned")
	})

	reserved := "by its name or its label app.kubernetes.io/managed-by: have what you need declared in Partner fenced"

	DescribeTable("is refused", func(ctx SpecContext, refusal, manifest string) {
		Expect(eve.Create(ctx, cluster.Object(manifest), client.DryRunAll)).To(MatchError(ContainSubstring(refusal)))
	},
		Entry("an object with the operator's label", "metadata.name: configmaps x is the partner operator's, "+reserved,
			`{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: partner-fenced, labels: {app.kubernetes.io/managed-by: partner-operator}}}`),
		Entry("an object under a reserved name", "metadata.name: services dispel-mine is the partner operator's, "+reserved,
			`{apiVersion: v1, kind: Service, metadata: {name: dispel-mine, namespace: partner-fenced}, spec: {ports: [{port: 80}]}}`),
		Entry("an object that would keep the Partner from going", "metadata.ownerReferences: only the partner operator makes objects that a Partner owns: remove the reference to the Partner from configmaps hook",
			`{apiVersion: v1, kind: ConfigMap, metadata: {name: hook, namespace: partner-fenced, finalizers: [example.com/never], ownerReferences: [{apiVersion: partner.dispel.com/v1alpha1, kind: Partner, name: fenced, uid: x, blockOwnerDeletion: true}]}}`),
		Entry("an HTTPRoute named like the host", "metadata.name: httproutes fenced.example.com is the partner operator's, "+reserved,
			`{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: fenced.example.com, namespace: partner-fenced}, spec: {hostnames: [fenced.example.com]}}`),
		Entry("a ListenerSet named like a second route of the host", "metadata.name: listenersets fenced.example.com.2 is the partner operator's, "+reserved,
			`{apiVersion: gateway.networking.k8s.io/v1, kind: ListenerSet, metadata: {name: fenced.example.com.2, namespace: partner-fenced}, spec: {parentRef: {name: public}, listeners: [{name: https, port: 443, protocol: HTTPS, hostname: fenced.example.com}]}}`),
		Entry("what tells how the engine is reached over TLS", "metadata.name: backendtlspolicies dispel-engine is the partner operator's, "+reserved,
			`{apiVersion: gateway.networking.k8s.io/v1, kind: BackendTLSPolicy, metadata: {name: dispel-engine, namespace: partner-fenced}, spec: {targetRefs: [{group: "", kind: Service, name: engine}], validation: {hostname: x.example.com, wellKnownCACertificates: System}}}`),
		Entry("a labelled Certificate", "metadata.name: certificates flood is the partner operator's, "+reserved,
			`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: flood, namespace: partner-fenced, labels: {app.kubernetes.io/managed-by: partner-operator, partner.dispel.com/partner: fenced}, annotations: {partner.dispel.com/applied: x}}, spec: {secretName: x, dnsNames: [fenced.example.com], issuerRef: {name: x}}}`),

		Entry("a Service that leads to another tenant", "spec.type: a Service of type ExternalName would lead the platform's proxies to another host: write one of type ClusterIP, or have the engine's host declared in spec.subdomain.backend.external of Partner fenced",
			`{apiVersion: v1, kind: Service, metadata: {name: bridge, namespace: partner-fenced}, spec: {type: ExternalName, externalName: engine.partner-victim.svc.cluster.local}}`),
		Entry("a Service with others' addresses", "spec.externalIPs: a Service in a tenant namespace could take traffic for addresses of others: remove externalIPs",
			`{apiVersion: v1, kind: Service, metadata: {name: thief, namespace: partner-fenced}, spec: {externalIPs: [203.0.113.9], ports: [{port: 80}]}}`),
		Entry("a Service of type LoadBalancer", "spec.type: a Service of type LoadBalancer could take an address or a port of others",
			`{apiVersion: v1, kind: Service, metadata: {name: thief, namespace: partner-fenced}, spec: {type: LoadBalancer, loadBalancerIP: 203.0.113.9, ports: [{port: 80}]}}`),
		Entry("a Service that chooses a nodePort", "spec.type: a Service of type NodePort could take an address or a port of others: write one of type ClusterIP, which the sub-domain of Partner fenced leads to",
			`{apiVersion: v1, kind: Service, metadata: {name: thief, namespace: partner-fenced}, spec: {type: NodePort, ports: [{port: 80, nodePort: 30080}]}}`),
		Entry("a Service with a foreign host for external-dns", "metadata.annotations: external-dns.kubernetes.io/hostname is not among the annotations that a tenant may set on a Service",
			`{apiVersion: v1, kind: Service, metadata: {name: thief, namespace: partner-fenced, annotations: {external-dns.kubernetes.io/hostname: victim.example.com}}, spec: {ports: [{port: 80}]}}`),
		Entry("a Service with a foreign host under external-dns's former prefix", "metadata.annotations: external-dns.alpha.kubernetes.io/internal-hostname is not among the annotations",
			`{apiVersion: v1, kind: Service, metadata: {name: thief, namespace: partner-fenced, annotations: {external-dns.alpha.kubernetes.io/internal-hostname: victim.example.com}}, spec: {ports: [{port: 80}]}}`),

		Entry("a Certificate for another's host", "spec: the partner of namespace partner-fenced may not ask for a certificate for victim.example.com: write hosts of its own (fenced.example.com) in dnsNames and commonName, or names of Services here",
			`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: thief, namespace: partner-fenced}, spec: {secretName: x, dnsNames: [fenced.example.com, victim.example.com], issuerRef: {kind: ClusterIssuer, name: platform}}}`),
		Entry("one by its common name", "spec: the partner of namespace partner-fenced may not ask for a certificate for victim.example.com: write",
			`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: thief, namespace: partner-fenced}, spec: {secretName: x, commonName: victim.example.com, issuerRef: {kind: ClusterIssuer, name: platform}}}`),
		Entry("one for every host below", "spec: the partner of namespace partner-fenced may not ask for a certificate for *.example.com: write",
			`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: thief, namespace: partner-fenced}, spec: {secretName: x, dnsNames: ["*.example.com"], issuerRef: {kind: ClusterIssuer, name: platform}}}`),
		Entry("a Certificate with other names", "spec: a Certificate in a tenant namespace may not set ipAddresses, uris, emailAddresses, isCA: remove it",
			`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: thief, namespace: partner-fenced}, spec: {secretName: x, isCA: true, ipAddresses: [203.0.113.9], uris: ["spiffe://x"], emailAddresses: [a@example.com], issuerRef: {name: x}}}`),
		Entry("a Certificate over the operator's Secret", "spec.secretName: the Secret fenced.example.com is of the operator's own Certificate: write another name",
			`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: mine, namespace: partner-fenced}, spec: {secretName: fenced.example.com, dnsNames: [fenced.example.com], issuerRef: {name: x}}}`),
		Entry("a CertificateRequest", "certificaterequests are cert-manager's to make, since what they ask for cannot be judged here: write a Certificate, for hosts that the partner of namespace partner-fenced holds",
			`{apiVersion: cert-manager.io/v1, kind: CertificateRequest, metadata: {name: thief, namespace: partner-fenced}, spec: {request: eA==, issuerRef: {kind: ClusterIssuer, name: platform}}}`),
		Entry("an Order", "orders are cert-manager's to make",
			`{apiVersion: acme.cert-manager.io/v1, kind: Order, metadata: {name: thief, namespace: partner-fenced}, spec: {request: eA==, dnsNames: [victim.example.com], issuerRef: {kind: ClusterIssuer, name: platform}}}`),
		Entry("a certificate by an Ingress's common name", "metadata.annotations: cert-manager.io/common-name is not among the annotations that a tenant may set on a route",
			`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: mine, namespace: partner-fenced, annotations: {cert-manager.io/common-name: victim.example.com}}, spec: {rules: [{host: fenced.example.com}]}}`),

		Entry("a host alias", "metadata.annotations: konghq.com/host-aliases is not among the annotations that a tenant may set on a route",
			`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: mine, namespace: partner-fenced, annotations: {konghq.com/host-aliases: victim.example.com}}, spec: {rules: [{host: fenced.example.com}]}}`),
		Entry("a snippet of configuration", "haproxy.org/frontend-config-snippet is not among the annotations",
			`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: mine, namespace: partner-fenced, annotations: {haproxy.org/frontend-config-snippet: x}}, spec: {rules: [{host: fenced.example.com}]}}`),
		Entry("a redirect that takes another host", "nginx.ingress.kubernetes.io/from-to-www-redirect is not among the annotations",
			`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: mine, namespace: partner-fenced, annotations: {nginx.ingress.kubernetes.io/from-to-www-redirect: "true"}}, spec: {rules: [{host: fenced.example.com}]}}`),
		Entry("a middleware of another namespace", "traefik.ingress.kubernetes.io/router.middlewares is not among the annotations",
			`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: mine, namespace: partner-fenced, annotations: {traefik.ingress.kubernetes.io/router.middlewares: infra-auth@kubernetescrd}}, spec: {rules: [{host: fenced.example.com}]}}`),
		Entry("an annotation on an HTTPRoute", "example.com/x is not among the annotations",
			`{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: mine, namespace: partner-fenced, annotations: {example.com/x: other}}, spec: {hostnames: [fenced.example.com]}}`),

		Entry("a setting with a value that is configuration", "nginx.ingress.kubernetes.io/proxy-body-size is not among the annotations that a tenant may set on a route, or its value is not plain",
			`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: mine, namespace: partner-fenced, annotations: {nginx.ingress.kubernetes.io/proxy-body-size: "8m; } location /x {"}}, spec: {rules: [{host: fenced.example.com}]}}`),
		Entry("a snippet of configuration on a Service", "haproxy.org/backend-config-snippet is not among the annotations that a tenant may set on a Service",
			`{apiVersion: v1, kind: Service, metadata: {name: mine, namespace: partner-fenced, annotations: {haproxy.org/backend-config-snippet: x}}, spec: {ports: [{port: 80}]}}`),
		Entry("a certificate for every host", "spec.tls: a host is not held",
			`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: mine, namespace: partner-fenced}, spec: {tls: [{secretName: mine}], rules: [{host: fenced.example.com}]}}`),
		Entry("the widget's path", "spec.rules: paths under /.dispel/ are the support widget's: write another path",
			`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: mine, namespace: partner-fenced}, spec: {rules: [{host: fenced.example.com, http: {paths: [{path: /.dispel/support/config.json, pathType: Exact, backend: {service: {name: x, port: {number: 80}}}}]}}]}}`),
		Entry("the widget's path by an HTTPRoute", "spec.rules: paths under /.dispel/ are the support widget's",
			`{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: mine, namespace: partner-fenced}, spec: {hostnames: [fenced.example.com], rules: [{matches: [{path: {type: Exact, value: /.dispel/support/config.json}}]}]}}`),
		Entry("a certificate in another's name", "spec: a Certificate in a tenant namespace may not set subject",
			`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: mine, namespace: partner-fenced}, spec: {secretName: mine, dnsNames: [fenced.example.com], subject: {organizations: ["system:masters"]}, issuerRef: {name: x}}}`),

		Entry("a Gateway with a foreign host", "spec.listeners: the host victim.example.com is not held by the partner of namespace partner-fenced",
			`{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: mine, namespace: partner-fenced}, spec: {gatewayClassName: x, listeners: [{name: a, port: 80, protocol: HTTP, hostname: victim.example.com}]}}`),
		Entry("a Gateway that takes an address", "spec: a Gateway in a tenant namespace may not set addresses, infrastructure",
			`{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: mine, namespace: partner-fenced}, spec: {gatewayClassName: x, addresses: [{value: 203.0.113.9}], infrastructure: {annotations: {a: b}}, listeners: [{name: a, port: 80, protocol: HTTP, hostname: fenced.example.com}]}}`),
		Entry("a GRPCRoute with a foreign host", "spec.hostnames: the host victim.example.com is not held",
			`{apiVersion: gateway.networking.k8s.io/v1, kind: GRPCRoute, metadata: {name: mine, namespace: partner-fenced}, spec: {hostnames: [victim.example.com]}}`),
		Entry("a TCPRoute at the platform's Gateway", "spec.parentRefs: default/public is not in namespace partner-fenced, and a route without hosts would take a whole port of it: attach an HTTPRoute instead",
			`{apiVersion: gateway.networking.k8s.io/v1, kind: TCPRoute, metadata: {name: mine, namespace: partner-fenced}, spec: {parentRefs: [{namespace: default, name: public}], rules: [{backendRefs: [{name: x, port: 80}]}]}}`),
		Entry("a UDPRoute at the platform's Gateway", "spec.parentRefs: default/public is not in namespace partner-fenced",
			`{apiVersion: gateway.networking.k8s.io/v1, kind: UDPRoute, metadata: {name: mine, namespace: partner-fenced}, spec: {parentRefs: [{namespace: default, name: public}], rules: [{backendRefs: [{name: x, port: 80}]}]}}`),

		Entry("a RoleBinding of a person", "subjects: User mallory cannot be bound in namespace partner-fenced, since the binding would outlive the rights of whoever made it: bind service accounts of this namespace only, and have people and groups declared in spec.tenant.administrators of Partner fenced",
			`{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: mine, namespace: partner-fenced}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}, subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: mallory}]}`),
		Entry("a RoleBinding of another namespace's service account", "subjects: ServiceAccount robot cannot be bound in namespace partner-fenced",
			`{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: mine, namespace: partner-fenced}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}, subjects: [{kind: ServiceAccount, name: robot, namespace: default}]}`),
	)

	It("is refused an XListenerSet with a foreign host, where there is that kind", func(ctx SpecContext) {
		createForNow(ctx, cluster.Object(`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: xlistenersets.gateway.networking.x-k8s.io,
			annotations: {api-approved.kubernetes.io: "unapproved, a test"}},
			spec: {group: gateway.networking.x-k8s.io, scope: Namespaced, names: {kind: XListenerSet, plural: xlistenersets, singular: xlistenerset},
			versions: [{name: v1alpha1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}`))
		Eventually(func() error {
			return eve.Create(ctx, cluster.Object(`{apiVersion: gateway.networking.x-k8s.io/v1alpha1, kind: XListenerSet, metadata: {name: mine, namespace: partner-fenced}, spec: {listeners: [{name: a, hostname: victim.example.com}]}}`), client.DryRunAll)
		}).Should(MatchError(ContainSubstring("spec.listeners: the host victim.example.com is not held")))
	})

	DescribeTable("cannot change what the operator made", func(ctx SpecContext, kind, name, change string) {
		gv := map[string]string{"NetworkPolicy": "networking.k8s.io/v1", "Ingress": "networking.k8s.io/v1", "RoleBinding": "rbac.authorization.k8s.io/v1"}[kind]
		if gv == "" {
			gv = "v1"
		}
		theirs := cluster.Object(fmt.Sprintf(`{apiVersion: %s, kind: %s, metadata: {name: %s, namespace: %s}}`, gv, kind, name, namespace))
		data, err := yaml.YAMLToJSON([]byte(change))
		Expect(err).NotTo(HaveOccurred())
		refusal := fmt.Sprintf(" %s is the partner operator's, %s", name, reserved)
		// Of several policies that refuse, the API server gives the words of one.
		Expect(eve.Patch(ctx, theirs, jsonPatch(string(data)))).To(MatchError(Or(
			ContainSubstring(refusal), ContainSubstring("cannot patch resource"), ContainSubstring("of type ExternalName would lead"))))
		Expect(eve.Delete(ctx, theirs)).To(MatchError(Or(ContainSubstring(refusal), ContainSubstring("cannot delete resource"))))
	},
		Entry("network isolation, unlabelled and edited at once", "NetworkPolicy", kinds.IsolationName, `{metadata: {labels: null}, spec: {ingress: [{}]}}`),
		Entry("its administrators", "RoleBinding", kinds.AdministratorsName, `{metadata: {labels: {app.kubernetes.io/managed-by: eve}}, subjects: []}`),
		Entry("the quota, which admin does not allow anyway", "ResourceQuota", kinds.QuotaName, `{spec: {hard: {pods: "500"}}}`),
		Entry("where the engine is", "Service", kinds.EngineServiceName, `{metadata: {labels: null}, spec: {externalName: victim.example.net}}`),
		Entry("the contract, made immutable", "ConfigMap", kinds.ContractName, `{immutable: true}`),
		Entry("the route, detached", "Ingress", "fenced.example.com", `{metadata: {labels: null, annotations: {partner.dispel.com/applied: null}}, spec: {ingressClassName: other}}`),
		Entry("the route, with an annotation more", "Ingress", "fenced.example.com", `{metadata: {annotations: {external-dns.kubernetes.io/ttl: "1"}}}`),
		Entry("the route, with a finalizer", "Ingress", "fenced.example.com", `{metadata: {finalizers: [example.com/kept]}}`),
	)

	It("may go on with what is the tenant's own", func(ctx SpecContext) {
		for _, manifest := range []string{
			`{apiVersion: v1, kind: ConfigMap, metadata: {name: mine, namespace: partner-fenced}}`,
			`{apiVersion: v1, kind: Service, metadata: {name: zero-trust-engine, namespace: partner-fenced}, spec: {selector: {app: zte}, ports: [{port: 8080}]}}`,
			`{apiVersion: v1, kind: Service, metadata: {name: headless, namespace: partner-fenced}, spec: {clusterIP: None, ports: [{port: 8080}]}}`,
			`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: mine, namespace: partner-fenced, annotations: {nginx.ingress.kubernetes.io/proxy-body-size: 8m, external-dns.kubernetes.io/ttl: "60"}}, spec: {rules: [{host: fenced.example.com, http: {paths: [{path: /docs, pathType: Prefix, backend: {service: {name: zero-trust-engine, port: {number: 8080}}}}]}}]}}`,
			`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: mine, namespace: partner-fenced}, spec: {secretName: mine, dnsNames: [fenced.example.com, zero-trust-engine.partner-fenced.svc], issuerRef: {name: own}}}`,
			`{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: mine, namespace: partner-fenced}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}, subjects: [{kind: ServiceAccount, name: default, namespace: partner-fenced}]}`,
			`{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: mine, namespace: partner-fenced}, spec: {podSelector: {}}}`,
		} {
			Expect(eve.Create(ctx, cluster.Object(manifest), client.DryRunAll)).To(Succeed(), manifest)
		}
	})

	It("does not hinder cert-manager's solver, under pod security and a quota", func(ctx SpecContext) {
		createForNow(ctx, cluster.Object(solverRights))
		createForNow(ctx, cluster.Object(`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: cert-manager-test},
			roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cert-manager-test}, subjects: [{kind: ServiceAccount, name: cert-manager, namespace: cert-manager}]}`))
		solver := as("system:serviceaccount:cert-manager:cert-manager", "system:serviceaccounts")
		// A Pod is judged by pod security without a service account being there.
		for _, manifest := range []string{
			`{apiVersion: v1, kind: Pod, metadata: {name: cm-acme-http-solver-x, namespace: partner-fenced}, spec: {enableServiceLinks: false, automountServiceAccountToken: false, restartPolicy: OnFailure,
				securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}},
				containers: [{name: acmesolver, image: acmesolver, securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}, resources: {requests: {cpu: 10m, memory: 64Mi}}}]}}`,
			`{apiVersion: v1, kind: Service, metadata: {name: cm-acme-http-solver-x, namespace: partner-fenced, annotations: {auth.istio.io/8089: NONE}}, spec: {type: NodePort, selector: {a: b}, ports: [{name: http, port: 8089}]}}`,
			`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: cm-acme-http-solver-x, namespace: partner-fenced, annotations: {nginx.ingress.kubernetes.io/whitelist-source-range: "0.0.0.0/0,::/0"}}, spec: {ingressClassName: traefik,
				rules: [{host: fenced.example.com, http: {paths: [{path: /.well-known/acme-challenge/x, pathType: ImplementationSpecific, backend: {service: {name: cm-acme-http-solver-x, port: {number: 8089}}}}]}}]}}`,
			`{apiVersion: cert-manager.io/v1, kind: CertificateRequest, metadata: {name: fenced.example.com-1, namespace: partner-fenced}, spec: {request: eA==, issuerRef: {kind: ClusterIssuer, name: platform}}}`,
		} {
			o := cluster.Object(manifest)
			Expect(solver.Create(ctx, o)).To(Succeed(), manifest)
			Expect(solver.Delete(ctx, o)).To(Succeed())
		}
		eventually(ctx, "fenced", "Ready=True/Provisioned")
	})

	It("does not hinder a controller that the platform names", func(ctx SpecContext) {
		for _, manifest := range []string{
			`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: mesh-test}, rules: [{apiGroups: [networking.k8s.io], resources: [ingresses], verbs: ["*"]}]}`,
			`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: mesh-test}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: mesh-test}, subjects: [{kind: ServiceAccount, name: mesh, namespace: mesh}]}`,
			`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: mesh-tenants}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: tenant-controller}, subjects: [{kind: ServiceAccount, name: mesh, namespace: mesh}]}`,
		} {
			createForNow(ctx, cluster.Object(manifest))
		}
		mesh := as("system:serviceaccount:mesh:mesh", "system:serviceaccounts")
		marked := ingressOf("fenced", "fenced.example.com")
		Eventually(func() error {
			return mesh.Patch(ctx, marked, jsonPatch(`{"metadata":{"annotations":{"app.kubernetes.io/seen":"yes"}}}`))
		}).Should(
			MatchError(ContainSubstring("by its name or its label")), "before it is named")
		createForNow(ctx, cluster.ReadObjects("config", "rbac", "tenant_controller.yaml")[0])
		Eventually(func() error {
			return mesh.Patch(ctx, marked, jsonPatch(`{"metadata":{"annotations":{"app.kubernetes.io/seen":"yes"}}}`))
		}).Should(Succeed())
	})

	It("does not hinder platform engineers, who may take over what is the operator's", func(ctx SpecContext) {
		engineer := as("engineer", "system:masters")
		quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: kinds.QuotaName}}
		Expect(engineer.Delete(ctx, quota)).To(Succeed())
		eventuallyThere(ctx, quota, "")
		Expect(engineer.Create(ctx, cluster.Object(`{apiVersion: v1, kind: Service, metadata: {name: lb, namespace: partner-fenced}, spec: {type: LoadBalancer, ports: [{port: 80}]}}`), client.DryRunAll)).To(Succeed())
	})

	It("does not hinder the operator and garbage collection, and the guards stay with the namespace", func(ctx SpecContext) {
		By("moving to another host")
		patchPartner(ctx, "fenced", `spec: {subdomain: {host: moved.fenced.example.com}}`)
		eventuallyGone(ctx, claimOf("fenced.example.com"))
		eventually(ctx, "fenced", "Ready=True/Provisioned")

		By("deleting the Partner")
		Expect(direct.Delete(ctx, partner(ctx, "fenced"))).To(Succeed())
		eventuallyGone(ctx, ingressOf("fenced", "moved.fenced.example.com"))
		eventuallyGone(ctx, claimOf("moved.fenced.example.com"))
		eventuallyForgetsHosts(ctx, namespace)
		isolation := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: kinds.IsolationName}}
		Expect(eve.Delete(ctx, isolation)).To(MatchError(ContainSubstring("networkpolicies dispel-isolation is the partner operator's")))
		Expect(eve.Create(ctx, routeTo(namespace, "back", "moved.fenced.example.com"), client.DryRunAll)).To(MatchError(ContainSubstring("is not held")))

		By("deleting another with its namespace")
		patchPartner(ctx, "victim", `spec: {deletionPolicy: Delete}`)
		Eventually(func() []metav1.OwnerReference { return get(ctx, &corev1.Namespace{}, "partner-victim").OwnerReferences }).Should(HaveLen(1))
		Expect(direct.Delete(ctx, partner(ctx, "victim"))).To(Succeed())
		eventuallyGone(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "partner-victim"}})
	})

	It("cannot prepare a tenant's namespace, even with the right to create namespaces", func(ctx SpecContext) {
		createForNow(ctx, cluster.Object(`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: namespaces-test}, rules: [{apiGroups: [""], resources: [namespaces], verbs: [create, update, patch]}]}`))
		createForNow(ctx, cluster.Object(`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: namespaces-test}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: namespaces-test}, subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: mallory}]}`))
		mallory := as("mallory")
		refusal := func(key, name string) gomegatypes.GomegaMatcher {
			return MatchError(ContainSubstring("metadata: " + key + " of namespace " + name + " says whose tenant it is and how it is guarded, and is the partner operator's to write"))
		}
		Eventually(func() error {
			return mallory.Create(ctx, cluster.Object(`{apiVersion: v1, kind: Namespace, metadata: {name: partner-prey, labels: {partner.dispel.com/partner: prey}}}`), client.DryRunAll)
		}).Should(refusal(v1alpha1.PartnerLabel, "partner-prey"))
		for key, metadata := range map[string]string{
			v1alpha1.ManagedByLabel:    `labels: {app.kubernetes.io/managed-by: partner-operator}`,
			v1alpha1.AdoptAnnotation:   `annotations: {partner.dispel.com/adopt: prey}`,
			v1alpha1.AppliedAnnotation: `annotations: {partner.dispel.com/applied: x}`,
			v1alpha1.HostsAnnotation:   `annotations: {partner.dispel.com/hosts: victim.example.com}`,
		} {
			Expect(mallory.Create(ctx, cluster.Object(`{apiVersion: v1, kind: Namespace, metadata: {name: partner-prey, `+metadata+`}}`), client.DryRunAll)).To(refusal(key, "partner-prey"))
		}
		Expect(mallory.Patch(ctx, cluster.Object(`{apiVersion: v1, kind: Namespace, metadata: {name: partner-fenced}}`),
			jsonPatch(`{"metadata":{"labels":{"partner.dispel.com/partner":null}}}`))).To(refusal(v1alpha1.PartnerLabel, namespace))
		Expect(mallory.Create(ctx, cluster.Object(`{apiVersion: v1, kind: Namespace, metadata: {name: partner-prey, labels: {team: prey}}}`), client.DryRunAll)).To(Succeed())

		Expect(mallory.Patch(ctx, cluster.Object(`{apiVersion: v1, kind: Namespace, metadata: {name: partner-fenced}}`),
			jsonPatch(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`))).To(refusal("pod-security.kubernetes.io/enforce", namespace))

		By("handing a namespace over, as somebody who may change the Partner")
		createForNow(ctx, cluster.Object(`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: editors-test}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: editor}, subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: mallory}]}`))
		createForNow(ctx, cluster.ReadObjects("config", "rbac", "editor.yaml")[0])
		Eventually(func() error {
			return mallory.Create(ctx, cluster.Object(`{apiVersion: v1, kind: Namespace, metadata: {name: partner-prey, annotations: {partner.dispel.com/adopt: prey}}}`), client.DryRunAll)
		}).Should(Succeed())

		By("putting an annotation on a route that some controller may read, as somebody who may write Partners")
		annotated := cluster.Object(string(partnerYAML("annotated", "").withRoute(`{annotations: {haproxy.org/backend-config-snippet: x}}`)))
		Expect(mallory.Create(ctx, annotated, client.DryRunAll)).To(MatchError(ContainSubstring(
			"spec.subdomain.route.annotations: haproxy.org/backend-config-snippet is not among the annotations that a Partner may put on its route")))
		harmless := cluster.Object(string(partnerYAML("annotated", "").withRoute(`{annotations: {external-dns.kubernetes.io/ttl: "60"}}`)))
		Expect(mallory.Create(ctx, harmless, client.DryRunAll)).To(Succeed())
	})
})

var _ = Describe("Without the policies, a tenant's administrator", func() {
	It("cannot keep what the operator made from it", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, allocationYAML("undone", "1", "")+partnerYAML("undone", everything))
		eventually(ctx, "undone", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
		eve, namespace := administratorOf(ctx, "undone")
		for _, child := range children("undone")[1:] {
			if child.GetNamespace() == "" {
				continue
			}
			Expect(direct.Get(ctx, client.ObjectKeyFromObject(child), child)).To(Succeed())
			declared := child.DeepCopyObject().(client.Object)
			change := map[string]string{
				kinds.IsolationName:      `{"spec":{"ingress":[{}]}}`,
				kinds.AdministratorsName: `{"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"mallory"}]}`,
				kinds.ContractName:       `{"immutable":true,"data":{"support.json":"{}"}}`,
				kinds.EngineServiceName:  `{"spec":{"externalName":"evil.example.net"}}`,
				kinds.WidgetServiceName:  `{"spec":{"externalName":"evil.example.net"}}`,
				"undone.example.com":     `{"spec":{"defaultBackend":{"service":{"name":"evil","port":{"number":80}}},"tls":[{"hosts":["victim.example.com"]}]}}`,
			}[child.GetName()]
			if change == "" {
				Expect(eve.Patch(ctx, child, jsonPatch(`{"metadata":{"labels":null}}`))).To(MatchError(apierrors.IsForbidden, "IsForbidden"), "the role admin may write %s: add a change to those above", child.GetName())
				continue
			}
			// Taken off and edited in one request.
			detached := strings.Replace(change, "{", `{"metadata":{"labels":null,"annotations":null},`, 1)
			// The API server learns after the operator that eve's RoleBinding is back.
			Eventually(eve.Patch).WithArguments(ctx, child, jsonPatch(detached)).Should(Succeed(), child.GetName())
			Eventually(ctx, func(g Gomega) {
				g.Expect(direct.Get(ctx, client.ObjectKeyFromObject(child), child)).To(Succeed())
				for _, o := range []client.Object{child, declared} {
					o.SetManagedFields(nil)
					o.SetResourceVersion("")
					o.SetGeneration(0)
					o.SetUID("")
					o.SetCreationTimestamp(metav1.Time{})
				}
				g.Expect(child).To(Equal(declared))
			}).Should(Succeed())
		}
		eventually(ctx, "undone", "Ready=True/Provisioned")

		By("emptying the administrators, of whom one detached the RoleBinding")
		Expect(eve.Patch(ctx, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: kinds.AdministratorsName}},
			jsonPatch(`{"metadata":{"labels":null,"annotations":null}}`))).To(Succeed())
		patchPartner(ctx, "undone", `spec: {tenant: {administrators: null}}`)
		eventuallyGone(ctx, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: kinds.AdministratorsName}})
	})

	It("cannot keep a host that moves on, and is named while they try", func(ctx SpecContext) {
		m := startManager()
		applyYAML(ctx, partnerYAML("clinging", everything))
		eventually(ctx, "clinging", "Ready=True/Provisioned")
		eve, namespace := administratorOf(ctx, "clinging")
		host := "clinging.example.com"

		By("detaching the live route, keeping it by a finalizer, and copying it")
		Expect(eve.Patch(ctx, ingressOf("clinging", host), jsonPatch(`{"metadata":{"finalizers":["example.com/kept"]}}`))).To(Succeed())
		Expect(eve.Create(ctx, routeTo(namespace, "copy", host))).To(Succeed())
		applyYAML(ctx, partnerYAML("next", "").replacing("next.example.com", host))
		eventually(ctx, "next", "Ready=False/HostClaimedByAnotherPartner")
		patchPartner(ctx, "clinging", `spec: {subdomain: null}`)
		eventually(ctx, "clinging", "HostReleaseBlocked=True/RouteRemains", "Ready=True/Provisioned")
		both := "Ingress partner-clinging/clinging.example.com, Ingress partner-clinging/copy"
		Eventually(func() string { return message(ctx, "clinging", v1alpha1.ConditionHostReleaseBlocked) }).Should(ContainSubstring(host + " by " + both))
		Eventually(func() string { return message(ctx, "next", v1alpha1.ConditionSubdomainReady) }).Should(Equal(
			host + ` is still held for Partner "clinging", which no longer declares it, because it is still routed by ` + both + ": delete that, and remove any finalizer that blocks its deletion"))
		Expect(get(ctx, &corev1.Namespace{}, namespace).Annotations).To(HaveKeyWithValue(v1alpha1.HostsAnnotation, ""), "nothing new may route it")

		By("deleting the copy, and taking the finalizer off")
		Expect(eve.Delete(ctx, routeTo(namespace, "copy", host))).To(Succeed())
		Eventually(func() string { return message(ctx, "next", v1alpha1.ConditionSubdomainReady) }).ShouldNot(ContainSubstring("copy"))
		m.reset()
		Expect(eve.Patch(ctx, ingressOf("clinging", host), jsonPatch(`{"metadata":{"finalizers":null}}`))).To(Succeed())
		eventually(ctx, "next", "Ready=True/Provisioned")
		Eventually(func() any {
			return partner(ctx, "clinging").Status.Conditions
		}).ShouldNot(ContainElement(HaveField("Type", "HostReleaseBlocked")))

		By("routing the host of the next holder, in a namespace that stays when its Partner is deleted")
		Expect(direct.Delete(ctx, partner(ctx, "clinging"))).To(Succeed())
		Expect(eve.Create(ctx, routeTo(namespace, "again", host))).To(Succeed())
		eventually(ctx, "next", "Ready=False/HostRoutedElsewhere", "Stalled=True/HostRoutedElsewhere")
		Expect(message(ctx, "next", v1alpha1.ConditionReady)).To(Equal(
			host + " is also routed in another tenant's namespace: delete Ingress partner-clinging/again, and remove any finalizer that blocks its deletion"))
		Expect(eve.Delete(ctx, routeTo(namespace, "again", host))).To(Succeed())
		eventually(ctx, "next", "Ready=True/Provisioned")
	})

	It("cannot keep a certificate for a host that moves on", func(ctx SpecContext) {
		installCertManager()
		createForNow(ctx, cluster.Object(aggregatedRights))
		startManager()
		applyYAML(ctx, partnerYAML("renewing", everything))
		eventually(ctx, "renewing", "Ready=True/Provisioned")
		eve := as("eve", "admins")
		certificate := cluster.Object(`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: mine, namespace: partner-renewing}, spec: {secretName: mine, dnsNames: [renewing.example.com], issuerRef: {name: platform, kind: ClusterIssuer}}}`)
		Eventually(func() error { return eve.Create(ctx, certificate) }).Should(Succeed())
		patchPartner(ctx, "renewing", `spec: {subdomain: {host: moved.renewing.example.com}}`)
		eventually(ctx, "renewing", "Ready=True/Provisioned", "HostReleaseBlocked=True/RouteRemains")
		Expect(message(ctx, "renewing", v1alpha1.ConditionHostReleaseBlocked)).To(ContainSubstring("renewing.example.com by Certificate partner-renewing/mine"))
		Expect(eve.Delete(ctx, certificate)).To(Succeed())
		eventuallyGone(ctx, claimOf("renewing.example.com"))
	})

	It("cannot fill the manager, nor stop it", func(ctx SpecContext) {
		installCertManager()
		createForNow(ctx, cluster.Object(aggregatedRights))
		m := startManager()
		applyYAML(ctx, partnerYAML("flooding", everything))
		applyYAML(ctx, partnerYAML("bystander", ""))
		eventually(ctx, "flooding", "Ready=True/Provisioned")
		eventually(ctx, "bystander", "Ready=True/Provisioned")
		eve, namespace := administratorOf(ctx, "flooding")

		By("making Certificates that look like the operator's, and taking the label off while it prunes them")
		labels := `{app.kubernetes.io/managed-by: partner-operator, partner.dispel.com/partner: flooding}`
		const certificates = 100
		certificate := func(i int) *unstructured.Unstructured {
			return cluster.Object(fmt.Sprintf(`{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: flood-%d.example.com, namespace: %s, labels: %s, annotations: {partner.dispel.com/applied: x}},
				spec: {secretName: x, dnsNames: [flooding.example.com], issuerRef: {name: x}}}`, i, namespace, labels))
		}
		Eventually(func() error { return eve.Create(ctx, certificate(0)) }).Should(Succeed())
		for i := 1; i < certificates; i++ {
			Expect(eve.Create(ctx, certificate(i))).To(Succeed())
		}
		for i := range certificates {
			_ = eve.Patch(ctx, certificate(i), jsonPatch(`{"metadata":{"labels":null}}`))
		}

		By("changing another Partner, which waits for nothing")
		for count := range 5 {
			patchPartner(ctx, "bystander", fmt.Sprintf(`spec: {customerCount: %d, subdomain: {tls: {issuerRef: {name: x}}}}`, count))
			eventually(ctx, "bystander", "Ready=False/CertificatePending")
			Eventually(func() int64 { return partner(ctx, "bystander").Status.ObservedGeneration }).WithTimeout(5 * time.Second).Should(Equal(partner(ctx, "bystander").Generation))
			patchPartner(ctx, "bystander", `spec: {subdomain: {tls: null}}`)
			eventually(ctx, "bystander", "Ready=True/Provisioned")
		}
		eventually(ctx, "flooding", "Ready=True/Provisioned")

		By("making 50 ConfigMaps of a megabyte with the operator's label, of which the manager's cache sees none")
		large := strings.Repeat("x", 1<<20-200)
		for i := range 50 {
			flood := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("flood-%d", i), Labels: objects.Labels("flooding")}, Data: map[string]string{"x": large}}
			Expect(eve.Create(ctx, flood)).To(Succeed())
		}
		var held corev1.ConfigMapList
		Expect(m.cache.List(ctx, &held)).To(Succeed())
		Expect(held.Items).To(And(ContainElement(HaveField("Namespace", namespace)), HaveEach(HaveField("Name", kinds.ContractName))))

		By("making routes of a hundred kilobytes, of which it keeps the hosts")
		for i := range 20 {
			flood := routeTo(namespace, fmt.Sprintf("flood-%d", i), "flooding.example.com")
			flood.Labels, flood.Annotations = objects.Labels("flooding"), map[string]string{"example.com/x": large[:100<<10]}
			Expect(eve.Create(ctx, flood)).To(Succeed())
		}
		Eventually(func() []networkingv1.Ingress {
			var held networkingv1.IngressList
			Expect(m.cache.List(ctx, &held, client.InNamespace(namespace))).To(Succeed())
			return held.Items
		}).Should(HaveLen(21))
		var routes networkingv1.IngressList
		Expect(m.cache.List(ctx, &routes, client.InNamespace(namespace))).To(Succeed())
		for _, route := range routes.Items {
			size, err := route.Marshal()
			Expect(err).NotTo(HaveOccurred())
			Expect(len(size)).To(BeNumerically("<", 2048), route.Name)
		}
	})
})

var _ = Describe("A claim", func() {
	It("whose Partner is gone, and was to leave everything behind, is released with its route", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("orphaning", ""))
		eventually(ctx, "orphaning", "Ready=True/Provisioned")
		applyYAML(ctx, partnerYAML("heir", "").replacing("heir.example.com", "orphaning.example.com"))
		eventually(ctx, "heir", "Ready=False/HostClaimedByAnotherPartner")
		Expect(direct.Delete(ctx, partner(ctx, "orphaning"), client.PropagationPolicy(metav1.DeletePropagationOrphan))).To(Succeed())
		eventuallyGone(ctx, ingressOf("orphaning", "orphaning.example.com"))
		eventually(ctx, "heir", "Ready=True/Provisioned")
		eventuallyForgetsHosts(ctx, objects.DefaultNamespace("orphaning"))
	})

	It("that a restore brings back before its Partner is released, and claimed anew", func(ctx SpecContext) {
		startManager()
		claim := &v1alpha1.SubdomainClaim{ObjectMeta: metav1.ObjectMeta{Name: "restored.example.com", Labels: objects.Labels("restored"), Annotations: map[string]string{v1alpha1.AppliedAnnotation: "x"}},
			Spec: v1alpha1.SubdomainClaimSpec{PartnerRef: v1alpha1.PartnerReference{Name: "restored"}}}
		Expect(direct.Create(ctx, claim)).To(Succeed())
		eventuallyGone(ctx, claim)
		applyYAML(ctx, partnerYAML("restored", ""))
		eventually(ctx, "restored", "Ready=True/Provisioned")
	})

	It("changes hands when two Partners swap their hosts in one change", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("left", "")+partnerYAML("right", ""))
		eventually(ctx, "left", "Ready=True/Provisioned")
		eventually(ctx, "right", "Ready=True/Provisioned")
		applyYAML(ctx, partnerYAML("left", "").replacing("left.example.com", "right.example.com")+partnerYAML("right", "").replacing("right.example.com", "left.example.com"))
		for name, host := range map[string]string{"left": "right.example.com", "right": "left.example.com"} {
			Eventually(func() (string, error) {
				claim := claimOf(host)
				err := direct.Get(ctx, key(host), claim)
				return string(claim.Spec.PartnerRef.Name), err
			}).Should(Equal(name))
			eventually(ctx, name, "Ready=True/Provisioned")
			Eventually(func() string { return partner(ctx, name).Status.Subdomain.URL }).Should(Equal("http://" + host))
		}
	})

	It("that is deleted while its Partner is suspended leaves no right to route the host", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("paused", ""))
		eventually(ctx, "paused", "Ready=True/Provisioned")
		patchPartner(ctx, "paused", `spec: {suspend: true}`)
		Eventually(func() []metav1.Condition { return partner(ctx, "paused").Status.Conditions }).Should(ContainElement(HaveField("Type", "Suspended")))
		Expect(direct.Delete(ctx, claimOf("paused.example.com"))).To(Succeed())
		eventuallyForgetsHosts(ctx, objects.DefaultNamespace("paused"))
	})
})

var _ = Describe("What is not a tenant's to add", func() {
	It("is a listener in the operator's ListenerSet", func(ctx SpecContext) {
		installGatewayAPI()
		gateway := programmedGateway(ctx)
		patch(ctx, gateway, `spec: {allowedListeners: {namespaces: {from: All}}}`)
		m := startManager(throughGateway)
		applyYAML(ctx, partnerYAML("listening", "").withTLS("{secretName: cert}"))
		set := &gatewayv1.ListenerSet{ObjectMeta: metav1.ObjectMeta{Namespace: objects.DefaultNamespace("listening"), Name: "listening.example.com"}}
		eventuallyThere(ctx, set, "")
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(set), set)).To(Succeed())
		foreign := set.DeepCopy()
		foreign.Spec.Listeners = append(foreign.Spec.Listeners, gatewayv1.ListenerEntry{Name: "more", Hostname: new(gatewayv1.Hostname("victim.example.com")), Port: 8080, Protocol: gatewayv1.HTTPProtocolType})
		Expect(direct.Update(ctx, foreign)).To(Succeed())
		Eventually(func() []gatewayv1.ListenerEntry {
			Expect(direct.Get(ctx, client.ObjectKeyFromObject(set), set)).To(Succeed())
			return set.Spec.Listeners
		}).Should(HaveLen(1))
		m.reset()
		before := reconciles("Partner")
		patchPartner(ctx, "listening", `metadata: {annotations: {example.com/touched: "true"}}`)
		Eventually(reconciles).WithArguments("Partner").Should(BeNumerically(">", before))
		Expect(m.Writes("listenersets")).To(BeEmpty())
	})
})
