package ring

import (
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// How news travel. Every host passes each piece on to a few random hosts and lets it ride to a few neighbours: with k random transmissions a share
// of 1 - e^-k of the hosts hears of it (Demers et al. 1987), and anti-entropy tells the rest.
const (
	gossipPeriod = time.Second // while there are news
	randomSends  = 4           // to random hosts
	rides        = 2           // on messages to neighbours
	perRide      = 4           // pieces of news on such a message
	perGossip    = 32          // on a message to a random host
	memberBytes  = 72          // of one Member on the wire, about: key, nonce, address, incarnation, state
	digestBytes  = 8 * MaxDigests
	dropFor      = 10 * time.Minute
	agreements   = 4 // equal memberships in a row that make one whole where nobody's is
	pages        = 8 // messages of MaxMembers that answer one Digest at most
)

// newsItem is a change that this host passes on.
type newsItem struct {
	Member
	sent, rode uint8
}

// cacheWarm reports whether the membership is that of the whole ring, as far as one can know.
func (n *Node) cacheWarm() bool {
	return n.members != nil && n.members.complete && (n.cfg.Cache || n.inMesh())
}

// self is this host's own entry.
func (n *Node) self() Member {
	return Member{Host: n.cfg.Self, Incarnation: n.cfg.Incarnation, State: ringwire.Alive}
}

// hear takes in the news on a message. What came by anti-entropy most hosts know already: it is not passed on, or else a newcomer, to whom
// all are new, would have the whole membership to tell.
func (n *Node) hear(from Host, members []Member, known bool) {
	if n.members == nil || n.phase == left {
		return
	}
	for _, m := range members {
		switch {
		case n.members.off: // since the last piece, perhaps
			return
		case m.Host == n.cfg.Self:
			n.refute(m)
			continue
		case m.State != ringwire.Alive && m.Host != from && n.listed(m.Host) && n.rumour(m), !n.members.set(m):
			continue
		}
		n.reckon(m)
		if !known || n.inMesh() {
			n.pass(m)
		}
		n.heard(m)
		if m.State == ringwire.Alive && n.inMesh() { // new here: it may not know this host, nor the others
			n.send(m.Host, Message{Kind: News, Members: append(n.members.hosts(), n.mourned(MaxMembers-n.members.living())...)})
		}
	}
}

// listed reports whether h is in one of the successor lists or among the predecessors.
func (n *Node) listed(h Host) bool {
	return slices.ContainsFunc(n.pos, func(p position) bool { return hasHost(p.succ, h) || hasHost(p.preds, h) })
}

// rumour takes in that others think a host of the own lists gone. That is for this host to find out: else one liar could empty its lists, or make it take a large
// ring for a mesh of a few. The ping tells the accused what is said, so that it can take that back. False: there is an own verdict, or the news are old.
func (n *Node) rumour(m Member) bool {
	if old, ok := n.members.get(m.Host); n.thoughtDead(m.Host) || ok && !m.Supersedes(old) {
		return false
	}
	n.host(m.Host).saidLeft = m.State == ringwire.Left
	n.ping(m.Host, m)
	return true
}

// reckon takes a change of the membership into the census.
func (n *Node) reckon(m Member) {
	switch m.State {
	case ringwire.Alive:
		n.census.Alive(n.now, m.Host, n.members.complete)
	case ringwire.Dead:
		n.census.Dead(n.now, m.Host)
	case ringwire.Left:
		n.census.Left(m.Host)
	}
}

// mourned lists hosts that died so short ago that a newcomer should count them, the latest first, at most limit.
func (n *Node) mourned(limit int) (out []Member) {
	if n.census.off() {
		return nil
	}
	for _, h := range slices.Backward(n.census.mourned) { // not the whole table, which everybody could make this host look through
		if m, _ := n.members.get(h); len(out) < limit && m.State == ringwire.Dead && n.census.Mourned(n.now, h) {
			out = append(out, m)
		}
	}
	return out
}

// heard draws the conclusions of a change.
func (n *Node) heard(m Member) {
	if m.State == ringwire.Alive {
		if i, ok := n.hostAt(m.Host); ok { // it has come back, says itself by a new incarnation
			n.hosts[i].missed, n.hosts[i].saidLeft = 0, false
			n.revive(i, false)
		}
	} else if n.knows(m.Host) && !n.inMesh() {
		n.ping(m.Host) // hearsay: make sure
	}
	n.remesh()
}

// refute answers rumours of the own death, or of an earlier life with a later incarnation.
func (n *Node) refute(m Member) {
	if n.phase != member || ringwire.Later(n.cfg.Incarnation, m.Incarnation) || m == n.self() {
		return
	}
	n.cfg.Incarnation = m.Incarnation + 1
	n.members.set(n.self())
	n.pass(n.self())
}

// pass makes m a piece of news to pass on; in a mesh all are told at once.
func (n *Node) pass(m Member) {
	t := n.members
	t.news = slices.DeleteFunc(t.news, func(x newsItem) bool { return x.Host == m.Host })
	if n.inMesh() {
		n.tellAll(m)
		return
	}
	t.news = append(t.news, newsItem{Member: m})
	if n.next.gossip == never {
		n.next.gossip = n.now + n.jitter(gossipPeriod)
	}
	if most := n.cfg.CacheBudget * 60 / (memberBytes * (randomSends + rides)); len(t.news) > max(most, 8) {
		n.dropCache()
	}
}

func (n *Node) tellAll(m Member) {
	var told []Host
	for _, x := range n.members.refs() {
		if x.Host != n.cfg.Self && x.Host != m.Host && !slices.Contains(told, x.Host) {
			told = append(told, x.Host)
			n.send(x.Host, Message{Kind: News, Members: []Member{m}})
		}
	}
}

// dropCache gives the cache up for a while: news come faster than the budget can pass on.
func (n *Node) dropCache() {
	n.members.clear(true)
	n.next.gossip, n.next.antiEntropy = never, n.now+dropFor
	n.out = append(n.out, Action{Kind: CacheDropped})
}

// spread takes in what this host has found out about another, and passes it on.
func (n *Node) spread(h Host, why ringwire.MemberState) {
	if n.members == nil || n.members.off {
		return
	}
	if old, ok := n.members.get(h); ok && old.State == ringwire.Alive {
		m := Member{Host: h, Incarnation: old.Incarnation, State: why}
		n.members.set(m)
		n.pass(m)
	}
}

// newsFor picks what rides on a message to h: first of all that h is thought dead, so that it can take that back.
func (n *Node) newsFor(h Host) []Member {
	t := n.members
	if t == nil || t.off || h == n.cfg.Self {
		return nil
	}
	var out []Member
	if m, ok := t.get(h); ok && m.State != ringwire.Alive {
		out = append(out, m)
	}
	if n.phase == member && t.state(h) != ringwire.Alive {
		out = append(out, n.self())
	}
	for i := range t.news {
		if x := &t.news[i]; len(out) < perRide && x.rode < rides && x.Host != h {
			x.rode++
			out = append(out, x.Member)
		}
	}
	return out
}

// gossip passes the news on to a random host, by a ping, which also finds out whether that one lives.
func (n *Node) gossip() {
	n.next.gossip = never
	t := n.members
	if t == nil || len(t.news) == 0 {
		return
	}
	n.next.gossip = n.now + n.jitter(gossipPeriod)
	h, ok := t.random(n)
	if !ok {
		return
	}
	var out []Member
	for i := range t.news {
		if x := &t.news[i]; x.sent < randomSends && len(out) < perGossip && n.spend(memberBytes) {
			x.sent++
			out = append(out, x.Member)
		}
	}
	n.send(h, Message{Kind: News, Members: out})
	n.ping(h)
	t.news = slices.DeleteFunc(t.news, func(x newsItem) bool { return x.sent >= randomSends })
	if len(t.news) == 0 {
		n.next.gossip = never
	}
}

// spend takes bytes from the budget, which saves up to a minute.
func (n *Node) spend(bytes int) bool {
	full := int64(n.cfg.CacheBudget) * 60
	since := min(n.now-n.budgetAt, time.Minute) // more is not saved up, and a month of it would overflow
	n.budget = min(full, n.budget+int64(since)*int64(n.cfg.CacheBudget)/int64(time.Second))
	n.budgetAt = n.now
	if n.budget < int64(bytes) {
		return false
	}
	n.budget -= int64(bytes)
	return true
}

// announce tells of this host when it has become a member.
func (n *Node) announce() {
	t := n.members
	if t == nil {
		return
	}
	t.set(n.self())
	n.learnLists()
	n.remesh()
	n.pass(n.self())
	if !t.complete {
		n.next.antiEntropy = n.now
	}
}

// farewell is what a leaving host says of itself.
func (n *Node) farewell() []Member {
	if n.members == nil {
		return nil
	}
	return []Member{{Host: n.cfg.Self, Incarnation: n.cfg.Incarnation, State: ringwire.Left}}
}

// learnLists takes the hosts of the own lists into the membership. A list that goes around the whole ring is the whole membership.
func (n *Node) learnLists() {
	t := n.members
	for i := range n.pos {
		p := &n.pos[i]
		for _, list := range [][]Ref{p.succ, p.preds, p.fingers} {
			for _, x := range list {
				if _, known := t.get(x.Host); !known && !n.thoughtDead(x.Host) {
					m := Member{Host: x.Host, State: ringwire.Alive}
					if t.set(m) {
						n.reckon(m)
					}
				}
			}
		}
		t.complete = t.complete || n.closed(p)
	}
}

// compareMembers begins an anti-entropy exchange with a random host.
func (n *Node) compareMembers() {
	t := n.members
	if t == nil || n.phase != member {
		return
	}
	if t.off { // a quieter time may have come
		if !n.cfg.Cache {
			return
		}
		t.clear(false)
		t.set(n.self())
	}
	if !t.complete {
		if n.cfg.Cache || slices.ContainsFunc(n.pos, func(p position) bool { return n.wraps(&p) }) { // else nobody needs it soon
			n.next.antiEntropy = n.now + n.jitter(gossipPeriod)
		}
		n.learnLists()
	}
	t.sweep()
	if h, ok := t.random(n); ok && n.spend(digestBytes) {
		n.send(h, n.digest(false))
	}
}

func (n *Node) digest(reply bool) Message {
	return Message{Kind: Digest, Reply: reply, Final: n.members.complete, Seq: uint64(n.members.alive), Digests: slices.Clone(n.members.sums)}
}

// onDigest answers with the members of the ranges that differ, as far as the budget goes.
func (n *Node) onDigest(from Host, m *Message) {
	t := n.members
	if t == nil || t.off || n.phase != member || len(m.Digests) != buckets && len(m.Digests) != 0 {
		return
	}
	if m.Reply {
		n.agree(m)
	}
	n.tellDiffering(from, m.Digests, !m.Reply && !m.Final)
	if !m.Reply && n.spend(digestBytes) {
		n.send(from, n.digest(true))
	}
}

// agree takes in that the other has just told all that differed here: the memberships are equal but for a few in flight. The other's being whole makes this one
// whole. Where nobody's is, as after a time in which all had dropped their caches, it takes several that agree: two hosts may know the same few.
func (n *Node) agree(m *Message) {
	t := n.members
	theirs := int(min(m.Seq, 1<<30))
	switch {
	case t.complete:
	case abs(theirs-t.alive) > max(1, theirs/50):
		t.agreed = 0
	case m.Final:
		t.complete = true
	case n.cfg.Cache:
		t.agreed++
		t.complete = t.agreed >= agreements
	}
	n.remesh()
}

// tellDiffering tells the members of the ranges that differ; to a newcomer also those that died: its digests don't show that it does not know.
func (n *Node) tellDiffering(to Host, theirs []uint64, newcomer bool) {
	t := n.members
	if len(t.entries) == 0 {
		return
	}
	var page []Member
	if newcomer {
		page = n.mourned(MaxMembers / 2)
		if !n.spend(len(page) * memberBytes) {
			return
		}
	}
	sent := 0
	start := n.cfg.Rand.IntN(len(t.entries)) // so that many hosts, asked one after the other, tell different parts
	for i := 0; i < len(t.entries); i++ {
		at := (start + i) % len(t.entries)
		e := t.entries[at]
		if b := t.id(e)[0]; len(theirs) > 0 && len(t.sums) > 0 && theirs[b] == t.sums[b] {
			i += t.rest(at, b) // who sends digests must not make this host look through all that it knows
			continue
		}
		if e.index != 0 || e.host == to {
			continue
		}
		if sent == pages || !n.spend(memberBytes) {
			break
		}
		page = append(page, Member{Host: e.host, Incarnation: e.incarnation, State: e.state})
		if len(page) == MaxMembers {
			n.send(to, Message{Kind: News, Reply: true, Members: page})
			page, sent = nil, sent+1
		}
	}
	if len(page) > 0 {
		n.send(to, Message{Kind: News, Reply: true, Members: page})
	}
}

func abs(x int) int { return max(x, -x) }
