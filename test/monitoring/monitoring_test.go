// Package monitoring holds the alerts and the dashboard against the metrics that
// the operator has, and against each other.
package monitoring

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/yaml"

	_ "github.com/dispel/partner-operator/controllers" // its metrics
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/isolation"
	"github.com/dispel/partner-operator/internal/metrics"
	"github.com/dispel/partner-operator/internal/prober"
	"github.com/dispel/partner-operator/internal/testing/cluster"
	"github.com/dispel/partner-operator/internal/widgetserver"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "monitoring")
}

// rule is an alert.
type rule struct {
	Alert, Expr, For    string
	KeepFiringFor       string `json:"keep_firing_for"`
	Labels, Annotations map[string]string
}

func read(elem ...string) string {
	GinkgoHelper()
	data, err := os.ReadFile(filepath.Join(append([]string{cluster.Root()}, elem...)...))
	Expect(err).NotTo(HaveOccurred())
	return string(data)
}

// rules are all alerts, and the file of them that Prometheus reads.
func rules() ([]rule, []byte) {
	GinkgoHelper()
	var object struct {
		Spec struct {
			Groups []struct {
				Rules []rule `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}
	Expect(yaml.Unmarshal([]byte(read("config/monitoring/prometheus_rule.yaml")), &object)).To(Succeed())
	var all []rule
	for _, group := range object.Spec.Groups {
		all = append(all, group.Rules...)
	}
	Expect(len(all)).To(BeNumerically(">=", 8))
	var whole map[string]any
	Expect(yaml.Unmarshal([]byte(read("config/monitoring/prometheus_rule.yaml")), &whole)).To(Succeed())
	file, err := yaml.Marshal(whole["spec"])
	Expect(err).NotTo(HaveOccurred())
	return all, file
}

// dashboard are the expressions of the panels.
func dashboard() []string {
	GinkgoHelper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	Expect(json.Unmarshal([]byte(read("config/monitoring/partner-operator.json")), &board)).To(Succeed())
	var all []string
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			all = append(all, target.Expr)
		}
	}
	Expect(len(all)).To(BeNumerically(">", 10))
	return all
}

// own are the names of the metrics that the operator has.
func own() []string {
	GinkgoHelper()
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		(&metrics.Snapshot{}).Describe(descs)
		ctrlmetrics.Registry.(prometheus.Collector).Describe(descs)
		for _, metric := range slices.Concat(widgetserver.Metrics, prober.Metrics, isolation.Metrics) {
			metric.Describe(descs)
		}
	}()
	var names []string
	for desc := range descs {
		name := regexp.MustCompile(`fqName: "([^"]+)"`).FindStringSubmatch(desc.String())[1]
		if strings.HasPrefix(name, "partner_operator_") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var metricName = regexp.MustCompile(`\bpartner_operator_\w+`)

// metricNames are those in a text; of a histogram's buckets, the histogram's.
func metricNames(text string) []string {
	names := metricName.FindAllString(text, -1)
	for i := range names {
		names[i] = strings.TrimSuffix(names[i], "_bucket")
	}
	return names
}

// alerts runs the command that tests rules in a folder with some files.
func alerts(files map[string][]byte, args ...string) (string, error) {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	for name, data := range files {
		Expect(os.WriteFile(filepath.Join(dir, name), data, 0o600)).To(Succeed())
	}
	for i, arg := range args {
		if _, ok := files[arg]; ok {
			args[i] = filepath.Join(dir, arg)
		}
	}
	out, err := cluster.Tool(context.Background(), "alerts", args...).CombinedOutput()
	return string(out), err
}

var _ = Describe("Each alert", func() {
	It("that the plugin names as a runbook is there", func() {
		all, _ := rules()
		var names []string
		for _, alert := range all {
			names = append(names, alert.Alert)
		}
		Expect(conditions.StaffingAlerts).NotTo(BeEmpty())
		for _, of := range []iter.Seq[string]{maps.Values(conditions.Alerts), maps.Values(conditions.StaffingAlerts)} {
			for name := range of {
				Expect(names).To(ContainElement(name))
			}
		}
	})

	It("fires when it should, and stays silent when it should", func() {
		all, file := rules()
		cases := read("test/monitoring/testdata/alerts.yaml")
		out, err := alerts(map[string][]byte{"rules.yaml": file, "alerts.yaml": []byte(cases)}, "test", "alerts.yaml")
		Expect(err).NotTo(HaveOccurred(), out)

		var tests struct {
			Tests []struct {
				Rules []struct {
					Name   string `json:"alertname"`
					Alerts []any  `json:"exp_alerts"`
				} `json:"alert_rule_test"`
			} `json:"tests"`
		}
		Expect(yaml.Unmarshal([]byte(cases), &tests)).To(Succeed())
		fires, silent := map[string]bool{}, map[string]bool{}
		for _, test := range tests.Tests {
			for _, rule := range test.Rules {
				if len(rule.Alerts) > 0 {
					fires[rule.Name] = true
				} else {
					silent[rule.Name] = true
				}
			}
		}
		for _, alert := range all {
			Expect(fires).To(HaveKey(alert.Alert))
			Expect(silent).To(HaveKey(alert.Alert))
		}

		By("failing when an alert does not do what its case says")
		mutated := strings.ReplaceAll(string(file), `status!="True"`, `status="True"`)
		_, err = alerts(map[string][]byte{"rules.yaml": []byte(mutated), "alerts.yaml": []byte(cases)}, "test", "alerts.yaml")
		Expect(err).To(HaveOccurred())
	})

	It("about partners goes on while the manager moves to another Pod", func() {
		all, _ := rules()
		for _, alert := range all {
			if strings.Contains(alert.Alert, "Operator") || strings.Contains(alert.Alert, "Prober") || strings.Contains(alert.Alert, "Probes") || strings.Contains(alert.Alert, "Isolation") || alert.Alert == "PartnerWidgetServerDown" {
				continue // what is not there is what they tell
			}
			Expect(alert.KeepFiringFor).To(Equal("10m"), alert.Alert)
			Expect(alert.Expr).To(MatchRegexp(`max by \(cluster, (name|partner)`), "%s: the Pod is no part of the alert", alert.Alert)
		}
	})

	It("has a severity, a summary, and a runbook that says what to do", func() {
		all, _ := rules()
		headings := map[string]bool{}
		for _, alert := range all {
			Expect(alert.Labels["severity"]).To(BeElementOf("info", "warning", "critical"), alert.Alert)
			Expect(alert.Annotations).To(And(HaveKey("summary"), HaveKey("description")), alert.Alert)
			_, runbook, _ := strings.Cut(alert.Annotations["runbook_url"], "/docs/")
			Expect(runbook).To(BeElementOf("runbooks/"+alert.Alert+".md", "runbooks/staffing.md#"+strings.ToLower(alert.Alert)))
			page, anchor, shared := strings.Cut(runbook, "#")
			heading := map[bool]string{true: "\n## ", false: "# "}[shared] + alert.Alert + "\n"
			headings[heading] = true
			Expect(read("docs", page)).To(ContainSubstring(heading), anchor)
			Expect(read("docs/monitoring.md")).To(ContainSubstring(
				fmt.Sprintf("| [%s](%s) | %s | %s |", alert.Alert, runbook, alert.Labels["severity"], alert.For)))
		}
		pages, err := filepath.Glob(filepath.Join(cluster.Root(), "docs", "runbooks", "*.md"))
		Expect(err).NotTo(HaveOccurred())
		there := 0
		for _, path := range pages {
			page := read("docs", "runbooks", filepath.Base(path))
			if filepath.Base(path) == "staffing.md" {
				there += strings.Count(page, "\n## ")
				continue
			}
			there++
			Expect(page).To(And(ContainSubstring("## What it means"), ContainSubstring("## What to do")), path)
		}
		Expect(there).To(Equal(len(headings)), "a runbook is about an alert that there is")
	})
})

var _ = Describe("The alerts and the dashboard", func() {
	It("ask for metrics that there are", func() {
		all, _ := rules()
		asked := dashboard()
		for _, alert := range all {
			asked = append(asked, alert.Expr)
		}
		metrics := own()
		for _, expression := range asked {
			for _, name := range metricNames(expression) {
				Expect(metrics).To(ContainElement(name), expression)
			}
		}
		Expect(read("test/monitoring/testdata/alerts.yaml")).To(ContainSubstring("partner_operator_"))
		for _, name := range metricNames(read("test/monitoring/testdata/alerts.yaml")) {
			Expect(metrics).To(ContainElement(name))
		}
	})

	It("name conditions and reasons that there are", func() {
		all, _ := rules()
		asked := dashboard()
		for _, alert := range all {
			asked = append(asked, alert.Expr)
		}
		named := 0
		for _, expression := range append(asked, strings.Split(read("test/monitoring/testdata/alerts.yaml"), "\n")...) {
			for _, selector := range regexp.MustCompile(`partner_operator_condition\{([^}]*)\}`).FindAllStringSubmatch(expression, -1) {
				values := func(label string) []string {
					found := regexp.MustCompile(`\b` + label + `=~?"([^"]*)"`).FindStringSubmatch(selector[1])
					if found == nil {
						return nil
					}
					return strings.Split(found[1], "|")
				}
				i := slices.IndexFunc(conditions.Catalogue, func(kind conditions.Kind) bool { return kind.Name == values("kind")[0] })
				Expect(i).To(BeNumerically(">=", 0), expression)
				for _, name := range values("condition") {
					j := slices.IndexFunc(conditions.Catalogue[i].Conditions, func(c conditions.Condition) bool { return string(c.Type) == name })
					Expect(j).To(BeNumerically(">=", 0), expression)
					for _, reason := range values("reason") {
						Expect(slices.ContainsFunc([]metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown}, func(status metav1.ConditionStatus) bool {
							return conditions.Catalogue[i].Legal(metav1.Condition{Type: name, Status: status, Reason: reason})
						})).To(BeTrue(), expression)
						named++
					}
				}
			}
		}
		Expect(named).To(BeNumerically(">", 10))
	})

	It("are PromQL", func() {
		var recorded []map[string]string
		for i, expression := range dashboard() {
			recorded = append(recorded, map[string]string{"record": fmt.Sprintf("panel_%d", i), "expr": expression})
		}
		file, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": recorded}}})
		Expect(err).NotTo(HaveOccurred())
		out, err := alerts(map[string][]byte{"panels.yaml": file}, "check", "panels.yaml")
		Expect(err).NotTo(HaveOccurred(), out)
	})
})

var _ = Describe("The pages", func() {
	It("name metrics that there are", func() {
		Expect(filepath.WalkDir(cluster.Root(), func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git" || entry.Name() == "build") {
				return filepath.SkipDir
			}
			if filepath.Ext(path) == ".md" {
				data, err := os.ReadFile(path)
				Expect(err).NotTo(HaveOccurred())
				for _, name := range metricNames(string(data)) {
					Expect(append(own(), "partner_operator_condition")).To(ContainElement(name), path)
				}
			}
			return nil
		})).To(Succeed())
	})
})
