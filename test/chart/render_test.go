package chart

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	made "github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/settings"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// byName are objects by kind and name, without what only Helm brings.
func byName(objects []*unstructured.Unstructured) map[string]map[string]any {
	GinkgoHelper()
	found := map[string]map[string]any{}
	for _, object := range objects {
		if _, hook := object.GetAnnotations()["helm.sh/hook"]; hook || object.GetKind() == "Namespace" {
			continue // helm makes the namespace itself
		}
		labels := object.GetLabels()
		for _, label := range []string{"app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"} {
			delete(labels, label)
		}
		object.SetLabels(labels)
		annotations := object.GetAnnotations()
		delete(annotations, "helm.sh/resource-policy")
		delete(annotations, "argocd.argoproj.io/sync-options")
		object.SetAnnotations(annotations)
		// Each has its own way to name the image.
		if containers, ok, _ := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers"); ok {
			for _, container := range containers {
				delete(container.(map[string]any), "image")
				delete(container.(map[string]any), "imagePullPolicy")
			}
			Expect(unstructured.SetNestedSlice(object.Object, containers, "spec", "template", "spec", "containers")).To(Succeed())
		}
		found[strings.Join([]string{object.GetKind(), object.GetNamespace(), object.GetName()}, " ")] = object.Object
	}
	return found
}

func expectSame(ofChart, ofKustomize map[string]map[string]any) {
	GinkgoHelper()
	Expect(slices.Sorted(maps.Keys(ofChart))).To(Equal(slices.Sorted(maps.Keys(ofKustomize))))
	for name, object := range ofChart {
		got, err := yaml.Marshal(object)
		Expect(err).NotTo(HaveOccurred())
		want, err := yaml.Marshal(ofKustomize[name])
		Expect(err).NotTo(HaveOccurred())
		Expect(string(got)).To(Equal(string(want)), name)
	}
}

// rulesOf are the rules of the roles of a name.
func rulesOf(manifests, name string) []rbacv1.PolicyRule {
	GinkgoHelper()
	var rules []rbacv1.PolicyRule
	for _, object := range cluster.ParseObjects([]byte(manifests)) {
		if object.GetName() == name && (object.GetKind() == "ClusterRole" || object.GetKind() == "Role") {
			var role rbacv1.ClusterRole
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role)).To(Succeed())
			rules = append(rules, role.Rules...)
		}
	}
	Expect(rules).NotTo(BeEmpty())
	return rules
}

var _ = Describe("The chart", func() {
	It("makes of its defaults what config/default makes", func(ctx SpecContext) {
		ofChart := byName(cluster.ParseObjects([]byte(rendered(ctx))))
		expectSame(ofChart, byName(cluster.ParseObjects(built(ctx, "default"))))
		Expect(len(ofChart)).To(BeNumerically(">", 25))
	})

	It("makes with everything on what config/overlays/full makes", func(ctx SpecContext) {
		expectSame(byName(cluster.ParseObjects([]byte(rendered(ctx, "--set=admissionPolicies.deletionGuard.enabled=true", "--set=probe.enabled=true",
			"--set=monitoring.serviceMonitors.enabled=true", "--set=monitoring.prometheusRule.enabled=true", "--set=monitoring.dashboard.enabled=true")))),
			byName(cluster.ParseObjects(built(ctx, "overlays/full"))))
	})

	It("has the canary under the policy of every tenant, and lets the prober alone to its open port", func(ctx SpecContext) {
		objects := byName(cluster.ParseObjects([]byte(rendered(ctx, "--set=probe.enabled=true", "--set=probe.isolation.enabled=true", "--set=proxyNamespaces={traefik,other}"))))
		var ofCanary, ofProber networkingv1.NetworkPolicy
		read := func(name string, into *networkingv1.NetworkPolicy) {
			Expect(objects).To(HaveKey(name))
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(objects[name], into)).To(Succeed())
		}
		read("NetworkPolicy partner-operator-canary dispel-isolation", &ofCanary)
		build := made.Builder{Partner: &v1alpha1.Partner{}, Settings: made.Settings{ProxyNamespaces: []string{"traefik", "other"}}}
		guards := build.Guards()
		Expect(ofCanary.Spec).To(Equal(guards[0].(*networkingv1.NetworkPolicy).Spec))
		read("NetworkPolicy "+namespace+" partner-operator-probe", &ofProber)
		Expect(ofProber.Spec.Egress).To(ContainElement(And(
			HaveField("To", HaveExactElements(HaveField("NamespaceSelector.MatchLabels", HaveKeyWithValue("kubernetes.io/metadata.name", "partner-operator-canary")))),
			HaveField("Ports", HaveExactElements(HaveField("Port.IntVal", BeEquivalentTo(8080)), HaveField("Port.IntVal", BeEquivalentTo(8081)))))))
		var open networkingv1.NetworkPolicy
		read("NetworkPolicy partner-operator-canary open", &open)
		Expect(open.Spec.Ingress).To(HaveExactElements(And(
			HaveField("From", HaveExactElements(And(
				HaveField("NamespaceSelector.MatchLabels", HaveKeyWithValue("kubernetes.io/metadata.name", namespace)),
				HaveField("PodSelector.MatchLabels", HaveKeyWithValue("app.kubernetes.io/component", "probe"))))),
			HaveField("Ports", HaveExactElements(HaveField("Port.StrVal", "open"))))))
		Expect(rendered(ctx, "--set=probe.isolation.enabled=true")).NotTo(ContainSubstring("partner-operator-canary"), "without a prober, nobody looks")
		var deployment appsv1.Deployment
		Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(objects["Deployment "+namespace+" partner-operator-probe"], &deployment)).To(Succeed())
		Expect(deployment.Spec.Template.Spec.Containers[0].Args).To(ContainElement("--isolation-canary=partner-operator-canary/canary"))
	})

	It("leaves its CRDs in the cluster", func(ctx SpecContext) {
		kept := 0
		for _, object := range cluster.ParseObjects([]byte(rendered(ctx))) {
			if object.GetKind() == "CustomResourceDefinition" {
				Expect(object.GetAnnotations()).To(HaveKeyWithValue("helm.sh/resource-policy", "keep"))
				Expect(object.GetAnnotations()).To(HaveKeyWithValue("argocd.argoproj.io/sync-options", "Prune=false"))
				kept++
			}
		}
		Expect(kept).To(Equal(4))
		Expect(rendered(ctx, "--set=crds.install=false")).NotTo(ContainSubstring("kind: CustomResourceDefinition"))
	})

	It("asks for no right to what is switched off", func(ctx SpecContext) {
		groups := func(args ...string) []string {
			var all []string
			for _, rule := range rulesOf(rendered(ctx, args...), "partner-operator-manager") {
				all = append(all, rule.APIGroups...)
			}
			return all
		}
		Expect(groups()).To(ContainElements("gateway.networking.k8s.io", "cert-manager.io", "networking.k8s.io", "coordination.k8s.io"))
		Expect(groups("--set=gatewayAPI.enabled=false")).To(And(Not(ContainElement("gateway.networking.k8s.io")), ContainElement("cert-manager.io")))
		Expect(groups("--set=certManager.enabled=false")).To(And(Not(ContainElement("cert-manager.io")), ContainElement("gateway.networking.k8s.io")))
		for _, rule := range rulesOf(rendered(ctx, "--set=supportPlans.create=false"), "partner-operator-manager") {
			if slices.Contains(rule.Resources, "supportplans") {
				Expect(rule.Verbs).To(ConsistOf("list", "watch"))
			}
		}
	})

	It("passes its values on", func(ctx SpecContext) {
		out := rendered(ctx, "--set=manager.gateway=infra/public", "--set=manager.defaultIssuer=ClusterIssuer/letsencrypt",
			"--set=manager.reservedHostSuffixes={a.example,b.example}", "--set=manager.extraArgs={--workers=16}",
			`--set=manager.ingressAnnotations.example\.net/list=x\,y`, "--set=proxyNamespaces={envoy,traefik}",
			"--set=widget.messengerURL=https://chat.example.net/{partner}", "--set=widget.messengerDisplay=panel", "--set=priorityClassName=high",
			"--set=image.digest=sha256:"+strings.Repeat("0", 64), "--set=commonLabels.team=platform", "--set=imagePullSecrets={pull}",
			"--set=manager.podAnnotations.scrape=never", "--set=manager.nodeSelector.disk=fast", "--set=manager.serviceAccount.name=given",
			"--set=fullnameOverride=po", "--set=clusterDomain=internal.example")
		for _, want := range []string{
			"--gateway=infra/public", "--default-issuer=ClusterIssuer/letsencrypt", "--reserved-host-suffixes=a.example,b.example", "--workers=16",
			"--proxy-namespaces=envoy,traefik", "--messenger-url=https://chat.example.net/{partner}",
			"--messenger-display=panel", `priorityClassName: "high"`, "partner-operator@sha256:000", "team: platform", `- name: "pull"`, "scrape: never", "disk: fast",
			"serviceAccountName: given", "name: po-manager", "--widget-backend=po-widget.partner-operator-system.svc.internal.example:8082",
		} {
			Expect(out).To(ContainSubstring(want))
		}
	})

	It("passes on what tenants may annotate, and who is exempt from the policies", func(ctx SpecContext) {
		out := rendered(ctx, `--set-json=admissionPolicies.allowedAnnotations=["example.com/a","example.net/*"]`,
			"--set=admissionPolicies.trustedControllers[0].namespace=mesh", "--set=admissionPolicies.trustedControllers[0].name=proxy",
			"--set=manager.backendHostSuffixes={engines.internal}", "--set=manager.routeOverlap=10m", "--set=manager.calendars=true")
		Expect(strings.Count(out, `expression: '["example.com/a","example.net/*"]'`)).To(Equal(5), "in each policy on annotations")
		Expect(out).To(ContainSubstring("name: partner-operator-tenant-controller\nsubjects:\n  - kind: ServiceAccount\n    name: proxy\n    namespace: mesh"))
		Expect(out).To(ContainSubstring("--backend-host-suffixes=engines.internal"))
		Expect(out).To(ContainSubstring("--route-overlap=10m"))
		Expect(out).To(ContainSubstring("--calendars"))
		Expect(out).To(ContainSubstring(fmt.Sprintf("expression: '[%q]'", namespace)), "no Partner has the namespace of the release")
		for value, policy := range map[string]string{
			"hostGuard": "ingress-hosts", "tenantGuard": "reserved-objects", "serviceGuard": "tenant-services", "certificateGuard": "tenant-certificates", "statusGuard": "partner-status",
		} {
			off := rendered(ctx, "--set=admissionPolicies."+value+".enabled=false")
			Expect(out).To(ContainSubstring("name: " + policy + ".partner.dispel.com"))
			Expect(off).NotTo(ContainSubstring("name: " + policy + ".partner.dispel.com"))
		}
	})

	It("runs a prober only where it is asked to, with what it may reach", func(ctx SpecContext) {
		Expect(rendered(ctx)).NotTo(ContainSubstring("component: probe"))
		out := rendered(ctx, "--set=probe.enabled=true", "--set=probe.interval=30s", "--set=probe.caConfigMap=authorities", "--set=probe.allowedTargets={10.20.0.0/16,fd00:20::/64}")
		Expect(out).To(And(ContainSubstring("--interval=30s"), ContainSubstring("--allowed-targets=10.20.0.0/16,fd00:20::/64"), ContainSubstring("cidr: 10.20.0.0/16")))
		Expect(out).To(And(ContainSubstring("--ca-file=/etc/partner-operator/ca/ca.crt"), ContainSubstring("name: authorities")))
		Expect(out).NotTo(ContainSubstring("name: partner-operator-probe\n  maxUnavailable"))
	})

	It("gives every process time to start and to answer on a busy node, and lets no other Pod ask after its health", func(ctx SpecContext) {
		for _, objects := range [][]*unstructured.Unstructured{
			cluster.ParseObjects([]byte(rendered(ctx, "--set=probe.enabled=true"))), cluster.ParseObjects(built(ctx, "default")), cluster.ParseObjects(built(ctx, "probe")),
		} {
			for _, object := range objects {
				switch object.GetKind() {
				case "Deployment":
					var deployment appsv1.Deployment
					Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &deployment)).To(Succeed())
					for _, container := range deployment.Spec.Template.Spec.Containers {
						for _, probe := range []*corev1.Probe{container.StartupProbe, container.LivenessProbe, container.ReadinessProbe} {
							Expect(probe).NotTo(BeNil(), object.GetName())
							Expect(probe.TimeoutSeconds).To(BeNumerically(">=", 5), object.GetName())
						}
						Expect(container.StartupProbe.PeriodSeconds*container.StartupProbe.FailureThreshold).To(BeNumerically(">=", 120), object.GetName())
					}
				case "NetworkPolicy":
					var policy networkingv1.NetworkPolicy
					Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &policy)).To(Succeed())
					for _, rule := range policy.Spec.Ingress {
						Expect(rule.Ports).NotTo(BeEmpty(), object.GetName())
						for _, port := range rule.Ports {
							Expect(port.Port.String()).To(BeElementOf("http", "metrics"), object.GetName())
						}
					}
				}
			}
		}
	})

	It("has names that the API server takes, whatever the release is called", func(ctx SpecContext) {
		out, err := cluster.Tool(ctx, "helm", "template", "edge.eu", chart(), "--namespace=1234", "--set=probe.enabled=true,monitoring.dashboard.enabled=true,monitoring.prometheusRule.enabled=true,probe.isolation.enabled=true", "--set-string=priorityClassName=2000").Output()
		Expect(err).NotTo(HaveOccurred())
		for _, object := range cluster.ParseObjects(out) {
			Expect(object.GetNamespace()).To(Or(BeEmpty(), Equal("1234"), HaveSuffix("-canary")), object.GetName())
			if object.GetKind() == "Service" || object.GetKind() == "Namespace" {
				Expect(object.GetName()).To(MatchRegexp("^[a-z]([-a-z0-9]*[a-z0-9])?$"))
			}
		}
	})

	It("runs no Pods of what has no replicas", func(ctx SpecContext) {
		Expect(strings.Count(rendered(ctx, "--set=manager.replicas=0", "--set=widget.replicas=0"), "replicas: 0\n")).To(Equal(2))
	})

	It("takes null for what is empty by default, as what all comments leave, and says what else is missing", func(ctx SpecContext) {
		var values map[string]any
		Expect(yaml.Unmarshal(valuesFile(), &values)).To(Succeed())
		everything := "--set=probe.enabled=true,monitoring.dashboard.enabled=true,monitoring.serviceMonitors.enabled=true,monitoring.prometheusRule.enabled=true"
		sorted := func(out string) string { // Helm has an order of kinds alone
			documents := strings.Split(out, "---\n")
			slices.Sort(documents)
			return strings.Join(documents, "---\n")
		}
		whole, checked := sorted(rendered(ctx, everything)), 0
		var check func(values map[string]any, path string)
		check = func(values map[string]any, path string) {
			for name, value := range values {
				out, err := cluster.Tool(ctx, "helm", "template", release, chart(), "--namespace="+namespace, everything, "--set="+path+name+"=null").CombinedOutput()
				nested, isMap := value.(map[string]any)
				switch checked++; {
				case err != nil:
					Expect(string(out)).To(Or(ContainSubstring("missing propert"), ContainSubstring("at '/widget'")), path+name)
				case strings.Contains(path, "resources.") || name == "resources" || path+name == "monitoring.dashboard.labels" || path == "monitoring.dashboard.labels." || strings.HasSuffix(path+name, ".enabled"):
					// Nothing is in their place, which is what is asked for; the last were set.
				default:
					Expect(sorted(string(out))).To(Equal(whole), path+name)
				}
				Expect(string(out)).NotTo(Or(ContainSubstring("no value"), ContainSubstring("%!"), ContainSubstring(`"null"`)), path+name)
				if isMap {
					check(nested, path+name+".")
				}
			}
		}
		check(values, "")
		Expect(checked).To(BeNumerically(">", 50))
	})

	It("refuses what the manager and the prober would refuse at their start", func(ctx SpecContext) {
		for arguments, refusal := range map[string]string{
			"--set=gatewayAPI.enabled=false,manager.gateway=infra/public":                     "manager.gateway needs the Gateway API: set gatewayAPI.enabled to true, or remove the Gateway",
			"--set=certManager.enabled=false,manager.defaultIssuer=ClusterIssuer/letsencrypt": "manager.defaultIssuer needs cert-manager: set certManager.enabled to true, or remove the issuer",
			"--set=proxyNamespaces={a.b}":                                                     "'a.b' does not match pattern",
			"--set=manager.gateway=in.fra/public":                                             "'in.fra/public' does not match pattern",
			"--set=manager.gateway=public":                                                    "'public' does not match pattern",
			"--set=manager.defaultIssuer=letsencrypt":                                         "'letsencrypt' does not match pattern",
			"--set=manager.reservedHostSuffixes={dispel_example}":                             "'dispel_example' does not match pattern",
			"--set=manager.backendHostSuffixes={corp..example}":                               "'corp..example' does not match pattern",
			"--set=manager.routeOverlap=soon":                                                 "'soon' does not match pattern",
			"--set=probe.allowedTargets={10.20.0.0/33}":                                       "'10.20.0.0/33' does not match pattern",
			"--set=probe.allowedTargets={10.20.0.0}":                                          "'10.20.0.0' does not match pattern",
			"--set=probe.allowedTargets={fe80::::/10}":                                        "at '/probe/allowedTargets/0'",
			"--set=probe.interval=2562048h":                                                   "'2562048h' does not match pattern",
			"--set=manager.routeOverlap=99999999h":                                            "'99999999h' does not match pattern",
			"--set=manager.gateway=infra/a..b":                                                "'infra/a..b' does not match pattern",
			"--set=clusterDomain=a..b":                                                        "'a..b' does not match pattern",
			"--set=manager.reservedHostSuffixes={" + strings.Repeat("x", 64) + ".example}":    "does not match pattern",
			"--set=widget.supportEmail=nobody":                                                "'nobody' does not match pattern",
			"--set=widget.supportEmail=P-CSMs <support@example.com>":                          "does not match pattern",
			"--set=widget.messengerURL=chat.example.com":                                      "'chat.example.com' does not match pattern",
			"--set=widget.messengerURL=http://chat.example.com":                               "does not match pattern",
			`--set=widget.messengerURL=https://chat.example.com/\{tenant\}`:                   "does not match pattern",
			`--set=manager.ingressAnnotations.cert-manager\.io/cluster-issuer=letsencrypt`:    "at '/manager/ingressAnnotations/cert-manager.io~1cluster-issuer'",
			`--set=manager.ingressAnnotations.kubernetes\.io/ingress\.class=x`:                "at '/manager/ingressAnnotations/kubernetes.io~1ingress.class'",
			"--set=gatewayAPI.enabled=false,manager.extraArgs={--gateway=infra/public}":       "manager.gateway needs the Gateway API",
			"--set=gatewayAPI.enabled=false,manager.extraEnv[0].name=PARTNER_OPERATOR_GATEWAY,manager.extraEnv[0].value=infra/public": "manager.gateway needs the Gateway API",
			"--set=manager.extraArgs={--leader-elect=false}": "so that all replicas would be active",
			"--set=probe.interval=0s":                        "'0s' does not match pattern",
			"--set=networkPolicy.dnsPorts={0}":               "at '/networkPolicy/dnsPorts/0'",
		} {
			Expect(refused(ctx, arguments)).To(ContainSubstring(refusal), arguments)
		}
	})

	It("lets its Pods ask DNS servers at the ports that there are, and is switched as part of another chart", func(ctx SpecContext) {
		ports := func(args ...string) []int32 {
			GinkgoHelper()
			for _, object := range cluster.ParseObjects([]byte(rendered(ctx, append([]string{"--set=probe.enabled=true,enabled=true"}, args...)...))) {
				if object.GetKind() != "NetworkPolicy" || object.GetName() != "partner-operator-probe" {
					continue
				}
				var policy networkingv1.NetworkPolicy
				Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &policy)).To(Succeed())
				var found []int32
				for _, port := range policy.Spec.Egress[0].Ports {
					found = append(found, port.Port.IntVal)
				}
				return found
			}
			Fail("no policy")
			return nil
		}
		Expect(ports()).To(Equal([]int32{53, 53, 5353, 5353}))
		Expect(ports("--set=networkPolicy.dnsPorts={53}")).To(Equal([]int32{53, 53}))
		Expect(ports("--set=networkPolicy.dnsPorts={53}", "--set=probe.extraArgs={--dns-server=192.0.2.53:5300}")).To(Equal([]int32{53, 53, 5300, 5300}))
		Expect(ports("--set=networkPolicy.dnsPorts={53}", "--set=probe.extraArgs={--dns-server=[2001:db8::53]:5300}")).To(Equal([]int32{53, 53, 5300, 5300}))
		Expect(ports("--set=networkPolicy.dnsPorts={53}", "--set=probe.extraEnv[0].name=PARTNER_OPERATOR_DNS_SERVER,probe.extraEnv[0].value=192.0.2.53:5300")).To(Equal([]int32{53, 53, 5300, 5300}))
		Expect(ports("--set=networkPolicy.dnsPorts={53}", "--set=probe.extraArgs={--dns-server=2001:db8::53}")).To(Equal([]int32{53, 53}))
	})

	It("says what to do to those who divided the partners", func(ctx SpecContext) {
		for _, value := range []string{"manager.shards", "probe.shards"} {
			Expect(refused(ctx, "--set=probe.enabled=true", "--set="+value+"=3")).To(
				ContainSubstring(value + ": partners are not divided any more, since one process has them all: remove the value"))
		}
	})

	It("passes annotations on as they are written", func(ctx SpecContext) {
		want := map[string]string{
			"example.net/list": "x,y", "example.net/json": `{"a": [1, "two"]}`, "example.net/pairs": `a=b,c="d"`, "example.net/plain": "true",
			"example.net/ends-quoted": `say "hello"`, "example.net/quoted": `"hello"`, "example.net/quote": `"`, "example.net/apostrophes": `'it''s'`,
			"example.net/lines": "one\ntwo\r\n\n", "example.net/blanks": "  a\tb  ", "example.net/empty": "", "example.net/equals": "==", "example.net/commas": ",,",
			"example.net/variables": "$(POD_NAME) $$ $host ${x}", "example.net/template": "{{ .Values }}", "example.net/markup": "<a href='x'>&amp;</a>",
			"example.net/backslash": `C:\new\u0041`, "example.net/unicode": "Ümlaut 株式会社 🚀", "example.net/comment": "a # b", "example.net/braces": "{a", "example.net/number": "0644",
			"example.net/nginx": "more_set_headers \"X-Frame-Options: DENY\";\nreturn 302 $scheme://$host/a?b=c&d=\"e\";",
		}
		given, err := yaml.Marshal(map[string]any{"manager": map[string]any{"ingressAnnotations": want}})
		Expect(err).NotTo(HaveOccurred())
		file := filepath.Join(GinkgoT().TempDir(), "values.yaml")
		Expect(os.WriteFile(file, given, 0o600)).To(Succeed())
		var flags settings.Flags
		set := pflag.NewFlagSet("", pflag.ContinueOnError)
		set.ParseErrorsAllowlist.UnknownFlags = true
		flags.Add(set)
		for _, object := range cluster.ParseObjects([]byte(rendered(ctx, "--values="+file))) {
			if object.GetKind() == "Deployment" && object.GetName() == "partner-operator-manager" {
				containers, _, failure := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
				Expect(failure).NotTo(HaveOccurred())
				args, _, failure := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
				Expect(failure).NotTo(HaveOccurred())
				Expect(args).NotTo(ContainElement(ContainSubstring("$")), "Kubernetes would take it for a variable")
				Expect(set.Parse(args)).To(Succeed())
			}
		}
		got, err := flags.Settings()
		Expect(err).NotTo(HaveOccurred())
		Expect(got.IngressAnnotations).To(Equal(want))
	})

	Describe("where a value and the chart have the same key", func() {
		container := func(ctx SpecContext, values string) (args []string, env []any, labels map[string]string) {
			file := filepath.Join(GinkgoT().TempDir(), "values.yaml")
			Expect(os.WriteFile(file, []byte(values), 0o600)).To(Succeed())
			for _, object := range cluster.ParseObjects([]byte(rendered(ctx, "--values="+file))) {
				if object.GetKind() == "Deployment" && object.GetName() == "partner-operator-manager" {
					containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
					Expect(err).NotTo(HaveOccurred())
					args, _, err = unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
					Expect(err).NotTo(HaveOccurred())
					return args, containers[0].(map[string]any)["env"].([]any), object.GetLabels()
				}
			}
			Fail("there is no Deployment of the manager")
			return nil, nil, nil
		}

		It("takes the value's environment variable", func(ctx SpecContext) {
			_, env, _ := container(ctx, "manager: {extraEnv: [{name: LIMIT, value: 100MiB}, {name: GOMEMLIMIT, value: $(LIMIT)}], extraArgs: null}")
			Expect(env).To(Equal([]any{
				map[string]any{"name": "LIMIT", "value": "100MiB"}, map[string]any{"name": "GOMEMLIMIT", "value": "$(LIMIT)"},
			}))
		})

		It("takes the value's flag", func(ctx SpecContext) {
			args, _, _ := container(ctx, "manager: {replicas: 1, extraArgs: [--widget-backend=widget.example.net:80, --workers=3, --leader-elect=false]}")
			Expect(args).To(ContainElements("--widget-backend=widget.example.net:80", "--workers=3", "--leader-elect=false"))
			Expect(args).NotTo(ContainElements(HavePrefix("--widget-backend=partner-operator-widget")))
			Expect(args).NotTo(ContainElements("--leader-elect"))
		})

		It("takes the value's label", func(ctx SpecContext) {
			_, _, labels := container(ctx, "commonLabels: {app.kubernetes.io/version: mine, team: platform}")
			Expect(labels).To(And(HaveKeyWithValue("app.kubernetes.io/version", "mine"), HaveKeyWithValue("team", "platform")))
		})

		It("names a Secret for images once", func(ctx SpecContext) {
			Expect(strings.Count(rendered(ctx, "--set=imagePullSecrets={registry,registry}"), "- name: \"registry\"\n")).To(Equal(3), "once in each Deployment, and in the test")
		})

		It("gives Pods the time that their delay needs", func(ctx SpecContext) {
			out := rendered(ctx, "--set=widget.shutdownDelaySeconds=20")
			Expect(out).To(And(ContainSubstring("- \"--shutdown-delay=20s\""), ContainSubstring("terminationGracePeriodSeconds: 45"), ContainSubstring("terminationGracePeriodSeconds: 30")))
		})
	})

	DescribeTable("refuses values that it does not know",
		func(ctx SpecContext, set, refusal string) {
			out, err := cluster.Tool(ctx, "helm", "template", release, chart(), "--set", set).CombinedOutput()
			Expect(err).To(HaveOccurred())
			Expect(string(out)).To(And(ContainSubstring("values don't meet the specifications of the schema"), ContainSubstring(refusal)))
		},
		Entry("a typo", "manager.replica=3", "at '/manager': additional properties 'replica' not allowed"),
		Entry("a typo at the top", "gatewayApi.enabled=false", "additional properties 'gatewayApi' not allowed"),
		Entry("a number for a switch", "networkPolicy.enabled=1", "at '/networkPolicy/enabled': got number, want boolean"),
		Entry("a Gateway without a namespace", "manager.gateway=public", "at '/manager/gateway'"),
		Entry("an argument that is no flag", "manager.extraArgs={workers=3}", "at '/manager/extraArgs/0'"),
		Entry("a display that there is not", "widget.messengerDisplay=popup", "value must be one of 'window', 'panel'"),
		Entry("nobody to reach", "widget.supportEmail=", "at '/widget'"),
		Entry("a name too long for its Services", "fullnameOverride="+strings.Repeat("x", 48), "at '/fullnameOverride'"),
		Entry("permissions for no frame", "widget.messengerPermissions={microphone}", "at '/widget/messengerDisplay'"),
		Entry("an argument in one with its value", "manager.extraArgs={--workers 3}", "at '/manager/extraArgs/0'"),
		Entry("an end of arguments", "manager.extraArgs={--}", "at '/manager/extraArgs/0'"),
		Entry("a port that the Service does not know", "widget.extraArgs={--bind-address=:9000}", "at '/widget/extraArgs/0'"),
		Entry("a port that the probes do not know", "manager.extraEnv[0].name=PARTNER_OPERATOR_HEALTH_PROBE_BIND_ADDRESS", "at '/manager/extraEnv/0/name'"),
		Entry("namespaces that the policies do not know", "manager.extraArgs={--proxy-namespaces=edge}", "at '/manager/extraArgs/0'"),
		Entry("networks that the policy does not know", "probe.extraArgs={--allowed-targets=10.0.0.0/8}", "at '/probe/extraArgs/0'"),
		Entry("a delay that the grace period does not know", "manager.extraArgs={--shutdown-delay=60s}", "at '/manager/extraArgs/0'"),
		Entry("a variable without a name", "manager.extraEnv[0].value=x", "at '/manager/extraEnv/0'"),
		Entry("a label by which Pods are selected", "manager.podLabels.app\\.kubernetes\\.io/name=x", "at '/manager/podLabels/app.kubernetes.io~1name'"),
		Entry("the label of the component", "commonLabels.app\\.kubernetes\\.io/component=x", "at '/commonLabels/app.kubernetes.io~1component'"),
		Entry("nobody to let in", "proxyNamespaces={}", "at '/proxyNamespaces/0'"),
	)

	It("has a schema for each value, and a value for each of the schema", func() {
		var values map[string]any
		Expect(yaml.Unmarshal(valuesFile(), &values)).To(Succeed())
		var schema map[string]any
		data, err := os.ReadFile(filepath.Join(chart(), "values.schema.json"))
		Expect(err).NotTo(HaveOccurred())
		Expect(yaml.Unmarshal(data, &schema)).To(Succeed())
		definitions := schema["definitions"].(map[string]any)
		var compare func(path string, schema, value map[string]any)
		compare = func(path string, schema, value map[string]any) {
			if ref, ok := schema["$ref"].(string); ok {
				schema = definitions[strings.TrimPrefix(ref, "#/definitions/")].(map[string]any)
			}
			properties, ok := schema["properties"].(map[string]any)
			if !ok {
				return // free in form
			}
			delete(properties, "shards") // of earlier versions
			if path == "" {
				delete(properties, "global")
				delete(properties, "enabled") // another chart's
			}
			Expect(slices.Sorted(maps.Keys(properties))).To(Equal(slices.Sorted(maps.Keys(value))), path)
			Expect(schema).To(HaveKeyWithValue("additionalProperties", false), path)
			for name, property := range properties {
				if nested, ok := value[name].(map[string]any); ok {
					compare(path+"."+name, property.(map[string]any), nested)
				}
			}
		}
		compare("", schema, values)
	})
})

// valuesFile are the chart's values.
func valuesFile() []byte {
	GinkgoHelper()
	data, err := os.ReadFile(filepath.Join(chart(), "values.yaml"))
	Expect(err).NotTo(HaveOccurred())
	return data
}

// refused is what Helm says of values that it refuses.
func refused(ctx context.Context, args ...string) string {
	GinkgoHelper()
	out, err := cluster.Tool(ctx, "helm", append([]string{"template", release, chart()}, args...)...).CombinedOutput()
	Expect(err).To(HaveOccurred(), strings.Join(args, " "))
	return string(out)
}
