package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/test/harness"
)

// TestMixedSwarm puts all clients into one swarm with one seeder and eddy's tracker, over each of its protocols. Over UDP
// the clients keep their own defaults for encryption and transport, which eddy has to turn down without harm.
func TestMixedSwarm(t *testing.T) {
	for _, protocol := range []string{"http", "udp"} {
		t.Run(protocol, func(t *testing.T) {
			harness.Need(t, "aria2c", "transmission-daemon", "python:libtorrent")
			t.Parallel()
			ctx := harness.Deadline(t, 4*time.Minute)
			tracker := harness.StartTracker(t, ctx)
			url, crypt := tracker.HTTP, "off"
			if protocol == "udp" {
				url, crypt = tracker.UDP, "default"
			}
			data := content(t, "file")
			torrent, _ := harness.Create(t, data, "-t", url)
			harness.Seed(t, ctx, torrent, data, harness.Host(), "--limit-up", "1MiB")
			var others []download
			for _, c := range clients {
				others = append(others, c.leech(t, job{torrent: torrent, udp: protocol == "udp", crypt: crypt, up: 1 << 20}))
			}
			dir := t.TempDir()
			get, _ := harness.Get(t, torrent, dir, harness.Host(), "--seed", "--limit-up", "1MiB")
			done := get.Await(ctx, "complete")
			if n := done.Int("hash_failures"); n != 0 {
				t.Errorf("%d pieces failed their hash, among honest peers", n)
			}
			if err := harness.Same(data, filepath.Join(dir, filepath.Base(data))); err != nil {
				t.Error(err)
			}
			for _, o := range others {
				o.await(t, ctx, data)
			}
		})
	}
}

// TestOpentracker runs a swarm of eddies on the tracker that most public swarms use.
func TestOpentracker(t *testing.T) {
	harness.Need(t, "opentracker")
	for _, protocol := range []string{"http", "udp"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			ctx := harness.Deadline(t, 2*time.Minute)
			host, data := harness.Host(), content(t, "tree")
			url := fmt.Sprintf("%s://%s:6969/announce", protocol, host)
			torrent, infohash := harness.Create(t, data, "-t", url)
			startOpentracker(t, host, infohash)
			harness.Seed(t, ctx, torrent, data, harness.Host())
			for range 2 {
				dir := t.TempDir()
				get, _ := harness.Get(t, torrent, dir, harness.Host(), "--no-seed")
				if code := get.Wait(ctx); code != 0 {
					t.Fatalf("get ended with code %d", code)
				}
				if err := harness.Same(data, filepath.Join(dir, filepath.Base(data))); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// startOpentracker runs it with a whitelist of one torrent: Debian builds it so that there must be one, and it refuses to
// stay root, so that its directory, which becomes its root, has to be readable by others.
func startOpentracker(t *testing.T, host, infohash string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "opentracker")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "list"), []byte(infohash+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	harness.Start(t, "opentracker", nil, "opentracker", "-i", host, "-p", "6969", "-P", "6969", "-u", "nobody", "-d", dir, "-w", "/list")
}

// TestShareURL opens the address that eddy share prints: with another client as it stands, and with eddy by running the
// printed line in a shell.
func TestShareURL(t *testing.T) {
	for _, kind := range []string{"file", "tree"} {
		t.Run(kind, func(t *testing.T) {
			harness.Need(t, "aria2c")
			t.Parallel()
			ctx := harness.Deadline(t, 2*time.Minute)
			data, host := content(t, kind), harness.Host()
			_, ready := harness.Serve(t, ctx, "share", "share", data, "--host", host, "--listen", host+":20000", "--http", host+":8080",
				"--state", t.TempDir())

			url, _, _ := strings.Cut(ready.Str("url"), "#")
			if line, want := ready.Str("command"), "#btih="+ready.Str("infohash"); !strings.Contains(line, want) {
				t.Errorf("the line %q lacks %q", line, want)
			}
			dir := t.TempDir()
			own := harness.Host()
			aria := harness.Start(t, "aria2", nil, "aria2c", "--no-conf", "--dir="+dir, "--follow-torrent=mem", "--seed-time=0",
				"--interface="+own, "--listen-port=20000", "--enable-dht=false", "--bt-enable-lpd=false", "--file-allocation=none",
				"--summary-interval=0", "--enable-color=false", url)
			if code := aria.Wait(ctx); code != 0 {
				t.Errorf("aria2 ended with code %d", code)
			}
			if err := harness.Same(data, filepath.Join(dir, filepath.Base(data))); err != nil {
				t.Error(err)
			}

			runPrintedLine(t, ready.Str("command"), data)
		})
	}
}

// runPrintedLine does what a user does with the line that share printed: pastes it into a shell.
func runPrintedLine(t *testing.T, line, data string) {
	t.Helper()
	if line == "" {
		t.Fatal("ready has no command")
	}
	dir, bin := t.TempDir(), t.TempDir()
	if err := os.Symlink(harness.Eddy(), filepath.Join(bin, "eddy")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", line+" --no-seed")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "XDG_STATE_HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	if err := harness.Same(data, filepath.Join(dir, filepath.Base(data))); err != nil {
		t.Error(err)
	}
}
