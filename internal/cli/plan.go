package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/manifests"
	"github.com/dispel/partner-operator/internal/preview"
	"github.com/dispel/partner-operator/internal/settings"
)

// planFlags are the flags of the plan command.
type planFlags struct {
	input          manifests.Input
	at             date
	failOn         choice
	output         choice
	againstCluster bool
	allowEmpty     bool
	settings       settings.Flags
}

func (p *plugin) newPlanCommand() *cobra.Command {
	flags := planFlags{
		failOn: choice{value: "error", values: []string{"error", "warning"}},
		output: choice{value: "text", values: []string{"text", "json", "yaml", "github", "junit"}},
	}
	cmd := &cobra.Command{
		Use:   "plan (-f FILE | -k FOLDER)",
		Short: "Foretell what manifests would become, without a cluster",
		Long: `Foretell what manifests would become: whether the API server takes them, what objects the operator
would make of each Partner, and whether its P-CSMs would suffice. No cluster is needed.

Give the settings that your operator runs with, so that the objects are those that it would make.`,
		Example: `  # All that a repository declares
  kubectl partner plan -f clusters/production

  # What would change in the cluster, of an overlay
  kubectl partner plan -k overlays/production --against-cluster

  # In a pull request, with annotations at the lines that are wrong
  kubectl partner plan -f . -o github --fail-on warning`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.plan(cmd.Context(), flags)
		},
	}
	f := cmd.Flags()
	f.StringSliceVarP(&flags.input.Paths, "filename", "f", nil, "file or folder with manifests; - for standard input")
	f.StringVarP(&flags.input.Kustomization, "kustomize", "k", "", "folder with a kustomization to build")
	f.BoolVarP(&flags.input.Recursive, "recursive", "R", true, "read what is below the folders, too")
	f.Var(&flags.at, "at", "day on which to judge contract windows, as YYYY-MM-DD in UTC (default today)")
	f.Var(&flags.failOn, "fail-on", "the lowest severity that makes the exit status 1: error or warning")
	f.BoolVar(&flags.againstCluster, "against-cluster", false, "add what is in the cluster, and show what would change")
	f.BoolVar(&flags.allowEmpty, "allow-empty", false, "accept manifests that declare nothing for the operator")
	f.VarP(&flags.output, "output", "o", "text, json, yaml, github or junit")
	flags.settings.Add(f)
	completeFlag(cmd, "filename", cobra.FixedCompletions([]string{"yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt))
	completeFlag(cmd, "kustomize", cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs))
	completeChoices(cmd, "fail-on", flags.failOn.values)
	completeChoices(cmd, "output", flags.output.values)
	return cmd
}

func (p *plugin) plan(ctx context.Context, flags planFlags) error {
	settings, err := flags.settings.Settings()
	if err != nil {
		return usageError{err}
	}
	if (len(flags.input.Paths) > 0) == (flags.input.Kustomization != "") {
		return usageError{errors.New("say what to read: either -f FILE or FOLDER, or -k FOLDER")}
	}
	flags.input.Stdin = p.terminal.In
	options := preview.Options{Settings: settings, Now: flags.at.instant(p.terminal.now()), Today: p.terminal.now(), AllowEmpty: flags.allowEmpty}

	if flags.againstCluster {
		var c *cluster
		if c, err = connect(p.terminal, p.connection, p.version); err != nil {
			return err
		}
		if options.Cluster, err = c.everything(ctx); err != nil {
			return err
		}
	}
	reading := p.terminal.startProgress("Reading manifests")
	documents, err := manifests.Read(flags.input)
	reading.finish()
	if errors.Is(err, manifests.ErrNoManifests) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	judging := p.terminal.startProgress("Judging manifests")
	options.Progress = judging.update
	result, err := preview.New(ctx, documents, options)
	judging.finish()
	if err != nil {
		return err
	}
	failOn := []preview.Severity{preview.Error}
	if flags.failOn.value == string(preview.Warning) {
		failOn = append(failOn, preview.Warning)
	}
	counts, err := printPlan(ctx, p.terminal, result, flags.output.value, failOn)
	if err != nil {
		return err
	}
	for _, severity := range failOn {
		if counts[severity] > 0 {
			return errViolations
		}
	}
	return nil
}

// date is a flag that takes a day.
type date struct {
	day time.Time
}

// String is the day; empty if none is given.
func (d *date) String() string {
	if d.day.IsZero() {
		return ""
	}
	return d.day.Format(time.DateOnly)
}

// Set takes a day.
func (d *date) Set(text string) error {
	day, err := v1alpha1.Date(text).Time(time.UTC)
	if err != nil {
		return fmt.Errorf("%q is no day: write it as YYYY-MM-DD, such as 2026-12-01", text)
	}
	d.day = day
	return nil
}

// Type is what the help shows.
func (d *date) Type() string { return "date" }

// instant is the start of the day; now, if none is given.
func (d *date) instant(now time.Time) time.Time {
	if d.day.IsZero() {
		return now
	}
	return d.day
}
