package ring

import (
	"cmp"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// hostState is what a host's answers, and missing answers, have taught about it.
type hostState struct {
	host      Host
	mean, dev uint32 // of round trips, microseconds
	missed    uint8  // probes in a row without an answer; at least 1 while any other question is left unanswered
	probing   bool   // a ping is under way
	dead      bool   // thought dead
	saidLeft  bool   // others say that it has left the ring, and it is being asked
}

// probe is a ping under way. It is repeated until an answer or a verdict.
type probe struct {
	host     Host
	seq      uint64
	sentAt   time.Duration
	deadline time.Duration
}

// maxHosts bounds the table of measured hosts; beyond it the ones that raise no doubt are forgotten.
const maxHosts = 1024

func (n *Node) hostAt(h Host) (int, bool) {
	return slices.BinarySearchFunc(n.hosts, h, func(s hostState, h Host) int { return cmp.Compare(s.host, h) })
}

// host returns the entry of h, made when there is none. It is valid until the next call.
func (n *Node) host(h Host) *hostState {
	i, ok := n.hostAt(h)
	if !ok {
		if len(n.hosts) >= maxHosts {
			n.hosts = slices.DeleteFunc(n.hosts, func(s hostState) bool { return !s.probing && (!s.dead || s.host%2 == 0) })
			i, _ = n.hostAt(h)
		}
		n.hosts = slices.Insert(n.hosts, i, hostState{host: h})
	}
	return &n.hosts[i]
}

// doubtful reports whether h has left a question unanswered and not answered since.
func (n *Node) doubtful(h Host) bool {
	i, ok := n.hostAt(h)
	return ok && (n.hosts[i].missed > 0 || n.hosts[i].dead)
}

// timeout is how long to wait for h: mean + 4 deviations of its round trips (Jacobson 1988), doubled for each repetition.
func (n *Node) timeout(h Host, repeated int) time.Duration {
	d := n.cfg.FirstTimeout
	if i, ok := n.hostAt(h); ok && n.hosts[i].mean > 0 {
		d = time.Duration(n.hosts[i].mean+4*n.hosts[i].dev) * time.Microsecond
	}
	return min(max(d, n.cfg.MinTimeout)<<min(repeated, 8), n.cfg.MaxTimeout)
}

// measure takes a round trip of h into its mean and deviation. Answers to repeated questions are not measured (Karn 1987).
func (n *Node) measure(h Host, rtt time.Duration) {
	s := n.host(h)
	us := uint32(min(max(rtt.Microseconds(), 1), 60_000_000))
	if s.mean == 0 {
		s.mean, s.dev = us, us/2
		return
	}
	diff := max(us, s.mean) - min(us, s.mean)
	s.dev = (3*s.dev + diff) / 4
	s.mean = (7*s.mean + us) / 8
}

// alive notes a sign of life of h.
func (n *Node) alive(h Host, kind Kind) {
	i, ok := n.hostAt(h)
	if !ok {
		return
	}
	n.hosts[i].missed, n.hosts[i].saidLeft = 0, false
	n.revive(i, kind == Pong || kind == State || kind == Notify || kind == Ack)
}

// revive takes back that a host is dead. It was not, and the assumption of the proof did not hold, if it still lives the life in which it was given up. Without a
// Directory that knows lives the kind of its message decides: a member's, or one that somebody in no ring would send too.
func (n *Node) revive(i int, asMember bool) {
	s := &n.hosts[i]
	if !s.dead {
		return
	}
	s.dead = false
	was, given := n.buried[s.host]
	delete(n.buried, s.host)
	if lives, ok := n.cfg.Directory.(Lives); ok {
		asMember = given && lives.Incarnation(s.host) == was
	}
	if asMember {
		n.stats.AssumptionBroken++
	}
}

// noteLife remembers in which life a host was given up.
func (n *Node) noteLife(h Host) {
	lives, ok := n.cfg.Directory.(Lives)
	if !ok {
		return
	}
	if n.buried == nil || len(n.buried) >= maxHosts {
		n.buried = make(map[Host]uint32)
	}
	n.buried[h] = lives.Incarnation(h)
}

// miss notes that h left a question unanswered, and makes sure of it.
func (n *Node) miss(h Host) {
	n.doubt(h)
	n.ping(h)
}

// doubt notes that h left a question unanswered. However many it leaves unanswered at the same time, a pause of a busy host say, they count as the first
// missed probe and no more: the verdict takes questions one after the other.
func (n *Node) doubt(h Host) {
	n.stats.Timeouts++
	s := n.host(h)
	s.missed = max(s.missed, 1)
}

// ping probes h unless it is being probed. What is said of it goes with it.
func (n *Node) ping(h Host, said ...Member) {
	s := n.host(h)
	if s.probing || h == n.cfg.Self {
		return
	}
	s.probing = true
	p := probe{host: h, seq: n.nextSeq(), sentAt: n.now, deadline: n.now + n.timeout(h, 0)}
	n.probes = append(n.probes, p)
	n.send(h, Message{Kind: Ping, Seq: p.seq, Members: append(n.newsFor(h), said...)})
}

// probed takes in the answer to a ping, and reports whether there was one.
func (n *Node) probed(h Host, seq uint64) bool {
	i := slices.IndexFunc(n.probes, func(p probe) bool { return p.host == h })
	if i < 0 {
		return false
	}
	if n.probes[i].seq == seq {
		n.measure(h, n.now-n.probes[i].sentAt)
	}
	n.probes = slices.Delete(n.probes, i, i+1)
	n.host(h).probing = false
	return true
}

// expireProbes repeats the pings that were not answered in time, and gives the verdict after the third.
func (n *Node) expireProbes() {
	for i := 0; i < len(n.probes); {
		p := &n.probes[i]
		if n.now < p.deadline {
			i++
			continue
		}
		s := n.host(p.host)
		if s.missed++; s.missed < missedProbes {
			p.seq, p.sentAt, p.deadline = n.nextSeq(), n.now, n.now+n.timeout(p.host, int(s.missed))
			n.send(p.host, Message{Kind: Ping, Seq: p.seq})
			i++
			continue
		}
		h := p.host
		gone := s.saidLeft
		n.probes = slices.Delete(n.probes, i, i+1)
		s.probing = false
		n.bury(h, ringwire.Dead)
		if gone { // nor do those mourn it whom it told
			n.census.Left(h)
		}
		i = 0 // the verdict may have begun other probes
	}
}

// Unreachable tells that the transport lost its connection to h. It makes the Node probe at once; it is no verdict.
func (n *Node) Unreachable(now time.Duration, h Host) {
	n.now = now
	if n.phase == member && h != n.cfg.Self && n.knows(h) {
		n.ping(h)
	}
	n.settle()
}

// knows reports whether h is in one of the lists.
func (n *Node) knows(h Host) bool {
	for i := range n.pos {
		p := &n.pos[i]
		if p.hasPred && p.pred.Host == h || hasHost(p.succ, h) || hasHost(p.fingers, h) || hasHost(p.preds, h) {
			return true
		}
	}
	return n.members != nil && n.members.state(h) == ringwire.Alive
}

// bury drops a host that died or left from everything but the long-term memory: it may be the other side of a partition.
func (n *Node) bury(h Host, why ringwire.MemberState) {
	s := n.host(h)
	again := s.dead // others vouched for it, and it still does not answer
	s.dead = true
	if why == ringwire.Left {
		n.census.Left(h)
	} else {
		n.census.Dead(n.now, h)
	}
	if why == ringwire.Dead && !again {
		n.stats.Dead++
		n.noteLife(h)
		n.remember(h)
	}
	for i := range n.pos {
		n.forget(&n.pos[i], func(x Ref) bool { return x.Host == h })
	}
	n.spread(h, why)
	n.remesh()
}

// vouched is called when somebody else believes that h lives: if this host thinks it dead, it looks again. Until then routes pass it over.
func (n *Node) vouched(h Host) bool {
	if n.thoughtDead(h) {
		n.ping(h)
		return false
	}
	return true
}

// forget drops positions from p's lists. Dropping what has failed takes no principal away (Zave 2017, section 5.2: a principal is a member that
// no adjacent pair of a list skips, and who fails is no member).
func (n *Node) forget(p *position, gone func(Ref) bool) {
	drop := func(refs []Ref) []Ref {
		if !slices.ContainsFunc(refs, gone) {
			return refs
		}
		n.viewDirty = true
		return slices.DeleteFunc(slices.Clone(refs), gone)
	}
	p.succ, p.fingers, p.preds = drop(p.succ), drop(p.fingers), drop(p.preds)
	if p.hasPred && gone(p.pred) {
		p.hasPred, p.predAnswered, p.pred, p.preds, n.viewDirty = false, false, Ref{}, nil, true
	}
	if p.hasCandidate && gone(p.candidate) {
		p.hasCandidate = false
	}
	if p.hasNotify && gone(p.notify) {
		p.hasNotify = false
	}
	if p.status != Idle && p.in && gone(p.asked) {
		n.unanswered(p)
	}
}
