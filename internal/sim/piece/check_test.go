package piece

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/internal/sim/record"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// check verifies what must hold between any two events.
func (s *swarm) check() error {
	for p := range int32(len(s.peers)) {
		n := &s.node[p]
		if n.flags&here == 0 {
			if s.row[p].deg != 0 {
				return fmt.Errorf("peer %d is not here and has %d links", p, s.row[p].deg)
			}
			continue
		}
		if err := s.checkRates(p); err != nil {
			return err
		}
		if err := s.checkLinks(p); err != nil {
			return err
		}
		if err := s.checkPieces(p); err != nil {
			return err
		}
	}
	return nil
}

// checkRates: neither direction of a link is ever faster than its rate, and what is not used is known.
func (s *swarm) checkRates(p int32) error {
	up, down, out := int64(0), int64(0), int32(0)
	for x := range s.x {
		t := &s.x[x]
		if !t.alive || t.rate == 0 {
			continue
		}
		if t.from == p {
			up += t.rate
			out++
		}
		if t.to == p {
			down += t.rate
		}
	}
	n, who := &s.node[p], &s.peers[p]
	if n.upFree < 0 || n.downFree < 0 || up+n.upFree != limit(who.Up) || down+n.downFree != limit(who.Down) || out != n.out {
		return fmt.Errorf("peer %d sends %d of %d (%d free, %d transfers, counted %d) and receives %d of %d (%d free)",
			p, up, limit(who.Up), n.upFree, out, n.out, down, limit(who.Down), n.downFree)
	}
	if up > 0 && !s.shares(p) {
		return fmt.Errorf("peer %d shares nothing and uploads", p)
	}
	return nil
}

// checkLinks: both ends agree, and transfers know their slots.
func (s *swarm) checkLinks(p int32) error {
	for slot := range s.row[p].deg {
		e := s.at(p, slot)
		back := s.reverse(e)
		if s.peer[back] != p || s.reverse(back) != e || !s.is(s.peer[e], here) {
			return fmt.Errorf("the link of %d to %d does not lead back", p, s.peer[e])
		}
		if (s.bits[e]&open != 0) != (s.bits[back]&opened != 0) {
			return fmt.Errorf("%d and %d do not agree on who is choked", p, s.peer[e])
		}
		if x := s.link[e].x; x != none && (!s.x[x].alive || s.x[x].from != p || s.x[x].slot != slot || s.x[x].to != s.peer[e]) {
			return fmt.Errorf("the transfer of %d to %d is not that of its link", p, s.peer[e])
		}
		if j := s.link[e].own; j != none && (!s.job[j].owned || s.job[j].rest <= 0) {
			return fmt.Errorf("%d waits for nothing at %d", s.peer[e], p)
		}
	}
	return nil
}

// checkPieces: each piece is here, wanted, or somebody works on it.
func (s *swarm) checkPieces(p int32) error {
	count, wanted := int32(0), int32(0)
	for i := range s.pieces {
		have := s.haveRow(p)[i>>6]>>(i&63)&1 == 1 || s.known[p] == hides
		want := s.wantedRow(p)[i>>6]>>(i&63)&1 == 1
		if have && want {
			return fmt.Errorf("peer %d wants piece %d that it has", p, i)
		}
		if have {
			count++
		}
		if want {
			wanted++
		}
	}
	if n := &s.node[p]; count != s.count[p] || count+wanted+n.working != int32(s.pieces) || n.begun < 0 || n.begun > wanted {
		return fmt.Errorf("peer %d has %d pieces (counted %d), wants %d, %d on their way, %d begun, of %d", p, count, s.count[p],
			wanted, n.working, n.begun, s.pieces)
	}
	return nil
}

// anyScenario draws a small swarm of everything that a scenario can say.
func anyScenario(t *rapid.T) *scenario.Scenario {
	rate := func(name string, zero bool) int64 {
		if zero && rapid.IntRange(0, 2).Draw(t, name+" unlimited") == 0 {
			return 0
		}
		return int64(rapid.IntRange(20_000, 2_000_000).Draw(t, name))
	}
	sc := &scenario.Scenario{Name: "any", Seed: rapid.Uint64().Draw(t, "seed"),
		Size:        int64(rapid.IntRange(1, 3_000_000).Draw(t, "size")),
		PieceLength: int64(rapid.SampledFrom([]int{16384, 32768, 65536, 262144}).Draw(t, "piece")),
		Degree:      rapid.SampledFrom([]int{0, 2, 4, 8}).Draw(t, "degree"),
		Slots:       rapid.IntRange(0, 5).Draw(t, "slots"),
		Policy:      rapid.SampledFrom(policy.All()).Draw(t, "policy"),
		Exchange:    rapid.SampledFrom([]scenario.Exchange{scenario.BySlots, scenario.BySlots, scenario.Serial, scenario.Rounds}).Draw(t, "exchange"),
		Latency:     time.Duration(rapid.SampledFrom([]int{0, 5, 200}).Draw(t, "latency")) * time.Millisecond,
		Tracker:     time.Duration(rapid.SampledFrom([]int{0, 3}).Draw(t, "tracker")) * time.Second,
		Server: scenario.Server{Count: rapid.IntRange(1, 3).Draw(t, "servers"), Up: rate("server", false),
			Copies: rapid.SampledFrom([]float64{0, 0, 1.5}).Draw(t, "copies")},
		Until: 5 * time.Minute,
	}
	for range rapid.IntRange(1, 3).Draw(t, "classes") {
		c := scenario.Class{Name: "c", Count: rapid.IntRange(1, 8).Draw(t, "count"), Up: rate("up", false), Down: rate("down", true),
			Strategy: rapid.SampledFrom([]scenario.Strategy{"", "", scenario.FreeRider, scenario.Thief}).Draw(t, "strategy"),
			Have:     rapid.SampledFrom([]float64{0, 0, 0.5, 1}).Draw(t, "have"),
			Fail:     rapid.SampledFrom([]float64{0, 0, 0.02}).Draw(t, "fail")}
		c.Arrive.Within = time.Duration(rapid.IntRange(0, 20).Draw(t, "within")) * time.Second
		c.Leave = rapid.SampledFrom([]scenario.Leave{{}, {Kind: scenario.AtCompletion}, {Kind: scenario.AfterTime, Stay: 5 * time.Second}}).Draw(t, "leave")
		sc.Classes = append(sc.Classes, c)
	}
	return sc
}

// In any swarm the books balance after every event, nobody is faster than its links, and nothing stands still for ever that
// could go on: when it ends before its time, everybody who is left is complete.
func TestAnySwarmKeepsItsBooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := anyScenario(t)
		peers := sc.Population()
		s, err := newSwarm(sc, peers, record.New(sc, peers))
		if err != nil {
			t.Fatal(err)
		}
		for events := 0; s.step(); events++ {
			if events < 4000 {
				if err := s.check(); err != nil {
					t.Fatalf("event %d at %v: %v", events, s.now, err)
				}
			}
		}
		if err := s.check(); err != nil {
			t.Fatal(err)
		}
		for p := sc.Servers(); p < len(peers); p++ {
			if own := s.rec.Result(); s.over() && own.Complete+own.Failed < own.Peers {
				t.Fatalf("it is over with %d of %d complete and %d failed", own.Complete, own.Peers, own.Failed)
			}
			break
		}
	})
}

// Whatever the swarm: the one peer that comes with nothing to a server that stays gets everything, and not faster than its links.
func TestEverybodyGetsEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := anyScenario(t)
		sc.Server.Copies, sc.Until, sc.Degree = 0, 0, 0
		for i := range sc.Classes {
			c := &sc.Classes[i]
			c.Fail, c.Have = 0, 0
		}
		peers := sc.Population()
		rec := record.New(sc, peers)
		if err := Run(context.Background(), sc, peers, rec, Options{}); err != nil {
			t.Fatal(err)
		}
		res := rec.Result()
		if res.Complete != res.Peers {
			t.Fatalf("%d of %d are complete at %v", res.Complete, res.Peers, res.End)
		}
		bound, ok := sc.BoundOf(peers, nil)
		if ok && sc.Classes[0].Arrive.Within == 0 && len(sc.Classes) == 1 && res.LastDone.Seconds() < bound.Seconds {
			t.Fatalf("the last after %v, the bound is %.6f s", res.LastDone, bound.Seconds)
		}
		for i, own := range res.All {
			var server int64
			for k := range sc.Servers() {
				server += peers[k].Up
			}
			if i == 0 && own.Seconds() < float64(sc.Size)/(float64(server)+8*3*2_000_000) {
				t.Fatalf("the first after %v", own)
			}
		}
	})
}

// The same scenario and seed give the same run, another seed another one.
func TestSameSeedSameDigest(t *testing.T) {
	digest := func(seed uint64) string {
		sc := equal(40, 16)
		sc.Seed, sc.Classes[0].Fail, sc.Tracker = seed, 0.01, 2*time.Second
		return run(t, sc).Digest
	}
	a, b, c := digest(1), digest(1), digest(2)
	if a != b || a == c {
		t.Errorf("digests %s and %s for seed 1, %s for seed 2", a, b, c)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	sc := equal(300, 64)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	peers := sc.Population()
	calls := 0
	err := Run(ctx, sc, peers, record.New(sc, peers), Options{Progress: func(now time.Duration, done int) {
		calls++
		cancel()
	}})
	if err == nil || ctx.Err() == nil || calls != 1 {
		t.Errorf("error %v after %d calls", err, calls)
	}
}

func TestTooManyLinksAreRefused(t *testing.T) {
	sc := equal(100_000, 16)
	sc.Degree = 0
	peers := sc.Population()
	if err := Run(context.Background(), sc, peers, record.New(sc, peers), Options{}); err == nil {
		t.Error("a full mesh of 100,000 peers was accepted")
	}
}

// equal is n peers with equal uplinks, ten times faster a server, and m pieces.
func equal(n, m int) *scenario.Scenario {
	return &scenario.Scenario{Name: "equal", Size: int64(m) << 18, PieceLength: 1 << 18, Seed: 1, Degree: 50, Latency: 20 * time.Millisecond,
		Server: scenario.Server{Up: 10 << 20}, Classes: []scenario.Class{{Name: "peers", Count: n, Up: 1 << 20}}}
}

func run(t testing.TB, sc *scenario.Scenario) *record.Result {
	t.Helper()
	peers := sc.Population()
	rec := record.New(sc, peers)
	if err := Run(context.Background(), sc, peers, rec, Options{}); err != nil {
		t.Fatal(err)
	}
	return rec.Result()
}
