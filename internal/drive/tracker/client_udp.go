package tracker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/netx"
	"github.com/eddy-p2p/eddy/internal/format/announce"
)

const (
	// BEP 15: "A client can use a connection ID until one minute after it has received it."
	connIDLife = time.Minute
	// BEP 15: "the client should retransmit after 15 * 2 ^ n seconds, where n starts at 0 and is increased up to 8".
	maxRetransmit = 8
)

var errNoReply = errors.New("no reply")

// udpExchanges returns the announces to make, one a family.
func (c *Client) udpExchanges(ctx context.Context, u *url.URL, req *announce.Request) ([]exchange, error) {
	remotes, err := c.udpRemotes(ctx, u)
	if err != nil {
		return nil, err
	}
	urlData := u.EscapedPath() // BEP 41: path and query, for trackers that tell users by them
	if u.RawQuery != "" {
		urlData += "?" + u.RawQuery
	}
	var list []exchange
	for _, remote := range remotes {
		list = append(list, func(ctx context.Context) (announce.Response, error) {
			r, err := c.udpRequest(ctx, remote, announce.ActionAnnounce, func(b []byte, id uint64, tx uint32) []byte {
				return announce.AppendUDPAnnounce(b, id, tx, req, urlData)
			})
			var refused *announce.RefusedError
			if errors.As(err, &refused) {
				return announce.Response{Failure: refused.Reason}, nil
			}
			r.Announce.Peers = within(r.Announce.Peers, netx.ScopeOf(remote.Addr()))
			return r.Announce, err
		})
	}
	return list, nil
}

func (c *Client) udpRemotes(ctx context.Context, u *url.URL) ([]netip.AddrPort, error) {
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || port == 0 {
		return nil, errors.New("a UDP tracker needs a port")
	}
	addrs, err := c.addresses(ctx, u.Hostname())
	if err != nil {
		return nil, err
	}
	var list []netip.AddrPort
	for _, a := range addrs {
		if err = netx.CheckScope(a, c.cfg.Min); err == nil {
			list = append(list, netip.AddrPortFrom(a, uint16(port)))
		}
	}
	if len(list) == 0 {
		return nil, err
	}
	return list, nil
}

func (c *Client) udpScrape(ctx context.Context, u *url.URL, hashes [][20]byte) ([]announce.Counts, error) {
	remotes, err := c.udpRemotes(ctx, u)
	if err != nil {
		return nil, err
	}
	r, err := c.udpRequest(ctx, remotes[0], announce.ActionScrape, func(b []byte, id uint64, tx uint32) []byte {
		return announce.AppendUDPScrape(b, id, tx, hashes)
	})
	if err != nil {
		return nil, err
	}
	for len(r.Scrape) < len(hashes) {
		r.Scrape = append(r.Scrape, announce.Counts{Complete: -1, Incomplete: -1, Downloaded: -1})
	}
	return r.Scrape[:len(hashes)], nil
}

// udpRequest sends a request, connecting first if need be, and repeats both as BEP 15 says until a reply comes, the tracker
// refuses or ctx ends.
func (c *Client) udpRequest(ctx context.Context, remote netip.AddrPort, action announce.Action, build func([]byte, uint64, uint32) []byte) (announce.UDPReply, error) {
	t, err := c.udp.acquire(remote)
	if err != nil {
		return announce.UDPReply{}, err
	}
	defer c.udp.release(t)
	renewed := false
	for n := 0; n <= maxRetransmit; {
		wait := c.cfg.UDPTimeout << n
		id, ok := t.connID()
		if !ok {
			r, err := t.roundTrip(ctx, announce.ActionConnect, wait, func(b []byte, tx uint32) []byte {
				return announce.AppendUDPConnect(b, tx)
			})
			if errors.Is(err, errNoReply) {
				n++
				continue
			}
			if err != nil {
				return r, err
			}
			id = t.keepConnID(r.ConnID)
		}
		r, err := t.roundTrip(ctx, action, wait, func(b []byte, tx uint32) []byte { return build(b, id, tx) })
		var refused *announce.RefusedError
		switch {
		case errors.Is(err, errNoReply):
			n++
		case errors.As(err, &refused) && !renewed && strings.Contains(strings.ToLower(refused.Reason), "connection"):
			// The tracker has forgotten the id (it was restarted): a new one helps, once.
			renewed = true
			t.dropConnID(id)
		default:
			return r, err
		}
	}
	return announce.UDPReply{}, errNoReply
}

// udpTargets are the sockets of a client, one a tracker address, each kept as long as its connection id is good. Sockets
// are connected: the kernel drops strangers' packets and reports a port that is closed.
type udpTargets struct {
	source netip.Addr

	mu      sync.Mutex
	targets map[netip.AddrPort]*udpTarget
	closed  bool
	readers sync.WaitGroup
}

func (u *udpTargets) init(source netip.Addr) {
	u.source, u.targets = source, make(map[netip.AddrPort]*udpTarget)
}

// acquire returns the target of an address, for use until release.
func (u *udpTargets) acquire(remote netip.AddrPort) (*udpTarget, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil, net.ErrClosed
	}
	if t := u.targets[remote]; t != nil {
		t.users++
		return t, nil
	}
	var local *net.UDPAddr
	if u.source.IsValid() {
		local = net.UDPAddrFromAddrPort(netip.AddrPortFrom(u.source, 0))
	}
	conn, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(remote))
	if err != nil {
		return nil, err
	}
	t := &udpTarget{remote: remote, conn: conn, users: 1, pending: make(map[uint32]pendingReply)}
	u.targets[remote] = t
	u.readers.Go(t.read)
	return t, nil
}

// release ends a use; a target that is unused for as long as connection ids live is closed.
func (u *udpTargets) release(t *udpTarget) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if t.users--; t.users > 0 || u.closed {
		return
	}
	if t.idle != nil {
		t.idle.Stop()
	}
	t.idle = time.AfterFunc(connIDLife, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if t.users == 0 && u.targets[t.remote] == t {
			delete(u.targets, t.remote)
			t.conn.Close()
		}
	})
}

func (u *udpTargets) close() error {
	u.mu.Lock()
	u.closed = true
	for _, t := range u.targets {
		if t.idle != nil {
			t.idle.Stop()
		}
		t.conn.Close()
	}
	clear(u.targets)
	u.mu.Unlock()
	u.readers.Wait()
	return nil
}

// udpTarget is a socket connected to one tracker address.
type udpTarget struct {
	remote netip.AddrPort
	conn   *net.UDPConn

	users int         // guarded by udpTargets.mu
	idle  *time.Timer // guarded by udpTargets.mu

	mu      sync.Mutex // guards the rest
	id      uint64
	idSince time.Time // zero: no id
	pending map[uint32]pendingReply
}

// pendingReply is where to put the reply to a transaction.
type pendingReply struct {
	action announce.Action
	to     chan udpResult // buffered
}

type udpResult struct {
	reply announce.UDPReply
	err   error
}

func (t *udpTarget) connID() (uint64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.id, !t.idSince.IsZero() && time.Since(t.idSince) < connIDLife
}

func (t *udpTarget) keepConnID(id uint64) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.id, t.idSince = id, time.Now()
	return id
}

func (t *udpTarget) dropConnID(id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.id == id {
		t.idSince = time.Time{}
	}
}

// roundTrip sends one packet and waits for its reply: errNoReply after wait, *announce.RefusedError for an error reply.
func (t *udpTarget) roundTrip(ctx context.Context, action announce.Action, wait time.Duration, build func([]byte, uint32) []byte) (announce.UDPReply, error) {
	tx := uint32(randomUint64()) // unguessable: it is what tells a reply from a forgery
	to := make(chan udpResult, 1)
	t.mu.Lock()
	t.pending[tx] = pendingReply{action, to}
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		delete(t.pending, tx)
		t.mu.Unlock()
	}()
	if _, err := t.conn.Write(build(nil, tx)); err != nil {
		return announce.UDPReply{}, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case r := <-to:
		if r.err == nil && r.reply.Action == announce.ActionError {
			r.err = &announce.RefusedError{Reason: r.reply.Error}
		}
		return r.reply, r.err
	case <-timer.C:
		return announce.UDPReply{}, errNoReply
	case <-ctx.Done():
		return announce.UDPReply{}, fmt.Errorf("%w: %w", errTimeout(ctx), context.Cause(ctx))
	}
}

// errTimeout names a context's end so that it reads well behind the name of a tracker.
func errTimeout(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return errors.New("no reply in time")
	}
	return errors.New("given up")
}

// read hands replies to who waits for them, until the socket is closed.
func (t *udpTarget) read() {
	buf := make([]byte, 64<<10)
	v6 := t.remote.Addr().Is6()
	for failures := 0; ; {
		n, err := t.conn.Read(buf)
		if err != nil {
			t.fail(err)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// An ICMP error (nobody listens there, no way there) ends the exchange, not the socket. One that fails every time
			// must not spin until it is closed.
			if failures++; failures > 16 {
				time.Sleep(10 * time.Millisecond)
			}
			continue
		}
		failures = 0
		reply, err := announce.ParseUDPReply(buf[:n], v6)
		t.mu.Lock()
		if p, ok := t.pending[reply.Tx]; ok && (reply.Action == p.action || reply.Action == announce.ActionError) {
			delete(t.pending, reply.Tx)
			p.to <- udpResult{reply, err}
		}
		t.mu.Unlock()
	}
}

// fail ends all that wait.
func (t *udpTarget) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for tx, p := range t.pending {
		delete(t.pending, tx)
		p.to <- udpResult{err: err}
	}
}
