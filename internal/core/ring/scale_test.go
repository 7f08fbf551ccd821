package ring

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"
)

// idealRing makes n hosts of one position in a ring at rest, sharing chance and queue as simulations do.
func idealRing(t testing.TB, n int, cfg Config) ([]*Node, []Ref) {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	all := make([]Ref, n)
	for i := range all {
		var id ID
		for j := range id {
			id[j] = byte(r.Uint32())
		}
		all[i].ID = id
	}
	slices.SortFunc(all, func(a, b Ref) int { return a.ID.Compare(b.ID) })
	nodes := make([]*Node, n)
	cfg.Scratch = new(Scratch)
	for i := range all {
		all[i].Host = Host(i)
		cfg.Self, cfg.Positions, cfg.Rand = Host(i), []ID{all[i].ID}, r
		var err error
		if nodes[i], err = New(cfg); err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range nodes {
		node.Ideal(0, all)
		node.Next()
	}
	return nodes, all
}

// walk carries a lookup to its end without time passing.
func walk(nodes []*Node, from int, key ID) (r Result) {
	type letter struct {
		to, from Host
		m        Message
	}
	var queue []letter
	drain := func(n *Node) {
		for a, ok := n.Next(); ok; a, ok = n.Next() {
			switch a.Kind {
			case Send:
				queue = append(queue, letter{a.To, n.cfg.Self, a.Message})
			case LookupDone:
				r = a.Result
			}
		}
	}
	nodes[from].Lookup(0, key, 1, Recursive)
	drain(nodes[from])
	for len(queue) > 0 {
		l := queue[0]
		queue = queue[1:]
		nodes[l.to].Receive(0, l.from, &l.m)
		drain(nodes[l.to])
	}
	return r
}

// Hops with a successor list of r used in routing: 0.5 log2 N - 0.5 log2 r + 1.
func TestHops(t *testing.T) {
	for _, c := range []struct{ n, r int }{{1 << 10, 8}, {1 << 10, 20}, {1 << 12, 8}, {1 << 12, 20}} {
		if exploreShare > 1 && c.n > 1<<10 {
			continue
		}
		nodes, all := idealRing(t, c.n, Config{Successors: c.r})
		rnd, sum := rand.New(rand.NewPCG(2, 2)), 0
		const lookups = 8000
		for range lookups {
			key := Space{}.Hash("test key", []byte{byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32())})
			r := walk(nodes, rnd.IntN(c.n), key)
			if r.Err != nil || r.Owner != successorOf(all, key) {
				t.Fatalf("%+v", r)
			}
			sum += r.Hops
		}
		want := 0.5*float64(bits.Len(uint(c.n))-1) - 0.5*math.Log2(float64(c.r)) + 1
		if got := float64(sum) / lookups; math.Abs(got-want) > 0.03*want {
			t.Errorf("N = %d, r = %d: %.3f hops, theory %.3f", c.n, c.r, got, want)
		} else {
			t.Logf("N = %d, r = %d: %.3f hops, theory %.3f", c.n, c.r, got, want)
		}
	}
}

// "Memory a node at a million nodes with V = 1, r = 8 and fingers: <= 3 KB". With a sixty-fourth of the nodes, and so six fingers fewer.
func TestMemory(t *testing.T) {
	const n = 1 << 14
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	nodes, all := idealRing(t, n, Config{})
	took := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&after)
	per := float64(after.HeapAlloc-before.HeapAlloc)/n + 6*24 // six fingers more at 2^20
	t.Logf("%.0f bytes a node, %v to fill %d", per, took, n)
	if per > 3000 {
		t.Errorf("%.0f bytes a node", per)
	}
	runtime.KeepAlive(nodes)
	runtime.KeepAlive(all)
}

func BenchmarkLookup(b *testing.B) {
	nodes, _ := idealRing(b, 1<<14, Config{})
	b.ReportAllocs()
	key, hops := ID{}, 0
	for i := range b.N {
		key[0], key[1], key[2] = byte(i), byte(i>>8), byte(i>>16)
		hops += walk(nodes, i%len(nodes), key).Hops
	}
	b.ReportMetric(float64(hops)/float64(b.N), "hops/op")
}
