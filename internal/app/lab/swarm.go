package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/tracker"
)

const (
	// The tracker's intervals are those of `eddy share`.
	announceLow, announceHigh = 30 * time.Second, time.Minute

	// swarmPort is where every client listens, each on its own address.
	swarmPort = 6881

	// quitGrace is how long the server's client may take to write down what it knows.
	quitGrace = 10 * time.Second

	// lookForDone is how often the files are looked for by which some clients say that they are complete.
	lookForDone = 10 * time.Millisecond
)

// track runs a tracker at the hub until stop is called. heard is told of every announce.
func (l *Lab) track(heard func(id [20]byte, left int64)) (stop func(), err error) {
	server, err := tracker.NewServer(tracker.ServerConfig{
		HTTP: l.trackerAddr(), IntervalLow: announceLow, IntervalHigh: announceHigh,
		Announced: func(_, id [20]byte, left int64, _ bool) { heard(id, left) },
	})
	if err == nil {
		err = l.starter.in(l.net.hub.ns, server.Listen)
	}
	if err != nil {
		return nil, fmt.Errorf("starting the tracker: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Run(ctx) // without a tracker the receivers do not gather, and that is told
	}()
	return func() { cancel(); <-done }, nil
}

// member describes machine i's client in a swarm whose files are under dir.
func (l *Lab) member(i int, dir string) (*member, error) {
	m := &l.net.peers[i]
	p := &member{
		exe: l.cfg.Executable, server: i == 0, policy: l.cfg.Policy, torrent: l.torrent,
		dir: filepath.Join(dir, fmt.Sprintf("peer-%d", i)), state: filepath.Join(dir, fmt.Sprintf("state-%d", i)),
		done: filepath.Join(dir, fmt.Sprintf("done-%d", i)), listen: netip.AddrPortFrom(m.addr, swarmPort),
	}
	if m.ns == nil {
		p.up, p.down = int64(m.up.asked), int64(m.down.asked)
	}
	if i == 0 {
		// It is known there already that the content is complete: see introduce.
		p.dir, p.state = filepath.Dir(l.content.path), l.serverState
		return p, nil
	}
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		return nil, err
	}
	return p, os.Mkdir(p.state, 0o700)
}

// introduce lets the server's client verify the content once, before any measurement, and end in order. So that when it
// starts at the gate it knows what it has, whoever it is, and no client pays for its hashing.
func (l *Lab) introduce(ctx context.Context) error {
	gate := newGate(1)
	stop, err := l.track(func(_ [20]byte, left int64) {
		if left == 0 {
			gate.stand("server")
		}
	})
	if err != nil {
		return err
	}
	defer stop()
	p, err := l.member(0, l.scratch.dir)
	if err != nil {
		return err
	}
	server, err := l.join(gate, 0, p)
	if err != nil {
		return err
	}
	defer server.kill()
	gathering, cancel := context.WithTimeoutCause(ctx, gatherFor, fmt.Errorf("%s did not announce the content within %v", l.client.name, gatherFor))
	defer cancel()
	if err := gate.await(gathering, func() bool { return len(gate.standing) > 0 }); err != nil {
		return err
	}
	gate.change(func() { gate.over = true })
	return server.quit(ctx, quitGrace)
}

// join starts a member of a swarm.
func (l *Lab) join(gate *gate, i int, p *member) (*process, error) {
	cmd, err := l.client.command(p)
	if err != nil {
		return nil, err
	}
	cmd.Env = append(cleanEnvironment(), "HOME="+p.state, "XDG_CONFIG_HOME="+p.state)
	log, err := l.openLog(i)
	if err != nil {
		return nil, err
	}
	proc, err := l.launch(peerName(i)+" ("+l.client.name+")", l.net.peers[i].ns, cmd, log, func(at time.Time, line []byte) {
		if i > 0 && l.client.complete != nil && l.client.complete(line) {
			gate.finish(i, at)
		}
	})
	if err != nil {
		return nil, err
	}
	gate.watch(proc, false)
	return proc, nil
}

// swarm measures n receivers and one seed: from the start of the seed, while all receivers have announced themselves and
// wait, to the last receiver's last verified piece.
func (l *Lab) swarm(ctx context.Context, n int) (*Measurement, error) {
	dir, err := os.MkdirTemp(l.scratch.dir, "swarm-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	gate := newGate(n)
	stop, err := l.track(gate.announced)
	if err != nil {
		return nil, err
	}
	defer stop()
	members := make([]*member, n+1)
	for i := range members {
		if members[i], err = l.member(i, dir); err != nil {
			return nil, err
		}
	}
	defer func() {
		gate.change(func() { gate.over = true })
		l.processes.killAll()
	}()
	for i := 1; i <= n; i++ {
		if _, err := l.join(gate, i, members[i]); err != nil {
			return nil, err
		}
	}
	if l.client.complete == nil {
		defer gate.lookForDone(members)()
	}
	m, err := l.measure(ctx, gate, func() error {
		_, err := l.join(gate, 0, members[0])
		return err
	})
	if err != nil {
		return nil, err
	}
	gate.change(func() { gate.over = true })
	l.processes.killAll()
	return m, l.compare(members[1:])
}

// lookForDone finishes the members whose files say so, at the time of those, until stop is called.
func (g *gate) lookForDone(members []*member) (stop func()) {
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(lookForDone)
		defer tick.Stop()
		found := make([]bool, len(members))
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			for i, p := range members {
				if found[i] || p.server {
					continue
				}
				if info, err := os.Stat(p.done); err == nil {
					found[i] = true
					g.finish(i, info.ModTime())
				}
			}
		}
	})
	return func() { close(end); wg.Wait() }
}

// compare fails unless all receivers have what the server has.
func (l *Lab) compare(members []*member) error {
	for i, p := range members {
		f, err := os.Open(p.contentPath())
		if err != nil {
			return fmt.Errorf("looking at what %s got: %w", peerName(i+1), err)
		}
		sum := sha256.New()
		_, err = io.Copy(sum, f)
		f.Close()
		if err != nil {
			return fmt.Errorf("reading what %s got: %w", peerName(i+1), err)
		}
		if hex.EncodeToString(sum.Sum(nil)) != l.content.sha256 {
			return fmt.Errorf("%s said that it is complete, but has other bytes than the server", peerName(i+1))
		}
	}
	return nil
}
