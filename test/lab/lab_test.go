package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/test/harness"
)

// result is as much of the lab's document as is looked at.
type result struct {
	Shaping  string
	Warnings []string
	Server   struct {
		Asked float64 `json:"asked_bps"`
		Least float64 `json:"least_bps"`
	}
	Rows []struct {
		Peers    int
		Arch     string
		Bound    float64  `json:"bound_s"`
		Sim      *float64 `json:"sim_s"`
		Measured float64  `json:"measured_s"`
		Ratio    float64
		Runs     []struct {
			Sent []struct{ Bytes int64 }
		}
	}
}

const size = 2_000_000

// command is a small lab of two receivers.
func command(args ...string) *exec.Cmd {
	return exec.Command(harness.Eddy(), append([]string{"lab", "--peers", "2", "--size", strconv.Itoa(size), "--server", "2MB", "--up", "1MB",
		"--repeat", "1", "--json"}, args...)...)
}

// measure runs a lab to its end.
func measure(t *testing.T, args ...string) result {
	t.Helper()
	var stderr bytes.Buffer
	cmd := command(args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v: %s%s", cmd.Args, err, out, stderr.Bytes())
	}
	var r result
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%q printed %s: %v", cmd.Args, out, err)
	}
	return r
}

// Both architectures are measured, nobody beats the bound, and the kernel's counters account for every copy.
func TestNamespaces(t *testing.T) {
	harness.Need(t, "ip", "tc")
	r := measure(t, "--shaping", "netns")
	if r.Shaping != "netns" {
		t.Errorf("shaping %q", r.Shaping)
	}
	if off := r.Server.Least / r.Server.Asked; off < 0.9 || off > 1.02 {
		t.Errorf("the server's link was asked for %v and carries %v", r.Server.Asked, r.Server.Least)
	}
	checkRows(t, &r, "client_server", "p2p")
	for _, row := range r.Rows {
		var sum int64
		for _, s := range row.Runs[0].Sent {
			sum += s.Bytes
		}
		if sent := row.Runs[0].Sent; len(sent) != 3 || sum < 2*size || sent[0].Bytes < size {
			t.Errorf("%s: %v bytes were sent for two copies of %d", row.Arch, sent, size)
		}
		// Who only downloads sends acknowledgements and no more.
		if row.Arch == "client_server" && row.Runs[0].Sent[1].Bytes > size/4 {
			t.Errorf("a plain download sent %d bytes", row.Runs[0].Sent[1].Bytes)
		}
	}
	nothingLeft(t)
}

func TestInternal(t *testing.T) {
	harness.Need(t)
	r := measure(t, "--shaping", "internal")
	if r.Shaping != "internal" || r.Rows[0].Runs[0].Sent != nil {
		t.Errorf("%+v", r)
	}
	checkRows(t, &r, "client_server", "p2p")
	nothingLeft(t)
}

// Every other client that is here is measured by the same rows; it is not simulated.
func TestOtherClients(t *testing.T) {
	for client, needs := range map[string]string{"aria2": "aria2c", "libtorrent": "python:libtorrent", "transmission": "transmission-cli"} {
		t.Run(client, func(t *testing.T) {
			harness.Need(t, "ip", "tc", needs)
			r := measure(t, "--client", client)
			checkRows(t, &r, "client_server", "p2p")
			if r.Rows[1].Sim != nil {
				t.Errorf("%s is simulated by %v", client, *r.Rows[1].Sim)
			}
			nothingLeft(t)
		})
	}
}

// checkRows wants a row of two receivers for each architecture, of real times.
func checkRows(t *testing.T, r *result, archs ...string) {
	t.Helper()
	if len(r.Rows) != len(archs) {
		t.Fatalf("%d rows, want %d", len(r.Rows), len(archs))
	}
	for i, row := range r.Rows {
		switch {
		case row.Arch != archs[i] || row.Peers != 2:
			t.Errorf("row %d is of %d receivers by %s", i, row.Peers, row.Arch)
		case row.Bound <= 0 || row.Measured <= 0 || row.Ratio != row.Measured/row.Bound:
			t.Errorf("%s: bound %v, measured %v, ratio %v", row.Arch, row.Bound, row.Measured, row.Ratio)
		case row.Arch == "client_server" && math.Abs(row.Bound*r.Server.Least/(2*size)-1) > 1e-9:
			t.Errorf("the bound is %v s, not that of two copies over the measured %v bytes/s", row.Bound, r.Server.Least)
		case row.Ratio < 0.95: // a bucket of each link may be full when it begins
			t.Errorf("%s: faster than possible: %v of the bound", row.Arch, row.Ratio)
		case row.Sim != nil && row.Ratio > 6: // a small content: starting up is most of it
			t.Errorf("%s: %v of the bound", row.Arch, row.Ratio)
		case row.Sim != nil && *row.Sim > 2*row.Measured:
			t.Errorf("%s: simulated in %v, measured %v", row.Arch, *row.Sim, row.Measured)
		case row.Sim != nil && *row.Sim < row.Bound*0.999:
			t.Errorf("%s: simulated in %v, which beats the bound %v", row.Arch, *row.Sim, row.Bound)
		}
	}
}

// start starts a lab with a large file, and returns when it is being measured.
func start(t *testing.T, args ...string) (*exec.Cmd, *output) {
	t.Helper()
	return startUntil(t, "client-server, 2 receivers: at least", args...)
}

// startUntil starts a lab with a large file, and returns when it has said so much and has processes.
func startUntil(t *testing.T, says string, args ...string) (*exec.Cmd, *output) {
	t.Helper()
	cmd := command(append([]string{"--size", "200MB"}, args...)...)
	out := &output{changed: make(chan struct{}, 1)}
	cmd.Stderr = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	out.await(t, says)
	// Its receivers run by now or are about to.
	await(t, "the lab has children", func() bool { return len(ours()) > 2 })
	return cmd, out
}

// output collects what a lab prints.
type output struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	select {
	case o.changed <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *output) await(t *testing.T, text string) {
	t.Helper()
	late := time.After(time.Minute)
	for !strings.Contains(o.String(), text) {
		select {
		case <-o.changed:
		case <-late:
			t.Fatalf("the lab never said %q:\n%s", text, o)
		}
	}
}

// await waits for what another process is about to do.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 30 s: %s; processes %v, directories %v", what, ours(), directories())
		}
	}
}

// Ctrl-C in the middle of a run, or of the calibration: code 130, and no process, namespace, link or file stays.
func TestInterrupt(t *testing.T) {
	for _, row := range []struct{ name, shaping, says string }{
		{"netns", "netns", "client-server, 2 receivers: at least"},
		{"internal", "internal", "client-server, 2 receivers: at least"},
		{"calibration", "netns", "calibrating 3 links"},
		{"internal calibration", "internal", "calibrating 3 links"},
	} {
		t.Run(row.name, func(t *testing.T) {
			harness.Need(t, "ip", "tc")
			links := count(t)
			cmd, out := startUntil(t, row.says, "--shaping", row.shaping)
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			err := cmd.Wait()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 130 {
				t.Errorf("ended with %v, want code 130\n%s", err, out)
			}
			if says := out.String(); row.says == "calibrating 3 links" && strings.Contains(says, "receivers: at least") {
				t.Errorf("the calibration went on to its end:\n%s", says)
			}
			nothingLeft(t)
			if now := count(t); now != links {
				t.Errorf("%d links, were %d", now, links)
			}
		})
	}
}

// The second Ctrl-C does not wait for anything; nor does SIGKILL. The kernel then ends the children, and with them their
// namespaces; the files go with the next lab.
func TestKilled(t *testing.T) {
	harness.Need(t, "ip", "tc")
	for _, how := range []struct {
		name    string
		signals []os.Signal
	}{{"kill", []os.Signal{syscall.SIGKILL}}, {"second interrupt", []os.Signal{os.Interrupt, os.Interrupt}}} {
		t.Run(how.name, func(t *testing.T) {
			links := count(t)
			cmd, _ := start(t)
			for _, s := range how.signals {
				_ = cmd.Process.Signal(s) // the first may have sufficed
			}
			cmd.Wait()
			await(t, "the children end", func() bool { return len(ours()) == 0 })
			if now := count(t); now != links {
				t.Errorf("%d links, were %d", now, links)
			}
		})
	}
	measure(t)
	nothingLeft(t)
}

// nothingLeft fails the test if a process, a namespace or a file of a lab is there. /dev/shm is shared with others: only
// directories whose lock is free count.
func nothingLeft(t *testing.T) {
	t.Helper()
	if p := ours(); len(p) > 0 {
		t.Errorf("processes are left: %v", p)
	}
	if d := directories(); len(d) > 0 {
		t.Errorf("directories are left: %v", d)
	}
	if names, _ := filepath.Glob("/run/netns/*eddy*"); len(names) > 0 {
		t.Errorf("namespaces are left: %v", names)
	}
}

// ours lists the processes that run the eddy under test.
func ours() []string {
	var list []string
	pids, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range pids {
		// One that has ended, or is the kernel's, has none.
		if exe, err := os.Readlink(filepath.Join(dir, "exe")); err == nil && exe == harness.Eddy() {
			list = append(list, filepath.Base(dir))
		}
	}
	return list
}

// directories lists what labs left, those of living ones apart.
func directories() []string {
	var left []string
	for _, place := range []string{"/dev/shm", os.TempDir()} {
		dirs, _ := filepath.Glob(filepath.Join(place, "eddy-lab-*"))
		for _, dir := range dirs {
			lock, err := os.Open(filepath.Join(dir, "lock"))
			if err != nil {
				continue // it is about to begin, or to end
			}
			if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
				left = append(left, dir)
			}
			lock.Close()
		}
	}
	return left
}

// count is how many network links there are in our namespace.
func count(t *testing.T) int {
	t.Helper()
	links, err := os.ReadFile("/proc/net/dev")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(links, []byte("\n"))
}
