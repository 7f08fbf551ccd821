package netx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// DefaultDialTimeout bounds a connection attempt when Dialer.Timeout is 0.
const DefaultDialTimeout = 10 * time.Second

// ErrNoSource is wrapped when the peer's address family is not that of the
// source address.
var ErrNoSource = errors.New("source address is of the other family")

// Dialer connects to peers. The zero value is ready.
type Dialer struct {
	// Source is the local address of all connections; zero or unspecified
	// (0.0.0.0, ::) lets the system choose. "an explicit IP in --listen is also
	// the source of outgoing peer connections".
	Source netip.Addr
	// Timeout bounds an attempt; 0 means DefaultDialTimeout, and ctx may end it
	// sooner.
	Timeout time.Duration
}

// Dial connects to a peer.
func (d *Dialer) Dial(ctx context.Context, peer netip.AddrPort) (Conn, error) {
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	nd := net.Dialer{
		Timeout:         d.Timeout,
		KeepAliveConfig: keepAlive,
		Control:         func(_, _ string, c syscall.RawConn) error { return d.control(c) },
	}
	if nd.Timeout <= 0 {
		nd.Timeout = DefaultDialTimeout
	}
	if source := d.source(); source.IsValid() {
		if source.Is4() != peer.Addr().Is4() {
			return nil, fmt.Errorf("connect to peer %v from %v: %w", peer, source, ErrNoSource)
		}
		nd.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	c, err := nd.DialContext(ctx, "tcp", peer.String())
	if err != nil {
		return nil, fmt.Errorf("connect to peer: %w", err) // err names the peer
	}
	return newPeerConn(c.(*net.TCPConn)), nil
}

func (d *Dialer) source() netip.Addr {
	if ip := d.Source.Unmap(); ip.IsValid() && !ip.IsUnspecified() {
		return ip
	}
	return netip.Addr{}
}

// control sets the option that must come before bind. Not every kernel has it,
// and without it only the number of connections suffers.
func (d *Dialer) control(c syscall.RawConn) error {
	if d.source().IsValid() {
		_ = setBindNoPort(c)
	}
	return nil
}
