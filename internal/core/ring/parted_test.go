package ring

import (
	"testing"
	"time"
)

// "Outside the assumption the demand is re-convergence to one ring after quiescence": a host that joined on the small side of a partition, where its only
// neighbour then died, still knows whom else it could have joined through.
func TestJoinWhileParted(t *testing.T) {
	w := newTestNet(t, 41, Config{})
	for h := range Host(12) {
		w.add(h, 1)
	}
	w.ideal()
	w.side[3], w.side[20] = 1, 1
	w.run(time.Minute)
	n := w.add(20, 1)
	if err := n.Join(w.now, w.nodes[5].pos[0].self, w.nodes[3].pos[0].self, w.nodes[7].pos[0].self); err != nil {
		t.Fatal(err)
	}
	w.drain(n)
	w.run(time.Minute)
	w.kill(3)
	w.run(time.Minute)
	if v := n.View(); !v.Joined || v.Members != 1 {
		t.Fatalf("joined %t a ring of %d, want to be alone by now", v.Joined, v.Members)
	}
	clear(w.side)
	w.settle(2 * time.Minute)
}
