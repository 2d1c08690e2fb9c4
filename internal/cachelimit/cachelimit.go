// Package cachelimit bounds what a cache keeps of objects that others write.
//
// Each object is reduced before the cache stores it, and a namespace has a limit for each
// kind. What exceeds the limit is not stored: it is counted and reported by name, and read
// again once there is room. So no tenant can fill the memory of the manager, and what it
// can make the manager keep does not depend on the size of its objects.
package cachelimit

import (
	"context"
	"hash/maphash"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/dispel/partner-operator/internal/tenant"
)

// Entries is how many entries of one kind a cache keeps of a namespace. An object is one
// entry, or one for each of its hosts, or one for each EntrySize bytes that are kept of it,
// whichever is most.
const Entries = 1000

// EntrySize is how many bytes one entry has, about.
const EntrySize = 4 << 10

// relistAfter is how long at least a kind is not read anew because there is room again.
const relistAfter = time.Minute

// Kept is what a cache keeps of an object.
type Kept struct {
	client.Object
	// Entries is how much of the namespace's limit it takes, at least 1.
	Entries int
	// Cut reports whether the object has more than what is kept of its like.
	Cut bool
}

// Reduce decides what is kept of an object. It may change the object.
type Reduce func(client.Object) Kept

// Limits are those of all kinds in a cache.
type Limits struct {
	reduce  Reduce
	clock   clock.PassiveClock
	changed chan event.GenericEvent

	mu sync.Mutex
	// ignored are what is not kept, or not whole, by namespace and kind.
	ignored map[string]map[string]*ignored
}

// ignored is what of a kind in a namespace is not kept, or not whole.
type ignored struct {
	// objects are these, by the hash of their name.
	objects map[uint64]struct{}
	// example is the name of one of them; empty if that is kept by now.
	example string
}

// New returns limits for caches whose objects are reduced so.
func New(reduce Reduce, clock clock.PassiveClock) *Limits {
	return &Limits{reduce: reduce, clock: clock, changed: make(chan event.GenericEvent, 1024), ignored: map[string]map[string]*ignored{}}
}

// Changed has the namespaces in which something begins or ceases to be ignored. If nobody
// reads, it forgets.
func (l *Limits) Changed() <-chan event.GenericEvent { return l.changed }

// Ignored are what is not kept of a namespace, or not whole, by kind.
func (l *Limits) Ignored(namespace string) []tenant.Ignored {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []tenant.Ignored
	for kind, of := range l.ignored[namespace] {
		all = append(all, tenant.Ignored{Kind: kind, Count: len(of.objects), Example: of.example})
	}
	slices.SortFunc(all, func(a, b tenant.Ignored) int { return strings.Compare(a.Kind, b.Kind) })
	return all
}

// note notes whether an object is ignored.
func (l *Limits) note(kind string, object client.Object, key uint64, is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	namespace := object.GetNamespace()
	of := l.ignored[namespace][kind]
	if of == nil {
		if !is {
			return
		}
		if l.ignored[namespace] == nil {
			l.ignored[namespace] = map[string]*ignored{}
		}
		of = &ignored{objects: map[uint64]struct{}{}}
		l.ignored[namespace][kind] = of
	}
	before := len(of.objects)
	if is {
		of.objects[key] = struct{}{}
		if of.example == "" {
			of.example = object.GetName()
		}
	} else {
		delete(of.objects, key)
		if of.example == object.GetName() {
			of.example = ""
		}
	}
	if len(of.objects) == 0 {
		delete(l.ignored[namespace], kind)
	}
	if (before == 0) != (len(of.objects) == 0) {
		l.tell(namespace)
	}
}

// forget forgets all that is ignored of a kind, which is read anew.
func (l *Limits) forget(kind string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for namespace, kinds := range l.ignored {
		if kinds[kind] == nil {
			continue
		}
		delete(kinds, kind)
		if len(kinds) == 0 {
			delete(l.ignored, namespace)
		}
		l.tell(namespace)
	}
}

func (l *Limits) tell(namespace string) {
	select {
	case l.changed <- event.GenericEvent{Object: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}}:
	default: // all partners are looked at again at every resync
	}
}

// Of limits what of a kind is listed and watched. Of a kind that is bounded by itself, such
// as one of which each namespace has one object, limited is false: its objects are reduced,
// and not counted.
func (l *Limits) Of(kind string, limited bool, lw toolscache.ListerWatcher) toolscache.ListerWatcher {
	return &limiter{limits: l, kind: kind, limited: limited, parent: toolscache.ToListerWatcherWithContext(lw), lw: lw}
}

// limiter limits one kind. A reflector lists and watches, one after the other.
type limiter struct {
	limits  *Limits
	kind    string
	limited bool
	lw      toolscache.ListerWatcher
	parent  toolscache.ListerWatcherWithContext

	mu sync.Mutex
	// used are the entries that each namespace has.
	used map[string]int
	// heavy are the entries of the objects that take more than one, by the hash of their
	// name.
	heavy map[uint64]int
	// left are the objects that are not kept, by the hash of their name.
	left map[uint64]struct{}
	// full are the namespaces of these, with their number.
	full map[string]int
	// listed is when the kind was listed last.
	listed time.Time
}

var seed = maphash.MakeSeed()

func keyOf(object client.Object) uint64 {
	return maphash.String(seed, object.GetNamespace()+"/"+object.GetName())
}

// begin forgets everything, before all objects come anew.
func (l *limiter) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used, l.heavy, l.left, l.full = map[string]int{}, map[uint64]int{}, map[uint64]struct{}{}, map[string]int{}
	l.listed = l.limits.clock.Now()
	l.limits.forget(l.kind)
}

// IsWatchListSemanticsUnSupported reports it for the client beneath.
func (l *limiter) IsWatchListSemanticsUnSupported() bool {
	beneath, says := l.lw.(interface{ IsWatchListSemanticsUnSupported() bool })
	return says && beneath.IsWatchListSemanticsUnSupported()
}

// List implements toolscache.ListerWatcher.
func (l *limiter) List(options metav1.ListOptions) (runtime.Object, error) {
	return l.ListWithContext(context.Background(), options)
}

// Watch implements toolscache.ListerWatcher.
func (l *limiter) Watch(options metav1.ListOptions) (watch.Interface, error) {
	return l.WatchWithContext(context.Background(), options)
}

// ListWithContext implements toolscache.ListerWatcherWithContext.
func (l *limiter) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	list, err := l.parent.ListWithContext(ctx, options)
	if err != nil {
		return nil, err
	}
	if options.Continue == "" {
		l.begin()
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return nil, err
	}
	kept := items[:0]
	for _, item := range items {
		if object, ok := item.(client.Object); !ok {
			kept = append(kept, item)
		} else if reduced, _, stays := l.admit(object, false); stays {
			kept = append(kept, reduced)
		}
	}
	return list, meta.SetList(list, kept)
}

// WatchWithContext implements toolscache.ListerWatcherWithContext.
func (l *limiter) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	watched, err := l.parent.WatchWithContext(ctx, options)
	if err != nil {
		return nil, err
	}
	if ptr.Deref(options.SendInitialEvents, false) {
		l.begin()
	}
	return watch.Filter(watched, func(in watch.Event) (watch.Event, bool) { return l.filter(in), true }), nil
}

// filter is what a reflector learns of an event.
func (l *limiter) filter(in watch.Event) watch.Event {
	object, ok := in.Object.(client.Object)
	if !ok {
		return in // an error
	}
	switch in.Type {
	case watch.Added, watch.Modified:
		reduced, before, now := l.admit(object, in.Type == watch.Modified)
		switch {
		case now:
			return watch.Event{Type: in.Type, Object: reduced}
		case before:
			return watch.Event{Type: watch.Deleted, Object: reduced}
		}
		return passing(object)
	case watch.Deleted:
		kept, room := l.remove(object)
		switch {
		case room:
			status := apierrors.NewResourceExpired("there is room again for objects that were not kept").Status()
			return watch.Event{Type: watch.Error, Object: &status}
		case kept:
			return watch.Event{Type: in.Type, Object: l.limits.reduce(object).Object}
		}
		return passing(object)
	}
	return in // a bookmark
}

// passing tells a reflector how far the watch has come with an object that it does not get.
func passing(object client.Object) watch.Event {
	bare := reflect.New(reflect.TypeOf(object).Elem()).Interface().(client.Object)
	if u, ok := bare.(*unstructured.Unstructured); ok {
		u.Object = map[string]any{}
	}
	bare.GetObjectKind().SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
	bare.SetResourceVersion(object.GetResourceVersion())
	return watch.Event{Type: watch.Bookmark, Object: bare}
}

// admit reduces an object, and reports whether it was kept before, if it was there, and is
// kept now.
func (l *limiter) admit(object client.Object, there bool) (reduced client.Object, before, now bool) {
	kept := l.limits.reduce(object)
	if !l.limited {
		return kept.Object, there, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	namespace, key := object.GetNamespace(), keyOf(object)
	_, left := l.left[key]
	before = there && !left
	if before {
		l.used[namespace] -= l.entriesOf(key)
		delete(l.heavy, key)
	}
	now = l.used[namespace]+kept.Entries <= Entries
	switch {
	case now:
		l.used[namespace] += kept.Entries
		if kept.Entries > 1 {
			l.heavy[key] = kept.Entries
		}
		l.readmit(namespace, key)
	case !left:
		l.left[key] = struct{}{}
		l.full[namespace]++
	}
	l.limits.note(l.kind, object, key, !now || kept.Cut)
	return kept.Object, before, now
}

// entriesOf are those of an object that is kept.
func (l *limiter) entriesOf(key uint64) int { return max(1, l.heavy[key]) }

// readmit counts an object no longer among those that are not kept, if it was one.
func (l *limiter) readmit(namespace string, key uint64) {
	if _, left := l.left[key]; !left {
		return
	}
	delete(l.left, key)
	if l.full[namespace]--; l.full[namespace] == 0 {
		delete(l.full, namespace)
	}
}

// remove forgets an object that is deleted. It reports whether the object was kept, and
// whether to read the kind anew, since its namespace has room for objects that were not.
func (l *limiter) remove(object client.Object) (kept, room bool) {
	if !l.limited {
		return true, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	namespace, key := object.GetNamespace(), keyOf(object)
	l.limits.note(l.kind, object, key, false)
	if _, left := l.left[key]; left {
		l.readmit(namespace, key)
	} else {
		kept = true
		l.used[namespace] -= l.entriesOf(key)
		delete(l.heavy, key)
		if l.used[namespace] <= 0 {
			delete(l.used, namespace)
		}
	}
	return kept, l.full[namespace] > 0 && l.used[namespace] <= Entries/2 && l.limits.clock.Since(l.listed) > relistAfter
}
