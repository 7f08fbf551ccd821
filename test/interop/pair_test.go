package interop

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/test/harness"
)

// TestSeedsToOthers lets each client download from eddy.
func TestSeedsToOthers(t *testing.T) {
	forEachClient(t, func(t *testing.T, c client, kind string) {
		ctx := harness.Deadline(t, 2*time.Minute)
		tracker := harness.StartTracker(t, ctx)
		data := content(t, kind)
		torrent, _ := harness.Create(t, data, "-t", tracker.HTTP)
		harness.Seed(t, ctx, torrent, data, harness.Host())
		c.leech(t, job{torrent: torrent}).await(t, ctx, data)
	})
}

// TestGetsFromOthers lets eddy download from each client.
func TestGetsFromOthers(t *testing.T) {
	forEachClient(t, func(t *testing.T, c client, kind string) {
		ctx := harness.Deadline(t, 2*time.Minute)
		tracker := harness.StartTracker(t, ctx)
		data := content(t, kind)
		torrent, infohash := harness.Create(t, data, "-t", tracker.HTTP)
		c.start(t, job{torrent: torrent, dir: filepath.Dir(data), seed: true})
		dir := t.TempDir()
		get, _ := harness.Get(t, torrent, dir, harness.Host(), "--no-seed")
		done := get.Await(ctx, "complete")
		if got := done.Str("infohash"); got != infohash {
			t.Errorf("complete names infohash %q, want %q", got, infohash)
		}
		if n := done.Int("hash_failures"); n != 0 {
			t.Errorf("%d pieces failed their hash, from an honest peer", n)
		}
		if code := get.Wait(ctx); code != 0 {
			t.Errorf("get ended with code %d", code)
		}
		if err := harness.Same(data, filepath.Join(dir, filepath.Base(data))); err != nil {
			t.Error(err)
		}
	})
}

// forEachClient runs f for each client, with a file and with a tree.
func forEachClient(t *testing.T, f func(t *testing.T, c client, kind string)) {
	for _, c := range clients {
		for _, kind := range []string{"file", "tree"} {
			t.Run(c.name+"/"+kind, func(t *testing.T) {
				harness.Need(t, c.needs...)
				t.Parallel()
				f(t, c, kind)
			})
		}
	}
}
