package swarm

import (
	"time"

	"github.com/eddy-p2p/eddy/internal/core/choke"
	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// slots is to whom we upload: the choker's rounds around package choke.
type slots struct {
	round      time.Duration // next evaluation of the regular slots
	optimistic time.Duration // next change of the optimistic one
	trying     *peer         // who has the optimistic slot
	extra      int           // slots opened until the next round, because the uplink was idle
	held       int           // peers for which holds is true
	list       []choke.Candidate
}

// Slot says why we upload to a peer.
type Slot uint8

// The kinds of slot.
const (
	NoSlot         Slot = iota // it is choked
	FreeSlot                   // it was unchoked at once, because a slot was free, or to be granted a seed's pieces
	RegularSlot                // it was among the best of a round
	OptimisticSlot             // it is tried, whatever it gave
)

// String returns the word for it.
func (s Slot) String() string {
	return [...]string{"none", "free", "regular", "optimistic"}[s]
}

// applies reports whether p would take blocks if it were unchoked. While pieces are handed out one by one, a peer becomes
// interested only by what it is granted with its slot.
func (s *Swarm) applies(p *peer) bool {
	return !p.gone && (p.remote.interested || s.grantCould(p))
}

// wake starts the rounds when the first peer joins.
func (s *Swarm) wake() {
	s.slots.round = s.now + choke.Round
	s.slots.optimistic = s.now + choke.OptimisticRound
	s.tick = s.now + housekeeping
}

// capacity is how many interested peers are unchoked at once. A seed in its first pass serves everybody: each peer can take
// only what it was granted, so that the grants are the slots, and a swarm whose members all get pieces of their own at once
// starts to trade sooner (it saves a tenth of the time of ten peers). So does a wide policy, as long as no limit slices the uplink.
func (s *Swarm) capacity() int {
	return choke.Capacity(s.cfg.Slots, s.slots.extra, s.grant.active || s.cfg.Policy.Wide && s.up.bucket.Rate() == 0)
}

// holds reports whether p uses a slot.
func (p *peer) holds() bool { return !p.gone && !p.up.choked && p.remote.interested }

// holding keeps count of those who use a slot, around a change of p: it costs a Have nothing then to ask how many there are.
func (s *Swarm) holding(p *peer, change func()) {
	if p.holds() {
		s.slots.held--
	}
	change()
	if p.holds() {
		s.slots.held++
	}
}

func (s *Swarm) unchokedCount() int {
	if !s.grant.active {
		return s.slots.held
	}
	n := 0
	for _, p := range s.list {
		if !p.up.choked && s.applies(p) {
			n++
		}
	}
	return n
}

// slotWanted deals with a peer that became interested: it is unchoked at once if a slot is free. One that kept an unused slot
// while others took its place has to wait again: more slots than intended would slice the uplink too thin.
func (s *Swarm) slotWanted(p *peer) {
	if !s.applies(p) {
		return
	}
	switch n := s.unchokedCount(); {
	case p.up.choked && n < s.capacity():
		s.unchoke(p)
	case !p.up.choked && n > s.capacity():
		s.choke(p)
	}
}

// slotFreed gives the free slots to those who wait.
func (s *Swarm) slotFreed(p *peer) {
	if s.slots.trying == p && p.gone {
		s.slots.trying = nil
	}
	s.fillSlots()
}

// fillSlots unchokes waiting peers at random while slots are free.
func (s *Swarm) fillSlots() {
	for s.unchokedCount() < s.capacity() {
		if !s.unchokeOne() {
			return
		}
	}
}

// unchokeOne unchokes one choked peer that would take blocks, as the optimistic slot would choose it.
func (s *Swarm) unchokeOne() bool {
	c := s.candidates()
	for i := range c {
		c[i].Slot = c[i].Unchoked
	}
	i := choke.Optimistic(s.rng, c)
	if i < 0 {
		return false
	}
	s.unchoke(s.lookup(Peer(c[i].ID)))
	return true
}

func (s *Swarm) unchoke(p *peer) {
	if !p.up.choked || p.gone {
		return
	}
	s.holding(p, func() { p.up.choked, p.up.slot, p.up.since = false, FreeSlot, s.now })
	s.send(p, wire.Unchoke, 0, 0, 0)
	s.grantMore(p)
}

func (s *Swarm) choke(p *peer) {
	if p.up.choked || p.gone {
		return
	}
	s.holding(p, func() { p.up.choked, p.up.slot, p.up.since = true, NoSlot, s.now })
	s.send(p, wire.Choke, 0, 0, 0)
	// BEP 6: "reject all requests from the peer to the local peer except requests for pieces in the allowed fast set".
	s.refuseQueued(p, func(i int) bool { return s.allowedFast(p, i) })
	s.grantBack(p)
}

// candidates describes the peers to package choke.
func (s *Swarm) candidates() []choke.Candidate {
	c := s.slots.list[:0]
	n := max(s.full.Len(), 1)
	for _, p := range s.list {
		if p.gone {
			continue
		}
		k := choke.Candidate{
			ID: int32(p.id), Interested: s.applies(p), Unchoked: !p.up.choked, Snubbed: p.snubbed(s.now),
			New: s.now-p.joined < choke.NewFor, Down: p.down.meter.Rate(s.now), Up: p.up.meter.Rate(s.now),
			Complete: p.has.Count() * 1000 / n,
		}
		if p.up.choked {
			k.Waited = s.now - p.up.since
		} else {
			k.Held = s.now - p.up.since
		}
		c = append(c, k)
	}
	s.slots.list = c
	return c
}

// rechoke is the round of 10 s: the regular slots go to the best, the optimistic one to its holder.
func (s *Swarm) rechoke() {
	rank := s.cfg.Policy.Rank
	if s.Complete() {
		rank = s.cfg.Policy.SeedRank
	}
	c := s.candidates()
	if s.Complete() {
		choke.MarkSlow(c)
	}
	s.slots.extra = 0
	holder := int32(choke.Nobody)
	if s.slots.trying != nil {
		holder = int32(s.slots.trying.id)
	}
	trying, anew := choke.Rechoke(s.rng, c, s.capacity()-1, rank, holder, s.now >= s.slots.optimistic)
	if s.slots.trying = s.lookup(Peer(trying)); anew {
		s.slots.optimistic = s.now + choke.OptimisticRound
	}
	s.apply(c)
}

// apply chokes and unchokes as the candidates' Slot says, chokes first.
func (s *Swarm) apply(c []choke.Candidate) {
	for i := range c {
		if !c[i].Slot {
			s.choke(s.lookup(Peer(c[i].ID)))
		}
	}
	for i := range c {
		if !c[i].Slot {
			continue
		}
		p := s.lookup(Peer(c[i].ID))
		if s.unchoke(p); p.up.choked {
			continue // gone
		}
		p.up.slot = RegularSlot
		if p == s.slots.trying {
			p.up.slot = OptimisticSlot
		}
	}
	s.fillSlots()
}

// useIdle opens one more slot until the next round when a limited uplink stands idle although peers wait: those with slots
// ask for less than it gives.
func (s *Swarm) useIdle() {
	if !s.up.bucket.Full(s.now) || s.slots.extra >= maxExtra {
		return
	}
	for _, p := range s.list {
		if p.up.waiting() > 0 && !p.gone {
			return
		}
	}
	s.slots.extra++
	s.fillSlots()
}

const maxExtra = 20
