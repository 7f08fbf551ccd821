package roster

import (
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/eddy-p2p/eddy/internal/format/announce"
)

const everything = 256

func newRoster(t testing.TB, cfg Config) *Roster {
	t.Helper()
	if cfg.Rand == nil {
		cfg.Rand = rand.New(rand.NewPCG(1, 2))
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// request is an announce for the torrent whose hash starts with h.
func request(h byte, left int64, event announce.Event, want int) *announce.Request {
	return &announce.Request{InfoHash: [20]byte{h}, Left: left, Event: event, NumWant: want}
}

// addr is the i-th of many public addresses, each in a /24 of its own.
func addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(20 + i>>16), byte(i >> 8), byte(i), 1}), 6881)
}

// fataler is a *testing.T or a *rapid.T.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func peersOf(t fataler, r Reply) []netip.AddrPort {
	t.Helper()
	got, err := announce.ParseResponse(announce.AppendResponse(nil, &r.Response, false))
	if err != nil {
		t.Fatal(err)
	}
	var list []netip.AddrPort
	for _, p := range got.Peers {
		list = append(list, p.Addr)
	}
	return list
}

// model is the roster as one would write it without a care for cost.
type model struct {
	cfg   Config
	tick  time.Duration
	peers map[[20]byte]map[netip.AddrPort]modelPeer
	done  map[[20]byte]int
}

type modelPeer struct {
	seeder bool
	seen   time.Duration
}

func (m *model) expire(now time.Duration) {
	for _, swarm := range m.peers {
		for a, p := range swarm {
			if now/m.tick-p.seen/m.tick > ticksPerLifetime {
				delete(swarm, a)
			}
		}
	}
}

func (m *model) total() (n int) {
	for _, swarm := range m.peers {
		n += len(swarm)
	}
	return n
}

func (m *model) announce(now time.Duration, req *announce.Request, from netip.AddrPort) (full bool) {
	swarm := m.peers[req.InfoHash]
	if swarm == nil {
		swarm = make(map[netip.AddrPort]modelPeer)
		m.peers[req.InfoHash] = swarm
	}
	old, known := swarm[from]
	if req.Event == announce.Stopped {
		delete(swarm, from)
		return false
	}
	if !known {
		bits := 24
		if from.Addr().Is6() {
			bits = 64
		}
		p, _ := from.Addr().Prefix(bits)
		near := 0
		for a := range swarm {
			if p.Contains(a.Addr()) {
				near++
			}
		}
		if m.total() >= m.cfg.MaxPeers || len(swarm) >= m.cfg.MaxSwarmPeers || near >= m.cfg.MaxPrefixPeers && !from.Addr().IsPrivate() {
			return true
		}
	}
	if req.Event == announce.Completed && req.Left == 0 && !old.seeder {
		m.done[req.InfoHash]++
	}
	swarm[from] = modelPeer{seeder: req.Left == 0, seen: now}
	return false
}

// The roster against the model: every answer and every count, at random times, families, states and limits.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			IntervalLow: 10 * time.Second, IntervalHigh: 20 * time.Second, Lifetime: 64 * time.Second,
			MaxPeers:       rapid.SampledFrom([]int{5, 100, 1000}).Draw(t, "max peers"),
			MaxSwarmPeers:  rapid.SampledFrom([]int{4, 1000}).Draw(t, "max swarm peers"),
			MaxPrefixPeers: rapid.SampledFrom([]int{3, 30, 1000}).Draw(t, "max prefix peers"),
			MaxSwarms:      1000,
			Rand:           rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)),
		}
		r, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		m := &model{cfg: cfg, tick: r.tick, peers: map[[20]byte]map[netip.AddrPort]modelPeer{}, done: map[[20]byte]int{}}
		now := time.Duration(0)
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			now += time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 5, 30, 300}).Draw(t, "wait")) * time.Second
			m.expire(now)
			req := request(byte(rapid.IntRange(0, 1).Draw(t, "hash")), int64(rapid.IntRange(0, 2).Draw(t, "left")),
				rapid.SampledFrom([]announce.Event{announce.None, announce.None, announce.Started, announce.Completed, announce.Stopped}).Draw(t, "event"),
				rapid.SampledFrom([]int{-1, 0, 1, 3, 10, 500}).Draw(t, "want"))
			from := netip.AddrPortFrom(rapid.SampledFrom(addresses).Draw(t, "address"), uint16(rapid.IntRange(1, 30).Draw(t, "port")))
			full := m.announce(now, req, from)
			reply := r.Announce(now, req, from, everything, nil)
			if reply.Full != full {
				t.Fatalf("full is %v, not %v", reply.Full, full)
			}
			checkReply(t, r, m, req, from, reply)
			if err := r.check(); err != nil {
				t.Fatal(err)
			}
		}
		r.Expire(now)
		if r.Peers() != m.total() {
			t.Fatalf("%d peers, not %d", r.Peers(), m.total())
		}
		r.Expire(now + 1000*time.Second)
		if r.Peers() != 0 || r.Swarms() != 0 {
			t.Fatalf("%d peers and %d swarms after the end of their lives", r.Peers(), r.Swarms())
		}
	})
}

var addresses = []netip.Addr{
	netip.MustParseAddr("8.8.8.1"), netip.MustParseAddr("8.8.8.2"), netip.MustParseAddr("9.9.9.9"), netip.MustParseAddr("192.168.0.1"),
	netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8:0:1::"),
}

// checkReply compares one answer with what the model allows.
func checkReply(t *rapid.T, r *Roster, m *model, req *announce.Request, from netip.AddrPort, reply Reply) {
	swarm := m.peers[req.InfoHash]
	var want announce.Counts
	seeders, leechers := map[netip.AddrPort]bool{}, map[netip.AddrPort]bool{}
	for a, p := range swarm {
		if p.seeder {
			want.Complete++
		} else {
			want.Incomplete++
		}
		if a == from || a.Addr().Is4() != from.Addr().Is4() {
			continue
		}
		if p.seeder {
			seeders[a] = true
		} else {
			leechers[a] = true
		}
	}
	want.Downloaded = m.done[req.InfoHash]
	got := announce.Counts{Complete: reply.Complete, Incomplete: reply.Incomplete, Downloaded: reply.Downloaded}
	if r.Swarms() == 2 || len(swarm) > 0 { // an empty swarm may have been forgotten with its downloads
		if got.Complete != want.Complete || got.Incomplete != want.Incomplete {
			t.Fatalf("counts %+v, not %+v", got, want)
		}
	}
	if reply.Interval < m.cfg.IntervalLow || reply.Interval > m.cfg.IntervalHigh || reply.MinInterval > reply.Interval {
		t.Fatalf("interval %v, min interval %v", reply.Interval, reply.MinInterval)
	}
	num := req.NumWant
	if num < 0 {
		num = 50
	}
	if num = min(num, 200); req.Event == announce.Stopped {
		num = 0
	}
	if req.Left == 0 {
		clear(seeders)
	}
	fromS, fromL := 0, 0
	seen := map[netip.AddrPort]bool{}
	for _, p := range peersOf(t, reply) {
		switch {
		case seen[p]:
			t.Fatalf("%v is listed twice", p)
		case seeders[p]:
			fromS++
		case leechers[p]:
			fromL++
		default:
			t.Fatalf("%v is no peer for %v", p, from)
		}
		seen[p] = true
	}
	if expect := min(num, len(seeders)+len(leechers)); len(seen) != expect {
		t.Fatalf("%d peers, not %d", len(seen), expect)
	}
	if fromS < min(len(seeders), (num+1)/2) {
		t.Fatalf("%d of %d seeders in a list of %d", fromS, len(seeders), num)
	}
}

func TestDownloadsAreCountedOnceAPeer(t *testing.T) {
	r := newRoster(t, Config{})
	for range 3 {
		r.Announce(0, request(1, 5, announce.Started, 0), addr(1), 0, nil)
		r.Announce(0, request(1, 0, announce.Completed, 0), addr(1), 0, nil)
		r.Announce(0, request(1, 0, announce.Completed, 0), addr(1), 0, nil)
		r.Announce(0, request(1, 0, announce.None, 0), addr(1), 0, nil)
	}
	if d := cmp.Diff(announce.Counts{Complete: 1, Downloaded: 3}, r.Scrape([20]byte{1})); d != "" {
		t.Error(d)
	}
	if got := r.Scrape([20]byte{2}); got != (announce.Counts{}) {
		t.Error(got)
	}
}

// Every peer has the same chance to be told, whatever its place: chi-squared over many answers, with a fixed seed.
func TestChoiceIsUniform(t *testing.T) {
	r := newRoster(t, Config{})
	const peers, rounds, want = 100, 20000, 10
	for i := range peers {
		r.Announce(0, request(1, 1, announce.Started, 0), addr(i), 0, nil)
	}
	count := map[netip.AddrPort]int{}
	for range rounds {
		for _, p := range peersOf(t, r.Announce(0, request(1, 1, announce.None, want), addr(0), everything, nil)) {
			count[p]++
		}
	}
	if len(count) != peers-1 {
		t.Fatalf("%d of %d peers were ever told", len(count), peers-1)
	}
	expect, chi := float64(rounds*want)/(peers-1), 0.0
	for _, c := range count {
		chi += (float64(c) - expect) * (float64(c) - expect) / expect
	}
	if chi > 150 { // 98 degrees of freedom: the 99.9 % quantile is 148
		t.Errorf("chi-squared %.0f", chi)
	}
}

func TestIntervalGrowsWithTheSwarm(t *testing.T) {
	r := newRoster(t, Config{IntervalLow: 30 * time.Second, IntervalHigh: 60 * time.Second})
	first := r.Announce(0, request(1, 1, announce.Started, 0), addr(0), 0, nil)
	for i := range 1000 {
		r.Announce(0, request(1, 1, announce.Started, 0), addr(i), 0, nil)
	}
	last := r.Announce(0, request(1, 1, announce.None, 0), addr(0), 0, nil)
	if first.Interval > 33*time.Second || first.MinInterval != 5*time.Second {
		t.Errorf("a lone peer waits %v, at least %v", first.Interval, first.MinInterval)
	}
	if last.Interval < 54*time.Second || last.MinInterval < 25*time.Second {
		t.Errorf("one of a thousand waits %v, at least %v", last.Interval, last.MinInterval)
	}
}

func TestLimits(t *testing.T) {
	r := newRoster(t, Config{MaxSwarms: 2, MaxPeers: 3})
	for i, full := range []bool{false, false, true} {
		if got := r.Announce(0, request(byte(i), 1, announce.Started, -1), addr(i), everything, nil); got.Full != full {
			t.Errorf("swarm %d: full is %v", i, got.Full)
		}
	}
	r.Announce(0, request(0, 1, announce.Started, -1), addr(7), everything, nil)
	late := r.Announce(0, request(0, 1, announce.Started, -1), addr(8), everything, nil)
	if !late.Full || len(peersOf(t, late)) != 2 {
		t.Errorf("a peer beyond the limit: %+v", late)
	}
	if got := r.Announce(0, request(0, 1, announce.None, -1), addr(7), 1, nil); len(peersOf(t, got)) != 1 {
		t.Errorf("the caller's limit was passed over: %+v", got)
	}
	for i := range 10 { // made-up torrents leave nothing behind
		r.Announce(0, request(1, 1, announce.Stopped, -1), addr(1), everything, nil)
		r.Announce(0, request(byte(100+i), 1, announce.Started, -1), addr(1), everything, nil)
		r.Announce(0, request(byte(100+i), 1, announce.Stopped, -1), addr(1), everything, nil)
	}
	if r.Swarms() != 1 {
		t.Errorf("%d swarms", r.Swarms())
	}
}

// One /24 cannot fill a swarm; a home network can.
func TestPrefixLimit(t *testing.T) {
	for _, c := range []struct {
		host string
		full bool
	}{{"8.8.8.8", true}, {"192.168.1.1", false}, {"127.0.0.1", false}, {"100.64.0.1", false}, {"2001:4860::1", true}, {"fd00::1", false}} {
		r := newRoster(t, Config{MaxPrefixPeers: 5})
		var last Reply
		for i := range 10 {
			last = r.Announce(0, request(1, 1, announce.Started, 0), netip.AddrPortFrom(netip.MustParseAddr(c.host), uint16(1+i)), 0, nil)
		}
		if last.Full != c.full {
			t.Errorf("%s: full is %v", c.host, last.Full)
		}
	}
}

func TestConfigIsValidated(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for name, cfg := range map[string]Config{
		"no rand":  {},
		"order":    {Rand: rng, IntervalLow: time.Minute, IntervalHigh: time.Second},
		"lifetime": {Rand: rng, Lifetime: time.Minute},
		"numwant":  {Rand: rng, MaxNumWant: 1000},
		"min":      {Rand: rng, MinInterval: time.Hour},
		"negative": {Rand: rng, MaxPeers: -1},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The aim: a million peers in 10,000 swarms, or in one, cost at most 60 bytes each.
func TestMemoryAPeer(t *testing.T) {
	if testing.Short() {
		t.Skip("lists a million peers")
	}
	const peers = 1_000_000
	for name, swarms := range map[string]int{"10000 swarms": 10_000, "one swarm": 1} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r := newRoster(t, Config{})
		req := request(0, 1, announce.Started, 0)
		for i := range peers {
			req.InfoHash[0], req.InfoHash[1] = byte(i%swarms), byte(i%swarms>>8)
			req.Left = int64(i % 4)
			r.Announce(0, req, addr(i/swarms), 0, nil)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		each := float64(after.HeapAlloc-before.HeapAlloc) / peers
		if r.Peers() != peers || each > 60 {
			t.Errorf("%s: %d peers at %.1f bytes each", name, r.Peers(), each)
		}
		t.Logf("%s: %.1f bytes a peer", name, each)
		runtime.KeepAlive(r)
	}
}

func BenchmarkAnnounce(b *testing.B) {
	for name, swarms := range map[string]int{"swarms of 100": 10_000, "swarm of 1000000": 1} {
		b.Run(name, func(b *testing.B) {
			r := newRoster(b, Config{})
			req := request(0, 1, announce.None, 50)
			buf := make([]byte, 0, 4096)
			set := func(i int) netip.AddrPort {
				req.InfoHash[0], req.InfoHash[1] = byte(i%swarms), byte(i%swarms>>8)
				req.Left = int64(i / swarms % 4)
				return addr(i / swarms)
			}
			for i := range 1_000_000 {
				r.Announce(0, req, set(i), 0, nil)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r.Announce(0, req, set(i*7919%1_000_000), everything, buf)
			}
		})
	}
}
