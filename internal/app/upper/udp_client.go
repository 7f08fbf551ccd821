package upper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/units"
)

// Defaults of the clients.
const (
	DefaultTimeout = 5 * time.Second
	DefaultRetries = 2
)

// ErrNoAnswer says that a server may be there or not: nothing came back in time.
var ErrNoAnswer = errors.New("no answer")

// UDPClient sends sentences in datagrams, again if no answer comes: either the datagram or its answer may be lost.
type UDPClient struct {
	Server  string        // HOST:PORT
	Timeout time.Duration // how long to wait for the answer to each datagram; 0 = DefaultTimeout
	Retries int           // how many more datagrams to send when there is none
}

// UDPAnswer is what came back.
type UDPAnswer struct {
	Text     []byte
	From     netip.AddrPort
	Attempts int           // datagrams sent until it came
	Time     time.Duration // since the last of them
}

// Send sends the sentence and returns the answer. Errors: ErrNoAnswer; a *net.OpError when no address of the server takes
// datagrams (with syscall.ECONNREFUSED where its machine says that nobody listens there); a *net.DNSError; the cause of ctx.
func (c *UDPClient) Send(ctx context.Context, sentence []byte) (UDPAnswer, error) {
	conns, refusal := c.dial(ctx)
	closeAll := func() {
		for _, conn := range conns {
			conn.Close()
		}
	}
	defer closeAll()
	defer context.AfterFunc(ctx, closeAll)() // closing is what ends a blocked read
	if len(conns) == 0 {
		return UDPAnswer{}, refusal
	}
	return c.ask(ctx, slices.Clone(conns), sentence)
}

// ask sends the sentence to one address after another until an answer comes. Addresses that refuse it are left out.
func (c *UDPClient) ask(ctx context.Context, conns []net.Conn, sentence []byte) (UDPAnswer, error) {
	for attempt := 0; attempt <= c.Retries; {
		i := attempt % len(conns)
		answer, err := exchange(conns[i], sentence, cmp.Or(c.Timeout, DefaultTimeout))
		switch {
		case ctx.Err() != nil:
			return UDPAnswer{}, context.Cause(ctx)
		case err == nil:
			answer.Attempts = attempt + 1
			return answer, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			attempt++
		case len(conns) > 1: // a name has several addresses; localhost is ::1 too, where the chapter's server does not listen
			conns = slices.Delete(conns, i, i+1)
		default:
			return UDPAnswer{}, err
		}
	}
	return UDPAnswer{}, fmt.Errorf("%w to %s", ErrNoAnswer, units.Plural(c.Retries+1, "datagram"))
}

// dial returns a socket for each address of the server, and the last error. Connecting a UDP socket sends nothing: it fixes the
// address to write to, lets in only what comes from there, and makes the system report that nobody listens there.
func (c *UDPClient) dial(ctx context.Context) (conns []net.Conn, err error) {
	host, service, err := net.SplitHostPort(c.Server)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	for _, ip := range ips {
		conn, failed := dialer.DialContext(ctx, "udp", netip.AddrPortFrom(ip.Unmap(), uint16(port)).String())
		if failed != nil { // no IPv6 here, say
			err = failed
			continue
		}
		conns = append(conns, conn)
	}
	return conns, err
}

// exchange sends one datagram and waits for one.
func exchange(conn net.Conn, sentence []byte, timeout time.Duration) (UDPAnswer, error) {
	start := time.Now()
	conn.SetDeadline(start.Add(timeout))
	if _, err := conn.Write(sentence); err != nil {
		return UDPAnswer{}, err
	}
	buffer := make([]byte, 1<<16) // what does not fit is cut off, so it is larger than any datagram
	n, err := conn.Read(buffer)
	if err != nil {
		return UDPAnswer{}, err
	}
	from := conn.RemoteAddr().(*net.UDPAddr).AddrPort()
	return UDPAnswer{Text: buffer[:n], From: netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), Time: time.Since(start)}, nil
}
