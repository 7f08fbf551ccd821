package scenario

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/eddy-p2p/eddy/internal/core/policy"
)

// A population is sorted by arrival, has as many of each class as asked for, and depends on nothing but scenario and seed.
func TestPopulation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := drawn(t)
		peers := sc.Population()
		if diff := cmp.Diff(peers, sc.Population()); diff != "" {
			t.Fatal(diff)
		}
		count := make([]int, len(sc.Classes))
		for i, p := range peers {
			if i < sc.Servers() {
				if p.Class != -1 || p.Have != 1 || p.Fail != Forever {
					t.Fatalf("server %d: %+v", i, p)
				}
				continue
			}
			count[p.Class]++
			if i > sc.Servers() && p.Arrive < peers[i-1].Arrive {
				t.Fatalf("peer %d comes before peer %d", i, i-1)
			}
		}
		for c, n := range count {
			want := sc.Classes[c].Count
			if sc.Classes[c].Arrive.Kind == Trace {
				want = min(want, 3)
			}
			if n != want {
				t.Fatalf("class %d has %d peers, want %d", c, n, want)
			}
		}
	})
}

// Arrivals, stays and failures follow the laws that their names promise.
func TestProcesses(t *testing.T) {
	const n = 20000
	base := func(c Class) []Peer {
		c.Count, c.Name, c.Up = n, "x", 1
		sc := &Scenario{Size: 1, PieceLength: 1, Seed: 5, Classes: []Class{c}}
		return sc.Population()[1:]
	}
	mean := func(of func(Peer) float64, peers []Peer) float64 {
		var sum float64
		for _, p := range peers {
			sum += of(p)
		}
		return sum / float64(len(peers))
	}
	for _, row := range []struct {
		name string
		c    Class
		of   func(Peer) float64
		want float64
	}{
		{"poisson: the n-th comes after n/rate", Class{Arrive: Arrival{Kind: Poisson, Rate: 4}},
			func(p Peer) float64 { return p.Arrive.Seconds() }, n / 2 / 4.0},
		{"flash crowd: mean 1/decay", Class{Arrive: Arrival{Kind: FlashCrowd, Within: 10 * time.Second, At: time.Second}},
			func(p Peer) float64 { return p.Arrive.Seconds() }, 11},
		{"evenly", Class{Arrive: Arrival{Within: 10 * time.Second, At: time.Second}}, func(p Peer) float64 { return p.Arrive.Seconds() }, 6},
		{"stay", Class{Leave: Leave{Kind: AfterTime, Stay: 20 * time.Second, Random: true}}, func(p Peer) float64 { return p.Stay.Seconds() }, 20},
		{"fixed stay", Class{Leave: Leave{Kind: AfterTime, Stay: 20 * time.Second}}, func(p Peer) float64 { return p.Stay.Seconds() }, 20},
		{"selfish", Class{Leave: Leave{Kind: AtCompletion}}, func(p Peer) float64 { return p.Stay.Seconds() }, 0},
		{"failures", Class{Fail: 0.01}, func(p Peer) float64 { return (p.Fail - p.Arrive).Seconds() }, 100},
	} {
		if got := mean(row.of, base(row.c)); math.Abs(got-row.want) > 0.03*row.want {
			t.Errorf("%s: mean %.2f, want %.2f", row.name, got, row.want)
		}
	}
	// The squares tell an exponential (twice the mean squared) from anything even.
	crowd := base(Class{Arrive: Arrival{Kind: FlashCrowd, Within: 10 * time.Second}})
	if got := mean(func(p Peer) float64 { s := p.Arrive.Seconds(); return s * s }, crowd); math.Abs(got-200) > 15 {
		t.Errorf("flash crowd: mean square %.1f, want 200", got)
	}
	var gaps []Peer
	for i, p := range base(Class{Arrive: Arrival{Kind: Poisson, Rate: 0.1}}) {
		if i%2 == 1 {
			p.Arrive -= gaps[len(gaps)-1].Arrive
			gaps[len(gaps)-1] = p
			continue
		}
		gaps = append(gaps, p)
	}
	if got := mean(func(p Peer) float64 { s := p.Arrive.Seconds(); return s * s }, gaps); math.Abs(got-200) > 15 {
		t.Errorf("poisson: mean square of the gaps %.1f, want 200", got)
	}
	open := &Scenario{Size: 1, PieceLength: 1, Until: 1000 * time.Second, Classes: []Class{{Arrive: Arrival{Kind: Poisson, Rate: 5}}}}
	if got := len(open.Population()) - 1; got < 4750 || got > 5250 {
		t.Errorf("%d arrivals of an open process, want about 5000", got)
	}
}

// Who comes at the same instant stands in random order: no class is always first.
func TestTiesAreMixed(t *testing.T) {
	sc := &Scenario{Size: 1, PieceLength: 1, Classes: []Class{{Count: 500}, {Count: 500}}}
	first := 0
	for _, p := range sc.Population()[1:501] {
		if p.Class == 0 {
			first++
		}
	}
	if first < 200 || first > 300 {
		t.Errorf("%d of the first 500 are of the first class", first)
	}
}

func TestBound(t *testing.T) {
	sc := &Scenario{Size: 1000, PieceLength: 10, Server: Server{Up: 10}, Classes: []Class{{Count: 4, Up: 5, Down: 100}, {Count: 6, Up: 5, Strategy: FreeRider}}}
	peers := sc.Population()
	// 10 x 1000 bytes by 10 + 4 x 5 bytes/s; free riders add nothing.
	if b, ok := sc.Bound(peers); !ok || math.Abs(b.Seconds-10000.0/30) > 1e-9 || b.Limit != "aggregate" {
		t.Errorf("bound %v %v", b, ok)
	}
	// Only one is complete, yet all may have helped it: the server's copy is what remains.
	if b, ok := sc.BoundOf(peers, func(i int) bool { return i == 1 }); !ok || b.Seconds != 100 || b.Limit != "server" {
		t.Errorf("bound of one %v %v", b, ok)
	}
	if _, ok := sc.BoundOf(peers, func(int) bool { return false }); ok {
		t.Error("a bound of nobody")
	}
	if end := sc.End(peers); math.Abs(end.Seconds()-20*10000.0/30) > 1e-3 {
		t.Errorf("ends at %v", end)
	}
	// One who comes late needs its bytes from then on: 1000 s after the first, and a copy by all
	// uploads together, 35 bytes/s.
	sc.Classes = append(sc.Classes, Class{Count: 1, Up: 5, Down: 100, Arrive: Arrival{At: 1000 * time.Second}})
	peers = sc.Population()
	if b, ok := sc.Bound(peers); !ok || b.Seconds != 1000+1000/35.0 || b.Limit != "aggregate" {
		t.Errorf("with a late one %v %v", b, ok)
	}
	sc.Classes[2].Down = 2
	if b, ok := sc.Bound(sc.Population()); !ok || b.Seconds != 1500 || b.Limit != "download" {
		t.Errorf("with a late and slow one %v %v", b, ok)
	}
	peers[3].Have = 0.5
	if _, ok := sc.Bound(peers); ok {
		t.Error("a bound although somebody had pieces")
	}
}

func TestPolicyOf(t *testing.T) {
	sc := &Scenario{Policy: policy.Cooperative, Classes: []Class{{}, {Policy: policy.Classic}}}
	for class, want := range map[int32]string{-1: "cooperative", 0: "cooperative", 1: "classic"} {
		if p := sc.PolicyOf(class); p.Name != want || p.Rank == nil {
			t.Errorf("class %d: %q", class, p.Name)
		}
	}
}
