package ring

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Quiescence is bounded: so many times does every host stabilise until the ring must be ideal, one after the other or meeting each other busy. The tests log the
// most that was needed.
const (
	maxRounds     = 12
	maxBusyRounds = 400
)

// quiesce lets a world come to rest: nothing fails or joins or is lost any more, whatever is in flight arrives, whoever waits for the dead hears that they are,
// and everybody stabilises and probes whom it remembers. It returns how many rounds of that it took to reach the ideal ring of all living hosts. With chance, a random
// third of the hosts begin their steps at the same moment, so that they meet each other busy; else one after the other.
func (x *explorer) quiesce(w world, chance *rand.Rand) (rounds int, err error) {
	w.losses, w.lies, w.quits = 0, 0, 0
	still, most := 0, maxRounds
	if chance != nil {
		most = maxBusyRounds
	}
	for rounds = 0; rounds < most; rounds++ {
		if err := x.flush(&w); err != nil {
			return rounds, err
		}
		if x.ideal(&w) == nil {
			if still++; still == 2 {
				return rounds - 1, nil
			}
		} else {
			still = 0
		}
		if err := x.round(&w, rounds, chance); err != nil {
			return rounds, err
		}
	}
	return rounds, fmt.Errorf("no ideal ring after %d rounds: %w\n%s", rounds, x.ideal(&w), x.draw(&w))
}

func (x *explorer) round(w *world, turn int, chance *rand.Rand) error {
	for s := range x.slots {
		if !w.alive(s) {
			continue
		}
		if chance != nil && chance.IntN(3) > 0 {
			continue
		}
		for _, m := range x.duties(w, s, turn) {
			if err := x.must(w, m); err != nil {
				return err
			}
			if x.mesh { // news are told to all at once
				if err := x.flush(w); err != nil {
					return err
				}
			}
		}
		if chance == nil {
			if err := x.flush(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// duties are what s does of its own accord, once. The turn serves as the chance by which it draws a random host.
func (x *explorer) duties(w *world, s, turn int) (out []move) {
	l := &x.locals[w.nodes[s]]
	add := func(a act, arg int) { out = append(out, move{a, uint8(s), uint32(arg)}) }
	if l.canStep {
		add(begin_, 0)
	}
	if l.paused {
		x.eachVia(w, func(via int) {
			if len(out) == 0 {
				add(enter, via)
			}
		})
	}
	if x.mesh && l.in {
		add(probeNow, 0)
	}
	for h := range x.slots {
		if l.memory>>h&1 != 0 {
			add(recall, h)
		}
	}
	if l.timers&1 != 0 {
		add(gossipNow, turn)
	}
	if l.timers&2 != 0 {
		add(compareNow, turn)
	}
	return out
}

// must makes a move and takes a full network for a failure.
func (x *explorer) must(w *world, m move) error {
	v, ok := x.apply(w, m)
	if x.failed != nil {
		return x.failed
	}
	if !ok {
		return fmt.Errorf("too much in flight: %s", x.say(m))
	}
	*w = v
	return nil
}

// flush delivers everything, and ends every wait for the dead.
func (x *explorer) flush(w *world) error {
	for range 3000 {
		m, ok := x.pending(w)
		if !ok {
			return nil
		}
		if err := x.must(w, m); err != nil {
			return err
		}
	}
	return fmt.Errorf("messages without end\n%s", x.draw(w))
}

// pending is something that happens without anybody's own accord.
func (x *explorer) pending(w *world) (move, bool) {
	if w.flights > 0 {
		f := w.flight[0]
		return move{deliver, uint8(x.letters[f].to), f}, true
	}
	for s := range x.slots {
		if !w.alive(s) {
			continue
		}
		l := &x.locals[w.nodes[s]]
		switch {
		case l.waits && !w.alive(l.asked):
			return move{expire, uint8(s), 0}, true
		case l.waits:
			return move{again, uint8(s), 0}, true
		}
		for h := range x.slots {
			switch {
			case l.probing>>h&1 == 0:
			case w.alive(h):
				return move{tryAgain, uint8(s), uint32(h)}, true
			default:
				return move{expireTry, uint8(s), uint32(h)}, true
			}
		}
	}
	return move{}, false
}

// ideal says what differs from the ring that all living hosts should make: each one's predecessor, and its r next ones as successors.
func (x *explorer) ideal(w *world) error {
	for s := range x.slots {
		if !w.alive(s) {
			continue
		}
		l := &x.locals[w.nodes[s]]
		if !l.in {
			return fmt.Errorf("%s is not in the ring", slotName(s))
		}
		var want []int
		pred := -1
		for d := 1; d < x.slots; d++ {
			y := (s + d) % x.slots
			if !w.alive(y) {
				continue
			}
			if pred = y; len(want) < x.successors {
				want = append(want, y)
			}
		}
		if x.mesh {
			if m := l.node.members; m.complete && m.alive != len(want)+1 && len(want) < x.successors {
				return fmt.Errorf("%s knows %d living hosts, want %d", slotName(s), m.alive, len(want)+1)
			}
		}
		if !slices.Equal(l.succ, want) || l.pred != pred {
			return fmt.Errorf("%s has predecessor %d and successors %d, want %d and %d (by place)", slotName(s), l.pred, l.succ, pred, want)
		}
	}
	return nil
}
