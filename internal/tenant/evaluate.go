package tenant

import (
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/hosts"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/snapshot"
	"github.com/dispel/partner-operator/internal/staffing"
)

// Evaluate decides what the Partner of a snapshot becomes, by what its contract says:
//
//  1. whether the declared namespace can be the tenant's;
//  2. what happens to the Partner's hosts;
//  3. the namespace and its guards, which note the hosts;
//  4. what to delete: all that neither of these keeps;
//  5. the status and the events.
func Evaluate(s snapshot.Snapshot) Outcome {
	return evaluate(s, judge(&s))
}

// judge judges the contract with the Partner, which no write of the operator's changes.
func judge(s *snapshot.Snapshot) *contract.Judgement {
	judged := contract.Judge(s.Partner, s.Plan, s.Allocations, s.Now)
	if s.Plan == nil {
		judged.Fault = new(contract.PlanNotFound(s.Partner, s.NearPlan))
	}
	return &judged
}

// evaluate is Evaluate with what the contract says.
func evaluate(s snapshot.Snapshot, judged *contract.Judgement) Outcome {
	if ptr.Deref(s.Partner.Spec.Suspend, false) {
		return suspended(s)
	}
	s.APIs = s.Settings.Use(s.APIs)
	blocked := namespaceBlocked(&s)
	plan := hosts.New(&s, judged, blocked)
	tenant := planTenant(&s, judged, &plan, blocked)
	outcome := Outcome{Objects: inOrder(&s, tenant.write, plan.Hosts), RequeueAt: staffing.Earlier(judged.Changes, plan.Again)}
	for _, child := range s.Children {
		if child.GetDeletionTimestamp().IsZero() && !tenant.keeps(child) && !plan.Keeps(child) {
			outcome.Prune = append(outcome.Prune, child)
		}
	}
	kinds.SortForDeletion(outcome.Prune)
	findings := findingsOf(&s, judged, &plan, tenant.ready)
	outcome.Events = conditions.Events(s.Partner.Status.Conditions, findings)
	outcome.Status = statusOf(&s, judged, &plan, findings)
	if event := classChanged(&s, plan.Served); event != nil {
		outcome.Events = append(outcome.Events, *event)
	}
	return outcome
}

// suspended changes nothing but to say so.
func suspended(s snapshot.Snapshot) Outcome {
	finding := conditions.True(v1alpha1.ConditionSuspended, v1alpha1.ReasonSuspendedBySpec,
		"spec.suspend is true: the operator changes nothing, and the rest of the status stays as it was; set it to false to continue")
	status := *s.Partner.Status.DeepCopy()
	findings := []conditions.Finding{finding}
	if meta.FindStatusCondition(status.Conditions, string(v1alpha1.ConditionReady)) == nil {
		// Nothing was ever provisioned, which must not pass for health.
		link := conditions.False("", finding.Reason, conditions.Stalled, "spec.suspend is true since before anything was provisioned: set it to false to begin")
		findings = append(findings, conditions.Summary(conditions.Finding{}, link)...)
	}
	status.Conditions = over(status.Conditions, &s, findings)
	return Outcome{Status: status, Events: conditions.Events(s.Partner.Status.Conditions, []conditions.Finding{finding})}
}

// inOrder are all objects in the order in which to write them: first the claims that are not held
// yet, which decide what else is to be had; then the namespace and its guards; then what serves
// the hosts.
func inOrder(s *snapshot.Snapshot, tenant []kinds.Object, plans []hosts.Host) []kinds.Object {
	var claims, others []kinds.Object
	for _, host := range plans {
		for _, object := range host.Write {
			if kinds.Of(object).Exposure == kinds.ByClaim && s.Child(kinds.SubdomainClaim, object.GetName()) == nil {
				claims = append(claims, object)
			} else {
				others = append(others, object)
			}
		}
	}
	return slices.Concat(claims, tenant, others)
}

// tenantPlan is what happens to the namespace and to what exposes no host in it.
type tenantPlan struct {
	// write are the objects to have, in the order in which to write them.
	write []kinds.Object
	// keeps reports whether an object stays.
	keeps func(kinds.Object) bool
	// ready is what TenantReady says.
	ready conditions.Finding
}

// planTenant wants the namespace, its guards and the contract. While the namespace is blocked,
// nothing changes in it. Without a plan in force, the contract in it stays as it was.
func planTenant(s *snapshot.Snapshot, judged *contract.Judgement, plan *hosts.Plan, blocked *conditions.Finding) tenantPlan {
	exposes := func(object kinds.Object) bool { return kinds.Of(object).Exposure != kinds.NotExposed }
	if blocked != nil {
		return tenantPlan{ready: *blocked, keeps: func(object kinds.Object) bool { return kinds.Of(object).Exposure != kinds.ByClaim }}
	}
	build := objects.Builder{Partner: s.Partner, Settings: s.Settings}
	namespace := build.Namespace()
	// Without a host, too: another's note may be there from before.
	namespace.Annotations = map[string]string{v1alpha1.HostsAnnotation: objects.NoteOf(plan.Noted)}
	if s.Namespace != nil && objects.AdoptableByAnother(s.Namespace, s.Partner.Name) {
		namespace.Annotations[v1alpha1.AdoptAnnotation] = "" // or it would count once this Partner is gone
	}
	t := tenantPlan{write: append([]kinds.Object{namespace}, build.Guards()...)}
	failures := s.Failures
	if judged.Terms != nil {
		path := ""
		if plan.Widget {
			path = kinds.WidgetPath
		}
		data, err := json.Marshal(contract.NewDocument(s.Partner, s.Plan, judged, path, s.Now))
		if err != nil { // a contract holds nothing that JSON cannot
			failures = append(slices.Clone(failures), snapshot.Failure{Object: build.SupportDocument(""), Refused: true, Message: err.Error()})
		} else {
			t.write = append(t.write, build.SupportDocument(string(data)))
		}
	}
	t.keeps = func(object kinds.Object) bool {
		return slices.ContainsFunc(t.write, func(wanted kinds.Object) bool { return kinds.Same(wanted, object) }) ||
			judged.Terms == nil && kinds.Name(object) == kinds.ConfigMap
	}
	t.ready = conditions.True(v1alpha1.ConditionTenantReady, v1alpha1.ReasonTenantProvisioned,
		"namespace "+namespace.Name+" and its policies are as declared")
	if i := slices.IndexFunc(failures, func(f snapshot.Failure) bool { return !exposes(f.Object) }); i >= 0 {
		t.ready = failures[i].Finding(v1alpha1.ConditionTenantReady)
	}
	return t
}
