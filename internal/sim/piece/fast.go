package piece

import (
	"math/rand/v2"

	"github.com/eddy-p2p/eddy/internal/core/pick"
)

// fastPieces is the size of an allowed-fast set (BEP 6), smaller where there are few pieces: as in core/swarm.
const fastPieces = 10

func (s *swarm) fastSize() int { return min(fastPieces, s.pieces/32) }

// allowFast lets the peer at the other end of p's new link ask for its allowed-fast pieces while choked, if p has any pieces
// that it shows.
func (s *swarm) allowFast(p, e int32) {
	if s.shares(p) && (s.known[p] == hasSome || s.known[p] == hasAll) && s.fastSize() > 0 {
		s.bits[e] |= fast
	}
}

// askFast has q, which p chokes, ask for one of its allowed-fast pieces over link e, and reports whether there is one. A peer that
// has as many pieces as the set asks no more.
func (s *swarm) askFast(p, q, e int32) bool {
	if s.bits[e]&tested != 0 {
		return false
	}
	if int(s.count[q]) >= s.fastSize() {
		s.bits[e] &^= fast
		return false
	}
	clear(s.fit)
	have, want := s.haveRow(p), s.wantedRow(q)
	// The set depends on the asker alone, as it does on its address.
	set := rand.New(rand.NewPCG(s.sc.Seed, fastStream+uint64(q)))
	for range s.fastSize() {
		i := set.IntN(s.pieces)
		s.fit[i>>6] |= have[i>>6] & want[i>>6] & (1 << (i & 63))
	}
	s.chance.use(q)
	i := s.view.Best(&pick.Fit{Pieces: s.fit, Order: pick.Random})
	if i < 0 {
		return false
	}
	s.give(q, e, i)
	return true
}

const fastStream = 1 << 40
