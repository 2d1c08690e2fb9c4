package preview

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// removal is a field that applying a manifest removes from the object in the
// cluster.
type removal struct {
	field string
	value any
}

// severity is a warning for what is lost with the field, and not only no longer
// wanted: the number of customers can come from elsewhere.
func (r removal) severity() Severity {
	if r.field == "spec.customerCount" {
		return Warning
	}
	return Notice
}

func (r removal) String() string {
	return fmt.Sprintf("%s: %s -> nothing: the manifest that was applied last sets this field and this one does not, so that applying it removes the field: write it to keep it, or let another field manager own it",
		r.field, show(r.value))
}

// identity is a field of each kind's spec that every manifest has: whoever applied it
// applied the manifest.
var identity = map[string]string{"Partner": "displayName", "SupportPlan": "tier", "PCSMAllocation": "fte", "SubdomainClaim": "partnerRef"}

// applied adds to a manifest what stays of the object in the cluster when it is
// applied: the fields that it leaves out, but for those that it had when it was
// applied before, on the client's side or on the server's. It returns those.
func applied(manifest, before *unstructured.Unstructured) []removal {
	a := application{last: lastApplied(before), owners: owners(before)}
	for _, section := range [][]string{{"spec"}, {"metadata", "labels"}, {"metadata", "annotations"}} {
		was, there, _ := unstructured.NestedMap(before.Object, section...)
		is, given, err := unstructured.NestedFieldNoCopy(manifest.Object, section...)
		fields, isMap := is.(map[string]any)
		if !there || err != nil || given && is != nil && !isMap {
			continue // nothing to keep, or what the API server refuses
		}
		if fields == nil {
			fields = map[string]any{}
		}
		a.merge(section, fields, was)
		if len(fields) > 0 {
			_ = unstructured.SetNestedMap(manifest.Object, fields, section...) // its parents are mappings
		}
	}
	return a.removed
}

// application is a manifest that is applied.
type application struct {
	// last is the manifest that was applied on the client's side; nil if none was.
	last    map[string]any
	owners  []owner
	removed []removal
}

// merge adds to a mapping of the manifest what stays of the one in the cluster.
func (a *application) merge(path []string, manifest, before map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(before)) {
		at := append(slices.Clone(path), key)
		given, there := manifest[key]
		if !there {
			if kept := a.keep(at, before[key]); kept != nil {
				manifest[key] = kept
			}
			continue
		}
		was, both := before[key].(map[string]any)
		if is, ok := given.(map[string]any); ok && both {
			a.merge(at, is, was)
		}
	}
}

// keep is what stays of a value that the manifest leaves out; nil for nothing.
func (a *application) keep(path []string, value any) any {
	fields, isMap := value.(map[string]any)
	if !isMap || len(fields) == 0 {
		if a.removes(path) {
			a.note(path, value)
			return nil
		}
		return value
	}
	// What goes as a whole is told as a whole.
	inner := application{last: a.last, owners: a.owners}
	kept := map[string]any{}
	inner.merge(path, kept, fields)
	if len(kept) == 0 {
		a.note(path, value)
		return nil
	}
	a.removed = append(a.removed, inner.removed...)
	return kept
}

// removes reports whether applying the manifest removes a field that it leaves out.
func (a *application) removes(path []string) bool {
	if _, there, _ := unstructured.NestedFieldNoCopy(a.last, path...); there {
		return true
	}
	var having []owner
	for _, owner := range a.owners {
		if has(owner.fields, path) {
			having = append(having, owner)
		}
	}
	return len(having) == 1 && having[0].applies
}

func (a *application) note(path []string, value any) {
	if path[0] != "spec" {
		return // labels and annotations are the appliers' own
	}
	field := ""
	for _, name := range path {
		field = join(field, name)
	}
	a.removed = append(a.removed, removal{field, value})
}

// has reports whether a set has a field, or anything within it.
func has(set *fieldpath.Set, path []string) bool {
	last := len(path) - 1
	for _, name := range path[:last] {
		set = set.WithPrefix(fieldpath.PathElement{FieldName: &name})
	}
	element := fieldpath.PathElement{FieldName: &path[last]}
	return set.Members.Has(element) || !set.WithPrefix(element).Empty()
}

// lastApplied is the manifest that client-side apply noted on an object; nil if none.
func lastApplied(object *unstructured.Unstructured) map[string]any {
	var last map[string]any
	if json.Unmarshal([]byte(object.GetAnnotations()[corev1.LastAppliedConfigAnnotation]), &last) != nil {
		return nil
	}
	return last
}

// owner is a field manager of an object.
type owner struct {
	fields *fieldpath.Set
	// applies reports whether it applied a field that every manifest has, and so the
	// manifest.
	applies bool
}

// owners are the field managers of an object, as the API server notes them.
func owners(object *unstructured.Unstructured) []owner {
	var found []owner
	telling := []string{"spec", identity[object.GetKind()]}
	for _, entry := range object.GetManagedFields() {
		fields := fieldpath.NewSet()
		if entry.Subresource != "" || entry.FieldsV1 == nil || fields.FromJSON(entry.FieldsV1.GetRawReader()) != nil {
			continue
		}
		// Helm removes by what its last release had, and notes it as an update.
		applies := entry.Operation == metav1.ManagedFieldsOperationApply || entry.Manager == "helm"
		found = append(found, owner{fields, applies && has(fields, telling)})
	}
	return found
}
