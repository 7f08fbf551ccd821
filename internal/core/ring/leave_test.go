package ring

import (
	"testing"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// A host that has left answers for a while, until it has handed over; it wants to be called no more, whatever it hears of others.
func TestLeftHostRests(t *testing.T) {
	w := newTestNet(t, 31, Config{Cache: true})
	for h := range Host(20) {
		w.add(h, 1)
	}
	w.ideal()
	n := w.nodes[0]
	n.Stabilize(w.now, 0)
	n.Leave(w.now)
	n.Receive(w.now, 1, &Message{Kind: Leaving, From: w.nodes[1].pos[0].self.ID})
	n.Receive(w.now, 2, &Message{Kind: News, Members: []Member{{Host: 3, State: ringwire.Dead}}})
	sent(n)
	if at := n.NextTick(); at != never {
		t.Errorf("wants to be called at %v", at)
	}
}
