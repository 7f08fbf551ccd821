package block

import "time"

// What a node has a timer for. Of those due at one time the lower node's go first, and of one node's the lower kind.
const (
	onTick   = iota // the Swarm's
	onUp            // the block on its uplink is through
	onDown          // the block on its downlink is through
	onLife          // it arrives; later: it leaves
	onFail          // it fails
	onRefill        // it asks the tracker
	timerKinds
)

// timers holds at most one time for each node and kind: a heap of four children, whose entries can be moved.
type timers struct {
	at   []time.Duration // by id = node*timerKinds + kind
	pos  []int32         // of each id in heap, -1 = not set
	heap []int32
}

func newTimers(nodes int) timers {
	t := timers{at: make([]time.Duration, nodes*timerKinds), pos: make([]int32, nodes*timerKinds)}
	for i := range t.pos {
		t.pos[i] = -1
	}
	return t
}

func timer(node int32, kind int) int32 { return node*timerKinds + int32(kind) }

// set makes the timer due at at, whatever it was before.
func (t *timers) set(id int32, at time.Duration) {
	p := t.pos[id]
	if p < 0 {
		t.at[id] = at
		t.heap = append(t.heap, id)
		t.up(len(t.heap)-1, id)
		return
	}
	was := t.at[id]
	t.at[id] = at
	switch {
	case at < was:
		t.up(int(p), id)
	case at > was:
		t.down(int(p), id)
	}
}

// clear makes the timer not due.
func (t *timers) clear(id int32) {
	p := t.pos[id]
	if p < 0 {
		return
	}
	t.pos[id] = -1
	last := len(t.heap) - 1
	moved := t.heap[last]
	t.heap = t.heap[:last]
	if int(p) == last {
		return
	}
	if p > 0 && t.less(moved, t.heap[(p-1)/4]) {
		t.up(int(p), moved)
	} else {
		t.down(int(p), moved)
	}
}

// next returns the time of the first timer due, and false when none is set.
func (t *timers) next() (time.Duration, bool) {
	if len(t.heap) == 0 {
		return 0, false
	}
	return t.at[t.heap[0]], true
}

// pop takes the first timer out.
func (t *timers) pop() (node int32, kind int) {
	id := t.heap[0]
	t.clear(id)
	return id / timerKinds, int(id % timerKinds)
}

func (t *timers) less(a, b int32) bool {
	if t.at[a] != t.at[b] {
		return t.at[a] < t.at[b]
	}
	return a < b
}

func (t *timers) up(k int, id int32) {
	for k > 0 {
		parent := (k - 1) / 4
		if !t.less(id, t.heap[parent]) {
			break
		}
		t.heap[k] = t.heap[parent]
		t.pos[t.heap[k]] = int32(k)
		k = parent
	}
	t.heap[k], t.pos[id] = id, int32(k)
}

func (t *timers) down(k int, id int32) {
	for {
		first := 4*k + 1
		if first >= len(t.heap) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(t.heap)); c++ {
			if t.less(t.heap[c], t.heap[least]) {
				least = c
			}
		}
		if !t.less(t.heap[least], id) {
			break
		}
		t.heap[k] = t.heap[least]
		t.pos[t.heap[k]] = int32(k)
		k = least
	}
	t.heap[k], t.pos[id] = id, int32(k)
}
