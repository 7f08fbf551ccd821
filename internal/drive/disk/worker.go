package disk

import (
	"fmt"
	"runtime/debug"

	"github.com/eddy-p2p/eddy/storage"
)

// A write grows to at most this much, out of jobs that happen to wait: larger gains nothing and leaves the cache.
const maxWrite = 1 << 20

// lookAhead bounds how many waiting jobs are searched for the continuation of a write.
const lookAhead = 128

// readStep is how much is read at a time to be hashed: small enough to be hashed while it is in the cache.
const readStep = 256 << 10

type pieceKey struct {
	t     *Torrent
	piece int32
}

// worker writes and hashes the pieces that fall to it. All its fields but the queue belong to its goroutine.
type worker struct {
	d     *Disk
	queue queue

	pieces map[pieceKey]*piece
	free   []*piece // forgotten pieces, for reuse with their hash state
	segs   []Segment
	bufs   [][]byte
	buf    []byte // readStep bytes, made when first needed
}

func newWorker(d *Disk) *worker {
	w := &worker{d: d, pieces: make(map[pieceKey]*piece)}
	w.queue.wake.L = &w.queue.mu
	return w
}

func (w *worker) run() {
	var jobs []job
	for {
		jobs = w.queue.take(jobs)
		if len(jobs) == 0 {
			return
		}
		for i := range jobs {
			if jobs[i].t != nil {
				w.do(jobs, i)
			}
		}
		clear(jobs)
	}
}

// do does job i of jobs, and with a write those later ones that continue it; they are marked by a nil torrent.
func (w *worker) do(jobs []job, i int) {
	j := jobs[i]
	switch j.kind {
	case jobWrite:
		w.write(jobs, i)
	case jobVerify:
		w.guard(j.t, func() { w.verify(j.t, j.piece, j.digests) }, func(err error) {
			j.t.cfg.Results(Result{Kind: ReadFailed, Piece: int(j.piece), Err: err})
		})
	case jobForget:
		w.forget(pieceKey{j.t, j.piece})
	case jobRecheck:
		w.guard(j.t, func() { j.recheck <- w.recheck(j.t, j.piece) }, func(err error) {
			j.recheck <- rechecked{piece: j.piece, err: err}
		})
	case jobDrop:
		for k := range w.pieces {
			if k.t == j.t {
				w.forget(k)
			}
		}
		j.dropped.Done()
	}
}

// guard runs work unless the torrent is in error; a panic puts it there. What work would have answered, failed answers.
func (w *worker) guard(t *Torrent, work func(), failed func(error)) {
	err := t.failed()
	if err == nil {
		err = w.d.protect(t, work)
	}
	if err != nil {
		failed(err)
	}
}

// protect turns a panic in work into the torrent's error: one bad torrent must not stop the others.
func (d *Disk) protect(t *Torrent, work func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			d.count.panics.Add(1)
			err = fmt.Errorf("disk: panic: %v", r)
			d.log.Error("disk worker panicked", "torrent", t.cfg.ID, "panic", r, "stack", string(debug.Stack()))
			if t.fail(Broken, err) {
				t.cfg.Results(Result{Kind: Broken, Piece: -1, Err: err})
			}
		}
	}()
	work()
	return nil
}

// write gathers what continues the write of job i, does it, and settles the jobs.
func (w *worker) write(jobs []job, i int) {
	first := jobs[i]
	var batches [lookAhead + 1]*batch
	n := 1
	batches[0] = first.batch
	w.segs = append(w.segs[:0], first.batch.segs[first.lo:first.hi]...)
	bytes := segBytes(w.segs)
	for k := i + 1; k < len(jobs) && k <= i+lookAhead && bytes < maxWrite; k++ {
		j := &jobs[k]
		if j.t != first.t || j.piece != first.piece {
			continue
		}
		if j.kind != jobWrite {
			break
		}
		more := j.batch.segs[j.lo:j.hi]
		bytes += segBytes(more)
		if bytes > maxWrite {
			break
		}
		w.segs = append(w.segs, more...)
		batches[n] = j.batch
		n++
		j.t = nil
	}
	if first.t.failed() == nil {
		w.d.protect(first.t, func() { w.writeSegs(first.t, first.piece) })
	}
	clear(w.segs)
	for _, b := range batches[:n] {
		b.done(w.d)
	}
}

func segBytes(segs []Segment) (n int) {
	for i := range segs {
		n += len(segs[i].Data)
	}
	return n
}

// writeSegs writes w.segs, all of one piece, run by run.
func (w *worker) writeSegs(t *Torrent, index int32) {
	p := w.piece(t, index)
	for segs := w.segs; len(segs) > 0 && p.err == nil; {
		end := segs[0].Begin + int32(len(segs[0].Data))
		n := 1
		for n < len(segs) && segs[n].Begin == end {
			end += int32(len(segs[n].Data))
			n++
		}
		w.writeRun(t, p, segs[0].Begin, end, segs[:n])
		segs = segs[n:]
	}
}

// writeRun writes the bytes [begin, end) of a piece and hashes them if they are next.
func (w *worker) writeRun(t *Torrent, p *piece, begin, end int32, segs []Segment) {
	w.bufs = w.bufs[:0]
	for i := range segs {
		w.bufs = append(w.bufs, segs[i].Data)
	}
	defer clear(w.bufs)
	bufs := w.bufs
	// What is hashed stays as it is: a second copy of a block must not change the disk under the hash.
	if begin < p.next {
		dup := min(end, p.next) - begin
		w.d.count.redundant.Add(int64(dup))
		bufs, begin = skip(bufs, int(dup)), begin+dup
	}
	if begin >= end {
		return
	}
	if p.covers(begin, end) {
		w.d.count.redundant.Add(int64(end - begin))
		return
	}
	off := t.cfg.Layout.PieceOffset(int(p.index)) + int64(begin)
	if err := storage.WriteVec(t.cfg.Store, bufs, off); err != nil {
		p.err = fmt.Errorf("write piece %d: %w", p.index, err)
		t.cfg.Results(Result{Kind: WriteFailed, Piece: int(p.index), Err: p.err})
		return
	}
	w.d.count.written.Add(int64(end - begin))
	w.d.count.writes.Add(1)
	p.wrote = true
	if begin > p.next || p.unhashable {
		p.addEarly(begin, end, bufs)
		return
	}
	for _, b := range bufs {
		p.hash.Write(b)
	}
	p.next = end
	w.catchUp(t, p)
}

// skip drops the first n bytes of bufs.
func skip(bufs [][]byte, n int) [][]byte {
	for n > 0 && n >= len(bufs[0]) {
		n -= len(bufs[0])
		bufs = bufs[1:]
	}
	if n > 0 {
		bufs[0] = bufs[0][n:]
	}
	return bufs
}

func (w *worker) piece(t *Torrent, index int32) *piece {
	k := pieceKey{t, index}
	p := w.pieces[k]
	if p == nil {
		p = w.newPiece(index)
		w.pieces[k] = p
	}
	return p
}

func (w *worker) newPiece(index int32) *piece {
	if n := len(w.free); n > 0 {
		p := w.free[n-1]
		w.free = w.free[:n-1]
		p.reset(index)
		return p
	}
	return makePiece(index)
}

func (w *worker) forget(k pieceKey) {
	if p := w.pieces[k]; p != nil {
		delete(w.pieces, k)
		w.recycle(p)
	}
}

// maxFree bounds the hash states kept for reuse.
const maxFree = 256

func (w *worker) recycle(p *piece) {
	if len(w.free) < maxFree {
		w.free = append(w.free, p)
	}
}
