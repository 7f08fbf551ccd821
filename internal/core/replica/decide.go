package replica

import (
	"crypto/sha256"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// maxMembers bounds the live members of a set.
const maxMembers = 1000

func hash(b []byte) ringwire.Digest { return sha256.Sum256(b) }

// decide goes on after the read: the result of a Get, or the versions of a write.
func (r *Replica) decide(o *op) {
	switch o.kind {
	case watchOp:
		r.report(o)
		return
	case getOp:
		r.finish(o, r.found(o))
		return
	}
	if s := r.refused(o); s != OK {
		res := r.found(o)
		res.Status = s
		r.finish(o, res)
		return
	}
	var rec *ringwire.Record
	if o.kind == putOp {
		rec = r.newValue(o)
	} else {
		rec = r.newTombstones(o)
	}
	if rec == nil || rec.Size() > ringwire.MaxRecord {
		r.finish(o, Result{Status: TooLarge})
		return
	}
	r.startWriting(o, writing, rec)
}

// found is what a read found.
func (r *Replica) found(o *op) Result {
	live := o.merged.rec.Live()
	res := Result{Record: o.merged.rec, Version: o.merged.rec.Context(), Members: len(live)}
	if len(live) == 0 {
		res.Status = NotFound
	}
	for i := range o.places {
		if o.places[i].read {
			res.Holders = append(res.Holders, o.places[i].ref)
		}
	}
	return res
}

// refused checks a write against what is there.
func (r *Replica) refused(o *op) Status {
	live := o.merged.rec.Live()
	switch c := o.put.If; {
	case c.Absent && len(live) > 0:
		return Conflict
	case len(c.Version) > 0 && !c.Version.Includes(o.merged.rec.Context()):
		return Conflict // that the merge includes the version was seen to before
	}
	if o.kind == deleteOp {
		if len(live) == 0 {
			return NotFound
		}
		return OK
	}
	isNew := true
	for i := range live {
		if live[i].Set != o.put.Set {
			return Conflict
		}
		isNew = isNew && live[i].Hash != hash(o.put.Value)
	}
	if o.put.Set && isNew && max(o.members, len(live)) >= maxMembers {
		return TooLarge
	}
	return OK
}

// versions starts a version of this host that overwrites all that was read of the same register or member. Its own entry in the
// context covers all earlier writes of this host to it, seen or not: that is what makes a version vector of one counter a host right.
func (r *Replica) version(rec *ringwire.Record, set bool, member ringwire.Digest) ringwire.Version {
	r.dots++
	dot := ringwire.Dot{Writer: r.cfg.Writer, Epoch: r.cfg.Epoch, Counter: r.dots}
	v := ringwire.Version{Dot: dot, Set: set, Member: member}
	if rec != nil {
		for i := range rec.Versions {
			if o := &rec.Versions[i]; o.Set == set && o.Member == member {
				v.Context = v.Context.Join(o.Context).With(o.Dot)
			}
		}
	}
	dot.Counter--
	v.Context = v.Context.With(dot)
	return v
}

// newValue is the record of a put; nil when it cannot be written.
func (r *Replica) newValue(o *op) *ringwire.Record {
	var member ringwire.Digest
	if o.put.Set {
		member = hash(o.put.Value)
	}
	v := r.version(o.merged.rec, o.put.Set, member)
	v.Value, v.Hash = append(make([]byte, 0, len(o.put.Value)), o.put.Value...), hash(o.put.Value)
	if ttl := o.put.TTL; ttl > 0 {
		v.TTL = (ttl + time.Millisecond - 1).Truncate(time.Millisecond)
		v.Left = v.TTL
		v.Linger = outlived(o.merged.rec, &v)
	}
	return r.sign(o.key, v)
}

// outlived reports whether anything that v overwrites might outlive it.
func outlived(rec *ringwire.Record, v *ringwire.Version) bool {
	if rec == nil {
		return false
	}
	for i := range rec.Versions {
		o := &rec.Versions[i]
		if o.Set == v.Set && o.Member == v.Member && (o.Gone || o.Linger || o.Tombstone || o.Left == 0 || o.Left > v.TTL) {
			return true
		}
	}
	return false
}

// newTombstones is the record of a delete: one tombstone for the register, or for each member.
func (r *Replica) newTombstones(o *op) *ringwire.Record {
	var versions []ringwire.Version
	for i, old := range o.merged.rec.Live() {
		if !old.Set && i > 0 {
			continue // one covers all siblings
		}
		v := r.version(o.merged.rec, old.Set, old.Member)
		v.Tombstone, v.Left = true, ringwire.Retention
		versions = append(versions, v)
	}
	return r.sign(o.key, versions...)
}

// sign makes a record of new versions; nil when a context is too long.
func (r *Replica) sign(key string, versions ...ringwire.Version) *ringwire.Record {
	rec := &ringwire.Record{Key: key, Versions: versions}
	for i := range rec.Versions {
		v := &rec.Versions[i]
		if len(v.Context) > ringwire.MaxContext {
			return nil
		}
		v.Sig, v.Cert = r.cfg.Signer.Sign(v.SignedBytes(nil, r.cfg.Ring, key))
	}
	return rec.Sort()
}

// report tells a watcher of a change, and looks again after WatchEvery.
func (r *Replica) report(o *op) {
	news := !(o.told && o.last.Digest() == o.sum() || !o.told && len(o.covers) > 0 && o.covers.Equal(o.merged.rec.Context()))
	if news && (o.told || o.merged.rec != nil || len(o.covers) > 0) {
		r.emit(Action{Kind: Changed, Op: o.id, Result: r.found(o)})
	}
	o.last, o.lastAt, o.told = o.merged.rec, r.now, true
	o.phase = waiting
	for i := range o.places {
		r.unask(&o.places[i])
	}
	r.order.add(r.now+r.cfg.WatchEvery, o)
}
