package piece

import (
	"math/bits"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/pick"
	"github.com/eddy-p2p/eddy/metainfo"
)

// sliver is the part of a link below which no transfer is started: it would hold a piece for long and speed nothing up.
const sliver = 16

// feed gives p's free upload to those whose turn it is.
func (s *swarm) feed(p int32) {
	n := &s.node[p]
	if n.flags&here == 0 || s.count[p] == 0 || !s.shares(p) {
		return
	}
	n.flags &^= idle
	for filled := false; s.couldSend(p); {
		slot, used := s.nextTurn(p)
		if !filled && used < s.capacity(p) {
			s.fillSlots(p, used)
		}
		filled = true
		if slot == none {
			break
		}
		s.serve(p, slot)
	}
	for s.couldSend(p) {
		if !s.help(p) {
			s.rest(p)
			return
		}
	}
}

// couldSend reports whether p's upload is not in use.
func (s *swarm) couldSend(p int32) bool {
	n := &s.node[p]
	return n.upFree > 0 && (n.out == 0 || n.upFree >= limit(s.peers[p].Up)/sliver)
}

// nextTurn returns the slot of the peer to serve next, of those that have a slot, ask for something and can take it: the one that
// was served least, as in core/swarm. One that had nothing to ask for starts again with the others. used is how many slots are
// held by peers that are interested.
func (s *swarm) nextTurn(p int32) (best int32, used int) {
	best = none
	ready := s.now - s.lag
	var least uint32
	base := s.row[p].base
	for slot, f := range s.flags(p) {
		if f&open == 0 {
			continue
		}
		e := base + int32(slot)
		l := &s.link[e]
		switch {
		case l.x != none:
			used++
			continue
		case !s.wantsOf(p, s.peer[e]):
			s.bits[e] |= dry
			if s.applies(p, s.peer[e]) {
				used++
			}
			continue
		}
		used++
		if l.since > ready {
			s.soon(p) // its first request is still to come
			continue
		}
		if !s.canTake(p, s.peer[e]) {
			continue
		}
		if f&dry != 0 {
			s.bits[e] &^= dry
			l.turn = max(l.turn, s.node[p].floor)
		}
		if best == none || l.turn < least {
			best, least = int32(slot), l.turn
		}
	}
	return best, used
}

// wantsOf reports whether q lacks a piece that p shows it and that is not on its way.
func (s *swarm) wantsOf(p, q int32) bool {
	have, want := s.haveRow(p), s.wantedRow(q)
	if s.known[p] == hides {
		return s.passFit(s.passes[p], want)
	}
	for w := range want {
		if have[w]&want[w] != 0 {
			return true
		}
	}
	return false
}

// canTake reports whether q's download has room for a transfer from p that is worth it; if not, p is woken when it has.
func (s *swarm) canTake(p, q int32) bool {
	from, to := &s.node[p], &s.node[q]
	if to.downFree >= from.upFree || to.downFree >= min(limit(s.peers[p].Up), limit(s.peers[q].Down))/sliver && to.downFree > 0 {
		return true
	}
	to.flags |= throttled
	return false
}

// serve starts to send the peer in p's slot the piece that it asks for.
func (s *swarm) serve(p, slot int32) {
	q := s.peer[s.at(p, slot)]
	i := s.choose(p, q)
	j, n := s.newJob(q, i)
	s.passGrant(p, i)
	s.begin(p, slot, j, n)
	if s.is(q, awaited) && s.working(q) {
		// It is in its end-game: idle uploaders may take a part of this piece.
		s.wakeOpeners(q, (*swarm).soon)
	}
}

// working reports whether every piece that q lacks is on its way.
func (s *swarm) working(q int32) bool { return int(s.count[q]+s.node[q].working) == s.pieces }

// choose returns the piece that q asks p for: the live choice. There is one.
func (s *swarm) choose(p, q int32) int {
	have, want := s.haveRow(p), s.wantedRow(q)
	s.chance.use(q)
	if s.known[p] == hides {
		if i := s.passPick(s.passes[p], want); i >= 0 {
			return i
		}
		have = s.passes[p].sent
	}
	n := 0
	for w := range want {
		s.fit[w] = have[w] & want[w]
		n += bits.OnesCount64(s.fit[w])
	}
	fit := pick.Fit{Pieces: s.fit, Order: s.policyOf(q).Order}
	if n > 1 {
		to := &s.node[q]
		fit.Started = s.begunRow(q)
		fit.Random = s.count[q] < randomFirst && to.working+to.begun < randomFirst
		s.countNeighbours(q)
	}
	return s.view.Best(&fit)
}

// randomFirst is the number of pieces picked at random before rarest first, as in core/swarm.
const randomFirst = 4

// countNeighbours counts the pieces of q's neighbours as far as they are in s.fit.
func (s *swarm) countNeighbours(q int32) {
	seeds := 0
	s.rows = s.rows[:0]
	for _, r := range s.graph.peers(q) {
		switch s.known[r] {
		case hasSome:
			s.rows = append(s.rows, r)
		case hasAll:
			seeds++
		}
	}
	s.view.Count(s.have, s.rows, seeds, s.fit)
}

// begunRow returns the pieces of q of which a part is here, nil for none.
func (s *swarm) begunRow(q int32) []uint64 {
	n := &s.node[q]
	if n.begun == 0 {
		return nil
	}
	clear(s.begun)
	for k := n.stub; k != none; k = s.stubs[k].next {
		i := s.stubs[k].piece
		s.begun[i>>6] |= 1 << (i & 63)
	}
	return s.begun
}

// help has p, which would stand idle, send a part of a piece that is on its way to one of its peers, and reports whether it
// does. It takes what nobody was asked for yet; in a peer's end-game everything is shared.
func (s *swarm) help(p int32) bool {
	var best, slotOf int32 = none, none
	var most int64
	have, ready := s.haveRow(p), s.now-s.lag
	base := s.row[p].base
	for slot, f := range s.flags(p) {
		e := base + int32(slot)
		if f&open == 0 || s.link[e].x != none || s.link[e].since > ready || s.known[p] == hides {
			continue
		}
		q := s.peer[e]
		n := &s.node[q]
		if n.downFree <= 0 {
			continue
		}
		for x := n.in; x != none; x = s.x[x].next {
			i := s.job[s.x[x].job].piece
			if have[i>>6]>>(i&63)&1 == 0 {
				continue
			}
			if part := s.shareable(x, min(s.node[p].upFree, n.downFree)); part > most {
				best, slotOf, most = x, int32(slot), part
			}
		}
	}
	if best == none {
		return false
	}
	s.settle(best)
	s.x[best].left -= most
	s.schedule(best)
	s.begin(p, slotOf, s.x[best].job, most)
	return true
}

// shareable returns how many bytes of transfer x somebody with the given rate should take over so that both finish together; 0
// when that is less than a block, or when the rest comes before an answer could.
func (s *swarm) shareable(x int32, rate int64) int64 {
	s.settle(x)
	t := &s.x[x]
	if duration(t.left, t.rate) <= s.lag {
		return 0
	}
	part := t.left
	if !s.working(t.to) {
		part -= s.depth(t)
	}
	part = int64(float64(part) * (float64(rate) / (float64(rate) + float64(t.rate))))
	return max(min(part, t.left-metainfo.BlockSize), 0) / metainfo.BlockSize * metainfo.BlockSize
}

// depth is about how many bytes of a transfer its receiver has requested: the pipeline of core/swarm.
func (s *swarm) depth(t *transfer) int64 {
	mean := s.link[s.at(t.from, t.slot)].sent.rate(s.now)
	return max(mean+2*metainfo.BlockSize, firstDepth)
}

const firstDepth = 8 * metainfo.BlockSize

// rest notes that p has nothing to send: it is woken by what changes with it and its peers.
func (s *swarm) rest(p int32) {
	s.set(p, idle)
	base := s.row[p].base
	for slot, f := range s.flags(p) {
		if f&open != 0 {
			if q := s.peer[base+int32(slot)]; s.known[q] != hasAll {
				s.set(q, awaited)
			}
		}
	}
	if s.peers[p].Up > 0 && !s.is(p, satisfied) && !s.is(p, checking) {
		s.set(p, checking)
		s.events.push(event{s.now + housekeeping, p, toUse})
	}
}

// housekeeping is how often an uplink is found to stand idle, as in core/swarm.
const housekeeping = 500 * time.Millisecond

// useIdle opens one more slot until the next round when a limited uplink stands idle although peers wait: those with slots
// ask for less than it gives.
func (s *swarm) useIdle(p int32) {
	s.unset(p, checking)
	n := &s.node[p]
	if n.flags&here == 0 || n.flags&idle == 0 || n.extra >= maxExtra {
		return
	}
	n.extra++
	s.feed(p)
}

const maxExtra = 20
