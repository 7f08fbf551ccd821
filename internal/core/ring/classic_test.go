package ring

import (
	"math/rand/v2"
	"testing"
	"time"
)

// stress plays a random schedule of joins and failures, never more failures than the proof allows, and returns the first violation of the invariant.
func stress(t fataler, seed uint64, classic bool) (violation error) {
	r := rand.New(rand.NewPCG(seed, 3))
	w := newTestNet(t, seed, Config{Successors: 2 + r.IntN(2), Stabilize: 500 * time.Millisecond, Routing: Successor})
	add := func(h Host) *Node {
		n := w.add(h, 1)
		n.classic = classic
		return n
	}
	size := w.config.Successors + 2 + r.IntN(3)
	for h := range Host(size) {
		add(h)
	}
	w.ideal()
	w.check = func(*Node) {
		if errs := CheckRing(w.live()); len(errs) > 0 && violation == nil {
			violation = errs[0]
		}
	}
	next := Host(size)
	for range 12 {
		hosts := w.live()
		if n := hosts[r.IntN(len(hosts))]; r.IntN(2) == 0 && len(hosts) > w.config.Successors+2 {
			w.kill(n.cfg.Self)
			if m, _ := membersOf(w.live()); len(m) <= w.config.Successors || len(CheckRing(w.live())) > 0 {
				w.nodes[n.cfg.Self] = n
			}
		} else {
			n := add(next)
			next++
			if err := n.Join(w.now, w.refs()...); err != nil {
				t.Fatal(err)
			}
			w.drain(n)
		}
		w.run(time.Duration(r.IntN(1500)) * time.Millisecond)
		if violation != nil || broken(w) {
			return violation
		}
	}
	return nil
}

// "The published protocol is wrong (Zave 2012-2017): no claimed invariant holds": the schedules that the corrected protocol survives break the one of 2001.
func TestClassicChordIsWrong(t *testing.T) {
	schedules := 150
	if exploreShare > 1 {
		schedules = 40
	}
	wrong := 0
	for seed := range uint64(schedules) {
		if err := stress(t, seed, true); err != nil {
			wrong++
			if wrong == 1 {
				t.Logf("classic Chord, seed %d: %v", seed, err)
			}
		}
		if err := stress(t, seed, false); err != nil {
			t.Errorf("corrected Chord, seed %d: %v", seed, err)
		}
	}
	t.Logf("%d of %d schedules break classic Chord", wrong, schedules)
	if wrong == 0 {
		t.Error("no violation found in classic Chord: the test does not test")
	}
}
