package cli

import (
	"context"
	"errors"
	"time"

	"github.com/eddy-p2p/eddy"
)

// copiesGrace is how long share goes on after the last wanted copy, so that the peers can still tell the tracker and each
// other.
const copiesGrace = 2 * time.Second

// serving is a set of torrents being served until somebody says stop.
type serving struct {
	inv         *invocation
	torrents    []*eddy.Torrent
	untilCopies int  // leave once each torrent has so many complete copies; 0 = never
	partial     bool // some inputs failed already
}

// run serves until ctx is done, which is a good end, or until the copies are out, or nothing is left to serve.
func (s *serving) run(ctx context.Context) error {
	lost := make(chan error)
	quit := make(chan struct{})
	defer close(quit)
	for _, t := range s.torrents {
		go s.watch(t, lost, quit)
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return s.end(ctx)
		case err := <-lost:
			failures++
			if len(s.torrents) == 1 && !s.partial {
				return err
			}
			s.complain(err)
			if s.partial = true; failures == len(s.torrents) {
				return silentCode(exitIncomplete)
			}
		case <-tick.C:
			if s.untilCopies > 0 && s.delivered() {
				sleep(ctx, copiesGrace)
				return s.end(ctx)
			}
		}
	}
}

// watch reports a torrent that fails.
func (s *serving) watch(t *eddy.Torrent, lost chan<- error, quit <-chan struct{}) {
	select {
	case <-quit:
	case <-t.Failed():
		select {
		case lost <- fail("serving", t.Path(), t.Err()):
		case <-quit:
		}
	}
}

func (s *serving) complain(err error) {
	var failure *Failure
	if errors.As(err, &failure) {
		s.inv.complain(failure)
	}
}

// delivered reports whether each torrent that still runs has its copies.
func (s *serving) delivered() bool {
	for _, t := range s.torrents {
		if st := t.Stats(); st.State != eddy.Failed && st.Copies < s.untilCopies {
			return false
		}
	}
	return true
}

// end is the result of an orderly end. A signal ends a server well; that ctx ended for another reason is a failure.
func (s *serving) end(ctx context.Context) error {
	var signal *signalError
	if err := context.Cause(ctx); err != nil && !errors.As(err, &signal) && !errors.Is(err, context.Canceled) {
		return fail("serving", "", err)
	}
	if s.partial {
		return silentCode(exitIncomplete)
	}
	return nil
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// emitProgress writes the event of each torrent.
func (inv *invocation) emitProgress(torrents []*eddy.Torrent) {
	for _, t := range torrents {
		inv.events.emit(progressOf(t))
	}
}
