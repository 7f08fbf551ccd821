package cli

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// runHere runs a command in this process, without any environment.
func runHere(t *testing.T, out io.Writer, args ...string) (code int, stderr string) {
	t.Helper()
	var diagnostics bytes.Buffer
	code = Run(context.Background(), Stdio{Args: args, Out: out, Err: &diagnostics, Environ: []string{"HOME=" + t.TempDir()}})
	return code, diagnostics.String()
}

// A result that cannot be written is a failure, told in one line: a script must not take silence for success.
func TestOutputThatFails(t *testing.T) {
	dir := t.TempDir()
	content := filepath.Join(dir, "x")
	if err := os.WriteFile(content, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	torrent := content + ".torrent"
	if code, text := runHere(t, io.Discard, "create", content, "-o", torrent); code != 0 {
		t.Fatal(text)
	}
	reader, broken, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer broken.Close()
	reader.Close()
	longRunning := []string{"get", "share", "tracker"}
	outs := map[string]io.Writer{"broken pipe": broken}
	if full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0); err == nil {
		defer full.Close()
		outs["no space left"] = full
	}
	for says, out := range outs {
		want := exitFailed
		if says != "broken pipe" {
			want = exitDisk
		}
		for _, args := range [][]string{
			{"version"},
			{"show", torrent},
			{"show", torrent, "--json"},
			{"verify", torrent, content},
			{"create", content, "-n"},
			{"create", content, "-o", "-"},
			{"get", torrent, "-d", dir, "--no-seed", "-q", "--listen", "127.0.0.1:0"},
			{"share", content, "-q", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"},
			{"tracker", "--http", "127.0.0.1:0"},
		} {
			code, stderr := runHere(t, out, args...)
			if says == "broken pipe" && !slices.Contains(longRunning, args[0]) {
				// As tools that SIGPIPE ends, for `| head -1`: no complaint about the reader's decision.
				if code != exitPipe || strings.Contains(stderr, "broken pipe") {
					t.Errorf("%v on %s: code %d, %s", args, says, code, stderr)
				}
				continue
			}
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			if last := lines[len(lines)-1]; code != want || !strings.Contains(last, "stdout: ") || !strings.Contains(last, says) || strings.Contains(last, "(") {
				t.Errorf("%v on %s: code %d, %s", args, says, code, stderr)
			}
		}
	}
}

// Help and completion are results too: a script that asks for them must hear that it did not get them.
func TestHelpThatFails(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	defer full.Close()
	for _, args := range [][]string{{"--help"}, {}, {"sim"}, {"sim", "run", "--help"}, {"help", "plan"}, {"completion", "bash"}, {"completion", "powershell"}} {
		if code, stderr := runHere(t, full, args...); code != exitDisk || !strings.Contains(stderr, "to stdout: no space left on device\n") {
			t.Errorf("%v: code %d, %s", args, code, stderr)
		}
	}
}

// A figure that cannot be written after all takes nothing from the result, nor the other way round.
func TestShowBoth(t *testing.T) {
	plan := []string{"plan", "--peers", "3", "--size", "1MB", "--server", "1MB", "--up", "1MB"}
	link := filepath.Join(t.TempDir(), "full.svg")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil || os.Symlink("/dev/full", link) != nil {
		t.Skip("no /dev/full here")
	}
	defer full.Close()
	for _, args := range [][]string{
		append(plan, "--plot", link),
		{"sim", "run", "--peers", "2", "--size", "64KiB", "--server", "1MB", "--up", "1MB", "--plot", link},
		{"sim", "run", "--peers", "2", "--size", "64KiB", "--server", "1MB", "--up", "1MB", "--trace", "/dev/full"},
		{"sim", "sweep", "--peers", "2", "--size", "64KiB", "--server", "1MB", "--up", "1MB", "--plot", link},
	} {
		var out bytes.Buffer
		code, stderr := runHere(t, &out, args...)
		if code != exitDisk || out.Len() < 100 || !strings.Contains(stderr, "no space left on device (free some space, or choose another place)") {
			t.Errorf("%v: code %d, %d bytes of a result, %s", args, code, out.Len(), stderr)
		}
	}
	drawn := filepath.Join(t.TempDir(), "x.svg")
	if code, stderr := runHere(t, full, append(plan, "--plot", drawn)...); code != exitDisk || !strings.Contains(stderr, "stdout") {
		t.Errorf("code %d, %s", code, stderr)
	}
	if _, err := os.Stat(drawn); err != nil {
		t.Error("no figure because the table could not be printed:", err)
	}
}

// The first signal asks, the second ends at once with its own code, even while the command is still saying goodbye.
func TestSecondSignal(t *testing.T) {
	signals := make(chan os.Signal)
	inv := newInvocation(Stdio{Signals: signals})
	ended := make(chan int)
	inv.exit = func(code int) { ended <- code }
	ctx, stop := inv.watchSignals(context.Background())
	signals <- syscall.SIGINT
	<-ctx.Done()
	if code, failure := inv.outcome(ctx, context.Cause(ctx)); code != exitInterrupted || failure != nil {
		t.Errorf("the first: code %d, %v", code, failure)
	}
	signals <- syscall.SIGTERM
	if code := <-ended; code != exitTerminated {
		t.Errorf("the second: code %d", code)
	}
	stop()
}

// trust.md: 169.254/16 always is refused, "no public source (redirect ...) leads to a less public address"; what is not less public
// is followed.
func TestRedirects(t *testing.T) {
	meta := makeTorrent(t, "x")
	mux := http.NewServeMux()
	mux.HandleFunc("/x.torrent", func(w http.ResponseWriter, _ *http.Request) { w.Write(meta.Bytes()) })
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("where"), http.StatusFound)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, row := range []struct {
		where string
		code  int
		says  string
	}{
		{server.URL + "/x.torrent", 0, ""},
		{server.URL + "/to?where=/x.torrent", 0, ""},
		{"http://169.254.169.254/latest/meta-data", exitNetwork, "link-local"},
		{"http://[fe80::1]/x.torrent", exitNetwork, "link-local"},
		{"file:///etc/passwd", exitFailed, "unsupported protocol scheme"},
		{"ftp://127.0.0.1/x.torrent", exitFailed, "unsupported protocol scheme"},
	} {
		code, stderr := runHere(t, io.Discard, "show", server.URL+"/to?where="+row.where)
		if code != row.code || !strings.Contains(stderr, row.says) {
			t.Errorf("redirected to %s: code %d, %s", row.where, code, stderr)
		}
	}
}

// The environment is that of the run, the last of a name counts.
func TestEnvironment(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "asked for "+r.URL.String(), http.StatusTeapot)
	}))
	defer proxy.Close()
	for _, environ := range [][]string{
		{"http_proxy=" + proxy.URL},
		{"HTTP_PROXY=http://127.0.0.1:1", "HTTP_PROXY=" + proxy.URL},
	} {
		var out, stderr bytes.Buffer
		code := Run(context.Background(), Stdio{Args: []string{"show", "http://eddy.invalid/x.torrent"}, Out: &out, Err: &stderr, Environ: environ})
		if code != exitNetwork || !strings.Contains(stderr.String(), "418") {
			t.Errorf("%v: code %d, %s", environ, code, stderr.String())
		}
	}
}
