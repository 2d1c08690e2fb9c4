package support

import (
	"fmt"
	"strings"

	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
)

// Doubt is something about hours that is allowed, and seldom meant.
type Doubt struct {
	Reason v1alpha1.Reason
	// Field is that of the spec.
	Field   string
	Message string
}

// meant are the places whose clocks people mean by the name of a zone that has the same time all
// year. The contract itself writes EST for Eastern Time. The sign of Etc/GMT+5 is the opposite of
// what its name suggests: it is five hours behind UTC.
var meant = map[v1alpha1.TimeZone]string{
	"EST": "America/New_York", "MST": "America/Denver",
	"Etc/GMT+5": "America/New_York", "Etc/GMT+6": "America/Chicago", "Etc/GMT+7": "America/Denver", "Etc/GMT+8": "America/Los_Angeles", "Etc/GMT+9": "America/Anchorage",
	"Etc/GMT-1": "Europe/Berlin", "Etc/GMT-2": "Europe/Athens", "Etc/GMT-10": "Australia/Sydney",
}

// ZoneDoubt is the doubt about a time zone in a field; nil if there is none.
func ZoneDoubt(field string, zone v1alpha1.TimeZone) *Doubt {
	place, known := meant[zone]
	switch {
	case known:
		place += ", if that is meant"
	case strings.HasPrefix(string(zone), "Etc/GMT") && strings.Trim(strings.TrimPrefix(string(zone), "Etc/GMT"), "+-0") != "":
		place = "the IANA name of the place whose clocks are meant, such as Europe/Berlin"
	default:
		return nil
	}
	return &Doubt{v1alpha1.ReasonFixedTimeZone, field, fmt.Sprintf(
		"%s: %s has no daylight saving time, so that hours are an hour off all summer where clocks change: write %s", field, zone, place)}
}

// Doubts are those about the hours of a plan.
func Doubts(spec v1alpha1.SupportPlanSpec) []Doubt {
	given := spec.OperatingHours
	if given == nil {
		return nil
	}
	var doubts []Doubt
	if doubt := ZoneDoubt("spec.operatingHours.timeZone", given.TimeZone); doubt != nil {
		doubts = append(doubts, *doubt)
	}
	hours := effectiveHours(spec)
	if _, err := LoadZone(hours.TimeZone); err != nil {
		return doubts // which is worse than doubtful
	}
	if given.Holidays == "" && hours.Holidays == v1alpha1.USFederal && !ptr.Deref(hours.AlwaysOn, false) && !inUnitedStates(hours.TimeZone) {
		doubts = append(doubts, Doubt{v1alpha1.ReasonFederalHolidaysAbroad, "spec.operatingHours.holidays", fmt.Sprintf(
			"spec.operatingHours.holidays: by default nobody works on the federal holidays of the United States, also in %s: write the code of a country, such as DE, or None, or USFederal if that is meant", hours.TimeZone)})
	}
	return doubts
}

// DoubtFinding is the condition for some doubts; false if there are none.
func DoubtFinding(doubts []Doubt) (conditions.Finding, bool) {
	if len(doubts) == 0 {
		return conditions.Finding{}, false
	}
	var messages []string
	for _, doubt := range doubts {
		messages = append(messages, doubt.Message)
	}
	return conditions.True(v1alpha1.ConditionHoursDoubtful, doubts[0].Reason, strings.Join(messages, "; ")), true
}

// american are the time zones of the United States and its territories under America and Pacific,
// besides those in Indiana, Kentucky and North Dakota.
var american = map[v1alpha1.TimeZone]bool{
	"America/New_York": true, "America/Detroit": true, "America/Louisville": true, "America/Fort_Wayne": true, "America/Indianapolis": true, "America/Chicago": true,
	"America/Menominee": true, "America/Knox_IN": true, "America/Denver": true, "America/Shiprock": true, "America/Boise": true, "America/Phoenix": true,
	"America/Los_Angeles": true, "America/Anchorage": true, "America/Juneau": true, "America/Sitka": true, "America/Metlakatla": true, "America/Yakutat": true,
	"America/Nome": true, "America/Adak": true, "America/Atka": true, "America/Puerto_Rico": true, "America/St_Thomas": true, "America/Virgin": true,
	"Pacific/Honolulu": true, "Pacific/Johnston": true, "Pacific/Guam": true, "Pacific/Saipan": true, "Pacific/Pago_Pago": true, "Pacific/Samoa": true,
	"EST": true, "MST": true, "HST": true, "EST5EDT": true, "CST6CDT": true, "MST7MDT": true, "PST8PDT": true,
}

// inUnitedStates reports whether a time zone is one of the United States, or of no country.
func inUnitedStates(zone v1alpha1.TimeZone) bool {
	for _, prefix := range []string{"US/", "America/Indiana/", "America/Kentucky/", "America/North_Dakota/", "Etc/"} {
		if strings.HasPrefix(string(zone), prefix) {
			return true
		}
	}
	return american[zone] || !strings.Contains(string(zone), "/")
}
