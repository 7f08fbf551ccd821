package swarm

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/metainfo"
)

// PeerError is what a peer did wrong: reason to close its connection, never to stop the torrent.
type PeerError struct{ Reason string }

// Error returns the reason.
func (e *PeerError) Error() string { return e.Reason }

// ErrRedundant is the Err of a Close when both sides have everything that they want (BEP 21): nobody's fault.
var ErrRedundant = errors.New("neither side needs the other")

const (
	maxOdd     = 64 // unrequested blocks before a peer is closed
	maxAllowed = 64 // allowed-fast pieces remembered of a peer
)

// Receive takes one message of p; any but Extended. keep says that it is a block that was requested and is needed: the
// driver stores its payload. Every other payload is to be dropped. A violation of the protocol emits Close.
func (s *Swarm) Receive(now time.Duration, id Peer, m *wire.Message) (keep bool) {
	s.advance(now)
	p := s.lookup(id)
	if p == nil || p.gone {
		return false
	}
	if m.Kind == wire.Piece {
		return s.receivePiece(p, m)
	}
	if err := s.receive(p, m); err != nil {
		s.close(p, false, err)
	}
	return false
}

func (s *Swarm) receive(p *peer, m *wire.Message) error {
	switch m.Kind {
	case wire.Choke:
		s.receiveChoke(p)
	case wire.Unchoke:
		p.remote.choking = false
		if p.down.stalled {
			// What it did not answer before its choke it has forgotten, whatever BEP 6 says.
			p.down.dropped += p.down.ask.unanswered()
			s.forgetRequests(p)
		}
		p.down.refused = bits.Set{}
		p.down.refusals, p.down.wait, p.down.forgive = 0, 0, 0
		s.markFill(p)
	case wire.Interested:
		s.holding(p, func() { p.remote.interested = true })
		s.slotWanted(p)
	case wire.NotInterested:
		s.holding(p, func() { p.remote.interested = false })
		s.slotFreed(p)
	case wire.Have:
		return s.receiveHave(p, m)
	case wire.Bitfield, wire.HaveAll, wire.HaveNone:
		return s.receivePieces(p, m)
	case wire.Request:
		return s.receiveRequest(p, m)
	case wire.Cancel:
		return s.receiveCancel(p, m)
	case wire.Reject:
		return s.receiveReject(p, m)
	case wire.AllowedFast:
		return s.receiveAllowed(p, m)
	case wire.Suggest:
		if !p.info.Fast || int64(m.Index) >= int64(s.full.Len()) {
			return violation("suggest of piece %d", m.Index)
		}
	}
	return nil // keep-alive, port, and what later extensions define
}

func violation(format string, args ...any) error {
	return &PeerError{Reason: fmt.Sprintf(format, args...)}
}

func (s *Swarm) receiveChoke(p *peer) {
	p.remote.choking = true
	if p.info.Fast {
		// "A choke does not imply a reject" (BEP 6): each request is still answered. But nothing more is asked for.
		s.abandon(p)
	} else {
		p.down.dropped += p.down.ask.unanswered()
		s.forgetRequests(p)
	}
	s.fillAll()
}

func (s *Swarm) receiveHave(p *peer, m *wire.Message) error {
	if int64(m.Index) >= int64(s.full.Len()) {
		return violation("have of piece %d of %d", m.Index, s.full.Len())
	}
	p.remote.stated = true
	s.gained(p, int(m.Index))
	s.settle(p)
	return nil
}

// receivePieces takes the first message about what the peer has (BEP 3, BEP 6). Bitfields and Have All are taken later too, as a
// Have for each piece that is new: both "only ever" come first, but aria2 sends another bitfield wherever it is shorter than
// the Haves for the pieces it just verified, and Have All when these are the last.
func (s *Swarm) receivePieces(p *peer, m *wire.Message) error {
	first := !p.remote.stated
	if !first && m.Kind == wire.HaveNone {
		return violation("%s after the peer had told what it has", m.Kind)
	}
	if m.Kind != wire.Bitfield && !p.info.Fast {
		return violation("%s without the fast extension", m.Kind)
	}
	p.remote.stated = true
	set := bits.Set{}
	switch m.Kind {
	case wire.HaveAll:
		set = s.full
	case wire.Bitfield:
		var err error
		if set, err = bits.Parse(m.Payload, s.full.Len()); err != nil {
			return &PeerError{Reason: err.Error()}
		}
	}
	if first && set.Len() > 0 && set.Full() {
		// Taken as it is, without a step for each piece. It does not end a seed's first pass: it may be a lie.
		p.seed, p.has, p.useful = true, s.full, s.down.missing
		s.down.pieces.AddSeeds(1)
	} else {
		for i := set.NextNotIn(p.has, 0); i >= 0; i = set.NextNotIn(p.has, i+1) {
			s.gained(p, i)
		}
	}
	s.settle(p)
	return nil
}

// block returns the piece and block of a request, or -1 where it is none of this torrent's.
func (s *Swarm) block(index, begin, length uint32) (i, b int) {
	if int64(index) >= int64(s.full.Len()) || begin%metainfo.BlockSize != 0 {
		return none, none
	}
	i, b = int(index), int(begin/metainfo.BlockSize)
	if b >= s.layout.NumBlocks(i) || int64(length) != s.layout.BlockLength(i, b) {
		return none, none
	}
	return i, b
}

func (s *Swarm) receivePiece(p *peer, m *wire.Message) bool {
	n := int64(len(m.Payload))
	s.count.down.Add(s.now, n)
	i, b := s.block(m.Index, m.Begin, uint32(n))
	k := -1
	if i >= 0 {
		k = p.down.ask.find(int32(i), int32(b))
	}
	if k < 0 {
		s.unrequested(p, n)
		return false
	}
	r := p.down.ask.remove(k)
	p.down.heard = s.now
	p.down.stalled = false
	p.down.refusals, p.down.grudge = 0, 0
	p.down.pace.sample(s.now, time.Duration(r.at), n)
	s.markFill(p)
	pt := s.partialOf(i)
	if r.state == cancelled || pt == nil || pt.state[b] == received {
		s.count.wasted += n
		return false
	}
	if pt.state[b] > 1 {
		pt.late = true // asked of others too
	}
	s.got(pt, b, p.serial, n)
	p.down.meter.Add(s.now, n) // only what is of use earns a slot
	if pt.late {
		s.cancelOthers(pt, b)
	}
	if pt.missing == 0 {
		s.out.push(Action{Kind: Verify, Digests: s.blame.suspect(i), Msg: wire.Message{Index: uint32(i)}})
	}
	return true
}

// unrequested counts a block that was not asked for. Without BEP 6 some of them are our own choice: requests that were
// cancelled, or that the peer sent before its choke.
func (s *Swarm) unrequested(p *peer, n int64) {
	s.count.wasted += n
	if p.down.dropped > 0 {
		p.down.dropped--
		return
	}
	if p.down.odd++; p.down.odd > maxOdd {
		s.close(p, false, violation("%d blocks that were not requested", p.down.odd))
	}
}

func (s *Swarm) receiveReject(p *peer, m *wire.Message) error {
	if !p.info.Fast {
		return violation("reject without the fast extension")
	}
	i, b := s.block(m.Index, m.Begin, m.Length)
	k := -1
	if i >= 0 {
		k = p.down.ask.find(int32(i), int32(b))
	}
	if k < 0 {
		return violation("reject of a block that was not requested")
	}
	r := p.down.ask.remove(k)
	if p.down.ask.unanswered() == 0 {
		p.down.stalled = false
	}
	s.markFill(p)
	if r.state != pending {
		return nil
	}
	if pt := s.partialOf(i); pt != nil {
		s.unask(pt, b)
		s.fillAll() // others can have it
	}
	// A choke takes back what was asked before it, and that is no refusal; but a piece that may be asked for all the same is refused.
	if !p.remote.choking || slices.Contains(p.down.allowed, int32(i)) {
		s.refused(p, i)
	}
	return nil
}

// refused remembers that p does not serve piece i although it has it and does not choke us. Asking again at once would be
// an endless exchange; never asking again would leave the piece to nobody, where p alone has it.
func (s *Swarm) refused(p *peer, i int) {
	if p.down.forgive == 0 {
		p.down.grudge = min(max(2*p.down.grudge, firstGrudge), refusalWait)
		p.down.forgive = s.now + p.down.grudge
	}
	if p.down.refused.Len() == 0 {
		p.down.refused = bits.New(s.full.Len())
	}
	p.down.refused.Add(i)
	if own := p.down.own; own != nil && int(own.piece) == i {
		s.abandon(p)
	}
	if p.down.refusals++; p.down.refusals >= maxRefusals {
		p.down.refusals = 0
		p.down.refused = bits.Set{}
		p.down.wait = s.now + refusalWait
	}
	s.fillAll()
}

// forgive lets p be asked again for the pieces that it refused.
func (s *Swarm) forgive(p *peer) {
	p.down.forgive = 0
	p.down.refused = bits.Set{}
	s.markFill(p)
}

const (
	firstGrudge = time.Second
	maxRefusals = 64
	refusalWait = 10 * time.Second
)

func (s *Swarm) receiveAllowed(p *peer, m *wire.Message) error {
	if !p.info.Fast || int64(m.Index) >= int64(s.full.Len()) {
		return violation("allowed fast of piece %d", m.Index)
	}
	if len(p.down.allowed) < maxAllowed {
		p.down.allowed = append(p.down.allowed, int32(m.Index))
		s.markFill(p)
	}
	return nil
}
