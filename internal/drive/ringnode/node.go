package ringnode

import (
	"context"
	crand "crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/replica"
	"github.com/eddy-p2p/eddy/internal/core/ring"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Node is one host of a ring. Its methods may be called from any goroutine; the Service's answer once it is Ready.
type Node struct {
	// Constant after New.
	cfg       Config
	log       *slog.Logger
	start     time.Time     // by the wall clock
	zero      time.Duration // of the machines' clock
	advertise netip.AddrPort
	transport *transport
	store     *store
	commits   *committer
	api       *api
	verifier  *verifier
	ready     chan struct{} // closed when the host is a member
	informed  chan struct{} // closed when it also knows the ring's tokens
	gone      chan struct{} // closed when it has left
	ended     chan struct{} // closed when Run ends
	kicked    chan struct{} // holds a token when the system records should be read
	expelled  chan struct{} // holds a token when the ring has evicted this host

	// Set by Run before Ready, constant after it.
	trust     *admission
	hosts     *hostTable
	links     *links
	space     ringwire.Space
	token     string   // of a new ring
	first     bool     // what it does not have does not exist: it began the ring, and nothing has been put on disk about that since
	wasMember bool     // by an earlier run
	sponsors  []papers // members who answer at Config.Join

	counters  counters
	guests    guests
	clients   atomic.Int64 // connections of programs
	callBytes atomic.Int64 // of values and replies in hand for them
	questions questions
	budgets   budgets
	checks    checks

	inquiry  inquiry
	systemMu sync.Mutex // held by who reads the system records
	adopting sync.Mutex // held by who changes the secrets

	wake chan struct{} // holds a token when the timer must be set anew

	mu      sync.Mutex
	ring    *ring.Node                      // guarded by mu, as all below
	data    *replica.Replica                // guarded by mu
	after   aftermath                       // of the present step
	ops     map[uint64]func(replica.Result) // operations of users, by number; called with mu held
	watches map[uint64]func(replica.Result) // by number
	lookups map[uint64]chan ring.Result     // of the API, by token
	seq     uint64                          // of operations and lookups
	armed   time.Duration                   // when the timer calls the machines
	broken  error                           // a fault that the machines cannot go on after
	stopped bool                            // Run has ended
	joined  bool
	full    bool // the disk has no room

	id *identity // as loaded; trust has it from Run on
}

// New opens the data directory, the UDP socket and the API's. It starts nothing; Run does, and closes them.
func New(cfg Config) (*Node, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	listenAddr, err := parseListen(cfg.Listen)
	if err != nil {
		return nil, err
	}
	advertise, err := parseAdvertise(cfg.Advertise)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	n := &Node{cfg: cfg, log: cfg.Log, start: time.Now(), zero: monotonic(), advertise: advertise, ready: make(chan struct{}), informed: make(chan struct{}), gone: make(chan struct{}),
		ended: make(chan struct{}), kicked: make(chan struct{}, 1), expelled: make(chan struct{}, 1),
		wake: make(chan struct{}, 1), ops: make(map[uint64]func(replica.Result)), watches: make(map[uint64]func(replica.Result)),
		lookups: make(map[uint64]chan ring.Result)}
	if err := n.open(listenAddr); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

func (n *Node) open(addr netip.AddrPort) (err error) {
	if err := checkWhole(n.cfg.Data); err != nil {
		return err
	}
	// First the store, whose lock keeps a second process off the identity too.
	if n.store, err = openStore(n.cfg.Data, n.log, n.start); err != nil {
		return err
	}
	n.commits = newCommitter(n.store)
	if n.id, err = loadIdentity(n.cfg.Data, n.store.used); err != nil {
		return err
	}
	if n.transport, err = listen(addr, n.id.key.Seed()); err != nil {
		return fmt.Errorf("listening for the ring: %w", err)
	}
	var handler http.Handler
	if n.cfg.Handler != nil {
		if handler, err = n.cfg.Handler(n); err != nil {
			return err
		}
	}
	n.api, err = newAPI(n, handler)
	return err
}

// Close gives back what New opened, of a node that Run does not run.
func (n *Node) Close() error {
	var errs []error
	if n.api != nil {
		n.api.close()
	}
	if n.transport != nil {
		n.transport.close()
	}
	if n.store != nil {
		errs = append(errs, n.store.close())
	}
	return errors.Join(errs...)
}

// Ready is closed when the host is a member of its ring, and answers.
func (n *Node) Ready() <-chan struct{} { return n.informed }

// Addr is where the ring's connections come in, as told to others; valid once Ready.
func (n *Node) Addr() netip.AddrPort { return n.hosts.addr(self) }

// Listen is the address of the UDP socket.
func (n *Node) Listen() netip.AddrPort { return n.transport.addr() }

// APIAddr is where HTTP is served; the zero value if nowhere.
func (n *Node) APIAddr() netip.AddrPort { return n.api.addr() }

// ID names the host: its first position, as Status tells it; valid once Ready.
func (n *Node) ID() string { return n.hostID(self) }

// Token admits others, if this start began a new ring; else it is empty. Valid once Ready.
func (n *Node) Token() string { return n.token }

func (n *Node) now() time.Duration { return monotonic() - n.zero }

// Run makes the host a member of its ring and keeps it one until ctx ends or it has left, and closes everything. It runs once. It returns
// nil after both; an error says why the host could not become or stay a member.
func (n *Node) Run(ctx context.Context) (err error) {
	defer close(n.ended)
	defer func() {
		if cerr := n.Close(); err == nil {
			err = cerr
		}
	}()
	if err := n.admit(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if err := n.build(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err = n.serve(ctx, cancel)
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		err = cause
	}
	if errors.Is(err, errLeft) {
		return nil
	}
	return err
}

// errLeft ends a node that has left the ring.
var errLeft = errors.New("left the ring")

// serve runs the goroutines of a member. When ctx ends, they end in an order in which nothing acknowledged is lost: first what takes
// requests, last what puts them on disk.
func (n *Node) serve(ctx context.Context, cancel context.CancelCauseFunc) error {
	diskCtx, stopDisk := context.WithCancel(context.Background())
	defer stopDisk()
	var disk, rest sync.WaitGroup
	disk.Go(func() { n.commits.run(diskCtx, n.committed) })
	n.links.mu.Lock()
	n.links.ctx = ctx
	n.links.mu.Unlock()
	run := func(doing string, f func(context.Context)) {
		rest.Go(func() {
			defer n.recovered(doing, nil)
			f(ctx)
		})
	}
	run("accepting connections", n.acceptConnections)
	run("keeping time", n.keepTime)
	run("keeping house", n.keepHouse)
	run("keeping the system records", n.keepSystem)
	rest.Go(func() {
		if err := n.api.run(ctx); err != nil {
			cancel(fmt.Errorf("serving HTTP: %w", err))
		}
	})
	rest.Go(func() {
		select {
		case <-n.gone:
			cancel(errLeft)
		case <-n.expelled:
			cancel(&ringapi.Error{Code: ringapi.Denied, Message: "this node was evicted from the ring", Hint: "remove its data directory to join as a new node"})
		case <-ctx.Done():
		}
	})
	err := n.enter(ctx)
	if err != nil {
		cancel(err)
	}
	<-ctx.Done()
	n.transport.ln.Close()
	n.endOperations()
	n.links.end()
	rest.Wait()
	stopDisk()
	disk.Wait()
	n.mu.Lock()
	n.stopped = true
	n.mu.Unlock()
	n.endOperations() // of who did not hear that the node stops: nothing else ends them any more
	if serr := n.store.stamp(n.now(), time.Now(), n.hosts.takeChanged()); serr != nil {
		n.log.Warn("cannot note the time of the end", "err", serr)
	}
	return err
}

// build makes the machines of an admitted host.
func (n *Node) build() error {
	id := n.trust.identity()
	n.space = id.space()
	n.hosts = newHostTable(n.trust, n.space)
	own := papers{certificate: id.certificate, presence: ringwire.Presence{Incarnation: n.store.epoch, Addr: n.ownAddr()}}
	own.presence.Sign(id.ring(), id.key)
	if h, err := n.hosts.put(own.certificate, own.presence); err != nil || h != self {
		return fmt.Errorf("own papers: handle %d, %w", h, err)
	}
	n.links = newLinks(n)
	n.verifier = newVerifier(n.trust)
	var seed [32]byte
	crand.Read(seed[:])
	random := rand.New(rand.NewChaCha8(seed))
	rc := ring.Config{Space: n.space, Self: self, Positions: n.hosts.Positions(self), Incarnation: n.store.epoch, Directory: n.hosts, Rand: random,
		Successors: n.cfg.Successors, Routing: n.cfg.Routing, Cache: !n.cfg.NoCache, Mesh: !n.cfg.NoCache}
	public := id.public()
	dc := replica.Config{Ring: id.ring(), Space: n.space, Self: self, Writer: sha256.Sum256(public[:]), Epoch: n.store.epoch, View: (*view)(n),
		Store: n.store, Signer: n.verifier, Rand: random, Replicas: id.parameters.Replicas, Write: id.parameters.Write, Read: id.parameters.Read,
		First: n.first, Arcs: n.store.arcs, Hosts: n.store.hosts, Away: n.store.away, Absence: n.cfg.Absence, MaxBytes: n.cfg.MaxBytes,
		HostRate: n.cfg.HostRate}
	if n.cfg.tune != nil {
		n.cfg.tune(&rc, &dc)
	}
	rc.Census = terms(&dc)
	var err error
	if n.ring, err = ring.New(rc); err != nil {
		return err
	}
	if n.data, err = replica.New(dc); err != nil {
		return err
	}
	n.data.Tick(0) // Away was measured then; to read gigabytes, and to ask sponsors, takes time in which the host is away as well
	return nil
}

// ownAddr is the address that others are told: what the configuration says, or the one that a packet to a member would bear.
func (n *Node) ownAddr() netip.AddrPort {
	bound := n.transport.addr()
	ip, port := bound.Addr(), bound.Port()
	if n.advertise.IsValid() {
		if n.advertise.Port() != 0 {
			port = n.advertise.Port()
		}
		return netip.AddrPortFrom(n.advertise.Addr(), port)
	}
	if !ip.IsUnspecified() {
		return netip.AddrPortFrom(ip, port)
	}
	return netip.AddrPortFrom(n.localAddr(), port)
}

// view is core/ring as core/replica sees it.
type view Node

// Holders implements replica.View.
func (v *view) Holders(key ringwire.ID, count int, buf []ringwire.Ref) ([]ringwire.Ref, bool) {
	return v.ring.Holders(key, count, buf)
}

// Arcs implements replica.View.
func (v *view) Arcs(count int) ([]ringwire.Arc, bool) {
	arcs, ok := v.ring.Arcs(count)
	out := make([]ringwire.Arc, len(arcs))
	for i, a := range arcs {
		out[i] = ringwire.Arc(a)
	}
	return out, ok
}

// Alive implements replica.View.
func (v *view) Alive(h ringwire.Host) bool { return v.ring.Alive(h) }

// hostID names a host for people: its first position.
func (n *Node) hostID(h ringwire.Host) string {
	positions := n.hosts.Positions(h)
	if len(positions) == 0 {
		return ""
	}
	return n.space.Format(positions[0])
}

// nextSeq numbers an operation or lookup; mu is held.
func (n *Node) nextSeq() uint64 {
	n.seq++
	return n.seq
}
