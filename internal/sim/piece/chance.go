package piece

import "math/rand/v2"

// streams is a random stream a peer, of 16 bytes: what one peer draws changes nothing for the others. It is the source of the one
// Rand that all live decisions of the run take; use says whose turn it is.
type streams struct {
	pcg []rand.PCG
	now int32
}

func newStreams(seed uint64, n int) *streams {
	s := &streams{pcg: make([]rand.PCG, n)}
	for i := range s.pcg {
		s.pcg[i].Seed(seed, uint64(i))
	}
	return s
}

// Uint64 draws from the stream of the peer in use.
func (s *streams) Uint64() uint64 { return s.pcg[s.now].Uint64() }

func (s *streams) use(peer int32) { s.now = peer }
