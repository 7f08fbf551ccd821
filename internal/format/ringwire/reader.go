package ringwire

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// ErrMalformed is what every decoder of this package returns for bytes that no encoder of it makes.
var ErrMalformed = errors.New("malformed")

// Reader takes values off the front of b. The first value that is not there, or is out of bounds, makes it fail: it
// then yields zeros, so that a decoder reads everything and asks once, with Err or Done. What it returns aliases b.
type Reader struct {
	b   []byte
	bad bool
}

// NewReader reads b.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Fail makes the reader fail: the decoder found a value that makes no sense.
func (r *Reader) Fail() { r.b, r.bad = nil, true }

// Err is ErrMalformed after a failure.
func (r *Reader) Err() error {
	if r.bad {
		return ErrMalformed
	}
	return nil
}

// Done is Err, and ErrMalformed if bytes are left.
func (r *Reader) Done() error {
	if r.bad || len(r.b) > 0 {
		return ErrMalformed
	}
	return nil
}

// Len is the number of bytes left.
func (r *Reader) Len() int { return len(r.b) }

// Fixed takes n bytes; after a failure it is n zeros if n is small, so that it can be converted to an array.
func (r *Reader) Fixed(n int) []byte {
	if n > len(r.b) || n < 0 {
		r.Fail()
		if n < 0 || n > len(zeros) {
			return nil
		}
		return zeros[:n:n]
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

var zeros [64]byte // as long as the longest array that decoders take: a signature

// Byte takes one byte.
func (r *Reader) Byte() byte { return r.Fixed(1)[0] }

// Bool takes a byte that must be 0 or 1.
func (r *Reader) Bool() bool {
	b := r.Byte()
	if b > 1 {
		r.Fail()
	}
	return b == 1
}

// Uint16, Uint32 and Uint64 take big endian numbers.
func (r *Reader) Uint16() uint16 { return binary.BigEndian.Uint16(r.Fixed(2)) }
func (r *Reader) Uint32() uint32 { return binary.BigEndian.Uint32(r.Fixed(4)) }
func (r *Reader) Uint64() uint64 { return binary.BigEndian.Uint64(r.Fixed(8)) }

// Uvarint takes a number in the shortest form of encoding/binary's varints: a longer form would give one value two encodings.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 1 && r.b[n-1] == 0 {
		r.Fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Count takes a number of things that follow, each at least size bytes long, so that a caller may allocate for them: what
// the rest of the message cannot hold fails.
func (r *Reader) Count(size int) int {
	n := r.Uvarint()
	if n > uint64(len(r.b)/max(size, 1)) {
		r.Fail()
		return 0
	}
	return int(n)
}

// Bytes takes a length and that many bytes, at most limit.
func (r *Reader) Bytes(limit int) []byte {
	n := r.Uvarint()
	if n > uint64(limit) || n > uint64(len(r.b)) {
		r.Fail()
		return nil
	}
	return r.Fixed(int(n))
}

// ID takes a position.
func (r *Reader) ID() ID { return ID(r.Fixed(len(ID{}))) }

// Addr takes an address and port, IPv4 never in IPv6's clothes.
func (r *Reader) Addr() netip.AddrPort {
	var ip netip.Addr
	switch n := r.Byte(); n {
	case 0:
		return netip.AddrPort{}
	case 4:
		ip = netip.AddrFrom4([4]byte(r.Fixed(4)))
	case 16:
		ip = netip.AddrFrom16([16]byte(r.Fixed(16)))
		if ip.Is4In6() {
			r.Fail()
		}
	default:
		r.Fail()
	}
	port := r.Uint16()
	if r.bad {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, port)
}

// AppendBytes appends the length of p as a uvarint, and p.
func AppendBytes(b, p []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(p))), p...)
}

// AppendBool appends one byte, 0 or 1.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendAddr appends an address as Reader.Addr takes it; the zero value is one byte.
func AppendAddr(b []byte, a netip.AddrPort) []byte {
	ip := a.Addr().Unmap().WithZone("")
	switch {
	case !ip.IsValid():
		return append(b, 0)
	case ip.Is4():
		v := ip.As4()
		b = append(append(b, 4), v[:]...)
	default:
		v := ip.As16()
		b = append(append(b, 16), v[:]...)
	}
	return binary.BigEndian.AppendUint16(b, a.Port())
}
