package pick

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/eddy-p2p/eddy/internal/format/bits"
)

// check verifies the order of the buckets and both indices.
func (p *Pieces) check() error {
	for k, i := range p.order {
		if p.pos[i] != int32(k) || p.at[i] != notHere {
			return fmt.Errorf("piece %d: place %d, recorded %d", i, k, p.pos[i])
		}
		a := p.avail[i]
		if int32(k) < p.start[a] || int(a)+1 < len(p.start) && int32(k) >= p.start[a+1] {
			return fmt.Errorf("piece %d of availability %d is at %d, starts %v", i, a, k, p.start)
		}
	}
	for k, i := range p.started {
		if p.at[i] != int32(k) || p.pos[i] != notHere {
			return fmt.Errorf("started piece %d is not at its place", i)
		}
	}
	for a := 1; a < len(p.start); a++ {
		if p.start[a] < p.start[a-1] || int(p.start[a]) > len(p.order) {
			return fmt.Errorf("starts %v of %d", p.start, len(p.order))
		}
	}
	return nil
}

// Best against a plain scan with the comparison function, under random changes.
func TestBucketsAgreeWithTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "n")
		p := New(n, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
		has := bits.New(n)
		avail := make([]int, n)
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			i := rapid.IntRange(0, n-1).Draw(t, "piece")
			switch rapid.IntRange(0, 5).Draw(t, "op") {
			case 0:
				p.Inc(i)
				avail[i]++
			case 1:
				if avail[i] > 0 {
					p.Dec(i)
					avail[i]--
				}
			case 2:
				p.Insert(i)
			case 3:
				p.InsertStarted(i)
			case 4:
				p.Remove(i)
			case 5:
				if !has.Add(i) {
					has.Remove(i)
				}
			}
			if err := p.check(); err != nil {
				t.Fatal(err)
			}
			q := Query{Has: has, Fresh: rapid.Bool().Draw(t, "fresh"), Common: false}
			got := p.Best(&q)
			q.Order = RarestFirst
			want := p.Best(&q)
			if (got < 0) != (want < 0) {
				t.Fatalf("buckets gave %d, the scan %d", got, want)
			}
			if got >= 0 {
				a := Candidate{got, p.Availability(got), p.at[got] != notHere}
				b := Candidate{want, p.Availability(want), p.at[want] != notHere}
				if RarestFirst(a, b) != 0 || !has.Has(got) || q.Fresh && a.Started {
					t.Fatalf("buckets gave %+v, the scan %+v", a, b)
				}
			}
		}
	})
}

func filled(n int) (*Pieces, bits.Set) {
	p := New(n, rand.New(rand.NewPCG(1, 2)))
	all := bits.New(n)
	all.Fill()
	for i := range n {
		p.Insert(i)
	}
	return p, all
}

func TestTiesAreRandom(t *testing.T) {
	p, all := filled(10)
	hits := make([]int, 10)
	for range 10000 {
		hits[p.Best(&Query{Has: all})]++
	}
	for i, n := range hits {
		if n < 800 || n > 1200 {
			t.Errorf("piece %d was picked %d times of 10000", i, n)
		}
	}
}

func TestStartedOnlyBreaksTies(t *testing.T) {
	p, all := filled(4)
	for i := range 4 {
		p.Inc(i)
	}
	p.InsertStarted(2)
	if got := p.Best(&Query{Has: all}); got != 2 {
		t.Errorf("of equals %d was picked, not the started one", got)
	}
	p.Inc(2)
	if got := p.Best(&Query{Has: all}); got == 2 {
		t.Error("a started piece was preferred to a rarer one")
	}
	if got := p.Best(&Query{Has: all, Started: true}); got != 2 {
		t.Errorf("only started ones asked for: %d", got)
	}
}

func TestQueryLimits(t *testing.T) {
	p, all := filled(6)
	p.Inc(5)
	avoid := bits.New(6)
	for i := range 4 {
		avoid.Add(i)
	}
	if got := p.Best(&Query{Has: all, Avoid: avoid}); got != 4 {
		t.Errorf("picked %d", got)
	}
	if got := p.Best(&Query{Has: all, Common: true}); got != 5 {
		t.Errorf("from the common end: %d", got)
	}
	if got := p.Best(&Query{Has: all, From: 2, To: 4, Order: Sequential}); got != 2 {
		t.Errorf("in a window: %d", got)
	}
	if got := p.Best(&Query{Has: bits.New(6)}); got != -1 {
		t.Errorf("from a peer that has nothing: %d", got)
	}
}

func TestSeedsMoveNothing(t *testing.T) {
	p, _ := filled(3)
	p.Inc(1)
	p.AddSeeds(2)
	if p.Availability(1) != 3 || p.Availability(0) != 2 || p.Seeds() != 2 {
		t.Error("seeds are not counted")
	}
	if err := p.check(); err != nil {
		t.Error(err)
	}
}

func BenchmarkHave(b *testing.B) {
	p, _ := filled(4000)
	b.ReportAllocs()
	for k := 0; k < b.N; k++ {
		p.Inc(k * 7919 % 4000)
		if k%4000 == 3999 {
			for i := range 4000 {
				p.Dec(i)
			}
		}
	}
}
