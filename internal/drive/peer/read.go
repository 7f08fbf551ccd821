package peer

import (
	"fmt"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/netx"
	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// read parses what arrives and hands it over, one batch a read. The slab is borrowed by ReadSlab only once the socket is
// readable, so an idle peer holds none; the incomplete message at its end is carried over by a copy.
func (c *Conn) read() error {
	for {
		if err := c.cfg.Conn.SetReadDeadline(time.Now().Add(c.cfg.Idle)); err != nil {
			return err
		}
		slab, n, err := c.cfg.Conn.ReadSlab(c.ctx, c.cfg.ReadPool, c.carry)
		if err != nil {
			return err
		}
		if err := c.handle(slab, n); err != nil {
			return err
		}
	}
}

// handle hands over what one read brought. It gives the slab back even if that panics: there are few of them.
func (c *Conn) handle(slab *netx.Slab, n int) error {
	defer slab.Release()
	rest, err := c.parse(slab.Bytes[:n])
	if err != nil {
		return err
	}
	if len(c.msgs) > 0 {
		if err := c.cfg.Handler.Receive(c, slab, c.msgs); err != nil {
			return err
		}
	}
	return c.keep(rest, len(slab.Bytes))
}

// parse fills c.msgs with the whole messages of b and returns what is left.
func (c *Conn) parse(b []byte) ([]byte, error) {
	c.msgs = c.msgs[:0]
	for {
		m, n, err := wire.Parse(b, c.cfg.MaxMessage)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return b, nil
		}
		b = b[n:]
		if m.Kind != wire.KeepAlive {
			c.msgs = append(c.msgs, m)
		}
	}
}

// keep remembers the start of an incomplete message until the rest is there.
func (c *Conn) keep(rest []byte, slab int) error {
	if len(rest) >= slab {
		return fmt.Errorf("message of %d bytes does not fit a read buffer of %d", wire.Need(rest), slab)
	}
	if len(rest) == 0 && cap(c.carry) > 4<<10 {
		c.carry = nil // an idle peer keeps nothing
		return nil
	}
	c.carry = append(c.carry[:0], rest...)
	return nil
}
