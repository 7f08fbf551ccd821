package replica

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/rate"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Replica is one host's data. Not safe for concurrent use; doc.go numbers the driver's duties.
type Replica struct {
	cfg   Config
	rng   *rand.Rand
	now   time.Duration
	out   []Action
	head  int             // next of out to be drained
	inbox []ringwire.Data // messages to itself, handled before an input returns

	index  *index
	recent recent
	seq    uint64 // of the latest change of a record
	dots   uint64 // counter of the latest own dot
	token  uint64 // of the latest question, Persist or Locate

	arcs    arcs
	ops     map[uint64]*op             // clients' operations
	queues  map[string][]*op           // writes waiting for the one before on the same key
	asked   map[uint64]asked           // questions to hosts
	disk    map[uint64]disk            // Persist and Forget actions under way
	writing map[string]int             // how many of disk a key has
	kept    map[string]ringwire.Digest // records without a place in the index that could not be dropped for want of room
	locates map[uint64]locate          // lookups under way
	order   deadlines[*op]             // of ops, retries and watches
	expiry  deadlines[string]          // of records
	sync    syncs
	budget  map[ringwire.Host]*rate.Bucket
	// verified are signatures that were checked already, by the hash of all that was checked.
	verified map[ringwire.Digest]bool
	leaving  bool
	bye      goodbye
	gone     bool // Left was emitted
	broken   bool // the disk failed
	stats    Stats
}

// asked is a question to a host: whose it is.
type asked struct {
	op      *op
	session *session
}

// disk is a change on its way to the store.
type disk struct {
	key   string
	drop  bool
	from  ringwire.Host // who wants to know
	ask   uint64        // its question; 0 = nobody does
	show  bool          // and what is on disk beyond what it wrote
	wrote ringwire.Digest
	bytes int64
	s     *session
}

// New returns the data of a host whose records are in cfg.Store. It starts nothing; ViewChanged begins the work.
func New(cfg Config) (*Replica, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	r := &Replica{cfg: cfg, rng: cfg.Rand, index: newIndex(), ops: map[uint64]*op{}, queues: map[string][]*op{},
		asked: map[uint64]asked{}, disk: map[uint64]disk{}, writing: map[string]int{}, kept: map[string]ringwire.Digest{}, verified: map[ringwire.Digest]bool{}, locates: map[uint64]locate{}, budget: map[ringwire.Host]*rate.Bucket{}}
	err := cfg.Store.Each(0, func(rec *ringwire.Record) bool {
		r.note(rec.Key, rec)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("replica: reading the records: %w", err)
	}
	r.arcs.init(&r.cfg)
	r.sync.init(&r.cfg)
	r.arcs.stored = cfg.Arcs
	return r, nil
}

// position is where a key belongs.
func (r *Replica) position(key string) ringwire.ID {
	return r.cfg.Space.Hash(ringwire.KeyTag, []byte(key))
}

// note takes the state of a key on disk into the index.
func (r *Replica) note(key string, rec *ringwire.Record) {
	if rec == nil {
		r.index.remove(key)
		return
	}
	r.seq++
	e := &entry{pos: r.position(key), key: key, digest: rec.Digest(), size: int64(rec.Size()), seq: r.seq, dead: !rec.HasLive()}
	if old := r.index.byKey[key]; old != nil {
		e.due = old.due
		if old.digest == e.digest {
			e.seq = old.seq // a hand-over that has it need not begin anew
		}
	}
	if left := rec.Next(); left > 0 {
		e.next = r.now + left
		r.expire(e)
	}
	r.index.put(e)
}

// fail stops everything after an error of the disk: what it holds is uncertain from here on, so this host answers for nothing.
func (r *Replica) fail() { r.broken, r.stats.BrokenStore = true, true }

// sure reports whether this host answers for the position.
func (r *Replica) sure(pos ringwire.ID) bool { return !r.broken && r.arcs.sure.has(pos) }

func (r *Replica) advance(now time.Duration) {
	if r.arcs.freshTill != 0 {
		r.wakeUp(now)
	}
	if now > r.now {
		r.now = now
	}
	if r.arcs.freshTill == 0 {
		r.arcs.freshTill = max(1, r.now+r.cfg.Absence/2-r.cfg.Away)
	}
}

// emit queues an action.
func (r *Replica) emit(a Action) {
	if r.head > 0 && r.head == len(r.out) {
		r.out, r.head = r.out[:0], 0
	}
	r.out = append(r.out, a)
}

// send queues a message; those to this host itself are handled when the present input has been.
func (r *Replica) send(to ringwire.Host, m *ringwire.Data) {
	if to == r.cfg.Self {
		r.inbox = append(r.inbox, *m)
		return
	}
	r.emit(Action{Kind: Send, To: to, Message: m})
}

// settle handles the messages to itself.
func (r *Replica) settle() {
	for len(r.inbox) > 0 {
		m := r.inbox[0]
		r.inbox = r.inbox[1:]
		r.receive(r.cfg.Self, &m)
	}
}

func (r *Replica) nextToken() uint64 {
	r.token++
	return r.token
}

// Next returns the next thing to do, and false when there is nothing more for now.
func (r *Replica) Next() (Action, bool) {
	if r.head == len(r.out) {
		r.out, r.head = r.out[:0], 0
		return Action{}, false
	}
	a := r.out[r.head]
	r.out[r.head] = Action{}
	r.head++
	return a, true
}

// Receive takes a message of another host.
func (r *Replica) Receive(now time.Duration, from ringwire.Host, m *ringwire.Data) {
	r.advance(now)
	r.receive(from, m)
	r.settle()
}

func (r *Replica) receive(from ringwire.Host, m *ringwire.Data) {
	switch m.Kind {
	case ringwire.DataRead:
		r.onRead(from, m)
	case ringwire.DataWrite:
		r.onWrite(from, m)
	case ringwire.DataTree:
		r.onTree(from, m)
	case ringwire.DataAnswer, ringwire.DataWritten, ringwire.DataNode:
		r.onReply(from, m)
	case ringwire.DataLeaving:
		r.onLeaving(from)
	default:
		r.stats.Malformed++
	}
}

// onReply gives an answer to who asked. Answers to nobody's question are late, repeated or made up: all the same.
func (r *Replica) onReply(from ringwire.Host, m *ringwire.Data) {
	q, ok := r.asked[m.Op]
	switch {
	case !ok:
		r.unclaimed(from, m)
	case q.op != nil:
		r.opReply(q.op, from, m)
	default:
		r.sessionReply(q.session, from, m)
	}
}

// Located answers a Locate action: the first distinct hosts from the position on, or nil.
func (r *Replica) Located(now time.Duration, token uint64, hosts []ringwire.Ref) {
	r.advance(now)
	if l, ok := r.locates[token]; ok {
		delete(r.locates, token)
		l.done(hosts)
	}
	r.settle()
}

// locate is what waits for a lookup.
type locate struct{ done func(hosts []ringwire.Ref) }

// holders finds the first n distinct hosts from pos on and calls done with them: at once when the view knows them.
func (r *Replica) holders(pos ringwire.ID, n int, done func([]ringwire.Ref)) {
	if r.leaving {
		done(r.heirs(pos, n))
		return
	}
	if hosts, ok := r.cfg.View.Holders(pos, n, nil); ok {
		done(hosts)
		return
	}
	token := r.nextToken()
	r.locates[token] = locate{done}
	r.emit(Action{Kind: Locate, Token: token, Position: pos})
}

func without(hosts []ringwire.Ref, h ringwire.Host) (out []ringwire.Ref) {
	for _, x := range hosts {
		if x.Host != h {
			out = append(out, x)
		}
	}
	return out
}

// Stats returns the counters and the state of things.
func (r *Replica) Stats() Stats {
	s := r.stats
	s.Tombstones, s.Bytes = int(r.index.root.dead), r.index.bytes
	s.Keys = len(r.index.byKey) - s.Tombstones
	s.Operations = len(r.ops)
	r.countArcs(&s)
	return s
}
