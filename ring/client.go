package ring

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/ringhttp"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Client is a Service that a node elsewhere provides. It is safe for concurrent use, connects again when it must, and is closed
// with Close.
type Client struct {
	Service
	addr  string
	close func() error
}

// Addr returns the address that the client asks.
func (c *Client) Addr() string { return c.addr }

// Close gives back the client's connections. It must not be used after it.
func (c *Client) Close() error { return c.close() }

const (
	httpScheme   = "http://"
	probeTimeout = 2 * time.Second // for a connection within this machine
	ringFirst    = time.Second     // for a node on this machine to prove itself, before its API is tried
)

// Dial connects to a node: addr is its ring address (IP:PORT or name:PORT, over QUIC, where both sides prove that they belong to the
// ring) or the address of its API. An API is spoken to in clear text, so only one on this machine is looked for by itself, and only where no
// node's ring address answers; one elsewhere, behind a tunnel perhaps, must be named as http://HOST:PORT.
func Dial(ctx context.Context, addr, token string) (*Client, error) {
	if api, ok := strings.CutPrefix(addr, httpScheme); ok {
		return dialAPI(strings.TrimSuffix(api, "/"), token)
	}
	if !onLoopback(addr) {
		return dialRing(ctx, addr, token)
	}
	// A ring address first: there the node proves who it is before it learns anything of the token, while any program may listen at a TCP port.
	if _, err := ringwire.ParseToken(token); err == nil {
		short, cancel := context.WithTimeout(ctx, ringFirst)
		client, err := dialRing(short, addr, token)
		cancel()
		var known *Error
		if err == nil || ctx.Err() != nil || errors.As(err, &known) && known.Code == Denied {
			return client, err
		}
	}
	if listens(ctx, addr) {
		return dialAPI(addr, token)
	}
	return dialRing(ctx, addr, token)
}

// dialAPI makes a client of an API; what is wrong there shows with the first question.
func dialAPI(addr, token string) (*Client, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, &Error{Code: Invalid, Message: fmt.Sprintf("%q is no address: want HOST:PORT", addr)}
	}
	client, err := ringhttp.NewClient(ringhttp.ClientConfig{
		Dial:  func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", addr) },
		Token: token, Node: addr,
	})
	if err != nil {
		return nil, err
	}
	return &Client{Service: client, addr: addr, close: client.Close}, nil
}

// onLoopback reports whether an address is certainly on this machine.
func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// listens reports whether somebody accepts TCP connections there. A node's ring address is UDP only.
func listens(ctx context.Context, addr string) bool {
	conn, err := (&net.Dialer{Timeout: probeTimeout}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
