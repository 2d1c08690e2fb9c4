package controllers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/apply"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/shard"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/tenant"
)

// PartnerReconciler makes tenants of Partners.
type PartnerReconciler struct {
	// Client reads from the cache, and sees there what it wrote itself.
	Client client.Client
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

	// deleted are the objects that it deleted lately.
	deleted deletions
}

// refusedAgain is when to try a refused write again: what refuses it, such as a
// policy or a missing right, may change without a trace. It is up to twice as long, so
// that many partners do not try at once.
const refusedAgain = time.Minute

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
	switch {
	case err != nil:
		return ctrl.Result{}, err
	case snapshot == nil:
		return r.overtakenOr(r.letGo(ctx, request.Name))
	case !snapshot.Partner.DeletionTimestamp.IsZero():
		return ctrl.Result{}, nil // somebody's finalizer; garbage collection does the rest
	case ptr.Deref(snapshot.Partner.Spec.Suspend, false):
		held := &tenant.Snapshot{Partner: snapshot.Partner, Now: snapshot.Now}
		if err := r.gatherTenant(ctx, held); err != nil {
			return ctrl.Result{}, err
		}
		if err := r.limitHosts(ctx, held); err != nil {
			return ctrl.Result{}, err
		}
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

// overtakenOr looks again soon after a write that came too late.
func (r *PartnerReconciler) overtakenOr(err error) (ctrl.Result, error) {
	if err != nil && apply.OutlookOf(err) == apply.Overtaken {
		return ctrl.Result{RequeueAfter: overtakenAgain}, nil
	}
	return ctrl.Result{}, err
}

// lookAgain says when to reconcile again if nothing happens before.
func (r *PartnerReconciler) lookAgain(outcome tenant.Outcome, trouble trouble) (ctrl.Result, error) {
	if trouble.passing != nil {
		return ctrl.Result{}, trouble.passing
	}
	now := r.Clock.Now()
	next := outcome.LookAgain
	if trouble.refused {
		next = staffing.Earlier(next, now.Add(wait.Jitter(refusedAgain, 1)))
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
		if err := met.note(ctx, snapshot, tenant.Failure{Object: wanted}, err); err != nil {
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
		err := r.delete(ctx, object)
		if err == nil {
			snapshot.Remove(object)
			continue
		}
		failed = true
		if err := met.note(ctx, snapshot, tenant.Failure{Object: object, Delete: true}, err); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// note records a failure in the snapshot. The error is errOvertaken if it came of
// an old snapshot.
func (t *trouble) note(ctx context.Context, snapshot *tenant.Snapshot, failure tenant.Failure, err error) error {
	debug(ctx, "A write failed", failure.Object, err.Error())
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
	return object.GetObjectKind().GroupVersionKind().Kind + " " + strings.TrimPrefix(object.GetNamespace()+"/"+object.GetName(), "/")
}

// write makes an object as wanted. In the partner's namespace the names that the
// operator gives are its own, whoever used them before.
func (r *PartnerReconciler) write(ctx context.Context, wanted, observed tenant.Object) (tenant.Object, error) {
	partner, inTenant := tenant.PartnerOf(wanted.GetNamespace())
	applier := apply.Applier{Client: r.Client, Force: inTenant && wanted.GetLabels()[v1alpha1.PartnerLabel] == partner}
	if observed == nil {
		debug(ctx, "Creating an object", wanted, "it is missing")
	}
	if _, claim := wanted.(*v1alpha1.SubdomainClaim); claim && observed == nil {
		// Creation, and not apply, leaves it to the API server who comes first.
		return applier.Create(ctx, wanted)
	}
	written, err := applier.Apply(ctx, wanted, observed)
	if observed != nil && written != nil {
		debug(ctx, "Changed an object", wanted, "it was not as wanted")
	}
	return written, err
}

// debug logs a write at the debug level.
func debug(ctx context.Context, message string, object tenant.Object, reason string) {
	ctrl.LoggerFrom(ctx).V(1).Info(message, "object", nameOf(object), "reason", reason)
}

// letGo ends what is left of a Partner that is gone. Garbage collection deletes what
// the Partner owned; this is for what has no owner any more, after a deletion that
// orphaned it or in a restored cluster, and for the note of the hosts on a namespace
// that stays.
func (r *PartnerReconciler) letGo(ctx context.Context, name string) error {
	s := &tenant.Snapshot{Partner: &v1alpha1.Partner{}, Now: r.Clock.Now()}
	s.Partner.Name = name
	if err := r.gatherTenant(ctx, s); err != nil {
		return err
	}
	for {
		abandoned := tenant.Abandoned(*s)
		if len(abandoned) == 0 {
			break
		}
		for _, object := range abandoned {
			if err := r.delete(ctx, object); err != nil {
				return err
			}
			s.Remove(object)
		}
	}
	return r.limitHosts(ctx, s)
}

// limitHosts takes the hosts that the partner does not hold any more off the note on
// its namespace, so that nothing new routes them there. It is for a Partner that
// Evaluate does not look at, being gone or suspended.
func (r *PartnerReconciler) limitHosts(ctx context.Context, s *tenant.Snapshot) error {
	if s.Namespace == nil || !s.Namespace.DeletionTimestamp.IsZero() || s.Namespace.Labels[v1alpha1.PartnerLabel] != s.Partner.Name {
		return nil
	}
	noted := s.Namespace.Annotations[v1alpha1.HostsAnnotation]
	held := tenant.HeldOf(*s, noted)
	if held == noted {
		return nil
	}
	note, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{v1alpha1.HostsAnnotation: held}}})
	if err != nil {
		return err
	}
	err = r.Client.Patch(ctx, s.Namespace, client.RawPatch(types.MergePatchType, note), client.FieldOwner(v1alpha1.FieldManager))
	return client.IgnoreNotFound(err)
}

// delete deletes an object, and remembers that.
func (r *PartnerReconciler) delete(ctx context.Context, object client.Object) error {
	err := apply.Applier{Client: r.Client}.Delete(ctx, object)
	if err == nil {
		r.deleted.add(object.GetUID())
		debug(ctx, "Deleted an object", object, "it is not wanted any more")
	}
	return err
}

// unlessGone drops the error of a status write to an object that is gone, or in
// whose place there is another of its name.
func unlessGone(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
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
