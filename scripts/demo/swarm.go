package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// leaveTime is how long a process may take to leave the swarm before it is killed.
const leaveTime = 5 * time.Second

// lineEvery is how often the table is a line where there is no terminal.
const lineEvery = 3 * time.Second

// event is a line of eddy --json, as far as the demo reads it.
type event struct {
	Type    string   `json:"type"`
	URL     string   `json:"url"`
	Hash    string   `json:"infohash"`
	Bytes   int64    `json:"bytes"`
	DownBPS int64    `json:"down_bps"`
	UpBPS   int64    `json:"up_bps"`
	UpTotal int64    `json:"up_total"`
	Peers   int      `json:"peers"`
	Ratio   *float64 `json:"ratio"`
	Wall    float64  `json:"wall_s"`
	What    string   `json:"what"`
	Cause   string   `json:"cause"`
}

// swarm is the running demo.
type swarm struct {
	*plan
	dir, file string
	size      int64

	mu   sync.Mutex
	last []event   // of each process, the sharing one first
	done []float64 // seconds to completion of each receiver; 0 = not yet

	drawn    int           // lines of the table on the terminal
	nextLine time.Duration // when the next line is due where there is no terminal
}

// run shares and receives, and returns the time from the start of the receivers to the last one's completion.
func (s *swarm) run(ctx context.Context) (time.Duration, error) {
	s.last, s.done = make([]event, s.receivers+1), make([]float64, s.receivers+1)
	ctx, cancel := context.WithCancel(ctx)
	events := make(chan received)
	var running sync.WaitGroup
	defer running.Wait()
	defer func() { // nobody reads the events of processes that are leaving
		cancel()
		go func() {
			for range events {
			}
		}()
	}()
	share := []string{"share", s.file, "--host", "127.0.0.1", "--http", "127.0.0.1:0"}
	if err := s.start(ctx, &running, 0, share, events); err != nil {
		return 0, err
	}
	var start time.Time
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
			s.draw(start)
		case got := <-events:
			switch {
			case got.err != nil:
				return 0, got.err
			case got.Type == "ready" && got.process == 0:
				start = time.Now()
				for i := range s.receivers {
					if err := s.receive(ctx, &running, i+1, got.URL+"#btih="+got.Hash, events); err != nil {
						return 0, err
					}
				}
			case got.Type == "progress":
				s.last[got.process] = got.event
			case got.Type == "complete":
				s.done[got.process] = time.Since(start).Seconds()
				if wall, all := s.finished(); all {
					s.draw(start)
					return wall, nil
				}
			}
		}
	}
}

// received is an event, or the end, of one process.
type received struct {
	event
	process int
	err     error
}

// receive starts one receiver. It stays for the others, as a good peer does.
func (s *swarm) receive(ctx context.Context, running *sync.WaitGroup, i int, url string, events chan<- received) error {
	rate := strconv.FormatInt(s.rate, 10)
	return s.start(ctx, running, i, []string{"get", url, "-d", s.target(i), "--seed",
		"--server-rate", rate, "--peer-rate", rate, "--peers-total", strconv.Itoa(s.receivers)}, events)
}

// target is the directory of a receiver.
func (s *swarm) target(i int) string { return filepath.Join(s.dir, fmt.Sprintf("receiver-%d", i)) }

// start runs one eddy and sends its events.
func (s *swarm) start(ctx context.Context, running *sync.WaitGroup, i int, args []string, events chan<- received) error {
	args = append(args, "--json", "--listen", "127.0.0.1:0", "--limit-up", strconv.FormatInt(s.rate, 10),
		"--state", filepath.Join(s.dir, fmt.Sprintf("state-%d", i)))
	cmd := exec.CommandContext(ctx, s.eddy, args...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(s.dir, "cache"), "XDG_CONFIG_HOME="+s.dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = leaveTime
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting eddy %s: %w", args[0], err)
	}
	running.Go(func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var e event
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				events <- received{event: e, process: i}
			}
		}
		if err := cmd.Wait(); ctx.Err() == nil {
			events <- received{process: i, err: fmt.Errorf("eddy %s ended early: %v\n%s", args[0], err, stderr.String())}
		}
	})
	return nil
}

// finished returns the time of the last receiver once all are complete.
func (s *swarm) finished() (time.Duration, bool) {
	var last float64
	for _, d := range s.done[1:] {
		if d == 0 {
			return 0, false
		}
		last = max(last, d)
	}
	return time.Duration(last * float64(time.Second)), true
}

// draw shows the table: in place on a terminal, else a line every few seconds. No row is wider than 79 columns, since one that
// wraps could not be drawn over.
func (s *swarm) draw(start time.Time) {
	if start.IsZero() {
		return
	}
	elapsed := time.Since(start)
	if stat, err := os.Stdout.Stat(); err != nil || stat.Mode()&os.ModeCharDevice == 0 {
		if _, all := s.finished(); all || elapsed >= s.nextLine {
			s.nextLine = elapsed.Truncate(lineEvery) + lineEvery
			fmt.Println(s.line(elapsed))
		}
		return
	}
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\r\x1b[%dA", s.drawn)
	}
	fmt.Fprintf(&b, "\x1b[2K%-52s  up %4.1f MB/s  sent %3.0f MB\n", fmt.Sprintf("  server      %.1f s", elapsed.Seconds()),
		mega(s.last[0].UpBPS), mega(s.last[0].UpTotal))
	for i := 1; i <= s.receivers; i++ {
		e := s.last[i]
		part, note := float64(e.Bytes)/float64(s.size), fmt.Sprintf("down %4.1f", mega(e.DownBPS))
		if s.done[i] > 0 {
			part, note = 1, fmt.Sprintf("in %4.1f s", s.done[i])
		}
		fmt.Fprintf(&b, "\x1b[2K  receiver %-2d[%-20s] %3.0f %%  %-9s  up %4.1f MB/s  sent %3.0f MB\n", i,
			strings.Repeat("#", int(20*part)), 100*part, note, mega(e.UpBPS), mega(e.UpTotal))
	}
	s.drawn = s.receivers + 1
	fmt.Print(b.String())
}

// line is the table in one line.
func (s *swarm) line(elapsed time.Duration) string {
	parts := []string{fmt.Sprintf("%5.1f s  server sent %5.1f MB", elapsed.Seconds(), mega(s.last[0].UpTotal))}
	for i := 1; i <= s.receivers; i++ {
		have := s.last[i].Bytes
		if s.done[i] > 0 {
			have = s.size
		}
		parts = append(parts, fmt.Sprintf("%d: %3.0f %% (sent %5.1f MB)", i, 100*float64(have)/float64(s.size), mega(s.last[i].UpTotal)))
	}
	return strings.Join(parts, "  ")
}

func mega(n int64) float64 { return float64(n) / 1e6 }

// compare checks every copy against the original.
func (s *swarm) compare() error {
	want, err := digest(s.file)
	if err != nil {
		return err
	}
	for i := 1; i <= s.receivers; i++ {
		path := filepath.Join(s.target(i), filepath.Base(s.file))
		got, err := digest(path)
		if err != nil {
			return err
		}
		if got != want {
			return errors.New(path + " differs from the original")
		}
	}
	return nil
}

func digest(path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}
