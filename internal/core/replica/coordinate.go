package replica

import (
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// op is one operation of a client, from its start to its Done.
type op struct {
	id       uint64
	kind     opKind
	key      string
	pos      ringwire.ID
	covers   ringwire.Context
	put      Put // of a put; of a delete its If
	deadline time.Duration
	phase    phase
	ended    bool

	places  []place
	extra   int              // hosts to ask beyond Q, since others are slow
	rereads int              // of the whole quorum, since it had not seen covers
	behind  bool             // a quorum has answered that had not seen covers
	merged  known            // all that was read
	base    known            // what other holders need not send again
	members int              // of a filtered read
	target  *ringwire.Record // repairing and writing: what has to be on disk
	digest  ringwire.Digest  // of target

	last   *ringwire.Record // of a watch: as reported
	lastAt time.Duration
	told   bool // of a watch: last is valid
}

// known is a record that this host knows, perhaps that there is none.
type known struct {
	is     bool             // else nothing is known
	rec    *ringwire.Record // nil: none
	digest ringwire.Digest  // of rec; zero in merged when it has not been worked out
}

type opKind uint8

const (
	getOp opKind = iota
	putOp
	deleteOp
	watchOp
)

type phase uint8

const (
	waiting   phase = iota // for the write before on the same key, or for the next look at a watched key
	reading                // asks until Q holders that are sure have answered
	repairing              // they differed: has the merge written back before it believes it
	writing                // has the new version written
)

// place is one of the hosts from the key's position on.
type place struct {
	ref    ringwire.Ref
	ask    uint64        // the question under way; 0 = none
	since  time.Duration // when it was asked
	read   bool          // has answered the read: what it has has the digest
	shown  bool          // and is in what was merged
	whole  bool          // it was asked for the record, and not only for its digest
	must   bool          // it has to be, since nobody else has shown such a record
	unsure bool          // said that it has not synchronised: the next host steps in
	bad    bool          // forged, or refuses for good
	full   bool          // refuses for want of room
	acked  bool          // is sure, and has target on disk
	stored bool          // has target on disk
	digest ringwire.Digest
}

// maxOps bounds the operations at once; beyond, they are refused.
const maxOps = 4096

// Get reads a key; Done brings OK or NotFound, or TooFew or Behind.
func (r *Replica) Get(now time.Duration, id uint64, g Get) {
	r.begin(now, &op{id: id, kind: getOp, key: g.Key, covers: g.Covers, deadline: g.Deadline})
}

// Put writes a key.
func (r *Replica) Put(now time.Duration, id uint64, p Put) {
	o := &op{id: id, kind: putOp, key: p.Key, put: p, covers: p.If.Version, deadline: p.Deadline}
	if len(p.Value) > ringwire.MaxValueBytes {
		r.refuse(now, o, TooLarge)
		return
	}
	// A version that the codec refuses must never be made: it could be stored and not be read again.
	o.put.TTL = min(max(p.TTL, 0), ringwire.MaxTTL)
	r.begin(now, o)
}

// Delete deletes a key.
func (r *Replica) Delete(now time.Duration, id uint64, d Delete) {
	r.begin(now, &op{id: id, kind: deleteOp, key: d.Key, put: Put{If: d.If}, covers: d.If.Version, deadline: d.Deadline})
}

// Watch reports a key's changes until Cancel.
func (r *Replica) Watch(now time.Duration, id uint64, w Watch) {
	o := &op{id: id, kind: watchOp, key: w.Key, deadline: never}
	o.covers = w.Since
	r.begin(now, o)
}

const never = time.Duration(1<<63 - 1)

// Cancel forgets an operation. A write may take place all the same.
func (r *Replica) Cancel(now time.Duration, id uint64) {
	r.advance(now)
	if o := r.ops[id]; o != nil {
		r.end(o)
	}
	r.settle()
}

func (r *Replica) refuse(now time.Duration, o *op, s Status) {
	r.advance(now)
	r.emit(Action{Kind: Done, Op: o.id, Result: Result{Status: s}})
}

func (r *Replica) begin(now time.Duration, o *op) {
	switch {
	case len(o.key) > ringwire.MaxKeyBytes:
		r.refuse(now, o, TooLarge)
		return
	case r.broken:
		r.refuse(now, o, Broken)
		return
	case r.gone:
		r.refuse(now, o, Gone)
		return
	case len(r.ops) >= maxOps || r.ops[o.id] != nil:
		r.refuse(now, o, Busy)
		return
	}
	r.advance(now)
	o.pos = r.position(o.key)
	r.ops[o.id] = o
	// Writes of one host to one key follow one another: a condition that one has checked is not undone by the next.
	if o.kind == putOp || o.kind == deleteOp {
		queue := r.queues[o.key]
		r.queues[o.key] = append(queue, o)
		if len(queue) > 0 {
			r.order.add(o.deadline, o)
			return
		}
	}
	r.startReading(o)
	r.settle()
}

func (r *Replica) startReading(o *op) {
	o.phase, o.merged, o.base, o.extra, o.members = reading, known{}, known{}, 0, 0
	if o.told {
		last := o.last.Age(r.now - o.lastAt)
		o.base = known{true, last, last.Digest()}
	}
	o.places = o.places[:0]
	r.order.add(min(r.now+r.cfg.Retry/2, o.deadline), o)
	r.relocate(o)
}

// relocate finds the key's holders again: they may have changed since it began.
func (r *Replica) relocate(o *op) {
	r.holders(o.pos, 2*r.cfg.Replicas, func(hosts []ringwire.Ref) {
		if o.ended || o.phase == waiting {
			return
		}
		if len(hosts) > 0 {
			places := make([]place, len(hosts))
			for i, h := range hosts {
				places[i] = place{ref: h}
				for _, old := range o.places {
					if old.ref.Host == h.Host {
						places[i] = old
					}
				}
			}
			o.places = places
		}
		r.step(o)
	})
}

// group is how many of o's places belong to the quorum's R, as far as is known: the first R that did not say that they are unsure, and all before them.
// A host that is merely silent keeps its place, so that two coordinators with one view form intersecting quorums.
func (r *Replica) group(o *op) (n int) {
	sure := 0
	for n < len(o.places) && sure < r.cfg.Replicas {
		if !o.places[n].unsure {
			sure++
		}
		n++
	}
	return n
}

// ask sends a question to a place.
func (r *Replica) ask(o *op, p *place, m *ringwire.Data) {
	m.Op = r.nextToken()
	p.ask, p.since = m.Op, r.now
	r.asked[m.Op] = asked{op: o}
	r.send(p.ref.Host, m)
}

func (r *Replica) unask(p *place) {
	delete(r.asked, p.ask)
	p.ask = 0
}

// step takes an operation as far as it goes without another answer.
func (r *Replica) step(o *op) {
	switch {
	case o.ended: // by the answer that was just taken
		return
	case o.phase == reading:
		r.stepReading(o)
	case o.phase == repairing, o.phase == writing:
		r.stepWriting(o)
	}
}

func (r *Replica) stepReading(o *op) {
	group := o.places[:r.group(o)]
	answered, under := 0, 0
	for i := range group {
		p := &group[i]
		switch {
		case p.read && !p.unsure:
			answered++
		case p.ask != 0:
			under++
		}
	}
	if answered >= r.cfg.Read {
		if !r.unseen(o) {
			r.readDone(o)
		}
		return
	}
	want := r.cfg.Read + o.extra - answered - under
	for _, own := range [...]bool{true, false} {
		for i := range group {
			p := &group[i]
			if want > 0 && !p.read && !p.bad && p.ask == 0 && (p.ref.Host == r.cfg.Self) == own {
				want--
				r.ask(o, p, r.question(o, p))
				if own {
					return // it answers before this input has ended, and the others' questions depend on that
				}
			}
		}
	}
}

// unseen asks those for their record who have told its digest alone while nobody has shown a record like it, and reports whether there are any.
func (r *Replica) unseen(o *op) (any bool) {
	for i := range o.places {
		p := &o.places[i]
		if !p.read || p.shown {
			continue
		}
		any = true
		if !slices.ContainsFunc(o.places, func(q place) bool { return q.ask != 0 && q.must && q.digest == p.digest }) { // one will do
			p.must = true
			r.ask(o, p, r.question(o, p))
		}
	}
	return any
}

// question is what a read sends to p. A value crosses once at most: a coordinator that is a holder lets the others compare with what it
// has; any other asks one holder for the record and the rest for its digest.
func (r *Replica) question(o *op, p *place) *ringwire.Data {
	m := &ringwire.Data{Kind: ringwire.DataRead, Key: o.key}
	p.whole = true
	switch {
	case r.filtered(o):
		m.Filter, m.Member = true, hash(o.put.Value)
	case p.must || p.ref.Host == r.cfg.Self:
	case o.base.is:
		m.Digest = o.base.digest
	default:
		for i := range o.places {
			if q := &o.places[i]; q != p && q.whole && (q.ask != 0 || q.read && !q.unsure) {
				m.Same, p.whole = true, false
				break
			}
		}
	}
	return m
}

// filtered reports whether the read needs one member of the set only.
func (r *Replica) filtered(o *op) bool {
	return o.kind == putOp && o.put.Set && !o.put.If.Absent && len(o.put.If.Version) == 0
}

// settled reports whether what is read must be seen by all later reads: the client learns what it is. An unconditional put
// overwrites it in any case.
func (o *op) settled() bool {
	return o.kind != putOp || o.put.If.Absent || len(o.put.If.Version) > 0
}

// opReply takes an answer to one of o's questions.
func (r *Replica) opReply(o *op, from ringwire.Host, m *ringwire.Data) {
	for i := range o.places {
		p := &o.places[i]
		if p.ask != m.Op || p.ref.Host != from {
			continue
		}
		r.unask(p)
		switch {
		case m.Record != nil && (m.Record.Key != o.key || from != r.cfg.Self && !r.authentic(m.Record)):
			p.bad, p.read = true, false
		case m.Kind == ringwire.DataAnswer && o.phase == reading:
			r.answered(o, p, m)
		case m.Kind == ringwire.DataWritten && o.phase != reading:
			r.acknowledged(o, p, m)
		}
		r.step(o)
		return
	}
}

// answered takes the answer to a read: a record, or only the digest of one.
func (r *Replica) answered(o *op, p *place, m *ringwire.Data) {
	var got known
	switch {
	case !m.Same:
		got = known{true, m.Record, m.Record.Digest()} // whatever it says that is
	case o.base.is && m.Digest == o.base.digest:
		got = o.base
	case m.Digest == ringwire.Digest{}: // it has none
		got.is = true
	case p.must:
		p.bad, p.read = true, false // it says that it has something, and does not show it
		return
	default: // as asked; or like what this host had when it asked, and has no more
		p.read, p.shown, p.unsure, p.digest = true, false, !m.Sure, m.Digest
		for i := range o.places {
			q := &o.places[i]
			p.shown = p.shown || q.read && q.shown && q.digest == p.digest
		}
		return
	}
	p.read, p.unsure, p.digest = true, !m.Sure, got.digest
	for i := range o.places {
		if q := &o.places[i]; q.read && q.digest == p.digest {
			q.shown = true
		}
	}
	o.members = max(o.members, int(m.Members))
	if p.ref.Host == r.cfg.Self && !r.filtered(o) {
		o.base = got
	}
	switch {
	case !o.merged.is:
		o.merged = got
	case got.digest != o.merged.digest:
		o.merged = known{true, ringwire.Merge(o.merged.rec, got.rec), ringwire.Digest{}}
	}
}

// sum is the digest of what was read, which is mostly that of each answer.
func (o *op) sum() ringwire.Digest {
	if o.merged.rec != nil && o.merged.digest == (ringwire.Digest{}) {
		o.merged.digest = o.merged.rec.Digest()
	}
	return o.merged.digest
}

// readDone has the answers of Q holders that are sure.
func (r *Replica) readDone(o *op) {
	if o.kind != watchOp && !o.merged.rec.Context().Includes(o.covers) {
		r.readMore(o)
		return
	}
	if !o.settled() {
		r.decide(o)
		return
	}
	// All of the quorum the same: every later quorum meets it in a host that has as much. Else the merge has to get there first.
	digest := o.sum()
	differ := false
	for i := range o.places {
		p := &o.places[i]
		if p.read && !p.unsure && p.digest != digest {
			differ = true
		}
	}
	// Where two quorums of readers need not meet, one that got more than Q answers owes the next nothing, and must not wait for all R to have it.
	if !differ || o.kind == getOp && 2*r.cfg.Read <= r.cfg.Replicas {
		r.decide(o)
		return
	}
	r.stats.Repairs++
	r.repair(o)
}

// repair has the merge of what was read written back, unless nobody could take it.
func (r *Replica) repair(o *op) {
	if !o.merged.rec.Fits() {
		r.finish(o, Result{Status: TooLarge})
		return
	}
	r.startWriting(o, repairing, o.merged.rec)
}

// readMore asks on for a version that the client has seen but this quorum has not: the rest of the group, which grows by whoever
// stands in for holders that are unsure. After the third time a condition on it has failed.
func (r *Replica) readMore(o *op) {
	o.behind = true
	group, waits := r.group(o), false
	for i := range o.places {
		p := &o.places[i]
		if i < group && !p.read && !p.bad && p.ask == 0 {
			r.ask(o, p, r.question(o, p))
		}
		waits = waits || p.ask != 0
	}
	if !waits && o.kind != getOp && o.rereads >= 2 {
		r.finish(o, Result{Status: Conflict, Record: o.merged.rec, Version: o.merged.rec.Context()})
	}
}

// startWriting has rec written. Places that hold exactly that count at once.
func (r *Replica) startWriting(o *op, ph phase, rec *ringwire.Record) {
	o.phase, o.target, o.digest = ph, rec, rec.Digest()
	for i := range o.places {
		p := &o.places[i]
		r.unask(p)
		p.stored = ph == repairing && p.read && p.digest == o.digest
		p.acked = p.stored && !p.unsure
	}
	r.step(o)
}

func (r *Replica) stepWriting(o *op) {
	need := r.cfg.Write
	if o.phase == repairing {
		// Enough that every later quorum of readers, and of repairs, meets one of them.
		need = max(r.cfg.Replicas-r.cfg.Read+1, r.cfg.Replicas/2+1)
	}
	group := o.places[:r.group(o)]
	acks := 0
	for i := range group {
		if p := &group[i]; p.acked {
			acks++
		}
	}
	if acks >= need {
		if o.phase == repairing {
			r.decide(o)
			return
		}
		r.finish(o, Result{Status: OK, Record: o.target, Version: ringwire.Merge(o.merged.rec, o.target).Context(), Holders: acked(group)})
		return
	}
	if o.phase == writing && r.noneHasRoom(group, len(o.places), need) {
		r.finish(o, Result{Status: Full})
		return
	}
	for i := range group {
		if p := &group[i]; !p.stored && !p.bad && p.ask == 0 {
			r.ask(o, p, &ringwire.Data{Kind: ringwire.DataWrite, Record: o.target, Filter: o.phase == writing})
		}
	}
}

// noneHasRoom reports whether a write cannot succeed since hosts of a whole group refuse it for want of room: there is no use in waiting for that.
func (r *Replica) noneHasRoom(group []place, places, need int) bool {
	able, full, members := 0, 0, 0
	for i := range group {
		p := &group[i]
		switch {
		case p.full:
			full++
		case !p.bad:
			able++
		}
		if !p.unsure {
			members++
		}
	}
	return full > 0 && able < need && (members >= r.cfg.Replicas || len(group) == places)
}

// acknowledged takes the answer to a write.
func (r *Replica) acknowledged(o *op, p *place, m *ringwire.Data) {
	switch m.Status {
	case ringwire.StatusOK:
	case ringwire.StatusBusy:
		p.since = r.now // asked again at the next retry
		p.ask = r.nextToken()
		return
	default:
		p.bad, p.full = true, m.Status == ringwire.StatusFull
		return
	}
	p.unsure = !m.Sure
	if o.phase == writing {
		p.stored, p.acked = true, m.Sure
		return
	}
	if m.Digest == o.digest {
		p.stored, p.acked = true, m.Sure
		return
	}
	// It has more: what was read must include it, or two readers might see what neither could have seen first.
	merged := ringwire.Merge(o.merged.rec, m.Record)
	if merged.Digest() == o.digest {
		return // says that it has another state but does not show it: not counted, asked again at the next retry
	}
	o.merged = known{is: true, rec: merged}
	r.repair(o)
}

// acked is who of a group counts for a write. Copies at hosts that are not sure are on disk too, but nothing may rely on them.
func acked(group []place) (refs []ringwire.Ref) {
	for i := range group {
		if p := &group[i]; p.acked {
			refs = append(refs, p.ref)
		}
	}
	return refs
}

// wake is called at an operation's times: hedging, retries, the deadline.
func (r *Replica) wake(o *op) {
	switch {
	case o.ended:
		return
	case r.now >= o.deadline:
		r.finish(o, r.late(o))
		return
	case o.phase == waiting:
		// Only at its time: the hedging of the reading before wakes it too, and each reading that this began would wake it twice more.
		if o.kind == watchOp && r.now >= o.lastAt+r.cfg.WatchEvery {
			r.startReading(o)
		}
		return
	}
	r.order.add(min(r.now+r.cfg.Retry/2, o.deadline), o)
	o.extra++
	quiet := true
	for i := range o.places {
		if p := &o.places[i]; p.ask != 0 {
			quiet = false
			if r.now-p.since >= r.cfg.Retry {
				r.unask(p)
				p.read = p.read && p.shown // who does not show what it has has not answered
			}
		}
	}
	// Who was unsure may have synchronised since, and who was behind may have caught up; to see that a get does not wait for those who don't
	// answer at all.
	if o.extra%2 == 0 {
		for i := range o.places {
			if p := &o.places[i]; p.unsure {
				p.unsure, p.read, p.stored, p.acked = false, false, false, false
			} else if o.phase == reading && (quiet || o.behind && o.kind == getOp) {
				p.read = false
			}
		}
		if quiet && o.phase == reading {
			o.rereads++
		}
		r.relocate(o)
		return
	}
	r.step(o)
}

// late is the result of an operation whose time is over.
func (r *Replica) late(o *op) Result {
	switch {
	case o.phase == reading && o.kind == getOp && o.behind:
		return Result{Status: Behind, Record: o.merged.rec, Version: o.merged.rec.Context()}
	case o.phase == reading && o.kind != getOp && o.rereads > 0 && len(o.covers) > 0:
		return Result{Status: Conflict, Record: o.merged.rec, Version: o.merged.rec.Context()}
	}
	return Result{Status: TooFew}
}

// finish ends an operation with a result; that of a watch is reported when it is news.
func (r *Replica) finish(o *op, res Result) {
	switch {
	case res.Status == TooFew || res.Status == Behind:
		r.stats.TooFew++
	case res.Status == Conflict:
		r.stats.Conflicts++
	case o.kind == getOp:
		r.stats.Gets++
	case o.kind == putOp && res.Status == OK:
		r.stats.Puts++
	case o.kind == deleteOp && res.Status == OK:
		r.stats.Deletes++
	}
	r.end(o)
	r.emit(Action{Kind: Done, Op: o.id, Result: res})
}

// end forgets an operation and lets the next write of its key begin.
func (r *Replica) end(o *op) {
	o.ended = true
	delete(r.ops, o.id)
	for i := range o.places {
		r.unask(&o.places[i])
	}
	// It stays in the order until its time comes: not what it has read, though, which may be large.
	o.merged, o.base, o.target, o.last, o.put.Value = known{}, known{}, nil, nil, nil
	if o.kind != putOp && o.kind != deleteOp {
		return
	}
	queue := r.queues[o.key]
	first := len(queue) > 0 && queue[0] == o
	for i := range queue {
		if queue[i] == o {
			queue = append(queue[:i:i], queue[i+1:]...)
			break
		}
	}
	if len(queue) == 0 {
		delete(r.queues, o.key)
		return
	}
	r.queues[o.key] = queue
	if first {
		r.startReading(queue[0])
	}
}
