package cli

import (
	"bufio"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/dispel/partner-operator/internal/report"
)

func (p *plugin) newReportCommand() *cobra.Command {
	output := choice{value: "html", values: []string{"html", "markdown", "json"}}
	var at date
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Put the fleet on one page: what to do, utilisation, coverage, contract windows",
		Long: `Put the fleet on one page: what to do, by whom and when, how full each partner is, its coverage, contract windows on a
time line, and conditions. The HTML page needs nothing else, and is good in print and in dark mode.`,
		Example: `  kubectl partner report > partners.html

  # For a wiki
  kubectl partner report -o markdown`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, f, err := p.readFleet(cmd.Context())
			if err != nil {
				return err
			}
			f.Isolation = c.isolation(cmd.Context())
			r := report.New(f, p.terminal.now(), at.instant(p.terminal.now()))
			out := bufio.NewWriter(p.terminal.Out)
			switch output.value {
			case "markdown":
				err = r.Markdown(out)
			case "json":
				encoder := json.NewEncoder(out)
				encoder.SetIndent("", "  ")
				err = encoder.Encode(r)
			default:
				err = r.HTML(out)
			}
			if err != nil {
				return err
			}
			return out.Flush()
		},
	}
	cmd.Flags().Var(&at, "at", "day on which to judge contract windows, as YYYY-MM-DD in UTC (default today)")
	cmd.Flags().VarP(&output, "output", "o", "html, markdown or json")
	completeChoices(cmd, "output", output.values)
	return cmd
}
