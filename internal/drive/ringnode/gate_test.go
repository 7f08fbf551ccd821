package ringnode

import (
	"net/netip"
	"testing"
)

// A flood pushes out itself, the longest silent first, and only of its own network while that has too many; handshakes that are not ended take no
// other network's places.
func TestGate(t *testing.T) {
	g := newGate()
	flooder, other := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("198.51.100.9")
	closed := map[int]bool{}
	var all []*stranger
	connect := func(addr netip.Addr) *stranger {
		s, i := g.enter(addr), len(all)
		if s == nil {
			t.Fatalf("stranger %d finds no place", i)
		}
		all = append(all, s)
		s.connected(func() { closed[i] = true })
		return s
	}
	honest := connect(other)
	for range maxPrefixStrangers {
		connect(flooder)
	}
	if len(closed) > 0 {
		t.Errorf("within the bound %d were pushed out", len(closed))
	}
	connect(flooder)
	connect(netip.MustParseAddr("192.0.2.200")) // of the same network
	if len(closed) != 2 || !closed[1] || !closed[2] || honest.gone {
		t.Errorf("pushed out were %v, want 1 and 2", closed)
	}
	for i := range maxStrangers { // from everywhere
		connect(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}))
	}
	if waiting, _, _ := g.numbers(); waiting != maxStrangers || !honest.gone {
		t.Errorf("%d strangers, %d may be; the longest silent one gone: %t", waiting, maxStrangers, honest.gone)
	}
	for _, s := range all {
		s.done()
		s.done()
	}
	var begun []*stranger
	for range maxPrefixBeginners {
		begun = append(begun, g.enter(flooder))
	}
	if g.enter(flooder) != nil {
		t.Error("one network begins more than its bound")
	}
	if s := g.enter(other); s == nil {
		t.Error("half handshakes of one network keep another out")
	} else {
		s.done()
	}
	for i := maxPrefixBeginners; i < maxBeginners; i++ {
		begun = append(begun, g.enter(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})))
	}
	if g.enter(other) != nil {
		t.Error("more handshakes are under way than the bound")
	}
	for _, s := range begun {
		s.done()
	}
	if waiting, beginners, _ := g.numbers(); waiting != 0 || beginners != 0 || len(g.prefixes) != 0 {
		t.Errorf("left are %d strangers, %d beginners, %d networks", waiting, beginners, len(g.prefixes))
	}
}
