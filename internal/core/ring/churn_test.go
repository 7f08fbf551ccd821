package ring

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A ring grows from one host, in any order and at once, and comes to rest as the ideal one.
func TestGrow(t *testing.T) {
	for _, c := range []struct {
		hosts, v int
		mesh     bool
		cache    bool
		loss     float64
	}{{1, 1, true, true, 0}, {2, 1, true, true, 0}, {5, 3, true, true, 0.05}, {8, 1, true, false, 0}, {9, 2, true, true, 0.05}, {12, 16, true, true, 0}, {40, 1, true, true, 0.05}, {40, 1, false, false, 0.05},
		{60, 3, true, false, 0}} {
		if exploreShare > 1 && c.hosts*c.v > 40 {
			continue
		}
		w := newTestNet(t, 1, Config{Mesh: c.mesh, Cache: c.cache})
		w.loss = c.loss
		first := w.add(0, c.v)
		if err := first.Start(w.now); err != nil {
			t.Fatal(err)
		}
		w.drain(first)
		for h := Host(1); h < Host(c.hosts); h++ {
			n := w.add(h, c.v)
			via := Host(w.rand.IntN(int(h)))
			if err := n.Join(w.now, Ref{ID: w.places[via][0], Host: via}); err != nil {
				t.Fatal(err)
			}
			w.drain(n)
			w.run(time.Duration(w.rand.Int64N(int64(time.Second))))
		}
		start := w.now
		w.settle(5 * time.Minute)
		t.Logf("%+v: at rest after %v, joined by %v", c, w.now-start, start)
		w.loss = 0
		w.run(3 * time.Minute) // two periods of anti-entropy: a lost message made somebody look dead
		for _, n := range w.live() {
			v := n.View()
			if c.cache && (v.Members != c.hosts || !v.Complete) {
				t.Errorf("%+v: host %d knows %d members, %t", c, n.cfg.Self, v.Members, v.Complete)
			}
			if v.Mesh != (c.mesh && c.hosts <= 8) {
				t.Errorf("%+v: host %d: mesh %t", c, n.cfg.Self, v.Mesh)
			}
		}
	}
}

// Half of the hosts of a ring fail within a moment; the others become a ring again, and find every key's living successor meanwhile.
func TestHalfFails(t *testing.T) {
	w := newTestNet(t, 4, Config{Successors: 16})
	for h := range Host(100) {
		w.add(h, 1)
	}
	w.ideal()
	w.run(time.Minute)
	for h := range Host(100) {
		if h%2 == 1 {
			w.kill(h)
		}
	}
	all := w.refs()
	failed := 0
	for i := range 40 {
		key := Space{}.Hash("test key", []byte{byte(i)})
		n := w.live()[w.rand.IntN(50)]
		if r := w.lookup(n, key, How(i%3)); r.Err != nil || r.Owner != successorOf(all, key) {
			t.Logf("key %d, way %d: %+v", i, i%3, r)
			failed++
		}
	}
	if failed > 0 {
		t.Errorf("%d lookups failed", failed)
	}
	w.settle(2 * time.Minute)
	if errs := CheckRing(w.live()); len(errs) > 0 {
		t.Error(errs)
	}
}

// While the assumption of the proof holds (nobody is wrongly suspected, everybody keeps a live successor and r+1 principals remain) the invariant holds after
// every step, whatever the order of joins, failures, delays and losses; and then the ring comes to rest.
func TestInvariant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.IntRange(2, 4).Draw(t, "successors")
		count := rapid.IntRange(r+3, 16).Draw(t, "hosts")
		w := newTestNet(t, rapid.Uint64().Draw(t, "seed"), Config{Successors: r})
		w.loss = float64(rapid.IntRange(0, 2).Draw(t, "loss")) / 100
		for h := range Host(count) {
			w.add(h, 1)
		}
		w.ideal()
		w.check = func(n *Node) {
			if broken(w) {
				t.Skip("outside the proof's assumption")
			}
			for _, err := range CheckRing(w.live()) {
				t.Fatalf("%v after a step of host %d: %v", w.now, n.cfg.Self, err)
			}
		}
		next := Host(count)
		for range rapid.IntRange(1, 12).Draw(t, "events") {
			switch hosts := w.live(); {
			case rapid.Bool().Draw(t, "join"):
				n := w.add(next, 1)
				next++
				via := hosts[rapid.IntRange(0, len(hosts)-1).Draw(t, "via")]
				if err := n.Join(w.now, append(w.refs(), via.pos[0].self)...); err != nil {
					t.Fatal(err)
				}
				w.drain(n)
			case len(hosts) > r+2:
				victim := hosts[rapid.IntRange(0, len(hosts)-1).Draw(t, "victim")]
				w.kill(victim.cfg.Self)
				if members, _ := membersOf(w.live()); len(members) <= r || len(CheckRing(w.live())) > 0 {
					w.nodes[victim.cfg.Self] = victim // more than the proof allows at once
				}
			}
			w.run(time.Duration(rapid.IntRange(0, 4000).Draw(t, "pause ms")) * time.Millisecond)
		}
		w.loss = 0
		w.settle(5 * time.Minute)
	})
}

// broken reports whether some node suspects a living one: a message was lost three times over.
func broken(w *testNet) bool {
	for _, n := range w.live() {
		for _, s := range n.hosts {
			if s.dead && w.nodes[s.host] != nil {
				return true
			}
		}
	}
	return false
}

// Outside the assumption, too, quiescence makes one ring: half of the messages are lost for a while, and the ring is cut into two for a minute.
func TestPartition(t *testing.T) {
	for _, c := range []struct {
		hosts, v    int
		cache, mesh bool
	}{{20, 1, false, false}, {20, 1, true, true}, {6, 2, true, true}, {20, 16, true, true}, {10, 1, true, true}, {40, 1, true, true}} {
		if exploreShare > 1 && c.hosts*c.v > 20 {
			continue
		}
		w := newTestNet(t, 5, Config{Cache: c.cache, Mesh: c.mesh})
		for h := range Host(c.hosts) {
			w.add(h, c.v)
		}
		w.ideal()
		w.run(time.Minute)
		for h := range Host(c.hosts) {
			w.side[h] = w.rand.IntN(2)
		}
		w.run(time.Minute)
		clear(w.side)
		start := w.now
		w.settle(2 * time.Minute)
		t.Logf("%+v: one ring %v after the heal", c, w.now-start)
		if w.now-start > time.Minute {
			t.Errorf("%+v: one ring only %v after the heal", c, w.now-start)
		}
	}
}

// All hosts lose power at once and come back: one ring again.
func TestPowerCut(t *testing.T) {
	for _, c := range []struct {
		hosts, v    int
		cache, mesh bool
	}{{20, 1, true, true}, {20, 16, true, true}, {5, 16, true, true}, {20, 1, false, false}} {
		if exploreShare > 1 && c.hosts*c.v > 20 {
			continue
		}
		w := newTestNet(t, 6, Config{Cache: c.cache, Mesh: c.mesh})
		for h := range Host(c.hosts) {
			w.add(h, c.v)
		}
		w.ideal()
		all := w.refs()
		w.run(time.Minute)
		w.config.Incarnation++
		for h := range Host(c.hosts) {
			n := w.add(h, c.v)
			if err := n.Restore(w.now, all...); err != nil {
				t.Fatal(err)
			}
			w.drain(n)
		}
		start := w.now
		w.settle(3 * time.Minute)
		t.Logf("%+v: one ring %v after the start", c, w.now-start)
		if limit := time.Minute; w.now-start > limit || c.hosts < 8 && w.now-start > 15*time.Second { // a mesh introduces newcomers at once
			t.Errorf("%+v: one ring only %v after the start", c, w.now-start)
		}
	}
}

// A host that leaves is forgotten at once; one that restarts at another address before anybody notices keeps its place.
func TestLeaveAndRestart(t *testing.T) {
	for _, hosts := range []int{5, 20} {
		w := newTestNet(t, 7, Config{Cache: true, Mesh: true})
		for h := range Host(hosts) {
			w.add(h, 4)
		}
		w.ideal()
		w.run(10 * time.Second)
		all := w.refs()
		n := w.nodes[3]
		n.Leave(w.now)
		w.drain(n)
		w.kill(3)
		w.settle(10 * time.Second)
		w.config.Incarnation = 7
		back := w.add(4, 4)
		if err := back.Restore(w.now, all...); err != nil {
			t.Fatal(err)
		}
		w.drain(back)
		w.settle(30 * time.Second)
		w.run(30 * time.Second)
		for _, n := range w.live() {
			if v := n.View(); v.Members != hosts-1 || v.Stats.AssumptionBroken > 0 {
				t.Errorf("host %d of %d knows %d members, %d broken assumptions", n.cfg.Self, hosts-1, v.Members, v.Stats.AssumptionBroken)
			}
		}
	}
}
