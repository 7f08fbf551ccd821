package ring_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/eddy-p2p/eddy/ring"
	"github.com/eddy-p2p/eddy/test/ring/conformance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what waits for something to happen; it decides nothing else.
const patience = time.Minute

// start runs a node until the test ends, and returns it when it is a member. stop ends it before.
func start(t *testing.T, config ring.Config) (n *ring.Node, stop func()) {
	t.Helper()
	if config.Data == "" {
		config.Data = t.TempDir()
	}
	config.Listen = "127.0.0.1:0"
	n, err := ring.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the node ended with %v", err)
		}
	}
	t.Cleanup(stop)
	select {
	case <-n.Ready():
	case err := <-ended:
		stopped = true
		cancel()
		t.Fatalf("the node ended with %v before it was a member", err)
	case <-time.After(patience):
		t.Fatal("the node does not become a member")
	}
	return n, stop
}

// three is a ring of three nodes, and its token.
func three(t *testing.T) (nodes []*ring.Node, token string) {
	t.Helper()
	first, _ := start(t, ring.Config{})
	token = first.Token()
	nodes = []*ring.Node{first}
	for range 2 {
		n, _ := start(t, ring.Config{Join: []string{first.Addr().String()}, Token: token})
		nodes = append(nodes, n)
	}
	return nodes, token
}

// dial returns a client until the test ends.
func dial(t *testing.T, addr, token string) *ring.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := ring.Dial(ctx, addr, token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A ring keeps the interface's promises whichever way it is asked: in this process, over its API, over QUIC, and through any node.
func TestConformance(t *testing.T) {
	nodes, token := three(t)
	conformance.Run(t, nodes[0], "direct ")
	conformance.Run(t, dial(t, nodes[1].API().String(), token), "api ")
	conformance.Run(t, dial(t, nodes[2].Addr().String(), token), "quic ")
}

// codeOf returns the code of an error of the ring, "" for none.
func codeOf(err error) ring.Code {
	var known *ring.Error
	if errors.As(err, &known) {
		return known.Code
	}
	return ""
}

// "Clients get a client certificate for data operations only", a wrong token nothing, on either way in.
func TestTokens(t *testing.T) {
	n, _ := start(t, ring.Config{Replicas: 1})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client, err := n.NewToken(ctx, time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := start(t, ring.Config{Replicas: 1})
	for name, addr := range map[string]string{"api": n.API().String(), "quic": n.Addr().String()} {
		c := dial(t, addr, client.Token)
		if _, err := c.Put(ctx, name, []byte("v"), ring.PutOptions{}); err != nil {
			t.Errorf("%s: a client puts: %v", name, err)
		}
		if err := c.Evict(ctx, n.ID()); codeOf(err) != ring.Denied {
			t.Errorf("%s: a client evicts: %v", name, err)
		}
		if _, err := c.NewToken(ctx, 0, false); codeOf(err) != ring.Denied {
			t.Errorf("%s: a client makes a token: %v", name, err)
		}
		if err := c.Leave(ctx); codeOf(err) != ring.Denied {
			t.Errorf("%s: a client makes the node leave: %v", name, err)
		}
		for _, wrong := range []string{"", "nonsense", other.Token()} {
			err := error(nil)
			if c, derr := ring.Dial(ctx, addr, wrong); derr != nil {
				err = derr
			} else {
				_, err = c.Get(ctx, name, ring.GetOptions{})
				c.Close()
			}
			if codeOf(err) != ring.Denied {
				t.Errorf("%s: token %q: %v", name, wrong, err)
			}
		}
	}
	if err := n.RevokeToken(ctx, client.ID); err != nil {
		t.Fatal(err)
	}
	if c, err := ring.Dial(ctx, n.Addr().String(), client.Token); codeOf(err) != ring.Denied {
		t.Errorf("a revoked token: %v", err)
		if err == nil {
			c.Close()
		}
	}
}

// "The local API and metrics listen on loopback and need the token"; no name but loopback's leads there.
func TestAPIIsGuarded(t *testing.T) {
	data := t.TempDir()
	n, stop := start(t, ring.Config{Data: data, Replicas: 1})
	local, err := ring.FindLocal(data)
	if err != nil || local.API != n.API().String() || local.Listen != n.Addr().String() || local.ID != n.ID() || local.PID != os.Getpid() {
		t.Fatalf("%+v, %v", local, err)
	}
	if stat, err := os.Stat(filepath.Join(data, "api.json")); err != nil || stat.Mode().Perm() != 0o600 {
		t.Errorf("the file with the secret: %v, %v", stat.Mode(), err)
	}
	ask := func(path, host, token string) (int, string) {
		r, err := http.NewRequest(http.MethodGet, "http://"+n.API().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host, r.Close = host, true
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	for _, row := range []struct {
		path, host, token string
		want              int
	}{
		{"/metrics", "", local.Secret, 200},
		{"/metrics", "", n.Token(), 200},
		{"/metrics", "", "", 401},
		{"/v1/status", "localhost", n.Token(), 200},
		{"/v1/status", "evil.example", n.Token(), 421},
		{"/v1/status", "192.168.1.1", n.Token(), 421},
	} {
		if got, body := ask(row.path, row.host, row.token); got != row.want || row.path == "/metrics" && got == 200 && !strings.Contains(body, "eddy_ring_alarm 0") {
			t.Errorf("%+v: %d, %s", row, got, body)
		}
	}
	client, err := local.Dial()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.NewToken(t.Context(), 0, false); err != nil {
		t.Errorf("the local user administers: %v", err)
	}
	client.Close()
	stop()
	if _, err := ring.FindLocal(data); !errors.Is(err, ring.ErrNoLocal) {
		t.Errorf("after its end: %v", err)
	}
}

// "A node that comes back, at another address too, keeps its ID and data", and needs no token for it. "leave" ends a node that has
// handed over what it kept.
func TestComeBackAndLeave(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first, _ := start(t, ring.Config{})
	join := ring.Config{Join: []string{first.Addr().String()}, Token: first.Token()}
	start(t, join)
	data := t.TempDir()
	join.Data = data
	second, stop := start(t, join)
	if _, err := first.Put(ctx, "k", []byte("v"), ring.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	id, addr := second.ID(), second.Addr()
	stop()
	again, _ := start(t, ring.Config{Data: data})
	if again.ID() != id || again.Addr() == addr {
		t.Errorf("came back as %s at %v, was %s at %v", again.ID(), again.Addr(), id, addr)
	}
	for {
		got, err := again.Get(ctx, "k", ring.GetOptions{})
		if err == nil && string(got.Value) == "v" {
			break
		}
		if codeOf(err) != ring.TooFew { // while it is not sure, it says so
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	api := dial(t, first.API().String(), first.Token())
	if err := api.Leave(ctx); err != nil {
		t.Fatalf("leaving: %v", err)
	}
	for {
		if got, err := again.Get(ctx, "k", ring.GetOptions{}); err == nil && string(got.Value) == "v" {
			break
		} else if codeOf(err) != ring.TooFew {
			t.Fatalf("after the other has left: %+v, %v", got, err)
		}
	}
}

// A node behind a NAT or in a container tells others the address that it is told itself.
func TestAdvertise(t *testing.T) {
	n, _ := start(t, ring.Config{Replicas: 1, Advertise: "192.0.2.7:7000"})
	s, err := n.Status(t.Context())
	if err != nil || s.Addr != "192.0.2.7:7000" {
		t.Errorf("others are told %q, %v", s.Addr, err)
	}
}

// What is no address is told as such, before anything is dialled.
func TestDialNowhere(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for addr, want := range map[string]ring.Code{"http://nonsense": ring.Invalid, "127.0.0.1:1": ring.TooFew} {
		nobody, err := ring.New(ring.Config{Data: t.TempDir(), Listen: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		nobody.Close()
		n, _ := start(t, ring.Config{Replicas: 1})
		c, err := ring.Dial(ctx, addr, n.Token())
		if codeOf(err) != want {
			t.Errorf("%s: %v, want code %s", addr, err, want)
		}
		if err == nil {
			c.Close()
		}
	}
}
