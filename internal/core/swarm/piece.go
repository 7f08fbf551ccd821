package swarm

import (
	"time"

	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// PieceDone reports the result of a Verify. With ok = false digests are the SHA-1 of every block as received, in order;
// with ok = true they are needed only where the Verify asked for them.
func (s *Swarm) PieceDone(now time.Duration, i int, ok bool, digests [][20]byte) {
	s.advance(now)
	if i < 0 || i >= s.full.Len() {
		return
	}
	pt := s.partialOf(i)
	if pt == nil || pt.missing > 0 {
		return
	}
	if ok {
		s.pieceGood(pt, digests)
	} else {
		s.pieceBad(pt, digests)
	}
	s.fillAll()
}

func (s *Swarm) pieceGood(pt *partial, digests [][20]byte) {
	i := int(pt.piece)
	s.blame.good(s, pt, digests)
	s.drop(pt)
	s.have.Add(i)
	s.down.missing--
	for _, p := range s.list {
		if !p.gone {
			s.send(p, wire.Have, uint32(i), 0, 0)
		}
		if p.has.Has(i) {
			p.useful--
			s.updateInterest(p)
		}
	}
	s.checkComplete()
}

func (s *Swarm) pieceBad(pt *partial, digests [][20]byte) {
	i := int(pt.piece)
	s.count.failures++
	s.count.wasted += pt.bytes
	s.blame.bad(s, pt, digests)
	s.drop(pt)
	s.down.pieces.Insert(i)
}

// PieceLost reports that the blocks of a piece could not be stored or read back, which is no peer's fault: they are fetched
// again. It may come at any time after the first block was taken. A verified piece that turns out unreadable is no longer
// served, and wanted again.
func (s *Swarm) PieceLost(now time.Duration, i int) {
	s.advance(now)
	if i < 0 || i >= s.full.Len() {
		return
	}
	if pt := s.partialOf(i); pt != nil {
		s.count.wasted += pt.bytes
		s.cancelPiece(pt)
		s.drop(pt)
		s.down.pieces.Insert(i)
	} else if s.have.Has(i) {
		s.have.Remove(i)
		for _, p := range s.list {
			// What waits here could otherwise be served from what replaces the piece, before that is verified.
			s.refuseQueued(p, func(k int) bool { return k != i })
		}
		if s.grant.active {
			s.grantEnd() // we are no seed any more
		}
		if s.down.wanted.Has(i) {
			s.down.missing++
			s.down.complete = false
			s.down.pieces.Insert(i)
			for _, p := range s.list {
				if p.has.Has(i) {
					p.useful++
					s.updateInterest(p)
				}
			}
		}
	}
	s.fillAll()
}
