package wire

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// PeerPriority ranks the connection between two endpoints (BEP 40): when there
// are too many, each side keeps the higher ones, and because both compute the
// same number they agree on which. Symmetric in its arguments.
func PeerPriority(a, b netip.AddrPort) uint32 {
	x, y := a.Addr().Unmap(), b.Addr().Unmap()
	if x == y {
		return priorityOfPorts(a.Port(), b.Port())
	}
	if x.Is4() && y.Is4() {
		p, q := x.As4(), y.As4()
		return priorityOf(p[:], q[:], 2)
	}
	// IPv4 against IPv6 has no rule; as mapped addresses both sides still
	// agree.
	p, q := x.As16(), y.As16()
	return priorityOf(p[:], q[:], 6)
}

// priorityOf masks all but the leading bytes of two addresses with 0x55, and
// one byte less for each byte from whole on in which they agree: the closer
// two peers are, the more of their addresses counts.
func priorityOf(p, q []byte, whole int) uint32 {
	if bytes.Equal(p[:whole], q[:whole]) {
		same := whole
		for same < len(p) && p[same] == q[same] {
			same++
		}
		whole = same + 1
	}
	for i := whole; i < len(p); i++ {
		p[i] &= 0x55
		q[i] &= 0x55
	}
	if bytes.Compare(p, q) > 0 {
		p, q = q, p
	}
	return crc32.Update(crc32.Checksum(p, castagnoli), castagnoli, q)
}

func priorityOfPorts(a, b uint16) uint32 {
	var ports [4]byte
	binary.BigEndian.PutUint16(ports[:], min(a, b))
	binary.BigEndian.PutUint16(ports[2:], max(a, b))
	return crc32.Checksum(ports[:], castagnoli)
}
