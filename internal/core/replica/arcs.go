package replica

import (
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// arcs is what this host answers for.
type arcs struct {
	own    spans // this host is among the first R holders, by its view
	sure   spans // synchronised: own arcs, and former ones until their holders are
	fresh  spans // was sure when it stopped, so short ago that nobody can have taken the place
	lapsed spans // was sure once, but may have missed writes
	pieces []*piece

	hosts   int                    // in sure groups that this host knows of, itself included, but without claims
	claims  map[ringwire.Host]bool // hosts that have synchronised with this one to answer for keys
	leavers map[ringwire.Host]bool // said that they leave
	leftAt  time.Duration          // when the last one was gone
	joined  time.Duration          // when this host first had arcs; never before
	stored  []SureArc              // as last given to the driver
	storedN int
}

// piece is a part of the own arcs between two neighbouring positions: all its keys have the same holders.
type piece struct {
	arc     ringwire.Arc
	spans   spans
	holders []ringwire.Ref // the first 2R, this host included
	since   time.Duration  // own and not sure from then on
	next    time.Duration  // when to synchronise again
	seen    []evidence
	group   []ringwire.Host // those that were last known to be sure of it, this host included
	danger  time.Duration   // since when so many of group are away that they may go on without this host; never
}

// evidence is one completed synchronisation.
type evidence struct {
	host         ringwire.Host
	sure, lapsed bool
	counts       bool // sure, or was when it stopped a moment ago
	others       int  // the group that it knows, without this host
	at, retry    time.Duration
}

// evidenceLife is for how long a synchronisation counts: what came to the other host meanwhile may not have come here.
const evidenceLife = 2 * time.Minute

func (a *arcs) init(cfg *Config) {
	a.claims, a.leavers = map[ringwire.Host]bool{}, map[ringwire.Host]bool{}
	a.joined, a.leftAt = never, -never
	a.hosts = max(cfg.Hosts, 1)
	if cfg.First && len(cfg.Arcs) == 0 {
		a.sure = spansOf(ringwire.Arc{})
		return
	}
	for _, s := range cfg.Arcs {
		if s.Lapsed || cfg.Away > cfg.Absence/2 {
			a.lapsed = a.lapsed.union(spansOf(s.Arc))
		} else {
			a.fresh = a.fresh.union(spansOf(s.Arc))
		}
	}
}

// total is how many hosts are known to answer, or to be about to, for keys that this host holds too.
func (a *arcs) total() int { return a.hosts + len(a.claims) }

// ViewChanged takes note that Holders, Arcs or Alive may answer differently.
func (r *Replica) ViewChanged(now time.Duration) {
	r.advance(now)
	r.dropLeavers()
	old := r.arcs.pieces
	r.arcs.pieces, r.arcs.own = nil, nil
	if !r.leaving {
		list, _ := r.cfg.View.Arcs(r.cfg.Replicas)
		for _, a := range list {
			for _, s := range spansOf(a) {
				r.cutPieces(s)
			}
		}
	}
	if len(r.arcs.pieces) > 0 && r.arcs.joined == never {
		r.arcs.joined = r.now
	}
	for _, p := range r.arcs.pieces {
		r.arcs.own = r.arcs.own.union(p.spans)
		r.inherit(p, old)
	}
	if r.tests.noHandOver {
		r.arcs.sure = r.arcs.own
	}
	r.sync.prune(r)
	for _, p := range r.arcs.pieces {
		r.judge(p)
	}
	r.sync.walkAt = min(r.sync.walkAt, r.now+r.cfg.Retry)
	r.saveArcs()
	r.settle()
}

// dropLeavers counts those who left out of the group, so that a ring that shrinks on purpose can grow again.
func (r *Replica) dropLeavers() {
	a := &r.arcs
	for _, h := range sortedHosts(a.leavers) {
		if r.cfg.View.Alive(h) {
			continue
		}
		delete(a.leavers, h)
		a.leftAt = r.now
		if a.claims[h] {
			delete(a.claims, h)
		} else {
			a.hosts = max(1, a.hosts-1)
		}
	}
}

func sortedHosts(m map[ringwire.Host]bool) (out []ringwire.Host) {
	for h := range m {
		out = append(out, h)
	}
	slices.Sort(out)
	return out
}

// cutPieces makes pieces of one span of the own arcs.
func (r *Replica) cutPieces(s span) {
	for from := s.from; ; {
		hosts, ok := r.cfg.View.Holders(from, 2*r.cfg.Replicas, nil)
		if len(hosts) == 0 {
			return
		}
		to := s.to
		if hi := hosts[0].ID; hi.Compare(from) >= 0 && hi.Compare(to) < 0 {
			to = hi
		}
		i := slices.IndexFunc(hosts, func(x ringwire.Ref) bool { return x.Host == r.cfg.Self })
		if i >= 0 && i < r.cfg.Replicas && (ok || len(hosts) >= r.cfg.Replicas) {
			p := &piece{arc: ringwire.Arc{Lo: from.Sub(one), Hi: to}, spans: spans{{from, to}}, holders: hosts, since: r.now, danger: never}
			r.arcs.pieces = append(r.arcs.pieces, p)
		}
		if to == s.to {
			return
		}
		from = to.Add(one)
	}
}

// inherit takes over what is known of the piece that p was part of. A new arc is synchronised at once where this host has just come, or
// another has left; else the holder that is away has its place kept for Absence.
func (r *Replica) inherit(p *piece, old []*piece) {
	wait := r.cfg.Absence
	if r.now-r.arcs.joined < r.cfg.Absence/3 || r.now-r.arcs.leftAt < r.cfg.Absence {
		wait = 0
	}
	p.next = r.now + wait
	for _, o := range old {
		if o.spans.covers(p.spans) {
			p.since, p.next, p.seen, p.group, p.danger = o.since, min(p.next, o.next), slices.Clone(o.seen), o.group, o.danger
			return
		}
	}
	if r.arcs.sure.covers(p.spans) {
		p.next = r.now + r.jitter(r.cfg.SyncEvery)
	}
	p.group = []ringwire.Host{r.cfg.Self}
	for _, o := range old { // several became one
		if touches(o.spans, p.spans[0]) {
			p.danger = min(p.danger, o.danger)
			for _, h := range o.group {
				if !slices.Contains(p.group, h) {
					p.group = append(p.group, h)
				}
			}
		}
	}
}

// jitter is d times 0.5 to 1.5.
func (r *Replica) jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(r.rng.Int64N(int64(d)+1))
}

// judge decides whether this host is sure of p.
func (r *Replica) judge(p *piece) {
	if r.arcs.sure.covers(p.spans) {
		r.judgeSure(p)
		return
	}
	if !r.earned(p) {
		return
	}
	p.group = []ringwire.Host{r.cfg.Self}
	others := 0
	for _, e := range p.seen {
		if e.counts && r.now-e.at < evidenceLife {
			p.group = append(p.group, e.host)
			others = max(others, e.others)
		}
	}
	r.arcs.hosts = max(r.arcs.hosts, others+1)
	r.arcs.sure = r.arcs.sure.union(p.spans)
	r.arcs.fresh, r.arcs.lapsed = r.arcs.fresh.minus(p.spans), r.arcs.lapsed.minus(p.spans)
	p.next, p.danger = r.now+r.jitter(r.cfg.SyncEvery), never
}

// earned is the rule by which a holder becomes sure: it has synchronised with so many hosts that are, itself perhaps included, that at least
// one of them was among any W that acknowledged a write. The group is of at most R: a host beyond the first R steps aside.
func (r *Replica) earned(p *piece) bool {
	have, group := 0, 0
	whole := true // every other holder was synchronised with, and was sure at some time
	all := true   // every other holder was synchronised with
	for _, e := range p.seen {
		if e.counts && r.now-e.at < evidenceLife {
			have++
			group = max(group, e.others)
		}
	}
	fresh := r.arcs.fresh.covers(p.spans)
	if fresh {
		have++
		group = max(group+1, r.arcs.total())
	}
	if have >= max(1, min(r.cfg.Replicas, group)-r.cfg.Write+1) {
		return true
	}
	first := p.holders[:min(len(p.holders), r.cfg.Replicas)]
	for _, h := range first {
		i := slices.IndexFunc(p.seen, func(e evidence) bool { return e.host == h.Host && r.now-e.at < evidenceLife })
		if h.Host != r.cfg.Self {
			all = all && i >= 0
			whole = whole && i >= 0 && (p.seen[i].counts || p.seen[i].lapsed)
		}
	}
	// All of a full set of holders came back from wherever they were, and none was replaced meanwhile.
	if whole && r.arcs.fresh.union(r.arcs.lapsed).covers(p.spans) && len(first) >= min(r.cfg.Replicas, r.arcs.total()) {
		return true
	}
	if all && r.cfg.GiveUp > 0 && r.now-p.since > r.cfg.GiveUp {
		r.stats.GaveUp++
		return true
	}
	return false
}

// judgeSure lets a piece lapse when so many of its group have been away for so long that they may have gone on without
// this host: it might be this host that is away. The others can at the earliest after Absence; this comes before.
func (r *Replica) judgeSure(p *piece) {
	away := 0
	for _, h := range p.group {
		if h != r.cfg.Self && !r.cfg.View.Alive(h) {
			away++
		}
	}
	if away < max(1, len(p.group)-r.cfg.Write+1) {
		p.danger = never
		r.regroup(p)
		return
	}
	p.danger = min(p.danger, r.now)
	if r.now-p.danger < r.cfg.Absence/2 || r.tests.noHandOver {
		return
	}
	r.arcs.sure = r.arcs.sure.minus(p.spans)
	r.arcs.lapsed = r.arcs.lapsed.union(p.spans)
	p.since, p.next, p.danger, p.seen = r.now, r.now, never, nil
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
	p.group = group
}

// saveArcs has the sure and the lapsed arcs stored when they have changed.
func (r *Replica) saveArcs() {
	var now []SureArc
	for _, a := range r.arcs.sure.union(r.arcs.fresh).arcs() {
		now = append(now, SureArc{Arc: a})
	}
	for _, a := range r.arcs.lapsed.arcs() {
		now = append(now, SureArc{Arc: a, Lapsed: true})
	}
	total := r.arcs.total()
	if slices.Equal(now, r.arcs.stored) && total == r.arcs.storedN || r.broken {
		return
	}
	r.arcs.stored, r.arcs.storedN = now, total
	r.emit(Action{Kind: PersistArcs, Arcs: slices.Clone(now), Hosts: total})
}

// countArcs fills in how the arcs stand.
func (r *Replica) countArcs(s *Stats) {
	s.Arcs = len(r.arcs.pieces)
	for _, p := range r.arcs.pieces {
		copies := 0
		if r.arcs.sure.covers(p.spans) {
			copies++
		} else {
			s.Unsure++
		}
		for _, h := range p.holders[:min(len(p.holders), r.cfg.Replicas)] {
			if slices.ContainsFunc(p.seen, func(e evidence) bool { return e.host == h.Host && e.sure && r.now-e.at < evidenceLife }) {
				copies++
			}
		}
		if copies < r.cfg.Replicas {
			s.UnderReplicated += int(r.index.sum(ringwire.Prefix{}, p.spans).Count)
		}
	}
	s.Misplaced = int(r.index.sum(ringwire.Prefix{}, r.arcs.own.not()).Count)
}
