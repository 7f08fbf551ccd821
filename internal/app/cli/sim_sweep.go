package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/eddy-p2p/eddy/internal/app/plot"
	"github.com/eddy-p2p/eddy/internal/format/units"
	"github.com/eddy-p2p/eddy/internal/sim"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// simSweep is the state of `eddy sim sweep`.
type simSweep struct {
	inv *invocation
	simFlags
	peers     string
	policies  string
	degrees   string
	pieceSize string
	seeds     int
	plot      string
}

func newSimSweep(inv *invocation) *cobra.Command {
	s := &simSweep{inv: inv}
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "simulate a grid of swarms and compare them",
		Example: "  eddy sim sweep --scenario course --peers 1,5,10,20,35 --seeds 5\n" +
			"  eddy sim sweep --scenario course --peers 100 --degree 0,10,50 --policy tit-for-tat,random-pieces --plot sweep.svg",
		Args: wantArgs(""),
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	f := cmd.Flags()
	s.define(f)
	names, _ := scenario.PolicyNames()
	f.StringVar(&s.peers, "peers", "", "how many come, `COUNTS`: "+countsGrammar)
	f.StringVar(&s.policies, "policy", "", "`P,P,...` of "+strings.Join(names, ", "))
	f.StringVar(&s.degrees, "degree", "", "neighbours of a peer: `N,N,...`; 0 = everybody")
	f.StringVar(&s.pieceSize, "piece-size", "", "bytes of a piece: `SIZE,SIZE,...`")
	f.IntVar(&s.seeds, "seeds", 1, "runs of each combination, with seeds that count up from --seed")
	f.StringVar(&s.plot, "plot", "", "draw the ratios over --peers into `FILE.svg|png`")
	setHelp(cmd, `
Simulate the same swarm with each combination of the values that --peers, --policy, --degree and --piece-size list, each with --seeds
seeds, as many at a time as there are processors. The table shows how long the last peer took over the least time that any swarm could take:
the least, the median and the greatest over the seeds. Ctrl-C ends a sweep without a result.`,
		exitOK, exitFailed, exitUsage, exitNotFound, exitDisk, exitInterrupted, exitTerminated)
	explainSimCodes(cmd)
	return cmd
}

func (s *simSweep) run(cmd *cobra.Command) error {
	sc, grid, err := s.gridOf(cmd)
	if err != nil {
		return err
	}
	if err := checkPlot(cmd.Flags().Changed("plot"), s.plot); err != nil {
		return err
	}
	start := time.Now()
	cells, err := s.sweep(cmd.Context(), sc, grid)
	if err != nil {
		return err
	}
	dropEmptyRatios(cells, sc.Latency)
	return s.inv.show(s.plot, []plot.Panel{sweepChart(cells)}, newSweepDoc(sc, cells, time.Since(start)), func() string { return sweepTable(cells) })
}

// gridOf reads the scenario and the lists.
func (s *simSweep) gridOf(cmd *cobra.Command) (*scenario.Scenario, sim.Grid, error) {
	f := cmd.Flags()
	grid := sim.Grid{Seeds: s.seeds}
	if s.seeds < 1 {
		return nil, grid, usageError("--seeds: want 1 or more, got %d", s.seeds)
	}
	err := errors.Join(
		listOf(f.Changed("policy"), "policy", s.policies, knownPolicy, &grid.Policies),
		listOf(f.Changed("degree"), "degree", s.degrees, strconv.Atoi, &grid.Degrees),
		listOf(f.Changed("piece-size"), "piece-size", s.pieceSize, units.ParseSize, &grid.PieceLengths),
	)
	if f.Changed("peers") {
		var wrong error
		if grid.Peers, wrong = parseCounts(s.peers, 1, scenario.MaxPeers); wrong != nil {
			err = errors.Join(usageError("--peers %s: %v", s.peers, wrong), err)
		}
	}
	if err != nil {
		return nil, grid, err
	}
	sc, err := s.build(cmd.Context(), f)
	if err != nil {
		return nil, grid, err
	}
	sc.SetPieceLength(0, false)
	return sc, grid, nil
}

// knownPolicy is the name of a policy, of which the empty one would be the default.
func knownPolicy(name string) (string, error) {
	names, _ := scenario.PolicyNames()
	if !slices.Contains(names, name) {
		return "", fmt.Errorf("no policy %q: want one of %s", name, strings.Join(names, ", "))
	}
	return name, nil
}

// listOf reads the comma list of a flag. What stands there twice counts once: it would be the same row again.
func listOf[T comparable](given bool, flag, text string, parse func(string) (T, error), out *[]T) error {
	if !given {
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		v, err := parse(strings.TrimSpace(part))
		if errors.Is(err, strconv.ErrSyntax) || errors.Is(err, strconv.ErrRange) {
			return usageError("--%s %s: %q is not a number; want a list like 5,10,20", flag, text, part)
		}
		if err != nil {
			return usageError("--%s %s: %v", flag, text, err)
		}
		if !slices.Contains(*out, v) {
			*out = append(*out, v)
		}
	}
	return nil
}

func (s *simSweep) sweep(ctx context.Context, sc *scenario.Scenario, grid sim.Grid) ([]sim.Cell, error) {
	var done, runs atomic.Int64
	stop := s.inv.follow(func() view {
		return view{label: "sweeping " + sc.Name, parts: []string{fmt.Sprintf("%d of %s", done.Load(), units.Plural(int(runs.Load()), "run"))}}
	}, nil)
	defer stop()
	cells, err := obeying(ctx, func() ([]sim.Cell, error) {
		return sim.Sweep(ctx, sc, grid, s.options(), func(d, n int) { done.Store(int64(d)); runs.Store(int64(n)) })
	})
	stop()
	switch {
	case err == nil:
		return cells, nil
	case ctx.Err() != nil:
		return nil, interruption(ctx, "sweeping", sc.Name, fmt.Sprintf("after %s", units.Plural(int(done.Load()), "run")))
	case errors.Is(err, sim.ErrBoundBeaten):
		return nil, beaten(sc, err)
	}
	return nil, s.wrong(err)
}

// dropEmptyRatios leaves out the ratios to bounds that are too short to say anything.
func dropEmptyRatios(cells []sim.Cell, latency time.Duration) {
	for i := range cells {
		c := &cells[i]
		if tellingRatio(1, c.Bound, latency) > 0 {
			continue
		}
		c.Ratio = sim.Spread{}
		for k := range c.Runs {
			c.Runs[k].Ratio = 0
		}
	}
}

// sweepDoc is the JSON document of `eddy sim sweep`. nil = unknown.
type sweepDoc struct {
	Scenario string     `json:"scenario"`
	Rows     []sweepRow `json:"rows"`
	Wall     float64    `json:"wall_s"`
	Memory   *int64     `json:"peak_rss_bytes"`
}

type sweepRow struct {
	Peers       int        `json:"peers"`
	Policy      string     `json:"policy"`
	Degree      int        `json:"degree"`
	PieceLength int64      `json:"piece_length"`
	Fidelity    string     `json:"fidelity"`
	Bound       *float64   `json:"bound_s"`
	LastDone    spreadDoc  `json:"last_done_s"`
	Ratio       spreadDoc  `json:"ratio"`
	Runs        []sweepRun `json:"runs"`
}

type spreadDoc struct {
	Min    *float64 `json:"min"`
	Median *float64 `json:"median"`
	Max    *float64 `json:"max"`
}

type sweepRun struct {
	Seed     uint64   `json:"seed"`
	Digest   string   `json:"digest"`
	Complete int      `json:"complete"`
	LastDone *float64 `json:"last_done_s"`
	Median   *float64 `json:"median_done_s"`
	Ratio    *float64 `json:"ratio"`
}

func newSweepDoc(sc *scenario.Scenario, cells []sim.Cell, wall time.Duration) sweepDoc {
	spread := func(s sim.Spread) spreadDoc { return spreadDoc{known(s.Min), known(s.Median), known(s.Max)} }
	d := sweepDoc{Scenario: sc.Name, Rows: []sweepRow{}, Wall: wall.Seconds(), Memory: known(peakMemory())}
	for _, c := range cells {
		row := sweepRow{Peers: c.Peers, Policy: c.Policy, Degree: c.Degree, PieceLength: c.PieceLength, Fidelity: string(c.Fidelity),
			Bound: known(c.Bound), LastDone: spread(c.LastDone), Ratio: spread(c.Ratio)}
		for _, r := range c.Runs {
			row.Runs = append(row.Runs, sweepRun{r.Seed, r.Digest, r.Complete, known(r.LastDone), known(r.Median), known(r.Ratio)})
		}
		d.Rows = append(d.Rows, row)
	}
	return d
}

// sweepTable is the result for a terminal.
func sweepTable(cells []sim.Cell) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%8s  %-14s %7s %10s  %-8s %10s %10s  %7s %7s %7s\n", "peers", "policy", "degree", "piece", "fidelity", "bound", "last done",
		"least", "ratio", "most")
	for _, c := range cells {
		degree := "all"
		if c.Degree > 0 {
			degree = strconv.Itoa(c.Degree)
		}
		bound, last, ratios := "-", "-", [3]string{"-", "-", "-"}
		if c.Bound > 0 {
			bound = formatLong(c.Bound)
		}
		if c.LastDone.Median > 0 {
			last = units.FormatDuration(seconds(c.LastDone.Median))
		}
		if c.Ratio.Median > 0 {
			for i, v := range []float64{c.Ratio.Min, c.Ratio.Median, c.Ratio.Max} {
				ratios[i] = fmt.Sprintf("%.3f", v)
			}
		}
		fmt.Fprintf(&b, "%8d  %-14s %7s %10s  %-8s %10s %10s  %7s %7s %7s\n", c.Peers, c.Policy, degree, formatPieceLength(c.PieceLength), c.Fidelity,
			bound, last, ratios[0], ratios[1], ratios[2])
	}
	return b.String()
}

// sweepChart draws the median ratio over the number of peers, a line for each other combination.
func sweepChart(cells []sim.Cell) plot.Chart {
	c := plot.Chart{Title: "Last peer over the bound", XLabel: "peers", YLabel: "time / least possible time"}
	index := map[string]int{}
	for _, cell := range cells {
		name := fmt.Sprintf("%s, degree %d, %s", cell.Policy, cell.Degree, formatPieceLength(cell.PieceLength))
		if cell.Degree == 0 {
			name = fmt.Sprintf("%s, full mesh, %s", cell.Policy, formatPieceLength(cell.PieceLength))
		}
		i, ok := index[name]
		if !ok {
			i = len(c.Series)
			index[name] = i
			c.Series = append(c.Series, plot.Series{Name: name, Style: plot.LinePoints})
		}
		if s := &c.Series[i]; cell.Ratio.Median > 0 {
			s.X, s.Y = append(s.X, float64(cell.Peers)), append(s.Y, cell.Ratio.Median)
		}
	}
	return c
}
