package lab

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// run is one measurement on its way: receivers gather at a gate, it opens, they finish.
type run struct {
	n       int
	members []*process

	mu       sync.Mutex
	standing map[string]bool   // who stands at the gate
	done     map[int]time.Time // who is complete, since when
	err      error
	news     chan struct{} // something above changed
	over     bool          // what ends from now on is meant to
}

// measurement is what one run came to. Times are seconds since the gate opened.
type measurement struct {
	last  float64   // until all were complete
	each  []float64 // until each was complete, in order of time
	sent  []traffic // of the server and the peers, until the last was complete; nil with internal shaping
	cores float64   // processor time of the whole machine / time, in cores
}

func (l *Lab) newRun(n int) *run {
	return &run{n: n, standing: make(map[string]bool), done: make(map[int]time.Time), news: make(chan struct{}, 1)}
}

func (r *run) change(f func()) {
	r.mu.Lock()
	f()
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default: // somebody is about to look anyway
	}
}

// stand says that a receiver is at the gate.
func (r *run) stand(who string) { r.change(func() { r.standing[who] = true }) }

// finish says that receiver i was complete at a moment.
func (r *run) finish(i int, at time.Time) {
	r.change(func() {
		if r.done[i].IsZero() {
			r.done[i] = at
		}
	})
}

// fail ends the run.
func (r *run) fail(err error) {
	r.change(func() {
		if r.err == nil && !r.over {
			r.err = err
		}
	})
}

// watch fails the run when a member ends before it should. One that mayEnd is done when it ends without an error.
func (r *run) watch(p *process, mayEnd bool) {
	go func() {
		<-p.ended
		if !mayEnd || p.err != nil {
			r.fail(p.failure())
		}
	}()
}

// await returns when cond, which is called under the lock, holds, or with the error that ended the run.
func (r *run) await(ctx context.Context, cond func() bool) error {
	for {
		r.mu.Lock()
		ok, err := cond(), r.err
		r.mu.Unlock()
		if err != nil {
			return err
		}
		if ok {
			return nil
		}
		select {
		case <-r.news:
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

	// patience is how many times the bound, besides a minute, a run may take.
	patience = 20
)

// measure waits until all receivers stand at the gate, opens it and waits until all are complete.
func (l *Lab) measure(ctx context.Context, r *run, open func() error) (*measurement, error) {
	defer r.change(func() { r.over = true })
	gathering, cancel := context.WithTimeoutCause(ctx, gatherFor, fmt.Errorf("%d receivers did not get ready within %v", r.n, gatherFor))
	defer cancel()
	if err := r.await(gathering, func() bool { return len(r.standing) >= r.n }); err != nil {
		return nil, err
	}
	if err := sleep(ctx, settle); err != nil {
		return nil, err
	}
	before, err := l.counters(r.n)
	if err != nil {
		return nil, err
	}
	cpu := busyTime()
	start := time.Now()
	if err := open(); err != nil {
		return nil, err
	}
	limit := time.Minute + patience*l.longest(r.n)
	running, cancelRun := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%d receivers were not complete within %v", r.n, limit))
	defer cancelRun()
	if err := r.await(running, func() bool { return len(r.done) >= r.n }); err != nil {
		return nil, err
	}
	wall := time.Since(start)
	m := &measurement{cores: (busyTime() - cpu).Seconds() / wall.Seconds()}
	after, err := l.counters(r.n)
	if err != nil {
		return nil, err
	}
	for i := range after {
		m.sent = append(m.sent, after[i].since(before[i]))
	}
	m.note(start, r.done)
	return m, nil
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
