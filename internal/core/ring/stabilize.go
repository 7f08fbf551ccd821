package ring

import (
	"slices"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// hurry shortens the pause before the next step of a position whose immediate successor has changed: many that join one arc at the same time sort themselves
// out one step at a time. It is still periodic repair: the pause is jittered, and ends with the changes (repairing at every event collapses under load).
const hurry = 8

// stabilize begins a step when the position is idle (Zave 2017: one outstanding question a node).
func (n *Node) stabilize(p *position) {
	p.stabilizeAt = n.now + n.jitter(n.cfg.Stabilize)
	if !p.in || p.status != Idle || n.inMesh() {
		return
	}
	p.predAnswered = false
	if p.hasCandidate {
		p.hasCandidate = false
		if between(p.self.ID, p.candidate.ID, p.successor().ID) {
			n.stats.Merges++
			n.ask(p, p.candidate, true)
			return
		}
	}
	switch {
	case len(p.succ) > 0:
		n.ask(p, p.succ[0], false)
	case p.hasPred: // the first host of a ring, to which somebody came: the predecessor is the successor
		n.ask(p, p.pred, true)
	}
}

// ask sends p's question for the state of another position; until the answer p is Stabilizing.
func (n *Node) ask(p *position, to Ref, fromPred bool) {
	p.status, p.fromPred = Stabilizing, fromPred
	n.question(p, to, Message{Kind: GetState})
}

// question sends a question of p, numbered, and arms its time-out.
func (n *Node) question(p *position, to Ref, m Message) {
	p.asked, p.askSeq, p.missed = to, n.nextSeq(), 0
	p.askedAt, p.deadline = n.now, n.now+n.timeout(to.Host, 0)
	n.repeat(p, m)
}

func (n *Node) repeat(p *position, m Message) {
	m.To, m.From, m.Seq = p.asked.ID, p.self.ID, p.askSeq
	m.Members = n.newsFor(p.asked.Host)
	n.send(p.asked.Host, m)
}

// onState takes in the answer to GetState.
func (n *Node) onState(p *position, m *Message) {
	switch {
	case p.status == Entering:
		n.enterAt(p, m)
	case p.status != Stabilizing:
	case p.fromPred:
		n.fromPredecessor(p, m)
	default:
		n.fromSuccessor(p, m)
	}
}

// fromSuccessor is the second half of StabilizeFromSuccessor: take over the successor's list; when its predecessor lies between, go on with that one, else
// tell the successor about us.
func (n *Node) fromSuccessor(p *position, m *Message) {
	s := p.asked
	n.setSuccessors(p, p.list(n.cfg.Successors, []Ref{s}, m.List))
	if m.HasPred && between(p.self.ID, m.Pred.ID, s.ID) && n.vouched(m.Pred.Host) {
		if n.classic { // Stoica et al. 2001, figure 6: believe it without asking it
			n.setSuccessors(p, p.list(n.cfg.Successors, []Ref{m.Pred, s}, m.List))
		} else {
			n.ask(p, m.Pred, true)
			return
		}
	}
	n.rest(p)
	n.tell(p, p.successor())
	n.consult(p)
}

// fromPredecessor is the second half of StabilizeFromPredecessor: the successor's predecessor lives, so it becomes the successor, if it still lies between.
func (n *Node) fromPredecessor(p *position, m *Message) {
	if between(p.self.ID, p.asked.ID, p.successor().ID) {
		n.setSuccessors(p, p.list(n.cfg.Successors, []Ref{p.asked}, m.List))
	}
	n.rest(p)
	n.tell(p, p.successor())
	n.consult(p)
}

// consult looks into the membership for a living position between p and its successor, to be asked in the next step. Wrong lists, of which a lying member can make
// many, may agree with each other: in two rings that pass each other's members by, each position is its successor's predecessor, and no question to
// those in the lists would ever find the others (a loopy cycle: Liben-Nowell, Balakrishnan, Karger 2002). It enters as in StabilizeFromPredecessor: by its own answer.
func (n *Node) consult(p *position) {
	if n.members == nil || n.members.off || p.hasCandidate || n.classic {
		return
	}
	x, ok := n.members.successor(n.cfg.Space.Finger(p.self.ID, 0), n, nil)
	if !ok || !between(p.self.ID, x.ID, p.successor().ID) {
		return
	}
	if own := n.position(x.ID); x.Host != n.cfg.Self || own != nil && own.in {
		p.candidate, p.hasCandidate = x, true
	}
}

// unanswered ends a question to somebody who failed. The lists are already without it.
func (n *Node) unanswered(p *position) {
	status := p.status
	p.status = Idle
	switch {
	case status == Rectifying: // the predecessor is dead: whoever notified takes its place
		n.setPred(p, p.notifier, nil)
		n.rest(p)
	case status == Stabilizing && p.fromPred: // keep the list
		n.rest(p)
		n.tell(p, p.successor())
	case status == Stabilizing && len(p.succ) > 0 && !n.inMesh(): // the next one becomes the immediate successor
		n.ask(p, p.succ[0], false)
	default:
		n.rest(p)
	}
}

// rest ends a step, and takes up the notify that came meanwhile.
func (n *Node) rest(p *position) {
	p.status, p.asked, p.deadline = Idle, Ref{}, never
	if p.hasNotify {
		p.hasNotify = false
		n.rectify(p, p.notify, nil)
	}
}

// tell notifies a successor of p.
func (n *Node) tell(p *position, to Ref) {
	if to != p.self {
		n.send(to.Host, Message{Kind: Notify, To: to.ID, From: p.self.ID, List: p.preds})
	}
}

// onNotify takes in the claim of x to be p's predecessor. While p waits for an answer the closest claim is kept for later.
func (n *Node) onNotify(p *position, x Ref, preds []Ref) {
	if x.ID == p.self.ID || n.inMesh() {
		return
	}
	if p.hasPred && p.pred == x {
		if list := n.predList(p, x, preds); !slices.Equal(list, p.preds) {
			p.preds, n.viewDirty = list, true
		}
		return
	}
	if p.status != Idle {
		if !p.hasNotify || between(p.notify.ID, x.ID, p.self.ID) {
			p.notify, p.hasNotify = x, true
		}
		return
	}
	n.rectify(p, x, preds)
}

// rectify adopts x as predecessor when it is closer than the present one, or when that one does not answer (Zave 2017: Rectify).
func (n *Node) rectify(p *position, x Ref, preds []Ref) {
	switch {
	case !p.hasPred || between(p.pred.ID, x.ID, p.self.ID) || p.pred.ID == x.ID:
		n.setPred(p, x, preds)
	case p.pred.Host == n.cfg.Self || p.predAnswered || n.classic:
	default:
		p.status, p.notifier = Rectifying, x
		n.question(p, p.pred, Message{Kind: Ping, Final: true})
	}
}

func (n *Node) setPred(p *position, x Ref, preds []Ref) {
	list := n.predList(p, x, preds)
	if p.hasPred && p.pred == x && slices.Equal(list, p.preds) {
		return
	}
	p.predAnswered = p.predAnswered && p.pred == x
	p.pred, p.hasPred, p.preds, n.viewDirty = x, true, list, true
}

// predList makes a list of predecessors: x and what x says comes before it, until r distinct other hosts are in it or it is around.
func (n *Node) predList(p *position, x Ref, before []Ref) []Ref {
	out, hosts, last := []Ref{x}, 1, distance(x.ID, p.self.ID)
	if x.Host == n.cfg.Self {
		hosts = 0
	}
	for _, y := range before {
		d := distance(y.ID, p.self.ID)
		if hosts >= n.cfg.Successors || len(out) == MaxPath || d.Compare(last) <= 0 || !n.vouched(y.Host) {
			break
		}
		if y.Host != n.cfg.Self && !hasHost(out, y.Host) {
			hosts++
		}
		out, last = append(out, y), d
	}
	return out
}

func (n *Node) setSuccessors(p *position, list []Ref) {
	for _, x := range list {
		n.vouched(x.Host)
	}
	if slices.Equal(list, p.succ) {
		return
	}
	if p.in && len(list) > 0 && list[0] != p.successor() {
		p.stabilizeAt = min(p.stabilizeAt, n.now+n.jitter(n.cfg.Stabilize/hurry))
	}
	p.succ, n.viewDirty = list, true
	n.dropNearFingers(p)
}

// thoughtDead reports whether h was buried and not heard of since.
func (n *Node) thoughtDead(h Host) bool {
	i, ok := n.hostAt(h)
	return ok && n.hosts[i].dead
}

// expireQuestion repeats p's question, and takes the host for dead after the third time.
func (n *Node) expireQuestion(p *position) {
	p.missed++
	n.doubt(p.asked.Host)
	switch {
	case p.status == Entering:
		n.retryEntry(p)
	case p.missed >= missedProbes:
		n.bury(p.asked.Host, ringwire.Dead)
		if p.status != Idle && n.now >= p.deadline { // it was buried before, by another position
			n.unanswered(p)
		}
	default:
		p.askedAt, p.deadline = n.now, n.now+n.timeout(p.asked.Host, p.missed)
		m := Message{Kind: GetState}
		if p.status == Rectifying {
			m = Message{Kind: Ping, Final: true}
		}
		n.repeat(p, m)
	}
}
