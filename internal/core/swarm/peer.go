package swarm

import (
	"net/netip"
	"time"

	"github.com/eddy-p2p/eddy/internal/core/rate"
	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// none is no peer and no piece.
const none = -1

// PeerInfo is what the driver knows of a connection after its handshake.
type PeerInfo struct {
	Fast     bool           // both sides have the fast extension (BEP 6)
	Addr     netip.AddrPort // remote address
	Outgoing bool           // we dialled
	RTT      time.Duration  // of the transport, when it was set up; 0 = unknown
	ReqQ     int            // unanswered requests that the peer accepts; 0 = 250 (BEP 10)
}

// peer is one connection.
// The fields that a Have looks at stand together: in a swarm of many peers most messages are Haves, and memory is what they cost.
type peer struct {
	id       Peer
	serial   int32
	gone     bool // Close was emitted: nothing more is said to it or heard from it
	seed     bool // it has everything
	interest bool // we told it that we are interested
	remote   remote
	useful   int      // pieces that it has and we want
	has      bits.Set // pieces it has; the shared full set for a seed, which is never written to

	down   fetching
	up     serving
	credit credit
	info   PeerInfo
	joined time.Duration
}

// remote is what the peer told us about itself.
type remote struct {
	choking    bool // it chokes us
	interested bool
	stated     bool // bitfield, have or their fast forms were received
}

// fetching is our downloading from the peer.
type fetching struct {
	queued   bool          // in download.fill
	stalled  bool          // unanswered for too long: its blocks were given to others
	wary     bool          // it stalled, and no piece of its was verified since: it gets common pieces
	refused  bits.Set      // pieces that it rejected though it said that it has them
	allowed  []int32       // pieces that we may request while choked
	wait     time.Duration // no requests before: it rejected everything
	own      *partial      // the piece that this connection works on
	ask      asked
	heard    time.Duration // last block, or first request after none were out
	forgive  time.Duration // when refused is forgotten; 0 = it is empty
	grudge   time.Duration // how long the last refusals were remembered
	refusals int
	odd      int // blocks that were not asked for
	dropped  int // requests that a peer without BEP 6 may still answer after its choke
	pace     pace
	meter    rate.Meter
}

// Join adds a connection whose handshake is done. It emits what BEP 6 and BEP 3 want first: have-all, have-none or the
// bitfield.
func (s *Swarm) Join(now time.Duration, id Peer, info PeerInfo) {
	s.advance(now)
	if id < 0 || s.lookup(id) != nil {
		return
	}
	if info.ReqQ <= 0 {
		info.ReqQ = defaultReqQ
	}
	for int(id) >= len(s.peers) {
		s.peers = append(s.peers, nil)
	}
	s.serial++
	p := &peer{id: id, serial: s.serial, info: info, joined: s.now, has: bits.New(s.full.Len())}
	p.remote.choking = true
	p.up.choked = true
	p.up.since = s.now
	if len(s.list) == 0 {
		s.wake()
	}
	s.peers[id] = p
	s.list = append(s.list, p)
	s.introduce(p)
}

// introduce sends what we have.
func (s *Swarm) introduce(p *peer) {
	hide := s.grantJoin(p)
	switch {
	case p.info.Fast && !hide && s.have.Full():
		s.send(p, wire.HaveAll, 0, 0, 0)
	case p.info.Fast && (hide || s.have.Empty()):
		s.send(p, wire.HaveNone, 0, 0, 0)
	case !hide && !s.have.Empty():
		// A copy: the set may change before the action is drained.
		payload := append([]byte(nil), s.have.Bytes()...)
		s.out.push(Action{Kind: Send, Peer: p.id, Msg: wire.Message{Kind: wire.Bitfield, Payload: payload}})
	}
	if !hide {
		s.allowFast(p)
	}
}

// SetReqQ records how many unanswered requests the peer accepts, from its extended handshake (BEP 10).
func (s *Swarm) SetReqQ(id Peer, n int) {
	if p := s.lookup(id); p != nil && n > 0 {
		p.info.ReqQ = n
		s.markFill(p)
	}
}

// Leave removes a connection that is gone. The handle is free afterwards.
func (s *Swarm) Leave(now time.Duration, id Peer) {
	s.advance(now)
	p := s.lookup(id)
	if p == nil {
		return
	}
	s.holding(p, func() { p.gone = true })
	s.forgetRequests(p)
	s.forgetUploads(p)
	s.peers[id] = nil
	for i, q := range s.list {
		if q == p {
			s.list = append(s.list[:i], s.list[i+1:]...)
			break
		}
	}
	if p.seed {
		s.down.pieces.AddSeeds(-1)
	} else {
		for i := p.has.Next(0); i >= 0; i = p.has.Next(i + 1) {
			s.down.pieces.Dec(i)
		}
	}
	s.grantLeave(p)
	s.slotFreed(p)
	s.fillAll()
}

// close ends a connection, because of what the peer did when err is not nil.
func (s *Swarm) close(p *peer, ban bool, err error) {
	if p.gone {
		return
	}
	s.holding(p, func() { p.gone = true })
	s.forgetRequests(p)
	s.out.push(Action{Kind: Close, Peer: p.id, Ban: ban, Err: err})
	s.fillAll()
}

// closeRedundant closes the connection when neither side has anything for the other (BEP 21's upload_only on both sides).
func (s *Swarm) closeRedundant(p *peer) {
	if p.seed && s.Complete() {
		s.close(p, false, ErrRedundant)
	}
}

// gained notes that p has piece i, which is in range.
func (s *Swarm) gained(p *peer, i int) {
	if p.seed || !p.has.Add(i) {
		return
	}
	s.down.pieces.Inc(i)
	if s.wants(i) {
		p.useful++
	}
	s.grantSeen(i)
	if p.down.refused.Has(i) {
		p.down.refused.Remove(i)
	}
}

// settle brings interest, completeness and requests up to date after the peer's pieces changed.
func (s *Swarm) settle(p *peer) {
	if !p.seed && p.has.Full() && p.has.Len() > 0 {
		for i := range p.has.Len() {
			s.down.pieces.Dec(i)
		}
		p.seed, p.has = true, s.full
		s.down.pieces.AddSeeds(1)
	}
	s.updateInterest(p)
	s.markFill(p)
	s.slotWanted(p)
	s.closeRedundant(p)
}

func (s *Swarm) updateInterest(p *peer) {
	if want := p.useful > 0; want != p.interest && !p.gone {
		p.interest = want
		kind := wire.NotInterested
		if want {
			kind = wire.Interested
		}
		s.send(p, kind, 0, 0, 0)
	}
}

// snubbed reports whether the peer unchoked us, has requests and sent nothing for a minute.
func (p *peer) snubbed(now time.Duration) bool {
	return !p.remote.choking && p.down.ask.live() > 0 && now-p.down.heard > snubAfter
}
