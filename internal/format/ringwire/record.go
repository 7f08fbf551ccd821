package ringwire

import (
	"bytes"

	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// Record is what a host knows of a key: versions, sorted by (register before set, member, dot, content). What it means is a pair for the
// register and for each member of a set: the *present* versions, which no context covers, and the join of all contexts. Merging takes
// the union of the versions present in both and not covered by the other's contexts, and the join of the contexts: a
// join-semilattice, so Merge is commutative, associative and idempotent whatever the writers did.
//
// A covered version is dropped, unless its context covers something that no present version's does: then it stays, Gone,
// as the signed proof of that (it happens only where two writes did not see each other's quorum). Values are shared: never change one in place.
type Record struct {
	Key      string
	Versions []Version
}

// compareGroup orders versions by the register or member that they belong to.
func (v *Version) compareGroup(o *Version) int {
	if v.Set != o.Set {
		if o.Set {
			return -1
		}
		return 1
	}
	return bytes.Compare(v.Member[:], o.Member[:])
}

func compareVersions(v, o Version) int {
	if c := v.compareGroup(&o); c != 0 {
		return c
	}
	if c := v.Dot.Compare(o.Dot); c != 0 {
		return c
	}
	// Two contents under one dot are a lying writer's: siblings, like any two writes that did not see each other.
	return bytes.Compare(v.appendFixed(nil), o.appendFixed(nil))
}

// Merge joins two records of one key. Either may be nil.
func Merge(a, b *Record) *Record {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	out := &Record{Key: a.Key, Versions: make([]Version, 0, max(len(a.Versions), len(b.Versions))+1)}
	x, y := a.Versions, b.Versions
	for len(x) > 0 || len(y) > 0 {
		switch {
		case len(y) == 0 || len(x) > 0 && compareVersions(x[0], y[0]) < 0:
			out.Versions, x = append(out.Versions, x[0]), x[1:]
		case len(x) == 0 || compareVersions(x[0], y[0]) > 0:
			out.Versions, y = append(out.Versions, y[0]), y[1:]
		default:
			out.Versions, x, y = append(out.Versions, same(x[0], y[0])), x[1:], y[1:]
		}
	}
	return out.settle()
}

// same joins two copies of one version: the one that still has its value, and the longer time.
func same(v, o Version) Version {
	switch {
	case v.Gone != o.Gone:
		if v.Gone {
			return o
		}
		return v
	case v.Left != o.Left:
		if v.Left < o.Left {
			return o
		}
		return v
	case bytes.Compare(v.Cert, o.Cert) < 0: // renewed meanwhile: any, but everywhere the same
		return o
	}
	return v
}

// groups calls each with the versions of the register and of each member in turn.
func (r *Record) groups(each func(group []Version)) {
	for from := 0; from < len(r.Versions); {
		to := from + 1
		for to < len(r.Versions) && r.Versions[from].compareGroup(&r.Versions[to]) == 0 {
			to++
		}
		each(r.Versions[from:to])
		from = to
	}
}

// Knows reports whether r has a version of each register and member that o has; if not, merging o changes r.
func (r *Record) Knows(o *Record) bool {
	if r == nil || o == nil {
		return o == nil
	}
	for i := range o.Versions {
		_, found := slices.BinarySearchFunc(r.Versions, &o.Versions[i], func(v Version, w *Version) int { return v.compareGroup(w) })
		if !found {
			return false
		}
	}
	return true
}

func joinContexts(group []Version) Context {
	return joinAll(len(group), func(i int) Context { return group[i].Context })
}

// settle drops, in place, what is covered and not needed.
func (r *Record) settle() *Record {
	kept := r.Versions[:0]
	r.groups(func(group []Version) {
		if len(group) == 1 {
			kept = append(kept, group[0])
			return
		}
		all := joinContexts(group)
		have := make(coverage)
		for i := range group {
			if !all.Covers(group[i].Dot) {
				have.add(group[i].Context)
			}
		}
		for i := range group {
			v := group[i]
			if all.Covers(v.Dot) {
				if have.includes(v.Context) {
					continue
				}
				have.add(v.Context)
				if !v.Gone && !v.Tombstone {
					v.Gone, v.Value, v.Left = true, nil, Retention
				}
			}
			kept = append(kept, v)
		}
	})
	clear(r.Versions[len(kept):])
	r.Versions = kept
	return r
}

// Age is the record after the time d: versions whose time is over lose their value, or are dropped at the end of Retention. nil
// when nothing is left.
func (r *Record) Age(d time.Duration) *Record { return r.AgeRunning(d, d) }

// AgeRunning is the record after the time d, of which the host that holds it ran for the time ran: what is remembered so that it does not come back is forgotten
// only by running. A ring that was off as a whole still knows what was deleted before.
func (r *Record) AgeRunning(d, ran time.Duration) *Record {
	if r == nil || d <= 0 {
		return r
	}
	out := &Record{Key: r.Key, Versions: make([]Version, 0, len(r.Versions))}
	for _, v := range r.Versions {
		left, over := v.Left, v.Gone || v.Tombstone
		past := d
		if over {
			past = ran
		}
		switch {
		case left == 0:
		case left > past:
			v.Left = left - past
		case over || !v.Linger || min(d-left, ran) >= Retention:
			continue
		default:
			v.Gone, v.Value, v.Left = true, nil, Retention-min(d-left, ran)
		}
		out.Versions = append(out.Versions, v)
	}
	if len(out.Versions) == 0 {
		return nil
	}
	return out
}

// Next is the time until Age first changes more than Left; 0 = never.
func (r *Record) Next() (next time.Duration) {
	for i := range r.Versions {
		if left := r.Versions[i].Left; left > 0 && (next == 0 || left < next) {
			next = left
		}
	}
	return next
}

// Context is all that the record has seen: present writes and overwritten ones. As text it is what users hold as the record's version.
func (r *Record) Context() Context {
	if r == nil {
		return nil
	}
	return joinAll(len(r.Versions), func(i int) Context { return r.Versions[i].Context.With(r.Versions[i].Dot) })
}

// Live are the versions that a reader sees: values that were neither overwritten nor deleted and whose time is not over.
// More than one of a register are siblings.
func (r *Record) Live() (live []Version) {
	if r == nil {
		return nil
	}
	r.groups(func(group []Version) {
		all := joinContexts(group)
		first := len(live)
		for i := range group {
			if v := &group[i]; !v.Gone && !v.Tombstone && !all.Covers(v.Dot) && (!v.Set || len(live) == first) {
				live = append(live, *v) // siblings of one member are the same member
			}
		}
	})
	return live
}

// HasLive reports whether Live has any, at less cost.
func (r *Record) HasLive() (has bool) {
	if r == nil {
		return false
	}
	r.groups(func(group []Version) {
		if has {
			return
		}
		all := joinContexts(group)
		for i := range group {
			v := &group[i]
			has = has || !v.Gone && !v.Tombstone && !all.Covers(v.Dot)
		}
	})
	return has
}

// Only is the part of the record that belongs to one member of a set, and to the register; nil when nothing does.
func (r *Record) Only(member Digest) *Record {
	if r == nil {
		return nil
	}
	out := &Record{Key: r.Key}
	for _, v := range r.Versions {
		if !v.Set || v.Member == member {
			out.Versions = append(out.Versions, v)
		}
	}
	if len(out.Versions) == 0 {
		return nil
	}
	return out
}

// Digest names what the record means: present versions and contexts, whatever time is left to them. Zero for no record.
func (r *Record) Digest() (d Digest) {
	if r == nil || len(r.Versions) == 0 {
		return d
	}
	b := AppendBytes(nil, []byte(r.Key))
	r.groups(func(group []Version) {
		all := joinContexts(group)
		b = append(b, 'g')
		for i := range group {
			if v := &group[i]; !all.Covers(v.Dot) {
				b = AppendBool(append(b, 'v'), v.Gone)
				b = v.appendFixed(b)
			}
		}
		b = all.Append(append(b, 'c'))
	})
	return sha256.Sum256(b)
}

// Size is about the number of canonical bytes, and no less.
func (r *Record) Size() (n int) {
	if r == nil {
		return 0
	}
	n = len(r.Key) + 8
	for i := range r.Versions {
		v := &r.Versions[i]
		n += len(v.Value) + len(v.Cert) + len(v.Sig) + dotSize*(1+len(v.Context)) + 2*len(v.Hash) + 24
	}
	return n
}

// Fits reports whether the record can be sent and stored: a merge of records that do may not, and what ParseRecord refuses must never be
// written.
func (r *Record) Fits() bool {
	return r == nil || len(r.Versions) <= MaxVersions && r.Size() <= MaxRecord
}

// Append appends the canonical bytes: how a record is sent and stored.
func (r *Record) Append(b []byte) []byte {
	b = AppendBytes(b, []byte(r.Key))
	b = binary.AppendUvarint(b, uint64(len(r.Versions)))
	for i := range r.Versions {
		b = r.Versions[i].append(b)
	}
	return b
}

// Record takes a record; it aliases nothing.
func (r *Reader) Record() *Record {
	out := &Record{Key: string(r.Bytes(MaxKeyBytes))}
	n := r.Count(versionMin)
	if n > MaxVersions || n == 0 {
		r.Fail()
		return nil
	}
	// Grown as versions come: a count alone allocates nothing.
	for i := 0; i < n && r.Err() == nil; i++ {
		out.Versions = append(out.Versions, r.version())
		if i > 0 && r.Err() == nil && compareVersions(out.Versions[i-1], out.Versions[i]) >= 0 {
			r.Fail()
		}
	}
	if r.Err() != nil {
		return nil
	}
	return out
}

// ParseRecord reads a record's canonical bytes. What it returns is well formed, and settled if Merge wrote it; signatures are not
// checked.
func ParseRecord(b []byte) (*Record, error) {
	if len(b) > MaxRecord {
		return nil, fmt.Errorf("record: %w: %d bytes", ErrMalformed, len(b))
	}
	r := NewReader(b)
	out := r.Record()
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	return out, nil
}

// Sort brings versions that were put together by hand into a record's order.
func (r *Record) Sort() *Record {
	slices.SortFunc(r.Versions, compareVersions)
	return r
}
