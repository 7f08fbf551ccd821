package swarm

import (
	"testing"
	"time"
)

// Three of ten peers claim to have everything and corrupt it: trust.md's demand is that all complete, at most two pieces are
// wasted a bad peer, and nobody honest is banned.
func TestCorruptersCostTwoPieces(t *testing.T) {
	hostile := map[int]bool{2: true, 5: true, 9: true}
	for _, c := range []struct {
		name   string
		from   int64 // bytes that a corrupter sends before it starts
		pieces int64 // allowed waste a corrupter
	}{{"from the first block", 0, 2}, {"every third block", -1, 2}, {"after 2 MiB", 2 * mib, 8}} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(2) {
				m := newSim(simConfig{size: 16 * mib, piece: 256 * kib, seedUp: 4 * mib, ups: same(10, 2*mib), latency: wan,
					spread: 500 * time.Millisecond, seed: seed, hostile: hostile, check: seed == 0 && !testing.Short(),
					bad: func(from int, sent int64) bool {
						return hostile[from] && (c.from >= 0 && sent >= c.from || c.from < 0 && sent/16384%3 == 0)
					}})
				r := m.run()
				if m.err != nil {
					t.Fatal(m.err)
				}
				if r.done != 7 {
					t.Fatalf("seed %d: %d of 7 honest peers complete", seed, r.done)
				}
				for i, n := range m.nodes {
					if i > 0 && hostile[i] {
						continue
					}
					st := n.s.Stats()
					t.Logf("seed %d node %d: %d failures, %d KiB wasted, bans %v", seed, i, st.HashFailures, st.Wasted/kib, n.banned)
					if int64(st.HashFailures) > 3*c.pieces {
						t.Errorf("seed %d node %d: %d bad pieces", seed, i, st.HashFailures)
					}
					for b := range n.banned {
						if !hostile[b] {
							t.Errorf("seed %d: node %d banned the honest node %d", seed, i, b)
						}
					}
				}
			}
		})
	}
}

// Peers that claim everything and never send a block hold nobody up for long.
func TestLiarsNeverStopTheSwarm(t *testing.T) {
	hostile := map[int]bool{1: true, 4: true, 7: true}
	for _, silent := range []bool{true, false} {
		var trickle int
		m := newSim(simConfig{size: 16 * mib, piece: 256 * kib, seedUp: 4 * mib, ups: same(8, 2*mib), latency: wan,
			spread: 500 * time.Millisecond, seed: 7, hostile: hostile, check: true, until: 5 * time.Minute,
			mute: func(from int) bool {
				trickle++
				return hostile[from] && (silent || trickle%50 != 0)
			}})
		r := m.run()
		t.Log(r)
		if m.err != nil {
			t.Fatal(m.err)
		}
		if r.done != 5 || r.last > 40*time.Second {
			t.Errorf("silent %v: %d of 5 complete, the last at %v", silent, r.done, r.last)
		}
	}
}

// The only seeder leaves for ever as soon as the others jointly hold everything.
func TestSeederLeavesWhenAllIsOut(t *testing.T) {
	for seed := range uint64(5) {
		m := newSim(simConfig{size: 32 * mib, piece: 256 * kib, seedUp: 4 * mib, ups: same(6, 2*mib), latency: wan, spread: 500 * time.Millisecond,
			seed: seed, check: seed == 0 && !testing.Short()})
		var watch func()
		watch = func() {
			out := 0
			for i := range m.nodes[0].s.full.Len() {
				for _, n := range m.nodes[1:] {
					if n.s.have.Has(i) {
						out++
						break
					}
				}
			}
			if out < m.nodes[0].s.full.Len() {
				m.at(m.now+100*time.Millisecond, 0, watch)
				return
			}
			t.Logf("seed %d: the seeder leaves at %v, after %.2f copies", seed, m.now, float64(m.nodes[0].sent)/float64(m.cfg.size))
			m.nodes[0].left = true
			for h := Peer(0); h < m.nodes[0].next; h++ {
				m.drop(0, h)
			}
		}
		m.at(time.Second, 0, watch)
		r := m.run()
		if m.err != nil {
			t.Fatal(m.err)
		}
		if r.done != 6 {
			t.Errorf("seed %d: %d of 6 complete", seed, r.done)
		}
	}
}

// Without the fast extension nothing is refused and cancels are not answered; the swarm works all the same.
func TestSwarmOfPlainBEP3Peers(t *testing.T) {
	m := newSim(simConfig{size: 32 * mib, piece: 256 * kib, seedUp: 4 * mib, ups: same(6, 2*mib), latency: wan, spread: 500 * time.Millisecond,
		seed: 3, check: true, slow: true})
	r := m.run()
	t.Log(r)
	if m.err != nil || r.done != 6 || r.ratio > 1.15 {
		t.Error(r, m.err)
	}
}

// The same seed gives the same trace; another gives another.
func TestSameSeedSameTrace(t *testing.T) {
	trace := func(seed uint64) (sum uint64) {
		m := newSim(simConfig{size: 8 * mib, piece: 256 * kib, seedUp: 4 * mib, ups: same(6, 2*mib), latency: wan, spread: 500 * time.Millisecond, seed: seed})
		m.trace = func(node int, a Action) {
			for _, x := range []uint64{uint64(m.now), uint64(node), uint64(a.Kind), uint64(a.Peer), uint64(a.Msg.Kind), uint64(a.Msg.Index), uint64(a.Msg.Begin)} {
				sum = sum*1099511628211 ^ x
			}
		}
		m.run()
		return sum
	}
	a, b, c := trace(1), trace(1), trace(2)
	if a != b {
		t.Error("the same seed gave two traces")
	}
	if a == c {
		t.Error("two seeds gave the same trace")
	}
}

// A download limit is kept and used: the block requests are what is limited, so that nothing arrives that was not paid for.
func TestDownloadLimit(t *testing.T) {
	m := newSim(simConfig{size: 16 * mib, piece: 256 * kib, seedUp: 16 * mib, ups: same(1, mib), latency: wan, check: true,
		tweak: func(node int, c *Config) {
			if node == 1 {
				c.DownloadRate = 2 * mib
			}
		}})
	r := m.run()
	t.Log(r)
	if m.err != nil || r.done != 1 || r.last < 7900*time.Millisecond || r.last > 8300*time.Millisecond {
		t.Errorf("16 MiB at 2 MiB/s in %v, %v", r.last, m.err)
	}
}

// Upload limits are honest: no node sends more than 1.01 x its limit over the run, with the burst of 64 KiB on top.
func TestUploadLimitsAreHonest(t *testing.T) {
	m := newSim(simConfig{size: 32 * mib, piece: 256 * kib, seedUp: 4 * mib, ups: halves(8), latency: wan, spread: 500 * time.Millisecond, seed: 4})
	r := m.run()
	for i, n := range m.nodes {
		limit := float64(4 * mib)
		if i > 0 {
			limit = float64(m.cfg.ups[i-1])
		}
		if got := float64(n.sent); got > 1.01*limit*r.last.Seconds()+256*float64(kib) {
			t.Errorf("node %d sent %.0f bytes in %v, limit %.0f/s", i, got, r.last, limit)
		}
	}
}
