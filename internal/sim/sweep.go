package sim

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// Grid is what a sweep varies. An empty list keeps what the scenario says.
type Grid struct {
	Peers        []int
	Policies     []string // by name
	Degrees      []int
	PieceLengths []int64
	Seeds        int // runs of each cell, with the scenario's seed and the ones after it; 0 = 1
}

// Cell is one point of the grid with the runs that were made there.
type Cell struct {
	Peers       int // that came in the run of the first seed
	Policy      string
	Degree      int
	PieceLength int64
	Fidelity    Fidelity
	Bound       float64 // seconds; 0 = unknown
	Runs        []CellRun

	Ratio    Spread // last completion over bound, over the runs in which everybody who did not fail was complete
	LastDone Spread // the same, seconds
}

// CellRun is one run of a cell.
type CellRun struct {
	Seed     uint64
	Digest   string
	Complete int
	LastDone float64 // seconds; 0 = unknown: somebody is not complete
	Median   float64 // seconds, of a peer's own time
	Ratio    float64 // 0 = unknown
}

// Spread is the least, middle and greatest of some runs. All are 0 of none.
type Spread struct{ Min, Median, Max float64 }

// MaxRuns bounds a sweep.
const MaxRuns = 100_000

// cells expands the grid over a scenario, the last list varying fastest, and checks every point.
func (g *Grid) cells(sc *scenario.Scenario) ([]*scenario.Scenario, error) {
	out := []*scenario.Scenario{sc.Clone()}
	vary := func(n int, set func(sc *scenario.Scenario, i int) error) error {
		if n == 0 {
			return nil
		}
		if len(out)*n > MaxRuns {
			return fmt.Errorf("the grid has more than %d points", MaxRuns)
		}
		var next []*scenario.Scenario
		for _, old := range out {
			for i := range n {
				sc := old.Clone()
				if err := set(sc, i); err != nil {
					return err
				}
				next = append(next, sc)
			}
		}
		out = next
		return nil
	}
	err := errors.Join(
		vary(len(g.Peers), func(sc *scenario.Scenario, i int) error { return sc.SetPeers(g.Peers[i]) }),
		vary(len(g.Policies), func(sc *scenario.Scenario, i int) error { return sc.SetPolicy(g.Policies[i]) }),
		vary(len(g.Degrees), func(sc *scenario.Scenario, i int) error { sc.Degree = g.Degrees[i]; return nil }),
		vary(len(g.PieceLengths), func(sc *scenario.Scenario, i int) error { sc.PieceLength = g.PieceLengths[i]; return nil }),
	)
	if err != nil {
		return nil, err
	}
	for _, sc := range out {
		if err := sc.Validate(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Sweep runs a grid, as many runs at a time as there are processors. What it returns does not depend on how many those are.
// progress is called after each run, from several goroutines, one at a time; it may be nil. The first error ends the sweep.
func Sweep(ctx context.Context, sc *scenario.Scenario, grid Grid, opt Options, progress func(done, runs int)) ([]Cell, error) {
	points, err := grid.cells(sc)
	if err != nil {
		return nil, err
	}
	seeds := max(grid.Seeds, 1)
	if len(points)*seeds > MaxRuns {
		return nil, fmt.Errorf("%d runs are too many: at most %d", len(points)*seeds, MaxRuns)
	}
	cells := make([]Cell, len(points))
	for i, p := range points {
		cells[i] = Cell{Policy: p.PolicyOf(-1).Name, Degree: p.Degree, PieceLength: p.PieceLength, Runs: make([]CellRun, seeds)}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	jobs := make(chan int)
	var mu sync.Mutex
	var workers sync.WaitGroup
	done := 0
	for range min(runtime.GOMAXPROCS(0), len(points)*seeds) {
		workers.Go(func() {
			for job := range jobs {
				if err := cells[job/seeds].run(ctx, points[job/seeds], job%seeds, opt); err != nil {
					cancel(err)
					continue // drains what is left: each ends at once
				}
				mu.Lock()
				done++
				if progress != nil {
					progress(done, len(points)*seeds)
				}
				mu.Unlock()
			}
		})
	}
	for job := range len(points) * seeds {
		jobs <- job
	}
	close(jobs)
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	for i := range cells {
		cells[i].sum()
	}
	return cells, nil
}

// run makes the k-th run of a cell. Runs of a cell touch nothing in common but that of the first seed.
func (c *Cell) run(ctx context.Context, sc *scenario.Scenario, k int, opt Options) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	sc = sc.Clone()
	sc.Seed += uint64(k)
	opt.Progress, opt.Trace = nil, nil
	res, err := Run(ctx, sc, opt)
	if err != nil {
		return err
	}
	r := &c.Runs[k]
	*r = CellRun{Seed: sc.Seed, Digest: res.Digest, Complete: res.Complete, Median: res.Own.Median.Seconds(), Ratio: res.Ratio}
	if res.Complete > 0 && res.Complete+res.Failed >= res.Peers {
		r.LastDone = res.LastDone.Seconds()
	}
	if k == 0 {
		c.Peers, c.Fidelity, c.Bound = res.Peers, Fidelity(res.Fidelity), res.Bound.Seconds
	}
	return nil
}

// sum fills the spreads in.
func (c *Cell) sum() {
	var ratios, lasts []float64
	for _, r := range c.Runs {
		if r.Ratio > 0 {
			ratios = append(ratios, r.Ratio)
		}
		if r.LastDone > 0 {
			lasts = append(lasts, r.LastDone)
		}
	}
	c.Ratio, c.LastDone = spread(ratios), spread(lasts)
}

func spread(values []float64) Spread {
	n := len(values)
	if n == 0 {
		return Spread{}
	}
	slices.Sort(values)
	return Spread{values[0], (values[(n-1)/2] + values[n/2]) / 2, values[n-1]}
}
