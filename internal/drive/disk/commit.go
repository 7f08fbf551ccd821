package disk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/storage"
)

// committer decides when torrents are synced and committed, and owns the goroutines that do it: one a torrent at a time,
// so that a slow disk delays only its own torrents.
type committer struct {
	d    *Disk
	wake chan struct{} // has room for one
	wg   sync.WaitGroup

	mu     sync.Mutex
	due    map[*Torrent]time.Time // guarded by mu: when to commit
	closed bool                   // guarded by mu
}

func (c *committer) init(d *Disk) {
	c.d = d
	c.wake = make(chan struct{}, 1)
	c.due = make(map[*Torrent]time.Time)
}

// schedule has t committed at the given time, or before if it was so already.
func (c *committer) schedule(t *Torrent, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.due[t]; ok && !at.Before(old) {
		return
	}
	c.due[t] = at
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *committer) forget(t *Torrent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.due, t)
}

// run starts what is due until ctx is done.
func (c *committer) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		ripe, next := c.ripe(time.Now())
		for _, t := range ripe {
			c.start(t, func() error { return t.commit(false) }, nil)
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-timer.C:
		}
	}
}

// ripe removes and returns the torrents that are due, and says how long the next one can wait.
func (c *committer) ripe(now time.Time) (ripe []*Torrent, next time.Duration) {
	next = time.Hour
	c.mu.Lock()
	defer c.mu.Unlock()
	for t, at := range c.due {
		if wait := at.Sub(now); wait > 0 {
			next = min(next, wait)
			continue
		}
		ripe = append(ripe, t)
		delete(c.due, t)
	}
	return ripe, next
}

// start runs work for t in a goroutine of its own and passes its error on, or ErrStopped at once if Run has returned.
func (c *committer) start(t *Torrent, work func() error, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		done(ErrStopped)
		return
	}
	c.wg.Add(1)
	c.mu.Unlock()
	t.mu.Lock()
	t.busy++
	t.mu.Unlock()
	go func() {
		defer c.wg.Done()
		defer t.rest()
		var err error
		if broken := c.d.protect(t, func() { err = work() }); broken != nil {
			err = broken
		}
		done(err)
	}()
}

// rest ends what start began.
func (t *Torrent) rest() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy--
	t.idle.Broadcast()
}

// finish waits for what is running and commits what is left. The workers have stopped.
func (c *committer) finish() {
	c.mu.Lock()
	left := c.due
	c.due = make(map[*Torrent]time.Time)
	for t := range left {
		c.mu.Unlock()
		c.start(t, func() error { return t.commit(false) }, nil)
		c.mu.Lock()
	}
	c.closed = true
	c.mu.Unlock()
	c.wg.Wait()
}

// verified records that a piece is good: in memory, in the journal, and, when its turn comes, durably.
func (t *Torrent) verified(piece int) {
	t.mu.Lock()
	if hasBit(t.have, piece) || t.failed() != nil {
		t.mu.Unlock()
		return
	}
	setBit(t.have, piece)
	t.uncommitted += t.cfg.Layout.PieceSize(piece)
	now := t.uncommitted >= t.d.cfg.CommitBytes
	t.scheduleLocked(now)
	t.mu.Unlock()
	if p := t.d.cfg.Progress; p != nil {
		if err := p.AppendVerified(t.cfg.ID, piece); err != nil {
			// Not fatal: the next commit records the piece, and until then only a crash loses it.
			t.d.log.Warn("cannot journal a verified piece", "torrent", t.cfg.ID, "piece", piece, "err", err)
		}
	}
}

// lost records that a piece is not good (any more).
func (t *Torrent) lost(piece int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if hasBit(t.have, piece) {
		clearBit(t.have, piece)
		t.scheduleLocked(false)
	}
}

// scheduleLocked has the torrent committed now or within the interval.
func (t *Torrent) scheduleLocked(now bool) {
	first := !t.changed
	t.changed = true
	switch {
	case t.d.cfg.Progress == nil:
	case now:
		t.d.commits.schedule(t, time.Now())
	case first:
		t.d.commits.schedule(t, time.Now().Add(t.d.cfg.CommitInterval))
	}
}

// commit makes the data durable and then the record that claims it, never the other way round. With always it does so
// even if no piece changed.
func (t *Torrent) commit(always bool) error {
	t.mu.Lock()
	for t.committing {
		t.idle.Wait()
	}
	if f := t.failure.Load(); f != nil || !t.changed && !always {
		t.mu.Unlock()
		if f != nil && f.err != errClosed {
			return f.err
		}
		return nil
	}
	t.committing = true
	bits := append([]byte(nil), t.have...)
	bytes := t.uncommitted
	t.changed, t.uncommitted = false, 0
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.committing = false
		t.idle.Broadcast()
	}()

	if err := t.cfg.Store.Sync(); err != nil {
		return t.syncFailed(err)
	}
	if err := t.record(bits); err != nil {
		t.d.log.Warn("cannot record progress, will try again", "torrent", t.cfg.ID, "err", err)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.uncommitted += bytes
		t.changed = true
		t.d.commits.schedule(t, time.Now().Add(t.d.cfg.CommitInterval))
		return err
	}
	t.mu.Lock()
	t.durable = bits
	t.mu.Unlock()
	return nil
}

func (t *Torrent) record(bits []byte) error {
	if t.d.cfg.Progress == nil {
		return nil
	}
	var meta []byte
	if t.cfg.Meta != nil {
		meta = t.cfg.Meta()
	}
	if err := t.d.cfg.Progress.Commit(t.cfg.ID, bits, meta); err != nil {
		return fmt.Errorf("record progress: %w", err)
	}
	t.d.count.commits.Add(1)
	return nil
}

// syncFailed puts the torrent in error. What was verified since the last commit does not count any more: it was verified
// in memory, and the disk may have lost it.
func (t *Torrent) syncFailed(err error) error {
	err = fmt.Errorf("make data durable: %w", err)
	first := t.fail(SyncFailed, err) // before have is reset, so that no worker adds to it afterwards
	t.mu.Lock()
	copy(t.have, t.durable)
	t.changed, t.uncommitted = false, 0
	t.mu.Unlock()
	if first {
		t.cfg.Results(Result{Kind: SyncFailed, Piece: -1, Err: err})
	}
	return err
}

// Flush makes all verified pieces durable and records them, and the caller's meta, now.
func (t *Torrent) Flush(ctx context.Context) error {
	done := make(chan error, 1)
	t.d.commits.start(t, func() error { return t.commit(true) }, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Recover takes a torrent out of the error that a failed sync put it in: cached pages are forgotten, all pieces that were
// not durable are hashed again from the disk, and the bitfield of verified pieces is returned. Partial pieces are
// forgotten: fetch them again. It blocks as Recheck does.
func (t *Torrent) Recover(ctx context.Context, progress func(done int)) ([]byte, error) {
	f := t.failure.Load()
	if f == nil || f.kind != SyncFailed {
		return nil, errors.New("disk: the torrent has no failed sync to recover from")
	}
	t.drop()
	if r, ok := t.cfg.Store.(storage.Recoverer); ok {
		if err := r.Recover(); err != nil {
			return nil, fmt.Errorf("recover from a failed sync: %w", err)
		}
	}
	t.mu.Lock()
	pieces := []int{}
	for i := range t.cfg.Layout.NumPieces() {
		if !hasBit(t.durable, i) {
			pieces = append(pieces, i)
		}
	}
	t.mu.Unlock()
	if !t.failure.CompareAndSwap(f, nil) {
		return nil, t.failed()
	}
	if _, err := t.Recheck(ctx, pieces, progress); err != nil {
		return t.Have(), err
	}
	return t.Have(), nil
}
