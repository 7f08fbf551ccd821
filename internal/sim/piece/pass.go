package piece

import (
	"github.com/eddy-p2p/eddy/internal/core/pick"
)

// pass is a seed's handing each piece out once before any twice (core/swarm's grants): which pieces were not sent yet, and which
// were. Those in neither set are on their way. While it runs, its peers do not count the seed's pieces.
type pass struct {
	unsent, sent []uint64
	left         int // pieces that are not sent
}

// passJoin starts a pass with the first peer of a seed, unless its policy shows everything.
func (s *swarm) passJoin(p int32) {
	if s.known[p] != hasAll || s.row[p].deg != 1 || s.pieces < 2 || s.policyOf(p).RevealAll || !s.shares(p) {
		return
	}
	g := &pass{unsent: make([]uint64, s.words), sent: make([]uint64, s.words), left: s.pieces}
	copy(g.unsent, s.haveRow(p))
	clear(s.haveRow(p))
	s.passes[p] = g
	s.hiding = append(s.hiding, p)
	s.known[p] = hides
	for _, q := range s.graph.peers(p) {
		for i := range s.pieces {
			if s.haveRow(q)[i>>6]>>(i&63)&1 == 1 {
				s.passSent(p, i)
			}
		}
	}
}

// passFit reports whether the pass has something to give to a peer that wants these pieces.
func (s *swarm) passFit(g *pass, want []uint64) bool {
	for w := range want {
		if (g.unsent[w]|g.sent[w])&want[w] != 0 {
			return true
		}
	}
	return false
}

// passPick returns one of the wanted pieces that were not sent, at random, or -1.
func (s *swarm) passPick(g *pass, want []uint64) int {
	for w := range want {
		s.fit[w] = g.unsent[w] & want[w]
	}
	return s.view.Best(&pick.Fit{Pieces: s.fit, Order: pick.Random})
}

// passGrant notes that p begins to send piece i.
func (s *swarm) passGrant(p int32, i int) {
	if s.known[p] == hides {
		s.passes[p].unsent[i>>6] &^= 1 << (i & 63)
	}
}

// passSent notes that p has sent piece i, or sees that a peer has it. With the last one the pass ends.
func (s *swarm) passSent(p int32, i int) {
	if s.known[p] != hides {
		return
	}
	g := s.passes[p]
	if g.sent[i>>6]>>(i&63)&1 == 1 {
		return
	}
	g.sent[i>>6] |= 1 << (i & 63)
	g.unsent[i>>6] &^= 1 << (i & 63)
	if g.left--; g.left == 0 {
		s.passEnd(p)
	}
}

// passSeen tells the seeds among q's neighbours that it has piece i.
func (s *swarm) passSeen(q int32, i int) {
	for k := len(s.hiding) - 1; k >= 0; k-- {
		p := s.hiding[k]
		if s.passes[p].sent[i>>6]>>(i&63)&1 == 1 {
			continue
		}
		for _, r := range s.graph.peers(q) {
			if r == p {
				s.passSent(p, i)
				break
			}
		}
	}
}

// passUnsent takes back that p sends piece i, if it does and nobody has it.
func (s *swarm) passUnsent(p int32, i int) {
	if s.known[p] != hides {
		return
	}
	g := s.passes[p]
	if g.sent[i>>6]>>(i&63)&1 == 0 {
		g.unsent[i>>6] |= 1 << (i & 63)
	}
}

// passLeave handles that q left p: what only q had has to be sent again.
func (s *swarm) passLeave(p, q int32) {
	if s.known[p] != hides {
		return
	}
	if s.row[p].deg == 0 {
		s.passEnd(p)
		return
	}
	g := s.passes[p]
	for w, lost := range s.haveRow(q) {
		for _, r := range s.graph.peers(p) {
			if s.known[r] == hasSome {
				lost &^= s.haveRow(r)[w]
			}
		}
		lost &= g.sent[w]
		g.sent[w] &^= lost
		g.unsent[w] |= lost
		for ; lost != 0; lost &= lost - 1 {
			g.left++
		}
	}
}

// passEnd shows everything of p to everybody: its pass is over.
func (s *swarm) passEnd(p int32) {
	if s.known[p] != hides {
		return
	}
	delete(s.passes, p)
	row := s.haveRow(p)
	for i := range s.pieces {
		row[i>>6] |= 1 << (i & 63)
	}
	for k, r := range s.hiding {
		if r == p {
			s.hiding = append(s.hiding[:k], s.hiding[k+1:]...)
			break
		}
	}
	s.known[p] = hasAll
	s.unset(p, satisfied)
	s.wake(p)
}
