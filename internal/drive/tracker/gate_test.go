package tracker

import (
	"net"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// fakeConn is a connection that only has an address and can be closed.
type fakeConn struct {
	net.Conn
	from   string
	closed int
}

func (c *fakeConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
}

func (c *fakeConn) Close() error {
	c.closed++
	return nil
}

func TestGate(t *testing.T) {
	g := newGate(3, 2)
	enter := func(from string) (*fakeConn, *gateConn) {
		f := &fakeConn{from: from}
		return f, g.enter(f)
	}
	a1, c1 := enter("1.1.1.1:1")
	a2, c2 := enter("1.1.1.2:1")
	a3, _ := enter("1.1.1.3:1") // the same /24: the oldest gives way
	if a1.closed != 1 || a2.closed != 0 || a3.closed != 0 {
		t.Errorf("closed %d, %d, %d times", a1.closed, a2.closed, a3.closed)
	}
	c1.Close() // by net/http, later: its place is not given up twice
	b1, _ := enter("[2001:db8::1]:1")
	c2.setWaiting(false)
	b2, b2c := enter("[2001:db8:0:1::1]:1") // all full: the oldest that waits gives way, not the one that is answered
	if a2.closed != 0 || a3.closed != 1 || b1.closed != 0 || b2.closed != 0 || g.open() != 3 {
		t.Errorf("closed %d, %d, %d, %d times, %d open", a2.closed, a3.closed, b1.closed, b2.closed, g.open())
	}
	b2c.setWaiting(false)
	g.oldestWaiting(t).setWaiting(false)
	if _, c := enter("9.9.9.9:1"); c != nil {
		t.Error("a connection found a place although all were being answered")
	}
	c2.setWaiting(true)
	if _, c := enter("9.9.9.9:1"); c == nil || a2.closed != 1 {
		t.Error("a connection found no place although one was idle")
	}
}

func (g *gate) oldestWaiting(t *testing.T) *gateConn {
	c := oldest(&g.waiting)
	if c == nil {
		t.Fatal("none waits")
	}
	return c
}

// Whatever comes, goes and is answered: the bounds hold and every place is given up.
func TestGateCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newGate(rapid.IntRange(1, 5).Draw(t, "max"), rapid.IntRange(1, 3).Draw(t, "max prefix"))
		var conns []*gateConn
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch op := rapid.IntRange(0, 3).Draw(t, "op"); {
			case op == 0 || len(conns) == 0:
				f := &fakeConn{from: rapid.SampledFrom([]string{"1.1.1.1:1", "1.1.2.1:1", "[2001:db8::1]:1"}).Draw(t, "from")}
				if c := g.enter(f); c != nil {
					conns = append(conns, c)
				}
			case op == 1:
				rapid.SampledFrom(conns).Draw(t, "conn").Close()
			default:
				rapid.SampledFrom(conns).Draw(t, "conn").setWaiting(op == 2)
			}
			open, waiting := 0, 0
			for _, c := range conns {
				if !c.closed {
					open++
					if c.inAll != nil {
						waiting++
					}
				}
			}
			if open != g.conns || waiting != g.waiting.Len() || open > g.max {
				t.Fatalf("%d open and %d waiting, counted %d and %d, at most %d", open, waiting, g.conns, g.waiting.Len(), g.max)
			}
			for p, n := range g.prefixes {
				if n.conns == 0 || n.conns > g.maxPrefix {
					t.Fatalf("%v has %d", p, n.conns)
				}
			}
		}
		for _, c := range conns {
			c.Close()
		}
		if g.conns != 0 || len(g.prefixes) != 0 || g.waiting.Len() != 0 {
			t.Fatalf("left over: %d, %d, %d", g.conns, len(g.prefixes), g.waiting.Len())
		}
	})
}
