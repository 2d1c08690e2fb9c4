package settings_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/settings"
	"github.com/dispel/partner-operator/internal/tenant"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "settings")
}

func parse(args ...string) (tenant.Settings, error) {
	GinkgoHelper()
	var given settings.Flags
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	given.Add(flags)
	Expect(flags.Parse(args)).To(Succeed())
	return given.Settings()
}

var _ = Describe("The flags", func() {
	It("become the operator's settings", func() {
		got, err := parse("--default-issuer=ClusterIssuer/letsencrypt", "--gateway=infra/public/https", "--reserved-host-suffixes=.Dispel.example,internal")
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal(tenant.Settings{
			DefaultIssuer:        &v1alpha1.IssuerReference{Kind: v1alpha1.ClusterIssuer, Name: "letsencrypt"},
			ReservedHostSuffixes: []string{"dispel.example", "internal"},
			ProxyNamespaces:      []string{"traefik"},
			WidgetBackend:        v1alpha1.ExternalBackend{Host: "partner-operator-widget.partner-operator-system.svc.cluster.local", Port: 8082},
			Gateway:              &v1alpha1.GatewayReference{Namespace: "infra", Name: "public", SectionName: "https"},
		}))
	})

	DescribeTable("are refused with a remedy",
		func(arg, refusal string) {
			_, err := parse(arg)
			Expect(err).To(MatchError(ContainSubstring(refusal)))
		},
		Entry("an issuer without a kind", "--default-issuer=letsencrypt", `--default-issuer "letsencrypt": write ClusterIssuer/<name> or Issuer/<name>`),
		Entry("an issuer of another kind", "--default-issuer=Secret/x", "--default-issuer"),
		Entry("a Gateway without a namespace", "--gateway=public", `--gateway "public": write namespace/name, or namespace/name/listener`),
		Entry("a Gateway with too much", "--gateway=a/b/c/d", "--gateway"),
		Entry("a suffix that is no domain", "--reserved-host-suffixes=*.x", `--reserved-host-suffixes "*.x": write a domain`),
		Entry("a widget server without a port", "--widget-backend=widget", `--widget-backend "widget": write host:port`),
		Entry("a port out of range", "--widget-backend=widget.x:70000", "--widget-backend"),
		Entry("a namespace that is none", "--proxy-namespaces=traefik,A b", `--proxy-namespaces "A b"`),
	)
})
