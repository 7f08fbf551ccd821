package upper

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
)

// Defaults of a TCPServer.
const (
	DefaultQuiet      = 50 * time.Millisecond
	DefaultIdle       = 2 * time.Minute
	DefaultMaxClients = 10_000
)

const (
	// chunk is the size of a connection's buffers in bytes: small, since there may be thousands.
	chunk = 2 << 10
	// farewell is how long a last answer may take when the server ends.
	farewell = time.Second
)

// TCPServer sends what each client sends back in upper case. The zero value is ready to use.
//
// A connection has no borders between messages, so the server has to decide when to answer: at the end of a line, when the
// client says that it sends no more, or when it has been quiet for a moment. The connection stays open for more.
type TCPServer struct {
	Quiet      time.Duration // answer what has come when nothing came for so long; 0 = DefaultQuiet
	Idle       time.Duration // hang up on a client that neither sends nor takes anything for so long; 0 = DefaultIdle
	MaxClients int           // more wait in the system's queue; 0 = DefaultMaxClients
	Log        *slog.Logger  // nil = slog.Default()

	accepted, open, timedOut, failed, bytesIn, bytesOut atomic.Int64
}

// TCPStats is what a TCPServer has done so far.
type TCPStats struct {
	Accepted int64 `json:"accepted"`  // connections
	Open     int64 `json:"open"`      // of them, now
	TimedOut int64 `json:"timed_out"` // of them, hung up on
	Failed   int64 `json:"failed"`    // of them, broken by the client or the network
	BytesIn  int64 `json:"bytes_in"`
	BytesOut int64 `json:"bytes_out"`
}

// ListenTCP opens the listener of a TCPServer on address, "IP:PORT" or ":PORT" for all addresses of both families.
func ListenTCP(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(ctx, network("tcp", address), address)
}

// Serve answers clients until ctx is done, which is a good end and returns nil: those that wait for an answer get it first.
// It closes listener.
func (s *TCPServer) Serve(ctx context.Context, listener net.Listener) error {
	listener = netutil.LimitListener(listener, cmp.Or(s.MaxClients, DefaultMaxClients))
	var clients sync.WaitGroup
	defer clients.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer listener.Close()
	defer context.AfterFunc(ctx, func() { listener.Close() })() // closing is what ends a blocked Accept
	var failures backoff
	for {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			failures = 0
			clients.Go(func() { s.serve(ctx, conn) })
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default: // no file descriptor left, a client gone before it was accepted: it passes
			logger(s.Log).Warn("accepting a client", "err", err)
			failures.wait(ctx)
		}
	}
}

// serve has the conversation with one client, and counts it.
func (s *TCPServer) serve(ctx context.Context, conn net.Conn) {
	s.accepted.Add(1)
	s.open.Add(1)
	defer s.open.Add(-1)
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { hangUp(conn) })()
	err := s.converse(ctx, conn)
	switch {
	case err == nil, ctx.Err() != nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.timedOut.Add(1)
	default:
		s.failed.Add(1)
	}
	logger(s.Log).Debug("client left", "client", conn.RemoteAddr(), "err", err)
}

// converse answers what comes from conn until its end, which is nil, or an error or deadline.
func (s *TCPServer) converse(ctx context.Context, conn net.Conn) error {
	in, held := make([]byte, chunk), 0 // in begins with the held bytes of a character whose end has not come yet
	var out []byte                     // the upper case of what came, not yet sent
	for {
		wait := cmp.Or(s.Idle, DefaultIdle)
		if len(out) > 0 {
			wait = cmp.Or(s.Quiet, DefaultQuiet)
		}
		conn.SetReadDeadline(time.Now().Add(wait))
		if ctx.Err() != nil {
			hangUp(conn) // ctx may have ended, and hung up, before we set our deadline
		}
		n, err := conn.Read(in[held:])
		s.bytesIn.Add(int64(n))
		came := in[:held+n]
		var rest []byte
		out, rest = AppendUpper(out, came)
		quiet := errors.Is(err, os.ErrDeadlineExceeded) && len(out) > 0
		ended := err != nil && !quiet
		if ended {
			out = append(out, rest...) // the character will never be whole
		}
		due := err != nil || len(out) >= chunk || bytes.IndexByte(came, '\n') >= 0
		if due && len(out) > 0 {
			if err := s.send(ctx, conn, out); err != nil {
				return err
			}
			out = out[:0]
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if ended {
			return err
		}
		held = copy(in, rest)
	}
}

// send writes an answer, for which the client has to take it.
func (s *TCPServer) send(ctx context.Context, conn net.Conn, answer []byte) error {
	conn.SetWriteDeadline(time.Now().Add(cmp.Or(s.Idle, DefaultIdle)))
	if ctx.Err() != nil {
		hangUp(conn)
	}
	n, err := conn.Write(answer)
	s.bytesOut.Add(int64(n))
	return err
}

// hangUp ends a blocked read now and a blocked write soon: a deadline that has passed is what ends them.
func hangUp(conn net.Conn) {
	conn.SetReadDeadline(time.Unix(1, 0))
	conn.SetWriteDeadline(time.Now().Add(farewell))
}

// Stats returns the counters; they may be read while Serve runs.
func (s *TCPServer) Stats() TCPStats {
	return TCPStats{s.accepted.Load(), s.open.Load(), s.timedOut.Load(), s.failed.Load(), s.bytesIn.Load(), s.bytesOut.Load()}
}
