package ringnode

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Kinds of frames between members, on both streams.
const (
	frameMessage byte = iota + 16 // of core/ring or core/replica, by the stream
	frameRestart                  // the sender's numbers of hosts begin anew
	frameControl                  // on the data stream: see control.go
)

// Limits of what waits to be written.
const (
	ringQueue = 256 << 10
	dataQueue = 8 << 20
	keepQueue = 64 << 10 // of a buffer's capacity, while there is nothing to write
	maxDirect = 16 << 10 // bytes that flush writes; QUIC would copy more than the writer's goroutine, which waits instead
)

// stream is what an outbox writes to: a QUIC stream.
type stream interface {
	io.Writer
	// TryWriteAll takes all of p without waiting, or nothing.
	TryWriteAll(p []byte) error
}

// outbox is the queue of one stream. Messages are encoded as they come, because their order is that of the hosts' numbers and
// because the senders reuse what they are made of. Who has posted calls flush, which gives little to QUIC at once: to hand it to another
// goroutine would cost more than the writing. What is more, or has to wait for the other side, is left to the goroutine that runs write. When
// more waits than limit, the next is refused: the senders are built to lose messages, not to wait.
type outbox struct {
	limit, maxFrame int
	wake            chan struct{} // holds one token while there is something for write to do
	total           *atomic.Int64 // bytes that wait in this and other outboxes; may be nil

	mu     sync.Mutex
	room   sync.Cond // waiting for less to wait; on mu
	names  namer
	buf    []byte
	to     stream // once there is one
	busy   bool   // write has something in its hands, and what is in buf comes after it
	closed bool
}

func newOutbox(hosts *hostTable, limit, maxFrame int) *outbox {
	o := &outbox{limit: limit, maxFrame: maxFrame, wake: make(chan struct{}, 1), names: namer{hosts: hosts}}
	o.room.L = &o.mu
	return o
}

// push has a frame that encode makes sent, and reports whether it was taken.
func (o *outbox) push(kind byte, encode func(names *namer, b []byte) []byte) bool {
	defer o.signal()
	return o.post(kind, encode)
}

// post is push, but the frame goes when flush is called.
func (o *outbox) post(kind byte, encode func(names *namer, b []byte) []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.buf) > o.limit {
		return false
	}
	before := len(o.buf)
	defer func() { o.count(len(o.buf) - before) }()
	if o.names.full() {
		o.restart()
	}
	start := len(o.buf)
	o.names.wrong = nil
	o.buf = ringwire.EndFrame(encode(&o.names, ringwire.BeginFrame(o.buf, kind)), start)
	if o.names.wrong != nil || len(o.buf)-start-ringwire.FrameHeader > o.maxFrame {
		o.buf = o.buf[:start]
		o.restart() // the numbers given in it were never sent
		return false
	}
	return true
}

func (o *outbox) restart() {
	o.names.restart()
	o.buf = ringwire.AppendFrame(o.buf, frameRestart, nil)
}

func (o *outbox) count(n int) {
	if o.total != nil {
		o.total.Add(int64(n))
	}
}

// flush writes what waits if that is little and needs no waiting, and else wakes who can wait.
func (o *outbox) flush() (wrote int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.buf)
	if n == 0 || o.busy {
		return 0 // write looks again when it has its hands free
	}
	if o.to == nil || n > maxDirect || o.to.TryWriteAll(o.buf) != nil {
		o.signal()
		return 0
	}
	o.count(-n)
	if o.buf = o.buf[:0]; cap(o.buf) > keepQueue {
		o.buf = nil
	}
	return n
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// await waits until less than limit waits to be written, or nothing ever will be.
func (o *outbox) await(limit int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.buf) > limit && !o.closed {
		o.room.Wait()
	}
}

// swap takes what waits, and leaves spare to be filled.
func (o *outbox) swap(spare []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	full := o.buf
	if cap(spare) > keepQueue {
		spare = nil
	}
	o.buf, o.busy = spare[:0], len(full) > 0
	o.count(-len(full))
	o.room.Broadcast()
	return full
}

// close refuses all further frames.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.count(-len(o.buf))
	o.buf = nil
	o.room.Broadcast()
}

// write writes to s what flush cannot, until that fails or done is closed.
func (o *outbox) write(s stream, done <-chan struct{}, wrote func(int)) error {
	o.mu.Lock()
	o.to = s
	o.mu.Unlock()
	o.signal()
	var spare []byte
	for {
		select {
		case <-done:
			return nil
		case <-o.wake:
		}
		for more := true; more; {
			b := o.swap(spare)
			if more = len(b) > 0; more {
				if _, err := s.Write(b); err != nil {
					return err
				}
				wrote(len(b))
			}
			spare = b // also of nothing: the one before is filled again
		}
	}
}
