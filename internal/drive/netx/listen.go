package netx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// notSentLowat is how much the kernel may hold unsent for a peer: enough that
// the writer need not hurry, and little enough that a choke, cancel or change of
// rate bites soon.
const notSentLowat = 256 << 10

// keepAlive finds peers that vanished in silence, within some 2.5 minutes; the
// peer protocol's own keep-alives do it too, but only once it is spoken.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 90 * time.Second, Interval: 15 * time.Second, Count: 4}

// Accept waits this long, doubling, after errors that pass, such as having no
// file descriptor left.
const (
	acceptWaitMin = 5 * time.Millisecond
	acceptWaitMax = time.Second
)

// ParseListen reads the address of a --listen: IP:PORT, [IP]:PORT, or :PORT for
// all addresses of both families, for which the zero Addr stands. Host names
// are refused, since they may change and may mean several addresses.
func ParseListen(s string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen address %q: want IP:PORT or :PORT", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen address %q: port %q is not in 0-65535", s, port)
	}
	if host == "" {
		return netip.AddrPortFrom(netip.Addr{}, uint16(n)), nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen address %q: %q is not an IP address", s, host)
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), nil
}

// network and address for the net package. 0.0.0.0 means IPv4 only, as
// elsewhere; net alone would take both families.
func listenTarget(addr netip.AddrPort) (network, address string) {
	switch ip := addr.Addr(); {
	case !ip.IsValid(), ip == netip.IPv6Unspecified():
		return "tcp", net.JoinHostPort("", strconv.Itoa(int(addr.Port())))
	case ip.Is4():
		return "tcp4", addr.String()
	default:
		return "tcp6", addr.String()
	}
}

// Listener accepts peers.
type Listener struct {
	tcp       *net.TCPListener
	addr      netip.AddrPort
	closeOnce sync.Once
	closed    chan struct{}
}

// ListenTCP listens on addr. A zero or [::] address takes both families, port 0
// any free port, which Addr then tells.
func ListenTCP(ctx context.Context, addr netip.AddrPort) (*Listener, error) {
	network, address := listenTarget(addr)
	config := net.ListenConfig{KeepAliveConfig: keepAlive}
	ln, err := config.Listen(ctx, network, address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: port %d is in use by another program: %w", address, addr.Port(), syscall.EADDRINUSE)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	tcp := ln.(*net.TCPListener) // of a tcp network it always is
	return &Listener{tcp: tcp, addr: AddrPortOf(tcp.Addr()), closed: make(chan struct{})}, nil
}

// Addr is the address listened on, with the port that was chosen.
func (l *Listener) Addr() netip.AddrPort { return l.addr }

// Accept waits for the next peer. It rides out what passes (no descriptors
// left, peers gone before they were accepted), so an error means that the
// listener is at its end; after Close it is net.ErrClosed.
func (l *Listener) Accept() (Conn, error) {
	wait := acceptWaitMin
	for {
		tcp, err := l.tcp.AcceptTCP()
		if err == nil {
			return newPeerConn(tcp), nil
		}
		if !passes(err) {
			return nil, fmt.Errorf("accept peer on %v: %w", l.addr, err)
		}
		select {
		case <-time.After(wait):
		case <-l.closed:
			return nil, fmt.Errorf("accept peer on %v: %w", l.addr, net.ErrClosed)
		}
		wait = min(2*wait, acceptWaitMax)
	}
}

func passes(err error) bool {
	for _, e := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EPERM, // EPERM: a firewall rule
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Close ends Accept. Accepted peers stay.
func (l *Listener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return l.tcp.Close()
}

// newPeerConn makes a Conn with the options for peers. SO_RCVBUF is left alone,
// since setting it ends the kernel's own tuning; TCP_NODELAY is Go's default.
// An option that cannot be set costs speed, not the connection.
func newPeerConn(tcp *net.TCPConn) Conn {
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = setNotSentLowat(raw, notSentLowat)
	}
	return newTCPConn(tcp)
}
