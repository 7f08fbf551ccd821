package interop

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/eddy-p2p/eddy/test/harness"
)

const peerPort = 20000

// A client is another BitTorrent client, by its driver in bench/.
type client struct {
	name  string
	needs []string
	argv  func(job) []string
	same  func(want, got string) error
}

// A job is one torrent that a client works on at an address of its own.
type job struct {
	torrent, dir, state, host, done string
	seed                            bool
	udp                             bool   // the tracker is a UDP one
	crypt                           string // off: plain TCP alone; default: the client's own choice
	up                              int    // bytes/s, 0: no limit
}

var clients = []client{
	{"aria2", []string{"aria2c"}, func(j job) []string {
		args := append(driver("client_aria2.py", j), "--torrent", j.torrent, "--up", strconv.Itoa(j.up))
		if j.seed {
			args = append(args, "--seed")
		}
		if j.udp {
			args = append(args, "--udp")
		}
		return args
	}, harness.Same},
	{"transmission", []string{"transmission-daemon"}, func(j job) []string {
		return append(driver("client_transmission_many.py", j), "--many", filepath.Dir(j.torrent))
	}, harness.SameButEmpty}, // transmission 3.00 makes no empty files
	{"libtorrent", []string{"python:libtorrent"}, func(j job) []string {
		args := append(driver("client_libtorrent.py", j), "--torrent", j.torrent, "--up", strconv.Itoa(j.up))
		if j.seed {
			args = append(args, "--seed")
		}
		return args
	}, harness.Same},
}

// driver is the part of the command line that all drivers share. The libtorrent driver keeps no state.
func driver(script string, j job) []string {
	root, err := harness.ModuleRoot()
	if err != nil {
		panic(err) // the tests run inside the module
	}
	args := []string{harness.Python(), filepath.Join(root, "bench", script), "--dir", j.dir, "--ip", j.host,
		"--port", strconv.Itoa(peerPort), "--crypt", j.crypt}
	if script != "client_libtorrent.py" {
		args = append(args, "--state", j.state)
	}
	if j.done != "" {
		args = append(args, "--done", j.done)
	}
	return args
}

// start runs the client on the job. Its torrent is copied, alone, into a directory of the client's own.
func (c client) start(t *testing.T, j job) *harness.Process {
	t.Helper()
	b, err := os.ReadFile(j.torrent)
	if err != nil {
		t.Fatal(err)
	}
	own := t.TempDir()
	j.torrent = filepath.Join(own, "t.torrent")
	if err := os.WriteFile(j.torrent, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if j.state == "" {
		j.state = t.TempDir()
	}
	if j.crypt == "" {
		j.crypt = "off"
	}
	if j.host == "" {
		j.host = harness.Host()
	}
	return harness.Start(t, c.name+" "+j.host, nil, c.argv(j)...)
}

// A download is another client's leeching process.
type download struct {
	*harness.Process
	client    client
	dir, done string
}

// leech starts a download of the torrent.
func (c client) leech(t *testing.T, j job) download {
	t.Helper()
	j.dir, j.done = t.TempDir(), filepath.Join(t.TempDir(), "done")
	return download{c.start(t, j), c, j.dir, j.done}
}

// await waits for the client's completion and compares what it got.
func (d download) await(t *testing.T, ctx context.Context, want string) {
	t.Helper()
	harness.AwaitFile(t, ctx, d.Process, d.done)
	if err := d.client.same(want, filepath.Join(d.dir, filepath.Base(want))); err != nil {
		t.Errorf("%s: %v", d.Name, err)
	}
}

// content makes what a test shares: one file, or a tree as people have them.
func content(t *testing.T, kind string) string {
	t.Helper()
	if kind == "tree" {
		return harness.Tree(t, filepath.Join(t.TempDir(), "a tree"))
	}
	name := filepath.Join(t.TempDir(), "data.bin")
	harness.WriteFile(t, name, 6<<20+12345, 1)
	return name
}
