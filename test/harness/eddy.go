package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// hosts counts the addresses handed out.
var hosts atomic.Int32

// Host returns an address in 10.77.0.0/16 that no other peer of this test binary has.
func Host() string {
	n := hosts.Add(1)
	return fmt.Sprintf("10.77.%d.%d", 1+n/250, 1+n%250)
}

// Deadline is a context that ends the test's waiting after d, well before go test's own limit.
func Deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), d, fmt.Errorf("%s: not done within %v", t.Name(), d))
	t.Cleanup(cancel)
	return ctx
}

// Run runs eddy to its end with --json and a state directory of its own and returns the one document it printed. It
// fails the test if eddy fails.
func Run(t *testing.T, args ...string) Event {
	t.Helper()
	cmd := exec.Command(Eddy(), append(args, "--json", "--state", t.TempDir())...)
	out, err := cmd.Output()
	if err != nil {
		if x, ok := err.(*exec.ExitError); ok {
			t.Fatalf("eddy %q: %v: %s%s", args, err, out, x.Stderr)
		}
		t.Fatalf("eddy %q: %v", args, err)
	}
	var e Event
	if err := json.Unmarshal(out, &e); err != nil {
		t.Fatalf("eddy %q printed %q: %v", args, out, err)
	}
	return e
}

// Create makes a torrent of path beside the test's files and returns its name and infohash (v1, hex).
func Create(t *testing.T, path string, args ...string) (torrent, infohash string) {
	t.Helper()
	torrent = filepath.Join(t.TempDir(), "t.torrent")
	e := Run(t, append([]string{"create", path, "-o", torrent}, args...)...)
	return torrent, e.Str("infohash_v1")
}

// Serve starts a long-running eddy command with --json and waits until it is ready.
func Serve(t *testing.T, ctx context.Context, name string, args ...string) (*Process, Event) {
	t.Helper()
	p := Launch(t, name, args...)
	return p, p.Await(ctx, "ready")
}

// Launch starts a long-running eddy command with --json.
func Launch(t *testing.T, name string, args ...string) *Process {
	t.Helper()
	return Start(t, name, nil, append([]string{Eddy()}, append(args, "--json")...)...)
}

// A Tracker is eddy's own, as a process, at an address of its own.
type Tracker struct {
	*Process
	HTTP, UDP string // announce URLs
}

// StartTracker runs eddy tracker over HTTP and UDP. Its short interval, unless args name another, lets peers find each
// other soon.
func StartTracker(t *testing.T, ctx context.Context, args ...string) Tracker {
	t.Helper()
	addr := Host() + ":6969"
	p, _ := Serve(t, ctx, "tracker", append([]string{"tracker", "--http", addr, "--udp", addr, "--interval", "10s", "--state", t.TempDir()}, args...)...)
	return Tracker{p, "http://" + addr + "/announce", "udp://" + addr + "/announce"}
}

// Seed starts eddy seed of a torrent whose content lies at or in path, on host, and waits until it seeds. It returns the
// peer address as well.
func Seed(t *testing.T, ctx context.Context, torrent, path, host string, args ...string) (*Process, string) {
	t.Helper()
	addr := host + ":20000"
	p, _ := Serve(t, ctx, "seed "+host, append([]string{"seed", torrent, path, "--listen", addr, "--state", t.TempDir()}, args...)...)
	return p, addr
}

// Get starts eddy get into dir on host, with its state beside dir, so that a second Get into the same dir resumes. It
// returns the peer address as well.
func Get(t *testing.T, torrent, dir, host string, args ...string) (*Process, string) {
	t.Helper()
	addr := host + ":20000"
	return Launch(t, "get "+host, append([]string{"get", torrent, "-d", dir, "--listen", addr, "--state", dir + ".state"}, args...)...), addr
}

// AwaitFile waits until a file exists: how other clients tell that they are done.
func AwaitFile(t *testing.T, ctx context.Context, p *Process, name string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(name); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-p.done:
			if _, err := os.Stat(name); err == nil {
				return
			}
			t.Fatalf("%s ended before it was done", p.Name)
		case <-ctx.Done():
			t.Fatalf("%s: %v", p.Name, context.Cause(ctx))
		}
	}
}
