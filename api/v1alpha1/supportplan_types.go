package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Tier is a level of Dispel's support ("Customer Success Manager (P-CSM)",
// Service Level Agreements).
//
// +kubebuilder:validation:Enum=Basic;Premium;MissionCritical
type Tier string

// The tiers.
const (
	Basic           Tier = "Basic"
	Premium         Tier = "Premium"
	MissionCritical Tier = "MissionCritical"
)

// SupportPlan is an entry in the catalogue of support plans. Many Partners can reference
// it, as PersistentVolumeClaims reference a StorageClass. Fields that it omits default to
// the values of its tier, and the status shows the result.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=splan,categories=dispel
// +kubebuilder:metadata:annotations="partner.dispel.com/schema-revision=3"
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.spec.tier`
// +kubebuilder:printcolumn:name="Hours",type=string,priority=1,JSONPath=`.status.hours`,description="When support is offered"
// +kubebuilder:printcolumn:name="Minimum FTE",type=number,priority=1,JSONPath=`.status.effective.staffing.minimumFTE`,description="Minimum P-CSM staffing, in FTE"
// +kubebuilder:printcolumn:name="Partners",type=integer,JSONPath=`.status.totals.partners`,description="Partners on this plan"
// +kubebuilder:printcolumn:name="Customers",type=integer,JSONPath=`.status.totals.customers`,description="Their customers"
// +kubebuilder:printcolumn:name="Over Capacity",type=integer,JSONPath=`.status.totals.overCapacity`,description="Partners with more customers than their P-CSMs support"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type SupportPlan struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec describes what the plan promises.
	// +required
	Spec SupportPlanSpec `json:"spec,omitzero"`
	// status reports the complete plan and its use.
	// +optional
	Status SupportPlanStatus `json:"status,omitzero"`
}

// SupportPlanList is a list of SupportPlans.
//
// +kubebuilder:object:root=true
type SupportPlanList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SupportPlan `json:"items"`
}

// SupportPlanSpec describes what a plan promises.
//
// +kubebuilder:validation:XValidation:rule="self.tier == 'Basic' || !has(self.operatingHours) || (has(self.operatingHours.alwaysOn) && self.operatingHours.alwaysOn) || (has(self.operatingHours.timeZone) && (has(self.operatingHours.windows) || has(self.operatingHours.opens) && has(self.operatingHours.closes) && has(self.operatingHours.days)))",fieldPath=".operatingHours",messageExpression="'the tier ' + self.tier + ' is at work around the clock, so there are no hours to fill the gaps from: write timeZone, days, opens and closes (or windows), or alwaysOn: true, or remove operatingHours'"
type SupportPlanSpec struct {
	// tier is the level of support, which sets the defaults of the plan. Immutable:
	// create another plan and reference it from the Partners.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",messageExpression="'the tier of a plan cannot change from ' + oldSelf + ' to ' + self + ', since partners rely on it: make a new SupportPlan and point supportPlanRef of its partners there'"
	Tier Tier `json:"tier,omitempty"`

	// operatingHours specify the hours in which support is offered. Defaults to the tier's hours,
	// field by field.
	// +optional
	OperatingHours *OperatingHours `json:"operatingHours,omitempty"`

	// staffing specifies how many P-CSMs the plan requires. Defaults to the tier's
	// staffing, field by field.
	// +optional
	Staffing *PlanStaffing `json:"staffing,omitempty"`

	// responseTargets are the times within which Dispel responds. The tiers have no
	// defaults: if omitted, Dispel's Support Policy applies.
	// +optional
	// +listType=map
	// +listMapKey=severity
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	ResponseTargets []ResponseTarget `json:"responseTargets,omitempty"`

	// policyURL is the https URL of the Support Policy.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && url(self).getHostname() != ''",message="this is no address that a customer can open: write an https URL, such as https://www.example.com/support-policy"
	PolicyURL string `json:"policyURL,omitempty"`

	// sharedResponsibilityURL is the https URL of a page on who is responsible for
	// what.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && url(self).getHostname() != ''",message="this is no address that a customer can open: write an https URL, such as https://www.example.com/shared-responsibility"
	SharedResponsibilityURL string `json:"sharedResponsibilityURL,omitempty"`

	// trainingMaterials are the materials that Dispel supplies for tasks in which its
	// role is Documentation and Training.
	// +optional
	// +listType=map
	// +listMapKey=title
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	TrainingMaterials []TrainingMaterial `json:"trainingMaterials,omitempty"`

	// customerCountMaxAge is the age from which a partner's customerCount is stale,
	// in hours and minutes, such as 720h. If omitted, it never is.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}h)?([0-9]{1,6}m)?$') && duration(self) >= duration('1m')",message="this is no age of a count: write hours and minutes, at least one minute, such as 24h or 720h"
	CustomerCountMaxAge string `json:"customerCountMaxAge,omitempty"`

	// changeWindows are the only times at which a change of the operator's defaults may reach a partner
	// that is served, in the time zone of operatingHours; UTC if they have none. If omitted, it may at any time.
	// A Partner's own changes, hand-overs and repairs do not wait.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=14
	ChangeWindows []ChangeWindow `json:"changeWindows,omitempty"`
}

// ChangeWindow is a time at which changes are welcome on some days of the week. It belongs to the day on
// which it opens.
//
// +kubebuilder:validation:XValidation:rule="self.opens != self.closes",fieldPath=".closes",message="a window that closes when it opens never opens: write another closes, or remove changeWindows to take changes at any time"
type ChangeWindow struct {
	// days are the days of the week on which the window opens.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=7
	Days []DayOfWeek `json:"days,omitempty"`

	// opens is when the window opens, in 24-hour HH:MM format.
	// +required
	// +kubebuilder:validation:XValidation:rule="self != '24:00'",message="24:00 is the end of a day: write 00:00, and the following days of the week"
	Opens TimeOfDay `json:"opens,omitempty"`

	// closes is when it closes, in 24-hour HH:MM format. If it is not after opens, the window
	// closes on the next day.
	// +required
	Closes TimeOfDay `json:"closes,omitempty"`
}

// TrainingMaterial is material that Dispel supplies ("Partner Support Enablement", Role
// Descriptions).
type TrainingMaterial struct {
	// title is the title of the material.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Title string `json:"title,omitempty"`

	// url is the https URL of the material.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && url(self).getHostname() != ''",message="this is no address that somebody can open: write an https URL, such as https://docs.example.com/wicket"
	URL string `json:"url,omitempty"`

	// tasks are the tasks that the material is about.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=12
	Tasks []TaskName `json:"tasks,omitempty"`
}

// TaskName is a task category of the responsibility matrix ("Partner Support
// Enablement", RACI Matrix).
//
// +kubebuilder:validation:Enum=UserAccountManagement;UserAccessManagement;CustomerCommunication;EndUserSupport;WicketDeployment;TrainingAndOnboarding;VirtualDesktopStackManagement;NetworkConnectivity;WicketUpdates;EngineBugs;EngineSecurityPatches;InfrastructureOutages
type TaskName string

// The tasks, in the order of the matrix.
const (
	UserAccountManagement         TaskName = "UserAccountManagement"
	UserAccessManagement          TaskName = "UserAccessManagement"
	CustomerCommunication         TaskName = "CustomerCommunication"
	EndUserSupport                TaskName = "EndUserSupport"
	WicketDeployment              TaskName = "WicketDeployment"
	TrainingAndOnboarding         TaskName = "TrainingAndOnboarding"
	VirtualDesktopStackManagement TaskName = "VirtualDesktopStackManagement"
	NetworkConnectivity           TaskName = "NetworkConnectivity"
	WicketUpdates                 TaskName = "WicketUpdates"
	EngineBugs                    TaskName = "EngineBugs"
	EngineSecurityPatches         TaskName = "EngineSecurityPatches"
	InfrastructureOutages         TaskName = "InfrastructureOutages"
)

// OperatingHours specify when P-CSMs are at work: around the clock, in a daily
// window on some days of the week, or in windows of their own for each day.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!(has(self.alwaysOn) && self.alwaysOn) || !(has(self.timeZone) || has(self.days) || has(self.opens) || has(self.closes) || has(self.windows) || has(self.holidays) || has(self.closures) || has(self.specialDays))",message="a plan that is always on has no other hours: remove timeZone, days, opens, closes, windows, holidays, closures and specialDays, or remove alwaysOn"
// +kubebuilder:validation:XValidation:rule="!has(self.closures) || !has(self.specialDays) || self.closures.all(c, self.specialDays.all(s, c < s.from || c > (has(s.until) ? s.until : s.from)))",fieldPath=".specialDays",message="a date is in closures, too: leave it in one of them"
// +kubebuilder:validation:XValidation:rule="!has(self.windows) || !(has(self.days) || has(self.opens) || has(self.closes))",fieldPath=".windows",message="windows have days and times of their own: remove days, opens and closes, or write them instead of windows"
// +kubebuilder:validation:XValidation:rule="!(has(self.opens) || has(self.closes)) || (has(self.opens) ? self.opens : '09:00') < (has(self.closes) ? self.closes : '17:00')",fieldPath=".opens",messageExpression="'work would start at ' + (has(self.opens) ? self.opens : '09:00') + ' and end at ' + (has(self.closes) ? self.closes : '17:00') + ': write an opens that is before closes, or windows, which can pass midnight'"
type OperatingHours struct {
	// alwaysOn means around the clock, every day. If true, omit the other fields.
	// +optional
	AlwaysOn *bool `json:"alwaysOn,omitempty"`

	// timeZone is the time zone of opens and closes. Daylight saving time applies.
	// +optional
	TimeZone TimeZone `json:"timeZone,omitempty"`

	// days are the days of the week on which P-CSMs work.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=7
	Days []DayOfWeek `json:"days,omitempty"`

	// opens is when work starts, in 24-hour HH:MM format.
	// +optional
	Opens TimeOfDay `json:"opens,omitempty"`

	// closes is when work ends, in 24-hour HH:MM format, at most 24:00.
	// +optional
	Closes TimeOfDay `json:"closes,omitempty"`

	// windows are the times at which P-CSMs work, several a day if need be, instead of days,
	// opens and closes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=14
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.filter(b, a.days.exists(d, d in b.days) && a.opens < (b.closes <= b.opens ? '24:00' : b.closes) && b.opens < (a.closes <= a.opens ? '24:00' : a.closes)).size() <= 1)",message="two windows of a day overlap: let one close before the other opens, or write one window"
	Windows []HoursWindow `json:"windows,omitempty"`

	// holidays are the public holidays on which P-CSMs do not work: USFederal, None, or the national
	// ones of a country by its ISO 3166 code, such as DE, GB or JP.
	// +optional
	Holidays HolidayCalendar `json:"holidays,omitempty"`

	// closures are additional dates without operating hours.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Closures []Date `json:"closures,omitempty"`

	// specialDays are dates with hours of their own, such as a short day before a holiday, and
	// ranges of closed days. They go before windows, days and holidays.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.filter(b, a.from <= (has(b.until) ? b.until : b.from) && b.from <= (has(a.until) ? a.until : a.from)).size() <= 1)",message="two special days are about the same date: write each date once"
	SpecialDays []SpecialDay `json:"specialDays,omitempty"`
}

// HoursWindow is a time at which P-CSMs work on some days of the week. It belongs to the
// day on which it opens.
//
// +kubebuilder:validation:XValidation:rule="self.opens != self.closes",fieldPath=".closes",message="a window that closes when it opens has no length: write another closes, or alwaysOn: true for hours around the clock"
type HoursWindow struct {
	// days are the days of the week on which the window opens.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=7
	Days []DayOfWeek `json:"days,omitempty"`

	// opens is when work starts, in 24-hour HH:MM format.
	// +required
	// +kubebuilder:validation:XValidation:rule="self != '24:00'",message="24:00 is the end of a day: write 00:00, and the following days of the week"
	Opens TimeOfDay `json:"opens,omitempty"`

	// closes is when work ends, in 24-hour HH:MM format. If it is not after opens, the window
	// closes on the next day.
	// +required
	Closes TimeOfDay `json:"closes,omitempty"`
}

// SpecialDay is a date, or a range of dates, with operating hours of its own: those from
// opens to closes, or none.
//
// +kubebuilder:validation:XValidation:rule="!has(self.until) || self.from <= self.until",fieldPath=".until",message="the special days would end before they begin: write an until that is from or later"
// +kubebuilder:validation:XValidation:rule="!has(self.until) || self.until < self.from || self.until - self.from < duration('8784h')",fieldPath=".until",message="special days last 366 days at most: write an earlier until, or change the hours of the plan"
// +kubebuilder:validation:XValidation:rule="has(self.opens) == has(self.closes)",message="a short day has both opens and closes, and a closed one neither: write both, or remove both"
// +kubebuilder:validation:XValidation:rule="!has(self.opens) || !has(self.closes) || self.opens != self.closes",fieldPath=".closes",message="a day that closes when it opens has no hours: write another closes, or remove opens and closes for a closed day"
type SpecialDay struct {
	// from is the first date, in the plan's time zone.
	// +required
	From Date `json:"from,omitempty"`

	// until is the last date. Defaults to from.
	// +optional
	Until Date `json:"until,omitempty"`

	// opens is when work starts on each of the dates, in 24-hour HH:MM format. If omitted,
	// nobody works on them.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self != '24:00'",message="24:00 is the end of a day: write 00:00, and the following date"
	Opens TimeOfDay `json:"opens,omitempty"`

	// closes is when work ends, in 24-hour HH:MM format. If it is not after opens, work ends on
	// the next day.
	// +optional
	Closes TimeOfDay `json:"closes,omitempty"`
}

// DayOfWeek is a day of the week by its English name.
//
// +kubebuilder:validation:Enum=Monday;Tuesday;Wednesday;Thursday;Friday;Saturday;Sunday
type DayOfWeek string

// TimeOfDay is a time of day in 24-hour HH:MM format, from 00:00 to 24:00.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=5
// +kubebuilder:validation:XValidation:rule="self.matches('^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$')",message="this is no time of the day: write 24-hour HH:MM, such as 09:00 or 17:30"
type TimeOfDay string

// HolidayCalendar is a set of public holidays: USFederal, None, or the national ones of a country
// by its ISO 3166 code.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=16
// +kubebuilder:validation:XValidation:rule="self in ['USFederal', 'None', 'AR', 'AT', 'BE', 'BG', 'BR', 'CA', 'CH', 'CZ', 'DE', 'DK', 'ES', 'FR', 'GB', 'GR', 'HR', 'IE', 'IT', 'JP', 'LT', 'LV', 'MW', 'NC', 'NL', 'NO', 'NZ', 'PL', 'RO', 'RU', 'SE', 'SI', 'SK', 'UA', 'ZA']",messageExpression="'the calendar ' + self + ' is unknown: write USFederal, None, or the ISO 3166 code of one of these countries: AR, AT, BE, BG, BR, CA, CH, CZ, DE, DK, ES, FR, GB, GR, HR, IE, IT, JP, LT, LV, MW, NC, NL, NO, NZ, PL, RO, RU, SE, SI, SK, UA, ZA'"
type HolidayCalendar string

// The holiday calendars.
const (
	// USFederal are the federal holidays of the United States. A holiday on one of
	// the plan's days closes the plan on that day; any other closes it on the day on
	// which the holiday is observed. National calendars go by the same rule.
	USFederal HolidayCalendar = "USFederal"
	// NoHolidays is a calendar without holidays.
	NoHolidays HolidayCalendar = "None"
)

// PlanStaffing specifies how many P-CSMs a plan requires.
//
// +kubebuilder:validation:MinProperties=1
type PlanStaffing struct {
	// minimumFTE is the minimum staffing of a partner that has P-CSMs, in FTE.
	// Defaults to 0.5 in the tier Basic, and to 3 in the others.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 0.5",message="the least staffing on offer is 0.5 FTE: write 0.5 or more, or remove minimumFTE to keep the tier's"
	// +kubebuilder:validation:XValidation:rule="self <= 1000.0",message="this is more than the operator counts: write at most 1000"
	// +kubebuilder:validation:XValidation:rule="self * 2.0 == double(int(self * 2.0))",message="P-CSMs come in units of 0.5 FTE: write a multiple of 0.5, such as 0.5, 1 or 1.5"
	MinimumFTE *FTE `json:"minimumFTE,omitempty"`

	// customersPerFTE is how many customers one FTE supports.
	// +optional
	CustomersPerFTE *CustomersPerFTE `json:"customersPerFTE,omitempty"`

	// enforcement determines what happens while a partner's staffing is below the
	// minimum. Advisory, the default, only reports it. Required also keeps the
	// support widget disabled.
	// +optional
	Enforcement Enforcement `json:"enforcement,omitempty"`
}

// CustomersPerFTE is how many customers one FTE supports.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="(has(self.recommended) ? self.recommended : 10) <= (has(self.maximum) ? self.maximum : 15)",fieldPath=".recommended",message="an FTE would support more customers comfortably than at most: write a recommended that is at most maximum (10 and 15 are what is left out)"
type CustomersPerFTE struct {
	// recommended is how many customers one FTE comfortably supports. Defaults to
	// 10.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Recommended *int32 `json:"recommended,omitempty"`

	// maximum is how many customers one FTE supports at most. Defaults to 15.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Maximum *int32 `json:"maximum,omitempty"`
}

// Enforcement determines what happens while staffing is below the minimum.
//
// +kubebuilder:validation:Enum=Advisory;Required
type Enforcement string

// The enforcements.
const (
	// Advisory only reports staffing below the minimum.
	Advisory Enforcement = "Advisory"
	// Required also keeps the support widget disabled.
	Required Enforcement = "Required"
)

// ResponseTarget is the time within which Dispel responds at one severity.
type ResponseTarget struct {
	// severity is the severity level, from 1 (most severe) to 4.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4
	Severity int32 `json:"severity,omitempty"`

	// within is the time in hours and minutes, such as 30m, 4h or 1h30m.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,4}h)?([0-9]{1,6}m)?$') && duration(self) >= duration('1m')",message="this is no time to answer in: write hours and minutes, at least one minute, such as 30m, 4h or 1h30m"
	Within string `json:"within,omitempty"`

	// clock determines when the time counts: OperatingHours, the default, only during the plan's
	// operating hours, or Always, around the clock.
	// +optional
	Clock ResponseClock `json:"clock,omitempty"`
}

// ResponseClock determines when the time of a response target passes.
//
// +kubebuilder:validation:Enum=OperatingHours;Always
type ResponseClock string

// The clocks.
const (
	// ClockOperatingHours runs during the plan's operating hours, without holidays and
	// closures.
	ClockOperatingHours ResponseClock = "OperatingHours"
	// ClockAlways runs around the clock.
	ClockAlways ResponseClock = "Always"
)

// SupportPlanStatus reports the complete plan and its use.
type SupportPlanStatus struct {
	// observedGeneration is the metadata.generation that this status reflects.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// effective is the plan with omitted fields filled in from its tier. Absent
	// while Ready is False.
	// +optional
	Effective *EffectivePlan `json:"effective,omitempty"`

	// hours are the operating hours in one line, as printed by kubectl get.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Hours string `json:"hours,omitempty"`

	// totals are sums over the Partners on this plan. They lag behind by up to the
	// operator's --plan-totals-interval, 10 seconds by default.
	// +optional
	Totals *PlanTotals `json:"totals,omitempty"`

	// conditions report the state of the plan: Ready, Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`
}

// EffectivePlan is a plan with all defaults filled in.
type EffectivePlan struct {
	// operatingHours specify the hours in which support is offered.
	// +required
	OperatingHours OperatingHours `json:"operatingHours,omitzero"`

	// staffing specifies how many P-CSMs the plan requires.
	// +required
	Staffing EffectiveStaffing `json:"staffing,omitzero"`
}

// EffectiveStaffing is a plan's staffing with all defaults filled in.
type EffectiveStaffing struct {
	// minimumFTE is the minimum staffing of a partner that has P-CSMs, in FTE.
	// +required
	MinimumFTE FTE `json:"minimumFTE"`

	// recommendedCustomersPerFTE is how many customers one FTE comfortably supports.
	// +required
	// +kubebuilder:validation:Minimum=1
	RecommendedCustomersPerFTE int32 `json:"recommendedCustomersPerFTE,omitempty"`

	// maximumCustomersPerFTE is how many customers one FTE supports at most.
	// +required
	// +kubebuilder:validation:Minimum=1
	MaximumCustomersPerFTE int32 `json:"maximumCustomersPerFTE,omitempty"`

	// enforcement determines what happens while staffing is below the minimum.
	// +required
	Enforcement Enforcement `json:"enforcement,omitempty"`
}

// PlanTotals are sums over the partners on a plan.
type PlanTotals struct {
	// partners is the number of Partners on the plan.
	// +required
	// +kubebuilder:validation:Minimum=0
	Partners *int64 `json:"partners,omitempty"`

	// customers is the total number of customers of the Partners on the plan.
	// +required
	// +kubebuilder:validation:Minimum=0
	Customers *int64 `json:"customers,omitempty"`

	// allocatedFTE is the sum of status.staffing.allocatedFTE of the Partners on the
	// plan.
	// +required
	AllocatedFTE FTE `json:"allocatedFTE"`

	// overCapacity is the number of Partners on the plan that have more customers than
	// their P-CSMs support.
	// +required
	// +kubebuilder:validation:Minimum=0
	OverCapacity *int64 `json:"overCapacity,omitempty"`
}
