package disk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/storage"
)

// Kind says what a Result reports.
type Kind uint8

// The kinds of results.
const (
	Verified    Kind = iota // the answer to Verify: OK says whether the piece is good
	WriteFailed             // blocks of the piece could not be written; also the answer to Verify then
	ReadFailed              // the answer to Verify: the disk did not give back what was written
	Finished                // the answer to Finish: file File has its final name, or Err
	SyncFailed              // Sync failed: the torrent is in error until Recover; nothing since the last commit counts
	Broken                  // a panic put the torrent in error, for good
)

// String returns the name of k for logs.
func (k Kind) String() string {
	names := [...]string{"verified", "write failed", "read failed", "finished", "sync failed", "broken"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Result is what a Torrent reports to its owner.
type Result struct {
	Kind    Kind
	Piece   int        // -1 if not about a piece
	File    int        // for Finished
	OK      bool       // for Verified
	Asked   bool       // for WriteFailed: it is the answer to Verify
	Digests [][20]byte // SHA-1 of each 16 KiB block: for Verified if asked for, or if not OK
	Err     error
}

// TorrentConfig says what a Torrent writes and whom it tells. Layout, PieceHash, Store and Results are needed.
type TorrentConfig struct {
	Layout metainfo.Layout
	// PieceHash returns the expected SHA-1 of piece i. Workers call it, several at once.
	PieceHash func(i int) [20]byte
	// Store is where content goes. It stays the caller's: close it after Torrent.Close.
	Store storage.Storage
	// Results receives all results. It is called by workers, several at once, and must return soon; it may call Write,
	// Verify, Forget and Finish, but not what waits: Close, Flush, Recheck, Recover.
	Results func(Result)

	// ID is the key of the records of progress.
	ID metainfo.ID
	// Have is the bitfield that was durable at the start, as Store.Load returned it; nil means none. It is copied.
	Have []byte
	// Meta, if set, returns the caller's part of the durable record. It is called after Sync, before the commit.
	Meta func() []byte
}

func (c *TorrentConfig) validate() error {
	if c.PieceHash == nil || c.Store == nil || c.Results == nil {
		return errors.New("disk: a torrent needs piece hashes, a storage and a receiver of results")
	}
	if c.Layout.Size < 0 || c.Layout.Size > 0 && c.Layout.PieceLength <= 0 {
		return fmt.Errorf("disk: %d bytes in pieces of %d", c.Layout.Size, c.Layout.PieceLength)
	}
	if c.Layout.PieceLength > maxPiece {
		return fmt.Errorf("disk: pieces of %d bytes, more than %d", c.Layout.PieceLength, maxPiece)
	}
	return nil
}

// maxPiece keeps offsets in a piece within the 32 bits that requests have for them (BEP 3).
const maxPiece = 1 << 30

// Segment is a part of a piece as it was received; Data aliases the slab it lies in.
type Segment struct {
	Piece, Begin int32
	Data         []byte
}

// Releaser is the owner of the memory that segments alias: a slab.
type Releaser interface{ Release() }

// ReleaseFunc makes a Releaser of a function.
type ReleaseFunc func()

// Release calls f.
func (f ReleaseFunc) Release() { f() }

// Torrent is one torrent's way to the disk. Its methods are safe for concurrent use.
type Torrent struct {
	// constant
	d   *Disk
	cfg TorrentConfig

	failure atomic.Pointer[failure] // why nothing is done any more, if so

	mu          sync.Mutex
	idle        sync.Cond
	have        []byte // guarded by mu: verified pieces
	durable     []byte // guarded by mu: what the last commit recorded
	uncommitted int64  // guarded by mu: bytes verified since
	changed     bool   // guarded by mu: have differs from what is being, or was, committed
	busy        int    // guarded by mu: commits and finishes in progress
	committing  bool   // guarded by mu
}

// failure is why a torrent does nothing any more.
type failure struct {
	kind Kind
	err  error
}

// Open adds a torrent; it touches no disk.
func (d *Disk) Open(cfg TorrentConfig) (*Torrent, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	t := &Torrent{d: d, cfg: cfg}
	t.idle.L = &t.mu
	n := cfg.Layout.NumPieces()
	t.have, t.durable = newBits(n), newBits(n)
	copy(t.have, cfg.Have)
	copy(t.durable, cfg.Have)
	t.cfg.Have = nil
	return t, nil
}

// Have returns a copy of the bitfield of verified pieces.
func (t *Torrent) Have() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]byte(nil), t.have...)
}

// Write queues the segments to be written and hashed, and never blocks. Segments of one piece are written in the order
// given; those that follow one another in a piece should stand next to each other in segs. slab, if not nil, is released
// once when all are done with; segs and what they alias must stay untouched until then. A segment outside its piece is a
// bug of the caller and panics.
func (t *Torrent) Write(segs []Segment, slab Releaser) {
	b := t.d.batches.Get().(*batch)
	b.segs, b.slab = segs, slab
	for i := range segs {
		s := &segs[i]
		if int(s.Piece) >= t.cfg.Layout.NumPieces() || s.Piece < 0 || s.Begin < 0 ||
			int64(s.Begin)+int64(len(s.Data)) > t.cfg.Layout.PieceSize(int(s.Piece)) {
			panic(fmt.Sprintf("disk: %d bytes at %d of piece %d are outside it", len(s.Data), s.Begin, s.Piece))
		}
		b.bytes += int64(len(s.Data))
	}
	t.d.queued.Add(b.bytes)
	b.pending.Store(1) // ours, so that the batch outlives its last job while we still split it
	for lo := 0; lo < len(segs); {
		hi := lo + 1
		for hi < len(segs) && segs[hi].Piece == segs[lo].Piece {
			hi++
		}
		j := job{t: t, kind: jobWrite, batch: b, piece: segs[lo].Piece, lo: int32(lo), hi: int32(hi)}
		b.pending.Add(1)
		if !t.d.worker(j.piece).queue.put(j) {
			b.pending.Add(-1) // stopped: the data is dropped, and nothing will claim it
		}
		lo = hi
	}
	b.done(t.d)
}

// Verify asks for the verdict on a piece all of whose blocks were given to Write, or are on the disk from before. Exactly
// one Result follows: Verified, WriteFailed or ReadFailed. With digests, the result has the SHA-1 of every block also if
// the piece is good. The partial hash of the piece is forgotten either way.
func (t *Torrent) Verify(piece int, digests bool) {
	j := job{t: t, kind: jobVerify, piece: int32(piece), digests: digests}
	if !t.d.worker(j.piece).queue.put(j) {
		t.cfg.Results(Result{Kind: ReadFailed, Piece: piece, Err: ErrStopped})
	}
}

// Forget drops the partial hash of a piece, whose blocks will be given to Write afresh.
func (t *Torrent) Forget(piece int) {
	t.d.worker(int32(piece)).queue.put(job{t: t, kind: jobForget, piece: int32(piece)})
}

// Finish gives files of the storage their final names, one after the other in the background: making them durable may take
// a while. A Result Finished follows for each. Call it when every piece of the files is verified. What was verified is
// recorded first: a final name that no record knows would have its file hashed again after a kill.
func (t *Torrent) Finish(files ...int) {
	name := func(int) error { return nil }
	if f, ok := t.cfg.Store.(storage.Finisher); ok {
		name = f.FinishFile
	}
	t.d.commits.start(t, func() error {
		if t.d.cfg.Progress != nil {
			if err := t.commit(true); err != nil && t.failed() != nil {
				name = func(int) error { return err }
			}
		}
		for _, i := range files {
			t.cfg.Results(Result{Kind: Finished, Piece: -1, File: i, Err: name(i)})
		}
		return nil
	}, func(err error) {
		if errors.Is(err, ErrStopped) {
			for _, i := range files {
				t.cfg.Results(Result{Kind: Finished, Piece: -1, File: i, Err: err})
			}
		}
	})
}

// Close drops all partial hashes and returns when nothing of the torrent is queued or running; no Result comes after it.
// It commits nothing: see Flush.
func (t *Torrent) Close() {
	t.failure.Store(&failure{err: errClosed})
	t.d.commits.forget(t)
	t.drop()
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.busy > 0 {
		t.idle.Wait()
	}
}

var errClosed = errors.New("torrent is closed")

// drop waits until every worker is through with what was queued and has forgotten the torrent's pieces.
func (t *Torrent) drop() {
	var wg sync.WaitGroup
	for _, w := range t.d.workers {
		wg.Add(1)
		if !w.queue.put(job{t: t, kind: jobDrop, dropped: &wg}) {
			wg.Done()
		}
	}
	wg.Wait()
}

// fail puts the torrent in error: from now on its jobs are dropped and Verify answers with err. It reports whether it was
// not in error before.
func (t *Torrent) fail(kind Kind, err error) bool {
	return t.failure.CompareAndSwap(nil, &failure{kind, err})
}

func (t *Torrent) failed() error {
	if f := t.failure.Load(); f != nil {
		return f.err
	}
	return nil
}

// rechecked is a worker's answer to a jobRecheck.
type rechecked struct {
	piece int32
	ok    bool
	err   error
}

// Recheck hashes what the disk has for the given pieces, nil meaning all, on all workers, and returns the bitfield of
// those that are good. They are recorded like pieces that were fetched. Absent and short files just make pieces bad;
// other errors of the disk are returned, joined, and their pieces count as bad. progress, if not nil, is called with the
// number of pieces done after each. No Result comes of it. It blocks; a cancelled ctx ends it early.
func (t *Torrent) Recheck(ctx context.Context, pieces []int, progress func(done int)) ([]byte, error) {
	if pieces == nil {
		pieces = make([]int, t.cfg.Layout.NumPieces())
		for i := range pieces {
			pieces[i] = i
		}
	}
	good := newBits(t.cfg.Layout.NumPieces())
	window := 2 * len(t.d.workers) // enough to keep all busy, few enough to stop soon
	answers := make(chan rechecked, window)
	var errs []error
	next, done := 0, 0
	for done < len(pieces) {
		for next < len(pieces) && next-done < window && ctx.Err() == nil {
			j := job{t: t, kind: jobRecheck, piece: int32(pieces[next]), recheck: answers}
			if !t.d.worker(j.piece).queue.put(j) {
				return good, ErrStopped
			}
			next++
		}
		if next == done {
			return good, ctx.Err()
		}
		select {
		case a := <-answers:
			done++
			if a.ok {
				setBit(good, int(a.piece))
			}
			if a.err != nil && len(errs) < 8 {
				errs = append(errs, a.err)
			}
			if progress != nil {
				progress(done)
			}
		case <-ctx.Done():
			return good, ctx.Err() // answers has room for those still under way
		case <-t.d.stopped:
			return good, ErrStopped
		}
	}
	return good, errors.Join(errs...)
}
