package netx

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Conn is a stream to a peer. TCP implements it here; encryption wraps one, and
// other transports implement it too.
type Conn interface {
	// ReadSlab waits until the peer has sent something, borrows a slab from
	// pool, puts carry at its start and what was received behind it. It
	// returns the slab, with one use for the caller to release, and the length
	// of both together. carry is the partial message left from the last read;
	// it must be shorter than a slab and is not kept.
	//
	// While waiting for data, no slab is held. When data is there but the pool
	// is exhausted it waits for a slab until ctx ends or the Conn is closed;
	// ctx does not end the wait for data: SetReadDeadline and Close do. After
	// an error no slab is returned, and at the end of the stream it is io.EOF.
	ReadSlab(ctx context.Context, pool *SlabPool, carry []byte) (s *Slab, n int, err error)

	// Read is io.Reader's, for the handshake, which is smaller than any slab.
	Read(p []byte) (int, error)

	// WriteBuffers sends the buffers in order, in as few system calls as there
	// can be, and returns the bytes sent. It consumes bufs: its elements are
	// changed, their bytes are not.
	WriteBuffers(bufs [][]byte) (int64, error)

	// Deadlines as in net.Conn: the zero time means none, and a passed one
	// ends calls under way with an error that is os.ErrDeadlineExceeded.
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error

	Close() error

	// Addresses without IPv4 mapping; zero for transports that have none.
	LocalAddr() netip.AddrPort
	RemoteAddr() netip.AddrPort
}

// NewConn makes a Conn of any net.Conn. TCP connections get the fast path;
// others cost one more copy of what they receive.
func NewConn(c net.Conn) Conn {
	if tcp, ok := c.(*net.TCPConn); ok {
		return newTCPConn(tcp)
	}
	return newStreamConn(c)
}

// AddrPortOf reads the IP address and port of a TCP or UDP address, without
// IPv4 mapping; zero for others.
func AddrPortOf(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case nil:
		return ap
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	default:
		ap, _ = netip.ParseAddrPort(a.String())
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// checkCarry refuses a carry that leaves no room to read into.
func checkCarry(pool *SlabPool, carry []byte) error {
	if len(carry) >= pool.Size() {
		return fmt.Errorf("read from peer: partial message of %d bytes does not fit a slab of %d", len(carry), pool.Size())
	}
	return nil
}

// slabError is what a wait for a slab that ended without one comes to.
func slabError(ctx context.Context, err error) error {
	if err == errGaveUp {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("read from peer: wait for a slab: %w", err)
}
