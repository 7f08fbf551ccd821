package netx

import (
	"errors"
	"net/netip"
	"testing"
)

func TestScopeOf(t *testing.T) {
	for _, c := range []struct {
		want Scope
		ips  []string
	}{
		{Public, []string{
			"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
			"128.0.0.1", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0",
			"192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
			"2606:4700::1111", "2a00::1", "::ffff:8.8.8.8",
			"64:ff9b::8.8.8.8",         // NAT64
			"2002:808:808::1",          // 6to4 of 8.8.8.8
			"2001:0:1:2:3:4:f7f7:f7f7", // Teredo of 8.8.8.8
			"::ffff:0:8.8.8.8",         // translated
		}},
		{Private, []string{
			"10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255",
			"100.64.0.0", "100.127.255.255", // carrier NAT
			"192.0.0.8", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
			"fc00::1", "fdff:ffff::1", "fec0::1", "2001:db8::1", "3fff::1", "2001:2::1", "2001:10::1",
			"::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::192.168.1.1", "64:ff9b:1::8.8.8.8", "2002:a00:1::",
			"2001:0:1:2:3:4:f5ff:fffe", // Teredo of 10.0.0.1
		}},
		{Loopback, []string{
			"127.0.0.1", "127.0.0.0", "127.255.255.255", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1",
			"64:ff9b:1::127.0.0.1", "2002:7f00:1::1", "::ffff:0:127.0.0.1",
		}},
		{Forbidden, []string{
			"169.254.0.0", "169.254.169.254", "169.254.255.255", "fe80::1", "fe80::1%eth0", "febf::1",
			"::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "64:ff9b:1::169.254.169.254", "2002:a9fe:a9fe::1",
			"0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0", "::127.0.0.1", "::8.8.8.8",
			"224.0.0.1", "239.192.152.143", "240.0.0.1", "255.255.255.255", "ff02::1", "ff15::efc0:988f", "ff0e::1",
			"100::1", "64:ff9b:2::1", "4000::1", "8000::1", "fe00::1",
		}},
	} {
		for _, ip := range c.ips {
			if got := ScopeOf(netip.MustParseAddr(ip)); got != c.want {
				t.Errorf("%s is %v, want %v", ip, got, c.want)
			}
		}
	}
	if ScopeOf(netip.Addr{}) != Forbidden {
		t.Error("no address is not forbidden")
	}
}

// trust.md: "public -> private -> loopback refused at dial; 169.254/16 always".
func TestCheckScope(t *testing.T) {
	targets := map[Scope]netip.Addr{
		Public: netip.MustParseAddr("8.8.8.8"), Private: netip.MustParseAddr("10.0.0.1"),
		Loopback: netip.MustParseAddr("::1"), Forbidden: netip.MustParseAddr("169.254.169.254"),
	}
	for min := Forbidden; min <= Public; min++ {
		for scope, ip := range targets {
			err := CheckScope(ip, min)
			if allowed := scope != Forbidden && scope >= min; (err == nil) != allowed {
				t.Errorf("%v target on the word of a %v source: %v", scope, min, err)
			}
			if err != nil && !errors.Is(err, ErrScope) {
				t.Errorf("error %v is no ErrScope", err)
			}
		}
	}
}

func FuzzScopeOf(f *testing.F) {
	for _, ip := range []string{"127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "fe80::1", "8.8.8.8"} {
		f.Add(netip.MustParseAddr(ip).AsSlice())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ip, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		s := ScopeOf(ip)
		if s > Public || ScopeOf(netip.AddrFrom16(ip.As16())) != s {
			t.Fatalf("%v is %v, but mapped %v", ip, s, ScopeOf(netip.AddrFrom16(ip.As16())))
		}
		// The standard library's classes are an independent witness.
		u := ip.Unmap()
		switch {
		case u.IsUnspecified() || u.IsMulticast() || u.IsLinkLocalUnicast():
			if s != Forbidden {
				t.Fatalf("%v is %v", ip, s)
			}
		case u.IsLoopback() && s != Loopback, u.IsPrivate() && s != Private:
			t.Fatalf("%v is %v", ip, s)
		}
	})
}
