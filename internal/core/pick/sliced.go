package pick

import (
	"math/bits"
	"math/rand/v2"
)

// Sliced is the availability of all pieces for those who have their neighbours' pieces at hand as bit rows and count only when
// they pick: a simulator of a million peers, where a Have to each neighbour would be most of the work. It chooses as Pieces
// does, by the same Orders.
//
// The counters are sliced: bit k of the counters of 64 pieces is one word, so that adding a peer's row to 64 counters takes a
// few instructions. Piece i is bit i%64 of word i/64 (not the order of package format/bits). Not safe for concurrent use.
type Sliced struct {
	rng   *rand.Rand
	words int
	plane [][planes]uint64 // of each word: bit k of its counters
	top   int              // planes in use
	seeds int
	best  []uint64
}

// planes bounds the counters: 2^24 neighbours.
const planes = 24

// NewSliced returns counters for n pieces, all 0.
func NewSliced(n int, rng *rand.Rand) *Sliced {
	words := (n + 63) / 64
	return &Sliced{rng: rng, words: words, plane: make([][planes]uint64, words), best: make([]uint64, words)}
}

// Words returns how many words a row has.
func (s *Sliced) Words() int { return s.words }

// Count counts anew: the rows of table with the given numbers, and seeds peers that have everything. Row r is
// table[r*Words():][:Words()]. Pieces in words where fit is 0 are left out: their availability is not to be asked for.
func (s *Sliced) Count(table []uint64, rows []int32, seeds int, fit []uint64) {
	s.seeds = seeds
	s.top = bits.Len(uint(len(rows)))
	for w := range s.words {
		if fit[w] != 0 {
			s.countWord(table, w, rows, &s.plane[w])
		}
	}
}

// countWord adds up one word of each row with carry-save adders: eight rows make one carry into the eights.
func (s *Sliced) countWord(table []uint64, w int, rows []int32, plane *[planes]uint64) {
	for k := 3; k < s.top; k++ {
		plane[k] = 0
	}
	n := s.words
	var ones, twos, fours uint64
	for len(rows) >= 8 {
		r := rows[:8]
		a := add(&ones, table[int(r[0])*n+w], table[int(r[1])*n+w])
		b := add(&ones, table[int(r[2])*n+w], table[int(r[3])*n+w])
		c := add(&twos, a, b)
		a = add(&ones, table[int(r[4])*n+w], table[int(r[5])*n+w])
		b = add(&ones, table[int(r[6])*n+w], table[int(r[7])*n+w])
		d := add(&twos, a, b)
		s.carry(plane, 3, add(&fours, c, d))
		rows = rows[8:]
	}
	plane[0], plane[1], plane[2] = ones, twos, fours
	for _, r := range rows {
		s.carry(plane, 0, table[int(r)*n+w])
	}
}

// add is a full adder of 64 columns: *sum += a + b, and what it returns is the carry.
func add(sum *uint64, a, b uint64) uint64 {
	u := *sum ^ a
	carry := *sum&a | u&b
	*sum = u ^ b
	return carry
}

// carry adds 2^k to the counters whose bits are set in c.
func (s *Sliced) carry(plane *[planes]uint64, k int, c uint64) {
	for ; c != 0; k++ {
		plane[k], c = plane[k]^c, plane[k]&c
	}
}

// Availability returns how many of the counted peers have piece i, seeds included.
func (s *Sliced) Availability(i int) int {
	n := s.seeds
	for k := range s.top {
		n += int(s.plane[i/64][k]>>(i%64)&1) << k
	}
	return n
}

// Fit says what a pick from Sliced is for. What Query's Avoid, Fresh, From and To leave out is not set in Pieces.
type Fit struct {
	Pieces  []uint64 // those that may be picked
	Started []uint64 // those of which some blocks are here; nil = none
	Random  bool     // any piece: the first ones of a download
	Order   Order    // nil = RarestFirst
}

// Best returns the piece to request next, or -1 when none may be picked: one of those that tie, at random. The rows of Pieces must
// have been given to Count.
func (s *Sliced) Best(f *Fit) int {
	s.narrow(f)
	n := 0
	for _, w := range s.best {
		n += bits.OnesCount64(w)
	}
	switch n {
	case 0:
		return -1
	case 1:
		return nth(s.best, 0)
	}
	return nth(s.best, s.rng.IntN(n))
}

// narrow leaves in s.best the pieces of which none comes before another.
func (s *Sliced) narrow(f *Fit) {
	copy(s.best, f.Pieces)
	switch {
	case f.Order != nil:
		s.compareAll(f)
	case f.Random:
		if s.keep(f.Started) {
			s.rarest()
		}
	default:
		s.rarest()
		s.keep(f.Started)
	}
}

// rarest is RarestFirst without its ties: the highest bit in which counters differ decides.
func (s *Sliced) rarest() {
	for k := s.top - 1; k >= 0; k-- {
		some := uint64(0)
		for w, b := range s.best {
			if b != 0 {
				some |= b &^ s.plane[w][k]
			}
		}
		if some == 0 {
			continue
		}
		for w := range s.best {
			if s.best[w] != 0 {
				s.best[w] &^= s.plane[w][k]
			}
		}
	}
}

// keep leaves only those of set, if there are any.
func (s *Sliced) keep(set []uint64) bool {
	some := uint64(0)
	for w := range set {
		some |= s.best[w] & set[w]
	}
	if some == 0 {
		return false
	}
	for w := range set {
		s.best[w] &= set[w]
	}
	return true
}

func (s *Sliced) compareAll(f *Fit) {
	var first Candidate
	found := false
	for w, word := range f.Pieces {
		for ; word != 0; word &= word - 1 {
			b := bits.TrailingZeros64(word)
			c := Candidate{Piece: w*64 + b, Availability: s.Availability(w*64 + b)}
			c.Started = f.Started != nil && f.Started[w]>>b&1 == 1
			by := -1
			if found {
				by = f.Order(c, first)
			}
			switch {
			case by < 0:
				first, found = c, true
				clear(s.best)
				s.best[w] = 1 << b
			case by == 0:
				s.best[w] |= 1 << b
			default:
				s.best[w] &^= 1 << b
			}
		}
	}
}

// nth returns the index of the bit of set before which there are n others.
func nth(set []uint64, n int) int {
	for w, word := range set {
		c := bits.OnesCount64(word)
		if n >= c {
			n -= c
			continue
		}
		for ; n > 0; n-- {
			word &= word - 1
		}
		return w*64 + bits.TrailingZeros64(word)
	}
	return -1
}
