package cli

import (
	"context"
	"errors"
	"fmt"
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
		Use:   "deadline NAME --severity N [--at TIME]",
		Short: "Show when an answer to a request is due",
		Long: `Show when an answer to a request is due, by the response targets of the partner's support plan. A target passes during
the plan's operating hours, without holidays and closures, unless the plan says that it always does.`,
		Example: `  # A request that comes now
  kubectl partner deadline acme --severity 2

  # One that came on a Friday evening
  kubectl partner deadline acme --severity 2 --at 2026-12-04T18:30:00-05:00`,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: p.completePartner,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.deadline(cmd.Context(), args[0], flags)
		},
	}
	f := cmd.Flags()
	f.Int32Var(&flags.severity, "severity", 0, "severity of the fault, 1 (the gravest) to 4")
	f.StringVar(&flags.at, "at", "", "when the request came, in RFC 3339, such as 2026-12-04T18:30:00Z (default now)")
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
	// Due is when an answer is due.
	Due time.Time `json:"due"`
	// Clock is which time counts.
	Clock v1alpha1.ResponseClock `json:"clock"`

	within, plan, hours string
	zone                *time.Location
}

func (p *plugin) deadline(ctx context.Context, name string, flags deadlineFlags) error {
	if flags.severity < 1 || flags.severity > 4 {
		return usageError{fmt.Errorf("--severity %d: write 1 (the gravest) to 4", flags.severity)}
	}
	at := p.terminal.now().UTC().Truncate(time.Second)
	if flags.at != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, flags.at); err != nil {
			return usageError{fmt.Errorf("--at %q is no time: write it as RFC 3339, such as 2026-12-04T18:30:00Z or 2026-12-04T18:30:00-05:00", flags.at)}
		}
	}
	f, origin, err := p.fleetFrom(ctx, flags.paths)
	if err != nil {
		return err
	}
	partner, err := find(f, name, origin)
	if err != nil {
		return err
	}
	due, err := deadlineOf(f, partner, flags.severity, at)
	if err != nil {
		return err
	}
	return p.terminal.print(flags.output.value, due, func() { p.terminal.printDeadline(due) })
}

func deadlineOf(f *fleet.Fleet, partner *v1alpha1.Partner, severity int32, at time.Time) (deadline, error) {
	plan := f.Plans[contract.PlanName(partner)]
	effective, fault := contract.Terms(partner, plan)
	if fault != nil {
		return deadline{}, errors.New(fault.Message)
	}
	hours, err := support.NewHours(effective.OperatingHours)
	if err != nil {
		return deadline{}, err
	}
	for _, target := range plan.Spec.ResponseTargets {
		if target.Severity != severity {
			continue
		}
		found := deadline{
			Partner: partner.Name, Severity: severity, At: at, Clock: contract.ClockOf(target),
			within: target.Within, plan: plan.Name, hours: support.Describe(effective.OperatingHours), zone: hours.Zone(),
		}
		if found.Due, err = support.Due(hours, target, at); err != nil {
			return deadline{}, fmt.Errorf("SupportPlan %q: %w", plan.Name, err)
		}
		return found, nil
	}
	policy := "see Dispel's Support Policy"
	if plan.Spec.PolicyURL != "" {
		policy += ", " + plan.Spec.PolicyURL
	}
	return deadline{}, fmt.Errorf("SupportPlan %q has no response target for severity %d: %s, or write one in spec.responseTargets", plan.Name, severity, policy)
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
	w.AppendRow([]any{"Answer due", d.Due.In(d.zone).Format(layout)})
	w.Render()
}
