package cli

import (
	"time"

	"github.com/eddy-p2p/eddy"
)

// delivery is how long a torrent took to be delivered: from the moment when its first receiver came to that of its last copy. The
// wait for somebody to come is no part of it, nor what share goes on for afterwards.
type delivery struct {
	first, last time.Time // zero = not yet
	copies      int
}

// look takes note of one look at the torrent. came and done are when the first receiver and the last complete one told the
// tracker, zero where none did: that is known to the moment, where a look comes late by the time between looks.
func (d *delivery) look(now time.Time, s *eddy.Stats, came, done time.Time) {
	if d.first.IsZero() && (s.Needy > 0 || s.Uploaded > 0) {
		d.first = now
	}
	d.first = earlier(d.first, came)
	if s.Copies > d.copies {
		// The tracker may know only of one before: then it is of this one that the peers told.
		if d.copies, d.last = s.Copies, now; done.After(now.Add(-lookAtNews)) {
			d.last = earlier(now, done)
		}
	}
}

// took returns how long it took until the last copy, or until now where there is none; false where nobody came.
func (d *delivery) took(now time.Time) (time.Duration, bool) {
	switch {
	case d.first.IsZero():
		return 0, false
	case d.copies == 0:
		return now.Sub(d.first), true
	}
	return max(0, d.last.Sub(d.first)), true
}

// earlier returns the earlier of two moments, of which a zero one never was.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
