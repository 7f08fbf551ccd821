package piece

import "time"

// graph is who is connected with whom, and the state of each connection at each end. A peer's links stand in a row of its own,
// all rows in the same arrays: indices are row base + slot. A slot changes when an earlier link of the row ends.
type graph struct {
	row  []row
	peer []int32 // the other end
	bits []uint16
	link []link
	free [32][]int32 // bases of unused rows, by size
	unit int32       // capacity of the smallest row; the others are twice, four times, ... as long
}

// row is where a peer's links are.
type row struct {
	base, deg int32
	size      uint8 // capacity = unit << size
	made      bool
}

// Bits of a link.
const (
	open   uint16 = 1 << iota // we let the other end take blocks
	opened                    // it lets us
	dry                       // it had nothing to ask for when it last could have been served
	gave                      // we sent it something
	took                      // it sent us something
	fast                      // it may ask for its allowed-fast pieces while choked
	proven                    // a piece that it had from us was good: it trusts us with more than one at a time
	wide                      // its download has no limit
	tested                    // its first piece from us is asked for or on its way
)

// link is what one end keeps of a connection.
type link struct {
	rev    int32         // slot of the reverse link in the other end's row
	x      int32         // transfer under way to the other end, or none
	own    int32         // job that the other end has asked us for and that is not begun, or none
	since  time.Duration // last change of open
	joined uint32        // ms
	turn   uint32        // KiB served, for taking turns
	sent   meter         // what we send
}

const none = -1

// at returns the index of a slot.
func (g *graph) at(p, slot int32) int32 { return g.row[p].base + slot }

// reverse returns the index of the other end of the link at index e.
func (g *graph) reverse(e int32) int32 { return g.row[g.peer[e]].base + g.link[e].rev }

// peers returns the neighbours of p, valid until the graph changes.
func (g *graph) peers(p int32) []int32 {
	r := &g.row[p]
	return g.peer[r.base : r.base+r.deg]
}

// flags returns the bits of p's links, by slot.
func (g *graph) flags(p int32) []uint16 {
	r := &g.row[p]
	return g.bits[r.base : r.base+r.deg]
}

// connect links p and q.
func (g *graph) connect(now time.Duration, p, q int32) {
	a, b := g.push(p), g.push(q)
	ms := uint32(now / time.Millisecond)
	ia, ib := g.at(p, a), g.at(q, b)
	g.peer[ia], g.bits[ia], g.link[ia] = q, 0, link{rev: b, x: none, own: none, since: now, joined: ms}
	g.peer[ib], g.bits[ib], g.link[ib] = p, 0, link{rev: a, x: none, own: none, since: now, joined: ms}
}

// drop removes a slot of p's row, which the last one takes over.
func (g *graph) drop(p, slot int32) {
	r := &g.row[p]
	r.deg--
	if slot == r.deg {
		return
	}
	to, from := r.base+slot, r.base+r.deg
	g.peer[to], g.bits[to], g.link[to] = g.peer[from], g.bits[from], g.link[from]
	g.link[g.reverse(to)].rev = slot
}

// push adds a slot to p's row.
func (g *graph) push(p int32) int32 {
	r := &g.row[p]
	if !r.made {
		r.base, r.size, r.made = g.alloc(0), 0, true
	}
	if length := g.unit << r.size; r.deg == length {
		base := g.alloc(r.size + 1)
		copy(g.peer[base:], g.peer[r.base:r.base+r.deg])
		copy(g.bits[base:], g.bits[r.base:r.base+r.deg])
		copy(g.link[base:], g.link[r.base:r.base+r.deg])
		g.free[r.size] = append(g.free[r.size], r.base)
		r.base = base
		r.size++
	}
	r.deg++
	return r.deg - 1
}

// release gives p's row back. Its links must be gone.
func (g *graph) release(p int32) {
	r := &g.row[p]
	if r.made {
		g.free[r.size] = append(g.free[r.size], r.base)
	}
	*r = row{}
}

func (g *graph) alloc(size uint8) int32 {
	if k := len(g.free[size]); k > 0 {
		base := g.free[size][k-1]
		g.free[size] = g.free[size][:k-1]
		return base
	}
	base := int32(len(g.peer))
	n := int(g.unit) << size
	g.peer = extend(g.peer, n)
	g.bits = extend(g.bits, n)
	g.link = extend(g.link, n)
	return base
}

// extend makes s longer by n without a temporary copy where the capacity suffices.
func extend[T any](s []T, n int) []T {
	if len(s)+n <= cap(s) {
		return s[:len(s)+n]
	}
	return append(s, make([]T, n)...)
}

// reserve makes room for n rows of the smallest size, and for some that outgrow it.
func (g *graph) reserve(n int) {
	n = (n + n/16 + 1) * int(g.unit)
	g.peer, g.bits, g.link = make([]int32, 0, n), make([]uint16, 0, n), make([]link, 0, n)
}
