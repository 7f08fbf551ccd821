package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/swarm"
	"github.com/eddy-p2p/eddy/internal/drive/disk"
	"github.com/eddy-p2p/eddy/storage"
)

var errBanned = errors.New("banned")

// drain carries out what the brain asks for, and sets the timer for its next deadline; t.mu is held.
func (t *Torrent) drain(now time.Duration) {
	for {
		a, ok := t.sw.Next()
		if !ok {
			break
		}
		switch a.Kind {
		case swarm.Send:
			if l := t.links[a.Peer]; l != nil {
				l.conn.Send(&a.Msg)
				t.touch(l)
			}
		case swarm.Serve:
			if l := t.links[a.Peer]; l != nil {
				l.conn.Serve(&a.Msg)
				t.touch(l)
			}
		case swarm.Verify:
			t.progress.asked[int(a.Msg.Index)] = true
			t.disk.Verify(int(a.Msg.Index), a.Digests)
		case swarm.Close:
			t.dismiss(a)
		case swarm.Completed:
			// The files are renamed by the worker that brought the last verdict: see onVerdict.
		}
	}
	for i, l := range t.dirty {
		l.dirty = false
		l.conn.Flush()
		t.dirty[i] = nil
	}
	t.dirty = t.dirty[:0]
	t.arm(now)
}

// touch remembers that l has something to send.
func (t *Torrent) touch(l *link) {
	if !l.dirty {
		l.dirty = true
		t.dirty = append(t.dirty, l)
	}
}

// dismiss closes a connection as the brain asks; the brain hears of its end when the connection's goroutines have ended.
func (t *Torrent) dismiss(a swarm.Action) {
	l := t.links[a.Peer]
	if l == nil || l.dismissed {
		return
	}
	l.dismissed = true
	if a.Ban {
		t.session.banned++
		addrs := []netip.AddrPort{l.addr}
		if l.listens.IsValid() && l.listens != l.addr {
			addrs = append(addrs, l.listens)
		}
		t.book.ban(l.peerID, l.near || l.addr.Addr().IsLoopback(), addrs...)
		t.log.Warn("peer banned", "peer", l.addr, "client", l.client, "reason", a.Err)
		l.conn.Close(a.Err)
		return
	}
	l.conn.Finish(a.Err)
}

// arm sets the timer for the brain's next deadline.
func (t *Torrent) arm(now time.Duration) {
	at, ok := t.sw.NextTick()
	if !ok {
		at = 0
	}
	if at == t.alarm.at || t.stopping {
		return
	}
	t.alarm.at = at
	if at == 0 {
		t.alarm.timer.Stop()
		return
	}
	t.alarm.timer.Reset(max(at-now, 0))
}

// tick runs when the timer fires.
func (t *Torrent) tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.alarm.at = 0
	if !t.stopping {
		t.tellLocked("keeping time", func(now time.Duration) { t.sw.Tick(now) })
	}
}

// onResult takes what a disk worker found. It is called from the worker.
func (t *Torrent) onResult(r disk.Result) {
	t.contain("hearing of the disk", func() { t.heed(r) })
}

func (t *Torrent) heed(r disk.Result) {
	switch r.Kind {
	case disk.Verified:
		t.onVerdict(r)
	case disk.WriteFailed:
		t.onWriteFailed(r)
	case disk.ReadFailed:
		t.fail(fmt.Errorf("reading piece %d of %s back: %w", r.Piece, t.name(), r.Err))
	case disk.Finished:
		t.onFinished(r)
	case disk.SyncFailed:
		// The system may have dropped the pages that it could not write: nothing since the last commit is certain.
		t.fail(fmt.Errorf("making the data of %s durable: %w; check the disk, then run again: what was not safe is verified and fetched again", t.name(), r.Err))
	default:
		t.fail(fmt.Errorf("writing %s: %w", t.name(), r.Err))
	}
}

// onVerdict tells the brain about a piece, and gives complete files their final names.
func (t *Torrent) onVerdict(r disk.Result) {
	if !r.OK {
		t.log.Warn("piece failed its hash check", "piece", r.Piece)
	}
	var ready []int
	t.tell("judging a piece", func(now time.Duration) {
		delete(t.progress.asked, r.Piece)
		t.sw.PieceDone(now, r.Piece, r.OK, r.Digests)
		if r.OK && t.sw.Have().Has(r.Piece) {
			ready = t.credit(r.Piece)
		}
	})
	if len(ready) > 0 {
		t.finish(ready)
	}
}

// credit counts a verified piece and returns the files that it completes; t.mu is held.
func (t *Torrent) credit(piece int) (ready []int) {
	p := &t.progress
	if p.verified.Has(piece) {
		return nil
	}
	p.verified.Add(piece)
	size := t.layout.PieceSize(piece)
	if p.wanted.Has(piece) {
		p.bytes += size
		if p.bytes == p.total {
			p.finished = time.Now()
		}
	}
	for _, i := range t.filesOf(piece) {
		if p.left[i]--; p.left[i] == 0 && t.wants(i) {
			ready = append(ready, i)
		}
	}
	p.announce()
	return ready
}

// announce wakes those who wait for pieces to be verified; Torrent.mu is held.
func (p *progress) announce() {
	close(p.news)
	p.news = make(chan struct{})
}

// onWriteFailed pauses on a full disk and fails on anything else. The piece is fetched again; nobody is blamed. The disk reports a
// failed write once when it happens, and again where a verdict on the piece is awaited: only one of them may tell the brain,
// or it would drop the piece's next attempt with the first.
func (t *Torrent) onWriteFailed(r disk.Result) {
	if !errors.Is(r.Err, storage.ErrNoSpace) {
		t.fail(fmt.Errorf("writing piece %d of %s: %w", r.Piece, t.name(), r.Err))
		return
	}
	t.tell("losing a piece", func(now time.Duration) {
		t.pause(now)
		if r.Asked {
			delete(t.progress.asked, r.Piece)
		}
		if !t.progress.asked[r.Piece] {
			t.disk.Forget(r.Piece)
			t.sw.PieceLost(now, r.Piece)
		}
	})
}
