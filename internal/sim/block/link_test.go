package block

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/eddy-p2p/eddy/internal/core/rate"
	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/internal/sim/record"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
	"github.com/eddy-p2p/eddy/metainfo"
)

// meter holds one direction of one peer to its rate: within any interval at most rate x its length and burst bytes pass.
type meter struct {
	rate, burst int64
	free        time.Duration // when a link of that rate would be done with all that passed
}

func (l *meter) pass(now time.Duration, n int64) error {
	if l.rate == 0 {
		return nil
	}
	l.free = max(l.free, now) + time.Duration(float64(n)/float64(l.rate)*1e9)
	// A microsecond for the rounding of some thousand blocks.
	if ahead, may := l.free-now, time.Duration(float64(l.burst)/float64(l.rate)*1e9)+time.Microsecond; ahead > may {
		return fmt.Errorf("%v ahead of its rate of %d, at most %v", ahead, l.rate, may)
	}
	return nil
}

// anyScenario draws a small one.
func anyScenario(t *rapid.T) *scenario.Scenario {
	draw := func(name string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(t, name) }
	speed := func(name string) int64 {
		return rapid.SampledFrom([]int64{0, 100 * kib, 400 * kib, mib, 3 * mib, 20 * mib}).Draw(t, name)
	}
	ms := func(name string, lo, hi int) time.Duration {
		return time.Duration(draw(name, lo, hi)) * time.Millisecond
	}
	sc := &scenario.Scenario{
		Size: int64(draw("size", 1, 4<<20)), PieceLength: int64(16<<draw("piece", 0, 4)) * kib, Seed: uint64(draw("seed", 0, 1000)),
		Server: scenario.Server{Count: draw("servers", 1, 2), Up: max(speed("server up"), 100*kib), Down: speed("server down")},
		Degree: rapid.SampledFrom([]int{0, 3, 6}).Draw(t, "degree"), Slots: draw("slots", 0, 5),
		Latency: rapid.SampledFrom([]time.Duration{0, 200 * time.Microsecond, 20 * time.Millisecond, 150 * time.Millisecond}).Draw(t, "latency"),
		Tracker: ms("tracker", 0, 1) * 5000,
	}
	if rapid.Bool().Draw(t, "link") {
		sc.Shaping = scenario.ByLink
	}
	for k := range draw("classes", 1, 3) {
		c := scenario.Class{Name: fmt.Sprint("class ", k), Count: draw("count", 1, 5), Up: speed("up"), Down: speed("down")}
		c.Arrive = rapid.SampledFrom([]scenario.Arrival{{}, {Within: 2 * time.Second}, {Kind: scenario.Poisson, Rate: 3},
			{Kind: scenario.FlashCrowd, Within: time.Second}, {Kind: scenario.Trace, Trace: []time.Duration{time.Second, 0}}}).Draw(t, "arrive")
		c.Leave = rapid.SampledFrom([]scenario.Leave{{}, {Kind: scenario.AtCompletion}, {Kind: scenario.AfterTime, Stay: time.Second},
			{Kind: scenario.AfterTime, Stay: time.Second, Random: true}}).Draw(t, "leave")
		c.Fail = rapid.SampledFrom([]float64{0, 0, 0, 0.05}).Draw(t, "fail")
		c.Strategy = rapid.SampledFrom([]scenario.Strategy{scenario.Honest, scenario.Honest, scenario.FreeRider, scenario.Thief}).Draw(t, "strategy")
		c.Have = rapid.SampledFrom([]float64{0, 0, 0.3, 1}).Draw(t, "have")
		sc.Classes = append(sc.Classes, c)
	}
	return sc
}

// TestLinksKeepTheirRates: whatever happens, nobody sends or receives more than its rate allows, and everybody who
// knows a server and does not fail gets the content: the servers stay.
func TestLinksKeepTheirRates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := anyScenario(t)
		peers := sc.Population()
		rec := record.New(sc, peers)
		m, err := newSimulation(sc, peers, rec, Options{})
		if err != nil {
			t.Fatal(err)
		}
		ups, downs := make([]meter, len(peers)), make([]meter, len(peers))
		got := make([]int64, len(peers))
		for i, p := range peers {
			// A block leaves a link when its last byte is through, so it is ahead of nothing but itself.
			ups[i], downs[i] = meter{rate: p.Up, burst: metainfo.BlockSize}, meter{rate: p.Down, burst: metainfo.BlockSize}
			if !m.linked {
				ups[i].burst += rate.Burst(p.Up)
			}
		}
		m.carried = func(i int32, up bool, n int64) {
			what, meters := "upload", ups
			p := &peers[i]
			if !up {
				what, meters = "download", downs
				if got[i] += n; !m.linked {
					// A limited Swarm keeps to its rate when it asks, not when the answers come: only the sum is bounded.
					may := int64(float64(p.Down)*(m.now-p.Arrive).Seconds()) + metainfo.BlockSize
					if p.Arrive > 0 { // the bucket has filled since the start
						may += rate.Burst(p.Down)
					}
					if p.Down > 0 && got[i] > may {
						t.Fatalf("peer %d received %d bytes until %v, at most %d", i, got[i], m.now, may)
					}
					return
				}
			}
			if err := meters[i].pass(m.now, n); err != nil {
				t.Fatalf("%s of peer %d at %v: %v", what, i, m.now, err)
			}
			if up && p.Strategy != scenario.Honest {
				t.Fatalf("peer %d, a %s, uploads", i, p.Strategy)
			}
		}
		if err := m.run(context.Background()); err != nil {
			t.Fatal(err)
		}
		checkEnd(t, sc, m, rec.Result())
	})
}

// checkEnd compares what is left after a run with what was reported.
func checkEnd(t *rapid.T, sc *scenario.Scenario, m *simulation, r *record.Result) {
	waiting := 0
	for i := range m.nodes {
		n := &m.nodes[i]
		if n.there != (n.sw != nil) {
			t.Fatalf("peer %d is there: %v, and has a Swarm: %v", i, n.there, n.sw != nil)
		}
		if i >= sc.Servers() && n.there && !n.done {
			waiting++
		}
	}
	for e := range m.ends {
		if other := m.ends[e^1].node; m.ends[e].unchoked && !m.nodes[other].there {
			t.Fatalf("peer %d is reported to serve %d, which is gone", m.ends[e].node, other)
		}
	}
	// Where not everybody knows a server, a peer may know free riders only.
	if waiting > 0 && sc.Degree == 0 || r.Complete > r.Peers {
		t.Fatalf("%d peers wait at %v; %d complete, %d failed of %d", waiting, m.now, r.Complete, r.Failed, r.Peers)
	}
	if b, ok := sc.BoundOf(m.peers, func(i int) bool { return i >= sc.Servers() && m.nodes[i].done }); ok && sc.Shaping == scenario.ByLink &&
		r.LastDone.Seconds() < b.Seconds {
		t.Fatalf("all complete after %v, the bound is %v s", r.LastDone, b.Seconds)
	}
}

// A receiving link that is slower than the sender's holds only its own connection back: the sender's other connection gets
// the rest, and what waits before the slow link stays within its window.
func TestSlowReceiverHoldsNobodyBack(t *testing.T) {
	sc := &scenario.Scenario{Size: 8 * mib, PieceLength: 256 * kib, Server: scenario.Server{Up: 10 * mib}, Latency: wan, Shaping: scenario.ByLink,
		Classes: []scenario.Class{
			{Name: "slow", Count: 1, Down: mib, Strategy: scenario.FreeRider},
			{Name: "fast", Count: 1, Down: 20 * mib, Strategy: scenario.FreeRider}}}
	peers := sc.Population()
	rec := record.New(sc, peers)
	m, err := newSimulation(sc, peers, rec, Options{})
	if err != nil {
		t.Fatal(err)
	}
	queued := int64(0)
	m.carried = func(i int32, up bool, n int64) {
		if peers[i].Down == mib && !up {
			queued = max(queued, blocksIn(&m.nodes[i].down)*metainfo.BlockSize)
		}
	}
	if err := m.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	r := rec.Result()
	slow, fast := r.Classes[0].Own.Max, r.Classes[1].Own.Max
	if least := 8 * time.Second; slow < least || slow > least*11/10 {
		t.Errorf("8 MiB over a downlink of 1 MiB/s took %v", slow)
	}
	if least := time.Second * 8 / 9; fast < least*9/10 || fast > least*3/2 {
		t.Errorf("8 MiB of the 9 MiB/s that the slow one leaves took %v", fast)
	}
	if queued > 128*kib {
		t.Errorf("%d bytes queued before the slow link: that is more than it carries in an eighth of a second", queued)
	}
}

func blocksIn(r *ring) (n int64) {
	for k := range r.n {
		if r.buf[(r.head+k)&(len(r.buf)-1)].kind == wire.Piece {
			n++
		}
	}
	return n
}

// The writer hands a socket no more than the kernel takes, and the Swarm hears of a batch when all of it was taken.
func TestSocketTakesWhatTheKernelTakes(t *testing.T) {
	sc := &scenario.Scenario{Size: 16 * mib, PieceLength: 256 * kib, Server: scenario.Server{Up: mib}, Latency: wan, Shaping: scenario.ByLink,
		Classes: []scenario.Class{{Name: "peers", Count: 3, Strategy: scenario.FreeRider}}}
	peers := sc.Population()
	m, err := newSimulation(sc, peers, record.New(sc, peers), Options{})
	if err != nil {
		t.Fatal(err)
	}
	most := int64(0)
	m.carried = func(_ int32, up bool, n int64) {
		if !up {
			return
		}
		for e, p := range m.pipes {
			if p == nil {
				continue
			}
			most = max(most, p.unsent)
			if p.unsent >= notSentLowat+metainfo.BlockSize {
				t.Fatalf("end %d: %d bytes unsent", e, p.unsent)
			}
			if p.blocked && p.unsent == 0 {
				t.Fatalf("end %d: a writer waits for an empty socket", e)
			}
		}
	}
	if err := m.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if most < notSentLowat {
		t.Errorf("at most %d bytes unsent: the socket was never full, though the server has more to send", most)
	}
}
