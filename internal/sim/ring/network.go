package ring

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	core "github.com/eddy-p2p/eddy/internal/core/ring"
)

// network is hosts that run core/ring, and the messages between them, in virtual time. Nothing is lost but what is sent to a host that
// failed.
type network struct {
	seed    uint64
	space   core.Space
	latency time.Duration // one way; with spread the mean
	spread  bool          // each pair of hosts has its own, 0.5 to 1.5 times latency

	// deliver's hot state.
	now     int64 // microseconds
	queue   queue
	store   []letter
	free    []uint32 // of store
	hosts   []host
	scratch core.Scratch
	inbox   letter // the one that arrives: Receive gets its address, which would cost an allocation each elsewhere

	positions [][]core.ID // of each host, for the Directory

	count  counts
	done   func(h core.Host, r core.Result) // a lookup ended
	joined func(h core.Host)
	trace  tracer // nil: nobody watches

	// To tell the messages of users' lookups from those that find fingers.
	users  map[asker]bool
	asking bool // an input that is a user's lookup
}

// asker identifies a lookup under way: its origin and number there.
type asker struct {
	host core.Host
	seq  uint64
}

// host is one simulated host.
type host struct {
	node *core.Node // nil before it comes and after it failed
	tick int64      // when its timer goes off, as far as it is in the queue
	seq  uint32
}

// letter is a message under way.
type letter struct {
	from    core.Host
	message core.Message
	cause   int // for the tracer
}

// counts are what happened so far.
type counts struct {
	messages uint64 // sent
	lookups  uint64 // of those the ones that serve lookups of users
	timeouts uint64 // questions for users that went to a failed host
	dropped  uint64 // caches that were dropped
	events   uint64
}

// tracer watches a network, for explanations.
type tracer interface {
	// before and after enclose an input to a host; m is nil for a timer.
	before(h core.Host, from core.Host, m *core.Message, cause int)
	after(h core.Host)
	// sent returns the mark that the message carries as its cause.
	sent(from, to core.Host, m *core.Message) int
	// lost is a message to a host that is not there any more.
	lost(from, to core.Host, m *core.Message, cause int)
}

// Positions implements core.Directory.
func (w *network) Positions(h core.Host) []core.ID {
	if int(h) < len(w.positions) {
		return w.positions[h]
	}
	return nil
}

// add makes a host that stands at positions. The host does nothing until its node is started.
func (w *network) add(cfg core.Config, positions []core.ID) (core.Host, error) {
	h := core.Host(len(w.hosts))
	cfg.Space, cfg.Self, cfg.Positions, cfg.Directory = w.space, h, positions, w
	cfg.Scratch = &w.scratch
	cfg.Rand = rand.New(rand.NewPCG(w.seed, uint64(h)))
	node, err := core.New(cfg)
	if err != nil {
		return 0, fmt.Errorf("making simulated host %d: %w", h, err)
	}
	w.hosts = append(w.hosts, host{node: node, tick: never})
	w.positions = append(w.positions, positions)
	return h, nil
}

// clock is the present time as nodes get it.
func (w *network) clock() time.Duration { return time.Duration(w.now) * time.Microsecond }

// input gives a host an input outside of messages and timers, and takes what it does.
func (w *network) input(h core.Host, do func(n *core.Node, now time.Duration)) {
	if w.trace != nil {
		w.trace.before(h, h, nil, 0)
	}
	do(w.hosts[h].node, w.clock())
	w.drain(h)
	if w.trace != nil {
		w.trace.after(h)
	}
}

// fail ends a host without a word.
func (w *network) fail(h core.Host) { w.hosts[h].node = nil }

// alive reports whether the host runs.
func (w *network) alive(h core.Host) bool { return w.hosts[h].node != nil }

// until runs all events up to and at the time t, and leaves the clock there.
func (w *network) until(t int64) {
	for len(w.queue) > 0 && w.queue[0].at <= t {
		w.step()
	}
	w.now = max(w.now, t)
}

// step runs the next event.
func (w *network) step() {
	e := w.queue.pop()
	w.now = e.at
	w.count.events++
	if e.what != timer {
		w.arrive(core.Host(e.host), e.what)
		return
	}
	h := &w.hosts[e.host]
	if h.node == nil || h.tick != e.at {
		return // it was set anew since
	}
	h.tick = never
	if w.trace != nil {
		w.trace.before(core.Host(e.host), core.Host(e.host), nil, 0)
	}
	h.node.Tick(w.clock())
	w.drain(core.Host(e.host))
	if w.trace != nil {
		w.trace.after(core.Host(e.host))
	}
}

// arrive hands over the message at a place of the store.
func (w *network) arrive(to core.Host, place uint32) {
	l := &w.inbox
	*l = w.store[place]
	w.store[place] = letter{}
	w.free = append(w.free, place)
	node := w.hosts[to].node
	if l.message.Kind == core.Lookup && w.users[asker{l.message.Origin.Host, l.message.Seq}] {
		if node == nil {
			w.count.timeouts++
		} else {
			w.count.lookups++ // the Ack that it will send
		}
	}
	if node == nil {
		if w.trace != nil {
			w.trace.lost(l.from, to, &l.message, l.cause)
		}
		return
	}
	if w.trace != nil {
		w.trace.before(to, l.from, &l.message, l.cause)
	}
	node.Receive(w.clock(), l.from, &l.message)
	w.drain(to)
	if w.trace != nil {
		w.trace.after(to)
	}
}

// drain takes the actions of a host and sets its timer.
func (w *network) drain(h core.Host) {
	node := w.hosts[h].node
	for a, ok := node.Next(); ok; a, ok = node.Next() {
		switch a.Kind {
		case core.Send:
			w.send(h, a.To, &a.Message)
		case core.LookupDone:
			if w.done != nil {
				w.done(h, a.Result)
			}
		case core.Joined:
			if w.joined != nil {
				w.joined(h)
			}
		case core.CacheDropped:
			w.count.dropped++
		}
	}
	w.wind(h)
}

// wind puts the host's timer into the queue where the one that is there would come too late.
func (w *network) wind(h core.Host) {
	next := w.hosts[h].node.NextTick()
	at := int64(next / time.Microsecond)
	if next%time.Microsecond != 0 {
		at++ // never before its time
	}
	at = max(at, w.now)
	if next >= 1<<62 || at >= w.hosts[h].tick {
		return
	}
	w.hosts[h].tick = at
	w.push(h, at, timer)
}

func (w *network) push(h core.Host, at int64, what uint32) {
	to := &w.hosts[h]
	to.seq++
	w.queue.push(event{at: at, host: uint32(h), seq: to.seq, what: what})
}

// send puts a message on its way.
func (w *network) send(from, to core.Host, m *core.Message) {
	w.count.messages++
	if w.users != nil && w.serves(to, m) {
		w.count.lookups++
	}
	var place uint32
	if n := len(w.free); n > 0 {
		place = w.free[n-1]
		w.free = w.free[:n-1]
	} else {
		place = uint32(len(w.store))
		w.store = append(w.store, letter{})
	}
	l := &w.store[place]
	l.from, l.message = from, *m
	if w.trace != nil {
		l.cause = w.trace.sent(from, to, &l.message)
	}
	w.push(to, w.now+w.delay(from, to), place)
}

// serves reports whether a message belongs to a user's lookup.
func (w *network) serves(to core.Host, m *core.Message) bool {
	switch m.Kind {
	case core.Lookup:
		id := asker{m.Origin.Host, m.Seq}
		if w.asking {
			w.users[id] = true
		}
		return w.users[id]
	case core.Found, core.NotMine:
		return w.users[asker{to, m.Seq}]
	}
	return false
}

// delay is the time from one host to another in microseconds, the same in both directions.
func (w *network) delay(a, b core.Host) int64 {
	mean := w.latency.Microseconds()
	if !w.spread {
		return mean
	}
	if a > b {
		a, b = b, a
	}
	x := mix(w.seed ^ mix(uint64(a)<<32|uint64(b)))
	return mean/2 + int64(x%uint64(mean+1))
}

// mix is the finalizer of splitmix64 (Steele, Lea, Flood 2014): every bit of x goes into every bit of the result.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// ordered returns the positions of the hosts that run, in the order of the ring.
func (w *network) ordered() []core.Ref {
	var refs []core.Ref
	for h := range w.hosts {
		if w.alive(core.Host(h)) {
			for _, id := range w.positions[h] {
				refs = append(refs, core.Ref{ID: id, Host: core.Host(h)})
			}
		}
	}
	slices.SortFunc(refs, byID)
	return refs
}

func byID(a, b core.Ref) int { return a.ID.Compare(b.ID) }

// owner returns the place in refs of the successor of key.
func owner(refs []core.Ref, key core.ID) int {
	i, _ := slices.BinarySearchFunc(refs, key, func(r core.Ref, key core.ID) int { return r.ID.Compare(key) })
	return i % len(refs)
}
