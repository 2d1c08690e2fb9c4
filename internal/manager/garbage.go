package manager

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The heap grows by garbageFloor, in bytes, or by leastPercent of what is in use,
// whichever is more, before garbage is collected. Most of a manager's heap are its
// caches, which stay: Go's own 100 percent would keep as much again in reserve, and a
// small percentage alone would have a manager with few partners collect all the time.
const (
	garbageFloor = 16 << 20
	leastPercent = 40
	// Go lets a small heap grow to 4 MiB at 100 percent, and so to garbageFloor at this.
	mostPercent = 400
)

// garbagePercent is how much the heap may grow, as GOGC has it, if so many bytes of it
// are in use.
func garbagePercent(inUse uint64) int {
	return int(min(mostPercent, max(leastPercent, garbageFloor*100/max(inUse, 1))))
}

// PaceGarbageCollection sets how much the heap may grow as its use changes, until the
// context ends.
func PaceGarbageCollection(ctx context.Context) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	set := leastPercent // while the caches fill
	debug.SetGCPercent(set)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(live)
		// Setting it stops the world for a moment.
		if percent := garbagePercent(live[0].Value.Uint64()); percent != set {
			debug.SetGCPercent(percent)
			set = percent
		}
	}
}
