package lab

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// process is a child that tells what it does by lines on stdout.
type process struct {
	name string // for errors: "peer 3"
	cmd  *exec.Cmd
	in   io.WriteCloser // its stdin, where it was asked for

	mu    sync.Mutex
	tail  []byte        // the end of what it wrote, for errors
	ended chan struct{} // closed when it has exited and its output was read
	err   error         // of Wait; read after ended
}

// tailSize is how much of a child's output is kept for the error that it may end in.
const tailSize = 2 << 10

// launch starts a child in ns. Each line that it writes on stdout is given to line, with the time it was read at; nil for
// nobody. With log both of its streams are copied there.
func (l *Lab) launch(name string, ns *os.File, cmd *exec.Cmd, log io.WriteCloser, line func(at time.Time, text []byte)) (*process, error) {
	p := &process{name: name, cmd: cmd, ended: make(chan struct{})}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := l.starter.start(ns, cmd); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	l.processes.add(p)
	var readers sync.WaitGroup
	read := func(r io.Reader, line func(time.Time, []byte)) {
		lines := bufio.NewReader(r)
		for {
			text, err := lines.ReadBytes('\n')
			if len(text) > 0 {
				p.keep(log, text)
				if line != nil {
					line(time.Now(), bytes.TrimRight(text, "\n"))
				}
			}
			if err != nil {
				return
			}
		}
	}
	readers.Go(func() { read(out, line) })
	readers.Go(func() { read(stderr, nil) })
	go func() {
		readers.Wait()
		p.err = cmd.Wait()
		if log != nil {
			log.Close()
		}
		l.processes.remove(p)
		close(p.ended)
	}()
	return p, nil
}

// keep remembers the end of the output.
func (p *process) keep(log io.Writer, text []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if log != nil {
		_, _ = log.Write(text) // a trace that cannot be written must not end the measurement
	}
	p.tail = append(p.tail, text...)
	if n := len(p.tail) - tailSize; n > 0 {
		p.tail = append(p.tail[:0], p.tail[n:]...)
	}
}

// failure says that the child ended although it should not have, in its own last words.
func (p *process) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	words := bytes.TrimSpace(p.tail)
	if i := bytes.LastIndexByte(words, '\n'); i >= 0 {
		words = words[i+1:]
	}
	if p.err != nil {
		return fmt.Errorf("%s ended: %w: %s", p.name, p.err, words)
	}
	return fmt.Errorf("%s ended: %s", p.name, words)
}

// kill ends the child at once and waits for its end.
func (p *process) kill() {
	killTree(p.cmd.Process)
	<-p.ended
}

// quit asks the child to end and waits; after the grace, or when ctx is done, it is killed.
func (p *process) quit(ctx context.Context, grace time.Duration) error {
	_ = p.cmd.Process.Signal(os.Interrupt) // an error means that it has ended
	wait := time.NewTimer(grace)
	defer wait.Stop()
	select {
	case <-p.ended:
	case <-wait.C:
		p.kill()
	case <-ctx.Done():
		p.kill()
		return context.Cause(ctx)
	}
	return nil
}

// wait returns the child's end, killing it when ctx is done first.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.kill()
		return context.Cause(ctx)
	}
	if p.err != nil {
		return p.failure()
	}
	return nil
}

// processes are the children. Safe for concurrent use.
type processes struct {
	mu    sync.Mutex
	live  map[*process]bool
	spent time.Duration // processor time of those that have ended
}

func (s *processes) add(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil {
		s.live = make(map[*process]bool)
	}
	s.live[p] = true
}

func (s *processes) remove(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, p)
	if end := p.cmd.ProcessState; end != nil {
		s.spent += end.UserTime() + end.SystemTime()
	}
}

// killAll ends all children at once.
func (s *processes) killAll() {
	s.mu.Lock()
	var all []*process
	for p := range s.live {
		all = append(all, p)
	}
	s.mu.Unlock()
	for _, p := range all {
		killTree(p.cmd.Process)
	}
	for _, p := range all {
		<-p.ended
	}
}

// cpu is the processor time that the children have used so far.
func (s *processes) cpu() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := s.spent
	for p := range s.live {
		sum += processTime(p.cmd.Process.Pid)
	}
	return sum
}
