package controllers

import (
	"context"
	"reflect"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// echoes are the events of what the reconciles of a controller write. A reconcile has seen what
// the API server made of its writes, so their echoes do not trigger another for the same object.
// Others that an event concerns are told of it as ever.
//
// The event of a write can come before the answer to it. It is held until then: the version in
// the answer tells whose it is.
type echoes struct {
	mu sync.Mutex
	// underWay is the write that a reconcile waits for, by the name of what is reconciled.
	underWay map[string]*write
	// expected are the versions whose events may still come, by the same name: sets of version.
	expected *utilcache.Expiring
}

// identity tells objects apart.
type identity struct {
	goType reflect.Type
	kind   schema.GroupKind // of unstructured ones
	name   types.NamespacedName
}

// version is a version of an object that a reconcile wrote.
type version struct {
	object   identity
	resource string
}

// write is a write under way, with the requests that it holds.
type write struct {
	object identity
	held   []held
}

// held is a request because of a version, which is let go if that is somebody else's.
type held struct {
	version string
	letGo   func()
}

func newEchoes() *echoes {
	return &echoes{underWay: map[string]*write{}, expected: utilcache.NewExpiring()}
}

func identityOf(object client.Object) identity {
	id := identity{goType: reflect.TypeOf(object), name: client.ObjectKeyFromObject(object)}
	if _, ok := object.(interface{ UnstructuredContent() map[string]any }); ok {
		id.kind = object.GetObjectKind().GroupVersionKind().GroupKind()
	}
	return id
}

// of notes a write to an object by a reconcile.
func (e *echoes) of(reconciled string, object client.Object, do func() error) error {
	current := &write{object: identityOf(object)}
	e.mu.Lock()
	e.underWay[reconciled] = current
	e.mu.Unlock()
	done := false
	defer func() { // of a panic, too
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.underWay, reconciled)
		written := object.GetResourceVersion()
		if done {
			e.expects(reconciled).Insert(version{current.object, written})
		}
		for _, request := range current.held {
			if !done || request.version != written {
				request.letGo()
			}
		}
	}()
	err := do()
	done = err == nil
	return err
}

// expects are the versions that are expected for a name, for some time more. The caller has the
// mutex.
func (e *echoes) expects(reconciled string) sets.Set[version] {
	versions := sets.New[version]()
	if kept, there := e.expected.Get(reconciled); there {
		versions = kept.(sets.Set[version])
	}
	e.expected.Set(reconciled, versions, rememberedFor)
	return versions
}

// begin begins a reconcile, which may read a cache that does not show the writes of earlier ones
// yet: if it takes them for undone, their events are to bring about another.
func (e *echoes) begin(reconciled string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.expected.Delete(reconciled)
}

// hold reports whether a request because of a version of an object is an echo, or is held since
// it may be one.
func (e *echoes) hold(requested string, object client.Object, letGo func()) bool {
	id := identityOf(object)
	e.mu.Lock()
	defer e.mu.Unlock()
	if versions, there := e.expected.Get(requested); there && versions.(sets.Set[version]).Has(version{id, object.GetResourceVersion()}) {
		return true
	}
	current := e.underWay[requested]
	if current == nil || current.object != id {
		return false
	}
	current.held = append(current.held, held{object.GetResourceVersion(), letGo})
	return true
}

// without leaves the echoes out of what a handler enqueues.
func (e *echoes) without(inner handler.EventHandler) handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	filtered := func(q queue, about client.Object) queue {
		return echoless{PriorityQueue: q.(priorityqueue.PriorityQueue[reconcile.Request]), echoes: e, about: about}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, ev event.CreateEvent, q queue) {
			inner.Create(ctx, ev, filtered(q, ev.Object))
		},
		UpdateFunc: func(ctx context.Context, ev event.UpdateEvent, q queue) {
			if !more(ev) {
				q = filtered(q, ev.ObjectNew)
			}
			inner.Update(ctx, ev, q)
		},
		DeleteFunc:  inner.Delete,
		GenericFunc: inner.Generic,
	}
}

// more reports whether an event can be about more than one write: a resync, a recreation, or,
// after an interruption of the watch, a spec that people changed before its status was written.
// What a reconcile writes of other objects, it has seen in whole.
func more(e event.UpdateEvent) bool {
	specOfOthers := e.ObjectNew.GetNamespace() == "" && e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration()
	return specOfOthers || e.ObjectOld.GetUID() != e.ObjectNew.GetUID() || e.ObjectOld.GetResourceVersion() == e.ObjectNew.GetResourceVersion()
}

// echoless is a queue without the echoes of an event about an object.
type echoless struct {
	priorityqueue.PriorityQueue[reconcile.Request]
	echoes *echoes
	about  client.Object
}

// Add implements workqueue.TypedInterface.
func (q echoless) Add(request reconcile.Request) {
	q.AddWithOpts(priorityqueue.AddOpts{}, request)
}

// AddWithOpts implements priorityqueue.PriorityQueue.
func (q echoless) AddWithOpts(options priorityqueue.AddOpts, requests ...reconcile.Request) {
	for _, request := range requests {
		add := func() { q.PriorityQueue.AddWithOpts(options, request) }
		if !q.echoes.hold(request.Name, q.about, add) {
			add()
		}
	}
}

// writing is the client with which a reconcile writes.
type writing struct {
	client.Client
	echoes     *echoes
	reconciled string
}

// Create implements client.Client.
func (w writing) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	return w.echoes.of(w.reconciled, object, func() error { return w.Client.Create(ctx, object, options...) })
}

// Patch implements client.Client.
func (w writing) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	return w.echoes.of(w.reconciled, object, func() error { return w.Client.Patch(ctx, object, patch, options...) })
}

// Status implements client.Client.
func (w writing) Status() client.SubResourceWriter {
	return writingStatus{SubResourceWriter: w.Client.Status(), by: w}
}

// writingStatus does the same for statuses.
type writingStatus struct {
	client.SubResourceWriter
	by writing
}

// Patch implements client.SubResourceWriter.
func (w writingStatus) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	return w.by.echoes.of(w.by.reconciled, object, func() error { return w.SubResourceWriter.Patch(ctx, object, patch, options...) })
}
