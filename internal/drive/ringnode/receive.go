package ringnode

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/ring"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

const (
	batchFrames = 64       // taken into the machines at once, if they have arrived
	keepBuffer  = 64 << 10 // of a reader's buffer between frames
	ringRate    = 8 << 20  // bytes/s of ring messages from one host
)

// readRing takes in a link's ring messages until the stream ends. An error is the other side's fault, or its end.
func (n *Node) readRing(l *link, in *bufio.Reader) error {
	dir := directory{hosts: n.hosts}
	budget, _, done := n.budgets.open(hostBudget{l.host, true}, ringRate)
	defer done()
	var buf []byte
	var batch []*ring.Message
	for {
		kind, payload, err := ringwire.ReadFrame(in, ringwire.MaxRingFrame, buf)
		if err != nil {
			return n.badFrame(err)
		}
		buf = trim(payload)
		n.received(l, budget, len(payload))
		switch kind {
		case frameRestart:
			dir.restart()
		case frameMessage:
			m, err := dir.ring(payload, l.host)
			if errors.Is(err, ringwire.ErrMalformed) {
				return n.badFrame(fmt.Errorf("ring message: %w", err))
			}
			if err != nil {
				n.counters.refusedMessages.Add(1)
				n.log.Debug("refused a ring message", "from", n.hosts.addr(l.host), "err", err)
				break
			}
			batch = append(batch, m)
		default:
			return n.badFrame(fmt.Errorf("ring message: %w: kind %d", ringwire.ErrMalformed, kind))
		}
		if len(batch) > 0 && (len(batch) >= batchFrames || !frameWaits(in)) {
			n.takeRing(l, batch)
			clear(batch)
			batch = batch[:0]
		}
	}
}

// takeRing gives the machines messages that arrived together.
func (n *Node) takeRing(l *link, batch []*ring.Message) {
	if l.reason() != nil || n.outcast(l.host) {
		return
	}
	n.counters.ringReceived.Add(uint64(len(batch)))
	n.step("receiving ring messages", func(now time.Duration) {
		for _, m := range batch {
			n.ring.Receive(now, l.host, m)
		}
	})
}

// outcast reports whether a host was evicted after its connection began.
func (n *Node) outcast(h ringwire.Host) bool {
	e := n.hosts.get(h)
	return e.certificate == nil || n.trust.isEvicted(e.certificate.Public)
}

// readData takes in a link's messages of the data, and what members ask each other beside them.
func (n *Node) readData(l *link, in *bufio.Reader) error {
	dir := directory{hosts: n.hosts}
	budget, _, done := n.budgets.open(hostBudget{l.host, false}, n.cfg.HostRate)
	defer done()
	var buf []byte
	var batch []*ringwire.Data
	for {
		kind, payload, err := ringwire.ReadFrame(in, ringwire.MaxDataFrame, buf)
		if err != nil {
			return n.badFrame(err)
		}
		buf = trim(payload)
		n.received(l, budget, len(payload))
		switch kind {
		case frameRestart:
			dir.restart()
		case frameMessage:
			m, err := ringwire.ParseData(payload)
			if err != nil {
				return n.badFrame(err)
			}
			n.verifier.prepare(m.Record) // here, where only this host's messages wait for it
			batch = append(batch, m)
		case frameControl:
			if err := n.control(l, &dir, payload); err != nil {
				return n.badFrame(err)
			}
		default:
			return n.badFrame(fmt.Errorf("message of the data: %w: kind %d", ringwire.ErrMalformed, kind))
		}
		if len(batch) > 0 && (len(batch) >= batchFrames || !frameWaits(in)) {
			n.takeData(l, batch)
			clear(batch)
			batch = batch[:0]
		}
	}
}

func (n *Node) takeData(l *link, batch []*ringwire.Data) {
	if l.reason() != nil || n.outcast(l.host) {
		return
	}
	n.counters.dataReceived.Add(uint64(len(batch)))
	n.step("receiving data", func(now time.Duration) {
		for _, m := range batch {
			if m.Kind == ringwire.DataWrite && n.full { // it may be this host's own fault later, but never its disk's
				n.sendData(l.host, &ringwire.Data{Kind: ringwire.DataWritten, Op: m.Op, Status: ringwire.StatusFull})
				continue
			}
			n.data.Receive(now, l.host, m)
		}
	})
}

// received accounts for a frame.
func (n *Node) received(l *link, budget *bucket, size int) {
	l.touch()
	n.counters.receivedBytes.Add(uint64(size + ringwire.FrameHeader))
	budget.take(context.Background(), size)
}

// badFrame counts what makes no sense; the end of a stream is no such thing.
func (n *Node) badFrame(err error) error {
	if errors.Is(err, ringwire.ErrMalformed) {
		n.counters.malformed.Add(1)
		n.log.Warn("a member sends what makes no sense: closing its connection", "err", err)
	}
	return err
}

// frameWaits reports whether a whole frame has arrived already.
func frameWaits(in *bufio.Reader) bool {
	if in.Buffered() < ringwire.FrameHeader {
		return false
	}
	head, err := in.Peek(ringwire.FrameHeader)
	return err == nil && uint64(in.Buffered()-ringwire.FrameHeader) >= uint64(binary.BigEndian.Uint32(head))
}

// trim keeps a buffer for the next frame unless it has grown large.
func trim(b []byte) []byte {
	if cap(b) > keepBuffer {
		return nil
	}
	return b
}
