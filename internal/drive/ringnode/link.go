package ringnode

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// First bytes of the streams that follow the hello's, which goes on as the stream of the ring's messages.
const (
	streamData byte = 'd' // one, opened by the dialer: messages of the data
	streamAPI  byte = 'a' // any number: HTTP/1.1
	streamCall byte = 'c' // of a program, any number: calls (calls.go)
)

// link is one connection between this host and another member, from the moment that it is wanted: what is sent before it is there
// waits in its outboxes.
type link struct {
	// Constant.
	host    ringwire.Host
	dialled bool
	ring    *outbox
	data    *outbox
	down    chan struct{} // closed when there is none any more, and none will be

	once sync.Once
	used atomic.Int64 // Unix nanoseconds of the last message, sent or received

	mu   sync.Mutex
	conn *quic.Conn // nil before there is one; guarded by mu
	why  error      // of its end; guarded by mu
}

func newLink(hosts *hostTable, h ringwire.Host, dialled bool) *link {
	l := &link{host: h, dialled: dialled, ring: newOutbox(hosts, ringQueue, ringwire.MaxRingFrame), data: newOutbox(hosts, dataQueue, ringwire.MaxDataFrame),
		down: make(chan struct{})}
	l.touch()
	return l
}

func (l *link) touch() { l.used.Store(time.Now().UnixNano()) }

// idle is how long nothing was sent or received.
func (l *link) idle(now time.Time) time.Duration { return now.Sub(time.Unix(0, l.used.Load())) }

// connected tells the link its connection, and reports false if the link was closed meanwhile: then nobody would close the connection, and what
// the other side sends on it would be dropped for as long as both live.
func (l *link) connected(c *quic.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why != nil {
		return false
	}
	l.conn = c
	return true
}

// close ends the link for a reason; the first counts.
func (l *link) close(code quic.ApplicationErrorCode, why error) {
	l.once.Do(func() {
		l.mu.Lock()
		l.why = why
		conn := l.conn
		l.mu.Unlock()
		l.ring.close()
		l.data.close()
		close(l.down)
		if conn != nil {
			conn.CloseWithError(code, "")
		}
	})
}

// reason is why the link ended, nil while it has not.
func (l *link) reason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// serve moves frames until the connection ends, and returns after all its goroutines have. in is the hello's reader, which
// may hold the first frames already.
func (l *link) serve(ctx context.Context, n *Node, conn *quic.Conn, s *quic.Stream, in *bufio.Reader) {
	var wg sync.WaitGroup
	run := func(doing string, f func() error) {
		wg.Go(func() {
			defer n.recovered(doing, l)
			if err := f(); err != nil {
				l.close(codeOf(err), fmt.Errorf("%s: %w", doing, err))
			}
		})
	}
	stop := context.AfterFunc(ctx, func() { l.close(codeDone, errStopped) })
	defer stop()
	run("writing ring messages", func() error { return l.ring.write(s, l.down, n.counters.sent) })
	run("reading ring messages", func() error { return n.readRing(l, in) })
	if l.dialled {
		run("opening the data stream", func() error {
			d, err := conn.OpenStreamSync(ctx)
			if err != nil {
				return err
			}
			if _, err := d.Write([]byte{streamData}); err != nil {
				return err
			}
			run("writing data", func() error { return l.data.write(d, l.down, n.counters.sent) })
			return n.readData(l, bufio.NewReaderSize(d, 32<<10))
		})
	} else {
		run("accepting streams", func() error { return l.acceptStreams(ctx, n, conn, run) })
	}
	<-conn.Context().Done()
	l.close(codeDone, context.Cause(conn.Context()))
	wg.Wait()
}

// acceptStreams takes the data stream, once, and streams of the API.
func (l *link) acceptStreams(ctx context.Context, n *Node, conn *quic.Conn, run func(string, func() error)) error {
	var once atomic.Bool
	for {
		s, err := conn.AcceptStream(ctx)
		if err != nil {
			return err
		}
		run("reading a stream", func() error {
			kind, err := streamKind(s)
			switch {
			case err != nil:
				return nil // the other side gave it up: its business
			case kind == streamAPI:
				n.api.offer(newStreamConn(conn, s, func() Access { return AccessAdmin }, nil))
				return nil
			case kind != streamData || once.Swap(true):
				return refuse(codeProtocol, "stream of kind %d", kind)
			}
			run("writing data", func() error { return l.data.write(s, l.down, n.counters.sent) })
			return n.readData(l, bufio.NewReaderSize(s, 32<<10))
		})
	}
}

// streamKind reads a stream's first byte; who opens a stream and stays silent loses it.
func streamKind(s *quic.Stream) (byte, error) {
	var b [1]byte
	s.SetReadDeadline(time.Now().Add(helloTimeout))
	if _, err := io.ReadFull(s, b[:]); err != nil {
		s.CancelRead(0)
		s.CancelWrite(0)
		return 0, err
	}
	s.SetReadDeadline(time.Time{})
	return b[0], nil
}

// errStopped ends the links of a node that stops.
var errStopped = errors.New("the node stops")

// codeOf says how to close a connection after an error.
func codeOf(err error) quic.ApplicationErrorCode {
	var r *refusal
	switch {
	case errors.As(err, &r):
		return r.code
	case errors.Is(err, ringwire.ErrMalformed):
		return codeProtocol
	}
	return codeDone
}

// quietEnd reports whether a connection ended in a way that needs no word in the log.
func quietEnd(err error) bool {
	var app *quic.ApplicationError
	return errors.As(err, &app) && app.ErrorCode == codeDone || errors.Is(err, errStopped) || errors.Is(err, context.Canceled)
}
