package replica

import (
	"crypto/sha256"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// script reads choices from fuzzed bytes; at their end every choice is 0.
type script []byte

func (s *script) byte() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

func (s *script) flag() bool  { return s.byte()%2 == 1 }
func (s *script) key() string { return [...]string{"", "a", "b", "film"}[s.byte()%4] }
func (s *script) id() (id ringwire.ID) {
	id[0], id[19] = s.byte(), s.byte()%2
	return id
}

// version is one that a host made, or that nobody did.
func (s *script) version(n *net, key string) ringwire.Version {
	by := ringwire.Host(1 + s.byte()%3)
	v := ringwire.Version{Dot: ringwire.Dot{Writer: writer(by), Epoch: uint32(1 + s.byte()%2), Counter: uint64(1 + s.byte()%4)}}
	switch v.Value = []byte{s.byte()}; s.byte() % 4 {
	case 0:
		v.Tombstone, v.Value, v.Left = true, nil, ringwire.Retention
	case 1:
		v.Set = true
	case 2:
		v.TTL, v.Left, v.Linger = time.Second, time.Second, s.flag()
	}
	if !v.Tombstone {
		v.Hash = sha256.Sum256(v.Value)
	}
	if v.Set {
		v.Member = v.Hash
	}
	if s.flag() {
		v.Context = ringwire.Context{{Writer: writer(by), Epoch: uint32(s.byte() % 3), Counter: uint64(s.byte() % 4)}}
	}
	if v.Sig, v.Cert = n.hosts[by-1].Sign(v.SignedBytes(nil, ringwire.RingID{1}, key)); s.byte()%4 == 0 {
		v.Sig = []byte("forged")
	}
	return v
}

// message is any that the decoder lets through.
func (s *script) message(n *net, r *Replica) *ringwire.Data {
	m := &ringwire.Data{Kind: ringwire.DataKind(s.byte() % 9), Key: s.key(), Op: uint64(s.byte())}
	if asks := slices.Sorted(maps.Keys(r.asked)); len(asks) > 0 && s.flag() { // an answer to what was asked
		m.Op = asks[int(s.byte())%len(asks)]
	}
	bits := s.byte()
	m.Filter, m.Sure, m.Fresh, m.Lapsed, m.Same, m.Claim = bits&1 > 0, bits&2 > 0, bits&4 > 0, bits&8 > 0, bits&16 > 0, bits&32 > 0
	m.Status, m.Group, m.Members = ringwire.DataStatus(s.byte()%5), s.byte(), uint32(s.byte())
	if bits&64 > 0 {
		m.Record = &ringwire.Record{Key: s.key()}
		for range 1 + s.byte()%3 {
			m.Record.Versions = append(m.Record.Versions, s.version(n, m.Record.Key))
		}
		m.Record.Sort()
	}
	if bits&128 > 0 {
		m.Arc, m.Prefix = ringwire.Arc{Lo: s.id(), Hi: s.id()}, ringwire.Prefix{ID: s.id(), Depth: s.byte() % 44}
		m.Digest = ringwire.Digest{s.byte()}
		for range s.byte() % 4 {
			m.Items = append(m.Items, ringwire.Item{Key: s.key(), Digest: ringwire.Digest{s.byte()}})
		}
		if s.flag() {
			m.Sums = make([]ringwire.Sum, ringwire.Branches)
			m.Sums[s.byte()%16].Count = uint32(s.byte())
		}
	}
	b := m.Append(nil)
	if parsed, err := ringwire.ParseData(b); err == nil {
		return parsed
	}
	return nil
}

// FuzzStep: whatever other members send, in whatever order, nothing panics and what is kept for them stays within its bounds ("oversized,
// malformed, replayed or unauthenticated input is refused and counted, never a crash"). One host is real; the others are the input.
func FuzzStep(f *testing.F) {
	f.Add([]byte{})
	for seed := range byte(8) {
		var b []byte
		for h := sha256.Sum256([]byte{seed}); len(b) < 1500; h = sha256.Sum256(h[:]) {
			b = append(b, h[:]...)
		}
		f.Add(b)
	}
	f.Fuzz(step)
}

func step(t *testing.T, data []byte) {
	n := newNet()
	for pos := range uint64(3) {
		n.add(10 + 80*pos)
	}
	h := n.hosts[0]
	h.start()
	for _, o := range n.hosts[1:] { // in the view, and deaf
		o.r = h.r
	}
	n.hosts = n.hosts[:3:3]
	alive := n.hosts
	send := func(s *script) {
		if m := s.message(n, h.r); m != nil {
			h.r.Receive(n.now, alive[1+s.byte()%2].id, m)
		}
	}
	s := script(data)
	for step := uint64(1); len(s) > 0 && step < 400; step++ {
		switch s.byte() % 8 {
		case 0:
			h.r.Put(n.now, step, Put{Key: s.key(), Value: []byte{s.byte()}, Set: s.flag(), TTL: time.Duration(s.byte()%2) * time.Second, Deadline: n.now + time.Second})
		case 1:
			h.r.Delete(n.now, step, Delete{Key: s.key(), Deadline: n.now + time.Second})
		case 2:
			h.r.Get(n.now, step, Get{Key: s.key(), Deadline: n.now + time.Second})
		case 3:
			n.now += time.Duration(s.byte()) * 20 * time.Millisecond
			h.r.Tick(n.now)
		case 4:
			h.r.ViewChanged(n.now)
		default:
			send(&s)
		}
		h.settleAlone()
		bounded(t, n, h.r)
	}
	// Clients get their answer all the same.
	n.now += 2 * time.Second
	h.r.Tick(n.now)
	h.settleAlone()
	if left := h.r.Stats().Operations; left > 0 {
		t.Fatalf("%d operations never end", left)
	}
}

// settleAlone carries out what needs no other host.
func (h *host) settleAlone() {
	for {
		a, ok := h.r.Next()
		if !ok {
			return
		}
		switch a.Kind {
		case Persist, Forget:
			old, _ := h.Load(h.n.now, keyOf(a))
			if a.Kind == Persist {
				h.disk[a.Record.Key], h.at[a.Record.Key] = ringwire.Merge(old, a.Record), h.n.now
			} else if old == nil || old.Digest() == a.Digest {
				delete(h.disk, a.Key)
			}
			h.r.Persisted(h.n.now, a.Token, nil)
		case Locate:
			h.r.Located(h.n.now, a.Token, nil)
		}
	}
}

func bounded(t *testing.T, n *net, r *Replica) {
	t.Helper()
	if asked := len(r.asked); asked > maxSessions*window+len(r.ops)*2*r.cfg.Replicas {
		t.Fatalf("%d questions are remembered", asked)
	}
	if len(r.sync.sessions) > maxSessions+maxHanded*r.cfg.Replicas || len(r.sync.givers) > maxGivers || len(r.arcs.claims) > maxClaims {
		t.Fatalf("%d sessions, %d givers, %d claims", len(r.sync.sessions), len(r.sync.givers), len(r.arcs.claims))
	}
	if len(r.inbox) > 0 || len(r.verified) > maxVerified || r.recent.bytes > maxRecent || len(r.budget) > 2 {
		t.Fatalf("inbox %d, signatures %d, %d bytes of records, %d budgets", len(r.inbox), len(r.verified), r.recent.bytes, len(r.budget))
	}
	for _, h := range n.hosts[:1] {
		for key, rec := range h.disk {
			for i := range rec.Versions {
				v := &rec.Versions[i]
				if !h.Verify(v.Dot.Writer, v.Cert, v.SignedBytes(nil, ringwire.RingID{1}, key), v.Sig) {
					t.Fatalf("a forged version of %q is on disk", key)
				}
			}
		}
	}
	if len(r.index.byKey) > 4 {
		t.Fatalf("%d records of 4 keys", len(r.index.byKey))
	}
}
