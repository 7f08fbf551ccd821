package tracker

import (
	crand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/roster"
	"github.com/eddy-p2p/eddy/internal/format/announce"
)

// shards is the number of rosters that share the torrents, by the first bits of the infohash: announces for different
// torrents seldom wait for each other.
const shards = 64

// registry is the store in memory: the rosters behind a server.
type registry struct {
	start    time.Time
	maxPeers int64
	peers    atomic.Int64
	swarms   atomic.Int64
	shards   [shards]shard
}

type shard struct {
	mu     sync.Mutex
	roster *roster.Roster
	_      [48]byte // keeps neighbours off this one's cache line
}

// newRegistry returns an empty registry; cfg.Rand is not used.
func newRegistry(cfg roster.Config) (*registry, error) {
	g := &registry{start: time.Now(), maxPeers: int64(cfg.MaxPeers)}
	for i := range g.shards {
		cfg.Rand = rand.New(rand.NewPCG(randomUint64(), randomUint64()))
		r, err := roster.New(cfg)
		if err != nil {
			return nil, err
		}
		g.shards[i].roster = r
	}
	return g, nil
}

func randomUint64() uint64 {
	var b [8]byte
	crand.Read(b[:]) // never fails: see crypto/rand
	return binary.LittleEndian.Uint64(b[:])
}

// now is the rosters' time.
func (g *registry) now() time.Duration { return time.Since(g.start) }

func (g *registry) shard(hash *[20]byte) *shard { return &g.shards[hash[0]%shards] }

// announce implements store; it never fails.
func (g *registry) announce(req *announce.Request, from netip.AddrPort, list bool, limit int, buf []byte) (roster.Reply, error) {
	s := g.shard(&req.InfoHash)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := g.now()
	if !list {
		return s.roster.Look(now, req, from, limit, buf), nil
	}
	peers, swarms := s.roster.Peers(), s.roster.Swarms()
	// One allowance for all shards. Announces at the same moment can overdraw it by a peer a shard.
	s.roster.SetMaxPeers(peers + int(max(0, g.maxPeers-g.peers.Load())))
	reply := s.roster.Announce(now, req, from, limit, buf)
	g.count(s, peers, swarms)
	return reply, nil
}

// count books what has changed in s, whose lock is held, since it had so many peers and swarms.
func (g *registry) count(s *shard, peers, swarms int) {
	if d := s.roster.Peers() - peers; d != 0 {
		g.peers.Add(int64(d))
	}
	if d := s.roster.Swarms() - swarms; d != 0 {
		g.swarms.Add(int64(d))
	}
}

// scrape implements store; it never fails.
func (g *registry) scrape(rows []announce.Counts, hashes [][20]byte) ([]announce.Counts, error) {
	for i := range hashes {
		s := g.shard(&hashes[i])
		s.mu.Lock()
		rows = append(rows, s.roster.Scrape(hashes[i]))
		s.mu.Unlock()
	}
	return rows, nil
}

func (g *registry) totals() (peers, swarms int64) { return g.peers.Load(), g.swarms.Load() }

func (g *registry) remote() bool { return false }

func (g *registry) close() {}

// expire forgets stale peers, a shard at a time so that announces get through.
func (g *registry) expire() {
	for i := range g.shards {
		s := &g.shards[i]
		s.mu.Lock()
		peers, swarms := s.roster.Peers(), s.roster.Swarms()
		s.roster.Expire(g.now())
		g.count(s, peers, swarms)
		s.mu.Unlock()
	}
}
