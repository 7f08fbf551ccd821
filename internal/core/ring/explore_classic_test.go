package ring

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// The published violations: what Zave found in the protocol of 2001 ("Using lightweight modeling to understand Chord", 2012). A host that joins takes
// the successor alone; whoever stabilises believes its successor's predecessor without asking it; and nobody pings the predecessor before another claims its place. Failures
// leave more than r members each time, and every member a live successor where the name does not say otherwise.
var published = []struct {
	name  string
	want  error
	bound bounds
}{
	{"lost_appendage", errNoLive, bounds{successors: 2, slots: 5, members: []int{0, 1, 2, 3}, joins: true, quits: 1, flight: 1, anyQuit: true}},
	{"no_ring", errNoRing, bounds{successors: 2, slots: 6, members: []int{0, 2, 4}, joins: true, quits: 3, flight: 1, anyQuit: true}},
	{"two_rings", errTwoRings, bounds{successors: 2, slots: 6, members: []int{0, 2, 4}, joins: true, quits: 2, flight: 1}},
}

func TestExploreClassic(t *testing.T) {
	for _, p := range published {
		t.Run(p.name, func(t *testing.T) {
			p.bound.classic, p.bound.states = true, 1000000
			x := newExplorer(t, p.bound)
			found := -1
			x.visit = func(x *explorer, i int) bool {
				if slices.Contains(x.harm(&x.worlds[i]), p.want) {
					found = i
				}
				return found >= 0
			}
			x.run()
			if found < 0 {
				t.Fatalf("not found in %d states", len(x.worlds))
			}
			t.Logf("at depth %d, after %d states", x.worlds[found].depth, len(x.worlds))
			if _, err := x.quiesce(x.worlds[found], nil); err == nil {
				t.Error("it heals")
			}
			golden(t, p.name+".txt", x.trace(found))
		})
	}
}

// golden compares with a file of testdata/explore; EDDY_UPDATE=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "explore", name)
	if os.Getenv("EDDY_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
	}
}
