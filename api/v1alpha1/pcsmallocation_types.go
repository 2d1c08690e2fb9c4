package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// PCSMAllocation is a contract for dedicated Customer Success Managers (P-CSMs)
// who serve one partner's customers ("Customer Success Manager (P-CSM)", Service
// Delivery Model). A partner's staffing is the total FTE of its accepted
// allocations that are in their contract window.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=pcsm,categories=dispel
// +kubebuilder:metadata:annotations="partner.dispel.com/schema-revision=3"
// +kubebuilder:printcolumn:name="Partner",type=string,JSONPath=`.spec.partnerRef.name`
// +kubebuilder:printcolumn:name="FTE",type=number,JSONPath=`.spec.fte`
// +kubebuilder:printcolumn:name="TimeZone",type=string,JSONPath=`.spec.localization.timeZone`
// +kubebuilder:printcolumn:name="Active",type=string,JSONPath=`.status.conditions[?(@.type=="Active")].status`,description="Whether today is in the contract window"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type PCSMAllocation struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec describes what was contracted.
	// +required
	Spec PCSMAllocationSpec `json:"spec,omitzero"`
	// status reports whether the allocation counts towards the partner's staffing.
	// +optional
	Status PCSMAllocationStatus `json:"status,omitzero"`
}

// PCSMAllocationList is a list of PCSMAllocations.
//
// +kubebuilder:object:root=true
type PCSMAllocationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PCSMAllocation `json:"items"`
}

// PCSMAllocationSpec describes what was contracted.
//
// +kubebuilder:validation:XValidation:rule="!has(self.shifts) || (has(self.localization) && has(self.localization.timeZone))",fieldPath=".shifts",message="the times of shifts are in spec.localization.timeZone, which is missing: write it, such as Europe/Berlin"
// +kubebuilder:validation:XValidation:rule="!has(self.exceptions) || (has(self.localization) && has(self.localization.timeZone))",fieldPath=".exceptions",message="the times of exceptions are in spec.localization.timeZone, which is missing: write it, such as Europe/Berlin"
// +kubebuilder:validation:XValidation:rule="!has(self.absences) || (has(self.localization) && has(self.localization.timeZone))",fieldPath=".absences",message="the days of absences are in spec.localization.timeZone, which is missing: write it, such as Europe/Berlin"
// +kubebuilder:validation:XValidation:rule="!has(self.validFrom) || !has(self.validUntil) || self.validFrom <= self.validUntil",fieldPath=".validUntil",message="the contract would end before it starts: write a validUntil that is validFrom or later"
type PCSMAllocationSpec struct {
	// partnerRef references the Partner whose customers the P-CSMs serve. Immutable:
	// delete the allocation and create another instead.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",messageExpression="'an allocation stays with its partner ' + oldSelf.name + ': delete it and make a new PCSMAllocation for ' + self.name"
	PartnerRef PartnerReference `json:"partnerRef,omitzero"`

	// fte is the number of full-time equivalents (FTE), in steps of 0.5.
	// +required
	// +kubebuilder:validation:XValidation:rule="self >= 0.5",message="the least that Dispel offers is 0.5 FTE: write 0.5 or more, or delete the allocation"
	// +kubebuilder:validation:XValidation:rule="self <= 1000.0",message="this is more than the operator counts: write at most 1000"
	// +kubebuilder:validation:XValidation:rule="self * 2.0 == double(int(self * 2.0))",message="P-CSMs come in units of 1.0 and 0.5 FTE: write a multiple of 0.5, such as 0.5, 1 or 1.5"
	FTE FTE `json:"fte,omitempty"`

	// localization specifies the time zone and the languages of the P-CSMs.
	// +optional
	Localization *Localization `json:"localization,omitempty"`

	// shifts specify when the P-CSMs are on duty. The times are in localization.timeZone,
	// which is required if shifts are set. If shifts are omitted, the allocation counts as
	// staffing, but its coverage is unknown.
	//
	// An allocation is so many people as its fte, rounded up. At most fte may be on duty at
	// once, nobody more than 8 hours a day and 40 hours a week, whatever the fte of a shift.
	// Otherwise the allocation is not accepted.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=28
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, b == a))",message="two shifts are the same: remove one of them, or write in fte how many are on duty"
	Shifts []Shift `json:"shifts,omitempty"`

	// absences are days on which some or all of the P-CSMs are away. They change who is on duty,
	// not what is contracted.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.filter(b, a.from <= b.until && b.from <= a.until).size() <= 1)",message="two absences have days in common: write each day once, with the fte that are away"
	Absences []Absence `json:"absences,omitempty"`

	// exceptions replace the shifts that start on a date, for a swap or extra hours. Several of
	// one date count together.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Exceptions []ShiftException `json:"exceptions,omitempty"`

	// validFrom is the first day of the contract, in UTC. If omitted, the contract
	// has already started.
	// +optional
	ValidFrom Date `json:"validFrom,omitempty"`

	// validUntil is the last day of the contract, in UTC. If omitted, the contract
	// does not end.
	// +optional
	ValidUntil Date `json:"validUntil,omitempty"`
}

// Localization specifies the time zone and the languages of P-CSMs.
//
// +kubebuilder:validation:MinProperties=1
type Localization struct {
	// timeZone is the time zone in which the contracted people work.
	// +optional
	TimeZone TimeZone `json:"timeZone,omitempty"`

	// languages are the languages that the contracted people speak, as BCP 47 tags such as en or pt-BR.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Languages []Language `json:"languages,omitempty"`

	// holidays are the public holidays on which the P-CSMs are away: USFederal, None, or the
	// national ones of a country by its ISO 3166 code. An exception of such a day is kept.
	// Defaults to None.
	// +optional
	Holidays HolidayCalendar `json:"holidays,omitempty"`
}

// Shift specifies a time on some days of the week at which P-CSMs are on duty. A P-CSM
// works at most 8 hours a day ("Customer Success Manager (P-CSM)", Minimum Staffing
// Requirements).
//
// +kubebuilder:validation:XValidation:rule="self.start != self.end",fieldPath=".end",message="a shift that ends when it starts has no length: write an end that is up to 8 hours after start, such as 17:00 after 09:00"
// +kubebuilder:validation:XValidation:rule="self.start == self.end || size(self.start) != 5 || size(self.end) != 5 || !self.start.matches('^[0-9]{2}:[0-9]{2}$') || !self.end.matches('^[0-9]{2}:[0-9]{2}$') || int(self.end.substring(0, 2)) * 60 + int(self.end.substring(3, 5)) - int(self.start.substring(0, 2)) * 60 - int(self.start.substring(3, 5)) + (self.end <= self.start ? 1440 : 0) <= 480",fieldPath=".end",messageExpression="'from ' + self.start + ' to ' + self.end + ' is longer than the 8 hours that a P-CSM works a day: write an end that is up to 8 hours after start, or divide the time among several shifts'"
// +kubebuilder:validation:XValidation:rule="has(self.everyNthWeek) == has(self.anchor)",fieldPath=".anchor",message="a rotation is everyNthWeek from the week of anchor on: write both, or neither for every week"
type Shift struct {
	// days are the days of the week on which the shift starts.
	// +required
	// +listType=set
	// +kubebuilder:validation:MaxItems=7
	// +kubebuilder:validation:XValidation:rule="size(self) > 0",message="a shift without days is never on duty: write at least one, such as Monday, or remove the shift"
	Days []DayOfWeek `json:"days,omitempty"`

	// start is when the shift starts, in 24-hour HH:MM format.
	// +required
	// +kubebuilder:validation:XValidation:rule="self != '24:00'",message="24:00 is the end of a day: write 00:00, and the following days of the week"
	Start TimeOfDay `json:"start,omitempty"`

	// end is when the shift ends, in 24-hour HH:MM format, at most 8 hours after
	// start. If it is not after start, the shift ends on the next day.
	// +required
	End TimeOfDay `json:"end,omitempty"`

	// everyNthWeek makes the shift part of a rotation: it is worked in every so many weeks, each
	// from Monday on, counted from the week of anchor. If omitted, it is worked every week.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=6
	EveryNthWeek int32 `json:"everyNthWeek,omitempty"`

	// anchor is a day of a week in which the shift is worked.
	// +optional
	Anchor Date `json:"anchor,omitempty"`

	// fte is how many of the allocation's FTE are on duty, in steps of 0.5. Defaults
	// to all of them.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 0.5",message="the least that can be on duty is 0.5 FTE: write 0.5 or more, or remove fte for all of the allocation's FTE"
	// +kubebuilder:validation:XValidation:rule="self <= 1000.0",message="this is more than the operator counts: write at most 1000"
	// +kubebuilder:validation:XValidation:rule="self * 2.0 == double(int(self * 2.0))",message="P-CSMs come in units of 0.5 FTE: write a multiple of 0.5, such as 0.5, 1 or 1.5"
	FTE FTE `json:"fte,omitempty"`
}

// Absence is a range of days on which P-CSMs are away: nothing that starts on one of them
// is worked.
//
// +kubebuilder:validation:XValidation:rule="self.from <= self.until",fieldPath=".until",message="the absence would end before it begins: write an until that is from or later"
// +kubebuilder:validation:XValidation:rule="self.until < self.from || self.until - self.from < duration('8784h')",fieldPath=".until",message="an absence lasts 366 days at most: write an earlier until, or lower fte or end the contract of who does not come back"
type Absence struct {
	// from is the first day, in localization.timeZone.
	// +required
	From Date `json:"from,omitempty"`

	// until is the last day.
	// +required
	Until Date `json:"until,omitempty"`

	// fte is how many FTE are away, in steps of 0.5. Defaults to all of them.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 0.5",message="the least that can be away is 0.5 FTE: write 0.5 or more, or remove fte for all of the allocation's FTE"
	// +kubebuilder:validation:XValidation:rule="self <= 1000.0",message="this is more than the operator counts: write at most 1000"
	// +kubebuilder:validation:XValidation:rule="self * 2.0 == double(int(self * 2.0))",message="P-CSMs come in units of 0.5 FTE: write a multiple of 0.5, such as 0.5, 1 or 1.5"
	FTE FTE `json:"fte,omitempty"`
}

// ShiftException is a shift of one date, instead of the weekly ones that start on it.
//
// +kubebuilder:validation:XValidation:rule="has(self.start) == has(self.end)",message="a shift has both start and end: write both, or neither with fte: 0 for nobody"
// +kubebuilder:validation:XValidation:rule="has(self.start) || (has(self.fte) && self.fte == 0.0)",fieldPath=".start",message="an exception without times says that nobody is on duty: write fte: 0, or start and end"
// +kubebuilder:validation:XValidation:rule="!has(self.start) || !has(self.end) || self.start != self.end",fieldPath=".end",message="a shift that ends when it starts has no length: write an end that is up to 8 hours after start, such as 17:00 after 09:00"
// +kubebuilder:validation:XValidation:rule="!has(self.start) || !has(self.end) || self.start == self.end || size(self.start) != 5 || size(self.end) != 5 || !self.start.matches('^[0-9]{2}:[0-9]{2}$') || !self.end.matches('^[0-9]{2}:[0-9]{2}$') || int(self.end.substring(0, 2)) * 60 + int(self.end.substring(3, 5)) - int(self.start.substring(0, 2)) * 60 - int(self.start.substring(3, 5)) + (self.end <= self.start ? 1440 : 0) <= 480",fieldPath=".end",messageExpression="'from ' + self.start + ' to ' + self.end + ' is longer than the 8 hours that a P-CSM works a day: write an end that is up to 8 hours after start, or divide the time among several exceptions'"
type ShiftException struct {
	// date is the day on which the shift starts, in localization.timeZone.
	// +required
	Date Date `json:"date,omitempty"`

	// start is when the shift starts, in 24-hour HH:MM format. Only with fte: 0 can it be
	// omitted.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self != '24:00'",message="24:00 is the end of a day: write 00:00, and the following date"
	Start TimeOfDay `json:"start,omitempty"`

	// end is when the shift ends, in 24-hour HH:MM format, at most 8 hours after start. If it
	// is not after start, the shift ends on the next day.
	// +optional
	End TimeOfDay `json:"end,omitempty"`

	// fte is how many of the allocation's FTE are on duty, in steps of 0.5; 0 means nobody.
	// Defaults to all of them.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 0.0",message="fewer than nobody cannot be on duty: write 0 for nobody, or a multiple of 0.5"
	// +kubebuilder:validation:XValidation:rule="self <= 1000.0",message="this is more than the operator counts: write at most 1000"
	// +kubebuilder:validation:XValidation:rule="self * 2.0 == double(int(self * 2.0))",message="P-CSMs come in units of 0.5 FTE: write a multiple of 0.5, such as 0.5, 1 or 1.5"
	FTE *FTE `json:"fte,omitempty"`
}

// Language is a BCP 47 tag of a language, optionally with a script and a region,
// such as "de", "pt-BR" or "zh-Hans-CN".
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=16
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$')",message="this is no language tag: write a BCP 47 tag, such as en, de or pt-BR"
type Language string

// PCSMAllocationStatus reports whether an allocation counts.
type PCSMAllocationStatus struct {
	// observedGeneration is the metadata.generation that this status reflects.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// conditions report the state of the allocation: Accepted, Active, Ready,
	// Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`
}
