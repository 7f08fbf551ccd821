package ring

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// The sentences are those of the corrected protocol (Zave, "How to make Chord correct" and "Reasoning about identifier spaces", 2017) and of Stoica et
// al. (2001) as our notes on theory summarise them. Each test drives one node by hand.

// alone5 is node 20 of a quiet ring 10, 20, 30, 40, 50, 60 with r = 3, and what it has sent.
func node20(t *testing.T) *Node {
	t.Helper()
	cfg := Config{Space: Space{Bits: 8}, Successors: 3, Routing: Successor, Self: 20, Positions: []ID{{20}}, Rand: rand.New(rand.NewPCG(1, 1))}
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	n.Ideal(0, at(10, 20, 30, 40, 50, 60))
	sent(n)
	return n
}

// at makes refs of numbers in a ring of 8 bits, where the position's number is that of the host.
func at(numbers ...byte) []Ref {
	out := make([]Ref, len(numbers))
	for i, x := range numbers {
		out[i] = Ref{ID: ID{x}, Host: Host(x)}
	}
	return out
}

func sent(n *Node) (out []Action) {
	for a, ok := n.Next(); ok; a, ok = n.Next() {
		if a.Kind == Send {
			out = append(out, a)
		}
	}
	return out
}

// one wants exactly one message, of that kind, to that host.
func one(t *testing.T, n *Node, kind Kind, to Host) Message {
	t.Helper()
	got := sent(n)
	if len(got) != 1 || got[0].Message.Kind != kind || got[0].To != to {
		t.Fatalf("sent %+v, want one %v to %d", got, kind, to)
	}
	return got[0].Message
}

func wantLists(t *testing.T, n *Node, pred byte, succ ...byte) {
	t.Helper()
	p := n.pos[0]
	if !slices.Equal(p.succ, at(succ...)) || p.hasPred != (pred != 0) || p.hasPred && p.pred != at(pred)[0] {
		t.Fatalf("predecessor %v, successors %v; want %d, %d", p.pred, p.succ, pred, succ)
	}
}

func state(n *Node, from byte, seq uint64, pred byte, list ...byte) *Message {
	return &Message{Kind: State, From: ID{from}, To: n.pos[0].self.ID, Seq: seq, HasPred: pred != 0, Pred: at(pred)[0], List: at(list...)}
}

// "StabilizeFromSuccessor, idle only: ask s = succ[0] for (pred, list)."
func TestStabilizeIdleOnly(t *testing.T) {
	n := node20(t)
	n.Stabilize(1, 0)
	one(t, n, GetState, 30)
	n.Stabilize(2, 0)
	if got := sent(n); len(got) > 0 {
		t.Errorf("a second question: %+v", got)
	}
}

// "Timeout: drop s, shift, go on with the next."
func TestStabilizeTimeout(t *testing.T) {
	n := node20(t)
	n.Stabilize(1, 0)
	one(t, n, GetState, 30)
	n.Expire(2, 0)
	one(t, n, GetState, 40)
	wantLists(t, n, 10, 40, 50)
}

// "Reply: succ := ([s]+list)[:r]; if s.pred in (self, s) do StabilizeFromPredecessor(p = s.pred), else notify s."
func TestStabilizeFromSuccessor(t *testing.T) {
	n := node20(t)
	n.Stabilize(1, 0)
	n.Receive(2, 30, state(n, 30, one(t, n, GetState, 30).Seq, 20, 45, 50, 60))
	wantLists(t, n, 10, 30, 45, 50)
	one(t, n, Notify, 30)

	n.Stabilize(3, 0)
	n.Receive(4, 30, state(n, 30, one(t, n, GetState, 30).Seq, 25, 40, 50, 60))
	wantLists(t, n, 10, 30, 40, 50) // 25 is not believed in before it has answered
	one(t, n, GetState, 25)
}

// "StabilizeFromPredecessor: ask p for its list. Reply: succ := ([p]+list)[:r], notify p. Timeout: keep the list, notify succ[0]."
func TestStabilizeFromPredecessor(t *testing.T) {
	for _, dead := range []bool{false, true} {
		n := node20(t)
		n.Stabilize(1, 0)
		n.Receive(2, 30, state(n, 30, one(t, n, GetState, 30).Seq, 25, 40, 50, 60))
		seq := one(t, n, GetState, 25).Seq
		if dead {
			n.Expire(3, 0)
			wantLists(t, n, 10, 30, 40, 50)
			one(t, n, Notify, 30)
			continue
		}
		n.Receive(3, 25, state(n, 25, seq, 20, 30, 40, 50))
		wantLists(t, n, 10, 25, 30, 40)
		one(t, n, Notify, 25)
	}
}

// "... only while p is still between self and succ[0]": an answer that comes when a closer successor is known changes nothing.
func TestStabilizeFromPredecessorLate(t *testing.T) {
	n := node20(t)
	n.Stabilize(1, 0)
	n.Receive(2, 30, state(n, 30, one(t, n, GetState, 30).Seq, 25, 40, 50, 60))
	seq := one(t, n, GetState, 25).Seq
	n.pos[0].succ = at(22, 25, 30)
	n.Receive(3, 25, state(n, 25, seq, 20, 30, 40, 50))
	wantLists(t, n, 10, 22, 25, 30)
}

// "Rectify(n) on notify: n in (pred, self) or no pred -> pred := n. Else ping pred; dead -> pred := n."
func TestRectify(t *testing.T) {
	notify := func(n *Node, from byte) { n.Receive(1, Host(from), &Message{Kind: Notify, To: ID{20}, From: ID{from}}) }
	n := node20(t)
	notify(n, 15)
	wantLists(t, n, 15, 30, 40, 50)
	notify(n, 5)
	m := one(t, n, Ping, 15)
	wantLists(t, n, 15, 30, 40, 50)
	n.Receive(2, 15, &Message{Kind: Pong, Seq: m.Seq})
	wantLists(t, n, 15, 30, 40, 50)
	if n.pos[0].status != Idle {
		t.Error("still waiting after the answer")
	}
	notify(n, 5) // which is asked once a step
	if got := sent(n); len(got) > 0 {
		t.Errorf("sent %+v", got)
	}
	n.Stabilize(2, 0)
	n.Receive(2, 30, state(n, 30, one(t, n, GetState, 30).Seq, 20, 40, 50, 60))
	one(t, n, Notify, 30)
	notify(n, 5)
	one(t, n, Ping, 15)
	n.Expire(3, 0)
	wantLists(t, n, 5, 30, 40, 50)
}

// "One outstanding query a node; while it waits, state queries are answered busy, pings at once, notifies coalesced (keep the closest)."
func TestWaiting(t *testing.T) {
	n := node20(t)
	n.Stabilize(1, 0)
	seq := one(t, n, GetState, 30).Seq
	n.Receive(2, 40, &Message{Kind: GetState, To: ID{20}, From: ID{40}, Seq: 7})
	if m := one(t, n, Busy, 40); m.Seq != 7 || m.List != nil {
		t.Errorf("%+v", m)
	}
	n.Receive(2, 40, &Message{Kind: Ping, Seq: 8})
	one(t, n, Pong, 40)
	for _, x := range []byte{12, 17, 14} {
		n.Receive(3, Host(x), &Message{Kind: Notify, To: ID{20}, From: ID{x}})
	}
	wantLists(t, n, 10, 30, 40, 50)
	n.Receive(4, 30, state(n, 30, seq, 20, 40, 50, 60))
	wantLists(t, n, 17, 30, 40, 50)
}

// "The asker abandons its step, state unchanged, and retries after a jittered back-off: otherwise two nodes querying each other wait for ever."
func TestBusy(t *testing.T) {
	n := node20(t)
	n.Stabilize(1, 0)
	seq := one(t, n, GetState, 30).Seq
	before := n.AppendState(nil)
	n.Receive(time.Millisecond, 30, &Message{Kind: Busy, To: ID{20}, From: ID{30}, Seq: seq})
	if got := sent(n); len(got) > 0 {
		t.Fatalf("sent %+v", got)
	}
	wantLists(t, n, 10, 30, 40, 50)
	if slices.Equal(before, n.AppendState(nil)) || n.pos[0].status != Idle {
		t.Error("still waiting")
	}
	retry := n.pos[0].stabilizeAt
	if retry <= time.Millisecond || retry > 1300*time.Millisecond { // 8 time-outs of 100 ms, and half of that more
		t.Errorf("retries at %v", retry)
	}
	n.Tick(retry)
	found := false
	for _, a := range sent(n) {
		found = found || a.Message.Kind == GetState && a.To == 30
	}
	if !found {
		t.Error("no new question")
	}
}

// "Progress from mutual queries": a ring in which everybody asks its successor at the same moment comes to rest all the same.
func TestMutualQueries(t *testing.T) {
	w := teaching(t, 6, 1, Config{Routing: Successor}, 3, 9)
	for _, n := range w.live() {
		n.pos[0].hasPred, n.pos[0].pred, n.pos[0].preds = false, Ref{}, nil
	}
	for range 5 {
		for _, n := range w.live() {
			n.Stabilize(w.now, 0)
		}
		for _, n := range w.live() {
			w.drain(n)
		}
		w.run(50 * time.Millisecond)
	}
	if busy := w.sent[Busy]; busy == 0 {
		t.Error("the questions did not meet: the test does not test")
	}
	w.settle(10 * time.Second)
}

// "Suspect only after 3 missed probes"; "timeouts per neighbour from RTT (mean + 4 dev), not fixed".
func TestSuspicion(t *testing.T) {
	n := node20(t)
	for range 50 { // 200 ms each: mean 200, deviation towards 0
		n.measure(30, 200*time.Millisecond)
	}
	if got := n.timeout(30, 0); got < 200*time.Millisecond || got > 250*time.Millisecond {
		t.Errorf("time-out %v after round trips of 200 ms", got)
	}
	if got := n.timeout(40, 0); got != time.Second {
		t.Errorf("time-out %v for a stranger", got)
	}
	now := time.Duration(0)
	n.Unreachable(now, 30)
	one(t, n, Ping, 30)
	for missed := 1; missed <= 3; missed++ {
		if _, listed := slices.BinarySearchFunc(n.pos[0].succ, at(30)[0], func(a, b Ref) int { return a.ID.Compare(b.ID) }); !listed {
			t.Fatalf("dropped after %d missed probes", missed-1)
		}
		now = n.probes[0].deadline
		n.expireProbesAt(now)
	}
	wantLists(t, n, 10, 40, 50)
}

func (n *Node) expireProbesAt(now time.Duration) {
	n.now = now
	n.expireProbes()
}

// "Join(j): succ := m.succ, pred := m": only where j lies between m and its successor.
func TestJoin(t *testing.T) {
	n, err := New(Config{Space: Space{Bits: 8}, Successors: 3, Self: 20, Positions: []ID{{20}}, Rand: rand.New(rand.NewPCG(1, 1))})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Join(0, at(50)...); err != nil {
		t.Fatal(err)
	}
	hint := func(from, to byte, seq uint64) {
		n.Receive(1, Host(from), &Message{Kind: Hint, Seq: seq, Ref: at(to)[0]})
	}
	hint(50, 5, one(t, n, FindPredecessor, 50).Seq)
	hint(5, 10, one(t, n, FindPredecessor, 5).Seq)
	hint(10, 10, one(t, n, FindPredecessor, 10).Seq) // names itself: a fixpoint
	n.Receive(2, 10, state(n, 10, one(t, n, GetState, 10).Seq, 5, 15, 30, 40))
	if n.pos[0].in {
		t.Fatal("joined although 15 has come between")
	}
	n.Tick(n.NextTick())
	seq := uint64(0)
	for _, a := range sent(n) {
		if a.Message.Kind == FindPredecessor {
			seq = a.Message.Seq
			hint(byte(a.To), byte(a.To), seq)
		}
	}
	m := sent(n)[0]
	n.Receive(n.now, m.To, state(n, byte(m.To), m.Message.Seq, 5, 30, 40, 50))
	wantLists(t, n, byte(m.To), 30, 40, 50)
}

// "Fingers affect speed only, never correctness": lookups are right whatever the fingers say.
func TestWrongFingers(t *testing.T) {
	w := newTestNet(t, 3, Config{})
	for h := range Host(50) {
		w.add(h, 1)
	}
	w.ideal()
	all := w.refs()
	for _, n := range w.live() {
		var wrong []Ref
		for range 12 {
			wrong = append(wrong, all[w.rand.IntN(len(all))])
		}
		slices.SortFunc(wrong, func(a, b Ref) int { return distance(n.pos[0].self.ID, a.ID).Compare(distance(n.pos[0].self.ID, b.ID)) })
		n.pos[0].fingers = slices.DeleteFunc(slices.Compact(wrong), func(x Ref) bool { return x == n.pos[0].self })
	}
	for i := range 100 {
		key := Space{}.Hash("test key", []byte{byte(i)})
		if r := w.lookup(w.nodes[Host(w.rand.IntN(50))], key, How(i%3)); r.Err != nil || r.Owner != successorOf(all, key) {
			t.Fatalf("%+v", r)
		}
	}
	// and repair makes them the ideal ones again
	w.run(10 * time.Minute)
	for _, n := range w.live() {
		if got, want := n.pos[0].fingers, n.idealFingers(&n.pos[0], all); !slices.Equal(got, want) {
			t.Errorf("fingers %v, want %v", got, want)
		}
	}
}
