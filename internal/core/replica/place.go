package replica

import (
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

// welcome reports whether h may count on this host to become sure of s: with it and those that are away, whose places are still kept, the group
// would be no more than R. h cannot know of them when it has just started, or sees further. Else both sides of a partition could have a
// quorum. Where nobody is away any host may: in a ring that grows, views differ for a while, and who is needed need not see h as a holder yet.
func (r *Replica) welcome(s spans, h ringwire.Host) bool {
	for _, p := range r.arcs.pieces {
		if !overlap(p.spans, s) || !r.arcs.sure.covers(p.spans) {
			continue
		}
		hosts, absent := map[ringwire.Host]bool{h: true}, false
		for _, o := range p.group {
			hosts[o] = true
		}
		for o, a := range r.arcs.away { // order: each is counted
			if r.now-a.since < r.cfg.Absence && overlap(a.spans, p.spans) {
				hosts[o], absent = true, true
			}
		}
		if absent && len(hosts) > r.cfg.Replicas {
			return false
		}
	}
	return true
}
