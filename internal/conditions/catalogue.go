package conditions

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Kind is what a kind can report.
type Kind struct {
	Name       string
	Conditions []Condition
}

// Condition is what a condition can say.
type Condition struct {
	Type v1alpha1.ConditionType
	// Bad reports that True is what nobody wishes.
	Bad bool
	// Under is the condition of which it is a detail; empty if of none.
	Under v1alpha1.ConditionType
	// Of are the conditions whose cases other than True it repeats.
	Of    []v1alpha1.ConditionType
	Cases []Case
}

// Case is a status with the reasons that it can have.
type Case struct {
	Status metav1.ConditionStatus
	// Progress is whether Ready comes by itself; Done if that depends, or if Ready
	// does not depend on it.
	Progress Progress
	Reasons  []v1alpha1.Reason
	// Remedy says what to do, in Markdown.
	Remedy string
	// Field is the field of the spec to look at first; empty for the whole of it.
	Field string
	// Severity is how bad it is; zero if that follows from the rest (see SeverityOf).
	Severity Severity
	// Decided reports that somebody decided so: an Event of it is no warning.
	Decided bool
	// Link is the link of the way from a host to the engine that it breaks; zero if it breaks
	// none, or one that only the message tells.
	Link Link
}

// Severity is how bad a condition is, from good to bad.
type Severity int

// The severities.
const (
	Unweighed Severity = iota
	Fine
	Notice
	Warning
	Error
)

// Link is a link of the way from a host to the engine.
type Link int

// The links, in order.
const (
	NoLink Link = iota
	ClaimLink
	NamespaceLink
	APIsLink
	CertificateLink
	BackendLink
	RouteLink
)

// find is the case that a condition is in; nil if there is none.
func (k Kind) find(condition metav1.Condition) *Case {
	switch v1alpha1.ConditionType(condition.Type) {
	case v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled:
		// They repeat Ready.
		condition.Type, condition.Status = string(v1alpha1.ConditionReady), metav1.ConditionFalse
	}
	for _, c := range k.Conditions {
		if string(c.Type) != condition.Type {
			continue
		}
		for i := range c.Cases {
			if c.Cases[i].Status == condition.Status && slices.Contains(c.Cases[i].Reasons, v1alpha1.Reason(condition.Reason)) {
				return &c.Cases[i]
			}
		}
		for _, of := range c.Of {
			condition.Type = string(of)
			if found := k.find(condition); found != nil && found.Status != metav1.ConditionTrue {
				return found
			}
		}
	}
	return nil
}

// Legal reports whether one of the operator's conditions can be what it is.
func (k Kind) Legal(condition metav1.Condition) bool {
	return k.find(condition) != nil
}

// ProgressOf reports whether Ready comes by itself while a condition is as it is;
// Done if that depends, or if Ready does not depend on it.
func (k Kind) ProgressOf(condition metav1.Condition) Progress {
	if found := k.find(condition); found != nil {
		return found.Progress
	}
	return Done
}

// CaseOf is the case that a condition of a kind is in; the zero Case if it is in none, as one of
// another version can be.
func CaseOf(kind string, condition metav1.Condition) Case {
	for i := range Catalogue {
		if Catalogue[i].Name == kind {
			if found := Catalogue[i].find(condition); found != nil {
				return *found
			}
		}
	}
	return Case{}
}

// CauseOf is the condition because of which a Partner is not Ready, as far as there is one; else
// Ready itself.
func CauseOf(ready metav1.Condition, all []metav1.Condition) metav1.Condition {
	for _, of := range []v1alpha1.ConditionType{v1alpha1.ConditionTenantReady, v1alpha1.ConditionSubdomainReady} {
		if cause := meta.FindStatusCondition(all, string(of)); cause != nil && cause.Status == metav1.ConditionFalse && cause.Reason == ready.Reason {
			return *cause
		}
	}
	return ready
}

// SeverityOf is how bad a condition of a Partner is. Unless its case says so, what is as one wishes
// is Fine, what comes by itself a Notice, what somebody has to act on an Error, and all else a
// Warning.
func SeverityOf(condition metav1.Condition) Severity {
	found := CaseOf("Partner", condition)
	switch {
	case found.Severity != Unweighed:
		return found.Severity
	case condition.Status == Wished(v1alpha1.ConditionType(condition.Type)):
		return Fine
	case found.Progress == Waiting:
		return Notice
	case found.Progress == Stalled:
		return Error
	}
	return Warning
}

// Wished is the status that a condition has when all is well.
func Wished(condition v1alpha1.ConditionType) metav1.ConditionStatus {
	for _, kind := range Catalogue {
		for _, of := range kind.Conditions {
			if of.Type == condition && of.Bad {
				return metav1.ConditionFalse
			}
		}
	}
	return metav1.ConditionTrue
}

// Catalogue has every kind with a status. docs/conditions.md, the alerts and the
// health checks of GitOps tools are held against it.
var Catalogue = []Kind{
	{Name: "Partner", Conditions: []Condition{
		{Type: v1alpha1.ConditionReady,
			Of: []v1alpha1.ConditionType{v1alpha1.ConditionTenantReady, v1alpha1.ConditionSubdomainReady},
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonProvisioned}, Remedy: "nothing"},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonSupportPlanNotFound}, Remedy: "create the SupportPlan, or name another in `spec.supportPlanRef`. Until then what runs is left as it is", Field: "spec.supportPlanRef"},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonSupportPlanNotReady}, Remedy: "fix the SupportPlan: its own `Ready` says what is wrong", Field: "spec.supportPlanRef"},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonSuspendedBySpec}, Remedy: "the Partner was created with `spec.suspend: true`: set it to false to start provisioning", Field: "spec.suspend", Severity: Notice, Decided: true},
				{Status: metav1.ConditionFalse, Progress: Waiting, Reasons: []v1alpha1.Reason{v1alpha1.ReasonBeingDeleted}, Remedy: "wait; if it takes long, remove what keeps the Partner: the message names its finalizers, and where to look"},
			},
		},
		{Type: v1alpha1.ConditionSuspended, Bad: true,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonSuspendedBySpec}, Remedy: "set `spec.suspend` to false when the operator is to go on", Field: "spec.suspend", Severity: Notice, Decided: true},
			},
		},
		{Type: v1alpha1.ConditionTenantReady, Under: v1alpha1.ConditionReady,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonTenantProvisioned}, Remedy: "nothing"},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonNamespaceNotOwned}, Remedy: "the namespace already existed, or belonged to another Partner: inspect it, then annotate it with `partner.dispel.com/adopt: <partner>`, or delete it", Field: "spec.tenant"},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonNamespaceOfAnotherPartner}, Remedy: "the namespace belongs to another Partner that also declares it: delete this Partner, and create it again with another `spec.tenant.namespace`", Field: "spec.tenant"},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonNamespaceReserved}, Remedy: "the namespace is reserved for Kubernetes, the operator or ingress controllers: delete this Partner, and create it again with another `spec.tenant.namespace`", Field: "spec.tenant"},
				{Status: metav1.ConditionFalse, Progress: Waiting, Reasons: []v1alpha1.Reason{v1alpha1.ReasonNamespaceTerminating}, Remedy: "wait; if it takes long, the namespace's own status says what holds it up", Field: "spec.tenant"},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonObjectRefused}, Remedy: "the API server or an admission policy rejected the creation, change or deletion of an object, or an object of that name already exists. The message quotes the rejection. The operator retries every one to two minutes"},
				{Status: metav1.ConditionFalse, Progress: Waiting, Reasons: []v1alpha1.Reason{v1alpha1.ReasonApplyFailed}, Remedy: "wait: a write failed temporarily, and the operator retries it. The manager's log has the complete error"},
			},
		},
		{Type: v1alpha1.ConditionSubdomainReady, Under: v1alpha1.ConditionReady,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonRouteAccepted}, Remedy: "nothing"},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonChannelModelWithoutSubdomain}, Remedy: "remove `spec.subdomain`, or set `spec.channelModel` to OEM or MSP. The API server refuses this for new manifests", Field: "spec.subdomain", Link: ClaimLink},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonHostReserved}, Remedy: "write a host under the partner's own domain; see `--reserved-host-suffixes`", Field: "spec.subdomain.host", Link: ClaimLink},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonHostClaimedByAnotherPartner}, Remedy: "write another host, or release it in the partner that the message names: remove it there, or hand it over (`spec.handOver`)", Field: "spec.subdomain.host", Link: ClaimLink},
				{Status: metav1.ConditionFalse, Progress: Waiting, Reasons: []v1alpha1.Reason{v1alpha1.ReasonHostReleasing}, Remedy: "wait: the host is being released or handed over, or is reserved for a partner that a restore may bring back; the message says which", Field: "spec.subdomain", Link: ClaimLink},
				{Status: metav1.ConditionFalse, Progress: Waiting, Reasons: []v1alpha1.Reason{v1alpha1.ReasonListenerConflict}, Remedy: "wait: the Partner that hands the host over removes its listener now, since the Gateway takes only one for a host", Field: "spec.subdomain", Link: RouteLink},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonHostRoutedElsewhere}, Remedy: "a route or Certificate for the host still exists in another tenant namespace. Delete the object that the message names, unless the operator owns it (its name is the host): then wait", Field: "spec.subdomain", Link: RouteLink},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonTenantNotReady}, Remedy: "see `TenantReady`", Field: "spec.subdomain", Link: NamespaceLink},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonAPINotInstalled}, Remedy: "install the API that the message names; no restart is needed. Or avoid the need for it: provide a certificate in `spec.subdomain.tls.secretName` instead of cert-manager, or set an ingress class instead of a Gateway", Field: "spec.subdomain", Link: APIsLink},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonGatewayNotFound}, Remedy: "create the Gateway, or name another in `spec.subdomain.route.gatewayRef`", Field: "spec.subdomain", Link: RouteLink},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonIssuerNotReady}, Remedy: "create the issuer that the message names, or fix it: `kubectl describe` of it says what it lacks", Field: "spec.subdomain", Link: CertificateLink},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonCertificateFailed}, Remedy: "fix what the message names; cert-manager then tries again by itself, after an hour or more, or at once with `cmctl renew`", Field: "spec.subdomain", Link: CertificateLink},
				{Status: metav1.ConditionFalse, Progress: Waiting, Reasons: []v1alpha1.Reason{v1alpha1.ReasonCertificatePending}, Remedy: "the message has cert-manager's words: `kubectl describe certificate` in the tenant namespace says more", Field: "spec.subdomain.tls", Link: CertificateLink},
				{Status: metav1.ConditionFalse, Progress: Waiting, Reasons: []v1alpha1.Reason{v1alpha1.ReasonDNSNotReady}, Remedy: "have the partner set the DNS records that `kubectl partner dns` prints; the certificate is ordered within a minute then", Field: "spec.subdomain.tls", Link: CertificateLink},
				{Status: metav1.ConditionFalse, Progress: Waiting, Reasons: []v1alpha1.Reason{v1alpha1.ReasonOrdersPaced}, Remedy: "wait for its turn; the limit is the operator's `--orders-per-hour`", Field: "spec.subdomain.tls", Link: CertificateLink},
				{Status: metav1.ConditionFalse, Progress: Waiting, Reasons: []v1alpha1.Reason{v1alpha1.ReasonReplacementNotReached}, Remedy: "see whether the controller of the new class or Gateway runs, serves the host and reports its address; until then the present route serves. `partner.dispel.com/changes: at-once` on the Partner skips the wait", Field: "spec.subdomain.route", Link: RouteLink},
				{Status: metav1.ConditionFalse, Progress: Waiting, Reasons: []v1alpha1.Reason{v1alpha1.ReasonSecretNotFound}, Remedy: "create the Secret that `spec.subdomain.tls.secretName` names", Field: "spec.subdomain.tls", Link: CertificateLink},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonBackendNotAllowed}, Remedy: "write the public name of the engine in `spec.subdomain.backend.external.host`, or allow its domain with `--backend-host-suffixes`", Field: "spec.subdomain.backend", Link: BackendLink},
				{Status: metav1.ConditionFalse, Progress: Waiting, Reasons: []v1alpha1.Reason{v1alpha1.ReasonBackendNotFound}, Remedy: "deploy the engine's Service that `spec.subdomain.backend.service` names, with the port", Field: "spec.subdomain.backend", Link: BackendLink},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonBackendTLSNotSupported}, Remedy: "the route's controller cannot reach the engine over TLS as `spec.subdomain.backend.tls` says: name another, or do what the message says", Field: "spec.subdomain.backend.tls", Link: BackendLink},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonBackendCAInvalid}, Remedy: "write the certificates of the engine's authorities into the object and the key that the message names; it is read again within 30 seconds", Field: "spec.subdomain.backend.tls", Link: BackendLink},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonListenerNotProgrammed}, Remedy: "the Gateway or the sub-domain's ListenerSet has no programmed listener: the message quotes its controller", Field: "spec.subdomain", Link: RouteLink},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonRouteNotAccepted}, Remedy: "Ingress: install the ingress controller's IngressClass, or name another in `spec.subdomain.route.ingressClassName`. Gateway: see the message; often the Gateway does not allow routes (`allowedRoutes`) or ListenerSets (`allowedListeners`) from the tenant namespace", Field: "spec.subdomain", Link: RouteLink},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonRefsNotResolved}, Remedy: "see the message; often the controller does not support ExternalName backends: see [exposure.md](exposure.md)", Field: "spec.subdomain", Link: RouteLink},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonObjectRefused, v1alpha1.ReasonApplyFailed}, Remedy: "as for `TenantReady`", Link: RouteLink, Field: "spec.subdomain"},
			},
		},
		{Type: v1alpha1.ConditionCertificateRenewalFailed, Bad: true, Under: v1alpha1.ConditionSubdomainReady,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonRenewalFailed}, Remedy: "fix what the message names before the certificate expires; until then it serves"},
			},
		},
		{Type: v1alpha1.ConditionHostReleaseBlocked, Bad: true, Under: v1alpha1.ConditionSubdomainReady,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonRouteRemains}, Remedy: "delete the objects that the message names: they route a host that is no longer declared, and nobody else can have it"},
			},
		},
		{Type: v1alpha1.ConditionHandOverPending, Bad: true, Under: v1alpha1.ConditionSubdomainReady,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonTargetNotFound}, Remedy: "create the Partner that `spec.handOver.partnerRef` names, or correct the name; until then this Partner keeps serving the host"},
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonTargetNotDeclaring}, Remedy: "declare the host in `spec.subdomain` of the Partner that takes it over; until then this Partner keeps serving it"},
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonTargetNotServing}, Remedy: "wait, or fix what the message names in the Partner that takes the host over; until that serves it, this Partner does"},
			},
		},
		{Type: v1alpha1.ConditionChangeHeld, Bad: true, Under: v1alpha1.ConditionSubdomainReady,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonWaitsForWave}, Remedy: "wait for its wave (the operator's `--wave`)", Severity: Notice, Decided: true},
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonChangesFailing}, Remedy: "see [the runbook](runbooks/PartnerChangesHeld.md)", Severity: Warning},
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonOutsideChangeWindow}, Remedy: "wait for the plan's next change window", Severity: Notice, Decided: true},
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonIngressClassGone}, Remedy: "create the IngressClass within a minute to keep the route", Severity: Notice, Decided: true},
			},
		},
		{Type: v1alpha1.ConditionSupportWidgetEnabled, Under: v1alpha1.ConditionSubdomainReady,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonWidgetEnabled}, Remedy: "nothing"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonNoPCSMAllocation}, Remedy: "create a PCSMAllocation; without P-CSMs the partner's own team answers", Severity: Notice, Decided: true},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonStaffingBelowMinimum}, Remedy: "the plan has `enforcement: Required`: add the FTE that the message names"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonSubdomainNotReady}, Remedy: "see `SubdomainReady`"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonSupportPlanNotFound, v1alpha1.ReasonSupportPlanNotReady}, Remedy: "see `Ready`; a widget that was enabled before stays so"},
			},
		},
		{Type: v1alpha1.ConditionStaffingSufficient,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonWithinCapacity}, Remedy: "nothing"},
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonNearCapacity}, Remedy: "plan for more: the message has the recommended FTE", Field: "spec.customerCount", Severity: Warning},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonBelowTierMinimum}, Remedy: "add the FTE that the message names", Field: "spec.customerCount", Severity: Error},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonCapacityExceeded}, Remedy: "add the FTE that the message names", Field: "spec.customerCount", Severity: Error},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonBelowTierMinimumAndCapacityExceeded}, Remedy: "add the FTE that the message names, which fixes both", Field: "spec.customerCount", Severity: Error},
				{Status: metav1.ConditionUnknown, Reasons: []v1alpha1.Reason{v1alpha1.ReasonSupportPlanNotFound, v1alpha1.ReasonSupportPlanNotReady}, Remedy: "see `Ready`", Field: "spec.supportPlanRef"},
			},
		},
		{Type: v1alpha1.ConditionCapacityExceeded, Bad: true,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonCustomersExceedFTECapacity}, Remedy: "add the FTE that the message names"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonNearCapacity, v1alpha1.ReasonWithinCapacity}, Remedy: "nothing"},
				{Status: metav1.ConditionUnknown, Reasons: []v1alpha1.Reason{v1alpha1.ReasonSupportPlanNotFound, v1alpha1.ReasonSupportPlanNotReady}, Remedy: "see `Ready`"},
			},
		},
		{Type: v1alpha1.ConditionHoursCovered,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonEveryHourCovered}, Remedy: "nothing. If the message names a future week or time with uncovered hours, plan shifts or an exception for it"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonHoursUncovered}, Remedy: "add shifts for the hours that the message names to the partner's PCSMAllocations, or contract more P-CSMs; `kubectl partner coverage <partner>` draws the week"},
				{Status: metav1.ConditionUnknown, Reasons: []v1alpha1.Reason{v1alpha1.ReasonShiftsNotDeclared}, Remedy: "write `spec.shifts` in the partner's PCSMAllocations", Severity: Notice},
				{Status: metav1.ConditionUnknown, Reasons: []v1alpha1.Reason{v1alpha1.ReasonSupportPlanNotFound, v1alpha1.ReasonSupportPlanNotReady}, Remedy: "see `Ready`"},
			},
		},
		{Type: v1alpha1.ConditionShortfallExpected, Bad: true,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonContractEnds}, Remedy: "extend `spec.validUntil` of the PCSMAllocation that ends, or add the FTE that the message names, before that day", Severity: Notice},
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonCustomersExpected}, Remedy: "add the FTE that the message names before that day", Field: "spec.expectedCustomers", Severity: Notice},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonNoneExpected}, Remedy: "nothing"},
			},
		},
		{Type: v1alpha1.ConditionCustomerCountStale, Bad: true,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonCountTooOld}, Remedy: "find out why the field manager that the message names stopped writing `spec.customerCount`. If the count is right, confirm it as [the runbook](runbooks/staffing.md#partnercustomercountstale) shows"},
			},
		},
		{Type: v1alpha1.ConditionContractActive,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonWithinContractWindow}, Remedy: "nothing"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonContractNotStarted}, Remedy: "wait for `spec.validFrom`, or set it to an earlier day", Field: "spec.validFrom", Decided: true},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonContractEnded}, Remedy: "extend `spec.validUntil`, or delete the Partner, which gives the host up", Field: "spec.validUntil", Decided: true},
			},
		},
		{Type: v1alpha1.ConditionObjectsIgnored, Bad: true,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonLimitExceeded}, Remedy: "delete or split the objects that the message names. Until then the operator does not see all hosts that are routed in the namespace"},
			},
		},
		{Type: v1alpha1.ConditionUndeclaredNamespaces, Bad: true,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonNamespaceLabelled}, Remedy: "find out where the namespace that the message names comes from: remove its label `partner.dispel.com/partner`, or delete it. The operator changes nothing there that it did not write"},
			},
		},
		{Type: v1alpha1.ConditionSubdomainReachable,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonReachable}, Remedy: "nothing"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonNameNotResolved}, Remedy: "create the DNS record, at the addresses in `status.subdomain.addresses`; if external-dns does that, see its log"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonAddressNotTheRoutes}, Remedy: "point the DNS record to the addresses that the message names. After a change of the route or the record, wait for the record's TTL"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonTargetNotAllowed}, Remedy: "correct the DNS record: it resolves to a non-public address. If this is intended, allow that network with `--allowed-targets` of [the prober](probe.md)"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonConnectionFailed}, Remedy: "see whether the ingress controller or Gateway runs, and whether its load balancer and firewalls let the port through"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonCertificateInvalid}, Remedy: "see which certificate the message names. A controller's default certificate means that it does not serve the sub-domain's own; an unknown authority is trusted with `--ca-file`"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonCertificateExpired}, Remedy: "see why it was not renewed: `CertificateRenewalFailed`, and `kubectl describe certificate` in the tenant namespace. If it was renewed, the controller still serves the old one"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonEngineFailed}, Remedy: "see whether the partner's engine runs, and the controller's log for why it cannot reach it"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonWidgetFailed}, Remedy: "see whether the widget server runs, and whether the controller routes `/.dispel/support/` to it"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonWidgetOfAnotherPartner}, Remedy: "check whether a proxy in between preserves the Host header"},
				{Status: metav1.ConditionUnknown, Reasons: []v1alpha1.Reason{v1alpha1.ReasonProberBlind}, Remedy: "see [the runbook](runbooks/PartnerProberBlind.md): the prober's own surroundings fail, and it has no verdict on this sub-domain yet. Verdicts from before stay as they are", Severity: Notice},
			},
		},
		{Type: v1alpha1.ConditionReplacementReachable,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonReachable}, Remedy: "nothing"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonNameNotResolved, v1alpha1.ReasonTargetNotAllowed, v1alpha1.ReasonConnectionFailed, v1alpha1.ReasonCertificateInvalid, v1alpha1.ReasonCertificateExpired, v1alpha1.ReasonEngineFailed, v1alpha1.ReasonWidgetFailed, v1alpha1.ReasonWidgetOfAnotherPartner}, Remedy: "see `SubdomainReachable`: the same holds for the new route", Severity: Warning},
			},
		},
	}},
	{Name: "PCSMAllocation", Conditions: []Condition{
		{Type: v1alpha1.ConditionAccepted,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonAccepted}, Remedy: "nothing"},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonPartnerNotFound}, Remedy: "create the Partner; the allocation counts by itself then"},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonChannelModelWithoutPCSM}, Remedy: "only an OEM or MSP can hold P-CSMs: delete the allocation, or change the partner's `channelModel`"},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonUnknownTimeZone}, Remedy: "write an IANA name, such as Europe/Berlin"},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonShiftsExceedFTE}, Remedy: "shorten or move the shifts that the message names, or raise `spec.fte`"},
			},
		},
		{Type: v1alpha1.ConditionActive,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonWithinContractWindow}, Remedy: "nothing"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonNotYetValid}, Remedy: "wait for `spec.validFrom`"},
				{Status: metav1.ConditionFalse, Reasons: []v1alpha1.Reason{v1alpha1.ReasonExpired}, Remedy: "extend `spec.validUntil`, or delete the allocation"},
			},
		},
		{Type: v1alpha1.ConditionHoursDoubtful, Bad: true,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonFixedTimeZone}, Severity: Warning, Field: "spec.localization.timeZone", Remedy: "write the IANA name of the place whose clocks are meant, such as America/New_York for EST"},
			},
		},
		{Type: v1alpha1.ConditionReady,
			Of: []v1alpha1.ConditionType{v1alpha1.ConditionAccepted},
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonCounted}, Remedy: "nothing"},
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonOutsideContractWindow}, Remedy: "see `Active`"},
			},
		},
	}},
	{Name: "SupportPlan", Conditions: []Condition{
		{Type: v1alpha1.ConditionReady,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonPlanConsistent}, Remedy: "nothing; `status.effective` has the plan in full"},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonUnknownTimeZone}, Remedy: "write an IANA name in `spec.operatingHours.timeZone`"},
				{Status: metav1.ConditionFalse, Progress: Stalled, Reasons: []v1alpha1.Reason{v1alpha1.ReasonPlanInconsistent}, Remedy: "the message names the field; the API server refuses this for new manifests"},
			},
		},
		{Type: v1alpha1.ConditionHoursDoubtful, Bad: true,
			Cases: []Case{
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonFixedTimeZone}, Severity: Warning, Field: "spec.operatingHours.timeZone", Remedy: "write the IANA name of the place whose clocks are meant, such as America/New_York for EST"},
				{Status: metav1.ConditionTrue, Reasons: []v1alpha1.Reason{v1alpha1.ReasonFederalHolidaysAbroad}, Severity: Notice, Field: "spec.operatingHours.holidays", Remedy: "write `holidays: None`, or `holidays: USFederal` if that is meant"},
			},
		},
	}}}
