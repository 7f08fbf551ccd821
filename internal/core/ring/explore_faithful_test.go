package ring

import (
	"math/rand/v2"
	"testing"
)

// What the explorer leaves out must not matter: random walks are made twice, by the explorer's normalised and remembered nodes and by nodes that keep everything
// (numbers, times, measurements, statistics) and exchange their own messages; after every move the two worlds are equal.
func TestExplorerIsFaithful(t *testing.T) {
	compared := 0
	for i, b := range []bounds{
		{successors: 2, slots: 6, members: []int{0, 2, 4}, joins: true, quits: 3, losses: 2, flight: 4},
		{successors: 3, slots: 6, members: []int{0, 1, 2, 4, 5}, joins: true, quits: 2, leaves: true, flight: 3},
		{successors: 2, slots: 5, members: []int{0, 1, 2, 3, 4}, quits: 1, lies: 3, flight: 3},
		{successors: 2, slots: 5, members: []int{0, 1, 3}, joins: true, quits: 1, flight: 2, classic: true},
	} {
		x := newExplorer(t, b)
		for seed := range uint64(max(20, states(200))) {
			compared += x.shadow(rand.New(rand.NewPCG(seed, uint64(i))))
			if t.Failed() {
				t.Fatalf("bounds %d, seed %d", i, seed)
			}
		}
	}
	t.Logf("%d worlds compared", compared)
}

// shadowed is a message between nodes that keep everything, beside its letter.
type shadowed struct {
	letter   uint32
	from, to int
	m        Message
}

// shadowWorld is a world of nodes that keep everything.
type shadowWorld struct {
	x      *explorer
	nodes  [maxSlots]*Node
	flight []shadowed
}

// shadow makes one walk and returns its length.
func (x *explorer) shadow(chance *rand.Rand) int {
	w := x.worlds[0]
	v := &shadowWorld{x: x}
	for s := range x.slots {
		if w.alive(s) {
			v.nodes[s] = x.locals[w.nodes[s]].node.Clone(rand.New(rand.NewPCG(9, uint64(s))))
			v.nodes[s].seq = freshSeq * uint64(s+1)
		}
	}
	for step := range 150 {
		moves := x.enabled(&w)
		m := moves[chance.IntN(len(moves))]
		next, ok := x.apply(&w, m)
		if !ok {
			continue
		}
		v.apply(m)
		v.trim(&next)
		for s := range x.slots {
			if next.alive(s) && x.intern(v.nodes[s].Clone(rand.New(rand.NewPCG(1, 1)))) != next.nodes[s] {
				x.t.Errorf("step %d, %s: host %s differs from the explorer's", step, x.say(m), slotName(s))
				return step
			}
		}
		w = next
	}
	return 150
}

// apply makes a move of the explorer's with the nodes that keep everything.
func (v *shadowWorld) apply(m move) {
	s := int(m.slot)
	n := v.nodes[s]
	switch m.act {
	case lose:
		v.take(m.arg)
		return
	case fail:
		v.nodes[s] = nil
		return
	case join:
		n = v.x.newNode(s)
		n.seq = freshSeq * uint64(s+1)
		v.nodes[s] = n
		if err := n.Join(exploreNow, slotRef(int(m.arg))); err != nil {
			v.x.t.Fatal(err)
		}
		v.x.forgetVia(n)
	case deliver:
		l := v.take(m.arg)
		if l.m.Path = nil; l.m.Kind == Notify { // predecessors before the first: a hint whose dead are pinged again
			l.m.List = nil
		}
		n.Receive(exploreNow, Host(l.from), &l.m)
	case again:
		n.pos[0].missed = 0
		v.x.input(n, m)
	default:
		v.x.input(n, m)
	}
	p := &n.pos[0]
	present := uint64(0)
	if p.status != Idle && p.deadline != never {
		present = p.askSeq
	}
	v.relabel(s, present)
	for a, ok := n.Next(); ok; a, ok = n.Next() {
		if a.Kind == Send {
			v.send(s, int(a.To), a.Message, present)
		}
	}
	if m.act == leave {
		v.nodes[s] = nil
	}
}

// relabel gives the letters of s's questions that are over their new names.
func (v *shadowWorld) relabel(s int, present uint64) {
	for i := range v.flight {
		f := &v.flight[i]
		l := &v.x.letters[f.letter]
		mine := l.from == s && asks(l.m.Kind) || l.to == s && !asks(l.m.Kind)
		if mine && l.m.Seq == presentSeq && f.m.Seq != present {
			f.letter = v.x.stale(f.letter)
		}
	}
}

// send names a message as the explorer would. An answer's number is its asker's: the present one, or that of a search.
func (v *shadowWorld) send(from, to int, m Message, present uint64) {
	named := m
	if to >= 0 && v.nodes[to] != nil && !asks(m.Kind) {
		p := &v.nodes[to].pos[0]
		switch {
		case m.Kind != State && m.Kind != Busy && m.Kind != Gone && m.Kind != Hint && m.Kind != Pong:
		case p.status != Idle && p.deadline != never && p.askSeq == m.Seq:
			named.Seq = presentSeq
		case hasQuest(v.nodes[to], m.Seq):
			named.Seq = questSeq + uint64(from)
		default:
			named.Seq = staleSeq
		}
	}
	v.flight = append(v.flight, shadowed{v.x.post(from, to, named, present), from, to, m})
}

func hasQuest(n *Node, seq uint64) bool {
	for _, q := range n.quests {
		if q.seq == seq {
			return true
		}
	}
	return false
}

func (v *shadowWorld) take(letter uint32) shadowed {
	for i, f := range v.flight {
		if f.letter == letter {
			v.flight = append(v.flight[:i], v.flight[i+1:]...)
			return f
		}
	}
	v.x.t.Fatalf("no such message: %s", v.x.sayLetter(letter))
	panic("unreachable")
}

// trim drops what the explorer's world does not keep: letters to the dead, and more than it keeps of equal ones.
func (v *shadowWorld) trim(w *world) {
	have := map[uint32]int{}
	for _, f := range w.flight[:w.flights] {
		have[f]++
	}
	keep := v.flight[:0]
	for _, f := range v.flight {
		if have[f.letter] > 0 {
			have[f.letter]--
			keep = append(keep, f)
		}
	}
	v.flight = keep
	for f, k := range have {
		if k > 0 {
			v.x.t.Errorf("not sent by nodes that keep everything: %s", v.x.sayLetter(f))
		}
	}
}
