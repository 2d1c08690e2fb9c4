package apply

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/internal/kinds"
)

// fieldSet are fields as managedFields write them: their names with f: in front, and within each
// its fields, or nothing for the whole of it.
type fieldSet map[string]any

// fieldsOf are those of an entry.
func fieldsOf(entry metav1.ManagedFieldsEntry) (fieldSet, error) {
	var set fieldSet
	err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &set)
	return set, err
}

// nobody is the manager of the one entry that Reduce makes. No client can have the name:
// the API server refuses a manager that is not printable.
const nobody = "\x00nobody"

// Reduce replaces an object's managedFields, of which there is much, by what Apply wants to know
// of them: the fields beside its metadata and its status that are nobody's, since the API server
// or an admission policy filled them in. It is for caches, whose objects nobody writes back.
func Reduce(object client.Object) error {
	nobodys, err := unowned(object)
	if err != nil || len(nobodys) == 0 {
		object.SetManagedFields(nil)
		return err
	}
	data, err := json.Marshal(nobodys)
	if err != nil {
		return err
	}
	object.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: nobody, FieldsV1: metav1.NewFieldsV1(string(data))}})
	return nil
}

// unowned are the fields of an object, beside its metadata and its status, that no field manager
// has: what the API server filled in, by defaults of whatever version, and what admission policies
// added. Within lists, there are none, and none among those that its kind wants exactly as
// written.
func unowned(object client.Object) (fieldSet, error) {
	entries := object.GetManagedFields()
	if len(entries) == 0 {
		return nil, nil
	}
	if entries[0].Manager == nobody {
		return fieldsOf(entries[0])
	}
	kind := kinds.OfType(object)
	if kind != nil && kind.Exact != nil && len(kind.Exact) == 0 {
		return nil, nil
	}
	var owners []fieldSet
	for _, entry := range entries {
		if entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		set, err := fieldsOf(entry)
		if err != nil {
			return nil, fmt.Errorf("reading the managed fields of %s: %w", object.GetName(), err)
		}
		owners = append(owners, set)
	}
	current, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	nobodys := without(current, owners)
	for key := range beside {
		delete(nobodys, "f:"+key)
	}
	if kind != nil {
		for _, exact := range kind.Exact {
			nobodys.remove(strings.Split(exact, "."))
		}
	}
	return nobodys, nil
}

// without are those of some fields that none of the owners has.
func without(fields map[string]any, owners []fieldSet) fieldSet {
	rest := fieldSet{}
	for key, value := range fields {
		owned := false
		var below []fieldSet
		for _, owner := range owners {
			if has, there := owner["f:"+key]; there {
				owned = true
				if inner, _ := has.(map[string]any); len(inner) > 0 {
					below = append(below, inner)
				}
			}
		}
		inner, isMap := value.(map[string]any)
		switch {
		case !owned:
			rest["f:"+key] = map[string]any{}
		case isMap && len(below) > 0:
			if inner := without(inner, below); len(inner) > 0 {
				rest["f:"+key] = map[string]any(inner)
			}
		}
	}
	return rest
}

// remove takes a field out of the set, with all of those that it would be a part of. It reports
// whether there was any.
func (s fieldSet) remove(path []string) bool {
	inner, there := s["f:"+path[0]].(map[string]any)
	if !there {
		return false
	}
	if len(path) == 1 || len(inner) == 0 {
		delete(s, "f:"+path[0])
		return true
	}
	removed := fieldSet(inner).remove(path[1:])
	delete(inner, ".")
	if len(inner) == 0 {
		delete(s, "f:"+path[0])
	}
	return removed
}

// place is a field of an object, with what is nobody's of it.
type place struct {
	below fieldSet
	// all reports that all of it is nobody's.
	all bool
}

// field is one of its fields.
func (p place) field(name string) place {
	inner, there := p.below["f:"+name].(map[string]any)
	return place{below: inner, all: p.all || there && len(inner) == 0}
}

// nobodys reports whether the whole field is nobody's.
func (p place) nobodys() bool { return p.all }

// removed are the paths of the fields that a merge patch takes out.
func removed(change map[string]any) [][]string {
	var paths [][]string
	for _, key := range slices.Sorted(maps.Keys(change)) {
		inner, isMap := change[key].(map[string]any)
		switch {
		case change[key] == nil:
			paths = append(paths, []string{key})
		case isMap:
			for _, path := range removed(inner) {
				paths = append(paths, append([]string{key}, path...))
			}
		}
	}
	return paths
}

// disowned are managedFields in which nobody has some fields.
func disowned(entries []metav1.ManagedFieldsEntry, paths [][]string) ([]metav1.ManagedFieldsEntry, error) {
	left := make([]metav1.ManagedFieldsEntry, 0, len(entries))
	for _, entry := range entries {
		if entry.Subresource != "" || entry.FieldsV1 == nil {
			left = append(left, entry)
			continue
		}
		set, err := fieldsOf(entry)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			set.remove(path)
		}
		if len(set) == 0 {
			continue
		}
		data, err := json.Marshal(set)
		if err != nil {
			return nil, err
		}
		entry.FieldsV1 = metav1.NewFieldsV1(string(data))
		left = append(left, entry)
	}
	return left, nil
}
