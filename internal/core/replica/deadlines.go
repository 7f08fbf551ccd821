package replica

import (
	"container/heap"
	"time"
)

// deadlines is what is due when, earliest first. Entries are never taken back: what is due checks whether it still is.
type deadlines[T any] struct{ h dueHeap[T] }

type due[T any] struct {
	at   time.Duration
	seq  uint64 // of equal times the one that was added first
	what T
}

type dueHeap[T any] struct {
	items []due[T]
	seq   uint64
}

func (h *dueHeap[T]) Len() int { return len(h.items) }
func (h *dueHeap[T]) Less(i, j int) bool {
	a, b := &h.items[i], &h.items[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}
func (h *dueHeap[T]) Swap(i, j int) { h.items[i], h.items[j] = h.items[j], h.items[i] }
func (h *dueHeap[T]) Push(x any)    { h.items = append(h.items, x.(due[T])) }
func (h *dueHeap[T]) Pop() any {
	last := len(h.items) - 1
	x := h.items[last]
	h.items[last] = due[T]{}
	h.items = h.items[:last]
	return x
}

func (d *deadlines[T]) add(at time.Duration, what T) {
	d.h.seq++
	heap.Push(&d.h, due[T]{at, d.h.seq, what})
}

// next is the earliest time, and false when there is none.
func (d *deadlines[T]) next() (time.Duration, bool) {
	if len(d.h.items) == 0 {
		return 0, false
	}
	return d.h.items[0].at, true
}

// pop takes one that is due.
func (d *deadlines[T]) pop(now time.Duration) (what T, ok bool) {
	if at, any := d.next(); !any || at > now {
		return what, false
	}
	return heap.Pop(&d.h).(due[T]).what, true
}
