package prober

import (
	"hash/fnv"
	"time"
)

// next is when a partner's turn comes next. Each has its own moment within the interval,
// by its name, so that probes are spread over it, and a restart does not bunch them.
func next(partner string, now time.Time, interval time.Duration) time.Time {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(partner)) // it has no error
	offset := time.Duration(float64(hash.Sum32()) / (1 << 32) * float64(interval))
	since := time.Duration(now.UnixNano()) % interval
	wait := offset - since
	if wait <= 0 {
		wait += interval
	}
	return now.Add(wait)
}
