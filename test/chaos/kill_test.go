package chaos

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/test/harness"
)

// TestKilledReceiver kills the receiver 50 times at random moments, starting it again each time. It finishes; what the
// seeder sent beyond the content stays within a piece and 8 MiB a kill; and no start reads all that is there already.
func TestKilledReceiver(t *testing.T) {
	harness.Need(t)
	t.Parallel()
	const (
		kills = 50
		size  = 224 << 20 // at 4 MiB/s more than the kills leave time for
		after = 1600 * time.Millisecond
		// From this much on, reading half of it again would be a recheck: the rate allows an eighth in the longest life.
		enough = 64 << 20
	)
	ctx := harness.Deadline(t, 6*time.Minute)
	tor := makeTorrent(t, size)
	seeder, addr := harness.Seed(t, ctx, tor.file, tor.data, harness.Host(), "--limit-up", "4MiB")
	dir, host := t.TempDir(), harness.Host()
	start := func() *harness.Process {
		p, _ := harness.Get(t, tor.file, dir, host, "--seed", "--peer", addr)
		return p
	}
	seed := rand.Uint64()
	t.Logf("moments drawn from seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var have int64 // verified bytes, as last reported
	checks := 0
	for i := range kills {
		p := start()
		select {
		case <-time.After(time.Duration(rng.Int64N(int64(after)))): // the random moment itself
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
		if p.Ended() {
			t.Fatalf("run %d ended by itself: %s", i, p.Log(2000))
		}
		read, err := p.BytesRead()
		if err != nil {
			t.Fatal(err)
		}
		if have >= enough {
			checks++
			if read > have/2 {
				t.Errorf("run %d read %d bytes, having %d: a full recheck", i, read, have)
			}
		}
		p.Kill()
		if e := p.Last("progress"); e != nil {
			if n := e.Int("bytes"); n < have {
				t.Errorf("run %d has %d bytes, an earlier one had %d", i, n, have)
			} else {
				have = n
			}
		}
	}
	if checks == 0 {
		t.Errorf("never had %d bytes while being killed: the test shows too little", enough)
	}
	last := start()
	last.Await(ctx, "complete")
	if read, err := last.BytesRead(); err != nil || read > 2*(size-have)+enough/2 {
		t.Errorf("the last run read %d bytes, lacking %d: a full recheck (%v)", read, size-have, err)
	}
	tor.compare(t, dir)
	extra := seeder.Next(ctx, "progress").Int("up_total") - size
	t.Logf("%d bytes sent beyond the content, %d a kill; %d runs checked for rereading", extra, extra/kills, checks)
	if extra < 0 || extra > kills*(pieceLen+8<<20) {
		t.Errorf("the seeder sent %d bytes beyond the content, want 0 to %d", extra, kills*(pieceLen+8<<20))
	}
}
