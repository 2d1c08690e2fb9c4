package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/calendar"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/coverage"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/manifests"
	"github.com/dispel/partner-operator/internal/preview"
	"github.com/dispel/partner-operator/internal/support"
)

// defaultDays is how many days a map has.
const defaultDays = 7

// coverageFlags are the flags of the coverage command.
type coverageFlags struct {
	paths    []string
	from     date
	days     int
	timeZone string
	now      bool
	propose  bool
	withFTE  string
	zones    []string
	output   choice
}

func (p *plugin) newCoverageCommand() *cobra.Command {
	flags := coverageFlags{output: choice{value: "table", values: []string{"table", "json", "yaml", "ics"}}}
	cmd := &cobra.Command{
		Use:   "coverage [NAME]",
		Short: "Show which operating hours have P-CSMs on duty, and the gaps",
		Long: `Show which of the plan's operating hours have P-CSMs on duty: of one partner as a map of real days, holidays, contract
windows and changes of the clocks included; of all partners as a list, those with the most uncovered hours first.`,
		Example: `  # All partners
  kubectl partner coverage

  # The next four weeks of one, by the clock in Tokyo
  kubectl partner coverage acme --days 28 --time-zone Asia/Tokyo

  # From manifests, without a cluster
  kubectl partner coverage acme -f clusters/production

  # Who is on duty now, and who comes next
  kubectl partner coverage acme --now

  # The fewest P-CSMs, and their shifts, that leave no hour without somebody
  kubectl partner coverage acme --propose > acme-pcsm.yaml

  # A calendar of who is on duty
  kubectl partner coverage acme --days 90 -o ics > acme.ics`,
		Args:              arguments(cobra.MaximumNArgs(1)),
		ValidArgsFunction: p.completePartner,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.coverage(cmd.Context(), args, flags)
		},
	}
	f := cmd.Flags()
	f.StringSliceVarP(&flags.paths, "filename", "f", nil, "file or folder with manifests, instead of the cluster; - for standard input")
	f.Var(&flags.from, "from", "first day, as YYYY-MM-DD in the plan's time zone (default today)")
	f.IntVar(&flags.days, "days", defaultDays, "number of days, from 1 to 366")
	f.StringVar(&flags.timeZone, "time-zone", "", "time zone of the map, as an IANA name (default the plan's)")
	f.BoolVar(&flags.now, "now", false, "with a name: who is on duty now, and who is next")
	f.BoolVar(&flags.propose, "propose", false, "with a name: the fewest FTE, and the shifts, that cover a regular week, as manifests to apply")
	f.StringVar(&flags.withFTE, "with-fte", "", "with a name, instead of --propose: the shifts that leave the fewest hours uncovered with so many FTE in all")
	f.StringSliceVar(&flags.zones, "zones", nil, "time zones in which a proposal may add people (default those of the allocations)")
	f.VarP(&flags.output, "output", "o", "table, json, yaml or ics")
	completeFlag(cmd, "filename", cobra.FixedCompletions([]string{"yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt))
	completeChoices(cmd, "output", flags.output.values)
	return cmd
}

// covered is how a partner's hours are covered on some days.
type covered struct {
	Partner  string `json:"partner"`
	TimeZone string `json:"timeZone"`
	coverage.Period
	// Reason is that of HoursCovered while nothing is known of the coverage.
	Reason v1alpha1.Reason `json:"reason,omitempty"`

	plan    string
	verdict coverage.Verdict
	// fault says why there is no verdict.
	fault   string
	next    *coverage.Span
	members []coverage.Member
	dates   []calendar.Day
}

func (p *plugin) coverage(ctx context.Context, args []string, flags coverageFlags) error {
	if flags.days < 1 || flags.days > 366 {
		return usageError{fmt.Errorf("--days %d: write a number from 1 to 366", flags.days)}
	}
	if flags.now && (len(args) == 0 || flags.output.value == "ics" || !flags.from.day.IsZero()) {
		return usageError{errors.New("--now is about one partner at this moment: write its name, no --from, and no -o ics")}
	}
	wish, err := flags.wish(len(args) == 1)
	if err != nil {
		return err
	}
	var zone *time.Location
	if flags.timeZone != "" {
		if zone, err = support.LoadZone(v1alpha1.TimeZone(flags.timeZone)); err != nil {
			return usageError{fmt.Errorf("--time-zone: %w", err)}
		}
	}
	f, origin, err := p.fleetFrom(ctx, flags.paths)
	if err != nil {
		return err
	}
	now := p.terminal.now()
	if len(args) == 1 {
		partner, err := find(f, args[0], origin)
		if err != nil {
			return err
		}
		if wish != nil {
			return p.propose(ctx, f, partner, *wish, flags.output.value, now)
		}
		if flags.now {
			return p.onDuty(f, partner, flags, zone, now)
		}
		one := coverageOf(f, partner, flags, now)
		if one.Reason != "" && one.Reason != v1alpha1.ReasonShiftsNotDeclared {
			return fmt.Errorf("the coverage of %q is unknown: %s", partner.Name, one.fault)
		}
		if flags.output.value == "ics" {
			return p.calendar([]covered{one}, now)
		}
		return p.terminal.print(flags.output.value, one, func() { p.terminal.printCoverage(one, cmp.Or(zone, one.verdict.Zone), now) })
	}
	all := []covered{}
	for _, name := range f.Names() {
		if partner := f.Partners[name]; partner.Spec.ChannelModel.WhiteLabels() && len(f.AllocationsOf(name)) > 0 {
			all = append(all, coverageOf(f, partner, flags, now))
		}
	}
	slices.SortStableFunc(all, func(a, b covered) int { return cmp.Compare(b.urgency(), a.urgency()) })
	if flags.output.value == "ics" {
		return p.calendar(all, now)
	}
	return p.terminal.print(flags.output.value, struct {
		Partners []covered `json:"partners"`
	}{all}, func() { p.terminal.printCoverages(all, zone) })
}

// fleetFrom reads manifests if any are named, else the cluster. The text is the origin
// for find.
func (p *plugin) fleetFrom(ctx context.Context, paths []string) (*fleet.Fleet, string, error) {
	if len(paths) == 0 {
		c, f, err := p.readFleet(ctx)
		if err != nil {
			return nil, "", err
		}
		return f, c.origin(), nil
	}
	documents, err := manifests.Read(manifests.Input{Paths: paths, Recursive: true, Stdin: p.terminal.In})
	if errors.Is(err, manifests.ErrNoManifests) {
		return nil, "", usageError{err}
	}
	if err != nil {
		return nil, "", err
	}
	plan, err := preview.New(ctx, documents, preview.Options{Now: p.terminal.now(), AllowEmpty: true})
	if err != nil {
		return nil, "", err
	}
	var faults []string
	for _, finding := range plan.Findings {
		fault := fmt.Sprintf("%s: %s", finding.Position, clean(finding.Message))
		switch {
		case finding.Severity != preview.Error:
		case finding.Refuses():
			faults = append(faults, fault)
		default: // the operator takes it, and reports it
			fmt.Fprintln(p.terminal.Err, "warning: "+fault)
		}
	}
	if len(faults) > 0 {
		return nil, "", fmt.Errorf("the cluster would refuse these manifests; `kubectl partner plan` says more:\n  %s", strings.Join(faults, "\n  "))
	}
	return plan.Fleet(), "in the manifests: kubectl partner plan with the same --filename lists those that are there", nil
}

// foresight is how far ahead the next gap is looked for.
const foresight = 366

func coverageOf(f *fleet.Fleet, partner *v1alpha1.Partner, flags coverageFlags, now time.Time) covered {
	c := covered{Partner: partner.Name, plan: contract.PlanName(partner), Period: coverage.Period{Gaps: []coverage.Span{}, OnDuty: []coverage.Duty{}}}
	zone := time.UTC
	roster, fault := f.RosterOf(partner)
	if fault == nil {
		zone = roster.Zone()
	}
	day := now.In(zone)
	if !flags.from.day.IsZero() {
		day = flags.from.day
	}
	from, until := midnight(day, 0, zone), midnight(day, flags.days, zone)
	c.TimeZone, c.Span = zone.String(), coverage.Span{From: from.UTC(), Until: until.UTC()}
	if fault != nil {
		c.Reason, c.fault = fault.Reason, fault.Message
		return c
	}
	if err := withoutPCSMs(partner); err != nil {
		c.Reason, c.fault = v1alpha1.ReasonNoPCSMAllocation, err.Error()
		return c
	}
	c.Period = roster.Between(from, until)
	at := now.Truncate(time.Minute)
	if from.After(at) {
		at = from
	}
	c.verdict = roster.Judge(at)
	if !roster.HasShifts(from, until) {
		c.Reason, c.fault = v1alpha1.ReasonShiftsNotDeclared, coverage.Verdict{}.Message()
		return c
	}
	c.next = roster.NextGap(at, at.AddDate(0, 0, foresight))
	c.members = roster.Members(from, until)
	if flags.output.value == "ics" {
		// A shift that is under way is whole, or the next calendar would have it twice.
		whole := roster.Between(midnight(day, -1, zone), until).OnDuty
		c.OnDuty = slices.DeleteFunc(whole, func(d coverage.Duty) bool { return !d.Until.After(from) })
		if terms, fault := contract.Terms(partner, f.Plans[c.plan]); fault == nil {
			c.dates = calendar.DaysOf(partner, terms.OperatingHours, f.AllocationsOf(partner.Name), from, until)
		}
	}
	return c
}

// atNow is who is on duty for a partner at a moment.
type atNow struct {
	Partner string    `json:"partner"`
	At      time.Time `json:"at"`
	// Open reports whether it is within the operating hours of the plan.
	Open bool `json:"open"`
	// OnDuty is null if nobody is; Next are those who come next within a week, null if nobody does.
	OnDuty *coverage.Duty `json:"onDuty"`
	Next   *coverage.Duty `json:"next"`
}

// onDuty tells who is on duty now.
func (p *plugin) onDuty(f *fleet.Fleet, partner *v1alpha1.Partner, flags coverageFlags, zone *time.Location, now time.Time) error {
	roster, fault := f.RosterOf(partner)
	if fault != nil {
		return fmt.Errorf("who is on duty for %q is unknown: %s", partner.Name, fault.Message)
	}
	if err := withoutPCSMs(partner); err != nil {
		return err
	}
	const ahead = 7
	at := now.Truncate(time.Minute)
	if !roster.HasShifts(at, at.AddDate(0, 0, ahead)) {
		return fmt.Errorf("who is on duty for %q is unknown: %s", partner.Name, coverage.Verdict{}.Message())
	}
	period := roster.Between(at, at.AddDate(0, 0, ahead))
	found := atNow{Partner: partner.Name, At: at.UTC(), Open: len(period.Operating) > 0 && period.Operating[0].From.Equal(at)}
	for i := range period.OnDuty {
		switch duty := &period.OnDuty[i]; {
		case duty.From.Equal(at):
			found.OnDuty = duty
		case found.Next == nil:
			found.Next = duty
		}
	}
	zone = cmp.Or(zone, roster.Zone())
	return p.terminal.print(flags.output.value, found, func() {
		const layout = "Mon 2006-01-02 15:04 MST"
		who := func(duty *coverage.Duty) string {
			var languages []string
			for _, language := range duty.Languages {
				languages = append(languages, string(language))
			}
			text := fmt.Sprintf("%s FTE of %s", duty.FTE, strings.Join(duty.Allocations, ", "))
			if len(languages) > 0 {
				text += ", who speak " + strings.Join(languages, ", ")
			}
			return text
		}
		w := p.terminal.newTable("", "")
		w.ResetHeaders()
		w.AppendRow([]any{"Partner", found.Partner})
		open := "closed by the plan"
		switch {
		case found.Open:
			open = "within operating hours"
		case !contract.InForce(partner, at):
			open = "outside of the contract with the partner"
		}
		w.AppendRow([]any{"Now", at.In(zone).Format(layout) + ", " + open})
		on := p.terminal.paint(text.FgRed, "nobody")
		if found.OnDuty != nil {
			on = who(found.OnDuty)
			if found.OnDuty.Until.Before(period.Until) {
				on += ", until " + found.OnDuty.Until.In(zone).Format(layout)
			}
		} else if !found.Open {
			on = "nobody"
		}
		w.AppendRow([]any{"On duty", on})
		next := fmt.Sprintf("nobody within %d days", ahead)
		if found.Next != nil {
			next = fmt.Sprintf("%s, from %s", who(found.Next), found.Next.From.In(zone).Format(layout))
		}
		w.AppendRow([]any{"Next", next})
		p.terminal.fit(w, nil, nil)
	})
}

// midnight is when a day begins in a zone, some days after another. Where clocks are put
// forward at midnight, it begins then.
func midnight(day time.Time, after int, zone *time.Location) time.Time {
	wanted := time.Date(day.Year(), day.Month(), day.Day()+after, 12, 0, 0, 0, zone)
	begins := time.Date(wanted.Year(), wanted.Month(), wanted.Day(), 0, 0, 0, 0, zone)
	if begins.Day() != wanted.Day() {
		_, begins = begins.ZoneBounds()
	}
	return begins
}

// urgency orders partners: the most uncovered hours, then those of which nothing is
// known, then the covered ones.
func (c covered) urgency() int {
	switch {
	case c.verdict.Declared && c.verdict.Uncovered > 0:
		return 1 + c.verdict.Uncovered
	case !c.verdict.Declared:
		return 1
	}
	return 0
}

func (t *Terminal) printCoverages(all []covered, zone *time.Location) {
	if len(all) == 0 {
		fmt.Fprintln(t.Err, "No partner has P-CSMs.")
		return
	}
	w := t.newTable("partner", "plan", "coverage", "next gap", "uncovered in a regular week")
	for _, c := range all {
		row := []any{c.Partner, c.plan, "", "", ""}
		switch {
		case c.fault != "":
			row[2] = t.paint(text.FgHiBlack, string(c.Reason))
		case c.verdict.Uncovered > 0:
			row[2], row[4] = t.paint(text.FgRed, c.verdict.Summary()), c.verdict.Which(c.verdict.Zone)
		default:
			row[2] = t.paint(text.FgGreen, c.verdict.Summary())
		}
		if c.next != nil {
			row[3] = c.next.From.In(cmp.Or(zone, c.verdict.Zone)).Format("2006-01-02 15:04 MST")
		}
		w.AppendRow(row)
	}
	t.fit(w, nil, []string{"plan", "next gap"})
}

// slotsPerHour is how many characters of the map an hour has.
const slotsPerHour = 2

// mapIndent is how far right the first slot of a map is.
const mapIndent = len("Mon 2006-01-02 ")

// printCoverage draws the days of a partner as a map of half hours, with the present one marked, and then
// those of each allocation.
func (t *Terminal) printCoverage(c covered, zone *time.Location, now time.Time) {
	fmt.Fprintf(t.Out, "%s\n", t.wrap(fmt.Sprintf("%s   %s", t.paint(text.Bold, c.Partner), sentence(cmp.Or(c.fault, c.verdict.Message()))), 0))
	if c.fault != "" {
		return
	}
	fmt.Fprintln(t.Out)
	fmt.Fprint(t.Out, strings.Repeat(" ", mapIndent))
	for hour := 0; hour < 24; hour += 3 {
		fmt.Fprintf(t.Out, "%02d%s", hour, strings.Repeat(" ", 3*slotsPerHour-2))
	}
	fmt.Fprintf(t.Out, " %s\n", zone)
	present := now.In(zone)
	for _, row := range mapOf(c.Period, zone) {
		if support.DayOf(row.day) == support.DayOf(present) {
			fmt.Fprintf(t.Out, "%snow ▼\n", strings.Repeat(" ", mapIndent+support.MinuteOf(present)*slotsPerHour/60-len("now ")))
		}
		fmt.Fprintf(t.Out, "%s ", row.day.Format("Mon 2006-01-02"))
		for _, s := range row.slots {
			fmt.Fprint(t.Out, t.paint(slotColours[s], slotMarks[s]))
		}
		fmt.Fprintln(t.Out)
	}
	fmt.Fprintf(t.Out, "\n%s on duty   %s nobody on duty   %s closed\n", slotMarks[slotCovered], slotMarks[slotGap], slotMarks[slotClosed])
	const layout = "Mon 2006-01-02 15:04"
	if c.next == nil {
		fmt.Fprintf(t.Out, "There is no gap in the next %d days.\n", foresight)
	} else {
		fmt.Fprintf(t.Out, "The next gap: %s to %s\n", c.next.From.In(zone).Format(layout), c.next.Until.In(zone).Format(layout+" MST"))
	}
	t.printMembers(c, zone)
}

// printMembers draws the first week of a map once more, with a row for each allocation.
func (t *Terminal) printMembers(c covered, zone *time.Location) {
	const daysPerWeek, indent, broad = 7, 2, 100
	hoursPerSlot := 2
	if t.Width > 0 && t.Width < broad {
		hoursPerSlot = 3
	}
	days := mapOf(c.Period, zone)
	days = days[:min(len(days), daysPerWeek)]
	fmt.Fprintf(t.Out, "\n%s", strings.Repeat(" ", indent))
	var names strings.Builder
	for _, row := range days {
		fmt.Fprintf(&names, "%-*s ", 24/hoursPerSlot, row.day.Format("Mon 02"))
	}
	fmt.Fprintln(t.Out, strings.TrimRight(names.String(), " "))
	for _, m := range c.members {
		about := []string{m.FTE.String() + " FTE"}
		for _, language := range m.Languages {
			about = append(about, string(language))
		}
		for _, away := range m.Away {
			about = append(about, fmt.Sprintf("away from %s to %s", away.From.In(zone).Format("Mon 2006-01-02 15:04"), away.Until.In(zone).Format("Mon 2006-01-02 15:04")))
		}
		fmt.Fprintln(t.Out, t.wrap(t.paint(text.Bold, m.Allocation)+"  "+strings.Join(about, ", "), 0))
		// Of a time on duty, the map knows operating hours with somebody.
		between := strings.Repeat(" ", indent)
		for _, row := range mapOf(coverage.Period{Span: c.Span, Operating: m.OnDuty}, zone)[:len(days)] {
			fmt.Fprint(t.Out, between)
			between = " "
			size := hoursPerSlot * slotsPerHour
			for slots := range slices.Chunk(row.slots[:], size) {
				on := 0
				for _, s := range slots {
					if s == slotCovered {
						on++
					}
				}
				mark := slotMarks[slotClosed]
				switch {
				case 2*on > size:
					mark = slotMarks[slotCovered]
				case on > 0:
					mark = "▄"
				}
				fmt.Fprint(t.Out, t.paint(memberColours[on > 0], mark))
			}
		}
		fmt.Fprintln(t.Out)
	}
	fmt.Fprintf(t.Out, "\nFor each %d hours: █ on duty for most   ▄ for some   · for none\n", hoursPerSlot)
}

var memberColours = map[bool]text.Color{false: text.FgHiBlack, true: text.FgGreen}

// slot is what half an hour of the map is like.
type slot int

const (
	slotNone slot = iota // the clock skips it
	slotClosed
	slotCovered
	slotGap
)

var slotMarks = map[slot]string{slotNone: " ", slotClosed: "·", slotCovered: "█", slotGap: "░"}

var slotColours = map[slot]text.Color{slotNone: text.Reset, slotClosed: text.FgHiBlack, slotCovered: text.FgGreen, slotGap: text.FgRed}

// mapRow is a day of the map.
type mapRow struct {
	day   time.Time
	slots [24 * slotsPerHour]slot
}

// mapOf puts a period on a map by the clock of a zone. Of what is in a slot, a gap shows
// before anything else.
func mapOf(period coverage.Period, zone *time.Location) []mapRow {
	var rows []mapRow
	operating, gaps := period.Operating, period.Gaps
	in := func(spans *[]coverage.Span, at time.Time) bool {
		for len(*spans) > 0 && !at.Before((*spans)[0].Until) {
			*spans = (*spans)[1:]
		}
		return len(*spans) > 0 && !at.Before((*spans)[0].From)
	}
	for at := period.From; at.Before(period.Until); at = at.Add(time.Minute) {
		local := at.In(zone)
		if len(rows) == 0 || rows[len(rows)-1].day.YearDay() != local.YearDay() {
			rows = append(rows, mapRow{day: local})
		}
		found := slotClosed
		if in(&operating, at) {
			found = slotCovered
		}
		if in(&gaps, at) {
			found = slotGap
		}
		of := &rows[len(rows)-1].slots[(local.Hour()*60+local.Minute())*slotsPerHour/60]
		*of = max(*of, found)
	}
	return rows
}

// calendar writes who is on duty, the gaps and the days that matter as a calendar.
func (p *plugin) calendar(all []covered, now time.Time) error {
	if len(all) == 1 && all[0].fault != "" {
		return errors.New(all[0].fault)
	}
	var partners []calendar.Partner
	for _, c := range all {
		partners = append(partners, calendar.Partner{Name: c.Partner, Period: c.Period, Unknown: c.Reason != "", Days: c.dates})
	}
	return calendar.Write(p.terminal.Out, partners, now)
}

// sentence makes a message a sentence.
func sentence(message string) string {
	if message == "" {
		return ""
	}
	return strings.ToUpper(message[:1]) + message[1:] + "."
}
