package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/eddy-p2p/eddy/internal/core/swarm"
	"github.com/eddy-p2p/eddy/internal/drive/disk"
	"github.com/eddy-p2p/eddy/internal/drive/netx"
	"github.com/eddy-p2p/eddy/internal/drive/peer"
	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// link is one connected peer of a torrent. It is the Handler of its connection.
type link struct {
	t        *Torrent
	conn     *peer.Conn
	addr     netip.AddrPort // the connection's other end
	peerID   [20]byte
	outgoing bool
	extended bool // BEP 10

	// guarded by t.mu
	id      swarm.Peer
	dirty   bool           // has something queued since the last flush
	listens netip.AddrPort // where it accepts connections, as it says (BEP 10 "p"); for outgoing ones addr
	client  string         // as it says (BEP 10 "v")
	lacked  bool           // it was seen without a complete copy
	giver   bool           // it says that it wants nothing (BEP 21)

	dismissed bool // the brain asked to close it
}

// errTwin refuses a second connection with the same peer.
var errTwin = errors.New("connected already")

// talk runs a connection whose handshake is done, until it ends.
func (t *Torrent) talk(ctx context.Context, conn netx.Conn, theirs wire.Handshake, outgoing bool) {
	end, ok := t.e.lease(t)
	if !ok {
		t.log.Debug("peer turned away", "peer", conn.RemoteAddr(), "err", "too many connections")
		conn.Close()
		if outgoing {
			t.book.done(conn.RemoteAddr(), t.e.wall(), true)
		}
		return
	}
	defer end()
	l := &link{t: t, addr: conn.RemoteAddr(), peerID: theirs.PeerID, outgoing: outgoing, extended: theirs.Extended()}
	l.conn = peer.New(peer.Config{
		Conn: conn, Handler: l, PieceLength: t.layout.PieceLength,
		ReadPool: t.e.readPool, WritePool: t.e.sendPool, MaxMessage: wire.Limit(t.layout.NumPieces()),
	})
	if outgoing {
		l.listens = l.addr
	}
	if err := t.join(l, theirs.Fast()); err != nil {
		t.log.Debug("peer turned away", "peer", l.addr, "err", err)
		conn.Close()
		if outgoing && !errors.Is(err, errTwin) {
			t.book.done(l.addr, t.e.wall(), true)
		}
		return
	}
	defer t.talks.Done()
	// Not ended by ctx: mingle lets each connection write what is queued first.
	t.leave(l, l.conn.Run(context.WithoutCancel(ctx)))
}

// join enters l into the swarm, unless the torrent is full, it is banned, or it is connected already.
func (t *Torrent) join(l *link, fast bool) error {
	if l.peerID == t.e.peerID {
		t.book.ban(l.addr, l.peerID)
		return errors.New("this is ourselves")
	}
	if t.book.refuses(l.addr, l.peerID) {
		return errors.New("banned")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sw == nil || t.stopping {
		return ErrClosed
	}
	if twin := t.byID[l.peerID]; twin != nil {
		if !t.prefers(l, twin) {
			if l.outgoing && !twin.listens.IsValid() {
				twin.listens = l.addr // that is where it accepts: not to be connected again while the twin lives
			}
			return errTwin
		}
		t.remove(twin)
		twin.conn.Close(errors.New("replaced by the peer's other connection"))
	}
	for t.nextID++; t.links[t.nextID] != nil; t.nextID++ {
	}
	l.id = t.nextID
	t.links[l.id], t.byID[l.peerID] = l, l
	t.talks.Add(1)
	now := t.e.now()
	t.sw.Join(now, l.id, swarm.PeerInfo{Fast: fast, Addr: l.addr, Outgoing: l.outgoing})
	if l.extended {
		t.introduce(l)
	}
	t.drain(now)
	t.log.Debug("peer joined", "peer", l.addr, "outgoing", l.outgoing, "fast", fast)
	return nil
}

// prefers decides between two connections with the same peer, when both ends dialled at once: both must keep the same
// one, so it is that which the smaller peer id began. A second connection of the same direction is refused.
func (t *Torrent) prefers(l, twin *link) bool {
	if l.outgoing == twin.outgoing {
		return false
	}
	weAreSmaller := string(t.e.peerID[:]) < string(l.peerID[:])
	return l.outgoing == weAreSmaller
}

// remove takes l out of the swarm; t.mu is held. It is harmless to repeat.
func (t *Torrent) remove(l *link) {
	if t.links[l.id] != l {
		return
	}
	delete(t.links, l.id)
	if t.byID[l.peerID] == l {
		delete(t.byID, l.peerID)
	}
	t.account(l)
	now := t.e.now()
	t.sw.Leave(now, l.id)
	t.drain(now)
}

// leave is called once the connection has ended.
func (t *Torrent) leave(l *link, cause error) {
	t.log.Debug("peer left", "peer", l.addr, "cause", cause)
	if errors.Is(cause, peer.ErrPanic) {
		t.e.panics.Add(1)
		t.log.Error("a peer connection failed", "peer", l.addr, "err", cause)
	}
	t.mu.Lock()
	t.remove(l)
	listens := l.listens
	t.mu.Unlock()
	if listens.IsValid() {
		t.book.done(listens, t.e.wall(), true)
	}
	t.wakeDialer()
}

// batch is what one read brought for the disk: segments of one slab, in a reusable box.
type batch struct {
	segs []disk.Segment
	slab *netx.Slab
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// Release implements disk.Releaser.
func (b *batch) Release() {
	if b.slab != nil {
		b.slab.Release()
	}
	b.slab = nil
	clear(b.segs)
	b.segs = b.segs[:0]
	batches.Put(b)
}

// Receive implements peer.Handler.
func (l *link) Receive(_ *peer.Conn, slab *netx.Slab, msgs []wire.Message) error {
	t := l.t
	b := batches.Get().(*batch)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.links[l.id] != l { // closed meanwhile; what still arrives is nobody's
		b.Release()
		return ErrClosed
	}
	if l.dismissed { // the brain is done with it; the writer sends it the rest
		b.Release()
		return nil
	}
	now := t.e.now()
	var err error // the peer's; what the brain took before it is written all the same
	for i := range msgs {
		m := &msgs[i]
		switch {
		case err != nil:
		case m.Kind == wire.Extended:
			err = t.hear(now, l, m)
		case t.sw.Receive(now, l.id, m):
			b.segs = append(b.segs, disk.Segment{Piece: int32(m.Index), Begin: int32(m.Begin), Data: m.Payload})
		case m.Kind == wire.Have || m.Kind == wire.Bitfield || m.Kind == wire.HaveAll || m.Kind == wire.HaveNone:
			t.watch(l)
		}
	}
	if len(b.segs) > 0 {
		slab.Retain(1)
		b.slab = slab
		// Under the lock: a piece is verified only after all its blocks were queued, whichever connections brought them.
		t.disk.Write(b.segs, b)
	} else {
		b.Release()
	}
	t.drain(now)
	return err
}

// watch notices when a peer that lacked something has become complete: one more copy was delivered. t.mu is held.
func (t *Torrent) watch(l *link) {
	ps, ok := t.sw.PeerStats(l.id)
	if !ok {
		return
	}
	if !ps.Complete {
		l.lacked = true
		return
	}
	if l.lacked && !l.giver {
		t.copied[l.peerID] = true
	}
}

// ReadContent implements peer.Handler.
func (l *link) ReadContent(bufs [][]byte, off int64) error {
	if err := l.t.store.ReadVecAt(bufs, off); err != nil {
		return err
	}
	n := 0
	for _, b := range bufs {
		n += len(b)
	}
	return l.t.broken(off, int64(n))
}

// Sent implements peer.Handler.
func (l *link) Sent(_ *peer.Conn, blocks int, bytes int64) {
	t := l.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.links[l.id] != l {
		return
	}
	now := t.e.now()
	t.sw.Sent(now, l.id, blocks, bytes)
	t.drain(now)
}

// Unserved implements peer.Handler: a read error is ours, never the peer's.
func (l *link) Unserved(_ *peer.Conn, blocks []wire.Message, err error) {
	t := l.t
	t.mu.Lock()
	if t.links[l.id] == l {
		now := t.e.now()
		for i := range blocks {
			t.sw.Unserved(now, l.id, blocks[i])
		}
		t.drain(now)
	}
	t.mu.Unlock()
	t.fail(fmt.Errorf("serving piece %d of %s: %w", blocks[0].Index, t.name(), err))
}
