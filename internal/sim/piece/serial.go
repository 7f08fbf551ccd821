package piece

import "github.com/eddy-p2p/eddy/internal/sim/scenario"

// The swarms of scenario.Serial and scenario.Rounds: what the literature simulates in rounds, by the machinery and the choice of pieces
// of all other runs. Nobody is choked; an uplink sends one whole piece at a time, and after each one goes to a neighbour drawn
// at random from those that want something of it; that one takes the piece that its policy's order puts first among those that it
// lacks and nobody sends it. Messages and hashing take no time, nothing is split, and no first pieces are drawn at random. With
// equal uplinks and no latency everybody is in step, and these are rounds.

// SerialModel is Model for such a swarm.
const SerialModel = "piece by piece: an uploader sends one whole piece at a time at its full rate, each to a random neighbour that " +
	"wants one, and nobody is choked"

// openAll has nobody choked on p's new link e, its last, and both ends trusted with more than one piece at a time.
func (s *swarm) openAll(p, e int32) {
	q, back := s.peer[e], s.link[e].rev
	s.bits[e] |= proven
	s.bits[s.reverse(e)] |= proven
	if s.shares(p) {
		s.setOpen(p, s.row[p].deg-1, true)
	}
	if s.shares(q) {
		s.setOpen(q, back, true)
	}
}

// feedSerial starts p's next transfer if its uplink is free and somebody wants something and can take it.
func (s *swarm) feedSerial(p int32) {
	n := &s.node[p]
	n.flags &^= idle
	if n.out > 0 {
		return
	}
	s.chance.use(p)
	slot := s.anyWanting(p)
	if slot == none {
		n.flags |= idle // until it gets a piece, or somebody has room for one or lacks one again
		return
	}
	q := s.peer[s.at(p, slot)]
	i := s.choose(p, q, false)
	s.passGrant(p, i)
	j := s.newJob(q, i)
	b := &s.job[j]
	left := b.rest
	b.owned, b.rest = false, 0
	s.begin(p, slot, j, left)
}

// anyWanting returns the slot of one of p's neighbours that want something of it, each with the same chance, or none.
func (s *swarm) anyWanting(p int32) int32 {
	deg := s.row[p].deg
	if deg == 0 {
		return none
	}
	wanting := func(slot int32) bool {
		q := s.peer[s.at(p, slot)]
		return s.wantsOf(p, q) && s.canTake(p, q)
	}
	// While many want something, guessing is cheaper than asking all, and as fair.
	const guesses = 16
	for range guesses {
		if slot := int32(s.rng.IntN(int(deg))); wanting(slot) {
			return slot
		}
	}
	found, seen := int32(none), 0
	for slot := range deg {
		if wanting(slot) {
			if seen++; s.rng.IntN(seen) == 0 {
				found = slot
			}
		}
	}
	return found
}

// counted returns whose pieces q counts when it looks for the rarest.
func (s *swarm) counted(q int32) []int32 {
	if s.sc.Exchange == scenario.Rounds {
		return s.all
	}
	return s.graph.peers(q)
}
