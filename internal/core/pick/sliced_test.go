package pick

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/eddy-p2p/eddy/internal/format/bits"
)

// Sliced and Pieces see the same random swarm, and must call the same pieces best: for the default, and for every Order.
func TestSlicedChoosesAsPiecesDoes(t *testing.T) {
	orders := map[string]Order{"default": nil, "rarest": RarestFirst, "random": Random, "sequential": Sequential}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(t, "pieces")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "chance"), 0))
		p, s := New(n, rng), NewSliced(n, rng)
		seeds := rapid.IntRange(0, 3).Draw(t, "seeds")
		p.AddSeeds(seeds)
		table, rows := neighbours(t, p, rng, n)
		fit, started, has := candidates(t, p, rng, n)
		s.Count(table, rows, seeds, fit)
		for name, order := range orders {
			random := order == nil && rapid.Bool().Draw(t, "random")
			f := Fit{Pieces: fit, Started: started, Random: random, Order: order}
			q := Query{Has: has, Random: random, Order: order}
			want := plainBest(p, &q)
			s.narrow(&f)
			var got []int
			for i := range n {
				if s.best[i/64]>>(i%64)&1 == 1 {
					got = append(got, i)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s, random %v: sliced counters call %v best, comparing all gives %v", name, random, got, want)
			}
			for k, i := range []int{p.Best(&q), s.Best(&f)} {
				if len(want) == 0 && i >= 0 || len(want) > 0 && !slices.Contains(want, i) {
					t.Fatalf("%s: %d was picked (%d), the best are %v", name, i, k, want)
				}
			}
		}
	})
}

// neighbours draws who has what, and tells p and a table with a row a peer; some rows are not of neighbours.
func neighbours(t *rapid.T, p *Pieces, rng *rand.Rand, n int) (table []uint64, rows []int32) {
	words := (n + 63) / 64
	peers := rapid.IntRange(0, 70).Draw(t, "peers")
	density := rng.Float64()
	table = make([]uint64, peers*words)
	for r := range peers {
		neighbour := rng.IntN(4) > 0
		if neighbour {
			rows = append(rows, int32(r))
		}
		for i := range n {
			if rng.Float64() < density {
				table[r*words+i/64] |= 1 << (i % 64)
				if neighbour {
					p.Inc(i)
				}
			}
		}
	}
	return table, rows
}

// candidates draws what may be picked and what is started of it.
func candidates(t *rapid.T, p *Pieces, rng *rand.Rand, n int) (fit, started []uint64, has bits.Set) {
	words := (n + 63) / 64
	fit, started, has = make([]uint64, words), make([]uint64, words), bits.New(n)
	share := rapid.Float64Range(0, 1).Draw(t, "share")
	for i := range n {
		if rng.Float64() < share {
			has.Add(i)
		}
		switch rng.IntN(8) {
		case 0: // somebody works on it
			continue
		case 1:
			p.InsertStarted(i)
			started[i/64] |= 1 << (i % 64)
		default:
			p.Insert(i)
		}
		if has.Has(i) {
			fit[i/64] |= 1 << (i % 64)
		}
	}
	return fit, started, has
}

// plainBest is the definition: what no other candidate comes before.
func plainBest(p *Pieces, q *Query) []int {
	var all []Candidate
	someStarted := false
	for i := range p.avail {
		if q.fits(i) && p.Pickable(i) {
			c := Candidate{Piece: i, Availability: p.Availability(i), Started: p.at[i] != notHere}
			someStarted = someStarted || c.Started
			all = append(all, c)
		}
	}
	order := q.Order
	switch {
	case order == nil && q.Random && !someStarted:
		order = Random
	case order == nil && q.Random:
		all = slices.DeleteFunc(all, func(c Candidate) bool { return !c.Started })
		order = RarestFirst
	case order == nil:
		order = RarestFirst
	}
	var best []int
	for _, c := range all {
		if !slices.ContainsFunc(all, func(d Candidate) bool { return order(d, c) < 0 }) {
			best = append(best, c.Piece)
		}
	}
	return best
}

// One set of counters counts again and again, of more neighbours and of fewer: each time all of them and nothing of before, seeds
// included. The numbers of rows are those at which the adders change: groups of eight, and one plane more.
func TestSlicedCountsAnew(t *testing.T) {
	const n = 150
	rng := rand.New(rand.NewPCG(5, 6))
	s := NewSliced(n, rng)
	fit := []uint64{^uint64(0), ^uint64(0), 1<<(n-128) - 1}
	table := make([]uint64, 1100*s.Words())
	for i := range table {
		table[i] = rng.Uint64() | rng.Uint64()
	}
	for _, peers := range []int{1023, 8, 1024, 0, 7, 300, 9, 15, 16, 127, 128, 64, 1, 0, 1025, 3} {
		var rows []int32
		for range peers {
			rows = append(rows, int32(rng.IntN(1100)))
		}
		seeds := rng.IntN(3)
		s.Count(table, rows, seeds, fit)
		rarest := peers + seeds
		for i := range n {
			want := seeds
			for _, r := range rows {
				want += int(table[int(r)*s.Words()+i/64] >> (i % 64) & 1)
			}
			if got := s.Availability(i); got != want {
				t.Fatalf("%d neighbours and %d seeds: %d have piece %d, want %d", peers, seeds, got, i, want)
			}
			rarest = min(rarest, want)
		}
		if i := s.Best(&Fit{Pieces: fit}); s.Availability(i) != rarest {
			t.Errorf("%d neighbours: %d have the best piece, the rarest %d", peers, s.Availability(i), rarest)
		}
	}
}

func TestSlicedTiesAreRandom(t *testing.T) {
	s := NewSliced(130, rand.New(rand.NewPCG(1, 2)))
	fit := []uint64{1 << 5, 1<<1 | 1<<63, 1}
	s.Count(nil, nil, 0, fit)
	hits := map[int]int{}
	for range 8000 {
		hits[s.Best(&Fit{Pieces: fit})]++
	}
	for _, i := range []int{5, 65, 127, 128} {
		if hits[i] < 1800 || hits[i] > 2200 {
			t.Errorf("piece %d was picked %d times of 8000", i, hits[i])
		}
	}
}

func BenchmarkSliced(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := NewSliced(256, rng)
	table := make([]uint64, 4*10000)
	for i := range table {
		table[i] = rng.Uint64()
	}
	rows := make([]int32, 50)
	for i := range rows {
		rows[i] = int32(rng.IntN(10000))
	}
	fit := []uint64{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}
	for b.Loop() {
		s.Count(table, rows, 1, fit)
		s.Best(&Fit{Pieces: fit})
	}
}
