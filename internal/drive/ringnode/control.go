package ringnode

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/ring"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// What members ask each other beside the machines' messages, on the data stream. A question has a number that its answer repeats.
const (
	controlKick   byte = iota + 1 // the system records have changed: no answer
	controlRotate                 // take over these secrets
	controlView                   // what do you know of the ring?
	controlSums                   // what do you hold in these arcs?
	controlAnswer
	controlSystem // what do you know of tokens and evicted hosts?
)

const (
	controlTimeout  = 3 * time.Second
	maxSums         = 4096 // arcs in one question
	sumsAtOnce      = 64   // of which the machines wait for so many at once
	maxSystemMember = 64   // bytes of a member of a system set
	maxKnown        = 4096 // members of each system set in one answer
)

// questions are those on their way to other members.
type questions struct {
	mu      sync.Mutex
	seq     uint64
	waiting map[uint64]question
}

// question waits for an answer of one host.
type question struct {
	host   ringwire.Host
	answer chan reply
}

// reply is an answer, decoded with the hosts' numbers of its stream.
type reply struct {
	view     *memberView
	holdings []holding
	done     bool

	system *systemCache
}

// systemCache is what a member has in its cache of the system records: members of the sets, in the order of systemKeys.
type systemCache struct {
	members [len(systemKeys)][][]byte
}

// memberView is what a member says of its neighbours.
type memberView struct {
	positions []positionView
}

// positionView is one position and whom it believes to be beside it.
type positionView struct {
	self       ringwire.ID
	in         bool
	hasPred    bool
	pred       ringwire.Ref
	successors []ringwire.Ref
}

// ask sends a question and waits for its answer.
func (n *Node) ask(ctx context.Context, to ringwire.Host, kind byte, body func(names *namer, b []byte) []byte) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	ch := make(chan reply, 1)
	q := &n.questions
	q.mu.Lock()
	q.seq++
	id := q.seq
	if q.waiting == nil {
		q.waiting = make(map[uint64]question)
	}
	q.waiting[id] = question{to, ch}
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		delete(q.waiting, id)
		q.mu.Unlock()
	}()
	l := n.reach(to)
	if l == nil || !l.data.push(frameControl, func(names *namer, b []byte) []byte {
		return body(names, binary.AppendUvarint(append(b, kind), id))
	}) {
		return reply{}, errors.New("it cannot be reached")
	}
	l.touch()
	select {
	case r := <-ch:
		return r, nil
	case <-l.down:
		return reply{}, errors.New("its connection broke")
	case <-ctx.Done():
		return reply{}, errors.New("it does not answer")
	}
}

// control takes in one control frame.
func (n *Node) control(l *link, dir *directory, payload []byte) error {
	r := ringwire.NewReader(payload)
	dir.refused = nil
	kind, id := r.Byte(), r.Uvarint()
	switch kind {
	case controlKick:
		if err := r.Done(); err != nil {
			return err
		}
		n.kickSystem()
	case controlRotate:
		s := r.Secrets()
		if err := r.Done(); err != nil {
			return err
		}
		if n.takeSecrets(l, s) { // who asks would count a host in that will not be let in any more
			n.answer(l, id, controlRotate, func(_ *namer, b []byte) []byte { return b })
		}
	case controlView:
		if err := r.Done(); err != nil {
			return err
		}
		view := n.ownView()
		n.answer(l, id, controlView, func(names *namer, b []byte) []byte { return names.appendView(b, view) })
	case controlSums:
		arcs := readArcs(r)
		if err := r.Done(); err != nil {
			return err
		}
		holdings := n.ownHoldings(arcs)
		n.answer(l, id, controlSums, func(_ *namer, b []byte) []byte { return appendHoldings(b, holdings) })
	case controlSystem:
		if err := r.Done(); err != nil {
			return err
		}
		known := n.trust.known()
		n.answer(l, id, controlSystem, func(_ *namer, b []byte) []byte { return known.append(b) })
	case controlAnswer:
		return n.answered(l, dir, r, id)
	default:
		return ringwire.ErrMalformed
	}
	return nil
}

func (n *Node) answer(l *link, id uint64, kind byte, body func(names *namer, b []byte) []byte) {
	if !l.data.push(frameControl, func(names *namer, b []byte) []byte {
		return body(names, append(binary.AppendUvarint(append(b, controlAnswer), id), kind))
	}) {
		n.counters.dataDropped.Add(1)
	}
}

// answered hands an answer to who asked, if it comes from whom was asked.
func (n *Node) answered(l *link, dir *directory, r *ringwire.Reader, id uint64) error {
	var out reply
	switch r.Byte() {
	case controlRotate:
		out.done = true
	case controlView:
		out.view = dir.view(r)
	case controlSums:
		out.holdings = readHoldings(r)
	case controlSystem:
		out.system = readSystem(r)
	default:
		r.Fail()
	}
	if err := r.Done(); err != nil {
		return err
	}
	n.questions.mu.Lock()
	q, ok := n.questions.waiting[id]
	if ok && q.host == l.host {
		delete(n.questions.waiting, id)
	}
	n.questions.mu.Unlock()
	if ok && q.host == l.host {
		q.answer <- out
	}
	return nil
}

// ownView is what this host says of itself.
func (n *Node) ownView() *memberView {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.broken != nil || n.stopped {
		return &memberView{}
	}
	out := &memberView{}
	for _, p := range n.ring.View().Positions {
		out.positions = append(out.positions, positionView{self: p.Self.ID, in: p.In, hasPred: p.HasPredecessor, pred: p.Predecessor,
			successors: append([]ringwire.Ref(nil), p.Successors...)})
	}
	return out
}

// holding is what a host holds in an arc.
type holding struct {
	sum              ringwire.Sum // of all records, the ring's own too
	keys, tombstones int          // of users
	sure             bool         // it answers for all of the arc
}

// ownHoldings is what this host holds in arcs.
func (n *Node) ownHoldings(arcs []ringwire.Arc) []holding {
	out := make([]holding, len(arcs))
	system := n.systemRecords()
	for from := 0; from < len(arcs); from += sumsAtOnce {
		n.holdings(arcs[from:min(from+sumsAtOnce, len(arcs))], system, out[from:])
	}
	return out
}

// holdings fills in what this host holds in some arcs, for as long as nobody else waits too long.
func (n *Node) holdings(arcs []ringwire.Arc, system []systemRecord, out []holding) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.broken != nil || n.stopped {
		return
	}
	for i, a := range arcs {
		h := n.data.Holding(a)
		out[i] = holding{h.Sum, int(h.Sum.Count) - h.Tombstones, h.Tombstones, h.Sure}
		for _, r := range system {
			switch {
			case !ringwire.Within(a.Lo, r.position, a.Hi):
			case r.alive:
				out[i].keys--
			default:
				out[i].tombstones--
			}
		}
	}
}

func (n *namer) appendView(b []byte, v *memberView) []byte {
	b = binary.AppendUvarint(b, uint64(len(v.positions)))
	for i := range v.positions {
		p := &v.positions[i]
		b = append(b, p.self[:]...)
		b = ringwire.AppendBool(ringwire.AppendBool(b, p.in), p.hasPred)
		if p.hasPred {
			b = n.appendRef(b, p.pred)
		}
		b = n.appendRefs(b, p.successors)
	}
	return b
}

func (d *directory) view(r *ringwire.Reader) *memberView {
	v := &memberView{}
	count := r.Count(len(ringwire.ID{}) + 3)
	if count > ringwire.MaxPositions {
		r.Fail()
		return v
	}
	for range count {
		p := positionView{self: r.ID(), in: r.Bool(), hasPred: r.Bool()}
		if p.hasPred {
			p.pred = d.ref(r)
		}
		p.successors = d.refs(r, ring.MaxList)
		if r.Err() != nil {
			return v
		}
		v.positions = append(v.positions, p)
	}
	return v
}

func (k *systemCache) append(b []byte) []byte {
	for _, members := range k.members {
		b = binary.AppendUvarint(b, uint64(len(members)))
		for _, m := range members {
			b = ringwire.AppendBytes(b, m)
		}
	}
	return b
}

func readSystem(r *ringwire.Reader) *systemCache {
	k := &systemCache{}
	for i := range k.members {
		count := r.Count(1)
		if count > maxKnown {
			r.Fail()
			return k
		}
		for range count {
			k.members[i] = append(k.members[i], append([]byte(nil), r.Bytes(maxSystemMember)...))
		}
	}
	return k
}

func appendArcs(b []byte, arcs []ringwire.Arc) []byte {
	b = binary.AppendUvarint(b, uint64(len(arcs)))
	for _, a := range arcs {
		b = append(append(b, a.Lo[:]...), a.Hi[:]...)
	}
	return b
}

func readArcs(r *ringwire.Reader) []ringwire.Arc {
	count := r.Count(2 * len(ringwire.ID{}))
	if count > maxSums {
		r.Fail()
		return nil
	}
	out := make([]ringwire.Arc, count)
	for i := range out {
		out[i] = ringwire.Arc{Lo: r.ID(), Hi: r.ID()}
	}
	return out
}

func appendHoldings(b []byte, holdings []holding) []byte {
	b = binary.AppendUvarint(b, uint64(len(holdings)))
	for _, h := range holdings {
		b = binary.AppendUvarint(b, uint64(h.sum.Count))
		for _, w := range h.sum.Total {
			b = binary.BigEndian.AppendUint64(b, w)
		}
		b = binary.AppendUvarint(b, uint64(max(h.keys, 0)))
		b = binary.AppendUvarint(b, uint64(max(h.tombstones, 0)))
		b = ringwire.AppendBool(b, h.sure)
	}
	return b
}

func readHoldings(r *ringwire.Reader) []holding {
	count := r.Count(1 + 32 + 2 + 1)
	if count > maxSums {
		r.Fail()
		return nil
	}
	out := make([]holding, count)
	for i := range out {
		h := &out[i]
		h.sum.Count = uint32(r.Uvarint())
		for w := range h.sum.Total {
			h.sum.Total[w] = r.Uint64()
		}
		h.keys, h.tombstones = int(r.Uvarint()&0x7fffffff), int(r.Uvarint()&0x7fffffff)
		h.sure = r.Bool()
	}
	return out
}
