package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/apply"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/index"
	"github.com/dispel/partner-operator/internal/packed"
	"github.com/dispel/partner-operator/internal/shard"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/tenant"
)

// PartnerReconciler makes tenants of Partners.
type PartnerReconciler struct {
	// Client reads from the cache, and sees there what it wrote itself.
	Client client.Client
	// Tenants tells what others change of tenants' namespaces and of what the
	// operator makes in them, which Client reads from it.
	Tenants *packed.Cache
	// References reads Gateways, and the metadata of the Services and Secrets that
	// Partners name, from a cache of its own.
	References client.Reader
	// APIs tells which optional APIs are there.
	APIs *OptionalAPIs
	// Settings are the operator's defaults.
	Settings tenant.Settings
	// Shard has the partners that are reconciled.
	Shard shard.Shard
	// Clock tells the time.
	Clock clock.PassiveClock
	// Recorder emits Events.
	Recorder events.EventRecorder
}

// refusedAgain is when to try a refused write again: what refuses it, such as a
// policy or a missing right, may change without a trace.
const refusedAgain = 10 * time.Minute

// overtakenAgain is when to look again after a write that came too late. What
// overtook it is on its way into the cache and comes with an event of its own.
const overtakenAgain = time.Second

// errOvertaken says that a write came too late.
var errOvertaken = errors.New("a write came too late")

// Reconcile gathers what concerns a Partner, brings the cluster to what Evaluate
// makes of it, and reports.
func (r *PartnerReconciler) Reconcile(ctx context.Context, request ctrl.Request) (result ctrl.Result, err error) {
	found := ""
	defer func() { count("Partner", found, err) }()
	snapshot, err := r.gather(ctx, request.Name)
	if err != nil || snapshot == nil {
		return ctrl.Result{}, err
	}
	before := snapshot.Partner.Status
	outcome, met, err := r.converge(ctx, snapshot)
	if errors.Is(err, errOvertaken) {
		found = overtaken
		return ctrl.Result{RequeueAfter: overtakenAgain}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	found = outcomeOf(outcome.Status.Conditions)
	before.Conditions = conditions.Own(before.Conditions, v1alpha1.PartnerConditions)
	if !equality.Semantic.DeepEqual(before, outcome.Status) {
		err := apply.Applier{Client: r.Client}.Status(ctx, snapshot.Partner, &outcome.Status)
		if err != nil {
			return ctrl.Result{}, unlessGone(err)
		}
		emit(r.Recorder, snapshot.Partner, outcome.Events)
	}
	return r.lookAgain(outcome, met)
}

// lookAgain says when to reconcile again if nothing happens before.
func (r *PartnerReconciler) lookAgain(outcome tenant.Outcome, trouble trouble) (ctrl.Result, error) {
	if trouble.passing != nil {
		return ctrl.Result{}, trouble.passing
	}
	now := r.Clock.Now()
	next := outcome.LookAgain
	if trouble.refused {
		next = staffing.Earlier(next, now.Add(refusedAgain))
	}
	if next.IsZero() {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{RequeueAfter: max(time.Second, next.Sub(now))}, nil
}

// trouble is what a reconcile met with.
type trouble struct {
	// passing are the errors that may pass.
	passing error
	// refused tells that the API server refused something.
	refused bool
	// tried are the writes and deletions tried: once a reconcile is enough.
	tried map[string]bool
}

// converge evaluates and applies until there is nothing left to apply, then
// removes what is no longer wanted. What was written is observed from the API
// server's answers, so that the outcome is about what is there now. Each object
// is written once at most: if the API server makes something else of it, that
// stands until the next reconcile. The error is errOvertaken if the snapshot
// turned out to be old.
func (r *PartnerReconciler) converge(ctx context.Context, snapshot *tenant.Snapshot) (tenant.Outcome, trouble, error) {
	met := trouble{tried: map[string]bool{}}
	for {
		outcome := tenant.Evaluate(*snapshot)
		changed, err := r.apply(ctx, snapshot, outcome.Objects, &met)
		if err == nil && !changed {
			changed, err = r.prune(ctx, snapshot, outcome.Prune, &met)
		}
		if err != nil || !changed {
			return outcome, met, err
		}
	}
}

// apply writes the objects that are not as wanted and were not tried before. It
// tells whether the snapshot changed, by a write or by a failure.
func (r *PartnerReconciler) apply(ctx context.Context, snapshot *tenant.Snapshot, objects []tenant.Object, met *trouble) (bool, error) {
	changed := false
	for _, wanted := range objects {
		if met.tried[nameOf(wanted)] {
			continue
		}
		written, err := r.write(ctx, wanted, snapshot.Observed(wanted))
		if err == nil && written == nil {
			continue
		}
		met.tried[nameOf(wanted)], changed = true, true
		if err == nil {
			snapshot.Observe(written)
			continue
		}
		if err := met.note(snapshot, tenant.Failure{Object: wanted}, err); err != nil {
			return changed, err
		}
		if _, isNamespace := wanted.(*corev1.Namespace); isNamespace {
			return changed, nil // nothing can be made in it
		}
	}
	return changed, nil
}

// prune deletes objects. It tells whether the snapshot changed, as apply does.
// After a failure the claims, which go last, outlive what may hang on them.
func (r *PartnerReconciler) prune(ctx context.Context, snapshot *tenant.Snapshot, objects []tenant.Object, met *trouble) (bool, error) {
	changed, failed := false, false
	for _, object := range objects {
		key := "deletion of " + nameOf(object)
		_, claim := object.(*v1alpha1.SubdomainClaim)
		if met.tried[key] || claim && failed {
			failed = true
			continue
		}
		met.tried[key], changed = true, true
		err := apply.Applier{Client: r.Client}.Delete(ctx, object)
		if err == nil {
			snapshot.Remove(object)
			continue
		}
		failed = true
		if err := met.note(snapshot, tenant.Failure{Object: object, Delete: true}, err); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// note records a failure in the snapshot. The error is errOvertaken if it came of
// an old snapshot.
func (t *trouble) note(snapshot *tenant.Snapshot, failure tenant.Failure, err error) error {
	elsewhere := failure.Object.GetNamespace()
	switch outlook := apply.OutlookOf(err); {
	case apierrors.IsNotFound(err) && elsewhere != "" && elsewhere != tenant.NamespaceName(snapshot.Partner.Name):
		failure.Message = fmt.Sprintf("there is no namespace %s, in which --widget-backend says that the widget server is", elsewhere)
		t.passing = errors.Join(t.passing, fmt.Errorf("writing %s: %w", nameOf(failure.Object), err))
	case outlook == apply.Overtaken:
		return errOvertaken
	case outlook == apply.Refused:
		t.refused = true
		failure.Refused, failure.Message = true, err.Error()
	default:
		// A status that repeats the error would change with every port number.
		failure.Message = cmp.Or(string(apierrors.ReasonForError(err)), "no answer from the API server")
		t.passing = errors.Join(t.passing, fmt.Errorf("writing %s: %w", nameOf(failure.Object), err))
	}
	snapshot.Failures = append(snapshot.Failures, failure)
	return nil
}

// nameOf tells the objects of a partner apart.
func nameOf(object tenant.Object) string {
	return object.GetObjectKind().GroupVersionKind().Kind + " " + object.GetName()
}

func (r *PartnerReconciler) write(ctx context.Context, wanted, observed tenant.Object) (tenant.Object, error) {
	applier := apply.Applier{Client: r.Client}
	if _, claim := wanted.(*v1alpha1.SubdomainClaim); claim && observed == nil {
		// Creation, and not apply, leaves it to the API server who comes first.
		return applier.Create(ctx, wanted)
	}
	return applier.Apply(ctx, wanted, observed)
}

// gather reads all that Evaluate needs from the cache. It returns nil for a
// Partner that is gone or going: garbage collection does the rest.
func (r *PartnerReconciler) gather(ctx context.Context, name string) (*tenant.Snapshot, error) {
	s := &tenant.Snapshot{
		Partner:  &v1alpha1.Partner{},
		APIs:     r.APIs.Installed(),
		Settings: r.Settings,
		Now:      r.Clock.Now(),
	}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: name}, s.Partner); err != nil {
		if apierrors.IsNotFound(err) {
			err = r.forgetHosts(ctx, name)
		}
		return nil, err
	}
	if !s.Partner.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	if ptr.Deref(s.Partner.Spec.Suspend, false) {
		return s, nil // nothing else is looked at
	}
	var err error
	if s.Plan, err = found(ctx, r.Client, tenant.PlanName(s.Partner), &v1alpha1.SupportPlan{}); err != nil {
		return nil, err
	}
	if s.Namespace, err = found(ctx, r.Client, tenant.NamespaceName(name), &corev1.Namespace{}); err != nil {
		return nil, err
	}
	var allocations v1alpha1.PCSMAllocationList
	if err := r.Client.List(ctx, &allocations, index.AllocationByPartner.Is(name)); err != nil {
		return nil, err
	}
	s.Allocations = allocations.Items
	if err := r.gatherChildren(ctx, s); err != nil {
		return nil, err
	}
	return s, r.gatherSubdomain(ctx, s)
}

// forgetHosts clears the note of the hosts on the namespace that a deleted Partner
// left behind: garbage collection let go of the claims, but cannot do this.
func (r *PartnerReconciler) forgetHosts(ctx context.Context, name string) error {
	namespace, err := found(ctx, r.Client, tenant.NamespaceName(name), &corev1.Namespace{})
	if err != nil || namespace == nil || !namespace.DeletionTimestamp.IsZero() ||
		namespace.Labels[v1alpha1.PartnerLabel] != name || namespace.Annotations[v1alpha1.HostsAnnotation] == "" {
		return err
	}
	forget := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"`+v1alpha1.HostsAnnotation+`":""}}}`))
	return client.IgnoreNotFound(r.Client.Patch(ctx, namespace, forget, client.FieldOwner(v1alpha1.FieldManager)))
}

// gatherChildren reads the objects that the operator made in the partner's
// namespace, and the partner's claims.
func (r *PartnerReconciler) gatherChildren(ctx context.Context, s *tenant.Snapshot) error {
	namespace := tenant.NamespaceName(s.Partner.Name)
	for _, kind := range childKindsOf(r.APIs) {
		list := kind.newList()
		scope := []client.ListOption{client.InNamespace(namespace), client.MatchingLabels(tenant.Labels(s.Partner.Name))}
		switch list := list.(type) {
		case *v1alpha1.SubdomainClaimList:
			scope = []client.ListOption{index.ClaimByPartner.Is(s.Partner.Name)}
		case *gatewayv1beta1.ReferenceGrantList:
			if err := r.gatherGrant(ctx, s, list); err != nil {
				return err
			}
			scope = nil
		}
		if scope != nil {
			if err := r.Client.List(ctx, list, scope...); err != nil {
				return err
			}
		}
		gvk, err := r.Client.GroupVersionKindFor(kind.object)
		if err != nil {
			return err
		}
		if err := meta.EachListItem(list, func(item runtime.Object) error {
			object := item.(client.Object)
			object.GetObjectKind().SetGroupVersionKind(gvk)
			s.Children = append(s.Children, object)
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// gatherGrant reads the ReferenceGrant for the partner, by its name: all partners'
// are in the one namespace of the widget server, too many to list for each.
func (r *PartnerReconciler) gatherGrant(ctx context.Context, s *tenant.Snapshot, into *gatewayv1beta1.ReferenceGrantList) error {
	_, namespace, ok := tenant.WidgetService(s.Settings)
	if !ok {
		return nil
	}
	var grant gatewayv1beta1.ReferenceGrant
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: tenant.NamespaceName(s.Partner.Name)}, &grant)
	if err == nil && grant.Labels[v1alpha1.PartnerLabel] == s.Partner.Name {
		into.Items = append(into.Items, grant)
	}
	return client.IgnoreNotFound(err)
}

// gatherSubdomain reads what the sub-domain hangs on.
func (r *PartnerReconciler) gatherSubdomain(ctx context.Context, s *tenant.Snapshot) error {
	subdomain := s.Partner.Spec.Subdomain
	if subdomain == nil {
		return nil
	}
	var err error
	if s.Claim, err = found(ctx, r.Client, string(subdomain.Host), &v1alpha1.SubdomainClaim{}); err != nil {
		return err
	}
	if service := subdomain.Backend.Service; service != nil {
		if s.BackendFound, err = r.exists(ctx, "Service", s.Partner.Name, service.Name); err != nil {
			return err
		}
	}
	if tls := subdomain.TLS; tls != nil && tls.SecretName != "" {
		if s.SecretFound, err = r.exists(ctx, "Secret", s.Partner.Name, tls.SecretName); err != nil {
			return err
		}
	}
	for _, key := range s.GatewayKeys() {
		if !s.APIs.Gateway {
			break
		}
		var gateway gatewayv1.Gateway
		switch err := r.References.Get(ctx, key, &gateway); {
		case err == nil:
			s.Gateways = append(s.Gateways, gateway)
		case !apierrors.IsNotFound(err):
			return err
		}
	}
	var classes networkingv1.IngressClassList
	if err := r.Client.List(ctx, &classes); err != nil {
		return err
	}
	s.IngressClasses = classes.Items
	return nil
}

// exists tells whether the partner's namespace has a Service or Secret of a name.
func (r *PartnerReconciler) exists(ctx context.Context, kind, partner, name string) (bool, error) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	err := r.References.Get(ctx, client.ObjectKey{Namespace: tenant.NamespaceName(partner), Name: name}, object)
	return err == nil, client.IgnoreNotFound(err)
}

// found reads a cluster-scoped object into the one given; nil if there is none.
func found[T client.Object](ctx context.Context, reader client.Reader, name string, into T) (T, error) {
	err := reader.Get(ctx, client.ObjectKey{Name: name}, into)
	if err != nil {
		var none T
		return none, client.IgnoreNotFound(err)
	}
	return into, nil
}

// unlessGone drops the error of a status write to an object that is gone, or in
// whose place there is another of its name.
func unlessGone(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// emit tells of changed conditions.
func emit(recorder events.EventRecorder, about client.Object, tell []conditions.Event) {
	for _, event := range tell {
		recorder.Eventf(about, nil, event.Type, event.Reason, string(event.Condition), "%s", event.Message)
	}
}
