package v1alpha1

// ConditionType is the type of a condition in a status.
type ConditionType string

// Reason is the reason of a condition. docs/conditions.md has a remedy for each.
type Reason string

// Conditions of every kind with a status. They follow kstatus: Reconciling and
// Stalled are present only while True, and one of them is present whenever Ready
// is not True. A suspended Partner keeps those that it had.
const (
	// ConditionReady reports whether everything that was requested is provisioned.
	// Staffing does not affect it.
	//
	// Partner: True with Provisioned; False with the reason of the first that fails:
	// TenantReady, the support plan (SupportPlanNotFound, SupportPlanNotReady) or
	// SubdomainReady; with SuspendedBySpec if the Partner was suspended before anything
	// was provisioned; or with BeingDeleted if it is deleted, and its finalizers keep it.
	//
	// PCSMAllocation: True with Counted or OutsideContractWindow; False with the
	// reason of Accepted.
	//
	// SupportPlan: True with PlanConsistent; False with UnknownTimeZone or
	// PlanInconsistent.
	ConditionReady ConditionType = "Ready"

	// ConditionReconciling is True, with the reason of Ready, while Ready is
	// expected to become True without a change to the object, because the operator or
	// somebody else is still working.
	ConditionReconciling ConditionType = "Reconciling"

	// ConditionStalled is True, with the reason of Ready, while Ready cannot become
	// True until somebody acts.
	ConditionStalled ConditionType = "Stalled"
)

// Conditions of a Partner.
const (
	// ConditionSuspended is True with SuspendedBySpec while spec.suspend is true.
	ConditionSuspended ConditionType = "Suspended"

	// ConditionTenantReady reports whether the namespace, and the NetworkPolicy,
	// ResourceQuota, RoleBinding and support.json in it, are as declared.
	//
	// True with TenantProvisioned; False with NamespaceNotOwned, NamespaceOfAnotherPartner, NamespaceReserved,
	// NamespaceTerminating, ObjectRefused or ApplyFailed.
	ConditionTenantReady ConditionType = "TenantReady"

	// ConditionSubdomainReady reports whether the sub-domain is served. Its reason
	// names the first failing dependency.
	//
	// True with RouteAccepted; False with ChannelModelWithoutSubdomain,
	// HostReserved, HostClaimedByAnotherPartner, HostReleasing,
	// HostRoutedElsewhere, ListenerConflict, TenantNotReady,
	// APINotInstalled, GatewayNotFound, IssuerNotReady, CertificateFailed,
	// CertificatePending, SecretNotFound, BackendNotAllowed, BackendNotFound,
	// BackendTLSNotSupported, BackendCAInvalid, DNSNotReady, OrdersPaced, ReplacementNotReached,
	// ListenerNotProgrammed, RouteNotAccepted, RefsNotResolved, ObjectRefused or
	// ApplyFailed.
	ConditionSubdomainReady ConditionType = "SubdomainReady"

	// ConditionCertificateRenewalFailed is True while cert-manager fails to renew a
	// certificate that is still in use. It is present only while True.
	//
	// True with RenewalFailed.
	ConditionCertificateRenewalFailed ConditionType = "CertificateRenewalFailed"

	// ConditionHostReleaseBlocked is True while the operator cannot release a host
	// that is no longer declared, because something still routes it. It is present
	// only while True.
	//
	// True with RouteRemains.
	ConditionHostReleaseBlocked ConditionType = "HostReleaseBlocked"

	// ConditionHandOverPending is True while the host in spec.handOver waits for the Partner
	// that takes it over. It is present only while True.
	//
	// True with TargetNotFound, TargetNotDeclaring or TargetNotServing.
	ConditionHandOverPending ConditionType = "HandOverPending"

	// ConditionChangeHeld is True while a change of the operator's defaults, such as --ingress-class, does
	// not reach the Partner yet, which is served as before. It is present only while True.
	//
	// True with WaitsForWave, ChangesFailing, OutsideChangeWindow or IngressClassGone.
	ConditionChangeHeld ConditionType = "ChangeHeld"

	// ConditionReplacementReachable reports whether the prober reached the sub-domain at the address of the
	// route that is to take the place of the one that serves. The prober writes it, while there is such a
	// route.
	//
	// True with Reachable, False with a reason of SubdomainReachable.
	ConditionReplacementReachable ConditionType = "ReplacementReachable"

	// ConditionSupportWidgetEnabled reports whether end customers see the support
	// widget. It is present if the Partner is an OEM or MSP with a sub-domain.
	//
	// True with WidgetEnabled; False with NoPCSMAllocation, StaffingBelowMinimum,
	// SupportPlanNotFound, SupportPlanNotReady or SubdomainNotReady.
	ConditionSupportWidgetEnabled ConditionType = "SupportWidgetEnabled"

	// ConditionStaffingSufficient reports whether the P-CSMs suffice for the
	// customers. It is present while an accepted PCSMAllocation is in its contract
	// window.
	//
	// True with WithinCapacity or NearCapacity; False with BelowTierMinimum,
	// CapacityExceeded or BelowTierMinimumAndCapacityExceeded; Unknown with
	// SupportPlanNotFound or SupportPlanNotReady.
	ConditionStaffingSufficient ConditionType = "StaffingSufficient"

	// ConditionCapacityExceeded is True while the partner has more customers than
	// its P-CSMs support. It is present while an accepted PCSMAllocation is in its
	// contract window.
	//
	// True with CustomersExceedFTECapacity; False with WithinCapacity or
	// NearCapacity; Unknown with SupportPlanNotFound or SupportPlanNotReady.
	ConditionCapacityExceeded ConditionType = "CapacityExceeded"

	// ConditionHoursCovered reports whether all of the plan's operating hours have
	// P-CSMs on duty. It is present while an accepted PCSMAllocation is in its contract
	// window.
	//
	// True with EveryHourCovered; False with HoursUncovered; Unknown with
	// ShiftsNotDeclared, SupportPlanNotFound or SupportPlanNotReady.
	ConditionHoursCovered ConditionType = "HoursCovered"

	// ConditionShortfallExpected is True if more FTE will be missing on a future day
	// than are missing today. It is present while an accepted PCSMAllocation is in its
	// contract window and the SupportPlan can be used.
	//
	// True with ContractEnds or CustomersExpected; False with NoneExpected.
	ConditionShortfallExpected ConditionType = "ShortfallExpected"

	// ConditionCustomerCountStale is True while spec.customerCount is older than the
	// plan's customerCountMaxAge. It is present only while True.
	//
	// True with CountTooOld.
	ConditionCustomerCountStale ConditionType = "CustomerCountStale"

	// ConditionContractActive reports whether today, in UTC, is in the contract window of
	// the partner. It is present if spec.validFrom or spec.validUntil is set. While it is
	// False, the operator does not serve the sub-domain, and SubdomainReady is absent
	// unless the host cannot be held, or something could not be written or deleted.
	//
	// True with WithinContractWindow; False with ContractNotStarted or ContractEnded.
	ConditionContractActive ConditionType = "ContractActive"

	// ConditionObjectsIgnored is True while the tenant namespace has more objects, or larger
	// ones, than the operator reads. It is present only while True.
	//
	// True with LimitExceeded.
	ConditionObjectsIgnored ConditionType = "ObjectsIgnored"

	// ConditionUndeclaredNamespaces is True while a namespace that the Partner does not
	// declare bears its label. It is present only while True.
	//
	// True with NamespaceLabelled.
	ConditionUndeclaredNamespaces ConditionType = "UndeclaredNamespaces"

	// ConditionSubdomainReachable reports whether end customers can reach the
	// sub-domain, from its DNS record to the support widget. Its reason names the first
	// broken link. The prober alone writes it, so it is present only where that runs.
	//
	// True with Reachable; False with NameNotResolved, AddressNotTheRoutes,
	// TargetNotAllowed, ConnectionFailed, CertificateInvalid, CertificateExpired,
	// EngineFailed, WidgetFailed or WidgetOfAnotherPartner; Unknown with ProberBlind.
	ConditionSubdomainReachable ConditionType = "SubdomainReachable"
)

// Conditions of a PCSMAllocation.
const (
	// ConditionAccepted reports whether the allocation can count as staffing.
	//
	// True with Accepted; False with PartnerNotFound, ChannelModelWithoutPCSM,
	// UnknownTimeZone or ShiftsExceedFTE.
	ConditionAccepted ConditionType = "Accepted"

	// ConditionActive reports whether today, in UTC, is in the contract window.
	//
	// True with WithinContractWindow; False with NotYetValid or Expired.
	ConditionActive ConditionType = "Active"

	// ConditionHoursDoubtful, of a PCSMAllocation or a SupportPlan, is present only while a time
	// zone or a calendar is allowed, and seldom meant.
	//
	// True with FixedTimeZone or, of a SupportPlan, FederalHolidaysAbroad.
	ConditionHoursDoubtful ConditionType = "HoursDoubtful"
)

// Reasons of a Partner.
const (
	ReasonProvisioned     Reason = "Provisioned"
	ReasonSuspendedBySpec Reason = "SuspendedBySpec"
	// ReasonBeingDeleted is of a Partner that is deleted, and stays until its finalizers are
	// removed.
	ReasonBeingDeleted Reason = "BeingDeleted"

	ReasonTenantProvisioned Reason = "TenantProvisioned"
	ReasonNamespaceNotOwned Reason = "NamespaceNotOwned"
	// ReasonNamespaceOfAnotherPartner is of a namespace that another Partner declares, too, and has.
	ReasonNamespaceOfAnotherPartner Reason = "NamespaceOfAnotherPartner"
	// ReasonNamespaceReserved is of a namespace for Kubernetes, the operator or ingress controllers.
	ReasonNamespaceReserved    Reason = "NamespaceReserved"
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
	// ReasonBackendTLSNotSupported is of an engine that is to be reached over TLS, which the
	// controller of the route cannot do, or not as it is asked for.
	ReasonBackendTLSNotSupported Reason = "BackendTLSNotSupported"
	// ReasonBackendCAInvalid is of an object for the engine's authorities that is missing, or has none.
	ReasonBackendCAInvalid Reason = "BackendCAInvalid"
	// ReasonDNSNotReady is of a certificate that is not ordered yet, since the order would fail.
	ReasonDNSNotReady Reason = "DNSNotReady"
	// ReasonOrdersPaced is of one that waits for its turn.
	ReasonOrdersPaced           Reason = "OrdersPaced"
	ReasonRouteNotAccepted      Reason = "RouteNotAccepted"
	ReasonGatewayNotFound       Reason = "GatewayNotFound"
	ReasonListenerNotProgrammed Reason = "ListenerNotProgrammed"
	ReasonRefsNotResolved       Reason = "RefsNotResolved"
	// ReasonListenerConflict is of a host that is handed over, whose listener the Gateway
	// refuses as long as it has that of the Partner that hands it over.
	ReasonListenerConflict Reason = "ListenerConflict"

	ReasonRenewalFailed Reason = "RenewalFailed"
	ReasonRouteRemains  Reason = "RouteRemains"

	// ReasonTargetNotFound is of a host that is handed over to a Partner that does not exist.
	ReasonTargetNotFound Reason = "TargetNotFound"
	// ReasonTargetNotDeclaring is of a host that is handed over to a Partner that does not declare
	// it.
	ReasonTargetNotDeclaring Reason = "TargetNotDeclaring"
	// ReasonTargetNotServing is of a host that is handed over, and not served by its target yet.
	ReasonTargetNotServing Reason = "TargetNotServing"

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

	ReasonEveryHourCovered  Reason = "EveryHourCovered"
	ReasonHoursUncovered    Reason = "HoursUncovered"
	ReasonShiftsNotDeclared Reason = "ShiftsNotDeclared"

	ReasonContractEnds      Reason = "ContractEnds"
	ReasonCustomersExpected Reason = "CustomersExpected"
	ReasonNoneExpected      Reason = "NoneExpected"

	ReasonCountTooOld Reason = "CountTooOld"

	// ReasonLimitExceeded is of a namespace with more objects, or larger ones, than are read.
	ReasonLimitExceeded Reason = "LimitExceeded"
	// ReasonNamespaceLabelled is of a namespace that bears the label of a Partner that does
	// not declare it.
	ReasonNamespaceLabelled Reason = "NamespaceLabelled"

	ReasonContractNotStarted Reason = "ContractNotStarted"
	ReasonContractEnded      Reason = "ContractEnded"
)

// Reasons of SubdomainReachable.
const (
	ReasonReachable              Reason = "Reachable"
	ReasonNameNotResolved        Reason = "NameNotResolved"
	ReasonAddressNotTheRoutes    Reason = "AddressNotTheRoutes"
	ReasonTargetNotAllowed       Reason = "TargetNotAllowed"
	ReasonConnectionFailed       Reason = "ConnectionFailed"
	ReasonCertificateInvalid     Reason = "CertificateInvalid"
	ReasonCertificateExpired     Reason = "CertificateExpired"
	ReasonEngineFailed           Reason = "EngineFailed"
	ReasonWidgetFailed           Reason = "WidgetFailed"
	ReasonWidgetOfAnotherPartner Reason = "WidgetOfAnotherPartner"
	ReasonProberBlind            Reason = "ProberBlind"
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
	ReasonShiftsExceedFTE         Reason = "ShiftsExceedFTE"
)

// Reasons of a SupportPlan. A PCSMAllocation can have UnknownTimeZone, too.
const (
	ReasonPlanConsistent   Reason = "PlanConsistent"
	ReasonUnknownTimeZone  Reason = "UnknownTimeZone"
	ReasonPlanInconsistent Reason = "PlanInconsistent"

	// ReasonReplacementNotReached means that the new route waits until the prober has reached the host through
	// it.
	ReasonReplacementNotReached Reason = "ReplacementNotReached"

	// ReasonWaitsForWave is of a change that waits for its turn.
	ReasonWaitsForWave Reason = "WaitsForWave"
	// ReasonChangesFailing is of one that is held since others that it reached are not served any more.
	ReasonChangesFailing Reason = "ChangesFailing"
	// ReasonOutsideChangeWindow is of one that waits for the plan's next change window.
	ReasonOutsideChangeWindow Reason = "OutsideChangeWindow"
	// ReasonIngressClassGone is of one that comes of a missing class, which may be back in a moment.
	ReasonIngressClassGone Reason = "IngressClassGone"

	ReasonFixedTimeZone         Reason = "FixedTimeZone"
	ReasonFederalHolidaysAbroad Reason = "FederalHolidaysAbroad"
)

// The conditions that the manager owns, by kind. Others may add their own, as the prober
// does.
var (
	PartnerConditions = []ConditionType{
		ConditionReady, ConditionReconciling, ConditionStalled, ConditionSuspended, ConditionTenantReady,
		ConditionSubdomainReady, ConditionCertificateRenewalFailed, ConditionHostReleaseBlocked, ConditionHandOverPending, ConditionChangeHeld, ConditionSupportWidgetEnabled, ConditionStaffingSufficient, ConditionCapacityExceeded,
		ConditionHoursCovered, ConditionShortfallExpected, ConditionCustomerCountStale, ConditionContractActive,
		ConditionObjectsIgnored, ConditionUndeclaredNamespaces,
	}
	// ProberConditions are those of a Partner that the prober owns.
	ProberConditions         = []ConditionType{ConditionSubdomainReachable, ConditionReplacementReachable}
	PCSMAllocationConditions = []ConditionType{
		ConditionReady, ConditionReconciling, ConditionStalled, ConditionAccepted, ConditionActive, ConditionHoursDoubtful,
	}
	SupportPlanConditions = []ConditionType{ConditionReady, ConditionReconciling, ConditionStalled, ConditionHoursDoubtful}
)
