package replica

import (
	"errors"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/rate"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// onRead answers with what is on disk. It never waits for writes under way: what is not synced might vanish in a crash after
// somebody saw it.
func (r *Replica) onRead(from ringwire.Host, m *ringwire.Data) {
	if len(m.Key) > ringwire.MaxKeyBytes {
		r.stats.Malformed++
		return
	}
	a := &ringwire.Data{Kind: ringwire.DataAnswer, Op: m.Op, Sure: r.sure(r.position(m.Key))}
	digest, indexed := r.indexed(m.Key)
	if a.Digest = digest; indexed && !m.Filter && (m.Same || m.Digest == digest) {
		a.Same = true // without a look at the record
		r.send(from, a)
		return
	}
	rec := r.load(m.Key)
	if !indexed {
		a.Digest = rec.Digest()
	}
	switch {
	case m.Filter:
		a.Members, a.Record = uint32(len(rec.Live())), rec.Only(m.Member)
	case m.Same || m.Digest == a.Digest:
		a.Same = true
	default:
		a.Record = rec
	}
	r.send(from, a)
}

// onWrite checks a record and has it merged and synced. The answer goes out when it is.
func (r *Replica) onWrite(from ringwire.Host, m *ringwire.Data) {
	size := int64(m.Record.Size())
	status := ringwire.StatusOK
	switch {
	case m.Record == nil || len(m.Record.Versions) == 0:
		r.stats.Malformed++
		return
	case r.broken:
		status = ringwire.StatusBroken
	case !r.afford(from, size):
		status = ringwire.StatusBusy
		r.stats.OverBudget++
	case size > ringwire.MaxRecord || r.index.bytes+size > r.cfg.MaxBytes:
		status = ringwire.StatusFull
	case from != r.cfg.Self && !r.authentic(m.Record):
		status = ringwire.StatusForged
	}
	if status != ringwire.StatusOK {
		r.send(from, &ringwire.Data{Kind: ringwire.DataWritten, Op: m.Op, Status: status})
		return
	}
	r.persist(m.Record, disk{from: from, ask: m.Op, show: !m.Filter})
}

// afford charges a host's budget of writes.
func (r *Replica) afford(from ringwire.Host, size int64) bool {
	if from == r.cfg.Self {
		return true
	}
	b := r.budget[from]
	if b == nil {
		b = new(rate.Bucket)
		b.Set(r.now-time.Second, r.cfg.HostRate) // full
		r.budget[from] = b
	}
	return b.Take(r.now, size)
}

// persist has a record merged into the store. What is there already needs no disk.
func (r *Replica) persist(rec *ringwire.Record, d disk) {
	d.key, d.wrote, d.bytes = rec.Key, rec.Digest(), int64(rec.Size())
	if e := r.index.byKey[rec.Key]; e != nil && r.writing[rec.Key] == 0 {
		// A member that a set does not have yet is news without the work of merging a thousand others.
		if old := r.load(rec.Key); old.Knows(rec) && ringwire.Merge(old, rec).Digest() == e.digest {
			r.stats.Stale++
			r.written(d, old)
			return
		}
	}
	token := r.nextToken()
	r.disk[token] = d
	r.writing[d.key]++
	r.emit(Action{Kind: Persist, Token: token, Record: rec})
}

// Persisted answers a Persist or Forget action.
func (r *Replica) Persisted(now time.Duration, token uint64, err error) {
	r.advance(now)
	d, ok := r.disk[token]
	delete(r.disk, token)
	if r.writing[d.key]--; r.writing[d.key] <= 0 {
		delete(r.writing, d.key)
	}
	switch {
	case !ok:
	case errors.Is(err, ErrTooLarge):
		r.overfull(d)
	case errors.Is(err, ErrNoRoom):
		r.noRoom(d)
	case err != nil:
		r.fail()
		if d.ask != 0 {
			r.send(d.from, &ringwire.Data{Kind: ringwire.DataWritten, Op: d.ask, Status: ringwire.StatusBroken})
		}
	default:
		rec, err := r.cfg.Store.Load(r.now, d.key)
		if err != nil {
			r.fail()
			break
		}
		r.note(d.key, rec)
		r.recent.put(d.key, rec, r.now)
		if !d.drop {
			r.written(d, rec)
			r.hint(d, rec)
		}
	}
	r.settle()
}

// overfull ends a write that, with what is there already, would be more than a record can be: many siblings of one register, or members of a set that
// are remembered after their end. It is refused, and all else goes on: a synchronisation too, or one such key would keep whole arcs from
// being answered for. Whoever writes without a condition overwrites what is there, and so makes room.
func (r *Replica) overfull(d disk) {
	r.stats.OverBudget++
	if d.s != nil {
		r.sessionStored(d.s, d.key, nil)
	}
	if d.ask != 0 {
		r.send(d.from, &ringwire.Data{Kind: ringwire.DataWritten, Op: d.ask, Status: ringwire.StatusFull})
	}
}

// noRoom ends a change that found no room on the disk. A write is refused; a synchronisation has failed, since this host must not answer for what
// it could not take; what was to be dropped is dropped later.
func (r *Replica) noRoom(d disk) {
	r.stats.NoRoom++
	if d.s != nil {
		d.s.failed = true
		r.sessionStored(d.s, d.key, nil)
	}
	if d.ask != 0 {
		r.send(d.from, &ringwire.Data{Kind: ringwire.DataWritten, Op: d.ask, Status: ringwire.StatusFull})
	}
	if d.drop && r.index.byKey[d.key] == nil { // else the hand-over that dropped it finds it again
		r.kept[d.key] = d.wrote
		r.expiry.add(r.now+r.cfg.Absence, d.key)
	}
}

// written tells who wanted it that the record is on disk.
func (r *Replica) written(d disk, rec *ringwire.Record) {
	if d.s != nil {
		r.sessionStored(d.s, d.key, rec)
	}
	if d.ask == 0 {
		return
	}
	a := &ringwire.Data{Kind: ringwire.DataWritten, Op: d.ask, Sure: r.sure(r.position(d.key)), Digest: r.digest(d.key, rec)}
	if a.Digest != d.wrote && d.show {
		a.Record = rec
	}
	r.send(d.from, a)
}

// authentic checks the signature of each version. One that fails refuses the whole record: who sends one forgery is not to be
// trusted with the rest.
func (r *Replica) authentic(rec *ringwire.Record) bool {
	var b []byte
	for i := range rec.Versions {
		v := &rec.Versions[i]
		b = v.SignedBytes(b[:0], r.cfg.Ring, rec.Key)
		if r.overreaches(v) || !r.verify(v, b) {
			r.stats.Forged++
			return false
		}
	}
	return true
}

// verify checks one signature, or remembers that it did: a hash costs a hundredth.
func (r *Replica) verify(v *ringwire.Version, b []byte) bool {
	id := hash(slices.Concat(b, v.Cert, v.Sig))
	if r.verified[id] {
		return true
	}
	if !r.cfg.Signer.Verify(v.Dot.Writer, v.Cert, b, v.Sig) {
		return false
	}
	if len(r.verified) >= maxVerified {
		clear(r.verified)
	}
	r.verified[id] = true
	return true
}

const maxVerified = 16384

// overreaches reports whether v claims to have seen writes of this host that this host never made: covered by such a context, the next
// ones would vanish as soon as they are written.
func (r *Replica) overreaches(v *ringwire.Version) bool {
	own := r.cfg.Writer
	mine := v.Context.Entry(own)
	return mine.Writer == own && (mine.Epoch > r.cfg.Epoch || mine.Epoch == r.cfg.Epoch && mine.Counter > r.dots) ||
		v.Dot.Writer == own && (v.Dot.Epoch > r.cfg.Epoch || v.Dot.Epoch == r.cfg.Epoch && v.Dot.Counter > r.dots)
}
