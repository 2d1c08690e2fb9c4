package support

import (
	"fmt"
	"slices"
	"strconv"
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
// year. The contract itself writes EST for Eastern Time.
var meant = map[v1alpha1.TimeZone]string{
	"EST": "America/New_York", "MST": "America/Denver",
	"GMT": "Europe/London", "GMT0": "Europe/London", "GMT+0": "Europe/London", "GMT-0": "Europe/London", "Greenwich": "Europe/London",
	"Etc/GMT": "Europe/London", "Etc/GMT0": "Europe/London", "Etc/GMT+0": "Europe/London", "Etc/GMT-0": "Europe/London", "Etc/Greenwich": "Europe/London",
}

// behind and ahead are places so many hours behind UTC, and ahead of it, in winter.
var (
	behind = map[int]string{3: "America/Sao_Paulo", 4: "America/Halifax", 5: "America/New_York", 6: "America/Chicago", 7: "America/Denver", 8: "America/Los_Angeles", 9: "America/Anchorage", 10: "Pacific/Honolulu"}
	ahead  = map[int]string{
		1: "Europe/Berlin", 2: "Europe/Athens", 3: "Asia/Riyadh", 4: "Asia/Dubai", 5: "Asia/Karachi", 6: "Asia/Dhaka", 7: "Asia/Bangkok", 8: "Asia/Singapore", 9: "Asia/Tokyo",
		10: "Australia/Sydney", 12: "Pacific/Auckland",
	}
)

// offsetOf is by how many hours a zone of which the name is its offset is ahead of UTC: by as many as its name has
// with the opposite sign.
func offsetOf(zone v1alpha1.TimeZone) (hours int, ok bool) {
	given, ok := strings.CutPrefix(string(zone), "Etc/GMT")
	hours, err := strconv.Atoi(given)
	return -hours, ok && err == nil && hours != 0
}

// ZoneDoubt is the doubt about a time zone in a field; nil if there is none.
func ZoneDoubt(field string, zone v1alpha1.TimeZone) *Doubt {
	doubt := func(message string) *Doubt {
		return &Doubt{v1alpha1.ReasonFixedTimeZone, field, fmt.Sprintf("%s: %s %s", field, zone, message)}
	}
	if place, known := meant[zone]; known {
		return doubt("has no daylight saving time, so that hours are an hour off all summer where clocks change: write " + place + ", if that is meant")
	}
	hours, fixed := offsetOf(zone)
	if !fixed {
		return nil
	}
	here, there := ahead[hours], behind[hours]
	if hours < 0 {
		here, there = behind[-hours], ahead[-hours]
	}
	places := slices.DeleteFunc([]string{here, there}, func(place string) bool { return place == "" })
	meant := "the IANA name of the place whose clocks are meant"
	if len(places) > 0 {
		meant = strings.Join(places, ", or ") + ", if that is meant"
	}
	return doubt(fmt.Sprintf("is UTC%+d, whatever its sign suggests, and has no daylight saving time: write %s", hours, meant))
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
	"EST": true, "MST": true, "HST": true, "Navajo": true, "EST5EDT": true, "CST6CDT": true, "MST7MDT": true, "PST8PDT": true,
}

// inUnitedStates reports whether a time zone is one of the United States, or of no country.
func inUnitedStates(zone v1alpha1.TimeZone) bool {
	for _, prefix := range []string{"US/", "America/Indiana/", "America/Kentucky/", "America/North_Dakota/"} {
		if strings.HasPrefix(string(zone), prefix) {
			return true
		}
	}
	hours, _ := offsetOf(zone)
	return american[zone] || hours <= -5 || slices.Contains([]string{"UTC", "UCT", "Universal", "Zulu"}, strings.TrimPrefix(string(zone), "Etc/"))
}
