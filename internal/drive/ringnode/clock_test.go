package ringnode

import (
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/ringwire"
)

// TestClocks: a node keeps its records whatever the machine's clock did: it was suspended for a week in all, began before the clock was set, or has none that
// runs without power. What counts as absence is the time between the last stamp and this start, by the wall clock; if that makes no sense, nothing
// is dropped or aged by it, and the arcs have lapsed.
func TestClocks(t *testing.T) {
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	unset := time.Date(1970, 1, 1, 0, 0, 9, 0, time.UTC)
	_, self := member(t, nil)
	_, other := member(t, nil)
	for _, x := range []struct {
		name               string
		start, stamp, next time.Time
		ran, away, left    time.Duration // left: of a value that had a day, a quarter of an hour after it was written if all is well
	}{
		{"nothing special", day, day.Add(time.Hour), day.Add(2 * time.Hour), time.Hour, time.Hour, 22 * time.Hour},
		{"the clock was set while it ran", unset, day.Add(time.Hour), day.Add(2 * time.Hour), time.Hour, time.Hour, 22 * time.Hour},
		{"Go's clock stood still while the machine was suspended", day, day.Add(8 * 24 * time.Hour), day.Add(8*24*time.Hour + time.Minute), time.Hour, time.Minute, 23*time.Hour - time.Minute},
		{"never set before the stop", unset, unset.Add(time.Hour), day, time.Hour, unknownAway, 23 * time.Hour},
		{"not set at the start", day, day.Add(time.Hour), unset, time.Hour, unknownAway, 23 * time.Hour},
		{"set back", day, day.Add(time.Hour), day, time.Hour, unknownAway, 23 * time.Hour},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, x.start)
			if err := s.commit([]change{persist(record("a", 1, 1, 24*time.Hour), 0)}); err != nil {
				t.Fatal(err)
			}
			hosts := []hostEntry{{certificate: self.certificate, presence: self.presence}, {certificate: other.certificate, presence: other.presence}}
			if err := s.stamp(x.ran, x.stamp, hosts); err != nil {
				t.Fatal(err)
			}
			s.close()
			s = open(t, dir, x.next)
			defer s.close()
			if s.away != x.away {
				t.Errorf("away for %v, want %v", s.away, x.away)
			}
			if r, err := s.Load(0, "a"); err != nil || len(r.Live()) != 1 || r.Live()[0].Left != x.left {
				t.Errorf("%+v, %v; want %v left", r, err, x.left)
			}
		})
	}
}

// TestTombstonesRest: a deletion is remembered for Retention of the time that its host runs: when all of a ring was off for longer, nobody has forgotten it.
func TestTombstonesRest(t *testing.T) {
	dir, at := t.TempDir(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	dead := record("a", 1, 1, 0)
	v := &dead.Versions[0]
	v.Tombstone, v.Value, v.Hash, v.Left = true, nil, ringwire.Digest{}, ringwire.Retention
	s := open(t, dir, at)
	if err := s.commit([]change{persist(dead, 0)}); err != nil {
		t.Fatal(err)
	}
	for range 3 { // an hour of running, six days of rest
		at = at.Add(time.Hour)
		if err := s.stamp(time.Hour, at, nil); err != nil {
			t.Fatal(err)
		}
		s.close()
		at = at.Add(6 * 24 * time.Hour)
		s = open(t, dir, at)
	}
	defer s.close()
	if r, err := s.Load(0, "a"); err != nil || r == nil || r.Versions[0].Left != ringwire.Retention-3*time.Hour {
		t.Errorf("after 18 days of rest: %+v, %v", r, err)
	}
	if r, err := s.Load(ringwire.Retention-3*time.Hour, "a"); err != nil || r != nil {
		t.Errorf("after Retention of running: %+v, %v", r, err)
	}
}
