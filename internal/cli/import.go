package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/config/plans"
	"github.com/dispel/partner-operator/controllers"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/intake"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/manifests"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/preview"
)

// importFlags are the flags of the import command.
type importFlags struct {
	selector     string
	table        string
	template     bool
	channelModel choice
	into         string
}

func (p *plugin) newImportCommand() *cobra.Command {
	flags := importFlags{channelModel: choice{values: []string{"OEM", "MSP", "Reseller", "Distributor"}}}
	cmd := &cobra.Command{
		Use:   "import [NAMESPACE...]",
		Short: "Write manifests for tenants that were set up by hand",
		Long: `Write manifests for tenants that were set up by hand: a Partner for each, its P-CSM allocations, a
SupportPlan where none fits, and the annotation that hands the namespace over to the Partner. What a namespace
cannot say, such as the channel model and the number of customers, is in a table, a file in the form of CSV.
Both go together: a row of the table is about the namespace that it names.

Nothing is written to the cluster. What cannot be read is listed, with the line of the table.`,
		Example: `  # A table to fill in, with what these namespaces say
  kubectl partner import acme-prod globex-prod --template > tenants.csv

  # All that the table describes, into a folder of a repository
  kubectl partner import --table tenants.csv --into clusters/production/partners

  # Two namespaces without a table, to standard output
  kubectl partner import acme-prod globex-prod --channel-model OEM

  # Then see what applying it would do
  kubectl partner plan -f clusters/production/partners --against-cluster`,
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return p.complete(cmd.Context(), &corev1.NamespaceList{})
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.importTenants(cmd.Context(), args, flags)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&flags.selector, "selector", "l", "", "labels of namespaces to import, such as team=remote-access")
	f.StringVar(&flags.table, "table", "", "CSV file that describes tenants; - for standard input")
	f.BoolVar(&flags.template, "template", false, "print a table to fill in, with a row for each namespace that is named or selected, or one example, and do nothing else")
	f.Var(&flags.channelModel, "channel-model", "channel model of namespaces that are in no table: OEM, MSP, Reseller or Distributor")
	f.StringVar(&flags.into, "into", "", "folder to write to, a file for each tenant (default standard output)")
	completeFlag(cmd, "table", cobra.FixedCompletions([]string{"csv"}, cobra.ShellCompDirectiveFilterFileExt))
	completeFlag(cmd, "into", cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs))
	completeChoices(cmd, "channel-model", flags.channelModel.values)
	return cmd
}

func (p *plugin) importTenants(ctx context.Context, names []string, flags importFlags) error {
	selected := len(names) > 0 || flags.selector != ""
	if flags.template && !selected {
		_, err := fmt.Fprint(p.terminal.Out, intake.Template())
		return err
	}
	switch {
	case !selected && flags.table == "":
		return usageError{errors.New("say what to import: the names of namespaces, --selector or --table")}
	case len(names) > 0 && flags.selector != "":
		return usageError{errors.New("write either the names of namespaces or --selector")}
	case flags.template && (flags.table != "" || flags.channelModel.value != "" || flags.into != ""):
		return usageError{errors.New("--template prints a table to fill in: leave out --table, --channel-model and --into")}
	case selected && !flags.template && flags.table == "" && flags.channelModel.value == "":
		return usageError{errors.New("--channel-model is missing: a namespace does not say how its partner sells, so write it, or a table with --table")}
	}
	selector, err := labels.Parse(flags.selector)
	if err != nil {
		return usageError{fmt.Errorf("--selector: %w", err)}
	}
	rows, findings, err := p.readTable(flags.table)
	if err != nil {
		return err
	}
	options := intake.Options{ChannelModel: v1alpha1.ChannelModel(flags.channelModel.value)}
	namespaces, err := p.readNamespaces(ctx, &options, !selected, func(namespace *corev1.Namespace) bool {
		named := slices.Contains(names, namespace.Name) || slices.ContainsFunc(rows, func(row intake.Row) bool { return row.Namespace() == namespace.Name })
		return named || flags.selector != "" && selector.Matches(labels.Set(namespace.Labels))
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(namespaces, func(n intake.Namespace) bool { return n.Name == name }) {
			return fmt.Errorf("there is no namespace %q: kubectl get namespaces lists those that are there", name)
		}
	}
	if flags.template {
		table, read := intake.Fill(namespaces, options)
		if _, err = fmt.Fprint(p.terminal.Out, table); err != nil {
			return err
		}
		preview.Sort(read)
		return printFindings(p.terminal.Err, p.terminal, read)
	}
	if flags.channelModel.value == "" { // those that only the selector finds
		namespaces = slices.DeleteFunc(namespaces, func(n intake.Namespace) bool {
			named := slices.ContainsFunc(rows, func(row intake.Row) bool { return row.Namespace() == n.Name })
			if !named {
				findings = append(findings, preview.Finding{
					Severity: preview.Error, Reason: preview.ReasonUnreadable, Kind: "Namespace", Name: n.Name,
					Message: "it is in no row of the table: add one, or write --channel-model to import it without",
				})
			}
			return !named
		})
	}
	result, err := intake.New(ctx, rows, namespaces, options)
	if err != nil {
		return err
	}
	findings = append(findings, result.Findings...)
	preview.Sort(findings)
	if err := p.writeImport(result, flags.into); err != nil {
		return err
	}
	return p.reportImport(result, findings)
}

// readTable reads a table; no rows if none is given.
func (p *plugin) readTable(file string) ([]intake.Row, []preview.Finding, error) {
	var from io.Reader
	switch file {
	case "":
		return nil, nil, nil
	case "-":
		from, file = p.terminal.In, "<stdin>"
	default:
		data, err := manifests.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		from = bytes.NewReader(data)
	}
	rows, findings := intake.ReadTable(file, from)
	return rows, findings, nil
}

// readNamespaces reads the namespaces that are wanted, what is in them, and the operator's
// own kinds. Without a cluster that is configured, a table can stand alone.
func (p *plugin) readNamespaces(ctx context.Context, options *intake.Options, alone bool, wanted func(*corev1.Namespace) bool) ([]intake.Namespace, error) {
	c, err := connect(p.terminal, p.connection, p.version)
	if alone && errors.Is(err, errNoCluster) {
		fmt.Fprintln(p.terminal.Err, "warning: no cluster is configured, so only the table is read")
		var shipped []*v1alpha1.SupportPlan
		options.Offline = true
		shipped, err = plans.Shipped()
		options.Plans = map[string]*v1alpha1.SupportPlan{}
		for _, plan := range shipped {
			options.Plans[plan.Name] = plan
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	there, err := c.fleet(ctx)
	if err != nil {
		return nil, err
	}
	options.Plans, options.Partners, options.Claims = there.Plans, there.Partners, there.Claims
	return c.namespaces(ctx, wanted)
}

// namespaces reads the namespaces that are wanted, and what is in them.
func (c *cluster) namespaces(ctx context.Context, wanted func(*corev1.Namespace) bool) ([]intake.Namespace, error) {
	reading := c.terminal.startProgress("Reading namespaces")
	defer reading.finish()
	found := fleet.New()
	if err := c.list(ctx, found, reading, &corev1.NamespaceList{}); err != nil {
		return nil, c.explain(err)
	}
	index := map[string]*intake.Namespace{}
	for name, namespace := range found.Namespaces {
		if wanted(namespace) {
			index[name] = &intake.Namespace{Namespace: namespace}
		}
	}
	if len(index) == 0 {
		return nil, nil
	}
	apis, err := controllers.DetectOptionalAPIs(c.reader.RESTMapper(), objects.Settings{})
	if err != nil {
		return nil, c.explain(err)
	}
	for kind := range apis.Kinds() {
		if !slices.Contains(intake.Kinds, kind.Kind) {
			continue
		}
		if err := c.each(ctx, kind.NewList(), reading, func(object kinds.Object) {
			if in := index[object.GetNamespace()]; in != nil {
				in.Add(object)
			}
		}); err != nil {
			return nil, c.explain(err)
		}
	}
	var namespaces []intake.Namespace
	for _, namespace := range index {
		namespaces = append(namespaces, *namespace)
	}
	slices.SortFunc(namespaces, func(a, b intake.Namespace) int { return strings.Compare(a.Name, b.Name) })
	return namespaces, nil
}

// writeImport writes the manifests: a file for each tenant into a folder, or all of them
// to standard output. A file that is there and says something else is left alone, and
// nothing is written.
func (p *plugin) writeImport(result *intake.Import, folder string) error {
	type file struct {
		name string
		data []byte
	}
	var files []file
	add := func(name string, objects []*unstructured.Unstructured) error {
		data, err := documents(objects)
		files = append(files, file{filepath.Join(folder, name), data})
		return err
	}
	if len(result.Plans) > 0 {
		if err := add("supportplans.yaml", result.Plans); err != nil {
			return err
		}
	}
	for _, imported := range result.Tenants {
		if err := add(imported.Name+".yaml", imported.Objects); err != nil {
			return err
		}
	}
	if folder == "" {
		for _, f := range files {
			if _, err := fmt.Fprintf(p.terminal.Out, "---\n%s", f.data); err != nil {
				return err
			}
		}
		return nil
	}
	named := map[string]bool{}
	for _, f := range files {
		if filepath.Base(f.name) == "kustomization.yaml" {
			return fmt.Errorf("a Partner would be written into %s, which kustomize, Flux and Argo CD take for their own, so nothing is written: give the Partner another name, or print all with kubectl partner import without --into", f.name)
		}
		if named[f.name] {
			return fmt.Errorf("a Partner and the SupportPlans would both be written into %s, so nothing is written: give the Partner another name, or print all with kubectl partner import without --into", f.name)
		}
		named[f.name] = true
		there, err := manifests.ReadFile(f.name)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		if err == nil && !bytes.Equal(there, f.data) {
			return fmt.Errorf("%s is there already and says something else, so nothing is written: name another folder with --into and compare, or remove the file", f.name)
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // manifests are no secrets
		return err
	}
	for _, f := range files {
		if err := os.WriteFile(f.name, f.data, 0o644); err != nil { //nolint:gosec // manifests are no secrets
			return err
		}
	}
	return nil
}

// documents are objects as YAML.
func documents(objects []*unstructured.Unstructured) ([]byte, error) {
	var out bytes.Buffer
	for i, object := range objects {
		if i > 0 {
			out.WriteString("---\n")
		}
		data, err := yaml.Marshal(object.Object)
		if err != nil {
			return nil, err
		}
		out.Write(data)
	}
	return out.Bytes(), nil
}

// reportImport says what was found, beside the manifests.
func (p *plugin) reportImport(result *intake.Import, findings []preview.Finding) error {
	if err := printFindings(p.terminal.Err, p.terminal, findings); err != nil {
		return err
	}
	counts := map[preview.Severity]int{}
	for _, finding := range findings {
		counts[finding.Severity]++
	}
	fmt.Fprintf(p.terminal.Err, "%s written, %s because they are already imported. %s, %s, %s.\n",
		plural(len(result.Tenants), "Partner"), plural(result.Known, "tenant")+" skipped",
		plural(counts[preview.Error], "error"), plural(counts[preview.Warning], "warning"), plural(counts[preview.Notice], "notice"))
	if counts[preview.Error] > 0 {
		return errViolations
	}
	return nil
}
