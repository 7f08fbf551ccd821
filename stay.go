package eddy

import (
	"context"
	"time"
)

// StayPolicy says how long a peer goes on serving others after it is complete. The zero value is the polite default: until it
// gave back as much as the file, or no connected peer needs it, at most ten minutes.
type StayPolicy struct {
	Forever bool
	Ratio   float64       // leave once uploaded / size reaches it; 0 = not by ratio
	Time    time.Duration // leave after it; 0 = not by time
}

const (
	politeTime  = 10 * time.Minute
	politeGrace = 3 * time.Second // nobody may need us for a moment: peers are being connected
)

// Stay blocks, after completion, until the policy says to leave. It returns an error when ctx is done or the torrent fails first.
func (t *Torrent) Stay(ctx context.Context, policy StayPolicy) error {
	start := time.Now()
	needed := start
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		s := t.Stats()
		now := time.Now()
		if s.Needy > 0 {
			needed = now
		}
		if policy.over(s, now.Sub(start), now.Sub(needed)) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.t.Failed():
			return t.Err()
		case <-t.t.Gone():
			return ErrClosed
		case <-ticker.C:
		}
	}
}

// over decides: stayed is the time since completion, idle that since a connected peer needed us.
func (p StayPolicy) over(s Stats, stayed, idle time.Duration) bool {
	switch {
	case p.Forever:
		return false
	case p.Ratio > 0 || p.Time > 0:
		return p.Ratio > 0 && float64(s.Uploaded) >= p.Ratio*float64(s.Size) || p.Time > 0 && stayed >= p.Time
	}
	return s.Uploaded >= s.Size || idle >= politeGrace || stayed >= politeTime
}
