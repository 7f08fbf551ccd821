package engine

import (
	"bytes"
	"context"
	"crypto/sha1"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testPiece = 64 << 10

// work is a torrent with its content.
type work struct {
	meta  *metainfo.MetaInfo
	data  []byte // of all files, pads included
	files map[string][]byte
}

// named is a file of a work.
type named struct {
	path string
	data []byte
}

func noise(n int, seed byte) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// film is a torrent of one file.
func film(t testing.TB, size int, seed byte) *work {
	return publish(t, metainfo.V1, "film", false, named{"film", noise(size, seed)})
}

// publish makes a torrent.
func publish(t testing.TB, format metainfo.Format, name string, multi bool, files ...named) *work {
	t.Helper()
	w := &work{files: make(map[string][]byte)}
	b := metainfo.Builder{Format: format, Name: name, PieceLength: testPiece, MultiFile: multi}
	for _, f := range files {
		src := metainfo.Source{Length: int64(len(f.data))}
		if multi {
			src.Path = strings.Split(f.path, "/")
			w.files[name+"/"+f.path] = f.data
		} else {
			w.files[f.path] = f.data
		}
		if format.HasV2() && len(f.data) > 0 {
			if len(f.data) > testPiece {
				t.Fatal("the test's v2 files are of one piece at most")
			}
			src.Root = root(f.data)
		}
		b.Sources = append(b.Sources, src)
	}
	k := 0
	for _, f := range b.Files() {
		if f.Pad {
			w.data = append(w.data, make([]byte, f.Length)...)
			continue
		}
		w.data = append(w.data, files[k].data...)
		k++
	}
	for rest := w.data; len(rest) > 0; {
		n := min(len(rest), testPiece)
		sum := sha1.Sum(rest[:n])
		b.Pieces = append(b.Pieces, sum[:]...)
		rest = rest[n:]
	}
	var err error
	if w.meta, err = b.Build(); err != nil {
		t.Fatal(err)
	}
	return w
}

// root is the BEP 52 root of a file of at most a piece.
func root(data []byte) [32]byte { return metainfo.BlocksRoot(data, 0) }

func (w *work) size() int64 { return int64(len(w.data)) }

// spec has the content fetched into, or served from, dir.
func (w *work) spec(dir string) Spec {
	s := Spec{Meta: w.meta, Root: dir}
	for i, path := range w.meta.Info.SafePaths(metainfo.HostTarget()) {
		f := w.meta.Info.Files[i]
		s.Files = append(s.Files, storage.FileSpec{Path: path, Offset: f.Offset, Length: f.Length, Pad: f.Pad})
	}
	return s
}

// put writes the files below dir.
func (w *work) put(t testing.TB, dir string) string {
	t.Helper()
	for path, data := range w.files {
		put(t, filepath.Join(dir, path), data)
	}
	return dir
}

func put(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// check compares the files below dir.
func (w *work) check(t testing.TB, dir string) {
	t.Helper()
	for path, want := range w.files {
		got, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s differs from its source", path)
		}
	}
}

// start runs an engine on loopback until the test ends. stop ends it before.
func start(t testing.TB, cfg Config) (e *Engine, stop func()) {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	end := make(chan error)
	go func() {
		if err := e.Run(ctx); err != nil {
			t.Errorf("the engine ended with %v", err)
		}
		close(end)
	}()
	stop = func() { cancel(); <-end }
	t.Cleanup(stop)
	return e, stop
}

func add(t testing.TB, e *Engine, s Spec) *Torrent {
	t.Helper()
	tor, err := e.Add(s)
	if err != nil {
		t.Fatal(err)
	}
	return tor
}

// seed serves w from a directory of its own and returns where.
func (w *work) seed(t testing.TB) (*Torrent, netip.AddrPort) {
	t.Helper()
	e, _ := start(t, Config{})
	s := w.spec(w.put(t, t.TempDir()))
	s.ReadOnly = true
	tor := add(t, e, s)
	await(t, "the seed is ready", func() bool { return tor.Stats().State == Seeding })
	return tor, e.Addr()
}

// finish waits until tor is complete.
func finish(t testing.TB, tor *Torrent) {
	t.Helper()
	select {
	case <-tor.Done():
	case <-tor.Failed():
		t.Fatal(tor.Err())
	case <-within(t).Done():
		t.Fatalf("not complete: %+v", tor.Stats())
	}
}

// failure waits until tor has failed, and returns why.
func failure(t testing.TB, tor *Torrent) error {
	t.Helper()
	select {
	case <-tor.Failed():
	case <-within(t).Done():
		t.Fatalf("did not fail: %+v", tor.Stats())
	}
	return tor.Err()
}

// within is a context that no passing test comes near.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// await looks until it is so.
func await(t testing.TB, what string, so func() bool) {
	t.Helper()
	ctx := within(t)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not so: %s", what)
		}
	}
}

func links(tor *Torrent) int {
	tor.mu.Lock()
	defer tor.mu.Unlock()
	return len(tor.links)
}

// stranger is a peer of the test's own: a connection whose messages the test writes.
type stranger struct {
	net.Conn
	t *testing.T
}

var strangerID = [20]byte{'-', 'X', 'X', '0', '0', '0', '1', '-', 1}

// shake does the handshake on a connection that either side made.
func shake(t *testing.T, c net.Conn, w *work, id [20]byte) (*stranger, error) {
	h := wire.Handshake{InfoHash: w.meta.ID.V1, PeerID: id}
	h.SetFast(true)
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.Write(wire.AppendHandshake(nil, h)); err != nil {
		return nil, err
	}
	if _, err := readFull(c, wire.HandshakeLen); err != nil {
		return nil, err
	}
	return &stranger{c, t}, nil
}

func readFull(c net.Conn, n int) ([]byte, error) {
	b := make([]byte, n)
	for at := 0; at < n; {
		k, err := c.Read(b[at:])
		if at += k; err != nil {
			return nil, err
		}
	}
	return b, nil
}

// visit connects to a torrent.
func visit(t *testing.T, to netip.AddrPort, w *work, id [20]byte) (*stranger, error) {
	t.Helper()
	c, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return shake(t, c, w, id)
}

func (s *stranger) say(m wire.Message) error {
	_, err := s.Write(wire.Append(nil, m))
	return err
}

// hear returns the next message.
func (s *stranger) hear() (wire.Message, error) {
	b, err := readFull(s, wire.PrefixLen)
	if err != nil {
		return wire.Message{}, err
	}
	rest, err := readFull(s, wire.Need(b)-wire.PrefixLen)
	if err != nil {
		return wire.Message{}, err
	}
	m, _, err := wire.Parse(append(b, rest...), wire.Limit(1<<20))
	return m, err
}

// give serves the first pieces of w in all honesty but what spoil does to its blocks, until the connection ends.
func (s *stranger) give(w *work, pieces int, spoil func(m *wire.Message)) {
	has := bits.New(len(w.data) / testPiece)
	for i := range min(pieces, has.Len()) {
		has.Add(i)
	}
	if s.say(wire.Message{Kind: wire.Bitfield, Payload: has.Bytes()}) != nil || s.say(wire.Message{Kind: wire.Unchoke}) != nil {
		return
	}
	for {
		m, err := s.hear()
		if err != nil {
			return
		}
		if m.Kind != wire.Request {
			continue
		}
		at := int64(m.Index)*testPiece + int64(m.Begin)
		p := wire.Message{Kind: wire.Piece, Index: m.Index, Begin: m.Begin, Length: m.Length, Payload: bytes.Clone(w.data[at : at+int64(m.Length)])}
		spoil(&p)
		if s.say(p) != nil {
			return
		}
	}
}
