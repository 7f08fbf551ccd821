package ring

import (
	"encoding/binary"
	"slices"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// entry is one position of a member: 12 bytes, so that 100,000 hosts fit a megabyte. Where the position is, the Directory knows. What is known of the
// host stands in all its entries.
type entry struct {
	host        Host
	incarnation uint32
	index       uint16 // in Directory.Positions
	state       ringwire.MemberState
}

// buckets is the number of ranges of positions that anti-entropy compares.
const buckets = MaxDigests

// table is the membership: entries ascending by position, dead and departed hosts among them for a while, so that old news don't bring them back.
type table struct {
	dir      Directory
	entries  []entry
	alive    int // living hosts
	gone     int // others
	complete bool
	agreed   uint8    // hosts in a row that had the same membership, while it is not complete
	off      bool     // dropped: nothing is taken in
	sums     []uint64 // of the living, by the range of their first position
	news     []newsItem
}

func newTable(dir Directory) *table { return &table{dir: dir} }

func (t *table) id(e entry) ID { return t.dir.Positions(e.host)[e.index] }

// search returns the index of the first entry at or after id.
func (t *table) search(id ID) int {
	return gallop(len(t.entries), id, func(i int) bool { return t.id(t.entries[i]).Compare(id) >= 0 })
}

// rest counts the entries after index at whose positions are in the same range b of those that anti-entropy compares.
func (t *table) rest(at int, b byte) int {
	if b == buckets-1 {
		return len(t.entries) - at - 1
	}
	return t.search(ID{b + 1}) - at - 1
}

// find returns the index of the entry of h's first position.
func (t *table) find(h Host) (int, bool) {
	ids := t.dir.Positions(h)
	if len(ids) == 0 {
		return 0, false
	}
	i := t.search(ids[0])
	return i, i < len(t.entries) && t.entries[i].host == h
}

// get returns what is known of h.
func (t *table) get(h Host) (Member, bool) {
	i, ok := t.find(h)
	if !ok {
		return Member{}, false
	}
	e := t.entries[i]
	return Member{Host: h, Incarnation: e.incarnation, State: e.state}, true
}

func (t *table) state(h Host) ringwire.MemberState {
	m, _ := t.get(h)
	return m.State
}

func (t *table) living() int { return t.alive }

// set takes m in, and reports whether it was news.
func (t *table) set(m Member) bool {
	ids := t.dir.Positions(m.Host)
	if len(ids) == 0 || len(ids) > 1<<16 || m.State < ringwire.Alive || m.State > ringwire.Dead {
		return false
	}
	old, known := t.get(m.Host)
	if known && !m.Supersedes(old) || !known && t.taken(ids) {
		return false
	}
	t.count(old, -1)
	t.count(m, 1)
	fresh := make([]entry, len(ids))
	for i := range fresh {
		fresh[i] = entry{host: m.Host, incarnation: m.Incarnation, index: uint16(i), state: m.State}
	}
	if !known {
		t.insert(fresh)
		return true
	}
	for i, id := range ids {
		if at := t.search(id); at < len(t.entries) && t.entries[at].host == m.Host {
			t.entries[at] = fresh[i]
		}
	}
	return true
}

// insert takes in all entries of a host that is not in the table. It moves what is there once, from the last to the first: the table of a large ring is
// tens of megabytes.
func (t *table) insert(fresh []entry) {
	slices.SortFunc(fresh, func(a, b entry) int { return t.id(a).Compare(t.id(b)) })
	from := len(t.entries)
	t.entries = append(t.entries, fresh...)
	for i, e := range slices.Backward(fresh) {
		id := t.id(e)
		at := gallop(from, id, func(k int) bool { return t.id(t.entries[k]).Compare(id) >= 0 })
		copy(t.entries[at+i+1:], t.entries[at:from])
		t.entries[at+i], from = e, at
	}
}

// taken reports whether another host stands at one of the positions: only in teaching rings, where people choose them.
func (t *table) taken(ids []ID) bool {
	for _, id := range ids {
		if at := t.search(id); at < len(t.entries) && t.id(t.entries[at]) == id {
			return true
		}
	}
	return false
}

func (t *table) count(m Member, by int) {
	switch m.State {
	case 0:
	case ringwire.Alive:
		t.alive += by
		if t.sums == nil {
			t.sums = make([]uint64, buckets)
		}
		id := t.dir.Positions(m.Host)[0]
		t.sums[id[0]] ^= mix(id, m.Incarnation)
	default:
		t.gone += by
	}
}

// mix makes one number of a position and an incarnation: splitmix64's finaliser over both.
func mix(id ID, incarnation uint32) uint64 {
	x := binary.BigEndian.Uint64(id[:]) ^ binary.BigEndian.Uint64(id[12:]) + 0x9e3779b97f4a7c15*(uint64(incarnation)+1)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// fill makes the table the whole membership: every host of refs is alive, in incarnation 0 but for this one.
func (t *table) fill(refs []Ref, cfg Config) {
	*t = table{dir: t.dir, complete: true, entries: make([]entry, len(refs))}
	for i, x := range refs {
		m := Member{Host: x.Host, State: ringwire.Alive}
		if x.Host == cfg.Self {
			m.Incarnation = cfg.Incarnation
		}
		index := slices.Index(t.dir.Positions(x.Host), x.ID)
		if index < 0 {
			panic("ring: a position that the Directory does not know")
		}
		t.entries[i] = entry{host: x.Host, incarnation: m.Incarnation, index: uint16(index), state: m.State}
		if index == 0 {
			t.count(m, 1)
		}
	}
}

// clear forgets everything.
func (t *table) clear(off bool) { *t = table{dir: t.dir, off: off} }

// sweep forgets the dead and departed when they are many.
func (t *table) sweep() {
	if t.gone > t.alive/4+64 {
		t.entries = slices.DeleteFunc(t.entries, func(e entry) bool { return e.state != ringwire.Alive })
		t.gone = 0
	}
}

// successor returns the first living position at or after key whose host answers questions and is not in avoid.
func (t *table) successor(key ID, n *Node, avoid []Host) (Ref, bool) {
	at := t.search(key)
	for i := range t.entries {
		e := t.entries[(at+i)%len(t.entries)]
		if e.state == ringwire.Alive && (e.host == n.cfg.Self || !n.passOver(e.host, avoid)) {
			return Ref{ID: t.id(e), Host: e.host}, true
		}
	}
	return Ref{}, false
}

// holders appends the first count distinct living hosts from key on.
func (t *table) holders(key ID, count int, buf []Ref) []Ref {
	start, at := len(buf), t.search(key)
	for i := 0; i < len(t.entries) && len(buf)-start < count; i++ {
		e := t.entries[(at+i)%len(t.entries)]
		if e.state == ringwire.Alive && !hasHost(buf[start:], e.host) {
			buf = append(buf, Ref{ID: t.id(e), Host: e.host})
		}
	}
	return buf
}

// refs lists the living positions, ascending.
func (t *table) refs() []Ref {
	out := make([]Ref, 0, len(t.entries))
	for _, e := range t.entries {
		if e.state == ringwire.Alive {
			out = append(out, Ref{ID: t.id(e), Host: e.host})
		}
	}
	return out
}

// hosts lists the living hosts, at most as many as a message holds.
func (t *table) hosts() []Member {
	var out []Member
	for _, e := range t.entries {
		if e.index == 0 && e.state == ringwire.Alive && len(out) < MaxMembers {
			out = append(out, Member{Host: e.host, Incarnation: e.incarnation, State: e.state})
		}
	}
	return out
}

// random draws a living host other than self, or any when none is found in a few draws.
func (t *table) random(n *Node) (Host, bool) {
	for range 16 {
		if len(t.entries) == 0 {
			break
		}
		e := t.entries[n.cfg.Rand.IntN(len(t.entries))]
		if e.state == ringwire.Alive && e.host != n.cfg.Self && !n.doubtful(e.host) {
			return e.host, true
		}
	}
	return 0, false
}
