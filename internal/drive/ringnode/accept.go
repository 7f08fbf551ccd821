package ringnode

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Bounds of the connections of programs that use the data: of all, and of those that show one token at one address.
const (
	maxClients  = 1024
	maxOfClient = 256
)

// acceptConnections lets connections in until ctx ends, and returns after the last has ended.
func (n *Node) acceptConnections(ctx context.Context) {
	for {
		conn, err := n.transport.ln.Accept(ctx)
		if err != nil {
			return
		}
		begun := n.links.begin(func() {
			defer n.recovered("serving a connection", nil)
			err := n.greet(ctx, conn)
			conn.CloseWithError(codeOf(err), "")
			var r *refusal
			if errors.As(err, &r) {
				n.counters.refused.Add(1)
				n.log.Debug("refused a connection", "from", conn.RemoteAddr(), "why", r.why)
			}
		})
		if !begun {
			conn.CloseWithError(codeDone, "")
		}
	}
}

// greet hears the hello of a connection and serves it to its end.
func (n *Node) greet(ctx context.Context, conn *quic.Conn) error {
	place, _ := conn.Context().Value(strangerKey{}).(*stranger)
	place.connected(func() { conn.CloseWithError(codeOverloaded, "") })
	defer place.done()
	short, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	select {
	case <-conn.HandshakeComplete():
	case <-conn.Context().Done():
	case <-short.Done():
	}
	// A stream that does not come in time, and one on which nothing comes, end the connection alike.
	s, err := conn.AcceptStream(short)
	if err != nil {
		return refuse(codeRefused, "no hello: %v", err)
	}
	deadline, _ := short.Deadline()
	s.SetDeadline(deadline)
	material, err := exporter(conn)
	if err != nil {
		return err
	}
	h, from := newHello(s, material), addrPort(conn.RemoteAddr())
	g, err := h.accept(short, &acceptor{trust: n.trust, own: n.papers(), observed: from,
		judge: func(ctx context.Context, id ringwire.TokenID) (tokenRecord, verdict) {
			return n.judge(ctx, id, from.Addr())
		}})
	if err != nil {
		return asRefusal(err)
	}
	place.done()
	s.SetDeadline(time.Time{})
	if g.member {
		return n.greetMember(ctx, conn, s, h, g)
	}
	return n.greetClient(ctx, conn, g)
}

// asRefusal turns what reading a silent stranger's stream failed with into a refusal.
func asRefusal(err error) error {
	var r *refusal
	if errors.As(err, &r) {
		return err
	}
	return refuse(codeRefused, "hello: %v", err)
}

// greetMember makes a link of a member's connection.
func (n *Node) greetMember(ctx context.Context, conn *quic.Conn, s *quic.Stream, h *hello, g *guest) error {
	_, before, known := n.hosts.find(g.key)
	if known && g.presence.Incarnation < before.presence.Incarnation {
		return refuse(codeReplaced, "an earlier life of host %s", shortKey(g.key))
	}
	host, err := n.hosts.learn(g.certificate, g.presence)
	if err != nil || host == self {
		return refuse(codeRefused, "host %s: %v", shortKey(g.key), err)
	}
	if known && g.presence.Incarnation > before.presence.Incarnation {
		n.links.replace(host)
	}
	l := newLink(n.hosts, host, false)
	l.connected(conn)
	if extra := n.links.add(l, n.papers().certificate.Public, g.key); extra != nil {
		extra.close(codeDone, errIdle)
	}
	defer n.links.forget(l)
	l.serve(ctx, n, conn, s, h.in)
	return nil
}

// greetClient serves the API on a client's streams.
func (n *Node) greetClient(ctx context.Context, conn *quic.Conn, g *guest) error {
	if n.clients.Add(1) > maxClients {
		n.clients.Add(-1)
		return refuse(codeOverloaded, "too many clients")
	}
	defer n.clients.Add(-1)
	from := addrPort(conn.RemoteAddr()).Addr()
	budget, users, done := n.budgets.open(clientBudget{g.token, site(from)}, n.cfg.HostRate)
	defer done()
	if users > maxOfClient {
		return refuse(codeOverloaded, "too many connections of one client, from %v", from)
	}
	n.guests.add(conn, g.token)
	defer n.guests.remove(conn)
	defer conn.CloseWithError(codeDone, "")
	stop := context.AfterFunc(ctx, func() { n.parting(conn) })
	defer stop()
	for {
		s, err := conn.AcceptStream(conn.Context())
		if err != nil {
			return nil
		}
		n.links.wg.Go(func() {
			defer n.recovered("serving a stream", nil)
			switch kind, err := streamKind(s); {
			case err != nil:
			case kind == streamAPI:
				n.api.offer(newStreamConn(conn, s, func() Access { return n.mayNow(g) }, budget))
			case kind == streamCall && n.cfg.Handler != nil:
				if err := n.serveCalls(conn, s, func() Access { return n.mayNow(g) }, budget); codeOf(err) != codeDone {
					conn.CloseWithError(codeOf(err), "")
				}
			default:
				conn.CloseWithError(codeProtocol, "")
			}
		})
	}
}

// site is an IPv4 address, or the /64 of an IPv6 address: what one machine may well have all of.
func site(addr netip.Addr) netip.Prefix {
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits)
	return p
}

// partingTime is for how long a client may take to hear the last answers of a node that stops.
const partingTime = 250 * time.Millisecond

// parting ends a client's connection when the node stops: after the answers to what was asked, that it has left among them. What was written
// last is on its way then, and would be lost with the connection.
func (n *Node) parting(conn *quic.Conn) {
	<-n.api.ended
	timer := time.NewTimer(partingTime)
	defer timer.Stop()
	select {
	case <-conn.Context().Done():
	case <-timer.C:
	}
	conn.CloseWithError(codeDone, "")
}

// papers are this host's own.
func (n *Node) papers() papers {
	e := n.hosts.get(self)
	return papers{e.certificate, e.presence}
}
