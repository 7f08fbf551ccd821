package replica

import (
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// absence is that of a host which answered for some of this host's arcs.
type absence struct {
	since time.Duration // longAgo: it left
	spans spans
}

// noteAway remembers since when hosts have been away that answered for the same arcs until now.
func (r *Replica) noteAway(old []*piece) {
	inGroup := map[ringwire.Host]bool{}
	for _, p := range old {
		for _, h := range p.group {
			inGroup[h] = true
			r.missing(h, p.spans)
		}
		for _, h := range p.holders[:min(len(p.holders), r.cfg.Replicas)] {
			r.missing(h.Host, p.spans)
		}
	}
	for h, a := range r.arcs.away { // order: each by itself
		if r.cfg.View.Alive(h) || r.now-a.since > r.cfg.Absence && !inGroup[h] {
			delete(r.arcs.away, h)
		}
	}
}

func (r *Replica) missing(h ringwire.Host, s spans) {
	if h == r.cfg.Self || r.cfg.View.Alive(h) {
		return
	}
	a, known := r.arcs.away[h]
	if !known {
		a.since = r.now
	}
	if !a.spans.covers(s) {
		a.spans = a.spans.union(s)
	}
	r.arcs.away[h] = a
}

// welcome reports whether h may count on this host to become sure of s. Those of the group may at any time: the place is theirs. Another one may
// when it is among the holders in this host's view too and nobody is away whose place is still kept: h cannot
// know of that when it has just started, or sees further. Else both sides of a partition could have a quorum.
func (r *Replica) welcome(s spans, h ringwire.Host) bool {
	for _, p := range r.arcs.pieces {
		if !overlap(p.spans, s) || !r.arcs.sure.covers(p.spans) || slices.Contains(p.group, h) {
			continue
		}
		if !slices.ContainsFunc(p.holders[:min(len(p.holders), r.cfg.Replicas)], func(x ringwire.Ref) bool { return x.Host == h }) {
			return false
		}
		for _, a := range r.arcs.away { // order: any one
			if r.now-a.since < r.cfg.Absence && overlap(a.spans, p.spans) {
				return false
			}
		}
	}
	return true
}
