package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
)

// deletions remembers the objects that this process deleted until the cache surely
// shows it, for one to two periods. A UID does not come back, so nothing that is
// remembered too long does harm, and what is forgotten too early costs one request.
type deletions struct {
	mu              sync.Mutex
	began           time.Time
	recent, earlier sets.Set[types.UID]
}

// rememberedFor is longer than a watch is interrupted without a new list.
const rememberedFor = time.Minute

// add remembers an object.
func (d *deletions) add(uid types.UID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget(time.Now())
	d.recent.Insert(uid)
}

// forget forgets what is older than a period.
func (d *deletions) forget(now time.Time) {
	switch age := now.Sub(d.began); {
	case age > 2*rememberedFor:
		d.began, d.earlier, d.recent = now, nil, sets.New[types.UID]()
	case age > rememberedFor:
		d.began, d.earlier, d.recent = now, d.recent, sets.New[types.UID]()
	}
}

// has reports whether an object was deleted lately.
func (d *deletions) has(uid types.UID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forget(time.Now())
	return d.recent.Has(uid) || d.earlier.Has(uid)
}
