// Package apply writes objects to the API server, by server-side apply, and only
// if they differ from what is there.
//
// An object is up to date when it has every field that is wanted, and when its
// annotation partner.dispel.com/applied has the digest of what is wanted. The
// digest notices that a field is no longer wanted, which the object alone cannot
// tell.
package apply

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Applier writes objects as the field manager partner-operator.
type Applier struct {
	Client client.Client
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
		current, err := UpToDate(fields, observed)
		if err != nil {
			return nil, err
		}
		if current {
			skippedWrites.WithLabelValues(kindOf(wanted)).Inc()
			return nil, nil
		}
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	stored := wanted.DeepCopyObject().(client.Object)
	options := []client.PatchOption{client.FieldOwner(v1alpha1.FieldManager)}
	if observed != nil {
		options = append(options, client.ForceOwnership) // it is ours to put right
	}
	patch := client.RawPatch(types.ApplyPatchType, data)
	err = a.patch(ctx, stored, patch, options...)
	if observed == nil && apierrors.IsConflict(err) {
		if !overLabelsOnly(err) {
			return nil, &OccupiedError{cause: err}
		}
		// Somebody changed the label that the cache selects by.
		err = a.patch(ctx, stored, patch, append(options, client.ForceOwnership)...)
	}
	return asStored(stored, wanted), err
}

func (a Applier) patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	kind := kindOf(object)
	err := a.Client.Patch(ctx, object, patch, options...)
	count("apply", kind, err)
	return err
}

// overLabelsOnly tells whether a conflict is about labels and nothing else: the
// rest of the object is as the operator wrote it.
func overLabelsOnly(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	for _, cause := range status.Status().Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict && !strings.HasPrefix(cause.Field, ".metadata.labels.") {
			return false
		}
	}
	return true
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

// asStored readies what the API server returned for comparison.
func asStored(stored, wanted client.Object) client.Object {
	stored.GetObjectKind().SetGroupVersionKind(wanted.GetObjectKind().GroupVersionKind())
	stored.SetManagedFields(nil)
	return stored
}

// Delete deletes the very object that was observed. One that is gone already, or
// in whose place there is another, is no error.
func (a Applier) Delete(ctx context.Context, observed client.Object) error {
	err := a.Client.Delete(ctx, observed, client.Preconditions{UID: new(observed.GetUID())})
	count("delete", kindOf(observed), err)
	if apierrors.IsConflict(err) {
		return nil
	}
	return client.IgnoreNotFound(err)
}

// Status applies a status, which is a struct of the object's, in one write that
// cannot conflict. The object only says which one it is.
func (a Applier) Status(ctx context.Context, object client.Object, status any) error {
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
	err = a.Client.Status().Patch(ctx, object.DeepCopyObject().(client.Object), client.RawPatch(types.ApplyPatchType, data),
		client.FieldOwner(v1alpha1.FieldManager), client.ForceOwnership)
	count("status", gvk.Kind, err)
	return err
}

// Fields returns the fields that an object declares, with the digest of them in
// its annotations. The status and what the API server fills in are no part.
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
	data, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	err = unstructured.SetNestedField(fields, hex.EncodeToString(sum[:8]), "metadata", "annotations", v1alpha1.AppliedAnnotation)
	return fields, err
}

// UpToDate tells whether there is nothing to write to make an object have the
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
	// A typed object from the cache does not say its kind.
	current["apiVersion"], current["kind"] = fields["apiVersion"], fields["kind"]
	return contains(current, fields, ""), nil
}

// shared are the lists that others may add to. The API server merges them by key.
var shared = map[string]bool{".metadata.ownerReferences": true, ".spec.ports": true}

// contains tells whether observed has everything that wanted has: of a map the
// wanted keys, and none if none is wanted; of a list exactly the wanted elements,
// unless it is shared. What is added to an element changes what it means: another
// selector beside ours lets others in.
func contains(observed, wanted any, path string) bool {
	switch wanted := wanted.(type) {
	case map[string]any:
		observed, ok := observed.(map[string]any)
		if !ok || len(wanted) == 0 {
			return len(wanted) == 0 && len(observed) == 0
		}
		for key, value := range wanted {
			if !contains(observed[key], value, path+"."+key) {
				return false
			}
		}
		return true
	case []any:
		observed, _ := observed.([]any)
		if shared[path] {
			for _, value := range wanted {
				if !containsAny(observed, value, path) {
					return false
				}
			}
			return true
		}
		return equality.Semantic.DeepEqual(observed, wanted)
	}
	return observed == wanted
}

func containsAny(observed []any, wanted any, path string) bool {
	for _, value := range observed {
		if contains(value, wanted, path+"[]") {
			return true
		}
	}
	return false
}

// Outlook tells what becomes of a write that failed.
type Outlook int

const (
	// Passing is a failure that may pass: try again, less and less often.
	Passing Outlook = iota
	// Overtaken is a write that came too late: something changed that the cache
	// does not show yet. Look again; there is nothing to tell anybody.
	Overtaken
	// Refused is a write that the API server will not take as it is.
	Refused
)

// OutlookOf tells what becomes of a failed write.
func OutlookOf(err error) Outlook {
	if _, occupied := errors.AsType[*OccupiedError](err); occupied {
		return Refused
	}
	switch {
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err), meta.IsNoMatchError(err),
		apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return Overtaken
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsForbidden(err),
		apierrors.IsRequestEntityTooLargeError(err), apierrors.IsMethodNotSupported(err):
		return Refused
	}
	return Passing
}
