package replica

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/rate"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// syncs is the synchronisation with other hosts.
type syncs struct {
	sessions []*session // under way, in the order of their starts
	handed   []*handed  // hand-overs under way
	cursor   ringwire.ID
	walkAt   time.Duration // when to look for records that belong elsewhere
	next     time.Duration // when to look at the sessions again
	turn     int           // the piece that the next session is for
	givers   []giver       // at most maxGivers
	bucket   rate.Bucket
}

// session compares one arc with one other host: digests from the root of the tree down to where they differ, then records, both ways
// unless it only gives.
type session struct {
	peer   ringwire.Host
	arc    ringwire.Arc
	spans  spans
	give   bool   // hand-over: what the peer has more is none of this host's business
	claim  bool   // this host is about to answer for the arc
	seq    uint64 // of this host's latest change when it began
	root   *ringwire.Data
	trees  []treeStep // to ask for
	keys   []string   // to reconcile
	theirs map[string]ringwire.Digest
	under  []question      // under way
	stored map[string]bool // keys on their way to the disk here
	quiet  time.Duration   // when the peer answered last
	moved  int
	failed bool
	done   func(ok bool)
}

// treeStep is a branch, or the rest of a list behind a key.
type treeStep struct {
	prefix ringwire.Prefix
	after  string
}

// question is one that the peer has not answered yet.
type question struct {
	ask   uint64
	since time.Duration
	m     *ringwire.Data
	tree  treeStep
}

const (
	maxSessions = 8  // at once
	window      = 32 // questions of a session at once
	listAt      = 64 // records below a branch that are listed rather than summed
)

func (s *syncs) init(cfg *Config) {
	s.bucket.Set(0, cfg.SyncRate)
	s.walkAt = never
}

// prune ends the sessions over arcs that are no longer this host's business.
func (s *syncs) prune(r *Replica) {
	for _, x := range slices.Clone(s.sessions) {
		if !x.give && !slices.ContainsFunc(r.arcs.pieces, func(p *piece) bool { return p.spans.covers(x.spans) }) {
			r.closeSession(x, false)
		}
	}
}

// spend charges the budget of synchronisation, on credit: no more is asked until it is paid back.
func (r *Replica) spend(size int64) { r.sync.bucket.Return(r.now, -size) }

// startSession begins to compare arc with a peer.
func (r *Replica) startSession(peer ringwire.Host, arc ringwire.Arc, give, claim bool, done func(ok bool)) *session {
	s := &session{peer: peer, arc: arc, spans: spansOf(arc), give: give, claim: claim, seq: r.seq, quiet: r.now, done: done,
		theirs: map[string]ringwire.Digest{}, stored: map[string]bool{}}
	s.trees = []treeStep{{}}
	r.sync.sessions = append(r.sync.sessions, s)
	r.pump(s)
	return s
}

// onTree answers with the digests below a prefix.
func (r *Replica) onTree(from ringwire.Host, m *ringwire.Data) {
	if !validPrefix(m.Prefix) || len(m.Key) > ringwire.MaxKeyBytes {
		r.stats.Malformed++
		return
	}
	s := spansOf(m.Arc)
	others := r.arcs.before(s, from)
	if m.Claim {
		r.doubtClaims(s)
		r.arcs.claimed(r.now, m.Arc, from)
	} else {
		r.sync.given(from, s)
		if _, going := r.arcs.going[from]; going && !r.leaving {
			r.ViewChanged(r.now) // its arcs end where this host's need not
		}
	}
	a := &ringwire.Data{Kind: ringwire.DataNode, Op: m.Op, Sure: !r.broken && r.arcs.sure.covers(s), Group: uint8(min(others, 255)), Claim: r.claims(s)}
	fresh := r.arcs.sure.union(r.arcs.fresh)
	a.Fresh = !a.Sure && !r.broken && fresh.covers(s)
	a.Lapsed = !a.Sure && !r.broken && fresh.union(r.arcs.lapsed).covers(s)
	a.Same = slices.ContainsFunc(r.arcs.pieces, func(p *piece) bool { return p.ready && p.spans.covers(s) })
	if m.Claim && a.Sure && !r.welcome(s, from) {
		a.Lapsed = true
	}
	a.Sums, a.Items = r.below(m.Prefix, s, m.Key)
	r.send(from, a)
}

// below is the digests under a prefix within s: sums of its 16 branches, or a list where these are few.
func (r *Replica) below(p ringwire.Prefix, s spans, after string) (sums []ringwire.Sum, items []ringwire.Item) {
	if int(p.Depth) < maxDepth && after == "" {
		sums = make([]ringwire.Sum, 16)
		count := 0
		for i := range sums {
			sums[i] = r.index.sum(child(p, i), s)
			count += int(sums[i].Count)
		}
		if count > listAt {
			return sums, nil
		}
	}
	return nil, r.list(p, s, after, ringwire.MaxItems)
}

// list is up to limit records under a prefix within s, behind the key after.
func (r *Replica) list(p ringwire.Prefix, s spans, after string, limit int) (items []ringwire.Item) {
	r.index.each(s.intersect(spans{cut(p)}), func(e *entry) bool {
		// Only positions at full depth have so many keys that a list goes on; there keys alone give the order.
		if after == "" || strings.Compare(e.key, after) > 0 {
			items = append(items, ringwire.Item{Key: e.key, Digest: e.digest})
		}
		return len(items) < limit
	})
	return items
}

// pump asks as much as window and budget allow, and ends the session when nothing is left.
func (r *Replica) pump(s *session) {
	for !s.failed && len(s.under)+len(s.stored) < window && r.sync.bucket.At(1) <= r.now {
		switch {
		case len(s.keys) > 0:
			key := s.keys[0]
			s.keys = s.keys[1:]
			r.reconcile(s, key)
			continue
		case len(s.trees) > 0:
			t := s.trees[0]
			s.trees = s.trees[1:]
			r.inquire(s, question{tree: t, m: &ringwire.Data{Kind: ringwire.DataTree, Arc: s.arc, Prefix: t.prefix, Key: t.after, Claim: s.claim}})
			continue
		}
		break
	}
	if s.failed || len(s.trees)+len(s.keys)+len(s.under)+len(s.stored) == 0 {
		r.closeSession(s, !s.failed)
	}
}

// inquire sends a question of a session, or sends it again under a new number.
func (r *Replica) inquire(s *session, q question) {
	q.ask, q.since = r.nextToken(), r.now
	m := *q.m
	m.Op = q.ask
	s.under = append(s.under, q)
	r.asked[q.ask] = asked{session: s}
	r.send(s.peer, &m)
	if m.Record != nil {
		r.spend(int64(m.Record.Size()))
	}
	r.sync.next = min(r.sync.next, r.now+r.cfg.Retry)
}

// reconcile begins with a key in which the two differ: what the peer has comes first, then the merge goes back.
func (r *Replica) reconcile(s *session, key string) {
	e := r.index.byKey[key]
	theirs, listed := s.theirs[key]
	switch {
	case e != nil && listed && e.digest == theirs, e == nil && (!listed || s.give):
		return // meanwhile the same
	case listed && !s.give:
		m := &ringwire.Data{Kind: ringwire.DataRead, Key: key}
		if e != nil {
			m.Digest = e.digest
		}
		r.inquire(s, question{m: m})
		return
	}
	r.offer(s, key)
}

// offer writes this host's record to the peer.
func (r *Replica) offer(s *session, key string) {
	rec := r.load(key)
	if rec == nil {
		return
	}
	s.moved++
	r.inquire(s, question{m: &ringwire.Data{Kind: ringwire.DataWrite, Record: rec, Filter: true}})
}

// sessionReply takes an answer of the peer.
func (r *Replica) sessionReply(s *session, from ringwire.Host, m *ringwire.Data) {
	i := slices.IndexFunc(s.under, func(q question) bool { return q.ask == m.Op })
	if i < 0 || from != s.peer {
		return
	}
	q := s.under[i]
	delete(r.asked, q.ask)
	s.under = slices.Delete(s.under, i, i+1)
	s.quiet = r.now
	switch {
	case m.Kind == ringwire.DataNode && q.m.Kind == ringwire.DataTree:
		r.compare(s, q.tree, m)
	case m.Kind == ringwire.DataAnswer && q.m.Kind == ringwire.DataRead:
		r.fetched(s, q.m.Key, m)
	case m.Kind == ringwire.DataWritten && q.m.Kind == ringwire.DataWrite:
		if m.Status == ringwire.StatusBusy { // later again
			q.since = r.now
			q.ask = r.nextToken()
			s.under = append(s.under, q)
		} else if m.Status != ringwire.StatusOK {
			s.failed = true
		}
	default:
		s.failed = true
	}
	r.pump(s)
}

// compare finds where the peer's digests differ from this host's.
func (r *Replica) compare(s *session, t treeStep, m *ringwire.Data) {
	if s.root == nil {
		s.root = m
	}
	if len(m.Sums) == 16 && int(t.prefix.Depth) < maxDepth {
		for i := range m.Sums {
			if c := child(t.prefix, i); r.index.sum(c, s.spans) != m.Sums[i] {
				s.trees = append(s.trees, treeStep{prefix: c})
			}
		}
		return
	}
	if len(m.Sums) > 0 || len(m.Items) > ringwire.MaxItems {
		s.failed = true
		return
	}
	within := s.spans.intersect(spans{cut(t.prefix)})
	last, lastAt := "", ringwire.ID{}
	for i, it := range m.Items {
		at := r.position(it.Key)
		if order := cmp.Or(lastAt.Compare(at), strings.Compare(last, it.Key)); i > 0 && order >= 0 {
			s.failed = true // what a list goes on behind would be another's
			return
		}
		if lastAt = at; !within.has(at) {
			s.failed = true // would make this host store keys that it did not ask for
			return
		}
		s.theirs[it.Key] = it.Digest
		if e := r.index.byKey[it.Key]; e == nil || e.digest != it.Digest {
			s.keys = append(s.keys, it.Key)
		}
		last = it.Key
	}
	if more := len(m.Items) == ringwire.MaxItems && int(t.prefix.Depth) == maxDepth; more {
		s.trees = append(s.trees, treeStep{t.prefix, last})
	} else {
		last = ""
	}
	r.index.each(within, func(e *entry) bool {
		behind := t.after == "" || e.key > t.after
		if _, listed := s.theirs[e.key]; !listed && behind && (last == "" || e.key <= last) {
			s.keys = append(s.keys, e.key)
		}
		return true
	})
}

// fetched takes a record of the peer.
func (r *Replica) fetched(s *session, key string, m *ringwire.Data) {
	switch {
	case m.Record == nil:
		if r.index.byKey[key] != nil && !m.Same {
			r.offer(s, key)
		}
	case m.Record.Key != key || !r.authentic(m.Record):
		s.failed = true
	default:
		r.spend(int64(m.Record.Size()))
		s.theirs[key] = m.Record.Digest()
		s.stored[key] = true
		s.moved++
		r.persist(m.Record, disk{s: s})
	}
}

// sessionStored goes on when a fetched record is on disk.
func (r *Replica) sessionStored(s *session, key string, rec *ringwire.Record) {
	delete(s.stored, key)
	s.quiet = r.now
	if rec != nil && rec.Digest() != s.theirs[key] && !s.failed {
		r.offer(s, key)
	}
	r.pump(s)
}

// closeSession ends a session.
func (r *Replica) closeSession(s *session, ok bool) {
	i := slices.Index(r.sync.sessions, s)
	if i < 0 {
		return
	}
	r.sync.sessions = slices.Delete(r.sync.sessions, i, i+1)
	r.sync.next = r.now // there is room for the next one
	for _, q := range s.under {
		delete(r.asked, q.ask)
	}
	s.under, s.trees, s.keys, s.failed = nil, nil, nil, !ok
	if ok {
		r.stats.Syncs++
		r.stats.Synced += uint64(s.moved)
	}
	s.done(ok)
}

// tickSessions repeats what was not answered, and gives up peers that have been silent for long.
func (r *Replica) tickSessions() {
	for _, s := range slices.Clone(r.sync.sessions) {
		if r.now-s.quiet > 10*r.cfg.Retry && len(s.stored) == 0 || !r.present(s.peer) {
			r.closeSession(s, false)
			continue
		}
		var again []question
		s.under = slices.DeleteFunc(s.under, func(q question) bool {
			if r.now-q.since < r.cfg.Retry {
				return false
			}
			again = append(again, q)
			return true
		})
		for _, q := range again {
			delete(r.asked, q.ask)
			r.inquire(s, q)
		}
		r.pump(s)
	}
}

// tickPieces starts the sessions that are due.
func (r *Replica) tickPieces() {
	r.stale()
	for _, p := range r.arcs.pieces {
		r.judge(p) // each, at each tick: that an arc lapses in time is a matter of safety
	}
	// In turn, so that those whose partners are not sure yet don't keep the others from theirs.
	for i, count := 0, len(r.arcs.pieces); i < count; i++ {
		at := (r.sync.turn + i) % count
		p := r.arcs.pieces[at]
		if r.now < p.next || r.cfg.Faults.NoHandOver {
			continue
		}
		if len(r.sync.sessions) >= maxSessions {
			r.sync.turn = at
			return
		}
		if r.arcs.sure.covers(p.spans) {
			p.next = r.now + r.jitter(r.cfg.SyncEvery)
			if p.partial { // whom it could do without it knows once it has met all
				p.next = r.now + r.jitter(r.cfg.SyncEvery/4)
			}
			if h, ok := r.anyHolder(p); ok {
				r.syncPiece(p, h, false)
			}
			continue
		}
		p.next = r.now + r.cfg.Retry
		for _, h := range p.holders {
			if len(r.sync.sessions) < maxSessions && r.wanting(p, h.Host) {
				r.syncPiece(p, h.Host, true)
			}
		}
		for _, g := range r.sync.givers {
			if len(r.sync.sessions) < maxSessions && overlap(g.spans, p.spans) && r.present(g.host) && r.wanting(p, g.host) {
				r.syncPiece(p, g.host, true)
			}
		}
	}
}

// giver is a host that compared an arc with this one although it need not be among its holders: one that hands over.
type giver struct {
	host  ringwire.Host
	spans spans
}

const maxGivers = 64

// given notes that h may have something for s. When many hosts join at once, they push those who are sure of an arc out of sight of
// those who must become it: so they ask who comes to them by itself.
func (s *syncs) given(h ringwire.Host, arc spans) {
	i := slices.IndexFunc(s.givers, func(g giver) bool { return g.host == h })
	if i < 0 {
		if len(s.givers) >= maxGivers {
			s.givers = slices.Delete(s.givers, 0, 1)
		}
		s.givers = append(s.givers, giver{h, arc})
		return
	}
	s.givers[i].spans = s.givers[i].spans.union(arc)
}

// anyHolder is another holder of p: every second time the one whose comparison is longest ago, so that what each of them holds stays known;
// by chance otherwise, since that one may not answer.
func (r *Replica) anyHolder(p *piece) (ringwire.Host, bool) {
	others := without(p.holders[:min(len(p.holders), r.cfg.Replicas)], r.cfg.Self)
	if len(others) == 0 {
		return 0, false
	}
	best := others[r.rng.IntN(len(others))].Host
	if r.rng.IntN(2) == 0 {
		last := func(h ringwire.Host) time.Duration {
			if i := slices.IndexFunc(p.seen, func(e evidence) bool { return e.host == h }); i >= 0 {
				return p.seen[i].at
			}
			return longAgo
		}
		for _, o := range others {
			if last(o.Host) < last(best) {
				best = o.Host
			}
		}
	}
	return best, true
}

// wanting reports whether synchronising p with h may make this host sure.
func (r *Replica) wanting(p *piece, h ringwire.Host) bool {
	if h == r.cfg.Self || slices.ContainsFunc(r.sync.sessions, func(s *session) bool { return s.peer == h && s.arc == p.arc && !s.give }) {
		return false
	}
	i := slices.IndexFunc(p.seen, func(e evidence) bool { return e.host == h })
	// Who is ready waits for former holders alone, which step down at any moment.
	return i < 0 || r.now >= p.seen[i].retry || p.ready && r.now-p.seen[i].at >= 4*r.cfg.Retry
}

// syncPiece synchronises p with h and keeps the evidence.
func (r *Replica) syncPiece(p *piece, h ringwire.Host, claim bool) {
	arc := p.arc
	var s *session
	s = r.startSession(h, arc, false, claim, func(ok bool) {
		e := evidence{host: h, at: longAgo, retry: r.now + r.jitter(4*r.cfg.Retry)}
		if ok {
			e.sure, e.holds, e.others, e.at = s.root.Sure, s.root.Sure || s.root.Fresh || s.root.Same, int(s.root.Group), r.now
			e.lapsed, e.counts, e.barred = s.root.Lapsed, e.holds, s.root.Lapsed && s.root.Sure
			if former := !slices.ContainsFunc(p.holders[:min(len(p.holders), r.cfg.Replicas)], func(x ringwire.Ref) bool { return x.Host == h }); e.sure && !former && !e.barred {
				e.retry = r.now + r.jitter(r.cfg.SyncEvery) // the group that it knows may shrink
			}
		}
		for _, p := range r.arcs.pieces {
			if !spansOf(arc).covers(p.spans) {
				continue
			}
			if i := slices.IndexFunc(p.seen, func(e evidence) bool { return e.host == h }); i >= 0 {
				if old := &p.seen[i]; ok && !e.holds && old.counts && r.now-old.at < evidenceLife {
					// It stepped down, perhaps since it found this host ready: what it was synchronised with for stays true.
					old.sure, old.holds, old.lapsed, old.retry = false, false, e.lapsed, e.retry
				} else if ok {
					p.seen[i] = e
				} else {
					p.seen[i].retry = e.retry
				}
			} else {
				p.seen = append(p.seen, e)
			}
			r.judge(p)
		}
		r.saveArcs()
	})
}
