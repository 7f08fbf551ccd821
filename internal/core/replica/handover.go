package replica

import (
	"slices"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// handed is the hand-over of one arc that is not this host's: to each of its holders a session that gives. When all have all, and
// answer for the arc, this host stops to; then it drops the records.
type handed struct {
	spans spans
	arc   ringwire.Arc
	seq   uint64
	left  int  // sessions under way
	all   bool // every one so far succeeded
	sure  bool // and found the holder sure, or ready to be
}

const maxHanded = 2 // hand-overs at once

// hint sends a record on at once that was written here though this host is not its holder: the holder is away, or the writer's
// view was old. The hand-over makes sure of it later.
func (r *Replica) hint(d disk, rec *ringwire.Record) {
	pos := r.position(d.key)
	if d.ask == 0 || rec == nil || r.arcs.own.has(pos) || r.arcs.sure.has(pos) {
		return
	}
	r.sync.walkAt = min(r.sync.walkAt, r.now+r.cfg.Retry)
	if r.cfg.Faults.LoseHints {
		r.forget(d.key, rec.Digest())
		return
	}
	r.holders(pos, r.cfg.Replicas, func(hosts []ringwire.Ref) {
		r.stats.Hints++
		for _, h := range hosts {
			if h.Host != d.from && h.Host != r.cfg.Self {
				r.send(h.Host, &ringwire.Data{Kind: ringwire.DataWrite, Op: r.nextToken(), Record: rec, Filter: true})
			}
		}
	})
}

// forget drops a record from the store if it still is what it was.
func (r *Replica) forget(key string, d ringwire.Digest) {
	token := r.nextToken()
	r.disk[token] = disk{key: key, drop: true, wrote: d}
	r.writing[key]++
	r.emit(Action{Kind: Forget, Token: token, Key: key, Digest: d})
}

// elsewhere is the first position from the cursor on that this host has something to hand over for: records, or the word of a host that is sure.
func (r *Replica) elsewhere() (pos ringwire.ID, any bool) {
	foreign := r.arcs.own.not()
	ahead := foreign.intersect(spans{{r.sync.cursor, lastID}})
	for _, part := range []spans{ahead, foreign} {
		r.index.each(part, func(e *entry) bool {
			pos, any = e.pos, true
			return false
		})
		if sure := part.intersect(r.arcs.ever()); len(sure) > 0 && (!any || sure[0].from.Compare(pos) < 0) {
			pos, any = sure[0].from, true
		}
		if any {
			return pos, true
		}
	}
	return pos, false
}

// walk starts the next hand-over when there is room.
func (r *Replica) walk() {
	if r.now < r.sync.walkAt {
		return
	}
	r.sync.walkAt = r.now + r.cfg.Retry
	if r.leaving && !r.gone && r.now-r.bye.toldAt > 4*r.cfg.Retry {
		r.sayGoodbye()
	}
	pos, any := r.elsewhere()
	switch {
	case !any:
		r.sync.walkAt = never
		r.sync.cursor = ringwire.ID{}
		r.leftAlready()
		return
	case len(r.sync.handed) >= maxHanded || r.cfg.Faults.NoHandOver || r.arcs.joined == never:
		return
	}
	r.sync.walkAt = r.now + 4*r.cfg.Retry // a lookup may be lost
	r.holders(pos, r.cfg.Replicas, func(hosts []ringwire.Ref) { r.handOver(pos, hosts) })
}

// handOver gives the arc around pos to its holders.
func (r *Replica) handOver(pos ringwire.ID, hosts []ringwire.Ref) {
	r.sync.walkAt = r.now + r.cfg.Retry
	if r.leaving && len(r.bye.hosts(r.cfg.Self)) == 0 && !r.gone { // the last one: there is nobody to give it to
		r.gone = true
		r.emit(Action{Kind: Left})
		return
	}
	mine := slices.ContainsFunc(hosts, func(x ringwire.Ref) bool { return x.Host == r.cfg.Self })
	if len(hosts) == 0 || mine || !r.leaving && len(hosts) < r.cfg.Replicas || len(r.sync.handed) >= maxHanded {
		r.sync.cursor = pos.Add(one) // the view is not complete there: look again later
		return
	}
	// From pos to the end of its arc, or to where an arc of this host's begins.
	to := lastID
	if hi := hosts[0].ID; hi.Compare(pos) >= 0 {
		to = hi
	}
	parts := spans{{pos, to}}.minus(r.arcs.own)
	if len(parts) == 0 { // it has become this host's while the lookup ran
		r.sync.cursor = to.Add(one)
		return
	}
	part := parts[0]
	r.sync.cursor = part.to.Add(one)
	h := &handed{arc: ringwire.Arc{Lo: part.from.Sub(one), Hi: part.to}, spans: spans{part}, seq: r.seq, left: len(hosts), all: true, sure: true}
	if slices.ContainsFunc(r.sync.handed, func(o *handed) bool { return touches(o.spans, part) }) {
		return
	}
	r.sync.handed = append(r.sync.handed, h)
	if r.cfg.Faults.LoseHints {
		r.handedOver(h)
		return
	}
	for _, to := range hosts {
		var s *session
		s = r.startSession(to.Host, h.arc, true, false, func(ok bool) {
			r.bye.heard(to.Host, ok, r.now)
			h.left--
			h.all = h.all && ok
			h.sure = h.sure && ok && (s.root.Sure || s.root.Same)
			if h.left == 0 {
				r.handedOver(h)
			}
		})
	}
}

// handedOver ends a hand-over.
func (r *Replica) handedOver(h *handed) {
	r.sync.handed = slices.DeleteFunc(r.sync.handed, func(o *handed) bool { return o == h })
	foreign := h.spans.minus(r.arcs.own)
	// What this host knows counts for who has to earn the arc, even when it only was sure once.
	mine := r.arcs.ever().intersect(foreign)
	if !h.all || len(mine) > 0 && !h.sure && !r.overdue() {
		r.sync.walkAt = r.now + 4*r.cfg.Retry
		return
	}
	// First the word, then the data: never to answer "not found" for what was here.
	r.arcs.sure = r.arcs.sure.minus(foreign)
	r.arcs.fresh, r.arcs.lapsed = r.arcs.fresh.minus(foreign), r.arcs.lapsed.minus(foreign)
	r.saveArcs()
	r.index.each(foreign, func(e *entry) bool {
		if e.seq <= h.seq && r.writing[e.key] == 0 {
			r.forget(e.key, e.digest)
		}
		return true
	})
	r.sync.walkAt = r.now
}

// leftAlready reports the end of a leave once nothing is left to give.
func (r *Replica) leftAlready() {
	if r.leaving && !r.gone && len(r.disk) == 0 && len(r.sync.handed) == 0 {
		r.gone = true
		r.emit(Action{Kind: Left})
	} else if r.leaving && !r.gone {
		r.sync.walkAt = r.now + r.cfg.Retry
	}
}
