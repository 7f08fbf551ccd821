package chaos

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/test/harness"
)

// TestDiskFull fills the receiver's disk in the middle of a download and frees it later: eddy says so, waits, goes on,
// and has lost nothing. The state may lie on the same disk.
func TestDiskFull(t *testing.T) {
	for _, where := range []string{"state elsewhere", "state on the same disk"} {
		t.Run(where, func(t *testing.T) {
			harness.Need(t, "mount", "umount")
			t.Parallel()
			const size = 16 << 20
			ctx := harness.Deadline(t, 3*time.Minute)
			tor := makeTorrent(t, size)
			seeder, addr := harness.Seed(t, ctx, tor.file, tor.data, harness.Host(), "--limit-up", "3MiB")
			disk := harness.Tmpfs(t, size+16<<20)
			dir, state := filepath.Join(disk, "downloads"), t.TempDir()
			if where == "state on the same disk" {
				state = filepath.Join(disk, "state")
			}
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			get := harness.Launch(t, "get", "get", tor.file, "-d", dir, "--listen", harness.Host()+":20000", "--state", state,
				"--prealloc", "none", "--seed", "--peer", addr)
			awaitBytes(ctx, get, size/4)
			filler := filepath.Join(disk, "filler")
			harness.Fill(t, filler)
			get.AwaitThat(ctx, "an error about the full disk", func(e harness.Event) bool {
				return e.Type() == "error" && strings.Contains(e.Str("what")+e.Str("cause")+e.Str("hint"), "space")
			})
			if get.Last("complete") != nil || get.Ended() {
				t.Fatal("the disk filled too late, or the full disk ended the download")
			}
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			get.Await(ctx, "complete")
			tor.compare(t, dir)
			if extra := seeder.Next(ctx, "progress").Int("up_total") - size; extra > 8<<20 {
				t.Errorf("the seeder sent %d bytes again", extra)
			}
			get.Signal(syscall.SIGTERM)
			if code := get.Wait(ctx); code != 0 {
				t.Errorf("get ended with code %d", code)
			}
		})
	}
}
