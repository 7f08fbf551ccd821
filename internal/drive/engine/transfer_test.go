package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/metainfo"
)

// fetch gets w from the peers and returns the torrent when it is complete.
func fetch(t testing.TB, w *work, cfg Config, dir string, peers ...netip.AddrPort) *Torrent {
	t.Helper()
	e, _ := start(t, cfg)
	tor := add(t, e, w.spec(dir))
	tor.AddPeers(peers...)
	finish(t, tor)
	w.check(t, dir)
	return tor
}

// A hybrid transfers as v1: its pads (BEP 47) are neither sent nor written.
func TestHybridWithPads(t *testing.T) {
	w := publish(t, metainfo.Hybrid, "tree", true,
		named{"a", noise(40_000, 1)}, named{"b", nil}, named{"c", noise(testPiece, 2)}, named{"d", noise(1, 3)}, named{"e", noise(3000, 4)})
	_, addr := w.seed(t)
	dir := t.TempDir()
	fetch(t, w, Config{StateDir: t.TempDir()}, dir, addr)
	if _, err := os.Stat(filepath.Join(dir, "tree", ".pad")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("pads were written: %v", err)
	}
}

func TestEmptyFiles(t *testing.T) {
	for name, files := range map[string][]named{
		"among others":   {{"a", nil}, {"b", noise(10, 1)}, {"c/d", nil}, {"e", nil}},
		"after the last": {{"a", noise(testPiece, 1)}, {"z", nil}},
	} {
		t.Run(name, func(t *testing.T) {
			w := publish(t, metainfo.V1, "tree", true, files...)
			_, addr := w.seed(t)
			fetch(t, w, Config{StateDir: t.TempDir()}, t.TempDir(), addr)
		})
	}
}

// Many small files end at once: they get their names in batches, and are all there in the end.
func TestManyFilesAtOnce(t *testing.T) {
	var files []named
	for i := range 1500 {
		files = append(files, named{fmt.Sprintf("f%04d", i), noise(i%90, byte(i))})
	}
	w := publish(t, metainfo.V1, "tree", true, files...)
	_, addr := w.seed(t)
	tor := fetch(t, w, Config{StateDir: t.TempDir()}, t.TempDir(), addr)
	tor.mu.Lock()
	defer tor.mu.Unlock()
	if n := tor.naming; n.named != n.wanted || n.out != 0 || len(n.ready) != 0 {
		t.Errorf("after completion: %+v", n)
	}
}

// When both ends dial at once, both keep the same one of the two connections, whoever has the smaller id.
func TestBothEndsPreferTheSameConnection(t *testing.T) {
	a, b := &Engine{peerID: [20]byte{1}}, &Engine{peerID: [20]byte{2}}
	at := func(e *Engine, id [20]byte, outgoing bool) (*Torrent, *link) {
		return &Torrent{e: e}, &link{peerID: id, outgoing: outgoing, addr: alice}
	}
	ta, aOut := at(a, b.peerID, true)
	_, aIn := at(a, b.peerID, false)
	tb, bIn := at(b, a.peerID, false)
	_, bOut := at(b, a.peerID, true)
	// One connection is aOut-bIn, the other bOut-aIn. Whichever came first at either end, the same one is left.
	for _, c := range []struct {
		name         string
		first        bool // what a keeps when its outgoing one came first is that one
		second       bool
		other, again bool
	}{{"a's own", !ta.prefers(aIn, aOut), ta.prefers(aOut, aIn), !tb.prefers(bOut, bIn), tb.prefers(bIn, bOut)}} {
		if !c.first || !c.second || !c.other || !c.again {
			t.Errorf("%s connection must be kept by all: %+v", c.name, c)
		}
	}
	late := &link{peerID: b.peerID, addr: bob, since: time.Hour}
	if ta2, out := at(b, a.peerID, true); ta2.prefers(&link{peerID: a.peerID, addr: bob, since: time.Hour}, out) || ta.prefers(late, aOut) {
		t.Error("who comes later from elsewhere may have stolen the id")
	}
}

func TestBothDialAtOnce(t *testing.T) {
	w := film(t, 20*testPiece, 1)
	seed, addr := w.seed(t)
	e, _ := start(t, Config{UploadLimit: 1, DownloadLimit: 256 << 10}) // time for both
	get := add(t, e, w.spec(t.TempDir()))
	await(t, "the getter is ready", func() bool { return get.accepting() })
	seed.AddPeers(e.Addr())
	get.AddPeers(addr)
	idle := func(tor *Torrent) bool {
		tor.mu.Lock()
		defer tor.mu.Unlock()
		return tor.seeking.dials == 0 && len(tor.links) == 1
	}
	await(t, "each has one connection", func() bool { return idle(seed) && idle(get) })
	// They are the two ends of the same one.
	s, g := seed.Peers()[0], get.Peers()[0]
	if s.Outgoing == g.Outgoing {
		t.Errorf("both ends say that outgoing is %v", s.Outgoing)
	}
	finish(t, get)
}

// A peer that drops us is connected again: by us, since it does not know where we listen.
func TestPeersReconnectAfterADrop(t *testing.T) {
	w := film(t, 64*testPiece, 1)
	seed, addr := w.seed(t)
	e, _ := start(t, Config{DownloadLimit: 1 << 20})
	get := add(t, e, w.spec(t.TempDir()))
	get.AddPeers(addr)
	await(t, "something has come", func() bool { return get.Stats().Have > 0 })
	seed.mu.Lock()
	for _, l := range seed.links {
		l.conn.Close(errors.New("the cable was pulled"))
	}
	seed.mu.Unlock()
	finish(t, get)
}

// Copies are peers that fetched and became complete while connected; a seed that reveals its pieces one by one is none.
func TestCopiesCountThoseThatCompleted(t *testing.T) {
	w := film(t, 8*testPiece, 1)
	seed, addr := w.seed(t)
	for range 2 {
		fetch(t, w, Config{}, t.TempDir(), addr)
	}
	await(t, "two copies were seen", func() bool { return seed.Stats().Copies == 2 })

	s, err := visit(t, addr, w, strangerID)
	if err != nil {
		t.Fatal(err)
	}
	s.say(wire.Message{Kind: wire.HaveNone})
	for i := range uint32(8) {
		s.say(wire.Message{Kind: wire.Have, Index: i})
	}
	for err = nil; err == nil; { // until it is found needless
		_, err = s.hear()
	}
	if n := seed.Stats().Copies; n != 2 {
		t.Errorf("%d copies, want 2: a giver is none", n)
	}
}

func TestTwoTorrentsShareLimits(t *testing.T) {
	const limit = 1 << 20
	one, two := film(t, 4*testPiece, 1), publish(t, metainfo.V1, "other", false, named{"other", noise(4*testPiece, 2)})
	e, _ := start(t, Config{UploadLimit: limit})
	var tors []*Torrent
	for _, w := range []*work{one, two} {
		s := w.spec(w.put(t, t.TempDir()))
		s.ReadOnly = true
		tors = append(tors, add(t, e, s))
	}
	upload := func(tor *Torrent) int64 {
		tor.mu.Lock()
		defer tor.mu.Unlock()
		return tor.limits.up
	}
	for _, tor := range tors {
		finish(t, tor)
	}
	await(t, "the limit is divided", func() bool {
		a, b := upload(tors[0]), upload(tors[1])
		return a > 0 && b > 0 && a+b <= limit
	})
	// A torrent without peers can use nothing, whatever it moved before.
	if up, down := tors[0].demand(); up.Want != 0 || down.Want != 0 {
		t.Errorf("without peers it wants %d up and %d down", up.Want, down.Want)
	}
	tors[1].Close()
	await(t, "the rest has it all", func() bool { return upload(tors[0]) == limit })
}

// An idle torrent costs one goroutine, so that thousands of them are nothing.
func TestIdleTorrentsHaveOneGoroutine(t *testing.T) {
	const n = 200
	e, _ := start(t, Config{})
	var tors []*Torrent
	before := runtime.NumGoroutine()
	for i := range n {
		w := publish(t, metainfo.V1, fmt.Sprint("film", i), false, named{fmt.Sprint("film", i), noise(100, byte(i))})
		s := w.spec(w.put(t, t.TempDir()))
		s.ReadOnly = true
		tors = append(tors, add(t, e, s))
	}
	for _, tor := range tors {
		finish(t, tor)
	}
	await(t, "they are at rest", func() bool { return runtime.NumGoroutine() <= before+n+8 })
}

// The goodbyes to trackers are bounded, and nothing is left of a client that has stopped: see TestMain.
func TestStopWithADeadTracker(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	w := film(t, testPiece, 1)
	e, stop := start(t, Config{})
	s := w.spec(t.TempDir())
	s.Trackers = [][]string{{"http://" + dead.Addr().String() + "/announce"}}
	tor := add(t, e, s)
	await(t, "it announces", func() bool {
		tor.mu.Lock()
		defer tor.mu.Unlock()
		return len(tor.seeking.announcers) > 0
	})
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
	case <-within(t).Done():
		t.Fatal("does not stop")
	}
}

func TestATorrentCanBeAddedAgainOnceItIsClosed(t *testing.T) {
	w := film(t, testPiece, 1)
	e, _ := start(t, Config{})
	s := w.spec(w.put(t, t.TempDir()))
	s.ReadOnly = true
	for range 20 {
		if err := add(t, e, s).Close(); err != nil {
			t.Fatal(err)
		}
	}
	finish(t, add(t, e, s))
}

func TestATorrentClosedBeforeRunNeverStarts(t *testing.T) {
	w := film(t, testPiece, 1)
	e, err := New(Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	closed := add(t, e, w.spec(t.TempDir()))
	closed.Close()
	<-closed.Gone()
	again := add(t, e, w.spec(t.TempDir()))
	ctx, cancel := context.WithCancel(context.Background())
	end := make(chan error)
	go func() { end <- e.Run(ctx) }()
	await(t, "the other one runs", func() bool { return again.Stats().State == Downloading })
	if s := closed.Stats().State; s != Checking {
		t.Errorf("the closed one is %v", s)
	}
	cancel()
	if err := <-end; err != nil {
		t.Error(err)
	}
}
