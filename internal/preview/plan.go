// Package preview foretells what manifests would become: whether the API server
// takes them, what objects the operator would make of each Partner, and whether
// its staffing would suffice. It asks the API server's own libraries and the
// controllers' own core, so that neither can disagree with it.
package preview

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/config/plans"
	"github.com/dispel/partner-operator/internal/admission"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/manifests"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/support"
)

// Options say under what circumstances to plan.
type Options struct {
	// Settings are the operator's.
	Settings objects.Settings
	// Now is the time.
	Now time.Time
	// Today is from when on signed deals count until Now; Now if it is zero.
	Today time.Time
	// Cluster is what is there already; it is changed. nil stands for a cluster with
	// nothing but the plans that come with the operator, and the optional APIs.
	Cluster *fleet.Fleet
	// AllowEmpty accepts manifests that declare nothing for the operator.
	AllowEmpty bool
	// Progress, if it is not nil, is told how many documents of how many are judged.
	// Several goroutines call it.
	Progress func(done, total int)
}

// Plan is what manifests would become.
type Plan struct {
	// Findings are about the manifests themselves. What is found about a Partner's
	// outcome comes with it.
	Findings []Finding
	// Ignored counts the objects of kinds that have no part in it.
	Ignored map[string]int
	// Others counts the documents that are no objects at all.
	Others int
	// SupportPlans are those that are declared.
	SupportPlans []Declaration
	// Against tells that it is compared with a cluster.
	Against bool

	options Options
	fleet   *fleet.Fleet
	// before is what the cluster has; nil without one.
	before *fleet.Fleet
	// declared are the Partners and their allocations that the manifests have, by Partner.
	declared map[string][]Declaration
	partners []string
	sources  map[key]manifests.Source
	refused  map[key]bool
	// holders are the partners that get a host, by it.
	holders map[string]string
	// affected are the partners to plan: those declared, and those whose plan or
	// allocation is.
	affected map[string]bool
}

// key tells objects of the tree apart.
type key struct{ group, kind, namespace, name string }

// New judges documents. The error is that of a context that ended.
func New(ctx context.Context, documents []manifests.Document, options Options) (*Plan, error) {
	p := &Plan{
		Ignored: map[string]int{}, Against: options.Cluster != nil,
		options: options, fleet: options.Cluster,
		declared: map[string][]Declaration{}, sources: map[key]manifests.Source{}, refused: map[key]bool{}, holders: map[string]string{}, affected: map[string]bool{},
	}
	if p.fleet != nil {
		p.before = p.fleet.Agreed()
	} else {
		p.fleet = fleet.New()
		p.fleet.APIs = kinds.APIs{CertManager: true, Gateway: true, ReferenceGrants: true, ListenerSets: true, BackendTLSPolicies: true, Traefik: true}
		shipped, err := plans.Shipped()
		if err != nil {
			return nil, err
		}
		for _, plan := range shipped {
			p.fleet.Add(plan)
		}
	}
	validator, err := admission.New()
	if err != nil {
		return nil, err
	}
	// What was decoded is let go as soon as it is judged, which keeps memory small.
	verdicts := make([]verdict, len(documents))
	err = inParallel(ctx, len(documents), options.Progress, func(i int) {
		verdicts[i] = p.judge(ctx, validator, documents[i])
	})
	if err != nil {
		return nil, err
	}
	var taken []judged
	for _, v := range verdicts {
		taken = append(taken, p.accept(v)...)
	}
	for _, object := range taken {
		if err := p.take(object); err != nil {
			return nil, err
		}
	}
	p.resolve(taken)
	if refused := slices.ContainsFunc(p.Findings, func(f Finding) bool { return f.Severity == Error }); !options.AllowEmpty && !refused && !slices.ContainsFunc(taken, func(j judged) bool { return j.key.group == v1alpha1.GroupVersion.Group }) {
		p.Findings = append(p.Findings, Finding{Severity: Error, Reason: ReasonNothingDeclared, Message: fmt.Sprintf(
			"nothing is declared for the operator: there is no Partner, SupportPlan or PCSMAllocation in these manifests (documents read: %d): name the folder that has them, or write --allow-empty if there are to be none", len(documents))})
	}
	Sort(p.Findings)
	return p, nil
}

// Fleet is what there is once the manifests are applied.
func (p *Plan) Fleet() *fleet.Fleet {
	return p.fleet
}

// verdict is what was found in a document.
type verdict struct {
	faults   []manifests.Fault
	warnings []manifests.Fault
	noObject bool
	objects  []judged
}

// judged is an object as the cluster would store it, or why it would not. One that
// has no part in the plan has neither.
type judged struct {
	source manifests.Source
	key    key
	typed  kinds.Object
	// removed are fields that the object in the cluster loses.
	removed []removal
	err     error
}

// judge asks the API server's libraries about the objects of a document.
func (p *Plan) judge(ctx context.Context, validator *admission.Validator, document manifests.Document) verdict {
	content := document.Decode()
	v := verdict{faults: content.Faults, warnings: content.Warnings, noObject: content.NoObject}
	for _, object := range content.Objects {
		gvk := object.GroupVersionKind()
		own := gvk.Group == v1alpha1.GroupVersion.Group
		j := judged{source: object.Source, key: key{gvk.Group, gvk.Kind, "", object.GetName()}}
		switch {
		case own && !validator.Knows(gvk):
			j.err = errUnknownKind
		case own:
			j.typed, j.removed, j.err = p.admit(ctx, validator, object)
		case isOwnKind(gvk.Kind):
			j.err = errOtherGroup
		default:
			j.key.namespace = object.GetNamespace()
			if j.typed = newContext(object); j.typed != nil {
				j.err = convert(object, j.typed)
			}
		}
		v.objects = append(v.objects, j)
	}
	return v
}

// errUnknownKind is of an object of the operator's group, but of none of its kinds.
var errUnknownKind = fmt.Errorf("the operator has no such kind in this version: write apiVersion: %s and kind: Partner, SupportPlan or PCSMAllocation", v1alpha1.GroupVersion)

// errOtherGroup is of a kind that is called as one of the operator's, but is none.
var errOtherGroup = fmt.Errorf("this is no kind of the operator, and ignored: if it is meant to be, write apiVersion: %s", v1alpha1.GroupVersion)

func isOwnKind(kind string) bool {
	return kind == "Partner" || kind == "SupportPlan" || kind == "PCSMAllocation"
}

// accept notes what was found in a document, and returns the objects that have a
// part in the plan, each once.
func (p *Plan) accept(v verdict) []judged {
	for _, fault := range v.faults {
		p.Findings = append(p.Findings, Finding{Error, ReasonUnreadable, fault.Message, "", "", fault.Position})
	}
	for _, warning := range v.warnings {
		p.Findings = append(p.Findings, Finding{Warning, ReasonAmbiguous, warning.Message, "", "", warning.Position})
	}
	if v.noObject {
		p.Others++
	}
	var taken []judged
	for _, j := range v.objects {
		if j.typed == nil && j.err == nil {
			p.Ignored[j.key.kind]++
			continue
		}
		switch {
		case errors.Is(j.err, errUnknownKind):
			p.Findings = append(p.Findings, finding(j.source, "kind", Error, ReasonUnknownKind, j.err.Error()))
			continue
		case errors.Is(j.err, errOtherGroup):
			p.Findings = append(p.Findings, finding(j.source, "apiVersion", Warning, ReasonUnknownKind, j.err.Error()))
			continue
		case j.key.name == "" && j.typed == nil:
			p.Findings = append(p.Findings, finding(j.source, "metadata", Error, ReasonInvalid,
				"metadata.name: Required value: what is applied again and again needs a name: write metadata.name"))
			continue
		}
		if j.key.name != "" {
			if first, again := p.sources[j.key]; again {
				p.Findings = append(p.Findings, twice(j.source, first))
				continue
			}
			p.sources[j.key] = j.source
		}
		if j.err != nil {
			p.Findings = append(p.Findings, refusals(j.source, j.err)...)
			p.refused[j.key] = true
			continue
		}
		for _, field := range j.removed {
			if partner, ok := j.typed.(*v1alpha1.Partner); ok && partner.Spec.HandOver != nil && strings.HasPrefix(field.field, "spec.subdomain") {
				continue // which goes with the host
			}
			p.Findings = append(p.Findings, finding(j.source, field.field, field.severity(), ReasonFieldRemoved, field.String()))
		}
		taken = append(taken, j)
	}
	return taken
}

// newContext makes an empty object of a kind that partners hang on; nil for other
// kinds.
func newContext(object manifests.Object) kinds.Object {
	switch of := object.GroupVersionKind().GroupKind(); of {
	case corev1.SchemeGroupVersion.WithKind("Namespace").GroupKind():
		return &corev1.Namespace{}
	case networkingv1.SchemeGroupVersion.WithKind("IngressClass").GroupKind():
		return &networkingv1.IngressClass{}
	default:
		kind := kinds.Named(of.Kind)
		switch {
		case kind == nil || kind.GroupKind() != of:
		case kind.Relation == kinds.ByGateway || kind.Relation == kinds.ByGatewayClass:
			return kind.New()
		case kind.Relation == kinds.ByReference: // of which only the name matters
			return &metav1.PartialObjectMetadata{}
		}
	}
	return nil
}

// admit judges an object of the operator's kinds as it is after it is applied, and
// gives it its type.
func (p *Plan) admit(ctx context.Context, validator *admission.Validator, object manifests.Object) (kinds.Object, []removal, error) {
	var typed kinds.Object
	var old kinds.Object
	switch name := object.GetName(); object.Kind {
	case "Partner":
		typed, old = &v1alpha1.Partner{}, there(p.fleet.Partners, name)
	case "SupportPlan":
		typed, old = &v1alpha1.SupportPlan{}, there(p.fleet.Plans, name)
	case "PCSMAllocation":
		typed, old = &v1alpha1.PCSMAllocation{}, there(p.fleet.Allocations, name)
	case "SubdomainClaim":
		typed, old = &v1alpha1.SubdomainClaim{}, there(p.fleet.Claims, name)
	default:
		return nil, nil, errUnknownKind
	}
	if old == nil || !p.Against {
		if err := validator.Create(ctx, object.Unstructured); err != nil {
			return nil, nil, err
		}
		return typed, nil, convert(object, typed)
	}
	before := &unstructured.Unstructured{}
	if err := convert(old, &before.Object); err != nil {
		return nil, nil, err
	}
	before.SetGroupVersionKind(object.GroupVersionKind()) // which what was listed does not say
	removed := applied(object.Unstructured, before)
	if err := validator.Update(ctx, object.Unstructured, before); err != nil {
		return nil, nil, err
	}
	return typed, removed, convert(object, typed)
}

// convert goes by JSON: an FTE is a number there, but half units in Go. Into a map
// it puts whole numbers as such.
func convert(from, to any) error {
	data, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return utiljson.Unmarshal(data, to)
}

// there is an object of the cluster; nil, and not a typed nil, if it is not there.
func there[T kinds.Object](objects map[string]T, name string) kinds.Object {
	if object, found := objects[name]; found {
		return object
	}
	return nil
}

// overlaid is the namespace of a manifest as it is once applied over one that is there:
// others' labels and annotations stay.
func overlaid(before, manifest *corev1.Namespace) *corev1.Namespace {
	if before == nil {
		return manifest
	}
	after := before.DeepCopy()
	for key, value := range manifest.Labels {
		metav1.SetMetaDataLabel(&after.ObjectMeta, key, value)
	}
	for key, value := range manifest.Annotations {
		metav1.SetMetaDataAnnotation(&after.ObjectMeta, key, value)
	}
	return after
}

// take adds an object to the fleet.
func (p *Plan) take(object judged) error {
	declaration, err := p.declare(object)
	if err != nil {
		return err
	}
	switch typed := object.typed.(type) {
	case *corev1.Namespace:
		object.typed = overlaid(p.fleet.Namespaces[typed.Name], typed)
	case *gatewayv1.GatewayClass:
		if !p.Against { // its controller would say what it can do
			typed.Status.SupportedFeatures = []gatewayv1.SupportedFeature{{Name: kinds.BackendTLSPolicy}}
		}
	case *v1alpha1.Partner:
		// Of rivals for a namespace, the older one gets it.
		if before := p.fleet.Partners[typed.Name]; before != nil {
			typed.CreationTimestamp = before.CreationTimestamp
		} else {
			typed.CreationTimestamp = metav1.NewTime(p.options.Now)
		}
	}
	p.fleet.Add(object.typed)
	switch typed := object.typed.(type) {
	case *v1alpha1.Partner:
		p.affected[typed.Name] = true
		p.declared[typed.Name] = slices.Insert(p.declared[typed.Name], 0, declaration)
		suspended := ptr.Deref(typed.Spec.Suspend, false) // which claims nothing
		if host := objects.HostOf(typed); host != "" && !suspended && p.holders[host] == "" {
			p.holders[host] = typed.Name
		}
	case *v1alpha1.PCSMAllocation:
		of := string(typed.Spec.PartnerRef.Name)
		p.affected[of] = true
		p.declared[of] = append(p.declared[of], declaration)
	case *v1alpha1.SupportPlan:
		p.SupportPlans = append(p.SupportPlans, declaration)
	}
	return nil
}

// resolve follows the references between the objects.
func (p *Plan) resolve(taken []judged) {
	changed := map[string]bool{} // plans
	for _, object := range taken {
		switch typed := object.typed.(type) {
		case *v1alpha1.PCSMAllocation:
			p.Findings = append(p.Findings, p.allocation(object.source, typed)...)
		case *v1alpha1.SupportPlan:
			changed[typed.Name] = true
			p.Findings = append(p.Findings, doubtful(object.source, support.Doubts(typed.Spec))...)
			if _, err := support.Effective(typed.Spec); err != nil {
				defect, _ := errors.AsType[*support.Defect](err)
				field, _, _ := strings.Cut(defect.Message, ":")
				p.Findings = append(p.Findings, finding(object.source, field, Error, string(defect.Reason), defect.Message))
			} else if missing := support.WithoutMaterials(typed); len(missing) > 0 {
				p.Findings = append(p.Findings, finding(object.source, "spec.trainingMaterials", Notice, ReasonNoMaterials, fmt.Sprintf(
					"Dispel supplies training materials for these tasks, and the plan lists none: %s", strings.Join(support.TaskNames(missing), ", "))))
			}
		}
	}
	for name, partner := range p.fleet.Partners {
		if p.affected[name] || changed[contract.PlanName(partner)] {
			p.partners = append(p.partners, name)
		}
	}
	slices.Sort(p.partners)
}

// doubtful tells what of an object's hours is seldom meant.
func doubtful(source manifests.Source, doubts []support.Doubt) []Finding {
	var findings []Finding
	for _, doubt := range doubts {
		severity := Warning
		if doubt.Reason == v1alpha1.ReasonFederalHolidaysAbroad {
			severity = Notice
		}
		findings = append(findings, finding(source, doubt.Field, severity, string(doubt.Reason), doubt.Message))
	}
	return findings
}

// allocation tells what is wrong with an allocation.
func (p *Plan) allocation(source manifests.Source, allocation *v1alpha1.PCSMAllocation) []Finding {
	var findings []Finding
	of := string(allocation.Spec.PartnerRef.Name)
	if refusal, refused := errors.AsType[*staffing.Refusal](staffing.Accept(allocation, p.fleet.Partners[of])); refused {
		field := "spec.partnerRef"
		switch refusal.Reason {
		case v1alpha1.ReasonUnknownTimeZone:
			field = "spec.localization.timeZone"
		case v1alpha1.ReasonShiftsExceedFTE:
			field, _, _ = strings.Cut(refusal.Message, ":")
		}
		// Of a Partner that is refused, that is said already.
		if !p.refused[key{group: v1alpha1.GroupVersion.Group, kind: "Partner", name: of}] {
			findings = append(findings, finding(source, field, Error, string(refusal.Reason), refusal.Message))
		}
	}
	findings = append(findings, doubtful(source, staffing.Doubts(allocation))...)
	status, _, _ := staffing.Status(allocation, p.fleet.Partners[of], p.options.Now)
	active := meta.FindStatusCondition(status.Conditions, string(v1alpha1.ConditionActive))
	if active.Reason == string(v1alpha1.ReasonExpired) {
		findings = append(findings, finding(source, "spec.validUntil", Warning, active.Reason, active.Message))
	}
	return findings
}

// Partners are what becomes of each Partner, by name. They are worked out in parts,
// the next one while this one is used, so that few are in memory at a time.
func (p *Plan) Partners(ctx context.Context) iter.Seq2[*Partner, error] {
	return func(yield func(*Partner, error) bool) {
		used, stop := context.WithCancel(ctx)
		defer stop()
		for part := range p.parts(used) {
			if part.err != nil {
				yield(nil, part.err)
				return
			}
			for _, partner := range part.partners {
				if !yield(partner, nil) {
					return
				}
			}
		}
	}
}

// part is some of the Partners.
type part struct {
	partners []*Partner
	err      error
}

// parts works out all Partners, until the context ends.
func (p *Plan) parts(ctx context.Context) <-chan part {
	const size = 256
	parts := make(chan part)
	go func() {
		defer close(parts)
		for names := range slices.Chunk(p.partners, size) {
			next := part{partners: make([]*Partner, len(names))}
			faults := make([]error, len(names))
			err := inParallel(ctx, len(names), nil, func(i int) {
				next.partners[i], faults[i] = p.partner(ctx, names[i])
			})
			next.err = errors.Join(append(faults, err)...)
			select {
			case parts <- next:
			case <-ctx.Done():
				return
			}
		}
	}()
	return parts
}

// Len is how many Partners there are.
func (p *Plan) Len() int {
	return len(p.partners)
}

// IgnoredKinds are the kinds that have no part in the plan, in order.
func (p *Plan) IgnoredKinds() []string {
	return slices.Sorted(maps.Keys(p.Ignored))
}

// inParallel does something n times, on all processors.
func inParallel(ctx context.Context, n int, progress func(done, total int), do func(i int)) error {
	var done atomic.Int64
	var fault atomic.Value
	workqueue.ParallelizeUntil(ctx, runtime.GOMAXPROCS(0), n, func(i int) {
		defer func() {
			if cause := recover(); cause != nil {
				fault.CompareAndSwap(nil, fmt.Errorf("a fault of this program: %v; please report it with what you ran", cause))
			}
		}()
		do(i)
		if progress != nil {
			progress(int(done.Add(1)), n)
		}
	})
	err, _ := fault.Load().(error)
	return errors.Join(ctx.Err(), err)
}
