package engine

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// registry is a source that remembers who takes part.
type registry struct {
	fails bool // every announce; in a panic where it leaves

	mu    sync.Mutex
	peers []netip.AddrPort
	told  []Announcement
}

func (r *registry) Name() string { return "the registry" }

func (r *registry) Announce(_ context.Context, a Announcement) ([]netip.AddrPort, time.Duration, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, a)
	if r.fails && a.Leaving {
		panic("a bug of the source")
	}
	if r.fails {
		return nil, 0, errors.New("out of order")
	}
	addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), a.Port)
	r.peers = slices.DeleteFunc(r.peers, func(p netip.AddrPort) bool { return p == addr })
	if !a.Leaving {
		r.peers = append(r.peers, addr)
	}
	return slices.Clone(r.peers), time.Hour, nil
}

func (r *registry) heard() []Announcement {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.told)
}

// "The ring is one more announce source beside HTTP and UDP trackers": peers find each other by it alone, while a tracker does not
// answer; it hears of completion and leave as a tracker does; one that is out of order stops nobody.
func TestSourceAlone(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	w := film(t, 20*testPiece, 1)
	source, broken := &registry{}, &registry{fails: true}

	seeder, stopSeeder := start(t, Config{})
	s := w.spec(w.put(t, t.TempDir()))
	s.ReadOnly, s.Sources = true, []Source{broken, source}
	seed := add(t, seeder, s)
	await(t, "the source hears of the seed", func() bool { return len(source.heard()) > 0 && seed.Stats().State == Seeding })
	if a := source.heard()[0]; a.Left != 0 || a.Leaving || a.Port != seeder.Addr().Port() || a.InfoHash != seed.wireID() || a.Want == 0 {
		t.Errorf("the seed announced %+v", a)
	}

	dir := t.TempDir()
	getter, stopGetter := start(t, Config{})
	g := w.spec(dir)
	g.Trackers = [][]string{{"http://" + dead.Addr().String() + "/announce"}}
	g.Sources = []Source{broken, source}
	finish(t, add(t, getter, g))
	w.check(t, dir)
	port := getter.Addr().Port()
	by := func(port uint16) (told []Announcement) {
		for _, a := range source.heard() {
			if a.Port == port {
				told = append(told, a)
			}
		}
		return told
	}
	await(t, "it hears of the completion", func() bool { told := by(port); return told[len(told)-1].Left == 0 })
	if first := by(port)[0]; first.Left != w.size() {
		t.Errorf("the getter announced %+v first, want %d bytes left", first, w.size())
	}
	dead.Close() // or its goodbye takes its 3 s
	stopGetter()
	stopSeeder()
	for _, p := range []uint16{port, seeder.Addr().Port()} {
		if told := by(p); !told[len(told)-1].Leaving || told[len(told)-1].Want != 0 {
			t.Errorf("port %d announced %+v last", p, told[len(told)-1])
		}
	}
	if len(source.peers) != 0 {
		t.Errorf("still listed: %v", source.peers)
	}
}
