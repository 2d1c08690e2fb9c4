package conditions

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// StaffingAlerts are those about StaffingSufficient, by reason.
var StaffingAlerts = map[v1alpha1.Reason]string{
	v1alpha1.ReasonCapacityExceeded: "PartnerOverCapacity",
	v1alpha1.ReasonBelowTierMinimum: "PartnerBelowTierMinimum",
	v1alpha1.ReasonNearCapacity:     "PartnerNearCapacity",

	v1alpha1.ReasonBelowTierMinimumAndCapacityExceeded: "PartnerBelowTierMinimum",
}

// Alerts are the alerts that a Partner's conditions raise while they are not as they should be, by type
// of the condition. Runbooks have their names, as pages or as sections.
var Alerts = map[v1alpha1.ConditionType]string{
	v1alpha1.ConditionTenantReady:              "PartnerTenantNotReady",
	v1alpha1.ConditionSubdomainReady:           "PartnerSubdomainNotReady",
	v1alpha1.ConditionSubdomainReachable:       "PartnerSubdomainUnreachable",
	v1alpha1.ConditionCertificateRenewalFailed: "PartnerCertificateRenewalFailed",
	v1alpha1.ConditionHoursCovered:             "PartnerHoursUncovered",
	v1alpha1.ConditionShortfallExpected:        "PartnerShortfallExpected",
	v1alpha1.ConditionCustomerCountStale:       "PartnerCustomerCountStale",
}

// AlertOf is the alert that a condition of a Partner raises; empty if there is none.
func AlertOf(condition metav1.Condition) string {
	if condition.Type == string(v1alpha1.ConditionStaffingSufficient) {
		return StaffingAlerts[v1alpha1.Reason(condition.Reason)]
	}
	return Alerts[v1alpha1.ConditionType(condition.Type)]
}
