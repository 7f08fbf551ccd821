package engine

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/netx"
	"github.com/eddy-p2p/eddy/internal/drive/peer"
	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// maxDialling bounds the connections that a torrent is setting up at once.
const maxDialling = 20

// wakeDialer makes dialPeers look at the book again.
func (t *Torrent) wakeDialer() {
	select {
	case t.dial <- struct{}{}:
	default:
	}
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
		t.wakeDialer()
	}
}

// dialPeers keeps the torrent connected to known addresses until ctx is done. It returns when all connections have ended.
func (t *Torrent) dialPeers(ctx context.Context) {
	slots := make(chan struct{}, maxDialling)
	for ctx.Err() == nil {
		due, next := t.book.pick(t.e.wall(), t.room(cap(slots)-len(slots)))
		for _, addr := range due {
			slots <- struct{}{}
			t.e.wg.Go(func() {
				worked := t.connect(ctx, addr, func() { <-slots; t.wakeDialer() })
				if !worked {
					t.book.done(addr, t.e.wall(), false)
				}
			})
		}
		wait := time.Minute
		if !next.IsZero() {
			wait = max(time.Until(next), 50*time.Millisecond)
		}
		select {
		case <-ctx.Done():
		case <-t.dial:
		case <-time.After(wait):
		}
	}
}

// room is how many more connections to begin, at most n.
func (t *Torrent) room(n int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopping || t.progress.err != nil {
		return 0
	}
	return max(0, min(n, t.e.cfg.MaxPeers-len(t.links)))
}

// connect dials addr, shakes hands and runs the connection. ready is called when it no longer counts as being set up. It reports whether the
// handshake was completed.
func (t *Torrent) connect(ctx context.Context, addr netip.AddrPort, ready func()) bool {
	conn, err := t.shake(ctx, addr)
	if err != nil {
		ready()
		t.log.Debug("connecting", "peer", addr, "err", err)
		return false
	}
	ready()
	t.talk(ctx, conn.Conn, conn.theirs, true) // it tells the book when it has ended
	return true
}

type shaken struct {
	netx.Conn
	theirs wire.Handshake
}

// shake sets up a connection and does the handshake.
func (t *Torrent) shake(ctx context.Context, addr netip.AddrPort) (shaken, error) {
	conn, err := t.e.dialer.Dial(ctx, addr)
	if err != nil {
		return shaken{}, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	theirs, err := peer.Initiate(conn, t.e.handshake(t.wireID))
	stop()
	if err != nil {
		conn.Close()
		return shaken{}, err
	}
	return shaken{conn, theirs}, nil
}

// resolvePeers looks up the peers that the user named, and again every few minutes: names move.
func (t *Torrent) resolvePeers(ctx context.Context) {
	for _, hostport := range t.spec.Peers {
		addr, err := t.resolve(ctx, hostport)
		if err != nil {
			t.log.Warn("looking up a peer", "peer", hostport, "err", err)
			continue
		}
		t.AddPeers(addr...)
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
