package netx

import (
	"net"
	"net/netip"
)

// Addresses that no packet is ever sent to, only asked the way to: the ranges
// for documentation, which routing tables leave to the default route.
const (
	probe4 = "192.0.2.1:9"
	probe6 = "[2001:db8::1]:9"
)

// LocalAddress is the address of this machine that others most likely reach:
// that of the default route, else that of the first interface that is up, IPv4
// before IPv6, and 127.0.0.1 when there is neither. It sends nothing.
func LocalAddress() netip.Addr {
	ip4, ip6 := interfaceAddresses()
	for _, ip := range []netip.Addr{routeSource("udp4", probe4), ip4, routeSource("udp6", probe6), ip6} {
		if reachable(ip) {
			return ip
		}
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// AdvertisedHost is the address to tell others, for a service that listens on
// ip: itself when it is explicit, else LocalAddress. For use in URLs join it by
// net.JoinHostPort, which brackets IPv6.
func AdvertisedHost(ip netip.Addr) string {
	if ip = ip.Unmap(); ip.IsValid() && !ip.IsUnspecified() {
		return ip.String()
	}
	return LocalAddress().String()
}

// routeSource asks the kernel from which address it would send: connecting a
// UDP socket looks up the route and sends no packet.
func routeSource(network, target string) netip.Addr {
	c, err := net.Dial(network, target)
	if err != nil {
		return netip.Addr{}
	}
	defer c.Close()
	return AddrPortOf(c.LocalAddr()).Addr()
}

// interfaceAddresses returns the first address of each family that is good to
// tell, zero where there is none.
func interfaceAddresses() (ip4, ip6 netip.Addr) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, _ := i.Addrs() // an interface may vanish meanwhile
		for _, a := range addrs {
			network, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			ip, _ := netip.AddrFromSlice(network.IP)
			switch ip = ip.Unmap(); {
			case !reachable(ip):
			case ip.Is4() && !ip4.IsValid():
				ip4 = ip
			case ip.Is6() && !ip6.IsValid():
				ip6 = ip
			}
		}
	}
	return ip4, ip6
}

// reachable tells whether another machine can use the address without knowing
// an interface for it.
func reachable(ip netip.Addr) bool {
	return ScopeOf(ip) >= Private
}
