package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/eddy-p2p/eddy/internal/app/plot"
	"github.com/eddy-p2p/eddy/internal/format/units"
	simring "github.com/eddy-p2p/eddy/internal/sim/ring"
)

// simRing is the state of `eddy sim ring`.
type simRing struct {
	inv        *invocation
	nodes      int
	lookups    int
	fail       ringShare
	churn      duration
	routing    string
	start      string
	successors int
	vnodes     int
	replicas   int
	keys       int
	latency    duration
	warm       duration
	window     duration
	seed       uint64
	plot       string
}

// ringShare is a flag value from 0 up to 1: 0.5 or 50%.
type ringShare float64

func (v *ringShare) Type() string   { return "SHARE" }
func (v *ringShare) String() string { return strconv.FormatFloat(float64(*v), 'g', -1, 64) }

func (v *ringShare) Set(s string) error {
	text, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return errors.New("want a share, like 0.5 or 50%")
	}
	if percent {
		x /= 100
	}
	if !(x >= 0 && x < 1) {
		return errors.New("want a share of 0 or more and less than 1, like 0.5 or 50%")
	}
	*v = ringShare(x)
	return nil
}

func newSimRing(inv *invocation) *cobra.Command {
	r := &simRing{inv: inv}
	cmd := &cobra.Command{
		Use:   "ring",
		Short: "simulate a ring of up to millions of nodes and tell what lookups take",
		Example: `  eddy sim ring --nodes 16384 --lookups 100000
  eddy sim ring --nodes 1024 --lookups 20000 --routing successor
  eddy sim ring --nodes 1000 --lookups 20000 --successors 20 --fail 50%
  eddy sim ring --nodes 1024 --lookups 20000 --routing cache --churn 1h
  eddy sim ring --nodes 10000 --vnodes 20 --plot keys.svg
  eddy sim ring --nodes 1000000 --lookups 100000 --json`,
		Args: wantArgs(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkPlot(cmd.Flags().Changed("plot"), r.plot); err != nil {
				return err
			}
			return r.run(cmd.Context())
		},
	}
	r.define(cmd.Flags())
	setHelp(cmd, `
Simulate a ring in virtual time by the code of live nodes, and tell how many hops lookups take against theory, how many fail, how evenly keys lie on
the nodes, and what keeping the ring in order costs. docs/ring.md explains the figures, with those of the papers beside them.

The ring begins as if it had long been quiet (--start ideal), or is built by joins. Then --fail lets a share of the nodes fail at one moment, or
--churn lets every node fail after a time that is T on average, to be replaced by a new one. --lookups begin evenly over --window, by random nodes for
random keys. The same seed gives the same digest on any machine.`, exitOK, exitFailed, exitUsage, exitNotFound, exitDisk, exitInterrupted)
	return cmd
}

func (r *simRing) define(f *pflag.FlagSet) {
	f.IntVar(&r.nodes, "nodes", 1024, "how many")
	f.IntVar(&r.lookups, "lookups", 10000, "how many, all together")
	f.Var(&r.fail, "fail", "this share of the nodes fails at one moment, just before the lookups: 0.5 or 50%")
	f.Var(&r.churn, "churn", "nodes fail after `T` on average, and new ones join in their place")
	choiceVar(f, &r.routing, "routing", "lookups go by shortcuts; by the immediate successor alone; or in one hop by the membership cache", simring.RoutingNames...)
	choiceVar(f, &r.start, "start", "the ring is there and quiet, or is built by joins", "ideal", "join")
	f.IntVar(&r.successors, "successors", 8, "length `R` of successor lists")
	f.IntVar(&r.vnodes, "vnodes", 1, "positions of a node")
	f.IntVar(&r.replicas, "replicas", 0, "a key is lost when so many nodes from its owner on failed (default: --successors)")
	f.IntVar(&r.keys, "keys", 0, "keys to spread, for each node (default 1000, but 10 million in all)")
	f.Var(&r.latency, "latency", "one way, on average; each pair of nodes has its own at 0.5 to 1.5 times it (default 25ms)")
	f.Var(&r.warm, "warm", "virtual time before the lookups (default 2m with --churn, 10s with --fail)")
	f.Var(&r.window, "window", "virtual time in which lookups begin (default 10s; 1s with --fail, 2m with --churn)")
	f.Uint64Var(&r.seed, "seed", 1, "of all chance: equal seeds give equal digests")
	f.StringVar(&r.plot, "plot", "", "draw the distributions of hops and of keys a node into `FILE.svg|png`")
}

func (r *simRing) run(ctx context.Context) error {
	cfg := simring.Config{
		Nodes: r.nodes, Lookups: r.lookups, Seed: r.seed, Routing: simring.Routing(r.routing), Successors: r.successors, Vnodes: r.vnodes,
		Join: r.start == "join", Fail: float64(r.fail), Churn: time.Duration(r.churn), Replicas: r.replicas, KeysPerNode: r.keys,
		Latency: time.Duration(r.latency), Warm: time.Duration(r.warm), Window: time.Duration(r.window),
	}
	if r.successors < 1 || r.vnodes < 1 {
		return usageError("--successors and --vnodes must be 1 or more")
	}
	if err := cfg.Validate(); err != nil {
		return &Failure{What: "describing the ring", Cause: err, Hint: "see eddy sim ring --help", Code: exitUsage}
	}
	doc, err := r.simulate(ctx, cfg)
	if err != nil {
		return err
	}
	var panels []plot.Panel
	if r.plot != "" {
		panels = simRingPanels(doc.result)
	}
	err = r.inv.show(r.plot, panels, doc, doc.text)
	if err == nil && r.plot != "" {
		r.inv.say("drew " + r.plot)
	}
	return err
}

// simulate runs it and shows how far it is.
func (r *simRing) simulate(ctx context.Context, cfg simring.Config) (*simRingDoc, error) {
	var now atomic.Pointer[simring.Progress]
	now.Store(&simring.Progress{Phase: "building"})
	stop := r.inv.follow(func() view {
		p := now.Load()
		parts := []string{p.Phase}
		if p.Total > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d", p.Done, p.Total))
		}
		return view{label: "simulating " + units.Plural(cfg.Nodes, "node"), parts: append(parts, "at "+units.FormatDuration(p.At))}
	}, nil)
	defer stop()
	cfg.Progress = func(p simring.Progress) { now.Store(&p) }
	start := time.Now()
	res, err := simring.Run(ctx, cfg)
	stop()
	switch {
	case err == nil:
		return newSimRingDoc(res, time.Since(start)), nil
	case ctx.Err() != nil:
		return nil, err
	}
	return nil, fail("simulating the ring", "", err)
}
