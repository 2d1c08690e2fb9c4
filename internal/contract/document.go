package contract

import (
	"cmp"
	_ "embed"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/support"
)

// Document is support.json in the ConfigMap dispel-support: a partner's support
// contract as the engine and the widget read it. Schema describes it.
type Document struct {
	// Version is the version of this format.
	Version string `json:"version"`
	// Partner is whose contract it is.
	Partner DocumentPartner `json:"partner"`
	// Plan is the plan in force.
	Plan DocumentPlan `json:"plan"`
	// Hours are when Dispel's personnel are at work.
	Hours DocumentHours `json:"hours"`
	// ResponseTargets are the times within which Dispel answers, the gravest
	// severity first; none if the plan names none.
	ResponseTargets []v1alpha1.ResponseTarget `json:"responseTargets"`
	// Languages are what the active P-CSMs speak, as sorted BCP 47 tags.
	Languages []v1alpha1.Language `json:"languages"`
	// Responsibilities say who does which kind of work.
	Responsibilities []v1alpha1.Responsibility `json:"responsibilities"`
	// AddOns are the services contracted beside the plan.
	AddOns *v1alpha1.AddOns `json:"addOns,omitempty"`
	// Widget is the support widget.
	Widget DocumentWidget `json:"widget"`
}

// DocumentPartner is whose contract it is.
type DocumentPartner struct {
	Name         string                `json:"name"`
	DisplayName  string                `json:"displayName"`
	ChannelModel v1alpha1.ChannelModel `json:"channelModel"`
}

// DocumentPlan is the plan in force.
type DocumentPlan struct {
	Name      string        `json:"name"`
	Tier      v1alpha1.Tier `json:"tier"`
	PolicyURL string        `json:"policyURL,omitempty"`
	// SharedResponsibilityURL is a page on who is responsible for what.
	SharedResponsibilityURL string `json:"sharedResponsibilityURL,omitempty"`
	// TrainingMaterials are those that Dispel supplies.
	TrainingMaterials []v1alpha1.TrainingMaterial `json:"trainingMaterials,omitempty"`
}

// DocumentHours are operating hours, with the holidays of this year and the next
// worked out.
type DocumentHours struct {
	AlwaysOn bool `json:"alwaysOn"`
	// Limited tells that there are P-CSMs, and fewer than the plan requires for these
	// hours: promise nobody that they are kept.
	Limited  bool              `json:"limited,omitempty"`
	TimeZone v1alpha1.TimeZone `json:"timeZone,omitempty"`
	// Windows are the hours of a regular week, in the second version of this format.
	Windows []v1alpha1.HoursWindow `json:"windows,omitempty"`
	// Days, Opens and Closes are the window, in the first version of this format.
	Days     []v1alpha1.DayOfWeek `json:"days,omitempty"`
	Opens    v1alpha1.TimeOfDay   `json:"opens,omitempty"`
	Closes   v1alpha1.TimeOfDay   `json:"closes,omitempty"`
	Holidays []support.Holiday    `json:"holidays,omitempty"`
	Closures []v1alpha1.Date      `json:"closures,omitempty"`
	// SpecialDays go before all of these.
	SpecialDays []v1alpha1.SpecialDay `json:"specialDays,omitempty"`
}

// DocumentWidget is the support widget.
type DocumentWidget struct {
	// Enabled reports whether the sub-domain has the widget.
	Enabled bool `json:"enabled"`
	// Path is the path of the widget on the sub-domain.
	Path string `json:"path,omitempty"`
}

// Versions of the format of support.json. What a reader of the first does not know is in documents
// of the second alone: hours in windows, and special days.
const (
	DocumentVersion        = "v1"
	DocumentWindowsVersion = "v2"
)

// Schema is the JSON Schema of support.json.
//
//go:embed support.schema.json
var Schema []byte

// NewDocument puts a partner's contract together, by a judgement with Terms. widgetPath is
// where the support widget is on the sub-domain; empty if it has none. It depends on the year
// for the holidays, and on the time in no other way.
func NewDocument(partner *v1alpha1.Partner, plan *v1alpha1.SupportPlan, judged *Judgement, widgetPath string, now time.Time) Document {
	hours := judged.Terms.OperatingHours
	document := Document{
		Version: DocumentVersion,
		Partner: DocumentPartner{partner.Name, partner.Spec.DisplayName, partner.Spec.ChannelModel},
		Plan:    DocumentPlan{plan.Name, plan.Spec.Tier, plan.Spec.PolicyURL, plan.Spec.SharedResponsibilityURL, plan.Spec.TrainingMaterials},
		Hours: DocumentHours{
			AlwaysOn: ptr.Deref(hours.AlwaysOn, false),
			TimeZone: hours.TimeZone,
			Closures: hours.Closures, SpecialDays: hours.SpecialDays,
			Limited: judged.HoursLimited(),
		},
		ResponseTargets:  slices.Clone(plan.Spec.ResponseTargets),
		Languages:        languages(judged.Active),
		Responsibilities: support.Responsibilities(partner.Spec.ChannelModel, judged.Allocated > 0),
		AddOns:           partner.Spec.AddOns,
		Widget:           DocumentWidget{Enabled: widgetPath != "", Path: widgetPath},
	}
	if document.ResponseTargets == nil {
		document.ResponseTargets = []v1alpha1.ResponseTarget{}
	}
	for i := range document.ResponseTargets {
		document.ResponseTargets[i].Clock = ClockOf(document.ResponseTargets[i])
	}
	slices.SortFunc(document.ResponseTargets, func(a, b v1alpha1.ResponseTarget) int { return int(a.Severity - b.Severity) })
	switch windows := support.Windows(hours); {
	case len(windows) > 1 || len(windows) == 1 && windows[0].Opens >= windows[0].Closes || len(hours.SpecialDays) > 0:
		document.Version, document.Hours.Windows = DocumentWindowsVersion, windows
	case len(windows) == 1:
		document.Hours.Days, document.Hours.Opens, document.Hours.Closes = windows[0].Days, windows[0].Opens, windows[0].Closes
	}
	year := now.UTC().Year()
	document.Hours.Holidays = slices.Concat(support.HolidaysOf(hours, year), support.HolidaysOf(hours, year+1))
	return document
}

// ClockOf is the clock on which a response target runs: the plan's hours, unless it says
// otherwise (read out of "Customer Success Manager (P-CSM)").
func ClockOf(target v1alpha1.ResponseTarget) v1alpha1.ResponseClock {
	return cmp.Or(target.Clock, v1alpha1.ClockOperatingHours)
}

// languages are those of all allocations, each once, in order.
func languages(allocations []v1alpha1.PCSMAllocation) []v1alpha1.Language {
	spoken := []v1alpha1.Language{}
	for _, allocation := range allocations {
		if l := allocation.Spec.Localization; l != nil {
			spoken = append(spoken, l.Languages...)
		}
	}
	slices.Sort(spoken)
	return slices.Compact(spoken)
}
