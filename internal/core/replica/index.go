package replica

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// entry is what the index knows of one record on disk.
type entry struct {
	pos    ringwire.ID
	key    string
	digest ringwire.Digest
	size   int64
	seq    uint64        // of its last change, in this process' order of changes
	next   time.Duration // when its time to live next changes it; 0 = never
	due    time.Duration // when the heap of expiries looks at it; 0 = not
	dead   bool          // it has no live version: only that the key was deleted, or has ended, is remembered
	keep   uint32        // bit i: the i-th host of the last hand-over's holders has it
}

func compareEntries(a, b *entry) int {
	if c := a.pos.Compare(b.pos); c != 0 {
		return c
	}
	return strings.Compare(a.key, b.key)
}

// index is the 16-ary prefix tree over the positions of all records, with the sum of the records' digests at each branch. A sum depends only on
// which records are below, so two hosts can compare any part of their trees that both cut by the same arc. By key
// besides.
type index struct {
	root  branch
	byKey map[string]*entry
	bytes int64
}

// branch is a node of the tree: 16 kids, or a sorted list.
type branch struct {
	sum   ringwire.Sum
	dead  uint32 // entries below that are
	kids  *[16]branch
	items []*entry
}

const (
	splitAt  = 32 // items of a list that is split
	maxDepth = 2 * len(ringwire.ID{})
)

func newIndex() *index { return &index{byKey: map[string]*entry{}} }

// digit is the i-th 4-bit digit of a position.
func digit(id ringwire.ID, i int) byte { return id[i/2] >> (4 * (1 - i%2)) & 15 }

func addSum(s *ringwire.Sum, d ringwire.Digest) {
	var carry uint64
	for i := range s.Total {
		s.Total[i], carry = bits.Add64(s.Total[i], binary.BigEndian.Uint64(d[24-8*i:]), carry)
	}
	s.Count++
}

func subSum(s *ringwire.Sum, d ringwire.Digest) {
	var borrow uint64
	for i := range s.Total {
		s.Total[i], borrow = bits.Sub64(s.Total[i], binary.BigEndian.Uint64(d[24-8*i:]), borrow)
	}
	s.Count--
}

func joinSums(s *ringwire.Sum, o ringwire.Sum) {
	var carry uint64
	for i := range s.Total {
		s.Total[i], carry = bits.Add64(s.Total[i], o.Total[i], carry)
	}
	s.Count += o.Count
}

// put inserts e in place of an entry of the same key.
func (x *index) put(e *entry) {
	x.remove(e.key)
	x.byKey[e.key] = e
	x.bytes += e.size
	b := &x.root
	for depth := 0; ; depth++ {
		addSum(&b.sum, e.digest)
		b.bury(e, 1)
		if b.kids == nil {
			at, _ := slices.BinarySearchFunc(b.items, e, compareEntries)
			b.items = slices.Insert(b.items, at, e)
			if len(b.items) > splitAt && depth < maxDepth {
				b.split(depth)
			}
			return
		}
		b = &b.kids[digit(e.pos, depth)]
	}
}

// bury counts e by n, if it is dead.
func (b *branch) bury(e *entry, n int) {
	if e.dead {
		b.dead += uint32(n)
	}
}

func (b *branch) split(depth int) {
	b.kids = new([16]branch)
	for _, e := range b.items {
		kid := &b.kids[digit(e.pos, depth)]
		addSum(&kid.sum, e.digest)
		kid.bury(e, 1)
		kid.items = append(kid.items, e)
	}
	b.items = nil
}

func (x *index) remove(key string) {
	e := x.byKey[key]
	if e == nil {
		return
	}
	delete(x.byKey, key)
	x.bytes -= e.size
	b := &x.root
	for depth := 0; ; depth++ {
		subSum(&b.sum, e.digest)
		b.bury(e, -1)
		if b.kids == nil {
			at, _ := slices.BinarySearchFunc(b.items, e, compareEntries)
			b.items = slices.Delete(b.items, at, at+1)
			return
		}
		if b.sum.Count <= splitAt/4 { // back to a list
			b.items = b.collect(nil)
			b.kids = nil
			at, _ := slices.BinarySearchFunc(b.items, e, compareEntries)
			b.items = slices.Delete(b.items, at, at+1)
			return
		}
		b = &b.kids[digit(e.pos, depth)]
	}
}

func (b *branch) collect(out []*entry) []*entry {
	if b.kids == nil {
		return append(out, b.items...)
	}
	for i := range b.kids {
		out = b.kids[i].collect(out)
	}
	return out
}

// cut is what a prefix covers: the positions from its ID to that with all further digits 15.
func cut(p ringwire.Prefix) span {
	to := p.ID
	for i := int(p.Depth); i < maxDepth; i++ {
		to[i/2] |= 15 << (4 * (1 - i%2))
	}
	return span{p.ID, to}
}

// child is the prefix with one more digit.
func child(p ringwire.Prefix, d int) ringwire.Prefix {
	p.ID[p.Depth/2] |= byte(d) << (4 * (1 - p.Depth%2))
	p.Depth++
	return p
}

// valid reports whether the prefix has no digits beyond its depth.
func validPrefix(p ringwire.Prefix) bool {
	if int(p.Depth) > maxDepth {
		return false
	}
	for i := int(p.Depth); i < maxDepth; i++ {
		if digit(p.ID, i) != 0 {
			return false
		}
	}
	return true
}

// sum is the sum over the entries below p that are in s.
func (x *index) sum(p ringwire.Prefix, s spans) (out ringwire.Sum) {
	x.root.addTo(&out, ringwire.Prefix{}, s.intersect(spans{cut(p)}))
	return out
}

func (b *branch) addTo(out *ringwire.Sum, at ringwire.Prefix, s spans) {
	if b.sum.Count == 0 || len(s) == 0 {
		return
	}
	whole := cut(at)
	if s.covers(spans{whole}) {
		joinSums(out, b.sum)
		return
	}
	if b.kids == nil {
		for _, e := range b.items {
			if s.has(e.pos) {
				addSum(out, e.digest)
			}
		}
		return
	}
	for i := range b.kids {
		below := child(at, i)
		if c := cut(below); touches(s, c) {
			b.kids[i].addTo(out, below, s)
		}
	}
}

// dead counts the entries in s that are.
func (x *index) dead(s spans) int { return x.root.deadIn(ringwire.Prefix{}, s) }

func (b *branch) deadIn(at ringwire.Prefix, s spans) (n int) {
	switch {
	case b.dead == 0:
		return 0
	case s.covers(spans{cut(at)}):
		return int(b.dead)
	case b.kids == nil:
		for _, e := range b.items {
			if e.dead && s.has(e.pos) {
				n++
			}
		}
		return n
	}
	for i := range b.kids {
		if below := child(at, i); touches(s, cut(below)) {
			n += b.kids[i].deadIn(below, s)
		}
	}
	return n
}

// touches reports whether s and c have a position in common.
func touches(s spans, c span) bool {
	for _, x := range s {
		if x.from.Compare(c.to) <= 0 && c.from.Compare(x.to) <= 0 {
			return true
		}
	}
	return false
}

// each calls f with the entries in s in order until it returns false.
func (x *index) each(s spans, f func(*entry) bool) { x.root.each(ringwire.Prefix{}, s, f) }

func (b *branch) each(at ringwire.Prefix, s spans, f func(*entry) bool) bool {
	if b.sum.Count == 0 {
		return true
	}
	if b.kids == nil {
		for _, e := range b.items {
			if s.has(e.pos) && !f(e) {
				return false
			}
		}
		return true
	}
	for i := range b.kids {
		below := child(at, i)
		if touches(s, cut(below)) && !b.kids[i].each(below, s, f) {
			return false
		}
	}
	return true
}
