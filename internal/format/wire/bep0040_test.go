package wire

import (
	"hash/crc32"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// BEP 40: "If the client is 123.213.32.10 and the peer is 98.76.54.32, the hash
// that they should both arrive at is crc32-c(624C14007BD50000) or ec2d7224. If
// the client is 123.213.32.10 and the peer is 123.213.32.234, the hash that they
// should both arrive at is crc32-c[(7BD5200A7BD520EA) or 99568189."
func TestPriorityVectors(t *testing.T) {
	crc := func(s string) uint32 { return crc32.Checksum([]byte(s), crc32.MakeTable(crc32.Castagnoli)) }
	for _, c := range []struct {
		name, a, b string
		want       uint32
	}{
		{"BEP 40, far", "123.213.32.10:1", "98.76.54.32:2", 0xec2d7224},
		{"BEP 40, same /24", "123.213.32.10:1", "123.213.32.234:2", 0x99568189},
		{"mapped is IPv4", "[::ffff:123.213.32.10]:1", "98.76.54.32:2", 0xec2d7224},
		// "If the IP addresses are in the same /16 ... FF.FF.FF.55"
		{"same /16", "10.1.254.255:1", "10.1.3.255:2", crc("\x0a\x01\x03\x55\x0a\x01\xfe\x55")},
		// "If the IP addresses are the same, the port numbers (16-bit
		// integers) should be used instead"
		{"same address", "10.1.2.3:511", "10.1.2.3:256", crc("\x01\x00\x01\xff")},
		// "For an IPv6 address, ... beginning with FFFF:FFFF:FFFF:5555:5555:5555:5555:5555"
		{"IPv6", "[2001:db8:0:ffff:ffff::]:1", "[2001:db8:1:ffff::]:1",
			crc("\x20\x01\x0d\xb8\x00\x00\x55\x55\x55\x55\x00\x00\x00\x00\x00\x00" + "\x20\x01\x0d\xb8\x00\x01\x55\x55\x00\x00\x00\x00\x00\x00\x00\x00")},
		// "in the same /48 ... FFFF:FFFF:FFFF:FF55:5555:5555:5555:5555"
		{"IPv6 same /48", "[2001:db8:0:ffff::]:1", "[2001:db8:0:feff::]:1",
			crc("\x20\x01\x0d\xb8\x00\x00\xfe\x55\x00\x00\x00\x00\x00\x00\x00\x00" + "\x20\x01\x0d\xb8\x00\x00\xff\x55\x00\x00\x00\x00\x00\x00\x00\x00")},
	} {
		a, b := netip.MustParseAddrPort(c.a), netip.MustParseAddrPort(c.b)
		if got := PeerPriority(a, b); got != c.want {
			t.Errorf("%s: %08x, want %08x", c.name, got, c.want)
		}
	}
}

// "... come up with a formula that all peers agree on".
func TestPriorityIsSymmetric(t *testing.T) {
	endpoint := rapid.Custom(func(t *rapid.T) netip.AddrPort {
		raw := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0x55, 0xff}), 16, 16).Draw(t, "ip")
		port := rapid.Uint16().Draw(t, "port")
		if rapid.Bool().Draw(t, "v6") {
			return netip.AddrPortFrom(netip.AddrFrom16([16]byte(raw)), port)
		}
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw)), port)
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := endpoint.Draw(t, "a"), endpoint.Draw(t, "b")
		if PeerPriority(a, b) != PeerPriority(b, a) {
			t.Fatalf("%v and %v disagree", a, b)
		}
	})
}
