package ring

import (
	"math/rand/v2"
	"testing"
)

// "Probe it every 10 s, fan-out <= 3": three different hosts, or all that there are.
func TestProbeMemoryAsksDifferentHosts(t *testing.T) {
	for _, remembered := range []int{1, 2, 3, 10} {
		n, err := New(Config{Self: 0, Positions: []ID{{1}}, Rand: rand.New(rand.NewPCG(1, 1))})
		if err != nil {
			t.Fatal(err)
		}
		n.Ideal(0, []Ref{{ID: ID{1}}})
		for h := range remembered {
			n.rememberRef(Ref{ID: ID{2, byte(h)}, Host: Host(h + 1)})
		}
		for range 20 {
			n.probeMemory()
			asked := map[Host]bool{}
			sent := 0
			for a, ok := n.Next(); ok; a, ok = n.Next() {
				if a.Kind == Send {
					asked[a.To] = true
					sent++
				}
			}
			if want := min(remembered, 3); sent != want || len(asked) != want {
				t.Fatalf("of %d remembered hosts %d were asked, with %d messages", remembered, len(asked), sent)
			}
		}
	}
}
