// Package packed is a cache of namespaces and of what a client made in them, by the
// ten thousand and all much alike, of Kubernetes' own kinds. It keeps them packed,
// each namespace with what is in it, and needs a tenth of the memory of an informer.
//
// It knows of a write of its client at once, from the API server's answer. After
// its start it tells of changes that others made, and of those alone.
package packed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Options are what a Cache holds.
type Options struct {
	// Client lists and watches, and writes.
	Client client.WithWatch
	// Kinds are empty objects of the kinds to hold: Namespace, and such as are in
	// namespaces and have a protobuf encoding, as Kubernetes' own kinds have.
	Kinds []client.Object
	// Selector selects the objects in namespaces; all if nil. It does not select
	// the namespaces.
	Selector labels.Selector
	// Keep tells whether objects in a namespace are of interest; all are if nil.
	Keep func(namespace string) bool
	// Samples are objects that others will be much like. Those of other kinds do
	// not matter.
	Samples []client.Object
}

// Cache holds objects. Start fills it and keeps it up to date.
type Cache struct {
	options Options
	packer  *packer
	kinds   []*kind
	// names are those of the samples, which others have, too, and share.
	names map[string]string

	mu sync.RWMutex
	// in has the objects of each namespace, and the namespace itself. A slice is
	// never changed, as readers may have it.
	in map[string][]item
	// underWay has the writes of this process that have no answer yet, each with
	// what the watch told of its object meanwhile, to be looked at after the answer.
	underWay map[key]*writing
	// deleted are objects that this process deleted, until the watch tells so.
	deleted map[key]types.UID
	// changed is told of namespaces in which others changed something.
	changed func(namespace string)
}

// kind is one of the kinds.
type kind struct {
	schema.GroupVersionKind
	number   uint8
	object   client.Object
	list     client.ObjectList
	selector labels.Selector
	synced   atomic.Bool
}

// item is an object of a namespace.
type item struct {
	kind uint8
	// unseen tells that it is the answer to a write, of which the watch has not told.
	unseen              bool
	name, version, data string
}

type key struct {
	kind            uint8
	namespace, name string
}

func (k *kind) at(namespace, name string) key {
	return key{k.number, cmp.Or(namespace, name), name}
}

// writing are writes of one object under way.
type writing struct {
	count int
	told  []*notice
}

// New makes an empty cache.
func New(options Options) (*Cache, error) {
	c := &Cache{options: options, names: map[string]string{}, in: map[string][]item{}, underWay: map[key]*writing{}, deleted: map[key]types.UID{}}
	for number, object := range options.Kinds {
		if _, ok := object.(protobuf); !ok {
			return nil, fmt.Errorf("%T has no protobuf encoding", object)
		}
		gvk, err := options.Client.GroupVersionKindFor(object)
		if err != nil {
			return nil, err
		}
		list, err := options.Client.Scheme().New(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		if err != nil {
			return nil, err
		}
		k := &kind{GroupVersionKind: gvk, number: uint8(number), object: object, list: list.(client.ObjectList)}
		if _, namespace := object.(*corev1.Namespace); !namespace {
			k.selector = options.Selector
		}
		c.kinds = append(c.kinds, k)
	}
	samples := slices.DeleteFunc(slices.Clone(options.Samples), func(sample client.Object) bool { return c.kindOf(sample) == nil })
	for _, sample := range samples {
		c.names[sample.GetName()] = sample.GetName()
	}
	var err error
	c.packer, err = newPacker(samples)
	return c, err
}

// NeedLeaderElection lets replicas that stand by fill the cache, too.
func (c *Cache) NeedLeaderElection() bool { return false }

// Start lists and watches until the context ends.
func (c *Cache) Start(ctx context.Context) error {
	var group wait.Group
	for _, k := range c.kinds {
		selecting := func(options metav1.ListOptions) *client.ListOptions {
			return &client.ListOptions{LabelSelector: k.selector, Raw: &options}
		}
		reflector := toolscache.NewReflectorWithOptions(toolscache.ToListWatcherWithWatchListSemantics(&toolscache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
				list := k.list.DeepCopyObject().(client.ObjectList)
				return list, c.options.Client.List(ctx, list, selecting(options))
			},
			WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
				return c.options.Client.Watch(ctx, k.list.DeepCopyObject().(client.ObjectList), selecting(options))
			},
		}, c.options.Client), k.object, store{c, k}, toolscache.ReflectorOptions{Name: fmt.Sprintf("packed %T", k.object)})
		group.StartWithContext(ctx, reflector.RunWithContext)
	}
	group.Wait()
	return nil
}

// WaitForCacheSync waits until all objects are there. It tells whether they are,
// or else the context ended.
func (c *Cache) WaitForCacheSync(ctx context.Context) bool {
	return wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(context.Context) (bool, error) {
		return !slices.ContainsFunc(c.kinds, func(k *kind) bool { return !k.synced.Load() }), nil
	}) == nil
}

// kindOf is the kind of an object, or of a list of such; nil if it is not held.
func (c *Cache) kindOf(object runtime.Object) *kind {
	for _, k := range c.kinds {
		if of := reflect.TypeOf(object); of == reflect.TypeOf(k.object) || of == reflect.TypeOf(k.list) {
			return k
		}
	}
	return nil
}

var errNotFull = errors.New("the cache is not full yet")

// read unpacks the objects of a kind in a namespace into a list.
func (c *Cache) read(k *kind, namespace string, selector labels.Selector, into client.ObjectList) error {
	if !k.synced.Load() {
		return errNotFull
	}
	c.mu.RLock()
	items := c.in[namespace]
	c.mu.RUnlock()
	var found []runtime.Object
	for _, item := range items {
		if item.kind != k.number {
			continue
		}
		object := k.object.DeepCopyObject().(client.Object)
		if err := c.unpack(k, namespace, item, object); err != nil {
			return err
		}
		if selector == nil || selector.Matches(labels.Set(object.GetLabels())) {
			found = append(found, object)
		}
	}
	return meta.SetList(into, found)
}

// readOne unpacks an object into one of its kind.
func (c *Cache) readOne(k *kind, at key, into client.Object) error {
	if !k.synced.Load() {
		return errNotFull
	}
	c.mu.RLock()
	item, ok := c.find(at)
	c.mu.RUnlock()
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Group: k.Group, Resource: k.Kind}, at.name)
	}
	return c.unpack(k, at.namespace, item, into)
}

func (c *Cache) unpack(k *kind, namespace string, item item, into client.Object) error {
	if err := c.packer.unpack(item.data, into); err != nil {
		return fmt.Errorf("unpacking %s %s/%s: %w", k.Kind, namespace, item.name, err)
	}
	into.GetObjectKind().SetGroupVersionKind(k.GroupVersionKind)
	return nil
}

// begin notes that an object is about to be written. What the watch tells of it
// waits for the API server's answer, so that the echo is known as such. Call end
// in any case.
func (c *Cache) begin(at key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.underWay[at] == nil {
		c.underWay[at] = &writing{}
	}
	c.underWay[at].count++
}

// end lets in what the watch told since begin.
func (c *Cache) end(at key) {
	c.mu.Lock()
	writes := c.underWay[at]
	tell := false
	if writes.count--; writes.count == 0 {
		delete(c.underWay, at)
		for _, notice := range writes.told {
			tell = c.take(at, notice) || tell
		}
	}
	c.mu.Unlock()
	if tell {
		c.tell(at.namespace)
	}
}

// wrote notes what the API server answered to a write.
func (c *Cache) wrote(at key, answer *notice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.deleted, at)
	switch place, ok := c.find(at); {
	case !answer.kept:
		c.remove(at)
	case ok && !newer(answer.version, place.version): // nothing changed
	default:
		c.set(at, item{kind: at.kind, name: at.name, version: answer.version, data: answer.data, unseen: true})
	}
}

// wroteDeletion notes the deletion of an object that has no finalizers.
func (c *Cache) wroteDeletion(at key, uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deleted[at] = uid
	c.remove(at)
}

func (c *Cache) find(at key) (item, bool) {
	items := c.in[at.namespace]
	if i := place(items, at); i >= 0 {
		return items[i], true
	}
	return item{}, false
}

// set puts an object in its place.
func (c *Cache) set(at key, object item) {
	object.name = cmp.Or(c.names[object.name], object.name)
	before := c.in[at.namespace]
	items := make([]item, len(before), len(before)+1)
	copy(items, before)
	if i := place(items, at); i >= 0 {
		items[i] = object
	} else {
		items = append(items, object)
	}
	c.in[at.namespace] = items
}

// remove tells whether there was anything to remove.
func (c *Cache) remove(at key) bool {
	before := c.in[at.namespace]
	i := place(before, at)
	if i < 0 {
		return false
	}
	if len(before) == 1 {
		delete(c.in, at.namespace)
	} else {
		c.in[at.namespace] = slices.Concat(before[:i], before[i+1:])
	}
	return true
}

func place(items []item, at key) int {
	return slices.IndexFunc(items, func(i item) bool { return i.kind == at.kind && i.name == at.name })
}

// namespaces are those in which there is something.
func (c *Cache) namespaces() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Collect(maps.Keys(c.in))
}

func (c *Cache) tell(namespaces ...string) {
	c.mu.RLock()
	changed := c.changed
	c.mu.RUnlock()
	if changed == nil {
		return
	}
	for _, namespace := range namespaces {
		changed(namespace)
	}
}
