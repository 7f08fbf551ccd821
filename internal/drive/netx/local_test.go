package netx

import (
	"net"
	"net/netip"
	"slices"
	"testing"
)

func TestLocalAddressIsOurs(t *testing.T) {
	ip := LocalAddress()
	if s := ScopeOf(ip); s == Forbidden {
		t.Fatalf("%v is %v", ip, s)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(addrs, func(a net.Addr) bool { return a.(*net.IPNet).IP.Equal(net.IP(ip.AsSlice())) }) {
		t.Errorf("%v is not an address of this machine: %v", ip, addrs)
	}
	if other4, other6 := interfaceAddresses(); ip.IsLoopback() && (other4.IsValid() || other6.IsValid()) {
		t.Errorf("loopback, though there are %v and %v", other4, other6)
	}
}

func TestAdvertisedHost(t *testing.T) {
	for in, want := range map[string]string{"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8::1": "2001:db8::1", "127.0.0.1": "127.0.0.1"} {
		if got := AdvertisedHost(netip.MustParseAddr(in)); got != want {
			t.Errorf("listening on %s: %s, want %s", in, got, want)
		}
	}
	for _, any := range []netip.Addr{{}, netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if got := AdvertisedHost(any); got != LocalAddress().String() {
			t.Errorf("listening on %v: %s", any, got)
		}
	}
}
