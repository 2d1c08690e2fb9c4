package coverage

import "slices"

// network is a network of arcs with capacities, of which most finds the maximum flow by Dinic's
// method.
type network struct {
	// arcs come in pairs: the second is the way back of the first.
	arcs []arc
	// first is an arc that leaves each node; none if negative.
	first []int
	// level and queue are what levels writes to, and next what most does.
	level, queue, next []int
}

// arc has the next one that leaves the same node; none if negative.
type arc struct{ to, capacity, next int }

const none = -1

// clear makes it one of so many nodes, without arcs.
func (n *network) clear(nodes int) {
	n.arcs, n.first = n.arcs[:0], refill(n.first, nodes)
}

// refill makes a slice of so many that are none, in the place of one that is not needed any more.
func refill(s []int, length int) []int {
	s = slices.Grow(s[:0], length)[:length]
	for i := range s {
		s[i] = none
	}
	return s
}

func (n *network) connect(from, to, capacity int) {
	n.arcs = append(n.arcs, arc{to, capacity, n.first[from]}, arc{from, 0, n.first[to]})
	n.first[from], n.first[to] = len(n.arcs)-2, len(n.arcs)-1
}

// most is the maximum flow, which stays in the network.
func (n *network) most(source, sink int) int {
	total := 0
	for {
		if n.levels(source)[sink] < 0 {
			return total
		}
		n.next = append(n.next[:0], n.first...)
		for {
			pushed := n.push(source, sink, 1<<30)
			if pushed == 0 {
				break
			}
			total += pushed
		}
	}
}

// levels are how many arcs with room left each node is away from the source; none if it cannot be
// reached.
func (n *network) levels(source int) []int {
	n.level, n.queue = refill(n.level, len(n.first)), append(n.queue[:0], source)
	n.level[source] = 0
	for i := 0; i < len(n.queue); i++ {
		for at := n.first[n.queue[i]]; at >= 0; at = n.arcs[at].next {
			if a := n.arcs[at]; a.capacity > 0 && n.level[a.to] < 0 {
				n.level[a.to] = n.level[n.queue[i]] + 1
				n.queue = append(n.queue, a.to)
			}
		}
	}
	return n.level
}

func (n *network) push(node, sink, limit int) int {
	if node == sink {
		return limit
	}
	for ; n.next[node] >= 0; n.next[node] = n.arcs[n.next[node]].next {
		i := n.next[node]
		a := n.arcs[i]
		if a.capacity == 0 || n.level[a.to] != n.level[node]+1 {
			continue
		}
		if pushed := n.push(a.to, sink, min(limit, a.capacity)); pushed > 0 {
			n.arcs[i].capacity -= pushed
			n.arcs[i^1].capacity += pushed
			return pushed
		}
	}
	return 0
}
