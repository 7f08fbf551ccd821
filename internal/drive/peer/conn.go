package peer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/netx"
	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// Handler is the owner of a connection: the torrent it belongs to. Its methods are called from the connection's own two
// goroutines, Receive from the reader, the others from the writer.
type Handler interface {
	// Receive takes the messages of one read, in order. Payloads alias the slab and are valid until Receive returns, or
	// as long as the handler retains the slab. An error closes the connection.
	Receive(c *Conn, slab *netx.Slab, msgs []wire.Message) error
	// ReadContent fills bufs with the content from off on, off in bytes of the torrent.
	ReadContent(bufs [][]byte, off int64) error
	// Sent reports that so many blocks, of so many bytes, were handed to the socket.
	Sent(c *Conn, blocks int, bytes int64)
	// Unserved reports blocks which could not be read, a fault of ours.
	Unserved(c *Conn, blocks []wire.Message, err error)
}

// Config describes a connection whose handshake is done.
type Config struct {
	Conn        netx.Conn
	Handler     Handler
	PieceLength int64          // bytes, to turn (index, begin) into an offset
	ReadPool    *netx.SlabPool // slabs of received messages
	WritePool   *netx.SlabPool // slabs of blocks being sent
	MaxMessage  int            // bytes; a longer length prefix closes the connection before anything is allocated
	Idle        time.Duration  // without a byte from the peer; 0 = 2 min
	KeepAlive   time.Duration  // without a byte to the peer; 0 = 100 s
}

// Conn is one connection to a peer. Send, Serve, Flush and Close may be called from any goroutine.
type Conn struct {
	cfg Config
	out outbox

	ctx    context.Context // done when closed; its cause is why
	cancel context.CancelCauseFunc

	finishing atomic.Pointer[error] // why it is to end when all is written

	// reader's
	carry []byte
	msgs  []wire.Message

	// writer's
	control []byte
	batch   []wire.Message
	bufs    [][]byte
}

// New returns a connection that waits for Run.
func New(cfg Config) *Conn {
	if cfg.Idle == 0 {
		cfg.Idle = 2 * time.Minute
	}
	if cfg.KeepAlive == 0 {
		cfg.KeepAlive = 100 * time.Second
	}
	c := &Conn{cfg: cfg}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.out.wake = make(chan struct{}, 1)
	return c
}

// Send queues m, whose payload is copied. A peer for which too much waits is closed.
func (c *Conn) Send(m *wire.Message) {
	if !c.out.send(m) {
		c.Close(errNotReading)
	}
}

// Serve queues the block (m.Index, m.Begin, m.Length) of the content as a piece message.
func (c *Conn) Serve(m *wire.Message) {
	c.Send(&wire.Message{Kind: wire.Piece, Index: m.Index, Begin: m.Begin, Length: m.Length})
}

// Flush lets the writer send what is queued.
func (c *Conn) Flush() { c.out.signal() }

// Close ends the connection for the given reason; Run returns it. Later calls have no effect.
func (c *Conn) Close(cause error) {
	c.cancel(cause)
	c.cfg.Conn.Close()
}

// Finish ends the connection once what is queued was written, or after a second: a peer should hear of our last piece, and why we
// go, before we do.
func (c *Conn) Finish(cause error) {
	c.finishing.CompareAndSwap(nil, &cause)
	c.Flush()
	time.AfterFunc(finishTime, func() { c.Close(cause) })
}

const finishTime = time.Second

// Run reads and writes until the connection ends, and returns why. It never returns nil.
func (c *Conn) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { c.Close(context.Cause(ctx)) })
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { c.Close(c.guard("writing to", c.write)) })
	c.Close(c.guard("reading from", c.read))
	wg.Wait()
	return context.Cause(c.ctx)
}

// guard turns a panic into an error: no message of a peer may stop the process (trust: promise 5).
func (c *Conn) guard(what string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", ErrPanic, p, debug.Stack())
		}
	}()
	if err := f(); err != nil {
		return fmt.Errorf("%s %v: %w", what, c.cfg.Conn.RemoteAddr(), err)
	}
	return nil
}

// ErrPanic marks a programming error that a connection ran into; it cost only this connection.
var ErrPanic = errors.New("internal error in a peer connection")
