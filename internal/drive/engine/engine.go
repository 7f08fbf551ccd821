package engine

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/session"
	"github.com/eddy-p2p/eddy/internal/drive/disk"
	"github.com/eddy-p2p/eddy/internal/drive/netx"
	"github.com/eddy-p2p/eddy/internal/drive/peer"
	"github.com/eddy-p2p/eddy/internal/drive/tracker"
)

// Config describes an Engine. The zero value listens on any port and limits nothing.
type Config struct {
	Listen        string       // IP:PORT for peers; "" = ":0". An explicit IP is also the source of outgoing connections
	UploadLimit   int64        // bytes/s of blocks, all torrents together; 0 = none
	DownloadLimit int64        // bytes/s of blocks, all torrents together; 0 = none
	MaxPeers      int          // connections a torrent; 0 = 200
	MaxConns      int          // connections of all torrents; 0 = 2,000
	StateDir      string       // resume records; "" = none are kept
	ClientName    string       // told to peers and trackers, "eddy/0.1"
	PeerIDPrefix  string       // 8 bytes, "-ED0100-"
	Logger        *slog.Logger // nil = none
}

// validate fills in defaults.
func (c *Config) validate() error {
	if c.Listen == "" {
		c.Listen = ":0"
	}
	if c.MaxPeers == 0 {
		c.MaxPeers = 200
	}
	if c.MaxConns == 0 {
		c.MaxConns = 2000
	}
	if c.ClientName == "" {
		c.ClientName = "eddy"
	}
	if c.PeerIDPrefix == "" {
		c.PeerIDPrefix = "-ED0100-"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if len(c.PeerIDPrefix) > 12 {
		return fmt.Errorf("peer id prefix %q leaves no room for chance", c.PeerIDPrefix)
	}
	if c.UploadLimit < 0 || c.DownloadLimit < 0 || c.MaxPeers < 1 || c.MaxConns < 1 {
		return errors.New("limits of the engine must not be negative")
	}
	return nil
}

// The slabs of received messages and those of blocks being sent are apart, so that peers which don't read what we send
// cannot starve the readers. Together they bound the memory that transfers need: trust, promise 6.
const (
	readSlab  = peer.WriteSlab + 32<<10 // a full batch of blocks behind a carried-over partial one
	readSlabs = 40
	sendSlabs = 24
)

// Engine shares torrents with peers. Its methods may be called from any goroutine.
type Engine struct {
	cfg    Config
	log    *slog.Logger
	start  time.Time
	peerID [20]byte

	ln       *netx.Listener
	dialer   *netx.Dialer
	trackers *tracker.Client
	key      uint32 // of our announces, so that trackers know us after a change of address (BEP 7)

	disk     *disk.Disk
	readPool *netx.SlabPool
	sendPool *netx.SlabPool
	halfOpen halfOpen
	records  records
	panics   atomic.Int64 // that cost a connection or a torrent

	mu       sync.Mutex
	torrents map[[20]byte]*Torrent
	leases   session.Leases  // of connections, by torrent
	serial   int             // of the latest torrent
	running  context.Context // nil until Run; torrents added before it wait for it
	wg       sync.WaitGroup  // torrents and connections
}

// New binds the listen socket and starts nothing.
func New(cfg Config) (*Engine, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	listen, err := netx.ParseListen(cfg.Listen)
	if err != nil {
		return nil, err
	}
	ln, err := netx.ListenTCP(context.Background(), listen)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: cfg, log: cfg.Logger, start: time.Now(), ln: ln,
		dialer:   &netx.Dialer{Source: listen.Addr()},
		readPool: netx.NewSlabPool(readSlab, readSlabs),
		sendPool: netx.NewSlabPool(peer.WriteSlab, sendSlabs),
		torrents: make(map[[20]byte]*Torrent),
		leases:   session.Leases{Max: cfg.MaxConns, PerTorrent: cfg.MaxPeers},
	}
	var key [4]byte
	rand.Read(key[:])
	e.key = binary.BigEndian.Uint32(key[:])
	e.trackers = tracker.NewClient(tracker.ClientConfig{Source: listen.Addr(), UserAgent: cfg.ClientName})
	e.disk = disk.New(disk.Config{Logger: cfg.Logger, Progress: &e.records})
	copy(e.peerID[:], cfg.PeerIDPrefix)
	rand.Read(e.peerID[len(cfg.PeerIDPrefix):])
	return e, nil
}

// Addr returns where peers can connect.
func (e *Engine) Addr() netip.AddrPort { return e.ln.Addr() }

// Run accepts peers and runs the torrents until ctx is done. It is called once. It then lets each torrent take its leave, which takes at most
// 3 s, and returns nil, or the error that ended it early.
func (e *Engine) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	diskCtx, stopDisk := context.WithCancel(context.Background())
	diskDone := make(chan error, 1)
	go func() { diskDone <- e.disk.Run(diskCtx) }()

	e.mu.Lock()
	e.running = ctx
	for _, t := range e.torrents {
		e.launch(t)
	}
	e.mu.Unlock()

	e.wg.Go(func() {
		if err := e.accept(ctx); err != nil {
			cancel(fmt.Errorf("accepting peers on %v: %w", e.Addr(), err))
		}
	})
	e.wg.Go(func() { e.shareRegularly(ctx) })
	e.wg.Go(func() { e.reviewRegularly(ctx) })
	<-ctx.Done()
	e.ln.Close()
	e.halfOpen.closeAll()
	e.mu.Lock() // who adds a torrent holds it: none is launched from here on
	e.mu.Unlock()
	e.wg.Wait()
	e.trackers.Close()
	stopDisk()
	<-diskDone // its error is the context's
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// Add registers a torrent, and runs it once Run runs.
func (e *Engine) Add(spec Spec) (*Torrent, error) {
	t, err := newTorrent(e, spec)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.torrents[t.wireID()]; ok {
		return nil, fmt.Errorf("adding %s: %w", t.name(), ErrDuplicate)
	}
	if e.running != nil && e.running.Err() != nil {
		return nil, fmt.Errorf("adding %s: the client is stopping", t.name())
	}
	e.serial++
	t.serial = e.serial
	e.torrents[t.wireID()] = t
	e.share()
	if e.running != nil {
		e.launch(t)
	}
	return t, nil
}

// launch starts t; e.mu is held.
func (e *Engine) launch(t *Torrent) {
	ctx := e.running
	e.wg.Go(func() {
		defer close(t.ends.gone) // after it was forgotten: it may be added again at once
		t.run(ctx)
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.torrents, t.wireID())
		e.share()
	})
}

// forget takes out a torrent that Run has not launched, and never will.
func (e *Engine) forget(t *Torrent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running == nil && e.torrents[t.wireID()] == t {
		delete(e.torrents, t.wireID())
		close(t.ends.gone)
	}
}

// list returns the torrents, in no order.
func (e *Engine) list() []*Torrent {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Collect(maps.Values(e.torrents))
}

// lookup returns the torrent that a handshake asks for, or nil.
func (e *Engine) lookup(infohash [20]byte) *Torrent {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.torrents[infohash]
}

// errFull turns a peer away for want of connections.
var errFull = errors.New("too many connections")

// lease reserves one more connection of t; end, nil if there is none, gives it back.
func (e *Engine) lease(t *Torrent) (end func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.leases.Acquire(t.serial) {
		return nil
	}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.leases.Release(t.serial)
	}
}

// now is the time that the brains know: since the engine's start.
func (e *Engine) now() time.Duration { return time.Since(e.start) }
