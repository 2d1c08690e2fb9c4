package cli

import (
	"cmp"
	"fmt"

	"github.com/jedib0t/go-pretty/v6/list"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/internal/fleet"
)

func (p *plugin) newStatusCommand() *cobra.Command {
	output := newOutput()
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Show all partners, problems first; or trace one to its first failing dependency",
		Example: `  # All partners
  kubectl partner status

  # What holds up one of them
  kubectl partner status acme`,
		Args:              arguments(cobra.MaximumNArgs(1)),
		ValidArgsFunction: p.completePartner,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, f, err := p.readFleet(cmd.Context())
			if err != nil {
				return err
			}
			f.Isolation = c.isolation(cmd.Context())
			if len(args) == 0 {
				overview := f.Overview(p.terminal.now())
				return p.terminal.print(output.value, overview, func() { p.terminal.printOverview(overview, f.Isolation) })
			}
			partner, err := find(f, args[0], c.origin())
			if err != nil {
				return err
			}
			tree := f.Tree(partner.Name, p.terminal.now())
			return p.terminal.print(output.value, tree, func() { p.terminal.printTree(tree) })
		},
	}
	cmd.Flags().VarP(&output, "output", "o", "table, json or yaml")
	completeChoices(cmd, "output", output.values)
	return cmd
}

// marks are what stands before a part, and its colour.
var marks = map[fleet.State]struct {
	mark   string
	colour text.Color
}{
	fleet.Broken: {"✗", text.FgRed}, fleet.Pending: {"…", text.FgYellow}, fleet.Strained: {"!", text.FgYellow},
	fleet.Foreseen: {"›", text.FgBlue}, fleet.Idle: {"·", text.FgHiBlack}, fleet.Fine: {"✓", text.FgGreen},
}

func (t *Terminal) printOverview(overview []fleet.Status, isolation *metav1.Condition) {
	if len(overview) == 0 {
		fmt.Fprintln(t.Err, "There are no Partners.")
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
	fits := t.Width == 0 || indent+len(part.What)+len(note)+len("✓    ") <= t.Width
	switch {
	case note == "":
		return line
	case fits && (part.State == fleet.Fine || part.State == fleet.Idle || indent == 0):
		return line + "   " + t.paint(text.FgHiBlack, note)
	}
	return line + "\n" + t.wrap(note, indent)
}
