package peer

import (
	"errors"
	"sync"

	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// What may wait for a peer that does not read; one for which more waits is closed.
const (
	maxQueued  = 1 << 20 // bytes of encoded messages: some 100,000 haves
	maxOrdered = 8192    // blocks, and rejects of requests that were sent without reading our answers: four times reqq
)

// orderedLen is at least the encoded length of a message of the ordered lane without its block; a reject is the longest.
const orderedLen = 17

var errNotReading = errors.New("peer does not read what it is sent")

// outbox holds what waits to be written to one peer, in two lanes. Blocks, and the messages whose order with blocks has a
// meaning (choke, unchoke, reject: BEP 3, BEP 6), stay in order in `ordered`; everything else may overtake queued
// blocks, so that our requests do not wait behind a queue of uploads.
type outbox struct {
	mu      sync.Mutex
	free    []byte         // encoded messages that may overtake
	ordered []wire.Message // Kind Piece: a block to be read and sent; else a message without payload
	taken   int            // of ordered, what the writer took

	wake chan struct{} // capacity 1
}

// send queues a message. The payload is copied. It reports false when too much waits already.
func (o *outbox) send(m *wire.Message) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch m.Kind {
	case wire.Choke, wire.Unchoke, wire.Reject, wire.Piece:
		if len(o.ordered)-o.taken >= maxOrdered {
			return false
		}
		if o.taken > 0 && len(o.ordered) == cap(o.ordered) { // a lane that is never empty must not grow for ever
			n := copy(o.ordered, o.ordered[o.taken:])
			clear(o.ordered[n:])
			o.ordered, o.taken = o.ordered[:n], 0
		}
		o.ordered = append(o.ordered, *m)
	default:
		if len(o.free) > maxQueued {
			return false
		}
		o.free = wire.Append(o.free, *m)
	}
	return true
}

// take moves the free lane into dst and up to len(batch) messages of the ordered lane into batch, stopping before the
// blocks exceed maxBytes. It returns both.
func (o *outbox) take(dst []byte, batch []wire.Message, maxBytes int) ([]byte, []wire.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	dst = append(dst, o.free...)
	if cap(o.free) > 64<<10 { // a burst of haves must not be kept for ever
		o.free = nil
	}
	o.free = o.free[:0]
	batch = batch[:0]
	bytes := 0
	for o.taken < len(o.ordered) && len(batch) < cap(batch) {
		m := &o.ordered[o.taken]
		n := orderedLen
		if m.Kind == wire.Piece {
			n += int(m.Length)
		}
		if bytes+n > maxBytes && bytes > 0 {
			break
		}
		bytes += n
		batch = append(batch, *m)
		o.taken++
	}
	if o.taken == len(o.ordered) {
		o.ordered, o.taken = o.ordered[:0], 0
		if cap(o.ordered) > 4096 {
			o.ordered = nil
		}
	}
	return dst, batch
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}
