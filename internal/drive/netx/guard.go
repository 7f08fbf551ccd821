package netx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// ErrScope is wrapped when an address is less public than who named it.
var ErrScope = errors.New("address is less public than its source")

// CheckScope is the rule against forged requests: nil when ip may be contacted
// on the word of a source of scope min. With Forbidden, the scope of the user's
// own word, everything but forbidden addresses may.
func CheckScope(ip netip.Addr, min Scope) error {
	switch s := ScopeOf(ip); {
	case s == Forbidden:
		return fmt.Errorf("contact %v: %w: a link-local or reserved address is never contacted", ip, ErrScope)
	case s < min:
		return fmt.Errorf("contact %v: %w: %v named by %v", ip, ErrScope, s, min)
	}
	return nil
}

// GuardedDialer dials for HTTP clients and checks each address when it is about
// to be connected to, after DNS: so neither a redirect nor a name that changes
// its address leads inside.
//
// Use one http.Transport for each Min. A Transport keeps connections by host
// name and hands them on without dialling, so a shared one would lend a public
// source the connection that the user's own word has opened.
type GuardedDialer struct {
	// Min is the least public scope to contact: ScopeOf the address that
	// named the target, as a redirect does; Forbidden (0) when the user did.
	Min Scope
	// Exempt are the HOST:PORT that the user has configured and that may be at
	// any scope: HTTP proxies.
	Exempt []string
	// Source is as in Dialer: other families are then not tried.
	Source netip.Addr
	// Timeout is as in Dialer, for all addresses of the name together.
	Timeout time.Duration
}

// DialContext is for http.Transport.DialContext.
func (g *GuardedDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: g.Timeout, KeepAliveConfig: keepAlive}
	if d.Timeout <= 0 {
		d.Timeout = DefaultDialTimeout
	}
	if source := g.Source.Unmap(); source.IsValid() && !source.IsUnspecified() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	if !slices.Contains(g.Exempt, address) {
		d.Control = g.Control
	}
	return d.DialContext(ctx, network, address)
}

// Control is for net.Dialer.Control: it refuses before the first packet.
func (g *GuardedDialer) Control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("contact %q: not an address: %w", address, err)
	}
	return CheckScope(ap.Addr(), g.Min)
}
