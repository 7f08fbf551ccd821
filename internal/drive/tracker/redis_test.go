package tracker

import (
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/rueidis"

	"github.com/eddy-p2p/eddy/internal/format/announce"
)

// redisServer is a redis-server of a test, on a socket file that no other test knows.
type redisServer struct {
	path, socket string
	cmd          *exec.Cmd
}

// startRedis starts a redis-server for the length of the test.
func startRedis(t *testing.T) *redisServer {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is not installed")
		}
		t.Skip("redis-server is not installed")
	}
	dir, err := os.MkdirTemp("", "redis") // t.TempDir can be longer than a socket's name may be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &redisServer{path: path, socket: filepath.Join(dir, "socket")}
	r.start(t)
	t.Cleanup(r.stop)
	return r
}

func (r *redisServer) start(t *testing.T) {
	t.Helper()
	r.cmd = exec.Command(r.path, "--port", "0", "--unixsocket", r.socket, "--save", "", "--appendonly", "no", "--dir", filepath.Dir(r.socket))
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 500 { // until it listens, which it does not tell
		if c, err := net.Dial("unix", r.socket); err == nil {
			c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("redis-server does not listen")
}

func (r *redisServer) stop() {
	r.cmd.Process.Kill()
	r.cmd.Wait()
	os.Remove(r.socket)
}

func (r *redisServer) url() string { return "unix://" + r.socket }

// store returns a store on the server, with the limits of cfg.
func (r *redisServer) store(t *testing.T, cfg ServerConfig) *redisStore {
	t.Helper()
	cfg.Redis = r.url()
	cfg = cfg.withDefaults()
	s, err := newStore(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s.(*redisStore)
}

// do gives a command to Redis behind the store's back.
func (r *redisStore) do(t *testing.T, command ...string) rueidis.RedisResult {
	t.Helper()
	c, err := r.connected()
	if err != nil {
		t.Fatal(err)
	}
	result := c.Do(t.Context(), c.B().Arbitrary(command...).Build())
	if err := result.Error(); err != nil && !rueidis.IsRedisNil(err) {
		t.Fatal(command, err)
	}
	return result
}

// Two servers on one store are one tracker: over HTTP and UDP, each tells of the other's peers and counts them.
func TestRedisIsShared(t *testing.T) {
	redis := startRedis(t)
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			var urls []string
			for range 2 {
				s := run(t, ServerConfig{HTTP: net.JoinHostPort(host, "0"), UDP: net.JoinHostPort(host, "0"), Redis: redis.url()})
				urls = append(urls, "http://"+s.HTTPAddr().String()+"/announce", "udp://"+s.UDPAddr().String()+"/announce")
			}
			c := newClient(t, ClientConfig{Source: netip.MustParseAddr(host)})
			hash := byte(len(host)) // a swarm of its own
			for i, u := range urls {
				r, err := c.Announce(t.Context(), u, leecher(hash, uint16(1000+i)))
				if err != nil {
					t.Fatal(u, err)
				}
				if r.Incomplete != i+1 || len(r.Peers) != i || r.Interval < 27*time.Minute {
					t.Errorf("%s: %+v", u, r)
				}
				for _, p := range r.Peers {
					if p.Addr.Addr().String() != host || p.Addr.Port() < 1000 || int(p.Addr.Port()) >= 1000+i {
						t.Errorf("%s tells of %v", u, p.Addr)
					}
				}
			}
			done := leecher(hash, 1000)
			done.Left, done.Event = 0, announce.Completed
			if _, err := c.Announce(t.Context(), urls[3], done); err != nil {
				t.Fatal(err)
			}
			gone := leecher(hash, 1001)
			gone.Event = announce.Stopped
			if r, err := c.Announce(t.Context(), urls[2], gone); err != nil || len(r.Peers) != 0 {
				t.Fatal(r, err)
			}
			want := []announce.Counts{{Complete: 1, Incomplete: 2, Downloaded: 1}, {}}
			for _, u := range urls {
				rows, err := c.Scrape(t.Context(), u, [][20]byte{{hash}, {99}})
				if strings.HasPrefix(u, "http") && len(rows) == 2 && rows[1].Complete <= 0 {
					rows[1] = announce.Counts{}
				}
				if d := cmp.Diff(want, rows); err != nil || d != "" {
					t.Error(u, err, d)
				}
			}
		})
	}
}

// The store in Redis and the one in memory answer alike, whatever the events.
func TestRedisAnswersAsMemory(t *testing.T) {
	cfg := ServerConfig{MaxPeers: 9, MaxPrefixPeers: 3}
	shared := startRedis(t).store(t, cfg)
	memory, err := newStore(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	addr := func(host string, port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr(host), port)
	}
	for i, a := range []struct {
		hash  byte
		from  netip.AddrPort
		left  int64
		event announce.Event
		list  bool
		want  int
	}{
		{1, addr("198.51.100.1", 1), 0, announce.Started, true, -1},
		{1, addr("198.51.100.2", 1), 5, announce.Started, true, -1},
		{1, addr("203.0.113.1", 1), 0, announce.Started, true, -1}, // a seeder is told of leechers only
		{1, addr("198.51.100.2", 1), 0, announce.Completed, true, -1},
		{1, addr("198.51.100.2", 1), 0, announce.Completed, true, -1}, // once a peer
		{1, addr("2001:db8::1", 1), 5, announce.Started, true, -1},    // the other family
		{1, addr("198.51.100.3", 1), 5, announce.Started, true, -1},
		{1, addr("198.51.100.4", 1), 5, announce.Started, true, -1}, // the prefix is full
		{1, addr("198.51.100.3", 1), 5, announce.Stopped, true, -1},
		{1, addr("198.51.100.4", 1), 5, announce.Started, true, -1}, // and no longer
		{1, addr("203.0.113.9", 1), 5, announce.None, false, -1},    // only looks
		{1, addr("203.0.113.9", 1), 5, announce.None, true, 0},
		{2, addr("203.0.113.9", 1), 5, announce.Stopped, true, -1}, // was never there
		{2, addr("203.0.113.9", 1), 5, announce.Started, true, -1},
		{2, addr("192.0.2.1", 1), 5, announce.Started, true, -1},
		{2, addr("192.0.2.2", 1), 5, announce.Started, true, -1},
		{2, addr("192.0.2.3", 1), 5, announce.Started, true, -1}, // as many as are listed in all
		{3, addr("192.0.2.4", 1), 5, announce.Started, true, -1},
		{2, addr("192.0.2.2", 1), 5, announce.Stopped, true, -1},
	} {
		req := &announce.Request{InfoHash: [20]byte{a.hash}, Left: a.left, Event: a.event, NumWant: a.want}
		got, err := shared.announce(req, a.from, a.list, 200, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := memory.announce(req, a.from, a.list, 200, nil)
		for _, r := range []*announce.Response{&got.Response, &want.Response} {
			r.Interval, r.MinInterval = 0, 0 // jitter
		}
		if got.Full != want.Full || got.Complete != want.Complete || got.Incomplete != want.Incomplete || got.Downloaded != want.Downloaded {
			t.Errorf("%d: %+v, not %+v", i, got, want)
		}
		if d := cmp.Diff(peersOf(got.Response), peersOf(want.Response)); d != "" {
			t.Errorf("%d: %s", i, d)
		}
		gotPeers, gotSwarms := shared.totals()
		wantPeers, wantSwarms := memory.totals()
		if gotPeers != wantPeers || gotSwarms != wantSwarms {
			t.Errorf("%d: %d peers in %d swarms, not %d in %d", i, gotPeers, gotSwarms, wantPeers, wantSwarms)
		}
	}
}

// peersOf returns the compact peers as a set.
func peersOf(r announce.Response) map[string]int {
	set := map[string]int{}
	for ; len(r.Compact4) > 0; r.Compact4 = r.Compact4[announce.Stride4:] {
		set[string(r.Compact4[:announce.Stride4])]++
	}
	for ; len(r.Compact6) > 0; r.Compact6 = r.Compact6[announce.Stride6:] {
		set[string(r.Compact6[:announce.Stride6])]++
	}
	return set
}

// Of more peers than are wanted every answer has distinct ones, never the asker, half of them seeders, and in the long run all.
func TestRedisChoosesAtRandom(t *testing.T) {
	s := startRedis(t).store(t, ServerConfig{})
	from := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 1000)
	}
	ask := func(i, want int) map[string]int {
		r, err := s.announce(&announce.Request{Left: int64(i % 2), NumWant: want}, from(i), true, 200, nil)
		if err != nil {
			t.Fatal(err)
		}
		return peersOf(r.Response)
	}
	for i := range 40 {
		ask(i, 0)
	}
	seen := map[string]bool{}
	for range 200 {
		peers := ask(1, 8)
		seeders := 0
		for p, n := range peers {
			if n != 1 || p[3] == 1 {
				t.Fatalf("%d times %q", n, p)
			}
			if p[3]%2 == 0 {
				seeders++
			}
			seen[p] = true
		}
		if len(peers) != 8 || seeders != 4 {
			t.Fatalf("%d peers, %d of them seeders", len(peers), seeders)
		}
	}
	if len(seen) != 39 {
		t.Errorf("%d of 39 peers were ever told", len(seen))
	}
	if peers := ask(0, 200); len(peers) != 20 {
		t.Errorf("a seeder is told of %d peers, not of the 20 leechers", len(peers))
	}
}

// Who does not come back is forgotten, on the next announce to the swarm, as are swarms that nobody joins any more; by
// themselves their keys expire.
func TestRedisForgets(t *testing.T) {
	s := startRedis(t).store(t, ServerConfig{MaxPrefixPeers: 1})
	say := func(host string, left int64, event announce.Event) announce.Response {
		r, err := s.announce(&announce.Request{InfoHash: [20]byte{1}, Left: left, Event: event, NumWant: -1},
			netip.AddrPortFrom(netip.MustParseAddr(host), 7), true, 200, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r.Response
	}
	base := swarmKeys([20]byte{1})
	age := "-" + strconv.Itoa(int(s.cfg.Lifetime/time.Second)+1)
	say("198.51.100.1", 5, announce.Started)
	say("2001:db8::1", 0, announce.Completed)
	s.do(t, "ZINCRBY", base+"l4", age, "\xc6\x33\x64\x01\x00\x07")
	r := say("198.51.100.2", 5, announce.Started) // its prefix has room again
	if len(r.Compact4) != 0 || r.Complete != 1 || r.Incomplete != 1 || r.Downloaded != 1 {
		t.Errorf("%+v", r)
	}
	for _, k := range []string{"l4", "p4", "s6", "p6", "d"} {
		if n, err := s.do(t, "TTL", base+k).AsInt64(); err != nil || n <= 0 || n > int64(s.cfg.Lifetime/time.Second) {
			t.Errorf("%s expires in %d s: %v", k, n, err)
		}
	}
	s.expire()
	if peers, swarms := s.totals(); peers != 2 || swarms != 1 {
		t.Errorf("%d peers in %d swarms", peers, swarms)
	}
	s.do(t, "DEL", base+"l4", base+"p4", base+"s6", base+"p6", base+"d") // as if expired
	s.do(t, "ZINCRBY", keySwarms, age, strings.TrimSuffix(strings.TrimPrefix(base, "eddy:"), ":"))
	s.expire()
	if peers, swarms := s.totals(); peers != 0 || swarms != 0 {
		t.Errorf("%d peers in %d swarms are left", peers, swarms)
	}
	if n, err := s.do(t, "EXISTS", keySwarms, keyBooked).AsInt64(); err != nil || n != 0 {
		t.Error(n, err)
	}
}

// A store that goes away costs announces, which are told when to ask again (BEP 31), not the tracker; when it comes back, all
// goes on.
func TestRedisGoesAwayAndComesBack(t *testing.T) {
	redis := startRedis(t)
	s := run(t, ServerConfig{HTTP: "127.0.0.1:0", UDP: "127.0.0.1:0", Redis: redis.url()})
	base := "http://" + s.HTTPAddr().String()
	ask := func() announce.Response {
		_, body := get(t, string(announce.AppendURL(nil, base+"/announce", leecher(1, 1000))))
		r, err := announce.ParseResponse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := ask(); r.Incomplete != 1 {
		t.Fatalf("%+v", r)
	}
	redis.stop()
	for range 20 { // the first by the broken connection, the others at once
		if r := ask(); r.Failure != "store unavailable, try again" || r.RetryIn != time.Minute {
			t.Fatalf("%+v", r)
		}
	}
	c := newClient(t, ClientConfig{})
	if _, err := c.Announce(t.Context(), "udp://"+s.UDPAddr().String(), leecher(1, 1001)); err == nil || !strings.Contains(err.Error(), "store unavailable") {
		t.Error(err)
	}
	if _, err := c.Scrape(t.Context(), "udp://"+s.UDPAddr().String()+"/announce", [][20]byte{{1}}); err == nil || !strings.Contains(err.Error(), "store unavailable") {
		t.Error(err)
	}
	if _, body := get(t, string(announce.AppendScrapeURL(nil, base+"/scrape", [][20]byte{{1}}))); !strings.Contains(body, "store unavailable") {
		t.Errorf("%q", body)
	}
	if n := s.Stats().StoreErrors; n != 23 {
		t.Errorf("%d requests were refused for the store", n)
	}
	redis.start(t)
	for range 1500 { // until the back-off is over
		if r := ask(); r.Failure == "" {
			if r.Incomplete != 1 {
				t.Errorf("%+v", r)
			}
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("the store came back and is not used")
}

// A store that takes connections and never answers is no reason to hang, even at the start.
func TestRedisThatIsSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := run(t, ServerConfig{HTTP: "127.0.0.1:0", Redis: l.Addr().String()})
	_, body := get(t, string(announce.AppendURL(nil, "http://"+s.HTTPAddr().String()+"/announce", leecher(1, 1))))
	if !strings.Contains(body, "store unavailable") {
		t.Errorf("%q", body)
	}
}

// A store that stops answering in the middle is not waited for, and is used again when it answers.
func TestRedisThatStalls(t *testing.T) {
	redis := startRedis(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var (
		stalled sync.Mutex
		conns   sync.WaitGroup
	)
	conns.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", redis.socket)
			if err != nil {
				client.Close()
				continue
			}
			conns.Go(func() { io.Copy(server, client); server.Close() })
			conns.Go(func() {
				defer client.Close()
				for buf := make([]byte, 4096); ; {
					n, err := server.Read(buf)
					stalled.Lock()
					client.Write(buf[:n])
					stalled.Unlock()
					if err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); conns.Wait() })
	cfg := ServerConfig{Redis: l.Addr().String()}.withDefaults()
	s, err := newStore(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	ask := func() error {
		r, err := s.announce(leecher(1, 1), netip.MustParseAddrPort("198.51.100.1:1"), true, 200, nil)
		if err == nil && (r.Incomplete != 1 || len(r.Compact4) != 0) {
			t.Errorf("%+v", r)
		}
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	stalled.Lock()
	for range 5 {
		if ask() == nil {
			t.Error("an answer came from nowhere")
		}
	}
	stalled.Unlock()
	for range 1500 { // until the back-off is over
		if ask() == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("the store answers again and is not used")
}

// Rewriting of addresses happens before any store: who shares a file is listed once, under its host.
func TestRedisListsUnderTheHost(t *testing.T) {
	own := netip.MustParseAddrPort("192.0.2.7:6881")
	s, err := NewServer(ServerConfig{HTTP: "127.0.0.1:0", Static: []netip.AddrPort{own}, Host: []netip.Addr{own.Addr()}, Redis: startRedis(t).url()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.store.close()
	seeder := leecher(1, own.Port())
	seeder.Left = 0
	s.announce(seeder, netip.MustParseAddrPort("127.0.0.1:5"), 200, nil)
	s.announce(leecher(1, 7000), netip.MustParseAddrPort("127.0.0.1:5"), 200, nil)
	r := s.announce(leecher(1, 1), netip.MustParseAddrPort("198.51.100.1:5"), 200, nil)
	if d := cmp.Diff("\xc0\x00\x02\x07\x1a\xe1\xc0\x00\x02\x07\x1b\x58", string(r.Compact4)); d != "" || r.Complete != 1 || r.Incomplete != 2 {
		t.Errorf("%s %+v", d, r)
	}
}
