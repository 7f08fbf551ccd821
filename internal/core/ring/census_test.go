package ring

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var terms = Terms{Remember: 10 * time.Minute, Fresh: 10 * time.Second} // as a replica with an Absence of 30 s wants them

// ask asks every host for d, five times a second as core/replica does, and returns for each when it said no last, and yes; -1: never.
func (w *testNet) ask(d time.Duration) (no, yes map[Host]time.Duration) {
	began := w.now
	no, yes = map[Host]time.Duration{}, map[Host]time.Duration{}
	for h := range w.nodes {
		no[h], yes[h] = -1, -1
	}
	for w.now < began+d {
		w.run(200 * time.Millisecond)
		for _, n := range w.live() {
			if is, _ := n.Majority(w.now); is {
				yes[n.cfg.Self] = w.now - began
			} else {
				no[n.cfg.Self] = w.now - began
			}
			w.drain(n)
		}
	}
	return no, yes
}

func countedRing(t *testing.T, seed uint64, hosts, vnodes int) *testNet {
	w := newTestNet(t, seed, Config{Cache: true, Mesh: true, Census: terms})
	for h := range Host(hosts) {
		w.add(h, vnodes)
	}
	w.ideal()
	w.run(30 * time.Second)
	return w
}

// Of two parts of a ring only that of more than half of the hosts says that it is. The other one stops saying so at once where nobody asked before, and else within
// Fresh: by far before the other side takes the places of the absent. That holds for any number of positions, since it counts answers and not news.
func TestMajorityOfParts(t *testing.T) {
	for _, vnodes := range []int{1, 4, 16} {
		for _, hosts := range []int{3, 4, 20} {
			for _, small := range []int{(hosts - 1) / 2, hosts / 2} {
				t.Run(fmt.Sprintf("%d positions, %d of %d hosts", vnodes, small, hosts), func(t *testing.T) {
					w := countedRing(t, uint64(small), hosts, vnodes)
					no, _ := w.ask(2 * time.Second)
					for h, at := range no {
						if at > time.Second {
							t.Errorf("host %d has not the majority of a whole ring after %v", h, at)
						}
					}
					for h := range Host(small) {
						w.side[h] = 1
					}
					no, yes := w.ask(15 * time.Second)
					var slowest time.Duration
					for h := range w.nodes {
						switch {
						case 2*small == hosts || w.side[h] == 1:
							slowest = max(slowest, yes[h])
						case no[h] >= 0:
							t.Errorf("host %d of the larger part had no majority after %v", h, no[h])
						}
					}
					t.Logf("the smaller part says yes until %v", slowest)
					if slowest > terms.Fresh+time.Second {
						t.Errorf("the smaller part claims the majority for %v", slowest)
					}
				})
			}
		}
	}
}

// Who asks for the first time on the smaller side never hears yes.
func TestMajorityAskedLate(t *testing.T) {
	w := countedRing(t, 1, 20, 4)
	for h := range Host(10) {
		w.side[h] = 1
	}
	w.run(terms.Fresh)
	_, yes := w.ask(20 * time.Second)
	for h, at := range yes {
		if at >= 0 {
			t.Errorf("host %d: yes after %v", h, at)
		}
	}
}

// join adds a host on a side of a partition.
func (w *testNet) join(h Host, side int, via Host) {
	n := w.add(h, 4)
	w.side[h] = side
	if err := n.Join(w.now, Ref{ID: w.places[via][0], Host: via}); err != nil {
		w.t.Fatal(err)
	}
	w.drain(n)
}

// Newcomers have no say in which half of a ring goes on, nor do they believe that theirs is more than it is.
func TestMajorityOfNewcomers(t *testing.T) {
	w := countedRing(t, 1, 20, 4)
	for h := range Host(10) {
		w.side[h] = 1
	}
	w.ask(20 * time.Second)
	for i := range Host(4) {
		w.join(100+i, 0, 15)
		w.join(200+i, 1, 5)
		w.run(2 * time.Second)
	}
	_, yes := w.ask(2 * time.Minute)
	for h, at := range yes {
		if at >= 0 {
			t.Errorf("host %d: yes after %v", h, at)
		}
	}
	w.side = map[Host]int{}
	no, _ := w.ask(2 * time.Minute)
	for h, at := range no {
		if at > time.Minute {
			t.Errorf("host %d has no majority %v after the ring was healed", h, at)
		}
	}
}

// A host that starts again counts those that it knew.
func TestMajorityAfterRestart(t *testing.T) {
	w := countedRing(t, 1, 12, 4)
	for h := range Host(6) {
		w.side[h] = 1
	}
	w.run(10 * time.Second)
	all := w.refs()
	for h := range Host(6) { // each of the half, so that nobody there remembers the others by itself
		w.kill(h)
	}
	for h := range Host(6) {
		n := w.add(h, 4)
		n.cfg.Incarnation = 2
		if err := n.Restore(w.now, all...); err != nil {
			t.Fatal(err)
		}
		w.drain(n)
	}
	_, yes := w.ask(2 * time.Minute)
	for h, at := range yes {
		if at >= 0 {
			t.Errorf("host %d: yes after %v", h, at)
		}
	}
	w.side = map[Host]int{}
	no, _ := w.ask(2 * time.Minute)
	for h, at := range no {
		if at > 90*time.Second {
			t.Errorf("host %d has no majority %v after the ring was healed", h, at)
		}
	}
}

// Two hosts lost for ever, one that leaves, and one that joins change nothing; nor does it matter once the lost are forgotten.
func TestMajorityOfSurvivors(t *testing.T) {
	w := countedRing(t, 1, 5, 4)
	w.ask(time.Second)
	w.kill(1, 2)
	if no, _ := w.ask(time.Minute); no[0] >= 0 || no[3] >= 0 || no[4] >= 0 {
		t.Errorf("three of five: no at %v", no)
	}
	w.nodes[4].Leave(w.now)
	w.drain(w.nodes[4])
	w.run(time.Second)
	w.kill(4)
	if _, yes := w.ask(time.Minute); yes[0] > terms.Fresh || yes[3] > terms.Fresh {
		t.Errorf("two of four: yes at %v", yes)
	}
	w.run(terms.Remember)
	if no, _ := w.ask(time.Minute); no[0] > time.Second || no[3] > time.Second {
		t.Errorf("two of two: no at %v", no)
	}
}

// In a large ring a random few are asked, and three quarters of them have to answer.
func TestMajorityBySample(t *testing.T) {
	for _, lost := range []int{5, 50} {
		rng := rand.New(rand.NewPCG(1, uint64(lost)))
		c := NewCensus(terms, 0, rng)
		c.Begin(0, true)
		for h := range Host(1000) {
			c.Alive(0, h, false)
		}
		var now time.Duration
		c.Majority(now)
		asked := 0
		for _, h := range c.Due(now, nil) {
			asked++
			if int(h)%100 >= lost {
				c.Heard(now, h)
			}
		}
		if got := c.Majority(now + time.Second); asked != maxPolled || got != (lost < 25) {
			t.Errorf("%d of 100 lost, %d asked: majority %t", lost, asked, got)
		}
	}
}

// Without terms or without a membership nobody counts.
func TestMajorityOff(t *testing.T) {
	for _, config := range []Config{{Cache: true}, {Census: terms}} {
		w := newTestNet(t, 1, config)
		w.add(0, 1)
		w.ideal()
		if yes, counts := w.nodes[0].Majority(0); yes || counts {
			t.Errorf("%+v: %t, %t", config, yes, counts)
		}
	}
}

// Where some hosts cannot reach some others, but a third part reaches both, nobody is thought dead by all: who is takes it back by way of the third. So
// for nobody does anybody stay dead for as long as it takes to give its place away.
func TestPartlyCut(t *testing.T) {
	w := countedRing(t, 1, 20, 4)
	cut := func(a, b Host) bool { return a < 3 && b >= 3 && b < 6 || b < 3 && a >= 3 && a < 6 }
	w.lossy = cut
	since := map[[2]Host]time.Duration{}
	var longest time.Duration
	for range 600 {
		w.run(200 * time.Millisecond)
		for _, n := range w.live() {
			for h := range Host(20) {
				k := [2]Host{n.cfg.Self, h}
				if n.Alive(h) {
					delete(since, k)
				} else if at, ok := since[k]; ok {
					longest = max(longest, w.now-at)
				} else {
					since[k] = w.now
				}
			}
		}
	}
	if t.Logf("thought dead for at most %v", longest); longest > 15*time.Second {
		t.Error("too long")
	}
}
