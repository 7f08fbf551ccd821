package pick

import (
	"math/rand/v2"

	"github.com/eddy-p2p/eddy/internal/format/bits"
)

// Pieces keeps the availability of every piece and, sorted by it, those pieces that may be picked. A piece is in at most
// one of two places: the buckets (nothing of it is here) or the started list (some blocks are here and nobody works on
// it). A piece that somebody works on, or that is not wanted, is in neither. Not safe for concurrent use.
//
// The buckets are one array sorted by availability with the index at which each availability begins, so that a change by
// one swaps the piece with the one at the edge of its bucket: O(1). Seeds have every piece, so they are a number of their
// own and move nothing.
type Pieces struct {
	rng     *rand.Rand
	avail   []int32 // peers that have the piece, without the seeds
	order   []int32 // pickable pieces by availability
	pos     []int32 // index in order, or notHere
	start   []int32 // start[a] = first index in order of a piece with availability >= a; len = highest ever + 2
	started []int32
	at      []int32 // index in started, or notHere
	seeds   int
}

const notHere = -1

// New returns the view of n pieces, none of them pickable yet and none available.
func New(n int, rng *rand.Rand) *Pieces {
	p := &Pieces{rng: rng, avail: make([]int32, n), pos: make([]int32, n), at: make([]int32, n), start: make([]int32, 2)}
	for i := range n {
		p.pos[i], p.at[i] = notHere, notHere
	}
	return p
}

// Availability returns how many peers have piece i, seeds included.
func (p *Pieces) Availability(i int) int { return int(p.avail[i]) + p.seeds }

// Seeds returns the number of seeds counted by AddSeeds.
func (p *Pieces) Seeds() int { return p.seeds }

// AddSeeds counts d more (or fewer) peers that have everything.
func (p *Pieces) AddSeeds(d int) { p.seeds += d }

// Len returns how many pieces are pickable, started or not.
func (p *Pieces) Len() int { return len(p.order) + len(p.started) }

// Unstarted returns how many pickable pieces are not started.
func (p *Pieces) Unstarted() int { return len(p.order) }

// Started returns the number of pickable started pieces.
func (p *Pieces) Started() int { return len(p.started) }

// Inc counts one more peer, not a seed, that has piece i.
func (p *Pieces) Inc(i int) {
	a := p.avail[i]
	p.avail[i] = a + 1
	for int(a)+2 >= len(p.start) {
		p.start = append(p.start, int32(len(p.order)))
	}
	if p.pos[i] == notHere {
		return
	}
	p.start[a+1]--
	p.swap(p.pos[i], p.start[a+1])
}

// Dec counts one peer less that has piece i.
func (p *Pieces) Dec(i int) {
	a := p.avail[i]
	p.avail[i] = a - 1
	if p.pos[i] == notHere {
		return
	}
	p.swap(p.pos[i], p.start[a])
	p.start[a]++
}

// Insert makes piece i pickable as a piece of which nothing is here. O(highest availability).
func (p *Pieces) Insert(i int) {
	p.Remove(i)
	a := p.avail[i]
	for int(a)+1 >= len(p.start) {
		p.start = append(p.start, int32(len(p.order)))
	}
	// Open a gap at the end by moving the first of each higher bucket to behind its last.
	p.order = append(p.order, 0)
	gap := int32(len(p.order) - 1)
	for b := int32(len(p.start) - 1); b > a; b-- {
		first := p.start[b]
		if first != gap {
			p.place(p.order[first], gap)
		}
		gap = first
		p.start[b]++
	}
	p.place(int32(i), gap)
	// A random place within the bucket.
	p.swap(gap, p.start[a]+int32(p.rng.IntN(int(gap-p.start[a])+1)))
}

// InsertStarted makes piece i pickable as one of which some blocks are here.
func (p *Pieces) InsertStarted(i int) {
	p.Remove(i)
	p.at[i] = int32(len(p.started))
	p.started = append(p.started, int32(i))
}

// Remove makes piece i not pickable: it is complete, unwanted, or somebody works on it. O(highest availability).
func (p *Pieces) Remove(i int) {
	if at := p.at[i]; at != notHere {
		last := p.started[len(p.started)-1]
		p.started[at], p.at[last] = last, at
		p.started = p.started[:len(p.started)-1]
		p.at[i] = notHere
	}
	gap := p.pos[i]
	if gap == notHere {
		return
	}
	p.pos[i] = notHere
	// Fill the gap with the last of its bucket, that one's place with the last of the next, and so on.
	for b := p.avail[i] + 1; int(b) < len(p.start); b++ {
		last := p.start[b] - 1
		if last != gap {
			p.place(p.order[last], gap)
		}
		gap = last
		p.start[b]--
	}
	if last := int32(len(p.order) - 1); last != gap {
		p.place(p.order[last], gap)
	}
	p.order = p.order[:len(p.order)-1]
}

// Pickable reports whether piece i is in the buckets or the started list.
func (p *Pieces) Pickable(i int) bool { return p.pos[i] != notHere || p.at[i] != notHere }

func (p *Pieces) place(piece, at int32) { p.order[at], p.pos[piece] = piece, at }

func (p *Pieces) swap(i, j int32) {
	a, b := p.order[i], p.order[j]
	p.place(a, j)
	p.place(b, i)
}

// Query says what a pick is for.
type Query struct {
	Has      bits.Set // what the peer has
	Avoid    bits.Set // pieces not to pick; the zero Set avoids none
	Fresh    bool     // no started pieces: the peer is to work alone
	Started  bool     // only started pieces: no more may be started
	Random   bool     // any piece: the first ones of a download
	Common   bool     // from the common end: a peer that is slow to answer shall not hold a rare piece
	From, To int      // only pieces in [From, To); To = 0 means all
	Order    Order    // nil = RarestFirst, by buckets; else all candidates are compared
}

func (q *Query) fits(i int) bool {
	return q.Has.Has(i) && !q.Avoid.Has(i) && (q.To == 0 || i >= q.From && i < q.To)
}

// Best returns the piece to request next, or -1 when no pickable piece fits. It does not remove it.
func (p *Pieces) Best(q *Query) int {
	if q.Order != nil {
		return p.compareAll(q)
	}
	started := -1
	if !q.Fresh {
		started = p.bestStarted(q)
	}
	if q.Started || q.Random && started >= 0 {
		return started
	}
	limit := int32(len(p.order))
	if started >= 0 && !q.Common {
		// Only a rarer one beats a started piece.
		if a := p.avail[started]; int(a) < len(p.start) {
			limit = p.start[a]
		}
	}
	if i := p.bestUnstarted(q, limit); i >= 0 {
		return i
	}
	return started
}

func (p *Pieces) bestStarted(q *Query) int {
	best, ties := -1, 0
	for _, i := range p.started {
		if !q.fits(int(i)) {
			continue
		}
		switch {
		case best < 0 || (p.avail[i] < p.avail[best]) != q.Common && p.avail[i] != p.avail[best]:
			best, ties = int(i), 1
		case p.avail[i] == p.avail[best]:
			ties++
			if p.rng.IntN(ties) == 0 {
				best = int(i)
			}
		}
	}
	return best
}

// bestUnstarted looks through order[:limit], bucket by bucket, each from a random place on.
func (p *Pieces) bestUnstarted(q *Query, limit int32) int {
	if limit == 0 {
		return -1
	}
	if q.Random {
		return p.around(q, 0, limit)
	}
	n := int32(len(p.start))
	for k := range n {
		b := k
		if q.Common {
			b = n - 1 - k
		}
		lo, hi := p.start[b], limit
		if b+1 < n {
			hi = min(limit, p.start[b+1])
		}
		if lo >= hi {
			continue
		}
		if i := p.around(q, lo, hi); i >= 0 {
			return i
		}
	}
	return -1
}

// around returns the first fitting piece of order[lo:hi] in circular order from a random place.
func (p *Pieces) around(q *Query, lo, hi int32) int {
	n := hi - lo
	off := p.rng.Int32N(n)
	for k := range n {
		at := off + k
		if at >= n {
			at -= n
		}
		if i := int(p.order[lo+at]); q.fits(i) {
			return i
		}
	}
	return -1
}

func (p *Pieces) compareAll(q *Query) int {
	var best Candidate
	ties := 0
	consider := func(i int, started bool) {
		if !q.fits(i) {
			return
		}
		c := Candidate{Piece: i, Availability: p.Availability(i), Started: started}
		by := -1
		if ties > 0 {
			by = q.Order(c, best)
		}
		if by == 0 {
			ties++
			if p.rng.IntN(ties) == 0 {
				best = c
			}
		} else if by < 0 {
			best, ties = c, 1
		}
	}
	if !q.Fresh {
		for _, i := range p.started {
			consider(int(i), true)
		}
	}
	if !q.Started {
		for _, i := range p.order {
			consider(int(i), false)
		}
	}
	if ties == 0 {
		return -1
	}
	return best.Piece
}
