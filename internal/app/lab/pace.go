package lab

import (
	"net"
	"sync"
	"time"
)

// pacer holds what is written or read through it to a rate: the shaper of flows and plain downloads where links cannot be
// shaped. Several connections may share one. Safe for concurrent use.
type pacer struct {
	rate float64 // bytes/s

	mu   sync.Mutex
	free time.Time // when what was let through so far is paid for
}

const (
	// paceUnit is the most that is let through at once.
	paceUnit = 16 << 10

	// paceSlack is how far a connection may lag behind its rate and still catch up: a sleeping process is woken late on a
	// machine that has much to do, and that must not make the rate another.
	paceSlack = 50 * time.Millisecond
)

// pay returns the moment at which n bytes more may pass. What was not used before is lost, but for the slack.
func (p *pacer) pay(now time.Time, n int) (until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if earliest := now.Add(-paceSlack); p.free.Before(earliest) {
		p.free = earliest
	}
	p.free = p.free.Add(p.cost(n))
	return p.free
}

func (p *pacer) cost(n int) time.Duration {
	return time.Duration(float64(n) / p.rate * float64(time.Second))
}

// pass blocks until n bytes may pass.
func (p *pacer) pass(n int) { time.Sleep(time.Until(p.pay(time.Now(), n))) }

// pacedConn is a connection that sends and receives at the rates of its pacers; a nil one is no limit.
type pacedConn struct {
	net.Conn
	send, receive *pacer
}

func (c *pacedConn) Write(b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		part := b
		if c.send != nil {
			part = b[:min(len(b), paceUnit)]
			c.send.pass(len(part))
		}
		var m int
		m, err = c.Conn.Write(part)
		n, b = n+m, b[m:]
	}
	return n, err
}

func (c *pacedConn) Read(b []byte) (int, error) {
	if c.receive == nil {
		return c.Conn.Read(b)
	}
	n, err := c.Conn.Read(b[:min(len(b), paceUnit)])
	c.receive.pass(n)
	return n, err
}

// pacedListener paces what all of its connections send.
type pacedListener struct {
	net.Listener
	send *pacer
}

func (l *pacedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &pacedConn{Conn: c, send: l.send}, nil
}

// newPacer returns a pacer for a rate, nil for 0.
func newPacer(rate int64) *pacer {
	if rate <= 0 {
		return nil
	}
	return &pacer{rate: float64(rate)}
}
