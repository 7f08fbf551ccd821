package scenario

import (
	"math"
	"time"

	"github.com/eddy-p2p/eddy/internal/theory"
)

// Bound returns the least time in which peers (of Population) could all be complete, from the first arrival on. For those
// who come at once it is the fluid bound of package theory; for others it counts, from each arrival on, what all who come then or later still
// need. ok is false where that does not bound the time: when somebody comes with pieces, since those save uploads, or when
// nobody comes.
func (sc *Scenario) Bound(peers []Peer) (bound theory.Bound, ok bool) {
	return sc.BoundOf(peers, nil)
}

// BoundOf is Bound for the peers of which complete is true (nil: all); the others still help with their uploads, for as long as
// the rest needs: a peer that fails or leaves makes the time longer than this, never shorter.
func (sc *Scenario) BoundOf(peers []Peer, complete func(peer int) bool) (bound theory.Bound, ok bool) {
	all, ok := sc.sum(peers, complete)
	if !ok {
		return theory.Bound{}, false
	}
	bound = all.fluid(sc.Size)
	// Who comes later needs all its bytes from then on, though not from the server itself: all uploads are one server.
	first, late := peers[sc.Servers()].Arrive, theory.Class{Down: math.Inf(1)}
	for i := len(peers) - 1; i >= sc.Servers() && peers[i].Arrive > first; i-- {
		if complete != nil && !complete(i) {
			continue
		}
		late.Peers++
		late.Down = min(late.Down, Rate(peers[i].Down))
		least := theory.ClientServer(float64(sc.Size), all.server+all.up, late)
		if least.Limit == theory.LimitServer {
			least.Limit = theory.LimitAggregate
		}
		if least.Seconds += (peers[i].Arrive - first).Seconds(); least.Seconds > bound.Seconds {
			bound = least
		}
	}
	return bound, true
}

// demand is what a bound is made of: receivers, and rates in bytes/s.
type demand struct {
	n                   int
	slowest, server, up float64
}

// sum adds a population up; ok is false where no bound holds.
func (sc *Scenario) sum(peers []Peer, complete func(peer int) bool) (d demand, ok bool) {
	d.slowest = math.Inf(1)
	for i := range peers {
		p := &peers[i]
		switch {
		case p.Class < 0:
			d.server += Rate(p.Up)
			continue
		case p.Have > 0:
			return d, false
		case p.Strategy == Honest:
			d.up += Rate(p.Up)
		}
		if complete == nil || complete(i) {
			d.n++
			d.slowest = min(d.slowest, Rate(p.Down))
		}
	}
	return d, d.n > 0
}

// fluid is the bound for all of d at once: as one class with the mean of all uploads, since the sums are what counts.
func (d demand) fluid(size int64) theory.Bound {
	return theory.P2P(float64(size), d.server, theory.Class{Peers: d.n, Up: d.up / float64(d.n), Down: d.slowest})
}

// Rate is a rate of a scenario as theory wants it: 0, no limit, becomes +Inf.
func Rate(bps int64) float64 {
	if bps == 0 {
		return math.Inf(1)
	}
	return float64(bps)
}

// End returns when a simulation of peers (of Population) stops at the latest: Until, or by default 20 times the bound after the
// last arrival.
func (sc *Scenario) End(peers []Peer) time.Duration {
	if sc.Until > 0 {
		return sc.Until
	}
	const patience = 20
	last := peers[len(peers)-1].Arrive
	all, ok := sc.sum(peers, nil)
	if !ok {
		return later(last, patience*sc.copies(peers))
	}
	b := all.fluid(sc.Size)
	// A bound of nothing, all rates unlimited, still leaves latency and rounds.
	return later(last, patience*max(b.Seconds, 60))
}

// copies is the time of sending one copy to each peer in turn by the slowest limited uplink: what is patience where there is no bound.
func (sc *Scenario) copies(peers []Peer) float64 {
	slowest := math.Inf(1)
	for i := range peers {
		if p := &peers[i]; p.Up > 0 && p.Strategy == Honest {
			slowest = min(slowest, float64(p.Up))
		}
	}
	return max(60, min(float64(sc.Size)/slowest, 1e6))
}
