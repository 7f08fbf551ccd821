package ringhttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/eddy-p2p/eddy/internal/drive/ringhttp"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/test/ring/conformance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// "never a false not found": what is no ring node has not looked for the key, whatever it answers.
func TestNoNode(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"404 page": http.NotFound,
		"404 other JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(404)
			io.WriteString(w, `{"code":"no_route"}`)
		},
		"200 page": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>hello</html>") },
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://127.0.0.1:1/", 302) },
		"endless refusal": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			io.Copy(w, io.LimitReader(&counter{}, 1<<20))
		},
		"hangs up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"hangs up midway": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"key":`)
		},
	} {
		server := httptest.NewServer(handler)
		_, err := dial(t, server, "member").Get(t.Context(), "k", ringapi.GetOptions{})
		var known *ringapi.Error
		if !errors.As(err, &known) || known.Code != ringapi.TooFew {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
}

// What the dialler knows stays: a refused token must end with another code than an unreachable node.
func TestDialErrors(t *testing.T) {
	refused := &ringapi.Error{Code: ringapi.Denied, Message: "the token has expired"}
	for want, dialErr := range map[ringapi.Code]error{ringapi.Denied: fmt.Errorf("dialling: %w", refused), ringapi.TooFew: io.ErrUnexpectedEOF} {
		client, err := ringhttp.NewClient(ringhttp.ClientConfig{Dial: func(context.Context) (net.Conn, error) { return nil, dialErr }, Node: "10.0.0.9:7000"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Status(t.Context())
		var known *ringapi.Error
		if !errors.As(err, &known) || known.Code != want {
			t.Errorf("%v: got %v, want code %s", dialErr, err, want)
		}
		if want == ringapi.TooFew && (!strings.Contains(err.Error(), "10.0.0.9:7000") || !errors.Is(err, io.ErrUnexpectedEOF)) {
			t.Errorf("%v does not say which node and why", err)
		}
		client.Close()
	}
}

// The context's end is the context's error.
func TestCancelled(t *testing.T) {
	entered := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	client := dial(t, server, "member")
	for name, operation := range map[string]func(context.Context) error{
		"get": func(ctx context.Context) error { _, err := client.Get(ctx, "k", ringapi.GetOptions{}); return err },
		"watch": func(ctx context.Context) error {
			return client.Watch(ctx, "k", "", func(*ringapi.Get) error { return nil })
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- operation(ctx) }()
		<-entered
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A watch that is cut off goes on after the last change that was told, and tells nothing twice.
func TestWatchResumes(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.Query().Get("since"))
		n := len(asked)
		mu.Unlock()
		if n == 3 { // the node restarts
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, `{"code":"too_few","message":"starting"}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, ": hello\n\nevent: later\ndata: {}\n\nevent: change\nid: v%d\ndata: {\"version\":\"v%d\",\n", n, n)
		fmt.Fprint(w, "data: \"value_b64\":\"eA==\"}\n\n")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	enough := errors.New("enough")
	var told []string
	err := dial(t, server, "member").Watch(t.Context(), "k/1", "v0", func(g *ringapi.Get) error {
		if told = append(told, g.Version+string(g.Value)+g.Key); len(told) == 3 {
			return enough
		}
		return nil
	})
	if got, want := strings.Join(told, " "), "v1xk/1 v2xk/1 v4xk/1"; !errors.Is(err, enough) || got != want {
		t.Errorf("told %s and ended with %v, want %s", got, err, want)
	}
	if got, want := strings.Join(asked, " "), "v0 v1 v2 v2"; got != want {
		t.Errorf("asked since %s, want %s", got, want)
	}
}

// A watch ends with what will not pass: a revoked token in the middle of the stream, a document that is none.
func TestWatchEnds(t *testing.T) {
	for events, want := range map[string]ringapi.Code{
		"event: error\ndata: {\"code\":\"denied\",\"message\":\"revoked\"}\n\n": ringapi.Denied,
		"event: error\ndata: nonsense\n\n":                                      ringapi.Failed,
		"event: change\ndata: nonsense\n\n":                                     ringapi.Failed,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, events) }))
		err := dial(t, server, "member").Watch(t.Context(), "k", "", func(*ringapi.Get) error { return nil })
		var known *ringapi.Error
		if !errors.As(err, &known) || known.Code != want {
			t.Errorf("%q: %v, want code %s", events, err, want)
		}
		server.Close()
	}
}

// onPipes serves a handler over connections in memory, on which time is virtual within a synctest bubble, and returns the dialler.
func onPipes(t *testing.T, handler http.Handler) func(context.Context) (net.Conn, error) {
	l := &pipes{accept: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler}
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return func(context.Context) (net.Conn, error) {
		here, there := net.Pipe()
		l.accept <- there
		return here, nil
	}
}

// pipes is a listener whose connections are handed to it.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accept:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error { l.once.Do(func() { close(l.closed) }); return nil }

func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

// A node that is silent for longer than its keep-alive is dead: the watch turns to it again. Comments are signs of life.
func TestWatchSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		asked := make(chan time.Duration, 2)
		dial := onPipes(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked <- time.Since(start)
			signs := time.NewTicker(30 * time.Second)
			defer signs.Stop()
			for range 3 {
				io.WriteString(w, ": still here\n\n")
				w.(http.Flusher).Flush()
				select {
				case <-signs.C:
				case <-r.Context().Done():
					return
				}
			}
			<-r.Context().Done()
		}))
		client, err := ringhttp.NewClient(ringhttp.ClientConfig{Dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- client.Watch(ctx, "k", "", func(*ringapi.Get) error { return nil }) }()
		// The last comment comes after a minute, 45 s of silence end the stream, and the first retry is at once.
		if first, second := <-asked, <-asked; first != 0 || second != 105*time.Second+100*time.Millisecond {
			t.Errorf("asked after %v and %v, want 0 and 1m45.1s", first, second)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// A node that never begins to answer a watch cannot be told from none: that is an error, and not waited for without end.
func TestWatchNeverBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		dial := onPipes(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		client, err := ringhttp.NewClient(ringhttp.ClientConfig{Dial: dial})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		err = client.Watch(t.Context(), "k", "", func(*ringapi.Get) error { return nil })
		var known *ringapi.Error
		if took := time.Since(start); !errors.As(err, &known) || known.Code != ringapi.TooFew || took != 45*time.Second {
			t.Errorf("ended after %v with %v, want code %s after 45 s", took, err, ringapi.TooFew)
		}
	})
}

// A version that could break out of a header is none.
func TestClientRefuses(t *testing.T) {
	client := dial(t, serve(t, &conformance.Memory{}, ringhttp.Config{}), "member")
	for _, version := range []string{"a\r\nX: y", `a"b`, "a b", "*", "ü"} {
		_, err := client.Put(t.Context(), "k", nil, ringapi.PutOptions{IfVersion: version})
		var known *ringapi.Error
		if !errors.As(err, &known) || known.Code != ringapi.Invalid {
			t.Errorf("version %q: %v", version, err)
		}
	}
	for _, id := range []string{"", ".", ".."} {
		var known *ringapi.Error
		if err := client.RevokeToken(t.Context(), id); !errors.As(err, &known) || known.Code != ringapi.Invalid {
			t.Errorf("token %q: %v", id, err)
		}
	}
}

// A writer that announces a value and does not send it holds a slot for a while, not for ever (trust.md, "1 byte/30 s").
func TestSlowWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		dial := onPipes(t, newHandler(t, &conformance.Memory{}, ringhttp.Config{MaxRequests: 1}))
		conn, err := dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, "PUT /v1/keys/k HTTP/1.1\r\nHost: ring\r\nAuthorization: Bearer member\r\nContent-Length: 10\r\n\r\nx")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if document := documentOf(t, resp); resp.StatusCode != http.StatusBadRequest || time.Since(start) != 30*time.Second {
			t.Errorf("%s after %v: %+v", resp.Status, time.Since(start), document)
		}
		client, err := ringhttp.NewClient(ringhttp.ClientConfig{Dial: dial, Token: "member"})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if _, err := client.Put(t.Context(), "k", []byte("v"), ringapi.PutOptions{}); err != nil {
			t.Errorf("the next one: %v", err)
		}
	})
}
