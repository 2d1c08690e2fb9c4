package apply

import (
	"bytes"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// nobody is the manager of the one entry that Reduce makes. No client can have the name:
// the API server refuses a manager that is not printable.
const nobody = "\x00nobody"

// Reduce replaces an object's managedFields, of which there is much, by what Apply wants to know
// of them: the fields beside its metadata and its status that are nobody's, since the API server
// or an admission policy filled them in. It is for caches, whose objects nobody writes back.
func Reduce(object client.Object) error {
	nobodys, err := unowned(object)
	if err != nil {
		return err
	}
	if nobodys.Empty() {
		object.SetManagedFields(nil)
		return nil
	}
	data, err := nobodys.ToJSON()
	if err != nil {
		return err
	}
	object.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: nobody, FieldsV1: metav1.NewFieldsV1(string(data))}})
	return nil
}

// unowned are the fields of an object, beside its metadata and its status, that no field manager
// has: what the API server filled in, by defaults of whatever version, and what admission policies
// added. Within lists, there are none.
func unowned(object client.Object) (*fieldpath.Set, error) {
	entries := object.GetManagedFields()
	if len(entries) == 0 {
		return &fieldpath.Set{}, nil
	}
	if entries[0].Manager == nobody {
		return parse(entries[0])
	}
	current, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	owned := &fieldpath.Set{}
	for _, entry := range entries {
		if entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		set, err := parse(entry)
		if err != nil {
			return nil, err
		}
		owned = owned.Union(set)
	}
	nobodys := &fieldpath.Set{}
	for key, value := range current {
		if !beside[key] {
			collect(nobodys, owned, fieldpath.MakePathOrDie(key), value)
		}
	}
	return nobodys, nil
}

// collect adds a field, or those of its fields that nobody has, to nobodys. owned has what is
// owned at the field's level of the object.
func collect(nobodys, owned *fieldpath.Set, path fieldpath.Path, value any) {
	last := path[len(path)-1]
	inner := owned.WithPrefix(last)
	fields, isMap := value.(map[string]any)
	switch {
	case inner.Empty() && !owned.Members.Has(last):
		nobodys.Insert(path.Copy())
	case inner.Empty() || !isMap: // it is somebody's as a whole
	default:
		for key, value := range fields {
			collect(nobodys, inner, append(path.Copy(), fieldpath.FieldNameElement(key)), value)
		}
	}
}

func parse(entry metav1.ManagedFieldsEntry) (*fieldpath.Set, error) {
	set := &fieldpath.Set{}
	return set, set.FromJSON(bytes.NewReader(entry.FieldsV1.GetRawBytes()))
}

// place is a field of an object, with what is nobody's of it.
type place struct {
	below *fieldpath.Set
	// all reports that all of it is nobody's.
	all bool
}

// field is one of its fields.
func (p place) field(name string) place {
	element := fieldpath.FieldNameElement(name)
	return place{below: p.below.WithPrefix(element), all: p.all || p.below.Members.Has(element)}
}

// nobodys reports whether the whole field is nobody's.
func (p place) nobodys() bool { return p.all }
