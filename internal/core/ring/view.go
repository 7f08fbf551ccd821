package ring

import "slices"

// PositionView is what one position of the host knows, for people and tests. The slices are shared: don't write to them.
type PositionView struct {
	Self           Ref
	In             bool // in the ring
	Status         Status
	Predecessor    Ref
	HasPredecessor bool
	Predecessors   []Ref // the predecessor and those before it, as it tells; a hint
	Successors     []Ref
	Fingers        []Ref // distinct ones, ascending by distance; without those that are the immediate successor
}

// View is what a host knows.
type View struct {
	Positions []PositionView
	Members   int  // living hosts, this one included, as far as known: exact with a warm cache or in a mesh
	Complete  bool // the membership is that of the whole ring
	Joined    bool
	Merging   bool // two rings became one a moment ago, or are about to
	Mesh      bool // so few hosts that everybody knows everybody
	Stats     Stats
}

// View returns what the host knows now.
func (n *Node) View() View {
	v := View{Positions: make([]PositionView, len(n.pos)), Joined: n.phase == member, Merging: n.now < n.mergingTill, Mesh: n.inMesh(), Stats: n.stats}
	for i := range n.pos {
		v.Positions[i] = n.pos[i].view()
	}
	v.Members, v.Complete = n.countMembers()
	return v
}

func (p *position) view() PositionView {
	return PositionView{Self: p.self, In: p.in, Status: p.status, Predecessor: p.pred, HasPredecessor: p.hasPred, Predecessors: p.preds,
		Successors: p.succ, Fingers: p.fingers}
}

// Members is how many living hosts it knows, this one included; complete: these are all.
func (n *Node) Members() (count int, complete bool) { return n.countMembers() }

// countMembers counts the living hosts that it knows; whole says that these are all.
func (n *Node) countMembers() (count int, whole bool) {
	if n.cacheWarm() {
		return n.members.living(), true
	}
	var hosts []Host
	for i := range n.pos {
		p := &n.pos[i]
		for _, list := range [][]Ref{p.succ, p.preds, p.fingers} {
			for _, x := range list {
				hosts = append(hosts, x.Host)
			}
		}
		whole = whole || n.closed(p)
	}
	hosts = append(hosts, n.cfg.Self)
	slices.Sort(hosts)
	return len(slices.Compact(hosts)), whole
}

// wraps reports whether p's successor list seems to go around the whole ring: fewer than r other hosts are in it. A list that lost somebody to a death does too
// until the next step: it is a reason to look at the membership, and none to believe that one knows it.
func (n *Node) wraps(p *position) bool {
	return p.in && len(p.succ) < MaxList && distinctHosts(p.succ, n.cfg.Self) < n.cfg.Successors
}

// closed reports whether p's successor list surely goes around: it wraps, ends with p's predecessor, and holds all the fingers. One that is short because somebody
// in it has just died does not, and names too few holders. A host that has heard of everybody's death is alone, as far as anybody can know.
func (n *Node) closed(p *position) bool {
	k := len(p.succ)
	return n.wraps(p) && p.hasPred == (k > 0) && (k == 0 || p.succ[k-1] == p.pred) &&
		!slices.ContainsFunc(p.fingers, func(x Ref) bool { return !slices.Contains(p.succ, x) })
}

// owns finds the own position that is the successor of key as far as this host knows: key lies between its predecessor and it.
func (n *Node) owns(key ID) (*position, bool) {
	p := n.following(key)
	switch {
	case !p.in:
		return nil, false
	case p.hasPred:
		return p, within(p.pred.ID, key, p.self.ID)
	}
	return p, len(p.succ) == 0 // alone
}

// Holders appends to buf the first n distinct hosts from the successor of key on, each with its first position there. ok is false when this host does
// not see that far: then buf holds what it knows, perhaps nothing. Fewer than n with ok mean that the ring has no more hosts.
func (n *Node) Holders(key ID, count int, buf []Ref) (holders []Ref, ok bool) {
	if n.phase != member {
		return buf, false
	}
	if n.cacheWarm() {
		return n.members.holders(key, count, buf), true
	}
	start := len(buf)
	if p, mine := n.owns(key); mine {
		return n.collect(append(buf, p.self), start, p, key, count)
	}
	p := n.preceding(key)
	if !p.in || len(p.succ) == 0 || !within(p.self.ID, key, p.succ[len(p.succ)-1].ID) {
		return buf, false
	}
	return n.collect(buf, start, p, key, count)
}

// collect goes along p's successor list from key on.
func (n *Node) collect(buf []Ref, start int, p *position, key ID, count int) ([]Ref, bool) {
	from := distance(p.self.ID, key)
	if p.self.ID == key || len(buf) > start {
		from = ID{}
	}
	for _, x := range p.succ {
		if len(buf)-start >= count {
			break
		}
		if distance(p.self.ID, x.ID).Compare(from) >= 0 && !hasHost(buf[start:], x.Host) {
			buf = append(buf, x)
		}
	}
	if len(buf)-start < count && n.closed(p) { // around the ring: whoever is before the key comes last
		for _, x := range append([]Ref{p.self}, p.succ...) {
			if len(buf)-start < count && !hasHost(buf[start:], x.Host) {
				buf = append(buf, x)
			}
		}
		return buf, true
	}
	return buf, len(buf)-start >= count
}

// Arc is the keys in (Lo, Hi]; Lo == Hi is the whole ring.
type Arc struct{ Lo, Hi ID }

// Arcs returns the arcs whose keys this host is among the first n distinct hosts for, one for each of its positions, ascending by Hi.
// Arcs may touch but don't overlap. ok is false while it knows too few of its predecessors: then the arcs are smaller than the truth.
func (n *Node) Arcs(count int) (arcs []Arc, ok bool) {
	ok = n.phase == member
	for i := range n.pos {
		p := &n.pos[i]
		if !p.in {
			ok = false
			continue
		}
		lo, sure := n.reach(p, count)
		ok = ok && sure
		arcs = append(arcs, Arc{lo, p.self.ID})
	}
	return arcs, ok
}

// reach is how far back from p this host is still among the first count hosts. It ends at the next own position, whose arc goes on.
func (n *Node) reach(p *position, count int) (lo ID, sure bool) {
	preds, whole := p.preds, n.closed(p)
	if whole { // the successor list is the whole ring
		preds = slices.Clone(p.succ)
		slices.Reverse(preds)
	}
	lo = p.self.ID
	others := 0
	for i, x := range preds {
		lo = x.ID
		if x.Host == n.cfg.Self {
			return lo, true
		}
		if !hasHost(preds[:i], x.Host) {
			others++
		}
		if others == count {
			return lo, true
		}
	}
	if whole { // fewer hosts than count: everybody holds everything
		return p.self.ID, true
	}
	return lo, false
}
