package ring

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// The model checker. It explores rings of a few hosts, one position each, state by state: what runs is the Node itself, not a model of it. A state (world) is
// the nodes and the messages in flight; a move delivers or loses one message, or makes a host begin a step, give up waiting, join, fail or leave.
// Channels keep no order, so a message can be arbitrarily late.
//
// Two things make it fast. A node after a step is normalised: times, measurements and statistics go, and so do the numbers of questions, of which only
// matters whether an answer is to the present one. Equal nodes are one (intern), equal messages too, and what a node does with an input is computed once
// (outcome). TestExplorerIsFaithful runs the same moves on nodes that were never normalised and compares. And states that are rotations of each other
// are one: the protocol compares positions by their order around the ring alone.
//
// Left out, because the protocol's steps don't depend on them: predecessors before the first (a hint for Arcs), fingers, lookups.

// maxSlots is how many places a small ring has.
const maxSlots = 6

// Numbers of questions after normalisation.
const (
	staleSeq   = 0
	presentSeq = 1  // of the node's present question
	questSeq   = 16 // + the asked slot: of a search in another ring
	freshSeq   = 1000
)

// exploreNow is the one moment at which everything happens: late enough for the membership's budget to be full.
const exploreNow = 10 * time.Hour

// local is a normalised node, with what the moves and the invariant need of it.
type local struct {
	node    *Node
	hash    uint64 // of the state as seen from its own slot, so that rotations are equal
	self    int
	in      bool
	succ    []int
	pred    int // -1: none
	skips   uint8
	waits   bool // for an answer
	asked   int
	canStep bool // Stabilize would do something
	paused  bool // wants to join, and is between two attempts
	probing uint8
	memory  uint8 // remembered hosts that are in none of its lists
	dead    uint8 // hosts that it thinks dead
	timers  uint8 // of the membership: gossip, anti-entropy
	knows   uint8 // hosts of its lists and of its membership, when it is in the ring
}

// letter is a message in flight, normalised.
type letter struct {
	from, to int
	hash     uint64 // seen from its addressee
	m        Message
}

// outcome is what a node does with an input.
type outcome struct {
	next   uint32
	out    []uint32 // letters
	retire bool     // the question that it waited for is over
	err    error    // of Check
}

// slotRef is the position of a slot: (slot+1)*8 in a ring of 6 bits. Its host has the slot's number.
func slotRef(slot int) Ref {
	id, err := Space{Bits: 6}.ID(uint64(slot+1) * 8)
	if err != nil {
		panic(err)
	}
	return Ref{ID: id, Host: Host(slot)}
}

// normalise takes out of a node what its next steps don't depend on. fresh: it has asked a new question in this step.
func (x *explorer) normalise(n *Node) {
	p := &n.pos[0]
	n.now, n.seq, n.stats, n.viewDirty = exploreNow, 0, Stats{}, false
	n.budget, n.budgetAt, n.mergingTill, n.aloneAt, n.via = 0, 0, 0, 0, nil
	p.askedAt, p.missed, p.entryHops, p.fixed, p.fingers, p.stabilizeAt = 0, 0, 0, 0, nil, exploreNow
	if p.status == Idle || p.deadline == never {
		p.askSeq, p.asked, p.deadline = staleSeq, Ref{}, never
	} else {
		p.askSeq, p.deadline = presentSeq, exploreNow+time.Second
	}
	p.fromPred = p.fromPred && p.status == Stabilizing
	if p.hasPred {
		p.preds = []Ref{p.pred}
	}
	if !p.hasNotify {
		p.notify = Ref{}
	}
	if !p.hasCandidate {
		p.candidate = Ref{}
	}
	for i := range n.hosts {
		s := &n.hosts[i]
		s.mean, s.dev, s.missed, s.saidLeft = 0, 0, min(s.missed, 1), false
	}
	n.hosts = slices.DeleteFunc(n.hosts, func(s hostState) bool { return s == hostState{host: s.host} })
	for i := range n.probes {
		n.probes[i].sentAt, n.probes[i].deadline, n.probes[i].seq = 0, exploreNow+time.Second, staleSeq
	}
	slices.SortFunc(n.probes, func(a, b probe) int { return cmp.Compare(a.host, b.host) })
	slices.SortFunc(n.memory, func(a, b Ref) int { return cmp.Compare(a.Host, b.Host) })
	slices.Sort(n.recalls)
	for i := range n.quests {
		q := &n.quests[i]
		q.seq, q.hops, q.deadline = questSeq+uint64(q.asked.Host), 1, exploreNow+time.Second
	}
	slices.SortFunc(n.quests, func(a, b quest) int { return cmp.Compare(a.seq, b.seq) })
	n.quests = slices.Compact(n.quests)
	n.next = timers{never, never, never, quietTimer(n.next.antiEntropy), quietTimer(n.next.gossip), never}
	if n.members != nil && n.members.off {
		n.next.antiEntropy = never
	}
}

func quietTimer(t time.Duration) time.Duration {
	if t == never {
		return never
	}
	return exploreNow
}

// encoder writes states as seen from one slot.
type encoder struct {
	b     []byte
	self  int
	slots int
}

func (e *encoder) host(h Host) { e.b = append(e.b, byte((int(h)-e.self+e.slots)%e.slots)) }

func (e *encoder) ref(on bool, x Ref) {
	if !on {
		e.b = append(e.b, 255)
		return
	}
	e.host(x.Host)
}

func (e *encoder) refs(list []Ref) {
	e.b = append(e.b, byte(len(list)))
	for _, x := range list {
		e.host(x.Host)
	}
}

// set writes hosts in the order of the slots from self on.
func (e *encoder) set(has func(Host) bool) {
	mask := byte(0)
	for i := range e.slots {
		if has(Host((e.self + i) % e.slots)) {
			mask |= 1 << i
		}
	}
	e.b = append(e.b, mask)
}

func (e *encoder) node(n *Node) {
	p := &n.pos[0]
	waits := p.status != Idle && p.deadline != never
	e.b = append(e.b, byte(n.phase), byte(p.status), flags(p.in, p.fromPred, waits, n.restoring, p.predAnswered))
	e.ref(p.hasPred, p.pred)
	e.ref(waits, p.asked)
	e.ref(p.hasNotify, p.notify)
	e.ref(p.hasCandidate, p.candidate)
	e.ref(p.status == Rectifying, p.notifier)
	e.refs(p.succ)
	e.set(n.thoughtDead)
	e.set(n.doubtful)
	e.set(func(h Host) bool { i, ok := n.hostAt(h); return ok && n.hosts[i].probing })
	e.set(func(h Host) bool { return slices.ContainsFunc(n.probes, func(p probe) bool { return p.host == h }) })
	e.set(func(h Host) bool { return hasHost(n.memory, h) })
	e.set(func(h Host) bool { return slices.Contains(n.recalls, h) })
	e.set(func(h Host) bool {
		return slices.ContainsFunc(n.quests, func(q quest) bool { return q.asked.Host == h })
	})
	e.membership(n)
}

func (e *encoder) membership(n *Node) {
	t := n.members
	if t == nil {
		return
	}
	e.b = append(e.b, flags(t.complete, t.off, n.next.gossip != never, n.next.antiEntropy != never), byte(n.cfg.Incarnation))
	for i := range e.slots {
		m, ok := t.get(Host((e.self + i) % e.slots))
		e.b = append(e.b, flags(ok), byte(m.State), byte(m.Incarnation))
	}
	for _, x := range t.news {
		e.host(x.Host)
		e.b = append(e.b, byte(x.State), byte(x.Incarnation), x.sent, x.rode)
	}
}

func (e *encoder) message(m *Message) {
	e.b = append(e.b, byte(m.Kind), byte(m.Seq), flags(m.Final, m.Reply))
	e.ref(m.HasPred, m.Pred)
	e.ref(m.Key != ID{}, Ref{Host: Host(m.Key[0]>>2/8 - 1)})
	e.ref(m.Ref != Ref{}, m.Ref)
	e.refs(m.List)
	for _, x := range m.Members {
		e.host(x.Host)
		e.b = append(e.b, byte(x.State), byte(x.Incarnation))
	}
	for _, d := range m.Digests {
		if d != 0 {
			e.b = fmt.Append(e.b, d)
		}
	}
}

// scramble is a 64-bit hash of b (FNV-1a with splitmix64's finaliser).
func scramble(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return scatter(h)
}

func scatter(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// intern gives equal nodes one number.
func (x *explorer) intern(n *Node) uint32 {
	x.normalise(n)
	self := int(n.cfg.Self)
	e := encoder{b: append(x.buf[:0], byte(self)), self: self, slots: x.slots}
	e.node(n)
	x.buf = e.b
	if i, ok := x.nodeOf[string(e.b)]; ok {
		return i
	}
	i := uint32(len(x.locals))
	x.locals = append(x.locals, x.describe(n, scramble(e.b[1:])))
	x.nodeOf[string(e.b)] = i
	return i
}

func (x *explorer) describe(n *Node, hash uint64) local {
	p := &n.pos[0]
	l := local{node: n, hash: hash, self: int(n.cfg.Self), in: p.in, pred: -1, waits: p.status != Idle && p.deadline != never, asked: int(p.asked.Host)}
	l.paused = p.status == Entering && !l.waits
	l.canStep = p.in && p.status == Idle && (len(p.succ) > 0 || p.hasPred) && !n.inMesh()
	if p.hasPred {
		l.pred = int(p.pred.Host)
	}
	prev := l.self
	for _, s := range p.succ {
		l.succ = append(l.succ, int(s.Host))
		for i := (prev + 1) % x.slots; i != int(s.Host) && i != prev; i = (i + 1) % x.slots {
			l.skips |= 1 << i
		}
		prev = int(s.Host)
	}
	for h := range Host(x.slots) {
		bit := uint8(1) << h
		if n.thoughtDead(h) {
			l.dead |= bit
		}
		if slices.ContainsFunc(n.probes, func(p probe) bool { return p.host == h }) {
			l.probing |= bit
		}
		if n.knows(h) && p.in {
			l.knows |= bit
		}
		if hasHost(n.memory, h) && n.outside(h) && n.phase == member {
			l.memory |= bit
		}
	}
	if n.members != nil && !n.members.off && n.phase == member {
		l.timers = flags(n.next.gossip != never, n.next.antiEntropy != never)
	}
	return l
}

// post normalises a message that the node has sent and gives equal ones one number. present is the node's question after the step.
func (x *explorer) post(from, to int, m Message, present uint64) uint32 {
	switch m.Kind {
	case State, Busy, Gone, Hint: // repeats the asker's number
		if m.Seq == staleSeq {
			m = Message{Kind: Ack}
		}
	case Pong:
	case GetState, Ping, FindPredecessor:
		switch {
		case present != 0 && m.Seq == present:
			m.Seq = presentSeq
		case m.Kind == FindPredecessor && m.Seq >= freshSeq:
			m.Seq = questSeq + uint64(to)
		case m.Seq >= freshSeq:
			m.Seq = staleSeq
		}
	case Notify, Leaving:
		m.List, m.HasPred, m.Pred = nil, false, Ref{}
	}
	m.Path, m.Hops, m.Ack = nil, 0, 0
	return x.internLetter(from, to, m)
}

func (x *explorer) internLetter(from, to int, m Message) uint32 {
	e := encoder{b: append(x.buf[:0], byte(to)), self: to, slots: x.slots}
	e.host(Host(from))
	e.message(&m)
	x.buf = e.b
	if i, ok := x.letterOf[string(e.b)]; ok {
		return i
	}
	i := uint32(len(x.letters))
	x.letters = append(x.letters, letter{from: from, to: to, hash: scramble(e.b[1:]), m: m})
	x.letterOf[string(e.b)] = i
	return i
}

// stale is what becomes of a letter whose question is over: the question is answered in vain, the answer is a sign of life.
func (x *explorer) stale(i uint32) uint32 {
	l := x.letters[i]
	m := l.m
	if m.Seq = staleSeq; !asks(m.Kind) && m.Kind != Pong {
		m = Message{Kind: Ack}
	}
	return x.internLetter(l.from, l.to, m)
}

// step runs an input on a copy of a node and interns what comes of it.
func (x *explorer) step(at uint32, chance uint64, input func(n *Node)) outcome {
	was := &x.locals[at]
	self, waited := was.self, was.waits
	n := was.node.Clone(rand.New(rand.NewPCG(chance, 1)))
	n.seq = freshSeq
	input(n)
	p := &n.pos[0]
	present := uint64(0)
	if p.status != Idle && p.deadline != never {
		present = p.askSeq
	}
	o := outcome{retire: waited && present != presentSeq}
	for a, ok := n.Next(); ok; a, ok = n.Next() {
		if a.Kind == Send {
			l := x.post(self, int(a.To), a.Message, present)
			if !slices.Contains(o.out, l) {
				o.out = append(o.out, l)
			}
		}
	}
	o.err = errors.Join(n.Check()...)
	o.next = x.intern(n)
	return o
}
