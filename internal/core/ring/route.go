package ring

import "slices"

// hop is where a lookup goes from this host.
type hop struct {
	mine  *position // this host is the owner there
	next  Ref       // else hand it to next
	final bool      // next is the owner, as far as this host knows
	ok    bool      // one of the two is known
}

// route finds the next hop to the owner of key, passing over the hosts in avoid and those that leave a question unanswered just now. The owner
// is recognised by its own predecessor, or by whoever finds the key between two entries of its successor list; else it goes to the closest known
// position before the key (Stoica et al. 2001, figure 5, with the successor list as in section 4.5.3 of the journal version).
func (n *Node) route(key ID, avoid []Host) hop {
	if p, ok := n.owns(key); ok {
		return hop{mine: p, ok: true}
	}
	from := n.preceding(key)
	if !from.in {
		return hop{}
	}
	best, prev := Ref{}, from.self.ID
	found := false
	for _, x := range from.succ {
		if n.passOver(x.Host, avoid) {
			continue
		}
		if within(prev, key, x.ID) {
			return n.deliver(x, key, avoid)
		}
		best, prev, found = x, x.ID, true
		if n.cfg.Routing != Fingers {
			break
		}
	}
	consider := func(x Ref) {
		if x.Host == n.cfg.Self || !between(prev, x.ID, key) || n.passOver(x.Host, avoid) {
			return
		}
		best, prev, found = x, x.ID, true
	}
	switch n.cfg.Routing {
	case Links:
		for _, x := range n.cfg.Links {
			consider(x)
		}
	case Fingers:
		for i := range n.pos {
			for _, x := range slices.Backward(n.pos[i].fingers) {
				consider(x)
			}
		}
	}
	return hop{next: best, ok: found}
}

// deliver hands a key to its owner x. Where x is this host, its predecessor knows better: it does not own the key by itself.
func (n *Node) deliver(x Ref, key ID, avoid []Host) hop {
	if x.Host != n.cfg.Self {
		return hop{next: x, final: true, ok: true}
	}
	return n.back(n.following(key), avoid)
}

// back is for a key that others believe to be p's, and that lies before p's predecessor: a host has joined there of which they don't
// know. When the predecessor does not answer, p is the owner after all.
func (n *Node) back(p *position, avoid []Host) hop {
	if !p.in {
		return hop{}
	}
	if !p.hasPred || p.pred.Host == n.cfg.Self || n.passOver(p.pred.Host, avoid) {
		return hop{mine: p, ok: true}
	}
	return hop{next: p.pred, final: true, ok: true}
}

// passOver reports whether a route should go around host h.
func (n *Node) passOver(h Host, avoid []Host) bool {
	return slices.Contains(avoid, h) || n.doubtful(h)
}

// before finds the closest known position before key, not key itself: an own one, a predecessor, successor or finger. It is what a joining position asks
// for (bestPredecessor in Zave 2017).
func (n *Node) before(key ID) (best Ref, ok bool) {
	for i := range n.pos {
		p := &n.pos[i]
		if !p.in {
			continue
		}
		preds := p.preds[:min(1, len(p.preds))] // a predecessor that is not there must not be told from host 0 at position 0 by its value
		for _, list := range [][]Ref{{p.self}, preds, p.succ, p.fingers} {
			for _, x := range list {
				if x.ID == key || x.Host != n.cfg.Self && n.doubtful(x.Host) {
					continue
				}
				if !ok || between(best.ID, x.ID, key) {
					best, ok = x, true
				}
			}
		}
	}
	return best, ok
}
