package ring

import (
	"errors"
	"fmt"
	"slices"
)

// Check holds the node's own state against the local part of Zave's invariant and of this package's: successor lists are ordered and free of
// duplicates and of the position itself, hold no more hosts than they should, fingers ascend. It returns what does not hold.
func (n *Node) Check() []error {
	var errs []error
	for i := range n.pos {
		p := &n.pos[i]
		say := func(format string, a ...any) {
			errs = append(errs, fmt.Errorf("position %s: %s", n.cfg.Space.Format(p.self.ID), fmt.Sprintf(format, a...)))
		}
		if !p.in {
			continue
		}
		if !ordered(p.self.ID, p.succ) {
			say("successors are not in ring order: %v", n.format(p.succ))
		}
		if k := len(p.succ); k > 0 && distinctHosts(p.succ[:k-1], p.self.Host) >= n.cfg.Successors {
			say("the successor list goes on beyond %d hosts", n.cfg.Successors)
		}
		if !ordered(p.self.ID, p.fingers) {
			say("fingers are not in ring order: %v", n.format(p.fingers))
		}
		if p.hasPred && (p.pred.ID == p.self.ID || len(p.preds) == 0 || p.preds[0] != p.pred) {
			say("predecessor %s against %v", n.cfg.Space.Format(p.pred.ID), n.format(p.preds))
		}
		if p.status != Idle && p.deadline == never && p.status != Entering {
			say("%s without a question", p.status)
		}
	}
	return errs
}

// ordered reports whether refs go on clockwise from self, without reaching it again.
func ordered(self ID, refs []Ref) bool {
	last := ID{}
	for _, x := range refs {
		d := distance(self, x.ID)
		if d.Compare(last) <= 0 {
			return false
		}
		last = d
	}
	return true
}

func (n *Node) format(refs []Ref) []string { return formatRefs(n.cfg.Space, refs) }

func formatRefs(s Space, refs []Ref) []string {
	out := make([]string, len(refs))
	for i, x := range refs {
		out[i] = s.Format(x.ID)
	}
	return out
}

// CheckRing holds the nodes that live against Zave's invariant (2017): every member has a live successor, and there are at least r+1 principals, members that
// no adjacent pair of [self]+successors of any member skips. From these follow, and are checked too: one ordered ring, and that every member
// reaches it. A ring of no more than r hosts has no such base and is held against the rest. Errors are ErrInvariant.
func CheckRing(nodes []*Node) []error {
	members, r := membersOf(nodes)
	if len(members) == 0 {
		return nil
	}
	var errs []error
	for _, n := range nodes {
		errs = append(errs, n.Check()...)
	}
	space := nodes[0].cfg.Space
	say := func(format string, a ...any) {
		errs = append(errs, fmt.Errorf("%w: %s", ErrInvariant, fmt.Sprintf(format, a...)))
	}
	live := func(id ID) *position {
		i, ok := slices.BinarySearchFunc(members, id, func(p *position, id ID) int { return p.self.ID.Compare(id) })
		if !ok {
			return nil
		}
		return members[i]
	}
	for _, p := range members {
		if len(members) > 1 && first(p, live) == nil {
			say("%s has no live successor", space.Format(p.self.ID))
		}
	}
	if k := len(principals(members)); k < min(r+1, len(members)) && len(members) > r {
		say("%d principals, want %d", k, r+1)
	}
	if len(errs) == 0 {
		errs = append(errs, checkCycle(members, live, space)...)
	}
	return errs
}

// ErrInvariant: the ring as a whole is not what the protocol promises.
var ErrInvariant = errors.New("ring: invariant")

// membersOf lists the positions that are in the ring, ascending, and the length of their lists.
func membersOf(nodes []*Node) (members []*position, r int) {
	for _, n := range nodes {
		r = n.cfg.Successors
		for i := range n.pos {
			if n.pos[i].in {
				members = append(members, &n.pos[i])
			}
		}
	}
	slices.SortFunc(members, func(a, b *position) int { return a.self.ID.Compare(b.self.ID) })
	return members, r
}

// first is p's best successor: the first in its list that lives.
func first(p *position, live func(ID) *position) *position {
	for _, x := range p.succ {
		if q := live(x.ID); q != nil {
			return q
		}
	}
	if len(p.succ) == 0 && p.hasPred { // alone until now: it stabilises from its predecessor
		return live(p.pred.ID)
	}
	return nil
}

// principals lists the members that nobody skips.
func principals(members []*position) []*position {
	skipped := make([]bool, len(members))
	at := func(id ID) int { // the first member at or after id
		i, _ := slices.BinarySearchFunc(members, id, func(p *position, id ID) int { return p.self.ID.Compare(id) })
		return i
	}
	for _, p := range members {
		prev := p.self.ID
		for _, x := range p.succ {
			for i := at(prev); ; i++ {
				m := members[i%len(members)]
				if m.self.ID != prev && !between(prev, m.self.ID, x.ID) || i >= at(prev)+len(members) {
					break
				}
				if m.self.ID != prev {
					skipped[i%len(members)] = true
				}
			}
			prev = x.ID
		}
	}
	var out []*position
	for i, p := range members {
		if !skipped[i] {
			out = append(out, p)
		}
	}
	return out
}

// checkCycle follows the best successors: they form one cycle, in the order of the ring, that every member reaches (Zave 2017: AtLeastOneRing,
// AtMostOneRing, OrderedRing, ConnectedAppendages).
func checkCycle(members []*position, live func(ID) *position, space Space) []error {
	if len(members) == 1 {
		return nil
	}
	next := func(p *position) *position { return first(p, live) }
	on := map[*position]bool{}
	p := members[0]
	for range members {
		p = next(p)
	}
	turns := 0
	for q := p; !on[q]; q = next(q) {
		on[q] = true
		if next(q).self.ID.Compare(q.self.ID) <= 0 {
			turns++
		}
	}
	if turns != 1 {
		return []error{fmt.Errorf("%w: the ring goes around %d times", ErrInvariant, turns)}
	}
	for _, q := range members {
		x, steps := q, 0
		for ; !on[x] && steps <= len(members); steps++ {
			x = next(x)
		}
		if !on[x] {
			return []error{fmt.Errorf("%w: %s does not reach the ring", ErrInvariant, space.Format(q.self.ID))}
		}
	}
	return nil
}
