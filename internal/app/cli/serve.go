package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy"
)

const (
	// copiesGrace is how long share goes on after the last wanted copy, so that the peers can still tell the tracker and each
	// other.
	copiesGrace = 2 * time.Second

	lookAtNews  = 200 * time.Millisecond // for failures and copies
	lookAtStart = 20 * time.Millisecond  // while torrents are on their way to being served

	// recheckEvery is how often the files are looked at while nobody asks for them; where there are very many, so seldom that
	// it takes a twentieth of the time.
	recheckEvery = time.Second
	recheckShare = 20
)

// serving is a set of torrents being served until somebody says stop.
type serving struct {
	inv         *invocation
	torrents    []*eddy.Torrent
	untilCopies int                 // leave once each torrent has so many complete copies; 0 = never
	partial     bool                // some inputs failed already
	ready       func(*eddy.Torrent) // called once each torrent is verified; may be nil
	lost        func(*eddy.Torrent) // called when a torrent failed; may be nil
	look        func()              // called again and again meanwhile; may be nil

	waiting, running []*eddy.Torrent // not yet verified; neither failed. Polled: idle torrents should cost no goroutine
}

// run serves until ctx is done, which is a good end, or until the copies are out, or nothing is left to serve.
func (s *serving) run(ctx context.Context) error {
	s.running, s.waiting = slices.Clone(s.torrents), slices.Clone(s.torrents)
	rechecked, stop := make(chan struct{}), make(chan struct{})
	go func() { defer close(rechecked); s.recheck(ctx, stop) }()
	defer func() { close(stop); <-rechecked }()
	tick := time.NewTicker(lookAtStart)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return s.end(ctx)
		case <-tick.C:
		}
		if len(s.waiting) > 0 {
			if s.greet(); len(s.waiting) == 0 {
				tick.Reset(lookAtNews)
			}
		}
		if s.look != nil {
			s.look()
		}
		if err := s.mourn(); err != nil {
			return err
		}
		if s.untilCopies > 0 && s.delivered() {
			sleep(ctx, copiesGrace)
			return s.end(ctx)
		}
	}
}

// greet tells of the torrents that have become ready.
func (s *serving) greet() {
	s.waiting = slices.DeleteFunc(s.waiting, func(t *eddy.Torrent) bool {
		select {
		case <-t.Done():
			if s.ready != nil {
				s.ready(t)
			}
			return true
		case <-t.Failed():
			return true
		default:
			return false
		}
	})
}

// mourn tells of the torrents that have failed, and returns the end of the command when none is left.
func (s *serving) mourn() error {
	var last error
	s.running = slices.DeleteFunc(s.running, func(t *eddy.Torrent) bool {
		select {
		case <-t.Failed():
		default:
			return false
		}
		if s.lost != nil {
			s.lost(t)
		}
		last = fail("serving", t.Path(), t.Err())
		if len(s.torrents) > 1 || s.partial {
			s.inv.complainOf(last)
		}
		return true
	})
	switch {
	case last == nil:
		return nil
	case len(s.torrents) == 1 && !s.partial:
		return last
	}
	if s.partial = true; len(s.running) == 0 {
		return silentCode(exitIncomplete)
	}
	return nil
}

// recheck makes torrents fail whose files have changed, whether somebody asks for them or not.
func (s *serving) recheck(ctx context.Context, stop <-chan struct{}) {
	wait := time.NewTimer(recheckEvery)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-stop:
			return
		case <-wait.C:
		}
		start := time.Now()
		for _, t := range s.torrents {
			if ctx.Err() != nil {
				return
			}
			t.Recheck()
		}
		wait.Reset(max(recheckEvery, recheckShare*time.Since(start)))
	}
}

// complainOf prints the failure that err is, without ending the command.
func (inv *invocation) complainOf(err error) {
	var failure *Failure
	if errors.As(err, &failure) {
		inv.complain(failure)
	}
}

// delivered reports whether each torrent that still runs has its copies.
func (s *serving) delivered() bool {
	return !slices.ContainsFunc(s.running, func(t *eddy.Torrent) bool { return s.inv.stats(t).Copies < s.untilCopies })
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
		inv.events.emit(inv.progressOf(t))
	}
}
