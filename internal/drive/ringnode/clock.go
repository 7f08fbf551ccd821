package ringnode

import (
	"encoding/binary"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// Keys in nodeBucket. Three clocks are told apart: the wall clock, which is wrong before somebody sets it and jumps then, is only asked how long the host
// was away; the store's clock goes on from where it was, by that time and then as fast as this run's, and ages what ends by itself; tombstones
// age by it without the pauses, since while nobody runs nothing forgets them either.
var (
	clockKey  = []byte("clock")  // the store's clock at the last stamp, in milliseconds since about 1970
	pausesKey = []byte("pauses") // when a pause ended, by the store's clock, and how long it was, in milliseconds; for each
)

const (
	pauseFrom   = time.Minute    // shorter ones are not noted
	maxPauses   = 256            // beyond, the oldest are forgotten: tombstones then age by them
	unknownAway = 24 * time.Hour // stands for an absence that no clock can tell: whatever this host answered for, others may have taken on
	awaySlack   = time.Minute    // by which a clock may be set back without being thought wrong
)

// firstSane is a time before which no host of a ring ran: a clock that tells an earlier one was never set.
var firstSane = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// pause is a time in which the host did not run.
type pause struct {
	end    time.Time // by the store's clock
	length time.Duration
}

// setClock finds out how long the host was away, and sets the store's clock, at a start at the time wall.
func (s *store) setClock(b *bolt.Bucket, wall time.Time) {
	s.wall = wall
	v := b.Get(stampKey)
	if len(v) != 8 {
		return // the first start
	}
	stamp := millis(v)
	last := stamp
	if c := b.Get(clockKey); len(c) == 8 {
		last = millis(c)
	}
	for p := b.Get(pausesKey); len(p) >= 16; p = p[16:] {
		s.pauses = append(s.pauses, pause{millis(p), time.Duration(binary.BigEndian.Uint64(p[8:])) * time.Millisecond})
	}
	away := wall.Sub(stamp)
	if wall.Before(firstSane) || stamp.Before(firstSane) || away < -awaySlack {
		s.log.Warn("the clock of this machine is not to be trusted: nobody knows how long this node was away", "now", wall, "then", stamp)
		s.wall, s.away = last, unknownAway
		return
	}
	s.away = max(0, away)
	s.wall = last.Add(s.away)
	if s.away >= pauseFrom {
		s.pauses = append(s.pauses, pause{s.wall, s.away})
		s.pauses = s.pauses[max(0, len(s.pauses)-maxPauses):]
	}
}

func millis(b []byte) time.Time { return time.UnixMilli(int64(binary.BigEndian.Uint64(b))) }

// putClock notes that the host runs at now, when the wall clock tells wall.
func (s *store) putClock(b *bolt.Bucket, now time.Duration, wall time.Time) error {
	var pauses []byte
	for _, p := range s.pauses {
		if s.at(now).Sub(p.end) < 2*ringwire.Retention { // by then no tombstone is left that is as old
			pauses = appendMillis(pauses, p.end.UnixMilli())
			pauses = appendMillis(pauses, p.length.Milliseconds())
		}
	}
	if err := b.Put(pausesKey, pauses); err != nil {
		return err
	}
	if err := b.Put(clockKey, appendMillis(nil, s.at(now).UnixMilli())); err != nil {
		return err
	}
	return b.Put(stampKey, appendMillis(nil, wall.UnixMilli()))
}

func appendMillis(b []byte, ms int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(ms)) }

// since is the time from a moment of the store's clock to now: all of it, and that in which the host ran.
func (s *store) since(at time.Time, now time.Duration) (all, ran time.Duration) {
	all = max(0, s.at(now).Sub(at))
	ran = all
	for _, p := range s.pauses {
		if p.end.After(at) {
			ran -= p.length
		}
	}
	return all, max(0, ran)
}
