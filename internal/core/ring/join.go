package ring

import (
	"errors"
	"slices"
	"time"
)

// A restored host that finds no member for a while takes itself for the only one left. The one with the lowest position does so first, so that the others
// join it instead of each beginning a ring of its own.
const (
	aloneAfter  = 3 * time.Second
	alonePause  = 500 * time.Millisecond // for each known host with a lower position
	alonePauses = 16
	maxVia      = 64
)

var errStarted = errors.New("ring: the node has been started already")

// Start makes the host the first of a new ring.
func (n *Node) Start(now time.Duration) error {
	if n.phase != idle {
		return errStarted
	}
	n.now = now
	n.alone()
	n.settle()
	return nil
}

// alone makes a ring of the own positions.
func (n *Node) alone() {
	own := make([]Ref, len(n.pos))
	for i := range n.pos {
		own[i] = n.pos[i].self
	}
	for i := range n.pos {
		n.idealPosition(&n.pos[i], own)
		n.pos[i].fingers = nil
	}
	n.entered()
}

// Join makes the host a member of the ring of which the given ones are members. It goes on trying until it succeeds.
func (n *Node) Join(now time.Duration, via ...Ref) error {
	if n.phase != idle {
		return errStarted
	}
	via = n.others(via)
	if len(via) == 0 {
		return errors.New("ring: nobody to join")
	}
	n.now, n.phase, n.via = now, joining, via[:min(len(via), maxVia)]
	for _, x := range n.via { // of the other side, perhaps, if the ring is parted just now
		n.rememberRef(x)
	}
	if n.restoring {
		n.aloneAt = now + aloneAfter + time.Duration(min(n.rank(via), alonePauses))*n.jitter(alonePause)
	}
	for i := range n.pos {
		n.enter(&n.pos[i])
	}
	n.arm()
	n.settle()
	return nil
}

// Restore makes a host that was a member before one again, at whatever address. It asks those that it knew. When none of them is a member after a few
// rounds, as after a power cut, it begins alone and finds the others by its long-term memory: the rings of the first few become one.
func (n *Node) Restore(now time.Duration, known ...Ref) error {
	if n.phase == idle && len(n.others(known)) == 0 {
		return n.Start(now)
	}
	for _, x := range n.others(known) {
		n.rememberRef(x)
		n.census.Knew(now, x.Host)
	}
	n.restoring = true
	return n.Join(now, known...)
}

func (n *Node) others(refs []Ref) []Ref {
	return slices.DeleteFunc(slices.Clone(refs), func(x Ref) bool { return x.Host == n.cfg.Self })
}

// enter begins to look for p's place: the closest known position before it is asked for a closer one, until one names itself.
func (n *Node) enter(p *position) {
	via := n.via[n.cfg.Rand.IntN(len(n.via))]
	if n.cfg.Rand.IntN(4) > 0 {
		via = n.via[0]
	}
	n.enterVia(p, via)
}

func (n *Node) enterVia(p *position, via Ref) {
	p.status, p.entryHops, p.stabilizeAt = Entering, 0, never
	n.question(p, via, Message{Kind: FindPredecessor, Key: p.self.ID})
}

// onHint takes in the answer to FindPredecessor.
func (n *Node) onHint(p *position, from Host, m *Message) {
	p.entryHops++
	n.hint(m.Ref)
	n.hint(Ref{ID: p.asked.ID, Host: from})
	switch {
	case m.Ref.ID == p.self.ID || p.entryHops > 64:
		n.retryEntry(p)
	case m.Ref.Host == from:
		n.question(p, m.Ref, Message{Kind: GetState})
	default:
		n.question(p, m.Ref, Message{Kind: FindPredecessor, Key: p.self.ID})
	}
}

// enterAt is the Join step: p lies between m and its successor, so m's successors become p's, and m its predecessor. Nobody else changes; p is an
// appendage until m stabilises.
func (n *Node) enterAt(p *position, m *Message) {
	pred, list := p.asked, m.List
	if len(list) > 0 && list[0].ID == p.self.ID { // it has not noticed that this host was away
		list = list[1:]
	}
	if len(list) == 0 {
		list = []Ref{pred}
	}
	if list[0].ID != pred.ID && !between(pred.ID, p.self.ID, list[0].ID) {
		n.retryEntry(p) // somebody has come between
		return
	}
	p.in = true
	n.setSuccessors(p, p.list(n.cfg.Successors, list))
	if n.classic { // Stoica et al. 2001, figure 6: the successor alone, no predecessor
		p.succ = slices.Clone(p.succ[:min(1, len(p.succ))])
	} else {
		n.setPred(p, pred, m.Path)
	}
	n.rest(p)
	p.stabilizeAt = n.now
	if !slices.ContainsFunc(n.pos, func(p position) bool { return !p.in }) {
		n.entered()
	}
}

// retryEntry begins anew after a pause, from another host.
func (n *Node) retryEntry(p *position) {
	p.asked, p.deadline = Ref{}, never
	p.stabilizeAt = n.now + n.jitter(n.cfg.FirstTimeout)
	if n.restoring && n.now >= n.aloneAt && !slices.ContainsFunc(n.pos, func(p position) bool { return p.in }) {
		n.beginAlone()
	}
}

// beginAlone starts a ring after a power cut, and invites whoever was known.
func (n *Node) beginAlone() {
	n.mergingTill = n.now + mergingFor
	known := n.via
	n.alone()
	for _, x := range known {
		n.send(x.Host, Message{Kind: Merge, To: x.ID, From: n.pos[0].self.ID, Key: n.pos[0].self.ID, Ref: n.pos[0].self})
	}
}

// hint adds a host to those that are asked for a place; whoever answered last comes first.
func (n *Node) hint(x Ref) {
	if i := slices.IndexFunc(n.via, func(y Ref) bool { return y.Host == x.Host }); i > 0 {
		n.via[0], n.via[i] = n.via[i], n.via[0]
	}
	if x.Host != n.cfg.Self && len(n.via) < maxVia && !hasHost(n.via, x.Host) {
		n.via = append(n.via, x)
	}
}

// rank counts the known hosts with a position lower than the own first one.
func (n *Node) rank(known []Ref) int {
	var lower []Host
	for _, x := range known {
		if x.ID.Compare(n.pos[0].self.ID) < 0 && !slices.Contains(lower, x.Host) {
			lower = append(lower, x.Host)
		}
	}
	return len(lower)
}

// entered makes the host a member: all its positions are in the ring.
func (n *Node) entered() {
	n.census.Begin(n.now, n.restoring)
	n.phase, n.restoring, n.via = member, false, nil
	n.arm()
	n.announce()
	n.out = append(n.out, Action{Kind: Joined})
	n.viewDirty = true
}

// Leave tells the neighbours that the host goes, so that they close the gap at once instead of by time-outs. It is over with the action Left.
func (n *Node) Leave(now time.Duration) {
	n.now = now
	if n.phase == left {
		return
	}
	var told []Host
	for i := range n.pos {
		p := &n.pos[i]
		if !p.in {
			continue
		}
		for _, x := range slices.Concat(p.preds, p.succ) {
			if x.Host != n.cfg.Self && !slices.Contains(told, x.Host) {
				told = append(told, x.Host)
				n.send(x.Host, Message{Kind: Leaving, To: x.ID, From: p.self.ID, HasPred: p.hasPred, Pred: p.pred, List: p.succ, Members: n.farewell()})
			}
		}
		p.in, p.status = false, Idle
	}
	n.phase, n.next, n.forwards, n.probes = left, idleTimers, nil, nil
	n.failLookups(ErrNotMember)
	n.out = append(n.out, Action{Kind: Left})
	n.settle()
}
