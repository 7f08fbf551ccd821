package ring

import "math"

// event is something that happens to a host at a time: a message arrives, or its timer goes off.
type event struct {
	at   int64  // microseconds
	seq  uint32 // the host's own count of events
	host uint32
	what uint32 // the message's place in the store; or timer
}

// timer is what of an event that is no message.
const timer = math.MaxUint32

// never is the time of a timer that is not set.
const never = math.MaxInt64

// before orders events by time, host and the host's count: the order must not depend on that of equal elements in a heap.
func (e event) before(o event) bool {
	if e.at != o.at {
		return e.at < o.at
	}
	if e.host != o.host {
		return e.host < o.host
	}
	return e.seq < o.seq
}

// queue is a heap of four-way nodes, half as deep as a binary one. Nothing is taken out before its time: who gets an event of a timer
// looks whether it still holds.
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
