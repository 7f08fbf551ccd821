package replica

import (
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// judge decides whether this host is sure of p.
func (r *Replica) judge(p *piece) {
	if r.arcs.sure.covers(p.spans) {
		r.judgeSure(p)
		return
	}
	if p.ready = r.earned(p); !p.ready || r.blocked(p) {
		return
	}
	p.ready = false
	p.group, p.partial = []ringwire.Host{r.cfg.Self}, !r.abandoned(p)
	others := 0
	for _, e := range p.seen {
		if e.counts && r.now-e.at < evidenceLife {
			p.group = append(p.group, e.host)
			others = max(others, e.others)
		}
	}
	if r.arcs.fresh.covers(p.spans) {
		others = max(others, r.arcs.before(p.spans, r.cfg.Self)-1)
	}
	r.arcs.setGroup(p.spans, others+1)
	r.arcs.sure = r.arcs.sure.union(p.spans)
	r.arcs.fresh, r.arcs.lapsed = r.arcs.fresh.minus(p.spans), r.arcs.lapsed.minus(p.spans)
	p.next, p.danger, p.held = r.now+r.jitter(r.cfg.SyncEvery), never, longAgo
}

// earned is the rule by which a holder becomes sure: it has synchronised with so many hosts that are, itself perhaps included, that at least
// one of them was among any W that acknowledged a write. The group is of at most R: a host beyond the first R steps aside.
func (r *Replica) earned(p *piece) bool {
	have, group := 0, 0
	full := true  // every other holder was synchronised with, and is sure
	whole := true // or was at some time
	all := true   // every other holder was synchronised with
	for _, e := range p.seen {
		if e.counts && !e.barred && r.now-e.at < evidenceLife {
			have++
			group = max(group, e.others)
		}
	}
	fresh := r.arcs.fresh.covers(p.spans)
	if fresh {
		have++
		group = max(group+1, r.arcs.before(p.spans, r.cfg.Self))
	}
	group = min(group, r.cfg.Replicas)
	for n, h := range p.holders {
		i := slices.IndexFunc(p.seen, func(e evidence) bool { return e.host == h.Host && r.now-e.at < evidenceLife })
		if h.Host != r.cfg.Self {
			all = all && i >= 0
			full = full && (n >= r.cfg.Replicas || i >= 0 && !p.seen[i].barred && p.seen[i].counts)
			whole = whole && (n >= r.cfg.Replicas || i >= 0 && !p.seen[i].barred && (p.seen[i].counts || p.seen[i].lapsed))
		}
	}
	// In a young ring, whose groups grow, that rule alone would count on who is not there yet: then each that is there is asked.
	if have >= r.need(group) && (group >= r.cfg.Replicas || all) && (full || !r.even(max(group, r.places(p))) || !r.cutOff()) {
		return true
	}
	// All of a full set of holders came back from wherever they were, and none was replaced meanwhile.
	was := r.arcs.before(p.spans, r.cfg.Self)
	if whole && r.arcs.fresh.union(r.arcs.lapsed).covers(p.spans) && len(p.holders) >= min(r.cfg.Replicas, was) &&
		(all && !r.cutOff() || !r.even(r.places(p))) {
		return true
	}
	if all && r.abandoned(p) {
		r.stats.GaveUp++
		return true
	}
	return false
}

// blocked reports whether a former holder still answers for p, or may: more than R that do could form two quorums that don't meet. It steps down when
// it finds all R ready. One that is away lapses before long unless it is with others that this host would have needed.
func (r *Replica) blocked(p *piece) bool {
	for _, h := range p.holders[min(len(p.holders), r.cfg.Replicas):] {
		i := slices.IndexFunc(p.seen, func(e evidence) bool { return e.host == h.Host })
		if i >= 0 && p.seen[i].holds && r.now-p.since < r.waitFormer() {
			return true
		}
	}
	return false
}

// waitFormer is for how long a holder that is ready waits for former holders to step down.
func (r *Replica) waitFormer() time.Duration {
	if r.cfg.GiveUp < 0 {
		return never
	}
	return r.cfg.GiveUp
}

// judgeSure lets a piece lapse when so many of its group have been away for so long that they may have gone on without
// this host: it might be this host that is away. The others can at the earliest after Absence; this comes before. That they are seen again ends
// the danger only once this host has synchronised with enough of them. Where the rest of the group could go on just as well without those that are away, the
// ring's majority tells who may (see majority.go).
func (r *Replica) judgeSure(p *piece) {
	away, back := 0, 0
	for _, h := range p.group {
		if h != r.cfg.Self && !r.cfg.View.Alive(h) {
			away++
		}
		if slices.ContainsFunc(p.seen, func(e evidence) bool { return e.host == h && e.counts && e.at > p.danger }) {
			back++
		}
	}
	size := len(p.group)
	if full := r.places(p); p.partial && full > size && r.even(full) && r.counting() {
		size, away = full, away+full-size
	}
	need := r.need(size)
	switch {
	case away >= need && p.danger == never:
		p.danger = r.now
	case away < need && p.danger != never && back >= need-1:
		p.danger = never
	case away < need && p.danger != never:
		p.next = min(p.next, r.now)
	}
	if p.danger != never && r.even(size) && size-away >= need && r.majority() {
		p.held = r.now
	}
	if p.danger == never || p.held == r.now {
		r.regroup(p)
		return
	}
	if r.now-p.danger < r.cfg.Absence/2 || r.now-p.held < r.cfg.Absence/6 || r.cfg.Faults.NoHandOver {
		return
	}
	r.arcs.sure = r.arcs.sure.minus(p.spans)
	r.arcs.lapsed = r.arcs.lapsed.union(p.spans)
	p.since, p.next, p.danger, p.held, p.seen = r.now, r.now, never, longAgo, nil
}

// stale lets what was sure at the last stop lapse when this host could not confirm it in time.
func (r *Replica) stale() {
	if len(r.arcs.fresh) > 0 && r.now > r.arcs.freshTill {
		r.arcs.lapsed = r.arcs.lapsed.union(r.arcs.fresh)
		r.arcs.fresh = nil
	}
}

// regroup makes the present holders the group once each of them has shown to be sure.
func (r *Replica) regroup(p *piece) {
	var group []ringwire.Host
	for _, h := range p.holders[:min(len(p.holders), r.cfg.Replicas)] {
		known := slices.ContainsFunc(p.seen, func(e evidence) bool { return e.host == h.Host && e.sure && r.now-e.at < evidenceLife })
		if h.Host != r.cfg.Self && !known {
			return
		}
		group = append(group, h.Host)
	}
	if slices.Equal(group, p.group) && !p.partial || r.even(max(len(group), len(p.group))) && r.cutOff() {
		return // in the second case who is not there may know of a group that this host does not
	}
	p.group, p.partial = group, false
}
