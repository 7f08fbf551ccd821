// Package chaos does to eddy's binary what networks, machines and people do: seeders that leave, peers that come and go,
// kills, full disks, dead trackers, and peers that lie, corrupt or say nothing. Bounds on time keep a failure from
// hanging; none of them is what a test asserts.
package chaos

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const pieceLen = 256 << 10

// A torrent is one file to share, with what the peers of these tests need to know about it.
type torrent struct {
	file, data string // the .torrent, the content
	hash       [20]byte
	layout     metainfo.Layout
}

// makeTorrent makes size bytes of content and its torrent, with the given trackers.
func makeTorrent(t *testing.T, size int64, trackers ...string) torrent {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data.bin")
	harness.WriteFile(t, data, size, 7)
	args := []string{"--piece-size", "256KiB"}
	for _, url := range trackers {
		args = append(args, "-t", url)
	}
	file, infohash := harness.Create(t, data, args...)
	tor := torrent{file: file, data: data, layout: metainfo.Layout{Size: size, PieceLength: pieceLen}}
	if n, err := hex.Decode(tor.hash[:], []byte(infohash)); n != 20 || err != nil {
		t.Fatalf("create gave infohash %q", infohash)
	}
	return tor
}

// compare checks a download into dir.
func (tor torrent) compare(t *testing.T, dir string) {
	t.Helper()
	if err := harness.Same(tor.data, filepath.Join(dir, filepath.Base(tor.data))); err != nil {
		t.Error(err)
	}
}

// content reads the whole content.
func (tor torrent) content(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(tor.data)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A leecher is one eddy get that stays.
type leecher struct {
	*harness.Process
	addr, dir string
}

// leech starts eddy get into dir at an address of its own; it seeds when it is done.
func (tor torrent) leech(t *testing.T, dir string, args ...string) leecher {
	t.Helper()
	p, addr := harness.Get(t, tor.file, dir, harness.Host(), append([]string{"--seed"}, args...)...)
	return leecher{p, addr, dir}
}

// leechAll starts n of them.
func (tor torrent) leechAll(t *testing.T, n int, args ...string) []leecher {
	t.Helper()
	var out []leecher
	for range n {
		out = append(out, tor.leech(t, t.TempDir(), args...))
	}
	return out
}

// awaitAll waits for every leecher's completion and compares the copies.
func (tor torrent) awaitAll(t *testing.T, ctx context.Context, all []leecher) {
	t.Helper()
	for _, l := range all {
		if n := l.Await(ctx, "complete").Int("hash_failures"); n != 0 {
			t.Errorf("%s: %d pieces failed their hash, among honest peers", l.Name, n)
		}
		tor.compare(t, l.dir)
	}
}

// awaitBytes waits until the process has reported at least n verified bytes.
func awaitBytes(ctx context.Context, p *harness.Process, n int64) {
	p.AwaitThat(ctx, "progress", func(e harness.Event) bool {
		return e.Type() == "progress" && e.Int("bytes") >= n || e.Type() == "complete"
	})
}
