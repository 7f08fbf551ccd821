package ring

import (
	"encoding/binary"
	"slices"
	"sort"
	"time"
)

// Ideal puts the host into a ring that has long been quiet: all = every position of the ring, ascending by ID, the host's own among them. It fills
// predecessor, successor lists and fingers with the truth, in about a microsecond a finger, and the membership too when the Node keeps one. Periodic
// duties begin at random moments of their first period, so that nothing beats in step. The slice all is only read during the call.
func (n *Node) Ideal(now time.Duration, all []Ref) {
	n.now, n.phase = now, member
	for i := range n.pos {
		n.idealPosition(&n.pos[i], all)
	}
	if n.members != nil {
		n.members.fill(all, n.cfg)
		n.census.Begin(now, true)
		for _, x := range all {
			n.census.Alive(now, x.Host, false)
		}
	}
	n.arm()
	n.viewDirty = true
}

func (n *Node) idealPosition(p *position, all []Ref) {
	at := seek(all, p.self.ID)
	p.in, p.status = true, Idle
	p.succ = p.list(n.cfg.Successors, window(all, at, 1, n.cfg.Successors, MaxList, p.self.Host))
	p.preds = window(all, at, -1, n.cfg.Successors, MaxPath, p.self.Host)
	if p.hasPred = len(p.preds) > 0; p.hasPred {
		p.pred = p.preds[0]
	}
	p.fingers = nil
	if n.cfg.Routing == Fingers && len(p.succ) > 0 {
		p.fingers = n.idealFingers(p, all)
	}
}

// idealFingers looks up the successor of each finger's start beyond the immediate successor. Several starts share one finger.
func (n *Node) idealFingers(p *position, all []Ref) []Ref {
	var buf [160]Ref
	out := buf[:0]
	low := 160 - n.cfg.Space.Width()
	for bit := topBit(distance(p.self.ID, p.succ[0].ID)) + 1; bit < 160; bit++ {
		x := all[seek(all, n.cfg.Space.Finger(p.self.ID, bit-low))%len(all)]
		d := topBit(distance(p.self.ID, x.ID))
		if d < bit { // around the ring: no position lies as far
			break
		}
		out, bit = append(out, x), d
	}
	return slices.Clone(out)
}

// window returns the refs after (step 1) or before (step -1) index at, until r distinct hosts other than self are in it, the ring is
// around or most are listed.
func window(all []Ref, at, step, r, most int, self Host) []Ref {
	out, hosts := make([]Ref, 0, min(r, len(all))), 0
	for i := 1; i < len(all) && hosts < r && len(out) < most; i++ {
		x := all[((at+i*step)%len(all)+len(all))%len(all)]
		if x.Host != self && !hasHost(out, x.Host) {
			hosts++
		}
		out = append(out, x)
	}
	return out
}

// seek returns the index of the first ref at or after id, len(all) when there is none.
func seek(all []Ref, id ID) int {
	return gallop(len(all), id, func(i int) bool { return all[i].ID.Compare(id) >= 0 })
}

// gallop returns the first of n positions, ascending, for which reached holds, n when there is none. reached tells whether a position is at or after id.
// Positions are hashes, evenly spread: the search begins where id would be in a perfectly even ring and doubles its step, which touches far less memory
// than halving does.
func gallop(n int, id ID, reached func(i int) bool) int {
	if n == 0 {
		return 0
	}
	guess := int(binary.BigEndian.Uint32(id[:])>>1) * n >> 31
	lo, hi := guess, guess
	for step := 1; lo > 0 && reached(lo-1); step *= 2 {
		hi, lo = lo-1, max(lo-1-step, 0)
	}
	for step := 1; hi < n && !reached(hi); step *= 2 {
		lo, hi = hi+1, min(hi+step, n)
	}
	return lo + sort.Search(hi-lo, func(i int) bool { return reached(lo + i) })
}
