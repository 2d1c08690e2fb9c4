package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/internal/preview"
)

// planPrinter prints a plan in one of the formats, partner by partner.
type planPrinter interface {
	// partner is called for each partner, findings once with all findings.
	partner(*preview.Partner) error
	findings([]preview.Finding) error
}

// planSummary counts what is in a plan.
type planSummary struct {
	Partners int `json:"partners"`
	Objects  int `json:"objects"`
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	Notices  int `json:"notices"`
	// Ignored counts objects of other kinds, and Others documents that are no objects.
	Ignored map[string]int `json:"ignored,omitempty"`
	Others  int            `json:"others,omitempty"`
}

// printPlan prints a plan and counts its findings.
func printPlan(ctx context.Context, terminal *Terminal, p *preview.Plan, format string, failOn []preview.Severity) (map[preview.Severity]int, error) {
	out := bufio.NewWriter(terminal.Out)
	summary := &planSummary{Ignored: p.Ignored, Others: p.Others}
	var printer planPrinter
	switch format {
	case "json":
		printer = &jsonPlan{out: out, plan: p, summary: summary}
	case "yaml":
		printer = &yamlPlan{out: out, plan: p, summary: summary}
	case "github":
		printer = &githubPlan{out: out}
	case "junit":
		printer = &junitPlan{out: out, failOn: failOn}
	default:
		text := &textPlan{out: out, terminal: terminal, plan: p, summary: summary, actions: map[preview.Action]int{}}
		if err := text.supportPlans(); err != nil {
			return nil, err
		}
		printer = text
	}
	findings := append([]preview.Finding{}, p.Findings...)
	// On a terminal what is printed shows how far it is, and would get in the way.
	working := &progress{}
	if terminal.Width == 0 {
		working = terminal.startProgress("Working out partners")
		defer working.finish()
	}
	for partner, err := range p.Partners(ctx) {
		if err != nil {
			return nil, err
		}
		findings = append(findings, partner.Findings...)
		summary.Partners++
		summary.Objects += len(partner.Objects)
		working.update(summary.Partners, p.Len())
		if err := printer.partner(partner); err != nil {
			return nil, err
		}
	}
	counts := map[preview.Severity]int{}
	for _, finding := range findings {
		counts[finding.Severity]++
	}
	summary.Errors, summary.Warnings, summary.Notices = counts[preview.Error], counts[preview.Warning], counts[preview.Notice]
	preview.Sort(findings)
	if err := printer.findings(findings); err != nil {
		return nil, err
	}
	return counts, out.Flush()
}

// textPlan is for people.
type textPlan struct {
	out      io.Writer
	terminal *Terminal
	plan     *preview.Plan
	summary  *planSummary
	actions  map[preview.Action]int
}

func (t *textPlan) partner(p *preview.Partner) error {
	for _, declared := range p.Declared {
		t.actions[declared.Action]++
	}
	for _, object := range p.Objects {
		t.actions[object.Action]++
	}
	if t.plan.Against && !p.Changed() {
		return nil
	}
	title := strings.Join(slices.DeleteFunc([]string{p.DisplayName, string(p.ChannelModel), p.SupportPlan, p.Host},
		func(s string) bool { return s == "" }), ", ")
	const indent = 4
	tree := t.terminal.newTree()
	for _, declared := range t.declared(p) {
		tree.AppendItem(t.declaration(declared, indent))
	}
	if p.Verdict != nil {
		tree.AppendItem(t.terminal.wrap(t.verdict(p)+": "+p.Verdict.Message, indent))
	}
	namespace := p.Namespace
	for _, object := range p.Objects {
		if object.Namespace != namespace && object.Kind != "Namespace" {
			tree.AppendItem(t.object(object, object.Namespace))
		}
	}
	for _, object := range p.Objects {
		if object.Kind == "Namespace" {
			tree.AppendItem(t.object(object, ""))
		}
	}
	tree.Indent()
	for _, object := range p.Objects {
		if object.Namespace == namespace {
			tree.AppendItem(t.object(object, ""))
		}
	}
	_, err := fmt.Fprintf(t.out, "%s   %s\n%s\n\n", t.terminal.paint(text.Bold, clean(p.Name)), clean(title), tree.Render())
	return err
}

// supportPlans are the plans that change, which touch more than one partner.
func (t *textPlan) supportPlans() error {
	changed := 0
	for _, declared := range t.plan.SupportPlans {
		t.actions[declared.Action]++
		if !t.plan.Against || declared.Action == preview.Keep {
			continue
		}
		changed++
		if _, err := fmt.Fprintln(t.out, t.declaration(declared, 0)); err != nil {
			return err
		}
	}
	if changed == 0 {
		return nil
	}
	_, err := fmt.Fprintln(t.out)
	return err
}

// declared are the Partner, with what changes for it, and its allocations that change; none
// without a cluster to compare with.
func (t *textPlan) declared(p *preview.Partner) []preview.Declaration {
	if !t.plan.Against {
		return nil
	}
	partner := preview.Declaration{Action: preview.Keep, Kind: "Partner", Name: p.Name}
	var changed []preview.Declaration
	for _, declared := range p.Declared {
		switch {
		case declared.Kind == partner.Kind:
			partner = declared
		case declared.Action != preview.Keep:
			changed = append(changed, declared)
		}
	}
	partner.Differences = append(slices.Clone(partner.Differences), p.Effects...)
	return append([]preview.Declaration{partner}, changed...)
}

// declaration is a line about an object of the manifests.
func (t *textPlan) declaration(declared preview.Declaration, indent int) string {
	sign := actionSigns[declared.Action]
	return t.terminal.paint(sign.colour, sign.sign) + t.terminal.wrap(declared.String(), indent+2)
}

// verdict is the reason of the verdict, in its colour.
func (t *textPlan) verdict(p *preview.Partner) string {
	colour := text.FgGreen
	if i := slices.IndexFunc(p.Findings, func(f preview.Finding) bool { return f.Reason == p.Verdict.Reason }); i >= 0 {
		colour = severityColour[p.Findings[i].Severity]
	}
	return t.terminal.paint(colour, p.Verdict.Reason)
}

var severityColour = map[preview.Severity]text.Color{preview.Error: text.FgRed, preview.Warning: text.FgYellow, preview.Notice: text.FgCyan}

// actionSigns are what stands before an object, and its colour.
var actionSigns = map[preview.Action]struct {
	sign   string
	colour text.Color
}{
	preview.Create: {"+ ", text.FgGreen}, preview.Change: {"~ ", text.FgYellow}, preview.Remove: {"- ", text.FgRed}, preview.Keep: {"  ", text.FgHiBlack},
}

// object is a line about an object, and one for each change of it.
func (t *textPlan) object(object preview.Object, namespace string) string {
	sign := actionSigns[object.Action]
	name := object.Name
	if namespace != "" {
		name = namespace + "/" + name
	}
	line := t.terminal.paint(sign.colour, sign.sign+object.Kind+" "+name)
	lines := []string{line}
	for _, difference := range object.Differences() {
		lines = append(lines, clean(difference))
	}
	return strings.Join(lines, "\n    ")
}

func (t *textPlan) findings(findings []preview.Finding) error {
	if err := printFindings(t.out, t.terminal, findings); err != nil {
		return err
	}
	objects := plural(t.summary.Objects, "object")
	if t.plan.Against {
		objects = fmt.Sprintf("%d to create, %d to change, %d to remove, %d as they are",
			t.actions[preview.Create], t.actions[preview.Change], t.actions[preview.Remove], t.actions[preview.Keep])
	}
	_, err := fmt.Fprintf(t.out, "%s: %s. %s, %s, %s.\n", plural(t.summary.Partners, "partner"), objects,
		plural(t.summary.Errors, "error"), plural(t.summary.Warnings, "warning"), plural(t.summary.Notices, "notice"))
	if err != nil {
		return err
	}
	return t.ignored()
}

// printFindings prints findings for people, and an empty line after them.
func printFindings(out io.Writer, terminal *Terminal, findings []preview.Finding) error {
	for _, f := range findings {
		where := ""
		if f.File != "" {
			where = f.String() + ": "
		}
		about := f.About()
		if about != "" {
			about += ": "
		}
		severity := fmt.Sprintf("%-7s", f.Severity)
		const indent = 8
		message := strings.ReplaceAll(terminal.wrap(where+about+f.Message, indent), "\n", "\n"+strings.Repeat(" ", indent))
		if _, err := fmt.Fprintf(out, "%s %s\n", terminal.paint(severityColour[f.Severity], severity), message); err != nil {
			return err
		}
	}
	if len(findings) > 0 {
		if _, err := fmt.Fprintln(out); err != nil {
			return err
		}
	}
	return nil
}

// ignored tells what was read and had no part in it.
func (t *textPlan) ignored() error {
	var ignored []string
	for _, kind := range t.plan.IgnoredKinds() {
		ignored = append(ignored, fmt.Sprintf("%d %s", t.plan.Ignored[kind], clean(kind)))
	}
	if t.plan.Others > 0 {
		ignored = append(ignored, plural(t.plan.Others, "document")+" of another sort")
	}
	if len(ignored) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(t.out, "Ignored: %s.\n", strings.Join(ignored, ", "))
	return err
}

// jsonPlan and yamlPlan are for programs. Both write one object, piece by piece,
// so that a fleet need not fit into memory.
type jsonPlan struct {
	out     io.Writer
	plan    *preview.Plan
	summary *planSummary
	begun   bool
}

func (j *jsonPlan) partner(p *preview.Partner) error {
	before := ",\n    "
	if !j.begun {
		before = "{\n  \"partners\": [\n    "
	}
	j.begun = true
	data, err := json.MarshalIndent(p, "    ", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(j.out, "%s%s", before, data)
	return err
}

func (j *jsonPlan) findings(findings []preview.Finding) error {
	partners := "\n  ]"
	if !j.begun {
		partners = "{\n  \"partners\": []"
	}
	data, err := json.MarshalIndent(planEnd{j.plan.SupportPlans, findings, j.summary}, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(j.out, "%s,%s\n", partners, strings.TrimPrefix(string(data), "{"))
	return err
}

// planEnd is what follows the partners.
type planEnd struct {
	SupportPlans []preview.Declaration `json:"supportPlans,omitempty"`
	Findings     []preview.Finding     `json:"findings"`
	Summary      *planSummary          `json:"summary"`
}

type yamlPlan struct {
	out     io.Writer
	plan    *preview.Plan
	summary *planSummary
	begun   bool
}

func (y *yamlPlan) partner(p *preview.Partner) error {
	if !y.begun {
		fmt.Fprintln(y.out, "partners:")
	}
	y.begun = true
	data, err := yaml.Marshal([]*preview.Partner{p})
	if err != nil {
		return err
	}
	_, err = y.out.Write(data)
	return err
}

func (y *yamlPlan) findings(findings []preview.Finding) error {
	if !y.begun {
		fmt.Fprintln(y.out, "partners: []")
	}
	data, err := yaml.Marshal(planEnd{y.plan.SupportPlans, findings, y.summary})
	if err != nil {
		return err
	}
	_, err = y.out.Write(data)
	return err
}

// githubPlan is for the log of a GitHub workflow: each finding is an annotation at
// its line.
type githubPlan struct {
	out io.Writer
}

func (*githubPlan) partner(*preview.Partner) error { return nil }

var (
	githubData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func (g *githubPlan) findings(findings []preview.Finding) error {
	for _, f := range findings {
		properties := []string{"title=" + githubProperty.Replace(clean(strings.TrimSpace(f.About()+" "+f.Reason)))}
		if f.File != "" {
			properties = append(properties, "file="+githubProperty.Replace(clean(f.File)), fmt.Sprintf("line=%d", max(1, f.Line)))
		}
		if _, err := fmt.Fprintf(g.out, "::%s %s::%s\n", f.Severity, strings.Join(properties, ","), githubData.Replace(clean(f.Message))); err != nil {
			return err
		}
	}
	return nil
}

// junitPlan is a report for CI servers: each partner is a test case, and so is
// whatever else something was found about.
type junitPlan struct {
	out    io.Writer
	failOn []preview.Severity
	names  []string
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name     string         `xml:"name,attr"`
	Class    string         `xml:"classname,attr"`
	File     string         `xml:"file,attr,omitempty"`
	Failures []junitFailure `xml:"failure"`
	Output   string         `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (j *junitPlan) partner(p *preview.Partner) error {
	j.names = append(j.names, "Partner "+p.Name)
	return nil
}

func (j *junitPlan) findings(findings []preview.Finding) error {
	cases := map[string]*junitCase{}
	names := slices.Clone(j.names)
	caseOf := func(name, file string) *junitCase {
		if cases[name] == nil {
			cases[name] = &junitCase{Name: name, Class: "kubectl partner plan"}
		}
		if cases[name].File == "" {
			cases[name].File = file
		}
		return cases[name]
	}
	for _, name := range names {
		caseOf(name, "")
	}
	suite := junitSuite{Name: "kubectl partner plan"}
	for _, f := range findings {
		name := cmp.Or(f.About(), f.Reason)
		if name == "" {
			name = f.String()
		}
		if cases[name] == nil {
			names = append(names, name)
		}
		c := caseOf(name, f.File)
		text := f.Message
		if f.File != "" {
			text = f.String() + ": " + text
		}
		if slices.Contains(j.failOn, f.Severity) {
			c.Failures = append(c.Failures, junitFailure{f.Reason, f.Message, text})
			continue
		}
		c.Output += fmt.Sprintf("%s: %s\n", f.Severity, text)
	}
	for _, name := range names {
		suite.Cases = append(suite.Cases, *cases[name])
		if len(cases[name].Failures) > 0 {
			suite.Failures++
		}
	}
	suite.Tests = len(suite.Cases)
	data, err := xml.MarshalIndent(suite, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(j.out, "%s%s\n", xml.Header, data)
	return err
}
