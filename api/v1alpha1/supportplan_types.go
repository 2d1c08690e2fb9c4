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

// SupportPlan is an entry of the catalogue of support plans, shared by partners
// as a StorageClass is by volumes. What it leaves out comes from its tier, and
// the status shows the result.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=splan,categories=dispel
// +kubebuilder:metadata:annotations="partner.dispel.com/schema-revision=2"
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.spec.tier`
// +kubebuilder:printcolumn:name="Hours",type=string,JSONPath=`.status.hours`,description="When P-CSMs are at work"
// +kubebuilder:printcolumn:name="Minimum FTE",type=number,JSONPath=`.status.effective.staffing.minimumFTE`,description="The least P-CSM staffing"
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

	// spec is what the plan promises.
	// +required
	Spec SupportPlanSpec `json:"spec,omitzero"`
	// status is the plan in full and what it is used for.
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

// SupportPlanSpec is what a plan promises.
//
// +kubebuilder:validation:XValidation:rule="self.tier == 'Basic' || !has(self.operatingHours) || (has(self.operatingHours.alwaysOn) && self.operatingHours.alwaysOn) || (has(self.operatingHours.opens) && has(self.operatingHours.closes) && has(self.operatingHours.days) && has(self.operatingHours.timeZone))",fieldPath=".operatingHours",messageExpression="'the tier ' + self.tier + ' is at work around the clock, so there are no hours to fill the gaps from: write timeZone, days, opens and closes, or alwaysOn: true, or remove operatingHours'"
type SupportPlanSpec struct {
	// tier is the level of support. It decides what the plan leaves out and
	// cannot be changed: make another plan and point the partners to it.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",messageExpression="'the tier of a plan cannot change from ' + oldSelf + ' to ' + self + ', since partners rely on it: make a new SupportPlan and point supportPlanRef of its partners there'"
	Tier Tier `json:"tier,omitempty"`

	// operatingHours are when P-CSMs are at work; those of the tier if they are
	// left out.
	// +optional
	OperatingHours *OperatingHours `json:"operatingHours,omitempty"`

	// staffing is how many P-CSMs the plan asks for; that of the tier if it is
	// left out.
	// +optional
	Staffing *PlanStaffing `json:"staffing,omitempty"`

	// responseTargets are the times within which Dispel answers. The tiers have
	// none of their own: they are in Dispel's Support Policy.
	// +optional
	// +listType=map
	// +listMapKey=severity
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	ResponseTargets []ResponseTarget `json:"responseTargets,omitempty"`

	// policyURL is where the Support Policy can be read, an https address.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() == 'https' && url(self).getHostname() != ''",message="this is no address that a customer can open: write an https URL, such as https://www.example.com/support-policy"
	PolicyURL string `json:"policyURL,omitempty"`
}

// OperatingHours are when P-CSMs are at work: around the clock, or in a daily
// window on some days of the week.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!(has(self.alwaysOn) && self.alwaysOn) || !(has(self.timeZone) || has(self.days) || has(self.opens) || has(self.closes) || has(self.holidays) || has(self.closures))",message="a plan that is always on has no other hours: remove timeZone, days, opens, closes, holidays and closures, or remove alwaysOn"
// +kubebuilder:validation:XValidation:rule="!(has(self.opens) || has(self.closes)) || (has(self.opens) ? self.opens : '09:00') < (has(self.closes) ? self.closes : '17:00')",fieldPath=".opens",messageExpression="'work would start at ' + (has(self.opens) ? self.opens : '09:00') + ' and end at ' + (has(self.closes) ? self.closes : '17:00') + ': write an opens that is before closes; a window cannot pass midnight'"
type OperatingHours struct {
	// alwaysOn means around the clock, every day. It excludes the other fields.
	// +optional
	AlwaysOn *bool `json:"alwaysOn,omitempty"`

	// timeZone is the zone that opens and closes are in. Daylight saving is kept.
	// +optional
	TimeZone TimeZone `json:"timeZone,omitempty"`

	// days are the days of the week.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=7
	Days []DayOfWeek `json:"days,omitempty"`

	// opens is when work starts, as 24-hour HH:MM.
	// +optional
	Opens TimeOfDay `json:"opens,omitempty"`

	// closes is when work ends, as 24-hour HH:MM, at most 24:00.
	// +optional
	Closes TimeOfDay `json:"closes,omitempty"`

	// holidays are the public holidays on which nobody works.
	// +optional
	Holidays HolidayCalendar `json:"holidays,omitempty"`

	// closures are further days on which nobody works.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Closures []Date `json:"closures,omitempty"`
}

// DayOfWeek is a day of the week by its English name.
//
// +kubebuilder:validation:Enum=Monday;Tuesday;Wednesday;Thursday;Friday;Saturday;Sunday
type DayOfWeek string

// TimeOfDay is a time of the day as 24-hour HH:MM, from 00:00 to 24:00.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=5
// +kubebuilder:validation:XValidation:rule="self.matches('^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$')",message="this is no time of the day: write 24-hour HH:MM, such as 09:00 or 17:30"
type TimeOfDay string

// HolidayCalendar is a set of public holidays.
//
// +kubebuilder:validation:Enum=USFederal;None
type HolidayCalendar string

// The calendars.
const (
	// USFederal are the federal holidays of the United States. A holiday on a day
	// of the week on which the plan works is on that day; another is on the day on
	// which it is observed.
	USFederal HolidayCalendar = "USFederal"
	// NoHolidays is a calendar without holidays.
	NoHolidays HolidayCalendar = "None"
)

// PlanStaffing is how many P-CSMs a plan asks for.
//
// +kubebuilder:validation:MinProperties=1
type PlanStaffing struct {
	// minimumFTE is the least staffing of a partner with P-CSMs.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 0.5",message="the least staffing on offer is 0.5 FTE: write 0.5 or more, or remove minimumFTE to keep the tier's"
	// +kubebuilder:validation:XValidation:rule="self <= 1000.0",message="this is more than the operator counts: write at most 1000"
	// +kubebuilder:validation:XValidation:rule="self * 2.0 == double(int(self * 2.0))",message="P-CSMs come in units of 0.5 FTE: write a multiple of 0.5, such as 0.5, 1 or 1.5"
	MinimumFTE *FTE `json:"minimumFTE,omitempty"`

	// customersPerFTE is how many customers one FTE supports.
	// +optional
	CustomersPerFTE *CustomersPerFTE `json:"customersPerFTE,omitempty"`

	// enforcement says what follows when a partner's staffing is below the
	// minimum: Advisory, which holds if it is left out, reports it; Required
	// keeps the support widget off as well.
	// +optional
	Enforcement Enforcement `json:"enforcement,omitempty"`
}

// CustomersPerFTE is how many customers one FTE supports.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="(has(self.recommended) ? self.recommended : 10) <= (has(self.maximum) ? self.maximum : 15)",fieldPath=".recommended",message="an FTE would support more customers comfortably than at most: write a recommended that is at most maximum (10 and 15 are what is left out)"
type CustomersPerFTE struct {
	// recommended is up to how many one FTE supports comfortably; 10 if it is
	// left out.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Recommended *int32 `json:"recommended,omitempty"`

	// maximum is how many one FTE supports at most; 15 if it is left out.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Maximum *int32 `json:"maximum,omitempty"`
}

// Enforcement says what follows from too little staffing.
//
// +kubebuilder:validation:Enum=Advisory;Required
type Enforcement string

// The enforcements.
const (
	// Advisory reports.
	Advisory Enforcement = "Advisory"
	// Required reports, and keeps the support widget off below the minimum.
	Required Enforcement = "Required"
)

// ResponseTarget is the time within which Dispel answers at one severity.
type ResponseTarget struct {
	// severity is 1, the gravest, to 4.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4
	Severity int32 `json:"severity,omitempty"`

	// within is the time, such as 30m or 4h.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,4}h)?([0-9]{1,6}m)?$') && duration(self) >= duration('1m')",message="this is no time to answer in: write hours and minutes, at least one minute, such as 30m, 4h or 1h30m"
	Within string `json:"within,omitempty"`
}

// SupportPlanStatus is a plan in full and what it is used for.
type SupportPlanStatus struct {
	// observedGeneration is the generation of the spec that the status is about.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// effective is the plan with what it leaves out filled in from its tier;
	// absent while the plan is inconsistent.
	// +optional
	Effective *EffectivePlan `json:"effective,omitempty"`

	// hours are the operating hours in a line, for the table.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Hours string `json:"hours,omitempty"`

	// totals are over the partners on this plan. They trail the partners by some
	// seconds.
	// +optional
	Totals *PlanTotals `json:"totals,omitempty"`

	// conditions are the state of the plan: Ready, Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`
}

// EffectivePlan is a plan with nothing left out.
type EffectivePlan struct {
	// operatingHours are when P-CSMs are at work.
	// +required
	OperatingHours OperatingHours `json:"operatingHours,omitzero"`

	// staffing is how many P-CSMs the plan asks for.
	// +required
	Staffing EffectiveStaffing `json:"staffing,omitzero"`
}

// EffectiveStaffing is a plan's staffing with nothing left out.
type EffectiveStaffing struct {
	// minimumFTE is the least staffing of a partner with P-CSMs.
	// +required
	MinimumFTE FTE `json:"minimumFTE"`

	// recommendedCustomersPerFTE is up to how many customers one FTE supports
	// comfortably.
	// +required
	// +kubebuilder:validation:Minimum=1
	RecommendedCustomersPerFTE int32 `json:"recommendedCustomersPerFTE,omitempty"`

	// maximumCustomersPerFTE is how many customers one FTE supports at most.
	// +required
	// +kubebuilder:validation:Minimum=1
	MaximumCustomersPerFTE int32 `json:"maximumCustomersPerFTE,omitempty"`

	// enforcement says what follows when staffing is below the minimum.
	// +required
	Enforcement Enforcement `json:"enforcement,omitempty"`
}

// PlanTotals are sums over the partners on a plan.
type PlanTotals struct {
	// partners is how many there are.
	// +required
	// +kubebuilder:validation:Minimum=0
	Partners *int64 `json:"partners,omitempty"`

	// customers is how many customers they have.
	// +required
	// +kubebuilder:validation:Minimum=0
	Customers *int64 `json:"customers,omitempty"`

	// allocatedFTE are the P-CSMs at work for them.
	// +required
	AllocatedFTE FTE `json:"allocatedFTE"`

	// overCapacity is how many have more customers than their P-CSMs support.
	// +required
	// +kubebuilder:validation:Minimum=0
	OverCapacity *int64 `json:"overCapacity,omitempty"`
}
