package ring

import "slices"

// inMesh reports whether the ring is too small for the corrected protocol, whose proof needs r+1 principals: then every host knows every other,
// changes are told to all at once, and predecessors and lists are computed from the living instead of being stabilised.
func (n *Node) inMesh() bool {
	return n.cfg.Mesh && n.phase == member && n.members != nil && n.members.complete && n.members.alive <= n.cfg.Successors
}

// remesh computes the lists of a small ring anew after a change. It also does so for the change that makes the ring large enough, so that the corrected
// protocol begins from r+1 hosts that know each other.
func (n *Node) remesh() {
	t := n.members
	if !n.cfg.Mesh || t == nil || n.phase != member {
		return
	}
	if !n.cfg.Cache && t.alive > 4*(n.cfg.Successors+1) {
		t.clear(true) // large enough: without a cache nobody needs to know all
		n.next.gossip = never
		return
	}
	if t.off || !t.complete {
		n.shrunk()
		return
	}
	if t.alive > n.cfg.Successors+1 {
		return
	}
	all := t.refs()
	for i := range n.pos {
		p := &n.pos[i]
		p.in = true
		succ, pred := p.succ, p.pred
		n.idealPosition(p, all)
		if p.hasPred && p.pred == pred && len(succ) == len(p.succ) {
			continue
		}
		n.viewDirty = true
	}
}

// shrunk is for a host without the whole membership whose list is so short that the ring may have become small. It begins to keep the membership again and tells
// of itself: the hosts of a mesh tell each other about those whom they know, and hear no notifies. Whether the lists are all there is, learnLists decides;
// else anti-entropy does, by somebody who knows all.
func (n *Node) shrunk() {
	t := n.members
	if !slices.ContainsFunc(n.pos, func(p position) bool { return n.wraps(&p) }) {
		return
	}
	if t.off {
		t.clear(false)
		t.set(n.self())
		n.pass(n.self())
		n.next.antiEntropy = n.now + n.jitter(gossipPeriod)
	}
	if n.learnLists(); t.complete {
		n.remesh()
	}
}
