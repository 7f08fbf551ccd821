package engine

import (
	"container/list"
	"context"
	"runtime/debug"
	"sync"

	"github.com/eddy-p2p/eddy/internal/drive/netx"
	"github.com/eddy-p2p/eddy/internal/drive/peer"
	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// maxHalfOpen bounds the connections that have not sent their handshake. When one more arrives, the oldest gives way: a
// silent crowd holds little memory, and an honest peer, which sends its handshake at once, still gets in (trust).
const maxHalfOpen = 1000

// halfOpen holds the connections without a handshake, oldest first.
type halfOpen struct {
	mu     sync.Mutex
	conns  list.List
	closed bool
}

// enter registers conn and returns how to take it out again; ok is false once the engine stops.
func (h *halfOpen) enter(conn netx.Conn) (leave func(), ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, false
	}
	if h.conns.Len() >= maxHalfOpen {
		oldest := h.conns.Remove(h.conns.Front()).(netx.Conn)
		oldest.Close()
	}
	at := h.conns.PushBack(conn)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.conns.Remove(at)
	}, true
}

func (h *halfOpen) closeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for at := h.conns.Front(); at != nil; at = at.Next() {
		at.Value.(netx.Conn).Close()
	}
}

// accept takes incoming connections until ctx is done.
func (e *Engine) accept(ctx context.Context) error {
	for {
		conn, err := e.ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			return err
		}
		leave, ok := e.halfOpen.enter(conn)
		if !ok {
			conn.Close()
			return nil
		}
		e.wg.Go(func() { e.greet(ctx, conn, leave) })
	}
}

// greet answers the handshake of an incoming connection and joins it to its torrent.
func (e *Engine) greet(ctx context.Context, conn netx.Conn, leave func()) {
	defer conn.Close()
	defer func() {
		if p := recover(); p != nil { // nothing of a torrent has seen the connection yet
			e.panics.Add(1)
			e.log.Error("internal error in a handshake", "peer", conn.RemoteAddr(), "panic", p, "stack", string(debug.Stack()))
		}
	}()
	var t *Torrent
	var end func()
	theirs, err := peer.Respond(conn, func(theirs wire.Handshake) (wire.Handshake, error) {
		if t = e.lookup(theirs.InfoHash); t == nil || !t.accepting() {
			return wire.Handshake{}, peer.ErrUnknownTorrent
		}
		if end = e.lease(t); end == nil {
			return wire.Handshake{}, errFull
		}
		return e.handshake(theirs.InfoHash), nil
	})
	leave()
	if end != nil {
		defer end()
	}
	if err != nil {
		e.log.Debug("incoming peer turned away", "peer", conn.RemoteAddr(), "err", err)
		return
	}
	t.contain("talking with a peer", func() { t.talk(conn, theirs, false) })
}

// handshake is what we say of ourselves: BEP 10 and BEP 6.
func (e *Engine) handshake(infohash [20]byte) wire.Handshake {
	h := wire.Handshake{InfoHash: infohash, PeerID: e.peerID}
	h.SetExtended(true)
	h.SetFast(true)
	return h
}
