package harness

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Process is one program under test, in a process group of its own. Its standard output is read as JSON lines, as
// far as they are any; both streams are kept in a log that is shown when the test fails.
type Process struct {
	Name string
	t    *testing.T
	cmd  *exec.Cmd

	mu      sync.Mutex
	events  []Event
	log     bytes.Buffer
	changed chan struct{} // closed and replaced at each event and at the end
	done    chan struct{} // closed when the process has been reaped
	err     error         // of Wait; valid once done is closed
}

// Start runs argv with the environment added to the test's own. The process is killed when the test ends.
func Start(t *testing.T, name string, env []string, argv ...string) *Process {
	t.Helper()
	p := &Process{Name: name, t: t, changed: make(chan struct{}), done: make(chan struct{})}
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stderr = writerFunc(p.write)
	p.cmd.WaitDelay = 5 * time.Second // for grandchildren that hold the pipes
	out, in := io.Pipe()
	p.cmd.Stdout = in
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.read(out)
	}()
	go func() {
		err := p.cmd.Wait()
		in.Close()
		<-read // every event first, then the end
		p.mu.Lock()
		p.err = err
		close(p.done)
		p.wake()
		p.mu.Unlock()
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("---- %s: %s\n%s", name, strings.Join(argv, " "), p.Log(6000))
		}
	})
	return p
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func (p *Process) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

// read takes in the standard output until it ends.
func (p *Process) read(r io.Reader) {
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadBytes('\n')
		if len(line) > 0 {
			var e Event
			isEvent := json.Unmarshal(line, &e) == nil
			p.mu.Lock()
			p.log.Write(line)
			if isEvent {
				p.events = append(p.events, e)
				p.wake()
			}
			p.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// wake lets all waiters look again; p.mu is held.
func (p *Process) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Log is the end of what the process printed, at most n bytes.
func (p *Process) Log(n int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.log.Bytes()
	if len(b) > n {
		return "..." + string(b[len(b)-n:])
	}
	return string(b)
}

// Events are all events so far.
func (p *Process) Events() []Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.events[:len(p.events):len(p.events)]
}

// ErrEnded reports that a process ended before what was waited for.
var ErrEnded = errors.New("the process ended")

// Find waits until an event satisfies ok and returns it; earlier events count.
func (p *Process) Find(ctx context.Context, ok func(Event) bool) (Event, error) {
	for i := 0; ; {
		p.mu.Lock()
		events, changed, ended := p.events, p.changed, isClosed(p.done)
		p.mu.Unlock()
		for ; i < len(events); i++ {
			if ok(events[i]) {
				return events[i], nil
			}
		}
		if ended {
			return nil, fmt.Errorf("%s: %w", p.Name, ErrEnded)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w", p.Name, context.Cause(ctx))
		}
	}
}

// Await is Find for an event of the given type that the test cannot do without.
func (p *Process) Await(ctx context.Context, kind string) Event {
	p.t.Helper()
	return p.AwaitThat(ctx, "a "+kind+" event", func(e Event) bool { return e.Type() == kind })
}

// AwaitThat is Find for an event that the test cannot do without; what names it.
func (p *Process) AwaitThat(ctx context.Context, what string, ok func(Event) bool) Event {
	p.t.Helper()
	e, err := p.Find(ctx, ok)
	if err != nil {
		p.t.Fatalf("waiting for %s: %v", what, err)
	}
	return e
}

// Next waits for an event of the given type that is not there yet.
func (p *Process) Next(ctx context.Context, kind string) Event {
	p.t.Helper()
	old := len(p.Events())
	seen := 0
	return p.AwaitThat(ctx, "another "+kind+" event", func(e Event) bool {
		seen++
		return seen > old && e.Type() == kind
	})
}

// Last is the newest event of the given type; nil if there is none.
func (p *Process) Last(kind string) Event {
	events := p.Events()
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Type() == kind {
			return events[i]
		}
	}
	return nil
}

// Wait waits for the end and returns the exit code; of a signal 128 + its number.
func (p *Process) Wait(ctx context.Context) int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-ctx.Done():
		p.t.Fatalf("waiting for the end of %s: %v", p.Name, context.Cause(ctx))
	}
	st := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if st.Signaled() {
		return 128 + int(st.Signal())
	}
	return st.ExitStatus()
}

// Ended reports whether the process has ended.
func (p *Process) Ended() bool { return isClosed(p.done) }

// Signal sends s to the process group.
func (p *Process) Signal(s syscall.Signal) {
	if !p.Ended() {
		syscall.Kill(-p.cmd.Process.Pid, s)
	}
}

// Kill ends the process group with SIGKILL and waits until the process has been reaped.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Stop ends the process with SIGTERM and returns its exit code.
func (p *Process) Stop(ctx context.Context) int {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	return p.Wait(ctx)
}

// BytesRead is how many bytes the process has read from files and sockets together, as the kernel counts them.
func (p *Process) BytesRead() (int64, error) {
	b, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(p.cmd.Process.Pid), "io"))
	if err != nil {
		return 0, err
	}
	var n int64
	if _, err := fmt.Sscanf(string(b), "rchar: %d", &n); err != nil {
		return 0, fmt.Errorf("reading /proc/PID/io: %w", err)
	}
	return n, nil
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// An Event is one JSON line of eddy's --json.
type Event map[string]any

// Type is the event's kind: ready, progress, complete, error, exit.
func (e Event) Type() string { return e.Str("type") }

// Str is a string field, or the first of a list of strings; "" if there is none.
func (e Event) Str(key string) string {
	v := e[key]
	if l, ok := v.([]any); ok && len(l) > 0 {
		v = l[0]
	}
	s, _ := v.(string)
	return s
}

// Int is a number field; 0 if it is absent or null.
func (e Event) Int(key string) int64 {
	f, _ := e[key].(float64)
	return int64(f)
}
