package ring

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// maxFlight bounds the messages in flight that a world has room for.
const maxFlight = 20

// world is one state: the nodes by their numbers (nobody yet, dead, or an index of locals), the messages in flight, ascending, and how much of the
// bounds is used.
type world struct {
	nodes   [maxSlots]uint32
	flight  [maxFlight]uint32
	flights uint8
	losses  uint8
	lies    uint8
	quits   uint8 // failures and departures
	by      move
	parent  int32
	depth   int32
}

const (
	nobody = 0
	dead   = 1
)

// act is what a move does.
type act uint8

const (
	deliver act = iota
	lose
	begin_    // a step of stabilisation
	expire    // the question's third time-out: whoever was asked is dead
	again     // the question's time-out: it is repeated
	expireTry // a ping's third time-out
	tryAgain  // a ping's time-out
	join      // via slot arg
	enter     // another attempt to join, via slot arg
	fail
	leave
	gossipNow  // the membership's timers, with chance arg
	compareNow //
	recall     // ping the remembered host in slot arg
	probeNow   // ping the neighbours
)

var actNames = [...]string{"deliver", "lose", "stabilize", "expire", "repeat", "expire ping", "repeat ping", "join", "enter", "fail", "leave", "gossip", "anti-entropy", "recall", "probe"}

// move is one thing that can happen: slot is the host that acts, arg a letter, a slot or a chance.
type move struct {
	act  act
	slot uint8
	arg  uint32
}

// bounds is what an exploration allows. The zero value of a bound allows none of it.
type bounds struct {
	successors int
	slots      int   // places of the ring
	members    []int // slots of the ring at rest from which it begins
	joins      bool  // the other slots may join
	quits      int   // failures, each of which must leave the assumption true
	leaves     bool  // a quit may be a departure too
	losses     int   // messages lost, and questions repeated although nothing was lost
	lies       int   // living hosts thought dead
	flight     int   // no step begins while so many messages are in flight
	depth      int   // 0: any
	states     int   // stop here
	classic    bool
	mesh       bool
	chances    int // mesh: draws of a random host tried
	anyQuit    bool
}

// explorer keeps what was explored.
type explorer struct {
	bounds
	t        testing.TB
	locals   []local
	nodeOf   map[string]uint32
	letters  []letter
	letterOf map[string]uint32
	memo     map[uint64]outcome
	seen     map[uint64]struct{}
	worlds   []world // in the order of breadth
	buf      []byte
	moves    int                                  // tried
	wide     int                                  // moves left out because too much was in flight
	visit    func(x *explorer, i int) (stop bool) // every new world
	failed   error
}

func newExplorer(t testing.TB, b bounds) *explorer {
	x := &explorer{bounds: b, t: t, nodeOf: map[string]uint32{}, letterOf: map[string]uint32{}, memo: map[uint64]outcome{},
		seen: map[uint64]struct{}{}, locals: make([]local, 2)}
	var w world
	var all []Ref
	for _, s := range b.members {
		all = append(all, slotRef(s))
	}
	for _, s := range b.members {
		n := x.newNode(s)
		n.Ideal(exploreNow, all)
		for _, ok := n.Next(); ok; _, ok = n.Next() {
		}
		w.nodes[s] = x.intern(n)
	}
	w.parent = -1
	x.worlds = []world{w}
	x.seen[x.key(&w)] = struct{}{}
	return x
}

func (x *explorer) newNode(slot int) *Node {
	places := directory{}
	for s := range x.slots {
		places[Host(s)] = []ID{slotRef(s).ID}
	}
	n, err := New(Config{Space: Space{Bits: 6}, Self: Host(slot), Positions: places[Host(slot)], Directory: places, Successors: x.successors,
		Rand: rand.New(rand.NewPCG(1, 1)), Mesh: x.mesh})
	if err != nil {
		x.t.Fatal(err)
	}
	n.classic = x.classic
	return n
}

// key is equal for equal worlds and for rotations of them: the hash of 64 bits makes two of ten million different ones equal with a probability of 3e-6, and
// then one state is not explored.
func (x *explorer) key(w *world) uint64 {
	turns := x.slots
	if x.mesh { // digests go by the bits of positions
		turns = 1
	}
	budget := uint64(w.losses) | uint64(w.lies)<<8 | uint64(w.quits)<<16
	best := uint64(0)
	for turn := range turns {
		h := scatter(budget + 77)
		for i := range x.slots {
			place := uint64((i-turn+x.slots)%x.slots+1) << 56
			state := uint64(w.nodes[i])
			if state > dead {
				state = x.locals[state].hash
			}
			h += scatter(state ^ place)
		}
		for _, f := range w.flight[:w.flights] {
			l := &x.letters[f]
			place := uint64((l.to-turn+x.slots)%x.slots+1) << 48
			h += scatter(l.hash ^ place)
		}
		if turn == 0 || h < best {
			best = h
		}
	}
	return best
}

// run explores breadth first until nothing is new or a bound is met; done says that everything within the bounds was seen.
func (x *explorer) run() (done bool) {
	if x.visit != nil && x.visit(x, 0) {
		return false
	}
	for i := 0; i < len(x.worlds); i++ {
		if x.depth > 0 && int(x.worlds[i].depth) >= x.depth {
			return false
		}
		for _, m := range x.enabled(&x.worlds[i]) {
			w, ok := x.apply(&x.worlds[i], m)
			if x.failed != nil {
				return false
			}
			if !ok {
				continue
			}
			k := x.key(&w)
			if _, known := x.seen[k]; known {
				continue
			}
			x.seen[k] = struct{}{}
			w.parent, w.by, w.depth = int32(i), m, x.worlds[i].depth+1
			x.worlds = append(x.worlds, w)
			if x.visit != nil && x.visit(x, len(x.worlds)-1) || x.states > 0 && len(x.worlds) >= x.states {
				return false
			}
		}
	}
	return true
}

// alive reports whether a node runs in slot s.
func (w *world) alive(s int) bool { return w.nodes[s] > dead }

// enabled lists the moves of w.
func (x *explorer) enabled(w *world) []move {
	var out []move
	add := func(a act, s int, arg uint32) { out = append(out, move{a, uint8(s), arg}) }
	for i, f := range w.flight[:w.flights] {
		if i > 0 && w.flight[i-1] == f {
			continue
		}
		add(deliver, x.letters[f].to, f)
		if int(w.losses) < x.losses && x.letters[f].m.Kind != Ack {
			add(lose, x.letters[f].to, f)
		}
	}
	for s := range x.slots {
		switch w.nodes[s] {
		case dead:
		case nobody:
			if x.joins && x.room(w) {
				x.eachVia(w, func(via int) { add(join, s, uint32(via)) })
			}
		default:
			x.enabledAt(w, s, add)
		}
	}
	return out
}

// room reports whether another step may begin.
func (x *explorer) room(w *world) bool { return int(w.flights) < x.flight }

func (x *explorer) eachVia(w *world, each func(via int)) {
	for s := range x.slots {
		if w.alive(s) && x.locals[w.nodes[s]].in {
			each(s)
		}
	}
}

func (x *explorer) enabledAt(w *world, s int, add func(a act, s int, arg uint32)) {
	l := &x.locals[w.nodes[s]]
	lie := int(w.lies) < x.lies
	if l.canStep && x.room(w) {
		add(begin_, s, 0)
	}
	if l.waits {
		asking := x.asking(w, s)
		if !w.alive(l.asked) || lie {
			add(expire, s, 0)
		}
		if w.alive(l.asked) && (!asking || int(w.losses) < x.losses && x.room(w)) {
			add(again, s, 0)
		}
	}
	if l.paused && x.room(w) {
		x.eachVia(w, func(via int) { add(enter, s, uint32(via)) })
	}
	for h := range x.slots {
		if l.probing>>h&1 == 0 {
			continue
		}
		if !w.alive(h) || lie {
			add(expireTry, s, uint32(h))
		}
		if w.alive(h) && !x.pinging(w, s, h) {
			add(tryAgain, s, uint32(h))
		}
	}
	if x.mesh && x.room(w) {
		if l.in && l.probing == 0 {
			add(probeNow, s, 0)
		}
		for c := range max(1, x.chances) {
			if l.timers&1 != 0 {
				add(gossipNow, s, uint32(c))
			}
			if l.timers&2 != 0 {
				add(compareNow, s, uint32(c))
			}
		}
	}
	if int(w.quits) < x.quits && x.mayFail(w, s) {
		add(fail, s, 0)
		if x.leaves && l.in {
			add(leave, s, 0)
		}
	}
}

// asking reports whether s's question or its answer is in flight.
func (x *explorer) asking(w *world, s int) bool {
	return slices.ContainsFunc(w.flight[:w.flights], func(f uint32) bool {
		l := &x.letters[f]
		return l.m.Seq == presentSeq && (l.from == s && asks(l.m.Kind) || l.to == s && !asks(l.m.Kind))
	})
}

func (x *explorer) pinging(w *world, s, h int) bool {
	return slices.ContainsFunc(w.flight[:w.flights], func(f uint32) bool {
		l := &x.letters[f]
		return l.m.Kind == Ping && l.from == s && l.to == h || l.m.Kind == Pong && l.from == h && l.to == s
	})
}

func asks(k Kind) bool { return k == GetState || k == Ping || k == FindPredecessor }

// outcomeOf runs move m, once.
func (x *explorer) outcomeOf(at uint32, m move) outcome {
	k := uint64(at)<<32 | uint64(m.act)<<27 | uint64(m.arg)
	if o, ok := x.memo[k]; ok {
		return o
	}
	o := x.step(at, uint64(m.arg), func(n *Node) { x.input(n, m) })
	x.memo[k] = o
	return o
}

// input is what move m means for a node.
func (x *explorer) input(n *Node, m move) {
	n.now = exploreNow
	p := &n.pos[0]
	switch m.act {
	case deliver:
		l := x.letters[m.arg]
		l.m.From, l.m.To = slotRef(l.from).ID, slotRef(l.to).ID
		n.Receive(exploreNow, Host(l.from), &l.m)
	case begin_:
		n.Stabilize(exploreNow, 0)
	case expire:
		if p.status == Entering {
			n.expireQuestion(p)
		} else {
			n.Expire(exploreNow, 0)
		}
	case again:
		n.expireQuestion(p)
	case expireTry, tryAgain:
		i := slices.IndexFunc(n.probes, func(p probe) bool { return p.host == Host(m.arg) })
		n.probes[i].deadline = exploreNow
		n.host(Host(m.arg)).missed = 0
		if m.act == expireTry {
			n.host(Host(m.arg)).missed = missedProbes - 1
		}
		n.expireProbes()
	case enter:
		n.enterVia(p, slotRef(int(m.arg)))
	case gossipNow:
		n.gossip()
	case compareNow:
		n.compareMembers()
	case probeNow:
		n.probeNeighbours()
	case recall:
		memory := n.memory
		n.memory = []Ref{slotRef(int(m.arg))}
		n.probeMemory()
		n.memory = memory
	case leave:
		n.Leave(exploreNow)
	}
	n.settle()
}

// apply makes the move; ok is false when too much would be in flight.
func (x *explorer) apply(from *world, m move) (w world, ok bool) {
	x.moves++
	w = *from
	s := int(m.slot)
	switch m.act {
	case lose:
		w.losses++
		w.remove(m.arg)
		return w, true
	case fail:
		w.quits++
		x.bury(&w, s)
		return w, true
	case leave:
		w.quits++
	case deliver:
		w.remove(m.arg)
	case expire:
		if w.alive(x.locals[w.nodes[s]].asked) {
			w.lies++
		}
	case expireTry:
		if w.alive(int(m.arg)) {
			w.lies++
		}
	case again:
		if x.asking(&w, s) {
			w.losses++
		}
	}
	var o outcome
	if m.act == join {
		o = x.joinOutcome(s, int(m.arg))
	} else {
		o = x.outcomeOf(w.nodes[s], m)
	}
	if o.err != nil {
		x.failed = fmt.Errorf("%s: %w", x.say(m), o.err)
		return w, false
	}
	if o.retire {
		x.retire(&w, s)
	}
	w.nodes[s] = o.next
	for _, f := range o.out {
		if !x.put(&w, f) {
			x.wide++
			return w, false
		}
	}
	if m.act == leave {
		x.bury(&w, s)
	}
	return w, true
}

// forgetVia makes a host that joins forget by whom, where nobody is wrongly thought dead: it would ask that one again only when it is in none of its lists, and the
// state would be another for each via.
func (x *explorer) forgetVia(n *Node) {
	if x.lies == 0 {
		n.memory = nil
	}
}

func (x *explorer) joinOutcome(s, via int) outcome {
	k := uint64(1)<<63 | uint64(s)<<8 | uint64(via)
	if o, ok := x.memo[k]; ok {
		return o
	}
	n := x.newNode(s)
	n.seq = freshSeq
	if err := n.Join(exploreNow, slotRef(via)); err != nil {
		x.t.Fatal(err)
	}
	x.forgetVia(n)
	var o outcome
	for a, ok := n.Next(); ok; a, ok = n.Next() {
		if a.Kind == Send {
			o.out = append(o.out, x.post(s, int(a.To), a.Message, n.pos[0].askSeq))
		}
	}
	o.next = x.intern(n)
	x.memo[k] = o
	return o
}

// bury removes a host and what is in flight to it. What it sent before is still under way.
func (x *explorer) bury(w *world, s int) {
	w.nodes[s] = dead
	k := 0
	for _, f := range w.flight[:w.flights] {
		if x.letters[f].to != s {
			w.flight[k] = f
			k++
		}
	}
	clear(w.flight[k:])
	w.flights = uint8(k)
}

// retire makes the question of s in flight, and its answer, old.
func (x *explorer) retire(w *world, s int) {
	var old []uint32
	for _, f := range w.flight[:w.flights] {
		l := &x.letters[f]
		if l.m.Seq == presentSeq && (l.from == s && asks(l.m.Kind) || l.to == s && !asks(l.m.Kind)) {
			old = append(old, f)
		}
	}
	for _, f := range old {
		w.remove(f)
		x.put(w, x.stale(f))
	}
}

func (w *world) remove(f uint32) {
	i := slices.Index(w.flight[:w.flights], f)
	copy(w.flight[i:], w.flight[i+1:w.flights])
	w.flights--
	w.flight[w.flights] = 0
}

// put adds a letter, unless its addressee is not there. Of equal letters between two hosts two are kept in flight, of mere signs of life one.
func (x *explorer) put(w *world, f uint32) bool {
	l := &x.letters[f]
	if !w.alive(l.to) {
		return true
	}
	same := 0
	for _, g := range w.flight[:w.flights] {
		if f == g {
			same++
		}
	}
	if same >= 2 || same == 1 && l.m.Kind != Notify && l.m.Seq != presentSeq {
		return true
	}
	if int(w.flights) == maxFlight {
		return false
	}
	i, _ := slices.BinarySearch(w.flight[:w.flights], f)
	copy(w.flight[i+1:], w.flight[i:w.flights])
	w.flight[i] = f
	w.flights++
	return true
}
