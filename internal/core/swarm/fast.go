package swarm

import "github.com/eddy-p2p/eddy/internal/format/wire"

// fastPieces is the size of an allowed-fast set (BEP 6: "we recommend k = 10").
const fastPieces = 10

// fastSize is smaller for a torrent of few pieces, where ten of them would make choking pointless.
func (s *Swarm) fastSize() int { return min(fastPieces, s.full.Len()/32) }

// allowFast tells a peer that has just joined which pieces it may request while choked: of its set those that we have.
// It gives a newcomer something to trade with.
func (s *Swarm) allowFast(p *peer) {
	if !p.info.Fast || s.have.Empty() {
		return
	}
	for _, i := range wire.AllowedFastSet(p.info.Addr.Addr(), s.cfg.InfoHash, s.full.Len(), s.fastSize()) {
		if s.have.Has(int(i)) {
			p.up.opens.fast = append(p.up.opens.fast, int32(i))
			s.send(p, wire.AllowedFast, i, 0, 0)
		}
	}
}

// allowedFast reports whether p may request piece i while we choke it: only as long as it is a starting peer (BEP 6: "A peer
// MAY reject requests for already Allowed Fast pieces if ... the requesting peer is not a starting peer").
func (s *Swarm) allowedFast(p *peer, i int) bool {
	if p.has.Count() >= s.fastSize() {
		return false
	}
	for _, f := range p.up.opens.fast {
		if int(f) == i {
			return true
		}
	}
	return false
}
