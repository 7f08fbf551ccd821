package ring

import "time"

// mergingFor is how long the state merging lasts after the last sign of another ring.
const mergingFor = 30 * time.Second

// arm sets the periodic timers to random moments of their first period.
func (n *Node) arm() {
	first := func(d time.Duration) time.Duration { return n.now + time.Duration(n.cfg.Rand.Int64N(int64(d)+1)) }
	n.next.probe, n.next.fix = first(n.cfg.Probe), first(n.cfg.FixFingers)
	n.next.remember, n.next.antiEntropy = first(n.cfg.Remember), never
	if n.members != nil {
		n.next.antiEntropy = first(n.cfg.AntiEntropy)
	}
	for i := range n.pos {
		if p := &n.pos[i]; p.in && p.stabilizeAt == never {
			p.stabilizeAt = first(n.cfg.Stabilize)
		}
		if n.pos[i].status == Idle {
			n.pos[i].deadline = never
		}
	}
}

// NextTick is when Tick has something to do: a time, in the past when it is overdue. A host that has left has nothing to do any more.
func (n *Node) NextTick() time.Duration {
	if n.phase == idle || n.phase == left {
		return never
	}
	t := min(n.next.probe, n.next.fix, n.next.remember, n.next.antiEntropy, n.next.gossip, n.next.poll)
	for i := range n.pos {
		p := &n.pos[i]
		t = min(t, p.stabilizeAt)
		if p.status != Idle {
			t = min(t, p.deadline)
		}
	}
	for i := range n.probes {
		t = min(t, n.probes[i].deadline)
	}
	for i := range n.forwards {
		t = min(t, n.forwards[i].deadline)
	}
	for i := range n.lookups {
		t = min(t, n.lookups[i].deadline)
	}
	for i := range n.quests {
		t = min(t, n.quests[i].deadline)
	}
	return t
}

// Tick does what is due at now.
func (n *Node) Tick(now time.Duration) {
	n.now = now
	if n.phase == idle || n.phase == left {
		return
	}
	n.expireProbes()
	n.expireForwards()
	n.expireLookups()
	n.expireQuests()
	for i := range n.pos {
		n.tickPosition(&n.pos[i])
	}
	n.tickHost()
	n.settle()
}

func (n *Node) tickPosition(p *position) {
	if p.status != Idle && n.now >= p.deadline {
		n.expireQuestion(p)
	}
	if n.now < p.stabilizeAt {
		return
	}
	if p.status == Entering {
		n.enter(p)
		return
	}
	n.stabilize(p)
}

// tickHost does the periodic duties of the host.
func (n *Node) tickHost() {
	if n.now >= n.next.probe {
		n.next.probe = n.now + n.jitter(n.cfg.Probe)
		n.probeNeighbours()
	}
	if n.now >= n.next.fix {
		n.next.fix = n.now + n.jitter(n.cfg.FixFingers)
		for i := range n.pos {
			n.fixFingers(i)
		}
	}
	if n.now >= n.next.remember {
		n.next.remember = n.now + n.jitter(n.cfg.Remember)
		n.probeMemory()
	}
	if n.now >= n.next.antiEntropy {
		n.next.antiEntropy = n.now + n.jitter(n.cfg.AntiEntropy)
		n.compareMembers()
	}
	if n.now >= n.next.gossip {
		n.gossip()
	}
	if n.now >= n.next.poll {
		n.poll()
	}
}

// probeNeighbours pings every host of the successor lists, and the predecessors: "each peer knows its two successors and pings both periodically".
func (n *Node) probeNeighbours() {
	for i := range n.pos {
		p := &n.pos[i]
		for _, x := range p.succ {
			n.ping(x.Host)
		}
		if p.hasPred {
			n.ping(p.pred.Host)
		}
	}
}
