package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/list"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/fleet"
)

// statusFlags are the flags of the status command.
type statusFlags struct {
	output, tier    choice
	selector        string
	problems, watch bool
	conditions      bool
}

func (p *plugin) newStatusCommand() *cobra.Command {
	flags := statusFlags{output: newOutput(), tier: choice{values: []string{string(v1alpha1.Basic), string(v1alpha1.Premium), string(v1alpha1.MissionCritical)}}}
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Show all partners, problems first; or trace one to its first failing dependency",
		Example: `  # All partners
  kubectl partner status

  # Those of a tier that have problems, until you have seen enough
  kubectl partner status --problems --tier MissionCritical --watch

  # What holds up one of them
  kubectl partner status acme`,
		Args:              arguments(cobra.MaximumNArgs(1)),
		ValidArgsFunction: p.completePartner,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && (flags.selector != "" || flags.tier.value != "" || flags.problems) {
				return usageError{errors.New("--problems, --tier and --selector choose among all partners: leave out the name")}
			}
			if flags.conditions && (len(args) == 0 || flags.output.value != "table") {
				return usageError{errors.New("--show-conditions adds to the table about one partner: write its name, and no -o")}
			}
			chosen, err := labels.Parse(flags.selector)
			if err != nil {
				return usageError{fmt.Errorf("--selector %q: %w", flags.selector, err)}
			}
			if !flags.watch {
				return p.status(cmd.Context(), args, flags, chosen)
			}
			return p.watchStatus(cmd.Context(), args, flags, chosen)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&flags.problems, "problems", false, "only partners with problems")
	f.Var(&flags.tier, "tier", "only partners whose plan is of this tier: Basic, Premium or MissionCritical")
	f.StringVarP(&flags.selector, "selector", "l", "", "only partners with these labels, such as region=emea")
	f.BoolVar(&flags.conditions, "show-conditions", false, "with a name: list all conditions below, with how long they have been so")
	f.BoolVarP(&flags.watch, "watch", "w", false, "show it again whenever it changes, until interrupted")
	f.VarP(&flags.output, "output", "o", "table, json or yaml")
	completeChoices(cmd, "tier", flags.tier.values)
	completeChoices(cmd, "output", flags.output.values)
	return cmd
}

// status shows all partners that the flags choose, or one.
func (p *plugin) status(ctx context.Context, args []string, flags statusFlags, chosen labels.Selector) error {
	c, f, err := p.readFleet(ctx)
	if err != nil {
		return err
	}
	f.Isolation = c.isolation(ctx)
	if len(args) == 0 {
		overview := slices.DeleteFunc(f.Overview(p.terminal.now()), func(s fleet.Status) bool {
			plan := f.Plans[s.SupportPlan]
			return flags.problems && (s.State == fleet.Fine || s.State == fleet.Idle) ||
				flags.tier.value != "" && (plan == nil || string(plan.Spec.Tier) != flags.tier.value) ||
				!chosen.Matches(labels.Set(f.Partners[s.Partner].Labels))
		})
		return p.terminal.print(flags.output.value, overview, func() { p.terminal.printOverview(overview, len(f.Partners), f.Isolation) })
	}
	partner, err := find(f, args[0], c.origin())
	if err != nil {
		return err
	}
	c.surroundings(ctx, f, partner)
	tree := f.Tree(partner.Name, p.terminal.now())
	return p.terminal.print(flags.output.value, tree, func() {
		p.terminal.printTree(tree)
		if flags.conditions {
			p.terminal.printConditions(partner.Status.Conditions, !flags.watch)
		}
	})
}

// watchEvery is how often status looks again.
const watchEvery = 2 * time.Second

// watchStatus shows the status whenever it has changed, until it is interrupted. What cannot be read for a
// while is told on the way.
func (p *plugin) watchStatus(ctx context.Context, args []string, flags statusFlags, chosen labels.Selector) error {
	terminal, last, told := *p.terminal, "", ""
	again := *p
	again.terminal = &terminal
	first := true
	for {
		var out, said bytes.Buffer
		terminal.Out, terminal.Err = &out, &said
		if err := again.status(ctx, args, flags, chosen); err != nil && ctx.Err() == nil {
			if first {
				return err
			}
			fmt.Fprintln(&said, clean(err.Error()))
		} else if shown := out.String(); err == nil && shown != last {
			if !first {
				fmt.Fprintf(p.terminal.Out, "\n%s\n", p.terminal.now().Format(time.TimeOnly))
			}
			fmt.Fprint(p.terminal.Out, shown)
			last = shown
		}
		if said.String() != told {
			told = said.String()
			fmt.Fprint(p.terminal.Err, told)
		}
		first = false
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchEvery):
		}
	}
}

// marks are what stands before a part, and its colour.
var marks = map[fleet.State]struct {
	mark   string
	colour text.Color
}{
	fleet.Broken: {"✗", text.FgRed}, fleet.Pending: {"…", text.FgYellow}, fleet.Strained: {"!", text.FgYellow},
	fleet.Foreseen: {"›", text.FgBlue}, fleet.Idle: {"·", text.FgHiBlack}, fleet.Fine: {"✓", text.FgGreen},
}

// printOverview prints the partners that were chosen among all.
func (t *Terminal) printOverview(overview []fleet.Status, all int, isolation *metav1.Condition) {
	if len(overview) == 0 {
		if all == 0 {
			fmt.Fprintln(t.Err, "There are no Partners.")
		} else {
			fmt.Fprintf(t.Err, "None of %s matches.\n", plural(all, "partner"))
		}
		t.printIsolation(isolation)
		return
	}
	table, problems := t.newTable("", "name", "channel", "plan", "host", "ready", "staffing", "widget"), make([]string, len(overview))
	for i, s := range overview {
		problems[i] = clean(s.Message)
		if s.Reason != "" && s.Reason != s.Staffing {
			problems[i] = s.Reason + ": " + problems[i]
		}
		if s.More > 0 {
			problems[i] += fmt.Sprintf(" (+%d more)", s.More)
		}
		mark := marks[s.State]
		table.AppendRow([]any{t.paint(mark.colour, mark.mark), s.Partner, s.ChannelModel, s.SupportPlan, s.Host, s.Ready, s.Staffing, s.Widget})
	}
	t.fitWithNotes(table, "problem", problems, "widget", "channel", "plan", "ready", "staffing", "host")
	t.printIsolation(isolation)
}

func (t *Terminal) printIsolation(isolation *metav1.Condition) {
	if isolation != nil {
		of := map[metav1.ConditionStatus]fleet.State{metav1.ConditionTrue: fleet.Fine, metav1.ConditionFalse: fleet.Broken}[isolation.Status]
		mark := marks[cmp.Or(of, fleet.Pending)]
		fmt.Fprintf(t.Out, "\n%s Isolation of tenants: %s\n", t.paint(mark.colour, mark.mark), clean(isolation.Message))
	}
}

func (t *Terminal) printTree(root *fleet.Part) {
	tree := t.newTree()
	t.addParts(tree, root.Parts)
	fmt.Fprintf(t.Out, "%s\n%s\n", t.part(*root, 0), tree.Render())
}

// printConditions prints all conditions, as kubectl describe would, with or without how long they have
// been so.
func (t *Terminal) printConditions(conditions []metav1.Condition, ages bool) {
	header := []any{"condition", "status", "reason"}
	if ages {
		header = append(header, "for")
	}
	table, messages := t.newTable(header...), make([]string, len(conditions))
	for i, condition := range conditions {
		messages[i] = clean(condition.Message)
		row := []any{condition.Type, condition.Status, condition.Reason}
		if ages {
			row = append(row, duration.HumanDuration(t.now().Sub(condition.LastTransitionTime.Time)))
		}
		table.AppendRow(row)
	}
	fmt.Fprintln(t.Out)
	t.fitWithNotes(table, "message", messages, "for")
}

func (t *Terminal) addParts(tree list.Writer, parts []fleet.Part) {
	for _, part := range parts {
		tree.AppendItem(t.part(part, 3))
		if len(part.Parts) > 0 {
			tree.Indent()
			t.addParts(tree, part.Parts)
			tree.UnIndent()
		}
	}
}

// part is a line about a part; below it, in lines of their own, what is wrong.
func (t *Terminal) part(part fleet.Part, indent int) string {
	mark := marks[part.State]
	line := t.paint(mark.colour, mark.mark) + " " + clean(part.What)
	note := clean(part.Note)
	if part.Runbook != "" {
		note += " (runbook " + part.Runbook + ")"
	}
	fits := t.Width == 0 || indent+len(part.What)+len(note)+len("✓    ") <= t.Width
	switch {
	case note == "":
		return line
	case fits && (part.State == fleet.Fine || part.State == fleet.Idle || indent == 0):
		return line + "   " + t.paint(text.FgHiBlack, note)
	}
	return line + "\n" + t.wrap(note, indent)
}
