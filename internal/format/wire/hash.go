package wire

import "encoding/binary"

const (
	hashLen     = 32
	hashSpanLen = hashLen + 4*4
)

// HashSpan says which hashes of a file's Merkle tree a hash request, hashes or
// hash reject message is about (BEP 52, "hash request"). Its values are as
// received: only their form has been checked.
type HashSpan struct {
	Root   [32]byte // pieces root of the file
	Base   uint32   // layer, 0 the leaves
	Index  uint32   // first hash in that layer; a multiple of Length
	Length uint32   // number of hashes, a power of 2 in 2..512
	Proofs uint32   // uncle hashes asked for or, in hashes, at most given
}

// ParseHashSpan reads the payload of one of the three hash messages and
// returns the hashes behind the span, which only a Hashes message has. False
// when the payload is too short to have come from Parse.
func ParseHashSpan(payload []byte) (s HashSpan, hashes []byte, ok bool) {
	if len(payload) < hashSpanLen {
		return HashSpan{}, nil, false
	}
	copy(s.Root[:], payload)
	s.Base = binary.BigEndian.Uint32(payload[hashLen:])
	s.Index = binary.BigEndian.Uint32(payload[hashLen+4:])
	s.Length = binary.BigEndian.Uint32(payload[hashLen+8:])
	s.Proofs = binary.BigEndian.Uint32(payload[hashLen+12:])
	return s, payload[hashSpanLen:], true
}

// AppendHashSpan appends s as the payload of a hash request or hash reject, or
// as the start of that of a hashes message.
func AppendHashSpan(dst []byte, s HashSpan) []byte {
	dst = append(dst, s.Root[:]...)
	dst = binary.BigEndian.AppendUint32(dst, s.Base)
	dst = binary.BigEndian.AppendUint32(dst, s.Index)
	dst = binary.BigEndian.AppendUint32(dst, s.Length)
	return binary.BigEndian.AppendUint32(dst, s.Proofs)
}
