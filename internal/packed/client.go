package packed

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// Over returns a client that reads the cache's kinds from the cache, one namespace
// at a time, and sees there what it wrote itself. All else is the given client's.
func (c *Cache) Over(other client.Client) client.Client {
	return &cachedClient{Client: other, cache: c}
}

type cachedClient struct {
	client.Client
	cache *Cache
}

// List implements client.Client.
func (c *cachedClient) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	k := c.cache.kindOf(list)
	if k == nil {
		return c.Client.List(ctx, list, options...)
	}
	given := (&client.ListOptions{}).ApplyOptions(options)
	if given.Namespace == "" || given.FieldSelector != nil {
		return errors.New("the cache lists one namespace, and all that labels select there")
	}
	return c.cache.read(k, given.Namespace, given.LabelSelector, list)
}

// Patch implements client.Client.
func (c *cachedClient) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	k := c.cache.kindOf(object)
	if k == nil {
		return c.Client.Patch(ctx, object, patch, options...)
	}
	at := k.at(object.GetNamespace(), object.GetName())
	c.cache.begin(at)
	defer c.cache.end(at)
	if err := c.cache.options.Client.Patch(ctx, object, patch, options...); err != nil {
		return err
	}
	answer, err := c.cache.notice(k, object)
	if err != nil {
		return err
	}
	c.cache.wrote(at, answer)
	return nil
}

// Delete implements client.Client.
func (c *cachedClient) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	k := c.cache.kindOf(object)
	if k == nil {
		return c.Client.Delete(ctx, object, options...)
	}
	at := k.at(object.GetNamespace(), object.GetName())
	c.cache.begin(at)
	defer c.cache.end(at)
	if err := c.cache.options.Client.Delete(ctx, object, options...); err != nil {
		return err
	}
	if _, lingers := object.(*corev1.Namespace); !lingers && len(object.GetFinalizers()) == 0 {
		c.cache.wroteDeletion(at, object.GetUID())
	}
	return nil
}

// Get implements client.Client.
func (c *cachedClient) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	k := c.cache.kindOf(object)
	if k == nil {
		return c.Client.Get(ctx, key, object, options...)
	}
	return c.cache.readOne(k, k.at(key.Namespace, key.Name), object)
}

// errUnsupported is of what nobody does with the cache's kinds. The client below
// would answer it from informers that hold them once more.
var errUnsupported = errors.New("the packed cache gets, lists, patches and deletes, and nothing else")

// Create implements client.Client.
func (c *cachedClient) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	if c.cache.kindOf(object) != nil {
		return errUnsupported
	}
	return c.Client.Create(ctx, object, options...)
}

// Update implements client.Client.
func (c *cachedClient) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	if c.cache.kindOf(object) != nil {
		return errUnsupported
	}
	return c.Client.Update(ctx, object, options...)
}

// Source makes requests of the namespaces, at first and as others change something
// there. There can be one of a cache.
func (c *Cache) Source(requests func(namespace string) []reconcile.Request) source.SyncingSource {
	return &changes{cache: c, requests: requests, begun: make(chan struct{})}
}

type changes struct {
	cache    *Cache
	requests func(namespace string) []reconcile.Request
	// begun is closed once the requests of what was there at first are made.
	begun chan struct{}
}

// Start implements source.Source. What the cache has at first is looked at, too,
// after what others change meanwhile.
func (s *changes) Start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	s.cache.changed = func(namespace string) {
		for _, request := range s.requests(namespace) {
			queue.Add(request)
		}
	}
	go func() {
		if !s.cache.WaitForCacheSync(ctx) {
			return
		}
		defer close(s.begun)
		for _, namespace := range s.cache.namespaces() {
			for _, request := range s.requests(namespace) {
				if byPriority, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
					byPriority.AddWithOpts(priorityqueue.AddOpts{Priority: new(handler.LowPriority)}, request)
				} else {
					queue.Add(request)
				}
			}
		}
	}()
	return nil
}

// String names the source in logs.
func (s *changes) String() string { return "packed cache" }

// WaitForSync implements source.SyncingSource.
func (s *changes) WaitForSync(ctx context.Context) error {
	select {
	case <-s.begun:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
