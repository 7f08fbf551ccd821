package ringnode

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// dialPatience is for how long a client goes on asking a node that cannot tell yet whether the token is good.
const dialPatience = 20 * time.Second

// Client reaches a node of a ring from a program that is no member: over QUIC, where both sides prove that they belong to the ring.
// It gets a certificate for its own key, which is good for the data alone; a member's token allows the administration too. It keeps one
// connection, on which keys are read and written by calls (callclient.go) and Stream opens streams that speak HTTP/1.1 with the node's
// handler, and connects again when it broke. Its methods may be called from any goroutine.
type Client struct {
	addr      string
	token     ringwire.Token
	key       ed25519.PrivateKey
	transport *transport

	mu     sync.Mutex
	conn   *quic.Conn
	calls  *callStream // of conn; nil before the first call
	closed bool
}

// Dial connects to the node at addr, HOST:PORT, with a token. Its errors are *ringapi.Error: Denied when the token is of no use there,
// TooFew when nobody answers.
func Dial(ctx context.Context, addr, token string) (*Client, error) {
	t, err := ringwire.ParseToken(token)
	if err != nil {
		return nil, &ringapi.Error{Code: ringapi.Denied, Message: err.Error(), Hint: "any member makes one: eddy ring token new --client"}
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	tr, err := dialer(key.Seed())
	if err != nil {
		return nil, err
	}
	c := &Client{addr: addr, token: t, key: key, transport: tr}
	if _, err := c.connection(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Stream opens a stream as a net.Conn.
func (c *Client) Stream(ctx context.Context) (net.Conn, error) {
	conn, s, err := c.open(ctx, streamAPI)
	if err != nil {
		return nil, err
	}
	return newStreamConn(conn, s, nil, nil), nil
}

// open opens a stream of some kind.
func (c *Client) open(ctx context.Context, kind byte) (*quic.Conn, *quic.Stream, error) {
	for try := 0; ; try++ {
		conn, err := c.connection(ctx)
		if err != nil {
			return nil, nil, err
		}
		s, err := conn.OpenStreamSync(ctx)
		if err == nil {
			_, err = s.Write([]byte{kind})
		}
		if err == nil {
			return conn, s, nil
		}
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if try > 0 {
			return nil, nil, &ringapi.Error{Code: ringapi.TooFew, Message: fmt.Sprintf("the connection to %s broke: %v", c.addr, err)}
		}
		c.drop(conn)
	}
}

// connection returns the connection, making it if there is none.
func (c *Client) connection(ctx context.Context) (*quic.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, net.ErrClosed
	}
	if c.conn != nil && c.conn.Context().Err() == nil {
		return c.conn, nil
	}
	conn, err := c.connect(ctx)
	c.conn = conn
	return conn, err
}

// connect connects. A node that cannot tell yet whether the token is good, because it or the ring has just begun, is asked again.
func (c *Client) connect(ctx context.Context) (*quic.Conn, error) {
	end := time.Now().Add(dialPatience)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	for pause := undecidedWait; ; pause = min(2*pause, undecidedMost) {
		conn, err := c.connectOnce(ctx)
		var later undecidedError
		if !errors.As(err, &later) || time.Until(end) < 2*pause || !sleep(ctx, pause) {
			return conn, asAPIError(err)
		}
	}
}

// connectOnce tries it once.
func (c *Client) connectOnce(ctx context.Context) (*quic.Conn, error) {
	var conn *quic.Conn
	err := eachAddr(ctx, c.addr, helloTimeout, func(ctx context.Context, addr netip.AddrPort) (err error) {
		conn, err = c.connectTo(ctx, addr)
		return err
	})
	return conn, err
}

// asAPIError is an error of a dial in the user's terms.
func asAPIError(err error) error {
	var known *ringapi.Error
	if err == nil {
		return nil
	}
	if errors.As(err, &known) {
		return known
	}
	return &ringapi.Error{Code: ringapi.TooFew, Message: err.Error(), Hint: "is a node running there, and does a firewall let UDP pass?"}
}

func (c *Client) connectTo(ctx context.Context, addr netip.AddrPort) (*quic.Conn, error) {
	conn, _, h, err := greetAt(ctx, c.transport, addr)
	var full *quic.TransportError
	if errors.As(err, &full) && full.Remote && full.ErrorCode == quic.ConnectionRefused {
		return nil, undecidedError{&ringapi.Error{Code: ringapi.Busy, Message: fmt.Sprintf("%v has too many connections", addr), Hint: "try again, or another node"}}
	}
	if err != nil {
		return nil, err
	}
	if _, _, err := h.dialToken(c.token, c.key, ringwire.Join{Role: ringwire.RoleClient}); err != nil {
		conn.CloseWithError(codeDone, "")
		return nil, refusedBy(addr, closeReason(conn, err))
	}
	return conn, nil
}

// drop forgets a connection that broke.
func (c *Client) drop(conn *quic.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == conn {
		c.conn = nil
	}
	conn.CloseWithError(codeDone, "")
}

// Close ends the connection and its streams.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if c.conn != nil {
		c.conn.CloseWithError(codeDone, "")
	}
	c.transport.close()
	return nil
}
