package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
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
	found := differences("", before, wanted)
	if len(found) == 0 {
		return []string{"a field that is no longer wanted goes"}
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
			for key := range before {
				if _, kept := wanted[key]; !kept {
					wanted[key] = nil
				}
			}
			return differences(path, before, wanted)
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
