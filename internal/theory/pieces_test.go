package theory

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Mundinger, Weber and Weiss: with equal capacities, the server's too, T = (F/u)(1 + floor(log2 N)/M).
func TestPiecesOfEqualCapacities(t *testing.T) {
	for _, row := range []struct {
		n, m int
		want float64
	}{
		{35, 16, 1.3125}, {35, 64, 1.0781}, {35, 256, 1.0195}, {1000, 16, 1.5625}, {1000, 64, 1.1406}, {1000, 256, 1.0352},
		{1e5, 16, 2.0}, {1e5, 64, 1.25}, {1e5, 256, 1.0625}, {1e6, 16, 2.1875}, {1e6, 64, 1.2969}, {1e6, 256, 1.0742}, {1, 4, 1}, {2, 4, 1.25}, {3, 4, 1.25}, {4, 4, 1.5},
	} {
		got := Pieces(1, 1/float64(row.m), 1, Class{Peers: row.n, Up: 1})
		if math.Abs(got.Seconds-row.want) > 5e-5 {
			t.Errorf("N=%d M=%d: %v, want %v", row.n, row.m, got.Seconds, row.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n, m, u := rapid.IntRange(1, 1e7).Draw(t, "n"), rapid.IntRange(1, 5000).Draw(t, "m"), rapid.Float64Range(0.1, 1e9).Draw(t, "u")
		want := (1 + math.Floor(math.Log2(float64(n)))/float64(m)) * float64(m) / u
		if got := Pieces(float64(m), 1, u, Class{Peers: n, Up: u}); math.Abs(got.Seconds-want) > 1e-8*want {
			t.Fatalf("%v, want %v", got.Seconds, want)
		}
	})
}

// The bound is one: a greedy schedule, in which every sender always starts the copy of the piece that is rarest, never beats it.
// Small swarms, one copy from one sender at a time.
func TestPiecesAreNeverBeaten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, m := rapid.IntRange(1, 12).Draw(t, "n"), rapid.IntRange(1, 8).Draw(t, "m")
		server := rapid.SampledFrom([]float64{0.5, 1, 1.5, 2, 3, 10, 25}).Draw(t, "server")
		up := rapid.SampledFrom([]float64{0.5, 1, 2}).Draw(t, "up")
		bound := Pieces(float64(m), 1, server, Class{Peers: n, Up: up})
		if took := greedy(n, m, server, up); took < bound.Seconds*(1-1e-9) {
			t.Fatalf("done at %v, before the bound %v", took, bound.Seconds)
		}
		if fluid := P2P(float64(m), server, Class{Peers: n, Up: up}); bound.Seconds < fluid.Seconds {
			t.Fatalf("%v is below the fluid bound %v", bound, fluid)
		}
	})
}

// greedy simulates m pieces of size 1 to n receivers and returns when the last one is done.
func greedy(n, m int, server, up float64) float64 {
	const none = -1
	has := make([][]bool, n+1) // 0 is the server
	coming := make([][]bool, n+1)
	for i := range has {
		has[i], coming[i] = make([]bool, m), make([]bool, m)
		for p := range m {
			has[i][p] = i == 0
		}
	}
	type sending struct {
		to, piece int
		until     float64
	}
	busy := make([]sending, n+1)
	for i := range busy {
		busy[i].to = none
	}
	now := 0.0
	for missing := n * m; missing > 0; {
		for from := range busy {
			if busy[from].to != none {
				continue
			}
			to, piece, fewest := none, 0, n+2
			for p := range m {
				copies := 0
				for i := range has {
					if has[i][p] || coming[i][p] {
						copies++
					}
				}
				for i := 1; has[from][p] && copies < fewest && i <= n; i++ {
					if !has[i][p] && !coming[i][p] {
						to, piece, fewest = i, p, copies
						break
					}
				}
			}
			if to != none {
				rate := up
				if from == 0 {
					rate = server
				}
				busy[from] = sending{to, piece, now + 1/rate}
				coming[to][piece] = true
			}
		}
		first := none
		for i := range busy {
			if busy[i].to != none && (first == none || busy[i].until < busy[first].until) {
				first = i
			}
		}
		s := busy[first]
		busy[first].to = none
		now = s.until
		has[s.to][s.piece] = true
		missing--
	}
	return now
}

// With a server that is much faster than the peers, the start costs what the engine's measurements found: N P/(2 u_s) U/(u_s+U).
func TestPiecesStart(t *testing.T) {
	const size, piece, server, n, up = 1e5, 1.0, 1e4, 100, 10
	got := Pieces(size, piece, server, Class{Peers: n, Up: up}).Seconds - P2P(size, server, Class{Peers: n, Up: up}).Seconds
	want := n * piece / (2 * server) * (n * up) / (server + n*up)
	if math.Abs(got-want) > 0.03*want {
		t.Errorf("the start costs %v, want about %v", got, want)
	}
}

// held is the integral of copies, against summing it in small steps.
func TestHeld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, end := rapid.Float64Range(0.2, 20).Draw(t, "k"), rapid.Float64Range(0, 6).Draw(t, "t")
		const steps = 4000
		sum := 0.0
		for i := range steps {
			sum += copies((float64(i)+0.5)/steps*end, k) * end / steps
		}
		if got := held(end, k); math.Abs(got-sum) > 0.01*sum+0.01 {
			t.Fatalf("%v, summed %v", got, sum)
		}
	})
}

func TestPiecesEdges(t *testing.T) {
	for _, row := range []struct {
		name                string
		size, piece, server float64
		peers               Class
		want                float64
	}{
		{"no pieces: fluid", 100, 0, 10, Class{20, 1, 0}, 100 * 20.0 / 30},
		{"nobody", 100, 10, 10, Class{}, 0},
		{"one piece of the whole: a tree", 1, 5, 1, Class{7, 1, 0}, 3},
		{"nobody uploads", 100, 10, 10, Class{5, 0, 0}, 50},
		{"slow download", 100, 1, 100, Class{5, 100, 2}, 50},
		{"fast server: idle uploads at the start count", 4, 1, 3, Class{8, 1, 0}, 42.0 / 11},
		{"one piece: the server makes copies too", 1, 1, 3, Class{8, 1, 0}, 2},
		{"a short last piece", 10.5, 1, 1, Class{4, 1, 0}, 12},
		{"silent server", 4, 1, 0, Class{8, 1, 0}, math.Inf(1)},
	} {
		if got := Pieces(row.size, row.piece, row.server, row.peers); math.Abs(got.Seconds-row.want) > 1e-8*row.want {
			t.Errorf("%s: %v, want %v", row.name, got.Seconds, row.want)
		}
	}
}
