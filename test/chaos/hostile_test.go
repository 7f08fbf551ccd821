package chaos

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/test/harness"
)

// TestCorrupters mixes peers that corrupt every block from their first with honest ones. Each is found and banned for at
// most two pieces, and no honest peer is taken for one of them.
func TestCorrupters(t *testing.T) {
	for _, c := range []struct{ corrupt, honest int }{{1, 1}, {3, 7}} {
		t.Run(fmt.Sprintf("%d of %d", c.corrupt, c.corrupt+c.honest), func(t *testing.T) {
			harness.Need(t)
			t.Parallel()
			ctx := harness.Deadline(t, 2*time.Minute)
			tor := makeTorrent(t, 8<<20+1)
			tr := newTruth(t, tor)
			var bad, good []*rogue
			var peers []string
			for range c.corrupt {
				bad = append(bad, startRogue(t, tr, corrupt))
				peers = append(peers, "--peer", bad[len(bad)-1].addr)
			}
			for range c.honest {
				good = append(good, startRogue(t, tr, honestAt(1<<20/int64(c.honest))))
				peers = append(peers, "--peer", good[len(good)-1].addr)
			}
			l := tor.leech(t, t.TempDir(), peers...)
			done := l.Await(ctx, "complete")
			for i, r := range good {
				if r.tally().ended > 0 {
					t.Errorf("honest peer %d lost its connection", i)
				}
			}
			for i, r := range bad {
				n := r.tally()
				t.Logf("corrupter %d: %+v", i, n)
				if n.asked == 0 {
					t.Errorf("corrupter %d was never asked: the test shows nothing", i)
				}
				if n.sent > 2*pieceLen {
					t.Errorf("corrupter %d cost %d bytes, more than two pieces", i, n.sent)
				}
				if n.ended == 0 || n.conns > 1 {
					t.Errorf("corrupter %d was not banned: %+v", i, n)
				}
			}
			if n := done.Int("hash_failures"); n < 1 || n > int64(2*c.corrupt) {
				t.Errorf("%d pieces failed their hash, want 1 to %d", n, 2*c.corrupt)
			}
			tor.compare(t, l.dir)
		})
	}
}

// TestUselessPeers has peers beside one honest seeder that hinder without corrupting: they may not stop the download.
func TestUselessPeers(t *testing.T) {
	for _, c := range []struct {
		name string
		m    manner
	}{
		{"have all and never send", never},
		{"a byte a minute", drip},
		{"turn after four pieces", corruptAfter(4 * pieceLen)},
	} {
		t.Run(c.name, func(t *testing.T) {
			harness.Need(t)
			t.Parallel()
			ctx := harness.Deadline(t, 4*time.Minute)
			tor := makeTorrent(t, 6<<20)
			tr := newTruth(t, tor)
			var bad []*rogue
			var peers []string
			for range 4 {
				bad = append(bad, startRogue(t, tr, c.m))
				peers = append(peers, "--peer", bad[len(bad)-1].addr)
			}
			good := startRogue(t, tr, honestAt(1<<20))
			l := tor.leech(t, t.TempDir(), append(peers, "--peer", good.addr)...)
			l.Await(ctx, "complete")
			if good.tally().ended > 0 {
				t.Error("the honest peer lost its connection")
			}
			for i, r := range bad {
				if r.tally().asked == 0 {
					t.Errorf("peer %d was never asked: the test shows nothing", i)
				}
			}
			tor.compare(t, l.dir)
		})
	}
}

// TestSilentConnections holds thousands of connections that never send a byte, from one address or each from one of its
// own. An honest peer, there at that address too, gets everything while they are held.
func TestSilentConnections(t *testing.T) {
	const silent = 2000
	for _, c := range []struct {
		name      string
		addresses int
	}{{"one address", 1}, {"many addresses", silent}} {
		t.Run(c.name, func(t *testing.T) {
			harness.Need(t)
			t.Parallel()
			ctx := harness.Deadline(t, 3*time.Minute)
			tor := makeTorrent(t, 4<<20)
			_, addr := harness.Seed(t, ctx, tor.file, tor.data, harness.Host())
			var host string // the last of theirs
			for i := range silent {
				if i < c.addresses {
					host = harness.Host()
				}
				from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}}
				conn, err := from.DialContext(ctx, "tcp", addr)
				if err != nil {
					t.Fatalf("silent connection %d: %v", i, err)
				}
				defer conn.Close() // held until the honest peer is done
			}
			dir := t.TempDir()
			get, _ := harness.Get(t, tor.file, dir, host, "--no-seed", "--peer", addr)
			if code := get.Wait(ctx); code != 0 {
				t.Fatalf("the honest peer ended with code %d", code)
			}
			tor.compare(t, dir)
		})
	}
}
