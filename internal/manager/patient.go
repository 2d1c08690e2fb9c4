package manager

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// patience is how long a read waits for the cache to see the writes of this process.
// That takes milliseconds, unless the watch is interrupted.
const patience = 2 * time.Second

// patient bounds the time for which reads wait for the cache to see earlier writes.
// controller-runtime waits for the version of a write or a later one of the kind; if
// what was written is gone before the watch told of it, there may not be one for
// hours, and every read of the kind would wait. After patience a read takes what the
// cache has: the reconcile may then write once more what is written already.
type patient struct{ client.Client }

// Get implements client.Client.
func (p patient) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	return within(ctx, func(ctx context.Context) error {
		return p.Client.Get(ctx, key, object, options...)
	}, func() error {
		return p.Client.Get(ctx, key, object, append(options, client.DisableReadYourWritesConsistency)...)
	})
}

// List implements client.Client.
func (p patient) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	return within(ctx, func(ctx context.Context) error {
		return p.Client.List(ctx, list, options...)
	}, func() error {
		return p.Client.List(ctx, list, append(options, client.DisableReadYourWritesConsistency)...)
	})
}

// within reads, or after patience reads otherwise.
func within(ctx context.Context, read func(context.Context) error, otherwise func() error) error {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := read(bounded)
	// A cache that is not full yet says so in an error of its own.
	if err == nil || bounded.Err() == nil || ctx.Err() != nil {
		return err
	}
	return otherwise()
}
