package ringnode

import (
	"context"
	"crypto/hmac"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Access is what a request of the API may do; a handler finds it by AccessOf.
type Access int

// The accesses, each with what those before it may do.
const (
	AccessNone  Access = iota
	AccessData         // read and write keys, and look at the ring
	AccessAdmin        // also tokens, evictions, rotation, leaving
)

// AccessUndecided is that of a token about which the ring cannot be asked just now: it allows nothing, and may later.
const AccessUndecided Access = -1

type accessKey struct{}

// AccessOf returns what the request with this context may do: by the token that it shows, or by the connection that it came over.
func AccessOf(ctx context.Context) Access {
	switch a := ctx.Value(accessKey{}).(type) {
	case Access:
		return a
	case func() Access: // of a connection, which may have lasted longer than its right
		return a()
	}
	return AccessNone
}

// shutdownTime is how long requests in work may take to end when the node stops.
const shutdownTime = time.Second

// api serves HTTP: on streams of the ring's connections, whose peer the hello has proven, and on a TCP address, where each request
// shows a token.
type api struct {
	n       *Node
	handler http.Handler
	tcp     net.Listener // nil: none
	streams *streamListener
	ended   chan struct{} // closed when run ends: all requests were answered, or had their time
}

func newAPI(n *Node, handler http.Handler) (*api, error) {
	a := &api{n: n, handler: handler, streams: &streamListener{conns: make(chan net.Conn), done: make(chan struct{})}, ended: make(chan struct{})}
	if n.cfg.API == "" || handler == nil {
		return a, nil
	}
	var err error
	a.tcp, err = net.Listen("tcp", n.cfg.API)
	return a, err
}

func (a *api) addr() netip.AddrPort {
	if a.tcp == nil {
		return netip.AddrPort{}
	}
	return addrPort(a.tcp.Addr())
}

func (a *api) close() {
	if a.tcp != nil {
		a.tcp.Close()
	}
	a.streams.Close()
}

// offer serves a stream, if there is anybody to serve it.
func (a *api) offer(c *streamConn) {
	if a.handler == nil {
		c.Close()
		return
	}
	a.streams.offer(c)
}

// run serves until ctx ends, and then lets the requests in work end.
func (a *api) run(ctx context.Context) error {
	defer close(a.ended)
	if a.handler == nil {
		<-ctx.Done()
		a.close()
		return nil
	}
	serve := func(h http.Handler, connContext func(context.Context, net.Conn) context.Context) *http.Server {
		return &http.Server{Handler: h, ConnContext: connContext, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute,
			MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(a.n.log.Handler(), slog.LevelDebug)}
	}
	streams := serve(a.handler, func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, accessKey{}, c.(*streamConn).access)
	})
	tcp := serve(http.HandlerFunc(a.authenticate), nil)
	var wg sync.WaitGroup
	errs := make(chan error, 2)
	start := func(s *http.Server, l net.Listener) {
		wg.Go(func() {
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				errs <- err
			}
		})
	}
	start(streams, a.streams)
	if a.tcp != nil {
		start(tcp, a.tcp)
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-errs:
	}
	end, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	for _, s := range []*http.Server{streams, tcp} {
		if s.Shutdown(end) != nil {
			s.Close()
		}
	}
	wg.Wait()
	return err
}

// authenticate finds what a request on TCP may do by its bearer token.
func (a *api) authenticate(w http.ResponseWriter, r *http.Request) {
	access := AccessNone
	if text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		access = a.n.accessOf(r.Context(), text, r.RemoteAddr)
	}
	if access <= AccessNone {
		a.n.counters.refused.Add(1)
	}
	a.handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), accessKey{}, access)))
}

// accessOf is what the holder of a text may do: this run's secret, or a token of the ring.
func (n *Node) accessOf(ctx context.Context, text, from string) Access {
	if n.cfg.Secret != "" && hmac.Equal([]byte(text), []byte(n.cfg.Secret)) {
		return AccessAdmin
	}
	token, err := ringwire.ParseToken(text)
	if err != nil || !n.isReady() {
		return AccessNone
	}
	at, _ := netip.ParseAddrPort(from)
	record, v := n.judge(ctx, token.ID(), at.Addr().Unmap())
	verifier := token.Verifier()
	switch {
	case v == undecided:
		return AccessUndecided
	case v != accepted || !hmac.Equal(verifier[:], record.verifier[:]):
		return AccessNone
	case record.role == ringwire.RoleMember:
		return AccessAdmin
	}
	return AccessData
}

func (n *Node) isReady() bool {
	select {
	case <-n.ready:
		return true
	default:
		return false
	}
}

// streamListener hands streams to an http.Server.
type streamListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *streamListener) offer(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.done:
		c.Close()
	}
}

// Accept implements net.Listener.
func (l *streamListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *streamListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *streamListener) Addr() net.Addr { return &net.UDPAddr{} }

// streamConn is a stream of a QUIC connection as a net.Conn.
type streamConn struct {
	*quic.Stream
	conn   *quic.Conn
	access func() Access // of the other side; nil on its own side
	budget *bucket       // of what is read; nil = none
}

func newStreamConn(conn *quic.Conn, s *quic.Stream, access func() Access, budget *bucket) *streamConn {
	return &streamConn{Stream: s, conn: conn, access: access, budget: budget}
}

// Read reads at most at the rate of the budget, so that QUIC's flow control slows the other side down.
func (c *streamConn) Read(p []byte) (int, error) {
	n, err := c.Stream.Read(p)
	if c.budget != nil && n > 0 {
		c.budget.take(c.conn.Context(), n)
	}
	return n, err
}

// Close ends both directions: what was written still arrives.
func (c *streamConn) Close() error {
	c.CancelRead(0)
	return c.Stream.Close()
}

// LocalAddr and RemoteAddr implement net.Conn.
func (c *streamConn) LocalAddr() net.Addr  { return c.conn.LocalAddr() }
func (c *streamConn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }
