package swarm

import (
	"time"

	"github.com/eddy-p2p/eddy/internal/core/pick"
	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/metainfo"
)

// maxCopies bounds how often the end-game asks for one block.
const maxCopies = 3

// endGameDepth bounds the doubled requests that one peer has at a time.
const endGameDepth = 2

// markFill notes that p may have room for requests; they are chosen in flush.
func (s *Swarm) markFill(p *peer) {
	if !p.down.queued && !p.gone {
		p.down.queued = true
		s.down.fill = append(s.down.fill, p)
	}
}

func (s *Swarm) fillAll() {
	for _, p := range s.list {
		s.markFill(p)
	}
}

// flushFills fills the pipelines of all peers that were marked.
func (s *Swarm) flushFills() {
	d := &s.down
	for k := 0; k < len(d.fill); k++ {
		p := d.fill[k]
		p.down.queued = false
		s.fillPeer(p)
	}
	clear(d.fill)
	d.fill = d.fill[:0]
}

// fillPeer requests blocks from p until its pipeline is full.
func (s *Swarm) fillPeer(p *peer) {
	d := &s.down
	if p.gone || d.paused || p.useful == 0 || s.now < p.down.wait {
		return
	}
	if p.remote.choking && len(p.down.allowed) == 0 {
		return
	}
	depth := s.depth(p)
	for p.down.ask.live() < depth && p.down.ask.unanswered() < min(p.info.ReqQ, ReqQ) {
		if !d.bucket.Take(s.now, metainfo.BlockSize) {
			if d.retry == 0 {
				d.retry = s.refillAt(&d.bucket)
			}
			return
		}
		pt, b := s.nextBlock(p)
		if pt == nil {
			d.bucket.Return(s.now, metainfo.BlockSize)
			return
		}
		s.request(p, pt, b)
	}
}

// request asks p for block b of pt.
func (s *Swarm) request(p *peer, pt *partial, b int) {
	if p.down.ask.live() == 0 {
		p.down.heard = s.now
	}
	s.askedFor(pt, b)
	p.down.ask.add(request{piece: pt.piece, block: int32(b), at: int64(s.now)})
	i := int(pt.piece)
	s.send(p, wire.Request, uint32(i), uint32(b)*metainfo.BlockSize, uint32(s.layout.BlockLength(i, b)))
}

// nextBlock chooses what to ask p for: the rest of its own piece, else a piece of its own, else, rather than nothing, a part of
// what others work on. nil means nothing.
func (s *Swarm) nextBlock(p *peer) (*partial, int) {
	own := p.down.own
	if own != nil && own.free == 0 {
		if own.solo && p.alone() && !p.remote.choking {
			return nil, 0 // not trusted: one piece at a time, until it is verified
		}
		p.down.own, own.owner, own = nil, nil, nil
	}
	if own == nil {
		if pt := s.urgent(p); pt != nil {
			return pt, pt.firstFree()
		}
		own = s.pickPiece(p)
	}
	if own != nil {
		return own, own.firstFree()
	}
	if p.remote.choking || p.alone() {
		return nil, 0
	}
	if s.down.free > 0 {
		if pt := s.help(p); pt != nil {
			return pt, pt.lastFree()
		}
	}
	return s.endGame(p)
}

// urgent returns the next piece of a Reader's window if somebody else works on it: a reader that waits for one slow peer
// gains more by help than by later pieces.
func (s *Swarm) urgent(p *peer) *partial {
	w := s.down.window
	if p.remote.choking || p.alone() {
		return nil
	}
	for i := w[0]; i < min(w[0]+urgentPieces, w[1]); i++ {
		pt := s.partialOf(i)
		if pt != nil && pt.owner != nil && pt.free > 0 && !pt.solo && p.has.Has(i) && !p.down.refused.Has(i) {
			return pt
		}
	}
	return nil
}

// urgentPieces is how many pieces of a Reader's window are shared among all connections.
const urgentPieces = 2

// pickPiece gives p a piece of its own, or nil.
func (s *Swarm) pickPiece(p *peer) *partial {
	d := &s.down
	if d.pieces.Len() == 0 {
		return nil
	}
	i := none
	if p.remote.choking {
		i = s.pickAllowed(p)
	} else {
		i = s.pickBest(p)
	}
	if i < 0 {
		return nil
	}
	pt := s.partialOf(i)
	if pt == nil {
		pt = s.start(i)
	}
	s.adopt(p, pt)
	return pt
}

func (s *Swarm) pickBest(p *peer) int {
	if !p.alone() {
		return s.query(p, false, !s.mayStart())
	}
	if s.mayStart() {
		if i := s.query(p, true, false); i >= 0 {
			return i
		}
	}
	// Nothing is left to be worked on alone. A second hand in a piece is better than none.
	return s.query(p, false, true)
}

// query asks for the best piece of p: fresh = none that was started, started = only such.
func (s *Swarm) query(p *peer, fresh, started bool) int {
	d := &s.down
	q := &d.query
	*q = pick.Query{
		Has: p.has, Avoid: p.down.refused, Fresh: fresh, Order: s.cfg.Policy.Order,
		Started: started, Common: p.down.wary,
		Random: s.have.Count() < randomFirst && len(d.partial) < randomFirst,
	}
	if d.window[1] > d.window[0] {
		order, random := q.Order, q.Random
		q.From, q.To, q.Order, q.Random = d.window[0], d.window[1], pick.Sequential, false
		if i := d.pieces.Best(q); i >= 0 {
			return i
		}
		q.From, q.To, q.Order, q.Random = 0, 0, order, random
	}
	if s.cfg.Sequential {
		q.Order, q.Random = pick.Sequential, false
	}
	return d.pieces.Best(q)
}

// pickAllowed returns a piece that p lets us have while it chokes us (BEP 6, "Allowed Fast").
func (s *Swarm) pickAllowed(p *peer) int {
	if p.alone() && s.down.pieces.Unstarted() == 0 {
		return none
	}
	for _, i := range p.down.allowed {
		at := s.down.at[i]
		if p.has.Has(int(i)) && s.down.pieces.Pickable(int(i)) && !p.down.refused.Has(int(i)) && (at < 0 || !p.alone()) {
			return int(i)
		}
	}
	return none
}

// mayStart reports whether another piece may be started: back-pressure from the disk, and a cap on started pieces.
func (s *Swarm) mayStart() bool {
	d := &s.down
	if d.bytes >= s.cfg.MaxUnverified {
		return false
	}
	n := len(d.partial)
	return n < len(s.list)*3/2+1 || int64(n)*s.layout.PieceLength < partialBytes
}

// help returns a piece that another peer works on and that has most left to ask for, or nil. A piece of a peer that works
// alone is left to it as long as it answers.
func (s *Swarm) help(p *peer) *partial {
	var best *partial
	for _, pt := range s.down.partial {
		if pt.free == 0 || !p.has.Has(int(pt.piece)) || p.down.refused.Has(int(pt.piece)) {
			continue
		}
		if pt.solo && pt.owner != nil && s.now-pt.owner.down.heard < patience {
			continue
		}
		if best == nil || pt.free > best.free {
			best = pt
		}
	}
	return best
}

// patience is how long a peer that works alone may be silent before others take a share of its piece.
const patience = 3 * time.Second

// endGame chooses a block that others were asked for already, once every missing block is requested: the one with the
// fewest requests, at random among these.
func (s *Swarm) endGame(p *peer) (*partial, int) {
	d := &s.down
	if d.free > 0 || d.pieces.Unstarted() > 0 || p.down.ask.live() >= endGameDepth {
		return nil, 0
	}
	var best *partial
	block, copies, ties := 0, int8(maxCopies), 0
	for _, pt := range d.partial {
		if pt.missing == 0 || !p.has.Has(int(pt.piece)) || p.down.refused.Has(int(pt.piece)) {
			continue
		}
		for b, c := range pt.state {
			if c == received || c > copies || c >= maxCopies || p.down.ask.find(pt.piece, int32(b)) >= 0 {
				continue
			}
			if c < copies {
				copies, ties = c, 0
			}
			ties++
			if s.rng.IntN(ties) == 0 {
				best, block = pt, b
			}
		}
	}
	return best, block
}

// forgetRequests drops all requests to p: it choked us without BEP 6, or it is gone.
func (s *Swarm) forgetRequests(p *peer) {
	s.abandon(p)
	for _, r := range p.down.ask.entries() {
		if r.state != pending {
			continue
		}
		if pt := s.partialOf(int(r.piece)); pt != nil {
			s.unask(pt, int(r.block))
		}
	}
	p.down.ask.clear()
	p.down.stalled = false
}

// release gives the blocks that p was asked for to others, and goes on waiting for them.
func (s *Swarm) release(p *peer) {
	s.abandon(p)
	entries := p.down.ask.entries()
	for k := range entries {
		if entries[k].state == pending {
			s.letGo(p, &entries[k])
		}
	}
	p.down.stalled, p.down.wary = true, true
	s.fillAll()
}

// releaseSkipped frees the blocks that p left out: it has answered requests that we sent later, and time for these is up.
// Transmission forgets a request now and then; anybody may be asked again, p too.
func (s *Swarm) releaseSkipped(p *peer) {
	late := s.now - p.timeout()
	skipped := false
	entries := p.down.ask.entries()
	for k := range entries {
		r := &entries[k]
		if r.state == pending && time.Duration(r.at) < p.down.pace.latest && time.Duration(r.at) < late {
			s.letGo(p, r)
			skipped = true
		}
	}
	if skipped {
		s.fillAll()
	}
}

// letGo gives the block of one request of p to others, and goes on waiting for it.
func (s *Swarm) letGo(p *peer, r *request) {
	r.state = released
	p.down.ask.stale++
	if pt := s.partialOf(int(r.piece)); pt != nil {
		pt.late = true
		s.unask(pt, int(r.block))
	}
}

// cancelOthers cancels the requests of a block that is here now.
func (s *Swarm) cancelOthers(pt *partial, b int) {
	for _, p := range s.list {
		// A peer may have several entries: one cancelled earlier, and one asked again.
		for k := p.down.ask.head; k < len(p.down.ask.buf); k++ {
			if r := p.down.ask.buf[k]; r.piece == pt.piece && int(r.block) == b && r.state != dead {
				s.cancel(p, k)
			}
		}
	}
}

// cancel cancels entry k of p. A peer with BEP 6 still answers it: the entry stays until then.
func (s *Swarm) cancel(p *peer, k int) {
	r := &p.down.ask.buf[k]
	if r.state == cancelled {
		return
	}
	if r.state == pending {
		p.down.ask.stale++
	}
	r.state = cancelled
	i, b := int(r.piece), int(r.block)
	if !p.gone {
		s.send(p, wire.Cancel, uint32(i), uint32(b)*metainfo.BlockSize, uint32(s.layout.BlockLength(i, b)))
	}
	if !p.info.Fast {
		// Without BEP 6 no answer is promised; the block may be under way all the same.
		p.down.ask.remove(k)
		p.down.dropped++
	}
	s.markFill(p)
}

// cancelPiece cancels every request of pt.
func (s *Swarm) cancelPiece(pt *partial) {
	for _, p := range s.list {
		for k := p.down.ask.head; k < len(p.down.ask.buf); k++ {
			r := p.down.ask.buf[k]
			if r.piece != pt.piece || r.state == dead || r.state == cancelled {
				continue
			}
			if r.state == pending {
				s.unask(pt, int(r.block))
			}
			s.cancel(p, k)
		}
	}
}

// pace estimates how a peer answers, for the depth of its pipeline and for time-outs.
type pace struct {
	minimum  time.Duration // fastest answer to a request: the round trip
	mean     time.Duration // smoothed answer time
	dev      time.Duration
	burst    float64 // bytes/s while it sends, decaying maximum
	from     time.Duration
	bytes    int64
	latest   time.Duration // when the newest request that was answered had been sent
	answered bool
}

// sample notes an answer of n bytes to a request sent at at.
func (c *pace) sample(now, at time.Duration, n int64) {
	took := now - at
	c.latest = max(c.latest, at)
	if !c.answered {
		c.answered, c.minimum, c.mean, c.dev = true, took, took, took/2
	} else {
		c.minimum = min(c.minimum, took)
		diff := took - c.mean
		c.mean += diff / 8
		c.dev += (max(diff, -diff) - c.dev) / 4
	}
	c.bytes += n
	// A round is over with the first answer to a request that was sent after it began: what came meanwhile is what was
	// under way at once. A pause makes the round longer than the answer took, and tells nothing.
	span := now - c.from
	switch {
	case at < c.from || span < burstSpan:
	case span < took+4*burstSpan:
		c.burst = max(float64(c.bytes)/span.Seconds(), c.burst*0.98)
		fallthrough
	default:
		c.from, c.bytes = now, 0
	}
}

const burstSpan = 40 * time.Millisecond

// depth is how many blocks of p may be under way: twice what it sends in a round trip at the rate of its bursts, so that the
// rate can double each time until the path is full; two blocks; and a second of its mean rate, which bridges the time that a
// piece-serial sender spends on others. A longer queue would commit us to blocks long before they come; half a second would
// do among ourselves, but never grow with a client that looks at its queue twice a second (Transmission).
func (s *Swarm) depth(p *peer) int {
	d := &p.down
	if d.stalled {
		return 0 // until it answers one of those that it has
	}
	mean := float64(d.meter.Over(s.now, 4*time.Second))
	queue := min(mean, float64(max(s.layout.PieceLength, maxQueue)))
	rtt := p.info.RTT
	if rtt == 0 {
		rtt = min(d.pace.minimum, unknownRTT)
	}
	want := int((2*d.pace.burst*rtt.Seconds()+queue)/metainfo.BlockSize) + 2
	want = max(want, firstDepth)
	return max(2, min(want, p.info.ReqQ, ReqQ))
}

const (
	maxQueue   = 4 << 20               // bytes: the most of that second, for fast links
	unknownRTT = 50 * time.Millisecond // at most, taken from the fastest answer, which the peer's own queue may have delayed
	firstDepth = 8                     // blocks asked of a peer of whose rate nothing is known
)

// timeout is how long p may leave requests unanswered without sending anything.
func (p *peer) timeout() time.Duration {
	c := &p.down.pace
	if !c.answered {
		return firstTimeout
	}
	return min(max(c.mean+4*c.dev, minTimeout), maxTimeout)
}

const (
	firstTimeout = 20 * time.Second
	minTimeout   = 2 * time.Second
	maxTimeout   = 60 * time.Second
	snubAfter    = 60 * time.Second
)
