package replica

import (
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// goodbye is what a host that leaves still knows. Its routing has ended: whom it has to give its arcs to is what the view said last.
type goodbye struct {
	since  time.Duration
	pieces []*piece
	silent map[ringwire.Host]time.Duration // hosts that a hand-over failed with, and since when
	toldAt time.Duration
}

// AtRest reports whether nothing is on the move here: this host is sure of its arcs and has nothing of others'. One that leaves then makes the least
// trouble: others may have counted on it to become sure.
func (r *Replica) AtRest() bool {
	foreign := r.arcs.own.not()
	return r.arcs.sure.covers(r.arcs.own) && len(r.arcs.ever().intersect(foreign)) == 0 && r.index.sum(ringwire.Prefix{}, foreign).Count == 0
}

// Leave hands everything over; Left comes when others answer for all of it. Others' views are without this host already.
func (r *Replica) Leave(now time.Duration) {
	r.advance(now)
	if r.leaving {
		return
	}
	r.leaving = true
	r.bye = goodbye{since: r.now, pieces: r.arcs.pieces, silent: map[ringwire.Host]time.Duration{}}
	r.sayGoodbye()
	r.ViewChanged(now)
	r.sync.walkAt = r.now
}

// sayGoodbye tells all who may have to do with this host's arcs that it leaves. It is repeated until the end, since any message may get lost.
func (r *Replica) sayGoodbye() {
	r.bye.toldAt = r.now
	for _, x := range r.bye.hosts(r.cfg.Self) {
		r.emit(Action{Kind: Send, To: x.Host, Message: &ringwire.Data{Kind: ringwire.DataLeaving}})
	}
}

// hosts is everybody but self that is known, each once, at its first position.
func (b *goodbye) hosts(self ringwire.Host) (out []ringwire.Ref) {
	seen := map[ringwire.Host]bool{self: true}
	for _, p := range b.pieces {
		for _, h := range p.holders {
			if !seen[h.Host] {
				seen[h.Host] = true
				out = append(out, h)
			}
		}
	}
	return out
}

// heirs are the first n hosts that a position belongs to without this one, as far as is known, and without those that have not answered for Absence.
// What is none of this host's arcs goes to whoever is next: as a member, that one knows where it belongs.
func (r *Replica) heirs(pos ringwire.ID, n int) (hosts []ringwire.Ref) {
	known := r.bye.hosts(r.cfg.Self)
	slices.SortFunc(known, func(x, y ringwire.Ref) int { return x.ID.Sub(pos).Compare(y.ID.Sub(pos)) })
	for _, p := range r.bye.pieces {
		if p.spans.covers(spans{{pos, pos}}) {
			known = without(p.holders, r.cfg.Self)
		}
	}
	for _, h := range known {
		since, silent := r.bye.silent[h.Host]
		if len(hosts) < n && !(silent && r.now-since > r.cfg.Absence) {
			hosts = append(hosts, h)
		}
	}
	if len(hosts) == 0 { // it may be this host that was cut off: nobody else will ever be known
		clear(r.bye.silent)
		return known[:min(n, len(known))]
	}
	return hosts
}

// heard notes how a hand-over to a host ended.
func (b *goodbye) heard(h ringwire.Host, ok bool, now time.Duration) {
	if b.silent == nil {
		return
	}
	if ok {
		delete(b.silent, h)
	} else if _, known := b.silent[h]; !known {
		b.silent[h] = now
	}
}

// onLeaving notes that a host leaves. It has left the view, or soon will, and yet can be asked until it is silent.
func (r *Replica) onLeaving(from ringwire.Host) {
	if _, known := r.arcs.going[from]; !known {
		r.arcs.leavers[from] = true
		r.ViewChanged(r.now)
	}
	r.arcs.going[from] = r.now
}

// present reports whether a host may answer: it is alive, or leaves but was heard of a moment ago.
func (r *Replica) present(h ringwire.Host) bool {
	at, going := r.arcs.going[h]
	return r.cfg.View.Alive(h) || going && r.now-at < 10*r.cfg.Retry
}

// dropGone forgets those who left long ago, and those who are back.
func (r *Replica) dropGone() {
	for _, h := range sortedHosts(r.arcs.going) {
		if r.now-r.arcs.going[h] > r.cfg.Absence || r.cfg.View.Alive(h) && !r.arcs.leavers[h] {
			delete(r.arcs.going, h)
		}
	}
}

// known cuts a span where this host, or one that leaves, ceases to know it. When a host has left, its arc becomes one with a neighbour's, and
// nobody is sure of the whole: each part needs whoever is sure of that. What was learned of a part from who leaves is kept too. Likewise where groups differ,
// until they don't: of two groups taken for one more would have to be away before it is in danger.
func (r *Replica) known(s span, old []*piece) (parts []span) {
	sets := []spans{r.arcs.sure}
	for _, g := range r.sync.givers {
		if _, going := r.arcs.going[g.host]; going {
			sets = append(sets, g.spans)
		}
	}
	for _, p := range old {
		fromLeaver := func(e evidence) bool { _, going := r.arcs.going[e.host]; return going && e.counts }
		if slices.ContainsFunc(p.seen, fromLeaver) && !r.arcs.sure.covers(p.spans) {
			sets = append(sets, p.spans)
		}
	}
	var first *piece
	for _, p := range old {
		if !touches(p.spans, s) || !r.arcs.sure.covers(p.spans) {
			continue
		}
		if first == nil {
			first = p
		}
		if !sameHosts(p.group, first.group) {
			sets = append(sets, p.spans)
		}
	}
	var starts []ringwire.ID
	for _, x := range slices.Concat(sets...) {
		for _, at := range []ringwire.ID{x.from, x.to.Add(one)} {
			if at.Compare(s.from) > 0 && at.Compare(s.to) <= 0 {
				starts = append(starts, at)
			}
		}
	}
	slices.SortFunc(starts, ringwire.ID.Compare)
	for _, at := range slices.Compact(starts) {
		parts = append(parts, span{s.from, at.Sub(one)})
		s.from = at
	}
	return append(parts, s)
}

// sameHosts reports whether two lists, each without repetition, are of the same hosts.
func sameHosts(a, b []ringwire.Host) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(h ringwire.Host) bool { return !slices.Contains(b, h) })
}

// overdue reports whether a host that leaves has waited long enough for others to answer for its arcs: the ring may have changed since it last saw it.
// Whoever has its records then takes them on as a member does; nobody loses any, but arcs may be unsure for longer.
func (r *Replica) overdue() bool { return r.leaving && r.now-r.bye.since > 2*r.cfg.Absence }
