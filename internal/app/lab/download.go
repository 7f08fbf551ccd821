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
	"time"
)

// fetched is what a download reports about itself, a line a state: it stands at the gate, it is done.
type fetched struct {
	Type   string `json:"type"` // "ready" or "complete"
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// ServeFile serves one file over HTTP to everybody who asks, until ctx is done, at limit bytes/s in all (0: as fast as its link).
// The URL is printed to out once it listens.
func ServeFile(ctx context.Context, addr, path string, limit int64, out io.Writer) error {
	listener, err := net.Listen("tcp4", addr)
	if err != nil {
		return err
	}
	if limit > 0 {
		listener = &pacedListener{listener, newPacer(limit)}
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

// FetchFile downloads url as any HTTP client does, from the address source, at limit bytes/s (0: as fast as it comes). It waits
// for a line on in first, and reports to out.
func FetchFile(ctx context.Context, url, source string, limit int64, in io.Reader, out io.Writer) error {
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
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, "tcp4", addr)
		if err != nil {
			return nil, err
		}
		return &pacedConn{Conn: c, receive: newPacer(limit)}, nil
	}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
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
func (l *Lab) clientServer(ctx context.Context, n int) (*Measurement, error) {
	url := make(chan string, 1)
	source := &l.net.peers[0]
	server, err := l.launch("the HTTP server", source.ns, l.role(source, source.up.asked, "serve", source.addr.String()+":0", l.content.path), nil,
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
	gate := newGate(n)
	for i := 1; i <= n; i++ {
		m := &l.net.peers[i]
		cmd := l.role(m, m.down.asked, "fetch", at, m.addr.String())
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		p, err := l.launch(m.name, m.ns, cmd, nil, func(now time.Time, line []byte) {
			var f fetched
			switch json.Unmarshal(line, &f); f.Type {
			case "ready":
				gate.stand(fmt.Sprint(i))
			case "complete":
				if f.Bytes != l.cfg.Size || f.SHA256 != l.content.sha256 {
					gate.fail(fmt.Errorf("%s got other bytes than the server has", peerName(i)))
				}
				gate.finish(i, now)
			}
		})
		if err != nil {
			return nil, err
		}
		defer p.kill()
		gate.watch(p, true)
		p.in = stdin
		gate.members = append(gate.members, p)
	}
	return l.measure(ctx, gate, func() error {
		for _, p := range gate.members {
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
func makeContent(ctx context.Context, path string, size int64) (content, error) {
	f, err := os.Create(path)
	if err != nil {
		return content{}, err
	}
	sum := sha256.New()
	// Not compressible, and the same in every lab.
	source := &endable{ctx, rand.NewChaCha8([32]byte{1})}
	_, err = io.CopyN(io.MultiWriter(f, sum), source, size)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return content{path, hex.EncodeToString(sum.Sum(nil))}, err
}

// endable is a reader that ends with a context.
type endable struct {
	ctx context.Context
	io.Reader
}

func (e *endable) Read(b []byte) (int, error) {
	if e.ctx.Err() != nil {
		return 0, context.Cause(e.ctx)
	}
	return e.Reader.Read(b)
}
