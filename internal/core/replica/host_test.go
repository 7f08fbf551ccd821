package replica

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// space is small, so that traces show positions as numbers.
var space = ringwire.Space{Bits: 8}

// net is a few hosts in virtual time. Messages take 1 ms, disks 2 ms, and every view follows the truth at once: what happens is
// the replicas' doing alone. test/ring/history has the network that loses and delays.
type net struct {
	now    time.Duration
	hosts  []*host
	events []event                     // by time, and of equal times in the order in which they were added
	drop   map[[2]ringwire.Host]string // what is lost on the way from one to another: all, write, or nothing
	log    func(string)
	see    func(from, to *host, m *ringwire.Data) *ringwire.Data // what becomes of a message on its way, nil: lost; may be nil
	op     uint64
}

type event struct {
	at time.Duration
	do func()
}

type host struct {
	n      *net
	id     ringwire.Host
	pos    ringwire.ID
	r      *Replica // nil while down
	life   int
	epoch  uint32
	down   time.Duration
	disk   map[string]*ringwire.Record
	at     map[string]time.Duration // that a record on disk is aged to
	arcs   []SureArc
	groups int
	ended  map[uint64]Result
	broken error
}

func newNet() *net { return &net{drop: map[[2]ringwire.Host]string{}, log: func(string) {}} }

func (n *net) after(d time.Duration, do func()) {
	at := n.now + d
	i, _ := slices.BinarySearchFunc(n.events, at, func(e event, at time.Duration) int {
		if e.at <= at {
			return -1
		}
		return 1
	})
	n.events = slices.Insert(n.events, i, event{at, do})
}

// run lets all happen that is due within d, ticks included.
func (n *net) run(d time.Duration) {
	end := n.now + d
	for {
		next := end + 1
		var who *host
		for _, h := range n.hosts {
			if h.r != nil && h.r.NextTick() < next {
				next, who = h.r.NextTick(), h
			}
		}
		if len(n.events) > 0 && n.events[0].at <= max(next, n.now) && n.events[0].at <= end {
			e := n.events[0]
			n.events = n.events[1:]
			n.now = max(n.now, e.at)
			e.do()
			continue
		}
		if who == nil {
			break
		}
		n.now = max(n.now, next)
		who.r.Tick(n.now)
		who.drain()
	}
	n.now = end
}

// add makes a host at a position; the first one begins the ring.
func (n *net) add(pos uint64) *host {
	id, err := space.ID(pos)
	if err != nil {
		panic(err)
	}
	h := &host{n: n, id: ringwire.Host(len(n.hosts) + 1), pos: id, disk: map[string]*ringwire.Record{}, at: map[string]time.Duration{}, ended: map[uint64]Result{}}
	n.hosts = append(n.hosts, h)
	return h
}

func (h *host) start() {
	h.epoch++
	h.life++
	r, err := New(Config{Ring: ringwire.RingID{1}, Space: space, Self: h.id, Writer: writer(h.id), Epoch: h.epoch, View: h, Store: h, Signer: h,
		Rand: rand.New(rand.NewPCG(uint64(h.id), uint64(h.life))), First: h.id == 1, Arcs: h.arcs, Hosts: h.groups, Away: h.n.now - h.down})
	if err != nil {
		panic(err)
	}
	h.r = r
	h.r.Tick(h.n.now)
	h.n.changed()
}

func (h *host) crash() {
	h.r, h.down, h.life = nil, h.n.now, h.life+1
	h.n.changed()
}

// changed tells everybody that the ring is another.
func (n *net) changed() {
	for _, h := range n.hosts {
		if h.r != nil {
			h.r.ViewChanged(n.now)
			h.drain()
		}
	}
}

func writer(id ringwire.Host) ringwire.Writer { return sha256.Sum256([]byte{byte(id)}) }

func (h *host) Sign(b []byte) (sig, cert []byte) {
	w := writer(h.id)
	return seal(w, b), w[:]
}

func (h *host) Verify(w ringwire.Writer, cert, b, sig []byte) bool {
	return string(cert) == string(w[:]) && string(sig) == string(seal(w, b))
}

func seal(w ringwire.Writer, b []byte) []byte {
	sum := sha256.Sum256(append(w[:], b...))
	return sum[:8]
}

func (h *host) Load(now time.Duration, key string) (*ringwire.Record, error) {
	return h.disk[key].Age(now - h.at[key]), nil
}

func (h *host) Each(now time.Duration, f func(*ringwire.Record) bool) error {
	for _, k := range slices.Sorted(maps.Keys(h.disk)) {
		if rec := h.disk[k].Age(now - h.at[k]); rec != nil && !f(rec) {
			break
		}
	}
	return nil
}

func (h *host) Holders(key ringwire.ID, n int, buf []ringwire.Ref) ([]ringwire.Ref, bool) {
	for _, o := range h.n.hosts {
		if o.r != nil {
			buf = append(buf, ringwire.Ref{ID: o.pos, Host: o.id})
		}
	}
	slices.SortFunc(buf, func(a, b ringwire.Ref) int { return a.ID.Sub(key).Compare(b.ID.Sub(key)) })
	return buf[:min(n, len(buf))], true
}

func (h *host) Arcs(n int) (arcs []ringwire.Arc, ok bool) {
	ring, _ := h.Holders(ringwire.ID{}, len(h.n.hosts), nil)
	for i, x := range ring {
		holders, _ := h.Holders(x.ID, n, nil)
		if slices.ContainsFunc(holders, func(y ringwire.Ref) bool { return y.Host == h.id }) {
			arcs = append(arcs, ringwire.Arc{Lo: ring[(i+len(ring)-1)%len(ring)].ID, Hi: x.ID})
		}
	}
	return arcs, true
}

func (h *host) Alive(o ringwire.Host) bool { return h.n.hosts[o-1].r != nil }

// Majority: nobody is ever cut off here.
func (h *host) Majority(time.Duration) (yes, counts bool) { return true, true }

// drain does what the replica wants.
func (h *host) drain() {
	for h.r != nil {
		a, ok := h.r.Next()
		if !ok {
			return
		}
		life := h.life
		switch a.Kind {
		case Send:
			h.n.send(h, h.n.hosts[a.To-1], a.Message)
		case Persist, Forget:
			h.n.after(2*time.Millisecond, func() {
				if h.life == life {
					h.persist(a)
				}
			})
		case PersistArcs:
			h.arcs, h.groups = a.Arcs, a.Hosts
		case Locate:
			h.r.Located(h.n.now, a.Token, nil)
		case Done, Changed:
			h.ended[a.Op] = a.Result
		case Left:
			h.crash()
		}
	}
}

func (h *host) persist(a Action) {
	switch old, _ := h.Load(h.n.now, keyOf(a)); {
	case h.broken != nil:
	case a.Kind == Persist && !ringwire.Merge(old, a.Record).Fits():
		h.r.Persisted(h.n.now, a.Token, ErrTooLarge)
		h.drain()
		return
	case a.Kind == Persist:
		h.disk[a.Record.Key], h.at[a.Record.Key] = ringwire.Merge(old, a.Record), h.n.now
	case old == nil || old.Digest() == a.Digest:
		delete(h.disk, a.Key)
	}
	h.r.Persisted(h.n.now, a.Token, h.broken)
	h.drain()
}

func (n *net) send(from, to *host, m *ringwire.Data) {
	key := m.Key
	if m.Record != nil {
		key = m.Record.Key
	}
	what := n.drop[[2]ringwire.Host{from.id, to.id}]
	lost := what == "all" || what == m.Kind.String()
	n.log(describe(from.id, to.id, key, m, lost))
	if n.see != nil {
		m = n.see(from, to, m)
	}
	if lost || m == nil {
		return
	}
	n.after(time.Millisecond, func() {
		if to.r != nil {
			to.r.Receive(n.now, from.id, m)
			to.drain()
		}
	})
}

// describe is a line of a trace: only what clients' operations and hand-overs say, not the rounds of comparison.
func describe(from, to ringwire.Host, key string, m *ringwire.Data, lost bool) string {
	line := fmt.Sprintf("%d -> %d %s", from, to, m.Kind)
	switch m.Kind {
	case ringwire.DataTree, ringwire.DataNode:
		return ""
	case ringwire.DataRead:
		line += " " + key
		switch {
		case m.Same:
			line += ", the digest"
		case m.Digest != ringwire.Digest{}:
			line += ", unless like mine"
		}
	case ringwire.DataWrite:
		line += " " + key + " " + text(m.Record)
	case ringwire.DataAnswer, ringwire.DataWritten:
		if m.Same {
			line += " without"
		}
		if !m.Sure {
			line += " unsure"
		}
		if m.Status != ringwire.StatusOK {
			line += fmt.Sprint(" status ", m.Status)
		}
	}
	if lost {
		line += " (lost)"
	}
	return line
}

func text(rec *ringwire.Record) string {
	if rec == nil {
		return "nothing"
	}
	var out []string
	for _, v := range rec.Live() {
		out = append(out, string(v.Value))
	}
	if len(out) == 0 {
		return "deleted"
	}
	slices.Sort(out)
	return fmt.Sprint(out)
}

func keyOf(a Action) string {
	if a.Record != nil {
		return a.Record.Key
	}
	return a.Key
}
