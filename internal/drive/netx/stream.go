package netx

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// stageBytes is what an unspecific connection receives at a time.
const stageBytes = 16 << 10

// streamConn is a Conn over any net.Conn. Such a connection cannot say that it
// is readable without reading, so it reads into a stage of its own and borrows
// a slab for what came.
type streamConn struct {
	conn          net.Conn
	local, remote netip.AddrPort
	closeOnce     sync.Once
	closed        chan struct{}

	// The reader's.
	stage  []byte
	staged []byte // received, not yet delivered: a part of stage

	// The writer's.
	bufs net.Buffers
}

func newStreamConn(c net.Conn) *streamConn {
	return &streamConn{
		conn:   c,
		local:  AddrPortOf(c.LocalAddr()),
		remote: AddrPortOf(c.RemoteAddr()),
		closed: make(chan struct{}),
	}
}

func (c *streamConn) ReadSlab(ctx context.Context, pool *SlabPool, carry []byte) (*Slab, int, error) {
	if err := checkCarry(pool, carry); err != nil {
		return nil, 0, err
	}
	for len(c.staged) == 0 {
		if c.stage == nil {
			c.stage = make([]byte, stageBytes)
		}
		n, err := c.conn.Read(c.stage)
		if c.staged = c.stage[:n]; n == 0 && err != nil {
			return nil, 0, err
		}
	}
	s, err := pool.get(ctx.Done(), c.closed)
	if err != nil {
		return nil, 0, slabError(ctx, err) // what is staged stays for the next call
	}
	n := copy(s.Bytes, carry)
	k := copy(s.Bytes[n:], c.staged)
	c.staged = c.staged[k:]
	return s, n + k, nil
}

func (c *streamConn) Read(p []byte) (int, error) {
	if len(c.staged) > 0 {
		n := copy(p, c.staged)
		c.staged = c.staged[n:]
		return n, nil
	}
	return c.conn.Read(p)
}

func (c *streamConn) WriteBuffers(bufs [][]byte) (int64, error) {
	c.bufs = bufs
	n, err := c.bufs.WriteTo(c.conn)
	c.bufs = nil
	return n, err
}

func (c *streamConn) Close() error {
	c.closeOnce.Do(func() { close(c.closed) })
	return c.conn.Close()
}

func (c *streamConn) SetReadDeadline(t time.Time) error  { return c.conn.SetReadDeadline(t) }
func (c *streamConn) SetWriteDeadline(t time.Time) error { return c.conn.SetWriteDeadline(t) }
func (c *streamConn) LocalAddr() netip.AddrPort          { return c.local }
func (c *streamConn) RemoteAddr() netip.AddrPort         { return c.remote }
