package ring

import (
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// phase is where a Node is in its life.
type phase uint8

const (
	idle phase = iota // nothing was called yet
	joining
	member
	left
)

// never is a timer that is not set.
const never = time.Duration(1<<63 - 1)

// Node is one host of the ring: see the package comment for the driver's duties.
type Node struct {
	cfg   Config
	phase phase
	now   time.Duration
	seq   uint64 // the last number of a question

	pos      []position  // ascending by ID
	hosts    []hostState // ascending by Host: whom it measured or suspects
	members  *table      // the membership; nil without cache and mesh
	census   *Census     // who of it was heard of; nil without Config.Census
	memory   []Ref       // the long-term memory: hosts that were in the ring once
	recalls  []Host      // those of it that were pinged in this period and did not answer
	probes   []probe     // pings under way
	forwards []forward   // lookups handed on and not yet acknowledged
	lookups  []lookup    // its own
	quests   []quest     // searches for the own place in another ring
	via      []Ref       // whom to ask for a place while joining

	buried map[Host]uint32 // the incarnations of hosts that are thought dead; nil where the Directory does not tell

	next        timers
	mergingTill time.Duration
	budget      int64 // bytes of membership traffic saved up
	budgetAt    time.Duration
	restoring   bool
	aloneAt     time.Duration // restoring: when to give up looking for members
	local       []Message     // to positions of this same host
	out         []Action
	head        int // of out, the first not drained
	viewDirty   bool
	classic     bool // the published protocol of 2001 instead of the corrected one: for the explorer's tests alone
	stats       Stats
}

// timers are the periodic duties of the host; those of a position are in it.
type timers struct {
	probe, fix, remember, antiEntropy, gossip, poll time.Duration
}

var idleTimers = timers{never, never, never, never, never, never}

// Stats are counters since the Node was made.
type Stats struct {
	Sent, Received   uint64 // messages
	Refused          uint64 // messages that made no sense
	Timeouts         uint64 // questions to a host that went unanswered, once each
	Dead             uint64 // verdicts
	Busy             uint64 // steps abandoned because the other was busy
	SecondPaths      uint64 // lookups repeated because cache and answer differed
	NotMine          uint64 // hints of the cache that were wrong
	Merges           uint64 // positions of other rings that entered a list
	AssumptionBroken uint64 // a host that was thought dead was not, as it has shown since: the proof's assumption did not hold. See revive
}

// New makes a Node that is in no ring yet.
func New(cfg Config) (*Node, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	n := &Node{cfg: cfg, next: idleTimers}
	ids := slices.SortedFunc(slices.Values(cfg.Positions), ID.Compare)
	n.cfg.Positions = ids
	n.pos = make([]position, len(ids))
	for i, id := range ids {
		n.pos[i] = position{self: Ref{ID: id, Host: cfg.Self}, stabilizeAt: never}
	}
	if cfg.Cache || cfg.Mesh {
		n.members = newTable(cfg.Directory)
		if cfg.Census != (Terms{}) {
			n.census = NewCensus(cfg.Census, cfg.Self, cfg.Rand)
		}
	}
	return n, nil
}

// Next drains the next action; ok is false when there is none.
func (n *Node) Next() (a Action, ok bool) {
	if n.head < len(n.out) {
		a = n.out[n.head]
		n.out[n.head] = Action{} // drop the slices
		n.head++
		return a, true
	}
	if s := n.cfg.Scratch; s != nil && n.out != nil {
		s.out, n.out = n.out[:0], nil
	}
	n.out, n.head = n.out[:0], 0
	if cap(n.out) > 64 {
		n.out = nil
	}
	if n.viewDirty {
		n.viewDirty = false
		return Action{Kind: ViewChanged}, true
	}
	return Action{}, false
}

// send queues a message to a host; one to this host itself is taken in by settle.
func (n *Node) send(to Host, m Message) {
	if to == n.cfg.Self {
		n.local = append(n.local, m)
		return
	}
	n.stats.Sent++
	if s := n.cfg.Scratch; s != nil && n.out == nil {
		n.out, s.out = s.out, nil
	}
	n.out = append(n.out, Action{Kind: Send, To: to, Message: m})
}

// settle delivers what positions of this host sent each other. It is bounded: a question leads to one answer.
func (n *Node) settle() {
	for i := 0; i < len(n.local) && i < 10000; i++ {
		m := n.local[i]
		n.receive(n.cfg.Self, &m)
	}
	clear(n.local)
	n.local = n.local[:0]
}

// nextSeq numbers a question.
func (n *Node) nextSeq() uint64 {
	n.seq++
	return n.seq
}

// jitter draws from 0.5 to 1.5 times d.
func (n *Node) jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(n.cfg.Rand.Int64N(int64(d)+1))
}

// position returns the own position at id.
func (n *Node) position(id ID) *position {
	i, ok := slices.BinarySearchFunc(n.pos, id, func(p position, id ID) int { return p.self.ID.Compare(id) })
	if !ok {
		return nil
	}
	return &n.pos[i]
}

// preceding is the own position that comes last before key, going clockwise: where a route to key begins.
func (n *Node) preceding(key ID) *position {
	i, _ := slices.BinarySearchFunc(n.pos, key, func(p position, id ID) int { return p.self.ID.Compare(id) })
	return &n.pos[(i+len(n.pos)-1)%len(n.pos)]
}

// following is the own position at key or first after it.
func (n *Node) following(key ID) *position {
	i, _ := slices.BinarySearchFunc(n.pos, key, func(p position, id ID) int { return p.self.ID.Compare(id) })
	return &n.pos[i%len(n.pos)]
}

// distance is how far b is from a, clockwise.
func distance(a, b ID) ID { return b.Sub(a) }

// within is ringwire.Within.
func within(a, x, b ID) bool { return ringwire.Within(a, x, b) }

// between is ringwire.Between.
func between(a, x, b ID) bool { return ringwire.Between(a, x, b) }
