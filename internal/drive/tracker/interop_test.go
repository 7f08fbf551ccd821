package tracker

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/announce"
)

// opentracker starts Debian's opentracker for the torrents and returns its port. Debian builds it whitelist-only, and it
// refuses to stay root.
func opentracker(t *testing.T, hashes ...[20]byte) string {
	t.Helper()
	path, err := exec.LookPath("opentracker")
	if err != nil {
		t.Skip("opentracker is not installed")
	}
	dir, err := os.MkdirTemp("", "opentracker") // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var list []byte
	for _, h := range hashes {
		list = fmt.Appendf(list, "%x\n", h)
	}
	file := filepath.Join(dir, "hashes.txt")
	if err := os.WriteFile(file, list, 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(int(addrPort(l.Addr()).Port()))
	l.Close()
	args := []string{"-i", "127.0.0.1", "-p", port, "-P", port, "-w", file}
	if os.Getuid() == 0 { // it changes its root to dir
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		args = []string{"-i", "127.0.0.1", "-p", port, "-P", port, "-u", "nobody", "-d", dir, "-w", "/hashes.txt"}
	}
	cmd := exec.Command(path, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 250 { // until it listens, which it does not tell
		if c, err := net.Dial("tcp4", "127.0.0.1:"+port); err == nil {
			c.Close()
			return port
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("opentracker does not listen")
	return ""
}

// Our client on opentracker, over HTTP and UDP: an independent reading of BEP 3, 15, 23, 41 and 48.
func TestOpentracker(t *testing.T) {
	hashes := [][20]byte{{1, '%', '+', ' ', 0xff}, {2, '&', '=', 0, 0x80}}
	port := opentracker(t, hashes...)
	c := newClient(t, ClientConfig{})
	for i, scheme := range []string{"http", "udp"} {
		u := scheme + "://127.0.0.1:" + port + "/announce"
		req := func(port uint16, left int64, event announce.Event) *announce.Request {
			return &announce.Request{InfoHash: hashes[i], PeerID: [20]byte{byte(port)}, Port: port, Left: left, Event: event, NumWant: 50}
		}
		for _, r := range []*announce.Request{req(2000, 0, announce.Started), req(2001, 1, announce.Started)} {
			if _, err := c.Announce(t.Context(), u, r); err != nil {
				t.Fatalf("%s: %v", scheme, err)
			}
		}
		r, err := c.Announce(t.Context(), u, req(2001, 1, announce.None))
		if err != nil || r.Complete != 1 || r.Incomplete != 1 || r.Interval <= 0 {
			t.Errorf("%s: %+v %v", scheme, r, err)
		}
		found := false
		for _, p := range r.Peers {
			found = found || p.Addr.String() == "127.0.0.1:2000"
		}
		if !found {
			t.Errorf("%s: the seeder is not among %v", scheme, r.Peers)
		}
		if _, err := c.Announce(t.Context(), u, req(2000, 0, announce.Stopped)); err != nil {
			t.Errorf("%s: %v", scheme, err)
		}
		rows, err := c.Scrape(t.Context(), u, hashes[i:i+1])
		if err != nil || rows[0].Complete != 0 || rows[0].Incomplete != 1 {
			t.Errorf("%s: scrape %+v %v", scheme, rows, err)
		}
	}
}
