package piece

import (
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/choke"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// noLimit is the rate of a link that has none, in bytes/s: too fast to matter, and small enough to be added up.
const noLimit = 1 << 40

// enter makes peer p ready, without links.
func (s *swarm) enter(p int32) {
	who := &s.peers[p]
	s.node[p] = node{upFree: limit(who.Up), downFree: limit(who.Down), in: none, trying: none, stub: none,
		policy: uint16(who.Class + 1), flags: here | idle | satisfied}
	if s.sc.Exchange == scenario.Rounds {
		s.all = append(s.all, p)
	}
	want := s.wantedRow(p)
	for i := range s.pieces {
		want[i>>6] |= 1 << (i & 63)
	}
	if who.Stay != scenario.Forever && who.Class < 0 {
		s.events.push(event{who.Stay, p, toLeave})
	}
	if who.Fail != scenario.Forever {
		s.events.push(event{who.Fail, p, toFail})
	}
	if who.Class < 0 {
		for i := range s.pieces {
			s.gain(p, i)
		}
	}
}

func limit(rate int64) int64 {
	if rate == 0 {
		return noLimit
	}
	return rate
}

// come lets the next peer of the population in.
func (s *swarm) come(p int32) {
	s.enter(p)
	s.leeching++
	s.rec.Joined(s.now, int(p))
	s.bring(p)
	for _, q := range s.topo.Join(int(p)) {
		s.meet(p, q)
	}
	if s.complete(p) {
		s.completed(p)
	}
}

// bring gives p the pieces that it comes with.
func (s *swarm) bring(p int32) {
	n := int(s.peers[p].Have*float64(s.pieces) + 0.5)
	if n <= 0 {
		return
	}
	s.chance.use(p)
	for _, i := range s.rng.Perm(s.pieces)[:min(n, s.pieces)] {
		s.gain(p, i)
		s.rec.Got(s.now, int(p), i)
	}
}

// gain notes that p has piece i, which it lacked.
func (s *swarm) gain(p int32, i int) {
	s.haveRow(p)[i>>6] |= 1 << (i & 63)
	s.wantedRow(p)[i>>6] &^= 1 << (i & 63)
	s.count[p]++
	s.known[p] = hasSome
	if s.complete(p) {
		s.known[p] = hasAll
	}
}

// meet connects p and q.
func (s *swarm) meet(p, q int32) {
	s.connect(s.now, p, q)
	for _, a := range [2]int32{p, q} {
		if n := &s.node[a]; n.flags&runs == 0 {
			n.flags |= runs
			n.optimistic = s.now + choke.OptimisticRound
			if s.shares(a) && !s.serial {
				s.rounds.push(s.now+choke.Round, a)
			}
		}
		s.passJoin(a)
		s.excite(a)
	}
	e := s.at(p, s.row[p].deg-1)
	if s.peers[q].Down == 0 {
		s.bits[e] |= wide
	}
	if s.peers[p].Down == 0 {
		s.bits[s.reverse(e)] |= wide
	}
	if s.serial {
		s.openAll(p, e)
	} else {
		s.allowFast(p, e)
		s.allowFast(q, s.reverse(e))
	}
	for _, a := range [2]int32{p, q} {
		if s.shares(a) && s.count[a] > 0 {
			s.soon(a)
		}
	}
}

// shares reports whether p uploads at all.
func (s *swarm) shares(p int32) bool { return s.peers[p].Strategy == scenario.Honest }

// completed notes that p has everything.
func (s *swarm) completed(p int32) {
	s.leeching--
	s.rec.Done(s.now, int(p))
	if stay := s.peers[p].Stay; stay != scenario.Forever && s.peers[p].Class >= 0 {
		s.events.push(event{later(s.now, stay), p, toLeave})
	}
}

func later(t, d time.Duration) time.Duration {
	if d >= never-t {
		return never
	}
	return t + d
}

// leave takes p out of the swarm, with all that is under way from and to it.
func (s *swarm) leave(p int32, failed bool) {
	if !s.is(p, here) {
		return
	}
	s.topo.Leave(int(p))
	s.passEnd(p)
	for s.row[p].deg > 0 {
		s.part(p, s.row[p].deg-1)
	}
	s.graph.release(p)
	if !s.complete(p) {
		s.leeching--
	}
	s.dropStubs(p)
	s.node[p].flags &^= here
	s.known[p] = hasNothing
	if k := slices.Index(s.all, p); k >= 0 {
		s.all = slices.Delete(s.all, k, k+1)
	}
	s.rec.Left(s.now, int(p), failed)
}

// part ends the link at p's slot, because p leaves.
func (s *swarm) part(p, slot int32) {
	e := s.at(p, slot)
	q, back := s.peer[e], s.link[e].rev
	if x := s.link[e].x; x != none {
		s.cut(x)
	}
	if x := s.link[s.at(q, back)].x; x != none {
		s.cut(x)
	}
	s.setOpen(p, slot, false)
	s.setOpen(q, back, false)
	n := &s.node[q]
	if n.trying == p {
		n.trying = none
	}
	s.unlink(p, slot)
	s.passLeave(q, p)
	s.wake(q)
	s.lost(q)
}

// lost has q ask the tracker for others at its next announce.
func (s *swarm) lost(q int32) {
	if s.sc.Tracker <= 0 || s.is(q, refilling) || s.peers[q].Class < 0 {
		return
	}
	s.set(q, refilling)
	since := s.now - s.peers[q].Arrive
	s.events.push(event{s.now + s.sc.Tracker - since%s.sc.Tracker, q, toRefill})
}

func (s *swarm) refill(q int32) {
	if !s.is(q, here) {
		return
	}
	s.unset(q, refilling)
	for _, p := range s.topo.Refill(int(q), s.graph.peers(q)) {
		s.meet(q, p)
	}
}
