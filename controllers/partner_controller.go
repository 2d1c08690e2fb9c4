package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/apply"
	"github.com/dispel/partner-operator/internal/cachelimit"
	"github.com/dispel/partner-operator/internal/changes"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/gather"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/orders"
	"github.com/dispel/partner-operator/internal/snapshot"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/tenant"
)

// PartnerReconciler makes tenants of Partners.
type PartnerReconciler struct {
	// Client reads from the cache, and sees there what it wrote itself.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Orders decides when certificates are ordered; at once if nil.
	Orders *orders.Gate
	// Changes decides when changes of the operator's defaults reach Partners; at once if nil.
	Changes *changes.Gate
	// APIs tells which optional APIs are there.
	APIs *OptionalAPIs
	// Settings are the operator's defaults.
	Settings objects.Settings
	// Clock tells the time.
	Clock clock.PassiveClock
	// Recorder emits Events.
	Recorder events.EventRecorder
	// RestoreGrace is how long what belongs to a Partner that is not there is left alone
	// after its creation, unless the Partner was seen to go: a restore may bring it later.
	RestoreGrace time.Duration
	// Limits know what the cache does not keep.
	Limits *cachelimit.Limits
	// Answers are what the API server makes of objects.
	Answers *apply.Answers

	// deleted has the UIDs of objects that it deleted, until the cache surely shows it: what is
	// forgotten too early costs one request.
	deleted *utilcache.Expiring
	// ended has the Partners that it saw go and not come back, by name, and when they went, for as
	// long as a restore would be waited for.
	ended *utilcache.Expiring
	// orphaned has those that it saw go while their objects were to stay, by name.
	orphaned *utilcache.Expiring
	// began is when it began to look: what went before, it did not see.
	began time.Time
	// echoes are of its own writes.
	echoes *echoes
}

// rememberedFor is longer than a watch is interrupted without a new list.
const rememberedFor = time.Minute

// refusedAgain is when to try a refused write again: what refuses it, such as a
// policy or a missing right, may change without a trace. It is up to twice as long, so
// that many partners do not try at once.
const refusedAgain = time.Minute

// conflictAgain is when to look again after a write that came too late. What
// overtook it is on its way into the cache and comes with an event of its own.
const conflictAgain = time.Second

// errConflict says that a write came too late.
var errConflict = errors.New("a write came too late")

// Reconcile gathers what concerns a Partner, brings the cluster to what Evaluate
// makes of it, and reports.
func (r *PartnerReconciler) Reconcile(ctx context.Context, request ctrl.Request) (result ctrl.Result, err error) {
	counted := ""
	defer func() { count("Partner", counted, err) }()
	r.echoes.begin(request.Name)
	snapshot, err := r.gather(ctx, request.Name)
	switch {
	case err != nil:
		return ctrl.Result{}, err
	case snapshot == nil:
		var again time.Duration
		if again, err = r.letGo(ctx, request.Name); err != nil {
			return r.conflictOr(err)
		}
		return ctrl.Result{RequeueAfter: again}, nil
	case !snapshot.Partner.DeletionTimestamp.IsZero():
		if stay := r.stays(snapshot.Partner); stay > 0 {
			before := snapshot.Partner.Status
			before.Conditions = conditions.Own(before.Conditions, v1alpha1.PartnerConditions)
			outcome := tenant.Stay(*snapshot, snapshot.Partner.DeletionTimestamp.Add(r.RestoreGrace))
			if err = apply.UnlessGone(r.report(ctx, snapshot.Partner, before, outcome)); err != nil {
				return r.conflictOr(err)
			}
			return ctrl.Result{RequeueAfter: stay}, nil
		}
		return r.conflictOr(r.end(ctx, snapshot))
	}
	before := snapshot.Partner.Status
	writes := &writer{reconciler: r, partner: request.Name, namespace: objects.NamespaceOf(snapshot.Partner), issued: issued(snapshot)}
	outcome, err := tenant.Converge(ctx, snapshot, writes)
	if errors.Is(err, errConflict) {
		counted = conflict
		return ctrl.Result{RequeueAfter: conflictAgain}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	counted = outcomeOf(outcome.Status.Conditions)
	before.Conditions = conditions.Own(before.Conditions, v1alpha1.PartnerConditions)
	if err = r.report(ctx, snapshot.Partner, before, outcome); err != nil {
		return ctrl.Result{}, apply.UnlessGone(err)
	}
	again, err := r.letFormerGo(ctx, snapshot.Partner, writes)
	if err != nil {
		return r.conflictOr(err)
	}
	if again > 0 {
		outcome.RequeueAt = staffing.Earlier(outcome.RequeueAt, snapshot.Now.Add(again))
	}
	return r.requeue(outcome, writes)
}

// report writes the status of a Partner, if it differs, and tells of what changed in it.
func (r *PartnerReconciler) report(ctx context.Context, partner *v1alpha1.Partner, before v1alpha1.PartnerStatus, outcome tenant.Outcome) error {
	if equality.Semantic.DeepEqual(before, outcome.Status) {
		return nil
	}
	if err := r.applier(partner.Name).Status(ctx, partner, &outcome.Status, v1alpha1.PartnerConditions); err != nil {
		return err
	}
	emit(r.Recorder, partner, outcome.Events)
	return nil
}

// end ends the exposure of a Partner that is being deleted. What cannot be written keeps
// nothing else from being done.
func (r *PartnerReconciler) end(ctx context.Context, s *snapshot.Snapshot) error {
	g := r.gatherer()
	namespaces, err := g.Labelled(ctx, s.Partner.Name)
	if err != nil {
		return err
	}
	if err = g.Held(ctx, s, namesOf(namespaces)...); err != nil {
		return err
	}
	var errs []error
	for i := range namespaces {
		errs = append(errs, r.limitHosts(ctx, &namespaces[i], nil))
	}
	outcome, before := tenant.End(*s), s.Partner.Status
	for _, object := range outcome.Prune {
		if kinds.Of(object).Exposure == kinds.ByClaim && errors.Join(errs...) != nil {
			continue // the host is free once nothing of the operator's routes it
		}
		errs = append(errs, r.delete(ctx, object))
	}
	before.Conditions = conditions.Own(before.Conditions, v1alpha1.PartnerConditions)
	errs = append(errs, apply.UnlessGone(r.report(ctx, s.Partner, before, outcome)))
	return errors.Join(errs...)
}

// conflictOr looks again soon after a write that came too late.
func (r *PartnerReconciler) conflictOr(err error) (ctrl.Result, error) {
	if errors.Is(err, errConflict) || apply.ClassOf(err) == apply.Conflict {
		return ctrl.Result{RequeueAfter: conflictAgain}, nil
	}
	return ctrl.Result{}, err
}

// requeue says when to reconcile again if nothing happens before.
func (r *PartnerReconciler) requeue(outcome tenant.Outcome, writes *writer) (ctrl.Result, error) {
	if writes.passing != nil {
		return ctrl.Result{}, writes.passing
	}
	now := r.Clock.Now()
	next := outcome.RequeueAt
	if writes.refused {
		next = staffing.Earlier(next, now.Add(wait.Jitter(refusedAgain, 1)))
	}
	if next.IsZero() {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{RequeueAfter: max(time.Second, next.Sub(now))}, nil
}

// writer writes for one reconcile of a Partner, and notes what it met with.
type writer struct {
	reconciler *PartnerReconciler
	partner    string
	// namespace is the tenant's.
	namespace string
	// issued reports that the certificate of the declared host is there, so that nothing is ordered for it.
	issued bool
	// passing are the errors that may pass.
	passing error
	// refused tells that the API server refused something.
	refused bool
}

// issued reports that the certificate of the declared host is there, whether or not its Certificate is: after
// a restore, that comes later.
func issued(s *snapshot.Snapshot) bool {
	return s.Child(kinds.Secret, objects.HostOf(s.Partner)) != nil
}

// Write implements tenant.Cluster. The error is a *snapshot.Order if it is not the turn of a Certificate.
func (w *writer) Write(ctx context.Context, wanted, observed kinds.Object) (kinds.Object, error) {
	giveBack := func() {}
	if gate := w.reconciler.Orders; gate != nil && (observed != nil || !w.issued) {
		var order *snapshot.Order
		if order, giveBack = gate.Turn(ctx, wanted, observed, w.reconciler.Clock.Now()); order != nil {
			return nil, order
		}
	}
	written, err := w.write(ctx, wanted, observed)
	if err != nil {
		giveBack()
		return nil, w.failed(ctx, snapshot.Failure{Object: wanted}, err)
	}
	return written, nil
}

// Delete implements tenant.Cluster.
func (w *writer) Delete(ctx context.Context, object kinds.Object) error {
	if err := w.reconciler.delete(ctx, object); err != nil {
		return w.failed(ctx, snapshot.Failure{Object: object, Delete: true}, err)
	}
	return nil
}

// failed makes a *snapshot.Failure of an error. It is errConflict if the error came of
// an old snapshot.
func (w *writer) failed(ctx context.Context, failure snapshot.Failure, err error) error {
	debug(ctx, "A write failed", failure.Object, err.Error())
	elsewhere := failure.Object.GetNamespace()
	switch class := apply.ClassOf(err); {
	case apierrors.IsNotFound(err) && elsewhere != "" && elsewhere != w.namespace:
		failure.Message = fmt.Sprintf("there is no namespace %s, in which --widget-backend says that the widget server is", elsewhere)
		w.passing = errors.Join(w.passing, fmt.Errorf("writing %s: %w", kinds.Describe(failure.Object), err))
	case class == apply.Conflict:
		return errConflict
	case class == apply.Refused:
		w.refused = true
		failure.Refused, failure.Message = true, err.Error()
	default:
		// A status that repeats the error would change with every port number.
		failure.Message = cmp.Or(string(apierrors.ReasonForError(err)), "no answer from the API server")
		w.passing = errors.Join(w.passing, fmt.Errorf("writing %s: %w", kinds.Describe(failure.Object), err))
	}
	return &failure
}

// write makes an object as wanted. In the partner's namespace the names that the
// operator gives are its own, whoever used them before. Claims are what several partners
// write: creation leaves it to the API server who comes first, and a change is of the claim as
// it was observed.
func (w *writer) write(ctx context.Context, wanted, observed kinds.Object) (written kinds.Object, err error) {
	applier := w.reconciler.applier(w.partner)
	applier.Force, applier.Answers = wanted.GetNamespace() == w.namespace, w.reconciler.Answers
	_, claim := wanted.(*v1alpha1.SubdomainClaim)
	switch {
	case !claim:
		written, err = applier.Apply(ctx, wanted, observed)
	case observed == nil:
		written, err = applier.Create(ctx, wanted)
	default:
		written, err = applier.Take(ctx, wanted, observed)
	}
	switch {
	case err != nil || written == nil:
	case observed == nil:
		debug(ctx, "Created an object", wanted, "it was missing")
	default:
		debug(ctx, "Changed an object", wanted, "it was not as wanted")
	}
	return written, err
}

// debug logs a write at the debug level.
func debug(ctx context.Context, message string, object kinds.Object, reason string) {
	ctrl.LoggerFrom(ctx).V(1).Info(message, "object", kinds.Describe(object), "reason", reason)
}

// applier writes for the reconcile of a Partner.
func (r *PartnerReconciler) applier(partner string) apply.Applier {
	return apply.Applier{Client: writing{r.Client, r.echoes, partner}}
}

// gatherer reads from the cache what concerns a partner, as of now.
func (r *PartnerReconciler) gatherer() *gather.Gatherer {
	var order func(*snapshot.Snapshot) *snapshot.Order
	if r.Orders != nil {
		order = r.Orders.Order
	}
	var hold func(*snapshot.Snapshot, objects.Change) *snapshot.HeldChange
	if r.Changes != nil {
		hold = r.Changes.Hold
	}
	return &gather.Gatherer{
		Order: order, Hold: hold, Reader: r.Client, Live: r.Live, APIs: r.APIs.Installed(), Kinds: r.APIs.Kinds(), Settings: r.Settings, Now: r.Clock.Now(),
		Deleted: func(uid types.UID) bool { _, lately := r.deleted.Get(uid); return lately }, Ignored: r.Limits.Ignored,
	}
}

// gather reads what concerns a Partner. It returns nil for one that is gone, and no more than
// the Partner for one that is being deleted or suspended.
func (r *PartnerReconciler) gather(ctx context.Context, name string) (*snapshot.Snapshot, error) {
	var partner v1alpha1.Partner
	if err := r.Client.Get(ctx, client.ObjectKey{Name: name}, &partner); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	g := r.gatherer()
	if !partner.DeletionTimestamp.IsZero() || ptr.Deref(partner.Spec.Suspend, false) {
		s := g.Named(name)
		s.Partner = &partner
		return s, nil
	}
	return g.Partner(ctx, &partner)
}

// orphan is a Partner whose objects are to stay, and when it began to go.
type orphan struct {
	uid types.UID
	at  time.Time
}

// stays is for how long the exposure of a Partner that is being deleted goes on, since who deletes it
// wants its objects to stay: they wait for its return as in a restore.
func (r *PartnerReconciler) stays(partner *v1alpha1.Partner) time.Duration {
	kept, seen := r.orphaned.Get(partner.Name)
	if !orphans(partner) && (!seen || kept.(orphan).uid != partner.UID) {
		return 0
	}
	return partner.DeletionTimestamp.Add(r.RestoreGrace).Sub(r.Clock.Now())
}

// orphans reports whether a Partner is being deleted and what it owns is to stay.
func orphans(partner client.Object) bool {
	return !partner.GetDeletionTimestamp().IsZero() && slices.Contains(partner.GetFinalizers(), metav1.FinalizerOrphanDependents)
}

// letGo ends what is left of a Partner that is gone. Garbage collection deletes what
// the Partner owned; this is for what has no owner any more, after a deletion that
// orphaned it or in a restored cluster, and for the note of the hosts on a namespace
// that stays. In a restore, it waits for the Partner, and says for how long.
func (r *PartnerReconciler) letGo(ctx context.Context, name string) (again time.Duration, err error) {
	g := r.gatherer()
	s := g.Named(name)
	namespaces, err := g.Labelled(ctx, name)
	if err != nil {
		return 0, err
	}
	if err = g.Held(ctx, s, namesOf(namespaces)...); err != nil {
		return 0, err
	}
	again, err = r.deleteAbandoned(ctx, s, namespaces)
	if again > 0 {
		return again, err
	}
	errs := []error{err}
	for i := range namespaces {
		errs = append(errs, r.limitHosts(ctx, &namespaces[i], nil)) // whatever still routes them
	}
	return 0, errors.Join(errs...)
}

// letFormerGo does the same in the namespaces that an earlier Partner of the name left: all
// that are labelled but the declared one. Of a suspended Partner, it only takes hosts off the
// notes, and keeps to the declared deletion policy. What cannot be written keeps nothing else from being done.
func (r *PartnerReconciler) letFormerGo(ctx context.Context, partner *v1alpha1.Partner, writes *writer) (again time.Duration, err error) {
	g := r.gatherer()
	namespaces, err := g.Labelled(ctx, partner.Name)
	if err != nil {
		return 0, err
	}
	suspended := ptr.Deref(partner.Spec.Suspend, false)
	var former []corev1.Namespace
	for i := range namespaces {
		namespace := &namespaces[i]
		var held []string
		switch {
		case namespace.Name != objects.NamespaceOf(partner):
			former = append(former, *namespace)
		case !suspended:
			continue // Evaluate notes its hosts
		default:
			if held, err = r.held(ctx, partner.Name); err != nil {
				return 0, err
			}
			if err = r.keepPolicy(ctx, partner, namespace); err != nil && errors.Is(writes.failed(ctx, snapshot.Failure{Object: namespace}, err), errConflict) {
				return 0, errConflict
			}
		}
		if err = r.limitHosts(ctx, namespace, held); err != nil && errors.Is(writes.failed(ctx, snapshot.Failure{Object: namespace}, err), errConflict) {
			return 0, errConflict
		}
	}
	if suspended || len(former) == 0 {
		return 0, nil
	}
	s := g.Named(partner.Name)
	if err = g.Held(ctx, s, namesOf(former)...); err != nil {
		return 0, err
	}
	s.Children = slices.DeleteFunc(s.Children, func(child kinds.Object) bool {
		return kinds.Of(child).Exposure == kinds.ByClaim // which the Partner holds
	})
	again, err = r.deleteAbandoned(ctx, s, former)
	if err != nil && errors.Is(writes.failed(ctx, snapshot.Failure{Object: &former[0], Delete: true}, err), errConflict) {
		return 0, errConflict
	}
	return again, nil
}

// keepPolicy keeps the namespace of a suspended Partner to its deletion policy, which says what
// becomes of it if the Partner is deleted next, and to the Partner that has it.
func (r *PartnerReconciler) keepPolicy(ctx context.Context, partner *v1alpha1.Partner, namespace *corev1.Namespace) error {
	if wanted := objects.WithOwnerByPolicy(partner, namespace); wanted != nil {
		debug(ctx, "Changing the owner of a namespace", namespace, "spec.deletionPolicy changed")
		if _, err := r.applier(partner.Name).Apply(ctx, wanted, namespace.DeepCopy()); err != nil {
			return err
		}
	}
	if !objects.AdoptableByAnother(namespace, partner.Name) || namespace.Annotations[v1alpha1.AdoptAnnotation] == "" {
		return nil
	}
	return r.applier(partner.Name).Annotate(ctx, namespace, map[string]string{v1alpha1.AdoptAnnotation: ""})
}

// deleteAbandoned deletes what exposes a snapshot's partner in some namespaces and has no
// owner. It waits for the Partner that a restore may bring, and says for how long.
func (r *PartnerReconciler) deleteAbandoned(ctx context.Context, s *snapshot.Snapshot, namespaces []corev1.Namespace) (again time.Duration, err error) {
	newest := youngest(namespaces, s.Children)
	ended, seen := r.ended.Get(s.Partner.Name)
	if kept, orphaned := r.orphaned.Get(s.Partner.Name); orphaned && kept.(orphan).at.After(newest) {
		newest = kept.(orphan).at
	} else if !seen && r.began.After(newest) {
		newest = r.began
	}
	if !seen || newest.After(ended.(time.Time)) {
		if again = newest.Add(r.RestoreGrace).Sub(s.Now); again > 0 {
			return again, nil
		}
	}
	tried := sets.New[string]()
	var errs []error
	for {
		abandoned := slices.DeleteFunc(tenant.Abandoned(*s), func(object kinds.Object) bool { return tried.Has(kinds.Describe(object)) })
		if len(abandoned) == 0 {
			return 0, errors.Join(errs...)
		}
		for _, object := range abandoned {
			tried.Insert(kinds.Describe(object))
			if err := r.delete(ctx, object); err != nil {
				errs = append(errs, err)
				continue
			}
			s.Remove(object)
		}
	}
}

// youngest is when the newest of some objects was created.
func youngest(namespaces []corev1.Namespace, children []kinds.Object) time.Time {
	var newest time.Time
	for i := range namespaces {
		if created := namespaces[i].CreationTimestamp.Time; created.After(newest) {
			newest = created
		}
	}
	for _, child := range children {
		if created := child.GetCreationTimestamp().Time; created.After(newest) {
			newest = created
		}
	}
	return newest
}

func namesOf(namespaces []corev1.Namespace) []string {
	var names []string
	for i := range namespaces {
		names = append(names, namespaces[i].Name)
	}
	return names
}

// held are the hosts that a partner holds.
func (r *PartnerReconciler) held(ctx context.Context, partner string) ([]string, error) {
	g := r.gatherer()
	s := g.Named(partner)
	err := g.Claims(ctx, s)
	return s.Held(), err
}

// limitHosts takes the hosts that are not held off the note on a namespace, so that nothing
// new routes them there. It is for what Evaluate does not look at: the namespaces of a
// Partner that is gone or suspended, and former ones.
func (r *PartnerReconciler) limitHosts(ctx context.Context, namespace *corev1.Namespace, held []string) error {
	noted := objects.NotedHosts(namespace)
	limited := slices.DeleteFunc(slices.Clone(noted), func(host string) bool { return !slices.Contains(held, host) })
	if len(limited) == len(noted) || !namespace.DeletionTimestamp.IsZero() {
		return nil
	}
	debug(ctx, "Taking hosts off a namespace's note", namespace, "they are not held any more")
	return r.applier(objects.HolderOf(namespace)).Annotate(ctx, namespace, map[string]string{v1alpha1.HostsAnnotation: objects.NoteOf(limited)})
}

// delete deletes an object, and remembers that.
func (r *PartnerReconciler) delete(ctx context.Context, object client.Object) error {
	err := apply.Applier{Client: r.Client}.Delete(ctx, object)
	if err == nil {
		r.deleted.Set(object.GetUID(), nil, rememberedFor)
		debug(ctx, "Deleted an object", object, "it is not wanted any more")
	}
	return err
}

// maxNote is how long the API server lets the note of an Event be, in bytes.
const maxNote = 1024

// emit tells of changed conditions. A message that is too long for an Event is cut
// short; the condition has it whole.
func emit(recorder events.EventRecorder, about client.Object, tell []conditions.Event) {
	for _, event := range tell {
		recorder.Eventf(about, nil, event.Type, event.Reason, string(event.Condition), "%s", noteOf(event))
	}
}

// noteOf is the message of an event as an Event can hold it.
func noteOf(event conditions.Event) string {
	if len(event.Message) <= maxNote {
		return event.Message
	}
	rest := fmt.Sprintf("… (the condition %s has the rest)", event.Condition)
	return strings.ToValidUTF8(event.Message[:maxNote-len(rest)], "") + rest
}
