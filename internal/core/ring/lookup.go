package ring

import (
	"slices"
	"time"
)

// How often a lookup is begun anew, and what bounds it.
const (
	lookupAttempts = 3
	maxHints       = 3 // hosts that the cache may name wrongly before fingers take over
	maxForwards    = 1024
	maxLookups     = 4096
)

// forward is a lookup handed to another host that has not acknowledged it yet.
type forward struct {
	ack      uint64
	to       Host
	sentAt   time.Duration
	deadline time.Duration
	tried    []Host // those that did not acknowledge
	m        Message
}

// lookup is one of this host's own.
type lookup struct {
	Result
	how      How
	seq      uint64
	started  time.Duration
	deadline time.Duration
	attempt  int
	hints    int
	finger   int  // it repairs a finger of this position, counted from 1; no action at its end
	first    Host // the first hop of this attempt
	asked    Ref  // Iterative: who was asked
	asking   bool // Iterative: an answer is awaited
	askedAt  time.Duration
	hops     int
	final    bool // Iterative: the asked host is thought the owner
	avoid    []Host
	other    *Result // the answer of the first path, which the cache contradicts
}

// Lookup finds the owner of key; the answer is an action LookupDone with the given token.
func (n *Node) Lookup(now time.Duration, key ID, token uint64, how How) {
	n.now = now
	n.begin(lookup{Result: Result{Token: token, Key: key}, how: how})
	n.settle()
}

func (n *Node) begin(l lookup) {
	l.started, l.seq = n.now, n.nextSeq()
	switch {
	case n.phase != member && n.phase != joining:
		l.Err = ErrNotMember
	case len(n.lookups) >= maxLookups:
		l.Err = ErrTooMany
	}
	if l.Err != nil {
		n.finish(l)
		return
	}
	n.lookups = append(n.lookups, l)
	n.advance(len(n.lookups)-1, false)
}

// advance begins an attempt of lookup i. cold passes the cache over.
func (n *Node) advance(i int, cold bool) {
	l := &n.lookups[i]
	l.deadline, l.hops, l.first, l.Path, l.RTT = n.now+n.cfg.LookupTimeout, 0, n.cfg.Self, nil, nil
	if l.how == Recursive && !cold && n.cacheWarm() {
		if x, ok := n.members.successor(l.Key, n, l.avoid); ok && x.Host != n.cfg.Self {
			n.oneHop(l, x)
			return
		}
	}
	h := n.route(l.Key, l.avoid)
	switch {
	case !h.ok:
		l.deadline = n.now + n.jitter(n.cfg.FirstTimeout) // try again when the lists have been repaired
	case h.mine != nil:
		l.Path = []Ref{h.mine.self}
		n.resolve(i, h.mine.self, h.mine.succ, 0, l.Path)
	case l.how == Iterative:
		l.Path = []Ref{n.preceding(l.Key).self}
		n.askStep(l, h.next)
	default:
		l.first = h.next.Host
		m := Message{Kind: Lookup, From: n.preceding(l.Key).self.ID, Key: l.Key, Seq: l.seq, Origin: n.pos[0].self, Trace: l.how == Traced}
		if m.Trace {
			m.Path = []Ref{n.preceding(l.Key).self}
		}
		n.hand(m, h, nil)
	}
}

// oneHop asks the owner according to the cache.
func (n *Node) oneHop(l *lookup, x Ref) {
	l.first = x.Host
	m := Message{Kind: Lookup, From: n.pos[0].self.ID, Key: l.Key, Seq: l.seq, Origin: n.pos[0].self, OneHop: true, Hops: uint16(l.hops)}
	n.hand(m, hop{next: x, final: true, ok: true}, nil)
}

// hand forwards a lookup one hop and waits for the acknowledgement.
func (n *Node) hand(m Message, h hop, tried []Host) {
	if int(m.Hops) >= n.cfg.MaxHops {
		return // it runs in circles: the asker begins anew when the time is over
	}
	out := m
	out.Hops++
	out.To, out.Final, out.Ack = h.next.ID, h.final, n.nextSeq()
	if len(n.forwards) < maxForwards {
		n.forwards = append(n.forwards, forward{ack: out.Ack, to: h.next.Host, sentAt: n.now, deadline: n.now + n.timeout(h.next.Host, 0), tried: tried, m: m})
	}
	n.send(h.next.Host, out)
}

// onAck ends the wait for an acknowledgement.
func (n *Node) onAck(from Host, ack uint64) {
	i := slices.IndexFunc(n.forwards, func(f forward) bool { return f.ack == ack && f.to == from })
	if i < 0 {
		return
	}
	n.measure(from, n.now-n.forwards[i].sentAt)
	n.forwards = slices.Delete(n.forwards, i, i+1)
}

// expireForwards hands lookups whose next hop did not acknowledge to somebody else.
func (n *Node) expireForwards() {
	for i := 0; i < len(n.forwards); {
		if n.now < n.forwards[i].deadline {
			i++
			continue
		}
		f := n.forwards[i]
		n.forwards = slices.Delete(n.forwards, i, i+1)
		n.miss(f.to)
		f.tried = append(f.tried, f.to)
		n.detour(f)
	}
}

func (n *Node) detour(f forward) {
	// Its own, and not one that came back on its way. A hint of the cache is followed by the asker alone, after some hops.
	own := f.m.Origin.Host == n.cfg.Self && (f.m.Hops == 0 || f.m.OneHop)
	if j := slices.IndexFunc(n.lookups, func(l lookup) bool { return l.seq == f.m.Seq }); j >= 0 && own {
		l := &n.lookups[j]
		l.Timeouts++
		l.avoid = append(l.avoid, f.to)
		n.advance(j, false)
		return
	}
	h := n.route(f.m.Key, f.tried)
	switch {
	case h.mine != nil:
		n.answer(h.mine, &f.m)
	case h.ok:
		n.hand(f.m, h, f.tried)
	}
}

// onLookup serves a lookup on its way: answers its asker, or hands it on.
func (n *Node) onLookup(from Host, m *Message) {
	p, mine := n.owns(m.Key)
	h := hop{mine: p, ok: true}
	switch {
	case mine:
	case m.Final && p != nil && p.in: // whoever believes that this host is the owner does not know the latest comer before it
		h = n.back(p, nil)
	default:
		h = n.route(m.Key, nil)
	}
	if n.phase == left || !h.ok {
		return // no acknowledgement: the sender takes another way
	}
	n.send(from, Message{Kind: Ack, To: m.From, From: m.To, Ack: m.Ack})
	switch {
	case h.mine != nil:
		n.answer(h.mine, m)
	case m.OneHop:
		n.send(m.Origin.Host, Message{Kind: NotMine, To: m.Origin.ID, From: m.To, Seq: m.Seq, Key: m.Key, Ref: h.next, Hops: m.Hops})
	default:
		fwd := *m
		if fwd.Members = nil; m.Trace && len(m.Path) < MaxPath {
			fwd.Path = append(slices.Clone(m.Path), n.hereFor(m))
		}
		n.hand(fwd, h, nil)
	}
}

// hereFor is the own position that a lookup was sent to.
func (n *Node) hereFor(m *Message) Ref {
	if p := n.position(m.To); p != nil {
		return p.self
	}
	return n.preceding(m.Key).self
}

// answer tells the asker that p owns the key.
func (n *Node) answer(p *position, m *Message) {
	found := Message{Kind: Found, To: m.Origin.ID, From: p.self.ID, Seq: m.Seq, Key: m.Key, Hops: m.Hops, List: p.succ}
	if m.Trace {
		found.Path = append(slices.Clone(m.Path), p.self)
	}
	n.send(m.Origin.Host, found)
}

// onFound takes in the end of an own lookup, or a wrong hint of the cache.
func (n *Node) onFound(sender Ref, m *Message) {
	i := slices.IndexFunc(n.lookups, func(l lookup) bool { return l.seq == m.Seq && l.Key == m.Key })
	if i < 0 {
		return
	}
	l := &n.lookups[i]
	if m.Kind == Found {
		if l.how == Iterative {
			n.stepFound(i, sender, m)
			return
		}
		n.resolve(i, sender, m.List, int(m.Hops), m.Path)
		return
	}
	if l.how != Recursive || l.first != sender.Host {
		return
	}
	n.stats.NotMine++
	l.hints++
	if l.hops = int(m.Hops); l.hints <= maxHints && m.Ref.Host != sender.Host && m.Ref.Host != n.cfg.Self && !n.passOver(m.Ref.Host, l.avoid) {
		n.oneHop(l, m.Ref)
		return
	}
	n.advance(i, true)
}

// resolve ends lookup i, or sends it a second way when the cache names another owner: then the one closer to the key is right, if it lives.
func (n *Node) resolve(i int, owner Ref, succ []Ref, hops int, path []Ref) {
	l := &n.lookups[i]
	l.Owner, l.Successors, l.Hops = owner, succ, hops
	if path != nil {
		l.Path = path
	}
	if l.other != nil {
		n.stats.SecondPaths++
		if distance(l.Key, l.other.Owner.ID).Compare(distance(l.Key, owner.ID)) < 0 {
			l.Result = *l.other
		}
	} else if n.contradicted(l) {
		r := l.Result
		l.other, l.avoid = &r, append(l.avoid, l.first)
		n.advance(i, true)
		return
	}
	done := *l
	n.lookups = slices.Delete(n.lookups, i, i+1)
	n.finish(done)
}

// contradicted reports whether the cache knows a living host closer to the key than the one that answered.
func (n *Node) contradicted(l *lookup) bool {
	if l.how != Recursive || l.first == n.cfg.Self || l.first == l.Owner.Host || !n.cacheWarm() {
		return false
	}
	x, ok := n.members.successor(l.Key, n, l.avoid)
	return ok && x != l.Owner
}

func (n *Node) finish(l lookup) {
	l.Elapsed = n.now - l.started
	if l.finger != 0 {
		if l.Err == nil {
			n.fixFinger(&n.pos[l.finger-1], l.Owner, l.Key)
		}
		return
	}
	n.out = append(n.out, Action{Kind: LookupDone, Result: l.Result})
}

// expireLookups begins lookups anew that got no answer, and gives up after a few attempts.
func (n *Node) expireLookups() {
	for i := 0; i < len(n.lookups); {
		l := &n.lookups[i]
		if n.now < l.deadline {
			i++
			continue
		}
		if l.how == Iterative && l.asking {
			n.stepTimeout(i)
			continue
		}
		if l.attempt++; l.attempt < lookupAttempts && l.other == nil {
			l.avoid = nil
			if l.first != n.cfg.Self && l.attempt == 1 {
				l.avoid = []Host{l.first}
			}
			n.advance(i, true)
			continue
		}
		done := *l
		n.lookups = slices.Delete(n.lookups, i, i+1)
		if done.other != nil { // no second way: the first answer has to do
			done.Result = *done.other
		} else {
			done.Err = ErrNoAnswer
		}
		n.finish(done)
	}
}

func (n *Node) failLookups(err error) {
	all := n.lookups
	n.lookups = nil
	for _, l := range all {
		l.Err = err
		n.finish(l)
	}
}

// askStep asks the next host of an iterative lookup.
func (n *Node) askStep(l *lookup, x Ref) {
	l.asked, l.asking, l.askedAt, l.first = x, true, n.now, x.Host
	l.deadline = n.now + n.timeout(x.Host, 0)
	l.hops++
	n.send(x.Host, Message{Kind: Step, To: x.ID, From: n.pos[0].self.ID, Seq: l.seq, Key: l.Key, Final: l.final, Hops: uint16(l.hops)})
}

// onStep names the next hop to a key, or the closest position before it.
func (n *Node) onStep(from Host, m *Message) {
	answer := Message{Kind: Gone, To: m.From, From: m.To, Seq: m.Seq, Key: m.Key}
	switch {
	case n.phase == left || n.phase == idle:
	case m.Kind == FindPredecessor:
		if x, ok := n.before(m.Key); ok {
			answer.Kind, answer.Ref = Hint, x
			if p := n.position(x.ID); p != nil {
				answer.List = p.succ
			}
		}
	default:
		n.step(&answer, m)
	}
	n.send(from, answer)
}

func (n *Node) step(answer, m *Message) {
	h := n.route(m.Key, nil)
	if p := n.following(m.Key); m.Final && p.in && h.mine == nil {
		h = n.back(p, nil)
	}
	switch {
	case h.mine != nil:
		answer.Kind, answer.From, answer.List, answer.Hops = Found, h.mine.self.ID, h.mine.succ, m.Hops
	case h.ok:
		answer.Kind, answer.Ref, answer.Final = Hint, h.next, h.final
	}
}

// onLookupAnswer takes in a Hint or Gone for an iterative lookup.
func (n *Node) onLookupAnswer(from Host, m *Message) {
	i := slices.IndexFunc(n.lookups, func(l lookup) bool { return l.how == Iterative && l.seq == m.Seq && l.asked.Host == from })
	if n.onQuest(from, m) || i < 0 {
		return
	}
	l := &n.lookups[i]
	switch {
	case m.Kind == Gone || l.hops >= n.cfg.MaxHops || len(l.Path) >= MaxPath:
		n.stepTimeout(i)
	case m.Kind == Hint && !n.passOver(m.Ref.Host, l.avoid) && m.Ref.Host != n.cfg.Self:
		n.stepDone(l)
		l.final = m.Final
		n.askStep(l, m.Ref)
	case m.Kind == Hint:
		n.stepTimeout(i)
	}
}

// stepDone notes the round trip of the host that answered.
func (n *Node) stepDone(l *lookup) {
	rtt := n.now - l.askedAt
	n.measure(l.asked.Host, rtt)
	l.Path, l.RTT = append(l.Path, l.asked), append(l.RTT, rtt)
}

func (n *Node) stepFound(i int, sender Ref, m *Message) {
	l := &n.lookups[i]
	if l.asked.Host != sender.Host {
		return
	}
	n.stepDone(l)
	l.Path[len(l.Path)-1] = sender
	n.resolve(i, sender, m.List, l.hops, nil)
}

// stepTimeout takes the iterative lookup i up again from the own lists, around the host that did not help.
func (n *Node) stepTimeout(i int) {
	l := &n.lookups[i]
	l.Timeouts++
	if l.asking {
		n.miss(l.asked.Host)
	}
	l.avoid, l.asking, l.final = append(l.avoid, l.asked.Host), false, false
	if l.attempt++; l.attempt < 4*lookupAttempts {
		n.advance(i, true)
		return
	}
	done := *l
	n.lookups = slices.Delete(n.lookups, i, i+1)
	done.Err = ErrNoAnswer
	n.finish(done)
}
