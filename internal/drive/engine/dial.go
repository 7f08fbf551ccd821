package engine

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/netx"
	"github.com/eddy-p2p/eddy/internal/drive/peer"
	"github.com/eddy-p2p/eddy/internal/drive/tracker"
	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// maxDialling bounds the connections that a torrent is setting up at once.
const maxDialling = 20

// seeking is how a torrent comes by its peers; guarded by Torrent.mu.
type seeking struct {
	ctx        context.Context      // nil before the torrent is in its swarm
	dials      int                  // connections being set up
	timer      *time.Timer          // dials again when the next address falls due
	announcers []*tracker.Announcer // of its trackers, and of each source; none before it is announced
}

// AddPeers offers addresses to connect to.
func (t *Torrent) AddPeers(addrs ...netip.AddrPort) {
	fresh := false
	for _, a := range addrs {
		if t.book.add(a) {
			fresh = true
		}
	}
	if fresh {
		t.dialDue()
	}
}

// startDialling connects to known addresses from now on, until ctx is done.
func (t *Torrent) startDialling(ctx context.Context) {
	t.mu.Lock()
	t.seeking.ctx = ctx
	t.mu.Unlock()
	t.dialDue()
}

// dialDue connects to addresses that are due, as far as there is room, and sets the timer for the next. To be called when there
// may be more of either: so a torrent that knows nobody has neither goroutine nor timer for it.
func (t *Torrent) dialDue() {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := &t.seeking
	if d.ctx == nil || t.stopping || t.progress.err != nil {
		return
	}
	room := min(maxDialling-d.dials, t.e.cfg.MaxPeers-len(t.links)-d.dials)
	due, next := t.book.pick(t.e.wall(), max(room, 0))
	for _, addr := range due {
		d.dials++
		t.talks.Go(func() { t.contain("connecting", func() { t.connect(d.ctx, addr) }) })
	}
	if next.IsZero() {
		return
	}
	wait := max(time.Until(next), 50*time.Millisecond)
	if d.timer == nil {
		d.timer = time.AfterFunc(wait, func() { t.contain("connecting", t.dialDue) })
	} else {
		d.timer.Reset(wait)
	}
}

// connect dials addr, shakes hands and runs the connection until it ends.
func (t *Torrent) connect(ctx context.Context, addr netip.AddrPort) {
	end := t.e.lease(t)
	if end == nil {
		t.dialled(addr, errFull)
		return
	}
	defer end()
	conn, theirs, err := t.shake(ctx, addr)
	t.dialled(addr, err)
	if err == nil {
		defer conn.Close()
		t.talk(conn, theirs, true) // it tells the book when it has ended
	}
}

// dialled notes that a connection is no longer being set up.
func (t *Torrent) dialled(addr netip.AddrPort, err error) {
	t.mu.Lock()
	t.seeking.dials--
	t.mu.Unlock()
	if err != nil {
		t.log.Debug("connecting", "peer", addr, "err", err)
		how := unreachable
		if err == errFull {
			how = fruitless
		}
		t.book.done(addr, t.e.wall(), how)
	}
	t.dialDue()
}

// shake sets up a connection and does the handshake.
func (t *Torrent) shake(ctx context.Context, addr netip.AddrPort) (netx.Conn, wire.Handshake, error) {
	conn, err := t.e.dialer.Dial(ctx, addr)
	if err != nil {
		return nil, wire.Handshake{}, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	theirs, err := peer.Initiate(conn, t.e.handshake(t.wireID()))
	if err != nil {
		conn.Close()
		return nil, theirs, err
	}
	return conn, theirs, nil
}

// resolveAgain is when the names of peers are looked up again: they move, and those that did not answer are given up.
const resolveAgain = 2 * time.Minute

// resolvePeers looks up the peers that the user named, and again every few minutes, until ctx is done.
func (t *Torrent) resolvePeers(ctx context.Context) {
	ticker := time.NewTicker(resolveAgain)
	defer ticker.Stop()
	for {
		for _, hostport := range t.spec.Peers {
			addr, err := t.resolve(ctx, hostport)
			if err != nil {
				t.log.Warn("looking up a peer", "peer", hostport, "err", err)
				continue
			}
			t.AddPeers(addr...)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (t *Torrent) resolve(ctx context.Context, hostport string) ([]netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, fmt.Errorf("%q is not HOST:PORT: %w", hostport, err)
	}
	n, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	for _, ip := range ips {
		out = append(out, netip.AddrPortFrom(ip.Unmap(), uint16(n)))
	}
	return out, nil
}
