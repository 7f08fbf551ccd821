package ringnode

import (
	"encoding/binary"
	"errors"

	"github.com/eddy-p2p/eddy/internal/core/ring"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Which fields a ring message carries; the rest is zero.
const (
	hasPred = 1 << iota
	isFinal
	isTrace
	isOneHop
	isReply
	hasHops
	hasTo
	hasFrom
	hasSeq
	hasAck
	hasKey
	hasOrigin
	hasRef
	hasList
	hasPath
	hasMembers
	hasDigests
	hasFields // one more than the greatest
)

// errForeign is a message whose sender claims a position that is not its own.
var errForeign = errors.New("it speaks for a position of another host")

// appendRing appends a message of core/ring: its kind, which fields it has, these fields.
func (n *namer) appendRing(b []byte, m *ring.Message) []byte {
	b = append(b, byte(m.Kind))
	fields := ringFields(m)
	b = binary.AppendUvarint(b, uint64(fields))
	var zero ring.ID
	if m.Hops != 0 {
		b = binary.AppendUvarint(b, uint64(m.Hops))
	}
	for _, id := range []ring.ID{m.To, m.From} {
		if id != zero {
			b = append(b, id[:]...)
		}
	}
	for _, v := range []uint64{m.Seq, m.Ack} {
		if v != 0 {
			b = binary.AppendUvarint(b, v)
		}
	}
	if m.Key != zero {
		b = append(b, m.Key[:]...)
	}
	if fields&hasOrigin != 0 {
		b = n.appendRef(b, m.Origin)
	}
	if m.HasPred {
		b = n.appendRef(b, m.Pred)
	}
	if fields&hasRef != 0 {
		b = n.appendRef(b, m.Ref)
	}
	if len(m.List) > 0 {
		b = n.appendRefs(b, m.List)
	}
	if len(m.Path) > 0 {
		b = n.appendRefs(b, m.Path)
	}
	return n.appendNews(b, m)
}

func (n *namer) appendNews(b []byte, m *ring.Message) []byte {
	if len(m.Members) > 0 {
		b = binary.AppendUvarint(b, uint64(len(m.Members)))
		for _, x := range m.Members {
			b = n.appendHost(b, x.Host)
			b = binary.AppendUvarint(b, uint64(x.Incarnation))
			b = append(b, byte(x.State))
		}
	}
	if len(m.Digests) > 0 {
		b = binary.AppendUvarint(b, uint64(len(m.Digests)))
		for _, d := range m.Digests {
			b = binary.BigEndian.AppendUint64(b, d)
		}
	}
	return b
}

// usesRef reports whether a kind of message carries Ref: its zero value could be a position, of the host with handle 0.
func usesRef(k ring.Kind) bool {
	return k == ring.NotMine || k == ring.Hint || k == ring.Merge
}

// isAboutFrom reports whether a kind of message makes known where its sender stands: only one at position 0 leaves From out.
func isAboutFrom(k ring.Kind) bool { return k == ring.Notify || k == ring.Found }

func ringFields(m *ring.Message) (fields int) {
	var zero ring.ID
	for _, f := range []struct {
		has bool
		bit int
	}{
		{m.HasPred, hasPred}, {m.Final, isFinal}, {m.Trace, isTrace}, {m.OneHop, isOneHop}, {m.Reply, isReply}, {m.Hops != 0, hasHops},
		{m.To != zero, hasTo}, {m.From != zero, hasFrom}, {m.Seq != 0, hasSeq}, {m.Ack != 0, hasAck}, {m.Key != zero, hasKey},
		{m.Kind == ring.Lookup, hasOrigin}, {usesRef(m.Kind), hasRef},
		{len(m.List) > 0, hasList}, {len(m.Path) > 0, hasPath}, {len(m.Members) > 0, hasMembers}, {len(m.Digests) > 0, hasDigests},
	} {
		if f.has {
			fields |= f.bit
		}
	}
	return fields
}

// ring reads a message of core/ring that host from sent. ErrMalformed is the sender's fault; other errors may be those of whom it
// speaks of.
func (d *directory) ring(b []byte, from ringwire.Host) (*ring.Message, error) {
	r := ringwire.NewReader(b)
	d.refused = nil
	m := &ring.Message{Kind: ring.Kind(r.Byte())}
	fields := r.Uvarint()
	if fields >= hasFields || m.Kind == 0 || m.Kind > ring.Digest {
		r.Fail()
	}
	has := func(bit uint64) bool { return fields&bit != 0 }
	m.HasPred, m.Final, m.Trace, m.OneHop, m.Reply = has(hasPred), has(isFinal), has(isTrace), has(isOneHop), has(isReply)
	if has(hasHops) {
		v := r.Uvarint()
		if m.Hops = uint16(v); v > 0xffff {
			r.Fail()
		}
	}
	if has(hasTo) {
		m.To = r.ID()
	}
	if has(hasFrom) {
		m.From = r.ID()
	}
	if has(hasSeq) {
		m.Seq = r.Uvarint()
	}
	if has(hasAck) {
		m.Ack = r.Uvarint()
	}
	if has(hasKey) {
		m.Key = r.ID()
	}
	d.refsOf(r, m, has)
	d.news(r, m, has)
	if err := r.Done(); err != nil {
		return nil, err
	}
	if (has(hasFrom) || isAboutFrom(m.Kind)) && d.refused == nil {
		e := d.hosts.get(from)
		if _, own := e.index(m.From); !own {
			return nil, errForeign
		}
	}
	return m, d.refused
}

func (d *directory) refsOf(r *ringwire.Reader, m *ring.Message, has func(uint64) bool) {
	if has(hasOrigin) != (m.Kind == ring.Lookup) || has(hasRef) != usesRef(m.Kind) {
		r.Fail()
	}
	if has(hasOrigin) {
		m.Origin = d.ref(r)
	}
	if has(hasPred) {
		m.Pred = d.ref(r)
	}
	if has(hasRef) {
		m.Ref = d.ref(r)
	}
	if has(hasList) {
		m.List = d.refs(r, ring.MaxList)
	}
	if has(hasPath) {
		m.Path = d.refs(r, ring.MaxPath)
	}
}

func (d *directory) news(r *ringwire.Reader, m *ring.Message, has func(uint64) bool) {
	if has(hasMembers) {
		n := r.Count(3)
		if n > ring.MaxMembers {
			r.Fail()
			return
		}
		for range n {
			x := ring.Member{Host: d.host(r)}
			v := r.Uvarint()
			x.Incarnation, x.State = uint32(v), ringwire.MemberState(r.Byte())
			if v > 1<<32-1 || x.State < ringwire.Alive || x.State > ringwire.Dead {
				r.Fail()
			}
			if r.Err() != nil {
				return
			}
			m.Members = append(m.Members, x)
		}
	}
	if has(hasDigests) {
		n := r.Count(8)
		if n > ring.MaxDigests {
			r.Fail()
			return
		}
		for range n {
			m.Digests = append(m.Digests, r.Uint64())
		}
	}
}
