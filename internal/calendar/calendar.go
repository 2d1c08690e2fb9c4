// Package calendar writes who is on duty for partners as a calendar to subscribe to (RFC 5545).
package calendar

import (
	"fmt"
	"io"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/coverage"
	"github.com/dispel/partner-operator/internal/support"
)

// Partner is what a calendar has of a partner.
type Partner struct {
	// Name is the Partner's.
	Name string
	coverage.Period
	// Unknown reports that no P-CSM declares shifts, so that Gaps say nothing.
	Unknown bool
	// Days are of the contract, and those on which nobody works.
	Days []Day
}

// Day is something of a whole day.
type Day struct {
	Date v1alpha1.Date
	// What tells events of a date apart, and is part of their UID.
	What    string
	Summary string
}

// DaysOf are the days of a partner's contracts and of its plan's holidays and closures between two
// instants.
func DaysOf(partner *v1alpha1.Partner, hours v1alpha1.OperatingHours, allocations []v1alpha1.PCSMAllocation, from, until time.Time) []Day {
	var days []Day
	first, last := v1alpha1.Date(from.Format(time.DateOnly)), v1alpha1.Date(until.Format(time.DateOnly))
	add := func(date v1alpha1.Date, what, summary string) {
		if date >= first && date < last {
			days = append(days, Day{date, what, summary})
		}
	}
	add(partner.Spec.ValidFrom, "contract-begins", partner.Name+": first day of the contract")
	add(partner.Spec.ValidUntil, "contract-ends", partner.Name+": last day of the contract")
	for i := range allocations {
		allocation := &allocations[i]
		of := fmt.Sprintf("%s: %%s day of %s FTE (%s)", partner.Name, allocation.Spec.FTE, allocation.Name)
		add(allocation.Spec.ValidFrom, allocation.Name+"-begins", fmt.Sprintf(of, "first"))
		add(allocation.Spec.ValidUntil, allocation.Name+"-ends", fmt.Sprintf(of, "last"))
	}
	for _, off := range support.DaysOff(hours, support.DayOf(from), support.DayOf(until)) {
		summary := partner.Name + ": closed"
		if off.Name != "" {
			summary += ", " + off.Name
		}
		add(off.Date, "closed", summary)
	}
	for _, special := range hours.SpecialDays {
		begins, ok := support.ParseDay(special.From)
		ends, alsoOK := support.ParseDay(max(special.From, special.Until))
		for day := begins; ok && alsoOK && special.Opens != "" && day <= ends; day++ {
			add(day.Date(), "special", fmt.Sprintf("%s: open %s to %s", partner.Name, special.Opens, special.Closes))
		}
	}
	return days
}

// Write writes a calendar. An event keeps its UID as long as it begins when it does.
func Write(out io.Writer, partners []Partner, now time.Time) error {
	calendar := ics.NewCalendar()
	calendar.SetProductId("-//Dispel//partner-operator//EN")
	calendar.SetMethod(ics.MethodPublish)
	calendar.SetName("P-CSM coverage")
	event := func(partner, what, on, summary, about string) *ics.VEvent {
		added := calendar.AddEvent(fmt.Sprintf("%s-%s-%s@partner.dispel.com", partner, what, on))
		added.SetDtStampTime(now)
		added.SetSummary(summary)
		if about != "" {
			added.SetDescription(about)
		}
		added.SetTimeTransparency(ics.TransparencyTransparent)
		return added
	}
	span := func(partner, what, summary, about string, span coverage.Span) {
		added := event(partner, what, span.From.Format("20060102T1504Z"), summary, about)
		added.SetStartAt(span.From)
		added.SetEndAt(span.Until)
	}
	for _, p := range partners {
		for _, duty := range p.OnDuty {
			var languages []string
			for _, language := range duty.Languages {
				languages = append(languages, string(language))
			}
			about := strings.Join(duty.Allocations, ", ")
			if len(languages) > 0 {
				about += "; languages: " + strings.Join(languages, ", ")
			}
			span(p.Name, "duty", fmt.Sprintf("%s: %s FTE on duty", p.Name, duty.FTE), about, duty.Span)
		}
		for _, gap := range p.Gaps {
			if !p.Unknown {
				span(p.Name, "gap", p.Name+": nobody on duty", "Operating hours of the support plan without a P-CSM on duty", gap)
			}
		}
		for _, day := range p.Days {
			at, err := day.Date.Time(time.UTC)
			if err != nil {
				continue // the schema refuses it
			}
			added := event(p.Name, day.What, at.Format("20060102"), day.Summary, "")
			added.SetAllDayStartAt(at)
			added.SetAllDayEndAt(at.AddDate(0, 0, 1))
		}
	}
	return calendar.SerializeTo(out, ics.WithNewLineWindows)
}
