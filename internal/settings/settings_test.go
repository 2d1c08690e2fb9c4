package settings_test

import (
	"time"

	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/settings"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "settings")
}

func parse(args ...string) (objects.Settings, error) {
	GinkgoHelper()
	var given settings.Flags
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	given.Add(flags)
	Expect(flags.Parse(args)).To(Succeed())
	return given.Settings()
}

var _ = Describe("The flags", func() {
	It("become the operator's settings", func() {
		got, err := parse("--default-issuer=ClusterIssuer/letsencrypt", "--gateway=infra/public/https", "--reserved-host-suffixes=.Dispel.example,internal",
			"--backend-host-suffixes=corp.internal.", "--route-overlap=90s")
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal(objects.Settings{
			DefaultIssuer:        &v1alpha1.IssuerReference{Kind: v1alpha1.ClusterIssuer, Name: "letsencrypt"},
			ReservedHostSuffixes: []string{"dispel.example", "internal"},
			BackendHostSuffixes:  []string{"corp.internal"},
			RouteOverlap:         90 * time.Second,
			ProxyNamespaces:      []string{"traefik"},
			WidgetBackend:        v1alpha1.ExternalBackend{Host: "partner-operator-widget.partner-operator-system.svc.cluster.local", Port: 8082},
			Gateway:              &v1alpha1.GatewayReference{Namespace: "infra", Name: "public", SectionName: "https"},
		}))
	})

	DescribeTable("take annotations as they are written",
		func(want map[string]string, args ...string) {
			got, err := parse(args...)
			Expect(err).NotTo(HaveOccurred())
			Expect(got.IngressAnnotations).To(Equal(want))
		},
		Entry("one", map[string]string{"a": "b"}, "--ingress-annotations=a=b"),
		Entry("one with commas", map[string]string{"a": "b,c"}, "--ingress-annotations=a=b,c"),
		Entry("one that ends with a quotation mark", map[string]string{"a": `say "b"`}, `--ingress-annotations=a=say "b"`),
		Entry("one in quotation marks", map[string]string{"a": `"b"`}, `--ingress-annotations=a="b"`),
		Entry("several", map[string]string{"a": "b", "c": "d"}, "--ingress-annotations=a=b,c=d"),
		Entry("several flags", map[string]string{"a": "b", "c": "d"}, "--ingress-annotations=a=b", "--ingress-annotations=c=d"),
		Entry("CSV", map[string]string{"a": `b,"c`, "d": "e=f"}, `--ingress-annotations="a=b,""c",d=e=f`),
		Entry("JSON", map[string]string{"a": `b="c", {d}`, "e": ""}, `--ingress-annotations={"a": "b=\"c\", {d}", "e": ""}`),
	)

	DescribeTable("refuse annotations that are none",
		func(text, refusal string) {
			var given settings.Flags
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			given.Add(flags)
			Expect(flags.Parse([]string{"--ingress-annotations=" + text})).To(MatchError(ContainSubstring(refusal)))
		},
		Entry("no value", "a", "a must be key=value"),
		Entry("broken CSV", `"a=b`, "is no line of key=value,key=value"),
		Entry("broken JSON", `{"a": 1}`, "is no JSON object of strings"),
		Entry("one of several", "a=b,c,d=e", "c must be key=value"),
	)

	DescribeTable("are refused with a remedy",
		func(refusal string, args ...string) {
			_, err := parse(args...)
			Expect(err).To(MatchError(ContainSubstring(refusal)))
		},
		Entry("an issuer without a kind", `--default-issuer "letsencrypt": write ClusterIssuer/<name> or Issuer/<name>`, "--default-issuer=letsencrypt"),
		Entry("an issuer of another kind", "--default-issuer", "--default-issuer=Secret/x"),
		Entry("a Gateway without a namespace", `--gateway "public": write namespace/name, or namespace/name/listener`, "--gateway=public"),
		Entry("a Gateway with too much", "--gateway", "--gateway=a/b/c/d"),
		Entry("an issuer without cert-manager", `--default-issuer "Issuer/x": it needs cert-manager`, "--cert-manager=false", "--default-issuer=Issuer/x"),
		Entry("a Gateway without its API", `--gateway "a/b": it needs the Gateway API`, "--gateway-api=false", "--gateway=a/b"),
		Entry("a suffix that is no domain", `--reserved-host-suffixes "*.x": write a domain`, "--reserved-host-suffixes=*.x"),
		Entry("a backend suffix that is no domain", `--backend-host-suffixes "a_b": write a domain`, "--backend-host-suffixes=a_b"),
		Entry("an annotation that repeats a setting", `--ingress-annotations "kubernetes.io/ingress.class": it contradicts or repeats a setting: write the class in --ingress-class`, "--ingress-annotations=kubernetes.io/ingress.class=nginx"),
		Entry("an annotation with another host", `--ingress-annotations "nginx.ingress.kubernetes.io/server-alias": it gives routes other hosts`, "--ingress-annotations=nginx.ingress.kubernetes.io/server-alias=a.example.com"),
		Entry("an overlap before it begins", `--route-overlap "-1s": write 0 or more, such as 10m`, "--route-overlap=-1s"),
		Entry("a widget server without a port", `--widget-backend "widget": write host:port`, "--widget-backend=widget"),
		Entry("a port out of range", "--widget-backend", "--widget-backend=widget.x:70000"),
		Entry("a namespace that is none", `--proxy-namespaces "A b"`, "--proxy-namespaces=traefik,A b"),
	)
})
