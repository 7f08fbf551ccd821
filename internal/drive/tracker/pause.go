package tracker

import (
	"sync"
	"time"
)

// Bounds of the wait between two attempts at a store that does not answer: peers are to notice its return within seconds.
const (
	pauseLow  = 100 * time.Millisecond
	pauseHigh = 5 * time.Second
)

// pause keeps requests from queueing up for a store that is down: after a failure all fail at once, and one is let through
// to look after a growing wait. The zero value lets all through.
type pause struct {
	mu     sync.Mutex
	wait   time.Duration // 0 while the store answers
	until  time.Time
	trying bool // one was let through and has not ended
}

// allows reports whether a request may be tried.
func (p *pause) allows(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wait == 0 {
		return true
	}
	if now.Before(p.until) {
		return false
	}
	p.until, p.trying = now.Add(pauseHigh), true // for this one to find out; its end sets another
	return true
}

// failed books a failure and reports whether it is the first. Those of requests that were under way at the same time do not
// make the wait longer.
func (p *pause) failed(now time.Time) (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first = p.wait == 0
	if !first && !p.trying {
		return false
	}
	p.trying = false
	p.wait = min(max(2*p.wait, pauseLow), pauseHigh)
	p.until = now.Add(p.wait)
	return first
}

// succeeded books an answer and reports whether it is the first after failures.
func (p *pause) succeeded() (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first = p.wait > 0
	p.wait, p.trying = 0, false
	return first
}
