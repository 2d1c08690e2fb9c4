package preview

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/apply"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/coverage"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/manifests"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/snapshot"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/tenant"
)

// Partner is what becomes of one Partner.
type Partner struct {
	Name         string                `json:"name"`
	DisplayName  string                `json:"displayName"`
	ChannelModel v1alpha1.ChannelModel `json:"channelModel"`
	// Namespace is that of the tenant.
	Namespace string `json:"namespace"`
	// SupportPlan is the name of the plan in force, Tier its tier; that is empty if
	// there is no such plan.
	SupportPlan string        `json:"supportPlan"`
	Tier        v1alpha1.Tier `json:"tier,omitempty"`
	// Host is the sub-domain; empty if there is none.
	Host string `json:"host,omitempty"`
	// Staffing is nil without P-CSMs, or without a plan.
	Staffing *v1alpha1.StaffingStatus `json:"staffing,omitempty"`
	// Verdict is that of the condition StaffingSufficient; nil without P-CSMs.
	Verdict *Verdict `json:"verdict,omitempty"`
	// Coverage is nil while no active allocation declares shifts, or without a plan.
	Coverage *v1alpha1.CoverageStatus `json:"coverage,omitempty"`
	// Declared are the Partner and its allocations, as far as the manifests have them; the
	// Partner is the first.
	Declared []Declaration `json:"declared,omitempty"`
	// Effects are the reasons of conditions that change, each as
	// "WithinCapacity -> CapacityExceeded"; none without a cluster to compare with.
	Effects []string `json:"effects,omitempty"`
	// Objects are what it becomes, in the order in which they are written, and those
	// that go.
	Objects []Object `json:"objects"`
	// Findings are about the outcome. A Partner that is in no manifest has some only if
	// anything changes for it.
	Findings []Finding `json:"findings,omitempty"`
}

// Verdict is a reason and its message.
type Verdict struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Action is what is done with an object. It is empty without a cluster to compare
// with.
type Action string

// The actions.
const (
	Create Action = "create"
	Change Action = "change"
	Keep   Action = "keep"
	Remove Action = "remove"
)

// Object is an object that a Partner becomes, or one that goes.
type Object struct {
	// Action is what is done with it.
	Action Action
	// Kind, Namespace and Name tell which one it is. Namespace is empty for a
	// cluster-scoped object.
	Kind, Namespace, Name string

	wanted, observed kinds.Object
}

// Manifest has the fields that the operator writes, without its own note of them.
// Owner references have no UID as long as the Partner has none.
func (o Object) Manifest() (map[string]any, error) {
	fields, err := apply.Fields(o.wanted)
	if err != nil {
		return nil, err
	}
	return withoutNote(fields), nil
}

// MarshalJSON writes the action, and the object's manifest.
func (o Object) MarshalJSON() ([]byte, error) {
	manifest, err := o.Manifest()
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Action      Action         `json:"action,omitempty"`
		Differences []string       `json:"differences,omitempty"`
		Manifest    map[string]any `json:"manifest"`
	}{o.Action, o.Differences(), manifest})
}

// Changed reports whether anything is to be done.
func (p *Partner) Changed() bool {
	return len(p.Effects) > 0 || slices.ContainsFunc(p.Declared, func(d Declaration) bool { return d.Action != Keep }) ||
		slices.ContainsFunc(p.Objects, func(o Object) bool { return o.Action != Keep })
}

// onDay is a Partner on the day that is judged, with the customers that signed deals bring until then.
func (p *Plan) onDay(partner *v1alpha1.Partner) *v1alpha1.Partner {
	customers := staffing.CustomersOn(partner, cmp.Or(p.options.Today, p.options.Now), p.options.Now)
	if customers == int64(ptr.Deref(partner.Spec.CustomerCount, 0)) {
		return partner
	}
	partner = partner.DeepCopy()
	partner.Spec.CustomerCount = new(int32(customers)) //nolint:gosec // it is one of those in the spec
	return partner
}

// partner works out what becomes of a Partner.
func (p *Plan) partner(ctx context.Context, name string) (*Partner, error) {
	declared := p.onDay(p.fleet.Partners[name])
	settings := p.options.Settings
	settings.RouteOverlap = -1 // what is replaced is told as gone
	found, err := p.fleet.Snapshot(ctx, declared, settings, p.options.Now)
	if err != nil {
		return nil, err
	}
	host := objects.HostOf(declared)
	// Of several that want a host, the first one that is declared gets it.
	if holder := p.holders[host]; holder != "" && holder != name && (found.Claim == nil || p.letsGo(host)) {
		found.Claim = &v1alpha1.SubdomainClaim{
			ObjectMeta: metav1.ObjectMeta{Name: host},
			Spec:       v1alpha1.SubdomainClaimSpec{PartnerRef: v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(holder)}},
		}
		found.Holder = p.fleet.Partners[holder]
	}
	if found.Claim != nil && slices.Contains(found.Sources, string(found.Claim.Spec.PartnerRef.Name)) {
		// What is to be handed over is offered by then.
		found.Claim = found.Claim.DeepCopy()
		found.Claim.Spec.HandOverTo = &v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(name)}
	}
	passOn(found)
	source := p.source(name)
	result := &Partner{
		Name: name, DisplayName: declared.Spec.DisplayName, ChannelModel: declared.Spec.ChannelModel,
		Namespace: objects.NamespaceOf(declared), SupportPlan: contract.PlanName(declared), Host: host, Declared: p.declared[name], Objects: []Object{},
	}
	if found.Plan != nil {
		result.Tier = found.Plan.Spec.Tier
	}
	if !declared.DeletionTimestamp.IsZero() {
		result.Findings = []Finding{{Notice, ReasonDeleting, "it is being deleted in the cluster, so that nothing is made of it", "Partner", name, source.At("metadata")}}
		return result, nil
	}
	outcome := tenant.Settle(*found)
	if p.before != nil && p.before.Partners[name] != nil {
		result.Effects = effects(p.before.Partners[name].Status.Conditions, outcome.Status.Conditions)
	}
	result.Staffing = outcome.Status.Staffing
	result.Verdict, result.Coverage = verdictOf(outcome.Status.Conditions), outcome.Status.Coverage
	for _, object := range outcome.Objects {
		action, err := p.action(object, found.Observed(object))
		if err != nil {
			return nil, err
		}
		result.add(action, object, found.Observed(object))
	}
	for _, object := range outcome.Prune {
		result.add(Remove, object, object)
	}
	if source.File != "" || result.Changed() || !reflect.DeepEqual(result.Verdict, verdictOf(declared.Status.Conditions)) ||
		!equality.Semantic.DeepEqual(result.Coverage, declared.Status.Coverage) || !reflect.DeepEqual(shortfallOf(result.Staffing), shortfallOf(declared.Status.Staffing)) {
		result.Findings = p.outcomeFindings(result, source, outcome.Status.Conditions)
		if served := outcome.Status.Subdomain; source.File != "" && served != nil && strings.HasPrefix(served.URL, "http://") {
			result.Findings = append(result.Findings, Finding{Notice, ReasonPlainHTTP,
				served.URL + " is served without TLS, in clear text to end customers: write spec.subdomain.tls, or set the operator's --default-issuer", "Partner", name, source.At("spec.subdomain")})
		}
		for _, event := range outcome.Events {
			if event.Reason == tenant.IngressClassChanged {
				result.Findings = append(result.Findings, Finding{Warning, event.Reason, event.Message, "Partner", name, source.At("spec.subdomain.route.ingressClassName")})
			}
		}
	}
	return result, nil
}

// passOn has a snapshot show the host that its Partner hands over as served by its target already, if that
// declares it: what a plan tells is how it ends.
func passOn(s *snapshot.Snapshot) {
	handing := objects.HandOverOf(s.Partner)
	if handing.Host == "" || !s.HandsOver() || s.Target == nil || objects.HostOf(s.Target) != string(handing.Host) {
		return
	}
	s.Target = s.Target.DeepCopy()
	s.Target.Status.Subdomain = &v1alpha1.SubdomainStatus{URL: "https://" + string(handing.Host)}
	meta.SetStatusCondition(&s.Target.Status.Conditions, metav1.Condition{Type: string(v1alpha1.ConditionSubdomainReady), Status: metav1.ConditionTrue, Reason: string(v1alpha1.ReasonProvisioned)})
	s.Handed = &v1alpha1.SubdomainClaim{
		ObjectMeta: metav1.ObjectMeta{Name: string(handing.Host)},
		Spec:       v1alpha1.SubdomainClaimSpec{PartnerRef: handing.PartnerRef},
	}
	s.Children = slices.DeleteFunc(s.Children, func(o kinds.Object) bool {
		return kinds.Name(o) == kinds.SubdomainClaim && o.GetName() == string(handing.Host)
	})
}

// verdictOf is the verdict among conditions; nil if there is none.
func verdictOf(conditions []metav1.Condition) *Verdict {
	sufficient := meta.FindStatusCondition(conditions, string(v1alpha1.ConditionStaffingSufficient))
	if sufficient == nil {
		return nil
	}
	return &Verdict{sufficient.Reason, sufficient.Message}
}

func (p *Partner) add(action Action, object, observed kinds.Object) {
	p.Objects = append(p.Objects, Object{
		action, object.GetObjectKind().GroupVersionKind().Kind, object.GetNamespace(), object.GetName(), object, observed,
	})
}

// action compares a wanted object with what is there.
func (p *Plan) action(wanted, observed kinds.Object) (Action, error) {
	switch {
	case !p.Against:
		return "", nil
	case observed == nil:
		return Create, nil
	}
	fields, err := apply.Fields(wanted)
	if err != nil {
		return "", err
	}
	same, err := apply.UpToDate(fields, observed)
	if err != nil || same {
		return Keep, err
	}
	return Change, nil
}

// withoutNote drops what the operator and the API server note for themselves.
func withoutNote(fields map[string]any) map[string]any {
	metadata, _ := fields["metadata"].(map[string]any)
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		delete(annotations, v1alpha1.AppliedAnnotation)
		if len(annotations) == 0 {
			delete(metadata, "annotations")
		}
	}
	for _, note := range []string{"uid", "resourceVersion", "generation", "managedFields", "creationTimestamp"} {
		delete(metadata, note)
	}
	owners, _ := metadata["ownerReferences"].([]any)
	for _, owner := range owners {
		if owner, ok := owner.(map[string]any); ok && owner["uid"] == "" {
			delete(owner, "uid")
		}
	}
	return fields
}

// severities are those of conditions, as findings have them. What is fine is no finding.
var severities = map[conditions.Severity]Severity{conditions.Notice: Notice, conditions.Warning: Warning, conditions.Error: Error}

// outcomeFindings tells what is wrong with an outcome. The source is the zero one
// of a Partner that is in no manifest.
func (p *Plan) outcomeFindings(partner *Partner, source manifests.Source, outcome []metav1.Condition) []Finding {
	var findings []Finding
	add := func(condition *metav1.Condition, severity Severity, message string) {
		about := *condition
		if about.Type == string(v1alpha1.ConditionReady) {
			about = conditions.CauseOf(about, outcome)
		}
		field := cmp.Or(conditions.CaseOf("Partner", about).Field, "spec")
		findings = append(findings, Finding{severity, condition.Reason, message, "Partner", partner.Name, source.At(field)})
	}
	find := func(of v1alpha1.ConditionType) (*metav1.Condition, Severity) {
		condition := meta.FindStatusCondition(outcome, string(of))
		if condition == nil {
			return nil, ""
		}
		return condition, severities[conditions.SeverityOf(*condition)]
	}
	if active, _ := find(v1alpha1.ConditionContractActive); active != nil && active.Status == metav1.ConditionFalse {
		weight := Notice
		if active.Reason == string(v1alpha1.ReasonContractEnded) {
			weight = Warning
		}
		add(active, weight, active.Message)
	}
	if sufficient, weight := find(v1alpha1.ConditionStaffingSufficient); weight != "" && partner.Verdict != nil {
		add(sufficient, weight, partner.Verdict.Message)
	}
	covered, severity := find(v1alpha1.ConditionHoursCovered)
	switch {
	case covered == nil:
	case covered.Reason == string(v1alpha1.ReasonShiftsNotDeclared):
		if p.before != nil && ptr.Deref(p.before.CoverageOf(partner.Name, p.options.Now), coverage.Verdict{}).Declared {
			add(covered, Warning, "this change takes away all declared shifts: "+covered.Message)
		}
	case covered.Status == metav1.ConditionFalse:
		message := covered.Message
		if newly := p.uncovers(partner.Name); newly != "" {
			message = "this change leaves hours without a P-CSM on duty that have one now: " + newly + "; " + message
		}
		add(covered, severity, message)
	}
	findings = append(findings, p.lost(partner, source)...)
	if shortfall, weight := find(v1alpha1.ConditionShortfallExpected); weight != "" {
		if staffing.ShortfallIsNear(shortfallOf(partner.Staffing), p.options.Now) {
			weight = Warning
		}
		add(shortfall, weight, shortfall.Message)
	}
	if ready, weight := find(v1alpha1.ConditionReady); weight != "" {
		if weight == Warning { // whether it comes by itself depends
			weight = Notice
			if meta.IsStatusConditionTrue(outcome, string(v1alpha1.ConditionStalled)) {
				weight = Error
			}
		}
		weighed, message := p.weigh(ready, weight, partner)
		add(ready, weighed, message)
	}
	return findings
}

func shortfallOf(status *v1alpha1.StaffingStatus) *v1alpha1.NextShortfall {
	if status == nil {
		return nil
	}
	return status.NextShortfall
}

// uncovers lists the hours of a regular week that are covered in the cluster and will
// not be; empty if there are none, or if that cannot be told.
func (p *Plan) uncovers(partner string) string {
	if p.before == nil {
		return ""
	}
	before, after := p.before.CoverageOf(partner, p.options.Now), p.fleet.CoverageOf(partner, p.options.Now)
	if before == nil || after == nil || !before.Declared || !after.Declared || before.Zone.String() != after.Zone.String() {
		return ""
	}
	if lost := after.Lost(before.Week); lost.Uncovered > 0 {
		return lost.Which(after.Zone)
	}
	return ""
}

// lost tells of the gaps that weekly shifts do not have and the cluster does not have either, those of
// one allocation for one reason together, at the line that brings them about.
func (p *Plan) lost(partner *Partner, source manifests.Source) []Finding {
	after, zone := p.gaps(p.fleet, partner.Name)
	before, _ := p.gaps(p.before, partner.Name)
	type cause struct {
		reason     v1alpha1.GapReason
		allocation string
	}
	var order []cause
	gaps := map[cause][]coverage.Gap{}
	for _, gap := range after {
		if slices.ContainsFunc(before, func(b coverage.Gap) bool { return !gap.From.Before(b.From) && !gap.Until.After(b.Until) }) {
			continue
		}
		of := cause{gap.Reason, gap.Allocation}
		if gaps[of] == nil {
			order = append(order, of)
		}
		gaps[of] = append(gaps[of], gap)
	}
	var findings []Finding
	for _, of := range order {
		message := gaps[of][0].Describe(zone)
		if more := len(gaps[of]) - 1; more > 0 {
			message += fmt.Sprintf(" (times until %s: %d)", gaps[of][more].Until.In(zone).Format(time.DateOnly), more+1)
		}
		found := Finding{Warning, ReasonNobodyOnDuty, message + ": add an exception for somebody, or shifts of others", "Partner", partner.Name, source.At("spec")}
		if at := p.sources[key{group: v1alpha1.GroupVersion.Group, kind: "PCSMAllocation", name: of.allocation}]; at.File != "" {
			field := map[v1alpha1.GapReason]string{v1alpha1.GapAbsence: "spec.absences", v1alpha1.GapException: "spec.exceptions", v1alpha1.GapHoliday: "spec.localization.holidays"}[of.reason]
			found.Kind, found.Name, found.Position = "PCSMAllocation", of.allocation, at.At(field)
		}
		findings = append(findings, found)
	}
	return findings
}

// gaps are those of a partner that weekly shifts do not have, within a year; none without a fleet.
func (p *Plan) gaps(f *fleet.Fleet, partner string) (gaps []coverage.Gap, zone *time.Location) {
	if f == nil || f.Partners[partner] == nil {
		return nil, nil
	}
	roster, fault := f.RosterOf(f.Partners[partner])
	if fault != nil {
		return nil, nil
	}
	for gap := range roster.Lost(p.options.Now) {
		if gap.From.After(p.options.Now.AddDate(1, 0, 0)) {
			break
		}
		gaps = append(gaps, gap)
	}
	return gaps, roster.Zone()
}

// weigh says how bad it is that a Partner would not be Ready, if that is not by its condition
// alone.
func (p *Plan) weigh(ready *metav1.Condition, severity Severity, partner *Partner) (Severity, string) {
	reason := v1alpha1.Reason(ready.Reason)
	switch {
	case reason == v1alpha1.ReasonSupportPlanNotFound && p.refused[key{group: v1alpha1.GroupVersion.Group, kind: "SupportPlan", name: partner.SupportPlan}]:
		return Notice, "its SupportPlan is refused: " + ready.Message
	case reason == v1alpha1.ReasonSupportPlanNotFound && !p.Against:
		return severity, ready.Message + " (if other manifests declare it, read all of them with -f; to judge with the plans of the cluster, write --against-cluster)"
	case reason == v1alpha1.ReasonHostReleasing && p.holders[partner.Host] == partner.Name && p.letsGo(partner.Host):
		return Notice, "until the holder lets go, which these manifests ask for: " + ready.Message
	case !p.Against && reason != v1alpha1.ReasonSuspendedBySpec && (severity != Error || reason == v1alpha1.ReasonRouteNotAccepted):
		return Notice, "with nothing but these manifests: " + ready.Message
	}
	return severity, ready.Message
}

// source is where a Partner is declared; the zero Source if in no manifest.
func (p *Plan) source(partner string) manifests.Source {
	return p.sources[key{group: v1alpha1.GroupVersion.Group, kind: "Partner", name: partner}]
}

// letsGo reports whether the holder of a host no longer declares it.
func (p *Plan) letsGo(host string) bool {
	claim := p.fleet.Claims[host]
	if claim == nil {
		return false
	}
	holder := p.fleet.Partners[string(claim.Spec.PartnerRef.Name)]
	return holder != nil && objects.HostOf(holder) != host
}
