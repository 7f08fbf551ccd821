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
	if s.serial {
		s.feedSerial(p)
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

// nextTurn returns the slot of the peer to serve next, of those that have a slot, have asked for something and can take it: the one
// that was served least, as in core/swarm. Who has nothing asked for asks now. used is how many slots are held by peers that
// are interested.
func (s *swarm) nextTurn(p int32) (best int32, used int) {
	best = none
	ready := s.now - s.lag
	var least uint32
	base := s.row[p].base
	for slot, f := range s.flags(p) {
		if f&(open|fast) == 0 {
			continue
		}
		e := base + int32(slot)
		l := &s.link[e]
		if l.x != none {
			used += int(f & open)
			continue
		}
		q := s.peer[e]
		if l.own == none {
			switch {
			case l.since > ready:
				used += int(f & open)
				s.soon(p) // its first request is still to come
				continue
			case f&open == 0:
				if !s.askFast(p, q, e) {
					continue
				}
			case !s.ask(p, q, e):
				if s.applies(p, q) {
					used++
				}
				continue
			}
		}
		used += int(f & open)
		if (f&wide != 0 || s.canTake(p, q)) && (best == none || l.turn < least) {
			best, least = int32(slot), l.turn
		}
	}
	return best, used
}

// ask has q ask p for a piece over p's link e, and reports whether there is one.
func (s *swarm) ask(p, q, e int32) bool {
	if s.bits[e]&tested != 0 {
		return false
	}
	if !s.wantsOf(p, q) {
		s.bits[e] |= dry
		return false
	}
	l := &s.link[e]
	if s.bits[e]&dry != 0 {
		s.bits[e] &^= dry
		l.turn = max(l.turn, s.node[p].floor)
	}
	i := s.choose(p, q, s.bits[e]&proven == 0)
	s.give(q, e, i)
	s.passGrant(p, i)
	return true
}

// give has q wait for piece i on link e.
func (s *swarm) give(q, e int32, i int) {
	s.link[e].own = s.newJob(q, i)
	if s.bits[e]&proven == 0 {
		s.bits[e] |= tested
	}
}

// release takes back what q asked p for over p's link e and what was not begun.
func (s *swarm) release(p, q, e int32) {
	j := s.link[e].own
	if j == none {
		return
	}
	s.link[e].own, s.job[j].owned = none, false
	s.bits[e] &^= tested
	s.passUnsent(p, int(s.job[j].piece))
	if s.job[j].parts == 0 {
		s.dissolve(j, q)
	}
}

// wantsOf reports whether q lacks a piece that p shows it and that is not on its way.
func (s *swarm) wantsOf(p, q int32) bool {
	want := s.wantedRow(q)
	if s.known[p] == hides {
		return s.passFit(s.passes[p], want)
	}
	have := s.haveRow(p)
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

// serve starts to send the peer in p's slot the piece that it asked for.
func (s *swarm) serve(p, slot int32) {
	e := s.at(p, slot)
	q, j := s.peer[e], s.link[e].own
	n := s.job[j].rest
	s.link[e].own, s.job[j].owned, s.job[j].rest = none, false, 0
	s.begin(p, slot, j, n)
	if s.bits[e]&(open|proven) == open|proven && s.depth(e) >= s.sc.PieceLength {
		s.ask(p, q, e)
	}
	if s.is(q, awaited) && s.working(q) {
		// It is in its end-game: idle uploaders may take a part of this piece.
		s.wakeOpeners(q, (*swarm).soon)
	}
}

// working reports whether every piece that q lacks is on its way.
func (s *swarm) working(q int32) bool { return int(s.count[q]+s.node[q].working) == s.pieces }

// choose returns the piece that q asks p for: the live choice. There is one. alone says that p is not proven: it gets a piece of which
// nothing is here, if possible.
func (s *swarm) choose(p, q int32, alone bool) int {
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
		if alone && fit.Started != nil && s.strip(fit.Started) {
			fit.Started = nil
		}
		fit.Random = !s.serial && s.count[q] < randomFirst && to.working+to.begun < randomFirst
		// A seed that hides its pieces has an empty row.
		s.view.Count(s.have, s.counted(q), 0, s.fit)
	}
	return s.view.Best(&fit)
}

// strip takes the pieces of set out of s.fit, unless nothing would be left.
func (s *swarm) strip(set []uint64) bool {
	left := uint64(0)
	for w := range set {
		left |= s.fit[w] &^ set[w]
	}
	if left == 0 {
		return false
	}
	for w := range set {
		s.fit[w] &^= set[w]
	}
	return true
}

// randomFirst is the number of pieces picked at random before rarest first, as in core/swarm.
const randomFirst = 4

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

// help has p, which would stand idle, send a part of a piece that one of its peers has asked others for, and reports whether it
// does. It takes blocks that nobody was asked for yet; in a peer's end-game everything is shared.
func (s *swarm) help(p int32) bool {
	ready := s.now - s.lag
	base := s.row[p].base
	var best part
	for slot, f := range s.flags(p) {
		e := base + int32(slot)
		if f&(open|proven) != open|proven || s.link[e].x != none || s.link[e].since > ready || s.known[p] == hides {
			continue
		}
		if q := s.peer[e]; s.canTake(p, q) {
			s.offer(p, q, int32(slot), &best)
		}
	}
	if best.n == 0 {
		return false
	}
	j := best.job
	if best.x != none {
		s.x[best.x].left -= best.n
		s.schedule(best.x)
	} else if s.job[j].rest -= best.n; s.job[j].rest == 0 {
		s.link[best.owner].own, s.job[j].owned = none, false
	}
	s.begin(p, best.slot, j, best.n)
	return true
}

// patience is how long a peer that is not proven may keep a piece waiting before others take a share of it, as in core/swarm.
const patience = 3 * time.Second

// part is what an idle uploader could take over.
type part struct {
	n     int64 // bytes; 0 = nothing
	slot  int32 // of who gets it
	job   int32
	x     int32 // the transfer that is shortened, or none:
	owner int32 // the link on which the job waits
}

// offer makes best the largest part of what q gets that p could send over its slot.
func (s *swarm) offer(p, q, slot int32, best *part) {
	have, e := s.haveRow(p), s.at(p, slot)
	for x := s.node[q].in; x != none; x = s.x[x].next {
		i := s.job[s.x[x].job].piece
		if have[i>>6]>>(i&63)&1 == 0 {
			continue
		}
		if n := s.shareable(x, e, min(s.node[p].upFree, s.node[q].downFree)); n > best.n {
			*best = part{n: n, slot: slot, job: s.x[x].job, x: x}
		}
	}
	last := s.working(q)
	base := s.row[q].base
	for k, f := range s.flags(q) {
		if f&opened == 0 {
			continue
		}
		owner := s.reverse(base + int32(k))
		j := s.link[owner].own
		if j == none {
			continue
		}
		if i := s.job[j].piece; have[i>>6]>>(i&63)&1 == 0 {
			continue
		}
		n := s.job[j].rest
		if !last {
			if s.bits[owner]&proven == 0 && s.now-s.job[j].at < patience {
				continue
			}
			n = blocks(min(n-s.depth(owner), s.depth(e)))
		}
		if n > best.n {
			*best = part{n: n, slot: slot, job: j, x: none, owner: owner}
		}
	}
}

// shareable returns how many bytes of transfer x the owner of link e should take over. Of what nobody was asked for, as much as
// the link's pipeline holds; in the end-game so much that at the given rate both finish together, unless the rest comes before an
// answer could.
func (s *swarm) shareable(x, e int32, rate int64) int64 {
	s.settle(x)
	t := &s.x[x]
	if !s.working(t.to) {
		if s.bits[s.at(t.from, t.slot)]&proven == 0 {
			return 0
		}
		return blocks(min(t.left-s.depth(s.at(t.from, t.slot)), s.depth(e)))
	}
	if duration(t.left, t.rate) <= s.lag {
		return 0
	}
	part := int64(float64(t.left) * (float64(rate) / (float64(rate) + float64(t.rate))))
	return blocks(min(part, t.left-metainfo.BlockSize))
}

// blocks rounds bytes down to whole blocks.
func blocks(n int64) int64 { return max(n, 0) / metainfo.BlockSize * metainfo.BlockSize }

// depth is about how many bytes the other end of link e has asked for: the pipeline of core/swarm.
func (s *swarm) depth(e int32) int64 {
	return max(s.link[e].sent.rate(s.now)+2*metainfo.BlockSize, firstDepth)
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
