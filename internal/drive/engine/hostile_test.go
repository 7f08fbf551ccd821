package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/netx"
	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// rogue is a peer at an address of its own that serves w, spoiling blocks.
type rogue struct {
	addr netip.AddrPort
	ln   net.Listener
	wg   sync.WaitGroup
	has  atomic.Int64 // pieces from the first on; all unless told otherwise

	mu    sync.Mutex
	conns int // guarded by mu: that shook hands
	over  int // guarded by mu: connections that have ended
}

func startRogue(t *testing.T, w *work, id byte, spoil func(m *wire.Message)) *rogue {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rogue{ln: ln, addr: ln.Addr().(*net.TCPAddr).AddrPort()}
	r.has.Store(1 << 30)
	r.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			r.wg.Go(func() {
				defer c.Close()
				s, err := shake(t, c, w, [20]byte{id})
				if err != nil {
					return
				}
				r.count(func() { r.conns++ })
				s.give(w, int(r.has.Load()), spoil)
				r.count(func() { r.over++ })
			})
		}
	})
	t.Cleanup(func() { ln.Close(); r.wg.Wait() })
	return r
}

func (r *rogue) count(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *rogue) tally() (conns, over int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conns, r.over
}

func honest(*wire.Message) {}

func corrupt(m *wire.Message) { m.Payload[0] ^= 1 }

// A peer that corrupts from its first block costs at most two pieces and is banned; nobody else is (trust, promise 11).
func TestCorrupterIsBannedAndHonestPeersAreNot(t *testing.T) {
	w := film(t, 40*testPiece, 1)
	bad := startRogue(t, w, 9, corrupt)
	good := []*rogue{startRogue(t, w, 1, honest), startRogue(t, w, 2, honest)}
	e, stop := start(t, Config{DownloadLimit: 2 << 20})
	dir := t.TempDir()
	get := add(t, e, w.spec(dir))
	get.AddPeers(bad.addr)
	await(t, "the corrupter is banned", func() bool { return get.Stats().Banned == 1 })
	get.AddPeers(good[0].addr, good[1].addr, bad.addr)
	finish(t, get)
	w.check(t, dir)
	s := get.Stats()
	if s.Banned != 1 || s.Wasted == 0 || s.Wasted > 2*testPiece {
		t.Errorf("%d banned, %d bytes wasted; want 1, and at most two pieces of %d", s.Banned, s.Wasted, testPiece)
	}
	for i, r := range good {
		if conns, over := r.tally(); over != 0 || conns == 0 {
			t.Errorf("honest peer %d: %d connections, of which %d have ended", i, conns, over)
		}
	}
	if conns, _ := bad.tally(); conns != 1 {
		t.Errorf("the corrupter was connected %d times", conns)
	}
	// It may not come back by itself, from whatever port.
	back, err := visit(t, e.Addr(), w, [20]byte{9})
	if err == nil {
		_, err = back.hear()
	}
	if err == nil {
		t.Error("the banned peer was let in again")
	}
	stop()
}

// Whatever a peer sends costs at most its connection (trust, promise 5).
func TestNonsenseCostsOnlyTheConnection(t *testing.T) {
	w := film(t, 8*testPiece, 1)
	seed, addr := w.seed(t)
	frame := func(body ...byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	msg := func(m wire.Message) []byte { return wire.Append(nil, m) }
	for name, raw := range map[string][]byte{
		"oversize":              {0xff, 0xff, 0xff, 0xff},
		"have out of range":     msg(wire.Message{Kind: wire.Have, Index: 8}),
		"have far out of range": msg(wire.Message{Kind: wire.Have, Index: 1<<32 - 1}),
		"request out of range":  msg(wire.Message{Kind: wire.Request, Index: 8, Length: 1}),
		"request past the end":  msg(wire.Message{Kind: wire.Request, Index: 7, Begin: testPiece - 1, Length: 2}),
		"request too long":      msg(wire.Message{Kind: wire.Request, Length: 1 << 20}),
		"request that wraps":    msg(wire.Message{Kind: wire.Request, Begin: 1<<32 - 1, Length: 1<<32 - 1}),
		"bitfield too short":    msg(wire.Message{Kind: wire.Bitfield, Payload: []byte{}}),
		"bitfield too long":     msg(wire.Message{Kind: wire.Bitfield, Payload: make([]byte, 9)}),
		"spare bits":            msg(wire.Message{Kind: wire.Bitfield, Payload: []byte{0, 1}}),
		"bitfield twice":        append(msg(wire.Message{Kind: wire.HaveNone}), msg(wire.Message{Kind: wire.HaveAll})...),
		"reject of nothing":     msg(wire.Message{Kind: wire.Reject, Index: 1, Length: 16 << 10}),
		"suggest out of range":  msg(wire.Message{Kind: wire.Suggest, Index: 99}),
		"allowed out of range":  msg(wire.Message{Kind: wire.AllowedFast, Index: 99}),
		"no bencode":            frame(20, 0, 'd', 'x'),
		"deep bencode":          frame(append([]byte{20, 0}, bytes.Repeat([]byte("l"), 1000)...)...),
		"half a have":           frame(4, 0, 0),
		"half a piece":          frame(7, 0, 0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := visit(t, addr, w, strangerID)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Write(raw); err != nil {
				t.Fatal(err)
			}
			for err = nil; err == nil; {
				_, err = s.hear()
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("it is still connected: %v", err)
			}
			await(t, "the peer has left", func() bool { return links(seed) == 0 })
		})
	}
	if n := seed.e.panics.Load(); n != 0 {
		t.Errorf("%d panics", n)
	}
	fetch(t, w, Config{}, t.TempDir(), addr)
}

// Blocks that nobody asked for are dropped, whatever they claim to be.
func TestUnrequestedBlocksReachNoDisk(t *testing.T) {
	w := film(t, 8*testPiece, 1)
	e, _ := start(t, Config{})
	dir := t.TempDir()
	get := add(t, e, w.spec(dir))
	await(t, "the getter is ready", get.accepting)
	s, err := visit(t, e.Addr(), w, strangerID)
	if err != nil {
		t.Fatal(err)
	}
	for i := uint32(0); ; i++ {
		if s.say(wire.Message{Kind: wire.Piece, Index: i % 16, Begin: 3, Length: 100, Payload: make([]byte, 100)}) != nil {
			break
		}
	}
	await(t, "the peer has left", func() bool { return links(get) == 0 })
	if n := e.disk.Stats().Written; n != 0 {
		t.Errorf("%d bytes were written", n)
	}
}

// Of the connections that have not sent their handshake the oldest gives way to a new one, and only it: an honest peer, which
// sends its handshake at once, is never the oldest (trust, "half-open handshakes").
func TestTheOldestHalfOpenConnectionGivesWay(t *testing.T) {
	var h halfOpen
	var far []net.Conn
	for range maxHalfOpen + 2 {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		leave, ok := h.enter(netx.NewConn(a))
		if !ok {
			t.Fatal("turned away")
		}
		if len(far) == 1 {
			leave() // the second has shaken hands
		}
		far = append(far, b)
	}
	closed := func(c net.Conn) bool {
		c.SetReadDeadline(time.Now().Add(-time.Second))
		_, err := c.Read(make([]byte, 1))
		return errors.Is(err, io.EOF)
	}
	for i, c := range far {
		if got, want := closed(c), i == 0; got != want {
			t.Fatalf("connection %d closed: %v, want %v", i, got, want)
		}
	}
	h.closeAll()
	if !closed(far[len(far)-1]) || closed(far[1]) {
		t.Error("the end closes those without a handshake, and no others")
	}
	if _, ok := h.enter(nil); ok {
		t.Error("nobody enters after the end")
	}
}

func TestAnHonestPeerGetsPastASilentCrowd(t *testing.T) {
	w := film(t, 8*testPiece, 1)
	_, addr := w.seed(t)
	for range maxHalfOpen + 50 {
		c, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Skip("cannot open so many connections here:", err)
		}
		defer c.Close()
	}
	fetch(t, w, Config{}, t.TempDir(), addr)
}

// Nobody can end the connections of others by claiming their id.
func TestAStolenIDEndsNoConnection(t *testing.T) {
	w := film(t, 8*testPiece, 1)
	seed, addr := w.seed(t)
	owner, err := visit(t, addr, w, strangerID)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the owner is connected", func() bool { return links(seed) == 1 })
	thief, err := visit(t, addr, w, strangerID)
	for err == nil {
		_, err = thief.hear()
	}
	if err := owner.say(wire.Message{Kind: wire.Request, Index: 99, Length: 1}); err != nil {
		t.Error(err)
	}
	for err = nil; err == nil; { // our own nonsense, not the thief, ends it
		_, err = owner.hear()
	}
	await(t, "the owner has left", func() bool { return links(seed) == 0 })
}
