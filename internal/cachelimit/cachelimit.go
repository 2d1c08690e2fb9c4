// Package cachelimit bounds what a cache keeps of objects that others write.
//
// Each object is reduced before the cache stores it, and a namespace has a limit for each
// kind. An object that exceeds the limit is dropped: it is reported by name, and read again
// once there is room. So no tenant can fill the memory of the manager, and what it can make
// the manager keep does not depend on the size of its objects.
package cachelimit

import (
	"cmp"
	"context"
	"hash/maphash"
	"reflect"
	"slices"
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

	"github.com/dispel/partner-operator/internal/kinds"
)

// Entries is how many entries of one kind a cache keeps of a namespace: of the operator's own
// objects, and again of others. An object is one entry, or one for each of its hosts, or one
// for each EntrySize bytes that are kept of it, whichever is most.
const Entries = 1000

// EntrySize is how many bytes one entry has, about.
const EntrySize = 4 << 10

// relistAfter is how long at least a kind is not listed anew because there is room again: a
// list costs as much as all objects of the kind do.
const relistAfter = 10 * time.Minute

// Kept is what a cache keeps of an object.
type Kept struct {
	client.Object
	// Entries is how much of the namespace's limit it takes; 0 if it is kept in any case.
	Entries int
	// Own reports whether the object bears the operator's mark.
	Own bool
	// Cut reports whether the object has more than what is kept of its like.
	Cut bool
}

// Reduce decides what is kept of an object. It may change the object.
type Reduce func(client.Object) Kept

// Limits are those of all kinds in a cache.
type Limits struct {
	reduce  Reduce
	clock   clock.WithTicker
	changed chan event.GenericEvent

	mu sync.Mutex
	// ignored are the objects that are dropped, or cut, by kind and namespace.
	ignored map[string]map[string]*ignored
}

// ignored are the objects of a kind in a namespace that are dropped, or cut.
type ignored struct {
	// objects has the hashes of their names.
	objects map[uint64]struct{}
	// example is the name of one of them; empty if that is kept by now.
	example string
}

// New returns limits for caches whose objects are reduced so.
func New(reduce Reduce, clock clock.WithTicker) *Limits {
	return &Limits{reduce: reduce, clock: clock, changed: make(chan event.GenericEvent, 1024), ignored: map[string]map[string]*ignored{}}
}

// Changed has the namespaces in which something begins or ceases to be ignored, or in which an
// example changes. If nobody reads, it forgets.
func (l *Limits) Changed() <-chan event.GenericEvent { return l.changed }

// Ignored are the objects of a namespace that are dropped, or cut, by kind.
func (l *Limits) Ignored(namespace string) []kinds.Ignored {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []kinds.Ignored
	for kind, namespaces := range l.ignored {
		if of := namespaces[namespace]; of != nil {
			all = append(all, kinds.Ignored{Kind: kind, Example: of.example})
		}
	}
	slices.SortFunc(all, func(a, b kinds.Ignored) int { return cmp.Compare(a.Kind, b.Kind) })
	return all
}

// notify has the Partner of a namespace looked at.
func (l *Limits) notify(namespace string) {
	select {
	case l.changed <- event.GenericEvent{Object: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}}:
	default: // all Partners are looked at again at every resync
	}
}

// set puts what is ignored of a kind in the place of what was before.
func (l *Limits) set(kind string, now map[string]*ignored) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.ignored[kind]
	l.ignored[kind] = now
	for namespace := range before {
		if now[namespace] == nil {
			l.notify(namespace)
		}
	}
	for namespace, of := range now {
		if was := before[namespace]; was == nil || was.example != of.example {
			l.notify(namespace)
		}
	}
}

// setIgnored notes among some objects whether one is ignored, and reports whether others can
// notice the difference.
func setIgnored(of map[string]*ignored, namespace, name string, key uint64, is bool) (changed bool) {
	in := of[namespace]
	if !is {
		if in == nil {
			return false
		}
		delete(in.objects, key)
		if in.example == name {
			in.example, changed = "", true
		}
		if len(in.objects) == 0 {
			delete(of, namespace)
			changed = true
		}
		return changed
	}
	if in == nil {
		in = &ignored{objects: map[uint64]struct{}{}}
		of[namespace] = in
	}
	in.objects[key] = struct{}{}
	if in.example == "" {
		in.example, changed = name, true
	}
	return changed
}

// Wrap limits what of a kind is listed and watched.
func (l *Limits) Wrap(kind string, lw toolscache.ListerWatcher) toolscache.ListerWatcher {
	return &limiter{limits: l, kind: kind, lw: lw, parent: toolscache.ToListerWatcherWithContext(lw)}
}

// limiter limits one kind. A reflector lists and watches, one after the other.
type limiter struct {
	limits *Limits
	kind   string
	lw     toolscache.ListerWatcher
	parent toolscache.ListerWatcherWithContext

	mu sync.Mutex
	// used are the entries that each budget has.
	used map[budget]int
	// heavy are the entries of the objects that take more than one, and where those are
	// counted that are the operator's own, by the hash of their name.
	heavy map[uint64]int
	own   map[uint64]struct{}
	// dropped are the objects that are not kept, by the hash of their name, with their budget.
	dropped map[uint64]budget
	// full has the budgets of these, with their number.
	full map[budget]int
	// listing is what is ignored of a list that has not come to its end; nil if none is under
	// way.
	listing map[string]*ignored
	// listed is when the kind was listed last.
	listed time.Time
}

// budget is what the entries of a namespace count against.
type budget struct {
	namespace string
	own       bool
}

var seed = maphash.MakeSeed()

func keyOf(object client.Object) uint64 {
	return maphash.String(seed, object.GetNamespace()+"/"+object.GetName())
}

// reset forgets everything, before all objects come anew.
func (l *limiter) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used, l.heavy, l.own = map[budget]int{}, map[uint64]int{}, map[uint64]struct{}{}
	l.dropped, l.full, l.listing = map[uint64]budget{}, map[budget]int{}, map[string]*ignored{}
	l.listed = l.limits.clock.Now()
}

// complete ends a list.
func (l *limiter) complete() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listing != nil {
		l.limits.set(l.kind, l.listing)
		l.listing = nil
	}
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
		l.reset()
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
	if accessor, err := meta.ListAccessor(list); err == nil && accessor.GetContinue() == "" {
		l.complete()
	}
	return list, meta.SetList(list, kept)
}

// WatchWithContext implements toolscache.ListerWatcherWithContext.
func (l *limiter) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	parent, err := l.parent.WatchWithContext(ctx, options)
	if err != nil {
		return nil, err
	}
	if ptr.Deref(options.SendInitialEvents, false) {
		l.reset()
	}
	w := &limited{limiter: l, parent: parent, events: make(chan watch.Event), stopped: make(chan struct{})}
	go w.run()
	return w, nil
}

// limited is a watch of which the limits leave something out.
type limited struct {
	limiter *limiter
	parent  watch.Interface
	events  chan watch.Event
	once    sync.Once
	stopped chan struct{}
}

// Stop implements watch.Interface.
func (w *limited) Stop() {
	w.once.Do(func() { close(w.stopped) })
	w.parent.Stop()
}

// ResultChan implements watch.Interface.
func (w *limited) ResultChan() <-chan watch.Event { return w.events }

// run passes events on until either side stops.
func (w *limited) run() {
	defer close(w.events)
	defer w.parent.Stop()
	tick := w.limiter.limits.clock.NewTicker(relistAfter)
	defer tick.Stop()
	for {
		var out watch.Event
		select {
		case <-w.stopped:
			return
		case in, ok := <-w.parent.ResultChan():
			if !ok {
				return
			}
			out = w.limiter.filter(in)
		case <-tick.C():
			if !w.limiter.hasRoom() {
				continue
			}
			// The reflector lists the kind anew.
			status := apierrors.NewResourceExpired("there is room again for objects that were dropped").Status()
			out = watch.Event{Type: watch.Error, Object: &status}
		}
		select {
		case <-w.stopped:
			return
		case w.events <- out:
		}
	}
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
		return bookmarkFor(object)
	case watch.Deleted:
		if l.remove(object) {
			return watch.Event{Type: in.Type, Object: l.limits.reduce(object).Object}
		}
		return bookmarkFor(object)
	case watch.Bookmark:
		if object.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true" {
			l.complete()
		}
	}
	return in
}

// bookmarkFor tells a reflector how far the watch has come with an object that it does not
// get.
func bookmarkFor(object client.Object) watch.Event {
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
	l.mu.Lock()
	defer l.mu.Unlock()
	key := keyOf(object)
	_, dropped := l.dropped[key]
	before = there && !dropped
	now = true
	if kept.Entries > 0 {
		if before {
			l.release(object.GetNamespace(), key)
		}
		of := budget{object.GetNamespace(), kept.Own}
		if now = l.used[of]+kept.Entries <= Entries; now {
			l.take(of, key, kept.Entries)
		} else if !dropped {
			l.dropped[key] = of
			l.full[of]++
		}
	}
	l.note(object, key, !now || kept.Cut)
	return kept.Object, before, now
}

// take counts the entries of an object that is kept.
func (l *limiter) take(of budget, key uint64, entries int) {
	l.forgetDropped(key)
	l.used[of] += entries
	if entries > 1 {
		l.heavy[key] = entries
	}
	if of.own {
		l.own[key] = struct{}{}
	}
}

// release counts them no longer.
func (l *limiter) release(namespace string, key uint64) {
	_, own := l.own[key]
	of := budget{namespace, own}
	l.used[of] -= max(1, l.heavy[key])
	if l.used[of] <= 0 {
		delete(l.used, of)
	}
	delete(l.heavy, key)
	delete(l.own, key)
}

// forgetDropped counts an object no longer among those that are dropped, if it was one.
func (l *limiter) forgetDropped(key uint64) {
	of, dropped := l.dropped[key]
	if !dropped {
		return
	}
	delete(l.dropped, key)
	if l.full[of]--; l.full[of] == 0 {
		delete(l.full, of)
	}
}

// remove forgets an object that is deleted, and reports whether it was kept.
func (l *limiter) remove(object client.Object) (kept bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := keyOf(object)
	l.note(object, key, false)
	if _, dropped := l.dropped[key]; dropped {
		l.forgetDropped(key)
		return false
	}
	if object.GetNamespace() != "" {
		l.release(object.GetNamespace(), key)
	}
	return true
}

// note notes whether an object is ignored. A Namespace is its own.
func (l *limiter) note(object client.Object, key uint64, is bool) {
	namespace := cmp.Or(object.GetNamespace(), object.GetName())
	if l.listing != nil {
		setIgnored(l.listing, namespace, object.GetName(), key, is)
		return
	}
	l.limits.mu.Lock()
	defer l.limits.mu.Unlock()
	of := l.limits.ignored[l.kind]
	if of == nil {
		of = map[string]*ignored{}
		l.limits.ignored[l.kind] = of
	}
	if setIgnored(of, namespace, object.GetName(), key, is) {
		l.limits.notify(namespace)
	}
}

// hasRoom reports whether some budget has room again for objects that were dropped, and the
// last list is long enough ago.
func (l *limiter) hasRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listing != nil || l.limits.clock.Since(l.listed) < relistAfter {
		return false
	}
	for of, dropped := range l.full {
		if l.used[of]+min(dropped, Entries/10) <= Entries {
			return true
		}
	}
	return false
}
