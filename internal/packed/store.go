package packed

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/util/sets"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// notice is what is told of an object: that it is so, or that it is no longer.
type notice struct {
	namespace, name string
	// version is the object's, and list that of the list that has it, or lacks it;
	// empty if a watch tells.
	version, list string
	// uid and deleting matter of what a watch tells.
	uid      types.UID
	deleting bool
	// gone tells that it is no longer.
	gone bool
	// kept tells whether it is of interest, and data is the object packed if so.
	kept bool
	data string
}

// GetObjectMeta lets a notice stand for its object in a first list, which has all
// objects at once, so that they are packed as they come.
func (n *notice) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: n.namespace, Name: n.name, ResourceVersion: n.version}
}

// notice packs an object.
func (c *Cache) notice(k *kind, object client.Object) (*notice, error) {
	at := k.at(object.GetNamespace(), object.GetName())
	n := &notice{
		namespace: object.GetNamespace(),
		name:      object.GetName(),
		version:   object.GetResourceVersion(),
		uid:       object.GetUID(),
		deleting:  object.GetDeletionTimestamp() != nil,
		kept: (c.options.Keep == nil || c.options.Keep(at.namespace)) &&
			(k.selector == nil || k.selector.Matches(labels.Set(object.GetLabels()))),
	}
	if !n.kept {
		return n, nil
	}
	var err error
	n.data, err = c.packer.pack(object)
	return n, err
}

// newer tells whether a version is later than another.
func newer(version, than string) bool {
	order, err := resourceversion.CompareResourceVersion(version, than)
	return err == nil && order > 0
}

// take makes of the cache what is told of an object, and tells whether others
// changed anything by it. What is told of an object waits while a write of it is
// under way.
func (c *Cache) take(at key, told *notice) bool {
	if writes := c.underWay[at]; writes != nil {
		writes.told = append(writes.told, told)
		return false
	}
	held, ok := c.find(at)
	uid, deleted := c.deleted[at]
	listed := told.list != ""
	switch {
	case listed && ok && held.unseen && newer(held.version, told.list):
		return false // written since
	case listed && told.gone:
		delete(c.deleted, at)
		return c.remove(at)
	case listed: // believed, whatever was held
	case told.gone && deleted:
		if told.uid == uid {
			delete(c.deleted, at)
		}
		return false
	case told.gone:
		// There may be another in its place.
		return ok && !newer(held.version, told.version) && c.remove(at)
	case deleted && told.uid == uid && !told.deleting, ok && newer(held.version, told.version):
		return false // as it was before
	}
	delete(c.deleted, at)
	c.set(at, item{kind: at.kind, name: at.name, version: told.version, data: told.data})
	return !ok || held.data != told.data
}

// store is where the reflector of a kind puts what it sees.
type store struct {
	*Cache
	kind *kind
}

var _ toolscache.TransformingStore = store{}

// Transformer packs the objects of a first list as they come.
func (s store) Transformer() toolscache.TransformFunc {
	return func(in any) (any, error) {
		object, ok := in.(client.Object)
		if !ok {
			return in, nil
		}
		told, err := s.notice(s.kind, object)
		if err == nil {
			told.uid = "" // a list is believed without it
		}
		return told, err
	}
}

func (s store) at(object client.Object) key {
	return s.kind.at(object.GetNamespace(), object.GetName())
}

// Add implements cache.ReflectorStore.
func (s store) Add(in any) error {
	object := in.(client.Object)
	if s.echo(object) {
		return nil
	}
	told, err := s.notice(s.kind, object)
	if err != nil || !told.kept {
		return err
	}
	at := s.at(object)
	s.mu.Lock()
	changed := s.take(at, told)
	s.mu.Unlock()
	if changed {
		s.tell(at.namespace)
	}
	return nil
}

// echo tells whether an object is held in this very version. There is no need to
// pack it to know.
func (s store) echo(object client.Object) bool {
	at := s.at(object)
	s.mu.Lock()
	defer s.mu.Unlock()
	held, ok := s.find(at)
	// What is told during a write keeps its place among what else is told.
	if !ok || s.underWay[at] != nil || held.version != object.GetResourceVersion() {
		return false
	}
	if held.unseen {
		held.unseen = false
		s.set(at, held)
	}
	return true
}

// Update implements cache.ReflectorStore.
func (s store) Update(in any) error { return s.Add(in) }

// Delete implements cache.ReflectorStore.
func (s store) Delete(in any) error {
	object := in.(client.Object)
	told := &notice{uid: object.GetUID(), version: object.GetResourceVersion(), gone: true}
	at := s.at(object)
	s.mu.Lock()
	changed := s.take(at, told)
	s.mu.Unlock()
	if changed {
		s.tell(at.namespace)
	}
	return nil
}

// Replace implements cache.ReflectorStore. A list is believed, whatever was held
// before, but for what was written since.
func (s store) Replace(objects []any, version string) error {
	listed := make(map[key]*notice, len(objects))
	for _, in := range objects {
		told, ok := in.(*notice)
		if !ok {
			var err error
			if told, err = s.notice(s.kind, in.(client.Object)); err != nil {
				return err
			}
		}
		if told.kept {
			told.list = version
			listed[s.kind.at(told.namespace, told.name)] = told
		}
	}
	var changed []string
	s.mu.Lock()
	for at := range s.known() {
		if listed[at] == nil && s.take(at, &notice{list: version, gone: true}) {
			changed = append(changed, at.namespace)
		}
	}
	for at, told := range listed {
		if s.take(at, told) {
			changed = append(changed, at.namespace)
		}
	}
	s.mu.Unlock()
	if s.kind.synced.Swap(true) {
		// The first time, whoever reads has not begun yet.
		slices.Sort(changed)
		s.tell(slices.Compact(changed)...)
	}
	return nil
}

// known are the objects of the kind that are held, were deleted, or are being
// written.
func (s store) known() sets.Set[key] {
	known := sets.New[key]()
	add := func(at key) {
		if at.kind == s.kind.number {
			known.Insert(at)
		}
	}
	for namespace, items := range s.in {
		for _, item := range items {
			add(key{item.kind, namespace, item.name})
		}
	}
	for at := range s.deleted {
		add(at)
	}
	for at := range s.underWay {
		add(at)
	}
	return known
}

// Resync implements cache.ReflectorStore.
func (s store) Resync() error { return nil }
