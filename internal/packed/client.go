package packed

import (
	"context"
	"errors"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// Over returns a client that lists the cache's kinds from the cache, one namespace
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
	at := c.cache.begin(k, object)
	defer c.cache.end(at)
	if err := c.cache.options.Client.Patch(ctx, object, patch, options...); err != nil {
		return err
	}
	return c.cache.wrote(at, object)
}

// Delete implements client.Client.
func (c *cachedClient) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	k := c.cache.kindOf(object)
	if k == nil {
		return c.Client.Delete(ctx, object, options...)
	}
	at := c.cache.begin(k, object)
	defer c.cache.end(at)
	if err := c.cache.options.Client.Delete(ctx, object, options...); err != nil {
		return err
	}
	if len(object.GetFinalizers()) == 0 {
		c.cache.wroteDeletion(at, object)
	}
	return nil
}

// errUnsupported is of what nobody does with the cache's kinds. The client below
// would answer it from informers that hold them once more.
var errUnsupported = errors.New("the packed cache lists, patches and deletes, and nothing else")

// Get implements client.Client.
func (c *cachedClient) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if c.cache.kindOf(object) != nil {
		return errUnsupported
	}
	return c.Client.Get(ctx, key, object, options...)
}

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

// Source makes requests of namespaces in which others changed something. There can
// be one of a cache.
func (c *Cache) Source(requests func(namespace string) []reconcile.Request) source.SyncingSource {
	return &changes{c, requests}
}

type changes struct {
	cache    *Cache
	requests func(namespace string) []reconcile.Request
}

// Start implements source.Source.
func (s *changes) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	s.cache.changed = func(namespace string) {
		for _, request := range s.requests(namespace) {
			queue.Add(request)
		}
	}
	return nil
}

// String names the source in logs.
func (s *changes) String() string { return "packed cache" }

// WaitForSync implements source.SyncingSource.
func (s *changes) WaitForSync(ctx context.Context) error {
	if !s.cache.WaitForCacheSync(ctx) {
		return ctx.Err()
	}
	return nil
}
