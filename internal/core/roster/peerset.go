package roster

import (
	"encoding/binary"
	"net/netip"

	"github.com/eddy-p2p/eddy/internal/format/announce"
)

// seenSize is the size of the last-seen tick behind a peer's address.
const seenSize = 2

// indexFrom is the number of peers from which on an index pays. Below, all of them lie within a few cache lines.
const indexFrom = 16

// peerKey is the address by which a peer is known, in compact form.
type peerKey struct {
	b [announce.Stride6]byte
	n int // 6 or 18
}

func makeKey(a netip.AddrPort) (k peerKey) {
	k.n = len(announce.AppendPeer(k.b[:0], a))
	return k
}

// bytes returns the compact form.
func (k *peerKey) bytes() []byte { return k.b[:k.n] }

// Prefix returns the /24 or /64 that the peer of 6 or 18 bytes is in, and whether such a prefix is to be limited at all: what is not
// reachable over the Internet may well share one.
func Prefix(b []byte) (p uint64, limited bool) {
	if len(b) == announce.Stride4 {
		a := netip.AddrFrom4([4]byte(b))
		return uint64(b[0])<<16 | uint64(b[1])<<8 | uint64(b[2]), global(a) && !(b[0] == 100 && b[1]&0xc0 == 64) // RFC 6598
	}
	return binary.BigEndian.Uint64(b), global(netip.AddrFrom16([16]byte(b)))
}

func global(a netip.Addr) bool { return a.IsGlobalUnicast() && !a.IsPrivate() }

// peerSet is the peers of one swarm and family in one array: the seeders, then the leechers. An entry is the compact
// address and the tick of the last announce. Peers move when others come and go; the index follows.
type peerSet struct {
	data    []byte
	index   []uint32 // open addressing by address: position + 1; nil in small sets
	stride  int      // 8 or 20
	seeders int
	oldest  uint16 // no peer was last seen before this tick
	// prefixes counts peers a limited prefix. A set that is no larger than the limit cannot break it, so it has none.
	prefixes map[uint64]uint32
}

func (s *peerSet) len() int {
	if s == nil {
		return 0
	}
	return len(s.data) / s.stride
}

// entry returns the address and the tick of the peer at position i.
func (s *peerSet) entry(i int) []byte { return s.data[i*s.stride : (i+1)*s.stride] }

// compact returns the address of the peer at position i.
func (s *peerSet) compact(i int) []byte { return s.data[i*s.stride : (i+1)*s.stride-seenSize] }

func (s *peerSet) seen(i int) uint16 {
	return binary.LittleEndian.Uint16(s.data[(i+1)*s.stride-seenSize:])
}

// find returns the position of a peer.
func (s *peerSet) find(key *peerKey, seed uint64) (int, bool) {
	if s.index == nil {
		for i := range s.len() {
			if string(s.compact(i)) == string(key.bytes()) {
				return i, true
			}
		}
		return 0, false
	}
	mask := uint32(len(s.index) - 1)
	for slot := hash(key.bytes(), seed) & mask; s.index[slot] != 0; slot = (slot + 1) & mask {
		if i := int(s.index[slot] - 1); string(s.compact(i)) == string(key.bytes()) {
			return i, true
		}
	}
	return 0, false
}

// refresh notes that the peer at position i was seen, and as what.
func (s *peerSet) refresh(i int, seeder bool, tick uint16, seed uint64) {
	switch {
	case seeder && i >= s.seeders:
		s.swap(i, s.seeders, seed)
		i = s.seeders
		s.seeders++
	case !seeder && i < s.seeders:
		s.seeders--
		s.swap(i, s.seeders, seed)
		i = s.seeders
	}
	binary.LittleEndian.PutUint16(s.entry(i)[s.stride-seenSize:], tick)
}

// capped reports whether the peer's prefix has its fill. It counts the prefixes when the set has just grown so large that
// the question arises.
func (s *peerSet) capped(key *peerKey, limit int) bool {
	if s.prefixes == nil {
		if s.len() < limit {
			return false
		}
		s.prefixes = make(map[uint64]uint32)
		for i := range s.len() {
			if p, limited := Prefix(s.compact(i)); limited {
				s.prefixes[p]++
			}
		}
	}
	p, limited := Prefix(key.bytes())
	return limited && int(s.prefixes[p]) >= limit
}

// add enters a peer that is not in the set.
func (s *peerSet) add(key *peerKey, seeder bool, tick uint16, seed uint64) {
	n := s.len()
	if n == 0 {
		s.oldest = tick
	}
	if len(s.data)+s.stride > cap(s.data) {
		// Growing by a quarter in place of append's doubling keeps the slack of a million peers small.
		s.resize(n + n/4 + 2)
	}
	s.data = append(s.data, key.bytes()...)
	s.data = binary.LittleEndian.AppendUint16(s.data, tick)
	if s.prefixes != nil {
		if p, limited := Prefix(key.bytes()); limited {
			s.prefixes[p]++
		}
	}
	switch {
	case s.index == nil && n+1 > indexFrom, s.index != nil && (n+1)*5 > len(s.index)*4:
		s.reindex(seed)
	case s.index != nil:
		s.index[s.free(n, seed)] = uint32(n) + 1
	}
	if seeder {
		s.swap(n, s.seeders, seed)
		s.seeders++
	}
}

// resize moves the peers to an array with room for n.
func (s *peerSet) resize(n int) {
	data := make([]byte, len(s.data), n*s.stride)
	copy(data, s.data)
	s.data = data
}

// remove takes out the peer at position i: the last seeder and the last leecher close the gaps.
func (s *peerSet) remove(i int, seed uint64, limit int) {
	if s.prefixes != nil {
		if p, limited := Prefix(s.compact(i)); limited {
			if s.prefixes[p]--; s.prefixes[p] == 0 {
				delete(s.prefixes, p)
			}
		}
	}
	if i < s.seeders {
		s.seeders--
		s.swap(i, s.seeders, seed)
		i = s.seeders
	}
	last := s.len() - 1
	s.swap(i, last, seed)
	if s.index != nil {
		s.unindex(last, seed)
	}
	s.data = s.data[:last*s.stride]
	s.shrink(last, seed, limit)
}

// shrink gives memory back once two thirds of it are unused.
func (s *peerSet) shrink(n int, seed uint64, limit int) {
	if cap(s.data) > 64*s.stride && n*s.stride < cap(s.data)/3 {
		s.resize(n + n/4)
	}
	if s.prefixes != nil && n < limit/2 {
		s.prefixes = nil
	}
	switch {
	case s.index != nil && n <= indexFrom/2:
		s.index = nil
	case len(s.index) > 64 && n*4 < len(s.index):
		s.reindex(seed)
	}
}

// expire removes the peers last seen more than a lifetime ago and returns their number.
func (s *peerSet) expire(tick uint16, seed uint64, limit int) (gone int) {
	if tick-s.oldest <= ticksPerLifetime {
		return 0
	}
	var age uint16
	for i := s.len() - 1; i >= 0; i-- { // downwards: what fills a gap has been looked at
		if a := tick - s.seen(i); a > ticksPerLifetime {
			s.remove(i, seed, limit)
			gone++
		} else {
			age = max(age, a)
		}
	}
	s.oldest = tick - age
	return gone
}

// swap exchanges two peers.
func (s *peerSet) swap(i, j int, seed uint64) {
	if i == j {
		return
	}
	if s.index != nil {
		a, b := s.slot(i, seed), s.slot(j, seed)
		s.index[a], s.index[b] = s.index[b], s.index[a]
	}
	var tmp [announce.Stride6 + seenSize]byte
	n := copy(tmp[:], s.entry(i))
	copy(s.entry(i), s.entry(j))
	copy(s.entry(j), tmp[:n])
}

// slot returns the place in the index of the peer at position i.
func (s *peerSet) slot(i int, seed uint64) uint32 {
	mask := uint32(len(s.index) - 1)
	slot := hash(s.compact(i), seed) & mask
	for s.index[slot] != uint32(i)+1 {
		slot = (slot + 1) & mask
	}
	return slot
}

// free returns the place in the index where the peer at position i belongs.
func (s *peerSet) free(i int, seed uint64) uint32 {
	mask := uint32(len(s.index) - 1)
	slot := hash(s.compact(i), seed) & mask
	for s.index[slot] != 0 {
		slot = (slot + 1) & mask
	}
	return slot
}

// reindex makes a new index of fitting size, between 40 and 80 per cent full right after.
func (s *peerSet) reindex(seed uint64) {
	n, size := s.len(), 32
	for n*5 > size*4 {
		size *= 2
	}
	s.index = make([]uint32, size)
	for i := range n {
		s.index[s.free(i, seed)] = uint32(i) + 1
	}
}

// unindex takes the peer at position i out of the index and moves later ones of the same run up, so that no run is broken.
func (s *peerSet) unindex(i int, seed uint64) {
	mask := uint32(len(s.index) - 1)
	hole := s.slot(i, seed)
	for next := (hole + 1) & mask; s.index[next] != 0; next = (next + 1) & mask {
		home := hash(s.compact(int(s.index[next]-1)), seed) & mask
		if (next-home)&mask >= (next-hole)&mask {
			s.index[hole] = s.index[next]
			hole = next
		}
	}
	s.index[hole] = 0
}

// hash mixes an address with the roster's seed, which who announces does not know: nobody can make runs by choosing ports.
func hash(b []byte, seed uint64) uint32 {
	h := seed
	if len(b) == announce.Stride6 {
		h = mix(h ^ binary.LittleEndian.Uint64(b))
		h = mix(h ^ binary.LittleEndian.Uint64(b[8:]))
		h = mix(h ^ uint64(binary.LittleEndian.Uint16(b[16:])))
	} else {
		h = mix(h ^ uint64(binary.LittleEndian.Uint32(b)) ^ uint64(binary.LittleEndian.Uint16(b[4:]))<<32)
	}
	return uint32(h >> 32)
}

// mix is the finaliser of SplitMix64.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
