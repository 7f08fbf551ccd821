package tracker

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eddy-p2p/eddy/internal/drive/netx"
	"github.com/eddy-p2p/eddy/internal/format/announce"
)

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

func newClient(t *testing.T, cfg ClientConfig) *Client {
	t.Helper()
	if cfg.Proxy == nil {
		cfg.Proxy = noProxy
	}
	c := NewClient(cfg)
	t.Cleanup(func() { c.Close() })
	return c
}

// Client and server over both protocols and both families: two peers learn of each other, scrape agrees, stopped is heard.
func TestRoundTrips(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		s := run(t, ServerConfig{HTTP: net.JoinHostPort(host, "0"), UDP: net.JoinHostPort(host, "0")})
		for _, u := range []string{"http://" + s.HTTPAddr().String() + "/announce", "udp://" + s.UDPAddr().String() + "/announce?x=1"} {
			t.Run(u[:4]+host, func(t *testing.T) {
				c := newClient(t, ClientConfig{Source: netip.MustParseAddr(host)})
				roundTrip(t, c, u, byte(len(u)), netip.MustParseAddr(host))
			})
		}
	}
}

func roundTrip(t *testing.T, c *Client, u string, hash byte, host netip.Addr) {
	t.Helper()
	seeder := leecher(hash, 2000)
	seeder.Left = 0
	if _, err := c.Announce(t.Context(), u, seeder); err != nil {
		t.Fatal(err)
	}
	r, err := c.Announce(t.Context(), u, leecher(hash, 2001))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]announce.Peer{{Addr: netip.AddrPortFrom(host, 2000)}}, r.Peers, compareAddrs); d != "" {
		t.Error(d)
	}
	if r.Complete != 1 || r.Incomplete != 1 || r.Interval < 20*time.Minute {
		t.Errorf("%+v", r)
	}
	seeder.Event = announce.Stopped
	if _, err := c.Announce(t.Context(), u, seeder); err != nil {
		t.Fatal(err)
	}
	rows, err := c.Scrape(t.Context(), u, [][20]byte{{hash}, {99}})
	if err != nil || cmp.Diff([]announce.Counts{{Incomplete: 1}, {}}, rows) != "" {
		t.Errorf("%v %v", rows, err)
	}
}

// A machine and a tracker with both families: peers of both find us.
func TestBothFamilies(t *testing.T) {
	addrs, err := net.DefaultResolver.LookupNetIP(context.Background(), "ip", "localhost")
	has := map[bool]bool{}
	for _, a := range addrs {
		has[a.Unmap().Is4()] = true
	}
	if err != nil || !has[true] || !has[false] {
		t.Skip("localhost is not both 127.0.0.1 and ::1 here")
	}
	s := run(t, ServerConfig{HTTP: ":0", UDP: ":0"})
	for i, scheme := range []string{"http", "udp"} {
		u := fmt.Sprintf("%s://localhost:%d/announce", scheme, s.HTTPAddr().Port())
		c := newClient(t, ClientConfig{})
		if _, err := c.Announce(t.Context(), u, leecher(byte(i), 2000)); err != nil {
			t.Fatal(err)
		}
		r, err := c.Announce(t.Context(), u, leecher(byte(i), 2001))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, p := range r.Peers {
			got[p.Addr.String()] = true
		}
		if d := cmp.Diff(map[string]bool{"127.0.0.1:2000": true, "[::1]:2000": true}, got); d != "" {
			t.Errorf("%s: %s", scheme, d)
		}
	}
}

// A machine has several addresses: the reply comes from the one that was asked, or clients would drop it.
func TestUDPRepliesFromTheAddressAsked(t *testing.T) {
	if l, err := net.ListenPacket("udp4", "127.0.0.2:0"); err != nil {
		t.Skip("127.0.0.2 is not this machine's: ", err)
	} else {
		l.Close()
	}
	s := run(t, ServerConfig{UDP: "0.0.0.0:0"})
	c := newClient(t, ClientConfig{Source: netip.MustParseAddr("127.0.0.1"), UDPTimeout: time.Second})
	if _, err := c.Announce(t.Context(), fmt.Sprintf("udp://127.0.0.2:%d", s.UDPAddr().Port()), leecher(1, 1)); err != nil {
		t.Error(err)
	}
}

// BEP 15: a connection id is used for a minute; a tracker that has forgotten it is asked for a new one.
func TestConnectionIDIsReused(t *testing.T) {
	s := run(t, ServerConfig{UDP: "127.0.0.1:0"})
	c := newClient(t, ClientConfig{})
	u := "udp://" + s.UDPAddr().String()
	for range 3 {
		if _, err := c.Announce(t.Context(), u, leecher(1, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Stats(); got.UDPConnects != 1 || got.UDPAnnounces != 3 {
		t.Errorf("%+v", got)
	}
	c.udp.targets[s.UDPAddr()].keepConnID(12345)
	if _, err := c.Announce(t.Context(), u, leecher(1, 1)); err != nil {
		t.Error(err)
	}
	if got := s.Stats(); got.UDPConnects != 2 || got.BadConnIDs != 1 {
		t.Errorf("%+v", got)
	}
}

// BEP 15: lost packets are sent again, replies to other transactions do not count.
func TestUDPRetransmission(t *testing.T) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for i := 0; ; i++ {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			req, err := announce.ParseUDPRequest(buf[:n])
			if i < 2 || err != nil {
				continue // lost
			}
			conn.WriteTo(announce.AppendUDPError(nil, req.Tx+1, "not yours"), from)
			if req.Action == announce.ActionConnect {
				conn.WriteTo(announce.AppendUDPConnectReply(nil, req.Tx, 5), from)
			} else {
				conn.WriteTo(announce.AppendUDPConnectReply(nil, req.Tx, 5), from) // not what was asked
				conn.WriteTo(announce.AppendUDPAnnounceReply(nil, req.Tx, &announce.Response{Interval: 77 * time.Second}, false), from)
			}
		}
	}()
	c := newClient(t, ClientConfig{UDPTimeout: 10 * time.Millisecond})
	r, err := c.Announce(t.Context(), "udp://"+conn.LocalAddr().String(), leecher(1, 1))
	if err != nil || r.Interval != 77*time.Second {
		t.Errorf("%+v %v", r, err)
	}
	conn.Close()
	<-done
}

func TestUDPNobodyThere(t *testing.T) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := "udp://" + conn.LocalAddr().String()
	conn.Close()
	c := newClient(t, ClientConfig{UDPTimeout: time.Millisecond})
	if _, err := c.Announce(t.Context(), u, leecher(1, 1)); err == nil {
		t.Error("an answer from nobody")
	}
	for _, bad := range []string{"udp://127.0.0.1/announce", "ftp://127.0.0.1/announce", "http:///announce", "http://127.0.0.1:1/announce", ":"} {
		if r, err := c.Announce(t.Context(), bad, leecher(1, 1)); err == nil {
			t.Errorf("%s: %+v", bad, r)
		}
	}
	if _, err := c.Scrape(t.Context(), "http://127.0.0.1:1/x", [][20]byte{{}}); err == nil {
		t.Error("a scrape without a scrape URL")
	}
}

func serveTest(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

const lonelyAnswer = "d8:intervali60e5:peers0:e"

func TestRefusal(t *testing.T) {
	base := serveTest(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/400" {
			w.WriteHeader(http.StatusBadRequest)
		}
		if r.URL.Path == "/500" {
			http.Error(w, "<html>", http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, "d14:failure reason7:go away8:retry ini5ee")
	})
	c := newClient(t, ClientConfig{})
	for _, path := range []string{"/200", "/400"} {
		r, err := c.Announce(t.Context(), base+path, leecher(1, 1))
		var refused *announce.RefusedError
		if !errors.As(err, &refused) || refused.Reason != "go away" || r.RetryIn != 5*time.Minute {
			t.Errorf("%s: %+v %v", path, r, err)
		}
	}
	_, err := c.Announce(t.Context(), base+"/500?passkey=secret", leecher(1, 1))
	if err == nil || !strings.Contains(err.Error(), "500") || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

// The demand of trust.md: at most 2 MiB before and after decompression.
func TestGzip(t *testing.T) {
	zip := func(s string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write([]byte(s))
		z.Close()
		return b.Bytes()
	}
	bomb := zip("d8:intervali60e5:peers0:1:x" + "9000000:" + strings.Repeat("x", 9_000_000) + "e")
	base := serveTest(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(zip(lonelyAnswer))
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb)
		case "/large":
			w.Write(bytes.Repeat([]byte("x"), announce.MaxResponse+1))
		case "/broken":
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprint(w, lonelyAnswer)
		}
	})
	c := newClient(t, ClientConfig{})
	if r, err := c.Announce(t.Context(), base+"/good", leecher(1, 1)); err != nil || r.Interval != time.Minute {
		t.Errorf("%+v %v", r, err)
	}
	for _, path := range []string{"/bomb", "/large"} {
		if _, err := c.Announce(t.Context(), base+path, leecher(1, 1)); !errors.Is(err, announce.ErrTooLarge) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := c.Announce(t.Context(), base+"/broken", leecher(1, 1)); err == nil {
		t.Error("what is not gzip was unpacked")
	}
}

// The redirect matrix of trust.md: nothing public leads to a less public address, and nothing anywhere to link-local ones.
// The tracker itself being on loopback, the public origin is a client whose trackers were named by strangers.
func TestRedirects(t *testing.T) {
	var reached atomic.Int32
	inside := serveTest(t, func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		fmt.Fprint(w, lonelyAnswer)
	})
	var target string
	origin := serveTest(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.ReplaceAll(target, "SELF", "http://"+r.Host), http.StatusFound)
	})
	for _, c := range []struct {
		name, target string
		min          netx.Scope
		ok           bool
	}{
		{"the user's own loopback tracker may redirect to loopback", inside, netx.Forbidden, true},
		{"link-local", "http://169.254.169.254/latest/meta-data", netx.Forbidden, false},
		{"for ever", "SELF/again", netx.Forbidden, false},
		{"another scheme", "ftp://127.0.0.1/", netx.Forbidden, false},
		{"a file", "file:///etc/passwd", netx.Forbidden, false},
	} {
		reached.Store(0)
		target = c.target
		_, err := newClient(t, ClientConfig{Min: c.min}).Announce(t.Context(), origin+"/announce", leecher(1, 1))
		if (err == nil) != c.ok || (reached.Load() > 0) != c.ok {
			t.Errorf("%s: %v, reached %d times", c.name, err, reached.Load())
		}
	}
	// What a public hop may lead to: the hops after it carry its scope.
	for _, min := range []netx.Scope{netx.Private, netx.Public} {
		reached.Store(0)
		_, _, _, err := newClient(t, ClientConfig{Min: min}).get(t.Context(), "tcp", inside)
		if !errors.Is(err, netx.ErrScope) || reached.Load() > 0 {
			t.Errorf("from %v to loopback: %v, reached %d times", min, err, reached.Load())
		}
	}
}

// Promise 9: nothing public makes us contact a less public address, and link-local ones are never contacted.
func TestPeersAreNoLessPublicThanTheirTracker(t *testing.T) {
	all := []string{"8.8.8.8:1", "10.0.0.1:1", "127.0.0.1:1", "169.254.169.254:80", "[2606:4700::1]:1", "[fd00::1]:1", "[::1]:1", "[fe80::1]:1"}
	for tracker, want := range map[netx.Scope][]string{
		netx.Public:   {"8.8.8.8:1", "[2606:4700::1]:1"},
		netx.Private:  {"8.8.8.8:1", "10.0.0.1:1", "[2606:4700::1]:1", "[fd00::1]:1"},
		netx.Loopback: {"8.8.8.8:1", "10.0.0.1:1", "127.0.0.1:1", "[2606:4700::1]:1", "[fd00::1]:1", "[::1]:1"},
	} {
		var peers []announce.Peer
		for _, a := range all {
			peers = append(peers, announce.Peer{Addr: netip.MustParseAddrPort(a)})
		}
		var got []string
		for _, p := range within(peers, tracker) {
			got = append(got, p.Addr.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("a tracker that is %v: %v, want %v", tracker, got, want)
		}
	}
}

// The scope that a hop has reached is what the next one must not fall below.
func TestHopKnowsWhatItReached(t *testing.T) {
	base := serveTest(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, lonelyAnswer) })
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	h := &hop{client: newClient(t, ClientConfig{}), network: "tcp"}
	resp, err := h.get(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if h.reached != netx.Loopback {
		t.Errorf("reached %v", h.reached)
	}
}

// HTTP(S)_PROXY is honoured: the proxy is asked, whatever its address, and names are its own to resolve.
func TestProxy(t *testing.T) {
	var asked atomic.Value
	proxy, err := url.Parse(serveTest(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Host)
		if strings.HasPrefix(r.URL.Path, "/inside") {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
			return
		}
		fmt.Fprint(w, lonelyAnswer)
	}))
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, ClientConfig{Proxy: http.ProxyURL(proxy), Min: netx.Public})
	r, err := c.Announce(t.Context(), "http://tracker.invalid/announce", leecher(1, 1))
	if err != nil || r.Interval != time.Minute || asked.Load() != "tracker.invalid" {
		t.Errorf("%+v %v, the proxy was asked for %v", r, err, asked.Load())
	}
	if _, err = c.Announce(t.Context(), "http://tracker.invalid/inside", leecher(1, 1)); !errors.Is(err, netx.ErrScope) {
		t.Errorf("a redirect to loopback through a proxy: %v", err)
	}
	if got := NewClient(ClientConfig{}); got.cfg.Proxy == nil {
		t.Error("the environment's proxy is not the default")
	}
}

// The whole of it: two torrents announce through one client, the second is told of the first, and both are forgotten when
// they stop.
func TestAnnouncersMeet(t *testing.T) {
	s := run(t, ServerConfig{HTTP: "127.0.0.1:0", UDP: "127.0.0.1:0"})
	c := newClient(t, ClientConfig{})
	for _, u := range []string{"http://" + s.HTTPAddr().String() + "/announce", "udp://" + s.UDPAddr().String() + "/announce"} {
		ctx, cancel := context.WithCancel(t.Context())
		outcomes, ended := make(chan Outcome, 2), make(chan error, 2)
		for port := uint16(3000); port < 3002; port++ {
			a, err := NewAnnouncer(AnnouncerConfig{
				Transport: c, Tiers: [][]string{{u}}, InfoHash: [20]byte{1}, PeerID: [20]byte{byte(port)}, Port: port,
				Counters: func() Counters { return Counters{Left: 1} }, Notify: func(o Outcome) { outcomes <- o },
				Rand: rand.New(rand.NewPCG(1, 1)),
			})
			if err != nil {
				t.Fatal(err)
			}
			go func() { ended <- a.Run(ctx) }()
			o := <-outcomes
			if o.Err != nil || o.Event != announce.Started || len(o.Response.Peers) != int(port-3000) {
				t.Errorf("%s: %+v", u, o)
			}
		}
		cancel()
		if err := errors.Join(<-ended, <-ended); err != nil {
			t.Error(err)
		}
		if got := s.Stats(); got.Peers != 0 || got.Swarms != 0 {
			t.Errorf("%s: after the end %+v", u, got)
		}
	}
}
