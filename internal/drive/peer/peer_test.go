package peer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/eddy-p2p/eddy/internal/drive/netx"
	"github.com/eddy-p2p/eddy/internal/format/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a Handler that keeps what it hears and serves content from a byte slice.
type recorder struct {
	content []byte
	bad     int64 // offset that cannot be read; -1 = none

	mu       sync.Mutex
	got      []wire.Message
	sent     int
	unserved int
	news     chan struct{}
	panics   bool
}

func newRecorder(content []byte) *recorder {
	return &recorder{content: content, bad: -1, news: make(chan struct{}, 1000)}
}

func (r *recorder) Receive(_ *Conn, _ *netx.Slab, msgs []wire.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.panics {
		panic("a bug")
	}
	for _, m := range msgs {
		m.Payload = bytes.Clone(m.Payload)
		r.got = append(r.got, m)
		r.news <- struct{}{}
	}
	return nil
}

func (r *recorder) ReadContent(bufs [][]byte, off int64) error {
	for _, b := range bufs {
		if off <= r.bad && r.bad < off+int64(len(b)) {
			return errors.New("bad sector")
		}
		off += int64(copy(b, r.content[off:]))
	}
	return nil
}

func (r *recorder) Sent(_ *Conn, blocks int, _ int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent += blocks
	r.news <- struct{}{}
}

func (r *recorder) Unserved(_ *Conn, blocks []wire.Message, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unserved += len(blocks)
	r.news <- struct{}{}
}

const testPiece = 64 << 10

// connect returns a running Conn whose other end is a plain connection.
func connect(t *testing.T, h Handler) (*Conn, net.Conn, <-chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := New(Config{
		Conn: netx.NewConn(near), Handler: h, PieceLength: testPiece, MaxMessage: wire.Limit(100),
		ReadPool: netx.NewSlabPool(64<<10, 4), WritePool: netx.NewSlabPool(WriteSlab, 2),
	})
	end := make(chan error, 1)
	go func() {
		end <- c.Run(context.Background())
		close(end) // for the clean-up, where a test took the value
	}()
	t.Cleanup(func() {
		c.Close(errors.New("the test is over"))
		far.Close()
		<-end
	})
	return c, far, end
}

// hear reads one message.
func hear(t *testing.T, r io.Reader) wire.Message {
	t.Helper()
	b := make([]byte, 4, 1<<17)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	b = b[:wire.Need(b)]
	if _, err := io.ReadFull(r, b[4:]); err != nil {
		t.Fatal(err)
	}
	m, _, err := wire.Parse(b, 1<<17)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func block(i int) wire.Message {
	off := i * 16 << 10
	return wire.Message{Index: uint32(off / testPiece), Begin: uint32(off % testPiece), Length: 16 << 10}
}

func TestBlocksAreSentInOrderWithTheirNeighbours(t *testing.T) {
	content := make([]byte, 40*16<<10)
	for i := range content {
		content[i] = byte(i >> 14)
	}
	h := newRecorder(content)
	c, far, _ := connect(t, h)
	for i := range 40 { // more than one batch, across pieces
		m := block(i)
		c.Serve(&m)
	}
	c.Flush()
	for i := range 40 {
		m := hear(t, far)
		want := block(i)
		if m.Kind != wire.Piece || m.Index != want.Index || m.Begin != want.Begin {
			t.Fatalf("message %d is %v %d+%d, want piece %d+%d", i, m.Kind, m.Index, m.Begin, want.Index, want.Begin)
		}
		if !bytes.Equal(m.Payload, content[i*16<<10:(i+1)*16<<10]) {
			t.Fatalf("block %d has the wrong bytes", i)
		}
	}
}

func TestChokeKeepsItsPlaceAmongBlocksAndHaveOvertakes(t *testing.T) {
	h := newRecorder(make([]byte, 4*16<<10))
	c, far, _ := connect(t, h)
	m := block(0)
	c.Serve(&m)
	c.Send(&wire.Message{Kind: wire.Choke})
	m = block(1)
	c.Serve(&m)
	c.Send(&wire.Message{Kind: wire.Have, Index: 7})
	c.Flush()
	for i, want := range []wire.Kind{wire.Have, wire.Piece, wire.Choke, wire.Piece} {
		if got := hear(t, far); got.Kind != want {
			t.Fatalf("message %d is %v, want %v", i, got.Kind, want)
		}
	}
}

func TestUnreadableBlocksAreReportedAndTheRestIsSent(t *testing.T) {
	h := newRecorder(make([]byte, 8*16<<10))
	h.bad = 0 // the run of blocks 0, 1 fails; 6 is a run of its own
	c, far, _ := connect(t, h)
	for _, i := range []int{0, 1, 6} {
		m := block(i)
		c.Serve(&m)
	}
	c.Flush()
	m := hear(t, far)
	if want := block(6); m.Index != want.Index || m.Begin != want.Begin {
		t.Errorf("got block %d+%d, want %d+%d", m.Index, m.Begin, want.Index, want.Begin)
	}
	<-h.news
	<-h.news
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.unserved != 2 || h.sent != 1 {
		t.Errorf("%d unserved, %d sent; want 2 and 1", h.unserved, h.sent)
	}
}

func TestMessagesCutAnywhereArriveWhole(t *testing.T) {
	h := newRecorder(nil)
	_, far, _ := connect(t, h)
	var stream []byte
	data := bytes.Repeat([]byte("x"), 16<<10)
	for i := range 5 {
		stream = wire.Append(stream, wire.Message{Kind: wire.Have, Index: uint32(i)})
		stream = wire.Append(stream, wire.Message{Kind: wire.KeepAlive})
		stream = wire.Append(stream, wire.Message{Kind: wire.Piece, Index: uint32(i), Payload: data, Length: uint32(len(data))})
	}
	for len(stream) > 0 {
		n := min(len(stream), 1000)
		if _, err := far.Write(stream[:n]); err != nil {
			t.Fatal(err)
		}
		stream = stream[n:]
	}
	for range 10 {
		<-h.news
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, m := range h.got {
		if m.Index != uint32(i/2) || i%2 == 1 && !bytes.Equal(m.Payload, data) {
			t.Fatalf("message %d arrived as %v of piece %d", i, m.Kind, m.Index)
		}
	}
}

// Length is checked before allocation (trust: peer wire).
func TestOversizeMessageEndsTheConnection(t *testing.T) {
	h := newRecorder(nil)
	_, far, end := connect(t, h)
	far.Write([]byte{0xff, 0xff, 0xff, 0xff, 20})
	if err := <-end; !errors.Is(err, wire.ErrTooLong) {
		t.Errorf("ended with %v, want %v", err, wire.ErrTooLong)
	}
}

func TestPanicEndsOnlyTheConnection(t *testing.T) {
	h := newRecorder(nil)
	h.panics = true
	_, far, end := connect(t, h)
	far.Write(wire.Append(nil, wire.Message{Kind: wire.Choke}))
	if err := <-end; !errors.Is(err, ErrPanic) {
		t.Errorf("ended with %v, want %v", err, ErrPanic)
	}
}

func TestPeerThatDoesNotReadIsClosed(t *testing.T) {
	h := newRecorder(nil)
	c, _, end := connect(t, h)
	for range 1 << 20 { // fills the socket, then the outbox
		c.Send(&wire.Message{Kind: wire.Have, Index: 1})
	}
	if err := <-end; !errors.Is(err, errNotReading) {
		t.Errorf("ended with %v, want %v", err, errNotReading)
	}
}

// A choked peer may send requests for ever without reading our rejects (BEP 6): they must not fill the memory.
func TestPeerThatDoesNotReadItsRejectsIsClosed(t *testing.T) {
	h := newRecorder(nil)
	c, _, end := connect(t, h)
	for range 1 << 20 {
		c.Send(&wire.Message{Kind: wire.Reject, Index: 1, Length: 1})
	}
	if err := <-end; !errors.Is(err, errNotReading) {
		t.Errorf("ended with %v, want %v", err, errNotReading)
	}
}

// A busy uploader's lane is never empty: what was sent must make room all the same.
func TestOrderedLaneThatIsNeverEmptyDoesNotGrow(t *testing.T) {
	var o outbox
	batch := make([]wire.Message, 0, batchBlocks)
	next := uint32(0)
	for i := range uint32(100_000) {
		if !o.send(&wire.Message{Kind: wire.Piece, Index: i, Length: 1}) {
			t.Fatal("refused although little waits")
		}
		if i%batchBlocks == batchBlocks-1 && i > 100 { // about 100 are always left
			_, batch = o.take(nil, batch, WriteSlab)
			for _, m := range batch {
				if m.Index != next {
					t.Fatalf("block %d came out, want %d", m.Index, next)
				}
				next++
			}
		}
	}
	if cap(o.ordered) > 1024 {
		t.Errorf("the lane of some 100 blocks has grown to %d", cap(o.ordered))
	}
}

func TestPanicGivesTheSlabBack(t *testing.T) {
	h := newRecorder(nil)
	h.panics = true
	pool := netx.NewSlabPool(64<<10, 1)
	for range 3 { // the pool has one slab
		near, far := pipe(t)
		c := New(Config{Conn: near, Handler: h, PieceLength: testPiece, MaxMessage: wire.Limit(100), ReadPool: pool, WritePool: pool})
		end := make(chan error, 1)
		go func() { end <- c.Run(context.Background()) }()
		far.WriteBuffers([][]byte{wire.Append(nil, wire.Message{Kind: wire.Choke})})
		if err := <-end; !errors.Is(err, ErrPanic) {
			t.Fatalf("ended with %v, want %v", err, ErrPanic)
		}
	}
}

func TestFinishWritesWhatIsQueued(t *testing.T) {
	h := newRecorder(make([]byte, 40*16<<10))
	c, far, end := connect(t, h)
	for i := range 40 {
		m := block(i)
		c.Serve(&m)
	}
	c.Send(&wire.Message{Kind: wire.Have, Index: 3})
	enough := errors.New("enough")
	c.Finish(enough)
	for range 41 {
		hear(t, far)
	}
	if _, err := far.Read(make([]byte, 1)); err == nil {
		t.Error("more came after the end")
	}
	if err := <-end; !errors.Is(err, enough) {
		t.Errorf("ended with %v, want %v", err, enough)
	}
}

// pipe returns the two ends of a connection in memory.
func pipe(t *testing.T) (netx.Conn, netx.Conn) {
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	return netx.NewConn(a), netx.NewConn(b)
}

func TestHandshake(t *testing.T) {
	near, far := pipe(t)
	hash := [20]byte{9}
	done := make(chan error, 1)
	go func() {
		_, err := Respond(far, func(theirs wire.Handshake) (wire.Handshake, error) {
			return wire.Handshake{InfoHash: theirs.InfoHash, PeerID: [20]byte{2}}, nil
		})
		done <- err
	}()
	theirs, err := Initiate(near, wire.Handshake{InfoHash: hash, PeerID: [20]byte{1}})
	if err != nil || theirs.PeerID != [20]byte{2} {
		t.Errorf("got %v, %v", theirs.PeerID, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAnswerForAnotherTorrentIsAnError(t *testing.T) {
	near, far := pipe(t)
	done := make(chan error, 1)
	go func() {
		_, err := Respond(far, func(wire.Handshake) (wire.Handshake, error) { return wire.Handshake{InfoHash: [20]byte{8}}, nil })
		done <- err
	}()
	if _, err := Initiate(near, wire.Handshake{InfoHash: [20]byte{9}}); err == nil {
		t.Error("an answer for another torrent must be an error")
	}
	<-done
}

func TestUnknownTorrentIsNotAnswered(t *testing.T) {
	near, far := pipe(t)
	done := make(chan error, 1)
	go func() {
		_, err := Initiate(near, wire.Handshake{InfoHash: [20]byte{9}})
		done <- err
	}()
	_, err := Respond(far, func(wire.Handshake) (wire.Handshake, error) { return wire.Handshake{}, ErrUnknownTorrent })
	if !errors.Is(err, ErrUnknownTorrent) {
		t.Errorf("got %v, want %v", err, ErrUnknownTorrent)
	}
	far.Close()
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Errorf("the other end got %v, want nothing", err)
	}
}
