package tenant

import (
	"cmp"
	_ "embed"
	"slices"
	"time"

	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/support"
)

// Contract is support.json in the ConfigMap dispel-support: a partner's support
// contract as the engine and the widget read it. ContractSchema describes it.
type Contract struct {
	// Version is the version of this format.
	Version string `json:"version"`
	// Partner is whose contract it is.
	Partner ContractPartner `json:"partner"`
	// Plan is the plan in force.
	Plan ContractPlan `json:"plan"`
	// Hours are when Dispel's personnel are at work.
	Hours ContractHours `json:"hours"`
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
	Widget ContractWidget `json:"widget"`
}

// ContractPartner is whose contract it is.
type ContractPartner struct {
	Name         string                `json:"name"`
	DisplayName  string                `json:"displayName"`
	ChannelModel v1alpha1.ChannelModel `json:"channelModel"`
}

// ContractPlan is the plan in force.
type ContractPlan struct {
	Name      string        `json:"name"`
	Tier      v1alpha1.Tier `json:"tier"`
	PolicyURL string        `json:"policyURL,omitempty"`
	// SharedResponsibilityURL is a page on who is responsible for what.
	SharedResponsibilityURL string `json:"sharedResponsibilityURL,omitempty"`
	// TrainingMaterials are those that Dispel supplies.
	TrainingMaterials []v1alpha1.TrainingMaterial `json:"trainingMaterials,omitempty"`
}

// ContractHours are operating hours, with the holidays of this year and the next
// worked out.
type ContractHours struct {
	AlwaysOn bool `json:"alwaysOn"`
	// Limited tells that there are P-CSMs, and fewer than the plan requires for these
	// hours: promise nobody that they are kept.
	Limited  bool                 `json:"limited,omitempty"`
	TimeZone v1alpha1.TimeZone    `json:"timeZone,omitempty"`
	Days     []v1alpha1.DayOfWeek `json:"days,omitempty"`
	Opens    v1alpha1.TimeOfDay   `json:"opens,omitempty"`
	Closes   v1alpha1.TimeOfDay   `json:"closes,omitempty"`
	Holidays []support.Holiday    `json:"holidays,omitempty"`
	Closures []v1alpha1.Date      `json:"closures,omitempty"`
}

// ContractWidget is the support widget.
type ContractWidget struct {
	// Enabled tells whether the sub-domain has the widget.
	Enabled bool `json:"enabled"`
	// Path is the path of the widget on the sub-domain.
	Path string `json:"path,omitempty"`
}

// ContractVersion is the version of the format of support.json.
const ContractVersion = "v1"

// ContractSchema is the JSON Schema of support.json.
//
//go:embed support.schema.json
var ContractSchema []byte

// NewContract puts a partner's contract together. counted are the allocations in
// force. It depends on the year for the holidays, and on the time in no other way.
func NewContract(partner *v1alpha1.Partner, plan *v1alpha1.SupportPlan, effective v1alpha1.EffectivePlan,
	counted []v1alpha1.PCSMAllocation, widget bool, now time.Time,
) Contract {
	hours := effective.OperatingHours
	var allocated v1alpha1.FTE
	for _, allocation := range counted {
		allocated += allocation.Spec.FTE
	}
	contract := Contract{
		Version: ContractVersion,
		Partner: ContractPartner{partner.Name, partner.Spec.DisplayName, partner.Spec.ChannelModel},
		Plan:    ContractPlan{plan.Name, plan.Spec.Tier, plan.Spec.PolicyURL, plan.Spec.SharedResponsibilityURL, plan.Spec.TrainingMaterials},
		Hours: ContractHours{
			AlwaysOn: ptr.Deref(hours.AlwaysOn, false),
			TimeZone: hours.TimeZone, Days: hours.Days, Opens: hours.Opens, Closes: hours.Closes,
			Closures: hours.Closures,
			Limited:  len(counted) > 0 && staffing.Judge(0, allocated, effective.Staffing).BelowMinimum(),
		},
		ResponseTargets:  slices.Clone(plan.Spec.ResponseTargets),
		Languages:        languages(counted),
		Responsibilities: support.Responsibilities(partner.Spec.ChannelModel, len(counted) > 0),
		AddOns:           partner.Spec.AddOns,
		Widget:           ContractWidget{Enabled: widget},
	}
	if contract.ResponseTargets == nil {
		contract.ResponseTargets = []v1alpha1.ResponseTarget{}
	}
	for i := range contract.ResponseTargets {
		contract.ResponseTargets[i].Clock = cmp.Or(contract.ResponseTargets[i].Clock, v1alpha1.ClockOperatingHours)
	}
	slices.SortFunc(contract.ResponseTargets, func(a, b v1alpha1.ResponseTarget) int { return int(a.Severity - b.Severity) })
	if hours.Holidays == v1alpha1.USFederal {
		year := now.UTC().Year()
		contract.Hours.Holidays = slices.Concat(support.FederalHolidays(year, hours.Days), support.FederalHolidays(year+1, hours.Days))
	}
	if widget {
		contract.Widget.Path = WidgetPath
	}
	return contract
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
