package announce

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Sizes of one compact peer: 4 or 16 bytes of address and 2 of port, both big-endian (BEP 23, BEP 7).
const (
	Stride4 = 4 + 2
	Stride6 = 16 + 2
)

// AppendPeer appends p's compact form: 6 bytes for IPv4 (mapped or not), 18 for IPv6.
func AppendPeer(b []byte, p netip.AddrPort) []byte {
	if a := p.Addr().Unmap(); a.Is4() {
		v := a.As4()
		b = append(b, v[:]...)
	} else {
		v := a.As16()
		b = append(b, v[:]...)
	}
	return binary.BigEndian.AppendUint16(b, p.Port())
}

// appendCompact appends to peers those in b, which holds entries of the given stride. Entries that cannot be connected to
// (port 0, the unspecified address) are left out; those past MaxPeers are ignored.
func appendCompact(peers []Peer, b []byte, stride int) ([]Peer, error) {
	if len(b)%stride != 0 {
		return peers, fmt.Errorf("%w: %d bytes of compact peers are not a multiple of %d", ErrMalformed, len(b), stride)
	}
	n := min(len(b)/stride, max(0, MaxPeers-len(peers)))
	if n > 0 && peers == nil {
		peers = make([]Peer, 0, n)
	}
	for ; n > 0; n-- {
		a, _ := netip.AddrFromSlice(b[:stride-2])
		p := netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(b[stride-2:]))
		b = b[stride:]
		if usable(p) {
			peers = append(peers, Peer{Addr: p})
		}
	}
	return peers, nil
}

// usable reports whether p can be the address of a peer at all.
func usable(p netip.AddrPort) bool {
	a := p.Addr()
	return a.IsValid() && p.Port() != 0 && !a.IsUnspecified() && !a.IsMulticast()
}

// splitPeers appends the compact forms of r's peers by family, those already compact first.
func (r *Response) splitPeers(b4, b6 []byte) ([]byte, []byte) {
	b4 = append(b4, r.Compact4...)
	b6 = append(b6, r.Compact6...)
	for _, p := range r.Peers {
		if p.Addr.Addr().Unmap().Is4() {
			b4 = AppendPeer(b4, p.Addr)
		} else {
			b6 = AppendPeer(b6, p.Addr)
		}
	}
	return b4, b6
}
