package bits

import "math/bits"

// Next returns the first set bit at or after i, or -1. A negative i counts
// as 0.
func (s Set) Next(i int) int {
	return s.scan(i, Set{}, 0)
}

// NextClear returns the first clear bit at or after i, or -1.
func (s Set) NextClear(i int) int {
	return s.scan(i, Set{}, ^uint64(0))
}

// NextNotIn returns the first bit at or after i that s has and other misses,
// or -1. Bits beyond other's length count as missed.
func (s Set) NextNotIn(other Set, i int) int {
	return s.scan(i, other, 0)
}

// AnyNotIn reports whether s has a bit that other misses: whether a peer with
// s is interesting to one that has other.
func (s Set) AnyNotIn(other Set) bool {
	// Answers from the counts alone cover most calls: a peer with nothing, a
	// seeder seen by a leecher.
	if s.Count() == 0 {
		return false
	}
	if s.Count() > other.Count() {
		return true
	}
	return s.NextNotIn(other, 0) >= 0
}

// CountNotIn is the number of bits that s has and other misses.
func (s Set) CountNotIn(other Set) int {
	if s.d == nil {
		return 0
	}
	n := 0
	for o := 0; o < len(s.d.b); o += wordBytes {
		n += bits.OnesCount64(s.word(o) &^ other.wordOr0(o))
	}
	return n
}

// scan finds the first bit at or after i in (s xor flip) and not in other.
// With flip all ones it looks for clear bits; the padding then looks set, which
// the final range check catches, since only the last word holds any.
func (s Set) scan(i int, other Set, flip uint64) int {
	i = max(i, 0)
	if i >= s.Len() {
		return -1
	}
	keep := ^uint64(0) >> (i & 63) // drops the bits before i in the first word
	for o := i >> 6 * wordBytes; o < len(s.d.b); o += wordBytes {
		w := (s.word(o) ^ flip) &^ other.wordOr0(o) & keep
		if w != 0 {
			if at := o*8 + bits.LeadingZeros64(w); at < s.d.n {
				return at
			}
			return -1
		}
		keep = ^uint64(0)
	}
	return -1
}

// wordOr0 is word for sets that may be shorter than o, or zero.
func (s Set) wordOr0(o int) uint64 {
	if s.d == nil || o >= len(s.d.b) {
		return 0
	}
	return s.word(o)
}
