package ringnode

import (
	"container/list"
	"net/netip"
	"sync"
)

// Bounds of connections whose other side has not yet proved that it may talk to us.
const (
	maxStrangers       = 768  // that are connected
	maxPrefixStrangers = 384  // of them from one /24 or /64
	maxBeginners       = 1024 // of whose handshake the first packet has come, and no more yet
	maxPrefixBeginners = 512  // of them from one /24 or /64
)

// gate bounds the connections of strangers. Where there is no place for one more that is connected, the one that has been silent for longest makes
// room: so a flood of silent connections pushes out itself, and who says its hello at once is heard. A beginner's handshake cannot be ended by us
// before its first flight is whole; it costs little, and QUIC gives it up soon. All of them have proved their addresses.
type gate struct {
	mu                 sync.Mutex
	waiting            list.List // of *stranger that are connected, longest first
	prefixes           map[netip.Prefix]*strangers
	beginners, refused int
}

// strangers are those of one network.
type strangers struct{ beginners, waiting int }

// stranger is a place at the gate.
type stranger struct {
	gate   *gate
	prefix netip.Prefix
	of     *strangers
	place  *list.Element // nil before it is connected; guarded by gate.mu
	gone   bool          // has given up its place; guarded by gate.mu
	closed func()        // closes the connection; set with place
}

func newGate() *gate { return &gate{prefixes: make(map[netip.Prefix]*strangers)} }

// enter takes the place of a beginner; nil means that there is none.
func (g *gate) enter(addr netip.Addr) *stranger {
	prefix := network(addr)
	g.mu.Lock()
	defer g.mu.Unlock()
	of := g.prefixes[prefix]
	if of == nil {
		of = &strangers{}
	}
	if g.beginners >= maxBeginners || of.beginners >= maxPrefixBeginners {
		g.refused++
		return nil
	}
	g.prefixes[prefix] = of
	g.beginners++
	of.beginners++
	return &stranger{gate: g, prefix: prefix, of: of}
}

// connected tells that the handshake is as good as done, and how the connection can be closed. It may close another, of the same network if that
// has too many.
func (s *stranger) connected(closed func()) {
	g := s.gate
	g.mu.Lock()
	if s.gone || s.place != nil {
		g.mu.Unlock()
		return
	}
	g.beginners--
	s.of.beginners--
	var out *stranger
	switch {
	case s.of.waiting >= maxPrefixStrangers:
		out = g.oldest(func(o *stranger) bool { return o.of == s.of })
	case g.waiting.Len() >= maxStrangers:
		out = g.oldest(func(*stranger) bool { return true })
	}
	if out != nil {
		out.leave()
		g.refused++
	}
	s.closed, s.place = closed, g.waiting.PushBack(s)
	s.of.waiting++
	g.mu.Unlock()
	if out != nil {
		out.closed()
	}
}

func (g *gate) oldest(fits func(*stranger) bool) *stranger {
	for e := g.waiting.Front(); e != nil; e = e.Next() {
		if s := e.Value.(*stranger); fits(s) {
			return s
		}
	}
	return nil
}

// done gives up the place: the connection ended, or its other side is no stranger any more. Again does nothing.
func (s *stranger) done() {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	s.leave()
}

// leave is done for those who hold the lock.
func (s *stranger) leave() {
	if s.gone {
		return
	}
	s.gone = true
	if s.place != nil {
		s.gate.waiting.Remove(s.place)
		s.of.waiting--
	} else {
		s.gate.beginners--
		s.of.beginners--
	}
	if *s.of == (strangers{}) {
		delete(s.gate.prefixes, s.prefix)
	}
}

// numbers returns how many strangers are connected or about to be, and how many were turned away.
func (g *gate) numbers() (waiting, beginners, refused int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting.Len(), g.beginners, g.refused
}
