package disk

import (
	"sync"
	"sync/atomic"
)

type jobKind uint8

const (
	jobWrite jobKind = iota
	jobVerify
	jobForget
	jobRecheck // hash what is on disk, answer to a Recheck call
	jobDrop    // forget all pieces of the torrent, answer when done
)

// job is one thing for a worker to do. Jobs are values in reused slices: queueing allocates nothing.
type job struct {
	t       *Torrent
	batch   *batch           // jobWrite
	recheck chan<- rechecked // jobRecheck; has room
	dropped *sync.WaitGroup  // jobDrop
	piece   int32
	lo, hi  int32 // jobWrite: segments of the batch
	kind    jobKind
	digests bool // jobVerify
}

// batch is one call of Write, shared by the jobs it was split into.
type batch struct {
	segs    []Segment
	slab    Releaser
	bytes   int64
	pending atomic.Int32 // jobs not done
}

// done gives the batch back when its last job is done.
func (b *batch) done(d *Disk) {
	if b.pending.Add(-1) > 0 {
		return
	}
	slab, bytes := b.slab, b.bytes
	b.segs, b.slab, b.bytes = nil, nil, 0
	d.batches.Put(b)
	d.dequeued(bytes)
	if slab != nil {
		slab.Release()
	}
}

// queue is an unbounded list of jobs: the bound is policy, kept by those who call Write.
type queue struct {
	mu     sync.Mutex
	wake   sync.Cond
	jobs   []job // guarded by mu
	closed bool  // guarded by mu
}

// put appends j; false means that the queue is closed and j will not be done.
func (q *queue) put(j job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.jobs = append(q.jobs, j)
	if len(q.jobs) == 1 {
		q.wake.Signal()
	}
	return true
}

// take waits for jobs and returns all of them, leaving spare in their place; nothing after the queue was closed and
// emptied.
func (q *queue) take(spare []job) []job {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.jobs) == 0 && !q.closed {
		q.wake.Wait()
	}
	jobs := q.jobs
	q.jobs = spare[:0]
	return jobs
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake.Signal()
}
