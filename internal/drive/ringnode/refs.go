package ringnode

import (
	"encoding/binary"
	"fmt"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// A message names hosts by numbers that its stream has given them: 0 announces a host's papers, which get the next number, from
// 1 on. So the papers, some 300 bytes, cross a connection once, and again when they change. At maxNamed
// the sender starts over with a frame of its own, frameRestart.
const maxNamed = 1 << 16

// namer is the sender's side of one stream. It is guarded by its outbox's lock.
type namer struct {
	hosts *hostTable
	named map[ringwire.Host]name
	last  uint64
	wrong error // what the present message names that cannot be named
}

// name is the number of a host on one stream, and which version of its papers that stands for.
type name struct {
	number  uint64
	version uint32
}

// full reports whether the sender must start over before another message.
func (n *namer) full() bool { return n.last >= maxNamed-1024 }

func (n *namer) restart() { n.named, n.last = nil, 0 }

// appendHost appends a host, and its papers if this stream has not carried them.
func (n *namer) appendHost(b []byte, h ringwire.Host) []byte {
	e := n.hosts.get(h)
	if e.certificate == nil {
		n.wrong = fmt.Errorf("host %d has no papers", h)
		return b
	}
	if known, ok := n.named[h]; ok && known.version == e.version {
		return binary.AppendUvarint(b, known.number)
	}
	if n.named == nil {
		n.named = make(map[ringwire.Host]name)
	}
	n.last++
	n.named[h] = name{n.last, e.version}
	return e.presence.Append(e.certificate.Append(append(b, 0)))
}

// appendRef appends a position: its host, and which of the host's positions it is.
func (n *namer) appendRef(b []byte, ref ringwire.Ref) []byte {
	b = n.appendHost(b, ref.Host)
	e := n.hosts.get(ref.Host)
	i, ok := e.index(ref.ID)
	if !ok {
		n.wrong = fmt.Errorf("host %d does not stand at %x", ref.Host, ref.ID)
		return b
	}
	return binary.AppendUvarint(b, uint64(i))
}

func (n *namer) appendRefs(b []byte, refs []ringwire.Ref) []byte {
	b = binary.AppendUvarint(b, uint64(len(refs)))
	for _, ref := range refs {
		b = n.appendRef(b, ref)
	}
	return b
}

// directory is the receiver's side of one stream; one goroutine uses it.
type directory struct {
	hosts   *hostTable
	numbers []ringwire.Host // number-1 -> host
	refused error           // the first papers of the present message that were refused
}

func (d *directory) restart() { d.numbers = d.numbers[:0] }

// host takes a host. Papers that are refused don't stop the reader, so that later numbers stay right, but mark the message.
func (d *directory) host(r *ringwire.Reader) ringwire.Host {
	number := r.Uvarint()
	if number > uint64(len(d.numbers)) {
		r.Fail()
	}
	if r.Err() != nil {
		return noHost
	}
	if number > 0 {
		h := d.numbers[number-1]
		if h == noHost && d.refused == nil {
			d.refused = errUntrusted
		}
		return h
	}
	c, p := r.Certificate(), r.Presence()
	if r.Err() != nil || len(d.numbers) >= maxNamed {
		r.Fail()
		return noHost
	}
	h, err := d.hosts.learn(c, p)
	if err != nil && d.refused == nil {
		d.refused = err
	}
	d.numbers = append(d.numbers, h)
	return h
}

// ref takes a position, which is computed from the host's papers.
func (d *directory) ref(r *ringwire.Reader) ringwire.Ref {
	h, i := d.host(r), r.Uvarint()
	if h == noHost {
		return ringwire.Ref{Host: noHost}
	}
	positions := d.hosts.Positions(h)
	if i >= uint64(len(positions)) {
		r.Fail()
		return ringwire.Ref{Host: noHost}
	}
	return ringwire.Ref{ID: positions[i], Host: h}
}

func (d *directory) refs(r *ringwire.Reader, limit int) []ringwire.Ref {
	n := r.Count(2)
	if n > limit {
		r.Fail()
		return nil
	}
	if n == 0 {
		return nil
	}
	out := make([]ringwire.Ref, 0, n)
	for range n {
		out = append(out, d.ref(r))
		if r.Err() != nil {
			return nil
		}
	}
	return out
}
