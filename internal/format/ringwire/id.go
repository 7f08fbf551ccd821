// Package ringwire turns the ring's values into bytes and back: positions, hosts, records and the frames that nodes exchange.
package ringwire

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
)

// MaxBits is the width of a position: the first 160 bits of a SHA-256.
const MaxBits = 160

// ID is a position on the ring, big endian. In a ring of M < 160 bits the number stands in the top M bits and the rest is zero,
// so that one arithmetic, modulo 2^160, serves rings of every width and the order of positions is that of their bytes.
type ID [MaxBits / 8]byte

// Host is a process' own handle of a machine that it knows: an index into its host table, or a simulated node's number. It
// never leaves the process.
type Host uint32

// Ref is one position and the host that stands there. A host with several virtual nodes has as many positions.
type Ref struct {
	ID   ID
	Host Host
}

// Compare orders positions from 0 upwards.
func (a ID) Compare(b ID) int { return bytes.Compare(a[:], b[:]) }

// Between reports whether x lies in the open arc that begins after a and ends before b, clockwise. The arc from a position
// to itself is the whole ring but that position (Stoica et al. 2001, section 4).
func Between(a, x, b ID) bool {
	if a.Compare(b) < 0 {
		return a.Compare(x) < 0 && x.Compare(b) < 0
	}
	return a.Compare(x) < 0 || x.Compare(b) < 0
}

// Within reports whether x lies in the arc (a, b], the keys of b when a is its predecessor. The arc from a position to itself
// is the whole ring.
func Within(a, x, b ID) bool { return x == b || Between(a, x, b) }

// Sub is a - b modulo 2^160: how far a is clockwise from b.
func (a ID) Sub(b ID) ID {
	lo, borrow := bits.Sub64(binary.BigEndian.Uint64(a[12:]), binary.BigEndian.Uint64(b[12:]), 0)
	mid, borrow := bits.Sub64(binary.BigEndian.Uint64(a[4:]), binary.BigEndian.Uint64(b[4:]), borrow)
	hi := binary.BigEndian.Uint32(a[:]) - binary.BigEndian.Uint32(b[:]) - uint32(borrow)
	return words(hi, mid, lo)
}

// Add is a + b modulo 2^160.
func (a ID) Add(b ID) ID {
	lo, carry := bits.Add64(binary.BigEndian.Uint64(a[12:]), binary.BigEndian.Uint64(b[12:]), 0)
	mid, carry := bits.Add64(binary.BigEndian.Uint64(a[4:]), binary.BigEndian.Uint64(b[4:]), carry)
	hi := binary.BigEndian.Uint32(a[:]) + binary.BigEndian.Uint32(b[:]) + uint32(carry)
	return words(hi, mid, lo)
}

func words(hi uint32, mid, lo uint64) (id ID) {
	binary.BigEndian.PutUint32(id[:], hi)
	binary.BigEndian.PutUint64(id[4:], mid)
	binary.BigEndian.PutUint64(id[12:], lo)
	return id
}

// Space is a ring of 2^Bits positions; the zero value has all 160 bits.
type Space struct {
	Bits int // 1 to 160; 0 = 160
}

// Width is the number of bits of a position.
func (s Space) Width() int {
	if s.Bits == 0 {
		return MaxBits
	}
	return s.Bits
}

// Unit is the distance between neighbouring positions times 2^i: the reach of finger i, 0 <= i < Width().
func (s Space) Unit(i int) (id ID) {
	bit := MaxBits - s.Width() + i // from the least significant
	id[len(id)-1-bit/8] = 1 << (bit % 8)
	return id
}

// Finger is where finger i of the node at id points: id + 2^i (Stoica et al. 2001, table 1).
func (s Space) Finger(id ID, i int) ID { return id.Add(s.Unit(i)) }

// ID is the position of a number in a teaching ring, which must be below 2^Bits.
func (s Space) ID(n uint64) (ID, error) {
	w := s.Width()
	if w < 64 && n>>w != 0 {
		return ID{}, fmt.Errorf("position %d is outside a ring of %d bits: use 0 to %d", n, w, uint64(1)<<w-1)
	}
	var id ID
	for i := range min(w, 64) {
		if n>>i&1 != 0 {
			id = id.Add(s.Unit(i))
		}
	}
	return id, nil
}

// Has reports whether id is a position of the ring: one without bits below those that it counts.
func (s Space) Has(id ID) bool { return id.zeroFrom(s.Width()) }

// zeroFrom reports whether only the first n bits of a may be set.
func (a ID) zeroFrom(n int) bool {
	for i, b := range a {
		if keep := n - 8*i; keep <= 0 && b != 0 || keep > 0 && keep < 8 && b<<keep != 0 {
			return false
		}
	}
	return true
}

// Number is the inverse of ID, for rings of at most 64 bits.
func (s Space) Number(id ID) uint64 {
	w := s.Width()
	if w > 64 {
		panic("ringwire: Number of a ring wider than 64 bits")
	}
	return binary.BigEndian.Uint64(id[:]) >> (64 - w)
}

// Format writes a position as people read it: decimal in rings of up to 64 bits, else hex.
func (s Space) Format(id ID) string {
	if s.Width() <= 64 {
		return strconv.FormatUint(s.Number(id), 10)
	}
	return hex.EncodeToString(id[:])
}

// Hash is the position of something: the first Width bits of the SHA-256 of a domain tag and the parts, each preceded by its
// length in 8 bytes, so that no two lists of parts run into the same bytes.
func (s Space) Hash(tag string, parts ...[]byte) (id ID) {
	h := sha256.New()
	var length [8]byte
	for _, p := range append([][]byte{[]byte(tag)}, parts...) {
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write(p)
	}
	sum := h.Sum(nil)
	copy(id[:], sum)
	w := s.Width()
	for i := range id {
		switch keep := w - 8*i; {
		case keep <= 0:
			id[i] = 0
		case keep < 8:
			id[i] &= 0xff << (8 - keep)
		}
	}
	return id
}

// The domain tags of Hash.
const (
	KeyTag  = "eddy ring key"  // parts: the key
	NodeTag = "eddy ring node" // parts: the ring's ID, the host's public key, its certificate's nonce, the position's index in 4 bytes
)
