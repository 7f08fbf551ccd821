package ring

import (
	"errors"
	"fmt"
	"math/bits"
)

// Zave's invariant over a world, written anew from the paper ("How to make Chord correct", 2017) and not with CheckRing, which is
// held against it.

// The parts of the invariant, and what follows from it.
var (
	errNoLive     = errors.New("a member has no live successor")
	errPrincipals = errors.New("too few principals")
	errNoRing     = errors.New("there is no ring")
	errTwoRings   = errors.New("there are two rings")
	errDisorder   = errors.New("the ring is not in the order of positions")
	errList       = errors.New("a successor list is out of order, too long or has a position twice")
	errStuck      = errors.New("a host waits for an answer that nobody will send")
)

// settled is w with every answer that is in flight to whoever asked taken as received. The proof reads another's state and changes the own in one step; in
// messages the answer takes a while, but until it comes the asker tells nobody its state (Busy), so that its step may be taken as done when
// the answer is sent. The invariant is a promise about these worlds.
func (x *explorer) settled(w *world) world {
	v := *w
	for _, f := range w.flight[:w.flights] {
		if l := &x.letters[f]; l.m.Kind == State && l.m.Seq == presentSeq {
			v.nodes[l.to] = x.outcomeOf(w.nodes[l.to], move{deliver, uint8(l.to), f}).next
		}
	}
	return v
}

// harm says how a world that keeps no assumption is broken, by the names of Zave 2012: the ring as its members see it, without a view to what is in flight.
func (x *explorer) harm(w *world) (found []error) {
	members := x.membership(w)
	var next [maxSlots]int
	rings := map[uint8]bool{}
	for s := range x.slots {
		if next[s] = -1; members>>s&1 != 0 {
			next[s] = x.best(w, members, s)
		}
	}
	for s := range x.slots {
		at := s
		for range x.slots {
			if at >= 0 {
				at = next[at]
			}
		}
		switch {
		case members>>s&1 == 0:
		case at < 0:
			found = append(found, errNoLive)
		default:
			cycle, around := x.around(next, at)
			rings[cycle] = true
			if around != x.slots {
				found = append(found, errDisorder)
			}
		}
	}
	if len(rings) == 0 {
		found = append(found, errNoRing)
	}
	if len(rings) > 1 {
		found = append(found, errTwoRings)
	}
	return found
}

// around goes once through the cycle that s is on, and measures it.
func (x *explorer) around(next [maxSlots]int, s int) (cycle uint8, around int) {
	for at := s; cycle>>at&1 == 0; at = next[at] {
		cycle |= 1 << at
		d := (next[at] - at + x.slots) % x.slots
		if d == 0 {
			d = x.slots
		}
		around += d
	}
	return cycle, around
}

// membership is the set of slots whose positions are in the ring.
func (x *explorer) membership(w *world) (set uint8) {
	for s := range x.slots {
		if w.alive(s) && x.locals[w.nodes[s]].in {
			set |= 1 << s
		}
	}
	return set
}

// best is the first live member in s's list, -1 when there is none.
func (x *explorer) best(w *world, members uint8, s int) int {
	l := &x.locals[w.nodes[s]]
	for _, y := range l.succ {
		if members>>y&1 != 0 {
			return y
		}
	}
	if len(l.succ) == 0 && l.pred >= 0 && members>>l.pred&1 != 0 { // alone until now: it goes on from its predecessor
		return l.pred
	}
	return -1
}

// skipped is the set of slots that an adjacent pair of [self]+successors of a member skips.
func (x *explorer) skipped(w *world, members uint8) (set uint8) {
	for s := range x.slots {
		if members>>s&1 != 0 {
			set |= x.locals[w.nodes[s]].skips
		}
	}
	return set
}

// mayFail reports whether the assumption of the proof holds without s: every member keeps a live successor, and r+1 principals remain. It must hold whether
// an answer in flight arrives or is lost, so whoever waits for one counts both as it is and as it will be.
func (x *explorer) mayFail(w *world, s int) bool {
	now := *w
	now.nodes[s] = dead
	then := x.settled(w)
	then.nodes[s] = dead
	if x.mesh {
		return x.membership(&now) != 0 && x.connected(&now) && x.connected(&then)
	}
	if x.anyQuit {
		return bits.OnesCount8(x.membership(&now)) > x.successors
	}
	a, b := x.membership(&now), x.membership(&then)
	for y := range x.slots {
		if a>>y&1 != 0 && x.best(&now, a, y) < 0 || b>>y&1 != 0 && x.best(&then, a, y) < 0 {
			return false
		}
	}
	return bits.OnesCount8(a&^(x.skipped(&now, a)|x.skipped(&then, b))) > x.successors
}

// connected reports whether everybody in the ring could hear of everybody else, through whom they know: what a mesh needs at the least, since two hosts of which
// nobody knows both are two rings for ever.
func (x *explorer) connected(w *world) bool {
	members := x.membership(w)
	reached := members & -members
	for range x.slots {
		for s := range x.slots {
			if members>>s&1 == 0 {
				continue
			}
			if known := x.locals[w.nodes[s]].knows & members; reached>>s&1 != 0 {
				reached |= known
			} else if known&reached != 0 {
				reached |= 1 << s
			}
		}
	}
	return reached == members
}

// invariant says what of it does not hold.
func (x *explorer) invariant(w *world) error {
	v := x.settled(w)
	members := x.membership(&v)
	var next [maxSlots]int
	for s := range x.slots {
		if members>>s&1 == 0 {
			continue
		}
		if next[s] = x.best(&v, members, s); next[s] < 0 {
			return fmt.Errorf("%w: %s", errNoLive, slotName(s))
		}
		if !x.sound(&x.locals[v.nodes[s]]) {
			return fmt.Errorf("%w: %s", errList, slotName(s))
		}
	}
	if !x.mesh && !x.classic {
		if k := bits.OnesCount8(members &^ x.skipped(&v, members)); k <= x.successors {
			return fmt.Errorf("%w: %d, want %d", errPrincipals, k, x.successors+1)
		}
	}
	return x.cycles(members, next)
}

// sound reports whether a list is strictly in ring order, from its owner and not back to it, with at most r entries.
func (x *explorer) sound(l *local) bool {
	last := 0
	for _, y := range l.succ {
		d := (y - l.self + x.slots) % x.slots
		if d <= last {
			return false
		}
		last = d
	}
	return len(l.succ) <= x.successors
}

// cycles follows the best successors: exactly one cycle, once around. Everybody's path then ends in it.
func (x *explorer) cycles(members uint8, next [maxSlots]int) error {
	ring := uint8(0)
	for s := range x.slots {
		if members>>s&1 == 0 {
			continue
		}
		at := s
		for range x.slots {
			at = next[at]
		}
		cycle, around := x.around(next, at)
		switch {
		case around != x.slots:
			return fmt.Errorf("%w: %s", errDisorder, slotNames(cycle))
		case ring != 0 && ring != cycle:
			return fmt.Errorf("%w: %s and %s", errTwoRings, slotNames(ring), slotNames(cycle))
		}
		ring = cycle
	}
	if ring == 0 {
		return errNoRing
	}
	return nil
}

// stuck reports a host that waits although neither its question nor the answer is in flight, nobody is dead and nothing was lost: the mutual wait that Busy
// is there to prevent.
func (x *explorer) stuck(w *world) error {
	if w.losses > 0 {
		return nil
	}
	for s := range x.slots {
		if !w.alive(s) {
			continue
		}
		if l := &x.locals[w.nodes[s]]; l.waits && w.alive(l.asked) && !x.asking(w, s) {
			return fmt.Errorf("%w: %s", errStuck, slotName(s))
		}
	}
	return nil
}

func slotName(s int) string { return fmt.Sprint((s + 1) * 8) }

func slotNames(set uint8) string {
	out := ""
	for s := range maxSlots {
		if set>>s&1 != 0 {
			out += " " + slotName(s)
		}
	}
	return "{" + out[min(1, len(out)):] + "}"
}
