package tenant

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/hosts"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/snapshot"
	"github.com/dispel/partner-operator/internal/support"
)

// findingsOf are what the conditions of the Partner say.
//
//	Ready
//	|- TenantReady            the namespace, its guards, the contract
//	|- the support plan       by its own reasons
//	`- SubdomainReady         claim, certificate, backend, route
//	   |- CertificateRenewalFailed          no part of Ready
//	   |- HostReleaseBlocked, HandOverPending, ChangeHeld   no part of Ready
//	   `- SupportWidgetEnabled              no part of Ready
//	StaffingSufficient, CapacityExceeded, HoursCovered,
//	ShortfallExpected, CustomerCountStale,
//	ContractActive,
//	ObjectsIgnored, UndeclaredNamespaces    no part of Ready
func findingsOf(s *snapshot.Snapshot, judged *contract.Judgement, plan *hosts.Plan, tenantReady conditions.Finding) []conditions.Finding {
	findings, links := []conditions.Finding{tenantReady}, []conditions.Finding{tenantReady}
	if judged.Fault != nil {
		links = append(links, *judged.Fault)
	}
	if plan.Subdomain != nil {
		findings, links = append(findings, *plan.Subdomain), append(links, *plan.Subdomain)
	}
	if plan.Exposed {
		findings = append(findings, widgetEnabled(s, judged, plan))
	}
	return slices.Concat(findings, judged.Findings(s.Plan), plan.Findings, namespaceFindings(s),
		conditions.Summary(conditions.True(v1alpha1.ConditionReady, v1alpha1.ReasonProvisioned, readyMessage(s, judged, plan)), links...))
}

func readyMessage(s *snapshot.Snapshot, judged *contract.Judgement, plan *hosts.Plan) string {
	namespace, model := objects.NamespaceOf(s.Partner), s.Partner.Spec.ChannelModel
	switch {
	case !model.WhiteLabels():
		return fmt.Sprintf("namespace %s is provisioned; a %s has no sub-domain, and Dispel serves its customers", namespace, model)
	case s.Partner.Spec.Subdomain == nil:
		return fmt.Sprintf("namespace %s is provisioned; no sub-domain is declared", namespace)
	case !judged.InForce():
		return fmt.Sprintf("namespace %s is provisioned, and %s is held, and not served by the operator: %s", namespace, s.Partner.Spec.Subdomain.Host, judged.Window.Message)
	}
	return plan.Subdomain.Message
}

func widgetEnabled(s *snapshot.Snapshot, judged *contract.Judgement, plan *hosts.Plan) conditions.Finding {
	off := func(reason v1alpha1.Reason, format string, args ...any) conditions.Finding {
		return conditions.False(v1alpha1.ConditionSupportWidgetEnabled, reason, conditions.Done, fmt.Sprintf(format, args...))
	}
	switch {
	case judged.Allocated == 0:
		return off(v1alpha1.ReasonNoPCSMAllocation,
			"no P-CSM is active for this partner, so its own team answers: create a PCSMAllocation to enable the widget")
	case judged.KeepsWidgetOff():
		return off(v1alpha1.ReasonStaffingBelowMinimum,
			"SupportPlan %q keeps the widget off below its minimum staffing: %s", s.Plan.Name, judged.Verdict.Message())
	case !plan.Widget && judged.Fault != nil:
		return off(judged.Fault.Reason, "%s", judged.Fault.Message)
	case !plan.WidgetServed && (plan.Subdomain == nil || s.Partner.Spec.Subdomain == nil):
		return off(v1alpha1.ReasonSubdomainNotReady, "the widget opens on the sub-domain, and none is declared")
	case !plan.WidgetServed:
		return off(v1alpha1.ReasonSubdomainNotReady, "the widget opens on the sub-domain, which is not ready: %s", plan.Subdomain.Message)
	}
	return conditions.True(v1alpha1.ConditionSupportWidgetEnabled, v1alpha1.ReasonWidgetEnabled,
		fmt.Sprintf("%s FTE of P-CSMs answer on %s", judged.Allocated, plan.Served.URL))
}

// classChanged tells that the Ingress of a served host has another class than before; nil if not.
// Where a second one is refused, both classes cannot serve it for a while.
func classChanged(s *snapshot.Snapshot, served *v1alpha1.SubdomainStatus) *conditions.Event {
	before := s.Partner.Status.Subdomain
	if before == nil || served == nil || before.IngressClass == "" || served.IngressClass == "" || before.IngressClass == served.IngressClass {
		return nil
	}
	_, was, _ := strings.Cut(before.URL, "://")
	_, host, _ := strings.Cut(served.URL, "://")
	kept := slices.ContainsFunc(s.OwnRoutes(), func(route objects.Route) bool {
		ingress, ok := route.Object.(*networkingv1.Ingress)
		return ok && route.Host() == host && ptr.Deref(ingress.Spec.IngressClassName, "") == string(before.IngressClass)
	})
	if was != host || kept {
		return nil
	}
	return &conditions.Event{
		Type: corev1.EventTypeWarning, Condition: v1alpha1.ConditionSubdomainReady, Reason: IngressClassChanged,
		Message: fmt.Sprintf("Ingress %s/%s moves from class %s to class %s in place: visitors who still have the DNS record of the former class are not served until it expires",
			objects.NamespaceOf(s.Partner), cmp.Or(served.RouteName, host), before.IngressClass, served.IngressClass),
	}
}

// statusOf is the status of the Partner.
func statusOf(s *snapshot.Snapshot, judged *contract.Judgement, plan *hosts.Plan, findings []conditions.Finding) v1alpha1.PartnerStatus {
	status := v1alpha1.PartnerStatus{
		ObservedGeneration: s.Partner.Generation,
		Namespace:          objects.NamespaceOf(s.Partner),
		SupportPlan:        &v1alpha1.SupportPlanSummary{Name: v1alpha1.ObjectName(contract.PlanName(s.Partner))},
		Subdomain:          plan.Served,
		Hosts:              hostsOf(s, plan),
		Staffing:           judged.Staffing(),
		Coverage:           judged.Coverage(),
		Customers:          judged.Customers,
		Responsibilities:   support.Responsibilities(s.Partner.Spec.ChannelModel, judged.Allocated > 0),
		Conditions:         conditions.Merge(s.Partner.Status.Conditions, findings, s.Partner.Generation, s.Now),
	}
	if s.Plan != nil {
		status.SupportPlan.Tier = s.Plan.Spec.Tier
	}
	if plan.Exposed {
		enabled := widgetEnabled(s, judged, plan).Status == metav1.ConditionTrue
		status.SupportWidget = &v1alpha1.SupportWidgetStatus{Enabled: &enabled}
		if enabled {
			status.SupportWidget.ScriptURL = status.Subdomain.URL + kinds.WidgetPath + "/widget.js"
		}
	}
	return status
}

// mostHosts and mostWords are how many hosts, and how long a wait, the schema lets a status have.
const mostHosts, mostWords = 16, 1024

// hostsOf are the hosts as the status has them: the declared one, the one that is handed over, and
// those that are held besides, those that are served first.
func hostsOf(s *snapshot.Snapshot, plan *hosts.Plan) []v1alpha1.HostStatus {
	listed := slices.DeleteFunc(slices.Clone(plan.Hosts), func(host hosts.Host) bool {
		concerned := host.Name == objects.HostOf(s.Partner) || host.Name == string(objects.HandOverOf(s.Partner).Host)
		return host.Phase == "" || !concerned && s.Child(kinds.SubdomainClaim, host.Name) == nil
	})
	slices.SortStableFunc(listed, func(a, b hosts.Host) int { return rank(s, a) - rank(s, b) })
	var statuses []v1alpha1.HostStatus
	for _, host := range listed[:min(len(listed), mostHosts)] {
		status := v1alpha1.HostStatus{
			Host: v1alpha1.Host(host.Name), Phase: host.Phase,
			WaitsFor: host.WaitsFor[:min(len(host.WaitsFor), mostWords)], Since: &metav1.Time{Time: s.Now.Truncate(time.Second)},
		}
		switch host.Phase {
		case v1alpha1.HostServing, v1alpha1.HostOffered, v1alpha1.HostHandingOver:
			if host.Served != nil {
				status.URL, status.Route, status.SupportWidget = host.Served.URL, host.Served.Route, plan.Widget && host.Widget
			}
		}
		if !host.Until.IsZero() {
			status.Until = &metav1.Time{Time: host.Until.Truncate(time.Second)}
		}
		for _, before := range s.Partner.Status.Hosts {
			if before.Host == status.Host && before.Phase == status.Phase && before.Since != nil {
				status.Since = before.Since
			}
		}
		statuses = append(statuses, status)
	}
	return statuses
}

// rank orders hosts in the status.
func rank(s *snapshot.Snapshot, host hosts.Host) int {
	switch {
	case host.Name == objects.HostOf(s.Partner):
		return 0
	case host.Name == string(objects.HandOverOf(s.Partner).Host):
		return 1
	case host.Phase == v1alpha1.HostServing, host.Phase == v1alpha1.HostDraining:
		return 2
	}
	return 3
}
