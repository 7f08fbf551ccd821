package scenario

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawn is a small scenario of any kind.
func drawn(t *rapid.T) *Scenario {
	sc := &Scenario{Size: 1 << 20, PieceLength: 1 << 16, Seed: rapid.Uint64().Draw(t, "seed"), Degree: rapid.IntRange(0, 12).Draw(t, "degree")}
	sc.Server = Server{Count: rapid.IntRange(0, 3).Draw(t, "servers"), Up: 1000}
	for range rapid.IntRange(1, 3).Draw(t, "classes") {
		kind := rapid.SampledFrom([]ArrivalKind{"", AtOnce, FlashCrowd, Poisson, Trace}).Draw(t, "arrive")
		c := Class{Count: rapid.IntRange(1, 30).Draw(t, "count"), Up: 100, Degree: rapid.IntRange(0, 5).Draw(t, "own degree"),
			Arrive: Arrival{Kind: kind, At: time.Duration(rapid.IntRange(0, 3).Draw(t, "at")) * time.Second, Within: time.Second, Rate: 2}}
		if kind == Trace {
			c.Arrive.Trace = []time.Duration{3 * time.Second, 0, time.Second}
		}
		if rapid.Bool().Draw(t, "thief") {
			c.Strategy = Thief
		}
		sc.Classes = append(sc.Classes, c)
	}
	return sc
}

// Whoever is drawn is there, once, and not oneself; the same seed draws the same graph.
func TestTopologyIsAGraph(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := drawn(t)
		peers := sc.Population()
		a, b := NewTopology(sc, peers), NewTopology(sc, peers)
		for i := sc.Servers(); i < len(peers); i++ {
			out := slices.Clone(a.Join(i))
			if again := b.Join(i); !slices.Equal(out, again) {
				t.Fatalf("peer %d: %v and then %v", i, out, again)
			}
			seen := map[int32]bool{}
			for _, j := range out {
				if seen[j] || int(j) == i || !a.Present(int(j)) {
					t.Fatalf("peer %d was given %d in %v", i, j, out)
				}
				seen[j] = true
			}
			if peers[i].Degree == 0 && peers[i].Strategy == Honest && len(out) != a.Len()-1 {
				t.Fatalf("peer %d of a full mesh was given %d of %d", i, len(out), a.Len()-1)
			}
			if gone := rapid.IntRange(0, 3*len(peers)).Draw(t, "gone"); gone < i {
				a.Leave(gone)
				b.Leave(gone)
			}
			n := min(3, len(out))
			for _, j := range a.Refill(i, out[:n]) {
				if slices.Contains(out[:n], j) || int(j) == i || !a.Present(int(j)) {
					t.Fatalf("refill of %d with %v gave %d", i, out[:n], j)
				}
			}
			b.Refill(i, out[:n])
		}
	})
}

// A swarm that comes at once has its degree on average, and nobody is left out; so does one that comes one by one.
func TestTopologyDegree(t *testing.T) {
	for _, within := range []time.Duration{0, time.Minute} {
		sc := &Scenario{Size: 1, PieceLength: 1, Seed: 3, Degree: 30, Classes: []Class{{Count: 2000, Arrive: Arrival{Within: within}}}}
		peers := sc.Population()
		top := NewTopology(sc, peers)
		degree := make([]int, len(peers))
		for i := 1; i < len(peers); i++ {
			for _, j := range top.Join(i) {
				degree[i]++
				degree[j]++
			}
		}
		sum := 0
		for _, d := range degree {
			sum += d
		}
		if mean := float64(sum) / float64(len(degree)); mean < 28.5 || mean > 31 {
			t.Errorf("within %v: mean degree %.1f, want 30", within, mean)
		}
		if least := slices.Min(degree); least < 8 {
			t.Errorf("within %v: a peer of %d neighbours", within, least)
		}
		if degree[0] < 15 {
			t.Errorf("within %v: the server has %d neighbours, want those of the first 15", within, degree[0])
		}
	}
}

func TestTopologySmallSwarmsAreMeshes(t *testing.T) {
	sc := &Scenario{Size: 1, PieceLength: 1, Degree: 50, Classes: []Class{{Count: 50}}}
	peers := sc.Population()
	top := NewTopology(sc, peers)
	edges := 0
	for i := 1; i < len(peers); i++ {
		edges += len(top.Join(i))
	}
	if want := 51 * 50 / 2; edges != want {
		t.Errorf("%d connections, want all %d", edges, want)
	}
}

// Who knows everybody is known by everybody who comes at the same instant, whoever of the two is first.
func TestTopologyOfMixedDegrees(t *testing.T) {
	sc := &Scenario{Size: 1, PieceLength: 1, Seed: 1, Degree: 6, Classes: []Class{{Count: 30}, {Count: 30}}}
	peers := sc.Population()
	for i := range peers {
		if peers[i].Class == 1 {
			peers[i].Degree = 0
		}
	}
	top, linked := NewTopology(sc, peers), map[[2]int]bool{}
	for i := 1; i < len(peers); i++ {
		for _, j := range top.Join(i) {
			linked[[2]int{i, int(j)}], linked[[2]int{int(j), i}] = true, true
		}
	}
	for i := 1; i < len(peers); i++ {
		for j := range peers {
			if i != j && peers[i].Degree == 0 && !linked[[2]int{i, j}] {
				t.Errorf("peer %d knows everybody, but not %d", i, j)
			}
		}
	}
}
