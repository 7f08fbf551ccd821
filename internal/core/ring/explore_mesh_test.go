package ring

import (
	"fmt"
	"testing"
)

// meshExplorations are rings around the size where the small-ring mesh gives way to the protocol: r hosts are a mesh, r+1 are a ring. The base of the proof (r+1
// principals) is not there, so its invariant is not what holds. What does: nobody's list is out of order; nobody thinks dead who lives; a list names only hosts of
// the ring; and at rest everybody knows exactly who lives, and the lists are those of the ideal ring.
var meshExplorations = []exploration{
	{"r=2: 1 host, 1 joins", bounds{successors: 2, slots: 2, members: []int{0}, joins: true, flight: 2}, 100, false},
	{"r=2: 2 hosts (a mesh), 1 joins: a ring", bounds{successors: 2, slots: 3, members: []int{0, 1}, joins: true, flight: 2, states: 150000}, 150000, false},
	{"r=2: 3 hosts (a ring), 1 fails or leaves: a mesh", bounds{successors: 2, slots: 3, members: []int{0, 1, 2}, quits: 1, leaves: true, flight: 2, states: 150000}, 150000, false},
	{"r=2: 2 hosts, 2 join, 1 fails", bounds{successors: 2, slots: 4, members: []int{0, 2}, joins: true, quits: 1, leaves: true, flight: 2, states: 150000}, 150000, false},
	{"r=3: 3 hosts, 2 join, 2 fail, 1 loss", bounds{successors: 3, slots: 5, members: []int{0, 1, 3}, joins: true, quits: 2, losses: 1, flight: 2, states: 150000}, 150000, false},
	{"r=3: 4 hosts, 1 joins, 2 fail or leave", bounds{successors: 3, slots: 5, members: []int{0, 1, 2, 3}, joins: true, quits: 2, leaves: true, flight: 2, states: 150000}, 150000, false},
}

func TestExploreMesh(t *testing.T) {
	for _, e := range meshExplorations {
		e.bounds.mesh, e.bounds.chances = true, 2
		explore(t, e, 40, (*explorer).meshInvariant)
	}
}

// meshInvariant says what of it does not hold.
func (x *explorer) meshInvariant(w *world) error {
	for s := range x.slots {
		if !w.alive(s) {
			continue
		}
		l := &x.locals[w.nodes[s]]
		if !x.sound(l) {
			return fmt.Errorf("%w: %s", errList, slotName(s))
		}
		for y := range x.slots {
			if l.dead>>y&1 != 0 && w.alive(y) {
				return fmt.Errorf("%s thinks %s dead", slotName(s), slotName(y))
			}
		}
		for _, y := range l.succ {
			if w.nodes[y] == nobody {
				return fmt.Errorf("%s lists %s, which was never in the ring", slotName(s), slotName(y))
			}
		}
	}
	return nil
}
