package engine

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// ErrInternal marks a programming error that a torrent ran into. It ends that torrent; the others go on.
var ErrInternal = errors.New("internal error")

// contain runs f; a panic becomes the torrent's failure: no remote input may stop the process (trust: promise 5).
func (t *Torrent) contain(doing string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			t.fail(t.panicked(doing, p))
		}
	}()
	f()
}

func (t *Torrent) panicked(doing string, p any) error {
	t.e.panics.Add(1)
	t.log.Error("internal error", "doing", doing, "panic", p, "stack", string(debug.Stack()))
	return fmt.Errorf("%w while %s: %v", ErrInternal, doing, p)
}

// tell passes news on to the brain and carries out what it asks for. After a panic nothing is asked of that brain any more:
// who knows what it believes. It reports whether the brain got the news.
func (t *Torrent) tell(doing string, news func(now time.Duration)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tellLocked(doing, news)
}

// tellLocked is tell for those who hold t.mu.
func (t *Torrent) tellLocked(doing string, news func(now time.Duration)) (told bool) {
	if t.sw == nil {
		return false
	}
	defer func() {
		if p := recover(); p != nil {
			t.sw, told = nil, false
			t.failLocked(t.panicked(doing, p))
		}
	}()
	now := t.e.now()
	news(now)
	t.drain(now)
	return true
}
