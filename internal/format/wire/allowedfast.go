package wire

import (
	"crypto/sha1"
	"encoding/binary"
	"net/netip"
	"slices"
)

// AllowedFastSet is the canonical set of k pieces that a peer at ip may
// request while choked (BEP 6, "Allowed Fast"), in the order generated. All
// pieces when there are no more than k. k is meant to be small, about 10.
//
// The BEP defines IPv4, by its /24 so that a user with several addresses gains
// nothing. For IPv6 the /48 takes its place, which the BEP leaves open and
// nobody else needs to reproduce.
func AllowedFastSet(ip netip.Addr, infohash [20]byte, pieces, k int) []uint32 {
	k = min(k, pieces)
	if k <= 0 || !ip.IsValid() {
		return nil
	}
	set := make([]uint32, 0, k)
	if k == pieces {
		for i := range pieces {
			set = append(set, uint32(i))
		}
		return set
	}
	sum := sha1.Sum(append(fastPrefix(ip.Unmap()), infohash[:]...))
	for {
		for i := 0; i < len(sum); i += 4 {
			piece := binary.BigEndian.Uint32(sum[i:]) % uint32(pieces)
			if slices.Contains(set, piece) {
				continue
			}
			if set = append(set, piece); len(set) == k {
				return set
			}
		}
		sum = sha1.Sum(sum[:])
	}
}

func fastPrefix(ip netip.Addr) []byte {
	b := ip.AsSlice()
	if ip.Is4() {
		b[3] = 0
		return b
	}
	return b[:6]
}
