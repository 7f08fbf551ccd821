package block

import (
	"time"

	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/metainfo"
)

// What drive/peer and drive/netx have between a Swarm and the wire. What a kernel holds beyond the unsent bytes, handed to the
// queue before the shaper, is not modelled: TCP Small Queues keep it to a millisecond or two packets.
const (
	batchBlocks  = 16        // blocks and ordered messages in one write; Sent is reported when a write returns
	notSentLowat = 256 << 10 // bytes that a socket takes before a write waits (TCP_NOTSENT_LOWAT)
	writableAt   = 128 << 10 // and below which a waiting write goes on: Linux wakes a writer at half of it
	// windowBlocks is what may wait in the queue of a receiving link for one connection, beside what is on the way: the room
	// that TCP's congestion control comes to use in a queue that it shares.
	windowBlocks = 4
)

// pipe is what lies between a Swarm and the uplink on one end of a connection: the outbox of drive/peer with its two lanes,
// the write under way, and the socket.
type pipe struct {
	free    ring // messages that may overtake blocks
	ordered ring // blocks, and messages whose order with them counts
	batch   ring // of the write under way: what the socket did not take yet
	blocks  int  // of the write under way
	bytes   int64
	blocked bool // the write waits

	socket  ring
	unsent  int64 // bytes of blocks in socket
	flight  int64 // bytes sent and not acknowledged; counted where the receiver has a link
	turn    bool  // it is in the uplink's queue, or being sent
	touched bool  // it is in simulation.dirty
	closing bool  // nothing more is written
}

// uplink sends the blocks of a node's sockets in turn.
type uplink struct {
	turns   turns
	sending int32 // the end whose block is on the link, or nobody
}

// turns is a queue of ends.
type turns struct {
	buf  []int32
	head int
}

func (q *turns) push(e int32) {
	if q.head > 0 && len(q.buf) == cap(q.buf) {
		q.buf, q.head = q.buf[:copy(q.buf, q.buf[q.head:])], 0
	}
	q.buf = append(q.buf, e)
}

func (q *turns) pop() (int32, bool) {
	if q.head == len(q.buf) {
		return nobody, false
	}
	e := q.buf[q.head]
	q.head++
	return e, true
}

// queue puts a message into the outbox of its end.
func (m *simulation) queue(e int32, p packet) {
	pipe := m.pipes[e]
	if pipe == nil || pipe.closing {
		return
	}
	switch p.kind {
	case wire.Piece, wire.Choke, wire.Unchoke, wire.Reject:
		pipe.ordered.push(p)
	default:
		pipe.free.push(p)
	}
	if !pipe.touched {
		pipe.touched = true
		m.dirty = append(m.dirty, e)
	}
}

// writeDirty lets the writers work to whose outboxes something was added.
func (m *simulation) writeDirty() {
	for _, e := range m.dirty {
		if pipe := m.pipes[e]; pipe != nil {
			pipe.touched = false
			m.pump(e, pipe)
		}
	}
	m.dirty = m.dirty[:0]
}

// pump moves what can move from the outbox into the socket and from there to the uplink.
func (m *simulation) pump(e int32, pipe *pipe) {
	for {
		wrote := m.write(e, pipe)
		if !m.flush(e, pipe) && !wrote {
			return
		}
	}
}

// write is the writer of drive/peer: all free messages, then a batch of ordered ones, as far as the socket takes them.
func (m *simulation) write(e int32, p *pipe) (progress bool) {
	if p.closing || p.blocked && p.unsent >= writableAt {
		return false
	}
	p.blocked = false
	for {
		if p.batch.n == 0 {
			m.wrote(e, p)
			for p.free.n > 0 {
				p.socket.push(p.free.pop())
				progress = true
			}
			for k := 0; k < batchBlocks && p.ordered.n > 0; k++ {
				p.batch.push(p.ordered.pop())
			}
			if p.batch.n == 0 {
				return progress
			}
		}
		for p.batch.n > 0 {
			if f := p.batch.front(); f.kind == wire.Piece {
				if p.unsent >= notSentLowat {
					p.blocked = true
					return progress
				}
				p.unsent += int64(f.length)
				p.blocks++
				p.bytes += int64(f.length)
			}
			p.socket.push(p.batch.pop())
			progress = true
		}
	}
}

// wrote reports a write that returned.
func (m *simulation) wrote(e int32, p *pipe) {
	if p.blocks == 0 {
		return
	}
	end := &m.ends[e]
	if n := &m.nodes[end.node]; n.sw != nil && end.open {
		n.sw.Sent(m.now, end.handle, p.blocks, p.bytes)
	}
	p.blocks, p.bytes = 0, 0
}

// flush sends from a socket what costs no time, and lines it up for the uplink when a block is next.
func (m *simulation) flush(e int32, p *pipe) (progress bool) {
	i := m.ends[e].node
	for p.socket.n > 0 && !p.turn {
		f := p.socket.front()
		if f.kind != wire.Piece {
			m.depart(p.socket.pop())
			progress = true
			continue
		}
		if p.flight >= m.window(m.ends[e^1].node) {
			return progress // an acknowledgement goes on
		}
		if m.peers[i].Up > 0 {
			p.turn = true
			m.nodes[i].up.turns.push(e)
			m.startUplink(i)
			return progress
		}
		m.sendBlock(p)
		progress = true
	}
	return progress
}

// sendBlock sends the block at the head of a socket.
func (m *simulation) sendBlock(p *pipe) {
	b := p.socket.pop()
	p.unsent -= int64(b.length)
	if m.peers[m.ends[b.end^1].node].Down > 0 {
		p.flight += int64(b.length)
	}
	m.depart(b)
}

// window bounds the bytes under way to node j on one connection: the round trip at the full rate of its link, and some blocks
// in the queue before it.
func (m *simulation) window(j int32) int64 {
	rate := m.peers[j].Down
	if rate == 0 {
		return 1 << 62
	}
	return int64(float64(rate)*2*m.sc.Latency.Seconds()) + windowBlocks*metainfo.BlockSize
}

// startUplink puts the next block on the uplink of node i if that is idle.
func (m *simulation) startUplink(i int32) {
	up := &m.nodes[i].up
	for up.sending == nobody {
		e, ok := up.turns.pop()
		if !ok {
			return
		}
		if p := m.pipes[e]; p != nil {
			up.sending = e
			m.timers.set(timer(i, onUp), m.now+takes(p.socket.front().length, m.peers[i].Up))
		}
	}
}

// takes is how long a link of a rate is busy with n bytes, rounded up: no link ever exceeds its rate.
func takes(n uint32, rate int64) time.Duration {
	return time.Duration((int64(n)*int64(time.Second) + rate - 1) / rate)
}

// uplinked goes on when a block is through the uplink of node i.
func (m *simulation) uplinked(i int32) {
	up := &m.nodes[i].up
	e := up.sending
	up.sending = nobody
	if p := m.pipes[e]; p != nil { // else the connection is gone, and the block with it
		p.turn = false
		m.sendBlock(p)
		m.pump(e, p)
	}
	m.startUplink(i)
	m.drain(i)
}

// throughDownlink puts a packet into the queue of node i's downlink when it has one, and reports whether it did. Other messages
// than blocks take no time on it, but stay behind the blocks that came before.
func (m *simulation) throughDownlink(i int32, p *packet) bool {
	rate := m.peers[i].Down
	n := &m.nodes[i]
	if !m.linked || rate == 0 || p.kind == ack || p.kind != wire.Piece && n.down.n == 0 {
		return false
	}
	n.down.push(*p)
	if n.down.n == 1 {
		m.timers.set(timer(i, onDown), m.now+takes(p.length, rate))
	}
	return true
}

// downlinked delivers the block that is through the downlink of node i, and the messages behind it.
func (m *simulation) downlinked(i int32) {
	n := &m.nodes[i]
	b := n.down.pop()
	if m.carried != nil {
		m.carried(i, false, int64(b.length))
	}
	m.receive(&b)
	m.wire.push(packet{at: m.now + m.sc.Latency, end: b.end ^ 1, length: b.length, kind: ack})
	for n.down.n > 0 {
		f := n.down.front()
		if f.kind == wire.Piece {
			m.timers.set(timer(i, onDown), m.now+takes(f.length, m.peers[i].Down))
			break
		}
		p := n.down.pop()
		m.receive(&p)
	}
	m.drain(i)
}

// acknowledged opens the window of a connection.
func (m *simulation) acknowledged(p *packet) {
	if pipe := m.pipes[p.end]; pipe != nil {
		pipe.flight -= int64(p.length)
		m.pump(p.end, pipe)
	}
}

// closePipe ends the stream of an end: what the socket has taken is sent, and then the end of it.
func (m *simulation) closePipe(e int32, bye packet) {
	p := m.pipes[e]
	if p == nil {
		return
	}
	p.free, p.ordered, p.batch, p.closing = ring{}, ring{}, ring{}, true
	p.socket.push(bye)
	m.pump(e, p)
}
