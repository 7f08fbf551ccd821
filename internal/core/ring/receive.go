package ring

import (
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Receive takes in a message that host from sent to this one. Messages that make no sense are counted and dropped.
func (n *Node) Receive(now time.Duration, from Host, m *Message) {
	n.now = now
	n.stats.Received++
	if n.phase == idle || from == n.cfg.Self || m.Kind == 0 || m.Kind > Digest ||
		len(m.List) > MaxList || len(m.Path) > MaxPath || len(m.Members) > MaxMembers || len(m.Digests) > MaxDigests {
		n.stats.Refused++
		return
	}
	n.receive(from, m)
	n.settle()
}

func (n *Node) receive(from Host, m *Message) {
	if from != n.cfg.Self {
		n.alive(from, m.Kind)
		n.census.Heard(n.now, from)
		n.hear(from, m.Members, m.Kind == News && m.Reply)
	}
	sender := Ref{ID: m.From, Host: from}
	switch m.Kind {
	case GetState, Notify:
		n.toPosition(sender, m)
	case Ping:
		n.onPing(sender, m)
	case Pong, State, Busy, Gone, Hint:
		n.onAnswer(from, m)
	case Lookup:
		n.onLookup(from, m)
	case Ack:
		n.onAck(from, m.Ack)
	case Found, NotMine:
		n.onFound(sender, m)
	case Step, FindPredecessor:
		n.onStep(from, m)
	case Merge:
		n.onMerge(m)
	case Leaving:
		if from != n.cfg.Self {
			n.bury(from, ringwire.Left)
		}
	case Digest:
		n.onDigest(from, m)
	}
}

// toPosition serves what is addressed to one position.
func (n *Node) toPosition(sender Ref, m *Message) {
	p := n.position(m.To)
	answer := Message{To: m.From, From: m.To, Seq: m.Seq}
	switch {
	case p == nil || !p.in:
		answer.Kind = Gone
	case m.Kind == Notify:
		n.onNotify(p, sender, m.List)
		return
	case p.status != Idle:
		answer.Kind = Busy
	default:
		answer.Kind, answer.HasPred, answer.Pred, answer.List = State, p.hasPred, p.pred, p.succ
		answer.Path = p.preds[min(1, len(p.preds)):]
	}
	if m.Kind == GetState {
		answer.Members = n.newsFor(sender.Host)
		n.send(sender.Host, answer)
	}
}

// onPing answers at once, whatever the positions wait for.
func (n *Node) onPing(sender Ref, m *Message) {
	answer := Message{Kind: Pong, To: m.From, From: m.To, Seq: m.Seq, Members: n.newsFor(sender.Host)}
	if p := n.position(m.To); n.phase == left || m.Final && (p == nil || !p.in) {
		answer.Kind = Gone
	}
	n.send(sender.Host, answer)
}

// onAnswer takes in the answer to a question of a position, of the host's probes, or of an iterative lookup.
func (n *Node) onAnswer(from Host, m *Message) {
	switch {
	case m.Kind == Pong:
		if n.probed(from, m.Seq) || n.recalled(from) { // who was not asked makes this host do nothing
			n.reunite(from)
		}
	case m.Kind == Gone && slices.ContainsFunc(n.probes, func(p probe) bool { return p.host == from && p.seq == m.Seq }):
		n.probed(from, m.Seq) // the host itself has left, and stays for a while only to hand over
		n.bury(from, ringwire.Left)
		return
	}
	i := slices.IndexFunc(n.pos, func(p position) bool {
		return p.deadline != never && p.status != Idle && p.askSeq == m.Seq && p.asked.Host == from
	})
	if i < 0 {
		n.onLookupAnswer(from, m)
		return
	}
	p := &n.pos[i]
	if p.missed == 0 && from != n.cfg.Self {
		n.measure(from, n.now-p.askedAt)
	}
	switch m.Kind {
	case State:
		n.onState(p, m)
	case Busy: // abandon the step, unchanged, and try again after a jittered pause
		n.stats.Busy++
		if p.status == Entering {
			n.retryEntry(p)
			return
		}
		n.rest(p)
		p.stabilizeAt = n.now + n.jitter(n.backOff(from))
	case Pong:
		if p.status == Rectifying { // the predecessor lives: nothing to change
			p.predAnswered = true
			n.rest(p)
		}
	case Hint:
		if p.status == Entering {
			n.onHint(p, from, m)
		}
	case Gone:
		n.onGone(p)
	}
}

// onGone takes in that the asked position is in no ring: as good as dead, without waiting for time-outs.
func (n *Node) onGone(p *position) {
	if p.status == Entering {
		n.retryEntry(p)
		return
	}
	gone := p.asked
	for i := range n.pos {
		n.forget(&n.pos[i], func(x Ref) bool { return x == gone })
	}
}

// backOff is the pause after Busy: some round trips, so that two positions that ask each other do not meet again.
func (n *Node) backOff(h Host) time.Duration {
	return min(8*n.timeout(h, 0), n.cfg.Stabilize)
}
