// Package lab measures on one machine how long a distribution takes: real processes, each behind a link of its own whose upload
// is shaped, against the theoretical minimum. docs/lab.md describes the ruler; this is how it is built:
//
//   - Every member is a network namespace with a veth link to a hub that routes (machine.go), shaped by a token bucket filter. What
//     the link carries is measured before anything else (flow.go), and the bounds use that, not what was asked for.
//   - Where that is impossible the members are addresses of the loopback network, and limit themselves (shaping.go).
//   - A run (gate.go, rows.go) has a gate: receivers start and announce themselves; the clock starts when it opens; it ends with the last
//     verified piece. For a swarm (swarm.go) the gate opens by starting the seed, for plain downloads (download.go) by a word.
//   - One thread starts and opens everything (starter_linux.go), so that the kernel undoes it however the lab ends.
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

	"github.com/eddy-p2p/eddy"
	"github.com/eddy-p2p/eddy/internal/theory"
)

// Lab is one set of measurements.
type Lab struct {
	cfg      Config
	client   *client
	warnings []string

	// What Run undoes at its end.
	starter    *starter
	processes  processes
	namespaces []*os.File
	scratch    *scratch

	// What the measurements work with.
	net         *network
	content     content
	torrent     string // file
	serverState string // directory: what the server's client remembers
	logs        string // directory for the run that goes on; "" = nothing is kept
}

// trackerPort is where the tracker listens, at the hub.
const trackerPort = 6969

// Run measures and returns what came out. However it ends, also when ctx does, no process, namespace, link or file of it is
// left.
func Run(ctx context.Context, cfg Config) (result *Result, err error) {
	l := &Lab{cfg: cfg}
	if l.cfg.Repeat == 0 {
		l.cfg.Repeat = DefaultRepeat
	}
	if l.cfg.Archs == nil {
		l.cfg.Archs = []Arch{ClientServer, P2P}
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
	l.closeNamespaces()
	l.starter.close()
	if l.scratch == nil {
		return nil
	}
	return l.scratch.remove()
}

// prepare makes the content, the machines and their links, and measures these.
func (l *Lab) prepare(ctx context.Context) (err error) {
	if err := l.checkKeep(); err != nil {
		return err
	}
	receivers := slices.Max(l.cfg.Peers)
	if l.scratch, err = newScratch(int64(receivers+1), l.cfg.Size); err != nil {
		return err
	}
	path := l.path("server", contentName)
	l.serverState = l.path("server-state")
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.Mkdir(l.serverState, 0o700)); err != nil {
		return err
	}
	if l.content, err = makeContent(ctx, path, l.cfg.Size); err != nil {
		return err
	}
	if err := l.build(receivers); err != nil {
		return err
	}
	if err := l.calibrate(ctx); err != nil {
		return err
	}
	if err := l.makeTorrent(ctx); err != nil {
		return err
	}
	if !slices.Contains(l.cfg.Archs, P2P) {
		return nil
	}
	return l.introduce(ctx)
}

// path is a file of this lab.
func (l *Lab) path(names ...string) string {
	return filepath.Join(append([]string{l.scratch.dir}, names...)...)
}

// trackerAddr is where the tracker listens.
func (l *Lab) trackerAddr() string { return netip.AddrPortFrom(l.net.hub.addr, trackerPort).String() }

// makeTorrent describes the content.
func (l *Lab) makeTorrent(ctx context.Context) error {
	source, err := eddy.Create(ctx, l.content.path, eddy.CreateOptions{
		PieceLength: l.cfg.PieceLength, Trackers: [][]string{{"http://" + l.trackerAddr() + "/announce"}},
	})
	if err != nil {
		return err
	}
	l.cfg.PieceLength = source.Meta.PieceLength
	l.torrent = l.path("content.torrent")
	return os.WriteFile(l.torrent, source.Meta.Bytes(), 0o600)
}

func (l *Lab) step(s Step) {
	if l.cfg.Progress != nil {
		l.cfg.Progress(s)
	}
}

// warn keeps what the reader of the figures has to know.
func (l *Lab) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(l.warnings, text) {
		l.warnings = append(l.warnings, text)
		l.step(Step{Warning: text})
	}
}

// checkKeep makes the directory for what the members print, so that it is not after half of the lab that there cannot be one.
func (l *Lab) checkKeep() error {
	if l.cfg.Keep == "" {
		return nil
	}
	if err := os.MkdirAll(l.cfg.Keep, 0o755); err != nil {
		return fmt.Errorf("making the directory for the members' output: %w", err)
	}
	probe, err := os.CreateTemp(l.cfg.Keep, ".probe-*")
	if err != nil {
		return fmt.Errorf("keeping the members' output: %w", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
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

// counters reads what the links of the server and n receivers have sent so far; nil where links are not shaped.
func (l *Lab) counters(n int) ([]Traffic, error) {
	if l.cfg.Shaping == Internal {
		return nil, nil
	}
	var all []Traffic
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
