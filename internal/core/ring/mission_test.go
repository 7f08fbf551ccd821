package ring

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var eight = []uint64{1, 12, 13, 25, 32, 40, 48, 60}

// "ID space 0..63, peers 1, 12, 13, 25, 32, 40, 48, 60. Key 51 -> peer 60. Key 60 -> peer 60. Key 61 -> peer 1": from every peer, however it asks.
func TestAssignment(t *testing.T) {
	for _, routing := range []Routing{Fingers, Successor} {
		w := teaching(t, 6, 2, Config{Routing: routing}, eight...)
		for _, how := range []How{Recursive, Traced, Iterative} {
			for _, n := range w.live() {
				for key, want := range map[uint64]uint64{51: 60, 60: 60, 61: 1} {
					r := w.lookup(n, number(t, n.cfg.Space, key), how)
					if r.Err != nil || n.cfg.Space.Number(r.Owner.ID) != want {
						t.Errorf("key %d from %d: owner %d, %v; want %d", key, n.cfg.Self, n.cfg.Space.Number(r.Owner.ID), r.Err, want)
					}
				}
			}
		}
	}
}

// "peer 12 asking for key 53 sends it 12-13-25-32-40-48-60: 6 messages ... With shortcuts ... 3 messages at most".
func TestPath(t *testing.T) {
	space := Space{Bits: 6}
	for _, c := range []struct {
		name    string
		routing Routing
		links   map[uint64]uint64
		path    []uint64
	}{
		{"successor", Successor, nil, []uint64{12, 13, 25, 32, 40, 48, 60}},
		{"fingers", Fingers, nil, []uint64{12, 48, 60}},
		{"links", Links, map[uint64]uint64{12: 32, 32: 48}, []uint64{12, 32, 48, 60}},
	} {
		for _, how := range []How{Traced, Iterative} {
			w := newTestNet(t, 1, Config{Space: space, Successors: 2, Routing: c.routing})
			for _, x := range eight {
				w.config.Links = nil
				if to, ok := c.links[x]; ok {
					w.config.Links = []Ref{{ID: number(t, space, to), Host: Host(to)}}
				}
				w.add(Host(x), 1, number(t, space, x))
			}
			w.ideal()
			r := w.lookup(w.nodes[12], number(t, space, 53), how)
			if diff := cmp.Diff(c.path, numbers(space, r.Path)); diff != "" || r.Hops != len(c.path)-1 {
				t.Errorf("%s, %d: %d messages, path %v, want %v", c.name, how, r.Hops, numbers(space, r.Path), c.path)
			}
			if how == Iterative && (len(r.RTT) != r.Hops || slices.Min(r.RTT) < 10*time.Millisecond) {
				t.Errorf("%s: round trips %v", c.name, r.RTT)
			}
		}
	}
}

// "peers 1, 3, 4, 5, 8, 10, 12, 15; peer 5 leaves abruptly; peer 4 detects it, makes 8 its immediate successor, asks 8 for its immediate successor (10),
// and makes 10 its second."
func TestChurn(t *testing.T) {
	w := teaching(t, 4, 2, Config{Routing: Successor}, 1, 3, 4, 5, 8, 10, 12, 15)
	four := w.nodes[4]
	var steps [][]uint64
	note := func(n *Node) {
		if s := numbers(n.cfg.Space, n.pos[0].succ); n == four && (len(steps) == 0 || !slices.Equal(s, steps[len(steps)-1])) {
			steps = append(steps, s)
		}
	}
	w.check = note
	note(four)
	w.kill(5)
	w.settle(time.Minute)
	if diff := cmp.Diff([][]uint64{{5, 8}, {8}, {8, 10}}, steps); diff != "" {
		t.Errorf("node 4's successors, step by step (-want +got):\n%s", diff)
	}
	if p := w.nodes[8].pos[0]; !p.hasPred || p.pred.Host != 4 {
		t.Errorf("node 8's predecessor is %v", p.pred.Host)
	}
}

// A large ring at rest: whoever asks by whatever way finds the key's successor.
func TestOwner(t *testing.T) {
	for _, v := range []int{1, 5} {
		w := newTestNet(t, 3, Config{})
		for h := range Host(60) {
			w.add(h, v)
		}
		w.ideal()
		all := w.refs()
		for i := range 300 {
			key := Space{}.Hash("test key", []byte{byte(i), byte(i >> 8)})
			n := w.nodes[Host(w.rand.IntN(60))]
			r := w.lookup(n, key, How(i%3))
			if want := successorOf(all, key); r.Err != nil || r.Owner != want {
				t.Fatalf("key %d from host %d: %v, %v; want %v", i, n.cfg.Self, r.Owner, r.Err, want)
			}
			if own := n.Owns(key); own != (r.Hops == 0) {
				t.Fatalf("key %d: %d hops, but Owns says %t", i, r.Hops, own)
			}
		}
	}
}
