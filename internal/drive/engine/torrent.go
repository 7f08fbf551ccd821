package engine

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/swarm"
	"github.com/eddy-p2p/eddy/internal/drive/disk"
	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/storage"
)

// Spec says which torrent to run, and where its content is or shall be.
type Spec struct {
	Meta       *metainfo.MetaInfo
	Root       string             // directory; the paths of Files are below it
	Files      []storage.FileSpec // one for each of Meta.Info.Files, in their order
	Trackers   [][]string         // tiers (BEP 12)
	Peers      []string           // HOST:PORT to connect to besides
	Wanted     []bool             // one for each file; nil = all
	Complete   bool               // the content was verified by the caller just now, when the files had these Stamps
	Stamps     []Stamp            // with Complete: one for each file
	Content    string             // the path of the content, for Path; "" = below Root, by the torrent's name
	ReadOnly   bool               // serve only: the content must be complete, and is never written
	Overwrite  bool               // existing data that differs may be replaced
	Sequential bool
	Prealloc   storage.Prealloc
}

// Torrent is one running torrent. Its methods may be called from any goroutine.
type Torrent struct {
	e      *Engine
	spec   Spec
	meta   *metainfo.MetaInfo
	layout metainfo.Layout
	wireID [20]byte
	serial int // among the engine's torrents
	log    *slog.Logger
	book   *book
	store  *storage.Files          // set before the brain exists
	record *disk.Store             // resume record; nil = none
	seals  []atomic.Pointer[Stamp] // of each finished file: what is served must not have been touched since

	done   chan struct{} // closed when all that is wanted has its final name
	failed chan struct{} // closed when err is set
	quit   chan struct{} // closed by Close
	gone   chan struct{} // closed when run has returned
	dial   chan struct{} // capacity 1: there may be somebody to connect to

	quitOnce sync.Once
	talks    sync.WaitGroup // connections that use the files

	mu       sync.Mutex // guards all below
	sw       *swarm.Swarm
	disk     *disk.Torrent
	timer    *time.Timer
	armed    time.Duration // when the timer fires; 0 = it does not
	links    map[swarm.Peer]*link
	byID     map[[20]byte]*link
	nextID   swarm.Peer
	dirty    []*link
	stopping bool
	up, down int64 // limits, bytes/s; 0 = none
	progress progress
	session  tally
	copied   map[[20]byte]bool // peers that became complete while connected
}

// progress is how far a torrent is; guarded by Torrent.mu.
type progress struct {
	state    State
	problem  string        // why paused
	err      error         // why failed
	checked  int64         // bytes looked at while checking
	verified bits.Set      // a copy of the brain's, as it was announced to readers
	wanted   bits.Set      // pieces; the zero value before the brain exists
	left     []int         // pieces that file i still misses
	named    int           // wanted files that have their final name
	bytes    int64         // verified among the wanted
	total    int64         // wanted
	news     chan struct{} // closed and replaced when a piece was verified
	since    time.Time
	finished time.Time
	tracker  string
}

// tally sums what gone connections did; guarded by Torrent.mu.
type tally struct {
	contributors map[[20]byte]bool
	banned       int
}

func newTorrent(e *Engine, spec Spec) (*Torrent, error) {
	info := &spec.Meta.Info
	if !info.HasV1() {
		return nil, ErrV2Only
	}
	t := &Torrent{
		e: e, spec: spec, meta: spec.Meta, layout: info.Layout(), wireID: spec.Meta.ID.V1,
		log: e.log.With("torrent", info.Name), book: newBook(),
		done: make(chan struct{}), failed: make(chan struct{}), quit: make(chan struct{}), gone: make(chan struct{}),
		dial:  make(chan struct{}, 1),
		links: make(map[swarm.Peer]*link), byID: make(map[[20]byte]*link), copied: make(map[[20]byte]bool),
	}
	t.progress = progress{state: Checking, news: make(chan struct{}), since: time.Now()}
	t.seals = make([]atomic.Pointer[Stamp], len(spec.Files))
	t.session.contributors = make(map[[20]byte]bool)
	return t, nil
}

// run is the life of a torrent: check what is there, join the swarm, leave it. It returns when ctx is done, the torrent is
// closed, or it failed.
func (t *Torrent) run(ctx context.Context) {
	defer close(t.gone)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-t.quit:
			cancel(ErrClosed)
		case <-t.failed:
			cancel(t.Err())
		case <-ctx.Done():
		}
	}()
	if err := t.open(ctx); err != nil {
		t.fail(err)
	} else {
		t.mingle(ctx)
	}
	t.shut()
}

// mingle is the time in the swarm: it announces, connects and commits until ctx is done.
func (t *Torrent) mingle(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { t.announce(ctx) })
	wg.Go(func() { t.dialPeers(ctx) })
	wg.Go(func() { t.resolvePeers(ctx) })
	<-ctx.Done()
	t.mu.Lock()
	t.stopping = true
	for _, l := range t.links {
		l.conn.Finish(context.Cause(ctx))
	}
	t.mu.Unlock()
	wg.Wait()
	t.talks.Wait()
}

// shut writes down what was reached and lets go of files.
func (t *Torrent) shut() {
	t.mu.Lock()
	t.stopping = true
	if t.timer != nil {
		t.timer.Stop()
	}
	dt := t.disk
	t.mu.Unlock()
	if dt != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := dt.Flush(ctx); err != nil {
			t.log.Warn("writing the resume record", "err", err)
		}
		cancel()
		dt.Close()
	}
	if t.record != nil {
		t.e.records.set(t.meta.ID, nil)
		if err := t.record.Close(); err != nil {
			t.log.Warn("closing the resume record", "err", err)
		}
	}
	if t.store != nil {
		if err := t.store.Close(); err != nil {
			t.log.Warn("closing files", "err", err)
		}
	}
}

// Close leaves the swarm, and returns when all is written down.
func (t *Torrent) Close() error {
	t.quitOnce.Do(func() { close(t.quit) })
	t.e.mu.Lock()
	started := t.e.running != nil
	t.e.mu.Unlock()
	if started {
		<-t.gone
	}
	return nil
}

// fail ends the torrent with err. The first error counts.
func (t *Torrent) fail(err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.progress.err != nil || t.stopping {
		return
	}
	t.progress.err, t.progress.state, t.progress.problem = err, Failed, err.Error()
	close(t.failed)
	t.log.Error("torrent failed", "err", err)
}

// Err returns why the torrent failed, nil while it did not.
func (t *Torrent) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.progress.err
}

// Done is closed when every wanted file is verified and has its final name.
func (t *Torrent) Done() <-chan struct{} { return t.done }

// Failed is closed when the torrent has failed; Err says why.
func (t *Torrent) Failed() <-chan struct{} { return t.failed }

// Gone is closed when the torrent has left the swarm and written everything down.
func (t *Torrent) Gone() <-chan struct{} { return t.gone }

// Meta returns the torrent's metainfo.
func (t *Torrent) Meta() *metainfo.MetaInfo { return t.meta }

// Path is where the content is, or will be.
func (t *Torrent) Path() string {
	if t.spec.Content != "" {
		return t.spec.Content
	}
	name := t.spec.Files[0].Path
	if t.meta.MultiFile {
		name, _, _ = strings.Cut(name, "/")
	}
	return filepath.Join(t.spec.Root, filepath.FromSlash(name))
}

func (t *Torrent) name() string { return t.meta.Info.Name }

// accepting reports whether peers may join.
func (t *Torrent) accepting() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sw != nil && !t.stopping && t.progress.err == nil && len(t.links) < t.e.cfg.MaxPeers
}
