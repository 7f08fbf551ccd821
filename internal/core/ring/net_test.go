package ring

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"

	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// testNet is a network in virtual time: messages take a random while, get lost, or don't cross a partition; hosts fail, and join.
type testNet struct {
	t       fataler
	rand    *rand.Rand
	now     time.Duration
	seq     int
	events  events
	nodes   map[Host]*Node
	places  directory
	loss    float64
	side    map[Host]int         // of a partition
	lossy   func(a, b Host) bool // nothing goes from one to the other; nil: nowhere
	results map[uint64]Result
	actions map[Host][]ActionKind
	check   func(n *Node) // after every step
	sent    map[Kind]int
	config  Config // of new nodes
}

type directory map[Host][]ID

func (d directory) Positions(h Host) []ID { return d[h] }

type event struct {
	at   time.Duration
	seq  int
	node *Node
	to   Host
	from Host
	m    *Message // nil: Tick
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

func newTestNet(t fataler, seed uint64, config Config) *testNet {
	w := &testNet{t: t, rand: rand.New(rand.NewPCG(seed, 1)), nodes: map[Host]*Node{}, places: directory{}, side: map[Host]int{},
		results: map[uint64]Result{}, actions: map[Host][]ActionKind{}, sent: map[Kind]int{}, config: config}
	w.check = func(n *Node) {
		for _, err := range n.Check() {
			t.Fatalf("%v at host %d: %v", w.now, n.cfg.Self, err)
		}
	}
	return w
}

// add makes host h with v positions, or those given.
func (w *testNet) add(h Host, v int, ids ...ID) *Node {
	cfg := w.config
	if len(ids) == 0 {
		ids = w.places[h]
	}
	for i := len(ids); i < v; i++ {
		ids = append(ids, cfg.Space.Hash(ringwire.NodeTag, []byte(fmt.Sprint(h, " ", i))))
	}
	w.places[h] = ids
	cfg.Self, cfg.Positions, cfg.Directory = h, ids, w.places
	cfg.Rand = rand.New(rand.NewPCG(w.rand.Uint64(), uint64(h)))
	n, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.nodes[h] = n
	return n
}

// ideal puts all nodes into one ring at rest.
func (w *testNet) ideal() {
	all := w.refs()
	for _, n := range w.live() {
		n.Ideal(w.now, all)
		w.drain(n)
	}
}

func (w *testNet) refs() []Ref {
	var all []Ref
	for _, n := range w.live() {
		for _, id := range n.cfg.Positions {
			all = append(all, Ref{ID: id, Host: n.cfg.Self})
		}
	}
	slices.SortFunc(all, func(a, b Ref) int { return a.ID.Compare(b.ID) })
	return all
}

func (w *testNet) live() []*Node {
	var out []*Node
	for _, n := range w.nodes {
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b *Node) int { return int(a.cfg.Self) - int(b.cfg.Self) })
	return out
}

// drain carries out a node's actions.
func (w *testNet) drain(n *Node) {
	for {
		a, ok := n.Next()
		if !ok {
			break
		}
		w.actions[n.cfg.Self] = append(w.actions[n.cfg.Self], a.Kind)
		switch a.Kind {
		case LookupDone:
			w.results[a.Result.Token] = a.Result
		case Send:
			w.sent[a.Message.Kind]++
			if w.rand.Float64() >= w.loss && w.side[n.cfg.Self] == w.side[a.To] && (w.lossy == nil || !w.lossy(n.cfg.Self, a.To)) {
				m := a.Message
				w.push(event{at: w.now + w.delay(), to: a.To, from: n.cfg.Self, m: &m})
			}
		}
	}
	w.check(n)
	if at := n.NextTick(); at != never {
		w.push(event{at: max(at, w.now), node: n, to: n.cfg.Self})
	}
}

func (w *testNet) delay() time.Duration {
	return 5*time.Millisecond + time.Duration(w.rand.Int64N(int64(10*time.Millisecond)))
}

func (w *testNet) push(e event) {
	w.seq++
	e.seq = w.seq
	heap.Push(&w.events, e)
}

// run lets time pass.
func (w *testNet) run(d time.Duration) { w.until(w.now+d, func() bool { return false }) }

// until lets time pass to end or until done.
func (w *testNet) until(end time.Duration, done func() bool) bool {
	for len(w.events) > 0 && w.events[0].at <= end {
		e := heap.Pop(&w.events).(event)
		n := w.nodes[e.to]
		w.now = e.at
		switch {
		case n == nil || e.m == nil && n != e.node:
			continue
		case e.m != nil:
			n.Receive(w.now, e.from, e.m)
		case n.NextTick() > w.now: // the timer was set anew
			continue
		default:
			n.Tick(w.now)
			if n.NextTick() <= w.now {
				w.t.Fatalf("%v: Tick of host %d leaves something due at %v", w.now, e.to, n.NextTick())
			}
		}
		w.drain(n)
		if done() {
			return true
		}
	}
	w.now = end
	return done()
}

// settle waits until the ring is the ideal one.
func (w *testNet) settle(limit time.Duration) {
	w.t.Helper()
	start, checked := w.now, w.now
	ok := w.until(w.now+limit, func() bool {
		if w.now < checked+500*time.Millisecond {
			return false
		}
		checked = w.now
		return len(CheckIdeal(w.live())) == 0
	})
	if !ok {
		if errs := CheckIdeal(w.live()); len(errs) > 0 {
			w.t.Fatalf("no ideal ring %v after quiescence: %d differences, the first: %v", w.now-start, len(errs), errs[0])
		}
	}
}

// kill ends hosts without a word.
func (w *testNet) kill(hosts ...Host) {
	for _, h := range hosts {
		delete(w.nodes, h)
	}
}

var tokens uint64

// lookup runs one lookup to its end.
func (w *testNet) lookup(n *Node, key ID, how How) Result {
	w.t.Helper()
	tokens++
	token := tokens
	n.Lookup(w.now, key, token, how)
	w.drain(n)
	if !w.until(w.now+time.Minute, func() bool { _, ok := w.results[token]; return ok }) {
		w.t.Fatalf("the lookup of %x from host %d never ended", key, n.cfg.Self)
	}
	r := w.results[token]
	delete(w.results, token)
	return r
}

// successorOf is the truth.
func successorOf(all []Ref, key ID) Ref { return all[seek(all, key)%len(all)] }

// teaching makes a ring at rest from numbers; the host of a position is its number.
func teaching(t fataler, bits, r int, config Config, numbers ...uint64) *testNet {
	config.Space, config.Successors = Space{Bits: bits}, r
	w := newTestNet(t, 1, config)
	for _, x := range numbers {
		w.add(Host(x), 1, number(t, config.Space, x))
	}
	w.ideal()
	return w
}

func number(t fataler, s Space, x uint64) ID {
	id, err := s.ID(x)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// numbers writes refs as numbers.
func numbers(s Space, refs []Ref) []uint64 {
	out := make([]uint64, len(refs))
	for i, x := range refs {
		out[i] = s.Number(x.ID)
	}
	return out
}

// fataler is a *testing.T or a *rapid.T.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}
