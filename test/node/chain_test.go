//go:build node

package node

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// account is a service account with a cluster-wide role, for a controller of another project.
func account(namespace, name, role string) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: ServiceAccount
metadata: {name: %[2]s, namespace: %[1]s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-%[2]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %[3]s}
subjects: [{kind: ServiceAccount, name: %[2]s, namespace: %[1]s}]
`, namespace, name, role)
}

// deployment runs an image of hack/node with some replicas, which are ready once they listen on a
// port, or at once if that is zero. A proxy listens some time before it has read what to serve.
func deployment(namespace, name, image, account string, replicas, port int, args ...string) string {
	probe := ""
	if port > 0 {
		probe = fmt.Sprintf("        readinessProbe: {tcpSocket: {port: %d}, periodSeconds: 1, initialDelaySeconds: 5}\n", port)
	}
	return fmt.Sprintf(`---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  replicas: %[5]d
  selector: {matchLabels: {app: %[2]s}}
  template:
    metadata: {labels: {app: %[2]s}}
    spec:
      serviceAccountName: %[4]s
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: %[2]s}}, matchLabelKeys: [pod-template-hash]}]
      containers:
      - name: main
        image: %[3]s
        imagePullPolicy: Never
        args: [%[6]s]
        env: [{name: HOME, value: /}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        resources: {requests: {cpu: 10m, memory: 32Mi}}
%[7]s`, namespace, name, image, account, replicas, quoted(args), probe)
}

// service leads a port to Pods by their label app.
func service(namespace, name string, ports ...string) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: Service
metadata: {name: %[2]s, namespace: %[1]s}
spec: {selector: {app: %[2]s}, ports: [%[3]s]}
`, namespace, name, strings.Join(ports, ", "))
}

// class is what Traefik serves.
const class = `---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: traefik}
spec: {controller: traefik.io/ingress-controller}
`

// issuer is a ClusterIssuer with a certificate authority of its own.
const issuer = `---
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: selfsigned}
spec: {selfSigned: {}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: ca, namespace: cert-manager}
spec: {isCA: true, commonName: Test CA, secretName: ca, privateKey: {algorithm: ECDSA, size: 256}, issuerRef: {name: selfsigned, kind: ClusterIssuer}}
---
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: test}
spec: {ca: {secretName: ca}}
`

// serve starts Traefik as ingress controller, and an engine outside of all tenants.
func serve(ctx context.Context) {
	GinkgoHelper()
	apply(ctx, class+account(proxies, "traefik", "cluster-admin")+service(proxies, "traefik", "{name: http, port: 80, targetPort: 8000}", "{name: https, port: 443, targetPort: 8443}")+
		deployment(proxies, "traefik", "local/traefik:1", "traefik", 2, 8443, "--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=INFO",
			"--entrypoints.web.address=:8000", "--entrypoints.websecure.address=:8443", "--entrypoints.websecure.asdefault=true", "--entrypoints.websecure.http.tls=true",
			"--entrypoints.websecure.transport.lifecycle.requestacceptgracetimeout=5", "--accesslog=true", "--accesslog.format=json", "--accesslog.filters.minduration=1s",
			"--providers.kubernetesingress=true", "--providers.kubernetesingress.ingressclass=traefik", "--providers.kubernetesingress.allowexternalnameservices=true",
			"--providers.kubernetesingress.ingressendpoint.publishedservice="+proxies+"/traefik")+
		service(engines, "engine", "{port: 8080}")+deployment(engines, "engine", "local/pod:1", "default", 2, 8080, "serve", "8080", "engine outside"))
	rolledOut(ctx, proxies, "traefik")
	rolledOut(ctx, engines, "engine")
}

func servesBesideOthers() {
	It("a sub-domain serves the engine and the widget over TLS, and the prober's Pod sees that it does", func(ctx SpecContext) {
		for _, file := range cluster.CertManagerCRDs() {
			kubectl(ctx, "apply", "--server-side", "-f", file)
		}
		start := time.Now()
		apply(ctx, account("cert-manager", "cert-manager", "cluster-admin")+deployment("cert-manager", "cert-manager", "local/certmanager:1", "cert-manager", 1, 0))
		serve(ctx)
		rolledOut(ctx, "cert-manager", "cert-manager")
		Eventually(func() error {
			_, err := try(ctx, "apply", "--server-side", "-f", write("issuer.yaml", issuer))
			return err
		}).WithContext(ctx).Should(Succeed())
		took("controllers of others rolled out", start)

		start = time.Now()
		const tls = `"tls":{"issuerRef":{"kind":"ClusterIssuer","name":"test"}}`
		kubectl(ctx, "patch", "partner", "acme", "--type=merge", `--patch={"spec":{"subdomain":{`+tls+`}}}`)
		kubectl(ctx, "patch", "partner", "globex", "--type=merge", `--patch={"spec":{"subdomain":{`+tls+`,"backend":{"external":null,"service":{"name":"engine","port":8080}}}}}`)
		apply(ctx, service("partner-globex", "engine", "{port: 8080}")+pod("partner-globex", "engine", "serve", "8080", "engine inside"))
		var ca corev1.Secret
		Eventually(direct.Get).WithContext(ctx).WithArguments(ctx, client.ObjectKey{Namespace: "cert-manager", Name: "ca"}, &ca).Should(Succeed())
		kubectl(ctx, "create", "configmap", "authorities", "--namespace", system, "--from-file=ca.crt="+write("ca.crt", string(ca.Data["ca.crt"])))
		helm(ctx, append([]string{"upgrade", release, "charts/partner-operator", "--set=probe.enabled=true", "--set=probe.interval=5s", "--set=probe.allowedTargets={10.96.0.0/16}", "--set=probe.caConfigMap=authorities"}, values("head")...)...)
		for _, partner := range []string{"acme", "globex"} {
			Eventually(condition(ctx, partner, v1alpha1.ConditionReady)).WithContext(ctx).Should(Equal("True/Provisioned"), partner)
			Eventually(condition(ctx, partner, v1alpha1.ConditionSubdomainReachable)).WithContext(ctx).Should(Equal("True/Reachable"), partner)
		}
		took("two sub-domains reachable over TLS, by the prober's Pod", start)
		var ingress networkingv1.Ingress
		Expect(direct.Get(ctx, client.ObjectKey{Namespace: "partner-acme", Name: "remote.acmecorp.com"}, &ingress)).To(Succeed())
		Expect(*ingress.Spec.IngressClassName).To(Equal("traefik"))

		By("seeing what is broken by its name")
		kubectl(ctx, "scale", "deployment", "engine", "--namespace", engines, "--replicas=0")
		Eventually(condition(ctx, "acme", v1alpha1.ConditionSubdomainReachable)).WithContext(ctx).Should(Equal("False/EngineFailed"))
		kubectl(ctx, "scale", "deployment", "engine", "--namespace", engines, "--replicas=2")
		Eventually(condition(ctx, "acme", v1alpha1.ConditionSubdomainReachable)).WithContext(ctx).Should(Equal("True/Reachable"))
	})

	It("kubectl partner answers from within a Pod with the viewer's role", func(ctx SpecContext) {
		apply(ctx, account("default", "reader", "partner-operator-viewer")+`---
apiVersion: v1
kind: Pod
metadata: {name: reader, namespace: default}
spec:
  serviceAccountName: reader
  restartPolicy: Never
  containers: [{name: main, image: "local/kubectl-partner:1", imagePullPolicy: Never, args: [status]}]
`)
		Eventually(func(g Gomega) {
			var p corev1.Pod
			g.Expect(direct.Get(ctx, client.ObjectKey{Namespace: "default", Name: "reader"}, &p)).To(Succeed())
			g.Expect(p.Status.Phase).To(Equal(corev1.PodSucceeded))
		}).WithContext(ctx).Should(Succeed())
		out := kubectl(ctx, "logs", "reader", "--namespace", "default")
		Expect(out).To(And(ContainSubstring("acme"), ContainSubstring("stark")))
		kubectl(ctx, "delete", "pod", "reader", "--namespace", "default")
	})
}

// write writes a file for a command to read.
func write(name, text string) string {
	GinkgoHelper()
	file := GinkgoT().TempDir() + "/" + name
	Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
	return file
}
