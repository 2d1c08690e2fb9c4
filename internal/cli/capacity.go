package cli

import (
	"errors"
	"fmt"
	"slices"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/fleet"
)

func (p *plugin) newCapacityCommand() *cobra.Command {
	output := newOutput()
	var suppose supposition
	cmd := &cobra.Command{
		Use:   "capacity [NAME [--customers N] [--fte N] [--plan PLAN]]",
		Short: "Show how full the P-CSMs of each partner are, the fullest first, and of each tier; or what the verdict on one would be",
		Example: `  # Today
  kubectl partner capacity

  # With the contracts that run on a day to come
  kubectl partner capacity --at 2027-01-01

  # One partner, with more customers and half a P-CSM more
  kubectl partner capacity acme --customers 46 --fte 3.5

  # Under another plan
  kubectl partner capacity acme --plan mission-critical`,
		Args:              arguments(cobra.MaximumNArgs(1)),
		ValidArgsFunction: p.completePartner,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case suppose.made(cmd) && len(args) == 0:
				return usageError{errors.New("--customers, --fte and --plan are about one partner: write its name, such as kubectl partner capacity acme --fte 3.5")}
			case suppose.made(cmd):
				return p.simulate(cmd, args[0], suppose, output.value)
			}
			return p.capacity(cmd, args, suppose.at, output.value)
		},
	}
	suppose.add(cmd, p)
	cmd.Flags().Var(&suppose.at, "at", "day on which to judge contract windows, as YYYY-MM-DD in UTC (default today)")
	cmd.Flags().VarP(&output, "output", "o", "table, json or yaml")
	completeChoices(cmd, "output", output.values)
	return cmd
}

// capacity shows all partners, or those of some names.
func (p *plugin) capacity(cmd *cobra.Command, names []string, at date, output string) error {
	c, f, err := p.readFleet(cmd.Context())
	if err != nil {
		return err
	}
	all := f.Capacity(p.terminal.now(), at.instant(p.terminal.now()))
	others := len(f.Partners) - len(all)
	for _, name := range names {
		partner, err := whiteLabelled(f, name, c.origin())
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(s fleet.Staffing) bool { return s.Partner != partner.Name })
		others = 0
	}
	totals := fleet.Totals(all)
	return p.terminal.print(output, struct {
		Partners []fleet.Staffing `json:"partners"`
		Tiers    []fleet.Total    `json:"tiers"`
	}{all, totals}, func() { p.terminal.printCapacity(all, totals, others) })
}

// barColumns is how wide the bar of a utilisation is.
const barColumns = 15

// utilization is a bar and its percentage, in the colour of the verdict.
func (t *Terminal) utilization(percent int64, colour text.Color) string {
	return t.paint(colour, bar(percent, barColumns)) + fmt.Sprintf(" %3d%%", percent)
}

// staffingColour is the colour of a verdict.
func staffingColour(s fleet.Staffing) text.Color {
	switch {
	case s.Insufficient() || s.Verdict == nil:
		return text.FgRed
	case s.Reason == v1alpha1.ReasonNearCapacity:
		return text.FgYellow
	}
	return text.FgGreen
}

func (t *Terminal) printCapacity(all []fleet.Staffing, totals []fleet.Total, others int) {
	if len(all) == 0 {
		fmt.Fprintln(t.Err, "There are no OEMs and no MSPs, which alone can have P-CSMs.")
	} else {
		w := t.newTable("partner", "tier", "customers", "fte", "comfortable", "maximum", "utilisation", "until breach", "add fte", "short from", "verdict")
		for _, s := range all {
			row := []any{s.Partner, s.Tier, s.Customers, s.AllocatedFTE, "", "", "", "", "", "", t.paint(staffingColour(s), string(s.Reason))}
			if s.Contracted() && s.Verdict != nil {
				row[4], row[5] = s.Verdict.ComfortableCustomers, s.Verdict.MaximumCustomers
				row[6] = t.utilization(s.Verdict.UtilizationPercent, staffingColour(s))
				row[7] = s.Verdict.CustomersUntilBreach
				if s.Verdict.MissingFTE > 0 {
					row[8] = s.Verdict.MissingFTE
				}
				if s.NextShortfall != nil {
					row[9] = s.NextShortfall.On
				}
			} else if s.Verdict != nil {
				row[3], row[10] = "", string(s.Reason) // nothing to paint: the partner staffs its own support
			}
			w.AppendRow(row)
		}
		t.fit(w, []string{"customers", "fte", "comfortable", "maximum", "until breach", "add fte"}, []string{"comfortable", "tier", "maximum", "fte", "customers", "short from"})
	}
	if len(totals) > 0 {
		fmt.Fprintln(t.Out)
		w := t.newTable("tier", "partners", "customers", "fte", "comfortable", "maximum", "utilisation", "headroom", "add fte", "insufficient", "without p-csms")
		for _, total := range totals {
			w.AppendRow([]any{total.Tier, total.Partners, total.Customers, total.AllocatedFTE, total.ComfortableCustomers, total.MaximumCustomers,
				t.utilization(total.UtilizationPercent(), text.FgCyan), total.Headroom, total.MissingFTE, total.Insufficient, total.Without})
		}
		t.fit(w, []string{"partners", "customers", "fte", "comfortable", "maximum", "headroom", "add fte", "insufficient", "without p-csms"},
			[]string{"without p-csms", "comfortable", "maximum", "fte", "customers", "partners"})
	}
	if others > 0 {
		note := "1 more partner is a reseller or distributor: Dispel serves its customers."
		if others > 1 {
			note = fmt.Sprintf("%d more partners are resellers or distributors: Dispel serves their customers.", others)
		}
		fmt.Fprintf(t.Out, "\n%s\n", t.wrap(note, 0))
	}
}
