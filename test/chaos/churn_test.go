package chaos

import (
	"context"
	"math"
	"os"
	"strings"
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

// TestTrackerDies takes the tracker away once the peers have met: the swarm goes on, while one announce after another
// fails. The tracker asks for an announce every two seconds, so that many are due before the transfer ends. With
// EDDY_LONG=1 it dies at the start of the second minute instead, of a transfer of a minute and a quarter.
func TestTrackerDies(t *testing.T) {
	harness.Need(t)
	t.Parallel()
	const size = 12 << 20
	rate, life := "512KiB", time.Duration(0) // the seeder alone takes 24 s for one copy
	if os.Getenv("EDDY_LONG") == "1" {
		rate, life = "160KiB", time.Minute // 77 s
	}
	ctx := harness.Deadline(t, 4*time.Minute)
	tracker := harness.StartTracker(t, ctx, "--interval", "2s")
	tor := makeTorrent(t, size, tracker.HTTP, tracker.UDP)
	start := time.Now()
	harness.Seed(t, ctx, tor.file, tor.data, harness.Host(), "--limit-up", rate)
	all := tor.leechAll(t, 3, "--limit-up", rate, "--verbose")
	for _, l := range all {
		awaitBytes(ctx, l.Process, 1)
	}
	select {
	case <-time.After(time.Until(start.Add(life))): // the moment of its death, not a synchronisation
	case <-ctx.Done():
		t.Fatal(context.Cause(ctx))
	}
	for _, l := range all {
		if failedAnnounces(l, tracker.HTTP) > 0 {
			t.Errorf("%s: announces failed while the tracker was there", l.Name)
		}
	}
	tracker.Kill()
	for _, l := range all {
		for failedAnnounces(l, tracker.HTTP) < 2 || failedAnnounces(l, tracker.UDP) < 1 {
			l.Next(ctx, "progress")
		}
		if l.Last("complete") != nil {
			t.Errorf("%s was complete before its announces failed: the test shows nothing", l.Name)
		}
	}
	tor.awaitAll(t, ctx, all)
	for _, l := range all {
		t.Logf("%s: %d announces failed over HTTP, %d over UDP", l.Name, failedAnnounces(l, tracker.HTTP), failedAnnounces(l, tracker.UDP))
		l.Signal(syscall.SIGTERM)
	}
	for _, l := range all {
		if code := l.Wait(ctx); code != 0 {
			t.Errorf("%s: code %d after completion, want 0", l.Name, code)
		}
	}
}

// failedAnnounces counts the announces to a tracker that failed, as a verbose process has logged them.
func failedAnnounces(l leecher, url string) int {
	n := 0
	for line := range strings.Lines(l.Log(math.MaxInt)) {
		if strings.Contains(line, "announce failed") && strings.Contains(line, "url="+url) {
			n++
		}
	}
	return n
}
