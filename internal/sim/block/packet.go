package block

import (
	"time"

	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// packet is one message on its way. The payload of a block is one for all, that of a bitfield in simulation.bitfields.
type packet struct {
	at     time.Duration // when it arrives
	end    int32         // where; its writer has it as the end that it is written to
	index  uint32
	begin  uint32
	length uint32
	kind   wire.Kind
}

// Kinds beyond those of the wire: what TCP does by itself, and what else travels with a delay of its own.
const (
	fin      wire.Kind = 128 + iota // the other side closed the connection; after all that it had written before
	ack                             // length bytes of a connection with a window are through the receiver's link
	greeting                        // a new connection: the handshakes are through
	checked                         // the piece index of node end was verified
)

// ring is a queue that grows as needed and never shrinks.
type ring struct {
	buf  []packet // a power of two long
	head int
	n    int
}

// front returns the oldest entry; there is one.
func (r *ring) front() *packet { return &r.buf[r.head&(len(r.buf)-1)] }

func (r *ring) pop() packet {
	p := r.buf[r.head&(len(r.buf)-1)]
	r.head++
	r.n--
	return p
}

func (r *ring) push(p packet) {
	if r.n == len(r.buf) {
		buf := make([]packet, max(2*len(r.buf), 8))
		for k := range r.n {
			buf[k] = r.buf[(r.head+k)&(len(r.buf)-1)]
		}
		r.buf, r.head = buf, 0
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = p
	r.n++
}
