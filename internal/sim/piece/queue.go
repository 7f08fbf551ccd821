package piece

import "time"

// event is something that happens to a peer at a time. Times are compared first, then peers, then what.
type event struct {
	at   time.Duration
	peer int32
	what int32 // >= 0: the transfer that ends; else one of the below
}

// Kinds of rare events in the heap.
const (
	toLeave  int32 = -1 - iota // the peer has stayed as long as it wanted
	toFail                     // it is gone without a word
	toUse                      // it looks whether its uplink stands idle
	toRefill                   // it asks the tracker for neighbours
)

func (e event) before(o event) bool {
	if e.at != o.at {
		return e.at < o.at
	}
	if e.peer != o.peer {
		return e.peer < o.peer
	}
	return e.what < o.what
}

// queue is a heap of four-way nodes: half as deep as a binary one, and the children share a cache line. An event is never
// taken out before its time; whoever gets it looks whether it still holds.
type queue []event

func (q *queue) push(e event) {
	h := append(*q, e)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 4
		if !e.before(h[up]) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = e
	*q = h
}

func (q *queue) pop() event {
	h := *q
	top, e := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	*q = h
	if len(h) > 0 {
		h.down(e)
	}
	return top
}

// down puts e where the top was.
func (q queue) down(e event) {
	i := 0
	for {
		c := 4*i + 1
		if c >= len(q) {
			break
		}
		least := c
		for k := c + 1; k < min(c+4, len(q)); k++ {
			if q[k].before(q[least]) {
				least = k
			}
		}
		if !q[least].before(e) {
			break
		}
		q[i] = q[least]
		i = least
	}
	q[i] = e
}

// fifo holds events that come in the order of their times, because each is put in the same time ahead.
type fifo struct {
	ring []timed
	head int
	n    int
}

type timed struct {
	at time.Duration
	id int32
}

func (f *fifo) push(at time.Duration, id int32) {
	if f.n == len(f.ring) {
		ring := make([]timed, max(64, 2*f.n))
		k := copy(ring, f.ring[f.head:])
		copy(ring[k:], f.ring[:f.head])
		f.ring, f.head = ring, 0
	}
	f.ring[(f.head+f.n)&(len(f.ring)-1)] = timed{at, id}
	f.n++
}

// next returns the time of the first, or never.
func (f *fifo) next() time.Duration {
	if f.n == 0 {
		return never
	}
	return f.ring[f.head].at
}

func (f *fifo) pop() int32 {
	id := f.ring[f.head].id
	f.head = (f.head + 1) & (len(f.ring) - 1)
	f.n--
	return id
}

const never = time.Duration(1<<63 - 1)
