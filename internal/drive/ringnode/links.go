package ringnode

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

const (
	maxLinks   = 256 // standing connections; beyond it those unused for longest go
	linkIdle   = 90 * time.Second
	maxOfHost  = 4                // accepted connections of one member; it needs one, or two while one breaks
	minIdle    = 10 * time.Second // a connection used within this is not closed for want of room
	backoffMin = 200 * time.Millisecond
	backoffMax = 5 * time.Second
)

// Dials at once. Where many hosts fail together, those that still are there must not wait until each of the others has been silent for long: so
// a dial holds its place for a moment only, in which whoever lives has answered; hosts that did not answer the last time have places of their
// own; and who gets no place soon is not called unreachable, but tried again with the next message.
const (
	dialAtOnce  = 32
	doubtAtOnce = 8 // hosts that did not answer the last time
	dialTurn    = 250 * time.Millisecond
	dialWait    = 2 * time.Second
)

// links are the connections to other members. A message to a host without one makes one.
type links struct {
	n     *Node
	slots chan struct{} // a token each dial that began a moment ago
	doubt chan struct{} // likewise, to hosts that did not answer the last time

	mu     sync.Mutex
	byHost map[ringwire.Host]*link // what is sent on
	all    map[*link]bool
	fails  map[ringwire.Host]failures
	ctx    context.Context // of Run; nil before it
	ending bool            // nothing more begins
	wg     sync.WaitGroup
}

// failures of one host's dials in a row.
type failures struct {
	count int
	until time.Time // before that no other is tried
}

func newLinks(n *Node) *links {
	return &links{n: n, slots: make(chan struct{}, dialAtOnce), doubt: make(chan struct{}, doubtAtOnce), byHost: make(map[ringwire.Host]*link), all: make(map[*link]bool),
		fails: make(map[ringwire.Host]failures)}
}

// to returns the link to send to a host on, beginning a connection if there is none; nil while the host cannot be reached.
func (ls *links) to(h ringwire.Host) *link {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.byHost[h]; l != nil {
		return l
	}
	if ls.ctx == nil || ls.ctx.Err() != nil || ls.ending || time.Now().Before(ls.fails[h].until) {
		return nil
	}
	l := newLink(ls.n.hosts, h, true)
	ls.byHost[h], ls.all[l] = l, true
	ls.wg.Go(func() { ls.dial(ls.ctx, l) })
	return l
}

// dial connects a link and serves it to its end.
func (ls *links) dial(ctx context.Context, l *link) {
	defer ls.forget(l)
	err := ls.connect(ctx, l)
	if err == nil || ctx.Err() != nil {
		return
	}
	l.close(codeDone, err)
	if errors.Is(err, errCrowded) {
		return
	}
	ls.n.counters.dialFailures.Add(1)
	ls.n.log.Debug("cannot reach a member", "host", ls.n.hosts.addr(l.host), "err", err)
	ls.mu.Lock()
	f := ls.fails[l.host]
	f.count++
	f.until = time.Now().Add(min(backoffMin<<min(f.count-1, 10), backoffMax))
	ls.fails[l.host] = f
	ls.mu.Unlock()
}

func (ls *links) connect(ctx context.Context, l *link) error {
	slots := ls.slotsFor(l.host)
	wait := time.NewTimer(dialWait)
	defer wait.Stop()
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
		return errCrowded
	}
	release := sync.OnceFunc(func() { <-slots })
	defer release()
	defer time.AfterFunc(dialTurn, release).Stop()
	short, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	conn, s, h, who, err := ls.n.dialMember(short, ls.n.hosts.addr(l.host))
	if err != nil {
		return err
	}
	if e := ls.n.hosts.get(l.host); who.certificate.Public != e.certificate.Public {
		conn.CloseWithError(codeDone, "")
		return errors.New("another member answers there")
	}
	if _, err := ls.n.hosts.learn(who.certificate, who.presence); err != nil {
		conn.CloseWithError(codeRefused, "")
		return err
	}
	release()
	ls.mu.Lock()
	delete(ls.fails, l.host)
	ls.mu.Unlock()
	if !l.connected(conn) { // its host came back meanwhile and connected by itself, or was evicted
		conn.CloseWithError(codeDone, "")
		return nil
	}
	l.serve(ctx, ls.n, conn, s, h.in)
	return nil
}

// dialMember opens a connection to a member and says hello.
func (n *Node) dialMember(ctx context.Context, addr netip.AddrPort) (*quic.Conn, *quic.Stream, *hello, papers, error) {
	fail := func(err error) (*quic.Conn, *quic.Stream, *hello, papers, error) { return nil, nil, nil, papers{}, err }
	conn, s, h, err := greetAt(ctx, n.transport, addr)
	if err != nil {
		return fail(err)
	}
	who, _, err := h.dialMember(n.trust, n.papers())
	if err != nil {
		conn.CloseWithError(codeOf(err), "")
		err = closeReason(conn, err)
		if who.certificate != nil {
			err = provenError{err}
		}
		return fail(fmt.Errorf("saying hello to %v: %w", addr, err))
	}
	s.SetDeadline(time.Time{})
	return conn, s, h, who, nil
}

// greetAt connects to addr and opens the stream of the hello.
func greetAt(ctx context.Context, t *transport, addr netip.AddrPort) (*quic.Conn, *quic.Stream, *hello, error) {
	conn, err := t.dial(ctx, addr)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("connecting to %v: %w", addr, err)
	}
	material, err := exporter(conn)
	if err == nil {
		var s *quic.Stream
		if s, err = conn.OpenStreamSync(ctx); err == nil {
			deadline, _ := ctx.Deadline()
			s.SetDeadline(deadline)
			return conn, s, newHello(s, material), nil
		}
	}
	conn.CloseWithError(codeDone, "")
	return nil, nil, nil, fmt.Errorf("connecting to %v: %w", addr, err)
}

// provenError is how a hello failed with somebody who had proved to be a member. Before that anybody could be at the address, and close the
// connection with any code.
type provenError struct{ error }

func (e provenError) Unwrap() error { return e.error }

// closeReason prefers why the other side closed the connection to what that did to us.
func closeReason(conn *quic.Conn, err error) error {
	var app *quic.ApplicationError
	if cause := context.Cause(conn.Context()); errors.As(cause, &app) && app.Remote {
		return cause
	}
	return err
}

// forget takes a link out that has ended, and tells the ring that its host may not be reachable.
func (ls *links) forget(l *link) {
	ls.heed(l)
	ls.mu.Lock()
	delete(ls.all, l)
	last := ls.byHost[l.host] == l
	if last {
		delete(ls.byHost, l.host)
		for other := range ls.all { // which the other side dialled meanwhile
			if other.host == l.host && other.reason() == nil {
				ls.byHost[l.host], last = other, false
				break
			}
		}
	}
	ls.mu.Unlock()
	if why := l.reason(); last && !errors.Is(why, errIdle) && !errors.Is(why, errCrowded) {
		ls.n.unreachable(l.host)
	}
}

// heed notes that a member ended a link because this host was evicted: whoever was put out while it could not read the ring's
// records learns it from nowhere else. A member that says so falsely gains nothing: it could evict any host in earnest.
func (ls *links) heed(l *link) {
	l.mu.Lock()
	conn, why := l.conn, l.why
	l.mu.Unlock()
	var proven provenError
	switch {
	case conn != nil:
		why = closeReason(conn, why)
	case !errors.As(why, &proven):
		return
	}
	var app *quic.ApplicationError
	if errors.As(why, &app) && app.Remote && app.ErrorCode == codeEvicted {
		ls.n.evicted()
	}
}

// slotsFor are the places of which the dial of a host needs one.
func (ls *links) slotsFor(h ringwire.Host) chan struct{} {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.fails[h].count > 0 {
		return ls.doubt
	}
	return ls.slots
}

// begin runs f in a goroutine for which end waits, unless that was called already.
func (ls *links) begin(f func()) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if !ls.ending {
		ls.wg.Go(f)
	}
	return !ls.ending
}

// context is that of Run.
func (ls *links) context() context.Context {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.ctx
}

// end waits for all that was begun.
func (ls *links) end() {
	ls.mu.Lock()
	ls.ending = true
	ls.mu.Unlock()
	ls.wg.Wait()
}

var (
	errIdle    = errors.New("unused")                 // ends links that nobody uses
	errCrowded = errors.New("too many dials at once") // ends those that never began
)

// add takes in an accepted connection of a host. When both hosts dialled each other at once, both send on the connection that the
// lesser key dialled; the other one ends when it has been idle. It returns the connection that has to go, if the host has made too many.
func (ls *links) add(l *link, own, theirs [32]byte) (extra *link) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.all[l] = true
	delete(ls.fails, l.host)
	current := ls.byHost[l.host]
	if current == nil || bytes.Compare(theirs[:], own[:]) < 0 || !current.dialled {
		ls.byHost[l.host] = l
	}
	count := 0
	for o := range ls.all {
		if o.host != l.host || o.dialled || o.reason() != nil {
			continue
		}
		if count++; o != l && (extra == nil || o.used.Load() < extra.used.Load()) {
			extra = o
		}
	}
	if count <= maxOfHost {
		return nil
	}
	return extra
}

// replace closes the connections to an earlier life of a host.
func (ls *links) replace(h ringwire.Host) {
	ls.mu.Lock()
	delete(ls.fails, h)
	var old []*link
	for l := range ls.all {
		if l.host == h {
			old = append(old, l)
		}
	}
	delete(ls.byHost, h)
	ls.mu.Unlock()
	for _, l := range old {
		l.close(codeReplaced, errReplaced)
	}
}

var errReplaced = errors.New("the host came back in a new life")

// sweep closes connections that were idle for long, and where there are too many those idle for longest.
func (ls *links) sweep(now time.Time) {
	open := ls.open()
	ls.mu.Lock()
	for h, f := range ls.fails {
		if now.Sub(f.until) > time.Minute {
			delete(ls.fails, h)
		}
	}
	ls.mu.Unlock()
	slices.SortFunc(open, func(a, b *link) int { return cmp.Compare(b.idle(now), a.idle(now)) })
	for i, l := range open {
		if idle := l.idle(now); idle > linkIdle || i < len(open)-maxLinks && idle > minIdle {
			l.close(codeDone, errIdle)
		}
	}
}

// open returns the links that have a connection, or are about to.
func (ls *links) open() []*link {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	out := make([]*link, 0, len(ls.all))
	for l := range ls.all {
		out = append(out, l)
	}
	return out
}

// count is the number of links.
func (ls *links) count() int {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return len(ls.all)
}

// closeHost ends the connections of a host.
func (ls *links) closeHost(h ringwire.Host, code quic.ApplicationErrorCode, why error) {
	ls.mu.Lock()
	var of []*link
	for l := range ls.all {
		if l.host == h {
			of = append(of, l)
		}
	}
	ls.mu.Unlock()
	for _, l := range of {
		l.close(code, why)
	}
}
