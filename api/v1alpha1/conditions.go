package v1alpha1

// ConditionType is the type of a condition in a status.
type ConditionType string

// Reason is the reason of a condition. docs/conditions.md has a remedy for each.
type Reason string

// Conditions of every kind with a status. They follow kstatus: Reconciling and
// Stalled are present only while True, and one of them is whenever Ready is not
// True, but for a suspended Partner.
const (
	// ConditionReady tells whether everything that was asked for is provisioned.
	// Staffing is no part of it.
	//
	// Partner: True with Provisioned; False with the reason of the first broken
	// link of TenantReady, the support plan (SupportPlanNotFound,
	// SupportPlanNotReady) and SubdomainReady, or with SuspendedBySpec if it was
	// suspended before anything was provisioned.
	//
	// PCSMAllocation: True with Counted or OutsideContractWindow; False with the
	// reason of Accepted.
	//
	// SupportPlan: True with PlanConsistent; False with UnknownTimeZone or
	// PlanInconsistent.
	ConditionReady ConditionType = "Ready"

	// ConditionReconciling is True, with the reason of Ready, while the operator
	// or somebody else is at work and Ready will come by itself.
	ConditionReconciling ConditionType = "Reconciling"

	// ConditionStalled is True, with the reason of Ready, while nothing will
	// move until somebody acts.
	ConditionStalled ConditionType = "Stalled"
)

// Conditions of a Partner.
const (
	// ConditionSuspended is True with SuspendedBySpec while spec.suspend is true.
	ConditionSuspended ConditionType = "Suspended"

	// ConditionTenantReady tells whether the namespace, its guards and
	// support.json are as declared.
	//
	// True with TenantProvisioned; False with NamespaceNotOwned,
	// NamespaceTerminating, ObjectRefused or ApplyFailed.
	ConditionTenantReady ConditionType = "TenantReady"

	// ConditionSubdomainReady tells whether the sub-domain is served. It names
	// the first broken link.
	//
	// True with RouteAccepted; False with ChannelModelWithoutSubdomain,
	// HostReserved, HostClaimedByAnotherPartner, HostReleasing,
	// HostRoutedElsewhere, TenantNotReady,
	// APINotInstalled, GatewayNotFound, IssuerNotReady, CertificateFailed,
	// CertificatePending, SecretNotFound, BackendNotAllowed, BackendNotFound,
	// ListenerNotProgrammed, RouteNotAccepted, RefsNotResolved, ObjectRefused or
	// ApplyFailed.
	ConditionSubdomainReady ConditionType = "SubdomainReady"

	// ConditionCertificateRenewalFailed is True while cert-manager fails to renew a
	// certificate that still serves. It is present only while True.
	//
	// True with RenewalFailed.
	ConditionCertificateRenewalFailed ConditionType = "CertificateRenewalFailed"

	// ConditionHostReleaseBlocked is True while a host that is no longer declared
	// cannot be released, because something still routes it. It is present only
	// while True.
	//
	// True with RouteRemains.
	ConditionHostReleaseBlocked ConditionType = "HostReleaseBlocked"

	// ConditionSupportWidgetEnabled tells whether end customers see the support
	// widget. It is present with a sub-domain.
	//
	// True with WidgetEnabled; False with NoPCSMAllocation, StaffingBelowMinimum,
	// SupportPlanNotFound, SupportPlanNotReady or SubdomainNotReady.
	ConditionSupportWidgetEnabled ConditionType = "SupportWidgetEnabled"

	// ConditionStaffingSufficient tells whether the P-CSMs suffice. It is present
	// with P-CSMs contracted.
	//
	// True with WithinCapacity or NearCapacity; False with BelowTierMinimum,
	// CapacityExceeded or BelowTierMinimumAndCapacityExceeded; Unknown with
	// SupportPlanNotFound or SupportPlanNotReady.
	ConditionStaffingSufficient ConditionType = "StaffingSufficient"

	// ConditionCapacityExceeded is True when the partner has more customers than
	// its P-CSMs support. It is present with P-CSMs contracted.
	//
	// True with CustomersExceedFTECapacity; False with WithinCapacity or
	// NearCapacity; Unknown with SupportPlanNotFound or SupportPlanNotReady.
	ConditionCapacityExceeded ConditionType = "CapacityExceeded"
)

// Conditions of a PCSMAllocation.
const (
	// ConditionAccepted tells whether the allocation can count at all.
	//
	// True with Accepted; False with PartnerNotFound, ChannelModelWithoutPCSM or
	// UnknownTimeZone.
	ConditionAccepted ConditionType = "Accepted"

	// ConditionActive tells whether today is in the contract window.
	//
	// True with WithinContractWindow; False with NotYetValid or Expired.
	ConditionActive ConditionType = "Active"
)

// Reasons of a Partner.
const (
	ReasonProvisioned     Reason = "Provisioned"
	ReasonSuspendedBySpec Reason = "SuspendedBySpec"

	ReasonTenantProvisioned    Reason = "TenantProvisioned"
	ReasonNamespaceNotOwned    Reason = "NamespaceNotOwned"
	ReasonNamespaceTerminating Reason = "NamespaceTerminating"
	ReasonObjectRefused        Reason = "ObjectRefused"
	ReasonApplyFailed          Reason = "ApplyFailed"

	ReasonSupportPlanNotFound Reason = "SupportPlanNotFound"
	ReasonSupportPlanNotReady Reason = "SupportPlanNotReady"

	ReasonRouteAccepted                Reason = "RouteAccepted"
	ReasonChannelModelWithoutSubdomain Reason = "ChannelModelWithoutSubdomain"
	ReasonHostReserved                 Reason = "HostReserved"
	ReasonHostClaimedByAnotherPartner  Reason = "HostClaimedByAnotherPartner"
	ReasonHostReleasing                Reason = "HostReleasing"
	ReasonHostRoutedElsewhere          Reason = "HostRoutedElsewhere"
	ReasonTenantNotReady               Reason = "TenantNotReady"
	ReasonAPINotInstalled              Reason = "APINotInstalled"
	ReasonIssuerNotReady               Reason = "IssuerNotReady"
	ReasonCertificateFailed            Reason = "CertificateFailed"
	ReasonCertificatePending           Reason = "CertificatePending"
	ReasonSecretNotFound               Reason = "SecretNotFound"
	ReasonBackendNotAllowed            Reason = "BackendNotAllowed"
	ReasonBackendNotFound              Reason = "BackendNotFound"
	ReasonRouteNotAccepted             Reason = "RouteNotAccepted"
	ReasonGatewayNotFound              Reason = "GatewayNotFound"
	ReasonListenerNotProgrammed        Reason = "ListenerNotProgrammed"
	ReasonRefsNotResolved              Reason = "RefsNotResolved"

	ReasonRenewalFailed Reason = "RenewalFailed"
	ReasonRouteRemains  Reason = "RouteRemains"

	ReasonWidgetEnabled        Reason = "WidgetEnabled"
	ReasonNoPCSMAllocation     Reason = "NoPCSMAllocation"
	ReasonStaffingBelowMinimum Reason = "StaffingBelowMinimum"
	ReasonSubdomainNotReady    Reason = "SubdomainNotReady"

	ReasonWithinCapacity                      Reason = "WithinCapacity"
	ReasonNearCapacity                        Reason = "NearCapacity"
	ReasonBelowTierMinimum                    Reason = "BelowTierMinimum"
	ReasonCapacityExceeded                    Reason = "CapacityExceeded"
	ReasonBelowTierMinimumAndCapacityExceeded Reason = "BelowTierMinimumAndCapacityExceeded"
	ReasonCustomersExceedFTECapacity          Reason = "CustomersExceedFTECapacity"
)

// Reasons of a PCSMAllocation.
const (
	ReasonAccepted                Reason = "Accepted"
	ReasonPartnerNotFound         Reason = "PartnerNotFound"
	ReasonChannelModelWithoutPCSM Reason = "ChannelModelWithoutPCSM"
	ReasonWithinContractWindow    Reason = "WithinContractWindow"
	ReasonNotYetValid             Reason = "NotYetValid"
	ReasonExpired                 Reason = "Expired"
	ReasonCounted                 Reason = "Counted"
	ReasonOutsideContractWindow   Reason = "OutsideContractWindow"
)

// Reasons of a SupportPlan; a PCSMAllocation has UnknownTimeZone too.
const (
	ReasonPlanConsistent   Reason = "PlanConsistent"
	ReasonUnknownTimeZone  Reason = "UnknownTimeZone"
	ReasonPlanInconsistent Reason = "PlanInconsistent"
)

// The conditions of each kind that the operator owns. Others may add their own.
var (
	PartnerConditions = []ConditionType{
		ConditionReady, ConditionReconciling, ConditionStalled, ConditionSuspended, ConditionTenantReady,
		ConditionSubdomainReady, ConditionCertificateRenewalFailed, ConditionHostReleaseBlocked, ConditionSupportWidgetEnabled, ConditionStaffingSufficient, ConditionCapacityExceeded,
	}
	PCSMAllocationConditions = []ConditionType{
		ConditionReady, ConditionReconciling, ConditionStalled, ConditionAccepted, ConditionActive,
	}
	SupportPlanConditions = []ConditionType{ConditionReady, ConditionReconciling, ConditionStalled}
)
