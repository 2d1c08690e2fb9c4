package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/coverage"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/support"
)

//go:embed report.html
var page string

//go:embed report.css
var style string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"style":    func() template.CSS { return template.CSS(style) }, //nolint:gosec // the page's own
	"width":    func(percent int64) int64 { return min(percent, fullScale) * 100 / fullScale },
	"limit":    func() int64 { return 100 * 100 / fullScale },
	"severity": severity,
	"short":    shortFrom,
	"span":     (*Report).span,
	"week":     week,
	"about":    about,
	"weekly":   weekly,
	"away":     (*Report).away,
	"months":   (*Report).months,
	"today":    func(r *Report) float64 { return r.share(r.from.Add(Past)) },
	"display":  (*Report).Display,
	"state":    func(s fleet.State) string { return strings.ToLower(string(s)) },
}).Parse(page))

// fullScale is the utilisation, in percent, at which a bar fills its track.
const fullScale = 150

// severity is the class of a verdict on the page.
func severity(s fleet.Staffing) string {
	switch {
	case s.Insufficient() || s.Verdict == nil:
		return "broken"
	case s.Reason == v1alpha1.ReasonNearCapacity:
		return "strained"
	}
	return "fine"
}

// HTML writes one page that needs nothing else: no script, no font, no picture.
func (r *Report) HTML(out io.Writer) error {
	return pageTemplate.Execute(out, r)
}

// shortFrom is the day of the next shortfall, and by how much; empty if there is none.
func shortFrom(s fleet.Staffing) string {
	if s.NextShortfall == nil {
		return ""
	}
	return fmt.Sprintf("%s, by %s", s.NextShortfall.On, s.NextShortfall.MissingFTE)
}

// share is where an instant is on the time line, in percent of its length.
func (r *Report) share(at time.Time) float64 {
	length := r.until.Sub(r.from)
	return min(100, max(0, 100*float64(at.Sub(r.from))/float64(length)))
}

// bar is a part of the time line, in percent of its length.
type bar struct {
	Left, Width float64
}

func (r *Report) span(w Window) bar {
	left, right := 0.0, 100.0
	if !w.window.From.IsZero() {
		left = r.share(w.window.From)
	}
	if !w.window.Until.IsZero() {
		right = r.share(w.window.Until)
	}
	return bar{left, right - left}
}

// mapDay is a day of the map of a week.
type mapDay struct {
	Name  string
	Parts []mapPart
}

// mapPart is a part of a day, in percent of its length.
type mapPart struct {
	bar
	Class string
}

// week draws the operating hours of a regular week, the uncovered ones over the others.
func week(c Coverage) []mapDay {
	var days []mapDay
	for i, name := range support.Week {
		day := mapDay{Name: string(name[:3])}
		for class, parts := range map[string][]coverage.Part{"fine": c.week.Open, "broken": c.week.Gaps} {
			for _, part := range parts {
				if from, until, ok := part.On(i); ok {
					const minutes = 24 * 60
					day.Parts = append(day.Parts, mapPart{bar{100 * float64(from) / minutes, 100 * float64(until-from) / minutes}, class})
				}
			}
		}
		slices.SortFunc(day.Parts, func(a, b mapPart) int { return cmp.Or(cmp.Compare(b.Class, a.Class), cmp.Compare(a.Left, b.Left)) })
		days = append(days, day)
	}
	return days
}

// about says what the P-CSMs of an allocation are.
func about(m coverage.Member) string {
	parts := []string{m.FTE.String() + " FTE"}
	for _, language := range m.Languages {
		parts = append(parts, string(language))
	}
	return strings.Join(parts, ", ")
}

// weekly draws the weekly shifts of an allocation.
func weekly(m coverage.Member) []bar {
	const minutes = 7 * 24 * 60
	var bars []bar
	for _, part := range m.Weekly {
		bars = append(bars, bar{100 * float64(part.From) / minutes, 100 * float64(part.Until-part.From) / minutes})
	}
	return bars
}

// absence is a series of days on which P-CSMs of an allocation are not on duty as usual.
type absence struct {
	bar
	Text string
}

// away draws the days of the next thirty on which P-CSMs of an allocation are away, those in a row as one.
func (r *Report) away(c Coverage, m coverage.Member) []absence {
	type days struct {
		from, until support.Day
		reason      v1alpha1.GapReason
	}
	var found []days
	for _, a := range m.Away {
		from, until := support.DayOf(a.From.In(c.zone)), support.DayOf(a.Until.Add(-time.Minute).In(c.zone))
		if last := len(found) - 1; last >= 0 && found[last].reason == a.Reason && from <= found[last].until+1 {
			found[last].until = max(found[last].until, until)
		} else {
			found = append(found, days{from, until, a.Reason})
		}
	}
	const shown = float64(coverage.Foresight / (24 * time.Hour))
	first := support.DayOf(r.from.Add(Past).In(c.zone))
	var drawn []absence
	for _, d := range found {
		text := string(d.from.Date())
		if d.until > d.from {
			text += " to " + string(d.until.Date())
		}
		left, length := float64(d.from-first), float64(d.until-d.from+1)
		drawn = append(drawn, absence{bar{100 * left / shown, 100 * min(length, shown-left) / shown}, text + ": " + string(d.reason)})
	}
	return drawn
}

// month is the first of a month on the time line.
type month struct {
	Name string
	Left float64
}

func (r *Report) months() []month {
	var months []month
	year, first, _ := r.from.UTC().Date()
	for i := 1; ; i++ {
		at := time.Date(year, first+time.Month(i), 1, 0, 0, 0, 0, time.UTC)
		if !at.Before(r.until) {
			return months
		}
		if at.Month()%2 == 0 {
			continue // there is no room for all
		}
		name := at.Format("Jan")
		if at.Month() == time.January {
			name = at.Format("’06")
		}
		const last = 95 // after which there is no room for a name
		if left := r.share(at); left < last {
			months = append(months, month{name, left})
		}
	}
}

// Markdown writes the report as tables, for a wiki or a comment on a pull request.
func (r *Report) Markdown(out io.Writer) error {
	fmt.Fprintf(out, "# Partners on %s\n\n%d partners with %d customers; %s FTE of P-CSMs. Staffing insufficient: %d. Not ready: %d.\n",
		r.At, r.Summary.Partners, r.Summary.Customers, r.Summary.AllocatedFTE, r.Summary.Insufficient, r.Summary.NotReady)
	if r.Isolation != nil {
		fmt.Fprintf(out, "\nIsolation of tenants: %s: %s\n", r.Isolation.Reason, r.Isolation.Message)
	}

	tasks := newTable("Kind", "Partner", "What", "By", "Why")
	for _, group := range r.TaskGroups() {
		for _, task := range group.Tasks {
			tasks.AppendRow(table.Row{group.Title, task.DisplayName, task.What, cmp.Or(string(task.By), "now"), task.Why})
		}
	}
	capacity := newTable("Partner", "Tier", "Customers", "FTE", "Maximum", "Utilisation", "Until breach", "Add FTE", "Short from, by FTE", "Verdict")
	for _, s := range r.Capacity {
		row := table.Row{s.Partner, s.Tier, s.Customers, s.AllocatedFTE, "", "", "", "", shortFrom(s), s.Reason}
		if s.Verdict != nil && s.Contracted() {
			row[4], row[5], row[6], row[7] = s.Verdict.MaximumCustomers, fmt.Sprintf("%d%%", s.Verdict.UtilizationPercent), s.Verdict.CustomersUntilBreach, s.Verdict.MissingFTE
		}
		capacity.AppendRow(row)
	}
	tiers := newTable("Tier", "Partners", "Customers", "FTE", "Maximum", "Utilisation", "Headroom", "Add FTE", "Insufficient", "Without P-CSMs")
	for _, t := range r.Tiers {
		tiers.AppendRow(table.Row{t.Tier, t.Partners, t.Customers, t.AllocatedFTE, t.MaximumCustomers, fmt.Sprintf("%d%%", t.UtilizationPercent()), t.Headroom, t.MissingFTE, t.Insufficient, t.Without})
	}
	covered := newTable("Partner", "Coverage", "Uncovered in a regular week", "Away in the next 30 days")
	for _, c := range r.Coverage {
		var away []string
		for _, m := range c.Members {
			for _, a := range r.away(c, m) {
				away = append(away, m.Allocation+" "+a.Text)
			}
		}
		covered.AppendRow(table.Row{c.Partner, cmp.Or(c.Summary, "unknown: no shifts"), c.Uncovered, strings.Join(away, "; ")})
	}
	windows := newTable("Partner", "What", "Size", "From", "Until", "Afterwards")
	for _, w := range r.Windows {
		windows.AppendRow(table.Row{w.Partner, w.What(), w.Size(), w.ValidFrom, w.ValidUntil, w.Afterwards})
	}
	dns := newTable("Partner", "Name", "Type", "Value", "TTL")
	for _, record := range r.Records {
		dns.AppendRow(table.Row{record.Partner, record.Name, record.Type, record.Value, record.TTL})
	}
	conditions := newTable("Partner", "Condition", "Reason", "Message")
	for _, c := range r.Conditions {
		if len(c.Conditions) == 0 && c.Message != "" {
			conditions.AppendRow(table.Row{c.Partner, c.State, c.Reason, c.Message})
		}
		for _, condition := range c.Conditions {
			conditions.AppendRow(table.Row{c.Partner, condition.Type + " is " + string(condition.Status), condition.Reason, condition.Message})
		}
	}
	for _, section := range []struct {
		title, none string
		table       table.Writer
	}{
		{"What to do", "Nothing: every partner has the P-CSMs that it needs, and is served as declared.", tasks},
		{"Utilisation", "There are no OEMs and no MSPs.", capacity},
		{"Coverage", "There are no P-CSMs.", covered},
		{"Contract windows and signed deals", "No contract window opens or closes and no signed deal begins within a year.", windows},
		{"Headroom by tier", "There are no P-CSMs.", tiers},
		{"DNS records", "No route has an address yet.", dns},
		{"Conditions", "All conditions are as they should be.", conditions},
	} {
		body := section.none
		if section.table.Length() > 0 {
			body = section.table.RenderMarkdown()
		}
		if _, err := fmt.Fprintf(out, "\n## %s\n\n%s\n", section.title, body); err != nil {
			return err
		}
	}
	return nil
}

func newTable(header ...any) table.Writer {
	w := table.NewWriter()
	w.Style().Format.Header = text.FormatDefault
	w.AppendHeader(header)
	return w
}
