package coverage

// network is a network of arcs with capacities, of which most finds the maximum flow by Dinic's
// method.
type network struct {
	// arcs come in pairs: the second is the way back of the first.
	arcs []arc
	// from are the arcs that leave each node.
	from [][]int
}

type arc struct{ to, capacity int }

func newNetwork(nodes, connections int) *network {
	return &network{make([]arc, 0, 2*connections), make([][]int, nodes)}
}

func (n *network) connect(from, to, capacity int) {
	n.from[from] = append(n.from[from], len(n.arcs))
	n.from[to] = append(n.from[to], len(n.arcs)+1)
	n.arcs = append(n.arcs, arc{to, capacity}, arc{from, 0})
}

// most is the maximum flow, which stays in the network.
func (n *network) most(source, sink int) int {
	total := 0
	for {
		level := n.levels(source)
		if level[sink] < 0 {
			return total
		}
		next := make([]int, len(n.from))
		for {
			pushed := n.push(source, sink, 1<<30, level, next)
			if pushed == 0 {
				break
			}
			total += pushed
		}
	}
}

// levels are how many arcs with room left each node is away from the source; -1 if it cannot be
// reached.
func (n *network) levels(source int) []int {
	level := make([]int, len(n.from))
	for i := range level {
		level[i] = -1
	}
	level[source] = 0
	for queue := []int{source}; len(queue) > 0; queue = queue[1:] {
		for _, i := range n.from[queue[0]] {
			if a := n.arcs[i]; a.capacity > 0 && level[a.to] < 0 {
				level[a.to] = level[queue[0]] + 1
				queue = append(queue, a.to)
			}
		}
	}
	return level
}

func (n *network) push(node, sink, limit int, level, next []int) int {
	if node == sink {
		return limit
	}
	for ; next[node] < len(n.from[node]); next[node]++ {
		i := n.from[node][next[node]]
		a := n.arcs[i]
		if a.capacity == 0 || level[a.to] != level[node]+1 {
			continue
		}
		if pushed := n.push(a.to, sink, min(limit, a.capacity), level, next); pushed > 0 {
			n.arcs[i].capacity -= pushed
			n.arcs[i^1].capacity += pushed
			return pushed
		}
	}
	return 0
}
