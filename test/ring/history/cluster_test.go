package history_test

import (
	"container/heap"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/core/ring"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// mutant is a way to break the implementation that the checker has to notice.
type mutant int

const (
	sound mutant = iota
	ackBeforeSync
	lastWriteWins
	lostHint
	droppedTombstone
	noHandOver
	alwaysMajority // every host believes that it hears from most of the ring
	deafToSessions // reads don't heed the version that their client passes
	neverWakes     // a process that was stopped goes on as if no time had passed
)

var mutants = [...]string{"sound", "ack before sync", "last write wins", "lost hint", "dropped tombstone", "no hand-over", "always the majority", "deaf to sessions", "never wakes"}

// options are the constants of a cluster.
type options struct {
	seed                  uint64
	hosts, vnodes         int
	write, read, replicas int
	loss, dup, late       float64 // shares of the messages; late ones take up to 3 s
	mutant                mutant
	gradual               bool // who starts again sees one other host first, and the rest within moments
}

// cluster runs hosts in virtual time, over a network that loses, delays, repeats and reorders, with disks that forget what was
// not synced. Each host's view of the ring follows the truth with a lag of its own.
type cluster struct {
	opt    options
	rng    *rand.Rand
	now    time.Duration
	events events
	seq    uint64
	hosts  []*host
	calm   bool // no loss, no long delays
	done   map[uint64]func(replica.Result)
	opID   uint64
	rogue  func(from, to *host, m *ringwire.Data) []*ringwire.Data // of a rogue host: what it sends instead
}

type event struct {
	at  time.Duration
	seq uint64
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	x := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return x
}

// host is one machine: what survives a crash, and the process that runs on it.
type host struct {
	c       *cluster
	id      ringwire.Host
	pos     []ringwire.ID
	disk    *disk
	epoch   uint32
	r       *replica.Replica // nil while down
	life    int              // counts starts
	stopped time.Duration
	side    int // of a partition
	sees    map[ringwire.Host]bool
	census  *ring.Census
	knew    map[ringwire.Host]bool // of earlier lives
	tickAt  time.Duration
	member  bool // takes part in the ring: not yet joined, or left
	rogue   bool
	cut     bool     // nothing comes or goes, and nobody knows it yet
	lost    bool     // for ever
	asleep  bool     // stopped, with all that it has in memory
	missed  []func() // what waits until it is awake
	failing error    // of its disk
}

func newCluster(opt options) *cluster {
	c := &cluster{opt: opt, rng: rand.New(rand.NewPCG(opt.seed, 1)), done: map[uint64]func(replica.Result){}}
	for range opt.hosts {
		c.addHost()
	}
	// An ideal start: everybody is there and knows everybody.
	for _, h := range c.hosts {
		h.member = true
	}
	for _, h := range c.hosts {
		h.start()
	}
	c.ping()
	return c
}

// addHost makes a host that does not run yet.
func (c *cluster) addHost() *host {
	h := &host{c: c, id: ringwire.Host(len(c.hosts)), sees: map[ringwire.Host]bool{}, knew: map[ringwire.Host]bool{}}
	h.disk = newDisk(func() time.Duration { return c.now }, c.opt.mutant)
	for i := range c.opt.vnodes {
		h.pos = append(h.pos, ringwire.Space{}.Hash(ringwire.NodeTag, fmt.Append(nil, c.opt.seed, h.id, i)))
	}
	c.hosts = append(c.hosts, h)
	return h
}

func (c *cluster) at(d time.Duration, do func()) {
	c.seq++
	heap.Push(&c.events, event{c.now + d, c.seq, do})
}

// run runs until the time d from now.
func (c *cluster) run(d time.Duration) {
	end := c.now + d
	for len(c.events) > 0 && c.events[0].at <= end {
		e := heap.Pop(&c.events).(event)
		c.now = e.at
		e.do()
	}
	c.now = end
}

func (c *cluster) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(c.rng.Int64N(int64(hi-lo)+1))
}

func writerOf(id ringwire.Host) (w ringwire.Writer) {
	return sha256.Sum256(fmt.Append(nil, "host ", id))
}

// Sign and Verify stand for Ed25519: only the host has its key.
func (h *host) Sign(b []byte) (sig, cert []byte) {
	w := writerOf(h.id)
	return mac(w, b), w[:]
}

func mac(w ringwire.Writer, b []byte) []byte {
	m := hmac.New(sha256.New, append([]byte("secret of "), w[:]...))
	m.Write(b)
	return m.Sum(nil)
}

func (h *host) Verify(w ringwire.Writer, cert, b, sig []byte) bool {
	return string(cert) == string(w[:]) && hmac.Equal(sig, mac(w, b))
}

// start runs the process.
func (h *host) start() {
	h.epoch++
	h.life++
	c := h.c
	clear(h.sees)
	for _, o := range c.hosts {
		h.sees[o.id] = o == h || o.member && o.up() && o.side == h.side || h.life == 1 && o.member && !o.lost && c.now == 0
	}
	h.enrol()
	if c.opt.gradual && h.life > 1 {
		h.seeGradually()
	}
	r, err := replica.New(replica.Config{
		Ring: ringwire.RingID{1}, Self: h.id, Writer: writerOf(h.id), Epoch: h.epoch, View: h, Store: h.disk, Signer: h,
		Rand:     rand.New(rand.NewPCG(c.opt.seed, uint64(h.id)<<32+uint64(h.life))),
		Replicas: c.opt.replicas, Write: c.opt.write, Read: c.opt.read, First: h.id == 0, Arcs: h.disk.arcs, Hosts: h.disk.hosts,
		Away: c.now - h.stopped, Faults: replica.Faults{LoseHints: c.opt.mutant == lostHint, NoHandOver: c.opt.mutant == noHandOver, Majority: c.opt.mutant == alwaysMajority,
			NeverWakes: c.opt.mutant == neverWakes},
	})
	if err != nil {
		panic(err)
	}
	h.r, h.tickAt = r, -1
	h.r.Tick(c.now)
	h.r.ViewChanged(c.now)
	h.drain()
	c.news(h)
}

// seeGradually forgets all other hosts but one, and learns of them again with delays.
func (h *host) seeGradually() {
	first := true
	for _, o := range h.c.hosts {
		if o != h && h.sees[o.id] && !first {
			h.sees[o.id] = false
			h.c.at(h.c.between(50*time.Millisecond, 500*time.Millisecond), func() { h.learn(o) })
		}
		first = first && (o == h || !h.sees[o.id])
	}
}

// crash ends the process: what was not synced is gone, and so are its clients' operations.
func (h *host) crash() {
	h.r, h.life, h.stopped = nil, h.life+1, h.c.now
	clear(h.disk.pending)
	h.c.news(h)
}

func (h *host) up() bool { return h.r != nil }

// news lets each host learn of a change of h, or of all, with its own delay.
func (c *cluster) news(about ...*host) {
	for _, o := range c.hosts {
		for _, h := range about {
			if o == h {
				continue
			}
			delay := c.between(50*time.Millisecond, 500*time.Millisecond)
			if !h.up() || h.side != o.side || h.asleep {
				delay = c.between(500*time.Millisecond, 3*time.Second)
			}
			c.at(delay, func() { o.learn(h) })
		}
	}
}

// learn takes a change of h into o's view.
func (o *host) learn(h *host) {
	if o.asleep {
		o.missed = append(o.missed, func() { o.learn(h) })
		return
	}
	is := h.member && h.up() && h.side == o.side && !h.asleep
	if !o.up() || o.sees[h.id] == is {
		return
	}
	o.sees[h.id] = is
	o.note(h)
	o.r.ViewChanged(o.c.now)
	o.drain()
}

// Holders is the ideal ring of the hosts that h believes alive.
func (h *host) Holders(key ringwire.ID, n int, buf []ringwire.Ref) ([]ringwire.Ref, bool) {
	if !h.member {
		return buf, false // core/ring has ended
	}
	ring := h.ring()
	at, _ := slices.BinarySearchFunc(ring, key, func(r ringwire.Ref, k ringwire.ID) int { return r.ID.Compare(k) })
	for i := range ring {
		r := ring[(at+i)%len(ring)]
		if len(buf) < n && !slices.ContainsFunc(buf, func(x ringwire.Ref) bool { return x.Host == r.Host }) {
			buf = append(buf, r)
		}
	}
	return buf, true
}

// ring is all positions in order, as h believes.
func (h *host) ring() (ring []ringwire.Ref) {
	for _, o := range h.c.hosts {
		if h.sees[o.id] && (o != h || h.member) {
			for _, p := range o.pos {
				ring = append(ring, ringwire.Ref{ID: p, Host: o.id})
			}
		}
	}
	slices.SortFunc(ring, func(a, b ringwire.Ref) int { return a.ID.Compare(b.ID) })
	return ring
}

func (h *host) Arcs(n int) (arcs []ringwire.Arc, ok bool) {
	if !h.member {
		return nil, false
	}
	ring := h.ring()
	for i, r := range ring {
		lo := ring[(i+len(ring)-1)%len(ring)].ID
		hosts, _ := h.Holders(r.ID, n, nil)
		if slices.ContainsFunc(hosts, func(x ringwire.Ref) bool { return x.Host == h.id }) {
			arcs = append(arcs, ringwire.Arc{Lo: lo, Hi: r.ID})
		}
	}
	return arcs, true
}

func (h *host) Alive(o ringwire.Host) bool { return h.sees[o] }

// drain carries out what the replica wants.
func (h *host) drain() {
	for h.r != nil {
		a, ok := h.r.Next()
		if !ok {
			break
		}
		h.act(a)
	}
	if h.r == nil {
		return
	}
	if next := max(h.r.NextTick(), h.c.now); h.tickAt < h.c.now || next < h.tickAt {
		h.tickAt = next
		life := h.life
		h.c.at(next-h.c.now, func() {
			h.whenAwake(func() {
				if h.life == life && h.r != nil && h.tickAt == next {
					h.tickAt = -1
					h.r.Tick(h.c.now)
					h.drain()
				}
			})
		})
	}
}

func (h *host) act(a replica.Action) {
	switch a.Kind {
	case replica.Send:
		h.send(h.c.hosts[a.To], a.Message)
	case replica.Persist:
		h.sync(a.Token, func() { h.disk.merge(a.Record) })
	case replica.Forget:
		h.sync(a.Token, func() { h.disk.forget(a.Key, a.Digest) })
	case replica.PersistArcs:
		h.disk.arcs, h.disk.hosts = a.Arcs, a.Hosts
	case replica.Done, replica.Changed:
		if f := h.c.done[a.Op]; f != nil {
			f(a.Result)
		}
	case replica.Locate: // only one that has left the ring has to ask, and gets no answer
		h.r.Located(h.c.now, a.Token, nil)
	case replica.Left:
		h.lost = true
		h.crash()
	default:
		panic(fmt.Sprint("action ", a.Kind))
	}
}

// sync is the disk: slow, in order, and all or nothing.
func (h *host) sync(token uint64, change func()) {
	life := h.life
	if h.failing != nil {
		h.c.at(0, func() {
			h.r.Persisted(h.c.now, token, h.failing)
			h.drain()
		})
		return
	}
	if h.c.opt.mutant == ackBeforeSync {
		change()
		h.c.at(0, func() { h.persisted(life, token) })
		h.c.at(2*time.Second, func() {
			if h.life == life {
				for k, s := range h.disk.pending {
					h.disk.synced[k] = s
				}
				clear(h.disk.pending)
			}
		})
		return
	}
	h.c.at(3*time.Millisecond, func() {
		h.whenAwake(func() {
			if h.life == life {
				change()
				h.c.at(h.c.between(0, time.Millisecond), func() { h.persisted(life, token) })
			}
		})
	})
}

func (h *host) persisted(life int, token uint64) {
	if h.asleep {
		h.missed = append(h.missed, func() { h.persisted(life, token) })
		return
	}
	if h.life == life && h.r != nil {
		h.r.Persisted(h.c.now, token, nil)
		h.drain()
	}
}

// send puts a message on the network.
func (h *host) send(to *host, m *ringwire.Data) {
	messages := []*ringwire.Data{m}
	if h.rogue && h.c.rogue != nil {
		messages = h.c.rogue(h, to, m)
	}
	for _, m := range messages {
		bytes := m.Append(nil)
		copies := 1
		if !h.c.calm {
			if h.c.rng.Float64() < h.c.opt.loss {
				continue
			}
			if h.c.rng.Float64() < h.c.opt.dup {
				copies = 2
			}
		}
		for range copies {
			delay := h.c.between(200*time.Microsecond, 2*time.Millisecond)
			if !h.c.calm && h.c.rng.Float64() < h.c.opt.late {
				delay = h.c.between(0, 3*time.Second)
			}
			h.c.at(delay, func() { to.receive(h, bytes) })
		}
	}
}

func (to *host) receive(from *host, b []byte) {
	if to.asleep {
		to.missed = append(to.missed, func() { to.receive(from, b) })
		return
	}
	if to.r == nil || from.side != to.side || from.cut || to.cut {
		return
	}
	m, err := ringwire.ParseData(b)
	if err != nil {
		panic(fmt.Sprintf("what a host sends is malformed: %v", err))
	}
	to.r.Receive(to.c.now, from.id, m)
	to.drain()
}

// start an operation at a host; end is called once, also when the host crashes (with ok = false).
func (c *cluster) op(h *host, end func(res replica.Result, ok bool), begin func(id uint64)) {
	c.opID++
	id := c.opID
	life := h.life
	ended := false
	c.done[id] = func(res replica.Result) {
		ended = true
		delete(c.done, id)
		end(res, true)
	}
	begin(id)
	h.drain()
	// A client whose node is gone learns that much later than anybody else.
	c.at(20*time.Second, func() {
		if !ended && h.life != life {
			delete(c.done, id)
			end(replica.Result{}, false)
		}
	})
}
