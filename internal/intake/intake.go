package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/admission"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/preview"
	"github.com/dispel/partner-operator/internal/support"
)

// ReasonNotImported is of what is there and does not become part of a manifest.
const ReasonNotImported = "NotImported"

// Options say what is known beside the tenants.
type Options struct {
	// ChannelModel is of tenants that are in no table.
	ChannelModel v1alpha1.ChannelModel
	// Offline tells that no cluster was looked at.
	Offline bool
	// Plans, Partners and Claims are those of the cluster, by name.
	Plans    map[string]*v1alpha1.SupportPlan
	Partners map[string]*v1alpha1.Partner
	Claims   map[string]*v1alpha1.SubdomainClaim
}

// Import is what becomes of tenants.
type Import struct {
	// Tenants are those that could be read, by name.
	Tenants []Tenant
	// Plans are SupportPlans that some of them need and that are not there.
	Plans []*unstructured.Unstructured
	// Findings say what could not be read (an error: the tenant is left out), what is not
	// carried over and can matter (a warning), and what is good to know (a notice).
	Findings []preview.Finding
	// Known counts the tenants that are Partners' already.
	Known int
}

// Tenant is what becomes of one tenant.
type Tenant struct {
	// Name is the Partner's.
	Name string
	// Objects are its manifests, in the order in which to apply them.
	Objects []*unstructured.Unstructured
}

// New makes manifests of the rows of a table, and of namespaces. A namespace that a row
// names is read for what the row leaves out; one that no row names is a tenant by itself.
// The error is that of a context that ended.
func New(ctx context.Context, rows []Row, namespaces []Namespace, options Options) (*Import, error) {
	validator, err := admission.New()
	if err != nil {
		return nil, err
	}
	found := map[string]*Namespace{}
	for i := range namespaces {
		found[namespaces[i].Name] = &namespaces[i]
	}
	readings := make([]*reading, 0, len(rows)+len(namespaces))
	for i := range rows {
		name := rows[i].Namespace()
		if !rows[i].faulty {
			readings = append(readings, &reading{row: rows[i], there: found[name], options: options})
		}
		delete(found, name)
	}
	for i := range namespaces {
		if there := found[namespaces[i].Name]; there != nil {
			readings = append(readings, &reading{there: there, options: options})
		}
	}
	result := &Import{}
	for _, r := range readings {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		r.read()
		if r.known {
			result.Known++
		}
		if !r.failed && !r.known {
			r.objects(ctx, validator)
		}
	}
	disjoint(readings)
	plans := missingPlans(readings)
	result.Findings = findingsOf(readings)
	for _, r := range readings {
		if !r.failed && !r.known {
			result.Tenants = append(result.Tenants, Tenant{r.partner.Name, r.manifests})
		}
	}
	slices.SortFunc(result.Tenants, func(a, b Tenant) int { return strings.Compare(a.Name, b.Name) })
	for name, tier := range plans {
		plan := &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.SupportPlanSpec{Tier: tier}}
		manifest, err := manifestOf(plan, "SupportPlan")
		if err != nil {
			return nil, err
		}
		result.Plans = append(result.Plans, manifest)
	}
	slices.SortFunc(result.Plans, func(a, b *unstructured.Unstructured) int { return strings.Compare(a.GetName(), b.GetName()) })
	preview.Sort(result.Findings)
	return result, nil
}

// findingsOf are the findings about tenants. What holds for several in the same words is
// said once. Of a tenant that is left out, only the reasons are told.
func findingsOf(readings []*reading) []preview.Finding {
	var all []preview.Finding
	shared := map[remark][]string{}
	for _, r := range readings {
		for _, finding := range r.findings {
			if !r.failed || finding.Severity == preview.Error {
				all = append(all, finding)
			}
		}
		for _, remark := range r.remarks {
			if !r.failed && !r.known {
				shared[remark] = append(shared[remark], r.there.Name)
			}
		}
	}
	for remark, namespaces := range shared {
		finding := preview.Finding{Severity: remark.severity, Reason: ReasonNotImported, Message: remark.message, Kind: "Namespace", Name: namespaces[0]}
		if len(namespaces) > 1 {
			slices.Sort(namespaces)
			finding.Kind, finding.Name = "", ""
			finding.Message = fmt.Sprintf("%s (%d namespaces: %s)", remark.message, len(namespaces), strings.Join(namespaces, ", "))
		}
		all = append(all, finding)
	}
	return all
}

// disjoint leaves out tenants that share a name, a namespace or a host with another, which a table
// cannot tell of namespaces.
func disjoint(readings []*reading) {
	names, namespaces, hosts := map[string]*reading{}, map[string]*reading{}, map[string]*reading{}
	share := func(taken map[string]*reading, what, value string, r *reading) {
		first := taken[value]
		if first == nil {
			taken[value] = r
			return
		}
		for _, of := range []*reading{first, r} {
			other := first
			if of == first {
				other = r
			}
			of.fail("%s %q is also used by %s: it must be unique, so write another in the table, or leave one of them out", what, value, other.about())
		}
	}
	for _, r := range readings {
		if r.failed || r.known {
			continue
		}
		share(names, "the name", r.partner.Name, r)
		share(namespaces, "the namespace", objects.NamespaceOf(&r.partner), r)
		if host := objects.HostOf(&r.partner); host != "" {
			share(hosts, "the host", host, r)
		}
	}
}

// missingPlans are the tiers of the plans that are to be written, by their names. It leaves
// out tenants that disagree about one.
func missingPlans(readings []*reading) map[string]v1alpha1.Tier {
	naming := map[string][]*reading{}
	for _, r := range readings {
		if !r.failed && !r.known && r.missingPlan != nil {
			naming[r.missingPlan.Name] = append(naming[r.missingPlan.Name], r)
		}
	}
	plans := map[string]v1alpha1.Tier{}
	for name, of := range naming {
		plans[name] = of[0].missingPlan.Spec.Tier
		if i := slices.IndexFunc(of, func(r *reading) bool { return r.missingPlan.Spec.Tier != plans[name] }); i > 0 {
			for _, r := range of {
				r.fail("column \"tier\": SupportPlan %q is not there yet, and is to be of tier %s by %s and of tier %s by %s: write one tier, or two plans",
					name, plans[name], of[0].about(), of[i].missingPlan.Spec.Tier, of[i].about())
			}
			delete(plans, name)
		}
	}
	return plans
}

// reading is one tenant that is read.
type reading struct {
	row     Row        // zero if it is in no table
	there   *Namespace // nil if it has no namespace yet
	options Options
	filling bool // it is read for a table that people complete

	partner     v1alpha1.Partner
	allocations []*v1alpha1.PCSMAllocation
	missingPlan *v1alpha1.SupportPlan
	manifests   []*unstructured.Unstructured
	findings    []preview.Finding
	remarks     []remark // that hold for other tenants, too
	failed      bool     // it is left out
	paths       []string // what its routes lead somewhere that is not all, each with its route
	known       bool     // it is a Partner's already
}

// remark is a finding that can be about several tenants.
type remark struct {
	severity preview.Severity
	message  string
}

// about is what the tenant is called in messages about others.
func (r *reading) about() string {
	if r.row.File != "" {
		return r.row.String()
	}
	return "namespace " + r.there.Name
}

func (r *reading) find(severity preview.Severity, reason, format string, args ...any) {
	finding := preview.Finding{Severity: severity, Reason: reason, Message: fmt.Sprintf(format, args...), Position: r.row.Position}
	if r.there != nil {
		finding.Kind, finding.Name = "Namespace", r.there.Name
	} else if r.partner.Name != "" {
		finding.Kind, finding.Name = "Partner", r.partner.Name
	}
	r.findings = append(r.findings, finding)
}

// fail leaves the tenant out.
func (r *reading) fail(format string, args ...any) {
	r.failed = true
	r.find(preview.Error, preview.ReasonUnreadable, format, args...)
}

func (r *reading) warn(format string, args ...any) {
	r.find(preview.Warning, ReasonNotImported, format, args...)
}

func (r *reading) note(format string, args ...any) {
	r.find(preview.Notice, ReasonNotImported, format, args...)
}

// read fills in the Partner and its allocations.
func (r *reading) read() {
	r.identity()
	if r.failed || r.known {
		return
	}
	r.contract()
	r.subdomain()
	r.tenancy()
	r.staff()
}

// identity finds the names, and whether they are free.
func (r *reading) identity() {
	spec := &r.partner.Spec
	r.partner.Name = r.row.values["name"]
	spec.DisplayName, spec.ChannelModel = r.row.values["displayName"], v1alpha1.ChannelModel(r.row.values["channelModel"])
	namespace := r.row.values["namespace"]
	if r.there != nil {
		namespace = r.there.Name
	}
	if r.row.File == "" {
		r.partner.Name = strings.TrimPrefix(namespace, objects.DefaultNamespace(""))
		spec.DisplayName, spec.ChannelModel = r.partner.Name, r.options.ChannelModel
	}
	if r.row.File == "" && !r.filling {
		r.remarks = append(r.remarks, remark{preview.Notice, fmt.Sprintf(
			"spec.displayName is the Partner's name, and spec.channelModel is %s from --channel-model: to set them for each partner, use a table", spec.ChannelModel)})
	}
	if namespace != "" && namespace != objects.DefaultNamespace(r.partner.Name) {
		spec.Tenant = &v1alpha1.Tenant{Namespace: v1alpha1.TenantNamespace(namespace)}
	}
	namespace = objects.NamespaceOf(&r.partner)
	if holder := r.declaring(namespace); holder != "" {
		r.known = true
		r.note("already belongs to Partner %q: skipped", holder)
		return
	}
	switch existing := r.options.Partners[r.partner.Name]; {
	case existing != nil:
		r.fail("there is a Partner %q with namespace %s already: write another name in a table", existing.Name, objects.NamespaceOf(existing))
	case r.there == nil && r.options.Offline && r.row.values["namespace"] != "":
		r.note("without a cluster, nobody can tell whether namespace %s exists: if it does, annotate it with %s=%s", namespace, v1alpha1.AdoptAnnotation, r.partner.Name)
	case r.there == nil && r.row.values["namespace"] != "":
		r.note("there is no namespace %s: the operator creates it", namespace)
	case r.there == nil:
	case !r.there.DeletionTimestamp.IsZero():
		r.fail("the namespace is being deleted: wait until it is gone, or leave it out")
	default:
		if adopted := r.there.Annotations[v1alpha1.AdoptAnnotation]; adopted != "" && adopted != r.partner.Name {
			r.fail("its annotation %s hands it over to Partner %q: remove the annotation, or write that name in a table", v1alpha1.AdoptAnnotation, adopted)
		}
		if former := objects.HolderOf(r.there); former != "" {
			r.note("belonged to Partner %q, which no longer exists", former)
		}
	}
}

// declaring is the Partner whose tenant namespace one is, or that declares it: the first by
// name; empty if there is none.
func (r *reading) declaring(namespace string) string {
	if r.there != nil && r.options.Partners[objects.HolderOf(r.there)] != nil {
		return objects.HolderOf(r.there)
	}
	first := ""
	for name, existing := range r.options.Partners {
		if objects.NamespaceOf(existing) == namespace && (first == "" || name < first) {
			first = name
		}
	}
	return first
}

// contract fills in what only a table has: the plan, the customers, the dates.
func (r *reading) contract() {
	spec := &r.partner.Spec
	spec.ValidFrom, spec.ValidUntil = v1alpha1.Date(r.row.values["validFrom"]), v1alpha1.Date(r.row.values["validUntil"])
	if text := r.row.values["customers"]; text != "" {
		count, err := parseCount(text)
		if err != nil {
			r.fail("column \"customers\": %s", err)
			return
		}
		spec.CustomerCount = &count
	}
	name, tier := r.row.values["plan"], v1alpha1.Tier(r.row.values["tier"])
	if name == "" && tier == "" {
		return // the basic plan
	}
	if tier != "" && !slices.Contains([]v1alpha1.Tier{v1alpha1.Basic, v1alpha1.Premium, v1alpha1.MissionCritical}, tier) {
		r.fail("column \"tier\": %q is no tier: write Basic, Premium or MissionCritical", tier)
		return
	}
	if name == "" {
		name = r.planOf(tier)
	}
	spec.SupportPlanRef = &v1alpha1.SupportPlanReference{Name: v1alpha1.ObjectName(name)}
	switch plan := r.options.Plans[name]; {
	case plan != nil && tier != "" && plan.Spec.Tier != tier:
		r.fail("column \"plan\": SupportPlan %q is of tier %s, and column \"tier\" says %s: write another plan, or the plan's tier", name, plan.Spec.Tier, tier)
	case plan == nil && tier == "":
		r.fail("column \"plan\": there is no SupportPlan %q: write one that is there, or its tier in column \"tier\" to have it written", name)
	case plan == nil:
		r.missingPlan = &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.SupportPlanSpec{Tier: tier}}
	}
}

// planOf is the plan of a tier: the one that comes with the operator, else the first by
// name; the name of the former if there is none.
func (r *reading) planOf(tier v1alpha1.Tier) string {
	shipped := map[v1alpha1.Tier]string{v1alpha1.Basic: "basic", v1alpha1.Premium: "premium", v1alpha1.MissionCritical: "mission-critical"}[tier]
	var names []string
	for name, plan := range r.options.Plans {
		if plan.Spec.Tier == tier {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) == 0 || slices.Contains(names, shipped) {
		return shipped
	}
	return names[0]
}

// staff makes the allocations.
func (r *reading) staff() {
	var localization *v1alpha1.Localization
	if zone, languages := r.row.values["timeZone"], strings.Fields(r.row.values["languages"]); zone != "" || len(languages) > 0 {
		localization = &v1alpha1.Localization{TimeZone: v1alpha1.TimeZone(zone)}
		if doubt := support.ZoneDoubt("column \"timeZone\"", localization.TimeZone); doubt != nil {
			r.warn("%s", doubt.Message)
		}
		for _, language := range languages {
			localization.Languages = append(localization.Languages, v1alpha1.Language(language))
		}
	}
	for i, text := range strings.Fields(r.row.values["fte"]) {
		fte, err := v1alpha1.ParseFTE(strings.Replace(text, ",", ".", 1)) // as some spreadsheets write it
		if err != nil {
			r.fail("column \"fte\": %s", err)
			return
		}
		r.allocations = append(r.allocations, &v1alpha1.PCSMAllocation{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", r.partner.Name, i+1)},
			Spec: v1alpha1.PCSMAllocationSpec{
				PartnerRef: v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(r.partner.Name)}, FTE: fte, Localization: localization,
			},
		})
	}
	if len(r.allocations) == 0 && localization != nil {
		r.warn("columns \"timeZone\" and \"languages\" are those of P-CSMs, and column \"fte\" has none: write how many there are")
	}
}

// objects makes the manifests. What the API server would refuse leaves the tenant out.
func (r *reading) objects(ctx context.Context, validator *admission.Validator) {
	if r.there != nil && objects.HolderOf(r.there) != r.partner.Name {
		r.add(handedOver(r.there.Name, r.partner.Name), "Namespace")
	}
	r.add(&r.partner, "Partner")
	for _, allocation := range r.allocations {
		r.add(allocation, "PCSMAllocation")
	}
	for _, manifest := range r.manifests {
		if !validator.Knows(manifest.GroupVersionKind()) {
			continue
		}
		if err := validator.Create(ctx, manifest.DeepCopy()); err != nil {
			r.fail("the API server would refuse the %s: %s", manifest.GetKind(), err)
		}
	}
}

// handedOver is the namespace with the annotation that hands it over. A GitOps tool that
// later loses the manifest leaves the namespace alone.
func handedOver(namespace, partner string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Annotations: map[string]string{
		v1alpha1.AdoptAnnotation:            partner,
		"kustomize.toolkit.fluxcd.io/prune": "disabled",
		"argocd.argoproj.io/sync-options":   "Prune=false,Delete=false",
	}}}
}

func (r *reading) add(object any, kind string) {
	manifest, err := manifestOf(object, kind)
	if err != nil {
		r.fail("the %s cannot be written: %s", kind, err)
		return
	}
	r.manifests = append(r.manifests, manifest)
}

// manifestOf is an object without what only the API server writes.
func manifestOf(object any, kind string) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	manifest := &unstructured.Unstructured{}
	if err := json.Unmarshal(data, &manifest.Object); err != nil {
		return nil, err
	}
	version := v1alpha1.GroupVersion
	if kind == "Namespace" {
		version = corev1.SchemeGroupVersion
		unstructured.RemoveNestedField(manifest.Object, "spec")
	}
	manifest.SetGroupVersionKind(version.WithKind(kind))
	unstructured.RemoveNestedField(manifest.Object, "status")
	unstructured.RemoveNestedField(manifest.Object, "metadata", "creationTimestamp")
	return manifest, nil
}
