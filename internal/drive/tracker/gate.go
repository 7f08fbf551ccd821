package tracker

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
)

// gate bounds the HTTP connections that are open at once, in all and from one /24 or /64. At a bound it closes the one that
// has waited longest for its peer to send a request, and only if all are being answered refuses the new one. So floods of
// silent connections push out each other, and an honest peer, even from the flood's own address, gets its answer.
type gate struct {
	max, maxPrefix int

	mu       sync.Mutex
	conns    int
	waiting  list.List // of *gateConn, longest first
	prefixes map[netip.Prefix]*gatePrefix
}

// gatePrefix is the connections of one prefix.
type gatePrefix struct {
	conns   int
	waiting list.List // of *gateConn, longest first
}

// gateConn is a connection that its gate counts until it is closed.
type gateConn struct {
	net.Conn
	gate   *gate
	prefix netip.Prefix

	// Guarded by gate.mu.
	closed          bool
	inAll, inPrefix *list.Element // in the lists of those waiting, or nil
}

func newGate(max, maxPrefix int) *gate {
	return &gate{max: max, maxPrefix: maxPrefix, prefixes: make(map[netip.Prefix]*gatePrefix)}
}

// listener returns l with its connections counted.
func (g *gate) listener(l net.Listener) net.Listener { return &gateListener{Listener: l, gate: g} }

type gateListener struct {
	net.Listener
	gate *gate
}

// Accept returns the next connection that finds a place.
func (l *gateListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if conn := l.gate.enter(c); conn != nil {
			return conn, nil
		}
		c.Close()
	}
}

// enter counts a new connection, closing an older one if need be. It returns nil if there is no place.
func (g *gate) enter(c net.Conn) *gateConn {
	addr := addrPort(c.RemoteAddr()).Addr()
	bits := 24
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits)
	conn := &gateConn{Conn: c, gate: g, prefix: prefix}

	g.mu.Lock()
	p := g.prefixes[prefix]
	if p == nil {
		p = &gatePrefix{}
		g.prefixes[prefix] = p
	}
	var evicted *gateConn
	switch {
	case p.conns >= g.maxPrefix:
		evicted = oldest(&p.waiting)
	case g.conns >= g.max:
		evicted = oldest(&g.waiting)
	}
	full := evicted == nil && (p.conns >= g.maxPrefix || g.conns >= g.max)
	if evicted != nil {
		evicted.leave()
	}
	if !full {
		g.prefixes[prefix] = p // the evicted one may have been its last
		p.conns++
		g.conns++
		conn.wait()
	} else if p.conns == 0 {
		delete(g.prefixes, prefix)
	}
	g.mu.Unlock()

	if evicted != nil {
		evicted.Conn.Close()
	}
	if full {
		return nil
	}
	return conn
}

func oldest(l *list.List) *gateConn {
	if e := l.Front(); e != nil {
		return e.Value.(*gateConn)
	}
	return nil
}

// open returns the number of open connections.
func (g *gate) open() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.conns
}

// setWaiting notes whether the connection waits for its peer to send a request.
func (c *gateConn) setWaiting(waiting bool) {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	c.unwait()
	if waiting && !c.closed {
		c.wait()
	}
}

// wait enters c into the lists of those waiting. The gate's lock is held, here and below.
func (c *gateConn) wait() {
	c.inAll = c.gate.waiting.PushBack(c)
	c.inPrefix = c.gate.prefixes[c.prefix].waiting.PushBack(c)
}

func (c *gateConn) unwait() {
	if c.inAll != nil {
		c.gate.waiting.Remove(c.inAll)
		c.gate.prefixes[c.prefix].waiting.Remove(c.inPrefix)
		c.inAll, c.inPrefix = nil, nil
	}
}

// leave gives up c's place, once.
func (c *gateConn) leave() {
	if c.closed {
		return
	}
	c.unwait()
	c.closed = true
	c.gate.conns--
	p := c.gate.prefixes[c.prefix]
	if p.conns--; p.conns == 0 {
		delete(c.gate.prefixes, c.prefix)
	}
}

// Close closes the connection and gives up its place.
func (c *gateConn) Close() error {
	c.gate.mu.Lock()
	c.leave()
	c.gate.mu.Unlock()
	return c.Conn.Close()
}
