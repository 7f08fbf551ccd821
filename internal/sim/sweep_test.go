package sim

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A sweep has a cell for each point, in order, with the runs that single runs would make, whatever the number of processors.
func TestSweep(t *testing.T) {
	grid := Grid{Peers: []int{3, 6}, Policies: []string{"tit-for-tat", "classic"}, Degrees: []int{0, 4}, PieceLengths: []int64{64 << 10, 256 << 10}, Seeds: 3}
	calls := 0
	cells, err := Sweep(t.Context(), small(), grid, Options{}, func(done, runs int) {
		if calls++; done != calls || runs != 48 {
			t.Errorf("progress %d of %d in call %d", done, runs, calls)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(cells) != 16 || calls != 48 {
		t.Fatalf("%d cells, %d calls", len(cells), calls)
	}
	if c := cells[9]; c.Peers != 6 || c.Policy != "tit-for-tat" || c.Degree != 0 || c.PieceLength != 256<<10 {
		t.Errorf("cell 9 is %+v", c)
	}
	for i, c := range cells {
		if len(c.Runs) != 3 || c.Runs[0].Digest == c.Runs[1].Digest || c.Bound <= 0 || !(1 <= c.Ratio.Min && c.Ratio.Min <= c.Ratio.Median && c.Ratio.Median <= c.Ratio.Max) {
			t.Errorf("cell %d: %+v", i, c)
		}
	}
	sc := small()
	sc.Degree, sc.Seed = 4, 2
	if err := errors.Join(sc.SetPeers(6), sc.SetPolicy("classic")); err != nil {
		t.Fatal(err)
	}
	one, err := Run(t.Context(), sc, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := cells[14].Runs[1]; got.Seed != 2 || got.Digest != one.Digest || got.Ratio != one.Ratio {
		t.Errorf("run 2 of cell 14: %+v, alone %s and %v", got, one.Digest, one.Ratio)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	again, err := Sweep(t.Context(), small(), grid, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cells, again); diff != "" {
		t.Error(diff)
	}
}

func TestSweepRefuses(t *testing.T) {
	for tells, grid := range map[string]Grid{
		"peers: want":  {Peers: []int{0}},
		"no policy":    {Policies: []string{"greedy"}},
		"degree: want": {Degrees: []int{3, -1}},
		"piece-size":   {PieceLengths: []int64{0}},
		"too many":     {Seeds: MaxRuns + 1},
		"more than":    {Peers: make([]int, MaxRuns), Degrees: []int{1, 2}},
	} {
		for i := range grid.Peers {
			if len(grid.Peers) > 1 {
				grid.Peers[i] = 1
			}
		}
		if _, err := Sweep(t.Context(), small(), grid, Options{}, nil); err == nil || !strings.Contains(err.Error(), tells) {
			t.Errorf("%s: %v", tells, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Sweep(ctx, small(), Grid{Seeds: 50}, Options{}, func(int, int) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled, and told %v", err)
	}
}
