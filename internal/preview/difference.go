package preview

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Differences are the fields of an object that are changed, each as
// "spec.host: a -> b", in order; none unless its Action is Change.
func (o Object) Differences() []string {
	if o.Action != Change {
		return nil
	}
	wanted, err := o.Manifest()
	if err != nil {
		return []string{err.Error()}
	}
	before, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o.observed.DeepCopyObject())
	if err != nil {
		return []string{err.Error()}
	}
	before["apiVersion"], before["kind"] = wanted["apiVersion"], wanted["kind"]
	found := append(differences("", before, wanted), o.removals(before, wanted)...)
	if len(found) == 0 {
		return []string{"a field that is no longer wanted goes"}
	}
	slices.Sort(found)
	return found
}

// removals are the fields that the operator owns, by what the API server noted of
// it, and no longer wants. Those within lists are left out: their lists are compared
// as a whole.
func (o Object) removals(before, wanted map[string]any) []string {
	var found []string
	for _, entry := range o.observed.GetManagedFields() {
		if entry.Manager != v1alpha1.FieldManager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		var owned fieldpath.Set
		if owned.FromJSON(entry.FieldsV1.GetRawReader()) != nil {
			continue
		}
		owned.Leaves().Iterate(func(path fieldpath.Path) {
			var names []string
			for _, element := range path {
				if element.FieldName == nil {
					return
				}
				names = append(names, *element.FieldName)
			}
			if names[len(names)-1] == v1alpha1.AppliedAnnotation {
				return
			}
			value, there, err := unstructured.NestedFieldNoCopy(before, names...)
			if _, kept, _ := unstructured.NestedFieldNoCopy(wanted, names...); err != nil || !there || kept {
				return
			}
			field := ""
			for _, name := range names {
				field = join(field, name)
			}
			found = append(found, fmt.Sprintf("%s: %s -> nothing", field, show(value)))
		})
	}
	return found
}

// differences compares what is there with what is wanted. Of a map only the wanted
// keys count: the rest is not the operator's. JSON in a text is looked into, and is
// the operator's as a whole.
func differences(path string, before, wanted any) []string {
	if text, ok := wanted.(string); ok {
		if wanted, ok := unfold(text); ok {
			whole, _ := before.(string)
			before, _ := unfold(whole)
			return differences(path, before, withNothing(before, wanted))
		}
	}
	switch wanted := wanted.(type) {
	case map[string]any:
		if before, ok := before.(map[string]any); ok {
			var found []string
			for _, key := range slices.Sorted(maps.Keys(wanted)) {
				found = append(found, differences(join(path, key), before[key], wanted[key])...)
			}
			return found
		}
	case []any:
		if before, ok := before.([]any); ok && len(before) == len(wanted) {
			var found []string
			for i := range wanted {
				found = append(found, differences(fmt.Sprintf("%s[%d]", path, i), before[i], wanted[i])...)
			}
			return found
		}
	}
	if equality.Semantic.DeepEqual(before, wanted) {
		return nil
	}
	return []string{fmt.Sprintf("%s: %s -> %s", path, show(before), show(wanted))}
}

// withNothing is what is wanted of a mapping all of whose keys count: nothing of those that are
// left out.
func withNothing(before, wanted map[string]any) map[string]any {
	whole := map[string]any{}
	maps.Copy(whole, wanted)
	for key, was := range before {
		if is, kept := wanted[key]; kept {
			whole[key] = nothingWithin(was, is)
		} else {
			whole[key] = nil
		}
	}
	return whole
}

// nothingWithin is withNothing for whatever mappings are in a value; of lists, for those of equal
// length.
func nothingWithin(before, wanted any) any {
	switch wanted := wanted.(type) {
	case map[string]any:
		if before, ok := before.(map[string]any); ok {
			return withNothing(before, wanted)
		}
	case []any:
		if before, ok := before.([]any); ok && len(before) == len(wanted) {
			whole := make([]any, len(wanted))
			for i := range wanted {
				whole[i] = nothingWithin(before[i], wanted[i])
			}
			return whole
		}
	}
	return wanted
}

// unfold reads a text that is a JSON object.
func unfold(text string) (map[string]any, bool) {
	var fields map[string]any
	if !strings.HasPrefix(text, "{") || json.Unmarshal([]byte(text), &fields) != nil {
		return nil, false
	}
	return fields, true
}

func join(path, key string) string {
	if strings.ContainsAny(key, "./") {
		return path + "[" + key + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func show(value any) string {
	if value == nil {
		return "nothing"
	}
	if text, ok := value.(string); ok {
		return text
	}
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(data)
}
