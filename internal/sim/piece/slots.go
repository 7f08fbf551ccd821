package piece

import (
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/choke"
)

// applies reports whether q would take pieces of p if it were unchoked.
func (s *swarm) applies(p, q int32) bool {
	switch {
	case s.known[q] == hasAll || s.known[q] == hides:
		return false
	case s.count[p] > s.count[q]:
		return true
	}
	a, b := s.haveRow(p), s.haveRow(q)
	for w := range a {
		if a[w]&^b[w] != 0 {
			return true
		}
	}
	return false
}

// capacity is how many interested peers are unchoked at once, as in core/swarm.
func (s *swarm) capacity(p int32) int {
	return choke.Capacity(s.slots, int(s.node[p].extra), s.known[p] == hides || s.linked && s.policyOf(p).Wide)
}

// excite notes that somebody may have become interested in p.
func (s *swarm) excite(p int32) {
	if s.is(p, satisfied) {
		s.unset(p, satisfied)
		s.set(p, news)
	}
}

// fillSlots unchokes waiting peers while slots are free: at random, as the optimistic slot would choose them, or where nobody
// had waited, in the order in which they say that they are interested, which is that of the connections. used slots are held by
// interested ones.
func (s *swarm) fillSlots(p int32, used int) {
	if s.is(p, satisfied) {
		return
	}
	s.chance.use(p)
	s.candidates(p, false)
	inOrder := s.is(p, news)
	s.unset(p, news)
	for most := s.capacity(p); used < most; used++ {
		i := none
		if inOrder {
			i = slices.IndexFunc(s.list, func(c choke.Candidate) bool { return c.Interested && !c.Slot })
		} else {
			i = choke.Optimistic(s.rng, s.list)
		}
		if i < 0 {
			s.set(p, satisfied)
			break
		}
		s.list[i].Slot = true
		s.setOpen(p, s.list[i].ID, true)
		s.soon(p)
	}
}

// setOpen unchokes or chokes the peer in p's slot.
func (s *swarm) setOpen(p, slot int32, on bool) {
	e := s.at(p, slot)
	if s.bits[e]&open != 0 == on {
		return
	}
	l := &s.link[e]
	if on {
		s.bits[e] |= open
		s.bits[s.reverse(e)] |= opened
		l.turn = max(l.turn, s.node[p].floor)
	} else {
		s.release(p, s.peer[e], e)
		if l.x != none {
			s.cut(l.x)
		}
		s.bits[e] &^= open
		s.bits[s.reverse(e)] &^= opened
		s.unset(p, satisfied)
	}
	l.since = s.now
	s.rec.Unchoked(s.now, int(p), int(s.peer[e]), on)
}

// candidates describes p's peers to package choke; ID is the slot. Those that neither want anything, nor have a slot, nor sent
// anything are left out: they cannot be chosen. The rates, ranked by in rounds only, are filled in when rated.
func (s *swarm) candidates(p int32, rated bool) {
	s.list = s.list[:0]
	base := s.row[p].base
	for slot, f := range s.flags(p) {
		e := base + int32(slot)
		q := s.peer[e]
		k := choke.Candidate{ID: int32(slot), Unchoked: f&open != 0, Interested: s.applies(p, q)}
		if !k.Interested && !k.Unchoked && !rated {
			continue
		}
		l := &s.link[e]
		k.New = s.now-time.Duration(l.joined)*time.Millisecond < choke.NewFor
		if !s.blind {
			k.Complete = int(s.count[q]) * 1000 / s.pieces
		}
		if k.Unchoked {
			k.Held = s.now - l.since
		} else {
			k.Waited = s.now - l.since
		}
		if rated {
			s.rate(&k, p, q, e)
		} else {
			k.Slot = k.Unchoked
		}
		if k.Interested || k.Unchoked || k.Down > 0 {
			s.list = append(s.list, k)
		}
	}
}

// rate fills in what q sends to p and the other way round; e is p's link to q.
func (s *swarm) rate(k *choke.Candidate, p, q, e int32) {
	f := s.bits[e]
	if f&gave != 0 {
		if x := s.link[e].x; x != none {
			s.settle(x)
		}
		k.Up = s.link[e].sent.rate(s.now)
	}
	if f&(took|opened) == 0 {
		return
	}
	r := &s.link[s.reverse(e)]
	if r.x != none {
		s.settle(r.x)
	}
	k.Down = r.sent.rate(s.now)
	if f&opened != 0 && r.x == none {
		heard := max(r.since, time.Duration(r.sent.last)*time.Millisecond)
		k.Snubbed = s.now-heard > choke.SnubAfter && s.wantsOf(q, p)
	}
}

// round is the round of 10 s: the regular slots go to the best, the optimistic one to its holder.
func (s *swarm) round(p int32) {
	n := &s.node[p]
	if n.flags&here == 0 {
		return
	}
	s.rounds.push(s.now+choke.Round, p)
	if s.row[p].deg == 0 || s.count[p] == 0 && !s.holdsSlots(p) {
		return
	}
	s.chance.use(p)
	s.candidates(p, true)
	rank := s.policyOf(p).Rank
	if s.complete(p) {
		rank = s.policyOf(p).SeedRank
		choke.MarkSlow(s.list)
	}
	n.extra = 0
	holder := int32(choke.Nobody)
	for i := range s.list {
		if n.trying != none && s.peer[s.at(p, s.list[i].ID)] == n.trying {
			holder = s.list[i].ID
		}
	}
	trying, anew := choke.Rechoke(s.rng, s.list, s.capacity(p)-1, rank, holder, n.trying == none || s.now >= n.optimistic)
	n.trying = none
	if trying != choke.Nobody {
		n.trying = s.peer[s.at(p, trying)]
	}
	if anew {
		n.optimistic = s.now + choke.OptimisticRound
	}
	for _, on := range [2]bool{false, true} {
		for i := range s.list {
			if c := &s.list[i]; c.Slot == on {
				s.setOpen(p, c.ID, on)
			}
		}
	}
	s.unset(p, satisfied)
	s.wake(p)
}

func (s *swarm) holdsSlots(p int32) bool {
	for _, f := range s.flags(p) {
		if f&open != 0 {
			return true
		}
	}
	return false
}
