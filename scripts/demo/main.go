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
	if err := p.run(ctx); ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "demo: interrupted; everything is cleaned up")
		os.Exit(130)
	} else if err != nil {
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
	fmt.Printf("The file: %s, %.1f MB of Go's own sources.\n", filepath.Base(file), mega(size))
	fmt.Printf("One server and %s, each a process that uploads at most %.1f MB/s.\n\n", plural(p.receivers, "receiver"), mega(p.rate))
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
	fmt.Printf("\nCompared with the original: %s, all identical.\n\n", plural(p.receivers, "file"))
	fmt.Printf("  client-server, at best   %6.1f s   max(N*F/us, F/dmin)\n", alone.Seconds)
	fmt.Printf("  P2P, at best             %6.1f s   max(F/us, F/dmin, N*F/(us+sum u))\n", swarm.Seconds)
	fmt.Printf("  eddy, measured           %6.1f s   from the receivers' start to the last one done\n\n", wall.Seconds())
	fmt.Printf("That is %.2f times the P2P minimum, and %.1f times as fast as client-server can be.\n",
		wall.Seconds()/swarm.Seconds, alone.Seconds/wall.Seconds())
}

// plural prints a count with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
