package lab

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// gate is one measurement on its way: receivers gather at the gate, it opens, they finish.
type gate struct {
	n       int
	members []*process

	mu       sync.Mutex
	standing map[string]bool   // who stands at the gate
	done     map[int]time.Time // who is complete, since when
	err      error
	news     chan struct{} // something above changed
	over     bool          // what ends from now on is meant to
}

func newGate(n int) *gate {
	return &gate{n: n, standing: make(map[string]bool), done: make(map[int]time.Time), news: make(chan struct{}, 1)}
}

func (g *gate) change(f func()) {
	g.mu.Lock()
	f()
	g.mu.Unlock()
	select {
	case g.news <- struct{}{}:
	default: // somebody is about to look anyway
	}
}

// stand says that a receiver is at the gate.
func (g *gate) stand(who string) { g.change(func() { g.standing[who] = true }) }

// announced is what a tracker hears: who lacks something is a receiver, and stands at the gate.
func (g *gate) announced(id [20]byte, left int64) {
	if left > 0 {
		g.stand(string(id[:]))
	}
}

// finish says that receiver i was complete at a moment.
func (g *gate) finish(i int, at time.Time) {
	g.change(func() {
		if g.done[i].IsZero() {
			g.done[i] = at
		}
	})
}

// fail ends the run.
func (g *gate) fail(err error) {
	g.change(func() {
		if g.err == nil && !g.over {
			g.err = err
		}
	})
}

// watch fails the run when a member ends before it should. One that mayEnd is done when it ends without an error.
func (g *gate) watch(p *process, mayEnd bool) {
	go func() {
		<-p.ended
		if !mayEnd || p.err != nil {
			g.fail(p.failure())
		}
	}()
}

// await returns when cond, which is called under the lock, holds, or with the error that ended the run.
func (g *gate) await(ctx context.Context, cond func() bool) error {
	for {
		g.mu.Lock()
		ok, err := cond(), g.err
		g.mu.Unlock()
		if err != nil {
			return err
		}
		if ok {
			return nil
		}
		select {
		case <-g.news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

const (
	// gatherFor is how long the receivers may take to come to the gate.
	gatherFor = 2 * time.Minute

	// settle is how long they stand there together, so that the start of many processes does not become part of the time.
	settle = time.Second

	// patience is how many times the time of plain downloads, besides a minute, a run may take.
	patience = 5
)

// measure waits until all receivers stand at the gate, opens it and waits until all are complete.
func (l *Lab) measure(ctx context.Context, g *gate, open func() error) (*Measurement, error) {
	defer g.change(func() { g.over = true })
	gathering, cancel := context.WithTimeoutCause(ctx, gatherFor, fmt.Errorf("%d receivers did not get ready within %v", g.n, gatherFor))
	defer cancel()
	if err := g.await(gathering, func() bool { return len(g.standing) >= g.n }); err != nil {
		return nil, err
	}
	if err := sleep(ctx, settle); err != nil {
		return nil, err
	}
	before, err := l.counters(g.n)
	if err != nil {
		return nil, err
	}
	cpu, own := busyTime(), l.processes.cpu()
	start := time.Now()
	if err := open(); err != nil {
		return nil, err
	}
	limit := time.Minute + patience*seconds(l.bound(ClientServer, g.n).Seconds)
	running, cancelRun := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%d receivers were not complete within %v", g.n, limit))
	defer cancelRun()
	if err := g.await(running, func() bool { return len(g.done) >= g.n }); err != nil {
		return nil, err
	}
	wall := time.Since(start) * time.Duration(cores)
	m := newMeasurement(start, g.done)
	m.CPU = share(busyTime()-cpu, wall)
	m.Own = min(m.CPU, share(l.processes.cpu()-own, wall))
	after, err := l.counters(g.n)
	if err != nil {
		return nil, err
	}
	for i := range after {
		m.Sent = append(m.Sent, after[i].since(before[i]))
	}
	return &m, nil
}

// share is what part of the time there was has been spent. The kernel counts in ticks of 10 ms on each core and hands them in when it
// likes, so that a short run can seem to spend more than there was: that is all of it.
func share(spent, there time.Duration) float64 {
	if there <= 0 {
		return 0
	}
	return min(1, max(0, spent.Seconds()/there.Seconds()))
}

// sleep waits for d, or returns why ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
