package ring

import (
	"testing"
	"time"
)

// A hint of the cache's that leads to a dead host costs one time-out, as any other hop: the lookup goes on from the asker, who takes the answer in.
func TestDeadHint(t *testing.T) {
	w := newTestNet(t, 24, Config{Cache: true})
	for h := range Host(60) {
		w.add(h, 1)
	}
	w.ideal()
	n := w.nodes[0]
	sent(n)
	key := w.refs()[30].ID
	n.Lookup(w.now, key, 1, Recursive)
	first := one(t, n, Lookup, w.refs()[30].Host)
	dead := w.nodes[45].pos[0].self
	n.Receive(w.now, w.refs()[30].Host, &Message{Kind: Ack, Ack: first.Ack})
	n.Receive(w.now, w.refs()[30].Host, &Message{Kind: NotMine, Seq: first.Seq, Key: key, Ref: dead, Hops: first.Hops})
	one(t, n, Lookup, 45)
	n.now = n.forwards[0].deadline
	n.expireForwards()
	for _, a := range sent(n) {
		if a.Message.Kind != Lookup {
			continue
		}
		if l := &n.lookups[0]; l.Timeouts != 1 || l.first != a.To || a.To == 45 {
			t.Errorf("%d time-outs; sent to %d, whose answer is %t taken in", l.Timeouts, a.To, l.first == a.To)
		}
		return
	}
	t.Error("not sent again")
}

// A host that knows no way, as one that is about to enter again after a restart, does not acknowledge a lookup: whoever sent it takes another way after a
// time-out instead of letting its asker wait.
func TestLookupAtNewcomer(t *testing.T) {
	w := newTestNet(t, 25, Config{Successors: 4})
	for h := range Host(30) {
		w.add(h, 1)
	}
	w.ideal()
	w.run(30 * time.Second)
	all := w.refs()
	asker := w.nodes[all[0].Host]
	via := asker.pos[0].fingers[len(asker.pos[0].fingers)-1] // half around
	back := w.add(via.Host, 1)
	if err := back.Restore(w.now, Ref{ID: ID{1}, Host: 99}); err != nil { // knows nobody who lives
		t.Fatal(err)
	}
	w.drain(back)
	key := via.ID.Add(Space{}.Unit(150))
	r := w.lookup(asker, key, Traced)
	if r.Err != nil || r.Owner != successorOf(all, key) || r.Timeouts != 1 || r.Elapsed > 2*time.Second {
		t.Errorf("%+v", r)
	}
}
