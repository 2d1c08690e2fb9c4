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
// +kubebuilder:metadata:annotations="partner.dispel.com/schema-revision=2"
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
	// timeZone is the time zone in which the P-CSMs work.
	// +optional
	TimeZone TimeZone `json:"timeZone,omitempty"`

	// languages are those that the P-CSMs speak, as BCP 47 tags such as en or pt-BR.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Languages []Language `json:"languages,omitempty"`
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
