package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

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
	near     bool // on our own machine
	outgoing bool
	extended bool          // BEP 10
	rtt      time.Duration // round trip when it was set up; 0 = unknown

	// guarded by t.mu
	id        swarm.Peer
	since     time.Duration  // when it joined
	dirty     bool           // has something queued since the last flush
	dismissed bool           // the brain asked to close it
	listens   netip.AddrPort // where it accepts connections, held in the book: what it says (BEP 10 "p"), or where we dialled
	client    string         // as it says (BEP 10 "v")
	lacked    bool           // it was seen to fetch
	worth     outcome        // what the book shall think of the connection
}

// Why a connection is not to be.
var (
	errTwin   = errors.New("connected already")
	errMyself = errors.New("this is ourselves")
)

// talk runs a connection whose handshake is done, until it ends.
func (t *Torrent) talk(conn netx.Conn, theirs wire.Handshake, outgoing bool) {
	l := &link{
		t: t, addr: conn.RemoteAddr(), near: conn.LocalAddr().Addr() == conn.RemoteAddr().Addr(),
		peerID: theirs.PeerID, outgoing: outgoing, extended: theirs.Extended(), rtt: netx.RTT(conn),
	}
	l.conn = peer.New(peer.Config{
		Conn: conn, Handler: l, PieceLength: t.layout.PieceLength,
		ReadPool: t.e.readPool, WritePool: t.e.sendPool, MaxMessage: wire.Limit(t.layout.NumPieces()),
	})
	if outgoing {
		l.listens = l.addr
	}
	if err := t.join(l, theirs.Fast()); err != nil {
		t.log.Debug("peer turned away", "peer", l.addr, "err", err)
		if l.listens.IsValid() {
			t.book.done(l.listens, t.e.wall(), needless)
		}
		return
	}
	defer t.talks.Done()
	// Not ended by the torrent's context: hangUp lets each connection write what is queued first.
	t.leave(l, l.conn.Run(context.Background()))
}

// join enters l into the swarm, unless the torrent is stopping, it is banned, or it is connected already.
func (t *Torrent) join(l *link, fast bool) error {
	if l.peerID == t.e.peerID {
		if l.outgoing {
			t.book.ban(l.peerID, true, l.addr)
		}
		return errMyself
	}
	if t.book.refuses(l.addr, l.peerID) {
		return errBanned
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sw == nil || t.stopping {
		return ErrClosed
	}
	l.since = t.e.now()
	if twin := t.byID[l.peerID]; twin != nil {
		if !t.prefers(l, twin) {
			if !twin.listens.IsValid() { // that is where it accepts: not to be connected again while the twin lives
				twin.listens, l.listens = l.listens, netip.AddrPort{}
			}
			return errTwin
		}
		t.remove(twin)
		twin.conn.Close(errors.New("replaced by the peer's other connection"))
	}
	for l.id = 0; t.links[l.id] != nil; l.id++ { // the brain wants small numbers, free ones are used again
	}
	t.links[l.id], t.byID[l.peerID] = l, l
	t.talks.Add(1)
	t.tellLocked("welcoming a peer", func(now time.Duration) {
		t.sw.Join(now, l.id, swarm.PeerInfo{Fast: fast, Addr: l.addr, Outgoing: l.outgoing, RTT: l.rtt})
		if l.extended {
			t.introduce(l)
		}
	})
	t.log.Debug("peer joined", "peer", l.addr, "outgoing", l.outgoing, "fast", fast)
	return nil
}

// prefers decides between two connections with the same peer, when both ends dialled at once: both must keep the same
// one, so it is that which the smaller peer id began. A second connection of the same direction is refused, and so is one
// that comes later from elsewhere: anybody can claim a peer's id, and must not be able to end its connections.
func (t *Torrent) prefers(l, twin *link) bool {
	if l.outgoing == twin.outgoing || l.addr.Addr() != twin.addr.Addr() && l.since-twin.since > peer.HandshakeTimeout {
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
	t.account(l)
	delete(t.links, l.id)
	if t.byID[l.peerID] == l {
		delete(t.byID, l.peerID)
	}
	t.tellLocked("missing a peer", func(now time.Duration) { t.sw.Leave(now, l.id) })
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
	listens, worth := l.listens, l.worth
	t.mu.Unlock()
	if listens.IsValid() {
		t.book.done(listens, t.e.wall(), worth)
	}
	t.dialDue()
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
func (l *link) Receive(_ *peer.Conn, slab *netx.Slab, msgs []wire.Message) (err error) {
	t := l.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.links[l.id] != l { // closed meanwhile; what still arrives is nobody's
		return ErrClosed
	}
	if l.dismissed { // the brain is done with it; the writer sends it the rest
		return nil
	}
	if !t.tellLocked("listening to a peer", func(now time.Duration) { err = l.take(now, slab, msgs) }) {
		return ErrClosed
	}
	return err
}

// take passes messages on to the brain, and the blocks that it wants to the disk; t.mu is held. The error is the peer's; what
// the brain took before it is written all the same.
func (l *link) take(now time.Duration, slab *netx.Slab, msgs []wire.Message) (err error) {
	t := l.t
	b := batches.Get().(*batch)
	for i := range msgs {
		m := &msgs[i]
		switch {
		case m.Kind == wire.Extended:
			err = t.hear(l, m)
		case t.sw.Receive(now, l.id, m):
			b.segs = append(b.segs, disk.Segment{Piece: int32(m.Index), Begin: int32(m.Begin), Data: m.Payload})
		case m.Kind == wire.Have || m.Kind == wire.Bitfield || m.Kind == wire.HaveAll || m.Kind == wire.HaveNone:
			t.watch(l)
		}
		if err != nil {
			break
		}
	}
	if len(b.segs) == 0 {
		b.Release()
		return err
	}
	slab.Retain(1)
	b.slab = slab
	// Before the brain's actions are carried out: a piece is verified only after all its blocks were queued, whichever
	// connections brought them.
	t.disk.Write(b.segs, b)
	return err
}

// watch notices when a peer that lacked something has become complete: one more copy was delivered. t.mu is held.
func (t *Torrent) watch(l *link) {
	ps, ok := t.sw.PeerStats(l.id)
	if !ok {
		return
	}
	if !ps.Complete {
		// Interest tells a peer that fetches from a seed that reveals its pieces one by one.
		l.lacked = l.lacked || ps.Interested
		return
	}
	if l.lacked {
		t.session.copied[l.peerID] = true
	}
}

// ReadContent implements peer.Handler.
func (l *link) ReadContent(bufs [][]byte, off int64) error {
	if err := l.t.content.store.ReadVecAt(bufs, off); err != nil {
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
	l.tell("counting what was sent", func(now time.Duration) { l.t.sw.Sent(now, l.id, blocks, bytes) })
}

// Unserved implements peer.Handler: a read error is ours, never the peer's.
func (l *link) Unserved(_ *peer.Conn, blocks []wire.Message, err error) {
	l.tell("giving up on blocks", func(now time.Duration) {
		for i := range blocks {
			l.t.sw.Unserved(now, l.id, blocks[i])
		}
	})
	l.t.fail(fmt.Errorf("serving piece %d of %s: %w", blocks[0].Index, l.t.name(), err))
}

// tell passes on news about a peer that has not left.
func (l *link) tell(doing string, news func(now time.Duration)) {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	if l.t.links[l.id] == l {
		l.t.tellLocked(doing, news)
	}
}
