// Package pick orders the pieces that are still to be fetched: BEP 3's "random first piece, then rarest first" as a
// structure in which a Have costs O(1), and as a comparison function (Order) that can be exchanged.
//
// It knows nothing of peers, blocks or time, so that an Order can be judged alone, and in the swarms that tests simulate.
package pick

// Candidate is what an Order may look at: one piece that could be requested next.
type Candidate struct {
	Piece        int
	Availability int  // connected peers that have it, seeds included
	Started      bool // some of its blocks are here, and nobody works on it
}

// Order compares two candidates: negative when a is to be requested before b, positive when after, 0 when they tie; ties
// are broken at random, without which all peers would fetch the same piece at once.
type Order func(a, b Candidate) int

// RarestFirst is the default: the piece that the fewest peers have; among equals one that was started, since a finished
// piece can be passed on. Started pieces get no preference beyond that: sharing them in spite of their rarity costs a
// swarm a quarter of its time.
func RarestFirst(a, b Candidate) int {
	if a.Availability != b.Availability {
		return a.Availability - b.Availability
	}
	return startedFirst(a, b)
}

// Sequential takes pieces in the order of the content, for reading while downloading.
func Sequential(a, b Candidate) int { return a.Piece - b.Piece }

// Random takes any piece, a started one before others. It is there to be measured against.
func Random(a, b Candidate) int { return startedFirst(a, b) }

func startedFirst(a, b Candidate) int {
	switch {
	case a.Started && !b.Started:
		return -1
	case b.Started && !a.Started:
		return 1
	}
	return 0
}
