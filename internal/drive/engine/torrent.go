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

	"github.com/eddy-p2p/eddy/internal/core/policy"
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
	Sources    []Source           // of peers, besides the trackers
	Peers      []string           // HOST:PORT to connect to besides
	Wanted     []bool             // one for each file; nil = all
	Complete   bool               // the content was verified by the caller just now, when the files had these Stamps
	Stamps     []Stamp            // with Complete: one for each file
	Content    string             // the path of the content, for Path; "" = below Root, by the torrent's name
	ReadOnly   bool               // serve only: the content must be complete, and is never written
	Overwrite  bool               // existing data that differs may be replaced
	Sequential bool
	Policy     policy.Policy // by what it decides; the zero value is tit-for-tat
	Prealloc   storage.Prealloc
}

// Torrent is one running torrent. Its methods may be called from any goroutine.
type Torrent struct {
	e       *Engine
	spec    Spec
	layout  metainfo.Layout
	serial  int // among the engine's torrents
	log     *slog.Logger
	book    *book
	content content
	ends    ends
	talks   sync.WaitGroup // attempts to connect, and connections: they use the files

	mu       sync.Mutex   // guards all below
	sw       *swarm.Swarm // nil before the check is done, and after an internal error
	disk     *disk.Torrent
	alarm    alarm
	links    map[swarm.Peer]*link
	byID     map[[20]byte]*link
	dirty    []*link
	stopping bool
	seeking  seeking
	limits   struct{ up, down int64 }
	progress progress
	naming   naming
	space    shortage
	session  tally
}

// content is where a torrent's bytes are. Set before the brain exists.
type content struct {
	store  *storage.Files
	record *disk.Store             // resume record; nil = none
	seals  []atomic.Pointer[Stamp] // of each finished file: what is served must not have been touched since
}

// ends are what is closed, once each, as a torrent's life goes on.
type ends struct {
	done   chan struct{} // all that is wanted has its final name
	failed chan struct{} // progress.err is set
	quit   chan struct{} // Close was called
	gone   chan struct{} // run has returned, or will never begin
	once   sync.Once     // for quit
	cancel atomic.Pointer[context.CancelCauseFunc]
}

// alarm calls tick at the brain's next deadline; guarded by Torrent.mu.
type alarm struct {
	timer *time.Timer
	at    time.Duration // when it goes off; 0 = it does not
}

// progress is how far a torrent is; guarded by Torrent.mu.
type progress struct {
	state     State
	problem   string        // why paused
	err       error         // why failed
	unchecked bool          // data without a record is being looked at for the first time
	checked   int64         // bytes looked at while checking
	asked     map[int]bool  // pieces whose verdict is awaited of the disk
	verified  bits.Set      // a copy of the brain's, as it was announced to readers
	wanted    bits.Set      // pieces; the zero value before the brain exists
	left      []int         // pieces that file i still misses
	bytes     int64         // verified among the wanted
	total     int64         // wanted
	news      chan struct{} // closed and replaced when a piece was verified
	since     time.Time
	finished  time.Time
	tracker   string
}

// tally sums what gone connections did; guarded by Torrent.mu.
type tally struct {
	contributors map[[20]byte]bool
	copied       map[[20]byte]bool // peers that became complete while connected
	banned       int
}

func newTorrent(e *Engine, spec Spec) (*Torrent, error) {
	info := &spec.Meta.Info
	if !info.HasV1() {
		return nil, ErrV2Only
	}
	t := &Torrent{
		e: e, spec: spec, layout: info.Layout(),
		log: e.log.With("torrent", info.Name), book: newBook(),
		links: make(map[swarm.Peer]*link), byID: make(map[[20]byte]*link),
	}
	t.ends.done, t.ends.failed = make(chan struct{}), make(chan struct{})
	t.ends.quit, t.ends.gone = make(chan struct{}), make(chan struct{})
	t.progress = progress{state: Checking, asked: make(map[int]bool), news: make(chan struct{}), since: time.Now()}
	t.content.seals = make([]atomic.Pointer[Stamp], len(spec.Files))
	t.session.contributors, t.session.copied = make(map[[20]byte]bool), make(map[[20]byte]bool)
	return t, nil
}

// run is the life of a torrent: check what is there, join the swarm, leave it. It returns when ctx is done, the torrent is
// closed, or it failed.
func (t *Torrent) run(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.ends.cancel.Store(&cancel)
	select { // closed, perhaps, before cancel was there to be called
	case <-t.ends.quit:
		cancel(ErrClosed)
	default:
	}
	t.contain("running", func() {
		if err := t.open(ctx); err != nil {
			t.fail(err)
		} else {
			t.mingle(ctx)
		}
	})
	cancel(nil) // for the connections, if that panicked
	t.hangUp(context.Cause(ctx))
	t.talks.Wait()
	t.contain("closing", t.shut)
}

// mingle is the time in the swarm: it announces, connects and serves until ctx is done. A torrent without peers needs no
// goroutine besides this one.
func (t *Torrent) mingle(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { t.hangUp(context.Cause(ctx)) })
	defer stop()
	t.startDialling(ctx)
	if len(t.spec.Peers) > 0 {
		t.talks.Go(func() { t.contain("looking up peers", func() { t.resolvePeers(ctx) }) })
	}
	if len(t.spec.Trackers)+len(t.spec.Sources) > 0 {
		t.announce(ctx)
	}
	<-ctx.Done()
}

// hangUp lets all connections end, once what is queued for them is written, and nothing new begin.
func (t *Torrent) hangUp(cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopping = true
	for _, timer := range []*time.Timer{t.alarm.timer, t.seeking.timer, t.space.timer} {
		if timer != nil {
			timer.Stop()
		}
	}
	for _, l := range t.links {
		l.conn.Finish(cause)
	}
}

// shut writes down what was reached and lets go of files.
func (t *Torrent) shut() {
	t.mu.Lock()
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
	if c := &t.content; c.record != nil {
		t.e.records.set(t.spec.Meta.ID, nil)
		if err := c.record.Close(); err != nil {
			t.log.Warn("closing the resume record", "err", err)
		}
	}
	if t.content.store != nil {
		if err := t.content.store.Close(); err != nil {
			t.log.Warn("closing files", "err", err)
		}
	}
}

// Close leaves the swarm, and returns when all is written down.
func (t *Torrent) Close() error {
	t.ends.once.Do(func() { close(t.ends.quit) })
	if cancel := t.ends.cancel.Load(); cancel != nil {
		(*cancel)(ErrClosed)
	}
	t.e.forget(t)
	<-t.ends.gone
	return nil
}

// fail ends the torrent with err. The first error counts.
func (t *Torrent) fail(err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failLocked(err)
}

// failLocked is fail for those who hold t.mu.
func (t *Torrent) failLocked(err error) {
	if t.progress.err != nil || t.stopping {
		return
	}
	t.progress.err, t.progress.state, t.progress.problem = err, Failed, err.Error()
	close(t.ends.failed)
	t.log.Info("torrent failed", "err", err) // who added it learns of it by Failed, and tells the user once
	if cancel := t.ends.cancel.Load(); cancel != nil {
		(*cancel)(err)
	}
}

// Err returns why the torrent failed, nil while it did not.
func (t *Torrent) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.progress.err
}

// Done is closed when every wanted file is verified and has its final name.
func (t *Torrent) Done() <-chan struct{} { return t.ends.done }

// Failed is closed when the torrent has failed; Err says why.
func (t *Torrent) Failed() <-chan struct{} { return t.ends.failed }

// Gone is closed when the torrent has left the swarm and written everything down.
func (t *Torrent) Gone() <-chan struct{} { return t.ends.gone }

// Meta returns the torrent's metainfo.
func (t *Torrent) Meta() *metainfo.MetaInfo { return t.spec.Meta }

// Path is where the content is, or will be.
func (t *Torrent) Path() string {
	if t.spec.Content != "" {
		return t.spec.Content
	}
	name := t.spec.Files[0].Path
	if t.spec.Meta.MultiFile {
		name, _, _ = strings.Cut(name, "/")
	}
	return filepath.Join(t.spec.Root, filepath.FromSlash(name))
}

func (t *Torrent) name() string { return t.spec.Meta.Info.Name }

// wireID is what peers and trackers call the torrent.
func (t *Torrent) wireID() [20]byte { return t.spec.Meta.ID.V1 }

// accepting reports whether peers may join.
func (t *Torrent) accepting() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sw != nil && !t.stopping && t.progress.err == nil
}
