package netx

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func client(t *testing.T, g *GuardedDialer) *http.Client {
	transport := &http.Transport{DialContext: g.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestGuardedDialer(t *testing.T) {
	hits := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { hits++ }))
	t.Cleanup(server.Close)
	hostPort := strings.TrimPrefix(server.URL, "http://")
	port := hostPort[strings.LastIndex(hostPort, ":"):]

	for _, c := range []struct {
		name  string
		guard GuardedDialer
		host  string
		want  bool
	}{
		{"the user names it", GuardedDialer{}, "127.0.0.1", true},
		{"loopback names it", GuardedDialer{Min: Loopback}, "127.0.0.1", true},
		{"a private source names it", GuardedDialer{Min: Private}, "127.0.0.1", false},
		{"a public source names it", GuardedDialer{Min: Public}, "127.0.0.1", false},
		{"a name leads to it", GuardedDialer{Min: Public}, "localhost", false},
		{"mapped", GuardedDialer{Min: Public}, "[::ffff:127.0.0.1]", false},
		{"unspecified, which is this machine", GuardedDialer{}, "0.0.0.0", false},
		{"cloud metadata, even for the user", GuardedDialer{}, "169.254.169.254", false},
		{"a configured proxy", GuardedDialer{Min: Public, Exempt: []string{"127.0.0.1" + port}}, "127.0.0.1", true},
		{"another than the proxy", GuardedDialer{Min: Public, Exempt: []string{"127.0.0.1:1"}}, "127.0.0.1", false},
		{"from a source", GuardedDialer{Source: netip.MustParseAddr("127.0.0.1")}, "127.0.0.1", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := hits
			resp, err := client(t, &c.guard).Get("http://" + c.host + port)
			if err == nil {
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			if c.want != (err == nil) || c.want != (hits > before) {
				t.Errorf("error %v, %d requests", err, hits-before)
			}
			if !c.want && !errors.Is(err, ErrScope) {
				t.Errorf("error %v is no ErrScope", err)
			}
		})
	}
}

// A redirect is followed by the same guard, so it cannot lead lower.
func TestGuardedRedirect(t *testing.T) {
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the inner server was contacted")
	}))
	t.Cleanup(inside.Close)
	outside := httptest.NewServer(http.RedirectHandler(inside.URL, http.StatusFound))
	t.Cleanup(outside.Close)
	// The outer server stands for a public one: exempt, while Min is public.
	g := &GuardedDialer{Min: Public, Exempt: []string{strings.TrimPrefix(outside.URL, "http://")}}
	resp, err := client(t, g).Get(outside.URL)
	if !errors.Is(err, ErrScope) {
		t.Errorf("error %v", err)
	}
	if resp != nil {
		resp.Body.Close()
	}
}

func TestControlRefusesNames(t *testing.T) {
	if err := new(GuardedDialer).Control("tcp", "example.org:80", nil); err == nil {
		t.Error("a name passed as an address")
	}
}
