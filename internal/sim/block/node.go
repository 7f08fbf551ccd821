package block

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/swarm"
	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
)

// node is one peer or server.
type node struct {
	sw         *swarm.Swarm // nil before it comes and after it left
	conns      []int32      // its end of the connection, by handle; -1 = the handle is free
	free       []swarm.Peer // handles to use again
	there      bool
	done       bool
	mute       bool  // a free rider or thief: it unchokes nobody
	lost       bool  // a connection ended that it did not end, since it asked the tracker
	sent       int64 // bytes of blocks
	leaveAfter int64 // bytes sent; 0 = never
	up         uplink
	down       ring // blocks that wait for its downlink, and what follows them; ByLink
}

// end is one side of a connection; the other side is that of the index with its lowest bit flipped. Indices are not used again.
type end struct {
	node     int32
	handle   swarm.Peer
	open     bool
	unchoked bool       // its node unchokes the other: as reported
	slot     swarm.Slot // as traced
}

// settle makes the Swarm of node i, with the pieces that it comes with.
func (m *simulation) settle(i int32) error {
	p := &m.peers[i]
	rng := m.stream(i)
	cfg := swarm.Config{Layout: m.layout, Rand: rng, Slots: m.sc.Slots, Policy: m.sc.PolicyOf(p.Class)}
	cfg.Have = share(rng, m.layout.NumPieces(), p.Have)
	if !m.linked {
		cfg.UploadRate, cfg.DownloadRate = p.Up, p.Down
	}
	sw, err := swarm.New(cfg)
	if err != nil {
		return fmt.Errorf("peer %d: %w", i, err)
	}
	n := &m.nodes[i]
	*n = node{sw: sw, there: true, done: sw.Complete(), mute: p.Strategy != scenario.Honest, up: uplink{sending: nobody}}
	if p.Fail != scenario.Forever {
		m.timers.set(timer(i, onFail), max(p.Fail, m.now))
	}
	if p.Class < 0 {
		n.leaveAfter = int64(m.sc.Server.Copies * float64(m.sc.Size))
		m.stayFor(i, p.Stay)
	}
	return nil
}

// share draws a share of n pieces.
func share(rng *rand.Rand, n int, part float64) bits.Set {
	set := bits.New(n)
	if part >= 1 {
		set.Fill()
		return set
	}
	for _, k := range rng.Perm(n)[:int(part*float64(n)+0.5)] {
		set.Add(k)
	}
	return set
}

// stayFor lets node i leave after d.
func (m *simulation) stayFor(i int32, d time.Duration) {
	if d < scenario.Forever-m.now {
		m.timers.set(timer(i, onLife), m.now+d)
	}
}

// join lets peer i come: it dials the neighbours that the topology gives it.
func (m *simulation) join(i int32) error {
	if err := m.settle(i); err != nil {
		return err
	}
	m.rec.Joined(m.now, int(i))
	m.tell(Event{Kind: Joined, Peer: i, Other: nobody})
	have := m.nodes[i].sw.Have()
	for k := have.Next(0); k >= 0; k = have.Next(k + 1) {
		m.rec.Got(m.now, int(i), k)
	}
	if m.nodes[i].done {
		m.finished(i)
	}
	for _, j := range m.topo.Join(int(i)) {
		m.dial(i, j, false)
	}
	if m.sc.Tracker > 0 {
		m.timers.set(timer(i, onRefill), m.now+m.sc.Tracker)
	}
	return nil
}

// completed notes that node i has everything.
func (m *simulation) completed(i int32) {
	if n := &m.nodes[i]; !n.done {
		n.done = true
		m.finished(i)
	}
}

func (m *simulation) finished(i int32) {
	m.waiting--
	m.done++
	m.rec.Done(m.now, int(i))
	m.tell(Event{Kind: Completed, Peer: i, Other: nobody})
	m.stayFor(i, m.peers[i].Stay)
}

// leave takes node i out of the swarm: by closing its connections, or, when it failed, by being gone. A failure is seen as a
// reset by its neighbours a latency later, as when a process is killed: a machine that loses its power is noticed only by
// time-outs, which in a live swarm are the Swarm's own and tested there.
func (m *simulation) leave(i int32, failed bool) {
	n := &m.nodes[i]
	if !n.there {
		return
	}
	for _, e := range n.conns {
		if e >= 0 {
			m.unchoked(e, false)
			m.unchoked(e^1, false)
		}
	}
	n.there = false
	for _, e := range n.conns {
		if e >= 0 {
			m.hangUp(e, failed)
		}
	}
	for _, kind := range [...]int{onTick, onLife, onFail, onRefill} {
		m.timers.clear(timer(i, kind))
	}
	if failed {
		m.timers.clear(timer(i, onUp))
		n.up = uplink{sending: nobody}
	}
	if !n.done {
		m.waiting--
	}
	n.sw, n.conns, n.free = nil, nil, nil
	m.topo.Leave(int(i))
	m.rec.Left(m.now, int(i), failed)
	m.tell(Event{Kind: Left, Peer: i, Other: nobody, Failed: failed})
}

// refill lets a peer that lost neighbours, and still needs some, ask the tracker for others.
func (m *simulation) refill(i int32) {
	n := &m.nodes[i]
	if n.done {
		return
	}
	m.timers.set(timer(i, onRefill), m.now+m.sc.Tracker)
	if !n.lost {
		return
	}
	n.lost = false
	m.neighbour = m.neighbour[:0]
	for _, e := range n.conns {
		if e >= 0 {
			m.neighbour = append(m.neighbour, m.ends[e^1].node)
		}
	}
	for _, j := range m.topo.Refill(int(i), m.neighbour) {
		m.dial(i, j, true)
	}
}

// dial starts setting up a connection from i to j: a round trip for TCP's handshake, in which the BitTorrent one of the dialler
// goes along; that of the other side is answered behind it, before anything else. again says that both may have dialled.
func (m *simulation) dial(i, j int32, again bool) {
	p := packet{at: m.now + 2*m.sc.Latency, end: i, index: uint32(j), kind: greeting}
	if again {
		p.begin = 1
	}
	m.hails.push(p)
}

// connect makes the connection from i to j.
func (m *simulation) connect(i, j int32, again bool) {
	if !m.nodes[i].there || !m.nodes[j].there || again && m.connected(i, j) {
		return
	}
	e := int32(len(m.ends))
	m.ends = append(m.ends, end{node: i, handle: m.nodes[i].handle(e), open: true}, end{node: j, handle: m.nodes[j].handle(e + 1), open: true})
	if m.linked {
		m.pipes = append(m.pipes, new(pipe), new(pipe))
	}
	m.tell(Event{Kind: Connected, Peer: i, Other: j})
	m.nodes[i].sw.Join(m.now, m.ends[e].handle, swarm.PeerInfo{Fast: true, Addr: address(j), Outgoing: true, ReqQ: swarm.ReqQ})
	m.nodes[j].sw.Join(m.now, m.ends[e+1].handle, swarm.PeerInfo{Fast: true, Addr: address(i), ReqQ: swarm.ReqQ})
	m.drain(i)
	m.drain(j)
}

func (m *simulation) connected(i, j int32) bool {
	for _, e := range m.nodes[i].conns {
		if e >= 0 && m.ends[e^1].node == j {
			return true
		}
	}
	return false
}

// handle returns the lowest handle that is free, for end e.
func (n *node) handle(e int32) swarm.Peer {
	if k := len(n.free); k > 0 {
		h := n.free[k-1]
		n.free, n.conns[h] = n.free[:k-1], e
		return h
	}
	n.conns = append(n.conns, e)
	return swarm.Peer(len(n.conns) - 1)
}

// hangUp closes end e from its own side. What its socket has taken is still sent, unless it is reset.
func (m *simulation) hangUp(e int32, reset bool) {
	end := &m.ends[e]
	if !end.open {
		return
	}
	m.forget(e)
	bye := packet{end: e, kind: fin}
	if m.linked && !reset {
		m.closePipe(e, bye)
		return
	}
	if m.linked {
		m.pipes[e] = nil
	}
	m.depart(bye)
}

// hungUp takes note that the other side closed.
func (m *simulation) hungUp(e int32) {
	if m.linked {
		m.pipes[e] = nil
	}
	if m.ends[e].open {
		m.nodes[m.ends[e].node].lost = true
		m.forget(e)
	}
}

// forget takes end e out of its node.
func (m *simulation) forget(e int32) {
	end := &m.ends[e]
	m.unchoked(e, false)
	end.open = false
	n := &m.nodes[end.node]
	n.conns[end.handle] = -1
	n.free = append(n.free, end.handle)
	if n.there {
		n.sw.Leave(m.now, end.handle)
	}
}

// address is where node i lives: each in a network of its own, since allowed-fast sets (BEP 6) are by network.
func address(i int32) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(11 + i>>16), byte(i >> 8), byte(i), 1}), 6881)
}
