// Package apply writes objects to the API server, by server-side apply, and only
// if they differ from what is there.
//
// An object is up to date when it has every field that is wanted, and when its
// annotation partner.dispel.com/applied has the digest of what is wanted. The
// digest notices that a field is no longer wanted, which the object alone cannot
// tell. Beside its metadata and its status it has nothing more than what is wanted,
// and what is nobody's by its managedFields, since the API server filled it in or an
// admission policy added it: a field that somebody adds can change what the others mean.
package apply

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Applier writes objects as the field manager partner-operator, and a status as another
// if need be.
type Applier struct {
	Client client.Client
	// StatusManager is the field manager of a status; the operator's if empty.
	StatusManager string
	// Force takes over an object that others made, if there is one of a name that is
	// the operator's to give.
	Force bool
	// Answers remember what the API server made of earlier writes; nil for nothing.
	Answers *Answers
}

// Apply makes the object in the cluster have the fields of wanted, whose kind
// must be set. observed is what is there; nil for nothing. The result is the
// object as stored, or nil if there was nothing to write. The error is an
// *OccupiedError if there is an object after all, with fields of others.
func (a Applier) Apply(ctx context.Context, wanted, observed client.Object) (client.Object, error) {
	fields, err := Fields(wanted)
	if err != nil {
		return nil, err
	}
	if observed != nil {
		var current bool
		if current, err = UpToDate(fields, observed); err == nil && !current {
			current, err = a.Answers.stands(fields, observed)
		}
		if err != nil {
			return nil, err
		}
		if current {
			skippedWrites.WithLabelValues(kindOf(wanted)).Inc()
			return nil, nil
		}
		if unchangeable(wanted, observed) {
			if err = a.Delete(ctx, observed); err != nil {
				return nil, err
			}
		}
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	stored := wanted.DeepCopyObject().(client.Object)
	options := []client.PatchOption{client.FieldOwner(v1alpha1.FieldManager)}
	if observed != nil || a.Force {
		options = append(options, client.ForceOwnership) // it is ours to put right
	}
	err = a.patch(ctx, stored, client.RawPatch(types.ApplyPatchType, data), options...)
	if observed == nil && apierrors.IsConflict(err) {
		return nil, &OccupiedError{cause: err}
	}
	// What was just created has the fields of one manager.
	if err == nil && (observed != nil || len(stored.GetManagedFields()) > 1) {
		err = a.removeForeign(ctx, fields, stored)
	}
	if err == nil && observed != nil {
		err = a.Answers.note(fields, stored)
	}
	return asStored(stored, wanted), err
}

// removeForeign takes out of a stored object what others added to the fields that
// are wanted, which server-side apply leaves alone. What the API server fills in again is nobody's
// then, or it would pass for somebody's addition for ever.
func (a Applier) removeForeign(ctx context.Context, fields map[string]any, stored client.Object) error {
	change, err := foreign(fields, stored)
	if err != nil || len(change) == 0 {
		return err
	}
	if err = a.change(ctx, stored, map[string]any{}, change); err != nil {
		return err
	}
	if change, err = foreign(fields, stored); err != nil {
		return err
	}
	paths := removed(change)
	if len(paths) == 0 {
		return nil
	}
	entries, err := disowned(stored.GetManagedFields(), paths)
	if err != nil {
		return err
	}
	return a.change(ctx, stored, map[string]any{"managedFields": entries}, nil)
}

// change merges changes into the very version of an object that is stored.
func (a Applier) change(ctx context.Context, stored client.Object, metadata, content map[string]any) error {
	metadata["resourceVersion"] = stored.GetResourceVersion() // of another one, they may be others
	patch := map[string]any{"metadata": metadata}
	maps.Copy(patch, content)
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	return a.patch(ctx, stored, client.RawPatch(types.MergePatchType, data), client.FieldOwner(v1alpha1.FieldManager))
}

// foreign is the merge patch that takes out of a stored object what is not wanted and somebody's.
func foreign(fields map[string]any, stored client.Object) (map[string]any, error) {
	current, err := runtime.DefaultUnstructuredConverter.ToUnstructured(stored)
	if err != nil {
		return nil, err
	}
	nobodys, err := unowned(stored)
	if err != nil {
		return nil, err
	}
	change := map[string]any{}
	for key, value := range current {
		wanted, declared := fields[key]
		switch at := (place{below: nobodys}).field(key); {
		case beside[key] || contains(value, wanted, declared, at):
		case declared:
			change[key] = difference(value, wanted, at)
		default:
			change[key] = nil
		}
	}
	return change, nil
}

// difference is the merge patch that makes of observed what is wanted.
func difference(observed, wanted any, at place) any {
	was, ok := observed.(map[string]any)
	will, both := wanted.(map[string]any)
	if !ok || !both {
		return wanted
	}
	change := map[string]any{}
	for key, value := range will {
		if !contains(was[key], value, true, at.field(key)) {
			change[key] = difference(was[key], value, at.field(key))
		}
	}
	for key := range was {
		if _, declared := will[key]; !declared && !at.field(key).nobodys() {
			change[key] = nil
		}
	}
	return change
}

// unchangeable reports whether the API server would refuse to make of observed what
// is wanted, so that it has to be deleted first.
func unchangeable(wanted, observed client.Object) bool {
	switch observed := observed.(type) {
	case *corev1.ConfigMap:
		return ptr.Deref(observed.Immutable, false)
	case *rbacv1.RoleBinding:
		return observed.RoleRef != wanted.(*rbacv1.RoleBinding).RoleRef
	case *corev1.ResourceQuota:
		return len(observed.Spec.Scopes) > 0 || observed.Spec.ScopeSelector != nil // none is wanted
	}
	return false
}

func (a Applier) patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	kind := kindOf(object)
	err := a.Client.Patch(ctx, object, patch, options...)
	count("apply", kind, err)
	return err
}

// OccupiedError says that an object is there which the operator did not make.
type OccupiedError struct {
	cause error
}

func (e *OccupiedError) Error() string {
	return "an object of that name is there already, and others own fields of it: delete it, or give it another name"
}

func (e *OccupiedError) Unwrap() error {
	return e.cause
}

// Create writes an object that must not be there yet; the error is an
// AlreadyExists otherwise.
func (a Applier) Create(ctx context.Context, wanted client.Object) (client.Object, error) {
	fields, err := Fields(wanted)
	if err != nil {
		return nil, err
	}
	created := wanted.DeepCopyObject().(client.Object)
	annotations, _, err := unstructured.NestedStringMap(fields, "metadata", "annotations")
	if err != nil {
		return nil, err
	}
	created.SetAnnotations(annotations)
	err = a.Client.Create(ctx, created, client.FieldOwner(v1alpha1.FieldManager))
	count("create", kindOf(wanted), err)
	return asStored(created, wanted), err
}

// Take makes an object that was observed have the fields of wanted, its owners included,
// which are nobody else's then. The result is nil if there was nothing to write, and the error
// a Conflict if the object changed since. It is for what passes from one owner to another:
// server-side apply would leave the former owner's fields.
func (a Applier) Take(ctx context.Context, wanted, observed client.Object) (client.Object, error) {
	fields, err := Fields(wanted)
	if err != nil {
		return nil, err
	}
	current, err := UpToDate(fields, observed)
	if err != nil {
		return nil, err
	}
	if current {
		skippedWrites.WithLabelValues(kindOf(wanted)).Inc()
		return nil, nil
	}
	was, err := runtime.DefaultUnstructuredConverter.ToUnstructured(observed)
	if err != nil {
		return nil, err
	}
	spec, _ := fields["spec"].(map[string]any)
	before, _ := was["spec"].(map[string]any)
	for key := range before {
		if _, declared := spec[key]; !declared {
			spec[key] = nil
		}
	}
	if err = unstructured.SetNestedField(fields, observed.GetResourceVersion(), "metadata", "resourceVersion"); err != nil {
		return nil, err
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	stored := wanted.DeepCopyObject().(client.Object)
	err = a.patch(ctx, stored, client.RawPatch(types.MergePatchType, data), client.FieldOwner(v1alpha1.FieldManager))
	return asStored(stored, wanted), err
}

// Annotate sets annotations of an object that is there, whoever owns it, and leaves all else
// of it alone. One that is gone is no error; the error is a Conflict if it changed since it was
// observed.
func (a Applier) Annotate(ctx context.Context, observed client.Object, annotations map[string]string) error {
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": observed.GetResourceVersion(), "annotations": annotations,
	}})
	if err != nil {
		return err
	}
	err = a.Client.Patch(ctx, observed.DeepCopyObject().(client.Object), client.RawPatch(types.MergePatchType, data), client.FieldOwner(v1alpha1.FieldManager))
	count("annotate", kindOf(observed), err)
	return client.IgnoreNotFound(err)
}

// asStored readies what the API server returned for comparison within a reconcile, in which an
// object is written once: who has which field does not matter there.
func asStored(stored, wanted client.Object) client.Object {
	stored.GetObjectKind().SetGroupVersionKind(wanted.GetObjectKind().GroupVersionKind())
	stored.SetManagedFields(nil)
	return stored
}

// Delete deletes the very object that was observed, as it was observed: if somebody
// changed it meanwhile, it may be another's now. One that is gone already is no error.
//
// It does not have later reads wait for the cache to see the deletion, as other
// writes do: controller-runtime waits for the deletion of each object by its UID, and
// for good if the watch that would tell of it is interrupted while another object
// takes the name.
func (a Applier) Delete(ctx context.Context, observed client.Object) error {
	err := a.Client.Delete(ctx, observed, client.DisableReadYourWritesConsistency, client.Preconditions{
		UID: new(observed.GetUID()), ResourceVersion: new(observed.GetResourceVersion()),
	})
	count("delete", kindOf(observed), err)
	return client.IgnoreNotFound(err)
}

// Status applies a status, which is a struct of the object's, in one write that cannot
// conflict. The object only says which one it is. own are the types of the conditions that the
// writer owns; with a StatusManager, it owns nothing else.
//
// Server-side apply leaves what another field manager applied, too, with whatever value. So
// what is stored after the write is compared with what was meant, and a second write takes out
// the rest.
func (a Applier) Status(ctx context.Context, object client.Object, status any, own []v1alpha1.ConditionType) error {
	gvk, err := a.Client.GroupVersionKindFor(object)
	if err != nil {
		return err
	}
	data, err := json.Marshal(map[string]any{
		"apiVersion": gvk.GroupVersion().String(),
		"kind":       gvk.Kind,
		// The UID keeps the status from an object that took this one's name.
		"metadata": map[string]any{"name": object.GetName(), "uid": object.GetUID()},
		"status":   status,
	})
	if err != nil {
		return err
	}
	// Of an object with fields, a decoder keeps those that the answer does not have.
	stored := reflect.New(reflect.TypeOf(object).Elem()).Interface().(client.Object)
	stored.SetName(object.GetName())
	err = a.Client.Status().Patch(ctx, stored, client.RawPatch(types.ApplyPatchType, data),
		client.FieldOwner(cmp.Or(a.StatusManager, v1alpha1.FieldManager)), client.ForceOwnership)
	count("status", gvk.Kind, err)
	if err != nil {
		return err
	}
	if data, err = a.surplus(stored, status, own); err != nil || data == nil {
		return err
	}
	err = a.Client.Status().Patch(ctx, stored, client.RawPatch(types.MergePatchType, data), client.FieldOwner(cmp.Or(a.StatusManager, v1alpha1.FieldManager)))
	count("status", gvk.Kind, err)
	if apierrors.IsConflict(err) {
		return nil // what changed meanwhile comes with an event
	}
	return err
}

// surplus is the merge patch that takes out of a stored status what is not in the one that was
// applied; nil if there is nothing. Conditions of other types than the given ones are left
// alone, and all else is, too, if a StatusManager has only these.
func (a Applier) surplus(stored client.Object, status any, own []v1alpha1.ConditionType) ([]byte, error) {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(stored)
	if err != nil {
		return nil, err
	}
	meant := map[string]any{}
	data, err := json.Marshal(status)
	if err == nil {
		err = json.Unmarshal(data, &meant)
	}
	if err != nil {
		return nil, err
	}
	is, _ := object["status"].(map[string]any)
	change := map[string]any{}
	if a.StatusManager == "" {
		change, _ = removals(is, meant)
		delete(change, conditionsField)
	}
	wanted := conditionTypes(meant[conditionsField])
	var left []any
	surplus := false
	list, _ := is[conditionsField].([]any)
	for _, condition := range list {
		fields, _ := condition.(map[string]any)
		kind, _ := fields["type"].(string)
		if slices.Contains(own, v1alpha1.ConditionType(kind)) && !slices.Contains(wanted, kind) {
			surplus = true
			continue
		}
		left = append(left, condition)
	}
	if surplus {
		change[conditionsField] = left
	}
	if len(change) == 0 {
		return nil, nil
	}
	return json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": stored.GetResourceVersion()}, "status": change})
}

const conditionsField = "conditions"

func conditionTypes(conditions any) []string {
	var found []string
	list, _ := conditions.([]any)
	for _, condition := range list {
		fields, _ := condition.(map[string]any)
		kind, _ := fields["type"].(string)
		found = append(found, kind)
	}
	return found
}

// removals is the merge patch that takes out of a status the fields that are not meant, and
// makes lists what they are meant to be. It reports whether it takes out anything.
func removals(is, meant map[string]any) (change map[string]any, some bool) {
	change = map[string]any{}
	for key, value := range is {
		wanted, declared := meant[key]
		switch value := value.(type) {
		case map[string]any:
			if wanted, ok := wanted.(map[string]any); ok {
				if nested, some := removals(value, wanted); some {
					change[key] = nested
				}
				continue
			}
		case []any:
			if list, _ := wanted.([]any); declared && len(list) != len(value) {
				change[key] = wanted
				continue
			}
		}
		if !declared {
			change[key] = nil
		}
	}
	return change, len(change) > 0
}

// UnlessGone drops the error of a status write to an object that is gone, or in whose
// place there is another of its name.
func UnlessGone(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

// Fields returns the fields that an object declares, with the digest of them in
// its annotations. The status and what the API server fills in are no part, and the note of the defaults
// that a route was made with is no part of the digest.
func Fields(object client.Object) (map[string]any, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("reading the fields of %s %s: %w", object.GetObjectKind().GroupVersionKind().Kind, object.GetName(), err)
	}
	if u, ok := object.(*unstructured.Unstructured); ok {
		fields = u.DeepCopy().Object // the converter does not copy
	}
	delete(fields, "status")
	if spec, ok := fields["spec"].(map[string]any); ok && len(spec) == 0 {
		delete(fields, "spec") // a typed object without a spec still writes one
	}
	unstructured.RemoveNestedField(fields, "metadata", "creationTimestamp")
	note, noted, err := unstructured.NestedString(fields, "metadata", "annotations", v1alpha1.DefaultsAnnotation)
	if err != nil {
		return nil, err
	}
	if noted {
		unstructured.RemoveNestedField(fields, "metadata", "annotations", v1alpha1.DefaultsAnnotation)
		if len(object.GetAnnotations()) == 1 {
			unstructured.RemoveNestedField(fields, "metadata", "annotations")
		}
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	if noted {
		if err = unstructured.SetNestedField(fields, note, "metadata", "annotations", v1alpha1.DefaultsAnnotation); err != nil {
			return nil, err
		}
	}
	err = unstructured.SetNestedField(fields, hex.EncodeToString(sum[:8]), "metadata", "annotations", v1alpha1.AppliedAnnotation)
	return fields, err
}

// UpToDate reports whether there is nothing to write to make an object have the
// fields of Fields, digest included.
func UpToDate(fields map[string]any, observed client.Object) (bool, error) {
	digest, _, err := unstructured.NestedString(fields, "metadata", "annotations", v1alpha1.AppliedAnnotation)
	if err != nil || observed.GetAnnotations()[v1alpha1.AppliedAnnotation] != digest {
		return false, err
	}
	current, err := runtime.DefaultUnstructuredConverter.ToUnstructured(observed)
	if err != nil {
		return false, err
	}
	wanted := fields["metadata"]
	if _, noted := observed.GetAnnotations()[v1alpha1.DefaultsAnnotation]; !noted {
		wanted = withoutFirstNote(fields["metadata"].(map[string]any))
	}
	if !containsMetadata(current["metadata"], wanted) {
		return false, nil
	}
	nobodys, err := unowned(observed)
	if err != nil {
		return false, err
	}
	for key, value := range current {
		if wanted, declared := fields[key]; !beside[key] && !contains(value, wanted, declared, place{below: nobodys}.field(key)) {
			return false, nil
		}
	}
	for key := range fields {
		if _, there := current[key]; !there && !beside[key] {
			return false, nil
		}
	}
	return true, nil
}

// withoutFirstNote are metadata without the note of the defaults that a route was made with, unless these have
// changed since: one from before they were noted is up to date as it is.
func withoutFirstNote(metadata map[string]any) map[string]any {
	annotations, _ := metadata["annotations"].(map[string]any)
	if note, _ := annotations[v1alpha1.DefaultsAnnotation].(string); note == "" || strings.Contains(note, `"changed":`) {
		return metadata
	}
	without, others := maps.Clone(metadata), maps.Clone(annotations)
	delete(others, v1alpha1.DefaultsAnnotation)
	without["annotations"] = others
	return without
}

// beside are what an object has beside what it declares. A typed object from the
// cache does not say its kind.
var beside = map[string]bool{"apiVersion": true, "kind": true, "metadata": true, "status": true}

// containsMetadata reports whether metadata have all that is wanted. Others may add
// labels, annotations and owners.
func containsMetadata(observed, wanted any) bool {
	switch wanted := wanted.(type) {
	case map[string]any:
		observed, _ := observed.(map[string]any)
		for key, value := range wanted {
			if !containsMetadata(observed[key], value) {
				return false
			}
		}
		return true
	case []any:
		observed, _ := observed.([]any)
		for _, value := range wanted {
			if !slices.ContainsFunc(observed, func(o any) bool { return containsMetadata(o, value) }) {
				return false
			}
		}
		return true
	}
	return observed == wanted
}

// contains reports whether an observed field is what is wanted, but for what is nobody's.
func contains(observed, wanted any, declared bool, at place) bool {
	if !declared && at.nobodys() {
		return true
	}
	will, isMap := wanted.(map[string]any)
	was, there := observed.(map[string]any)
	switch {
	case !isMap && (!there || wanted != nil):
		return equality.Semantic.DeepEqual(observed, wanted)
	case !there:
		return len(will) == 0 && observed == nil
	}
	for key, value := range will {
		if !contains(was[key], value, true, at.field(key)) {
			return false
		}
	}
	for key := range was {
		if _, declared := will[key]; !declared && !at.field(key).nobodys() {
			return false
		}
	}
	return true
}

// Class is a class of failed writes, by what becomes of them.
type Class int

const (
	// Transient is a failure that may pass: try again, less and less often.
	Transient Class = iota
	// Conflict is a write that came too late: something changed that the cache
	// does not show yet. Reconcile again; there is nothing to report.
	Conflict
	// Refused is a write that the API server will not take as it is.
	Refused
)

// ClassOf is the class of a failed write.
func ClassOf(err error) Class {
	if _, occupied := errors.AsType[*OccupiedError](err); occupied {
		return Refused
	}
	switch {
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err), meta.IsNoMatchError(err),
		apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return Conflict
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsForbidden(err),
		apierrors.IsRequestEntityTooLargeError(err), apierrors.IsMethodNotSupported(err):
		return Refused
	}
	return Transient
}
