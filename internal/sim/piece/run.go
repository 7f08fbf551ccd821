package piece

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/choke"
	"github.com/eddy-p2p/eddy/internal/core/pick"
	"github.com/eddy-p2p/eddy/internal/core/policy"
	"github.com/eddy-p2p/eddy/internal/sim/record"
	"github.com/eddy-p2p/eddy/internal/sim/scenario"
	"github.com/eddy-p2p/eddy/metainfo"
)

// Options are what a run needs besides the scenario. The zero value is ready.
type Options struct {
	Progress func(now time.Duration, done int) // called now and then with the virtual time and how many are complete; may be nil
	// Blind leaves the choker without how complete the others are, all that it knows beyond BEP 3's plain algorithm. It is there
	// to measure what that changes.
	Blind bool
}

// Run simulates sc with peers (of sc.Population) and reports to rec. It ends when everybody who comes is complete or gone, or at
// sc.End. The same scenario gives the same calls of rec, whatever the machine. The scenario must be valid. The
// error is ctx's, or says that the swarm is too large.
func Run(ctx context.Context, sc *scenario.Scenario, peers []scenario.Peer, rec *record.Recorder, opt Options) error {
	s, err := newSwarm(sc, peers, rec)
	if err != nil {
		return err
	}
	s.blind = opt.Blind
	return s.run(ctx, opt)
}

// swarm is one run. Not safe for concurrent use.
type swarm struct {
	sc     *scenario.Scenario
	peers  []scenario.Peer
	rec    *record.Recorder
	topo   *scenario.Topology
	layout metainfo.Layout
	policy []policy.Policy // by class + 1
	linked bool            // the links keep to the rates: the peers know no limits
	blind  bool            // Options.Blind
	serial bool            // scenario.Serial or Rounds
	all    []int32         // scenario.Rounds: who is here, of whose pieces everybody knows; else nil

	pieces, words, slots int
	lag                  time.Duration // a message there and one back
	now, end             time.Duration

	// By peer. Row p of have and wanted is [p*words:][:words].
	node   []node
	have   []uint64
	wanted []uint64 // pieces that nobody works on and that are not here
	count  []int32  // pieces that it has
	known  []uint8  // what a picker counts the peer as

	graph
	transfers
	stubs  []stub // pieces that were cut off
	unused int32  // first of the unused ones, or none
	passes map[int32]*pass
	hiding []int32 // who runs a pass

	events  queue
	rounds  fifo // choke.Round ahead: peers
	looks   fifo // lag ahead: peers that have a reason to look for somebody to serve
	arrived fifo // one latency ahead: transfers
	replies fifo // one latency ahead: peers that are asked for the next piece
	next    int  // the next of peers to come
	busy    []int32

	chance *streams
	rng    *rand.Rand
	view   *pick.Sliced
	fit    []uint64
	begun  []uint64
	list   []choke.Candidate
}

// node is what a peer is besides its pieces and links.
type node struct {
	upFree, downFree int64         // bytes/s that no transfer uses
	optimistic       time.Duration // next change of the optimistic slot
	sent             int64         // bytes
	working          int32         // pieces on their way to it
	begun            int32         // pieces that were cut off
	stub             int32         // first of these, or none
	in               int32         // first of the transfers to it, or none
	out              int32         // number of transfers from it
	trying           int32         // who has the optimistic slot, or none
	floor            uint32        // turn at which a newcomer starts
	extra            int8          // slots opened until the next round
	policy           uint16        // index in swarm.policy
	flags            uint16
}

// Flags of a node.
const (
	here      uint16 = 1 << iota
	idle             // it could send more than it does
	looking          // in looks
	checking         // toUse is queued
	refilling        // toRefill is queued
	awaited          // an idle uploader waits for something to change here
	throttled        // a transfer to it is slower than its sender could be
	satisfied        // nobody choked wants anything: no need to look for candidates
	news             // it was, until it got a piece or a neighbour: who is interested now has just said so
	queued           // in busy
	runs             // it has rounds
)

// What a picker counts a peer as.
const (
	hasNothing uint8 = iota
	hasSome
	hasAll
	hides // everything: it hands its pieces out, and its row in have is empty meanwhile
)

func newSwarm(sc *scenario.Scenario, peers []scenario.Peer, rec *record.Recorder) (*swarm, error) {
	n := len(peers)
	s := &swarm{sc: sc, peers: peers, rec: rec, topo: scenario.NewTopology(sc, peers),
		layout: metainfo.Layout{Size: sc.Size, PieceLength: sc.PieceLength},
		pieces: sc.Pieces(), lag: 2 * sc.Latency, end: sc.End(peers), unused: none, passes: map[int32]*pass{}}
	s.linked = sc.Shaping == scenario.ByLink
	if s.serial = sc.Exchange != scenario.BySlots; s.serial {
		s.lag = 0
	}
	if s.slots = sc.Slots; s.slots == 0 {
		s.slots = choke.DefaultSlots
	}
	for class := range int32(len(sc.Classes)) + 1 {
		s.policy = append(s.policy, sc.PolicyOf(class-1))
	}
	if err := s.makeGraph(); err != nil {
		return nil, err
	}
	s.chance = newStreams(sc.Seed, n)
	s.rng = rand.New(s.chance)
	s.view = pick.NewSliced(s.pieces, s.rng)
	s.words = s.view.Words()
	s.fit, s.begun = make([]uint64, s.words), make([]uint64, s.words)
	s.node, s.known, s.count = make([]node, n), make([]uint8, n), make([]int32, n)
	s.have, s.wanted = make([]uint64, n*s.words), make([]uint64, n*s.words)
	for i := range sc.Servers() {
		s.enter(int32(i))
	}
	s.next = sc.Servers()
	return s, nil
}

// makeGraph chooses the size of the rows and makes room for the peers that are there at once as far as one can tell.
func (s *swarm) makeGraph() error {
	n := len(s.peers)
	var total int64
	staying := 0
	for i := range s.peers {
		p := &s.peers[i]
		d := p.Degree
		if d == 0 || d > n {
			d = n
		}
		total += int64(d)
		if p.Stay == scenario.Forever && p.Fail == scenario.Forever {
			staying++
		}
	}
	degree := int(total / int64(n))
	if int64(max(staying, 1))*int64(degree) > maxLinks {
		return fmt.Errorf("%d peers with %d neighbours each are too many links: give a degree, such as 50", n, degree)
	}
	s.graph.row = make([]row, n)
	s.graph.unit = int32(min(max(degree+degree/4+2, 8), n))
	s.graph.reserve(min(staying+1, n))
	return nil
}

// maxLinks bounds the links, both ends counted: 64 bytes each.
const maxLinks = 400_000_000

func (s *swarm) run(ctx context.Context, opt Options) error {
	const seldom = 1 << 14
	for count := 1; s.step(); count++ {
		if count%seldom != 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("simulating %s at %v: %w", s.sc.Name, s.now, err)
		}
		if opt.Progress != nil {
			opt.Progress(s.now, s.rec.Finished())
		}
	}
	return nil
}

// step does what comes next, and reports false when nothing does. At the same instant, what arrives comes first, then
// who comes, then what ends, then rounds and looks: in that order what is decided later knows of what came before.
func (s *swarm) step() bool {
	if s.over() {
		return false
	}
	arrival, ends := never, never
	if s.next < len(s.peers) {
		arrival = s.peers[s.next].Arrive
	}
	if len(s.events) > 0 {
		ends = s.events[0].at
	}
	landing, reply, round, look := s.arrived.next(), s.replies.next(), s.rounds.next(), s.looks.next()
	at := min(landing, reply, arrival, ends, round, look)
	if at == never || at > s.end {
		return false
	}
	s.now = at
	switch at {
	case landing:
		s.land(s.arrived.pop())
	case reply:
		s.feed(s.replies.pop())
	case arrival:
		s.next++
		s.come(int32(s.next - 1))
	case ends:
		s.happen(s.events.pop())
	case round:
		s.round(s.rounds.pop())
	default:
		s.look(s.looks.pop())
	}
	s.feedBusy()
	return true
}

// over reports whether nobody is left, here or to come, who is not complete.
func (s *swarm) over() bool { return s.next == len(s.peers) && s.leeching == 0 }

func (s *swarm) happen(e event) {
	switch {
	case e.what >= 0:
		s.ended(e)
	case e.what == toLeave:
		s.leave(e.peer, false)
	case e.what == toFail:
		s.leave(e.peer, true)
	case e.what == toUse:
		s.useIdle(e.peer)
	case e.what == toRefill:
		s.refill(e.peer)
	}
}

func (s *swarm) is(p int32, flag uint16) bool { return s.node[p].flags&flag != 0 }

func (s *swarm) set(p int32, flag uint16) { s.node[p].flags |= flag }

func (s *swarm) unset(p int32, flag uint16) { s.node[p].flags &^= flag }

func (s *swarm) haveRow(p int32) []uint64 {
	at := int(p) * s.words
	return s.have[at : at+s.words : at+s.words]
}

func (s *swarm) wantedRow(p int32) []uint64 {
	at := int(p) * s.words
	return s.wanted[at : at+s.words : at+s.words]
}

func (s *swarm) complete(p int32) bool { return int(s.count[p]) == s.pieces }

// policyOf returns by what p decides.
func (s *swarm) policyOf(p int32) *policy.Policy { return &s.policy[s.node[p].policy] }

// wake marks p to look at once for somebody to serve, after the event that is being dealt with.
func (s *swarm) wake(p int32) {
	if !s.is(p, queued) {
		s.set(p, queued)
		s.busy = append(s.busy, p)
	}
}

func (s *swarm) feedBusy() {
	for k := 0; k < len(s.busy); k++ {
		p := s.busy[k]
		s.unset(p, queued)
		s.feed(p)
	}
	s.busy = s.busy[:0]
}

// soon has p look for somebody to serve when messages have gone there and back.
func (s *swarm) soon(p int32) {
	if !s.is(p, looking) {
		s.set(p, looking)
		s.looks.push(s.now+s.lag, p)
	}
}

func (s *swarm) look(p int32) {
	s.unset(p, looking)
	s.feed(p)
}
