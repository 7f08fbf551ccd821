package chaos

import (
	"syscall"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/test/harness"
)

// TestSeederLeaves kills the only seeder at the moment when the others jointly hold everything: all of them complete.
func TestSeederLeaves(t *testing.T) {
	harness.Need(t)
	t.Parallel()
	ctx := harness.Deadline(t, 3*time.Minute)
	tracker := harness.StartTracker(t, ctx)
	tor := makeTorrent(t, 16<<20, tracker.HTTP)
	seeder, _ := harness.Seed(t, ctx, tor.file, tor.data, harness.Host(), "--limit-up", "2MiB")
	all := tor.leechAll(t, 5, "--limit-up", "1MiB")
	o := observe(t, ctx, tor, all)
	select {
	case <-o.whole:
	case <-ctx.Done():
		t.Fatal("the leechers never held everything among them")
	}
	seeder.Kill()
	missing := 0
	for _, l := range all {
		if l.Last("complete") == nil {
			missing++
		}
	}
	if missing == 0 {
		t.Error("all were complete when the seeder left: the test shows nothing")
	}
	tor.awaitAll(t, ctx, all)
}

// TestHalfLeaveAndReturn ends half of the leechers in the middle, one of them by kill -9, and brings them back at other
// addresses: everybody completes, and who comes back keeps what it had.
func TestHalfLeaveAndReturn(t *testing.T) {
	harness.Need(t)
	t.Parallel()
	const size = 24 << 20
	ctx := harness.Deadline(t, 4*time.Minute)
	tracker := harness.StartTracker(t, ctx)
	tor := makeTorrent(t, size, tracker.HTTP)
	harness.Seed(t, ctx, tor.file, tor.data, harness.Host(), "--limit-up", "1MiB")
	all := tor.leechAll(t, 6, "--limit-up", "1MiB")
	for _, l := range all[:3] {
		awaitBytes(ctx, l.Process, size/4)
	}
	had := make([]int64, 3)
	for i, l := range all[:3] {
		if i == 0 {
			l.Kill()
		} else if code := l.Stop(ctx); code != 143 {
			t.Errorf("%s: code %d after SIGTERM, want 143", l.Name, code)
		}
		had[i] = l.Last("progress").Int("bytes")
	}
	// The swarm goes on without them for a while.
	for _, l := range all[3:] {
		awaitBytes(ctx, l.Process, max(l.Last("progress").Int("bytes"), size/4)+size/10)
	}
	for i, l := range all[:3] {
		all[i] = tor.leech(t, l.dir, "--limit-up", "1MiB")
		if got := all[i].Await(ctx, "progress").Int("bytes"); got < had[i] {
			t.Errorf("%s came back with %d bytes, left with %d", all[i].Name, got, had[i])
		}
	}
	tor.awaitAll(t, ctx, all)
}

// TestTrackerDies takes the tracker away once the peers have met: the swarm goes on.
func TestTrackerDies(t *testing.T) {
	harness.Need(t)
	t.Parallel()
	const size = 12 << 20
	ctx := harness.Deadline(t, 3*time.Minute)
	tracker := harness.StartTracker(t, ctx)
	tor := makeTorrent(t, size, tracker.HTTP, tracker.UDP)
	harness.Seed(t, ctx, tor.file, tor.data, harness.Host(), "--limit-up", "1MiB")
	all := tor.leechAll(t, 3, "--limit-up", "1MiB")
	for _, l := range all {
		awaitBytes(ctx, l.Process, 1)
	}
	tracker.Kill()
	tor.awaitAll(t, ctx, all)
	for _, l := range all {
		l.Signal(syscall.SIGTERM)
	}
	for _, l := range all {
		if code := l.Wait(ctx); code != 0 {
			t.Errorf("%s: code %d after completion, want 0", l.Name, code)
		}
	}
}
