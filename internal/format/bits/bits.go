// Package bits is a set of piece indices in the order of BEP 3's bitfield
// message: the high bit of the first byte is piece 0.
//
// The bytes are kept exactly as they travel, so that a bitfield is received
// and sent without conversion, while every scan works on 64 pieces at a time.
package bits

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// wordBytes is the unit of the scans; storage is padded to a multiple of it so
// that no loop needs a tail case.
const wordBytes = 8

// Set holds bits 0 to Len()-1. It is a reference, as a slice is: copies share
// storage, and a bit added through one is seen through all; Clone makes an
// independent one. The zero Set has length 0 and is ready for reading.
//
// Reads outside the range answer false or -1. Add and Remove panic there: an
// index from a peer is to be checked where it enters.
//
// Not safe for concurrent use while someone writes.
type Set struct {
	d *data
}

type data struct {
	// b is padded with zero bytes to whole words. Invariant: all bits from n
	// on are zero, so Count and the comparisons need no masking.
	b     []byte
	n     int
	count int // kept so that Count, Full and Empty cost O(1)
}

// small is a set with its bits beside it: one allocation, and mostly one cache line, for a torrent of few pieces.
type small struct {
	data
	words [4 * wordBytes]byte
}

// New returns an empty set of n bits. It panics when n is negative.
func New(n int) Set {
	if n < 0 {
		panic(fmt.Sprintf("bits: negative length %d", n))
	}
	words := (n + 63) / 64
	if words <= len(small{}.words)/wordBytes {
		s := new(small)
		s.data = data{b: s.words[:words*wordBytes], n: n}
		return Set{&s.data}
	}
	return Set{&data{b: make([]byte, words*wordBytes), n: n}}
}

// Parse copies the body of a bitfield message for n pieces. The length must be
// exact and the spare bits at the end zero (BEP 3: "Spare bits at the end are
// set to zero").
func Parse(b []byte, n int) (Set, error) {
	if n < 0 {
		return Set{}, fmt.Errorf("bitfield for %d pieces: negative count", n)
	}
	if want := byteLen(n); len(b) != want {
		return Set{}, fmt.Errorf("bitfield for %d pieces: %d bytes, want %d", n, len(b), want)
	}
	if spare := n & 7; spare != 0 && b[len(b)-1]&(0xff>>spare) != 0 {
		return Set{}, fmt.Errorf("bitfield for %d pieces: spare bits set in last byte %#02x", n, b[len(b)-1])
	}
	s := New(n)
	copy(s.d.b, b)
	for o := 0; o < len(s.d.b); o += wordBytes {
		s.d.count += bits.OnesCount64(s.word(o))
	}
	return s, nil
}

// Len is the number of bits, set or not.
func (s Set) Len() int {
	if s.d == nil {
		return 0
	}
	return s.d.n
}

// Count is the number of set bits, in O(1).
func (s Set) Count() int {
	if s.d == nil {
		return 0
	}
	return s.d.count
}

// Full reports whether every bit is set. A set of length 0 is both full and
// empty.
func (s Set) Full() bool { return s.Count() == s.Len() }

// Empty reports whether no bit is set.
func (s Set) Empty() bool { return s.Count() == 0 }

// Has reports whether bit i is set; false outside the range.
func (s Set) Has(i int) bool {
	if s.d == nil || uint(i) >= uint(s.d.n) {
		return false
	}
	return s.d.b[i>>3]&(0x80>>(i&7)) != 0
}

// Add sets bit i and reports whether it was clear.
func (s Set) Add(i int) bool {
	p, mask := s.at(i)
	if *p&mask != 0 {
		return false
	}
	*p |= mask
	s.d.count++
	return true
}

// Remove clears bit i and reports whether it was set.
func (s Set) Remove(i int) bool {
	p, mask := s.at(i)
	if *p&mask == 0 {
		return false
	}
	*p &^= mask
	s.d.count--
	return true
}

// Fill sets every bit.
func (s Set) Fill() {
	if s.d == nil {
		return
	}
	b := s.Bytes()
	for i := range b {
		b[i] = 0xff
	}
	if spare := s.d.n & 7; spare != 0 {
		b[len(b)-1] = ^byte(0xff >> spare)
	}
	s.d.count = s.d.n
}

// Clear removes every bit.
func (s Set) Clear() {
	if s.d == nil {
		return
	}
	clear(s.d.b)
	s.d.count = 0
}

// Bytes is the body of a bitfield message: (Len+7)/8 bytes. It aliases the set
// and is for reading only, because writes would bypass the count.
func (s Set) Bytes() []byte {
	if s.d == nil {
		return nil
	}
	n := byteLen(s.d.n)
	return s.d.b[:n:n]
}

// Clone returns an independent copy.
func (s Set) Clone() Set {
	if s.d == nil {
		return Set{}
	}
	c := *s.d
	c.b = append([]byte(nil), s.d.b...)
	return Set{&c}
}

func byteLen(n int) int { return n>>3 + (n&7+7)>>3 }

func (s Set) at(i int) (*byte, byte) {
	if uint(i) >= uint(s.Len()) {
		panic(fmt.Sprintf("bits: index %d out of range of %d", i, s.Len()))
	}
	return &s.d.b[i>>3], 0x80 >> (i & 7)
}

// word loads the 64 bits at byte offset o, bit 8*o in the highest place.
func (s Set) word(o int) uint64 { return binary.BigEndian.Uint64(s.d.b[o:]) }
