package disk

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eddy-p2p/eddy/metainfo"
)

// Defaults of Config.
const (
	DefaultQueueBytes     = 32 << 20
	DefaultCommitInterval = 5 * time.Second
	DefaultCommitBytes    = 64 << 20
)

// Progress keeps the two records of which pieces a torrent has. *Store is the real one.
type Progress interface {
	// AppendVerified journals one verified piece, unsynced.
	AppendVerified(id metainfo.ID, piece int) error
	// Commit durably records that the pieces of bits (BEP 3 order) are durable, together with the caller's meta, and
	// forgets what the journal says about them.
	Commit(id metainfo.ID, bits, meta []byte) error
}

// Config configures a Disk. Zero values mean the defaults.
type Config struct {
	// Workers is the number of writing and hashing goroutines; 0 means min(4, GOMAXPROCS).
	Workers int
	// QueueBytes is how much payload may wait to be written before Congested reports it; 0 means DefaultQueueBytes.
	QueueBytes int64
	// Progress is where pieces are recorded; nil records nothing.
	Progress Progress
	// CommitInterval is the longest time a verified piece waits for its durable record; 0 means DefaultCommitInterval.
	CommitInterval time.Duration
	// CommitBytes is the most payload that waits for its durable record; 0 means DefaultCommitBytes.
	CommitBytes int64
	// Logger gets what no result carries; nil discards it.
	Logger *slog.Logger
}

// withDefaults fills in what is zero; negative settings count as zero.
func (c Config) withDefaults() Config {
	if c.Workers <= 0 {
		c.Workers = min(4, runtime.GOMAXPROCS(0))
	}
	if c.QueueBytes <= 0 {
		c.QueueBytes = DefaultQueueBytes
	}
	if c.CommitInterval <= 0 {
		c.CommitInterval = DefaultCommitInterval
	}
	if c.CommitBytes <= 0 {
		c.CommitBytes = DefaultCommitBytes
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Stats counts what a Disk did since it was made.
type Stats struct {
	Written   int64 // bytes of payload written
	Writes    int64 // calls that wrote them
	ReadBack  int64 // bytes read to be hashed
	Redundant int64 // bytes given to Write that were there already
	Verified  int64 // pieces found good
	Corrupt   int64 // pieces found bad
	Commits   int64 // durable records written
	Panics    int64 // torrents put in error by a panic
}

type counters struct {
	written, writes, readBack, redundant, verified, corrupt, commits, panics atomic.Int64
}

// Disk owns the workers. Make it with New, start it with Run, add torrents with Open.
type Disk struct {
	// constant
	cfg     Config
	log     *slog.Logger
	workers []*worker
	commits committer

	queued  atomic.Int64 // bytes given to Write and not yet written
	count   counters
	batches sync.Pool
	stopped chan struct{} // closed when Run has returned

	roomMu  sync.Mutex
	room    chan struct{} // guarded by roomMu; closed when the queue has room again; nil while nobody waits
	waiting atomic.Bool   // room != nil
}

// ErrStopped is the error of what waited for a Disk whose Run returned.
var ErrStopped = errors.New("disk workers have stopped")

// New returns a Disk; it starts nothing.
func New(cfg Config) *Disk {
	cfg = cfg.withDefaults()
	d := &Disk{cfg: cfg, log: cfg.Logger, stopped: make(chan struct{})}
	d.batches.New = func() any { return new(batch) }
	d.commits.init(d)
	for range cfg.Workers {
		d.workers = append(d.workers, newWorker(d))
	}
	return d
}

// Run works until ctx is done, then finishes all that was queued, commits what is uncommitted, and returns nil. It is
// called once.
func (d *Disk) Run(ctx context.Context) error {
	defer close(d.stopped)
	var wg sync.WaitGroup
	for _, w := range d.workers {
		wg.Go(w.run)
	}
	d.commits.run(ctx)
	for _, w := range d.workers {
		w.queue.close()
	}
	wg.Wait()
	d.commits.finish()
	return nil
}

// Queued returns the bytes of payload given to Write and not yet written.
func (d *Disk) Queued() int64 { return d.queued.Load() }

// Congested reports whether more than QueueBytes wait to be written: request no more, read no more.
func (d *Disk) Congested() bool { return d.queued.Load() >= d.cfg.QueueBytes }

// Wait returns once the queue has room. A peer's reader calls it before it reads on, so that a slow disk slows TCP down.
func (d *Disk) Wait(ctx context.Context) error {
	for d.Congested() {
		d.roomMu.Lock()
		if d.room == nil {
			d.room = make(chan struct{})
			d.waiting.Store(true)
		}
		room := d.room
		d.roomMu.Unlock()
		if !d.Congested() { // room came before the waiting flag was seen
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		case <-d.stopped:
			return ErrStopped
		}
	}
	return nil
}

// dequeued takes n bytes off the queue and wakes those who wait for room.
func (d *Disk) dequeued(n int64) {
	if d.queued.Add(-n) >= d.cfg.QueueBytes || !d.waiting.Load() {
		return
	}
	d.roomMu.Lock()
	defer d.roomMu.Unlock()
	if d.room != nil {
		close(d.room)
		d.room = nil
		d.waiting.Store(false)
	}
}

// Stats returns the counters.
func (d *Disk) Stats() Stats {
	c := &d.count
	return Stats{
		Written: c.written.Load(), Writes: c.writes.Load(), ReadBack: c.readBack.Load(), Redundant: c.redundant.Load(),
		Verified: c.verified.Load(), Corrupt: c.corrupt.Load(), Commits: c.commits.Load(), Panics: c.panics.Load(),
	}
}

func (d *Disk) worker(piece int32) *worker { return d.workers[int(piece)%len(d.workers)] }
