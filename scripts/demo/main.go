// Command demo shows eddy at work on one machine: one `eddy share` and four `eddy get`, each a process with a directory and a
// shaped upload of its own. It draws their progress, compares the copies with the original, and sets the measured time
// against the least times of both architectures. It leaves nothing behind, on Ctrl-C neither.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/eddy-p2p/eddy/internal/theory"
)

// plan is what the demo does.
type plan struct {
	eddy      string // the program
	receivers int
	size      int64 // bytes of the file, about
	rate      int64 // bytes/s that every machine uploads at most
}

func main() {
	var p plan
	flag.StringVar(&p.eddy, "eddy", "bin/eddy", "the program to show")
	flag.IntVar(&p.receivers, "receivers", 4, "how many receivers")
	flag.Int64Var(&p.size, "size", 100_000_000, "bytes of the file, about")
	flag.Int64Var(&p.rate, "rate", 8_000_000, "bytes/s that each process uploads at most")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := p.run(ctx); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted; everything is cleaned up")
		}
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run makes the file, shares it, and reports.
func (p *plan) run(ctx context.Context) error {
	if p.receivers < 1 || p.size < 1 || p.rate < 1 {
		return errors.New("-receivers, -size and -rate must be positive")
	}
	eddy, err := filepath.Abs(p.eddy)
	if err != nil {
		return err
	}
	p.eddy = eddy
	dir, err := os.MkdirTemp("", "eddy-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "go-sources.tar")
	size, err := packSources(ctx, file, p.size)
	if err != nil {
		return fmt.Errorf("making a file to share: %w", err)
	}
	fmt.Printf("The file: %s, %.1f MB of Go's own sources. Each of 1 + %d processes may upload %.1f MB/s.\n\n",
		filepath.Base(file), float64(size)/1e6, p.receivers, float64(p.rate)/1e6)
	s := &swarm{plan: p, dir: dir, file: file, size: size}
	wall, err := s.run(ctx)
	if err != nil {
		return err
	}
	if err := s.compare(); err != nil {
		return err
	}
	p.conclude(size, wall)
	return nil
}

// conclude sets the measured time against theory.
func (p *plan) conclude(size int64, wall time.Duration) {
	up := float64(p.rate)
	peers := theory.Class{Peers: p.receivers, Up: up}
	alone, swarm := theory.ClientServer(float64(size), up, peers), theory.P2P(float64(size), up, peers)
	fmt.Printf("\nAll %d copies are identical to the original.\n\n", p.receivers)
	fmt.Printf("  client-server, at best   max(N*F/us, F/dmin)               %6.1f s\n", alone.Seconds)
	fmt.Printf("  P2P, at best             max(F/us, F/dmin, N*F/(us+sum u))  %6.1f s\n", swarm.Seconds)
	fmt.Printf("  eddy, measured           start of the receivers to the last %5.1f s = %.2f x the P2P minimum, %.1f times faster than client-server can be\n",
		wall.Seconds(), wall.Seconds()/swarm.Seconds, alone.Seconds/wall.Seconds())
}
