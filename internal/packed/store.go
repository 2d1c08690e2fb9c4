package packed

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// store is where the reflector of a kind puts what it sees.
type store struct {
	*Cache
	kind *kind
}

var _ toolscache.TransformingStore = store{}

// packedObject is an object on its way from the reflector to a first list, which
// has all at once.
type packedObject struct {
	metav1.ObjectMeta
	data []byte
	kept bool
}

// Transformer packs objects as they come in a first list.
func (s store) Transformer() toolscache.TransformFunc {
	return func(in any) (any, error) {
		object, ok := in.(client.Object)
		if !ok {
			return in, nil
		}
		return s.packed(object)
	}
}

func (s store) packed(object client.Object) (*packedObject, error) {
	p := &packedObject{kept: s.keeps(object), ObjectMeta: metav1.ObjectMeta{
		Namespace: object.GetNamespace(), Name: object.GetName(), UID: object.GetUID(), ResourceVersion: object.GetResourceVersion(),
	}}
	if !p.kept {
		return p, nil
	}
	var err error
	p.data, err = s.packer.pack(object)
	return p, err
}

func (s store) at(object metav1.Object) key {
	return key{s.kind.number, object.GetNamespace(), object.GetName()}
}

// Add implements cache.ReflectorStore.
func (s store) Add(in any) error {
	object := in.(client.Object)
	if !s.keeps(object) {
		return nil
	}
	at := s.at(object)
	s.mu.Lock()
	known, quiet := s.expects(at, object.GetResourceVersion(), object.GetUID())
	s.mu.Unlock()
	if known {
		return nil
	}
	// Nobody else writes what the watch tells of this kind, so there is time to pack.
	data, err := s.packer.pack(object)
	if err != nil {
		return err
	}
	s.mu.Lock()
	own := s.ahead[at]
	late := !own.underWay && own.version != "" && newer(own.version, object.GetResourceVersion())
	changed := !late && s.set(at, data)
	s.mu.Unlock()
	if changed && !quiet {
		s.tell(object.GetNamespace())
	}
	return nil
}

// Update implements cache.ReflectorStore.
func (s store) Update(in any) error { return s.Add(in) }

// Delete implements cache.ReflectorStore.
func (s store) Delete(in any) error {
	object := in.(client.Object)
	at := s.at(object)
	s.mu.Lock()
	own, ok := s.ahead[at]
	changed := false
	switch {
	case ok && own.underWay:
		own.seen, own.gone = object.GetResourceVersion(), true
		s.ahead[at] = own
		s.remove(at)
	case !ok, own.uid == object.GetUID():
		delete(s.ahead, at)
		changed = s.remove(at)
	default: // another that took its place is still to come
	}
	s.mu.Unlock()
	if changed {
		s.tell(object.GetNamespace())
	}
	return nil
}

// Replace implements cache.ReflectorStore. What is not among objects is gone,
// unless it was written after they were listed.
func (s store) Replace(objects []any, version string) error {
	listed := make(map[key]*packedObject, len(objects))
	for _, in := range objects {
		object, ok := in.(*packedObject)
		if !ok {
			var err error
			if object, err = s.packed(in.(client.Object)); err != nil {
				return err
			}
		}
		if object.kept {
			listed[s.at(object)] = object
		}
	}
	changed := map[string]bool{}
	s.mu.Lock()
	for namespace, items := range s.in {
		for _, item := range items {
			at := key{item.kind, namespace, item.name}
			own, written := s.ahead[at]
			if item.kind != s.kind.number || listed[at] != nil || written && !own.expired() && (own.underWay || newer(own.version, version)) {
				continue
			}
			changed[namespace] = s.remove(at) || changed[namespace]
		}
	}
	for at, object := range listed {
		if known, _ := s.expects(at, object.ResourceVersion, object.UID); !known && s.set(at, object.data) {
			changed[at.namespace] = true
		}
	}
	s.mu.Unlock()
	if s.kind.synced.Swap(true) {
		// The first time, whoever reads has not begun yet.
		s.tell(slices.Collect(maps.Keys(changed))...)
	}
	return nil
}

// Resync implements cache.ReflectorStore.
func (s store) Resync() error { return nil }
