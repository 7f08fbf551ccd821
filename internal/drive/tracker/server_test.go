package tracker

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/eddy-p2p/eddy/internal/format/announce"
)

func TestMain(m *testing.M) {
	// net/http lingers for half a second after refusing a request, so that the refusal is read.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

var compareAddrs = cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})

// run starts a server for the length of the test.
func run(t *testing.T, cfg ServerConfig) *Server {
	t.Helper()
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		if strings.Contains(err.Error(), "cannot assign requested address") || strings.Contains(err.Error(), "not supported") {
			t.Skip("this machine lacks the address family: ", err)
		}
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server ended with: %v", err)
		}
	})
	return s
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get(url)
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

func leecher(hash byte, port uint16) *announce.Request {
	return &announce.Request{InfoHash: [20]byte{hash}, PeerID: [20]byte{byte(port)}, Port: port, Left: 1, NumWant: announce.DefaultNumWant, Event: announce.Started}
}

func TestServerHTTP(t *testing.T) {
	s := run(t, ServerConfig{
		HTTP: "127.0.0.1:0", UDP: "127.0.0.1:0", MetricsAddr: "127.0.0.1:0",
		Deny:     HashSet{{9}: {}}.Has,
		Fallback: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "file %s", r.URL.Path) }),
	})
	if s.HTTPAddr().Port() != s.UDPAddr().Port() {
		t.Errorf("HTTP at %v, UDP at %v: not one port", s.HTTPAddr(), s.UDPAddr())
	}
	base := "http://" + s.HTTPAddr().String()
	url := func(r *announce.Request) string { return string(announce.AppendURL(nil, base+"/announce", r)) }
	get(t, url(leecher(1, 1000)))
	_, body := get(t, url(leecher(1, 1001))+"&ip=9.9.9.9&ipv4=9.9.9.9")
	got, err := announce.ParseResponse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Peers) != 1 || got.Peers[0].Addr.String() != "127.0.0.1:1000" || got.Incomplete != 2 || got.ExternalIP.String() != "127.0.0.1" {
		t.Errorf("%+v", got)
	}
	_, body = get(t, url(leecher(1, 1000)))
	if got, _ = announce.ParseResponse([]byte(body)); len(got.Peers) != 1 || got.Peers[0].Addr.String() != "127.0.0.1:1001" {
		t.Errorf("ip= was believed: %+v", got)
	}
	if _, body = get(t, url(leecher(9, 1000))); !strings.Contains(body, "failure reason") {
		t.Errorf("a denied torrent was served: %q", body)
	}
	hashes := [][20]byte{{1}, {9}, {3}}
	_, body = get(t, string(announce.AppendScrapeURL(nil, base+"/scrape", hashes)))
	rows, err := announce.ParseScrape([]byte(body), hashes)
	if d := cmp.Diff([]announce.Counts{{Incomplete: 2}, {Complete: -1, Incomplete: -1, Downloaded: -1}, {}}, rows); err != nil || d != "" {
		t.Error(err, d)
	}
	if _, body = get(t, base+"/some.torrent"); body != "file /some.torrent" {
		t.Errorf("%q", body)
	}
	if code, body := get(t, base+"/announce?info_hash=x"); code != 200 || !strings.Contains(body, "failure reason") {
		t.Errorf("%d %q", code, body)
	}
	var stats Stats
	_, body = get(t, base+"/stats")
	if err := json.Unmarshal([]byte(body), &stats); err != nil || stats.Peers != 2 || stats.HTTPAnnounces != 5 || stats.Refused != 1 {
		t.Errorf("%v: %s", err, body)
	}
	if _, body = get(t, "http://"+s.MetricsAddr().String()+"/metrics"); !strings.Contains(body, "\neddy_tracker_peers 2\n") {
		t.Errorf("%s", body)
	}
	resp, err := http.Post(base+"/announce", "text/plain", strings.NewReader("x"))
	if err != nil || resp.StatusCode != 405 {
		t.Error(resp, err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}

// Who shares a file is listed under the address by which others reach it, never as 127.0.0.1, and once.
func TestOwnSeederIsListedUnderItsHost(t *testing.T) {
	own := netip.MustParseAddrPort("192.0.2.7:6881")
	s, err := NewServer(ServerConfig{HTTP: "127.0.0.1:0", Static: []netip.AddrPort{own},
		Host: []netip.Addr{netip.MustParseAddr("2001:db8::7"), own.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	loopback, stranger := netip.MustParseAddrPort("127.0.0.1:55555"), netip.MustParseAddrPort("198.51.100.1:55555")
	seeder := leecher(1, own.Port())
	seeder.Left = 0
	s.announce(seeder, loopback, 200, nil)
	s.announce(leecher(1, 7000), loopback, 200, nil)
	s.announce(leecher(1, 7001), netip.MustParseAddrPort("[::1]:9"), 200, nil)
	told := func(req *announce.Request, from netip.AddrPort, limit int) []string {
		r := s.announce(req, from, limit, nil)
		parsed, err := announce.ParseResponse(announce.AppendResponse(nil, &r, false))
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, p := range parsed.Peers {
			list = append(list, p.Addr.String())
		}
		return list
	}
	if d := cmp.Diff([]string{"192.0.2.7:6881", "192.0.2.7:7000"}, told(leecher(1, 1), stranger, 200)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"[2001:db8::7]:7001"}, told(leecher(1, 1), netip.MustParseAddrPort("[2001:db8::1]:9"), 200)); d != "" {
		t.Error(d)
	}
	if got := told(leecher(1, 1), stranger, 1); len(got) != 1 {
		t.Errorf("beyond the limit: %v", got)
	}
	one := leecher(1, 1)
	one.NumWant = 1
	if got := told(one, stranger, 200); len(got) != 1 {
		t.Errorf("more than asked for: %v", got)
	}
	if got := told(seeder, loopback, 200); len(got) != 2 {
		t.Errorf("the seeder itself is told of %v", got)
	}
	late := leecher(1, 2)
	late.Left = 0
	if got := told(late, stranger, 200); cmp.Diff([]string{"192.0.2.7:7000", "198.51.100.1:1"}, got, cmpopts.SortSlices(func(a, b string) bool { return a < b })) != "" {
		t.Errorf("another seeder is told of %v", got)
	}
	if rows, err := s.scrape(nil, [20]byte{1}); err != nil || rows[0].Complete != 2 || rows[0].Incomplete != 4 {
		t.Error(rows, err)
	}
}

// BEP 3: event "completed" "is sent when the download completes": whoever counts copies hears what peers say of that, but nothing
// of torrents that are not served, nor from the static seeders.
func TestAnnouncesAreHeard(t *testing.T) {
	type said struct {
		Hash, ID  byte
		Left      int64
		Completed bool
	}
	var heard []said
	s, err := NewServer(ServerConfig{
		HTTP: "127.0.0.1:0", Static: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.7:6881")},
		Allow: func(hash [20]byte) bool { return hash[0] == 1 },
		Announced: func(hash, id [20]byte, left int64, completed bool) {
			heard = append(heard, said{hash[0], id[0], left, completed})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	from := netip.MustParseAddrPort("198.51.100.1:9")
	for _, a := range []struct {
		hash, id byte
		from     netip.AddrPort
		port     uint16
		left     int64
		event    announce.Event
	}{
		{1, 10, from, 1, 0, announce.Completed},
		{1, 11, from, 2, 5, announce.Started},
		{1, 11, from, 2, 0, announce.Stopped},
		{2, 13, from, 4, 0, announce.Completed},
		{1, 14, netip.MustParseAddrPort("192.0.2.7:9"), 6881, 0, announce.Completed},
	} {
		s.announce(&announce.Request{
			InfoHash: [20]byte{a.hash}, PeerID: [20]byte{a.id}, Port: a.port, Left: a.left, Event: a.event, NumWant: -1,
		}, a.from, 200, nil)
	}
	if d := cmp.Diff([]said{{1, 10, 0, true}, {1, 11, 5, false}, {1, 11, 0, false}}, heard); d != "" {
		t.Error(d)
	}
}

func TestServerConfigIsValidated(t *testing.T) {
	for name, cfg := range map[string]ServerConfig{
		"nothing":   {},
		"no port":   {HTTP: "127.0.0.1"},
		"static":    {HTTP: ":0", Static: []netip.AddrPort{{}}},
		"host":      {HTTP: ":0", Host: []netip.Addr{netip.IPv4Unspecified()}},
		"negative":  {HTTP: ":0", MaxConns: -1},
		"intervals": {HTTP: ":0", IntervalLow: time.Hour, IntervalHigh: time.Minute},
	} {
		if _, err := NewServer(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestReadHashes(t *testing.T) {
	v1, v2 := strings.Repeat("aB", 20), strings.Repeat("01", 32)
	set, err := ReadHashes(strings.NewReader("# mine\n\n" + v1 + " a name\r\n" + v2 + "\n"))
	if err != nil || len(set) != 2 || !set.Has([20]byte(fill(0xab))) || !set.Has([20]byte(fill(1))) {
		t.Errorf("%v %v", set, err)
	}
	if _, err := ReadHashes(strings.NewReader(v1 + "\nxyz\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Error(err)
	}
}

func fill(b byte) []byte { return []byte(strings.Repeat(string([]byte{b}), 20)) }

// A flood of connections that never finish their headers pushes out itself, and an honest peer from the same address is
// answered, whatever the time it takes.
func TestSlowHeadersDoNotKeepOutHonestPeers(t *testing.T) {
	s := run(t, ServerConfig{HTTP: "127.0.0.1:0", MaxPrefixConns: 20, MaxConns: 30})
	var flood []net.Conn
	for range 200 {
		c, err := net.Dial("tcp", s.HTTPAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "GET /announce?")
		flood = append(flood, c)
	}
	url := string(announce.AppendURL(nil, "http://"+s.HTTPAddr().String()+"/announce", leecher(1, 1000)))
	if code, body := get(t, url); code != 200 || !strings.Contains(body, "interval") {
		t.Errorf("%d %q", code, body)
	}
	if n := s.Stats().Conns; n > 20 {
		t.Errorf("%d connections are open", n)
	}
	// The oldest were closed without an answer.
	if _, err := io.ReadAll(flood[0]); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
}

func TestHeadersAreBounded(t *testing.T) {
	s := run(t, ServerConfig{HTTP: "127.0.0.1:0"})
	c, err := net.Dial("tcp", s.HTTPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /stats HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("y", headerBytes))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
}

// BEP 15 and promise 7: an address that no connection id has proven is never sent more than it sent.
func TestUDPNeverAmplifies(t *testing.T) {
	s, err := NewServer(ServerConfig{UDP: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	w := newUDPWorker(s, nil, udpBatch, false, false)
	from := netip.MustParseAddrPort("198.51.100.1:7")
	rapid.Check(t, func(t *rapid.T) {
		var p []byte
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			p = rapid.SliceOfN(rapid.Byte(), 0, 1500).Draw(t, "bytes")
		case 1:
			p = announce.AppendUDPConnect(nil, 1)
		case 2:
			p = announce.AppendUDPAnnounce(nil, rapid.Uint64().Draw(t, "id"), 1, leecher(1, 1), "/announce")
		case 3:
			p = announce.AppendUDPScrape(nil, rapid.Uint64().Draw(t, "id"), 1, make([][20]byte, rapid.IntRange(0, 74).Draw(t, "hashes")))
		case 4: // an id that is right for somebody else
			p = announce.AppendUDPAnnounce(nil, s.key.ID(netip.MustParseAddr("198.51.100.2"), 0), 1, leecher(1, 1), "")
		}
		p = p[:rapid.IntRange(0, len(p)).Draw(t, "cut")]
		if reply := w.reply(p, from, 0, nil); len(reply) > len(p) {
			t.Fatalf("%d bytes in, %d out", len(p), len(reply))
		}
	})
	if got := s.Stats().Peers; got != 0 {
		t.Errorf("%d peers were listed", got)
	}
}

func FuzzUDPReply(f *testing.F) {
	s, err := NewServer(ServerConfig{UDP: "127.0.0.1:0"})
	if err != nil {
		f.Fatal(err)
	}
	w := newUDPWorker(s, nil, udpBatch, false, false)
	from := netip.MustParseAddrPort("198.51.100.1:7")
	f.Add(announce.AppendUDPConnect(nil, 1), false)
	f.Add(announce.AppendUDPAnnounce(nil, 1, 1, leecher(1, 1), "/announce"), true)
	f.Add(announce.AppendUDPScrape(nil, 1, 1, make([][20]byte, 3)), true)
	f.Fuzz(func(t *testing.T, p []byte, proven bool) {
		if proven && len(p) >= 16 {
			p = append(announce.AppendUDPConnectReply(nil, 0, s.key.ID(from.Addr(), 0))[8:], p[8:]...)
		}
		reply := w.reply(p, from, 0, nil)
		if len(reply) > announce.MaxUDPReply || !proven && len(reply) > len(p) {
			t.Fatalf("%d bytes in, %d out", len(p), len(reply))
		}
	})
}
