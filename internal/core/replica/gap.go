package replica

import "time"

// wakeUp takes note that this host did not run between its last input and now: the process was stopped, its virtual machine frozen, the computer
// suspended. While it slept nobody ticked, so nothing lapsed that had to; others may have taken its places and gone on, and what waits at
// its door may ask before the next tick. Without other hosts' word it answers for nothing now. Questions under way are void as well: their answers
// may be as old as the sleep. A host that only had nothing to do is not meant: each ticks several times a second.
func (r *Replica) wakeUp(now time.Duration) {
	limit := r.cfg.Absence / 2
	if now-r.now <= limit || now-r.NextTick() <= limit || r.cfg.Faults.NeverWakes {
		return
	}
	r.now = now
	r.stats.Overslept++
	for len(r.sync.sessions) > 0 {
		r.closeSession(r.sync.sessions[0], false)
	}
	r.arcs.lapsed = r.arcs.lapsed.union(r.arcs.sure).union(r.arcs.fresh)
	r.arcs.sure, r.arcs.fresh = nil, nil
	for _, p := range r.arcs.pieces {
		p.since, p.next, p.danger, p.held, p.seen, p.ready = r.now, r.now, never, longAgo, nil, false
	}
	r.saveArcs()
}
