// Package roster knows which peers are in which swarm: it is the memory and the decisions of a tracker, without sockets,
// clocks or locks. An announce comes in with the time and the address it came from; out comes what to tell the peer.
//
// The caller's duties:
//
//  1. A Roster is not safe for concurrent use.
//  2. now is a time since any fixed start and never goes backwards.
//  3. Only pass on addresses that are proven (a TCP connection, a UDP connection id): the roster lists what it is given.
//  4. Call Expire every Config.Lifetime/8 or so. Swarms that are announced to expire by themselves; Expire finds the others.
//
// A peer costs 8 bytes with IPv4 and 20 with IPv6, a quarter of that in slack, and 5 to 10 for finding it in swarms of more
// than 16. Peers lie in their compact form (BEP 23), so that telling of one is a copy.
package roster

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/announce"
)

// Roster holds swarms and their peers. See the package comment for the caller's duties.
type Roster struct {
	cfg    Config
	tick   time.Duration // granularity of last-seen times
	seed   uint64        // of the hashes by which peers are found
	swarms map[[20]byte]*swarm
	list   []*swarm // the same, in an order that does not depend on the map
	peers  int
	swept  int64 // tick of the last complete Expire
	picks  sampler
}

// swarm is the peers of one torrent, by family: a peer can only use addresses of the family it announced with, as far as a
// tracker knows.
type swarm struct {
	hash       [20]byte
	at         int // index in Roster.list
	touched    int64
	downloaded uint32
	v4, v6     *peerSet // nil while empty
}

// Reply is what to tell a peer. Peers are in Response.Compact4 or Compact6, by the family of the asker.
type Reply struct {
	announce.Response
	Full bool // a limit kept the peer from being listed; it is answered nevertheless
}

// New returns an empty roster. Errors are those of Config's limits.
func New(cfg Config) (*Roster, error) {
	cfg, err := cfg.Settle()
	if err != nil {
		return nil, err
	}
	return &Roster{
		cfg:    cfg,
		tick:   cfg.Lifetime / ticksPerLifetime,
		seed:   cfg.Rand.Uint64(),
		swarms: make(map[[20]byte]*swarm),
	}, nil
}

// ticksPerLifetime is how finely last-seen times are kept. Ticks are 16 bits wide and compared modulo 2^16, which leaves
// room for Expire to be late by thousands of lifetimes.
const ticksPerLifetime = 16

// Peers returns the number of listed peers, of both families.
func (r *Roster) Peers() int { return r.peers }

// Swarms returns the number of swarms.
func (r *Roster) Swarms() int { return len(r.list) }

// SetMaxPeers replaces Config.MaxPeers, so that several rosters can share one allowance. Peers beyond it stay listed until
// they leave.
func (r *Roster) SetMaxPeers(n int) { r.cfg.MaxPeers = n }

// Announce enters the peer at from, or takes it out if it stopped, and returns what to tell it. The peer is from's address
// and port, whatever the request says. Peers are appended to buf; at most Config.MaxNumWant, and never more than limit, of
// 6 or 18 bytes each.
func (r *Roster) Announce(now time.Duration, req *announce.Request, from netip.AddrPort, limit int, buf []byte) Reply {
	var (
		tick = int64(now / r.tick)
		s    = r.swarms[req.InfoHash]
		key  = makeKey(from)
		full bool
	)
	if s != nil {
		r.expire(s, tick)
	}
	if req.Event == announce.Stopped {
		s = r.leave(s, &key)
	} else {
		s, full = r.join(s, req, &key, tick)
	}
	reply := r.describe(s)
	reply.Full = full
	if s != nil && req.Event != announce.Stopped {
		r.tell(s, &key, req, limit, buf, &reply)
	}
	return reply
}

// Look answers like Announce but lists nobody: for a peer that the caller lists by other means.
func (r *Roster) Look(now time.Duration, req *announce.Request, from netip.AddrPort, limit int, buf []byte) Reply {
	s, key := r.swarms[req.InfoHash], makeKey(from)
	if s != nil {
		r.expire(s, int64(now/r.tick))
	}
	reply := r.describe(s)
	if s != nil {
		r.tell(s, &key, req, limit, buf, &reply)
	}
	return reply
}

// tell puts into the reply the peers that the one at key is to know.
func (r *Roster) tell(s *swarm, key *peerKey, req *announce.Request, limit int, buf []byte, reply *Reply) {
	want := req.NumWant
	if want < 0 {
		want = r.cfg.NumWant
	}
	buf = r.choose(s, key, req.Left == 0, min(want, r.cfg.MaxNumWant, limit), buf)
	if key.n == announce.Stride4 {
		reply.Compact4 = buf
	} else {
		reply.Compact6 = buf
	}
}

// join lists the peer, or refreshes it. It returns the swarm, which may be new or, at the limit, nil.
func (r *Roster) join(s *swarm, req *announce.Request, key *peerKey, tick int64) (_ *swarm, full bool) {
	if tick > r.swept && (len(r.list) >= r.cfg.MaxSwarms || r.peers >= r.cfg.MaxPeers) {
		r.sweep(tick) // the stale must not keep out the living; once a tick, as it takes a while
		s = r.swarms[req.InfoHash]
	}
	if s == nil {
		if len(r.list) >= r.cfg.MaxSwarms || r.peers >= r.cfg.MaxPeers {
			return nil, true
		}
		s = &swarm{hash: req.InfoHash, at: len(r.list)}
		r.swarms[s.hash] = s
		r.list = append(r.list, s)
	}
	s.touched = tick
	set := s.set(key)
	seeder := req.Left == 0
	if at, ok := set.find(key, r.seed); ok {
		// A completion counts once a peer: when it turns from leecher to seeder.
		if seeder && at >= set.seeders && req.Event == announce.Completed {
			s.downloaded++
		}
		set.refresh(at, seeder, uint16(tick), r.seed)
		return s, false
	}
	if r.peers >= r.cfg.MaxPeers || s.peers() >= r.cfg.MaxSwarmPeers || set.capped(key, r.cfg.MaxPrefixPeers) {
		return s, true
	}
	if seeder && req.Event == announce.Completed {
		s.downloaded++ // its leeching days were before ours, or were forgotten
	}
	set.add(key, seeder, uint16(tick), r.seed)
	r.peers++
	return s, false
}

// leave takes the peer out, if it is in. It returns the swarm, nil when nothing is left to know of it: announcing made-up
// torrents and stopping at once must not fill the memory.
func (r *Roster) leave(s *swarm, key *peerKey) *swarm {
	if s == nil {
		return nil
	}
	if set := s.existing(key); set != nil {
		if at, ok := set.find(key, r.seed); ok {
			set.remove(at, r.seed, r.cfg.MaxPrefixPeers)
			r.peers--
		}
	}
	if s.empty() && s.downloaded == 0 {
		r.drop(s)
		return nil
	}
	return s
}

// choose appends up to want peers that are of use to the one at key. A seeder gets leechers only. A leecher gets seeders
// for up to half of the list, and more if leechers are few: seeders have what it misses, but it has to meet those with
// whom it can trade.
func (r *Roster) choose(s *swarm, key *peerKey, seeder bool, want int, buf []byte) []byte {
	set := s.existing(key)
	if set == nil || want <= 0 {
		return buf
	}
	n := set.len()
	self, listed := set.find(key, r.seed)
	if !listed {
		self = n // a limit kept it out
	}
	seeders, leechers := set.seeders, n-set.seeders
	if self < set.seeders {
		seeders--
	} else if listed {
		leechers--
	}
	fromSeeders := min(seeders, (want+1)/2)
	if seeder {
		fromSeeders, seeders = 0, 0
	}
	fromLeechers := min(leechers, want-fromSeeders)
	fromSeeders = min(seeders, want-fromLeechers)
	buf = r.picks.pick(r.cfg.Rand, set, 0, set.seeders, self, fromSeeders, buf)
	return r.picks.pick(r.cfg.Rand, set, set.seeders, n, self, fromLeechers, buf)
}

// describe fills in the counts and the intervals.
func (r *Roster) describe(s *swarm) Reply {
	var reply Reply
	n := 0
	if s != nil {
		n = s.peers()
		c := s.counts()
		reply.Complete, reply.Incomplete, reply.Downloaded = c.Complete, c.Incomplete, c.Downloaded
	}
	reply.Interval, reply.MinInterval = r.cfg.Intervals(n)
	return reply
}

// Scrape returns the counts of a swarm, all 0 for an unknown one (BEP 48).
func (r *Roster) Scrape(hash [20]byte) announce.Counts {
	if s := r.swarms[hash]; s != nil {
		return s.counts()
	}
	return announce.Counts{}
}

// Expire forgets the peers that have not announced for Config.Lifetime, and swarms that have been empty for as long. It
// takes time in proportion to the swarms, and to the peers of those where one may be stale.
func (r *Roster) Expire(now time.Duration) { r.sweep(int64(now / r.tick)) }

func (r *Roster) sweep(tick int64) {
	r.swept = tick
	for i := 0; i < len(r.list); {
		s := r.list[i]
		r.expire(s, tick)
		// An empty swarm is kept for a while for the sake of its download count.
		if s.empty() && (s.downloaded == 0 || tick-s.touched > ticksPerLifetime) {
			r.drop(s)
			continue
		}
		i++
	}
}

// expire forgets the stale peers of s.
func (r *Roster) expire(s *swarm, tick int64) {
	for _, set := range [...]**peerSet{&s.v4, &s.v6} {
		if *set == nil {
			continue
		}
		r.peers -= (*set).expire(uint16(tick), r.seed, r.cfg.MaxPrefixPeers)
		if (*set).len() == 0 {
			*set = nil
		}
	}
}

// drop forgets a swarm.
func (r *Roster) drop(s *swarm) {
	last := r.list[len(r.list)-1]
	r.list[s.at], last.at = last, s.at
	r.list[len(r.list)-1] = nil
	r.list = r.list[:len(r.list)-1]
	delete(r.swarms, s.hash)
}

// set returns the peers of key's family, making the set if need be.
func (s *swarm) set(key *peerKey) *peerSet {
	p := &s.v4
	if key.n == announce.Stride6 {
		p = &s.v6
	}
	if *p == nil {
		*p = &peerSet{stride: key.n + seenSize}
	}
	return *p
}

// existing returns the peers of key's family, nil if there are none.
func (s *swarm) existing(key *peerKey) *peerSet {
	if key.n == announce.Stride6 {
		return s.v6
	}
	return s.v4
}

func (s *swarm) peers() int { return s.v4.len() + s.v6.len() }

func (s *swarm) empty() bool { return s.peers() == 0 }

// counts adds up both families: a peer that announces with both is two peers to those who count.
func (s *swarm) counts() announce.Counts {
	c := announce.Counts{Downloaded: int(s.downloaded)}
	for _, set := range [...]*peerSet{s.v4, s.v6} {
		if set != nil {
			c.Complete += set.seeders
			c.Incomplete += set.len() - set.seeders
		}
	}
	return c
}

// sampler draws random subsets. It is part of a Roster so that nothing is allocated.
type sampler struct {
	taken [512]uint32 // open addressing; at least twice the largest subset
}

// pick appends want of set's peers with index in [lo, hi) other than self, every subset being equally likely. want is at
// most the number of those. Floyd's algorithm: draws and memory in proportion to want, not to the swarm.
func (p *sampler) pick(rng *rand.Rand, set *peerSet, lo, hi, self, want int, buf []byte) []byte {
	n := hi - lo
	if self >= lo && self < hi {
		n--
	} else {
		self = hi
	}
	if want == 0 {
		return buf
	}
	appendAt := func(i int) {
		i += lo
		if i >= self {
			i++
		}
		buf = append(buf, set.compact(i)...)
	}
	if want == n { // all of them: only the order is random
		start := rng.IntN(n)
		for i := range n {
			appendAt((start + i) % n)
		}
		return buf
	}
	clear(p.taken[:])
	for i := n - want; i < n; i++ {
		c := rng.IntN(i + 1)
		if !p.take(c) {
			c = i
			p.take(c)
		}
		appendAt(c)
	}
	return buf
}

// take enters c and reports whether it was new.
func (p *sampler) take(c int) bool {
	v := uint32(c) + 1
	for i := v * 2654435769 >> 23; ; i = (i + 1) % uint32(len(p.taken)) {
		switch p.taken[i] {
		case v:
			return false
		case 0:
			p.taken[i] = v
			return true
		}
	}
}
