package wire

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// BEP 6: "Have All: <len=0x0001><op=0x0E>, Have None: <len=0x0001><op=0x0F>,
// Suggest Piece: <len=0x0005><op=0x0D><index>, Reject Request:
// <len=0x000D><op=0x10><index><begin><length>, Allowed Fast:
// <len=0x0005><op=0x11><index>".
func TestFastMessageLayout(t *testing.T) {
	for want, m := range map[string]Message{
		"\x00\x00\x00\x01\x0e":                 {Kind: HaveAll},
		"\x00\x00\x00\x01\x0f":                 {Kind: HaveNone},
		"\x00\x00\x00\x05\x0d\x00\x00\x00\x05": {Kind: Suggest, Index: 5},
		"\x00\x00\x00\x0d\x10\x00\x00\x00\x01\x00\x00\x40\x00\x00\x00\x20\x00": {Kind: Reject, Index: 1, Begin: 1 << 14, Length: 1 << 13},
		"\x00\x00\x00\x05\x11\x00\x00\x00\x06":                                 {Kind: AllowedFast, Index: 6},
	} {
		if got := Append(nil, m); string(got) != want {
			t.Errorf("%v: %x, want %x", m.Kind, got, want)
		}
	}
}

// "These are enabled by setting the third least significant bit of the last
// reserved byte in the BitTorrent handshake: reserved[7] |= 0x04".
// The other bits as BEPs 5, 10 and 52 assign them.
func TestReservedBits(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*Handshake, bool)
		get  func(*Handshake) bool
		at   int
		mask byte
	}{
		{"fast", (*Handshake).SetFast, (*Handshake).Fast, 7, 0x04},
		{"extended", (*Handshake).SetExtended, (*Handshake).Extended, 5, 0x10},
		{"dht", (*Handshake).SetDHT, (*Handshake).DHT, 7, 0x01},
		{"v2 upgrade", (*Handshake).SetV2Upgrade, (*Handshake).V2Upgrade, 7, 0x10},
	} {
		var want, h Handshake
		want.Reserved[c.at] = c.mask
		if c.get(&h) {
			t.Errorf("%s: set in a zero handshake", c.name)
		}
		if c.set(&h, true); h != want || !c.get(&h) {
			t.Errorf("%s: reserved %x, want %x", c.name, h.Reserved, want.Reserved)
		}
		if c.set(&h, false); h != (Handshake{}) {
			t.Errorf("%s: reserved %x after unsetting", c.name, h.Reserved)
		}
	}
}

// BEP 6: "7 piece allowed fast set for torrent with 1313 pieces and hex infohash
// aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa for node with IP 80.4.4.200:
// 1059,431,808,1217,287,376,1188", and for 9 pieces the same and 353,508. "We do
// this to prevent a user that obtains more than one IP address on the same
// network from obtaining more than one allowed fast set."
func TestAllowedFastVector(t *testing.T) {
	var infohash [20]byte
	for i := range infohash {
		infohash[i] = 0xaa
	}
	want := []uint32{1059, 431, 808, 1217, 287, 376, 1188, 353, 508}
	ip := netip.MustParseAddr("80.4.4.200")
	for _, k := range []int{7, 9} {
		if got := AllowedFastSet(ip, infohash, 1313, k); !slices.Equal(got, want[:k]) {
			t.Errorf("%d pieces: %v, want %v", k, got, want[:k])
		}
	}
	for _, same := range []string{"80.4.4.0", "::ffff:80.4.4.1"} {
		if got := AllowedFastSet(netip.MustParseAddr(same), infohash, 1313, 9); !slices.Equal(got, want) {
			t.Errorf("%s, of the same /24: %v, want %v", same, got, want)
		}
	}
}

func TestAllowedFastIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces, k := rapid.IntRange(-1, 50).Draw(t, "pieces"), rapid.IntRange(-1, 20).Draw(t, "k")
		var ip netip.Addr
		if raw := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ip"); rapid.Bool().Draw(t, "v6") {
			ip = netip.AddrFrom16([16]byte(raw))
		} else {
			ip = netip.AddrFrom4([4]byte(raw))
		}
		got := AllowedFastSet(ip, [20]byte{1}, pieces, k)
		if want := max(min(pieces, k), 0); len(got) != want {
			t.Fatalf("%d pieces, want %d", len(got), want)
		}
		slices.Sort(got)
		if len(slices.Compact(got)) != len(got) {
			t.Fatalf("a piece twice in %v", got)
		}
		for _, p := range got {
			if int(p) >= pieces {
				t.Fatalf("piece %d of %d", p, pieces)
			}
		}
	})
	if got := AllowedFastSet(netip.Addr{}, [20]byte{}, 100, 10); got != nil {
		t.Errorf("no address: %v", got)
	}
}
