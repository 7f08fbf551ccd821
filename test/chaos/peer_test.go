package chaos

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/test/harness"
)

// A conn is the test's own end of a peer connection, plain BEP 3.
type conn struct {
	net.Conn
	r *bufio.Reader
}

// newConn exchanges handshakes over c.
func newConn(c net.Conn, tor torrent) (*conn, error) {
	h := wire.Handshake{InfoHash: tor.hash}
	// Of its own for each address: who sends the same ID twice is taken for one peer.
	local := c.LocalAddr().(*net.TCPAddr)
	copy(h.PeerID[:], fmt.Sprintf("-XX0001-%x%04x", []byte(local.IP.To4()), local.Port))
	if _, err := c.Write(wire.AppendHandshake(nil, h)); err != nil {
		return nil, err
	}
	out := &conn{c, bufio.NewReaderSize(c, 64<<10)}
	b := make([]byte, wire.HandshakeLen)
	if _, err := io.ReadFull(out.r, b); err != nil {
		return nil, fmt.Errorf("reading the handshake: %w", err)
	}
	got, err := wire.ParseHandshake(b)
	if err == nil && got.InfoHash != tor.hash {
		err = fmt.Errorf("handshake for another torrent")
	}
	return out, err
}

// next reads one message; its payload is the caller's.
func (c *conn) next() (wire.Message, error) {
	head, err := c.r.Peek(wire.PrefixLen)
	if err != nil {
		return wire.Message{}, err
	}
	b := make([]byte, wire.Need(head))
	if _, err := io.ReadFull(c.r, b); err != nil {
		return wire.Message{}, err
	}
	m, _, err := wire.Parse(b, len(b))
	return m, err
}

func (c *conn) send(m wire.Message) error {
	_, err := c.Write(wire.Append(nil, m))
	return err
}

// dial connects from an address to a peer.
func dial(ctx context.Context, from, to string, tor torrent) (*conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, err
	}
	out, err := newConn(c, tor)
	if err != nil {
		c.Close()
	}
	return out, err
}

// An observer is a peer that wants nothing and has nothing: it only listens to what the others have.
type observer struct {
	mu      sync.Mutex
	have    bits.Set      // what they hold among them
	whole   chan struct{} // closed when that is everything
	readers sync.WaitGroup
}

// observe joins every leecher of the list, once it listens.
func observe(t *testing.T, ctx context.Context, tor torrent, all []leecher) *observer {
	t.Helper()
	o := &observer{have: bits.New(tor.layout.NumPieces()), whole: make(chan struct{})}
	from := harness.Host()
	for _, l := range all {
		l.Await(ctx, "ready")
		c, err := dial(ctx, from, l.addr, tor)
		for err != nil { // a torrent that is still being opened turns peers away, who come again
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
				t.Fatalf("observing %s: %v", l.Name, err)
			}
			c, err = dial(ctx, from, l.addr, tor)
		}
		o.readers.Go(func() { o.read(c) })
		t.Cleanup(func() { c.Close() })
	}
	return o
}

func (o *observer) read(c *conn) {
	for {
		m, err := c.next()
		if err != nil {
			return
		}
		switch m.Kind {
		case wire.Have:
			o.add(int(m.Index))
		case wire.Bitfield:
			if s, err := bits.Parse(m.Payload, o.have.Len()); err == nil {
				for i := range s.Len() {
					if s.Has(i) {
						o.add(i)
					}
				}
			}
		}
	}
}

func (o *observer) add(i int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i < o.have.Len() && o.have.Add(i) && o.have.Full() {
		close(o.whole)
	}
}

// A rogue is a seeder written for the test, at an address of its own: it claims to have everything, unchokes everybody,
// and treats requests as its manner says.
type rogue struct {
	addr   string
	manner manner
	truth  *truth

	mu    sync.Mutex
	conns int   // taken so far
	sent  int64 // payload bytes
	asked int   // requests
	ended int   // connections that the other side closed while it cannot have had everything
}

// The truth is the content, and which of its blocks any rogue of the test has told truly. Before that is all of them the
// other side cannot be complete, and has no reason to leave an honest peer.
type truth struct {
	tor     torrent
	content []byte

	mu   sync.Mutex
	told bits.Set
}

func newTruth(t *testing.T, tor torrent) *truth {
	t.Helper()
	return &truth{tor: tor, content: tor.content(t), told: bits.New(int((tor.layout.Size + wire.BlockLen - 1) / wire.BlockLen))}
}

// block is the true answer to a request.
func (tr *truth) block(m wire.Message) wire.Message {
	off := tr.tor.layout.PieceOffset(int(m.Index)) + int64(m.Begin)
	return wire.Message{Kind: wire.Piece, Index: m.Index, Begin: m.Begin, Payload: tr.content[off : off+int64(m.Length)]}
}

// tell sends the true answer.
func (tr *truth) tell(r *rogue, c *conn, m wire.Message) error {
	tr.mu.Lock()
	tr.told.Add(int((tr.tor.layout.PieceOffset(int(m.Index)) + int64(m.Begin)) / wire.BlockLen))
	tr.mu.Unlock()
	return r.give(c, tr.block(m))
}

func (tr *truth) whole() bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.told.Full()
}

// A manner answers one request of a connection, or does not. An error ends the connection.
type manner func(r *rogue, c *conn, m wire.Message) error

// startRogue listens until the test ends.
func startRogue(t *testing.T, tr *truth, m manner) *rogue {
	t.Helper()
	r := &rogue{addr: harness.Host() + ":20000", manner: m, truth: tr}
	l, err := net.Listen("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { c.Close() })
			all.Go(func() { r.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		all.Wait()
	})
	return r
}

// serve talks to one peer until either side ends it.
func (r *rogue) serve(raw net.Conn) {
	defer raw.Close()
	c, err := newConn(raw, r.truth.tor)
	if err != nil {
		return
	}
	r.count(func() { r.conns++ })
	defer r.count(func() {
		if !r.truth.whole() {
			r.ended++
		}
	})
	all := bits.New(r.truth.tor.layout.NumPieces())
	all.Fill()
	if c.send(wire.Message{Kind: wire.Bitfield, Payload: all.Bytes()}) != nil || c.send(wire.Message{Kind: wire.Unchoke}) != nil {
		return
	}
	for {
		m, err := c.next()
		if err != nil {
			return
		}
		if m.Kind != wire.Request {
			continue
		}
		r.count(func() { r.asked++ })
		if err := r.manner(r, c, m); err != nil {
			return
		}
	}
}

func (r *rogue) count(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// A tally is a consistent copy of a rogue's counts.
type tally struct {
	conns, asked, ended int
	sent                int64
}

func (r *rogue) tally() tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	return tally{r.conns, r.asked, r.ended, r.sent}
}

func (r *rogue) give(c *conn, m wire.Message) error {
	r.count(func() { r.sent += int64(len(m.Payload)) })
	return c.send(m)
}

// honestAt serves the truth at a rate in bytes/s, so that others have their turn.
func honestAt(rate int64) manner {
	return func(r *rogue, c *conn, m wire.Message) error {
		time.Sleep(time.Duration(int64(m.Length) * int64(time.Second) / rate)) // the line's rate, not a synchronisation
		return r.truth.tell(r, c, m)
	}
}

// corrupt inverts every byte of every block.
func corrupt(r *rogue, c *conn, m wire.Message) error {
	return corruptAfter(0)(r, c, m)
}

// corruptAfter serves the truth for the first n bytes and then turns.
func corruptAfter(n int64) manner {
	return func(r *rogue, c *conn, m wire.Message) error {
		if r.tally().sent < n {
			return r.truth.tell(r, c, m)
		}
		b := r.truth.block(m)
		b.Payload = append([]byte(nil), b.Payload...)
		for i := range b.Payload {
			b.Payload[i] ^= 0xff
		}
		return r.give(c, b)
	}
}

// never claims to have everything and sends nothing.
func never(*rogue, *conn, wire.Message) error { return nil }

// drip sends the truth, a byte a minute.
func drip(r *rogue, c *conn, m wire.Message) error {
	if r.tally().asked > 1 {
		return nil // the first answer is still under way, and will be
	}
	b := wire.Append(nil, r.truth.block(m))
	head := wire.PieceHeaderLen + 1
	if _, err := c.Write(b[:head]); err != nil {
		return err
	}
	go func() {
		for _, x := range b[head:] {
			time.Sleep(time.Minute)
			if _, err := c.Write([]byte{x}); err != nil {
				return
			}
		}
	}()
	return nil
}
