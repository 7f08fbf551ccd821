package lab

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/units"
)

var cores = runtime.NumCPU()

// plan is one row to measure.
type plan struct {
	arch    Arch
	peers   int
	repeats int
	least   time.Duration // of each run
}

// plans lists the rows in their order.
func (l *Lab) plans() []plan {
	var all []plan
	for _, n := range l.cfg.Peers {
		for _, arch := range l.cfg.Archs {
			p := plan{arch: arch, peers: n, repeats: 1, least: seconds(l.bound(arch, n).Seconds)}
			if arch == P2P {
				p.repeats = l.cfg.Repeat // swarms vary by chance; a download hardly does
			}
			all = append(all, p)
		}
	}
	return all
}

// rows measures everything.
func (l *Lab) rows(ctx context.Context) (*Result, error) {
	result := l.newResult()
	plans := l.plans()
	var left time.Duration
	for _, p := range plans {
		left += time.Duration(p.repeats) * p.least
	}
	for _, p := range plans {
		row, err := l.row(ctx, p, left)
		if err != nil {
			return nil, err
		}
		left -= time.Duration(p.repeats) * p.least
		result.Rows = append(result.Rows, *row)
	}
	result.Warnings = append(result.Warnings, l.warnings...)
	return result, nil
}

// row measures one row. left is the least time for it and all that follow.
func (l *Lab) row(ctx context.Context, p plan, left time.Duration) (*Row, error) {
	bound := l.bound(p.arch, p.peers)
	row := &Row{Peers: p.peers, Arch: p.arch, Bound: bound.Seconds, Limit: string(bound.Limit)}
	l.step(Step{What: "simulating", Arch: p.arch, Peers: p.peers, Left: left})
	var err error
	if row.Sim, err = l.simulate(ctx, p); err != nil {
		return nil, err
	}
	measure := l.clientServer
	if p.arch == P2P {
		measure = l.swarm
	}
	for i := range p.repeats {
		step := Step{Arch: p.arch, Peers: p.peers, Repeat: i + 1, Repeats: p.repeats, Expected: p.least, Left: left}
		l.step(step)
		if l.cfg.Keep != "" {
			l.logs = filepath.Join(l.cfg.Keep, fmt.Sprintf("%s-%d-%d", p.arch, p.peers, i+1))
		}
		run, err := measure(ctx, p.peers)
		if err != nil {
			return nil, fmt.Errorf("%s with %d receivers: %w", p.arch.words(), p.peers, err)
		}
		left -= p.least
		step.Measured, step.Left = seconds(run.Measured), left
		l.step(step)
		if run.CPU > busyShare {
			l.warn("the processor was %.0f %% busy, %.0f %% by the lab, during a run of %s with %s: the time may be the machine's and not the swarm's",
				100*run.CPU, 100*run.Own, p.arch.words(), units.Plural(p.peers, "receiver"))
		}
		row.Runs = append(row.Runs, *run)
	}
	row.conclude()
	return row, nil
}

// words is the architecture in a sentence.
func (a Arch) words() string {
	if a == P2P {
		return "peer-to-peer"
	}
	return "client-server"
}
