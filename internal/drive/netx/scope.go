package netx

import (
	"fmt"
	"net/netip"
)

// Scope is how public an IP address is. The order is that of the rule of
// SECURITY: who is at one scope may not make us contact a lower one.
type Scope uint8

const (
	// Forbidden addresses are never contacted: link-local ones, where cloud
	// machines keep their credentials, and those that are no host's.
	Forbidden Scope = iota
	// Loopback is this machine.
	Loopback
	// Private is any network that the Internet at large does not reach:
	// RFC 1918, shared address space (RFC 6598), unique local addresses, and
	// the documentation and benchmarking ranges.
	Private
	// Public is globally reachable.
	Public
)

// String names the scope.
func (s Scope) String() string {
	switch s {
	case Forbidden:
		return "forbidden"
	case Loopback:
		return "loopback"
	case Private:
		return "private"
	case Public:
		return "public"
	}
	return fmt.Sprintf("scope(%d)", uint8(s))
}

type scopeRange struct {
	prefix netip.Prefix
	scope  Scope
}

// The ranges follow the IANA special-purpose address registries; the first that
// holds the address counts.
var scopes4 = []scopeRange{
	{netip.MustParsePrefix("0.0.0.0/8"), Forbidden}, // "this network"; 0.0.0.0 reaches this machine
	{netip.MustParsePrefix("10.0.0.0/8"), Private},
	{netip.MustParsePrefix("100.64.0.0/10"), Private}, // carrier NAT
	{netip.MustParsePrefix("127.0.0.0/8"), Loopback},
	{netip.MustParsePrefix("169.254.0.0/16"), Forbidden}, // link-local
	{netip.MustParsePrefix("172.16.0.0/12"), Private},
	{netip.MustParsePrefix("192.0.0.0/24"), Private},
	{netip.MustParsePrefix("192.0.2.0/24"), Private}, // documentation
	{netip.MustParsePrefix("192.168.0.0/16"), Private},
	{netip.MustParsePrefix("198.18.0.0/15"), Private},   // benchmarking
	{netip.MustParsePrefix("198.51.100.0/24"), Private}, // documentation
	{netip.MustParsePrefix("203.0.113.0/24"), Private},  // documentation
	{netip.MustParsePrefix("224.0.0.0/3"), Forbidden},   // multicast, reserved, broadcast
	{netip.MustParsePrefix("0.0.0.0/0"), Public},
}

var scopes6 = []scopeRange{
	{netip.MustParsePrefix("::1/128"), Loopback},
	{netip.MustParsePrefix("fc00::/7"), Private},
	{netip.MustParsePrefix("fec0::/10"), Private}, // site-local of old
	{netip.MustParsePrefix("2001:2::/48"), Private},
	{netip.MustParsePrefix("2001:10::/28"), Private},
	{netip.MustParsePrefix("2001:20::/28"), Private},
	{netip.MustParsePrefix("2001:db8::/32"), Private}, // documentation
	{netip.MustParsePrefix("3fff::/20"), Private},     // documentation
	{netip.MustParsePrefix("2000::/3"), Public},
	// The rest is link-local, multicast, unspecified, or assigned to nobody.
	{netip.MustParsePrefix("::/0"), Forbidden},
}

// embeddings are the IPv6 ranges whose traffic ends at an IPv4 address within:
// they are as public as that one, and at most as public as limit.
var embeddings = []struct {
	prefix netip.Prefix
	at     int  // first byte of the IPv4 address
	invert bool // stored inverted
	limit  Scope
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12, false, Public},    // NAT64, RFC 6052
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12, false, Private}, // NAT64 of a site, RFC 8215
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12, false, Public}, // translated, RFC 2765
	{netip.MustParsePrefix("2002::/16"), 2, false, Public},        // 6to4
	{netip.MustParsePrefix("2001::/32"), 12, true, Public},        // Teredo: the client's
}

// ScopeOf classifies an address. IPv4 within IPv6, mapped or as a translator
// will read it, counts as the IPv4 address. An invalid one is Forbidden.
func ScopeOf(ip netip.Addr) Scope {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() {
		return Forbidden
	}
	if ip.Is4() {
		return lookUp(scopes4, ip)
	}
	for _, e := range embeddings {
		if e.prefix.Contains(ip) {
			b := ip.As16()
			v4 := [4]byte(b[e.at : e.at+4])
			if e.invert {
				for i := range v4 {
					v4[i] = ^v4[i]
				}
			}
			return min(e.limit, lookUp(scopes4, netip.AddrFrom4(v4)))
		}
	}
	return lookUp(scopes6, ip)
}

func lookUp(ranges []scopeRange, ip netip.Addr) Scope {
	for _, r := range ranges {
		if r.prefix.Contains(ip) {
			return r.scope
		}
	}
	return Forbidden
}
