package ringnode

import (
	"container/list"
	"net/netip"
	"sync"
)

// Bounds of connections whose other side has not yet proved that it may talk to us.
const (
	maxStrangers       = 384
	maxPrefixStrangers = 128 // from one /24 or /64
)

// gate bounds the connections of strangers. At a bound it closes the one that has been silent longest in favour of the new
// one, so that a flood of silent connections pushes out itself; those still in TLS's handshake, which cannot be closed,
// keep their place until QUIC gives them up.
type gate struct {
	mu       sync.Mutex
	waiting  list.List // of *stranger, longest first
	prefixes map[netip.Prefix]int
	refused  uint64
}

// stranger is a place at the gate.
type stranger struct {
	gate   *gate
	prefix netip.Prefix
	place  *list.Element // nil once given up; guarded by gate.mu
	closed func()        // closes the connection; nil during TLS's handshake; guarded by gate.mu
}

func newGate() *gate { return &gate{prefixes: make(map[netip.Prefix]int)} }

// enter takes a place; nil means that there is none.
func (g *gate) enter(addr netip.Addr) *stranger {
	prefix := network(addr)
	g.mu.Lock()
	var out *stranger
	switch {
	case g.prefixes[prefix] >= maxPrefixStrangers:
		out = g.oldest(func(s *stranger) bool { return s.prefix == prefix })
	case g.waiting.Len() >= maxStrangers:
		out = g.oldest(func(*stranger) bool { return true })
	default:
		defer g.mu.Unlock()
		return g.add(prefix)
	}
	g.refused++
	if out == nil {
		g.mu.Unlock()
		return nil
	}
	out.leave()
	in := g.add(prefix)
	g.mu.Unlock()
	out.closed()
	return in
}

func (g *gate) add(prefix netip.Prefix) *stranger {
	s := &stranger{gate: g, prefix: prefix}
	s.place = g.waiting.PushBack(s)
	g.prefixes[prefix]++
	return s
}

func (g *gate) oldest(fits func(*stranger) bool) *stranger {
	for e := g.waiting.Front(); e != nil; e = e.Next() {
		if s := e.Value.(*stranger); s.closed != nil && fits(s) {
			return s
		}
	}
	return nil
}

// connected tells how the connection can be closed, now that there is one.
func (s *stranger) connected(closed func()) {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	s.closed = closed
}

// done gives up the place: the connection ended, or its other side is no stranger any more. Again does nothing.
func (s *stranger) done() {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	s.leave()
}

// leave is done for those who hold the lock.
func (s *stranger) leave() {
	if s.place == nil {
		return
	}
	s.gate.waiting.Remove(s.place)
	s.place = nil
	if s.gate.prefixes[s.prefix]--; s.gate.prefixes[s.prefix] == 0 {
		delete(s.gate.prefixes, s.prefix)
	}
}

// numbers returns how many strangers are connected, and how many were turned away.
func (g *gate) numbers() (waiting int, refused uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting.Len(), g.refused
}
