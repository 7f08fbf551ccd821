package ring

import (
	"slices"
	"time"
)

// Ring unification (Shafaat, Ghodsi, Haridi 2009): after a partition each side has buried the other and closed its ring. The long-term memory keeps
// some of the buried; when one answers again, this host looks for its own place in the other's ring and tells the own ring of the other.
const (
	maxMemory = 64
	fanOut    = 3 // hosts probed in one period
	maxQuests = 64
	maxMerge  = 64 // hops of a Merge
)

// quest is a search for the place of one own position in another ring.
type quest struct {
	pos      int
	asked    Ref
	seq      uint64
	hops     int
	deadline time.Duration
}

// remember puts h into the long-term memory, in place of a random one when it is full.
func (n *Node) remember(h Host) {
	for i := range n.pos {
		p := &n.pos[i]
		lists := [][]Ref{p.succ, p.preds, p.fingers}
		if p.hasPred {
			lists = append(lists, []Ref{p.pred})
		}
		for _, list := range lists {
			if j := slices.IndexFunc(list, func(x Ref) bool { return x.Host == h }); j >= 0 {
				n.rememberRef(list[j])
				return
			}
		}
	}
	if n.members != nil {
		if ids := n.cfg.Directory.Positions(h); len(ids) > 0 {
			n.rememberRef(Ref{ID: ids[0], Host: h})
		}
	}
}

func (n *Node) rememberRef(x Ref) {
	switch {
	case hasHost(n.memory, x.Host):
	case len(n.memory) < maxMemory:
		n.memory = append(n.memory, x)
	default:
		n.memory[n.cfg.Rand.IntN(len(n.memory))] = x
	}
}

// outside reports whether h is in none of the lists.
func (n *Node) outside(h Host) bool {
	for i := range n.pos {
		p := &n.pos[i]
		if p.hasPred && p.pred.Host == h || hasHost(p.succ, h) {
			return false
		}
	}
	return true
}

// probeMemory pings a few remembered hosts, and now and then remembers somebody of today.
func (n *Node) probeMemory() {
	if p := &n.pos[n.cfg.Rand.IntN(len(n.pos))]; len(p.fingers) > 0 && len(n.memory) < maxMemory/2 {
		n.rememberRef(p.fingers[n.cfg.Rand.IntN(len(p.fingers))])
	}
	if len(n.memory) == 0 || n.phase != member {
		return
	}
	n.recalls = n.recalls[:0]
	for i := range min(fanOut, len(n.memory)) { // different ones
		j := i + n.cfg.Rand.IntN(len(n.memory)-i)
		n.memory[i], n.memory[j] = n.memory[j], n.memory[i]
		x := n.memory[i]
		if n.outside(x.Host) && x.Host != n.cfg.Self {
			n.recalls = append(n.recalls, x.Host)
			n.send(x.Host, Message{Kind: Ping, Seq: n.nextSeq(), Members: n.newsFor(x.Host)})
		}
	}
}

// recalled takes in the first answer of a remembered host to the ping of this period, and reports whether it is one.
func (n *Node) recalled(h Host) bool {
	i := slices.Index(n.recalls, h)
	if i < 0 {
		return false
	}
	n.recalls = slices.Delete(n.recalls, i, i+1)
	return true
}

// reunite is called when a remembered host that is in none of the lists answers a ping: what follows is a lot of work, which nobody may order.
func (n *Node) reunite(h Host) {
	j := slices.IndexFunc(n.memory, func(x Ref) bool { return x.Host == h })
	if j < 0 || n.phase != member || !n.outside(h) || n.inMesh() {
		return
	}
	q := n.memory[j]
	for i := range n.pos {
		if len(n.quests) < maxQuests {
			n.seek(quest{pos: i, asked: q})
		}
	}
	n.onMerge(&Message{Kind: Merge, Key: q.ID, Ref: q})
}

// seek asks the next host of a quest.
func (n *Node) seek(q quest) {
	q.seq, q.hops, q.deadline = n.nextSeq(), q.hops+1, n.now+n.cfg.MaxTimeout
	if q.hops > maxMerge {
		return
	}
	n.quests = append(n.quests, q)
	n.send(q.asked.Host, Message{Kind: FindPredecessor, To: q.asked.ID, From: n.pos[q.pos].self.ID, Key: n.pos[q.pos].self.ID, Seq: q.seq})
}

// onQuest takes in a Hint for a quest. Where it ends, the host named itself: it is our predecessor in its ring, and its successor ours.
func (n *Node) onQuest(from Host, m *Message) bool {
	i := slices.IndexFunc(n.quests, func(q quest) bool { return q.seq == m.Seq && q.asked.Host == from })
	if i < 0 {
		return false
	}
	q := n.quests[i]
	n.quests = slices.Delete(n.quests, i, i+1)
	p := &n.pos[q.pos]
	switch {
	case m.Kind != Hint || m.Ref.Host == n.cfg.Self:
	case m.Ref.Host != from:
		q.asked = m.Ref
		n.seek(q)
	default:
		if len(m.List) > 0 {
			n.suggest(p, m.List[0])
		}
		if !p.hasPred || p.pred != m.Ref {
			n.send(from, Message{Kind: Merge, To: m.Ref.ID, From: p.self.ID, Key: p.self.ID, Ref: p.self})
		}
	}
	return true
}

// suggest makes x the candidate for p's successor, when it lies closer than the present one. It enters as in StabilizeFromPredecessor: by its own answer.
func (n *Node) suggest(p *position, x Ref) {
	if !p.in || x.Host == n.cfg.Self || !between(p.self.ID, x.ID, p.successor().ID) || !n.vouched(x.Host) {
		return
	}
	if p.hasCandidate && !between(p.self.ID, x.ID, p.candidate.ID) {
		return
	}
	p.candidate, p.hasCandidate = x, true
	n.mergingTill = n.now + mergingFor
	if p.status == Idle {
		n.stabilize(p)
	}
}

// onMerge takes a live position of another ring to the one of this ring that comes before it.
func (n *Node) onMerge(m *Message) {
	if n.phase == joining && m.Ref.Host != n.cfg.Self { // a restored host has begun a ring: join that one
		n.hint(m.Ref)
		n.hint(m.Ref) // known now: to the front
		for i := range n.pos {
			if p := &n.pos[i]; p.status == Entering && p.deadline == never {
				n.enterVia(p, m.Ref)
			}
		}
		return
	}
	if n.phase != member || m.Hops > maxMerge || m.Ref.Host == n.cfg.Self {
		return
	}
	b, ok := n.before(m.Ref.ID)
	switch {
	case !ok:
	case b.Host == n.cfg.Self:
		n.suggest(n.position(b.ID), m.Ref)
	case b.Host == m.Ref.Host: // known already
	default:
		n.send(b.Host, Message{Kind: Merge, To: b.ID, From: n.pos[0].self.ID, Key: m.Ref.ID, Ref: m.Ref, Hops: m.Hops + 1})
	}
}

// expireQuests drops what was not answered: the next period begins anew.
func (n *Node) expireQuests() {
	n.quests = slices.DeleteFunc(n.quests, func(q quest) bool { return n.now >= q.deadline })
}
