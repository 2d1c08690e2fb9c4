// Package shard divides partners among managers, or among probers. Each partner belongs to one
// shard, by its name alone, so that none is forgotten and nobody keeps a list.
package shard

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// Shard is one of several parts of all partners. The zero value is the one shard
// that has them all.
type Shard struct {
	// Number is from 1 to Count.
	Number, Count int
}

// most is how many shards there can be: each watches the whole cluster.
const most = 64

// Parse reads a shard from number/count, such as 2/3; an empty text is the one
// shard that has all.
func Parse(text string) (Shard, error) {
	if text == "" {
		return Shard{}, nil
	}
	number, count, _ := strings.Cut(text, "/")
	var s Shard
	var errs [2]error
	s.Number, errs[0] = strconv.Atoi(number)
	s.Count, errs[1] = strconv.Atoi(count)
	if errs[0] != nil || errs[1] != nil || s.Count > most || s.Number < 1 || s.Number > s.Count {
		return Shard{}, fmt.Errorf("write number/count, such as 1/3, 2/3 and 3/3 for three shards, with a count of at most %d", most)
	}
	return s, nil
}

// String is what Parse reads.
func (s Shard) String() string {
	if s.Count == 0 {
		return "1/1"
	}
	return fmt.Sprintf("%d/%d", s.Number, s.Count)
}

// Alone reports whether the shard has all partners.
func (s Shard) Alone() bool { return s.Count <= 1 }

// First reports whether what concerns all partners falls to this shard.
func (s Shard) First() bool { return s.Number <= 1 }

// Has reports whether a partner belongs to the shard. The name need not be that of a
// Partner that is there.
func (s Shard) Has(partner string) bool {
	if s.Alone() {
		return true
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(partner)) // it has no error
	return int64(hash.Sum32())%int64(s.Count) == int64(s.Number-1)
}

// Lease is the name of the lease that the shard's leader holds, made from that of
// a manager that has all partners.
func (s Shard) Lease(name string) string {
	if s.Alone() {
		return name
	}
	return fmt.Sprintf("%s-%d-of-%d", name, s.Number, s.Count)
}
