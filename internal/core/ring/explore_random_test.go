package ring

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// "Random schedules beyond": rings of up to 40 hosts with up to 4 positions, minutes of joins, failures, departures, lost messages and partitions in virtual
// time; then quiescence, and one ring of all who live. A seed replays its schedule.
func TestRandomSchedules(t *testing.T) {
	seeds := uint64(48)
	if testing.Short() || exploreShare > 1 {
		seeds = 2
	}
	most, steps := time.Duration(0), 0
	for seed := range seeds {
		w, took := randomSchedule(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		most, steps = max(most, took), steps+w.seq
	}
	t.Logf("%d schedules, %d events; at rest %v after the last disturbance at most", seeds, steps, most)
}

// disturbances is how many times a schedule changes something.
const disturbances = 60

func randomSchedule(t *testing.T, seed uint64) (*testNet, time.Duration) {
	r := rand.New(rand.NewPCG(seed, 7))
	mode := r.IntN(4)
	w := newTestNet(t, seed, Config{Successors: 2 + r.IntN(7), Mesh: mode&1 != 0, Cache: mode&2 != 0})
	v, hosts := 1+r.IntN(4), 3+r.IntN(38)
	for h := range Host(hosts) {
		w.add(h, v)
	}
	w.ideal()
	next := Host(hosts)
	for range disturbances {
		next = disturb(w, r, next, v)
		w.run(time.Duration(r.Int64N(int64(4 * time.Second))))
	}
	w.loss = 0
	clear(w.side)
	start := w.now
	w.settle(5 * time.Minute)
	for _, err := range CheckRing(w.live()) {
		t.Errorf("seed %d: at rest: %v", seed, err)
	}
	return w, w.now - start
}

// orphans reports whether, without host h, those who live would fall apart: into some and others who don't know each other at all, not even from an earlier time.
// Then nobody can help: a newcomer that knows one host alone, which dies for ever before it told others, is in a ring of its own.
func orphans(w *testNet, h Host) bool {
	live := slices.DeleteFunc(w.live(), func(n *Node) bool { return n.cfg.Self == h })
	reached := map[Host]bool{live[0].cfg.Self: true}
	for range live { // however long the way
		for _, n := range live {
			for _, x := range slices.Concat(n.via, n.memory, n.pos[0].succ, n.pos[0].preds) {
				if w.nodes[x.Host] != nil && x.Host != h && (reached[x.Host] || reached[n.cfg.Self]) {
					reached[x.Host], reached[n.cfg.Self] = true, true
				}
			}
		}
	}
	return len(reached) < len(live)
}

// disturb makes one thing happen. Nobody is left without anybody known.
func disturb(w *testNet, r *rand.Rand, next Host, v int) Host {
	live := w.live()
	some := live[r.IntN(len(live))]
	switch r.IntN(10) {
	case 0, 1, 2:
		if len(live) >= 40 {
			return next
		}
		n := w.add(next, v)
		var via []Ref
		for _, m := range live {
			if m.phase == member && w.side[m.cfg.Self] == 0 && r.IntN(3) == 0 {
				via = append(via, m.pos[0].self)
			}
		}
		if len(via) == 0 {
			w.kill(next)
			return next + 1
		}
		if err := n.Join(w.now, via...); err != nil {
			w.t.Fatal(err)
		}
		w.drain(n)
		return next + 1
	case 3, 4:
		if len(live) > 6 && !orphans(w, some.cfg.Self) {
			w.kill(some.cfg.Self)
		}
	case 5:
		if len(live) > 6 && some.phase == member && !orphans(w, some.cfg.Self) {
			some.Leave(w.now)
			w.drain(some)
			w.kill(some.cfg.Self)
		}
	case 6:
		w.loss = float64(r.IntN(30)) / 100
	case 7:
		w.loss = 0
	case 8:
		for _, n := range live {
			w.side[n.cfg.Self] = r.IntN(2)
		}
	case 9:
		clear(w.side)
	}
	return next
}

// A list that is short because somebody in it has died is not a ring that has become small. Found by the random schedules: the host took its list, predecessors and
// fingers for the whole membership, found that too large for a mesh, forgot it, and began anew without end.
func TestShortListIsNoSmallRing(t *testing.T) {
	w := newTestNet(t, 5, Config{Successors: 2, Mesh: true})
	for h := range Host(18) {
		w.add(h, 1)
	}
	w.ideal()
	n := w.nodes[3]
	next := n.pos[0].succ
	n.Stabilize(w.now, 0)
	n.Expire(w.now, 0)
	if v := n.View(); len(v.Positions[0].Successors) != 1 || v.Mesh {
		t.Errorf("after the death of one of %d successors: %+v", len(next), v)
	}
	if holders, ok := n.Holders(next[0].ID, 3, nil); ok {
		t.Errorf("the holders of a key in a ring of 17 hosts are %v, and no others", holders)
	}
}
