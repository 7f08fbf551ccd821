package engine

import (
	"fmt"
	"time"

	"github.com/eddy-p2p/eddy/storage"
)

const (
	firstLook = 2 * time.Second // after the disk was full, for space; doubled while going on gained nothing
	lastLook  = time.Minute
	spaceStep = 16 << 20 // bytes free to go on with, if that much is needed
)

// shortage is a torrent's waiting for disk space; guarded by Torrent.mu.
type shortage struct {
	timer *time.Timer
	wait  time.Duration
	bytes int64 // that were verified when it last paused
}

// pause waits for disk space; t.mu is held, and the brain has the word. Where free space is not what stands in the way, as
// under a quota, going on fails again at once: so waits grow until a piece was verified in between.
func (t *Torrent) pause(now time.Duration) {
	p, s := &t.progress, &t.space
	if p.state != Downloading {
		return
	}
	p.state = Paused
	p.problem = fmt.Sprintf("disk full at %s: free some space and the transfer goes on by itself", t.spec.Root)
	t.log.Info("paused", "reason", p.problem)
	t.sw.SetPaused(now, true)
	s.wait = min(2*s.wait, lastLook)
	if s.wait == 0 || p.bytes > s.bytes {
		s.wait = firstLook
	}
	s.bytes = p.bytes
	t.lookAgain()
}

// lookAgain sets the timer; t.mu is held.
func (t *Torrent) lookAgain() {
	switch s := &t.space; {
	case t.stopping:
	case s.timer == nil:
		s.timer = time.AfterFunc(s.wait, func() { t.contain("looking for space", t.retrySpace) })
	default:
		s.timer.Reset(s.wait)
	}
}

// retrySpace goes on once there is room for all that is missing, or for a good part of it.
func (t *Torrent) retrySpace() {
	enough := t.enoughSpace()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopping || t.progress.state != Paused {
		return
	}
	if !enough {
		t.lookAgain()
		return
	}
	t.progress.state, t.progress.problem = Downloading, ""
	t.log.Info("there is space again, going on")
	t.tellLocked("going on", func(now time.Duration) { t.sw.SetPaused(now, false) })
}

// enoughSpace reports whether to go on. Where the system does not tell, the next write will.
func (t *Torrent) enoughSpace() bool {
	need, err := t.content.store.Required()
	if err != nil {
		return true
	}
	free, err := storage.FreeSpace(t.spec.Root)
	return err != nil || free >= uint64(min(max(need, 0), max(4*t.layout.PieceLength, spaceStep)))
}
