package ring

import (
	"fmt"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Inputs with which tests choose the schedule, and what they hold its outcome against.

// Stabilize makes position i (in the order of View) begin a step of StabilizeFromSuccessor now, when it is idle; one that is not in the ring and waits
// for nothing looks for its place again. Tick does so by itself, periodically: it is an input of its own for tests that choose the schedule.
func (n *Node) Stabilize(now time.Duration, i int) {
	n.now = now
	if p := &n.pos[i]; p.status == Entering && p.deadline == never {
		n.enter(p)
	} else {
		n.stabilize(p)
	}
	n.settle()
}

// Expire ends the outstanding question of position i as a time-out does after the last repetition: whoever was asked is dead. For tests that choose
// the schedule, as Stabilize.
func (n *Node) Expire(now time.Duration, i int) {
	n.now = now
	switch p := &n.pos[i]; {
	case p.deadline == never || p.status == Idle:
	case p.status == Entering:
		n.retryEntry(p)
	default:
		n.bury(p.asked.Host, ringwire.Dead)
	}
	n.settle()
}

// Bury makes h dead for this node, as three probes without an answer do. For tests that choose the schedule, as Stabilize.
func (n *Node) Bury(now time.Duration, h Host) {
	n.now = now
	n.probes = slices.DeleteFunc(n.probes, func(p probe) bool { return p.host == h })
	n.host(h).probing = false
	n.bury(h, ringwire.Dead)
	n.settle()
}

// Owns reports whether this host is the successor of key as far as it knows: key lies between the predecessor of one of its positions and that position.
func (n *Node) Owns(key ID) bool {
	_, ok := n.owns(key)
	return ok
}

// CheckIdeal holds the living nodes against the truth: every position has exactly the predecessor and successors that it would have in a ring at rest.
// It is what the protocol converges to when nothing happens any more.
func CheckIdeal(nodes []*Node) []error {
	members, r := membersOf(nodes)
	all := make([]Ref, len(members))
	for i, p := range members {
		all[i] = p.self
	}
	var errs []error
	for i, p := range members {
		space := nodes[0].cfg.Space
		want := window(all, i, 1, r, MaxList, p.self.Host)
		if !slices.Equal(p.succ, want) {
			errs = append(errs, fmt.Errorf("%s: successors %v, want %v", space.Format(p.self.ID), formatRefs(space, p.succ), formatRefs(space, want)))
		}
		if before := all[(i+len(all)-1)%len(all)]; len(all) > 1 && (!p.hasPred || p.pred != before) {
			errs = append(errs, fmt.Errorf("%s: predecessor %s (%t), want %s", space.Format(p.self.ID), space.Format(p.pred.ID), p.hasPred, space.Format(before.ID)))
		}
	}
	for _, n := range nodes {
		if n.phase == joining {
			errs = append(errs, fmt.Errorf("host %d is not a member", n.cfg.Self))
		}
	}
	return errs
}
