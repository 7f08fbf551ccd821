package ring

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A newcomer owns its keys as soon as its successor knows of it, although its predecessor still sends them to that one.
func TestKeyOfNewcomer(t *testing.T) {
	for _, how := range []How{Recursive, Traced, Iterative} {
		w := teaching(t, 6, 2, Config{Stabilize: time.Hour}, eight...)
		n := w.add(44, 1, number(t, Space{Bits: 6}, 44))
		if err := n.Join(w.now, w.nodes[1].pos[0].self); err != nil {
			t.Fatal(err)
		}
		w.drain(n)
		w.run(time.Second) // it has told 48, and 40 does not know
		if p := w.nodes[40].pos[0]; p.succ[0].Host != 48 || w.nodes[48].pos[0].pred.Host != 44 {
			t.Fatalf("40 -> %d, 48 <- %d", p.succ[0].Host, w.nodes[48].pos[0].pred.Host)
		}
		for key, want := range map[uint64]Host{44: 44, 42: 44, 45: 48} {
			if r := w.lookup(w.nodes[12], number(t, Space{Bits: 6}, key), how); r.Err != nil || r.Owner.Host != want {
				t.Errorf("key %d, way %d: %+v, want %d", key, how, r, want)
			}
		}
	}
}

// "A result whose owner differs from the cache's is repeated by a second path": one rogue host on the first does not decide.
func TestSecondPath(t *testing.T) {
	all := at(10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150, 160)
	places := directory{}
	for _, x := range all {
		places[x.Host] = []ID{x.ID}
	}
	n, err := New(Config{Space: Space{Bits: 8}, Successors: 2, Self: 20, Positions: []ID{{20}}, Directory: places, Cache: true, Rand: rand.New(rand.NewPCG(1, 1))})
	if err != nil {
		t.Fatal(err)
	}
	n.Ideal(0, all)
	sent(n)
	n.Lookup(0, ID{125}, 5, Recursive)
	m := one(t, n, Lookup, 130)
	n.Receive(1, 130, &Message{Kind: NotMine, From: ID{130}, Seq: m.Seq, Key: m.Key, Ref: all[1], Hops: 1}) // a useless hint
	first := sent(n)
	if len(first) != 1 || first[0].Message.OneHop {
		t.Fatalf("sent %+v, want a lookup by fingers", first)
	}
	n.Receive(2, 160, &Message{Kind: Found, From: ID{160}, Seq: m.Seq, Key: m.Key, Hops: 2}) // somebody claims a key that is not its own
	second := sent(n)
	if len(second) != 1 || second[0].Message.Kind != Lookup || second[0].To == first[0].To {
		t.Fatalf("sent %+v, want a lookup by another way than %d", second, first[0].To)
	}
	n.Receive(3, 130, &Message{Kind: Found, From: ID{130}, Seq: m.Seq, Key: m.Key, Hops: 3})
	for a, ok := n.Next(); ok; a, ok = n.Next() {
		if a.Kind == LookupDone && a.Result.Owner.Host == 130 && n.stats.SecondPaths == 1 {
			return
		}
	}
	t.Error("the owner that both ways and the cache know did not win")
}
