package block

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/swarm"
	"github.com/eddy-p2p/eddy/internal/format/wire"
	"github.com/eddy-p2p/eddy/internal/sim/record"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
	"github.com/eddy-p2p/eddy/metainfo"
)

// Options of a run; the zero value is ready.
type Options struct {
	Progress func(now time.Duration, done int) // called now and then: how many peers are complete; may be nil
	Trace    func(Event)                       // called for each Event in the order of time; may be nil
}

// verifyDelay is what hashing and writing a piece takes from its last block on. Most of it is done as the blocks come.
const verifyDelay = time.Millisecond

// looksEvery is how many events pass between two looks at the context.
const looksEvery = 1 << 12

// Run simulates sc with its population and reports to rec. It ends when every peer is complete or gone, or at the scenario's end.
// A cancelled ctx ends it with the context's error; any other error is a mistake in the scenario.
func Run(ctx context.Context, sc *scenario.Scenario, peers []scenario.Peer, rec *record.Recorder, opt Options) error {
	m, err := newSimulation(sc, peers, rec, opt)
	if err != nil {
		return err
	}
	return m.run(ctx)
}

// simulation is one run. What happens next is the front of one of three queues, each in the order of time because all in it
// have the same delay, or the first timer.
type simulation struct {
	sc     *scenario.Scenario
	peers  []scenario.Peer
	rec    *record.Recorder
	opt    Options
	layout metainfo.Layout
	topo   *scenario.Topology
	linked bool // ByLink

	now     time.Duration
	wire    ring // packets under way: the scenario's latency
	checks  ring // pieces being verified
	hails   ring // connections being set up: a round trip
	timers  timers
	waiting int // peers that are neither complete nor gone
	done    int
	events  int

	nodes []node
	ends  []end
	pipes []*pipe // of each end, ByLink; nil = nothing can be written any more
	dirty []int32 // ends to whose pipe something was added

	bitfields [][]byte // payloads of bitfields under way
	spare     []uint32 // of these, free for use
	message   wire.Message
	neighbour []int32

	carried func(node int32, up bool, bytes int64) // a test looks at what links carry; nil otherwise
}

// payload is what every block contains.
var payload [metainfo.BlockSize]byte

func newSimulation(sc *scenario.Scenario, peers []scenario.Peer, rec *record.Recorder, opt Options) (*simulation, error) {
	m := &simulation{
		sc: sc, peers: peers, rec: rec, opt: opt, linked: sc.Shaping == scenario.ByLink,
		layout: metainfo.Layout{Size: sc.Size, PieceLength: sc.PieceLength},
		timers: newTimers(len(peers)), nodes: make([]node, len(peers)), topo: scenario.NewTopology(sc, peers),
	}
	for i := range peers {
		if i < sc.Servers() {
			if err := m.settle(int32(i)); err != nil {
				return nil, fmt.Errorf("setting up the server: %w", err)
			}
			continue
		}
		m.waiting++
		m.timers.set(timer(int32(i), onLife), peers[i].Arrive)
	}
	return m, nil
}

// run is the event loop.
func (m *simulation) run(ctx context.Context) error {
	end := m.sc.End(m.peers)
	for m.waiting > 0 {
		if m.events&(looksEvery-1) == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if m.opt.Progress != nil {
				m.opt.Progress(m.now, m.done)
			}
		}
		m.events++
		at, from := m.next()
		if from == nil && len(m.timers.heap) == 0 || at > end {
			return nil
		}
		m.now = at
		if err := m.step(from); err != nil {
			return err
		}
	}
	return nil
}

// next returns the time of what happens next and the queue that it is in; nil = the timers. Of things at the same time messages
// come first: who acts then knows them.
func (m *simulation) next() (at time.Duration, from *ring) {
	at = scenario.Forever
	if t, ok := m.timers.next(); ok {
		at = t
	}
	for _, q := range [...]*ring{&m.hails, &m.checks, &m.wire} {
		if q.n > 0 && q.front().at <= at {
			at, from = q.front().at, q
		}
	}
	return at, from
}

func (m *simulation) step(from *ring) error {
	switch from {
	case &m.wire:
		m.arrive()
	case &m.checks:
		p := m.checks.pop()
		m.verified(p.end, int(p.index))
	case &m.hails:
		p := m.hails.pop()
		m.connect(p.end, int32(p.index), p.begin > 0)
	default:
		return m.due(m.timers.pop())
	}
	return nil
}

// due does what a timer was set for.
func (m *simulation) due(i int32, kind int) error {
	n := &m.nodes[i]
	switch kind {
	case onTick:
		n.sw.Tick(m.now)
		m.drain(i)
	case onUp:
		m.uplinked(i)
	case onDown:
		m.downlinked(i)
	case onLife:
		if n.there {
			m.leave(i, false)
			return nil
		}
		return m.join(i)
	case onFail:
		m.leave(i, true)
	case onRefill:
		m.refill(i)
	}
	return nil
}

// arrive delivers the packet that is due, and those behind it that came over the same connection at the same time: the
// receiver reads them at once.
func (m *simulation) arrive() {
	e := m.wire.front().end
	i := m.ends[e].node
	for {
		p := m.wire.pop()
		if !m.throughDownlink(i, &p) {
			m.receive(&p)
		}
		if m.wire.n == 0 {
			break
		}
		if next := m.wire.front(); next.end != e || next.at != m.now {
			break
		}
	}
	m.drain(i)
}

// receive hands a packet to the Swarm that it is for.
func (m *simulation) receive(p *packet) {
	e := &m.ends[p.end]
	switch p.kind {
	case fin:
		m.hungUp(p.end)
		return
	case ack:
		m.acknowledged(p)
		return
	}
	var body []byte
	switch p.kind {
	case wire.Bitfield:
		body = m.bitfields[p.index]
		m.bitfields[p.index], m.spare = nil, append(m.spare, p.index)
	case wire.Piece:
		body = payload[:p.length]
	}
	if !e.open {
		return
	}
	m.message = wire.Message{Kind: p.kind, Index: p.index, Begin: p.begin, Length: p.length, Payload: body}
	keep := m.nodes[e.node].sw.Receive(m.now, e.handle, &m.message)
	if p.kind == wire.Piece {
		if m.carried != nil && !m.linked {
			m.carried(e.node, false, int64(p.length))
		}
		n, wasted := int64(p.length), int64(0)
		if !keep {
			wasted = n
		}
		m.rec.Transferred(m.now, int(m.ends[p.end^1].node), int(e.node), n, wasted)
	}
}

// verified answers a Verify: every piece is good.
func (m *simulation) verified(i int32, piece int) {
	n := &m.nodes[i]
	if n.sw == nil {
		return
	}
	n.sw.PieceDone(m.now, piece, true, nil)
	m.rec.Got(m.now, int(i), piece)
	m.tell(Event{Kind: Got, Peer: i, Other: nobody, Piece: int32(piece)})
	m.drain(i)
}

// stream returns the source of chance of one peer.
func (m *simulation) stream(i int32) *rand.Rand {
	return rand.New(rand.NewPCG(m.sc.Seed, streamPeer+uint64(i)))
}

const streamPeer = 16 << 40 // apart from the streams of package scenario

// sent counts bytes of blocks that left node i.
func (m *simulation) sent(i int32, bytes int64) {
	n := &m.nodes[i]
	n.sent += bytes
	if m.carried != nil {
		m.carried(i, true, bytes)
	}
	if n.there && n.leaveAfter > 0 && n.sent >= n.leaveAfter {
		m.timers.set(timer(i, onLife), m.now)
	}
}

// drain carries out what the Swarm of node i wants done, and sets its timer.
func (m *simulation) drain(i int32) {
	n := &m.nodes[i]
	if n.sw == nil {
		return
	}
	for {
		a, ok := n.sw.Next()
		if !ok {
			if len(m.dirty) == 0 {
				break
			}
			m.writeDirty()
			continue
		}
		m.carryOut(i, n, &a)
	}
	if at, ok := n.sw.NextTick(); ok {
		m.timers.set(timer(i, onTick), max(at, m.now))
	} else {
		m.timers.clear(timer(i, onTick))
	}
	if m.opt.Trace != nil {
		m.watch(i)
	}
}

func (m *simulation) carryOut(i int32, n *node, a *swarm.Action) {
	switch a.Kind {
	case swarm.Send, swarm.Serve:
		if e := n.conns[a.Peer]; e >= 0 {
			m.say(e, n, a)
		}
	case swarm.Verify:
		m.checks.push(packet{at: m.now + verifyDelay, end: i, index: a.Msg.Index, kind: checked})
	case swarm.Close:
		if e := n.conns[a.Peer]; e >= 0 {
			m.hangUp(e, false)
		}
	case swarm.Completed:
		m.completed(i)
	}
}

// say sends a message or block over end e of node n.
func (m *simulation) say(e int32, n *node, a *swarm.Action) {
	msg := &a.Msg
	p := packet{end: e, index: msg.Index, begin: msg.Begin, length: msg.Length, kind: msg.Kind}
	switch msg.Kind {
	case wire.Choke, wire.Unchoke:
		if n.mute {
			return
		}
		m.unchoked(e, msg.Kind == wire.Unchoke)
	case wire.AllowedFast:
		if n.mute {
			return
		}
	case wire.Bitfield:
		p.index = m.keep(msg.Payload)
	}
	if m.linked {
		m.queue(e, p)
		return
	}
	m.depart(p)
	if a.Kind == swarm.Serve {
		n.sw.Sent(m.now, a.Peer, 1, int64(msg.Length))
	}
}

// keep stores the payload of a bitfield under way.
func (m *simulation) keep(b []byte) uint32 {
	if k := len(m.spare); k > 0 {
		at := m.spare[k-1]
		m.spare, m.bitfields[at] = m.spare[:k-1], b
		return at
	}
	m.bitfields = append(m.bitfields, b)
	return uint32(len(m.bitfields) - 1)
}

// depart puts what was written to end p.end on its way to the other side.
func (m *simulation) depart(p packet) {
	if p.kind == wire.Piece {
		m.sent(m.ends[p.end].node, int64(p.length))
	}
	p.end ^= 1
	p.at = m.now + m.sc.Latency
	m.wire.push(p)
}

// unchoked reports a change of state of the direction that starts at end e.
func (m *simulation) unchoked(e int32, on bool) {
	end, other := &m.ends[e], &m.ends[e^1]
	if end.unchoked != on && (m.nodes[other.node].there || !on) {
		end.unchoked = on
		m.rec.Unchoked(m.now, int(end.node), int(other.node), on)
	}
}
