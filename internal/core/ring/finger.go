package ring

import "slices"

// fixFingers looks up one finger of p: the next start beyond the immediate successor. Small starts share the successor, so about log2 N of them matter.
func (n *Node) fixFingers(i int) {
	p := &n.pos[i]
	if !p.in || len(p.succ) == 0 || n.cfg.Routing != Fingers {
		return
	}
	n.dropNearFingers(p)
	low := topBit(distance(p.self.ID, p.succ[0].ID)) + 1
	bit := int(p.fixed) + 1
	if bit < low || bit >= 160 {
		bit = low
	}
	if bit >= 160 { // the successor is the far half's
		return
	}
	p.fixed = uint8(bit)
	key := n.cfg.Space.Finger(p.self.ID, bit-(160-n.cfg.Space.Width()))
	n.begin(lookup{Result: Result{Key: key}, finger: i + 1})
}

// fixFinger takes in that x is the first position at or after start. What was thought to lie between is gone; and of the fingers whose distance has the
// same highest bit as x only x counts, being the first at or after 2^that bit, or beyond one that is.
func (n *Node) fixFinger(p *position, x Ref, start ID) {
	from, d := distance(p.self.ID, start), distance(p.self.ID, x.ID)
	low, bit := topBit(from), topBit(d)
	if d.Compare(from) < 0 { // around the ring: nothing lies beyond start
		bit = 160
	}
	list := slices.DeleteFunc(slices.Clone(p.fingers), func(y Ref) bool {
		b := topBit(distance(p.self.ID, y.ID))
		return b >= low && b <= bit
	})
	if bit < 160 && x.Host != n.cfg.Self && (len(p.succ) == 0 || x != p.succ[0]) {
		list = insertFinger(p, list, x)
	}
	if !slices.Equal(list, p.fingers) {
		p.fingers = list
	}
}

func insertFinger(p *position, list []Ref, x Ref) []Ref {
	d := distance(p.self.ID, x.ID)
	i, _ := slices.BinarySearchFunc(list, d, func(y Ref, d ID) int { return distance(p.self.ID, y.ID).Compare(d) })
	return slices.Insert(list, i, x)
}

// dropNearFingers drops the fingers whose distance has no higher bit than the immediate successor's: that one is the finger for all those starts.
func (n *Node) dropNearFingers(p *position) {
	if len(p.succ) == 0 || len(p.fingers) == 0 {
		return
	}
	bit := topBit(distance(p.self.ID, p.succ[0].ID))
	near := func(x Ref) bool { return topBit(distance(p.self.ID, x.ID)) <= bit }
	if slices.ContainsFunc(p.fingers, near) {
		p.fingers = slices.DeleteFunc(slices.Clone(p.fingers), near)
	}
}
