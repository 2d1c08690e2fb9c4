package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/support"
)

// deadlineFlags are the flags of the deadline command.
type deadlineFlags struct {
	severity int32
	at       string
	paths    []string
	output   choice
}

func (p *plugin) newDeadlineCommand() *cobra.Command {
	flags := deadlineFlags{output: newOutput()}
	cmd := &cobra.Command{
		Use:   "deadline NAME [--severity N] [--at TIME]",
		Short: "Show when an answer to a request is due",
		Long: `Show when an answer to a request is due, by the response targets of the partner's support plan. A target passes during
the plan's operating hours, without holidays and closures, unless the plan says that it always does.`,
		Example: `  # A request that comes now, by each severity
  kubectl partner deadline acme

  # One that came on a Friday evening, in the plan's time zone
  kubectl partner deadline acme --severity 2 --at "2026-12-04 18:30"`,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: p.completePartner,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.deadline(cmd.Context(), args[0], flags)
		},
	}
	f := cmd.Flags()
	f.Int32Var(&flags.severity, "severity", 0, "severity of the fault, 1 (the gravest) to 4 (default all)")
	f.StringVar(&flags.at, "at", "", "when the request came, such as \"2026-12-04 18:30\" or 2026-12-04 in the plan's time zone, or 2026-12-04T18:30:00Z (default now)")
	f.StringSliceVarP(&flags.paths, "filename", "f", nil, "file or folder with manifests, instead of the cluster; - for standard input")
	f.VarP(&flags.output, "output", "o", "table, json or yaml")
	completeChoices(cmd, "severity", []string{"1", "2", "3", "4"})
	completeChoices(cmd, "output", flags.output.values)
	return cmd
}

// deadline is when an answer is due.
type deadline struct {
	Partner  string `json:"partner"`
	Severity int32  `json:"severity"`
	// At is when the request came.
	At time.Time `json:"at"`
	// Due is when an answer is due; zero if that is never, as Never says.
	Due   time.Time `json:"due,omitzero"`
	Never string    `json:"never,omitempty"`
	// Clock is which time counts.
	Clock v1alpha1.ResponseClock `json:"clock"`

	within, plan, hours string
	zone                *time.Location
}

func (p *plugin) deadline(ctx context.Context, name string, flags deadlineFlags) error {
	if flags.severity < 0 || flags.severity > 4 {
		return usageError{fmt.Errorf("--severity %d: write 1 (the gravest) to 4", flags.severity)}
	}
	if _, err := instant(flags.at, time.UTC); err != nil {
		return err
	}
	f, origin, err := p.fleetFrom(ctx, flags.paths)
	if err != nil {
		return err
	}
	partner, err := find(f, name, origin)
	if err != nil {
		return err
	}
	due, err := deadlinesOf(f, partner, flags, p.terminal.now())
	if err != nil {
		return err
	}
	if len(due) == 0 {
		return p.withoutTarget(f.Plans[contract.PlanName(partner)], flags.severity)
	}
	if flags.severity > 0 {
		return p.terminal.print(flags.output.value, due[0], func() { p.terminal.printDeadline(due[0]) })
	}
	return p.terminal.print(flags.output.value, due, func() {
		for i, one := range due {
			if i > 0 {
				fmt.Fprintln(p.terminal.Out)
			}
			p.terminal.printDeadline(one)
		}
	})
}

// instant reads a time; one without a zone is in the given one. Without text it is the zero time.
func instant(at string, zone *time.Location) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", "2006-01-02T15:04", time.DateTime, time.DateOnly} {
		if read, err := time.ParseInLocation(layout, at, zone); err == nil {
			return read, nil
		}
	}
	if at == "" {
		return time.Time{}, nil
	}
	return time.Time{}, usageError{fmt.Errorf("--at %q is no time: write it as \"2026-12-04 18:30\" or 2026-12-04, in the plan's time zone, or with a zone as 2026-12-04T18:30:00-05:00", at)}
}

// withoutTarget says that a plan promises no answer within any time.
func (p *plugin) withoutTarget(plan *v1alpha1.SupportPlan, severity int32) error {
	which := ""
	if severity > 0 {
		which = fmt.Sprintf(" for severity %d", severity)
	}
	policy := "see Dispel's Support Policy"
	if plan.Spec.PolicyURL != "" {
		policy += ", " + plan.Spec.PolicyURL
	}
	fmt.Fprintf(p.terminal.Err, "SupportPlan %q has no response target%s: %s, or write one in spec.responseTargets\n", plan.Name, which, clean(policy))
	return errViolations
}

// deadlinesOf are when answers are due: to the severity of the flags, or to each that the plan has a
// target for.
func deadlinesOf(f *fleet.Fleet, partner *v1alpha1.Partner, flags deadlineFlags, now time.Time) ([]deadline, error) {
	plan := f.Plans[contract.PlanName(partner)]
	effective, fault := contract.Terms(partner, plan)
	if fault != nil {
		return nil, errors.New(fault.Message)
	}
	hours, err := support.NewHours(effective.OperatingHours)
	if err != nil {
		return nil, err
	}
	at, err := instant(flags.at, hours.Zone())
	if err != nil {
		return nil, err
	}
	if at.IsZero() {
		at = now.UTC().Truncate(time.Second)
	}
	var due []deadline
	for _, target := range plan.Spec.ResponseTargets {
		if flags.severity > 0 && target.Severity != flags.severity {
			continue
		}
		found := deadline{
			Partner: partner.Name, Severity: target.Severity, At: at, Clock: contract.ClockOf(target),
			within: target.Within, plan: plan.Name, hours: support.Describe(effective.OperatingHours), zone: hours.Zone(),
		}
		if found.Due, err = support.Due(hours, target, at); err != nil {
			err = fmt.Errorf("SupportPlan %q: %w", plan.Name, err)
			if flags.severity > 0 {
				return nil, err
			}
			found.Never = err.Error() // which is no reason to hide the others
		}
		due = append(due, found)
	}
	slices.SortFunc(due, func(a, b deadline) int { return cmp.Compare(a.Severity, b.Severity) })
	return due, nil
}

func (t *Terminal) printDeadline(d deadline) {
	const layout = "Mon 2006-01-02 15:04 MST"
	how := "around the clock"
	if d.Clock == v1alpha1.ClockOperatingHours {
		how = "of operating hours: " + d.hours
	}
	w := t.newTable("", "")
	w.ResetHeaders()
	w.AppendRow([]any{"Partner", d.Partner})
	w.AppendRow([]any{"Severity", d.Severity})
	w.AppendRow([]any{"Requested", d.At.In(d.zone).Format(layout)})
	w.AppendRow([]any{"Answer within", fmt.Sprintf("%s %s (SupportPlan %s)", d.within, how, d.plan)})
	due := d.Never
	if due == "" {
		due = d.Due.In(d.zone).Format(layout)
	}
	w.AppendRow([]any{"Answer due", clean(due)})
	t.fit(w, nil, nil)
}
