// Package lab measures on one machine how long a distribution takes: real processes, each behind a link of its own whose upload
// is shaped, against the theoretical minimum. docs/lab.md describes the ruler; this is how it is built:
//
//   - Every member is a network namespace with a veth link to one bridge (machine.go), shaped by a token bucket filter. What
//     the link carries is measured before anything else (flow.go), and the bounds use that, not what was asked for.
//   - Without root the members are addresses of the loopback network, and limit themselves.
//   - A run (run.go) has a gate: receivers start and announce themselves; the clock starts when it opens; it ends with the last
//     verified piece. For a swarm (swarm.go) the gate opens by starting the seed, for plain downloads (download.go) by a word.
//   - Whatever is started or opened, one thread does it (starter_linux.go), so that nothing outlives the lab.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/eddy-p2p/eddy"
	"github.com/eddy-p2p/eddy/internal/theory"
)

// Config says what a lab measures. Rates are bytes/s of payload, sizes are bytes.
type Config struct {
	Peers       []int // how many receivers, one row of each
	Size        int64
	PieceLength int64 // 0 = what eddy chooses
	Server      int64 // the server's upload
	Up          int64 // each receiver's
	Down        int64 // each receiver's download; 0 = not limited
	Repeat      int   // how often a swarm is measured; the median counts. 0 = 3
	Client      string
	Shaping     Shaping // "" = NetNS where that is possible
	Executable  string  // eddy
	Keep        string  // a directory for what the members print; "" = nowhere

	// Progress hears of every step; nil = nobody.
	Progress func(Step)
}

// Shaping says what keeps the members to their rates.
type Shaping string

// The ways of shaping.
const (
	NetNS    Shaping = "netns"    // the links of network namespaces
	Internal Shaping = "internal" // the members limit themselves
)

// Arch is an architecture of distribution.
type Arch string

// The two architectures.
const (
	ClientServer Arch = "client_server"
	P2P          Arch = "p2p"
)

// Step is one thing that a lab does.
type Step struct {
	What     string // "calibrating 36 links"
	Peers    int    // of a run, else 0
	Arch     Arch   // of a run
	Repeat   int    // of Repeats, from 1
	Repeats  int
	Expected time.Duration // at the least; 0 = unknown
	Measured time.Duration // 0 = it is beginning
}

// Lab is one set of measurements.
type Lab struct {
	cfg         Config
	client      *client
	starter     *starter
	processes   processes
	files       []*os.File // the namespaces
	net         *network
	dir         string // everything, removed at the end
	content     content
	torrent     string // file
	serverState string // what the server's client remembers
	trackerAddr netip.AddrPort
	logs        string // of the run that goes on; "" = none are kept
}

// trackerPort is where the tracker listens, at the hub.
const trackerPort = 6969

// Run measures and returns what came out. However it ends, also when ctx does, no process, namespace, link or file of it is
// left.
func Run(ctx context.Context, cfg Config) (result *Result, err error) {
	l := &Lab{cfg: cfg}
	if l.cfg.Repeat == 0 {
		l.cfg.Repeat = 3
	}
	if l.client, err = findClient(cfg.Client); err != nil {
		return nil, err
	}
	if l.starter, err = newStarter(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.prepare(ctx); err != nil {
		return nil, err
	}
	return l.rows(ctx)
}

// close undoes everything.
func (l *Lab) close() error {
	l.processes.killAll()
	for _, f := range l.files {
		f.Close()
	}
	l.starter.close()
	if l.dir == "" {
		return nil
	}
	return os.RemoveAll(l.dir)
}

// prepare makes the content, the machines and their links, and measures these.
func (l *Lab) prepare(ctx context.Context) (err error) {
	if l.dir, err = os.MkdirTemp(tmpfs, "eddy-lab-"); err != nil {
		return err
	}
	path := filepath.Join(l.dir, "server", contentName)
	l.serverState = filepath.Join(l.dir, "server-state")
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.Mkdir(l.serverState, 0o700)); err != nil {
		return err
	}
	if l.content, err = makeContent(path, l.cfg.Size); err != nil {
		return err
	}
	most := slices.Max(l.cfg.Peers)
	if l.net, err = l.makeNetwork(most); err != nil {
		return err
	}
	l.trackerAddr = netip.AddrPortFrom(l.net.hub.addr, trackerPort)
	l.step(Step{What: fmt.Sprintf("calibrating %d links", most+1), Expected: calibrateWarm + calibrateFor})
	if err := l.calibrate(ctx, l.net); err != nil {
		return err
	}
	if err := l.makeTorrent(ctx); err != nil {
		return err
	}
	return l.introduce(ctx)
}

const tmpfs = "/dev/shm"

// makeTorrent describes the content.
func (l *Lab) makeTorrent(ctx context.Context) error {
	source, err := eddy.Create(ctx, l.content.path, eddy.CreateOptions{
		PieceLength: l.cfg.PieceLength, Trackers: [][]string{{"http://" + l.trackerAddr.String() + "/announce"}},
	})
	if err != nil {
		return err
	}
	l.cfg.PieceLength = source.Meta.PieceLength
	l.torrent = filepath.Join(l.dir, "content.torrent")
	return os.WriteFile(l.torrent, source.Meta.Bytes(), 0o600)
}

func (l *Lab) step(s Step) {
	if l.cfg.Progress != nil {
		l.cfg.Progress(s)
	}
}

// openLog opens the file for what member i prints in this run; nil where nothing is kept.
func (l *Lab) openLog(i int) (io.WriteCloser, error) {
	if l.logs == "" {
		return nil, nil
	}
	if err := os.MkdirAll(l.logs, 0o755); err != nil {
		return nil, err
	}
	return os.Create(filepath.Join(l.logs, fmt.Sprintf("peer-%d.log", i)))
}

// counters reads what the links of the server and n receivers have sent so far; nil with internal shaping.
func (l *Lab) counters(n int) ([]traffic, error) {
	if l.net.hub.ns == nil {
		return nil, nil
	}
	var all []traffic
	for i := range l.net.peers[:n+1] {
		t, err := l.sent(&l.net.peers[i])
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// bound is the least time in which n receivers can have the content, with the links as they were measured.
func (l *Lab) bound(arch Arch, n int) theory.Bound {
	var classes []theory.Class
	for _, m := range l.net.peers[1 : n+1] {
		classes = append(classes, theory.Class{Peers: 1, Up: m.up.measured, Down: m.down.measured})
	}
	server := l.net.peers[0].up.measured
	if arch == ClientServer {
		return theory.ClientServer(float64(l.cfg.Size), server, classes...)
	}
	return theory.P2P(float64(l.cfg.Size), server, classes...)
}

// longest is the greater of both bounds.
func (l *Lab) longest(n int) time.Duration {
	return time.Duration(l.bound(ClientServer, n).Seconds * float64(time.Second))
}
