package lab

import (
	"context"
	"time"

	"github.com/eddy-p2p/eddy/internal/sim"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

const (
	// linkLatency is what a packet needs from one machine to another through the hub, one way, measured with empty queues.
	linkLatency = 100 * time.Microsecond

	// simSeeds is how many simulated swarms the median is of.
	simSeeds = 3
)

// simulate predicts the time of a row from the rates of the links and the size alone: a swarm by simulating eddy, downloads by
// simulating their packets. It returns nil for swarms of clients that cannot be simulated.
func (l *Lab) simulate(ctx context.Context, p plan) (*float64, error) {
	if p.arch == ClientServer {
		down := make([]float64, p.peers)
		for i := range down {
			down[i] = l.net.peers[1+i].down.measured
		}
		s := simulateDownloads(float64(l.cfg.Size), l.net.peers[0].up.measured, down, linkLatency.Seconds())
		return &s, ctx.Err()
	}
	if l.client.name != eddyClient.name {
		return nil, nil
	}
	var times []float64
	for seed := range uint64(simSeeds) {
		sc := l.scenario(p.peers, seed+1)
		if err := sc.SetPolicy(l.cfg.Policy); err != nil {
			return nil, err
		}
		result, err := sim.Run(ctx, sc, sim.Options{Fidelity: sim.Engine})
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			// What cannot be predicted can be measured all the same.
			l.warn("%d receivers: %v", p.peers, err)
			return nil, nil
		}
		times = append(times, result.LastDone.Seconds())
	}
	s := median(times)
	return &s, nil
}

// scenario is the swarm of n receivers as the simulator takes it: all there at once, with the links as they were measured.
func (l *Lab) scenario(n int, seed uint64) *scenario.Scenario {
	sc := &scenario.Scenario{
		Name: "lab", Size: l.cfg.Size, PieceLength: l.cfg.PieceLength, Seed: seed,
		Server: scenario.Server{Up: int64(l.net.peers[0].up.measured)}, Latency: linkLatency, Shaping: scenario.ByLink,
	}
	if l.cfg.Shaping == Internal {
		sc.Shaping = scenario.ByLimit
	}
	for _, m := range l.net.peers[1 : n+1] {
		sc.Classes = append(sc.Classes, scenario.Class{Name: m.name, Count: 1, Up: int64(m.up.measured), Down: int64(m.down.measured)})
	}
	return sc
}
