package swarm

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/metainfo"
)

// A block-level simulation of whole swarms in virtual time: Swarm instances that exchange wire messages over links with
// latency. Uplinks are limited by the Swarms' own token buckets, or by a link rate where they have no limit.

type simConfig struct {
	size, piece int64
	seedUp      int64   // bytes/s; 0 = no limit of the Swarm
	ups         []int64 // of each leecher
	link        int64   // bytes/s of every uplink when no limit is set; 0 = none
	latency     time.Duration
	spread      time.Duration // leechers join within it
	degree      int           // neighbours that each leecher dials; 0 = all
	selfish     bool          // leechers leave when complete
	seed        uint64
	check       bool // invariants after every event
	tweak       func(node int, c *Config)
	until       time.Duration
	hostile     map[int]bool                    // nodes that claim to have everything and behave as below
	bad         func(from int, sent int64) bool // the block that from serves is corrupt
	mute        func(from int) bool             // from never sends a block
	slow        bool                            // BEP 3 peers without the fast extension
}

// bound is the fluid minimum: max(F/us, N F/(us + U)).
func (c simConfig) bound() time.Duration {
	us, sum := float64(c.seedUp), 0.0
	if us == 0 {
		us = float64(c.link)
	}
	for _, u := range c.ups {
		if u == 0 {
			u = c.link
		}
		sum += float64(u)
	}
	f := float64(c.size)
	t := max(f/us, float64(len(c.ups))*f/(us+sum))
	return time.Duration(t * float64(time.Second))
}

type simEvent struct {
	at   time.Duration
	seq  int
	node int
	do   func()
}

type simHeap []simEvent

func (h simHeap) Len() int { return len(h) }
func (h simHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}
func (h simHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *simHeap) Push(x any)   { *h = append(*h, x.(simEvent)) }
func (h *simHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = simEvent{}
	*h = old[:len(old)-1]
	return e
}

type simConn struct {
	node    int  // the other side
	handle  Peer // of us, over there
	ordered time.Duration
	open    bool
}

type simNode struct {
	s      *Swarm
	conns  map[Peer]*simConn
	next   Peer
	tick   time.Duration // scheduled, 0 = none
	link   time.Duration // uplink busy until
	done   time.Duration // complete at
	joined time.Duration
	left   bool
	sent   int64
	stored map[[2]int]int // who sent a bad block, by piece and block
	banned map[int]bool
}

type sim struct {
	cfg    simConfig
	now    time.Duration
	seq    int
	heap   simHeap
	nodes  []*simNode
	trace  func(node int, a Action)
	err    error
	events int
}

func newSim(cfg simConfig) *sim {
	m := &sim{cfg: cfg}
	n := len(cfg.ups)
	layout := metainfo.Layout{Size: cfg.size, PieceLength: cfg.piece}
	rng := rand.New(rand.NewPCG(cfg.seed, 99))
	for i := range n + 1 {
		c := Config{Layout: layout, Rand: rand.New(rand.NewPCG(cfg.seed, uint64(i)))}
		if i == 0 || cfg.hostile[i] {
			c.Policy.RevealAll = i > 0
			c.Have = bits.New(layout.NumPieces())
			c.Have.Fill()
			c.UploadRate = cfg.seedUp
		}
		if i > 0 {
			c.UploadRate = cfg.ups[i-1]
		}
		if cfg.tweak != nil {
			cfg.tweak(i, &c)
		}
		s, err := New(c)
		if err != nil {
			panic(err)
		}
		m.nodes = append(m.nodes, &simNode{s: s, conns: map[Peer]*simConn{}, stored: map[[2]int]int{}, banned: map[int]bool{}})
	}
	order := rng.Perm(n)
	for k, v := range order {
		i := v + 1
		at := time.Duration(rng.Float64() * float64(cfg.spread))
		m.nodes[i].joined = at
		m.at(at, i, func() { m.connect(i, 0) })
		if cfg.degree == 0 {
			for _, w := range order[:k] {
				j := w + 1
				m.at(max(at, m.nodes[j].joined)+cfg.latency, i, func() { m.connect(i, j) })
			}
			continue
		}
		// Each dials degree/2 of all, so that it has about degree neighbours.
		for range cfg.degree / 2 {
			j := rng.IntN(n) + 1
			if j != i {
				m.at(cfg.spread+cfg.latency, i, func() { m.connect(i, j) })
			}
		}
	}
	return m
}

func (m *sim) at(at time.Duration, node int, do func()) {
	m.seq++
	heap.Push(&m.heap, simEvent{at, m.seq, node, do})
}

func (m *sim) connect(i, j int) {
	a, b := m.nodes[i], m.nodes[j]
	if a.left || b.left || a.banned[j] || b.banned[i] {
		return
	}
	for _, c := range a.conns {
		if c.node == j && c.open {
			return
		}
	}
	ha, hb := a.next, b.next
	a.next++
	b.next++
	a.conns[ha] = &simConn{node: j, handle: hb, open: true}
	b.conns[hb] = &simConn{node: i, handle: ha, open: true}
	addr := func(k int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 77, byte(k >> 8), byte(k)}), 6881)
	}
	a.s.Join(m.now, ha, PeerInfo{Fast: !m.cfg.slow, Addr: addr(j), Outgoing: true, ReqQ: ReqQ, RTT: 2 * m.cfg.latency})
	b.s.Join(m.now, hb, PeerInfo{Fast: !m.cfg.slow, Addr: addr(i), ReqQ: ReqQ, RTT: 2 * m.cfg.latency})
	m.drain(i)
	m.drain(j)
}

func (m *sim) drop(i int, h Peer) {
	c := m.nodes[i].conns[h]
	if c == nil || !c.open {
		return
	}
	c.open = false
	other := m.nodes[c.node]
	other.conns[c.handle].open = false
	m.nodes[i].s.Leave(m.now, h)
	j, hj := c.node, c.handle
	m.at(m.now+m.cfg.latency, j, func() {
		m.nodes[j].s.Leave(m.now, hj)
	})
}

// drain carries out what node i wants done, and sets its timer.
func (m *sim) drain(i int) {
	n := m.nodes[i]
	for {
		a, ok := n.s.Next()
		if !ok {
			break
		}
		if m.trace != nil {
			m.trace(i, a)
		}
		switch a.Kind {
		case Send, Serve:
			m.carry(i, a)
		case Verify:
			piece := int(a.Msg.Index)
			m.at(m.now+time.Millisecond, i, func() { n.verify(m.now, piece) })
		case Close:
			if a.Ban {
				n.banned[n.conns[a.Peer].node] = true
			}
			m.drop(i, a.Peer)
		case Completed:
			n.done = m.now
			if m.cfg.selfish && i > 0 {
				m.at(m.now+m.cfg.latency, i, func() {
					n.left = true
					for h := Peer(0); h < n.next; h++ {
						m.drop(i, h)
					}
				})
			}
		}
	}
	if m.cfg.check && m.err == nil {
		if err := n.s.check(); err != nil {
			m.err = fmt.Errorf("node %d at %v: %w", i, m.now, err)
		}
	}
	if at, ok := n.s.NextTick(); ok && (n.tick == 0 || at < n.tick) {
		at = max(at, m.now)
		n.tick = at
		m.at(at, i, func() {
			if n.tick == at {
				n.tick = 0
			}
			n.s.Tick(m.now)
		})
	}
}

func (m *sim) carry(i int, a Action) {
	n := m.nodes[i]
	c := n.conns[a.Peer]
	if c == nil || !c.open {
		return
	}
	arrive := m.now + m.cfg.latency
	msg := a.Msg
	bad := false
	switch {
	case a.Kind == Serve && m.cfg.mute != nil && m.cfg.mute(i):
		return
	case a.Kind == Serve:
		bad = m.cfg.bad != nil && m.cfg.bad(i, n.sent)
		n.sent += int64(msg.Length)
		msg.Kind = wire.Piece
		msg.Payload = simPayload[:msg.Length]
		sent := m.now
		if m.cfg.link > 0 {
			n.link = max(n.link, m.now) + time.Duration(float64(msg.Length)/float64(m.cfg.link)*1e9)
			sent = n.link
		}
		arrive = sent + m.cfg.latency
		h, length := a.Peer, int64(msg.Length)
		m.at(sent, i, func() { n.s.Sent(m.now, h, 1, length) })
		arrive = max(arrive, c.ordered)
		c.ordered = arrive
	case msg.Kind == wire.Choke || msg.Kind == wire.Unchoke || msg.Kind == wire.Reject:
		arrive = max(arrive, c.ordered)
		c.ordered = arrive
	}
	m.at(arrive, c.node, func() {
		if !c.open {
			return
		}
		to := m.nodes[c.node]
		if to.s.Receive(m.now, c.handle, &msg) {
			at := [2]int{int(msg.Index), int(msg.Begin / metainfo.BlockSize)}
			delete(to.stored, at)
			if bad {
				to.stored[at] = i
			}
		}
	})
}

// verify compares a piece with what was stored of it.
func (n *simNode) verify(now time.Duration, piece int) {
	digests := make([][20]byte, n.s.layout.NumBlocks(piece))
	ok := true
	for b := range digests {
		if from, bad := n.stored[[2]int{piece, b}]; bad {
			digests[b][0] = byte(from)
			ok = false
		}
	}
	n.s.PieceDone(now, piece, ok, digests)
}

var simPayload = make([]byte, metainfo.BlockSize)

type simResult struct {
	last   time.Duration
	ratio  float64
	wasted float64 // share of all downloads
	seed   float64 // copies that the seed sent
	done   int
}

func (r simResult) String() string {
	return fmt.Sprintf("%.3f of the bound (%v, %d done), waste %.2f %%, seed sent %.2f copies", r.ratio, r.last.Round(time.Millisecond), r.done, 100*r.wasted, r.seed)
}

func (m *sim) run() simResult {
	until := m.cfg.until
	if until == 0 {
		until = 20 * m.cfg.bound()
	}
	open := len(m.cfg.ups) - len(m.cfg.hostile)
	for len(m.heap) > 0 && open > 0 && m.err == nil {
		e := heap.Pop(&m.heap).(simEvent)
		if e.at > until {
			break
		}
		m.now = e.at
		m.events++
		was := m.nodes[e.node].done
		e.do()
		m.drain(e.node)
		if was == 0 && m.nodes[e.node].done != 0 && e.node > 0 {
			open--
		}
	}
	var r simResult
	var down, wasted int64
	for i, n := range m.nodes {
		if i == 0 {
			r.seed = float64(n.sent) / float64(m.cfg.size)
			continue
		}
		st := n.s.Stats()
		down, wasted = down+st.Downloaded, wasted+st.Wasted
		if n.done > 0 {
			r.done++
			r.last = max(r.last, n.done)
		}
	}
	if r.done < len(m.cfg.ups)-len(m.cfg.hostile) {
		r.last = until
	}
	r.ratio = r.last.Seconds() / m.cfg.bound().Seconds()
	if down > 0 {
		r.wasted = float64(wasted) / float64(down)
	}
	return r
}

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
)

func same(n int, rate int64) []int64 {
	ups := make([]int64, n)
	for i := range ups {
		ups[i] = rate
	}
	return ups
}
