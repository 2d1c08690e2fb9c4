package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/support"
)

// State says how a part of a partner is. The worse comes first.
type State string

// The states.
const (
	// Broken does not mend itself: somebody must act.
	Broken State = "Broken"
	// Pending is under way, or waits for somebody else.
	Pending State = "Pending"
	// Strained works, and is not as it should be.
	Strained State = "Strained"
	// Foreseen works, and will not do from a day on that is far.
	Foreseen State = "Foreseen"
	// Idle is as it is meant, and has no effect.
	Idle State = "Idle"
	// Fine is as it should be.
	Fine State = "Fine"
)

var states = []State{Broken, Pending, Strained, Foreseen, Idle, Fine}

// Status is how a partner is, in a line.
type Status struct {
	Partner      string                `json:"partner"`
	DisplayName  string                `json:"displayName"`
	ChannelModel v1alpha1.ChannelModel `json:"channelModel"`
	SupportPlan  string                `json:"supportPlan"`
	Host         string                `json:"host,omitempty"`
	// State is the worst of provisioning and staffing.
	State State `json:"state"`
	// Ready, Staffing and Widget are the status of these conditions, or reasons for
	// staffing; empty if there is none.
	Ready    metav1.ConditionStatus `json:"ready,omitempty"`
	Staffing string                 `json:"staffing,omitempty"`
	Widget   metav1.ConditionStatus `json:"widget,omitempty"`
	// Reason and Message are about the worst problem; empty if there is none.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// More is how many other problems there are.
	More int `json:"more,omitempty"`
}

// Overview is the status of all partners, problems first.
func (f *Fleet) Overview(now time.Time) []Status {
	all := make([]Status, 0, len(f.Partners))
	for _, name := range f.Names() {
		all = append(all, f.statusOf(f.Partners[name], now))
	}
	slices.SortStableFunc(all, func(a, b Status) int {
		return cmp.Compare(slices.Index(states, a.State), slices.Index(states, b.State))
	})
	return all
}

// Active reports whether P-CSMs are expected to serve a partner's customers on a day: its contract is in
// force, and it is neither suspended nor being deleted.
func Active(partner *v1alpha1.Partner, day time.Time) bool {
	return contract.InForce(partner, day) && !ptr.Deref(partner.Spec.Suspend, false) && partner.DeletionTimestamp.IsZero()
}

// endsSoon is how long before the end of a contract that is told.
const endsSoon = 30 * 24 * time.Hour

// ClosesSoon says what comes of the end of a partner's contract whose sub-domain is served until then, if that is near;
// empty if it is not.
func ClosesSoon(partner *v1alpha1.Partner, now time.Time) string {
	window, err := staffing.PartnerWindow(partner)
	if err != nil || partner.Status.Subdomain == nil || !Active(partner, now) || window.Until.IsZero() || window.Until.Sub(now) > endsSoon {
		return ""
	}
	return fmt.Sprintf("the last day of the contract is %s; the sub-domain and the support widget close then: extend spec.validUntil if it goes on", partner.Spec.ValidUntil)
}

// statusOf says how a partner is, by what the operator reports of it and of its allocations.
func (f *Fleet) statusOf(partner *v1alpha1.Partner, now time.Time) Status {
	s := Status{
		Partner: partner.Name, DisplayName: partner.Spec.DisplayName, ChannelModel: partner.Spec.ChannelModel,
		SupportPlan: contract.PlanName(partner), State: Fine, Host: objects.HostOf(partner),
	}
	find := func(condition v1alpha1.ConditionType) metav1.Condition {
		return ptr.Deref(meta.FindStatusCondition(partner.Status.Conditions, string(condition)), metav1.Condition{})
	}
	ready, sufficient := find(v1alpha1.ConditionReady), find(v1alpha1.ConditionStaffingSufficient)
	s.Ready, s.Staffing, s.Widget = ready.Status, sufficient.Reason, find(v1alpha1.ConditionSupportWidgetEnabled).Status
	var problems []problem
	note := func(is bool, state State, of metav1.Condition) {
		if is {
			problems = append(problems, problem{state, of.Reason, of.Message})
		}
	}
	state, reason, message := provisioning(partner)
	unprovisioned := state != Fine && state != Idle
	note(unprovisioned, state, metav1.Condition{Reason: reason, Message: message})
	active, suspended, inForce := Active(partner, now), find(v1alpha1.ConditionSuspended), find(v1alpha1.ConditionContractActive)
	reachable := find(v1alpha1.ConditionSubdomainReachable)
	note(!unprovisioned && active && reachable.Status == metav1.ConditionFalse, Broken, reachable)
	for _, allocation := range f.AllocationsOf(partner.Name) {
		ready := AllocationReady(&allocation, partner, now)
		ready.Message = fmt.Sprintf("PCSMAllocation %q: %s", allocation.Name, ready.Message)
		note(ready.Status != metav1.ConditionTrue && active, Broken, ready)
	}
	note(inForce.Status == metav1.ConditionFalse, Idle, inForce)
	note(suspended.Status == metav1.ConditionTrue, Idle, suspended)
	if active {
		note(sufficient.Status != "" && sufficient.Status != metav1.ConditionTrue || sufficient.Reason == string(v1alpha1.ReasonNearCapacity), Strained, sufficient)
		closes := ClosesSoon(partner, now)
		note(closes != "", Strained, metav1.Condition{Reason: reasonContractEnding, Message: closes})
		covered, shortfall, stale := find(v1alpha1.ConditionHoursCovered), find(v1alpha1.ConditionShortfallExpected), find(v1alpha1.ConditionCustomerCountStale)
		note(covered.Status == metav1.ConditionFalse, Strained, covered)
		near := partner.Status.Staffing != nil && staffing.ShortfallIsNear(partner.Status.Staffing.NextShortfall, now)
		note(shortfall.Status == metav1.ConditionTrue && near, Strained, shortfall)
		note(stale.Status == metav1.ConditionTrue, Strained, stale)
		note(shortfall.Status == metav1.ConditionTrue && !near, Foreseen, shortfall)
		note(covered.Status == metav1.ConditionTrue && gapAhead(partner), Foreseen, covered)
	}
	slices.SortStableFunc(problems, func(a, b problem) int {
		return cmp.Compare(slices.Index(states, a.state), slices.Index(states, b.state))
	})
	if len(problems) > 0 {
		s.State, s.Reason, s.Message = problems[0].state, problems[0].reason, problems[0].message
		for _, other := range problems[1:] {
			if other.state != Idle {
				s.More++
			}
		}
	}
	return s
}

// gapAhead reports whether the next thirty days have a gap that the weekly shifts do not have.
func gapAhead(partner *v1alpha1.Partner) bool {
	return partner.Status.Coverage != nil && partner.Status.Coverage.NextGap != nil
}

// problem is one of a partner.
type problem struct {
	state           State
	reason, message string
}

// Reasons that no condition has.
const (
	// reasonNotReconciled is of what the operator has not taken up.
	reasonNotReconciled = "NotReconciled"
	// reasonDeleting is of a Partner that is going.
	reasonDeleting = "Deleting"
	// reasonContractEnding is of a contract with a partner that ends soon.
	reasonContractEnding = "ContractEnding"
)

// provisioning says how far the operator is with a partner, and what holds it up.
func provisioning(partner *v1alpha1.Partner) (state State, reason, message string) {
	conditions := partner.Status.Conditions
	ready := meta.FindStatusCondition(conditions, string(v1alpha1.ConditionReady))
	switch {
	case !partner.DeletionTimestamp.IsZero():
		return Pending, reasonDeleting, "it is being deleted; the finalizers that hold it up are " + strings.Join(partner.Finalizers, ", ")
	case ready == nil:
		return Pending, reasonNotReconciled, "the operator has not looked at it yet: see that its manager runs"
	case ptr.Deref(partner.Spec.Suspend, false):
		if ready.Status == metav1.ConditionTrue {
			return Idle, ready.Reason, ready.Message
		}
	case partner.Status.ObservedGeneration < partner.Generation:
		return Pending, reasonNotReconciled, "the operator has not taken up the last change yet: if that stays so, see that its manager runs"
	}
	switch {
	case meta.IsStatusConditionTrue(conditions, string(v1alpha1.ConditionStalled)):
		return Broken, ready.Reason, ready.Message
	case ready.Status != metav1.ConditionTrue:
		return Pending, ready.Reason, ready.Message
	}
	return Fine, ready.Reason, ready.Message
}

// Part is a part of a partner and how it is. The parts of a Partner stand in the
// order in which they hang on each other, and end at the first broken one.
type Part struct {
	// What it is, such as "Namespace partner-acme".
	What string `json:"what"`
	// State is how it is.
	State State `json:"state"`
	// Note says more; of a part that is not fine, what is wrong and what to do.
	Note string `json:"note,omitempty"`
	// Runbook is the name of the alert, and so of the runbook, about a part that is not as it should be;
	// empty if there is none.
	Runbook string `json:"runbook,omitempty"`
	// Parts are those below it.
	Parts []Part `json:"parts,omitempty"`
}

// Tree takes a partner apart. It is nil if there is no such partner.
func (f *Fleet) Tree(name string, now time.Time) *Part {
	partner := f.Partners[name]
	if partner == nil {
		return nil
	}
	state, _, note := provisioning(partner)
	root := &Part{What: "Partner " + name, State: state, Note: fmt.Sprintf("%s, %s", partner.Spec.DisplayName, partner.Spec.ChannelModel)}
	if ptr.Deref(partner.Spec.Suspend, false) {
		root.Note += ": suspended by spec.suspend, so what follows may be of long ago"
	}
	root.Parts = append(root.Parts, f.planPart(partner))
	if contract := meta.FindStatusCondition(partner.Status.Conditions, string(v1alpha1.ConditionContractActive)); contract != nil && contract.Status != metav1.ConditionTrue {
		root.Parts = append(root.Parts, Part{What: "Contract " + contract.Reason, State: Idle, Note: contract.Message})
	} else if closes := ClosesSoon(partner, now); closes != "" {
		root.Parts = append(root.Parts, Part{What: "Contract " + reasonContractEnding, State: Strained, Note: closes, Runbook: "PartnerSubdomainClosing"})
	}
	for _, allocation := range f.AllocationsOf(name) {
		root.Parts = append(root.Parts, allocationPart(&allocation, partner, now))
	}
	for _, part := range staffingParts(partner) {
		if !Active(partner, now) && part.State != Fine {
			part.State, part.Runbook = Idle, ""
		}
		root.Parts = append(root.Parts, part)
	}
	root.Parts = append(root.Parts, releaseParts(partner)...)
	root.Parts = append(root.Parts, f.chain(partner, now)...)
	if f.Manager != "" {
		root.Parts = append(root.Parts, Part{What: "Manager " + f.Manager, State: Fine})
	}
	explained := slices.ContainsFunc(root.Parts, func(part Part) bool { return part.Note == note && part.State == state })
	if (state == Broken || state == Pending) && !explained {
		root.Note += ": " + note
	}
	return root
}

func (f *Fleet) planPart(partner *v1alpha1.Partner) Part {
	name := contract.PlanName(partner)
	part := Part{What: "SupportPlan " + name, State: Fine}
	effective, fault := contract.Terms(partner, f.Plans[name])
	if fault != nil {
		part.State, part.Note, part.Runbook = Broken, fault.Message, "PartnerSupportPlanNotFound"
		if f.Plans[name] != nil {
			part.Runbook = "SupportPlanNotReady"
		}
		return part
	}
	part.Note = fmt.Sprintf("%s, %s", f.Plans[name].Spec.Tier, support.Describe(effective.OperatingHours))
	return part
}

// AllocationReady is the condition Ready of an allocation; partner is nil if there is none of the name that it has.
func AllocationReady(allocation *v1alpha1.PCSMAllocation, partner *v1alpha1.Partner, now time.Time) metav1.Condition {
	status, _, _ := staffing.Status(allocation, partner, now)
	return *meta.FindStatusCondition(status.Conditions, string(v1alpha1.ConditionReady))
}

func allocationPart(allocation *v1alpha1.PCSMAllocation, partner *v1alpha1.Partner, now time.Time) Part {
	part := Part{What: fmt.Sprintf("PCSMAllocation %s", allocation.Name), State: Fine}
	ready := AllocationReady(allocation, partner, now)
	part.Note = ready.Message
	switch {
	case ready.Status != metav1.ConditionTrue:
		part.State, part.Runbook = Broken, "PCSMAllocationNotAccepted"
	case ready.Reason == string(v1alpha1.ReasonOutsideContractWindow):
		part.State = Idle
	default:
		part.Note = allocation.Spec.FTE.String() + " FTE"
		if l := allocation.Spec.Localization; l != nil {
			var languages []string
			for _, language := range l.Languages {
				languages = append(languages, string(language))
			}
			part.Note = strings.Join(slices.DeleteFunc([]string{part.Note, string(l.TimeZone), strings.Join(languages, " ")},
				func(s string) bool { return s == "" }), ", ")
		}
	}
	return part
}

// staffingParts are what there is to say of P-CSMs against customers and hours. Without
// P-CSMs there is nothing.
func staffingParts(partner *v1alpha1.Partner) []Part {
	var parts []Part
	add := func(condition v1alpha1.ConditionType, what string, shown func(metav1.Condition) bool) {
		found := meta.FindStatusCondition(partner.Status.Conditions, string(condition))
		if found == nil || !shown(*found) {
			return
		}
		part := Part{What: what + " " + found.Reason, State: Fine, Note: found.Message}
		switch severity := conditions.SeverityOf(*found); {
		case found.Reason == string(v1alpha1.ReasonShiftsNotDeclared):
			part.State = Idle
		case severity > conditions.Fine:
			part.State = Strained
		case condition == v1alpha1.ConditionHoursCovered && gapAhead(partner):
			part.State = Foreseen
		}
		parts = append(parts, part.withRunbook(*found))
	}
	always := func(metav1.Condition) bool { return true }
	add(v1alpha1.ConditionStaffingSufficient, "Staffing", always)
	add(v1alpha1.ConditionHoursCovered, "Coverage", always)
	ifTrue := func(c metav1.Condition) bool { return c.Status == metav1.ConditionTrue }
	add(v1alpha1.ConditionShortfallExpected, "Shortfall", ifTrue)
	add(v1alpha1.ConditionCustomerCountStale, "Customers", ifTrue)
	add(v1alpha1.ConditionObjectsIgnored, "Namespace", ifTrue)
	add(v1alpha1.ConditionUndeclaredNamespaces, "Namespace", ifTrue)
	return parts
}

// chain is what the operator makes of a partner, each part hanging on those before
// it, up to the first broken one.
func (f *Fleet) chain(partner *v1alpha1.Partner, now time.Time) []Part {
	namespace := objects.NamespaceOf(partner)
	status := partner.Status
	ready := meta.FindStatusCondition(status.Conditions, string(v1alpha1.ConditionTenantReady))
	if ready == nil {
		return nil // the operator has not looked at it yet
	}
	progress := func() State {
		if meta.IsStatusConditionTrue(status.Conditions, string(v1alpha1.ConditionStalled)) {
			return Broken
		}
		return Pending
	}
	parts := []Part{{What: "Namespace " + namespace, State: Fine, Note: "with its policies"}}
	if ready.Status != metav1.ConditionTrue {
		parts[0].State, parts[0].Note = progress(), ready.Message
		parts[0] = parts[0].withRunbook(*ready)
		return parts
	}
	isolated := ptr.Deref(partner.Spec.Tenant, v1alpha1.Tenant{}).NetworkIsolation != v1alpha1.NetworkIsolationDisabled
	if isolated && f.Isolation != nil && f.Isolation.Status == metav1.ConditionFalse {
		parts[0].State, parts[0].Note, parts[0].Runbook = Strained, f.Isolation.Message, "PartnerIsolationNotEnforced"
	}
	served := meta.FindStatusCondition(status.Conditions, string(v1alpha1.ConditionSubdomainReady))
	switch {
	case served == nil:
		return parts
	case partner.Spec.Subdomain == nil:
		// What there was before is not gone yet.
		return append(parts, Part{What: "Former sub-domain", State: progress(), Note: served.Message})
	}
	subdomain := partner.Spec.Subdomain
	// ObjectRefused and ApplyFailed may be about any link, and say which; a reason of another
	// version does, too.
	broken := cmp.Or(conditions.CaseOf("Partner", *served).Link, conditions.RouteLink)
	if served.Status == metav1.ConditionTrue {
		broken = conditions.NoLink
	}
	link := func(at conditions.Link, what, note string) (ended bool) {
		part := Part{What: what, State: Fine, Note: note}
		if at == broken {
			part.State, part.Note = progress(), served.Message
			part = part.withRunbook(*served)
		}
		if at == conditions.CertificateLink && f.expired(subdomain, now) {
			if part.Note != note {
				part.Note += "; the certificate is " + note
			}
			part.State, part.Runbook = Broken, "PartnerCertificateExpiring"
		}
		parts = append(parts, part)
		return at == broken || part.State == Broken
	}
	if link(conditions.ClaimLink, "SubdomainClaim "+string(subdomain.Host), "held by this partner") {
		return parts
	}
	if broken == conditions.APIsLink {
		link(conditions.APIsLink, "Optional APIs", "")
		return parts
	}
	if url := ptr.Deref(status.Subdomain, v1alpha1.SubdomainStatus{}).URL; broken == conditions.CertificateLink || (objects.Builder{Partner: partner}).OwnTLS() || strings.HasPrefix(url, "https:") {
		if link(conditions.CertificateLink, "Certificate of "+string(subdomain.Host), f.certificateNote(subdomain, now)) {
			return parts
		}
	}
	backend, note := "Backend", "of a type that this version does not know"
	if service := subdomain.Backend.Service; service != nil {
		backend, note = fmt.Sprintf("%s Service %s/%s", backend, namespace, service.Name), fmt.Sprintf("port %d", service.Port)
	} else if external := subdomain.Backend.External; external != nil {
		backend, note = fmt.Sprintf("%s %s:%d", backend, external.Host, external.Port), "outside the cluster"
	}
	if tls := subdomain.Backend.TLS; tls != nil {
		note += ", over TLS"
	}
	if link(conditions.BackendLink, backend, note) {
		return parts
	}
	route := ptr.Deref(status.Subdomain, v1alpha1.SubdomainStatus{})
	note = route.URL
	if len(route.Addresses) > 0 {
		note += " at " + strings.Join(route.Addresses, ", ")
	}
	if strings.HasPrefix(route.URL, "http://") {
		note += ", without TLS: see spec.subdomain.tls"
	}
	if link(conditions.RouteLink, strings.TrimSpace("Route by "+cmp.Or(string(route.Route), "none")), note) {
		return parts
	}
	return append(append(parts, widgetPart(partner)...), f.reachabilityPart(partner, now)...)
}

// certificateNote says where the certificate comes from, and when it ends.
func (f *Fleet) certificateNote(subdomain *v1alpha1.Subdomain, now time.Time) string {
	note := certificateSource(subdomain)
	if ends := f.CertificateEnds[string(subdomain.Host)]; !ends.IsZero() {
		when := duration.HumanDuration(ends.Sub(now).Abs()) + " from now"
		if f.expired(subdomain, now) {
			when = "ended"
		}
		note += fmt.Sprintf(", until %s (%s)", ends.UTC().Format(time.DateOnly), when)
	}
	return note
}

// expired reports whether the certificate of a host is known to have ended.
func (f *Fleet) expired(subdomain *v1alpha1.Subdomain, now time.Time) bool {
	ends := f.CertificateEnds[string(subdomain.Host)]
	return !ends.IsZero() && !ends.After(now)
}

func certificateSource(subdomain *v1alpha1.Subdomain) string {
	switch tls := subdomain.TLS; {
	case tls == nil, tls.IssuerRef == nil && tls.SecretName == "" && tls.Order != "":
		return "from the operator's default issuer, or the Gateway's own"
	case tls.SecretName != "":
		return "in Secret " + tls.SecretName
	case tls.IssuerRef == nil:
		return "from where this version does not know"
	}
	return fmt.Sprintf("from %s %s", cmp.Or(subdomain.TLS.IssuerRef.Kind, v1alpha1.ClusterIssuer), subdomain.TLS.IssuerRef.Name)
}

// releaseParts are what keeps a host from being released or handed over; none if nothing does.
func releaseParts(partner *v1alpha1.Partner) []Part {
	var parts []Part
	part := func(condition v1alpha1.ConditionType, what string, state State) {
		if found := meta.FindStatusCondition(partner.Status.Conditions, string(condition)); found != nil && found.Status == metav1.ConditionTrue {
			parts = append(parts, Part{What: what + " " + found.Reason, State: state, Note: found.Message})
		}
	}
	part(v1alpha1.ConditionHandOverPending, "Hand-over", Idle)
	part(v1alpha1.ConditionChangeHeld, "Change", Idle)
	for _, host := range partner.Status.Hosts {
		if to := objects.HandOverOf(partner); host.Phase == v1alpha1.HostDraining && host.Host == to.Host && host.Until != nil {
			parts = append(parts, Part{What: "Hand-over of " + string(host.Host), State: Idle, Note: fmt.Sprintf(
				"Partner %q serves it; the route here stays until %s, for visitors with the former DNS record", to.PartnerRef.Name, host.Until.UTC().Format(time.RFC3339))})
		}
	}
	part(v1alpha1.ConditionHostReleaseBlocked, "Former host", Strained)
	return parts
}

// reachabilityPart is what the prober reports of the way from DNS to the widget, and when it last looked; nothing
// where none runs.
func (f *Fleet) reachabilityPart(partner *v1alpha1.Partner, now time.Time) []Part {
	reachable := meta.FindStatusCondition(partner.Status.Conditions, string(v1alpha1.ConditionSubdomainReachable))
	if reachable == nil {
		return nil
	}
	part := Part{What: "Reachability " + reachable.Reason, State: Fine, Note: fmt.Sprintf("%s; so since %s", reachable.Message, reachable.LastTransitionTime.UTC().Format("2006-01-02 15:04 MST"))}
	switch reachable.Status {
	case metav1.ConditionFalse:
		part.State = Broken
	case metav1.ConditionUnknown:
		part.State = Idle
	}
	part = part.withRunbook(*reachable)
	if ago := now.Sub(f.Probed); !f.Probed.IsZero() && ago > f.ProbesLate {
		part.Note += fmt.Sprintf("; perhaps no more, as it was last probed more than %s ago: see whether the prober runs", duration.HumanDuration(ago))
		if part.State != Broken {
			part.State, part.Runbook = Strained, "PartnerProberDown"
		}
	} else if !f.Probed.IsZero() {
		part.Note += fmt.Sprintf("; probed within the last %s", duration.HumanDuration(ago))
	}
	return []Part{part}
}

// withRunbook is a part with the runbook for a condition, unless it is as it should be.
func (p Part) withRunbook(condition metav1.Condition) Part {
	if p.State == Broken || p.State == Strained {
		p.Runbook = conditions.AlertOf(condition)
	}
	return p
}

func widgetPart(partner *v1alpha1.Partner) []Part {
	enabled := meta.FindStatusCondition(partner.Status.Conditions, string(v1alpha1.ConditionSupportWidgetEnabled))
	if enabled == nil {
		return nil
	}
	part := Part{What: "Support widget", State: Fine, Note: enabled.Message}
	switch {
	case enabled.Status == metav1.ConditionTrue:
		if widget := partner.Status.SupportWidget; widget != nil {
			part.Note = widget.ScriptURL
		}
	case enabled.Reason == string(v1alpha1.ReasonNoPCSMAllocation):
		part.State = Idle
	default:
		part.State = Strained
	}
	return []Part{part}
}
