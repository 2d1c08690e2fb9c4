package widget

import (
	"net/url"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/coverage"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/support"
)

// Config is config.json: what the widget shows on one sub-domain. Whoever reaches
// the sub-domain can read it, so it has nothing of the contract that an end
// customer should not see.
type Config struct {
	// Version is the version of this format.
	Version string `json:"version"`
	// Partner is the partner's name as people read it.
	Partner string `json:"partner"`
	// PolicyURL is where the Support Policy can be read.
	PolicyURL string `json:"policyURL,omitempty"`
	// Hours are the operating hours as they were agreed; absent while the plan
	// cannot be used, or while HoursLimited.
	Hours *Hours `json:"hours,omitempty"`
	// HoursLimited tells that there are fewer P-CSMs than the plan requires for its
	// hours, so that neither hours nor response times are promised.
	HoursLimited bool `json:"hoursLimited,omitempty"`
	// Openings are the instants between which P-CSMs are at work, some days
	// ahead. With these a browser needs no knowledge of time zones, daylight
	// saving or holidays.
	Openings []support.Span `json:"openings,omitempty"`
	// OnDuty is when P-CSMs are on duty during the operating hours. It is absent unless
	// any active P-CSMs declare shifts.
	OnDuty *OnDuty `json:"onDuty,omitempty"`
	// Covered are the hours of every regular week in which P-CSMs are on duty, in the time zone of Hours, or
	// in UTC if these are always on; none if there is nobody in any. It is absent where they are all of Hours,
	// where each week of a rotation has others, or where they are not known.
	Covered []v1alpha1.HoursWindow `json:"covered,omitzero"`
	// Closures are the days off in the same time, in the time zone of Hours.
	Closures []support.Holiday `json:"closures,omitempty"`
	// ResponseTargets are the times within which Dispel answers, the gravest
	// severity first.
	ResponseTargets []ResponseTarget `json:"responseTargets,omitempty"`
	// Languages are what the active P-CSMs speak, as sorted BCP 47 tags.
	Languages []v1alpha1.Language `json:"languages,omitempty"`
	// Contact is how to reach the P-CSMs.
	Contact Contact `json:"contact"`
}

// Hours are operating hours.
type Hours struct {
	AlwaysOn bool              `json:"alwaysOn,omitempty"`
	TimeZone v1alpha1.TimeZone `json:"timeZone,omitempty"`
	// Windows are those of a regular week.
	Windows []v1alpha1.HoursWindow `json:"windows,omitempty"`
	// Days, Opens and Closes are the only window, for a script that was loaded before Windows came.
	Days   []v1alpha1.DayOfWeek `json:"days,omitempty"`
	Opens  v1alpha1.TimeOfDay   `json:"opens,omitempty"`
	Closes v1alpha1.TimeOfDay   `json:"closes,omitempty"`
}

// ResponseTarget is a time within which Dispel answers.
type ResponseTarget struct {
	// Severity is 1, the gravest, to 4.
	Severity int32 `json:"severity"`
	// Minutes are the time.
	Minutes int `json:"minutes"`
	// Always tells that the time passes around the clock, and not in Openings only.
	Always bool `json:"always,omitempty"`
}

// OnDuty is when P-CSMs are on duty, some days ahead.
type OnDuty struct {
	// Until is how far ahead it is known.
	Until time.Time `json:"until"`
	// Spans are the times, in order.
	Spans []DutySpan `json:"spans"`
}

// DutySpan is a time in which the same languages are spoken.
type DutySpan struct {
	From      time.Time           `json:"from"`
	Until     time.Time           `json:"until"`
	Languages []v1alpha1.Language `json:"languages"`
}

// ConfigVersion is the version of the format of config.json.
const ConfigVersion = "v1"

// foresight is how far ahead openings are given. A page looks for news every few
// minutes, so this only has to outlast the longest break.
const foresight = 8 * 24 * time.Hour

// ConfigFor makes what the widget shows for a partner on a host. plan is nil if
// there is none. It depends on the date in UTC, and on the time in no other way.
func ConfigFor(partner *v1alpha1.Partner, plan *v1alpha1.SupportPlan, allocations []v1alpha1.PCSMAllocation, contact Contact, now time.Time) Config {
	config := Config{Version: ConfigVersion, Partner: partner.Spec.DisplayName, Contact: contact}
	judged := contract.Judge(partner, plan, allocations, now)
	if judged.Terms == nil {
		return config // the plan's own status says why
	}
	hours, err := support.NewHours(judged.Terms.OperatingHours)
	if err != nil {
		return config
	}
	agreed := contract.NewDocument(partner, plan, &judged, kinds.WidgetPath, now)
	config.PolicyURL = agreed.Plan.PolicyURL
	config.Languages = agreed.Languages
	if agreed.Hours.Limited {
		config.HoursLimited = true
		return config
	}
	config.Hours = &Hours{
		AlwaysOn: agreed.Hours.AlwaysOn, TimeZone: agreed.Hours.TimeZone, Windows: support.Windows(judged.Terms.OperatingHours),
		Days: agreed.Hours.Days, Opens: agreed.Hours.Opens, Closes: agreed.Hours.Closes,
	}
	for _, target := range agreed.ResponseTargets {
		within, failure := time.ParseDuration(target.Within)
		if failure != nil {
			continue // the schema has no other way to write one
		}
		config.ResponseTargets = append(config.ResponseTargets, ResponseTarget{target.Severity, int(within.Minutes()), target.Clock == v1alpha1.ClockAlways})
	}
	today := now.UTC().Truncate(24 * time.Hour)
	if err := config.addDuty(partner, judged.Terms.OperatingHours, allocations, judged.Active, today); err != nil {
		return config
	}
	if agreed.Hours.AlwaysOn {
		return config
	}
	config.Openings = hours.Openings(today, today.Add(foresight), ahead(config.ResponseTargets))
	// Some zone or other is a day behind or ahead of UTC.
	first := support.DayOf(today)
	config.Closures = support.DaysOff(judged.Terms.OperatingHours, first-1, first+support.Day(foresight/(24*time.Hour)))
	return config
}

// addDuty adds who is on duty from a day on, unless no active allocation declares shifts. Those that
// declare none are on duty at no time then.
func (c *Config) addDuty(partner *v1alpha1.Partner, hours v1alpha1.OperatingHours, all, active []v1alpha1.PCSMAllocation, today time.Time) error {
	if !slices.ContainsFunc(active, func(a v1alpha1.PCSMAllocation) bool { return len(a.Spec.Shifts) > 0 }) {
		return nil
	}
	roster, err := coverage.New(hours, partner, all)
	if err != nil {
		return err
	}
	on := &OnDuty{Until: today.Add(foresight), Spans: []DutySpan{}}
	for _, duty := range roster.Between(today, on.Until).WhileOpen() {
		if last := len(on.Spans) - 1; last >= 0 && on.Spans[last].Until.Equal(duty.From) && slices.Equal(on.Spans[last].Languages, duty.Languages) {
			on.Spans[last].Until = duty.Until
			continue
		}
		on.Spans = append(on.Spans, DutySpan{duty.From, duty.Until, duty.Languages})
	}
	c.OnDuty = on
	if covered, tell := roster.Covered(today); tell {
		c.Covered = coverage.Windows(covered)
	}
	return nil
}

// ahead is how long openings have to last together for a browser to know, all day, when
// an answer is due.
func ahead(targets []ResponseTarget) time.Duration {
	var longest time.Duration
	for _, target := range targets {
		if within := time.Duration(target.Minutes) * time.Minute; !target.Always {
			longest = max(longest, within+24*time.Hour)
		}
	}
	return longest
}

// EnabledOn reports whether a partner has the widget on a host.
func EnabledOn(partner *v1alpha1.Partner, host string) bool {
	status := partner.Status
	return status.SupportWidget != nil && ptr.Deref(status.SupportWidget.Enabled, false) &&
		status.Subdomain != nil && hostOf(status.Subdomain.URL) == host
}

// hostOf is the host of an address.
func hostOf(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return parsed.Hostname()
}
