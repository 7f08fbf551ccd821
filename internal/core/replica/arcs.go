package replica

import (
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// arcs is what this host answers for.
type arcs struct {
	own       spans         // this host is among the first R holders, by its view
	sure      spans         // synchronised: own arcs, and former ones until their holders are
	fresh     spans         // was sure when it stopped, so short ago that nobody can have taken the place
	freshTill time.Duration // when that is no longer so; 0 before the first input
	lapsed    spans         // was sure once, but may have missed writes
	pieces    []*piece

	groups  []group                         // how many hosts had earned to answer for a part, this one included, when it did itself
	claims  []claim                         // hosts that asked since to synchronise, to answer too: in this order
	leavers map[ringwire.Host]bool          // said that they leave
	going   map[ringwire.Host]time.Duration // likewise, and when each was heard of last: it can be asked until it is silent
	away    map[ringwire.Host]absence       // that are not alive
	leftAt  time.Duration                   // when the last one was gone
	census  census
	joined  time.Duration // when this host first had arcs; never before
	stored  []SureArc     // as last given to the driver
	storedN int           // likewise: the largest group; after a restart it stands for all, which asks for more than needed
}

// group is the size of the group that answers for a part of the sure, fresh and lapsed arcs.
type group struct {
	span span
	n    int
}

// claim is a host's first question of the digests of an arc that it is going to answer for.
type claim struct {
	host  ringwire.Host
	arc   ringwire.Arc
	spans spans
	last  time.Duration // when it came, or came again
	ask   uint64        // the question whether it still stands, 0: none under way
	asked time.Duration // when that was sent
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
	partial bool            // others may be of group, which this host has not met since it became sure
	ready   bool            // has earned to be sure, and waits for former holders to step down
	danger  time.Duration   // since when so many of group are away that they may go on without this host; never
	held    time.Duration   // in danger, but with the ring's majority; longAgo
}

// evidence is one completed synchronisation.
type evidence struct {
	host         ringwire.Host
	sure, lapsed bool
	holds        bool // sure, ready to be, or was when it stopped a moment ago
	counts       bool // held at the time at: what it has got since it need not have here
	barred       bool // sure, but keeps the place that this host wants for another
	others       int  // the group that it knows, without this host
	at, retry    time.Duration
}

// longAgo is a time before all others, from which durations can still be told.
const longAgo = -never / 2

// evidenceLife is for how long a synchronisation counts: what came to the other host meanwhile may not have come here.
const evidenceLife = 2 * time.Minute

func (a *arcs) init(cfg *Config) {
	a.leavers, a.going, a.away = map[ringwire.Host]bool{}, map[ringwire.Host]time.Duration{}, map[ringwire.Host]absence{}
	a.joined, a.leftAt = never, longAgo
	if cfg.First && len(cfg.Arcs) == 0 {
		a.sure = spansOf(ringwire.Arc{})
		a.setGroup(a.sure, 1)
		return
	}
	for _, s := range cfg.Arcs {
		a.setGroup(spansOf(s.Arc), max(1, cfg.Hosts))
		if s.Lapsed || cfg.Away > cfg.Absence/2 {
			a.lapsed = a.lapsed.union(spansOf(s.Arc))
		} else {
			a.fresh = a.fresh.union(spansOf(s.Arc))
		}
	}
}

// ever is the positions that this host is sure of, or was.
func (a *arcs) ever() spans { return a.sure.union(a.fresh).union(a.lapsed) }

// setGroup notes the size of the group of some positions.
func (a *arcs) setGroup(s spans, n int) {
	var next []group
	for _, g := range a.groups {
		for _, rest := range (spans{g.span}).minus(s) {
			next = append(next, group{rest, g.n})
		}
	}
	for _, x := range s {
		next = append(next, group{x, n})
	}
	slices.SortFunc(next, func(x, y group) int { return x.span.from.Compare(y.span.from) })
	a.groups = next[:0]
	for _, g := range next {
		if n := len(a.groups); n > 0 && a.groups[n-1].n == g.n && a.groups[n-1].span.to.Add(one) == g.span.from {
			a.groups[n-1].span.to = g.span.to
			continue
		}
		a.groups = append(a.groups, g)
	}
}

// before is how many hosts had earned to answer for s, or had asked to, before h did: each of them may have acknowledged writes since.
func (a *arcs) before(s spans, h ringwire.Host) (n int) {
	n = 1
	for _, g := range a.groups {
		if touches(s, g.span) {
			n = max(n, g.n)
		}
	}
	counted := map[ringwire.Host]bool{}
	for _, c := range a.claims {
		if c.host == h && c.spans.covers(s) {
			break
		}
		if !counted[c.host] && c.host != h && overlap(c.spans, s) {
			counted[c.host] = true
			n++
		}
	}
	return n
}

func overlap(s, o spans) bool {
	return slices.ContainsFunc(o, func(x span) bool { return touches(s, x) })
}

// claimed notes that h is about to answer for arc.
func (a *arcs) claimed(now time.Duration, arc ringwire.Arc, h ringwire.Host) {
	s := spansOf(arc)
	a.claims = slices.DeleteFunc(a.claims, func(c claim) bool { return c.host == h && !c.spans.covers(s) && s.covers(c.spans) })
	known := false
	for i := range a.claims {
		if c := &a.claims[i]; c.host == h && overlap(c.spans, s) {
			known = known || c.spans.covers(s)
			c.last, c.ask = now, 0
		}
	}
	if !known {
		a.claims = append(a.claims, claim{host: h, arc: arc, spans: s, last: now, asked: longAgo})
	}
	if len(a.claims) > maxClaims {
		a.claims = slices.Delete(a.claims, 0, len(a.claims)-maxClaims)
	}
}

// doubtClaims asks those who claimed a part of s before others did, and have not since, whether they still do. While a ring grows, hosts come
// that soon are no holders any more: who comes after them would wait for them to become sure.
func (r *Replica) doubtClaims(s spans) {
	for i := range r.arcs.claims {
		c := &r.arcs.claims[i]
		if r.now-max(c.last, c.asked) < 4*r.cfg.Retry || !overlap(c.spans, s) || !r.cfg.View.Alive(c.host) {
			continue
		}
		c.ask, c.asked = r.nextToken(), r.now
		r.send(c.host, &ringwire.Data{Kind: ringwire.DataTree, Op: c.ask, Arc: c.arc})
	}
}

// unclaimed drops a claim of which its host says that nothing is left: neither the place nor what it had found out for it, so that it cannot
// become sure by that. If it holds the arc once more, it begins anew, and behind those who came meanwhile.
func (r *Replica) unclaimed(from ringwire.Host, m *ringwire.Data) {
	if m.Kind != ringwire.DataNode || m.Claim {
		return
	}
	r.arcs.claims = slices.DeleteFunc(r.arcs.claims, func(c claim) bool { return c.ask != 0 && c.ask == m.Op && c.host == from })
}

// claims reports whether this host answers for a part of s, did, or is going to.
func (r *Replica) claims(s spans) bool {
	return overlap(r.arcs.own, s) || overlap(r.arcs.ever(), s)
}

// maxClaims bounds the memory. By far more than R of one arc are there before any is forgotten.
const maxClaims = 4096

// ViewChanged takes note that Holders, Arcs or Alive may answer differently.
func (r *Replica) ViewChanged(now time.Duration) {
	r.advance(now)
	r.dropLeavers()
	r.dropGone()
	old := r.arcs.pieces
	r.arcs.pieces, r.arcs.own = nil, nil
	if !r.leaving {
		list, _ := r.cfg.View.Arcs(r.cfg.Replicas)
		for _, a := range list {
			for _, s := range spansOf(a) {
				r.cutPieces(s, old)
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
	if r.cfg.Faults.NoHandOver {
		r.arcs.sure = r.arcs.own
	}
	r.noteAway(old)
	r.sync.prune(r)
	for _, p := range r.arcs.pieces {
		r.judge(p)
	}
	r.sync.walkAt = min(r.sync.walkAt, r.now+r.cfg.Retry)
	r.saveArcs()
	r.settle()
}

// dropLeavers counts those who left out of the groups, so that a ring that shrinks on purpose can grow again.
func (r *Replica) dropLeavers() {
	a := &r.arcs
	for _, h := range sortedHosts(a.leavers) {
		if r.cfg.View.Alive(h) {
			continue
		}
		delete(a.leavers, h)
		a.away[h] = absence{since: longAgo}
		a.leftAt = r.now
		for _, p := range a.pieces { // those who counted it may say something else now
			for i := range p.seen {
				p.seen[i].retry = min(p.seen[i].retry, r.now+r.cfg.Retry)
			}
		}
		if n := len(a.claims); n > 0 {
			a.claims = slices.DeleteFunc(a.claims, func(c claim) bool { return c.host == h })
			if len(a.claims) < n {
				continue
			}
		}
		for i := range a.groups {
			a.groups[i].n = max(1, a.groups[i].n-1)
		}
	}
}

func sortedHosts[T any](m map[ringwire.Host]T) (out []ringwire.Host) {
	for h := range m { // order: sorted below
		out = append(out, h)
	}
	slices.Sort(out)
	return out
}

// cutPieces makes pieces of one span of the own arcs; old are the former ones.
func (r *Replica) cutPieces(s span, old []*piece) {
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
			for _, part := range r.known(span{from, to}, old) {
				p := &piece{arc: ringwire.Arc{Lo: part.from.Sub(one), Hi: part.to}, spans: spans{part}, holders: hosts, since: r.now, danger: never, held: longAgo}
				r.arcs.pieces = append(r.arcs.pieces, p)
			}
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
			p.since, p.next, p.seen, p.group, p.partial, p.danger, p.held = o.since, min(p.next, o.next), slices.Clone(o.seen), o.group, o.partial, o.danger, o.held
			return
		}
	}
	if r.arcs.sure.covers(p.spans) {
		p.next = r.now + r.jitter(r.cfg.SyncEvery)
	}
	p.group, p.partial = []ringwire.Host{r.cfg.Self}, true
	for _, o := range old { // several became one
		if touches(o.spans, p.spans[0]) {
			p.danger, p.held = min(p.danger, o.danger), max(p.held, o.held)
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

// saveArcs has the sure and the lapsed arcs stored when they have changed.
func (r *Replica) saveArcs() {
	var now []SureArc
	doubtful := r.arcs.lapsed.union(r.arcs.fresh)
	for _, p := range r.arcs.pieces {
		if p.danger != never && r.now-max(p.danger, p.held) > r.cfg.Absence/6 {
			doubtful = doubtful.union(p.spans.intersect(r.arcs.sure))
		}
	}
	// A host that stops in danger, or again before it has confirmed what it was sure of, would count the time of its absence wrong.
	for _, a := range r.arcs.sure.minus(doubtful).arcs() {
		now = append(now, SureArc{Arc: a})
	}
	for _, a := range doubtful.arcs() {
		now = append(now, SureArc{Arc: a, Lapsed: true})
	}
	largest := 1
	for _, g := range r.arcs.groups {
		largest = max(largest, g.n)
	}
	if slices.Equal(now, r.arcs.stored) && largest == r.arcs.storedN || r.broken {
		return
	}
	r.arcs.stored, r.arcs.storedN = now, largest
	r.emit(Action{Kind: PersistArcs, Arcs: slices.Clone(now), Hosts: largest})
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
