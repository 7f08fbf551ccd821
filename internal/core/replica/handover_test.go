package replica

import (
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// TestHandOverOvertaken: a lookup tells to whom an arc is to be given; by then the arc may have become this host's own, because those have left that the
// answer still names. Nothing is handed over then.
func TestHandOverOvertaken(t *testing.T) {
	n := newNet()
	for _, pos := range []uint64{10, 90, 170, 230} {
		n.add(pos).start()
	}
	n.run(time.Minute)
	r := n.hosts[0].r
	own := r.arcs.own[0]
	r.handOver(own.from, []ringwire.Ref{{ID: own.from, Host: 2}, {ID: own.to, Host: 3}, {ID: own.to, Host: 4}})
	if len(r.sync.handed) > 0 {
		t.Errorf("hands its own arc over: %v", r.sync.handed[0].spans)
	}
	if r.sync.cursor != own.from.Add(one) {
		t.Error("the walk does not go on behind it")
	}
}
