package ringnode

import (
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// guests are the connections of programs, each let in by a token. What that allows ends with the token: it was revoked, the ring's secrets were
// changed, or its time is over. Else who had stolen one, and stays connected, could make himself the next with it.
type guests struct {
	mu    sync.Mutex
	conns map[*quic.Conn]ringwire.TokenID
}

func (g *guests) add(conn *quic.Conn, id ringwire.TokenID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conns == nil {
		g.conns = make(map[*quic.Conn]ringwire.TokenID)
	}
	g.conns[conn] = id
}

func (g *guests) remove(conn *quic.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, conn)
}

// mayNow is what a guest may do at the moment.
func (n *Node) mayNow(g *guest) Access {
	if _, v := n.trust.judge(g.token, time.Now()); v != accepted {
		return AccessNone
	}
	return g.access
}

// seeOut ends the connections whose token is no good any more. It is called now and then: requests that begin are refused before, and those in work
// are answered, as that which changed the secrets.
func (n *Node) seeOut(now time.Time) {
	g := &n.guests
	leave := make(map[*quic.Conn]quic.ApplicationErrorCode)
	g.mu.Lock()
	for conn, id := range g.conns {
		switch _, v := n.trust.judge(id, now); v {
		case accepted:
		case revoked:
			leave[conn] = codeRevoked
		default:
			leave[conn] = codeExpired
		}
	}
	g.mu.Unlock()
	for conn, code := range leave {
		conn.CloseWithError(code, "")
	}
}
