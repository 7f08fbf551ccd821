package piece

import (
	"math/bits"
	"time"
)

// transfers are the pieces on their way, and parts of such.
type transfers struct {
	x        []transfer
	spare    []int32
	job      []job
	spareJob []int32
	leeching int // peers that are here and not complete
}

// transfer is one piece, or a part of one, from one peer to another, at a rate.
type transfer struct {
	from, to   int32
	slot       int32 // of to in from's row
	job        int32
	prev, next int32 // in the list of what to receives
	rate       int64 // bytes/s; 0 = all is sent
	left       int64 // bytes not sent at the time at
	at, end    time.Duration
	alive      bool
	tests      bool // it is the first of its link
}

// job is a piece that a peer has asked for, from one or several.
type job struct {
	piece int32
	parts int32         // transfers
	owned bool          // it waits on a link for its turn
	rest  int64         // bytes that nobody sends yet, or any more
	at    time.Duration // when it was asked for
}

// begin starts a transfer of n bytes of job j over p's link at slot.
func (s *swarm) begin(p, slot, j int32, n int64) {
	e := s.at(p, slot)
	q := s.peer[e]
	x := int32(len(s.x))
	if k := len(s.spare); k > 0 {
		x, s.spare = s.spare[k-1], s.spare[:k-1]
	} else {
		s.x = append(s.x, transfer{})
	}
	from, to := &s.node[p], &s.node[q]
	rate := min(from.upFree, to.downFree)
	if rate < from.upFree {
		to.flags |= throttled
	}
	from.upFree -= rate
	to.downFree -= rate
	from.out++
	from.floor = max(from.floor, s.link[e].turn)
	s.job[j].parts++
	s.x[x] = transfer{from: p, to: q, slot: slot, job: j, prev: none, next: to.in, rate: rate, left: n, at: s.now,
		alive: true, tests: s.bits[e]&proven == 0}
	if to.in != none {
		s.x[to.in].prev = x
	}
	to.in = x
	s.link[e].x = x
	if s.bits[e]&gave == 0 {
		s.bits[e] |= gave
		s.bits[s.reverse(e)] |= took
	}
	s.schedule(x)
}

// newJob makes a job of a piece for q that nobody works on. It waits on the link over which it was asked for.
func (s *swarm) newJob(q int32, i int) int32 {
	n := s.layout.PieceSize(i)
	to := &s.node[q]
	if to.begun > 0 {
		if left := s.takeStub(q, i); left > 0 {
			n = left
		}
	}
	to.working++
	s.wantedRow(q)[i>>6] &^= 1 << (i & 63)
	j := int32(len(s.job))
	if k := len(s.spareJob); k > 0 {
		j, s.spareJob = s.spareJob[k-1], s.spareJob[:k-1]
	} else {
		s.job = append(s.job, job{})
	}
	s.job[j] = job{piece: int32(i), rest: n, owned: true, at: s.now}
	return j
}

// schedule queues the end of x. An earlier entry stays behind and is known by its time.
func (s *swarm) schedule(x int32) {
	t := &s.x[x]
	t.end = later(s.now, duration(t.left, t.rate))
	s.events.push(event{t.end, t.from, x})
}

// duration is how long n bytes take, rounded up: no link is ever faster than its rate.
func duration(n, rate int64) time.Duration {
	hi, lo := bits.Mul64(uint64(n), uint64(time.Second))
	if hi >= uint64(rate) {
		return never
	}
	d, r := bits.Div64(hi, lo, uint64(rate))
	if r > 0 {
		d++
	}
	return time.Duration(min(d, uint64(never)))
}

// settle accounts for what x has sent until now.
func (s *swarm) settle(x int32) {
	t := &s.x[x]
	if t.rate == 0 || s.now <= t.at {
		return
	}
	hi, lo := bits.Mul64(uint64(s.now-t.at), uint64(t.rate))
	sent := t.left
	if hi < uint64(time.Second) {
		d, _ := bits.Div64(hi, lo, uint64(time.Second))
		sent = int64(min(d, uint64(t.left)))
	}
	s.account(t, sent)
}

func (s *swarm) account(t *transfer, sent int64) {
	l := &s.link[s.at(t.from, t.slot)]
	l.sent.add(t.at, s.now, sent)
	l.turn += uint32(sent >> 10)
	s.node[t.from].sent += sent
	s.rec.Carried(t.at, s.now, int(t.from), int(t.to), sent)
	t.left -= sent
	t.at = s.now
}

// ended handles the event that a transfer has sent everything, if that still holds.
func (s *swarm) ended(e event) {
	t := &s.x[e.what]
	if !t.alive || t.rate == 0 || t.end != e.at || t.from != e.peer {
		return
	}
	s.account(t, t.left)
	p := t.from
	s.stop(e.what)
	if s.serial {
		// Who ends at the same instant goes on after all pieces of that instant have landed: a round.
		s.arrived.push(s.now+s.sc.Latency, e.what)
		s.passSent(p, int(s.job[t.job].piece))
		s.soon(p)
	} else {
		s.arrived.push(s.now+s.sc.Latency+verifying, e.what)
		s.passSent(p, int(s.job[t.job].piece))
		s.wake(p)
	}
	if s.peers[p].Class < 0 && s.sc.Server.Copies > 0 && float64(s.node[p].sent) >= s.sc.Server.Copies*float64(s.sc.Size) {
		s.events.push(event{s.now, p, toLeave})
	}
}

// unlink ends the link at p's slot. The links that move into its place take their transfers with them.
func (s *swarm) unlink(p, slot int32) {
	e := s.at(p, slot)
	q, back := s.peer[e], s.link[e].rev
	s.drop(p, slot)
	s.drop(q, back)
	for _, end := range [2]struct{ p, slot int32 }{{p, slot}, {q, back}} {
		if end.slot < s.row[end.p].deg {
			if x := s.link[s.at(end.p, end.slot)].x; x != none {
				s.x[x].slot = end.slot
			}
		}
	}
}

// verifying is what hashing a piece takes after its last block: most of it is done as the blocks come.
const verifying = time.Millisecond

// stop frees the rates that x used and takes it off its link.
func (s *swarm) stop(x int32) {
	t := &s.x[x]
	from, to := &s.node[t.from], &s.node[t.to]
	from.upFree += t.rate
	to.downFree += t.rate
	from.out--
	t.rate = 0
	s.link[s.at(t.from, t.slot)].x = none
	if t.prev != none {
		s.x[t.prev].next = t.next
	} else {
		to.in = t.next
	}
	if t.next != none {
		s.x[t.next].prev = t.prev
	}
	if to.flags&throttled != 0 {
		s.quickenTo(t.to)
	}
	if from.out > 0 {
		s.quickenFrom(t.from)
	}
}

// quickenTo lets transfers to q that were held back by it go faster, and wakes those who wait to send.
func (s *swarm) quickenTo(q int32) {
	n := &s.node[q]
	for x := n.in; x != none && n.downFree > 0; x = s.x[x].next {
		s.quicken(x)
	}
	if n.downFree > 0 {
		n.flags &^= throttled
	}
	s.wakeOpeners(q, (*swarm).wake)
}

// quickenFrom lets transfers from p go faster that shared its uplink with one that ended.
func (s *swarm) quickenFrom(p int32) {
	for slot, f := range s.flags(p) {
		if f&open != 0 {
			if x := s.link[s.at(p, int32(slot))].x; x != none {
				s.quicken(x)
			}
		}
	}
}

func (s *swarm) quicken(x int32) {
	t := &s.x[x]
	more := min(s.node[t.from].upFree, s.node[t.to].downFree)
	if more <= 0 {
		return
	}
	s.settle(x)
	s.node[t.from].upFree -= more
	s.node[t.to].downFree -= more
	t.rate += more
	s.schedule(x)
}

// wakeOpeners wakes the idle uploaders that have unchoked q.
func (s *swarm) wakeOpeners(q int32, how func(*swarm, int32)) {
	for slot, f := range s.flags(q) {
		if f&opened != 0 {
			if u := s.graph.peers(q)[slot]; s.is(u, idle) {
				how(s, u)
			}
		}
	}
}

// land lets what was sent arrive.
func (s *swarm) land(x int32) {
	t := &s.x[x]
	j, q := t.job, t.to
	t.alive = false
	s.spare = append(s.spare, x)
	if t.tests {
		s.prove(t)
	}
	s.finished(j, q)
}

// prove has the receiver of t trust its sender with more, which it asks for at once.
func (s *swarm) prove(t *transfer) {
	p := t.from
	if !s.is(p, here) || !s.is(t.to, here) {
		return
	}
	for slot, q := range s.graph.peers(p) {
		if q == t.to {
			e := s.at(p, int32(slot))
			s.bits[e] = s.bits[e]&^tested | proven
		}
	}
	if s.is(p, idle) {
		s.replies.push(s.now+s.sc.Latency, p)
	}
}

// finished notes that one part of a job is done with.
func (s *swarm) finished(j, q int32) {
	b := &s.job[j]
	if b.parts--; b.parts == 0 && !b.owned {
		s.dissolve(j, q)
	}
}

// dissolve ends a job that nobody works on: q has the piece, or a part of it.
func (s *swarm) dissolve(j, q int32) {
	i, rest := int(s.job[j].piece), s.job[j].rest
	s.spareJob = append(s.spareJob, j)
	if !s.is(q, here) {
		return
	}
	s.node[q].working--
	if rest == 0 {
		s.got(q, i)
		return
	}
	s.wantedRow(q)[i>>6] |= 1 << (i & 63)
	if rest < s.layout.PieceSize(i) {
		s.addStub(q, i, rest)
	}
	s.wakeOpeners(q, (*swarm).wake)
}

// got gives q piece i.
func (s *swarm) got(q int32, i int) {
	s.gain(q, i)
	s.rec.Got(s.now, int(q), i)
	s.passSeen(q, i)
	s.excite(q)
	if s.is(q, idle) {
		s.soon(q)
	}
	if s.is(q, awaited) {
		s.unset(q, awaited)
		s.wakeOpeners(q, (*swarm).soon)
	}
	if s.complete(q) {
		s.completed(q)
	}
}

// cut ends x before its time. What is missing is left to those who work on the same piece, or to whoever takes it up.
func (s *swarm) cut(x int32) {
	s.settle(x)
	t := &s.x[x]
	j, q, from := t.job, t.to, t.from
	left := t.left
	s.bits[s.at(from, t.slot)] &^= tested
	s.stop(x)
	t.alive = false
	s.spare = append(s.spare, x)
	if left > 0 && !s.handOver(q, j, left) {
		s.job[j].rest += left
	}
	s.passUnsent(from, int(s.job[j].piece))
	s.finished(j, q)
}

// handOver adds n bytes to another transfer of the same job, if there is one.
func (s *swarm) handOver(q, j int32, n int64) bool {
	for x := s.node[q].in; x != none; x = s.x[x].next {
		if s.x[x].job == j {
			s.settle(x)
			s.x[x].left += n
			s.schedule(x)
			return true
		}
	}
	return false
}
