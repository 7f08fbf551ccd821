package scenario

import (
	"math"
	"time"

	"github.com/eddy-p2p/eddy/internal/theory"
)

// Bound returns the least time in which peers (of Population) could all be complete, from the first arrival on: the fluid
// bound of package theory over those who start with nothing. ok is false where that does not bound the time: when
// somebody comes with pieces, since those save uploads, or when nobody comes.
func (sc *Scenario) Bound(peers []Peer) (bound theory.Bound, ok bool) {
	return sc.BoundOf(peers, nil)
}

// BoundOf is Bound for the peers of which complete is true (nil: all); the others still help with their uploads, for as long as
// the rest needs: a peer that fails or leaves makes the time longer than this, never shorter.
func (sc *Scenario) BoundOf(peers []Peer, complete func(peer int) bool) (bound theory.Bound, ok bool) {
	n, slowest, server, up := 0, math.Inf(1), 0.0, 0.0
	for i := range peers {
		p := &peers[i]
		switch {
		case p.Class < 0:
			server += Rate(p.Up)
			continue
		case p.Have > 0:
			return theory.Bound{}, false
		case p.Strategy == Honest:
			up += Rate(p.Up)
		}
		if complete == nil || complete(i) {
			n++
			slowest = min(slowest, Rate(p.Down))
		}
	}
	if n == 0 {
		return theory.Bound{}, false
	}
	// All receivers as one class with the mean of all uploads: the sums are what counts.
	class := theory.Class{Peers: n, Up: up / float64(n), Down: slowest}
	return theory.P2P(float64(sc.Size), server, class), true
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
	b, ok := sc.Bound(peers)
	if !ok || math.IsInf(b.Seconds, 1) {
		return later(last, patience*sc.copies(peers))
	}
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
