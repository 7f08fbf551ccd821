package ring

import (
	"fmt"
	"slices"
	"strings"
)

// say describes a move.
func (x *explorer) say(m move) string {
	who := slotName(int(m.slot))
	switch m.act {
	case deliver:
		return fmt.Sprintf("%s receives %s", who, x.sayLetter(m.arg))
	case lose:
		return fmt.Sprintf("lost on the way to %s: %s", who, x.sayLetter(m.arg))
	case begin_:
		return who + " stabilizes"
	case expire:
		return who + " hears nothing from whom it asked: dead"
	case again:
		return who + " repeats its question"
	case expireTry:
		return fmt.Sprintf("%s hears nothing from %s, which it pinged: dead", who, slotName(int(m.arg)))
	case join:
		return fmt.Sprintf("%s joins via %s", who, slotName(int(m.arg)))
	case enter:
		return fmt.Sprintf("%s tries to join again, via %s", who, slotName(int(m.arg)))
	case fail:
		return who + " fails"
	case leave:
		return who + " leaves"
	}
	return fmt.Sprintf("%s: %s %d", who, actNames[m.act], m.arg)
}

func (x *explorer) sayLetter(f uint32) string {
	l := &x.letters[f]
	out := fmt.Sprintf("%s from %s", l.m.Kind, slotName(l.from))
	switch l.m.Kind {
	case State:
		out += ": predecessor " + sayRef(l.m.HasPred, l.m.Pred) + ", successors " + sayRefs(l.m.List)
	case Hint:
		out += ": " + sayRef(true, l.m.Ref)
	}
	return out
}

func sayRef(ok bool, x Ref) string {
	if !ok {
		return "none"
	}
	return slotName(int(x.Host))
}

func sayRefs(list []Ref) string {
	var out []string
	for _, x := range list {
		out = append(out, slotName(int(x.Host)))
	}
	return "[" + strings.Join(out, " ") + "]"
}

// draw writes the ring as text: the cycle of best successors, whoever hangs on it, and each member's predecessor and list.
func (x *explorer) draw(w *world) string {
	members := x.membership(w)
	var b strings.Builder
	done := uint8(0)
	for _, ringFirst := range []bool{true, false} {
		for s := range x.slots {
			if members>>s&1 == 0 || done>>s&1 != 0 || ringFirst && !x.onCycle(w, members, s) {
				continue
			}
			path, at, seen := []string{slotName(s)}, s, uint8(0)
			for seen>>at&1 == 0 && done>>at&1 == 0 {
				seen |= 1 << at
				if at = x.best(w, members, at); at < 0 {
					path = append(path, "nobody")
					break
				}
				path = append(path, slotName(at))
			}
			done |= seen
			what := "ring     "
			if !ringFirst {
				what = "appendage"
			}
			fmt.Fprintf(&b, "    %s: %s\n", what, strings.Join(path, " -> "))
		}
	}
	for s := range x.slots {
		if members>>s&1 != 0 {
			p := &x.locals[w.nodes[s]].node.pos[0]
			fmt.Fprintf(&b, "    %2s: predecessor %s, successors %s, %s\n", slotName(s), sayRef(p.hasPred, p.pred), sayRefs(p.succ), p.status)
		}
	}
	for s := range x.slots {
		if w.nodes[s] == dead {
			fmt.Fprintf(&b, "    %2s: dead\n", slotName(s))
		}
	}
	return b.String()
}

func (x *explorer) onCycle(w *world, members uint8, s int) bool {
	at := s
	for range x.slots {
		if at = x.best(w, members, at); at < 0 || at == s {
			return at == s
		}
	}
	return false
}

// path lists the worlds from the first to world i.
func (x *explorer) path(i int) []int {
	var out []int
	for ; i >= 0; i = int(x.worlds[i].parent) {
		out = append(out, i)
	}
	slices.Reverse(out)
	return out
}

// trace tells how world i came to be, an event a line, the ring drawn first and last.
func (x *explorer) trace(i int) string {
	var b strings.Builder
	for k, j := range x.path(i) {
		if k == 0 {
			b.WriteString("at rest\n" + x.draw(&x.worlds[j]))
			continue
		}
		fmt.Fprintf(&b, "%2d  %s\n", k, x.say(x.worlds[j].by))
	}
	b.WriteString("then\n" + x.draw(&x.worlds[i]))
	return b.String()
}
