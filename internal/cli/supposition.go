package cli

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/fleet"
)

// supposition is what is to be otherwise for one partner.
type supposition struct {
	customers int64
	fte, plan string
	at        date
}

// add adds its flags.
func (s *supposition) add(cmd *cobra.Command, p *plugin) {
	f := cmd.Flags()
	f.Int64Var(&s.customers, "customers", 0, "number of customers that the partner is supposed to have (default as now)")
	f.StringVar(&s.fte, "fte", "", "FTE of P-CSMs that it is supposed to have, in steps of 0.5 (default as now)")
	f.StringVar(&s.plan, "plan", "", "SupportPlan that it is supposed to have (default as now)")
	completeFlag(cmd, "plan", p.completePlan)
}

// made reports whether anything is to be otherwise.
func (s *supposition) made(cmd *cobra.Command) bool {
	return slices.ContainsFunc([]string{"customers", "fte", "plan"}, cmd.Flags().Changed)
}

// newSimulateCommand answers those who know the command of earlier versions.
func newSimulateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "simulate", Hidden: true, DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("simulate: write kubectl partner capacity NAME, with --customers, --fte or --plan")}
		},
	}
}

func (p *plugin) simulate(cmd *cobra.Command, name string, flags supposition, output string) error {
	const mostCustomers = 1_000_000 // as the schema has it
	if flags.customers < 0 || flags.customers > mostCustomers {
		return usageError{fmt.Errorf("--customers %d: write a number from 0 to %d", flags.customers, mostCustomers)}
	}
	var fte v1alpha1.FTE
	if flags.fte != "" {
		var err error
		if fte, err = v1alpha1.ParseFTE(flags.fte); err == nil && fte < 0 {
			err = errors.New("an amount is not below 0: write 0, 0.5, 1 and so on")
		}
		if err != nil {
			return usageError{fmt.Errorf("--fte %s: %w", flags.fte, err)}
		}
	}
	c, f, err := p.readFleet(cmd.Context())
	if err != nil {
		return err
	}
	partner, err := whiteLabelled(f, name, c.origin())
	if err != nil {
		return err
	}
	if flags.plan != "" && f.Plans[flags.plan] == nil {
		return fmt.Errorf("there is no SupportPlan %q: kubectl get supportplans lists those that are there", flags.plan)
	}
	now, day := p.terminal.now(), flags.at.instant(p.terminal.now())
	allocations := f.AllocationsOf(partner.Name)
	before := f.StaffingOf(partner, allocations, now, day)
	after := f.StaffingOf(supposed(partner, cmd, flags, now), supposedAllocations(allocations, partner.Name, fte, flags.fte != ""), now, day)
	return p.terminal.print(output, struct {
		Now       fleet.Staffing `json:"now"`
		Simulated fleet.Staffing `json:"simulated"`
	}{before, after}, func() { p.terminal.printSimulation(before, after) })
}

// whiteLabelled finds a Partner that can have P-CSMs.
func whiteLabelled(f *fleet.Fleet, name, origin string) (*v1alpha1.Partner, error) {
	partner, err := find(f, name, origin)
	if err == nil {
		err = withoutPCSMs(partner)
	}
	return partner, err
}

// withoutPCSMs says why a Partner can have no P-CSMs; nil if it can.
func withoutPCSMs(partner *v1alpha1.Partner) error {
	if partner.Spec.ChannelModel.WhiteLabels() {
		return nil
	}
	return fmt.Errorf("%q is a %s: only an OEM or MSP can have P-CSMs, and Dispel serves the customers of the others", partner.Name, partner.Spec.ChannelModel)
}

// supposed is a Partner with what the flags say.
func supposed(partner *v1alpha1.Partner, cmd *cobra.Command, flags supposition, now time.Time) *v1alpha1.Partner {
	partner = partner.DeepCopy()
	if cmd.Flags().Changed("customers") {
		partner.Spec.CustomerCount = new(int32(min(flags.customers, math.MaxInt32))) //nolint:gosec // checked above
		// Deals until the day are in the number.
		day := v1alpha1.Date(flags.at.instant(now).Format(time.DateOnly))
		partner.Spec.ExpectedCustomers = slices.DeleteFunc(partner.Spec.ExpectedCustomers, func(e v1alpha1.ExpectedCustomers) bool { return e.On <= day })
	}
	if flags.plan != "" {
		partner.Spec.SupportPlanRef = &v1alpha1.SupportPlanReference{Name: v1alpha1.ObjectName(flags.plan)}
	}
	return partner
}

// supposedAllocations stand for a partner's allocations if an amount is given.
func supposedAllocations(allocations []v1alpha1.PCSMAllocation, partner string, fte v1alpha1.FTE, given bool) []v1alpha1.PCSMAllocation {
	if !given {
		return allocations
	}
	var supposed v1alpha1.PCSMAllocation
	supposed.Spec.PartnerRef.Name = v1alpha1.PartnerName(partner)
	supposed.Spec.FTE = fte
	return []v1alpha1.PCSMAllocation{supposed}
}

func (t *Terminal) printSimulation(now, then fleet.Staffing) {
	w := t.newTable(now.Partner, "now", "simulated")
	w.Style().Format.Header = 0
	row := func(what string, value func(fleet.Staffing) any) {
		w.AppendRow([]any{what, value(now), value(then)})
	}
	figure := func(what string, value func(*fleet.Verdict) any) {
		row(what, func(s fleet.Staffing) any {
			if s.Verdict == nil {
				return ""
			}
			return value(s.Verdict)
		})
	}
	row("Plan", func(s fleet.Staffing) any { return s.SupportPlan })
	row("Customers", func(s fleet.Staffing) any { return s.Customers })
	row("FTE", func(s fleet.Staffing) any { return s.AllocatedFTE })
	figure("Comfortable", func(v *fleet.Verdict) any { return v.ComfortableCustomers })
	figure("Maximum", func(v *fleet.Verdict) any { return v.MaximumCustomers })
	figure("Utilisation", func(v *fleet.Verdict) any { return fmt.Sprintf("%d%%", v.UtilizationPercent) })
	figure("Until breach", func(v *fleet.Verdict) any { return v.CustomersUntilBreach })
	figure("Required FTE", func(v *fleet.Verdict) any { return v.RequiredFTE })
	figure("Recommended FTE", func(v *fleet.Verdict) any { return v.RecommendedFTE })
	row("Verdict", func(s fleet.Staffing) any { return t.paint(staffingColour(s), string(s.Reason)) })
	t.fit(w, nil, nil)
	fmt.Fprintf(t.Out, "\n%s\n", t.wrap(then.Message, 0))
	if then.Verdict != nil && then.Verdict.KeepsWidgetOff {
		fmt.Fprintf(t.Out, "%s\n", t.wrap(fmt.Sprintf("SupportPlan %q keeps the support widget off as long as its minimum staffing is missed.", then.SupportPlan), 0))
	}
	if then.ShortfallMessage != "" {
		fmt.Fprintf(t.Out, "%s\n", t.wrap(sentence(then.ShortfallMessage), 0))
	}
	if change := then.Changes; !change.IsZero() {
		fmt.Fprintf(t.Out, "A contract window opens or closes on %s.\n", change.Format(time.DateOnly))
	}
}
