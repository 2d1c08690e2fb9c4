package main

import (
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/tenant"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "cmd/partner-operator")
}

var _ = Describe("The manager's flags", func() {
	complete := func(change func(*managerFlags, *manager.Options)) (manager.Options, error) {
		flags := managerFlags{widgetBackend: "widget.system.svc.cluster.local:8082", metricsSecure: true}
		options := manager.Options{
			Settings: tenant.Settings{ProxyNamespaces: []string{"traefik"}},
			Workers:  1, TotalsInterval: time.Second, ResyncPeriod: time.Hour, ShutdownTimeout: time.Second,
		}
		change(&flags, &options)
		err := flags.complete(&options)
		return options, err
	}

	It("become the operator's settings", func() {
		options, err := complete(func(f *managerFlags, o *manager.Options) {
			f.defaultIssuer = "ClusterIssuer/letsencrypt"
			f.gateway = "infra/public/https"
			o.Settings.ReservedHostSuffixes = []string{".Dispel.example", "internal"}
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(options.Settings.DefaultIssuer).To(Equal(&v1alpha1.IssuerReference{Kind: v1alpha1.ClusterIssuer, Name: "letsencrypt"}))
		Expect(options.Settings.ReservedHostSuffixes).To(Equal([]string{"dispel.example", "internal"}))
		Expect(options.Settings.WidgetBackend).To(Equal(v1alpha1.ExternalBackend{Host: "widget.system.svc.cluster.local", Port: 8082}))
		Expect(options.Settings.Gateway).To(Equal(&v1alpha1.GatewayReference{Namespace: "infra", Name: "public", SectionName: "https"}))
		Expect(options.MetricsInsecure).To(BeFalse())
	})

	DescribeTable("are refused with a remedy",
		func(change func(*managerFlags, *manager.Options), refusal string) {
			_, err := complete(change)
			Expect(err).To(MatchError(ContainSubstring(refusal)))
		},
		Entry("an issuer without a kind", func(f *managerFlags, _ *manager.Options) { f.defaultIssuer = "letsencrypt" },
			`--default-issuer "letsencrypt": write ClusterIssuer/<name> or Issuer/<name>`),
		Entry("an issuer of another kind", func(f *managerFlags, _ *manager.Options) { f.defaultIssuer = "Secret/x" }, "--default-issuer"),
		Entry("a Gateway without a namespace", func(f *managerFlags, _ *manager.Options) { f.gateway = "public" },
			`--gateway "public": write namespace/name, or namespace/name/listener`),
		Entry("a Gateway with too much", func(f *managerFlags, _ *manager.Options) { f.gateway = "a/b/c/d" }, "--gateway"),
		Entry("a suffix that is no domain", func(_ *managerFlags, o *manager.Options) { o.Settings.ReservedHostSuffixes = []string{"*.x"} },
			`--reserved-host-suffixes "*.x": write a domain`),
		Entry("a widget server without a port", func(f *managerFlags, _ *manager.Options) { f.widgetBackend = "widget" },
			`--widget-backend "widget": write host:port`),
		Entry("a port out of range", func(f *managerFlags, _ *manager.Options) { f.widgetBackend = "widget.x:70000" }, "--widget-backend"),
		Entry("no workers", func(_ *managerFlags, o *manager.Options) { o.Workers = 0 }, `--workers "0": write at least 1`),
		Entry("no time at all", func(_ *managerFlags, o *manager.Options) { o.ResyncPeriod = 0 }, `--resync-period "0s": write a duration above zero`),
		Entry("a namespace that is none", func(_ *managerFlags, o *manager.Options) { o.Settings.ProxyNamespaces = []string{"traefik", "A b"} }, `--proxy-namespaces "A b"`),
	)

	It("come from the environment where the command line is silent", func() {
		environment := map[string]string{"PARTNER_OPERATOR_INGRESS_CLASS": "traefik", "PARTNER_OPERATOR_WORKERS": "3"}
		lookup := func(name string) (string, bool) { value, ok := environment[name]; return value, ok }
		flags := newManagerCommand().Flags()
		Expect(flags.Parse([]string{"--workers=5"})).To(Succeed())
		Expect(fromEnvironment(flags, lookup)).To(Succeed())
		Expect(value(flags, "ingress-class")).To(Equal("traefik"))
		Expect(value(flags, "workers")).To(Equal("5"))

		environment["PARTNER_OPERATOR_RESYNC_PERIOD"] = "soon"
		Expect(fromEnvironment(flags, lookup)).To(MatchError(ContainSubstring("environment variable PARTNER_OPERATOR_RESYNC_PERIOD")))
	})

	It("name the logs that there are", func() {
		Expect((&logFlags{level: "loud", format: "json"}).setUp()).To(MatchError(ContainSubstring(`--log-level "loud": write debug, info, warn or error`)))
		Expect((&logFlags{level: "info", format: "xml"}).setUp()).To(MatchError(ContainSubstring(`--log-format "xml": write json or text`)))
	})
})

func value(flags *pflag.FlagSet, name string) string {
	return flags.Lookup(name).Value.String()
}
