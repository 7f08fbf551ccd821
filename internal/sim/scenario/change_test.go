package scenario

import (
	"testing"

	"pgregory.net/rapid"
)

// SetPeers comes to exactly n, keeps every class, and no class is further from its share than the minimum of one makes it.
func TestSetPeers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.SliceOfN(rapid.IntRange(1, 1000), 1, 6).Draw(t, "counts")
		n := rapid.IntRange(len(counts), 5000).Draw(t, "n")
		sc, total := &Scenario{}, 0
		for _, c := range counts {
			sc.Classes = append(sc.Classes, Class{Count: c})
			total += c
		}
		if err := sc.SetPeers(n); err != nil {
			t.Fatal(err)
		}
		sum := 0
		for i, c := range sc.Classes {
			sum += c.Count
			exact := float64(counts[i]) * float64(n) / float64(total)
			if c.Count < 1 || float64(c.Count) > exact+1 {
				t.Fatalf("class %d of %d gets %d of %d", i, counts[i], c.Count, n)
			}
		}
		if sum != n {
			t.Fatalf("%d peers, want %d", sum, n)
		}
	})
	for name, sc := range map[string]*Scenario{
		"more classes than peers": {Classes: []Class{{Count: 1}, {Count: 1}, {Count: 1}}},
		"open":                    {Classes: []Class{{Count: 1}, {Arrive: Arrival{Kind: Poisson, Rate: 1}}}},
	} {
		if err := sc.SetPeers(2); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := (&Scenario{Classes: make([]Class, 1)}).SetPeers(0); err == nil {
		t.Error("0 peers accepted")
	}
}

func TestCloneIsApart(t *testing.T) {
	a, err := Load("classes")
	if err != nil {
		t.Fatal(err)
	}
	b := a.Clone()
	b.SetUp(1)
	b.SetDown(2)
	if a.Classes[0].Up == 1 || a.Classes[0].Down == 2 || b.Classes[2].Up != 1 {
		t.Error("a change of the clone changes the original, or nothing")
	}
}
