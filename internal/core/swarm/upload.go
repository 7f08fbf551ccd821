package swarm

import (
	"time"

	"github.com/eddy-p2p/eddy/internal/core/rate"
	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/metainfo"
)

// upload is what we send, over all peers.
type upload struct {
	bucket rate.Bucket
	serve  []*peer       // peers that may have something to serve
	retry  time.Duration // the bucket is empty and blocks wait: look again then; 0 = not so
	last   int32         // the peer (serial) that the limited uplink works for
	piece  int32         // and the piece
	run    int64         // bytes of it in this turn
	floor  int64         // bytes by which the peers' turns are counted: a newcomer starts here
}

// serving is our uploading to one peer.
type serving struct {
	choked bool
	slot   Slot          // what it is unchoked by; NoSlot when choked
	since  time.Duration // of the last change of choked
	asked  []want        // requests not yet served, oldest first, from head on
	head   int
	out    int64 // bytes served and not yet sent
	turn   int64 // bytes served, for taking turns
	queued bool  // in upload.serve
	meter  rate.Meter
	opens  opens
}

// want is one request of a peer.
type want struct{ index, begin, length uint32 }

func (v *serving) waiting() int { return len(v.asked) - v.head }

func (v *serving) push(w want) {
	if v.head > 0 && len(v.asked) == cap(v.asked) {
		n := copy(v.asked, v.asked[v.head:])
		v.asked, v.head = v.asked[:n], 0
	}
	v.asked = append(v.asked, w)
}

func (v *serving) pop() want {
	w := v.asked[v.head]
	if v.head++; v.head == len(v.asked) {
		v.asked, v.head = v.asked[:0], 0
	}
	return w
}

func (s *Swarm) markServe(p *peer) {
	if !p.up.queued && !p.gone && p.up.waiting() > 0 {
		p.up.queued = true
		s.up.serve = append(s.up.serve, p)
	}
}

// receiveRequest queues, serves or refuses a request.
func (s *Swarm) receiveRequest(p *peer, m *wire.Message) error {
	n := s.full.Len()
	if int64(m.Index) >= int64(n) || m.Length == 0 || m.Length > metainfo.BlockSize ||
		int64(m.Begin)+int64(m.Length) > s.layout.PieceSize(int(m.Index)) {
		return violation("request of %d bytes at %d of piece %d", m.Length, m.Begin, m.Index)
	}
	i := int(m.Index)
	open := s.have.Has(i) && s.shows(p, i)
	switch {
	case !open, p.up.choked && !s.allowedFast(p, i), p.up.waiting() >= ReqQ:
		if p.info.Fast {
			s.send(p, wire.Reject, m.Index, m.Begin, m.Length)
		} else if p.up.waiting() >= ReqQ {
			return violation("more than %d requests", ReqQ)
		}
		return nil // BEP 3: requests of a choked peer are dropped
	}
	if p.up.waiting() == 0 && p.up.out == 0 {
		p.up.turn = max(p.up.turn, s.up.floor)
	}
	p.up.push(want{m.Index, m.Begin, m.Length})
	s.markServe(p)
	return nil
}

// receiveCancel drops a queued request. With BEP 6 it is still answered.
func (s *Swarm) receiveCancel(p *peer, m *wire.Message) error {
	v := &p.up
	for k := v.head; k < len(v.asked); k++ {
		if v.asked[k] == (want{m.Index, m.Begin, m.Length}) {
			v.asked = append(v.asked[:k], v.asked[k+1:]...)
			if v.head == len(v.asked) {
				v.asked, v.head = v.asked[:0], 0
			}
			if p.info.Fast {
				s.send(p, wire.Reject, m.Index, m.Begin, m.Length)
			}
			return nil
		}
	}
	return nil // already on its way
}

// flushServes hands queued blocks to the writers.
func (s *Swarm) flushServes() {
	if s.up.bucket.Rate() > 0 {
		s.flushLimited()
		return
	}
	u := &s.up
	for k := 0; k < len(u.serve); k++ {
		p := u.serve[k]
		p.up.queued = false
		limit := s.serveWindow(p)
		for !p.gone && p.up.waiting() > 0 && p.up.out < limit {
			s.serve(p)
		}
	}
	clear(u.serve)
	u.serve = u.serve[:0]
}

// serveWindow is how many bytes the writer of p may hold: what it sends in half a second, so that a choke or a cancel
// still finds most of a slow peer's queue here, and enough that a fast one never waits for us.
func (s *Swarm) serveWindow(p *peer) int64 {
	if p.up.meter.Total() < maxWindow {
		return firstWindow
	}
	return min(max(p.up.meter.Over(s.now, 2*time.Second)/2, 2*metainfo.BlockSize), maxWindow)
}

const (
	firstWindow = 256 << 10 // bytes
	maxWindow   = 1 << 20
)

// flushLimited spends the bucket piece by piece: a piece is finished on one connection before the next is served, because
// half of a piece is of no use to anybody.
func (s *Swarm) flushLimited() {
	u := &s.up
	if s.now < u.retry && s.now < u.bucket.At(metainfo.BlockSize) {
		return // whatever came in meanwhile, the bucket is still empty
	}
	// The list of those with something to serve persists while they wait.
	keep := u.serve[:0]
	for _, p := range u.serve {
		if p.gone || p.up.waiting() == 0 {
			p.up.queued = false
			continue
		}
		keep = append(keep, p)
	}
	clear(u.serve[len(keep):])
	u.serve = keep
	u.retry = 0
	for {
		p := s.nextTurn()
		if p == nil {
			return
		}
		if !u.bucket.Take(s.now, int64(p.up.asked[p.up.head].length)) {
			u.retry = s.refillAt(&u.bucket)
			return
		}
		s.serve(p)
	}
}

// nextTurn returns the peer whose block comes next on the limited uplink, or nil.
func (s *Swarm) nextTurn() *peer {
	u := &s.up
	var next *peer
	limit := max(rate.Burst(u.bucket.Rate()), 4*metainfo.BlockSize)
	for _, p := range u.serve {
		if p.gone || p.up.waiting() == 0 || p.up.out >= limit {
			continue
		}
		if p.serial == u.last && int32(p.up.asked[p.up.head].index) == u.piece && u.run < max(u.bucket.Rate(), 256<<10) {
			return p
		}
		if next == nil || p.up.turn < next.up.turn {
			next = p
		}
	}
	if next != nil {
		u.last, u.piece, u.run = next.serial, int32(next.up.asked[next.up.head].index), 0
		u.floor = max(u.floor, next.up.turn)
	}
	return next
}

// serve hands the oldest request of p to its writer.
func (s *Swarm) serve(p *peer) {
	w := p.up.pop()
	n := int64(w.length)
	p.up.out += n
	p.up.turn += n
	s.up.run += n
	s.grantServed(p, int(w.index), n)
	s.out.push(Action{Kind: Serve, Peer: p.id, Msg: wire.Message{Kind: wire.Piece, Index: w.index, Begin: w.begin, Length: w.length}})
}

// Sent reports that the driver wrote blocks of p to its socket: how many, and their bytes without headers.
func (s *Swarm) Sent(now time.Duration, id Peer, blocks int, bytes int64) {
	s.advance(now)
	p := s.lookup(id)
	if p == nil || blocks <= 0 {
		return
	}
	p.up.out = max(p.up.out-bytes, 0)
	p.up.meter.Add(s.now, bytes)
	s.count.up.Add(s.now, bytes)
	s.markServe(p)
}

// Unserved reports that a Serve could not be carried out, because the content could not be read: the request is refused and
// nobody is to blame. m is the Action's Msg.
func (s *Swarm) Unserved(now time.Duration, id Peer, m wire.Message) {
	s.advance(now)
	p := s.lookup(id)
	if p == nil {
		return
	}
	p.up.out = max(p.up.out-int64(m.Length), 0)
	s.up.bucket.Return(s.now, int64(m.Length))
	if p.info.Fast && !p.gone {
		s.send(p, wire.Reject, m.Index, m.Begin, m.Length)
	}
	s.markServe(p)
}

// refuseQueued takes the requests of p that wait, but those for pieces to keep, out of its queue and answers them.
func (s *Swarm) refuseQueued(p *peer, keep func(piece int) bool) {
	v := &p.up
	kept := v.asked[:v.head]
	for _, w := range v.asked[v.head:] {
		switch {
		case keep(int(w.index)):
			kept = append(kept, w)
		case p.info.Fast:
			s.send(p, wire.Reject, w.index, w.begin, w.length)
		}
	}
	v.asked = kept
	if v.head == len(v.asked) {
		v.asked, v.head = v.asked[:0], 0
	}
}

func (s *Swarm) forgetUploads(p *peer) {
	p.up.asked, p.up.head, p.up.out = p.up.asked[:0], 0, 0
}
