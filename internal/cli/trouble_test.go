package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/cli"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

var regexpColour = regexp.MustCompile(`\x1b\[[0-9;]*m`)

func newTerminal() *cli.Terminal { return &cli.Terminal{} }

var _ = Describe("A command line that makes no sense", func() {
	DescribeTable("is refused with a remedy",
		func(ctx SpecContext, line, message string) {
			got := run(ctx, line)
			Expect(got.status).To(Equal(2))
			Expect(got.err).To(HavePrefix("error: " + message))
			Expect(got.err).To(MatchRegexp("\nSee `kubectl partner( [a-z]+)? --help`.\n$"))
			Expect(got.out).To(BeEmpty())
		},
		Entry("an unknown command", "frobnicate", `unknown command "frobnicate"`+"\n"),
		Entry("a command with a slip in it", "statsu", `unknown command "statsu": did you mean status?`),
		Entry("an unknown flag", "status --all", "unknown flag: --all"),
		Entry("too many names", "status a b", `"kubectl partner status a b" is no valid command line: write kubectl partner status [NAME]`),
		Entry("no name", "raci", `"kubectl partner raci" is no valid command line: write kubectl partner raci NAME`),
		Entry("no manifests", "plan", "say what to read: either -f FILE or FOLDER, or -k FOLDER"),
		Entry("two kinds of manifests", "plan -f a -k b", "say what to read"),
		Entry("a folder without any", "plan -f docs/images", "there is no YAML or JSON file in docs/images: name the folder that has your manifests, or a file"),
		Entry("an unknown format", "plan -f config -o xml", `invalid argument "xml" for "-o, --output" flag: "xml" is none of text, json, yaml, github, junit`),
		Entry("a day that is none", "capacity --at tomorrow", `invalid argument "tomorrow" for "--at" flag: "tomorrow" is no day: write it as YYYY-MM-DD, such as 2026-12-01`),
		Entry("a setting that is none", "plan -f config --gateway public", `--gateway "public": write namespace/name, or namespace/name/listener`),
		Entry("an FTE that is not on offer", "capacity acme --fte 0.7", "--fte 0.7: 0.7 FTE is not on offer: write a multiple of 0.5, such as 0.5, 1 or 1.5"),
		Entry("an FTE below zero", "capacity acme --fte=-1", "--fte -1: an amount is not below 0"),
		Entry("customers below zero", "capacity acme --customers=-1", "--customers -1: write a number from 0 to 1000000"),
		Entry("a severity that is none", "raci acme --task bugs --severity 5", "--severity 5: write 1 (the gravest) to 4"),
		Entry("a severity of nothing", "raci acme --severity 1", "--severity is of a task: say which with --task"),
		Entry("a task that is none", "raci acme --task cooking", `--task "cooking" is none of: User account management;`),
		Entry("a task that may be several", "raci acme --task user", `--task "user" may be any of: User account management; User access management; End-user support`),
	)
})

var _ = Describe("What cannot be read", func() {
	DescribeTable("is said, and what to do",
		func(ctx SpecContext, line, message string) {
			got := run(ctx, line)
			Expect(got.status).To(Equal(3))
			Expect(got.err).To(ContainSubstring(message))
			Expect(got.out).To(BeEmpty())
		},
		Entry("a file", "plan -f nowhere.yaml", "error: lstat nowhere.yaml: no such file or directory"),
		Entry("a kustomization", "plan -k docs", "error: building the kustomization docs: "),
		Entry("a partner", "status nobody", `error: there is no Partner "nobody" at https://cluster.example: kubectl partner status lists those that are there`),
		Entry("a partner in a cluster that manifests could have", "coverage nobody", `error: there is no Partner "nobody" at https://cluster.example: kubectl partner status lists those that are there`),
		Entry("a partner in manifests", "coverage nobody -f config/samples", `error: there is no Partner "nobody" in the manifests: kubectl partner plan with the same --filename lists those that are there`),
		Entry("a partner in manifests, for a deadline", "deadline nobody -f config/samples --severity 1", `error: there is no Partner "nobody" in the manifests: kubectl partner plan`),
		Entry("a plan", "capacity acme --plan gold", `error: there is no SupportPlan "gold": kubectl get supportplans lists those that are there`),
		Entry("a partner that can have no P-CSMs", "capacity wayne", `error: "wayne" is a Reseller: only an OEM or MSP can have P-CSMs`),
		Entry("who is on duty for one that can have no P-CSMs", "coverage wayne --now", `error: "wayne" is a Reseller: only an OEM or MSP can have P-CSMs`),
		Entry("a context", "status --context other", `error: finding the cluster: context "other" does not exist`),
	)

	It("is a target that no hours reach, beside others", func(ctx SpecContext) {
		file := filepath.Join(GinkgoT().TempDir(), "plan.yaml")
		Expect(os.WriteFile(file, []byte(`
apiVersion: partner.dispel.com/v1alpha1
kind: Partner
metadata: {name: acme}
spec: {displayName: Acme, channelModel: OEM, supportPlanRef: {name: short}}
---
apiVersion: partner.dispel.com/v1alpha1
kind: SupportPlan
metadata: {name: short}
spec:
  tier: Basic
  operatingHours: {days: [Monday], opens: "09:00", closes: "11:00", timeZone: UTC, holidays: None}
  responseTargets: [{severity: 1, within: 1h}, {severity: 3, within: 2000h}]
`), 0o600)).To(Succeed())
		got := run(ctx, "deadline acme --at 2026-12-04 -f "+file)
		Expect(got.out).To(MatchRegexp(`(?s)Answer due +Mon 2026-12-07 10:00 UTC.*Severity +3.*Answer due +SupportPlan "short": `))
		Expect(got.status).To(BeZero())
		Expect(run(ctx, "deadline acme --at 2026-12-04 --severity 3 -f "+file).status).To(Equal(3))
	})

	It("is a cluster that cannot be reached", func(ctx SpecContext) {
		config := controlPlane.Config()
		config.Host = "https://127.0.0.1:1"
		got := runOn(ctx, newTerminal(), "status --kubeconfig "+cluster.Kubeconfig(config))
		Expect(got.status).To(Equal(3))
		Expect(got.err).To(And(HavePrefix("error: cannot reach the cluster at https://127.0.0.1:1: "), ContainSubstring("connection refused"),
			HaveSuffix("see that it runs, and that --context names the right one\n")))
	})

	It("is a cluster that nobody configured", func(ctx SpecContext) {
		empty := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
		Expect(os.WriteFile(empty, nil, 0o600)).To(Succeed())
		got := runOn(ctx, newTerminal(), "status --kubeconfig "+empty)
		Expect(got.status).To(Equal(3))
		Expect(got.err).To(Equal("error: no cluster is configured: set KUBECONFIG, or give --kubeconfig or --server\n"))
	})

	It("is a cluster without the operator's kinds", func(ctx SpecContext) {
		bare := cluster.StartBare(ctx)
		got := runOn(ctx, newTerminal(), "report --kubeconfig "+bare.Kubeconfig())
		Expect(got.status).To(Equal(3))
		Expect(got.err).To(ContainSubstring("does not know Partners: install the operator's CustomResourceDefinitions (config/crd), or name another cluster with --context"))

		By("and with older ones, a warning")
		cluster.Install(bare, cluster.CRDs())
		there, err := client.New(bare.Config(), client.Options{Scheme: direct.Scheme()})
		Expect(err).NotTo(HaveOccurred())
		crd := &apiextensionsv1.CustomResourceDefinition{}
		Expect(there.Get(ctx, client.ObjectKey{Name: "partners.partner.dispel.com"}, crd)).To(Succeed())
		crd.Annotations[v1alpha1.SchemaRevisionAnnotation] = "1"
		Expect(there.Update(ctx, crd)).To(Succeed())
		got = runOn(ctx, newTerminal(), "status --kubeconfig "+bare.Kubeconfig())
		Expect(got.status).To(BeZero())
		Expect(got.err).To(And(ContainSubstring("are of schema revision 1, and this plugin is of 3, so that fields may be missing: upgrade the operator"),
			ContainSubstring("There are no Partners.")))
		for _, command := range []string{"capacity", "report -o markdown", "report", "plan -f config/samples/partners/wayne.yaml --against-cluster"} {
			Expect(runOn(ctx, newTerminal(), command+" --kubeconfig "+bare.Kubeconfig()).status).To(BeElementOf(0, 1), command)
		}
	})
})

var _ = Describe("A terminal", func() {
	DescribeTable("has colours unless its environment says otherwise",
		func(environment map[string]string, colours bool) {
			Expect(cli.TakesColours(func(name string) (string, bool) { value, set := environment[name]; return value, set })).To(Equal(colours))
		},
		Entry("as a rule", map[string]string{"TERM": "xterm-256color"}, true),
		Entry("by NO_COLOR", map[string]string{"TERM": "xterm-256color", "NO_COLOR": "1"}, false),
		Entry("not by an empty NO_COLOR", map[string]string{"NO_COLOR": ""}, true),
		Entry("by a terminal that takes none", map[string]string{"TERM": "dumb"}, false),
	)

	It("keeps what matters in a narrow table", func(ctx SpecContext) {
		got := runOn(ctx, &cli.Terminal{Width: 80}, "capacity --kubeconfig "+reader)
		Expect(got.out).To(And(ContainSubstring("133%"), ContainSubstring("UNTIL BREACH"), ContainSubstring("ADD FTE"), Not(ContainSubstring("COMFORTABLE"))))
	})

	It("obeys nothing that a manifest says", func(ctx SpecContext) {
		terminal := newTerminal()
		terminal.In = strings.NewReader(`{apiVersion: partner.dispel.com/v1alpha1, kind: Partner, metadata: {name: acme}, spec: {channelModel: OEM, displayName: "x\n::error::y\e[31m"}}`)
		got := runOn(ctx, terminal, "plan -f -")
		Expect(got.out).To(ContainSubstring(`"x\n::error::y\x1b[31m": it has a character that cannot be seen`))
		Expect(got.out).NotTo(MatchRegexp(`(?m)^::error`))
	})

	It("is none if it is a file", func() {
		file, err := os.Create(filepath.Join(GinkgoT().TempDir(), "out"))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(file.Close)
		terminal := cli.NewTerminal(strings.NewReader(""), file, file, os.LookupEnv)
		Expect(terminal).To(And(HaveField("Colour", BeFalse()), HaveField("Live", BeFalse()), HaveField("Width", 0)))
	})

	It("has tables that fit, and colours", func(ctx SpecContext) {
		narrow := &cli.Terminal{Width: 80, Colour: true}
		got := runOn(ctx, narrow, "status --kubeconfig "+reader)
		Expect(got.out).To(ContainSubstring("\x1b[31m✗\x1b[0m"))
		for line := range strings.Lines(got.out) {
			plain := regexpColour.ReplaceAllString(strings.TrimSuffix(line, "\n"), "")
			Expect(len([]rune(plain))).To(BeNumerically("<=", 80), plain)
		}
		Expect(got.out).NotTo(ContainSubstring("…"))
	})

	It("has messages that are broken where it ends", func(ctx SpecContext) {
		narrow := &cli.Terminal{Width: 60}
		for _, command := range []string{"status", "status vandelay", "status acme", "capacity", "plan -f config/samples/partners", "raci acme --task bugs"} {
			got := runOn(ctx, narrow, command+" --kubeconfig "+reader)
			for line := range strings.Lines(got.out) {
				Expect(len([]rune(strings.TrimSuffix(line, "\n")))).To(BeNumerically("<=", 60), line)
			}
		}
	})
})

var _ = Describe("The shell", func() {
	It("is told what may come next", func(ctx SpecContext) {
		for line, words := range map[string][]string{
			"__complete sta":                        {"status"},
			"__complete status ''":                  {"acme", "wonka"},
			"__complete capacity acme --plan ''":    {"basic", "basic-emea"},
			"__complete raci acme --task ''":        {"End-user support"},
			"__complete plan --output ''":           {"github", "junit"},
			"__complete capacity --output ''":       {"table", "yaml"},
			"__complete raci acme --severity ''":    {"1", "4"},
			"__complete plan -f config --fail-on w": {"warning"},
			"__complete status --context ''":        {"it"},
			"__complete --context ''":               {"it"},
			"__complete report --cluster ''":        {"it"},
			"__complete plan --user i":              {"it"},
			"__complete capacity --namespace ''":    {"default", "partner-acme"},
			"__complete plan --filename ''":         {"yaml", "json", ":8"},
			"__complete plan --kustomize ''":        {":16"},
		} {
			got := runOn(ctx, newTerminal(), strings.Replace(line, "__complete ", "__complete --kubeconfig "+reader+" ", 1))
			for _, word := range words {
				Expect(strings.Split(got.out, "\n")).To(ContainElement(HavePrefix(word)), line)
			}
		}
	})
})
