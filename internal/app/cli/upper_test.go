package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

const greeting = "The server is ready to receive\n"

// python returns the interpreter for the chapter's programs.
func python(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") == "true":
		t.Fatal("python3 is missing:", err)
	}
	t.Skip("no python3 here:", err)
	return ""
}

// chapter is the command of one of the chapter's four programs.
func chapter(t *testing.T, name string, args ...string) *exec.Cmd {
	script := filepath.Join("..", "upper", "testdata", name)
	cmd := exec.CommandContext(t.Context(), python(t), append([]string{script}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONIOENCODING=utf-8", "PYTHONUTF8=1")
	cmd.Stderr = os.Stderr
	return cmd
}

// send runs our client in this process. It returns its code and what it wrote.
func send(t *testing.T, input string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, diagnostics bytes.Buffer
	code = Run(t.Context(), Stdio{
		Args: append([]string{"upper", "send"}, args...), In: strings.NewReader(input), Out: &out, Err: &diagnostics,
		Environ: []string{"HOME=" + t.TempDir()},
	})
	return code, out.String(), diagnostics.String()
}

// serveUpper runs our server in this process until the test ends, and returns its port.
func serveUpper(t *testing.T, args ...string) (port string) {
	t.Helper()
	out, outWriter := io.Pipe()
	diagnostics, errWriter := io.Pipe()
	signals := make(chan os.Signal)
	var ended sync.WaitGroup
	ended.Go(func() {
		defer outWriter.Close()
		defer errWriter.Close()
		code := Run(context.Background(), Stdio{
			Args: append([]string{"upper", "serve", "--progress", "none", "--listen", ":0"}, args...), Out: outWriter, Err: errWriter,
			Environ: []string{"HOME=" + t.TempDir()}, Signals: signals,
		})
		if code != exitOK {
			t.Errorf("the server ended with %d", code)
		}
	})
	t.Cleanup(func() { signals <- syscall.SIGTERM; ended.Wait() })
	hello := make([]byte, len(greeting))
	if _, err := io.ReadFull(out, hello); err != nil || string(hello) != greeting {
		t.Fatalf("the server said %q, %v", hello, err)
	}
	where := make([]byte, 1024)
	n, err := diagnostics.Read(where)
	if err != nil {
		t.Fatal(err)
	}
	ended.Go(func() { io.Copy(io.Discard, diagnostics) })
	m := regexp.MustCompile(`:(\d+) \(`).FindSubmatch(where[:n])
	if m == nil {
		t.Fatalf("no port in %q", where[:n])
	}
	return string(m[1])
}

// freePort returns a port that nobody used a moment ago, of IPv4 since the chapter's servers know nothing else.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// The chapter's servers answer our clients, again and again, however their machine is called.
func TestChapterServers(t *testing.T) {
	for _, row := range []struct{ script, transport, prefix string }{
		{"UDPServer.py", "--udp", ""},
		{"TCPServer.py", "--tcp", "From Server: "},
	} {
		t.Run(row.script, func(t *testing.T) {
			port := freePort(t)
			server := chapter(t, row.script, port)
			out, err := server.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { server.Process.Kill(); server.Wait() })
			hello := make([]byte, len(greeting))
			if _, err := io.ReadFull(out, hello); err != nil || string(hello) != greeting {
				t.Fatalf("the chapter's server said %q, %v", hello, err)
			}
			for _, host := range []string{"127.0.0.1", "localhost", "127.0.0.1"} {
				code, stdout, stderr := send(t, "hello, wörld\n", row.transport, host+":"+port)
				if code != exitOK || stdout != row.prefix+"HELLO, WÖRLD\n" || stderr != "Input lowercase sentence:\n" {
					t.Errorf("%s: code %d, %q, %s", host, code, stdout, stderr)
				}
			}
			if row.transport == "--tcp" { // it reads 1,024 bytes, and what it leaves unread breaks the connection
				code, stdout, stderr := send(t, strings.Repeat("x", 3000), row.transport, "127.0.0.1:"+port)
				if code != exitIncomplete && code != exitNetwork || !strings.Contains(stderr, "before it had the whole sentence") ||
					strings.Trim(strings.TrimPrefix(stdout, row.prefix), "X\n") != "" || len(stdout) > len(row.prefix)+1025 {
					t.Errorf("a long line: code %d, %q, %s", code, stdout, stderr)
				}
			}
		})
	}
}

// The chapter's clients are answered by our servers. They send a line without its end and wait, so only the quiet time answers
// them over TCP.
func TestChapterClients(t *testing.T) {
	for _, row := range []struct{ script, transport, prefix string }{
		{"UDPClient.py", "--udp", ""},
		{"TCPClient.py", "--tcp", "From Server: "},
	} {
		t.Run(row.script, func(t *testing.T) {
			port := serveUpper(t, row.transport)
			var clients sync.WaitGroup
			for i := range 5 {
				clients.Go(func() {
					client := chapter(t, row.script, "localhost", port)
					client.Stdin = strings.NewReader(fmt.Sprintf("hello, wörld %d\n", i))
					out, err := client.Output()
					if want := fmt.Sprintf("Input lowercase sentence:%sHELLO, WÖRLD %d\n", row.prefix, i); err != nil || string(out) != want {
						t.Errorf("the chapter's client printed %q, %v, want %q", out, err, want)
					}
				})
			}
			clients.Wait()
		})
	}
}

// A greeting or a reply that cannot be written is a failure.
func TestUpperOutputThatFails(t *testing.T) {
	reader, broken, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer broken.Close()
	reader.Close()
	for _, transport := range []string{"--udp", "--tcp"} {
		server := "127.0.0.1:" + serveUpper(t, transport)
		for _, args := range [][]string{
			{"upper", "serve", transport, "--listen", "127.0.0.1:0"},
			{"upper", "send", transport, server},
			{"upper", "send", transport, server, "--json"},
		} {
			var stderr bytes.Buffer
			code := Run(t.Context(), Stdio{Args: args, In: strings.NewReader("x\n"), Out: broken, Err: &stderr})
			if args[1] == "send" && code == exitPipe && !strings.Contains(stderr.String(), "broken pipe") {
				continue // one-shot: as a tool that SIGPIPE ends
			}
			if args[1] == "send" || code != exitFailed || !strings.Contains(stderr.String(), "stdout: ") || !strings.Contains(stderr.String(), "broken pipe") {
				t.Errorf("%v: code %d, %s", args, code, &stderr)
			}
		}
	}
}
