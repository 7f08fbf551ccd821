//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package netx

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tcpConn is a Conn over a TCP socket.
type tcpConn struct {
	tcp           *net.TCPConn
	raw           syscall.RawConn
	local, remote netip.AddrPort
	closeOnce     sync.Once
	closed        chan struct{}

	// The reader's. They are fields, and attempt a method value made once, so
	// that a read allocates nothing.
	attempt func(fd uintptr) bool
	pool    *SlabPool
	slab    *Slab // nil but during an attempt, and after one that received
	tail    int   // where in the slab to receive
	n       int
	err     error
	starved bool // data is there, but no slab was

	// The writer's.
	bufs net.Buffers
}

func newTCPConn(tcp *net.TCPConn) Conn {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return newStreamConn(tcp) // closed already: reads will say so
	}
	c := &tcpConn{
		tcp:    tcp,
		raw:    raw,
		local:  AddrPortOf(tcp.LocalAddr()),
		remote: AddrPortOf(tcp.RemoteAddr()),
		closed: make(chan struct{}),
	}
	c.attempt = c.tryRead
	return c
}

func (c *tcpConn) ReadSlab(ctx context.Context, pool *SlabPool, carry []byte) (*Slab, int, error) {
	if err := checkCarry(pool, carry); err != nil {
		return nil, 0, err
	}
	c.pool, c.tail = pool, len(carry)
	for {
		c.n, c.err, c.starved = 0, nil, false
		err := c.raw.Read(c.attempt)
		if err == nil && c.starved {
			// Waiting here and not in the attempt, which would hold up Close.
			if c.slab, err = pool.get(ctx.Done(), c.closed); err == nil {
				continue
			}
			return nil, 0, slabError(ctx, err)
		}
		s := c.slab
		c.slab, c.pool = nil, nil
		if err == nil {
			err = c.err
		}
		if err == nil && c.n == 0 {
			err = io.EOF
		}
		if err != nil {
			if s != nil {
				s.Release()
			}
			return nil, 0, err
		}
		copy(s.Bytes, carry)
		return s, len(carry) + c.n, nil
	}
}

// tryRead is one attempt; false means to call it again once the socket is
// readable. Readiness is found by reading: the poller is edge-triggered, so to
// wait before the socket has said "again" could be to wait for ever. A slab for
// that moment costs less than a system call to ask first.
func (c *tcpConn) tryRead(fd uintptr) (done bool) {
	if c.slab == nil {
		if c.slab = c.pool.TryGet(); c.slab == nil {
			return c.probe(int(fd))
		}
	}
	n, err := ignoringEINTR(func() (int, error) { return unix.Read(int(fd), c.slab.Bytes[c.tail:]) })
	if err == unix.EAGAIN {
		c.slab.Release()
		c.slab = nil
		return false
	}
	c.received(n, err)
	return true
}

// probe stands in for a read while the pool is exhausted: only sockets with
// data may queue for a slab.
func (c *tcpConn) probe(fd int) (done bool) {
	var b [1]byte
	n, err := ignoringEINTR(func() (int, error) {
		n, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK)
		return n, err
	})
	switch {
	case err == unix.EAGAIN:
		return false
	case err == nil && n > 0:
		c.starved = true
	default: // the end, or an error: no slab needed to report it
		c.received(n, err)
	}
	return true
}

func (c *tcpConn) received(n int, err error) {
	c.n = max(n, 0)
	if err != nil {
		c.err = &net.OpError{
			Op: "read", Net: "tcp", Source: c.tcp.LocalAddr(), Addr: c.tcp.RemoteAddr(),
			Err: os.NewSyscallError("read", err),
		}
	}
}

func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != unix.EINTR {
			return n, err
		}
	}
}

func (c *tcpConn) WriteBuffers(bufs [][]byte) (int64, error) {
	if len(bufs) == 1 {
		n, err := c.tcp.Write(bufs[0])
		return int64(n), err
	}
	c.bufs = bufs
	n, err := c.bufs.WriteTo(c.tcp)
	c.bufs = nil
	return n, err
}

func (c *tcpConn) Close() error {
	c.closeOnce.Do(func() { close(c.closed) })
	return c.tcp.Close()
}

func (c *tcpConn) Read(p []byte) (int, error)         { return c.tcp.Read(p) }
func (c *tcpConn) SetReadDeadline(t time.Time) error  { return c.tcp.SetReadDeadline(t) }
func (c *tcpConn) SetWriteDeadline(t time.Time) error { return c.tcp.SetWriteDeadline(t) }
func (c *tcpConn) LocalAddr() netip.AddrPort          { return c.local }
func (c *tcpConn) RemoteAddr() netip.AddrPort         { return c.remote }
