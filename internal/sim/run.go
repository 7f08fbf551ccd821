package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/eddy-p2p/eddy/internal/sim/block"
	"github.com/eddy-p2p/eddy/internal/sim/piece"
	"github.com/eddy-p2p/eddy/internal/sim/record"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// Fidelity says how closely a run follows the live engine.
type Fidelity string

// The fidelities. Auto is Engine for up to EnginePeers peers, else Fast.
const (
	Auto   Fidelity = ""
	Engine Fidelity = "engine"
	Fast   Fidelity = "fast"
)

// EnginePeers is up to how many peers Auto takes the engine: what it simulates in seconds.
const EnginePeers = 200

// Options of a run; the zero value is ready.
type Options struct {
	Fidelity Fidelity
	Progress func(now time.Duration, done, peers int) // called now and then from the goroutine of the run; may be nil
	Trace    func(block.Event)                        // needs Engine; may be nil
}

// simulate is what both simulators are: it runs sc with its population and reports to rec.
type simulate func(ctx context.Context, sc *scenario.Scenario, peers []scenario.Peer, rec *record.Recorder, opt Options) error

// simulators by fidelity, with their models of bandwidth.
var simulators = map[Fidelity]struct {
	run   simulate
	model string
}{
	Engine: {func(ctx context.Context, sc *scenario.Scenario, peers []scenario.Peer, rec *record.Recorder, opt Options) error {
		return block.Run(ctx, sc, peers, rec, block.Options{Progress: opt.progress(sc, peers), Trace: opt.Trace})
	}, block.Model},
	Fast: {func(ctx context.Context, sc *scenario.Scenario, peers []scenario.Peer, rec *record.Recorder, opt Options) error {
		return piece.Run(ctx, sc, peers, rec, piece.Options{Progress: opt.progress(sc, peers)})
	}, piece.Model},
}

func (o *Options) progress(sc *scenario.Scenario, peers []scenario.Peer) func(time.Duration, int) {
	if o.Progress == nil {
		return nil
	}
	n := len(peers) - sc.Servers()
	return func(now time.Duration, done int) { o.Progress(now, done, n) }
}

// Run simulates sc. The error is ctx's, a mistake in the scenario, or that the bound was beaten, which is a bug.
func Run(ctx context.Context, sc *scenario.Scenario, opt Options) (*record.Result, error) {
	if err := sc.Validate(); err != nil {
		return nil, err
	}
	peers := sc.Population()
	if len(peers) == sc.Servers() {
		return nil, fmt.Errorf("until: nobody comes before the end at %v", sc.Until)
	}
	if first, end := peers[sc.Servers()].Arrive, sc.End(peers); first > end {
		return nil, fmt.Errorf("until: the first comes at %v, after the end at %v", first, end)
	}
	if opt.Fidelity == Auto && sc.Exchange != scenario.BySlots {
		opt.Fidelity = Fast
	}
	fidelity := Choose(opt, len(peers)-sc.Servers())
	s, ok := simulators[fidelity]
	if !ok {
		return nil, fmt.Errorf("no fidelity %q: want engine or fast", fidelity)
	}
	if opt.Trace != nil && fidelity != Engine {
		return nil, fmt.Errorf("the fidelity %s tells no events: want engine", fidelity)
	}
	if fidelity == Engine && sc.Exchange != scenario.BySlots {
		return nil, fmt.Errorf("exchange: %q is no way of the live engine: want the fidelity fast", sc.Exchange)
	}
	res, err := run(ctx, sc, peers, opt, s.run, burstOf(sc, fidelity))
	if err != nil {
		return nil, err
	}
	res.Fidelity, res.Model = string(fidelity), s.model
	if sc.Exchange != scenario.BySlots {
		res.Model = piece.SerialModel
	}
	return res, nil
}

// Choose returns the fidelity of a run with so many peers.
func Choose(opt Options, peers int) Fidelity {
	switch {
	case opt.Fidelity != Auto:
		return opt.Fidelity
	case peers <= EnginePeers || opt.Trace != nil:
		return Engine
	}
	return Fast
}

// run simulates, and holds the result against the bound. A cancelled context is not an error of the simulation: it is returned as it is.
func run(ctx context.Context, sc *scenario.Scenario, peers []scenario.Peer, opt Options, simulate simulate, burst func(rate int64) int64) (
	*record.Result, error) {
	rec := record.New(sc, peers)
	if err := simulate(ctx, sc, peers, rec, opt); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("simulating %s: %w", sc.Name, err)
	}
	if err := checkBound(sc, peers, rec, burst); err != nil {
		return nil, err
	}
	res := rec.Result()
	if res.Complete+res.Failed < res.Peers {
		res.End = max(res.End, sc.End(peers)) // it is the limit that ended the run, and not the last event before it
	}
	if b, ok := sc.BoundOf(peers, rec.Complete); ok {
		res.Bound = record.Bound{Seconds: b.Seconds, Limit: string(b.Limit)}
	}
	if res.Bound.Seconds > 0 && res.Complete+res.Failed >= res.Peers {
		res.Ratio = res.LastDone.Seconds() / res.Bound.Seconds
	}
	return res, nil
}
