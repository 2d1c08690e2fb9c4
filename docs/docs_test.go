// Package docs has no code. Its tests hold every name in the documentation
// against the tree.
package docs

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	controllermetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	_ "github.com/dispel/partner-operator/controllers" // for its metrics
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/isolation"
	"github.com/dispel/partner-operator/internal/metrics"
	"github.com/dispel/partner-operator/internal/prober"
	"github.com/dispel/partner-operator/internal/settings"
	"github.com/dispel/partner-operator/internal/testing/commands"
	"github.com/dispel/partner-operator/internal/testing/golden"
	"github.com/dispel/partner-operator/internal/widgetserver"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "docs")
}

const root = ".."

// pages are all pages, by their path from the root.
func pages() map[string]string {
	found := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "charts/*/*.md", "examples/*/*.md", "hack/*/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			panic(err)
		}
		for _, path := range paths {
			name, err := filepath.Rel(root, path)
			if err != nil {
				panic(err)
			}
			found[name] = read(name)
		}
	}
	return found
}

func read(path string) string {
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		panic(err)
	}
	return string(data)
}

// constants are the values of the constants of a type in conditions.go.
func constants(ofType string) []string {
	GinkgoHelper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "api", "v1alpha1", "conditions.go"), nil, 0)
	Expect(err).NotTo(HaveOccurred())
	var values []string
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == ofType {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			Expect(err).NotTo(HaveOccurred())
			values = append(values, value)
		}
		return true
	})
	Expect(values).NotTo(BeEmpty())
	return values
}

// matches are the first groups of a pattern, each once.
func matches(pattern, text string) []string {
	var found []string
	seen := map[string]bool{}
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		if !seen[match[1]] {
			seen[match[1]] = true
			found = append(found, match[1])
		}
	}
	return found
}

var _ = Describe("The pages", func() {
	It("link to what is there", func() {
		for name, page := range pages() {
			for _, link := range matches(`\]\(([^)#]+)[^)]*\)`, page) {
				if !strings.Contains(link, "://") {
					Expect(filepath.Join(root, filepath.Dir(name), link)).To(BeAnExistingFile(), name)
				}
			}
		}
	})

	It("name paths that are there", func() {
		for name, page := range pages() {
			for _, path := range matches("`((?:api|charts|cmd|config|controllers|docs|examples|hack|internal|test|\\.ci)/[\\w./-]*)`", page) {
				Expect(filepath.Join(root, path)).To(BeAnExistingFile(), name)
			}
		}
	})

	It("name make targets that are there", func() {
		targets := matches(`(?m)^([a-z-]+):.*##`, read("Makefile"))
		for name, page := range pages() {
			for _, target := range matches("`?make ([a-z][a-z-]+)`", page) {
				Expect(targets).To(ContainElement(target), name)
			}
		}
	})

	It("name commands of this repository that are there", func() {
		for name, page := range pages() {
			for _, path := range matches(`go run \./([\w/-]+)`, page) {
				Expect(filepath.Join(root, path)).To(BeADirectory(), name)
			}
		}
	})

	It("have manifests that fit the kinds", func() {
		kinds := map[string]func() any{
			"Partner":        func() any { return &v1alpha1.Partner{} },
			"SupportPlan":    func() any { return &v1alpha1.SupportPlan{} },
			"PCSMAllocation": func() any { return &v1alpha1.PCSMAllocation{} },
			"SubdomainClaim": func() any { return &v1alpha1.SubdomainClaim{} },
		}
		checked := 0
		for name, page := range pages() {
			for _, block := range matches("(?s)```yaml\n(apiVersion: partner.dispel.com.*?)```", page) {
				for document := range strings.SplitSeq(block, "---\n") {
					var kind struct{ Kind string }
					Expect(yaml.Unmarshal([]byte(document), &kind)).To(Succeed(), name)
					Expect(kinds).To(HaveKey(kind.Kind), name)
					Expect(yaml.UnmarshalStrict([]byte(document), kinds[kind.Kind]())).To(Succeed(), name)
					checked++
				}
			}
		}
		Expect(checked).To(BeNumerically(">=", 3))
	})
})

// withTables puts the tables of the catalogue under the headings of a page.
func withTables(page string) string {
	GinkgoHelper()
	sections := strings.Split(page, "\n## ")
	for _, kind := range conditions.Catalogue {
		i := slices.IndexFunc(sections, func(section string) bool { return strings.HasPrefix(section, kind.Name+"\n") })
		Expect(i).To(BeNumerically(">=", 0), kind.Name)
		for _, condition := range kind.Conditions {
			before, rest, found := strings.Cut(sections[i], "\n### "+string(condition.Type)+"\n")
			Expect(found).To(BeTrue(), "%s of %s has a heading", condition.Type, kind.Name)
			own, others, more := strings.Cut(rest, "\n### ")
			text, _, _ := strings.Cut(own, "| status |")
			own = text + tableOf(condition)
			if more {
				own += "\n### " + others
			}
			sections[i] = before + "\n### " + string(condition.Type) + "\n" + own
		}
	}
	return strings.Join(sections, "\n## ")
}

// tableOf is a condition's table.
func tableOf(condition conditions.Condition) string {
	table := "| status | reason | what to do |\n|---|---|---|\n"
	for i, one := range condition.Cases {
		status := string(one.Status)
		switch one.Progress {
		case conditions.Stalled:
			status += ", Stalled"
		case conditions.Waiting:
			status += ", Reconciling"
		}
		var reasons []string
		for _, reason := range one.Reasons {
			reasons = append(reasons, "`"+string(reason)+"`")
		}
		table += "| " + status + " | " + strings.Join(reasons, ", ") + " | " + one.Remedy + " |\n"
		lastTrue := one.Status == metav1.ConditionTrue && (i+1 == len(condition.Cases) || condition.Cases[i+1].Status != metav1.ConditionTrue)
		if lastTrue && len(condition.Of) > 0 {
			var of []string
			for _, other := range condition.Of {
				of = append(of, "`"+string(other)+"`")
			}
			which := ""
			if len(of) > 1 {
				which = ", whichever is broken first"
			}
			table += "| False | that of " + strings.Join(of, " or ") + which + " | see there |\n"
		}
	}
	return table
}

var _ = Describe("The conditions", func() {
	page := read("docs/conditions.md")

	It("are in the page as the catalogue has them", func() {
		golden.ExpectFile(filepath.Join(root, "docs/conditions.md"), []byte(withTables(page)))
	})

	It("are all in the catalogue, with a remedy for each reason", func() {
		var reasons []string
		for _, kind := range conditions.Catalogue {
			for _, condition := range kind.Conditions {
				for _, one := range condition.Cases {
					Expect(one.Remedy).NotTo(BeEmpty())
					for _, reason := range one.Reasons {
						reasons = append(reasons, string(reason))
					}
				}
			}
		}
		slices.Sort(reasons)
		Expect(slices.Compact(reasons)).To(ConsistOf(constants("Reason")))
		for _, condition := range constants("ConditionType") {
			Expect(page).To(MatchRegexp("(`|### )"+condition+`\b`), "a condition is in the page")
		}
	})

	It("have each reason produced by a golden file or by a spec on a real API server", func() {
		var produced bytes.Buffer
		for _, pattern := range []string{"internal/*/testdata/*.out.yaml", "controllers/*_test.go", "internal/prober/*_test.go"} {
			paths, err := filepath.Glob(filepath.Join(root, pattern))
			Expect(err).NotTo(HaveOccurred())
			for _, path := range paths {
				data, err := os.ReadFile(path)
				Expect(err).NotTo(HaveOccurred())
				produced.Write(data)
			}
		}
		for _, reason := range constants("Reason") {
			Expect(regexp.MustCompile(`(reason: |(True|False|Unknown)/)`+reason+`\b`).FindString(produced.String())).NotTo(BeEmpty(), reason)
		}
	})

	It("are named as they are in the runbooks", func() {
		known := append(constants("Reason"), constants("ConditionType")...)
		known = append(known, "ACTIVE") // a column
		checked := 0
		for name, page := range pages() {
			if !strings.HasPrefix(name, "docs/runbooks/") {
				continue
			}
			for _, word := range matches("`([A-Z]\\w+)`", page) {
				Expect(known).To(ContainElement(word), name)
				checked++
			}
		}
		Expect(checked).To(BeNumerically(">", 8))
	})

	It("are listed with their legal reasons beside each constant", func() {
		source := read("api/v1alpha1/conditions.go")
		comments, _, _ := strings.Cut(source, "// Reasons of a Partner.")
		for _, reason := range constants("Reason") {
			Expect(comments).To(MatchRegexp(`\b` + reason + `\b`))
		}
	})
})

// flag is a flag as a command's help has it.
type flag struct {
	name, short, fallback, meaning string
}

// flagsOf are the flags of a command's own, without those of all commands.
func flagsOf(binary, command string) []flag {
	GinkgoHelper()
	help, err := exec.Command(binary, command, "--help").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(help))
	own, _, _ := strings.Cut(string(help), "Global Flags:")
	var flags []flag
	for _, match := range regexp.MustCompile(`(?m)^ +(?:-(\w), )?--([a-z-]+)(?: \w+)? {2,}(.*)$`).FindAllStringSubmatch(own, -1) {
		meaning, fallback, _ := strings.Cut(strings.TrimSuffix(match[3], ")"), " (default ")
		if fallback == "" {
			meaning = match[3]
		}
		if match[2] != "help" {
			flags = append(flags, flag{name: match[2], short: match[1], fallback: literal(fallback), meaning: meaning})
		}
	}
	return flags
}

// literal marks a default that can be written as it is, and leaves alone one in words,
// such as today.
func literal(fallback string) string {
	if !regexp.MustCompile(`^("|\[|\d|:|true$|false$)`).MatchString(fallback) {
		return fallback
	}
	return "`" + strings.Trim(fallback, `"[]`) + "`"
}

// flagTable is the table of a command's flags. Those of the operator's settings, which
// the manager's page explains, are in one row elsewhere.
func flagTable(flags []flag, settings []string) string {
	table := "| flag | default | meaning |\n|---|---|---|\n"
	var operators []string
	for _, f := range flags {
		name := "`--" + f.name + "`"
		if slices.Contains(settings, f.name) {
			operators = append(operators, name)
			continue
		}
		if f.short != "" {
			name += ", `-" + f.short + "`"
		}
		table += "| " + name + " | " + f.fallback + " | " + f.meaning + " |\n"
	}
	if len(operators) > 0 {
		table += "| " + strings.Join(operators, ", ") + " | | settings of the operator, as [the manager](manager.md) has them |\n"
	}
	return table
}

// withTable puts a table in the place of the first one of a text that begins alike.
func withTable(text, table string) string {
	GinkgoHelper()
	heading, _, _ := strings.Cut(table, "\n")
	before, rest, found := strings.Cut(text, heading+"\n")
	Expect(found).To(BeTrue(), "a table begins with %s", heading)
	rows := strings.SplitAfter(rest, "\n")
	end := slices.IndexFunc(rows, func(row string) bool { return !strings.HasPrefix(row, "|") })
	Expect(end).To(BeNumerically(">", 0), "text follows the table %s", heading)
	return before + table + strings.Join(rows[end:], "")
}

var _ = Describe("The flags", func() {
	It("are in the page of their command as its help has them, and no others", func(ctx SpecContext) {
		operator, plugin := commands.Built(ctx, "cmd/partner-operator"), commands.Built(ctx, "cmd/kubectl-partner")
		var known []string
		know := func(flags []flag) []flag {
			for _, f := range flags {
				known = append(known, f.name)
			}
			return flags
		}
		for _, command := range []string{"manager", "widget", "probe"} {
			page := "docs/" + command + ".md"
			golden.ExpectFile(filepath.Join(root, page), []byte(withTable(read(page), flagTable(know(flagsOf(operator, command)), nil))))
		}
		know(flagsOf(operator, "check"))

		set := pflag.NewFlagSet("", pflag.ContinueOnError)
		new(settings.Flags).Add(set)
		var ofOperator []string
		set.VisitAll(func(f *pflag.Flag) { ofOperator = append(ofOperator, f.Name) })
		sections := strings.Split(read("docs/kubectl-partner.md"), "\n## ")
		for _, command := range matches("(?m)^\\| \\[`(\\w+)`\\]\\(#", sections[0]) {
			i := slices.IndexFunc(sections, func(section string) bool { return strings.HasPrefix(section, command+"\n") })
			Expect(i).To(BeNumerically(">", 0), command)
			// A section may end with its table.
			sections[i] = strings.TrimSuffix(withTable(sections[i]+"\n\n", flagTable(know(flagsOf(plugin, command)), ofOperator)), "\n\n")
		}
		golden.ExpectFile(filepath.Join(root, "docs/kubectl-partner.md"), []byte(strings.Join(sections, "\n## ")))

		known = append(known, "context", "kubeconfig", "version") // kubectl's own, and cobra's
		known = append(known, "shard", "shards")                  // of earlier versions
		for name, page := range pages() {
			for _, flag := range matches("`--([a-z-]+)", page) {
				if !strings.HasPrefix(flag, "dispel-support-") { // a CSS variable
					Expect(known).To(ContainElement(flag), name)
				}
			}
		}
	})
})

// description is how a descriptor writes itself: its name, help and labels.
var description = regexp.MustCompile(`^Desc\{fqName: "(partner_operator_\w+)", help: "(.*)", unit: ".*", constLabels: \{\}, variableLabels: \{(.*)\}\}$`)

// metricRows are the rows of some metrics' table.
func metricRows(collectors ...prometheus.Collector) []string {
	GinkgoHelper()
	descriptors := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptors)
		for _, collector := range collectors {
			collector.Describe(descriptors)
		}
	}()
	var rows []string
	for descriptor := range descriptors {
		found := description.FindStringSubmatch(descriptor.String())
		if found == nil {
			continue // controller-runtime's own, or Go's
		}
		labels := ""
		if found[3] != "" {
			labels = "`" + strings.ReplaceAll(found[3], ",", "`, `") + "`"
		}
		help, err := strconv.Unquote(`"` + found[2] + `"`)
		Expect(err).NotTo(HaveOccurred())
		rows = append(rows, "| `"+found[1]+"` | "+labels+" | "+strings.TrimSuffix(help, ".")+" |\n")
	}
	Expect(rows).NotTo(BeEmpty())
	return rows
}

var _ = Describe("The metrics", func() {
	It("are in the page as they describe themselves", func() {
		parts := strings.SplitAfter(read("docs/monitoring.md"), "\nThe manager, the widget server and the prober also count what they do")
		Expect(parts).To(HaveLen(2))
		const heading = "| metric | labels | meaning |\n|---|---|---|\n"
		parts[0] = withTable(parts[0], heading+strings.Join(metricRows(&metrics.Collector{}), ""))
		counted := metricRows(append(slices.Concat(widgetserver.Metrics, prober.Metrics, isolation.Metrics), controllermetrics.Registry.(prometheus.Collector))...)
		slices.Sort(counted) // a registry has no order
		parts[1] = withTable(parts[1], heading+strings.Join(counted, ""))
		golden.ExpectFile(filepath.Join(root, "docs/monitoring.md"), []byte(strings.Join(parts, "")))
	})
})

var _ = Describe("The examples of the kubectl plugin", func() {
	It("are the golden files of its tests", func() {
		files, err := filepath.Glob(filepath.Join(root, "internal/cli/testdata/golden/*"))
		Expect(err).NotTo(HaveOccurred())
		outputs := map[string]bool{}
		for _, file := range files {
			data, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			outputs[string(data)] = true
		}
		shown := 0
		for name, page := range pages() {
			for _, example := range matches("(?s)```console\n(.*?)```", page) {
				Expect(outputs).To(HaveKey(example), name)
				shown++
			}
		}
		Expect(shown).To(BeNumerically(">=", 12))
	})
})

var _ = Describe("The README", func() {
	It("shows the table that the demo leads to", func() {
		var shown []string
		for line := range strings.Lines(read("README.md")) {
			fields := strings.Fields(line)
			if len(fields) > 3 && regexp.MustCompile(`^\d+s$`).MatchString(fields[len(fields)-1]) {
				shown = append(shown, strings.Join(fields[:len(fields)-1], " "))
			}
		}
		for line := range strings.Lines(read("hack/demo/expected.txt")) {
			Expect(shown).To(ContainElement(strings.TrimSpace(line)))
		}
	})
})

var _ = Describe("The tree", func() {
	It("says what each package is for", func() {
		command := exec.Command("go", "list", "-f", "{{.ImportPath}}|{{.Doc}}|{{len .GoFiles}}", "work")
		command.Dir = root
		out, err := command.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		for line := range strings.Lines(string(out)) {
			fields := strings.Split(strings.TrimSpace(line), "|")
			if fields[2] != "0" {
				Expect(fields[1]).NotTo(BeEmpty(), "package %s has no doc comment", fields[0])
			}
		}
	})
})

var _ = Describe("The map", func() {
	It("has every folder of the tree, and no other", func() {
		named := matches("`((?:[\\w-]+/)+)`", read("AGENTS.md"))
		tracked := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard")
		tracked.Dir = root
		out, err := tracked.Output()
		Expect(err).NotTo(HaveOccurred())
		for line := range strings.Lines(string(out)) {
			folder := filepath.ToSlash(filepath.Dir(strings.TrimSpace(line))) + "/"
			if folder == "./" || strings.HasPrefix(folder, ".") {
				continue
			}
			Expect(slices.ContainsFunc(named, func(name string) bool { return strings.HasPrefix(folder, name) })).To(BeTrue(), "%s is on the map", folder)
		}
		for _, name := range named {
			Expect(filepath.Join(root, name)).To(BeADirectory())
		}
	})
})

var _ = Describe("The chart's values", func() {
	It("are named as they are in every page", func() {
		var values map[string]any
		Expect(yaml.Unmarshal([]byte(read("charts/partner-operator/values.yaml")), &values)).To(Succeed())
		known := func(path string) bool {
			var at any = values
			for name := range strings.SplitSeq(path, ".") {
				fields, ok := at.(map[string]any)
				if !ok {
					return true // free in form below
				}
				if at, ok = fields[name]; !ok {
					return len(fields) == 0
				}
			}
			return true
		}
		var tops []string
		for name, value := range values {
			if _, nested := value.(map[string]any); nested {
				tops = append(tops, name)
			}
		}
		checked := 0
		pattern := `(?:` + "`" + `|--set )((?:` + strings.Join(tops, "|") + `)(?:\.\w+)+)`
		for name, page := range pages() {
			for _, path := range matches(pattern, page) {
				if strings.HasPrefix(path, "monitoring.coreos.") || path == "widget.enabled" || path == "manager.shards" {
					continue // an API group, a field of support.json, and a value of earlier versions
				}
				Expect(known(path)).To(BeTrue(), "%s in %s", path, name)
				checked++
			}
		}
		Expect(known("manager.replica")).To(BeFalse())
		Expect(checked).To(BeNumerically(">=", 10))
	})
})

var _ = Describe("What a version brings", func() {
	It("is in the changelog, the notes on upgrading and the chart alike", func() {
		var chart struct{ Version, AppVersion string }
		Expect(yaml.Unmarshal([]byte(read("charts/partner-operator/Chart.yaml")), &chart)).To(Succeed())
		Expect(chart.AppVersion).To(Equal("v" + chart.Version))
		Expect(matches(`(?m)^## (v[\d.]+)$`, read("CHANGELOG.md"))[0]).To(Equal(chart.AppVersion))
		Expect(matches(`(?m)^## To (v[\d.]+)$`, read("docs/upgrading.md"))[0]).To(Equal(chart.AppVersion))
	})
})

var _ = Describe("The versions of Kubernetes", func() {
	It("that are tested are those that hack/controlplane pins, and the chart refuses older ones", func() {
		page := read("docs/support-matrix.md")
		files, err := filepath.Glob(filepath.Join(root, "hack/controlplane/*.mod"))
		Expect(err).NotTo(HaveOccurred())
		var pinned []string
		for _, file := range files {
			data, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			pinned = append(pinned, matches(`k8s\.io/kubernetes v(\d+\.\d+)\.`, string(data))...)
		}
		Expect(matches(`(?m)^\| (\d+\.\d+) \| (?:every|each)`, page)).To(ConsistOf(pinned))
		all := matches(`(?m)^\| (\d+\.\d+) \|`, page)
		Expect(read("charts/partner-operator/Chart.yaml")).To(ContainSubstring(`kubeVersion: ">=` + all[len(all)-1] + `.0-0"`))
	})
})

var _ = Describe("The API reference", func() {
	It("has every field of every kind, as the CRDs describe it", func() {
		reference := read("docs/reference/api.md")
		var fields int
		var walk func(path string, schema apiextensionsv1.JSONSchemaProps)
		walk = func(path string, schema apiextensionsv1.JSONSchemaProps) {
			if schema.Items != nil && schema.Items.Schema != nil {
				schema = *schema.Items.Schema
			}
			for name, field := range schema.Properties {
				at := path + "." + name
				if name != "apiVersion" && name != "kind" && name != "metadata" {
					fields++
					first, _, _ := strings.Cut(field.Description, "\n")
					Expect(reference).To(MatchRegexp("(?m)^\\| `"+name+"` .*"+regexp.QuoteMeta(first)), at)
				}
				if name != "conditions" { // of Kubernetes, which has its own reference
					walk(at, field)
				}
			}
		}
		files, err := filepath.Glob(filepath.Join(root, "config/crd/bases/*.yaml"))
		Expect(err).NotTo(HaveOccurred())
		Expect(files).To(HaveLen(4))
		for _, file := range files {
			var crd apiextensionsv1.CustomResourceDefinition
			data, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			Expect(yaml.UnmarshalStrict(data, &crd)).To(Succeed())
			walk(crd.Spec.Names.Kind, *crd.Spec.Versions[0].Schema.OpenAPIV3Schema)
		}
		Expect(fields).To(BeNumerically(">", 100))
	})
})
