package ringhttp_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/eddy-p2p/eddy/internal/drive/ringhttp"
	"github.com/eddy-p2p/eddy/internal/format/ringapi"
	"github.com/eddy-p2p/eddy/test/ring/conformance"
)

// ask serves one request without a network. Headers are "Name: value".
func ask(h http.Handler, method, target string, body io.Reader, headers ...string) *http.Response {
	r := httptest.NewRequest(method, "http://127.0.0.1"+target, body)
	r.Header.Set("Authorization", "Bearer member")
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func newHandler(t testing.TB, service ringhttp.Service, config ringhttp.Config) *ringhttp.Handler {
	t.Helper()
	if config.Authorize == nil {
		config.Authorize = byToken
	}
	h, err := ringhttp.NewHandler(service, config)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// documentOf reads the error document of an answer.
func documentOf(t *testing.T, resp *http.Response) ringapi.Error {
	t.Helper()
	var document ringapi.Error
	if err := json.NewDecoder(resp.Body).Decode(&document); err != nil || document.Code == "" || document.Message == "" {
		t.Errorf("%s: no error document: %+v, %v", resp.Status, document, err)
	}
	return document
}

// cli.md: "ring API GET/PUT/DELETE /v1/keys/{key}; ETag = version; If-Match -> 412; 404; 413; 429; 503 unsure; ?watch = SSE".
func TestStatuses(t *testing.T) {
	memory := &conformance.Memory{}
	put, err := memory.Put(t.Context(), "there", []byte("v"), ringapi.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := memory.Put(t.Context(), "set", []byte("m"), ringapi.PutOptions{Set: true}); err != nil {
		t.Fatal(err)
	}
	memory.SetSiblings("torn", []byte("a"), []byte("b"))
	h := newHandler(t, memory, ringhttp.Config{Hosts: ringhttp.LoopbackHosts(netip.MustParseAddr("127.0.0.1"), "node.example")})
	version := `"` + put.Version + `"`
	large := strings.Repeat("x", ringapi.MaxValue+1)
	for _, row := range []struct {
		method, target, body string
		headers              []string
		status               int
		code                 ringapi.Code // of the error document
	}{
		{"GET", "/v1/keys/there", "", nil, 200, ""},
		{"HEAD", "/v1/keys/there", "", nil, 200, ""},
		{"GET", "/v1/keys/there", "", []string{"If-None-Match: " + version}, 304, ""},
		{"GET", "/v1/keys/there", "", []string{"If-None-Match: *"}, 304, ""},
		{"GET", "/v1/keys/there", "", []string{`If-None-Match: "other", ` + version}, 304, ""},
		{"GET", "/v1/keys/there", "", []string{`If-None-Match: "other"`}, 200, ""},
		{"GET", "/v1/keys/there", "", []string{"If-None-Match: unquoted"}, 400, ringapi.Invalid},
		{"GET", "/v1/keys/there?sample=many", "", nil, 400, ringapi.Invalid},
		{"GET", "/v1/keys/there?trace=perhaps", "", nil, 400, ringapi.Invalid},
		{"GET", "/v1/keys/there?ttl=5", "", nil, 400, ringapi.Invalid},
		{"GET", "/v1/keys/there?trace=1&trace=1", "", nil, 400, ringapi.Invalid},
		{"GET", "/v1/keys/there?%zz", "", nil, 400, ringapi.Invalid},
		{"GET", "/v1/keys/there?sample=" + strings.Repeat("1", 9000), "", nil, 400, ringapi.Invalid},
		{"GET", "/v1/keys/missing", "", nil, 404, ringapi.NotFound},
		{"HEAD", "/v1/keys/missing", "", nil, 404, ""},
		{"GET", "/v1/keys/torn", "", nil, 409, ringapi.Conflict},
		{"GET", "/v1/keys/torn?siblings=1", "", nil, 200, ""},
		{"GET", "/v1/keys/torn?siblings=1", "", []string{"Accept: application/octet-stream"}, 400, ringapi.Invalid},
		{"GET", "/v1/keys/set", "", []string{"Accept: application/octet-stream"}, 400, ringapi.Invalid},
		{"GET", "/v1/keys/", "", nil, 400, ringapi.Invalid},
		{"GET", "/v1/keys/" + strings.Repeat("k", ringapi.MaxKey+1), "", nil, 400, ringapi.Invalid},
		{"POST", "/v1/keys/there", "v", nil, 405, ringapi.Invalid},
		{"PUT", "/v1/keys/new?ttl=90s&kind=register", "v", nil, 200, ""},
		{"PUT", "/v1/keys/new?ttl=-1s", "v", nil, 400, ringapi.Invalid},
		{"PUT", "/v1/keys/new?ttl=0", "v", nil, 400, ringapi.Invalid},
		{"PUT", "/v1/keys/new?tll=90s", "v", nil, 400, ringapi.Invalid},
		{"PUT", "/v1/keys/new?kind=list", "v", nil, 400, ringapi.Invalid},
		{"PUT", "/v1/keys/large", large, nil, 413, ringapi.TooLarge},
		{"PUT", "/v1/keys/there", "v", []string{`If-Match: "stale"`}, 412, ringapi.Conflict},
		{"PUT", "/v1/keys/there", "v", []string{"If-None-Match: *"}, 412, ringapi.Conflict},
		{"PUT", "/v1/keys/there", "v", []string{"If-None-Match: " + version}, 400, ringapi.Invalid},
		{"PUT", "/v1/keys/there", "v", []string{"If-Match: *"}, 400, ringapi.Invalid},
		{"PUT", "/v1/keys/there", "v", []string{"If-Match: W/" + version}, 400, ringapi.Invalid},
		{"PUT", "/v1/keys/there", "v", []string{"If-Match: " + version + `,"other"`}, 400, ringapi.Invalid},
		{"PUT", "/v1/keys/there", "v", []string{"If-Match: " + version + ` "other"`}, 400, ringapi.Invalid},
		{"PUT", "/v1/keys/there", "v", []string{`If-Match: ""`}, 400, ringapi.Invalid},
		{"PUT", "/v1/keys/there", "v", []string{`If-Match: "none"`}, 400, ringapi.Invalid},
		{"PUT", "/v1/keys/there", "v", []string{"If-Match: " + version, "If-None-Match: *"}, 400, ringapi.Invalid},
		{"PUT", "/v1/keys/there", "v", []string{"If-Match: "}, 400, ringapi.Invalid},
		{"PUT", "/v1/keys/there", "v", []string{"If-None-Match: "}, 400, ringapi.Invalid},
		{"DELETE", "/v1/keys/there", "", []string{"If-Match:  "}, 400, ringapi.Invalid},
		{"GET", "/v1/keys/there", "", []string{"If-None-Match: "}, 400, ringapi.Invalid},
		{"PUT", "/v1/keys/new?ttl=876001h", "v", nil, 400, ringapi.Invalid},
		{"PUT", "/v1/keys/new?ttl=876000h", "v", nil, 200, ""},
		{"PUT", "/v1/keys/new?ttl=3000000h", "v", nil, 400, ringapi.Invalid},
		{"DELETE", "/v1/keys/there", "", []string{`If-Match: "stale"`}, 412, ringapi.Conflict},
		{"DELETE", "/v1/keys/there", "", []string{"If-None-Match: *"}, 400, ringapi.Invalid},
		{"DELETE", "/v1/keys/missing", "", nil, 404, ringapi.NotFound},
		{"GET", "/v1/status", "", nil, 200, ""},
		{"GET", "/v1/status?x=1", "", nil, 400, ringapi.Invalid},
		{"POST", "/v1/status", "", nil, 405, ringapi.Invalid},
		{"GET", "/v1//status", "", nil, 404, ringapi.Invalid},
		{"GET", "/v1/../v1/status", "", nil, 404, ringapi.Invalid},
		{"GET", "/v1/nothing", "", nil, 404, ringapi.Invalid},
		{"GET", "/", "", nil, 404, ringapi.Invalid},
		{"GET", "/metrics", "", nil, 404, ringapi.Invalid},
		{"GET", "/v1/check", "", nil, 200, ""},
		{"POST", "/v1/tokens?ttl=forever", "", nil, 400, ringapi.Invalid},
		{"POST", "/v1/tokens?ttl=200000h", "", nil, 400, ringapi.Invalid},
		{"POST", "/v1/tokens?ttl=1h&client=1", "", nil, 200, ""},
		{"DELETE", "/v1/tokens/none", "", nil, 404, ringapi.NotFound},
		{"POST", "/v1/evict", "", nil, 400, ringapi.Invalid},
		{"POST", "/v1/evict?node=0123abcd", "", nil, 204, ""},
		{"GET", "/v1/keys/there", "", []string{"Authorization: "}, 401, ringapi.Denied},
		{"GET", "/v1/keys/there", "", []string{"Authorization: Basic member"}, 401, ringapi.Denied},
		{"GET", "/v1/keys/there", "", []string{"Authorization: Bearer wrong"}, 401, ringapi.Denied},
		{"GET", "/v1/nothing", "", []string{"Authorization: Bearer wrong"}, 401, ringapi.Denied}, // what there is, is not for strangers
		{"GET", "/v1/keys/there", "", []string{"Authorization: bearer client"}, 200, ""},
		{"GET", "/v1/keys/there", "", []string{"Host: evil.example"}, 421, ringapi.Denied},
		{"GET", "/v1/keys/there", "", []string{"Host: 10.0.0.5:80"}, 421, ringapi.Denied},
		{"GET", "/v1/keys/there", "", []string{"Host: "}, 421, ringapi.Denied},
		{"GET", "/v1/keys/there", "", []string{"Host: localhost:1234"}, 200, ""},
		{"GET", "/v1/keys/there", "", []string{"Host: LOCALHOST."}, 200, ""},
		{"GET", "/v1/keys/there", "", []string{"Host: node.example:1234"}, 200, ""},
		{"GET", "/v1/keys/there", "", []string{"Host: [::1]:1234"}, 200, ""},
		{"GET", "/v1/keys/there", "", []string{"Host: [::1]"}, 200, ""},
		{"PUT", "/v1/keys/there", "v", []string{"Sec-Fetch-Site: cross-site"}, 403, ringapi.Denied},
		{"PUT", "/v1/keys/there", "v", []string{"Origin: http://evil.example"}, 403, ringapi.Denied},
	} {
		resp := ask(h, row.method, row.target, strings.NewReader(row.body), row.headers...)
		name := row.method + " " + row.target[:min(len(row.target), 60)] + " " + strings.Join(row.headers, " ")
		if resp.StatusCode != row.status {
			t.Errorf("%s: %s, want %d", name, resp.Status, row.status)
		}
		if row.code != "" {
			if document := documentOf(t, resp); document.Code != row.code {
				t.Errorf("%s: %+v, want code %s", name, document, row.code)
			}
		}
		if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: header %v", name, resp.Header)
		}
	}
}

// A client's token reads and writes; what changes who is in the ring needs a member's.
func TestLevels(t *testing.T) {
	memory := &conformance.Memory{}
	h := newHandler(t, memory, ringhttp.Config{Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "metric 1\n") })})
	for _, row := range []struct {
		method, target string
		client, member int
	}{
		{"PUT", "/v1/keys/k", 200, 200},
		{"GET", "/v1/keys/k", 200, 200},
		{"DELETE", "/v1/keys/k", 200, 404},
		{"GET", "/v1/status", 200, 200},
		{"GET", "/v1/check", 200, 200},
		{"GET", "/metrics", 200, 200},
		{"POST", "/v1/tokens", 403, 200},
		{"DELETE", "/v1/tokens/x", 403, 404},
		{"POST", "/v1/evict?node=0123abcd", 403, 204},
		{"POST", "/v1/rotate", 403, 200},
		{"POST", "/v1/leave", 403, 204},
	} {
		for token, want := range map[string]int{"client": row.client, "": 401} {
			if token == "client" && row.method == "DELETE" && row.client == 200 {
				continue // once, below
			}
			if got := ask(h, row.method, row.target, nil, "Authorization: Bearer "+token).StatusCode; got != want {
				t.Errorf("%s %s with token %q: %d, want %d", row.method, row.target, token, got, want)
			}
		}
		if _, left := memory.Gone(); left {
			t.Errorf("%s %s: a client made the node leave", row.method, row.target)
		}
	}
	if got := ask(h, "DELETE", "/v1/keys/k", nil, "Authorization: Bearer client").StatusCode; got != 200 {
		t.Errorf("a client deletes: %d", got)
	}
	for _, target := range []string{"/v1/evict?node=0123abcd", "/v1/leave"} {
		if got := ask(h, "POST", target, nil).StatusCode; got != 204 {
			t.Errorf("a member's %s: %d", target, got)
		}
	}
	if evicted, left := memory.Gone(); len(evicted) != 1 || !left {
		t.Errorf("evicted %v, left %v", evicted, left)
	}
}

// The bare value and its head: what curl -o writes, and what HEAD announces.
func TestBareValue(t *testing.T) {
	memory := &conformance.Memory{}
	h := newHandler(t, memory, ringhttp.Config{})
	value := []byte("\x00\xffbinary")
	put := ask(h, "PUT", "/v1/keys/a%2Fb?ttl=1h", bytes.NewReader(value))
	etag := put.Header.Get("ETag")
	for _, method := range []string{"GET", "HEAD"} {
		resp := ask(h, method, "/v1/keys/a/b", nil, "Accept: application/octet-stream;q=1, */*")
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 || resp.ContentLength != int64(len(value)) || resp.Header.Get("ETag") != etag || etag == "" ||
			resp.Header.Get("Content-Type") != "application/octet-stream" || resp.Header.Get("Eddy-TTL") == "" {
			t.Errorf("%s: %s, header %v", method, resp.Status, resp.Header)
		}
		if method == "GET" && !bytes.Equal(body, value) {
			t.Errorf("got %q", body)
		}
	}
}

// noReader fails the test when a body is read that need not be.
type noReader struct{ t *testing.T }

func (r noReader) Read([]byte) (int, error) {
	r.t.Error("the body was read")
	return 0, io.EOF
}

// "413": a body that says it is too large is not read; one that does not say is read no further than the limit.
func TestBodyCaps(t *testing.T) {
	h := newHandler(t, &conformance.Memory{}, ringhttp.Config{})
	r := httptest.NewRequest("PUT", "/v1/keys/k", noReader{t})
	r.ContentLength = ringapi.MaxValue + 1
	r.Header.Set("Authorization", "Bearer member")
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 413 {
		t.Errorf("announced: %d", w.Code)
	}
	endless := &counter{}
	r = httptest.NewRequest("PUT", "/v1/keys/k", endless)
	r.ContentLength = -1
	r.Header.Set("Authorization", "Bearer member")
	w = httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 413 || endless.n > 2*ringapi.MaxValue {
		t.Errorf("unannounced: %d after %d bytes", w.Code, endless.n)
	}
	// Unauthorised, nothing is read at all.
	r = httptest.NewRequest("PUT", "/v1/keys/k", noReader{t})
	w = httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 401 {
		t.Errorf("stranger: %d", w.Code)
	}
}

// counter is an endless body.
type counter struct{ n int }

func (c *counter) Read(p []byte) (int, error) { c.n += len(p); return len(p), nil }

// What is over the bound of requests at once is answered 429, and the bound frees itself.
func TestTooManyAtOnce(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	memory := &conformance.Memory{Fail: func(operation string) error {
		if operation == "status" {
			entered <- struct{}{}
			<-release
		}
		return nil
	}}
	h := newHandler(t, memory, ringhttp.Config{MaxRequests: 1, MaxWatches: 1})
	first := make(chan int)
	go func() { first <- ask(h, "GET", "/v1/status", nil).StatusCode }()
	<-entered
	resp := ask(h, "GET", "/v1/keys/k", nil)
	if document := documentOf(t, resp); resp.StatusCode != 429 || document.Code != ringapi.Busy || resp.Header.Get("Retry-After") == "" {
		t.Errorf("while one is served: %s, %+v", resp.Status, document)
	}
	close(release)
	if got := <-first; got != 200 {
		t.Errorf("the first: %d", got)
	}
	if got := ask(h, "GET", "/v1/keys/k", nil).StatusCode; got != 404 {
		t.Errorf("afterwards: %d", got)
	}
}

// trust.md, promise 5: "No remote input stops the process."
func TestPanic(t *testing.T) {
	h := newHandler(t, &conformance.Memory{Fail: func(string) error { panic("a bug") }}, ringhttp.Config{})
	resp := ask(h, "GET", "/v1/status", nil)
	if document := documentOf(t, resp); resp.StatusCode != 500 || document.Code != ringapi.Failed || strings.Contains(document.Message, "a bug") {
		t.Errorf("%s, %+v", resp.Status, document)
	}
}

// errorCodes are all codes, with the status of each.
var errorCodes = map[ringapi.Code]int{ringapi.NotFound: 404, ringapi.Conflict: 409, ringapi.TooFew: 503, ringapi.Denied: 401, ringapi.Invalid: 400,
	ringapi.TooLarge: 413, ringapi.Busy: 429, ringapi.Failed: 500}

// Every code of every operation arrives at the client as it left the service, with message, hint and version.
func TestErrorsBothWays(t *testing.T) {
	for code, status := range errorCodes {
		want := ringapi.Error{Code: code, Message: "why: ü", Hint: "what to do", Version: "v1"}
		memory := &conformance.Memory{Fail: func(string) error { return &want }}
		server := serve(t, memory, ringhttp.Config{})
		client := dial(t, server, "member")
		ctx := t.Context()
		operations := map[string]func() error{
			"get":    func() error { _, err := client.Get(ctx, "k", ringapi.GetOptions{}); return err },
			"put":    func() error { _, err := client.Put(ctx, "k", nil, ringapi.PutOptions{}); return err },
			"put if": func() error { _, err := client.Put(ctx, "k", nil, ringapi.PutOptions{IfVersion: "v0"}); return err },
			"delete": func() error { _, err := client.Delete(ctx, "k", "v0"); return err },
			"status": func() error { _, err := client.Status(ctx); return err },
			"check":  func() error { _, err := client.Check(ctx); return err },
			"leave":  func() error { return client.Leave(ctx) },
			"token":  func() error { _, err := client.NewToken(ctx, 0, false); return err },
			"revoke": func() error { return client.RevokeToken(ctx, "a/b") },
			"evict":  func() error { return client.Evict(ctx, "n") },
			"rotate": func() error { _, err := client.Rotate(ctx); return err },
			"watch":  func() error { return client.Watch(ctx, "k", "", func(*ringapi.Get) error { return nil }) },
		}
		for name, operation := range operations {
			var got *ringapi.Error
			if err := operation(); !errors.As(err, &got) || *got != want {
				t.Errorf("%s, %s: got %+v", code, name, err)
			}
		}
		resp := ask(newHandler(t, memory, ringhttp.Config{}), "GET", "/v1/keys/k", nil)
		if resp.StatusCode != status {
			t.Errorf("%s: %s, want %d", code, resp.Status, status)
		}
	}
}

// A service that ends with the context's error, or one that is none of ours, is told as a failure and not as "not found".
func TestForeignErrors(t *testing.T) {
	for want, err := range map[int]error{503: context.DeadlineExceeded, 500: errors.New("disk on fire")} {
		h := newHandler(t, &conformance.Memory{Fail: func(string) error { return err }}, ringhttp.Config{})
		resp := ask(h, "GET", "/v1/keys/k", nil)
		documentOf(t, resp)
		if resp.StatusCode != want {
			t.Errorf("%v: %s", err, resp.Status)
		}
	}
}

// A quiet watch says within a second that it watches, and a stranger's is refused before it begins.
func TestWatchStream(t *testing.T) {
	memory := &conformance.Memory{}
	put, err := memory.Put(t.Context(), "k", []byte("v"), ringapi.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	server := serve(t, memory, ringhttp.Config{KeepAlive: time.Millisecond})
	open := func(query, token, last string) *http.Response {
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		r, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/v1/keys/k?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Last-Event-ID", last)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	for _, row := range []struct{ query, last, want string }{
		{"watch=1&since=" + strings.ReplaceAll(put.Version, "+", "%2B"), "", ": still here\n"},
		{"watch", put.Version, ": still here\n"},
		{"watch", "", "event: change\n"},
		{"watch&since=old", "", "event: change\n"},
	} {
		resp := open(row.query, "client", row.last)
		lines := bufio.NewReader(resp.Body)
		line, err := lines.ReadString('\n')
		if err != nil || resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatal(err, resp.Header)
		}
		if strings.HasPrefix(row.want, ":") && line != row.want {
			t.Errorf("%s: first line %q, want %q", row.query, line, row.want)
		}
		for strings.HasPrefix(line, ":") && line != row.want || line == "\n" {
			if line, err = lines.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		if line != row.want {
			t.Errorf("%s: line %q, want %q", row.query, line, row.want)
		}
		if row.want == "event: change\n" {
			if id, _ := lines.ReadString('\n'); id != "id: "+put.Version+"\n" {
				t.Errorf("%s: id %q", row.query, id)
			}
		}
	}
	for query, want := range map[string]int{"watch&since=%00": 400, "watch=0": 400, "watch&ttl=1": 400} {
		if got := open(query, "client", "").StatusCode; got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	if got := open("watch", "stranger", "").StatusCode; got != 401 {
		t.Errorf("a stranger watches: %d", got)
	}
}

// FuzzHandler: no request crashes the node, none is answered without a status of ours, and none but a member's makes it leave.
func FuzzHandler(f *testing.F) {
	for _, seed := range []struct{ method, target, headers, body string }{
		{"GET", "/v1/keys/a%2Fb?trace=1", "If-None-Match: \"v\"", ""},
		{"PUT", "/v1/keys/k?ttl=1h&kind=set", "If-Match: \"v\", \"w\"", "value"},
		{"DELETE", "/v1/keys/%00%ff", "If-None-Match: *", ""},
		{"GET", "/v1/keys/..?watch=0", "Accept: application/octet-stream", ""},
		{"POST", "/v1/tokens?ttl=9999999999h", "Host: [::1", ""},
		{"CONNECT", "/v1/evict?node=x", "Sec-Fetch-Site: same-site", ""},
	} {
		f.Add(seed.method, seed.target, seed.headers, seed.body)
	}
	f.Fuzz(func(t *testing.T, method, target, headers, body string) {
		memory := &conformance.Memory{}
		h := newHandler(t, memory, ringhttp.Config{Hosts: ringhttp.LoopbackHosts(netip.MustParseAddr("::1"))})
		head := method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n\r\n"
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
		if err != nil {
			t.Skip()
		}
		ctx, cancel := context.WithCancel(t.Context())
		if r.URL.Query().Has("watch") {
			cancel() // or it would last
		}
		defer cancel()
		r = r.WithContext(ctx)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		if r.Header.Get("Authorization") == "" {
			r.Header.Set("Authorization", "Bearer client")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == 500 || w.Code >= 300 && w.Code < 400 && w.Code != 304 {
			t.Errorf("%d: %s", w.Code, w.Body)
		}
		if w.Code >= 400 {
			documentOf(t, w.Result())
		}
		if _, left := memory.Gone(); left && ringhttp.Bearer(r) != "member" {
			t.Error("a client made the node leave")
		}
	})
}
