package swarm

import (
	"time"

	"github.com/eddy-p2p/eddy/internal/format/bits"
	"github.com/eddy-p2p/eddy/internal/format/wire"
)

// grants is how the only seed hands each piece out once before any twice. While a pass runs, the peers are not told that
// we are a seed: a Have grants one of them a piece that nobody else was granted, the next when half of it is on its way. No
// upload of the seed is then spent on what the swarm could copy by itself, which is what decides its time. BEP 16 waits for
// another peer's Have before each grant; we don't, so that no uplink waits either. After one pass all is revealed.
type grants struct {
	active bool
	state  []uint8       // by piece
	pool   []int32       // pieces to grant, in random order; those not unsent are skipped
	unsent int           // pieces not yet sent once
	since  time.Duration // last change of who is connected
}

const (
	pieceUnsent  uint8 = iota
	pieceGranted       // one peer was told, and did not get all of it yet
	pieceSent          // sent once, or a peer has it
)

// opens is what one peer was shown.
type opens struct {
	revealed bool     // everything
	shown    bits.Set // else these
	list     []open
	misses   int     // grants that it did not use
	boost    int64   // factor by which its grants grew because they ran out while the uplink had nothing else to do; 0 = 1
	fast     []int32 // its allowed-fast pieces
}

// open is a granted piece of which left bytes are not served yet.
type open struct {
	piece int32
	left  int64
	at    time.Duration
}

const (
	grantWait     = 3 * time.Second      // a grant not used for so long goes to somebody else
	statedWait    = time.Second          // until then a peer says what it has
	boostStep     = 2 * time.Millisecond // of round trip, for each further factor
	maxMisses     = 2                    // such grants before a peer is shown everything
	maxGrant      = 8 << 20              // bytes granted ahead to one peer, before its boost
	firstGrant    = 1 << 20              // the same, before its rate is known, when there is no limit
	loneLimited   = time.Second          // a single leecher is shown everything after so long
	loneUnlimited = 300 * time.Millisecond
)

// grantJoin decides whether what we have is hidden from p, and starts a pass with the first leecher of a seed.
func (s *Swarm) grantJoin(p *peer) (hide bool) {
	g := &s.grant
	g.since = s.now
	if !g.active {
		if s.cfg.Policy.RevealAll || !s.have.Full() || s.full.Len() < 2 || len(s.list) > 1 {
			p.up.opens.revealed = true
			return false
		}
		s.grantStart()
	}
	p.up.opens.shown = bits.New(s.full.Len())
	return true
}

func (s *Swarm) grantStart() {
	n := s.full.Len()
	g := &s.grant
	*g = grants{active: true, state: make([]uint8, n), pool: make([]int32, n), unsent: n, since: s.now}
	for k, i := range s.rng.Perm(n) {
		g.pool[k] = int32(i)
	}
}

// shows reports whether p may know that we have piece i.
func (s *Swarm) shows(p *peer, i int) bool {
	return !s.grant.active || p.up.opens.revealed || p.up.opens.shown.Has(i)
}

// grantCould reports whether a grant would make p interested.
func (s *Swarm) grantCould(p *peer) bool {
	// A peer without BEP 6 that has nothing may stay silent about it.
	return s.grant.active && !p.up.opens.revealed && !p.seed && (p.remote.stated || s.now-p.joined >= statedWait)
}

// grantMore grants p pieces until its next quarter of a second is provided for, one piece at least.
func (s *Swarm) grantMore(p *peer) {
	o := &p.up.opens
	if !s.grant.active || o.revealed || p.up.choked || p.gone || p.seed {
		return
	}
	var left int64
	for _, x := range o.list {
		left += x.left
	}
	window := s.grantWindow(p)
	for left <= window/2 {
		i := s.takeUnsent(p)
		if i < 0 {
			i = s.secondHand(p)
		}
		if i < 0 {
			return
		}
		n := s.layout.PieceSize(i)
		o.list = append(o.list, open{piece: int32(i), left: n, at: s.now})
		o.shown.Add(i)
		s.send(p, wire.Have, uint32(i), 0, 0)
		left += n
	}
}

func (s *Swarm) grantWindow(p *peer) int64 {
	// News of a grant takes a round trip until it is answered by requests: what is on its way then counts too.
	rtt := min(p.info.RTT, time.Second)
	ahead := min(int64(float64(p.up.meter.Over(s.now, 2*time.Second))*(time.Second/4+2*rtt).Seconds()), maxGrant)
	if limit := s.up.bucket.Rate(); limit == 0 {
		ahead = max(ahead, min(firstGrant, s.layout.Size/8)) * max(p.up.opens.boost, 1)
	} else {
		ahead = max(ahead, int64(float64(limit)*(time.Second/10+2*rtt).Seconds())/int64(len(s.list)))
	}
	return max(ahead, s.layout.PieceLength)
}

// grantRanOut doubles the grants of a peer that got all it was granted while nobody else keeps the uplink busy: news of the
// next piece takes longer to it and back than its grants last.
func (s *Swarm) grantRanOut(p *peer) {
	for _, q := range s.list {
		if q.up.waiting() > 0 {
			return
		}
	}
	o := &p.up.opens
	o.boost = min(max(o.boost, 1)*2, 1+int64(min(p.info.RTT, time.Second)/boostStep))
}

// takeUnsent takes a piece out of the pool that nobody was granted, or returns -1.
func (s *Swarm) takeUnsent(p *peer) int {
	g := &s.grant
	for k := len(g.pool); k > 0; k = len(g.pool) {
		i := int(g.pool[k-1])
		g.pool = g.pool[:k-1]
		if g.state[i] == pieceUnsent {
			g.state[i] = pieceGranted
			return i
		}
	}
	return none
}

// secondHand returns the rarest piece that was sent once and that p lacks, or -1. At the end of a pass it keeps the peers
// busy that have nothing unsent left to be granted.
func (s *Swarm) secondHand(p *peer) int {
	best, ties := none, 0
	for i, state := range s.grant.state {
		if state != pieceSent || p.has.Has(i) || p.up.opens.shown.Has(i) {
			continue
		}
		a := 0
		if best != none {
			a = s.down.pieces.Availability(i) - s.down.pieces.Availability(best)
		}
		switch {
		case best == none || a < 0:
			best, ties = i, 1
		case a == 0:
			ties++
			if s.rng.IntN(ties) == 0 {
				best = i
			}
		}
	}
	return best
}

// grantServed counts n bytes of piece i that are on their way to p.
func (s *Swarm) grantServed(p *peer, i int, n int64) {
	g, o := &s.grant, &p.up.opens
	if !g.active {
		return
	}
	o.misses = 0
	k := 0
	for k < len(o.list) && int(o.list[k].piece) != i {
		k++
	}
	if k == len(o.list) {
		if g.state[i] != pieceUnsent {
			return
		}
		// A peer that is shown everything chose it.
		g.state[i] = pieceGranted
		o.list = append(o.list, open{piece: int32(i), left: s.layout.PieceSize(i), at: s.now})
	}
	if o.list[k].left -= n; o.list[k].left <= 0 {
		o.list = append(o.list[:k], o.list[k+1:]...)
		s.grantSeen(i)
	}
	if p.up.waiting() == 0 {
		s.grantRanOut(p)
	}
	s.grantMore(p)
}

// grantSeen notes that piece i is out: sent once, or had by a peer.
func (s *Swarm) grantSeen(i int) {
	g := &s.grant
	if !g.active || g.state[i] == pieceSent {
		return
	}
	g.state[i] = pieceSent
	if g.unsent--; g.unsent == 0 {
		s.grantEnd()
	}
}

// grantEnd shows everything to everybody: the pass is over.
func (s *Swarm) grantEnd() {
	for _, p := range s.list {
		s.reveal(p)
	}
	s.grant = grants{}
	s.fillSlots()
}

// reveal shows p everything.
func (s *Swarm) reveal(p *peer) {
	o := &p.up.opens
	if o.revealed || p.gone {
		return
	}
	o.revealed = true
	if p.seed {
		return
	}
	for i := range s.full.Len() {
		if !o.shown.Has(i) && s.have.Has(i) {
			s.send(p, wire.Have, uint32(i), 0, 0)
		}
	}
	o.shown = bits.Set{}
}

// grantBack returns p's unfinished grants to the pool: it was choked, or is gone.
func (s *Swarm) grantBack(p *peer) {
	g, o := &s.grant, &p.up.opens
	if !g.active {
		return
	}
	for _, x := range o.list {
		s.unsend(int(x.piece), pieceGranted)
	}
	o.list = o.list[:0]
}

// unsend puts piece i, in the given state, back into the pool unless a peer has it. Peers that claim to have everything do not
// count: they may lie.
func (s *Swarm) unsend(i int, state uint8) {
	g := &s.grant
	if g.state[i] != state || s.down.pieces.Availability(i) > s.down.pieces.Seeds() {
		return
	}
	if state == pieceSent {
		g.unsent++
	}
	g.state[i] = pieceUnsent
	g.pool = append(g.pool, int32(i))
}

// grantLeave handles a peer that left: what only it had, or was being sent, has to be sent again.
func (s *Swarm) grantLeave(p *peer) {
	g := &s.grant
	g.since = s.now
	if !g.active {
		return
	}
	if len(s.list) == 0 {
		*g = grants{}
		return
	}
	s.grantBack(p)
	for i := range g.state {
		if p.has.Has(i) || p.up.opens.shown.Has(i) {
			s.unsend(i, pieceSent)
		}
	}
	for _, q := range s.list {
		s.grantMore(q)
	}
}

// grantTick shows everything to a single leecher, and takes back grants that nobody uses.
func (s *Swarm) grantTick() {
	g := &s.grant
	if !g.active {
		return
	}
	lone := time.Duration(loneUnlimited)
	if s.up.bucket.Rate() > 0 {
		lone = loneLimited
	}
	if len(s.list) == 1 && s.now-g.since >= lone {
		s.reveal(s.list[0])
	}
	for _, p := range s.list {
		s.takeBack(p)
	}
	s.fillSlots()
}

// takeBack gives a grant that p did not use to somebody else. Who does not use several may not want those pieces: it is
// shown everything and chooses.
func (s *Swarm) takeBack(p *peer) {
	o := &p.up.opens
	if p.gone || p.up.choked || p.up.waiting() > 0 || p.up.out > 0 {
		return
	}
	for k := 0; k < len(o.list); k++ {
		x := o.list[k]
		if s.now-x.at < grantWait {
			continue
		}
		o.list = append(o.list[:k], o.list[k+1:]...)
		k--
		s.unsend(int(x.piece), pieceGranted)
		o.misses++
	}
	if o.misses >= maxMisses {
		s.reveal(p)
		return
	}
	s.grantMore(p)
}
