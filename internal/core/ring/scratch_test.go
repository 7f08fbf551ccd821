package ring

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Nodes that share a Scratch do what they do without, and keep no queue of actions of their own once drained.
func TestScratch(t *testing.T) {
	run := func(scratch *Scratch) (trace []Action) {
		var all []Ref
		var nodes []*Node
		space := Space{Bits: 6}
		for i, number := range []uint64{1, 12, 25, 40} {
			id, err := space.ID(number)
			if err != nil {
				t.Fatal(err)
			}
			n, err := New(Config{Space: space, Self: Host(i), Positions: []ID{id}, Rand: rand.New(rand.NewPCG(1, uint64(i))), Scratch: scratch})
			if err != nil {
				t.Fatal(err)
			}
			nodes, all = append(nodes, n), append(all, Ref{ID: id, Host: Host(i)})
		}
		for _, n := range nodes {
			n.Ideal(0, all)
		}
		for now := time.Duration(0); now < 10*time.Second; now += 100 * time.Millisecond {
			for _, n := range nodes {
				n.Tick(now)
				for a, ok := n.Next(); ok; a, ok = n.Next() {
					trace = append(trace, a)
				}
				if scratch != nil && n.out != nil {
					t.Fatalf("at %v a drained node keeps a queue of %d", now, cap(n.out))
				}
			}
		}
		return trace
	}
	own, shared := run(nil), run(&Scratch{})
	if len(own) == 0 || len(own) != len(shared) {
		t.Fatalf("%d actions with queues of their own, %d with a shared one", len(own), len(shared))
	}
	for i := range own {
		if own[i].Kind != shared[i].Kind || own[i].To != shared[i].To || own[i].Message.Kind != shared[i].Message.Kind || own[i].Message.Seq != shared[i].Message.Seq {
			t.Fatalf("action %d: %+v and %+v", i, own[i], shared[i])
		}
	}
}
