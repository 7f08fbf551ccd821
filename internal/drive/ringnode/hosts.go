package ringnode

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// self is this host's handle.
const self ringwire.Host = 0

// noHost stands for a host whose papers were refused.
const noHost = ^ringwire.Host(0)

// maxHosts bounds the host table. A ring's cache is meant for 100,000 hosts.
const maxHosts = 1 << 20

// Why a host's papers are refused.
var (
	errUntrusted = errors.New("its certificate is not this ring's, or has expired")
	errPresence  = errors.New("its presence is not signed by itself")
	errTableFull = errors.New("too many hosts")
)

// hostTable gives each host that was ever heard of a handle, which stands for its public key and never changes. What it holds was
// checked: the ring signed the certificate, from which the positions follow, and the host itself said where it is.
type hostTable struct {
	trust *admission
	space ringwire.Space

	mu      sync.RWMutex
	byKey   map[[32]byte]ringwire.Host
	entries []hostEntry
	changed map[ringwire.Host]bool // since the last save
}

// hostEntry is one host. The slices are never written to once they are in an entry.
type hostEntry struct {
	certificate *ringwire.Certificate
	presence    ringwire.Presence
	positions   []ringwire.ID
	version     uint32 // grows with each change, so that connections know what the other side has not heard
}

func newHostTable(trust *admission, space ringwire.Space) *hostTable {
	return &hostTable{trust: trust, space: space, byKey: make(map[[32]byte]ringwire.Host), changed: make(map[ringwire.Host]bool)}
}

// learn takes in what is said of a host and returns its handle. Papers that are known already cost no check; of two presences
// the one with the higher incarnation counts.
func (t *hostTable) learn(c *ringwire.Certificate, p ringwire.Presence) (ringwire.Host, error) {
	h, e, known := t.find(c.Public)
	sameCertificate := known && e.certificate.Signature == c.Signature && e.certificate.Serial == c.Serial
	if sameCertificate && (p == e.presence || p.Incarnation < e.presence.Incarnation) {
		return h, nil
	}
	if !sameCertificate && !t.trust.trusts(c, time.Now()) {
		return noHost, errUntrusted
	}
	if c.Role != ringwire.RoleMember || !c.In(t.space) {
		return noHost, errUntrusted
	}
	if !p.Verify(c) {
		return noHost, errPresence
	}
	return t.put(c, p)
}

// put enters checked papers.
func (t *hostTable) put(c *ringwire.Certificate, p ringwire.Presence) (ringwire.Host, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, ok := t.byKey[c.Public]
	if !ok {
		if len(t.entries) >= maxHosts {
			return noHost, errTableFull
		}
		h = ringwire.Host(len(t.entries))
		t.byKey[c.Public] = h
		positions := make([]ringwire.ID, c.Positions)
		for i := range positions {
			positions[i] = c.Position(t.space, i)
		}
		t.entries = append(t.entries, hostEntry{certificate: c, presence: p, positions: positions})
		t.changed[h] = true
		return h, nil
	}
	e := &t.entries[h]
	// A certificate with another nonce or other positions would move the host: only its own new life, which
	// nobody else knows how to admit, could have made it. The handle stands for the old place, so it stays.
	news := false
	if c.Nonce == e.certificate.Nonce && c.Positions == e.certificate.Positions && newer(c, e.certificate) {
		e.certificate, news = c, true
	}
	if p.Incarnation > e.presence.Incarnation {
		e.presence, news = p, true
	}
	if news {
		e.version++
		t.changed[h] = true
	}
	return h, nil
}

// newer reports whether c counts more than old of the same host: signed by a later CA, or valid for longer.
func newer(c, old *ringwire.Certificate) bool {
	if c.Serial != old.Serial {
		return c.Serial > old.Serial
	}
	return c.Expires > old.Expires
}

func (t *hostTable) find(public [32]byte) (ringwire.Host, hostEntry, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	h, ok := t.byKey[public]
	if !ok {
		return noHost, hostEntry{}, false
	}
	return h, t.entries[h], true
}

// get returns what is known of a host; the zero entry for a handle that this table did not give.
func (t *hostTable) get(h ringwire.Host) hostEntry {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if int(h) >= len(t.entries) {
		return hostEntry{}
	}
	return t.entries[h]
}

// Positions implements ring.Directory.
func (t *hostTable) Positions(h ringwire.Host) []ringwire.ID { return t.get(h).positions }

// Incarnation implements ring.Lives: the papers come before the messages of the life that they are of.
func (t *hostTable) Incarnation(h ringwire.Host) uint32 { return t.get(h).presence.Incarnation }

func (t *hostTable) addr(h ringwire.Host) netip.AddrPort { return t.get(h).presence.Addr }

// index returns which of a host's positions id is.
func (e *hostEntry) index(id ringwire.ID) (int, bool) {
	for i, p := range e.positions {
		if p == id {
			return i, true
		}
	}
	return 0, false
}

// refs returns the host's positions.
func (t *hostTable) refs(h ringwire.Host) []ringwire.Ref {
	positions := t.Positions(h)
	out := make([]ringwire.Ref, len(positions))
	for i, id := range positions {
		out[i] = ringwire.Ref{ID: id, Host: h}
	}
	return out
}

// len is the number of handles given.
func (t *hostTable) len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.entries)
}

// takeChanged returns the entries that changed since the last call.
func (t *hostTable) takeChanged() []hostEntry {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []hostEntry
	for h := range t.changed {
		out = append(out, t.entries[h])
	}
	clear(t.changed)
	return out
}

// noteAgain takes back what takeChanged returned, since it could not be saved.
func (t *hostTable) noteAgain(entries []hostEntry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range entries {
		if h, ok := t.byKey[entries[i].certificate.Public]; ok {
			t.changed[h] = true
		}
	}
}

// resign has the ring's new CA sign what the old one signed: all members hold its key, and sign byte for byte the same.
func (t *hostTable) resign(keep func(public [32]byte) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for h := range t.entries {
		e := &t.entries[h]
		if !keep(e.certificate.Public) {
			continue
		}
		e.certificate = t.trust.resign(e.certificate)
		e.version++
		t.changed[ringwire.Host(h)] = true
	}
}
