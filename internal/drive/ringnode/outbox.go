package ringnode

import (
	"io"
	"sync"

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
)

// outbox is the queue of one stream. Messages are encoded as they come, because their order is that of the hosts' numbers and
// because the senders reuse what they are made of; one goroutine writes all that has gathered at once. When more waits than
// limit, the next is refused: the senders are built to lose messages, not to wait.
type outbox struct {
	limit, maxFrame int
	wake            chan struct{} // holds one token while there is something to write

	mu     sync.Mutex
	names  namer
	buf    []byte
	closed bool
}

func newOutbox(hosts *hostTable, limit, maxFrame int) *outbox {
	return &outbox{limit: limit, maxFrame: maxFrame, wake: make(chan struct{}, 1), names: namer{hosts: hosts}}
}

// push appends a frame that encode makes, and reports whether it was taken.
func (o *outbox) push(kind byte, encode func(names *namer, b []byte) []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.buf) > o.limit {
		return false
	}
	if o.names.full() {
		o.restart()
	}
	start := len(o.buf)
	o.names.wrong = nil
	o.buf = ringwire.EndFrame(encode(&o.names, ringwire.BeginFrame(o.buf, kind)), start)
	if o.names.wrong != nil || len(o.buf)-start-ringwire.FrameHeader > o.maxFrame {
		o.buf = o.buf[:start]
		o.restart() // the numbers given in it were never sent
		o.signal()
		return false
	}
	o.signal()
	return true
}

func (o *outbox) restart() {
	o.names.restart()
	o.buf = ringwire.AppendFrame(o.buf, frameRestart, nil)
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
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
	o.buf = spare[:0]
	return full
}

// close refuses all further frames.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.buf = nil
}

// write writes to w until it fails or done is closed.
func (o *outbox) write(w io.Writer, done <-chan struct{}, wrote func(int)) error {
	var spare []byte
	for {
		select {
		case <-done:
			return nil
		case <-o.wake:
		}
		b := o.swap(spare)
		if len(b) > 0 {
			if _, err := w.Write(b); err != nil {
				return err
			}
			wrote(len(b))
		}
		spare = b
	}
}
