package lab

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"
)

// fetched is what a download reports about itself, a line a state: it stands at the gate, it is done.
type fetched struct {
	Type   string `json:"type"` // "ready" or "complete"
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// ServeFile serves one file over HTTP to everybody who asks, until ctx is done. The address is printed to out once it
// listens.
func ServeFile(ctx context.Context, addr, path string, out io.Writer) error {
	listener, err := net.Listen("tcp4", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) })}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if _, err := fmt.Fprintf(out, "http://%s/\n", listener.Addr()); err != nil {
		listener.Close()
		return err
	}
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// FetchFile downloads url as any HTTP client does. It waits for a line on in first, and reports to out.
func FetchFile(ctx context.Context, url string, in io.Reader, out io.Writer) error {
	report := json.NewEncoder(out)
	if err := report.Encode(fetched{Type: "ready"}); err != nil {
		return err
	}
	if _, err := bufio.NewReader(in).ReadString('\n'); err != nil {
		return fmt.Errorf("waiting at the gate: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, resp.Body)
	if err != nil {
		return err
	}
	return report.Encode(fetched{"complete", n, hex.EncodeToString(sum.Sum(nil))})
}

// clientServer measures n downloads from the one server: from the opening of the gate to the end of the last.
func (l *Lab) clientServer(ctx context.Context, n int) (*measurement, error) {
	url := make(chan string, 1)
	server, err := l.launch("the HTTP server", l.net.peers[0].ns,
		exec.Command(l.cfg.Executable, "lab", "serve", l.net.peers[0].addr.String()+":0", l.content.path), nil,
		func(_ time.Time, line []byte) { url <- string(line) })
	if err != nil {
		return nil, err
	}
	defer server.kill()
	var at string
	select {
	case at = <-url:
	case <-server.ended:
		return nil, server.failure()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	run := l.newRun(n)
	for i := 1; i <= n; i++ {
		cmd := exec.Command(l.cfg.Executable, "lab", "fetch", at)
		gate, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		p, err := l.launch(peerName(i), l.net.peers[i].ns, cmd, nil, func(now time.Time, line []byte) {
			var f fetched
			switch json.Unmarshal(line, &f); f.Type {
			case "ready":
				run.stand(fmt.Sprint(i))
			case "complete":
				if f.Bytes != l.cfg.Size || f.SHA256 != l.content.sha256 {
					run.fail(fmt.Errorf("%s got other bytes than the server has", peerName(i)))
				}
				run.finish(i, now)
			}
		})
		if err != nil {
			return nil, err
		}
		defer p.kill()
		run.watch(p, true)
		p.in = gate
		run.members = append(run.members, p)
	}
	return l.measure(ctx, run, func() error {
		for _, p := range run.members {
			if _, err := p.in.Write([]byte("go\n")); err != nil {
				return err
			}
		}
		return nil
	})
}

// content is what is distributed: random bytes.
type content struct {
	path   string
	sha256 string
}

// makeContent writes size random bytes to path.
func makeContent(path string, size int64) (content, error) {
	f, err := os.Create(path)
	if err != nil {
		return content{}, err
	}
	sum := sha256.New()
	// Not compressible, and the same in every lab.
	_, err = io.CopyN(io.MultiWriter(f, sum), rand.NewChaCha8([32]byte{1}), size)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return content{path, hex.EncodeToString(sum.Sum(nil))}, err
}
